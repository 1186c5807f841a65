"""The Delta tables under a store: made, appended to, scanned. The only deltalake.

One table per frame, partitioned by UTC date and bucket, append only. Rows carry the
`batch_id` of the append that wrote them, and `row_no`, their place in the payload.
"""

from __future__ import annotations

import json
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict
from urllib.parse import unquote

import polars as pl
from deltalake import (
    CommitProperties,
    DeltaTable,
    Schema as DeltaSchema,
    Transaction,
    WriterProperties,
)
from deltalake.exceptions import DeltaError, TableNotFoundError

from holdings_kit.errors import ConfigError, StoreError
from holdings_kit.schema import (
    BASKETS,
    HOLDINGS,
    INSTANT,
    LISTINGS,
    MONEY,
    REJECTS,
    SNAPSHOTS,
)
from holdings_kit.store._log import commit, evolve, make_table
from holdings_kit.wire._gateway_facts import weigh_average

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import date, datetime

    from deltalake.transaction import AddAction

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
        "listings_count": pl.Int64(),  # null in what format 1 wrote
        "funds_count": pl.Int64(),  # of the rows; null in what formats 1 and 2 wrote
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

FORMAT: Final = 3
"""Of what is written; columns may be added without a new one.

1 counted no listings, and its first rows own what the morning held, without the day's
trades; 1 and 2 did not say what was asked for. Both are read as if written today.
"""

