# pyright: basic
"""Backtests of haircuts as plain functions, each returning a `TestResult`.

A breach is a day whose loss exceeds the haircut (I = 1 when r < −VaR). Hits are
Booleans in time order; returns are signed; VaR and ES are positive losses; `level` is
the promised coverage, p = 1 − level. All likelihoods are summed in logarithms.
Losses over several days, looked at daily, overlap: only `overlapping` fits them.
"""

from holdings_kit.errors import attach_room

__getattr__, __dir__, __all__ = attach_room(__name__, __file__)
