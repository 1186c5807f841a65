"""The Arrow side: login, holdings, limits, quotes, candles, instruments."""

from __future__ import annotations

import base64
import csv
import hmac
import io
from datetime import UTC, date, datetime, time, timedelta
from time import time as real_seconds
from typing import TYPE_CHECKING, Final, Protocol, cast

import jwt
from starlette.responses import Response
from starlette.routing import Route

from holdings_kit.sandbox._clock import IST, market_open
from holdings_kit.sandbox._market import UNIVERSE, Instrument, Listing
from holdings_kit.sandbox._payloads import write_arrow_holdings, write_limits
from holdings_kit.sandbox._personas import derive_secret
from holdings_kit.sandbox._replies import (
    RefusedError,
    body_of,
    json_reply,
    with_faults,
    world_of,
)
from holdings_kit.wire import arrow_checksum

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.requests import Request

    from holdings_kit.sandbox._personas import Persona
    from holdings_kit.sandbox._world import World

__all__ = [
    "arrow_token",
    "login_routes",
    "persona_of",
    "request_token",
    "routes",
    "user_login",
]


_MOST_QUOTES: Final = 100
_COLUMNS: Final = (
    "Exchange,Segment,ExchSeg,Token,FullName,Symbol,TradingSymbol,Series,ISIN,"
    "LotSize,TickSize,PricePrecision,OptionType,Underlying,UnderlyingToken,"
    "StrikePrice,Expiry,FreezeQty,Lower Band,Upper Band,SurCodes,Events,ExchangeID"
)
_INTERVALS: Final = ("day",)


def routes() -> list[Route]:
    """List Arrow's routes, each open to the fault plan."""
    lists = with_faults(_answer_instruments, "instruments")
    return [
        *login_routes(),
        Route(
            "/user/holdings",
            with_faults(_answer_holdings, "arrow.holdings", "holdings"),
        ),
        Route("/user/limits", with_faults(_answer_limits, "limits")),
        Route("/user/details", _answer_user),
        Route(
            "/info/quotes/{mode}",
            with_faults(_answer_quotes, "quotes"),
            methods=["POST"],
        ),
        Route(
            "/info/quote/{mode}",
            with_faults(_answer_quotes, "quotes"),
            methods=["POST"],
        ),
        Route(
            "/candle/{exchange}/{token}/{interval}",
            with_faults(_answer_candles, "candles"),
        ),
        *(Route(path, lists) for path in ("/all", "/nse", "/bse")),
    ]


async def _answer_holdings(request: Request) -> Response:
    world, persona = world_of(request), persona_of(request)
    body = write_arrow_holdings(world.view(persona))
    return Response(body, media_type="application/json")


async def _answer_limits(request: Request) -> Response:
    world, persona = world_of(request), persona_of(request)
    return _reply_success(write_limits(world.view(persona)))


async def _answer_user(request: Request) -> Response:
    persona = persona_of(request)
    return _reply_success({"name": persona.name, "userID": persona.account_id})


async def _answer_quotes(request: Request) -> Response:
    persona_of(request)
    world, asked = world_of(request), await body_of(request)
    mode = str(request.path_params["mode"])
    if mode not in {"ltp", "ohlcv", "full"}:
        raise RefusedError(400, "mode must be ltp, ohlcv or full")
    rows = cast("list[object]", asked if isinstance(asked, list) else [asked])
    if len(rows) > _MOST_QUOTES:
        raise RefusedError(400, f"at most {_MOST_QUOTES} instruments in a request")
    listed = {
        (listing.exchange, listing.trading_symbol): (item, listing)
        for item, listing in _list_listings(world)
    }
    found = [
        _write_quote(world, *pair, mode)
        for row in rows
        if (pair := listed.get(_find_wanted(row))) and not pair[0].delisted
    ]
    found.sort(key=lambda quote: -cast("int", quote["token"]))  # not the order asked
    single = "/info/quote/" in request.url.path
    return _reply_success(found[0] if single and found else found)


async def _answer_candles(request: Request) -> Response:
    persona_of(request)
    world, path = world_of(request), request.path_params
    if path["interval"] not in _INTERVALS:
        raise RefusedError(400, "the sandbox keeps daily candles: interval 'day'")
    wanted = (str(path["exchange"]).upper(), str(path["token"]))
    item = next(
        (i for i, one in _list_listings(world) if (one.exchange, one.token) == wanted),
        None,
    )
    if item is None:
        raise RefusedError(404, "There is no such instrument")
    start, end = (
        _read_day(request.query_params.get(name, "")) for name in ("from", "to")
    )
    if end < start:
        raise RefusedError(400, "to lies before from")
    return json_reply(list(_write_bars(world, item, start, end)))


