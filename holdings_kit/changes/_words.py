"""Sentences with the figures in them: the evidence of a rule."""

from __future__ import annotations

from string import Formatter
from typing import Final

import polars as pl

__all__ = ["sentence", "text"]

_PAIRS: Final = {
    "owned": "owned_quantity",
    "free": "settled_quantity",
    "t1": "t1_quantity",
    "position": "position_quantity",
    "pledged": "pledged_quantity",
    "average": "average_price",
    "cost": "cost_value",
    "price": "price",
    "haircut": "haircut",
}


def text(number: pl.Expr) -> pl.Expr:
    """Write a decimal without its trailing zeros; ``unknown`` for null."""
    shown = number.cast(pl.String()).str.strip_chars_end("0").str.strip_chars_end(".")
    return shown.fill_null("unknown")


def sentence(template: str, **figures: pl.Expr) -> pl.Expr:
    """Fill figures into a sentence.

    ``{owned}`` is both sides (``10 → 35``), ``{owned.after}`` one of them, so for
    every figure of a line; any other name is a number of `figures`, or a column of
    text where `figures` has no such name.

    >>> line = pl.DataFrame({"symbol": ["IDEA"]})
    >>> line.select(sentence("{symbol} {n}", n=pl.lit("7.50"))).item()
    'IDEA 7.5'
    """
    parts: list[pl.Expr] = []
    for said, name, _, _ in Formatter().parse(template):
        parts.append(pl.lit(said))
        if name is None:
            continue
        figure, _, side = name.partition(".")
        if name in figures:
            parts.append(text(figures[name]))
        elif figure not in _PAIRS:
            parts.append(pl.col(name).cast(pl.String()).fill_null("unknown"))
        elif side:
            parts.append(text(pl.col(f"{_PAIRS[figure]}_{side}")))
        else:
            before, after = (f"{_PAIRS[figure]}_{end}" for end in ("before", "after"))
            parts += [text(pl.col(before)), pl.lit(" → "), text(pl.col(after))]
    return pl.concat_str(parts)
