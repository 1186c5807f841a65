"""Equity holdings as exact polars frames: read, consolidate, value, compare, risk.

One rule: a number is made only from facts that are there. Unknown is null, never 0;
every price says its basis, every total its coverage; what cannot be read is set aside.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdings_kit import check as check
    from holdings_kit import cluster as cluster
    from holdings_kit import haircuts as haircuts
    from holdings_kit import identity as identity
    from holdings_kit import plot as plot
    from holdings_kit import sandbox as sandbox
    from holdings_kit.bridges import bridge as bridge
    from holdings_kit.clients import ArrowClient as ArrowClient
    from holdings_kit.clients import GatewayClient as GatewayClient
    from holdings_kit.collateral_value import collateral as collateral
    from holdings_kit.comparison import compare as compare
    from holdings_kit.errors import HoldingsError as HoldingsError
    from holdings_kit.exposure import concentration as concentration
    from holdings_kit.exposure import look_through as look_through
    from holdings_kit.instruments import read_instruments as read_instruments
    from holdings_kit.linting import lint as lint
    from holdings_kit.pledge import pledge_plan as pledge_plan
    from holdings_kit.portfolio import consolidate as consolidate
    from holdings_kit.portfolio import summarize as summarize
    from holdings_kit.read import read_arrow as read_arrow
    from holdings_kit.read import read_gateway as read_gateway
    from holdings_kit.read import read_webhooks as read_webhooks
    from holdings_kit.redaction import redact as redact
    from holdings_kit.replayer import replay as replay
    from holdings_kit.scan import scan_arrow as scan_arrow
    from holdings_kit.scan import scan_webhooks as scan_webhooks
    from holdings_kit.schema import Loaded as Loaded
    from holdings_kit.store import Store as Store
    from holdings_kit.stress import shock as shock

# Public name → module that holds it; a module stands for itself. Loaded on first use,
# so that the import is quick and pulls in none of the optional parts.
_HOME = {
    "ArrowClient": "holdings_kit.clients",
    "GatewayClient": "holdings_kit.clients",
    "HoldingsError": "holdings_kit.errors",
    "Loaded": "holdings_kit.schema",
    "Store": "holdings_kit.store",
    "bridge": "holdings_kit.bridges",
    "check": "holdings_kit.check",
    "cluster": "holdings_kit.cluster",
    "collateral": "holdings_kit.collateral_value",
    "compare": "holdings_kit.comparison",
    "concentration": "holdings_kit.exposure",
    "consolidate": "holdings_kit.portfolio",
    "haircuts": "holdings_kit.haircuts",
    "identity": "holdings_kit.identity",
    "lint": "holdings_kit.linting",
    "look_through": "holdings_kit.exposure",
    "pledge_plan": "holdings_kit.pledge",
    "plot": "holdings_kit.plot",
    "read_arrow": "holdings_kit.read",
    "read_gateway": "holdings_kit.read",
    "read_instruments": "holdings_kit.instruments",
    "read_webhooks": "holdings_kit.read",
    "redact": "holdings_kit.redaction",
    "replay": "holdings_kit.replayer",
    "sandbox": "holdings_kit.sandbox",
    "scan_arrow": "holdings_kit.scan",
    "scan_webhooks": "holdings_kit.scan",
    "shock": "holdings_kit.stress",
    "summarize": "holdings_kit.portfolio",
}

__all__ = [
    "ArrowClient",
    "GatewayClient",
    "HoldingsError",
    "Loaded",
    "Store",
    "bridge",
    "check",
    "cluster",
    "collateral",
    "compare",
    "concentration",
    "consolidate",
    "haircuts",
    "identity",
    "lint",
    "look_through",
    "pledge_plan",
    "plot",
    "read_arrow",
    "read_gateway",
    "read_instruments",
    "read_webhooks",
    "redact",
    "replay",
    "sandbox",
    "scan_arrow",
    "scan_webhooks",
    "shock",
    "summarize",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'holdings_kit' has no attribute {name!r}")
    module = import_module(_HOME[name])
    value = module if _HOME[name] == f"{__name__}.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
