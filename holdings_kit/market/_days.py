"""Instants and trading days as expressions, with the calendar read once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import polars as pl

from holdings_kit.market._calendar import MUMBAI, market_calendar
from holdings_kit.schema import INDIA_ZONE, INSTANT, is_fund

_FIRST_DAY: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LAST_DAY: Final = datetime(2040, 1, 1, tzinfo=UTC)
_INDIA: Final = timedelta(hours=5, minutes=30)  # since 1945, summer and winter
_ONE_DAY: Final = timedelta(days=1)


@lru_cache(maxsize=1)
def _list_sessions() -> tuple[pl.Series, pl.Series]:
    """Give the opening instants of the exchange and their days, ascending."""
    spans = sorted(market_calendar().sessions(_FIRST_DAY, _LAST_DAY))
    opens = [opened.astimezone(UTC) for opened, _ in spans]
    days = [opened.astimezone(MUMBAI).date() for opened, _ in spans]
    return pl.Series(opens, dtype=INSTANT), pl.Series(days, dtype=pl.Date()).unique(
        maintain_order=True
    )


@lru_cache(maxsize=1)
def _count_trading_days() -> pl.Series:
    """Count, for each day from the one before the first session, those up to it."""
    days = _list_sessions()[1]
    first, last = days[0] - _ONE_DAY, days[-1]
    every = pl.date_range(first, last, eager=True)
    return days.search_sorted(every, side="right").cast(pl.Int64())


def day_of(instant: pl.Expr) -> pl.Expr:
    """Give the date of an instant in India, without looking its time zone up per row.

    >>> from datetime import UTC, datetime
    >>> late = pl.Series([datetime(2026, 1, 4, 18, 29, tzinfo=UTC)], dtype=INSTANT)
    >>> day, after = pl.lit(late), pl.lit(late) + timedelta(minutes=1)
    >>> pl.select(day=day_of(day), after=day_of(after)).row(0)
    (datetime.date(2026, 1, 4), datetime.date(2026, 1, 5))
    """
    in_utc = instant.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return (in_utc + _INDIA).dt.date()


def trading_day_number(day: pl.Expr) -> pl.Expr:
    """Count the trading days up to and including a day; null stays null."""
    counts = _count_trading_days()
    before_first = _list_sessions()[1][0] - _ONE_DAY
    place = (day - pl.lit(before_first)).dt.total_days()
    return pl.lit(counts).gather(place.clip(0, counts.len() - 1))


def day_of_close() -> pl.Expr:
    """Give the day of a payload's close: the trading day before its snapshot's."""
    number = trading_day_number(day_of(pl.col("snapshot_at")) - _ONE_DAY)
    none = pl.Series([None], dtype=pl.Date())  # there is no day of number 0
    return pl.lit(pl.concat([none, _list_sessions()[1]])).gather(number)


def day_of_last_price() -> pl.Expr:
    """Give the day of a payload's last price, as it says, or of the last session.

    A fund has one value a day, published when it is: no session dates it.
    """
    said = day_of(pl.col("price_at"))
    session = _find_last_session(pl.col("snapshot_at"))
    return pl.coalesce(said, pl.when(~is_fund()).then(session))


def _find_last_session(instant: pl.Expr) -> pl.Expr:
    """Give the day of the last session that had begun at an instant."""
    opens, _ = _list_sessions()
    days = opens.dt.convert_time_zone(INDIA_ZONE).dt.date()
    count = pl.lit(opens).search_sorted(instant, side="right").cast(pl.Int64())
    place = pl.when(instant.is_not_null() & (count > 0)).then(count - 1)
    return pl.lit(days).gather(place)
