"""Clients of a running sandbox: the ones for production, with its keys and clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdings_kit.clients import ArrowClient, GatewayClient

if TYPE_CHECKING:
    from holdings_kit.sandbox import Sandbox

__all__ = ["arrow_client", "gateway_client"]


def gateway_client(sandbox: Sandbox) -> GatewayClient:
    """Make the client of the sandbox's one partner.

    Examples
    --------
    >>> from holdings_kit import sandbox
    >>> with sandbox.serve() as sb, gateway_client(sb) as client:
    ...     client.create_import().transaction_id[:4]
    'TRX_'
    """
    return GatewayClient(
        gateway=sandbox.gateway,
        api_secret=sandbox.api_secret,
        shared_secret=sandbox.shared_secret,
        base_url=sandbox.url,
        clock=sandbox.now,
    )


def arrow_client(sandbox: Sandbox, persona: str) -> ArrowClient:
    """Log a persona in to Arrow, by checksum, as its login page would.

    Examples
    --------
    >>> from holdings_kit import sandbox
    >>> with sandbox.serve() as sb, arrow_client(sb, "asha") as client:
    ...     client.account_id
    'SBX0001'
    """
    return ArrowClient.login(
        app_id=sandbox.app_id,
        app_secret=sandbox.app_secret,
        request_token=sandbox.request_token(persona),
        base_url=sandbox.url,
        historical_url=sandbox.url,
        clock=sandbox.now,
    )
