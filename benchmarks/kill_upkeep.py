"""Kill what works on a whole store with SIGKILL at random instants; count the damage.

Each turn puts something to do into a store, starts a process that does it, kills that
at a random instant, and looks: what has to stay is there, whole and once, and `check`
names nothing. Then the work is done again, to its end.
"""

from __future__ import annotations

import random
import shutil
import sys
import time
from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final
from unittest.mock import patch

import polars as pl

import holdings_kit as hk
from benchmarks.deliveries import DAY_ONE, SECRET, webhook
from benchmarks.kill import Killed, begin, kill
from holdings_kit.clients import Inbox
from holdings_kit.errors import HoldingsError
from holdings_kit.wire import _dumps as dumps
from holdings_kit.wire._batch import Batch

if TYPE_CHECKING:
    from collections.abc import Iterable
    from multiprocessing.connection import Connection

__all__ = ["UPKEEP", "mentions"]

KEPT: Final = [f"kept-{number}" for number in range(5)]
ROWS, LINES = 5, 60  # of a snapshot, of a dump
Said = tuple[int, int]  # how many rows, and what they say as a number
Content = dict[tuple[str, str], Said]  # by account and snapshot


class Upkeep(ABC):
    """One kind of work, begun and killed many times."""

    verb: ClassVar[str]
    others_append: ClassVar[bool] = False

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, hk.Store(folder / "store", buckets=2)
        self.store.commit([])  # makes it
        self.reads = self.lost = self.torn = self.failed = 0
        self.problems = self.left = self.appended = 0

    @abstractmethod
    def prepare(self, turn: int) -> str:
        """Put something to do into the store; gives what its process is told."""

    def stays(self, name: tuple[str, str]) -> bool:
        """Tell whether the snapshot of an account has to outlast the work."""
        return bool(name)

    def finish(self, told: str) -> None:
        """Do the work again to its end, and look whether it is done."""
        do(self.verb, self.store, self.folder, told)

    def run(self, kills: int, *, seed: int, span: float | None) -> Killed:
        """Kill so many times; without `span`, the work is timed before, not killed."""
        rng, at_work, must = random.Random(seed), 0, dict[tuple[str, str], Said]()
        for turn in range(kills + (span is None)):
            told = self.prepare(turn)
            must = {
                name: said
                for name, said in read_content(self.store).items()
                if self.stays(name)
            }
            begun = begin(work, self.verb, self.folder, told)
            assert begun.said.recv() == "ready"
            if span is None:
                span = float(begun.said.recv())
                kill(begun)
            else:
                due = time.monotonic() + rng.uniform(0, span)
                if self.others_append:
                    self.append_more()
                time.sleep(max(0.0, due - time.monotonic()))
                at_work += not kill(begun)
            self.look(must)
            self.finish(told)
            self.look(must)
        held = self.store.history().snapshots
        return Killed(
            kills=kills,
            at_work=at_work,
            acknowledged=len(must),
            stored=held.height,
            reads=self.reads,
            lost=self.lost,
            torn=self.torn,
            double=held.height - held["snapshot_id"].n_unique(),
            failed_reads=self.failed,
            problems=self.problems,
            left=self.left,
        )

    def look(self, must: Content) -> None:
        """Compare what has to be there with what is."""
        self.compare(self.store, must)

    def compare(self, store: hk.Store, must: Content) -> None:
        try:
            self.problems += store.check().height
            there = read_content(store)
        except (HoldingsError, pl.exceptions.PolarsError, OSError) as error:
            self.failed += 1
            print("read failed:", error, file=sys.stderr)
            return
        self.reads += 1
        for name, said in must.items():
            self.lost += name not in there
            self.torn += there.get(name, said) != said

    def append(self, bodies: Iterable[bytes]) -> None:
        self.store.append(read_bodies(bodies))

    def append_more(self) -> None:
        """Append a delivery, as others may meanwhile."""
        self.appended += 1
        self.append([webhook("meanwhile", self.appended, ROWS)])


