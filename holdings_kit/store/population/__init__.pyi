from ._buckets import DISTRIBUTION as DISTRIBUTION
from ._haircut_panel import (
    COLLATERAL_EFFECTS as COLLATERAL_EFFECTS,
    collateral_effects as collateral_effects,
    published_panel as published_panel,
)
from ._questions import (
    ACCOUNTS as ACCOUNTS,
    ACTIVITY as ACTIVITY,
    COVERAGE as COVERAGE,
    EXPOSURE as EXPOSURE,
    MARGIN_STRESS as MARGIN_STRESS,
    account_values as account_values,
    activity as activity,
    coverage as coverage,
    distribution as distribution,
    exposure_to as exposure_to,
    margin_stress as margin_stress,
    performance as performance,
)
