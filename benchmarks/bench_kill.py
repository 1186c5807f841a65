"""Kill every writer at random instants, again and again, and count what is lost.

    python -m benchmarks.bench_kill --kills 60

`kill` has the appends and the receiver, `kill_upkeep` what works on a whole store.
Every count of a fault has to be 0; the command fails where one is not.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.kill import FAULTS, Killed, kill_inbox, kill_store
from benchmarks.kill_upkeep import UPKEEP

WRITERS = {"append": kill_store, "receive": kill_inbox, **UPKEEP}
KILLS = {"small": 2, "full": 60}  # of each writer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--scale", choices=list(KILLS), default="full")
    parser.add_argument("--only", nargs="+", choices=list(WRITERS), default=[*WRITERS])
    options = parser.parse_args()
    kills, faults = options.kills or KILLS[options.scale], 0
    print("### Killed at random instants\n")
    names = [name.replace("_", " ") for name in Killed._fields]
    print("| writer |", " | ".join(names), "|")
    print("|---|" + "---:|" * len(names))
    for name in options.only:
        with TemporaryDirectory() as folder:
            counted = WRITERS[name](Path(folder), kills=kills)
        faults += sum(getattr(counted, fault) for fault in FAULTS)
        print(f"| {name} |", " | ".join(map(str, counted)), "|", flush=True)
    print()
    if faults:
        sys.exit(f"{faults} faults")


if __name__ == "__main__":
    main()
