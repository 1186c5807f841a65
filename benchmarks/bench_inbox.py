"""Load the webhook inbox from a second process: rate, latency, memory.

    python -m benchmarks.bench_inbox [--scale small|full]

Every delivery is different, signed, fsynced before its 200; the answer is timed at the
sender. `full` sends for 60 seconds, `small` for 3. Memory is the receiver's resident
set after a fifth of the time and at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import polars as pl

from benchmarks.deliveries import webhook
from benchmarks.kill import free_port
from holdings_kit.clients import Inbox

ROWS = 20  # holdings of a delivery, about 4 kB


class Load(NamedTuple):
    """What one connection saw: seconds of each answer, and answers that are not 200."""

    seconds: list[float]
    refused: int


async def send(port: int, name: str, until: float) -> Load:
    """Post delivery after delivery on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    seconds, refused, number = [], 0, 0
    while time.monotonic() < until:
        body = webhook(name, number / 1_000, ROWS)
        number += 1
        start = time.perf_counter()
        writer.write(
            b"POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        seconds.append(time.perf_counter() - start)
        refused += not head.startswith(b"http/1.1 200")
    writer.close()
    return Load(seconds, refused)


async def send_all(port: int, connections: int, seconds: float) -> list[Load]:
    until = time.monotonic() + seconds
    senders = (send(port, f"load{n}", until) for n in range(connections))
    return await asyncio.gather(*senders)


def resident(pid: int) -> float:
    """Resident memory of a process, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if "VmRSS" in line) / 1024


def load(seconds: float, connections: int) -> dict[str, float]:
    root = Path(__file__).parents[1]
    with TemporaryDirectory() as folder:
        port = free_port()
        receiver = [sys.executable, "-m", "benchmarks.kill", "receive", folder]
        sender = [sys.executable, "-m", "benchmarks.bench_inbox", "--send", str(port)]
        sender += ["--seconds", str(seconds), "--connections", str(connections)]
        with subprocess.Popen([*receiver, str(port)], cwd=root) as process:
            try:
                wait_for(port)
                with subprocess.Popen(
                    sender, stdout=subprocess.PIPE, text=True, cwd=root
                ) as loading:
                    time.sleep(seconds / 5)
                    early = resident(process.pid)
                    out, _ = loading.communicate()
                late = resident(process.pid)
            finally:
                process.terminate()
        figures = json.loads(out)
        kept = len(list(Inbox(folder, api_secret="x").accepted.rglob("*.json")))
    assert kept == figures["answers"] - figures["refused"], "an answer without a file"
    return figures | {"MB after a fifth": early, "MB at the end": late}


def wait_for(port: int) -> None:
    for _ in range(300):
        try:
            asyncio.run(send_all(port, 1, 0))
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the receiver did not start")


def report_load(port: int, seconds: float, connections: int) -> None:
    """The sending process: print its figures as JSON."""
    start = time.monotonic()
    loads = asyncio.run(send_all(port, connections, seconds))
    took = time.monotonic() - start
    times = pl.Series([answer for one in loads for answer in one.seconds])
    figures = {
        "connections": connections,
        "seconds": took,
        "answers": times.len(),
        "refused": sum(one.refused for one in loads),
        "answers a second": times.len() / took,
        "p50 ms": 1000 * float(times.quantile(0.5) or 0),
        "p99 ms": 1000 * float(times.quantile(0.99) or 0),
        "max ms": 1000 * max(times, default=0.0),
    }
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=["small", "full"], default="full")
    parser.add_argument("--send", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--connections", type=int, default=0)
    options = parser.parse_args()
    if options.send:
        return report_load(options.send, options.seconds, options.connections)
    seconds = options.seconds or (3 if options.scale == "small" else 60)
    print(f"{platform.machine()}, {platform.python_version()}, one receiver process")
    runs = [load(seconds, n) for n in ((16,) if options.scale == "small" else (1, 16))]
    print("|", " | ".join(runs[0]), "|")
    print("|---" * len(runs[0]) + "|")
    for figures in runs:
        print("|", " | ".join(f"{value:.4g}" for value in figures.values()), "|")
    return None


if __name__ == "__main__":
    main()
