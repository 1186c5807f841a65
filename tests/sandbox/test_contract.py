"""What is published, held against the running sandbox, row by row.

The rows below were written down from the published pages and clients, not from the
sandbox. `UPDATE_CONTRACT=1 pytest tests/sandbox/test_contract.py` writes the table.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest
import schemathesis
from hypothesis import Phase, given, settings
from jsonschema import Draft202012Validator
from schemathesis import checks

from holdings_kit import sandbox
from holdings_kit.sandbox._imports import SDK_CODES
from holdings_kit.wire import (
    SDK_ERRORS,
    arrow_checksum,
    mint_token,
    webhook_checksum_ok,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAGE = Path(__file__).parents[2] / "docs" / "contract.md"
MARK = "<!-- the rows below are written by tests/sandbox/test_contract.py -->\n"

# call · on whose word · the members of its answer (a call repeated adds members)
PUBLISHED = """
POST /gateway/{gateway}/transaction · documented · success errors data.transactionId
  data.expireAt
GET /v1/{gateway}/engine/transactiondetails · documented · success errors
  data.transactionDetails.status data.transactionDetails.error.value
  data.transactionDetails.error.message data.transactionDetails.error.code
  data.transactionDetails.success.smallcaseAuthToken
  data.transactionDetails.success.broker data.transactionDetails.notes
GET /v1/{gateway}/engine/user/holdings · documented · success errors data.securities
  data.smallcases data.mutualFunds data.updating data.lastUpdate data.snapshotDate
  data.smallcaseAuthId data.broker
GET /v1/{gateway}/engine/user/holdings?version=v1 · documented ·
  data.securities.holdings[].ticker data.securities.holdings[].shares
  data.securities.holdings[].name data.securities.holdings[].exchange
  data.securities.holdings[].averagePrice
GET /v1/{gateway}/engine/user/holdings?version=v2 · documented ·
  data.securities[].holdings.quantity data.securities[].holdings.averagePrice
  data.securities[].positions.nse.quantity data.securities[].positions.nse.averagePrice
  data.securities[].positions.bse.quantity data.securities[].positions.bse.averagePrice
  data.securities[].transactableQuantity data.securities[].smallcaseQuantity
  data.securities[].nseTicker data.securities[].bseTicker data.securities[].isin
  data.securities[].name data.smallcases.public[].scid data.smallcases.public[].name
  data.smallcases.public[].shortDescription data.smallcases.public[].imageUrl
  data.smallcases.public[].stats.currentValue
  data.smallcases.public[].stats.totalReturns
  data.smallcases.public[].constituents[].ticker
  data.smallcases.public[].constituents[].shares
  data.mutualFunds.holdings[].folio data.mutualFunds.holdings[].fund
  data.mutualFunds.holdings[].tradingsymbol data.mutualFunds.holdings[].isin
  data.mutualFunds.holdings[].quantity data.mutualFunds.holdings[].averagePrice
  data.mutualFunds.holdings[].lastPrice data.mutualFunds.holdings[].lastPriceDate
  data.mutualFunds.holdings[].pnl data.mutualFunds.holdings[].xirr
GET /v1/{gateway}/engine/user/holdings?version=v2 · partner ·
  data.securities[].collateralQuantity data.securities[].isSuspendedOrDelistedOnNSE
  data.securities[].isSuspendedOrDelistedOnBSE data.smallcases.private[].scid
  data.smallcases.private.stats.currentValue data.smallcases.private.investments[].scid
GET /gateway/{gateway}/user/holdings · partner · success data.securities
webhook of holdings · documented · securities smallcases mutualFunds lastUpdate
  snapshotDate notes broker smallcaseAuthId transactionId timestamp checksum
