"""The smallcases of Gateway documents: a row per constituent, or one where none is.

Both shapes of ``private`` are read, from the struct frame of either reader.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import polars as pl

from holdings_kit.schema import MONEY, empty
from holdings_kit.wire._facts import BASKET, READ_FAULT
from holdings_kit.wire._quick_lines import TwoShapes
from holdings_kit.wire._rows import NOTICE, explode_items, is_placeholder, number

PRIVATE: Final = TwoShapes("private", "[", late=True)
_NOTHING: Final = pl.lit(None, pl.String())


class Baskets(NamedTuple):
    """What the smallcases of many documents say."""

    rows: pl.DataFrame
    notices: pl.DataFrame
    faults: pl.DataFrame
    doubtful: pl.Series


_FIGURES: Final = {
    "currentValue": "current_value",
    "totalReturns": "total_returns",
    "currentReturns": "current_returns",
}
_MONEY: Final = ("quantity", *_FIGURES.values())


def read_baskets(rows: pl.DataFrame, root: str) -> Baskets:
    """Read every smallcase: a row per constituent, or one where there is none."""
    wide = _list_constituents(rows, f"{root}/smallcases")
    missing = wide.filter("_missing")["doc"]
    if missing.len():
        wide = wide.filter(~pl.col("_missing"))
    if not wide.height:
        return Baskets(empty(BASKET), empty(NOTICE), empty(READ_FAULT), missing)
    notices = empty(NOTICE)
    if wide.schema["quantity"] == pl.String():
        notices, wide = _remark_on_placeholders(wide)
    read = wide.with_columns(pl.col(*_MONEY).cast(MONEY, strict=False))
    lost = wide.select(*_MONEY).null_count().row(0)
    faults = empty(READ_FAULT)
    if read.select(*_MONEY).null_count().row(0) != lost:
        faults = _find_basket_faults(wide, read)
        read = read.with_columns(pointer=_POINTER).join(
            faults, on=["doc", "pointer"], how="anti", maintain_order="left"
        )
    return Baskets(read.select(BASKET.names()), notices, faults, missing)


def _remark_on_placeholders(text: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take a placeholder in a figure as unknown, with a remark; blanks as unknown."""
    found = [
        text.filter(is_placeholder(column)).select(
            "doc",
            kind=pl.lit("placeholder"),
            pointer=pl.format("{}/stats/{}", _BASKET, pl.lit(name)),
            value=pl.col(column),
        )
        for name, column in _FIGURES.items()
    ]
    read = text.with_columns(
        number("quantity"),
        *(
            pl.when(~is_placeholder(column)).then(number(column)).alias(column)
            for column in _FIGURES.values()
        ),
    )
    return pl.concat(found).unique(maintain_order=True), read


def _find_basket_faults(text: pl.DataFrame, read: pl.DataFrame) -> pl.DataFrame:
    wrong = text.select(
        pl.when(pl.col(column).is_not_null() & read[column].is_null()).then(
            pl.format(f"{column}: '{{}}' is no number", column)
        )
        for column in _MONEY
    )
    reason = wrong.select(pl.concat_str(pl.all(), separator="; ", ignore_nulls=True))
    return text.select(
        "doc",
        reason=pl.format("{}: {}", _POINTER, reason.to_series()),
        raw=pl.lit(None, pl.Binary()),
        fatal=pl.lit(value=True),
        pointer=_POINTER,
    ).filter(reason.to_series() != "")


def _list_constituents(rows: pl.DataFrame, pointer: str) -> pl.DataFrame:
    """Put all smallcases below each other, one row per constituent."""
    smallcases = pl.col("smallcases").struct
    private = smallcases.field("private").struct
    items = [
        ("public", 0, f"{pointer}/public", smallcases.field("public")),
        ("private", 2, f"{pointer}/private/investments", private.field("investments")),
        ("private", 2, f"{pointer}/private", smallcases.field(PRIVATE.other)),
    ]
    listed = rows.select(items[0][3].explode().struct.field("constituents"))
    parts = [
        rows.select("doc", item=private.field("stats"))
        .filter(pl.col("item").is_not_null())
        .select(
            "doc",
            *(_NOTHING.alias(name) for name in ("basket_id", "basket_name")),
            *_read_figures(pl.col("item")),
            at=pl.lit(f"{pointer}/private"),
            visibility=pl.lit("private"),
            part=pl.lit(1),
            no=pl.lit(0, pl.Int64()),
            constituents=pl.lit(None, listed.dtypes[0]),
            _missing=pl.lit(value=False),
        )
    ]
    for visibility, part, place, expression in items:
        item = pl.col("item").struct
        parts.append(
            explode_items(rows, expression).select(
                "doc",
                *_read_figures(item.field("stats")),
                basket_id=item.field("scid"),
                basket_name=item.field("name"),
                at=pl.lit(place),
                visibility=pl.lit(visibility),
                part=pl.lit(part),
                no="no",
                constituents=item.field("constituents"),
                _missing=pl.col("item").is_null(),
            )
        )
    found = _explode_constituents(pl.concat(parts, how="diagonal"))
    return found.sort("doc", "part", "no", "_place", maintain_order=True)


_BASKET: Final = pl.when(part=1).then("at").otherwise(pl.format("{}/{}", "at", "no"))
_POINTER: Final = (
    pl.when(pl.col("_place").is_null())
    .then(_BASKET)
    .otherwise(pl.format("{}/constituents/{}", _BASKET, "_place"))
)


def _read_figures(stats: pl.Expr) -> list[pl.Expr]:
    return [stats.struct.field(name).alias(column) for name, column in _FIGURES.items()]


def _explode_constituents(baskets: pl.DataFrame) -> pl.DataFrame:
    many = pl.col("constituents").list.len() > 0
    part = pl.col("constituents").struct
    held_by = (
        baskets.filter(many)
        .with_columns(_place=pl.int_ranges(pl.col("constituents").list.len()))
        .explode("constituents", "_place")
        .with_columns(
            symbol=part.field("ticker"),
            quantity=part.field("shares"),
            _missing=pl.col("_missing") | pl.col("constituents").is_null(),
        )
    )
    bare = baskets.filter(~many.fill_null(value=False)).with_columns(
        _place=pl.lit(None, pl.Int64()),
        symbol=_NOTHING,
        quantity=pl.lit(None, held_by.schema["quantity"]),
    )
    return pl.concat(
        [part.drop("constituents") for part in (held_by, bare)], how="diagonal"
    )
