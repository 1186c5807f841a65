"""Load dumps: the store's scan beside DuckDB, polars and pandas.

    python -m benchmarks.bench_load [--scale small|full]

The dumps are `holdings-kit generate`'s; in the broken ones every hundredth line is cut.
DuckDB writes the same four tables (snapshots, holdings, listings, baskets) with DECIMAL
columns into as many buckets; but JSON numbers go through float64 on the way
(12345678901234.5678 becomes …5680), a fifth place is rounded without a word, it proves
no row, keys none by content, keeps no other fields and cannot say which lines it lost.
polars is told the four fields it needs: left to find the types, it fails on private
smallcases, which come in two shapes; and it gives up the file at a broken line.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Run, run, scale, table, work
from holdings_kit.generate import generate

BUCKETS = 4
LOT = "STRUCT(quantity DECIMAL(18,4), averagePrice DECIMAL(18,4))"
SECURITY = (
    f"STRUCT(holdings {LOT}, positions STRUCT(nse {LOT}, bse {LOT}), "
    "transactableQuantity DECIMAL(18,4), smallcaseQuantity DECIMAL(18,4), "
    "collateralQuantity DECIMAL(18,4), nseTicker VARCHAR, bseTicker VARCHAR, "
    "isin VARCHAR, name VARCHAR)[]"
)
BASKET = (
    "STRUCT(public STRUCT(scid VARCHAR, name VARCHAR, stats STRUCT(currentValue "
    "DECIMAL(18,4), totalReturns DECIMAL(18,4)), constituents STRUCT(ticker VARCHAR, "
    "shares DECIMAL(18,4))[])[], private JSON)"
)
UNNESTED = "(select *, unnest(securities) s from raw)"
TABLES = {
    "snapshots": "select * exclude (securities, smallcases) from raw",
    "holdings": "select doc, smallcaseAuthId, snapshotDate, broker, bucket,"
    " s.holdings.quantity - s.collateralQuantity settled, s.collateralQuantity,"
    " s.positions.nse.quantity + s.positions.bse.quantity traded, s.smallcaseQuantity,"
    " s.holdings.quantity owned, s.transactableQuantity, s.holdings.averagePrice,"
    " s.transactableQuantity = s.holdings.quantity + s.positions.nse.quantity fits,"
    f" s.isin, s.name, s.nseTicker from {UNNESTED}",
    "listings": "select doc, smallcaseAuthId, bucket, 'NSE' ex, s.nseTicker, s.isin"
    f" from {UNNESTED} where s.nseTicker is not null union all by position"
    " select doc, smallcaseAuthId, bucket, 'BSE', s.bseTicker, s.isin"
    f" from {UNNESTED} where s.bseTicker is not null".replace(" by position", ""),
    "baskets": "select doc, smallcaseAuthId, bucket, p.scid, p.name,"
    " p.stats.currentValue, unnest(p.constituents)"
    " from (select *, unnest(smallcases.public) p from raw)",
}


def duckdb(dump: str, out: str) -> str:
    import duckdb

    database = duckdb.connect()
    database.execute("set preserve_insertion_order = false")
    database.execute(
        "create temp table raw as select row_number() over () doc, *,"
        f" hash(smallcaseAuthId) % {BUCKETS} bucket from read_json('{dump}',"
        " format='newline_delimited', ignore_errors=true, columns={"
        f"securities: '{SECURITY}', smallcases: '{BASKET}', snapshotDate: 'TIMESTAMP',"
        " smallcaseAuthId: 'VARCHAR', broker: 'VARCHAR', transactionId: 'VARCHAR',"
        " timestamp: 'TIMESTAMP'})"
    )
    for name, query in TABLES.items():
        database.execute(
            f"copy ({query}) to '{out}/{name}' "
            "(format parquet, compression zstd, partition_by (bucket))"
        )
    where = "smallcaseAuthId is not null"
    found = database.execute(f"select count(*) from raw where {where}").fetchone()
    return f"{found[0] if found else 0} documents, no rejects, numbers through float64"


def duckdb_holdings(dump: str, out: str) -> str:
    import duckdb

    database = duckdb.connect()
    database.execute("set preserve_insertion_order = false")
    database.execute(
        "copy (select smallcaseAuthId, snapshotDate, broker, transactionId,"
        f" unnest(securities) s from read_json('{dump}', format='newline_delimited',"
        f" ignore_errors=true)) to '{out}/holdings.parquet'"
        " (format parquet, compression zstd)"
    )
    return "holdings only, numbers as float64"


def polars(dump: str, out: str) -> str:
    import polars as pl

    lot = pl.Struct(dict.fromkeys(("quantity", "averagePrice"), pl.Float64()))
    counts = ("transactableQuantity", "smallcaseQuantity", "collateralQuantity")
    names = ("nseTicker", "bseTicker", "isin", "name")
    security = pl.Struct(
        {"holdings": lot, "positions": pl.Struct({"nse": lot, "bse": lot})}
        | dict.fromkeys(counts, pl.Float64())
        | dict.fromkeys(names, pl.String())
    )
    text = ("smallcaseAuthId", "snapshotDate", "broker")
    schema = dict.fromkeys(text, pl.String()) | {"securities": pl.List(security)}
    rows = pl.scan_ndjson(dump, schema=schema).explode("securities")
    rows.sink_parquet(f"{out}/holdings.parquet", compression="zstd")
    return "holdings only, numbers as float64"


def pandas(dump: str, out: str) -> str:
    import json

    import pandas as pd

    lines = [json.loads(line) for line in Path(dump).read_bytes().splitlines()]
    flat = pd.json_normalize(lines, "securities", ["smallcaseAuthId", "snapshotDate"])
    flat.to_parquet(f"{out}/holdings.parquet", compression="zstd")
    return "holdings only, numbers as float64"


def ours(dump: str, out: str) -> str:
    import holdings_kit as hk

    store = hk.Store(f"{out}/store", buckets=BUCKETS)
    scan = hk.scan_webhooks(dump, into=store, progress=False)
    return f"{scan.deliveries} documents, {scan.rejects.height} rejects"


def replies(dump: str, out: str) -> str:
    import holdings_kit as hk

    store = hk.Store(f"{out}/store", buckets=BUCKETS)
    scan = hk.scan_arrow(dump, into=store, progress=False)
    return f"{scan.deliveries} documents, {scan.rejects.height} rejects"


def duckdb_replies(dump: str, out: str) -> str:
    import duckdb

    database = duckdb.connect()
    database.execute("set preserve_insertion_order = false")
    database.execute(
        "create temp table raw as select row_number() over () doc, *,"
        f" hash(account_id) % {BUCKETS} bucket from read_json('{dump}',"
        " format='newline_delimited', ignore_errors=true)"
    )
    numbers = "qty usedQty t1Qty depositoryQty brokerCollateralQty avgPrice ltp close"
    numbers += " pnl haircut effectiveQty sellableQty"
    casts = ", ".join(
        f"try_cast(s.{name} as DECIMAL(18,4)) {name}" for name in numbers.split()
    )
    for name, query in {
        "snapshots": "select doc, account_id, snapshot_at, len(data), bucket from raw",
        "holdings": f"select doc, account_id, bucket, {casts}"
        " from (select *, unnest(data) s from raw)",
        "listings": "select doc, account_id, bucket, unnest(s.symbols, recursive:=true)"
        " from (select *, unnest(data) s from raw)",
    }.items():
        database.execute(
            f"copy ({query}) to '{out}/{name}' "
            "(format parquet, compression zstd, partition_by (bucket))"
        )
    return "no rejects"


JOBS = {
    "scan_webhooks": ours,
    "DuckDB, same tables": duckdb,
    "DuckDB, holdings only": duckdb_holdings,
    "polars scan_ndjson": polars,
    "pandas json_normalize": pandas,
    "scan_arrow": replies,
    "DuckDB, same tables (Arrow)": duckdb_replies,
}


def broken(dump: Path) -> Path:
    target = dump.with_name("broken.ndjson")
    lines = dump.read_bytes().splitlines(keepends=True)
    lines[::100] = [line[: len(line) // 2] + b"\n" for line in lines[::100]]
    target.write_bytes(b"".join(lines))
    return target


def main() -> None:
    full = scale() == "full"
    with TemporaryDirectory() as name:
        folder = Path(name)
        count = 280_000 if full else 3_000  # 1 GB, 10 MB
        [dump] = generate(folder, accounts=count, days=1)
        [arrow] = generate(folder, accounts=count, days=1, wire="arrow")

        def each(names: list[str], path: Path) -> dict[str, Run]:
            runs: dict[str, Run] = {}
            for job in names:
                with TemporaryDirectory(dir=folder) as out:
                    runs[job] = run("benchmarks.bench_load", job, path, out)
            return runs

        size = f"{dump.stat().st_size >> 20} MB"
        base = "DuckDB, same tables"
        jobs = ["scan_webhooks", base, "DuckDB, holdings only", "polars scan_ndjson"]
        jobs += ["pandas json_normalize"]
        table(f"Load clean webhook dumps, {size}", each(jobs, dump), base)
        jobs = ["scan_webhooks", base, "polars scan_ndjson"]
        title = f"Load webhook dumps with 1 % broken lines, {size}"
        table(title, each(jobs, broken(dump)), base)
        base = "DuckDB, same tables (Arrow)"
        size = f"{arrow.stat().st_size >> 20} MB"
        title = f"Load clean dumps of Arrow replies, {size}"
        table(title, each(["scan_arrow", base], arrow), base)


if __name__ == "__main__" and not work(JOBS):
    main()
    sys.exit()
