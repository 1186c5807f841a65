"""Typed doors to the parts of scipy used here: distributions as plain functions."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import Floats

__all__ = [
    "beta_quantile",
    "binomial_cdf",
    "chi2_sf",
    "log_gamma",
    "normal_cdf",
    "normal_pdf",
    "normal_quantile",
    "t_cdf",
    "t_quantile",
    "xlogy",
]

_SPECIAL: Any = import_module("scipy.special")


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


def t_cdf(value: float, df: float) -> float:
    """Student-t distribution function."""
    return float(_SPECIAL.stdtr(df, value))


def chi2_sf(statistic: Floats | float, df: Floats | float) -> Floats:
    """Upper tail of the chi-square law."""
    return np.asarray(_SPECIAL.chdtrc(df, np.maximum(statistic, 0.0)))


def binomial_cdf(breaches: Floats | float, n: Floats | float, p: float) -> Floats:
    """Probability of at most `breaches` in `n`; 0 below zero."""
    x = np.asarray(breaches, dtype=np.float64)
    return np.where(
        x < 0, 0.0, _SPECIAL.bdtr(np.maximum(x, 0), np.asarray(n, dtype=np.int64), p)
    )


def beta_quantile(a: Floats, b: Floats, level: Floats | float) -> Floats:
    """Quantile of the beta law, as in Clopper–Pearson limits."""
    return np.asarray(_SPECIAL.betaincinv(a, b, level))


def xlogy(x: Floats | float, y: Floats | float) -> Floats:
    """Return x ln y, with 0 ln 0 = 0."""
    return np.asarray(_SPECIAL.xlogy(x, y))


def log_gamma(x: float) -> float:
    """Logarithm of the gamma function."""
    return float(_SPECIAL.gammaln(x))
