"""An inbox has a file for each delivery: they are read together, and lose nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polars.testing import assert_frame_equal

import holdings_kit as hk
from benchmarks.deliveries import SECRET, webhook
from holdings_kit.read import _payloads as payloads
from holdings_kit.read._texts import choose_block
from holdings_kit.store import Store, Threads
from holdings_kit.store._tables import Tables

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from deltalake import DeltaTable

    from holdings_kit.store._store import Part

PLACE = ("file", "line_no")


def test_many_small_files_are_read_as_their_lines_in_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = [webhook(f"a{number}", number, 3) for number in range(1200)]
    bodies[700] = b'{"securities": ['
    folder = tmp_path / "inbox"
    folder.mkdir()
    for number, body in enumerate(bodies):
        suffix = "ndjson" if number % 3 == 0 else "json"
        (folder / f"{number:05}.{suffix}").write_bytes(body)
    (tmp_path / "dump.ndjson").write_bytes(b"\n".join(bodies))

    calls: list[int] = []
    read = payloads.dumps.read

    def count(parts: list[object], add: object) -> hk.Loaded:
        calls.append(len(parts))
        return read(parts, add)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(payloads.dumps, "read", count)
    small = hk.read_webhooks(folder, api_secret=SECRET)
    assert sorted(calls) == [200, 500, 500]
    whole = hk.read_webhooks(tmp_path / "dump.ndjson", api_secret=SECRET)
    assert small.snapshots.height == 1199
    for name in ("snapshots", "holdings", "listings", "baskets"):
        one, other = (getattr(loaded, name) for loaded in (small, whole))
        assert_frame_equal(*(f.drop(*PLACE, strict=False) for f in (one, other)))
    assert_frame_equal(*(f.rejects.drop(*PLACE) for f in (small, whole)))
    assert small.rejects["file"][0].endswith("00700.json")


def test_a_scan_writes_many_small_files_as_one_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "inbox"
    folder.mkdir()
    bodies = [webhook(f"a{number}") for number in range(300)]
    bodies[70] = b'{"securities": ['
    for number, body in enumerate(bodies):
        suffix = "ndjson" if number % 3 == 0 else "json"
        (folder / f"{number:05}.{suffix}").write_bytes(body)
    written: list[int] = []
    opened: list[str] = []
    write, open_table = Store.write_part, Tables.open

    def count_parts(store: Store, loaded: hk.Loaded, *, look_up: bool = True) -> Part:
        written.append(loaded.snapshots.height)
        return write(store, loaded, look_up=look_up)

    def count_opened(tables: Tables, table: str, at: None = None) -> DeltaTable | None:
        opened.append(table)
        return open_table(tables, table, at)

    monkeypatch.setattr(Store, "write_part", count_parts)
    monkeypatch.setattr(Tables, "open", count_opened)
    scanned, spread = Store(tmp_path / "one"), Store(tmp_path / "two")
    first = hk.scan_webhooks(folder, into=scanned, progress=False)
    other = hk.scan_webhooks(folder, into=spread, progress=False, on=Threads(2))
    assert written == [299, 299]
    assert first.deliveries == other.deliveries == 299
    opened.clear()
    (folder / "99999.json").write_bytes(webhook("late"))
    again = hk.scan_webhooks(folder, into=scanned, progress=False)
    assert (again.deliveries, again.skipped) == (1, 300)
    assert written == [299, 299, 1]
    assert len(opened) < 30, "not once for each file"
    whole = Store(tmp_path / "whole")
    whole.append(hk.read_webhooks(folder))
    whole_rows, scanned_rows = whole.history(), scanned.history()
    for left, right in zip(whole_rows, scanned_rows, strict=True):
        assert_frame_equal(left, right)


def test_a_dump_is_cut_so_that_all_cores_end_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("holdings_kit.read._texts.ENOUGH", 2000)
    path, packed = tmp_path / "dump.ndjson", tmp_path / "dump.ndjson.gz"
    path.write_bytes(b"x" * 37_000)
    packed.write_bytes(b"\x1f\x8b" + b"x" * 37_000)
    assert choose_block(path, 8000) == 6167, "six blocks, not four and a half"
    assert choose_block(path, 24_000) == 18_500, "one for each core"
    assert choose_block(path, 100_000) == 18_500
    assert choose_block(path, 1000) == 1000
    assert choose_block(packed, 8000) == 8000
    path.write_bytes(b"x" * 3000)
    assert choose_block(path, 8000) == 8000, "too little to share"
