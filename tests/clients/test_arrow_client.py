"""What the Arrow client asks, and what it makes of the answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.clients import ArrowClient
from holdings_kit.errors import AuthError, ConfigError, FrameError, WireError
from holdings_kit.wire import CANDLES, LIMITS, QUOTES, arrow_checksum

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Script

    Make = Callable[..., Script]

NOW = datetime(2026, 1, 5, 4, 45, tzinfo=UTC)
LIMIT_BODY = {
    "status": "success",
    "data": {
        "allocations": [
            {
                "cashCurrent": "226462.37",
                "cashEqCurrent": "",
                "cashEqOpening": "0",
                "cashOpening": "226462.37",
                "nonCashCurrent": "1000.05",
                "nonCashOpening": "0",
                "segment": segment,
                "later": "field",
            }
            for segment in ("CM", "FO")
        ],
        "margin": {"allocated": "226462.37", "utilized": "-3641.75", "cashUsed": "1"},
    },
}


def ok(body: Any) -> httpx.Response:
    return httpx.Response(200, json=body)


def test_every_request_carries_app_and_token_and_no_secret_in_its_url(
    script: Make,
) -> None:
    source = script(ok({"status": "success", "data": []}))
    source.arrow().holdings()
    request = source.requests[0]
    assert str(request.url) == "https://edge.arrow.trade/user/holdings"
    assert request.headers["appID"] == "app"
    assert request.headers["token"] == "arrow-token"
    assert "authorization" not in request.headers


def test_the_instant_of_the_call_stamps_the_holdings(script: Make) -> None:
    loaded = script(ok({"status": "success", "data": []})).arrow().holdings()
    row = loaded.snapshots.row(0, named=True)
    assert (row["snapshot_at"], row["fetched_at"]) == (NOW, NOW)
    assert (row["account_id"], row["source"]) == ("A1", "arrow")


def test_an_account_nobody_names_is_asked_for_before_the_network(script: Make) -> None:
    source = script(ok({}))
    for ask in ("holdings", "limits"):
        with pytest.raises(ConfigError, match="account_id"):
            getattr(source.arrow(account_id=None), ask)()
    assert source.requests == []
    body = ok({"status": "success", "data": []})
    loaded = script(body).arrow(account_id=None).holdings(account_id="B2")
    assert loaded.snapshots["account_id"].to_list() == ["B2"]


def test_a_login_proves_itself_by_checksum_and_learns_the_account(
    script: Make,
) -> None:
    data = {"name": "N", "token": "session-token", "userID": "A9"}
    source = script(ok({"status": "success", "data": data}))
    client = ArrowClient.login(
        app_id="app",
        app_secret="app-secret",
        request_token="request-token",
        options=source.options(),
    )
    sent = json.loads(source.requests[0].content)
    assert sent == {
        "checkSum": arrow_checksum("app", "app-secret", "request-token"),
        "token": "request-token",
        "appID": "app",
    }
    assert source.requests[0].url.path == "/auth/app/authenticate-token"
    assert client.account_id == "A9"
    source.answers[:] = [ok({"status": "success", "data": []})]
    client.holdings()
    assert source.requests[1].headers["token"] == "session-token"


@pytest.mark.parametrize("data", [None, {}, [], {"token": ""}, {"token": 7}])
def test_a_login_without_a_token_is_a_wire_error(script: Make, data: Any) -> None:
    source = script(ok({"status": "success", "data": data}))
    with pytest.raises(WireError, match="/data/token"):
        ArrowClient.login(
            app_id="a", app_secret="s", request_token="r", options=source.options()
        )


def test_limits_are_exact_unknown_is_null_and_nothing_is_dropped(script: Make) -> None:
    client = script(ok(LIMIT_BODY)).arrow()
    frame = client.limits(by="segment")
    assert frame.schema == LIMITS
    assert frame["segment"].to_list() == ["CM", "FO"]
    first = frame.row(0, named=True)
    assert first["cash_value"] == Decimal("226462.37")
    assert first["cash_equivalent_value"] is None
    assert json.loads(first["extra"]) == {"later": "field"}
    assert frame["margin_utilized_value"].null_count() == 2
    account = client.limits()
    assert account.schema == LIMITS
    row = account.row(0, named=True)
    assert row["segment"] is None
    assert row["non_cash_value"] == Decimal("2000.10")  # 2 × 1000.05
    assert row["cash_equivalent_value"] is None  # unknown in each segment
    assert row["margin_utilized_value"] == Decimal("-3641.75")
    assert json.loads(row["extra"]) == {"cashUsed": "1"}


def test_an_account_without_segments_has_no_sums(script: Make) -> None:
    body = {"status": "success", "data": {"allocations": []}}
    row = script(ok(body)).arrow().limits().row(0, named=True)
    assert (row["cash_value"], row["margin_allocated_value"]) == (None, None)


def test_limits_are_what_the_margin_is_reconciled_with(sb: Any) -> None:
    from holdings_kit.risk import MARGIN, reconcile
    from holdings_kit.schema import empty

    client = hk.ArrowClient(
        app_id=sb.app_id,
        token=sb.arrow_token("sample"),
        account_id=sb.personas["sample"].account_id,
        base_url=sb.arrow_url,
        clock=sb.now,
    )
    with client:
        assert reconcile(empty(MARGIN), client.limits()).is_empty()


@pytest.mark.parametrize(
    "body",
    [
        {"status": "success"},
        {"status": "success", "data": []},
        {"status": "success", "data": {"allocations": {}}},
        {"status": "success", "data": {"allocations": [7]}},
        {"status": "success", "data": {"allocations": [{"cashCurrent": "lots"}]}},
        {"status": "success", "data": {"allocations": [{"cashCurrent": []}]}},
        {"status": "success", "data": {"allocations": [], "margin": "x"}},
    ],
)
def test_limits_of_another_shape_are_a_wire_error(script: Make, body: Any) -> None:
    with pytest.raises(WireError):
        script(ok(body)).arrow().limits()


def _instruments(count: int, exchange: str = "NSE") -> pl.DataFrame:
    numbers = range(1, count + 1)
    return pl.DataFrame(
        {
            "instrument_id": [f"{exchange}:S{n}" for n in numbers],
            "exchange": [exchange] * count,
            "trading_symbol": [f"S{n}-EQ" for n in numbers],
            "token": [str(n) for n in numbers],
        }
    )


def _quoter(request: httpx.Request) -> httpx.Response:
    """Quotes in reverse order: ltp is the symbol's number in rupees and 5 paise."""
    wanted = json.loads(request.content)
    rows = [
        {"token": int(n), "ltp": int(n) * 100 + 5, "close": 0}
        for one in reversed(wanted)
        for n in [one["symbol"].strip("S-EQ")]
    ]
    return ok({"status": "success", "data": rows})


