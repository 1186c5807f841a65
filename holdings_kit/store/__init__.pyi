from . import cluster as cluster, population as population
from ._erase import (
    Erased as Erased,
)
from ._mapper import (
    Mapper as Mapper,
    Threads as Threads,
)
from ._scan import (
    Scan as Scan,
    scan_arrow as scan_arrow,
    scan_webhooks as scan_webhooks,
)
from ._store import (
    Appended as Appended,
    Store as Store,
)
from ._view import (
    StoreView as StoreView,
)
