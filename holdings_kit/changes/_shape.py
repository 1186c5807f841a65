"""Explained lines in the promised columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from holdings_kit.changes._frames import CHANGES

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["shaped"]


def shaped(rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Keep the promised columns; what a suspect snapshot would say is unknown."""
    have = set(rows.columns)
    doubted = "_suspect" in have  # lines of which nothing moved are not
    odd = [pl.col(c) for c in ("_pending", "_unrestated", "_jump") if c in have]
    pnl_known = pl.all_horizontal(
        pl.col(f"{column}_after").is_not_null()
        for column in ("owned_quantity", "price", "average_price")
    )
    columns: list[pl.Expr] = []
    for column, dtype in CHANGES.items():
        if column == "symbol":
            value = pl.coalesce("symbol_after", "symbol_before")
        elif column == "pnl_reliable":
            value = pl.when(pnl_known).then(~pl.any_horizontal(*odd))
        elif column not in have:
            value = pl.lit(None, dtype)
        else:
            value = pl.col(column)
        if doubted and column.endswith("_after") and column != "snapshot_at_after":
            value = pl.when(~pl.col("_suspect")).then(value)
        columns.append(value.cast(dtype).alias(column))
    extra = [key for key in keys if key not in CHANGES]
    return rows.select(*extra, *columns)
