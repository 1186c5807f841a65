from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from holdings_kit.errors import ConfigError
from holdings_kit.risk import PLAN, Fees, Rules, broker_fees, pledge_plan
from holdings_kit.schema import INSTRUMENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    Book = Callable[..., pl.DataFrame]


def _call(**change: Any) -> dict[str, Any]:
    seed: dict[str, Any] = {"need": 20_000, "cash": 8_000}
    return seed | {"rules": "broker", "horizon_days": 30} | change


@pytest.mark.parametrize(
    ("policy", "cost", "isins"),
    [
        ("cheapest", "127.20", 3),
        ("lowest_haircut", "268.80", 7),
        ("everything", "304.20", 8),
    ],
)
def test_seed_book(seed: pl.DataFrame, policy: Any, cost: str, isins: int) -> None:
    plan = pledge_plan(seed, **_call(policy=policy))
    assert plan.cost == Decimal(cost)
    assert plan.interest_value == 21
    assert plan.plan.filter(pl.col("pledge_quantity") > 0).height == isins
    assert plan.bound == Decimal("127.20")
    assert plan.usable_value >= 20_000
    assert plan.plan.schema == PLAN
    if policy == "cheapest":
        assert (plan.status, plan.gap) == ("optimal", 0)
        assert plan.usable_value < 20_100  # gives back what the need does not take


def test_seed_book_under_the_strict_rule(seed: pl.DataFrame) -> None:
    plan = pledge_plan(seed, **_call(rules="strict"))
    assert (plan.status, plan.cost, plan.unmet_value) == ("infeasible", None, 4_000)
    assert plan.plan["pledge_quantity"].sum() == 0
    half = pledge_plan(seed, need=16_000, cash=8_000)
    assert (half.cost, half.interest_value) == (Decimal("70.80"), 0)


def test_plan_value_is_the_exact_sum_of_its_rows(seed: pl.DataFrame) -> None:
    plan = pledge_plan(seed, **_call())
    by_hand = sum(
        row["pledge_quantity"] * row["price"] * (1 - row["haircut"])
        for row in plan.plan.iter_rows(named=True)
    )
    assert plan.collateral_value == by_hand == plan.plan["collateral_value"].sum()


def test_the_holding_that_is_cut_stands_last_in_the_order(seed: pl.DataFrame) -> None:
    """Although it may be worth more than a holding that is pledged whole."""
    plan = pledge_plan(seed, **_call())
    ranked = plan.order
    cut = ranked["pledge_quantity"] < ranked["available_quantity"]
    assert cut.to_list() == [False] * (ranked.height - 1) + [True]
    whole = ranked["collateral_value"].head(-1)
    assert whole.to_list() == sorted(whole, reverse=True)
    assert ranked["collateral_value"].sum() == plan.collateral_value


ROW = {"settled_quantity": 10, "close_price": 100, "haircut": "0.1"}


def test_every_holding_left_out_says_why(book: Book) -> None:
    rows = [
        ROW | {"instrument_id": "TAKEN", "t1_quantity": 4},
        ROW | {"instrument_id": "LOCKED"},
        ROW | {"instrument_id": "OFF"},
        ROW | {"instrument_id": "VAR", "haircut": 1},
        ROW | {"instrument_id": "T1", "settled_quantity": 0, "t1_quantity": 4},
        ROW | {"instrument_id": "FRACTION", "settled_quantity": "0.5"},
        ROW | {"instrument_id": "NO_CLOSE", "close_price": None},
        ROW | {"instrument_id": "NO_HAIRCUT", "haircut": None},
        ROW | {"instrument_id": "UNKNOWN", "settled_quantity": None},
        ROW | {"instrument_id": "ALL", "settled_quantity": 0, "pledged_quantity": 1},
        ROW | {"instrument_id": "NONE", "settled_quantity": 0},
        ROW | {"instrument_id": "SPARE", "close_price": 1},
    ]
    master = pl.DataFrame(
        [
            {
                "instrument_id": "OFF",
                "eligible_from": date(2020, 1, 1),
                "eligible_to": date(2024, 7, 31),
            }
        ],
        schema=INSTRUMENTS,
    )
    plan = pledge_plan(
        book(rows),
        need=1_000,
        cash=500,
        rules="broker",
        locked=["LOCKED"],
        instruments=master,
    )
    why = dict(plan.plan.select("instrument_id", "why").iter_rows())
    # 90 of collateral stand already, so 410 of 900: five units
    assert why["TAKEN"].startswith("pledge 5 of 10; 4")
    assert why["LOCKED"] == "locked"
    assert why["OFF"] == "not eligible on 2026-01-05"
    assert "100 %" in why["VAR"]
    assert "4" in why["T1"]
    assert "unsettled" in why["T1"]
    assert "fraction" in why["FRACTION"]
    assert why["NO_CLOSE"] == "no close"
    assert why["NO_HAIRCUT"] == "no haircut"
    assert why["UNKNOWN"] == "settled quantity unknown"
    assert "already" in why["ALL"]
    assert why["NONE"] == "nothing free to pledge"
    assert why["SPARE"].startswith("not needed")
    assert plan.pledged_value == 90


