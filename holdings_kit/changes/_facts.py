"""Named facts about a pair of lines; the rules are written in these words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.changes._frames import BUCKETS
from holdings_kit.changes._pairs import held
from holdings_kit.schema import MONEY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "TOLERANCES",
    "haircut_moved",
    "price_moved",
    "quiet",
    "with_facts",
    "with_missing",
]

_FEW: Final = 3  # fewer lines than this are sold in a day

TOLERANCES: Final[Mapping[str, float]] = {
    "quantity": 0.0,
    "average_price": 0.01,
    "price": 0.0,
    "haircut": 0.0,
}
"""How far two figures may lie apart and still be called equal, per column."""


def moved(column: str, tolerance: float) -> pl.Expr:
    """Both known and further apart than `tolerance`."""
    before, after = pl.col(f"{column}_before"), pl.col(f"{column}_after")
    if tolerance == 0:
        test = before != after
    else:
        test = (after - before).cast(pl.Float64()).abs() > tolerance
    return test.fill_null(value=False)


def differs(column: str, tolerance: float) -> pl.Expr:
    """Further apart than `tolerance`, or known on one side only."""
    known = pl.col(f"{column}_before").is_null() != pl.col(f"{column}_after").is_null()
    return known | moved(column, tolerance)


def _jump() -> pl.Expr:
    before, after = (
        pl.col(f"price_{e}").cast(pl.Float64()) for e in ("before", "after")
    )
    return (~(before / after).is_between(0.72, 1.4)).fill_null(value=False)


def _appeared(end: str) -> pl.Expr:
    """Only this side names a pledge, in a source that knows no other bucket."""
    other = "before" if end == "after" else "after"
    return (
        (pl.col(f"pledged_quantity_{end}") > 0)
        & pl.col(f"pledged_quantity_{other}").is_null()
        & pl.col("t1_quantity_before").is_null()
        & pl.col("t1_quantity_after").is_null()
    ).fill_null(value=False)


def quiet(tolerances: Mapping[str, float]) -> pl.Expr:
    """Held on both sides and nothing moved but, perhaps, price and haircut."""
    quantities = (*BUCKETS, "position_quantity", "owned_quantity")
    return (
        pl.col("_present_before")
        & pl.col("_present_after")
        & ~pl.any_horizontal(
            *(moved(column, tolerances["quantity"]) for column in quantities),
            differs("owned_quantity", tolerances["quantity"]),
            moved("average_price", tolerances["average_price"]),
            pl.col("symbol_before").ne_missing(pl.col("symbol_after")),
            _jump(),
            _appeared("before"),
            _appeared("after"),
        )
    )


def with_missing(
    rows: pl.LazyFrame, keys: Sequence[str], share: float | None
) -> pl.LazyFrame:
    """Mark lines that an empty or half-empty second snapshot may have lost."""
    lost = (
        held("before")
        & ~pl.col("_present_after")
        & pl.col("_link").is_null()
        & (pl.col("transferred_quantity") == 0)
    )
    if share is None:
        return rows.with_columns(_missing=pl.lit(0), _suspect=pl.lit(value=False))
    missing, lines = pl.col("_missing"), pl.col("_lines_before")
    many = (missing >= _FEW) & (
        missing.cast(pl.Float64()) >= lines.cast(pl.Float64()) * share
    )
    return rows.with_columns(_missing=lost.sum().over(*keys)).with_columns(
        _suspect=(lost & ((pl.col("_rows_after") == 0) | many)).fill_null(value=False)
    )


def _by_action(column: str) -> pl.Expr:
    """Count a bucket of before in shares of after."""
    return pl.col(f"{column}_before") * pl.col("_num") / pl.col("_den")


def _positive(number: pl.Expr) -> pl.Expr:
    """Keep the number, 0 where it is negative, null where it is unknown."""
    return pl.when(number < 0).then(pl.lit(0, MONEY)).otherwise(number)


def with_facts(rows: pl.LazyFrame, tolerances: Mapping[str, float]) -> pl.LazyFrame:
    """Add what the rules ask: what was traded, settled, pledged, and what is odd."""
    q0, q1 = pl.col("owned_quantity_before"), pl.col("owned_quantity_after")
    zero = pl.lit(0, MONEY)
    trade = q1 - pl.col("adjusted_quantity") - pl.col("transferred_quantity")
    bought_in = _positive(q1 - pl.col("adjusted_quantity"))
    t0, t1 = _by_action("t1_quantity"), pl.col("t1_quantity_after")
    settles = bought_in - (t1 - t0)
    d0, d1 = _by_action("position_quantity"), pl.col("position_quantity_after")
    booked = (q1 - pl.col("adjusted_quantity")) - (d1 - d0)
    p0, p1 = _by_action("pledged_quantity"), pl.col("pledged_quantity_after")
    acted = pl.col("_num") != pl.col("_den")
    same_pledge = acted & (p1 == pl.col("pledged_quantity_before"))
    buckets = (
        pl.col("settled_quantity_before").is_not_null()
        & pl.col("settled_quantity_after").is_not_null()
    )
    slack = (q0 + q1).cast(pl.Float64()) * tolerances["average_price"] / 2
    paid = (pl.col("cost_value_after") - pl.col("cost_value_before")).cast(pl.Float64())
    both = (q0 != 0) & (q1 != 0)
    equal_cost = (paid.abs() <= slack) & moved(
        "average_price", tolerances["average_price"]
    )
    against = (pl.col("traded_quantity").cast(pl.Float64()) * paid < 0) & (
        paid.abs() > slack
    )
    plain = both & ~acted & (pl.col("transferred_quantity") == 0)
    rows = rows.with_columns(
        traded_quantity=trade.cast(MONEY),
        _acted=acted,
        _settle=pl.when(buckets & t0.is_not_null())
        .then(_positive(pl.when(settles < t0).then(settles).otherwise(t0)))
        .when(d0 > 0)
        .then(_positive(pl.when(booked < d0).then(booked).otherwise(d0)))
        .when(d0 < 0)
        .then(_positive(pl.when(booked > d0).then(-booked).otherwise(-d0)))
        .cast(MONEY),
        _churn=pl.when(buckets & ~acted).then(_positive(-settles)).cast(MONEY),
        _pledge=pl.when(same_pledge)
        .then(zero)
        .when(_appeared("after"))
        .then(p1)
        .when(_appeared("before"))
        .then(-p0)
        .otherwise(p1 - p0)
        .cast(MONEY),
        _guessed=_appeared("after") | _appeared("before"),
        _implied=pl.when(trade != 0).then(paid / trade.cast(pl.Float64())),
    )
    return rows.with_columns(
        _traded=(
            pl.col("traded_quantity").cast(pl.Float64()).abs() > tolerances["quantity"]
        )
        & ~(acted & (pl.col("traded_quantity").cast(pl.Float64()).abs() < 1)),
        _against=(plain & against).fill_null(value=False),
        _free=(plain & (pl.col("traded_quantity") != 0) & equal_cost).fill_null(
            value=False
        ),
        _half_known=q0.is_null() != q1.is_null(),
        _restated=(
            both
            & ~acted
            & (pl.col("traded_quantity") == 0)
            & (pl.col("transferred_quantity") == 0)
            & (pl.col("_churn").fill_null(zero) == 0)
            & moved("average_price", tolerances["average_price"])
        ).fill_null(value=False),
        _unrestated=(
            acted
            & ~(
                paid.abs()
                <= slack + 0.002 * pl.col("cost_value_before").cast(pl.Float64()).abs()
            )
        ).fill_null(value=True)
        & acted
        & (pl.col("traded_quantity") == 0),
        _jump=_jump() & both & (pl.col("traded_quantity") == 0) & ~acted,
        symbol=pl.coalesce("symbol_after", "symbol_before"),
        _price_moved=price_moved(tolerances),
        _haircut_moved=haircut_moved(tolerances),
        _renamed=(pl.col("symbol_before") != pl.col("symbol_after")).fill_null(
            value=False
        ),
    )


def price_moved(tolerances: Mapping[str, float]) -> pl.Expr:
    """Either price is another, or known on one side only."""
    return differs("price", tolerances["price"]) | differs(
        "close_price", tolerances["price"]
    )


def haircut_moved(tolerances: Mapping[str, float]) -> pl.Expr:
    """Both haircuts are known, and are not the same."""
    return moved("haircut", tolerances["haircut"])
