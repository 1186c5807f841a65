"""Holdings to positions to totals: nothing invented, coverage beside every sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.portfolio._position_prices import priced
from holdings_kit.schema import (
    HOLDINGS,
    MONEY,
    POSITIONS,
    TOTALS,
    VALUE,
    Frame,
    any_known,
    column_names,
    conform,
    cost_value,
    product,
    ratio,
    total,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["consolidate", "summarize"]

_KEYS: Final = ("instrument_id", "account_id", "broker", "source", "asset_class")
_BUCKETS: Final = (
    "settled_quantity",
    "t1_quantity",
    "pledged_quantity",
    "used_quantity",
    "position_quantity",
    "smallcase_quantity",
    "owned_quantity",
)
_AMOUNTS: Final = ("cost_value", "reported_pnl", "pnl_difference")
_DESCRIBED: Final = ("isin", "symbol", "name", "asset_class")


def consolidate(
    holdings: Frame,
    *,
    by: str | Sequence[str] = ("instrument_id",),
    quotes: pl.DataFrame | None = None,
    prices: Sequence[str] = ("ltp", "close", "quote"),
    sort: bool = True,
) -> Frame:
    """Net holdings into one position per instrument, or per account and instrument.

    Quantities are summed per bucket; a bucket that is unknown in one row is unknown in
    the sum. ``cost_value`` = Σ owned × average and ``average_price`` = Σq·p/Σq, both
    null when any part is unknown. A price is a fact about the instrument: the latest
    day's known price in the frame, in the order of `prices`, values every unit of it.
    ``market_value``, ``unrealized_pnl``, ``return`` (fraction) and ``weight`` (share of
    the priced value) are null where a part is unknown; ``day_pnl`` needs both a last
    price and a close. The brokers' own P&L is carried as ``reported_pnl`` and compared
    in ``pnl_difference``, never used.

    Every row counts: several snapshots of one account, or one account read through two
    sources, count twice. `Store.current` gives one snapshot per account.

    Parameters
    ----------
    holdings
        `HOLDINGS`, eager or lazy; lazy stays lazy.
    by
        Columns that make a position; must contain ``instrument_id``. Any of
        ``account_id``, ``broker``, ``source``, ``asset_class`` besides.
    quotes
        Prices for what the payload leaves open, basis ``quote``: either
        ``instrument_id`` and ``last_price`` in rupees, or the API's own ``token`` and
        ``ltp`` in integer paise. Optional ``price_at``, and ``exchange`` beside a
        token.
    prices
        Which basis is preferred; put ``"quote"`` first to let quotes override.
    sort
        Largest value first; False leaves the rows in any order, which is cheaper for
        many accounts.

    Returns
    -------
    Frame
        `POSITIONS`, with the other columns of `by` first, largest value first.

    Raises
    ------
    FrameError
        A promised column is missing or of another type; `quotes` has two prices of one
        instant for one instrument.
    ConfigError
        `by` lacks ``instrument_id`` or names a column that makes no position.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from holdings_kit.read import read_arrow
    >>> body = b'''{"status": "success", "data": [{"symbols": [{"symbol": "SBIN",
    ... "exchange": "NSE", "token": "3045"}], "qty": "3", "depositoryQty": "3",
    ... "t1Qty": "0", "brokerCollateralQty": "0", "avgPrice": "882.53", "ltp": "",
    ... "close": "973.10"}]}'''
    >>> loaded = read_arrow(body, account_id="A1", snapshot_at=datetime.now(UTC))
    >>> row = consolidate(loaded.holdings).row(0, named=True)
    >>> row["price_basis"], str(row["unrealized_pnl"])
    ('close', '271.71000000')
    """
    keys = _checked(by)
    apart = isinstance(holdings, pl.DataFrame) and all_apart(holdings, keys)
    made = positions(holdings.lazy(), keys, quotes=quotes, prices=prices, apart=apart)
    if not sort:
        return _like(holdings, made)
    if isinstance(holdings, pl.LazyFrame):
        return _largest_first(made, keys)
    rows = made.collect()
    narrow = rows.select("market_value", *keys).with_row_index("_place")
    return rows[_largest_first(narrow.lazy(), keys).collect()["_place"]]


def all_apart(holdings: pl.DataFrame, keys: Sequence[str]) -> bool:
    """Tell whether no two rows make one position; then there is nothing to sum."""
    return bool(holdings.select(keys).is_unique().all())


def positions(
    holdings: pl.LazyFrame,
    keys: Sequence[str],
    *,
    quotes: pl.DataFrame | None = None,
    prices: Sequence[str] = ("ltp", "close", "quote"),
    apart: bool = False,
) -> pl.LazyFrame:
    """Give what `consolidate` gives, unsorted; `apart` as `all_apart` tells it."""
    rows = conform(holdings, HOLDINGS, name="holdings").with_columns(
        cost_value=cost_value(), pnl_difference=_pnl_difference()
    )
    grouped = _renamed(rows, keys) if apart else _summed(rows, keys)
    valued = grouped.join(
        priced(rows, quotes, prices), on="instrument_id", how="left"
    ).with_columns(
        # both at eight places; the quotient of exact sums, rounded once
        average_price=pl.when(pl.col("owned_quantity") != 0)
        .then(pl.col("cost_value") / pl.col("owned_quantity").cast(VALUE))
        .cast(MONEY),
        market_value=product("owned_quantity", "price"),
    )
    value, cost = pl.col("market_value"), pl.col("cost_value")
    day = (pl.col("last_price") - pl.col("close_price")).cast(MONEY)
    shown = valued.with_columns(
        (value - cost).cast(VALUE).alias("unrealized_pnl"),
        ratio(value - cost, cost).alias("return"),
        product("owned_quantity", day).alias("day_pnl"),
        ratio(value, value.sum()).alias("weight"),
    )
    rest = [key for key in keys if key not in POSITIONS]
    return shown.select(*rest, *_as_promised(POSITIONS))


def _largest_first(positions: pl.LazyFrame, keys: list[str]) -> pl.LazyFrame:
    """Sort by value, then by key: two sorts, cheaper than one by all columns."""
    return positions.sort(keys).sort(
        "market_value", descending=True, nulls_last=True, maintain_order=True
    )


def summarize(positions: Frame, *, by: str | Sequence[str] = ()) -> Frame:
    """Total positions per group; every total says how much of it is covered.

    ``cost_value`` sums the known costs, ``market_value`` the known values,
    ``unrealized_pnl`` and ``return`` only positions that have both: an unpriced
    position leaves the numerator and the denominator together. ``priced_cost_share``
    is the part of the known cost that is also priced, a fraction; ``unpriced_count``
    and ``uncosted_count`` count what is left out. A total of nothing known is null.

    Parameters
    ----------
    positions
        `POSITIONS`, eager or lazy; lazy stays lazy.
    by
        Columns to group by; none gives one row.

    Returns
    -------
    Frame
        The columns of `by`, then `TOTALS`.

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
    rows = conform(positions.lazy(), POSITIONS, name="positions")
    keys = column_names(by)
    for column in keys:
        if column not in rows.collect_schema():
            raise FrameError("positions", column, "missing; consolidate by it first")
    both = pl.col("unrealized_pnl").is_not_null()
    rows = rows.with_columns(_both=pl.when(both).then("cost_value"))
    sums = [
        pl.len().cast(pl.Int64()).alias("positions_count"),
        any_known("cost_value"),
        any_known("market_value"),
        any_known("unrealized_pnl"),
        any_known("day_pnl"),
        any_known("_both"),
        pl.col("price").null_count().cast(pl.Int64()).alias("unpriced_count"),
        pl.col("cost_value").null_count().cast(pl.Int64()).alias("uncosted_count"),
    ]
    grouped = (
        rows.group_by(keys, maintain_order=True).agg(sums)
        if keys
        else rows.select(sums)
    )
    totals = grouped.with_columns(
        ratio("unrealized_pnl", "_both").alias("return"),
        ratio(pl.col("_both").fill_null(0), "cost_value").alias("priced_cost_share"),
    )
    return _like(positions, totals.select(*keys, *_as_promised(TOTALS)))


