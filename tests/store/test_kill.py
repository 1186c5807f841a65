"""Killed at random instants: a few times here, sixty in benchmarks/kill.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.kill import Killed, kill_inbox, kill_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("run", [kill_store, kill_inbox])
def test_a_killed_writer_loses_and_tears_nothing(
    tmp_path: Path, run: Callable[..., Killed]
) -> None:
    counted = run(tmp_path, kills=5)
    assert counted.acknowledged > 0
    assert counted.reads > 0
    assert counted.stored >= counted.acknowledged
    assert (counted.lost, counted.torn, counted.double) == (0, 0, 0)
    assert counted.failed_reads == 0
