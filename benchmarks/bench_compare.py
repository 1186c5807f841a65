"""Two snapshots of a population: causes and a bridge, beside a bare join elsewhere.

    python benchmarks/bench_compare.py --scale small

``small`` is 20,000 accounts of 15 holdings, ``full`` 1,000,000. Each contender runs
alone in a process of its own; the table tells its time, the ratio to ours, and its peak
memory. Ours reads bucket by bucket, joins, names every cause with
its evidence, and adds up the bridge; the others read the same files and do the bare
full outer join with the four differences a data-diff tool would show.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from benchmarks.measure import peak_mb, record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Contenders: TypeAlias = "Mapping[str, Callable[[Path], dict[str, int]]]"
SCALES = {"small": (20_000, 4), "full": (1_000_000, 64)}
HOLDINGS_PER_ACCOUNT = 15
INSTRUMENTS = 2_000
EARLIER = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
COLUMNS = ["owned_quantity", "average_price", "close_price", "pledged_quantity"]


def population(
    accounts: int, bucket: int, buckets: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Make one bucket: in a hundred lines, 86 keep their quantity, 14 do not."""
    from holdings_kit.schema import HOLDINGS, MONEY, RATE

    size = accounts // buckets
    first = bucket * size
    rows = pl.int_range(0, size * HOLDINGS_PER_ACCOUNT, dtype=pl.Int64())
    step = pl.col("row") % HOLDINGS_PER_ACCOUNT
    user = pl.col("row") // HOLDINGS_PER_ACCOUNT + first
    no = (user * 7919 + step * 131) % INSTRUMENTS
    draw = (user * 31 + step * 17) % 100
    base = pl.select(row=rows).with_columns(user=user, no=no, draw=draw, step=step)
    free = (pl.col("draw") + 1) * 10

    def side(
        at: datetime,
        *,
        free: pl.Expr,
        t1: pl.Expr,
        pledged: pl.Expr,
        average: pl.Expr,
        price: pl.Expr,
    ) -> pl.DataFrame:
        told = base.select(
            "draw",
            account_id=pl.format("A{}", pl.col("user").cast(pl.String()).str.zfill(8)),
            holding_no="step",
            snapshot_at=pl.lit(at).dt.cast_time_unit("us"),
            instrument_id=pl.format(
                "INE{}01011", pl.col("no").cast(pl.String()).str.zfill(4)
            ),
            symbol=pl.format("S{}", "no"),
            settled_quantity=free.cast(MONEY),
            t1_quantity=t1.cast(MONEY),
            pledged_quantity=pledged.cast(MONEY),
            owned_quantity=(free + t1 + pledged).cast(MONEY),
            average_price=average.cast(MONEY),
            close_price=price.cast(MONEY),
            haircut=pl.lit(0.2).cast(RATE),
        ).with_columns(snapshot_id=pl.format("{}-{}", "account_id", pl.lit(f"{at:%d}")))
        rest = [
            pl.lit(None, t).alias(c)
            for c, t in HOLDINGS.items()
            if c not in told.columns
        ]
        return told.with_columns(rest).select(*HOLDINGS.names(), "draw")

    zero = pl.lit(0)
    average = pl.col("no") % 900 + 10
    price = pl.col("no") % 900 + 12
    d = pl.col("draw")
    before = side(
        EARLIER, free=free, t1=zero, pledged=zero, average=average, price=price
    )
    after = side(
        EARLIER + timedelta(days=1),
        free=pl.when(d < 3)
        .then(free * 2)
        .when((d >= 6) & (d < 9))
        .then(free - 5)
        .otherwise(free),
        t1=pl.when((d >= 3) & (d < 6)).then(7).otherwise(0),
        pledged=pl.when((d >= 6) & (d < 9)).then(5).otherwise(0),
        average=pl.when(d < 3).then(average / 2).otherwise(average),
        price=pl.when(d < 3).then(price / 2).otherwise(price + 1),
    )
    gone, came = (d >= 9) & (d < 11), (d >= 11) & (d < 14)
    return before.filter(~came).drop("draw"), after.filter(~gone).drop("draw")


def ours(folder: Path) -> dict[str, int]:
    """Causes, evidence and the bridge, one bucket of accounts after the other."""
    counts = [explained(before) for before in sorted(folder.glob("before-*.parquet"))]
    return dict(
        pl.concat(counts)
        .group_by("cause")
        .agg(pl.col("count").sum())
        .sort("cause")
        .rows()
    )


def explained(before: Path) -> pl.DataFrame:
    """Explain one bucket, add its bridge up, and count the causes."""
    import holdings_kit as hk

    after = before.with_name(before.name.replace("before", "after"))
    changes = hk.compare(pl.scan_parquet(before), pl.scan_parquet(after)).collect()
    total = hk.bridge(changes, by=())
    assert total["residual"].to_list() == [0]
    return changes["cause"].value_counts()


