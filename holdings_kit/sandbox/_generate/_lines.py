"""What a broker says of an account of an evening, in either wire format."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from holdings_kit.market import MUMBAI
from holdings_kit.sandbox._generate._market import rupees

if TYPE_CHECKING:
    from holdings_kit.sandbox._generate._accounts import Account, Lot
    from holdings_kit.sandbox._generate._market import Market

__all__ = ["arrow_reply", "webhook"]


def webhook(account: Account, market: Market, day: int) -> dict[str, object]:
    """Announce an account as the Gateway does, format v2."""
    at = _at(market, day, account.number)
    held = list(account.lots.values())
    inside = held[:4] if account.smallcase else []
    said: dict[str, object] = {
        "securities": [_security(lot, market, inside=lot in inside) for lot in held],
        "smallcases": {
            "public": [_basket(inside, market, day)] if inside else [],
            "private": {"stats": {"currentValue": 0, "totalReturns": 0}}
            if account.number % 3 == 0
            else [],
        },
        "lastUpdate": at,
        "snapshotDate": at,
        "broker": account.broker,
        "smallcaseAuthId": account.auth_id,
        "transactionId": f"TRX_{day:04x}{account.number:028x}",
        "timestamp": at,
    }
    return said


def _security(lot: Lot, market: Market, *, inside: bool) -> dict[str, object]:
    symbol = market.symbols[lot.number]
    return {
        "holdings": {
            "quantity": lot.settled + lot.pledged,
            "averagePrice": lot.average / 100 if lot.known else None,
        },
        "positions": {
            "nse": {"quantity": lot.t1, "averagePrice": lot.average / 100},
            "bse": {"quantity": 0, "averagePrice": 0},
        },
        "transactableQuantity": lot.owned,
        "smallcaseQuantity": lot.settled // 2 if inside else 0,
        "collateralQuantity": lot.pledged,
        "nseTicker": symbol,
        "bseTicker": symbol if lot.number % 4 else None,
        "isin": market.isins[lot.number],
        "name": f"Invented Company {lot.number:04} Ltd",
    }


def _basket(lots: list[Lot], market: Market, day: int) -> dict[str, object]:
    shares = [(lot.number, lot.settled // 2) for lot in lots]
    value = sum(market.closes[day][number] * count for number, count in shares)
    return {
        "scid": f"SCNM_{lots[0].number % 20:04}",
        "name": f"Invented Basket {lots[0].number % 20:02}",
        "stats": {"currentValue": value / 100, "totalReturns": value // 2000},
        "constituents": [
            {"ticker": market.symbols[number], "shares": count}
            for number, count in shares
        ],
    }


def arrow_reply(account: Account, market: Market, day: int) -> dict[str, object]:
    """Answer as Arrow does, with whose it is and when beside it."""
    return {
        "account_id": f"GEN{account.number:07}",
        "snapshot_at": _at(market, day, account.number),
        "status": "success",
        "data": [_row(lot, market, day) for lot in account.lots.values()],
    }


def _row(lot: Lot, market: Market, day: int) -> dict[str, object]:
    symbol, number = market.symbols[lot.number], lot.number
    close = market.closes[day][number]
    listed = {"symbol": symbol, "isin": market.isins[number]}
    pnl = (close - lot.average) * lot.owned
    return {
        "symbols": [
            {
                "exchange": "NSE",
                "tradingSymbol": f"{symbol}-EQ",
                "token": str(10_000 + number),
                **listed,
            },
            {
                "exchange": "BSE",
                "tradingSymbol": symbol,
                "token": str(1_500_000 + number),
                **listed,
            },
        ],
        "avgPrice": rupees(lot.average) if lot.known else "",
        "qty": str(lot.owned),
        "usedQty": "0",
        "t1Qty": str(lot.t1),
        "depositoryQty": str(lot.settled),
        "collateralQty": "",
        "brokerCollateralQty": f"{lot.pledged}.00",
        "authorizedQty": "0",
        "unPledgedQty": "0",
        "nonPOAQty": "0",
        "haircut": rupees(market.haircuts[day][number]),
        "effectiveQty": str(lot.owned),
        "sellableQty": str(lot.settled),
        "ltp": rupees(close),
        "pnl": rupees(pnl) if lot.known else "",
        "close": rupees(close),
    }


def _at(market: Market, day: int, number: int) -> str:
    evening = datetime.combine(market.days[day], time(16), MUMBAI)
    instant = evening + timedelta(milliseconds=number % 7_200_000)
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
