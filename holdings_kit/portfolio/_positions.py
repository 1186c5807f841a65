"""Holdings to positions to totals: nothing invented, coverage beside every sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, overload

import polars as pl

from holdings_kit.errors import ConfigError, FrameError, suggest
from holdings_kit.portfolio._prices import BASES, Pricing, pricing_of, with_price
from holdings_kit.schema import (
    HOLDINGS,
    MONEY,
    POSITIONS,
    TOTALS,
    VALUE,
    FrameLike,
    any_known,
    as_frame,
    column_names,
    conform,
    cost_value,
    is_fund,
    product,
    ratio,
    take_frame,
    total,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

_KEYS: Final = ("instrument_id", "account_id", "broker", "source", "asset_class")
_BUCKETS: Final = [
    name for name in HOLDINGS if name.endswith("_quantity") and name in POSITIONS
]
_AMOUNTS: Final = (
    "cost_value",
    "market_value",
    "day_pnl",
    "reported_pnl",
    "pnl_difference",
)
_KNOWN: Final = [name for name in POSITIONS if name.startswith("known_")]
_NAMED: Final = 5  # so many are named in an error
_DESCRIBED: Final = ("isin", "symbol", "name", "asset_class")


@overload
def consolidate(
    holdings: pl.LazyFrame,
    *,
    by: str | Sequence[str] = ("instrument_id",),
    prices: FrameLike | pl.LazyFrame | None = None,
    on: date | None = None,
    max_age: int | None = None,
    prefer: Sequence[str] = BASES,
    actions: FrameLike | pl.LazyFrame | None = None,
    sort: bool = True,
) -> pl.LazyFrame: ...
@overload
def consolidate(
    holdings: FrameLike,
    *,
    by: str | Sequence[str] = ("instrument_id",),
    prices: FrameLike | pl.LazyFrame | None = None,
    on: date | None = None,
    max_age: int | None = None,
    prefer: Sequence[str] = BASES,
    actions: FrameLike | pl.LazyFrame | None = None,
    sort: bool = True,
) -> pl.DataFrame: ...
def consolidate(
    holdings: FrameLike | pl.LazyFrame,
    *,
    by: str | Sequence[str] = ("instrument_id",),
    prices: FrameLike | pl.LazyFrame | None = None,
    on: date | None = None,
    max_age: int | None = None,
    prefer: Sequence[str] = BASES,
    actions: FrameLike | pl.LazyFrame | None = None,
    sort: bool = True,
) -> pl.DataFrame | pl.LazyFrame:
    """Net holdings into one position per instrument, or per account and instrument.

    A row is valued by its own last price (basis ``ltp``), else its own close
    (``close``), else the newest price in `prices` that is not after its valuation day
    (``price``). No price comes from another row: an account's answer does not depend
    on who else is in the frame. Rows of one position may have different prices; their
    values are added, `price` is then the mean and `price_basis` ``mixed``.

    Parameters
    ----------
    holdings
        `HOLDINGS`: polars, pandas, pyarrow or the path of a file; lazy stays lazy.
        One snapshot per account (shares and funds may come from two): see
        `Store.current`.
    by
        Columns that make a position; must contain ``instrument_id``. Any of
        ``account_id``, ``broker``, ``source``, ``asset_class`` besides.
    prices
        A table of prices: ``instrument_id``, ``isin`` or ``symbol`` beside
        ``close_price`` or ``last_price`` in rupees, with ``date`` or ``price_at``; or
        the API's own ``token`` and ``ltp`` in integer paise. Undated prices count only
        without `on` and `max_age`, and where no dated one does.
    on
        The valuation day of all rows, a date in India; None: the day of each row's
        snapshot. On a later day than the snapshot's, the newest price counts, whatever
        its basis.
    max_age
        Trading days between a price and the valuation day, at most; None: any.
    prefer
        Order of the bases; leave one out and it is not used.
    actions
        `ACTIONS`: a price of the other side of an ex-date is not used, because it is
        the price of another unit.
    sort
        Largest value first; False leaves the rows in any order, which is cheaper for
        many accounts.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        `POSITIONS`, with the other columns of `by` first. A quantity, cost or value
        that is unknown in one row is unknown in the sum; the ``known_`` columns hold
        the known part, `priced_quantity` and `costed_quantity` the units it is of.
        ``return`` is P&L over the size of the cost, a fraction; ``weight`` is value
        over the sum of all sizes, negative for what was sold short. ``day_pnl`` needs
        last price and close of one payload and of neighbouring trading days. A close
        is of the trading day before the day of its snapshot. Why there is no price
        stands in `price_note`. The brokers' own P&L is carried as ``reported_pnl`` and
        compared in ``pnl_difference``, never used.

    Raises
    ------
    FrameError
        A promised column is missing or of another type; several snapshots of one
        account; `prices` has two prices of one day for one instrument, or names no
        instrument of the holdings.
    ConfigError
        `by` lacks ``instrument_id`` or names a column that makes no position; an
        argument about prices is none.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from holdings_kit.read import read_arrow
    >>> body = b'''{"status": "success", "data": [{"symbols": [{"symbol": "SBIN",
    ... "exchange": "NSE", "token": "3045"}], "qty": "3", "depositoryQty": "3",
    ... "t1Qty": "0", "brokerCollateralQty": "0", "avgPrice": "882.53", "ltp": "",
    ... "close": "973.10"}]}'''
    >>> at = datetime(2026, 1, 5, 11, tzinfo=UTC)
    >>> loaded = read_arrow(body, account_id="A1", snapshot_at=at)
    >>> row = consolidate(loaded.holdings).row(0, named=True)
    >>> row["price_basis"], str(row["price_date"]), str(row["unrealized_pnl"])
    ('close', '2026-01-02', '271.71000000')
    """
    given = as_frame(holdings, HOLDINGS, name="holdings")
    rows = conform(given.lazy(), HOLDINGS, name="holdings")
    keys = _check_keys(by)
    pricing = pricing_of(prices, on=on, max_age=max_age, prefer=prefer, actions=actions)
    _refuse_several_snapshots(rows)
    if pricing.table is not None:
        _refuse_strange_prices(rows, pricing)
    one_each = isinstance(given, pl.DataFrame) and has_one_row_each(given, keys)
    made = make_positions(rows, keys, pricing=pricing, one_each=one_each)
    if isinstance(given, pl.LazyFrame):
        return _sort_by_value(made, keys) if sort else made
    found = made.collect()
    if not sort:
        return found
    narrow = found.select("market_value", *keys).with_row_index("_place")
    return found[_sort_by_value(narrow.lazy(), keys).collect()["_place"]]


def has_one_row_each(holdings: pl.DataFrame, keys: Sequence[str]) -> bool:
    """Tell whether no two rows make one position; then there is nothing to sum."""
    return bool(holdings.select(keys).is_unique().all())


def make_positions(
    holdings: pl.LazyFrame,
    keys: Sequence[str],
    *,
    pricing: Pricing,
    one_each: bool = False,
) -> pl.LazyFrame:
    """Give what `consolidate` gives, unsorted and without its checks."""
    priced = with_price(holdings.with_columns(cost_value=cost_value()), pricing)
    value = product("owned_quantity", "price")
    rows = priced.with_columns(
        market_value=value, pnl_difference=_compare_pnl()
    ).with_columns(
        known_market_value="market_value",
        known_cost_value="cost_value",
        known_pnl=(pl.col("market_value") - pl.col("cost_value")).cast(VALUE),
        known_pnl_cost_value=pl.when(pl.col("market_value").is_not_null()).then(
            "cost_value"
        ),
        priced_quantity=pl.when(pl.col("price").is_not_null()).then("owned_quantity"),
        costed_quantity=pl.when(pl.col("cost_value").is_not_null()).then(
            "owned_quantity"
        ),
        reconciles_count=_mark_true(pl.col("reconciles")),
        unreconciled_count=_mark_true(~pl.col("reconciles")),
    )
    grouped = _keep_single_rows(rows, keys) if one_each else _sum_groups(rows, keys)
    value, cost = pl.col("market_value"), pl.col("cost_value")
    pnl = (value - cost).cast(VALUE)
    shown = grouped.with_columns(
        # both at eight places; the quotient of exact sums, rounded once
        pl.when(pl.col("owned_quantity") != 0)
        .then(cost / pl.col("owned_quantity").cast(VALUE))
        .cast(MONEY)
        .alias("average_price"),
        pnl.alias("unrealized_pnl"),
        ratio(pnl, cost.abs()).alias("return"),
        ratio(value, value.abs().sum()).alias("weight"),
    )
    rest = [key for key in keys if key not in POSITIONS]
    return shown.select(*rest, *_select_promised(POSITIONS))


def _mark_true(flag: pl.Expr) -> pl.Expr:
    return flag.fill_null(value=False).cast(pl.Int64())


def _refuse_several_snapshots(rows: pl.LazyFrame) -> None:
    """Refuse two snapshots of one account: their rows are not to be added.

    Shares and funds may come from two snapshots, one that was asked for each.
    """
    several = (
        rows.filter(pl.col("account_id").is_not_null())
        .group_by("source", "account_id", is_fund().alias("fund"))
        .agg(pl.col("snapshot_id").n_unique().alias("n"), pl.col("snapshot_at").min())
        .filter(pl.col("n") > 1)
        .sort("account_id", "source", nulls_last=True)
        .collect()
    )
    if several.height:
        named = [
            f"{account!r} ({n} snapshots)"
            for account, n in several.select("account_id", "n").iter_rows()
        ]
        reason = (
            f"several snapshots of one account: {_name_some(named)}; pass one of "
            "each, such as Store.current() gives"
        )
        raise FrameError("holdings", "snapshot_id", reason)


def _refuse_strange_prices(rows: pl.LazyFrame, pricing: Pricing) -> None:
    """Refuse a table none of whose keys is a holding's: it is keyed by other names."""
    table = pricing.table
    if table is None or table.rows.is_empty():
        return
    keys = list(table.keys)
    columns = {"instrument_id", *keys, *(["isin"] if len(keys) == 1 else [])}
    held = rows.select(sorted(columns)).unique().collect()
    if held.is_empty():
        return
    named = table.rows.select(keys).unique()
    hits = named.join(held, on=keys, how="semi").height
    if keys == ["instrument_id"] and not hits:
        isins = held.select(instrument_id="isin").drop_nulls()
        hits = named.join(isins, on=keys, how="semi").height
    if not hits:
        shown = [" ".join(map(str, row)) for row in named.sort(keys).iter_rows()]
        have = ", ".join(held["instrument_id"].drop_nulls().unique().sort().head(3))
        reason = (
            f"no holding has any of its keys: {_name_some(shown)}; "
            f"the holdings have {have}"
        )
        raise FrameError("prices", keys[-1], reason)


