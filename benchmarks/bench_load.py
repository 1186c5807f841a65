"""Load dumps: the store's scan beside DuckDB, polars and pandas.

    [ROWS=140000] python -m benchmarks.bench_load [--scale small|full]

The dumps are `holdings-kit generate`'s, ROWS accounts of 3.6 kB; in the broken ones
every hundredth line is cut.
DuckDB writes the same four tables (snapshots, holdings, listings, baskets) with DECIMAL
columns into as many buckets: once as a plain load would, once with the columns, content
ids and order that a store's files have. But its JSON numbers go through float64 on the
way (12345678901234.5678 becomes …5680), a fifth place is rounded without a word, it
proves no row, keeps no other fields and cannot say which lines it lost. We and the
plain load take turns, three times; the run of middle time counts.
polars is told the four fields it needs: left to find the types, it fails on private
smallcases, which come in two shapes; and it gives up the file at a broken line.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Run, run, scale, table, work
from holdings_kit.sandbox import generate

BUCKETS = 4
TURNS = 3
DOC = "hash(smallcaseAuthId, snapshotDate, transactionId)"  # a window takes one core
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

KEYED = (
    # every row as the wire says it, numbered in its document
    """create temp table wire as
    select doc, generate_subscripts(securities, 1) - 1 holding_no,
        unnest(securities) s, null f from raw
    union all by name
    select doc, coalesce(len(securities), 0) + generate_subscripts(
        mutualFunds.holdings, 1) - 1 holding_no, unnest(mutualFunds.holdings) f
    from raw""",
    """create temp table parts as
    select doc, p.*, 'public' visibility
    from (select doc, unnest(smallcases.public) p from raw)
    union all select doc, p.*, 'private' from (select doc, unnest(from_json(
        case when json_type(smallcases.private) = 'ARRAY' then smallcases.private
        else smallcases.private->'investments' end, '[{"scid": "VARCHAR",
        "name": "VARCHAR", "shortDescription": "VARCHAR", "imageUrl": "VARCHAR",
        "stats": {"currentValue": "DECIMAL(18,4)", "totalReturns": "DECIMAL(18,4)",
        "currentReturns": "DECIMAL(18,4)"}, "constituents": [{"ticker": "VARCHAR",
        "shares": "DECIMAL(18,4)"}]}]')) p from raw)""",
    # the id: a hash of all rows, in any order
    """create temp table ids as
    select doc, left(sha256(concat_ws(chr(31), any_value(broker),
        any_value(smallcaseAuthId), any_value(snapshotDate),
        string_agg(line, chr(10) order by line))), 32) snapshot_id
    from raw left join (
        select doc, concat_ws(chr(31), s, f) line from wire
        union all select doc, concat_ws(chr(31), scid, name, stats, constituents)
        from parts) using (doc)
    group by doc""",
    """create temp table known as
    select doc, snapshot_id, smallcaseAuthId account_id, 'gateway' source, broker,
        snapshotDate snapshot_at, bucket from raw join ids using (doc)""",
    """create temp view holdings_of as select known.* exclude (doc), holding_no,
        coalesce(s.isin, f.isin, 'NSE:' || s.nseTicker) instrument_id,
        coalesce(s.isin, f.isin) isin, coalesce(s.nseTicker, s.bseTicker,
        f.tradingsymbol) symbol, coalesce(s.name, f.fund) as name,
        case when f is null then 'equity' else 'mutual_fund' end asset_class,
        case when s.nseTicker is not null then 'NSE' else 'BSE' end exchange,
        null::varchar token,
        s.holdings.quantity - s.collateralQuantity settled_quantity,
        null::decimal(18,4) t1_quantity, s.collateralQuantity pledged_quantity,
        null::decimal(18,4) used_quantity, s.positions.nse.quantity
        + s.positions.bse.quantity position_quantity, s.smallcaseQuantity
        smallcase_quantity, coalesce(s.holdings.quantity, f.quantity) owned_quantity,
        coalesce(s.holdings.quantity, f.quantity) reported_quantity,
        s.transactableQuantity sellable_quantity, null::decimal(18,4)
        effective_quantity, s.transactableQuantity = s.holdings.quantity
        + s.positions.nse.quantity reconciles,
        nullif(coalesce(s.holdings.averagePrice, f.averagePrice), 0) average_price,
        nullif(f.lastPrice, 0) last_price, null::decimal(18,4) close_price,
        f.lastPriceDate price_at, f.pnl reported_pnl, null::decimal(9,6) haircut,
        case when f is null then to_json({'nse.quantity': s.positions.nse.quantity,
        'nse.averagePrice': s.positions.nse.averagePrice,
        'bse.quantity': s.positions.bse.quantity,
        'bse.averagePrice': s.positions.bse.averagePrice,
        'suspendedOnNSE': s.isSuspendedOrDelistedOnNSE,
        'suspendedOnBSE': s.isSuspendedOrDelistedOnBSE})
        else to_json({'folio': f.folio, 'xirr': f.xirr}) end extra, holding_no row_no
    from wire join known using (doc)""",
    """create temp view listings_of as select known.* exclude (doc, source, broker),
        holding_no, l.exchange, l.symbol, null::varchar trading_symbol,
        null::varchar token, l.isin, holding_no row_no
    from (select doc, holding_no, unnest([
        {'exchange': 'NSE', 'symbol': s.nseTicker, 'isin': s.isin},
        {'exchange': 'BSE', 'symbol': s.bseTicker, 'isin': s.isin},
        {'exchange': 'MF', 'symbol': f.tradingsymbol, 'isin': f.isin}]) l from wire)
    join known using (doc) where l.symbol is not null""",
    """create temp view baskets_of as select known.* exclude (doc, source, broker),
        scid basket_id, name basket_name, visibility, c.ticker symbol,
        'NSE:' || c.ticker instrument_id, c.shares quantity, current_value,
        total_returns
    from (select doc, scid, name, visibility, stats.currentValue current_value,
        stats.totalReturns total_returns, unnest(constituents) c from parts)
    join known using (doc)""",
    """create temp view snapshots_of as select known.* exclude (doc),
        'gateway-v2' format, transactionId transaction_id, notes, timestamp fetched_at,
        coalesce(len(securities), 0) + coalesce(len(mutualFunds.holdings), 0)
        holdings_count, checksum, updating, lastUpdate
    from known join raw using (doc)""",
)


