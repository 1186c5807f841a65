"""Do breaches come alone, or in clusters? Tests on hits in time order."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np

from holdings_kit.errors import ConfigError, readable
from holdings_kit.haircuts._frames import check_choice
from holdings_kit.haircuts._numeric import chi2_sf
from holdings_kit.haircuts.statistics._laws import (
    DRAWS,
    NOMINAL,
    Cache,
    haas_table,
    joint_law,
    pof,
    run_law,
    transition_ratio,
    tuff_term,
)
from holdings_kit.haircuts.statistics._result import (
    Hits,
    TestResult,
    as_hits,
    check_level,
    name_test,
    side_of,
    size_note,
    unknown,
)

TINY: Final = 1e-300


@readable
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


@name_test("Christoffersen independence")
def christoffersen(
    hits: Hits | Transitions, *, method: Literal["mid_p", "asymptotic"] = "mid_p"
) -> TestResult:
    """Christoffersen's independence test (1998).

    The likelihood ratio of a first-order Markov chain against independence.

    Parameters
    ----------
    hits
        Breaches in time order, or their `Transitions` where only counts are known.
    method
        ``mid_p``: P(larger) + ½ P(equal) by the exact law of the ratio when the
        breaches fall on any of the days (Wald–Wolfowitz runs). ``asymptotic``:
        chi-square with 1 degree; the note says how often it rejects right models.

    Raises
    ------
    ConfigError
        Hits with nulls, or an unknown method.

    Examples
    --------
    >>> table = Transitions(n00=932, n01=53, n10=53, n11=4)
    >>> found = christoffersen(table, method="asymptotic")
    >>> round(found.statistic, 5), round(found.p_value, 5)
    (0.25866, 0.61104)
    """
    table = hits if isinstance(hits, Transitions) else transitions(hits)
    if table.breaches == 0:
        return unknown("no breach: independence cannot be tested")
    ratio = float(transition_ratio(*table[:4]))
    law = run_law(table.observations, table.breaches)
    p_value, df, note = law.judge(ratio, method, 1, "mid-p")
    return TestResult(ratio, p_value, df, f"{note}, given {table.breaches} breaches")


@name_test("Conditional coverage")
def conditional_coverage(
    hits: Hits | Transitions,
    level: float,
    *,
    method: Literal["mid_p", "asymptotic"] = "mid_p",
) -> TestResult:
    """Coverage and independence together.

    Kupiec's ratio over all n days plus the independence ratio over n − 1 transitions.

    Parameters
    ----------
    hits
        As in `christoffersen`.
    level
        1 − p.
    method
        ``mid_p``: by the exact law for independent days. ``asymptotic``: chi-square
        with 2 degrees; the note says how often it rejects right models.

    Examples
    --------
    >>> table = Transitions(932, 53, 53, 4)
    >>> found = conditional_coverage(table, 0.95, method="asymptotic")
    >>> round(found.statistic, 5), round(found.p_value, 5)
    (0.72013, 0.69763)
    """
    p = check_level(level)
    table = hits if isinstance(hits, Transitions) else transitions(hits)
    n = table.observations
    ratio = float(pof(table.breaches, n, p) + transition_ratio(*table[:4]))
    side = side_of(table.breaches, n * p)
    p_value, df, note = joint_law(n, p).judge(ratio, method, 2, "mid-p")
    return TestResult(ratio, p_value, df, note, side)


@name_test("Haas mixed test")
def haas(
    hits: Hits,
    level: float,
    *,
    part: Literal["mixed", "independence"] = "mixed",
    method: Literal["monte_carlo", "asymptotic"] = "monte_carlo",
    cache: Cache = "platform",
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
    method
        ``monte_carlo`` ranks the chi-square probability among that of 19,999 series of
        independent hits. ``asymptotic`` takes the chi-square law, which is far off with
        few breaches; the note says how far.
    cache
        Folder in which drawn tables are kept; ``platform`` is that of the user, None
        keeps none. The usual n and levels come with the package.

    Raises
    ------
    ConfigError
        Hits with nulls, an unknown part or method, a folder that cannot be written.

    Examples
    --------
    >>> found = haas([False] * 57 + [True], 0.95, part="independence", cache=None)
    >>> round(found.statistic, 4), found.note
    (1.7354, '19,999 series of independent hits, seed 0 (drawn)')
    """
    p = check_level(level)
    flags = as_hits(hits)
    check_choice(part, "part", ("mixed", "independence"), quoted=True)
    mixed = part == "mixed"
    count = int(flags.sum())
    if flags.size == 0 or (count == 0 and not mixed):
        return unknown("no breach: there is no time between failures")
    # days from the start to the first hit and from hit to hit
    waits = np.diff(np.flatnonzero(flags), prepend=-1).astype(np.float64)
    ratio = float(tuff_term(waits, p).sum())
    if mixed:
        ratio += float(pof(float(count), flags.size, p))
    df = count + mixed
    probability = float(chi2_sf(ratio, df))
    side = side_of(count, flags.size * p) if mixed else None
    table = haas_table(flags.size, p, mixed=mixed, cache=cache)
    if method == "asymptotic":
        note = size_note(float(table.p_value(-np.log(NOMINAL))))
        return TestResult(ratio, probability, df, note, side)
    check_choice(method, "method", ("monte_carlo", "asymptotic"))
    rank = -np.log(max(probability, TINY))
    note = f"{DRAWS['haas']:,} series of independent hits, seed 0 ({table.source})"
    return TestResult(ratio, float(table.p_value(rank)), None, note, side)
