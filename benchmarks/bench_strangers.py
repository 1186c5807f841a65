"""Deliver to the receiver while thousands of hostile connections stay open.

    python -m benchmarks.bench_strangers [--scale small|full] [--connections 2000]

Half of the connections are silent, or stop within their headers or body; a sixth
drips its headers, a byte a second; the others post a body that is no JSON, or one with
a wrong checksum. What the receiver has answered or cut is opened again after a tenth of
a second, so that the number stays. The strangers are a process of their own on the same
machine. They come from twenty addresses, then all from the honest sender's own, as
behind a proxy; for 20 seconds each, with `small` for 5, after a quarter of that alone.
The honest sender posts signed deliveries, each different, on a new connection each; its
time is from the connect to the answer. Only loopback addresses are used.
"""

from __future__ import annotations

import argparse
import http.client
import platform
import re
import resource
import select
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.deliveries import SECRET, webhook
from benchmarks.kill import free_port

HEAD = b"POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-length: "
DRIPPING = 2  # the place of those that drip in what follows
OPENINGS = (b"", HEAD + b"9", HEAD, HEAD + b"100000\r\n\r\n{", b"junk", b"forged")
RECEIVER = f"""
import sys
from holdings_kit.clients import Inbox, serve, webhook_app
serve(webhook_app(Inbox(sys.argv[1], api_secret={SECRET!r})), port=int(sys.argv[2]))
"""
SECONDS = {"small": 5.0, "full": 20.0}
HEADINGS = (
    "| beside | stored | refused | p50 ms | p95 ms | p99 ms | longest ms "
    "| most open | opened | cut | answered |"
)
PAUSE = 0.02  # seconds between two deliveries
REST = 0.1  # seconds until a stranger comes again


class Strangers:
    """Keeps so many hostile connections open until standard input is closed."""

    def __init__(self, port: int, count: int, addresses: int) -> None:
        self.opened = self.cut = self.answered = self.most = 0
        self._port, self._count, self._addresses = port, count, addresses
        self._open: dict[socket.socket, int] = {}
        self._again: deque[tuple[float, int]] = deque((0, n) for n in range(count))
        self._found = selectors.DefaultSelector()

    def run(self) -> None:
        drip_at, gathered = time.monotonic() + 1, False
        while not select.select([sys.stdin], [], [], 0)[0]:
            for _ in range(100):
                if not self._again or self._again[0][0] > time.monotonic():
                    break
                self._connect(self._again.popleft()[1])
            self.most = max(self.most, len(self._open))
            if self.opened >= self._count and not gathered:
                gathered = True
                print("gathered", flush=True)
            for key, _ in self._found.select(timeout=0.01):
                self._drop(key.fileobj)  # type: ignore[arg-type]
            if time.monotonic() > drip_at:
                drip_at = time.monotonic() + 1
                self._drip()

    def _connect(self, number: int) -> None:
        kind = number % len(OPENINGS)
        opening = OPENINGS[kind]
        if opening == b"junk":
            opening = HEAD + b"2000\r\n\r\n" + b"%08d" % self.opened * 250
        elif opening == b"forged":
            body = webhook(f"f{self.opened}", rows=20, checksum="0" * 64)
            opening = HEAD + b"%d\r\n\r\n" % len(body) + body
        made = socket.socket()
        try:
            made.settimeout(5)
            made.bind((f"127.0.0.{1 + number % self._addresses}", 0))
            made.connect(("127.0.0.1", self._port))
            made.sendall(opening)
        except OSError:
            made.close()
            self._again.append((time.monotonic() + REST, number))
            return
        made.setblocking(False)
        self._open[made] = number
        self._found.register(made, selectors.EVENT_READ)
        self.opened += 1

    def _drop(self, one: socket.socket) -> None:
        """Close what the receiver has answered or cut; it comes again."""
        try:
            answer = one.recv(100)
        except OSError:
            answer = b""
        self.answered += bool(answer)
        self.cut += not answer
        self._found.unregister(one)
        self._again.append((time.monotonic() + REST, self._open.pop(one)))
        one.close()

    def _drip(self) -> None:
        """Those that drip send one byte more."""
        for one, number in list(self._open.items()):
            if number % len(OPENINGS) == DRIPPING:
                with suppress(OSError):
                    one.send(b"1")


