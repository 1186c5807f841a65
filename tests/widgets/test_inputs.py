"""No result stands beside inputs it was not made from: it is marked, or gone."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit import sandbox
from holdings_kit.errors import ConfigError
from holdings_kit.schema import HOLDINGS
from widgets import HaircutLab, RiskExplorer, SnapshotComparison
from widgets.table import TableModel

if TYPE_CHECKING:
    from pathlib import Path


def share(symbol: str, close: int, **more: Any) -> dict[str, Any]:
    return {
        "snapshot_id": "s",
        "account_id": "A",
        "asset_class": "equity",
        "instrument_id": f"NSE:{symbol}",
        "symbol": symbol,
        "settled_quantity": Decimal(10),
        "t1_quantity": Decimal(0),
        "pledged_quantity": Decimal(0),
        "owned_quantity": Decimal(10),
        "average_price": Decimal(50),
        "close_price": Decimal(close),
        "haircut": Decimal("0.2"),
    } | more


BOOK = pl.DataFrame(
    [
        share("ONE", 100, holding_no=0),
        share("TWO", 40, holding_no=1),
        share("TEN", 900, holding_no=0, account_id="B", snapshot_id="t"),
    ],
    schema=HOLDINGS,
)


def write(panel: Any, page: Any, **values: object) -> None:
    for name, value in values.items():
        page(panel, type="set", name=name, value=value)


def press(tool: Any, panel: Any, page: Any, name: str) -> None:
    async def run() -> None:
        page(panel, type="press", name=name)
        await tool.model.done()

    asyncio.run(run())


def reason_of(results: Any) -> str:
    return "" if results.band is None else results.band.value


def is_marked(results: Any) -> bool:
    return "hk-stale" in results._dom_classes and "other inputs" in reason_of(results)


def is_emptied(results: Any) -> bool:
    return all(part is results.band for part in results.children)


def test_a_plan_for_another_need_is_marked_and_not_given(page: Any) -> None:
    risk = RiskExplorer(BOOK, account="A", rules="broker", cash=200.0)
    write(risk.book, page, need="₹1,100")
    press(risk, risk.planner, page, "plan")
    assert risk.plan is not None
    assert not is_marked(risk.planning)
    assert not is_emptied(risk.planning)
    write(risk.book, page, need="600")
    assert is_marked(risk.planning)
    assert "Margin need ₹1,100, now ₹600" in reason_of(risk.planning)
    assert risk.plan is None
    press(risk, risk.planner, page, "plan")
    assert risk.plan is not None
    assert risk.plan.usable_value < 1100
    assert not is_marked(risk.planning)
    write(risk.book, page, account="B")
    assert is_marked(risk.planning)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("cash", "", "Write an amount in rupees, 0 or more."),
        ("cash", "-8,000", "Write an amount in rupees, 0 or more."),
        ("need", "−5", "Write an amount in rupees, 0 or more."),
        ("need", "nan", "Write an amount in rupees, 0 or more."),
        ("horizon_days", "100000", "Write a whole number from 0 to 366."),
        ("horizon_days", 1.5, "Write a whole number from 0 to 366."),
        ("rules", "none", "Choose one of those on offer."),
        ("account", "nobody", "Choose one of those on offer."),
        ("sliders", {"all": {"price": -5}}, "Price: write a number from −60 to 30 %."),
    ],
)
def test_what_cannot_be_used_is_said_at_its_field_and_marks_the_result(
    name: str, value: object, says: str, page: Any
) -> None:
    risk = RiskExplorer(BOOK, account="A", cash=200.0, need=900.0)
    press(risk, risk.planner, page, "plan")
    panel = risk.planner if name == "horizon_days" else risk.book
    panel = risk.shocks if name == "sliders" else panel
    write(panel, page, **{name: value})
    assert says in panel.problems[name]
    assert "trait" not in panel.problems[name]
    if name == "horizon_days":
        assert is_marked(risk.planning)
    else:
        assert is_marked(risk.above)
        with pytest.raises(ConfigError, match=name):
            _ = risk.result
    if name != "sliders":
        press(risk, risk.planner, page, "plan")
        assert says in risk.planner.error
        assert risk.plan is None
        assert is_emptied(risk.planning)
    write(panel, page, **{name: getattr(risk.model, name)})
    assert name not in panel.problems


def test_a_start_value_out_of_range_and_a_wrong_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="start value"):
        RiskExplorer(BOOK, cash=-5.0)
    with pytest.raises(ConfigError, match="no choice 'ned'"):
        RiskExplorer(BOOK, ned=1.0)


def test_a_scenario_loses_its_label_when_a_slider_moves(page: Any) -> None:
    risk = RiskExplorer(BOOK)
    write(risk.scenes, page, scenario="june_2024|one day")
    write(risk.shocks, page, sliders={"all": {"price": -0.1, "haircut": 0.05}})
    assert risk.model.scenario == "custom"
    scenario = next(c for c in risk.scenes.controls if c["name"] == "scenario")
    options = dict(scenario["options"])
    assert options["custom"].startswith("Changed by you, from June 2024")
    write(risk.scenes, page, scenario="list_cut_2024|1.0")
    assert risk.model.sliders == {}
    assert risk.result["value_effect"][0] == 0
    write(risk.scenes, page, off_list=["NSE:ONE"])
    cut = risk.result["collateral_value_after"][0]
    write(risk.shocks, page, sliders={"all": {"haircut": 0.0}})
    assert risk.result["collateral_value_after"][0] == cut  # the cut stays in force
    assert risk.model.scenario == "custom"


def test_another_account_takes_its_own_scenario_and_concentration(page: Any) -> None:
    risk = RiskExplorer(BOOK, account="A", scenario="june_2024|one day")
    before = risk.shares.value
    write(risk.book, page, account="B")
    assert risk.model.scenario == "none"
    assert risk.result["value_effect"][0] == 0
    assert risk.shares.value != before


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> hk.Store:
    lives = sandbox.life(seed=2, days=3).payloads.filter(source="arrow")
    store = hk.Store(tmp_path_factory.mktemp("store"))
    for row in lives.filter(account_id=lives["account_id"][0]).iter_rows(named=True):
        store.append(
            hk.read_arrow(
                row["body"],
                account_id=row["account_id"],
                snapshot_at=row["snapshot_at"],
            )
        )
    return store


def test_another_pair_marks_the_comparison_and_a_reversed_one_leaves_no_row(
    store: hk.Store, page: Any
) -> None:
    compare = SnapshotComparison(store)
    first, middle, last = (key for key, _ in compare.model.instants)
    write(compare.panel, page, before=first, after=last)
    press(compare, compare.panel, page, "compare")
    assert compare.changes.height
    write(compare.panel, page, after=middle)
    assert is_marked(compare.results)
    with pytest.raises(ConfigError, match="another after"):
        _ = compare.bridge
    write(compare.panel, page, after=last)
    assert not is_marked(compare.results)
    write(compare.panel, page, before=last, after=first)
    press(compare, compare.panel, page, "compare")
    assert "swap them" in compare.panel.error
    assert is_emptied(compare.results)
    assert compare.board.markup == ""
    with pytest.raises(ConfigError, match="nothing is compared"):
        _ = compare.changes
    write(compare.panel, page, before=first, after=last)
    press(compare, compare.panel, page, "compare")
    assert compare.board.markup


def test_a_run_keeps_the_settings_it_was_made_from(page: Any) -> None:
    draw, start = np.random.default_rng(5), date(2024, 1, 1)
    prices = pl.DataFrame(
        {
            "instrument_id": "ONE",
            "date": [start + timedelta(days=day) for day in range(300)],
            "close": 100 * np.exp(np.cumsum(draw.normal(0, 0.01, 300))),
        }
    )
    lab = HaircutLab(prices)
    write(lab.panel, page, models=["ewma"])
    press(lab, lab.panel, page, "run")
    picture = lab.breaches.value
    write(lab.panel, page, horizon="5")
    assert is_marked(lab.results)
    assert "Days to sell 1, now 5" in reason_of(lab.results)
    lab._show_breaches(None)
    assert lab.breaches.value == picture  # drawn with the horizon of the run
    with pytest.raises(ConfigError, match="another horizon"):
        _ = lab.coverage
    write(lab.panel, page, level="99")
    assert "percentage from 50 to 99.99" in lab.panel.problems["level"]
    press(lab, lab.panel, page, "run")
    assert "percentage from 50 to 99.99" in lab.panel.error
    assert lab.table is None
    write(lab.panel, page, level="98%")
    assert lab.model.level == 0.98
    assert lab.panel.problems == {}


AMOUNTS = pl.DataFrame(
    {
        "symbol": ["ONE", "TWO", "TEN"],
        "market_value": [Decimal(6_000_000), Decimal(4_000_000), None],
        "haircut": [0.1, 0.3, None],
        "price_date": [date(2026, 1, 5), date(2026, 1, 2), None],
    }
)


@pytest.mark.parametrize(
    "query",
    [
        "market_value > 5000000",
        "market_value>50,00,000",
        "market_value > 5_000_000",
        "market value > 50 lakh",
        "Market value>₹0.5 crore",
        "o market_value > 5000000 haircut < 20 %",
        "haircut<20% one",
        "price_date >= 2026-01-05",
        'symbol = "one"',
    ],
)
def test_a_filter_is_read_as_people_write_it(query: str) -> None:
    table = TableModel(AMOUNTS)
    table.query = query
    assert table.error == ""
    assert table.found["symbol"].to_list() == ["ONE"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("market_valu > 5", "did you mean market_value?"),
        ("market_value > many", "'many' is none"),
        ("market_value >", "Write what market_value is compared with"),
        ("> 5", "Write a column before the sign"),
        ("price_date > soon", "write price_date > 2026-01-05"),
    ],
)
def test_a_filter_that_cannot_be_read_says_why_and_leaves_no_old_row(
    query: str, says: str
) -> None:
    table = TableModel(AMOUNTS)
    table.query = "one"
    table.query = query
    assert says in table.error
    assert (table.rows, table.matched, table.found.height) == ([], 0, 0)
    table.query = ""
    assert (table.error, table.matched) == ("", 3)


def test_the_promotion_takes_the_reason_that_came_with_the_press(
    store: hk.Store, page: Any, tmp_path: Path
) -> None:
    import json

    own = hk.Store(tmp_path / "own")
    own.append(store.history())
    row = store.history().snapshots.row(-1, named=True)
    empty = json.dumps({"status": "success", "data": []}).encode()
    late = row["snapshot_at"] + timedelta(hours=1)
    own.append(hk.read_arrow(empty, account_id=row["account_id"], snapshot_at=late))
    compare = SnapshotComparison(own)
    key = compare.model.quarantine["snapshot_id"][0]
    write(compare.promotion, page, quarantined=key, reason="all was sold")
    page(compare.promotion, type="press", name="promote")
    assert own.decisions()["reason"].to_list() == ["all was sold"]
    assert compare.promotion.problems == {}
