"""Time that the test turns: set it, advance it, let it run at any speed."""

from __future__ import annotations

import math
import re
import time
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from holdings_kit.errors import ConfigError, readable
from holdings_kit.schema import require_zone

if TYPE_CHECKING:
    from collections.abc import Callable

IST: Final = timezone(timedelta(hours=5, minutes=30), "IST")
START: Final = datetime(2026, 1, 5, 4, 45, tzinfo=UTC)
"""Where a sandbox's time starts unless told: Monday 10:15 in India, market open."""
_SATURDAY: Final = 5
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@readable
class Clock:
    """A clock that shows `start` and moves only as told.

    Parameters
    ----------
    start
        First instant shown, timezone-aware.
    speed
        Virtual seconds per real second: 0 stands still, 1 is real time.
    ticks
        Source of real seconds, for the running kind.

    Raises
    ------
    ConfigError
        A naive instant, or a speed that is negative or no finite number.

    Examples
    --------
    >>> clock = Clock(datetime(2026, 1, 5, 4, 45, tzinfo=UTC))
    >>> clock.advance(minutes=5)
    >>> format_iso(clock.now())
    '2026-01-05T04:50:00.000Z'

    >>> clock.set(datetime(2026, 1, 2, tzinfo=UTC))
    >>> clock.speed = 60
    >>> clock.now() >= datetime(2026, 1, 2, tzinfo=UTC)
    True
    """

    def __init__(
        self,
        start: datetime = START,
        *,
        speed: float = 0.0,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ticks, self._speed = ticks, _check_speed(speed)
        self.set(require_zone(start, "start"))

    @property
    def speed(self) -> float:
        """Virtual seconds per real second."""
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        now = self.now()
        self._speed = _check_speed(value)
        self.set(now)

    def now(self) -> datetime:
        """Give the virtual instant, in UTC."""
        passed = (self._ticks() - self._mark) * self._speed
        return self._base + timedelta(seconds=passed)

    def set(self, instant: datetime) -> None:
        """Show `instant` from now on; it may lie in the past."""
        self._base = require_zone(instant, "instant").astimezone(UTC)
        self._mark = self._ticks()

    def advance(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> None:
        """Move forward by the sum of the parts."""
        step = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if step < timedelta():
            raise ConfigError(f"cannot advance by {step}; use set() to go back")
        self.set(self.now() + step)

    def __repr__(self) -> str:
        return f"Clock({format_iso(self.now())}, speed={self._speed:g})"


def read_duration(text: str) -> timedelta:
    """Read a length of time such as ``90``, ``1.5s``, ``15m``, ``24h`` or ``2d``.

    Raises
    ------
    ConfigError
        Anything else.

    Examples
    --------
    >>> read_duration("24h")
    datetime.timedelta(days=1)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if found is None:
        raise ConfigError(f"{text!r} is not a duration; write 2s, 15m, 24h or 1d")
    return timedelta(seconds=float(found[1]) * _UNITS[found[2] or "s"])


def format_iso(instant: datetime) -> str:
    """Write an instant as both APIs do: UTC, milliseconds, Z."""
    text = instant.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def market_open(instant: datetime) -> bool:
    """Tell whether the cash market trades: 09:15 to 15:30 IST, Monday to Friday."""
    local = instant.astimezone(IST)
    minute = local.hour * 60 + local.minute
    return local.weekday() < _SATURDAY and 9 * 60 + 15 <= minute < 15 * 60 + 30


def trading_date(instant: datetime) -> date:
    """Give the date of the last session that has begun (09:15 IST) by `instant`."""
    local = instant.astimezone(IST)
    day = local.date()
    if (local.hour, local.minute) < (9, 15):
        day -= timedelta(days=1)
    while day.weekday() >= _SATURDAY:
        day -= timedelta(days=1)
    return day


def _check_speed(speed: float) -> float:
    if not 0 <= speed < math.inf:
        raise ConfigError(f"speed is {speed:g}; it is a number from 0 up, not infinite")
    return speed
