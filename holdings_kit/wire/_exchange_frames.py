"""Rows of an exchange's file to frames; a row that says something wrong is set aside.

Percent become fractions, lakhs rupees, and every number is exact. What a price of 0 or
a dash says is: unknown.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.schema import (
    ACTIONS,
    COLLATERAL,
    CONSTITUENTS,
    GROUPS,
    MARGINS,
    MONEY,
    PRICES,
    RATE,
    REJECTS,
    VALUE,
    VOLATILITIES,
)
from holdings_kit.wire._exchange import (
    Cells,
    Document,
    Shape,
    line_of,
    lines_of,
    read_cells,
)
from holdings_kit.wire._exchange_actions import Action, read_subject
from holdings_kit.wire._isin import isin_ok

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from polars.datatypes import DataType

__all__ = ["SIGHTINGS", "Decoded", "day_of_name", "decode_documents"]

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


class Decoded(NamedTuple):
    """What the files of one shape say.

    Attributes
    ----------
    frames
        By the name of a frame of `Market`, and ``sightings``; each has the column
        `doc`, the number of the document.
    counts
        Rows of data per document.
    rejects, notices
        What was set aside, and what is worth a remark.
    """

    frames: dict[str, pl.DataFrame]
    counts: list[int]
    rejects: pl.DataFrame
    notices: pl.DataFrame


_PRICE_KINDS: Final = ("udiff", "sec_bhavdata", "cm_bhav", "bse_eq", "nav")
_PRICE_COLUMNS: Final = [name for name in PRICES.names() if name.endswith("_price")]
_UNKNOWN: Final = ["-", "N.A.", "NA", "N/A", "B.C.", "nil", "NIL"]
_DAY_FORMATS: Final = (
    "%Y-%m-%d",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %b %Y",
    "%d-%m-%Y",
    "%d/%m/%Y",
)
_FIRST_DAY: Final = date(1990, 1, 1)  # before the exchanges kept such files
_LAST_DAY: Final = date(2100, 1, 1)
_CENTURY: Final = 2000
_MOST: Final = 10_000  # percent


def decode_documents(documents: Sequence[Document], shape: Shape) -> Decoded:
    r"""Decode files of one shape.

    Examples
    --------
    >>> body = b"SYMBOL,SERIES,DATE1,CLOSE_PRICE\nSBIN, EQ, 04-Nov-2025, 950.50\n"
    >>> from holdings_kit.wire._exchange import recognize
    >>> decoded = decode_documents([Document("x.csv", body)], recognize(body))
    >>> decoded.frames["prices"].select("instrument_id", "close_price").row(0)
    ('NSE:SBIN', Decimal('950.5000'))
    """
    cells = read_cells(documents, shape)
    if shape.kind in _PRICE_KINDS:
        made = _decode_prices(cells, shape, documents)
    else:
        made = _DECODERS[shape.kind](cells, shape, documents)
    rows = made.rows
    counts = rows.group_by("doc").len() if rows.height else None
    found = dict(counts.iter_rows()) if counts is not None else {}
    return Decoded(
        made.frames,
        [int(found.get(number, 0)) for number in range(len(documents))],
        pl.concat([cells.rejects, *made.rejects]),
        pl.concat([cells.notices, *made.notices]),
    )


class _Made(NamedTuple):
    rows: pl.DataFrame
    frames: dict[str, pl.DataFrame]
    rejects: list[pl.DataFrame]
    notices: list[pl.DataFrame]


def _decode_prices(cells: Cells, shape: Shape, documents: Sequence[Document]) -> _Made:
    rows = cells.rows
    aside: list[pl.DataFrame] = []
    if shape.kind == "udiff":
        rows, aside = _keep_cash_market(rows, documents, shape)
    rows = _with_days(_add_listing(rows, shape.kind), documents)
    if "traded_lakhs" in rows.columns:
        lakhs = pl.col("traded_lakhs").cast(VALUE, strict=False)
        rows = rows.with_columns(traded_value=(lakhs * 100_000).cast(pl.String()))
    given = [name for name in (*_PRICE_COLUMNS, *_TRADED) if name in rows.columns]
    typed, faults = _parse_numbers(rows, given, MONEY)
    below = [pl.col(c) < 0 for c in given]
    faults += [
        _write_fault(pl.col("date").is_null(), "names no day"),
        _write_fault(pl.any_horizontal(below), "a number is below 0"),
        _write_fault(pl.col("exchange").is_null(), "names no exchange"),
        *_find_identity_faults(),
    ]
    good, bad = _judge_rows(typed, faults, documents, shape)
    prices = _with_identity(good).with_columns(
        *(pl.when(pl.col(c) != 0).then(pl.col(c)) for c in given if c not in _TRADED),
        source=pl.lit(shape.kind),
    )
    unpriced = prices.filter(pl.col("close_price").is_null())
    priced = prices.filter(pl.col("close_price").is_not_null())
    return _Made(
        rows,
        {
            "prices": _fit(priced, PRICES),
            "sightings": _list_sightings(prices, shape.kind),
        },
        [*aside, bad],
        [_write_remark(unpriced, documents, "no_close", pl.coalesce("symbol", "isin"))],
    )


_TRADED: Final = ("traded_quantity", "traded_value")


_SEGMENT: Final = r"^[A-Z]{2,3}$"  # CM, FO, CD, CO, …


def _keep_cash_market(
    rows: pl.DataFrame, documents: Sequence[Document], shape: Shape
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Set other segments aside, one reject for each in a file; of no segment, each row.

    A row that names no segment may be one of the cash market, shifted by a comma.
    """
    segment = pl.col("segment")
    other = segment.ne_missing("CM")
    named = segment.str.contains(_SEGMENT).fill_null(value=False)
    counts = (
        rows.filter(other & named)
        .group_by("doc", "segment", maintain_order=True)
        .agg(pl.len().alias("count"))
    )
    found: list[tuple[str, None, str, bytes]] = []
    for doc, name, count in counts.iter_rows():
        reason = f"{count} rows of segment {name}: only the cash market (CM) is read"
        found.append((documents[int(doc)].file, None, reason, b""))
    shown = segment.fill_null("(blank)").str.slice(0, 40)
    odd = rows.filter(other & ~named).with_columns(
        _reason=pl.format("{} is no segment such as CM", shown)
    )
    return rows.filter(~other), [
        pl.DataFrame(found, schema=REJECTS, orient="row"),
        _write_rejects(odd, documents, shape),
    ]


