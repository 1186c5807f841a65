"""The vendor's own client, pointed at the sandbox, sees what ours sees."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import polars as pl
import pyarrow_client
import pytest
from pyarrow_client.exceptions import ArrowException
from requests.adapters import HTTPAdapter

import holdings_kit as hk
from holdings_kit.clients import Options
from holdings_kit.errors import (
    AuthError,
    PermissionDenied,
    RateLimited,
    SourceUnavailable,
)

HOSTS = tuple(
    f"https://{name}.arrow.trade" for name in ("edge", "api", "historical-api")
)
HOLDINGS_FIELDS = {
    "owned_quantity": "qty",
    "settled_quantity": "depositoryQty",
    "t1_quantity": "t1Qty",
    "pledged_quantity": "brokerCollateralQty",
    "sellable_quantity": "sellableQty",
    "average_price": "avgPrice",
    "last_price": "ltp",
    "close_price": "close",
}

if TYPE_CHECKING:
    from holdings_kit.sandbox import Sandbox


class ToSandbox(HTTPAdapter):
    """The official client has the addresses of its login built in."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        host = request.url.split("/", 3)[2]
        assert f"https://{host}" in HOSTS
        request.url = request.url.replace(f"https://{host}", self._url)
        return super().send(request, *args, **kwargs)


@pytest.fixture
def official(sb: Sandbox) -> Any:
    client = pyarrow_client.ArrowClient(app_id=sb.app_id, root_url=sb.arrow_url)
    for host in HOSTS:
        client.req_session.mount(host, ToSandbox(sb.arrow_url))
    yield client
    client.req_session.close()


def login(official: Any, sb: Sandbox, persona: str = "sample") -> None:
    answer = official.login(
        request_token=sb.request_token(persona), api_secret=sb.app_secret
    )
    assert answer["userID"] == sb.personas[persona].account_id
    official.set_token(answer["token"])


def ours(sb: Sandbox, persona: str = "sample") -> hk.ArrowClient:
    return hk.ArrowClient.login(
        app_id=sb.app_id,
        app_secret=sb.app_secret,
        request_token=sb.request_token(persona),
        base_url=sb.arrow_url,
        clock=sb.now,
        options=Options(attempts=1),
    )


def number(text: str) -> Decimal | None:
    return Decimal(text) if text else None


@pytest.mark.parametrize("days", [0, 1, 4])
def test_holdings_read_by_both_are_equal(sb: Sandbox, official: Any, days: int) -> None:
    sb.advance(days=days)
    for persona in ("sample", "asha", "farid"):
        login(official, sb, persona)
        theirs = official.get_holdings()
        with ours(sb, persona) as client:
            loaded = client.holdings()
        assert loaded.rejects.is_empty()
        assert loaded.holdings.height == len(theirs)
        for row, raw in zip(loaded.holdings.iter_rows(named=True), theirs, strict=True):
            for column, field in HOLDINGS_FIELDS.items():
                # ours says null where Arrow writes 0 for "not populated"
                told = number(raw[field])
                assert row[column] == (told or None if "price" in column else told)
            listed = loaded.listings.filter(holding_no=row["holding_no"])
            assert listed.select("exchange", "token").rows() == [
                (one["exchange"], one["token"]) for one in raw["symbols"]
            ]


def test_limits_and_quotes_read_by_both_are_equal(sb: Sandbox, official: Any) -> None:
    login(official, sb)
    theirs = official.get_user_limits()
    with ours(sb) as client:
        limits = client.limits(by="segment")
        loaded = client.holdings()
        quotes = client.quotes(loaded)
    for entry in theirs["allocations"]:
        row = limits.row(by_predicate=pl.col("segment") == entry["segment"], named=True)
        assert row["cash_value"] == Decimal(entry["cashCurrent"])
        assert row["non_cash_value"] == Decimal(entry["nonCashCurrent"])
    wanted = list(quotes.select("trading_symbol", "exchange").iter_rows())
    told = official.get_quotes(pyarrow_client.QuoteMode.LTP, wanted)
    paise = {str(one["token"]): one["ltp"] for one in told}
    assert {
        token: int(price * 100)
        for token, price in quotes.select("token", "last_price").iter_rows()
    } == paise


@pytest.mark.parametrize("mode", list(pyarrow_client.QuoteMode))
def test_every_mode_of_a_quote_and_every_interval_of_candles_answers(
    sb: Sandbox, official: Any, mode: Any
) -> None:
    login(official, sb)
    nse = pyarrow_client.Exchange.NSE
    alone = official.get_quote(mode, "SBIN-EQ", nse)
    assert official.get_quotes(mode, [("SBIN-EQ", nse)]) == [alone]
    with ours(sb) as client:
        master = client.instruments()
        mine = client.quotes(master.filter(token="3045"), mode=cast("Any", str(mode)))
        candles = client.candles(
            exchange="NSE",
            token="3045",
            interval="week",
            start=sb.now() - timedelta(days=90),
            end=sb.now(),
        )
    assert mine["last_price"].to_list() == [Decimal(alone["ltp"]) / 100]
    span = ("2025-10-07T10:15:00", "2026-01-05T10:15:00")
    bars = official.candle_data(nse, "3045", "week", *span)
    assert [Decimal(bar[4]) / 100 for bar in bars] == candles["close_price"].to_list()
    assert len(official.get_instruments().splitlines()) == master.height + 1
    assert official.get_user_details()["id"] == sb.personas["sample"].account_id
    assert len(official.get_holidays()["holidays"]) == 16


def test_the_automatic_login_by_totp_works_too(sb: Sandbox, official: Any) -> None:
    official.auto_login(**sb.user_login("sample"), api_secret=sb.app_secret)
    assert len(official.get_holdings()) > 0


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("401", 401, AuthError),
        ("403", 403, PermissionDenied),
        ("429", 429, RateLimited),
        ("500", 500, SourceUnavailable),
        ("502", 502, SourceUnavailable),
    ],
)
def test_both_raise_where_the_source_refuses(
    sb: Sandbox, official: Any, fault: str, status: int, kind: type[Exception]
) -> None:
    login(official, sb)
    with ours(sb) as client:
        sb.set_faults(f"arrow.holdings: {fault}*2")
        with pytest.raises(ArrowException) as theirs:
            official.get_holdings()
        with pytest.raises(kind) as mine:
            client.holdings()
    assert theirs.value.code == status
    assert mine.value.status == status  # type: ignore[attr-defined]


def test_both_refuse_a_wrong_secret_and_a_dead_token(
    sb: Sandbox, official: Any
) -> None:
    with pytest.raises(ArrowException):
        official.login(request_token=sb.request_token("sample"), api_secret="wrong")
    official.set_token("dead")
    with pytest.raises(ArrowException) as caught:
        official.get_holdings()
    assert caught.value.code == 401
