"""Capacity tables of docs/scale.md, from what `bench_capacity` measured.

    python -m benchmarks.plan

Every figure of the plan is a product of measured ones, named in its row, or of an
assumption in `ASSUMED`. `benchmarks.run` writes the tables again after each benchmark.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.results import blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Measured = Mapping[str, float]

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
POPULATIONS = {"10 M accounts": 10_000_000, "200 M accounts": 200_000_000}
ROWS_A_BUCKET = 300_000  # of a day, as in the benchmark
DAYS_A_YEAR = 250
FIRST_BYTE = 0.05  # seconds until an object store answers: assumed, not measured
FILES = 3  # that a bucket and day is read from, after compacting: one a table
CLOSES = 5_000 * 2_500  # of a universe: instruments × days

INPUTS = {  # fact of bench_capacity → what it is, of one account and day or as said
    "gateway: JSON": "JSON of a webhook, bytes",
    "arrow: JSON": "JSON of an Arrow reply, bytes",
    "gateway: store": "bytes in the store, from a webhook",
    "arrow: store": "bytes in the store, from an Arrow reply",
    "gateway: holdings": "holdings",
    "gateway: load": "load a webhook, CPU µs",
    "arrow: load": "load an Arrow reply, CPU µs",
}
QUESTIONS = {  # fact → the question
    "hk.consolidate": "`hk.consolidate` by account and instrument",
    "account_values": "`account_values`: P&L, concentration, collateral",
    "hk.compare": "`hk.compare` of two days, causes and evidence",
    "distribution": "`distribution` of P&L",
    "margin_stress": "`margin_stress`, three additions",
    "exposure_to": "`exposure_to` one instrument",
    "activity": "`activity` between two days",
    "coverage": "`coverage`",
    "published_panel": "`published_panel` of two days",
    "collateral_effects": "`collateral_effects` of one model",
}
BACKTEST = (
    "A backtest of one model over 5,000 instruments × 2,500 days takes {minutes} "
    "core-minutes, whatever the accounts (closes × µs a close)."
)


def measured() -> tuple[Measured, str]:
    """Give the facts of the largest scale there is, and where they come from."""
    for block in blocks():
        if block.name == "capacity" and block.measured:
            return block.measured, f"scale {block.scale}, {block.facts}"
    raise SystemExit("run python -m benchmarks.run --only capacity first")


def inputs(found: Measured, where: str) -> str:
    """Write the table of what was measured."""
    lines = [
        f"Measured by `benchmarks/bench_capacity.py`: {where}.",
        "",
        "| of one account and day | | peak MB |",
        "|---|---:|---:|",
        *(_row(found, fact, said) for fact, said in INPUTS.items()),
        "",
        "| question | CPU µs a holding | peak MB |",
        "|---|---:|---:|",
        *(_row(found, fact, said) for fact, said in QUESTIONS.items()),
        "",
        "| of one close | CPU µs | peak MB |",
        "|---|---:|---:|",
        _row(found, "backtest", "`Universe.backtest`, EWMA, all tests"),
    ]
    return "\n".join(lines)


def _row(found: Measured, fact: str, said: str) -> str:
    peak = found.get(f"{fact}, peak MB")
    memory = "" if peak is None else f"{peak:,.0f}"
    return f"| {said} | {_number(found[fact])} | {memory} |"


def planned(found: Measured) -> str:
    """Write the table of what follows from it."""
    names = list(POPULATIONS)
    lines = [
        "| | " + " | ".join(names) + " | arithmetic |",
        "|---|" + "---:|" * len(names) + "---|",
    ]
    for said, (of, how) in _rows(found).items():
        cells = [of(accounts) for accounts in POPULATIONS.values()]
        lines.append(f"| {said} | " + " | ".join(cells) + f" | {how} |")
    minutes = found["backtest"] * CLOSES / 1e6 / 60
    lines += ["", BACKTEST.format(minutes=_number(minutes))]
    return "\n".join(lines)


def _rows(found: Measured) -> dict[str, tuple[Callable[[int], str], str]]:
    each = found["gateway: holdings"]

    def hours(fact: str) -> Callable[[int], float]:
        units = 1 if "load" in fact else each
        return lambda n: n * units * found[fact] / 1e6 / 3600

    def daily(accounts: int) -> float:
        jobs = ("gateway: load", "account_values", "hk.compare")
        return sum(hours(job)(accounts) for job in jobs)

    def buckets(accounts: int) -> int:
        return math.ceil(accounts * each / ROWS_A_BUCKET)

    def shown(of: Callable[[int], float]) -> Callable[[int], str]:
        return lambda n: _number(of(n))

    table = {
        "rows a day, millions": (
            shown(lambda n: n * each / 1e6),
            "accounts × holdings",
        ),
        "JSON a day, webhooks, GB": (
            shown(lambda n: n * found["gateway: JSON"] / 1e9),
            "accounts × bytes",
        ),
        "store a day, GB": (
            shown(lambda n: n * found["gateway: store"] / 1e9),
            "accounts × bytes",
        ),
        "store a year, TB": (
            shown(lambda n: n * found["gateway: store"] * DAYS_A_YEAR / 1e12),
            f"× {DAYS_A_YEAR} days",
        ),
        "buckets": (
            lambda n: f"{buckets(n):,}",
            f"rows a day ÷ {ROWS_A_BUCKET:,}",
        ),
        "load webhooks, core-hours": (shown(hours("gateway: load")), "accounts × µs"),
        "load Arrow replies, core-hours": (
            shown(hours("arrow: load")),
            "accounts × µs",
        ),
    }
    for fact, said in QUESTIONS.items():
        table[f"{said}, core-hours"] = (shown(hours(fact)), "rows × µs")
    table["cores to load, value and compare within an hour"] = (
        lambda n: f"{math.ceil(daily(n)):,}",
        "sum of the three, each core in full use",
    )
    table["waiting for an object store, a question, core-hours"] = (
        shown(lambda n: buckets(n) * FILES * FIRST_BYTE / 3600),
        f"estimate: buckets × {FILES} files × {FIRST_BYTE * 1000:.0f} ms, assumed",
    )
    return table


def _number(value: float) -> str:
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{float(f'{value:.3g}'):g}"


def written(page: str) -> str:
    """Put the tables into a page, between their marks."""
    found, where = measured()
    for name, text in {"inputs": inputs(found, where), "plan": planned(found)}.items():
        start, end = f"<!-- {name}: benchmarks/plan.py -->", f"<!-- end of {name} -->"
        before, _, rest = page.partition(start)
        _, _, after = rest.partition(end)
        page = f"{before}{start}\n\n{text}\n\n{end}{after}"
    return page


def write() -> None:
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
