"""Parts of many writers, compaction, vacuum, re-bucketing: the same store after."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from holdings_kit.errors import ConfigError, StoreError
from holdings_kit.schema import Loaded
from holdings_kit.store import Store, StoreView, Threads
from tests.store.conftest import make_snapshot

NOW = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Six accounts over two days, one quarantined and promoted, one undated."""
    store = Store(tmp_path / "store", buckets=3)
    for number in range(6):
        store.append(make_snapshot(f"U{number}", 0, 4))
        store.append(make_snapshot(f"U{number}", 1, 1 if number == 2 else 5))
    store.append(make_snapshot("U5", None, 2))
    store.promote("U2/1/1", reason="sold", at=NOW)
    return store


def contents(store: StoreView) -> list[pl.DataFrame]:
    return [*store.history(), *store.current(), store.decisions()]


def same(one: list[pl.DataFrame], other: list[pl.DataFrame]) -> None:
    for ours, theirs in zip(one, other, strict=True):
        assert_frame_equal(ours, theirs)


def files(store: Store) -> int:
    return len(list(Path(store._tables.root).rglob("*.parquet")))


def test_compact_and_vacuum_change_no_answer(store: Store) -> None:
    before, many = contents(store), files(store)
    moment = datetime.now(UTC)
    assert store.compact() > 0
    same(contents(store), before)
    same(contents(store.known_at(moment)), before)
    assert store.vacuum() == 0  # all of it is younger than a week
    assert store.vacuum(keep=timedelta(0)) > 0
    assert store.vacuum(keep=timedelta(0)) == 0, "what is gone is not counted again"
    assert files(store) < many
    same(contents(store), before)
    assert store.append(make_snapshot("U1", 2, 5)).deliveries == 1


def test_rebucket_is_the_same_store(store: Store, tmp_path: Path) -> None:
    new = store.rebucket(tmp_path / "new", buckets=5)
    assert Store(tmp_path / "new").buckets == 5
    same(contents(new), contents(store))
    assert new.append(make_snapshot("U1", 1, 5)).deliveries == 0
    parts = new.map(lambda view: view.current().holdings.height)
    assert sum(parts) == store.current().holdings.height
    with pytest.raises(StoreError, match="already"):
        store.rebucket(tmp_path / "new", buckets=7)


