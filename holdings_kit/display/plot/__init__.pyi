from ._changes import (
    cause_counts as cause_counts,
    change_timeline as change_timeline,
    collateral_bridge as collateral_bridge,
    quantity_ladder as quantity_ladder,
    value_waterfall as value_waterfall,
)
from ._haircut_breaches import (
    breach_plot as breach_plot,
    rolling_zones as rolling_zones,
)
from ._haircut_models import (
    adequacy_heatmap as adequacy_heatmap,
    haircut_drawdown as haircut_drawdown,
    margin_reproduction as margin_reproduction,
    model_comparison as model_comparison,
    procyclicality as procyclicality,
)
from ._population import (
    activity_lines as activity_lines,
    distribution_bars as distribution_bars,
    stress_curve as stress_curve,
)
from ._portfolio import performance_lines as performance_lines, pnl_bars as pnl_bars
from ._risk import (
    concentration as concentration,
    pledge_plan as pledge_plan,
    shock_effects as shock_effects,
    shock_grid as shock_grid,
)
from ._style import alt_text as alt_text, style as style

__all__: list[str]  # noqa: PYI035, made of the names above
