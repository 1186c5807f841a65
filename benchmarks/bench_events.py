"""How often a comparison is right, and how sure it says to be, on random lives.

    python -m benchmarks.bench_events --scale small|full

The lives are those of `tests/compare/lives.py`, which shares no code with the package:
``small`` lives 1,000 of them, ``full`` 5,000, each with the actions table and without.
A table has one row per band of confidence, another what was said of what happened. It
fails where of the lines with confidence 0.9 more than one in a hundred is wrong, of
those with 0.8 more than one in twenty, or where a bridge does not add up.
"""

from __future__ import annotations

import argparse
import time

import polars as pl

import holdings_kit as hk
from tests.compare import test_calibration as calibration
from tests.compare.lives import lives

SCALES = {"small": 1_000, "full": 5_000}
SEEDS = (3, 11)
BOUNDS = {0.9: 0.01, 0.8: 0.05}  # confidence: the share that may be wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=SCALES, default="small")
    count = SCALES[parser.parse_args().scale]
    for seed in SEEDS:
        told = lives(count, seed)
        for table in (True, False):
            start = time.perf_counter()
            asked = calibration.compare_lives(told, table=table)
            seconds = time.perf_counter() - start
            how = "with the actions table" if table else "from the numbers alone"
            print(f"\n### {count:,} lives, seed {seed}, {how}\n")
            rows = calibration.named(asked)
            print("\n".join(calibration.reliability(rows)))
            print()
            print("\n".join(calibration.confusion(asked)))
            unexplained = rows.filter(cause="unexplained").height
            print(f"\n{unexplained} of {rows.height:,} unexplained; {seconds:.1f} s")
            check(rows, asked)


def check(rows: pl.DataFrame, asked: calibration.Asked) -> None:
    """Fail where the answers are worse than they say."""
    for least, allowed in BOUNDS.items():
        sure = rows.filter(pl.col("confidence") >= least)
        wrong = int((~sure["right"]).sum())
        if wrong > allowed * sure.height:
            raise SystemExit(
                f"{wrong} of {sure.height} lines sure to {least} are wrong"
            )
    for of in ("value", "pnl"):
        if set(hk.bridge(asked.changes, of=of)["residual"]) != {0}:
            raise SystemExit(f"a bridge of {of} does not add up")


if __name__ == "__main__":
    main()