async def _answer_instruments(request: Request) -> Response:
    world, only = world_of(request), request.url.path[1:].upper()
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(_COLUMNS.split(","))
    for item, listing in _list_listings(world):
        if only in {"ALL", listing.exchange}:
            row = _write_csv_row(item, listing)
            lines.writerow([row.get(column, "") for column in _COLUMNS.split(",")])
    return Response(text.getvalue(), media_type="application/octet-stream")


def _list_listings(world: World) -> Iterator[tuple[Instrument, Listing]]:
    market = world.timeline.market
    session = market.session(world.clock.now())
    for key in UNIVERSE:
        item = market.instrument(key, session)
        for listing in item.listings:
            yield item, listing


def _find_wanted(row: object) -> tuple[str, str]:
    if not isinstance(row, dict):
        raise RefusedError(400, "each instrument is {symbol, exchange}")
    asked = cast("Mapping[str, object]", row)
    return str(asked.get("exchange", "")), str(asked.get("symbol", ""))


def _write_quote(
    world: World, item: Instrument, listing: Listing, mode: str
) -> dict[str, object]:
    market, now = world.timeline.market, world.clock.now()
    close = market.previous_close(item.key, market.session(now))
    last = market.last_price(item.key, now)
    quote: dict[str, object] = {
        "close": close,
        "ltp": last,
        "token": int(listing.token),
    }
    if mode != "ltp":
        high, low = max(close, last), min(close, last)
        quote |= {"open": close, "high": high, "low": low, "volume": 10_000}
    if mode == "full":
        quote |= {"tradable": market_open(now)}
    return quote


def _write_bars(
    world: World, item: Instrument, start: date, end: date
) -> Iterator[list[object]]:
    market = world.timeline.market
    now = market.session(world.clock.now())
    for session in range(now + 1):
        day = market.date_of(session)
        if not start <= day <= end or (session == now and _is_trading(world)):
            continue
        opened, closed = (
            market.previous_close(item.key, session),
            market.close(item.key, session),
        )
        stamp = datetime.combine(day, time(), IST).strftime("%Y-%m-%dT%H:%M:%S%z")
        high, low = max(opened, closed), min(opened, closed)
        yield [stamp, opened, high, low, closed, 10_000]


def _is_trading(world: World) -> bool:
    return market_open(world.clock.now())


def _read_day(text: str) -> date:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise RefusedError(400, f"{text!r} is no date; write 2026-01-05") from None


def _write_csv_row(item: Instrument, listing: Listing) -> dict[str, object]:
    nse = listing.exchange == "NSE"
    return {
        "Exchange": listing.exchange,
        "Segment": "EQ",
        "ExchSeg": f"{listing.exchange}_EQ",
        "Token": listing.token,
        "FullName": item.name,
        "Symbol": listing.symbol,
        "TradingSymbol": listing.trading_symbol,
        "Series": "EQ" if nse else "A",
        "ISIN": item.isin,
        "LotSize": 1,
        "TickSize": 5,
        "PricePrecision": 2,
        "ExchangeID": listing.token,
    }


def _reply_success(data: object) -> Response:
    return json_reply({"data": data, "status": "success"})


_TOKEN_LIFE: Final = timedelta(hours=24)
_REQUEST_LIFE: Final = timedelta(minutes=5)
_STEP: Final = 30


def arrow_token(world: World, persona: Persona) -> str:
    """Issue the token of a logged-in user; it lives 24 hours of virtual time."""
    now = world.clock.now()
    claims = {
        "userID": persona.account_id,
        "appID": world.credentials.app_id,
        "iat": int(now.timestamp()),
        "exp": int((now + _TOKEN_LIFE).timestamp()),
    }
    return _sign_token().encode(claims, world.credentials.app_secret, algorithm="HS256")


def persona_of(request: Request) -> Persona:
    """Give the user of a request by its ``appID`` and ``token`` headers.

    Raises
    ------
    RefusedError
        401: another app, or a token that is missing, forged or expired.
    """
    world, headers = world_of(request), request.headers
    if headers.get("appid") != world.credentials.app_id:
        raise RefusedError(401, "Unknown appID")
    try:
        claims = _sign_token().decode(
            headers.get("token", ""),
            world.credentials.app_secret,
            algorithms=["HS256"],
            options={"verify_exp": False, "verify_iat": False},
        )
    except jwt.PyJWTError:
        raise RefusedError(401) from None
    persona = world.by_account.get(str(claims.get("userID")))
    expires_at = cast("int", claims.get("exp", 0))
    if persona is None or expires_at <= world.clock.now().timestamp():
        raise RefusedError(401)
    return persona


