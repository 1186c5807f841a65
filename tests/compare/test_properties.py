"""Laws on random pairs of snapshots."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
from hypothesis import HealthCheck, given, settings, strategies as st

import holdings_kit as hk
from holdings_kit.changes import CAUSES
from holdings_kit.schema import HOLDINGS, MONEY

AT = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
KEYS = ["INE669E01016", "INE669E01024", "INE062A01020", "NSE:IDEA", "NSE:SBIN"]
ACTED = ["split", "bonus", "consolidation"]


def numbers(high: int, places: int) -> st.SearchStrategy[Decimal | None]:
    return st.none() | st.decimals(0, high, places=places, allow_nan=False)


quantities = st.none() | st.integers(0, 40).map(Decimal)
line = st.fixed_dictionaries(
    {
        "account_id": st.sampled_from(["A", "B"]),
        "instrument_id": st.sampled_from(KEYS),
        "symbol": st.sampled_from(["IDEA", "SBIN"]),
        "settled_quantity": quantities,
        "t1_quantity": quantities,
        "pledged_quantity": quantities,
        "average_price": numbers(50, 2),
        "last_price": numbers(50, 4),
        "close_price": numbers(50, 2),
        "haircut": st.none() | st.decimals(0, 1, places=6),
    }
)
snapshot = st.lists(line, max_size=9)
MOVES = pl.DataFrame({"person_id": ["P", "P"], "account_id": ["A", "B"]})
quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def holdings(lines: list[dict[str, object]], side: int) -> pl.DataFrame:
    rows = [
        one
        | {
            "holding_no": n,
            "snapshot_id": f"{one['account_id']}{side}",
            "snapshot_at": AT[side],
        }
        for n, one in enumerate(lines)
    ]
    frame = pl.DataFrame(rows, schema=HOLDINGS)
    total = (
        pl.col("settled_quantity") + pl.col("t1_quantity") + pl.col("pledged_quantity")
    )
    return frame.with_columns(owned_quantity=total.cast(MONEY))


@quick
@given(snapshot, snapshot)
def test_the_residual_is_zero(
    before: list[dict[str, object]], after: list[dict[str, object]]
) -> None:
    changes = hk.compare(holdings(before, 0), holdings(after, 1), moves=MOVES)
    assert set(changes["cause"]) <= set(CAUSES)
    assert changes["confidence"].is_between(0, 1).all()
    assert changes["evidence"].null_count() == 0
    for of in ("value", "collateral", "pnl"):
        for by in (None, ("account_id",), ()):
            bridge = hk.bridge(changes, by=by, of=of)
            assert set(bridge["residual"]) <= {0}


@quick
@given(snapshot)
def test_nothing_happens_to_itself(lines: list[dict[str, object]]) -> None:
    same = holdings(lines, 0)
    changes = hk.compare(same, same)
    assert set(changes["cause"]) <= {"unchanged"}


@quick
@given(snapshot, snapshot)
def test_swapping_the_sides_swaps_the_causes(
    before: list[dict[str, object]], after: list[dict[str, object]]
) -> None:
    first, second = holdings(before, 0), holdings(after, 1)
    there = hk.compare(first, second, missing_share=None)
    back = hk.compare(second, first, missing_share=None)
    both = there.select("account_id", "instrument_id", "cause", "parts").join(
        back.select("account_id", "instrument_id", back="cause"),
        on=["account_id", "instrument_id"],
    )
    acted = pl.col("cause").is_in(ACTED) | pl.col("back").is_in(ACTED)
    linked = pl.col("cause").is_in(["isin_change", "symbol_rename"])
    plain = both.filter(~acted & ~linked)
    mirror = {"opened": "closed", "closed": "opened"}
    for cause, other in plain.select("cause", "back").rows():
        if cause in mirror or other in mirror:
            assert mirror.get(cause) == other
    # a line sold and bought back counts both ways: look at lines that moved one way
    one_way = plain.filter(pl.col("parts").list.len() == 1)
    for cause, other in one_way.select("cause", "back").rows():
        if cause == "sold":
            assert other == "bought"
        if cause == "bought":
            assert other == "sold"
