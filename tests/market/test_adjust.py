"""Back-adjusted prices: exact factors, joined histories, nothing guessed."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from math import prod
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

import holdings_kit as hk
from holdings_kit.errors import FrameError
from holdings_kit.schema import ACTIONS, PRICES

D = Decimal
EX = date(2022, 7, 28)
BEFORE = EX - timedelta(days=1)


def prices(*rows: tuple[str, date, str], **more: Any) -> pl.DataFrame:
    table = [
        {"instrument_id": who, "date": day, "close_price": D(close), **more}
        for who, day, close in rows
    ]
    return pl.DataFrame(table, schema=PRICES)


def actions(*rows: tuple[Any, ...]) -> pl.DataFrame:
    names = ("instrument_id", "ex_date", "kind", "ratio", "new_instrument_id")
    table = [dict(zip(names, row, strict=False)) for row in rows]
    return pl.DataFrame(table, schema=ACTIONS)


def closes(frame: pl.DataFrame) -> list[Decimal]:
    return frame["close_price"].to_list()


@pytest.mark.parametrize(
    ("kind", "ratio", "factor"),
    [
        ("split", "1:10", 1 / 10),
        ("split", "10", 1 / 10),
        ("split", "10:1", 1 / 10),
        ("bonus", "1:1", 1 / 2),
        ("bonus", "1:3", 3 / 4),
        ("bonus", "4:1", 1 / 5),
        ("consolidation", "10:1", 10),
        ("capital_reduction", "10:1", 10),
    ],
)
def test_a_ratio_is_its_factor(kind: str, ratio: str, factor: float) -> None:
    table = prices(("T", BEFORE, "959.40"), ("T", EX, "98.10"))
    found = hk.adjust(table, actions(("T", EX, kind, ratio)))
    assert found["factor"].to_list() == pytest.approx([factor, 1])
    assert closes(found)[0] == round(D("959.40") * D(str(factor)), 4)
    assert closes(found)[1] == D("98.10")
    assert found["adjustments"].to_list() == [f"{kind} {ratio} on {EX}", None]
    assert found["raw_close_price"].to_list() == [D("959.40"), D("98.10")]


def test_published_actions_leave_returns_that_are_no_jumps() -> None:
    """Closes of NSE before and on the ex-date; a public fact each."""
    published = {  # previous close, open on the ex-date, actions
        "TATASTEEL": ("959.40", "98.10", [("split", "1:10")]),
        "BAJAJFINSV": ("17355.00", "1755.00", [("split", "1:5"), ("bonus", "1:1")]),
    }
    for name, (cum, after, rows) in published.items():
        table = prices((name, BEFORE, cum), (name, EX, after))
        acts = actions(*((name, EX, *row) for row in rows))
        first, second = (float(c) for c in closes(hk.adjust(table, acts)))
        assert abs(second / first - 1) < 0.05


def test_rows_that_say_the_same_are_one_action() -> None:
    table = prices(("T", BEFORE, "100"), ("T", EX, "50"))
    twice = actions(("T", EX, "bonus", "1:1"), ("T", EX, "bonus", "1:1"))
    assert hk.adjust(table, twice)["factor"].to_list() == [0.5, 1]


def test_the_previous_close_and_the_day_are_in_one_unit() -> None:
    table = pl.concat(
        [
            prices(("T", BEFORE, "100"), previous_close_price=D(98)),
            prices(("T", EX, "51"), previous_close_price=D(100)),
        ]
    )
    found = hk.adjust(table, actions(("T", EX, "bonus", "1:1")))
    assert found["previous_close_price"].to_list() == [D(49), D(50)]


def test_rights_use_the_theoretical_price_after_rights() -> None:
    """RELIANCE, May 2020: 1 for 15 at 1257; 1:15 of a close of 1427."""
    row = {"instrument_id": "T", "ex_date": EX, "kind": "rights", "ratio": "1:15"}
    table = prices(("T", BEFORE, "1427"), ("T", EX, "1420"))
    paid = pl.DataFrame([row | {"cash_per_unit": D(1257)}], schema=ACTIONS)
    found = hk.adjust(table, paid)
    assert found["close"][0] == pytest.approx((15 * 1427 + 1257) / 16)
    unpriced = hk.adjust(table, pl.DataFrame([row], schema=ACTIONS))
    assert unpriced["factor"].to_list() == [1, 1]
    assert unpriced["unadjusted"].to_list() == [f"rights 1:15 on {EX}", None]
    dear = pl.DataFrame([row | {"cash_per_unit": D(2000)}], schema=ACTIONS)
    assert hk.adjust(table, dear)["factor"].to_list() == [1, 1]


def test_a_demerger_takes_its_base_from_the_open_or_is_flagged() -> None:
    """TATAMOTORS, 14 October 2025: 660.75 before, 400 discovered."""
    act = actions(("T", EX, "demerger", None))
    known = pl.concat(
        [
            prices(("T", BEFORE, "660.75")),
            prices(("T", EX, "395.45"), open_price=D(400)),
        ]
    )
    found = hk.adjust(known, act)
    assert closes(found) == [D("400.0000"), D("395.4500")]
    assert found["adjustments"][0] == f"demerger on {EX} (base: the open 400)"
    unknown = hk.adjust(prices(("T", BEFORE, "660.75"), ("T", EX, "395.45")), act)
    assert closes(unknown) == [D("660.75"), D("395.45")]
    assert unknown["unadjusted"].to_list() == [f"demerger on {EX}", None]
    assert unknown["adjustments"].null_count() == 2


def test_renamed_histories_are_one_through_chains() -> None:
    days = [date(2011, 1, 3), date(2020, 1, 3), date(2023, 1, 3)]
    table = prices(
        ("NSE:A", days[0], "8"),
        ("NSE:B", days[1], "9"),
        ("NSE:C", days[2], "10"),
        ("NSE:A", days[2], "77"),  # the symbol of someone else by now
    )
    renames = actions(
        ("NSE:A", date(2012, 5, 5), "rename", None, "NSE:B"),
        ("NSE:B", date(2022, 4, 1), "rename", None, "NSE:C"),
    )
    found = hk.adjust(table, renames)
    assert found.select("instrument_id", "date", "close_price").rows() == [
        ("NSE:A", days[2], D(77)),
        ("NSE:C", days[0], D(8)),
        ("NSE:C", days[1], D(9)),
        ("NSE:C", days[2], D(10)),
    ]
    assert found["raw_instrument_id"].to_list() == ["NSE:A", "NSE:A", "NSE:B", "NSE:C"]


def test_a_rename_to_a_symbol_joins_the_isin_of_that_symbol() -> None:
    old = prices(("NSE:OLD", BEFORE, "8"), symbol="OLD", exchange="NSE")
    new = prices(("INE062A01020", EX, "9"), symbol="NEW", exchange="NSE")
    act = actions(("NSE:OLD", EX, "rename", None, "NSE:NEW"))
    found = hk.adjust(pl.concat([old, new]), act)
    assert found["instrument_id"].to_list() == ["INE062A01020"] * 2


# NAUKRI split 1:5 on 7 May 2025: INE663F01024 before, INE663F01032 after
OLD, NEW = "INE663F01024", "INE663F01032"


def test_a_split_joins_the_isin_of_before_to_the_isin_of_after() -> None:
    for extra in ([], [EX + timedelta(days=4)]):
        rows = [
            prices((OLD, BEFORE, "7000"), symbol="NAUKRI", exchange="NSE"),
            *(
                prices((NEW, day, "1410"), symbol="NAUKRI", exchange="NSE")
                for day in [EX, *extra]
            ),
        ]
        split = actions((OLD, EX, "split", "1:5"))
        found = hk.adjust(pl.concat(rows), split)
        assert set(found["instrument_id"]) == {NEW}
        assert closes(found)[0] == D("1400.0000")
        assert closes(found)[1] == D("1410.0000")


def test_a_trading_day_without_a_price_at_the_ex_date_is_still_adjusted() -> None:
    later = EX + timedelta(days=5)
    rows = pl.concat(
        [
            prices((OLD, BEFORE, "7000"), symbol="NAUKRI", exchange="NSE"),
            prices((NEW, later, "1410"), symbol="NAUKRI", exchange="NSE"),
        ]
    )
    found = hk.adjust(rows, actions((OLD, EX, "split", "1:5")))
    assert found["factor"].to_list() == [0.2, 1]


def test_an_action_of_a_symbol_finds_the_prices_under_its_isin() -> None:
    rows = pl.concat(
        [
            prices((OLD, BEFORE, "7000"), symbol="NAUKRI", exchange="NSE"),
            prices((NEW, EX, "1410"), symbol="NAUKRI", exchange="NSE"),
        ]
    )
    found = hk.adjust(rows, actions(("NSE:NAUKRI", EX, "split", "1:5")))
    assert set(found["instrument_id"]) == {NEW}
    assert found["factor"].to_list() == [0.2, 1]


def test_one_symbol_of_two_issuers_is_not_joined() -> None:
    rows = pl.concat(
        [
            prices(("INE062A01020", BEFORE, "70"), symbol="X", exchange="NSE"),
            prices(("INE528G01035", EX, "80"), symbol="X", exchange="NSE"),
        ]
    )
    found = hk.adjust(rows, actions())
    assert found["instrument_id"].to_list() == ["INE062A01020", "INE528G01035"]


def test_a_dividend_changes_no_price() -> None:
    table = prices(("T", BEFORE, "100"))
    for kind in ("dividend", "buyback", "call", "delisting"):
        found = hk.adjust(table, actions(("T", EX, kind, None)))
        assert closes(found) == [D(100)]
        assert found["unadjusted"].to_list() == [None]


def test_a_ratio_that_is_none_is_refused_by_name() -> None:
    table = prices(("T", BEFORE, "100"))
    with pytest.raises(FrameError, match="'two' of split of T on 2022-07-28"):
        hk.adjust(table, actions(("T", EX, "split", "two")))
    with pytest.raises(FrameError, match="close_price"):
        hk.adjust(table.drop("close_price"), actions())


RATIOS = {"split": (1, 10), "bonus": (1, 2), "consolidation": (10, 1)}


@given(
    st.lists(
        st.tuples(st.integers(1, 60), st.sampled_from(sorted(RATIOS))),
        max_size=6,
        unique_by=lambda it: it[0],
    )
)
@settings(max_examples=60, deadline=None)
def test_each_row_has_the_product_of_the_later_factors(
    acts: list[tuple[int, str]],
) -> None:
    """Against a second implementation: one product per row, in plain Python."""
    start = date(2022, 1, 1)
    days = [start + timedelta(days=n) for n in range(0, 61, 3)]
    table = prices(*(("T", day, "100") for day in days), ("U", start, "5"))
    rows = [
        ("T", start + timedelta(days=n), kind, ":".join(map(str, RATIOS[kind])))
        for n, kind in acts
    ]
    found = hk.adjust(table, actions(*rows)).filter(instrument_id="T")
    value = {"split": 1 / 10, "bonus": 2 / 3, "consolidation": 10.0}
    for day, factor in found.select("date", "factor").rows():
        expected = prod(value[kind] for _, ex, kind, _ in rows if ex > day)
        assert factor == pytest.approx(expected)


def test_the_order_of_rows_and_other_instruments_change_nothing() -> None:
    table = prices(("T", BEFORE, "100"), ("T", EX, "50"), ("U", BEFORE, "7"))
    act = actions(("T", EX, "bonus", "1:1"), ("U", EX, "split", "1:7"))
    whole = hk.adjust(table, act)
    assert hk.adjust(table.reverse(), act.reverse()).equals(whole)
    alone = hk.adjust(table.filter(instrument_id="T"), act.head(1))
    assert alone.equals(whole.filter(instrument_id="T"))
    assert hk.adjust(table.lazy(), act.lazy()).equals(whole)
