from . import identity as identity
from ._instruments import (
    read_instruments as read_instruments,
)
from ._instruments import (
    read_instruments_and_rejects as read_instruments_and_rejects,
)
from ._instruments import (
    resolve as resolve,
)
from ._instruments import (
    unresolved as unresolved,
)
from ._lint import (
    lint as lint,
)
from ._market import Market as Market
from ._market import read_market as read_market
from ._market_prices import read_prices as read_prices
from ._payloads import (
    read_arrow as read_arrow,
)
from ._payloads import (
    read_gateway as read_gateway,
)
from ._payloads import (
    read_webhooks as read_webhooks,
)
from ._redact import (
    pseudonymize as pseudonymize,
)
from ._redact import (
    redact as redact,
)
