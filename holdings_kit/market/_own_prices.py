"""The payloads' own prices as a table, for a caller who wants to lend them on."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from holdings_kit.market._calendar import MUMBAI, market_calendar
from holdings_kit.schema import HOLDINGS, PRICES, conform

__all__ = ["prices_of"]

_BACK: Final = timedelta(days=20)  # more than any closure


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
    >>> from datetime import UTC
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
    starts = _list_session_starts(rows)
    at = pl.col("snapshot_at")
    day = at.dt.convert_time_zone(str(MUMBAI)).dt.date()
    begun = starts.get_column("opens")
    days = pl.lit(starts.get_column("day"))
    place = pl.lit(begun).search_sorted(at, side="right").cast(pl.Int64()) - 1
    before = days.search_sorted(day, side="left").cast(pl.Int64()) - 1
    fund = (pl.col("asset_class") == "mutual_fund").fill_null(value=False)
    dated = rows.with_columns(
        _last_day=pl.coalesce(
            pl.col("price_at").dt.convert_time_zone(str(MUMBAI)).dt.date(),
            pl.when(~fund).then(days.gather(place)),
        ),
        _close_day=days.gather(before),
    )
    who = ["instrument_id", "isin", "symbol", "exchange", "snapshot_at"]
    nothing = pl.lit(None, PRICES["close_price"])
    parts = [
        dated.filter(pl.col(price).is_not_null() & pl.col(of).is_not_null()).select(
            *who,
            date=of,
            close_price=pl.col("close_price") if price == "close_price" else nothing,
            last_price=pl.col("last_price") if price == "last_price" else nothing,
        )
        for price, of in (("close_price", "_close_day"), ("last_price", "_last_day"))
    ]
    made = (
        pl.concat(parts)
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
    return made.select(
        pl.col(name).cast(dtype)
        if name in made.columns
        else pl.lit(None, dtype).alias(name)
        for name, dtype in PRICES.items()
    )


def _list_session_starts(rows: pl.DataFrame) -> pl.DataFrame:
    """Give the trading days around the snapshots, and when each began."""
    span = rows.select(
        low=pl.col("snapshot_at").min(), high=pl.col("snapshot_at").max()
    ).row(0)
    first: datetime = span[0].astimezone(MUMBAI) - _BACK
    last: datetime = span[1].astimezone(MUMBAI) + timedelta(days=1)
    known: dict[date, datetime] = {}
    for opens, _ in market_calendar().sessions(first, last):
        known.setdefault(opens.astimezone(MUMBAI).date(), opens)
    return pl.DataFrame(
        {"day": list(known), "opens": list(known.values())},
        schema={"day": pl.Date(), "opens": pl.Datetime("us", "UTC")},
    )
