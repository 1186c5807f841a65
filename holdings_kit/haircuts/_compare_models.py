"""Which model is better, and which one moves the least when markets fall."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

from holdings_kit.errors import ConfigError, readable
from holdings_kit.haircuts._backtest import breaches, join_haircuts
from holdings_kit.haircuts.statistics._comparison import (
    FEWEST_DAYS,
    confidence_set as model_confidence_set,
    diebold_mariano,
)
from holdings_kit.haircuts.statistics._result import check_level
from holdings_kit.schema import conform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdings_kit.haircuts._frames import AnyFrame, Floats
    from holdings_kit.haircuts._losses import Loss

SCORES: Final = pl.Schema(
    {
        "model": pl.String(),
        "days": pl.Int64(),  # dates on which every model has a haircut
        "mean_loss": pl.Float64(),  # pinball, over names and dates; lower is better
        "mean_haircut": pl.Float64(),
        "breach_rate": pl.Float64(),
        "confidence_set_p": pl.Float64(),  # in the set at size α when above α
    }
)
DUELS: Final = pl.Schema(
    {
        "model": pl.String(),
        "other": pl.String(),
        "statistic": pl.Float64(),  # negative: `model` is the better one
        "p_value": pl.Float64(),
    }
)


FEWEST_BREACHES: Final = 5
"""Expected in the disjoint windows, below which the set leaves out too little."""


@readable
class Comparison(NamedTuple):
    """The answer of `compare_models`.

    Attributes
    ----------
    scores
        One row per model, best first.
    duels
        Diebold–Mariano for every ordered pair of models. No p-value where less than one
        breach is expected in the disjoint windows: there the test loses its size.
    losses
        Mean pinball loss per `date`, one column per model.

    Examples
    --------
    >>> from datetime import date
    >>> from holdings_kit.haircuts import basel
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> compared = compare_models(basel(prices), prices, confidence_set=False)
    >>> compared.scores["model"].to_list(), compared.duels.height
    (['basel'], 0)
    >>> compared.losses.columns
    ['date', 'basel']
    """

    scores: pl.DataFrame
    duels: pl.DataFrame
    losses: pl.DataFrame


def compare_models(
    haircuts: AnyFrame | Sequence[AnyFrame],
    prices: AnyFrame,
    *,
    horizon: int = 1,
    level: float = 0.99,
    loss: Loss = "terminal",
    confidence_set: bool = True,
    draws: int = 4999,
    seed: int = 0,
) -> Comparison:
    """Compare models by their pinball loss on the same names and days.

    (p − I)(r − q) with r minus the loss over the horizon and q minus the haircut,
    averaged over names day by day, since names fall together. A row counts only where
    every model has a haircut.

    Parameters
    ----------
    haircuts
        `HAIRCUTS` of two models or more, or a list of frames of one model each; the
        exchange's `MARGINS` are one (model ``exchange``).
    prices
        `PRICES` of the same instruments.
    horizon, level, loss
        See `backtest`; overlapping windows are allowed for by the frequencies.
    confidence_set
        Add the model confidence set of Hansen, Lunde and Nason (2011), with the
        variances of Diebold–Mariano and draws of its law: of equally good models it
        leaves one out at 5 % in 5 ± 2 of 100 cases (docs/statistics.md). No p-value
        where less than five breaches are expected in the disjoint windows.
    draws, seed
        Of the simulation of its law.

    Raises
    ------
    ConfigError
        A level or horizon that makes no sense.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 98.0, 97.0]}
    ... )
    >>> both = pl.DataFrame(
    ...     {
    ...         "instrument_id": ["X"] * 6,
    ...         "date": days * 2,
    ...         "model": ["low"] * 3 + ["high"] * 3,
    ...         "haircut": [0.03] * 3 + [0.30] * 3,
    ...     }
    ... )
    >>> compare_models(both, prices, confidence_set=False).scores["model"].to_list()
    ['low', 'high']
    """
    p = check_level(level)
    models = pl.col("model").n_unique().over("instrument_id", "date")
    judged = breaches(haircuts, prices, horizon=horizon, loss=loss).filter(
        pl.col("breach").is_not_null()
    )
    names = judged["model"].unique(maintain_order=True).to_list()
    gap = pl.col("haircut") - pl.col("loss")
    common = judged.filter(models == len(names)).with_columns(
        pl.when(pl.col("breach")).then((p - 1) * gap).otherwise(p * gap).alias("score")
    )
    daily = common.group_by("date", "model").agg(pl.col("score").mean())
    wide = daily.pivot("model", index="date", values="score").sort("date")
    matrix = wide.select(names).to_numpy() if wide.height else np.empty((0, len(names)))
    chosen: list[float | None] = [None] * len(names)
    enough = matrix.shape[0] >= FEWEST_DAYS and len(names) > 1
    expected = matrix.shape[0] * p / horizon
    if confidence_set and enough and expected >= FEWEST_BREACHES:
        found = model_confidence_set(matrix, horizon=horizon, draws=draws, seed=seed)
        chosen = list(found.tolist())
    scores = (
        common.group_by("model")
        .agg(
            pl.col("date").n_unique().cast(pl.Int64()).alias("days"),
            pl.col("score").mean().alias("mean_loss"),
            pl.col("haircut").mean().alias("mean_haircut"),
            pl.col("breach").mean().alias("breach_rate"),
        )
        .join(
            pl.DataFrame(
                {"model": names, "confidence_set_p": chosen},
                schema={"model": pl.String(), "confidence_set_p": pl.Float64()},
            ),
            on="model",
        )
        .sort("mean_loss", "model")
    )
    return Comparison(
        conform(scores, SCORES, name="scores"),
        _compare_pairs(names, matrix, horizon, p),
        wide,
    )


def procyclicality(
    haircuts: AnyFrame | Sequence[AnyFrame],
    *,
    days: Sequence[int] = (1, 5, 20, 30),
) -> pl.DataFrame:
    """Measure how much haircuts move: peak to trough, and the greatest rise in n days.

    Murphy, Vasios and Vause (2014). A rise is in points of haircut, the cash called per
    rupee of collateral; days are those with a haircut.

    Parameters
    ----------
    haircuts
        `HAIRCUTS`; null haircuts are left out.
    days
        The n of the rises, one column `rise_<n>` each; null for a shorter history.

    Returns
    -------
    polars.DataFrame
        `instrument_id, model, peak, trough, peak_to_trough` (null for a trough of 0)
        and the rises.

    Examples
    --------
    >>> from datetime import date
    >>> moved = pl.DataFrame(
    ...     {
    ...         "instrument_id": ["X"] * 3,
    ...         "model": ["m"] * 3,
    ...         "date": [date(2026, 1, day) for day in (1, 2, 5)],
    ...         "haircut": [0.10, 0.25, 0.20],
    ...     }
    ... )
    >>> procyclicality(moved, days=[1]).select("peak_to_trough", "rise_1").row(0)
    (2.5, 0.15)
    """
    if any(day < 1 for day in days):
        raise ConfigError(f"days {list(days)}: must be at least 1")
    h = pl.col("haircut")
    return (
        join_haircuts(haircuts)
        .lazy()
        .filter(h.is_not_null())
        .sort("instrument_id", "model", "date")
        .group_by("instrument_id", "model", maintain_order=True)
        .agg(
            h.max().alias("peak"),
            h.min().alias("trough"),
            pl.when(h.min() > 0).then(h.max() / h.min()).alias("peak_to_trough"),
            *((h - h.shift(day)).max().alias(f"rise_{day}") for day in days),
        )
        .collect()
    )


def _compare_pairs(
    names: list[str], matrix: Floats, horizon: int, p: float
) -> pl.DataFrame:
    """Compare each two models; no p-value with less than one breach expected.

    Expected in the windows that share no day.
    """
    few = len(matrix) * p < horizon
    rows: list[tuple[str, str, float, float | None]] = []
    for (i, first), (j, second) in permutations(enumerate(names), 2):
        found = diebold_mariano(matrix[:, i], matrix[:, j], horizon=horizon)
        rows.append((first, second, found.statistic, None if few else found.p_value))
    return pl.DataFrame(rows, schema=DUELS, orient="row").with_columns(
        pl.col("statistic").fill_nan(None)
    )
