"""What a published haircut says: VaR, extreme loss margin, and σ or only its bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.haircuts._frames import last_margins
from holdings_kit.haircuts._rules import (
    ELM_ETF,
    ELM_SHARE,
    FIXED_2020,
    FLOORS_2020,
    SIGMAS_2020,
    groups_of_margins,
)
from holdings_kit.market._days import day_of
from holdings_kit.schema import HOLDINGS, RATE, conform, take_frame

if TYPE_CHECKING:
    from collections.abc import Collection

    from holdings_kit.haircuts._frames import AnyFrame

DECOMPOSITION: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "symbol": pl.String(),
        "source": pl.String(),
        "broker": pl.String(),
        "date": pl.Date(),  # of the snapshot, in India
        "haircut": RATE,
        "var_margin": RATE,
        "elm": RATE,
        "adhoc": RATE,  # surveillance margin; known from `margins` only
        "floor_hit": pl.Boolean(),
        "implied_volatility": pl.Float64(),  # daily σ; null on a floor
        "volatility_bound": pl.Float64(),  # on a floor: σ is at most this
        "implied_group": pl.String(),  # I | II | I or II | III | III-untraded | ETF
        "note": pl.String(),
    }
)
KEYS: Final = ("instrument_id", "symbol", "source", "broker", "date", "haircut")
FLOOR_ETF: Final = FLOORS_2020["ETF"] + ELM_ETF
FLOOR_I: Final = FLOORS_2020["I"] + ELM_SHARE
FLOOR_II: Final = FLOORS_2020["II"] + ELM_SHARE
FIXED: Final = {round(rate + ELM_SHARE, 6): group for group, rate in FIXED_2020.items()}
ROUND: Final = (0.35, 0.50, 0.75, 1.0)
"""Totals to which the exchange's surveillance tops a margin up."""
SURVEILLANCE: Final = "may be a surveillance total: it says nothing on volatility"
DAYS_BACK: Final = 7  # a margin is set anew on every trading day


def decompose(
    holdings: AnyFrame,
    *,
    broad_index_etfs: Collection[str] = (),
    margins: AnyFrame | None = None,
) -> pl.DataFrame:
    """Split each published haircut by the rule in force since May 2020.

    The field is VaR + ELM. Above a floor σ = ln(1 + VaR)/6; a haircut on a floor
    (12.5 % group I, 25 % group II, 8 % broad-index ETF) carries no σ, only the bound
    that exp(6σ) − 1 did not exceed the floor: 1.436 % in group I. 53.5 % and 78.5 % are
    group III. 35, 50, 75 and 100 % are usually totals that surveillance sets, and are
    not split. What a broker added cannot be told apart and is part of the VaR here.

    Parameters
    ----------
    holdings
        `HOLDINGS`, one or many snapshots.
    broad_index_etfs
        `instrument_id` of ETFs known to track a broad index (ELM 2 %). Below 12.5 % a
        haircut can belong to nothing else; above, everything not named here counts
        as a share.
    margins
        The exchange's `MARGINS`. Where they have the instrument in the 7 days up to
        the snapshot, the split is theirs and exact, σ on a floor included; the day
        whose total is nearest counts. What the holding has above it stands in `note`.

    Returns
    -------
    polars.DataFrame
        `DECOMPOSITION`: one row per instrument, source, broker, date and haircut. A
        haircut that is not populated stays null throughout; one below every floor is
        of no group of this rule, and its parts are null.

    Raises
    ------
    FrameError
        `holdings` or `margins` is not of its schema.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from decimal import Decimal
    >>> from holdings_kit.schema import HOLDINGS
    >>> idea = {"instrument_id": "IDEA", "haircut": Decimal("0.2707")}
    >>> idea |= {"snapshot_at": datetime(2025, 12, 1, 12, tzinfo=UTC)}
    >>> found = decompose(pl.DataFrame([idea], schema=HOLDINGS))
    >>> found["var_margin"].item(), round(found["implied_volatility"].item(), 5)
    (Decimal('0.235700'), 0.03527)
    """
    rows = (
        take_frame(holdings, HOLDINGS, name="holdings")
        .with_columns(date=day_of(pl.col("snapshot_at")))
        .select(KEYS)
        .unique(maintain_order=True)
        .with_columns(_split_by_rule(list(broad_index_etfs)))
        .collect()
    )
    if margins is not None:
        rows = _split_by_margins(rows, margins)
    return conform(rows, DECOMPOSITION, name="decomposition").select(
        DECOMPOSITION.names()
    )


