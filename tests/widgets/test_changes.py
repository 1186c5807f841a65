"""The comparison: causes, bridges, evidence down to the payload, promotion."""

from __future__ import annotations

import asyncio
import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit import sandbox
from holdings_kit.changes import CHANGES, EFFECTS
from holdings_kit.display._numbers import rupees
from holdings_kit.errors import ConfigError
from holdings_kit.schema import HOLDINGS
from widgets import SnapshotComparison
from widgets.changes.evidence import Source
from widgets.changes.page import (
    QUIET,
    list_effects,
    list_steps,
    say_finding,
    write_evidence,
    write_footer,
    write_rows,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> hk.Store:
    """One Arrow account over five days of its invented life, and an empty fetch."""
    folder = tmp_path_factory.mktemp("lives")
    kept = hk.Store(folder / "store")
    lives = sandbox.life(seed=2, days=5).payloads.filter(source="arrow")
    account = lives["account_id"][0]
    rows = lives.filter(account_id=account).sort("day")
    for row in rows.iter_rows(named=True):
        file = folder / f"{row['day']}.json"
        file.write_bytes(row["body"])
        kept.append(
            hk.read_arrow(file, account_id=account, snapshot_at=row["snapshot_at"])
        )
    empty = json.dumps({"status": "success", "data": []}).encode()
    late = rows["snapshot_at"][-1].replace(hour=12)
    kept.append(hk.read_arrow(empty, account_id=account, snapshot_at=late))
    return kept


def compared(store: hk.Store, page: Any, **choices: str) -> SnapshotComparison:
    compare = SnapshotComparison(store)
    for name, value in choices.items():
        page(compare.panel, type="set", name=name, value=value)

    async def run() -> None:
        page(compare.panel, type="press", name="compare")
        await compare.model.done()

    asyncio.run(run())
    return compare


def text_of(compare: SnapshotComparison) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", compare.board.markup))


def test_the_finding_the_figures_and_the_steps_are_those_of_the_bridge(
    store: hk.Store, page: Any
) -> None:
    compare = compared(store, page)
    assert compare.model.error == ""
    total = compare.bridge.row(0, named=True)
    assert total["residual"] == 0
    change = total["value_after"] - total["value_before"]
    text = text_of(compare)
    assert f"{rupees(change, sign=True)}" in text
    steps = list_steps(compare.changes, total)
    assert sum(step.value for step in steps) == change
    assert [step.label for step in steps][:1] == ["Price"]
    assert f"Value after {rupees(total['value_after'])}" in text
    assert f"1 account, {compare.changes.height} lines" in text


def test_an_effect_is_the_bridge_without_the_price() -> None:
    def line(symbol: str, units: int, price: str | None) -> dict[str, Any]:
        return {
            "account_id": "A",
            "snapshot_id": "s",
            "instrument_id": f"NSE:{symbol}",
            "symbol": symbol,
            "owned_quantity": Decimal(units),
            "average_price": Decimal(10),
            "close_price": None if price is None else Decimal(price),
        }

    before = [line("UP", 5, "10"), line("MORE", 2, "10"), line("BLIND", 3, None)]
    after = [line("UP", 5, "9"), line("MORE", 6, "12"), line("BLIND", 3, None)]
    frames = [pl.DataFrame(rows, schema=HOLDINGS) for rows in (before, after)]
    changes = hk.compare(*frames)
    effects = dict(list_effects(changes).select("symbol", "effect").iter_rows())
    assert effects["MORE"] == 48  # 4 more at 12; 2 x 2 is the price's
    assert effects["UP"] == -5
    assert effects["BLIND"] is None
    assert list_effects(changes)["symbol"].to_list() == ["MORE", "UP", "BLIND"]
    total = hk.bridge(changes, by=()).row(0, named=True)
    assert say_finding(total) == "Up ₹47: ₹48 was traded, prices took ₹1"


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        ({}, "The value did not change"),
        ({"trade_effect": -5}, "Down ₹5: ₹5 was sold, net"),
        ({"unexplained_effect": 3}, "Up ₹3: ₹3 more is unexplained"),
        (
            {"price_effect": 2, "transfer_effect": -9},
            "Down ₹7: ₹9 left by transfer, prices gave ₹2",
        ),
        (
            {"trade_effect": 4, "price_effect": -4},
            "The value did not change: prices took",
        ),
        (
            {"value_before": None},
            "The change is not known: nothing that was held before",
        ),
    ],
)
def test_the_finding_names_what_moved(moved: dict[str, Any], said: str) -> None:
    total = {name: Decimal(moved.get(name, 0)) for name in EFFECTS["value"]}
    after = 100 + sum(total.values())
    total |= {"value_before": moved.get("value_before", Decimal(100))}
    assert say_finding({**total, "value_after": after}).startswith(said)


