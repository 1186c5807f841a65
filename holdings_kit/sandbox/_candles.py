"""Price history: thirteen intervals, years of it, the same path that quotes follow.

Before the sandbox's first session prices walk backwards from the published close, so
that history is there from the first moment and does not depend on what is asked for.
"""

from __future__ import annotations

import threading
from datetime import date, datetime, time, timedelta
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from holdings_kit.sandbox._clock import IST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdings_kit.sandbox._market import Market

_INTERVALS: Final = (
    ("min", 1, 60),
    ("3min", 3, 100),
    ("5min", 5, 100),
    ("10min", 10, 100),
    ("15min", 15, 200),
    ("30min", 30, 200),
    ("hour", 60, 400),
    ("2hours", 120, 400),
    ("3hours", 180, 400),
    ("4hours", 240, 400),
    ("day", 375, 2000),
    ("week", 0, 8000),
    ("month", 0, 8000),
)
INTERVALS: Final = {name: minutes for name, minutes, _ in _INTERVALS}
"""Published interval → its minutes of trading; 0 where it is longer than a session."""
LONGEST_RANGE: Final = {name: timedelta(days=most) for name, _, most in _INTERVALS}
"""Interval → the longest range in one request; Arrow publishes no figures, invented."""
HISTORY: Final = 1300
"""Sessions before the first: about five years."""
_MINUTES: Final = 375
_OPENS: Final = time(9, 15)
_TICK: Final = 5
_SATURDAY: Final = 5


class Bar(NamedTuple):
    """One candle: when it begins, and integer paise."""

    at: datetime
    opened: int
    high: int
    low: int
    closed: int
    volume: int


class Candles:
    """The history of a market's instruments, by key.

    Parameters
    ----------
    market
        Its prices from session 0 on; its first close is where history ends.
    """

    def __init__(self, market: Market) -> None:
        self._market, self._lock = market, threading.Lock()
        self._before: dict[str, list[int]] = {}
        self._dates = _list_sessions_before(market.first)

    def list_bars(
        self, key: str, interval: str, start: datetime, end: datetime, now: datetime
    ) -> list[Bar]:
        """List the candles that begin from `start` to `end` and have ended by `now`.

        A day, week or month counts from its beginning, whatever the hour of `start`; a
        week or month that still runs holds the days that have ended.
        """
        minutes = INTERVALS[interval]
        if minutes == 0:
            return self._list_long_bars(key, interval, start, end, now)
        if minutes == _MINUTES:
            start = _find_midnight(start.date())
        return [
            bar
            for session in self._find_sessions(start.date(), end.date())
            for bar in self._split_session(key, session, minutes)
            if start <= bar.at <= end and _find_end(bar, minutes) <= now
        ]

    def _list_long_bars(
        self, key: str, interval: str, start: datetime, end: datetime, now: datetime
    ) -> list[Bar]:
        begin = _begin_week if interval == "week" else _begin_month
        first = _find_midnight(begin(start.date()))
        days = self.list_bars(key, "day", first, end, now)
        found: dict[date, list[Bar]] = {}
        for bar in days:
            found.setdefault(begin(bar.at.date()), []).append(bar)
        return [_merge_bars(_find_midnight(day), part) for day, part in found.items()]

    def _find_sessions(self, first: date, last: date) -> Iterator[int]:
        """Give the sessions of a range of dates, negative before the first."""
        for place, day in enumerate(self._dates):
            if first <= day <= last:
                yield place - len(self._dates)
        session, day = 0, self._market.first
        while day <= last:
            if day >= first:
                yield session
            session += 1
            day = self._market.date_of(session)

    def _split_session(self, key: str, session: int, minutes: int) -> Iterator[Bar]:
        """Cut a session into bars; whole sessions begin at midnight, as published."""
        path, day = self._find_path(key, session), self._find_date(session)
        volume = _invent_volume(self._market.seed, key, session)
        opens = datetime.combine(day, _OPENS, IST)
        for first in range(0, _MINUTES, minutes):
            last = min(first + minutes, _MINUTES)
            at = opens + timedelta(minutes=first)
            if minutes == _MINUTES:
                at = _find_midnight(day)
            # the path is straight up to its last minute: extremes are at these places
            prices = [path(first), path(max(last - 1, first)), path(last)]
            traded = volume * last // _MINUTES - volume * first // _MINUTES
            yield Bar(at, prices[0], max(prices), min(prices), prices[-1], traded)

    def _find_path(self, key: str, session: int) -> Callable[[int], int]:
        """Give the price by minute since the open."""
        if session >= 0:
            opens = datetime.combine(self._find_date(session), _OPENS, IST)
            market = self._market

            def price(minute: int) -> int:
                return market.last_price(key, opens + timedelta(minutes=minute))

            return price
        opened = self._close_before(key, session - 1)
        closed = self._close_before(key, session)

        def walked(minute: int) -> int:
            if minute >= _MINUTES:
                return closed
            return opened + (closed - opened) * minute // _MINUTES // _TICK * _TICK

        return walked

    def _close_before(self, key: str, session: int) -> int:
        """Give a close before session 0; that of session −1 is the published one."""
        with self._lock:
            closes = self._before.get(key)
            if closes is None:
                random = Random(f"{self._market.seed}:{key}:history")
                closes = [self._market.previous_close(key, 0)]
                for _session in range(HISTORY + 1):
                    basis_points = random.randint(-180, 190)
                    paise = closes[-1] * 10_000 // (10_000 + basis_points)
                    closes.append(max(paise // _TICK, 1) * _TICK)
                self._before[key] = closes
        return closes[-session - 1]

    def _find_date(self, session: int) -> date:
        return self._market.date_of(session) if session >= 0 else self._dates[session]


def invent_day_volume(seed: int, key: str, session: int, passed: int) -> int:
    """Give the units traded in the first `passed` minutes of a session."""
    return _invent_volume(seed, key, session) * min(passed, _MINUTES) // _MINUTES


def _invent_volume(seed: int, key: str, session: int) -> int:
    return Random(f"{seed}:{key}:{session}:volume").randint(20_000, 400_000)


def _list_sessions_before(first: date) -> list[date]:
    found: list[date] = []
    day = first
    while len(found) < HISTORY:
        day -= timedelta(days=1)
        if day.weekday() < _SATURDAY:
            found.append(day)
    return found[::-1]


def _find_end(bar: Bar, minutes: int) -> datetime:
    closes = datetime.combine(bar.at.date(), _OPENS, IST) + timedelta(minutes=_MINUTES)
    if minutes == _MINUTES:  # it begins at midnight
        return closes
    return min(bar.at + timedelta(minutes=minutes), closes)


def _merge_bars(at: datetime, bars: list[Bar]) -> Bar:
    return Bar(
        at,
        bars[0].opened,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        bars[-1].closed,
        sum(bar.volume for bar in bars),
    )


def _find_midnight(day: date) -> datetime:
    return datetime.combine(day, time(), IST)


def _begin_week(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _begin_month(day: date) -> date:
    return day.replace(day=1)


def read_local(text: str, *, at_end: bool = False) -> datetime | None:
    """Read ``from`` or ``to``: Mumbai time unless a zone is given; a date is a day."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is not None:
        return found.astimezone(IST)
    if "T" not in text and " " not in text.strip() and at_end:
        found = datetime.combine(found.date(), time.max)
    return found.replace(tzinfo=IST)
