"""How often each test rejects a right model, and how often it finds a wrong one.

Run alone: ``python -m benchmarks.bench_sizes --scale small|full``. Every draw is
seeded. ``full`` takes 2,000 paths a cell wherever it says no other number, and writes
its tables into docs/statistics.md.

Nulls: (a) independent returns, (b) GARCH(1,1) with ω = .02, α = .08, β = .90, and the
exact conditional quantile over H days as haircut; (c) the same GARCH and a constant
haircut that is right on average only.
"""

from __future__ import annotations

import argparse
import json
import re
from datetime import date, timedelta
from pathlib import Path
from tempfile import gettempdir
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from holdings_kit.haircuts import statistics as ht
from holdings_kit.haircuts._coverage import Setting, coverage, exact_sizes
from holdings_kit.haircuts._numeric import chi2_sf
from holdings_kit.haircuts.statistics._comparison import confidence_set
from holdings_kit.haircuts.statistics._dynamics import rank_of_hits
from holdings_kit.haircuts.statistics._laws import (
    haas_table,
    joint_law,
    pof,
    run_law,
    tuff_law,
    weibull,
)
from holdings_kit.haircuts.statistics._overlapping import (
    CLEAR,
    Models,
    PathDraws,
    combine_offsets,
    count_beyond,
    fit_models,
    rank_count,
    sharpen,
    sum_losses,
)

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
ALPHA, BETA, OMEGA = 0.08, 0.90, 0.02
DAYS, LEVELS, HORIZONS = (250, 500, 1000), (0.95, 0.99), (5, 10)
LAWS = {"normal": 0.0, "t(4)": 4.0, "t(5)": 5.0}
BURN, NOMINAL, WRONG = 300, 0.05, 2.0


KEPT = Path(gettempdir()) / "holdings_kit_sizes"
KEEP_EVERY = 100
"""Where the cells that take minutes are kept, so that a stop loses little."""


class Scale(NamedTuple):
    paths: int
    slow: int  # of the tests that simulate every series anew


SCALES = {"small": Scale(500, 60), "full": Scale(2000, 2000)}


def draws(rng: np.random.Generator, law: str, shape: tuple[int, int]) -> np.ndarray:
    """Innovations of unit variance."""
    df = LAWS[law]
    if not df:
        return rng.standard_normal(shape)
    return rng.standard_t(df, shape) * np.sqrt((df - 2) / df)


