"""Payloads as each API writes them: of one simulated person, or of any figures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeAlias

from holdings_kit.sandbox._clock import IST, format_iso, market_open
from holdings_kit.sandbox._lots import round_to_paisa
from holdings_kit.sandbox._market import FUNDS, Instrument, Listing
from holdings_kit.sandbox._personas import SHOWS_PLEDGES, published_sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from holdings_kit.sandbox._lots import Lot
    from holdings_kit.sandbox._personas import Basket, Persona
    from holdings_kit.sandbox._timeline import Timeline

Position: TypeAlias = "tuple[int, object]"  # quantity, average price

_NOTHING_USED: Final = (
    *("utilized", "cashUsed", "netPnl", "mtmLoss", "realizedPnl", "unrealizedPnl"),
    *("brokerage", "buyOptionPremium", "sellOptionPremium", "exposureMargin"),
    *("spanMargin", "intradayCashMargin", "otherMargin"),
)
"""Published fields of ``margin`` that stay at nothing: the sandbox trades no margin."""


@dataclass(frozen=True, slots=True)
class View:
    """One account seen at one instant."""

    timeline: Timeline
    persona: Persona
    instant: datetime

    @property
    def session(self) -> int:
        """Number of the session begun last."""
        return self.timeline.market.session(self.instant)

    @property
    def lots(self) -> Mapping[str, Lot]:
        """Lots by instrument key, traded-out ones of today included."""
        return self.timeline.lots(self.persona, self.session)

    def instrument(self, key: str) -> Instrument:
        """Give the instrument as it is known then."""
        return self.timeline.market.instrument(key, self.session)

    def close(self, key: str) -> Decimal:
        """Give the previous session's close in rupees."""
        return Decimal(self.timeline.market.previous_close(key, self.session)) / 100

    def last_price(self, key: str) -> Decimal:
        """Give the last traded price in rupees."""
        return Decimal(self.timeline.market.last_price(key, self.instant)) / 100


def write_arrow_holdings(view: View) -> bytes:
    """Write ``GET /user/holdings``; the sample's owner gets the published bytes."""
    if view.persona.key == "sample":
        return published_sample()
    rows = [
        _write_persona_arrow_row(view, k, lot)
        for k, lot in view.lots.items()
        if lot.owned
    ]
    return to_bytes(wrap_arrow(rows))


def write_gateway_holdings(
    view: View,
    *,
    version: str,
    mutual_funds: bool,
    empty: bool = False,
    updating: bool = False,
) -> dict[str, object]:
    """Write the ``data`` of a holdings reply, which is also a webhook's body."""
    lots: Mapping[str, Lot] = {} if empty else view.lots
    write = _write_persona_v2_row if version == "v2" else _write_persona_v1_row
    rows = [row for key, lot in lots.items() if (row := write(view, key, lot))]
    data = write_account_body(
        rows if version == "v2" else {"holdings": rows},
        _write_smallcases(view, () if empty else view.persona.baskets),
        at=format_iso(view.instant),
        auth_id=view.persona.auth_id,
        broker=view.persona.broker,
        updating=updating,
    )
    if mutual_funds:
        held = view.persona.mutual_funds and not empty
        data["mutualFunds"] = {"holdings": _write_fund_rows(view) if held else []}
    return data


def write_order(view: View, transaction_id: str) -> dict[str, object]:
    """Write the webhook of an order batch: one purchase of what is held already."""
    key = next(iter(view.lots), "SBIN")
    item, price = view.instrument(key), round_to_paisa(view.last_price(key))
    quantity = 10
    order = {
        "orderId": f"ORD{transaction_id[-8:].upper()}",
        "tradingsymbol": item.listings[0].symbol,
        "exchange": item.listings[0].exchange,
        "transactionType": "BUY",
        "quantity": quantity,
        "filledQuantity": quantity,
        "averagePrice": price,
        "status": "COMPLETE",
    }
    return {
        "batchId": f"BATCH{transaction_id[4:20].upper()}",
        "buyAmount": quantity * price,
        "sellAmount": 0,
        "quantity": quantity,
        "filled": quantity,
        "status": "COMPLETED",
        "variety": "regular",
        "completedDate": format_iso(view.instant),
        "orders": [order],
        "unplaced": [],
        "transactionId": transaction_id,
        "smallcaseAuthId": view.persona.auth_id,
    }


def write_pending_action(persona: Persona, transaction_id: str) -> dict[str, object]:
    """Write the webhook of something that waits for the user; its form is invented."""
    return {
        "event": "PENDING_ACTION",
        "pendingAction": {"type": "AUTHORISE_HOLDINGS", "broker": persona.broker},
        "transactionId": transaction_id,
        "smallcaseAuthId": persona.auth_id,
    }


