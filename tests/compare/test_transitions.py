"""Every transition of ``transitions.csv`` gets the cause written beside it.

To add one, add a row: the short hand of a line is at the head of ``conftest.py``,
an action is ``SYMBOL[/ISIN] kind ratio date [new ISIN]``, an expected cause is
``[account:]SYMBOL cause[+part…]``, ``bystanders`` other lines stay as they are.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.changes import ACTIONS, CAUSES, MOVES

Lines = Callable[..., pl.DataFrame]
TABLE = Path(__file__).with_name("transitions.csv")
EARLIER = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
LATER = datetime(2026, 1, 6, 12, 30, tzinfo=UTC)
CASES = pl.read_csv(TABLE, infer_schema=False).with_row_index("n")
QUIET = ("unchanged", "price_only")


def accounts(frame: pl.DataFrame, n: int) -> pl.DataFrame:
    return frame.with_columns(
        pl.format("{}-{}", pl.lit(f"{n:03}"), "account_id").alias("account_id"),
        pl.format("{}-{}", pl.lit(f"{n:03}"), "snapshot_id").alias("snapshot_id"),
    )


def action(words: str) -> dict[str, object]:
    name, kind, ratio, day, *isin = words.split()
    _, _, own = name.partition("/")
    return {
        "instrument_id": own or f"NSE:{name}",
        "kind": kind,
        "ratio": None if ratio == "-" else ratio,
        "ex_date": date.fromisoformat(day),
        "new_instrument_id": isin[0] if isin else None,
    }


def compared(case: dict[str, str], lines: Lines) -> pl.DataFrame:
    owners = ("a", "b") if "b:" in case["expected"] else ("a",)
    calm = int(case["bystanders"])
    sides = [
        lines(case[side] or "", at=at, account="a", bystanders=calm, owners=owners)
        for side, at in (
            ("before", datetime(2026, 1, 5, 12, 30, tzinfo=UTC)),
            ("after", LATER),
        )
    ]
    number = int(case["n"])
    before, after = (accounts(side, number) for side in sides)
    listed = case["actions"]
    moves = pl.DataFrame(
        {"person_id": ["P", "P"], "account_id": [f"{number:03}-a", f"{number:03}-b"]},
        schema=MOVES,
    )
    actions = pl.DataFrame([action(listed)], schema=ACTIONS) if listed else None
    return hk.compare(before, after, actions=actions, moves=moves)


def expected(case: dict[str, str]) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for words in case["expected"].split(";"):
        line, causes = words.split()
        name = line if ":" in line else f"a:{line}"
        said[name] = causes.split("+")
    return said


def found(changes: pl.DataFrame) -> dict[str, list[str]]:
    own = changes.filter(~pl.col("symbol").str.starts_with("BY"))
    return {
        f"{account[4:]}:{symbol}": [part["cause"] for part in parts]
        for account, symbol, parts in own.select("account_id", "symbol", "parts").rows()
    }


@pytest.fixture(scope="module")
def every(lines: Lines) -> list[tuple[dict[str, str], pl.DataFrame]]:
    return [(case, compared(case, lines)) for case in CASES.to_dicts()]


@pytest.mark.parametrize("n", range(CASES.height), ids=CASES["case"].to_list())
def test_the_cause_is_the_one_written_down(
    every: list[tuple[dict[str, str], pl.DataFrame]], n: int
) -> None:
    case, changes = every[n]
    assert found(changes) == expected(case), changes["evidence"].to_list()
    assert changes["confidence"].is_between(0, 1).all()
    assert (changes["evidence"].str.len_chars() > 0).all()
    assert changes["evidence"].null_count() == 0
    bystanders = changes.filter(pl.col("symbol").str.starts_with("BY"))
    assert set(bystanders["cause"]) <= {"unchanged"}
    for of in ("value", "collateral", "pnl"):
        assert set(hk.bridge(changes, of=of)["residual"]) == {0}


def test_the_table_is_wide_enough(
    lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        (expected(case)[name][0], causes[0])
        for case in CASES.to_dicts()
        for name, causes in found(compared(case, lines)).items()
    ]
    counts = Counter(rows)
    head = f"confusion matrix of {CASES.height} transitions, {len(rows)} lines"
    body = [
        f"  {cause:<17} "
        + ", ".join(f"{hit} {n}" for (said, hit), n in counts.items() if said == cause)
        for cause in CAUSES
    ]
    with capsys.disabled():
        sys.stdout.write("\n".join(["", head, *body, ""]))
    assert CASES.height >= 46
    assert {written for written, _ in rows} == set(CAUSES)
    assert all(written == hit for written, hit in rows)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("@?", "@12.5", "average 12.5 with quantity 100: it was not known before"),
        (
            "@12.5",
            "@?",
            "average 12.5 with quantity 100: it is not known any more, nor are",
        ),
        ("@12.5", "@13", "average 12.5 → 13 with quantity 100 → 100: the broker"),
    ],
)
def test_the_words_say_whether_an_average_came_or_went(
    lines: Lines, before: str, after: str, words: str
) -> None:
    case = {
        "n": "1",
        "before": f"IDEA 100 {before} =11",
        "after": f"IDEA 100 {after} =11",
        "actions": "",
        "bystanders": "0",
        "expected": "IDEA average_restated",
    }
    row = compared(case, lines).row(0, named=True)
    assert row["cause"] == "average_restated"
    assert row["evidence"].startswith(words)
    assert row["pnl_reliable"] is (None if after == "@?" else True)
