"""Rows of an exchange's file on their way to a frame: days, numbers, faults, identity.

Every number is exact. What a price of 0 or a dash says is: unknown. A row that says
something wrong is set aside with its line and the reason.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.schema import RATE, REJECTS, VALUE
from holdings_kit.wire._exchange import Document, Shape, lines_of
from holdings_kit.wire._isin import isin_ok

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from polars.datatypes import DataType

SIGHTINGS: Final = pl.Schema(
    {
        "exchange": pl.String(),
        "symbol": pl.String(),
        "series": pl.String(),
        "token": pl.String(),
        "trading_symbol": pl.String(),
        "isin": pl.String(),
        "name": pl.String(),
        "first_date": pl.Date(),
        "last_date": pl.Date(),
        "source": pl.String(),
    }
)
"""A listing as a file names it: from which symbol to which ISIN, and when."""
UNKNOWN: Final = ["-", "N.A.", "NA", "N/A", "B.C.", "nil", "NIL"]
FIRST_DAY: Final = date(1990, 1, 1)  # before the exchanges kept such files
MOST_PERCENT: Final = 10_000
_LAST_DAY: Final = date(2100, 1, 1)
_CENTURY: Final = 2000
_DAY_FORMATS: Final = (
    "%Y-%m-%d",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %b %Y",
    "%d-%m-%Y",
    "%d/%m/%Y",
)


class Files(NamedTuple):
    """Files of one shape, read together."""

    documents: Sequence[Document]
    shape: Shape


def add_missing(rows: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """Add columns of text that these files do not have, as null."""
    missing = [name for name in names if name not in rows.columns]
    return rows.with_columns(pl.lit(None, pl.String()).alias(name) for name in missing)


def join_facts(
    rows: pl.DataFrame, facts: Mapping[str, tuple[DataType, Sequence[object]]]
) -> pl.DataFrame:
    """Put what each document says beside its rows: by name, its type and values."""
    said = [pl.Series(name, values, dtype) for name, (dtype, values) in facts.items()]
    numbers = pl.int_range(len(said[0]), dtype=pl.UInt32(), eager=True).alias("doc")
    table = pl.DataFrame([numbers, *said])
    return rows.join(table, on="doc", how="left", maintain_order="left")


def read_days(
    rows: pl.DataFrame, documents: Sequence[Document] | None = None
) -> pl.DataFrame:
    """Read the day of each row; where the file names none, that of its own name."""
    rows = add_missing(rows, ["date"])
    text = pl.col("date")
    days = [text.str.to_date(form, strict=False) for form in _DAY_FORMATS]
    known = rows.select(text.unique().drop_nulls()).with_columns(
        _day=pl.coalesce(pl.when(day >= FIRST_DAY).then(day) for day in days)
    )
    out = rows.join(known, on="date", how="left", maintain_order="left")
    if documents is not None and out["date"].null_count():
        named = [day_of_name(each.file) for each in documents]
        out = join_facts(out, {"_named": (pl.Date(), named)}).with_columns(
            _day=pl.when(text.is_null()).then("_named").otherwise("_day")
        )
    return out.with_columns(date="_day").drop("_day", "_named", strict=False)


def day_of_name(file: str) -> date | None:
    """Read the day in a file's name, for files that name no day inside.

    Examples
    --------
    >>> day_of_name("APPSEC_COLLVAL_21112025.csv"), day_of_name("EQ040118_CSV.zip")
    (datetime.date(2025, 11, 21), datetime.date(2018, 1, 4))
    """
    name = re.split(r"[/\\]", file)[-1]
    for text in re.findall(r"(?<!\d)(?:\d{8}|\d{6}|\d{4}-\d{2}-\d{2})(?!\d)", name):
        for order in _ORDERS.get(len(text), ()):
            year, month, day = (int(text[a:b]) for a, b in order)
            try:
                found = date(year if year > _CENTURY else _CENTURY + year, month, day)
            except ValueError:
                continue
            if FIRST_DAY <= found < _LAST_DAY:
                return found
    return None


_ORDERS: Final = {  # where year, month and day stand
    8: (((4, 8), (2, 4), (0, 2)), ((0, 4), (4, 6), (6, 8))),
    6: (((4, 6), (2, 4), (0, 2)),),
    10: (((0, 4), (5, 7), (8, 10)),),
}


def parse_numbers(
    rows: pl.DataFrame, columns: Sequence[str], dtype: DataType
) -> tuple[pl.DataFrame, list[pl.Expr]]:
    """Read columns as exact numbers, and the faults of those that are none."""
    text = rows.select(columns)
    commas = [c for c in columns if text[c].str.contains(",", literal=True).any()]
    text = text.with_columns(
        pl.col(commas).str.replace_all(",", "", literal=True) if commas else []
    )
    made = text.select(pl.col(c).cast(dtype, strict=False) for c in columns)
    faults: list[pl.Expr] = []
    for column in columns:
        if text[column].null_count() != made[column].null_count():
            wrong = (
                text[column].is_not_null()
                & ~text[column].is_in(UNKNOWN)
                & made[column].is_null()
            )
            shown = pl.format(
                "{} {} is no number",
                pl.lit(column.replace("_", " ")),
                pl.lit(text[column].str.slice(0, 40)),
            )
            faults.append(pl.when(pl.lit(wrong)).then(shown))
    return rows.with_columns(made.get_columns()), faults


def write_fault(where: pl.Expr, reason: str) -> pl.Expr:
    """Give the reason where a row has the fault, else null."""
    return pl.when(where).then(pl.lit(reason))


def judge_securities(
    rows: pl.DataFrame, faults: Sequence[pl.Expr], files: Files
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Judge rows that name a security each: good ones get their identity and source.

    An ISIN that does not verify is a fault, and a row that names no security at all.
    """
    isin, symbol = pl.col("isin"), pl.col("symbol")
    blank = isin.is_null() | isin.is_in(UNKNOWN)
    identity = [
        pl.when(~blank & ~isin_ok().fill_null(value=False)).then(
            pl.format("ISIN {} does not verify: check digit or shape", isin)
        ),
        write_fault(blank & symbol.is_null(), "names neither ISIN nor symbol"),
    ]
    rows = add_missing(rows, ["isin"])
    good, bad = judge_rows(rows, [*faults, *identity], files)
    named = good.with_columns(
        isin=pl.when(~isin.is_in(UNKNOWN)).then(isin), source=pl.lit(files.shape.kind)
    )
    listing = pl.format("{}:{}", "exchange", "symbol")
    return named.with_columns(instrument_id=pl.coalesce("isin", listing)), bad


