"""Two snapshots side by side: rows summed per instrument, then joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.comparison.frames import BUCKETS, QUANTITIES
from holdings_kit.schema import HOLDINGS, MONEY, VALUE, conform

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["account_facts", "held", "paired", "summed", "with_absent"]

_NAMES: Final = ("symbol", "name", "exchange", "token")
_FIRST: Final = (
    *_NAMES,
    "price",
    "price_basis",
    "close_price",
    "haircut",
)


def summed(holdings: pl.LazyFrame, keys: Sequence[str], *, name: str) -> pl.LazyFrame:
    """Sum rows per key and instrument; a sum with an unknown term is unknown.

    What the source tells apart as traded today (`position_quantity`) counts as owned;
    its price is not in the average, so shares bought today make the cost unknown.
    Several rows of one instrument share one price, haircut and symbol: the first
    that is known, in the order of the frame. Their average is cost divided by
    quantity.
    """
    average, today = pl.col("average_price"), pl.col("position_quantity")
    owned = pl.col("owned_quantity") + today.fill_null(pl.lit(0, MONEY))
    ltp, close = pl.col("last_price"), pl.col("close_price")
    adds = [*QUANTITIES, "cost_value"]
    rows = conform(holdings, HOLDINGS, name=name).select(
        *keys,
        "instrument_id",
        "snapshot_at",
        *_NAMES,
        *(c for c in QUANTITIES if c != "owned_quantity"),
        "average_price",
        "close_price",
        "haircut",
        owned_quantity=owned.cast(MONEY),
        price=pl.coalesce(ltp, close),
        price_basis=pl.when(ltp.is_not_null())
        .then(pl.lit("ltp"))
        .when(close.is_not_null())
        .then(pl.lit("close")),
        cost_value=pl.when(owned == 0)
        .then(pl.lit(0, VALUE))
        .when((today > 0).fill_null(value=False))
        .then(None)
        .otherwise(owned.cast(VALUE) * average)
        .cast(VALUE),
    )
    on = [*keys, "instrument_id"]
    columns = [*adds, *_FIRST, "average_price", "snapshot_at"]
    lines = rows.select(*on, *columns)
    return lines.map_batches(
        lambda table: _one_each(table, on, adds), schema=lines.collect_schema()
    )


def _one_each(rows: pl.DataFrame, on: list[str], adds: list[str]) -> pl.DataFrame:
    """Sum the instruments that stand in several rows; most stand in one."""
    several = rows.select(pl.struct(on).is_duplicated()).to_series()
    if not several.any():
        return rows
    return pl.concat([rows.filter(~several), _added(rows.filter(several), on, adds)])


def _added(rows: pl.DataFrame, on: list[str], adds: list[str]) -> pl.DataFrame:
    grouped = rows.group_by(on).agg(
        pl.col(adds).sum(),
        pl.col(adds).null_count().name.suffix("_unknown"),
        pl.col(*_FIRST, "average_price").first(ignore_nulls=True),
        pl.col("snapshot_at").max(),
    )
    known = [
        pl.when(pl.col(f"{column}_unknown") == 0)
        .then(pl.col(column).cast(rows.schema[column]))
        .alias(column)
        for column in adds
    ]
    total = pl.col("owned_quantity")
    mean = pl.when(total != 0).then(pl.col("cost_value") / total)
    return (
        grouped.with_columns(known)
        .with_columns(
            mean.otherwise("average_price").cast(MONEY).alias("average_price")
        )
        .select(rows.columns)
    )


def paired(
    before: pl.LazyFrame, after: pl.LazyFrame, keys: Sequence[str]
) -> pl.LazyFrame:
    """Join two summed sides; a row that is not in a snapshot holds zero there."""
    on = [*keys, "instrument_id"]
    sides = (
        side.rename({c: f"{c}_{end}" for c in side.collect_schema() if c not in on})
        .with_columns(pl.lit(value=True).alias(f"_present_{end}"))
        .with_columns(pl.col("instrument_id").alias(f"instrument_id_{end}"))
        for side, end in ((before, "before"), (after, "after"))
    )
    left, right = sides
    return left.join(right, on=on, how="full", coalesce=True).with_columns(
        pl.col("_present_before", "_present_after").fill_null(value=False)
    )


def held(end: str) -> pl.Expr:
    """Something is, or may be, owned on this side."""
    owned = pl.col(f"owned_quantity_{end}")
    return pl.col(f"_present_{end}") & (owned.is_null() | (owned != 0))


def account_facts(pairs: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """Per account: the instants of both snapshots and the number of lines held."""
    return pairs.group_by(*keys).agg(
        pl.col("snapshot_at_before", "snapshot_at_after").max(),
        pl.col("_present_after").sum().alias("_rows_after"),
        held("before").sum().alias("_lines_before"),
        held("after").sum().alias("_lines_after"),
    )


def with_absent(
    rows: pl.LazyFrame, facts: pl.LazyFrame, keys: Sequence[str]
) -> pl.LazyFrame:
    """Fill the missing side of one-sided rows: zero held, the account's instant."""
    filled: list[pl.Expr] = []
    for end, other in (("before", "after"), ("after", "before")):
        absent = ~pl.col(f"_present_{end}")
        filled += [
            pl.when(absent & pl.col(f"{column}_{other}").is_not_null())
            .then(pl.lit(0, MONEY))
            .otherwise(pl.col(f"{column}_{end}"))
            .alias(f"{column}_{end}")
            for column in (*BUCKETS, "used_quantity", "position_quantity")
        ]
        filled += [
            pl.when(absent)
            .then(pl.lit(0, dtype))
            .otherwise(pl.col(f"{column}_{end}"))
            .alias(f"{column}_{end}")
            for column, dtype in (("owned_quantity", MONEY), ("cost_value", VALUE))
        ]
    at = ["snapshot_at_before", "snapshot_at_after"]
    return rows.drop(at).join(facts, on=list(keys), how="left").with_columns(filled)
