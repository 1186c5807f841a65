from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
import pytest

from holdings_kit import haircuts as hc
from holdings_kit.schema import HOLDINGS, MARGINS

if TYPE_CHECKING:
    from collections.abc import Mapping

PUBLISHED = {
    "GROWW": "0.1662",
    "IDEA": "0.2707",
    "BSE": "0.2467",
    "GOLDETF": "0.1250",
    "YESBANK": "0.1690",
    "SBIN": "0.1250",
    "GOLDBEES": "0.1250",
    "NSDL": "0.1446",
}


def book(haircuts: Mapping[str, str | None]) -> pl.DataFrame:
    rows = [
        {
            "instrument_id": name,
            "account_id": "AB1234",
            "snapshot_at": datetime(2026, 11, 19, 20, tzinfo=UTC),
            "haircut": None if value is None else Decimal(value),
        }
        for name, value in haircuts.items()
    ]
    return pl.DataFrame(rows, schema=HOLDINGS)


@pytest.mark.parametrize(
    ("name", "percent"),
    [
        ("GROWW", "2.055"),
        ("IDEA", "3.527"),
        ("BSE", "3.200"),
        ("YESBANK", "2.096"),
        ("NSDL", "1.733"),
    ],
)
def test_volatility_above_the_floor(name: str, percent: str) -> None:
    row = hc.decompose(book({name: PUBLISHED[name]})).row(0, named=True)
    assert f"{100 * row['implied_volatility']:.3f}" == percent
    assert row["floor_hit"] is False
    assert row["volatility_bound"] is None
    assert row["var_margin"] + row["elm"] == row["haircut"] == Decimal(PUBLISHED[name])


@pytest.mark.parametrize("name", ["SBIN", "GOLDETF", "GOLDBEES"])
def test_a_floored_haircut_carries_a_bound_only(name: str) -> None:
    row = hc.decompose(book({name: PUBLISHED[name]})).row(0, named=True)
    assert (row["var_margin"], row["elm"]) == (Decimal("0.09"), Decimal("0.035"))
    assert row["implied_volatility"] is None
    assert row["volatility_bound"] == pytest.approx(0.01436, abs=5e-6)
    assert (row["floor_hit"], row["implied_group"]) == (True, "I")


@pytest.mark.parametrize(
    ("haircut", "group", "floor_hit", "bound"),
    [
        ("0.25", "II", True, math.log(1.215) / 6),
        ("0.535", "III", True, None),
        ("0.785", "III-untraded", True, None),
        ("0.08", "ETF", True, math.log(1.06) / 6),
        ("0.10", "ETF", False, None),
        ("0.2707", "I or II", False, None),
    ],
)
def test_groups(haircut: str, group: str, floor_hit: bool, bound: float | None) -> None:
    row = hc.decompose(book({"X": haircut})).row(0, named=True)
    assert (row["implied_group"], row["floor_hit"]) == (group, floor_hit)
    assert row["volatility_bound"] == (None if bound is None else pytest.approx(bound))


@pytest.mark.parametrize("haircut", [None, "0", "0.05"])
def test_what_is_not_of_the_rule_stays_unknown(haircut: str | None) -> None:
    row = hc.decompose(book({"X": haircut})).row(0, named=True)
    parts = ("var_margin", "elm", "floor_hit", "implied_volatility", "implied_group")
    assert [row[name] for name in parts] == [None] * 5


def test_one_row_per_published_haircut_with_its_date_in_india() -> None:
    twice = pl.concat([book(PUBLISHED), book(PUBLISHED)])
    found = hc.decompose(twice.lazy())
    assert found.height == 8
    assert found["date"].unique().to_list() == [date(2026, 11, 20)]
    assert found.schema == hc.DECOMPOSITION


def test_a_known_broad_index_etf_has_the_smaller_margin() -> None:
    row = hc.decompose(book({"X": "0.14"}), broad_index_etfs=["X"]).row(0, named=True)
    assert row["implied_volatility"] == pytest.approx(math.log(1.12) / 6)
    assert row["elm"] == Decimal("0.02")


@pytest.mark.parametrize("haircut", ["0.35", "0.5", "0.75", "1"])
def test_a_round_total_may_be_set_by_surveillance(haircut: str) -> None:
    row = hc.decompose(book({"X": haircut})).row(0, named=True)
    assert row["note"].startswith("may be a surveillance total")
    parts = ("var_margin", "elm", "floor_hit", "implied_volatility", "implied_group")
    assert [row[name] for name in parts] == [None] * 5


def margins(day: date, **facts: str) -> pl.DataFrame:
    row = {name: Decimal(value) for name, value in facts.items()}
    line = {"instrument_id": "SBIN", "series": "EQ", "date": day, "file_no": 6} | row
    return pl.DataFrame([line], schema=MARGINS)


def test_margins_split_a_haircut_exactly_floors_and_surveillance_included() -> None:
    """The quote of SBIN of 14 November 2020: 18.10 + 3.50 + 18.40 = 40."""
    day = date(2026, 11, 19)
    var = {"security_var": "0.1810", "var_margin": "0.1810", "elm": "0.035"}
    topped = margins(day, **var, adhoc="0.1840", haircut="0.40")
    row = hc.decompose(book({"SBIN": "0.40"}), margins=topped).row(0, named=True)
    assert (row["var_margin"], row["adhoc"]) == (Decimal("0.181"), Decimal("0.184"))
    assert row["implied_volatility"] == pytest.approx(math.log(1.181) / 6)
    assert (row["implied_group"], row["note"]) == ("I", None)

    floor = {"security_var": "0.0823", "var_margin": "0.09", "elm": "0.035"}
    floored = margins(day, **floor, adhoc="0", haircut="0.125")
    row = hc.decompose(book({"SBIN": "0.125"}), margins=floored).row(0, named=True)
    assert row["implied_volatility"] == pytest.approx(0.0132, abs=5e-5)
    assert (row["floor_hit"], row["volatility_bound"]) == (True, None)
    brokers = hc.decompose(book({"SBIN": "0.155"}), margins=floored)
    note = "3.0 points above the exchange's total of 2026-11-19"
    assert brokers["note"].item() == note


def test_margins_of_another_time_or_share_change_nothing() -> None:
    facts = {"security_var": "0.2", "var_margin": "0.2", "elm": "0.035", "adhoc": "0"}
    plain = hc.decompose(book({"SBIN": "0.2707", "X": "0.125"}))
    for day in (date(2026, 11, 21), date(2026, 11, 1)):
        other = margins(day, **facts, haircut="0.235")
        again = hc.decompose(book({"SBIN": "0.2707", "X": "0.125"}), margins=other)
        assert again.equals(plain)
    older = margins(date(2026, 11, 18), **facts, haircut="0.2707")
    newer = margins(date(2026, 11, 19), **facts, haircut="0.235")
    both = hc.decompose(book({"SBIN": "0.2707"}), margins=pl.concat([older, newer]))
    assert both["note"].item() is None  # the day whose total is the holding's
