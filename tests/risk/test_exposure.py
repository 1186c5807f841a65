from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

import holdings_kit as hk
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.portfolio import (
    CONCENTRATION,
    EXPOSURES,
    concentration,
    look_through,
    open_funds,
)
from holdings_kit.schema import (
    BASKETS,
    HOLDINGS,
    LISTINGS,
    POSITIONS,
    REJECTS,
    SNAPSHOTS,
    Loaded,
    empty,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Book = Callable[..., pl.DataFrame]

AT = datetime(2026, 1, 5, 10, 15, tzinfo=UTC)


def _frame(rows: list[dict[str, Any]], schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")


def _loaded(holdings: pl.DataFrame, baskets: list[dict], form: str) -> Loaded:
    snapshot = {
        "snapshot_id": "s",
        "source": "gateway",
        "format": form,
        "broker": "kite",
        "account_id": "AR0001",
        "snapshot_at": AT,
    }
    parts = [{"snapshot_id": "s", "account_id": "AR0001"} | row for row in baskets]
    return Loaded(
        _frame([snapshot], SNAPSHOTS),
        holdings,
        empty(LISTINGS),
        _frame(parts, BASKETS),
        empty(REJECTS),
    )


def _owned(holdings: pl.DataFrame) -> dict[str, Decimal]:
    sums = holdings.group_by("instrument_id").agg(pl.col("owned_quantity").sum())
    return {k: v for k, v in sums.iter_rows() if v}


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from("PQRST"),
        st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(-50, 50)),
        max_size=5,
    )
)
def test_v1_and_v2_of_one_user_give_the_same_shares(
    book: Book, user: dict[str, tuple[int, int, int]]
) -> None:
    """(outside, in smallcases, day trades) per share, told in both formats."""
    baskets = [
        {"instrument_id": k, "symbol": k, "quantity": s}
        for k, (_, s, _) in user.items()
    ]
    one = book(
        [{"instrument_id": k, "owned_quantity": o + d} for k, (o, _, d) in user.items()]
    )
    two = book(
        [
            {
                "instrument_id": k,
                "owned_quantity": o + s + d,
                "position_quantity": d,
            }
            for k, (o, s, d) in user.items()
        ]
    )
    first = look_through(_loaded(one, baskets, "gateway-v1"))
    second = look_through(_loaded(two, baskets, "gateway-v2"))
    assert first.schema == second.schema == HOLDINGS
    assert _owned(first) == _owned(second)
    assert first.select("snapshot_id", "account_id", "holding_no").is_unique().all()
    assert second.height == two.height


def test_appended_rows_say_where_they_come_from(book: Book) -> None:
    loaded = _loaded(
        book([{"instrument_id": "P", "owned_quantity": 1}]),
        [
            {"instrument_id": "P", "symbol": "P", "quantity": 3},
            {"instrument_id": "Q", "symbol": "Q"},
        ],
        "gateway-v1",
    )
    rows = look_through(loaded).rows(named=True)
    assert [row["holding_no"] for row in rows] == [0, 1, 2]
    assert [row["owned_quantity"] for row in rows] == [1, 3, None]
    assert rows[1]["average_price"] is None
    assert (rows[1]["broker"], rows[1]["snapshot_at"]) == ("kite", AT)


def test_unknown_day_trades_leave_the_quantity(book: Book) -> None:
    rows = book([{"instrument_id": "P", "owned_quantity": 4}])
    assert look_through(_loaded(rows, [], "gateway-v2")).equals(rows)
    assert look_through(_loaded(rows, [], "arrow")).equals(rows)


@pytest.mark.parametrize(
    ("traded", "owned"), [(-9, 1), (-10, 0), (-11, -1), (0, 10), (1, 11)]
)
def test_a_sale_of_today_is_gone_once_in_every_question(
    traded: int, owned: int
) -> None:
    """Selling all of it leaves 0, one more is short; look-through adds nothing."""
    row = {
        "isin": "INE062A01020",
        "nseTicker": "SBIN",
        "holdings": {"quantity": 10, "averagePrice": 100},
        "positions": {
            "nse": {"quantity": traded, "averagePrice": 101},
            "bse": {"quantity": 0, "averagePrice": 0},
        },
        "transactableQuantity": 10 + traded,
        "smallcaseQuantity": 0,
    }
    body = json.dumps({"smallcaseAuthId": "A", "securities": [row]}).encode()
    loaded = hk.read_gateway(body, fetched_at=AT)
    assert loaded.holdings["position_quantity"].to_list() == [traded]
    for frame in (
        loaded.holdings,
        look_through(loaded),
        hk.consolidate(loaded.holdings),
        hk.consolidate(look_through(loaded)),
    ):
        assert frame["owned_quantity"].to_list() == [owned]