def write_limits(view: View) -> dict[str, object]:
    """Write the ``data`` of ``GET /user/limits``: invented cash, pledged collateral."""
    collateral = sum(
        (
            lot.pledged
            * view.close(key)
            * (1 - Decimal(view.instrument(key).haircut) / 100)
            for key, lot in view.lots.items()
            if not view.instrument(key).delisted
        ),
        Decimal(),
    )
    total = _format_money(collateral)
    cash, equivalent = Decimal("25000.00"), Decimal("10000.00")

    def allocation(segment: str, share: int) -> dict[str, str]:
        kinds = {
            "cash": cash * share,
            "cashEq": equivalent * share,
            "nonCash": Decimal(total) * share,
        }
        moments = ("Current", "Opening")
        return {
            "segment": segment,
            **{f"{k}{m}": _format_money(v) for k, v in kinds.items() for m in moments},
        }

    allocated = _format_money(cash + equivalent + Decimal(total))
    return {
        "allocations": [
            allocation("CM", 1),
            allocation("FO", 0),
            allocation("MCX", 0),
        ],
        "margin": {
            "allocated": allocated,
            "usableMargin": allocated,
            "totalMargin": allocated,
            "totalCash": _format_money(cash),
            "totalCashEq": _format_money(equivalent),
            "totalNoncash": total,
            "cashAvailableForCNC": _format_money(cash),
            **dict.fromkeys(_NOTHING_USED, "0.00"),
        },
    }


def wrap_arrow(data: object) -> dict[str, object]:
    """Put data into the envelope of Arrow's answers."""
    return {"data": data, "status": "success"}


def wrap_gateway(data: object) -> dict[str, object]:
    """Put data into the envelope of the Gateway's answers."""
    return {"success": True, "errors": None, "data": data}


def to_bytes(value: object) -> bytes:
    """Write JSON the same way every time; exact decimals as plain numbers."""
    return json.dumps(value, separators=(",", ":"), default=float).encode()


def write_arrow_row(
    listings: Iterable[Mapping[str, str]],
    *,
    settled: int,
    t1: int,
    pledged: int,
    sellable: int,
    **figures: str,
) -> dict[str, object]:
    """Write a row of Arrow's ``data``; `figures` are its prices and the haircut."""
    owned = str(settled + t1 + pledged)
    return {
        "symbols": list(listings),
        "avgPrice": figures["average"],
        "qty": owned,
        "usedQty": "0",
        "t1Qty": str(t1),
        "depositoryQty": str(settled),
        "collateralQty": "",
        "brokerCollateralQty": f"{pledged}.00",
        "authorizedQty": "0",
        "unPledgedQty": "0",
        "nonPOAQty": "0",
        "haircut": figures["haircut"],
        "effectiveQty": owned,
        "sellableQty": str(sellable),
        "ltp": figures["last"],
        "pnl": figures["pnl"],
        "close": figures["close"],
    }


def write_v1_row(
    ticker: str, shares: int, name: str, average: object
) -> dict[str, object]:
    """Write a security of format v1, on the NSE."""
    return {
        "ticker": ticker,
        "shares": shares,
        "name": name,
        "exchange": "NSE",
        "averagePrice": average,
    }


def write_v2_row(
    names: Mapping[str, str | None],
    *,
    held: Position,
    nse: Position = (0, 0),
    bse: Position = (0, 0),
    transactable: int,
    in_smallcase: int,
    pledged: int | None,
) -> dict[str, object]:
    """Write a security of format v2; `pledged` is ``None`` where a broker hides it."""
    row: dict[str, object] = {
        "holdings": _write_position(held),
        "positions": {"nse": _write_position(nse), "bse": _write_position(bse)},
        "transactableQuantity": transactable,
        "smallcaseQuantity": in_smallcase,
        "nseTicker": names["nse"],
        "bseTicker": names["bse"],
        "isin": names["isin"],
        "name": names["name"],
    }
    if pledged is not None:
        row["collateralQuantity"] = pledged
    return row


def _write_position(position: Position) -> dict[str, object]:
    quantity, average = position
    return {"quantity": quantity, "averagePrice": average}


def write_basket(
    scid: str,
    name: str,
    *,
    value: object,
    returns: object,
    constituents: Iterable[tuple[str, int]],
) -> dict[str, object]:
    """Write a smallcase; `constituents` are tickers and shares."""
    return {
        "scid": scid,
        "name": name,
        "shortDescription": "Invented for the sandbox.",
        "imageUrl": "",
        "stats": {"currentValue": value, "totalReturns": returns},
        "constituents": [
            {"ticker": ticker, "shares": shares} for ticker, shares in constituents
        ],
    }


def write_account_body(
    securities: object,
    smallcases: object,
    *,
    at: str,
    auth_id: str,
    broker: str,
    updating: bool = False,
) -> dict[str, object]:
    """Write what a holdings reply and a webhook say of an account."""
    return {
        "securities": securities,
        "smallcases": smallcases,
        "updating": updating,
        "lastUpdate": at,
        "snapshotDate": at,
        "smallcaseAuthId": auth_id,
        "broker": broker,
    }


