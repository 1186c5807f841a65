"""The risk explorer: every choice moves the result, and nothing is made up."""

from __future__ import annotations

import asyncio
import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from holdings_kit.errors import ConfigError
from holdings_kit.risk import value_at_risk
from holdings_kit.schema import HOLDINGS
from widgets import RiskExplorer


def book(*rows: dict[str, Any]) -> pl.DataFrame:
    base = {"snapshot_id": "s", "account_id": "A", "asset_class": "equity"}
    return pl.DataFrame(
        [base | {"holding_no": no} | row for no, row in enumerate(rows)],
        schema=HOLDINGS,
    )


def share(symbol: str, quantity: int, close: float | None, **more: Any) -> dict:
    amount = Decimal(quantity)
    return {
        "instrument_id": f"NSE:{symbol}",
        "symbol": symbol,
        "settled_quantity": amount,
        "t1_quantity": Decimal(0),
        "pledged_quantity": Decimal(0),
        "owned_quantity": amount,
        "average_price": Decimal(50),
        "close_price": None if close is None else Decimal(str(close)),
        "haircut": Decimal("0.2"),
    } | more


BOOK = book(share("ONE", 10, 100), share("TWO", 5, 40, asset_class="etf"))


def test_sliders_move_value_collateral_and_headroom() -> None:
    risk = RiskExplorer(BOOK, cash=300.0, need=900.0)
    risk.model.sliders = {"all": {"price": -0.1}}
    row = risk.result.row(0, named=True)
    assert row["market_value_after"] == Decimal(1080)
    assert row["collateral_value_after"] == Decimal(864)
    assert row["usable_value_after"] == Decimal(600)
    assert row["headroom_value_after"] == Decimal(-300)
    assert "not met" in risk.figures.markup


def test_the_narrowest_slider_wins_and_zero_follows_the_wider_row() -> None:
    risk = RiskExplorer(BOOK)
    risk.model.sliders = {
        "all": {"price": -0.1, "haircut": 0.1},
        "etf": {"price": -0.5},
        "NSE:ONE": {"price": 0.0, "haircut": 0.3},
    }
    effects = dict(risk.effects.select("symbol", "market_value_after").iter_rows())
    assert effects == {"ONE": Decimal(900), "TWO": Decimal(100)}
    collateral = risk.result["collateral_value_after"][0]
    assert collateral == Decimal(900) * Decimal("0.5") + Decimal(100) * Decimal("0.7")


def test_a_scenario_sets_the_sliders_and_the_list_cut_its_floor() -> None:
    risk = RiskExplorer(BOOK)
    risk.model.scenario = "june_2024|one day"
    assert risk.model.sliders == {"all": {"price": -0.0593, "haircut": 0.05}}
    risk.model.reset()
    risk.model.scenario = "list_cut_2024|1.0"
    risk.model.off_list = ["NSE:ONE"]
    assert risk.result["collateral_value_after"][0] == Decimal(160)
    risk.model.reset()
    assert risk.result["collateral_effect"][0] == 0


def test_what_has_no_price_is_counted_and_not_valued() -> None:
    risk = RiskExplorer(book(share("ONE", 10, 100), share("NEW", 5, None)))
    assert risk.result["market_value_after"][0] == Decimal(1000)
    assert "1 of 2 priced" in risk.figures.markup
    nothing = RiskExplorer(book(share("NEW", 5, None)))
    assert '<span class="hk-why"> no position has a price' in nothing.shares.value


def test_margin_is_of_one_account() -> None:
    risk = RiskExplorer(book(share("ONE", 1, 1), share("TWO", 1, 1, account_id="B")))
    assert risk.result["usable_value_after"][0] is None
    assert "choose one" in risk.figures.markup
    risk.model.cash = 5.0
    risk.model.account = "B"
    assert risk.result["usable_value_after"][0] == Decimal("5.8")


def test_a_pledge_is_planned_with_its_proof(page: Any) -> None:
    risk = RiskExplorer(BOOK, rules="broker", cash=500.0, need=900.0)

    async def run() -> None:
        page(risk.planner, type="press", name="plan")
        await risk.model.done()

    asyncio.run(run())
    assert risk.plan is not None
    assert risk.plan.gap == 0
    assert risk.table is not None
    assert "proven cheapest" in risk.planned.markup
    risk.model.need = 0.0
    risk.model.plan_pledge()
    assert "need is 0" in risk.model.error
    assert risk.plan is None


