"""How old a snapshot is, in the time that counts: while the exchange was open.

A snapshot of Friday evening is current on Sunday, for nothing traded in between. Its
age is the time of regular trading (09:15 to 15:30 in Mumbai) between the snapshot and
the instant asked about. Transfers and pledges also happen outside trading; who has to
see those at once imports anew.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from holdings_kit.errors import StaleSnapshot, readable
from holdings_kit.market._calendar import market_calendar
from holdings_kit.schema import require_zone

if TYPE_CHECKING:
    from holdings_kit.market._calendar import Calendar

Clock = Callable[[], datetime]
"""Gives the instant to hold things against; clients take one as `clock`."""


def utc_now() -> datetime:
    """Give this machine's instant, in UTC: the default clock of the clients.

    Examples
    --------
    >>> utc_now().tzinfo is UTC
    True
    """
    return datetime.now(UTC)


@readable
class Freshness(NamedTuple):
    """How a snapshot stands at an instant.

    Attributes
    ----------
    fresh
        `open_time` is at most the `max_age` asked for.
    snapshot_at, now
        UTC instants; a snapshot without an instant is never fresh.
    open_time
        How long the exchange was open in between; ``None`` if unknown.
    calendar
        Where the sessions come from, and what is not known of them.

    Examples
    --------
    >>> state = freshness(None, now=datetime(2026, 1, 9, tzinfo=UTC))
    >>> state.fresh, state.open_time
    (False, None)
    """

    fresh: bool
    snapshot_at: datetime | None
    now: datetime
    open_time: timedelta | None
    calendar: str


def freshness(
    snapshot_at: datetime | None,
    *,
    now: datetime,
    max_age: timedelta = timedelta(0),
    calendar: Calendar | None = None,
) -> Freshness:
    """Tell whether a snapshot is still current at an instant.

    Parameters
    ----------
    snapshot_at
        When the broker's state was captured; ``None`` is never fresh.
    now
        The instant of the call, timezone-aware.
    max_age
        Open time of the exchange that may lie between; zero: none at all.
    calendar
        By default `market_calendar`: published holidays, or weekdays alone where the
        extra ``fetch`` is not installed; the result says which.

    Raises
    ------
    ConfigError
        An instant without a time zone.

    Examples
    --------
    >>> from holdings_kit.market import MUMBAI
    >>> friday = datetime(2026, 1, 9, 18, 0, tzinfo=MUMBAI)
    >>> freshness(friday, now=datetime(2026, 1, 11, 12, 0, tzinfo=MUMBAI)).fresh
    True
    >>> monday = datetime(2026, 1, 12, 10, 15, tzinfo=MUMBAI)
    >>> str(freshness(friday, now=monday).open_time)
    '1:00:00'
    """
    calendar = market_calendar() if calendar is None else calendar
    now = require_zone(now, "now").astimezone(UTC)
    if snapshot_at is None:
        return Freshness(
            fresh=False,
            snapshot_at=None,
            now=now,
            open_time=None,
            calendar=calendar.source,
        )
    snapshot_at = require_zone(snapshot_at, "snapshot_at").astimezone(UTC)
    spans = (
        min(closes, now) - max(opens, snapshot_at)
        for opens, closes in calendar.sessions(snapshot_at, now)
    )
    open_time = sum((span for span in spans if span > timedelta()), timedelta())
    return Freshness(
        fresh=open_time <= max_age,
        snapshot_at=snapshot_at,
        now=now,
        open_time=open_time,
        calendar=calendar.source,
    )


def require_fresh(state: Freshness) -> None:
    """Raise where a snapshot is not current.

    Raises
    ------
    StaleSnapshot
        With the snapshot's instant and its age in hours and days.

    Examples
    --------
    >>> require_fresh(freshness(None, now=datetime(2026, 1, 9, tzinfo=UTC)))
    Traceback (most recent call last):
        ...
    holdings_kit.errors.StaleSnapshot: newest snapshot is of an unknown instant; \
refresh it, or import again where the broker needs a login
    """
    if not state.fresh:
        at = state.snapshot_at
        raise StaleSnapshot(at, None if at is None else state.now - at)
