"""Which of two models is better: consistent losses, and a test of their difference.

Returns are signed; `var` and `es` are positive losses. A lower loss is better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._hac import long_run_variance, usual_lags
from holdings_kit.haircuts._numeric import normal_cdf
from holdings_kit.haircuts.statistics._result import (
    Numbers,
    TestResult,
    as_floats,
    check_level,
    unknown,
)

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import Floats

__all__ = ["diebold_mariano", "fz0", "fz0_losses", "pinball", "pinball_losses"]


def pinball_losses(returns: Numbers, var: Numbers, level: float) -> Floats:
    """Pinball loss of each day, (p − I)(r − q) with q = −VaR.

    >>> pinball_losses([-0.05, 0.01], [0.03, 0.03], 0.99).round(4).tolist()
    [0.0198, 0.0004]
    """
    p = check_level(level)
    r = as_floats(returns, "returns")
    q = -as_floats(var, "var", r.size)
    return (p - (r < q)) * (r - q)


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
    return _mean(pinball_losses(returns, var, level), "mean pinball loss")


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
    return _mean(fz0_losses(returns, var, es, level), "mean FZ0 loss")


def diebold_mariano(
    losses: Numbers, others: Numbers, *, lags: int | None = None
) -> TestResult:
    """Diebold and Mariano's test of equal predictive accuracy (1995), two-sided.

    Mean difference of the daily losses over its Newey–West standard error.

    Parameters
    ----------
    losses, others
        Daily losses of two models on the same days; a negative statistic says that
        the first is better.
    lags
        Autocovariances, ⌊4 (n/100)^(2/9)⌋ by default; at least H − 1 for losses over
        overlapping windows of H days.

    Examples
    --------
    >>> diebold_mariano([1.0, 2.0, 1.0, 2.0], [2.0, 4.0, 3.0, 3.0]).statistic < 0
    True
    """
    first = as_floats(losses, "losses")
    gap = first - as_floats(others, "others", first.size)
    if gap.size == 0:
        return unknown("no days")
    used = usual_lags(gap.size) if lags is None else lags
    variance = long_run_variance(gap, used)
    if not variance > 0:
        return unknown("the losses do not differ, or differ by a constant")
    statistic = float(gap.mean() / np.sqrt(variance / gap.size))
    p_value = 2 * normal_cdf(-abs(statistic))
    return TestResult(statistic, p_value, None, f"Newey–West, {used} lags")


def _mean(losses: Floats, name: str) -> TestResult:
    if losses.size == 0:
        return unknown("no days")
    return TestResult(float(losses.mean()), None, None, f"{name}; lower is better")
