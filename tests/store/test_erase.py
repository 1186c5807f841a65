"""An account that is erased is gone: no file names it, and it does not come back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake

from benchmarks.deliveries import SECRET, webhook
from holdings_kit.clients import Inbox
from holdings_kit.errors import ConfigError, StoreError
from holdings_kit.schema import REJECTS
from holdings_kit.store import Appended, Store, _log as log
from tests.store.conftest import DAY_ONE, make_snapshot

GONE, OTHER = "64b7f0c2a1d3e4f5a6b7c8d9", "64b7f0c2a1d3e4f5a6b7c8da"


def mentions(root: Path, account: str) -> list[str]:
    """Every file that holds the account's id, packed or not."""
    found: list[str] = []
    for path in root.rglob("*"):
        if not path.is_file():
            continue
        body = path.read_bytes()
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path, hive_partitioning=False)
            body += repr(frame.rows()).encode()
        if account.encode() in body:
            found.append(str(path.relative_to(root)))
    return found


def filled(root: Path) -> Store:
    """A store with all that can hold an id: old files, orphans, logs, rejects."""
    store = Store(root, buckets=2)
    rejects = pl.DataFrame(
        {
            "file": ["a.json", "b.json"],
            "line_no": [1, 2],
            "reason": ["isin", "isin"],
            "raw": [
                json.dumps({"smallcaseAuthId": account, "x": 1}).encode()
                for account in (GONE, OTHER)
            ],
        },
        schema=REJECTS,
    )
    for account in (GONE, OTHER):
        for day in range(3):
            store.append(make_snapshot(account, day, 4)._replace(rejects=rejects))
    store.append(make_snapshot(GONE, 9, 1))
    store.promote(f"{GONE}/9/1", reason="sold")
    store.write_part(make_snapshot(GONE, 10, 4))  # never committed
    store.compact()
    store.append(make_snapshot(GONE, 11, 1))
    return store


