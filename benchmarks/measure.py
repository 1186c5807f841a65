"""Run pieces of work in fresh processes, side by side, and write Markdown tables.

A contender that fails, takes over LIMIT seconds or over MEMORY gigabytes (both from the
environment) is stopped, and the table says so in words.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Times: TypeAlias = "tuple[float | None, float | None]"  # ours and a peer's, seconds
LIMIT = 900.0  # seconds
GIB = 1 << 30


class Run(NamedTuple):
    """One piece of work: seconds, CPU seconds, peak memory of the whole process.

    Numbers are None where it did not come to its end, and `said` tells why.
    """

    wall: float | None
    cpu: float | None
    peak_mb: float | None
    said: str


def scale() -> str:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", choices=["small", "full"], default="small")
    return parser.parse_args().scale


def work(jobs: Mapping[str, Callable[..., object]]) -> bool:
    """In a child process: do the job named on the command line. Else give False."""
    if len(sys.argv) < 3 or sys.argv[1] != "--job":
        return False
    started, used = time.perf_counter(), time.process_time()
    said = jobs[sys.argv[2]](*sys.argv[3:])
    facts = {
        "wall": time.perf_counter() - started,
        "cpu": time.process_time() - used,
        "peak_mb": peak_mb(),
        "said": str(said),
    }
    print(json.dumps(facts))
    return True


def peak_mb() -> float:
    """Most memory this process has had, in MB.

    Linux counts the program that started it into `ru_maxrss`, not into `VmHWM`.
    """
    try:
        facts = Path("/proc/self/status").read_text().split("VmHWM:")[1]
        return int(facts.split()[0]) / 1024
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(module: str, job: str, *arguments: object, threads: int | None = None) -> Run:
    """Do a job in a fresh process."""
    command = [sys.executable, "-m", module, "--job", job, *map(str, arguments)]
    return finished(command, threads=threads)


def finished(command: Sequence[str], *, threads: int | None = None) -> Run:
    """Run a command whose last line of output is a `Run` as JSON, within the limits."""
    environment = dict(os.environ)
    if threads:
        environment["POLARS_MAX_THREADS"] = str(threads)
    seconds = float(os.environ.get("LIMIT", LIMIT))
    gigabytes = float(os.environ.get("MEMORY", 0.8 * _available() / GIB))
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    stopped, until = "", time.monotonic() + seconds
    while True:
        try:
            out, errors = process.communicate(timeout=0.2)
            break
        except subprocess.TimeoutExpired:
            if time.monotonic() > until:
                stopped = f"stopped after {seconds:.0f} s"
            elif _used(process.pid) > gigabytes * GIB:
                stopped = f"stopped: over {gigabytes:.1f} GB of memory"
            if stopped:
                process.kill()
    if stopped or process.returncode:
        return Run(None, None, None, stopped or _why(process.returncode, errors))
    return Run(**json.loads(out.strip().splitlines()[-1]))


def _why(code: int, errors: str) -> str:
    if code == -9:
        return "killed by the system, as a rule for memory"
    lines = [line.strip() for line in errors.strip().splitlines()]
    raised = [line for line in lines if "Error" in line.split(":", maxsplit=1)[0]]
    said = (raised or lines or [f"exit {code}"])[-1].rsplit("exceptions.", 1)[-1]
    return f"failed: {said if len(said) <= 80 else said[:79] + '…'}"


def _available() -> int:
    """Memory that is free or can be freed, in bytes."""
    try:
        facts = dict(
            line.split(":") for line in Path("/proc/meminfo").read_text().splitlines()
        )
        return int(facts["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _used(process: int) -> int:
    """Memory of a process in bytes; 0 where the system does not tell."""
    try:
        pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def table(title: str, runs: dict[str, Run], base: str, *, own: int = 1) -> None:
    """Print the runs as ratios to `base`; the first `own` are ours, then the peers."""
    print(f"\n### {title}\n")
    print("| | time | CPU | seconds | peak MB | |")
    print("|---|---:|---:|---:|---:|---|")
    unit = runs[base]
    for name, each in runs.items():
        columns = [
            _over(each.wall, unit.wall),
            _over(each.cpu, unit.cpu),
            _shown(each.wall, 1),
            _shown(each.peak_mb, 0),
            each.said,
        ]
        print(f"| {name} | " + " | ".join(columns) + " |", flush=True)
    names = list(runs)
    for ours, peer in product(names[:own], names[own:]):
        times = (runs[ours].wall, runs[peer].wall)
        record(title, ours, peer, times, peer_said=runs[peer].said)


def _over(value: float | None, unit: float | None) -> str:
    return _shown(value / unit if value is not None and unit else None, 2)


def _shown(value: float | None, places: int) -> str:
    return "–" if value is None else f"{value:.{places}f}"


def fact(said: str, value: float) -> None:
    """Tell `benchmarks.run` a number to keep; nothing when run alone."""
    _tell({"fact": said, "value": value})


def record(
    title: str, ours: str, peer: str, times: Times, *, peer_said: str = ""
) -> None:
    """Tell `benchmarks.run` our time and a peer's; nothing when run alone.

    `title` names the question before its last comma, and the size after it.
    """
    question, _, size = title.rpartition(", ")
    facts: dict[str, object] = {
        "question": question or title,
        "size": size if question else "",
        "ours": ours,
        "peer": peer,
        "our_seconds": times[0],
        "peer_seconds": times[1],
        "peer_said": peer_said,
    }
    _tell(facts)


def _tell(facts: Mapping[str, object]) -> None:
    target = os.environ.get("BENCH_RECORD")
    if target:
        with Path(target).open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts, ensure_ascii=False) + "\n")


def linear(title: str, costs: Mapping[str, Sequence[tuple[int, float | None]]]) -> None:
    """Print what a row costs at each size, and beside the first size.

    `costs` has, for each question, its sizes in rows and its CPU seconds.
    """
    sizes = [rows for rows, _ in next(iter(costs.values()))]
    print(f"\n### {title}, CPU microseconds, and beside the first size\n")
    print("| |" + "".join(f" {rows:.0e} rows |" for rows in sizes))
    print("|---|" + "---:|" * len(sizes))
    for question, taken in costs.items():
        each = [cpu / rows * 1e6 if cpu is not None else None for rows, cpu in taken]
        first = each[0]
        cells = [_shown(each[0], 2)]
        cells += [f"{_shown(cost, 2)} (× {_over(cost, first)})" for cost in each[1:]]
        print(f"| {question} | " + " | ".join(cells) + " |")


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return (
        f"{os.cpu_count()} cores, {memory} GiB, {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}"
    )


def versions(names: Sequence[str]) -> str:
    return ", ".join(f"{name} {version(name)}" for name in names)
