"""Prices for lines whose own payload has none, by the rule of a value on a day."""

from __future__ import annotations

from typing import Final

import polars as pl

from holdings_kit.changes._actions import normal_id
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.schema import MONEY

__all__ = ["read_prices", "with_prices"]

_NAMES: Final = ("instrument_id", "isin")
_VALUES: Final = ("close_price", "last_price")
_HARMLESS: Final = ("dividend", "rename", "isin_change", "buyback")
"""Kinds of action after which a unit is still the same unit."""


def read_prices(prices: pl.DataFrame | pl.LazyFrame | None) -> pl.DataFrame | None:
    """Bring a table of prices to instrument, date and price, one a day.

    Raises
    ------
    FrameError
        It names no instrument, no date or no price, or has two prices of one day.
    """
    if prices is None:
        return None
    have = prices.collect_schema()
    names = [name for name in _NAMES if name in have]
    values = [name for name in _VALUES if name in have]
    if not names or not values or "date" not in have:
        missing = "instrument_id" if not names else "date" if values else "close_price"
        raise FrameError("prices", missing, "missing; a price is of a line and a day")
    table = (
        prices.lazy()
        .select(
            _id=pl.coalesce(pl.col(names)),
            date=pl.col("date").cast(pl.Date()),
            _table_price=pl.coalesce(pl.col(values).cast(MONEY)),
        )
        .with_columns(normal_id("_id"))
        .filter(pl.col("_table_price") > 0)
        .drop_nulls()
        .unique()
        .collect()
    )
    twice = table.filter(table.select("_id", "date").is_duplicated())
    if twice.height:
        row = twice.sort("_id", "date").row(0, named=True)
        reason = f"two prices for {row['_id']} on {row['date']}; keep one listing"
        raise FrameError("prices", "instrument_id", reason)
    return table.sort("date")


def with_prices(
    side: pl.DataFrame,
    prices: pl.DataFrame | None,
    actions: pl.DataFrame,
    *,
    max_age: int | None,
) -> pl.DataFrame:
    """Price the rows that have no price by the newest one not after their day.

    A price never crosses an action of its instrument, and is not older than `max_age`
    week days.
    """
    if prices is None:
        return side
    if max_age is not None and max_age < 0:
        raise ConfigError(f"max_age={max_age}: days, 0 or more")
    at = pl.col("snapshot_at").dt.convert_time_zone("Asia/Kolkata").dt.date()
    open_rows = side.select(
        _id="instrument_id", _day=at, _open=pl.col("price").is_null()
    )
    wanted = (
        open_rows.filter("_open")
        .select("_id", "_day")
        .unique()
        .drop_nulls()
        .sort("_day")
    )
    if wanted.is_empty():
        return side
    found = wanted.join_asof(
        prices, left_on="_day", right_on="date", by="_id", strategy="backward"
    ).drop_nulls("_table_price")
    if max_age is not None:
        age = pl.business_day_count("date", "_day")
        found = found.filter(age <= max_age)
    barriers = actions.filter(~pl.col("kind").is_in(_HARMLESS)).select(
        "ex_date", _id="instrument_id"
    )
    crossed = (
        found.join(barriers, on="_id")
        .filter(
            (pl.col("ex_date") > pl.col("date")) & (pl.col("ex_date") <= pl.col("_day"))
        )
        .select("_id", "_day")
        .unique()
    )
    found = found.join(crossed, on=["_id", "_day"], how="anti")
    price = open_rows.join(
        found, on=["_id", "_day"], how="left", maintain_order="left"
    )["_table_price"]
    empty = side["price"].is_null() & price.is_not_null()
    return side.with_columns(
        price=pl.coalesce("price", price),
        price_basis=pl.when(empty).then(pl.lit("price")).otherwise("price_basis"),
    )
