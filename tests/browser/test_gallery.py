"""Every screen, wide and narrow, light and dark: a picture of it, and axe.

Run by ``make screenshots``, which keeps the pictures in artefacts/gallery.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest
from playwright.sync_api import expect

from holdings_kit import sandbox
from holdings_kit.sandbox import Clock

from . import test_report
from .conftest import ROOT, find_cut
from .test_import import IMPORT, log_in
from .test_lab_command import Command
from .test_tools import COMPARE, MODELS, RISK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

report = test_report.report
GALLERY: Final = ROOT / "artefacts" / "gallery"
WIDTHS: Final = (1440, 700)
THEMES: Final = ("light", "dark")
TABLE: Final = """
from datetime import UTC, datetime
import holdings_kit as hk
from widgets import HoldingsTable
at = datetime(2026, 1, 5, 4, 45, tzinfo=UTC)
path, names = "sample_data/arrow/holdings.json", "sample_data/arrow/instruments.csv"
master = hk.read_instruments(names)
loaded = hk.read_arrow(path, account_id="A1", snapshot_at=at, instruments=master)
columns = ["symbol", "owned_quantity", "average_price", "price", "price_basis",
    "market_value", "weight", "unrealized_pnl", "return"]
HoldingsTable(hk.consolidate(loaded.holdings), columns=columns)
"""


def shock_and_plan(tool: Locator) -> None:
    tool.get_by_role("radio", name="June 2024").check(force=True)
    tool.get_by_role("button", name="Plan the pledge").click()


def run_import(tool: Locator) -> None:
    with tool.page.expect_popup() as opened:
        tool.get_by_role("button", name="Import holdings").click()
    log_in(opened.value)
    opened.value.get_by_role("button", name="Allow", exact=True).click()


def press(name: str) -> Callable[[Locator], None]:
    return lambda tool: tool.get_by_role("button", name=name, exact=True).click()


def wait(_tool: Locator) -> None:
    """Do nothing: the tool shows its result at once."""


TOOLS: Final = {  # tool → its cell, what is done first, and what then appears
    "HoldingsTable": (TABLE, wait, "tbody tr"),
    "SnapshotComparison": (COMPARE, press("Compare"), ".hk-changes tbody tr"),
    "RiskExplorer": (RISK, shock_and_plan, ".hk-order"),
    "HaircutLab": (MODELS, press("Run"), "img.hk-picture"),
    "ImportTrigger": (IMPORT, wait, "button"),
    "ImportTrigger-done": (IMPORT, run_import, ".hk-figures"),
}
PAGES: Final = {
    "inspector": "/_sandbox/",
    "contracts": "/docs",
    "arrow-login": "/app/login?appID=sandboxapp",
    "arrow-done": "/app/done?request-token=x&checksum=y",
    "import-ended": "/connect/TRX_0",
}
SWITCH: Final = """([theme]) => window.jupyterapp.commands.execute(
    'apputils:change-theme', {theme})"""


def keep(page: Page, of: Any, name: str) -> None:
    GALLERY.mkdir(parents=True, exist_ok=True)
    whole = {"full_page": True} if of is page else {}
    of.screenshot(path=GALLERY / f"{name}.png", animations="disabled", **whole)


def look(page: Page, name: str, axe: Any, *, theme: str) -> list[str]:
    """Keep a page at both widths; say what axe finds, and what scrolls sideways."""
    wrong: list[str] = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 1000})
        keep(page, page, f"{name}_{width}_{theme}")
        wrong += axe(page, "html")
        if page.evaluate("document.documentElement.scrollWidth") > width:
            wrong.append(f"{name} scrolls sideways at {width}")
    return wrong


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool(name: str, lab: Any, axe: Any) -> None:
    cell, first, result = TOOLS[name]
    page = lab.open(lab.notebook(f"gallery-{name}.ipynb", cell))
    tool = page.locator(".hk-tool, .hk-table").first
    expect(tool).to_be_visible(timeout=30_000)
    first(tool)
    expect(tool.locator(result).first).to_be_visible(timeout=90_000)
    wrong: list[str] = []
    for theme in THEMES:
        page.evaluate(SWITCH, [f"JupyterLab {theme.title()}"])
        light = "true" if theme == "light" else "false"
        themed = page.locator(f"body[data-jp-theme-light={light}]")
        themed.wait_for(state="attached")
        for width in WIDTHS:
            for _ in range(2):  # as high as the tool is at this width
                high = int(tool.evaluate("el => el.scrollHeight")) + 300
                page.set_viewport_size({"width": width, "height": high})
                page.wait_for_timeout(300)
            keep(page, tool, f"{name}_{width}_{theme}")
            wrong += axe(page, ".hk-tool, .hk-table")
            wrong += find_cut(page, ".hk-tool, .hk-table")
    assert wrong == []


@pytest.mark.parametrize("theme", THEMES)
def test_the_report(browser: Browser, report: Path, axe: Any, theme: Any) -> None:
    page = browser.new_page(color_scheme=theme, locale="en-IN")
    page.goto(report.as_uri())
    assert look(page, "report", axe, theme=theme) == []
    page.close()


@pytest.mark.parametrize("theme", THEMES)
def test_the_pages_of_the_sandbox(browser: Browser, axe: Any, theme: Any) -> None:
    context = browser.new_context(
        color_scheme=theme, locale="en-IN", reduced_motion="reduce"
    )
    with sandbox.serve(seed=7, clock=Clock(speed=1)) as sb:
        page = context.new_page()
        page.goto(sb.url)
        wrong = look(page, "front", axe, theme=theme)
        with page.expect_popup() as opened:
            page.get_by_role("button", name="Import holdings").click()
        popup = opened.value
        popup.get_by_role("button", name="Upstox").wait_for()
        wrong += look(popup, "broker", axe, theme=theme)
        popup.get_by_role("button", name="Upstox").click()
        popup.get_by_label("PIN").wait_for()
        wrong += look(popup, "login", axe, theme=theme)
        popup.get_by_label("PIN").fill("1234")
        popup.get_by_role("button", name="Log in").click()
        popup.get_by_role("button", name="Allow", exact=True).wait_for()
        wrong += look(popup, "consent", axe, theme=theme)
        popup.get_by_role("button", name="Allow", exact=True).click()
        page.get_by_role("row", name="Total").wait_for()
        wrong += look(page, "imported", axe, theme=theme)
        for name, path in PAGES.items():
            page.goto(sb.url + path)
            if name == "inspector":
                page.locator("#list button").first.click()
                page.get_by_role("heading", name="Checksum").wait_for()
            wrong += look(page, name, axe, theme=theme)
    context.close()
    assert wrong == []


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    folder = tmp_path_factory.mktemp("start")
    for name in ("notebooks", "sample_data"):
        shutil.copytree(ROOT / name, folder / name)
    command = Command(folder, "lab")
    yield command
    command.stop()


@pytest.mark.parametrize("theme", THEMES)
def test_the_start_page(
    browser: Browser, started: Command, axe: Any, theme: Any
) -> None:
    page = browser.new_page(color_scheme=theme, locale="en-IN")
    page.goto(started.url)
    expect(page.locator(".door").first).to_be_visible()
    assert look(page, "START", axe, theme=theme) == []
    page.context.close()


@pytest.mark.parametrize("theme", THEMES)
def test_the_home_of_the_docs(browser: Browser, axe: Any, theme: Any) -> None:
    home = ROOT / "artefacts" / "docs" / "index.html"
    assert home.is_file(), "make docs writes it first"
    page = browser.new_page(color_scheme=theme, locale="en-IN")
    page.goto(home.as_uri())
    assert look(page, "docs", axe, theme=theme) == []
    page.close()
