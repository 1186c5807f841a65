"""Kill writers with SIGKILL at random instants and count what is lost.

    python benchmarks/kill.py --kills 60

A store writer prints the number of each batch after `append` has returned; a sender
notes each webhook that was answered 200. Both are killed again and again while a reader
reads. Every acknowledged delivery has to be there once and whole, no file torn, and no
read may fail.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import polars as pl

import holdings_kit as hk
from benchmarks.deliveries import SECRET, webhook
from holdings_kit.clients import Inbox, serve, webhook_app
from holdings_kit.errors import HoldingsError
from holdings_kit.wire import _dumps as dumps
from holdings_kit.wire._batch import Batch

ACCOUNTS, ROWS = 20, 5


class Killed(NamedTuple):
    """What a run counted; `lost`, `torn`, `double` and `failed_reads` must be 0."""

    kills: int
    acknowledged: int
    stored: int
    reads: int
    lost: int
    torn: int
    double: int
    failed_reads: int


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


def write_batches(path: str, writer: int, number: int) -> None:
    """The process that is killed: append batches, print each number when it is in."""
    store = hk.Store(path, buckets=2)
    print("ready", flush=True)
    while True:
        store.append(batch_of(writer, number))
        print(number, flush=True)
        number += 1


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.kill", *map(str, arguments)]
    root = Path(__file__).parents[1]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)


def kill(process: subprocess.Popen[str]) -> list[str]:
    """Kill it and give the whole lines it still said: those are answers."""
    process.send_signal(signal.SIGKILL)
    assert process.stdout is not None
    with process.stdout as stream:
        said = stream.read().split("\n")[:-1]
    process.wait()
    return said


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
    writers = [start("write", path, writer, 0) for writer in (0, 1)]
    reads = torn = double = failed = 0
    for turn in range(kills):
        writer = turn % 2
        process = writers[writer]
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        due = time.monotonic() + rng.uniform(0, 0.6)
        while time.monotonic() < due:
            try:
                _, broken, twice = read_store(store)
                torn, double, reads = torn + broken, double + twice, reads + 1
            except (HoldingsError, pl.exceptions.PolarsError, OSError) as error:
                failed += 1
                print("read failed:", error)
        said = kill(process)
        acknowledged += len(said)
        numbers[writer] = int(said[-1]) + 1 if said else numbers[writer]
        writers[writer] = start("write", path, writer, numbers[writer])
    for writer, process in enumerate(writers):
        said = [line for line in kill(process) if line != "ready"]
        acknowledged += len(said)
        numbers[writer] = int(said[-1]) + 1 if said else numbers[writer]
    there, broken, twice = read_store(store)
    held = store.history().snapshots.select("account_id", "snapshot_at")
    per_writer = held.group_by(pl.col("account_id").str.slice(0, 2)).len()
    stored = dict(per_writer.iter_rows())
    lost = sum(
        max(0, number * ACCOUNTS - stored.get(f"w{writer}", 0))
        for writer, number in enumerate(numbers)
    )
    return Killed(
        kills,
        acknowledged * ACCOUNTS,
        there,
        reads,
        lost,
        torn + broken,
        double + twice,
        failed,
    )


def receive(folder: str, port: int) -> None:
    """The process that is killed: an inbox that listens."""
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
        process = start("receive", path, port)
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
        kill(process)
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
        kills,
        len(acknowledged),
        len(files),
        reads,
        len(acknowledged - set(names)),
        torn + loaded.rejects.height,
        len(names) - loaded.snapshots["snapshot_id"].n_unique(),
        failed,
    )


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def main() -> None:
    if sys.argv[1:2] == ["write"]:
        return write_batches(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    if sys.argv[1:2] == ["receive"]:
        return receive(sys.argv[2], int(sys.argv[3]))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--scale", choices=["small", "full"], default="full")
    options = parser.parse_args()
    kills = 5 if options.scale == "small" else options.kills
    print("| writer |", " | ".join(Killed._fields), "|")
    print("|---" * (len(Killed._fields) + 1) + "|")
    for name, run in (("store", kill_store), ("inbox", kill_inbox)):
        with TemporaryDirectory() as folder:
            figures = run(Path(folder), kills=kills)
        print(f"| {name} |", " | ".join(map(str, figures)), "|", flush=True)
    return None


if __name__ == "__main__":
    main()
