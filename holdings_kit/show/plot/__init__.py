"""Pictures: a frame in, a matplotlib `Figure` out; each carries its alt text.

No figure is shown or kept by this package: the last line of a notebook cell shows it,
and ``figure.savefig`` writes it.
"""

from __future__ import annotations

from holdings_kit.show.plot._changes import (
    cause_counts,
    change_timeline,
    quantity_ladder,
)
from holdings_kit.show.plot._haircut_adequacy import adequacy_heatmap, haircut_drawdown
from holdings_kit.show.plot._haircut_breaches import breach_plot, rolling_zones
from holdings_kit.show.plot._haircut_models import model_comparison, procyclicality
from holdings_kit.show.plot._population import (
    activity_lines,
    distribution_bars,
    stress_curve,
)
from holdings_kit.show.plot._portfolio import pnl_bars
from holdings_kit.show.plot._risk import concentration, pledge_plan
from holdings_kit.show.plot._shocks import shock_effects, shock_grid
from holdings_kit.show.plot._style import alt_text
from holdings_kit.show.plot._waterfalls import collateral_bridge, value_waterfall

__all__ = [
    "activity_lines",
    "adequacy_heatmap",
    "alt_text",
    "breach_plot",
    "cause_counts",
    "change_timeline",
    "collateral_bridge",
    "concentration",
    "distribution_bars",
    "haircut_drawdown",
    "model_comparison",
    "pledge_plan",
    "pnl_bars",
    "procyclicality",
    "quantity_ladder",
    "rolling_zones",
    "shock_effects",
    "shock_grid",
    "stress_curve",
    "value_waterfall",
]
