"""The ASGI application: both contracts, the pages and the control routes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from holdings_kit.clients._policy import LOOPBACK
from holdings_kit.sandbox import (
    _arrow as arrow,
    _arrow_login as arrow_login,
    _control as control,
    _fund_import as fund_import,
    _gateway as gateway,
    _openapi as openapi,
    _pages as pages,
)
from holdings_kit.sandbox._replies import RefusedError, refusal
from holdings_kit.sandbox._request_log import RequestLogger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from holdings_kit.sandbox._world import World

_LOCAL_ORIGIN: Final = r"http://(localhost|127\.0\.0\.1)(:\d+)?"
_BEAT: Final = 0.1


def make_app(world: World) -> Starlette:
    """Build the application of a world; its settings say who may ask."""
    known = world.settings
    local = known.origins is None
    app = Starlette(
        routes=[
            *fund_import.routes(),
            *gateway.routes(),
            *pages.routes(),
            *control.routes(),
            *openapi.routes(),
            *arrow_login.routes(),
            *arrow.routes(),
        ],
        middleware=[
            Middleware(RequestLogger, world=world),
            Middleware(
                TrustedHostMiddleware,
                allowed_hosts=["127.0.0.1", "localhost", *sorted(known.hosts)],
            ),
            Middleware(_KnownOrigins, origins=known.origins),
            Middleware(
                CORSMiddleware,
                allow_origins=list(known.origins or ()),
                allow_origin_regex=_LOCAL_ORIGIN if local else None,
                allow_methods=["GET", "POST"],
                allow_headers=["*"],
            ),
        ],
        exception_handlers={
            RefusedError: _answer_refusal,
            HTTPException: _answer_http_error,
        },
        lifespan=_pump_webhooks,
    )
    app.state.world = world
    app.state.closing = asyncio.Event()
    return app


class _KnownOrigins:
    """Turns away what a page sends that is neither ours nor allowed."""

    def __init__(self, app: ASGIApp, *, origins: tuple[str, ...] | None) -> None:
        self._app, self._origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = dict(cast("list[tuple[bytes, bytes]]", scope["headers"]))
            origin = headers.get(b"origin", b"").decode("latin-1")
            own = f"http://{headers.get(b'host', b'').decode('latin-1')}"
            if origin != own and self._is_strange(origin, scope["path"]):
                said = (
                    "The origin is not this machine"
                    if self._origins is None
                    else f"The origin {origin} is not allowed"
                )
                await refusal(scope["path"], 403, said)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_strange(self, origin: str, path: str) -> bool:
        """Tell whether a page from elsewhere asks; `null` hides where it is from.

        A page of ours that tells no referrer posts with `null` too, but not to what
        controls the sandbox.
        """
        if origin == "null":
            return path.startswith("/_sandbox/") and path != "/_sandbox/try"
        if self._origins is not None:
            return origin != "" and origin not in self._origins
        return origin != "" and urlsplit(origin).hostname not in LOOPBACK


@contextlib.asynccontextmanager
async def _pump_webhooks(app: Starlette) -> AsyncGenerator[None]:
    """Send due webhooks while a clock runs by itself."""
    world = cast("World", app.state.world)

    async def beat() -> None:
        while True:
            await asyncio.sleep(_BEAT)
            if world.clock.speed:
                await asyncio.to_thread(world.pump)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _answer_refusal(request: Request, error: Exception) -> Response:
    refused = cast("RefusedError", error)
    reply = refusal(request.url.path, refused.status, refused.message, refused.code)
    if refused.retry_after is not None:
        reply.headers["Retry-After"] = f"{refused.retry_after:g}"
    return reply


async def _answer_http_error(request: Request, error: Exception) -> Response:
    refused = cast("HTTPException", error)
    reply = refusal(request.url.path, refused.status_code, "")
    for name, value in (refused.headers or {}).items():
        reply.headers[name] = value
    return reply
