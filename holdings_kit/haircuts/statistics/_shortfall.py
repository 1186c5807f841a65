"""Is the loss beyond the quantile as large as announced? Tests of expected shortfall.

Returns are signed; `var` and `es` are positive losses, as haircuts are. A day is a
breach when its return is below −VaR. Inside, q = −VaR and e = −ES, as in the papers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._numeric import (
    chi2_sf,
    normal_pdf,
    normal_quantile,
    normal_tail,
    t_cdf,
)
from holdings_kit.haircuts.statistics._laws import NOMINAL
from holdings_kit.haircuts.statistics._result import (
    Numbers,
    TestResult,
    as_floats,
    check_level,
    share,
    share_as_large,
    side_of,
    size_note,
    unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdings_kit.haircuts._frames import Floats, Ints

__all__ = ["acerbi_szekely", "mcneil_frey", "nolde_ziegel"]

NEEDED = 2
BLOCK = 2_000_000


def mcneil_frey(
    returns: Numbers,
    var: Numbers,
    es: Numbers,
    *,
    volatility: Numbers | None = None,
    method: Literal["monte_carlo", "t", "bootstrap"] = "monte_carlo",
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
        ``monte_carlo``: t statistics of exponential losses beyond VaR with the mean
        ES − VaR, on the days of the breaches. ``t``: t law with one degree less than
        breaches; the note says how often it rejects among those draws. ``bootstrap``:
        resampled residuals, centred.
    draws, seed
        Of the simulation.

    Returns
    -------
    TestResult
        The t statistic; a small p-value says that ES is too small.

    Raises
    ------
    ConfigError
        Values that are not known, lengths that differ, an unknown method.

    Examples
    --------
    >>> mcneil_frey([0.01, -0.05], [0.03, 0.03], [0.04, 0.04]).note
    'fewer than two breaches: no spread of the residuals'
    """
    if method not in {"monte_carlo", "t", "bootstrap"}:
        raise ConfigError(f"method {method!r}: monte_carlo, t or bootstrap")
    r, q, e = _three(returns, var, es)
    sigma = np.ones(r.size)
    if volatility is not None:
        sigma = as_floats(volatility, "volatility", r.size)
    hit = r < q
    residuals = ((r - e) / sigma)[hit]
    count = residuals.size
    if count < NEEDED or np.ptp(residuals) == 0:
        return unknown("fewer than two breaches: no spread of the residuals")
    statistic = float(_t(residuals))
    rng = np.random.default_rng(seed)
    if method == "bootstrap":
        centred = residuals - residuals.mean()
        drawn = centred[rng.integers(0, count, (draws, count))]
        note = f"{draws} bootstrap draws, {count} breaches, seed {seed}"
        return TestResult(statistic, share_as_large(-statistic, -_t(drawn)), None, note)
    depth = ((q - e) / sigma)[hit]
    null = _t(depth * (1 - rng.standard_exponential((draws, count))))
    if method == "t":
        size = share(t_cdf(null, count - 1) <= NOMINAL)
        note = f"t law, {count} breaches; {size_note(size)}"
        return TestResult(statistic, float(t_cdf(statistic, count - 1)), None, note)
    note = f"{draws} draws of exponential losses, {count} breaches, seed {seed}"
    return TestResult(statistic, share_as_large(-statistic, -null), None, note)


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
        observed,
        (1 + below) / (known + 1),
        None,
        f"{known} paths of the {law}, seed {seed}",
    )


