from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

import holdings_kit as hk
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.risk import (
    COLLATERAL,
    MARGIN,
    RECONCILED,
    Rules,
    collateral,
    margin,
    reconcile,
)
from holdings_kit.schema import INSTRUMENTS, MONEY, RATE

if TYPE_CHECKING:
    from collections.abc import Callable

    Book = Callable[..., pl.DataFrame]

ONE = {
    "instrument_id": "INE062A01020",
    "symbol": "SBIN",
    "settled_quantity": "10",
    "t1_quantity": "2",
    "pledged_quantity": "5",
    "owned_quantity": "17",
    "close_price": "100",
    "haircut": "0.125",
}


@pytest.mark.parametrize(
    ("quantity", "total"),
    [("pledged", "0"), ("pledgeable", "18483.267043"), ("owned", "18512.234839")],
)
def test_seed_oracle(seed: pl.DataFrame, quantity: Any, total: str) -> None:
    out = collateral(seed, quantity=quantity)
    assert out["collateral_value"].sum() == Decimal(total)
    assert out["collateral_value"].null_count() == 0
    assert out.schema == COLLATERAL


def test_top_level_name_survives_import_of_its_module() -> None:
    assert hk.collateral is collateral


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"close_price": None}, "no close"),
        ({"haircut": None}, "no haircut"),
        ({"haircut": "0", "close_price": None}, "no close"),
        ({"pledged_quantity": None}, "pledged quantity unknown"),
        ({"haircut": "27.07"}, "haircut outside 0 to 1"),
        ({"close_price": "0"}, "close is not positive"),
        ({"pledged_quantity": "-1"}, "quantity is negative"),
    ],
)
def test_unknown_is_null_and_listed(book: Book, change: dict, reason: str) -> None:
    out = collateral(book([ONE | change, ONE]))
    assert out["collateral_value"].to_list() == [None, Decimal("437.5")]
    assert out["reason"].to_list() == [reason, None]
    total = margin(out, cash=1000).row(0, named=True)
    assert total["unknown_count"] == 1
    assert total["collateral_value"] == Decimal("437.5")


def test_no_known_row_gives_no_total(book: Book) -> None:
    total = margin(collateral(book([ONE | {"haircut": None}])), cash=1000)
    assert total["collateral_value"].to_list() == [None]
    assert total["usable_value"].to_list() == [None]


def test_zero_haircut_with_a_close_is_published(book: Book) -> None:
    out = collateral(book([ONE | {"haircut": "0"}]))
    assert out["collateral_value"].item() == 500


def test_nothing_pledged_is_zero_even_without_a_close(book: Book) -> None:
    out = collateral(book([ONE | {"pledged_quantity": "0", "close_price": None}]))
    assert out["collateral_value"].item() == 0


def test_pledgeable_is_settled_whole_units(book: Book) -> None:
    out = collateral(book([ONE | {"settled_quantity": "10.75"}]), quantity="pledgeable")
    assert out["collateral_quantity"].item() == 10


def test_haircuts_given_replace_the_published(book: Book) -> None:
    rows = [ONE, ONE | {"instrument_id": "X"}, ONE | {"instrument_id": "Y"}]
    given_ = pl.DataFrame(
        {"instrument_id": ["INE062A01020", "X"], "haircut": [0.5, None]}
    )
    out = collateral(book(rows), haircuts=given_)
    assert out["collateral_value"].to_list() == [
        250,
        Decimal("437.5"),
        Decimal("437.5"),
    ]
    assert out["haircut_basis"].to_list() == ["given", "published", "published"]


def test_dated_haircuts_use_the_newest_up_to_the_snapshot(book: Book) -> None:
    table = pl.DataFrame(
        {
            "instrument_id": ["INE062A01020"] * 3,
            "date": [date(2026, 1, 2), date(2026, 1, 5), date(2026, 1, 6)],
            "haircut": [0.2, 0.4, 0.9],
        }
    )
    rows = [ONE, ONE | {"snapshot_at": datetime(2026, 1, 1, tzinfo=UTC)}]
    rows.append(ONE | {"instrument_id": "X"})
    out = collateral(book(rows), haircuts=table)
    assert out["haircut"].to_list() == [
        Decimal("0.4"),
        Decimal("0.125"),
        Decimal("0.125"),
    ]
    assert out["holding_no"].to_list() == [0, 1, 2]
    assert out.equals(collateral(book(rows).lazy(), haircuts=table.lazy()).collect())


