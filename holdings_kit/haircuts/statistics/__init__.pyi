from ._comparison import (
    diebold_mariano as diebold_mariano,
    fz0 as fz0,
    fz0_losses as fz0_losses,
    pinball as pinball,
    pinball_losses as pinball_losses,
)
from ._coverage import (
    Limits as Limits,
    binomial as binomial,
    clopper_pearson as clopper_pearson,
    kupiec as kupiec,
    plus_factor as plus_factor,
    traffic_light as traffic_light,
    tuff as tuff,
)
from ._dynamics import duration as duration, dynamic_quantile as dynamic_quantile
from ._independence import (
    Transitions as Transitions,
    christoffersen as christoffersen,
    conditional_coverage as conditional_coverage,
    haas as haas,
    transitions as transitions,
)
from ._overlapping import overlapping as overlapping, power as power
from ._result import TestResult as TestResult
from ._shortfall import (
    acerbi_szekely as acerbi_szekely,
    mcneil_frey as mcneil_frey,
    nolde_ziegel as nolde_ziegel,
)
