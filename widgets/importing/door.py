"""What an import needs to know of the two sources; the same for sandbox and real."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import uvicorn

import holdings_kit as hk
from holdings_kit.clients import Inbox, Options, webhook_app
from holdings_kit.errors import ConfigError
from holdings_kit.market._freshness import Clock, utc_now

if TYPE_CHECKING:
    from pathlib import Path

    from holdings_kit.sandbox import Sandbox

__all__ = ["SDK_URL", "Arrow", "Gateway", "Receiver"]

SDK_URL: Final = "https://gateway.smallcase.com/scdk/2.0.0/scdk.js"
_PATIENCE: Final = 10.0


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
    receiver: Receiver | None = field(default=None, repr=False)

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
        made = Inbox(inbox, api_secret=sandbox.api_secret) if inbox else None
        receiver = Receiver(made) if made else None
        if receiver:
            sandbox.register_webhook(receiver.url)
        return cls(
            client=client,
            name=sandbox.gateway,
            sdk_url=f"{sandbox.url}/scdk/2.0.0/scdk.js",
            inbox=made,
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


class Receiver:
    """A webhook receiver on a free loopback port, in a thread of its own."""

    def __init__(self, inbox: Inbox) -> None:
        config = uvicorn.Config(
            webhook_app(inbox), port=0, log_config=None, access_log=False, ws="none"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        until = time.monotonic() + _PATIENCE
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > until:
                raise ConfigError("the webhook receiver did not start")
            time.sleep(0.005)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/webhook"

    def close(self) -> None:
        """Stop listening; what was received stays."""
        self._server.should_exit = True
        self._thread.join(_PATIENCE)