def test_rebucket_leaves_a_whole_copy_or_none(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(tmp_path.iterdir())

    def fail(*_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("holdings_kit.store._store.commit_files", fail)
        with pytest.raises(StoreError, match="full"):
            store.rebucket(tmp_path / "new", buckets=5)
    assert sorted(tmp_path.iterdir()) == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(StoreError, match="not empty"):
        store.rebucket(tmp_path / "other", buckets=5)
    with pytest.raises(ConfigError, match="at least 1"):
        store.rebucket(tmp_path / "new", buckets=0)


@pytest.mark.parametrize("way", ["backup", "rebucket"])
def test_a_copy_takes_what_killed_ones_left_beside_it(
    store: Store, tmp_path: Path, way: str
) -> None:
    for name in (".new.1.partial", ".new.2.partial", ".newer.3.partial", ".new.note"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part").touch()
    target = tmp_path / "new"
    _ = store.backup(target) if way == "backup" else store.rebucket(target, buckets=5)
    left = {path.name for path in tmp_path.iterdir()}
    assert {".newer.3.partial", ".new.note", "new"} <= left
    assert not [name for name in left if name.startswith(".new.") and "partial" in name]


def test_every_bucket_sees_the_same_commits(store: Store) -> None:
    before = store.current().snapshots.height

    def ask(view: StoreView) -> int:
        for number in range(20, 26):  # a delivery to every bucket, once
            store.append(make_snapshot(f"U{number}", 0, 4))
        return view.current().snapshots.height

    assert sum(store.map(ask)) == before
    assert sum(store.map(ask)) == before + 6


def test_threads_give_the_answers_of_one_after_the_other(store: Store) -> None:
    def ask(view: StoreView) -> pl.DataFrame:
        return view.current().holdings

    for one, other in zip(store.map(ask), store.map(ask, on=Threads(3)), strict=True):
        assert_frame_equal(one, other)
    assert Threads(3).map(abs, range(-20, 0)) == list(range(20, 0, -1))
    with pytest.raises(ZeroDivisionError):
        Threads(2).map(lambda number: 1 // number, [1, 0, 2])
    with pytest.raises(ConfigError, match="at least 1"):
        Threads(0)


def test_a_bucket_can_still_look_elsewhere(store: Store) -> None:
    moment = datetime.now(UTC)
    store.append(make_snapshot("U0", 9, 7))

    def ask(view: StoreView) -> tuple[int, ...]:
        past, other = view.known_at(moment), view.bucket(0)
        return tuple(v.current().holdings.height for v in (view, past, other))

    now, past, other = (sum(part) for part in zip(*store.map(ask), strict=True))
    assert now == store.current().holdings.height
    assert past == store.known_at(moment).current().holdings.height == now - 2
    assert other == 3 * store.bucket(0).current().holdings.height


def test_parts_count_together_when_they_are_committed(
    store: Store, tmp_path: Path
) -> None:
    before = contents(store)
    parts = [
        store.write_part(make_snapshot(f"U{number}", 3, 5)) for number in range(20)
    ]
    same(contents(store), before)
    sent = pickle.loads(pickle.dumps(parts))
    assert store.commit(sent).deliveries == 20
    after = contents(store)
    store.commit(sent)
    same(contents(store), after)
    store.compact()
    same(contents(store), after)
    single = Store(tmp_path / "single", buckets=2)
    single.append(store.history()._replace(snapshots=all_good(store)))
    assert_frame_equal(single.current().holdings, store.current().holdings)
    assert_frame_equal(single.current().listings, store.current().listings)
    assert store.write_part(make_snapshot("U1", 3, 5)).files == []


def test_two_writers_of_the_same_delivery_at_once_are_one(store: Store) -> None:
    loaded = make_snapshot("U1", 3, 5)
    parts = [store.write_part(loaded), store.write_part(loaded)]
    store.commit(parts[:1])
    after = contents(store)
    store.commit(parts[1:])
    same(contents(store), after)


def all_good(store: Store) -> pl.DataFrame:
    return store.history().snapshots.with_columns(status=pl.lit("current"))


def test_files_that_were_never_committed_are_swept(store: Store) -> None:
    before, many = contents(store), files(store)
    store.write_part(make_snapshot("U1", 3, 5))
    assert files(store) > many
    assert store.vacuum(keep=timedelta(0)) > 0
    assert files(store) == many
    same(contents(store), before)


def test_a_store_and_its_views_travel_between_processes(store: Store) -> None:
    view = pickle.loads(pickle.dumps(store.bucket(1)))
    assert_frame_equal(view.current().holdings, store.bucket(1).current().holdings)
    assert pickle.loads(pickle.dumps(store)).buckets == 3


@pytest.mark.parametrize("twice", [False, True])
def test_rows_that_stand_apart_are_stored_as_those_that_stand_together(
    tmp_path: Path, *, twice: bool
) -> None:
    """The rows of one snapshot between those of others, also of a second copy."""
    made = [make_snapshot(f"U{n}", day, n + 2) for n in range(4) for day in (0, 1)]
    copy = made[:1] * twice

    def joined(parts: list[Loaded]) -> Loaded:
        return Loaded(*(pl.concat(same) for same in zip(*parts, strict=True)))

    mixed = joined(made)
    mixed = mixed._replace(
        **{
            name: getattr(mixed, name).sort("holding_no", maintain_order=True)
            for name in ("holdings", "listings")
        }
    )
    together, apart = joined(made + copy), joined([mixed, *copy])
    assert not apart.holdings.equals(together.holdings)
    stores = [Store(tmp_path / name, buckets=3) for name in ("a", "b", "c", "d")]
    for store, loaded in zip(stores, (together, apart) * 2, strict=True):
        if store in stores[:2]:
            store.append(loaded)
        else:
            store.commit([store.write_part(loaded)])
    for store in stores[1:]:
        same(contents(store), contents(stores[0]))
    rows = stores[3].history().holdings
    assert rows.height == sum(n + 2 for n in range(4)) * 2
    for part in rows.partition_by("snapshot_id"):
        assert part["holding_no"].to_list() == list(range(part.height))
