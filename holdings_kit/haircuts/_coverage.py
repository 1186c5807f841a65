"""What a backtest says of each run of breaches: counts, rates, shortfalls, tests."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np
import polars as pl

from holdings_kit.haircuts._frames import Bools, Floats, Ints, find_starts
from holdings_kit.haircuts._numeric import binomial_pmf, chi2_sf
from holdings_kit.haircuts.statistics._coverage import (
    clopper_pearson,
    rate_limits,
    zones,
)
from holdings_kit.haircuts.statistics._dynamics import LAGS, draw_hits, rank_of_hits
from holdings_kit.haircuts.statistics._laws import (
    BOUNDS,
    NOMINAL,
    Cache,
    duration_table,
    haas_table,
    joint_law,
    mid_p_values,
    pof,
    run_law,
    transition_ratio,
    tuff_law,
    tuff_term,
    weibull,
)
from holdings_kit.haircuts.statistics._overlapping import (
    Loss,
    combine_offsets,
    count_under_garch,
    detectable_ratio,
    follows_enough,
    garch_note,
    offsets_note,
)
from holdings_kit.haircuts.statistics._result import share_as_large, side_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Column: TypeAlias = (
    Floats | pl.Series | list[float | None] | list[str | None] | list[str]
)

COVERAGE: Final = pl.Schema(
    {
        "instrument_id": pl.String(),  # the first three give way to the keys asked for
        "model": pl.String(),
        "name": pl.String(),
        "level": pl.Float64(),  # what the haircut was judged at
        "horizon": pl.Int64(),
        "n": pl.Int64(),  # windows judged: haircut and loss both known
        "breaches": pl.Int64(),
        "expected": pl.Float64(),  # n × (1 − level)
        "ratio": pl.Float64(),  # breaches / expected
        "side": pl.String(),  # "too many" or "too few"; what a two-sided p speaks of
        "rate": pl.Float64(),
        "rate_lower": pl.Float64(),  # Clopper–Pearson, 95 %, of n/H windows
        "rate_upper": pl.Float64(),
        "mean_haircut": pl.Float64(),
        "break_even_haircut": pl.Float64(),  # least constant one that keeps the level
        "excess": pl.Float64(),  # mean haircut − break-even
        "first_breach": pl.Date(),
        "worst_shortfall": pl.Float64(),  # loss − haircut, of breaches
        "mean_shortfall": pl.Float64(),
        # coverage of one instrument, any horizon: at most one of the two
        "offsets_p": pl.Float64(),  # the haircut follows volatility; two-sided
        "garch_p": pl.Float64(),  # it does not; too many only
        "detectable_ratio": pl.Float64(),  # found in 80 of 100 cases; null: none is
        # one instrument, windows of one day: null otherwise
        "exact_p": pl.Float64(),  # binomial, two-sided, never rejects above 5 %
        "kupiec_p": pl.Float64(),  # mid-p
        "tuff_p": pl.Float64(),
        "christoffersen_p": pl.Float64(),
        "conditional_coverage_p": pl.Float64(),
        "haas_p": pl.Float64(),
        "duration_p": pl.Float64(),
        "dynamic_quantile_p": pl.Float64(),
        "traffic_light": pl.String(),
        "seed": pl.Int64(),  # of all that was drawn
        "note": pl.String(),
    }
)

POOLED: Final = (
    "pooled: instruments fall together, and no test of a pooled rate was found to hold "
    "its size; the rate, no p"
)
HOLDS: Final = (0.03, 0.07)
"""Where the size of a test at nominal 5 % must lie for its p-value to be printed."""
DAILY: Final = 1
TINY: Final = 1e-10


class Setting(NamedTuple):
    """How the windows of a backtest relate.

    Attributes
    ----------
    p
        Expected share of breaches.
    horizon
        Days of a window.
    alone
        A row of the answer is one series of one instrument.
    loss
        Terminal or worst within the window.
    draws, seed
        Of the simulations.
    cache
        Where drawn tables are kept.
    """

    p: float
    horizon: int
    alone: bool
    loss: Loss = "terminal"
    draws: int = 999
    seed: int = 0
    cache: Cache = "platform"

    @property
    def disjoint(self) -> bool:
        """Whether windows of a row share no day and no market."""
        return self.alone and self.horizon == DAILY

    @property
    def level(self) -> float:
        """The coverage aimed at, 1 − p."""
        return round(1 - self.p, 12)


class Runs(NamedTuple):
    """Counts of each run of breaches.

    Attributes
    ----------
    n, x
        Windows and breaches.
    n00, n01, n10, n11
        Transitions from a day without (0) or with (1) a breach to the next.
    first
        Number of the window of the first breach, from 1; NaN without one.
    run, waits
        Of each breach of all runs: its run, and the windows since the one before.
    """

    n: Floats
    x: Floats
    n00: Floats
    n01: Floats
    n10: Floats
    n11: Floats
    first: Floats
    run: Ints
    waits: Floats


class Series(NamedTuple):
    """Rows cut into runs, their counts, and what is noted of each.

    `follows` is true of a run whose haircut follows volatility.
    """

    rows: pl.DataFrame
    starts: Ints
    runs: Runs
    follows: Bools
    notes: list[list[str]]


def coverage(rows: pl.DataFrame, by: Sequence[str], setting: Setting) -> pl.DataFrame:
    """Judge each run of `by` in rows of breaches whose haircut and loss are known."""
    rows = _sort_by_key(rows, by)
    if rows.height == 0:
        return filled(rows.select(by), {}, setting)
    starts = find_starts(rows, by)
    hits = rows["breach"].to_numpy()
    found = _count_runs(hits, starts)
    columns = _measure_rates(rows, starts, found, setting)
    notes: list[list[str]] = [[] for _ in found.n]
    if setting.alone:
        follows = follows_enough(_measure_slopes(rows, starts), setting.horizon)
        series = Series(rows, starts, found, follows, notes)
        columns |= _test_coverage(series, setting)
        if setting.disjoint:
            columns |= _test_days(series, setting)
    else:
        for note in notes:
            note.append(POOLED)
    _note_what_was_built(rows, starts, setting, notes)
    columns["note"] = ["; ".join(dict.fromkeys(note)) for note in notes]
    return filled(rows.select(by).gather(starts[:-1]), columns, setting)


def filled(
    keys: pl.DataFrame, columns: Mapping[str, Column], setting: Setting
) -> pl.DataFrame:
    """Put columns beside the keys of each row: `COVERAGE`, null where there is none.

    Rows that pool instruments or models have no column for what they pool.
    """
    frame = keys.with_columns(
        pl.lit(setting.level).alias("level"),
        pl.lit(setting.horizon, pl.Int64()).alias("horizon"),
        pl.lit(setting.seed, pl.Int64()).alias("seed"),
    )
    absent = {"instrument_id", "model", "name", "level", "horizon", "seed"}
    for name, dtype in COVERAGE.items():
        if name not in absent and name not in keys.columns:
            values = columns.get(name)
            column = pl.Series(name, [None] * keys.height if values is None else values)
            if column.dtype.is_float():
                column = column.fill_nan(None)
            frame = frame.with_columns(column.cast(dtype))
    order = [name for name in COVERAGE if name in frame.columns]
    return frame.select(*keys.columns, *(n for n in order if n not in keys.columns))


def rates(
    n: Floats, x: Floats, p: float, *, independent: Floats, mean: Floats, even: Floats
) -> dict[str, Column]:
    """Set x breaches of n windows beside the n p that the level lets expect.

    So many of the windows are `independent`; `mean` is the haircut, `even` the one
    that would have kept the level.
    """
    sides = [side_of(*pair) for pair in zip(x.tolist(), (n * p).tolist(), strict=True)]
    lower, upper = rate_limits(x / n * independent, independent)
    return {
        "n": n,
        "breaches": x,
        "expected": n * p,
        "ratio": x / (n * p),
        "side": sides,
        "rate": x / n,
        "rate_lower": lower,
        "rate_upper": upper,
        "mean_haircut": mean,
        "break_even_haircut": even,
        "excess": mean - even,
    }


# Rows and runs.


def _sort_by_key(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Sort by key and date, unless the rows stand so already."""
    before = {key: pl.col(key).shift() for key in (*by, "date")}
    in_order = before["date"] <= pl.col("date")
    for key in reversed(by):
        same = before[key] == pl.col(key)
        in_order = (before[key] < pl.col(key)) | (same & in_order)
    if rows.select(in_order.all()).item():
        return rows
    return rows.sort(*by, "date")


