from ._exposure import (
    CONCENTRATION as CONCENTRATION,
)
from ._exposure import (
    EXPOSURES as EXPOSURES,
)
from ._exposure import (
    concentration as concentration,
)
from ._exposure import (
    look_through as look_through,
)
from ._exposure import (
    open_funds as open_funds,
)
from ._lots import (
    OPEN_LOTS as OPEN_LOTS,
)
from ._lots import (
    REALIZED_LOTS as REALIZED_LOTS,
)
from ._lots import (
    Lots as Lots,
)
from ._lots import (
    fifo_lots as fifo_lots,
)
from ._performance import (
    PERFORMANCE as PERFORMANCE,
)
from ._performance import (
    performance as performance,
)
from ._positions import (
    consolidate as consolidate,
)
from ._positions import (
    summarize as summarize,
)
