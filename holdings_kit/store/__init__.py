"""The snapshot store: Delta tables that are only ever appended to.

An append writes the holdings, listings, baskets and rejects first and the snapshots
last. That last commit is what makes the rows count: readers take only rows whose
snapshot is listed, from the one append it names. A writer that dies before it leaves
rows nobody reads; the same append again is whole. Nothing is locked.

Two clocks are kept apart. `Store.as_of` asks what was true at an instant (the broker's
`snapshot_at`); `Store.known_at` asks what the store knew at an instant (the time of its
commits).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from uuid import uuid4

import polars as pl

from holdings_kit.errors import ConfigError, StoreError
from holdings_kit.schema import (
    BASKETS,
    HOLDINGS,
    LISTINGS,
    REJECTS,
    SNAPSHOTS,
    Loaded,
    empty,
)
from holdings_kit.store.rules import judge
from holdings_kit.store.staging import Staged, stage, unseen
from holdings_kit.store.tables import DECISIONS, Tables, bucket_of, with_partition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

__all__ = ["Appended", "Scanned", "Store"]

T = TypeVar("T")


class Appended(NamedTuple):
    """What an append added: deliveries that were new, repeated ones, rejects."""

    deliveries: int
    repeated: int
    rejects: int


class Scanned(NamedTuple):
    """The frames of a `Loaded`, lazy and in no order."""

    snapshots: pl.LazyFrame
    holdings: pl.LazyFrame
    listings: pl.LazyFrame
    baskets: pl.LazyFrame


class Store:
    """Snapshots of accounts, kept for good; which one counts is decided at reading.

    Each account (`source`, `account_id`) has at most one `current` snapshot: the newest
    by `snapshot_at` that is plausible or was promoted. Older ones are `superseded`,
    implausible ones `quarantined`, with the reason (`holdings_kit.store.rules`).
    Deliveries may come in any order, late, and many times: readers see the same store.

    Processes may append and read at the same time without waiting for each other.

    Parameters
    ----------
    path
        A folder, or an address such as ``s3://bucket/prefix``.
    buckets
        Number of parts accounts are spread over; fixed when the store is made. One
        serves some 50,000 accounts. None: what the store has, 1 for a new one.
    few_rows
        Quarantine a snapshot with fewer than this fraction of the rows of the one
        before it; 0 turns the rule off.
    storage_options
        Keys and region of an object store, as `deltalake` and polars take them. They
        never show.

    Raises
    ------
    ConfigError
        The store has another number of buckets, or `path` holds something else.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from holdings_kit.schema import BASKETS, HOLDINGS, LISTINGS, REJECTS, SNAPSHOTS
    >>> nothing = Loaded(*map(empty, (SNAPSHOTS, HOLDINGS, LISTINGS, BASKETS, REJECTS)))
    >>> with TemporaryDirectory() as folder:
    ...     store = Store(folder)
    ...     store.append(nothing)
    ...     store.current().holdings.height
    Appended(deliveries=0, repeated=0, rejects=0)
    0
    """

    def __init__(
        self,
        path: str | Path,
        *,
        buckets: int | None = None,
        few_rows: float = 0.5,
        storage_options: Mapping[str, str] | None = None,
    ) -> None:
        self._tables = Tables(_address(path), storage_options)
        self._few_rows = few_rows
        self._bucket: int | None = None
        self._known_at: datetime | None = None
        if buckets is not None and buckets < 1:
            raise ConfigError(f"buckets={buckets}: at least 1 is needed")
        self._asked = buckets
        self._made_with: int | None = None
        self._complete = False  # all tables are known to be there
        _ = self.buckets

    def __repr__(self) -> str:
        return f"Store({self._tables.root!r})"

    @property
    def buckets(self) -> int:
        """Number of parts the accounts are spread over."""
        if self._made_with is None:  # another process may make it at any time
            self._made_with = self._tables.buckets()
        made, asked = self._made_with, self._asked
        if made and asked and made != asked:
            raise ConfigError(
                f"{self!r} has {made} buckets, not {asked}; leave buckets out"
            )
        return made or asked or 1

    # keep

    def append(self, loaded: Loaded) -> Appended:
        """Add what was read, all of it or nothing; the same again adds nothing.

        A delivery is known by its snapshot, transaction, notes, `fetched_at`, checksum,
        file and line. A new delivery of a known snapshot adds a row about the delivery,
        no holdings. `status` and `status_reason` of `loaded` are not kept.

        Parameters
        ----------
        loaded
            From any of the doors.

        Raises
        ------
        FrameError
            A frame has not the columns its name promises.
        StoreError
            Rows belong to no snapshot, or the storage refused. Readers see no change.
        """
        self._must_write()
        buckets = self.buckets
        staged = stage(loaded, buckets=buckets)
        known = self._tables.scan(
            "snapshots",
            dates=staged.snapshots["snapshot_date"].unique().to_list(),
            buckets=staged.snapshots["bucket"].unique().to_list(),
        )
        seen = self._tables.scan("rejects").select(REJECTS.names()).collect()
        new = unseen(staged, known.collect(), uuid4().hex)
        new = new._replace(
            rejects=new.rejects.join(
                seen, on=REJECTS.names(), how="anti", nulls_equal=True
            )
        )
        self._write(new, buckets)
        added = new.snapshots.height
        return Appended(added, loaded.snapshots.height - added, new.rejects.height)

    def promote(self, snapshot_id: str, *, reason: str, at: datetime) -> None:
        """Accept a quarantined snapshot for good, and log why.

        Parameters
        ----------
        snapshot_id
            As `quarantine` lists it.
        reason
            In words; it becomes part of `status_reason`.
        at
            The instant of the decision, with a time zone.

        Raises
        ------
        StoreError
            There is no such snapshot, it is not quarantined, or it has no instant or
            account and so no place among the others.
        """
        self._must_write()
        if not reason.strip():
            raise ConfigError("promote needs a reason: it is kept in the log")
        found = self._judged().filter(pl.col("snapshot_id") == snapshot_id)
        if found.is_empty():
            raise StoreError(f"no snapshot {snapshot_id!r} in {self!r}")
        row = found.row(0, named=True)
        if row["status"] != "quarantined":
            raise StoreError(f"{snapshot_id!r} is {row['status']}, not quarantined")
        if row["snapshot_at"] is None or row["account_id"] is None:
            raise StoreError(f"{snapshot_id!r} cannot count: {row['status_reason']}")
        decision = pl.DataFrame(
            {
                "snapshot_id": [snapshot_id],
                "account_id": [row["account_id"]],
                "decision": ["promoted"],
                "reason": [reason],
                "decided_at": [_instant(at)],
            },
            schema=DECISIONS,
        ).with_columns(snapshot_at=found["snapshot_at"])
        self._tables.append("decisions", with_partition(decision, self.buckets))

    # read

    def current(self, *, account_ids: Collection[str] | None = None) -> Loaded:
        """Read the current snapshot of every account, or of those named.

        Rows come by account, in the order of the payload. `rejects` is empty: a line
        that could not be read belongs to no account; `history` has them.
        """
        return self._loaded(self._current(None, account_ids))

    def as_of(
        self, instant: datetime, *, account_ids: Collection[str] | None = None
    ) -> Loaded:
        """Read the snapshots that were current at an instant, as known today.

        Only snapshots with ``snapshot_at <= instant`` play a part.
        """
        return self._loaded(self._current(_instant(instant), account_ids))

    def history(self, *, account_ids: Collection[str] | None = None) -> Loaded:
        """Read every snapshot, by account and `snapshot_at`, with its status.

        `rejects` holds what could not be read, unless accounts are named.
        """
        loaded = self._loaded(self._judged(account_ids))
        if account_ids is not None or self._bucket:
            return loaded
        rejects = self._tables.scan("rejects").select(REJECTS.names()).unique()
        return loaded._replace(rejects=rejects.sort(REJECTS.names()).collect())

    def quarantine(self) -> pl.DataFrame:
        """List the quarantined snapshots (`SNAPSHOTS`), the reason in each row."""
        judged = self._judged().filter(pl.col("status") == "quarantined")
        return judged.select(SNAPSHOTS.names())

    def decisions(self) -> pl.DataFrame:
        """List the promotions: snapshot, account, reason, instant."""
        return self._decisions().sort("decided_at", "snapshot_id", "reason")

    def scan(self, *, as_of: datetime | None = None) -> Scanned:
        """Scan what `current` or `as_of` reads, for more rows than memory holds."""
        instant = None if as_of is None else _instant(as_of)
        return self._scanned(self._current(instant, None))

    # views

    def known_at(self, instant: datetime) -> Store:
        """Look at the store as it was at an instant of its own clock (time travel).

        The view reads only. It reaches back as far as `vacuum` has not swept.
        """
        return self._view(known_at=_instant(instant))

    def bucket(self, number: int) -> Store:
        """Look at the accounts of one bucket only; the view reads only."""
        if not 0 <= number < self.buckets:
            raise ConfigError(f"bucket {number}: {self!r} has 0 to {self.buckets - 1}")
        return self._view(bucket=number)

    def map(self, question: Callable[[Store], T]) -> list[T]:
        """Ask every bucket the same question, one after the other, in order.

        No account is in two buckets, so answers about accounts can be put together
        with `polars.concat`, and memory is that of one bucket.
        """
        return [question(self.bucket(number)) for number in range(self.buckets)]

    def _view(
        self, *, bucket: int | None = None, known_at: datetime | None = None
    ) -> Store:
        view = object.__new__(Store)
        view.__dict__.update(self.__dict__)
        if bucket is not None:
            view._bucket = bucket
        if known_at is not None:
            view._known_at = known_at
        return view

    # inside

    def _must_write(self) -> None:
        if self._bucket is not None or self._known_at is not None:
            raise StoreError("a view of a bucket or of the past only reads")

    def _write(self, new: Staged, buckets: int) -> None:
        if not self._complete:
            self._tables.create(buckets)
            if self.buckets != buckets:  # another process was first
                raise StoreError(f"{self!r} has {self.buckets} buckets; append again")
            self._complete = True
        for table in ("holdings", "listings", "baskets", "rejects"):
            self._tables.append(table, getattr(new, table))
        self._tables.append("snapshots", new.snapshots)  # from here on it counts

    def _places(self, account_ids: Collection[str] | None) -> set[int] | None:
        """Tell the buckets to look into; None means all."""
        if account_ids is None:
            return None if self._bucket is None else {self._bucket}
        named = {bucket_of(account, self.buckets) for account in account_ids}
        return named if self._bucket is None else named & {self._bucket}

    def _decisions(self) -> pl.DataFrame:
        log = self._tables.scan(
            "decisions", buckets=self._places(None), known_at=self._known_at
        )
        return log.unique().collect()

    def _judged(
        self,
        account_ids: Collection[str] | None = None,
        until: datetime | None = None,
    ) -> pl.DataFrame:
        stored = self._tables.scan(
            "snapshots", buckets=self._places(account_ids), known_at=self._known_at
        )
        if account_ids is not None:
            stored = stored.filter(pl.col("account_id").is_in(list(account_ids)))
        if until is not None:
            stored = stored.filter(pl.col("snapshot_at") <= until)
        return judge(stored.collect(), self._decisions(), few_rows=self._few_rows)

    def _current(
        self, until: datetime | None, account_ids: Collection[str] | None
    ) -> pl.DataFrame:
        judged = self._judged(account_ids, until)
        return judged.filter(pl.col("status") == "current")

    def _rows(self, table: str, snapshots: pl.DataFrame) -> pl.LazyFrame:
        accounts = snapshots["account_id"].unique()
        picked = with_partition(snapshots, self.buckets)
        rows = self._tables.scan(
            table,
            dates=picked["snapshot_date"].unique().to_list(),
            buckets=picked["bucket"].unique().to_list(),
        )
        if accounts.len() <= _FEW_ACCOUNTS:
            rows = rows.filter(
                pl.col("account_id").is_in(accounts.implode(), nulls_equal=True)
            )
        order = snapshots.select("snapshot_id", "batch_id").with_row_index("place")
        return rows.join(order.lazy(), on=["snapshot_id", "batch_id"])

    def _scanned(self, snapshots: pl.DataFrame) -> Scanned:
        return Scanned(
            snapshots.lazy().select(SNAPSHOTS.names()),
            self._rows("holdings", snapshots).select(HOLDINGS.names()),
            self._rows("listings", snapshots).select(LISTINGS.names()),
            self._rows("baskets", snapshots).select(BASKETS.names()),
        )

    def _loaded(self, snapshots: pl.DataFrame) -> Loaded:
        def rows(table: str, schema: pl.Schema) -> pl.LazyFrame:
            ordered = self._rows(table, snapshots).sort("place", "row_no")
            return ordered.select(schema.names())

        holdings, listings, baskets = pl.collect_all(
            [
                rows("holdings", HOLDINGS),
                rows("listings", LISTINGS),
                rows("baskets", BASKETS),
            ]
        )
        return Loaded(
            snapshots.select(SNAPSHOTS.names()),
            holdings,
            listings,
            baskets,
            empty(REJECTS),
        )


_FEW_ACCOUNTS = 1_000  # so many are worth naming to the parquet reader


def _address(path: str | Path) -> str:
    text = str(path)
    if "://" in text:
        return text.rstrip("/")
    if "%" in text:
        raise ConfigError(
            f"{text}: the storage reads % as an escape; rename the folder"
        )
    return str(Path(text).expanduser().absolute())


def _instant(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ConfigError(f"{instant}: an instant needs a time zone")
    return instant
