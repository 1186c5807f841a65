"""The Arrow side: login, holdings, limits, quotes, candles, instruments."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Final, cast

from starlette.responses import Response
from starlette.routing import Route

from holdings_kit.sandbox._arrow_login import login_routes, persona_of
from holdings_kit.sandbox._clock import IST, market_open
from holdings_kit.sandbox._replies import (
    RefusedError,
    body_of,
    faulty,
    json_reply,
    world_of,
)
from holdings_kit.sandbox._shapes import arrow_holdings, limits
from holdings_kit.sandbox._universe import UNIVERSE, Instrument, Listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.requests import Request

    from holdings_kit.sandbox._world import World

__all__ = ["routes"]

_MOST_QUOTES: Final = 100
_COLUMNS: Final = (
    "Exchange,Segment,ExchSeg,Token,FullName,Symbol,TradingSymbol,Series,ISIN,"
    "LotSize,TickSize,PricePrecision,OptionType,Underlying,UnderlyingToken,"
    "StrikePrice,Expiry,FreezeQty,Lower Band,Upper Band,SurCodes,Events,ExchangeID"
)
_INTERVALS: Final = ("day",)


def routes() -> list[Route]:
    """List Arrow's routes, each open to the fault plan."""
    lists = faulty(_instruments, "instruments")
    return [
        *login_routes(),
        Route("/user/holdings", faulty(_holdings, "arrow.holdings", "holdings")),
        Route("/user/limits", faulty(_limits, "limits")),
        Route("/user/details", _user),
        Route("/info/quotes/{mode}", faulty(_quotes, "quotes"), methods=["POST"]),
        Route("/info/quote/{mode}", faulty(_quotes, "quotes"), methods=["POST"]),
        Route("/candle/{exchange}/{token}/{interval}", faulty(_candles, "candles")),
        *(Route(path, lists) for path in ("/all", "/nse", "/bse")),
    ]


async def _holdings(request: Request) -> Response:
    world, persona = world_of(request), persona_of(request)
    body = arrow_holdings(world.view(persona))
    return Response(body, media_type="application/json")


async def _limits(request: Request) -> Response:
    world, persona = world_of(request), persona_of(request)
    return _success(limits(world.view(persona)))


async def _user(request: Request) -> Response:
    persona = persona_of(request)
    return _success({"name": persona.name, "userID": persona.account_id})


async def _quotes(request: Request) -> Response:
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
        for item, listing in _listings(world)
    }
    found = [
        _quote(world, *pair, mode)
        for row in rows
        if (pair := listed.get(_wanted(row))) and not pair[0].delisted
    ]
    found.sort(key=lambda quote: -cast("int", quote["token"]))  # not the order asked
    single = "/info/quote/" in request.url.path
    return _success(found[0] if single and found else found)


async def _candles(request: Request) -> Response:
    persona_of(request)
    world, path = world_of(request), request.path_params
    if path["interval"] not in _INTERVALS:
        raise RefusedError(400, "the sandbox keeps daily candles: interval 'day'")
    wanted = (str(path["exchange"]).upper(), str(path["token"]))
    item = next(
        (i for i, one in _listings(world) if (one.exchange, one.token) == wanted), None
    )
    if item is None:
        raise RefusedError(404, "There is no such instrument")
    start, end = (_day(request.query_params.get(name, "")) for name in ("from", "to"))
    if end < start:
        raise RefusedError(400, "to lies before from")
    return json_reply(list(_bars(world, item, start, end)))


async def _instruments(request: Request) -> Response:
    world, only = world_of(request), request.url.path[1:].upper()
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(_COLUMNS.split(","))
    for item, listing in _listings(world):
        if only in {"ALL", listing.exchange}:
            row = _csv_row(item, listing)
            lines.writerow([row.get(column, "") for column in _COLUMNS.split(",")])
    return Response(text.getvalue(), media_type="application/octet-stream")


def _listings(world: World) -> Iterator[tuple[Instrument, Listing]]:
    market = world.timeline.market
    session = market.session(world.clock.now())
    for key in UNIVERSE:
        item = market.instrument(key, session)
        for listing in item.listings:
            yield item, listing


def _wanted(row: object) -> tuple[str, str]:
    if not isinstance(row, dict):
        raise RefusedError(400, "each instrument is {symbol, exchange}")
    asked = cast("Mapping[str, object]", row)
    return str(asked.get("exchange", "")), str(asked.get("symbol", ""))


def _quote(
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


def _bars(
    world: World, item: Instrument, start: date, end: date
) -> Iterator[list[object]]:
    market = world.timeline.market
    now = market.session(world.clock.now())
    for session in range(now + 1):
        day = market.date_of(session)
        if not start <= day <= end or (session == now and _trading(world)):
            continue
        opened, closed = (
            market.previous_close(item.key, session),
            market.close(item.key, session),
        )
        stamp = datetime.combine(day, time(), IST).strftime("%Y-%m-%dT%H:%M:%S%z")
        high, low = max(opened, closed), min(opened, closed)
        yield [stamp, opened, high, low, closed, 10_000]


def _trading(world: World) -> bool:
    return market_open(world.clock.now())


def _day(text: str) -> date:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise RefusedError(400, f"{text!r} is no date; write 2026-01-05") from None


def _csv_row(item: Instrument, listing: Listing) -> dict[str, object]:
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


def _success(data: object) -> Response:
    return json_reply({"data": data, "status": "success"})
