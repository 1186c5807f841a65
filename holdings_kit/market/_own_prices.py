"""The payloads' own prices as a table, for a caller who wants to lend them on."""

from __future__ import annotations

import polars as pl

from holdings_kit.market._days import day_of_close, day_of_last_price
from holdings_kit.schema import HOLDINGS, PRICES, conform, fill_columns


def prices_of(holdings: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Make a table of the prices that payloads carry, to value other rows with.

    Nothing lends a price from one account to another by itself; this table does where
    you pass it as ``prices``. A last price is of the day its payload names, else of
    the last session that had begun at the snapshot. A close is the previous one: of
    the last trading day before the day of the snapshot. Where several payloads name a
    price of one day the latest snapshot's stands.

    Parameters
    ----------
    holdings
        `HOLDINGS`, of one or many accounts and snapshots.

    Returns
    -------
    polars.DataFrame
        `PRICES`, one row per instrument and day; `close_price` only where a payload
        has the close of that day, `last_price` where it has a last price.

    Raises
    ------
    FrameError
        `holdings` is no `HOLDINGS` frame.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from decimal import Decimal
    >>> at = datetime(2026, 1, 5, 11, tzinfo=UTC)  # a Monday, after the close
    >>> line = {"instrument_id": "X", "snapshot_at": at, "close_price": Decimal(9)}
    >>> held = pl.DataFrame([line], schema=HOLDINGS)
    >>> prices_of(held).select("date", "close_price").row(0)
    (datetime.date(2026, 1, 2), Decimal('9.0000'))
    """
    rows = (
        conform(holdings.lazy(), HOLDINGS, name="holdings")
        .select(
            "instrument_id",
            "isin",
            "symbol",
            "exchange",
            "asset_class",
            "snapshot_at",
            "price_at",
            "last_price",
            "close_price",
        )
        .filter(
            pl.col("snapshot_at").is_not_null()
            & pl.any_horizontal(pl.col("last_price", "close_price").is_not_null())
        )
        .collect()
    )
    if rows.is_empty():
        return pl.DataFrame(schema=PRICES)
    dated = rows.with_columns(_last_day=day_of_last_price(), _close_day=day_of_close())
    who = ["instrument_id", "isin", "symbol", "exchange", "snapshot_at"]
    parts = [
        dated.select(*who, price, date=of).drop_nulls([price, "date"])
        for price, of in (("close_price", "_close_day"), ("last_price", "_last_day"))
    ]
    made = (
        pl.concat(parts, how="diagonal")
        .sort("snapshot_at", maintain_order=True)
        .group_by("instrument_id", "date", maintain_order=True)
        .agg(
            pl.col("isin", "symbol", "exchange", "close_price", "last_price")
            .drop_nulls()
            .last(),
        )
        .with_columns(source=pl.lit("payload"))
        .sort("instrument_id", "date")
    )
    return fill_columns(made, PRICES)
