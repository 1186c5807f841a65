"""A payload as a frame of its values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast

import polars as pl

from holdings_kit.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LEAVES", "leaves", "payload_format"]

LEAVES: Final = pl.Schema(
    {
        "pointer": pl.String(),  # RFC 6901
        "path": pl.String(),  # the same, [] for any place in a list
        "row": pl.String(),  # pointer of the nearest object of a top list
        "field": pl.String(),  # the path inside that object
        "type": pl.String(),  # text | number | flag | null | group
        "value": pl.String(),
    }
)
_LISTS: Final = ("data[]", "securities[]", "securities.holdings[]")


def payload_format(document: object, source: str) -> tuple[str, object]:
    """Name the format and unwrap the envelope.

    Raises
    ------
    WireError
        The document is of neither vendor's published shape.
    """
    if isinstance(document, dict):
        body = cast("dict[str, object]", document)
        if isinstance(body.get("data"), list):
            return "arrow", body
        inner = body.get("data", body)
        if isinstance(inner, dict):
            data = cast("dict[str, object]", inner)
            if isinstance(data.get("securities"), list):
                return "gateway-v2", data
            if isinstance(data.get("securities"), dict):
                return "gateway-v1", data
    raise WireError(source, "", "neither an Arrow holdings reply nor a Gateway payload")


def leaves(document: object) -> pl.DataFrame:
    """List every value of a JSON document; numbers keep their text."""
    return pl.DataFrame(
        list(_walk(document, "", "", "", "")), schema=LEAVES, orient="row"
    )


def parse(text: str, source: str) -> object:
    """Read JSON with numbers kept apart from text.

    Raises
    ------
    WireError
        It is not JSON.
    """
    try:
        return cast("object", json.loads(text, parse_float=_Number, parse_int=_Number))
    except json.JSONDecodeError as error:
        raise WireError(source, "", f"not JSON: {error}") from error


class _Number(str):
    """A JSON number, as it was written."""

    __slots__ = ()


def _walk(
    node: object, pointer: str, path: str, row: str, field: str
) -> Iterator[tuple[str, str, str, str, str, str | None]]:
    if isinstance(node, dict):
        for key, value in cast("dict[str, object]", node).items():
            step = key.replace("~", "~0").replace("/", "~1")
            yield from _walk(
                value,
                f"{pointer}/{step}",
                f"{path}.{key}" if path else key,
                row,
                f"{field}.{key}" if field else key,
            )
        return
    if isinstance(node, list):
        place = f"{path}[]"
        for number, value in enumerate(cast("list[object]", node)):
            here = f"{pointer}/{number}"
            top = place in _LISTS
            yield from _walk(
                value, here, place, here if top else row, "" if top else f"{field}[]"
            )
        return
    yield (pointer, path, row, field, *_leaf(node))


def _leaf(node: object) -> tuple[str, str | None]:
    if node is None:
        return "null", None
    if isinstance(node, bool):
        return "flag", str(node).lower()
    if isinstance(node, _Number):
        return "number", str(node)
    return "text", str(node)
