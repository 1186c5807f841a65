"""What one bucket answers to a question about all accounts."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.changes import compare
from holdings_kit.portfolio import concentration, consolidate, summarize
from holdings_kit.portfolio._positions import all_apart, positions
from holdings_kit.read.identity import isin_ok
from holdings_kit.risk import collateral
from holdings_kit.schema import HOLDINGS, INSTANT, VALUE, any_known, conform, product
from holdings_kit.store.population._frames import ACCOUNTS, ACTIVITY, COVERAGE

if TYPE_CHECKING:
    from datetime import datetime

    from holdings_kit.store._store import StoreView

__all__ = [
    "activity_of",
    "classes_of",
    "coverage_of",
    "held_of",
    "short_of",
    "values_of",
]

_VALUED: Final = (  # columns of HOLDINGS that the value of an account is made of
    "snapshot_id",
    "account_id",
    "holding_no",
    "snapshot_at",
    "instrument_id",
    "exchange",
    "token",
    "owned_quantity",
    "pledged_quantity",
    "average_price",
    "last_price",
    "close_price",
    "price_at",
    "haircut",
)


def values_of(
    view: StoreView, *, as_of: datetime | None, quotes: pl.DataFrame | None
) -> pl.DataFrame:
    """Value every account of the bucket: `ACCOUNTS`."""
    by, position = ("account_id",), ("account_id", "instrument_id")
    read = view.scan(as_of=as_of).holdings.select(_VALUED).collect()
    holdings = read.lazy().with_columns(
        pl.lit(None, dtype).alias(column)  # not asked for, so not read
        for column, dtype in HOLDINGS.items()
        if column not in _VALUED
    )
    held = positions(
        holdings, position, quotes=quotes, apart=all_apart(read, position)
    ).cache()
    pledged = (
        collateral(holdings)
        .group_by(by)
        .agg(
            any_known("collateral_value"),
            pl.col("collateral_value").null_count().alias("uncollateral_count"),
        )
    )
    joined = (
        summarize(held, by=by)
        .join(concentration(held, by=by, top=(1,)), on="account_id", how="left")
        .join(pledged, on="account_id", how="left")
        .select(pl.col(column).cast(dtype) for column, dtype in ACCOUNTS.items())
        .collect()
    )
    return conform(joined, ACCOUNTS, name="accounts")


def classes_of(
    view: StoreView,
    *,
    measure: str,
    edges: list[float],
    as_of: datetime | None,
    quotes: pl.DataFrame | None,
) -> pl.DataFrame:
    """Count the accounts of each class of a measure; class -1 is unknown."""
    values = values_of(view, as_of=as_of, quotes=quotes)[measure]
    value = pl.col(measure).cast(pl.Float64())
    above = pl.sum_horizontal((value >= edge).cast(pl.Int64()) for edge in edges)
    place = pl.when(value.is_null() | value.is_nan()).then(-1).otherwise(above)
    placed = values.to_frame().select(place.cast(pl.Int64()).alias("class"))
    return placed.group_by("class").agg(pl.len().cast(pl.Int64()).alias("n"))


def short_of(
    view: StoreView, *, used: pl.DataFrame, adds: list[float], as_of: datetime | None
) -> pl.DataFrame:
    """Count who is short of margin, one row per addition: `MARGIN_STRESS`."""
    pledged = collateral(view.scan(as_of=as_of).holdings.collect())
    gross = product("collateral_quantity", "price")
    value = pl.col("_value").fill_null(0)
    summed: list[pl.DataFrame] = []
    for add in adds:
        haircut = (pl.col("haircut").cast(pl.Float64()) + add).clip(0, 1)
        left = (1 - haircut).cast(pl.Decimal(9, 6))
        accounts = (
            pledged.with_columns(_value=(gross * left.cast(VALUE)).cast(VALUE))
            .group_by("account_id")
            .agg(value.sum(), _unknown=pl.col("collateral_value").null_count() > 0)
            .join(used, on="account_id")
            .with_columns(_gap=pl.col("used_value") - pl.col("_value"))
        )
        gap = pl.col("_gap")
        summed.append(
            accounts.select(
                haircut_add=pl.lit(add, pl.Float64()),
                accounts_count=pl.len().cast(pl.Int64()),
                short_count=(gap > 0).sum().cast(pl.Int64()),
                shortfall_value=gap.filter(gap > 0).sum().cast(VALUE),
                unknown_count=pl.col("_unknown").sum().cast(pl.Int64()),
            )
        )
    return pl.concat(summed)


def held_of(
    view: StoreView,
    *,
    instrument_id: str,
    as_of: datetime | None,
    quotes: pl.DataFrame | None,
) -> pl.DataFrame:
    """Add up what the bucket holds of one instrument: `EXPOSURE`."""
    rows = view.scan(as_of=as_of).holdings.filter(
        pl.col("instrument_id") == instrument_id
    )
    positions = consolidate(
        rows, by=("account_id", "instrument_id"), quotes=quotes
    ).collect()
    pledged = pl.col("pledged_quantity")
    wide = pl.Decimal(38, 4)
    return positions.select(
        accounts_count=pl.len().cast(pl.Int64()),
        owned_quantity=any_known("owned_quantity").cast(wide),
        pledged_quantity=any_known("pledged_quantity").cast(wide),
        pledged_unknown_count=pledged.null_count().cast(pl.Int64()),
        cost_value=any_known("cost_value").cast(VALUE),
        market_value=any_known("market_value").cast(VALUE),
        unpriced_count=pl.col("price").null_count().cast(pl.Int64()),
    )


def activity_of(view: StoreView, *, instants: list[datetime]) -> pl.DataFrame:
    """Count the causes between instants: `ACTIVITY`."""
    counted = [pl.DataFrame(schema=ACTIVITY)]
    before = view.scan(as_of=instants[0])
    for start, stop in pairwise(instants):
        after = view.scan(as_of=stop)
        known = before.snapshots.select("account_id")
        again = after.holdings.join(known, on="account_id", how="semi")
        changes = compare(before.holdings, again).collect()
        counted.append(
            changes.group_by("cause")
            .agg(
                lines_count=pl.len().cast(pl.Int64()),
                accounts_count=pl.col("account_id").n_unique().cast(pl.Int64()),
            )
            .with_columns(
                before_at=pl.lit(start, INSTANT), after_at=pl.lit(stop, INSTANT)
            )
            .select(ACTIVITY.names())
        )
        before = after
    return pl.concat(counted)


def coverage_of(view: StoreView, *, as_of: datetime | None) -> pl.DataFrame:
    """Count what is known: `COVERAGE`."""
    scanned = view.scan(as_of=as_of)
    price = pl.coalesce("last_price", "close_price")

    def count(where: pl.Expr) -> pl.Expr:
        return where.fill_null(value=False).sum().cast(pl.Int64())

    rows = scanned.holdings.select(
        holdings_count=pl.len().cast(pl.Int64()),
        identified_count=count(isin_ok("isin")),
        priced_count=count(price.is_not_null()),
        costed_count=count(pl.col("average_price").is_not_null()),
        haircut_count=count(pl.col("haircut").is_not_null()),
        unreconciled_count=count(~pl.col("reconciles")),
    ).collect()
    accounts = scanned.snapshots.select(pl.len()).collect().item()
    return rows.with_columns(
        accounts_count=pl.lit(accounts, pl.Int64()),
        quarantined_count=pl.lit(view.quarantine().height, pl.Int64()),
    ).select(COVERAGE.names())