POST /auth/app/authenticate-token · documented · data.name data.token data.userID status
POST /auth/app/login · client · data.requestId status
POST /auth/validate-2fa · client · data.redirectUrl status
GET /user/holdings · documented · status data[].symbols[].symbol
  data[].symbols[].exchange data[].symbols[].token data[].symbols[].tradingSymbol
  data[].symbols[].isin data[].avgPrice data[].qty data[].usedQty data[].t1Qty
  data[].depositoryQty data[].collateralQty data[].brokerCollateralQty
  data[].authorizedQty data[].unPledgedQty data[].nonPOAQty data[].haircut
  data[].effectiveQty data[].sellableQty data[].ltp data[].pnl data[].close
GET /user/limits · documented · status data.allocations[].segment
  data.allocations[].cashCurrent data.allocations[].cashOpening
  data.allocations[].cashEqCurrent data.allocations[].cashEqOpening
  data.allocations[].nonCashCurrent data.allocations[].nonCashOpening
  data.margin.allocated data.margin.utilized data.margin.totalCash
  data.margin.totalCashEq data.margin.totalNoncash data.margin.usableMargin
  data.margin.netPnl data.margin.mtmLoss data.margin.cashAvailableForCNC
  data.margin.brokerage data.margin.buyOptionPremium data.margin.cashUsed
  data.margin.exposureMargin data.margin.intradayCashMargin data.margin.otherMargin
  data.margin.realizedPnl data.margin.sellOptionPremium data.margin.spanMargin
  data.margin.totalMargin data.margin.unrealizedPnl
GET /user/details · documented · status data.id data.name data.email data.pan
  data.depository[].dp data.depository[].id data.exchanges data.products data.phone
  data.image data.ordersTypes data.totpEnabled data.userType data.bankDetails[].id
  data.bankDetails[].vpa data.bankDetails[].bankName data.bankDetails[].accountType
  data.bankDetails[].accountNumber data.bankDetails[].isDefault
GET /info/holidays · documented · status data.holidays data.specialTradingDays
POST /info/quotes/ltp · client · status data[].close data[].ltp data[].token
POST /info/quotes/ohlcv · documented · data[].open data[].high data[].low data[].close
  data[].volume data[].ltp data[].ltt data[].oi data[].token
POST /info/quotes/full · documented · data[].bids data[].asks data[].avgPrice data[].ltq
  data[].time data[].upperLimit data[].lowerLimit data[].totalBuyQty data[].totalSellQty
  data[].symbol data[].ltt data[].oi
POST /info/quote/ltp · documented · status data.close data.ltp data.token
GET /candle/{exchange}/{token}/{interval} · documented · [][]
GET /all · documented · Exchange Segment ExchSeg Token FullName Symbol TradingSymbol
  Series ISIN LotSize TickSize PricePrecision OptionType Underlying UnderlyingToken
  StrikePrice Expiry FreezeQty Lower_Band Upper_Band SurCodes Events ExchangeID
redirect of the login page · documented · request-token checksum
POST /gateway/mf/getOtp · documented · success data.transactionId
POST /gateway/mf/verifyOtp · documented · success data.status
webhook of funds · documented · summary transactions transactionId timestamp checksum
webhook of orders · documented · batchId buyAmount sellAmount quantity filled status
  variety completedDate orders unplaced transactionId smallcaseAuthId