class Erase(Upkeep):
    """An account goes from the store and an inbox, byte by byte; others stay."""

    verb = "erase"
    account = ""

    def prepare(self, turn: int) -> str:
        self.account = f"gone-{turn}-0123456789"
        inbox = Inbox(self.folder / "inbox", api_secret=SECRET)
        mine = [webhook(self.account, day, ROWS) for day in range(3)]
        others = [webhook(name, turn, ROWS) for name in KEPT]
        self.append([*mine, *others])
        self.append_more()
        self.store.compact()
        self.append([webhook(self.account, 9, ROWS)])
        disputed = webhook(self.account, 1, ROWS + 2)  # the reason lies beside
        refused = webhook(self.account, checksum="0" * 64)
        for body in (*mine, disputed, refused, *others):
            inbox.receive(body)
        self.bodies = len(list(inbox.accepted.rglob("*.json")))
        return self.account

    def stays(self, name: tuple[str, str]) -> bool:
        return name[0] != self.account

    def finish(self, told: str) -> None:
        super().finish(told)
        self.left += len(mentions(self.folder, self.account))
        self.append([webhook(self.account, 1, ROWS)])
        self.left += len(self.store.history(account_ids=[self.account]).snapshots)
        inbox = self.folder / "inbox"
        kept = len(list((inbox / "accepted").rglob("*.json")))
        self.lost += abs(kept - len(KEPT) * (1 + int(self.account.split("-")[1])))
        bodies = {path.stem for path in (inbox / "disputed").rglob("*.json")}
        reasons = {path.stem for path in (inbox / "disputed").rglob("*.why")}
        self.left += len(reasons - bodies)  # of nothing


class Retain(Upkeep):
    """What is old goes, but the last that counts of each account."""

    verb = "retain"
    before = ""

    def prepare(self, turn: int) -> str:
        days = range(10 * turn, 10 * turn + 10)
        for day in days:
            self.append(webhook(name, day, ROWS) for name in KEPT)
        self.store.compact()
        now = (DAY_ONE + timedelta(days=days[-1])).isoformat()
        twin = hk.Store(shutil.copytree(self.folder / "store", self.folder / "twin"))
        do(self.verb, twin, self.folder, now)
        self.kept = read_content(twin).keys()
        shutil.rmtree(self.folder / "twin")
        return now

    def stays(self, name: tuple[str, str]) -> bool:
        return name in self.kept

    def finish(self, told: str) -> None:
        super().finish(told)
        self.left += len(read_content(self.store).keys() - self.kept)


class Compact(Upkeep):
    """Small files are joined while another appends."""

    verb = "compact"
    others_append = True

    def prepare(self, turn: int) -> str:
        for part in range(4):
            self.append(webhook(name, turn + part / 4, ROWS) for name in KEPT)
        return ""


class Vacuum(Compact):
    """Files that are in use no more are deleted."""

    verb = "vacuum"
    others_append = False  # with keep=0 nobody else may be there

    def prepare(self, turn: int) -> str:
        told = super().prepare(turn)
        self.store.compact()
        self.store.write_part(read_bodies([webhook("never", turn, ROWS)]))
        return told

    def finish(self, told: str) -> None:
        super().finish(told)
        self.left += self.store.vacuum(keep=timedelta(0))


class Backup(Compact):
    """A copy is whole or not there, while another appends."""

    verb = "backup"

    def prepare(self, turn: int) -> str:
        super().prepare(turn)
        return str(self.folder / f"copy-{turn}")

    def finish(self, told: str) -> None:
        if not Path(told).exists():
            super().finish(told)
        self.compare(hk.Store(told), self.must)
        shutil.rmtree(told)

    def look(self, must: Content) -> None:
        super().look(must)
        self.must = must


class Rebucket(Backup):
    """A copy with another number of buckets is whole or not there."""

    verb = "rebucket"
    others_append = False


