"""The haircut laboratory: models, rules, overlays, tests and adequacy.

A model is a function prices → `HAIRCUTS`; the haircut at a date uses closes up to and
including that date and covers the loss from that close. Losses and VaR are positive,
returns are signed. Needs the extra ``risk`` (numpy, scipy).
"""

from holdings_kit.haircuts import tests as tests
from holdings_kit.haircuts.adequacy import COVERAGE, backtest, breaches
from holdings_kit.haircuts.attribution import COLLATERAL_CHANGES, collateral_changes
from holdings_kit.haircuts.basel import basel, basel_exposure, basel_scaled
from holdings_kit.haircuts.book import BOOK_EFFECTS, book_effects
from holdings_kit.haircuts.comparison import (
    Comparison,
    compare_models,
    procyclicality,
)
from holdings_kit.haircuts.decompose import DECOMPOSITION, decompose
from holdings_kit.haircuts.filtered import evt, filtered_historical, student_t
from holdings_kit.haircuts.frames import HAIRCUTS, PRICES
from holdings_kit.haircuts.garch import garch
from holdings_kit.haircuts.losses import BOOK, losses, netted
from holdings_kit.haircuts.models import ewma, expected_shortfall, historical
from holdings_kit.haircuts.overlays import buffer, stressed, ten_year_floor
from holdings_kit.haircuts.published import (
    PANEL,
    change_points,
    drift,
    panel,
    published,
)
from holdings_kit.haircuts.rules import sebi_2005, sebi_2020
from holdings_kit.haircuts.universe import Universe

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
