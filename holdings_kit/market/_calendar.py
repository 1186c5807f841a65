"""When the Indian exchanges are open: from published sessions, or from weekdays.

Every calendar says where its sessions come from and what it does not know.
"""

from __future__ import annotations

import warnings
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from holdings_kit.errors import ConfigError, load_optional, readable
from holdings_kit.schema import INDIA_ZONE

if TYPE_CHECKING:
    from collections.abc import Iterator

MUMBAI: Final = ZoneInfo(INDIA_ZONE)
_OPEN, _CLOSE = time(9, 15), time(15, 30)
_SATURDAY: Final = 5
_LONGEST_CLOSURE: Final = 15  # days without any session; longer was never seen


@readable
class SpecialSession(NamedTuple):
    """A session outside the regular calendar, from the exchange's circulars.

    Attributes
    ----------
    day
        The trading day, which has a bhavcopy with closes of its own.
    spans
        Opening and closing times in Mumbai; a drill of the second site has two.
    kind
        ``budget``, ``drill`` (a Saturday on the second site) or ``muhurat``.
    source
        Where it was read.

    Examples
    --------
    >>> SPECIAL_SESSIONS[-1].day, SPECIAL_SESSIONS[-1].kind
    (datetime.date(2026, 2, 1), 'budget')
    """

    day: date
    spans: tuple[tuple[time, time], ...]
    kind: str
    source: str


_FULL: Final = ((_OPEN, _CLOSE),)
_DRILL: Final = ((time(9, 15), time(10)), (time(11, 30), time(12, 30)))
_EVENING: Final = ((time(18, 15), time(19, 15)),)
# That each day had a session is read off the exchange's own daily price files; the
# hours are those of the circulars of the year.
_FILES: Final = "NSE daily price file of that day; hours from the circular"

SPECIAL_SESSIONS: Final = tuple(
    SpecialSession(date.fromisoformat(day), spans, kind, _FILES)
    for day, spans, kind in (
        ("2019-10-27", _EVENING, "muhurat"),
        ("2020-02-01", _FULL, "budget"),
        ("2020-11-14", _EVENING, "muhurat"),
        ("2021-11-04", _EVENING, "muhurat"),
        ("2022-10-24", _EVENING, "muhurat"),
        ("2023-11-12", _EVENING, "muhurat"),
        ("2024-01-20", _FULL, "drill"),
        ("2024-03-02", _DRILL, "drill"),
        ("2024-05-18", _DRILL, "drill"),
        ("2024-11-01", ((time(18), time(19)),), "muhurat"),
        ("2025-02-01", _FULL, "budget"),
        ("2025-10-21", ((time(13, 45), time(14, 45)),), "muhurat"),
        ("2026-02-01", _FULL, "budget"),
    )
)
"""Sessions on weekends and holidays from October 2019 to August 2026."""

_SPECIAL: Final = {special.day: special for special in SPECIAL_SESSIONS}
_FIRST_CHECKED: Final = date(2019, 10, 1)
"""From here on every session was compared with the exchange's daily price files."""


class Calendar(Protocol):
    """When the exchange is open; any object with these two serves as one.

    Examples
    --------
    >>> calendar: Calendar = Weekdays()
    >>> start = datetime(2026, 1, 9, tzinfo=MUMBAI)
    >>> spans = calendar.sessions(start, start + timedelta(days=4))
    >>> [opens.date().day for opens, _ in spans]
    [9, 12]
    >>> calendar.source.partition(";")[0]
    'weekdays 09:15 to 15:30 Asia/Kolkata'
    """

    @property
    def source(self) -> str:
        """Where the sessions come from, and what is not known of them."""
        ...

    def sessions(
        self, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, datetime]]:
        """Give the sessions that touch the time between two instants."""
        ...


@readable
class CalendarKnown(NamedTuple):
    """From which day to which the holidays and special sessions are known.

    Examples
    --------
    >>> CalendarKnown(date(2019, 10, 1), date(2026, 12, 31)).last.year
    2026
    """

    first: date | None
    last: date | None