def _name_some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _sort_by_value(positions: pl.LazyFrame, keys: list[str]) -> pl.LazyFrame:
    """Sort by value, then by key: two sorts, cheaper than one by all columns."""
    return positions.sort(keys).sort(
        "market_value", descending=True, nulls_last=True, maintain_order=True
    )


@overload
def summarize(
    positions: pl.LazyFrame,
    *,
    by: str | Sequence[str] = (),
    accounts: FrameLike | pl.LazyFrame | None = None,
) -> pl.LazyFrame: ...
@overload
def summarize(
    positions: FrameLike,
    *,
    by: str | Sequence[str] = (),
    accounts: FrameLike | pl.LazyFrame | None = None,
) -> pl.DataFrame: ...
def summarize(
    positions: FrameLike | pl.LazyFrame,
    *,
    by: str | Sequence[str] = (),
    accounts: FrameLike | pl.LazyFrame | None = None,
) -> pl.DataFrame | pl.LazyFrame:
    """Total positions per group; every total says how much of it is covered.

    ``cost_value`` sums the known costs, ``market_value`` the known values,
    ``unrealized_pnl`` and ``return`` only units that have both: what has no price
    leaves the numerator and the denominator together. ``priced_cost_share`` is the
    part of the known cost that is also priced, ``costed_value_share`` the part of the
    known value whose cost is also known, fractions; the counts say what is left out. A
    total of nothing known is null. Netting positions over accounts changes no total.

    Parameters
    ----------
    positions
        `POSITIONS`, of any library or a file; lazy stays lazy.
    by
        Columns to group by; none gives one row.
    accounts
        Who there is: a frame with ``account_id``, such as the current snapshots. With
        it accounts that own nothing are counted, and by ``account_id`` they have a row.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        The columns of `by`, then `TOTALS`. ``accounts_count`` is null where the
        positions are not by account and `accounts` is not given.

    Raises
    ------
    FrameError
        A promised column, or one of `by`, is missing.

    Examples
    --------
    >>> from holdings_kit.schema import POSITIONS, empty
    >>> summarize(empty(POSITIONS)).select("positions_count", "market_value").row(0)
    (0, None)
    """
    given = as_frame(positions, POSITIONS, name="positions")
    rows = conform(given.lazy(), POSITIONS, name="positions")
    keys = column_names(by)
    have = rows.collect_schema()
    for column in keys:
        if column not in have:
            near = suggest(column, have)
            why = f"missing{near or '; consolidate by it first'}"
            raise FrameError("positions", column, why)
    there = None if accounts is None else _read_accounts(accounts)
    by_account = "account_id" in have
    pnl, both = pl.col("unrealized_pnl"), pl.col("_both")
    rows = rows.with_columns(
        _cost=pl.coalesce("known_cost_value", "cost_value"),
        _value=pl.coalesce("known_market_value", "market_value"),
        _pnl=pl.coalesce("known_pnl", "unrealized_pnl"),
        _both=pl.coalesce(
            "known_pnl_cost_value", pl.when(pnl.is_not_null()).then("cost_value")
        ),
    )
    costed = both + pl.col("_pnl")
    names = pl.col("account_id" if by_account else "instrument_id").drop_nulls()
    sums = [
        pl.len().cast(pl.Int64()).alias("positions_count"),
        any_known("_cost").alias("cost_value"),
        any_known("_value").alias("market_value"),
        any_known("_pnl").alias("unrealized_pnl"),
        any_known("day_pnl"),
        both.abs().sum().alias("_both"),
        pl.col("_cost").abs().sum().alias("_cost"),
        pl.col("_value").abs().sum().alias("_value"),
        costed.abs().sum().alias("_costed"),
        pl.col("price").null_count().cast(pl.Int64()).alias("unpriced_count"),
        pl.col("cost_value").null_count().cast(pl.Int64()).alias("uncosted_count"),
        pl.col("unreconciled_count").sum(),
        pl.when(pl.lit(by_account))
        .then(names.n_unique())
        .cast(pl.Int64())
        .alias("accounts_count"),
    ]
    grouped = (
        rows.group_by(keys, maintain_order=True).agg(sums)
        if keys
        else rows.select(sums)
    )
    grouped = grouped.with_columns(empty_accounts_count=pl.lit(None, pl.Int64()))
    if there is not None:
        grouped = _with_everyone(grouped, rows, keys, there, by_account=by_account)
    totals = grouped.with_columns(
        ratio("unrealized_pnl", "_both").alias("return"),
        ratio("_both", "_cost").alias("priced_cost_share"),
        ratio("_costed", "_value").alias("costed_value_share"),
    ).select(*keys, *_select_promised(TOTALS))
    return totals if isinstance(given, pl.LazyFrame) else totals.collect()


