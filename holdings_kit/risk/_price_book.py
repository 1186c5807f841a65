"""Positions beside their price history: values, aligned returns, and the coverage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import polars as pl

from holdings_kit.errors import FrameError, load_optional

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
else:
    np = load_optional("numpy")

__all__ = ["FEWEST", "Book", "read_book"]

FEWEST: Final = 2  # returns below which nothing is measured


@dataclass(frozen=True, kw_only=True)
class Book:
    """Values today (N), simple returns of the window (T × N), and the coverage."""

    ids: list[str]
    values: Floats
    returns: Floats
    facts: dict[str, Any]


def read_book(positions: pl.DataFrame, prices: pl.DataFrame, window: int) -> Book:
    """Join values and returns; leave out, and list, what has no full history."""
    for name, frame, columns in (
        ("positions", positions, ("instrument_id", "market_value")),
        ("prices", prices, ("instrument_id", "date", "close")),
    ):
        for column in columns:
            if column not in frame.columns:
                raise FrameError(name, column, "missing")
    held = (
        positions.group_by("instrument_id", maintain_order=True)
        .agg(
            pl.when(pl.col("market_value").null_count() == 0).then(
                pl.col("market_value").sum().cast(pl.Float64())
            )
        )
        .filter(pl.col("instrument_id").is_not_null())
    )
    book = pl.col("instrument_id").is_in(held["instrument_id"].implode())
    closes = prices.select(
        "instrument_id", "date", pl.col("close").cast(pl.Float64())
    ).filter((pl.col("close") > 0) & book)
    if closes.select("instrument_id", "date").is_duplicated().any():
        raise FrameError("prices", "close", "two closes for one instrument and day")
    days = closes["date"].unique().sort().tail(window + 1)
    recent = closes.filter(pl.col("date").is_in(days.implode()))
    full = recent.group_by("instrument_id").len().filter(pl.col("len") == len(days))
    kept = held.filter(
        pl.col("market_value").is_not_null()
        & pl.col("instrument_id").is_in(full["instrument_id"].implode())
    )
    ids: list[str] = kept["instrument_id"].to_list()
    enough = bool(ids) and len(days) > FEWEST
    matrix = (
        recent.filter(pl.col("instrument_id").is_in(ids))
        .pivot(on="instrument_id", on_columns=ids, index="date", values="close")
        .sort("date")
        .select(ids)
        .to_numpy()
        if enough
        else np.ones((1, len(ids)))
    )
    values = kept["market_value"].to_numpy()
    known = float(held["market_value"].sum())
    return Book(
        ids=ids,
        values=values,
        returns=matrix[1:] / matrix[:-1] - 1,
        facts={
            "observations": max(len(days) - 1, 0) if enough else 0,
            "first_date": days[0] if len(days) else None,
            "last_date": days[-1] if len(days) else None,
            "covered_value": float(values.sum()),
            "covered_share": float(values.sum()) / known if known > 0 else None,
            "uncovered": held.filter(~pl.col("instrument_id").is_in(ids))[
                "instrument_id"
            ].to_list(),
        },
    )
