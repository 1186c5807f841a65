from ._collateral import (
    COLLATERAL as COLLATERAL,
    Cash as Cash,
    Quantity as Quantity,
    collateral as collateral,
)
from ._margin import (
    MARGIN as MARGIN,
    RECONCILED as RECONCILED,
    margin as margin,
    reconcile as reconcile,
)
from ._margin_rules import (
    FEES as FEES,
    LIST_CUT as LIST_CUT,
    RULES as RULES,
    Fees as Fees,
    Practice as Practice,
    Rules as Rules,
    as_rules as as_rules,
    broker_fees as broker_fees,
    list_cut_haircut as list_cut_haircut,
)
from ._pledge import (
    PLAN as PLAN,
    PledgePlan as PledgePlan,
    pledge_plan as pledge_plan,
)
from ._scenarios import (
    SCENARIOS as SCENARIOS,
    SHOCKS as SHOCKS,
    make_shocks as make_shocks,
    scenario as scenario,
)
from ._shock import (
    SHOCKED as SHOCKED,
    grid as grid,
    shock as shock,
    shock_positions as shock_positions,
)
from ._value_at_risk import (
    CONTRIBUTIONS as CONTRIBUTIONS,
    RISK as RISK,
    Method as Method,
    value_at_risk as value_at_risk,
    var_contributions as var_contributions,
)
