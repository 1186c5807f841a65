"""The Delta tables under a store: made, appended to, scanned. The only deltalake.

One table per frame, partitioned by UTC date and bucket, append only. Rows carry the
`batch_id` of the append that wrote them, and `row_no`, their place in the payload.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl
from deltalake import (
    CommitProperties,
    DeltaTable,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake import Schema as DeltaSchema
from deltalake.exceptions import DeltaError, TableNotFoundError

from holdings_kit.errors import ConfigError, StoreError
from holdings_kit.schema import (
    BASKETS,
    HOLDINGS,
    INSTANT,
    LISTINGS,
    REJECTS,
    SNAPSHOTS,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date, datetime

    from deltalake.transaction import AddAction

__all__ = [
    "DECISIONS",
    "TABLES",
    "Tables",
    "bucket_of",
    "with_bucket",
    "with_partition",
]

PARTITION: Final = {"snapshot_date": pl.Date(), "bucket": pl.Int32()}
_WRITTEN: Final = {"row_no": pl.Int64(), "batch_id": pl.String()}
_DERIVED: Final = ("status", "status_reason")  # of all snapshots, at reading

DECISIONS: Final = pl.Schema(
    {
        "snapshot_id": pl.String(),
        "account_id": pl.String(),
        "decision": pl.String(),  # promoted
        "reason": pl.String(),
        "decided_at": INSTANT,
    }
)

STORED: Final = pl.Schema(
    {
        **{name: kind for name, kind in SNAPSHOTS.items() if name not in _DERIVED},
        "rows_count": pl.Int64(),  # holdings and basket rows
        "doubt": pl.String(),  # why the door that read it quarantined it
        "brokers": pl.List(pl.String()),  # all that are named, sorted
        "kinds": pl.List(pl.String()),  # securities, mutual funds
        "batch_id": pl.String(),
    }
)

TABLES: Final = {
    "snapshots": pl.Schema({**STORED, **PARTITION}),
    "holdings": pl.Schema({**HOLDINGS, **_WRITTEN, **PARTITION}),
    "listings": pl.Schema({**LISTINGS, **_WRITTEN, **PARTITION}),
    "baskets": pl.Schema({**BASKETS, **_WRITTEN, **PARTITION}),
    "rejects": pl.Schema({**REJECTS, "batch_id": pl.String()}),
    "decisions": pl.Schema({**DECISIONS, **PARTITION}),
}
"""Table name → its columns, in the order in which an append writes them."""

_RETRIES: Final = 100  # of a commit that another writer overtook


def bucket_of(account_id: str, buckets: int) -> int:
    """Tell the bucket of an account: CRC-32 of its UTF-8 bytes, modulo `buckets`.

    Examples
    --------
    >>> bucket_of("AB1234", 64)
    60
    """
    return zlib.crc32(account_id.encode()) % buckets


def with_bucket(frame: pl.DataFrame, buckets: int) -> pl.DataFrame:
    """Add the `bucket` of each `account_id`; an unknown account is in bucket 0."""
    names = frame["account_id"].unique()
    keys = names.cast(pl.Binary()).to_list()  # the CRC-32 of nothing is 0
    hashed = [zlib.crc32(key or b"") % buckets for key in keys]
    places = pl.DataFrame(
        [names, pl.Series("bucket", hashed, dtype=PARTITION["bucket"])]
    )
    return frame.join(
        places, on="account_id", how="left", nulls_equal=True, maintain_order="left"
    )


def with_partition(frame: pl.DataFrame, buckets: int) -> pl.DataFrame:
    """Add `bucket` and `snapshot_date`, the date of `snapshot_at` in UTC, or null."""
    return with_bucket(frame, buckets).with_columns(
        snapshot_date=pl.col("snapshot_at").dt.date()
    )


class Tables(NamedTuple):
    """Where the tables are, and how to get there; the storage options stay hidden."""

    root: str
    storage_options: Mapping[str, str] | None
    listed: Mapping[str, pl.DataFrame] | None = None  # files known beforehand

    def __repr__(self) -> str:
        return f"Tables({self.root!r})"

    def uri(self, table: str) -> str:
        """Give the address of one table."""
        return f"{self.root}/{table}"

    def open(self, table: str, known_at: datetime | None = None) -> DeltaTable | None:
        """Open a table as it is, or as it was; None where it does not exist yet."""
        try:
            opened = DeltaTable(self.uri(table), storage_options=self.options())
            if known_at is not None:
                opened.load_as_version(known_at)
        except TableNotFoundError:
            return None
        except DeltaError as error:
            raise StoreError(f"{self.uri(table)}: cannot be opened: {error}") from None
        return opened

    def buckets(self) -> int | None:
        """Read the number of buckets the store was made with."""
        opened = self.open("snapshots")
        return None if opened is None else int(_described(opened, self.root))

    def create(self, buckets: int) -> None:
        """Make every table that is not there yet; harmless when two do it at once."""
        for table, schema in TABLES.items():
            try:
                DeltaTable.create(
                    self.uri(table),
                    DeltaSchema.from_arrow(schema),
                    mode="ignore",
                    partition_by=[name for name in PARTITION if name in schema],
                    description=json.dumps({"buckets": buckets}),
                    storage_options=self.options(),
                )
            except DeltaError as error:
                if self.open(table) is None:  # nobody else made it meanwhile
                    uri = self.uri(table)
                    raise StoreError(f"{uri}: cannot be made: {error}") from None

    def append(self, table: str, frame: pl.DataFrame) -> None:
        """Append a frame in one commit; a frame without rows makes none."""
        if frame.is_empty():
            return
        try:
            write_deltalake(
                self.uri(table),
                frame.select(TABLES[table].names()),
                mode="append",
                writer_properties=WriterProperties(compression="ZSTD"),
                commit_properties=CommitProperties(max_commit_retries=_RETRIES),
                storage_options=self.options(),
            )
        except (DeltaError, OSError) as error:
            raise StoreError(f"{self.uri(table)}: cannot append: {error}") from None

    def add(
        self, table: str, actions: list[AddAction], marks: Mapping[str, int]
    ) -> None:
        """Add files that are written already, and marks, in one commit."""
        opened = self.open(table)
        if opened is None:
            raise StoreError(f"{self.uri(table)}: is not there")
        try:
            opened.create_write_transaction(
                [*actions],
                mode="append",
                schema=opened.schema(),
                partition_by=[name for name in PARTITION if name in TABLES[table]],
                commit_properties=CommitProperties(
                    max_commit_retries=_RETRIES,
                    app_transactions=[Transaction(*mark) for mark in marks.items()],
                ),
            )
        except DeltaError as error:
            raise StoreError(f"{self.uri(table)}: cannot commit: {error}") from None

    def compact(self, table: str) -> int:
        """Join small files of one date and bucket; gives how many went into others."""
        opened = self.open(table)
        if opened is None:
            return 0
        try:
            done = opened.optimize.compact(
                writer_properties=WriterProperties(compression="ZSTD"),
                commit_properties=CommitProperties(max_commit_retries=_RETRIES),
            )
        except DeltaError as error:
            raise StoreError(f"{self.uri(table)}: cannot compact: {error}") from None
        return int(done["numFilesRemoved"])

    def vacuum(self, table: str, hours: int) -> int:
        """Delete files no version since so many hours needs; gives how many."""
        opened = self.open(table)
        if opened is None:
            return 0
        try:
            gone = opened.vacuum(
                retention_hours=hours,
                dry_run=False,
                enforce_retention_duration=False,
                full=True,
            )
        except DeltaError as error:
            raise StoreError(f"{self.uri(table)}: cannot vacuum: {error}") from None
        return len(gone)

    def files(self, table: str, known_at: datetime | None = None) -> pl.DataFrame:
        """List the files of a table: `path`, and the partition where it has one."""
        if self.listed is not None and table in self.listed:
            return self.listed[table]
        keys = [name for name in PARTITION if name in TABLES[table]]
        opened = self.open(table, known_at)
        if opened is None:
            blank = {"path": pl.String(), **{key: PARTITION[key] for key in keys}}
            return pl.DataFrame(schema=blank)
        return pl.DataFrame(opened.get_add_actions(flatten=True)).select(
            "path", *(pl.col(f"partition.{key}").alias(key) for key in keys)
        )

    def by_bucket(self, buckets: int, known_at: datetime | None) -> list[Tables]:
        """List the files of every bucket, with one look at each log.

        All see the same commits, and opening a bucket does not cost more the more
        buckets there are.
        """
        lists: list[dict[str, pl.DataFrame]] = [{} for _ in range(buckets)]
        for table in TABLES:
            if "bucket" not in TABLES[table]:
                continue
            judging = table in ("snapshots", "decisions")  # rows follow from them
            files = self.files(table, known_at if judging else None)
            parts = files.partition_by("bucket", as_dict=True)
            for number, held in enumerate(lists):
                held[table] = parts.get((number,), files.clear())
        return [self._replace(listed=held) for held in lists]

    def partitions(self, table: str) -> list[tuple[date | None, int]]:
        """List the dates and buckets that a table has rows of."""
        keys = list(PARTITION)
        return self.files(table).select(keys).unique().sort(keys).rows()

    def scan(
        self,
        table: str,
        *,
        dates: Collection[date | None] | None = None,
        buckets: Collection[int] | None = None,
        known_at: datetime | None = None,
    ) -> pl.LazyFrame:
        """Scan the files of some dates and buckets, without the partition columns.

        The files are picked from the log, so others are not even opened. None for
        `dates` or `buckets` means all.
        """
        schema = pl.Schema(
            {
                name: kind
                for name, kind in TABLES[table].items()
                if name not in PARTITION
            }
        )
        files = self.files(table, known_at)
        if dates is not None and "snapshot_date" in files:
            wanted = pl.Series(list(dates), dtype=pl.Date())
            files = files.filter(
                pl.col("snapshot_date").is_in(wanted.implode(), nulls_equal=True)
            )
        if buckets is not None and "bucket" in files:
            files = files.filter(pl.col("bucket").is_in(list(buckets)))
        if files.is_empty():
            return pl.LazyFrame(schema=schema)
        return pl.scan_parquet(
            [f"{self.uri(table)}/{path}" for path in files["path"].sort()],
            schema=schema,
            hive_partitioning=False,
            glob=False,
            storage_options=self.options(),
        )

    def options(self) -> dict[str, str] | None:
        """Give the storage options as the libraries take them."""
        return dict(self.storage_options) if self.storage_options else None


def _described(opened: DeltaTable, root: str) -> int:
    try:
        return int(json.loads(opened.metadata().description)["buckets"])
    except (KeyError, TypeError, ValueError):
        raise ConfigError(f"{root}: holds Delta tables, but not of a Store") from None
