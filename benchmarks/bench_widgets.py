"""How quickly the widgets answer: a slider on 10,000 holdings, a sort on 100,000 rows.

Times are of the kernel's side: from the value arriving to the new state being ready,
and from the call of a tool to all that is sent to show it, in a kernel that has valued
a book before. `bench_paint` measures the same in a browser.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.paint_tools import book, closes
from widgets import HaircutLab, HoldingsTable, RiskExplorer

if TYPE_CHECKING:
    from collections.abc import Callable

    from widgets.static import StaticFallback


def median_ms(act: Callable[[int], object], runs: int) -> tuple[float, float]:
    """Median and worst of `runs`, milliseconds; the first, cold one is left out."""
    act(-1)
    times = []
    for run in range(runs):
        start = time.perf_counter()
        act(run)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times), max(times)


def show(tool: StaticFallback) -> None:
    """Write the copy that goes before the tool; making it has sent the rest."""
    tool.static_html()


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
    prices = closes(3, 750)
    few = book(8)
    makers = {
        "risk explorer": lambda: RiskExplorer(few, cash=1e4, need=2e4),
        "laboratory": lambda: HaircutLab(prices),
        "table": lambda: HoldingsTable(few),
    }
    shown = [
        (f"{name}: made and shown", 8, lambda _run, make=make: show(make()), 300)
        for name, make in makers.items()
    ]
    large = (
        "risk explorer: made and shown",
        10_000,
        lambda _run: show(RiskExplorer(risk.model.holdings, cash=1e6, need=2e6)),
        300,
    )
    for name, count, act, aim in (
        *shown,
        large,
        ("risk explorer: a slider", 10_000, slide, 50),
        ("table: sort", rows, sort, 1000),
        ("table: filter", rows, narrow, 1000),
        ("table: turn a page", rows, turn, 100),
    ):
        middle, worst = median_ms(act, runs)
        ratio = f"{aim / middle:.1f}"
        print(f"| {name} | {count} | {middle:.1f} | {worst:.1f} | {aim} | {ratio} |")


if __name__ == "__main__":
    main()
