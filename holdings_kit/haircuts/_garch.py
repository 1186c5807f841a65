"""GARCH(1,1) haircuts, fitted with the package `arch` (extra ``garch``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from holdings_kit.errors import load_optional
from holdings_kit.haircuts._audit import Declared, read_audited
from holdings_kit.haircuts._frames import aim_at, check_days
from holdings_kit.haircuts._numeric import normal_quantile, t_quantile
from holdings_kit.haircuts._volatility import Conversion, convert_move

if TYPE_CHECKING:
    import polars as pl

    from holdings_kit.haircuts._frames import AnyFrame, Floats

PERCENT = 100.0


class _Fit(NamedTuple):
    omega: float
    alpha: float
    beta: float
    df: float
    variance: float  # of the day after the last return of the fit


def garch(
    prices: AnyFrame,
    *,
    law: Literal["normal", "t"] = "normal",
    level: float = 0.99,
    horizon: int = 1,
    window: int = 1000,
    refit: int = 250,
    conversion: Conversion = "linear",
    name: str | None = None,
    strict: bool = False,
    declared: Declared | None = None,
) -> pl.DataFrame:
    """GARCH(1,1) haircut with the forecast variance summed over the horizon.

    σ²ₜ₊₁ = ω + α r²ₜ + β σ²ₜ. The parameters are fitted by maximum likelihood on the
    last `window` returns and stand until the next fit; the recursion runs daily.

    Parameters
    ----------
    prices
        `PRICES`. Rows without a close are left out.
    law
        Innovations: ``normal``, or ``t`` with fitted degrees of freedom.
    level, horizon, conversion
        See `ewma`.
    window
        Returns of a fit; no haircut before there are as many.
    refit
        Closes between two fits.
    name, strict, declared
        See `ewma`.

    Returns
    -------
    polars.DataFrame
        `HAIRCUTS`, model ``garch``; `volatility` is that of the next day. Null after a
        fit that did not converge, until one does.

    Raises
    ------
    ConfigError
        The package `arch` is not installed, or an option is out of range.

    Examples
    --------
    >>> import polars as pl
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> garch(prices)["haircut"].to_list()  # fewer than `window` returns
    [None, None, None]
    """
    aim = aim_at(name, level, horizon)
    check_days(window, "window")
    check_days(refit, "refit")
    closes = read_audited(prices, strict=strict, declared=declared)
    returns = closes.moves * PERCENT
    total = np.full(returns.size, np.nan)
    sigma, multiple = total.copy(), total.copy()
    for first, last in zip(closes.starts[:-1], closes.starts[1:], strict=True):
        for start in range(first + window, last, refit):
            rows = slice(start, min(start + refit, last))
            fit = _fit_window(returns[start - window + 1 : start + 1], law)
            if fit is not None:
                ahead = _filter_variance(fit, returns[rows])
                sigma[rows] = np.sqrt(ahead) / PERCENT
                total[rows] = np.sqrt(_sum_variance(fit, ahead, horizon)) / PERCENT
                multiple[rows] = _find_quantile(fit.df, level)
    move = multiple * total
    return closes.frame("garch", convert_move(move, conversion), sigma, aim=aim)


def _fit_window(returns: Floats, law: str) -> _Fit | None:
    """Fit one window; ``None`` when the optimiser does not converge."""
    model = load_optional("arch").arch_model(
        returns, mean="Zero", vol="GARCH", p=1, q=1, dist=law, rescale=False
    )
    if not np.any(returns):
        return None
    found: Any = model.fit(disp="off", show_warning=False)
    if found.convergence_flag != 0:
        return None
    parameters = found.params
    omega, alpha, beta = (float(value) for value in parameters[:3])
    df = float(parameters[3]) if law == "t" else np.inf
    today = float(found.conditional_volatility[-1]) ** 2
    variance = omega + alpha * float(returns[-1]) ** 2 + beta * today
    return _Fit(omega, alpha, beta, df, variance)


def _filter_variance(fit: _Fit, returns: Floats) -> Floats:
    """Variance of the next day after each return; the first is the fit's own."""
    lfilter: Any = load_optional("scipy.signal").lfilter
    out = np.full(returns.size, fit.variance)
    shocks = fit.omega + fit.alpha * np.square(returns[1:])
    out[1:], _ = lfilter([1.0], [1.0, -fit.beta], shocks, zi=[fit.beta * fit.variance])
    return out


def _sum_variance(fit: _Fit, ahead: Floats, horizon: int) -> Floats:
    """Variance of the return over `horizon` days, from that of the next day."""
    persistence = fit.alpha + fit.beta
    powers = persistence ** np.arange(horizon)
    carried = float(powers.sum())
    drift = sum(float(powers[:day].sum()) for day in range(horizon))
    return ahead * carried + fit.omega * drift


def _find_quantile(df: float, level: float) -> float:
    if np.isinf(df):
        return normal_quantile(level)
    return float(t_quantile(level, np.array(df))) * float(np.sqrt((df - 2) / df))
