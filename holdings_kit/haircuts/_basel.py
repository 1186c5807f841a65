"""Haircuts of the Basel comprehensive approach: a table, and a square-root rule.

Source: Basel Framework CRE22, and the table of the revised framework (Basel 3.1).
Unknown index membership takes the higher haircut; an unlisted share is no collateral.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._audit import Declared, read_audited
from holdings_kit.haircuts._frames import Aim, check_choice, check_days, choose_each

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from holdings_kit.haircuts._frames import AnyFrame

Listing: TypeAlias = Literal["main_index", "other_listed", "unlisted"]
EQUITY: Final = {
    "2": {"main_index": 0.15, "other_listed": 0.25, "unlisted": 1.0},
    "3.1": {"main_index": 0.20, "other_listed": 0.30, "unlisted": 1.0},
}
FX_MISMATCH: Final = 0.08


def basel_scaled(
    haircut: float, *, holding_days: int, revaluation_days: int = 1, base_days: int = 10
) -> float:
    """Scale a supervisory haircut to another holding period or slower revaluation.

    H = H₁₀ √(T/10) √((N + T − 1)/T), with T `holding_days` (5 repo, 10 capital market,
    20 secured lending) and N `revaluation_days` between two revaluations.

    Parameters
    ----------
    haircut
        Fraction over `base_days` with daily revaluation.
    holding_days, revaluation_days, base_days
        Trading days, at least 1.

    Examples
    --------
    >>> round(basel_scaled(0.15, holding_days=20), 5)
    0.21213
    >>> round(basel_scaled(0.08, holding_days=5), 6)
    0.056569
    """
    check_days(holding_days, "holding_days")
    check_days(base_days, "base_days")
    check_days(revaluation_days, "revaluation_days")
    held = math.sqrt(holding_days / base_days)
    return (
        haircut * held * math.sqrt((revaluation_days + holding_days - 1) / holding_days)
    )


def basel_exposure(
    loan: float, *, collateral: float, haircut: float, fx_haircut: float = 0.0
) -> float:
    """Exposure left after collateral, max(0, E − C (1 − H − H_fx)), in rupees.

    Examples
    --------
    >>> basel_exposure(1_000_000, collateral=500_000, haircut=0.15)
    575000.0
    """
    return max(0.0, loan - collateral * (1 - haircut - fx_haircut))


def basel(
    prices: AnyFrame,
    *,
    listing: Listing | Mapping[str, Listing] | None = None,
    framework: Literal["2", "3.1"] = "3.1",
    fx_mismatch: bool = False,
    horizon: int = 10,
    revaluation_days: int = 1,
    name: str | None = None,
    strict: bool = False,
    declared: Declared | None = None,
) -> pl.DataFrame:
    """Supervisory equity haircut on every date of `prices`.

    Main-index equity 15 % (Basel 3.1: 20 %), other listed 25 % (30 %), currency
    mismatch 8 % more, all over 10 days.

    Parameters
    ----------
    prices
        `PRICES`; only instruments and dates are used. Rows without a close are left
        out.
    listing
        ``main_index``, ``other_listed`` or ``unlisted``, for all or per
        `instrument_id`. What is not said counts as ``other_listed``; ``unlisted`` is
        no collateral, a haircut of 1.
    framework
        ``2`` or ``3.1``.
    fx_mismatch
        Collateral and loan are in different currencies.
    horizon, revaluation_days
        See `basel_scaled`.
    name, strict, declared
        See `ewma`.

    Returns
    -------
    polars.DataFrame
        `HAIRCUTS`, model ``basel``; no volatility; `floor_hit` is true, a fixed rate.

    Examples
    --------
    >>> import polars as pl
    >>> from datetime import date
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"], "date": [date(2026, 1, 1)], "close": [100.0]}
    ... )
    >>> basel(prices, listing="main_index", framework="2")["haircut"].item()
    0.15
    """
    check_choice(framework, "framework", tuple(EQUITY), quoted=True)
    table = EQUITY[framework]
    closes = read_audited(prices, strict=strict, declared=declared)
    kinds = choose_each(
        closes.names, "other_listed" if listing is None else listing, "other_listed"
    )
    for kind in kinds:
        if kind not in table:
            raise ConfigError(f"listing {kind!r}: give one of {', '.join(table)}")
    base = np.array([table[kind] for kind in kinds])
    added = FX_MISMATCH if fx_mismatch else 0.0
    scale = basel_scaled(1.0, holding_days=horizon, revaluation_days=revaluation_days)
    each = np.where(base >= 1, 1.0, (base + added) * scale)
    rows = np.repeat(each, np.diff(closes.starts))
    hit = np.ones(rows.size, bool)
    return closes.frame("basel", rows, None, hit, aim=Aim(name, horizon=horizon))