def _like(given: Frame, made: pl.LazyFrame) -> Frame:
    """Give back what was given: lazy for lazy, eager for eager."""
    if isinstance(given, pl.LazyFrame):
        return made
    return made.collect()


def _as_promised(schema: pl.Schema) -> list[pl.Expr]:
    """Bring sums, which polars widens to 38 digits, back to the promised types."""
    return [pl.col(column).cast(dtype) for column, dtype in schema.items()]


def _checked(by: str | Sequence[str]) -> list[str]:
    keys = column_names(by)
    odd = [key for key in keys if key not in _KEYS]
    if odd or "instrument_id" not in keys:
        raise ConfigError(
            f"by={keys}: must contain 'instrument_id' and may contain "
            f"{', '.join(_KEYS[1:])}"
        )
    return keys


def _renamed(rows: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """Give what `_summed` gives where every row is a position of its own."""
    one = pl.lit(1, pl.Int64()).alias("accounts_count")
    return rows.select(*keys, *_described(keys), *_BUCKETS, one, *_AMOUNTS)


def _summed(rows: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    one = "account_id" in keys  # then there is nothing to count
    accounts = pl.lit(1) if one else pl.col("account_id").n_unique()
    return rows.group_by(keys).agg(
        pl.col(_described(keys)).min(),  # whatever the order of the rows
        *(total(bucket) for bucket in _BUCKETS),
        accounts.cast(pl.Int64()).alias("accounts_count"),
        *(total(amount) for amount in _AMOUNTS),
    )


def _described(keys: Sequence[str]) -> list[str]:
    return [column for column in _DESCRIBED if column not in keys]


def _pnl_difference() -> pl.Expr:
    """Broker's P&L less ours on the same row, at the row's own last or close price."""
    price = pl.coalesce("last_price", "close_price")
    ours = product("owned_quantity", price) - product("owned_quantity", "average_price")
    return (pl.col("reported_pnl").cast(VALUE) - ours).cast(VALUE)
