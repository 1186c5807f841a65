"""A store and prices on an object store; run by hand, moto is no dependency of ours.

    pip install 'moto[server,s3]' && python -m benchmarks.object_store

moto answers as S3 does, on 127.0.0.1. Every answer is compared with that of a store in
a folder; it tells whether the layout works, not how long a real object store takes.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl
from deltalake import DeltaTable

import holdings_kit as hk
from benchmarks.bench_haircuts import universe
from holdings_kit.sandbox import generate
from holdings_kit.store.population import account_values

if TYPE_CHECKING:
    from holdings_kit.store import Store
    from holdings_kit.store.cluster import Cluster

AT = datetime(2026, 1, 5, 20, tzinfo=UTC)
_NONE = timedelta(0)
EWMA = {"ewma": hk.haircuts.ewma}


def serve() -> tuple[Any, dict[str, str]]:
    """Start moto, make a bucket; give the server and the storage options."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server: Any = import_module("moto.server").ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    import_module("boto3").client(
        "s3", endpoint_url=url, region_name="us-east-1", **keys
    ).create_bucket(Bucket="bucket")
    options = {name.upper(): value for name, value in keys.items()}
    options |= {"AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true"}
    return server, options | {"AWS_REGION": "us-east-1"}


def check(said: str, *, holds: bool) -> None:
    if not holds:
        raise SystemExit(f"{said}: NO")
    print(f"{said}: yes", flush=True)


def same(one: hk.Loaded, two: hk.Loaded) -> bool:
    return all(left.equals(right) for left, right in zip(one, two, strict=True))


def stored(folder: Path, options: dict[str, str], on: Cluster) -> None:
    dumps = generate(folder / "dumps", accounts=60, days=2, wire="arrow")
    here = hk.Store(folder / "store", buckets=3)
    hk.scan_arrow(dumps, into=here, progress=False)
    loaded = here.history()

    def there(name: str) -> Store:
        return hk.Store(f"s3://bucket/{name}", buckets=3, storage_options=options)

    store = there("appended")
    check("append", holds=store.append(loaded).deliveries == 120)
    check("the same again adds nothing", holds=store.append(loaded).deliveries == 0)
    check("current", holds=same(store.current(), here.current()))
    check("as_of", holds=same(store.as_of(AT), here.as_of(AT)))
    check("history", holds=same(store.history(), loaded))
    values = account_values(here)
    check("values on workers", holds=account_values(store, on=on).equals(values))

    def deliver(number: int) -> int:
        facts = loaded.snapshots.with_columns(transaction_id=pl.lit(f"again {number}"))
        return there("appended").append(loaded._replace(snapshots=facts)).deliveries

    with ThreadPoolExecutor(4) as writers:
        added = sum(writers.map(deliver, range(8)))
    table = DeltaTable("s3://bucket/appended/snapshots", storage_options=options)
    kept = sum(pl.DataFrame(table.get_add_actions(flatten=True))["num_records"])
    check("four writers at once lose no commit", holds=kept == added + 120 == 1080)
    check("compact and vacuum", holds=store.compact() > 0 < store.vacuum(keep=_NONE))
    rows = store.current().holdings
    check("current after it", holds=rows.equals(here.current().holdings))
    spread = there("scanned")
    scan = hk.scan_arrow(dumps, into=spread, progress=False, on=on)
    check("scan on workers", holds=scan.deliveries == 120)
    check("the same rows", holds=same(spread.history(), loaded))
    again = hk.scan_arrow(dumps, into=spread, progress=False)
    check("a scan goes on where it was", holds=again.skipped == 120)
    wider = spread.rebucket("s3://bucket/wider", buckets=5)
    check("rebucket", holds=same(wider.history(), loaded))


def main() -> None:
    server, options = serve()
    with TemporaryDirectory() as name, hk.cluster.connect(workers=2) as on:
        stored(Path(name), options, on)
        prices = universe(20, 400).prices
        prices.write_parquet(f"{name}/prices.parquet")
        prices.write_parquet("s3://bucket/prices/1.parquet", storage_options=options)
        scan = pl.scan_parquet("s3://bucket/prices/*", storage_options=options)
        far = hk.haircuts.Universe(scan, slices=4)
        near = hk.haircuts.Universe(f"{name}/prices.parquet", slices=2)
        found = far.backtest(EWMA, on=on)
        check("backtest on workers", holds=found.equals(near.backtest(EWMA)))
    server.stop()
    print(", ".join(f"{p} {version(p)}" for p in ("moto", "deltalake", "polars")))


if __name__ == "__main__":
    main()