def test_a_cause_filters_and_a_row_opens_its_payload(
    store: hk.Store, page: Any
) -> None:
    compare = compared(store, page)
    first = compare.changes["cause"][0]
    assert set(compare.model.causes).isdisjoint(QUIET)
    for cause in compare.model.causes:
        page(compare.board, act="cause", value=cause)
    assert compare.model.shown.height == compare.changes.height  # none chosen: all
    page(compare.board, act="cause", value=first)
    assert set(compare.model.shown["cause"]) == {first}
    assert f'data-value="{first}" data-key="cause/{first}" aria-pressed="true"' in (
        compare.board.markup
    )
    row = compare.model.shown.row(0, named=True)
    assert "Payload before" not in compare.board.markup
    page(compare.board, act="open", value=str(row["row"]))
    assert 'aria-expanded="true"' in compare.board.markup
    assert f"&quot;symbol&quot;: &quot;{row['symbol']}&quot;" in compare.board.markup
    assert "<del>" in compare.board.markup
    assert "<ins>" in compare.board.markup
    page(compare.board, act="open", value=str(row["row"]))
    assert "Payload before" not in compare.board.markup


def test_an_export_is_named_after_what_it_holds(
    store: hk.Store, page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = compared(store, page)
    sent: list[Any] = []
    monkeypatch.setattr(compare.board, "send", lambda *message: sent.append(message))
    page(compare.board, act="export")
    (message, (data,)) = sent[0]
    days = [at.partition("T")[0] for at in (compare.model.before, compare.model.after)]
    assert message["name"] == f"changes-{days[0]}-to-{days[1]}-all-accounts.csv"
    assert len(data.decode().splitlines()) == compare.model.shown.height + 1
    page(compare.panel, type="press", name="swap")
    assert compare.model.before > compare.model.after
    assert compare.model.stale["changes"]


def test_what_a_payload_says_is_never_markup() -> None:
    evil = '<img src=x onerror="alert(1)">'
    row: dict[str, Any] = dict.fromkeys(CHANGES)
    row |= {"row": 0, "effect": None, "cause": "bought", "confidence": 0.95}
    row |= dict.fromkeys(("symbol", "account_id", "evidence"), evil)
    row["parts"] = [{"cause": "bought", "quantity": Decimal(1)}]
    source = Source("after", {"symbol": evil}, evil, json.dumps({evil: evil}))
    html = write_rows([row], Decimal(1), {0: write_evidence(row, [source])})
    assert "<img" not in html
    assert "no price before and after" in html  # why there is no effect


def test_of_many_rows_the_first_are_shown_and_more_on_demand() -> None:
    assert "8 of 13 rows shown (57 lines in all)" in write_footer(8, 13, 57, 50)
    assert "show 5 more" in write_footer(8, 13, 57, 50)
    assert "show 50 more" in write_footer(8, 900, 900, 50)
    assert "more</button>" not in write_footer(13, 13, 57, 50)


def test_a_quarantined_snapshot_is_promoted_with_a_reason(
    store: hk.Store, page: Any, tmp_path: Path
) -> None:
    own = hk.Store(tmp_path / "own")
    own.append(store.history())
    compare = SnapshotComparison(own)
    assert compare.doubts is not None
    key = compare.model.quarantine["snapshot_id"][0]
    page(compare.promotion, type="press", name="promote")
    assert "choose a quarantined snapshot" in compare.promotion.error
    page(compare.promotion, type="set", name="quarantined", value=key)
    page(compare.promotion, type="press", name="promote")
    assert "reason" in compare.promotion.error
    page(compare.promotion, type="set", name="reason", value="all was sold")
    page(compare.promotion, type="press", name="promote")
    assert own.decisions()["reason"].to_list() == ["all was sold"]
    assert compare.doubts is None
    assert compare.promotion.error == ""


def test_the_wrong_order_and_an_empty_store_are_said(
    store: hk.Store, page: Any, tmp_path: Path
) -> None:
    compare = SnapshotComparison(store)
    first, last = compare.model.instants[0][0], compare.model.instants[-1][0]
    compare.model.before, compare.model.after = last, first
    page(compare.panel, type="press", name="compare")
    assert "swap them" in compare.panel.error
    nothing = SnapshotComparison(hk.Store(tmp_path / "none"))
    page(nothing.panel, type="press", name="compare")
    assert "no snapshot yet" in nothing.panel.error
    with pytest.raises(ConfigError, match="nothing is compared yet"):
        _ = nothing.changes
