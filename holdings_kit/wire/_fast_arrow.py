"""Dumps of Arrow replies the fast way: the schema Arrow must find, the facts in it."""

from __future__ import annotations

from typing import Final

import polars as pl

from holdings_kit.schema import empty
from holdings_kit.wire._arrow import ARROW
from holdings_kit.wire._assemble import BASKET_READ, DOCUMENT_READ, fill_holdings
from holdings_kit.wire._fast import Found, Shapes, explode_items
from holdings_kit.wire._keyed import FAULT, LISTING, Facts
from holdings_kit.wire._published import build_schema
from holdings_kit.wire._rows import (
    explain_unread,
    instant,
    number,
    read_values,
    report_remarks,
)

__all__ = ["ARROW_SHAPES"]

_TEXT: Final = pl.String()
_LISTED: Final = ("exchange", "symbol", "tradingSymbol", "token", "isin")
_SCHEMA: Final = pl.Schema(
    {
        "account_id": _TEXT,
        "snapshot_at": _TEXT,
        # every scalar is text on this wire
        **build_schema("arrow", number=lambda _: pl.String()),
    }
)


def _read_facts(shape: str, rows: pl.DataFrame) -> Found:
    del shape
    documents, doubtful = _read_documents(rows)
    items = explode_items(rows, pl.col("data"))
    entry = pl.col("item").struct
    text = items.select(
        "doc",
        *(entry.field(column) for column in ARROW.fields),
        holding_no="no",
        pointer=pl.format("/data/{}", "no"),
    )
    read = read_values(text, ARROW)
    listings, odd = _read_listings(items)
    same = pl.struct("doc", "qty", "avgPrice", "close").is_duplicated()
    facts = Facts(
        documents,
        fill_holdings(read, ARROW),
        listings,
        empty(BASKET_READ),
        report_remarks(text, read, ARROW),
        empty(FAULT),
    )
    doubts = [
        doubtful,
        items.filter(pl.col("item").is_null())["doc"],
        text.filter(explain_unread(text, read, ARROW).is_not_null())["doc"],
        text.filter(same)["doc"],
        odd,
    ]
    return Found(facts, pl.concat(doubts))


def _read_documents(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    constant = {"source": "arrow", "format": "arrow", "broker": "arrow"}
    account = pl.col("account_id")
    documents = rows.select(
        "doc",
        instant("snapshot_at"),
        instant("snapshot_at").alias("fetched_at"),
        "file",
        "line_no",
        *(pl.lit(value).alias(column) for column, value in constant.items()),
        *(pl.lit(None, _TEXT).alias(column) for column in ("transaction_id", "notes")),
        account_id=pl.when(account != "").then(account),
        checksum_ok=pl.lit(None, pl.Boolean()),
        holdings_known=pl.lit(value=True),
        raw=pl.lit(None, pl.Binary()),
    ).select(DOCUMENT_READ.names())
    unread_at = number("snapshot_at").is_not_null() & documents["snapshot_at"].is_null()
    success = (pl.col("status") == "success").fill_null(value=False)
    doubt = pl.col("data").is_null() | ~success | unread_at
    return documents, rows.filter(doubt)["doc"]


def _read_listings(items: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    held_at = items.select(
        "doc", pl.col("item").struct.field("symbols"), holding_no="no"
    )
    places = explode_items(held_at, pl.col("symbols"), keep=("doc", "holding_no"))
    entry = pl.col("item").struct
    text = {
        column: pl.when(entry.field(name) != "").then(entry.field(name))
        for column, name in zip(LISTING.names()[2:], _LISTED, strict=True)
    }
    listings = places.select("doc", "holding_no", **text)
    return listings, places.filter(pl.col("item").is_null())["doc"]


def _split_forms(rows: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    return [("reply", rows)]


ARROW_SHAPES: Final = Shapes(
    _SCHEMA, (), (*ARROW.fields, "token"), _split_forms, _read_facts
)
"""Lines of ``{"account_id", "snapshot_at", "data": [...], "status": "success"}``."""
