"""EWMA, rolling quantile and backtest over a universe, beside pandas and NumPy.

Run alone: ``python benchmarks/bench_haircuts.py --scale small|full``. Prints Markdown
rows; every answer is checked against its peers before a time is printed.
"""

from __future__ import annotations

import argparse
import time
from datetime import date
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from benchmarks.measure import record
from holdings_kit import haircuts as hc
from holdings_kit.haircuts import statistics as ht
from holdings_kit.haircuts._rolling import rolling_quantile
from holdings_kit.haircuts._volatility import ewma_variance

if TYPE_CHECKING:
    from collections.abc import Callable

SCALES = {"small": (200, 750), "full": (5000, 2500)}
DECAY, WINDOW, TAIL, LEVEL = 0.94, 250, 0.01, 0.99


class Universe(NamedTuple):
    prices: pl.DataFrame
    closes: np.ndarray  # names × days
    returns: np.ndarray  # the same, flat, NaN on each first day
    starts: np.ndarray


def universe(names: int, days: int) -> Universe:
    rng = np.random.default_rng(0)
    moves = rng.standard_t(4, size=(names, days)) * 0.01
    closes = 100 * np.exp(np.cumsum(moves, axis=1))
    dates = pl.date_range(
        date(2010, 1, 1), pl.date(2010, 1, 1) + pl.duration(days=days - 1), eager=True
    )
    prices = pl.DataFrame(
        {
            "instrument_id": np.repeat([f"N{name:05d}" for name in range(names)], days),
            "date": pl.concat([dates] * names),
            "close": closes.ravel(),
        }
    )
    returns = np.full((names, days), np.nan)
    returns[:, 1:] = np.log(closes[:, 1:] / closes[:, :-1])
    return Universe(prices, closes, returns.ravel(), np.arange(names + 1) * days)