result of the browser SDK · client · smallcaseAuthToken broker transactionId signup
"""
# call · what is wrong · the published answer
REFUSED = """
POST /gateway/{gateway}/transaction · unknown gateway · 400 invalid gateway
POST /gateway/{gateway}/transaction · a broken body · 400
POST /gateway/{gateway}/transaction · a forged token · 401 Invalid JWT
GET /v1/{gateway}/engine/transactiondetails · an unknown id · 400 invalid_transactionId
GET /v1/{gateway}/engine/user/holdings · a guest token · 403
GET /v1/{gateway}/engine/user/holdings · success: false with status 200 · 200
GET /user/holdings · no token · 401 UNAUTHORIZED
GET /user/holdings · no permission · 403 FORBIDDEN
GET /user/holdings · too many requests · 429 TOO_MANY_REQUESTS
GET /user/holdings · a failure inside · 500 INTERNAL_ERROR
GET /no/such/page · no such page · 404 NOT_FOUND_ERROR
POST /user/holdings · another method · 405 METHOD_NOT_ALLOWED
POST /info/quote/ltp · an unknown instrument · 404 NOT_FOUND_ERROR
POST /info/quotes/ltp · 101 instruments · 400 BAD_REQUEST_ERROR
GET /candle/{exchange}/{token}/{interval} · a range too long · 422 INVALID_DATE_RANGE
GET /all · no token · 401 UNAUTHORIZED
POST /auth/app/authenticate-token · a wrong checksum · 401 UNAUTHORIZED
POST /gateway/mf/getOtp · an unknown transaction · 400 TransactionIdNotFound
POST /gateway/mf/getOtp · a transaction of shares · 400 InvalidIntent
POST /gateway/mf/getOtp · an old transaction · 400 TransactionIdExpired
POST /gateway/mf/getOtp · no PAN · 422
POST /gateway/mf/getOtp · a forged token · 401
POST /gateway/mf/getOtp · a fourth OTP · 429
POST /gateway/mf/getOtp · a failure inside · 500
POST /gateway/mf/verifyOtp · a wrong OTP · 406 wrong OTP
POST /gateway/mf/verifyOtp · the fifth wrong OTP · 400 wrong_attempts_exceeded
"""
INTERVALS = "min 3min 5min 10min 15min 30min hour 2hours 3hours 4hours day week month"


class Row(NamedTuple):
    """One line of the table."""

    call: str
    what: str
    trust: str
    seen: str


def listed(text: str) -> list[list[str]]:
    """Split a listing into its lines, indented ones joined to the one before."""
    joined = text.strip().replace("\n  ", " ")
    return [[part.strip() for part in line.split("·")] for line in joined.split("\n")]


def members(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Give each place in a JSON value, and the type of what stands there."""
    kind = {bool: "flag", int: "number", float: "number", str: "text"}
    yield place, kind.get(type(value), type(value).__name__.replace("NoneType", "null"))
    if isinstance(value, dict):
        for name, part in value.items():
            yield from members(part, f"{place}.{name}" if place else name)
    if isinstance(value, list):
        for part in value:
            yield from members(part, f"{place}[]")


class World:
    """A sandbox in which everything published happens once."""

    def __init__(self, sb: sandbox.Sandbox) -> None:
        self.sb, self.http = sb, httpx.Client(base_url=sb.url)
        self.seen: dict[str, dict[str, set[str]]] = {}
        self.answers: list[tuple[str, Any]] = []
        self.token = sb.arrow_token("asha")

    def note(self, call: str, value: Any) -> Any:
        self.answers.append((call.split("?", maxsplit=1)[0], value))
        places = self.seen.setdefault(call, {})
        for place, kind in members(value):
            places.setdefault(place, set()).add(kind)
        return value

    def gateway(self, path: str, token: str = "", **more: Any) -> httpx.Response:
        secret = {"x-gateway-secret": self.sb.api_secret}
        guest = token or mint_token(self.sb.shared_secret)
        method = "POST" if "json" in more else "GET"
        return self.http.request(
            method,
            path.replace("{gateway}", self.sb.gateway),
            headers=secret | {"x-gateway-authtoken": guest},
            **more,
        )

    def arrow(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"appID": self.sb.app_id, "token": self.token}
        return self.http.request(method, path, headers=headers, **more)


CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
CREATE = "/gateway/{gateway}/transaction"
DETAILS = "/v1/{gateway}/engine/transactiondetails"
FETCH = "/v1/{gateway}/engine/user/holdings"
CANDLE = "GET /candle/{exchange}/{token}/{interval}"
QUOTED = {"symbol": "SBIN-EQ", "exchange": "NSE"}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with sandbox.serve(seed=7, sender=lambda url, body: 200) as sb:
        sb.register_webhook("http://127.0.0.1:9/hook")
        made = World(sb)
        walk_the_gateway(made)
        walk_arrow(made)
        yield made
        made.http.close()