def _read_accounts(accounts: FrameLike | pl.LazyFrame) -> pl.LazyFrame:
    schema = pl.Schema({"account_id": pl.String()})
    known = take_frame(accounts, schema, name="accounts").select("account_id")
    return known.drop_nulls().unique().sort("account_id")


def _with_everyone(
    grouped: pl.LazyFrame,
    rows: pl.LazyFrame,
    keys: list[str],
    there: pl.LazyFrame,
    *,
    by_account: bool,
) -> pl.LazyFrame:
    """Count the accounts there are; by account give those without positions a row."""
    counts = ["positions_count", "unpriced_count", "uncosted_count"]
    counts += ["unreconciled_count"]
    if keys == ["account_id"]:
        empty = pl.col("positions_count").is_null()
        return there.join(
            grouped, on="account_id", how="full", coalesce=True, maintain_order="left"
        ).with_columns(
            pl.col(counts).fill_null(0),
            pl.col("_both", "_cost", "_value", "_costed").fill_null(0),
            accounts_count=pl.lit(1, pl.Int64()),
            empty_accounts_count=empty.cast(pl.Int64()),
        )
    if keys:  # a group knows who holds something in it, not who holds nothing
        return grouped
    if not by_account:
        size = there.select(accounts_count=pl.len().cast(pl.Int64()))
        return grouped.drop("accounts_count").join(size, how="cross")
    idle = there.join(rows.select("account_id"), on="account_id", how="anti")
    size = idle.select(empty_accounts_count=pl.len().cast(pl.Int64()))
    both = grouped.drop("empty_accounts_count").join(size, how="cross")
    return both.with_columns(
        accounts_count=pl.col("accounts_count") + pl.col("empty_accounts_count")
    )


