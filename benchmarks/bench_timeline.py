"""Ten days of a population explained and bridged, beside the same joins in DuckDB.

    python -m benchmarks.bench_timeline --scale small

``small`` is ten snapshots of 5,000 accounts of 15 holdings, ``full`` of 50,000. Ours
names every cause from each snapshot to the next, slice by slice, keeping the sums of
the bridge; DuckDB joins each day with the next, bare, and counts what differs.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from benchmarks.bench_compare import COLUMNS, EARLIER, compete, population

if TYPE_CHECKING:
    from pathlib import Path

SCALES = {"small": (5_000, 1), "full": (50_000, 10)}
DAYS = 10


def bridge_timeline(folder: Path) -> dict[str, int]:
    """Every snapshot explained to the next, slice by slice; only the sums are kept."""
    import holdings_kit as hk

    history = pl.scan_parquet(folder / "history-*.parquet")
    total = hk.bridge(hk.timeline(history), by=()).collect()
    assert total["residual"].to_list() == [0]
    return {"lines": total["lines_count"][0]}


def join_in_duckdb(folder: Path) -> dict[str, int]:
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


if __name__ == "__main__":
    compete(
        __file__,
        {
            "holdings_kit: timeline and bridge": bridge_timeline,
            "DuckDB, the same joins": join_in_duckdb,
        },
        scales=SCALES,
        write=write_history,
        title="Explain ten days",
    )
