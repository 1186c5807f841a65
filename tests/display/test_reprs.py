"""What a cell ends with can be read: in a notebook, and in a terminal."""

from __future__ import annotations

import inspect
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit import clients, errors, market, risk, store, wire
from holdings_kit.display._page import wrap_page
from holdings_kit.display._tokens import colours_of_theme
from holdings_kit.haircuts import statistics
from holdings_kit.schema import HOLDINGS, REJECTS

ROOMS = [
    *("errors", "schema", "wire", "read", "read.identity", "market", "portfolio"),
    *("changes", "risk", "haircuts", "haircuts.statistics", "store", "store.cluster"),
    *("store.population", "clients", "sandbox", "display", "display.plot", "cli"),
]
AT = datetime(2026, 1, 5, 4, 45, tzinfo=UTC)
EVIL = "<script>alert(1)</script>\x1b[2J"
SECRET = "sandbox_api_secret"


def public_classes() -> list[type]:
    found: set[type] = set()
    for room in ROOMS:
        module = import_module(f"holdings_kit.{room}")
        for name in getattr(module, "__all__", dir(module)):
            value = getattr(module, name)
            ours = inspect.isclass(value) and value.__module__.startswith(
                "holdings_kit"
            )
            if ours and not getattr(value, "_is_protocol", False):
                found.add(value)
    return sorted(found, key=lambda each: each.__qualname__)


@pytest.mark.parametrize("shown", public_classes(), ids=lambda each: each.__name__)
def test_every_public_class_reads_well_in_a_cell(shown: Any) -> None:
    """A class is marked `readable`, or writes both forms itself."""
    assert callable(getattr(shown, "_repr_html_", None))
    assert shown.__repr__ is not object.__repr__
    assert getattr(shown.__repr__, "__module__", "") != "collections"


def loaded() -> Any:
    return hk.read_webhooks("sample_data/webhooks", api_secret=SECRET)


