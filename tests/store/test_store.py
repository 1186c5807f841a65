"""The store: what goes in comes out, once, in the order of the facts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from holdings_kit.errors import ConfigError, FrameError, StoreError
from holdings_kit.schema import HOLDINGS, REJECTS, SNAPSHOTS
from holdings_kit.store import Appended, Store, StoreView

if TYPE_CHECKING:
    from pathlib import Path

    from tests.store.conftest import Make

DAY_ONE = datetime(2026, 1, 5, 10, tzinfo=UTC)


def statuses(store: StoreView) -> dict[str, str]:
    frame = store.history().snapshots
    assert_frame_equal(store.snapshots(), frame)  # the same without the rows
    return dict(zip(frame["snapshot_id"], frame["status"], strict=True))


def test_a_store_nobody_wrote_to_is_empty_and_makes_no_files(tmp_path: Path) -> None:
    store = Store(tmp_path / "new")
    assert store.current().holdings.schema == HOLDINGS
    assert store.quarantine().schema == SNAPSHOTS
    assert store.history().rejects.schema == REJECTS
    assert not (tmp_path / "new").exists()


def test_what_goes_in_comes_out(tmp_path: Path, make: Make) -> None:
    loaded = make("A", 0, 3)
    store = Store(tmp_path / "with a space" / "date=1", buckets=4)
    assert store.append(loaded) == Appended(1, 0, 0)
    back = Store(tmp_path / "with a space" / "date=1").current()
    assert_frame_equal(back.holdings, loaded.holdings)
    assert_frame_equal(back.listings, loaded.listings)
    assert_frame_equal(back.snapshots.drop("status"), loaded.snapshots.drop("status"))
    assert back.snapshots["status"].to_list() == ["current"]


def test_the_same_delivery_twice_is_once(
    tmp_path: Path, make: Make, together: Any
) -> None:
    store, loaded = Store(tmp_path), make("A", 0, 3)
    store.append(together(loaded, loaded))
    assert store.append(loaded) == Appended(0, 1, 0)
    assert store.current().holdings.height == 3
    assert store.current().listings.height == 6


def test_another_delivery_of_the_same_facts_is_one_snapshot(
    tmp_path: Path, make: Make
) -> None:
    store = Store(tmp_path)
    forged = {"checksum_ok": False, "fetched_at": DAY_ONE - timedelta(hours=1)}
    store.append(make("A", 0, 3, **forged))
    assert statuses(store) == {"A/0/3": "quarantined"}
    assert store.append(make("A", 0, 3)) == Appended(1, 0, 0)
    assert statuses(store) == {"A/0/3": "current"}
    assert store.current().holdings.height == 3


def test_the_newest_by_snapshot_at_counts_not_the_last_to_arrive(
    tmp_path: Path, make: Make
) -> None:
    store = Store(tmp_path)
    store.append(make("A", 1, 3))
    store.append(make("A", 0, 3))
    assert statuses(store) == {"A/0/3": "superseded", "A/1/3": "current"}
    at = DAY_ONE + timedelta(hours=12)
    assert store.as_of(at).snapshots["snapshot_id"].to_list() == ["A/0/3"]
    assert store.as_of(DAY_ONE - timedelta(1)).snapshots.is_empty()


def test_known_at_is_what_the_store_knew(tmp_path: Path, make: Make) -> None:
    store = Store(tmp_path)
    store.append(make("A", 1, 3))
    before = datetime.now(UTC)
    store.append(make("A", 2, 1))
    store.promote("A/2/1", reason="sold", at=DAY_ONE)
    assert statuses(store.known_at(before)) == {"A/1/3": "current"}
    assert statuses(store)["A/2/1"] == "current"
    assert not hasattr(store.known_at(before), "append")


def test_rejects_and_the_doubts_of_the_door_are_kept_once(
    tmp_path: Path, make: Make
) -> None:
    store = Store(tmp_path)
    rejects = pl.DataFrame(
        {"file": ["A/0/3.json"], "line_no": [1], "reason": ["isin"], "raw": [b"\xff{"]},
        schema=REJECTS,
    )
    doubt = {"status": "quarantined", "status_reason": "1 part could not be read"}
    loaded = make("A", 0, 3, **doubt)._replace(rejects=rejects)
    assert store.append(loaded).rejects == 1
    assert store.append(loaded).rejects == 0
    assert_frame_equal(store.history().rejects, rejects)
    assert store.quarantine()["status_reason"].to_list() == [doubt["status_reason"]]


def test_buckets_and_accounts_divide_the_store(tmp_path: Path, make: Make) -> None:
    store = Store(tmp_path, buckets=4)
    names = [f"U{number}" for number in range(20)]
    for name in names:
        store.append(make(name, 0, 2))
    parts = store.map(lambda bucket: bucket.current().holdings)
    assert_frame_equal(
        pl.concat(parts), store.current().holdings, check_row_order=False
    )
    assert all(part["account_id"].n_unique() < 20 for part in parts)
    some = store.current(account_ids=names[:3])
    assert sorted(some.holdings["account_id"].unique()) == names[:3]
    assert store.scan().holdings.collect().height == 40


def test_a_store_opened_before_it_was_made_learns_its_buckets(
    tmp_path: Path, make: Make
) -> None:
    early, other = Store(tmp_path), Store(tmp_path, buckets=2)
    writer = Store(tmp_path, buckets=8)
    for number in range(20):
        writer.append(make(f"U{number}", 0, 1))
    assert early.current().holdings.height == 20
    assert early.buckets == 8
    with pytest.raises(ConfigError, match="has 8 buckets, not 2"):
        other.append(make("U1", 0, 1))


def test_an_undated_snapshot_is_kept_apart_for_good(tmp_path: Path, make: Make) -> None:
    store = Store(tmp_path)
    store.append(make("A", None, 3, snapshot_id="x"))
    store.append(make(None, 1, 3, snapshot_id="y"))
    assert statuses(store) == {"x": "quarantined", "y": "quarantined"}
    assert store.history().holdings.height == 6
    with pytest.raises(StoreError, match="undated"):
        store.promote("x", reason="sure", at=DAY_ONE)


def test_promotion_is_logged_and_measures_what_follows(
    tmp_path: Path, make: Make
) -> None:
    store = Store(tmp_path)
    for day, rows in enumerate((10, 2, 2)):
        store.append(make("A", day, rows))
    assert statuses(store)["A/2/2"] == "quarantined"
    store.promote("A/1/2", reason="sold on the phone", at=DAY_ONE)
    assert statuses(store) == {
        "A/0/10": "superseded",
        "A/1/2": "superseded",
        "A/2/2": "current",
    }
    log = store.decisions().row(0, named=True)
    assert (log["snapshot_id"], log["reason"]) == ("A/1/2", "sold on the phone")
    with pytest.raises(StoreError, match="superseded, not quarantined"):
        store.promote("A/1/2", reason="again", at=DAY_ONE)
    with pytest.raises(StoreError, match="no snapshot"):
        store.promote("nope", reason="again", at=DAY_ONE)
    with pytest.raises(ConfigError, match="reason"):
        store.promote("A/1/2", reason=" ", at=DAY_ONE)


def test_a_promotion_without_an_instant_is_of_now(tmp_path: Path, make: Make) -> None:
    store = Store(tmp_path)
    for day, rows in enumerate((10, 2)):
        store.append(make("A", day, rows))
    before = datetime.now(UTC)
    store.promote("A/1/2", reason="sold")
    assert before <= store.decisions()["decided_at"].item() <= datetime.now(UTC)


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("x")
    with pytest.raises(ConfigError, match="is a file"):
        Store(tmp_path / "notes")


def test_bad_calls_say_what_now(tmp_path: Path, make: Make) -> None:
    store = Store(tmp_path, buckets=2)
    loaded = make("A", 0, 3)
    store.append(loaded)
    with pytest.raises(ConfigError, match="has 2 buckets, not 3"):
        Store(tmp_path, buckets=3)
    with pytest.raises(ConfigError, match="0 to 1"):
        store.bucket(2)
    with pytest.raises(ConfigError, match="time zone"):
        store.as_of(datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(FrameError, match="isin"):
        store.append(loaded._replace(holdings=loaded.holdings.drop("isin")))
    with pytest.raises(StoreError, match="does not list"):
        store.append(loaded._replace(snapshots=loaded.snapshots.clear()))
    with pytest.raises(ConfigError, match="escape"):
        Store(tmp_path / "50%25")


def test_storage_options_do_not_show(tmp_path: Path) -> None:
    store = Store(tmp_path, storage_options={"aws_secret_access_key": "hunter2"})
    assert "hunter2" not in repr(store) + repr(store._tables)
