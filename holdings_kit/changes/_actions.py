"""The table of corporate actions, and what it or the numbers say of each line."""

from __future__ import annotations

from typing import Final

import polars as pl

from holdings_kit.changes._frames import ACTIONS
from holdings_kit.changes._ratios import FALL, from_numbers, near
from holdings_kit.errors import ConfigError
from holdings_kit.schema import MONEY, VALUE, conform

__all__ = ["read_actions", "with_ratio"]

_Q0: Final = pl.col("owned_quantity_before")
_Q1: Final = pl.col("owned_quantity_after")
_A0: Final = pl.col("average_price_before").cast(pl.Float64())
_A1: Final = pl.col("average_price_after").cast(pl.Float64())


def read_actions(actions: pl.DataFrame | pl.LazyFrame | None) -> pl.DataFrame:
    """Check an actions table and read its ratios into whole numbers.

    Raises
    ------
    FrameError
        A column of `ACTIONS` is missing or of another type.
    ConfigError
        A kind is unknown, or a ratio is not of the form ``a:b``.
    """
    if actions is None:
        table = pl.DataFrame(schema=ACTIONS)
    else:
        table = conform(actions.lazy(), ACTIONS, name="actions").collect()
    known = ("split", "bonus", "consolidation", "isin_change")
    parts = pl.col("ratio").str.extract_groups(r"^\s*(\d+)\s*:\s*(\d+)\s*$")
    a = parts.struct.field("1").cast(pl.Int64())
    b = parts.struct.field("2").cast(pl.Int64())
    kind = pl.col("kind")
    read = table.select(
        *ACTIONS.names(),
        _num=pl.when(kind == "bonus")
        .then(a + b)
        .when(kind == "isin_change")
        .then(1)
        .otherwise(b),
        _den=pl.when(kind == "bonus")
        .then(b)
        .when(kind == "isin_change")
        .then(1)
        .otherwise(a),
    )
    bad = read.filter(
        ~kind.is_in(known).fill_null(value=False)
        | ~(pl.col("_num") > 0).fill_null(value=False)
        | ~(pl.col("_den") > 0).fill_null(value=False)
    )
    if bad.height:
        first = bad.row(0, named=True)
        raise ConfigError(
            f"actions: {first['instrument_id']}: kind {first['kind']!r} with ratio "
            f"{first['ratio']!r}; kinds are {', '.join(known)}, ratios like '1:2'"
        )
    return read


def _from_table(
    rows: pl.LazyFrame, actions: pl.LazyFrame, *, late_days: int
) -> pl.LazyFrame:
    """Read each row in the actions table, where the numbers bear it out."""
    day0, day1 = (
        pl.col(f"snapshot_at_{end}").dt.convert_time_zone("Asia/Kolkata").dt.date()
        for end in ("before", "after")
    )
    ex_date, num, den = pl.col("ex_date"), pl.col("_num"), pl.col("_den")
    factor = num / den
    due = (ex_date > day0).fill_null(value=True)
    window = (ex_date <= day1) & (ex_date > day0 - pl.duration(days=late_days))
    left = _Q0 * num - _Q1 * den
    whole = (left == 0) | ((left > 0) & (left < den) & (_Q1.floor() == _Q1))
    averaged = near(_A0 / _A1, factor, 0.002)
    renamed = pl.col("new_isin") == pl.col("instrument_id")
    traded = due & (_Q0 != _Q1) & (near(FALL, factor, 0.25) | renamed)
    applied = (
        (num == den)
        | (whole & (_Q0 != _Q1))
        | (averaged & (_Q0 != _Q1))
        | traded.fill_null(value=False)
    ).fill_null(value=False)
    pending = (due & (_Q0 == _Q1) & (num != den)).fill_null(value=False)
    held_both = (_Q0 > 0) & (_Q1 > 0)
    moved = (pl.col("instrument_id") != pl.col("instrument_id_before")) | (num != den)
    return (
        rows.filter(held_both)
        .join(actions, left_on="instrument_id_before", right_on="instrument_id")
        .filter(window.fill_null(value=True) & moved & (applied | pending))
        .sort(applied, due, ex_date, descending=True)
        .unique("_place_after", keep="first", maintain_order=True)
        .select(
            "_place_after",
            "ratio",
            "ex_date",
            _num=pl.when(applied).then(num).otherwise(1),
            _den=pl.when(applied).then(den).otherwise(1),
            _action=pl.when(num != den).then(pl.col("kind")),
            _pending=pending,
            _action_confidence=pl.when(pending).then(0.8).otherwise(0.99),
            _action_words=pl.lit("the actions table says so"),
            _twin=pl.lit(value=False),
        )
    )


def with_ratio(
    rows: pl.DataFrame, actions: pl.DataFrame, *, tolerance: float, late_days: int
) -> pl.DataFrame:
    """Add the corporate action of each row, and what was owned before in new shares."""
    rest = lines = rows.lazy()
    seen = [from_numbers(rest, tolerance)]
    if actions.height:
        told = _from_table(lines, actions.lazy(), late_days=late_days).collect().lazy()
        rest = lines.join(told, on="_place_after", how="anti")
        seen = [
            told,
            from_numbers(rest, tolerance).select(told.collect_schema().names()),
        ]
    found = pl.concat(seen, how="vertical_relaxed")
    factor_num, factor_den = pl.col("_num").fill_null(1), pl.col("_den").fill_null(1)
    action = (
        rows.lazy()
        .select("_place_after", _Q0)
        .join(found, on="_place_after", how="left", maintain_order="left")
        .with_columns(
            adjusted_quantity=(_Q0.cast(VALUE) * factor_num / factor_den).cast(MONEY),
            _num=factor_num,
            _den=factor_den,
            _pending=pl.col("_pending").fill_null(value=False),
            _twin=pl.col("_twin").fill_null(value=False),
        )
        .drop("_place_after", "owned_quantity_before")
        .collect()
    )
    return rows.hstack(action)