@readable
class Weekdays:
    """Monday to Friday, 09:15 to 15:30 in Mumbai, and the special sessions.

    Holidays are not known: one counts as a trading day, so a snapshot looks older
    than it is, never newer.

    Examples
    --------
    >>> start = datetime(2026, 1, 26, 9, tzinfo=MUMBAI)  # Republic Day
    >>> len(list(Weekdays().sessions(start, start + timedelta(hours=8))))
    1
    >>> Weekdays().known()
    CalendarKnown(first=None, last=None)
    """

    source = "weekdays 09:15 to 15:30 Asia/Kolkata; holidays are not known"

    def sessions(
        self, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, datetime]]:
        """Give the sessions that touch the time between two instants."""
        day, last = (moment.astimezone(MUMBAI).date() for moment in (start, end))
        while day <= last:
            for opens, closes in _list_hours(day):
                if start < closes and opens < end:
                    yield opens, closes
            day += timedelta(days=1)

    def known(self) -> CalendarKnown:
        """Give nothing: without holidays no day is known."""
        return CalendarKnown(None, None)


@readable
class Published:
    """The sessions of BSE (XBOM) in ``exchange-calendars``, and the special ones.

    NSE keeps the same equity holidays and hours. The package knows the holidays up to
    the last year published; later days are taken as `Weekdays` does. What it does not
    list (`SPECIAL_SESSIONS`) is added.

    Examples
    --------
    >>> start = datetime(2026, 1, 26, 9, tzinfo=MUMBAI)  # Republic Day
    >>> len(list(Published().sessions(start, start + timedelta(hours=8))))
    0
    >>> Published().known().first
    datetime.date(2019, 10, 1)
    >>> "XBOM" in Published().source
    True
    """

    @property
    def source(self) -> str:
        """Where the sessions come from, and what is not known of them."""
        known = f"exchange-calendars {version('exchange-calendars')} XBOM"
        special = f"{len(_SPECIAL)} special sessions to {max(_SPECIAL)}"
        return f"{known} to {_find_last_known_day()}, {special}; then {Weekdays.source}"

    def sessions(
        self, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, datetime]]:
        """Give the sessions that touch the time between two instants."""
        last = datetime.combine(_find_last_known_day(), time.max, MUMBAI)
        if start <= last:
            known = _list_published_sessions(start.year, min(end, last).year)
            yield from (span for span in known if start < span[1] and span[0] < end)
        if end > last:
            yield from Weekdays().sessions(max(start, last + timedelta(seconds=1)), end)

    def known(self) -> CalendarKnown:
        """Give the days between which every session is known."""
        return CalendarKnown(_FIRST_CHECKED, _find_last_known_day())


def _list_hours(day: date) -> Iterator[tuple[datetime, datetime]]:
    """Give the hours of a day: special ones, else those of a weekday."""
    regular = _FULL if day.weekday() < _SATURDAY else ()
    for opens, closes in _SPECIAL[day].spans if day in _SPECIAL else regular:
        yield (
            datetime.combine(day, opens, MUMBAI),
            datetime.combine(day, closes, MUMBAI),
        )


def market_calendar() -> Calendar:
    """Give the calendar of the exchange, with its holidays where they are known.

    `Published` where the package ``exchange-calendars`` is there (the extra
    ``fetch``), else `Weekdays`; `source` says which.

    Examples
    --------
    >>> market_calendar().source.endswith(Weekdays.source)
    True
    """
    return Published() if find_spec("exchange_calendars") else Weekdays()


def calendar_known(calendar: Calendar | None = None) -> CalendarKnown:
    """Say from which day to which the sessions are known.

    A day outside is not known, which is not the same as closed. Both ends are
    ``None`` for a calendar without holidays, such as `Weekdays`.

    Parameters
    ----------
    calendar
        By default `market_calendar`.

    Examples
    --------
    >>> first, last = calendar_known(Published())
    >>> str(first), last.month
    ('2019-10-01', 12)
    >>> calendar_known(Weekdays())
    CalendarKnown(first=None, last=None)
    """
    known = getattr(calendar or market_calendar(), "known", None)
    return CalendarKnown(*known()) if known else CalendarKnown(None, None)


