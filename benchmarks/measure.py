"""Run pieces of work in fresh processes, side by side, and write Markdown tables."""

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
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Run(NamedTuple):
    """One piece of work: seconds, CPU seconds, peak memory of the whole process."""

    wall: float
    cpu: float
    peak_mb: float
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
    usage = resource.getrusage(resource.RUSAGE_SELF)
    facts = {
        "wall": time.perf_counter() - started,
        "cpu": time.process_time() - used,
        "peak_mb": usage.ru_maxrss / 1024,
        "said": str(said),
    }
    print(json.dumps(facts))
    return True


def run(module: str, job: str, *arguments: object, threads: int | None = None) -> Run:
    """Do a job in a fresh process."""
    command = [sys.executable, "-m", module, "--job", job, *map(str, arguments)]
    environment = dict(os.environ)
    if threads:
        environment["POLARS_MAX_THREADS"] = str(threads)
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["killed"])[-1]
        return Run(float("nan"), float("nan"), float("nan"), f"failed: {last[:80]}")
    return Run(**json.loads(done.stdout.strip().splitlines()[-1]))


def table(title: str, runs: dict[str, Run], base: str) -> None:
    """Print the runs as ratios to `base`."""
    print(f"\n### {title}\n")
    print("| | time | CPU | seconds | peak MB | |")
    print("|---|---:|---:|---:|---:|---|")
    for name, each in runs.items():
        time_ratio = each.wall / runs[base].wall
        cpu_ratio = each.cpu / runs[base].cpu
        print(
            f"| {name} | {time_ratio:.2f} | {cpu_ratio:.2f} | {each.wall:.1f} "
            f"| {each.peak_mb:.0f} | {each.said} |",
            flush=True,
        )


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return (
        f"{os.cpu_count()} cores, {memory} GiB, {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}"
    )


def versions(names: Sequence[str]) -> str:
    return ", ".join(f"{name} {version(name)}" for name in names)
