"""How a value is written for people: one number format, whatever shows it.

Rupees with Indian digit groups, a true minus before the sign of the rupee, no zeros
that say nothing, and a dash for what is unknown. For reading only: nothing written
here is computed with again.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import polars as pl

Kind: TypeAlias = Literal[
    "text",
    "quantity",
    "rupees",
    "percent",
    "rate",
    "probability",
    "number",
    "instant",
    "date",
    "flag",
]
"""``rate`` is a published fraction and keeps two places; ``percent`` has one."""

UNKNOWN: Final = "–"
"""Stands for null: unknown, which is not zero."""

_MINUS: Final = "\N{MINUS SIGN}"
_THIN: Final = "\N{NARROW NO-BREAK SPACE}"
_RUPEE: Final = "\N{INDIAN RUPEE SIGN}"
_CRORE, _LAKH = Decimal(10_000_000), Decimal(100_000)
_LEAST_P: Final = Decimal("0.001")
INDIA: Final = ZoneInfo("Asia/Kolkata")  # written out: to import it loads polars
_WORDS: Final[dict[Kind, tuple[str, ...]]] = {
    "percent": ("weight", "return", "share", "confidence", "twr", "xirr", "drawdown"),
    "rate": (
        *("haircut", "rate", "var", "es", "margin", "elm", "adhoc", "shock"),
        *("volatility", "add"),
    ),
    "probability": ("p",),
    "rupees": (
        *("price", "value", "pnl", "effect", "cost", "flow", "cash", "room"),
        *("open", "high", "low", "close"),
    ),
    "quantity": ("quantity",),
}
"""The last word of a column's name → how its numbers are written."""
_NAMES: Final = ("year", "line_no", "token")
"""Numbers that name something: without digit groups."""
_TYPES: Final[dict[str, Kind]] = {
    "Datetime": "instant",
    "Date": "date",
    "Boolean": "flag",
}
_LABELS: Final = {
    "at": "(IST)",
    "elm": "ELM",
    "es": "ES",
    "hhi": "HHI",
    "id": "id",
    "isin": "ISIN",
    "pnl": "P&L",
    "t1": "T+1",
    "twr": "TWR",
    "var": "VaR",
    "xirr": "XIRR",
}


def rupees(value: object, *, places: int = 2, sign: bool = False) -> str:
    """Write rupees with lakh and crore groups.

    Rounded half-even for display. Null, NaN and infinity are unknown.

    Parameters
    ----------
    value
        A number, or None for unknown.
    places
        Decimal places.
    sign
        Write a plus before what is above zero: for changes.

    Examples
    --------
    >>> rupees(Decimal("292670.17")), rupees(-5515.52), rupees(None)
    ('₹2,92,670.17', '−₹5,515.52', '–')
    >>> rupees(944.06, sign=True), rupees(Decimal("-0.001"))
    ('+₹944.06', '₹0.00')
    """
    exact = _read_exact(value)
    if exact is None:
        return UNKNOWN
    mark, digits = _group_digits(exact, places)
    return f"{mark or ('+' if sign and exact > 0 else '')}{_RUPEE}{digits}"


def compact_rupees(value: object) -> str:
    """Write rupees short, in lakh (L) and crore (Cr) from a lakh on.

    Examples
    --------
    >>> for value in (51574, -292670, 12_000_000, 99_999.9, None):
    ...     print(compact_rupees(value).replace(chr(0x202F), " "))
    ₹51,574
    −₹2.93 L
    ₹1.20 Cr
    ₹1.00 L
    –
    """
    exact = _read_exact(value)
    if exact is None:
        return UNKNOWN
    for unit, name, from_ in ((_CRORE, "Cr", 100 * _LAKH), (_LAKH, "L", _LAKH)):
        step = Decimal("0.01") * _LAKH if unit == _CRORE else Decimal(1)
        if (abs(exact) / step).quantize(Decimal(1), ROUND_HALF_EVEN) * step >= from_:
            mark, digits = _group_digits(exact / unit, 2)
            return f"{mark}{_RUPEE}{digits}{_THIN}{name}"
    return rupees(exact, places=0)


def percent(value: object, *, places: int = 1, sign: bool = False) -> str:
    """Write a fraction in percent.

    Examples
    --------
    >>> for text in (percent(0.0471), percent(-0.0593, places=2), percent(None)):
    ...     print(text.replace(chr(0x202F), " "))
    4.7 %
    −5.93 %
    –
    """
    exact = _read_exact(value)
    if exact is None:
        return UNKNOWN
    mark, digits = _group_digits(exact * 100, places)
    return f"{mark or ('+' if sign and exact > 0 else '')}{digits}{_THIN}%"


def quantity(value: object) -> str:
    """Write units, or a plain number, with as many places as it has, four at most.

    Examples
    --------
    >>> quantity(Decimal("1523.0000")), quantity(Decimal("24.6900")), quantity(-3)
    ('1,523', '24.69', '−3')
    """
    exact = _read_exact(value)
    if exact is None:
        return UNKNOWN
    short = exact.quantize(Decimal("0.0001"), ROUND_HALF_EVEN).normalize()
    mark, digits = _group_digits(short, max(0, -int(short.as_tuple().exponent)))
    return mark + digits