def _count_runs(hits: Bools, starts: Ints) -> Runs:
    first = starts[:-1]
    before = np.append(False, hits[:-1])
    inside = np.ones(hits.size, bool)
    inside[first] = False

    def total(flags: Bools) -> Floats:
        return np.add.reduceat(flags.astype(np.float64), first)

    at = np.flatnonzero(hits)
    run = np.searchsorted(starts, at, side="right") - 1
    fresh = np.append(True, run[1:] != run[:-1]) if at.size else np.zeros(0, bool)
    since = np.where(fresh, first[run] - 1, np.append(-1, at[:-1])[: at.size])
    wait = np.full(first.size, np.nan)
    wait[run[fresh]] = (at - since)[fresh]
    return Runs(
        n=np.diff(starts).astype(np.float64),
        x=total(hits),
        n00=total(~hits & ~before & inside),
        n01=total(hits & ~before & inside),
        n10=total(~hits & before & inside),
        n11=total(hits & before & inside),
        first=wait,
        run=run.astype(np.int64),
        waits=(at - since).astype(np.float64),
    )


def _measure_rates(
    rows: pl.DataFrame, starts: Ints, found: Runs, setting: Setting
) -> dict[str, Column]:
    """Take counts, rates and shortfalls of each run."""
    n, x, first = found.n, found.x, starts[:-1]
    hits, short = rows["breach"].to_numpy(), rows["shortfall"].to_numpy()
    mean = np.add.reduceat(rows["haircut"].to_numpy(), first) / n
    deep = np.add.reduceat(np.where(hits, short, 0.0), first)
    worst = np.maximum.reduceat(short, first)
    any_hit = np.where(x > 0, 1.0, np.nan)
    independent = _count_independent(rows, starts, setting)
    day = np.where(x > 0, first + np.nan_to_num(found.first, nan=1.0) - 1, 0)
    dated = rows["date"].gather(day.astype(np.int64))
    even = _find_break_even(rows["loss"].to_numpy(), starts, setting.p)
    return {
        **rates(n, x, setting.p, independent=independent, mean=mean, even=even),
        "first_breach": pl.select(pl.when(pl.Series(x > 0)).then(dated)).to_series(),
        "worst_shortfall": worst * any_hit,
        "mean_shortfall": deep / np.maximum(x, 1) * any_hit,
    }


