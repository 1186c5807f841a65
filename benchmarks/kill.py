"""Kill appends and receivers with SIGKILL at random instants; count what is lost.

A store writer prints the number of each batch after `append` has returned; a sender
notes each webhook that was answered 200. Both are killed again and again while a reader
reads. Every acknowledged delivery has to be there once and whole, no file torn, and no
read may fail. `kill_upkeep` does so with all that works on a whole store, `bench_kill`
runs both.
"""

from __future__ import annotations

import hashlib
import http.client
import multiprocessing
import random
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

import holdings_kit as hk
from benchmarks.deliveries import SECRET, webhook
from holdings_kit.clients import Inbox, serve, webhook_app
from holdings_kit.errors import HoldingsError
from holdings_kit.wire import _dumps as dumps
from holdings_kit.wire._batch import Batch

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from pathlib import Path

ACCOUNTS, ROWS = 20, 5


class Killed(NamedTuple):
    """What a run counted, in snapshots or bodies; of `FAULTS` there must be none."""

    kills: int
    at_work: int  # kills before the work was done
    acknowledged: int
    stored: int
    reads: int
    lost: int = 0
    torn: int = 0
    double: int = 0
    failed_reads: int = 0
    problems: int = 0  # that `Store.check` names after a kill
    left: int = 0  # files that name what was erased


FAULTS = ("lost", "torn", "double", "failed_reads", "problems", "left")


def batch_of(writer: int, number: int) -> hk.Loaded:
    """Batch `number` of a writer: one delivery of each of its accounts."""
    batch = Batch()
    for account in range(ACCOUNTS):
        body = webhook(f"w{writer}a{account}", number, ROWS)
        batch.doc = account
        dumps.add_webhook(
            batch, body, api_secret=SECRET, file="kill", line_no=number + 1
        )
    return batch.load(whole=True)


def write_batches(said: Connection, path: Path, writer: int, number: int) -> None:
    """Append batches and say the number of each when it is in."""
    store = hk.Store(path, buckets=2)
    said.send("ready")
    while True:
        store.append(batch_of(writer, number))
        said.send(number)
        number += 1


class Begun(NamedTuple):
    """A process that is to be killed, and what it says."""

    process: BaseProcess
    said: Connection


def begin(work: Callable[..., object], *told: object) -> Begun:
    """Start a process that works until it is killed."""
    context = multiprocessing.get_context("spawn")  # polars does not outlast a fork
    said, speaks = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(speaks, *told), daemon=True)
    process.start()
    speaks.close()  # so that its death ends what it says
    return Begun(process, said)


def kill(begun: Begun) -> list[Any]:
    """Kill it and give all that it still said in whole."""
    begun.process.kill()
    heard: list[Any] = []
    with begun.said, suppress(EOFError, OSError):
        while True:
            heard.append(begun.said.recv())
    begun.process.join()
    return heard


def read_store(store: hk.Store) -> tuple[int, int, int]:
    """Read it all; count the snapshots, those not whole, and the rows there twice."""
    loaded = store.history()
    counts = loaded.holdings.group_by("snapshot_id").agg(
        rows=pl.len(), different=pl.col("holding_no").n_unique()
    )
    whole = loaded.snapshots.join(counts, on="snapshot_id", how="left")
    torn = whole.filter(pl.col("different").fill_null(0) != ROWS).height
    double = whole.filter(pl.col("rows") > pl.col("different")).height
    double += loaded.snapshots.height - loaded.snapshots["snapshot_id"].n_unique()
    return loaded.snapshots.height, torn, double


