"""The frames of the haircut laboratory, and the gate that prices pass.

Prices are closes per instrument and date, adjusted for splits and bonuses by whoever
supplies them. Fractions, never percentages; losses are positive. Statistics are
Float64, as prices are here: nothing in this package is money.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdings_kit.errors import FrameError
from holdings_kit.schema import conform

__all__ = [
    "HAIRCUTS",
    "PRICES",
    "AnyFrame",
    "Bools",
    "Closes",
    "Floats",
    "Ints",
    "read_closes",
]

AnyFrame: TypeAlias = pl.DataFrame | pl.LazyFrame
Bools: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

PRICES: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "date": pl.Date(),
        "close": pl.Float64(),  # any numeric type is taken; rupees per unit
    }
)

HAIRCUTS: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "date": pl.Date(),  # the last close used; the haircut covers what follows
        "model": pl.String(),
        "haircut": pl.Float64(),  # fraction in [0, 1]; null while there is no estimate
        "volatility": pl.Float64(),  # daily σ of log returns; null where there is none
        "floor_hit": pl.Boolean(),  # the rule's floor or a fixed rate set the haircut
    }
)


class Closes(NamedTuple):
    """Known closes of many instruments, one run after the other.

    Attributes
    ----------
    keys
        `instrument_id` and `date`, sorted.
    close
        One close per row of `keys`.
    starts
        First row of each instrument, and the number of rows at the end.
    """

    keys: pl.DataFrame
    close: Floats
    starts: Ints

    def returns(self, days: int = 1) -> Floats:
        """Log return over `days` closes; NaN on the first `days` of an instrument."""
        out = np.full(self.close.size, np.nan)
        out[days:] = np.log(self.close[days:] / self.close[:-days])
        for day in range(days):
            out[np.minimum(self.starts[:-1] + day, self.starts[1:] - 1)] = np.nan
        return out

    def frame(
        self,
        model: str,
        haircut: Floats,
        volatility: Floats | None = None,
        floor_hit: Bools | None = None,
    ) -> pl.DataFrame:
        """Put the answer of a model beside the keys: a `HAIRCUTS` frame."""
        known = ~np.isnan(haircut)
        hit = np.zeros(haircut.size, bool) if floor_hit is None else floor_hit
        none = np.full(haircut.size, np.nan)
        return self.keys.select(
            "instrument_id",
            "date",
            pl.lit(model).alias("model"),
            pl.Series("haircut", np.clip(haircut, 0.0, 1.0), nan_to_null=True),
            pl.Series(
                "volatility", none if volatility is None else volatility
            ).fill_nan(None),
            pl.when(pl.Series(known)).then(pl.Series(hit)).alias("floor_hit"),
        )


def read_closes(prices: AnyFrame, *, name: str = "prices") -> Closes:
    """Sort prices, drop unknown closes and find where each instrument starts.

    Raises
    ------
    FrameError
        A column is missing or of another type; a close is not above zero; an
        instrument has two closes on one date.
    """
    columns = prices.collect_schema()
    if "close" in columns and columns["close"].is_numeric():
        prices = prices.with_columns(pl.col("close").cast(pl.Float64()))
    known = conform(prices.lazy(), PRICES, name=name).select(PRICES.names()).collect()
    if any(column.null_count() for column in known):
        known = known.drop_nulls()
    starts = _first_rows(known)
    if not _in_order(known, starts):
        known = known.sort("instrument_id", "date")
        starts = _first_rows(known)
        _check_dates(known, name)
    close = known["close"].to_numpy()
    _check_closes(known, close, name)
    return Closes(known.select("instrument_id", "date"), close, starts)


def _first_rows(frame: pl.DataFrame) -> Ints:
    """First row of each run of one instrument, and the number of rows at the end."""
    name = pl.col("instrument_id")
    first = frame.select(name.ne_missing(name.shift()).arg_true()).to_series()
    return np.append(first.to_numpy(), frame.height).astype(np.int64)


def _in_order(frame: pl.DataFrame, starts: Ints) -> bool:
    """Whether instruments ascend and dates ascend within each."""
    names = frame["instrument_id"].gather(starts[:-1])
    dates = frame["date"].to_physical().to_numpy()
    later = np.diff(dates) > 0
    later[starts[1:-1] - 1] = True
    return bool((names > names.shift()).all()) and bool(later.all())


def _check_dates(frame: pl.DataFrame, name: str) -> None:
    twice = frame.filter(
        (pl.col("instrument_id") == pl.col("instrument_id").shift())
        & (pl.col("date") == pl.col("date").shift())
    )
    if twice.height:
        row = twice.row(0)
        raise FrameError(name, "date", f"{row[0]} has two closes on {row[1]}")


def _check_closes(frame: pl.DataFrame, close: Floats, name: str) -> None:
    good = np.isfinite(close) & (close > 0)
    if not bool(good.all()):
        row = frame.row(int(np.argmin(good)))
        raise FrameError(
            name, "close", f"{row[0]} on {row[1]} is {row[2]}, not above 0"
        )
