"""When the Indian exchanges are open: from published sessions, or from weekdays.

Every calendar says where its sessions come from and what it does not know.
"""

from __future__ import annotations

import warnings
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Protocol, cast
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MUMBAI", "Calendar", "Published", "Weekdays", "market_calendar"]

MUMBAI: Final = ZoneInfo("Asia/Kolkata")
_OPEN, _CLOSE = time(9, 15), time(15, 30)
_SATURDAY: Final = 5


class Calendar(Protocol):
    """When the exchange is open."""

    @property
    def source(self) -> str:
        """Where the sessions come from, and what is not known of them."""
        ...

    def sessions(
        self, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, datetime]]:
        """Give the sessions that touch the time between two instants."""
        ...


class Weekdays:
    """Monday to Friday, 09:15 to 15:30 in Mumbai; holidays are not known.

    A holiday counts as a trading day, so a snapshot looks older than it is, never
    newer; but a rare weekend session is not seen.
    """

    source = "weekdays 09:15 to 15:30 Asia/Kolkata; holidays are not known"

    def sessions(
        self, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, datetime]]:
        """Give the sessions that touch the time between two instants."""
        day, last = (moment.astimezone(MUMBAI).date() for moment in (start, end))
        while day <= last:
            if day.weekday() < _SATURDAY:
                yield (
                    datetime.combine(day, _OPEN, MUMBAI),
                    datetime.combine(day, _CLOSE, MUMBAI),
                )
            day += timedelta(days=1)


class Published:
    """The sessions of BSE (XBOM) in the package ``exchange-calendars``.

    NSE keeps the same equity holidays and hours. The package knows the holidays up to
    the last year published; later days are taken as `Weekdays` does.
    """

    @property
    def source(self) -> str:
        """Where the sessions come from, and what is not known of them."""
        known = f"exchange-calendars {version('exchange-calendars')} XBOM"
        return f"{known} to {_last_known()}; then {Weekdays.source}"

    def sessions(
        self, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, datetime]]:
        """Give the sessions that touch the time between two instants."""
        last = datetime.combine(_last_known(), time.max, MUMBAI)
        if start <= last:
            known = _published(start.year, min(end, last).year)
            yield from (span for span in known if start < span[1] and span[0] < end)
        if end > last:
            yield from Weekdays().sessions(max(start, last + timedelta(seconds=1)), end)


def market_calendar() -> Calendar:
    """Give the calendar of the exchange, with its holidays where they are known.

    `Published` where the package ``exchange-calendars`` is there (the extra
    ``calendar``), else `Weekdays`; `source` says which.

    Examples
    --------
    >>> market_calendar().source.endswith(Weekdays.source)
    True
    """
    return Published() if find_spec("exchange_calendars") else Weekdays()


class _Stamp(Protocol):
    """A pandas timestamp."""

    def to_pydatetime(self) -> datetime: ...
    def date(self) -> date: ...


class _Sessions(Protocol):
    """A calendar of ``exchange-calendars``: two columns of timestamps."""

    opens: list[_Stamp]
    closes: list[_Stamp]


class _Xbom(Protocol):
    """Its class for BSE, which makes such a calendar between two days."""

    def __call__(self, *, start: date, end: date) -> _Sessions: ...
    def bound_max(self) -> _Stamp: ...


def _xbom() -> _Xbom:
    module = import_module("exchange_calendars.exchange_calendar_xbom")
    return cast("_Xbom", module.XBOMExchangeCalendar)


@lru_cache(maxsize=1)
def _last_known() -> date:
    """Give the last day whose holidays the package knows."""
    return _xbom().bound_max().date()


@lru_cache(maxsize=8)
def _published(
    first_year: int, last_year: int
) -> tuple[tuple[datetime, datetime], ...]:
    start, end = date(first_year - 1, 12, 1), date(last_year + 1, 1, 31)
    with warnings.catch_warnings():  # its quarrels with pandas are not our callers'
        warnings.simplefilter("ignore")
        found = _xbom()(start=start, end=min(end, _last_known()))
    return tuple(
        (opens.to_pydatetime(), closes.to_pydatetime())
        for opens, closes in zip(found.opens, found.closes, strict=True)
    )
