"""The Arrow contract, over real HTTP, by hand and by the vendor's own client."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import jwt
import pyarrow_client
import pytest
from pyarrow_client import exceptions as vendor
from requests.adapters import HTTPAdapter

import holdings_kit as hk

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


def test_a_token_lives_a_day_and_belongs_to_its_app(caller: Any) -> None:
    headers, sb = caller.arrow(), caller.sb
    claims = {"userID": "SBX0011", "appID": sb.app_id, "exp": 4102444800}
    forged = jwt.encode(claims, "another secret, as long as HS256 wants it", "HS256")
    for wrong in ({"appID": "another"}, {"token": ""}, {"token": forged}):
        reply = caller.http.get("/user/holdings", headers={**headers, **wrong})
        assert error_of(reply)[0] == 401
    sb.advance(hours=23, minutes=59)
    assert caller.http.get("/user/holdings", headers=headers).status_code == 200
    sb.advance(minutes=1)
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
    many = post("/info/quotes/ltp", json=asked * 34, headers=headers)
    assert error_of(many) == (400, "error", "BAD_REQUEST_ERROR")
    full = post("/info/quotes/full", json=asked, headers=headers).json()["data"][0]
    assert {"open", "high", "low", "volume"} <= set(full)


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
    missing = caller.http.get("/candle/NSE/1/day", params=dates, headers=headers)
    assert error_of(missing)[0] == 404


@pytest.mark.parametrize(
    ("path", "exchanges"),
    [("/all", {"NSE", "BSE"}), ("/nse", {"NSE"}), ("/bse", {"BSE"})],
)
def test_instruments_are_the_documented_csv(
    caller: Any, path: str, exchanges: set[str]
) -> None:
    reply = caller.http.get(path)
    master = hk.read_instruments(reply.content)
    assert reply.headers["content-type"] == "application/octet-stream"
    assert set(master["exchange"]) == exchanges
    assert master.select(hk.identity.isin_ok("isin").all()).item()


def test_the_instrument_list_resolves_the_sample(caller: Any) -> None:
    master = hk.read_instruments(caller.http.get("/all").content)
    read = hk.read_arrow(
        SAMPLE, account_id="X", snapshot_at=caller.sb.now(), instruments=master
    )
    assert read.holdings["isin"].null_count() == 0


def test_the_vendors_client_logs_in_and_reads(caller: Any, client: Any) -> None:
    token = caller.sb.request_token("sample")
    session = client.login(token, app_secret=caller.sb.app_secret)
    account = caller.sb.personas["sample"].account_id
    assert (session["userID"], client.get_token()) == (account, session["token"])
    ours = caller.http.get("/user/holdings", headers=caller.arrow()).json()["data"]
    assert client.get_holdings() == ours
    assert client.get_user_limits()["margin"]["allocated"] == "35000.00"
    assert client.get_user_details()["userID"] == account
    assert client.get_instruments() == caller.http.get("/all").content
    mode, nse = pyarrow_client.QuoteMode.LTP, pyarrow_client.Exchange.NSE
    assert client.get_quotes(mode, [("SBIN-EQ", nse)])[0]["token"] == 3045
    assert client.get_quote(mode, "SBIN-EQ", nse)["token"] == 3045
    assert client.candle_data(nse, "3045", "day", "2026-01-01", "2026-01-31") == []
    with pytest.raises(vendor.ArrowException, match="Invalid or expired"):
        client.login(token, app_secret=caller.sb.app_secret)  # good for one login


def test_the_vendors_client_logs_in_by_password_and_totp(
    caller: Any, client: Any
) -> None:
    login = caller.sb.user_login("asha")
    session = client.auto_login(**login, app_secret=caller.sb.app_secret)
    assert session["userID"] == login["user_id"]
    assert len(client.get_holdings()) == 10
    wrong = {**login, "password": "guess"}
    with pytest.raises(vendor.ArrowException, match="Wrong user"):
        client.auto_login(**wrong, app_secret=caller.sb.app_secret)


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
