"""Other processes answer as this one does, also when they are killed on the way."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import holdings_kit as hk
from holdings_kit.errors import ConfigError
from holdings_kit.sandbox import generate
from holdings_kit.store import Store
from holdings_kit.store.cluster import Cluster, connect
from holdings_kit.store.population._haircut_panel import published_panel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal
    from pathlib import Path

    from holdings_kit.store import StoreView

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with connect(workers=2) as made:
        yield made


def owned(view: StoreView) -> Decimal:
    return view.current().holdings.select(pl.col("owned_quantity").sum()).item()


def slow_owned(view: StoreView) -> Decimal:
    time.sleep(0.3)
    return owned(view)


def test_a_cluster_loads_and_answers_as_one_process(
    tmp_path: Path, cluster: Cluster
) -> None:
    dumps = tmp_path / "dumps"
    generate(dumps, accounts=60, days=2, wire="arrow")
    with (dumps / "arrow-2026-01-05.ndjson").open("ab") as file:
        file.write(b"\n\nbroken\n")
    one, two = Store(tmp_path / "one", buckets=3), Store(tmp_path / "two", buckets=3)
    plain = hk.scan_arrow(dumps, into=one, progress=False)
    spread = hk.scan_arrow(dumps, into=two, on=cluster)
    assert spread.deliveries == plain.deliveries == 120
    assert_frame_equal(spread.rejects, plain.rejects)
    assert plain.rejects["line_no"].to_list() == [63, None], "and prices.csv is named"
    for left, right in zip(one.history(), two.history(), strict=True):
        assert_frame_equal(left, right)
    again = hk.scan_arrow(dumps, into=two, on=cluster)
    assert (again.deliveries, again.skipped) == (0, 121)
    assert two.map(owned, on=cluster) == one.map(owned)
    assert_frame_equal(published_panel(two, on=cluster), published_panel(one))


def test_a_killed_worker_changes_no_total(tmp_path: Path, cluster: Cluster) -> None:
    generate(tmp_path / "dumps", accounts=60, days=1)
    store = Store(tmp_path / "store", buckets=8)
    hk.scan_webhooks(tmp_path / "dumps", into=store, progress=False)
    victim = next(iter(cluster.workers.values()))
    threading.Timer(0.5, os.kill, (victim, signal.SIGKILL)).start()
    assert sum(store.map(slow_owned, on=cluster)) == sum(store.map(owned))


def test_a_worker_killed_while_loading_commits_nothing_twice(
    tmp_path: Path, cluster: Cluster
) -> None:
    dumps = tmp_path / "dumps"
    for seed in range(6):
        generate(dumps / str(seed), accounts=150, days=1, seed=seed)
    store, whole = Store(tmp_path / "store", buckets=2), Store(tmp_path / "whole")
    victim = next(iter(cluster.workers.values()))
    threading.Timer(0.3, os.kill, (victim, signal.SIGKILL)).start()
    scan = hk.scan_webhooks(dumps, into=store, on=cluster)
    assert scan.deliveries == 900
    whole.append(hk.read_webhooks(dumps))
    by = ["snapshot_id", "holding_no"]
    one, two = whole.history().holdings.sort(by), store.history().holdings.sort(by)
    assert_frame_equal(one, two)
    assert store.history().snapshots.height == 900


def test_nothing_beyond_this_machine_without_tls() -> None:
    with pytest.raises(ConfigError, match="needs TLS"):
        connect("tcp://10.1.2.3:8786")


def test_a_secret_does_not_travel(tmp_path: Path, cluster: Cluster) -> None:
    generate(tmp_path, accounts=1, days=1)
    with pytest.raises(ConfigError, match="api_secret"):
        hk.scan_webhooks(
            tmp_path, into=Store(tmp_path / "s"), api_secret="k", on=cluster
        )


def test_a_worker_near_its_limit_goes_on() -> None:
    """Memory that an allocator keeps is not freed by waiting for it."""

    def hold(share: float) -> int:
        import psutil

        used = psutil.Process().memory_info().rss
        keep = b"x" * max(0, int(share * (1 << 30)) - used)
        sys.modules.setdefault("kept", keep)  # type: ignore[arg-type]
        time.sleep(1)  # until the worker has measured itself
        return len(keep) // (1 << 20) // 500

    with connect(workers=1, memory_limit="1GiB") as one, ThreadPoolExecutor() as pool:
        assert one.map(hold, [0.88]) == [1]
        assert pool.submit(one.map, abs, [-1]).result(timeout=30) == [1]


def test_a_worker_killed_again_and_again_comes_back() -> None:
    """Dask gives a worker up that is away 15 seconds after it died."""
    with connect(workers=1) as one, ThreadPoolExecutor() as pool:
        started = time.monotonic()
        while (age := time.monotonic() - started) < 16.5:
            if age < 0.5 or age > 13.5:
                for process in one.workers.values():
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
            time.sleep(0.3)
        assert pool.submit(one.map, abs, [-1]).result(timeout=60) == [1]


def test_an_error_of_a_task_is_raised_here(cluster: Cluster) -> None:
    with pytest.raises(ZeroDivisionError):
        cluster.map(lambda n: 1 / n, [1, 0])
    assert pl.Series(cluster.map(abs, [-1, -2])).to_list() == [1, 2]
