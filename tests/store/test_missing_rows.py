"""Rows that are not there make no snapshot current, and a new append mends it."""

from __future__ import annotations

import shutil
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from holdings_kit.errors import StoreError
from holdings_kit.store import Appended, Store, _log as log
from holdings_kit.store._tables import bucket_of
from tests.store.conftest import DAY_ONE, make_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.store.conftest import Make

ROW_TABLES = ("holdings", "listings", "baskets")


def roll_back(store: Path, table: str) -> None:
    """Take the last entry out of a table's log, as a copy made too early lacks it."""
    entries = sorted((store / table / "_delta_log").glob("*.json"))
    entries[-1].unlink()


@pytest.mark.parametrize("table", ["holdings", "listings"])
def test_a_snapshot_whose_rows_are_missing_is_quarantined_and_mended(
    tmp_path: Path, make: Make, table: str
) -> None:
    store = Store(tmp_path)
    store.append(make("A", 0, 5))
    loaded = make("A", 1, 5)
    store.append(loaded)
    roll_back(tmp_path, table)
    for again in (store, Store(tmp_path)):
        assert again.current().snapshots["snapshot_id"].to_list() == ["A/0/5"]
        assert again.current().holdings.height == 5
        row = again.quarantine().row(0, named=True)
        assert row["snapshot_id"] == "A/1/5"
        assert row["status_reason"].startswith("rows missing: ")
    assert store.check()["snapshot_id"].to_list() == ["A/1/5"]
    with pytest.raises(StoreError, match="cannot count: rows missing"):
        store.promote("A/1/5", reason="never mind")
    assert store.append(loaded) == Appended(1, 0, 0)
    assert_frame_equal(store.current().holdings, loaded.holdings)
    assert_frame_equal(store.current().listings, loaded.listings)
    assert store.append(loaded) == Appended(0, 1, 0)
    assert store.check().is_empty()


def test_the_only_snapshot_without_its_rows_is_not_current(
    tmp_path: Path, make: Make
) -> None:
    store = Store(tmp_path)
    store.append(make("A", 0, 5))
    roll_back(tmp_path, "holdings")
    assert store.current().snapshots.is_empty()
    assert store.as_of(DAY_ONE + timedelta(days=1)).snapshots.is_empty()
    assert store.scan().snapshots.collect().is_empty()
    assert list(store.scan_days()) == []
    assert store.history().snapshots["status"].to_list() == ["quarantined"]


def test_part_of_the_rows_is_not_enough(tmp_path: Path, make: Make) -> None:
    store = Store(tmp_path)
    store.append(make("A", 0, 5))
    path = next((tmp_path / "holdings").rglob("*.parquet"))
    pl.read_parquet(path, hive_partitioning=False).head(4).write_parquet(path)
    assert store.current().snapshots.is_empty()
    reason = store.quarantine()["status_reason"].item()
    assert reason.startswith("rows missing: 4 of 5 rows and 10 of 10 listings")
    assert "is not whole" in store.check()["problem"].item()


def test_a_part_whose_file_is_gone_or_cut_is_not_committed(
    tmp_path: Path, make: Make
) -> None:
    store = Store(tmp_path)
    store.append(make("A", 0, 3))
    for spoil in (Path.unlink, lambda path: path.write_bytes(b"PAR1")):
        part = store.write_part(make("B", 0, 3))
        file = next(file for file in part.files if file.table == "holdings")
        spoil(tmp_path / "holdings" / file.path)
        with pytest.raises(StoreError, match=r"part-.*write (the part )?again"):
            store.commit([part])
    assert store.history().snapshots["account_id"].to_list() == ["A"]
    assert store.check().is_empty()


def test_a_file_that_is_not_whole_is_named_and_costs_only_its_own_questions(
    tmp_path: Path, make: Make
) -> None:
    store = Store(tmp_path, buckets=4)
    names = [f"U{number}" for number in range(8)]
    for name in names:
        store.append(make(name, 0, 2))
    broken = next((tmp_path / "holdings").rglob("*.parquet"))
    broken.write_bytes(broken.read_bytes()[:-9])
    number = int(broken.parent.name.removeprefix("bucket="))
    others = [name for name in names if bucket_of(name, 4) != number]
    assert 0 < len(others) < 8
    for name in others:
        assert store.current(account_ids=[name]).holdings.height == 2
    with pytest.raises(StoreError, match=broken.name):
        store.current()
    with pytest.raises(StoreError, match=broken.name):
        store.scan()
    problems = store.check()
    assert problems["file"].to_list() == [str(broken)]
    repaired = store.check(repair=True)
    assert repaired.drop_nulls("snapshot_id").height == 1
    assert store.current().snapshots.height == 7
    for name in names:
        store.append(make(name, 0, 2))
    assert store.current().snapshots.height == 8
    assert store.check().is_empty()


