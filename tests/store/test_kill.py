"""Killed at random instants: a few times here, sixty in benchmarks/bench_kill.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.kill import FAULTS, Killed, kill_inbox, kill_store
from benchmarks.kill_upkeep import UPKEEP

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("run", [kill_store, kill_inbox])
def test_a_killed_writer_loses_and_tears_nothing(
    tmp_path: Path, run: Callable[..., Killed]
) -> None:
    counted = run(tmp_path, kills=3)
    assert counted.acknowledged > 0
    assert counted.reads > 0
    assert counted.stored >= counted.acknowledged
    assert {fault: getattr(counted, fault) for fault in FAULTS} == dict.fromkeys(
        FAULTS, 0
    )


@pytest.mark.parametrize("verb", ["erase", "compact", "rebucket"])
def test_killed_upkeep_damages_nothing_and_can_be_done_again(
    tmp_path: Path, verb: str
) -> None:
    counted = UPKEEP[verb](tmp_path, kills=1, span=0.15)
    assert counted.reads >= 2
    assert counted.stored > 0
    assert {fault: getattr(counted, fault) for fault in FAULTS} == dict.fromkeys(
        FAULTS, 0
    )