def _count_independent(rows: pl.DataFrame, starts: Ints, setting: Setting) -> Floats:
    """Count the windows of each run that share no day."""
    n = np.diff(starts).astype(np.float64)
    if not setting.alone:
        dates = rows["date"]
        n = np.array(
            [dates[a:b].n_unique() for a, b in pairwise(starts.tolist())], float
        )
    return np.maximum(n / setting.horizon, 1.0)


def _find_break_even(lost: Floats, starts: Ints, p: float) -> Floats:
    """Least constant haircut with at most ⌊n p⌋ breaches, not below 0."""
    out = np.empty(starts.size - 1)
    for run, (first, last) in enumerate(pairwise(starts.tolist())):
        place = last - first - 1 - int((last - first) * p + 1e-9)
        out[run] = np.partition(lost[first:last], max(place, 0))[max(place, 0)]
    return np.maximum(out, 0.0)


def _measure_slopes(rows: pl.DataFrame, starts: Ints) -> Floats:
    """Slope of ln haircut on ln volatility of each run; 0 where one stands still."""
    first = starts[:-1]
    haircut, sigma = rows["haircut"].to_numpy(), rows["sigma"].to_numpy()
    known = (haircut > 0) & (sigma > 0)
    count = np.maximum(np.add.reduceat(known.astype(np.float64), first), 1.0)
    x = np.where(known, np.log(np.where(known, sigma, 1.0)), 0.0)
    y = np.where(known, np.log(np.where(known, haircut, 1.0)), 0.0)
    size = np.diff(starts)

    def centred(values: Floats) -> Floats:
        mean = np.add.reduceat(values, first) / count
        return np.where(known, values - np.repeat(mean, size), 0.0)

    x, y = centred(x), centred(y)
    across, spread = np.add.reduceat(x * y, first), np.add.reduceat(x * x, first)
    moving = spread > 1e-12 * count
    return np.where(moving, across / np.where(moving, spread, 1.0), 0.0)


# Tests.


