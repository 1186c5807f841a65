"""Documents that came wrapped: in an array, in an envelope, several on one line.

Queues, gateways and log shippers put what they pass on into an object of their own, or
write one document behind the other. The documents inside are taken out as the bytes
they were, so that a number keeps the digits it was written with.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Final, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

# AWS API Gateway and SQS: body, Records; SNS: Message; EventBridge: detail; queues and
# log shippers: the rest.
_WRAPPERS: Final = (
    *("body", "data", "payload", "message", "Message", "detail", "event", "value"),
    *("Records", "records", "items", "request", "webhook", "delivery"),
)
_OWNERS: Final = ("account_id", "snapshot_at")
"""Stand beside an Arrow reply in a dump, so beside its envelope too."""
_DEEPEST: Final = 4
_BLANK: Final = " \t\r\n"
_DECODER: Final = json.JSONDecoder()


class Wrapped(NamedTuple):
    """A document that was inside another: where, as a JSON pointer, and its bytes."""

    pointer: str
    body: bytes


def unwrap(body: bytes) -> list[Wrapped]:
    r"""Take out the documents inside what is no document itself; none: not wrapped.

    >>> unwrap(b'[{"a": 1.10}]')
    [Wrapped(pointer='/0', body=b'{"a": 1.10}')]
    >>> unwrap(b'{"body": "{\\"a\\": 1}"}')
    [Wrapped(pointer='/body', body=b'{"a": 1}')]
    >>> unwrap(b'{"a": 1}{"b": 2}')[1].body, unwrap(b'{"a": 1}')
    (b'{"b": 2}', [])
    """
    try:
        text = body.removeprefix(b"\xef\xbb\xbf").decode().strip(_BLANK)
        found = list(_open(text, "", 0))
    except (UnicodeDecodeError, RecursionError):
        return []
    if found == [("", text)]:
        return []
    once = {inner: pointer for pointer, inner in reversed(found)}  # the same twice
    return [
        Wrapped(pointer, inner.encode(errors="surrogatepass"))
        for inner, pointer in reversed(once.items())
    ]


def _open(text: str, pointer: str, depth: int) -> Iterator[tuple[str, str]]:
    """Give the innermost documents of a text that stands at this place."""
    if text[:1] not in ("{", "[") or depth > _DEEPEST:
        yield pointer, text
        return
    values = list(_split_values(text))
    if len(values) > 1:
        for number, value in enumerate(values):
            yield from _open(value, f"{pointer}/{number}", depth + 1)
    elif text.startswith("["):
        for number, item in enumerate(_split_items(text)):
            yield from _open(item, f"{pointer}/{number}", depth + 1)
    else:
        yield from _open_object(text, pointer, depth)


def _open_object(text: str, pointer: str, depth: int) -> Iterator[tuple[str, str]]:
    members = dict(_split_members(text))
    name = next((n for n in _WRAPPERS if _may_wrap(members.get(n, ""))), None)
    reply = "data" in members and ("success" in members or "status" in members)
    if name is None or "securities" in members or reply:
        yield pointer, text
        return
    inner, pointer = members[name], f"{pointer}/{name}"
    if inner.startswith('"'):
        inner = _unquote(inner, packed=members.get("isBase64Encoded") == "true")
    for place, found in _open(inner.strip(_BLANK), pointer, depth + 1):
        yield place, _add_owner(found, members)


def _may_wrap(value: str) -> bool:
    return value[:1] in ("{", "[", '"') and len(value) > len('""')


def _unquote(text: str, *, packed: bool) -> str:
    """Read a JSON text; base64 where the envelope says so."""
    inner = cast("str", _DECODER.decode(text))
    if packed:
        try:
            return base64.b64decode(inner, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            return inner
    return inner


def _add_owner(text: str, outer: dict[str, str]) -> str:
    """Put what an envelope says about owner and instant into the document inside."""
    said = [f'"{name}":{outer[name]}' for name in _OWNERS if name in outer]
    if not said or not text.startswith("{"):
        return text
    inside = dict(_split_members(text))
    said = [each for each in said if each[1 : each.index('":')] not in inside]
    comma = "," if said and inside else ""
    return "{" + ",".join(said) + comma + text[1:]


def _split_values(text: str) -> Iterator[str]:
    """Cut values that follow each other; what cannot be read on is the last."""
    at = 0
    while at < len(text):
        end = _find_end_of_value(text, at)
        if end < 0:
            yield text[at:]
            return
        yield text[at:end]
        at = _skip_signs(text, end, _BLANK + ",")


def _split_items(text: str) -> Iterator[str]:
    at = _skip_signs(text, 1, _BLANK)
    while at < len(text) and text[at] != "]":
        end = _find_end_of_value(text, at)
        if end < 0:
            yield text[at:]
            return
        yield text[at:end]
        at = _skip_signs(text, end, _BLANK + ",")


def _split_members(text: str) -> Iterator[tuple[str, str]]:
    """Cut an object into names and the texts of values, up to what is broken."""
    at = _skip_signs(text, 1, _BLANK)
    while at < len(text) and text[at] == '"':
        end = _find_end_of_value(text, at)
        if end < 0:
            return
        name = cast("str", _DECODER.decode(text[at:end]))
        at = _skip_signs(text, end, _BLANK + ":")
        end = _find_end_of_value(text, at)
        if end < 0:
            return
        yield name, text[at:end]
        at = _skip_signs(text, end, _BLANK + ",")


def _find_end_of_value(text: str, at: int) -> int:
    try:
        return _DECODER.raw_decode(text, at)[1]
    except ValueError:
        return -1


def _skip_signs(text: str, at: int, signs: str) -> int:
    while at < len(text) and text[at] in signs:
        at += 1
    return at
