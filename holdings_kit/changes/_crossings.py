"""Actions that move shares or cost between lines: mergers, demergers, rights.

Cost is conserved: what a merged line cost is in the line it became part of; what the
parent of a demerger cost before is in parent and child after. `_listed` finds what the
table names, `_unlisted` what costs prove without it; here is what both write down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.changes._actions import known_isin
from holdings_kit.changes._factors import price_band
from holdings_kit.schema import MONEY, VALUE, product, total

if TYPE_CHECKING:
    from collections.abc import Sequence

RIGHTS: Final = r"-RE\d*$"
"""How the symbol of an entitlement to new shares ends."""

MOVE: Final = {
    "_place_after": pl.UInt32(),
    "related_instrument_id": pl.String(),
    "action_quantity": MONEY,
    "action_value": VALUE,
    "action_cost_value": VALUE,
    "paid_value": VALUE,
    "_cross": pl.String(),
    "_cross_confidence": pl.Float64(),
    "_cross_words": pl.String(),
    "_cross_ratio": pl.String(),
    "_cross_date": pl.Date(),
    "_cross_pending": pl.Boolean(),
    "_uncosted": pl.Boolean(),  # the broker has not moved the cost yet
    "_worthless": pl.Boolean(),  # the table says so
}
_SUMS: Final = ("action_quantity", "action_value", "action_cost_value", "paid_value")
_NOTHING: Final = {
    name: pl.lit(
        0 if name in _SUMS else False if dtype == pl.Boolean() else None, dtype
    )
    for name, dtype in MOVE.items()
    if name != "_place_after"
}
"""What a move, or a line without one, says where nothing is given."""
ZERO: Final = pl.lit(0, VALUE)


FIGURES: Final = {
    f"{letter}{place}": f"{name}_{end}"
    for letter, name in (
        *(("q", "owned_quantity"), ("c", "cost_value")),
        *(("a", "average_price"), ("p", "price")),
    )
    for place, end in enumerate(("before", "after"))
}
"""The figures of a line by short names, such as ``q0`` and ``q1``."""
_SIDE: Final = {
    "place": pl.col("_place_after").cast(pl.UInt32()),
    "id": pl.coalesce("instrument_id_before", "instrument_id"),
    "new": pl.col("instrument_id"),
    "id_key": known_isin("instrument_id_before", "instrument_id"),
    "new_key": known_isin("instrument_id", "instrument_id_before"),
    "symbol": pl.coalesce("symbol_after", "symbol_before"),
    **{short: pl.col(name) for short, name in FIGURES.items()},
    "band": price_band(),
    "day0": pl.col("_day0"),
    "day1": pl.col("_day1"),
}
"""What is asked of one line of a crossing."""
SIDE_COLUMNS: Final = sorted(
    {"_group", *(name for expr in _SIDE.values() for name in expr.meta.root_names())}
)
"""What `side_of` reads."""


def side_of(rows: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """Take what is asked of one line of a crossing, under a prefix."""
    return rows.select(
        "_group", **{f"{prefix}_{name}": expr for name, expr in _SIDE.items()}
    )


def pick_used_entitlements(rows: pl.DataFrame) -> pl.DataFrame:
    """Pick the entitlements to new shares that have become fewer."""
    symbol = pl.coalesce("symbol_before", "symbol_after")
    fewer = pl.col("owned_quantity_before") > pl.col("owned_quantity_after")
    return rows.filter(symbol.str.contains(RIGHTS), fewer)


def to_float(name: str) -> pl.Expr:
    """Read a column as floating point, for tests of nearness."""
    return pl.col(name).cast(pl.Float64())


def moves_of(frame: pl.DataFrame, **columns: pl.Expr) -> pl.DataFrame:
    """Write contributions in the columns of `MOVE`; what is not given is nothing."""
    every = _NOTHING | columns
    return frame.select(
        every[name].cast(dtype).alias(name) for name, dtype in MOVE.items()
    )


def write_mergers(
    found: pl.DataFrame,
    *,
    gone: pl.Expr,
    came: pl.Expr,
    cash: pl.Expr = ZERO,
    paid: pl.Expr = ZERO,
    **common: pl.Expr,
) -> list[pl.DataFrame]:
    """Write that `_units` of the source became `_n` of the target, at cost `_moved`.

    `gone` and `came` say so; `cash` was paid out for a fraction, `paid` was called.
    """
    value = product("_units", "s_p0")
    known = pl.when(pl.col("s_p0").is_not_null() & pl.col("t_p1").is_not_null())
    return [
        moves_of(
            found,
            _cross=pl.lit("merger"),
            _place_after=pl.col("s_place"),
            related_instrument_id=pl.col("t_new"),
            action_quantity=-pl.col("_units"),
            action_value=known.then(-value),
            action_cost_value=-pl.col("_moved"),
            _cross_words=gone,
            **common,
        ),
        moves_of(
            found,
            _cross=pl.lit("merger"),
            _place_after=pl.col("t_place"),
            related_instrument_id=pl.col("s_id"),
            action_quantity=pl.col("_n"),
            action_value=known.then(value - cash),
            action_cost_value=pl.col("_moved"),
            paid_value=paid,
            _cross_words=came,
            **common,
        ),
    ]


def write_demergers(
    found: pl.DataFrame,
    *,
    cost: pl.Expr,
    left: pl.Expr,
    came: pl.Expr,
    gave: pl.Expr,
    stayed: pl.Expr,
    **common: pl.Expr,
) -> list[pl.DataFrame]:
    """Write that `_n` of the target came from the source, and which cost with them.

    `came` and `gave` say so; `left` is what left the source, unless it has `stayed`.
    """
    value = product("_n", "t_p1")
    return [
        moves_of(
            found,
            _cross=pl.lit("demerger"),
            _place_after=pl.col("t_place"),
            related_instrument_id=pl.col("s_new"),
            action_quantity=pl.col("_n"),
            action_value=value,
            action_cost_value=cost,
            _cross_words=came,
            _uncosted=cost.is_null(),
            **common,
        ),
        moves_of(
            found,
            _cross=pl.lit("demerger"),
            _place_after=pl.col("s_place"),
            related_instrument_id=pl.col("t_new"),
            action_value=-value,
            action_cost_value=-left,
            _cross_words=gave,
            _uncosted=stayed,
            **common,
        ),
    ]


def is_out_of_range(implied: pl.Expr, prefix: str, *, share: float = 1.0) -> pl.Expr:
    """Tell a price that the market did not ask between the two days.

    `share` is how much of the band around both days' prices is allowed.
    """
    low = pl.min_horizontal(to_float(f"{prefix}_p0"), to_float(f"{prefix}_p1"))
    high = pl.max_horizontal(to_float(f"{prefix}_p0"), to_float(f"{prefix}_p1"))
    band = pl.col(f"{prefix}_band") * share
    return ((implied < low * (1 - band)) | (implied > high * (1 + band))).fill_null(
        value=False
    )


def add_up(rows: pl.DataFrame, parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Add to each line what it got from, or gave to, other ones.

    `_base_quantity` and `_base_cost` are the figures before with it.
    """
    some = [part for part in parts if part.height]
    if not some:
        return rows.with_columns(
            **_NOTHING,
            _base_quantity="owned_quantity_before",
            _base_cost="cost_value_before",
            _moved_cost=pl.lit(value=False),
        )
    every = pl.concat(some)
    grouped = every.group_by("_place_after", maintain_order=True).agg(
        *(total(c).cast(MOVE[c]) for c in _SUMS),
        *(
            pl.col(c).any().alias(c)
            if MOVE[c] == pl.Boolean()
            else pl.col(c).drop_nulls().first().alias(c)
            for c in _NOTHING
            if c not in _SUMS
        ),
    )
    joined = rows.join(
        grouped.with_columns(pl.col("_place_after").cast(rows.schema["_place_after"])),
        on="_place_after",
        how="left",
        maintain_order="left",
    )
    none = pl.col("_cross_confidence").is_null() & pl.col("_cross_words").is_null()
    joined = joined.with_columns(
        pl.when(none).then(pl.lit(0, MOVE[c])).otherwise(pl.col(c)).alias(c)
        for c in _SUMS
    ).with_columns(
        pl.col("_cross_pending", "_uncosted", "_worthless").fill_null(value=False),
        price_after=pl.when("_worthless")
        .then(pl.coalesce("price_after", pl.lit(0, MONEY)))
        .otherwise("price_after"),
    )
    moved_cost = pl.col("action_cost_value") + pl.max_horizontal(
        pl.col("paid_value"), ZERO
    )
    tendered = (pl.col("_cross") == "buyback").fill_null(value=False)
    base = (pl.col("owned_quantity_before") + pl.col("action_quantity")).cast(
        MONEY, strict=False
    )
    return joined.with_columns(
        _base_quantity=base,
        _base_cost=pl.when(tendered)
        .then(product(base, "average_price_before"))
        .otherwise(pl.col("cost_value_before") + moved_cost)
        .cast(VALUE),
        _moved_cost=(moved_cost != 0).fill_null(value=True) & ~tendered,
    )
