"""Named facts about a pair of lines; the rules are written in these words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.changes._actions import strip_blanks
from holdings_kit.changes._crossings import RIGHTS, to_float
from holdings_kit.changes._factors import price_band
from holdings_kit.changes._frames import BUCKETS, with_rare
from holdings_kit.changes._order import is_held
from holdings_kit.schema import MONEY, VALUE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SUSPENDED: Final = r'"suspendedOn(NSE|BSE)": ?"?true'
_LONG: Final = pl.Decimal(38, MONEY.scale)
_FEW: Final = 3  # fewer lines than this are sold in a day

TOLERANCES: Final[Mapping[str, float]] = {
    "quantity": 0.0,
    "average_price": 0.01,
    "price": 0.0,
    "haircut": 0.0,
}
"""How far two figures may lie apart and still be called equal, per column."""


def is_moved(column: str, tolerance: float) -> pl.Expr:
    """Both known and further apart than `tolerance`."""
    before, after = pl.col(f"{column}_before"), pl.col(f"{column}_after")
    if tolerance == 0:
        test = before != after
    else:
        test = (after - before).cast(pl.Float64()).abs() > tolerance
    return test.fill_null(value=False)


def is_different(column: str, tolerance: float) -> pl.Expr:
    """Further apart than `tolerance`, or known on one side only."""
    known = pl.col(f"{column}_before").is_null() != pl.col(f"{column}_after").is_null()
    return known | is_moved(column, tolerance)


def _measure_jump() -> pl.Expr:
    before, after = to_float("price_before"), to_float("price_after")
    return (~(before / after).is_between(0.72, 1.4)).fill_null(value=False)


def _is_first_named(end: str) -> pl.Expr:
    """Only this side names a pledge, in a source that knows no other bucket."""
    other = "before" if end == "after" else "after"
    return (
        (pl.col(f"pledged_quantity_{end}") > 0)
        & pl.col(f"pledged_quantity_{other}").is_null()
        & pl.col("t1_quantity_before").is_null()
        & pl.col("t1_quantity_after").is_null()
    ).fill_null(value=False)


def is_still(tolerances: Mapping[str, float]) -> pl.Expr:
    """Held on both sides and nothing moved but, perhaps, price and haircut."""
    quantities = (*BUCKETS, "position_quantity", "owned_quantity")
    return (
        pl.col("_present_before")
        & pl.col("_present_after")
        & ~pl.any_horizontal(
            *(is_moved(column, tolerances["quantity"]) for column in quantities),
            is_different("owned_quantity", tolerances["quantity"]),
            is_different("average_price", tolerances["average_price"]),
            pl.col("symbol_before").ne_missing(pl.col("symbol_after")),
            pl.col("price_before").is_not_null() & pl.col("price_after").is_null(),
            _measure_jump(),
            _is_first_named("before"),
            _is_first_named("after"),
        )
    )


def with_missing(
    rows: pl.LazyFrame,
    keys: Sequence[str],
    share: float | None,
    *,
    answered: pl.DataFrame | None = None,
) -> pl.LazyFrame:
    """Mark lines that an empty or half-empty second snapshot may have lost.

    It is not empty where it `answered`, by keys: it has rows of another kind.
    """
    lost = (
        is_held("before")
        & ~pl.col("_present_after")
        & pl.col("_link").is_null()
        & (pl.col("transferred_quantity") == 0)
        & pl.col("_cross").is_null()
    )
    if share is None:
        return rows.with_columns(_missing=pl.lit(0), _suspect=pl.lit(value=False))
    missing, lines = pl.col("_missing"), pl.col("_lines_before")
    many = (missing >= _FEW) & (
        missing.cast(pl.Float64()) >= lines.cast(pl.Float64()) * share
    )
    empty = pl.col("_rows_after") == 0
    if answered is not None:
        known = answered.lazy().with_columns(_answered=pl.lit(value=True))
        rows = rows.join(known, on=list(keys), how="left", maintain_order="left")
        empty &= pl.col("_answered").is_null()
    return rows.with_columns(_missing=lost.sum().over(*keys)).with_columns(
        _suspect=(lost & (empty | many)).fill_null(value=False)
    )


def _count_after_actions(rows: pl.DataFrame) -> pl.DataFrame:
    """Count the buckets of before in shares of after, as `settled_quantity_counted`."""
    counted = {
        column: pl.col(f"{column}_before").cast(_LONG) * pl.col("_num") / pl.col("_den")
        for column in (*BUCKETS, "position_quantity")
    }
    acted = pl.col("_num") != pl.col("_den")
    return with_rare(
        rows,
        acted,
        {
            f"{column}_counted": (
                product.cast(_LONG),
                pl.col(f"{column}_before").cast(_LONG),
            )
            for column, product in counted.items()
        },
    )


def _keep_positive(number: pl.Expr) -> pl.Expr:
    """Keep the number, 0 where it is negative, null where it is unknown."""
    return pl.when(number < 0).then(pl.lit(0, MONEY)).otherwise(number)


def _measure_quantities() -> dict[str, pl.Expr]:
    """Take the actions out of the change: what is left was traded."""
    q0, q1 = pl.col("owned_quantity_before"), pl.col("owned_quantity_after")
    acted = pl.col("_num") != pl.col("_den")
    adjusted = (
        pl.when(acted)
        .then(
            (q0.cast(VALUE) * pl.col("_num") / pl.col("_den")).cast(MONEY, strict=False)
        )
        .otherwise(q0)
    )
    at = pl.coalesce("price_after", "price_before")
    fraction = pl.col("_fraction")
    return {
        "adjusted_quantity": adjusted,
        "action_quantity": (pl.col("_grown") - fraction - adjusted).cast(
            MONEY, strict=False
        ),
        "action_value": pl.when(fraction == 0)
        .then("action_value")
        .otherwise(pl.col("action_value") - fraction.cast(VALUE) * at)
        .cast(VALUE),
        "traded_quantity": (
            q1 - pl.col("_grown") + fraction - pl.col("transferred_quantity")
        ).cast(MONEY, strict=False),
        "_acted": acted,
    }


def _measure_implied_price(tolerances: Mapping[str, float]) -> dict[str, pl.Expr]:
    """Ask the change of cost what was paid, and whether the market asked it."""
    trade = to_float("traded_quantity")
    average = pl.coalesce("transfer_average_price", "average_price_before")
    sent = (
        pl.when(pl.col("transferred_quantity") == 0)
        .then(0.0)
        .otherwise(to_float("transferred_quantity") * average.cast(pl.Float64()))
    )
    whole_units = (pl.col("_grown") - pl.col("_fraction")).cast(pl.Float64())
    cost = (
        pl.when("_late")
        .then(whole_units * to_float("average_price_before"))
        .otherwise(to_float("_base_cost"))
    )
    paid = to_float("cost_value_after") - cost - sent
    factor = pl.col("_num") / pl.col("_den")
    p0 = to_float("price_before") / factor
    p1 = to_float("price_after")
    low, high = pl.min_horizontal(p0, p1), pl.max_horizontal(p0, p1)
    held = pl.col("owned_quantity_after") + pl.col("owned_quantity_before")
    slack = held.cast(pl.Float64()) * tolerances["average_price"] / 2
    implied = pl.when(trade != 0).then(paid / trade)
    room = slack / trade.abs()
    band = price_band()
    return {
        "_paid": paid,
        "_slack": slack,
        "_implied": implied,
        "_odd_price": (
            (trade > 0)
            & (
                (implied < low * (1 - band) - room)
                | (implied > high * (1 + band) + room)
            )
        ).fill_null(value=False),
    }


def _measure_buckets() -> dict[str, pl.Expr]:
    """Find what settled, was sold and bought again, and was pledged."""
    zero = pl.lit(0, MONEY)
    q1 = pl.col("owned_quantity_after")
    growth = q1 - (pl.col("_grown") - pl.col("_fraction"))
    t0, t1 = pl.col("t1_quantity_counted"), pl.col("t1_quantity_after")
    d0, d1 = pl.col("position_quantity_counted"), pl.col("position_quantity_after")
    booked = growth - (d1 - d0)
    p0, p1 = pl.col("pledged_quantity_counted"), pl.col("pledged_quantity_after")
    s0, s1 = pl.col("settled_quantity_counted"), pl.col("settled_quantity_after")
    came = pl.max_horizontal(pl.col("transferred_quantity"), zero) + pl.max_horizontal(
        pl.col("action_quantity"), zero
    )
    # T+1 shares settled only if the delivered ones rose by them
    rise = (s1 + p1.fill_null(zero)) - (s0 + p0.fill_null(zero)) - came
    same_pledge = pl.col("_acted") & (p1 == pl.col("pledged_quantity_before"))
    known = s0.is_not_null() & s1.is_not_null()
    churn = (t1 - t0) - _keep_positive(growth)
    return {
        "_settle": pl.when(known & t0.is_not_null())
        .then(_keep_positive(pl.when(rise < t0).then(rise).otherwise(t0)))
        .when(d0 > 0)
        .then(_keep_positive(pl.when(booked < d0).then(booked).otherwise(d0)))
        .when(d0 < 0)
        .then(_keep_positive(pl.when(booked > d0).then(-booked).otherwise(-d0)))
        .cast(MONEY, strict=False),
        "_churn": pl.when(known & ~pl.col("_acted"))
        .then(_keep_positive(churn))
        .cast(MONEY, strict=False),
        "_pledge": pl.when(same_pledge)
        .then(zero)
        .when(_is_first_named("after"))
        .then(p1)
        .when(_is_first_named("before"))
        .then(-p0)
        .otherwise(p1 - p0)
        .cast(MONEY, strict=False),
        "_guessed": _is_first_named("after") | _is_first_named("before"),
    }


def with_facts(moved: pl.DataFrame, tolerances: Mapping[str, float]) -> pl.LazyFrame:
    """Add what the rules ask: what was traded, settled, pledged, and what is odd."""
    zero = pl.lit(0, MONEY)
    renamed = plain_symbol("symbol_before") != plain_symbol("symbol_after")
    moved = with_rare(
        _count_after_actions(moved),
        pl.col("symbol_before") != pl.col("symbol_after"),
        {"_renamed": (renamed.fill_null(value=False), pl.lit(value=False))},
    )
    rows = (
        moved.lazy()
        .with_columns(**_measure_quantities())
        .with_columns(**_measure_implied_price(tolerances))
        .with_columns(**_measure_buckets())
    )
    trade, sent = pl.col("traded_quantity"), pl.col("transferred_quantity")
    rows = rows.with_columns(**_judge_changes(tolerances))
    odd = pl.any_horizontal("_received", "_odd_price", "_against", "_free", "_restated")
    # shares that came otherwise than by the market may be what another line became
    return rows.with_columns(
        _mixed=(odd & pl.col("_cross").is_null()).any().over("_group"),
        traded_quantity=pl.when("_received").then(zero).otherwise(trade),
        transferred_quantity=pl.when("_received")
        .then(trade)
        .otherwise(sent)
        .cast(MONEY, strict=False),
        _traded=pl.col("_traded") & ~pl.col("_received"),
    )


def _judge_changes(tolerances: Mapping[str, float]) -> dict[str, pl.Expr]:
    """Say what quantity, cost and price together tell of a line."""
    q0, q1 = pl.col("owned_quantity_before"), pl.col("owned_quantity_after")
    trade, paid, slack = pl.col("traded_quantity"), pl.col("_paid"), pl.col("_slack")
    size = trade.cast(pl.Float64())
    both = (q0 != 0) & (q1 != 0)
    a0, a1 = pl.col("average_price_before"), pl.col("average_price_after")
    moved_average = is_moved("average_price", tolerances["average_price"])
    learned = a0.is_null() != a1.is_null()
    crossed = pl.col("_cross").is_not_null()
    acted, sent = pl.col("_acted"), pl.col("transferred_quantity")
    equal_cost = (paid.abs() <= slack) & moved_average
    against = (size * paid < 0) & (paid.abs() > slack)
    plain = both & ~acted & (sent == 0)
    rose = (trade > 0) & (sent == 0) & ~acted
    exchange = came_by_exchange()
    # what an exchange sold has a price; what came without one came otherwise
    unknown = a1.is_null() & (a0.is_not_null() | (q0 == 0)) & ~exchange
    booking = (
        (pl.col("position_quantity_before") != 0)
        | (pl.col("position_quantity_after") != 0)
    ).fill_null(value=False)
    opened_far = (
        (q0 == 0)
        & ~exchange
        & ~(a1.cast(pl.Float64()) / to_float("price_after")).is_between(
            1 / (1 + price_band()), 1 + price_band()
        )
    ).fill_null(value=False)
    restated = (
        both
        & ~acted
        & ~crossed
        & (learned | ~booking)
        & ~pl.col("_only_average")
        & (pl.col("paid_value") == 0)
        & (trade == 0)
        & (sent == 0)
        & (pl.col("_churn").fill_null(0) == 0)
        & (learned | moved_average)
    ).fill_null(value=False)
    entitled = (
        pl.coalesce("symbol_after", "symbol_before").str.contains(RIGHTS) & (q0 == 0)
    ).fill_null(value=False) & ~exchange
    return {
        "_traded": (size.abs() > tolerances["quantity"]),
        "_against": (plain & ~crossed & against).fill_null(value=False),
        "_free": (plain & ~crossed & (trade != 0) & equal_cost).fill_null(value=False),
        "_half_known": q0.is_null() != q1.is_null(),
        "_restated": restated,
        "_entitled": entitled,
        "_received": (
            rose
            & (
                unknown
                | (opened_far & ~crossed & (pl.col("_lines_before") > 0))
                | (both & pl.col("_odd_price") & ~against & ~equal_cost & ~exchange)
                | entitled
            )
        ).fill_null(value=False),
        "_unknown_cost": unknown.fill_null(value=False),
        "_unrestated": (acted & pl.col("_late"))
        | pl.col("_uncosted")
        | pl.col("_only_average"),
        "_jump": _measure_jump() & both & (trade == 0) & ~acted & ~crossed,
        "symbol": pl.coalesce("symbol_after", "symbol_before"),
        "_price_moved": has_price_moved(tolerances),
        "_price_gone": (
            pl.col("price_before").is_not_null()
            & pl.col("price_after").is_null()
            & both
        ).fill_null(value=False),
        "_haircut_moved": has_haircut_moved(tolerances),
        "_suspended": pl.col("extra_after")
        .str.contains(_SUSPENDED)
        .fill_null(value=False),
    }


def came_by_exchange() -> pl.Expr:
    """Tell lines of which something came by an exchange on the last day."""
    more = pl.col("t1_quantity_after") > pl.col("t1_quantity_before").fill_null(0)
    return (more | (pl.col("position_quantity_after") > 0)).fill_null(value=False)


def plain_symbol(column: str) -> pl.Expr:
    """Write a symbol without blanks, case and series."""
    return strip_blanks(column).str.replace(r"-(EQ|BE|BZ|A|B|T|X|XT|Z|SM|ST)$", "")


def has_price_moved(tolerances: Mapping[str, float]) -> pl.Expr:
    """Either price is another, or known on one side only."""
    return is_different("price", tolerances["price"]) | is_different(
        "close_price", tolerances["price"]
    )


def has_haircut_moved(tolerances: Mapping[str, float]) -> pl.Expr:
    """Both haircuts are known, and are not the same."""
    return is_moved("haircut", tolerances["haircut"])