def garch(
    rng: np.random.Generator, law: str, paths: int, days: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns and their volatility, both paths × days."""
    z = draws(rng, law, (days + BURN, paths))
    variance = np.ones(paths)
    returns, sigma = np.empty_like(z), np.empty_like(z)
    for day, shock in enumerate(z):
        sigma[day] = np.sqrt(variance)
        returns[day] = sigma[day] * shock
        variance = OMEGA + ALPHA * returns[day] ** 2 + BETA * variance
    return returns[BURN:].T, sigma[BURN:].T


def other_volatility(
    rng: np.random.Generator, kind: str, paths: int, days: int
) -> np.ndarray:
    """Returns whose volatility is not the GARCH(1,1) of the other tables."""
    z, w = rng.standard_normal((2, days + BURN, paths))
    state = np.zeros(paths) if kind == "log-AR(1)" else np.ones(paths)
    returns = np.empty_like(z)
    for day, shock in enumerate(z):
        sigma = np.exp(state / 2) if kind == "log-AR(1)" else np.sqrt(state)
        returns[day] = sigma * shock
        square, down = returns[day] ** 2, returns[day] < 0
        state = {
            "GARCH, slower": 0.01 + 0.05 * square + 0.94 * state,
            "GJR": 0.02 + (0.03 + 0.1 * down) * square + 0.9 * state,
            "log-AR(1)": 0.98 * state + 0.2 * w[day],
        }[kind]
    return returns[BURN:].T


def conditional_quantile(
    rng: np.random.Generator, law: str, horizon: int, p: float, sigma: np.ndarray
) -> np.ndarray:
    """Quantile p of the H-day sum, given the volatility of its first day."""
    grid = np.linspace(np.log(sigma.min()), np.log(sigma.max()), 40)
    found = []
    for start in np.exp(grid):
        variance = np.full(60_000, start**2)
        total = np.zeros(variance.size)
        for shock in draws(rng, law, (horizon, variance.size)):
            move = np.sqrt(variance) * shock
            total += move
            variance = OMEGA + ALPHA * move**2 + BETA * variance
        found.append(np.quantile(total, p) / start)
    smooth = np.polynomial.Polynomial.fit(grid, found, 4)
    return smooth(np.log(sigma)) * sigma


def sums(returns: np.ndarray, horizon: int) -> np.ndarray:
    total = np.cumsum(np.pad(returns, ((0, 0), (1, 0))), axis=1)
    return total[:, horizon:] - total[:, :-horizon]


def answer(
    hits: np.ndarray, haircut: np.ndarray, moves: np.ndarray, setting: Setting
) -> pl.DataFrame:
    """Ask the backtest itself, a path for an instrument."""
    paths, n = hits.shape
    dates = [date(2000, 1, 1) + timedelta(days=day) for day in range(n)]
    rows = pl.DataFrame(
        {
            "instrument_id": np.repeat(np.arange(paths), n),
            "model": pl.Series(["m"]).new_from_index(0, paths * n),
            "date": pl.concat([pl.Series(dates)] * paths),
            "haircut": haircut.ravel(),
            "sigma": haircut.ravel(),
            "breach": hits.ravel(),
            "loss": np.where(hits, 2 * haircut, 0).ravel(),
            "shortfall": np.where(hits, haircut, -haircut).ravel(),
            "day": np.tile(np.arange(n), paths),
            "move": moves.ravel(),
        }
    )
    return coverage(rows, ["instrument_id", "model"], setting)


def rejected(p_values: pl.Series) -> str:
    known = p_values.drop_nulls()
    if not known.len():
        return "–"
    return f"{100 * np.mean(known.to_numpy() <= NOMINAL):.1f}"


def one_day(scale: Scale, rng: np.random.Generator) -> list[str]:
    """Tests of one-day hits: size of the default, of the asymptotic one, and power."""
    cells: dict[str, list[str]] = {}
    for level in LEVELS:
        for n in DAYS:
            p = round(1 - level, 12)
            setting = Setting(p, 1, alone=True, cache=None)
            _, sigma = garch(rng, "normal", scale.paths, n)
            found, tested, asymptotic = {}, {}, {}
            for ratio in (1.0, WRONG):
                hits = tested[ratio] = rng.random((scale.paths, n)) < ratio * p
                found[ratio] = answer(hits, sigma, sigma * 0, setting)
                if ratio == 1:
                    asymptotic = asymptotic_sizes(hits, sigma, p)
            exact = exact_sizes(n, p)
            for name in (
                "offsets",
                "exact",
                "kupiec",
                "tuff",
                "christoffersen",
                "conditional_coverage",
                "haas",
                "duration",
                "dynamic_quantile",
            ):
                size = rejected(found[1.0][f"{name}_p"])
                if name in exact:
                    size = f"{100 * exact[name]:.1f}"
                power = rejected(found[WRONG][f"{name}_p"])
                beside = asymptotic.get(name, "–")
                cells.setdefault(name, []).append(f"{size} / {beside} / {power}")
            for name, pair in on_request(tested[1.0], tested[WRONG], p).items():
                cells.setdefault(name, []).append(" / – / ".join(pair))
    return table([f"{n}, {level:.0%}" for level in LEVELS for n in DAYS], cells)


def on_request(
    right: np.ndarray, wrong: np.ndarray, p: float
) -> dict[str, tuple[str, str]]:
    """Size and power of what is printed where it is asked for."""
    level = round(1 - p, 12)
    found = {
        "offsets, too many": [
            pl.Series(offsets_one_sided(hits, p, 1)) for hits in (right, wrong)
        ],
        "haas, independence": [
            pl.Series(
                [
                    ht.haas(hit, level, part="independence", cache=None).p_value
                    for hit in hits
                ],
                dtype=pl.Float64(),
            )
            for hits in (right, wrong)
        ],
    }
    return {name: (rejected(a), rejected(b)) for name, (a, b) in found.items()}


def offsets_one_sided(hits: np.ndarray, p: float, horizon: int) -> np.ndarray:
    paths, n = hits.shape
    starts, days = np.arange(paths + 1) * n, np.tile(np.arange(n), paths)
    return combine_offsets(hits.ravel(), days, starts, p, horizon, one_sided=True)


def asymptotic_sizes(hits: np.ndarray, sigma: np.ndarray, p: float) -> dict[str, str]:
    """Share that the chi-square laws reject, exact where the law is."""
    n = hits.shape[1]
    mass = np.diff(
        [
            ht.binomial(x, n, 1 - p, alternative="less").p_value or 0
            for x in range(n + 1)
        ],
        prepend=0.0,
    )
    counts = np.arange(n + 1.0)
    chained = sum(
        mass[x] * run_law(n, x).size(1) for x in range(1, n + 1) if mass[x] > 1e-10
    )
    durations = []
    for count in np.unique(hits.sum(axis=1)):
        if count > 1:
            same = hits[hits.sum(axis=1) == count]
            at = np.nonzero(same)[1].reshape(-1, count).astype(float)
            durations.append(chi2_sf(weibull(at, float(n))[0], 1) <= NOMINAL)
    dynamic = [
        rank_of_hits(hit, path, p) >= -np.log(NOMINAL)
        for hit, path in zip(hits, sigma, strict=True)
    ]
    haas = haas_table(n, p, mixed=True, cache=None).p_value(-np.log(NOMINAL))
    sizes = {
        "kupiec": mass[chi2_sf(pof(counts, n, p), 1) < NOMINAL].sum(),
        "tuff": tuff_law(p, n).size(1),
        "christoffersen": chained / (1 - mass[0]),
        "conditional_coverage": joint_law(n, p).size(2),
        "haas": float(haas),
        "duration": np.mean(np.concatenate(durations)),
        "dynamic_quantile": np.mean(dynamic),
    }
    return {name: f"{100 * size:.1f}" for name, size in sizes.items()}


def overlap(scale: Scale, rng: np.random.Generator) -> list[str]:
    """Offsets where the haircut follows volatility: size, power at twice the rate."""
    cells: dict[str, list[str]] = {}
    for horizon in HORIZONS:
        for level in LEVELS:
            for law in LAWS:
                for kind in ("a", "b"):
                    if (kind, law) in {("a", "t(5)"), ("b", "t(4)")}:
                        continue
                    row = cells.setdefault(
                        f"{horizon}, {level:.0%}, ({kind}) {law}", []
                    )
                    for n in (500, 1000, 2500):
                        p = round(1 - level, 12)
                        pair = [
                            overlap_cell(
                                rng, Cell(kind, law, horizon, n, p, r), scale.paths
                            )
                            for r in (1.0, WRONG)
                        ]
                        row.append(" / ".join(pair))
    return table(["500", "1000", "2500"], cells, first="H, level, null")


class Cell(NamedTuple):
    kind: str
    law: str
    horizon: int
    n: int
    p: float
    ratio: float


def overlap_cell(rng: np.random.Generator, cell: Cell, paths: int) -> str:
    kind, law, horizon, n, p, ratio = cell
    days = n + horizon - 1
    if kind == "a":
        returns = draws(rng, law, (paths, days))
        cut = np.quantile(draws(rng, law, (400_000, horizon)).sum(axis=1), ratio * p)
        # a haircut that moves, with hits that do not see it: the test sees hits only
        haircut = np.exp(rng.standard_normal((paths, n)))
    else:
        returns, sigma = garch(rng, law, paths, days)
        haircut = sigma[:, :n]
        cut = conditional_quantile(rng, law, horizon, ratio * p, haircut)
    hits = sums(returns, horizon) < cut
    setting = Setting(p, horizon, alone=True, cache=None)
    found = answer(hits, haircut, returns[:, :n], setting)
    size = rejected(found["offsets_p"])
    if ratio > 1:
        return size
    one_sided = rejected(pl.Series(offsets_one_sided(hits, p, horizon)))
    return f"{size} / {one_sided}"


def constant(scale: Scale, rng: np.random.Generator) -> list[str]:
    """Count under a fitted GARCH, constant haircut: size, power at twice the rate."""
    cells: dict[str, list[str]] = {}
    for law in ("normal", "t(5)"):
        for n in (500, 1000, 1250, 2500):
            seed = int(rng.integers(2**31))
            found = count_cells(law, n, seed, scale.slow)
            for horizon in (1, *HORIZONS):
                for level in LEVELS:
                    pair = (
                        rejected(
                            pl.Series(
                                [sharpen(p, n) for p in found[horizon, level, ratio]]
                            )
                        )
                        for ratio in (1.0, WRONG)
                    )
                    row = cells.setdefault(f"{horizon}, {level:.0%}, (c) {law}", [])
                    row.append(" / ".join(pair))
    rows = dict(sorted(cells.items(), key=lambda pair: int(pair[0].split(",")[0])))
    return table(["500", "1000", "1250", "2500"], rows, first="H, level, null")


def other(scale: Scale, rng: np.random.Generator) -> list[str]:
    """Size of the same count where volatility is not that GARCH; normal shocks."""
    cells: dict[str, list[str]] = {}
    cases = [(h, level) for h in (1, *HORIZONS) for level in LEVELS]
    for kind in ("GARCH, slower", "GJR", "log-AR(1)"):
        for n in (500, 1000, 2500):
            found = count_cells(kind, n, int(rng.integers(2**31)), scale.slow)
            cells[f"{kind}, {n}"] = [
                rejected(pl.Series([sharpen(p, n) for p in found[h, level, 1.0]]))
                for h, level in cases
            ]
    return table([f"{h}, {level:.0%}" for h, level in cases], cells, first="law, n")


def count_cells(
    law: str, n: int, seed: int, paths: int
) -> dict[tuple[int, float, float], list[float]]:
    """Shares of paths with as many breaches by horizon, level and true rate over p.

    A series is fitted and simulated once for them all, as `statistics.overlapping` does
    for each. This takes minutes: what is done is kept in a folder and read back after
    a stop.
    """
    cases = [(h, v, r) for h in (1, *HORIZONS) for v in LEVELS for r in (1.0, WRONG)]
    rng = np.random.default_rng(seed)
    days = n + max(HORIZONS) - 1
    if law in LAWS:
        returns, _ = garch(rng, law, paths, days)
    else:
        returns = other_volatility(rng, law, paths, days)
    breaches = []
    for horizon, level, ratio in cases:
        lost = sums(returns, horizon)[:, :n]  # right on average of just these series
        cut = np.quantile(lost, ratio * (1 - level))
        breaches.append((lost < cut).sum(axis=1).tolist())
    models = fit_models(returns[:, :n])
    found: list[list[float]] = []
    place = KEPT / f"count_{law}_{n}_{seed}_{paths}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        found = json.loads(place.read_text())
    draws = PathDraws(n, max(HORIZONS), seed=0)
    for at in range(len(found), paths):
        counts = [breach[at] for breach in breaches]
        found.append(rank_counts(models.take([at]), draws, cases, counts))
        if (at + 1) % KEEP_EVERY == 0 or at + 1 == paths:
            place.write_text(json.dumps(found))
    return dict(zip(cases, map(list, zip(*found, strict=True)), strict=True))


def rank_counts(
    model: Models,
    draws: PathDraws,
    cases: list[tuple[int, float, float]],
    breaches: list[int],
) -> list[float]:
    """Shares of paths of one series, by the steps of `statistics.overlapping`."""
    n = model.days
    lost: dict[int, np.ndarray] = {}
    counts: dict[tuple[int, float, int], np.ndarray] = {}
    out = []
    for (horizon, level, _), count in zip(cases, breaches, strict=True):
        p, value = round(1 - level, 12), 0.0
        for part in (0, 1):
            if part not in lost:
                lost[part] = draws.draw(model, part)[:, 0]
            key = (horizon, level, part)
            if key not in counts:
                parts = [
                    sum_losses(lost[at], n, horizon, "terminal")
                    for at in range(part + 1)
                ]
                counts[key] = count_beyond(np.concatenate(parts, axis=1), p)
            value = rank_count(count, counts[key])
            if value > CLEAR:
                break
        out.append(value)
    return out


def shortfall(scale: Scale, rng: np.random.Generator) -> list[str]:
    """Tests of expected shortfall, one-day, (b): size of the default and as asked.

    Every path has a seed of its own, so the share is that of the method, not of one
    set of draws.
    """
    from scipy import stats

    cells: dict[str, list[str]] = {}
    for level in (0.975, 0.99):
        for n in DAYS:
            for law in ("normal", "t(5)"):
                returns, sigma = garch(rng, law, scale.paths, n)
                df, p = LAWS[law], round(1 - level, 12)
                if df:
                    q, unit = stats.t.ppf(p, df), np.sqrt((df - 2) / df)
                    es = unit * stats.t.pdf(q, df) / p * (df + q * q) / (df - 1)
                    var = -q * unit
                else:
                    var = -stats.norm.ppf(p)
                    es = stats.norm.pdf(var) / p
                found: dict[str, list[float | None]] = {}
                for path, (r, s) in enumerate(zip(returns, sigma, strict=True)):
                    for name, p_value in shortfall_p_values(
                        r, s, (float(var), float(es)), level, path
                    ).items():
                        found.setdefault(name, []).append(p_value)
                for name, values in found.items():
                    size = rejected(pl.Series(values, dtype=pl.Float64()))
                    row = cells.setdefault(name, [])
                    if law == "normal":
                        row.append(size)
                    else:
                        row[-1] += f" / {size}"
    heads = [f"{n}, {level:.1%}" for level in (0.975, 0.99) for n in DAYS]
    return table(heads, cells)


def shortfall_p_values(
    r: np.ndarray, s: np.ndarray, unit: tuple[float, float], level: float, seed: int
) -> dict[str, float | None]:
    """Ask every test of one series whose VaR and ES are right."""
    options: dict[str, Any] = {"seed": seed, "draws": 499}
    args = (r, unit[0] * s, unit[1] * s)
    t_law = ht.mcneil_frey(*args, volatility=s, method="t", draws=19)
    resampled = ht.mcneil_frey(*args, volatility=s, method="bootstrap", **options)
    usual = ht.nolde_ziegel(*args, level, method="asymptotic", draws=19)
    both = ht.nolde_ziegel(*args, level, alternative="two-sided", **options)
    return {
        "mcneil_frey": ht.mcneil_frey(*args, volatility=s, **options).p_value,
        "mcneil_frey, t": t_law.p_value,
        "mcneil_frey, bootstrap": resampled.p_value,
        "nolde_ziegel": ht.nolde_ziegel(*args, level, **options).p_value,
        "nolde_ziegel, two-sided": both.p_value,
        "nolde_ziegel, asymptotic": usual.p_value,
        "acerbi_szekely, z2": ht.acerbi_szekely(*args, level, **options).p_value,
    }


def normal_shortfall(scale: Scale, rng: np.random.Generator) -> list[str]:
    """Acerbi–Székely with a law that is asked for, on independent returns."""
    from scipy import stats

    cells: dict[str, list[str]] = {}
    for level in (0.975, 0.99):
        p = round(1 - level, 12)
        q, unit = stats.t.ppf(p, 5), np.sqrt(3 / 5)
        truth = {
            "normal": (-stats.norm.ppf(p), stats.norm.pdf(stats.norm.ppf(p)) / p),
            "t(5)": (-q * unit, unit * stats.t.pdf(q, 5) / p * (5 + q * q) / 4),
        }
        for n in DAYS:
            for kind in ("z1", "z2"):
                sizes = []
                for law, (var, es) in truth.items():
                    null = statistics_of_hits(draw_normal(rng, n, es, p), var, es, p)
                    own = statistics_of_hits(
                        draws(rng, law, (scale.paths, n)), var, es, p
                    )
                    ranks = np.sort(null[kind][~np.isnan(null[kind])])
                    seen = own[kind][~np.isnan(own[kind])]
                    below = np.searchsorted(ranks, seen + 1e-12, "right")
                    sizes.append(rejected(pl.Series((1 + below) / (ranks.size + 1))))
                row = cells.setdefault(f"acerbi_szekely, {kind}, normal", [])
                row.append(" / ".join(sizes))
    return table([f"{n}, {lv:.1%}" for lv in (0.975, 0.99) for n in DAYS], cells)


def draw_normal(rng: np.random.Generator, n: int, es: float, p: float) -> np.ndarray:
    from scipy import stats

    sigma = es * p / stats.norm.pdf(stats.norm.ppf(p))
    return rng.standard_normal((9999, n)) * sigma


def statistics_of_hits(
    returns: np.ndarray, var: float, es: float, p: float
) -> dict[str, np.ndarray]:
    """Z1 and Z2 of many series at once; a test compares them with those of one."""
    hit = returns < -var
    deep = np.where(hit, returns / es, 0.0).sum(axis=1)
    count = hit.sum(axis=1)
    first = np.where(count > 0, deep / np.maximum(count, 1) + 1, np.nan)
    return {"z1": first, "z2": deep / (returns.shape[1] * p) + 1}


def comparison(scale: Scale, rng: np.random.Generator) -> list[str]:
    """Diebold–Mariano and the confidence set on haircuts that are equally good.

    Of the set: how often it leaves out one of three or five equally good models. The
    haircuts move slowly, each on its own.
    """
    from scipy import stats
    from scipy.signal import lfilter

    cells: dict[str, list[str]] = {}
    for horizon in (1, 10):
        for level in LEVELS:
            for n in (500, 1000, 2500):
                p = round(1 - level, 12)
                found: dict[str, list[float | None]] = {}
                for path in range(scale.paths):
                    r = sums(rng.standard_normal((1, n + horizon - 1)), horizon)[0]
                    shocks = rng.standard_normal((5, n))
                    noise = np.asarray(lfilter([0.3], [1, -0.95], shocks, axis=1))
                    q = stats.norm.ppf(p) * np.sqrt(horizon) * np.exp(noise / 2)
                    lost = ((p - (r < q)) * (r - q)).T
                    for method in ("cosine", "newey_west"):
                        test = ht.diebold_mariano(
                            lost[:, 0], lost[:, 1], horizon=horizon, method=method
                        )
                        found.setdefault(method, []).append(test.p_value)
                    for models in (3, 5):
                        p_values = confidence_set(
                            lost[:, :models], horizon=horizon, draws=199, seed=path
                        )
                        name = f"confidence set of {models}"
                        found.setdefault(name, []).append(float(p_values.min()))
                for method, values in found.items():
                    size = rejected(pl.Series(values, dtype=pl.Float64()))
                    cells.setdefault(
                        f"{method}, H = {horizon}, {level:.0%}", []
                    ).append(size)
    return table(["500", "1000", "2500"], cells)


def pooled(scale: Scale, rng: np.random.Generator) -> list[str]:
    """Twenty names that fall together, counted as if each stood alone; one-day hits."""
    from scipy import stats

    cells: dict[str, list[str]] = {}
    names, n = 20, 500
    for shared in (0.0, 0.1, 0.3, 0.5):
        for level in LEVELS:
            p = round(1 - level, 12)
            limits = [
                ht.binomial(x, n * names, level).p_value for x in range(n * names)
            ]
            out = []
            for _ in range(scale.paths):
                market = rng.standard_normal((n, 1)) * np.sqrt(shared)
                own = rng.standard_normal((n, names)) * np.sqrt(1 - shared)
                out.append(limits[int((market + own < stats.norm.ppf(p)).sum())])
            size = rejected(pl.Series(out, dtype=pl.Float64()))
            cells.setdefault(f"correlation {shared:g}", []).append(size)
    return table([f"{level:.0%}" for level in LEVELS], cells)


def table(heads: list[str], cells: dict[str, list[str]], first: str = "") -> list[str]:
    lines = ["| " + " | ".join([first, *heads]) + " |", "|---" * (len(heads) + 1) + "|"]
    return lines + [
        f"| {name} | " + " | ".join(row) + " |" for name, row in cells.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", choices=list(SCALES), default="small")
    parser.add_argument("--only", nargs="+")
    asked = parser.parse_args()
    scale = SCALES[asked.scale]
    paths = f"{scale.paths:,} paths a cell"
    titles = {
        one_day: f"One-day hits, {paths}: size of the default / size of the asymptotic "
        "law / power of the default at twice the rate. Columns: n, level.",
        overlap: f"Offsets on overlapping windows, {paths}: size two-sided / too many "
        "only / power (two-sided) at twice the rate. Columns: n.",
        constant: f"Count under a fitted GARCH, too many only, {scale.slow:,} paths a "
        "cell: size / power at twice the rate. Columns: n.",
        shortfall: f"Expected shortfall, one day, null (b), {paths}: "
        "size under normal / t(5) innovations. Columns: n, level.",
        normal_shortfall: "Acerbi–Székely with the normal law, independent returns, "
        f"{paths}: size where they are normal / t(5). Columns: n, level.",
        comparison: f"Diebold–Mariano and the model confidence set, equal haircuts, "
        f"{paths}: size. Columns: n.",
        pooled: f"Binomial test of 20 pooled names over 500 days, {paths}: size. "
        "Columns: level.",
        other: f"The same count where volatility is not that GARCH, {scale.slow:,} "
        "paths a cell: size. Columns: H, level.",
    }
    parts = {measure.__name__: pair for pair in titles.items() for measure in pair[:1]}
    for number, (name, (measure, title)) in enumerate(parts.items()):
        if asked.only and name not in asked.only:
            continue
        lines = measure(scale, np.random.default_rng(number))
        print(f"**{title}**\n\n" + "\n".join(lines) + "\n", flush=True)
        if asked.scale == "full" and PAGE.exists():
            text = PAGE.read_text()
            block = f"<!-- {name} -->\n**{title}**\n\n" + "\n".join(lines)
            block += f"\n<!-- /{name} -->"
            old = rf"<!-- {name} -->.*?<!-- /{name} -->"
            PAGE.write_text(re.sub(old, lambda _, b=block: b, text, flags=re.DOTALL))


if __name__ == "__main__":
    main()
