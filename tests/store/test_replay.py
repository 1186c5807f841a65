"""Replay: the recorded bytes again, damaged the same way for one seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from polars.testing import assert_frame_equal

import holdings_kit as hk
from benchmarks.deliveries import SECRET, webhook
from holdings_kit.clients import Inbox, replay
from holdings_kit.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

BODIES = [webhook(f"a{number % 4}", number / 8) for number in range(40)]


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "dump.ndjson"
    path.write_bytes(b"\n".join(BODIES))
    return path


def test_undamaged_is_the_recording(dump: Path) -> None:
    got: list[bytes] = []
    assert replay(dump, into=got.append) == (40, 40, 0, 0, 0)
    assert got == BODIES


def test_damage_is_as_asked_and_the_same_for_one_seed(dump: Path) -> None:
    def run(seed: int) -> list[bytes]:
        got: list[bytes] = []
        done = replay(
            dump, into=got.append, reorder=0.5, duplicate=0.3, drop=0.2, seed=seed
        )
        assert done.recorded == 40
        assert done.delivered == len(got) == 40 - done.dropped + done.duplicated
        assert len(set(got)) == 40 - done.dropped
        assert 0 < done.dropped < 20
        assert 0 < done.duplicated < 25
        assert got != [body for body in BODIES if body in set(got)]
        return got

    assert run(7) == run(7)
    assert run(7) != run(8)


def test_speed_keeps_the_recorded_pace(dump: Path) -> None:
    pauses: list[float] = []
    replay(dump, into=len, speed=3600, sleep=pauses.append)
    assert pauses == pytest.approx([0] + [3.0] * 39)  # an eighth of a day is 3 hours


def test_into_a_folder_for_a_reader(dump: Path, tmp_path: Path) -> None:
    replay(dump, into=tmp_path / "again", reorder=1, seed=3)
    again, first = hk.read_webhooks(tmp_path / "again"), hk.read_webhooks(dump)
    assert_frame_equal(again.holdings, first.holdings, check_row_order=False)


def test_a_damaged_replay_through_the_inbox_gives_the_same_store(
    dump: Path, tmp_path: Path
) -> None:
    whole = hk.Store(tmp_path / "whole")
    whole.append(hk.read_webhooks(dump, api_secret=SECRET))
    inbox, store = Inbox(tmp_path / "in", api_secret=SECRET), hk.Store(tmp_path / "st")
    replay(dump, into=inbox, reorder=1, duplicate=1, seed=5)
    for path in sorted(inbox.accepted.rglob("*.json"), key=lambda path: path.name):
        store.append(hk.read_webhooks(path, api_secret=SECRET))
    place = ["file", "line_no"]
    for ours, theirs in zip(store.history(), whole.history(), strict=True):
        drop = [name for name in place if name in ours.columns]
        assert_frame_equal(ours.drop(drop), theirs.drop(drop))


@pytest.mark.parametrize("wrong", [{"drop": 2}, {"reorder": -1}, {"speed": 0}])
def test_bad_calls_say_so(dump: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        replay(dump, into=len, **wrong)