def _test_coverage(series: Series, setting: Setting) -> dict[str, Column]:
    """Test the rate of each run by the method that holds for its haircut."""
    rows, starts, found, follows, notes = series
    hits, moves = rows["breach"].to_numpy(), rows["move"].to_numpy()
    n = found.n.astype(np.int64)
    days, enough = rows["day"].to_numpy(), n > setting.horizon
    offsets = combine_offsets(hits, days, starts, setting.p, setting.horizon)
    offsets = np.where(follows & enough, offsets, np.nan)
    garch = np.full(n.size, np.nan)
    ratios = np.full(n.size, np.nan)
    slow = np.flatnonzero(~follows & enough).tolist()
    judged = count_under_garch(
        found.x[slow].astype(np.int64).tolist(),
        [moves[starts[run] : starts[run + 1]] for run in slow],
        setting.p,
        setting.horizon,
        loss=setting.loss,
        seed=setting.seed,
    )
    counted = dict(zip(slow, judged, strict=True))
    for run, windows in enumerate((n // setting.horizon).tolist()):
        if not enough[run]:
            notes[run].append(f"{n[run]} windows of {setting.horizon} days are too few")
        elif follows[run]:
            ratio = detectable_ratio(int(n[run]), setting.level, setting.horizon)
            ratios[run] = np.nan if ratio is None else ratio
            notes[run].append(offsets_note(windows, ratio))
        else:
            one = counted[run]
            garch[run] = np.nan if one.p_value is None else one.p_value
            ratios[run] = np.nan if one.ratio is None else one.ratio
            notes[run].append("the haircut hardly follows volatility")
            notes[run].append(garch_note(windows, one, setting.seed))
        if not found.x[run]:
            bound = clopper_pearson(0, max(1, windows)).upper
            notes[run].append(f"no breach: the rate is at most {bound:.4%} (95 %)")
        if setting.horizon > DAILY:
            notes[run].append(f"windows of {setting.horizon} days overlap")
    return {"offsets_p": offsets, "garch_p": garch, "detectable_ratio": ratios}


def _test_days(series: Series, setting: Setting) -> dict[str, Column]:
    """Run the tests that need windows of one day, in whole columns where it goes."""
    rows, starts, found, follows, notes = series
    n, x, p = found.n.astype(np.int64), found.x.astype(np.int64), setting.p
    chained = transition_ratio(found.n00, found.n01, found.n10, found.n11)
    joint = pof(found.x, found.n, p) + chained
    between = np.bincount(
        found.run, weights=tuff_term(found.waits, p), minlength=n.size
    )
    mixed = chi2_sf(between + pof(found.x, found.n, p), found.x + 1)
    mixed = -np.log(np.maximum(mixed, 1e-300))
    waiting = tuff_term(np.nan_to_num(found.first, nan=1.0), p)
    columns: dict[str, Floats] = defaultdict(lambda: np.full(n.size, np.nan))
    for days in np.unique(n).tolist():
        here = n == days
        counts = x[here]
        columns["exact_p"][here] = _compute_exact_p(days, p)[counts]
        columns["kupiec_p"][here] = mid_p_values(days, p)[counts]
        some = here & (x > 0)
        columns["tuff_p"][some] = tuff_law(p, days).mid_p(waiting[some])
        columns["conditional_coverage_p"][here] = joint_law(days, p).mid_p(joint[here])
        haas = haas_table(days, p, mixed=True, cache=setting.cache)
        columns["haas_p"][here] = haas.p_value(mixed[here])
        for count in np.unique(counts[counts > 0]).tolist():
            same = here & (x == count)
            law = run_law(days, count)
            columns["christoffersen_p"][same] = law.mid_p(chained[same])
        out = _list_unsound_tests(days, p)
        for name in out:
            columns[f"{name}_p"][here] = np.nan
        if out:
            for run in np.flatnonzero(here).tolist():
                notes[run].append(f"outside 5 ± 2 %, none printed: {', '.join(out)}")
    columns["exact_p"][~follows] = columns["kupiec_p"][~follows] = np.nan
    for run in np.flatnonzero(~follows).tolist():
        notes[run].append(
            "no exact_p and kupiec_p: they take breaches as independent, and those of "
            "such a haircut cluster"
        )
    columns["duration_p"] = _test_durations(series, setting)
    columns["dynamic_quantile_p"] = _test_dynamics(rows, starts, setting)
    return {**columns, "traffic_light": zones(found.x, found.n, p)}


def _test_durations(series: Series, setting: Setting) -> Floats:
    """Run the duration test on all runs with as many breaches at once."""
    rows, starts, found, _, notes = series
    x = found.x.astype(np.int64)
    at = np.flatnonzero(rows["breach"].to_numpy())
    place = at - starts[found.run]
    begin = np.searchsorted(found.run, np.arange(x.size + 1))
    out = np.full(x.size, np.nan)
    for count in np.unique(x[x > 1]).tolist():
        same = np.flatnonzero(x == count)
        positions = np.stack([place[begin[run] : begin[run + 1]] for run in same])
        days = found.n[same]
        ratio, shape = weibull(positions.astype(np.float64), days)
        for size in np.unique(days).tolist():
            here = days == size
            table = duration_table(int(size), count, setting.cache)
            out[same[here]] = table.p_value(ratio[here])
        ended: list[int] = same[np.isin(shape, BOUNDS)].tolist()
        for run in ended:
            notes[run].append("duration: shape on the bound")
    return out


def _test_dynamics(rows: pl.DataFrame, starts: Ints, setting: Setting) -> Floats:
    hits, haircut = rows["breach"].to_numpy(), rows["haircut"].to_numpy()
    out = np.full(starts.size - 1, np.nan)
    for run, (start, end) in enumerate(pairwise(starts.tolist())):
        size = end - start
        if size > LAGS + 2:
            drawn = draw_hits(size, setting.p, LAGS, setting.draws, setting.seed)
            cut = haircut[start:end]
            rank = rank_of_hits(hits[start:end], cut, setting.p)
            out[run] = share_as_large(rank, drawn.ranks(cut))
    return out


@lru_cache(maxsize=4096)
def _compute_exact_p(n: int, p: float) -> Floats:
    """Binomial p-value of every count: all counts that are at most as likely."""
    mass = binomial_pmf(n, p)
    order = np.sort(mass)
    total = np.cumsum(order)
    at = np.searchsorted(order, mass * (1 + 1e-7), side="right") - 1
    return np.minimum(total[at], 1.0)


@lru_cache(maxsize=4096)
def _list_unsound_tests(n: int, p: float) -> tuple[str, ...]:
    """Name the tests that reject outside 5 ± 2 % of right models here."""
    sizes = exact_sizes(n, p)
    return tuple(
        name for name, size in sizes.items() if not HOLDS[0] <= size <= HOLDS[1]
    )


def exact_sizes(n: int, p: float) -> dict[str, float]:
    """Share of right models that each mid-p test rejects at 5 %, by its exact law.

    Of `christoffersen`, among the series with a breach.
    """
    mass = binomial_pmf(n, p)
    joint, first = joint_law(n, p), tuff_law(p, n)
    sizes = {
        "kupiec": float(mass[mid_p_values(n, p) <= NOMINAL].sum()),
        "tuff": first.mid_p_size(),
        "conditional_coverage": joint.mid_p_size(),
    }
    rejected = some = 0.0
    for x in np.flatnonzero(mass > TINY).tolist():
        if x:
            rejected += float(mass[x]) * run_law(n, x).mid_p_size()
            some += float(mass[x])
    return {**sizes, "christoffersen": rejected / some if some else 0.0}


def _note_what_was_built(
    rows: pl.DataFrame, starts: Ints, setting: Setting, notes: list[list[str]]
) -> None:
    """Warn where haircuts built for one level or horizon are judged at another."""
    for column in ("level", "horizon"):
        if column not in rows.columns or rows[column].null_count() == rows.height:
            continue
        values = rows[column].cast(pl.Float64()).fill_null(np.nan).to_numpy()
        high = np.fmax.reduceat(values, starts[:-1])
        low = np.fmin.reduceat(values, starts[:-1])
        for note, *ends in zip(notes, low.tolist(), high.tolist(), strict=True):
            note.extend(built_for(column, ends, setting))


def built_for(column: str, ends: Sequence[float], setting: Setting) -> list[str]:
    """Say what haircuts were built for, if it is not what they are judged at.

    `ends` are the lowest and the highest level or horizon of a row of the answer.
    """
    judged = setting.level if column == "level" else float(setting.horizon)
    others = [value for value in ends if abs(value - judged) > TINY]
    if not others:
        return []
    if column == "level":
        return [f"built for level {max(others):.6g}, judged at {judged:.6g}"]
    built, at = _format_days(int(max(others))), _format_days(int(judged))
    return [f"built for {built}, judged at {at}"]


def _format_days(number: int) -> str:
    return f"{number} day" if number == 1 else f"{number} days"
