"""Laws of the statistics under a right model: exact where they can be, else drawn.

Counts of breaches, and of breaches that follow one another, have exact laws. What has
none is drawn once and condensed to quantiles; the usual tables come with the package,
others are kept in a cache folder.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

import numpy as np

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._frames import check_choice
from holdings_kit.haircuts._numeric import binomial_pmf, chi2_sf, log_choose, xlogy
from holdings_kit.haircuts.statistics._result import size_note

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import Floats, Ints

Kind: TypeAlias = Literal["haas_mixed", "haas_between", "duration"]
Cache: TypeAlias = str | Path | None
"""Folder of null tables; ``platform``: that of the user; ``None``: none."""

NOMINAL: Final = 0.05
DRAWS: Final = {"haas": 19_999, "duration": 3_999}
LEVELS: Final = np.geomspace(1e-4, 1.0, 161)
"""Probabilities at which a table keeps a quantile, 40 to a decade."""
BOUNDS: Final = (0.02, 50.0)
"""Where the Weibull shape is sought; an answer on a bound is flagged."""
SHIPPED: Final = "nulls.npz"
"""The usual tables, as `benchmarks.null_tables` draws and writes them."""
LEAST_MASS: Final = 1e-13
_TIE: Final = 1e-5
_HALVINGS: Final = 32
_REDRAWN: Final = 3.0
_BLOCK: Final = 4_000_000


# Statistics of whole columns.


def pof(breaches: Floats | float, n: Floats | float, p: float) -> Floats:
    """Likelihood ratio of Kupiec's proportion of failures, for whole columns."""
    x = np.asarray(breaches, dtype=np.float64)
    rest = n - x
    fitted = xlogy(x, x / n) + xlogy(rest, rest / n)
    return np.maximum(2 * (fitted - xlogy(x, p) - rest * np.log1p(-p)), 0.0)


def tuff_term(wait: Floats | float, p: float) -> Floats:
    """Likelihood ratio of one waiting time, for whole columns."""
    v = np.asarray(wait, dtype=np.float64)
    fitted = xlogy(v - 1, v - 1) - xlogy(v, v)
    return np.maximum(-2 * (np.log(p) + (v - 1) * np.log1p(-p) - fitted), 0.0)


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


def weibull(positions: Floats, days: Floats | float) -> tuple[Floats, Floats]:
    """Likelihood ratio of shape 1 and the shape b, of many series at once.

    Each row holds the positions of the breaches of one series, ascending, NaN behind
    the last; at least two. The waits before the first and after the last breach are
    censored: their end is not seen.
    """
    count = np.sum(~np.isnan(positions), axis=1)
    last = np.take_along_axis(positions, count[:, np.newaxis] - 1, axis=1)[:, 0]
    between = np.diff(positions, axis=1)
    before = np.where(positions[:, 0] > 0, positions[:, 0] + 1, np.nan)
    after = np.where(last < days - 1, days - 1 - last, np.nan)
    every = np.column_stack([between, before, after])
    scale = np.nanmax(every, axis=1, keepdims=True)
    seen = ~np.isnan(every)
    logs = np.where(seen, np.log(np.where(seen, every, 1.0) / scale), 0.0)
    weight = seen.astype(np.float64)
    number = (count - 1).astype(np.float64)
    total = logs[:, : between.shape[1]].sum(axis=1)

    def slope(log_shape: Floats) -> Floats:
        powers = weight * np.exp(np.exp(log_shape)[:, np.newaxis] * logs)
        mean = (powers * logs).sum(axis=1) / powers.sum(axis=1)
        return number * np.exp(-log_shape) + total - number * mean

    def likelihood(shape: Floats) -> Floats:
        powers = weight * np.exp(shape[:, np.newaxis] * logs)
        spread = np.log(number / powers.sum(axis=1))
        return number * (spread + np.log(shape)) + (shape - 1) * total

    low = np.full(count.size, np.log(BOUNDS[0]))
    high = np.full(count.size, np.log(BOUNDS[1]))
    at_low, at_high = slope(low) < 0, slope(high) > 0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        rising = slope(middle) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    shape = np.exp((low + high) / 2)
    shape = np.where(at_low, BOUNDS[0], np.where(at_high, BOUNDS[1], shape))
    ratio = 2 * (likelihood(shape) - likelihood(np.ones_like(shape)))
    return np.maximum(ratio, 0.0), shape


