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
import re
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from holdings_kit.haircuts import statistics as ht
from holdings_kit.haircuts._coverage import Setting, coverage, exact_sizes
from holdings_kit.haircuts._numeric import chi2_sf
from holdings_kit.haircuts.statistics._dynamics import rank_of_hits
from holdings_kit.haircuts.statistics._laws import (
    haas_table,
    joint_law,
    pof,
    run_law,
    tuff_law,
    weibull,
)

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
ALPHA, BETA, OMEGA = 0.08, 0.90, 0.02
DAYS, LEVELS, HORIZONS = (250, 500, 1000), (0.95, 0.99), (5, 10)
LAWS = {"normal": 0.0, "t(4)": 4.0, "t(5)": 5.0}
BURN, NOMINAL, WRONG = 300, 0.05, 2.0


class Scale(NamedTuple):
    paths: int
    slow: int  # of the tests that simulate every series anew


SCALES = {"small": Scale(500, 60), "full": Scale(2000, 400)}


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
            found, asymptotic = {}, {}
            for ratio in (1.0, WRONG):
                hits = rng.random((scale.paths, n)) < ratio * p
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
    return table([f"{n}, {level:.0%}" for level in LEVELS for n in DAYS], cells)


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
    return rejected(found["offsets_p"])


def constant(scale: Scale, rng: np.random.Generator) -> list[str]:
    """Count under a fitted GARCH, constant haircut: size, power at twice the rate."""
    cells: dict[str, list[str]] = {}
    for horizon in (1, 5, 10):
        for level in LEVELS:
            for law in ("normal", "t(5)"):
                row = cells.setdefault(f"{horizon}, {level:.0%}, (c) {law}", [])
                for n in (500, 1000):
                    p = round(1 - level, 12)
                    far, _ = garch(rng, law, 400, 4000)
                    returns, _ = garch(rng, law, scale.slow, n + horizon - 1)
                    pair = []
                    for ratio in (1.0, WRONG):
                        cut = np.quantile(sums(far, horizon), ratio * p)
                        hits = sums(returns, horizon) < cut
                        flat = np.ones(hits.shape)
                        setting = Setting(p, horizon, alone=True, cache=None)
                        found = (
                            answer(
                                hits,
                                flat,
                                returns[:, :n],
                                setting._replace(horizon=horizon),
                            )
                            if horizon > 1
                            else counted(hits, returns, p)
                        )
                        pair.append(rejected(found["garch_p"]))
                    row.append(" / ".join(pair))
    return table(["500", "1000"], cells, first="H, level, null")


def counted(hits: np.ndarray, returns: np.ndarray, p: float) -> pl.DataFrame:
    """Ask for the count alone: the other tests of one day take their time."""
    found = [
        ht.overlapping(
            hit, 1 - p, horizon=1, method="garch_count", returns=move
        ).p_value
        for hit, move in zip(hits, returns, strict=True)
    ]
    return pl.DataFrame({"garch_p": found}, schema={"garch_p": pl.Float64()})


def shortfall(scale: Scale, rng: np.random.Generator) -> list[str]:
    """Tests of expected shortfall, one-day, (b): size of the default and as asked."""
    from scipy import stats

    cells: dict[str, list[str]] = {}
    for level in (0.975, 0.99):
        for n in DAYS:
            for law in ("normal", "t(5)"):
                returns, sigma = garch(rng, law, scale.paths // 2, n)
                df, p = LAWS[law], round(1 - level, 12)
                if df:
                    q, unit = stats.t.ppf(p, df), np.sqrt((df - 2) / df)
                    es = unit * stats.t.pdf(q, df) / p * (df + q * q) / (df - 1)
                    var = -q * unit
                else:
                    var = -stats.norm.ppf(p)
                    es = stats.norm.pdf(var) / p
                found: dict[str, list[float | None]] = {}
                for r, s in zip(returns, sigma, strict=True):
                    v, e = var * s, es * s
                    calls = {
                        "mcneil_frey": ht.mcneil_frey(r, v, e, volatility=s, draws=999),
                        "mcneil_frey, t": ht.mcneil_frey(
                            r, v, e, volatility=s, method="t", draws=99
                        ),
                        "nolde_ziegel": ht.nolde_ziegel(r, v, e, level, draws=499),
                        "nolde_ziegel, asymptotic": ht.nolde_ziegel(
                            r, v, e, level, method="asymptotic", draws=99
                        ),
                        "nolde_ziegel, two-sided": ht.nolde_ziegel(
                            r, v, e, level, alternative="two-sided", draws=499
                        ),
                    }
                    for name, test in calls.items():
                        found.setdefault(name, []).append(test.p_value)
                for name, values in found.items():
                    size = rejected(pl.Series(values, dtype=pl.Float64()))
                    row = cells.setdefault(name, [])
                    if law == "normal":
                        row.append(size)
                    else:
                        row[-1] += f" / {size}"
    heads = [f"{n}, {level:.1%}" for level in (0.975, 0.99) for n in DAYS]
    return table(heads, cells)


def comparison(scale: Scale, rng: np.random.Generator) -> list[str]:
    """Diebold–Mariano on two haircuts that are equally good and move slowly."""
    from scipy import stats
    from scipy.signal import lfilter

    cells: dict[str, list[str]] = {}
    for horizon in (1, 10):
        for level in LEVELS:
            for n in (500, 1000, 2500):
                p = round(1 - level, 12)
                found: dict[str, list[float | None]] = {}
                for _ in range(scale.paths // 2):
                    r = sums(rng.standard_normal((1, n + horizon - 1)), horizon)[0]
                    shocks = rng.standard_normal((2, n))
                    noise = np.asarray(lfilter([0.3], [1, -0.95], shocks, axis=1))
                    q = stats.norm.ppf(p) * np.sqrt(horizon) * np.exp(noise / 2)
                    lost = (p - (r < q)) * (r - q)
                    for method in ("cosine", "newey_west"):
                        test = ht.diebold_mariano(
                            lost[0], lost[1], horizon=horizon, method=method
                        )
                        found.setdefault(method, []).append(test.p_value)
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
    half = scale.paths // 2
    paths = f"{scale.paths:,} paths a cell"
    titles = {
        one_day: f"One-day hits, {paths}: size of the default / size of the asymptotic "
        "law / power of the default at twice the rate. Columns: n, level.",
        overlap: f"Offsets on overlapping windows, {paths}: size / power at twice the "
        "rate. Columns: n.",
        constant: f"Count under a fitted GARCH, one-sided, {scale.slow} paths a cell: "
        "size / power at twice the rate. Columns: n.",
        shortfall: f"Expected shortfall, one day, null (b), {half:,} paths a cell: "
        "size under normal / t(5) innovations. Columns: n, level.",
        comparison: f"Diebold–Mariano, two equal haircuts, {half:,} paths: size. "
        "Columns: n.",
        pooled: f"Binomial test of 20 pooled names over 500 days, {paths}: size. "
        "Columns: level.",
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
