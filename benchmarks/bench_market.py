"""A folder of daily price files: `hk.read_market` beside DuckDB's `read_csv`.

Run alone: ``python -m benchmarks.bench_market --scale small|full``. Prints Markdown
rows. Both read the same files; ours gives exact decimals, identities and one close per
instrument and day, DuckDB what its sniffer takes the columns for. The sums of all
closes are compared before a time is printed.
"""

from __future__ import annotations

import argparse
import time
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

import holdings_kit as hk
from benchmarks.measure import record

if TYPE_CHECKING:
    from collections.abc import Callable

SCALES = {"small": (50, 3200), "full": (250, 3200)}  # days, securities
HEAD = (
    "TradDt,BizDt,Sgmt,Src,FinInstrmTp,FinInstrmId,ISIN,TckrSymb,SctySrs,XpryDt,"
    "FininstrmActlXpryDt,StrkPric,OptnTp,FinInstrmNm,OpnPric,HghPric,LwPric,ClsPric,"
    "LastPric,PrvsClsgPric,UndrlygPric,SttlmPric,OpnIntrst,ChngInOpnIntrst,"
    "TtlTradgVol,TtlTrfVal,TtlNbOfTxsExctd,SsnId,NewBrdLotQty,Rmks,Rsvd1,Rsvd2,Rsvd3,"
    "Rsvd4"
)


def isin(number: int) -> str:
    """Make a valid ISIN: the check digit is a Luhn sum over letters as numbers."""
    body = f"INE{number:05d}010"
    digits = "".join(str(int(letter, 36)) for letter in body)
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 - place % 2)
        total += value // 10 + value % 10
    return f"{body}{-total % 10}"


def write(folder: Path, days: int, names: int) -> None:
    """Write bhavcopies of invented securities, the same every time."""
    rng = np.random.default_rng(0)
    codes = [isin(number) for number in range(names)]
    closes = 100.0 + 10 * rng.random(names)
    day = date(2025, 1, 1)
    while days:
        if day.weekday() < 5:
            closes = closes * (1 + 0.01 * rng.standard_normal(names))
            lines = [HEAD]
            for number, (code, close) in enumerate(zip(codes, closes, strict=True)):
                price = f"{close:.2f}"
                lines.append(
                    f"{day},{day},CM,NSE,STK,{number},{code},S{number},EQ,,,,,"
                    f"SECURITY {number} LIMITED,{price},{price},{price},{price},"
                    f"{price},{price},,{price},,,{1000 + number},{close * 1000:.2f},"
                    "10,F1,1,,,,,"
                )
            name = f"BhavCopy_NSE_CM_0_0_0_{day:%Y%m%d}_F_0000.csv"
            (folder / name).write_text("\n".join(lines) + "\n")
            days -= 1
        day += timedelta(days=1)


def best(task: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Shortest time of `repeats` runs, and the answer."""
    shortest, answer = float("inf"), None
    for _ in range(repeats):
        start = time.perf_counter()
        answer = task()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest, answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", choices=SCALES, default="small")
    days, names = SCALES[parser.parse_args().scale]
    duck: Any = duckdb
    with TemporaryDirectory() as folder:
        write(Path(folder), days, names)
        sql = f"select * from read_csv('{folder}/*.csv')"
        theirs, table = best(lambda: duck.sql(sql).pl(), 3)
        ours, market = best(lambda: hk.read_market(folder), 3)
    size = sum(float(close) for close in market.prices["close_price"])
    assert market.prices.height == table.height == days * names
    assert abs(size - float(table["ClsPric"].sum())) < 0.01 * len(table)
    print(f"{days} files of {names} securities")
    print("| way | seconds | × DuckDB |")
    print("|---|---|---|")
    print(f"| DuckDB `read_csv` | {theirs:.2f} | 1 |")
    print(f"| `hk.read_market` | {ours:.2f} | {ours / theirs:.2f} |")
    title = f"Read a folder of bhavcopies, {days} files"
    record(title, "hk.read_market", "DuckDB read_csv", (ours, theirs))


if __name__ == "__main__":
    main()