# Exact laws.


class Law(NamedTuple):
    """An exact law of a discrete statistic: its values, descending, and masses."""

    values: Floats
    beyond: Floats  # probability of a larger value
    mass: Floats

    def mid_p(self, observed: Floats | float) -> Floats:
        """Return P(larger) + ½ P(equal), for whole columns."""
        at = np.searchsorted(
            -self.values, -np.asarray(observed) - _allow_float_error(observed)
        )
        at = np.minimum(at, self.values.size - 1)
        same = np.abs(self.values[at] - observed) <= _allow_float_error(observed)
        return np.minimum(self.beyond[at] + np.where(same, self.mass[at] / 2, 0.0), 1.0)

    def mid_p_size(self) -> float:
        """Share that the mid-p-value rejects at 5 %."""
        return float(self.mass[self.mid_p(self.values) <= NOMINAL].sum())

    def size(self, degrees: float) -> float:
        """Share that the chi-square law with so many degrees rejects at 5 %."""
        return float(self.mass[chi2_sf(self.values, degrees) <= NOMINAL].sum())

    def judge(
        self, observed: float, method: str, degrees: int, words: str
    ) -> tuple[float, int | None, str]:
        """Give a p-value, its degrees, and how often it rejects right models.

        ``mid_p`` is by this law, ``asymptotic`` by the chi-square law.
        """
        if method == "asymptotic":
            p_value = float(chi2_sf(observed, degrees))
            return p_value, degrees, size_note(self.size(degrees))
        check_choice(method, "method", ("mid_p", "asymptotic"))
        return float(self.mid_p(observed)), None, size_note(self.mid_p_size(), words)


def _allow_float_error(observed: Floats | float) -> Floats:
    return 1e-9 * (1 + np.abs(np.asarray(observed, dtype=np.float64)))


def _make_law(values: Floats, mass: Floats) -> Law:
    """Sort a law by value and put equal values together."""
    order = np.argsort(-values, kind="stable")
    values, mass = values[order], mass[order]
    new = np.append(True, values[:-1] - values[1:] > _allow_float_error(values[1:]))
    at = np.flatnonzero(new)
    mass = np.add.reduceat(mass, at)
    return Law(values[at], np.append(0.0, np.cumsum(mass)[:-1]), mass)


@lru_cache(maxsize=8192)
def mid_p_values(n: int, p: float, *, one_sided: bool = False) -> Floats:
    """Give the mid-p-value of every count of breaches 0 … n of independent days.

    Two-sided counts are ranked by their smaller tail, least tail first: twice the
    smaller tail would waste half the level when no breach is an ordinary outcome.
    """
    mass = binomial_pmf(n, p)
    up = np.cumsum(mass[::-1])[::-1] - mass / 2
    if one_sided:
        return up
    tail = np.minimum(up, np.cumsum(mass) - mass / 2)
    order = np.argsort(tail, kind="stable")
    beyond = np.cumsum(mass[order])
    as_far = np.searchsorted(tail[order], tail + 1e-12, side="right") - 1
    return np.clip(beyond[as_far] - mass / 2, 0.0, 1.0)


def _list_runs(n: int, x: int) -> tuple[Floats, Floats]:
    """Ratios of the 2×2 table, and masses, of x breaches in any order of n days."""
    rest = n - x
    if x in {0, n}:
        return np.zeros(1), np.ones(1)
    runs = np.arange(1.0, min(x, rest + 1) + 1)
    ways = log_choose(x - 1.0, runs - 1) - float(log_choose(float(n), float(x)))
    ratios: list[Floats] = []
    masses: list[Floats] = []
    for first in (0, 1):
        for last in (0, 1):
            inner = log_choose(rest - 1.0, runs - first - last)
            n01, n10 = runs - first, runs - last
            n11 = x - runs
            ratios.append(transition_ratio(n - 1 - n01 - n10 - n11, n01, n10, n11))
            masses.append(np.exp(ways + inner))
    mass = np.concatenate(masses)
    ratio = np.concatenate(ratios)
    there = mass > 0
    return ratio[there], mass[there]


