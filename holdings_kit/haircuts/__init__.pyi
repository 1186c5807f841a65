from . import statistics as statistics
from ._attribution import (
    COLLATERAL_CHANGES as COLLATERAL_CHANGES,
    collateral_changes as collateral_changes,
)
from ._audit import AUDIT as AUDIT, audit as audit
from ._backtest import backtest as backtest, breaches as breaches
from ._basel import (
    basel as basel,
    basel_exposure as basel_exposure,
    basel_scaled as basel_scaled,
)
from ._book import BOOK_EFFECTS as BOOK_EFFECTS, book_effects as book_effects
from ._clearing import clearing_collateral as clearing_collateral
from ._compare_models import (
    Comparison as Comparison,
    compare_models as compare_models,
    procyclicality as procyclicality,
)
from ._coverage import COVERAGE as COVERAGE
from ._decompose import DECOMPOSITION as DECOMPOSITION, decompose as decompose
from ._filtered import (
    evt as evt,
    filtered_historical as filtered_historical,
    student_t as student_t,
)
from ._frames import HAIRCUTS as HAIRCUTS, PRICES as PRICES
from ._garch import garch as garch
from ._losses import BOOK as BOOK, losses as losses, netted as netted
from ._models import (
    ewma as ewma,
    expected_shortfall as expected_shortfall,
    historical as historical,
)
from ._overlays import (
    buffer as buffer,
    stressed as stressed,
    ten_year_floor as ten_year_floor,
)
from ._published import (
    PANEL as PANEL,
    change_points as change_points,
    drift as drift,
    panel as panel,
    published as published,
)
from ._reproduce import (
    REPRODUCED as REPRODUCED,
    Reproduction as Reproduction,
    reproduce as reproduce,
)
from ._rules import sebi_2005 as sebi_2005, sebi_2020 as sebi_2020
from ._table import table as table
from ._universe import Universe as Universe
from .statistics._overlapping import power as power
