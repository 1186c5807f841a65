"""Questions about all accounts of a store: one answer a bucket, then put together.

An account lives in one bucket, so an answer per account needs no other bucket, and a
total is the sum of the buckets' totals. Memory is that of one bucket, and `on` spreads
the buckets over other processes (`holdings_kit.cluster`); the answer is the same.

A price is a fact about an instrument, and without `quotes` each bucket has only the
prices its own payloads bring. Pass `quotes` where payloads bring none (the Gateway).
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.collateral_value import collateral
from holdings_kit.comparison import compare
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.exposure import concentration
from holdings_kit.identity import isin_ok
from holdings_kit.measures import any_known, product
from holdings_kit.portfolio import all_apart, consolidate, positions, summarize
from holdings_kit.schema import HOLDINGS, INSTANT, VALUE, conform

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdings_kit.store import Mapper, StoreView

__all__ = [
    "ACCOUNTS",
    "ACTIVITY",
    "COVERAGE",
    "DISTRIBUTION",
    "EXPOSURE",
    "MARGIN_STRESS",
    "account_values",
    "activity",
    "coverage",
    "distribution",
    "exposure_to",
    "margin_stress",
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
ACCOUNTS: Final = pl.Schema(
    {
        "account_id": pl.String(),
        "positions_count": pl.Int64(),
        "unpriced_count": pl.Int64(),
        "uncosted_count": pl.Int64(),
        "cost_value": VALUE,
        "market_value": VALUE,
        "unrealized_pnl": VALUE,  # of the positions with both price and cost
        "return": pl.Float64(),
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


def account_values(
    store: StoreView,
    *,
    as_of: datetime | None = None,
    quotes: pl.DataFrame | None = None,
    on: Mapper | None = None,
) -> pl.DataFrame:
    """Value every account: one row each, sorted by account.

    Parameters
    ----------
    store
        A store, one bucket of it, or its past.
    as_of
        The snapshots current at that instant; None: now.
    quotes
        As for `consolidate`.
    on
        Who asks the buckets; None: this process, one after the other.

    Returns
    -------
    ACCOUNTS
        Rupees and fractions; null where unknown, as in `summarize`, `concentration`
        and `collateral`. The size of the answer is that of the population: for a
        large one, ask for a `distribution`.
    """
    ask = partial(_account_values, as_of=as_of, quotes=quotes)
    return pl.concat(store.map(ask, on=on)).sort("account_id")


def distribution(
    store: StoreView,
    measure: str,
    *,
    edges: Sequence[float],
    as_of: datetime | None = None,
    quotes: pl.DataFrame | None = None,
    on: Mapper | None = None,
) -> pl.DataFrame:
    """Count accounts by a measure: P&L, return, value, concentration.

    Parameters
    ----------
    store, as_of, quotes, on
        As for `account_values`.
    measure
        A number of `ACCOUNTS`.
    edges
        Ascending; the first and the last class are open.

    Returns
    -------
    DISTRIBUTION
        One row per class, lower edge inclusive, and one for the accounts whose measure
        is unknown. The counts add up to the accounts.

    Raises
    ------
    ConfigError
        `measure` is none, or `edges` do not ascend.
    """
    if measure not in ACCOUNTS.names()[1:]:
        have = ", ".join(ACCOUNTS.names()[1:])
        raise ConfigError(f"measure {measure!r} is not known; have {have}")
    if not edges or any(low >= high for low, high in pairwise(edges)):
        raise ConfigError(f"edges {list(edges)}: at least one, ascending")
    ask = partial(
        _classes, measure=measure, edges=list(edges), as_of=as_of, quotes=quotes
    )
    counts = pl.concat(store.map(ask, on=on)).group_by("class").agg(pl.col("n").sum())
    bounds = [None, *edges, None]
    classes = pl.DataFrame(
        {
            "class": range(len(edges) + 1),
            "lower": bounds[:-1],
            "upper": bounds[1:],
            "known": True,
        },
        schema_overrides={"class": pl.Int64(), "lower": pl.Float64()},
    )
    unknown = classes.head(1).with_columns(
        pl.lit(-1, pl.Int64()).alias("class"),
        pl.lit(None, pl.Float64()).alias("lower"),
        pl.lit(None, pl.Float64()).alias("upper"),
        pl.lit(value=False).alias("known"),
    )
    return (
        pl.concat([classes.cast({"upper": pl.Float64()}), unknown])
        .join(counts, on="class", how="left", maintain_order="left")
        .select(
            pl.lit(measure).alias("measure"),
            "lower",
            "upper",
            pl.col("n").fill_null(0).alias("accounts_count"),
            "known",
        )
    )


def margin_stress(
    store: StoreView,
    *,
    used: pl.DataFrame,
    haircut_adds: Sequence[float],
    as_of: datetime | None = None,
    on: Mapper | None = None,
) -> pl.DataFrame:
    """Tell how many accounts fall short of margin if haircuts go up.

    Parameters
    ----------
    store, as_of, on
        As for `account_values`.
    used
        ``account_id, used_value``: rupees of margin each account has to cover with what
        it has pledged. Accounts that are not named use none.
    haircut_adds
        Fractions added to every haircut, at most up to a haircut of 1.

    Returns
    -------
    MARGIN_STRESS
        One row per addition. An account is short when the known collateral of its
        pledged shares is below its used margin; what is unknown counts as none, and
        the account is in `unknown_count`.

    Raises
    ------
    FrameError
        `used` lacks a column.
    """
    for column in ("account_id", "used_value"):
        if column not in used.columns:
            raise FrameError("used", column, "missing; pass account_id and used_value")
    needs = used.select("account_id", pl.col("used_value").cast(VALUE))
    ask = partial(_short, used=needs, adds=list(haircut_adds), as_of=as_of)
    parts = pl.concat(store.map(ask, on=on))
    rest = [name for name in MARGIN_STRESS if name != "haircut_add"]
    summed = parts.group_by("haircut_add", maintain_order=True).agg(pl.col(rest).sum())
    return conform(summed, MARGIN_STRESS, name="margin stress")


def exposure_to(
    store: StoreView,
    instrument_id: str,
    *,
    as_of: datetime | None = None,
    quotes: pl.DataFrame | None = None,
    on: Mapper | None = None,
) -> pl.DataFrame:
    """Add up what all accounts hold of one instrument.

    Returns
    -------
    EXPOSURE
        One row; values of the positions whose price or cost is known, with the counts
        of the others. Zero accounts give null values.
    """
    ask = partial(_held, instrument_id=instrument_id, as_of=as_of, quotes=quotes)
    parts = pl.concat(store.map(ask, on=on))
    counts = [name for name in EXPOSURE if name.endswith("_count")]
    summed = parts.select(
        pl.col(counts).sum(),
        *(any_known(name) for name in EXPOSURE if name not in counts),
    )
    return summed.select(EXPOSURE.names()).cast(EXPOSURE)


def activity(
    store: StoreView, instants: Sequence[datetime], *, on: Mapper | None = None
) -> pl.DataFrame:
    """Count what happened between instants, by cause, over all accounts.

    Accounts without a snapshot before the first of two instants begin with the second
    and are left out of that pair.

    Parameters
    ----------
    store, on
        As for `account_values`.
    instants
        At least two, ascending; each pair of neighbours is compared (`compare`).

    Returns
    -------
    ACTIVITY
        One row per pair and cause that occurred.

    Raises
    ------
    ConfigError
        Fewer than two instants, or not ascending.
    """
    if not list(pairwise(instants)) or any(a >= b for a, b in pairwise(instants)):
        raise ConfigError("activity needs at least two instants, ascending")
    parts = pl.concat(store.map(partial(_activity, instants=list(instants)), on=on))
    keys = ["before_at", "after_at", "cause"]
    counts = ["lines_count", "accounts_count"]
    summed = parts.group_by(keys).agg(pl.col(counts).sum())
    return conform(summed.sort(keys), ACTIVITY, name="activity")


def coverage(
    store: StoreView, *, as_of: datetime | None = None, on: Mapper | None = None
) -> pl.DataFrame:
    """Count what is known of the population: identified, priced, costed, reconciled.

    Returns
    -------
    COVERAGE
        One row.
    """
    parts = pl.concat(store.map(partial(_coverage, as_of=as_of), on=on))
    return parts.select(COVERAGE.names()).sum().cast(COVERAGE)


# One bucket each.


def _account_values(
    view: StoreView, *, as_of: datetime | None, quotes: pl.DataFrame | None
) -> pl.DataFrame:
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


def _classes(
    view: StoreView,
    *,
    measure: str,
    edges: list[float],
    as_of: datetime | None,
    quotes: pl.DataFrame | None,
) -> pl.DataFrame:
    values = _account_values(view, as_of=as_of, quotes=quotes)[measure]
    value = pl.col(measure).cast(pl.Float64())
    above = pl.sum_horizontal((value >= edge).cast(pl.Int64()) for edge in edges)
    place = pl.when(value.is_null() | value.is_nan()).then(-1).otherwise(above)
    placed = values.to_frame().select(place.cast(pl.Int64()).alias("class"))
    return placed.group_by("class").agg(pl.len().cast(pl.Int64()).alias("n"))


def _short(
    view: StoreView, *, used: pl.DataFrame, adds: list[float], as_of: datetime | None
) -> pl.DataFrame:
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


def _held(
    view: StoreView,
    *,
    instrument_id: str,
    as_of: datetime | None,
    quotes: pl.DataFrame | None,
) -> pl.DataFrame:
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


def _activity(view: StoreView, *, instants: list[datetime]) -> pl.DataFrame:
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


def _coverage(view: StoreView, *, as_of: datetime | None) -> pl.DataFrame:
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
