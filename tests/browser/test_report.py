"""The report in a real browser: light, dark, narrow and on paper."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import holdings_kit as hk
from holdings_kit.display import write_report

from .conftest import ROOT, SHOTS

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the report of four days of sample dumps, with the sample prices."""
    folder = tmp_path_factory.mktemp("report")
    store = hk.Store(folder / "store")
    store.append(hk.read_webhooks(str(ROOT / "sample_data/days")))
    market = hk.read_market(str(ROOT / "sample_data/market"))
    return write_report(
        store, folder / "out", prices=market.prices, haircuts=market.margins
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_report_is_accessible_and_does_not_scroll_sideways(
    browser: Browser, report: Path, axe: Any, theme: Any
) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page = browser.new_page(color_scheme=theme)
    try:
        page.goto(report.as_uri())
        for width in (1440, 700, 600):
            page.set_viewport_size({"width": width, "height": 1000})
            scrolled = page.evaluate("document.documentElement.scrollWidth")
            assert scrolled == width
            assert axe(page, "html") == []
            path = SHOTS / f"report_{width}_{theme}.png"
            page.screenshot(path=path, full_page=True)
    finally:
        page.close()


def test_the_report_prints_on_paper(browser: Browser, report: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    try:
        page.goto(report.as_uri())
        page.emulate_media(media="print", color_scheme="dark")
        ink = page.evaluate("getComputedStyle(document.body).color")
        assert ink == "rgb(23, 32, 43)", "paper is white whatever the screen is"
        raw = page.pdf(prefer_css_page_size=True, print_background=True)
        pages = len(re.findall(rb"/Type\s*/Page\b(?!s)", raw))
        assert pages == 3, "state; causes; how ten accounts did, and doubts"
    finally:
        page.close()
