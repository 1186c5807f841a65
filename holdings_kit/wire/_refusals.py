"""A source's refusal, whatever its body looks like, as one error of the tree.

Pure: parsed JSON in, an error out (not raised), or ``None`` where nothing is refused.
The HTTP status decides where it is plain (401, 403, 429, 5xx); else the body does, for
a refusal can come with status 200.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from holdings_kit.errors import (
    AuthError,
    PermissionDenied,
    RateLimited,
    SourceError,
    SourceUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_FAILED: Final = frozenset({"error", "failure", "failed"})
_SUCCESS, _SERVER = 2, 500  # hundreds of a success; first status of a failure
_ARROW_CODES: Final = {
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "TOO_MANY_REQUESTS": 429,
    "INTERNAL_ERROR": 500,
    "OMS_ERROR": 502,
}
_GATEWAY_WORDS: Final = {"invalid jwt": 401}


class _Said(NamedTuple):
    """What a refusing body says, and the HTTP status that would mean the same."""

    message: str
    code: str | None
    meaning: int | None


def arrow_refusal(
    status: int | None, payload: object, *, retry_after: float | None = None
) -> SourceError | None:
    """Give the error that an Arrow reply stands for, if it stands for one.

    All four published bodies are known: ``status`` of error, failure or failed with
    ``message`` or ``errorMessage``, and ``errorCode`` (text or number) or ``code``.

    Parameters
    ----------
    status
        HTTP status; ``None`` when only the body is at hand.
    payload
        The parsed body; ``None`` when it is not JSON.
    retry_after
        Seconds the reply asks to wait, for a 429.

    Examples
    --------
    >>> arrow_refusal(200, {"status": "success", "data": []}) is None
    True
    >>> arrow_refusal(None, {"status": "failure", "errorCode": 400, "message": "No."})
    SourceError('arrow: 400: No.')
    """
    body = as_mapping(payload)
    failed = str(body.get("status", "")).lower() in _FAILED
    if not failed and not _is_refusal(status):
        return None
    message = _take_text(body, "message", "errorMessage")
    code = _take_text(body, "errorCode", "code")
    meaning = _ARROW_CODES.get(code or "")
    if meaning is None and code is not None and code.isdecimal():
        meaning = int(code)
    if meaning is None and "must relogin" in (message or ""):
        meaning = HTTPStatus.UNAUTHORIZED
    said = _Said(message or _describe_silence(status, payload), code, meaning)
    return _build_error("arrow", status, said, retry_after)


def gateway_refusal(
    status: int | None, payload: object, *, retry_after: float | None = None
) -> SourceError | None:
    """Give the error that a Gateway reply stands for, if it stands for one.

    A refusal is ``success: false`` with any HTTP status, 200 included, or any HTTP
    status that is not a success. ``errors`` is a list of texts, or missing.

    Parameters
    ----------
    status
        HTTP status; ``None`` when only the body is at hand.
    payload
        The parsed body; ``None`` when it is not JSON.
    retry_after
        Seconds the reply asks to wait, for a 429.

    Examples
    --------
    >>> gateway_refusal(200, {"success": True, "errors": None, "data": {}}) is None
    True
    >>> gateway_refusal(200, {"success": False, "errors": ["Invalid JWT"]})
    AuthError('gateway: 200: Invalid JWT')
    """
    body = as_mapping(payload)
    if body.get("success") is not False and not _is_refusal(status):
        return None
    message = _take_text(body, "errors", "error", "message")
    code = _take_text(body, "errorType", "code")
    meaning = _GATEWAY_WORDS.get((message or "").lower())
    said = _Said(message or _describe_silence(status, payload), code, meaning)
    return _build_error("gateway", status, said, retry_after)


def _build_error(
    source: str, status: int | None, said: _Said, retry_after: float | None
) -> SourceError:
    meaning = status if _is_plain_status(status) else said.meaning
    if meaning == HTTPStatus.UNAUTHORIZED:
        return AuthError(source, status, said.code, said.message)
    if meaning == HTTPStatus.FORBIDDEN:
        return PermissionDenied(source, status, said.code, said.message)
    if meaning == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(source, status, said.code, said.message, retry_after)
    if meaning is not None and meaning >= _SERVER:
        return SourceUnavailable(source, status, said.code, said.message)
    return SourceError(source, status, said.code, said.message)


def _is_plain_status(status: int | None) -> bool:
    """Whether the HTTP status alone tells a caller what to do."""
    return status is not None and (
        status
        in {
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.FORBIDDEN,
            HTTPStatus.TOO_MANY_REQUESTS,
        }
        or status >= _SERVER
    )


def _is_refusal(status: int | None) -> bool:
    return status is not None and status // 100 != _SUCCESS


def as_mapping(payload: object) -> Mapping[str, object]:
    return cast("dict[str, object]", payload) if isinstance(payload, dict) else {}


def _take_text(body: Mapping[str, object], *names: str) -> str | None:
    """Text of the first of these fields that says anything; a list is joined."""
    for name in names:
        value = body.get(name)
        parts = cast("list[object]", value) if isinstance(value, list) else [value]
        shown = "; ".join(str(part) for part in parts if part not in (None, "", {}))
        if shown:
            return shown
    return None


def _describe_silence(status: int | None, payload: object) -> str:
    if payload is None:
        name = HTTPStatus(status).phrase if status in {*HTTPStatus} else "unknown"
        return f"answered {name}, with a body that is not JSON"
    return "refused without saying why"