def plan(need: int = 2000) -> risk.PledgePlan:
    row = {
        **dict.fromkeys(HOLDINGS),
        "snapshot_id": "S",
        "account_id": "A",
        "holding_no": 0,
        "source": "gateway",
        "snapshot_at": AT,
        "instrument_id": "INE062A01020",
        "symbol": "SBIN",
        "settled_quantity": Decimal(10),
        "pledged_quantity": Decimal(0),
        "owned_quantity": Decimal(10),
        "close_price": Decimal("973.1000"),
        "haircut": Decimal("0.125000"),
    }
    return hk.pledge_plan(pl.DataFrame([row], schema=HOLDINGS), need=need, cash=1000)


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One of each kind, with the secrets and the texts of strangers in it."""
    folder = tmp_path_factory.mktemp("things")
    gateway: dict[str, Any] = {
        "gateway": "g",
        "api_secret": SECRET,
        "shared_secret": "another_secret",
    }
    return {
        "loaded": loaded(),
        "plan": plan(),
        "no plan": plan(need=10**9),
        "market": hk.read_market("sample_data/market"),
        "test": statistics.kupiec(14, 1250, 0.99),
        "limits": statistics.clopper_pearson(14, 1250),
        "store": hk.Store(folder / "store"),
        "inbox": clients.Inbox(folder / "inbox", api_secret=SECRET),
        "gateway client": hk.GatewayClient(**gateway),
        "gateway client, async": hk.AsyncGatewayClient(**gateway),
        "arrow client": hk.ArrowClient(app_id="app", token="token_secret"),
        "arrow client, async": hk.AsyncArrowClient(app_id="app", token="token_secret"),
        "secret": wire.Secret(SECRET),
        "result": wire.ImportResult(wire.Secret(SECRET), EVIL, None, None),
        "line": wire.Line(EVIL, 3, SECRET.encode() * 1000),
        "receipt": clients.Receipt(400, EVIL, None),
        "options": clients.Options(),
        "pace": clients.Pace(per_second=3),
        "rules": risk.Rules(),
        "calendar": market.market_calendar(),
        "threads": store.Threads(2),
        "records": store.Appended(3, 0, 1),
        "error": errors.WireError(EVIL, "/data/0", "is missing"),
        "limited": errors.RateLimited("arrow", 429, None, "slow down", 3.0),
        "frame": hk.show(pl.DataFrame({EVIL: [EVIL]}), title=EVIL),
    }


def test_no_form_runs_shows_or_breaks_anything(things: dict[str, Any]) -> None:
    for name, thing in things.items():
        text, page = repr(thing), thing._repr_html_()
        for form in (text, page):
            assert SECRET not in form, name
            assert "token_secret" not in form, name
            assert "\x1b" not in form, name
        assert "<script" not in page, name
        assert "onload" not in page, name
        assert "http://" not in page.replace("http://127.0.0.1", ""), name
        assert len(page) < 20_000, name
        assert text.count("\n") < 10, name
        assert not set("─│┌┐└┘═╞") & set(text), name
        assert max(map(len, text.splitlines())) < 300, name


def test_a_card_follows_the_theme_of_its_page() -> None:
    page = wrap_page("")
    light, dark = colours_of_theme("light"), colours_of_theme("dark")
    assert f"--ink:light-dark({light['ink']},{dark['ink']})" in page
    for where in ("[data-jp-theme-light=false]", "[data-theme=dark]", ".vscode-dark"):
        assert f"{where} .hkr" in page
    assert "@media print" in page
    assert "@container" in page


def test_both_themes_name_the_same_colours() -> None:
    light, dark = colours_of_theme("light"), colours_of_theme("dark")
    assert light.keys() == dark.keys()
    assert light["page"] == "#f6f7f9"
    assert dark["page"] == "#10151b"


def test_a_plan_says_what_to_pledge_for_how_much() -> None:
    assert repr(plan()).splitlines() == [
        "Pledge 1 holding for ₹35.40 (optimal)",
        "₹2,000.00 usable of ₹2,000.00 needed, proven cheapest",
        "SBIN: 2 of 10, collateral ₹1,702.92",
    ]
    missing = repr(plan(need=10**9))
    assert missing.startswith("The need is not met: ₹99,99,98,000.00 ")
    assert "0E-" not in missing


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (
            statistics.kupiec(14, 1250, 0.99),
            "Kupiec POF: 14 breaches, 12.5 expected, p 0.62 (not rejected)",
        ),
        (
            statistics.kupiec(40, 1250, 0.99),
            "Kupiec POF: 40 breaches, 12.5 expected, p < 0.001 (rejected)",
        ),
        (
            statistics.traffic_light(5, 250, 0.99),
            "Basel traffic light: 5 breaches, 2.5 expected, yellow",
        ),
        (
            statistics.christoffersen([True, False] * 20),
            "Christoffersen independence: 20 breaches, p < 0.001 (rejected)",
        ),
        (statistics.kupiec(0, 0, 0.99), "Kupiec POF: 0 breaches, no p-value"),
    ],
)
def test_a_test_says_what_it_saw_and_what_follows(found: Any, line: str) -> None:
    assert repr(found).splitlines()[0] == line
    assert line.replace("<", "&lt;") in found._repr_html_()


def test_what_was_read_says_how_much_from_where_and_what_not() -> None:
    page = loaded()._repr_html_()
    assert "4 holdings of 4 accounts" in page
    assert "1 snapshot quarantined" in page
    assert "1 reject:" in page


def test_an_error_says_where_what_and_what_now() -> None:
    page = errors.WireError("a.json", "/data/0", "is <missing>")._repr_html_()  # type: ignore[attr-defined]
    for words in ("a.json", "/data/0", "is &lt;missing&gt;", "What now", "hk.lint"):
        assert words in page
    limited = errors.RateLimited("arrow", 429, None, "slow", 3.0)
    assert "wait 3 seconds" in limited._repr_html_()  # type: ignore[attr-defined]
    assert all(kind.now for kind in (hk.HoldingsError, errors.StoreError))


def test_a_record_with_frames_counts_their_rows() -> None:
    frame = pl.DataFrame({"a": range(1200)})
    scan = store.Scan(3, 0, frame, frame.clear())
    text = "Scan(deliveries=3, skipped=0, rejects=<1,200 rows>, events=<0 rows>)"
    assert repr(scan) == text


def test_a_store_is_not_opened_to_be_shown(tmp_path: Any) -> None:
    hk.Store(tmp_path / "s")._repr_html_()  # type: ignore[attr-defined]
    assert not (tmp_path / "s").exists()


def test_an_address_is_shown_without_its_password() -> None:
    receipt: Any = clients.Receipt(200, "s3://key:password@bucket/s", None)
    assert "s3://bucket/s" in repr(receipt)
    assert "s3://bucket/s" in receipt._repr_html_()


def test_an_error_is_raised_without_the_display() -> None:
    code = (
        "import sys; from holdings_kit.errors import WireError;"
        "str(WireError('a', '', 'b')); print('holdings_kit.display' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "False"


# --- frames ---------------------------------------------------------------------------

TOTAL = pl.DataFrame(
    {
        "positions_count": [18],
        "market_value": [339165.36],
        "unrealized_pnl": [-2310.5],
        "unpriced_count": [1],
        "costed_value_share": [0.929],
    }
)


def test_a_total_carries_its_coverage() -> None:
    view = hk.show(TOTAL)
    assert repr(view).splitlines()[1:3] == [
        "Market value, ₹     3,39,165.36  17 of 18 priced",
        "Unrealized P&L, ₹     −2,310.50  on 92.9\u202f% of value",
    ]
    page = view._repr_html_()
    assert 'style="--p:92.90%"' in page
    assert '<span class="loss">−2,310.50</span>' in page


def test_the_row_of_sums_has_the_sign_of_the_rupee_and_what_is_known() -> None:
    frame = pl.DataFrame(
        {
            "symbol": ["A", "B", "C"],
            "price": [1.0, 2.0, 3.0],
            "unrealized_pnl": [100000.0, None, -20000.5],
        }
    )
    text = repr(hk.show(frame, total=True)).splitlines()
    assert text[1].split() == ["A", "1.00", "+1,00,000.00"]
    assert text[4].split() == ["Total", "+₹79,999.50"]  # no sum of prices
    assert text[5] == "1 cell is unknown (–): needs a price and a cost"
    assert text[6] == "Total of unrealized P&L: 2 of 3 rows known"
    many = pl.DataFrame({"market_value": [1] * 119_999 + [None]})
    shown = repr(hk.show(many, rows=1, total=True))
    assert "1,19,999 of 1,20,000 rows known" in shown
    total = {"market_value": [1], "unpriced_count": [1], "positions_count": [120_000]}
    page = hk.show(pl.DataFrame(total), columns=["market_value"])._repr_html_()
    assert "1,19,999 of 1,20,000 priced" in page


def test_a_cell_says_why_it_is_unknown() -> None:
    frame = pl.DataFrame(
        {"market_value": [None, 1.0], "price_note": ["older than 5 days", None]},
        schema_overrides={"market_value": pl.Float64()},
    )
    page = hk.show(frame, columns=["market_value"])._repr_html_()
    assert 'tabindex="0">–<span class="hk-why"> older than 5 days</span>' in page


def test_any_frame_can_be_shown() -> None:
    wide = pl.DataFrame({f"c{n}": [n] for n in range(40)})
    assert "columns= picks: C16, C17" in repr(hk.show(wide))
    assert "C39" in repr(hk.show(wide, columns=["c39"]))
    nameless = pl.DataFrame({"": ["yes"], "rule": ["one is one"]})
    assert "one is one" in hk.show(nameless)._repr_html_()
    nested = pl.DataFrame({"a": [{"x": 1, "y": [1, 2]}], "b": [list(range(20))]})
    assert "x 1, y 1, 2" in repr(hk.show(nested))
    assert "0, 1, 2, 3, 4, 5, 6, 7, …" in repr(hk.show(nested))


def test_a_sentence_is_whole_on_a_page_and_cut_in_a_terminal() -> None:
    sentence = (
        "demerger: owned 100 → 100, cost 39,040 → 31,232; its cost went to ZCHILD"
    )
    view = hk.show(pl.DataFrame({"evidence": [sentence], "hash": ["a1" * 40]}))
    page = view._repr_html_()
    assert f'<span class="l">{sentence}</span>' in page
    assert f'<span title="{"a1" * 40}">{"a1" * 23}a…</span>' in page, "a code is cut"
    assert sentence not in repr(view)
    assert "demerger: owned 100 → 100, cost 39,040 → 31,232…" in repr(view)
    assert repr(hk.show(pl.DataFrame())) == "no rows\nno columns"
    assert "no rows" in hk.show(pl.DataFrame(schema=HOLDINGS).lazy())._repr_html_()
    rejects = pl.DataFrame(
        [("a.ndjson", 1234, "not JSON", b"\x00\xff{" * 90)],
        schema=REJECTS,
        orient="row",
    )
    text = repr(hk.show(rejects))
    assert "1234" in text
    assert "\x00" not in text
    assert len(text.splitlines()[1]) < 130


def test_numbers_that_name_something_have_no_groups() -> None:
    frame = pl.DataFrame({"year": [2026], "p_value": [0.0], "day": [date(2026, 1, 5)]})
    row = repr(hk.show(frame)).splitlines()[1]
    assert row.split() == ["2026", "<", "0.001", "5", "Jan", "2026"]
