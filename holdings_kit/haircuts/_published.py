"""Published haircuts over time: panel, drift and change points.

Pure functions of a `HOLDINGS` history, one frame of many snapshots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import polars as pl

from holdings_kit.haircuts._frames import HAIRCUTS, check_choice
from holdings_kit.market._days import day_of
from holdings_kit.schema import (
    HOLDINGS,
    MONEY,
    RATE,
    conform,
    fill_columns,
    take_frame,
)

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import AnyFrame, Floats

PANEL: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "source": pl.String(),
        "broker": pl.String(),
        "date": pl.Date(),  # of the snapshot, in India
        "haircut": RATE,  # the day's last report
        "close_price": MONEY,
        "accounts_count": pl.Int64(),
        "agrees": pl.Boolean(),  # all accounts were told the same that day
    }
)
CHANGE_POINTS: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "source": pl.String(),
        "broker": pl.String(),
        "date_before": pl.Date(),
        "date": pl.Date(),
        "haircut_before": pl.Float64(),
        "haircut_after": pl.Float64(),
        "change": pl.Float64(),
    }
)
SERIES: Final = ("instrument_id", "source", "broker")
SHORTEST: Final = 5
_ORDER: Final = ("snapshot_at", "snapshot_id", "holding_no")


def panel(holdings: AnyFrame) -> pl.DataFrame:
    """Collect the haircut published for each instrument on each day.

    Parameters
    ----------
    holdings
        `HOLDINGS`, many snapshots of many accounts. Rows without a haircut say nothing
        and are left out.

    Returns
    -------
    polars.DataFrame
        `PANEL`, sorted. Where accounts of one broker were told different haircuts on
        one day `agrees` is false and the latest stands.

    Examples
    --------
    >>> from holdings_kit.schema import HOLDINGS, empty
    >>> panel(empty(HOLDINGS)).height
    0
    """
    return panel_of(panel_part(holdings).collect())


def panel_part(holdings: AnyFrame) -> pl.LazyFrame:
    """Add up snapshots for `panel_of`; those of an account and a day together."""
    newest = pl.struct(*_ORDER, "haircut", "close_price")
    return (
        take_frame(holdings, HOLDINGS, name="holdings")
        .filter(pl.col("haircut").is_not_null())
        .with_columns(date=day_of(pl.col("snapshot_at")))
        .sort(_ORDER)
        .group_by(*SERIES, "date")
        .agg(
            newest.last().alias("newest"),
            newest.filter(pl.col("close_price").is_not_null()).last().alias("closed"),
            pl.col("account_id").n_unique().cast(pl.Int64()).alias("accounts_count"),
            pl.col("haircut").min().alias("least"),
            pl.col("haircut").max().alias("most"),
        )
    )


def panel_of(parts: pl.DataFrame) -> pl.DataFrame:
    """Put parts of the panel together: `PANEL`."""

    def last(part: str, column: str) -> pl.Expr:
        order = [pl.col(part).struct.field(name) for name in _ORDER]
        said = pl.col(part).struct.field(column).sort_by(order)
        return said.drop_nulls().last().alias(column)

    rows = (
        parts.group_by(*SERIES, "date")
        .agg(
            last("newest", "haircut"),
            last("closed", "close_price"),
            pl.col("accounts_count").sum(),
            (pl.col("least").min() == pl.col("most").max()).alias("agrees"),
        )
        .sort(*SERIES, "date")
    )
    return conform(rows, PANEL, name="panel")


def published(holdings: AnyFrame) -> pl.DataFrame:
    """Turn published haircuts into `HAIRCUTS`, to be backtested like a model.

    The model is named after the broker, or the source where the broker is unknown.

    Parameters
    ----------
    holdings
        `HOLDINGS`, many snapshots.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from decimal import Decimal
    >>> from holdings_kit.schema import HOLDINGS
    >>> line = {"instrument_id": "X", "source": "arrow", "haircut": Decimal("0.2")}
    >>> line |= {"snapshot_at": datetime(2026, 1, 5, tzinfo=UTC), "close_price": 9}
    >>> published(pl.DataFrame([line], schema=HOLDINGS)).select("model", "haircut").row(
    ...     0
    ... )
    ('arrow', 0.2)
    """
    model = pl.coalesce("broker", "source")
    haircut = pl.col("haircut").cast(pl.Float64())
    named = panel(holdings).with_columns(haircut, model=model, name=model)
    return fill_columns(named, HAIRCUTS)


def drift(panel: AnyFrame) -> pl.DataFrame:
    """Say how far each published haircut has moved.

    Parameters
    ----------
    panel
        `PANEL`.

    Returns
    -------
    polars.DataFrame
        Per instrument, source and broker: first and last date and haircut, `change`,
        `lowest`, `highest`, `steps` (days on which it was another than before) and
        `trend_per_year`, the least-squares slope; null for a single day.

    Examples
    --------
    >>> from datetime import date
    >>> from decimal import Decimal
    >>> told = [
    ...     (date(2026, 1, 1), Decimal("0.125")),
    ...     (date(2026, 1, 2), Decimal("0.25")),
    ... ]
    >>> rows = [{"instrument_id": "X", "date": day, "haircut": h} for day, h in told]
    >>> history = pl.DataFrame(rows, schema=PANEL)
    >>> drift(history).select("first_haircut", "last_haircut", "steps").row(0)
    (Decimal('0.125000'), Decimal('0.250000'), 1)
    """
    days = (pl.col("date") - pl.col("date").min()).dt.total_days().cast(pl.Float64())
    rate = pl.col("haircut").cast(pl.Float64())
    return (
        take_frame(panel, PANEL, name="panel")
        .sort(*SERIES, "date")
        .group_by(SERIES, maintain_order=True)
        .agg(
            pl.col("date").first().alias("first_date"),
            pl.col("date").last().alias("last_date"),
            pl.len().cast(pl.Int64()).alias("days"),
            pl.col("haircut").first().alias("first_haircut"),
            pl.col("haircut").last().alias("last_haircut"),
            (pl.col("haircut").last() - pl.col("haircut").first())
            .cast(RATE)
            .alias("change"),
            pl.col("haircut").min().alias("lowest"),
            pl.col("haircut").max().alias("highest"),
            (pl.col("haircut") != pl.col("haircut").shift())
            .sum()
            .cast(pl.Int64())
            .alias("steps"),
            pl.when(pl.len() > 1)
            .then(pl.cov(days, rate) / days.var() * 365.25)
            .alias("trend_per_year"),
        )
        .collect()
    )


def change_points(
    panel: AnyFrame,
    *,
    method: Literal["steps", "levels"] = "steps",
    minimum: float = 0.0,
    penalty: float = 3.0,
) -> pl.DataFrame:
    """Find the days on which a published haircut changed.

    Parameters
    ----------
    panel
        `PANEL`.
    method
        ``steps``: every day whose haircut differs from the day before.
        ``levels``: the days that split the history into the best constant levels, by
        binary segmentation; a split must reduce the sum of squares by `penalty` × ln n
        × the noise variance (from first differences), segments have at least 5 days.
    minimum
        Changes of at most this fraction are left out.
    penalty
        Of ``levels``.

    Returns
    -------
    polars.DataFrame
        One row per change: `date_before` and `date` are the last day of the old and the
        first day of the new haircut; for ``levels`` the haircuts are the means.

    Examples
    --------
    >>> from datetime import date
    >>> from decimal import Decimal
    >>> told = [
    ...     (date(2026, 1, 1), Decimal("0.125")),
    ...     (date(2026, 1, 2), Decimal("0.25")),
    ... ]
    >>> rows = [{"instrument_id": "X", "date": day, "haircut": h} for day, h in told]
    >>> history = pl.DataFrame(rows, schema=PANEL)
    >>> change_points(history).select("date", "change").row(0)
    (datetime.date(2026, 1, 2), 0.125)
    """
    check_choice(method, "method", ("steps", "levels"), quoted=True)
    rows = (
        take_frame(panel, PANEL, name="panel")
        .with_columns(pl.col("haircut").cast(pl.Float64()))
        .sort(*SERIES, "date")
        .collect()
    )
    if method == "levels" and rows.height:
        level = pl.col("haircut").map_batches(
            lambda run: pl.Series(_average_segments(run.to_numpy(), penalty)),
            return_dtype=pl.Float64(),
        )
        rows = rows.with_columns(level.over(SERIES))
    before = pl.col("haircut").shift().over(SERIES)
    found = rows.with_columns(
        before.alias("haircut_before"),
        pl.col("date").shift().over(SERIES).alias("date_before"),
        pl.col("haircut").alias("haircut_after"),
        (pl.col("haircut") - before).alias("change"),
    ).filter((pl.col("change") != 0) & (pl.col("change").abs() > minimum))
    return found.select(CHANGE_POINTS.names())


def _average_segments(values: Floats, penalty: float) -> Floats:
    """Replace each value by the mean of its segment."""
    steps = np.abs(np.diff(values))
    noise = float(np.median(steps) * 1.4826) ** 2 / 2 if steps.size else 0.0
    needed = max(penalty * np.log(max(values.size, 2)) * noise, 1e-12)
    out = np.empty(values.size)
    todo = [(0, values.size)]
    while todo:
        first, last = todo.pop()
        run = values[first:last]
        place, gain = _find_best_split(run)
        if gain > needed:
            todo += [(first, first + place), (first + place, last)]
        else:
            out[first:last] = run.mean()
    return out


def _find_best_split(run: Floats) -> tuple[int, float]:
    """Find where two means fit best, and by how much the squares fall."""
    if run.size < 2 * SHORTEST:
        return 0, 0.0
    left = np.arange(SHORTEST, run.size - SHORTEST + 1)
    total = np.cumsum(run)
    low = total[left - 1] / left
    high = (total[-1] - total[left - 1]) / (run.size - left)
    gain = left * (run.size - left) / run.size * (low - high) ** 2
    best = int(np.argmax(gain))
    return int(left[best]), float(gain[best])
