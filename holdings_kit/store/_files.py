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
from holdings_kit.store._disk import flush, make_folder, new_file
from holdings_kit.store._tables import PARTITION, TABLES, Tables, with_bucket

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

COMMIT_ORDER: Final = (*(name for name in TABLES if name != "snapshots"), "snapshots")
"""The snapshots come last: their commit makes the rows count."""

_SMALL: Final = 64 << 20  # bytes; smaller files are joined
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
    parts = [part for named in frames.items() for part in _cut_into_parts(*named)]
    packed = [BytesIO() for _ in parts]
    sinks = [
        _plan_file(part.rows, file) for part, file in zip(parts, packed, strict=True)
    ]
    pl.collect_all(sinks, engine="streaming")  # costs less than one by one
    return [_put_file(tables, *named) for named in zip(parts, packed, strict=True)]


def _plan_file(
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


def _cut_into_parts(table: str, frame: pl.DataFrame) -> Iterator[_Part]:
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

    On a local disk all files are flushed before the first commit.

    Raises
    ------
    StoreError
        A file is gone or not whole, or the storage refused; readers see no change.
    """
    files = list(written)
    _make_sure_of(tables, files)
    for table in COMMIT_ORDER:
        actions = [_write_add_action(file) for file in files if file.table == table]
        kept = (marks or {}) if table == "snapshots" else dict[str, int]()
        if actions or kept:
            tables.add(table, actions, kept)


def join_files(tables: Tables, table: str) -> int:
    """Join small files of one date and bucket; gives how many went into others."""
    if tables.folder is None:
        return tables.compact(table)
    files = tables.files(table)
    keys = [key for key in PARTITION if key in files.columns]
    small = files.filter(pl.col("size_bytes") < _SMALL)
    groups = small.partition_by(keys) if keys else [small]
    joined = 0
    for group in groups:
        if group.height > 1:
            rewrite(tables, table, group, operation="OPTIMIZE")
            joined += group.height
    return joined


def rewrite(
    tables: Tables,
    table: str,
    gone: pl.DataFrame,
    *,
    keep: pl.Expr | None = None,
    operation: str,
) -> None:
    """Put the rows of files of one date and bucket, or those to keep, in a new file."""
    rows = tables.scan_files(table, gone["path"].to_list())
    kept = (rows if keep is None else rows.filter(keep)).collect()
    keyed = {key: gone[key][0] for key in PARTITION if key in gone.columns}
    whole = kept.with_columns(
        pl.lit(value, dtype=PARTITION[key]).alias(key) for key, value in keyed.items()
    )
    order = [key for key in ("account_id", "snapshot_id", "row_no") if key in kept]
    if order:
        whole = whole.sort(order, maintain_order=True)
    files = write_files(tables, {table: whole})
    _make_sure_of(tables, files)
    tables.replace(
        table, gone, [_write_add_action(file) for file in files], operation=operation
    )


def _make_sure_of(tables: Tables, files: Iterable[Written]) -> None:
    """Check that every file is there and whole, and flush it."""
    paths = [(f"{tables.uri(file.table)}/{file.path}", file) for file in files]
    for path, file in paths:
        try:
            if tables.folder is None:
                pl.scan_parquet(path, storage_options=tables.options()).collect_schema()
            elif (size := Path(path).stat().st_size) != file.size:
                raise StoreError(
                    f"{path}: has {size} of {file.size} bytes; write again"
                )
        except (OSError, pl.exceptions.PolarsError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise StoreError(
                f"{path}: cannot be committed: {why}; write the part again"
            ) from None
    if tables.folder is not None:
        try:
            flush([Path(path) for path, _ in paths], root=tables.folder)
        except OSError as error:
            raise StoreError(f"{tables.root}: cannot flush: {error}") from None


def _put_file(tables: Tables, part: _Part, packed: BytesIO) -> Written:
    """Put a file in its place; readers seek its footer by its exact size."""
    table, day, bucket, rows = part
    folder = "" if bucket is None else f"snapshot_date={day or _NULL}/bucket={bucket}/"
    path = f"{folder}part-{uuid4().hex}.zstd.parquet"
    target = f"{tables.uri(table)}/{path}"
    try:
        if tables.folder is None:
            _plan_file(rows, target, tables.options()).collect(engine="streaming")
        else:
            make_folder(Path(target).parent)
            new_file(Path(target), packed.getbuffer(), flushed=False)  # at the commit
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error}") from None
    size, now = packed.getbuffer().nbytes, time.time_ns() // 1_000_000
    return Written(table, path, size, rows.height, day, bucket, now)


def _write_add_action(file: Written) -> AddAction:
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
