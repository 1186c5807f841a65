"""Corporate actions that multiply a holding, read from the numbers.

A split of 1:2 turns one share into two; a bonus of 1:1 gives one for one held; a
consolidation of 10:1 turns ten into one. Each leaves the cost where it was. A split
and a bonus of one factor look the same in quantity, average and price; only a new
ISIN (a new face value brings one) or an actions table tells them apart, so without
either the more usual name is taken and the confidence says so.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import polars as pl

__all__ = ["FACTORS", "FALL", "from_numbers", "near"]

FACTORS: Final = (
    ("split", Fraction(2)),
    ("split", Fraction(5)),
    ("split", Fraction(10)),
    ("bonus", Fraction(3, 2)),
    ("bonus", Fraction(3)),
    ("bonus", Fraction(4)),
    ("bonus", Fraction(4, 3)),
    ("bonus", Fraction(5, 4)),
    ("bonus", Fraction(6, 5)),
    ("bonus", Fraction(11, 10)),
    ("bonus", Fraction(5, 3)),
    ("bonus", Fraction(5, 2)),
    ("consolidation", Fraction(1, 2)),
    ("consolidation", Fraction(1, 5)),
    ("consolidation", Fraction(1, 10)),
    ("consolidation", Fraction(1, 100)),
)
"""The name a factor usually has, most usual first."""

_STEEP: Final = 0.4  # a price step that ordinary days do not make
_DOUBLE: Final = 2
_UNRESTATED: Final = 2  # the tier in which the average has not followed

_Q0: Final = pl.col("owned_quantity_before")
_Q1: Final = pl.col("owned_quantity_after")
_A0: Final = pl.col("average_price_before").cast(pl.Float64())
_A1: Final = pl.col("average_price_after").cast(pl.Float64())
_COST: Final = (pl.col("cost_value_after") - pl.col("cost_value_before")).cast(
    pl.Float64()
)
FALL: Final = (pl.col("price_before").cast(pl.Float64())) / pl.col("price_after").cast(
    pl.Float64()
)


def near(ratio: pl.Expr, factor: float | pl.Expr, band: float) -> pl.Expr:
    """`ratio` is `factor`, give or take `band` either way."""
    return (ratio / factor).is_between(1 / (1 + band), 1 + band)


def _exact(factor: Fraction) -> pl.Expr:
    return _Q0 * factor.numerator == _Q1 * factor.denominator


def _floored(factor: Fraction) -> pl.Expr:
    left = _Q0 * factor.numerator - _Q1 * factor.denominator
    return (left > 0) & (left < factor.denominator) & (_Q1.floor() == _Q1)


def _implied(factor: Fraction) -> pl.Expr:
    return _COST / (_Q1.cast(pl.Float64()) - _Q0.cast(pl.Float64()) * float(factor))


def _tiers(tolerance: float) -> list[tuple[str, float, list[pl.Expr]]]:
    """Ways to see a factor in the numbers, surest first: words, confidence, tests."""
    quantity = (_Q0 + _Q1).cast(pl.Float64())
    equal_cost = (_COST.abs() <= quantity * tolerance / 2) & (
        (_A1 - _A0).abs() > tolerance
    )
    stale = _A0.is_null() | _A1.is_null() | ((_A1 - _A0).abs() <= tolerance)
    factors = [factor for _, factor in FACTORS]
    steep = [abs(float(factor) - 1) > _STEEP for factor in factors]
    fell = [near(FALL, float(factor), 0.15) for factor in factors]
    none = pl.lit(value=False)
    return [
        ("cost equal", 0.9, [equal_cost & _exact(f) for f in factors]),
        (
            "cost equal, fraction paid out",
            0.8,
            [equal_cost & _floored(f) for f in factors],
        ),
        (
            "price moved with it, average not restated",
            0.6,
            [
                stale & _exact(f) & fell[n] if steep[n] else none
                for n, f in enumerate(factors)
            ],
        ),
        (
            "average and price moved with it, some traded",
            0.8,
            [
                near(_A0 / _A1, float(f), 0.002) & fell[n] if steep[n] else none
                for n, f in enumerate(factors)
            ],
        ),
        (
            "price moved with it, the rest bought near the price",
            0.6,
            [
                near(FALL, float(f), 0.08)
                & (_Q1 * f.denominator > _Q0 * f.numerator)
                & near(_implied(f), pl.col("price_after").cast(pl.Float64()), 0.15)
                if f >= _DOUBLE
                else none
                for f in factors
            ],
        ),
    ]


def _named(cause: str, factor: Fraction, *, restated: bool) -> tuple[str, str, bool]:
    """Name the action: cause, ratio text, and whether another name fits as well."""
    if factor < 1:
        return "consolidation", f"{factor.denominator}:{factor.numerator}", False
    kind = cause if restated else "bonus"
    if kind == "split":
        return kind, f"{factor.denominator}:{factor.numerator}", True
    return (
        kind,
        f"{factor.numerator - factor.denominator}:{factor.denominator}",
        not restated,
    )


def _table(tolerance: float) -> tuple[pl.Expr, pl.LazyFrame]:
    """Give a number to every (tier, factor) and list what the number stands for."""
    tests: list[pl.Expr] = []
    rows: list[dict[str, object]] = []
    for tier, (words, confidence, found) in enumerate(_tiers(tolerance)):
        for (usual, factor), test in zip(FACTORS, found, strict=True):
            kind, text, twin = _named(usual, factor, restated=tier != _UNRESTATED)
            rows.append(
                {
                    "_way": len(tests),
                    "_action": kind,
                    "ratio": text,
                    "_split_ratio": f"{factor.denominator}:{factor.numerator}",
                    "_num": factor.numerator,
                    "_den": factor.denominator,
                    "_action_confidence": min(confidence, 0.6) if twin else confidence,
                    "_action_words": words,
                    "_twin": twin,
                }
            )
            tests.append(pl.when(test).then(pl.lit(len(tests), pl.Int64())))
    return pl.coalesce(tests), pl.LazyFrame(rows)


def from_numbers(rows: pl.LazyFrame, tolerance: float) -> pl.LazyFrame:
    """Read each row in its quantity, average and price, without a table."""
    way, table = _table(tolerance)
    relinked = pl.col("_link").is_not_null() & (pl.col("_num") > pl.col("_den"))
    return (
        rows.filter((_Q0 > 0) & (_Q1 > 0) & (_Q0 != _Q1))
        .select("_place_after", "_link", _way=way)
        .filter(pl.col("_way").is_not_null())
        .join(table, on="_way")
        .select(
            "_place_after",
            pl.when(relinked)
            .then(pl.col("_split_ratio"))
            .otherwise(pl.col("ratio"))
            .alias("ratio"),
            pl.lit(None, pl.Date()).alias("ex_date"),
            "_num",
            "_den",
            pl.when(relinked)
            .then(pl.lit("split"))
            .otherwise(pl.col("_action"))
            .alias("_action"),
            pl.lit(value=False).alias("_pending"),
            pl.when(relinked)
            .then(0.95)
            .otherwise(pl.col("_action_confidence"))
            .alias("_action_confidence"),
            "_action_words",
            (pl.col("_twin") & ~relinked).alias("_twin"),
        )
    )