def best(task: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Shortest time of `repeats` runs, and the answer."""
    shortest, answer = float("inf"), None
    for _ in range(repeats):
        started = time.perf_counter()
        answer = task()
        shortest = min(shortest, time.perf_counter() - started)
    return shortest, answer


def copy_time(values: np.ndarray) -> float:
    """Time to copy `values` at the rate of memory, not of a cache: the bound.

    100 MB are copied into memory that is already there, and the time is scaled.
    """
    source = np.ones(12_500_000)
    into = np.zeros_like(source)
    return best(lambda: np.copyto(into, source), 50)[0] * values.size / source.size


TIMES: dict[str, dict[str, float]] = {}  # task → way → seconds


def row(task: str, way: str, took: float, bound: float, pandas: float) -> None:
    TIMES.setdefault(task, {})[way] = took
    print(
        f"| {task} | {way} | {took:.3f} | {took / bound:.1f} | {pandas / took:.1f} |",
        flush=True,
    )


def same(task: str, first: np.ndarray, second: np.ndarray, rel: float) -> None:
    if not np.allclose(first, second, rtol=rel, atol=1e-12, equal_nan=True):
        raise SystemExit(f"{task}: answers differ")


def bench_ewma(data: Universe, bound: float, repeats: int) -> None:
    pd: Any = import_module("pandas")

    names, days = data.closes.shape
    begin = data.starts[:-1] + 1
    squares = np.square(data.returns)

    def recursion() -> np.ndarray:
        return ewma_variance(squares, data.starts, DECAY, begin, squares[begin])

    def loop() -> np.ndarray:
        by_day = np.square(data.returns.reshape(names, days).T)
        out = np.empty_like(by_day)
        out[0], out[1] = np.nan, by_day[1]
        for day in range(2, days):
            out[day] = DECAY * out[day - 1] + (1 - DECAY) * by_day[day]
        return out.T.ravel()

    def haircuts(closes: Any) -> Any:  # noqa: ANN401 - pandas, days × names
        moves = np.log(closes / closes.shift())
        variance = (moves**2).ewm(alpha=1 - DECAY, adjust=False).mean()
        return 2.3263478740408408 * np.sqrt(variance)

    table = data.prices.to_pandas()

    def tabled() -> object:  # the same job as hk.haircuts.ewma: prices to frame
        wide = table.pivot(index="date", columns="instrument_id", values="close")
        return haircuts(wide).T.stack().rename("haircut").reset_index()

    wide = pd.DataFrame(squares.reshape(names, days).T)
    pandas, theirs = best(
        lambda: wide.ewm(alpha=1 - DECAY, adjust=False).mean().to_numpy(), repeats
    )
    looped, mine = best(loop, repeats)
    same("EWMA", mine, theirs.T.ravel(), 1e-9)
    row("EWMA", "pandas", pandas, bound, pandas)
    row("EWMA", "NumPy loop over days", looped, bound, pandas)
    took, found = best(recursion, repeats)
    same("EWMA", found, mine, 1e-12)
    row("EWMA", "kernel, scipy lfilter", took, bound, pandas)
    closes = pd.DataFrame(data.closes.T)
    pandas, theirs = best(lambda: haircuts(closes), repeats)
    row("EWMA haircut", "pandas, matrix to matrix", pandas, bound, pandas)
    longer, _ = best(tabled, 1)
    row("EWMA haircut", "pandas, prices to frame", longer, bound, pandas)
    took, found = best(lambda: hc.ewma(data.prices, decay=DECAY), repeats)
    same(
        "EWMA haircut", found["haircut"].to_numpy(), np.asarray(theirs).T.ravel(), 1e-9
    )
    row("EWMA haircut", "hk.haircuts.ewma, prices to frame", took, bound, pandas)


def bench_quantile(data: Universe, bound: float, repeats: int) -> None:
    pd: Any = import_module("pandas")

    names, days = data.closes.shape

    def kernel() -> np.ndarray:
        return rolling_quantile(
            data.returns, data.starts, window=WINDOW, probability=TAIL
        )

    def loop() -> np.ndarray:
        out = np.full((names, days), np.nan)
        for name, run in enumerate(data.returns.reshape(names, days)):
            windows = np.lib.stride_tricks.sliding_window_view(run[1:], WINDOW)
            out[name, WINDOW:] = np.quantile(windows, TAIL, axis=1)
        return out.ravel()

    wide = pd.DataFrame(data.returns.reshape(names, days).T)
    pandas, theirs = best(lambda: wide.rolling(WINDOW).quantile(TAIL).to_numpy(), 1)
    row("quantile", "pandas", pandas, bound, pandas)
    looped, mine = best(loop, 1)
    row("quantile", "NumPy loop over names", looped, bound, pandas)
    same("quantile", mine, theirs.T.ravel(), 1e-9)
    took, found = best(kernel, repeats)
    same("quantile", found, mine, 1e-12)
    row("quantile", "kernel, polars", took, bound, pandas)
    took, _ = best(lambda: hc.historical(data.prices, window=WINDOW), repeats)
    row("quantile", "hk.haircuts.historical, prices to frame", took, bound, pandas)


def judged(hits: np.ndarray, cut: np.ndarray) -> list[float | None]:
    """Every test of a series of breaches, one after the other."""
    x, n = int(hits.sum()), hits.size
    first = int(np.argmax(hits)) + 1 if x else None
    found = [
        ht.kupiec(x, n, LEVEL),
        ht.binomial(x, n, LEVEL),
        ht.christoffersen(hits),
        ht.conditional_coverage(hits, LEVEL),
        ht.haas(hits, LEVEL),
        ht.duration(hits),
        ht.dynamic_quantile(hits, cut, LEVEL),
        ht.overlapping(hits, LEVEL, horizon=1),
        ht.traffic_light(x, n, LEVEL),
    ]
    if first is not None:
        found.append(ht.tuff(first, LEVEL))
    return [test.p_value for test in found]


def bench_backtest(data: Universe, bound: float) -> None:
    pd: Any = import_module("pandas")

    names, days = data.closes.shape
    haircuts = hc.ewma(data.prices, decay=DECAY, level=LEVEL, seed="mean:250")
    cut = haircuts["haircut"].fill_null(float("nan")).to_numpy().reshape(names, days)

    def loop() -> list[list[float | None]]:
        out: list[list[float | None]] = []
        for close, h in zip(data.closes, cut, strict=True):
            loss = 1 - close[1:] / close[:-1]
            known = ~np.isnan(h[:-1])
            hits = (loss > h[:-1])[known]
            short = (loss - h[:-1])[known][hits]
            lost = loss[known]
            np.partition(lost, lost.size - 1 - int(lost.size * (1 - LEVEL)))
            out.append(
                [float(hits.sum()), float(short.sum()), *judged(hits, h[:-1][known])]
            )
        return out

    frame = pd.DataFrame(
        {
            "name": np.repeat(np.arange(names), days),
            "close": data.closes.ravel(),
            "haircut": cut.ravel(),
        }
    )

    def grouped() -> list[list[float | None]]:
        frame["loss"] = 1 - frame.groupby("name")["close"].shift(-1) / frame["close"]
        rows = frame.dropna()
        rows = rows.assign(breach=rows["loss"] > rows["haircut"])
        rows = rows.assign(short=(rows["loss"] - rows["haircut"]).where(rows["breach"]))
        out: list[list[float | None]] = []
        for _, group in rows.groupby("name"):
            hits = group["breach"]
            group["loss"].quantile(LEVEL)
            tests = judged(hits.to_numpy(), group["haircut"].to_numpy())
            out.append([float(hits.sum()), float(group["short"].sum()), *tests])
        return out

    pandas, theirs = best(grouped, 1)
    row("backtest", "pandas groupby", pandas, bound, pandas)
    looped, mine = best(loop, 1)
    row("backtest", "NumPy loop over names", looped, bound, pandas)
    took, found = best(lambda: hc.backtest(haircuts, data.prices, level=LEVEL), 1)
    row("backtest", "hk.haircuts.backtest, 28 columns", took, bound, pandas)
    counts = np.array([line[0] for line in mine])
    same("backtest", counts, found["breaches"].cast(pl.Float64()).to_numpy(), 1e-12)
    same("backtest", counts, np.array([line[0] for line in theirs]), 1e-12)
    quantile = np.array([line[8] for line in mine], dtype=float)
    same("backtest", quantile, found["dynamic_quantile_p"].to_numpy(), 1e-9)


def bench_constant(data: Universe, bound: float) -> None:
    """Constant haircuts: each needs a GARCH of its own, fitted and simulated."""
    names = min(data.closes.shape[0], 2000)
    days = min(data.closes.shape[1], 1251)
    inside = pl.int_range(pl.len()).over("instrument_id") < days
    few = data.prices.filter(
        pl.col("instrument_id").is_in(
            data.prices["instrument_id"].unique().sort().head(names).implode()
        )
        & inside
    )
    flat = hc.basel(few).with_columns(haircut=pl.lit(0.036))
    took, found = best(lambda: hc.backtest(flat, few, level=LEVEL), 1)
    if found["garch_p"].null_count():
        raise SystemExit("constant haircuts: a p-value is missing")
    task = f"backtest of {names} constant haircuts × {days} days"
    row(task, "hk.haircuts.backtest, 28 columns", took, bound, took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=SCALES, default="small")
    names, days = SCALES[parser.parse_args().scale]
    repeats = 3
    data = universe(names, days)
    bound = copy_time(data.returns)
    rate = 2 * data.returns.nbytes / bound / 1e9
    print(
        f"{names} instruments × {days} days; memory copy {bound:.4f} s, {rate:.1f} GB/s"
    )
    print("| task | way | seconds | × memory copy | × faster than pandas |")
    print("|---|---|---|---|---|")
    bench_ewma(data, bound, repeats)
    bench_quantile(data, bound, repeats)
    bench_backtest(data, bound)
    bench_constant(data, bound)
    for task, times in TIMES.items():
        ours = [way for way in times if way.startswith(("kernel", "hk."))]
        for mine in ours:
            for peer in (way for way in times if way not in ours):
                title = f"{task}, {names} × {days}"
                record(title, mine, peer, (times[mine], times[peer]))


if __name__ == "__main__":
    main()
