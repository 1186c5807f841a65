"""The last requests and answers, kept for whoever debugs an integration."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final, cast

from holdings_kit.sandbox._clock import format_iso

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from holdings_kit.sandbox._world import World

_KEPT: Final = 500
_LARGEST: Final = 16_384  # bytes of a body that are kept
_QUIET: Final = ("/_sandbox/", "/scdk/", "/docs", "/openapi.json", "/favicon.ico")
"""What is not logged: the sandbox's own pages and controls, but not the SDK's calls."""
_SDK_CALLS: Final = frozenset(
    f"/scdk/{call}" for call in ("init", "trigger", "status", "closed")
)


class RequestLog:
    """The last 500 requests of a sandbox, oldest first."""

    def __init__(self) -> None:
        self._lock, self._number = threading.Lock(), 0
        self._kept: deque[dict[str, object]] = deque(maxlen=_KEPT)

    def add(self, entry: dict[str, object]) -> None:
        """Keep an entry under the next number."""
        with self._lock:
            self._number += 1
            self._kept.append({"id": f"req_{self._number:04d}", **entry})

    def shown(self) -> list[dict[str, object]]:
        """List what is kept."""
        with self._lock:
            return list(self._kept)

    def forget(self) -> None:
        """Keep nothing of what was; numbers go on."""
        with self._lock:
            self._kept.clear()


class RequestLogger:
    """Notes requests and answers, with headers and the start of the bodies."""

    def __init__(self, app: ASGIApp, *, world: World) -> None:
        self._app, self._world = app, world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_quiet(scope["path"]):
            await self._app(scope, receive, send)
            return
        asked, answered = bytearray(), bytearray()
        status, headers, noted = 0, list[tuple[bytes, bytes]](), False
        started = time.perf_counter()

        def note() -> None:
            nonlocal noted
            if noted:
                return
            noted = True
            query = cast("bytes", scope["query_string"]).decode("latin-1")
            self._world.log.add(
                {
                    "at": format_iso(self._world.clock.now()),
                    "method": scope["method"],
                    "path": scope["path"],
                    "query": query,
                    "status": status,
                    "milliseconds": round((time.perf_counter() - started) * 1000, 1),
                    "requestHeaders": _read_headers(scope["headers"]),
                    "requestBody": _decode_text(asked),
                    "responseHeaders": _read_headers(headers),
                    "responseBody": _decode_text(answered),
                }
            )

        async def listen() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                _keep(asked, message.get("body", b""))
            return message

        async def answer(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", []))
            else:
                _keep(answered, message.get("body", b""))
                if not message.get("more_body", False):
                    note()  # before the caller has its answer, and may look here
            await send(message)

        try:
            await self._app(scope, listen, answer)
        finally:
            note()  # an answer that was cut short


def _is_quiet(path: str) -> bool:
    return path == "/" or (path.startswith(_QUIET) and path not in _SDK_CALLS)


def _keep(kept: bytearray, part: bytes) -> None:
    kept += part[: max(_LARGEST - len(kept), 0)]


def _read_headers(headers: object) -> dict[str, str]:
    pairs = cast("list[tuple[bytes, bytes]]", headers)
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}


def _decode_text(body: bytearray) -> str:
    return body.decode("utf-8", "replace")
