"""Unconditional coverage: the number of breaches against the level's promise.

A day is a breach when its return is below −VaR, its loss above the haircut. With x
breaches in n observations the expected share is p = 1 − level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import numpy as np

from holdings_kit.errors import ConfigError, readable
from holdings_kit.haircuts._frames import check_choice
from holdings_kit.haircuts._numeric import (
    beta_quantile,
    binomial_cdf,
    binomial_pmf,
    chi2_sf,
)
from holdings_kit.haircuts.statistics._laws import (
    NOMINAL,
    mid_p_values,
    pof,
    tuff_law,
    tuff_term,
)
from holdings_kit.haircuts.statistics._result import (
    TestResult,
    check_level,
    name_test,
    side_of,
    size_note,
    unknown,
)

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import Floats, Ints

Alternative: TypeAlias = Literal["two-sided", "greater", "less"]
GREEN: Final = 0.95
YELLOW: Final = 0.9999
PLUS: Final = (0.0, 0.0, 0.0, 0.0, 0.0, 0.40, 0.50, 0.65, 0.75, 0.85, 1.0)
BASEL_EXPECTED: Final = 2.5
YELLOW_TAIL: Final = 0.10782  # P(X ≥ 5) of 250 days at 99 %
RED_TAIL: Final = 0.00026  # P(X ≥ 10) of the same


@readable
class Limits(NamedTuple):
    """Confidence limits of a rate."""

    lower: float
    upper: float


@name_test("Kupiec POF")
def kupiec(
    breaches: int,
    observations: int,
    level: float,
    *,
    method: Literal["mid_p", "exact", "asymptotic"] = "mid_p",
) -> TestResult:
    """Kupiec's proportion-of-failures test (1995), by the binomial law.

    2[x ln(x/n) + (n − x) ln(1 − x/n) − x ln p − (n − x) ln(1 − p)], with 0 ln 0 = 0,
    in logarithms throughout. It takes the days as independent.

    Parameters
    ----------
    breaches, observations
        x and n.
    level
        1 − p.
    method
        ``mid_p``: the probability of the counts with a smaller tail than x, plus half
        that of x; at nominal 5 % it rejects 3.5 to 6 % of right models. ``exact``: that
        of every count whose ratio is at least as large, never above 5 %, often far
        below. ``asymptotic``: chi-square with 1 degree, which rejects too often in
        small samples; the note says how often.

    Returns
    -------
    TestResult
        The ratio; `side` says whether breaches were too many or too few.

    Raises
    ------
    ConfigError
        Counts that cannot be, a level outside (0, 1), an unknown method.

    Examples
    --------
    >>> found = kupiec(17, 1043, 0.99, method="asymptotic")
    >>> round(found.statistic, 4), round(found.p_value, 6), found.side
    (3.5118, 0.060933, 'too many')
    >>> round(kupiec(17, 1043, 0.99).p_value, 4)
    0.0501
    """
    p = check_level(level)
    _check_counts(breaches, observations)
    check_choice(method, "method", ("mid_p", "exact", "asymptotic"))
    if observations == 0:
        return unknown("no observations")
    ratio = float(pof(breaches, observations, p))
    side = side_of(breaches, observations * p)
    notes = [_note_no_breach(observations)] if breaches == 0 else []
    if method == "mid_p":
        found = mid_p_values(observations, p)
        size = float(binomial_pmf(observations, p)[found <= NOMINAL].sum())
        note = "; ".join([*notes, size_note(size, "binomial law, mid-p")])
        return TestResult(ratio, float(found[breaches]), None, note, side)
    law = pof(np.arange(observations + 1.0), observations, p)
    mass = binomial_pmf(observations, p)
    if method == "asymptotic":
        size = float(mass[chi2_sf(law, 1) < NOMINAL].sum())
        note = "; ".join([*notes, size_note(size)])
        return TestResult(ratio, float(chi2_sf(ratio, 1)), 1, note, side)
    exact = float(min(1.0, mass[law >= ratio - 1e-9].sum()))
    note = "; ".join([*notes, "exact: binomial law of the ratio"])
    return TestResult(ratio, exact, None, note, side)


def _note_no_breach(observations: int) -> str:
    bound = clopper_pearson(0, observations).upper
    return (
        f"no breach: the true rate is at most {bound:.4%} (95 %), not nil; this is "
        "the formula, printed tables accept 0 where it may reject"
    )


@name_test("Binomial test")
def binomial(
    breaches: int,
    observations: int,
    level: float,
    *,
    alternative: Alternative = "two-sided",
) -> TestResult:
    """Exact binomial test; the statistic is z = (x − np)/√(np(1 − p)).

    Parameters
    ----------
    breaches, observations, level
        As in `kupiec`.
    alternative
        ``greater``: P(X ≥ x). ``less``: P(X ≤ x). ``two-sided``: the probability of
        all counts that are at most as likely as x.

    Examples
    --------
    >>> round(binomial(5, 250, 0.99, alternative="greater").p_value, 3)
    0.108
    >>> round(binomial(4, 250, 0.97, alternative="less").p_value, 3)
    0.128
    """
    p = check_level(level)
    _check_counts(breaches, observations)
    if observations == 0:
        return unknown("no observations")
    spread = np.sqrt(observations * p * (1 - p))
    z = float((breaches - observations * p) / spread)
    if alternative == "greater":
        exact = 1 - float(binomial_cdf(breaches - 1, observations, p))
    elif alternative == "less":
        exact = float(binomial_cdf(breaches, observations, p))
    else:
        check_choice(alternative, "alternative", ("two-sided", "greater", "less"))
        mass = np.diff(
            binomial_cdf(np.arange(observations + 1.0), observations, p), prepend=0.0
        )
        exact = float(mass[mass <= mass[breaches] * (1 + 1e-7)].sum())
    side = side_of(breaches, observations * p) if alternative == "two-sided" else None
    return TestResult(z, min(1.0, exact), None, f"exact, {alternative}", side)


def clopper_pearson(
    breaches: int, observations: int, *, confidence: float = 0.95
) -> Limits:
    """Exact confidence limits of the breach rate (Clopper and Pearson, 1934).

    Two-sided; with no breach, or nothing but breaches, the one open side takes the
    whole error: no breach in n days means a rate of at most 1 − 0.05^(1/n).

    Examples
    --------
    >>> clopper_pearson(0, 250).upper == 1 - 0.05 ** (1 / 250)
    True
    """
    _check_counts(breaches, observations)
    error = check_level(confidence)
    x, n = float(breaches), float(observations)
    if observations == 0:
        return Limits(0.0, 1.0)
    # exactly the formula: powers of whole columns are rounded otherwise
    if breaches == 0:
        return Limits(0.0, 1 - error ** (1 / n))
    if breaches == observations:
        return Limits(error ** (1 / n), 1.0)
    lower, upper = rate_limits(np.array([x]), np.array([n]), error)
    return Limits(float(lower[0]), float(upper[0]))


def rate_limits(x: Floats, n: Floats, error: float = 0.05) -> tuple[Floats, Floats]:
    """Limits of the rate as `clopper_pearson` gives them, for whole columns."""
    none, every = x <= 0, x >= n
    inner = np.where(none | every, n / 2, x)
    lower = beta_quantile(inner, n - inner + 1, error / 2)
    upper = beta_quantile(inner + 1, n - inner, 1 - error / 2)
    one_sided = error ** (1 / n)
    lower = np.where(none, 0.0, np.where(every, one_sided, lower))
    return lower, np.where(every, 1.0, np.where(none, 1 - one_sided, upper))


@name_test("Kupiec TUFF")
def tuff(
    first: int,
    level: float,
    *,
    observations: int | None = None,
    method: Literal["mid_p", "asymptotic"] = "mid_p",
) -> TestResult:
    """Kupiec's time until first failure, by its geometric law.

    −2[ln p + (v − 1) ln(1 − p) + v ln v − (v − 1) ln(v − 1)]. Of little power.

    Parameters
    ----------
    first
        v, the number of the day of the first breach, 1 for the first day.
    level
        1 − p.
    observations
        Days looked at; the law is then that of a first breach within them.
    method
        ``mid_p``: P(larger) + ½ P(equal). ``asymptotic``: chi-square with 1 degree;
        the note says how often it rejects right models.

    Raises
    ------
    ConfigError
        A day before the first or after the last, a level outside (0, 1).

    Examples
    --------
    >>> found = tuff(58, 0.95, method="asymptotic")
    >>> round(found.statistic, 4), round(found.p_value, 5)
    (1.7354, 0.18773)
    """
    p = check_level(level)
    if first < 1 or (observations is not None and first > observations):
        raise ConfigError(f"first {first}: a day from 1 to the last of `observations`")
    ratio = float(tuff_term(first, p))
    side = side_of(1 / first, p)
    law = tuff_law(p, observations)
    p_value, df, note = law.judge(ratio, method, 1, "geometric law, mid-p")
    return TestResult(ratio, p_value, df, note, side)


@name_test("Basel traffic light")
def traffic_light(breaches: int, observations: int, level: float) -> TestResult:
    """Basel traffic light by the binomial distribution function.

    Green up to P(X ≤ x) = 0.95, yellow up to 0.9999, then red; for 250 days at 99 %
    that is 0–4, 5–9 and 10 or more. In fewer days than these 250, where less than 2.5
    breaches are expected, the function jumps over its limits: there yellow and red
    also need as rare an event as in Basel's own table, P(X ≥ x) at most that of 5 and
    of 10 in 250 days. Below one expected breach there is no light.

    Returns
    -------
    TestResult
        `statistic` is P(X ≤ x), `p_value` is P(X ≥ x), `note` the zone: ``green``,
        ``yellow`` or ``red``; with too few observations the note says so instead.

    Examples
    --------
    >>> [traffic_light(x, 250, 0.99).note for x in (4, 5, 10)]
    ['green', 'yellow', 'red']
    >>> traffic_light(1, 20, 0.99).note
    'too few observations for a light: 20, at 99% it takes 100'
    """
    p = check_level(level)
    _check_counts(breaches, observations)
    if observations == 0:
        return unknown("no observations")
    below = float(binomial_cdf(breaches, observations, p))
    above = 1 - float(binomial_cdf(breaches - 1, observations, p))
    zone = zones(np.array([breaches]), np.array([observations]), p)[0]
    if zone is None:
        need = int(np.ceil(1 / p - 1e-9))
        percent = f"{100 * level:.6g}%"
        zone = f"too few observations for a light: {observations}, at {percent} it "
        zone += f"takes {need}"
    return TestResult(below, above, None, zone)


def zones(breaches: Floats | Ints, n: Floats | Ints, p: float) -> list[str | None]:
    """Light of each row, for whole columns; none where too few days are seen."""
    x, days = np.asarray(breaches, np.float64), np.asarray(n, np.float64)
    below = binomial_cdf(x, days, p)
    above = 1 - binomial_cdf(x - 1, days, p)
    expected = days * p + 1e-9
    enough = expected >= BASEL_EXPECTED
    yellow = (below > GREEN) & (enough | (above <= YELLOW_TAIL))
    red = (below > YELLOW) & (enough | (above <= RED_TAIL))
    names = np.where(red, "red", np.where(yellow, "yellow", "green"))
    return [
        str(name) if seen else None
        for name, seen in zip(names, expected >= 1, strict=True)
    ]


def plus_factor(breaches: int) -> float:
    """Basel plus factor for `breaches` in 250 days at 99 %.

    >>> plus_factor(4), plus_factor(5), plus_factor(12)
    (0.0, 0.4, 1.0)
    """
    _check_counts(breaches, max(breaches, 0))
    return PLUS[min(breaches, len(PLUS) - 1)]


def _check_counts(breaches: int, observations: int) -> None:
    if not 0 <= breaches <= observations:
        raise ConfigError(f"{breaches} breaches in {observations} observations")
