"""The clients of the two sources; the only part that talks HTTP."""

from __future__ import annotations

from holdings_kit.clients.arrow import ArrowClient
from holdings_kit.clients.gateway import GatewayClient, NewTransaction, Refresh
from holdings_kit.clients.http import Options
from holdings_kit.clients.many import fetch_many
from holdings_kit.clients.pace import Pace

__all__ = [
    "ArrowClient",
    "GatewayClient",
    "NewTransaction",
    "Options",
    "Pace",
    "Refresh",
    "fetch_many",
]
