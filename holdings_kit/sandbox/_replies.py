"""Answers in either API's manner, and the faults that spoil them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Final, cast

from starlette.responses import HTMLResponse, Response, StreamingResponse

from holdings_kit.sandbox._payloads import to_bytes, wrap_arrow, wrap_gateway

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from holdings_kit.sandbox._faults import Fault
    from holdings_kit.sandbox._world import World

Endpoint = Callable[["Request"], Awaitable[Response]]
_LARGEST_BODY: Final = 1 << 20
_WORDS: Final = {
    400: "Bad request",
    401: "Your session has expired. You must relogin to access the resource",
    403: "You do not have permission to access the resource",
    404: "There is no such resource",
    405: "Method not allowed",
    406: "wrong OTP",
    413: "The body is too large",
    429: "Too many requests",
    500: "Internal server error",
    504: "No answer in time",
}
ARROW_CODES: Final = {
    400: "BAD_REQUEST_ERROR",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND_ERROR",
    405: "METHOD_NOT_ALLOWED",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_ERROR",
    502: "OMS_ERROR",
}


class RefusedError(Exception):
    """The request is refused; the path decides in whose format."""

    def __init__(
        self,
        status: int,
        message: str = "",
        *,
        retry_after: float | None = None,
        code: str | None = None,
    ) -> None:
        said = message or _WORDS.get(status, "Refused")
        super().__init__(said)
        self.status, self.message, self.retry_after = status, said, retry_after
        self.code = code


class _CutResponse(Response):
    """Promises the whole body and ends the connection in the middle."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})


def world_of(request: Request) -> World:
    """Give the world that a request is asked of."""
    return cast("World", request.app.state.world)


def json_reply(value: object, status: int = 200) -> Response:
    """Answer JSON, written the same way every time."""
    return Response(to_bytes(value), status, media_type="application/json")


def arrow_reply(data: object) -> Response:
    """Answer as Arrow does where a call went well."""
    return json_reply(wrap_arrow(data))


def gateway_reply(data: object) -> Response:
    """Answer as the Gateway does where a call went well."""
    return json_reply(wrap_gateway(data))


async def object_of(request: Request, *, optional: bool = False) -> dict[str, object]:
    """Read a JSON body that is an object, or nothing where it is optional.

    Raises
    ------
    RefusedError
        It is too large, or something else.
    """
    body = await body_of(request)
    if body is None and optional:
        return {}
    if not isinstance(body, dict):
        raise RefusedError(400, "The body is not a JSON object")
    return cast("dict[str, object]", body)


async def body_of(request: Request) -> object:
    """Read a JSON body of at most a megabyte; an empty body is ``None``.

    Raises
    ------
    RefusedError
        Too large, or not JSON.
    """
    read = bytearray()
    async for part in request.stream():
        read += part
        if len(read) > _LARGEST_BODY:
            raise RefusedError(413)
    try:
        return json.loads(read) if read else None
    except ValueError:
        raise RefusedError(400, "The body is not JSON") from None


def refusal(path: str, status: int, message: str, code: str | None = None) -> Response:
    """Say no in the manner of the API that owns the path.

    `code` is Arrow's for what its status does not say; it then stands under both of the
    published names, ``code`` and ``errorCode``.
    """
    said = message or _WORDS.get(status, "Refused")
    if _is_gateway_path(path):
        return json_reply(_write_gateway_error(said), status)
    if path.startswith(("/_sandbox/", "/scdk/")):
        return json_reply({"error": said}, status)
    error = _write_arrow_error(status, said)
    if code is not None:
        error |= {"code": code, "errorCode": code}
    return json_reply(error, status)


def with_faults(endpoint: Endpoint, *targets: str) -> Endpoint:
    """Let the fault plan spoil an endpoint; the first target with a fault decides.

    Calls are counted under the first target. Arrow's are held to the rate limit.
    """

    async def handled(request: Request) -> Response:
        world = world_of(request)
        world.throttle.count(targets[0])
        if not _is_gateway_path(request.url.path):
            wait = world.throttle.wait(targets[0], request.headers.get("appid", ""))
            if wait > 0:
                raise RefusedError(429, retry_after=math.ceil(wait))
        fault = world.faults.take(*targets)
        if fault is None:
            return await endpoint(request)
        return await _apply_fault(fault, request, endpoint)

    return handled


async def _apply_fault(fault: Fault, request: Request, endpoint: Endpoint) -> Response:
    seconds = fault.length.total_seconds() if fault.length else 0.0
    if fault.name in {"401", "403", "429", "500"}:
        wait = seconds if fault.name == "429" and fault.length else None
        raise RefusedError(int(fault.name), retry_after=wait)
    if fault.name == "502":
        page = "<html><body><h1>502 Bad Gateway</h1></body></html>"
        return HTMLResponse(page, 502)
    if fault.name == "timeout":
        await _wait_unless_closing(request, seconds)
        raise RefusedError(504)
    if fault.name == "success false":
        said, gateway = _WORDS[500], _is_gateway_path(request.url.path)
        return json_reply(
            _write_gateway_error(said) if gateway else _write_arrow_error(500, said)
        )
    return _spoil_body(fault.name, seconds, request, await endpoint(request))


def _spoil_body(
    name: str, seconds: float, request: Request, good: Response
) -> Response:
    body, kind = bytes(good.body), good.media_type
    if name == "slow":
        drip = _send_slowly(body, seconds, request)
        size = {"content-length": str(len(body))}
        return StreamingResponse(drip, good.status_code, size, kind)
    if name == "truncate":
        return Response(body[: len(body) // 2], good.status_code, media_type=kind)
    if name == "cut":
        return _CutResponse(body, good.status_code, media_type=kind)
    if name == "wrong type":
        return Response(body, good.status_code, media_type="text/html")
    return Response(_write_empty_rows(body), good.status_code, media_type=kind)


def _write_empty_rows(body: bytes) -> bytes:
    try:
        said = json.loads(body)
    except ValueError:
        return b""
    if not isinstance(said, dict):
        return b"[]"
    reply = cast("dict[str, object]", said)
    reply["data"] = [] if isinstance(reply.get("data"), list) else {}
    return to_bytes(reply)


async def _send_slowly(
    body: bytes, seconds: float, request: Request, parts: int = 10
) -> AsyncIterator[bytes]:
    size = max(len(body) // parts, 1)
    for start in range(0, len(body), size):
        await _wait_unless_closing(request, seconds / parts)
        yield body[start : start + size]


async def _wait_unless_closing(request: Request, seconds: float) -> None:
    """Wait in real time, but not on a sandbox that is closing."""
    closing: asyncio.Event = request.app.state.closing
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(closing.wait(), seconds)


def _is_gateway_path(path: str) -> bool:
    return path.startswith(("/v1/", "/gateway/"))


def _write_gateway_error(message: str) -> dict[str, object]:
    return {"success": False, "errors": [message], "data": None}


def _write_arrow_error(status: int, message: str) -> dict[str, object]:
    code = ARROW_CODES.get(status, "GENERAL_ERROR")
    return {"status": "error", "message": message, "errorCode": code}
