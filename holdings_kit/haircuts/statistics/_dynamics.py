"""Durations between breaches, and the regression of a hit on what was known before."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._numeric import chi2_sf
from holdings_kit.haircuts.statistics._result import (
    Hits,
    Numbers,
    TestResult,
    as_floats,
    as_hits,
    check_level,
    simulated,
    unknown,
)

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import Bools, Floats

__all__ = ["duration", "dynamic_quantile"]

BOUNDS: Final = (0.02, 50.0)
"""Where the Weibull shape is sought; an answer on a bound is flagged."""
NEEDED: Final = 2
TINY: Final = 1e-12
"""Share of the largest eigenvalue of X'X, columns of length 1, that counts as 0."""


def duration(
    hits: Hits,
    *,
    method: Literal["asymptotic", "monte_carlo"] = "asymptotic",
    draws: int = 999,
    seed: int = 0,
) -> TestResult:
    """Christoffersen and Pelletier's Weibull duration test (2004).

    Waits between breaches are geometric, in continuous time exponential, when breaches
    come independently: the Weibull shape b is 1. The waits before the first and after
    the last breach are censored. b < 1 means clusters.

    Parameters
    ----------
    hits
        Breaches in time order.
    method
        ``asymptotic``: likelihood ratio of b = 1, chi-square with 1 degree.
        ``monte_carlo``: permutations of the hits.
    draws, seed
        Of the simulation.

    Returns
    -------
    TestResult
        `note` gives b. With two breaches or fewer, or when b ends on the bound of the
        search, it says so: then the statistic is the search's, not the data's.

    Examples
    --------
    >>> duration([False, True, False]).note
    'fewer than two breaches: there is no duration between them'
    """
    flags = as_hits(hits)
    if int(flags.sum()) < NEEDED:
        return unknown("fewer than two breaches: there is no duration between them")
    ratio, shape = _weibull(flags)
    note = f"b = {shape:.4g}"
    if shape in BOUNDS:
        note += ": on the bound of the search, not determined by the data"
    if int(flags.sum()) == NEEDED:
        note += "; two breaches, a single duration"
    if method == "asymptotic":
        return TestResult(ratio, float(chi2_sf(ratio, 1)), 1, note)
    p_value = simulated(
        ratio, lambda rng: _weibull(rng.permutation(flags))[0], draws, seed
    )
    return TestResult(ratio, p_value, None, f"{note}; {draws} permutations")


def _weibull(flags: Bools) -> tuple[float, float]:
    """Likelihood ratio of b = 1, and b, with a profiled out."""
    at = np.flatnonzero(flags)
    between = np.diff(at).astype(np.float64)
    ends = [float(at[0] + 1)] if at[0] > 0 else []
    if at[-1] < flags.size - 1:
        ends.append(float(flags.size - 1 - at[-1]))
    every = np.append(between, ends)
    scale = every.max()
    logs, log_every = np.log(between / scale), np.log(every / scale)
    count, total = between.size, float(logs.sum())

    def slope(log_shape: float) -> float:
        weights = np.exp(np.exp(log_shape) * log_every)
        mean = float(weights @ log_every / weights.sum())
        return count * float(np.exp(-log_shape)) + total - count * mean

    def likelihood(shape: float) -> float:
        spread = np.log(count / np.exp(shape * log_every).sum())
        return float(count * (spread + np.log(shape)) + (shape - 1) * total)

    low, high = np.log(BOUNDS)
    if slope(high) > 0:
        shape = BOUNDS[1]
    elif slope(low) < 0:
        shape = BOUNDS[0]
    else:
        optimize: Any = import_module("scipy.optimize")
        shape = float(np.exp(optimize.brentq(slope, low, high, xtol=1e-10)))
    return max(0.0, 2 * (likelihood(shape) - likelihood(1.0))), shape


def dynamic_quantile(
    hits: Hits,
    var: Numbers,
    level: float,
    *,
    lags: int = 4,
    method: Literal["asymptotic", "monte_carlo"] = "asymptotic",
    draws: int = 999,
    seed: int = 0,
) -> TestResult:
    """Engle and Manganelli's dynamic quantile test (2004).

    Hit'X (X'X)⁺ X'Hit / (p(1 − p)), Hit = I − p, X = [1, VaRₜ, Hitₜ₋₁ … Hitₜ₋ₗₐ₉ₛ],
    chi-square with rank(X) degrees: a floored haircut is constant, then X has a column
    too many and the degrees drop with the rank.

    Parameters
    ----------
    hits
        Breaches in time order.
    var
        The haircut of each of those days; its sign and unit do not matter.
    level
        1 − p.
    lags
        Earlier hits in X; the first `lags` days only serve as such.
    method, draws, seed
        ``monte_carlo`` draws independent hits of probability p beside the same VaR.

    Raises
    ------
    ConfigError
        Hits or VaR with unknown days, or of different lengths.

    Examples
    --------
    >>> dynamic_quantile([False, True] * 10, [0.125] * 20, 0.5, lags=1).df
    2
    """
    p = check_level(level)
    flags = as_hits(hits)
    quantile = as_floats(var, "var", flags.size)
    if lags < 0:
        raise ConfigError(f"lags {lags}: cannot be negative")
    if flags.size <= lags + 2:
        return unknown(f"{flags.size} days are too few for {lags} lags")
    statistic, df = _projected(flags, quantile, p, lags)
    note = f"rank {df} of {lags + 2}" + (
        ", VaR constant" if np.ptp(quantile) == 0 else ""
    )
    if method == "asymptotic":
        return TestResult(statistic, float(chi2_sf(statistic, df)), df, note)

    def draw(rng: np.random.Generator) -> float:
        found, rank = _projected(rng.random(flags.size) < p, quantile, p, lags)
        return -float(chi2_sf(found, rank))

    p_value = simulated(-float(chi2_sf(statistic, df)), draw, draws, seed)
    return TestResult(statistic, p_value, None, f"{note}; {draws} draws")


def _projected(
    flags: Bools, quantile: Floats, p: float, lags: int
) -> tuple[float, int]:
    """Squared length of the hits' projection on X, over p(1 − p), and rank(X)."""
    hit = flags - p
    days = hit.size - lags
    columns = [np.ones(days), quantile[lags:]]
    columns += [hit[lags - lag : hit.size - lag] for lag in range(1, lags + 1)]
    design = np.stack(columns)
    length = np.sqrt(np.square(design).sum(axis=1))
    design /= np.where(length > 0, length, 1.0)[:, np.newaxis]
    size, axes = np.linalg.eigh(design @ design.T)
    kept = size > size[-1] * TINY
    along = axes[:, kept].T @ (design @ hit[lags:])
    return float(np.sum(along**2 / size[kept]) / (p * (1 - p))), int(kept.sum())
