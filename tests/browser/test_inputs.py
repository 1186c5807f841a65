"""A result is of the inputs beside it, pressed at once and with delay."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import expect

RISK = """
from datetime import UTC, datetime
import holdings_kit as hk
from widgets import RiskExplorer
at = datetime(2026, 1, 5, 4, 45, tzinfo=UTC)
path = "sample_data/arrow/holdings.json"
loaded = hk.read_arrow(path, account_id="A1", snapshot_at=at)
RiskExplorer(loaded, rules="broker", cash=8000.0, need=20000.0)
"""
PROMOTE = """
import json
from datetime import timedelta
from tempfile import mkdtemp
import holdings_kit as hk
from widgets import SnapshotComparison
life = hk.sandbox.life(seed=2, days=3).payloads.filter(source="arrow")
store = hk.Store(mkdtemp())
for row in life.filter(account_id=life["account_id"][0]).iter_rows(named=True):
    last = dict(account_id=row["account_id"], snapshot_at=row["snapshot_at"])
    store.append(hk.read_arrow(row["body"], **last))
last["snapshot_at"] += timedelta(hours=1)
empty = json.dumps({"status": "success", "data": []}).encode()
store.append(hk.read_arrow(empty, **last))
SnapshotComparison(store)
"""
IMPORT = """
import holdings_kit as hk
from holdings_kit.sandbox import Clock
from widgets import ImportTrigger
sb = hk.sandbox.serve(seed=11, clock=Clock(speed=1))
ImportTrigger.sandbox(sb)
"""

HEARD = re.compile("hk-connected")  # the kernel has answered once


def test_a_press_acts_on_what_was_typed_before_it(
    lab: Any, shoot: Any, axe: Any
) -> None:
    page = lab.open(lab.notebook("typed.ipynb", RISK))
    tool = page.locator(".hk-tool")
    expect(page.locator(".hks")).to_have_count(1)  # the copy for saved HTML
    expect(page.locator(".hks")).to_be_hidden()
    need, plan = tool.get_by_label("Margin need"), tool.locator("table").last
    button = tool.get_by_role("button", name="Plan the pledge")
    for wait, amount in ((0, "12,000"), (0.5, "9,000")):
        need.fill(amount)
        time.sleep(wait)
        button.click()
        expect(tool.get_by_text("proven cheapest")).to_be_visible(timeout=20_000)
        expect(tool.locator(".hk-stale")).to_have_count(0)
        expect(need).to_have_value(amount)
    expect(plan).to_be_visible()
    need.fill("15,000")
    stale = tool.get_by_role("status").filter(has_text="Made from other inputs")
    expect(stale).to_contain_text("Margin need ₹9,000, now ₹15,000")
    shoot(tool, "risk-stale")
    assert axe(page, ".hk-tool") == []

    tool.get_by_label("Cash, ₹").fill("")
    problem = tool.locator(".hk-problem").filter(has_text="Write an amount")
    expect(problem).to_contain_text("still show ₹8,000")
    expect(tool.get_by_label("Cash, ₹")).to_have_attribute("aria-invalid", "true")
    expect(tool.locator(".hk-stale .hk-figures").first).to_be_visible()
    button.click()
    expect(tool.get_by_text("proven cheapest")).to_have_count(0)
    expect(tool.get_by_label("Cash, ₹")).to_have_value("")
    shoot(tool, "risk-wrong")
    assert axe(page, ".hk-tool") == []

    tool.get_by_label("Cash, ₹").fill("8,000")
    tool.get_by_role("radio", name="June 2024").check(force=True)
    slider = tool.get_by_role("slider", name="Everything: Price")
    slider.press("ArrowLeft")
    changed = tool.get_by_role("radio", name="Changed by you, from June 2024")
    expect(changed).to_be_checked()


LAB = """
import polars as pl
from datetime import date
from widgets import HaircutLab
days = pl.date_range(date(2024, 1, 1), date(2024, 12, 31), eager=True)
closes = [100.0 + day.day % 7 for day in days]
HaircutLab(pl.DataFrame({"instrument_id": "CALM", "date": days, "close": closes}))
"""


def test_an_explorer_uses_nothing_that_is_wrong_at_once_or_with_delay(lab: Any) -> None:
    page = lab.open(lab.notebook("wrong-risk.ipynb", RISK))
    tool = page.locator(".hk-tool")
    button = tool.get_by_role("button", name="Plan the pledge")
    for name, wrong, said, right in (
        ("Cash, ₹", "-8000", "Write an amount in rupees, 0 or more", "8,000"),
        ("Margin need, ₹", "-5", "Write an amount in rupees, 0 or more", "20,000"),
        ("Days", "100000", "Write a whole number from 0 to 366", "30"),
    ):
        field = tool.get_by_role("spinbutton", name=name, exact=True).last
        for wait in (0, 0.5):
            field.fill(wrong)
            time.sleep(wait)
            button.click()
            expect(field).to_have_attribute("aria-invalid", "true")
            expect(tool.locator(".hk-problem").filter(has_text=said)).to_be_visible()
            expect(tool.get_by_role("alert").filter(has_text="Correct")).to_be_visible()
            expect(tool.get_by_text("proven cheapest")).to_have_count(0)
            field.fill(right)
            time.sleep(wait)
            button.click()
            expect(tool.get_by_text("proven cheapest")).to_be_visible(timeout=20_000)
            expect(tool.locator(".hk-stale")).to_have_count(0)


def test_a_laboratory_runs_nothing_that_is_wrong_at_once_or_with_delay(
    lab: Any,
) -> None:
    page = lab.open(lab.notebook("wrong-lab.ipynb", LAB))
    tool = page.locator(".hk-tool")
    button = tool.get_by_role("button", name="Run")
    for name, wrong, said, right in (
        ("Level, %", "199", "Write a percentage from 50 to 99.99", "99"),
        ("Days to sell", "100000", "Write a whole number from 1 to 250", "1"),
    ):
        field = tool.get_by_role("spinbutton", name=name)
        for wait in (0, 0.5):
            field.fill(wrong)
            time.sleep(wait)
            button.click()
            expect(tool.locator(".hk-problem").filter(has_text=said)).to_be_visible()
            expect(tool.get_by_role("alert").filter(has_text="Correct")).to_be_visible()
            expect(tool.get_by_text("Nothing is judged yet")).to_be_visible()
            field.fill(right)
            time.sleep(0.3)
            expect(tool.locator(".hk-problem").filter(has_text=said)).to_have_count(0)


@pytest.mark.parametrize("wait", [0, 0.5])
def test_a_promotion_takes_the_reason_just_typed(wait: float, lab: Any) -> None:
    page = lab.open(lab.notebook("promote.ipynb", PROMOTE))
    tool = page.locator(".hk-tool")
    tool.locator("label", has_text="Snapshot").locator("select").select_option(index=1)
    tool.get_by_label("Why it can be trusted").fill("all was sold")
    time.sleep(wait)
    tool.get_by_role("button", name="Promote").click()
    expect(tool.get_by_text("Set aside, not counted")).to_have_count(0)
    expect(tool.get_by_label("Why it can be trusted")).to_have_count(0)
    expect(tool.get_by_role("combobox", name="Before").locator("option")).to_have_count(
        4
    )
    tool.get_by_role("combobox", name="Before").select_option(index=2)
    tool.get_by_role("combobox", name="After").select_option(index=3)
    tool.get_by_role("button", name="Compare").click()
    rows = tool.locator(".hk-changes tbody tr")
    expect(rows.first).to_be_visible(timeout=20_000)
    tool.get_by_role("combobox", name="After").select_option(index=0)
    expect(tool.get_by_role("status").first).to_be_attached()
    tool.get_by_role("button", name="Compare").click()
    expect(tool.get_by_text("swap them")).to_be_visible()
    expect(rows).to_have_count(0)


@pytest.mark.parametrize("command", ["restart", "shut down"])
def test_an_import_whose_kernel_is_gone_says_so(
    command: str, lab: Any, shoot: Any
) -> None:
    page = lab.open(lab.notebook("gone.ipynb", IMPORT))
    tool = page.locator(".hk-tool")
    with page.expect_popup() as opened:
        tool.get_by_role("button", name="Import holdings").click()
    expect(tool).to_contain_text("expires in", timeout=20_000)
    opened.value.close()
    expect(tool).to_have_class(HEARD, timeout=20_000)
    page.evaluate(
        """how => {
          const { sessionContext } = window.jupyterapp.shell.currentWidget;
          const { kernel } = sessionContext.session;
          return how === 'shut down' ? kernel.shutdown() : kernel.restart();
        }""",
        command,
    )
    lost = tool.get_by_role("alert").filter(has_text="Run the cell again")
    lost.or_(tool.get_by_text("If it does not come back")).first.wait_for(
        timeout=15_000
    )
    expect(tool.get_by_role("button", name="Copy number")).to_be_enabled()
    for button in tool.locator("button:not([data-act=copy])").all():
        expect(button).to_be_disabled()
    shoot(tool, "import-gone")


def test_an_explorer_whose_kernel_is_gone_says_so(lab: Any, shoot: Any) -> None:
    page = lab.open(lab.notebook("gone-risk.ipynb", RISK))
    tool = page.locator(".hk-tool")
    slider = tool.get_by_role("slider", name="Everything: Price")
    slider.press("ArrowLeft")
    expect(tool).to_contain_text("Value −0.5")
    expect(tool).to_have_class(HEARD, timeout=20_000)
    page.evaluate(
        "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.shutdown()"
    )
    lost = tool.get_by_role("alert").filter(has_text="un the cell again")
    lost.first.wait_for(timeout=15_000)
    expect(slider).to_be_disabled()
    expect(tool.get_by_role("button", name="Plan the pledge")).to_be_disabled()
    expect(tool).to_contain_text("Value −0.5")  # the figures stay, marked
    shoot(tool, "risk-gone")
