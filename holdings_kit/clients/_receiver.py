"""The inbox as a web application, to mount or to serve (`holdings-kit receive`)."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import threading
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from holdings_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from holdings_kit.clients._inbox import Inbox

__all__ = ["check_host", "serve", "webhook_app"]

_LOG = logging.getLogger(__name__)
_BODY_SECONDS: Final = 30
_AT_ONCE: Final = 1_000  # connections; more are answered 503


class _TooLargeError(Exception):
    """The body is longer than it may be."""


def webhook_app(
    inbox: Inbox, *, path: str = "/webhook", max_bytes: int = 8_000_000
) -> Starlette:
    """Make the ASGI application that receives webhooks into an inbox.

    Answers 200 once the delivery is on disk (also when it was there before), 400 to
    what is no webhook, 401 to a wrong checksum, 408 to a body that does not come, 413
    to one that is too long, 503 when the disk refuses: the sender then tries again. An
    inbox that has a `fetch` compares after the answer, in one background thread.

    Parameters
    ----------
    inbox
        Where deliveries go.
    path
        Route below the place where the application is mounted.
    max_bytes
        Longest body that is read.
    """
    verify = _one_at_a_time(inbox.verify) if inbox.verifies else None

    async def receive(request: Request) -> JSONResponse:
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await _bounded_body(request, max_bytes)
        except TimeoutError:
            return _answer(408, "the body did not come in time")
        except _TooLargeError:
            return _answer(413, f"more than {max_bytes} bytes")
        try:
            receipt = await run_in_threadpool(inbox.receive, body)
        except OSError:
            _LOG.exception("a delivery could not be stored")
            return _answer(503, "could not be stored")
        answer = _answer(receipt.status, receipt.reason)
        if verify and receipt.reason == "stored":
            answer.background = BackgroundTask(verify)
        return answer

    return Starlette(routes=[Route(path, receive, methods=["POST"])])


def check_host(host: str, *, allow_remote: bool) -> None:
    """Refuse to listen where other machines can reach, unless told to.

    Raises
    ------
    ConfigError
        `host` is not loopback and `allow_remote` is false.

    Examples
    --------
    >>> check_host("127.0.0.1", allow_remote=False)
    >>> check_host("0.0.0.0", allow_remote=False)
    Traceback (most recent call last):
        ...
    holdings_kit.errors.ConfigError: 0.0.0.0 can be reached from other machines; ...
    """
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback and not allow_remote:
        raise ConfigError(
            f"{host} can be reached from other machines; holdings are personal data. "
            "Put a TLS proxy in front of 127.0.0.1, or allow it (--allow-remote)"
        )


def serve(
    app: ASGIApp, *, host: str = "127.0.0.1", port: int, allow_remote: bool = False
) -> None:
    """Serve the application until SIGINT or SIGTERM, on loopback unless told.

    Raises
    ------
    ConfigError
        `host` is not loopback and `allow_remote` is false.
    """
    check_host(host, allow_remote=allow_remote)
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=_AT_ONCE,
        timeout_graceful_shutdown=10,
    )


async def _bounded_body(request: Request, max_bytes: int) -> bytes:
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise _TooLargeError
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise _TooLargeError
    return bytes(body)


def _one_at_a_time(task: Callable[[], object]) -> Callable[[], None]:
    """Run a task once for all calls that come while it runs, never two at a time."""
    wanted, running = threading.Event(), threading.Lock()

    def run() -> None:
        wanted.set()
        while wanted.is_set() and running.acquire(blocking=False):
            try:
                wanted.clear()
                task()
            finally:
                running.release()

    return run


def _answer(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"status": reason}, status_code=status)