def test_two_haircuts_for_one_instrument_are_refused(book: Book) -> None:
    table = pl.DataFrame({"instrument_id": ["A", "A"], "haircut": [0.1, 0.2]})
    with pytest.raises(FrameError, match="two rows for A"):
        collateral(book([ONE]), haircuts=table)


def test_the_clearing_corporations_list_says_haircut_and_eligibility(
    book: Book,
) -> None:
    days = [date(2026, 1, 2), date(2026, 1, 5), date(2026, 1, 5)]
    listed = pl.DataFrame(
        {
            "instrument_id": ["GONE", "INE062A01020", "OUT"],
            "date": days,
            "valuation_price": ["100", "100", "100"],
            "haircut": ["0.2", "0.09", "1"],
        }
    ).cast({"valuation_price": MONEY, "haircut": RATE})
    early = ONE | {"snapshot_at": datetime(2026, 1, 1, tzinfo=UTC)}
    rows = [ONE, ONE | {"instrument_id": "GONE"}, ONE | {"instrument_id": "OUT"}, early]
    out = collateral(book(rows), haircuts=listed)
    assert out["eligible"].to_list() == [True, False, True, None]
    assert out["collateral_value"].to_list() == [455, 0, 0, Decimal("437.5")]
    assert out["reason"][1] == "not eligible on 2026-01-05"
    assert out["haircut_basis"].to_list() == [
        "given",
        "published",
        "given",
        "published",
    ]
    master = _master(eligible_from=date(2020, 1, 1), eligible_to=date(2020, 1, 2))
    both = collateral(book(rows[:1]), haircuts=listed, instruments=master)
    assert both["eligible"].to_list() == [False]


def test_margins_and_models_serve_as_haircuts(book: Book) -> None:
    margins = pl.DataFrame(
        {
            "instrument_id": ["INE062A01020"] * 3,
            "series": ["EQ", "EQ", "T0"],
            "date": [date(2026, 1, 5)] * 3,
            "file_no": [6, 1, 7],
            "var_margin": [0.3, 0.2, 0.9],
            "elm": [0.0] * 3,
            "haircut": [0.3, 0.2, 0.9],
        }
    )
    assert collateral(book([ONE]), haircuts=margins)["haircut"].item() == Decimal("0.3")
    model = {"instrument_id": "INE062A01020", "date": date(2026, 1, 5), "haircut": 0.4}
    one = pl.DataFrame([model | {"model": "ewma", "name": "slow"}])
    assert collateral(book([ONE]), haircuts=one)["haircut"].item() == Decimal("0.4")
    two = pl.concat([one, one.with_columns(name=pl.lit("fast"))])
    with pytest.raises(FrameError, match="'fast', 'slow'; filter one"):
        collateral(book([ONE]), haircuts=two)


def _master(**values: Any) -> pl.DataFrame:
    row = {"instrument_id": "INE062A01020"} | values
    return pl.DataFrame([row], schema=INSTRUMENTS)


def test_eligibility_is_a_dated_list_apart_from_the_haircut(book: Book) -> None:
    listed = {"eligible_from": date(2020, 1, 1)}
    last = listed | {"eligible_to": date(2026, 1, 5)}
    gone = listed | {"eligible_to": date(2026, 1, 4)}
    assert collateral(book([ONE]))["eligible"].item() is None
    on = collateral(book([ONE]), instruments=_master(**listed))
    assert on["eligible"].item() is True
    # both ends are inclusive: the first day and the last day of the list count
    for days in (last, {"eligible_from": date(2026, 1, 5)}):
        end = collateral(book([ONE]), instruments=_master(**days))
        assert end["eligible"].item() is True
    early = _master(eligible_from=date(2026, 1, 6))
    assert collateral(book([ONE]), instruments=early)["eligible"].item() is False
    off = collateral(book([ONE]), instruments=_master(**gone))
    assert off["collateral_value"].item() == 0
    assert off["reason"].item() == "not eligible on 2026-01-05"


