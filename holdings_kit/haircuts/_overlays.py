"""Anti-procyclical overlays on a haircut, after EMIR RTS 153/2013, article 28.

Each takes a `HAIRCUTS` frame and returns one, with the overlay added to the model's
name; `volatility` stays as it was, a haircut that is null stays null.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._frames import (
    AnyFrame,
    check_days,
    check_fraction,
    read_closes,
    read_haircuts,
)
from holdings_kit.haircuts._numeric import normal_quantile

TEN_YEARS = 2500
RUN = ("instrument_id", "model", "name")


def buffer(
    haircuts: AnyFrame, *, rate: float = 0.25, window: int = 250
) -> pl.DataFrame:
    """Add a buffer that is released while the haircut runs ahead of its own mean.

    max(m, min(1.25 m, 1.25 m̄)) with m̄ the mean of the last `window` haircuts: in calm
    times the whole buffer stands, in a rise it is used up before the haircut moves, and
    it is never less than m. Article 28(1)(a) names the 25 %, not the release; the
    trailing mean is the rule chosen here.

    Parameters
    ----------
    haircuts
        `HAIRCUTS`.
    rate
        Size of the buffer, a fraction of the haircut.
    window
        Haircuts in the mean; fewer at the start.

    Examples
    --------
    >>> from datetime import date
    >>> calm = pl.DataFrame(
    ...     {
    ...         "instrument_id": ["X"] * 2,
    ...         "date": [date(2026, 1, 1), date(2026, 1, 2)],
    ...         "model": ["m"] * 2,
    ...         "haircut": [0.10, 0.20],
    ...     }
    ... )
    >>> buffer(calm, window=2)["haircut"].to_list()
    [0.125, 0.2]
    """
    check_days(window, "window")
    if rate < 0:
        raise ConfigError(f"rate {rate}: a buffer is not negative")
    m = pl.col("haircut")
    mean = m.rolling_mean(window, min_samples=1).over(RUN, order_by="date")
    held = pl.min_horizontal(m, mean) * (1 + rate)
    return _overlay(haircuts, pl.max_horizontal(m, held), "buffer")


def stressed(
    haircuts: AnyFrame, *, stress: float | Mapping[str, float], weight: float = 0.25
) -> pl.DataFrame:
    """Give stressed observations a weight: 0.75 m + 0.25 m_stress.

    Parameters
    ----------
    haircuts
        `HAIRCUTS`.
    stress
        Haircut of the stressed period, one for all or per `instrument_id`; an
        instrument without one gets null.
    weight
        Weight of the stressed haircut, 25 % in article 28(1)(b).

    Examples
    --------
    >>> from datetime import date
    >>> one = pl.DataFrame(
    ...     {
    ...         "instrument_id": ["X"],
    ...         "date": [date(2026, 1, 1)],
    ...         "model": ["m"],
    ...         "haircut": [0.10],
    ...     }
    ... )
    >>> stressed(one, stress=0.30)["haircut"].round(4).item()
    0.15
    """
    check_fraction(weight, "weight")
    if isinstance(stress, Mapping):
        names = pl.col("instrument_id")
        worst = names.replace_strict(
            dict(stress), default=None, return_dtype=pl.Float64()
        )
    else:
        worst = pl.lit(float(stress))
    mixed = (1 - weight) * pl.col("haircut") + weight * worst
    return _overlay(haircuts, mixed, "stressed")


def ten_year_floor(
    haircuts: AnyFrame,
    prices: AnyFrame,
    *,
    multiple: float | None = None,
    level: float = 0.99,
    horizon: int = 1,
    window: int = TEN_YEARS,
) -> pl.DataFrame:
    """Keep the haircut above what ten years of volatility ask for: max(m, k σ₁₀ √H).

    Parameters
    ----------
    haircuts
        `HAIRCUTS`.
    prices
        `PRICES` of the same instruments.
    multiple
        k; ``None`` for the normal quantile of `level`.
    level, horizon
        See `ewma`.
    window
        Returns in σ, the square root of their mean square (mean zero).

    Returns
    -------
    polars.DataFrame
        `HAIRCUTS`; null where there are not `window` returns behind the date.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> from holdings_kit.haircuts import basel
    >>> floored = ten_year_floor(basel(prices), prices, multiple=3, window=2)
    >>> floored["haircut"].to_list()  # 3σ is above 1
    [None, None, 1.0]
    """
    check_days(window, "window")
    check_days(horizon, "horizon")
    check_fraction(level, "level")
    closes = read_closes(prices)
    k = (normal_quantile(level) if multiple is None else multiple) * horizon**0.5
    squares = pl.Series("r", closes.moves, nan_to_null=True) ** 2
    long_run = closes.keys.with_columns(squares).with_columns(
        pl.col("r").rolling_mean(window, min_samples=window).over("instrument_id")
    )
    joined = read_haircuts(haircuts).join(
        long_run,
        on=["instrument_id", "date"],
        how="left",
        maintain_order="left",
    )
    m, floor = pl.col("haircut"), k * pl.col("r").sqrt()
    known = pl.when(m.is_not_null() & floor.is_not_null())
    return _overlay(
        joined,
        known.then(pl.max_horizontal(m, floor)),
        "ten_year_floor",
        hit=known.then(pl.col("floor_hit") | (floor >= m)),
    ).drop("r")


def _overlay(
    haircuts: AnyFrame, haircut: pl.Expr, name: str, *, hit: pl.Expr | None = None
) -> pl.DataFrame:
    return read_haircuts(haircuts).with_columns(
        pl.when(pl.col("haircut").is_not_null())
        .then(haircut.clip(0.0, 1.0))
        .alias("haircut"),
        pl.col("model", "name") + f"+{name}",
        (pl.col("floor_hit") if hit is None else hit).alias("floor_hit"),
    )
