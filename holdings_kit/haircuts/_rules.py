"""Haircuts by rule: SEBI since May 2020, SEBI before, and the clearing corporation's.

Sources: SEBI/HO/MRD2/DCAP/CIR/P/2020/27 for the first; the exchange's VaR page of the
time for the second (index VaR is the higher of 5 % and 3σ of the index). How the
exchange computes the first, exp(6σ) − 1 from a zero start, is read off its own figures:
quotes that give σ and VaR side by side (1.32 → 8.23, 1.52 → 9.54, 2.12 → 13.57,
1.90 → 12.07, 1.58 → 9.97) fit no other form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.haircuts._audit import Declared, read_audited
from holdings_kit.haircuts._frames import (
    Aim,
    AnyFrame,
    Bools,
    Closes,
    Floats,
    check_choice,
    choose_each,
    last_margins,
    read_closes,
)
from holdings_kit.haircuts._volatility import (
    Conversion,
    FirstReturn,
    Seed,
    convert_move,
    volatility,
)
from holdings_kit.schema import require_columns

Labels: TypeAlias = NDArray[np.str_]
Groups: TypeAlias = str | Mapping[str, str] | pl.DataFrame | pl.LazyFrame
"""One group for all, a group per `instrument_id`, or a frame that says it."""
FirstReturns: TypeAlias = FirstReturn | Mapping[str, FirstReturn]

FLOORS_2020: Final = {"I": 0.09, "II": 0.215, "ETF": 0.06}
"""Least VaR margin of the groups margined at 6σ; ``ETF`` tracks a broad index."""
FIXED_2020: Final = {"III": 0.50, "III-untraded": 0.75}
"""Group III: traded at least once a week on any exchange, or not."""
EITHER: Final = "I or II"
"""Above the higher floor both groups have the same margin; below it none is known."""
ELM_SHARE: Final = 0.035
ELM_ETF: Final = 0.02
SIGMAS_2020: Final = 6.0
DECAY_2020: Final = 0.995
DECAY_2005: Final = 0.94
INDEX_FLOOR_2005: Final = 0.05
HALF_YEAR: Final = 125


class RuleMargin(NamedTuple):
    """VaR margin of the rule of 2020, before the extreme loss margin.

    Attributes
    ----------
    var
        Fraction; NaN where the group, or the volatility it needs, is unknown.
    sigma
        Daily σ; NaN before the first return.
    floor_hit
        The floor or a fixed rate set the margin.
    labels
        Group of each row; empty where it is unknown.
    """

    var: Floats
    sigma: Floats
    floor_hit: Bools
    labels: Labels


def sebi_2020(
    prices: AnyFrame,
    *,
    group: Groups = "I",
    elm: float | None = None,
    conversion: Conversion = "exp_short",
    seed: Seed = "zero",
    first_return: FirstReturns = "none",
    name: str | None = None,
    strict: bool = False,
    declared: Declared | None = None,
) -> pl.DataFrame:
    """VaR margin plus extreme loss margin by the rule in force since 1 May 2020.

    VaR is exp(6σ) − 1, at least 9 % (group ``I``), 21.5 % (``II``) or 6 % (``ETF``,
    broad index only), or fixed at 50 % (``III``) and 75 % (``III-untraded``); σ is the
    EWMA with λ = 0.995 from a zero start. So the exchange computes it: its own figures
    come out to the second decimal (`reproduce`).

    Parameters
    ----------
    prices
        `PRICES`, adjusted for splits and bonuses. Rows without a close are left out. A
        share's whole history is needed: from a zero start a shorter one gives less.
    group
        One group for all instruments, one per `instrument_id`, a frame
        ``instrument_id, group`` (1, 2, 3 or the names above; with `date`, from that
        day on, and the first one before it), such as the exchange's monthly list, or
        `MARGINS`, from which the groups are read off. ``I or II`` is a group too: its
        margin is known above 21.5 %. An instrument without a group gets null.
    elm
        Extreme loss margin; ``None`` for the rule's own, 3.5 % and 2 % for ``ETF``.
    conversion
        ``exp_short`` is what the exchange computes, ``linear`` what its text says; see
        `ewma`.
    seed
        See `ewma`; ``zero`` is the exchange's.
    first_return
        The day of the first close counts not at all (``none``) or with ln(close/open)
        (``open``), for all or per `instrument_id`. The exchange does now one, now the
        other with new listings; never from the issue price.
    name, strict, declared
        See `ewma`.

    Returns
    -------
    polars.DataFrame
        `HAIRCUTS`, model ``sebi_2020``. `floor_hit` says that the floor or a fixed
        rate set the haircut, which then carries no σ; `volatility` is the EWMA's.

    Raises
    ------
    ConfigError
        A group that the rule does not know, or an option out of range.
    FrameError
        `prices`, or a frame of groups or seeds, is not of its shape; `first_return`
        asks for an open that `prices` has not; with `strict`, the audit found an error.

    Notes
    -----
    SEBI/HO/MRD2/DCAP/CIR/P/2020/27. Form and start are read off the exchange's
    figures: of 415 shares of the VaR file of 6 Nov 2025 the mean error is 0.036 points
    with exp(6σ) − 1 and a zero start, 0.92 with 6σ.

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
    >>> sebi_2020(prices, group="I")["haircut"].round(4).to_list()
    [0.125, 0.125]
    >>> sebi_2020(prices, group="I", seed=0.035**2)["haircut"].round(4).to_list()
    [0.2687, 0.2685]
    >>> sebi_2020(prices, group="III")["haircut"].to_list()
    [0.535, 0.535]
    """
    closes = read_audited(prices, strict=strict, declared=declared)
    rule = apply_rule_2020(closes, group, conversion, seed, first_return)
    own = np.where(rule.labels == "ETF", ELM_ETF, ELM_SHARE)
    haircut = rule.var + (own if elm is None else elm)
    hit = rule.floor_hit
    return closes.frame("sebi_2020", haircut, rule.sigma, hit, aim=Aim(name))


def apply_rule_2020(
    closes: Closes,
    group: Groups,
    conversion: Conversion,
    seed: Seed,
    first_return: FirstReturns,
    *,
    etfs: Bools | None = None,
) -> RuleMargin:
    """Set the VaR margin of every row; `etfs` are rows of broad-index ETFs."""
    known = {*FLOORS_2020, *FIXED_2020, EITHER}
    labels = _label_rows(closes, group, known)
    if etfs is not None:
        labels = np.where(etfs, "ETF", labels)
    squares = _square_first_returns(closes, first_return)
    sigma = volatility(closes, decay=DECAY_2020, seed=seed, first_squares=squares)
    margin = convert_move(SIGMAS_2020 * sigma, conversion)
    if isinstance(seed, str | int | float) and seed in ("zero", 0):
        first = closes.starts[:-1]
        margin[first] = np.nan_to_num(margin[first])  # on day one the floor stands
    floor = _look_up_group(labels, FLOORS_2020)
    fixed = _look_up_group(labels, FIXED_2020)
    var = np.where(np.isnan(fixed), np.maximum(margin, floor), fixed)
    above = (labels == EITHER) & (margin >= FLOORS_2020["II"])
    var = np.where(above, margin, var)
    return RuleMargin(var, sigma, ~np.isnan(fixed) | (margin <= floor), labels)


def sebi_2005(
    prices: AnyFrame,
    *,
    group: Groups = "I",
    index: AnyFrame | None = None,
    elm: float | None = None,
    conversion: Conversion = "linear",
    seed: Seed = "first",
    name: str | None = None,
    strict: bool = False,
    declared: Declared | None = None,
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
    name, strict, declared
        See `ewma`.

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
    closes = read_audited(prices, strict=strict, declared=declared)
    groups = _label_rows(closes, group, {"I", "II", "III"})
    sigma = volatility(closes, decay=DECAY_2005, seed=seed)
    margin = convert_move(3.5 * sigma, conversion)
    index_var = _measure_index_var(closes, index, conversion, seed)
    floor = np.select(
        [groups == "I", groups == "II", groups == "III"],
        [np.full(sigma.size, 0.075), 3 * index_var, 5 * index_var],
        np.nan,
    )
    var = np.where(groups == "III", floor, np.maximum(margin, floor))
    var = np.where(groups == "I", var, var * np.sqrt(3))
    extreme = _measure_elm_2005(closes) if elm is None else np.full(sigma.size, elm)
    hit = (groups == "III") | (margin <= floor)
    return closes.frame("sebi_2005", var + extreme, sigma, hit, aim=Aim(name))


def _label_rows(closes: Closes, group: Groups, known: set[str]) -> Labels:
    """One group per row, empty where it is unknown."""
    if isinstance(group, pl.DataFrame | pl.LazyFrame):
        rows = _read_labels(closes, group.lazy().collect())
    else:
        chosen = choose_each(closes.names, group, "")
        rows = np.repeat(np.array(chosen, dtype=np.str_), np.diff(closes.starts))
    for label in np.unique(rows).tolist():
        if label and label not in known:
            listed = ", ".join(sorted(known))
            raise ConfigError(f"group {label!r} is not of this rule; it has {listed}")
    return rows


def _read_labels(closes: Closes, table: pl.DataFrame) -> Labels:
    """Read groups from a list or from margins, as of each row's date."""
    if "group" not in table.columns and {"var_margin", "elm"} <= set(table.columns):
        table = groups_of_margins(table)
    reason = f"missing; group has {table.columns}"
    needed = ("instrument_id", "group")
    require_columns(table.columns, needed, name="group", reason=reason)
    label = pl.col("group").cast(pl.String()).replace({"1": "I", "2": "II", "3": "III"})
    table = table.with_columns(label.alias("group")).drop_nulls(
        ["instrument_id", "group"]
    )
    keys = ["instrument_id", "date"] if "date" in table.columns else ["instrument_id"]
    table = table.select(*keys, "group").unique()
    twice = table.filter(table.select(keys).is_duplicated())
    if twice.height:
        both = " and ".join(twice.filter(instrument_id=twice[0, 0])["group"].unique())
        raise FrameError(
            "group", "group", f"{twice[0, 0]} has {both} at once; keep one"
        )
    if len(keys) == 1:
        found = closes.keys.join(
            table, on="instrument_id", how="left", maintain_order="left"
        )
        return found["group"].fill_null("").to_numpy().astype(np.str_)
    firsts = (
        table.sort("date")
        .unique("instrument_id", keep="first", maintain_order=True)
        .select("instrument_id", first="group")
    )
    placed = closes.keys.with_row_index("row").sort("date")
    found = (
        placed.join_asof(
            table.sort("date"), on="date", by="instrument_id", check_sortedness=False
        )
        .join(firsts, on="instrument_id", how="left")
        .sort("row")
    )
    label = found.select(pl.coalesce("group", "first").fill_null("")).to_series()
    return label.to_numpy().astype(np.str_)


