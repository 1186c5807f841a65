"""How quickly the widgets answer: a slider on 10,000 holdings, a sort on 100,000 rows.

Times are of the kernel's side: from the value arriving to the new state being ready.
The aim of the risk explorer is 100 ms.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING

import polars as pl

from holdings_kit.schema import HOLDINGS
from widgets import HoldingsTable, RiskExplorer

if TYPE_CHECKING:
    from collections.abc import Callable


def book(rows: int) -> pl.DataFrame:
    """One account of invented holdings: prices, haircuts, two asset classes."""
    no = pl.int_range(rows, eager=True)
    given = pl.select(
        snapshot_id=pl.lit("s"),
        account_id=pl.lit("A"),
        holding_no=no,
        instrument_id=pl.format("NSE:S{}", no),
        symbol=pl.format("S{}", no),
        asset_class=pl.when(no % 5 == 0)
        .then(pl.lit("etf"))
        .otherwise(pl.lit("equity")),
        settled_quantity=10 + no % 90,
        t1_quantity=pl.lit(0),
        pledged_quantity=pl.lit(0),
        owned_quantity=10 + no % 90,
        average_price=80 + no % 30,
        close_price=70 + no % 60,
        haircut=0.1 + (no % 20) / 100,
    )
    return given.select(
        (pl.col(name) if name in given.columns else pl.lit(None))
        .cast(dtype)
        .alias(name)
        for name, dtype in HOLDINGS.items()
    )


def median_ms(act: Callable[[int], object], runs: int) -> tuple[float, float]:
    """Median and worst of `runs`, milliseconds; the first, cold one is left out."""
    act(-1)
    times = []
    for run in range(runs):
        start = time.perf_counter()
        act(run)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times), max(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=("small", "full"), default="small")
    full = parser.parse_args().scale == "full"
    runs = 50 if full else 15
    rows = 1_000_000 if full else 100_000
    risk = RiskExplorer(book(10_000), cash=1e6, need=2e6)
    table = HoldingsTable(book(rows))

    def slide(run: int) -> None:
        risk.model.sliders = {
            "all": {"price": -0.01 * (run % 40) - 0.01, "haircut": 0.1},
            "etf": {"price": -0.02},
            "NSE:S7": {"price": -0.3},
        }

    def sort(run: int) -> None:
        table.sort_by = ("close_price", "symbol", "haircut")[run % 3]

    def narrow(run: int) -> None:
        table.query = f"s{run % 10} close_price>{80 + run % 40}"

    def turn(run: int) -> None:
        table.page = 2 + run

    print("| what | rows | median ms | worst ms | aim ms | aim ÷ median |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, count, act, aim in (
        ("risk explorer: a slider", 10_000, slide, 100),
        ("table: sort", rows, sort, 1000),
        ("table: filter", rows, narrow, 1000),
        ("table: turn a page", rows, turn, 100),
    ):
        middle, worst = median_ms(act, runs)
        ratio = f"{aim / middle:.1f}"
        print(f"| {name} | {count} | {middle:.1f} | {worst:.1f} | {aim} | {ratio} |")


if __name__ == "__main__":
    main()