def walk_the_gateway(world: World) -> None:
    sb, body = world.sb, {"intent": "HOLDINGS_IMPORT", "version": "v2", "notes": "n"}
    body["assetConfig"] = {"mfHoldings": "true"}  # type: ignore[assignment]
    for persona in ("bela", "chirag", "divya"):
        made = world.note(f"POST {CREATE}", world.gateway(CREATE, json=body).json())
        done = made["data"]["transactionId"]
        step = "cancel" if persona == "chirag" else "import"
        sb.play(done, step, persona=persona)
        asked = {"transactionId": done}
        said = world.gateway(DETAILS, params=asked).json()
        world.note(f"GET {DETAILS}", said)
        if step == "import":
            result = said["data"]["transactionDetails"]["success"]
            world.note("result of the browser SDK", result | {"signup": False})
    sb.play(
        world.gateway(CREATE, json=body).json()["data"]["transactionId"],
        persona="chirag",
    )
    for when in range(2):
        for persona in ("bela", "chirag", "divya"):
            token = sb.token_for(persona)
            for version in ("v1", "v2"):
                asked = {"version": version, "mfHoldings": "true"}
                said = world.gateway(FETCH, token, params=asked).json()
                world.note(f"GET {FETCH}", said)
                world.note(f"GET {FETCH}?version={version}", said)
            old = world.gateway("/gateway/{gateway}/user/holdings", token).json()
            world.note("GET /gateway/{gateway}/user/holdings", old)
        if when == 0:  # a share leaves the exchange; its holder imports again
            sb.advance(days=60)
            for persona in ("gita", "asha"):
                begun = world.gateway(CREATE, json=body).json()["data"]
                sb.play(begun["transactionId"], persona=persona)
                asked = {"version": "v2"}
                said = world.gateway(FETCH, sb.token_for(persona), params=asked).json()
                world.note(f"GET {FETCH}?version=v2", said)
            sb.set_clock(sandbox.Clock().now())
    fund = open_fund_import(world)
    asked = {
        "transactionId": fund,
        "pan": pan(sb, "bela"),
        "email": "b@example.invalid",
    }
    said = world.gateway("/gateway/mf/getOtp", json=asked).json()
    world.note("POST /gateway/mf/getOtp", said)
    asked = {"transactionId": fund, "otp": "123456"}
    said = world.gateway("/gateway/mf/verifyOtp", json=asked).json()
    world.note("POST /gateway/mf/verifyOtp", said)
    sb.trigger("order", persona="bela")
    names = {"holdings-import": "holdings", "mf-import": "funds", "order": "orders"}
    for one in sb.deliveries():
        call = f"webhook of {names[str(one['kind'])]}"
        delivered: Any = world.note(call, one["body"])
        assert webhook_checksum_ok(delivered, sb.api_secret)


def open_fund_import(world: World, intent: str = "MF_HOLDINGS_IMPORT") -> str:
    body = {"intent": intent, "responseConfig": {"casDetail": True}}
    return world.gateway(CREATE, json=body).json()["data"]["transactionId"]


def pan(sb: sandbox.Sandbox, persona: str) -> str:
    people = httpx.get(f"{sb.url}/_sandbox/personas").json()
    return next(one["pan"] for one in people if one["key"] == persona)


def refuse_fund_import(world: World, path: str, what: str) -> httpx.Response:
    """Spoil one thing of an import of mutual funds."""
    sb = world.sb
    shares = what == "a transaction of shares"
    fund = open_fund_import(
        world, "HOLDINGS_IMPORT" if shares else "MF_HOLDINGS_IMPORT"
    )
    asked = {"transactionId": fund, "pan": pan(sb, "bela"), "phone": "9"}
    if what == "an unknown transaction":
        asked["transactionId"] = "TRX_0"
    if what == "no PAN":
        del asked["pan"]
    if what == "an old transaction":
        sb.advance(minutes=5)
    if what == "a failure inside":
        sb.set_faults("mf: 500")
    token = "x.y.z" if what == "a forged token" else ""
    times = {"a fourth OTP": 4, "a wrong OTP": 1, "the fifth wrong OTP": 5}.get(what, 1)
    if path.endswith("verifyOtp"):
        world.gateway("/gateway/mf/getOtp", json=asked)
        asked = {"transactionId": fund, "otp": "000000"}
    return [world.gateway(path, token, json=asked) for _ in range(times)][-1]


