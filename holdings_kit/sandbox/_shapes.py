"""One person's lots, written as each API writes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Final

from holdings_kit.sandbox._clock import IST, iso, market_open
from holdings_kit.sandbox._personas import SHOWS_PLEDGES, published_sample
from holdings_kit.sandbox._universe import FUNDS, Instrument, Listing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdings_kit.sandbox._lots import Lot
    from holdings_kit.sandbox._personas import Basket, Persona
    from holdings_kit.sandbox._timeline import Timeline

__all__ = ["View", "arrow_holdings", "gateway_holdings", "limits", "to_bytes"]

_CENT: Final = Decimal("0.01")


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


def arrow_holdings(view: View) -> bytes:
    """Write ``GET /user/holdings``; the sample's owner gets the published bytes."""
    if view.persona.key == "sample":
        return published_sample()
    rows = [_arrow_row(view, k, lot) for k, lot in view.lots.items() if lot.owned]
    return to_bytes({"data": rows, "status": "success"})


def gateway_holdings(
    view: View, *, version: str, mutual_funds: bool, empty: bool = False
) -> dict[str, object]:
    """Write the ``data`` of a holdings reply, which is also a webhook's body."""
    lots: Mapping[str, Lot] = {} if empty else view.lots
    securities: object = [
        row for key, lot in lots.items() if (row := _v2_row(view, key, lot))
    ]
    if version != "v2":
        v1 = [row for key, lot in lots.items() if (row := _v1_row(view, key, lot))]
        securities = {"holdings": v1}
    data: dict[str, object] = {
        "securities": securities,
        "smallcases": _smallcases(view, () if empty else view.persona.baskets),
        "updating": False,
        "lastUpdate": iso(view.instant),
        "snapshotDate": iso(view.instant),
        "smallcaseAuthId": view.persona.auth_id,
        "broker": view.persona.broker,
    }
    if mutual_funds:
        held = view.persona.mutual_funds and not empty
        data["mutualFunds"] = {"holdings": _funds(view) if held else []}
    return data


def limits(view: View) -> dict[str, object]:
    """Write the ``data`` of ``GET /user/limits``: invented cash, pledged collateral."""
    collateral = sum(
        (
            lot.pledged * view.close(key) * (1 - _haircut(view.instrument(key)) / 100)
            for key, lot in view.lots.items()
            if not view.instrument(key).delisted
        ),
        Decimal(),
    )
    total = _money(collateral)
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
            **{f"{k}{m}": _money(v) for k, v in kinds.items() for m in moments},
        }

    allocated = _money(cash + equivalent + Decimal(total))
    return {
        "allocations": [
            allocation("CM", 1),
            allocation("FO", 0),
            allocation("MCX", 0),
        ],
        "margin": {"allocated": allocated, "utilized": "0.00"},
    }


def to_bytes(value: object) -> bytes:
    """Write JSON the same way every time; exact decimals as plain numbers."""
    return json.dumps(value, separators=(",", ":"), default=float).encode()


def _arrow_row(view: View, key: str, lot: Lot) -> dict[str, object]:
    item = view.instrument(key)
    dark = item.delisted or _maintenance(view.instant)
    traded = market_open(view.instant) and not dark
    last = view.last_price(key)
    known = traded and lot.average is not None
    gain = (last - (lot.average or 0)) * lot.owned if known else None
    owned = str(lot.owned)
    return {
        "symbols": [_arrow_symbol(item, listing) for listing in item.listings],
        "avgPrice": "" if lot.average is None else _money(lot.average),
        "qty": owned,
        "usedQty": "0",
        "t1Qty": str(lot.t1),
        "depositoryQty": str(lot.settled),
        "collateralQty": "",
        "brokerCollateralQty": _money(Decimal(lot.pledged)),
        "authorizedQty": "0",
        "unPledgedQty": "0",
        "nonPOAQty": "0",
        "haircut": "0.00" if dark else item.haircut,
        "effectiveQty": owned,
        "sellableQty": str(lot.settled + lot.t1),
        "ltp": _money(last) if traded else "",
        "pnl": "" if gain is None else _money(gain),
        "close": "" if dark else _money(view.close(key)),
    }