@pytest.mark.parametrize(
    ("count", "requests"), [(0, 0), (1, 1), (100, 1), (101, 2), (250, 3)]
)
def test_quotes_come_in_batches_of_100_and_are_matched_by_token(
    script: Make, count: int, requests: int
) -> None:
    source = script(_quoter)
    frame = source.arrow().quotes(_instruments(count))
    assert len(source.requests) == requests
    assert all(len(json.loads(one.content)) <= 100 for one in source.requests)
    assert frame.schema == QUOTES
    assert frame["instrument_id"].to_list() == [f"NSE:S{n + 1}" for n in range(count)]
    assert frame["last_price"].to_list() == [
        Decimal(n + 1) + Decimal("0.05") for n in range(count)
    ]
    assert frame["close_price"].null_count() == count  # 0 is "not populated"
    assert frame["price_at"].to_list() == [NOW] * count


def test_one_token_on_two_exchanges_is_two_instruments(script: Make) -> None:
    both = pl.concat([_instruments(1), _instruments(1, "BSE")])

    def answer(request: httpx.Request) -> httpx.Response:
        nse = json.loads(request.content)[0]["exchange"] == "NSE"
        row = {"token": 1, "ltp": 100 if nse else 200, "close": 1}
        return ok({"status": "success", "data": [row]})

    frame = script(answer).arrow().quotes(both)
    assert frame["last_price"].to_list() == [Decimal(1), Decimal(2)]


def test_an_instrument_without_a_quote_stays_with_null_prices(script: Make) -> None:
    frame = (
        script(ok({"status": "success", "data": []})).arrow().quotes(_instruments(2))
    )
    assert frame["last_price"].to_list() == [None, None]
    assert frame["price_at"].to_list() == [None, None]


def test_a_full_quote_dates_its_price(script: Make) -> None:
    row = {"token": 1, "ltp": 5, "ltt": 1767608130, "open": 1, "volume": 12, "oi": 0}
    frame = script(ok({"status": "success", "data": [row]}))
    quoted = frame.arrow().quotes(_instruments(1), mode="full")
    assert frame.requests[0].url.path == "/info/quotes/full"
    assert quoted["price_at"].to_list() == [
        datetime(2026, 1, 5, 10, 15, 30, tzinfo=UTC)
    ]
    assert quoted["volume_quantity"].to_list() == [Decimal(12)]
    assert json.loads(quoted["extra"][0]) == {"oi": "0"}


@pytest.mark.parametrize(
    "data", [None, {}, [7], [{"token": 1, "ltp": "much"}], [{"token": [], "ltp": 1}]]
)
def test_quotes_of_another_shape_are_a_wire_error(script: Make, data: Any) -> None:
    with pytest.raises(WireError):
        script(ok({"status": "success", "data": data})).arrow().quotes(_instruments(1))


def test_quotes_need_to_know_what_to_ask(script: Make) -> None:
    with pytest.raises(FrameError, match="trading_symbol"):
        script(ok({})).arrow().quotes(_instruments(1).drop("trading_symbol"))


