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

import math
import shutil
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import uuid4

import polars as pl

from holdings_kit.errors import ConfigError, StoreError, readable
from holdings_kit.schema import REJECTS, Loaded, conform, require_zone
from holdings_kit.store._erase import Erased, ErasedList, erase_bodies, remove_rows
from holdings_kit.store._files import (
    Written,
    commit_files,
    join_files,
    move,
    write_files,
)
from holdings_kit.store._rules import PARTS, covers
from holdings_kit.store._staging import Staged, place, stage
from holdings_kit.store._tables import (
    DECISIONS,
    STORED,
    TABLES,
    TORN,
    Tables,
    bucket_of,
    with_partition,
)
from holdings_kit.store._upkeep import (
    broken_files,
    copy_erased,
    copy_tables,
    drop_broken,
    give_name,
    name_part,
    sweep,
)
from holdings_kit.store._view import StoreView, with_missing
from holdings_kit.wire._events import events_to_rejects, is_event_reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_OWNER: Final = r'"(?:smallcaseAuthId|account_id)"\s*:\s*"([^"]*)"'
_WEEK: Final = timedelta(days=7)


@readable
class Appended(NamedTuple):
    """What an append added: deliveries that were new, repeated ones, rejects."""

    deliveries: int
    repeated: int
    rejects: int


class Part(NamedTuple):
    """What `Store.write_part` wrote and `Store.commit` makes count; plain values."""

    added: Appended
    files: list[Written]