def trading_days(
    start: date, end: date, *, calendar: Calendar | None = None
) -> list[date]:
    """List the trading days from one day to another, both included.

    Beyond `calendar_known` the days are weekdays, of which some will be holidays.

    Parameters
    ----------
    start, end
        Days in India.
    calendar
        By default `market_calendar`.

    Examples
    --------
    >>> days = trading_days(date(2026, 1, 30), date(2026, 2, 2))  # a budget Sunday
    >>> [f"{day:%a %d}" for day in days]
    ['Fri 30', 'Sun 01', 'Mon 02']
    """
    if end < start:
        return []
    calendar = calendar or market_calendar()
    first = datetime.combine(start, time.min, MUMBAI)
    last = datetime.combine(end, time.max, MUMBAI)
    days = (
        opens.astimezone(MUMBAI).date() for opens, _ in calendar.sessions(first, last)
    )
    return sorted({day for day in days if start <= day <= end})


def is_trading_day(day: date, *, calendar: Calendar | None = None) -> bool | None:
    """Tell whether the exchange trades on a day; ``None`` where that is not known.

    Parameters
    ----------
    day
        A day in India.
    calendar
        By default `market_calendar`.

    Examples
    --------
    >>> is_trading_day(date(2026, 2, 1))  # a Sunday, with the budget
    True
    >>> is_trading_day(date(2026, 1, 26))  # Republic Day
    False
    >>> is_trading_day(date(2090, 1, 2)) is None
    True
    """
    if _find_last_known(day, calendar) is None:
        return None
    return bool(trading_days(day, day, calendar=calendar))


def _find_last_known(day: date, calendar: Calendar | None) -> date | None:
    """Give the last day that a calendar knows; none where it does not know `day`."""
    first, last = calendar_known(calendar)
    known = first is not None and last is not None and first <= day <= last
    return last if known else None


def next_trading_day(
    day: date, count: int = 1, *, calendar: Calendar | None = None
) -> date | None:
    """Give the trading day so many trading days after a day: T + `count`.

    ``None`` where that day lies beyond what the calendar knows.

    Parameters
    ----------
    day
        A day in India, itself a trading day or not.
    count
        How many trading days later, at least 1.
    calendar
        By default `market_calendar`.

    Raises
    ------
    ConfigError
        `count` is below 1.

    Examples
    --------
    >>> str(next_trading_day(date(2026, 1, 23)))  # Monday 26 January is a holiday
    '2026-01-27'
    >>> next_trading_day(date(2090, 1, 2)) is None
    True
    """
    if count < 1:
        raise ConfigError(f"count is {count}: give 1 for T+1, 2 for T+2")
    last = _find_last_known(day, calendar)
    if last is None:
        return None
    until = min(last, day + timedelta(days=2 * count + _LONGEST_CLOSURE))
    days = trading_days(day + timedelta(days=1), until, calendar=calendar)
    return days[count - 1] if len(days) >= count else None


_XBOM: Any = load_optional("exchange_calendars.exchange_calendar_xbom")


@lru_cache(maxsize=1)
def _find_last_known_day() -> date:
    """Give the last day whose holidays the package knows."""
    return _XBOM.XBOMExchangeCalendar.bound_max().date()


@lru_cache(maxsize=8)
def _list_published_sessions(
    first_year: int, last_year: int
) -> tuple[tuple[datetime, datetime], ...]:
    start, end = date(first_year - 1, 12, 1), date(last_year + 1, 1, 31)
    with warnings.catch_warnings():  # its quarrels with pandas are not our callers'
        warnings.simplefilter("ignore")
        last = min(end, _find_last_known_day())
        found = _XBOM.XBOMExchangeCalendar(start=start, end=last)
    regular = (
        (opens.to_pydatetime(), closes.to_pydatetime())
        for opens, closes in zip(found.opens, found.closes, strict=True)
    )
    special = (day for day in _SPECIAL if start <= day <= end)
    return tuple(
        sorted(
            [
                *(s for s in regular if s[0].astimezone(MUMBAI).date() not in _SPECIAL),
                *(span for day in special for span in _list_hours(day)),
            ]
        )
    )
