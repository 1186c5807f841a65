from . import identity as identity
from ._instruments import (
    read_instruments as read_instruments,
    read_instruments_and_rejects as read_instruments_and_rejects,
    resolve as resolve,
    unresolved as unresolved,
)
from ._lint import (
    lint as lint,
)
from ._market import Market as Market, read_market as read_market
from ._market_prices import read_prices as read_prices
from ._payloads import (
    read_arrow as read_arrow,
    read_fund_imports as read_fund_imports,
    read_gateway as read_gateway,
    read_webhooks as read_webhooks,
)
from ._redact import (
    pseudonymize as pseudonymize,
    redact as redact,
)
