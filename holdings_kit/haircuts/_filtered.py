"""Haircut models on standardised residuals zₜ = rₜ/σₜ₋₁, with σ by EWMA.

The EWMA takes the volatility out of the returns, a law is fitted to the residuals of
the last window, and its quantile is scaled back by today's σ and √H.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._audit import Declared, read_audited
from holdings_kit.haircuts._frames import aim_at, check_days
from holdings_kit.haircuts._numeric import log_gamma, t_quantile
from holdings_kit.haircuts._rolling import (
    Interpolation,
    has_full_window,
    rolling_quantile,
)
from holdings_kit.haircuts._volatility import (
    Conversion,
    Seed,
    convert_move,
    standardise_returns,
    volatility,
)

if TYPE_CHECKING:
    import polars as pl

    from holdings_kit.haircuts._frames import AnyFrame, Floats

DEGREES: Final = (2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 30.0, 100.0)
"""Degrees of freedom tried by the rolling maximum-likelihood fit of the t law."""
LEAST_EXCESSES: Final = 10
LEAST_DF: Final = 2
NO_TAIL: Final = 1e-9


def filtered_historical(
    prices: AnyFrame,
    *,
    window: int = 250,
    level: float = 0.99,
    horizon: int = 1,
    decay: float = 0.94,
    seed: Seed = "first",
    interpolation: Interpolation = "linear",
    conversion: Conversion = "linear",
    name: str | None = None,
    strict: bool = False,
    declared: Declared | None = None,
) -> pl.DataFrame:
    """Simulate history, filtered: past residuals at today's volatility.

    The haircut is −q σ √H with q the (1 − level) quantile of the last `window`
    residuals (Barone-Adesi, Giannopoulos and Vosper, 1999).

    Parameters
    ----------
    prices
        `PRICES`. Rows without a close are left out.
    window
        Number of residuals.
    level, horizon, decay, seed, conversion
        See `ewma`.
    interpolation
        Quantile method; see `historical`.
    name, strict, declared
        See `ewma`.

    Returns
    -------
    polars.DataFrame
        `HAIRCUTS`, model ``filtered_historical``; null before `window` residuals, and
        while one of them is unknown because σ was 0.

    Examples
    --------
    >>> import polars as pl
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 98.0, 97.0]}
    ... )
    >>> model = filtered_historical(prices, window=2, seed=0.0004)
    >>> model["haircut"].round(4).to_list()
    [None, None, 0.0197]
    """
    aim = aim_at(name, level, horizon)
    closes = read_audited(prices, strict=strict, declared=declared)
    check_days(window, "window")
    sigma = volatility(closes, decay=decay, seed=seed)
    z, lead = standardise_returns(closes, sigma, seed)
    there = has_full_window(z, closes.starts, lead=lead, window=window)
    quantile = rolling_quantile(
        np.where(np.isnan(z), 0.0, z),
        closes.starts,
        window=window,
        probability=1 - level,
        lead=lead,
        interpolation=interpolation,
    )
    move = np.where(there, -quantile, np.nan) * sigma * np.sqrt(horizon)
    haircut = convert_move(move, conversion)
    return closes.frame("filtered_historical", haircut, sigma, aim=aim)


def student_t(
    prices: AnyFrame,
    *,
    df: float | None = None,
    window: int = 500,
    level: float = 0.99,
    horizon: int = 1,
    decay: float = 0.94,
    seed: Seed = "first",
    conversion: Conversion = "linear",
    name: str | None = None,
    strict: bool = False,
    declared: Declared | None = None,
) -> pl.DataFrame:
    """Student-t haircut: a fat-tailed quantile at today's volatility.

    t(level; ν) √((ν − 2)/ν) σ √H, the t law scaled to unit variance.

    Parameters
    ----------
    prices
        `PRICES`. Rows without a close are left out.
    df
        ν above 2, or ``None`` to fit it: the most likely of 2.5, 3, 3.5, 4, 5, 6, 8,
        10, 15, 30, 100 on the last `window` residuals.
    window
        Residuals of the fit; not used when `df` is given.
    level, horizon, decay, seed, conversion
        See `ewma`.
    name, strict, declared
        See `ewma`.

    Returns
    -------
    polars.DataFrame
        `HAIRCUTS`, model ``student_t``.

    Examples
    --------
    >>> import polars as pl
    >>> from datetime import date
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"], "date": [date(2026, 1, 1)], "close": [100.0]}
    ... )
    >>> student_t(prices, df=4, seed=0.0004)["haircut"].round(4).to_list()
    [0.053]
    """
    aim = aim_at(name, level, horizon)
    closes = read_audited(prices, strict=strict, declared=declared)
    sigma = volatility(closes, decay=decay, seed=seed)
    if df is None:
        check_days(window, "window")
        z, lead = standardise_returns(closes, sigma, seed)
        there = has_full_window(z, closes.starts, lead=lead, window=window)
        degrees = np.where(there, _fit_degrees_of_freedom(z, window), np.nan)
    elif df > LEAST_DF:
        degrees = np.full(sigma.size, float(df))
    else:
        raise ConfigError(f"df {df}: the t law has a variance only above 2")
    multiple = t_quantile(level, degrees) * np.sqrt((degrees - 2) / degrees)
    move = multiple * sigma * np.sqrt(horizon)
    return closes.frame("student_t", convert_move(move, conversion), sigma, aim=aim)


def evt(
    prices: AnyFrame,
    *,
    window: int = 1000,
    threshold: float = 0.90,
    level: float = 0.99,
    horizon: int = 1,
    decay: float = 0.94,
    seed: Seed = "first",
    refit: int = 20,
    conversion: Conversion = "linear",
    name: str | None = None,
    strict: bool = False,
    declared: Declared | None = None,
) -> pl.DataFrame:
    """Peaks over threshold on residual losses (McNeil and Frey, 2000).

    z_q = u + (β/ξ)[((n/N_u)(1 − q))^−ξ − 1], the haircut is z_q σ √H. u is the largest
    residual loss that is not an excess; ξ and β of the generalised Pareto law come
    from probability-weighted moments (Hosking and Wallis, 1987), sound for ξ < 0.5.

    Parameters
    ----------
    prices
        `PRICES`. Rows without a close are left out.
    window
        Residuals of a fit, n.
    threshold
        Share of them at or below u; the rest, N_u, must be at least 10.
    level, horizon, decay, seed, conversion
        See `ewma`; `level` must lie above `threshold`.
    refit
        Closes between two fits; in between u, ξ and β stand.
    name, strict, declared
        See `ewma`.

    Returns
    -------
    polars.DataFrame
        `HAIRCUTS`, model ``evt``; null before the first full window.

    Raises
    ------
    ConfigError
        Too few excesses, or a level inside the body of the law.

    Examples
    --------
    >>> import polars as pl
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> evt(prices)["haircut"].to_list()  # no full window of residuals yet
    [None, None, None]
    """
    aim = aim_at(name, level, horizon)
    closes = read_audited(prices, strict=strict, declared=declared)
    check_days(refit, "refit")
    excesses = int(np.floor((1 - threshold) * window + NO_TAIL))
    if excesses < LEAST_EXCESSES or not threshold < level:
        raise ConfigError(
            f"evt: {excesses} excesses above {threshold} for level {level}; take a "
            f"larger window or a lower threshold ({LEAST_EXCESSES} are needed)"
        )
    sigma = volatility(closes, decay=decay, seed=seed)
    z, lead = standardise_returns(closes, sigma, seed)
    quantile = np.full(z.size, np.nan)
    for first, last in zip(closes.starts[:-1], closes.starts[1:], strict=True):
        losses = -z[first + lead : last]
        if losses.size >= window:
            windows = np.lib.stride_tricks.sliding_window_view(losses, window)
            fitted = _fit_tail_quantiles(windows[::refit], excesses, 1 - level)
            start = first + lead + window - 1
            quantile[start:last] = np.repeat(fitted, refit)[: last - start]
    move = quantile * sigma * np.sqrt(horizon)
    return closes.frame("evt", convert_move(move, conversion), sigma, aim=aim)


def _fit_degrees_of_freedom(z: Floats, window: int) -> Floats:
    """Degrees of freedom with the greatest likelihood on each trailing window."""
    squares = np.where(np.isnan(z), 0.0, z * z)
    best = np.full(z.size, -np.inf)
    answer = np.full(z.size, np.nan)
    for df in DEGREES:
        constant = log_gamma((df + 1) / 2) - log_gamma(df / 2)
        constant -= 0.5 * np.log(np.pi * (df - 2))
        each = constant - (df + 1) / 2 * np.log1p(squares / (df - 2))
        total = np.cumsum(np.append(0.0, each))
        likelihood = np.full(z.size, -np.inf)
        likelihood[window - 1 :] = total[window:] - total[:-window]
        better = likelihood > best
        best[better] = likelihood[better]
        answer[better] = df
    return answer


def _fit_tail_quantiles(windows: Floats, excesses: int, tail: float) -> Floats:
    """Quantile of the loss beyond probability `tail`, one per row of `windows`."""
    size = windows.shape[1]
    top = np.sort(windows, axis=1)[:, size - excesses - 1 :]
    threshold = top[:, 0]
    over = top[:, 1:] - top[:, :1]
    rank = 1 - (np.arange(1, excesses + 1) - 0.35) / excesses
    mean, weighted = over.mean(axis=1), (over * rank).mean(axis=1)
    rest = mean - 2 * weighted
    shape = 2 - mean / np.where(rest == 0, np.nan, rest)
    scale = (1 - shape) * mean
    ratio = math.log(excesses / size / tail)
    flat = np.abs(shape) < NO_TAIL
    safe = np.where(flat, 1.0, shape)
    beyond = np.where(flat, ratio, np.expm1(safe * ratio) / safe)
    return np.asarray(threshold + scale * beyond, dtype=np.float64)
