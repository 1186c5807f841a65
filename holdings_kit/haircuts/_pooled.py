"""Rows of a backtest that pool instruments, put together from slices of a universe.

Counts and sums add up, extremes are extremes of extremes, and what falls together on a
day is a sum per day. The break-even haircut is an order statistic: a slice gives its
largest losses, and the answer is proven by the smallest of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

from holdings_kit.haircuts._coverage import (
    POOLED,
    Column,
    built_for,
    filled,
    rate_limits,
    rates,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdings_kit.haircuts._coverage import Setting

__all__ = ["Part", "combine", "part_of"]

BUILT: Final = ("level", "horizon")
_SPARE: Final = 4  # times its own share of the largest losses, and so many more
_MORE: Final = 64


class Part(NamedTuple):
    """What one slice adds to the rows of `by`: numbers, no prices."""

    sums: pl.DataFrame  # by: n, x, haircut, short, worst, first
    days: pl.DataFrame  # by, date: n, x
    tail: pl.DataFrame  # by: loss, descending; all that could matter
    shown: pl.DataFrame  # by: bound, the least loss shown where others are not


def part_of(
    rows: pl.DataFrame, by: Sequence[str], p: float, *, largest: int | None = None
) -> Part:
    """Add up one slice of breaches whose haircut and loss are known.

    `largest` is how many losses of each key to give; None: a guess.
    """
    hit, short = pl.col("breach"), pl.col("shortfall").filter("breach")
    count = pl.len().cast(pl.Int64()).alias("n")
    hits = hit.sum().cast(pl.Int64()).alias("x")
    sums = rows.group_by(by).agg(
        count,
        hits,
        pl.col("haircut").sum(),
        short.sum().alias("short"),
        short.max().alias("worst"),
        pl.col("date").filter("breach").min().alias("first"),
        *(
            pl.col(column).cast(pl.Float64()).min().alias(f"{column}_low")
            for column in BUILT
        ),
        *(
            pl.col(column).cast(pl.Float64()).max().alias(f"{column}_high")
            for column in BUILT
        ),
    )
    guess = (pl.len().over(by) * p * _SPARE).floor() + _MORE
    keep = guess if largest is None else pl.lit(largest)
    placed = rows.select(
        *by,
        "loss",
        pl.col("loss").rank("ordinal", descending=True).over(by).alias("place"),
        keep.alias("keep"),
        pl.len().over(by).alias("n"),
    )
    tail = placed.filter(pl.col("place") <= pl.col("keep"))
    cut = tail.filter(pl.col("keep") < pl.col("n"))
    return Part(
        sums,
        rows.group_by(*by, "date").agg(count, hits),
        tail.select(*by, "loss"),
        cut.group_by(by).agg(pl.col("loss").min().alias("bound")),
    )


def combine(
    parts: Sequence[Part], by: Sequence[str], setting: Setting
) -> tuple[pl.DataFrame, int]:
    """Put slices together: `COVERAGE`, and how many losses it takes to prove it.

    The number is 0 when the losses given prove the break-even haircuts; else ask each
    slice again for so many.
    """
    sums = (
        pl.concat([part.sums for part in parts])
        .group_by(by)
        .agg(
            pl.col("n", "x", "haircut", "short").sum(),
            pl.col("worst").max(),
            pl.col("first").min(),
            pl.col(*(f"{column}_low" for column in BUILT)).min(),
            pl.col(*(f"{column}_high" for column in BUILT)).max(),
        )
        .sort(by)
    )
    tail = pl.concat([part.tail for part in parts]).sort("loss", descending=True)
    bound = pl.concat([part.shown for part in parts]).group_by(by).agg(pl.max("bound"))
    days = (
        pl.concat([part.days for part in parts])
        .group_by(*by, "date")
        .agg(pl.col("n", "x").sum())
        .sort("date")
    )
    for found in (
        tail.group_by(by, maintain_order=True).agg("loss"),
        bound,
        days.group_by(by, maintain_order=True).agg(rate=pl.col("x") / pl.col("n")),
    ):
        sums = sums.join(
            found, on=by, how="left", maintain_order="left", nulls_equal=True
        )
    place = (pl.col("n") * setting.p + 1e-9).floor().cast(pl.Int64())
    place = pl.min_horizontal(place, pl.col("n") - 1)
    even = pl.col("loss").list.get(pl.col("place"), null_on_oob=True)
    rows = sums.with_columns(place=place).with_columns(even=even)
    hidden = pl.col("even").is_null() | (pl.col("even") < pl.col("bound"))
    need = rows.filter(hidden)["place"].to_list()
    answer = filled(rows.select(by), _columns(rows, setting), setting)
    return answer, max(need, default=-1) + 1


def _columns(rows: pl.DataFrame, setting: Setting) -> dict[str, Column]:
    n = rows["n"].to_numpy().astype(np.float64)
    x = rows["x"].to_numpy().astype(np.float64)
    even = np.maximum(rows["even"].cast(pl.Float64()).to_numpy(), 0.0)
    mean = rows["haircut"].to_numpy() / n
    dates = rows["rate"].list.len().to_numpy().astype(np.float64)
    independent = np.maximum(dates / setting.horizon, 1.0)
    lower, upper = rate_limits(x / n * independent, independent)
    hit = np.where(x > 0, 1.0, np.nan)
    return {
        **rates(n, x, setting.p),
        "rate_lower": lower,
        "rate_upper": upper,
        "mean_haircut": mean,
        "break_even_haircut": even,
        "excess": mean - even,
        "first_breach": rows["first"],
        "worst_shortfall": rows["worst"],
        "mean_shortfall": rows["short"].to_numpy() / np.maximum(x, 1) * hit,
        "note": _notes(rows, setting),
    }


def _notes(rows: pl.DataFrame, setting: Setting) -> list[str]:
    notes: list[str] = []
    for row in rows.iter_rows(named=True):
        parts = [POOLED]
        for column in BUILT:
            ends = [row[f"{column}_low"], row[f"{column}_high"]]
            if ends[0] is not None:
                parts += built_for(column, ends, setting)
        notes.append("; ".join(parts))
    return notes
