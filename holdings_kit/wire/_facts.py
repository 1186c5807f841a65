"""Struct frames of many documents to typed facts, whichever reader made the frames.

Both readers give documents of one struct schema; the strict one has text where the
quick one has numbers. Whole columns, no loop over rows.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import polars as pl

from holdings_kit.schema import INSTANT, MONEY, empty
from holdings_kit.wire._content import pack_extra, write_facts
from holdings_kit.wire._keyed import DOC, FAULT, HELD, Facts
from holdings_kit.wire._rows import (
    POINTER,
    Table,
    explain_unread,
    number,
    read_values,
    report_remarks,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACE: Final = pl.Schema(
    {
        **DOC,
        "file": pl.String(),
        "line_no": pl.Int64(),
        "raw": pl.Binary(),  # the line, where a fault sets it aside whole
    }
)
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
        "snapshot_at": INSTANT,
        "fetched_at": INSTANT,
        "checksum_ok": pl.Boolean(),
        "holdings_known": pl.Boolean(),  # false: the payload says null, not []
        "file": pl.String(),
        "line_no": pl.Int64(),
        "raw": pl.Binary(),
    }
)
BASKET: Final = pl.Schema(
    {
        **DOC,
        **dict.fromkeys(
            ("basket_id", "basket_name", "visibility", "symbol"), pl.String()
        ),
        **dict.fromkeys(
            ("quantity", "current_value", "total_returns", "current_returns"), MONEY
        ),
    }
)
READ_FAULT: Final = pl.Schema({**FAULT, "pointer": pl.String()})
"""A fault that was found in a struct frame; without `raw` it is what `pointer` says."""


class Found(NamedTuple):
    """What documents said, and which of them the quick reader must not decide."""

    facts: Facts  # its faults are `READ_FAULT` here
    doubtful: pl.Series  # numbers of documents


class Shape(Protocol):
    """The struct frame of a format, and what is made of it."""

    @property
    def strict_schema(self) -> pl.Schema:
        """What the strict reader gives of each document, beside `PLACE`."""
        ...

    def interpret(self, rows: pl.DataFrame, /) -> Found:
        """Make facts of documents, whichever reader they came from."""
        ...


class Rows(NamedTuple):
    """What the rows of one table said."""

    read: pl.DataFrame  # typed, without what is set aside
    notices: pl.DataFrame
    faults: pl.DataFrame  # `READ_FAULT`


def read_rows(
    text: pl.DataFrame, table: Table, *, alike: pl.Series, whole: pl.Expr
) -> Rows:
    """Read the rows of one table; what cannot be read, or stands twice, is a fault.

    Parameters
    ----------
    text
        The table's columns as they came, ``doc`` and ``holding_no``; ``at`` and ``no``:
        the pointer of the list, and the row's place there.
    alike
        Which rows may be a copy of another one in their document.
    whole
        All that such a row says, as one text.
    """
    read = read_values(text, table)
    reason = explain_unread(text, read, table)
    faults = empty(READ_FAULT)
    if alike.any() or reason.null_count() < len(reason):
        found = _find_faults(text, reason, alike, whole)
        faults = found.select(READ_FAULT.names())
        text, read = (
            frame.join(found, on=_KEY, how="anti", maintain_order="left")
            for frame in (text, read)
        )
    return Rows(read, report_remarks(text, read, table), faults)


_KEY: Final = ["doc", "holding_no"]


def _find_faults(
    text: pl.DataFrame, reason: pl.Series, alike: pl.Series, whole: pl.Expr
) -> pl.DataFrame:
    copies = (
        text.filter(alike)
        .select(*_KEY, whole=whole)
        .filter(pl.struct("doc", "whole").is_first_distinct().not_())
        .select(*_KEY, copy=pl.lit(value=True))
    )
    twice = pl.when("copy").then(pl.lit("the same row stands before it; counted once"))
    return (
        text.select(*_KEY, pointer=POINTER, said=reason)
        .join(copies, on=_KEY, how="left", maintain_order="left")
        .with_columns(why=pl.coalesce("said", twice))
        .filter(pl.col("why").is_not_null())
        .select(
            "holding_no",
            "doc",
            reason=pl.format("{}: {}", "pointer", "why"),
            raw=pl.lit(None, pl.Binary()),
            fatal=pl.col("said").is_not_null(),
            pointer="pointer",
        )
    )


def find_lost_instants(
    rows: pl.DataFrame, documents: pl.DataFrame, said_in: Mapping[str, str]
) -> pl.DataFrame:
    """Find instants that documents say and nobody can read: fatal faults.

    `said_in` gives the wire's name for each of our columns.
    """
    found = [
        rows.filter(number(name).is_not_null() & documents[column].is_null()).select(
            "doc",
            reason=pl.format(
                "{}: '{}' is no ISO or epoch instant", pl.lit(column), name
            ),
            raw=pl.col(name).cast(pl.Binary()),
            fatal=pl.lit(value=True),
            pointer=pl.lit(None, pl.String()),
        )
        for column, name in said_in.items()
        if documents[column].null_count() > rows[name].null_count()
    ]
    return pl.concat(found) if found else empty(READ_FAULT)


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
