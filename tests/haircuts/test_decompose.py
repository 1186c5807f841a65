from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
import pytest

from holdings_kit import haircuts as hc
from holdings_kit.schema import HOLDINGS

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
        ("GROWW", "2.187"),
        ("IDEA", "3.928"),
        ("BSE", "3.528"),
        ("YESBANK", "2.233"),
        ("NSDL", "1.827"),
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
    assert row["volatility_bound"] == pytest.approx(0.015)
    assert (row["floor_hit"], row["implied_group"]) == (True, "I")


@pytest.mark.parametrize(
    ("haircut", "group", "floor_hit", "bound"),
    [
        ("0.25", "II", True, 0.215 / 6),
        ("0.535", "III", True, None),
        ("0.785", "III-untraded", True, None),
        ("0.08", "ETF", True, 0.01),
        ("0.10", "ETF", False, None),
        ("0.2707", "I or II", False, None),
    ],
)
def test_groups(haircut: str, group: str, floor_hit: bool, bound: float | None) -> None:
    row = hc.decompose(book({"X": haircut})).row(0, named=True)
    assert (row["implied_group"], row["floor_hit"]) == (group, floor_hit)
    assert row["volatility_bound"] == (None if bound is None else pytest.approx(bound))


@pytest.mark.parametrize("haircut", [None, "0", "0.05", "1"])
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
    assert row["implied_volatility"] == pytest.approx(0.02)
    assert row["elm"] == Decimal("0.02")
