"""EWMA volatility from closes, its seed, and the way from σ to a haircut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import polars as pl

from holdings_kit.errors import ConfigError, FrameError, load_optional
from holdings_kit.haircuts._frames import check_fraction
from holdings_kit.schema import require_columns

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import Closes, Floats, Ints

Seed: TypeAlias = str | float | pl.DataFrame | pl.LazyFrame
"""``zero``, ``first`` (r₁²), ``mean:N``, a daily variance, or a frame of daily σ."""
Conversion: TypeAlias = Literal["linear", "exp_long", "exp_short"]
FirstReturn: TypeAlias = Literal["none", "open"]


def volatility(
    closes: Closes, *, decay: float, seed: Seed, first_squares: Floats | None = None
) -> Floats:
    """Daily σ by EWMA; NaN until the seed stands and, after a zero seed, one return.

    `first_squares` holds one squared return per instrument that counts on the day of
    its first close, NaN for none.
    """
    check_fraction(decay, "decay")
    squares = np.square(closes.moves)
    begin, value = _place_seed(closes, seed, squares)
    if first_squares is not None:
        known = np.isfinite(first_squares) & (begin == closes.starts[:-1])
        value = np.where(known, decay * value + (1 - decay) * first_squares, value)
    variance = ewma_variance(squares, closes.starts, decay, begin, value)
    sigma = np.sqrt(variance, out=variance)
    if _is_zero(seed):  # before the first return nothing is known of σ
        sigma[begin[(value == 0) & (begin < closes.starts[1:])]] = np.nan
    return sigma


def ewma_variance(
    squares: Floats, starts: Ints, decay: float, begin: Ints, value: Floats
) -> Floats:
    """Variance by s²ₜ = λ s²ₜ₋₁ + (1 − λ) r²ₜ, each series from its own seed.

    `begin` is the row at which the seed `value` of a series stands; rows before it are
    NaN. A series whose `begin` lies past its end, or whose seed is NaN, is NaN.

    Examples
    --------
    >>> ewma_variance(
    ...     np.array([np.nan, 0.0004, 0.0]),
    ...     np.array([0, 3]),
    ...     0.5,
    ...     np.array([1]),
    ...     np.array([0.0004]),
    ... ).tolist()
    [nan, 0.0004, 0.0002]
    """
    lfilter: Any = load_optional("scipy.signal").lfilter
    out = np.full(squares.size, np.nan)
    above, below = [1 - decay], [1.0, -decay]
    last = starts[1:]
    rows = np.flatnonzero((begin < last) & ~np.isnan(value))
    out[begin[rows]] = value[rows]
    for first, end, state in zip(
        (begin[rows] + 1).tolist(),
        last[rows].tolist(),
        value[rows].tolist(),
        strict=True,
    ):
        if first < end:
            out[first:end], _ = lfilter(
                above, below, squares[first:end], zi=[decay * state]
            )
    return out


def standardise_returns(
    closes: Closes, sigma: Floats, seed: Seed
) -> tuple[Floats, int]:
    """Return zₜ = rₜ/σₜ₋₁ and how many values are not there yet in each series.

    Where σₜ₋₁ is 0 or unknown (a share that has not moved since its seed) z is NaN.
    """
    returns = closes.moves
    scale = np.append(np.nan, sigma)[:-1]
    known = scale > 0
    out = np.full(returns.size, np.nan)
    out[known] = returns[known] / scale[known]
    days = (
        1 if _is_zero(seed) else _count_seed_days(seed) if isinstance(seed, str) else 0
    )
    return out, 1 + days


def _is_zero(seed: Seed) -> bool:
    return isinstance(seed, str | float | int) and seed in ("zero", 0)


def _place_seed(closes: Closes, seed: Seed, squares: Floats) -> tuple[Ints, Floats]:
    """Row and value at which the recursion of each instrument starts."""
    first = closes.starts[:-1]
    if _is_zero(seed):
        return first, np.zeros(first.size)
    if isinstance(seed, str):
        days = _count_seed_days(seed)
        begin = first + days
        value = np.full(first.size, np.nan)
        old = np.flatnonzero(begin < closes.starts[1:])
        rows = begin[old, np.newaxis] - np.arange(days - 1, -1, -1)
        value[old] = squares[rows].mean(axis=1)
        return begin, value
    if isinstance(seed, pl.DataFrame | pl.LazyFrame):
        return _look_up_seeds(closes, seed)
    if not 0 <= seed < 1:
        raise ConfigError(
            f"seed {seed}: a number is a daily variance as a fraction squared, "
            "such as 0.0004 for σ = 2 %, or 0 for the exchange's zero start"
        )
    return first, np.full(first.size, float(seed))


def _count_seed_days(seed: str) -> int:
    if seed == "first":
        return 1
    kind, _, days = seed.partition(":")
    if kind == "mean" and days.isdecimal() and int(days) > 0:
        return int(days)
    raise ConfigError(
        f"seed {seed!r}: give 'zero', 'first', 'mean:N', a daily variance or a frame "
        "(instrument_id, volatility[, date])"
    )


def _look_up_seeds(
    closes: Closes, seeds: pl.DataFrame | pl.LazyFrame
) -> tuple[Ints, Floats]:
    """Find where each instrument's σ is known first, and its square.

    `volatility` is σ with the return of its date, `previous_volatility` σ before it.
    Without a date σ is that of the first close.
    """
    table = _check_seeds(seeds.lazy().collect())
    first = closes.starts[:-1]
    if "date" not in table.columns:
        if table["instrument_id"].is_duplicated().any():
            raise FrameError("seed", "instrument_id", "stands twice; add a date")
        names = closes.keys.select(pl.col("instrument_id").gather(first))
        joined = names.join(
            table, on="instrument_id", how="left", maintain_order="left"
        )
        return first, np.square(joined["volatility"].fill_null(np.nan).to_numpy())
    joined = closes.keys.join(
        table, on=["instrument_id", "date"], how="left", maintain_order="left"
    )
    sigma = joined["volatility"].fill_null(np.nan).to_numpy().copy()
    if "previous_volatility" in table.columns:
        before = joined["previous_volatility"].fill_null(np.nan).to_numpy()
        inside = np.setdiff1d(np.arange(sigma.size), first)
        empty = inside[np.isnan(sigma[inside - 1])] if inside.size else inside
        sigma[empty - 1] = before[empty]
    known = np.flatnonzero(~np.isnan(sigma))
    place = np.searchsorted(known, first)
    begin = np.append(known, sigma.size)[place].astype(np.int64)
    there = begin < closes.starts[1:]
    value = np.where(there, np.square(np.append(sigma, np.nan)[begin]), np.nan)
    return np.where(there, begin, first), value


def _check_seeds(table: pl.DataFrame) -> pl.DataFrame:
    """Take the columns that say σ, and refuse what is no fraction."""
    reason = f"missing; seed has {table.columns}"
    needed = ("instrument_id", "volatility")
    require_columns(table.columns, needed, name="seed", reason=reason)
    sigmas = [c for c in ("volatility", "previous_volatility") if c in table.columns]
    keys = [c for c in ("instrument_id", "date") if c in table.columns]
    table = table.select(*keys, pl.col(sigmas).cast(pl.Float64()))
    for column in sigmas:
        wrong = table.filter(~pl.col(column).is_between(0, 1, closed="left"))
        if wrong.height:
            raise FrameError(
                "seed",
                column,
                f"{wrong[column][0]} of {wrong['instrument_id'][0]}: a daily σ is a "
                "fraction below 1, such as 0.0132 for 1.32 %",
            )
    return (
        table.unique(keys, keep="last", maintain_order=True) if len(keys) > 1 else table
    )


def convert_move(multiple: Floats, conversion: Conversion) -> Floats:
    """Turn kσ, a log move, into a fraction of value lost.

    ``exp_short`` is exp(kσ) − 1, what the exchange publishes; ``exp_long`` is
    1 − exp(−kσ), what a long position loses; ``linear`` takes it as it stands.

    >>> [
    ...     convert_move(np.array([0.24]), c).round(3).item()
    ...     for c in ("linear", "exp_long", "exp_short")
    ... ]
    [0.24, 0.213, 0.271]
    """
    if conversion == "linear":
        return multiple
    if conversion == "exp_long":
        return -np.expm1(-multiple)
    if conversion == "exp_short":
        return np.expm1(multiple)
    raise ConfigError(
        f"conversion {conversion!r}: give 'linear', 'exp_long' or 'exp_short'"
    )
