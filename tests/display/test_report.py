"""The report's page: its figures are those of the library, and nothing is trusted."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

import holdings_kit as hk
from holdings_kit.display import write_report
from holdings_kit.display._numbers import percent, rupees
from holdings_kit.display._report_marks import pack_boxes

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 1, 5, 5, tzinfo=UTC)
EVIL = "<script>alert(1)</script>" + "x" * 55


def arrow(
    lines: list[tuple[str, int, str, str]], *, account: str = "A1", day: int = 0
) -> hk.Loaded:
    """Read lines of symbol, units, average and close; '' is unknown."""
    rows = [
        {
            "symbols": [{"symbol": name, "exchange": "NSE", "tradingSymbol": name}],
            "qty": str(units),
            "depositoryQty": str(units),
            "t1Qty": "0",
            "brokerCollateralQty": "0",
            "avgPrice": average,
            "ltp": "",
            "close": close,
        }
        for name, units, average, close in lines
    ]
    body = json.dumps({"status": "success", "data": rows}).encode()
    at = AT + timedelta(days=day)
    return hk.read_arrow(body, account_id=account, snapshot_at=at)


def page_of(source: Any, folder: Path, **given: Any) -> str:
    return write_report(source, folder, **given).read_text(encoding="utf-8")


def plain(text: str) -> str:
    return " ".join(text.split())


def words(page: str) -> str:
    body = page[page.index("<body>") :]
    return plain(unescape(re.sub(r"<[^>]+>", " ", body)))


def test_the_headline_is_what_summarize_says(tmp_path: Path) -> None:
    loaded = arrow([("AA", 10, "90", "100"), ("BB", 5, "", "40"), ("CC", 7, "3", "")])
    page = page_of(loaded, tmp_path)
    total = hk.summarize(hk.consolidate(loaded.holdings)).row(0, named=True)
    assert total["market_value"] == 1200
    shown = words(page)
    assert f"Value {rupees(total['market_value'])[:-3]} .00 2 of 3 positions" in shown
    assert (
        f"+₹100.00 on {plain(percent(total['costed_value_share']))} of value" in shown
    )
    assert f"{plain(percent(total['return'], sign=True))} cost ₹900.00" in shown
    assert (
        "Value − cost is +₹279.00, not the P&L: ₹200.00 of value has no known cost "
        "and ₹21.00 of cost has no price." in shown
    )


def test_what_is_not_known_has_its_amount_and_share(tmp_path: Path) -> None:
    loaded = arrow([("AA", 10, "90", "100"), ("BB", 5, "", "40"), ("CC", 7, "3", "")])
    shown = words(page_of(loaded, tmp_path))
    assert "No price for CC" in shown
    assert "bought for ₹21.00, in no value above" in shown
    share = plain(percent(200 / 1200))
    assert f"₹200.00, {share} of value, is outside P&L" in shown
    assert "No haircut for 3 of 3 lines" in shown
    assert "Day change is not known" in shown
    assert "What changed is not known" in shown


def test_what_changed_is_found_in_the_store(tmp_path: Path) -> None:
    store = hk.Store(tmp_path / "store")
    store.append(arrow([("AA", 10, "90", "100"), ("BB", 5, "40", "40")]))
    store.append(arrow([("AA", 12, "92", "101"), ("BB", 5, "40", "38")], day=1))
    store.append(arrow([("NEW", 1, "5", "5")], account="A2", day=1))
    shown = words(page_of(store, tmp_path / "out"))
    assert "Up ₹202.00: +₹202.00 was put in or taken out, prices gave ₹0.00" in shown
    assert "Without 1 account that was not there before" in shown
    assert "Bought more AA" in shown
    assert "1 of 1 account gained" in shown or "0 of 1 account gained" in shown


def test_no_name_is_trusted_and_nothing_is_loaded(tmp_path: Path) -> None:
    loaded = arrow([(EVIL, 10, "90", "100"), ("BB", 5, "", "40")], account=EVIL)
    page = page_of(loaded, tmp_path, title=EVIL)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not re.search(r"(src|href)=.(?!#)|@import|url\(", page)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [("AA", 1, "", "")],
        [("AA", 1, "", "9"), ("BB", 2, "", "8")],
        [("AA", 3, "90", "10"), ("BB", 1, "9", "1")],
        [("AA", 0, "90", "10")],
        [("AA", -3, "90", "10"), ("BB", 3, "5", "1")],
    ],
    ids=["empty", "no price", "no cost", "losses", "none held", "short"],
)
def test_ugly_books_have_a_page(
    lines: list[tuple[str, int, str, str]], tmp_path: Path
) -> None:
    loaded = arrow(lines)
    page = page_of(loaded, tmp_path)
    total = hk.summarize(hk.consolidate(loaded.holdings)).row(0, named=True)
    value = rupees(total["market_value"]).split(".")[0]
    assert f'id="value">{value}' in page
    assert not re.search(r"\bnan\b|\binf\b|None", words(page))


def test_many_lines_are_summed_below_the_largest(tmp_path: Path) -> None:
    lines = [(f"S{n}", 1, "10", str(1000 - n)) for n in range(300)]
    loaded = arrow(lines)
    shown = words(page_of(loaded, tmp_path))
    rest = sum(1000 - n for n in range(40, 300))
    assert f"260 more all in positions.parquet {rupees(rest)[1:]}" in shown
    assert "276 more" in shown  # in the treemap


def test_a_population_shows_spread_and_who_cannot_be_judged(tmp_path: Path) -> None:
    store = hk.Store(tmp_path / "store")
    for n, average in enumerate(("90", "100", "110", "")):
        store.append(arrow([("AA", 10, average, "100")], account=f"A{n}"))
    store.append(arrow([], account="A4"))
    shown = words(page_of(store, tmp_path / "out", population=True))
    assert "3 of 5 accounts have a return" in shown
    assert re.search(r"Half of the accounts returned 0\.0\s% or more", shown)
    assert "2 accounts cannot be judged" in shown
    assert "no holding has a known cost 1 A3" in shown
    assert "no holdings in the reply 1 A4" in shown


def test_the_boxes_of_the_treemap_are_as_large_as_their_sizes() -> None:
    sizes = [50, 20, 10, 10, 5, 3, 2]
    boxes = pack_boxes(sizes, 1000, 330)
    areas = [box.width * box.height / 100 for box in boxes]
    assert areas == pytest.approx(sizes)
    assert all(box.left + box.width <= 100 + 1e-9 for box in boxes)
    assert all(box.top + box.height <= 100 + 1e-9 for box in boxes)
