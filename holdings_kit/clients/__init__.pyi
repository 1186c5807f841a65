from ._arrow import (
    ArrowClient as ArrowClient,
)
from ._brokers import (
    BROKERS as BROKERS,
)
from ._brokers import (
    Broker as Broker,
)
from ._brokers import (
    broker_profile as broker_profile,
)
from ._gateway import (
    GATEWAY_URL as GATEWAY_URL,
)
from ._gateway import (
    GatewayClient as GatewayClient,
)
from ._gateway import (
    Refresh as Refresh,
)
from ._gateway_imports import (
    NewTransaction as NewTransaction,
)
from ._http import (
    Options as Options,
)
from ._inbox import (
    Inbox as Inbox,
)
from ._inbox import (
    Receipt as Receipt,
)
from ._inbox import (
    Verdict as Verdict,
)
from ._inbox import (
    Verified as Verified,
)
from ._many import (
    fetch_many as fetch_many,
)
from ._policy import (
    Pace as Pace,
)
from ._receiver import (
    check_host as check_host,
)
from ._receiver import (
    serve as serve,
)
from ._receiver import (
    webhook_app as webhook_app,
)
from ._replay import (
    Replayed as Replayed,
)
from ._replay import (
    replay as replay,
)
from ._server_thread import (
    Background as Background,
)
from ._server_thread import (
    serving as serving,
)
from ._verification import (
    Check as Check,
)
from ._verification import (
    Fetch as Fetch,
)
from ._verification import (
    check as check,
)
from ._verification import (
    same_facts as same_facts,
)