def kill_store(folder: Path, *, kills: int, seed: int = 1) -> Killed:
    """Kill one of two writers `kills` times."""
    rng, path = random.Random(seed), folder / "store"
    store = hk.Store(path)  # before it exists, as a reader may
    numbers, acknowledged = [0, 0], 0
    writers = [begin(write_batches, path, writer, 0) for writer in (0, 1)]
    reads = torn = double = failed = problems = 0
    for turn in range(kills):
        writer = turn % 2
        assert writers[writer].said.recv() == "ready"
        said: list[int] = [] if turn else [writers[writer].said.recv()]
        due = time.monotonic() + rng.uniform(0, 0.6)
        while time.monotonic() < due:
            try:
                _, broken, twice = read_store(store)
                torn, double, reads = torn + broken, double + twice, reads + 1
            except (HoldingsError, pl.exceptions.PolarsError, OSError) as error:
                failed += 1
                print("read failed:", error)
        said += kill(writers[writer])
        acknowledged += len(said)
        numbers[writer] = said[-1] + 1 if said else numbers[writer]
        if acknowledged:  # before, there may be no store yet
            problems += store.check().height
        writers[writer] = begin(write_batches, path, writer, numbers[writer])
    for writer, begun in enumerate(writers):
        said = [number for number in kill(begun) if number != "ready"]
        acknowledged += len(said)
        numbers[writer] = said[-1] + 1 if said else numbers[writer]
    there, broken, twice = read_store(store)
    held = store.history().snapshots.select("account_id", "snapshot_at")
    per_writer = held.group_by(pl.col("account_id").str.slice(0, 2)).len()
    stored = dict(per_writer.iter_rows())
    lost = sum(
        max(0, number * ACCOUNTS - stored.get(f"w{writer}", 0))
        for writer, number in enumerate(numbers)
    )
    return Killed(
        kills=kills,
        at_work=kills,
        acknowledged=acknowledged * ACCOUNTS,
        stored=there,
        reads=reads,
        lost=lost,
        torn=torn + broken,
        double=double + twice,
        failed_reads=failed,
        problems=problems,
    )


def receive(said: Connection, folder: Path, port: int) -> None:
    """Listen for an inbox."""
    said.close()
    inbox = Inbox(folder, api_secret=SECRET)
    inbox.sweep()
    serve(webhook_app(inbox), port=port)


class Sender(threading.Thread):
    """Posts deliveries, each until it is answered 200, some of them twice."""

    def __init__(self, port: int, name: str, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.port, self.account, self.stop = port, name, stop
        self.acknowledged: list[str] = []

    def run(self) -> None:
        number = 0
        while not self.stop.is_set():
            body = webhook(self.account, number / 100, 20)
            if self.post(body):
                self.acknowledged.append(hashlib.sha256(body).hexdigest())
                if number % 5 == 0:
                    self.post(body)
                number += 1

    def post(self, body: bytes) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("POST", "/webhook", body)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)
            return False
        finally:
            connection.close()


def kill_inbox(folder: Path, *, kills: int, seed: int = 1) -> Killed:
    """Kill a receiver `kills` times while four senders post to it."""
    rng, path = random.Random(seed), folder / "inbox"
    inbox = Inbox(path, api_secret=SECRET)
    port, stop = free_port(), threading.Event()
    senders = [Sender(port, f"s{number}", stop) for number in range(4)]
    for sender in senders:
        sender.start()
    reads = failed = torn = 0
    for _ in range(kills):
        receiver = begin(receive, path, port)
        answered = sum(len(sender.acknowledged) for sender in senders)
        while sum(len(sender.acknowledged) for sender in senders) == answered:
            time.sleep(0.005)
        due = time.monotonic() + rng.uniform(0, 0.3)
        while True:
            try:
                newest = sorted(inbox.accepted.rglob("*.json"))[:200]
                torn += hk.read_webhooks(newest).rejects.height
                reads += 1
            except (HoldingsError, pl.exceptions.PolarsError, OSError) as error:
                failed += 1
                print("read failed:", error)
            if time.monotonic() > due:
                break
        kill(receiver)
    stop.set()
    for sender in senders:
        sender.join()
    files = sorted(inbox.accepted.rglob("*.json"))
    torn += sum(
        hashlib.sha256(file.read_bytes()).hexdigest() != file.stem for file in files
    )
    loaded = hk.read_webhooks(inbox.accepted, api_secret=SECRET)
    acknowledged = {name for sender in senders for name in sender.acknowledged}
    names = [file.stem for file in files]
    return Killed(
        kills=kills,
        at_work=kills,
        acknowledged=len(acknowledged),
        stored=len(files),
        reads=reads,
        lost=len(acknowledged - set(names)),
        torn=torn + loaded.rejects.height,
        double=len(names) - loaded.snapshots["snapshot_id"].n_unique(),
        failed_reads=failed,
    )


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
