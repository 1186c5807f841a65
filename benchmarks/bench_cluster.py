"""Two Dask workers beside this process, and with a worker killed on the way.

    python -m benchmarks.bench_cluster [--scale small|full]

The plain run is this process with all its cores; each worker has one thread. Values
and comparison go bucket by bucket, loading block by block, the backtest slice by slice.
Time is that of the work, the shortest of a few, the start of the workers apart. Totals
are those of the plain run, and rows are counted in the log of the store.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import polars as pl
from deltalake import DeltaTable

import holdings_kit as hk
from benchmarks.bench_haircuts import universe
from benchmarks.bench_questions import build, changes_of, valued
from benchmarks.measure import record, scale
from holdings_kit.sandbox import generate
from holdings_kit.store import Store
from holdings_kit.store.cluster import Cluster, connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdings_kit.store import StoreView

    Job = Callable[[Cluster | None], object]


class Sizes(NamedTuple):
    rows: int  # of the store, a day
    accounts: int  # of each of four dumps
    names: int  # of the universe
    days: int
    repeats: int


SIZES = {
    "small": Sizes(600_000, 1_500, 400, 750, 1),
    "full": Sizes(3_000_000, 12_000, 2_000, 1_250, 2),
}
QUICK = {"values and collateral", "loading", "haircut backtest"}  # what small asks
MODELS = {
    "ewma": partial(hk.haircuts.ewma, decay=0.94, seed="mean:250"),
    "historical": partial(hk.haircuts.historical, window=250),
}


def jobs(folder: Path, sizes: Sizes) -> dict[str, Job]:
    """Make the inputs; give each piece of work, which answers with its totals."""
    build(folder / "store", sizes.rows)
    store = Store(folder / "store")
    for seed in range(4):
        dumps = folder / "dumps" / str(seed)
        generate(dumps, accounts=sizes.accounts, days=1, seed=seed)
    prices = folder / "prices.parquet"
    universe(sizes.names, sizes.days).prices.write_parquet(
        prices, row_group_size=50_000
    )
    closes = hk.haircuts.Universe(prices, slices=8)
    fresh = count()

    def load(on: Cluster | None) -> object:
        place = folder / f"loaded-{next(fresh)}"
        into = Store(place, buckets=4)
        given = {"into": into, "progress": False, "on": on}
        scan = hk.scan_webhooks(folder / "dumps", **given)

        def totals() -> object:
            rows = {name: logged(place / name) for name in ("snapshots", "holdings")}
            return (
                scan.deliveries,
                rows,
                into.current().holdings["owned_quantity"].sum(),
            )

        return totals

    return {
        "values and collateral": lambda on: sum(store.map(valued, on=on)),
        "comparison": lambda on: sum(store.map(compared, on=on)),
        "loading": load,
        "haircut backtest": lambda on: closes.backtest(MODELS, on=on).rows(),
        "haircut backtest, pooled": lambda on: (
            closes.backtest(MODELS, by="model", on=on).select("n", "breaches").rows()
        ),
    }


def compared(view: StoreView) -> int:
    return changes_of(view).height


def logged(table: Path) -> int:
    """Rows of a table as its log has them: a row committed twice counts twice."""
    files = DeltaTable(table).get_add_actions(flatten=True)
    return int(pl.DataFrame(files)["num_records"].sum())


class Took(NamedTuple):
    wall: float
    cpu: float  # of this process and the workers that still live
    answer: str


def timed(job: Job, on: Cluster | None, beside: Cluster) -> Took:
    started, used = time.perf_counter(), spent(beside)
    answer = job(on)
    wall = time.perf_counter() - started
    return Took(wall, spent(beside) - used, said(answer))


def said(answer: object) -> str:
    """Tell the totals; those that take reading are asked for after the clock."""
    return str(answer() if callable(answer) else answer)


def spent(beside: Cluster) -> float:
    """CPU seconds of this process and of the workers."""
    return time.process_time() + sum(map(cpu_of, beside.workers.values()))


def cpu_of(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def killed(job: Job, on: Cluster, after: float) -> tuple[float, str, bool]:
    """Time a job, one worker killed on the way; tell whether it still ran."""
    victim = next(iter(on.workers.values()))
    timer = threading.Timer(after, os.kill, (victim, signal.SIGKILL))
    timer.start()
    started = time.perf_counter()
    answer = job(on)
    took = time.perf_counter() - started
    hit = not timer.is_alive()
    timer.cancel()
    return took, said(answer), hit


def warm(_: int) -> None:
    """Import and compile what the first task would."""

    prices = universe(2, 300).prices
    for model in MODELS.values():
        hk.haircuts.backtest(model(prices), prices)
    time.sleep(0.3)  # so that each worker does some


def main() -> None:
    sizes = SIZES[scale()]
    with TemporaryDirectory() as folder, connect(workers=2) as on:
        print("\n### Two workers beside one process, one of them killed\n")
        print("| | plain seconds | two workers | their CPU | one killed | |")
        print("|---|---:|---:|---:|---:|---|")
        warm(0)
        for name, job in jobs(Path(folder), sizes).items():
            if scale() == "small" and name not in QUICK:
                continue
            on.map(warm, range(4))
            sides: list[list[Took]] = [[], []]
            for _ in range(sizes.repeats):
                for side, who in zip(sides, (None, on), strict=True):
                    side.append(timed(job, who, on))
            plain, spread = (min(side) for side in sides)
            took, answer, hit = killed(job, on, spread.wall / 3)
            answers = {run.answer for side in sides for run in side} | {answer}
            right = "same totals" if len(answers) == 1 else "WRONG TOTALS"
            died = "" if hit else ", but it ended before the kill"
            print(
                f"| {name} | {plain.wall:.1f} | {spread.wall / plain.wall:.2f} "
                f"| {spread.cpu / plain.cpu:.2f} | {took / plain.wall:.2f} "
                f"| {right}{died} |",
                flush=True,
            )
            title = f"Cluster: {name}, scale {scale()}"
            times = (spread.wall, plain.wall)
            record(title, "two workers", "one process", times)


if __name__ == "__main__":
    main()
    sys.exit()
