"""Collateral and cash per account: usable margin, compared with the broker's figure.

50:50 rule: at least half of a margin must be cash or cash equivalents. Strictly,
non-cash beyond the cash counts nothing; brokers let it count and charge interest.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import polars as pl

from holdings_kit.risk._collateral import (
    COLLATERAL,
    LIKE_CASH,
    Cash,
    cap_each_security,
    join_account,
    read_account_sums,
    refuse_duplicates,
)
from holdings_kit.risk._margin_rules import Practice, Rules, as_rules
from holdings_kit.schema import VALUE, Frame, any_known, conform, require_columns

MARGIN: Final = pl.Schema(
    {
        "account_id": pl.String(),
        "holdings_count": pl.Int64(),
        "unknown_count": pl.Int64(),  # holdings whose collateral is unknown
        "collateral_value": VALUE,  # of the holdings whose collateral is known
        "non_cash_value": VALUE,
        "cash_value": VALUE,  # cash and equivalents, pledged ones included
        "usable_value": VALUE,
        "idle_value": VALUE,  # non-cash that counts nothing under the strict rule
        "over_cap_value": VALUE,  # non-cash beyond the cap per security
        "largest_share": pl.Float64(),  # largest security's part of the collateral
    }
)

RECONCILED: Final = pl.Schema(
    {
        "account_id": pl.String(),
        "non_cash_value": VALUE,  # ours
        "reported_value": VALUE,  # the broker's
        "difference_value": VALUE,  # reported − ours
        "reconciles": pl.Boolean(),  # null: one side unknown, in full or in part
        "double_count": pl.Boolean(),  # the cash we were given contains collateral
        "reason": pl.String(),
    }
)


def margin(
    collateral: Frame, *, cash: Cash, rules: Rules | Practice | None = None
) -> Frame:
    """Sum collateral and cash per account into usable margin, with coverage.

    Parameters
    ----------
    collateral
        COLLATERAL, as `collateral` returns it; lazy stays lazy.
    cash
        Rupees of one account, or a frame ``account_id, cash_value``. Collateral must
        not be inside it; see `reconcile`.
    rules
        A `Rules`, or ``"strict"`` (the default), or ``"broker"``.

    Returns
    -------
    MARGIN
        One row per account, rupees. Sums are over the holdings whose collateral is
        known, `unknown_count` counts the others; null when none is known. Strict:
        usable = cash + min(non-cash, cash); broker: cash + non-cash.

    Raises
    ------
    ConfigError
        One sum of cash for several accounts.

    Examples
    --------
    >>> rows = pl.DataFrame(
    ...     {"account_id": ["A", "A"], "collateral_value": [Decimal(900), Decimal(300)]}
    ... ).with_columns(pl.col("collateral_value").cast(VALUE))
    >>> blank = [
    ...     pl.lit(None, t).alias(c) for c, t in COLLATERAL.items() if c not in rows
    ... ]
    >>> rows = rows.with_columns(blank).select(COLLATERAL.names())
    >>> margin(rows, cash=1000).select("usable_value", "idle_value").row(0)
    (Decimal('2000.00000000'), Decimal('200.00000000'))
    """
    chosen = as_rules(rules)
    rows = conform(collateral, COLLATERAL, name="collateral").lazy()
    money = read_account_sums(cash, rows, "cash")
    value = pl.col("collateral_value")
    per_security = rows.group_by("account_id", "instrument_id").agg(value.sum())
    largest = per_security.group_by("account_id").agg(value.max().alias("_largest"))
    share = pl.col("_largest").cast(pl.Float64()) / value.cast(pl.Float64())
    out = (
        _sum_accounts(rows.select(COLLATERAL.names()), money, chosen)
        .pipe(join_account, largest)
        .with_columns(
            pl.when(value > _ZERO).then(share).alias("largest_share"),
        )
        .select(MARGIN.names())
    )
    if isinstance(collateral, pl.DataFrame):
        return out.collect()
    return out


def sum_usable(
    collateral: pl.DataFrame, cash: pl.DataFrame, rules: Rules | Practice | None
) -> pl.DataFrame:
    """Give `usable_value` per account as `margin` does, and nothing else."""
    rows = collateral.lazy()
    table = _sum_accounts(rows, read_account_sums(cash, rows, "cash"), as_rules(rules))
    return table.select("account_id", "usable_value").collect()


_ZERO: Final = pl.lit(0, VALUE)


def _sum_accounts(
    rows: pl.LazyFrame, money: pl.LazyFrame, rules: Rules
) -> pl.LazyFrame:
    """Sum collateral and cash per account, and what of them the rules let count."""
    value = pl.col("collateral_value")
    known = value.count() > 0
    table = (
        join_account(rows, money)
        .with_columns(cap_each_security(rules).alias("_counts"))
        .group_by("account_id", maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64()).alias("holdings_count"),
            value.null_count().cast(pl.Int64()).alias("unknown_count"),
            any_known(value).alias("collateral_value"),
            pl.when(known).then(value.filter(~LIKE_CASH).sum()).alias("non_cash_value"),
            value.filter(LIKE_CASH).sum().alias("_equal"),
            pl.when(known)
            .then(pl.col("_counts").filter(~LIKE_CASH).sum())
            .alias("_counts"),
        )
        .pipe(join_account, money)
        .with_columns(pl.col("cash_value") + pl.col("_equal"))
    )
    carried = pl.max_horizontal("cash_value", _ZERO) * pl.lit(
        rules.non_cash_per_cash
    ).cast(VALUE)
    counts = pl.col("_counts")
    both = pl.col("cash_value").is_not_null() & counts.is_not_null()
    strict = rules.practice == "strict"
    counted = pl.when(both).then(
        pl.min_horizontal(counts, carried) if strict else counts
    )
    return table.with_columns(
        (pl.col("cash_value") + counted).alias("usable_value"),
        (counts - counted).alias("idle_value"),
        (pl.col("non_cash_value") - counts).alias("over_cap_value"),
    )


def reconcile(
    margin: Frame,
    limits: pl.DataFrame | pl.LazyFrame,
    *,
    tolerance: Decimal | int = 1,
) -> Frame:
    """Compare our collateral with the broker's figure, and the cash with its cash.

    Parameters
    ----------
    margin
        MARGIN, made from pledged quantities; lazy stays lazy.
    limits
        ``account_id, non_cash_value`` and, for the alarm, ``cash_value`` and
        ``cash_equivalent_value``, rupees: `nonCash`, `cash` and `cashEq` of
        ``GET /user/limits``, summed over segments.
    tolerance
        Rupees that rounding by the broker may make.

    Returns
    -------
    RECONCILED
        One row per account. `reconciles` is null where either side is unknown or some
        holding's collateral is. `double_count` is true where our cash exceeds the
        broker's by its collateral: then collateral stands inside the cash and would
        be counted twice; null without the broker's cash.

    Raises
    ------
    FrameError
        `limits` lacks a column or has two rows for one account.

    Examples
    --------
    >>> ours = pl.DataFrame({"account_id": ["A"], "non_cash_value": [Decimal(900)]})
    >>> blank = [pl.lit(None, t).alias(c) for c, t in MARGIN.items() if c not in ours]
    >>> ours = ours.cast({"non_cash_value": VALUE}).with_columns(blank)
    >>> ours = ours.with_columns(unknown_count=pl.lit(0, pl.Int64())).select(
    ...     MARGIN.names()
    ... )
    >>> limits = pl.DataFrame({"account_id": ["A"], "non_cash_value": [1000]})
    >>> reconcile(ours, limits)["difference_value"].item()
    Decimal('100.00000000')
    """
    table = limits.lazy().collect()
    require_columns(table.columns, ("account_id", "non_cash_value"), name="limits")
    money = ("non_cash_value", "cash_value", "cash_equivalent_value")
    given = refuse_duplicates(table, ["account_id"], name="limits").select(
        "account_id",
        pl.lit(value=True).alias("_found"),
        *(
            (pl.col(name) if name in table.columns else pl.lit(None))
            .cast(VALUE)
            .alias(f"_{name}")
            for name in money
        ),
    )
    near = pl.lit(Decimal(tolerance)).cast(VALUE)
    rows = (
        conform(margin, MARGIN, name="margin").lazy().pipe(join_account, given.lazy())
    )
    gap = pl.col("_non_cash_value") - pl.col("non_cash_value")
    inside = (
        pl.col("cash_value")
        - pl.col("_cash_value")
        - pl.col("_cash_equivalent_value").fill_null(Decimal(0))
        - pl.col("_non_cash_value")
    )
    complete = pl.col("unknown_count") == 0
    amount = gap.round(2).cast(pl.Decimal(38, 2)).cast(pl.String())
    out = rows.with_columns(
        pl.col("_non_cash_value").alias("reported_value"),
        gap.alias("difference_value"),
        pl.when(complete).then(gap.abs() <= near).alias("reconciles"),
        ((inside >= -near) & (pl.col("_non_cash_value") > near)).alias("double_count"),
        pl.when(pl.col("_found").is_null())
        .then(pl.lit("no limits for this account"))
        .when(~complete)
        .then(pl.format("{} of {} holdings unknown", "unknown_count", "holdings_count"))
        .when(gap.abs() > near)
        .then(pl.format("the broker's figure minus ours is {}", amount))
        .alias("reason"),
    ).select(RECONCILED.names())
    if isinstance(margin, pl.DataFrame):
        return out.collect()
    return out
