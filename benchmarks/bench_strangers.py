"""Deliver to the receiver while thousands of hostile connections stay open.

    python -m benchmarks.bench_strangers [--connections 2000] [--seconds 20]

The connections are silent, or stop within their headers or body, or send one byte a
second. Whatever the receiver cuts is opened again at once, so that the number stays.
One honest sender posts signed deliveries, each different, on a new connection each; its
time is from the connect to the answer. It shares its process with the strangers, which
can only make it slower. Only loopback addresses are used.
"""

from __future__ import annotations

import argparse
import http.client
import platform
import resource
import selectors
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.deliveries import SECRET, webhook
from benchmarks.kill import free_port

HEAD = b"POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n"
OPENINGS = (b"", HEAD, HEAD + b"\r\n{", b"POST")
RECEIVER = f"""
import resource, sys
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))
from holdings_kit.clients import Inbox, serve, webhook_app
serve(webhook_app(Inbox(sys.argv[1], api_secret={SECRET!r})), port=int(sys.argv[2]))
"""
PAUSE = 0.02  # seconds between two deliveries


class Strangers(threading.Thread):
    """Keeps so many hostile connections open until it is stopped."""

    def __init__(self, port: int, count: int) -> None:
        super().__init__(daemon=True)
        self.stop, self.full = threading.Event(), threading.Event()
        self.opened = self.cut = 0
        self._port, self._count = port, count
        self._open: dict[socket.socket, int] = {}
        self._found = selectors.DefaultSelector()

    def run(self) -> None:
        drip_at = time.monotonic() + 1
        while not self.stop.is_set():
            missing = self._count - len(self._open)
            for _ in range(min(missing, 100)):
                self._connect()
            if len(self._open) >= self._count:
                self.full.set()
            for key, _ in self._found.select(timeout=0.02):
                self._drop(key.fileobj)  # type: ignore[arg-type]
            if time.monotonic() > drip_at:
                drip_at = time.monotonic() + 1
                self._drip()
        for one in list(self._open):
            self._found.unregister(one)
            one.close()

    def _connect(self) -> None:
        with suppress(OSError):
            made = socket.create_connection(("127.0.0.1", self._port), timeout=5)
            made.sendall(OPENINGS[self.opened % len(OPENINGS)])
            made.setblocking(False)
            self._open[made] = self.opened
            self._found.register(made, selectors.EVENT_READ)
            self.opened += 1

    def _drop(self, one: socket.socket) -> None:
        """Close what the receiver has answered or cut."""
        self._found.unregister(one)
        self._open.pop(one)
        one.close()
        self.cut += 1

    def _drip(self) -> None:
        """Every fourth sends one byte more."""
        for one, number in list(self._open.items()):
            if number % len(OPENINGS) == 2:
                with suppress(OSError):
                    one.send(b" ")


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


def show(name: str, took: list[float], failed: int) -> None:
    ranked = sorted(took)
    at = {share: ranked[int(len(ranked) * share)] * 1e3 for share in (0.5, 0.95, 0.99)}
    print(
        f"{name}: {len(took)} stored, {failed} refused; ms p50 {at[0.5]:.0f}, "
        f"p95 {at[0.95]:.0f}, p99 {at[0.99]:.0f}, longest {ranked[-1] * 1e3:.0f}"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--connections", type=int, default=2000)
    options.add_argument("--seconds", type=float, default=20)
    wanted = options.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted.connections + 200
    if hard != resource.RLIM_INFINITY and hard < needed:
        sys.exit(f"this machine allows {hard} open files, {needed} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
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
            print(f"{platform.machine()}, Python {platform.python_version()}")
            show("alone", *measure(port, "alone", wanted.seconds / 4))
            strangers = Strangers(port, wanted.connections)
            strangers.start()
            reached = strangers.full.wait(30)
            before = strangers.cut
            show("attacked", *measure(port, "attacked", wanted.seconds))
            print(
                f"{wanted.connections} connections "
                f"{'open at once' if reached else 'tried for, fewer open at once'}: "
                f"{strangers.opened} opened, {strangers.cut - before} cut meanwhile"
            )
            strangers.stop.set()
            strangers.join()
            stored = len(list(inbox.glob("accepted/*/*.json")))
            print(f"{stored} deliveries on disk")
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
