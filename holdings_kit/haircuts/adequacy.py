"""Was the haircut enough? Coverage per instrument and model, with every test."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from holdings_kit.errors import FrameError
from holdings_kit.haircuts import _runs
from holdings_kit.haircuts._series import Setting, each
from holdings_kit.haircuts.frames import HAIRCUTS, AnyFrame, Floats, Ints
from holdings_kit.haircuts.losses import Loss, losses, netted
from holdings_kit.haircuts.tests.result import check_level
from holdings_kit.schema import column_names, conform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

__all__ = ["COVERAGE", "backtest", "breaches"]

BREACHES: Final = pl.Schema(
    {**HAIRCUTS, "loss": pl.Float64(), "breach": pl.Boolean()}
    | {"shortfall": pl.Float64()}
)
COVERAGE: Final = pl.Schema(
    {
        "instrument_id": pl.String(),  # these two are replaced by the keys asked for
        "model": pl.String(),
        "n": pl.Int64(),  # windows judged: haircut and loss both known
        "breaches": pl.Int64(),
        "expected": pl.Float64(),  # n × (1 − level)
        "ratio": pl.Float64(),  # breaches / expected
        "rate": pl.Float64(),
        "rate_lower": pl.Float64(),  # Clopper–Pearson, 95 %, of n/H windows
        "rate_upper": pl.Float64(),
        "mean_haircut": pl.Float64(),
        "break_even_haircut": pl.Float64(),  # least constant one that keeps the level
        "excess": pl.Float64(),  # mean haircut − break-even
        "first_breach": pl.Date(),
        "worst_shortfall": pl.Float64(),  # loss − haircut, of breaches
        "mean_shortfall": pl.Float64(),
        # windows that do not overlap, one instrument: null otherwise
        "exact_p": pl.Float64(),  # binomial, two-sided
        "kupiec_p": pl.Float64(),
        "tuff_p": pl.Float64(),
        "christoffersen_p": pl.Float64(),
        "conditional_coverage_p": pl.Float64(),
        "haas_p": pl.Float64(),
        "duration_p": pl.Float64(),
        "dynamic_quantile_p": pl.Float64(),
        "traffic_light": pl.String(),
        # right for overlapping windows too
        "hac_p": pl.Float64(),
        "offsets_p": pl.Float64(),
        "bootstrap_p": pl.Float64(),
        "note": pl.String(),
    }
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
    rows = conform(haircuts.lazy(), HAIRCUTS, name="haircuts").collect()
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
    ...         "volatility": [None] * 3,
    ...         "floor_hit": [True] * 3,
    ...     },
    ...     schema=HAIRCUTS,
    ... )
    >>> backtest(flat, prices, level=0.5).select("n", "breaches").row(0)
    (2, 1)
    """
    p = check_level(level)
    by = column_names(by)
    judged = breaches(haircuts, prices, horizon=horizon, loss=loss)
    if book is not None:
        whole = netted(haircuts, prices, book)
        added = breaches(whole.haircuts, whole.prices, horizon=horizon, loss=loss)
        judged = pl.concat([judged, added], how="diagonal")
    judged = judged.filter(pl.col("breach").is_not_null())
    if start is not None:
        judged = judged.filter(pl.col("date") >= start)
    if "year" in by:
        judged = judged.with_columns(pl.col("date").dt.year().alias("year"))
    for column in by:
        if column not in judged.columns:
            raise FrameError("haircuts", column, "is asked for in `by` but not there")
    setting = Setting(p, horizon, {"instrument_id", "model"} <= set(by), draws, seed)
    return _coverage(_ordered(judged, by), by, setting)


