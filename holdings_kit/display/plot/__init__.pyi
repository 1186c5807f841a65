from ._changes import (
    cause_counts as cause_counts,
)
from ._changes import (
    change_timeline as change_timeline,
)
from ._changes import (
    quantity_ladder as quantity_ladder,
)
from ._haircut_adequacy import (
    adequacy_heatmap as adequacy_heatmap,
)
from ._haircut_adequacy import (
    haircut_drawdown as haircut_drawdown,
)
from ._haircut_breaches import (
    breach_plot as breach_plot,
)
from ._haircut_breaches import (
    rolling_zones as rolling_zones,
)
from ._haircut_models import (
    margin_reproduction as margin_reproduction,
)
from ._haircut_models import (
    model_comparison as model_comparison,
)
from ._haircut_models import (
    procyclicality as procyclicality,
)
from ._population import (
    activity_lines as activity_lines,
)
from ._population import (
    distribution_bars as distribution_bars,
)
from ._population import (
    stress_curve as stress_curve,
)
from ._portfolio import (
    performance_lines as performance_lines,
)
from ._portfolio import pnl_bars as pnl_bars
from ._risk import concentration as concentration
from ._risk import pledge_plan as pledge_plan
from ._shocks import shock_effects as shock_effects
from ._shocks import shock_grid as shock_grid
from ._style import alt_text as alt_text
from ._waterfalls import (
    collateral_bridge as collateral_bridge,
)
from ._waterfalls import (
    value_waterfall as value_waterfall,
)

__all__: list[str]  # noqa: PYI035, made of the names above
