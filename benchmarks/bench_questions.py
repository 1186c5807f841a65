"""Ask a store of many rows, bucket by bucket, beside DuckDB over its files.

    python -m benchmarks.bench_questions [--scale small|full|huge]

Rows are account × instrument on each of two days. DuckDB reads the same parquet files
(`duck_questions` says what it is asked); every answer goes into parquet files. Set
ROWS=2e6,2e7 to choose the sizes.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from uuid import uuid4

import polars as pl

from benchmarks import (
    duck_compare as duck_compare_sql,
    duck_questions,
    pandas_questions,
)
from benchmarks.measure import linear, run, scale, table, work
from holdings_kit.schema import MONEY, RATE
from holdings_kit.store import Store, Threads
from holdings_kit.store._files import commit_files, write_files
from holdings_kit.store._tables import TABLES, Tables, bucket_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from holdings_kit.store import Mapper, StoreView

EACH = 20  # holdings of an account
DAYS = (date(2026, 1, 5), date(2026, 1, 6))
PER_BUCKET = 300_000  # rows of a day


def build(folder: Path, rows: int) -> None:
    """Write a store of so many rows a day, straight into its tables."""
    buckets = max(1, rows // PER_BUCKET)
    store = Store(folder, buckets=buckets)
    store.commit([])
    tables = Tables(str(folder), None)
    names = [f"ACC{number:08}" for number in range(rows // EACH)]
    accounts = pl.DataFrame(
        {
            "account_id": names,
            "n": range(len(names)),
            "bucket": [bucket_of(name, buckets) for name in names],
        },
        schema={"account_id": pl.String(), "n": pl.Int64(), "bucket": pl.Int32()},
    )
    for part in accounts.partition_by("bucket"):
        files = []
        for number, day in enumerate(DAYS):
            snapshots = part.with_columns(
                snapshot_id=pl.format("{}-{}", pl.lit(str(day)), "account_id"),
                snapshot_at=pl.lit(
                    datetime(day.year, day.month, day.day, 11, tzinfo=UTC)
                ),
                snapshot_date=pl.lit(day),
                batch_id=pl.lit("bench"),
                source=pl.lit("arrow"),
                broker=pl.lit("arrow"),
            )
            facts = snapshots.with_columns(
                fetched_at="snapshot_at",
                format=pl.lit("arrow"),
                holdings_count=pl.lit(EACH, pl.Int64()),
                rows_count=pl.lit(EACH, pl.Int64()),
                file=pl.lit("bench"),
                line_no="n",
            )
            frames = {"holdings": holdings(snapshots, number), "snapshots": facts}
            files += write_files(
                tables, {table: whole(frame, table) for table, frame in frames.items()}
            )
        commit_files(tables, files)


def whole(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    missing = {c: t for c, t in TABLES[table].items() if c not in frame.columns}
    blank = [
        (pl.lit([], t) if isinstance(t, pl.List) else pl.lit(None, t)).alias(c)
        for c, t in missing.items()
    ]
    return frame.with_columns(blank).select(TABLES[table].names()).cast(TABLES[table])


def holdings(snapshots: pl.DataFrame, day: int) -> pl.DataFrame:
    places = pl.DataFrame({"k": range(EACH)}, schema={"k": pl.Int64()})
    n, k = pl.col("n"), pl.col("k")
    number = (n * 31 + k * 97) % 2000
    units = (
        (n * 13 + k * 7) % 500 + 1 + pl.when((n + k) % 20 == 0).then(day).otherwise(0)
    )
    pledged = pl.when((n + k) % 4 == 0).then(units // 2).otherwise(0)
    close = ((number * 37) % 9000 + 1000 + day).cast(pl.Int64())
    return snapshots.join(places, how="cross").select(
        "snapshot_id",
        "account_id",
        "source",
        "broker",
        "snapshot_at",
        "batch_id",
        "snapshot_date",
        "bucket",
        holding_no="k",
        row_no="k",
        instrument_id=pl.format("INEZ{}", number.cast(pl.String()).str.zfill(8)),
        isin=pl.format("INEZ{}", number.cast(pl.String()).str.zfill(8)),
        symbol=pl.format("DEMO{}", number),
        asset_class=pl.lit("equity"),
        settled_quantity=(units - pledged).cast(MONEY),
        t1_quantity=pl.lit(0).cast(MONEY),
        pledged_quantity=pledged.cast(MONEY),
        owned_quantity=units.cast(MONEY),
        reported_quantity=units.cast(MONEY),
        reconciles=pl.lit(value=True),
        average_price=((n * 7 + k) % 9000 + 500).cast(MONEY),
        last_price=close.cast(MONEY),
        close_price=close.cast(MONEY),
        haircut=(pl.lit(0.1) + (number % 30) / 100).cast(RATE),
    )


# ours, bucket by bucket, each answer into a parquet file


def positions_of(view: StoreView) -> pl.DataFrame:
    import holdings_kit as hk

    by = ("account_id", "instrument_id")
    return hk.consolidate(view.scan().holdings.collect(), by=by, sort=False)


def values_of(view: StoreView) -> pl.DataFrame:
    from holdings_kit.store.population import account_values

    return account_values(view)


def valued(view: StoreView) -> int:
    """Value a bucket's accounts; only their number travels."""
    return values_of(view).height


