"""Run benchmarks, keep what each said at its scale, and write benchmarks/RESULTS.md.

The tables of docs/scale.md are written again with it.

    python -m benchmarks.run [--scale small|full] [--only questions] [--kept-as NAME]

Set ROWS=2e6,2e7,1e8 to choose the sizes of the questions, LIMIT to the seconds and
MEMORY to the gigabytes a contender may take.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import plan
from benchmarks.measure import machine, versions
from benchmarks.results import FIRST, HERE, PAGE, Block, Ratio, keep

NAMES = ["polars", "pyarrow", "deltalake", "duckdb", "pandas", "dask", "numpy"]
HOURS = {"small": 0.05, "full": 4}  # of one benchmark; its contenders have their own


def main() -> None:
    found = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    order = [name for name in FIRST if name in found]
    order += [name for name in found if name not in FIRST]
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", choices=list(HOURS), default="small")
    parser.add_argument("--only", nargs="+", choices=found, default=order)
    parser.add_argument("--kept-as", help="keep it beside the scale's own blocks")
    asked = parser.parse_args()
    for name in (name for name in order if name in asked.only):
        print(f"{name} …", file=sys.stderr, flush=True)
        one(name, asked.scale, asked.kept_as or asked.scale)
    plan.write()
    print(PAGE)


def one(name: str, scale: str, kept: str) -> None:
    """Run one benchmark and keep its tables as they come, until it ends or may not."""
    facts = f"{datetime.now(UTC).date()} · {machine()} · {versions(NAMES)}"
    command = ["python", "-m", f"benchmarks.bench_{name}", "--scale", scale]
    sizes = os.environ.get("ROWS")
    shown = " ".join([f"ROWS={sizes}" if sizes else "", *command]).strip()
    lines: list[str] = []
    with TemporaryDirectory() as folder:
        record, errors = Path(folder) / "ratios", Path(folder) / "errors"
        record.touch()

        def save(ended: str) -> None:
            told = [json.loads(line) for line in record.read_text().splitlines()]
            ratios: list[Ratio] = [one for one in told if "fact" not in one]
            measured = {one["fact"]: one["value"] for one in told if "fact" in one}
            text = "".join(lines)
            keep(Block(kept, name, facts, text, ended, ratios, measured))

        started = time.monotonic()
        with (
            errors.open("w") as into,
            subprocess.Popen(
                [sys.executable, *command[1:]],
                cwd=HERE.parent,
                env=os.environ | {"BENCH_RECORD": str(record)},
                stdout=subprocess.PIPE,
                stderr=into,
                text=True,
                start_new_session=True,
            ) as process,
        ):
            late = threading.Timer(HOURS[scale] * 3600, stop, [process.pid])
            late.start()
            for line in process.stdout or []:
                lines.append(line)
                if not line.strip() and "|" in "".join(lines):
                    save("Not run to its end.")
        on_time = late.is_alive()
        late.cancel()
        code = process.returncode
        took = f"`{shown}`, {time.monotonic() - started:.0f} s."
        if not on_time:
            took += " Stopped there: it takes too long."
        elif code:
            last = (errors.read_text().strip().splitlines() or ["no word"])[-1]
            took += f" Failed: {last}"
        save(took)


def stop(process: int) -> None:
    """Interrupt a benchmark and what it started; they remove their files."""
    os.killpg(process, signal.SIGINT)


if __name__ == "__main__":
    main()