def _split_by_rule(broad_index_etfs: list[str]) -> list[pl.Expr]:
    """Form the columns that follow from the size of a haircut alone."""
    rate = pl.col("haircut").cast(pl.Float64()).round(6)
    etf = pl.col("instrument_id").is_in(broad_index_etfs) | (rate < FLOOR_I)
    whole = rate.is_in(ROUND)
    ruled = (rate >= FLOOR_ETF) & (rate < 1) & ~whole
    elm = pl.when(etf).then(ELM_ETF).otherwise(ELM_SHARE)
    var = rate - elm
    fixed = rate.is_in(list(FIXED)) & ~etf
    on_floor = (
        pl.when(etf).then(rate == FLOOR_ETF).otherwise(rate.is_in([FLOOR_I, FLOOR_II]))
    )
    sigma = var.log1p() / SIGMAS_2020
    return [
        pl.when(ruled).then(var.round(6).cast(RATE)).alias("var_margin"),
        pl.when(ruled).then(elm).cast(RATE).alias("elm"),
        pl.lit(None, RATE).alias("adhoc"),
        pl.when(ruled).then(on_floor | fixed).alias("floor_hit"),
        pl.when(ruled & ~on_floor & ~fixed).then(sigma).alias("implied_volatility"),
        pl.when(ruled & on_floor).then(sigma).alias("volatility_bound"),
        pl.when(ruled).then(_group(rate, etf)).alias("implied_group"),
        pl.when(whole).then(pl.lit(SURVEILLANCE)).alias("note"),
    ]


def _group(rate: pl.Expr, etf: pl.Expr) -> pl.Expr:
    """Group that a haircut of this size implies."""
    return (
        pl.when(etf)
        .then(pl.lit("ETF"))
        .when(rate.is_in(list(FIXED)))
        .then(rate.replace_strict(FIXED, default=None, return_dtype=pl.String()))
        .when(rate < FLOOR_II)
        .then(pl.lit("I"))
        .when(rate == FLOOR_II)
        .then(pl.lit("II"))
        .otherwise(pl.lit("I or II"))
    )


def _split_by_margins(rows: pl.DataFrame, margins: AnyFrame) -> pl.DataFrame:
    """Replace the split by the exchange's own where its margins are there."""
    table = last_margins(margins)
    groups = groups_of_margins(table)
    exact = table.join(groups, on=["instrument_id", "date"], how="left").select(
        "instrument_id",
        "sigma",
        "floored",
        pl.col("var_margin", "elm", "adhoc").cast(RATE).name.suffix("_file"),
        day="date",
        total=pl.col("haircut").cast(pl.Float64()),
        group_file="group",
    )
    placed = rows.with_row_index("place")
    apart = (pl.col("haircut").cast(pl.Float64()) - pl.col("total")).round(6)
    back = (pl.col("date") - pl.col("day")).dt.total_days()
    found = (
        placed.select("place", "instrument_id", "date", "haircut")
        .join(exact, on="instrument_id")
        .filter(back.is_between(0, DAYS_BACK))
        .with_columns(apart.alias("apart"))
        .sort(pl.col("apart").abs(), pl.col("day"), descending=[False, True])
        .unique("place", keep="first", maintain_order=True)
        .drop("instrument_id", "date", "haircut")
    )
    known = pl.col("day").is_not_null()
    more = pl.when(pl.col("apart") > 0).then(pl.lit("above")).otherwise(pl.lit("below"))
    words = pl.format(
        "{} points {} the exchange's total of {}",
        (pl.col("apart").abs() * 100).round(4),
        more,
        "day",
    )

    exactly: dict[str, str | pl.Expr] = {
        "var_margin": "var_margin_file",
        "elm": "elm_file",
        "adhoc": "adhoc_file",
        "floor_hit": "floored",
        "implied_volatility": "sigma",
        "volatility_bound": pl.lit(None, pl.Float64()),
        "implied_group": "group_file",
        "note": pl.when(pl.col("apart") != 0).then(words),
    }
    return (
        placed.join(found, on="place", how="left", maintain_order="left")
        .with_columns(
            pl.when(known).then(value).otherwise(column).alias(column)
            for column, value in exactly.items()
        )
        .select(rows.columns)
    )