def kept(
    view: StoreView,
    question: Callable[[StoreView], pl.DataFrame],
    *,
    summed: str,
    folder: Path,
) -> tuple[int, Decimal]:
    answer = question(view)
    answer.write_parquet(folder / f"{uuid4().hex}.parquet", compression="snappy")
    return answer.height, answer.select(pl.col(summed).sum()).item()


def ask(
    question: Callable[[StoreView], pl.DataFrame],
    store: str,
    summed: str = "market_value",
    on: Mapper | None = None,
) -> str:
    with TemporaryDirectory(dir=Path(store).parent) as folder:
        keep = partial(kept, question=question, summed=summed, folder=Path(folder))
        answers = Store(store).map(keep, on=on)
    rows = sum(height for height, _ in answers)
    total = sum(part for _, part in answers)
    return f"{rows:,} rows, {summed} {total:.0f}"


def consolidate_two(store: str) -> str:
    return ask(positions_of, store, on=Threads(2))


def value_two(store: str) -> str:
    return ask(values_of, store, on=Threads(2))


def compare_two(store: str) -> str:
    return ask(changes_of, store, "cost_value_after", on=Threads(2))


def consolidate(store: str) -> str:
    return ask(positions_of, store)


def value(store: str) -> str:
    return ask(values_of, store)


def changes_of(view: StoreView) -> pl.DataFrame:
    import holdings_kit as hk

    before = view.scan(as_of=datetime(2026, 1, 5, 20, tzinfo=UTC)).holdings
    return hk.compare(before, view.scan().holdings).collect()


def compare(store: str) -> str:
    return ask(changes_of, store, "cost_value_after")


# the same in DuckDB


def duck_consolidate(store: str) -> str:
    return duck_questions.ask(duck_questions.CONSOLIDATE, store)


def duck_consolidate_sums(store: str) -> str:
    return duck_questions.ask(duck_questions.SUMS, store)


def duck_value(store: str) -> str:
    return duck_questions.ask(duck_questions.VALUE, store)


def duck_value_sums(store: str) -> str:
    return duck_questions.ask(duck_questions.SUMS_PER_ACCOUNT, store)


def duck_compare(store: str) -> str:
    lines = duck_compare_sql.causes(duck_questions.FIRST, duck_questions.LAST)
    said = duck_questions.ask(lines, store, "cost_value_after")
    return f"{said}; {duck_compare_sql.LEFT_OUT}"


def duck_compare_join(store: str) -> str:
    lines = duck_compare_sql.bare(duck_questions.FIRST, duck_questions.LAST)
    return duck_questions.ask(lines, store, "owned_quantity_1")


JOBS = {
    "consolidate": consolidate,
    "consolidate_two": consolidate_two,
    "value": value,
    "value_two": value_two,
    "compare": compare,
    "compare_two": compare_two,
    "duck_consolidate": duck_consolidate,
    "duck_consolidate_sums": duck_consolidate_sums,
    "duck_value": duck_value,
    "duck_value_sums": duck_value_sums,
    "duck_compare": duck_compare,
    "duck_compare_join": duck_compare_join,
    "pandas_consolidate": pandas_questions.consolidate,
    "pandas_value": pandas_questions.value,
    "pandas_compare": pandas_questions.compare,
}
ASKED = {  # our job, its title, then its peers; the first is what the others are × of
    "consolidate": (
        "Consolidate per account and instrument",
        {
            "DuckDB, same columns": "duck_consolidate",
            "DuckDB, plain sums": "duck_consolidate_sums",
            "pandas, float64": "pandas_consolidate",
        },
    ),
    "value": (
        "P&L, concentration and collateral per account",
        {
            "DuckDB, same columns": "duck_value",
            "DuckDB, plain sums": "duck_value_sums",
            "pandas, float64": "pandas_value",
        },
    ),
    "compare": (
        "Compare two days",
        {
            "DuckDB, plain causes": "duck_compare",
            "DuckDB, bare join": "duck_compare_join",
            "pandas, differences in float64": "pandas_compare",
        },
    ),
}
PANDAS_ROWS = 2_000_000  # it needs the memory of all rows at once


def main() -> None:
    sizes = os.environ.get("ROWS", "2e6,2e7" if scale() == "full" else "2e5")
    here = "benchmarks.bench_questions"
    took: dict[str, list[tuple[int, float | None]]] = {}
    for rows in (int(float(size)) for size in sizes.split(",")):
        with TemporaryDirectory() as name:
            store = Path(name) / "store"
            build(store, rows)
            for job, (title, peers) in ASKED.items():
                runs = {"bucket by bucket": run(here, job, store)}
                if rows >= 2 * PER_BUCKET:
                    runs["two buckets at once"] = run(here, f"{job}_two", store)
                own = len(runs)
                for label, peer in peers.items():
                    if rows <= PANDAS_ROWS or not peer.startswith("pandas"):
                        runs[label] = run(here, peer, store)
                table(f"{title}, {rows:.0e} rows", runs, next(iter(peers)), own=own)
                cpu = runs["bucket by bucket"].cpu
                took.setdefault(job, []).append((rows, cpu))
    linear("Cost per row", took)


if __name__ == "__main__" and not work(JOBS):
    main()
    sys.exit()
