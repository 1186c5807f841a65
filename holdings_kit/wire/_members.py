"""Members that no published format has: found, read as text, and remarked on.

A source may add a member to every line any day. Arrow's reader refuses what its schema
does not have, so the member is added to the schema, as text, and read with the rest.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, cast

import polars as pl

from holdings_kit.schema import empty
from holdings_kit.wire._rows import NOTICE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Path = tuple[str, ...]
"""Names from the top of a document down to a member; `ITEM` is any item of a list."""
ITEM: Final = "[]"
SIGN: Final = "\x7f"
"""Marks a name or a value that we wrote ourselves: no line that is read has it."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.$-]+", re.ASCII)
_BLANK: Final = rb"[ \t\r\n]*"
_SCALAR: Final = rb"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null"


def find_unknown(
    line: bytes, schema: pl.Schema, published: pl.Schema
) -> Iterator[tuple[Path, bool]]:
    """Give the members of a line that a schema does not have.

    With each comes whether it can be read as text: its value is no list and no
    object, and its name is plain and stands nowhere in the published schema.
    """
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return
    names = frozenset(_list_names(pl.Struct(published)))
    for path, value in _walk(document, pl.Struct(schema), ()):
        plain = _PLAIN.fullmatch(path[-1]) is not None and path[-1] not in names
        yield path, plain and not isinstance(value, dict | list)


def _walk(value: object, kind: object, path: Path) -> Iterator[tuple[Path, object]]:
    if isinstance(kind, pl.List) and isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _walk(item, kind.inner, (*path, ITEM))
    elif isinstance(kind, pl.Struct) and isinstance(value, dict):
        fields: Mapping[str, object] = kind.to_schema()
        for name, inner in cast("dict[str, object]", value).items():
            here = (*path, name)
            if name in fields:
                yield from _walk(inner, fields[name], here)
            else:
                yield here, inner


def _list_names(kind: object) -> Iterator[str]:
    if isinstance(kind, pl.List):
        yield from _list_names(kind.inner)
    elif isinstance(kind, pl.Struct):
        for field in kind.fields:
            yield field.name
            yield from _list_names(field.dtype)


def add_text(schema: pl.Schema, path: Path) -> pl.Schema:
    """Add a member to a schema, as text."""
    return pl.Schema({**schema, path[0]: _with_text(schema.get(path[0]), path[1:])})


def _with_text(kind: object, path: Path) -> pl.DataType:
    if not path:
        return pl.String()
    if isinstance(kind, pl.List):
        return pl.List(_with_text(kind.inner, path[1:]))
    fields = dict(kind.to_schema()) if isinstance(kind, pl.Struct) else {}
    fields[path[0]] = _with_text(fields.get(path[0]), path[1:])
    return pl.Struct(fields)


def quote_values(text: bytes, members: Sequence[Path]) -> bytes:
    r"""Put the bare values of members between quotes, null too: remarks show no quotes.

    No line becomes a document by it that was none: the quote behind a name has no
    backslash before it, so it ends a text, and what follows the colon is a value.

    >>> quote_values(b'{"new": 1.50, "old": 2}', [("new",)])
    b'{"new": "1.50", "old": 2}'
    """
    if not members:
        return text
    names = b"|".join(sorted({re.escape(path[-1].encode()) for path in members}))
    key = rb'("(?:%b)"%b:%b)' % (names, _BLANK, _BLANK)
    end = rb"(?=[ \t\r\n,}])"
    return re.sub(rb"%b(%b)%b" % (key, _SCALAR, end), rb'\1"\2"', text)


def report_members(rows: pl.DataFrame, members: Sequence[Path]) -> pl.DataFrame:
    """Remark on every value of these members (`NOTICE`), as the exact way does.

    In a document they come level by level and item by item, as they stand there.
    """
    found = [_follow_path(rows, path, order) for order, path in enumerate(members)]
    if not found:
        return empty(NOTICE)
    if len(found) == 1:  # its values are in order as they come
        return found[0].select(NOTICE.names())
    return pl.concat(found).sort("doc", *_PLACE).select(NOTICE.names())


_PLACE: Final = tuple(f"_place{level}" for level in range(6))


def _follow_path(rows: pl.DataFrame, path: Path, order: int) -> pl.DataFrame:
    """Follow a path down to its values, counting the items on the way."""
    frame = rows.select("doc", value=path[0])
    counts: list[str] = []
    for step in path[1:]:
        if step == ITEM:
            name = f"_no{len(counts)}"
            counts.append(name)
            frame = (
                frame.filter(pl.col("value").list.len() > 0)
                .with_columns(pl.int_ranges(pl.col("value").list.len()).alias(name))
                .explode("value", name)
            )
        else:
            frame = frame.with_columns(value=pl.col("value").struct.field(step))
    names = [step.removesuffix(SIGN) for step in path]
    template = "/" + "/".join("{}" if step == ITEM else step for step in names)
    first = pl.col(counts[0]) if counts else pl.lit(-1)
    second = pl.col(counts[1]) if len(counts) > 1 else pl.lit(-1)
    ranks = (
        pl.lit(_rank_section(names)),
        first,
        pl.lit(len(counts)),
        second,
        pl.lit(len(path)),
        pl.lit(order),
    )
    return frame.filter(pl.col("value").is_not_null()).select(
        "doc",
        kind=pl.lit("unknown_field"),
        pointer=pl.format(template, *counts) if counts else pl.lit(template),
        value="value",
        **{
            name: rank.cast(pl.Int64())
            for name, rank in zip(_PLACE, ranks, strict=True)
        },
    )


_SECTIONS: Final = ("data", "securities", "mutualFunds", "smallcases")
_BASKETS: Final = ("public", "private")


def _rank_section(names: Sequence[str]) -> int:
    """Give the parts of a document numbers, in the order the exact way reads them."""
    if len(names) == 1:
        return 0
    inner = 1 + _BASKETS.index(names[1]) if names[1] in _BASKETS else 0
    return 10 * (1 + _SECTIONS.index(names[0])) + inner
