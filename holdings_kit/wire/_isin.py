"""ISIN arithmetic: the check digit, and what the letters say of a security."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable


def isin_ok(column: str = "isin") -> pl.Expr:
    """Tell whether an ISIN has the shape and the check digit of ISO 6166.

    Letters count as two digits (A = 10 … Z = 35); over these digits the Luhn sum
    must end in 0. Null where the ISIN is null.

    Parameters
    ----------
    column
        A text column.

    Examples
    --------
    >>> codes = ["INE062A01020", "INE062A01021", "ine062a01020", "", None]
    >>> pl.DataFrame({"isin": codes}).select(isin_ok())["isin"].to_list()
    [True, False, False, False, None]
    """
    return pl.col(column).map_batches(_check_codes, pl.Boolean(), is_elementwise=True)


def asset_class(column: str = "isin") -> pl.Expr:
    """Read the asset class off an Indian ISIN; null where the letters do not say.

    ``INE…01`` and ``IN9…01`` equity, ``INE…07/08`` bond, ``INF`` fund units (listed,
    so an ETF), ``IN0``-``IN4`` government security. NSDL's numbering of ISINs.

    Examples
    --------
    >>> codes = ["INE062A01020", "INF204KB17I5", "IN0020230085", "US0378331005"]
    >>> pl.DataFrame({"isin": codes}).select(asset_class())["isin"].to_list()
    ['equity', 'etf', 'government_security', None]
    """
    return pl.col(column).map_batches(_name_classes, pl.String(), is_elementwise=True)


def _check_codes(codes: pl.Series) -> pl.Series:
    return _map_distinct(codes, has_right_check_digit, pl.Boolean())


def _name_classes(codes: pl.Series) -> pl.Series:
    return _map_distinct(codes, name_asset_class, pl.String())


def _map_distinct(
    codes: pl.Series, answer: Callable[[str], object], dtype: pl.DataType
) -> pl.Series:
    """Ask of each distinct code once: a column of a million holds a few thousand."""
    distinct = codes.unique().drop_nulls()
    if distinct.is_empty():
        return pl.Series(codes.name, [None] * len(codes), dtype=dtype)
    answers = pl.Series([answer(code) for code in distinct.to_list()], dtype=dtype)
    return codes.replace_strict(distinct, answers, default=None, return_dtype=dtype)


@lru_cache(maxsize=1 << 16)
def name_asset_class(code: str) -> str | None:
    """Name the asset class of one code, as `asset_class` does."""
    return next((name for form, name in _CLASSES if form.match(code)), None)


@lru_cache(maxsize=1 << 16)  # every block of a dump has the same few thousand
def has_right_check_digit(code: str) -> bool:
    """Tell whether the Luhn sum of all digits ends in 0, the last one not doubled."""
    if _SHAPE.fullmatch(code) is None:
        return False
    digits = [int(digit) for digit in code.translate(_EXPANDED)][::-1]
    twice = (digit * 2 for digit in digits[1::2])
    return (sum(digits[::2]) + sum(two // 10 + two % 10 for two in twice)) % 10 == 0


_CLASSES = (
    (re.compile(r"IN[E9].{4}01"), "equity"),
    (re.compile(r"INE.{4}0[78]"), "bond"),
    (re.compile(r"INF"), "etf"),
    (re.compile(r"IN[0-4]"), "government_security"),
)
_SHAPE = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")
_EXPANDED = {ord(c): str(int(c, 36)) for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
