"""Coverage when the windows overlap: a loss over H days, looked at every day.

Neighbouring windows share H − 1 days, so their breaches come together and a test that
counts them as independent rejects every model. Two tests were measured to hold, each
for its own haircuts; see docs/statistics.md for their size and power.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._frames import check_choice
from holdings_kit.haircuts._numeric import binomial_pmf, normal_quantile
from holdings_kit.haircuts.statistics._laws import NOMINAL, mid_p_values
from holdings_kit.haircuts.statistics._result import (
    Hits,
    Numbers,
    TestResult,
    as_floats,
    as_hits,
    check_level,
    name_test,
    share,
    side_of,
    unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdings_kit.haircuts._frames import Bools, Floats, Ints

Singles: TypeAlias = NDArray[np.float32]
Loss: TypeAlias = Literal["terminal", "worst"]
FOUND: Final = 0.8
"""A ratio counts as detectable when the test finds it as often as this."""
RATIOS: Final = (1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 25.0)
PATHS: Final = 2000
FIRST_PATHS: Final = 99
ALL_PATHS: Final = 399
CLEAR: Final = 0.2
"""A share of paths above this is not refined by more of them."""
SHARPER: Final = 0.05
"""What each doubling of the days adds to the power of `sharpen`."""
BURN_IN: Final = 300
FEWEST_RETURNS: Final = 60
FITTED: Final = 200
SIMULATED: Final = 4
SIMULATED_LONG: Final = 1
"""Series that are fitted, or simulated, together: what fits the cache of a core."""
LOG_EVERY: Final = 8
"""Variances are multiplied over so many days before the logarithm is taken."""
SAMPLE: Final = 20_000
FEW: Final = 5_000
PERSISTENCE: Final = (0.5, 0.7, 0.85, 0.93, 0.97, 0.985, 0.995)
ALPHA: Final = (0.01, 0.03, 0.06, 0.1, 0.15, 0.22, 0.3)
FOLLOWS: Final = 0.5
FOLLOWS_LONG: Final = 0.2
LONG: Final = 10


@name_test("Overlapping windows")
def overlapping(
    hits: Hits,
    level: float,
    *,
    horizon: int,
    method: Literal["offsets", "garch_count"] = "offsets",
    side: Literal["two-sided", "too many"] | None = None,
    returns: Numbers | None = None,
    loss: Loss = "terminal",
    seed: int = 0,
) -> TestResult:
    """Test coverage on overlapping windows of `horizon` days.

    Parameters
    ----------
    hits
        Breaches of windows that start on consecutive days.
    level
        1 − p.
    horizon
        Days of a window, H.
    method
        ``offsets``, for haircuts that follow volatility: the mid-p-value of each of the
        H series of disjoint windows, combined by Cauchy's law. It tests that the rate
        is right on every day given what was known. ``garch_count``, for constant,
        floored or slow haircuts: the number of breaches under a GARCH(1,1) fitted to
        the returns, on the side of too many only. It tests the average rate.
    side
        ``two-sided`` or ``too many``; by default two-sided for ``offsets``.
    returns
        Daily log returns of the same days, for ``garch_count``: the i-th is that of the
        first day of the i-th window. Without them there is no p-value.
    loss
        ``terminal`` or ``worst`` within the window, for ``garch_count``.
    seed
        Of the simulated paths.

    Returns
    -------
    TestResult
        The ratio of breaches to expected ones. `note` says what was tested, the number
        of disjoint windows, and the ratio that would be found in 80 of 100 cases.

    Raises
    ------
    ConfigError
        A horizon, method or side that makes no sense; hits or returns with nulls.

    Notes
    -----
    Cauchy combination: Liu and Xie (2020), T = mean of tan(π(½ − pₒ)), p = ½ −
    arctan(T)/π. "Not rejected" is no pass: look at the ratio that would be found.

    Examples
    --------
    >>> hits = ([False] * 95 + [True] * 5) * 3
    >>> found = overlapping(hits, 0.95, horizon=5)
    >>> round(found.p_value, 3), found.side
    (0.885, None)
    """
    p = check_level(level)
    flags = as_hits(hits)
    if horizon < 1:
        raise ConfigError(f"horizon {horizon}: must be at least 1 day")
    if side is not None:
        check_choice(side, "side", ("two-sided", "too many"), quoted=True)
    check_choice(method, "method", ("offsets", "garch_count"), quoted=True)
    if flags.size <= horizon:
        return unknown(f"{flags.size} windows are too few for a horizon of {horizon}")
    ratio = float(flags.mean() / p)
    windows = flags.size // horizon
    if method == "offsets":
        one_sided = side == "too many"
        days = np.arange(flags.size)
        starts = np.array([0, flags.size])
        found = combine_offsets(flags, days, starts, p, horizon, one_sided=one_sided)
        note = offsets_note(windows, detectable_ratio(flags.size, level, horizon))
        beside = None if one_sided else side_of(ratio, 1.0)
        return TestResult(ratio, float(found[0]), None, note, beside)
    if side == "two-sided":
        raise ConfigError(
            "garch_count holds on the side of too many only: side='too many'"
        )
    if returns is None:
        note = "a constant or slow haircut: without the returns there is no p-value"
        return TestResult(ratio, None, None, note)
    moves = as_floats(returns, "returns", flags.size)
    counts = [int(flags.sum())]
    (counted,) = count_under_garch(counts, [moves], p, horizon, loss=loss, seed=seed)
    return TestResult(ratio, counted.p_value, None, garch_note(windows, counted, seed))


def offsets_note(windows: int, ratio: float | None) -> str:
    """Say what the offsets test, on how many windows, and what they would find."""
    return (
        "offsets: tests that the rate is right on every day given what was known; "
        "a haircut right only on average is rejected more often than 5 % when "
        f"volatility clusters; {_describe_windows(windows, ratio)}"
    )


def garch_note(windows: int, counted: Counted, seed: int) -> str:
    """Say what the count under a GARCH tests, and what it would find."""
    if counted.p_value is None:
        return (
            f"count under a GARCH(1,1): needs {FEWEST_RETURNS} returns that move; "
            f"none printed; {windows} disjoint windows"
        )
    return (
        "count under a GARCH(1,1): tests the average rate, volatility taken as "
        f"GARCH(1,1) fitted to the returns; too-many side only; {counted.paths} paths, "
        f"seed {seed}; {_describe_windows(windows, counted.ratio)}"
    )


def _describe_windows(windows: int, ratio: float | None) -> str:
    plural = "" if windows == 1 else "s"
    found = (
        f"not even {RATIOS[-1]:g} times the rate would be found in 80 of 100 cases"
        if ratio is None
        else f"{ratio:.1f} times the rate would be found in 80 of 100 cases"
    )
    return f"{windows} disjoint window{plural}; {found}"


def follows_enough(slope: Floats | float, horizon: int) -> Bools:
    """Whether a haircut follows volatility far enough for the offsets to hold.

    `slope` is that of ln haircut on ln volatility.
    """
    least = FOLLOWS_LONG if horizon >= LONG else FOLLOWS
    return np.asarray(slope) >= least


# Offsets.


def combine_offsets(
    hits: Bools,
    days: Ints,
    starts: Ints,
    p: float,
    horizon: int,
    *,
    one_sided: bool = False,
) -> Floats:
    """Combine the mid-p-values of the disjoint windows of each run of hits.

    `days` is the place of each window's first day among the days of its instrument: a
    day that is missing moves no window into another series.
    """
    runs = starts.size - 1
    run = np.repeat(np.arange(runs), np.diff(starts))
    cell = run * horizon + days % horizon
    number = np.bincount(cell, minlength=runs * horizon)
    count = np.bincount(cell, weights=hits, minlength=runs * horizon).astype(np.int64)
    found = np.full(number.size, np.nan)
    for size in np.unique(number[number > 0]).tolist():
        here = number == size
        found[here] = mid_p_values(size, p, one_sided=one_sided)[count[here]]
    clipped = np.clip(found, 1e-15, 0.99)  # a p of 1 would weigh without end
    heavy = np.where(number > 0, np.tan(np.pi * (0.5 - clipped)), 0.0)
    by_run = (number > 0).reshape(runs, horizon)
    mean = heavy.reshape(runs, horizon).sum(axis=1) / np.maximum(by_run.sum(axis=1), 1)
    # for a single series arctan(tan) is the identity, but for rounding
    return np.where(by_run.any(axis=1), 0.5 - np.arctan(mean) / np.pi, np.nan)


# Count under a GARCH.


class Counted(NamedTuple):
    """The count test of one series.

    Attributes
    ----------
    p_value
        From P(more) + ½ P(as many), the series itself among the paths, by `sharpen`;
        ``None`` where the returns are too few or do not move.
    paths
        Simulated.
    ratio
        Breach rate over p that is found in 80 of 100 paths; ``None`` if none is.
    """

    p_value: float | None
    paths: int
    ratio: float | None


def count_under_garch(
    breaches: Sequence[int],
    returns: Sequence[Floats],
    p: float,
    horizon: int,
    *,
    loss: Loss = "terminal",
    seed: int = 0,
) -> list[Counted]:
    """Judge numbers of breaches by paths of a GARCH(1,1) fitted to the returns of each.

    Every path has as many windows as its series; the haircut is the constant that p of
    the windows of all paths exceed, so the rate is right by construction and only the
    spread of the count is simulated. 99 paths, and 300 more where they leave p below
    0.2. Series of one length are fitted and simulated together, from the same draws.
    The share of paths is made a p-value by `sharpen`.
    """
    answers = [Counted(None, 0, None)] * len(returns)
    alike: dict[int, list[int]] = {}
    for place, series in enumerate(returns):
        moves = series[np.isfinite(series)]
        if moves.size >= FEWEST_RETURNS and np.ptp(moves) > 0:
            alike.setdefault(moves.size, []).append(place)
    for days, places in alike.items():
        draws = PathDraws(days, horizon, seed)

        def simulate(
            models: Models, part: int, draws: PathDraws = draws, n: int = days
        ) -> Singles:
            return sum_losses(draws.draw(models, part), n, horizon, loss)

        for some in _cut_series(places, FITTED):
            moves = np.stack([returns[at][np.isfinite(returns[at])] for at in some])
            models = fit_models(moves)
            for block in _cut_series(range(len(some)), SIMULATED):
                counts = [breaches[some[at]] for at in block]
                judged = _judge_counts(counts, models.take(block), simulate, p)
                for at, answer in zip(block, judged, strict=True):
                    answers[some[at]] = answer
    return answers


def fit_garch(returns: Floats) -> tuple[Floats, Floats]:
    """Fit α and α + β of a GARCH(1,1) to each row, ω by variance targeting.

    Gaussian likelihood: a grid, then three halvings of its step around the best point.
    """
    squares = np.square(returns)
    squares = np.ascontiguousarray((squares / squares.mean(axis=1, keepdims=True)).T)
    grid = np.array([(a, s) for s in PERSISTENCE for a in ALPHA if a <= s]).T
    tried = _measure_deviances(squares, *(side[:, np.newaxis] for side in grid))
    names = np.arange(len(returns), dtype=np.int64)
    place = tried.argmin(axis=0)
    best: Floats = tried[place, names]
    alpha: Floats = grid[0][place]
    rest: Floats = 1 - grid[1][place]
    steps = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
    up, out = np.array(steps, np.float64).T[:, :, np.newaxis]
    for step in (1.5 ** (1 / 2), 1.5 ** (1 / 4), 1.5 ** (1 / 8)):
        alphas: Floats = np.minimum(alpha * step**up, 0.6)
        rests: Floats = np.clip(rest * step**out, 0.001, 0.9)
        allowed: Bools = alphas <= 1 - rests
        tried = _measure_deviances(squares, np.where(allowed, alphas, 0.0), 1 - rests)
        tried = np.where(allowed, tried, np.inf)
        place = tried.argmin(axis=0)
        better = tried[place, names] < best
        best = np.where(better, tried[place, names], best)
        alpha = np.where(better, alphas[place, names], alpha)
        rest = np.where(better, rests[place, names], rest)
    return alpha, 1 - rest


def _measure_deviances(squares: Floats, alpha: Floats, persistence: Floats) -> Floats:
    """−2 log-likelihood, but for a constant: candidates × series, all days at once.

    `squares` is days × series in units of the mean; the variance starts at the mean.
    """
    beta, omega = persistence - alpha, 1 - persistence
    shape = np.broadcast_shapes(alpha.shape, squares.shape[1:])
    variance = np.ones(shape)
    total, logs = np.zeros(shape), np.zeros(shape)
    product, spare = np.ones(shape), np.empty(shape)
    for day, now in enumerate(squares):
        np.divide(now, variance, out=spare)
        total += spare
        product *= variance
        if day % LOG_EVERY == 0:  # a logarithm of a product costs as one of a day
            logs += np.log(product)
            product[:] = 1.0
        np.multiply(alpha, now, out=spare)
        spare += omega
        variance *= beta
        variance += spare
    return total + logs + np.log(product)


def fit_models(returns: Floats) -> Models:
    """Fit each row; the residuals are centred and of unit variance, series × days."""
    alpha, persistence = fit_garch(returns)
    squares = np.square(returns)
    squares = (squares / squares.mean(axis=1, keepdims=True)).T
    variance = np.ones(squares.shape)
    for now, before, square in zip(
        variance[1:], variance[:-1], squares[:-1], strict=True
    ):
        now[:] = (1 - persistence) + alpha * square + (persistence - alpha) * before
    z = returns / np.sqrt(variance.T)
    z = (z - z.mean(axis=1, keepdims=True)) / z.std(axis=1, keepdims=True)
    return Models(z, alpha, persistence)


def _cut_series(items: Sequence[int], size: int) -> list[list[int]]:
    return [list(items[at : at + size]) for at in range(0, len(items), size)]


class Models(NamedTuple):
    """GARCH(1,1) of several series, and the residuals they leave, series × days."""

    z: Floats
    alpha: Floats
    persistence: Floats

    @property
    def days(self) -> int:
        """Returns of each series."""
        return self.z.shape[1]

    def take(self, rows: list[int]) -> Models:
        return Models(*(column[rows] for column in self))


class PathDraws:
    """Which days' residuals the paths take: the same for all series of one length."""

    def __init__(self, days: int, horizon: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        total = BURN_IN + days + horizon - 1
        self._days = [
            rng.integers(0, days, (total, paths), dtype=np.int32).astype(np.intp)
            for paths in (FIRST_PATHS, ALL_PATHS - FIRST_PATHS)
        ]
        self._space: dict[tuple[int, int], Singles] = {}

    def _get_space(self, part: int, series: int) -> Singles:
        """Three arrays of days × series × paths, used again: new memory takes time."""
        key = (part, series)
        if key not in self._space:
            days, paths = self._days[part].shape
            self._space[key] = np.empty((3, days + 1, series, paths), np.float32)
        return self._space[key]

    def draw(self, models: Models, part: int) -> Singles:
        """Losses of a day on the first or on the further paths.

        days × series × paths, each series in a unit of its own; valid until the next
        call for the same part.
        """
        at = self._days[part]
        moves, factor, variance = self._get_space(part, models.alpha.size)
        moves, factor = moves[:-1], factor[:-1]
        rows = zip(*models, strict=True)
        for place, (z, alpha, persistence) in enumerate(rows):
            moves[:, place] = z.astype(np.float32).take(at)
            by = alpha * np.square(z) + (persistence - alpha)
            factor[:, place] = by.astype(np.float32).take(at)
        # σ² over ω: 1 + (α z² + β) σ²; the scale of a series moves no breach
        mean = (1 / (1 - models.persistence)).astype(np.float32)
        variance[0] = mean[:, np.newaxis]
        one = np.float32(1.0)
        for now, after, by in zip(variance[:-1], variance[1:], factor, strict=True):
            np.multiply(now, by, out=after)
            np.add(after, one, out=after)
        lost = moves[BURN_IN:]
        lost *= np.sqrt(variance[BURN_IN:-1], out=variance[BURN_IN:-1])
        return np.negative(lost, out=lost)


def sum_losses(lost: Singles, n: int, horizon: int, loss: Loss) -> Singles:
    """Losses over H days of the n windows: at their end, or the worst on the way."""
    if horizon == 1:
        return lost[:n]
    total = lost[:n].copy()
    deepest = total.copy() if loss == "worst" else total
    for day in range(1, horizon):
        total += lost[day : day + n]
        if loss == "worst":
            np.maximum(deepest, total, out=deepest)
    return deepest


def _judge_counts(
    breaches: Sequence[int],
    models: Models,
    simulate: Callable[[Models, int], Singles],
    p: float,
) -> list[Counted]:
    lost = simulate(models, 0)
    answers: list[Counted] = []
    close: list[int] = []
    for place, count in enumerate(breaches):
        counts = count_beyond(lost[:, place], p)
        ratio = _find_detectable_ratio(lost[:, place], counts, p)
        rank = rank_count(count, counts)
        answers.append(Counted(sharpen(rank, models.days), FIRST_PATHS, ratio))
        if rank <= CLEAR:
            close.append(place)
    for some in _cut_series(close, SIMULATED_LONG):
        added = simulate(models.take(some), 1)
        for place, at in enumerate(some):
            every = np.concatenate([lost[:, at], added[:, place]], axis=1)
            rank = rank_count(breaches[at], count_beyond(every, p))
            found = sharpen(rank, models.days)
            answers[at] = Counted(found, ALL_PATHS, answers[at].ratio)
    return answers


def count_beyond(lost: Singles, p: float) -> Ints:
    """Count the losses of each path beyond what p of those of all paths exceed."""
    flat = lost.ravel()
    beyond = int(flat.size * p)
    sample = flat[:: max(1, flat.size // FEW)]
    at = max(0, sample.size - 1 - int(sample.size * 2 * p))
    high = flat[flat > np.partition(sample, at)[at]]  # the quick way to the largest
    if high.size <= beyond:
        high = flat
    return _count_above(lost, np.partition(high, -1 - beyond)[-1 - beyond])


def sharpen(rank: float, days: int) -> float:
    """Make the share of paths with as many breaches a p-value.

    The GARCH is fitted to the very returns that breached, so many breaches come with a
    fit that expects their number to spread, and the share is too large: the more so
    the longer the series. The power was found where right haircuts were simulated, see
    docs/statistics.md; it is 1 up to 500 days and does not grow beyond 2,500.
    """
    return rank ** _choose_power(days)


def _choose_power(days: int) -> float:
    return 1 + SHARPER * float(np.log2(min(max(days, 500), 2500) / 500))


def rank_count(breaches: int, counts: Ints) -> float:
    """Share of paths of the right rate with as many breaches, equals by half."""
    above = int(np.count_nonzero(counts > breaches))
    same = int(np.count_nonzero(counts == breaches))
    # the series itself counts as one path, half of it as an equal: never 0
    return (above + same / 2 + 0.5) / (counts.size + 1)


def _count_above(lost: Singles, cut: np.float32) -> Ints:
    """Count the losses of each path above a cut; few are, so their places are quick."""
    paths = lost.shape[1]
    return np.bincount(np.flatnonzero(lost > cut) % paths, minlength=paths)


def _find_detectable_ratio(lost: Singles, counts: Ints, p: float) -> float | None:
    """Least ratio that a test at 5 % finds in 80 of 100 paths."""
    rank = NOMINAL ** (1 / _choose_power(lost.shape[0]))
    critical = np.sort(counts)[::-1][int(rank * counts.size)]
    sample = np.sort(lost.ravel()[:: max(1, lost.size // SAMPLE)])

    def is_found(ratio: float) -> bool:
        cut = sample[sample.size - 1 - int(sample.size * p * ratio)]
        return share(_count_above(lost, cut) > critical) >= FOUND

    known = [ratio for ratio in RATIOS if ratio * p <= 1 / 2]
    at = bisect_left(known, x=True, key=is_found)  # more breaches are found more often
    return known[at] if at < len(known) else None


# Power.


def power(
    n: int, level: float, horizon: int = 1, ratio: float = 2.0, *, seed: int = 0
) -> float:
    """How often the default coverage test finds a breach rate that is wrong.

    Parameters
    ----------
    n
        Days looked at; windows of H > 1 days start on each of them.
    level
        Coverage promised, 1 − p.
    horizon
        Days of a window, H.
    ratio
        True breach rate over p: 2 for twice too many, 0.5 for half. 1 gives the size.
    seed
        Of the 2,000 paths, for H > 1.

    Returns
    -------
    float
        Share of series that the two-sided offsets test at 5 % rejects: exact for one
        day, simulated with independent normal returns for more. A constant haircut
        under moving volatility is tested otherwise, and found far less often.

    Raises
    ------
    ConfigError
        n, horizon or ratio that make no sense.

    Examples
    --------
    >>> round(power(1000, 0.99, 1, 2.0), 2), round(power(1000, 0.99, 1, 1.0), 3)
    (0.78, 0.055)
    >>> 0.30 < power(1000, 0.99, 10, 2.0) < 0.40
    True
    """
    p = check_level(level)
    if n < 1 or horizon < 1:
        raise ConfigError(f"n {n}, horizon {horizon}: must be at least 1 day")
    if not 0 <= ratio * p < 1:
        raise ConfigError(f"ratio {ratio}: times {p:.4g} must be a probability")
    return _simulate_power(n, round(p, 12), horizon, float(ratio), seed)


def detectable_ratio(n: int, level: float, horizon: int = 1) -> float | None:
    """Least breach rate over p that the default test finds in 80 of 100 cases.

    n is rounded to steps of 10 % for windows of several days; ``None`` where not even
    25 times the rate is found, or such a rate is above one half.
    """
    p = round(check_level(level), 12)
    return _look_up_detectable(n if horizon == 1 else _round_sample_size(n), p, horizon)


def _round_sample_size(n: int) -> int:
    return max(1, round(1.1 ** round(np.log(max(n, 1)) / np.log(1.1))))


@lru_cache(maxsize=4096)
def _look_up_detectable(n: int, p: float, horizon: int) -> float | None:
    before, at = 1.0, 0.0
    for ratio in RATIOS:
        if ratio * p > 1 / 2:
            return None
        found = _simulate_power(n, p, horizon, ratio, 0)
        if found >= FOUND:
            share = (FOUND - at) / (found - at)
            return float(before + share * (ratio - before))
        before, at = ratio, found
    return None


@lru_cache(maxsize=8192)
def _simulate_power(n: int, p: float, horizon: int, ratio: float, seed: int) -> float:
    if horizon == 1:
        rejected = mid_p_values(n, p) <= NOMINAL
        none = np.append(1.0, np.zeros(n))
        from_law = binomial_pmf(n, ratio * p) if ratio else none
        return float(from_law[rejected].sum())
    if ratio == 0:
        hits = np.zeros((1, n), bool)
    else:
        hits = _draw_sums(n, horizon, seed) < normal_quantile(ratio * p)
    size = hits.shape[0]
    starts = np.arange(size + 1) * n
    days = np.tile(np.arange(n), size)
    found = combine_offsets(hits.ravel(), days, starts, p, horizon)
    return share(found <= NOMINAL)


@lru_cache(maxsize=2)
def _draw_sums(n: int, horizon: int, seed: int) -> Singles:
    """H-day sums of unit variance, overlapping, of independent normal returns."""
    rng = np.random.default_rng(seed)
    moves = rng.standard_normal((PATHS, n + horizon - 1), dtype=np.float32)
    total = np.cumsum(moves, axis=1, dtype=np.float64)
    total = np.concatenate([np.zeros((PATHS, 1)), total], axis=1)
    return ((total[:, horizon:] - total[:, :-horizon]) / np.sqrt(horizon)).astype(
        np.float32
    )
