"""What a published haircut says: VaR, extreme loss margin, and σ or only its bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.schema import HOLDINGS, RATE, conform

if TYPE_CHECKING:
    from collections.abc import Collection

    from holdings_kit.haircuts._frames import AnyFrame

__all__ = ["DECOMPOSITION", "decompose"]

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
        "floor_hit": pl.Boolean(),
        "implied_volatility": pl.Float64(),  # daily σ; null on a floor
        "volatility_bound": pl.Float64(),  # on a floor: σ is at most this
        "implied_group": pl.String(),  # I | II | I or II | III | III-untraded | ETF
    }
)
KEYS: Final = ("instrument_id", "symbol", "source", "broker", "date", "haircut")
ELM: Final = 0.035
ELM_ETF: Final = 0.02
FLOOR_ETF: Final = 0.08
FLOOR_I: Final = 0.125
FLOOR_II: Final = 0.25
FIXED: Final = {0.535: "III", 0.785: "III-untraded"}
SIGMAS: Final = 6


def market_date() -> pl.Expr:
    """Date of `snapshot_at` in India, where the haircut was published."""
    return pl.col("snapshot_at").dt.convert_time_zone("Asia/Kolkata").dt.date()


def decompose(
    holdings: AnyFrame, *, broad_index_etfs: Collection[str] = ()
) -> pl.DataFrame:
    """Take apart each published haircut by the rule in force since May 2020.

    The field is VaR + ELM. Above a floor σ = (haircut − ELM)/6; a haircut on a floor
    (12.5 % group I, 25 % group II, 8 % broad-index ETF) carries no σ, only the bound
    that 6σ did not exceed the floor. 53.5 % and 78.5 % are group III. What a broker
    added cannot be told apart and is part of the VaR here.

    Parameters
    ----------
    holdings
        `HOLDINGS`, one or many snapshots.
    broad_index_etfs
        `instrument_id` of ETFs known to track a broad index (ELM 2 %). Below 12.5 % a
        haircut can belong to nothing else; above, everything not named here counts
        as a share.

    Returns
    -------
    polars.DataFrame
        `DECOMPOSITION`: one row per instrument, source, broker, date and haircut. A
        haircut that is not populated stays null throughout; one below every floor, or
        of 100 %, is of no group of this rule, and its parts are null.

    Raises
    ------
    FrameError
        `holdings` is not of its schema.

    Examples
    --------
    >>> from holdings_kit.schema import empty
    >>> decompose(empty(HOLDINGS)).shape
    (0, 12)
    """
    rate = pl.col("haircut").cast(pl.Float64())
    etf = pl.col("instrument_id").is_in(list(broad_index_etfs)) | (rate < FLOOR_I)
    ruled = (rate >= FLOOR_ETF) & (rate < 1)
    var = rate - pl.when(etf).then(ELM_ETF).otherwise(ELM)
    fixed = rate.is_in(list(FIXED)) & ~etf
    floor = (
        pl.when(etf).then(rate == FLOOR_ETF).otherwise(rate.is_in([FLOOR_I, FLOOR_II]))
    )
    rows = (
        conform(holdings.lazy(), HOLDINGS, name="holdings")
        .with_columns(market_date().alias("date"))
        .select(KEYS)
        .unique(maintain_order=True)
        .with_columns(
            pl.when(ruled).then(var.round(6).cast(RATE)).alias("var_margin"),
            pl.when(ruled & etf)
            .then(ELM_ETF)
            .when(ruled)
            .then(ELM)
            .cast(RATE)
            .alias("elm"),
            pl.when(ruled).then(floor | fixed).alias("floor_hit"),
            pl.when(ruled & ~floor & ~fixed)
            .then(var / SIGMAS)
            .alias("implied_volatility"),
            pl.when(ruled & floor).then(var / SIGMAS).alias("volatility_bound"),
            pl.when(ruled).then(_group(rate, etf)).alias("implied_group"),
        )
    )
    return conform(rows, DECOMPOSITION, name="decomposition").collect()


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
