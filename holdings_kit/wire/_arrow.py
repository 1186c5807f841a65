"""The Arrow holdings reply: ``{"data": [...], "status": "success"}``.

Published at docs.arrow.trade, ``GET /user/holdings``; `docs/fidelity.md` says which
statements are documented and which were seen on published payloads.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.errors import SourceError, WireError
from holdings_kit.schema import RATE, Loaded
from holdings_kit.wire._batch import Batch
from holdings_kit.wire._parse import Json, as_text, parse
from holdings_kit.wire._published import list_members
from holdings_kit.wire._refusals import arrow_refusal
from holdings_kit.wire._rows import Table, is_list, is_object, null_unpopulated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

__all__ = ["ARROW", "Reply", "add", "decode", "decode_many"]

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
            (pl.col("haircut") != 0) | null_unpopulated("close").is_not_null()
        ).then((pl.col("haircut").cast(RATE) / 100).cast(RATE)),
    },
    extra=_UNMAPPED,
)
_LISTING: Final = {
    "exchange": ("exchange",),
    "symbol": ("symbol",),
    "trading_symbol": ("tradingSymbol",),
    "token": ("token",),
    "isin": ("isin",),
}
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
        snapshot_at=snapshot_at.isoformat(),
        fetched_at=snapshot_at.isoformat(),
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
        for number, reply in enumerate(some):
            batch.doc = number
            try:
                payload = parse(reply.body, source=reply.source)
                at = reply.snapshot_at.isoformat()
                add(
                    batch,
                    payload,
                    source=reply.source,
                    account_id=reply.account_id,
                    snapshot_at=at,
                    fetched_at=at,
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


def add(batch: Batch, payload: Json, *, source: str, **facts: object) -> None:
    """Add one parsed reply to a batch; `facts` are columns of its document."""
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
    batch.document(
        source="arrow",
        format="arrow",
        broker="arrow",
        holdings_known=rows is not None,
        **facts,
    )
    batch.unknown(payload, _ENVELOPE, "")
    listed: list[Json] = rows or []
    for number, row in enumerate(listed):
        pointer = f"/data/{number}"
        batch.row(ARROW, row, pointer, _read_listings(batch, row, pointer))


def _read_listings(
    batch: Batch, row: Json, pointer: str
) -> Iterator[dict[str, str | None]]:
    """Read ``symbols[]``: one entry per exchange the holding is listed at."""
    symbols = row.get("symbols") if is_object(row) else None
    if symbols is None:
        return
    entries: list[Json] = symbols if is_list(symbols) else [symbols]
    for number, entry in enumerate(entries):
        yield batch.listing(entry, _LISTING, f"{pointer}/symbols/{number}")