@lru_cache(maxsize=4096)
def run_law(n: int, x: int) -> Law:
    """Law of Christoffersen's ratio when x breaches fall on any of n days.

    The number of runs of a random arrangement (Wald and Wolfowitz, 1940), with the
    first and the last day told apart.
    """
    return _make_law(*_list_runs(n, x))


@lru_cache(maxsize=1024)
def joint_law(n: int, p: float) -> Law:
    """Law of the conditional-coverage ratio of n independent days."""
    mass = binomial_pmf(n, p)
    counts = np.flatnonzero(mass > LEAST_MASS)
    ratios: list[Floats] = []
    masses: list[Floats] = []
    for x in counts.tolist():
        ratio, share = _list_runs(n, x)
        ratios.append(ratio + float(pof(float(x), n, p)))
        masses.append(share * mass[x])
    return _make_law(np.concatenate(ratios), np.concatenate(masses))


@lru_cache(maxsize=1024)
def tuff_law(p: float, days: int | None = None) -> Law:
    """Law of the wait for the first breach, given that it comes within `days`."""
    longest = int(np.ceil(-32 / np.log1p(-p)))
    wait = np.arange(1.0, min(longest, days or longest) + 1)
    mass = p * np.exp((wait - 1) * np.log1p(-p))
    return _make_law(tuff_term(wait, p), mass / mass.sum())


# Laws that are drawn.


class Table(NamedTuple):
    """A drawn law, condensed: the value that is reached with each probability."""

    values: Floats
    source: str

    def p_value(self, observed: Floats | float) -> Floats:
        """Share of draws at least as large; between two quantiles, in proportion."""
        seen = np.asarray(observed, dtype=np.float64)
        asked = seen - _TIE * (1 + np.abs(seen))
        values, at = np.unique(self.values[::-1], return_index=True)
        return np.interp(asked, values, LEVELS[::-1][at])


def condense_draws(drawn: Floats, source: str) -> Table:
    ordered = np.sort(drawn)[::-1]
    place = np.ceil(LEVELS * ordered.size - 1e-9).astype(np.int64) - 1
    return Table(ordered[np.clip(place, 0, ordered.size - 1)], source)


def draw_positions(rng: np.random.Generator, draws: int, n: int, x: int) -> Ints:
    """Draw x different days of n, ascending, as often as asked."""
    if x * x / (2 * n) > _REDRAWN:
        blocks = [
            np.argpartition(rng.random((size, n)), x - 1, axis=1)[:, :x]
            if x < n
            else np.tile(np.arange(n), (size, 1))
            for size in _cut_draws(draws, n)
        ]
        return np.sort(np.concatenate(blocks), axis=1)
    found = np.sort(rng.integers(0, n, (draws, x)), axis=1)
    while True:
        twice = np.flatnonzero((np.diff(found, axis=1) == 0).any(axis=1))
        if not twice.size:
            return found
        found[twice] = np.sort(rng.integers(0, n, (twice.size, x)), axis=1)


