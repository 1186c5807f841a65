"""The rows of a pledge plan: what may be pledged, and why a holding is left out."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.risk._collateral import collateral
from holdings_kit.schema import MONEY, RATE, VALUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdings_kit.risk._pledge_search import Task

__all__ = ["PLAN", "candidates", "explain", "pledgeable"]

PLAN: Final = pl.Schema(
    {
        "snapshot_id": pl.String(),
        "account_id": pl.String(),
        "holding_no": pl.Int64(),
        "instrument_id": pl.String(),
        "symbol": pl.String(),
        "price": MONEY,  # previous close
        "haircut": RATE,
        "cash_equivalent": pl.Boolean(),
        "pledged_quantity": MONEY,  # pledged already
        "available_quantity": MONEY,  # whole settled units that may be pledged
        "pledge_quantity": MONEY,  # to pledge now
        "collateral_value": VALUE,  # of what to pledge now
        "why": pl.String(),
    }
)

_ZERO: Final = Decimal(0)


def candidates(
    rows: pl.DataFrame,
    haircuts: pl.DataFrame | None,
    instruments: pl.DataFrame | None,
    locked: Sequence[str],
) -> pl.DataFrame:
    """Add to each holding what it could add, what it adds already, or why nothing."""
    free = collateral(
        rows, quantity="pledgeable", haircuts=haircuts, instruments=instruments
    )
    now = collateral(
        rows, quantity="pledged", haircuts=haircuts, instruments=instruments
    )
    settled, t1 = pl.col("settled_quantity"), pl.col("t1_quantity")
    why = (
        pl.when(pl.col("instrument_id").is_in(list(locked)))
        .then(pl.lit("locked"))
        .when(pl.col("haircut") >= 1)
        .then(pl.lit("VaR 100 %: nothing left after the haircut"))
        .when(pl.col("reason").is_not_null())
        .then("reason")
        .when((settled > 0) & (settled < 1))
        .then(pl.lit("only a fraction of a unit"))
        .when((settled == 0) & (t1 > 0))
        .then(pl.format("unsettled: {} bought, not delivered yet", t1.round(0)))
        .when((settled == 0) & (pl.col("pledged_quantity") > 0))
        .then(pl.lit("all of it is pledged already"))
        .when(settled <= 0)
        .then(pl.lit("nothing free to pledge"))
    )
    buckets = ("settled_quantity", "t1_quantity", "pledged_quantity")
    return free.hstack(rows.select(buckets)).with_columns(
        now["collateral_value"].alias("_pledged"),
        why.alias("why"),
        pl.col("cash_equivalent").fill_null(value=False).alias("_like_cash"),
    )


def pledgeable(table: pl.DataFrame, task: Task) -> pl.DataFrame:
    """Take the rows that can be pledged; add place of the ISIN, value of a unit."""
    place = {name: g for g, name in enumerate(task.ids)}
    group = pl.col("instrument_id").replace_strict(
        place, default=None, return_dtype=pl.Int64()
    )
    share = pl.lit(Decimal(1)).cast(RATE) - pl.col("haircut")
    rows = table.with_row_index("_row").filter(
        pl.col("why").is_null() & (pl.col("collateral_value") > 0)
    )
    return rows.with_columns(
        group.alias("_group"),
        (pl.col("price").cast(pl.Decimal(38, 10)) * share).alias("_each"),
    ).filter(pl.col("_group").is_not_null())


def explain(table: pl.DataFrame, part: pl.DataFrame, *, spare: str) -> pl.DataFrame:
    """Bring the answer back to one row per holding, with the reason."""
    found = part.select(
        pl.col("_row"), pl.col("_units").cast(MONEY).alias("pledge_quantity"), "_adds"
    )
    nil = pl.lit(_ZERO)
    units, free = pl.col("pledge_quantity"), pl.col("available_quantity")
    left = pl.col("settled_quantity") - free + pl.col("t1_quantity").fill_null(_ZERO)
    both = [column.cast(pl.Int64()) for column in (units, free)]
    chosen = pl.format("pledge {} of {}", *both) + pl.when(left > 0).then(
        pl.format("; {} unsettled or fractional", left.cast(pl.Float64()))
    ).otherwise(pl.lit(""))
    return (
        table.with_row_index("_row")
        .join(found, on="_row", how="left", maintain_order="left")
        .with_columns(
            units.fill_null(nil),
            pl.col("collateral_quantity").alias("available_quantity"),
            pl.col("_adds").fill_null(nil).alias("collateral_value"),
        )
        .with_columns(
            pl.when(pl.col("why").is_not_null())
            .then("why")
            .when(units > 0)
            .then(chosen)
            .otherwise(pl.lit(spare))
            .alias("why")
        )
        .select(pl.col(name).cast(dtype) for name, dtype in PLAN.items())
    )
