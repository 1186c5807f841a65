"""An inbox has a file for each delivery: they are read together, and lose nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polars.testing import assert_frame_equal

import holdings_kit as hk
from benchmarks.deliveries import SECRET, webhook
from holdings_kit.read import _payloads as payloads

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

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
