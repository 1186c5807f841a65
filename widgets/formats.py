"""How a value is shown: the unit by its column's suffix, unknown as a dash.

Display only: nothing shown here is computed with again.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import polars as pl

__all__ = ["UNKNOWN", "Kind", "grouped", "kind_of", "label_of", "shown"]

Kind: TypeAlias = Literal["text", "number", "money", "share", "instant", "flag"]

UNKNOWN: Final = "–"
"""Stands for null: unknown, which is not zero."""
_IST: Final = ZoneInfo("Asia/Kolkata")
_SHARES: Final = (
    *("haircut", "weight", "return", "share", "confidence"),
    *("excess", "shortfall", "rate"),
)
_MONEY: Final = ("price", "value", "pnl", "effect", "cost", "room", "returns")
_LABELS: Final = {"isin": "ISIN", "pnl": "P&L", "t1": "T+1", "at": "(IST)"}


def kind_of(column: str, dtype: pl.DataType) -> Kind:
    """Tell how a column is shown, by its type and the suffix of its name.

    >>> import polars as pl
    >>> kind_of("market_value", pl.Float64()), kind_of("haircut", pl.Decimal(9, 6))
    ('money', 'share')
    """
    parts = column.split("_")
    if dtype.is_temporal():
        return "instant"
    if dtype.is_numeric():
        words = [part for part in parts if part not in {"before", "after"}]
        last = words[-1] if words else column
        if last in _SHARES:
            return "share"
        return "money" if last in _MONEY else "number"
    return "flag" if str(dtype) == "Boolean" else "text"


def label_of(column: str) -> str:
    """Turn a column name into a heading.

    >>> label_of("unrealized_pnl"), label_of("snapshot_at"), label_of("t1_quantity")
    ('Unrealized P&L', 'Snapshot (IST)', 'T+1 quantity')
    """
    words = [_LABELS.get(word, word) for word in column.split("_")]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def grouped(number: Decimal, places: int) -> str:
    """Write a number with Indian digit groups, rounded half-even for display.

    >>> grouped(Decimal("1234567.891"), 2), grouped(Decimal(-999), 0)
    ('12,34,567.89', '−999')
    """
    text = f"{abs(number):.{places}f}"
    whole, _, fraction = text.partition(".")
    head, tail = whole[:-3], whole[-3:]
    while head:
        tail = f"{head[-2:]},{tail}"
        head = head[:-2]
    sign = "−" if number < 0 and text.strip("0.") else ""
    return sign + tail + (f".{fraction}" if fraction else "")


def shown(value: object, kind: Kind) -> str:
    """Write one value as text; the caller escapes it where it becomes HTML.

    Money to two places, shares as percentages to two, instants in Indian time.

    >>> shown(None, "money"), shown(Decimal("0.2707"), "share"), shown(1.0, "number")
    ('–', '27.07 %', '1')
    """
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        here = value.astimezone(_IST) if value.tzinfo else value
        return f"{here:%d %b %Y %H:%M}"
    if isinstance(value, date):
        return f"{value:%d %b %Y}"
    if isinstance(value, int | float | Decimal):
        return _number(value, kind)
    return str(value)


def _number(value: float | Decimal, kind: Kind) -> str:
    exact = Decimal(str(value))
    if not exact.is_finite():
        return UNKNOWN if exact.is_nan() else "∞"
    if kind == "share":
        return f"{grouped(exact * 100, 2)} %"
    if kind == "money":
        return grouped(exact, 2)
    short = round(exact, 4).normalize()
    return grouped(short, max(0, -int(short.as_tuple().exponent)))