def _cut_draws(draws: int, width: int) -> list[int]:
    step = max(1, _BLOCK // max(width, 1))
    return [min(step, draws - start) for start in range(0, draws, step)]


def draw_haas(n: int, p: float, *, mixed: bool) -> Floats:
    """Draw −ln of Haas's chi-square probability for independent hits."""
    rng = np.random.default_rng(0)
    most = int(n * p + 8 * np.sqrt(n * p * (1 - p)) + 8)
    out: list[Floats] = []
    for size in _cut_draws(DRAWS["haas"], most):
        waits = rng.geometric(p, (size, most)).astype(np.float64)
        inside = np.cumsum(waits, axis=1) <= n
        count = inside.sum(axis=1).astype(np.float64)
        between = np.where(inside, tuff_term(waits, p), 0.0).sum(axis=1)
        if mixed:
            out.append(-np.log(chi2_sf(between + pof(count, n, p), count + 1)))
        else:
            some = count > 0
            out.append(-np.log(chi2_sf(between[some], count[some])))
    return np.concatenate(out)


def haas_table(n: int, p: float, *, mixed: bool, cache: Cache) -> Table:
    """Law of −ln of Haas's chi-square probability for n independent days."""
    return _find_table("haas_mixed" if mixed else "haas_between", n, p, cache)


def duration_table(n: int, x: int, cache: Cache) -> Table:
    """Law of the Weibull ratio of x breaches that fall on any of n days.

    The ratio does not depend on the unit of time, so beyond 100 days n is rounded to
    steps of 5 %.
    """
    return _find_table("duration", round_days(n, x), float(x), cache)


def draw_duration(n: int, x: int) -> Floats:
    """Draw the Weibull ratio of x breaches on any of n days."""
    rng = np.random.default_rng(0)
    found = draw_positions(rng, DRAWS["duration"], n, x).astype(np.float64)
    return weibull(found, float(n))[0]


def round_days(n: int, x: int) -> int:
    exact = 100
    if n <= exact or x * 4 > n:
        return n
    return round(exact * 1.05 ** round(np.log(n / exact) / np.log(1.05)))


# Where tables are.


@lru_cache(maxsize=1)
def _load_shipped() -> dict[str, Floats]:
    place = files("holdings_kit.haircuts.statistics").joinpath(SHIPPED)
    if not place.is_file():
        return {}
    loaded: Any = np.load(BytesIO(place.read_bytes()), allow_pickle=False)
    names = str(loaded["names"]).split()
    values = np.asarray(loaded["values"], dtype=np.float64)
    return dict(zip(names, values, strict=True))


def name_table(kind: Kind, n: int, about: float) -> str:
    return f"{kind}_{n}_{about:.10g}"


def draw_table(kind: Kind, n: int, about: float) -> Floats:
    if kind == "duration":
        return draw_duration(n, int(about))
    return draw_haas(n, about, mixed=kind == "haas_mixed")


def _find_table(kind: Kind, n: int, about: float, cache: Cache) -> Table:
    shipped = _load_shipped().get(name_table(kind, n, about))
    if shipped is not None:
        return Table(shipped, "shipped")
    return _read_or_draw(
        kind, n, about, _choose_folder(cache), lenient=cache == "platform"
    )


@lru_cache(maxsize=8192)
def _read_or_draw(
    kind: Kind, n: int, about: float, folder: Path | None, *, lenient: bool
) -> Table:
    """Read a table from the folder, or draw it and keep it there."""
    if folder is None:
        return condense_draws(draw_table(kind, n, about), "drawn")
    place = folder / f"{name_table(kind, n, about)}.npy"
    if place.is_file():
        try:
            values = np.load(place, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            values = np.empty(0)  # cut short by a crash: drawn again, written again
        if values.shape == LEVELS.shape:
            return Table(values, "cached")
    table = condense_draws(draw_table(kind, n, about), "drawn")
    try:
        _keep_table(place, table.values)
    except ConfigError as error:
        if not lenient:
            raise
        return Table(table.values, f"drawn; {error}")
    return table


def _keep_table(place: Path, values: Floats) -> None:
    """Write beside, then rename: another process never reads half a table."""
    part = place.with_suffix(f".{os.getpid()}.part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as into:
            np.save(into, values, allow_pickle=False)
        part.replace(place)
    except OSError as error:
        raise ConfigError(
            f"cache {place.parent}: null tables cannot be stored there: {error}; pass "
            "cache= a folder that can be written, or None to store none"
        ) from None


def _choose_folder(cache: Cache) -> Path | None:
    if cache is None:
        return None
    if cache != "platform":
        return Path(cache).expanduser()
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", home / ".cache"))
    return base / "holdings_kit" / "nulls"
