"""Two snapshots of a population: causes and a bridge, beside a bare join elsewhere.

    python benchmarks/bench_compare.py --scale small

``small`` is 20,000 accounts of 15 holdings, ``full`` 1,000,000; ``timeline`` is ten
snapshots of 50,000 accounts, explained each to the next, only the bridge kept. Each
contender runs alone in a process of its own; the table tells its time, the ratio to
ours, and its peak memory. Ours reads bucket by bucket, joins, names every cause with
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

import polars as pl

from benchmarks.measure import peak_mb, record

SCALES = {"small": (20_000, 4), "full": (1_000_000, 64), "timeline": (50_000, 10)}
DAYS = 10  # of a timeline
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


def timeline_bridge(folder: Path) -> dict[str, int]:
    """Every snapshot explained to the next, slice by slice; only the sums are kept."""
    import holdings_kit as hk

    history = pl.scan_parquet(folder / "history-*.parquet")
    total = hk.bridge(hk.timeline(history), by=()).collect()
    assert total["residual"].to_list() == [0]
    return {"lines": total["lines_count"][0]}


def duckdb_timeline(folder: Path) -> dict[str, int]:
    """The same joins, and no causes: each day beside the next of its account."""
    import duckdb

    differ = " OR ".join(f"b.{c} IS DISTINCT FROM a.{c}" for c in COLUMNS)
    files = f"'{folder}/history-*.parquet'"
    days = f"(SELECT *, date_part('day', snapshot_at) AS day FROM {files})"
    joined = duckdb.sql(
        f"SELECT count(*) FROM {days} b FULL OUTER JOIN {days} a ON "
        f"b.account_id = a.account_id AND b.instrument_id = a.instrument_id "
        f"AND b.day + 1 = a.day WHERE {differ}"
    )
    assert joined is not None
    return {"different": int(joined.fetchall()[0][0])}


def write_history(folder: Path, accounts: int, bucket: int, buckets: int) -> int:
    """Write ten days of one bucket: the two days of `population` in turn."""
    sides = population(accounts, bucket, buckets)
    days = [
        sides[day % 2].with_columns(
            snapshot_at=pl.lit(EARLIER + timedelta(days=day)).dt.cast_time_unit("us"),
            snapshot_id=pl.format("{}-{}", "account_id", pl.lit(day)),
        )
        for day in range(DAYS)
    ]
    history = pl.concat(days).sort("account_id")
    history.write_parquet(folder / f"history-{bucket:03}.parquet")
    return history.height


TIMELINES = {
    "holdings_kit: timeline and bridge": timeline_bridge,
    "DuckDB, the same joins": duckdb_timeline,
}
CONTENDERS = {
    "holdings_kit: causes, evidence, bridge": ours,
    "polars, bare join by bucket": polars_join,
    "DuckDB, bare join": duckdb_join,
    "pandas float64, bare join by bucket": pandas_join,
}


def run(name: str, folder: Path) -> None:
    """Run one contender in this process and print what it cost."""
    start = time.perf_counter()
    told = {**CONTENDERS, **TIMELINES}[name](folder)
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    peak = peak_mb()
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak, "told": told}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--accounts", type=int, help="instead of the scale's number")
    parser.add_argument("--only", help="contender to run, for a child process")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.only:
        run(given.only, given.folder)
        return
    accounts, buckets = SCALES[given.scale]
    if given.accounts:
        accounts, buckets = given.accounts, max(1, given.accounts // 15_000)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        lines = 0
        over_days = given.scale == "timeline"
        for bucket in range(buckets):
            if over_days:
                lines += write_history(folder, accounts, bucket, buckets)
                continue
            for name, frame in zip(
                ("before", "after"), population(accounts, bucket, buckets), strict=True
            ):
                frame.write_parquet(folder / f"{name}-{bucket:03}.parquet")
                lines += frame.height
        print(f"{accounts:,} accounts, {lines:,} lines, {buckets} buckets\n")
        print("| contender | seconds | ratio | CPU s | ratio | peak MB |")
        print("|---|---|---|---|---|---|")
        results = {}
        for name in TIMELINES if over_days else CONTENDERS:
            call = [sys.executable, __file__, "--only", name, "--folder", place]
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
            what = "Explain ten days" if over_days else "Compare two snapshots"
            record(f"{what}, {accounts:,} accounts", ours, peer, times)
        for name, told in results.items():
            print(f"\n{name}: {told['told']}")


if __name__ == "__main__":
    main()
