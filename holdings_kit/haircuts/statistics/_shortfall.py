"""Is the loss beyond the quantile as large as announced? Tests of expected shortfall.

Returns are signed; `var` and `es` are positive losses, as haircuts are. A day is a
breach when its return is below −VaR. Inside, q = −VaR and e = −ES, as in the papers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._frames import check_choice
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
    name_test,
    share,
    share_as_large,
    side_of,
    size_note,
    unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdings_kit.haircuts._frames import Floats, Ints

NEEDED = 2
BLOCK = 2_000_000


@name_test("McNeil–Frey")
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
        ``monte_carlo``: among exponential losses beyond VaR with the mean ES − VaR, on
        the days of the breaches; ranked by t corrected for skewness (Johnson, 1978),
        which depends less on the tail. ``t``: t law with one degree less than
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
    check_choice(method, "method", ("monte_carlo", "t", "bootstrap"))
    r, q, e = _read_three(returns, var, es)
    sigma = np.ones(r.size)
    if volatility is not None:
        sigma = as_floats(volatility, "volatility", r.size)
    hit = r < q
    residuals = ((r - e) / sigma)[hit]
    count = residuals.size
    if count < NEEDED or np.ptp(residuals) == 0:
        return unknown("fewer than two breaches: no spread of the residuals")
    statistic = float(_measure_t(residuals))
    rng = np.random.default_rng(seed)
    if method == "bootstrap":
        centred = residuals - residuals.mean()
        drawn = centred[rng.integers(0, count, (draws, count))]
        note = (
            f"{draws} bootstrap draws, {count} breaches, seed {seed}; at nominal 5 % "
            "it rejected 2 to 18 % of right models, see docs/statistics.md"
        )
        return TestResult(
            statistic, share_as_large(-statistic, -_measure_t(drawn)), None, note
        )
    depth = ((q - e) / sigma)[hit]
    null = depth * (1 - rng.standard_exponential((draws, count)))
    if method == "t":
        size = share(t_cdf(_measure_t(null), count - 1) <= NOMINAL)
        note = f"t law, {count} breaches; {size_note(size)}"
        return TestResult(statistic, float(t_cdf(statistic, count - 1)), None, note)
    note = f"{draws} draws of exponential losses, {count} breaches, seed {seed}"
    found = share_as_large(
        -float(_measure_corrected_t(residuals)), -_measure_corrected_t(null)
    )
    return TestResult(statistic, found, None, note)


@name_test("Acerbi–Szekely")
def acerbi_szekely(
    returns: Numbers,
    var: Numbers,
    es: Numbers,
    level: float,
    *,
    statistic: Literal["z1", "z2"] = "z2",
    law: Literal["exponential", "normal"] = "exponential",
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
    law
        ``exponential``: independent breaches of probability p with exponential losses
        beyond VaR of mean ES − VaR; Z2 holds its size on normal and t(5) returns. Z1
        does not (it rejects up to 8 of 100 right models) and has no p-value without a
        law that is asked for. ``normal``: normal returns whose ES is `es`, as the
        paper's critical values; where returns are t(5) it rejects none of 100 right
        models by Z2 and 38 to 79 by Z1.
    simulate
        Takes a generator and a number m, returns m paths (m × n) of returns under the
        model, instead of `law`.
    draws, seed
        Of the simulation.

    Returns
    -------
    TestResult
        `p_value` is the share of paths with a statistic as low.

    Raises
    ------
    ConfigError
        Values that are not known, an ES that is no loss, an unknown option.

    Examples
    --------
    >>> found = acerbi_szekely([-0.05, 0.01], [0.03] * 2, [0.05] * 2, 0.5, draws=99)
    >>> found.statistic
    0.0
    """
    p = check_level(level)
    check_choice(law, "law", ("exponential", "normal"))
    r, q, e = _read_three(returns, var, es)
    if not bool(np.all(e < 0)):
        raise ConfigError("es: must be positive, a loss")
    observed = float(_measure_z(r[np.newaxis], q, e, p, statistic)[0])
    if np.isnan(observed):
        return unknown("no breach: Z1 has nothing to average")
    if statistic == "z1" and law == "exponential" and simulate is None:
        note = "Z1: no law holds for all returns; give `simulate` or law='normal'"
        return TestResult(observed, None, None, note)
    rng = np.random.default_rng(seed)
    sigma = -e * p / normal_pdf(normal_quantile(p))

    def normal(generator: np.random.Generator, paths: int) -> Floats:
        return generator.standard_normal((paths, r.size)) * sigma

    below = known = 0
    step = max(1, BLOCK // r.size)
    for start in range(0, draws, step):
        some = min(step, draws - start)
        if simulate is None and law == "exponential":
            at, over = _draw_breaches(rng, q - e, p, some)
            ratio = np.append(-q / -e, 0.0)[at] + over / np.append(-e, 1.0)[at]
            found = 1 - ratio.sum(axis=1) / (r.size * p)
        else:
            found = _measure_z((simulate or normal)(rng, some), q, e, p, statistic)
        known += int(np.count_nonzero(~np.isnan(found)))
        below += int(np.count_nonzero(found <= observed + 1e-12))
    drawn = f"paths of the {law} law" if simulate is None else "paths of the caller"
    return TestResult(
        observed, (1 + below) / (known + 1), None, f"{known} {drawn}, seed {seed}"
    )


@name_test("Nolde–Ziegel")
def nolde_ziegel(
    returns: Numbers,
    var: Numbers,
    es: Numbers,
    level: float,
    *,
    alternative: Literal["two-sided", "one-sided"] = "one-sided",
    method: Literal["monte_carlo", "asymptotic"] = "monte_carlo",
    draws: int = 4999,
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
        exponential losses beyond VaR of mean ES − VaR; equal draws count by half, for
        counts tie. ``asymptotic``: normal, or
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
    check_choice(alternative, "alternative", ("two-sided", "one-sided"))
    check_choice(method, "method", ("monte_carlo", "asymptotic"))
    r, q, e = _read_three(returns, var, es)
    hit = r < q
    depth = q - e
    over = np.where(hit, q - r, 0.0)
    at = np.flatnonzero(hit)[np.newaxis]
    own = _measure_moments(at, over[at], depth, p)
    omega = np.array([[own.a[0], own.b[0]], [own.b[0], own.c[0]]])
    if not hit.any() or np.linalg.matrix_rank(omega) < NEEDED:
        return unknown("no spread of the identification functions: not testable")
    two_sided = alternative == "two-sided"
    statistic, law = own.wald() if two_sided else own.hommel()
    rng = np.random.default_rng(seed)
    rank, null = (
        -np.log(np.maximum(law, 1e-300)),
        _draw_laws(rng, depth, p, draws, two_sided=two_sided),
    )
    side = side_of(int(hit.sum()), r.size * p) if two_sided else None
    if method == "asymptotic":
        size = share(null >= -np.log(NOMINAL))
        kind = "Wald, two-sided" if two_sided else "normal, one-sided, Hommel"
        df = 2 if two_sided else None
        note = f"{kind}; {size_note(size)}"
        return TestResult(float(statistic[0]), float(law[0]), df, note, side)
    note = f"{alternative}, {draws} draws, exponential losses, seed {seed}"
    found = share_as_large(float(rank[0]), null, ties=0.5)
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


def _measure_moments(at: Ints, over: Floats, depth: Floats, p: float) -> _Moments:
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


def _draw_breaches(
    rng: np.random.Generator, depth: Floats, p: float, draws: int, fewest: int = 0
) -> tuple[Ints, Floats]:
    """Days of independent breaches (n: none), and exponential losses beyond VaR."""
    n = depth.size
    count = np.maximum(rng.binomial(n, p, draws), fewest)
    most = int(count.max(initial=0))
    at = rng.integers(0, n, (draws, most))  # two breaches on a day: rare, and harmless
    some = np.arange(most) < count[:, np.newaxis]
    at = np.where(some, at, n)
    over = np.append(depth, 0.0)[at] * rng.standard_exponential((draws, most))
    return at, over


def _draw_laws(
    rng: np.random.Generator, depth: Floats, p: float, draws: int, *, two_sided: bool
) -> Floats:
    """−ln of the asymptotic p-value of independent breaches, at least one each."""
    at, over = _draw_breaches(rng, depth, p, draws, fewest=1)
    found = _measure_moments(at, over, depth, p)
    law = (found.wald() if two_sided else found.hommel())[1]
    return -np.log(np.maximum(law, 1e-300))


def _measure_z(
    returns: Floats, q: Floats, e: Floats, p: float, statistic: str
) -> Floats:
    """Z1 or Z2 of each row; NaN where Z1 has no breach."""
    hit = returns < q
    depth = np.where(hit, returns / -e, 0.0).sum(axis=1)
    if statistic == "z2":
        return depth / (q.size * p) + 1
    check_choice(statistic, "statistic", ("z1", "z2"), quoted=True)
    counts = hit.sum(axis=1)
    return np.where(counts > 0, depth / np.maximum(counts, 1) + 1, np.nan)


def _measure_t(residuals: Floats) -> Floats:
    """Student's t along the last axis; 0 where there is no spread."""
    spread = residuals.std(axis=-1, ddof=1)
    mean = residuals.mean(axis=-1)
    root = np.sqrt(residuals.shape[-1])
    return np.where(spread > 0, mean * root / np.where(spread > 0, spread, 1), 0.0)


def _measure_corrected_t(residuals: Floats) -> Floats:
    """T corrected for skewness: m + μ₃/(6 s² n) + μ₃ m²/(3 s⁴) in place of m."""
    mean = residuals.mean(axis=-1)
    spread = np.maximum(residuals.std(axis=-1, ddof=1), 1e-300)
    third = ((residuals - mean[..., np.newaxis]) ** 3).mean(axis=-1) / spread**3
    unit, root = mean / spread, np.sqrt(residuals.shape[-1])
    return (unit + third / (6 * root**2) + third * unit**2 / 3) * root


def _read_three(
    returns: Numbers, var: Numbers, es: Numbers
) -> tuple[Floats, Floats, Floats]:
    """Return r, q = −VaR and e = −ES."""
    r = as_floats(returns, "returns")
    return r, -as_floats(var, "var", r.size), -as_floats(es, "es", r.size)