def groups_of_margins(margins: AnyFrame) -> pl.DataFrame:
    """Read the group of each security off the exchange's margins.

    A margin on a floor or at a fixed rate, or below the higher floor, tells its group;
    above 21.5 % it is ``I or II``. Anything else, such as a bond, has none.

    Returns
    -------
    polars.DataFrame
        `instrument_id, date, group`, of each day the last file's.
    """
    security, var, elm = (
        pl.col(c).cast(pl.Float64()).round(6)
        for c in ("security_var", "var_margin", "elm")
    )
    own = var == security  # neither floored nor fixed
    share = elm == ELM_SHARE
    group = (
        pl.when(elm == ELM_ETF)
        .then(pl.lit("ETF"))
        .when(share & (security == 0) & (var == FIXED_2020["III"]))
        .then(pl.lit("III"))
        .when(share & (security == 0) & (var == FIXED_2020["III-untraded"]))
        .then(pl.lit("III-untraded"))
        .when(share & (var == FLOORS_2020["I"]))
        .then(pl.lit("I"))
        .when(share & (var == FLOORS_2020["II"]) & ~own)
        .then(pl.lit("II"))
        .when(share & own & (var < FLOORS_2020["II"]))
        .then(pl.lit("I"))
        .when(share & own)
        .then(pl.lit(EITHER))
    )
    return (
        last_margins(margins)
        .with_columns(group.alias("group"))
        .select("instrument_id", "date", "group")
        .drop_nulls("group")
    )


