"""What the rows of a frame look like in JSON, for programs that read them."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import polars as pl

from holdings_kit import schema as frames
from holdings_kit.errors import ConfigError

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ROOMS: Final = ("wire", "market", "portfolio", "changes", "risk", "haircuts", "store")
_KINDS: Final[dict[type[pl.DataType], tuple[str, dict[str, str]]]] = {
    pl.Boolean: ("boolean", {}),
    pl.Float64: ("number", {}),
    pl.Float32: ("number", {}),
    pl.String: ("string", {}),
    pl.Categorical: ("string", {}),
    pl.Enum: ("string", {}),
    pl.Date: ("string", {"format": "date"}),
    pl.Datetime: ("string", {"format": "date-time"}),
    pl.Binary: ("string", {"contentEncoding": "base64"}),
}


def json_schema(of: str | pl.DataFrame | pl.LazyFrame | None = None) -> dict[str, Any]:
    r"""Describe what `export` writes as JSON, as a JSON Schema (draft 2020-12).

    Money, quantities and fractions are texts of digits with a pattern, so that no
    reader makes floats of them; instants and dates are texts of ISO 8601, bytes are
    base64; statistics are numbers. Every field is there in every row, and may be
    ``null``, which is unknown, never 0.

    Parameters
    ----------
    of
        The name of a frame in `holdings_kit.schema` (``"HOLDINGS"``, in any case) or in
        another room (``"risk.RISK"``); a frame of your own; ``None``: every frame, each
        under ``$defs``.

    Returns
    -------
    dict
        The schema of a list of rows, ready for ``json.dumps``.

    Raises
    ------
    ConfigError
        There is no frame of that name, or a column that JSON has no form for.

    Examples
    --------
    >>> import holdings_kit as hk
    >>> rows = hk.json_schema("HOLDINGS")["items"]
    >>> rows["properties"]["last_price"]
    {'type': ['string', 'null'], 'pattern': '^-?[0-9]{1,14}(\\.[0-9]{1,4})?$'}
    >>> rows["properties"]["snapshot_at"]
    {'type': ['string', 'null'], 'format': 'date-time'}
    >>> "risk.RISK" in hk.json_schema()["$defs"]
    True
    """
    if of is None:
        defined = {
            name: _describe_rows(name, it) for name, it in _list_frames().items()
        }
        return {"$schema": _DIALECT, "$defs": defined}
    if isinstance(of, str):
        return {"$schema": _DIALECT, **_describe_rows(of, _find_frame(of))}
    return {"$schema": _DIALECT, **_describe_rows("frame", of.lazy().collect_schema())}


def _find_frame(name: str) -> pl.Schema:
    known = getattr(frames, name.upper(), None)
    if isinstance(known, pl.Schema):
        return known
    every = {key.lower(): it for key, it in _list_frames().items()}
    wanted = name.lower()
    found = every.get(wanted) or next(
        (it for key, it in every.items() if key.rpartition(".")[2] == wanted), None
    )
    if found is None:
        raise ConfigError(
            f"there is no frame {name!r}; json_schema() lists all, such as 'HOLDINGS'"
        )
    return found


def _list_frames() -> dict[str, pl.Schema]:
    """List the frames: those of all rooms by name, the others by room and name."""
    found = _list_room_frames("schema")
    for room in _ROOMS:
        for name, it in _list_room_frames(room).items():
            if found.get(name) != it:
                found[f"{room}.{name}"] = it
    return found


def _list_room_frames(room: str) -> dict[str, pl.Schema]:
    module = import_module(f"holdings_kit.{room}")
    named = {name: getattr(module, name) for name in dir(module) if name.isupper()}
    return {name: it for name, it in named.items() if isinstance(it, pl.Schema)}


def _describe_rows(title: str, columns: pl.Schema) -> dict[str, Any]:
    return {
        "title": title,
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                name: _describe_type(it, name) for name, it in columns.items()
            },
            "required": list(columns),
            "additionalProperties": False,
        },
    }


def _describe_type(dtype: pl.DataType, column: str) -> dict[str, Any]:
    if isinstance(dtype, pl.Decimal):
        whole = max(1, (dtype.precision or 38) - dtype.scale)
        places = f"(\\.[0-9]{{1,{dtype.scale}}})?" if dtype.scale else ""
        return _allow_null("string", pattern=f"^-?[0-9]{{1,{whole}}}{places}$")
    if isinstance(dtype, pl.List | pl.Array):
        inner = pl.Schema({column: dtype.inner})[column]
        return _allow_null("array", items=_describe_type(inner, column))
    if isinstance(dtype, pl.Struct):
        fields = pl.Schema({field.name: field.dtype for field in dtype.fields})
        return _allow_null("object", **_describe_rows("", fields)["items"])
    if dtype.is_integer():
        return _allow_null("integer")
    if dtype.base_type() in _KINDS:
        kind, facts = _KINDS[dtype.base_type()]
        return _allow_null(kind, **facts)
    raise ConfigError(f"column {column!r} holds {dtype}: JSON has no form for it")


def _allow_null(kind: str, **facts: object) -> dict[str, Any]:
    return {"type": [kind, "null"], **{k: v for k, v in facts.items() if k != "type"}}
