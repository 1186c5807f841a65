"""The report's page: its figures are those of the library, and nothing is trusted."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.display import portfolio_report, write_report
from holdings_kit.display._numbers import percent, rupees
from holdings_kit.display._report_allocation import pack_boxes

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
        "Value − cost is +₹279.00, not the P&L: ₹200.00 of value has no known cost; "
        "₹21.00 of cost has no price." in shown
    )
    assert "2 of 3 positions have a price; 97.7 % of the known cost" in shown
    text = portfolio_report(loaded)
    assert "₹200.00 of value has no known cost; ₹21.00 of cost has no price" in text
    assert "2 of 3 positions have a known cost; 83.3" in text


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
    assert "By price since 5 Jan 2026 = ₹0.00 and +₹202.00 put in or out" in shown
    assert "1 of 1 account gained" in shown or "0 of 1 account gained" in shown


def store_of(folder: Path, *replies: hk.Loaded) -> hk.Store:
    store = hk.Store(folder / "store")
    for reply in replies:
        store.append(reply)
    return store


def test_without_costs_the_gain_is_a_dash_that_says_why(tmp_path: Path) -> None:
    loaded = arrow([("AA", 10, "", "100"), ("BB", 5, "", "40")])
    shown = words(page_of(loaded, tmp_path))
    assert "Unrealised P&L – no position has both a price and a cost" in shown
    assert (
        "Value − cost and P&L are not known, as no cost is: ₹1,200.00 of value has no "
        "known cost." in shown
    )
    assert "all 2 positions have a price" in shown
    assert "2 positions 0.0 % has a cost ₹1,200.00 – no position has both" in shown


def test_without_prices_nothing_is_worth_nothing(tmp_path: Path) -> None:
    loaded = arrow([("AA", 10, "90", ""), ("BB", 5, "", "")])
    shown = words(page_of(loaded, tmp_path))
    assert "Value – no position has a price 0 of 2 positions have a price" in shown
    assert (
        "Value − cost and P&L are not known, as no value is: ₹900.00 of cost has no "
        "price; 1 position has neither." in shown
    )
    assert "how much is outside P&L and return is not known: no price" in shown
    assert "What the value is made of is not known" in shown
    assert "How concentrated the value is is not known" in shown
    assert "Could be pledged, after haircut – no close" in shown
    assert "2 0 priced – no position has a price no position" in shown


def test_cost_and_price_of_different_units_make_no_gain(tmp_path: Path) -> None:
    loaded = arrow([("AA", 10, "90", ""), ("BB", 5, "", "40")])
    shown = words(page_of(loaded, tmp_path))
    assert (
        "Value − cost is −₹700.00, but no P&L: ₹200.00 of value has no known cost; "
        "₹900.00 of cost has no price. No unit has both." in shown
    )


def test_an_empty_book_is_held_as_nothing_not_worth_nothing(tmp_path: Path) -> None:
    shown = words(page_of(arrow([]), tmp_path))
    assert "Value – nothing is held in what was read no positions" in shown
    assert "A1 0 – no holdings in the reply" in shown
    assert "What changed is not known" in shown
    assert "₹0" not in shown


def test_an_account_of_which_nothing_counts_stands_among_the_others(
    tmp_path: Path,
) -> None:
    odd = arrow([("AA", 10, "90", "100")], account="LOST")
    odd = odd._replace(
        snapshots=odd.snapshots.with_columns(
            status=pl.lit("quarantined"), status_reason=pl.lit("cut off")
        ),
        holdings=odd.holdings.clear(),
    )
    known = arrow([("AA", 10, "90", "100")])
    both = known._replace(snapshots=pl.concat([known.snapshots, odd.snapshots]))
    shown = words(page_of(both, tmp_path))
    assert "LOST – no snapshot that counts: cut off" in shown
    assert "holds 100 % of known value" in shown
    assert "the value of 1 account is not, or not all, known" in shown


def test_a_partly_priced_older_snapshot_leaves_a_dash_and_the_reason(
    tmp_path: Path,
) -> None:
    before = [("AA", 10, "90", ""), ("BB", 5, "40", "40")]
    after = [("AA", 10, "90", "101"), ("BB", 5, "40", "38"), ("CC", 1, "4", "")]
    store = store_of(tmp_path, arrow(before), arrow(after, day=1))
    shown = words(page_of(store, tmp_path / "out"))
    assert "prices gave −₹10.00, +₹1,010.00 nobody can explain" in shown
    assert "5 Jan 2026 ₹200.00 without 1 line of unknown value" in shown
    assert "Prices found or lost AA +₹1,010.00" in shown
    sides = shown[shown.index("Not known on one side: 2 lines") :]
    assert "AA A1 – no price no price 1,010.00 – the value before is not known" in sides
    assert "CC A1 0.00 – no price no price – the value after is not known" in sides


def test_an_older_snapshot_without_a_price_has_no_movement(tmp_path: Path) -> None:
    store = store_of(
        tmp_path,
        arrow([("AA", 10, "90", "")]),
        arrow([("AA", 10, "90", "101")], day=1),
    )
    shown = words(page_of(store, tmp_path / "out"))
    assert "How the value moved is not known: no line of the older snapshot" in shown
    assert "5 Jan 2026 – no line has a known value 6 Jan 2026 ₹1,010.00" in shown
    assert "No return over time can be known" in shown
    assert "on 0.0 % of lines" in plain(shown)


def test_an_account_not_fetched_again_is_not_called_unchanged(tmp_path: Path) -> None:
    store = store_of(
        tmp_path,
        arrow([("AA", 10, "90", "100")]),
        arrow([("BB", 10, "90", "100")], account="B1"),
        arrow([("AA", 10, "90", "105")], day=1),
    )
    shown = words(page_of(store, tmp_path / "out"))
    assert "Without 1 account that has no newer snapshot" in shown
    assert "5 Jan 2026 ₹1,000.00 6 Jan 2026 ₹1,050.00" in shown
    assert "1 account with one day only: no return yet" in shown


def gateway(*lines: dict[str, Any], smallcases: Any = None) -> hk.Loaded:
    body: dict[str, Any] = {
        "securities": list(lines),
        "smallcaseAuthId": "a1",
        "snapshotDate": "2026-01-05T10:15:30.123Z",
    }
    if smallcases is not None:
        body["smallcases"] = smallcases
    return hk.read_gateway(json.dumps(body).encode(), fetched_at=AT)


def test_what_rests_on_smallcases_says_so(tmp_path: Path) -> None:
    line = {
        "isin": "INE062A01020",
        "nseTicker": "SBIN",
        "name": "State Bank",
        "holdings": {"quantity": 10, "averagePrice": 90},
        "positions": {
            "nse": {"quantity": 0, "averagePrice": 0},
            "bse": {"quantity": 0, "averagePrice": 0},
        },
        "transactableQuantity": 10,
        "smallcaseQuantity": 4,
        "collateralQuantity": 0,
    }
    loaded = gateway(line)
    shown = words(page_of(loaded, tmp_path / "bare"))
    assert "What smallcases hold, in 1 line, has no known value" in shown
    prices = pl.DataFrame({"isin": ["INE062A01020"], "close_price": [100.0]})
    shown = words(page_of(loaded, tmp_path / "priced", prices=prices))
    assert "₹400.00 of value is held in smallcases, in 1 line" in shown
    assert "Smallcases hold ₹400.00 of value" in shown
    assert "1 line with shares inside smallcases counted" in shown
    assert "1 price of an unknown day ₹1,000.00, 100.0 % of value" in shown


def test_a_price_without_units_makes_no_value(tmp_path: Path) -> None:
    line = {"isin": "INE062A01020", "nseTicker": "SBIN", "smallcaseQuantity": 4}
    prices = pl.DataFrame({"isin": ["INE062A01020"], "close_price": [100.0]})
    shown = words(page_of(gateway(line), tmp_path, prices=prices))
    assert "Value – no position has both a price and known units" in shown
    assert "of 1 position the units are not known" in shown
    assert "SBIN INE062A01020 – units unknown × ₹100.00" in shown
    assert "held in smallcases" not in shown


def test_headroom_without_a_need_is_not_a_number(tmp_path: Path) -> None:
    shown = words(page_of(arrow([("AA", 10, "90", "100")]), tmp_path))
    assert "Headroom – no margin need is given to a report" in shown


def test_what_could_be_pledged_tells_nothing_from_not_known(tmp_path: Path) -> None:
    known = pl.DataFrame({"instrument_id": ["NSE:AA"], "haircut": [1.0]})
    book = arrow([("AA", 10, "90", "100")])
    shown = words(page_of(book, tmp_path, haircuts=known))
    assert "Nothing could be pledged" in shown
    shown = words(page_of(book, tmp_path))
    assert "What could be pledged is not known" in shown


def test_every_dash_says_why_to_a_reader_and_to_the_keyboard(tmp_path: Path) -> None:
    loaded = arrow([("AA", 10, "90", "100"), ("BB", 5, "", "40"), ("CC", 7, "3", "")])
    page = page_of(loaded, tmp_path)
    body = page[page.index("<body>") :]
    dashes = re.findall(
        r'<span class="hk-unk" tabindex="0">–<span class="hk-why"> ([^<]+)', body
    )
    assert len(dashes) == len(re.findall("[>(]–", body)) > 5
    assert {"cost unknown", "no price in the payload"} <= set(dashes)


def test_no_name_is_trusted_and_nothing_is_loaded(tmp_path: Path) -> None:
    loaded = arrow([(EVIL, 10, "90", "100"), ("BB", 5, "", "40")], account=EVIL)
    page = page_of(loaded, tmp_path, title=EVIL)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not re.search(r"(src|href)=.(?!#|data:)|@import|url\(", page)
    assert page.count('<link rel="icon"') == 1, "else a browser asks for one"


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
    assert re.search(rf'id="value">(<span[^>]*>)?{re.escape(value)}', page)
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