class Store(StoreView):
    """Snapshots of accounts, kept for good; which one counts is decided at reading.

    Each account (`source`, `account_id`) has at most one `current` snapshot: the newest
    by `snapshot_at` that is plausible or was promoted. Older ones are `superseded`,
    implausible ones `quarantined`, with the reason (`holdings_kit.store._rules`).
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
    >>> from datetime import UTC, datetime
    >>> import holdings_kit as hk
    >>> body = b'''{"securities": [{"isin": "INE062A01020", "nseTicker": "SBIN",
    ... "holdings": {"quantity": 3, "averagePrice": 801.5}}], "smallcaseAuthId": "a1",
    ... "snapshotDate": "2026-01-05T10:15:30.123Z"}'''
    >>> loaded = hk.read_gateway(body, fetched_at=datetime(2026, 1, 5, 11, tzinfo=UTC))
    >>> with TemporaryDirectory() as folder:
    ...     store = Store(folder)
    ...     store.append(loaded).deliveries, store.append(loaded).deliveries
    ...     store.current().holdings["instrument_id"].to_list()
    (1, 0)
    ['INE062A01020']

    Other ways to look at it:

    >>> with TemporaryDirectory() as folder:
    ...     store = Store(folder, buckets=2)
    ...     _ = store.append(loaded)
    ...     store.map(lambda bucket: bucket.current().holdings.height)
    ...     store.bucket(0).current().holdings.height
    ...     store.scan().holdings.select("owned_quantity").collect().item()
    ...     [day.isoformat() for day, _ in store.scan_days()]
    ...     store.known_at(datetime(2020, 1, 1, tzinfo=UTC)).history().snapshots.height
    ...     store.rejects().height
    [0, 1]
    0
    Decimal('3.0000')
    ['2026-01-05']
    0
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
        _check_buckets(buckets)
        tables = Tables(_check_address(path), storage_options)
        super().__init__(tables, few_rows=few_rows, buckets=buckets)
        self._complete = False  # all tables are known to be there
        _ = self.buckets  # a store of another number is refused here

    def append(self, loaded: Loaded) -> Appended:
        """Add what was read, all of it or nothing; the same again adds nothing.

        A delivery is known by its snapshot, transaction, notes, `fetched_at`, checksum,
        file and line. A new delivery of a known snapshot adds a row about the delivery,
        no holdings. The other kinds of event (`Loaded.events`) are kept for `events`,
        each once, and are not counted. Of `status` and `status_reason` only the doubts
        are kept: where the door that read it quarantined it, and why.

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

        Examples
        --------
        >>> import holdings_kit as hk
        >>> from datetime import UTC, datetime
        >>> from tempfile import TemporaryDirectory
        >>> body = b'{"status": "success", "data": []}'
        >>> monday = datetime(2026, 1, 5, 11, tzinfo=UTC)
        >>> loaded = hk.read_arrow(body, account_id="A1", snapshot_at=monday)
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(folder)
        ...     store.append(loaded)
        ...     store.append(loaded)
        Appended(deliveries=1, repeated=0, rejects=0)
        Appended(deliveries=0, repeated=1, rejects=0)
        """
        return self.commit([self.write_part(loaded)])

    def promote(
        self, snapshot_id: str, *, reason: str, at: datetime | None = None
    ) -> None:
        """Accept a quarantined snapshot for good, and log why.

        Parameters
        ----------
        snapshot_id
            As `quarantine` lists it.
        reason
            In words; it becomes part of `status_reason`.
        at
            The instant of the decision, with a time zone; None: now.

        Raises
        ------
        StoreError
            There is no such snapshot, it is not quarantined, its rows are missing, or
            it has no instant or account and so no place among the others.

        Examples
        --------
        An account that is suddenly empty is doubted until somebody says otherwise:

        >>> import holdings_kit as hk
        >>> from datetime import UTC, datetime, timedelta
        >>> from tempfile import TemporaryDirectory
        >>> body = b'''{"status": "success", "data": [{"symbols": [{"exchange": "NSE",
        ... "tradingSymbol": "SBIN-EQ", "isin": "INE062A01020"}], "qty": "3"}]}'''
        >>> monday = datetime(2026, 1, 5, 11, tzinfo=UTC)
        >>> loaded = hk.read_arrow(body, account_id="A1", snapshot_at=monday)
        >>> none = b'{"status": "success", "data": []}'
        >>> at = monday + timedelta(days=1)
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(folder)
        ...     _ = store.append(loaded)
        ...     _ = store.append(hk.read_arrow(none, account_id="A1", snapshot_at=at))
        ...     doubtful = store.quarantine()
        ...     store.promote(
        ...         doubtful["snapshot_id"].item(), reason="all was sold", at=at
        ...     )
        ...     store.current().holdings.height, store.as_of(monday).holdings.height
        ...     store.decisions()["reason"].item()
        (0, 1)
        'all was sold'
        >>> doubtful["status"].item()
        'quarantined'
        """
        if not reason.strip():
            raise ConfigError("promote needs a reason: it is kept in the log")
        found = self._judge_stored(pl.col("snapshot_id") == snapshot_id)
        if found.is_empty():
            raise StoreError(f"no snapshot {snapshot_id!r} in {self!r}")
        row = found.row(0, named=True)
        if row["status"] != "quarantined":
            raise StoreError(f"{snapshot_id!r} is {row['status']}, not quarantined")
        lacks_a_fact = row["snapshot_at"] is None or row["account_id"] is None
        if lacks_a_fact or row["missing"] is not None:
            raise StoreError(f"{snapshot_id!r} cannot count: {row['status_reason']}")
        decision = pl.DataFrame(
            {
                "snapshot_id": [snapshot_id],
                "account_id": [row["account_id"]],
                "decision": ["promoted"],
                "reason": [reason],
                "decided_at": [require_zone(at or datetime.now(UTC), "at")],
            },
            schema=DECISIONS,
        ).with_columns(snapshot_at=found["snapshot_at"])
        placed = with_partition(decision, self.buckets)
        commit_files(self._tables, write_files(self._tables, {"decisions": placed}))

    # for many writers, and upkeep

    def write_part(self, loaded: Loaded, *, look_up: bool = True) -> Part:
        """Write what was read as files that nobody sees before `commit`.

        For many writers at once: each gives its part to one driver, which commits them
        all. A part is plain values and travels between processes.

        Parameters
        ----------
        loaded
            From any of the doors.
        look_up
            Leave out what the store has already. Without it rows may be stored twice;
            readers still count each once, and loading does not slow as the store grows.

        Raises
        ------
        FrameError, StoreError
            As `append`.

        Examples
        --------
        >>> import holdings_kit as hk
        >>> from datetime import UTC, datetime
        >>> from tempfile import TemporaryDirectory
        >>> body = b'{"status": "success", "data": []}'
        >>> monday = datetime(2026, 1, 5, 11, tzinfo=UTC)
        >>> loaded = hk.read_arrow(body, account_id="A1", snapshot_at=monday)
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(folder)
        ...     part = store.write_part(loaded)
        ...     store.current().snapshots.height, store.commit([part]).deliveries
        ...     store.current().snapshots.height
        (0, 1)
        1
        """
        loaded = self._leave_out_erased(_put_events_among_rejects(loaded))
        new = self._find_new(loaded, look_up=look_up)
        return Part(
            _describe_append(loaded, new), write_files(self._tables, new._asdict())
        )

    def commit(
        self, parts: Iterable[Part], *, marks: Mapping[str, int] | None = None
    ) -> Appended:
        """Make parts count, all of them or none: one commit a table, however many.

        Committing a part twice adds nothing.

        Parameters
        ----------
        parts
            From `write_part`, of any process.
        marks
            Numbers to keep under names, for `mark`: they are stored by the very commit
            that makes the parts count, so after a crash they tell what was done.

        Raises
        ------
        StoreError
            The storage refused; readers see no change.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(folder)
        ...     store.commit([], marks={"dump": 3}), store.mark("dump")
        (Appended(deliveries=0, repeated=0, rejects=0), 3)
        """
        self._make_sure_of_tables()
        held = list(parts)
        files = [file for part in held for file in part.files]
        _refuse_erased(self._tables, files)
        commit_files(self._tables, files, marks or {})
        return Appended(
            *(
                sum(getattr(part.added, name) for part in held)
                for name in Appended._fields
            )
        )

    def mark(self, name: str) -> int | None:
        """Read the number that `commit` last kept under a name; None if it never did.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(folder)
        ...     store.mark("dump"), store.commit([], marks={"dump": 3}).deliveries
        ...     store.mark("dump")
        (None, 0)
        3
        """
        return self.marks([name]).get(name)

    def marks(self, names: Iterable[str]) -> dict[str, int]:
        """Read the numbers that `commit` last kept under names; others are left out.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(folder)
        ...     _ = store.commit([], marks={"a": 3, "b": 5})
        ...     store.marks(["a", "b", "c"])
        {'a': 3, 'b': 5}
        """
        opened = self._tables.open("snapshots")
        if opened is None:
            return {}
        found = {name: opened.transaction_version(name) for name in names}
        return {name: mark for name, mark in found.items() if mark is not None}

    def compact(self) -> int:
        """Join small files; gives how many were joined. Readers and appends go on.

        Many small appends make many small files, and reading opens them all. The old
        files stay for readers and `known_at` until `vacuum`.

        Examples
        --------
        >>> from datetime import UTC, datetime
        >>> from tempfile import TemporaryDirectory
        >>> import holdings_kit as hk
        >>> body = b'{"status": "success", "data": []}'
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(folder)
        ...     for hour in (10, 11, 12):
        ...         at = datetime(2026, 1, 5, hour, tzinfo=UTC)
        ...         _ = store.append(
        ...             hk.read_arrow(body, account_id="A1", snapshot_at=at)
        ...         )
        ...     store.compact(), store.history().snapshots.height
        (3, 3)
        """
        with self._name_broken():
            return sum(join_files(self._tables, table) for table in TABLES)

    def vacuum(self, *, keep: timedelta = _WEEK) -> int:
        """Delete files that nobody needs: joined by `compact`, or never committed.

        Parameters
        ----------
        keep
            How long a file stays after it went out of use, rounded up to whole hours.
            It must outlast the slowest reader, the slowest `write_part` until its
            `commit`, and what `known_at` should reach.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Store(folder).vacuum()
        0
        """
        hours = max(0, math.ceil(keep / timedelta(hours=1)))
        deleted = sum(self._tables.vacuum(table, hours) for table in TABLES)
        root = self._tables.folder
        return deleted + (0 if root is None else sweep(root, hours=hours))

    def check(self, *, repair: bool = False) -> pl.DataFrame:
        """Look the whole store over; gives what is wrong, no row where nothing is.

        Every table is opened, every file is measured and its rows counted, and so are
        the rows of every snapshot.

        Parameters
        ----------
        repair
            Take files that are missing or not whole out of the tables (of a folder), so
            that the rest can be read. Snapshots that lack rows for it are quarantined
            with "rows missing", and appending them again mends them.

        Returns
        -------
        pl.DataFrame
            `table`, `file`, `snapshot_id`, `account_id`, `problem`; text, null where it
            does not apply.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(folder)
        ...     _ = store.commit([])
        ...     store.check().height
        0
        """
        broken = broken_files(self._tables)
        if repair and broken.height:
            drop_broken(self._tables, broken)
        if broken.height and not repair:
            return broken
        lacking = pl.concat(self.map(StoreView.missing_rows))
        return pl.concat(
            [
                broken,
                lacking.select(
                    pl.lit("snapshots").alias("table"),
                    pl.lit(None, pl.String()).alias("file"),
                    *lacking.columns,
                ),
            ]
        )

    def backup(self, path: str | Path) -> Store:
        """Copy the store as it is now to a new folder, while others append to it.

        The copy is whole or not there, its commits (`known_at`) included, and looked
        over before it gets its name. To restore a backup, copy it back:
        ``Store(backup).backup(place)``.

        Parameters
        ----------
        path
            A folder that is not there yet.

        Raises
        ------
        StoreError
            `path` exists, the store is not in a folder, or it is broken (`check`).

        Examples
        --------
        >>> import holdings_kit as hk
        >>> from datetime import UTC, datetime
        >>> from tempfile import TemporaryDirectory
        >>> body = b'{"status": "success", "data": []}'
        >>> monday = datetime(2026, 1, 5, 11, tzinfo=UTC)
        >>> loaded = hk.read_arrow(body, account_id="A1", snapshot_at=monday)
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(f"{folder}/store")
        ...     _ = store.append(loaded)
        ...     copied = store.backup(f"{folder}/backup")
        ...     (
        ...         copied.current().snapshots["account_id"].to_list(),
        ...         copied.check().height,
        ...     )
        (['A1'], 0)
        """
        source, target = self._tables.folder, Path(_check_address(path))
        if source is None or "://" in str(path):
            raise StoreError(
                f"{self!r}: backup copies from folder to folder; rebucket copies to "
                "and from an object store"
            )
        if target.exists():
            raise StoreError(f"{path}: is there already; name a new folder")
        if self._tables.buckets() is None:
            raise StoreError(f"{source}: there is no store")
        try:
            part = copy_tables(source, target)
            try:
                problems = Store(part).check()
                if problems.height:
                    first = problems.row(0, named=True)
                    what = first["file"] or first["snapshot_id"] or first["table"]
                    raise StoreError(
                        f"{source}: not backed up: {problems.height} problems, first "
                        f"{what}: {first['problem']}"
                    )
                give_name(part, target)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error}") from None
        return Store(target, few_rows=self._few_rows)

    def erase(
        self,
        account_id: str,
        *,
        reason: str,
        inboxes: Iterable[str | Path] = (),
        at: datetime | None = None,
    ) -> Erased:
        """Take an account out of the store for good, and keep it from coming back.

        Its rows go from every table; files that had them, in use or not, are deleted;
        the logs no longer name it. What `known_at` reads from before is gone with them.
        Appending the account again, from an old dump say, adds nothing: a keyed hash of
        its id is kept with the reason and the instant. Backups are files of their own:
        erase there too. Nobody may compact meanwhile.

        Parameters
        ----------
        account_id
            As `snapshots` has it; of every source.
        reason
            In words; it is kept. Write nothing into it that identifies the person.
        inboxes
            Folders of `hk.clients.Inbox`, whose bodies that name the account go too.
        at
            The instant of the erasure, with a time zone; None: now.

        Returns
        -------
        Erased
            How much went. Nothing, where the account was not there: it is listed all
            the same.

        Raises
        ------
        ConfigError
            No reason, or no account.
        StoreError
            The store is in an object store, or the disk refused: call it again.

        Examples
        --------
        >>> import holdings_kit as hk
        >>> from datetime import UTC, datetime
        >>> from tempfile import TemporaryDirectory
        >>> body = b'{"status": "success", "data": []}'
        >>> monday = datetime(2026, 1, 5, 11, tzinfo=UTC)
        >>> loaded = hk.read_arrow(body, account_id="A1", snapshot_at=monday)
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(folder)
        ...     _ = store.append(loaded)
        ...     store.erase("A1", reason="asked for it").snapshots
        ...     store.append(loaded).deliveries, store.history().snapshots.height
        1
        (0, 0)
        """
        if not reason.strip() or not account_id:
            raise ConfigError("erase needs an account and a reason: both are logged")
        self._make_sure_of_tables()
        root = self._tables.folder
        mine = pl.col("account_id") == account_id
        named = account_id.encode()
        gone = dict.fromkeys(TABLES, mine) | {
            "rejects": pl.col("raw").bin.contains(named)
            | pl.col("file").str.contains(account_id, literal=True)
            | pl.col("reason").str.contains(account_id, literal=True)
        }
        place = {bucket_of(account_id, self.buckets)}
        try:
            if root is not None:
                when = require_zone(at or datetime.now(UTC), "at")
                ErasedList(root).add(account_id, reason=reason, at=when)
            with self._name_broken():
                counts, files = remove_rows(
                    self._tables, gone, buckets=place, mention=named
                )
            bodies = sum(erase_bodies(Path(inbox), account_id) for inbox in inboxes)
        except OSError as error:
            raise StoreError(f"{self!r}: not wholly erased: {error}") from None
        rows = sum(counts[table] for table in ("holdings", "listings", "baskets"))
        return Erased(counts["snapshots"], rows, counts["rejects"], files, bodies)

    def retain(self, days: int, *, now: datetime | None = None) -> Erased:
        """Delete snapshots older than so many days, for good.

        Of each account the last accepted one before that stays, of its securities and
        of its funds: it is what the account holds, or what the next one is measured
        against.

        Parameters
        ----------
        days
            How long snapshots stay, by `snapshot_at`; those without, by `fetched_at`.
        now
            The instant to count from, with a time zone; None: now.

        Raises
        ------
        ConfigError
            `days` is below 1.
        StoreError
            The store is in an object store, or the disk refused: call it again.

        Examples
        --------
        >>> import holdings_kit as hk
        >>> from datetime import UTC, datetime, timedelta
        >>> from tempfile import TemporaryDirectory
        >>> body = b'{"status": "success", "data": []}'
        >>> monday = datetime(2026, 1, 5, 11, tzinfo=UTC)
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(folder)
        ...     for at in (monday, monday + timedelta(days=1)):
        ...         _ = store.append(
        ...             hk.read_arrow(body, account_id="A1", snapshot_at=at)
        ...         )
        ...     store.retain(30, now=monday + timedelta(days=90)).snapshots
        ...     store.current().snapshots.height
        1
        1
        """
        if days < 1:
            raise ConfigError(f"days={days}: at least 1 is needed")
        self._make_sure_of_tables()
        since = require_zone(now or datetime.now(UTC), "now") - timedelta(days=days)
        judged = self._judge_stored(pl.lit(value=True))
        old = judged.filter(pl.coalesce("snapshot_at", "fetched_at") < since)
        accepted = old.filter(pl.col("status") != "quarantined")
        last = pl.concat(
            accepted.filter(covers(part))
            .sort("snapshot_at")
            .unique(["source", "account_id"], keep="last", maintain_order=True)
            for part in PARTS
        )
        names = old.join(last, on="snapshot_id", how="anti")["snapshot_id"].implode()
        goes = pl.col("snapshot_id").is_in(names)
        gone = {table: goes for table in TABLES if table != "rejects"}
        with self._name_broken():
            counts, files = remove_rows(self._tables, gone, buckets=None)
        rows = sum(counts[table] for table in ("holdings", "listings", "baskets"))
        return Erased(counts["snapshots"], rows, 0, files)

    def rebucket(self, path: str | Path, *, buckets: int) -> Store:
        """Copy the store to a new place, its accounts spread over another number.

        In a folder the copy is whole or not there; in an object store it counts only
        when it is whole. Append to neither meanwhile. The commits of the original, and
        so what `known_at` reads, are not copied.

        Raises
        ------
        StoreError
            There is something at `path`, or the storage refused.

        Examples
        --------
        >>> import holdings_kit as hk
        >>> from datetime import UTC, datetime
        >>> from tempfile import TemporaryDirectory
        >>> body = b'{"status": "success", "data": []}'
        >>> monday = datetime(2026, 1, 5, 11, tzinfo=UTC)
        >>> loaded = hk.read_arrow(body, account_id="A1", snapshot_at=monday)
        >>> with TemporaryDirectory() as folder:
        ...     store = Store(f"{folder}/one")
        ...     _ = store.append(loaded)
        ...     wider = store.rebucket(f"{folder}/four", buckets=4)
        ...     store.buckets, wider.buckets, wider.current().snapshots.height
        (1, 4, 1)
        """
        _check_buckets(buckets)
        options, address = self._tables.storage_options, _check_address(path)
        if Tables(address, options).buckets() is not None:
            raise StoreError(f"{path}: there is a store already; name a new place")
        target = Tables(address, None).folder
        if target is not None and target.is_dir() and any(target.iterdir()):
            raise StoreError(f"{path}: is not empty; name a new folder")
        part = None if target is None else name_part(target)
        copied = Tables(str(part or address), options)
        try:
            copied.create(buckets)
            files = (
                move(self._tables, copied, table, buckets=buckets) for table in TABLES
            )
            commit_files(copied, chain.from_iterable(files))
            if target is not None and part is not None:
                copy_erased(self._tables, part)
                give_name(part, target)
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error}") from None
        finally:
            if part is not None:
                shutil.rmtree(part, ignore_errors=True)
        return Store(path, few_rows=self._few_rows, storage_options=options)

    def _make_sure_of_tables(self) -> int:
        """Make the tables that are not there; give the number of buckets."""
        buckets = self.buckets
        if not self._complete:
            self._tables.create(buckets)
            if self.buckets != buckets:  # another process was first
                raise StoreError(f"{self!r} has {self.buckets} buckets; append again")
            self._complete = True
        return buckets

    def _find_new(self, loaded: Loaded, *, look_up: bool = True) -> Staged:
        """Make the tables that are not there; leave out what the store has."""
        buckets, batch_id = self._make_sure_of_tables(), uuid4().hex
        placed = place(loaded, buckets=buckets)
        if not look_up:
            none = pl.DataFrame(schema=STORED)
            return stage(placed, none, batch_id, buckets=buckets)
        known = self._tables.scan(
            "snapshots",
            dates=placed.snapshots["snapshot_date"].unique().to_list(),
            buckets=placed.snapshots["bucket"].unique().to_list(),
        )
        seen = self._tables.scan("rejects").select(REJECTS.names())
        whole = self._leave_out_short(known.collect(), placed)
        new = stage(placed, whole, batch_id, buckets=buckets)
        rejects = new.rejects.join(
            seen.collect(), on=REJECTS.names(), how="anti", nulls_equal=True
        )
        return new._replace(rejects=rejects)

    def _leave_out_erased(self, loaded: Loaded) -> Loaded:
        """Leave out the accounts that were erased, and lines that name them."""
        root = self._tables.folder
        erased = None if root is None else ErasedList(root)
        if not erased or "account_id" not in loaded.snapshots.columns:
            return loaded
        lines = loaded.rejects.select(
            raw=pl.col("raw").cast(pl.String(), strict=False).str.extract(_OWNER)
        )["raw"]
        hidden = erased.named_in(lines)
        if hidden:
            kept = ~lines.is_in(hidden).fill_null(value=False)
            loaded = loaded._replace(rejects=loaded.rejects.filter(kept))
        names = erased.named_in(loaded.snapshots["account_id"])
        if not names:
            return loaded
        mine = pl.col("account_id").is_in(names).fill_null(value=False)
        frames = {
            name: getattr(loaded, name).filter(~mine)
            for name in ("snapshots", "holdings", "listings", "baskets")
        }
        return loaded._replace(**frames)

    def _leave_out_short(self, known: pl.DataFrame, placed: Loaded) -> pl.DataFrame:
        """Leave out what is known but lacks rows, so that this append mends it."""
        again = known.join(placed.snapshots, on="snapshot_id", how="semi")
        if again.is_empty():
            return known
        marked = again.with_columns(missing=pl.lit(None, pl.String()))
        for batch in marked["batch_id"].unique():
            one = marked.filter(batch_id=batch).unique("snapshot_id")
            lacking = with_missing(one, self._count_stored(one))
            known = known.join(lacking, on=["snapshot_id", "batch_id"], how="anti")
        return known


def _put_events_among_rejects(loaded: Loaded) -> Loaded:
    """Put the events among the rejects, whose table keeps both."""
    if loaded.events.is_empty():
        return loaded
    rejects = conform(loaded.rejects, REJECTS, name="rejects").select(REJECTS.names())
    both = pl.concat([rejects, events_to_rejects(loaded.events)])
    return loaded._replace(rejects=both)


def _describe_append(loaded: Loaded, new: Staged) -> Appended:
    added = new.snapshots.height
    broken = new.rejects.filter(~is_event_reason()).height
    return Appended(added, loaded.snapshots.height - added, broken)


def _refuse_erased(tables: Tables, files: Iterable[Written]) -> None:
    """Refuse parts written before an account in them was erased."""
    erased = None if tables.folder is None else ErasedList(tables.folder)
    if not erased:
        return
    for file in files:
        if file.table != "snapshots" or file.written_at > erased.last_ms:
            continue
        rows = tables.scan_files(file.table, [file.path]).select("account_id")
        try:
            names = rows.collect().to_series()
        except TORN:
            continue  # the commit itself says what is wrong
        if erased.named_in(names):
            raise StoreError(
                f"{file.path}: holds an account that was erased since; write the part "
                "again"
            )


def _check_buckets(buckets: int | None) -> None:
    if buckets is not None and buckets < 1:
        raise ConfigError(f"buckets={buckets}: at least 1 is needed")


def _check_address(path: str | Path) -> str:
    text = str(path)
    if "://" in text:
        return text.rstrip("/")
    if "%" in text:
        raise ConfigError(
            f"{text}: the storage reads % as an escape; rename the folder"
        )
    folder = Path(text).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{text}: is a file; a store is a folder")
    return str(folder)
