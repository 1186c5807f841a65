from . import cluster as cluster
from . import population as population
from ._erase import (
    Erased as Erased,
)
from ._mapper import (
    Mapper as Mapper,
)
from ._mapper import (
    Threads as Threads,
)
from ._scan import (
    Scan as Scan,
)
from ._scan import (
    scan_arrow as scan_arrow,
)
from ._scan import (
    scan_webhooks as scan_webhooks,
)
from ._store import (
    Appended as Appended,
)
from ._store import (
    Store as Store,
)
from ._view import (
    StoreView as StoreView,
)
