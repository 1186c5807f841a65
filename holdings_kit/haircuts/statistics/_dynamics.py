"""Durations between breaches, and the regression of a hit on what was known before."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._frames import check_choice
from holdings_kit.haircuts._numeric import chi2_quantile, chi2_sf
from holdings_kit.haircuts.statistics._laws import (
    BOUNDS,
    DRAWS,
    NOMINAL,
    Cache,
    duration_table,
    weibull,
)
from holdings_kit.haircuts.statistics._result import (
    Hits,
    Numbers,
    TestResult,
    as_floats,
    as_hits,
    check_level,
    name_test,
    share,
    share_as_large,
    side_of,
    size_note,
    unknown,
)

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import Bools, Floats, Ints

NEEDED: Final = 2
LAGS: Final = 4
TINY: Final = 1e-12
"""Share of the largest eigenvalue of X'X, columns of length 1, that counts as 0."""
LEAST: Final = 1e-300
EMPTY: Final = 1e-100
"""Length given to a column of zeros, a lag at which nothing was hit."""


@name_test("Duration between breaches")
def duration(
    hits: Hits,
    *,
    method: Literal["monte_carlo", "asymptotic"] = "monte_carlo",
    cache: Cache = "platform",
) -> TestResult:
    """Christoffersen and Pelletier's Weibull duration test (2004).

    Waits between breaches are geometric, in continuous time exponential, when breaches
    come independently: the Weibull shape b is 1. The waits before the first and after
    the last breach are censored. b < 1 means clusters.

    Parameters
    ----------
    hits
        Breaches in time order.
    method
        ``monte_carlo``: the likelihood ratio of b = 1 among that of 3,999 series with
        as many breaches on any of the days. ``asymptotic``: chi-square with 1 degree,
        which rejects too often; the note says how often.
    cache
        As in `haas`.

    Returns
    -------
    TestResult
        `note` gives b. With two breaches or fewer, or when b ends on the bound of the
        search, it says so: then the statistic is the search's, not the data's.

    Raises
    ------
    ConfigError
        Hits with nulls, an unknown method, a folder that cannot be written.

    Examples
    --------
    >>> duration([False, True, False]).note
    'fewer than two breaches: there is no duration between them'
    """
    flags = as_hits(hits)
    count = int(flags.sum())
    if count < NEEDED:
        return unknown("fewer than two breaches: there is no duration between them")
    at = np.flatnonzero(flags).astype(np.float64)[np.newaxis]
    ratios, shapes = weibull(at, float(flags.size))
    ratio, shape = float(ratios[0]), float(shapes[0])
    note = f"b = {shape:.4g}"
    if shape in BOUNDS:
        note += ": on the bound of the search, not determined by the data"
    if count == NEEDED:
        note += "; two breaches, a single duration"
    table = duration_table(flags.size, count, cache)
    if method == "asymptotic":
        size = float(table.p_value(chi2_quantile(1 - NOMINAL, 1)))
        note += f"; {size_note(size)}, given {count} breaches"
        return TestResult(ratio, float(chi2_sf(ratio, 1)), 1, note)
    check_choice(method, "method", ("monte_carlo", "asymptotic"))
    note += f"; {DRAWS['duration']:,} arrangements of the breaches, seed 0"
    return TestResult(ratio, float(table.p_value(ratio)), None, note)


@name_test("Dynamic quantile")
def dynamic_quantile(
    hits: Hits,
    var: Numbers,
    level: float,
    *,
    lags: int = LAGS,
    method: Literal["monte_carlo", "asymptotic"] = "monte_carlo",
    draws: int = 999,
    seed: int = 0,
) -> TestResult:
    """Engle and Manganelli's dynamic quantile test (2004).

    Hit'X (X'X)⁺ X'Hit / (p(1 − p)), Hit = I − p, X = [1, VaRₜ, Hitₜ₋₁ … Hitₜ₋ₗₐ₉ₛ],
    chi-square with rank(X) degrees: a floored haircut is constant, then X has a column
    too many and the degrees drop with the rank.

    Parameters
    ----------
    hits
        Breaches in time order.
    var
        The haircut of each of those days; its sign and unit do not matter.
    level
        1 − p.
    lags
        Earlier hits in X; the first `lags` days only serve as such.
    method
        ``monte_carlo`` draws independent hits of probability p beside the same VaR and
        ranks their chi-square probabilities. ``asymptotic`` takes the chi-square law;
        the note says how often it rejects among those draws.
    draws, seed
        Of the simulation.

    Raises
    ------
    ConfigError
        Hits or VaR with unknown days, or of different lengths; an unknown method.

    Examples
    --------
    >>> found = dynamic_quantile(
    ...     [False, True] * 10, [0.125] * 20, 0.5, lags=1, draws=99
    ... )
    >>> round(found.statistic, 3), found.p_value
    (19.0, 0.01)
    """
    p = check_level(level)
    flags = as_hits(hits)
    quantile = as_floats(var, "var", flags.size)
    if lags < 0:
        raise ConfigError(f"lags {lags}: cannot be negative")
    check_choice(method, "method", ("monte_carlo", "asymptotic"))
    if flags.size <= lags + 2:
        return unknown(f"{flags.size} days are too few for {lags} lags")
    own = _build_designs(flags[np.newaxis], p, lags)
    statistics, ranks = own.statistics(quantile)
    statistic, df = float(statistics[0]), int(ranks[0])
    constant = ", VaR constant" if np.ptp(quantile) == 0 else ""
    note = f"rank {df} of {lags + 2}{constant}"
    drawn = draw_hits(flags.size, p, lags, draws, seed).ranks(quantile)
    side = side_of(int(flags.sum()), flags.size * p)
    if method == "asymptotic":
        note += f"; {size_note(share(drawn >= -np.log(NOMINAL)))}"
        return TestResult(statistic, float(chi2_sf(statistic, df)), df, note, side)
    p_value = share_as_large(float(own.ranks(quantile)[0]), drawn)
    note += f"; {draws} draws of independent hits, seed {seed}"
    return TestResult(statistic, p_value, None, note, side)


