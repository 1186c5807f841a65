"""An import in a real browser: choose, log in, consent; and once, refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

IMPORT = """
from tempfile import mkdtemp
import holdings_kit as hk
from holdings_kit.sandbox import Clock
from widgets import ImportTrigger
sb = hk.sandbox.serve(seed=7, clock=Clock(speed=1))
ImportTrigger.sandbox(sb, inbox=mkdtemp(), store=hk.Store(mkdtemp()))
"""


def log_in(popup: Page) -> None:
    popup.get_by_role("button", name="Upstox").click()
    popup.get_by_label("PIN").fill("1234")
    popup.get_by_role("button", name="Log in").click()


def test_an_import_by_clicking(lab: Any, shoot: Any, axe: Any) -> None:
    page = lab.open(lab.notebook("import.ipynb", IMPORT))
    tool = page.locator(".hk-tool")
    with page.expect_popup() as opened:
        tool.get_by_role("button", name="Import holdings").click()
    popup = opened.value
    expect(tool.locator(".hk-steps3")).to_contain_text("page opened")
    expect(tool).to_contain_text("expires in 4:")
    shoot(tool, "import-waiting")
    shoot(popup, "import-popup")
    log_in(popup)
    popup.get_by_role("button", name="Allow", exact=True).click()
    expect(tool.locator(".hk-figures")).to_be_visible(timeout=20_000)
    expect(tool.locator(".hk-steps3 .hk-done")).to_have_count(3, timeout=20_000)
    everything = tool.get_by_role("button", name="See all holdings")
    everything.press("Enter")
    expect(tool.locator(".hk-table caption")).to_have_text("Holdings imported")
    expect(tool.get_by_role("button", name="Hide the table")).to_be_focused()
    shoot(tool, "import-done")
    assert axe(page, ".hk-tool") == []


def test_a_refusal_by_clicking(lab: Any, shoot: Any, axe: Any) -> None:
    page = lab.open(lab.notebook("refuse.ipynb", IMPORT))
    tool = page.locator(".hk-tool")
    with page.expect_popup() as opened:
        tool.get_by_role("button", name="Import holdings").click()
    log_in(opened.value)
    opened.value.get_by_role("button", name="Do not allow").click()
    said = tool.get_by_role("alert").filter(has_text="Consent was refused")
    expect(said).to_contain_text("ask them, then start again")
    expect(tool.locator(".hk-steps3 .hk-failed")).to_contain_text("Consented")
    expect(tool.get_by_text("consent_denied · 1003")).to_be_visible()
    shoot(tool, "import-refused")
    assert axe(page, ".hk-tool") == []

    with page.expect_popup():
        tool.get_by_role("button", name="Start again").click()
    expect(tool).to_contain_text("page opened")
    tool.get_by_role("button", name="Cancel").click()
    expect(tool.get_by_text("may still be open in its own window")).to_be_visible()
    expect(tool.get_by_text("continue there")).to_have_count(0)
    expect(tool.locator(".hk-clock")).to_have_count(0)
    shoot(tool, "import-cancelled")
    assert axe(page, ".hk-tool", dark=True) == []
