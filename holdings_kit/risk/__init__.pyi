from ._collateral import (
    COLLATERAL as COLLATERAL,
)
from ._collateral import (
    Cash as Cash,
)
from ._collateral import (
    Quantity as Quantity,
)
from ._collateral import (
    collateral as collateral,
)
from ._margin import (
    MARGIN as MARGIN,
)
from ._margin import (
    RECONCILED as RECONCILED,
)
from ._margin import (
    margin as margin,
)
from ._margin import (
    reconcile as reconcile,
)
from ._margin_rules import (
    FEES as FEES,
)
from ._margin_rules import (
    LIST_CUT as LIST_CUT,
)
from ._margin_rules import (
    RULES as RULES,
)
from ._margin_rules import (
    Fees as Fees,
)
from ._margin_rules import (
    Practice as Practice,
)
from ._margin_rules import (
    Rules as Rules,
)
from ._margin_rules import (
    as_rules as as_rules,
)
from ._margin_rules import (
    broker_fees as broker_fees,
)
from ._margin_rules import (
    list_cut_haircut as list_cut_haircut,
)
from ._pledge import (
    PLAN as PLAN,
)
from ._pledge import (
    PledgePlan as PledgePlan,
)
from ._pledge import (
    pledge_plan as pledge_plan,
)
from ._scenarios import (
    SCENARIOS as SCENARIOS,
)
from ._scenarios import (
    SHOCKS as SHOCKS,
)
from ._scenarios import (
    make_shocks as make_shocks,
)
from ._scenarios import (
    scenario as scenario,
)
from ._shock import (
    SHOCKED as SHOCKED,
)
from ._shock import (
    grid as grid,
)
from ._shock import (
    shock as shock,
)
from ._shock import (
    shock_positions as shock_positions,
)
from ._value_at_risk import (
    CONTRIBUTIONS as CONTRIBUTIONS,
)
from ._value_at_risk import (
    RISK as RISK,
)
from ._value_at_risk import (
    Method as Method,
)
from ._value_at_risk import (
    value_at_risk as value_at_risk,
)
from ._value_at_risk import (
    var_contributions as var_contributions,
)
