"""What a backtest says of each run of breaches: counts, rates, shortfalls, tests."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import polars as pl

from holdings_kit.haircuts import _runs
from holdings_kit.haircuts._frames import Floats, Ints
from holdings_kit.haircuts._series import Setting, each

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["COVERAGE", "Column", "coverage", "filled", "rates"]

Column: TypeAlias = Floats | pl.Series | list[float | None] | list[str]

COVERAGE: Final = pl.Schema(
    {
        "instrument_id": pl.String(),  # these two are replaced by the keys asked for
        "model": pl.String(),
        "n": pl.Int64(),  # windows judged: haircut and loss both known
        "breaches": pl.Int64(),
        "expected": pl.Float64(),  # n × (1 − level)
        "ratio": pl.Float64(),  # breaches / expected
        "rate": pl.Float64(),
        "rate_lower": pl.Float64(),  # Clopper–Pearson, 95 %, of n/H windows
        "rate_upper": pl.Float64(),
        "mean_haircut": pl.Float64(),
        "break_even_haircut": pl.Float64(),  # least constant one that keeps the level
        "excess": pl.Float64(),  # mean haircut − break-even
        "first_breach": pl.Date(),
        "worst_shortfall": pl.Float64(),  # loss − haircut, of breaches
        "mean_shortfall": pl.Float64(),
        # windows that do not overlap, one instrument: null otherwise
        "exact_p": pl.Float64(),  # binomial, two-sided
        "kupiec_p": pl.Float64(),
        "tuff_p": pl.Float64(),
        "christoffersen_p": pl.Float64(),
        "conditional_coverage_p": pl.Float64(),
        "haas_p": pl.Float64(),
        "duration_p": pl.Float64(),
        "dynamic_quantile_p": pl.Float64(),
        "traffic_light": pl.String(),
        # right for overlapping windows too
        "hac_p": pl.Float64(),
        "offsets_p": pl.Float64(),
        "bootstrap_p": pl.Float64(),
        "note": pl.String(),
    }
)


def coverage(rows: pl.DataFrame, by: Sequence[str], setting: Setting) -> pl.DataFrame:
    """Judge each run of `by` in rows of breaches whose haircut and loss are known."""
    rows = _ordered(rows, by)
    if rows.height == 0:
        return filled(rows.select(by), {}, alone=setting.alone)
    starts = _starts(rows, by)
    hits = rows["breach"].to_numpy()
    found = _runs.counted(hits, starts)
    columns = _plain(rows, starts, found, setting)
    if setting.disjoint:
        columns |= _runs.ratios(found, setting.p)
        columns["traffic_light"] = _runs.zones(found["x"], found["n"], setting.p)
    columns |= each(rows, starts, setting)
    return filled(rows.select(by).gather(starts[:-1]), columns, alone=setting.alone)


def filled(
    keys: pl.DataFrame, columns: Mapping[str, Column], *, alone: bool
) -> pl.DataFrame:
    """Put columns beside the keys of each row: `COVERAGE`, null where there is none.

    Rows that pool instruments or models have no column for what they pool.
    """
    absent = keys.columns if alone else [*keys.columns, "instrument_id", "model"]
    frame = keys
    for name, dtype in COVERAGE.items():
        if name not in absent:
            values = columns.get(name)
            column = pl.Series(name, [None] * keys.height if values is None else values)
            if column.dtype.is_float():
                column = column.fill_nan(None)
            frame = frame.with_columns(column.cast(dtype))
    return frame


def rates(n: Floats, x: Floats, p: float) -> dict[str, Column]:
    """Set x breaches of n windows beside the n p that the level lets expect."""
    return {
        "n": n,
        "breaches": x,
        "expected": n * p,
        "ratio": x / (n * p),
        "rate": x / n,
    }


def _ordered(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Sort by key and date, unless the rows stand so already."""
    before = {key: pl.col(key).shift() for key in (*by, "date")}
    in_order = before["date"] <= pl.col("date")
    for key in reversed(by):
        same = before[key] == pl.col(key)
        in_order = (before[key] < pl.col(key)) | (same & in_order)
    if rows.select(in_order.all()).item():
        return rows
    return rows.sort(*by, "date")


def _starts(rows: pl.DataFrame, by: Sequence[str]) -> Ints:
    """First row of each key, and the number of rows at the end."""
    changed = pl.any_horizontal(
        pl.col(key).ne_missing(pl.col(key).shift()) for key in by
    )
    first = rows.select(changed.alias("changed")).to_series().arg_true().to_numpy()
    if rows.height and (first.size == 0 or first[0] != 0):
        first = np.append(0, first)
    return np.append(first, rows.height).astype(np.int64)


def _plain(
    rows: pl.DataFrame, starts: Ints, found: dict[str, Floats], setting: Setting
) -> dict[str, Column]:
    """Take counts, rates and shortfalls of each run."""
    n, x, first = found["n"], found["x"], starts[:-1]
    hits, short = rows["breach"].to_numpy(), rows["shortfall"].to_numpy()
    mean = np.add.reduceat(rows["haircut"].to_numpy(), first) / n
    deep = np.add.reduceat(np.where(hits, short, 0.0), first)
    worst = np.maximum.reduceat(short, first)
    any_hit = np.where(x > 0, 1.0, np.nan)
    independent = _independent(rows, starts, setting)
    lower, upper = _runs.rate_limits(x / n * independent, independent)
    day = np.where(x > 0, first + np.nan_to_num(found["first"], nan=1.0) - 1, 0)
    dated = rows["date"].gather(day.astype(np.int64))
    even = _break_even(rows["loss"].to_numpy(), starts, setting.p)
    return {
        **rates(n, x, setting.p),
        "rate_lower": lower,
        "rate_upper": upper,
        "mean_haircut": mean,
        "break_even_haircut": even,
        "excess": mean - even,
        "first_breach": pl.select(pl.when(pl.Series(x > 0)).then(dated)).to_series(),
        "worst_shortfall": worst * any_hit,
        "mean_shortfall": deep / np.maximum(x, 1) * any_hit,
    }


def _independent(rows: pl.DataFrame, starts: Ints, setting: Setting) -> Floats:
    """Count the windows of each run that share no day."""
    n = np.diff(starts).astype(np.float64)
    if not setting.alone:
        dates = rows["date"]
        n = np.array(
            [dates[a:b].n_unique() for a, b in pairwise(starts.tolist())], float
        )
    return np.maximum(n / setting.horizon, 1.0)


def _break_even(lost: Floats, starts: Ints, p: float) -> Floats:
    """Least constant haircut with at most ⌊n p⌋ breaches, not below 0."""
    out = np.empty(starts.size - 1)
    for run, (first, last) in enumerate(pairwise(starts.tolist())):
        place = last - first - 1 - int((last - first) * p + 1e-9)
        out[run] = np.partition(lost[first:last], max(place, 0))[max(place, 0)]
    return np.maximum(out, 0.0)
