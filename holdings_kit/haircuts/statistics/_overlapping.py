"""Coverage when the windows overlap: a loss over H days, looked at every day.

Neighbouring windows share H − 1 days, so their breaches come together and a test that
counts them as independent rejects every model. Three ways that do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._hac import long_run_variance, usual_lags
from holdings_kit.haircuts._numeric import normal_cdf
from holdings_kit.haircuts.statistics._coverage import kupiec
from holdings_kit.haircuts.statistics._result import (
    Hits,
    TestResult,
    as_hits,
    check_level,
    unknown,
)

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import Bools, Floats

__all__ = ["hac_mean", "overlapping"]


def overlapping(
    hits: Hits,
    level: float,
    *,
    horizon: int,
    method: Literal["hac", "offsets", "bootstrap"] = "hac",
    draws: int = 999,
    seed: int = 0,
) -> TestResult:
    """Test coverage on overlapping windows of `horizon` days, two-sided.

    Parameters
    ----------
    hits
        Breaches of windows that start on consecutive days.
    level
        1 − p.
    horizon
        Days of a window, H.
    method
        ``hac``: z of the mean with a Newey–West variance over max(2(H − 1), usual)
        lags. ``offsets``: Kupiec's exact p-value on each of the H series of disjoint
        windows, combined as twice the median, which holds under any dependence.
        ``bootstrap``: circular blocks of max(2H, ∛n) days around the mean.
    draws, seed
        Of the bootstrap.

    Returns
    -------
    TestResult
        z for ``hac`` and ``bootstrap``, the median ratio for ``offsets``. Without a
        breach only ``offsets`` has an answer: no breach shows no spread.

    Examples
    --------
    >>> hits = ([False] * 95 + [True] * 5) * 3
    >>> overlapping(hits, 0.95, horizon=5, method="offsets").p_value
    1.0
    """
    p = check_level(level)
    flags = as_hits(hits)
    if horizon < 1:
        raise ConfigError(f"horizon {horizon}: must be at least 1 day")
    if flags.size <= horizon:
        return unknown(f"{flags.size} windows are too few for a horizon of {horizon}")
    if method == "offsets":
        return _offsets(flags, level, horizon)
    if method not in {"hac", "bootstrap"}:
        raise ConfigError(f"method {method!r}: give 'hac', 'offsets' or 'bootstrap'")
    if not flags.any() or flags.all():
        return unknown("no spread of the hits: only method='offsets' has an answer")
    if method == "hac":
        return hac_mean(flags.astype(np.float64), p, horizon)
    return _bootstrap(flags, p, horizon, draws, seed)


def hac_mean(rates: Floats, p: float, horizon: int) -> TestResult:
    """Test that the mean of daily rates is p, neighbouring days being alike."""
    lags = max(2 * (horizon - 1), usual_lags(rates.size))
    variance = long_run_variance(rates, lags)
    if not variance > 0:
        return unknown("no spread of the rates")
    z = float((rates.mean() - p) / np.sqrt(variance / rates.size))
    return TestResult(z, 2 * normal_cdf(-abs(z)), None, f"Newey–West, {lags} lags")


def _offsets(flags: Bools, level: float, horizon: int) -> TestResult:
    series = [flags[start::horizon] for start in range(horizon)]
    found = [
        kupiec(int(hits.sum()), hits.size, level, method="exact") for hits in series
    ]
    ratio = float(np.median([each.statistic for each in found]))
    p_values = [1.0 if each.p_value is None else each.p_value for each in found]
    combined = min(1.0, 2 * float(np.median(p_values)))
    return TestResult(ratio, combined, None, f"twice the median of {horizon} offsets")


def _bootstrap(
    flags: Bools, p: float, horizon: int, draws: int, seed: int
) -> TestResult:
    size = flags.size
    block = min(size, max(2 * horizon, round(size ** (1 / 3))))
    total = np.cumsum(np.append(0, np.append(flags, flags[:block])))
    blocks = -(-size // block)
    starts = np.random.default_rng(seed).integers(0, size, (draws, blocks))
    lengths = np.full(blocks, block)
    lengths[-1] = size - block * (blocks - 1)
    rates = (total[starts + lengths] - total[starts]).sum(axis=1) / size
    gap = float(flags.mean() - p)
    spread = rates - rates.mean()
    above = int(np.count_nonzero(np.abs(spread) >= abs(gap) - 1e-12))
    z = gap / float(rates.std()) if rates.std() > 0 else float("nan")
    note = f"{draws} draws of circular blocks of {block}"
    return TestResult(z, (1 + above) / (draws + 1), None, note)
