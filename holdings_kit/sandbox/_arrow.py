"""The Arrow side: holdings, limits, quotes, candles, instruments, user, holidays."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Final, cast

from starlette.responses import Response
from starlette.routing import Route

from holdings_kit.sandbox._arrow_login import persona_of
from holdings_kit.sandbox._candles import (
    INTERVALS,
    LONGEST_RANGE,
    invent_day_volume,
    read_local,
)
from holdings_kit.sandbox._clock import IST, market_open
from holdings_kit.sandbox._corporate import write_seen_arrow
from holdings_kit.sandbox._market import UNIVERSE, Instrument, Listing
from holdings_kit.sandbox._payloads import write_limits
from holdings_kit.sandbox._personas import derive_secret
from holdings_kit.sandbox._replies import (
    RefusedError,
    arrow_reply,
    body_of,
    json_reply,
    with_faults,
    world_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from starlette.requests import Request

    from holdings_kit.sandbox._world import World

_MOST_QUOTES: Final = 100
QUOTE_MODES: Final = ("ltp", "ohlcv", "full")
_DEPTH: Final = 5
_LISTS: Final = ("all", "nse", "bse", "mcx")
_COLUMNS: Final = (
    "Exchange,Segment,ExchSeg,Token,FullName,Symbol,TradingSymbol,Series,ISIN,"
    "LotSize,TickSize,PricePrecision,OptionType,Underlying,UnderlyingToken,"
    "StrikePrice,Expiry,FreezeQty,Lower Band,Upper Band,SurCodes,Events,ExchangeID"
)
# Rows without an ISIN occur in the published file: an index, and a metal.
_WITHOUT_ISIN: Final = (
    "NSE,INDEX,NSEINDEX,26000,NIFTY 50,NIFTY,NIFTY,,,1,0.05,2,,,,,,,,,,,NSE",
    (
        "MCX,FO,MCXFO,990001,INVENTED GOLD FUTURE,ZGOLD,ZGOLD26DECFUT,FUTCOM,,"
        "100,1.00,2,,,,,2026-12-04,,,,,,MCX"
    ),
)
# The published reply of /info/holidays, docs.arrow.trade/rest-api/utility.
HOLIDAYS: Final = {
    "holidays": {
        "15-01-2026": "Municipal Corporation Election in Maharashtra",
        "26-01-2026": "Republic Day",
        "03-03-2026": "Holi",
        "26-03-2026": "Shri Ram Navami",
        "31-03-2026": "Shri Mahavir Jayanti",
        "03-04-2026": "Good Friday",
        "14-04-2026": "Dr. Baba Saheb Ambedkar Jayanti",
        "01-05-2026": "Maharashtra Day",
        "28-05-2026": "Bakri Id",
        "26-06-2026": "Muharram",
        "14-09-2026": "Ganesh Chaturthi",
        "02-10-2026": "Mahatma Gandhi Jayanti",
        "20-10-2026": "Dussehra",
        "10-11-2026": "Diwali-Balipratipada",
        "24-11-2026": "Prakash Gurpurb Sri Guru Nanak Dev",
        "25-12-2026": "Christmas",
    },
    "specialTradingDays": {"01-02-2026": [["09:00", 400]]},
}


def routes() -> list[Route]:
    """List Arrow's routes but the login's, each open to the fault plan."""
    quotes = with_faults(_answer_quotes, "quotes")
    lists = with_faults(_answer_instruments, "instruments")
    return [
        Route(
            "/user/holdings",
            with_faults(_answer_holdings, "arrow.holdings", "holdings"),
        ),
        Route("/user/limits", with_faults(_answer_limits, "limits")),
        Route("/user/details", with_faults(_answer_user, "details")),
        Route("/info/holidays", with_faults(_answer_holidays, "holidays")),
        Route("/info/quotes/{mode}", quotes, methods=["POST"]),
        Route("/info/quote/{mode}", quotes, methods=["POST"]),
        Route(
            "/candle/{exchange}/{token}/{interval}",
            with_faults(_answer_candles, "candles"),
        ),
        *(Route(f"/{name}", lists) for name in _LISTS),
    ]


async def _answer_holdings(request: Request) -> Response:
    world, persona = world_of(request), persona_of(request)
    body = write_seen_arrow(world.view(persona))
    return Response(body, media_type="application/json")


async def _answer_limits(request: Request) -> Response:
    world, persona = world_of(request), persona_of(request)
    return arrow_reply(write_limits(world.view(persona)))


async def _answer_user(request: Request) -> Response:
    """Tell who the user is; what the published reply masks is masked."""
    persona, seed = persona_of(request), world_of(request).seed
    return arrow_reply(
        {
            "id": persona.account_id,
            "userID": persona.account_id,
            "name": persona.name,
            "email": f"{persona.key}@example.invalid",
            "pan": f"*{int(persona.account_id[-3:]):03d}Z",
            "phone": "***********",
            "image": "",
            "userType": "individual",
            "totpEnabled": True,
            "ordersTypes": 15,
            "exchanges": ["NSE", "BSE"],
            "products": ["CNC"],
            "depository": [{"dp": "CDSL", "id": "****************"}],
            "bankDetails": [
                {
                    "id": derive_secret(seed, "bank", persona.key).upper(),
                    "vpa": f"{persona.key}@invented",
                    "bankName": "Invented Bank",
                    "accountType": "SAVINGS",
                    "accountNumber": "*1234",
                    "isDefault": True,
                }
            ],
        }
    )


async def _answer_holidays(request: Request) -> Response:
    persona_of(request)
    return arrow_reply(HOLIDAYS)


async def _answer_quotes(request: Request) -> Response:
    persona_of(request)
    world, asked = world_of(request), await body_of(request)
    mode = str(request.path_params["mode"])
    if mode not in QUOTE_MODES:
        raise RefusedError(400, "mode must be ltp, ohlcv or full")
    single = "/info/quote/" in request.url.path
    if single == isinstance(asked, list):
        wanted = "one {symbol, exchange}" if single else "a list of {symbol, exchange}"
        raise RefusedError(400, f"the body must be {wanted}")
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
    if single and not found:
        raise RefusedError(404, "There is no such instrument")
    found.sort(key=lambda quote: -cast("int", quote["token"]))  # not the order asked
    return arrow_reply(found[0] if single else found)


async def _answer_candles(request: Request) -> Response:
    persona_of(request)
    world, path, query = world_of(request), request.path_params, request.query_params
    interval = str(path["interval"])
    if interval not in INTERVALS:
        raise RefusedError(400, f"interval must be one of {', '.join(INTERVALS)}")
    wanted = (str(path["exchange"]).upper(), str(path["token"]))
    item = next(
        (i for i, one in _list_listings(world) if (one.exchange, one.token) == wanted),
        None,
    )
    if item is None:
        raise RefusedError(404, "There is no such instrument")
    start = _read_moment(query.get("from", ""))
    end = _read_moment(query.get("to", ""), at_end=True)
    if end < start:
        raise _refuse_range("to lies before from")
    longest = LONGEST_RANGE[interval]
    if end - start > longest + timedelta(days=1):
        raise _refuse_range(
            f"{interval} takes at most {longest.days} days in a request"
        )
    bars = world.candles.list_bars(item.key, interval, start, end, world.clock.now())
    return json_reply([[f"{bar.at:%Y-%m-%dT%H:%M:%S%z}", *bar[1:]] for bar in bars])


async def _answer_instruments(request: Request) -> Response:
    persona_of(request)
    world, only = world_of(request), request.url.path[1:].upper()
    text = io.StringIO()
    lines: csv.DictWriter[str] = csv.DictWriter(
        text, _COLUMNS.split(","), lineterminator="\n"
    )
    lines.writeheader()
    rows = [_write_csv_row(item, listing) for item, listing in _list_listings(world)]
    for row in (*rows, *csv.DictReader([_COLUMNS, *_WITHOUT_ISIN])):
        if only in {"ALL", row["Exchange"]}:
            lines.writerow(row)
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
    session = market.session(now)
    close = market.previous_close(item.key, session)
    last = market.last_price(item.key, now)
    quote: dict[str, object] = {"close": close, "ltp": last}
    quote["token"] = int(listing.token)
    if mode == "ltp":
        return quote
    opens, traded_at = _find_last_trade(world, session)
    minutes = int((traded_at - opens).total_seconds()) // 60
    volume = invent_day_volume(world.seed, item.key, session, minutes)
    quote |= {
        "open": close,
        "high": max(close, last),
        "low": min(close, last),
        "volume": volume,
        "ltt": int(traded_at.timestamp()),
        "oi": 0,
    }
    if mode == "ohlcv":
        return quote
    return quote | {
        "symbol": listing.trading_symbol,
        "time": int(now.timestamp()),
        "ltq": min(volume, 10),
        "avgPrice": (close + last) // 2,
        "lowerLimit": close * 80 // 100,
        "upperLimit": close * 120 // 100,
        **_write_depth(world, item.key, last, trading=market_open(now)),
    }


def _find_last_trade(world: World, session: int) -> tuple[datetime, datetime]:
    """Give when the session opened, and its last minute that has passed."""
    now = world.clock.now().astimezone(IST)
    opens = now.replace(hour=9, minute=15, second=0, microsecond=0)
    day = world.timeline.market.date_of(session)
    opens = opens.replace(year=day.year, month=day.month, day=day.day)
    closes = opens + timedelta(minutes=INTERVALS["day"])
    return opens, min(max(now, opens), closes)


def _write_depth(
    world: World, key: str, last: int, *, trading: bool
) -> dict[str, object]:
    """Write five bids and five asks around the last price; none while closed."""
    random = Random(f"{world.seed}:{key}:{last}:depth")
    sides: dict[str, list[dict[str, int]]] = {"bids": [], "asks": []}
    for level in range(1, _DEPTH + 1):
        for side, sign in (("bids", -1), ("asks", 1)):
            quantity = random.randint(10, 900) if trading else 0
            price = max(last + sign * level * 5, 5) if trading else 0
            orders = random.randint(1, 9) if trading else 0
            sides[side].append({"price": price, "quantity": quantity, "orders": orders})
    return {
        **sides,
        "totalBuyQty": sum(one["quantity"] for one in sides["bids"]),
        "totalSellQty": sum(one["quantity"] for one in sides["asks"]),
    }


def _read_moment(text: str, *, at_end: bool = False) -> datetime:
    found = read_local(text, at_end=at_end)
    if found is None:
        raise RefusedError(400, f"{text!r} is no date; write 2026-01-05T09:15:00")
    return found


def _refuse_range(reason: str) -> RefusedError:
    return RefusedError(422, reason, code="INVALID_DATE_RANGE")


def _write_csv_row(item: Instrument, listing: Listing) -> Mapping[str, object]:
    nse = listing.exchange == "NSE"
    return {
        "Exchange": listing.exchange,
        "Segment": "CM",
        "ExchSeg": f"{listing.exchange}CM",
        "Token": listing.token,
        "FullName": item.name,
        "Symbol": listing.symbol,
        "TradingSymbol": listing.trading_symbol,
        "Series": "EQ" if nse else "A",
        "ISIN": item.isin,
        "LotSize": 1,
        "TickSize": "0.10",
        "PricePrecision": 2,
        "ExchangeID": listing.exchange,
    }