def nolde_ziegel(
    returns: Numbers,
    var: Numbers,
    es: Numbers,
    level: float,
    *,
    alternative: Literal["two-sided", "one-sided"] = "one-sided",
    method: Literal["monte_carlo", "asymptotic"] = "monte_carlo",
    draws: int = 1999,
    seed: int = 0,
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
        ``two-sided``: Wald statistic n V̄' Ω⁻¹ V̄ with Ω the mean of VV'.
        ``one-sided``: risk understated, by too many breaches (first mean below 0) or
        too deep ones (second above 0); the two normal p-values are combined by Hommel,
        the statistic is the worse of the two. The two-sided test does not keep its
        size in small samples.
    method
        ``monte_carlo`` ranks that p-value among independent hits, at least one, with
        exponential losses beyond VaR of mean ES − VaR. ``asymptotic``: normal, or
        chi-square with 2 degrees; the note says how often it rejects among those draws.
    draws, seed
        Of the simulation.

    Raises
    ------
    ConfigError
        Values that are not known, lengths that differ, an unknown option.

    Examples
    --------
    >>> nolde_ziegel([0.01] * 9, [0.03] * 9, [0.04] * 9, 0.99).note
    'no spread of the identification functions: not testable'
    """
    p = check_level(level)
    if alternative not in {"two-sided", "one-sided"}:
        raise ConfigError(f"alternative {alternative!r}: two-sided or one-sided")
    if method not in {"monte_carlo", "asymptotic"}:
        raise ConfigError(f"method {method!r}: monte_carlo or asymptotic")
    r, q, e = _three(returns, var, es)
    hit = r < q
    depth = q - e
    over = np.where(hit, q - r, 0.0)
    at = np.flatnonzero(hit)[np.newaxis]
    own = _moments(at, over[at], depth, p)
    omega = np.array([[own.a[0], own.b[0]], [own.b[0], own.c[0]]])
    if not hit.any() or np.linalg.matrix_rank(omega) < NEEDED:
        return unknown("no spread of the identification functions: not testable")
    two_sided = alternative == "two-sided"
    statistic, law = own.wald() if two_sided else own.hommel()
    rng = np.random.default_rng(seed)
    rank, null = (
        -np.log(np.maximum(law, 1e-300)),
        _drawn_laws(rng, depth, p, draws, two_sided=two_sided),
    )
    side = side_of(int(hit.sum()), r.size * p) if two_sided else None
    if method == "asymptotic":
        size = share(null >= -np.log(NOMINAL))
        kind = "Wald, two-sided" if two_sided else "normal, one-sided, Hommel"
        df = 2 if two_sided else None
        note = f"{kind}; {size_note(size)}"
        return TestResult(float(statistic[0]), float(law[0]), df, note, side)
    note = f"{alternative}, {draws} draws, exponential losses, seed {seed}"
    found = share_as_large(float(rank[0]), null)
    return TestResult(float(statistic[0]), found, None, note, side)


class _Moments(NamedTuple):
    """Means of V and of VV' of many series."""

    first: Floats
    second: Floats
    a: Floats
    b: Floats
    c: Floats
    n: int

    def wald(self) -> tuple[Floats, Floats]:
        """Wald statistic and its chi-square probability."""
        det = self.a * self.c - self.b**2
        safe = np.where(det > 0, det, 1.0)
        form = self.first**2 * self.c - 2 * self.first * self.second * self.b
        wald = self.n * (form + self.second**2 * self.a) / safe
        wald = np.where(det > 0, np.maximum(wald, 0.0), 0.0)
        return wald, chi2_sf(wald, 2)

    def hommel(self) -> tuple[Floats, Floats]:
        """Return the worse z of the two sides, and Hommel's combined p-value."""
        root = np.sqrt(self.n)
        rate = -root * self.first / np.sqrt(self.a)
        depth = root * self.second / np.sqrt(np.maximum(self.c, 1e-300))
        tails = np.sort(np.stack([normal_tail(rate), normal_tail(depth)]), axis=0)
        return np.maximum(rate, depth), np.minimum(2 * tails[0], tails[1])


def _moments(at: Ints, over: Floats, depth: Floats, p: float) -> _Moments:
    """Means of V = (p − I, I over/p − depth), hits at the days `at` (n: none)."""
    n = depth.size
    padded = np.append(depth, 0.0)
    count = np.sum(at < n, axis=1)
    beyond = padded[at]
    deep = over / p
    second = (deep.sum(axis=1) - depth.sum()) / n
    # V₁ is p − 1 on hits, p else; V₂ is deep − depth on hits, −depth else
    b = (-p * depth.sum() + p * deep.sum(axis=1) - (deep - beyond).sum(axis=1)) / n
    c = (np.square(depth).sum() + (deep**2 - 2 * deep * beyond).sum(axis=1)) / n
    return _Moments(p - count / n, second, p * p + count / n * (1 - 2 * p), b, c, n)


def _drawn_laws(
    rng: np.random.Generator, depth: Floats, p: float, draws: int, *, two_sided: bool
) -> Floats:
    """−ln of the asymptotic p-value of independent hits, at least one each."""
    n = depth.size
    count = np.maximum(rng.binomial(n, p, draws), 1)
    most = int(count.max())
    at = rng.integers(0, n, (draws, most))  # two hits on a day: rare, and harmless
    some = np.arange(most) < count[:, np.newaxis]
    at = np.where(some, at, n)
    over = np.append(depth, 0.0)[at] * rng.standard_exponential((draws, most)) * some
    found = _moments(at, over, depth, p)
    law = (found.wald() if two_sided else found.hommel())[1]
    return -np.log(np.maximum(law, 1e-300))


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
