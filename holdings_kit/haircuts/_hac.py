"""Long-run variance of a serially correlated mean (Newey and West, 1987)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import Floats

__all__ = ["long_run_variance", "usual_lags"]


def usual_lags(observations: int) -> int:
    """Bandwidth ⌊4 (n/100)^(2/9)⌋."""
    return int(4 * (observations / 100) ** (2 / 9))


def long_run_variance(values: Floats, lags: int) -> float:
    """Variance of √n × mean, with Bartlett weights over `lags` autocovariances.

    >>> import numpy as np
    >>> long_run_variance(np.array([1.0, -1.0, 1.0, -1.0]), 0)
    1.0
    """
    centred = values - values.mean()
    total = float(centred @ centred)
    for lag in range(1, min(lags, values.size - 1) + 1):
        weight = 2 * (1 - lag / (lags + 1))
        total += weight * float(centred[lag:] @ centred[:-lag])
    return total / values.size
