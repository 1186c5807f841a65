from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.portfolio import consolidate
from holdings_kit.risk import (
    SCENARIOS,
    SHOCKED,
    SHOCKS,
    collateral,
    grid,
    make_shocks,
    margin,
    scenario,
    shock,
    shock_positions,
)
from holdings_kit.schema import POSITIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    Book = Callable[..., pl.DataFrame]

ROWS = [
    {
        "instrument_id": "P",
        "asset_class": "equity",
        "owned_quantity": 10,
        "pledged_quantity": 10,
        "average_price": 80,
        "close_price": 100,
        "haircut": "0.2",
    },
    {
        "instrument_id": "G",
        "asset_class": "etf",
        "owned_quantity": 5,
        "pledged_quantity": 5,
        "average_price": 50,
        "close_price": 40,
        "haircut": "0.125",
    },
]


def _both(book: Book, rows: list[dict[str, Any]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    holdings = book(rows)
    return consolidate(holdings), collateral(holdings)


def test_every_effect_in_one_frame(book: Book) -> None:
    positions, pledged = _both(book, ROWS)
    out = shock(
        positions,
        {"all": -0.1, "etf": 0.0},
        haircut_add=0.1,
        collateral=pledged,
        cash=700,
        need=1_500,
    )
    assert out.schema == SHOCKED
    row = out.row(0, named=True)
    assert row["market_value_before"] == 1_200
    assert row["value_effect"] == -100
    assert row["unrealized_pnl_before"] == 150
    assert row["unrealized_pnl_after"] == 50
    # P: 900 × 0.7 = 630, G: 200 × 0.775 = 155; before 800 + 175
    assert row["collateral_value_before"] == 975
    assert row["collateral_value_after"] == 785
    assert row["usable_value_before"] == row["usable_value_after"] == 1_400
    assert row["headroom_value_after"] == -100
    assert row["shortfall_value_after"] == 100


@pytest.mark.parametrize("shocks", [-0.1, pl.DataFrame(schema=SHOCKS)])
def test_an_empty_book_and_no_shock_give_no_row(book: Book, shocks: Any) -> None:
    positions, pledged = _both(book, ROWS)
    empty = positions.clear(), pledged.clear()
    sides = [empty] if isinstance(shocks, float) else [empty, (positions, pledged)]
    for here, there in sides:
        out = shock(here, shocks, collateral=there, cash=700, need=1_500)
        assert (out.height, out.schema) == (0, SHOCKED)
        assert shock_positions(here, shocks).is_empty()


def test_the_narrowest_scope_wins(book: Book) -> None:
    positions, _ = _both(book, ROWS)
    out = shock_positions(positions, {"all": -0.5, "equity": -0.2, "P": -0.1})
    shocks = dict(out.select("instrument_id", "price_shock").iter_rows())
    assert shocks == {"P": -0.1, "G": -0.5}
    still = shock_positions(positions, {"etf": -0.5})
    assert still["value_effect"].sum() == -100


def test_unknown_stays_unknown_and_is_counted(book: Book) -> None:
    rows = [*ROWS, ROWS[0] | {"instrument_id": "X", "close_price": None}]
    positions, pledged = _both(book, rows)
    row = shock(positions, -0.1, collateral=pledged).row(0, named=True)
    assert (row["unpriced_count"], row["unknown_collateral_count"]) == (1, 1)
    assert row["value_effect"] == -120
    assert row["usable_value_after"] is None


def test_nothing_known_gives_no_figure(book: Book) -> None:
    positions, pledged = _both(book, [ROWS[0] | {"close_price": None}])
    row = shock(positions, -0.1, collateral=pledged, cash=10).row(0, named=True)
    assert row["market_value_after"] is None
    assert row["collateral_value_after"] is None
    assert row["usable_value_after"] is None


@pytest.mark.parametrize("name", sorted(set(SCENARIOS["scenario"])))
def test_named_scenarios_have_sources(book: Book, name: str) -> None:
    positions, pledged = _both(book, ROWS)
    out = shock(positions, name, collateral=pledged)
    steps = SCENARIOS.filter(pl.col("scenario") == name)
    assert steps["source"].null_count() == 0
    assert out["step"].to_list() == steps["step"].to_list()
    expected = [1200 * (1 + Decimal(str(s))) for s in steps["price_shock"]]
    assert out["market_value_after"].to_list() == expected


def test_list_cut_steps_the_haircut_and_not_below_var(book: Book) -> None:
    rows = [*ROWS, ROWS[0] | {"instrument_id": "V", "haircut": "0.7"}]
    positions, pledged = _both(book, rows)
    out = shock(
        positions, scenario("list_cut_2024", off_list=["P", "V"]), collateral=pledged
    )
    # P 1000 × (0.6, 0.4, 0.2, 0), V 1000 × (0.3, 0.3, 0.2, 0), G 175 untouched
    assert out["collateral_value_after"].to_list() == [1075, 875, 575, 175]
    assert out["value_effect"].to_list() == [0, 0, 0, 0]


def test_scenario_overrides() -> None:
    out = scenario("march_2020", overrides={"etf": 0.0})
    assert out.schema == SHOCKS
    assert out.filter(pl.col("key") == "etf").height == 2


def test_a_full_haircut_may_fall(book: Book) -> None:
    positions, pledged = _both(book, [ROWS[0] | {"haircut": 1}])
    row = shock(positions, 0.0, haircut_add=-0.25, collateral=pledged)
    assert row["collateral_effect"].item() == 250


def test_accounts_do_not_cover_each_other(book: Book) -> None:
    rows = [ROWS[0], ROWS[0] | {"account_id": "B", "pledged_quantity": 0}]
    positions, pledged = _both(book, rows)
    accounts = ["AR0001", "B"]
    cash = pl.DataFrame({"account_id": accounts, "cash_value": [800, 100]})
    need = pl.DataFrame({"account_id": accounts, "need_value": [1_000, 200]})
    row = shock(positions, -0.1, collateral=pledged, cash=cash, need=need).row(
        0, named=True
    )
    assert row["headroom_value_after"] == 520 - 100
    assert row["shortfall_value_after"] == 100
    with pytest.raises(ConfigError, match="2 accounts"):
        shock(positions, -0.1, collateral=pledged, cash=cash, need=1)


def test_grid_covers_all_pairs_and_agrees_with_shock(book: Book) -> None:
    positions, pledged = _both(book, ROWS)
    falls, rises = [-0.3, -0.1, 0.0], [0.0, 0.25]
    call: dict[str, Any] = {"collateral": pledged, "cash": 500, "need": 900}
    out = grid(positions, price_shocks=falls, haircut_adds=rises, **call)
    assert out.height == 6
    for row in out.iter_rows(named=True):
        one = shock(
            positions, row["price_shock"], haircut_add=row["haircut_add"], **call
        )
        names = SHOCKED.names()[2:]
        assert one.select(names).row(0) == tuple(row[name] for name in names)


@pytest.mark.parametrize(
    ("shocks", "said"),
    [
        ({"INE000A01010": -0.1}, "no such instrument"),
        ("lehman", "june_2024"),
        (-1.5, "price_shock -1.5"),
        (float("nan"), "price_shock"),
        ("list_cut_2024", "off_list"),
    ],
)
def test_bad_shocks_say_what_is_known(book: Book, shocks: Any, said: str) -> None:
    positions, _ = _both(book, ROWS)
    with pytest.raises(ConfigError, match=said):
        shock(positions, shocks)


def test_bad_frames(book: Book) -> None:
    positions, _ = _both(book, ROWS)
    with pytest.raises(FrameError, match="scope"):
        shock(positions, pl.DataFrame({"scenario": ["a"], "step": ["b"]}))
    twice = pl.concat([make_shocks(-0.1)] * 2)
    with pytest.raises(FrameError, match="twice"):
        shock(positions, twice)
    with pytest.raises(ConfigError, match="haircut_add"):
        shock(positions, "june_2024", haircut_add=0.1)
    with pytest.raises(FrameError, match="market_value"):
        shock(positions.drop("market_value"), -0.1)


figure = st.decimals("0.01", 5000, places=2)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 50), figure, figure, st.decimals(0, 1, places=4)),
        min_size=1,
        max_size=6,
    ),
    st.decimals(-1, 1, places=4),
    st.decimals(-1, 1, places=4),
    st.integers(0, 10**5),
)
def test_laws(
    book: Book,
    lots: list[tuple[int, Decimal, Decimal, Decimal]],
    fall: Decimal,
    rise: Decimal,
    cash: int,
) -> None:
    rows = [
        {
            "instrument_id": f"I{i}",
            "owned_quantity": q,
            "pledged_quantity": q,
            "average_price": a,
            "close_price": p,
            "haircut": h,
        }
        for i, (q, a, p, h) in enumerate(lots)
    ]
    positions, pledged = _both(book, rows)
    assert positions.schema == POSITIONS
    row = shock(
        positions, float(fall), haircut_add=float(rise), collateral=pledged, cash=cash
    ).row(0, named=True)
    value = sum(q * p for q, _, p, _ in lots)
    assert row["value_effect"] == value * fall
    assert row["market_value_after"] - row["market_value_before"] == row["value_effect"]
    pnl = row["unrealized_pnl_after"] - row["unrealized_pnl_before"]
    assert pnl == row["value_effect"]
    after = sum(
        q * p * (1 + fall) * (1 - min(Decimal(1), max(h + rise, Decimal(0))))
        for q, _, p, h in lots
    )
    assert abs(row["collateral_value_after"] - after) < Decimal("1e-7")
    before = margin(pledged, cash=cash)["usable_value"].item()
    assert row["usable_value_before"] == before
    nothing = shock(positions, 0.0, collateral=pledged, cash=cash).row(0, named=True)
    assert nothing["value_effect"] == nothing["collateral_effect"] == 0
    assert nothing["usable_value_after"] == before