@pytest.mark.parametrize(
    ("cash", "usable"), [(0, 0), (1000, 2000), (1500, 2812.5), (5000, 6312.5)]
)
def test_strict_rule_counts_non_cash_up_to_cash(
    book: Book, cash: int, usable: float
) -> None:
    rows = collateral(book([ONE] * 3), cash=cash)
    assert rows["usable_value"].sum() + cash == Decimal(str(usable))
    assert margin(rows, cash=cash)["usable_value"].item() == Decimal(str(usable))
    assert margin(rows, cash=cash).schema == MARGIN


def test_broker_practice_counts_all(book: Book) -> None:
    rows = collateral(book([ONE] * 3), cash=1000, rules="broker")
    assert margin(rows, cash=1000, rules="broker")["usable_value"].item() == Decimal(
        "2312.5"
    )


def test_cash_equivalents_count_as_cash(book: Book) -> None:
    rows = [ONE | {"instrument_id": "LIQUID", "haircut": "0.1"}, ONE, ONE]
    master = _master(cash_equivalent=True).with_columns(instrument_id=pl.lit("LIQUID"))
    out = collateral(book(rows), cash=100, instruments=master)
    # cash 100 + liquid fund 450 carry 550 of the 875 in shares
    assert out["usable_value"].to_list() == [450, Decimal("437.5"), Decimal("112.5")]
    assert margin(out, cash=100)["usable_value"].item() == 1100
    assert margin(out, cash=100)["idle_value"].item() == 325


def test_one_sum_of_cash_needs_one_account(book: Book) -> None:
    two = book([ONE, ONE | {"account_id": "AR0002"}])
    with pytest.raises(ConfigError, match="2 accounts"):
        collateral(two, cash=5)
    frame = pl.DataFrame({"account_id": ["AR0001"], "cash_value": [300]})
    out = collateral(two, cash=frame)
    assert out["usable_value"].to_list() == [300, None]


def test_bad_calls_name_what_is_known(book: Book) -> None:
    with pytest.raises(ConfigError, match="pledged, pledgeable, owned"):
        collateral(book([ONE]), quantity="free")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="strict"):
        Rules(practice="lax")  # pyright: ignore[reportArgumentType]
    with pytest.raises(FrameError, match="cash_value"):
        collateral(book([ONE]), cash=pl.DataFrame({"account_id": ["A"]}))


holding = st.fixed_dictionaries(
    {
        "account_id": st.sampled_from(["A", "B"]),
        "instrument_id": st.sampled_from("PQR"),
        "pledged_quantity": st.none() | st.integers(0, 10**6),
        "close_price": st.none() | st.decimals(1, 10**5, places=2),
        "haircut": st.none() | st.decimals(0, 1, places=4),
    }
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(holding, min_size=1, max_size=8),
    st.decimals(0, 10**6, places=2),
    st.data(),
)
def test_laws(book: Book, rows: list[dict], cash: Decimal, data: st.DataObject) -> None:
    frame = book(rows)
    table = pl.DataFrame({"account_id": ["A", "B"], "cash_value": [cash, cash]})
    out = collateral(frame, cash=table)
    assert out.equals(collateral(frame.lazy(), cash=table).collect())
    assert out.height == len(rows)
    by_hand = [
        None
        if row["pledged_quantity"] is None
        else Decimal(0)
        if row["pledged_quantity"] == 0
        else None
        if row["close_price"] is None or row["haircut"] is None
        else row["pledged_quantity"] * row["close_price"] * (1 - row["haircut"])
        for row in rows
    ]
    assert out["collateral_value"].to_list() == by_hand
    total = margin(out, cash=table)
    for row in total.rows(named=True):
        mine = out.filter(pl.col("account_id") == row["account_id"])
        if row["usable_value"] is not None:
            assert sum(mine["usable_value"].drop_nulls(), cash) == row["usable_value"]
            assert row["usable_value"] <= 2 * cash
    shuffled = data.draw(st.permutations(range(len(rows))))
    assert (
        margin(collateral(frame[list(shuffled)]), cash=table)
        .sort("account_id")
        .equals(total.sort("account_id"))
    )


LIMITS = {"account_id": ["AR0001"], "non_cash_value": [Decimal("437.50")]}


