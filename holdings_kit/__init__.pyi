from . import haircuts as haircuts, market as market, sandbox as sandbox
from .changes import bridge as bridge, compare as compare, timeline as timeline
from .clients import (
    ArrowClient as ArrowClient,
    AsyncArrowClient as AsyncArrowClient,
    AsyncGatewayClient as AsyncGatewayClient,
    GatewayClient as GatewayClient,
    replay as replay,
)
from .display import (
    export as export,
    json_schema as json_schema,
    plot as plot,
    show as show,
    show_versions as show_versions,
    to_pandas as to_pandas,
)
from .errors import HoldingsError as HoldingsError
from .market import adjust as adjust
from .portfolio import (
    concentration as concentration,
    consolidate as consolidate,
    look_through as look_through,
    performance as performance,
    summarize as summarize,
)
from .read import (
    identity as identity,
    lint as lint,
    read_arrow as read_arrow,
    read_gateway as read_gateway,
    read_instruments as read_instruments,
    read_market as read_market,
    read_prices as read_prices,
    read_webhooks as read_webhooks,
    redact as redact,
)
from .risk import (
    collateral as collateral,
    pledge_plan as pledge_plan,
    shock as shock,
    value_at_risk as value_at_risk,
)
from .schema import Loaded as Loaded
from .store import (
    Store as Store,
    cluster as cluster,
    population as population,
    scan_arrow as scan_arrow,
    scan_webhooks as scan_webhooks,
)

__all__: list[str]  # noqa: PYI035, made of the names above
__version__: str
