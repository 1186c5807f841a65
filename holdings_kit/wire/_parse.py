"""JSON bytes to Python objects: numbers as text, nothing guessed, nothing silent."""

from __future__ import annotations

import json
from typing import NoReturn, cast

from holdings_kit.errors import WireError

Json = object
_BOM = b"\xef\xbb\xbf"


def parse(body: bytes, *, source: str) -> Json:
    """Parse one JSON document; numbers come out as the text they were written in.

    Refuses what other readers let pass silently: a key twice in one object, NaN and
    Infinity, lone surrogates, invalid UTF-8. A byte order mark is skipped.

    Parameters
    ----------
    body
        The bytes as received.
    source
        Path or door, for the error.

    Raises
    ------
    WireError
        Not JSON, or JSON of the refused kinds; the reason says which and where.

    Examples
    --------
    >>> parse(b'{"qty": 1.10}', source="doc")
    {'qty': '1.10'}
    """
    try:
        text = body.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8"
        raise WireError(source, "", reason) from None
    if not text.strip():
        raise WireError(source, "", "empty: there is no JSON document")
    try:
        parsed = cast(
            "Json",
            json.loads(
                text,
                parse_int=str,
                parse_float=str,
                parse_constant=_refuse_constant,
                object_pairs_hook=_make_object,
            ),
        )
        if "\\ud" in text or "\\uD" in text:
            dump(parsed)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise WireError(source, "", f"not JSON: {error.msg} ({where})") from None
    except RecursionError:
        raise WireError(source, "", "not JSON: nested too deeply") from None
    except UnicodeEncodeError:
        raise WireError(source, "", "a text holds half a surrogate pair") from None
    except ValueError as error:
        raise WireError(source, "", str(error)) from None
    return parsed


def as_text(value: Json) -> str:
    """Write any parsed value as text for a notice: text as it is, the rest as JSON."""
    return value if isinstance(value, str) else dump(value).decode()


def dump(value: Json) -> bytes:
    """Write a parsed value as compact JSON bytes (numbers stay text)."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def follow_pointer(value: Json, pointer: str) -> Json:
    """Give the part of a parsed value that a JSON pointer names.

    >>> follow_pointer({"data": [{"qty": "1"}]}, "/data/0/qty")
    '1'
    """
    for step in pointer.split("/")[1:]:
        if isinstance(value, list):
            value = cast("list[Json]", value)[int(step)]
        else:
            value = cast("dict[str, Json]", value)[step]
    return value


def _make_object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"key {twice!r} stands twice in one object")
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