def test_cap_per_security(book: Book) -> None:
    rows = [ONE | {"pledged_quantity": 8}, ONE | {"instrument_id": "Q"}]
    # 700 + 437.5 beside 862.5 of cash: 2000 in all, so 500 a security at a quarter
    rules = Rules(practice="broker", security_cap=Decimal("0.25"))
    out = collateral(book(rows), cash=Decimal("862.5"), rules=rules)
    assert out["usable_value"].to_list() == [500, Decimal("437.5")]
    total = margin(out, cash=Decimal("862.5"), rules=rules).row(0, named=True)
    assert total["over_cap_value"] == 200
    assert total["usable_value"] == Decimal("862.5") + Decimal("937.5")
    strict = Rules(security_cap=Decimal("0.25"))
    lots = [ONE | {"pledged_quantity": 4}] * 2  # two rows of one security share its cap
    out = collateral(book(lots), cash=700, rules=strict)
    assert out["usable_value"].to_list() == [350, 0]


def test_debt_carries_nothing(book: Book) -> None:
    out = collateral(book([ONE]), cash=-100)
    assert out["usable_value"].to_list() == [0]
    assert margin(out, cash=-100)["usable_value"].to_list() == [-100]


def test_a_security_may_leave_the_list_and_come_back(book: Book) -> None:
    periods = pl.concat(
        [
            _master(eligible_from=date(2020, 1, 1), eligible_to=date(2024, 7, 31)),
            _master(eligible_from=date(2025, 9, 1)),
        ]
    )
    rows = [
        ONE | {"snapshot_at": datetime(year, 1, 5, 10, tzinfo=UTC)}
        for year in (2019, 2024, 2025, 2026)
    ]
    out = collateral(book([*rows, ONE | {"instrument_id": "X"}]), instruments=periods)
    assert out["eligible"].to_list() == [False, True, False, True, None]


def test_the_last_eligible_day_ends_at_midnight_in_india(book: Book) -> None:
    """18:30 UTC is midnight in Mumbai: a second before still is the last day."""
    master = _master(eligible_from=date(2020, 1, 1), eligible_to=date(2026, 1, 5))
    instants = (
        datetime(2026, 1, 5, 18, 29, 59, tzinfo=UTC),
        datetime(2026, 1, 5, 18, 30, tzinfo=UTC),
    )
    out = collateral(
        book([ONE | {"snapshot_at": at} for at in instants]), instruments=master
    )
    assert out["eligible"].to_list() == [True, False]


def test_reconcile_with_the_brokers_non_cash(book: Book) -> None:
    sums = margin(collateral(book([ONE])), cash=1000)
    same = reconcile(sums, pl.DataFrame(LIMITS))
    assert same.schema == RECONCILED
    assert same.row(0, named=True)["reconciles"] is True
    other = reconcile(sums, pl.DataFrame(LIMITS | {"non_cash_value": [500]}))
    assert other.select("difference_value", "reconciles").row(0) == (
        Decimal("62.5"),
        False,
    )
    assert "62.50" in other["reason"].item()
    none = reconcile(sums, pl.DataFrame(LIMITS | {"account_id": ["AR0009"]}))
    assert none["reconciles"].to_list() == [None]
    assert none["reason"].to_list() == ["no limits for this account"]


def test_reconcile_does_not_judge_what_it_does_not_know(book: Book) -> None:
    sums = margin(collateral(book([ONE, ONE | {"haircut": None}])), cash=1000)
    out = reconcile(sums, pl.DataFrame(LIMITS))
    assert out["reconciles"].to_list() == [None]
    assert "1 of 2 holdings unknown" in out["reason"].item()


@pytest.mark.parametrize(
    ("cash", "twice"),
    [("1437.50", True), ("1600", True), ("1000", False), ("900", False)],
)
def test_alarm_when_collateral_is_inside_the_cash(
    book: Book, cash: str, twice: bool
) -> None:
    limits = pl.DataFrame(LIMITS | {"cash_value": [1000], "cash_equivalent_value": [0]})
    sums = margin(collateral(book([ONE])), cash=Decimal(cash))
    assert reconcile(sums, limits)["double_count"].to_list() == [twice]
    blind = reconcile(sums, pl.DataFrame(LIMITS))
    assert blind["double_count"].to_list() == [None]
