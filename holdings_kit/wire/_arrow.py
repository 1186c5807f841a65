"""The Arrow holdings reply: ``{"data": [...], "status": "success"}``.

Published at docs.arrow.trade, ``GET /user/holdings``; `docs/fidelity.md` says which
statements are documented and which were seen on published payloads. Both readers give
documents of `ARROW_SHAPE`'s schema, and `interpret` makes facts of them.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.errors import SourceError, WireError
from holdings_kit.schema import RATE, VALUE, Loaded, empty
from holdings_kit.wire._batch import Batch
from holdings_kit.wire._facts import (
    BASKET,
    DOCUMENT,
    PLACE,
    Found,
    fill_holdings,
    find_lost_instants,
    read_rows,
)
from holdings_kit.wire._keyed import Facts
from holdings_kit.wire._parse import Json, as_text, parse
from holdings_kit.wire._published import build_schema, list_members
from holdings_kit.wire._refusals import arrow_refusal
from holdings_kit.wire._rows import (
    Table,
    explode_items,
    instant,
    is_list,
    is_object,
    is_percentage,
    null_unpopulated,
    write_instant,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from holdings_kit.wire._quick_lines import TwoShapes

_QUANTITIES = (
    "qty",
    "usedQty",
    "t1Qty",
    "depositoryQty",
    "brokerCollateralQty",
    "effectiveQty",
    "sellableQty",
)
_UNMAPPED = (
    "collateralQty",
    "authorizedQty",
    "unPledgedQty",
    "nonPOAQty",
    "pendingCollateralQty",
)
_PRICES = ("avgPrice", "ltp", "close")

BUCKETS: Final = (
    pl.col("depositoryQty") + pl.col("t1Qty") + pl.col("brokerCollateralQty")
)
"""Arrow's identity: ``qty`` is the sum of these, on 17 of 17 published rows."""

ARROW: Final = Table(
    name="arrow",
    fields={
        name: (name,) for name in (*_QUANTITIES, *_UNMAPPED, *_PRICES, "pnl", "haircut")
    },
    numbers=(*_QUANTITIES, *_PRICES, "pnl", "haircut"),
    known=list_members("arrow", "data[]"),
    figures=(*_PRICES, "pnl", "haircut"),
    positive=_PRICES,
    percentages=("haircut",),
    holdings={
        "settled_quantity": pl.col("depositoryQty"),
        "t1_quantity": pl.col("t1Qty"),
        "pledged_quantity": pl.col("brokerCollateralQty"),
        "used_quantity": pl.col("usedQty"),
        "owned_quantity": pl.coalesce(BUCKETS, "qty"),
        "reported_quantity": pl.col("qty"),
        "sellable_quantity": pl.col("sellableQty"),
        "effective_quantity": pl.col("effectiveQty"),
        "reconciles": pl.col("qty") == BUCKETS,
        "average_price": null_unpopulated("avgPrice"),
        "last_price": null_unpopulated("ltp"),
        "close_price": null_unpopulated("close"),
        "reported_pnl": pl.col("pnl"),
        # a percentage on the wire; 0 beside an empty close is "not populated"
        "haircut": pl.when(
            is_percentage("haircut"),
            (pl.col("haircut") != 0) | null_unpopulated("close").is_not_null(),
        ).then((pl.col("haircut").cast(VALUE) / 100).cast(RATE, strict=False)),
    },
    extra=_UNMAPPED,
)
_LISTED: Final = {
    "exchange": "exchange",
    "symbol": "symbol",
    "trading_symbol": "tradingSymbol",
    "token": "token",
    "isin": "isin",
}
"""Our names for what ``symbols`` says of one exchange, and the wire's."""
_ENTRY: Final = {name: (name,) for name in _LISTED.values()}
_KNOWN_ENTRY: Final = list_members("arrow", "data[].symbols[]")
_SCHEMA: Final = pl.Schema(
    {
        "account_id": pl.String(),
        "snapshot_at": pl.String(),
        # every scalar is text on this wire
        **build_schema("arrow", number=lambda _: pl.String()),
    }
)
_AT_ONCE: Final = 500  # bodies parsed at once: more cost memory, fewer time
_ENVELOPE = frozenset({"data", "status"})


