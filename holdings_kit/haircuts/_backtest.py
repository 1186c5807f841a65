"""Was the haircut enough? Coverage per instrument and model, with every test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.errors import FrameError
from holdings_kit.haircuts._coverage import COVERAGE, coverage
from holdings_kit.haircuts._frames import HAIRCUTS, AnyFrame, read_haircuts
from holdings_kit.haircuts._losses import Loss, losses, netted
from holdings_kit.haircuts._series import Setting
from holdings_kit.haircuts.statistics._result import check_level
from holdings_kit.schema import column_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

__all__ = ["COVERAGE", "backtest", "breaches"]

BREACHES: Final = pl.Schema(
    {**HAIRCUTS, "loss": pl.Float64(), "breach": pl.Boolean()}
    | {"shortfall": pl.Float64()}
)


def breaches(
    haircuts: AnyFrame, prices: AnyFrame, *, horizon: int = 1, loss: Loss = "terminal"
) -> pl.DataFrame:
    """Put loss, breach and shortfall beside each haircut.

    Parameters
    ----------
    haircuts
        `HAIRCUTS`; further columns stay.
    prices
        `PRICES` of the same instruments.
    horizon, loss
        See `losses`.

    Returns
    -------
    polars.DataFrame
        `HAIRCUTS` with `loss`, `breach` (loss above haircut) and `shortfall`
        (loss − haircut); null where haircut or loss is not known.

    Examples
    --------
    >>> import polars as pl
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> from holdings_kit.haircuts import basel
    >>> breaches(basel(prices), prices)["shortfall"].round(4).to_list()
    [0.1, -0.3167, None]
    """
    rows = read_haircuts(haircuts)
    lost = losses(prices, horizon=horizon, loss=loss)
    keys = ["instrument_id", "date"]
    if rows.select(keys).equals(lost.select(keys)):
        joined = rows.with_columns(lost["loss"])
    else:
        joined = rows.join(lost, on=keys, how="left", maintain_order="left")
    short = pl.col("loss") - pl.col("haircut")
    return joined.with_columns((short > 0).alias("breach"), short.alias("shortfall"))


def backtest(
    haircuts: AnyFrame,
    prices: AnyFrame,
    *,
    horizon: int = 1,
    level: float = 0.99,
    loss: Loss = "terminal",
    by: str | Sequence[str] = ("instrument_id", "model"),
    start: date | None = None,
    book: Mapping[str, float] | None = None,
    draws: int = 999,
    seed: int = 0,
) -> pl.DataFrame:
    """Judge haircuts against the losses that followed.

    A breach is a loss above the haircut. Windows that start on consecutive days and
    last H > 1 days overlap: there every p-value that counts them as independent is
    null, and `hac_p`, `offsets_p`, `bootstrap_p` (see `tests.overlapping`) take over.
    The same holds for rows that pool instruments, which fall together.

    Parameters
    ----------
    haircuts
        `HAIRCUTS` of one or many models, or published ones under a model's name.
    prices
        `PRICES` of the same instruments.
    horizon
        Days to liquidate, H.
    level
        Coverage aimed at; a broker's haircut states none, so it must be said here.
    loss
        ``terminal`` or ``worst`` within the horizon; see `losses`.
    by
        Keys of a row: any of `instrument_id`, `model`, `year` and further columns of
        `haircuts`, such as a group.
    start
        First date judged; haircuts that are null are never judged, so a seed that
        saw the first returns is not judged on them.
    book
        Units held per `instrument_id`: adds the netted book as `(book)`, whose
        adequacy is another question than that of its names.
    draws, seed
        Of the block bootstrap.

    Returns
    -------
    polars.DataFrame
        `COVERAGE`, its first columns being `by`. A count of zero breaches says that the
        rate is at most `rate_upper`, not that the model passed.

    Raises
    ------
    ConfigError
        An option is out of range.
    FrameError
        A column of `by` does not exist.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 80.0, 79.0]}
    ... )
    >>> flat = pl.DataFrame(
    ...     {
    ...         "instrument_id": ["X"] * 3,
    ...         "date": days,
    ...         "model": ["flat"] * 3,
    ...         "haircut": [0.125] * 3,
    ...     }
    ... )
    >>> backtest(flat, prices, level=0.5).select("n", "breaches").row(0)
    (2, 1)
    """
    by = column_names(by)
    setting = Setting(
        check_level(level),
        horizon,
        {"instrument_id", "model"} <= set(by),
        draws,
        seed,
    )
    rows = judged(haircuts, prices, horizon=horizon, loss=loss, start=start, book=book)
    return coverage(keyed(rows, by), by, setting)


def judged(
    haircuts: AnyFrame,
    prices: AnyFrame,
    *,
    horizon: int,
    loss: Loss,
    start: date | None = None,
    book: Mapping[str, float] | None = None,
) -> pl.DataFrame:
    """Take the windows of `breaches` whose haircut and loss are both known."""
    rows = breaches(haircuts, prices, horizon=horizon, loss=loss)
    if book is not None:
        whole = netted(haircuts, prices, book)
        added = breaches(whole.haircuts, whole.prices, horizon=horizon, loss=loss)
        rows = pl.concat([rows, added], how="diagonal")
    rows = rows.filter(pl.col("breach").is_not_null())
    return rows if start is None else rows.filter(pl.col("date") >= start)


def keyed(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Add the year where `by` asks for it, and refuse keys that are not there."""
    if "year" in by:
        rows = rows.with_columns(pl.col("date").dt.year().alias("year"))
    for column in by:
        if column not in rows.columns:
            raise FrameError("haircuts", column, "is asked for in `by` but not there")
    return rows
