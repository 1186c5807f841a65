"""The table of 100,000 rows, clicked and typed in by a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from .conftest import find_cut

CELLS = (
    "import polars as pl\n"
    "from widgets import HoldingsTable\n"
    "n = 120_000\n"
    "frame = pl.DataFrame({'symbol': [f'S{i:06d}' for i in range(n)],\n"
    "    'name': ['<img src=x onerror=window.hacked=1>'] * n,\n"
    "    'owned_quantity': range(n), 'haircut': [0.1] * (n - 1) + [None],\n"
    "    'market_value': [100.5] * (n - 1) + [None]})\n"
    "table = HoldingsTable(frame, caption='Holdings of everybody')\n"
    "table"
)


def test_the_table_sorts_filters_pages_selects_and_exports(
    lab: Any, shoot: Any, axe: Any
) -> None:
    page = lab.open(lab.notebook("table.ipynb", CELLS))
    table = page.locator(".hk-table")
    first = table.locator("tbody tr").first
    expect(table.locator("caption")).to_have_text("Holdings of everybody")
    expect(first).to_contain_text("S000000")
    assert page.evaluate("window.hacked") is None

    heading = table.locator("th[data-column=owned_quantity]")
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    heading.get_by_role("button").press("Enter")
    expect(heading).to_have_attribute("aria-sort", "descending")
    expect(first).to_contain_text("S119999")
    why = "no haircut is published or given"
    expect(first.locator(".hk-unknown").first).to_have_text(f"– {why}")

    table.get_by_role("button", name="Next page").click()
    expect(table.locator(".hk-place")).to_have_text("26–50 of 1,20,000")

    table.get_by_role("searchbox").press_sequentially("s0001 owned_quantity>150")
    expect(table.locator(".hk-place")).to_have_text("1–25 of 49 (1,20,000 in all)")
    table.get_by_role("checkbox").nth(1).check()
    table.get_by_role("checkbox").nth(1).press("ArrowDown")
    page.keyboard.press("Space")
    with page.expect_download() as saved:
        table.get_by_role("button", name="Export 2 rows as CSV").click()
    assert saved.value.suggested_filename == "holdings-of-everybody-2-of-120000.csv"
    expect(table.locator("tfoot")).to_contain_text("49 match₹4,924.50")
    text = saved.value.path().read_text()
    assert text.splitlines()[0] == "symbol,name,owned_quantity,haircut,market_value"
    assert len(text.splitlines()) == 3
    table.get_by_text("Columns", exact=True).click()
    table.get_by_role("checkbox", name="Haircut").uncheck()
    expect(table.locator("th[data-column=haircut]")).to_have_count(0)
    shoot(table, "table")
    assert axe(page, ".hk-table", dark=True) == []
    table.get_by_role("checkbox", name="Haircut").press("Escape")
    expect(table.get_by_role("group", name="Columns")).to_be_hidden()
    assert axe(page, ".hk-table") == []

    table.get_by_role("searchbox").fill("nonsense>3")
    expect(table.get_by_role("alert")).to_contain_text("no column 'nonsense'")


def test_the_table_is_legible_in_the_dark(lab: Any, shoot: Any, axe: Any) -> None:
    page = lab.open(lab.notebook("dark.ipynb", CELLS), dark=True)
    table = page.locator(".hk-table")
    expect(table.locator("tbody tr").first).to_contain_text("S000000")
    table.get_by_role("checkbox").nth(2).check()
    shoot(table, "table-dark")
    assert axe(page, ".hk-table") == []


VALUED = (
    "import polars as pl\n"
    "from widgets import HoldingsTable\n"
    "frame = pl.DataFrame({'symbol': ['SBIN', 'BSE', 'ZCHANGE'],\n"
    "    'owned_quantity': [53, 14, 68], 'price_basis': ['ltp', 'close', None],\n"
    "    'market_value': [51511.8, 40339.2, None], 'weight': [.56, .44, None],\n"
    "    'unrealized_pnl': [4737.71, -2383.76, None]})\n"
    "HoldingsTable(frame, caption='Positions')"
)


def count_overhang(table: Any) -> int:
    """Pixels that the rows are wider than the room they have."""
    return table.locator(".hk-scroll").evaluate("el => el.scrollWidth - el.clientWidth")


ELEVEN = """
from datetime import UTC, datetime
import holdings_kit as hk
from widgets import HoldingsTable
at = datetime(2026, 1, 5, 4, 45, tzinfo=UTC)
path, names = "sample_data/arrow/holdings.json", "sample_data/arrow/instruments.csv"
master = hk.read_instruments(names)
loaded = hk.read_arrow(path, account_id="A1", snapshot_at=at, instruments=master)
columns = ["symbol", "name", "isin", "owned_quantity", "average_price", "price",
    "price_basis", "market_value", "weight", "unrealized_pnl", "return"]
