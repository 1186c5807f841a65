"""Lots, realised gains and holding periods, from a table of trades and nothing else."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final, NamedTuple

import polars as pl

from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.schema import MONEY, VALUE, FrameLike, as_frame, conform, product

__all__ = ["OPEN_LOTS", "REALIZED_LOTS", "Lots", "fifo_lots"]

_TRADES: Final = pl.Schema(
    {
        "date": pl.Date(),
        "instrument_id": pl.String(),
        "quantity": MONEY,  # bought positive, sold negative
        "price": MONEY,
    }
)
OPEN_LOTS: Final = pl.Schema(
    {
        "account_id": pl.String(),
        "instrument_id": pl.String(),
        "buy_date": pl.Date(),
        "quantity": MONEY,  # of the purchase, what is not sold
        "price": MONEY,
        "cost_value": VALUE,
        "held_days": pl.Int64(),  # up to the day asked about
        "term": pl.String(),  # short | long, would it be sold on that day
    }
)
REALIZED_LOTS: Final = pl.Schema(
    {
        "account_id": pl.String(),
        "instrument_id": pl.String(),
        "buy_date": pl.Date(),
        "sell_date": pl.Date(),
        "quantity": MONEY,
        "buy_price": MONEY,
        "sell_price": MONEY,
        "cost_value": VALUE,
        "sale_value": VALUE,
        "gain_value": VALUE,  # sale − cost, before charges and tax
        "held_days": pl.Int64(),
        "term": pl.String(),  # short | long
    }
)
_KEYS: Final = ("account_id", "instrument_id")


class Lots(NamedTuple):
    """What is left of each purchase, and what each sale took from which purchase.

    Attributes
    ----------
    open
        One row per purchase of which something is left (`OPEN_LOTS`).
    realized
        One row per sale and purchase it took from (`REALIZED_LOTS`).
    """

    open: pl.DataFrame
    realized: pl.DataFrame


def fifo_lots(
    trades: FrameLike | pl.LazyFrame | None,
    *,
    on: date | None = None,
    long_term_months: int = 12,
) -> Lots:
    """Match sales with purchases, first in, first out.

    No payload says when a share was bought: lots and holding periods cannot be made
    from holdings, and without `trades` this is refused.

    Parameters
    ----------
    trades
        ``date, instrument_id, quantity, price`` and, where there are several,
        ``account_id``: bought positive, sold negative, rupees. Within a day the order
        of the rows counts. After a split, in the units of today.
    on
        The day up to which open lots are held; None: their holding period is null.
    long_term_months
        A lot held for more than so many months is ``long``.

    Returns
    -------
    Lots
        Exact: quantities to four places, products to eight. Charges and tax are left
        out.

    Raises
    ------
    ConfigError
        There are no trades.
    FrameError
        A column is missing or holds a null; more was sold than had been bought.

    Notes
    -----
    First in, first out is how shares in a demat account are taken: section 45(2A) of
    the Income-tax Act 1961. Listed shares are long-term after more than 12 months,
    section 2(42A).

    Examples
    --------
    >>> trades = pl.DataFrame(
    ...     {
    ...         "date": [date(2024, 1, 1), date(2025, 1, 2), date(2025, 1, 10)],
    ...         "instrument_id": ["X"] * 3,
    ...         "quantity": [10, 10, -15],
    ...         "price": [100, 120, 130],
    ...     }
    ... )
    >>> lots = fifo_lots(trades.cast({"quantity": MONEY, "price": MONEY}))
    >>> lots.realized.cast({"gain_value": pl.Int64()}).select(
    ...     "term", "gain_value"
    ... ).rows()
    [('long', 300), ('short', 50)]
    >>> str(lots.open["quantity"].item())
    '5.0000'
    """
    if trades is None:
        raise ConfigError(
            "no payload says when a share was bought: pass trades with date, "
            "instrument_id, quantity and price"
        )
    if isinstance(on, datetime):
        raise ConfigError(f"on={on!r}: a date")
    rows = _read_trades(trades)
    bought = _with_ends(rows.filter(pl.col("quantity") > 0))
    sold = _with_ends(
        rows.filter(pl.col("quantity") < 0).with_columns(quantity=-pl.col("quantity"))
    )
    _refuse_short(rows)
    ends = pl.concat([bought.select(*_KEYS, "_end"), sold.select(*_KEYS, "_end")])
    parts = (
        ends.unique()
        .sort("_end")
        .with_columns(
            quantity=pl.col("_end")
            - pl.col("_end").shift(1).over(_KEYS, order_by="_end").fill_null(0)
        )
    )
    buy = bought.select(*_KEYS, "_end", buy_date="date", buy_price="price")
    sell = sold.select(*_KEYS, "_end", sell_date="date", sell_price="price")
    for side in (buy, sell):
        parts = parts.join_asof(
            side.sort("_end"),
            on="_end",
            by=list(_KEYS),
            strategy="forward",
            check_sortedness=False,
        )
    parts = parts.sort(*_KEYS, "_end").with_columns(
        account_id=pl.when(pl.col("account_id") != "").then("account_id")
    )
    day = pl.lit(on, pl.Date())
    left = parts.filter(pl.col("sell_date").is_null())
    gone = parts.filter(pl.col("sell_date").is_not_null())
    months = f"{long_term_months}mo"
    return Lots(
        left.with_columns(
            price="buy_price",
            cost_value=product("quantity", "buy_price"),
            held_days=(day - pl.col("buy_date")).dt.total_days(),
            term=_term(day, months),
        ).select(pl.col(name).cast(kind) for name, kind in OPEN_LOTS.items()),
        gone.with_columns(
            cost_value=product("quantity", "buy_price"),
            sale_value=product("quantity", "sell_price"),
            held_days=(pl.col("sell_date") - pl.col("buy_date")).dt.total_days(),
            term=_term(pl.col("sell_date"), months),
        )
        .with_columns(gain_value=pl.col("sale_value") - pl.col("cost_value"))
        .select(pl.col(name).cast(kind) for name, kind in REALIZED_LOTS.items()),
    )


def _read_trades(trades: FrameLike | pl.LazyFrame) -> pl.DataFrame:
    given = as_frame(trades, _TRADES, name="trades").lazy().collect()
    for column in _TRADES:
        if column not in given.columns:
            raise FrameError("trades", column, "missing")
        if given[column].null_count():
            raise FrameError("trades", column, "holds nulls; fill or drop them first")
    read = conform(given.cast(_TRADES), _TRADES, name="trades")
    if (read["price"] < 0).any():
        raise FrameError(
            "trades", "price", "is negative; a sale has a negative quantity"
        )
    account = (
        pl.col("account_id").cast(pl.String())
        if "account_id" in read.columns
        else pl.lit(None, pl.String()).alias("account_id")
    )
    # unknown is one account here: a join takes it for none
    named = account.fill_null("").alias("account_id")
    return (
        read.with_columns(named)
        .with_row_index("_row")
        .sort("date", "_row")
        .with_columns(pl.col("quantity").cast(pl.Decimal(38, 4)))
    )


def _with_ends(rows: pl.DataFrame) -> pl.DataFrame:
    """Count the units up to and with each trade: where its part of the queue ends."""
    return rows.with_columns(_end=pl.col("quantity").cum_sum().over(_KEYS))


def _refuse_short(rows: pl.DataFrame) -> None:
    owned = rows.with_columns(_owned=pl.col("quantity").cum_sum().over(_KEYS))
    short = owned.filter(pl.col("_owned") < 0)
    if short.height:
        row = short.row(0, named=True)
        reason = (
            f"{row['instrument_id']}: {-row['_owned'].normalize():f} more sold by "
            f"{row['date']} than bought; are earlier purchases missing, or a split?"
        )
        raise FrameError("trades", "quantity", reason)


def _term(day: pl.Expr, months: str) -> pl.Expr:
    anniversary = pl.col("buy_date").dt.offset_by(months)
    return (
        pl.when(day > anniversary)
        .then(pl.lit("long"))
        .when(day.is_not_null())
        .then(pl.lit("short"))
    )
