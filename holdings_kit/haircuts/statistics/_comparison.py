"""Which of two models is better: consistent losses, and a test of their difference.

Returns are signed; `var` and `es` are positive losses. A lower loss is better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._numeric import normal_cdf, t_cdf
from holdings_kit.haircuts.statistics._result import (
    Numbers,
    TestResult,
    as_floats,
    check_level,
    name_test,
    share_as_large,
    unknown,
)

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import Floats, Ints

FEWEST_DAYS: Final = 10
EQUAL: Final = 1e-12
"""Share of the variance of two losses below which their difference does not vary."""


def pinball_losses(returns: Numbers, var: Numbers, level: float) -> Floats:
    """Pinball loss of each day, (p − I)(r − q) with q = −VaR.

    >>> pinball_losses([-0.05, 0.01], [0.03, 0.03], 0.99).round(4).tolist()
    [0.0198, 0.0004]
    """
    p = check_level(level)
    r = as_floats(returns, "returns")
    q = -as_floats(var, "var", r.size)
    return (p - (r < q)) * (r - q)


@name_test("Pinball loss")
def pinball(returns: Numbers, var: Numbers, level: float) -> TestResult:
    """Mean pinball loss, consistent for VaR; a score, so it has no p-value.

    Parameters
    ----------
    returns
        Signed returns.
    var
        Positive losses announced.
    level
        1 − p.

    Examples
    --------
    >>> round(pinball([-0.05, 0.01], [0.03, 0.03], 0.99).statistic, 4)
    0.0101
    """
    return _test_mean(pinball_losses(returns, var, level), "mean pinball loss")


def fz0_losses(returns: Numbers, var: Numbers, es: Numbers, level: float) -> Floats:
    """Fissler–Ziegel loss of each day, homogeneous of degree 0.

    −I(q − r)/(p e) + q/e + ln(−e) − 1 with q = −VaR and e = −ES.

    >>> fz0_losses([0.01], [0.03], [0.04], 0.99).round(4).tolist()
    [-3.4689]
    """
    p = check_level(level)
    r = as_floats(returns, "returns")
    q, e = -as_floats(var, "var", r.size), -as_floats(es, "es", r.size)
    if not bool(np.all(e < 0)):
        raise ConfigError("es: must be positive, a loss")
    return np.where(r < q, (r - q) / (p * e), 0.0) + q / e + np.log(-e) - 1


@name_test("FZ0 loss")
def fz0(returns: Numbers, var: Numbers, es: Numbers, level: float) -> TestResult:
    """Mean Fissler–Ziegel loss, consistent for VaR and ES together; no p-value.

    Parameters
    ----------
    returns, var, es, level
        As in `pinball`; `es` must be positive.

    Examples
    --------
    >>> round(fz0([0.01], [0.03], [0.04], 0.99).statistic, 4)
    -3.4689
    """
    return _test_mean(fz0_losses(returns, var, es, level), "mean FZ0 loss")


@name_test("Diebold–Mariano")
def diebold_mariano(
    losses: Numbers,
    others: Numbers,
    *,
    horizon: int = 1,
    method: Literal["cosine", "newey_west"] = "cosine",
    lags: int | None = None,
) -> TestResult:
    """Diebold and Mariano's test of equal predictive accuracy (1995), two-sided.

    Mean difference of the daily losses over its standard error.

    Parameters
    ----------
    losses, others
        Daily losses of two models on the same days; a negative statistic says that
        the first is better.
    horizon
        H, where losses are over windows of H days that overlap.
    method
        ``cosine``: the variance from the ν = 0.2 n^(2/3) lowest cosine frequencies, at
        most n/(5H), and the t law with ν degrees (Müller, 2004; Lazarus and others,
        2018). ``newey_west``: Bartlett weights and the normal law, which rejects equal
        models up to three times too often when haircuts move slowly.
    lags
        Autocovariances of ``newey_west``; by default ⌊4 (n/100)^(2/9)⌋, at least
        2(H − 1).

    Raises
    ------
    ConfigError
        Losses that are not known, of different lengths, or an unknown method.

    Examples
    --------
    >>> days = [1.0, 2.0, 1.0, 2.0] * 5
    >>> found = diebold_mariano(days, [2.0, 4.0, 3.0, 3.0] * 5)
    >>> found.statistic < 0, found.side
    (True, None)
    """
    first = as_floats(losses, "losses")
    gap = first - as_floats(others, "others", first.size)
    if horizon < 1 or method not in {"cosine", "newey_west"}:
        raise ConfigError(
            f"horizon {horizon}, method {method!r}: from 1 day; cosine or newey_west"
        )
    if gap.size < FEWEST_DAYS:
        return unknown("no days" if gap.size == 0 else f"only {gap.size} days")
    if not np.ptp(gap) > 0:
        return unknown("the losses do not differ, or differ by a constant")
    if method == "cosine":
        number = frequencies(gap.size, horizon)
        weights = _weigh_cosines(gap, number)
        variance = float(weights @ weights) / number
        note = f"{number} cosine frequencies, t law"
    else:
        usual = int(4 * (gap.size / 100) ** (2 / 9))
        used = max(usual, 2 * (horizon - 1)) if lags is None else lags
        number = 0
        variance = _estimate_newey_west(gap, used)
        note = (
            f"Newey–West, {used} lags; asymptotic: at nominal 5 % it rejected up to "
            "16 % of pairs of equal models, see docs/statistics.md"
        )
    if not variance > 0:
        return unknown("the losses do not differ, or differ by a constant")
    statistic = float(gap.mean() / np.sqrt(variance / gap.size))
    tail = t_cdf(-abs(statistic), number) if number else normal_cdf(-abs(statistic))
    return TestResult(statistic, 2 * float(tail), None, note)


def confidence_set(
    losses: Floats, *, horizon: int = 1, draws: int = 4999, seed: int = 0
) -> Floats:
    """P-value of each model in the confidence set of Hansen, Lunde and Nason (2011).

    The set is that of their range statistic: the largest |t| of a pair; the model with
    the largest t is left out, until one remains, and p never falls. The variance of
    each t is that of `diebold_mariano`, from the lowest cosine frequencies. These and
    the means are drawn as normal with the covariance found, so two models have the
    p-value of `diebold_mariano`. Equally good models are all in the set at 5 % in 95
    of 100 cases; see docs/statistics.md.

    Parameters
    ----------
    losses
        Days × models.
    horizon
        As in `diebold_mariano`.
    draws, seed
        Of the simulation.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.standard_normal((200, 2))
    >>> confidence_set(noise + [0.0, 1.0]).tolist()
    [1.0, 0.0002]
    """
    days, models = losses.shape
    number = frequencies(days, horizon)
    waves = _weigh_cosines(losses, number)
    first, second = np.triu_indices(models, 1)
    own = _measure_t_of_pairs(
        np.sqrt(days) * losses.mean(axis=0), waves.T @ waves / number, first, second
    )
    factor = np.asarray(np.linalg.qr(waves / np.sqrt(number)).R, dtype=np.float64)
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((draws, number + 1, factor.shape[0])) @ factor
    spread = np.swapaxes(drawn[:, 1:], 1, 2) @ drawn[:, 1:] / number
    null = np.abs(_measure_t_of_pairs(drawn[:, 0], spread, first, second))
    against = np.full((models, models), -np.inf)
    against[first, second], against[second, first] = own, -own
    p_values, least = np.ones(models), 0.0
    left = np.ones(models, bool)
    for _ in range(models - 1):
        pairs = left[first] & left[second]
        largest = float(np.abs(own[pairs]).max())
        least = max(least, share_as_large(largest, null[:, pairs].max(axis=1)))
        worst = int(against[np.ix_(left, left)].max(axis=1).argmax())
        out = np.flatnonzero(left)[worst]
        p_values[out], left[out] = least, False
    return p_values


def _measure_t_of_pairs(
    means: Floats, spread: Floats, first: Ints, second: Ints
) -> Floats:
    """T of the difference of each pair; 0 where it does not vary."""
    own = spread[..., first, first] + spread[..., second, second]
    variance = own - 2 * spread[..., first, second]
    moves = variance > EQUAL * own
    gap = means[..., first] - means[..., second]
    return np.where(moves, gap / np.sqrt(np.where(moves, variance, 1.0)), 0.0)


def frequencies(days: int, horizon: int) -> int:
    """Cosine frequencies of the variance of a mean of so many daily losses."""
    return max(2, min(int(0.2 * days ** (2 / 3)), days // (5 * horizon)))


def _weigh_cosines(values: Floats, number: int) -> Floats:
    """Weights of the lowest cosine frequencies, along the days."""
    days = values.shape[0]
    at: Floats = (np.arange(days, dtype=np.float64) + 0.5) / days
    waves = np.cos(np.pi * np.arange(1, number + 1)[:, np.newaxis] * at)
    return waves @ values * np.sqrt(2 / days)


def _estimate_newey_west(values: Floats, lags: int) -> float:
    """Variance of √n × mean, with Bartlett weights over `lags` autocovariances."""
    centred = values - values.mean()
    total = float(centred @ centred)
    for lag in range(1, min(lags, values.size - 1) + 1):
        weight = 2 * (1 - lag / (lags + 1))
        total += weight * float(centred[lag:] @ centred[:-lag])
    return total / values.size


def _test_mean(losses: Floats, name: str) -> TestResult:
    if losses.size == 0:
        return unknown("no days")
    return TestResult(float(losses.mean()), None, None, f"{name}; lower is better")