def test_candles_are_rupees_and_instants(script: Make) -> None:
    rows = [
        ["2023-05-02T00:00:00+0530", 58000, 58085, 57315, 57530, 13667511],
        ["2023-05-03T00:00:00+0530", 57060, 57675, 56900, 57465, 15014180, 42],
    ]
    source = script(ok(rows))
    zone = timedelta(hours=5, minutes=30)
    start = datetime(2023, 5, 1, 18, 30, tzinfo=UTC)  # midnight in Mumbai
    frame = source.arrow().candles(
        exchange="NSE", token="3045", interval="day", start=start, end=start + zone
    )
    url = source.requests[0].url
    assert (url.host, url.path) == (
        "historical-api.arrow.trade",
        "/candle/nse/3045/day",
    )
    assert dict(url.params) == {
        "from": "2023-05-02T00:00:00",
        "to": "2023-05-02T05:30:00",
    }
    assert frame.schema == CANDLES
    assert frame["candle_at"][0] == datetime(2023, 5, 1, 18, 30, tzinfo=UTC)
    assert frame["close_price"].to_list() == [Decimal("575.30"), Decimal("574.65")]
    assert frame["open_interest_quantity"].to_list() == [None, Decimal(42)]


@pytest.mark.parametrize(
    "rows", [{}, "x", [7], [[]], [["2023-05-02", 1, 1, 1, 1, 1]], [[None] * 9]]
)
def test_candles_of_another_shape_are_a_wire_error(script: Make, rows: Any) -> None:
    with pytest.raises(WireError):
        script(ok(rows)).arrow().candles(
            exchange="NSE", token="1", interval="day", start=NOW, end=NOW
        )


def test_candles_need_instants_in_order(script: Make) -> None:
    client, naive = script(ok([])).arrow(), NOW.replace(tzinfo=None)
    for start, end in ((naive, NOW), (NOW, naive), (NOW, NOW - timedelta(days=1))):
        with pytest.raises(ConfigError):
            client.candles(
                exchange="NSE", token="1", interval="day", start=start, end=end
            )


def test_a_path_part_cannot_leave_its_place(script: Make) -> None:
    source = script(ok([]))
    source.arrow().candles(
        exchange="../x", token="a/b?c", interval="#", start=NOW, end=NOW
    )
    assert source.requests[0].url.raw_path.startswith(b"/candle/..%2Fx/a%2Fb%3Fc/%23?")


def test_a_client_closes_with_its_block(script: Make) -> None:
    with script(ok({"status": "success", "data": []})).arrow() as client:
        client.holdings()
    with pytest.raises(hk.HoldingsError, match="closed"):
        client.holdings()


# --- against the sandbox


def test_login_holdings_limits_quotes_instruments_candles(sb: Any) -> None:
    sb.advance(days=7)
    with hk.ArrowClient.login(
        app_id=sb.app_id,
        app_secret=sb.app_secret,
        request_token=sb.request_token("sample"),
        base_url=sb.arrow_url,
        clock=sb.now,
    ) as client:
        master = client.instruments()
        loaded = client.holdings(instruments=master)
        quotes = client.quotes(loaded)
        limits = client.limits()
        start, token = sb.now() - timedelta(days=10), loaded.listings["token"][0]
        candles = client.candles(
            exchange="NSE", token=token, interval="day", start=start, end=sb.now()
        )
    assert client.account_id == sb.personas["sample"].account_id
    assert loaded.rejects.is_empty()
    assert loaded.holdings["isin"].null_count() == 0
    assert set(quotes["instrument_id"]) == set(loaded.holdings["instrument_id"])
    assert quotes.height == quotes["instrument_id"].n_unique()
    assert quotes["last_price"].null_count() == 0
    positions = hk.consolidate(loaded.holdings, prices=quotes)
    assert positions["price"].null_count() == 0
    assert limits["segment"].to_list() == [None]
    assert candles.height > 0


def test_a_request_token_is_good_for_one_login(sb: Any) -> None:
    once = sb.request_token("sample")
    facts = {"app_id": sb.app_id, "request_token": once, "base_url": sb.arrow_url}
    hk.ArrowClient.login(app_secret=sb.app_secret, **facts).close()
    with pytest.raises(AuthError):
        hk.ArrowClient.login(app_secret=sb.app_secret, **facts)


@pytest.mark.parametrize("wrong", ["app_id", "token"])
def test_a_wrong_app_or_token_is_an_auth_error(sb: Any, wrong: str) -> None:
    facts = {"app_id": sb.app_id, "token": sb.arrow_token("sample"), wrong: "x"}
    with pytest.raises(AuthError):
        hk.ArrowClient(account_id="A", base_url=sb.arrow_url, **facts).holdings()


def test_a_token_dies_after_a_day(sb: Any) -> None:
    client = hk.ArrowClient(
        app_id=sb.app_id,
        token=sb.arrow_token("sample"),
        account_id="A",
        base_url=sb.arrow_url,
    )
    client.holdings()
    sb.advance(hours=24)
    with pytest.raises(AuthError, match="relogin"):
        client.holdings()
    client.close()
