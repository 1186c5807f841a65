"""Contradictions of identity are reported, with a severity, and nothing is merged."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
from polars.testing import assert_frame_equal

import holdings_kit as hk
from holdings_kit.schema import HOLDINGS, INSTRUMENTS

MASTER = pl.DataFrame(
    [
        {
            "isin": "INE062A01020",
            "exchange": "NSE",
            "token": "3045",
            "symbol": "SBIN",
            "name": "State Bank of India",
        },
        {
            "isin": "INE669E01024",
            "exchange": "NSE",
            "token": "14366",
            "symbol": "IDEA",
            "name": "Vodafone Idea Limited",
        },
        {
            "isin": "INE528G01035",
            "exchange": "NSE",
            "token": "11915",
            "symbol": "YESBANK",
            "name": "Yes Bank Ltd",
        },
    ],
    schema=INSTRUMENTS,
)


def audited(*rows: dict[str, str | None]) -> dict[str, str]:
    """Kind → severity of what the audit finds."""
    found = hk.identity.audit(pl.DataFrame(list(rows), schema=HOLDINGS), MASTER)
    return dict(found.select("kind", "severity").rows())


def sbin(**changes: str | None) -> dict[str, str | None]:
    row: dict[str, str | None] = {
        "isin": "INE062A01020",
        "exchange": "NSE",
        "token": "3045",
        "symbol": "SBIN",
        "name": "STATE BANK OF INDIA LTD",
    }
    return row | changes


def test_a_clean_line_says_nothing() -> None:
    assert audited(sbin()) == {}


def test_a_wrong_check_digit_is_an_error() -> None:
    assert audited(sbin(isin="INE062A01021"))["bad_check_digit"] == "error"


def test_one_token_with_two_isins_is_an_error() -> None:
    assert audited(sbin(isin="INE528G01035"))["token_two_isins"] == "error"


def test_one_isin_with_two_tokens_is_a_warning() -> None:
    assert audited(sbin(token="9999")) == {"isin_two_tokens": "warning"}


def test_a_name_that_is_not_the_masters_is_a_warning() -> None:
    assert audited(sbin(name="Yes Bank")) == {"name_differs": "warning"}


def test_a_deleted_isin_still_held_is_an_error() -> None:
    found = audited(
        {"isin": "INE669E01016", "exchange": "NSE", "token": "14366", "symbol": "IDEA"}
    )
    assert found["deleted_isin"] == "error"


def test_an_isin_the_master_never_had_is_told() -> None:
    found = audited({"isin": "INE301O01023", "exchange": "BSE", "token": "1543467"})
    assert found == {"unknown_isin": "info"}


def test_unknown_listings_say_nothing() -> None:
    assert audited(sbin(exchange=None, token=None, name=None)) == {}


def test_holdings_stay_as_they_are() -> None:
    holdings = pl.DataFrame([sbin(isin="INE062A01021")], schema=HOLDINGS)
    before = holdings.clone()
    hk.identity.audit(holdings, MASTER)
    assert_frame_equal(holdings, before)


def test_a_line_is_counted_once_whatever_its_isin_has_two_of() -> None:
    held = pl.DataFrame(
        [sbin(token=token, account_id=token) for token in ("1", "2", "3045")],
        schema=HOLDINGS,
    )
    found = hk.identity.audit(held, MASTER).filter(kind="isin_two_tokens")
    assert found["holdings_count"].to_list() == [3]


def test_lazy_frames_are_audited_too() -> None:
    held = pl.DataFrame([sbin(token="1")], schema=HOLDINGS)
    assert_frame_equal(
        hk.identity.audit(held.lazy(), MASTER.lazy()), hk.identity.audit(held, MASTER)
    )


GOLD = pl.DataFrame(
    [
        {
            "isin": "INF204KB17I5",
            "exchange": "NSE",
            "token": "14428",
            "symbol": "GOLDETF",
        },
        {
            "isin": "INE528G01035",
            "exchange": "NSE",
            "token": "14286",
            "symbol": "YESBANK",
        },
    ],
    schema=INSTRUMENTS,
).with_columns(exchange=pl.lit("NSE"))
BODY = b"""{"status": "success", "data": [
{"symbols": [{"exchange": "NSE", "symbol": "GOLDETF", "tradingSymbol": "GOLDETF-EQ",
"token": "14286"}], "qty": "3", "new": 1},
{"symbols": [{"exchange": "NSE", "symbol": "YESBANK", "token": "14286"}],
"qty": "1"}]}"""


def test_a_token_that_contradicts_the_symbol_resolves_to_neither() -> None:
    loaded = hk.read_arrow(
        BODY,
        account_id="A1",
        snapshot_at=datetime(2026, 1, 5, tzinfo=UTC),
        instruments=GOLD,
    )
    names = loaded.holdings["instrument_id"].to_list()
    assert names == ["NSE:GOLDETF", "INE528G01035"]
    found = loaded.notices.filter(kind="identity_conflict")
    assert found.select("pointer", "value").rows() == [
        ("holding 0", "NSE GOLDETF token 14286: INE528G01035, INF204KB17I5")
    ]
    assert loaded.notices.filter(kind="unknown_field").height == 1
    audited = hk.identity.audit(loaded.holdings, GOLD).filter(kind="token_not_symbol")
    assert audited.select("severity", "holdings_count").rows() == [("error", 1)]