def test_nothing_names_an_erased_account(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store = filled(root)
    before = store.history(account_ids=[OTHER])
    assert mentions(root, GONE)
    done = store.erase(GONE, reason="asked for it", at=DAY_ONE)
    assert (done.snapshots, done.rejects) == (5, 1)
    assert done.rows == 3 * (4 + 8) + 2 * (1 + 2)
    assert done.files > 0
    assert mentions(root, GONE) == []
    assert mentions(root, OTHER)
    after = store.history(account_ids=[OTHER])
    for one, other in zip(before, after, strict=True):
        assert one.equals(other)
    assert store.history().rejects.height == 1
    assert store.check().is_empty()
    assert "asked for it" in (root / "erased.json").read_text()


def test_it_does_not_come_back(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store = filled(root)
    early = store.write_part(make_snapshot(GONE, 20, 4))
    store.erase(GONE, reason="asked for it")
    for again in (store, Store(root)):
        assert again.append(make_snapshot(GONE, 0, 4)) == Appended(0, 0, 0)
        part = again.write_part(make_snapshot(GONE, 1, 4), look_up=False)
        assert again.commit([part]) == Appended(0, 0, 0)
    with pytest.raises(StoreError, match="write the part again"):
        store.commit([early])
    raw = b'{"smallcaseAuthId": "%s", "broken' % GONE.encode()
    row = {"file": ["c"], "line_no": [3], "reason": ["torn"], "raw": [raw]}
    torn = make_snapshot(OTHER, 30, 1)._replace(
        rejects=pl.DataFrame(row, schema=REJECTS)
    )
    store.append(torn)
    assert store.erase(GONE, reason="again").snapshots == 0
    assert mentions(root, GONE) == []
    assert store.append(make_snapshot("new", 0, 2)).deliveries == 1


def test_statistics_of_logs_and_checkpoints_go_too(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store = Store(root)
    for number in range(99):
        store.append(make_snapshot(OTHER, number, 1))
    frame = pl.read_parquet(next((root / "snapshots").rglob("part-*.parquet")))
    named = frame.with_columns(
        account_id=pl.lit(GONE),
        snapshot_date=DAY_ONE.date(),
        bucket=pl.lit(0, pl.Int32),
    )
    write_deltalake(root / "snapshots", named, mode="append")  # as format 1 wrote
    store.append(make_snapshot(OTHER, 200, 1))
    entries = [path for path in log.entries(root / "snapshots") if path.is_file()]
    assert any(GONE.encode() in path.read_bytes() for path in entries)
    store.erase(GONE, reason="asked for it")
    assert mentions(root, GONE) == []
    assert store.history().snapshots.height == 100
    for path in (root / "snapshots" / "_delta_log").glob("*.checkpoint.parquet"):
        assert GONE.encode() not in path.read_bytes()


def test_inboxes_forget_it_too(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox", api_secret=SECRET)
    for account in (GONE, OTHER):
        inbox.receive(webhook(account))
        inbox.receive(webhook(account, 1))
        inbox.receive(webhook(account, 1, rows=9))  # disputed, with the reason beside
        inbox.receive(webhook(account, checksum="0" * 64))
    store = Store(tmp_path / "store")
    done = store.erase(GONE, reason="asked for it", inboxes=[inbox.folder])
    assert done.inbox_files == 4
    assert mentions(inbox.folder, GONE) == []
    assert len(list(inbox.accepted.rglob("*.json"))) == 1
    assert len(list((inbox.folder / "disputed").rglob("*"))) == 5
    with pytest.raises(StoreError, match="there is no inbox"):
        store.erase(GONE, reason="again", inboxes=[tmp_path / "none"])


def test_an_erasure_of_an_inbox_that_is_cut_short_can_be_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox(tmp_path / "inbox", api_secret=SECRET)
    inbox.receive(webhook(GONE))
    inbox.receive(webhook(GONE, rows=9))  # both disputed, each with a reason beside
    store = Store(tmp_path / "store")
    unlink, left = Path.unlink, iter(range(3))

    def cut(path: Path, *, missing_ok: bool = False) -> None:
        if path.is_relative_to(inbox.folder) and next(left, None) is None:
            raise OSError("killed")
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", cut)
        with pytest.raises(StoreError, match="not wholly"):
            store.erase(GONE, reason="asked for it", inboxes=[inbox.folder])
    store.erase(GONE, reason="asked for it", inboxes=[inbox.folder])
    assert [p for p in inbox.folder.rglob("*") if p.is_file() or p.is_symlink()] == []


def test_what_killed_writers_left_goes_too(tmp_path: Path) -> None:
    store = filled(tmp_path)
    part = next((tmp_path / "snapshots").rglob("part-*.parquet"))
    for name, body in {
        "packed": part.read_bytes(),
        "named": GONE.encode(),
        "other": b"{}",
    }.items():
        (tmp_path / ".writing" / f"{name}.part").write_bytes(body)
    store.erase(GONE, reason="asked for it")
    assert [path.stem for path in (tmp_path / ".writing").iterdir()] == ["other"]
    assert store.vacuum(keep=timedelta(hours=1)) == 0
    assert store.vacuum(keep=timedelta(0)) == 1
    assert not list((tmp_path / ".writing").iterdir())


def test_a_copy_with_other_buckets_keeps_the_erased_out(tmp_path: Path) -> None:
    store = filled(tmp_path / "store")
    store.erase(GONE, reason="asked for it")
    copied = store.rebucket(tmp_path / "copy", buckets=3)
    assert copied.append(make_snapshot(GONE, 0, 4)) == Appended(0, 0, 0)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"key": 1, "erased": []}', b"\xff"])
def test_a_broken_list_of_the_erased_is_named(tmp_path: Path, body: bytes) -> None:
    store = Store(tmp_path)
    store.append(make_snapshot(OTHER, 0, 1))
    (tmp_path / "erased.json").write_bytes(body)
    with pytest.raises(StoreError, match=r"erased\.json: the list of erased"):
        store.append(make_snapshot(OTHER, 1, 1))
    assert store.current().snapshots.height == 1


def test_erase_needs_an_account_a_reason_and_a_folder(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for account, reason in (("A", " "), ("", "x")):
        with pytest.raises(ConfigError, match="needs an account and a reason"):
            store.erase(account, reason=reason)
    assert store.erase("nobody", reason="asked").snapshots == 0


def test_a_backup_does_not_bring_an_erased_account_back(tmp_path: Path) -> None:
    store = filled(tmp_path / "store")
    store.erase(GONE, reason="asked for it")
    copied = store.backup(tmp_path / "copy")
    assert copied.append(make_snapshot(GONE, 0, 4)) == Appended(0, 0, 0)
    assert mentions(tmp_path / "copy", GONE) == []


def test_retain_deletes_what_is_old_but_what_counts(tmp_path: Path) -> None:
    store = Store(tmp_path, buckets=2)
    for day in (0, 10, 20, 40):
        store.append(make_snapshot("A", day, 4))
    store.append(make_snapshot("A", 15, 1))  # quarantined
    store.append(make_snapshot("B", 0, 2))
    before: dict[str, Any] = {
        row["snapshot_id"]: row["status"]
        for row in store.history().snapshots.iter_rows(named=True)
    }
    now = DAY_ONE + timedelta(days=60)
    done = store.retain(30, now=now)
    assert (done.snapshots, done.rows) == (3, 2 * 12 + 3)
    after = store.history().snapshots
    assert set(after["snapshot_id"]) == {"A/20/4", "A/40/4", "B/0/2"}
    assert all(
        before[row["snapshot_id"]] == row["status"]
        for row in after.iter_rows(named=True)
    )
    assert store.check().is_empty()
    old = f"snapshot_date={DAY_ONE.date() + timedelta(days=10)}"
    assert not list(tmp_path.rglob(f"{old}/**/*.parquet"))
    assert store.retain(30, now=now).snapshots == 0
    with pytest.raises(ConfigError, match="days=0"):
        store.retain(0)
    with pytest.raises(ConfigError, match="time zone"):
        store.retain(1, now=datetime(2026, 1, 1))  # noqa: DTZ001
    assert now.tzinfo == UTC
