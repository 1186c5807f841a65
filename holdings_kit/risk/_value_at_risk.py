"""What a portfolio may lose: value at risk and expected shortfall from a price frame.

Sign: a loss is positive. Returns are simple, today's values are held fixed, and the
quantile method is named in every row, for the same series gives other figures under
another method.
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import polars as pl

from holdings_kit.errors import ConfigError, load_optional
from holdings_kit.risk._price_book import FEWEST, Book, read_book

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
else:
    np = load_optional("numpy")

__all__ = ["CONTRIBUTIONS", "RISK", "Method", "value_at_risk", "var_contributions"]

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
        "observations": pl.Int64(),
        "first_date": pl.Date(),
        "last_date": pl.Date(),
        "covered_value": pl.Float64(),  # of the positions with price and full history
        "covered_share": pl.Float64(),  # of the known market value
        "uncovered": pl.List(pl.String()),  # instruments left out
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


def value_at_risk(
    positions: pl.DataFrame,
    prices: pl.DataFrame,
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
        ``instrument_id, date, close``, adjusted for splits.
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
        One row per method. Null figures where no position is covered or the window
        holds too few days.

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
    _check(level, decay, window, horizon_days)
    for method in methods:
        if method not in get_args(Method):
            known = ", ".join(get_args(Method))
            raise ConfigError(f"method {method!r} is not known; have {known}")
    book = read_book(positions, prices, window)
    rows = [
        _measure(method, book, level=level, decay=decay, interpolation=interpolation)
        for method in methods
    ]
    scale = sqrt(horizon_days)
    whole = float(book.values.sum())
    common = book.facts | {"level": level, "horizon_days": horizon_days, "sign": _SIGN}
    made = [
        common
        | {
            "method": method,
            "var_value": None if found is None else found[0] * scale,
            "es_value": None if found is None else found[1] * scale,
            "var": None if found is None or whole <= 0 else found[0] * scale / whole,
            "es": None if found is None or whole <= 0 else found[1] * scale / whole,
            "quantile_method": "normal" if method == "ewma" else interpolation,
        }
        for method, found in zip(methods, rows, strict=True)
    ]
    return pl.DataFrame(made, schema=RISK)


def var_contributions(
    positions: pl.DataFrame,
    prices: pl.DataFrame,
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
        lowers the portfolio's risk.

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
    >>> days = [date(2026, 1, 1) + timedelta(d) for d in range(5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["P"] * 5, "date": days, "close": [100, 90, 99, 99, 99]}
    ... )
    >>> book = pl.DataFrame({"instrument_id": ["P"], "market_value": [1000.0]})
    >>> var_contributions(book, prices, window=4)["share"].item()
    1.0
    """
    _check(level, decay, window, horizon_days)
    book = read_book(positions, prices, window)
    if not len(book.returns):
        return pl.DataFrame(schema=CONTRIBUTIONS)
    covariance = _ewma_covariance(book.returns, decay)
    marginal = covariance @ book.values
    variance = float(book.values @ marginal)
    z = NormalDist().inv_cdf(level) * sqrt(horizon_days)
    parts = (
        z * book.values * marginal / sqrt(variance) if variance > 0 else marginal * 0
    )
    alone = z * np.abs(book.values) * np.sqrt(np.diag(covariance))
    total = float(parts.sum())
    return pl.DataFrame(
        {
            "instrument_id": book.ids,
            "market_value": book.values,
            "var_value": parts,
            "share": parts / total if total else parts * np.nan,
            "standalone_value": alone,
        },
        schema=CONTRIBUTIONS,
    ).with_columns(pl.col("share").fill_nan(None))


def _check(level: float, decay: float, window: int, horizon_days: int) -> None:
    half = 0.5
    if not half <= level < 1:
        raise ConfigError(f"level {level}: a confidence in [0.5, 1), such as 0.99")
    if not 0 < decay < 1:
        raise ConfigError(f"decay {decay}: must lie between 0 and 1")
    if window < FEWEST:
        raise ConfigError(f"window {window}: needs at least two returns")
    if horizon_days < 1:
        raise ConfigError(f"horizon_days {horizon_days}: must be at least 1")


def _ewma_covariance(returns: Floats, decay: float) -> Floats:
    """S_t = λ S_(t−1) + (1 − λ) r rᵀ from S_1 = r₁ r₁ᵀ, as one weighted sum."""
    age = np.arange(len(returns) - 1, -1, -1)
    weight = (1 - decay) * decay**age
    weight[0] = decay ** age[0]
    return (returns * weight[:, None]).T @ returns


def _ewma_variance(pnl: Floats, decay: float) -> Floats:
    """Variance known after each day, by the same recursion."""
    squares = pl.Series(pnl**2)
    return squares.ewm_mean(alpha=1 - decay, adjust=False).to_numpy()


def _measure(
    method: Method, book: Book, *, level: float, decay: float, interpolation: str
) -> tuple[float, float] | None:
    """VaR and ES over one day, rupees; None where there is nothing to measure."""
    if not len(book.returns):
        return None
    pnl: Floats = book.returns @ book.values
    if method == "ewma":
        sigma = sqrt(
            max(
                float(
                    book.values @ _ewma_covariance(book.returns, decay) @ book.values
                ),
                0.0,
            )
        )
        z = NormalDist().inv_cdf(level)
        return z * sigma, sigma * NormalDist().pdf(z) / (1 - level)
    if method == "filtered_historical":
        variance = _ewma_variance(pnl, decay)
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
    return -quantile, _tail_mean(pnl, 1 - level)


def _tail_mean(pnl: Floats, tail: float) -> float:
    """Mean loss of the worst n × tail outcomes, the last one by its fraction."""
    worst = np.sort(pnl)
    mass = len(worst) * tail
    whole = min(int(mass), len(worst) - 1)
    total = float(worst[:whole].sum()) + (mass - whole) * float(worst[whole])
    return -total / mass