def probability(value: object) -> str:
    """Write a p-value: as many places as tell something, and never 0.

    Examples
    --------
    >>> probability(0.6612), probability(0.0047), probability(2e-9), probability(None)
    ('0.66', '0.005', '< 0.001', '–')
    """
    exact = _read_exact(value)
    if exact is None:
        return UNKNOWN
    if exact < _LEAST_P:
        return "< 0.001"
    return f"{exact:.2f}" if exact >= Decimal("0.1") else f"{exact:.3f}"


def kind_of_column(column: str, dtype: pl.DataType) -> Kind:
    """Tell how a column is written, by its type and the suffix of its name.

    Examples
    --------
    >>> import polars as pl
    >>> kind_of_column("market_value", pl.Float64())
    'rupees'
    >>> kind_of_column("haircut", pl.Decimal(9, 6)), kind_of_column("n", pl.Int64())
    ('rate', 'number')
    """
    if not dtype.is_numeric():
        return _TYPES.get(type(dtype).__name__, "text")
    return kind_of_number(column)


def kind_of_number(name: str) -> Kind:
    """Tell how a number is written, by the last word of its name.

    Examples
    --------
    >>> kind_of_number("value_before"), kind_of_number("p_value")
    ('rupees', 'probability')
    """
    if name.endswith("p_value"):
        return "probability"
    if name.endswith(_NAMES):
        return "text"
    words = [word for word in name.split("_") if word not in {"before", "after"}]
    last = words[-1] if words else name
    kinds: list[Kind] = [kind for kind, ends in _WORDS.items() if last in ends]
    return kinds[0] if kinds else "number"


def label_of_column(column: str) -> str:
    """Turn a column name into a heading.

    Examples
    --------
    >>> label_of_column("unrealized_pnl"), label_of_column("t1_quantity")
    ('Unrealized P&L', 'T+1 quantity')
    """
    text = " ".join(_LABELS.get(word, word) for word in column.split("_"))
    return text[:1].upper() + text[1:]


_CLASSES: Final = {
    "equity": "Shares",
    "etf": "ETFs",
    "mutual_fund": "Funds",
    "bond": "Bonds",
    None: "Class unknown",
}


def name_class(asset_class: str | None) -> str:
    """Name an asset class as people do.

    >>> name_class("etf"), name_class("government_security"), name_class(None)
    ('ETFs', 'Government security', 'Class unknown')
    """
    if asset_class in _CLASSES:
        return _CLASSES[asset_class]
    return str(asset_class).replace("_", " ").capitalize()


def format_value(value: object, kind: Kind) -> str:
    """Write one value; whoever puts it into HTML escapes it.

    Rupees without the sign of the rupee, which stands in the heading of the column.
    Instants in Indian time.

    Examples
    --------
    >>> format_value(Decimal("20607.38000000"), "rupees"), format_value(None, "percent")
    ('20,607.38', '–')
    >>> format_value(True, "flag"), format_value(["a", "b"], "text")
    ('yes', 'a, b')
    """
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal):
        return _format_number(value, kind)
    if isinstance(value, date):
        return _format_date(value)
    if isinstance(value, list | tuple):
        items: list[object] = [*value]  # pyright: ignore[reportUnknownArgumentType]
        return ", ".join(format_value(item, "text") for item in items)
    return str(value)


def _format_number(value: float | Decimal, kind: Kind) -> str:
    if kind == "rupees":
        return rupees(value).replace(_RUPEE, "")
    if kind in {"percent", "rate"}:
        return percent(value, places=1 if kind == "percent" else 2)
    if kind == "probability":
        return probability(value)
    return str(value) if kind == "text" and isinstance(value, int) else quantity(value)


def _format_date(value: date) -> str:
    if not isinstance(value, datetime):
        return f"{value.day} {value:%b %Y}"
    local = value.astimezone(INDIA) if value.tzinfo else value
    return f"{local.day} {local:%b %Y, %H:%M}" + (" IST" if value.tzinfo else "")


def _read_exact(value: object) -> Decimal | None:
    if value is None or not isinstance(value, int | float | Decimal):
        return None
    exact = Decimal(str(value))
    return exact if exact.is_finite() else None


def _group_digits(value: Decimal, places: int) -> tuple[str, str]:
    """Give the minus, where one is left after rounding, and the grouped digits."""
    text = f"{abs(value):.{places}f}"
    whole, _, fraction = text.partition(".")
    head, tail = whole[:-3], whole[-3:]
    while head:
        tail = f"{head[-2:]},{tail}"
        head = head[:-2]
    mark = _MINUS if value < 0 and text.strip("0.") else ""
    return mark, tail + (f".{fraction}" if fraction else "")


def number_of(number: int | Decimal, one: str, many: str | None = None) -> str:
    """Write a number with its noun; `many` where more than an s is added.

    Examples
    --------
    >>> number_of(1, "day"), number_of(0, "day"), number_of(1200, "breach", "breaches")
    ('1 day', '0 days', '1,200 breaches')
    """
    return f"{quantity(number)} {one if number == 1 else many or one + 's'}"
