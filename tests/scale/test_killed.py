"""A scan killed at any instant goes on where it was, and loads nothing twice."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

import holdings_kit as hk
from holdings_kit.sandbox import generate
from holdings_kit.store import Store

if TYPE_CHECKING:
    from pathlib import Path

SCAN = """
import sys
from pytest import MonkeyPatch
from holdings_kit.store import Store, scan_webhooks
dumps, store = sys.argv[1:]
with MonkeyPatch.context() as patch:
    patch.setattr("holdings_kit.store._scan_blocks.BLOCK", 20_000)
    patch.setattr("holdings_kit.store._scan_blocks._PER_BUCKET", 0)
    patch.setattr("holdings_kit.store._scan._COMMIT", 2)
    scan_webhooks(dumps, into=Store(store, buckets=2), progress=False, workers=1)
"""


def commits(store: Path) -> int:
    return len(list(store.glob("snapshots/_delta_log/*.json")))


@pytest.mark.parametrize("after", [2, 4])
def test_a_killed_scan_goes_on_and_loads_nothing_twice(
    tmp_path: Path, after: int
) -> None:
    dumps, store = tmp_path / "dumps", tmp_path / "store"
    generate(dumps, accounts=400, days=2)
    with (dumps / "gateway-2026-01-05.ndjson").open("ab") as file:
        file.write(b"broken\n" * 3)
    command = [sys.executable, "-c", SCAN, str(dumps), str(store)]
    process = subprocess.Popen(command)
    while commits(store) < after and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.wait()
    killed = hk.Store(store).history().snapshots
    assert 0 < killed.height < 800
    scan = hk.scan_webhooks(dumps, into=Store(store), progress=False)
    assert killed.height <= scan.skipped < 803
    assert scan.rejects.height == 4, "three lines, and prices.csv is named"
    stored = hk.Store(store).history().snapshots
    assert stored.height == 800
    added = DeltaTable(store / "snapshots").get_add_actions(flatten=True)
    assert sum(pl.DataFrame(added)["num_records"]) == 800
    whole = Store(tmp_path / "whole", buckets=2)
    whole.append(hk.read_webhooks(dumps))
    for left, right in zip(whole.history(), Store(store).history(), strict=True):
        assert_frame_equal(left, right)