def test_a_planned_holding_that_is_cut_stands_last(page: Any) -> None:
    rows = (share("BIG", 100, 100), share("SMALL", 10, 100), share("MORE", 20, 100))
    risk = RiskExplorer(book(*rows), rules="broker", cash=5000.0, need=15_000.0)

    async def run() -> None:
        page(risk.planner, type="press", name="plan")
        await risk.model.done()

    asyncio.run(run())
    assert risk.plan is not None
    cut = risk.plan.order.row(-1, named=True)
    assert cut["pledge_quantity"] < cut["available_quantity"]
    markup = risk.planned.markup
    ranks = re.findall(r'<th scope="row">(\w+) <small>', markup)
    assert ranks == risk.plan.order["symbol"].to_list()
    assert risk.table is not None
    assert risk.table.frame["symbol"].to_list()[: len(ranks)] == ranks
    assert risk.table.frame.height == risk.plan.plan.height
    assert markup.rindex("whole holding") < markup.index("stops where the need is met")


def test_a_name_gets_sliders_of_its_own(page: Any) -> None:
    many = [share(f"N{i}", 10, 100 - i) for i in range(20)]
    risk = RiskExplorer(book(*many))
    page(risk.shocks, type="set", name="add", value="n19")
    page(risk.shocks, type="press", name="pin")
    grid = next(c for c in risk.shocks.controls if c["name"] == "sliders")
    assert grid["rows"][-1] == ("NSE:N19", "N19", "equity", "")
    page(risk.shocks, type="set", name="add", value="nobody")
    page(risk.shocks, type="press", name="pin")
    assert "'nobody' is not in this book" in risk.shocks.error


def test_value_and_effect_stand_beside_each_slider_and_the_rest_is_one_row() -> None:
    many = [share(f"N{i}", 10, 100 - i) for i in range(10)]
    fund = share("FUND", 1, 10, asset_class="etf")
    risk = RiskExplorer(book(*many, fund, share("NEW", 5, None)))
    risk.model.sliders = {"all": {"price": -0.1}, "NSE:N0": {"price": -0.5}}
    beside = risk.shocks.beside
    assert beside["all"]["value"] == "8,204.00"
    assert beside["NSE:N0"] == {
        "value": "500.00",
        "effect": "▼ −500.00",
        "way": "loss",
        "part": 1.0,
    }
    assert beside["etf"]["effect"] == "▼ −1.00"
    rest = beside["rest"]
    assert (rest["label"], rest["effect"]) == ("4 smaller", "▼ −184.00")
    assert rest["small"].endswith("of value, 1 without a price")
    total = sum(Decimal(beside[key]["value"].replace(",", "")) for key in beside)
    assert total == 3 * Decimal(8204)  # all, the classes, and the rows
    assert "4 smaller" in risk.static_html()
    risk.model.problems = {"cash": "wrong"}
    assert "hk-old" in risk.shocks._dom_classes


def test_a_card_says_what_its_scenario_takes() -> None:
    risk = RiskExplorer(BOOK)
    cards = dict(risk.scenes.controls[0]["options"])
    assert cards["none"] == "No shock: prices as they are"
    assert list(cards)[-1] == "custom"
    said = cards["june_2024|one day"].replace(chr(0x202F), " ")
    assert said == "June 2024: one day · −5.93 % · −₹71"
    assert risk.model.scenario == "none"
    risk.model.scenario = "june_2024|one day"
    assert "June 2024, one day: value" in risk.figures.markup
    risk.model.scenario = "none"
    risk.model.sliders = {"all": {"price": -0.1}}
    assert (risk.model.scenario, risk.model.origin) == ("custom", "")
    risk.model.scenario = "none"
    assert risk.model.sliders == {}


def test_a_card_of_the_list_cut_says_what_collateral_it_takes() -> None:
    safe = share("SAFE", 1, 500, haircut=Decimal("0.9"))
    risk = RiskExplorer(book(share("ONE", 10, 100), share("TWO", 5, 40), safe))

    def read_card() -> str:
        cards = dict(risk.scenes.controls[0]["options"])
        return cards["list_cut_2024|0.6"].replace(chr(0x202F), " ")

    at_most = "List cut 2024: haircut at least 60 % · at most −₹480 of collateral"
    assert read_card() == at_most
    risk.model.off_list = ["NSE:TWO", "NSE:SAFE"]
    assert read_card().endswith("60 % · −₹80 of collateral")
    risk.model.scenario = "list_cut_2024|0.6"
    assert risk.result["collateral_effect"][0] == -80
    risk.model.quantity = "pledged"
    assert read_card().endswith("60 % · ₹0 of collateral")


