"""The haircut laboratory: models, rules, overlays, tests and adequacy.

A model is a function prices → `HAIRCUTS`; the haircut at a date uses closes up to and
including that date and covers the loss from that close. Losses and VaR are positive,
returns are signed. Needs the extra ``risk`` (numpy, scipy).
"""

from holdings_kit.haircuts import statistics as tests
from holdings_kit.haircuts._attribution import COLLATERAL_CHANGES, collateral_changes
from holdings_kit.haircuts._backtest import COVERAGE, backtest, breaches
from holdings_kit.haircuts._basel import basel, basel_exposure, basel_scaled
from holdings_kit.haircuts._book import BOOK_EFFECTS, book_effects
from holdings_kit.haircuts._compare_models import (
    Comparison,
    compare_models,
    procyclicality,
)
from holdings_kit.haircuts._decompose import DECOMPOSITION, decompose
from holdings_kit.haircuts._filtered import evt, filtered_historical, student_t
from holdings_kit.haircuts._frames import HAIRCUTS, PRICES
from holdings_kit.haircuts._garch import garch
from holdings_kit.haircuts._losses import BOOK, losses, netted
from holdings_kit.haircuts._models import ewma, expected_shortfall, historical
from holdings_kit.haircuts._overlays import buffer, stressed, ten_year_floor
from holdings_kit.haircuts._published import (
    PANEL,
    change_points,
    drift,
    panel,
    published,
)
from holdings_kit.haircuts._rules import sebi_2005, sebi_2020
from holdings_kit.haircuts._universe import Universe

__all__ = [
    "BOOK",
    "BOOK_EFFECTS",
    "COLLATERAL_CHANGES",
    "COVERAGE",
    "DECOMPOSITION",
    "HAIRCUTS",
    "PANEL",
    "PRICES",
    "Comparison",
    "Universe",
    "backtest",
    "basel",
    "basel_exposure",
    "basel_scaled",
    "book_effects",
    "breaches",
    "buffer",
    "change_points",
    "collateral_changes",
    "compare_models",
    "decompose",
    "drift",
    "evt",
    "ewma",
    "expected_shortfall",
    "filtered_historical",
    "garch",
    "historical",
    "losses",
    "netted",
    "panel",
    "procyclicality",
    "published",
    "sebi_2005",
    "sebi_2020",
    "stressed",
    "student_t",
    "ten_year_floor",
    "tests",
]
