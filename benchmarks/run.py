"""Run every benchmark and write the tables to benchmarks/RESULTS.md.

python -m benchmarks.run [--scale small|full]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import machine, versions

HERE = Path(__file__).parent
NAMES = ["polars", "pyarrow", "deltalake", "duckdb", "pandas", "dask", "numpy", "numba"]
FIRST = ["bench_load", "bench_questions", "bench_cluster"]
LIMIT = {"small": 120, "full": 3600}  # seconds for one benchmark

HEAD = """# Results

Ratios from one run, side by side, on a machine that did other work meanwhile: trust the
ratios to about a fifth, absolute times not at all. 1.00 is the row the others are
measured against; memory is the peak of the whole process. Where our row is above 1.00,
we are slower than that peer.
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", choices=["small", "full"], default="small")
    parser.add_argument("only", nargs="*")
    asked = parser.parse_args()
    found = sorted(path.stem for path in HERE.glob("bench_*.py"))
    order = [*FIRST, *(name for name in found if name not in FIRST)]
    today = datetime.now(UTC).date()
    facts = f"{today} · scale {asked.scale} · {machine()} · {versions(NAMES)}"
    parts = [HEAD, facts]
    target = HERE / ("results-part.md" if asked.only else "RESULTS.md")
    for name in [name for name in order if not asked.only or name in asked.only]:
        print(f"{name} …", file=sys.stderr, flush=True)
        parts.append(
            f"\n## {name.removeprefix('bench_').replace('_', ' ').capitalize()}"
        )
        parts.append(one(name, asked.scale))
        target.write_text("\n".join(parts) + "\n", encoding="utf-8")
    print(target)


def one(name: str, scale: str) -> str:
    """Run one benchmark; its table, or why there is none."""
    started = time.monotonic()
    command = [sys.executable, "-m", f"benchmarks.{name}", "--scale", scale]
    try:
        done = subprocess.run(
            command,
            cwd=HERE.parent,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            timeout=LIMIT[scale],
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"\nNot run to its end: over {LIMIT[scale]} s."
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        return f"{done.stdout}\nFailed: {last}"
    took = time.monotonic() - started
    return f"{done.stdout.rstrip()}\n\n`python -m benchmarks.{name}`, {took:.0f} s."


if __name__ == "__main__":
    main()