def duckdb(dump: str, out: str) -> str:
    import duckdb

    database = duckdb.connect()
    database.execute("set preserve_insertion_order = false")
    database.execute(
        f"create temp table raw as select {DOC} doc, *,"
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


def duckdb_keyed(dump: str, out: str) -> str:
    """The columns, keys and order that a store's files have."""
    import duckdb

    security = SECURITY.removesuffix(")[]") + (
        ", isSuspendedOrDelistedOnNSE BOOLEAN, isSuspendedOrDelistedOnBSE BOOLEAN)[]"
    )
    stats = (
        "STRUCT(currentValue DECIMAL(18,4), totalReturns DECIMAL(18,4),"
        " currentReturns DECIMAL(18,4))"
    )
    listed = (
        "STRUCT(scid VARCHAR, name VARCHAR, shortDescription VARCHAR,"
        f" imageUrl VARCHAR, stats {stats},"
        " constituents STRUCT(ticker VARCHAR, shares DECIMAL(18,4))[])[]"
    )
    fund = (
        "STRUCT(folio VARCHAR, fund VARCHAR, tradingsymbol VARCHAR, isin VARCHAR,"
        " quantity DECIMAL(18,4), averagePrice DECIMAL(18,4), lastPrice DECIMAL(18,4),"
        " lastPriceDate VARCHAR, pnl DECIMAL(18,4), xirr VARCHAR)[]"
    )
    columns = {
        "securities": security,
        "smallcases": f"STRUCT(public {listed}, private JSON)",
        "mutualFunds": f"STRUCT(holdings {fund})",
        "updating": "BOOLEAN",
        "snapshotDate": "TIMESTAMP",
        "timestamp": "TIMESTAMP",
    }
    texts = "lastUpdate smallcaseAuthId broker transactionId notes checksum"
    columns |= dict.fromkeys(texts.split(), "VARCHAR")
    told = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
    database = duckdb.connect()
    database.execute("set preserve_insertion_order = false")
    database.execute(
        f"create temp table raw as select {DOC} doc, *,"
        f" hash(smallcaseAuthId) % {BUCKETS} bucket from read_json('{dump}',"
        f" format='newline_delimited', ignore_errors=true, columns={{{told}}})"
    )
    for query in KEYED:
        database.execute(query)
    for name in ("snapshots", "holdings", "listings", "baskets"):
        database.execute(
            f"copy (select * from {name}_of order by bucket, account_id, snapshot_id)"
            f" to '{out}/{name}' (format parquet, compression zstd,"
            " partition_by (bucket))"
        )
    [found] = database.execute("select count(*) from snapshots_of").fetchone() or (0,)
    return f"{found} documents, no rejects, numbers through float64"


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
        "create temp table raw as select hash(account_id, snapshot_at) doc, *,"
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
    "DuckDB, same columns and keys": duckdb_keyed,
    "DuckDB, holdings only": duckdb_holdings,
    "polars scan_ndjson": polars,
    "pandas json_normalize": pandas,
    "scan_arrow": replies,
    "DuckDB, same tables (Arrow)": duckdb_replies,
}


