from ._arrow import ArrowClient as ArrowClient
from ._async import (
    AsyncArrowClient as AsyncArrowClient,
    AsyncGatewayClient as AsyncGatewayClient,
)
from ._brokers import (
    BROKERS as BROKERS,
    Broker as Broker,
    broker_profile as broker_profile,
)
from ._gateway import GatewayClient as GatewayClient
from ._gateway_plans import (
    GATEWAY_URL as GATEWAY_URL,
    NewTransaction as NewTransaction,
    Refresh as Refresh,
)
from ._http import Options as Options
from ._inbox import (
    Inbox as Inbox,
    Receipt as Receipt,
    Verdict as Verdict,
    Verified as Verified,
)
from ._many import fetch_many as fetch_many, fetch_many_async as fetch_many_async
from ._policy import Pace as Pace
from ._receiver import (
    check_host as check_host,
    serve as serve,
    webhook_app as webhook_app,
)
from ._replay import Replayed as Replayed, replay as replay
from ._server_thread import Background as Background, serving as serving
from ._verification import (
    Check as Check,
    Fetch as Fetch,
    check as check,
    same_facts as same_facts,
)
