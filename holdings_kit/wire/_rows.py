"""Text rows to typed rows: a strict reading of every number, row by row proven.

A wire row arrives as text. `read_values` reads its numbers, `explain_unread` says per
row what could not be read, and `report_remarks` what was read with a loss (rounded) or
taken as unknown (a price of zero, a placeholder such as "-").
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC
from functools import cache
from typing import TYPE_CHECKING, Final, TypeGuard

import polars as pl

from holdings_kit.schema import INSTANT, MONEY, empty
from holdings_kit.wire._parse import Json, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

NOTICE: Final = pl.Schema(
    {
        "doc": pl.Int64(),
        "kind": pl.String(),
        "pointer": pl.String(),
        "value": pl.String(),
    }
)


ROW: Final = pl.col("doc") * 2**28 + pl.col("holding_no")
"""One number for a row: a document has no room for 2²⁸ of them."""
POINTER: Final = pl.format("{}/{}", "at", "no")
"""Where a row stands: the pointer of its list, and its place there."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Table:
    """How one kind of wire row becomes HOLDINGS.

    Attributes
    ----------
    name
        The format this row belongs to.
    fields
        Wire column → path inside the row object.
    numbers
        Wire columns read as exact numbers.
    figures
        Those of them that are no quantity: prices, P&L, haircuts. A placeholder such as
        "-" in one of them is unknown; in a quantity it sets the row aside.
    flags
        Wire columns of true or false, which become text.
    instants
        Wire columns read as instants; one that is none is unknown, with a remark.
    known
        Documented keys that carry objects or are read elsewhere.
    positive
        Prices: 0 means "not populated", and below 0 is none.
    percentages
        What lies from 0 to 100; beyond it is none.
    holdings
        HOLDINGS column → expression over the typed wire columns.
    extra
        Wire columns without a HOLDINGS column of their own.
    """

    name: str
    fields: Mapping[str, tuple[str, ...]]
    numbers: Sequence[str]
    known: frozenset[str]
    positive: Sequence[str]
    holdings: Mapping[str, pl.Expr]
    figures: Sequence[str]
    percentages: Sequence[str] = ()
    flags: Sequence[str] = ()
    instants: Sequence[str] = ()
    extra: Sequence[str] = ()


def is_object(value: Json) -> TypeGuard[dict[str, Json]]:
    """Tell a parsed JSON object from everything else."""
    return isinstance(value, dict)


def is_list(value: Json) -> TypeGuard[list[Json]]:
    """Tell a parsed JSON list from everything else."""
    return isinstance(value, list)


def pick_scalars(
    row: Mapping[str, Json], fields: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, str | None], list[str]]:
    """Pick the declared fields of one wire object as text, and say what is no scalar.

    >>> pick_scalars({"qty": "1", "h": {"p": []}}, {"qty": ("qty",), "p": ("h", "p")})
    ({'qty': '1', 'p': None}, ['h/p: [] is neither text nor a number'])
    """
    texts: dict[str, str | None] = {}
    faults: list[str] = []
    for column, path in fields.items():
        value = _follow(row, path)
        if isinstance(value, bool):
            value = "true" if value else "false"
        if value is not None and not isinstance(value, str):
            shown = as_text(value)[:40]
            faults.append(f"{'/'.join(path)}: {shown} is neither text nor a number")
            value = None
        texts[column] = value
    return texts, faults


@cache
def _list_inner_keys(
    paths: tuple[tuple[str, ...], ...],
) -> dict[tuple[str, ...], frozenset[str]]:
    """Give the keys that declared paths have inside each object they go through."""
    keys: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for path in paths:
        for depth in range(1, len(path)):
            keys[path[:depth]].add(path[depth])
    return {prefix: frozenset(names) for prefix, names in keys.items()}


