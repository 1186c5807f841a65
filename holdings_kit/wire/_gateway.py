"""The smallcase Gateway holdings, v1 and v2, fetched or delivered.

The version is recognised by shape: v1 ``securities`` is an object with a list
``holdings``, v2 ``securities`` is a list. `docs/fidelity.md` says what is documented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from holdings_kit.errors import WireError
from holdings_kit.schema import MONEY
from holdings_kit.wire._batch import Batch
from holdings_kit.wire._parse import Json, as_text, parse
from holdings_kit.wire._published import list_members
from holdings_kit.wire._refusals import gateway_refusal
from holdings_kit.wire._rows import (
    Table,
    is_list,
    is_object,
    null_unpopulated,
    pick_scalars,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from holdings_kit.schema import Loaded

__all__ = ["FUNDS", "V1", "V2", "add", "decode", "weigh_average"]

V1: Final = Table(
    name="gateway-v1",
    fields={
        "ticker": ("ticker",),
        "exchange": ("exchange",),
        "shares": ("shares",),
        "name": ("name",),
        "averagePrice": ("averagePrice",),
    },
    numbers=("shares", "averagePrice"),
    figures=("averagePrice",),
    known=list_members("gateway-v1", "securities.holdings[]"),
    positive=("averagePrice",),
    holdings={
        "name": pl.col("name"),
        "owned_quantity": pl.col("shares"),
        "reported_quantity": pl.col("shares"),
        "average_price": null_unpopulated("averagePrice"),
    },
)
"""v1 merges holdings and positions and leaves out what smallcases hold."""

_TRADED: Final = pl.coalesce(
    pl.col("nse.quantity") + pl.col("bse.quantity"), "nse.quantity", "bse.quantity"
)

_BOUGHT: Final = [
    pl.when(pl.col(f"{exchange}.quantity") > 0).then(f"{exchange}.quantity")
    for exchange in ("nse", "bse")
]
_SOLD: Final = pl.any_horizontal(
    (pl.col(f"{exchange}.quantity") < 0).fill_null(value=False)
    for exchange in ("nse", "bse")
)


def weigh_average() -> pl.Expr:
    """Weigh the average of the holding with what was bought today.

    A sale leaves the average; a sale beside a purchase leaves it unknown, because it
    depends on which came first.
    """
    wide = pl.Decimal(38, 8)
    held = pl.col("quantity")
    old = (
        pl.when(held == 0)
        .then(pl.lit(0, wide))
        .otherwise(held.cast(wide) * null_unpopulated("averagePrice").cast(wide))
    )
    paid = [
        pl.when(units.is_null())
        .then(pl.lit(0, wide))
        .otherwise(
            units.cast(wide) * null_unpopulated(f"{exchange}.averagePrice").cast(wide)
        )
        for exchange, units in zip(("nse", "bse"), _BOUGHT, strict=True)
    ]
    bought = pl.sum_horizontal(units.fill_null(pl.lit(0, MONEY)) for units in _BOUGHT)
    return (
        pl.when(bought == 0)
        .then(null_unpopulated("averagePrice"))
        .when(~_SOLD & (held >= 0))
        .then(((old + paid[0] + paid[1]) / (held + bought).cast(wide)).cast(MONEY))
    )


V2: Final = Table(
    name="gateway-v2",
    fields={
        "quantity": ("holdings", "quantity"),
        "averagePrice": ("holdings", "averagePrice"),
        "nse.quantity": ("positions", "nse", "quantity"),
        "nse.averagePrice": ("positions", "nse", "averagePrice"),
        "bse.quantity": ("positions", "bse", "quantity"),
        "bse.averagePrice": ("positions", "bse", "averagePrice"),
        "transactableQuantity": ("transactableQuantity",),
        "smallcaseQuantity": ("smallcaseQuantity",),
        "collateralQuantity": ("collateralQuantity",),
        "nseTicker": ("nseTicker",),
        "bseTicker": ("bseTicker",),
        "isin": ("isin",),
        "name": ("name",),
        "suspendedOnNSE": ("isSuspendedOrDelistedOnNSE",),
        "suspendedOnBSE": ("isSuspendedOrDelistedOnBSE",),
    },
    numbers=(
        "quantity",
        "averagePrice",
        "nse.quantity",
        "nse.averagePrice",
        "bse.quantity",
        "bse.averagePrice",
        "transactableQuantity",
        "smallcaseQuantity",
        "collateralQuantity",
    ),
    figures=("averagePrice", "nse.averagePrice", "bse.averagePrice"),
    known=list_members("gateway-v2", "securities[]"),
    positive=("averagePrice",),
    holdings={
        "isin": pl.col("isin"),
        "name": pl.col("name"),
        # collateralQuantity is read as a part of the demat holding (fidelity table)
        "settled_quantity": pl.col("quantity") - pl.col("collateralQuantity"),
        "pledged_quantity": pl.col("collateralQuantity"),
        "position_quantity": _TRADED,
        "smallcase_quantity": pl.col("smallcaseQuantity"),
        # the holdings are those of the morning; today's net trades stand apart
        "owned_quantity": (
            pl.col("quantity") + _TRADED.fill_null(pl.lit(0, MONEY))
        ).cast(MONEY),
        "reported_quantity": pl.col("quantity"),
        "sellable_quantity": pl.col("transactableQuantity"),
        # transactable = NSE holdings + NSE positions: says nothing on BSE-only rows
        "reconciles": pl.when(pl.col("nseTicker").is_not_null()).then(
            pl.col("transactableQuantity")
            == pl.col("quantity") + pl.col("nse.quantity")
        ),
        "average_price": weigh_average(),
    },
    extra=(
        "nse.quantity",
        "nse.averagePrice",
        "bse.quantity",
        "bse.averagePrice",
        "suspendedOnNSE",
        "suspendedOnBSE",
    ),
)

FUNDS: Final = Table(
    name="gateway-funds",
    fields={
        name: (name,)
        for name in (
            "folio",
            "fund",
            "tradingsymbol",
            "isin",
            "quantity",
            "averagePrice",
            "lastPrice",
            "lastPriceDate",
            "pnl",
            "xirr",
        )
    },
    numbers=("quantity", "averagePrice", "lastPrice", "pnl"),
    figures=("averagePrice", "lastPrice", "pnl"),
    instants=("lastPriceDate",),
    known=list_members("gateway-v2", "mutualFunds.holdings[]"),
    positive=("averagePrice", "lastPrice"),
    holdings={
        "isin": pl.col("isin"),
        "name": pl.col("fund"),
        "asset_class": pl.lit("mutual_fund"),
        "owned_quantity": pl.col("quantity"),
        "reported_quantity": pl.col("quantity"),
        "average_price": null_unpopulated("averagePrice"),
        "last_price": null_unpopulated("lastPrice"),
        "price_at": pl.col("lastPriceDate"),
        "reported_pnl": pl.col("pnl"),
    },
    extra=("folio", "xirr"),
)

_DATA = list_members("gateway-v2", "")
_FACTS: Final = {
    "broker": ("broker",),
    "account_id": ("smallcaseAuthId",),
    "transaction_id": ("transactionId",),
    "notes": ("notes",),
    "snapshot_at": ("snapshotDate",),
}
_BASKET: Final = {
    "basket_id": ("scid",),
    "basket_name": ("name",),
    "current_value": ("stats", "currentValue"),
    "total_returns": ("stats", "totalReturns"),
    "current_returns": ("stats", "currentReturns"),
}
_BASKET_KEYS = list_members("gateway-v2", "smallcases.public[]")
_CONSTITUENT: Final = {"symbol": ("ticker",), "quantity": ("shares",)}


def decode(
    body: bytes, *, fetched_at: datetime, source: str, account_id: str | None = None
) -> Loaded:
    """Decode one holdings reply; a row that cannot be read becomes a reject.

    Parameters
    ----------
    account_id
        Whose holdings were asked for; stands in where the reply does not say.

    Raises
    ------
    WireError
        Not JSON, or neither v1 nor v2, or the holdings of another account.
    SourceError
        The body says ``success: false``, whatever the HTTP status was.
    """
    payload = parse(body, source=source)
    refusal = gateway_refusal(None, payload)
    if refusal is not None:
        raise refusal
    batch = Batch()
    data = payload.get("data", payload) if is_object(payload) else payload
    root = "/data" if is_object(payload) and "data" in payload else ""
    said = data.get("smallcaseAuthId") if is_object(data) else None
    if account_id is not None and said not in (None, "", account_id):
        raise WireError(source, f"{root}/smallcaseAuthId", "is another account's")
    add(
        batch,
        data,
        source=source,
        root=root,
        fetched_at=fetched_at.isoformat(),
        file=source,
        **({} if account_id is None else {"account_id": account_id}),
    )
    if is_object(payload) and root:
        batch.unknown(payload, frozenset({"success", "errors", "data"}), "")
    return batch.load()


def add(
    batch: Batch, data: Json, *, source: str, root: str = "", **facts: object
) -> None:
    """Add the holdings of one user to a batch; `facts` are columns of its document.

    Raises
    ------
    WireError
        The object is neither v1 nor v2.
    """
    version = shape(data, source=source, root=root)
    if not is_object(data):
        return
    texts, faults = pick_scalars(data, _FACTS)
    said = {column: text or None for column, text in texts.items()}
    batch.document(
        source="gateway",
        format=f"gateway-{version}",
        scope=_tell_scope(data),
        holdings_known=data.get("securities") is not None
        or data.get("mutualFunds") is not None,
        **(said | facts),
    )
    for fault in faults:
        batch.fault(f"{root}/{fault}", data.get(fault.split(":")[0]))
    batch.unknown(data, _DATA, root)
    if data.get("updating"):
        batch.notice("updating", f"{root}/updating", "true")
    _securities(batch, data.get("securities"), version, f"{root}/securities")
    _funds(batch, data.get("mutualFunds"), f"{root}/mutualFunds")
    _smallcases(batch, data.get("smallcases"), f"{root}/smallcases")


def _tell_scope(data: Mapping[str, Json]) -> str | None:
    """Tell what was asked for: a list that is not there was not, an empty one is none.

    >>> _tell_scope({"securities": [], "mutualFunds": {"holdings": []}})
    'securities+funds'
    >>> _tell_scope({"securities": []})
    'securities'
    """
    funds = data.get("mutualFunds")
    listed = funds.get("holdings") if is_object(funds) else funds
    asked = {"securities": data.get("securities"), "funds": listed}
    return "+".join(part for part, held in asked.items() if held is not None) or None


def shape(data: Json, *, source: str, root: str) -> Literal["v1", "v2"]:
    """Tell v1 from v2 by the shape of ``securities``.

    >>> shape({"securities": []}, source="doc", root="")
    'v2'
    >>> shape({"securities": {"holdings": []}}, source="doc", root="")
    'v1'
    """
    if not is_object(data):
        raise WireError(source, root, f"{as_text(data)[:40]} is no object")
    if not data.keys() & {"securities", "mutualFunds"}:
        raise WireError(source, root, 'no "securities": neither v1 nor v2 holdings')
    securities = data.get("securities")
    if is_object(securities):
        return "v1"
    if securities is None or isinstance(securities, list):
        return "v2"
    raise WireError(
        source, f"{root}/securities", f"{as_text(securities)[:40]} is neither v1 nor v2"
    )


def _securities(batch: Batch, securities: Json, version: str, pointer: str) -> None:
    if version == "v1" and is_object(securities):
        batch.unknown(securities, frozenset({"holdings"}), pointer)
        pointer, securities = f"{pointer}/holdings", securities.get("holdings")
    for number, row in _items(batch, securities, pointer):
        here = f"{pointer}/{number}"
        listings = _v1_listing(row) if version == "v1" else _v2_listings(row)
        batch.row(V1 if version == "v1" else V2, row, here, listings)


def _funds(batch: Batch, funds: Json, pointer: str) -> None:
    if is_object(funds):
        batch.unknown(funds, frozenset({"holdings"}), pointer)
        pointer, funds = f"{pointer}/holdings", funds.get("holdings")
    for number, row in _items(batch, funds, pointer):
        listing = _listing("MF", row, "tradingsymbol", code="folio")
        batch.row(FUNDS, row, f"{pointer}/{number}", listing)


def _smallcases(batch: Batch, smallcases: Json, pointer: str) -> None:
    """Read public and private smallcases; private ones come in three shapes."""
    if smallcases is None:
        return
    if not is_object(smallcases):
        batch.fault(f"{pointer}: neither public nor private", smallcases)
        return
    batch.unknown(smallcases, frozenset({"public", "private"}), pointer)
    for number, item in _items(batch, smallcases.get("public"), f"{pointer}/public"):
        _basket(batch, item, "public", f"{pointer}/public/{number}")
    private, pointer = smallcases.get("private"), f"{pointer}/private"
    if is_object(private):
        batch.unknown(private, frozenset({"investments", "stats"}), pointer)
        listed = private.get("investments")
        stats = private.get("stats")
        if stats is not None and listed is None:
            _basket(batch, {"stats": stats}, "private", pointer)
        elif stats is not None:  # a total of the baskets that follow
            batch.notice("basket_total", f"{pointer}/stats", stats)
        private, pointer = listed, f"{pointer}/investments"
    for number, item in _items(batch, private, pointer):
        _basket(batch, item, "private", f"{pointer}/{number}")


def _basket(batch: Batch, item: Json, visibility: str, pointer: str) -> None:
    """Add a smallcase: one row per constituent, or one without a symbol."""
    if not is_object(item):
        batch.fault(f"{pointer}: {as_text(item)[:40]} is no object", item)
        return
    batch.unknown(item, _BASKET_KEYS, pointer, inside=_BASKET)
    facts, faults = pick_scalars(item, _BASKET)
    held = _items(batch, item.get("constituents"), f"{pointer}/constituents")
    rows = [(f"{pointer}/constituents/{number}", row) for number, row in held]
    for here, row in rows or [(pointer, {})]:
        if not is_object(row):
            batch.fault(f"{here}: {as_text(row)[:40]} is no object", row)
            continue
        part, wrong = pick_scalars(row, _CONSTITUENT)
        batch.unknown(row, frozenset({"ticker", "shares"}), here)
        faults += wrong
        batch.basket(pointer=here, visibility=visibility, **facts, **part)
    for fault in faults:
        batch.fault(f"{pointer}: {fault}", item)


def _items(batch: Batch, value: Json, pointer: str) -> Iterator[tuple[int, Json]]:
    """Count the items of a list off; null is none, anything else is a fault."""
    if is_list(value):
        yield from enumerate(value)
    elif value is not None:
        batch.fault(f"{pointer}: {as_text(value)[:40]} is no list", value)


def _v1_listing(row: Json) -> list[dict[str, str | None]]:
    """v1 leaves out BSE-only stocks, so a ticker without an exchange is NSE's."""
    said = row.get("exchange") if is_object(row) else None
    return _listing(said if isinstance(said, str) and said else "NSE", row, "ticker")


def _v2_listings(row: Json) -> list[dict[str, str | None]]:
    return [*_listing("NSE", row, "nseTicker"), *_listing("BSE", row, "bseTicker")]


def _listing(
    exchange: str, row: Json, symbol: str, code: str = ""
) -> list[dict[str, str | None]]:
    texts: Mapping[str, Json] = row if is_object(row) else {}
    ticker, isin = texts.get(symbol), texts.get("isin")
    if not isinstance(ticker, str) or not ticker:
        return []
    number = texts.get(code) if code else None
    return [
        {
            "exchange": exchange,
            "symbol": ticker,
            "token": number if isinstance(number, str) else None,
            "isin": isin if isinstance(isin, str) and isin else None,
        }
    ]
