"""What is said of lives that nobody here wrote, and how often it is right."""

from __future__ import annotations

import sys
from collections import Counter
from itertools import pairwise
from typing import NamedTuple

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.changes import ACTIONS
from holdings_kit.schema import HOLDINGS
from tests.compare.lives import Life, lives

QUIET = {"price_only", "unchanged"}
TRADES = ["bought", "sold", "opened", "closed", "rights", "buyback"]
# without a table these cannot be known: what is seen of them is this
SEEN_AS = {
    "buyback": {"sold", "closed"},
    "rights": {"bought", "opened", "received"},
    "pending_action": QUIET,
    "delisted": QUIET,
}


class Asked(NamedTuple):
    """A population of lives, compared."""

    changes: pl.DataFrame
    truth: dict[tuple[str, str], set[str]]
    traded: set[tuple[str, str]]
    table: bool


def compare_lives(told: list[Life], *, table: bool) -> Asked:
    before, after = (
        pl.DataFrame([row for life in told for row in life.rows[side]], schema=HOLDINGS)
        for side in (0, 1)
    )
    actions = [action for life in told for action in life.actions]
    return Asked(
        hk.compare(
            before,
            after,
            actions=pl.DataFrame(actions, schema=ACTIONS) if table else None,
        ),
        {
            (life.account, line): causes
            for life in told
            for line, causes in life.truth.items()
        },
        {(life.account, line) for life in told for line in life.traded},
        table,
    )


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((1_000, True), id="1000-table"),
        pytest.param((1_000, False), id="1000-numbers"),
        pytest.param((5_000, True), id="5000-table", marks=pytest.mark.slow),
        pytest.param((5_000, False), id="5000-numbers", marks=pytest.mark.slow),
    ],
)
def asked(request: pytest.FixtureRequest) -> Asked:
    count, table = request.param
    return compare_lives(lives(count, seed=3), table=table)


def is_right(cause: str, truth: set[str], *, table: bool) -> bool:
    if cause in truth:
        return True
    seen = set(truth)
    if not table:
        for event, forms in SEEN_AS.items():
            if event in truth:
                if cause in forms:
                    return True
                seen.discard(event)
        if truth <= {"demerger", "pending_action"} and cause in QUIET:
            return True  # of a parent whose cost the broker has not split yet
    return cause in QUIET and not seen


def judged(asked: Asked) -> pl.DataFrame:
    lines = asked.changes.select("account_id", "instrument_id", "cause", "confidence")
    right = [
        is_right(cause, asked.truth[account, line], table=asked.table)
        for account, line, cause, _ in lines.rows()
    ]
    truths = [
        "+".join(sorted(asked.truth[account, line])) or "quiet"
        for account, line, _, _ in lines.rows()
    ]
    return lines.with_columns(right=pl.Series(right), truth=pl.Series(truths))


def named(asked: Asked) -> pl.DataFrame:
    """Keep the lines of which something is said to have happened."""
    return judged(asked).filter(~pl.col("cause").is_in(QUIET))


def reliability(rows: pl.DataFrame) -> list[str]:
    """Write how often lines of like confidence are right, as rows of a table."""
    lines = ["| confidence | lines | mean | right |", "|---|---:|---:|---:|"]
    for low, high in pairwise([0.0, 0.6, 0.7, 0.8, 0.9, 1.01]):
        some = rows.filter(pl.col("confidence") >= low, pl.col("confidence") < high)
        if some.height:
            share = f"{low:.1f} to {min(high, 1):.1f} | {some.height:,}"
            mean, right = some["confidence"].mean(), some["right"].mean()
            lines.append(f"| {share} | {mean:.3f} | {right:.3f} |")
    return lines


def confusion(asked: Asked) -> list[str]:
    """Write what was said of each event that happened alone, as rows of a table."""
    single = judged(asked).filter(~pl.col("truth").str.contains("+", literal=True))
    counts = single.group_by("truth", "cause").len()
    counts = counts.sort("truth", "len", descending=[False, True])
    return [
        "| happened | said |",
        "|---|---|",
        *(
            f"| {truth} | "
            + ", ".join(f"{cause} {n}" for _, cause, n in part.rows())
            + " |"
            for (truth,), part in counts.group_by("truth", maintain_order=True)
        ),
    ]


