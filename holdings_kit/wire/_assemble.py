"""Text frames of many documents to typed facts: whole columns, no loop over rows."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.schema import INSTANT, MONEY, empty
from holdings_kit.wire._content import pack_extra, write_facts
from holdings_kit.wire._keyed import DOC, FAULT, HELD, Facts
from holdings_kit.wire._rows import (
    NOTICE,
    Table,
    explain_unread,
    instant,
    is_placeholder,
    number,
    read_values,
    report_remarks,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BASKET",
    "BASKET_FIGURES",
    "BASKET_READ",
    "DOCUMENT",
    "DOCUMENT_READ",
    "Parts",
    "fill_holdings",
    "read_parts",
]

DOCUMENT: Final = pl.Schema(
    {
        **DOC,
        "source": pl.String(),
        "format": pl.String(),
        "scope": pl.String(),
        "broker": pl.String(),
        "account_id": pl.String(),
        "transaction_id": pl.String(),
        "notes": pl.String(),
        "snapshot_at": pl.String(),
        "fetched_at": pl.String(),
        "checksum_ok": pl.Boolean(),
        "holdings_known": pl.Boolean(),  # false: the payload says null, not []
        "file": pl.String(),
        "line_no": pl.Int64(),
        "raw": pl.Binary(),  # the line, where a fault sets it aside whole
    }
)
BASKET: Final = pl.Schema(
    {
        **DOC,
        **{
            column: pl.String()
            for column in (
                "pointer",
                "basket_id",
                "basket_name",
                "visibility",
                "symbol",
                "quantity",
                "current_value",
                "total_returns",
                "current_returns",
            )
        },
    }
)


BASKET_FIGURES: Final = {
    "currentValue": "current_value",
    "totalReturns": "total_returns",
    "currentReturns": "current_returns",
}
"""What a smallcase says of itself: its members in ``stats``, our names for them."""
_BASKET_NUMBERS = ("quantity", *BASKET_FIGURES.values())
DOCUMENT_READ: Final = pl.Schema(
    {**DOCUMENT, "snapshot_at": INSTANT, "fetched_at": INSTANT}
)
BASKET_READ: Final = pl.Schema({**BASKET, **dict.fromkeys(_BASKET_NUMBERS, MONEY)})


class Parts(NamedTuple):
    """What a batch of documents said, as text."""

    documents: pl.DataFrame
    tables: Mapping[str, Table]
    rows: Mapping[str, pl.DataFrame]
    listings: pl.DataFrame
    baskets: pl.DataFrame
    notices: pl.DataFrame
    faults: pl.DataFrame


def read_parts(parts: Parts) -> Facts:
    """Read every value of what a batch of documents said."""
    documents, faults = _read_documents(parts)
    read = [
        _read_table(parts.rows[name], parts.tables[name])
        for name in sorted(parts.tables, reverse=True)
    ]
    baskets, basket_faults, remarks = _read_basket_rows(parts.baskets)
    holdings = pl.concat([empty(HELD), *(part.holdings for part in read)])
    return Facts(
        documents,
        holdings.sort("doc", "holding_no") if len(read) > 1 else holdings,
        parts.listings,
        baskets,
        pl.concat([parts.notices, *(part.notices for part in read), remarks]),
        pl.concat([faults, *(part.faults for part in read), basket_faults]),
    )


class _Read(NamedTuple):
    holdings: pl.DataFrame
    faults: pl.DataFrame
    notices: pl.DataFrame


def _read_documents(parts: Parts) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the instants of each document; an unreadable one is a fatal fault."""
    instants = ("snapshot_at", "fetched_at")
    read = parts.documents.with_columns(instant(column) for column in instants)
    lost = [
        parts.documents.filter(number(column).is_not_null() & read[column].is_null())
        .select(
            "doc",
            reason=pl.format(f"{column}: '{{}}' is no ISO or epoch instant", column),
            raw=pl.col(column).cast(pl.Binary()),
            fatal=pl.lit(value=True),
        )
        .cast(FAULT)
        for column in instants
    ]
    return read, pl.concat([parts.faults, *lost])


def _read_table(text: pl.DataFrame, table: Table) -> _Read:
    """Turn one kind of row into HOLDINGS columns, faults and notices."""
    rows = read_values(text, table)
    reason = explain_unread(text, rows, table)
    copy = text.select(pl.struct("doc", "twin").is_first_distinct().not_()).to_series()
    twin = "the same row stands before it; counted once"
    faults = (
        text.with_columns(reason=reason, copy=copy)
        .filter(pl.col("reason").is_not_null() | pl.col("copy"))
        .select(
            "doc",
            reason=pl.format("{}: {}", "pointer", pl.coalesce("reason", pl.lit(twin))),
            raw=pl.col("twin").cast(pl.Binary()),
            fatal=pl.col("reason").is_not_null(),
        )
    )
    if not faults.is_empty():
        good = reason.is_null() & ~copy
        text, rows = text.filter(good), rows.filter(good)
    return _Read(fill_holdings(rows, table), faults, report_remarks(text, rows, table))


def fill_holdings(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Give the typed wire rows the columns of HOLDINGS, and their line (`HELD`)."""
    line = write_facts(rows, table.fields, table.name).alias("line")
    extra = pack_extra(rows, table.extra) if table.extra else pl.lit(None, pl.String())
    columns = {**_build_holdings(table), "line": line, "extra": extra.alias("extra")}
    return rows.select(columns[name] for name in HELD)


@cache
def _build_holdings(table: Table) -> dict[str, pl.Expr]:
    columns = {column: pl.lit(None, dtype) for column, dtype in HELD.items()}
    columns |= {"doc": pl.col("doc"), "holding_no": pl.col("holding_no")}
    columns |= table.holdings
    return {
        column: expression.cast(HELD[column]).alias(column)
        for column, expression in columns.items()
    }


def _read_basket_rows(
    text: pl.DataFrame,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Read the numbers of the constituents; an unreadable one is a fatal fault.

    A placeholder in a figure of the basket is unknown, with a remark.
    """
    if text.is_empty():
        return empty(BASKET_READ), empty(FAULT), empty(NOTICE)
    blank = [
        text.filter(is_placeholder(column)).select(
            "doc",
            kind=pl.lit("placeholder"),
            pointer=pl.format(
                "{}/stats/{}",
                pl.col("pointer").str.replace("/constituents/[0-9]+$", ""),
                pl.lit(name),
            ),
            value=pl.col(column),
        )
        for name, column in BASKET_FIGURES.items()
    ]
    text = text.with_columns(
        pl.when(~is_placeholder(column)).then(pl.col(column)).alias(column)
        for column in BASKET_FIGURES.values()
    )
    read = text.with_columns(
        number(column).cast(MONEY, strict=False) for column in _BASKET_NUMBERS
    )
    wrong = pl.concat_list(
        pl.when(number(column).is_not_null() & read[column].is_null()).then(
            pl.format(f"{column}: '{{}}' is no number", column)
        )
        for column in _BASKET_NUMBERS
    )
    reason = wrong.list.drop_nulls().list.join("; ")
    faults = text.with_columns(reason=reason).filter(pl.col("reason") != "")
    return (
        read.join(faults.select("doc", "pointer"), on=["doc", "pointer"], how="anti"),
        faults.select(
            "doc",
            reason=pl.format("{}: {}", "pointer", "reason"),
            raw=pl.struct(pl.exclude("doc", "reason"))
            .struct.json_encode()
            .cast(pl.Binary()),
            fatal=pl.lit(value=True),
        ).cast(FAULT),
        pl.concat(blank).unique(maintain_order=True),
    )
