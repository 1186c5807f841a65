"""Stores of other formats: older ones are read and mended, newer ones refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl
import pytest
from deltalake import DeltaTable

from holdings_kit.errors import ConfigError, StoreError
from holdings_kit.store import Appended, Store, _tables as tables

if TYPE_CHECKING:
    from pathlib import Path

    from tests.store.conftest import Make


def old_store(path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store as format 1 wrote it: no format, no count of listings."""
    schema = tables.TABLES["snapshots"]
    newer = ("listings_count", "funds_count", "scope")
    older = pl.Schema((k, v) for k, v in schema.items() if k not in newer)
    with monkeypatch.context() as patch:
        patch.setitem(tables.TABLES, "snapshots", older)
        patch.setattr(tables, "FORMAT", 1)
        Store(path, buckets=2).append(make("A", 0, 3))


def described(path: Path) -> dict[str, int]:
    return json.loads(DeltaTable(path / "snapshots").metadata().description)


def test_an_older_store_is_read_and_gets_what_it_lacks_at_the_next_append(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_store(tmp_path, make, monkeypatch)
    store = Store(tmp_path)
    assert store.current().holdings.height == 3
    assert described(tmp_path)["format"] == 1
    assert store.append(make("A", 0, 3)) == Appended(0, 1, 0)
    assert store.append(make("B", 0, 2)) == Appended(1, 0, 0)
    assert described(tmp_path) == {"buckets": 2, "format": 3, "oldest": 1}
    assert store.current().listings.height == 10
    assert store.check().is_empty()
    names = [field.name for field in DeltaTable(tmp_path / "snapshots").schema().fields]
    assert "listings_count" in names


def test_a_store_of_a_later_format_is_refused_in_words(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tables, "FORMAT", 4)
        Store(tmp_path).append(make("A", 0, 3))
    with pytest.raises(StoreError, match=r"format 4.* up to 3; upgrade holdings-kit"):
        Store(tmp_path)


def test_a_column_that_this_version_does_not_know_is_left_alone(
    tmp_path: Path, make: Make
) -> None:
    store = Store(tmp_path)
    store.append(make("A", 0, 3))
    for path in (tmp_path / "holdings").rglob("*.parquet"):
        frame = pl.read_parquet(path, hive_partitioning=False)
        frame.with_columns(mood=pl.lit("fine")).write_parquet(path)
    assert store.current().holdings.height == 3


def test_other_delta_tables_are_no_store(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_delta(tmp_path / "snapshots")
    with pytest.raises(ConfigError, match="not of a Store"):
        Store(tmp_path)
