"""A snapshot ages while the exchange is open, and not otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings, strategies as st

from holdings_kit.clients import BROKERS, broker_profile
from holdings_kit.errors import ConfigError, StaleSnapshot
from holdings_kit.market import (
    MUMBAI,
    _calendar as market_hours,
    freshness,
    market_calendar,
    require_fresh,
)
from holdings_kit.market._calendar import Weekdays

if TYPE_CHECKING:
    from holdings_kit.market._calendar import Calendar

ZERO = timedelta(0)
PUBLISHED = market_calendar()
BOTH = pytest.mark.parametrize("calendar", [Weekdays(), PUBLISHED])


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=MUMBAI)


def opened(start: str, end: str, calendar: Calendar) -> timedelta:
    found = freshness(at(start), now=at(end), calendar=calendar).open_time
    assert found is not None
    return found


@BOTH
def test_a_friday_evening_snapshot_is_current_until_monday_opens(
    calendar: Calendar,
) -> None:
    for now in ("2026-01-10T12:00", "2026-01-11T23:59", "2026-01-12T09:15"):
        assert freshness(at("2026-01-09T15:30"), now=at(now), calendar=calendar).fresh
    late = freshness(
        at("2026-01-09T15:30"), now=at("2026-01-12T09:16"), calendar=calendar
    )
    assert not late.fresh
    assert late.open_time == timedelta(minutes=1)


@BOTH
@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-01-09T14:30", "2026-01-11T12:00", 1),
        ("2026-01-12T09:00", "2026-01-12T18:00", 6.25),
        ("2026-01-12T10:00", "2026-01-12T12:30", 2.5),
        ("2026-01-12T10:00", "2026-01-13T10:00", 6.25),
        ("2026-01-05T00:00", "2026-01-12T00:00", 5 * 6.25),
        ("2026-01-12T12:00", "2026-01-12T10:00", 0),  # a snapshot from the future
    ],
)
def test_open_time_is_what_the_sessions_add_up_to(
    start: str, end: str, hours: float, calendar: Calendar
) -> None:
    assert opened(start, end, calendar) == timedelta(hours=hours)


def test_a_holiday_is_known_by_the_calendar_and_not_by_weekdays() -> None:
    span = ("2026-01-23T16:00", "2026-01-27T09:00")  # Republic Day is Monday 26th
    assert opened(*span, PUBLISHED) == ZERO
    assert opened(*span, Weekdays()) == timedelta(hours=6.25)


def test_beyond_the_published_holidays_weekdays_take_over() -> None:
    assert "then weekdays" in PUBLISHED.source
    span = ("2040-01-02T10:00", "2040-01-03T10:00")
    assert opened(*span, PUBLISHED) == opened(*span, Weekdays())
    # five years across the border: at least the weekdays' sessions less the holidays
    long = ("2026-06-01T10:00", "2031-06-01T10:00")
    assert ZERO < opened(*long, PUBLISHED) < opened(*long, Weekdays())


def test_without_the_package_weekdays_answer_and_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(market_hours, "find_spec", lambda _: None)
    fallback = market_calendar()
    assert isinstance(fallback, Weekdays)
    assert "not known" in fallback.source
    state = freshness(at("2026-01-09T16:00"), now=at("2026-01-10T09:00"))
    assert state.calendar == fallback.source


_instants = st.datetimes(
    datetime.fromisoformat("2025-06-01"),
    datetime.fromisoformat("2027-06-01"),
    timezones=st.just(UTC),
)


@settings(deadline=None)
@given(_instants, _instants, _instants)
def test_open_time_adds_up_and_never_exceeds_the_clock(
    one: datetime, two: datetime, three: datetime
) -> None:
    first, middle, last = sorted((one, two, three))
    for calendar in (Weekdays(), PUBLISHED):
        parts = [
            freshness(start, now=end, calendar=calendar).open_time or ZERO
            for start, end in ((first, middle), (middle, last), (first, last))
        ]
        assert parts[0] + parts[1] == parts[2]
        assert parts[2] <= last - first


def test_a_max_age_is_inclusive() -> None:
    start, now = at("2026-01-12T10:00"), at("2026-01-12T11:00")
    for minutes, fresh in ((59, False), (60, True)):
        age = timedelta(minutes=minutes)
        assert freshness(start, now=now, max_age=age).fresh is fresh


def test_a_snapshot_without_an_instant_is_never_fresh() -> None:
    state = freshness(None, now=at("2026-01-12T10:00"), max_age=timedelta(days=999))
    assert (state.fresh, state.open_time) == (False, None)
    with pytest.raises(StaleSnapshot) as caught:
        require_fresh(state)
    assert (caught.value.snapshot_at, caught.value.age) == (None, None)


def test_a_stale_snapshot_says_how_old_it_is_on_the_wall() -> None:
    state = freshness(at("2026-01-09T14:00"), now=at("2026-01-12T10:00"))
    with pytest.raises(StaleSnapshot) as caught:
        require_fresh(state)
    assert caught.value.age == timedelta(days=2, hours=20)
    require_fresh(state._replace(fresh=True))


def test_an_instant_without_a_zone_is_refused() -> None:
    good, naive = at("2026-01-12T10:00"), datetime(2026, 1, 12)  # noqa: DTZ001
    for snapshot_at, now in ((good, naive), (naive, good)):
        with pytest.raises(ConfigError):
            freshness(snapshot_at, now=now)


def test_zerodha_alone_has_a_long_lived_session() -> None:
    assert [key for key, one in BROKERS.items() if one.long_lived] == ["kite"]


@settings(deadline=None)
@given(st.none() | st.text())
def test_no_broker_key_is_a_surprise(key: str | None) -> None:
    assert broker_profile(key).name


def test_test_accounts_are_told_by_their_suffix() -> None:
    for key in BROKERS:
        assert broker_profile(f"{key}-leprechaun") == broker_profile(key)._replace(
            test_account=True
        )