def walk_arrow(world: World) -> None:
    sb, note = world.sb, world.note
    for path in ("/user/holdings", "/user/limits", "/user/details", "/info/holidays"):
        note(f"GET {path}", world.arrow("GET", path).json())
    for mode in ("ltp", "ohlcv", "full"):
        path = f"/info/quotes/{mode}"
        note(f"POST {path}", world.arrow("POST", path, json=[QUOTED]).json())
    path = "/info/quote/ltp"
    note(f"POST {path}", world.arrow("POST", path, json=QUOTED).json())
    for interval in INTERVALS.split():
        asked = {"from": "2025-12-01", "to": "2026-01-05"}
        bars = world.arrow("GET", f"/candle/nse/3045/{interval}", params=asked)
        assert len(note(CANDLE, bars.json())) > 0
    head = world.arrow("GET", "/all").text.split("\n", 1)[0]
    note("GET /all", dict.fromkeys(head.replace(" ", "_").split(","), ""))
    login = sb.user_login("asha")
    asked = {"userID": login["user_id"], "password": login["password"]}
    asked |= {"appID": sb.app_id}
    path = "/auth/app/login"
    begun = note(f"POST {path}", world.http.post(path, json=asked).json())
    code = totp(login["totp_secret"])
    asked = {"requestId": begun["data"]["requestId"], "code": code}
    asked |= {"userID": login["user_id"]}
    path = "/auth/validate-2fa"
    said = note(f"POST {path}", world.http.post(path, json=asked).json())
    back = httpx.URL(said["data"]["redirectUrl"])
    note("redirect of the login page", dict(back.params))
    token = back.params["request-token"]
    path = "/auth/app/authenticate-token"
    proof = arrow_checksum(sb.app_id, sb.app_secret, token)
    asked = {"appID": sb.app_id, "token": token, "checkSum": proof}
    note(f"POST {path}", world.http.post(path, json=asked).json())


def totp(secret: str) -> str:
    import pyotp

    made: Any = pyotp
    return made.TOTP(secret).now()


def refuse(world: World, call: str, what: str) -> httpx.Response:
    """Do what is wrong, and give the answer."""
    sb, method = world.sb, call.split(maxsplit=1)[0]
    path = call.split()[1].replace("{gateway}", sb.gateway)
    if "/mf/" in path:
        return refuse_fund_import(world, path, what)
    body = {"intent": "HOLDINGS_IMPORT"}
    faults = {
        "no permission": "403",
        "too many requests": "429",
        "a failure inside": "500",
        "success: false with status 200": "success false",
    }
    if what in faults:
        sb.set_faults(f"holdings: {faults[what]}")
    wrong: Mapping[str, Any] = {
        "unknown gateway": lambda: world.gateway(
            "/gateway/nobody/transaction", json=body
        ),
        "a broken body": lambda: world.gateway(CREATE, json={"intent": "BUY"}),
        "a forged token": lambda: world.gateway(CREATE, "x.y.z", json=body),
        "an unknown id": lambda: world.gateway(DETAILS, params={"transactionId": "T"}),
        "a guest token": lambda: world.gateway(FETCH),
        "success: false with status 200": lambda: world.gateway(
            FETCH, sb.token_for("bela")
        ),
        "an unknown instrument": lambda: world.arrow(
            method, path, json={"symbol": "NOBODY", "exchange": "NSE"}
        ),
        "101 instruments": lambda: world.arrow(method, path, json=[QUOTED] * 101),
        "a range too long": lambda: world.arrow(
            "GET",
            "/candle/nse/3045/min",
            params={"from": "2020-01-01", "to": "2026-01-01"},
        ),
        "no token": lambda: world.http.request(method, path),
        "a wrong checksum": lambda: world.http.post(
            path, json={"appID": sb.app_id, "token": "t", "checkSum": "c"}
        ),
    }
    plain = world.arrow
    return wrong[what]() if what in wrong else plain(method, path)


