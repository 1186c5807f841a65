"""Two Dask workers beside the plain loop, and with a worker killed on the way.

    python -m benchmarks.bench_cluster [--scale small|full]

The plain loop has one polars thread as each worker has. Time is that of the work, the
start of the cluster apart.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

import holdings_kit as hk
from benchmarks.bench_questions import build, valued
from benchmarks.measure import scale
from holdings_kit.cluster import connect
from holdings_kit.generate import generate
from holdings_kit.store import Store


def total(store: Store) -> object:
    return store.current().holdings.select(pl.col("owned_quantity").sum()).item()


def main() -> None:
    full = scale() == "full"
    with TemporaryDirectory() as name:
        folder = Path(name)
        build(folder / "store", 4_000_000 if full else 600_000)
        store = Store(folder / "store")
        started = time.perf_counter()
        answer = sum(store.map(valued))
        plain = time.perf_counter() - started
        rows = [("plain loop", 1.0, f"{answer:,} accounts")]
        dumps = folder / "dumps"
        for seed in range(4):
            generate(
                dumps / str(seed), accounts=8_000 if full else 1_500, days=1, seed=seed
            )
        started = time.perf_counter()
        one = Store(folder / "one", buckets=4)
        hk.scan_webhooks(dumps, into=one, progress=False, workers=1)
        loading = time.perf_counter() - started
        with connect(workers=2) as cluster:
            cluster.map(abs, range(4))  # imports done
            for said, kill in (("two workers", False), ("one of them killed", True)):
                if kill:
                    victim = next(iter(cluster.workers.values()))
                    delay = plain / 6
                    threading.Timer(delay, os.kill, (victim, signal.SIGKILL)).start()
                started = time.perf_counter()
                found = sum(store.map(valued, on=cluster))
                took = time.perf_counter() - started
                right = "same answer" if found == answer else "WRONG"
                rows.append((f"{said}: values", took / plain, right))
                if kill:
                    victim = next(iter(cluster.workers.values()))
                    delay = loading / 6
                    threading.Timer(delay, os.kill, (victim, signal.SIGKILL)).start()
                two = Store(folder / f"two-{kill}", buckets=4)
                started = time.perf_counter()
                scan = hk.scan_webhooks(dumps, into=two, on=cluster)
                took = time.perf_counter() - started
                once = two.history().snapshots.height == scan.deliveries
                right = "same totals" if total(one) == total(two) else "WRONG"
                rows.append(
                    (f"{said}: loading", took / loading, f"{right}, once: {once}")
                )
    print("\n### Two workers beside the plain loop\n")
    print("| | time | |\n|---|---:|---|")
    for said, ratio, right in rows:
        print(f"| {said} | {ratio:.2f} | {right} |")


if __name__ == "__main__":
    main()
    sys.exit()
