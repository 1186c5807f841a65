"""Backtests of haircuts as plain functions, each returning a `TestResult`.

A breach is a day whose loss exceeds the haircut (I = 1 when r < −VaR). Hits are
Booleans in time order; returns are signed; VaR and ES are positive losses; `level` is
the promised coverage, p = 1 − level. All likelihoods are summed in logarithms.
Losses over several days, looked at daily, overlap: only `overlapping` fits them.
"""

from holdings_kit.haircuts.statistics._comparison import (
    diebold_mariano,
    fz0,
    fz0_losses,
    pinball,
    pinball_losses,
)
from holdings_kit.haircuts.statistics._coverage import (
    Limits,
    binomial,
    clopper_pearson,
    kupiec,
    plus_factor,
    traffic_light,
    tuff,
)
from holdings_kit.haircuts.statistics._dynamics import duration, dynamic_quantile
from holdings_kit.haircuts.statistics._independence import (
    Transitions,
    christoffersen,
    conditional_coverage,
    haas,
    transitions,
)
from holdings_kit.haircuts.statistics._overlapping import overlapping, power
from holdings_kit.haircuts.statistics._result import TestResult
from holdings_kit.haircuts.statistics._shortfall import (
    acerbi_szekely,
    mcneil_frey,
    nolde_ziegel,
)

__all__ = [
    "Limits",
    "TestResult",
    "Transitions",
    "acerbi_szekely",
    "binomial",
    "christoffersen",
    "clopper_pearson",
    "conditional_coverage",
    "diebold_mariano",
    "duration",
    "dynamic_quantile",
    "fz0",
    "fz0_losses",
    "haas",
    "kupiec",
    "mcneil_frey",
    "nolde_ziegel",
    "overlapping",
    "pinball",
    "pinball_losses",
    "plus_factor",
    "power",
    "traffic_light",
    "transitions",
    "tuff",
]