def _square_first_returns(closes: Closes, first_return: FirstReturns) -> Floats | None:
    """Square of ln(close/open) at the first close, where it is to count."""
    if first_return == "none":
        return None
    first = closes.starts[:-1]
    chosen = choose_each(closes.names, first_return, "none")
    for choice in chosen:
        check_choice(choice, "first_return", ("none", "open"), quoted=True)
    if "open" not in chosen:
        return None
    if closes.open is None:
        raise FrameError(
            "prices", "open_price", "missing; first_return='open' needs the day's open"
        )
    counts = np.array([choice == "open" for choice in chosen])
    opened, closed = closes.open[first], closes.close[first]
    known = counts & (opened > 0)
    move = np.log(closed / np.where(known, opened, 1.0))
    return np.where(known, np.square(move), np.nan)


def _look_up_group(labels: Labels, table: Mapping[str, float]) -> Floats:
    """Look up the table's value for each row; NaN for a group it does not hold."""
    return np.select(
        [labels == label for label in table], list(table.values()), default=np.nan
    )


def _measure_index_var(
    closes: Closes, index: AnyFrame | None, conversion: Conversion, seed: Seed
) -> Floats:
    """Index VaR on each date of `closes`; NaN where the index has no close."""
    if index is None:
        return np.full(closes.close.size, INDEX_FLOOR_2005)
    known = read_closes(index, name="index")
    sigma = volatility(known, decay=DECAY_2005, seed=seed)
    var = np.maximum(convert_move(3 * sigma, conversion), INDEX_FLOOR_2005)
    dated = known.keys.select("date", pl.Series("var", var, nan_to_null=True))
    daily = dated.group_by("date").agg(pl.col("var").max())
    joined = closes.keys.join(daily, on="date", how="left", maintain_order="left")
    return joined["var"].cast(pl.Float64()).fill_null(float("nan")).to_numpy()


def _measure_elm_2005(closes: Closes) -> Floats:
    """ELM of each row: set at a month's end, in force through the month after."""
    returns = pl.Series("r", closes.moves, nan_to_null=True)
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