def _ordered(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Sort by key and date, unless the rows stand so already."""
    before = {key: pl.col(key).shift() for key in (*by, "date")}
    in_order = before["date"] <= pl.col("date")
    for key in reversed(by):
        same = before[key] == pl.col(key)
        in_order = (before[key] < pl.col(key)) | (same & in_order)
    if rows.select(in_order.all()).item():
        return rows
    return rows.sort(*by, "date")


def _starts(rows: pl.DataFrame, by: Sequence[str]) -> Ints:
    """First row of each key, and the number of rows at the end."""
    changed = pl.any_horizontal(
        pl.col(key).ne_missing(pl.col(key).shift()) for key in by
    )
    first = rows.select(changed.alias("changed")).to_series().arg_true().to_numpy()
    if rows.height and (first.size == 0 or first[0] != 0):
        first = np.append(0, first)
    return np.append(first, rows.height).astype(np.int64)


def _coverage(rows: pl.DataFrame, by: Sequence[str], setting: Setting) -> pl.DataFrame:
    keys = rows.select(by).clear().schema
    schema = pl.Schema({**keys, **{n: t for n, t in COVERAGE.items() if n not in keys}})
    if not setting.alone:
        schema = pl.Schema(
            {
                n: t
                for n, t in schema.items()
                if n in keys or n not in COVERAGE.names()[:2]
            }
        )
    if rows.height == 0:
        return pl.DataFrame(schema=schema)
    starts = _starts(rows, by)
    hits = rows["breach"].to_numpy()
    found = _runs.counted(hits, starts)
    columns = _plain(rows, starts, found, setting)
    if setting.disjoint:
        columns |= _runs.ratios(found, setting.p)
        columns["traffic_light"] = _runs.zones(found["x"], found["n"], setting.p)
    columns |= each(rows, starts, setting)
    frame = rows.select(by).gather(starts[:-1])
    for name, dtype in schema.items():
        if name not in keys:
            values = columns.get(name)
            column = pl.Series(
                name, [None] * frame.height if values is None else values
            )
            if column.dtype.is_float():
                column = column.fill_nan(None)
            frame = frame.with_columns(column.cast(dtype))
    return frame


def _plain(
    rows: pl.DataFrame, starts: Ints, found: dict[str, Floats], setting: Setting
) -> dict[str, Floats | pl.Series]:
    """Take counts, rates and shortfalls of each run."""
    n, x, first = found["n"], found["x"], starts[:-1]
    hits, short = rows["breach"].to_numpy(), rows["shortfall"].to_numpy()
    mean = np.add.reduceat(rows["haircut"].to_numpy(), first) / n
    deep = np.add.reduceat(np.where(hits, short, 0.0), first)
    worst = np.maximum.reduceat(short, first)
    any_hit = np.where(x > 0, 1.0, np.nan)
    independent = _independent(rows, starts, setting)
    lower, upper = _runs.rate_limits(x / n * independent, independent)
    day = np.where(x > 0, first + np.nan_to_num(found["first"], nan=1.0) - 1, 0)
    dated = rows["date"].gather(day.astype(np.int64))
    even = _break_even(rows["loss"].to_numpy(), starts, setting.p)
    return {
        "n": n,
        "breaches": x,
        "expected": n * setting.p,
        "ratio": x / (n * setting.p),
        "rate": x / n,
        "rate_lower": lower,
        "rate_upper": upper,
        "mean_haircut": mean,
        "break_even_haircut": even,
        "excess": mean - even,
        "first_breach": pl.select(pl.when(pl.Series(x > 0)).then(dated)).to_series(),
        "worst_shortfall": worst * any_hit,
        "mean_shortfall": deep / np.maximum(x, 1) * any_hit,
    }


def _independent(rows: pl.DataFrame, starts: Ints, setting: Setting) -> Floats:
    """Count the windows of each run that share no day."""
    n = np.diff(starts).astype(np.float64)
    if not setting.alone:
        dates = rows["date"]
        n = np.array(
            [dates[a:b].n_unique() for a, b in pairwise(starts.tolist())], float
        )
    return np.maximum(n / setting.horizon, 1.0)


def _break_even(lost: Floats, starts: Ints, p: float) -> Floats:
    """Least constant haircut with at most ⌊n p⌋ breaches, not below 0."""
    out = np.empty(starts.size - 1)
    for run, (first, last) in enumerate(pairwise(starts.tolist())):
        place = last - first - 1 - int((last - first) * p + 1e-9)
        out[run] = np.partition(lost[first:last], max(place, 0))[max(place, 0)]
    return np.maximum(out, 0.0)