def test_the_company_stands_below_its_symbol() -> None:
    named = share("ONE", 10, 100, name="One & Sons")
    risk = RiskExplorer(book(named, share("TWO", 5, 40)))
    grid = next(c for c in risk.shocks.controls if c["name"] == "sliders")
    assert {row: small for row, *_, small in grid["rows"][-2:]} == {
        "NSE:ONE": "One & Sons",
        "NSE:TWO": "",
    }
    assert "ONE<small>One &amp; Sons</small>" in risk.static_html()


def test_the_confidence_is_read_and_typed_in_percent(page: Any) -> None:
    risk = RiskExplorer(BOOK)
    assert "Confidence: 99.00" in risk.static_html()
    page(risk.loss, type="set", name="level", value="97.5%")
    assert risk.model.level == 0.975
    page(risk.loss, type="set", name="level", value="40%")
    assert "percentage from 50 to 99.99" in risk.model.problems["level"]


def plan_for(risk: RiskExplorer, page: Any) -> str:
    async def run() -> None:
        page(risk.planner, type="press", name="plan")
        await risk.model.done()

    asyncio.run(run())
    return risk.planned.markup


def test_a_plan_draws_the_need_and_says_what_it_leaves_out(page: Any) -> None:
    stuck = share("STUCK", 5, None)
    rows = book(share("ONE", 10, 100), share("TWO", 5, 40), stuck)
    shown = plan_for(RiskExplorer(rows, rules="broker", cash=500.0, need=900.0), page)
    assert "until ₹400.00 is reached (the line)" in shown
    assert '<u style="left:100' in shown or '<u style="left:9' in shown
    assert "Left out: 2 holdings, and why" in shown
    assert shown.index("TWO") < shown.index("STUCK")
    assert "₹160.00" in shown  # 5 × 40 × (1 − 0.2)
    assert '<span class="hk-why"> nothing of it could be pledged' in shown


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown scenario"):
        RiskExplorer(BOOK).model.scenario = "2099|x"


def test_imported_names_are_escaped() -> None:
    odd = share("<b>X</b>", 10, 100)
    risk = RiskExplorer(book(odd))
    risk.model.sliders = {"all": {"price": -0.1}}
    assert "<b>X" not in risk.static_html()
    assert "&lt;b&gt;" in risk.static_html()


def make_history(days: int, *names: str) -> pl.DataFrame:
    dates = [date(2025, 1, 1) + timedelta(days=day) for day in range(days)]
    closes = [100.0 * (0.9 if day % 10 == 0 else 1.0) for day in range(days)]
    return pl.DataFrame(
        {
            "instrument_id": [name for name in names for _ in dates],
            "date": dates * len(names),
            "close": closes * len(names),
        }
    )


def test_value_at_risk_follows_its_choices_and_says_what_it_covers() -> None:
    history = make_history(301, "NSE:ONE")
    risk = RiskExplorer(BOOK, prices=history, level=0.95)
    asked: dict[str, Any] = {"level": 0.95, "horizon_days": 1, "window": 250}
    assert risk.losses.equals(value_at_risk(risk.model.positions, history, **asked))
    assert "without 1 instrument" in risk.risked.value
    assert "250 returns from" in risk.risked.value
    before = risk.losses["var_value"].to_list()
    risk.model.sliders = {"all": {"price": -0.5}}  # of today's values, not the shocked
    assert risk.losses["var_value"].to_list() == before
    risk.model.loss_days = 4
    assert risk.losses["var_value"].to_list() == pytest.approx([2 * v for v in before])


def test_value_at_risk_has_no_figure_from_too_few_returns() -> None:
    risk = RiskExplorer(BOOK, prices=make_history(31, "NSE:ONE", "NSE:TWO"))
    found = dict(risk.losses.select("method", "var_value").iter_rows())
    assert found["historical"] is None
    assert found["ewma"] is not None
    assert "30 returns are too few: 100 are needed" in risk.risked.value
    assert '<span class="hk-why"> 30 returns are too few' in risk.risked.value
    bare = RiskExplorer(BOOK)
    assert bare.losses.is_empty()
    assert "prices=" in bare.risked.value
    wrong = RiskExplorer(BOOK, prices=pl.DataFrame({"date": [date(2025, 1, 1)]}))
    assert "instrument_id" in wrong.model.error
