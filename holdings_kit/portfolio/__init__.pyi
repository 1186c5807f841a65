from ._exposure import (
    CONCENTRATION as CONCENTRATION,
    EXPOSURES as EXPOSURES,
    concentration as concentration,
    look_through as look_through,
    open_funds as open_funds,
)
from ._lots import (
    OPEN_LOTS as OPEN_LOTS,
    REALIZED_LOTS as REALIZED_LOTS,
    Lots as Lots,
    fifo_lots as fifo_lots,
)
from ._performance import (
    PERFORMANCE as PERFORMANCE,
    performance as performance,
)
from ._positions import (
    consolidate as consolidate,
    summarize as summarize,
)
