"""What a person types into the filter box, read as a polars expression."""

from __future__ import annotations

import difflib
import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.display._numbers import INDIA, label_of_column
from holdings_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

SEARCH: Final = "__search"
_SIGN: Final = r"(>=|<=|!=|=|>|<)"
_UNIT: Final = r"(?:lakh|lac|crore|l|cr|%)"
# A value: quoted, or a number with its unit, or one word.
_VALUE: Final = rf'("[^"]*"|\'[^\']*\'|[-−₹]*[\d][\d,_.]*\s*{_UNIT}(?=\s|$)|\S*)'
_COMPARISON: Final = re.compile(rf"{_SIGN}\s*{_VALUE}", re.IGNORECASE)
_WORD: Final = re.compile(r'"([^"]*)"|\'([^\']*)\'|(\S+)')
_TIMES: Final = {
    "%": Decimal("0.01"),
    **dict.fromkeys(("lakh", "lac", "l"), Decimal(100_000)),
    **dict.fromkeys(("crore", "cr"), Decimal(10_000_000)),
}
_COMPARE: Final[dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]]] = {
    ">=": pl.Expr.ge,
    "<=": pl.Expr.le,
    "!=": pl.Expr.ne,
    "=": pl.Expr.eq,
    ">": pl.Expr.gt,
    "<": pl.Expr.lt,
}


def searchable(schema: pl.Schema) -> pl.Expr:
    """Join every text column in lower case: what a bare word is looked for in."""
    texts = [name for name, dtype in schema.items() if dtype == pl.String()]
    joined = pl.concat_str(*texts, separator=" ", ignore_nulls=True) if texts else None
    return (pl.lit("") if joined is None else joined.str.to_lowercase()).alias(SEARCH)


def condition(query: str, schema: pl.Schema) -> pl.Expr | None:
    """Read words and comparisons, all of which must hold; nothing typed: no condition.

    ``bank owned_quantity >= 1,000 market value > 50 lakh haircut < 20%``: a word is
    looked for in every text column, a comparison names a column by its name or its
    heading. Days and times are Indian. A row whose value is unknown matches no
    comparison.

    Raises
    ------
    ConfigError
        A column is not there, or its value cannot be compared with the text.
    """
    terms: list[pl.Expr] = []
    rest = query.strip()
    while found := _COMPARISON.search(rest):
        before, column = _split_column(rest[: found.start()], schema)
        terms += _find_words(before)
        terms.append(_compare_column(column, found[1], found[2].strip("\"'"), schema))
        rest = rest[found.end() :]
    terms += _find_words(rest)
    return reduce(and_, terms) if terms else None


def _find_words(text: str) -> list[pl.Expr]:
    if text.count('"') % 2 or text.count("'") % 2:  # a mark still being typed
        text = text.replace('"', " ").replace("'", " ")
    return [
        pl.col(SEARCH).str.contains("".join(parts).lower(), literal=True)
        for parts in _WORD.findall(text)
    ]


def _split_column(text: str, schema: pl.Schema) -> tuple[str, str]:
    """Take the column off the end of what stands before a sign."""
    words = text.split()
    names = {_squeeze(one): one for one in schema}
    names |= {_squeeze(label_of_column(one)): one for one in schema}
    for count in range(len(words), 0, -1):
        column = names.get(_squeeze("".join(words[-count:])))
        if column is not None:
            return " ".join(words[:-count]), column
    if not words:
        raise ConfigError("Write a column before the sign, as in owned_quantity > 100.")
    near = difflib.get_close_matches(_squeeze(words[-1]), list(names), 1)
    meant = f"; did you mean {names[near[0]]}?" if near else ""
    known = ", ".join(schema)
    raise ConfigError(f"no column {words[-1]!r}{meant or f'; there are {known}'}")


def _squeeze(name: str) -> str:
    return name.lower().replace("_", "").replace(" ", "")


def _compare_column(column: str, sign: str, text: str, schema: pl.Schema) -> pl.Expr:
    dtype, found = schema[column], pl.col(column)
    compare = _COMPARE[sign]
    if not text:
        raise ConfigError(f"Write what {column} is compared with, after {sign}.")
    if dtype.is_numeric():
        return compare(found, pl.lit(_parse_number(text, column)))
    if dtype == pl.Boolean():
        if text.lower() not in {"yes", "true", "1", "no", "false", "0"}:
            raise ConfigError(f"{column} is yes or no, and {text!r} is neither")
        return compare(found, pl.lit(text.lower() in {"yes", "true", "1"}))
    if dtype.is_temporal():
        return compare(*_compare_times(found, dtype, text, column))
    if dtype != pl.String():
        raise ConfigError(f"{column} holds {dtype}; it cannot be compared here")
    return compare(found.str.to_lowercase(), pl.lit(text.lower()))


def _compare_times(
    found: pl.Expr, dtype: pl.DataType, text: str, column: str
) -> tuple[pl.Expr, pl.Expr]:
    """Compare days where a day is written, else minutes; both in India."""
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        found = found.dt.convert_time_zone(INDIA.key).dt.replace_time_zone(None)
    try:
        if "T" in text.upper() and dtype != pl.Date():
            moment = datetime.fromisoformat(text).replace(tzinfo=None)
            return found.dt.truncate("1m"), pl.lit(moment)
        return found.cast(pl.Date()), pl.lit(date.fromisoformat(text))
    except ValueError:
        raise ConfigError(
            f"{column} is a time and {text!r} is none; "
            f"write {column} > 2026-01-05 or {column} > 2026-01-05T10:15"
        ) from None


def _parse_number(text: str, column: str) -> Decimal:
    plain = text.replace(",", "").replace("_", "").replace("₹", "").replace("−", "-")
    found = re.fullmatch(rf"(.*?)\s*({_UNIT}?)", plain.strip().lower())
    number, unit = found.groups() if found else (plain, "")
    try:
        value = Decimal(number)
    except InvalidOperation:
        raise ConfigError(
            f"{column} is a number and {text!r} is none; write {column} > 100"
        ) from None
    return value * _TIMES.get(unit, Decimal(1))