def _arrow_symbol(item: Instrument, listing: Listing) -> dict[str, str]:
    return {
        "symbol": listing.symbol,
        "tradingSymbol": listing.trading_symbol,
        "exchange": listing.exchange,
        "token": listing.token,
        "isin": item.isin,
    }


def _v2_row(view: View, key: str, lot: Lot) -> dict[str, object] | None:
    held = lot.owned - lot.today
    if held == 0 and lot.today == 0:
        return None
    item = view.instrument(key)
    names = {one.exchange: one.symbol for one in item.listings}
    home = "nse" if "NSE" in names else "bse"
    nothing = {"quantity": 0, "averagePrice": 0}
    traded = {"quantity": lot.today, "averagePrice": lot.today_average or 0}
    average = lot.average_before if lot.today else lot.average
    row: dict[str, object] = {
        "holdings": {"quantity": held, "averagePrice": average if held else None},
        "positions": {
            "nse": traded if home == "nse" else nothing,
            "bse": traded if home == "bse" else nothing,
        },
        "transactableQuantity": lot.owned if home == "nse" else 0,
        "smallcaseQuantity": lot.in_smallcase,
        "nseTicker": names.get("NSE"),
        "bseTicker": names.get("BSE"),
        "isin": item.isin,
        "name": item.name,
    }
    if view.persona.broker in SHOWS_PLEDGES:
        row["collateralQuantity"] = lot.pledged
    if item.delisted:
        row["isSuspendedOrDelistedOnNSE"] = row["isSuspendedOrDelistedOnBSE"] = True
    return row


def _v1_row(view: View, key: str, lot: Lot) -> dict[str, object] | None:
    item = view.instrument(key)
    nse = next((one for one in item.listings if one.exchange == "NSE"), None)
    shares = lot.owned - lot.in_smallcase
    if nse is None or shares == 0:
        return None
    return {
        "ticker": nse.symbol,
        "shares": shares,
        "name": item.name,
        "exchange": "NSE",
        "averagePrice": lot.average,
    }


def _smallcases(view: View, baskets: tuple[Basket, ...]) -> dict[str, object]:
    public = [_basket(view, one) for one in baskets if one.visibility == "public"]
    private = [_basket(view, one) for one in baskets if one.visibility == "private"]
    value = sum((_worth(view, b) for b in baskets if b.visibility == "private"), 0)
    stats = {"currentValue": value, "totalReturns": 0}
    forms: dict[str, object] = {
        "list": private,
        "stats": {"stats": stats},
        "investments": {"investments": private, "stats": stats},
    }
    return {"public": public, "private": forms[view.persona.private_form]}


def _basket(view: View, basket: Basket) -> dict[str, object]:
    worth = _worth(view, basket)
    cost = sum(
        ((view.lots[key].average or 0) * n for key, n in basket.constituents), Decimal()
    )
    return {
        "scid": basket.scid,
        "name": basket.name,
        "shortDescription": "Invented for the sandbox.",
        "imageUrl": "",
        "stats": {"currentValue": worth, "totalReturns": worth - cost},
        "constituents": [
            {"ticker": view.instrument(key).listings[0].symbol, "shares": shares}
            for key, shares in basket.constituents
        ],
    }


def _worth(view: View, basket: Basket) -> Decimal:
    return sum(
        (view.last_price(key) * shares for key, shares in basket.constituents),
        Decimal(),
    )


def _funds(view: View) -> list[dict[str, object]]:
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
                "lastPriceDate": iso(priced_at),
                "pnl": _rounded((nav - average) * units) if number == 0 else None,
                "xirr": None,
            }
        )
    return rows


def _maintenance(instant: datetime) -> bool:
    return instant.astimezone(IST).hour == 0


def _haircut(item: Instrument) -> Decimal:
    return Decimal(item.haircut)


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_CENT, ROUND_HALF_UP)


def _money(value: Decimal) -> str:
    return str(_rounded(value))
