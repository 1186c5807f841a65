"""What would have been lost over the days it takes to sell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._frames import (
    HAIRCUTS,
    AnyFrame,
    Floats,
    check_choice,
    check_days,
    read_closes,
    read_haircuts,
)
from holdings_kit.haircuts._volatility import volatility
from holdings_kit.schema import fill_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdings_kit.haircuts.statistics._overlapping import Loss

BOOK: Final = "(book)"
"""`instrument_id` under which a netted book stands beside its names."""


class Book(NamedTuple):
    """A book as if it were one instrument.

    Attributes
    ----------
    haircuts
        `HAIRCUTS` of the book: the names' haircuts weighted by value.
    prices
        `PRICES` of the book: its value in rupees.
    """

    haircuts: pl.DataFrame
    prices: pl.DataFrame


def losses(
    prices: AnyFrame, *, horizon: int = 1, loss: Loss = "terminal"
) -> pl.DataFrame:
    """Loss of a long position over the next `horizon` closes, as a fraction.

    Parameters
    ----------
    prices
        `PRICES`. Rows without a close are left out, and not counted as days.
    horizon
        Closes until the position is sold, H.
    loss
        ``terminal``: 1 − P(t+H)/P(t). ``worst``: 1 − min P(t+1 … t+H)/P(t).

    Returns
    -------
    polars.DataFrame
        `instrument_id, date, loss`; null where the window is not over yet.

    Examples
    --------
    >>> from datetime import date
    >>> prices = pl.DataFrame(
    ...     {
    ...         "instrument_id": ["X"] * 3,
    ...         "close": [100.0, 80.0, 90.0],
    ...         "date": [date(2026, 1, day) for day in (1, 2, 5)],
    ...     }
    ... )
    >>> losses(prices, horizon=2)["loss"].round(2).to_list()
    [0.1, None, None]
    >>> losses(prices, horizon=2, loss="worst")["loss"].round(2).to_list()
    [0.2, None, None]
    """
    return windows(prices, horizon=horizon, loss=loss).select(
        "instrument_id", "date", "loss"
    )


def windows(prices: AnyFrame, *, horizon: int, loss: Loss) -> pl.DataFrame:
    """Give `losses`, and beside them what the tests of overlapping windows need.

    `day` is the place of the close among those of its instrument, `end_date` the last
    close of the window, `move` the log return of its first day, `sigma` the EWMA
    volatility (λ = 0.94) known on `date`, by which one sees whether a haircut moves.
    """
    check_days(horizon, "horizon")
    check_choice(loss, "loss", ("terminal", "worst"), quoted=True)
    closes = read_closes(prices)
    starts = closes.starts
    first = horizon if loss == "terminal" else 1
    low = _look_ahead(closes.close, first)
    for day in range(first + 1, horizon + 1):
        low = np.minimum(low, _look_ahead(closes.close, day))
    for day in range(1, horizon + 1):
        low[np.maximum(starts[1:] - day, starts[:-1])] = np.nan
    size = closes.close.size
    at = np.arange(size)
    end = np.minimum(at + horizon, max(size - 1, 0))
    return closes.keys.with_columns(
        pl.Series("loss", 1 - low / closes.close, nan_to_null=True),
        pl.Series("day", at - np.repeat(starts[:-1], np.diff(starts)), pl.Int64()),
        closes.keys["date"].gather(end).alias("end_date"),
        pl.Series("move", _look_ahead(closes.moves, 1)),
        pl.Series("sigma", volatility(closes, decay=0.94, seed="first")),
    )


def netted(
    haircuts: AnyFrame, prices: AnyFrame, quantities: Mapping[str, float]
) -> Book:
    """Net a book of fixed quantities into one instrument, `BOOK`.

    Its price is Σ quantity × close, its haircut the names' haircuts weighted by value.
    A date counts only when every name has a close, and a haircut of the model.

    Parameters
    ----------
    haircuts
        `HAIRCUTS` of the names.
    prices
        `PRICES` of the names.
    quantities
        Units held per `instrument_id`, above zero.

    Raises
    ------
    ConfigError
        A quantity is not above zero.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> from holdings_kit.haircuts import basel
    >>> book = netted(basel(prices), prices, {"X": 10})
    >>> book.prices["close"].to_list()
    [1000.0, 600.0, 610.0]
    """
    for name, quantity in quantities.items():
        if not quantity > 0:
            raise ConfigError(f"quantity of {name} is {quantity}, must be above 0")
    closes = read_closes(prices)
    held = pl.DataFrame(
        {"instrument_id": list(quantities), "quantity": list(quantities.values())},
        schema={"instrument_id": pl.String(), "quantity": pl.Float64()},
    )
    worth = (
        closes.keys.with_columns(pl.Series("close", closes.close))
        .join(held, on="instrument_id")
        .with_columns((pl.col("close") * pl.col("quantity")).alias("value"))
    )
    whole = pl.len() == len(quantities)
    book = worth.group_by("date").agg(pl.col("value").sum().alias("close"), whole=whole)
    rows = read_haircuts(haircuts)
    weighted = (
        rows.filter(pl.col("haircut").is_not_null())
        .join(worth, on=["instrument_id", "date"])
        .group_by("date", "model", "name")
        .agg(
            ((pl.col("haircut") * pl.col("value")).sum() / pl.col("value").sum()).alias(
                "haircut"
            ),
            pl.col("floor_hit").all(),
            *(
                pl.when(pl.col(column).n_unique() == 1).then(pl.col(column).first())
                for column in ("level", "horizon")
            ),
            whole=whole,
        )
    )
    named = pl.lit(BOOK).alias("instrument_id")
    return Book(
        weighted.filter("whole")
        .with_columns(named)
        .pipe(fill_columns, HAIRCUTS)
        .sort("model", "name", "date"),
        book.filter("whole").select(named, "date", "close").sort("date"),
    )


def _look_ahead(close: Floats, days: int) -> Floats:
    """Close `days` rows later; NaN past the end."""
    out = np.full(close.size, np.nan)
    if days < close.size:
        out[: close.size - days] = close[days:]
    return out
