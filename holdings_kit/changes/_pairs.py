"""Two snapshots side by side: rows summed per instrument, then fetched line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.changes._frames import BUCKETS, QUANTITIES
from holdings_kit.schema import HOLDINGS, MONEY, VALUE, conform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdings_kit.changes._order import Order

__all__ = [
    "NAMES",
    "account_facts",
    "fetched",
    "held",
    "one_each",
    "read",
    "with_absent",
]

NAMES: Final = ("symbol", "name", "exchange", "token")
"""What tells a security apart; only lines that came or went are asked for all."""

_FIRST: Final = (
    *NAMES,
    "price",
    "price_basis",
    "close_price",
    "haircut",
)
_INSTANTS: Final = ("snapshot_at_before", "snapshot_at_after")
_ADDS: Final = (*QUANTITIES, "cost_value")


def read(holdings: pl.LazyFrame, keys: Sequence[str], *, name: str) -> pl.LazyFrame:
    """Take what a comparison reads of every row."""
    average, owned = pl.col("average_price"), pl.col("owned_quantity")
    ltp, close = pl.col("last_price"), pl.col("close_price")
    return conform(holdings, HOLDINGS, name=name).select(
        *keys,
        "instrument_id",
        *QUANTITIES,
        "average_price",
        "snapshot_at",
        *NAMES,
        "close_price",
        "haircut",
        price=pl.coalesce(ltp, close),
        price_basis=pl.when(ltp.is_not_null())
        .then(pl.lit("ltp"))
        .when(close.is_not_null())
        .then(pl.lit("close")),
        cost_value=pl.when(owned == 0)
        .then(pl.lit(0, VALUE))
        .otherwise(owned.cast(VALUE) * average)
        .cast(VALUE),
    )


def one_each(rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Sum the instruments that stand in several rows; most stand in one.

    A sum with an unknown term is unknown. The rows share one price, haircut and
    symbol: the first that is known, in the order of the frame. Their average is cost
    divided by quantity.
    """
    on = [*keys, "instrument_id"]
    several = rows.select(pl.struct(on).is_duplicated()).to_series()
    if not several.any():
        return rows
    return pl.concat([rows.filter(~several), _added(rows.filter(several), on)])


def _added(rows: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    grouped = rows.group_by(on).agg(
        pl.col(*_ADDS).sum(),
        pl.col(*_ADDS).null_count().name.suffix("_unknown"),
        pl.col(*_FIRST, "average_price").first(ignore_nulls=True),
        pl.col("snapshot_at").max(),
    )
    known = [
        pl.when(pl.col(f"{column}_unknown") == 0)
        .then(pl.col(column).cast(rows.schema[column]))
        .alias(column)
        for column in _ADDS
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


def fetched(
    before: pl.DataFrame,
    after: pl.DataFrame,
    lines: pl.DataFrame,
    columns: Sequence[str],
) -> pl.DataFrame:
    """Fetch columns of both sides; null where a line is not in a snapshot."""
    return pl.concat(
        [
            side.select(
                pl.col(*columns).gather(lines[f"_{end}"]).name.suffix(f"_{end}")
            )
            for side, end in ((before, "before"), (after, "after"))
        ],
        how="horizontal",
    )


def held(end: str) -> pl.Expr:
    """Something is, or may be, owned on this side."""
    owned = pl.col(f"owned_quantity_{end}")
    return pl.col(f"_present_{end}") & (owned.is_null() | (owned != 0))


def account_facts(
    order: Order, before: pl.DataFrame, after: pl.DataFrame
) -> pl.DataFrame:
    """Per group: the instants of both snapshots and the number of lines held.

    Null for a group without a known key: its rows need not belong together.
    """
    sides: list[pl.DataFrame] = []
    for side, end in ((before, "before"), (after, "after")):
        lines = order.lines.drop_nulls(f"_{end}")
        owned = pl.col("owned_quantity")
        rows = side.select("snapshot_at", owned=owned.is_null() | (owned != 0)).select(
            pl.all().gather(lines[f"_{end}"])
        )
        sides.append(
            rows.with_columns(lines["_group"])
            .group_by("_group")
            .agg(
                pl.col("snapshot_at").max().alias(f"snapshot_at_{end}"),
                pl.len().alias(f"_rows_{end}"),
                pl.col("owned").sum().alias(f"_lines_{end}"),
            )
        )
    groups = order.groups.select(
        _group=pl.int_range(pl.len(), dtype=pl.UInt32()),
        _known=pl.all_horizontal(pl.all().is_not_null()),
    )
    for side in sides:
        groups = groups.join(side, on="_group", how="left", maintain_order="left")
    counts = ("_rows_after", "_lines_before", "_lines_after")
    told = (*_INSTANTS, pl.col(*counts).fill_null(0))
    return groups.select(told).select(pl.when(groups["_known"]).then(pl.all()))


def with_absent(rows: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
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
    account = facts.select(pl.all().gather(rows["_group"]))
    joined = pl.concat([rows.drop("_code", *_INSTANTS), account], how="horizontal")
    return joined.with_columns(filled)
