"""What one account costs: bytes, loading, and each question, for docs/scale.md.

    python -m benchmarks.bench_capacity [--scale small|full]

No peers: CPU seconds and peak memory of fresh processes, what they import apart, over
the number of accounts, holdings or closes. Loading is of a generated population; the
questions are asked of `bench_questions`' store, 300,000 holdings a bucket and day.
`benchmarks.plan` makes the tables of docs/scale.md from what is kept here.
"""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

import holdings_kit as hk
from benchmarks.bench_haircuts import universe
from benchmarks.bench_questions import EACH, build, changes_of, positions_of
from benchmarks.measure import Run, fact, run, scale, work
from holdings_kit.haircuts import HAIRCUTS
from holdings_kit.sandbox import generate
from holdings_kit.store import Store, population
from holdings_kit.store.population import _haircut_panel as haircut_panel

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdings_kit.sandbox._generate import Wire
    from holdings_kit.store import StoreView

HERE = "benchmarks.bench_capacity"
DAYS = [datetime(2026, 1, day, 20, tzinfo=UTC) for day in (5, 6)]
WIRES: tuple[Wire, ...] = ("gateway", "arrow")


class Sizes(NamedTuple):
    accounts: int  # of each of two dumps
    rows: int  # of the store, a day
    names: int  # of the universe
    days: int


SIZES = {
    "small": Sizes(1_000, 100_000, 100, 400),
    "full": Sizes(40_000, 2_100_000, 1_000, 1_250),
}


def load_gateway(folder: str) -> None:
    hk.scan_webhooks(f"{folder}/dumps", into=Store(f"{folder}/store"), progress=False)


def load_arrow(folder: str) -> None:
    hk.scan_arrow(f"{folder}/dumps", into=Store(f"{folder}/store"), progress=False)


def margin_stress(store: str) -> None:
    asked = Store(store)
    holdings = asked.scan().holdings.select(pl.len()).collect().item()
    accounts = [f"ACC{number:08}" for number in range(holdings // EACH)]
    used = pl.DataFrame({"account_id": accounts, "used_value": 100_000})
    population.margin_stress(asked, used=used, haircut_adds=[0, 0.05, 0.1])


def collateral_effects(store: str) -> None:
    names = [f"INEZ{number:08}" for number in range(2000)]
    model = pl.DataFrame(
        {
            "instrument_id": names,
            "date": [date(2026, 1, 2)] * 2000,
            "model": ["flat"] * 2000,
            "haircut": [0.25] * 2000,
            "volatility": [None] * 2000,
            "floor_hit": [None] * 2000,
        },
        schema=HAIRCUTS,
    )
    haircut_panel.collateral_effects(Store(store), model)


def backtest(prices: str) -> None:
    closes = hk.haircuts.Universe(prices)
    closes.backtest({"ewma": partial(hk.haircuts.ewma, seed="mean:250")})


def positions(view: StoreView) -> int:
    return positions_of(view).height


def changes(view: StoreView) -> int:
    return changes_of(view).height


def asked(question: Callable[[Store], object]) -> Callable[[str], None]:
    def job(store: str) -> None:
        question(Store(store))

    return job


QUESTIONS: dict[str, Callable[[str], None]] = {
    "hk.consolidate": asked(lambda store: store.map(positions)),
    "hk.compare": asked(lambda store: store.map(changes)),
    "account_values": asked(population.account_values),
    "distribution": asked(
        lambda store: population.distribution(store, "unrealized_pnl", edges=[0])
    ),
    "margin_stress": margin_stress,
    "exposure_to": asked(lambda store: population.exposure_to(store, "INEZ00000001")),
    "activity": asked(lambda store: population.activity(store, DAYS)),
    "coverage": asked(population.coverage),
    "published_panel": asked(haircut_panel.published_panel),
    "collateral_effects": collateral_effects,
}
JOBS = {
    "load_gateway": load_gateway,
    "load_arrow": load_arrow,
    "backtest": backtest,
    **QUESTIONS,
}


def show(said: str, value: float, unit: str, peak: float | None = None) -> None:
    fact(said, value)
    memory = ""
    if peak is not None:
        fact(f"{said}, peak MB", peak)
        memory = f"{peak:.0f}"
    shown = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    print(f"| {said} | {shown} {unit} | {memory} |", flush=True)


def cost(job: str, units: int, argument: object, said: str, unit: str) -> None:
    """Print what a job costs for one of so many units, in CPU microseconds."""
    done: Run = run(HERE, job, argument)
    if done.cpu is None:
        print(f"| {said} | {done.said} | |", flush=True)
        return
    show(said, done.cpu / units * 1e6, f"µs per {unit}", done.peak_mb)


def size(folder: Path) -> int:
    return sum(map(size_of, filter(Path.is_file, folder.rglob("*"))))


def loaded(wire: Wire, folder: Path, accounts: int) -> None:
    dumps = generate(folder / "dumps", accounts=accounts, days=1, wire=wire)
    each = "bytes per account"
    show(f"{wire}: JSON", sum(map(size_of, dumps)) / accounts, each)
    cost(f"load_{wire}", accounts, folder, f"{wire}: load", "account")
    show(f"{wire}: store", size(folder / "store") / accounts, each)
    rows = Store(folder / "store").scan().holdings.select(pl.len()).collect().item()
    show(f"{wire}: holdings", rows / accounts, "per account")


def size_of(file: Path) -> int:
    return file.stat().st_size


def main() -> None:
    sizes = SIZES[scale()]
    print("\n### What one account costs, CPU microseconds\n")
    print("| | cost | peak MB |")
    print("|---|---:|---:|")
    with TemporaryDirectory() as name:
        folder = Path(name)
        for wire in WIRES:
            loaded(wire, folder / wire, sizes.accounts)
        build(folder / "store", sizes.rows)
        for question in QUESTIONS:
            cost(question, sizes.rows, folder / "store", question, "holding")
        universe(sizes.names, sizes.days).prices.write_parquet(folder / "prices")
        closes = sizes.names * sizes.days
        cost("backtest", closes, folder / "prices", "backtest", "close")


if __name__ == "__main__" and not work(JOBS):
    main()
    sys.exit()
