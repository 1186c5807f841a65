"""Lines of JSON to one typed table, by pyarrow's reader; the only pyarrow.

The reader is strict where it matters (a field that is not in the schema, a key twice,
a number with more places than its type, text for a number that is none: all refused),
but it knows no lines: it takes two documents on one line, or one document on two, and
dies of a line that says ``null``. So only lines that begin with ``{`` and end with
``}`` are handed to it, which makes any document that crosses a line a syntax error,
and the rows are counted. Invalid UTF-8, which it lets pass, is looked for before.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["accepted", "available"]

_PIECE: Final = 16  # lines; measured best with 1 % of the lines broken
_BLOCK: Final = 1 << 20  # bytes the reader works on at a time


def available() -> bool:
    """Tell whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def accepted(
    bodies: Sequence[bytes], schema: pl.Schema
) -> tuple[pl.DataFrame, list[int]]:
    """Read the lines that are documents of this schema.

    Returns
    -------
    pl.DataFrame
        One row for each line taken.
    list of int
        Which lines these are: their places in `bodies`, ascending.
    """
    # most broken lines are cut ones: without them the rest is read in one go
    whole = [place for place, body in enumerate(bodies) if _is_braced(body)]
    reader = _Reader(schema)
    reader.read([bodies[place] for place in whole], 0)
    return reader.frame(), [whole[place] for place in reader.places]


class _Reader:
    """Reads lines, all at once or, where some are refused, in ever smaller pieces."""

    def __init__(self, schema: pl.Schema) -> None:
        # pyarrow has no types
        self._pa: Any = import_module("pyarrow")
        self._json: Any = import_module("pyarrow.json")
        self._schema = schema
        fields = [(name, self._type(kind)) for name, kind in schema.items()]
        self._options: Any = self._json.ParseOptions(
            explicit_schema=self._pa.schema(fields), unexpected_field_behavior="error"
        )
        self._tables: list[Any] = []
        self.places: list[int] = []

    def read(self, bodies: Sequence[bytes], start: int) -> None:
        count = len(bodies)
        if count == 0 or self._take(bodies, start) or count == 1:
            return
        step = _PIECE if count > _PIECE else (count + 1) // 2
        for at in range(0, count, step):
            self.read(bodies[at : at + step], start + at)

    def frame(self) -> pl.DataFrame:
        if not self._tables:
            return pl.DataFrame(schema=self._schema)
        return pl.DataFrame(self._pa.concat_tables(self._tables))

    def _type(self, kind: object) -> object:
        """Translate a polars type, of the few kinds that wire schemas use."""
        if isinstance(kind, pl.List):
            return self._pa.list_(self._type(kind.inner))
        if isinstance(kind, pl.Struct):
            fields = [(field.name, self._type(field.dtype)) for field in kind.fields]
            return self._pa.struct(fields)
        if isinstance(kind, pl.Decimal):
            return self._pa.decimal128(kind.precision, kind.scale)
        return self._pa.bool_() if isinstance(kind, pl.Boolean) else self._pa.string()

    def _take(self, bodies: Sequence[bytes], start: int) -> bool:
        """Read these lines if all of them can be; tell whether they were."""
        text = b"\n".join(bodies)
        try:
            text.decode()  # invalid UTF-8 passes the reader, and breaks polars
            table = self._json.read_json(
                self._pa.BufferReader(text),
                read_options=self._json.ReadOptions(
                    use_threads=False,  # the blocks of a file are read side by side
                    block_size=max(_BLOCK, 2 * max(map(len, bodies))),
                ),
                parse_options=self._options,
            )
        except (UnicodeDecodeError, self._pa.ArrowInvalid):
            return False
        if table.num_rows != len(bodies):
            return False
        self._tables.append(table)
        self.places += range(start, start + len(bodies))
        return True


def _is_braced(body: bytes) -> bool:
    return body[:1] == b"{" and body[-1:] == b"}"
