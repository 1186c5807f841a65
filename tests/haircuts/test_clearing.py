"""The clearing corporation's haircut on collateral is a model of its own."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit import haircuts as hc
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.schema import HOLDINGS, MARGINS

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., pl.DataFrame]

# σ in percent of the list of 21 Nov 2025, from ln(1 + VaR)/6, and its haircut
PUBLISHED = [
    ("nifty50", "I", 0.0909, 9.09),  # NTPC
    ("nifty50", "I", 0.0500, 9.00),  # SBIN
    ("nifty50", "I", 0.1599, 15.99),  # ADANIENT
    ("share", "I", 0.0909, 20.00),
    ("share", "I", 0.2400, 24.00),  # IDEA
    ("share", "I", 0.2151, 21.51),  # BSE
    ("share", "II", 0.1500, 21.50),
    ("share", "I", 0.0657, 20.00),  # GOLDBEES
    ("broad_etf", "I", 0.0657, 6.57),
    ("broad_etf", "I", 0.0400, 6.00),
    ("liquid_etf", "I", 0.0001, 5.00),
    ("sgb", "I", 0.3000, 10.00),
    ("gilt", "I", 0.3000, 10.00),
]


def margins(security: float, group: str) -> pl.DataFrame:
    floor = {"I": 0.09, "II": 0.215}[group]
    var = max(security, floor)
    row = {"instrument_id": "X", "series": "EQ", "date": date(2025, 11, 21)}
    row |= {"security_var": str(security), "var_margin": str(var), "elm": "0.035"}
    return pl.DataFrame([row | {"file_no": 6, "haircut": str(var + 0.035)}]).cast(
        {name: MARGINS[name] for name in ("security_var", "var_margin", "elm")}
    )


@pytest.mark.parametrize(("kind", "group", "var", "percent"), PUBLISHED)
def test_published_haircuts_come_out_of_prices_and_of_margins(
    kind: str, group: str, var: float, percent: float, make_prices: Make
) -> None:
    seed = (math.log1p(var) / 6) ** 2
    prices = make_prices([100.0])
    found = hc.clearing_collateral(prices, kinds={"X": kind}, group=group, seed=seed)
    assert found["haircut"].item() * 100 == pytest.approx(percent, abs=1e-9)
    assert found.schema == hc.HAIRCUTS
    if kind != "broad_etf":
        of_file = hc.clearing_collateral(margins(var, group), kinds=kind)
        assert of_file["haircut"].item() * 100 == pytest.approx(percent, abs=1e-9)


def test_what_is_not_on_the_list_is_not_eligible(make_prices: Make) -> None:
    found = hc.clearing_collateral(make_prices([100.0]), kinds={"Y": "share"})
    row = found.row(0, named=True)
    assert (row["haircut"], row["floor_hit"]) == (1.0, True)
    assert row["note"] == "not on the list: not eligible"
    line: dict[str, Any] = {"instrument_id": "X", "pledged_quantity": Decimal(10)}
    line |= {"close_price": Decimal(100), "haircut": Decimal("0.125")}
    line |= {"snapshot_at": datetime(2010, 1, 1, 12, tzinfo=UTC)}
    holdings = pl.DataFrame([line], schema=HOLDINGS)
    out = hk.collateral(holdings, haircuts=found)
    assert out["collateral_value"].item() == 0


def test_kinds_are_checked(make_prices: Make) -> None:
    prices = make_prices([100.0])
    with pytest.raises(ConfigError, match="'etf' is not of the list"):
        hc.clearing_collateral(prices, kinds="etf")
    table = pl.DataFrame({"instrument_id": ["X", "X"], "kind": ["sgb", "gilt"]})
    with pytest.raises(FrameError, match="X has two"):
        hc.clearing_collateral(prices, kinds=table)
    with pytest.raises(FrameError, match="kind"):
        hc.clearing_collateral(prices, kinds=table.drop("kind"))
    assert hc.clearing_collateral(prices, kinds=table[:1])["haircut"].item() == 0.10


def test_an_unknown_group_leaves_the_haircut_unknown(make_prices: Make) -> None:
    found = hc.clearing_collateral(make_prices([1.0]), kinds="share", group={"Y": "I"})
    assert found["haircut"].item() is None
    assert found["floor_hit"].item() is None
