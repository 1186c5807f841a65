"""What one bucket answers to a question about all accounts, and the frames of it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.changes import compare
from holdings_kit.portfolio import concentration, summarize
from holdings_kit.portfolio._flows import list_moving
from holdings_kit.portfolio._performance import measure_accounts
from holdings_kit.portfolio._positions import has_one_row_each, make_positions
from holdings_kit.read.identity import isin_ok
from holdings_kit.risk import collateral
from holdings_kit.schema import HOLDINGS, INSTANT, VALUE, any_known, conform, product

if TYPE_CHECKING:
    from datetime import datetime

    from holdings_kit.portfolio._prices import Pricing
    from holdings_kit.store._store import StoreView

ACCOUNTS: Final = pl.Schema(
    {
        "account_id": pl.String(),
        "positions_count": pl.Int64(),
        "unpriced_count": pl.Int64(),
        "uncosted_count": pl.Int64(),
        "cost_value": VALUE,
        "market_value": VALUE,
        "unrealized_pnl": VALUE,  # of the units with both price and cost
        "return": pl.Float64(),
        "day_pnl": VALUE,
        "priced_cost_share": pl.Float64(),  # known cost that is also priced
        "costed_value_share": pl.Float64(),  # known value whose cost is also known
        "unreconciled_count": pl.Int64(),  # rows whose quantities do not add up
        "hhi": pl.Float64(),
        "top_1_share": pl.Float64(),
        "collateral_value": VALUE,  # of what is pledged; null when none is known
        "uncollateral_count": pl.Int64(),  # holdings whose collateral is unknown
    }
)
DISTRIBUTION: Final = pl.Schema(
    {
        "measure": pl.String(),
        "lower": pl.Float64(),  # inclusive; null at the open end and for unknown
        "upper": pl.Float64(),  # exclusive
        "accounts_count": pl.Int64(),
        "known": pl.Boolean(),  # false: the accounts whose measure is unknown
    }
)
MARGIN_STRESS: Final = pl.Schema(
    {
        "haircut_add": pl.Float64(),  # a fraction, added to every haircut
        "accounts_count": pl.Int64(),  # that use margin
        "short_count": pl.Int64(),
        "shortfall_value": VALUE,  # summed over the accounts that are short
        "unknown_count": pl.Int64(),  # accounts with a holding of unknown collateral
    }
)
EXPOSURE: Final = pl.Schema(
    {
        "accounts_count": pl.Int64(),
        "owned_quantity": pl.Decimal(38, 4),
        "pledged_quantity": pl.Decimal(38, 4),  # where it is known
        "pledged_unknown_count": pl.Int64(),
        "cost_value": VALUE,
        "market_value": VALUE,
        "unpriced_count": pl.Int64(),
    }
)
ACTIVITY: Final = pl.Schema(
    {
        "before_at": INSTANT,
        "after_at": INSTANT,
        "cause": pl.String(),
        "lines_count": pl.Int64(),  # accounts × instruments
        "accounts_count": pl.Int64(),
    }
)
COVERAGE: Final = pl.Schema(
    {
        "accounts_count": pl.Int64(),
        "quarantined_count": pl.Int64(),  # snapshots
        "holdings_count": pl.Int64(),
        "identified_count": pl.Int64(),  # with an ISIN that verifies
        "priced_count": pl.Int64(),  # last price or close in the payload
        "costed_count": pl.Int64(),
        "haircut_count": pl.Int64(),
        "unreconciled_count": pl.Int64(),  # the source's own identity fails
    }
)

_VALUED: Final = (  # columns of HOLDINGS that the value of an account is made of
    "snapshot_id",
    "account_id",
    "holding_no",
    "snapshot_at",
    "instrument_id",
    "asset_class",
    "owned_quantity",
    "reconciles",
    "pledged_quantity",
    "average_price",
    "last_price",
    "close_price",
    "price_at",
    "haircut",
)
_NAMES: Final = ("isin", "symbol", "exchange", "token")  # a table may price by them


def values_of(
    view: StoreView, *, as_of: datetime | None, pricing: Pricing
) -> pl.DataFrame:
    """Value every account of the bucket, those that own nothing too: `ACCOUNTS`."""
    by, position = ("account_id",), ("account_id", "instrument_id")
    scanned = view.scan(as_of=as_of)
    wanted = _VALUED if pricing.table is None else (*_VALUED, *_NAMES)
    read = scanned.holdings.select(wanted).collect()
    holdings = read.lazy().with_columns(
        pl.lit(None, dtype).alias(column)  # not asked for, so not read
        for column, dtype in HOLDINGS.items()
        if column not in wanted
    )
    one_each = has_one_row_each(read, position)
    held = make_positions(
        holdings, position, pricing=pricing, one_each=one_each
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
        summarize(held, by=by, accounts=scanned.snapshots)
        .join(concentration(held, by=by, top=(1,)), on="account_id", how="left")
        .join(pledged, on="account_id", how="left")
        .with_columns(pl.col("uncollateral_count").fill_null(0))
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
    pricing: Pricing,
) -> pl.DataFrame:
    """Count the accounts of each class of a measure; class -1 is unknown."""
    values = values_of(view, as_of=as_of, pricing=pricing)[measure]
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
    pricing: Pricing,
) -> pl.DataFrame:
    """Add up what the bucket holds of one instrument: `EXPOSURE`."""
    rows = view.scan(as_of=as_of).holdings.filter(
        pl.col("instrument_id") == instrument_id
    )
    by = ("account_id", "instrument_id")
    positions = make_positions(rows, by, pricing=pricing).collect()
    pledged = pl.col("pledged_quantity")
    wide = pl.Decimal(38, 4)
    return positions.select(
        accounts_count=pl.len().cast(pl.Int64()),
        owned_quantity=any_known("owned_quantity").cast(wide),
        pledged_quantity=any_known("pledged_quantity").cast(wide),
        pledged_unknown_count=pledged.null_count().cast(pl.Int64()),
        cost_value=any_known("known_cost_value").cast(VALUE),
        market_value=any_known("known_market_value").cast(VALUE),
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
        told = pl.concat([before.snapshots, after.snapshots]).collect()
        changes = compare(before.holdings, again, snapshots=told).collect()
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


def performance_of(
    view: StoreView,
    *,
    prices: pl.DataFrame | pl.LazyFrame | None,
    actions: pl.DataFrame | pl.LazyFrame | None,
    benchmark: pl.DataFrame | pl.LazyFrame | None,
    sent: pl.DataFrame | None,
) -> pl.DataFrame:
    """Say how every account of the bucket did: `PERFORMANCE`."""
    return measure_accounts(
        view.history(), prices=prices, actions=actions, benchmark=benchmark, sent=sent
    )


def moving_of(view: StoreView, *, owners: pl.DataFrame) -> pl.DataFrame:
    """List what came to or left the accounts of owners in the bucket."""
    mine = owners["account_id"].unique().to_list()
    return list_moving(view.history(account_ids=mine), owners)


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
    owners = scanned.snapshots.select(pl.struct("source", "account_id").n_unique())
    accounts = owners.collect().item()
    return rows.with_columns(
        accounts_count=pl.lit(accounts, pl.Int64()),
        quarantined_count=pl.lit(view.quarantine().height, pl.Int64()),
    ).select(COVERAGE.names())
