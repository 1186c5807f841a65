"""Parquet files written beside a table and added to it later, many in one commit.

For many writers: each writes files of its own that no reader sees; one driver commits
them all at once. Files whose commit never came are swept by `Store.vacuum`.
"""

from __future__ import annotations

import json
import time
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import uuid4

import polars as pl
from deltalake.transaction import AddAction

from holdings_kit.errors import StoreError
from holdings_kit.store.tables import PARTITION, TABLES, Tables, buckets_of, with_bucket

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

__all__ = ["Written", "commit_files", "move", "write_files"]

_NULL: Final = "__HIVE_DEFAULT_PARTITION__"  # how Delta names the folder of null


class Written(NamedTuple):
    """A file that waits for its commit; plain values, to send between processes."""

    table: str
    path: str  # relative to the table
    size: int  # bytes
    rows: int
    snapshot_date: date | None
    bucket: int | None
    written_at: int  # ms since 1970, for the log only


def write_files(tables: Tables, table: str, frame: pl.DataFrame) -> list[Written]:
    """Write the rows of a frame, one file for each date and bucket."""
    keys = [name for name in PARTITION if name in TABLES[table]]
    parts = _parts(frame, keys) if keys else [frame]
    return [_write(tables, table, part) for part in parts if not part.is_empty()]


def _parts(frame: pl.DataFrame, keys: list[str]) -> list[pl.DataFrame]:
    """Cut a frame by its keys; where equal ones are neighbours, nothing is copied."""
    if frame.is_empty():
        return []
    changes = pl.any_horizontal(
        pl.col(key).ne_missing(pl.col(key).shift()) for key in keys
    )
    index = pl.int_range(pl.len())
    starts = frame.select(index.filter(changes | (index == 0))).to_series().to_list()
    heads = frame.select(pl.col(keys).gather(starts))
    if heads.is_duplicated().any():
        return frame.partition_by(keys)
    ends = [*starts[1:], frame.height]
    return [frame[start:end] for start, end in zip(starts, ends, strict=True)]


def commit_files(
    tables: Tables,
    written: Iterable[Written],
    marks: Mapping[str, int] | None = None,
) -> None:
    """Add files to their tables, one commit a table, the snapshots and marks last.

    Raises
    ------
    StoreError
        The storage refused; readers see no change.
    """
    files = list(written)
    order = [table for table in TABLES if table != "snapshots"] + ["snapshots"]
    for table in order:
        actions = [_action(file) for file in files if file.table == table]
        kept = (marks or {}) if table == "snapshots" else dict[str, int]()
        if actions or kept:
            tables.add(table, actions, kept)


def _write(tables: Tables, table: str, rows: pl.DataFrame) -> Written:
    keyed = [name for name in PARTITION if name in TABLES[table]]
    day, bucket = rows.select(keyed).row(0) if keyed else (None, None)
    folder = f"snapshot_date={day or _NULL}/bucket={bucket}/" if keyed else ""
    path = f"{folder}part-{uuid4().hex}.zstd.parquet"
    size = _write_parquet(
        rows.select(name for name in TABLES[table] if name not in PARTITION),
        f"{tables.uri(table)}/{path}",
        tables.options(),
    )
    now = time.time_ns() // 1_000_000
    return Written(table, path, size, rows.height, day, bucket, now)


def _write_parquet(
    frame: pl.DataFrame, target: str, options: dict[str, str] | None
) -> int:
    """Write a file and give its exact size: readers seek its footer by it."""
    packed = BytesIO()
    frame.write_parquet(packed, compression="zstd")
    try:
        if "://" in target:
            frame.write_parquet(target, compression="zstd", storage_options=options)
        else:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            Path(target).write_bytes(packed.getbuffer())
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error}") from None
    return packed.getbuffer().nbytes


def _action(file: Written) -> AddAction:
    day = None if file.snapshot_date is None else file.snapshot_date.isoformat()
    keyed = PARTITION.keys() & TABLES[file.table].keys()
    return AddAction(
        path=file.path,
        size=file.size,
        partition_values={"snapshot_date": day, "bucket": str(file.bucket)}
        if keyed
        else {},
        modification_time=file.written_at,
        data_change=True,
        stats=json.dumps({"numRecords": file.rows}),
    )


def move(
    source: Tables, target: Tables, table: str, *, buckets: int
) -> Iterator[Written]:
    """Write the rows of a table as files of another, spread over `buckets`.

    One date and bucket at a time, so memory is that of one.
    """
    if not PARTITION.keys() <= TABLES[table].keys():
        yield from write_files(target, table, source.scan(table).collect())
        return
    for day, bucket in source.partitions(table):
        rows = source.scan(table, dates=[day], buckets=[bucket]).collect()
        placed = with_bucket(
            rows, buckets_of(rows["account_id"], buckets)
        ).with_columns(snapshot_date=pl.lit(day, dtype=pl.Date()))
        yield from write_files(target, table, placed)