class Designs(NamedTuple):
    """Many series of hits of one length, all of the regression but the VaR column.

    Attributes
    ----------
    positions
        Days of the hits of each series; `days` behind the last.
    inverse
        (Z'Z)⁺ of Z = [1, Iₜ₋₁ …] of each series; these span what [1, Hitₜ₋₁ …] do.
    rank
        Of Z.
    along
        Z'Hit of each series.
    explained
        Hit'Z (Z'Z)⁺ Z'Hit.
    days, p, lags
        Of the regression.
    """

    positions: Ints
    inverse: Floats
    rank: Ints
    along: Floats
    explained: Floats
    days: int
    p: float
    lags: int

    def statistics(self, var: Floats) -> tuple[Floats, Ints]:
        """Statistic and rank of each series beside one VaR path.

        The projection on [Z, VaR] is that on Z plus that on the part of VaR that Z
        leaves unexplained (Frisch and Waugh, 1933).
        """
        rows = var[self.lags :] - var[self.lags :].mean()
        spread = float(rows @ rows)
        scale = self.p * (1 - self.p)
        flat = np.ptp(var[self.lags :]) == 0 or spread <= 0
        if flat:
            return self.explained / scale, self.rank
        padded = np.zeros(self.days + self.lags + 1)
        padded[self.lags : self.days] = rows
        sums = [
            padded[self.positions + lag].sum(axis=1) for lag in range(self.lags + 1)
        ]
        # rows are centred, so the column of ones meets them with 0
        across = np.stack([np.zeros_like(sums[0]), *sums[1:]], axis=1)
        carried = np.einsum("dij,dj->di", self.inverse, across)
        left = spread - np.einsum("di,di->d", across, carried)
        gap = sums[0] - np.einsum("di,di->d", carried, self.along)
        free = left > spread * TINY
        gained = np.where(free, gap**2 / np.where(free, left, 1.0), 0.0)
        return (self.explained + gained) / scale, self.rank + free

    def ranks(self, var: Floats) -> Floats:
        """−ln of the chi-square probability of each series."""
        found, rank = self.statistics(var)
        return -np.log(np.maximum(chi2_sf(found, rank.astype(np.float64)), LEAST))


def rank_of_hits(hits: Bools, var: Floats, p: float) -> float:
    """−ln of the chi-square probability of one series, as of those drawn."""
    return float(_build_designs(hits[np.newaxis], p, LAGS).ranks(var)[0])


@lru_cache(maxsize=64)
def draw_hits(days: int, p: float, lags: int, draws: int, seed: int) -> Designs:
    """Draw independent hits of probability p, ready for any VaR path."""
    rng = np.random.default_rng(seed)
    return _build_designs(rng.random((draws, days)) < p, p, lags)


def _build_designs(hits: Bools, p: float, lags: int) -> Designs:
    series, days = hits.shape
    most = int(hits.sum(axis=1).max(initial=0))
    positions = np.full((series, max(most, 1)), days)
    row, at = np.nonzero(hits)
    place = np.arange(row.size) - np.searchsorted(row, row)
    positions[row, place] = at
    flags = hits.astype(np.float64)
    count = days - lags
    columns = [np.ones((series, count))]
    columns += [flags[:, lags - lag : days - lag] for lag in range(1, lags + 1)]
    target = flags[:, lags:] - p
    gram = np.empty((series, lags + 1, lags + 1))
    along = np.empty((series, lags + 1))
    for i, left in enumerate(columns):
        along[:, i] = np.einsum("dt,dt->d", left, target)
        for j in range(i + 1):
            gram[:, i, j] = gram[:, j, i] = np.einsum("dt,dt->d", left, columns[j])
    length = np.sqrt(np.maximum(np.einsum("dii->di", gram), EMPTY**2))
    unit = gram / length[:, :, np.newaxis] / length[:, np.newaxis, :]
    unit = np.where(np.isfinite(unit), unit, 0.0)
    size, axes = np.linalg.eigh(unit)
    used = size > size[:, -1:] * TINY
    weight = np.where(used, 1 / np.where(used, size, 1.0), 0.0)
    inverse = np.einsum("dik,dk,djk->dij", axes, weight, axes)
    inverse /= length[:, :, np.newaxis]
    inverse /= length[:, np.newaxis, :]
    empty = length <= EMPTY
    inverse = np.where(empty[:, :, np.newaxis] | empty[:, np.newaxis, :], 0.0, inverse)
    explained = np.einsum("di,dij,dj->d", along, inverse, along)
    return Designs(
        positions, inverse, used.sum(axis=1), along, explained, days, p, lags
    )
