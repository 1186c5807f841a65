"""Every control of every tool is fired once; one that raises fails the test."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit import sandbox
from holdings_kit.schema import HOLDINGS
from widgets import (
    HaircutLab,
    HoldingsTable,
    ImportTrigger,
    RiskExplorer,
    SnapshotComparison,
)
from widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def life() -> pl.DataFrame:
    return sandbox.life(seed=4, days=3).payloads.filter(source="arrow")


def loaded(life: pl.DataFrame) -> Iterator[hk.Loaded]:
    for row in life.iter_rows(named=True):
        yield hk.read_arrow(
            row["body"], account_id=row["account_id"], snapshot_at=row["snapshot_at"]
        )


def tools(life: pl.DataFrame, folder: Path) -> dict[str, Callable[[Any], Any]]:
    def table(_sb: Any) -> Any:
        return HoldingsTable(next(loaded(life)).holdings)

    def risk(_sb: Any) -> Any:
        return RiskExplorer(next(loaded(life)))

    def compare(_sb: Any) -> Any:
        store = hk.Store(folder / "store")
        for one in loaded(life.filter(account_id=life["account_id"][0])):
            store.append(one)
        return SnapshotComparison(store)

    def lab(_sb: Any) -> Any:
        days = pl.date_range(
            pl.date(2025, 1, 1), pl.date(2025, 6, 30), "1d", eager=True
        )
        close = 100 + np.arange(len(days)) % 7
        return HaircutLab(
            pl.DataFrame({"instrument_id": "X", "date": days, "close": close * 1.0})
        )

    return {
        "HoldingsTable": table,
        "RiskExplorer": risk,
        "SnapshotComparison": compare,
        "HaircutLab": lab,
        "ImportTrigger": ImportTrigger.sandbox,
    }


def inside(widget: Any) -> Iterator[Any]:
    """Walk the widget tree, the root first."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from inside(child)


def values_for(control: dict[str, Any], now: Any) -> list[Any]:
    """What a person can do with a control: every option, both ways, the limits."""
    kind = control["kind"]
    if kind in {"select", "cards"}:
        return [value for value, _ in control["options"]]
    if kind == "chips":
        every = [value for value, _ in control["options"]]
        return [*([value] for value in every), every, []]
    if kind == "check":
        return [True, False]
    if kind == "number":
        return [1, now if now is not None else 1]
    if kind == "grid":
        return [
            {row: {column[0]: column[2]}}
            for row, *_ in control["rows"]
            for column in control["columns"]
        ]
    return ["some text", "<b>", ""]


def fire_table(table: HoldingsTable, page: Any) -> list[str]:
    for kind in ("copy", "csv"):
        page(table, type=kind)
    for column in table.columns:
        table.sort_by, table.descending = column["name"], True
    table.query, table.page, table.selected = "a", 2, [0]
    table.query = "nonsense>1"
    assert "no column" in table.error
    table.query = ""
    return ["table"]


def fire_inputs(panel: Panel, page: Any) -> list[str]:
    fired = []
    for control in list(panel.controls):
        if control["kind"] not in {"button", "secret"}:
            name = control["name"]
            for value in values_for(control, panel.values.get(name)):
                page(panel, type="set", name=name, value=value)
            fired.append(name)
    return fired


async def fire_buttons(panel: Panel, job: Any, page: Any) -> list[str]:
    """Press each; wait for the work it starts, so that its errors come out."""
    fired = []
    for control in [c for c in panel.controls if c["kind"] == "button"]:
        panel.change(control["name"], disabled=False)
        page(panel, type="press", name=control["name"])
        fired.append(control["name"])
        if control["name"] in {"compare", "plan", "run", "fetch"}:
            await job.done()
    return fired


async def fire(tool: Any, page: Any) -> list[str]:
    fired: list[str] = []
    for widget in list(inside(tool)):
        if isinstance(widget, HoldingsTable):
            fired += fire_table(widget, page)
        elif isinstance(widget, Panel):
            fired += fire_inputs(widget, page)
            fired += await fire_buttons(widget, tool.model, page)
    for widget in inside(tool):  # what travels to the page must be JSON
        if isinstance(widget, (HoldingsTable, Panel)):
            json.dumps({k: v for k, v in widget.get_state().items() if k != "layout"})
    return fired


@pytest.mark.parametrize(
    "name",
    [
        "HoldingsTable",
        "RiskExplorer",
        "SnapshotComparison",
        "HaircutLab",
        "ImportTrigger",
    ],
)
def test_every_control_can_be_fired(
    name: str, life: pl.DataFrame, tmp_path: Path, page: Any, sb: Any
) -> None:
    tool = tools(life, tmp_path)[name](sb)

    async def run() -> list[str]:
        fired = await fire(tool, page)
        model = getattr(tool, "model", None)
        if model is not None:
            model.cancel()
        return fired

    fired = asyncio.run(run())
    panels = [widget for widget in inside(tool) if isinstance(widget, Panel)]
    offered = {
        control["name"]
        for panel in panels
        for control in panel.controls
        if control["kind"] != "secret"
    }
    assert fired
    assert offered <= set(fired)


def test_the_walk_would_notice_a_broken_handler(page: Any) -> None:
    risk = RiskExplorer(pl.DataFrame(schema=HOLDINGS))
    risk.shocks._press["reset"] = lambda: 1 / 0  # pyright: ignore[reportIndexIssue]
    with pytest.raises(ZeroDivisionError):
        asyncio.run(fire(risk, page))


def test_a_copy_without_a_kernel_shows_inputs_and_figures_and_runs_nothing(
    life: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[dict[str, str]] = []
    monkeypatch.setattr(
        "widgets.static.display", lambda data, **_more: shown.append(data)
    )
    risk = RiskExplorer(next(loaded(life)), cash=8000.0)
    risk._ipython_display_()
    copy, live = shown
    assert "Cash: ₹8,000" in copy["text/html"]
    assert "Collateral" in copy["text/html"]
    assert "<script" not in copy["text/html"]
    assert copy["text/plain"] == "RiskExplorer"
    assert "application/vnd.jupyter.widget-view+json" in live
    odd = HoldingsTable(pl.DataFrame({"symbol": ["<b>X</b>"]}))
    assert "&lt;b&gt;X" in odd.static_html()
    assert "<b>X" not in odd.static_html()
