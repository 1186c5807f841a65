"""What a portfolio may lose: value at risk and expected shortfall from a price frame.

Sign: a loss is positive. Returns are simple, today's values are held fixed, and the
quantile method is named in every row, for the same series gives other figures under
another method.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import polars as pl

from holdings_kit.errors import ConfigError, FrameError, load_optional, require_known
from holdings_kit.schema import FrameLike, as_frame, total

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
else:
    np = load_optional("numpy")

Method: TypeAlias = Literal["historical", "ewma", "filtered_historical"]

RISK: Final = pl.Schema(
    {
        "method": pl.String(),
        "level": pl.Float64(),
        "horizon_days": pl.Int64(),
        "var_value": pl.Float64(),  # rupees, a loss is positive
        "es_value": pl.Float64(),  # mean loss in the tail beyond the quantile
        "var": pl.Float64(),  # fraction of the covered value
        "es": pl.Float64(),
        "quantile_method": pl.String(),
        "sign": pl.String(),
        "window": pl.Int64(),  # returns asked for
        "observations": pl.Int64(),  # returns there are
        "first_date": pl.Date(),
        "last_date": pl.Date(),
        "covered_value": pl.Float64(),  # of the positions with price and full history
        "covered_share": pl.Float64(),  # of the known market value
        "uncovered": pl.List(pl.String()),  # instruments left out
        "note": pl.String(),  # why there is no figure, or what to mind
    }
)

CONTRIBUTIONS: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "market_value": pl.Float64(),
        "var_value": pl.Float64(),  # part of the portfolio's; the parts add up to it
        "share": pl.Float64(),
        "standalone_value": pl.Float64(),  # held alone
    }
)

_SIGN: Final = "a loss is positive"
_BURN_IN: Final = 20  # days whose volatility is still the seed's
_FEWEST: Final = 2  # returns below which no history is read


def value_at_risk(
    positions: FrameLike | pl.LazyFrame,
    prices: FrameLike | pl.LazyFrame,
    *,
    level: float = 0.99,
    horizon_days: int = 1,
    window: int = 250,
    methods: Sequence[Method] = get_args(Method),
    decay: float = 0.94,
    interpolation: str = "linear",
) -> pl.DataFrame:
    """Measure value at risk and expected shortfall of the positions of today.

    Parameters
    ----------
    positions
        POSITIONS: ``instrument_id, market_value``.
    prices
        ``instrument_id, date, close`` or `PRICES`, adjusted for splits.
    level
        Confidence, 0.99 for the loss that one day in a hundred exceeds.
    horizon_days
        Losses are scaled by its square root.
    window
        Returns to use: the last `window` days of `prices`. An instrument without a
        close on one of them is left out and listed.
    methods
        ``historical``: quantile of the P&L that today's values would have had.
        ``ewma``: normal, with the EWMA covariance of the returns.
        ``filtered_historical``: that P&L divided by its EWMA volatility of the day
        before and multiplied by today's; the first 20 days only warm it up.
    decay
        λ of the EWMA, started at the first squared return.
    interpolation
        Quantile method, by its name in ``numpy.quantile``.

    Returns
    -------
    RISK
        One row per method. Null figures, and a `note` that says why, where no position
        is covered or the window holds too few returns: ``historical`` needs
        1/(1 − level), 100 at 99 %, ``ewma`` 20, ``filtered_historical`` the sum of
        the two. `note` also says when there are fewer returns than `window` asks for.

    Raises
    ------
    ConfigError
        A level, decay, window or method that makes no sense.
    FrameError
        A frame lacks a column, or has two closes for one day.

    Notes
    -----
    Normal: VaR = z σ √H, ES = σ √H φ(z) / (1 − level). Empirical ES is the mean of the
    worst n (1 − level) outcomes, the last one counted by its fraction.

    Examples
    --------
    >>> from datetime import date, timedelta
    >>> days = [date(2026, 1, 1) + timedelta(d) for d in range(5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["P"] * 5, "date": days, "close": [100, 90, 99, 99, 99]}
    ... )
    >>> book = pl.DataFrame({"instrument_id": ["P"], "market_value": [1000.0]})
    >>> out = value_at_risk(book, prices, level=0.75, window=4, methods=["historical"])
    >>> [round(out[name].item(), 6) for name in ("var_value", "es_value")]
    [25.0, 100.0]
    """
    _check_settings(level, decay, window, horizon_days)
    for method in methods:
        require_known(method, "method", get_args(Method))
    book = _read_book(positions, prices, window)
    scale = sqrt(horizon_days)
    common = book.facts | {
        "level": level,
        "horizon_days": horizon_days,
        "sign": _SIGN,
        "window": window,
    }
    rows: list[dict[str, Any]] = []
    for method in methods:
        need = _count_needed(method, level)
        found = None
        if len(book.returns) >= need:
            found = _measure_one_day(
                method, book, level=level, decay=decay, interpolation=interpolation
            )
        rows.append(
            common
            | _as_columns(found, scale, float(book.values.sum()))
            | {
                "method": method,
                "quantile_method": "normal" if method == "ewma" else interpolation,
                "note": _write_note(book, found, scale, need, window),
            }
        )
    return pl.DataFrame(rows, schema=RISK)


def _count_needed(method: Method, level: float) -> int:
    """Give the number of returns below which a method has nothing to say.

    A quantile of a history has to lie within it: at 99 % the worst of 100 days.
    """
    tail = ceil(1 / (1 - level) - 1e-9)
    if method == "historical":
        return tail
    return _BURN_IN if method == "ewma" else _BURN_IN + tail


def _as_columns(
    found: tuple[float, float] | None, scale: float, whole: float
) -> dict[str, float | None]:
    names = ("var_value", "es_value")
    if found is None:
        return dict.fromkeys((*names, "var", "es"))
    values = [part * scale for part in found]
    shares = [part / whole if whole > 0 else None for part in values]
    return dict(zip((*names, "var", "es"), (*values, *shares), strict=True))


def _write_note(
    book: _Book,
    found: tuple[float, float] | None,
    scale: float,
    need: int,
    window: int,
) -> str | None:
    """Say why there is no figure, or what to mind about it."""
    have = len(book.returns)
    if not book.ids:
        return "no position has a price and a full history"
    if have < need:
        return f"{have} returns are too few: {need} are needed; no figure"
    if found is None:
        return "no returns that move; no figure"
    notes: list[str] = []
    if have < window:
        notes.append(f"{window} returns were asked for, there are {have}")
    if bool((book.values >= 0).all()) and found[0] * scale > float(book.values.sum()):
        notes.append("more than a book without short positions can lose")
    return "; ".join(notes) or None


def var_contributions(
    positions: FrameLike | pl.LazyFrame,
    prices: FrameLike | pl.LazyFrame,
    *,
    level: float = 0.99,
    horizon_days: int = 1,
    window: int = 250,
    decay: float = 0.94,
) -> pl.DataFrame:
    """Split the EWMA value at risk over the positions (Euler): the parts add up to it.

    Parameters
    ----------
    positions, prices, level, horizon_days, window, decay
        As in `value_at_risk`.

    Returns
    -------
    CONTRIBUTIONS
        One row per covered instrument, rupees, a loss is positive. A negative part
        lowers the portfolio's risk. No row with fewer than 20 returns.

    Raises
    ------
    ConfigError, FrameError
        As in `value_at_risk`.

    Notes
    -----
    Part of i = z v_i (Σ v)_i / √(v·Σv), v the values, Σ the EWMA covariance.

    Examples
    --------
    >>> from datetime import date, timedelta
    >>> days = [date(2026, 1, 1) + timedelta(d) for d in range(21)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["P"] * 21, "date": days, "close": [100, 90, 99] * 7}
    ... )
    >>> book = pl.DataFrame({"instrument_id": ["P"], "market_value": [1000.0]})
    >>> var_contributions(book, prices, window=20)["share"].item()
    1.0
    """
    _check_settings(level, decay, window, horizon_days)
    book = _read_book(positions, prices, window)
    if len(book.returns) < _count_needed("ewma", level):
        return pl.DataFrame(schema=CONTRIBUTIONS)
    covariance = _estimate_covariance(book.returns, decay)
    marginal = covariance @ book.values
    variance = float(book.values @ marginal)
    z = NormalDist().inv_cdf(level) * sqrt(horizon_days)
    parts = (
        z * book.values * marginal / sqrt(variance) if variance > 0 else marginal * 0
    )
    alone = z * np.abs(book.values) * np.sqrt(np.diag(covariance))
    whole = float(parts.sum())
    return pl.DataFrame(
        {
            "instrument_id": book.ids,
            "market_value": book.values,
            "var_value": parts,
            "share": parts / whole if whole else parts * np.nan,
            "standalone_value": alone,
        },
        schema=CONTRIBUTIONS,
    ).with_columns(pl.col("share").fill_nan(None))


def _check_settings(level: float, decay: float, window: int, horizon_days: int) -> None:
    half = 0.5
    if not half <= level < 1:
        raise ConfigError(f"level {level}: a confidence in [0.5, 1), such as 0.99")
    if not 0 < decay < 1:
        raise ConfigError(f"decay {decay}: must lie between 0 and 1")
    if window < _FEWEST:
        raise ConfigError(f"window {window}: needs at least two returns")
    if horizon_days < 1:
        raise ConfigError(f"horizon_days {horizon_days}: must be at least 1")


def _estimate_covariance(returns: Floats, decay: float) -> Floats:
    """S_t = λ S_(t−1) + (1 − λ) r rᵀ from S_1 = r₁ r₁ᵀ, as one weighted sum."""
    age = np.arange(len(returns) - 1, -1, -1)
    weight = (1 - decay) * decay**age
    weight[0] = decay ** age[0]
    return (returns * weight[:, None]).T @ returns


def _estimate_variance(pnl: Floats, decay: float) -> Floats:
    """Variance known after each day, by the same recursion."""
    squares = pl.Series(pnl**2)
    return squares.ewm_mean(alpha=1 - decay, adjust=False).to_numpy()


def _measure_one_day(
    method: Method, book: _Book, *, level: float, decay: float, interpolation: str
) -> tuple[float, float] | None:
    """VaR and ES over one day, rupees; None where there is nothing to measure."""
    if not len(book.returns):
        return None
    pnl: Floats = book.returns @ book.values
    if method == "ewma":
        covariance = _estimate_covariance(book.returns, decay)
        variance = float(book.values @ covariance @ book.values)
        sigma = sqrt(max(variance, 0.0))
        z = NormalDist().inv_cdf(level)
        return z * sigma, sigma * NormalDist().pdf(z) / (1 - level)
    if method == "filtered_historical":
        variance = _estimate_variance(pnl, decay)
        before, now = np.sqrt(variance[_BURN_IN - 1 : -1]), sqrt(float(variance[-1]))
        moving = before > 0
        pnl = pnl[_BURN_IN:][moving] / before[moving] * now
        if not len(pnl):
            return None
    try:
        find_quantile: Any = np.quantile  # takes any name; numpy refuses unknown ones
        quantile = float(find_quantile(pnl, 1 - level, method=interpolation))
    except ValueError as error:
        raise ConfigError(f"interpolation {interpolation!r}: {error}") from None
    return -quantile, _average_tail(pnl, 1 - level)


def _average_tail(pnl: Floats, tail: float) -> float:
    """Mean loss of the worst n × tail outcomes, the last one by its fraction."""
    worst = np.sort(pnl)
    mass = len(worst) * tail
    whole = min(int(mass), len(worst) - 1)
    added = float(worst[:whole].sum()) + (mass - whole) * float(worst[whole])
    return -added / mass


@dataclass(frozen=True, kw_only=True)
class _Book:
    """Values today (N), simple returns of the window (T × N), and the coverage."""

    ids: list[str]
    values: Floats
    returns: Floats
    facts: dict[str, Any]


_POSITIONS: Final = pl.Schema(
    {"instrument_id": pl.String(), "market_value": pl.Float64()}
)
_CLOSES: Final = pl.Schema(
    {"instrument_id": pl.String(), "date": pl.Date(), "close": pl.Float64()}
)


def _take_columns(
    source: FrameLike | pl.LazyFrame, schema: pl.Schema, name: str
) -> pl.DataFrame:
    """Take the columns of a schema from a frame of any library."""
    rows = as_frame(source, schema, name=name).lazy().collect()
    if "close" in schema and "close" not in rows.columns:
        rows = rows.rename({"close_price": "close"}, strict=False)
    missing = [column for column in schema if column not in rows.columns]
    if missing:
        raise FrameError(name, ", ".join(missing), "missing")
    return rows.select(schema.names())


def _read_book(
    positions: FrameLike | pl.LazyFrame, prices: FrameLike | pl.LazyFrame, window: int
) -> _Book:
    """Join values and returns; leave out, and list, what has no full history."""
    held = _take_columns(positions, _POSITIONS, "positions")
    history = _take_columns(prices, _CLOSES, "prices")
    held = (
        held.group_by("instrument_id", maintain_order=True)
        .agg(total("market_value").cast(pl.Float64()))
        .filter(pl.col("instrument_id").is_not_null())
    )
    book = pl.col("instrument_id").is_in(held["instrument_id"].implode())
    closes = history.with_columns(pl.col("close").cast(pl.Float64())).filter(
        (pl.col("close") > 0) & book & pl.col("date").is_not_null()
    )
    if closes.select("instrument_id", "date").is_duplicated().any():
        raise FrameError("prices", "close", "two closes for one instrument and day")
    days = closes["date"].unique().sort().tail(window + 1)
    recent = closes.filter(pl.col("date").is_in(days.implode()))
    full = recent.group_by("instrument_id").len().filter(pl.col("len") == len(days))
    kept = held.filter(
        pl.col("market_value").is_not_null()
        & pl.col("instrument_id").is_in(full["instrument_id"].implode())
    )
    ids: list[str] = kept["instrument_id"].to_list()
    enough = bool(ids) and len(days) > _FEWEST
    matrix = (
        recent.filter(pl.col("instrument_id").is_in(ids))
        .pivot(on="instrument_id", on_columns=ids, index="date", values="close")
        .sort("date")
        .select(ids)
        .to_numpy()
        if enough
        else np.ones((1, len(ids)))
    )
    values = kept["market_value"].to_numpy()
    known = float(held["market_value"].sum())
    return _Book(
        ids=ids,
        values=values,
        returns=matrix[1:] / matrix[:-1] - 1,
        facts={
            "observations": max(len(days) - 1, 0) if enough else 0,
            "first_date": days[0] if len(days) else None,
            "last_date": days[-1] if len(days) else None,
            "covered_value": float(values.sum()),
            "covered_share": float(values.sum()) / known if known > 0 else None,
            "uncovered": held.filter(~pl.col("instrument_id").is_in(ids))[
                "instrument_id"
            ].to_list(),
        },
    )
