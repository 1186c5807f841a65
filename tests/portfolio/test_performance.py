"""What the money did: returns of lives whose every trade is known."""

from __future__ import annotations

from collections import deque
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from scipy.optimize import brentq

import holdings_kit as hk
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.portfolio import PERFORMANCE, fifo_lots, performance
from holdings_kit.schema import (
    ACTIONS,
    BASKETS,
    HOLDINGS,
    LISTINGS,
    REJECTS,
    SNAPSHOTS,
    Loaded,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

START = date(2026, 1, 5)
Lines = dict[str, tuple[Any, Any, Any]]  # instrument → owned, average, price


def history(*snapshots: tuple[int, Lines], account: str = "A") -> pl.DataFrame:
    """HOLDINGS of an account, so many days after the start."""
    rows = [
        dict.fromkeys(HOLDINGS)
        | {
            "snapshot_id": f"{account}{day}",
            "account_id": account,
            "snapshot_at": datetime(2026, 1, 5, 10, tzinfo=UTC) + timedelta(days=day),
            "instrument_id": name,
            "owned_quantity": owned,
            "average_price": average,
            "last_price": price,
        }
        for day, lines in snapshots
        for name, (owned, average, price) in lines.items()
    ]
    return pl.DataFrame(rows, schema=HOLDINGS)


def table(*rows: tuple[str, int, Any]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "instrument_id": name,
                "date": START + timedelta(days=day),
                "close_price": p,
            }
            for name, day, p in rows
        ]
    )