def test_a_missing_file_is_named(tmp_path: Path, make: Make) -> None:
    store = Store(tmp_path)
    store.append(make("A", 0, 2))
    gone = next((tmp_path / "listings").rglob("*.parquet"))
    gone.unlink()
    with pytest.raises(StoreError, match=f"{gone.name}.* is missing"):
        store.current()
    with pytest.raises(StoreError, match="not backed up"):
        store.backup(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_copy_made_while_an_append_runs_claims_nothing_it_has_not(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "store")
    store.append(make_snapshot("A", 0, 5))
    stop = threading.Event()

    def append() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            store.append(make_snapshot(f"B{number}", 0, 5))

    writer = threading.Thread(target=append)
    writer.start()
    try:
        for turn in range(6):
            copy = tmp_path / f"copy{turn}"
            copy.mkdir()
            for table in (
                "holdings",
                "listings",
                "baskets",
                "rejects",
                "decisions",
                "snapshots",
            ):  # the worst order
                shutil.copytree(tmp_path / "store" / table, copy / table)
            try:
                loaded = Store(copy).current()
            except StoreError as error:  # a log was copied after its files
                assert "is missing" in str(error)
            else:
                rows = loaded.holdings.group_by("account_id").len()
                assert rows.height == loaded.snapshots.height >= 1
                assert set(rows["len"]) == {5}
            backup = store.backup(tmp_path / f"backup{turn}")
            assert backup.check().is_empty()
            assert backup.quarantine().is_empty()
    finally:
        stop.set()
        writer.join()


def test_a_backup_is_the_store_its_past_included(tmp_path: Path, make: Make) -> None:
    store = Store(tmp_path / "store", buckets=2)
    for number in range(105):  # a checkpoint among them
        store.append(make(f"A{number}", 0, 2))
    store.append(make("A0", 1, 1))
    copied = store.backup(tmp_path / "copy")
    for one, other in zip(store.history(), copied.history(), strict=True):
        assert_frame_equal(one, other)
    with pytest.raises(StoreError, match="is there already"):
        store.backup(tmp_path / "copy")
    with pytest.raises(StoreError, match="there is no store"):
        Store(tmp_path / "none").backup(tmp_path / "other")
    restored = Store(tmp_path / "copy").backup(tmp_path / "restored")
    assert restored.append(make("new", 0, 1)) == Appended(1, 0, 0)
    assert restored.current().snapshots.height == 106


def test_checkpoints_are_made_and_read(tmp_path: Path, make: Make) -> None:
    store = Store(tmp_path)
    for number in range(101):
        store.append(make("A", number, 1))
    names = {path.name for path in log.entries(tmp_path / "snapshots")}
    assert f"{100:020}.checkpoint.parquet" in names
    for path in (tmp_path / "snapshots" / "_delta_log").glob("*.json"):
        if int(path.stem) < 100:
            path.unlink()
    assert DeltaTable(tmp_path / "snapshots").version() == 101
    assert store.history().snapshots.height == 101


def test_other_readers_of_delta_read_the_tables(tmp_path: Path, make: Make) -> None:
    store = Store(tmp_path)
    store.append(make("A", 0, 3))
    store.append(make(None, None, 1))
    table = DeltaTable(tmp_path / "holdings")
    assert pl.DataFrame(table.to_pyarrow_table())["holding_no"].len() == 4
    assert [row["operation"] for row in table.history()][-1] == "CREATE TABLE"


def test_compacting_keeps_every_row_and_is_not_done_twice_at_once(
    tmp_path: Path, make: Make
) -> None:
    store = Store(tmp_path)
    for number in range(4):
        store.append(make(f"A{number}", 0, 3))
    before = store.current()
    assert store.compact() == 12
    assert store.compact() == 0
    for one, other in zip(before, store.current(), strict=True):
        assert_frame_equal(one, other)
    assert store.vacuum(keep=timedelta(minutes=59)) == 0  # an hour, never none
    assert store.vacuum(keep=timedelta(0)) == 12
    assert store.current().holdings.height == 12
    assert store.check().is_empty()


def test_files_and_folders_are_their_owners_alone(tmp_path: Path, make: Make) -> None:
    store = Store(tmp_path / "store")
    for number in range(3):
        store.append(make("A", number, 2))
    store.compact()
    paths = [tmp_path / "store", *(tmp_path / "store").rglob("*")]
    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in paths}
    assert modes == {(True, 0o700), (False, 0o600)}


@pytest.mark.parametrize("work", ["compact", "erase", "retain", "current"])
def test_work_on_a_damaged_file_names_it(tmp_path: Path, work: str) -> None:
    store = Store(tmp_path)
    for day in range(3):
        store.append(make_snapshot("A", day, 3))
        store.append(make_snapshot("B", day, 3))
    for path in (tmp_path / "holdings").rglob("part-*.parquet"):
        path.write_bytes(path.read_bytes()[:-4] + b"AAKA")
    tasks: dict[str, Callable[[], object]] = {
        "compact": store.compact,
        "erase": lambda: store.erase("A", reason="asked for it"),
        "retain": lambda: store.retain(1, now=DAY_ONE + timedelta(days=9)),
        "current": store.current,
    }
    with pytest.raises(StoreError, match=r"part-.*parquet: cannot be read"):
        tasks[work]()
