"""The payloads' own prices as a table: dated by trading days, the latest stands."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

import holdings_kit as hk
from holdings_kit.schema import HOLDINGS, PRICES

D = Decimal


def held(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{"instrument_id": "X"} | row for row in rows], schema=HOLDINGS)


def test_a_close_is_of_the_trading_day_before_and_a_last_price_of_the_session() -> None:
    monday = datetime(2026, 1, 5, 11, tzinfo=UTC)  # 16:30 in Mumbai
    row = {"snapshot_at": monday, "close_price": D(9), "last_price": D(10)}
    found = hk.market.prices_of(held(row))
    assert found.schema == PRICES
    assert found.select("date", "close_price", "last_price").rows() == [
        (date(2026, 1, 2), D(9), None),
        (date(2026, 1, 5), None, D(10)),
    ]


def test_a_budget_sunday_is_a_trading_day() -> None:
    monday = datetime(2026, 2, 2, 2, tzinfo=UTC)  # 07:30 in Mumbai, before the open
    row = {"snapshot_at": monday, "close_price": D(9), "last_price": D(10)}
    days = hk.market.prices_of(held(row))["date"].to_list()
    assert days == [date(2026, 2, 1)]


def test_the_latest_snapshot_stands_whatever_the_order() -> None:
    early = datetime(2026, 1, 5, 5, tzinfo=UTC)
    late = datetime(2026, 1, 5, 9, tzinfo=UTC)
    rows = [
        {"snapshot_at": late, "last_price": D(11), "account_id": "A"},
        {"snapshot_at": early, "last_price": D(10), "account_id": "B"},
        {"snapshot_at": late, "account_id": "C"},
    ]
    for order in (rows, rows[::-1]):
        found = hk.market.prices_of(held(*order))
        assert found["last_price"].to_list() == [D(11)]


def test_nothing_known_is_no_price() -> None:
    assert hk.market.prices_of(held()).is_empty()
    at = datetime(2026, 1, 5, 5, tzinfo=UTC)
    assert hk.market.prices_of(held({"snapshot_at": at})).is_empty()
    assert hk.market.prices_of(held({"last_price": D(1)})).is_empty()


def test_a_fund_without_a_day_of_its_price_has_none() -> None:
    at = datetime(2026, 1, 5, 5, tzinfo=UTC)
    fund = {"snapshot_at": at, "last_price": D(11), "asset_class": "mutual_fund"}
    assert hk.market.prices_of(held(fund)).is_empty()
    named = fund | {"price_at": datetime(2026, 1, 2, tzinfo=UTC)}
    assert hk.market.prices_of(held(named))["date"].to_list() == [date(2026, 1, 2)]
