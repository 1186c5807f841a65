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
from holdings_kit.store._tables import PARTITION, TABLES, Tables, with_bucket

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


def write_files(tables: Tables, frames: Mapping[str, pl.DataFrame]) -> list[Written]:
    """Write the rows of some tables, one file for each date and bucket.

    Rows of one date and bucket stand together, or they get several files.
    The files have no statistics: in one of a date and bucket, all accounts and all
    names are in one row group, and no reader could leave it out.
    """
    parts = [part for named in frames.items() for part in _parts(*named)]
    packed = [BytesIO() for _ in parts]
    sinks = [_sink(part.rows, file) for part, file in zip(parts, packed, strict=True)]
    pl.collect_all(sinks, engine="streaming")  # costs less than one by one
    return [_write(tables, *named) for named in zip(parts, packed, strict=True)]


def _sink(
    rows: pl.DataFrame, target: str | BytesIO, options: dict[str, str] | None = None
) -> pl.LazyFrame:
    """Plan a file: level 2 packs as small as 3, the default, in less time."""
    return rows.lazy().sink_parquet(
        target,
        compression="zstd",
        compression_level=2,
        statistics=False,
        storage_options=options,
        lazy=True,
    )


class _Part(NamedTuple):
    table: str
    day: date | None
    bucket: int | None
    rows: pl.DataFrame  # without the partition


def _parts(table: str, frame: pl.DataFrame) -> Iterator[_Part]:
    """Cut a frame where the partition changes; nothing is copied."""
    rows = frame.select(name for name in TABLES[table] if name not in PARTITION)
    if rows.width == len(TABLES[table]):
        if rows.height:
            yield _Part(table, None, None, rows)
        return
    start = 0
    for run in frame.select(pl.struct(*PARTITION).rle()).to_series():
        end = start + run["len"]
        day, bucket = run["value"].values()
        yield _Part(table, day, bucket, rows[start:end])
        start = end


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


def _write(tables: Tables, part: _Part, packed: BytesIO) -> Written:
    """Put a file in its place; readers seek its footer by its exact size."""
    table, day, bucket, rows = part
    folder = "" if bucket is None else f"snapshot_date={day or _NULL}/bucket={bucket}/"
    path = f"{folder}part-{uuid4().hex}.zstd.parquet"
    target = f"{tables.uri(table)}/{path}"
    try:
        if "://" in target:
            _sink(rows, target, tables.options()).collect(engine="streaming")
        else:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            Path(target).write_bytes(packed.getbuffer())
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error}") from None
    size, now = packed.getbuffer().nbytes, time.time_ns() // 1_000_000
    return Written(table, path, size, rows.height, day, bucket, now)


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
        yield from write_files(target, {table: source.scan(table).collect()})
        return
    for day, bucket in source.partitions(table):
        rows = source.scan(table, dates=[day], buckets=[bucket]).collect()
        placed = with_bucket(rows, buckets).sort("bucket", maintain_order=True)
        dated = placed.with_columns(snapshot_date=pl.lit(day, dtype=pl.Date()))
        yield from write_files(target, {table: dated})
