"""The cells of a report's tables: rupees, quantities, shares, as text to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ["UNKNOWN", "figures_of", "money", "percent", "rupees", "shown", "units"]

UNKNOWN: Final = "–"
_FIGURE: Final = r"^([+-]?\d[\d,]*(\.\d+)?%?|–)$"


def rupees(value: object) -> str:
    """Write rupees, two places; a dash for what is unknown.

    Examples
    --------
    >>> rupees(1234.5), rupees(None)
    ('1,234.50', '–')
    """
    return UNKNOWN if value is None else f"{value:,.2f}"


def money(column: str) -> pl.Expr:
    """Write a column of rupees."""
    return (
        pl.col(column)
        .map_elements(rupees, return_dtype=pl.String(), skip_nulls=False)
        .alias(column)
    )


def units(column: str) -> pl.Expr:
    """Write a column of quantities, as many places as they have.

    Examples
    --------
    >>> from decimal import Decimal
    >>> held = pl.DataFrame({"n": [Decimal("1523.0000"), Decimal("24.6900"), None]})
    >>> held.select(units("n"))["n"].to_list()
    ['1,523', '24.69', '–']
    """

    def plain(value: Decimal | None) -> str:
        return UNKNOWN if value is None else f"{value.normalize():,f}"

    return (
        pl.col(column)
        .map_elements(plain, return_dtype=pl.String(), skip_nulls=False)
        .alias(column)
    )


def percent(column: str) -> pl.Expr:
    """Write a column of fractions in percent, two places."""
    text = pl.format("{}%", (pl.col(column) * 100).round(2))
    return (
        pl.when(pl.col(column).is_not_null())
        .then(text)
        .otherwise(pl.lit(UNKNOWN))
        .alias(column)
    )


def shown(frame: pl.DataFrame) -> pl.DataFrame:
    """Write every cell as text, a dash for null."""
    return frame.select(pl.all().cast(pl.String()).fill_null(UNKNOWN))


def figures_of(texts: pl.DataFrame) -> frozenset[str]:
    """Name the columns that hold figures only: they are set to the right.

    Examples
    --------
    >>> figures_of(pl.DataFrame({"P&L": ["-1,200.50", "–"], "basis": ["close", "ltp"]}))
    frozenset({'P&L'})
    """
    return frozenset(
        name
        for name in texts.columns
        if texts[name].str.contains(_FIGURE).all() and texts.height
    )
