"""Finance as named expressions: each works eager, lazy, grouped and on one row.

Null in, null out, unless the docstring says otherwise. Products are formed at `VALUE`
(eight places), so nothing is rounded before the caller rounds.
"""

from __future__ import annotations

import polars as pl

from holdings_kit.schema import VALUE

__all__ = ["any_known", "cost_value", "product", "ratio", "total"]


def product(quantity: str | pl.Expr, price: str | pl.Expr) -> pl.Expr:
    """Multiply units by rupees per unit, exactly: 4 + 4 decimal places.

    Null where either is null.

    >>> from decimal import Decimal
    >>> lot = pl.DataFrame({"q": [Decimal("0.0001")], "p": [Decimal("0.0001")]})
    >>> lot.select(product("q", "p")).item()
    Decimal('1E-8')
    """
    left = pl.col(quantity) if isinstance(quantity, str) else quantity
    right = pl.col(price) if isinstance(price, str) else price
    return (left.cast(VALUE) * right.cast(VALUE)).cast(VALUE)


def cost_value() -> pl.Expr:
    """Owned units times average price, in rupees; null where either is unknown."""
    return product("owned_quantity", "average_price").alias("cost_value")


def total(column: str) -> pl.Expr:
    """Sum, or null as soon as one term is unknown.

    >>> frame = pl.DataFrame({"a": [1, 2], "b": [1, None]})
    >>> frame.select(total("a"), total("b")).row(0)
    (3, None)
    """
    known = pl.col(column).null_count() == 0
    return pl.when(known).then(pl.col(column).sum()).alias(column)


def any_known(column: str) -> pl.Expr:
    """Sum of the known terms, or null when no term is known.

    For totals that carry their coverage beside them.

    >>> pl.DataFrame({"a": [None, 2]}).select(any_known("a")).item()
    2
    """
    some = pl.col(column).count() > 0
    return pl.when(some).then(pl.col(column).sum()).alias(column)


def ratio(numerator: str | pl.Expr, denominator: str | pl.Expr) -> pl.Expr:
    """Divide as Float64; null where either is unknown or the denominator is 0.

    >>> pl.DataFrame({"a": [1, 1], "b": [4, 0]}).select(ratio("a", "b"))["a"].to_list()
    [0.25, None]
    """
    above = pl.col(numerator) if isinstance(numerator, str) else numerator
    below = pl.col(denominator) if isinstance(denominator, str) else denominator
    low = below.cast(pl.Float64())
    return pl.when(low != 0).then(above.cast(pl.Float64()) / low)
