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
from ._positions import (
    consolidate as consolidate,
)
from ._positions import (
    summarize as summarize,
)