def middle(runs: list[Run]) -> Run:
    """Of several runs of one piece of work, the one of middle time."""
    return sorted(runs, key=lambda each: each.wall or float("inf"))[len(runs) // 2]


def take_turns(
    module: str, names: list[str], dump: Path, folder: Path
) -> dict[str, Run]:
    """Run each piece of work; the first two take turns, three times."""
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for turn in range(TURNS):
        for job in names if turn == 0 else names[:2]:
            with TemporaryDirectory(dir=folder) as out:
                made = run(module, job, dump, out)
            runs[job].append(made)
    return {name: middle(made) for name, made in runs.items()}


def broken(dump: Path) -> Path:
    target = dump.with_name("broken.ndjson")
    lines = dump.read_bytes().splitlines(keepends=True)
    lines[::100] = [line[: len(line) // 2] + b"\n" for line in lines[::100]]
    target.write_bytes(b"".join(lines))
    return target


def with_new_member(dump: Path, every: int, *, inside: bool = False) -> Path:
    """A dump with a member no format has, in every so many lines."""
    target = dump.with_name("new.ndjson")
    lines = dump.read_bytes().splitlines()
    for number in range(0, len(lines), every):
        line = lines[number]
        lines[number] = (
            line.replace(b'"isin":', b'"newMember":1,"isin":')
            if inside
            else line[:-1] + b',"newMember":1}'
        )
    target.write_bytes(b"\n".join(lines))
    return target


def main() -> None:
    full = scale() == "full"
    with TemporaryDirectory() as name:
        folder = Path(name)
        count = int(
            os.environ.get("ROWS") or (280_000 if full else 3_000)
        )  # 1 GB, 10 MB
        [dump] = generate(folder, accounts=count, days=1)
        [arrow] = generate(folder, accounts=count, days=1, wire="arrow")

        def each(names: list[str], path: Path) -> dict[str, Run]:
            return take_turns("benchmarks.bench_load", names, path, folder)

        size = f"{dump.stat().st_size >> 20} MB"
        base = "DuckDB, same tables"
        jobs = ["scan_webhooks", base, "DuckDB, same columns and keys"]
        jobs += ["DuckDB, holdings only", "polars scan_ndjson", "pandas json_normalize"]
        table(f"Load clean webhook dumps, {size}", each(jobs, dump), base)
        jobs = ["scan_webhooks", base, "polars scan_ndjson"]
        title = f"Load webhook dumps with 1 % broken lines, {size}"
        table(title, each(jobs, broken(dump)), base)
        for title, every, inside in (
            ("a new member in 1 % of the lines", 100, False),
            ("a new member in all lines", 1, False),
            ("a new member in all securities", 1, True),
        ):
            new = with_new_member(dump, every, inside=inside)
            found = each(["scan_webhooks", base], new)
            table(f"Load webhook dumps with {title}, {size}", found, base)
        base = "DuckDB, same tables (Arrow)"
        size = f"{arrow.stat().st_size >> 20} MB"
        title = f"Load clean dumps of Arrow replies, {size}"
        table(title, each(["scan_arrow", base], arrow), base)


if __name__ == "__main__" and not work(JOBS):
    main()
    sys.exit()