def polars_join(folder: Path) -> dict[str, int]:
    """The bare join, bucket by bucket."""
    found = 0
    keys = ["account_id", "instrument_id"]
    for before in sorted(folder.glob("before-*.parquet")):
        after = before.with_name(before.name.replace("before", "after"))
        left, right = (
            pl.read_parquet(p, columns=[*keys, *COLUMNS]) for p in (before, after)
        )
        both = left.join(right, on=keys, how="full", suffix="_after", coalesce=True)
        found += both.filter(
            pl.any_horizontal(
                pl.col(c).ne_missing(pl.col(f"{c}_after")) for c in COLUMNS
            )
        ).height
    return {"different": found}


def duckdb_join(folder: Path) -> dict[str, int]:
    """The bare join over all files at once."""
    import duckdb

    differ = " OR ".join(f"b.{c} IS DISTINCT FROM a.{c}" for c in COLUMNS)
    joined = duckdb.sql(
        f"SELECT count(*) FROM '{folder}/before-*.parquet' b "
        f"FULL OUTER JOIN '{folder}/after-*.parquet' a "
        f"USING (account_id, instrument_id) WHERE {differ}"
    )
    assert joined is not None
    return {"different": int(joined.fetchall()[0][0])}


def pandas_join(folder: Path) -> dict[str, int]:
    """The bare join in float64, bucket by bucket: all at once does not fit."""
    import numpy as np
    import pandas as pd

    found = 0
    keys = ["account_id", "instrument_id"]
    for before in sorted(folder.glob("before-*.parquet")):
        after = before.with_name(before.name.replace("before", "after"))
        left, right = (
            pd.read_parquet(p, columns=[*keys, *COLUMNS]).astype(
                dict.fromkeys(COLUMNS, "float64")
            )
            for p in (before, after)
        )
        both = left.merge(right, on=keys, how="outer", suffixes=("", "_after"))
        different = [(both[c] != both[f"{c}_after"]).to_numpy() for c in COLUMNS]
        found += int(np.logical_or.reduce(different).sum())
    return {"different": found}


CONTENDERS = {
    "holdings_kit: causes, evidence, bridge": ours,
    "polars, bare join by bucket": polars_join,
    "DuckDB, bare join": duckdb_join,
    "pandas float64, bare join by bucket": pandas_join,
}


def run(name: str, folder: Path, contenders: Contenders) -> None:
    """Run one contender in this process and print what it cost."""
    start = time.perf_counter()
    told = contenders[name](folder)
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    peak = peak_mb()
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak, "told": told}))


def write_pairs(folder: Path, accounts: int, bucket: int, buckets: int) -> int:
    """Write both days of one bucket."""
    frames = population(accounts, bucket, buckets)
    for name, frame in zip(("before", "after"), frames, strict=True):
        frame.write_parquet(folder / f"{name}-{bucket:03}.parquet")
    return sum(frame.height for frame in frames)


def compete(
    file: str,
    contenders: Contenders,
    *,
    scales: Mapping[str, tuple[int, int]],
    write: Callable[[Path, int, int, int], int],
    title: str,
) -> None:
    """Run every contender over the same files, each in a process of its own."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--scale", choices=scales, default="small")
    parser.add_argument("--accounts", type=int, help="instead of the scale's number")
    parser.add_argument("--only", help="contender to run, for a child process")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.only:
        run(given.only, given.folder, contenders)
        return
    accounts, buckets = scales[given.scale]
    if given.accounts:
        accounts, buckets = given.accounts, max(1, given.accounts // 15_000)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        lines = sum(write(folder, accounts, each, buckets) for each in range(buckets))
        print(f"{accounts:,} accounts, {lines:,} lines, {buckets} buckets\n")
        print("| contender | seconds | ratio | CPU s | ratio | peak MB |")
        print("|---|---|---|---|---|---|")
        results = {}
        for name in contenders:
            call = [sys.executable, file, "--only", name, "--folder", place]
            out = subprocess.run(
                call, check=True, stdout=subprocess.PIPE, text=True
            ).stdout
            results[name] = told = json.loads(out.splitlines()[-1])
            one = next(iter(results.values()))
            print(
                f"| {name} | {told['seconds']:.1f}"
                f" | {told['seconds'] / one['seconds']:.2f}"
                f" | {told['cpu']:.1f} | {told['cpu'] / one['cpu']:.2f}"
                f" | {told['peak']:.0f} |",
                flush=True,
            )
        ours, *peers = results
        for peer in peers:
            times = (results[ours]["seconds"], results[peer]["seconds"])
            record(f"{title}, {accounts:,} accounts", ours, peer, times)
        for name, told in results.items():
            print(f"\n{name}: {told['told']}")


if __name__ == "__main__":
    compete(
        __file__,
        CONTENDERS,
        scales=SCALES,
        write=write_pairs,
        title="Compare two snapshots",
    )
