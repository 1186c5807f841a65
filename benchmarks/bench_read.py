"""Read payloads into frames in memory: what a notebook begins with.

    python -m benchmarks.bench_read [--scale small|full]

`read_webhooks` gives five exact frames of a dump; DuckDB writes its four tables (see
`bench_load`). The two take turns, three times; the run of middle time counts. One Arrow
reply is read 50 times after warming up; the middle time is told in words.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bench_load import duckdb, take_turns, with_new_member
from benchmarks.measure import run, scale, table, work
from holdings_kit.sandbox import generate

SAMPLE = Path(__file__).parents[1] / "sample_data/arrow/holdings.json"
WARM, TIMES = 20, 50


def webhooks(dump: str, out: str) -> str:
    import holdings_kit as hk

    del out
    loaded = hk.read_webhooks(dump)
    return f"{loaded.snapshots.height} documents, {loaded.rejects.height} rejects"


def one_reply(path: str) -> str:
    from datetime import UTC, datetime

    import holdings_kit as hk

    body, at = Path(path).read_bytes(), datetime(2026, 1, 5, tzinfo=UTC)
    times: list[float] = []
    rows = 0
    for _ in range(WARM + TIMES):
        started = time.perf_counter()
        rows = hk.read_arrow(body, account_id="A", snapshot_at=at).holdings.height
        times.append(time.perf_counter() - started)
    middle = sorted(times[WARM:])[TIMES // 2]
    return f"{middle * 1000:.1f} ms, median of {TIMES}, a reply of {rows} holdings"


JOBS = {
    "read_webhooks": webhooks,
    "DuckDB, same tables": duckdb,
    "read_arrow": one_reply,
}


def main() -> None:
    base = "DuckDB, same tables"
    with TemporaryDirectory() as name:
        folder = Path(name)
        sizes = (10_000, 100_000) if scale() == "full" else (2_000,)  # 37 MB, 370 MB
        for accounts in sizes:
            [dump] = generate(folder / f"{accounts}", accounts=accounts, days=1)
            size = f"{dump.stat().st_size >> 20} MB"
            dumps = {f"Read webhook dumps, {size}": dump}
            if accounts == sizes[0]:
                new = with_new_member(dump, 1, inside=True)
                what = "a new member in all securities"
                dumps[f"Read webhook dumps with {what}, {size}"] = new
            for title, path in dumps.items():
                names = ["read_webhooks", base]
                found = take_turns("benchmarks.bench_read", names, path, folder)
                table(title, found, base)
    reply = run("benchmarks.bench_read", "read_arrow", SAMPLE)
    table("Read one Arrow reply", {"read_arrow": reply}, "read_arrow")


if __name__ == "__main__" and not work(JOBS):
    main()
    sys.exit()
