"""The trading calendar: special sessions, what is known, and T+1."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

import holdings_kit as hk
from holdings_kit.errors import ConfigError
from holdings_kit.market import MUMBAI, Published, Weekdays

BOTH = pytest.mark.parametrize("calendar", [Published(), Weekdays()])

# Sessions that exchange-calendars 4.13.2 does not list, but that have an NSE bhavcopy.
MISSED = [
    "2019-10-27",
    "2020-02-01",
    "2020-11-14",
    "2021-11-04",
    "2022-10-24",
    "2023-11-12",
    "2024-01-20",
    "2024-03-02",
    "2024-05-18",
    "2024-11-01",
    "2025-02-01",
    "2025-10-21",
    "2026-02-01",
]


@BOTH
def test_a_budget_sunday_ages_a_snapshot_by_its_session(
    calendar: Published | Weekdays,
) -> None:
    friday = datetime(2026, 1, 30, 18, tzinfo=MUMBAI)
    sunday = datetime(2026, 2, 1, 16, tzinfo=MUMBAI)
    state = hk.market.freshness(friday, now=sunday, calendar=calendar)
    assert state.open_time == timedelta(hours=6, minutes=15)
    assert not state.fresh


@BOTH
@pytest.mark.parametrize("day", MISSED)
def test_a_session_outside_the_regular_calendar_is_a_trading_day_once(
    day: str, calendar: Published | Weekdays
) -> None:
    special = date.fromisoformat(day)
    assert hk.market.trading_days(special, special, calendar=calendar) == [special]
    start = datetime.combine(special, datetime.min.time(), MUMBAI)
    spans = list(calendar.sessions(start, start + timedelta(days=1)))
    assert len(spans) == (2 if day in {"2024-03-02", "2024-05-18"} else 1)
    open_time = sum((b - a for a, b in spans), timedelta())
    assert timedelta(hours=1) <= open_time <= timedelta(hours=6, minutes=15)


def test_the_days_of_a_year_are_those_the_exchange_traded() -> None:
    # NSE: 249 sessions in 2024 (246 weekdays, three Saturdays; Muhurat on a Friday)
    days = hk.market.trading_days(date(2024, 1, 1), date(2024, 12, 31))
    assert len(days) == 249
    assert len(hk.market.trading_days(date(2025, 1, 1), date(2025, 12, 31))) == 249


def test_the_day_of_a_late_holiday_is_closed() -> None:
    """15 January 2026 (municipal elections) was declared weeks before."""
    assert hk.market.is_trading_day(date(2026, 1, 15)) is False
    assert hk.market.is_trading_day(date(2026, 1, 26)) is False


def test_a_day_beyond_is_not_known_and_not_closed() -> None:
    first, last = hk.market.calendar_known()
    assert first is not None
    assert last is not None
    assert hk.market.is_trading_day(first) is not None
    assert hk.market.is_trading_day(last) is not None
    for day in (first - timedelta(days=1), last + timedelta(days=1)):
        assert hk.market.is_trading_day(day) is None
        assert hk.market.next_trading_day(day) is None
    assert hk.market.next_trading_day(last) is None
    assert hk.market.is_trading_day(date(2026, 1, 5), calendar=Weekdays()) is None


@given(st.dates(date(2019, 10, 1), date(2026, 12, 1)), st.integers(1, 5))
def test_t_plus_n_is_the_nth_trading_day_after(day: date, count: int) -> None:
    found = hk.market.next_trading_day(day, count)
    assert found is not None
    between = hk.market.trading_days(day + timedelta(days=1), found)
    assert len(between) == count
    assert between[-1] == found


def test_t_plus_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="count is 0"):
        hk.market.next_trading_day(date(2026, 1, 5), 0)


def test_days_the_wrong_way_round_are_none() -> None:
    assert hk.market.trading_days(date(2026, 1, 6), date(2026, 1, 5)) == []
