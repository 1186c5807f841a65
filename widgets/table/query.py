"""What a person types into the filter box, read as a polars expression."""

from __future__ import annotations

import re
import shlex
from decimal import Decimal, InvalidOperation
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SEARCH", "condition", "searchable"]

SEARCH: Final = "__search"
_TERM: Final = re.compile(r"^(\w+)(>=|<=|!=|=|>|<)(.*)$")
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

    ``bank owned_quantity>=100 haircut<20%``: a word is looked for in every text
    column, a comparison names a column. A row whose value is unknown matches no
    comparison.

    Raises
    ------
    ConfigError
        A column is not there, or its value cannot be compared with the text.
    """
    terms = [_read_term(term, schema) for term in _split_terms(query)]
    return reduce(and_, terms) if terms else None


def _split_terms(query: str) -> list[str]:
    try:
        return shlex.split(query)
    except ValueError:  # an open quotation mark: still being typed
        return query.replace('"', " ").replace("'", " ").split()


def _read_term(term: str, schema: pl.Schema) -> pl.Expr:
    found = _TERM.match(term)
    if found is None:
        return pl.col(SEARCH).str.contains(term.lower(), literal=True)
    column, sign, text = found.groups()
    if column not in schema:
        raise ConfigError(f"no column {column!r}; have {', '.join(schema)}")
    dtype = schema[column]
    if dtype.is_numeric():
        return _COMPARE[sign](pl.col(column), pl.lit(_parse_number(text, column)))
    if dtype == pl.Boolean():
        wanted = pl.lit(text.lower() in {"yes", "true", "1"})
        return _COMPARE[sign](pl.col(column), wanted)
    shown = pl.col(column).cast(pl.String()).str.to_lowercase()
    return _COMPARE[sign](shown, pl.lit(text.lower()))


def _parse_number(text: str, column: str) -> Decimal:
    plain = text.replace(",", "")
    try:
        value = Decimal(plain.removesuffix("%"))
    except InvalidOperation:
        raise ConfigError(
            f"{column} is a number and {text!r} is none; write {column}>100"
        ) from None
    return value / 100 if plain.endswith("%") else value