def test_nothing_to_do_when_the_cash_is_enough(seed: pl.DataFrame) -> None:
    plan = pledge_plan(seed, need=5_000, cash=5_000)
    assert (plan.status, plan.cost, plan.gap) == ("optimal", 0, 0)
    empty = pledge_plan(seed.clear(), need=5, cash=3, rules="broker")
    assert (empty.status, empty.unmet_value) == ("infeasible", 2)
    assert pledge_plan(seed.clear(), need=0, cash=0).cost == 0


def test_liquid_fund_saves_interest(book: Book) -> None:
    """Interest on 400 for 1000 days is 140: a second fee of 35.40 is worth it."""
    rows = [ROW | {"instrument_id": "SHARE"}, ROW | {"instrument_id": "LIQUID"}]
    master = pl.DataFrame(
        [{"instrument_id": "LIQUID", "cash_equivalent": True}], schema=INSTRUMENTS
    )
    call: dict[str, Any] = {
        "need": 1_000,
        "cash": 100,
        "rules": "broker",
        "horizon_days": 1_000,
    }
    assert pledge_plan(book(rows), **call).cost == Decimal("35.40") + 140
    plan = pledge_plan(book(rows), **call, instruments=master)
    assert plan.cost == Decimal("35.40")
    assert plan.cash_missing_value == 0
    call["rules"] = "strict"
    strict = pledge_plan(book(rows), **call, instruments=master)
    assert strict.cost == Decimal("35.40")


def test_concentration_cap_needs_more_names(book: Book) -> None:
    rows = [ROW | {"instrument_id": name} for name in "PQRST"]
    free = pledge_plan(book(rows), need=1_000, cash=500, rules="broker")
    capped = Rules(practice="broker", security_cap=Decimal("0.25"))
    plan = pledge_plan(book(rows), need=1_000, cash=500, rules=capped)
    assert (free.fee_value, plan.fee_value) == (Decimal("35.40"), Decimal("70.80"))


def test_shadow_price_is_the_slope_of_the_relaxation(book: Book) -> None:
    """One fee of 35.40 buys 900 of collateral; a rupee costs 35.40 / 900."""
    plan = pledge_plan(
        book([ROW | {"instrument_id": "P"}]),
        need=1_000,
        cash=600,
        rules="broker",
        fees=Fees(interest_per_day=Decimal(0)),
    )
    assert plan.shadow_price == pytest.approx(35.40 / 900)


