"""What the front page shows after an import: numbers from the facts, or why not."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.display._numbers import rupees
from holdings_kit.sandbox._outcome import render_holdings
from holdings_kit.schema import HOLDINGS, MONEY

AT = datetime(2026, 1, 5, 4, 45, tzinfo=UTC)


def outcome(caller: Any, **body: str) -> Any:
    return caller.http.post("/_sandbox/try/outcome", json=body)


def held(**columns: list[Any]) -> pl.DataFrame:
    """Give holdings of these columns, all others unknown."""
    frame = pl.DataFrame(
        columns, schema={name: HOLDINGS[name] for name in columns}, strict=False
    )
    rest = [pl.lit(None, HOLDINGS[n]).alias(n) for n in HOLDINGS if n not in columns]
    return frame.with_columns(rest).select(HOLDINGS.names())


def test_the_value_is_what_quantities_and_quotes_make(caller: Any) -> None:
    opened = caller.imported("asha")
    shown = outcome(caller, transactionId=opened).json()
    assert shown["said"] == "Imported 10 holdings"
    assert shown["answer"]["data"]["smallcaseAuthId"]
    with hk.sandbox.arrow_client(caller.sb, "asha") as broker:
        master = broker.instruments()
        quotes = broker.quotes(master)
    body = hk.read_gateway(
        caller.holdings(caller.sb.token_for("asha")).content, fetched_at=AT
    )
    total = hk.summarize(hk.consolidate(body.holdings, prices=quotes))
    value = total["market_value"].item()
    assert value > 0
    said = f"<h2>{rupees(value)}: 10 holdings of Asha Example at Zerodha</h2>"
    assert said in shown["page"]
    assert "10 of 10 priced" in shown["page"]


def test_what_is_unknown_is_a_dash_that_says_why() -> None:
    holdings = held(
        instrument_id=["INE062A01020", "INEZ99A01010"],
        isin=["INE062A01020", "INEZ99A01010"],
        symbol=["SBIN", '<i onclick="x">'],
        owned_quantity=[Decimal(8), Decimal(2)],
        average_price=[None, Decimal(100)],
    )
    prices = pl.DataFrame(
        {"isin": ["INE062A01020"], "last_price": [Decimal(150000)]},
        schema={"isin": pl.String(), "last_price": MONEY},
    )
    positions = hk.consolidate(holdings, prices=prices)
    page = render_holdings(positions, owner="<b>Asha</b>", at=AT, unread=1)
    assert "₹12,00,000.00: 2 holdings of &lt;b&gt;Asha" in page
    assert "1 of 2 priced" in page
    why = '<span class="hk-why"> the simulated exchange has no price for it</span>'
    assert f'tabindex="0">–{why}' in page
    assert "<li>SBIN: the broker gave no average price</li>" in page
    assert "&lt;i onclick=&quot;x&quot;&gt;: the simulated exchange has no" in page
    assert "<i onclick" not in page
    assert "1 row of the answer could not be read and is not in the table." in page
    assert "₹0" not in page, "unknown is not 0"


def test_who_has_sold_everything_holds_nothing(caller: Any) -> None:
    shown = outcome(caller, transactionId=caller.imported("esha")).json()
    assert shown["said"] == "Imported 0 holdings"
    assert "Esha Example at 5Paisa: nothing is held" in shown["page"]
    assert "<table" not in shown["page"]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("consent_denied", "You did not allow the import. Nothing was shared."),
        ("timed_out", "The broker has not answered in time"),
        ("something_new", "The import has ended."),
    ],
)
def test_an_error_of_the_sdk_is_said_in_plain_words(
    caller: Any, message: str, words: str
) -> None:
    shown = outcome(caller, message=message).json()
    assert words in shown["said"]
    assert (shown["page"], shown["answer"]) == ("", None)


def test_no_holdings_are_shown_before_the_consent(caller: Any) -> None:
    assert outcome(caller, transactionId="TRX_0").status_code == 404
    early = outcome(caller, transactionId=caller.open())
    assert early.status_code == 409
    assert "INITIALIZED" in early.text
    hidden = caller.http.post(
        "/_sandbox/try/outcome",
        json={"transactionId": caller.imported("asha")},
        headers={"origin": "https://elsewhere.example"},
    )
    assert hidden.status_code == 403
