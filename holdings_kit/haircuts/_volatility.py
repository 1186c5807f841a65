"""EWMA volatility from closes, its seed, and the way from σ to a haircut."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts import _kernels as kernels

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import Bools, Closes, Floats, Ints

__all__ = [
    "Conversion",
    "Seed",
    "check_days",
    "check_fraction",
    "complete",
    "converted",
    "residuals",
    "volatility",
]

Seed: TypeAlias = str | float
"""``first`` (r₁²), ``mean:N`` (mean of the first N squares) or a daily variance."""
Conversion: TypeAlias = Literal["linear", "exp_long", "exp_short"]


def volatility(
    closes: Closes, *, decay: float, seed: Seed, engine: kernels.Engine = "auto"
) -> Floats:
    """Daily σ by EWMA; NaN until the seed stands."""
    check_fraction(decay, "decay")
    returns = closes.returns()
    begin, value = _seeded(returns, closes, seed)
    variance = kernels.ewma(
        returns, closes.starts, decay=decay, begin=begin, value=value, engine=engine
    )
    return np.sqrt(variance)


def residuals(closes: Closes, sigma: Floats, seed: Seed) -> tuple[Floats, int]:
    """Return zₜ = rₜ/σₜ₋₁ and how many values are not there yet in each run.

    Where σₜ₋₁ is 0 (a share that has not moved since its seed) z is unknown, NaN.
    """
    returns = closes.returns()
    scale = np.append(np.nan, sigma)[:-1]
    known = scale > 0
    out = np.full(returns.size, np.nan)
    out[known] = returns[known] / scale[known]
    return out, 1 + (_seed_days(seed) if isinstance(seed, str) else 0)


def complete(values: Floats, starts: Ints, *, lead: int, window: int) -> Bools:
    """Rows whose last `window` values are all known, after `lead` rows of a run."""
    missing = np.cumsum(np.append(0, np.isnan(values)))
    ages = np.arange(values.size) - np.repeat(starts[:-1], np.diff(starts))
    old = ages >= lead + window - 1
    rows = np.flatnonzero(old)
    out = np.zeros(values.size, bool)
    out[rows] = missing[rows + 1] == missing[rows + 1 - window]
    return out


def _seeded(returns: Floats, closes: Closes, seed: Seed) -> tuple[Ints, Floats]:
    """Row and value at which each instrument's recursion starts."""
    first = closes.starts[:-1]
    if isinstance(seed, str):
        days = _seed_days(seed)
        padded = np.append(returns, np.full(days + 1, np.nan))
        begin = first + days
        value = np.array(
            [np.mean(np.square(padded[row + 1 : row + days + 1])) for row in first]
        )
        return begin, np.where(begin < closes.starts[1:], value, np.nan)
    if not 0 < seed < 1:
        raise ConfigError(
            f"seed {seed}: a number is a daily variance as a fraction squared, "
            "such as 0.0004 for σ = 2 %"
        )
    return first, np.full(first.size, float(seed))


def _seed_days(seed: str) -> int:
    if seed == "first":
        return 1
    kind, _, days = seed.partition(":")
    if kind == "mean" and days.isdecimal() and int(days) > 0:
        return int(days)
    raise ConfigError(f"seed {seed!r}: give 'first', 'mean:N' or a daily variance")


def converted(multiple: Floats, conversion: Conversion) -> Floats:
    """Turn kσ, a log move, into a fraction of value lost.

    ``linear`` takes it as it stands (the exchange's text), ``exp_long`` is
    1 − exp(−kσ), what a long position loses, ``exp_short`` is exp(kσ) − 1.

    >>> import numpy as np
    >>> [
    ...     converted(np.array([0.24]), c).round(3).item()
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


def check_fraction(value: float, name: str) -> None:
    """Refuse a level or decay outside (0, 1)."""
    if not (0 < value < 1 and math.isfinite(value)):
        raise ConfigError(f"{name} {value}: must lie between 0 and 1, as 0.99 does")


def check_days(value: int, name: str) -> None:
    """Refuse a horizon or window below one day."""
    if value < 1:
        raise ConfigError(f"{name} {value}: must be at least 1 trading day")