class Scan(Upkeep):
    """A dump that grows, and one more each time, are loaded block by block."""

    verb = "scan"

    def prepare(self, turn: int) -> str:
        dumped = self.folder / "dumps"
        dumped.mkdir(exist_ok=True)
        for name in ("grows", f"new-{turn}"):
            bodies = [webhook(f"{name}-{n}", turn, ROWS) for n in range(LINES)]
            with (dumped / f"{name}.ndjson").open("ab") as file:
                file.write(b"\n".join([*bodies, b"broken", b""]))
        return str(dumped)

    def finish(self, told: str) -> None:
        """Load the rest; all is there as if it had been read at once."""
        super().finish(told)
        loaded = hk.read_webhooks(told)
        names = set(loaded.snapshots["snapshot_id"])
        held = self.store.history().snapshots["snapshot_id"]
        self.lost += len(names - set(held)) + len(set(held) - names)
        added = self.store.history().holdings.height - loaded.holdings.height
        self.torn += added != 0
        rejects = self.store.rejects().height
        self.left += abs(rejects - loaded.rejects.height)


def work(said: Connection, verb: str, folder: Path, told: str) -> None:
    """Do it in a process of its own, which says how long that took."""
    store = hk.Store(folder / "store")
    said.send("ready")
    started = time.monotonic()
    do(verb, store, folder, told)
    said.send(time.monotonic() - started)
    time.sleep(60)  # until it is killed


def do(verb: str, store: hk.Store, folder: Path, told: str) -> None:
    """Do the work of one kind."""
    if verb == "erase":
        store.erase(told, reason="asked for it", inboxes=[folder / "inbox"])
    elif verb == "retain":
        store.retain(5, now=datetime.fromisoformat(told))
    elif verb == "compact":
        store.compact()
    elif verb == "vacuum":
        store.vacuum(keep=timedelta(0))
    elif verb == "backup":
        store.backup(told)
    elif verb == "rebucket":
        store.rebucket(told, buckets=3)
    else:
        with (  # many small commits
            patch("holdings_kit.store._scan_blocks.BLOCK", 20_000),
            patch("holdings_kit.store._scan_blocks._PER_BUCKET", 0),
            patch("holdings_kit.store._scan._COMMIT", 2),
        ):
            hk.scan_webhooks(told, into=store, progress=False, workers=1)


def read_bodies(bodies: Iterable[bytes]) -> hk.Loaded:
    batch = Batch()
    for number, body in enumerate(bodies):
        batch.doc = number
        dumps.add_webhook(
            batch, body, api_secret=SECRET, file="kill", line_no=number + 1
        )
    return batch.load(whole=True)


def read_content(store: hk.Store) -> Content:
    """Read the whole store."""
    loaded = store.history()
    rows = loaded.holdings.group_by("account_id", "snapshot_id").agg(
        pl.len(), said=pl.struct(loaded.holdings.columns).hash().sum()
    )
    said = {
        (account, name): (count, what) for account, name, count, what in rows.rows()
    }
    names = loaded.snapshots.select("account_id", "snapshot_id").rows()
    return {name: said.get(name, (0, 0)) for name in names}


def mentions(root: Path, account: str) -> list[Path]:
    """List every file that holds an account's id, packed or not."""
    found: list[Path] = []
    for path in root.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        body = path.read_bytes()
        if body.startswith(b"PAR1"):
            body += repr(pl.read_parquet(path, hive_partitioning=False).rows()).encode()
        if account.encode() in body:
            found.append(path)
    return found


def kill_upkeep(
    kind: type[Upkeep],
    folder: Path,
    *,
    kills: int,
    seed: int = 1,
    span: float | None = None,
) -> Killed:
    """Kill one kind of work `kills` times, each within `span` seconds of its start."""
    return kind(folder).run(kills, seed=seed, span=span)


KINDS: Final = (Scan, Erase, Retain, Compact, Vacuum, Backup, Rebucket)
UPKEEP: Final = {kind.verb: partial(kill_upkeep, kind) for kind in KINDS}