def decode(
    body: bytes, *, account_id: str, snapshot_at: datetime, source: str
) -> Loaded:
    """Decode one holdings reply; a row that cannot be read becomes a reject.

    Raises
    ------
    WireError
        Not JSON, or not the published envelope.
    SourceError
        The body is one of the published error bodies.
    """
    batch = Batch()
    add(
        batch,
        parse(body, source=source),
        source=source,
        account_id=account_id,
        snapshot_at=write_instant(snapshot_at),
        file=source,
    )
    return batch.load()


class Reply(NamedTuple):
    """One body of ``GET /user/holdings``, with what it does not say itself."""

    body: bytes
    account_id: str
    snapshot_at: datetime
    source: str  # a name for errors and rejects


def decode_many(replies: Iterable[Reply]) -> Loaded:
    """Decode many replies at once; one that cannot be read becomes a reject."""
    parts: list[Loaded] = []
    rest = iter(replies)
    while some := list(islice(rest, _AT_ONCE)):
        batch = Batch()
        for place, reply in enumerate(some):
            batch.doc = place
            try:
                payload = parse(reply.body, source=reply.source)
                add(
                    batch,
                    payload,
                    source=reply.source,
                    account_id=reply.account_id,
                    snapshot_at=write_instant(reply.snapshot_at),
                    file=reply.source,
                )
            except WireError as error:
                reason = f"at {error.pointer or 'the top'}: {error.reason}"
                batch.reject(reply.source, None, reason, reply.body)
            except SourceError as error:
                batch.reject(reply.source, None, str(error), reply.body)
        parts.append(batch.load())
    if len(parts) == 1:
        return parts[0]
    frames = zip(*(parts or [Batch().load()]), strict=True)
    return Loaded(*(pl.concat(same) for same in frames))


def add(
    batch: Batch,
    payload: Json,
    *,
    source: str,
    account_id: str | None,
    snapshot_at: str | None,
    file: str,
    line_no: int | None = None,
    raw: bytes | None = None,
) -> None:
    """Add one parsed reply to a batch, what it does not say itself beside it."""
    refusal = arrow_refusal(None, payload)
    if refusal is not None:
        raise refusal
    if not is_object(payload) or "data" not in payload:
        raise WireError(
            source, "", 'no "data": an Arrow reply is {"data": [...], "status": …}'
        )
    rows = payload["data"]
    if rows is not None and not is_list(rows):
        raise WireError(source, "/data", f"{as_text(rows)[:40]} is no list of holdings")
    batch.unknown(payload, _ENVELOPE, "")
    batch.add(
        ARROW_SHAPE,
        payload,
        {
            "file": file,
            "line_no": line_no,
            "raw": raw,
            "account_id": account_id,
            "snapshot_at": snapshot_at,
            "data": None
            if rows is None
            else [_fit_row(batch, row, f"/data/{no}") for no, row in enumerate(rows)],
        },
    )


def _fit_row(batch: Batch, row: Json, pointer: str) -> dict[str, object] | None:
    """Give the members of a holding as text; None where it is set aside."""
    texts = batch.pick(row, ARROW.fields, ARROW.known, pointer, whole=True)
    if texts is None or not is_object(row):
        return None
    symbols = row.get("symbols")
    if symbols is None:
        return {**texts, "symbols": None}
    entries: list[Json] = symbols if is_list(symbols) else [symbols]
    return {
        **texts,
        "symbols": [
            batch.pick(entry, _ENTRY, _KNOWN_ENTRY, f"{pointer}/symbols/{place}")
            for place, entry in enumerate(entries)
        ],
    }


