"""Is the loss beyond the quantile as large as announced? Tests of expected shortfall.

Returns are signed; `var` and `es` are positive losses, as haircuts are. A day is a
breach when its return is below −VaR. Inside, q = −VaR and e = −ES, as in the papers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._numeric import (
    chi2_sf,
    normal_cdf,
    normal_pdf,
    normal_quantile,
    t_cdf,
)
from holdings_kit.haircuts.statistics._result import (
    Numbers,
    TestResult,
    as_floats,
    check_level,
    unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdings_kit.haircuts._frames import Floats

__all__ = ["acerbi_szekely", "mcneil_frey", "nolde_ziegel"]

NEEDED = 2
BLOCK = 2_000_000


def mcneil_frey(
    returns: Numbers,
    var: Numbers,
    es: Numbers,
    *,
    volatility: Numbers | None = None,
    method: Literal["t", "bootstrap"] = "t",
    draws: int = 9999,
    seed: int = 0,
) -> TestResult:
    """McNeil and Frey's test of exceedance residuals (2000), one-sided.

    The mean of (r − e)/σ over the days of a breach is zero when ES is right and
    negative when losses go deeper.

    Parameters
    ----------
    returns
        Signed returns in time order.
    var, es
        Positive losses announced for those days.
    volatility
        σ of each day; ``None`` leaves the residuals in units of return.
    method
        ``t``: t law with one degree less than breaches. ``bootstrap``: resampled
        residuals, centred.
    draws, seed
        Of the bootstrap.

    Returns
    -------
    TestResult
        The t statistic; a small p-value says that ES is too small.

    Examples
    --------
    >>> mcneil_frey([0.01, -0.05], [0.03, 0.03], [0.04, 0.04]).note
    'fewer than two breaches: no spread of the residuals'
    """
    r, q, e = _three(returns, var, es)
    scale = 1.0 if volatility is None else as_floats(volatility, "volatility", r.size)
    residuals = ((r - e) / scale)[r < q]
    if residuals.size < NEEDED or np.ptp(residuals) == 0:
        return unknown("fewer than two breaches: no spread of the residuals")
    statistic = float(_t(residuals))
    if method == "t":
        p_value = t_cdf(statistic, residuals.size - 1)
        return TestResult(statistic, p_value, None, f"t law, {residuals.size} breaches")
    rng = np.random.default_rng(seed)
    centred = residuals - residuals.mean()
    drawn = centred[rng.integers(0, residuals.size, (draws, residuals.size))]
    below = int(np.count_nonzero(_t(drawn) <= statistic))
    note = f"{draws} bootstrap draws, {residuals.size} breaches"
    return TestResult(statistic, (1 + below) / (draws + 1), None, note)


def acerbi_szekely(
    returns: Numbers,
    var: Numbers,
    es: Numbers,
    level: float,
    *,
    statistic: Literal["z1", "z2"] = "z2",
    simulate: Callable[[np.random.Generator, int], Floats] | None = None,
    draws: int = 9999,
    seed: int = 0,
) -> TestResult:
    """Acerbi and Székely's first and second test of ES (2014), simulated.

    Z1 is the mean of r/ES over the days of a breach, plus 1: depth alone. Z2 is
    Σ(r I/ES)/(n p) + 1: depth and number. Both are 0 when the model is right and
    negative when it understates risk.

    Parameters
    ----------
    returns, var, es
        As in `mcneil_frey`.
    level
        1 − p, of both VaR and ES.
    statistic
        ``z1`` or ``z2``.
    simulate
        Takes a generator and a number m, returns m paths (m × n) of returns under the
        model; ``None`` draws normal returns whose ES is `es`.
    draws, seed
        Of the simulation.

    Returns
    -------
    TestResult
        `p_value` is the share of paths with a statistic as low.

    Examples
    --------
    >>> found = acerbi_szekely([-0.05, 0.01], [0.03] * 2, [0.05] * 2, 0.5, draws=99)
    >>> found.statistic
    0.0
    """
    p = check_level(level)
    r, q, e = _three(returns, var, es)
    if not bool(np.all(e < 0)):
        raise ConfigError("es: must be positive, a loss")
    observed = float(_z(r[np.newaxis], q, e, p, statistic)[0])
    if np.isnan(observed):
        return unknown("no breach: Z1 has nothing to average")
    rng = np.random.default_rng(seed)
    sigma = -e * p / normal_pdf(normal_quantile(p))

    def normal(generator: np.random.Generator, paths: int) -> Floats:
        return generator.standard_normal((paths, r.size)) * sigma

    below = known = 0
    step = max(1, BLOCK // r.size)
    for start in range(0, draws, step):
        paths = (simulate or normal)(rng, min(step, draws - start))
        found = _z(paths, q, e, p, statistic)
        known += int(np.count_nonzero(~np.isnan(found)))
        below += int(np.count_nonzero(found <= observed + 1e-12))
    law = "the caller's law" if simulate else "normal law"
    return TestResult(
        observed, (1 + below) / (known + 1), None, f"{known} paths of the {law}"
    )


def nolde_ziegel(
    returns: Numbers,
    var: Numbers,
    es: Numbers,
    level: float,
    *,
    alternative: Literal["two-sided", "one-sided"] = "one-sided",
) -> TestResult:
    """Nolde and Ziegel's calibration test of the pair VaR and ES (2017).

    V = (p − I, e − q + I(q − r)/p) has mean zero when both are right.

    Parameters
    ----------
    returns, var, es
        As in `mcneil_frey`.
    level
        1 − p.
    alternative
        ``two-sided``: Wald statistic n V̄' Ω⁻¹ V̄ with Ω the mean of VV', chi-square
        with 2 degrees. ``one-sided``: risk understated, by too many breaches (first
        mean below 0) or too deep ones (second above 0); the two normal p-values are
        combined by Hommel, the statistic is the worse of the two.

    Examples
    --------
    >>> nolde_ziegel([0.01] * 9, [0.03] * 9, [0.04] * 9, 0.99).note
    'no spread of the identification functions: not testable'
    """
    p = check_level(level)
    r, q, e = _three(returns, var, es)
    hit = (r < q).astype(np.float64)
    identified = np.stack([p - hit, e - q + hit * (q - r) / p], axis=1)
    omega = identified.T @ identified / r.size
    mean = identified.mean(axis=0)
    if not hit.any() or np.linalg.matrix_rank(omega) < NEEDED:
        return unknown("no spread of the identification functions: not testable")
    if alternative == "two-sided":
        wald = float(mean @ np.linalg.pinv(omega) @ mean) * r.size
        return TestResult(wald, float(chi2_sf(wald, 2)), 2, "Wald, two-sided")
    each = np.sqrt(r.size) * mean / np.sqrt(np.diag(omega)) * np.array([-1.0, 1.0])
    tails = sorted(normal_cdf(-float(value)) for value in each)
    hommel = min(2 * tails[0], tails[1])
    return TestResult(float(each.max()), hommel, None, "normal, one-sided, Hommel")


def _z(returns: Floats, q: Floats, e: Floats, p: float, statistic: str) -> Floats:
    """Z1 or Z2 of each row; NaN where Z1 has no breach."""
    hit = returns < q
    depth = np.where(hit, returns / -e, 0.0).sum(axis=1)
    if statistic == "z2":
        return depth / (q.size * p) + 1
    if statistic != "z1":
        raise ConfigError(f"statistic {statistic!r}: give 'z1' or 'z2'")
    counts = hit.sum(axis=1)
    return np.where(counts > 0, depth / np.maximum(counts, 1) + 1, np.nan)


def _t(residuals: Floats) -> Floats:
    """Student's t along the last axis; 0 where there is no spread."""
    spread = residuals.std(axis=-1, ddof=1)
    mean = residuals.mean(axis=-1)
    root = np.sqrt(residuals.shape[-1])
    return np.where(spread > 0, mean * root / np.where(spread > 0, spread, 1), 0.0)


def _three(
    returns: Numbers, var: Numbers, es: Numbers
) -> tuple[Floats, Floats, Floats]:
    """Return r, q = −VaR and e = −ES."""
    r = as_floats(returns, "returns")
    return r, -as_floats(var, "var", r.size), -as_floats(es, "es", r.size)
