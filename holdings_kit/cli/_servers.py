"""Commands that serve until they are stopped."""

from __future__ import annotations

import os
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from holdings_kit.errors import ConfigError
from holdings_kit.wire import Secret

__all__ = ["app_", "lab", "receive", "sandbox"]


def sandbox(
    *,
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8400,
    seed: Annotated[int, typer.Option(help="Same seed, same people and prices.")] = 0,
    faults: Annotated[
        str, typer.Option(help='Plan, e.g. "holdings: 429*2; webhook: late 24h".')
    ] = "",
    start: Annotated[
        str, typer.Option(help="First instant, ISO 8601; now unless given.")
    ] = "",
    speed: Annotated[
        float, typer.Option(help="Virtual seconds per second; 0 stands still.")
    ] = 1.0,
    webhook: Annotated[
        str | None, typer.Option(help="URL on this machine for webhooks.")
    ] = None,
    crowd: Annotated[int, typer.Option(help="So many more accounts, for load.")] = 0,
    rate_limit: Annotated[
        int | None,
        typer.Option(help="Arrow calls of a kind per second; published: 10."),
    ] = None,
) -> None:
    """Run simulated brokers and the gateway on this machine until stopped."""
    from holdings_kit.sandbox import Clock, serve

    clock = Clock(_instant(start), speed=speed)
    running = serve(
        port=port,
        seed=seed,
        faults=faults,
        clock=clock,
        webhook_url=webhook,
        crowd=crowd,
        rate_limit=rate_limit,
    )
    with running as sb:
        print(f"front page     {sb.url}/")
        print(f"base URL       {sb.base_url} (Gateway and Arrow)")
        for name in ("gateway", "api_secret", "shared_secret", "app_id", "app_secret"):
            print(f"{name:<14} {getattr(sb, name)}")
        print("The secrets are invented. Ctrl-C stops it.", flush=True)
        _wait_until_told_to_stop()


def receive(
    *,
    into: Annotated[Path, typer.Option(help="Folder of the inbox.")],
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8401,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    allow_remote: Annotated[
        bool, typer.Option(help="Listen where other machines can reach.")
    ] = False,
    verify_by_fetch: Annotated[
        bool, typer.Option(help="Fetch again and compare: the checksum is not enough.")
    ] = False,
    gateway: Annotated[str, typer.Option(help="Gateway name, to fetch.")] = "",
    base_url: Annotated[
        str, typer.Option(help="Where to fetch; the production gateway unless given.")
    ] = "",
) -> None:
    """Receive webhooks until stopped; each is on disk before it is answered.

    Secrets come from the environment: GATEWAY_API_SECRET, and GATEWAY_SHARED_SECRET to
    fetch.
    """
    from holdings_kit.clients import Inbox, check_host, serve, webhook_app

    check_host(host, allow_remote=allow_remote)
    api_secret = _from_environment("GATEWAY_API_SECRET")
    fetch = None
    if verify_by_fetch:
        from holdings_kit.clients import GATEWAY_URL, GatewayClient

        if not gateway:
            raise ConfigError("--verify-by-fetch needs --gateway, its name")
        fetch = GatewayClient(
            gateway=gateway,
            api_secret=api_secret,
            shared_secret=_from_environment("GATEWAY_SHARED_SECRET"),
            base_url=base_url or GATEWAY_URL,
        ).holdings
    inbox = Inbox(into, api_secret=api_secret, fetch=fetch)
    left = inbox.sweep()
    if inbox.verifies:
        threading.Thread(target=inbox.verify, daemon=True).start()
    print(f"inbox     {inbox.folder} ({left} unfinished removed)")
    print(f"webhooks  http://{host}:{port}/webhook", flush=True)
    serve(webhook_app(inbox), host=host, port=port, allow_remote=allow_remote)


def lab(
    *,
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the sandbox.")] = 7,
    browser: Annotated[bool, typer.Option(help="Open the start page.")] = True,
) -> None:
    """Start sandbox, store and JupyterLab on this machine until stopped."""
    _serve("lab", port=port, seed=seed, browser=browser)


def app_(
    *,
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the sandbox.")] = 7,
    browser: Annotated[bool, typer.Option(help="Open the start page.")] = True,
) -> None:
    """Serve the explore notebooks as pages (Voilà) until stopped."""
    _serve("app", port=port, seed=seed, browser=browser)


def _serve(
    server: Literal["lab", "app"], *, port: int, seed: int, browser: bool
) -> None:
    import webbrowser

    from holdings_kit.cli._lab import Running, running

    def tell(up: Running) -> None:
        print(f"sandbox   {up.sandbox_url}/")
        print(f"store     {up.store}")
        print(f"open      {up.url}")
        print(
            "The address holds the token: it is for you. Ctrl-C stops it.", flush=True
        )
        if browser:
            webbrowser.open(up.url)

    code = running(Path.cwd(), server=server, port=port, seed=seed, tell=tell)
    print("stopped")
    if code:
        raise typer.Exit(code)


def _from_environment(name: str) -> Secret:
    value = os.environ.get(name)
    if not value:
        raise ConfigError(f"{name} is not set: put the secret into the environment")
    return Secret(value)


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text) if text else datetime.now(UTC)
    except ValueError:
        raise ConfigError(
            f"{text!r} is no instant; write 2026-01-05T04:45:00Z"
        ) from None


def _wait_until_told_to_stop() -> None:
    told = threading.Event()

    def stop(*_signal: object) -> None:
        told.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    told.wait()