def request_token(world: World, persona: Persona) -> str:
    """Issue what the browser brings back from the login page; good for one use."""
    made = world.next_id("request token")
    expires_at = world.clock.now() + _REQUEST_LIFE
    world.request_tokens[made] = (persona.account_id, expires_at)
    return made


def user_login(seed: int, account_id: str) -> dict[str, str]:
    """Give the invented password and TOTP secret of a user."""
    secret = bytes.fromhex(derive_secret(seed, "totp", account_id, length=40))
    return {
        "user_id": account_id,
        "password": derive_secret(seed, "password", account_id, length=12),
        "totp_secret": base64.b32encode(secret).decode(),
    }


def login_routes() -> list[Route]:
    """List the routes of the login, each open to the fault plan."""
    steps = {
        "/auth/app/authenticate-token": _start_login,
        "/auth/app/login": _answer_login,
        "/auth/validate-2fa": _answer_second_factor,
    }
    return [
        Route(path, with_faults(step, "login"), methods=["POST"])
        for path, step in steps.items()
    ]


async def _start_login(request: Request) -> Response:
    world, asked = world_of(request), await _read_form(request)
    token, app = asked.get("token", ""), world.credentials
    account_id, expires_at = world.request_tokens.pop(
        token, ("", datetime.min.replace(tzinfo=UTC))
    )
    claimed = asked.get("checkSum") or asked.get("checksum", "")
    ours = arrow_checksum(app.app_id, app.app_secret, token or "none")
    fits = hmac.compare_digest(claimed.encode(), ours.encode())
    if asked.get("appID") != app.app_id or not fits:
        raise RefusedError(401, "Invalid checksum")
    if expires_at <= world.clock.now():
        raise RefusedError(401, "Invalid or expired request token")
    persona = world.by_account[account_id]
    data = {
        "name": persona.name,
        "token": arrow_token(world, persona),
        "userID": persona.account_id,
    }
    return json_reply({"data": data, "status": "success"})


async def _answer_login(request: Request) -> Response:
    world, asked = world_of(request), await _read_form(request)
    user = asked.get("userID", "")
    if asked.get("appID") != world.credentials.app_id:
        raise RefusedError(401, "Unknown appID")
    known = user_login(world.seed, user)["password"]
    if user not in world.by_account or asked.get("password") != known:
        raise RefusedError(401, "Wrong user or password")
    made = world.next_id("login")
    world.logins[made] = user
    return json_reply({"data": {"requestId": made}, "status": "success"})


async def _answer_second_factor(request: Request) -> Response:
    world, asked = world_of(request), await _read_form(request)
    user = world.logins.pop(asked.get("requestId", ""), "")
    if not user or user != asked.get("userID"):
        raise RefusedError(401, "Unknown login request")
    secret = base64.b32decode(user_login(world.seed, user)["totp_secret"])
    moments = (
        world.clock.now().timestamp(),
        real_seconds(),
    )  # a client's clock is real
    codes = {
        _compute_totp(secret, int(moment) // _STEP + drift)
        for moment in moments
        for drift in (-1, 0, 1)
    }
    if asked.get("code") not in codes:
        raise RefusedError(401, "Wrong code")
    made = request_token(world, world.by_account[user])
    back = f"http://127.0.0.1/sandbox-app?request-token={made}"
    return json_reply({"data": {"redirectUrl": back}, "status": "success"})


class _Jwt(Protocol):
    """The two calls of `jwt` in use, typed for want of its optional parts."""

    def encode(self, payload: object, key: str, *, algorithm: str) -> str: ...
    def decode(
        self, jwt: str, key: str, *, algorithms: list[str], options: dict[str, bool]
    ) -> dict[str, object]: ...


def _sign_token() -> _Jwt:
    return cast("_Jwt", jwt)


def _compute_totp(secret: bytes, step: int) -> str:
    """Compute the six digits of RFC 6238 with SHA-1."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    place = digest[-1] & 15
    number = int.from_bytes(digest[place : place + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


async def _read_form(request: Request) -> Mapping[str, str]:
    body = await body_of(request)
    if not isinstance(body, dict):
        raise RefusedError(400, "The body is not a JSON object")
    fields = cast("Mapping[str, object]", body)
    return {key: value for key, value in fields.items() if isinstance(value, str)}
