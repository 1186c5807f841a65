"""Funds opened up: what a constituents table names, and a residual for the rest."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import polars as pl

from holdings_kit.errors import FrameError
from holdings_kit.schema import VALUE

__all__ = ["EXPOSURES", "open_funds"]

_RATIO: Final = pl.Decimal(38, 12)  # weights of a constituents table

EXPOSURES: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "symbol": pl.String(),
        "name": pl.String(),
        "asset_class": pl.String(),
        "via": pl.String(),  # the fund it is held through; null: held directly
        "residual": pl.Boolean(),  # the part of a fund that its table does not name
        "market_value": VALUE,
        "weight": pl.Float64(),
    }
)


def open_funds(
    positions: pl.DataFrame, constituents: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Split funds into what they hold, with a residual row for the rest.

    Parameters
    ----------
    positions
        POSITIONS: ``instrument_id, symbol, name, asset_class, market_value``.
    constituents
        ``fund_id, instrument_id, weight`` and, where known, ``symbol, name,
        asset_class``; `weight` a fraction of the fund. None leaves every fund closed,
        which is the picture before the look-through.

    Returns
    -------
    EXPOSURES
        One row per instrument and way of holding it. The rows of one fund add up to
        its value exactly: the residual takes what the table does not name. The parts
        of a fund without a price are null.

    Raises
    ------
    FrameError
        A column is missing, a weight is null, negative, or adds to more than 1.

    Examples
    --------
    >>> schema = {name: EXPOSURES[name] for name in EXPOSURES if name != "via"}
    >>> fund = pl.DataFrame(
    ...     [{"instrument_id": "FUND", "market_value": 100}], schema=schema
    ... )
    >>> table = pl.DataFrame(
    ...     {"fund_id": ["FUND"], "instrument_id": ["SBIN"], "weight": [0.6]}
    ... )
    >>> open_funds(fund, table).select("instrument_id", "weight").rows()
    [('SBIN', 0.6), ('FUND', 0.4)]
    """
    facts = ("instrument_id", "symbol", "name", "asset_class")
    for column in (*facts, "market_value"):
        if column not in positions.columns:
            raise FrameError("positions", column, "missing")
    if constituents is None:
        constituents = pl.DataFrame(
            schema={
                "fund_id": pl.String(),
                "instrument_id": pl.String(),
                "weight": _RATIO,
            }
        )
    table = _weights(constituents)
    held = positions.select(*facts, pl.col("market_value").cast(VALUE))
    funds = held.filter(
        pl.col("instrument_id").is_in(table["fund_id"].unique().implode())
    )
    parts = (
        funds.rename({"instrument_id": "via"})
        .select("via", "market_value")
        .join(table, left_on="via", right_on="fund_id", maintain_order="left_right")
        .with_columns((pl.col("market_value") * pl.col("weight")).cast(VALUE))
    )
    named = parts.group_by("via").agg(pl.col("market_value").sum().alias("_named"))
    rest = (
        funds.with_columns(pl.col("instrument_id").alias("via"))
        .join(named, on="via", how="left", maintain_order="left")
        .with_columns(pl.col("market_value") - pl.col("_named"))
        .filter((pl.col("market_value") != 0).fill_null(value=True))
    )
    direct = held.join(funds.select("instrument_id"), on="instrument_id", how="anti")
    flags = pl.lit(value=False).alias("residual")
    rows = pl.concat(
        [
            direct.with_columns(flags),
            parts.drop("weight").with_columns(flags),
            rest.drop("_named").with_columns(pl.lit(value=True).alias("residual")),
        ],
        how="diagonal",
    )
    total = pl.col("market_value").sum().cast(pl.Float64())
    share = pl.col("market_value").cast(pl.Float64()) / total
    none_via = [] if "via" in rows.columns else [pl.lit(None, pl.String()).alias("via")]
    return rows.with_columns(
        pl.when(total > 0).then(share).alias("weight"), *none_via
    ).select(EXPOSURES.names())


def _weights(constituents: pl.DataFrame) -> pl.DataFrame:
    """Check a constituents table and bring it to one form."""
    for column in ("fund_id", "instrument_id", "weight"):
        if column not in constituents.columns:
            raise FrameError("constituents", column, "missing")
    said = ("symbol", "name", "asset_class")
    table = constituents.select(
        "fund_id",
        "instrument_id",
        *(
            pl.col(name) if name in constituents.columns else pl.lit(None).alias(name)
            for name in said
        ),
        pl.col("weight").cast(_RATIO),
    ).with_columns(pl.col(name).cast(pl.String()) for name in said)
    if table["weight"].null_count() or (table["weight"] < 0).any():
        raise FrameError("constituents", "weight", "holds nulls or negative weights")
    over = (
        table.group_by("fund_id")
        .agg(pl.col("weight").sum())
        .filter(pl.col("weight") > Decimal("1.000001"))
    )
    if over.height:
        fund, weight = over.row(0)
        raise FrameError("constituents", "weight", f"adds to {weight} for {fund}")
    return table