def _positions(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return _frame(rows, POSITIONS)


BOOK = [
    {
        "instrument_id": "A",
        "asset_class": "equity",
        "price": Decimal(10),
        "pledged_quantity": Decimal(2),
        "t1_quantity": Decimal(0),
        "cost_value": Decimal(50),
        "market_value": Decimal(60),
    },
    {
        "instrument_id": "B",
        "asset_class": "equity",
        "price": Decimal(5),
        "t1_quantity": Decimal(1),
        "cost_value": Decimal(30),
        "market_value": Decimal(30),
    },
    {
        "instrument_id": "C",
        "asset_class": "etf",
        "price": Decimal(1),
        "pledged_quantity": Decimal(0),
        "t1_quantity": Decimal(0),
        "market_value": Decimal(10),
    },
    {"instrument_id": "D", "asset_class": "etf", "cost_value": Decimal(20)},
]


def test_concentration_by_hand() -> None:
    out = concentration(_positions(BOOK), top=(1, 2))
    row = out.row(0, named=True)
    # 0.6² + 0.3² + 0.1² = 0.46; pledged 20 of the 70 that say; unsettled 5 of 100
    assert row["hhi"] == pytest.approx(0.46)
    assert row["effective_number"] == pytest.approx(1 / 0.46)
    assert row["top_1_share"] == pytest.approx(0.6)
    assert row["top_2_share"] == pytest.approx(0.9)
    assert (row["largest_id"], row["positions_count"]) == ("A", 4)
    assert row["pledged_share"] == pytest.approx(20 / 70)
    assert row["pledged_unknown_count"] == 2
    assert row["unsettled_share"] == pytest.approx(0.05)
    assert row["unpriced_count"] == 1
    assert row["priced_cost_share"] == pytest.approx(0.8)
    assert out.select(CONCENTRATION.names()).schema == CONCENTRATION


def test_concentration_by_group_and_of_another_unit() -> None:
    lazy = concentration(_positions(BOOK).lazy(), by=["asset_class"])
    out = lazy.collect()
    assert out["asset_class"].to_list() == ["equity", "etf"]
    assert out["weight"].to_list() == pytest.approx([0.9, 0.1])
    assert out["hhi"].to_list() == pytest.approx([(4 + 1) / 9, 1.0])
    of = concentration(_positions(BOOK), of="asset_class")
    assert of["hhi"].item() == pytest.approx(0.82)


def test_nothing_priced_gives_no_figure() -> None:
    out = concentration(_positions(BOOK[3:])).row(0, named=True)
    assert out["market_value"] is None
    assert out["hhi"] is None
    assert out["top_1_share"] is None
    assert out["unpriced_count"] == 1
    empty_book = concentration(_positions([])).row(0, named=True)
    assert (empty_book["positions_count"], empty_book["unpriced_count"]) == (0, 0)
    assert empty_book["market_value"] is None


def test_concentration_refuses_what_it_cannot_read() -> None:
    with pytest.raises(FrameError, match="broker"):
        concentration(_positions(BOOK), by=["broker"])
    with pytest.raises(ConfigError, match="at least 1"):
        concentration(_positions(BOOK), top=(0,))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=6),
    st.lists(st.integers(0, 20), min_size=1, max_size=5),
)
def test_open_funds_keeps_every_rupee(values: list[int], parts: list[int]) -> None:
    positions = _positions(
        [
            {"instrument_id": f"I{i}", "market_value": Decimal(v) / 100}
            for i, v in enumerate(values)
        ]
    )
    table = pl.DataFrame(
        {
            "fund_id": ["I0"] * len(parts),
            "instrument_id": [f"I{i + 1}" for i in range(len(parts))],
            "weight": [p / 100 for p in parts],
        }
    )
    before = open_funds(positions)
    after = open_funds(positions, table)
    assert after.schema == EXPOSURES
    assert after["market_value"].sum() == before["market_value"].sum()
    assert after.filter("residual").height == 1
    assert after["weight"].sum() == pytest.approx(1)
    whole = concentration(before)["market_value"].item()
    assert concentration(after)["market_value"].item() == whole


def test_fund_without_a_price_stays_unknown() -> None:
    table = pl.DataFrame({"fund_id": ["D"], "instrument_id": ["A"], "weight": [1.0]})
    out = open_funds(_positions(BOOK), table).filter(pl.col("via") == "D")
    assert out["market_value"].to_list() == [None, None]


@pytest.mark.parametrize(("weight", "said"), [(1.2, "adds to"), (-0.1, "negative")])
def test_bad_weights_are_refused(weight: float, said: str) -> None:
    table = pl.DataFrame({"fund_id": ["C"], "instrument_id": ["A"], "weight": [weight]})
    with pytest.raises(FrameError, match=said):
        open_funds(_positions(BOOK), table)