def _select_promised(schema: pl.Schema) -> list[pl.Expr]:
    """Bring sums, which polars widens to 38 digits, back to the promised types."""
    return [pl.col(column).cast(dtype) for column, dtype in schema.items()]


def _check_keys(by: str | Sequence[str]) -> list[str]:
    keys = column_names(by)
    odd = [key for key in keys if key not in _KEYS]
    if odd or "instrument_id" not in keys:
        raise ConfigError(
            f"by={keys}: must contain 'instrument_id' and may contain "
            f"{', '.join(_KEYS[1:])}"
        )
    return keys


_PRICE_FACTS: Final = ("price", "price_basis", "price_date", "price_at", "price_note")
_COUNTS: Final = ("reconciles_count", "unreconciled_count")
_UNITS: Final = ("priced_quantity", "costed_quantity")


def _keep_single_rows(rows: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """Give what `_sum_groups` gives where every row is a position of its own."""
    one = pl.lit(1, pl.Int64()).alias("accounts_count")
    sums = (*_BUCKETS, *_AMOUNTS, *_KNOWN, *_UNITS, *_COUNTS)
    return rows.select(*keys, *_describe_group(keys), *sums, *_PRICE_FACTS, one)


def _sum_groups(rows: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    one = "account_id" in keys  # then there is nothing to count
    accounts = pl.lit(1) if one else pl.col("account_id").n_unique()
    basis = pl.col("price_basis")
    all_priced = pl.col("price").null_count() == 0
    mixed = pl.col("price").n_unique() > 1
    several = pl.col("_mixed") & pl.col("price").is_not_null()
    mean = pl.col("market_value") / pl.col("owned_quantity").cast(VALUE)
    return (
        rows.group_by(keys)
        .agg(
            pl.col(_describe_group(keys)).min(),  # whatever the order of the rows
            *(total(bucket) for bucket in _BUCKETS),
            accounts.cast(pl.Int64()).alias("accounts_count"),
            *(total(amount) for amount in _AMOUNTS),
            *(any_known(amount) for amount in (*_KNOWN, *_UNITS)),
            pl.col(_COUNTS).sum(),
            pl.col("price_note").min(),
            pl.when(all_priced).then(pl.col("price").max()).alias("price"),
            mixed.alias("_mixed"),
            pl.when(all_priced & (basis.n_unique() == 1))
            .then(basis.min())
            .when(all_priced)
            .then(pl.lit("mixed"))
            .alias("price_basis"),
            *(
                pl.when(all_priced & (pl.col(when).null_count() == 0))
                .then(pl.col(when).min())
                .alias(when)
                for when in ("price_date", "price_at")
            ),
        )
        .with_columns(
            price=pl.when(several & (pl.col("owned_quantity") != 0))
            .then(mean.cast(MONEY))
            .otherwise("price"),
            price_basis=pl.when(several).then(pl.lit("mixed")).otherwise("price_basis"),
        )
    )


def _describe_group(keys: Sequence[str]) -> list[str]:
    return [column for column in _DESCRIBED if column not in keys]


def _compare_pnl() -> pl.Expr:
    """Broker's P&L less ours on the same row, at the row's own last or close price."""
    price = pl.coalesce("last_price", "close_price")
    ours = product("owned_quantity", price) - product("owned_quantity", "average_price")
    return (pl.col("reported_pnl").cast(VALUE) - ours).cast(VALUE)