def test_confidence_is_how_often_it_is_right(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = named(asked)
    wrong = Counter(rows.filter(~pl.col("right")).select("cause", "truth").rows())
    matrix = [
        f"  {n:>4}  {cause} for {truth}" for (cause, truth), n in wrong.most_common(12)
    ]
    how = "with the actions table" if asked.table else "from the numbers alone"
    words = ["", f"reliability {how}:", *reliability(rows), "  most often wrong:"]
    with capsys.disabled():
        sys.stdout.write("\n".join([*words, *matrix, ""]))
    for least, allowed in ((0.9, 0.01), (0.8, 0.05)):
        sure = rows.filter(pl.col("confidence") >= least)
        assert sure.height > rows.height / 2
        assert (~sure["right"]).sum() <= allowed * sure.height


def test_nothing_quiet_is_called_an_event_and_little_is_unexplained(
    asked: Asked,
) -> None:
    rows = judged(asked)
    assert rows.filter(cause="unexplained").height < 0.05 * rows.height
    quiet = rows.filter(pl.col("cause").is_in(QUIET))
    assert (~quiet["right"]).sum() <= 0.005 * quiet.height
    events = rows.filter(truth="quiet")
    assert events["right"].sum() >= 0.999 * events.height


def test_the_confusion_matrix_is_mostly_diagonal(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = judged(asked)
    single = rows.filter(~pl.col("truth").str.contains("+", literal=True))
    with capsys.disabled():
        sys.stdout.write("\n".join(["", *confusion(asked), ""]))
    known = [
        "bonus",
        "merger",
        "bought",
        "sold",
        "isin_change",
        "symbol_rename",
        "quiet",
    ]
    for event in known:
        some = single.filter(truth=event)
        assert some["right"].sum() > 0.85 * some.height, event


def test_every_bridge_adds_up(asked: Asked) -> None:
    for of in ("value", "collateral", "pnl"):
        assert set(hk.bridge(asked.changes, of=of)["residual"]) == {0}
        assert set(hk.bridge(asked.changes, of=of, by="account_id")["residual"]) == {0}


def test_what_was_not_traded_has_no_trade_effect(asked: Asked) -> None:
    keys = ["account_id", "instrument_id"]
    traded = pl.DataFrame(sorted(asked.traded), schema=keys, orient="row")
    sure = asked.changes.filter(pl.col("confidence") >= 0.9).select(keys)
    rows = hk.bridge(asked.changes).join(traded, on=keys, how="anti")
    rows = rows.join(sure, on=keys, how="semi")
    # a merged line of which part was sold: which of the two, nobody can know; what
    # the numbers alone call a trade is wrong as often as its confidence says
    unknowable = ["merger"] if asked.table else ["merger", *TRADES]
    known = rows.filter(~pl.col("cause").is_in(unknowable))
    assert known.height > 1_000
    assert known["trade_effect"].drop_nulls().abs().sum() == 0


def test_rupees_are_traded_only_where_a_trade_is_named(asked: Asked) -> None:
    keys = ["account_id", "instrument_id"]
    parts = pl.col("parts").list.eval(pl.element().struct.field("cause"))
    named = parts.list.eval(pl.element().is_in(TRADES)).list.any()
    silent = asked.changes.filter(~named).select(keys)
    rows = hk.bridge(asked.changes).join(silent, on=keys, how="semi")
    assert rows.height > 1_000
    assert rows["trade_effect"].drop_nulls().abs().sum() == 0


def test_a_corporate_action_moves_no_value_but_cash(asked: Asked) -> None:
    acted = asked.changes.filter(
        pl.col("cause").is_in(["split", "bonus", "consolidation", "merger", "demerger"])
    )
    fractions = acted.filter(pl.col("evidence").str.contains("fraction"))
    lines = hk.bridge(asked.changes, by="account_id").join(
        fractions.select("account_id"), on="account_id", how="anti"
    )
    assert acted.height > 100
    assert set(lines["corporate_action_effect"].drop_nulls()) == {0}


def test_the_same_seed_tells_the_same_lives() -> None:
    assert [life.rows for life in lives(5, 1)] == [life.rows for life in lives(5, 1)]
    assert [life.rows for life in lives(5, 1)] != [life.rows for life in lives(5, 2)]
