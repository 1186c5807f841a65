"""The Gateway's rows and documents: one struct frame, and what is made of it.

Both readers give documents of one shape. The quick one reads numbers where it can, the
strict one gives every value as text; `GatewayShape` makes facts of either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.schema import MONEY, empty
from holdings_kit.wire._facts import (
    DOCUMENT,
    READ_FAULT,
    Found,
    fill_holdings,
    find_lost_instants,
    read_rows,
)
from holdings_kit.wire._gateway_baskets import PRIVATE, read_baskets
from holdings_kit.wire._keyed import HELD, LISTING, Facts, merge_facts
from holdings_kit.wire._published import build_schema, list_members
from holdings_kit.wire._quick_lines import TwoShapes
from holdings_kit.wire._rows import (
    NOTICE,
    ROW,
    Table,
    explode_items,
    instant,
    is_typed,
    null_unpopulated,
    stack_frames,
)
from holdings_kit.wire._signing import webhook_checksum_ok

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdings_kit.wire._signing import Secrets

SECURITIES: Final = TwoShapes("securities", "{")  # v1

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
    flags=("suspendedOnNSE", "suspendedOnBSE"),
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

_LIMIT: Final = 10**18  # MONEY holds 18 digits, and Arrow does not count them
_WIDE: Final = pl.Decimal(38, 18)  # basket figures: rounded to MONEY without a remark


def _choose_type(path: str) -> pl.DataType:
    if path.endswith(".xirr"):
        return pl.String()
    return _WIDE if path.startswith("smallcases.") else MONEY


_OTHER_SHAPES: Final = {
    "smallcases.private[]": PRIVATE.other,
    "securities": SECURITIES.other,
}
_QUICK: Final = pl.Schema(
    {
        **build_schema("gateway-v1", number=_choose_type, other=_OTHER_SHAPES),
        **build_schema("gateway-v2", number=_choose_type, other=_OTHER_SHAPES),
    }
)
_TEXT: Final = pl.String()


def _build_strict() -> pl.Schema:
    v1, v2 = (
        build_schema(name, number=lambda _: _TEXT, flag=_TEXT, other=_OTHER_SHAPES)
        for name in ("gateway-v1", "gateway-v2")
    )
    # a row of v1 that names its ISIN all the same is found by it
    row = dict.fromkeys((*V1.fields, "isin"), _TEXT)
    v1 = {**v1, SECURITIES.other: pl.Struct({"holdings": pl.List(pl.Struct(row))})}
    # what only the payload itself can tell
    flags = dict.fromkeys(("checksum_ok", "holdings_known"), pl.Boolean())
    return pl.Schema({**v1, **v2, **flags, "scope": _TEXT, "funds_at": _TEXT})


_STRICT: Final = _build_strict()


_SHARES: Final = pl.any_horizontal(pl.col("securities", SECURITIES.other).is_not_null())
_HAS_FUNDS: Final = pl.col("mutualFunds").struct.field("holdings").is_not_null()
_SCOPE: Final = (
    pl.when(_SHARES & _HAS_FUNDS)
    .then(pl.lit("securities+funds"))
    .when(_SHARES)
    .then(pl.lit("securities"))
    .when(_HAS_FUNDS)
    .then(pl.lit("funds"))
)
"""What was asked for: a list that is not there was not, an empty one is none."""


class GatewayShape:
    """The struct frame of Gateway documents, and what is made of it."""

    schema = _QUICK
    strict_schema = _STRICT
    two_shapes = (SECURITIES, PRIVATE)
    numbers = ("xirr", "folio")

    def __init__(self, root: str = "", api_secret: Secrets | None = None) -> None:
        self._root, self._api_secret = root, api_secret

    def interpret(self, rows: pl.DataFrame, /) -> Found:
        """Make facts of documents, whichever reader they came from."""
        if "holdings_known" not in rows.columns:
            rows = rows.with_columns(
                checksum_ok=_verify_checksums(rows, self._api_secret),
                holdings_known=pl.lit(value=True),
                scope=_SCOPE,
                funds_at=pl.lit("/mutualFunds/holdings"),
            )
        second = pl.col(SECURITIES.other).is_null()
        first = rows.filter(~second)
        parts = [("v2", rows.filter(second) if first.height else rows)]
        if first.height:
            v1 = first.with_columns(securities=SECURITIES.other)
            parts = [("v1", v1), *parts] if parts[0][1].height else [("v1", v1)]
        found = [_read_facts(version, part, self._root) for version, part in parts]
        facts = merge_facts([part.facts for part in found])
        return Found(facts, pl.concat([part.doubtful for part in found]))


_SHAPES: Final = {root: GatewayShape(root) for root in ("", "/data")}


def gateway_shape(root: str) -> GatewayShape:
    """Give the shape of documents whose holdings stand at `root` of their payload."""
    return _SHAPES[root]


def webhook_shape(api_secret: Secrets | None) -> GatewayShape:
    """Give the shape of webhook lines; the checksum is verified with `api_secret`."""
    return GatewayShape(api_secret=api_secret)


def _verify_checksums(
    rows: pl.DataFrame, api_secret: Secrets | None
) -> pl.Expr | pl.Series:
    if api_secret is None:
        return pl.lit(None, pl.Boolean())
    asked = rows.select("timestamp", "checksum", "smallcaseAuthId", "transactionId")
    fits = [webhook_checksum_ok(row, api_secret) for row in asked.iter_rows(named=True)]
    return pl.Series(fits, dtype=pl.Boolean())


def _read_facts(version: str, rows: pl.DataFrame, root: str) -> Found:
    rows = rows.rechunk()  # once, not with each look at them
    documents = rows.select(_DOCUMENTS[version])
    lost = find_lost_instants(rows, documents, _INSTANTS)
    securities = pl.col("securities")
    if version == "v1":
        listed = securities.struct.field("holdings")
        first = _read_table(rows, V1, listed, pl.lit(f"{root}/securities/holdings"))
    else:
        listed = securities
        first = _read_table(rows, V2, listed, pl.lit(f"{root}/securities"))
    # funds are numbered after the securities of their document
    funds = _read_table(
        rows,
        FUNDS,
        pl.col("mutualFunds").struct.field("holdings"),
        pl.col("funds_at"),
        before=listed.list.len(),
    )
    held_in = read_baskets(rows, root)
    holdings = stack_frames([first.holdings, funds.holdings])
    if funds.holdings.height:
        holdings = holdings.sort(ROW)
    facts = Facts(
        documents,
        holdings,
        stack_frames([first.listings, funds.listings]).sort(ROW, maintain_order=True),
        held_in.rows,
        stack_frames([first.notices, funds.notices, held_in.notices]),
        stack_frames([lost, first.faults, funds.faults, held_in.faults]),
    )
    doubts = [rows.select(_ODD[version]).to_series(), facts.faults["doc"]]
    doubts += [first.doubtful, funds.doubtful, held_in.doubtful]
    return Found(facts, pl.concat(doubts))


_INSTANTS: Final = {"snapshot_at": "snapshotDate", "fetched_at": "timestamp"}
_DOCUMENTS: Final = {
    version: [
        column.alias(name)
        for name, column in {
            **{name: pl.col(name) for name in DOCUMENT if name not in _INSTANTS},
            **{name: instant(said) for name, said in _INSTANTS.items()},
            **{
                name: pl.when(pl.col(said) != "").then(pl.col(said))
                for name, said in (
                    ("broker", "broker"),
                    ("account_id", "smallcaseAuthId"),
                    ("transaction_id", "transactionId"),
                    ("notes", "notes"),
                )
            },
            "source": pl.lit("gateway"),
            "format": pl.lit(f"gateway-{version}"),
        }.items()
    ]
    for version in ("v1", "v2")
}
_TWO: Final = pl.col("smallcases").struct.field("private").struct
_ODD: Final = {
    version: pl.col("doc").filter(
        # securities of v1 and null would be those of v2; without any list the strict
        # reader has to tell a missing field from a null
        (
            pl.col("securities").is_null()
            & (pl.lit(version == "v1") | pl.col("mutualFunds").is_null())
        )
        # these two are remarked on by the strict reader alone
        | (pl.col("updating").cast(pl.String()) == "true").fill_null(value=False)
        | (_TWO.field("stats").is_not_null() & _TWO.field("investments").is_not_null())
    )
    for version in ("v1", "v2")
}
"""What only the strict reader decides on."""


class _Part(NamedTuple):
    holdings: pl.DataFrame
    listings: pl.DataFrame
    notices: pl.DataFrame
    faults: pl.DataFrame
    doubtful: pl.Series


_NO_DOUBT: Final = pl.Series("doc", dtype=pl.Int64())


def _read_table(
    rows: pl.DataFrame,
    table: Table,
    items: pl.Expr,
    pointer: pl.Expr,
    *,
    before: pl.Expr | None = None,
) -> _Part:
    """Read one list of every document as rows of one table."""
    offset = pl.lit(0) if before is None else before.fill_null(0)
    listed = rows.select("doc", item=items, offset=offset.cast(pl.Int64()), at=pointer)
    found = explode_items(listed, pl.col("item"), keep=("doc", "offset", "at"))
    doubtful = _NO_DOUBT
    if found["item"].null_count():
        missing = pl.col("item").is_null()
        doubtful, found = found.filter(missing)["doc"], found.filter(~missing)
    if not found.height:
        return _Part(
            empty(HELD), empty(LISTING), empty(NOTICE), empty(READ_FAULT), doubtful
        )
    text = found.select(
        "doc",
        *(_open_path(path).alias(column) for column, path in table.fields.items()),
        *([] if "isin" in table.fields else [_find_isin(found)]),
        "at",
        "no",
        holding_no=pl.col("no") + pl.col("offset"),
    )
    if is_typed(text, table):
        large = _find_large(text, table)
        if large.len():  # what is made of them would be too large as well
            doubtful = pl.concat([doubtful, large])
            text = text.with_columns(
                pl.when(pl.col(column).to_physical().abs() < _LIMIT).then(
                    pl.col(column)
                )
                for column in table.numbers
            )
    name = "ticker" if table.name == V1.name else "isin"
    twice = text.group_by("doc").agg(twice=pl.col(name).n_unique() < pl.len())
    alike = pl.repeat(value=False, n=text.height, eager=True)
    if twice["twice"].any():
        alike = text.select(pl.struct("doc", name).is_duplicated()).to_series()
    whole = pl.struct(*{**table.fields, "isin": ()}).struct.json_encode()
    read, notices, faults = read_rows(text, table, alike=alike, whole=whole)
    listings = _read_listings(read, table)
    return _Part(fill_holdings(read, table), listings, notices, faults, doubtful)


def _open_path(path: Sequence[str]) -> pl.Expr:
    value = pl.col("item")
    for step in path:
        value = value.struct.field(step)
    return value


def _find_isin(found: pl.DataFrame) -> pl.Expr:
    """Give the ISIN of a row of v1, which has none by the book: strict reader only."""
    kind = found.schema["item"]
    if isinstance(kind, pl.Struct) and "isin" in kind.to_schema():
        return pl.col("item").struct.field("isin")
    return _NOTHING.alias("isin")


def _find_large(typed: pl.DataFrame, table: Table) -> pl.Series:
    """Find documents with a number that is too large."""
    sizes = [pl.col(column).to_physical().abs() for column in table.numbers]
    largest = typed.select(pl.max_horizontal(size.max() for size in sizes)).item()
    if (largest or 0) < _LIMIT:
        return _NO_DOUBT
    large = pl.any_horizontal(size >= _LIMIT for size in sizes)
    return typed.filter(large.fill_null(value=False))["doc"]


_NOTHING: Final = pl.lit(None, pl.String())
_PLACES: Final = {
    V1.name: [
        (pl.coalesce("exchange", pl.lit("NSE")), "ticker", _NOTHING, pl.col("isin"))
    ],
    V2.name: [
        (pl.lit("NSE"), "nseTicker", _NOTHING, pl.col("isin")),
        (pl.lit("BSE"), "bseTicker", _NOTHING, pl.col("isin")),
    ],
    FUNDS.name: [(pl.lit("MF"), "tradingsymbol", pl.col("folio"), pl.col("isin"))],
}
"""Exchange, symbol, token and ISIN; v1 leaves out BSE-only stocks, so a ticker without
an exchange is NSE's."""


def _read_listings(read: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Give the places a row is listed at."""
    return pl.concat(
        read.select(
            "doc",
            "holding_no",
            exchange=exchange,
            symbol=symbol,
            trading_symbol=_NOTHING,
            token=token,
            isin=isin,
        ).filter(pl.col("symbol").is_not_null())
        for exchange, symbol, token, isin in _PLACES[table.name]
    )