def interpret(rows: pl.DataFrame) -> Found:
    """Make facts of replies, whichever reader they came from."""
    documents = rows.select(_DOCUMENT)
    at = documents["snapshot_at"]
    documents = documents.hstack([at.alias("fetched_at")])
    lost = find_lost_instants(rows, documents, _INSTANTS)
    doubts = [rows.select(_ODD_DOCUMENT).to_series(), lost["doc"]]
    items = explode_items(rows, pl.col("data"))
    if items["item"].null_count():
        missing = pl.col("item").is_null()
        doubts.append(items.filter(missing)["doc"])
        items = items.filter(~missing)
    text = items.select(_ROW_TEXT)
    alike = text.select(_MAY_BE_COPY).to_series()
    read, notices, faults = read_rows(text, ARROW, alike=alike, whole=_WHOLE_ROW)
    listings, odd = _read_listings(items)
    facts = Facts(
        documents,
        fill_holdings(read, ARROW),
        listings,
        empty(BASKET),
        notices,
        pl.concat([lost, faults]) if lost.height else faults,
    )
    return Found(facts, pl.concat([*doubts, faults["doc"], odd]))


_ODD_DOCUMENT: Final = pl.col("doc").filter(
    pl.col("data").is_null()
    | (pl.col("status") == "success").fill_null(value=False).not_()
)
"""What only the strict reader decides on: no list, or what may be a refusal."""
_ROW_TEXT: Final = [
    pl.col("doc"),
    *(pl.col("item").struct.field(name) for name in (*ARROW.fields, "symbols")),
    pl.col("no").alias("holding_no"),
    pl.col("no"),
    pl.lit("/data").alias("at"),
]
_DOCUMENT: Final = [
    column.cast(DOCUMENT[name]).alias(name)
    for name, column in {
        **{name: pl.lit(None) for name in DOCUMENT if name != "fetched_at"},
        **{name: pl.col(name) for name in PLACE},
        **dict.fromkeys(("source", "format", "broker"), pl.lit("arrow")),
        "scope": pl.lit("securities"),  # it has no other list
        "account_id": pl.when(pl.col("account_id") != "").then(pl.col("account_id")),
        "snapshot_at": instant("snapshot_at"),
        "holdings_known": pl.col("data").is_not_null(),
    }.items()
]


_INSTANTS: Final[dict[str, str]] = dict.fromkeys(
    ("snapshot_at", "fetched_at"), "snapshot_at"
)
_MAY_BE_COPY: Final = pl.struct("doc", "qty", "avgPrice", "close").is_duplicated()
_ENTRIES: Final = pl.col("symbols").list.eval(
    pl.struct(
        pl.when(pl.element().struct.field(name) != "").then(
            pl.element().struct.field(name)
        )
        for name in _ENTRY
    )
)
_WHOLE_ROW: Final = pl.struct(*ARROW.fields, places=_ENTRIES).struct.json_encode()


def _read_listings(items: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Give one row for each place a holding is listed at."""
    entries = explode_items(
        items.select(_WITH_SYMBOLS), pl.col("symbols"), keep=("doc", "holding_no")
    )
    odd = (
        entries.filter(pl.col("item").is_null())["doc"]
        if entries["item"].null_count()
        else entries["doc"].clear()
    )
    return entries.select(_LISTING), odd


_WITH_SYMBOLS: Final = (
    pl.col("doc"),
    pl.col("item").struct.field("symbols"),
    pl.col("no").alias("holding_no"),
)
_LISTING: Final = [
    pl.col("doc"),
    pl.col("holding_no"),
    *(
        pl.when(pl.col("item").struct.field(name) != "")
        .then(pl.col("item").struct.field(name))
        .alias(column)
        for column, name in _LISTED.items()
    ),
]


class _Arrow(NamedTuple):
    """`Shape` of Arrow replies, with what the quick reader must know of it."""

    schema: pl.Schema = _SCHEMA
    strict_schema: pl.Schema = _SCHEMA
    two_shapes: Sequence[TwoShapes] = ()
    numbers: Collection[str] = (*ARROW.fields, "token")  # text, at times bare

    def interpret(self, rows: pl.DataFrame, /) -> Found:
        return interpret(rows)


ARROW_SHAPE: Final = _Arrow()
"""Lines of ``{"account_id", "snapshot_at", "data": [...], "status": "success"}``."""
