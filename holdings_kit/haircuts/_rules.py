"""Haircuts by rule: SEBI since May 2020, SEBI before, and the Basel supervisory table.

Sources: SEBI/HO/MRD2/DCAP/CIR/P/2020/27 for the first; the exchange's VaR page of the
time for the second (index VaR is the higher of 5 % and 3σ of the index); Basel
Framework CRE22 for the third. Whether a security is accepted at all is a dated list
of the clearing corporation and no part of these functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._frames import AnyFrame, Closes, Floats, read_closes
from holdings_kit.haircuts._volatility import Conversion, Seed, converted, volatility

__all__ = ["ELM_2020", "FIXED_2020", "FLOORS_2020", "Groups", "sebi_2005", "sebi_2020"]

Labels: TypeAlias = NDArray[np.str_]
Groups: TypeAlias = str | Mapping[str, str]
"""One group for all, or a group per `instrument_id`; a missing one is unknown."""

FLOORS_2020: Final = {"I": 0.09, "II": 0.215, "ETF": 0.06}
"""Least VaR margin of the groups margined at 6σ; ``ETF`` tracks a broad index."""
FIXED_2020: Final = {"III": 0.50, "III-untraded": 0.75}
"""Group III: traded at least once a week on any exchange, or not."""
ELM_2020: Final = {
    "I": 0.035,
    "II": 0.035,
    "III": 0.035,
    "III-untraded": 0.035,
    "ETF": 0.02,
}
SIGMAS_2020: Final = 6.0
DECAY_2020: Final = 0.995
DECAY_2005: Final = 0.94
INDEX_FLOOR_2005: Final = 0.05
HALF_YEAR: Final = 125


def sebi_2020(
    prices: AnyFrame,
    *,
    group: Groups = "I",
    elm: float | None = None,
    conversion: Conversion = "linear",
    seed: Seed = "first",
    name: str | None = None,
) -> pl.DataFrame:
    """VaR margin plus extreme loss margin by the rule in force since 1 May 2020.

    VaR is 6σ, at least 9 % (group ``I``), 21.5 % (``II``) or 6 % (``ETF``, broad index
    only), or fixed at 50 % (``III``) and 75 % (``III-untraded``); σ is the EWMA with
    λ = 0.995. The seed of the recursion is not published.

    Parameters
    ----------
    prices
        `PRICES`. Rows without a close are left out.
    group
        One group for all instruments, or one per `instrument_id`; an instrument
        without a group gets no haircut (null).
    elm
        Extreme loss margin; ``None`` for the rule's own, 3.5 % and 2 % for ``ETF``.
    conversion
        ``linear`` is the exchange's text; see `ewma`.
    seed
        See `ewma`.
    name
        What to call the series, where a model stands twice; ``None``: the model.

    Returns
    -------
    polars.DataFrame
        `HAIRCUTS`, model ``sebi_2020``. `floor_hit` says that the floor or a fixed
        rate set the haircut, which then carries no σ; `volatility` is the EWMA's.

    Examples
    --------
    >>> from datetime import date
    >>> prices = pl.DataFrame(
    ...     {
    ...         "instrument_id": ["X"] * 2,
    ...         "close": [100.0, 97.0],
    ...         "date": [date(2026, 1, 1), date(2026, 1, 2)],
    ...     }
    ... )
    >>> sebi_2020(prices, group="I", seed=0.0001)["haircut"].round(4).to_list()
    [0.125, 0.125]
    >>> sebi_2020(prices, group="III", seed=0.0001)["haircut"].to_list()
    [0.535, 0.535]
    """
    closes = read_closes(prices)
    groups = _groups(closes, group, set(ELM_2020))
    sigma = volatility(closes, decay=DECAY_2020, seed=seed)
    margin = converted(SIGMAS_2020 * sigma, conversion)
    floor = _looked_up(groups, FLOORS_2020)
    fixed = _looked_up(groups, FIXED_2020)
    var = np.where(np.isnan(fixed), np.maximum(margin, floor), fixed)
    extreme = _looked_up(
        groups, ELM_2020 if elm is None else dict.fromkeys(ELM_2020, elm)
    )
    hit = ~np.isnan(fixed) | (margin <= floor)
    return closes.frame("sebi_2020", var + extreme, sigma, hit, name=name)


def sebi_2005(
    prices: AnyFrame,
    *,
    group: Groups = "I",
    index: AnyFrame | None = None,
    elm: float | None = None,
    conversion: Conversion = "linear",
    seed: Seed = "first",
    name: str | None = None,
) -> pl.DataFrame:
    """VaR margin plus extreme loss margin by the rule in force before May 2020.

    Group ``I``: 3.5σ, at least 7.5 %. ``II``: the higher of 3.5σ and 3 × index VaR,
    times √3. ``III``: 5 × index VaR × √3. Index VaR is the higher of 5 % and 3σ of the
    index. ELM is the higher of 5 % and 1.5 standard deviations (n − 1) of the daily
    log returns of the last 125 closes, fixed at each month's end for the month after.

    Parameters
    ----------
    prices
        `PRICES`. Rows without a close are left out.
    group
        As in `sebi_2020`.
    index
        `PRICES` of the index or indices; the highest VaR of a date counts. ``None``
        takes the floor of 5 %; a date the index lacks gets no haircut in II and III.
    elm
        Extreme loss margin; ``None`` for the rule's own, unknown (and so the haircut)
        until a month has ended with 126 closes behind it.
    conversion, seed
        See `ewma`; λ is 0.94.
    name
        What to call the series, where a model stands twice; ``None``: the model.

    Returns
    -------
    polars.DataFrame
        `HAIRCUTS`, model ``sebi_2005``.

    Examples
    --------
    >>> from datetime import date
    >>> prices = pl.DataFrame(
    ...     {
    ...         "instrument_id": ["GMRINFRA"],
    ...         "close": [60.0],
    ...         "date": [date(2010, 1, 22)],
    ...     }
    ... )
    >>> sebi_2005(prices, group="I", elm=0.05, seed=0.0004)["haircut"].to_list()
    [0.125]
    """
    closes = read_closes(prices)
    groups = _groups(closes, group, {"I", "II", "III"})
    sigma = volatility(closes, decay=DECAY_2005, seed=seed)
    margin = converted(3.5 * sigma, conversion)
    index_var = _index_var(closes, index, conversion, seed)
    floor = np.select(
        [groups == "I", groups == "II", groups == "III"],
        [np.full(sigma.size, 0.075), 3 * index_var, 5 * index_var],
        np.nan,
    )
    var = np.where(groups == "III", floor, np.maximum(margin, floor))
    var = np.where(groups == "I", var, var * np.sqrt(3))
    extreme = _elm_2005(closes) if elm is None else np.full(sigma.size, elm)
    hit = (groups == "III") | (margin <= floor)
    return closes.frame("sebi_2005", var + extreme, sigma, hit, name=name)


def _groups(closes: Closes, group: Groups, known: set[str]) -> Labels:
    """One group per row, empty where it is unknown."""
    names = closes.keys["instrument_id"].gather(closes.starts[:-1]).to_list()
    chosen = [
        group if isinstance(group, str) else group.get(name, "") for name in names
    ]
    for name in chosen:
        if name and name not in known:
            listed = ", ".join(sorted(known))
            raise ConfigError(f"group {name!r} is not of this rule; it has {listed}")
    return np.repeat(np.array(chosen, dtype=np.str_), np.diff(closes.starts))


def _looked_up(groups: Labels, table: Mapping[str, float]) -> Floats:
    """Look up the table's value for each row; NaN for a group it does not hold."""
    return np.select(
        [groups == name for name in table], list(table.values()), default=np.nan
    )


