"""Smallcases the fast way: the schemas Arrow must find, and a row per constituent."""

from __future__ import annotations

from typing import Final

import polars as pl

from holdings_kit.schema import MONEY
from holdings_kit.wire._assemble import BASKET_READ
from holdings_kit.wire._fast import counted

__all__ = ["LISTED", "PRIVATE", "baskets"]

_TEXT: Final = pl.String()
_WIDE: Final = pl.Decimal(38, 18)  # basket figures: rounded to MONEY without a remark
_STATS: Final = pl.Struct(
    dict.fromkeys(("currentValue", "totalReturns", "currentReturns"), _WIDE)
)
_CONSTITUENTS: Final = pl.List(pl.Struct({"ticker": _TEXT, "shares": _WIDE}))
LISTED: Final = pl.List(
    pl.Struct(
        {
            **dict.fromkeys(("scid", "name", "shortDescription", "imageUrl"), _TEXT),
            "stats": _STATS,
            "constituents": _CONSTITUENTS,
        }
    )
)
"""Smallcases in a list: all public ones, and private ones in one of two shapes."""
PRIVATE: Final = pl.Struct({"stats": _STATS, "investments": LISTED})
"""Private smallcases in the other shape."""


def baskets(rows: pl.DataFrame, *, private_list: str) -> tuple[pl.DataFrame, pl.Series]:
    """Read every smallcase: a row per constituent, or one where there is none.

    `private_list` is the field of private smallcases that came as a list.
    """
    smallcases = pl.col("smallcases").struct
    private = smallcases.field("private").struct
    items = [
        ("public", 0, smallcases.field("public")),
        ("private", 2, private.field("investments")),
        ("private", 2, smallcases.field(private_list)),
    ]
    parts = [
        rows.select("doc", item=private.field("stats"))
        .filter(pl.col("item").is_not_null())
        .select(
            "doc",
            *(_NO_TEXT.alias(name) for name in ("basket_id", "basket_name")),
            *_figures(pl.col("item")),
            pointer=_NO_TEXT,
            visibility=pl.lit("private"),
            part=pl.lit(1),
            no=pl.lit(0, pl.Int64()),
            constituents=pl.lit(None, _CONSTITUENTS),
            _missing=pl.lit(value=False),
        )
    ]
    for visibility, part, expression in items:
        found = counted(rows, expression)
        item = pl.col("item").struct
        parts.append(
            found.select(
                "doc",
                *_figures(item.field("stats")),
                basket_id=item.field("scid"),
                basket_name=item.field("name"),
                pointer=_NO_TEXT,
                visibility=pl.lit(visibility),
                part=pl.lit(part),
                no="no",
                constituents=item.field("constituents"),
                _missing=pl.col("item").is_null(),
            )
        )
    whole = pl.concat(parts, how="diagonal")
    rows_of = _constituents(whole)
    wide = pl.col(*_FIGURES.values(), "quantity")
    read = wide.cast(MONEY, strict=False)
    lost = pl.any_horizontal(wide.is_not_null() & read.is_null(), "_missing")
    doubtful = rows_of.select(pl.col("doc").filter(lost)).to_series()
    ordered = rows_of.sort("doc", "part", "no", "_place", maintain_order=True)
    return ordered.with_columns(read).select(BASKET_READ.names()), doubtful


_NO_TEXT: Final = pl.lit(None, pl.String())
_FIGURES: Final = {
    "currentValue": "current_value",
    "totalReturns": "total_returns",
    "currentReturns": "current_returns",
}


def _figures(stats: pl.Expr) -> list[pl.Expr]:
    return [stats.struct.field(name).alias(column) for name, column in _FIGURES.items()]


def _constituents(whole: pl.DataFrame) -> pl.DataFrame:
    many = pl.col("constituents").list.len() > 0
    held_by = (
        whole.filter(many)
        .with_columns(_place=pl.int_ranges(pl.col("constituents").list.len()))
        .explode("constituents", "_place")
        .with_columns(
            symbol=pl.col("constituents").struct.field("ticker"),
            quantity=pl.col("constituents").struct.field("shares"),
            _missing=pl.col("_missing") | pl.col("constituents").is_null(),
        )
    )
    bare = whole.filter(~many.fill_null(value=False)).with_columns(
        _place=pl.lit(0, pl.Int64()),
        symbol=_NO_TEXT,
        quantity=pl.lit(None, _WIDE),
    )
    return pl.concat(
        [part.drop("constituents") for part in (held_by, bare)], how="diagonal"
    )