def find_undeclared(
    row: Mapping[str, Json], fields: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, Json]]:
    """Give what stands inside the inner objects of a row and no field declares.

    >>> fields = {"price": ("lot", "price")}
    >>> list(find_undeclared({"lot": {"price": "1", "fee": "2"}, "x": "3"}, fields))
    [('lot/fee', '2')]
    """
    for prefix, known in _list_inner_keys(tuple(fields.values())).items():
        inner = _follow(row, prefix)
        if is_object(inner):
            for key in inner:
                if key not in known:
                    yield "/".join((*prefix, key)), inner[key]


def _follow(value: Json, path: tuple[str, ...]) -> Json:
    """Follow a path of keys; a missing step is null, a step into a scalar a list."""
    for step in path:
        if not is_object(value):
            return None if value is None else [value]
        value = value.get(step)
    return value


def read_values(text: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Read the numbers and instants of a frame; what fails stays null here.

    Blank text is unknown (null). Numbers are exact to four places, half-even beyond;
    those that the quick reader has read stay.
    """
    return text.with_columns(_build_reading(table, typed=is_typed(text, table)))


def is_typed(text: pl.DataFrame, table: Table) -> bool:
    """Tell whether the numbers are read: the quick reader does so where it can."""
    return text[table.numbers[0]].dtype != pl.String()


@cache
def _build_reading(table: Table, *, typed: bool) -> list[pl.Expr]:
    numbers: Sequence[str] = () if typed else table.numbers
    flags = table.flags if typed else ()
    return [
        *(number(column).cast(MONEY, strict=False) for column in numbers),
        *(instant(column) for column in table.instants),
        *(
            pl.when(pl.col(column))
            .then(pl.lit("true"))
            .when(~pl.col(column))
            .then(pl.lit("false"))
            .alias(column)
            for column in flags
        ),
        *(
            _read_blank_as_null(column)
            for column in table.fields
            if column not in {*table.numbers, *table.instants, *flags}
        ),
    ]


def explain_unread(text: pl.DataFrame, rows: pl.DataFrame, table: Table) -> pl.Series:
    """Say per row what could not be read, as one text; null where all could.

    `rows` is what `read_values` made of `text`.
    """
    kind = "number of at most 18 digits"
    columns: list[str] = []
    if not is_typed(text, table):
        blank = text.select(_count_blanks(table))
        columns = [
            column
            for column in table.numbers
            if rows[column].null_count() > blank[column].item()
        ]
    if not columns:
        return pl.Series("reason", [None], pl.String()).new_from_index(0, text.height)
    lost = text.select(
        number(column).is_not_null()
        & rows[column].is_null()
        & (pl.lit(column not in table.figures) | ~is_placeholder(column))
        for column in columns
    )
    said = [
        pl.when(lost[column]).then(
            pl.format(
                f"{'/'.join(table.fields[column])}: '{{}}' is no {kind}",
                pl.col(column).str.slice(0, 40),
            )
        )
        for column in columns
    ]
    joined = pl.concat_str(said, separator="; ", ignore_nulls=True)
    return text.select(reason=pl.when(joined != "").then(joined)).to_series()


def report_remarks(
    text: pl.DataFrame, rows: pl.DataFrame, table: Table
) -> pl.DataFrame:
    """Remark on what was read with a loss or taken as unknown: rounded, no instant.

    `rows` is what `read_values` made of `text`.
    """
    typed = is_typed(text, table)
    looks = _look_over(table, typed=typed)
    seen = text.select(looks) if looks else text
    numbers = () if typed else table.numbers
    unread = dict.fromkeys(table.instants, "unread_instant")
    unread |= {} if typed else dict.fromkeys(table.figures, "placeholder")
    found = [
        text.filter(_is_rounded(column)).select(
            "doc",
            kind=pl.lit("rounded"),
            pointer=_format_pointer(table, column),
            value=pl.col(column),
        )
        for column in numbers
        if seen[column].item()
    ]
    found += [
        text.filter(number(column).is_not_null() & rows[column].is_null()).select(
            "doc",
            kind=pl.lit(kind),
            pointer=_format_pointer(table, column),
            value=pl.col(column),
        )
        for column, kind in unread.items()
        if rows[column].null_count() > seen[f"{column} blank"].item()
    ]
    return stack_frames([*found, report_zero_prices(rows, table)])


@cache
def _count_blanks(table: Table) -> list[pl.Expr]:
    return [(pl.col(*table.numbers).fill_null("") == "").sum()]


@cache
def _look_over(table: Table, *, typed: bool) -> list[pl.Expr]:
    texts = table.instants if typed else (*table.figures, *table.instants)
    blank = [
        (pl.col(name).fill_null("") == "").sum().alias(f"{name} blank")
        for name in texts
    ]
    long = pl.col(*table.numbers).str.contains(_LONG).any()
    return blank if typed else [long, *blank]


def report_zero_prices(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Remark on prices that are none (0 is "not populated"), and on percentages."""
    some = rows.select(_look_for_zero(table))
    found = [
        rows.filter(pl.col(column) <= 0).select(
            "doc",
            kind=pl.when(pl.col(column) == 0)
            .then(pl.lit("zero_price"))
            .otherwise(pl.lit("negative_price")),
            pointer=_format_pointer(table, column),
            value=pl.when(pl.col(column) == 0)
            .then(pl.lit("0"))
            .otherwise(pl.col(column).cast(pl.String())),
        )
        for column in table.positive
        if some[column].item()
    ]
    found += [
        rows.filter(~is_percentage(column)).select(
            "doc",
            kind=pl.lit("no_percentage"),
            pointer=_format_pointer(table, column),
            value=pl.col(column).cast(pl.String()),
        )
        for column in table.percentages
        if some[column].item()
    ]
    return pl.concat(found) if found else empty(NOTICE)


def is_percentage(column: str) -> pl.Expr:
    """Tell whether a number lies from 0 to 100."""
    return pl.col(column).is_between(0, 100)


@cache
def _look_for_zero(table: Table) -> list[pl.Expr]:
    odd = [(~is_percentage(column)).any().alias(column) for column in table.percentages]
    return [(pl.col(*table.positive) <= 0).any(), *odd]


def _format_pointer(table: Table, column: str) -> pl.Expr:
    return pl.concat_str(POINTER, pl.lit("/" + "/".join(table.fields[column])))


_PLACEHOLDERS: Final = (
    *("-", "--", "---", "–", "—", "?", "#n/a", "n/a", "na", "n.a.", "nan"),
    *("null", "none", "nil", "undefined", "not available"),
)


def is_placeholder(column: str) -> pl.Expr:
    """Tell whether a text stands for "no value", in the words that systems write.

    >>> pl.DataFrame({"ltp": ["-", " N/A", "1.5", "1,5"]}).select(
    ...     is_placeholder("ltp")
    ... )["ltp"].to_list()
    [True, True, False, False]
    """
    return pl.col(column).str.strip_chars().str.to_lowercase().is_in(_PLACEHOLDERS)


def null_unpopulated(column: str) -> pl.Expr:
    """Give a price, or null where it is 0 ("not populated") or below."""
    return pl.when(pl.col(column) > 0).then(pl.col(column))


_LONG: Final = r"\.\d{5}|[eE]"  # whatever is rounded matches this


def _is_rounded(column: str) -> pl.Expr:
    """Tell whether reading a text number to four places drops digits."""
    text = pl.col(column)
    plain = text.str.contains(r"\.\d{4}\d*[1-9]")
    power = text.str.contains(r"[1-9]\d*\.?\d*[eE]")
    wide = text.str.strip_chars().cast(pl.Decimal(38, 18), strict=False)
    lost = (wide != wide.cast(MONEY, strict=False)) | (wide == 0) | wide.is_null()
    return pl.when(power).then(lost).otherwise(plain).fill_null(value=False)


def write_instant(at: datetime) -> str:
    """Write an instant in the form that is read fastest, if milliseconds suffice.

    >>> from datetime import UTC, datetime
    >>> write_instant(datetime(2026, 1, 5, 10, 15, 30, 123000, tzinfo=UTC))
    '2026-01-05T10:15:30.123Z'
    """
    if at.microsecond % 1000:
        return at.isoformat()
    text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def run_plan(plan: pl.LazyFrame) -> pl.DataFrame:
    """Run a plan as it is written; for one reply, to optimise it would cost more."""
    return plan.collect(engine="in-memory", optimizations=_AS_WRITTEN)


_AS_WRITTEN: Final = pl.QueryOptFlags.none()


def explode_items(
    rows: pl.DataFrame, items: pl.Expr, *, keep: Sequence[str] = ("doc",)
) -> pl.DataFrame:
    """Give one row per item of a list: ``item``, and ``no``, its place.

    An item that is null stays a row.
    """
    listed = rows.lazy().select(*keep, item=items, no=pl.int_ranges(items.list.len()))
    return run_plan(listed.explode("item", "no", empty_as_null=False, keep_nulls=False))


def join_documents(frame: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """Put what documents say beside their rows."""
    if documents.height != 1:
        return frame.join(documents, on="doc", how="left", maintain_order="left")
    return frame.hstack(
        [
            column.new_from_index(0, frame.height)
            for column in documents.get_columns()
            if column.name not in frame.columns
        ]
    )


def stack_frames(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put frames of one schema together; where only one has rows, it is not copied."""
    filled = [frame for frame in frames if frame.height]
    return pl.concat(filled) if len(filled) > 1 else (filled or frames)[0]


def number(column: str) -> pl.Expr:
    """Text without the blanks around it; null where nothing is left."""
    text = pl.col(column).str.strip_chars()
    return pl.when(text != "").then(text).alias(column)


def instant(column: str) -> pl.Expr:
    """Read an ISO 8601 instant or epoch seconds or milliseconds; else null.

    A date without a time is midnight UTC; a time without a zone is not read.

    >>> texts = ["2026-01-05T10:15:30.123Z", "1767608130", "2026-01-05", "5 Jan"]
    >>> frame = pl.DataFrame({"at": texts}).select(instant("at"))
    >>> frame["at"].dt.to_string("%F %T").to_list()
    ['2026-01-05 10:15:30', '2026-01-05 10:15:30', '2026-01-05 00:00:00', None]
    """
    return pl.col(column).map_batches(_parse_instants, INSTANT, is_elementwise=True)


def _parse_instants(texts: pl.Series) -> pl.Series:
    """Read the usual form; each other form only where a text is none before it."""
    found = texts.to_frame("text").select(_USUAL)
    if found["instant"].null_count() == found["text"].null_count():
        return found["instant"]
    text = pl.col("text")
    any_iso = _parse_iso(
        text.str.replace(" ", "T", literal=True), "%Y-%m-%dT%H:%M:%S%.f%#z"
    )
    day = text.str.to_date("%Y-%m-%d", strict=False).cast(INSTANT)
    for form in (any_iso, pl.coalesce(day, _parse_epoch(text))):
        if found["instant"].null_count() > found["text"].null_count():
            found = found.with_columns(instant=pl.coalesce("instant", form))
    return found["instant"]


def _parse_iso(text: pl.Expr, form: str) -> pl.Expr:
    return text.str.to_datetime(form, time_zone="UTC", time_unit="us", strict=False)


_USUAL: Final = [
    number("text"),
    # a fixed width: read much faster
    _parse_iso(pl.col("text"), "%Y-%m-%dT%H:%M:%S.%3fZ").alias("instant"),
]


def _parse_epoch(text: pl.Expr) -> pl.Expr:
    count = text.cast(pl.Decimal(38, 6), strict=False)
    seconds = text.str.contains(r"^\d{9,10}(\.\d+)?$")
    millis = text.str.contains(r"^\d{12,13}$")
    epoch = pl.when(seconds).then(count * 1_000_000).when(millis).then(count * 1000)
    return epoch.cast(pl.Int64()).cast(INSTANT)


def _read_blank_as_null(column: str) -> pl.Expr:
    return pl.when(pl.col(column) != "").then(pl.col(column)).alias(column)