def judge_rows(
    rows: pl.DataFrame, faults: Sequence[pl.Expr], files: Files
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part the rows without a fault from those with one, which become rejects."""
    judged = rows.with_columns(_reason=pl.coalesce(faults))
    good = judged.filter(pl.col("_reason").is_null()).drop("_reason")
    return good, write_rejects(judged.filter(pl.col("_reason").is_not_null()), files)


def write_rejects(bad: pl.DataFrame, files: Files) -> pl.DataFrame:
    """Write rows with a `_reason` as rejects, each with its line as it stands there."""
    documents, is_json = files.documents, files.shape.head == "json"
    found: list[tuple[str, int | None, str, bytes]] = []
    lines: dict[int, list[bytes]] = {}
    for number, at, reason in bad.select("doc", "line_no", "_reason").iter_rows():
        document, line_no = documents[int(number)], int(at)
        if is_json:
            found.append((document.file, None, f"entry {line_no}: {reason}", b""))
        else:
            if number not in lines:
                lines[int(number)] = lines_of(document.body)
            raw = lines[int(number)][line_no - 1]
            found.append((document.file, line_no, str(reason), raw))
    return pl.DataFrame(found, schema=REJECTS, orient="row").unique(maintain_order=True)


def write_remark(
    rows: pl.DataFrame, files: Files, kind: str, value: pl.Expr
) -> pl.DataFrame:
    """Write a remark on each of these rows."""
    names = [each.file for each in files.documents]
    return join_facts(rows, {"file": (pl.String(), names)}).select(
        "file", "line_no", kind=pl.lit(kind), value=value.cast(pl.String())
    )


def fit(rows: pl.DataFrame, schema: Mapping[str, DataType]) -> pl.DataFrame:
    """Put rows into a schema, null where the file says nothing, `doc` at the end."""
    return rows.select(
        *(
            pl.col(name).cast(dtype)
            if name in rows.columns
            else pl.lit(None, dtype).alias(name)
            for name, dtype in schema.items()
        ),
        pl.col("doc").cast(pl.UInt32()),
    )


def list_sightings(rows: pl.DataFrame, files: Files) -> pl.DataFrame:
    """Say once under which symbols, tokens and ISINs a file knows its securities."""
    keys = ["exchange", "symbol", "series", "token", "trading_symbol", "isin", "name"]
    day = pl.col("date") if "date" in rows.columns else pl.lit(None, pl.Date())
    return (
        add_missing(rows, keys)
        .lazy()
        .group_by(keys)
        .agg(first_date=day.min(), last_date=day.max())
        .with_columns(source=pl.lit(files.shape.kind))
        .select(*SIGHTINGS.names())
        .collect()
    )


def as_fraction(column: str) -> pl.Expr:
    """Turn percent, read exactly, into a fraction."""
    return (pl.col(column).cast(VALUE) * Decimal("0.01")).cast(RATE, strict=False)