@pytest.mark.parametrize(
    "change",
    [{"need": -1}, {"cash": float("nan")}, {"horizon_days": -1}, {"policy": "luck"}],
)
def test_bad_calls(seed: pl.DataFrame, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        pledge_plan(seed, **_call(**change))


def test_two_accounts_are_refused(book: Book) -> None:
    with pytest.raises(ConfigError, match="2 accounts"):
        pledge_plan(book([ROW, ROW | {"account_id": "B"}]), need=1, cash=1)


def test_fee_schedules() -> None:
    assert broker_fees("broker-30").per_request == Decimal("35.40")
    with pytest.raises(ConfigError, match="broker-30"):
        broker_fees("nobody")
    with pytest.raises(ConfigError, match="gst"):
        Fees(gst=Decimal(-1))


def _brute_force(
    rules: Rules, rows: list[Row], need: int, cash: int, units: Any
) -> Any:
    """Feasibility and cost of many plans at once, from the rules alone, in integers.

    `units` is (plans × holdings); rupees in units of 1e-8, the cost in 1e-12.
    """
    each = np.array([row.price * (10_000 - row.haircut) for row in rows]) * 100
    value = (units + np.array([row.pledged or 0 for row in rows])) * each
    if rules.security_cap is not None:
        capped = np.minimum(value, need // 4)
        value = np.where([row.like_cash for row in rows], value, capped)
    like = np.array([row.like_cash for row in rows])
    equal = cash + value @ like
    other = value @ ~like
    if rules.practice == "strict":
        other = np.minimum(other, equal)
    interest = np.maximum(0, need // 2 - equal) * 105  # 30 days × 0.00035
    fee = (units > 0).sum(axis=1) * 354 * 10**11
    return equal + other >= need, fee + interest


class Row(NamedTuple):
    """Price in paise, haircut in basis points, so that the brute force has integers."""

    settled: int
    pledged: int | None
    price: int
    haircut: int
    like_cash: bool

    def holding(self, place: int) -> dict[str, Any]:
        return {
            "instrument_id": f"I{place}",
            "settled_quantity": self.settled,
            "pledged_quantity": self.pledged,
            "close_price": Decimal(self.price) / 100,
            "haircut": Decimal(self.haircut) / 10_000,
        }


a_row = st.builds(
    Row,
    settled=st.integers(1, 40),
    pledged=st.none() | st.integers(0, 10),
    price=st.integers(100, 300_000),
    haircut=st.integers(0, 9_000),
    like_cash=st.booleans(),
)
a_rule = st.builds(
    Rules,
    practice=st.sampled_from(["strict", "broker"]),
    security_cap=st.sampled_from([None, Decimal("0.25")]),
)


def _check(
    book: Book, rules: Rules, rows: list[Row], *, need: int, cash: int, plans: Any
) -> None:
    feasible, cost = _brute_force(rules, rows, need, cash, plans)
    master = pl.DataFrame(
        [
            {"instrument_id": f"I{i}", "cash_equivalent": row.like_cash}
            for i, row in enumerate(rows)
        ],
        schema=INSTRUMENTS,
    )
    plan = pledge_plan(
        book([row.holding(i) for i, row in enumerate(rows)]),
        need=Decimal(need) / 10**8,
        cash=Decimal(cash) / 10**8,
        rules=rules,
        instruments=master,
    )
    if not feasible.any():
        assert plan.status == "infeasible"
        return
    best = Decimal(int(cost[feasible].min())) / 10**12
    units = np.array([[int(q) for q in plan.plan["pledge_quantity"]]])
    holds, mine = _brute_force(rules, rows, need, cash, units)
    assert holds.all()
    assert plan.status == "optimal"
    assert plan.cost is not None
    assert plan.cost == Decimal(int(mine[0])) / 10**12
    assert abs(plan.cost - best) < Decimal("1e-6")
    assert plan.bound is not None
    assert plan.bound <= best + Decimal("1e-6")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(a_row, min_size=1, max_size=12),
    a_rule,
    st.none() | st.integers(0, 150),
    st.integers(0, 2 * 10**6),
)
def test_equals_brute_force(
    book: Book, rows: list[Row], rules: Rules, percent: int | None, paise: int
) -> None:
    """Every set of up to 12 ISINs; also needs that a set meets to the last digit."""
    cash = paise * 10**6
    worth = [row.settled * row.price * (10_000 - row.haircut) * 100 for row in rows]
    need = cash + sum(worth[::2]) if percent is None else sum(worth) * percent // 100
    need -= need % (8 if percent is None else 8 * 10**6)
    sets = np.array(list(product((0, 1), repeat=len(rows))))
    plans = sets * np.array([row.settled for row in rows])
    _check(book, rules, rows, need=need, cash=cash, plans=plans)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        a_row.map(lambda row: row._replace(settled=row.settled % 5 + 1)),
        min_size=1,
        max_size=4,
    ),
    a_rule,
    st.integers(1, 10**4),
    st.integers(0, 10**4),
)
def test_equals_brute_force_over_every_quantity(
    book: Book, rows: list[Row], rules: Rules, need: int, cash: int
) -> None:
    """Small books, every number of units: the set of ISINs alone decides the cost."""
    plans = np.array(list(product(*(range(row.settled + 1) for row in rows))))
    _check(book, rules, rows, need=need * 10**8, cash=cash * 10**8, plans=plans)