def _write_persona_arrow_row(view: View, key: str, lot: Lot) -> dict[str, object]:
    item = view.instrument(key)
    dark = item.delisted or _is_in_maintenance(view.instant)
    traded = market_open(view.instant) and not dark
    last = view.last_price(key)
    known = traded and lot.average is not None
    gain = (last - (lot.average or 0)) * lot.owned if known else None
    return write_arrow_row(
        [_write_symbol(item, listing) for listing in item.listings],
        settled=lot.settled,
        t1=lot.t1,
        pledged=lot.pledged,
        sellable=lot.settled + lot.t1,
        average="" if lot.average is None else _format_money(lot.average),
        haircut="0.00" if dark else item.haircut,
        last=_format_money(last) if traded else "",
        pnl="" if gain is None else _format_money(gain),
        close="" if dark else _format_money(view.close(key)),
    )


def _write_symbol(item: Instrument, listing: Listing) -> dict[str, str]:
    return {
        "symbol": listing.symbol,
        "tradingSymbol": listing.trading_symbol,
        "exchange": listing.exchange,
        "token": listing.token,
        "isin": item.isin,
    }


def _write_persona_v2_row(view: View, key: str, lot: Lot) -> dict[str, object] | None:
    held = lot.owned - lot.today
    if held == 0 and lot.today == 0:
        return None
    item = view.instrument(key)
    names = {one.exchange.lower(): one.symbol for one in item.listings}
    home = "nse" if "nse" in names else "bse"
    traded = (lot.today, lot.today_average or 0)
    average = lot.average_before if lot.today else lot.average
    row = write_v2_row(
        {"nse": None, "bse": None, "isin": item.isin, "name": item.name} | names,
        held=(held, average if held else None),
        nse=traded if home == "nse" else (0, 0),
        bse=traded if home == "bse" else (0, 0),
        transactable=lot.owned if home == "nse" else 0,
        in_smallcase=lot.in_smallcase,
        pledged=lot.pledged if view.persona.broker in SHOWS_PLEDGES else None,
    )
    if item.delisted:
        row["isSuspendedOrDelistedOnNSE"] = row["isSuspendedOrDelistedOnBSE"] = True
    return row


def _write_persona_v1_row(view: View, key: str, lot: Lot) -> dict[str, object] | None:
    item = view.instrument(key)
    nse = next((one for one in item.listings if one.exchange == "NSE"), None)
    shares = lot.owned - lot.in_smallcase
    if nse is None or shares == 0:
        return None
    return write_v1_row(nse.symbol, shares, item.name, lot.average)


def _write_smallcases(view: View, baskets: tuple[Basket, ...]) -> dict[str, object]:
    public, own = (
        [one for one in baskets if one.visibility == kind]
        for kind in ("public", "private")
    )
    private = [_write_persona_basket(view, one) for one in own]
    value = sum((_value_basket(view, one) for one in own), 0)
    stats = {"currentValue": value, "totalReturns": 0}
    forms: dict[str, object] = {
        "list": private,
        "stats": {"stats": stats},
        "investments": {"investments": private, "stats": stats},
    }
    return {
        "public": [_write_persona_basket(view, one) for one in public],
        "private": forms[view.persona.private_form],
    }


def _write_persona_basket(view: View, one: Basket) -> dict[str, object]:
    worth = _value_basket(view, one)
    cost = sum(
        ((view.lots[key].average or 0) * n for key, n in one.constituents), Decimal()
    )
    return write_basket(
        one.scid,
        one.name,
        value=worth,
        returns=worth - cost,
        constituents=[
            (view.instrument(key).listings[0].symbol, shares)
            for key, shares in one.constituents
        ],
    )


def _value_basket(view: View, one: Basket) -> Decimal:
    return sum(
        (view.last_price(key) * shares for key, shares in one.constituents),
        Decimal(),
    )


def _write_fund_rows(view: View) -> list[dict[str, object]]:
    yesterday = view.instant.astimezone(IST).date() - timedelta(days=1)
    priced_at = datetime.combine(yesterday, time(), IST)
    rows: list[dict[str, object]] = []
    for number, fund in enumerate(FUNDS):
        units, nav = Decimal("12.3450") * (number + 1), Decimal(fund.nav)
        average = (nav * Decimal("0.95")).quantize(Decimal("0.0001"))
        rows.append(
            {
                "folio": f"INV{number + 1:05d}",
                "fund": fund.name,
                "tradingsymbol": fund.trading_symbol,
                "isin": fund.isin,
                "quantity": units,
                "averagePrice": average if number == 0 else None,
                "lastPrice": nav,
                "lastPriceDate": format_iso(priced_at),
                "pnl": round_to_paisa((nav - average) * units) if number == 0 else None,
                "xirr": None,
            }
        )
    return rows


def _is_in_maintenance(instant: datetime) -> bool:
    return instant.astimezone(IST).hour == 0


def _format_money(value: Decimal) -> str:
    return str(round_to_paisa(value))
