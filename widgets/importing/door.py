"""What an import needs to know of the two sources; the same for sandbox and real."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import holdings_kit as hk
from holdings_kit.clients import Inbox, Options
from holdings_kit.market._freshness import Clock, utc_now

if TYPE_CHECKING:
    from pathlib import Path

    from holdings_kit.clients import Background
    from holdings_kit.sandbox import Sandbox

SDK_URL: Final = "https://gateway.smallcase.com/scdk/2.0.0/scdk.js"


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """How to import through the smallcase Gateway.

    Attributes
    ----------
    client
        Of the server; holds the secrets, which never reach the page.
    name
        The gateway's name, for the browser SDK.
    sdk_url
        Where the browser SDK is loaded from.
    inbox
        Where webhooks arrive (`holdings-kit receive`); ``None``: nobody listens.
    clock
        Gives the instant for countdown and freshness.
    receiver
        A receiver that was started for this import; closed with `close`.
    """

    client: hk.GatewayClient
    name: str
    sdk_url: str = SDK_URL
    inbox: Inbox | None = None
    clock: Clock = utc_now
    receiver: Background | None = field(default=None, repr=False)

    @classmethod
    def sandbox(cls, sandbox: Sandbox, *, inbox: str | Path | None = None) -> Gateway:
        """Point an import at a running sandbox, with a webhook receiver if asked."""
        client = hk.GatewayClient(
            gateway=sandbox.gateway,
            api_secret=sandbox.api_secret,
            shared_secret=sandbox.shared_secret,
            base_url=sandbox.url,
            clock=sandbox.now,
        )
        folder = Inbox(inbox, api_secret=sandbox.api_secret) if inbox else None
        receiver = _receive_into(folder) if folder else None
        if receiver:
            sandbox.register_webhook(f"{receiver.url}/webhook")
        return cls(
            client=client,
            name=sandbox.gateway,
            sdk_url=f"{sandbox.url}/scdk/2.0.0/scdk.js",
            inbox=folder,
            clock=sandbox.now,
            receiver=receiver,
        )


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """How to fetch from Arrow; the token comes from the page, once per fetch."""

    base_url: str = "https://edge.arrow.trade"
    app_id: str = ""
    clock: Clock = utc_now
    options: Options = field(default_factory=Options)

    @classmethod
    def sandbox(cls, sandbox: Sandbox) -> Arrow:
        """Point a fetch at a running sandbox."""
        return cls(base_url=sandbox.arrow_url, app_id=sandbox.app_id, clock=sandbox.now)


def _receive_into(inbox: Inbox) -> Background:
    """Receive webhooks on a free loopback port until the receiver is closed."""
    from holdings_kit.clients import Background, webhook_app  # noqa: PLC0415

    return Background(webhook_app(inbox))