def rows_of(world: World) -> list[Row]:
    rows: list[Row] = []
    for call, trust, places in listed(PUBLISHED):
        seen = world.seen.get(call, {})
        for place in places.split():
            kinds = " or ".join(sorted(seen.get(place, set()))) or "MISSING"
            rows.append(Row(call, f"`{place}`", trust, kinds))
    rows.extend(
        Row(CANDLE, f"interval `{interval}`", "documented", "answered")
        for interval in INTERVALS.split()
    )
    for call, what, answer in listed(REFUSED):
        status, _, words = answer.partition(" ")
        reply = refuse(world, call, what)
        fits = reply.status_code == int(status) and words in reply.text
        assert reply.headers["content-type"] == "application/json"
        shown = answer if fits else f"MISSING: {reply.status_code} {reply.text}"
        rows.append(Row(call, f"refused: {what}", "documented", shown))
    for error in SDK_ERRORS:
        known = "the page's own script" if error.message == "init_sdk" else "MISSING"
        code = SDK_CODES.get(error.message)
        codes = ", ".join(map(str, error.codes)) or "no code published"
        shown = known if code is None else f"{code}"
        what = f"`{error.message}` ({codes})"
        rows.append(Row("errors of the browser SDK", what, "client", shown))
    return rows


def test_everything_published_is_in_the_sandbox_and_in_the_table(world: World) -> None:
    rows = rows_of(world)
    assert [row for row in rows if "MISSING" in row.seen] == []
    lines = ["| call | published | trust | in the sandbox |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    table = "\n".join(lines) + "\n"
    before, mark, shown = PAGE.read_text().partition(MARK)
    if os.environ.get("UPDATE_CONTRACT"):
        PAGE.write_text(before + MARK + table)
    else:
        assert (mark, shown) == (MARK, table)


def test_every_answer_above_fits_the_description_and_has_no_member_beyond_it(
    world: World,
) -> None:
    document = world.http.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    hooks = {
        "webhook of holdings": schemas["HoldingsWebhook"],
        "webhook of funds": schemas["FundImportWebhook"],
    }
    checked = set[str]()
    for call, answer in world.answers:
        method, _, path = call.partition(" ")
        path = path.replace("/ltp", "/{mode}").replace("/ohlcv", "/{mode}")
        path = path.replace("/full", "/{mode}")
        if call in hooks:
            schema = hooks[call]
        elif path in document["paths"]:
            described = document["paths"][path][method.lower()]["responses"]["200"]
            checked.add(f"{method} {path}")
            if "application/json" not in described["content"]:
                continue
            schema = described["content"]["application/json"]["schema"]
        else:
            continue
        Draft202012Validator({**schema, "components": document["components"]}).validate(
            answer
        )
    calls = {f"{m.upper()} {p}" for p, of in document["paths"].items() for m in of}
    assert calls - checked == {f"GET /{name}" for name in ("nse", "bse", "mcx")}


def test_made_up_requests_are_answered_as_described(world: World) -> None:
    """Schemathesis thinks of requests, right and wrong ones."""
    sb = world.sb
    schema = schemathesis.openapi.from_url(f"{sb.url}/openapi.json")
    headers = {
        "x-gateway-secret": sb.api_secret,
        "x-gateway-authtoken": sb.token_for("bela"),
        "appID": sb.app_id,
        "token": world.token,
    }
    kinds = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    found: list[Any] = list(schema.get_all_operations())
    calls = [one.ok() for one in found]
    assert len(calls) == 20
    for call in calls:
        for kind in kinds:

            @settings(max_examples=2, phases=[Phase.generate], deadline=None)
            @given(case=call.as_strategy(generation_mode=kind))
            def check(case: Any) -> None:
                reply = case.call(headers=headers)
                case.validate_response(reply, checks=CHECKS)

            check()
