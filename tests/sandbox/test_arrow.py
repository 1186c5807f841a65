"""The Arrow contract, over real HTTP, by hand and by the vendor's own client."""

from __future__ import annotations

import csv
import hashlib
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pyarrow_client
import pytest
from pyarrow_client import exceptions as vendor
from requests.adapters import HTTPAdapter

import holdings_kit as hk
from holdings_kit import sandbox
from holdings_kit.errors import SignatureError
from holdings_kit.sandbox._candles import INTERVALS
from holdings_kit.sandbox._clock import IST

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE = Path(__file__).parents[2] / "sample_data" / "arrow" / "holdings.json"
HOSTS = ("edge.arrow.trade", "api.arrow.trade", "historical-api.arrow.trade")


class ToSandbox(HTTPAdapter):
    """Sends what the vendor's client addresses to the vendor's hosts to a sandbox."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._home = url

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        parts = urlsplit(request.url)
        rest = parts._replace(scheme="", netloc="").geturl()
        request.url = f"{self._home}{rest}"
        return super().send(request, *args, **kwargs)


@pytest.fixture
def client(caller: Any) -> Iterator[Any]:
    made = pyarrow_client.ArrowClient(caller.sb.app_id, root_url=caller.sb.arrow_url)
    for host in HOSTS:
        made.req_session.mount(f"https://{host}", ToSandbox(caller.sb.arrow_url))
    yield made
    made.req_session.close()


def error_of(reply: Any) -> tuple[int, str, str]:
    said = reply.json()
    assert reply.headers["content-type"] == "application/json"
    return reply.status_code, said["status"], said["errorCode"]


def test_the_sample_persona_gets_the_published_reply(caller: Any) -> None:
    reply = caller.http.get("/user/holdings", headers=caller.arrow())
    assert reply.headers["content-type"] == "application/json"
    assert reply.content == SAMPLE.read_bytes()


def test_access_of_any_persona_reads_its_holdings(caller: Any) -> None:
    for persona in ("sample", "asha"):
        query = {"persona": persona}
        access = caller.http.get("/_sandbox/arrow/access", params=query).json()
        assert access["account_id"] == caller.sb.personas[persona].account_id
        headers = {"appId": access["app_id"], "token": access["token"]}
        assert caller.http.get("/user/holdings", headers=headers).status_code == 200
    assert set(access) == {"app_id", "token", "account_id"}


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/no/such/page", (404, "error", "NOT_FOUND_ERROR")),
        ("POST", "/user/holdings", (405, "error", "METHOD_NOT_ALLOWED")),
        ("DELETE", "/auth/app/login", (405, "error", "METHOD_NOT_ALLOWED")),
        ("GET", "/user/holdings", (401, "error", "UNAUTHORIZED")),
        ("GET", "/user/limits", (401, "error", "UNAUTHORIZED")),
        ("GET", "/user/details", (401, "error", "UNAUTHORIZED")),
        ("POST", "/info/quotes/ltp", (401, "error", "UNAUTHORIZED")),
        ("GET", "/candle/NSE/3045/day", (401, "error", "UNAUTHORIZED")),
        ("POST", "/auth/app/login", (400, "error", "BAD_REQUEST_ERROR")),
    ],
)
def test_every_refusal_is_json_with_status_and_code(
    caller: Any, method: str, path: str, expected: tuple[int, str, str]
) -> None:
    assert error_of(caller.http.request(method, path)) == expected


def test_a_token_ends_at_midnight_in_india_or_after_24_hours_where_asked(
    caller: Any,
) -> None:
    def ends(sb: sandbox.Sandbox) -> datetime:
        token = sb.arrow_token("asha")
        claims = jwt.decode(token, options={"verify_signature": False})
        return datetime.fromtimestamp(claims["exp"], IST)

    assert f"{ends(caller.sb):%H:%M:%S %d}" == "23:59:59 05"
    caller.sb.advance(hours=13, minutes=44, seconds=58)  # 23:59:58
    headers = caller.arrow()
    assert caller.http.get("/user/holdings", headers=headers).status_code == 200
    caller.sb.advance(seconds=1)
    assert caller.http.get("/user/holdings", headers=headers).status_code == 401
    with sandbox.serve(arrow_tokens="24h") as sb:
        assert ends(sb) - sb.now() == timedelta(hours=24)


def test_a_token_belongs_to_its_app(caller: Any) -> None:
    headers, sb = caller.arrow(), caller.sb
    claims = {"userID": "SBX0011", "appID": sb.app_id, "exp": 4102444800}
    forged = jwt.encode(claims, "another secret, as long as HS256 wants it", "HS256")
    for wrong in ({"appID": "another"}, {"token": ""}, {"token": forged}):
        reply = caller.http.get("/user/holdings", headers={**headers, **wrong})
        assert error_of(reply)[0] == 401
    sb.advance(days=1)
    reply = caller.http.get("/user/holdings", headers=headers)
    assert "You must relogin" in reply.json()["message"]


def test_prices_fill_in_market_hours_and_blank_after_them(caller: Any) -> None:
    def prices() -> set[tuple[bool, ...]]:
        rows = caller.http.get("/user/holdings", headers=caller.arrow("asha")).json()
        return {
            tuple(bool(r[k]) for k in ("ltp", "pnl", "close")) for r in rows["data"]
        }

    assert prices() == {(True, True, True)}  # Monday 10:15 IST
    caller.sb.advance(hours=6)
    assert prices() == {(False, False, True)}  # 16:15
    caller.sb.advance(hours=8)
    assert prices() == {(False, False, False)}  # 00:15, maintenance


def test_limits_reconcile_with_the_pledged_holdings(caller: Any) -> None:
    caller.sb.advance(days=9)
    checked = 0
    for persona in ("asha", "farid", "gita", "hari", "divya"):
        headers = caller.arrow(persona)
        rows = caller.http.get("/user/holdings", headers=headers).json()["data"]
        said = caller.http.get("/user/limits", headers=headers).json()["data"]
        pledged = sum(
            Decimal(r["brokerCollateralQty"])
            * Decimal(r["close"])
            * (1 - Decimal(r["haircut"]) / 100)
            for r in rows
        )
        cash = {one["segment"]: one for one in said["allocations"]}["CM"]
        assert abs(Decimal(cash["nonCashCurrent"]) - pledged) <= Decimal("0.005")
        checked += pledged > 0
    assert checked


def test_quotes_are_paise_by_token_in_no_order(caller: Any) -> None:
    asked = [
        {"symbol": "SBIN-EQ", "exchange": "NSE"},
        {"symbol": "NSDL", "exchange": "BSE"},
        {"symbol": "NOBODY-EQ", "exchange": "NSE"},
    ]
    post, headers = caller.http.post, caller.arrow()
    rows = post("/info/quotes/ltp", json=asked, headers=headers).json()["data"]
    assert {row["token"] for row in rows} == {3045, 1543467}
    assert all(isinstance(value, int) for row in rows for value in row.values())
    assert rows[0]["token"] != 3045  # asked first
    assert {row["token"]: row["close"] for row in rows}[3045] == 97310
    nobody = {"symbol": "NOBODY-EQ", "exchange": "NSE"}
    alone = post("/info/quote/ltp", json=nobody, headers=headers)
    assert error_of(alone) == (404, "error", "NOT_FOUND_ERROR")
    many = post("/info/quotes/ltp", json=asked * 34, headers=headers)
    assert error_of(many) == (400, "error", "BAD_REQUEST_ERROR")
    full = post("/info/quotes/full", json=asked, headers=headers).json()["data"][0]
    assert [len(full[side]) for side in ("bids", "asks")] == [5, 5]
    assert max(b["price"] for b in full["bids"]) < min(a["price"] for a in full["asks"])
    assert full["totalBuyQty"] == sum(bid["quantity"] for bid in full["bids"])
    assert full["lowerLimit"] <= full["low"] <= full["ltp"] <= full["high"]


def bars_of(caller: Any, interval: str, start: str, end: str, **more: Any) -> Any:
    path, dates = f"/candle/nse/3045/{interval}", {"from": start, "to": end}
    return caller.http.get(path, params=dates | more, headers=caller.arrow()).json()


@pytest.mark.parametrize("interval", INTERVALS)
def test_every_interval_has_data_from_the_first_moment(
    caller: Any, interval: str
) -> None:
    bars = bars_of(caller, interval, "2025-12-08", "2026-01-05T10:14:00")
    assert len(bars) >= 1
    assert bars[-1][0] < "2026-01-05T10:15"
    assert all(low <= min(o, c) <= max(o, c) <= high for _, o, high, low, c, _ in bars)
    assert all(isinstance(n, int) for bar in bars for n in bar[1:])
    if interval not in {"week", "month"}:
        assert all(before[4] == after[1] for before, after in pairwise(bars))


def test_the_bars_of_a_day_add_up_to_the_days_bar(caller: Any) -> None:
    caller.sb.advance(days=2, hours=8)
    for day in ("2025-12-31", "2026-01-06"):
        (whole,) = bars_of(caller, "day", day, day)
        for interval in ("min", "10min", "4hours"):
            parts = bars_of(caller, interval, f"{day}T09:15:00", f"{day}T15:30:00")
            assert parts[0][0] == f"{day}T09:15:00+0530"
            assert [parts[0][1], parts[-1][4]] == [whole[1], whole[4]]
            assert max(bar[2] for bar in parts) == whole[2]
            assert min(bar[3] for bar in parts) == whole[3]
            assert sum(bar[5] for bar in parts) == whole[5]
    (month,) = bars_of(caller, "month", "2025-12-01", "2025-12-31")
    days = bars_of(caller, "day", "2025-12-01", "2025-12-31")
    assert (month[5], month[2]) == (sum(b[5] for b in days), max(b[2] for b in days))


def test_a_quote_is_the_close_of_the_last_minute(caller: Any) -> None:
    (bar,) = bars_of(caller, "min", "2026-01-05T10:14:00", "2026-01-05T10:14:00")
    asked = {"symbol": "SBIN-EQ", "exchange": "NSE"}
    quote = caller.http.post(
        "/info/quote/ohlcv", json=asked, headers=caller.arrow()
    ).json()["data"]
    assert (quote["ltp"], quote["ltt"]) == (bar[4], int(caller.sb.now().timestamp()))
    since = bars_of(caller, "min", "2026-01-05", "2026-01-05")
    assert quote["volume"] == sum(one[5] for one in since)


@pytest.mark.parametrize(
    ("start", "end"), [("2020-01-01", "2026-01-01"), ("2026-01-05", "2026-01-01")]
)
def test_a_range_too_long_or_turned_round_is_422(
    caller: Any, client: Any, start: str, end: str
) -> None:
    said = bars_of(caller, "min", start, end)
    assert (said["status"], said["code"]) == ("error", "INVALID_DATE_RANGE")
    client.set_token(caller.sb.arrow_token("sample"))
    with pytest.raises(vendor.ArrowException) as caught:
        client.candle_data("NSE", "3045", "min", start, end)
    assert caught.value.code == 422
    assert isinstance(bars_of(caller, "month", "2020-01-01", "2026-01-01"), list)


def test_candles_are_a_bare_array_of_paise(caller: Any) -> None:
    caller.sb.advance(days=2, hours=8)  # Wednesday, after the close
    path, headers = "/candle/NSE/3045/day", caller.arrow()
    dates = {"from": "2026-01-05", "to": "2026-01-06"}
    bars = caller.http.get(path, params=dates, headers=headers).json()
    assert [bar[0] for bar in bars] == [
        "2026-01-05T00:00:00+0530",
        "2026-01-06T00:00:00+0530",
    ]
    assert bars[1][1] == bars[0][4]
    assert all(low <= min(o, c) <= max(o, c) <= high for _, o, high, low, c, _ in bars)
    wrong = caller.http.get(path, params={"from": "x", "to": "y"}, headers=headers)
    assert error_of(wrong)[0] == 400
    other = caller.http.get("/candle/NSE/3045/2days", params=dates, headers=headers)
    assert error_of(other)[0] == 400
    missing = caller.http.get("/candle/NSE/1/day", params=dates, headers=headers)
    assert error_of(missing)[0] == 404


@pytest.mark.parametrize(
    ("path", "exchanges"),
    [
        ("/all", {"NSE", "BSE", "MCX"}),
        ("/nse", {"NSE"}),
        ("/bse", {"BSE"}),
        ("/mcx", {"MCX"}),
    ],
)
def test_instruments_are_the_documented_csv(
    caller: Any, path: str, exchanges: set[str]
) -> None:
    assert error_of(caller.http.get(path)) == (401, "error", "UNAUTHORIZED")
    reply = caller.http.get(path, headers=caller.arrow())
    master = hk.read_instruments(reply.content)
    assert reply.headers["content-type"] == "application/octet-stream"
    assert set(master["exchange"]) == exchanges
    assert master.select(hk.identity.isin_ok("isin").drop_nulls().all()).item()
    rows = csv.DictReader(reply.text.splitlines())
    shares = [row for row in rows if row["Segment"] == "CM"]
    assert {row["ExchSeg"] for row in shares} == {f"{e}CM" for e in exchanges - {"MCX"}}
    assert {row["TickSize"] for row in shares} <= {"0.10"}
    assert (master["isin"].null_count() > 0) == (path != "/bse")


def test_the_instrument_list_resolves_the_sample(caller: Any) -> None:
    master = hk.read_instruments(
        caller.http.get("/all", headers=caller.arrow()).content
    )
    read = hk.read_arrow(
        SAMPLE, account_id="X", snapshot_at=caller.sb.now(), instruments=master
    )
    assert read.holdings["isin"].null_count() == 0


def test_the_vendors_client_logs_in_and_reads(caller: Any, client: Any) -> None:
    token = caller.sb.request_token("sample")
    session = client.login(token, api_secret=caller.sb.app_secret)
    account = caller.sb.personas["sample"].account_id
    assert (session["userID"], client.get_token()) == (account, session["token"])
    ours = caller.http.get("/user/holdings", headers=caller.arrow()).json()["data"]
    assert client.get_holdings() == ours
    assert client.get_user_limits()["margin"]["usableMargin"] == "35000.00"
    assert client.get_user_details()["id"] == account
    assert client.get_holidays()["holidays"]["26-01-2026"] == "Republic Day"
    listed = caller.http.get("/all", headers=caller.arrow()).content
    assert client.get_instruments() == listed
    mode, nse = pyarrow_client.QuoteMode.LTP, pyarrow_client.Exchange.NSE
    assert client.get_quotes(mode, [("SBIN-EQ", nse)])[0]["token"] == 3045
    assert client.get_quote(mode, "SBIN-EQ", nse)["token"] == 3045
    bars = client.candle_data(nse, "3045", "day", "2026-01-01", "2026-01-31")
    assert [bar[0][:10] for bar in bars] == ["2026-01-01", "2026-01-02"]
    with pytest.raises(vendor.ArrowException, match="no such instrument"):
        client.get_quote(mode, "NOBODY-EQ", nse)
    with pytest.raises(vendor.ArrowException, match="Invalid or expired"):
        client.login(token, api_secret=caller.sb.app_secret)  # good for one login


def test_the_vendors_client_logs_in_by_password_and_totp(
    caller: Any, client: Any
) -> None:
    login = caller.sb.user_login("asha")
    session = client.auto_login(**login, api_secret=caller.sb.app_secret)
    assert session["userID"] == login["user_id"]
    assert len(client.get_holdings()) == 10
    wrong = {**login, "password": "guess"}
    with pytest.raises(vendor.ArrowException, match="Wrong user"):
        client.auto_login(**wrong, api_secret=caller.sb.app_secret)


@pytest.mark.parametrize(("fault", "code"), [("401", 401), ("403", 403), ("429", 429)])
def test_the_vendors_client_raises_our_faults(
    caller: Any, client: Any, fault: str, code: int
) -> None:
    client.set_token(caller.sb.arrow_token("sample"))
    caller.sb.set_faults(f"holdings: {fault}")
    with pytest.raises(vendor.ArrowException) as caught:
        client.get_holdings()
    assert caught.value.code == code
    assert len(client.get_holdings()) == 8


@pytest.mark.parametrize("fault", ["500", "502", "truncate", "wrong type"])
def test_the_vendors_client_raises_on_broken_answers(
    caller: Any, client: Any, fault: str
) -> None:
    client.set_token(caller.sb.arrow_token("sample"))
    caller.sb.set_faults(f"arrow.holdings: {fault}")
    with pytest.raises(vendor.ArrowException):
        client.get_holdings()


def test_a_wrong_checksum_is_refused(caller: Any) -> None:
    token = caller.sb.request_token("asha")
    text = f"{caller.sb.app_id}:{caller.sb.api_secret}:{token}"  # the other secret
    body = {
        "appID": caller.sb.app_id,
        "token": token,
        "checkSum": hashlib.sha256(text.encode()).hexdigest(),
    }
    reply = caller.http.post("/auth/app/authenticate-token", json=body)
    assert error_of(reply) == (401, "error", "UNAUTHORIZED")


def back_from_login(caller: Any, sb: Any, persona: str) -> str:
    """Log in on the page as a browser would; give the address it is sent to."""
    page = caller.http.get(f"{sb.url}/app/login", params={"appID": sb.app_id})
    assert (page.status_code, page.text.count("<form")) == (200, 1)
    account = sb.personas[persona].account_id
    form = {"appID": sb.app_id, "userID": account, "pin": "1234"}
    reply = caller.http.post(f"{sb.url}/app/login", data=form)
    assert reply.status_code == 303
    return reply.headers["location"]


def test_the_login_page_sends_back_a_token_and_its_checksum(caller: Any) -> None:
    with sandbox.serve(redirect_url="http://localhost:3000/back?from=arrow") as sb:
        address = back_from_login(caller, sb, "asha")
        assert address.startswith("http://localhost:3000/back?from=arrow&request-token")
        query = parse_qs(urlsplit(address).query)
        (token,), (checksum,) = query["request-token"], query["checksum"]
        text = f"{token}:{sb.app_id}".encode()
        assert checksum == hashlib.sha256(text).hexdigest()
        ask: Any = {
            "app_id": sb.app_id,
            "app_secret": sb.app_secret,
            "base_url": sb.url,
        }
        for forged in (
            address.replace(token, "0" * len(token)),
            address.replace(f"checksum={checksum}", ""),
        ):
            with pytest.raises(SignatureError, match="checksum"):
                hk.ArrowClient.login(request_token=forged, **ask)
        with hk.ArrowClient.login(request_token=address, **ask) as client:
            assert client.account_id == "SBX0001"
            assert client.holdings().snapshots.height == 1


def test_a_login_page_of_another_app_or_with_a_wrong_pin_lets_nobody_in(
    caller: Any,
) -> None:
    strange = caller.http.get("/app/login", params={"appID": "<b>other"})
    assert (strange.status_code, "<b>other" in strange.text) == (400, False)
    form = {"appID": caller.sb.app_id, "userID": "SBX0001", "pin": "0"}
    wrong = caller.http.post("/app/login", data=form)
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (422, True)
    done = caller.http.get(back_from_login(caller, caller.sb, "bela"))
    assert "It fits." in done.text
    forged = caller.http.get("/app/done?request-token=x&checksum=y")
    assert "does not fit" in forged.text
