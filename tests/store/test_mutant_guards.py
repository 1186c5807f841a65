"""Laws that nothing else would notice broken; `benchmarks/mutants.py` breaks them."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from benchmarks.deliveries import SECRET, webhook
from benchmarks.mutants import MUTANTS, ROOT
from holdings_kit.clients._inbox import decide
from holdings_kit.errors import StoreError
from holdings_kit.store import Store, _log as log
from holdings_kit.store._disk import publish
from tests.store.conftest import DAY_ONE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.store.conftest import Make


def test_every_mutant_still_finds_its_place() -> None:
    for mutant in MUTANTS:
        text = (ROOT / "holdings_kit" / mutant.file).read_text()
        assert mutant.old in text, mutant.name
        assert mutant.old != mutant.new
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 40


def test_a_checksum_is_compared_in_constant_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert decide(webhook("a1"), SECRET).status == 200
    assert decide(webhook("a1", checksum="0" * 64), SECRET).status == 401
    assert [real(*pair) for pair in compared].count(True) == 1
    assert len(compared) == 4


def test_a_published_name_is_never_given_again(tmp_path: Path) -> None:
    (tmp_path / "writing").mkdir()
    target = tmp_path / "entry"
    assert publish(b"first", target, writing=tmp_path / "writing")
    assert not publish(b"second", target, writing=tmp_path / "writing")
    assert target.read_bytes() == b"first"
    assert list((tmp_path / "writing").iterdir()) == []


def test_an_entry_is_written_only_after_the_one_before_is_flushed(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.append(make("A", 0, 1))
    done: list[str] = []
    real_flush, real_publish = log.flush_folder, log.publish

    def flush(folder: Path) -> None:
        done.append("flush")
        real_flush(folder)

    def put(body: bytes, target: Path, *, writing: Path) -> bool:
        done.append("entry")
        return real_publish(body, target, writing=writing)

    monkeypatch.setattr(log, "flush_folder", flush)
    monkeypatch.setattr(log, "publish", put)
    store.append(make("B", 0, 1))
    assert done == ["flush", "entry"] * 3  # holdings, listings, snapshots


def test_two_that_compact_at_once_do_not_double_rows(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = Store(tmp_path), Store(tmp_path)
    for number in range(3):
        store.append(make(f"A{number}", 0, 2))
    monkeypatch.setattr("holdings_kit.store._files._make_sure_of", _meanwhile(other))
    with pytest.raises(StoreError, match="changed meanwhile"):
        store.compact()
    monkeypatch.undo()
    assert store.current().holdings.height == 6
    assert store.check().is_empty()


def _meanwhile(other: Store) -> Callable[..., None]:
    from holdings_kit.store import _files as files

    real, turns = files._make_sure_of, list[str]()

    def check(*arguments: Any) -> None:
        real(*arguments)
        if not turns:
            turns.append("other")
            other.compact()

    return check


@pytest.mark.parametrize(("rows", "status"), [(5, "current"), (4, "quarantined")])
def test_the_share_of_rows_at_the_limit_is_plausible(
    tmp_path: Path, make: Make, rows: int, status: str
) -> None:
    store = Store(tmp_path, few_rows=0.5)
    store.append(make("A", 0, 10))
    store.append(make("A", 1, rows))
    last = store.history().snapshots.filter(snapshot_id=f"A/1/{rows}")
    assert last["status"].item() == status


@pytest.mark.parametrize(
    ("after", "status"),
    [(timedelta(days=1), "current"), (timedelta(days=1, seconds=1), "quarantined")],
)
def test_a_snapshot_of_just_a_day_ahead_is_plausible(
    tmp_path: Path, make: Make, after: timedelta, status: str
) -> None:
    store = Store(tmp_path)
    loaded = make("A", 0, 2)
    early = pl.lit(DAY_ONE - after).cast(loaded.snapshots.schema["fetched_at"])
    snapshots = loaded.snapshots.with_columns(fetched_at=early)
    store.append(loaded._replace(snapshots=snapshots))
    assert store.history().snapshots["status"].item() == status
