"""What holds for every comparison."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.changes import CHANGES
from holdings_kit.errors import FrameError

Kind = Literal["value", "collateral", "pnl"]
Lines = Callable[..., pl.DataFrame]
LATER = datetime(2026, 1, 6, 12, 30, tzinfo=UTC)
BEFORE = (
    "SPLT 100 @500 =520; TONE 10+4t @5 =6; PLDG 100 @10 =11 h0.2;"
    "CHNG/INE155A01014 10 @20 =30; SALE 10 @1 =2; BONS 50 @300 =310; MANY 10 @5 =5"
)
AFTER = (
    "SPLT 200 @250 =262; TONE 14 @5 =6; PLDG 40+60p @10 =11 h0.25;"
    "CHNG/INE155A01022 10 @20 =31; BONS 75 @200 =210; MANY 20+5t+10p @5.1 =5.2 h0.1"
)


def test_six_everyday_transitions_have_six_causes(
    lines: Lines,
) -> None:
    changes = hk.compare(
        lines(BEFORE, bystanders=4), lines(AFTER, at=LATER, bystanders=4)
    )
    causes = dict(changes.select("symbol", "cause").rows())
    assert {k: v for k, v in causes.items() if not k.startswith("BY")} == {
        "SPLT": "split",
        "TONE": "settled",
        "PLDG": "pledged",
        "CHNG": "isin_change",
        "SALE": "closed",
        "BONS": "bonus",
        "MANY": "bought",
    }
    assert changes.collect_schema() == CHANGES


@pytest.mark.parametrize("of", ["value", "collateral", "pnl"])
def test_the_bridge_adds_up(
    lines: Lines, of: Literal["value", "collateral", "pnl"]
) -> None:
    changes = hk.compare(lines(BEFORE), lines(AFTER, at=LATER))
    for by in (None, ("account_id",), ("cause",), ()):
        bridge = hk.bridge(changes, by=by, of=of)
        assert bridge["residual"].unique().to_list() == [0]


def test_lazy_is_eager(lines: Lines) -> None:
    before, after = lines(BEFORE), lines(AFTER, at=LATER)
    eager = hk.compare(before, after)
    lazy = hk.compare(before.lazy(), after.lazy())
    assert lazy.collect().equals(eager)
    assert hk.bridge(lazy).collect().equals(hk.bridge(eager))


def test_two_snapshots_of_one_account_are_refused(
    lines: Lines,
) -> None:
    before = pl.concat([lines(BEFORE), lines(AFTER, at=LATER)])
    with pytest.raises(FrameError, match="2 snapshots"):
        hk.compare(before, lines(AFTER))


def test_the_pnl_of_an_unknown_quantity_is_not_called_reliable(lines: Lines) -> None:
    changes = hk.compare(lines("IDEA owned=100 @10 =11"), lines("IDEA owned=? @10 =11"))
    assert changes["pnl_reliable"].to_list() == [None]


@pytest.mark.parametrize("isin", ["", "/INE155A01014"], ids=["listing", "isin"])
def test_a_quantity_that_moved_is_never_called_a_price_only(
    lines: Lines, isin: str
) -> None:
    """Whatever the factor: no line may fall between a split and a bonus."""
    factors = [
        (num, den)
        for num in range(1, 21)
        for den in range(1, 21)
        if num != den and math.gcd(num, den) == 1
    ]
    before, after = (
        ";".join(
            f"{num}for{den}:XYZ{isin} {quantity(num, den)} @{average(num, den)}"
            for num, den in factors
        )
        for quantity, average in (
            (lambda _, den: 60 * den, lambda num, _: 40 * num),
            (lambda num, _: 60 * num, lambda _, den: 40 * den),
        )
    )
    changes = hk.compare(lines(before), lines(after, at=LATER))
    causes = dict(changes.select("account_id", "cause").rows())
    assert len(causes) == len(factors)
    assert "price_only" not in causes.values()
    usual = ("2for1", "5for2", "3for2", "4for1", "5for1", "10for1")
    assert {causes[name] for name in usual} <= {"split", "bonus"}
