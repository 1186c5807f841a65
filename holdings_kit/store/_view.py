"""What a store, one bucket of it, or its past answers: reading only."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import polars as pl

from holdings_kit.errors import ConfigError, StoreError, readable
from holdings_kit.schema import (
    BASKETS,
    HOLDINGS,
    INDIA_ZONE,
    LISTINGS,
    REJECTS,
    SNAPSHOTS,
    Loaded,
    attach_events,
    empty,
    is_fund,
    require_zone,
)
from holdings_kit.store._rules import BOTH, PARTS, judge, speaks_for
from holdings_kit.store._tables import TORN, Tables, bucket_of, with_partition
from holdings_kit.wire._events import is_event_reason, rejects_to_events

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator
    from datetime import date, datetime

    from holdings_kit.store._mapper import Mapper

T = TypeVar("T")
_APPENDED: Final = pl.struct("snapshot_id", "batch_id")
_KEY: Final = ["snapshot_id", "batch_id"]
ROW_TABLES: Final = {"holdings": HOLDINGS, "listings": LISTINGS, "baskets": BASKETS}
_FEW_ACCOUNTS: Final = 1_000  # so many are worth naming to the parquet reader


class Scanned(NamedTuple):
    """The frames of a `Loaded`, lazy and in no order."""

    snapshots: pl.LazyFrame
    holdings: pl.LazyFrame
    listings: pl.LazyFrame
    baskets: pl.LazyFrame


@readable
class StoreView:
    """The reading half of a `Store`: the whole, one bucket, or as it was.

    Cheap to make, holds no file open, and travels between processes, with the storage
    options in it.
    """

    def __init__(
        self,
        tables: Tables,
        *,
        few_rows: float,
        buckets: int | None = None,
        bucket: int | None = None,
        known_at: datetime | None = None,
    ) -> None:
        self._tables, self._few_rows = tables, few_rows
        self._asked, self._bucket, self._known_at = buckets, bucket, known_at
        self._made_with: int | None = None

    def __repr__(self) -> str:
        part = "" if self._bucket is None else f", bucket {self._bucket}"
        past = "" if self._known_at is None else f", known at {self._known_at}"
        return f"{type(self).__name__}({self._tables.root!r}{part}{past})"

    @property
    def buckets(self) -> int:
        """Number of parts the accounts are spread over."""
        if self._made_with is None:  # another process may make it at any time
            described = self._tables.describe()
            if described is not None:
                self._made_with = described["buckets"]
                self._tables = self._tables._replace(oldest=described["oldest"])
        made, asked = self._made_with, self._asked
        if made and asked and made != asked:
            raise ConfigError(
                f"{self!r} has {made} buckets, not {asked}; leave buckets out"
            )
        return made or asked or 1

    def current(self, *, account_ids: Collection[str] | None = None) -> Loaded:
        """Read the current snapshot of every account, or of those named.

        Securities and funds may be current in two snapshots, each with its own date:
        where the newest was asked for without funds, say. Then the account has two rows
        in `snapshots`, and `scope` tells which of them counts for what.

        Rows come by account, in the order of the payload. `rejects` is empty: a line
        that could not be read belongs to no account; `history` has them.
        """
        return self._read_wanted(_is("current"), account_ids)

    def as_of(
        self, instant: datetime, *, account_ids: Collection[str] | None = None
    ) -> Loaded:
        """Read the snapshots that were current at an instant, as known today.

        Only snapshots with ``snapshot_at <= instant`` play a part.
        """
        return self._read_wanted(
            _is("current"), account_ids, require_zone(instant, "instant")
        )

    def history(self, *, account_ids: Collection[str] | None = None) -> Loaded:
        """Read every snapshot, by account and `snapshot_at`, with its status.

        `rejects` holds what could not be read, and ``events`` what was no holdings
        import, unless accounts are named.
        """
        loaded = self._read_wanted(pl.lit(value=True), account_ids, whole=True)
        if account_ids is not None or self._bucket:
            return loaded
        loaded = loaded._replace(rejects=self.rejects())
        return attach_events(loaded, self.events())

    def rejects(self, *, files: Collection[str] | None = None) -> pl.DataFrame:
        """Read what could not be read (`REJECTS`), of all files or those named."""
        return self._run_naming(self._set_aside(files).filter(~is_event_reason()))

    def events(self, *, files: Collection[str] | None = None) -> pl.DataFrame:
        """Read the events that were no holdings import (`EVENTS`), each once.

        Orders, pending actions and imports of mutual funds, as `hk.read_webhooks` or
        `hk.scan_webhooks` met them in all files, or in those named;
        `holdings_kit.read.read_fund_imports` decodes the last. `checksum_ok` is what
        was found when they were loaded.

        Examples
        --------
        >>> import holdings_kit as hk
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     dump = Path(folder, "dump.ndjson")
        ...     _ = dump.write_bytes(b'{"orders": [], "smallcaseAuthId": "a1"}')
        ...     store = hk.Store(f"{folder}/store")
        ...     store.append(hk.read_webhooks(dump)).rejects
        ...     store.events().select("kind", "account_id").rows()
        0
        [('order', 'a1')]
        """
        rows = self._run_naming(self._set_aside(files).filter(is_event_reason()))
        place = ["file", "line_no", "raw"]
        # of two loads the one that verified comes last, by the words of the reason
        once = rows.unique(place, keep="last", maintain_order=True)
        return rejects_to_events(once)

    def _set_aside(self, files: Collection[str] | None) -> pl.LazyFrame:
        """Plan to read the rows that are no holdings: what is broken, and events."""
        rows = self._tables.scan("rejects").select(REJECTS.names())
        if files is not None:
            rows = rows.filter(pl.col("file").is_in(list(files)))
        return rows.unique().sort(REJECTS.names())

    def snapshots(self) -> pl.DataFrame:
        """List every snapshot with its status, as `history` does, without its rows.

        Returns
        -------
        SNAPSHOTS
            One row per snapshot, by account and `snapshot_at`.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> from holdings_kit.store import Store
        >>> with TemporaryDirectory() as folder:
        ...     Store(folder).snapshots().height
        0
        """
        return self._judge_stored(pl.lit(value=True)).select(SNAPSHOTS.names())

    def quarantine(self) -> pl.DataFrame:
        """List the quarantined snapshots (`SNAPSHOTS`), the reason in each row."""
        return self.snapshots().filter(_is("quarantined"))

    def missing_rows(self) -> pl.DataFrame:
        """List snapshots whose rows are not all stored.

        Returns
        -------
        pl.DataFrame
            `snapshot_id`, `account_id`, and the `problem` in words.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> from holdings_kit.store import Store
        >>> with TemporaryDirectory() as folder:
        ...     Store(folder).missing_rows().columns
        ['snapshot_id', 'account_id', 'problem']
        """
        judged = self._judge_stored(pl.lit(value=True)).rename({"missing": "problem"})
        lacking = judged.filter(pl.col("problem").is_not_null())
        return lacking.select("snapshot_id", "account_id", "problem")

    def decisions(self) -> pl.DataFrame:
        """List the promotions: snapshot, account, reason, instant."""
        return self._read_decisions().sort("decided_at", "snapshot_id", "reason")

    def scan(self, *, as_of: datetime | None = None) -> Scanned:
        """Scan what `current` or `as_of` reads, for more rows than memory holds."""
        instant = None if as_of is None else require_zone(as_of, "as_of")
        judged = self._judge_stored(_is("current"), until=instant)
        scanned, over = self._scan_all(judged), _list_superseded_parts(judged)
        return _leave_out_parts(scanned, over) if over.height else scanned

    def scan_days(
        self, *, first: date | None = None, last: date | None = None
    ) -> Iterator[tuple[date, Scanned]]:
        """Scan every plausible snapshot, a day in India at a time, in order.

        Superseded ones too, quarantined ones not. `first` and `last` bound the days,
        both inclusive.
        """
        day = pl.col("snapshot_at").dt.convert_time_zone(INDIA_ZONE).dt.date()
        judged = self._judge_stored(~_is("quarantined"))
        days = judged.with_columns(day.alias("_day"))
        if first is not None:
            days = days.filter(pl.col("_day") >= first)
        if last is not None:
            days = days.filter(pl.col("_day") <= last)
        for part in days.sort("_day").partition_by("_day", maintain_order=True):
            yield part["_day"][0], self._scan_all(part.drop("_day"))

    def known_at(self, instant: datetime) -> StoreView:
        """Look at the store as it was at an instant of its own clock (time travel).

        It reaches back as far as `vacuum` has not swept.
        """
        return self._narrow(known_at=require_zone(instant, "instant"))

    def bucket(self, number: int) -> StoreView:
        """Look at the accounts of one bucket only."""
        if not 0 <= number < self.buckets:
            raise ConfigError(f"bucket {number}: {self!r} has 0 to {self.buckets - 1}")
        return self._narrow(bucket=number)

    def map(
        self, question: Callable[[StoreView], T], *, on: Mapper | None = None
    ) -> list[T]:
        """Ask every bucket the same question, in order.

        No account is in two buckets, so answers about accounts can be put together
        with `polars.concat`, and memory is that of one bucket.

        Parameters
        ----------
        question
            A function of one bucket. It travels to other processes with `on`, so it
            must be importable there.
        on
            Who asks: `holdings_kit.store.Threads` of this process, or workers of
            `hk.cluster.connect`; None: this process, one bucket after the
            other.
        """
        views = [self] if self._bucket is not None else self._list_buckets()
        if on is not None:
            return on.map(question, views)
        return [question(view) for view in views]

    def _list_buckets(self) -> list[StoreView]:
        parts = self._tables.by_bucket(self.buckets, self._known_at)
        return [
            self._narrow(bucket=number, tables=tables)
            for number, tables in enumerate(parts)
        ]

    def _narrow(
        self,
        *,
        bucket: int | None = None,
        known_at: datetime | None = None,
        tables: Tables | None = None,
    ) -> StoreView:
        view = StoreView(
            tables or self._tables._replace(listed=None),
            few_rows=self._few_rows,
            bucket=self._bucket if bucket is None else bucket,
            known_at=self._known_at if known_at is None else known_at,
        )
        view._made_with = self._made_with
        return view

    def _find_buckets(self, account_ids: Collection[str] | None) -> set[int] | None:
        """Tell the buckets to look into; None means all."""
        if account_ids is None:
            return None if self._bucket is None else {self._bucket}
        named = {bucket_of(account, self.buckets) for account in account_ids}
        return named if self._bucket is None else named & {self._bucket}

    def _read_decisions(self) -> pl.DataFrame:
        log = self._tables.scan(
            "decisions", buckets=self._find_buckets(None), known_at=self._known_at
        )
        return self._run_naming(log).unique()

    def _read_stored(
        self, account_ids: Collection[str] | None = None, until: datetime | None = None
    ) -> pl.DataFrame:
        stored = self._tables.scan(
            "snapshots",
            buckets=self._find_buckets(account_ids),
            known_at=self._known_at,
        )
        if account_ids is not None:
            stored = stored.filter(pl.col("account_id").is_in(list(account_ids)))
        if until is not None:
            stored = stored.filter(pl.col("snapshot_at") <= until)
        return self._run_naming(stored).with_columns(missing=pl.lit(None, pl.String()))

    def _judge_stored(
        self,
        wanted: pl.Expr,
        account_ids: Collection[str] | None = None,
        until: datetime | None = None,
    ) -> pl.DataFrame:
        """Judge the snapshots and give those wanted, their rows counted."""
        stored, decisions = (
            self._read_stored(account_ids, until),
            self._read_decisions(),
        )
        while True:
            judged = judge(stored, decisions, few_rows=self._few_rows).filter(wanted)
            lacking = with_missing(judged, self._count_stored(judged))
            if lacking.is_empty():
                return judged
            stored = stored.update(lacking, on=_KEY, how="left")

    def _read_wanted(
        self,
        wanted: pl.Expr,
        account_ids: Collection[str] | None = None,
        until: datetime | None = None,
        *,
        whole: bool = False,
    ) -> Loaded:
        """Read the wanted snapshots; where rows are missing, judge all once more.

        Without `whole`, a snapshot is read for the parts that are current in it.
        """
        stored, decisions = (
            self._read_stored(account_ids, until),
            self._read_decisions(),
        )
        while True:
            judged = judge(stored, decisions, few_rows=self._few_rows).filter(wanted)
            loaded, counts = self._read_rows(judged)
            lacking = with_missing(judged, counts)
            if lacking.is_empty():
                over = _list_superseded_parts(judged)
                if whole or over.is_empty():
                    return loaded
                whole_frames = Scanned(*(frame.lazy() for frame in loaded[:4]))
                parts = pl.collect_all(_leave_out_parts(whole_frames, over))
                return Loaded(*parts, rejects=loaded.rejects)
            stored = stored.update(lacking, on=_KEY, how="left")

    def _count_stored(self, snapshots: pl.DataFrame) -> list[pl.DataFrame]:
        """Count the rows of snapshots, table by table, without reading them whole."""
        plans = self._scan_rows(snapshots)
        return self._run_all([rows.group_by("snapshot_id").len() for rows in plans])

    def _run_naming(self, plan: pl.LazyFrame) -> pl.DataFrame:
        return self._run_all([plan])[0]

    def _run_all(self, plans: list[pl.LazyFrame]) -> list[pl.DataFrame]:
        """Run plans; where a file cannot be read, name it."""
        with self._name_broken():
            return pl.collect_all(plans)

    @contextmanager
    def _name_broken(self) -> Generator[None]:
        """Where a file cannot be read, name it."""
        try:
            yield
        except TORN as error:
            broken = self._tables.find_broken(buckets=self._find_buckets(None))
            for _, path, why in broken:
                raise StoreError(
                    f"{path}: {why}; `holdings-kit store check` lists all that is "
                    "broken, a backup has them whole"
                ) from None
            raise StoreError(f"{self!r}: cannot be read: {error}") from None

    def _scan_rows(self, snapshots: pl.DataFrame) -> list[pl.LazyFrame]:
        """Scan the rows of snapshots in each of `ROW_TABLES`, from the append named."""
        accounts = snapshots["account_id"].unique()
        dates = snapshots["snapshot_at"].dt.date().unique().to_list()
        if self._bucket is None:
            picked = with_partition(snapshots, self.buckets)["bucket"].unique()
            buckets = picked.to_list()
        else:
            buckets = [self._bucket]
        wanted = _APPENDED.is_in(snapshots.select(_APPENDED).to_series().implode())
        if accounts.len() <= _FEW_ACCOUNTS:
            named = pl.col("account_id").is_in(accounts.implode(), nulls_equal=True)
            wanted = named & wanted
        return [
            self._tables.scan(table, dates=dates, buckets=buckets).filter(wanted)
            for table in ROW_TABLES
        ]

    def _scan_all(self, snapshots: pl.DataFrame) -> Scanned:
        rows = [
            plan.select(schema.names())
            for plan, schema in zip(
                self._scan_rows(snapshots), ROW_TABLES.values(), strict=True
            )
        ]
        return Scanned(snapshots.lazy().select(SNAPSHOTS.names()), *rows)

    def _read_rows(self, snapshots: pl.DataFrame) -> tuple[Loaded, list[pl.DataFrame]]:
        """Read the rows of snapshots, and count them."""
        found = self._run_all(self._scan_rows(snapshots))
        names = snapshots.select("snapshot_id").with_row_index("place")
        ordered = [_order_rows(rows, names) for rows in found]
        holdings, listings, baskets = (
            rows.select(schema.names())
            for (rows, _), schema in zip(ordered, ROW_TABLES.values(), strict=True)
        )
        counts = [
            places.group_by("place").len().join(names, on="place")
            for _, places in ordered
        ]
        loaded = Loaded(
            snapshots.select(SNAPSHOTS.names()),
            holdings,
            listings,
            baskets,
            empty(REJECTS),
        )
        return loaded, counts


def _list_superseded_parts(judged: pl.DataFrame) -> pl.DataFrame:
    """List what of current snapshots is superseded: snapshot, part, what is left."""
    gone = [
        judged.filter(
            _is("current")
            & speaks_for(part)
            & ~pl.col("current_scope").is_in([part, BOTH])
        ).select("snapshot_id", "current_scope", part=pl.lit(part))
        for part in PARTS
    ]
    return pl.concat(gone)


def _leave_out_parts(scanned: Scanned, over: pl.DataFrame) -> Scanned:
    """Leave out the rows of superseded parts: snapshots say what is left of them."""
    left = over.lazy().select("snapshot_id", "current_scope")
    gone = over.lazy().select(
        "snapshot_id", _fund=(pl.col("part") == "funds").cast(pl.Int8())
    )
    marked = scanned.holdings.with_columns(_fund=is_fund().cast(pl.Int8()))
    part, row = ["snapshot_id", "_fund"], ["snapshot_id", "holding_no"]
    superseded = marked.join(gone, on=part, how="semi")
    counts = superseded.group_by("snapshot_id").agg(_gone=pl.len().cast(pl.Int64()))
    told = scanned.snapshots
    for facts in (left, counts):
        told = told.join(facts, on="snapshot_id", how="left", maintain_order="left")
    return Scanned(
        told.with_columns(
            scope=pl.coalesce("current_scope", "scope"),
            holdings_count=pl.col("holdings_count") - pl.col("_gone").fill_null(0),
        ).drop("current_scope", "_gone"),
        marked.join(gone, on=part, how="anti", maintain_order="left").drop("_fund"),
        scanned.listings.join(superseded, on=row, how="anti", maintain_order="left"),
        scanned.baskets.join(
            gone.filter(_fund=0), on="snapshot_id", how="anti", maintain_order="left"
        ),
    )


def _is(status: str) -> pl.Expr:
    return pl.col("status") == status


def with_missing(snapshots: pl.DataFrame, counts: list[pl.DataFrame]) -> pl.DataFrame:
    """Tell which snapshots lack rows: `snapshot_id`, `batch_id`, `missing` in words.

    Parameters
    ----------
    snapshots
        As judged; those that are known to lack rows are left out.
    counts
        `snapshot_id` and `len`, for each of `ROW_TABLES`.
    """
    whole = snapshots.filter(pl.col("missing").is_null())
    for table, count in zip(ROW_TABLES, counts, strict=True):
        named = count.select("snapshot_id", pl.col("len").cast(pl.Int64()).alias(table))
        whole = whole.join(named, on="snapshot_id", how="left")
    rows = pl.col("holdings").fill_null(0) + pl.col("baskets").fill_null(0)
    listings = pl.col("listings").fill_null(0)
    of_rows, of_listings = pl.col("rows_count"), pl.col("listings_count")
    reason = pl.format(
        "rows missing: {} of {} rows and {} of {} listings are stored; append it again",
        rows,
        of_rows,
        listings,
        of_listings.fill_null(listings),
    )
    lacking = (rows != of_rows) | (listings != of_listings).fill_null(value=False)
    return whole.filter(lacking).select(*_KEY, missing=reason)


def _order_rows(
    rows: pl.DataFrame, names: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Put rows in the order of their snapshots and of the payload; and their places."""
    keys = ["place", "row_no"]
    placed = rows.select("snapshot_id", "row_no").join(
        names, on="snapshot_id", how="left", maintain_order="left"
    )
    place, row_no = (pl.col(key) for key in keys)
    rising = (place > place.shift()) | (
        (place == place.shift()) & (row_no >= row_no.shift())
    )
    if placed.select(rising.all()).item():  # as files are written, sorted by account
        return rows, placed
    return rows[placed.select(pl.arg_sort_by(keys)).to_series()], placed