def xirr(flows: Sequence[tuple[int, float]], value: float, day: int) -> float:
    """Solve as anyone would, with another solver."""

    def gap(rate: float) -> float:
        grown = (f * (1 + rate) ** ((day - d) / 365) for d, f in flows)
        return sum(grown) - value

    solve: Any = brentq
    return solve(gap, -0.9999999, 1e12, xtol=1e-16, rtol=1e-15, maxiter=1000)


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[int, int, Decimal, Decimal]]:
    """Days with a trade (units, paid) and the close of the day, of one share."""
    price = st.decimals("50", "200", places=2)
    days = sorted(draw(st.sets(st.integers(1, 700), min_size=1, max_size=8)))
    life = [(0, 100, draw(price), draw(price))]
    owned = 100
    for day in days:
        units = draw(st.sampled_from([0, 0, 25, 40, -10, -owned // 2]))
        owned += units
        life.append((day, units, draw(price), draw(price)))
    return life


@given(lives())
@settings(max_examples=60, deadline=None)
def test_known_trades_give_the_returns_anyone_computes(
    life: list[tuple[int, int, Decimal, Decimal]],
) -> None:
    owned, cost, last = 0, Decimal(0), Decimal(0)
    shots: list[tuple[int, Lines]] = []
    flows: list[tuple[int, float]] = []
    growth, worth = 1.0, Decimal(0)
    expected: list[tuple[float, float | None]] = []
    for day, units, paid, close in life:
        before = worth
        # what the broker books: an average of four places, as a frame can hold
        if units > 0:
            cost += units * paid
        elif units < 0:
            cost += units * (cost / owned)
        owned += units
        average = (cost / owned).quantize(Decimal("0.0001"))
        booked = average * owned
        if day == 0:
            flow = owned * close
        elif units > 0:
            flow = booked - last
        else:
            flow = units * close
        worth, cost, last = owned * close, booked, booked
        flows.append((day, float(flow)))
        if day:
            growth *= float((worth - flow) / before)
        expected.append(
            (growth - 1, xirr(flows, float(worth), day) if day > 60 else None)
        )
        shots.append((day, {"X": (owned, average, close)}))
    seen = hk.performance(history(*shots))
    for row, (twr, rate) in zip(seen.rows(named=True), expected, strict=True):
        assert row["twr"] == pytest.approx(twr, abs=1e-9)
        if rate is not None:
            assert row["xirr"] == pytest.approx(rate, rel=1e-9, abs=1e-9)
    assert seen["note"].null_count() == seen.height


def test_a_life_by_hand() -> None:
    """100 → 110, then 10 more bought at 115 at the close of 120, then half sold."""
    seen = hk.performance(
        history(
            (0, {"X": (10, 90, 100)}),
            (1, {"X": (10, 90, 110)}),
            (2, {"X": (20, Decimal("102.5"), 120)}),
            (3, {"X": (10, Decimal("102.5"), 90)}),
        )
    )
    assert seen["flow"].to_list() == [1000, 0, 1150, -900]
    assert seen["value_after"].to_list() == [1000, 1100, 2400, 900]
    assert seen["value_before"].to_list() == [0, 1100, 1250, 1800]
    assert seen["pnl"].to_list() == [None, 100, 150, -600]
    assert seen["return"].to_list() == pytest.approx(
        [None, 0.1, 1250 / 1100 - 1, -0.25]
    )
    assert seen["drawdown"].to_list() == pytest.approx([0, 0, 0, -0.25])
    assert seen["flow_basis"].to_list() == [
        "opening balance at value",
        None,
        "bought: the rise in cost",
        "sold at the day's price",
    ]
    assert seen.columns == PERFORMANCE.names()
    assert seen["covered_share"].to_list() == [1, 1, 1, 1]


def test_units_that_change_and_cost_that_does_not_are_no_flow() -> None:
    seen = hk.performance(
        history(
            (0, {"X": (10, 100, 120), "OLD": (7, 50, 60)}),
            (1, {"X": (100, 10, 12), "NEW": (7, 50, 60)}),  # split, and a new ISIN
        )
    )
    assert seen["flow"].to_list() == [1620, 0]
    assert seen["return"][1] == 0


def test_a_bonus_that_is_booked_late_is_no_purchase() -> None:
    shots = history((0, {"X": (10, 100, 120)}), (1, {"X": (20, 100, 60)}))
    actions = pl.DataFrame(
        {"instrument_id": ["X"], "ex_date": [date(2026, 1, 6)], "kind": ["bonus"]}
    ).with_columns(ratio=pl.lit("1:1"))
    seen = hk.performance(shots, actions=actions)
    assert (seen["flow"][1], seen["return"][1]) == (0, 0)
    wrong = actions.with_columns(ratio=pl.lit("one"))
    with pytest.raises(ConfigError, match="'one' of X"):
        hk.performance(shots, actions=wrong)


def test_a_merger_carries_the_cost_over() -> None:
    shots = history(
        (0, {"S": (25, 100, 84), "T": (10, 40, 50)}),
        (1, {"T": (52, Decimal("55.7692"), 50)}),
    )
    actions = pl.DataFrame(
        {
            "instrument_id": ["S"],
            "ex_date": [date(2026, 1, 6)],
            "kind": ["merger"],
            "ratio": ["25:42"],
            "new_instrument_id": ["T"],
        }
    )
    seen = hk.performance(shots, actions=actions)
    assert (seen["flow"][1], seen["return"][1]) == (0, 0)


def test_a_dividend_is_part_of_the_return() -> None:
    shots = history((0, {"X": (10, 100, 100)}), (1, {"X": (10, 100, 97)}))
    actions = pl.DataFrame(
        {"instrument_id": ["X"], "ex_date": [date(2026, 1, 6)], "kind": ["dividend"]}
    ).with_columns(cash_per_unit=pl.lit(3).cast(pl.Decimal(18, 4)))
    seen = hk.performance(shots, actions=actions)
    assert (seen["flow"][1], seen["return"][1]) == (-30, 0)
    assert seen["flow_basis"][1] == "dividend paid out"


class TestWhatIsNotKnown:
    SOLD = history((0, {"X": (10, 90, 100), "Y": (1, 1, 10)}), (1, {"Y": (1, 1, 11)}))

    def test_a_sale_without_a_price(self) -> None:
        seen = hk.performance(self.SOLD)
        assert seen["flow"].to_list() == [1010, None]
        assert seen["twr"].to_list() == [0, None]
        assert seen["note"][1] == "flow unknown, no price on the day: X"

    def test_the_table_prices_what_is_gone(self) -> None:
        seen = hk.performance(self.SOLD, prices=table(("X", 1, 120)))
        assert seen["flow"][1] == -1200
        assert seen["twr"][1] == pytest.approx((11 + 1200) / 1010 - 1)

    def test_what_has_no_price_at_one_end_leaves_both(self) -> None:
        seen = hk.performance(
            history(
                (0, {"X": (10, 90, 100), "Z": (5, 5, None)}),
                (1, {"X": (10, 90, 110), "Z": (5, 5, 9)}),
                (2, {"X": (10, 90, 121), "Z": (5, 5, 9)}),
            )
        )
        assert seen["covered_share"].to_list() == [0.5, 0.5, 1]
        # Z comes in without a flow: no money-weighted return covers that
        assert seen["xirr"].is_null().to_list() == [True, False, True]
        assert seen["return"].to_list() == pytest.approx([None, 0.1, 1255 / 1145 - 1])
        assert seen["note"].to_list() == ["no price at one end: Z"] * 2 + [None]

    def test_shares_of_unknown_cost_come_in_at_value(self) -> None:
        seen = hk.performance(
            history(
                (0, {"X": (10, 90, 100)}),
                (1, {"X": (10, 90, 100), "G": (5, None, 20)}),
            )
        )
        assert (seen["flow"][1], seen["return"][1]) == (100, 0)
        assert seen["flow_basis"][1] == "received at value, cost unknown"

    def test_an_empty_account_has_a_day_and_no_return(self) -> None:
        rows = history((0, {"X": (10, 90, 100)}), (2, {"X": (5, 90, 100)}))
        shots = [
            dict.fromkeys(SNAPSHOTS)
            | {"snapshot_id": f"A{day}", "account_id": "A", "status": status}
            | {"snapshot_at": datetime(2026, 1, 5 + day, 10, tzinfo=UTC)}
            for day, status in (
                (0, "superseded"),
                (1, "superseded"),
                (2, "current"),
                (3, "quarantined"),
            )
        ]
        blank = (pl.DataFrame(schema=s) for s in (LISTINGS, BASKETS, REJECTS))
        loaded = Loaded(pl.DataFrame(shots, schema=SNAPSHOTS), rows, *blank)
        seen = hk.performance(loaded, prices=table(("X", 1, 120)))
        assert seen["value_after"].to_list() == [1000, 0, 500]
        assert seen["flow"].to_list() == [1000, -1200, 450]
        assert seen["return"].to_list() == pytest.approx([None, 0.2, None])
        assert seen.height == 3


def test_shares_that_move_between_accounts_of_one_person_move_at_value() -> None:
    shots = pl.concat(
        [
            history((0, {"X": (10, 90, 100)}), (1, {"X": (4, 90, 100)})),
            history((0, {"X": (1, 70, 100)}), (1, {"X": (7, 90, 100)}), account="B"),
        ]
    )
    moves = pl.DataFrame({"account_id": ["A", "B"], "owner": ["P", "P"]})
    seen = hk.performance(shots, moves=moves).filter(pl.col("date") > START)
    assert seen["flow"].to_list() == [-600, 600]
    assert set(seen["flow_basis"]) == {"transferred at value"}


def test_a_benchmark_is_measured_over_the_same_days() -> None:
    shots = history(
        (0, {"X": (1, 1, 10)}), (1, {"X": (1, 1, 11)}), (4, {"X": (1, 1, 9)})
    )
    index = table(("N", -3, 200), ("N", 1, 210), ("N", 3, 189)).drop("instrument_id")
    seen = hk.performance(shots, benchmark=index)
    assert seen["benchmark_twr"].to_list() == pytest.approx([0, 0.05, -0.055])
    assert seen["benchmark_return"].to_list() == pytest.approx([None, 0.05, -0.1])


def test_bad_calls_are_named() -> None:
    shots = history((0, {"X": (1, 1, 1)}))
    with pytest.raises(ConfigError, match="account_id"):
        hk.performance(shots, by="broker")
    with pytest.raises(FrameError, match="history"):
        hk.performance(shots.drop("owned_quantity"))
    assert hk.performance(shots.head(0)).is_empty()
    assert performance is hk.performance


# ── lots ────────────────────────────────────────────────────────────────────────────


KINDS = st.sampled_from(
    [
        ("split", 1, 2),
        ("split", 1, 10),
        ("bonus", 1, 2),
        ("bonus", 4, 1),
        ("consolidation", 3, 1),
        ("isin_change", 1, 1),
    ]
)
Event = tuple[int, int, int]


class Queue:
    """Purchases in exact fractions: day, units, cost of one unit."""

    def __init__(self) -> None:
        self.lots: deque[list[Any]] = deque()
        self.gains: list[tuple[Any, ...]] = []

    @property
    def owned(self) -> Fraction:
        return sum((lot[1] for lot in self.lots), Fraction(0))

    def take(self, day: int, units: Fraction, price: int | None) -> None:
        while units:
            lot = self.lots[0]
            part = min(lot[1], units)
            gain = None if price is None else part * (price - lot[2])
            self.gains.append((lot[0], day, part, gain))
            lot[1] -= part
            units -= part
            if not lot[1]:
                self.lots.popleft()

    def act(self, day: int, kind: str, first: int, second: int) -> None:
        if kind == "bonus":
            issued = self.owned * first // second
            if issued:
                self.lots.append([day, Fraction(issued), Fraction(0)])
        elif kind != "isin_change":
            for lot in self.lots:
                lot[1:] = [lot[1] * second / first, lot[2] * first / second]
            self.take(day, self.owned % 1, None)

    def trade(self, day: int, units: int, price: int) -> bool:
        if units > 0:
            self.lots.append([day, Fraction(units), Fraction(price)])
        elif units < 0 <= self.owned + units:
            self.take(day, Fraction(-units), price)
        else:
            return False
        return True


def play(
    trades: list[Event], actions: dict[int, tuple[str, int, int]]
) -> tuple[list[Event], Queue]:
    """Match trade by trade; keep those that could be."""
    queue, kept, rest = Queue(), list[Event](), sorted(actions.items())
    for trade in [*sorted(trades, key=lambda one: one[0]), (999, 0, 0)]:
        while rest and rest[0][0] <= trade[0]:
            day, action = rest.pop(0)
            queue.act(day, *action)
        if queue.trade(*trade):
            kept.append(trade)
    return kept, queue


@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(-9, 9), st.integers(1, 99))),
    st.dictionaries(st.integers(0, 900), KINDS, max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_lots_are_those_of_a_queue(
    trades: list[Event], actions: dict[int, tuple[str, int, int]]
) -> None:
    kept, queue = play(trades, actions)
    gains, left = queue.gains, queue.lots

    def days(day: int) -> date:
        return START + timedelta(days=day)

    frame = pl.DataFrame(
        [
            {"date": days(d), "instrument_id": "X", "quantity": q, "price": p}
            for d, q, p in kept
        ],
        schema={
            "date": pl.Date(),
            "instrument_id": pl.String(),
            "quantity": pl.Int64(),
            "price": pl.Int64(),
        },
    )
    table = pl.DataFrame(
        [
            dict.fromkeys(ACTIONS)
            | {
                "instrument_id": "X",
                "ex_date": days(day),
                "kind": kind,
                "ratio": f"{first}:{second}",
                "new_instrument_id": "Y" if kind == "isin_change" else None,
            }
            for day, (kind, first, second) in actions.items()
        ],
        schema=ACTIONS,
    )
    lots = fifo_lots(frame, actions=table, on=date(2029, 1, 1))
    ours = lots.realized.select("buy_date", "sell_date", "quantity", "gain_value")
    assert ours.height == len(gains)
    for (bought, sold, units, gain), row in zip(gains, ours.rows(), strict=True):
        assert row[:2] == (days(bought), days(sold))
        assert abs(Fraction(row[2]) - units) <= Fraction(1, 10**4)
        assert (row[3] is None) == (gain is None)
        assert gain is None or abs(Fraction(row[3]) - gain) <= Fraction(2, 10**8)
    opened = lots.open.select("buy_date", "quantity", "cost_value").rows()
    for (bought, units, each), row in zip(left, opened, strict=True):
        assert row[0] == days(bought)
        assert abs(Fraction(row[1]) - units) <= Fraction(1, 10**4)
        assert abs(Fraction(row[2]) - units * each) <= Fraction(1, 10**8)
    # what was paid is in the parts, to the last place
    paid = sum(q * p for _, q, p in kept if q > 0)
    costs = [*lots.open["cost_value"], *lots.realized["cost_value"]]
    assert sum(costs) == paid
    sold = sum(-q for _, q, _ in kept if q < 0)
    whole = lots.realized.filter(pl.col("gain_value").is_not_null())
    assert sum(whole["quantity"]) == sold


def test_a_fraction_is_named_and_what_is_not_counted_is_said() -> None:
    trades = pl.DataFrame(
        {
            "date": [date(2024, 1, 1), date(2024, 3, 1)],
            "instrument_id": ["OLD", "NEW"],
            "quantity": [5, -3],
            "price": [100, 90],
        }
    )
    rows = [
        ("OLD", date(2024, 1, 10), "bonus", "1:2", None),
        ("OLD", date(2024, 2, 1), "isin_change", None, "NEW"),
        ("NEW", date(2024, 2, 20), "demerger", "1:1", "CHILD"),
    ]
    names = ["instrument_id", "ex_date", "kind", "ratio", "new_instrument_id"]
    table = pl.DataFrame(rows, schema=names, orient="row")
    lots = fifo_lots(trades, actions=table)
    assert lots.realized.select("instrument_id", "gain_value").row(0) == ("NEW", -30)
    assert lots.realized["note"].item() == "demerger on 2024-02-20 is not counted"
    held = lots.open.select("instrument_id", "buy_date", "quantity", "cost_value")
    assert held.rows() == [
        ("NEW", date(2024, 1, 1), 2, 200),
        ("NEW", date(2024, 1, 10), 2, 0),
    ]
    assert "a fraction of 0.5 of a share was paid in cash" in lots.open["note"][1]
    one_unit = trades.with_columns(instrument_id=pl.lit("X"))
    assert "no actions were given" in fifo_lots(one_unit).realized["note"].item()
    assert fifo_lots(one_unit, actions=table.clear()).open["note"].item() is None
    back = table.head(1).with_columns(new_instrument_id=pl.lit("NEW"))
    round_trip = pl.concat(
        [
            back,
            back.select(names).with_columns(
                instrument_id=pl.lit("NEW"), new_instrument_id=pl.lit("OLD")
            ),
        ]
    )
    with pytest.raises(FrameError, match="circle"):
        fifo_lots(trades, actions=round_trip)


def test_a_lot_is_long_after_more_than_twelve_months() -> None:
    sales = [date(2025, 1, 31), date(2025, 2, 1)]
    frame = pl.DataFrame(
        {
            "date": [date(2024, 1, 31), *sales],
            "instrument_id": ["X"] * 3,
            "quantity": [3, -1, -1],
            "price": [10, 12, 13],
            "account_id": ["A"] * 3,
        }
    )
    lots = fifo_lots(frame)
    assert lots.realized["term"].to_list() == ["short", "long"]
    assert lots.realized["held_days"].to_list() == [366, 367]
    assert lots.open.select("term", "held_days").row(0) == (None, None)


def test_without_trades_lots_are_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="no payload says when a share was bought"):
        fifo_lots(None)
    one = pl.DataFrame(
        {"date": [START], "instrument_id": ["X"], "quantity": [-2], "price": [1]}
    )
    with pytest.raises(FrameError, match="X: 2 more sold by 2026-01-05 than bought"):
        fifo_lots(one)
    with pytest.raises(FrameError, match="nulls"):
        fifo_lots(one.with_columns(price=pl.lit(None)))
