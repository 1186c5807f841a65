"""Compare, explore, build models, reload: each tool clicked through."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from .conftest import find_cut

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "artefacts" / "browser"
COMPARE = """
from pathlib import Path
from tempfile import mkdtemp
import holdings_kit as hk
from widgets import SnapshotComparison
life = hk.sandbox.life(seed=2, days=8)
store, folder = hk.Store(mkdtemp()), Path(mkdtemp())
for row in life.payloads.filter(source="arrow").iter_rows(named=True):
    if row["day"] in (0, 7):
        file = folder / f"{row['account_id']}-{row['day']:02}.json"
        file.write_bytes(row["body"])
        store.append(hk.read_arrow(
            file, account_id=row["account_id"], snapshot_at=row["snapshot_at"]))
SnapshotComparison(store, actions=life.actions, moves=life.moves)
"""
RISK = """
from datetime import UTC, datetime
import holdings_kit as hk
from widgets import RiskExplorer
at = datetime(2026, 1, 5, 4, 45, tzinfo=UTC)
path, names = "sample_data/arrow/holdings.json", "sample_data/arrow/instruments.csv"
master = hk.read_instruments(names)
loaded = hk.read_arrow(path, account_id="A1", snapshot_at=at, instruments=master)
RiskExplorer(loaded, rules="broker", cash=8000.0, need=20000.0)
"""
MODELS = """
from datetime import date, timedelta
import numpy as np
import polars as pl
from widgets import HaircutLab
draw, start = np.random.default_rng(5), date(2023, 1, 2)
HaircutLab(pl.concat(
    pl.DataFrame({
        "instrument_id": name,
        "date": [start + timedelta(days=day) for day in range(750)],
        "close": 100 * np.exp(np.cumsum(sigma * draw.standard_t(4, 750))),
    })
    for name, sigma in (("CALM", 0.006), ("USUAL", 0.011), ("WILD", 0.022))
))
"""
MANY = """
import sys
sys.path.insert(0, ROOT)
from benchmarks.paint_tools import book
from widgets import RiskExplorer
RiskExplorer(book(10_000), cash=1e6, need=2e6)
""".replace("ROOT", repr(str(ROOT)))
TABLE = """
import polars as pl
from widgets import HoldingsTable
HoldingsTable(pl.DataFrame({"symbol": ["IDEA", "SBIN"]}))
"""


def test_two_snapshots_are_compared_down_to_the_payload(
    lab: Any, shoot: Any, axe: Any
) -> None:
    page = lab.open(lab.notebook("compare.ipynb", COMPARE))
    tool = page.locator(".hk-tool")
    tool.get_by_label("Before").select_option(index=0)
    tool.get_by_role("button", name="Compare").click()
    finding = "Up ₹39,514.06: ₹38,570 was traded, prices gave ₹944.06"
    expect(tool.get_by_role("heading", name=finding)).to_be_visible(timeout=30_000)
    expect(tool).to_contain_text("the bridge closes to the paisa")
    rows = tool.locator(".hk-changes tbody tr:not(.hk-ev)")
    expect(rows).to_have_count(8)
    tool.get_by_role("button", name="show 5 more").press("Enter")
    expect(rows).to_have_count(13)
    causes = tool.get_by_role("group", name="Causes")
    for name in ("opened", "sold", "pledged"):
        chip = causes.get_by_role("button", name=re.compile(f"^{name}"))
        chip.click()
        expect(chip).to_have_attribute("aria-pressed", "false")
    expect(rows).to_have_count(2)
    evidence = tool.get_by_role("button", name="Evidence of SBIN")
    evidence.press("Enter")
    expect(evidence).to_have_attribute("aria-expanded", "true")
    expect(evidence).to_be_focused()
    behind = tool.locator("tr:has(.hk-twist[aria-expanded=true]) + tr.hk-ev")
    expect(behind).to_contain_text("Bought 6. Owned went from 4 to 10")
    expect(behind.locator("del").first).to_have_text('"882.53"')
    expect(behind.locator("ins").first).to_have_text('"940.20"')
    with page.expect_download() as saved:
        tool.get_by_role("button", name="Export 2 rows").click()
    name = "changes-2026-01-05-to-2026-01-14-all-accounts.csv"
    assert saved.value.suggested_filename == name
    assert len(saved.value.path().read_text().splitlines()) == 3
    expect(tool.get_by_text(f"{name} saved")).to_be_visible()
    shoot(tool, "compare")
    assert axe(page, ".hk-tool", dark=True) == []

    tool.get_by_role("button", name="Swap").click()
    stale = tool.get_by_role("status").filter(has_text="Made from other inputs")
    expect(stale).to_contain_text("Before 5 Jan 2026, 15:00 IST, now 14 Jan 2026")
    tool.get_by_role("button", name="Compare").click()
    expect(tool.get_by_text("swap them")).to_be_visible()
    expect(rows).to_have_count(0)


def test_sliders_move_the_figures_and_a_pledge_is_planned(
    lab: Any, shoot: Any, axe: Any
) -> None:
    page = lab.open(lab.notebook("risk.ipynb", RISK))
    tool = page.locator(".hk-tool")
    tool.get_by_role("radio", name="June 2024").check(force=True)
    first = tool.get_by_role("slider").first
    expect(first).to_have_attribute("aria-valuetext", "−5.93 %")
    tool.get_by_role("button", name="Reset sliders").click()
    expect(first).to_have_attribute("aria-valuetext", "0 %")
    value = tool.locator(".hk-figures dd").first
    expect(value).to_contain_text("₹23,398.23")
    slider = tool.get_by_role("slider", name="Everything: Price")
    slider.focus()
    for _ in range(20):
        slider.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", "−10 %")
    expect(value).to_contain_text("▼−₹2,339.82")
    row = tool.get_by_role("row", name="IDEA")
    expect(row.get_by_role("rowheader")).to_have_text("IDEAVODAFONE IDEA LTD")
    expect(tool.get_by_label("Confidence, %")).to_have_value("99")
    typed = tool.get_by_role("textbox", name="IDEA: Price, typed")
    expect(typed).to_have_value("−10 %")  # follows
    typed.fill("-50")
    typed.press("Enter")
    expect(value).to_contain_text("−₹5,418.12")
    typed.fill("-95")
    typed.press("Enter")
    wrong = tool.locator(".hk-problem").filter(has_text="write a number from −60 to 30")
    expect(wrong).to_be_visible()
    typed.fill("0")
    typed.press("Enter")
    expect(value).to_contain_text("−₹2,339.82")
    expect(typed).to_have_value("−10 %")
    tool.get_by_role("button", name="Plan the pledge").click()
    expect(tool).to_contain_text("127.20", timeout=30_000)
    shoot(tool, "risk")
    assert axe(page, ".hk-tool") == []
    page.set_viewport_size({"width": 700, "height": 2600})
    expect(tool.locator(".hk-figbar").first).to_be_hidden()
    assert find_cut(page, ".hk-tool") == []
    assert axe(page, ".hk-tool") == []


LATENCY = """async () => {
  const slider = document.querySelector('.hk-grid input[type=range]');
  const tiles = () => document.querySelector('.hk-figures').textContent;
  const took = [];
  for (let step = 1; step <= 20; step += 1) {
    const before = tiles();
    const start = performance.now();
    slider.value = String(-0.01 * step);
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    while (tiles() === before && performance.now() - start < 5000) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    took.push(performance.now() - start);
  }
  return took.sort((a, b) => a - b);
}"""


def test_ten_thousand_holdings_follow_the_slider(lab: Any) -> None:
    page = lab.open(lab.notebook("many.ipynb", MANY))
    expect(page.locator(".hk-figures")).to_be_visible()
    took = page.evaluate(LATENCY)
    report = f"slider to figures, 10,000 holdings: median {took[10]:.0f} ms"
    (SHOTS / "latency.txt").write_text(f"{report}, fastest {took[0]:.0f} ms\n")
    assert took[0] < 250  # the aim is 100; this guards it on a busy machine
    assert took[-1] < 5000


def test_the_explorer_is_legible_in_the_dark(lab: Any, shoot: Any, axe: Any) -> None:
    page = lab.open(lab.notebook("dark-risk.ipynb", RISK), dark=True)
    tool = page.locator(".hk-tool")
    expect(tool.locator(".hk-figures")).to_be_visible()
    shoot(tool, "risk-dark")
    assert axe(page, ".hk-tool") == []


def test_models_are_built_judged_and_drawn(lab: Any, shoot: Any, axe: Any) -> None:
    page = lab.open(lab.notebook("models.ipynb", MODELS))
    tool = page.locator(".hk-tool")
    expect(tool).to_contain_text("Nothing is judged yet")
    tool.get_by_role("button", name="Student t").click()
    tool.get_by_role("button", name="Run").click()
    pictures = tool.locator("img.hk-picture")
    expect(pictures).to_have_count(3, timeout=90_000)
    for number in range(3):
        assert len(pictures.nth(number).get_attribute("alt") or "") > 20
    expect(tool.get_by_role("heading", name="At 99 % over 1 day")).to_be_visible()
    names = tool.get_by_role("button", name="Names of Student t")
    names.press("Enter")
    expect(names).to_have_attribute("aria-expanded", "true")
    expect(names).to_be_focused()
    expect(tool.locator("tr.hk-ev")).to_contain_text("USUAL")
    clear = "rgba(0, 0, 0, 0)"  # on the ground of the row that is open
    for head in ("thead th", "tbody th"):
        cell = tool.locator(f"tr.hk-ev {head}").first
        expect(cell).to_have_css("background-color", clear)
    tool.get_by_label("Name in the picture").select_option("WILD")
    expect(pictures.first).to_have_attribute("alt", re.compile("WILD"))
    with page.expect_download() as saved:
        tool.get_by_role("button", name="Export 9 rows of coverage").click()
    name = "coverage-99-percent-1-day-2023-01-02-to-2025-01-20.csv"
    assert saved.value.suggested_filename == name
    shoot(tool, "laboratory")
    assert axe(page, ".hk-tool", dark=True) == []
    tables = tool.locator(".hk-scroll")
    wide = "els => els.map((el) => el.scrollWidth - el.clientWidth)"
    assert tables.evaluate_all(wide) == [0, 0]
    p = tables.first.locator("tbody td.hk-probability").first
    expect(p).to_have_css("text-align", "right")
    assert find_cut(page, ".hk-tool") == []
    page.set_viewport_size({"width": 700, "height": 2600})
    expect(tool.locator(".hk-more").first).to_be_hidden()
    assert find_cut(page, ".hk-tool") == []
    assert axe(page, ".hk-tool", dark=True) == []
    shoot(tool, "laboratory-narrow")

    level = tool.get_by_label("Level, %")
    expect(level).to_have_value("99")
    level.fill("97.5")
    tool.get_by_role("button", name="Run").click()  # pressed at once
    expect(tool.get_by_role("heading", name="At 97.5 % over 1 day")).to_be_visible(
        timeout=90_000
    )
    level.fill("40")
    wrong = tool.locator(".hk-problem").filter(has_text="percentage from 50 to 99.99")
    expect(wrong).to_be_visible()
    stale = tool.get_by_role("status").filter(has_text="Made from other inputs")
    expect(stale).to_contain_text("Level 97.50 %, not what is written now")
    shoot(tool, "laboratory-stale")
    assert axe(page, ".hk-tool") == []


def test_a_long_run_is_cancelled(lab: Any) -> None:
    page = lab.open(lab.notebook("long.ipynb", MODELS))
    tool = page.locator(".hk-tool")
    for name in ("Extreme value", "GARCH"):
        tool.get_by_role("button", name=name).click()
    tool.get_by_role("button", name="Run").click()
    expect(tool.get_by_role("progressbar")).to_be_visible()
    tool.get_by_role("button", name="Cancel").click()
    expect(tool.get_by_role("button", name="Run")).to_be_enabled()
    expect(tool.locator("img.hk-picture")).to_have_count(0)


def test_what_was_chosen_is_still_there_after_a_reload(lab: Any) -> None:
    page = lab.open(lab.notebook("reload.ipynb", TABLE))
    search = page.locator(".hk-table").get_by_role("searchbox")
    search.fill("idea")
    place = page.locator(".hk-place")
    expect(place).to_contain_text("in all")
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.reload()
    page.wait_for_function("() => window.jupyterapp?.shell.currentWidget?.context")
    expect(search).to_have_value("idea", timeout=30_000)
    search.fill("")
    expect(place).not_to_contain_text("in all")
