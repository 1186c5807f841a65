"""Typed doors to the parts of scipy used here: distributions as plain functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from holdings_kit.errors import load_optional

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import Floats

_SPECIAL: Any = load_optional("scipy.special")


def normal_quantile(level: float) -> float:
    """Return the standard normal quantile."""
    return float(_SPECIAL.ndtri(level))


def normal_cdf(value: float) -> float:
    """Return the standard normal distribution function."""
    return float(_SPECIAL.ndtr(value))


def normal_pdf(value: float) -> float:
    """Return the standard normal density."""
    return float(np.exp(-value * value / 2) / np.sqrt(2 * np.pi))


def t_quantile(level: float, df: Floats) -> Floats:
    """Student-t quantile, not scaled to unit variance."""
    return np.asarray(_SPECIAL.stdtrit(df, level), dtype=np.float64)


def t_cdf(value: Floats | float, df: float) -> Floats:
    """Student-t distribution function."""
    return np.asarray(_SPECIAL.stdtr(df, value))


def normal_tail(value: Floats) -> Floats:
    """Upper tail of the standard normal law, for whole columns."""
    return np.asarray(_SPECIAL.ndtr(-value))


def chi2_sf(statistic: Floats | float, df: Floats | float) -> Floats:
    """Upper tail of the chi-square law."""
    return np.asarray(_SPECIAL.chdtrc(df, np.maximum(statistic, 0.0)))


def chi2_quantile(level: float, df: float) -> float:
    """Quantile of the chi-square law."""
    return float(_SPECIAL.chdtri(df, 1 - level))


def binomial_cdf(breaches: Floats | float, n: Floats | float, p: float) -> Floats:
    """Probability of at most `breaches` in `n`; 0 below zero."""
    x = np.asarray(breaches, dtype=np.float64)
    return np.where(
        x < 0, 0.0, _SPECIAL.bdtr(np.maximum(x, 0), np.asarray(n, dtype=np.int64), p)
    )


def binomial_pmf(n: int, p: float) -> Floats:
    """Probability of each count 0 … n, computed in logarithms."""
    x = np.arange(n + 1.0)
    logs = log_choose(float(n), x) + x * np.log(p) + (n - x) * np.log1p(-p)
    return np.exp(logs)


def log_choose(n: Floats | float, k: Floats | float) -> Floats:
    """Logarithm of the binomial coefficient; −∞ where there is no such choice."""
    n, k = np.broadcast_arrays(np.asarray(n, float), np.asarray(k, float))
    there = (k >= 0) & (k <= n)
    of = np.where(there, k, 0.0)
    total = np.where(n >= 0, n, 0.0)
    rest = np.maximum(total - of, 0.0)
    logs = _SPECIAL.gammaln(total + 1) - _SPECIAL.gammaln(of + 1)
    return np.where(there, logs - _SPECIAL.gammaln(rest + 1), -np.inf)


def beta_quantile(a: Floats, b: Floats, level: Floats | float) -> Floats:
    """Quantile of the beta law, as in Clopper–Pearson limits."""
    return np.asarray(_SPECIAL.betaincinv(a, b, level))


def xlogy(x: Floats | float, y: Floats | float) -> Floats:
    """Return x ln y, with 0 ln 0 = 0."""
    return np.asarray(_SPECIAL.xlogy(x, y))


def log_gamma(x: float) -> float:
    """Logarithm of the gamma function."""
    return float(_SPECIAL.gammaln(x))