def _index_var(
    closes: Closes, index: AnyFrame | None, conversion: Conversion, seed: Seed
) -> Floats:
    """Index VaR on each date of `closes`; NaN where the index has no close."""
    if index is None:
        return np.full(closes.close.size, INDEX_FLOOR_2005)
    known = read_closes(index, name="index")
    sigma = volatility(known, decay=DECAY_2005, seed=seed)
    var = np.maximum(converted(3 * sigma, conversion), INDEX_FLOOR_2005)
    dated = known.keys.select("date", pl.Series("var", var, nan_to_null=True))
    daily = dated.group_by("date").agg(pl.col("var").max())
    joined = closes.keys.join(daily, on="date", how="left", maintain_order="left")
    return joined["var"].cast(pl.Float64()).fill_null(float("nan")).to_numpy()


def _elm_2005(closes: Closes) -> Floats:
    """ELM of each row: set at a month's end, in force through the month after."""
    returns = pl.Series("r", closes.returns(), nan_to_null=True)
    spread = pl.col("r").rolling_std(HALF_YEAR, min_samples=HALF_YEAR)
    rows = closes.keys.with_columns(returns).with_columns(
        spread.over("instrument_id").alias("spread"),
        month=pl.col("date").dt.truncate("1mo"),
    )
    ended = rows.group_by("instrument_id", "month", maintain_order=True).agg(
        pl.col("spread").last()
    )
    before = pl.col("spread").shift().over("instrument_id")
    set_elm = pl.max_horizontal(0.05, 1.5 * before)
    in_force = ended.with_columns(
        pl.when(before.is_not_null()).then(set_elm).alias("elm")
    )
    joined = rows.join(
        in_force, on=["instrument_id", "month"], how="left", maintain_order="left"
    )
    return joined["elm"].cast(pl.Float64()).fill_null(float("nan")).to_numpy()
