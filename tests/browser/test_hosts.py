"""Tools where JupyterLab is not: a saved page, the pages of VS Code and of marimo."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import anywidget
import nbformat.v4 as nb
import polars as pl
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import expect

import holdings_kit as hk
from holdings_kit import sandbox
from widgets import (
    HaircutLab,
    HoldingsTable,
    ImportTrigger,
    RiskExplorer,
    SnapshotComparison,
    __all__ as names,
)

from .conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

SHADOW = """css => {
    const root = document.body.appendChild(document.createElement('div'))
        .attachShadow({mode: 'open'});
    root.innerHTML = `<style>${css}</style><div class="hk-table">x</div>`;
    return getComputedStyle(root.querySelector('div')).getPropertyValue('--hk-ink');
}"""

# The model that every host of an anywidget gives, and no more than that.
STRICT = """async ([script, state]) => {
    const known = /^(change:[a-z_]+|msg:custom|comm_live_update)$/;
    const heard = {};
    const model = {
        get: (name) => state[name],
        set: (name, value) => { state[name] = value; },
        save_changes() {},
        send() {},
        off() {},
        on(name, act) {
            if (!known.test(name)) throw new Error(`no host knows the event ${name}`);
            (heard[name] ??= []).push(act);
        },
    };
    const url = URL.createObjectURL(new Blob([script], {type: "text/javascript"}));
    const { default: widget } = await import(url);
    const el = document.body.appendChild(document.createElement("div"));
    await widget.render({ model, el, experimental: {} });
    window.tell = (changes) => {
        Object.assign(state, changes);
        for (const name of Object.keys(changes)) {
            for (const act of heard[`change:${name}`] ?? []) act();
        }
    };
}"""


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("tools")
    loaded = hk.read_arrow(
        ROOT / "sample_data/arrow/holdings.json",
        account_id="A1",
        snapshot_at=datetime(2026, 1, 5, 4, 45, tzinfo=UTC),
    )
    store = hk.Store(folder / "store")
    store.append(loaded)
    days = pl.date_range(date(2024, 1, 1), date(2024, 12, 31), eager=True)
    closes = [100.0 + day.day % 7 for day in days]
    prices = pl.DataFrame({"instrument_id": "CALM", "date": days, "close": closes})
    with sandbox.serve(seed=7) as sb:
        made = [
            HoldingsTable(hk.consolidate(loaded.holdings)),
            RiskExplorer(loaded, cash=8000.0),
            SnapshotComparison(store),
            HaircutLab(prices),
            ImportTrigger.sandbox(sb, inbox=folder / "inbox", store=store),
        ]
        assert sorted(type(tool).__name__ for tool in made) == sorted(names)
        yield {type(tool).__name__: tool for tool in made}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    made = browser.new_page(viewport={"width": 1200, "height": 900})
    yield made
    made.close()


def shown_by(tool: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Give what a cell that ends with the tool stores, as outputs of a notebook."""
    outputs: list[Any] = []

    def take(data: Any, **more: Any) -> None:
        made = nb.new_output("display_data", data, metadata=more.get("metadata") or {})
        outputs.append(made)

    monkeypatch.setattr("widgets.static.display", take)
    tool._ipython_display_()
    return outputs


def test_a_saved_page_shows_a_copy_of_every_tool(
    tools: dict[str, Any], page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [
        nb.new_code_cell(name, outputs=shown_by(tool, monkeypatch))
        for name, tool in tools.items()
    ]
    body, _ = HTMLExporter().from_notebook_node(nb.new_notebook(cells=cells))
    saved = tmp_path / "saved.html"
    saved.write_text(body)
    page.route("https://**", lambda route: route.abort())
    page.goto(saved.as_uri(), wait_until="domcontentloaded")
    copies = page.locator(".hks")
    expect(copies).to_have_count(len(names))
    for number in range(len(names)):
        copy = copies.nth(number)
        expect(copy).to_be_visible()
        expect(copy).to_contain_text("run the cell to use it")
    expect(page.get_by_role("heading", name="the margin need")).to_be_visible()


def test_in_vs_code_a_live_tool_hides_its_own_copy_alone(
    tools: dict[str, Any], page: Page
) -> None:
    one, other = tools["RiskExplorer"].static_html(), tools["HaircutLab"].static_html()
    cell = """<div class="cell_container">
        <div class="output_container"><div class="output">{}</div></div>
        <div class="output_container"><div class="output">{}</div></div></div>"""
    page.set_content(cell.format(one, "") + cell.format(other, ""))
    expect(page.locator(".hks").nth(0)).to_be_visible()
    page.set_content(cell.format(one, '<div class="hk-panel">live</div>') + other)
    expect(page.locator(".hks").nth(0)).to_be_hidden()
    expect(page.locator(".hks").nth(1)).to_be_visible()


def test_marimo_gets_copies_of_what_it_cannot_run_and_colours_for_the_table(
    tools: dict[str, Any], page: Page
) -> None:
    for name, tool in tools.items():
        if name == "HoldingsTable":
            assert tool._display_ is None, "one widget, which marimo runs itself"
        else:
            assert tool._display_()._repr_html_() == tool.static_html()
    assert page.evaluate(SHADOW, HoldingsTable._css) == "#17202b"


def parts(tool: Any) -> Iterator[Any]:
    """Give every widget of a tool that brings a script."""
    if isinstance(tool, anywidget.AnyWidget):
        yield tool
    for child in getattr(tool, "children", ()):
        yield from parts(child)


def state_of(widget: Any) -> dict[str, Any]:
    return {k: v for k, v in widget.get_state().items() if not k.startswith("_")} | {
        "layout": None
    }


def test_every_script_asks_a_host_for_no_more_than_the_contract(
    tools: dict[str, Any], page: Page
) -> None:
    page.set_content("<!doctype html><title>any host</title>")
    scripts = [part for tool in tools.values() for part in parts(tool)]
    assert len(scripts) > len(tools)
    for part in scripts:
        page.evaluate(STRICT, [str(part._esm), state_of(part)])
    page.set_content("<!doctype html><title>the table alone</title>")
    table = tools["HoldingsTable"]
    page.evaluate(STRICT, [str(table._esm), state_of(table)])
    table.query = "sbin"
    page.evaluate("changes => window.tell(changes)", state_of(table))
    expect(page.locator(".hk-table tbody tr")).to_have_count(1)
    expect(page.locator(".hk-table .hk-place")).to_have_text("1–1 of 1 (8 in all)")


def test_the_gallery_leaves_no_tool_out() -> None:
    gallery = (ROOT / "tests/browser/test_gallery.py").read_text()
    assert [name for name in names if f'"{name}": (' not in gallery] == []