TORN: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What reading a damaged file raises: polars panics over some."""

_TRADES_OWNED: Final = 3  # since this format every row owns what was traded that day
_RETRIES: Final = 100  # of a commit that another writer overtook


_POSITIONS: Final = [
    f"{exchange}.{name}"
    for exchange in ("nse", "bse")
    for name in ("quantity", "averagePrice")
]


def own_trades(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Count the trades of the day as owned in rows of the Gateway that do not yet.

    Such a row owns what its holding reports beside a position that is not 0. Its
    average is weighed with what was bought, as the row itself says in `extra`.
    """
    traded = pl.col("position_quantity")
    old = (pl.col("source") == "gateway") & (traded != 0)
    old &= pl.col("owned_quantity") == pl.col("reported_quantity")
    of_old = pl.when("_old").then(pl.col("extra"))
    said = of_old.str.json_decode(pl.Struct(dict.fromkeys(_POSITIONS, pl.String())))
    positions = [
        said.struct.field(name).cast(MONEY, strict=False).alias(name)
        for name in _POSITIONS
    ]
    names = rows.collect_schema().names()
    return (
        rows.with_columns(_old=old.fill_null(value=False))
        .with_columns(
            *positions, quantity="reported_quantity", averagePrice="average_price"
        )
        .with_columns(
            owned_quantity=pl.when("_old")
            .then((pl.col("owned_quantity") + traded).cast(MONEY))
            .otherwise("owned_quantity"),
            average_price=pl.when("_old")
            .then(weigh_average())
            .otherwise("average_price"),
        )
        .select(names)
    )


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
    oldest: int | None = None  # format that wrote the first rows, known beforehand

    def __repr__(self) -> str:
        return f"Tables({self.root!r})"

    def uri(self, table: str) -> str:
        """Give the address of one table."""
        return f"{self.root}/{table}"

    @property
    def folder(self) -> Path | None:
        """The folder that holds the tables; None for an object store."""
        return None if "://" in self.root else Path(self.root)

    @property
    def root_folder(self) -> Path:
        """The folder that holds the tables; refused for an object store."""
        if self.folder is None:
            raise StoreError(f"{self.root}: is not in a folder")
        return self.folder

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
        """Read the number of buckets the store was made with.

        Raises
        ------
        ConfigError
            There are Delta tables, but not of a store.
        StoreError
            A later version of this package wrote it.
        """
        described = self.describe()
        return None if described is None else described["buckets"]

    def describe(self) -> Described | None:
        """Read what the store says of itself; None where there is none yet."""
        opened = self.open("snapshots")
        return None if opened is None else _describe_table(opened, self.root)

    def create(self, buckets: int) -> None:
        """Make every table that is not there yet; harmless when two do it at once.

        A store of an older format gets the columns it lacks.
        """
        for table in TABLES:
            opened = self.open(table)
            try:
                if opened is None:
                    self._make_one(table, buckets)
                else:
                    self._evolve(table, opened)
            except (DeltaError, OSError) as error:
                if opened is not None or self.open(table) is None:
                    uri = self.uri(table)
                    raise StoreError(f"{uri}: cannot be made: {error}") from None

    def _make_one(self, table: str, buckets: int) -> None:
        schema = TABLES[table]

        def create(uri: str) -> None:
            DeltaTable.create(
                uri,
                DeltaSchema.from_arrow(schema),
                mode="ignore",
                partition_by=[name for name in PARTITION if name in schema],
                description=json.dumps(
                    {"buckets": buckets, "format": FORMAT, "oldest": FORMAT}
                ),
                storage_options=self.options(),
            )

        if self.folder is None:
            create(self.uri(table))
        else:
            make_table(self.folder / table, create)

    def _evolve(self, table: str, opened: DeltaTable) -> None:
        """Add the columns that the table lacks, and say of which format it is now."""
        described = _describe_table(opened, self.root)
        there = {field.name for field in opened.schema().fields}
        wanted = DeltaSchema.from_arrow(TABLES[table]).fields
        lacking = [field for field in wanted if field.name not in there]
        if not lacking and described["format"] == FORMAT:
            return
        text = json.dumps(described | {"format": FORMAT})

        def change(uri: str) -> None:
            found = DeltaTable(uri, storage_options=self.options())
            if lacking:
                found.alter.add_columns(lacking)
            found.alter.set_table_description(text)

        if self.folder is None:
            change(self.uri(table))
        else:
            evolve(self.folder / table, change)

    def add(
        self, table: str, actions: list[AddAction], marks: Mapping[str, int]
    ) -> None:
        """Add files that are written already, and marks, in one commit."""
        if self.folder is not None:
            adds = [{"add": _as_json(action)} for action in actions]
            now = time.time_ns() // 1_000_000
            kept = [
                {"txn": {"appId": name, "version": number, "lastUpdated": now}}
                for name, number in marks.items()
            ]
            try:
                commit(self.folder / table, [*adds, *kept])
            except OSError as error:
                uri = self.uri(table)
                raise StoreError(f"{uri}: cannot commit: {error}") from None
            return
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
        """Join small files of an object store; gives how many went into others."""
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

    def replace(
        self,
        table: str,
        gone: pl.DataFrame,
        actions: list[AddAction],
        *,
        operation: str,
    ) -> None:
        """Take files out of a table and put others in, in one commit of a folder.

        Parameters
        ----------
        gone
            Rows of `files`.
        actions
            Files that hold what of the rows is to stay.
        operation
            For the history of the table.
        """
        if self.folder is None:
            raise StoreError(f"{self.root}: only files of a folder can be replaced")
        removed = [
            {
                "remove": {
                    "path": row["path"],
                    "deletionTimestamp": time.time_ns() // 1_000_000,
                    "dataChange": operation != "OPTIMIZE",
                    "extendedFileMetadata": True,
                    "partitionValues": _list_partition_values(table, row),
                    "size": row["size_bytes"],
                }
            }
            for row in gone.iter_rows(named=True)
        ]
        changed = operation != "OPTIMIZE"
        adds = [{"add": _as_json(one) | {"dataChange": changed}} for one in actions]
        paths = set(gone["path"])
        try:
            commit(
                self.folder / table,
                [*removed, *adds],
                operation=operation,
                still_true=lambda: paths <= set(self.files(table)["path"]),
            )
        except OSError as error:
            raise StoreError(f"{self.uri(table)}: cannot commit: {error}") from None

    def vacuum(self, table: str, hours: int) -> int:
        """Delete files no version since so many hours needs; gives how many."""
        opened = self.open(table)
        if opened is None:
            return 0
        try:
            gone = opened.vacuum(
                retention_hours=hours,
                dry_run=self.folder is not None,
                enforce_retention_duration=False,
                full=True,
            )
            if self.folder is None:
                return len(gone)
            deleted = [self.folder / table / unquote(path) for path in gone]
            deleted = [path for path in deleted if path.exists()]
            for path in deleted:
                path.unlink(missing_ok=True)
        except (DeltaError, OSError) as error:
            raise StoreError(f"{self.uri(table)}: cannot vacuum: {error}") from None
        return len(deleted)

    def files(self, table: str, known_at: datetime | None = None) -> pl.DataFrame:
        """List the files of a table: `path`, size, rows, and the partition, if any."""
        if self.listed is not None and table in self.listed:
            return self.listed[table]
        keys = [name for name in PARTITION if name in TABLES[table]]
        facts = {
            "path": pl.String(),
            "size_bytes": pl.Int64(),
            "num_records": pl.Int64(),
        }
        opened = self.open(table, known_at)
        if opened is None:
            return pl.DataFrame(
                schema={**facts, **{key: PARTITION[key] for key in keys}}
            )
        return pl.DataFrame(opened.get_add_actions(flatten=True)).select(
            *facts, *(pl.col(f"partition.{key}").alias(key) for key in keys)
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
        oldest = self.oldest_format()
        return [self._replace(listed=held, oldest=oldest) for held in lists]

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
        files = self.files(table, known_at)
        if dates is not None and "snapshot_date" in files:
            wanted = pl.Series(list(dates), dtype=pl.Date())
            files = files.filter(
                pl.col("snapshot_date").is_in(wanted.implode(), nulls_equal=True)
            )
        if buckets is not None and "bucket" in files:
            files = files.filter(pl.col("bucket").is_in(list(buckets)))
        return self.scan_files(table, files["path"].sort().to_list())

    def scan_files(self, table: str, paths: Sequence[str]) -> pl.LazyFrame:
        """Scan files of a table, without the partition columns."""
        columns = TABLES[table].items()
        schema = pl.Schema((key, kind) for key, kind in columns if key not in PARTITION)
        if not paths:
            return pl.LazyFrame(schema=schema)
        rows = pl.scan_parquet(
            [f"{self.uri(table)}/{path}" for path in paths],
            schema=schema,
            hive_partitioning=False,
            glob=False,
            missing_columns="insert",  # of an older format
            extra_columns="ignore",  # of a newer one that only added
            storage_options=self.options(),
        )
        if table == "holdings" and self.oldest_format() < _TRADES_OWNED:
            return own_trades(rows)
        return rows

    def oldest_format(self) -> int:
        """Tell which format wrote the first rows; of a store that is not there: now."""
        if self.oldest is not None:
            return self.oldest
        opened = self.open("holdings")
        return (
            FORMAT if opened is None else _describe_table(opened, self.root)["oldest"]
        )

    def find_broken(
        self, *, buckets: Collection[int] | None = None, count: bool = False
    ) -> Iterator[tuple[str, str, str]]:
        """Name files that are missing or not whole: table, address, what is wrong.

        With `count` their rows are compared with the log as well.
        """
        for table in TABLES:
            files = self.files(table)
            if buckets is not None and "bucket" in files:
                files = files.filter(pl.col("bucket").is_in(list(buckets)))
            facts = files.select("path", "size_bytes", "num_records")
            for path, size, rows in facts.iter_rows():
                uri = f"{self.uri(table)}/{path}"
                why = self._say_what_is_wrong(uri, size, rows if count else None)
                if why is not None:
                    yield table, uri, why

    def _say_what_is_wrong(self, uri: str, size: int, rows: int | None) -> str | None:
        if self.folder is not None:
            try:
                there = Path(uri).stat().st_size
            except OSError as error:
                return "is missing" if not Path(uri).exists() else str(error.strerror)
            if there != size:
                return f"is not whole: {there} of {size} bytes"
        try:
            found = pl.scan_parquet(uri, storage_options=self.options())
            if rows is None:
                found.collect_schema()
            elif (held := found.select(pl.len()).collect().item()) != rows:
                return f"has {held} of {rows} rows"
        except TORN as error:
            return f"cannot be read: {str(error).splitlines()[0]}"
        return None

    def options(self) -> dict[str, str] | None:
        """Give the storage options as the libraries take them."""
        return dict(self.storage_options) if self.storage_options else None


class Described(TypedDict):
    """What the description of a table says of the store."""

    buckets: int
    format: int
    oldest: int  # format that wrote the first rows; 1 where an older one wrote this


def _describe_table(opened: DeltaTable, root: str) -> Described:
    try:
        found = json.loads(opened.metadata().description)
        facts = Described(
            buckets=int(found["buckets"]),
            format=int(found.get("format", 1)),
            oldest=int(found.get("oldest", 1)),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ConfigError(f"{root}: holds Delta tables, but not of a Store") from None
    if facts["format"] > FORMAT:
        raise StoreError(
            f"{root}: is of format {facts['format']}, and this version of holdings-kit "
            f"knows up to {FORMAT}; upgrade holdings-kit"
        )
    return facts


def _as_json(action: AddAction) -> dict[str, object]:
    """Give a file as the entry of a Delta log has it."""
    return {
        "path": action.path,
        "partitionValues": action.partition_values,
        "size": action.size,
        "modificationTime": action.modification_time,
        "dataChange": action.data_change,
        "stats": action.stats,
    }


def _list_partition_values(table: str, row: Mapping[str, Any]) -> dict[str, str | None]:
    """Give the partition of a file as the entry of a Delta log has it."""
    return {
        key: None if row[key] is None else str(row[key])
        for key in PARTITION
        if key in TABLES[table]
    }
