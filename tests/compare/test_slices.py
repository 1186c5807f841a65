"""Comparing in slices of accounts is comparing at once."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import holdings_kit as hk
from holdings_kit.changes import _explain as explain, _order as order
from holdings_kit.schema import HOLDINGS, MONEY

AT = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC))
MOVES = pl.DataFrame({"person_id": ["P", "P", "P"], "account_id": ["A", "B", "C"]})
# two ISINs of one share, an ISIN of another, a listing, and nothing
KEYS = ["INE669E01016", "INE669E01024", "INE062A01020", "NSE:SBIN", None]

line = st.fixed_dictionaries(
    {
        "account_id": st.sampled_from(["A", "B", "C", None]),
        "instrument_id": st.sampled_from(KEYS),
        "symbol": st.sampled_from(["IDEA", "SBIN"]),
        "settled_quantity": st.sampled_from([None, *map(Decimal, (0, 5, 5, 10, 20))]),
        "average_price": st.sampled_from([None, *map(Decimal, (8, 16, 16))]),
        "close_price": st.sampled_from([None, *map(Decimal, (9, 18, 18))]),
        "haircut": st.sampled_from([None, Decimal("0.2"), Decimal("0.2")]),
    }
)
snapshot = st.lists(line, max_size=14)


def holdings(lines: list[dict[str, object]], side: int) -> pl.DataFrame:
    rows = [
        one | {"snapshot_id": f"{one['account_id']}{side}", "snapshot_at": AT[side]}
        for one in lines
    ]
    return pl.DataFrame(rows, schema=HOLDINGS).with_columns(
        owned_quantity=pl.col("settled_quantity").cast(MONEY)
    )


def in_order(changes: pl.DataFrame) -> list[str]:
    """Lines of unknown accounts have no order of their own."""
    return sorted(map(repr, changes.rows()))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(snapshot, snapshot)
def test_slices_and_batches_change_nothing(
    before: list[dict[str, object]], after: list[dict[str, object]]
) -> None:
    sides = holdings(before, 0), holdings(after, 1)
    given_rows = [side.rows() for side in sides]
    for moves in (None, MOVES):
        whole = hk.compare(*sides, moves=moves)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(explain, "_SLICE", 1)
            patched.setattr(explain, "_BATCH", 1)
            sliced = hk.compare(*sides, moves=moves)
        assert in_order(sliced) == in_order(whole)
        order = ["account_id", "instrument_id"]
        assert sliced.select(order).equals(sliced.select(order).sort(order))
        # explained lines are written into columns, never into those of the caller
        assert [side.rows() for side in sides] == given_rows


def test_each_account_is_in_one_slice() -> None:
    from holdings_kit.changes._order import ordered

    lines = [
        {"account_id": account, "instrument_id": f"NSE:{n}"}
        for account in "CAB"
        for n in range(5)
    ]
    side = pl.DataFrame(lines)
    order = ordered(side, side.head(7), ["account_id"], side["instrument_id"].unique())
    assert order is not None
    pieces = [order.names(part) for part in order.slices(4)]
    assert [set(piece["account_id"]) for piece in pieces] == [{"A"}, {"B"}, {"C"}]
    assert pl.concat(pieces).equals(side.sort("account_id", "instrument_id"))
    assert (
        ordered(
            pl.concat([side, side]),
            side,
            ["account_id"],
            side["instrument_id"].unique(),
        )
        is None
    )


def test_lines_sort_alike_where_their_row_finds_room_and_where_not() -> None:
    number = pl.Series([7, 3, 9, 3_000_000_000, 0], dtype=pl.UInt64())
    for used in (32, 64):
        sorted_ = order._sort_numbers(number, used)
        assert sorted_["number"].to_list() == [0, 3, 7, 9, 3_000_000_000]
        assert sorted_["row"].to_list() == [4, 1, 0, 2, 3]


@pytest.mark.parametrize("values", [[5, 5, 5], [None, None, None], [5, None, 5], []])
def test_a_column_that_says_the_same_of_all_is_fetched_as_any_other(
    values: list[int | None],
) -> None:
    side = pl.DataFrame({"n": values}, schema={"n": MONEY})
    row = [0, None, 2, 2] if values else [None, None]
    lines = pl.DataFrame(
        {"_before": row, "_after": row},
        schema_overrides=dict.fromkeys(("_before", "_after"), pl.UInt32()),
    )
    found = order.fetch_sides(side, side, lines, ["n"])
    expected = [None if at is None else values[at] for at in row]
    assert found["n_before"].to_list() == found["n_after"].to_list() == expected