def _add_listing(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Give each row its exchange, its symbol and its one ISIN."""
    if kind == "udiff":
        return rows
    if kind == "bse_eq":
        return rows.with_columns(exchange=pl.lit("BSE"), symbol="token")
    if kind == "nav":
        rows = rows.with_columns(exchange=pl.lit("MF"), symbol="token")
        if "isin_reinvestment" not in rows.columns:
            return rows
        blank = pl.col("isin_reinvestment").is_null() | pl.col(
            "isin_reinvestment"
        ).is_in(_UNKNOWN)
        return pl.concat(
            [
                rows.drop("isin_reinvestment"),
                rows.filter(~blank)
                .with_columns(isin="isin_reinvestment")
                .drop("isin_reinvestment"),
            ]
        ).sort("doc", "line_no", maintain_order=True)
    return rows.with_columns(exchange=pl.lit("NSE"))


def _with_days(
    rows: pl.DataFrame, documents: Sequence[Document] | None = None
) -> pl.DataFrame:
    """Read the day of each row; where the file names none, that of its own name."""
    if "date" not in rows.columns:
        rows = rows.with_columns(date=pl.lit(None, pl.String()))
    distinct = rows.select(pl.col("date").unique().drop_nulls())
    day: pl.Expr = pl.lit(None, pl.Date())
    for form in _DAY_FORMATS:
        read = pl.col("date").str.to_date(form, strict=False)
        day = pl.coalesce(day, pl.when(read >= _FIRST_DAY).then(read))
    known = distinct.select("date", _day=day)
    out = rows.join(known, on="date", how="left", maintain_order="left")
    if documents is not None and out["date"].null_count():
        named = pl.DataFrame(
            [(number, day_of_name(d.file)) for number, d in enumerate(documents)],
            schema={"doc": pl.UInt32(), "_named": pl.Date()},
            orient="row",
        )
        out = out.join(named, on="doc", how="left", maintain_order="left")
        blank = pl.col("date").is_null()
        out = out.with_columns(_day=pl.when(blank).then("_named").otherwise("_day"))
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
            if _FIRST_DAY <= found < _LAST_DAY:
                return found
    return None


_ORDERS: Final = {  # where year, month and day stand
    8: (((4, 8), (2, 4), (0, 2)), ((0, 4), (4, 6), (6, 8))),
    6: (((4, 6), (2, 4), (0, 2)),),
    10: (((0, 4), (5, 7), (8, 10)),),
}


def _parse_numbers(
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
                & ~text[column].is_in(_UNKNOWN)
                & made[column].is_null()
            )
            shown = pl.format(
                "{} {} is no number",
                pl.lit(column.replace("_", " ")),
                pl.lit(text[column].str.slice(0, 40)),
            )
            faults.append(pl.when(pl.lit(wrong)).then(shown))
    return rows.with_columns(made.get_columns()), faults


def _write_fault(where: pl.Expr, reason: str) -> pl.Expr:
    return pl.when(where).then(pl.lit(reason))


def _find_identity_faults() -> list[pl.Expr]:
    """Find ISINs that do not verify, and rows that name no security at all."""
    isin, symbol = pl.col("isin"), pl.col("symbol")
    blank = isin.is_null() | isin.is_in(_UNKNOWN)
    return [
        pl.when(~blank & ~isin_ok().fill_null(value=False)).then(
            pl.format("ISIN {} does not verify: check digit or shape", isin)
        ),
        _write_fault(blank & symbol.is_null(), "names neither ISIN nor symbol"),
    ]


def _with_identity(rows: pl.DataFrame) -> pl.DataFrame:
    isin = pl.when(~pl.col("isin").is_in(_UNKNOWN)).then("isin")
    return rows.with_columns(isin=isin).with_columns(
        instrument_id=pl.coalesce("isin", pl.format("{}:{}", "exchange", "symbol"))
    )


def _judge_rows(
    rows: pl.DataFrame,
    faults: list[pl.Expr],
    documents: Sequence[Document],
    shape: Shape,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part the rows without a fault from those with one, which become rejects."""
    if "isin" not in rows.columns:
        rows = rows.with_columns(isin=pl.lit(None, pl.String()))
    judged = rows.with_columns(_reason=pl.coalesce(faults))
    bad = judged.filter(pl.col("_reason").is_not_null())
    return (
        judged.filter(pl.col("_reason").is_null()).drop("_reason"),
        _write_rejects(bad, documents, shape),
    )


def _write_rejects(
    bad: pl.DataFrame, documents: Sequence[Document], shape: Shape
) -> pl.DataFrame:
    is_json = shape.head == "json"
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


def _write_remark(
    rows: pl.DataFrame, documents: Sequence[Document], kind: str, value: pl.Expr
) -> pl.DataFrame:
    files = pl.DataFrame(
        [(number, d.file) for number, d in enumerate(documents)],
        schema={"doc": pl.UInt32(), "file": pl.String()},
        orient="row",
    )
    return rows.join(files, on="doc", how="left", maintain_order="left").select(
        "file", "line_no", kind=pl.lit(kind), value=value.cast(pl.String())
    )


def _fit(rows: pl.DataFrame, schema: Mapping[str, DataType]) -> pl.DataFrame:
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


def _list_sightings(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Say once under which symbols, tokens and ISINs a file knows its securities."""
    keys = ["exchange", "symbol", "series", "token", "trading_symbol", "isin", "name"]
    for name in (*keys, "date"):
        if name not in rows.columns:
            dtype = pl.Date() if name == "date" else pl.String()
            rows = rows.with_columns(pl.lit(None, dtype).alias(name))
    return (
        rows.lazy()
        .group_by(keys)
        .agg(first_date=pl.col("date").min(), last_date=pl.col("date").max())
        .with_columns(source=pl.lit(kind))
        .select(*SIGHTINGS.names())
        .collect()
    )


def _as_fraction(column: str) -> pl.Expr:
    """Turn percent, read exactly, into a fraction."""
    return (pl.col(column).cast(VALUE) * Decimal("0.01")).cast(RATE, strict=False)


_CONTROL: Final = re.compile(
    r"\s*10\s*,\s*(\d{2})(\d{2})(\d{4})\s*,[^,]*,(?:\s*(\d{1,2})\s*,)?\s*(\d{1,9})\s*,?\s*$"
)


def _decode_var_margins(
    cells: Cells, shape: Shape, documents: Sequence[Document]
) -> _Made:
    """Decode ``C_VAR1``: the control record says day, file and number of records."""
    heads: list[tuple[int, date | None, int | None]] = []
    aside: list[tuple[str, int | None, str, bytes]] = []
    for number, document in enumerate(documents):
        line = line_of(document, shape.skip) if shape.skip else b""
        control = _CONTROL.match(line.decode("ascii", "replace"))
        day = _read_control_day(control) if control else None
        file_no = int(control.group(4) or 1) if control else None
        heads.append((number, day, file_no))
        lines = cells.rows.filter(pl.col("doc") == number).height
        lines += cells.rejects.filter(pl.col("file") == document.file).height
        if day is None or control is None:
            reason = "there is no control record with a day: these margins have no date"
            aside.append((document.file, shape.skip or 1, reason, line))
        elif int(control.group(5)) != lines:
            reason = (
                f"the control record counts {int(control.group(5))} records, the file "
                f"has {lines}: it is not whole, fetch it again"
            )
            aside.append((document.file, shape.skip, reason, line))
    days = pl.DataFrame(
        heads,
        schema={"doc": pl.UInt32(), "date": pl.Date(), "file_no": pl.Int64()},
        orient="row",
    )
    rows = cells.rows.join(days, on="doc", how="left", maintain_order="left")
    rows = rows.filter(pl.col("date").is_not_null())
    # a scrip code as symbol is a share of BSE that NSE does not list
    code = pl.col("symbol").str.contains(r"^\d{6}$")
    rows = rows.with_columns(
        exchange=pl.when(code).then(pl.lit("BSE")).otherwise(pl.lit("NSE")),
        token=pl.when(code).then("symbol"),
    )
    rates = [name for name in MARGINS.names() if MARGINS[name] == RATE]
    typed, faults = _parse_numbers(rows, rates, VALUE)
    faults += [
        pl.when(pl.col("record") != "20").then(
            pl.format("record type {} is none of a detail", "record")
        ),
        _write_fault(pl.col("haircut").is_null(), "names no applicable rate"),
        _write_fault(
            pl.any_horizontal((pl.col(c) < 0) | (pl.col(c) > _MOST) for c in rates),
            "a rate is not between 0 and 10000 percent",
        ),
        *_find_identity_faults(),
    ]
    good, bad = _judge_rows(typed, faults, documents, shape)
    margins = _with_identity(good).with_columns(_as_fraction(name) for name in rates)
    return _Made(
        rows,
        {
            "margins": _fit(margins, MARGINS),
            "sightings": _list_sightings(margins, shape.kind),
        },
        [pl.DataFrame(aside, schema=REJECTS, orient="row"), bad],
        [],
    )


def _read_control_day(control: re.Match[str]) -> date | None:
    day, month, year = (int(part) for part in control.groups()[:3])
    try:
        return date(year, month, day)
    except ValueError:
        return None


_MONTHS: Final = (
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
)  # fmt: skip


def _decode_groups(cells: Cells, shape: Shape, documents: Sequence[Document]) -> _Made:
    """Decode ``C_CATG``: liquidity groups and impact costs of a month."""
    months: list[tuple[int, date | None]] = []
    for number, document in enumerate(documents):
        line = line_of(document, shape.skip).decode("ascii", "replace")
        named = re.search(r"([A-Za-z]{3})[\s,-]*(\d{4})", line)
        month = named.group(1).upper() if named else ""
        known = (
            named is not None
            and month in _MONTHS
            and int(named.group(2)) >= _FIRST_DAY.year
        )
        first = (
            date(int(named.group(2)), _MONTHS.index(month) + 1, 1)
            if named is not None and known
            else None
        )
        months.append((number, first))
    days = pl.DataFrame(
        months, schema={"doc": pl.UInt32(), "date": pl.Date()}, orient="row"
    )
    rows = cells.rows.join(days, on="doc", how="left", maintain_order="left")
    rows = rows.with_columns(exchange=pl.lit("NSE"))
    typed, faults = _parse_numbers(rows, ["group", "impact_cost"], VALUE)
    faults += [
        _write_fault(pl.col("date").is_null(), "the first line names no month"),
        _write_fault(
            ~pl.col("group").is_in([1, 2, 3]).fill_null(value=False), "no group"
        ),
        _write_fault(
            (pl.col("impact_cost") < 0) | (pl.col("impact_cost") > _MOST),
            "the impact cost is no percentage",
        ),
        *_find_identity_faults(),
    ]
    good, bad = _judge_rows(typed, faults, documents, shape)
    made = _with_identity(good).with_columns(
        _as_fraction("impact_cost"), source=pl.lit(shape.kind)
    )
    return _Made(
        rows,
        {"groups": _fit(made, GROUPS), "sightings": _list_sightings(made, shape.kind)},
        [bad],
        [],
    )


def _decode_collateral_list(
    cells: Cells, shape: Shape, documents: Sequence[Document]
) -> _Made:
    """Decode ``APPSEC_COLLVAL``; its day stands in the file's name alone."""
    rows = _with_days(cells.rows.drop("date", strict=False), documents)
    code = pl.col("symbol").str.contains(r"^\d{6}$")
    rows = rows.with_columns(
        exchange=pl.when(code).then(pl.lit("BSE")).otherwise(pl.lit("NSE")),
        token=pl.when(code).then("symbol"),
    )
    typed, faults = _parse_numbers(rows, ["valuation_price"], MONEY)
    typed, more = _parse_numbers(typed, ["haircut"], VALUE)
    faults += [
        *more,
        _write_fault(pl.col("haircut").is_null(), "names no haircut"),
        _write_fault(
            ~pl.col("haircut").is_between(0, 100), "the haircut is no percentage"
        ),
        *_find_identity_faults(),
    ]
    good, bad = _judge_rows(typed, faults, documents, shape)
    made = _with_identity(good).with_columns(
        _as_fraction("haircut"), source=pl.lit(shape.kind)
    )
    return _Made(
        rows,
        {
            "collateral": _fit(made, COLLATERAL),
            "sightings": _list_sightings(made, shape.kind),
        },
        [bad],
        [],
    )


def _decode_volatility(
    cells: Cells, shape: Shape, documents: Sequence[Document]
) -> _Made:
    rows = _with_days(cells.rows, documents).with_columns(exchange=pl.lit("NSE"))
    closes = [c for c in ("close_price", "previous_close_price") if c in rows.columns]
    typed, faults = _parse_numbers(rows, closes, MONEY)
    rest = [c for c in VOLATILITIES if VOLATILITIES[c] == pl.Float64()]
    typed, more = _parse_numbers(
        typed, [c for c in rest if c in rows.columns], pl.Float64()
    )
    faults += [
        *more,
        _write_fault(pl.col("date").is_null(), "names no day"),
        _write_fault(
            ~pl.col("volatility").is_between(0, 10).fill_null(value=True)
            | ~pl.col("previous_volatility").is_between(0, 10).fill_null(value=True),
            "a volatility is not between 0 and 10",
        ),
        *_find_identity_faults(),
    ]
    good, bad = _judge_rows(typed, faults, documents, shape)
    made = _with_identity(good).with_columns(source=pl.lit(shape.kind))
    return _Made(rows, {"volatilities": _fit(made, VOLATILITIES)}, [bad], [])


def _decode_lists(cells: Cells, shape: Shape, documents: Sequence[Document]) -> _Made:
    """Decode lists of securities: of NSE, of an index, and Arrow's own master."""
    rows = cells.rows
    if "exchange" not in rows.columns:
        rows = rows.with_columns(exchange=pl.lit("NSE"))
    good, bad = _judge_rows(rows, _find_identity_faults(), documents, shape)
    made = _with_identity(good).with_columns(source=pl.lit(shape.kind))
    frames = {"sightings": _list_sightings(made, shape.kind)}
    if shape.kind == "constituents":
        names = pl.DataFrame(
            [(number, _name_index(d.file)) for number, d in enumerate(documents)],
            schema={"doc": pl.UInt32(), "index": pl.String()},
            orient="row",
        )
        listed = made.join(names, on="doc", how="left", maintain_order="left")
        frames["constituents"] = _fit(listed, CONSTITUENTS)
    return _Made(rows, frames, [bad], [])


def _name_index(file: str) -> str:
    """Name an index by its file: the file does not say which it is."""
    stem = re.split(r"[/\\]", file)[-1].split(".")[0].lower()
    return re.sub(r"^ind_|_?list$", "", stem)


def _decode_symbol_changes(
    cells: Cells, shape: Shape, documents: Sequence[Document]
) -> _Made:
    rows = _with_days(cells.rows).with_columns(exchange=pl.lit("NSE"))
    faults = [
        _write_fault(pl.col("date").is_null(), "names no day"),
        _write_fault(
            pl.col("symbol").is_null() | pl.col("new_symbol").is_null(),
            "names no old or no new symbol",
        ),
    ]
    good, bad = _judge_rows(rows, faults, documents, shape)
    made = good.with_columns(
        instrument_id=pl.format("NSE:{}", "symbol"),
        ex_date="date",
        kind=pl.lit("rename"),
        new_instrument_id=pl.format("NSE:{}", "new_symbol"),
        source=pl.lit(shape.kind),
    )
    return _Made(rows, {"actions": _fit(made, ACTIONS)}, [bad], [])


_RATIO_NEEDED: Final = ("split", "bonus", "consolidation")


def _decode_corporate_actions(
    cells: Cells, shape: Shape, documents: Sequence[Document]
) -> _Made:
    """Decode corporate actions: what the subject says, under the ISIN before."""
    rows = cells.rows
    for name in ("symbol", "token", "face_value", "isin"):
        if name not in rows.columns:
            rows = rows.with_columns(pl.lit(None, pl.String()).alias(name))
    rows = _with_days(rows).with_columns(
        exchange=pl.when(pl.col("symbol").is_null() & pl.col("token").is_not_null())
        .then(pl.lit("BSE"))
        .otherwise(pl.lit("NSE")),
        symbol=pl.coalesce("symbol", "token"),
    )
    face = pl.col("face_value").str.replace_all(r"[^\d.]", "").cast(MONEY, strict=False)
    subjects = rows.select("subject", "face_value", face=face).unique()
    read = [
        (subject, face_text, [tuple(action) for action in _read_shape(subject, face)])
        for subject, face_text, face in subjects.iter_rows()
    ]
    parts = pl.Struct(
        {"kind": pl.String(), "ratio": pl.String(), "cash_per_unit": MONEY}
    )
    known = pl.DataFrame(
        [
            (s, f, [dict(zip(Action._fields, a, strict=True)) for a in actions])
            for s, f, actions in read
        ],
        schema={
            "subject": pl.String(),
            "face_value": pl.String(),
            "part": pl.List(parts),
        },
        orient="row",
    )
    full = rows.join(
        known,
        on=["subject", "face_value"],
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    named = pl.col("part").list.len().fill_null(0) > 0
    other = full.filter(~named)
    actions = full.filter(named).explode("part").unnest("part")
    unrated = pl.col("kind").is_in(_RATIO_NEEDED) & pl.col("ratio").is_null()
    faults = [
        _write_fault(pl.col("date").is_null(), "names no ex-date"),
        pl.when(unrated).then(
            pl.format(
                "the subject {} names no ratio", pl.col("subject").str.slice(0, 80)
            )
        ),
        *_find_identity_faults(),
    ]
    good, bad = _judge_rows(actions, faults, documents, shape)
    made = _with_identity(good).with_columns(ex_date="date", source=pl.lit(shape.kind))
    return _Made(
        rows,
        {
            "actions": _fit(made, ACTIONS),
            "sightings": _list_sightings(
                made.filter(pl.col("series").is_not_null())
                if "series" in made.columns
                else made.clear(),
                shape.kind,
            ),
        },
        [bad],
        [
            _write_remark(
                other, documents, "other_subject", pl.col("subject").str.slice(0, 200)
            )
        ],
    )


def _read_shape(subject: str | None, face_value: Decimal | None) -> list[Action]:
    return [] if subject is None else read_subject(subject, face_value)


_DECODERS: Final[dict[str, Callable[[Cells, Shape, Sequence[Document]], _Made]]] = {
    "var_margins": _decode_var_margins,
    "groups": _decode_groups,
    "collateral_list": _decode_collateral_list,
    "cmvolt": _decode_volatility,
    "equity_list": _decode_lists,
    "constituents": _decode_lists,
    "arrow_instruments": _decode_lists,
    "symbol_changes": _decode_symbol_changes,
    "corporate_actions": _decode_corporate_actions,
}
