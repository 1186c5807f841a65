"""Do breaches come alone, or in clusters? Tests on hits in time order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._numeric import chi2_sf, xlogy
from holdings_kit.haircuts.statistics._coverage import pof, tuff_term
from holdings_kit.haircuts.statistics._result import (
    Hits,
    TestResult,
    as_hits,
    check_level,
    simulated,
    unknown,
)

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import Bools, Floats

__all__ = [
    "Transitions",
    "christoffersen",
    "conditional_coverage",
    "haas",
    "transition_ratio",
    "transitions",
    "waits",
]


class Transitions(NamedTuple):
    """How often a day of one kind was followed by a day of another.

    Attributes
    ----------
    n00, n01, n10, n11
        n01 counts days without a breach followed by a day with one, and so on.
    first
        Whether the first day, to which no transition leads, was a breach.
    """

    n00: int
    n01: int
    n10: int
    n11: int
    first: bool = False

    @property
    def observations(self) -> int:
        """Number of days, one more than transitions."""
        return self.n00 + self.n01 + self.n10 + self.n11 + 1

    @property
    def breaches(self) -> int:
        """Number of breaches, that of the first day included."""
        return self.n01 + self.n11 + self.first


def transitions(hits: Hits) -> Transitions:
    """Count the transitions of a hit sequence.

    >>> transitions([False, True, True, False])
    Transitions(n00=0, n01=1, n10=1, n11=1, first=False)
    """
    flags = as_hits(hits)
    if flags.size == 0:
        raise ConfigError("hits: no observations")
    kinds = np.bincount(2 * flags[:-1].astype(int) + flags[1:], minlength=4).tolist()
    return Transitions(*kinds, first=bool(flags[0]))


def transition_ratio(
    n00: Floats | float, n01: Floats | float, n10: Floats | float, n11: Floats | float
) -> Floats:
    """G statistic of the 2×2 table, for whole columns."""
    cells = [np.asarray(n, dtype=np.float64) for n in (n00, n01, n10, n11)]
    quiet, after = cells[0] + cells[1], cells[2] + cells[3]
    total = quiet + after
    free = sum(xlogy(n, n) for n in cells) - xlogy(quiet, quiet) - xlogy(after, after)
    still, struck = cells[0] + cells[2], cells[1] + cells[3]
    tied = xlogy(still, still) + xlogy(struck, struck) - xlogy(total, total)
    return np.maximum(2 * (free - tied), 0.0)


def christoffersen(
    hits: Hits | Transitions,
    *,
    method: Literal["asymptotic", "monte_carlo"] = "asymptotic",
    draws: int = 9999,
    seed: int = 0,
) -> TestResult:
    """Christoffersen's independence test (1998), chi-square with 1 degree.

    The likelihood ratio of a first-order Markov chain against independence.

    Parameters
    ----------
    hits
        Breaches in time order, or their `Transitions` where only counts are known.
    method
        ``monte_carlo`` permutes the hits: given their number every order is equally
        likely under independence, so the p-value is exact up to simulation. The
        asymptotic test at 5 % rejects 1.4 % of true models for 1 % of 250 days.
    draws, seed
        Of the simulation.

    Raises
    ------
    ConfigError
        Hits with nulls, or a simulation asked for counts alone.

    Examples
    --------
    >>> found = christoffersen(Transitions(n00=932, n01=53, n10=53, n11=4))
    >>> round(found.statistic, 5), round(found.p_value, 5)
    (0.25866, 0.61104)
    """
    table = hits if isinstance(hits, Transitions) else transitions(hits)
    if table.breaches == 0:
        return unknown("no breach: independence cannot be tested")
    ratio = float(transition_ratio(*table[:4]))
    if method == "asymptotic":
        return TestResult(ratio, float(chi2_sf(ratio, 1)), 1, "asymptotic")
    flags = _need_order(hits)
    p_value = simulated(ratio, lambda rng: _ratio(rng.permutation(flags)), draws, seed)
    return TestResult(ratio, p_value, None, f"{draws} permutations")


def conditional_coverage(
    hits: Hits | Transitions,
    level: float,
    *,
    method: Literal["asymptotic", "monte_carlo"] = "asymptotic",
    draws: int = 9999,
    seed: int = 0,
) -> TestResult:
    """Coverage and independence together, chi-square with 2 degrees.

    Kupiec's ratio over all n days plus the independence ratio over n − 1 transitions.

    Parameters
    ----------
    hits, draws, seed
        As in `christoffersen`.
    level
        1 − p.
    method
        ``monte_carlo`` draws independent hits of probability p.

    Examples
    --------
    >>> found = conditional_coverage(Transitions(932, 53, 53, 4), 0.95)
    >>> round(found.statistic, 5), round(found.p_value, 5)
    (0.72013, 0.69763)
    """
    p = check_level(level)
    table = hits if isinstance(hits, Transitions) else transitions(hits)

    def joint(found: Transitions) -> float:
        covered = float(pof(found.breaches, found.observations, p))
        return covered + float(transition_ratio(*found[:4]))

    ratio = joint(table)
    if method == "asymptotic":
        return TestResult(ratio, float(chi2_sf(ratio, 2)), 2, "asymptotic")
    p_value = simulated(
        ratio,
        lambda rng: joint(transitions(rng.random(table.observations) < p)),
        draws,
        seed,
    )
    return TestResult(ratio, p_value, None, f"{draws} draws of independent hits")


def waits(flags: Bools) -> Floats:
    """Days from the start to the first hit and from hit to hit."""
    return np.diff(np.flatnonzero(flags), prepend=-1).astype(np.float64)


def haas(
    hits: Hits,
    level: float,
    *,
    part: Literal["mixed", "independence"] = "mixed",
    method: Literal["asymptotic", "monte_carlo"] = "asymptotic",
    draws: int = 9999,
    seed: int = 0,
) -> TestResult:
    """Haas's test on the time between failures (2001).

    The ratios of `tuff` for every wait, the first included, chi-square with as many
    degrees as breaches; the mixed test adds Kupiec's ratio and one degree.

    Parameters
    ----------
    hits
        Breaches in time order.
    level
        1 − p.
    part
        ``mixed``, or the ``independence`` part alone.
    method, draws, seed
        ``monte_carlo`` draws independent hits of probability p; with few breaches the
        chi-square law is far off.

    Examples
    --------
    >>> haas([False] * 57 + [True], 0.95, part="independence").df
    1
    """
    p = check_level(level)
    flags = as_hits(hits)
    if part not in {"mixed", "independence"}:
        raise ConfigError(f"part {part!r}: give 'mixed' or 'independence'")
    mixed = part == "mixed"
    count = int(flags.sum())
    if flags.size == 0 or (count == 0 and not mixed):
        return unknown("no breach: there is no time between failures")

    def ratio(found: Bools) -> float:
        between = float(tuff_term(waits(found), p).sum())
        covered = float(pof(float(found.sum()), found.size, p)) if mixed else 0.0
        return between + covered

    observed, df = ratio(flags), count + mixed
    if method == "asymptotic":
        return TestResult(observed, float(chi2_sf(observed, df)), df, "asymptotic")

    def rank(rng: np.random.Generator) -> float:
        drawn = rng.random(flags.size) < p
        degrees = float(drawn.sum()) + mixed
        return -float(chi2_sf(ratio(drawn), degrees)) if degrees else -1.0

    p_value = simulated(-float(chi2_sf(observed, df)), rank, draws, seed)
    return TestResult(observed, p_value, None, f"{draws} draws of independent hits")


def _ratio(flags: Bools) -> float:
    return float(transition_ratio(*transitions(flags)[:4]))


def _need_order(hits: Hits | Transitions) -> Bools:
    if isinstance(hits, Transitions):
        raise ConfigError("monte_carlo needs the hits themselves, not their counts")
    return as_hits(hits)