def deliver(port: int, body: bytes) -> tuple[int, float]:
    """Post a delivery on a connection of its own: status, seconds."""
    begun = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/webhook", body)
        status = connection.getresponse().status
    except OSError:
        status = 0
    finally:
        connection.close()
    return status, time.perf_counter() - begun


def measure(port: int, prefix: str, seconds: float) -> tuple[list[float], int]:
    """Deliver for so long: seconds of each that was stored, number of the others."""
    took, failed, number = list[float](), 0, 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        status, spent = deliver(port, webhook(f"{prefix}{number}", rows=20))
        number += 1
        if status == 200:
            took.append(spent)
        else:
            failed += 1
        time.sleep(PAUSE)
    return took, failed


def show(name: str, took: list[float], failed: int, did: tuple[str, ...]) -> None:
    ranked = sorted(took)
    at = (ranked[int(len(ranked) * share)] for share in (0.5, 0.95, 0.99))
    times = (f"{1000 * each:.0f}" for each in (*at, ranked[-1]))
    print("|", " | ".join((name, f"{len(took)}", f"{failed}", *times, *did)), "|")


def attack(port: int, connections: int, addresses: int, seconds: float) -> None:
    """Measure beside so many strangers from so many addresses."""
    words = ["-m", "benchmarks.bench_strangers", "--attack", port]
    words += ["--connections", connections, "--addresses", addresses]
    process = subprocess.Popen(
        [sys.executable, *map(str, words)],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(5)  # they gather, and the first that are cut come again
    took, failed = measure(port, f"from{addresses}x", seconds)
    said, _ = process.communicate("")
    did = tuple(re.findall(r"\d+", said))
    show(f"{connections} strangers, addresses: {addresses}", took, failed, did)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--connections", type=int, default=2000)
    options.add_argument("--scale", choices=list(SECONDS), default="full")
    options.add_argument("--attack", type=int, help=argparse.SUPPRESS)
    options.add_argument("--addresses", type=int, default=1, help=argparse.SUPPRESS)
    wanted = options.parse_args()
    if wanted.attack:
        return be_strangers(wanted.attack, wanted.connections, wanted.addresses)
    with TemporaryDirectory() as folder:
        port = free_port()
        inbox = Path(folder, "inbox")
        process = subprocess.Popen([sys.executable, "-c", RECEIVER, inbox, str(port)])
        try:
            until = time.monotonic() + 30
            while deliver(port, webhook("first"))[0] != 200:
                if process.poll() is not None or time.monotonic() > until:
                    sys.exit("the receiver did not start")
                time.sleep(0.1)
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            print(f"{platform.machine()}, Python {platform.python_version()}, ", end="")
            print(f"open files {soft} of {hard}\n")
            print(HEADINGS)
            print("|---|" + "---:|" * (HEADINGS.count("|") - 2))
            seconds = SECONDS[wanted.scale]
            show("alone", *measure(port, "alone", seconds / 4), ("–",) * 4)
            for addresses in (20, 1):
                attack(port, wanted.connections, addresses, seconds)
        finally:
            process.terminate()
            process.wait()
    return None


def be_strangers(port: int, connections: int, addresses: int) -> None:
    """The hostile process: what it did, in a line, once its input is closed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + 200
    if hard != resource.RLIM_INFINITY and hard < needed:
        sys.exit(f"this machine allows {hard} open files, {needed} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    strangers = Strangers(port, connections, addresses)
    strangers.run()
    print(
        f"at most {strangers.most} open at once; {strangers.opened} opened, "
        f"{strangers.cut} cut, {strangers.answered} answered"
    )


if __name__ == "__main__":
    main()