HoldingsTable(hk.consolidate(loaded.holdings), columns=columns)
"""


def test_eleven_columns_fit_a_screen(lab: Any, shoot: Any) -> None:
    page = lab.open(lab.notebook("eleven.ipynb", ELEVEN))
    table = page.locator(".hk-table")
    expect(table.locator("tbody tr")).to_have_count(8)
    assert count_overhang(table) == 0
    assert find_cut(page, ".hk-table") == []
    name = table.get_by_role("cell", name="BILLIONBRAINS GARAGE VENTURES LTD")
    assert name.bounding_box()["height"] > 40, "a long text takes several lines"
    shoot(table, "table-eleven")
    table.get_by_text("Columns", exact=True).click()
    table.get_by_role("checkbox", name="Name", exact=True).uncheck()
    first = table.locator("tbody tr").first
    expect(first.get_by_role("cell").nth(1)).to_have_text("IDEAVODAFONE IDEA LTD")
    expect(first.locator(".hk-gain").first).to_have_text("+2,573.00")
    gain = table.locator("tfoot .hk-gain")
    expect(gain).to_have_text("+₹2,790.85")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_narrow_table_folds_its_columns_below_the_name(
    dark: bool, lab: Any, shoot: Any, axe: Any
) -> None:
    page = lab.open(lab.notebook("valued.ipynb", VALUED), dark=dark)
    table = page.locator(".hk-table")
    theme = "dark" if dark else "light"
    rows = table.get_by_role("row")
    expect(rows).to_have_count(5)  # the headings, three rows, the sums
    expect(table.locator(".hk-basis")).to_have_text(["ltp", "close"])
    part = "getComputedStyle(el, '::after').width"
    gain, loss = (
        float(mark.evaluate(f"el => parseFloat({part})"))
        for mark in table.locator(".hk-signed").all()
    )
    assert gain == pytest.approx(32, abs=1)  # half of the bar: the largest
    assert loss == pytest.approx(32 * 2383.76 / 4737.71, abs=1)
    shoot(table, f"table-bars-{theme}")
    assert axe(page, ".hk-table") == []
    table.evaluate("el => { el.style.width = '480px' }")
    assert count_overhang(table) == 0
    expect(rows).to_have_count(5)  # still rows for who listens
    first = table.locator("tbody tr").first
    name, price = first.locator("td").nth(1), first.locator("td").nth(4)
    assert price.bounding_box()["y"] > name.bounding_box()["y"]
    label = "el => getComputedStyle(el, '::before').content"
    value = table.locator("tfoot td", has_text="₹91,851.00")
    assert value.evaluate(label) == '"Market value "', "one sign of the rupee"
    shoot(table, f"table-narrow-{theme}")
    assert axe(page, ".hk-table") == []


CARD = (
    "import holdings_kit as hk\n"
    "import polars as pl\n"
    "frame = pl.DataFrame({'symbol': ['SBIN', 'NEW'], 'haircut': [.1, None],\n"
    "    'market_value': [51511.8, None]})\n"
    "hk.show(frame, title='Two')"
)
IN_SIGHT = """el => {
  const box = el.getBoundingClientRect();
  const at = (x) => document.elementFromPoint(x, box.top + box.height / 2) === el;
  return box.width > 60 && at(box.left + 2) && at(box.right - 2);
}"""


@pytest.mark.parametrize("cell", [VALUED, CARD], ids=["table", "card"])
def test_a_reason_is_seen_on_focus_on_hover_and_on_touch(
    cell: str, lab: Any, shoot: Any, axe: Any
) -> None:
    page = lab.open(lab.notebook("reason.ipynb", cell))
    part = ".hkr" if cell is CARD else ".hk-table"
    shown = page.locator(f"{part}:visible")
    dash = shown.locator(".hk-unk").last
    why = dash.locator(".hk-why")
    assert not why.evaluate(IN_SIGHT)
    dash.focus()
    assert why.evaluate(IN_SIGHT)
    shoot(shown, f"reason-{part[1:]}")
    assert axe(page, part, dark=True) == []
    dash.evaluate("el => el.blur()")
    assert not why.evaluate(IN_SIGHT)
    dash.hover()
    assert why.evaluate(IN_SIGHT)
    page.mouse.move(0, 0)
    dash.click()  # what a finger does: it gives the focus
    page.mouse.move(0, 0)
    assert why.evaluate(IN_SIGHT)


def test_a_table_whose_kernel_is_gone_says_so(lab: Any, shoot: Any) -> None:
    page = lab.open(lab.notebook("gone-table.ipynb", VALUED))
    table = page.locator(".hk-table")
    expect(table.locator("tbody tr").first).to_contain_text("SBIN")
    heard = re.compile("hk-connected")  # the kernel has answered once
    expect(table).to_have_class(heard, timeout=20_000)
    page.evaluate(
        "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.shutdown()"
    )
    lost = table.get_by_role("alert").filter(has_text="un the cell again")
    lost.wait_for(timeout=15_000)
    expect(table.get_by_role("searchbox")).to_be_disabled()
    shoot(table, "table-gone")


def test_nothing_comes_from_elsewhere(lab: Any) -> None:
    lab.open(lab.notebook("local.ipynb", CELLS))
    assert lab.foreign == []
