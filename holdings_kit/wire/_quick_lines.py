"""Lines of JSON to one typed table, by pyarrow's reader; the only pyarrow.

The reader is strict where it matters (a field that is not in the schema, a key twice,
a number with more places than its type, text for a number that is none: all refused),
but very small numbers may kill it, and it knows no lines: it takes two documents on
one line, or one document on two, and dies of a line that says ``null``. So only lines
that begin with ``{`` and end with ``}`` are handed to it, which makes any document
that crosses a line a syntax error, and the rows are counted. Invalid UTF-8, which it
lets pass, is looked for before.
"""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

from holdings_kit.wire._members import (
    SIGN,
    Path,
    add_text,
    find_unknown,
    quote_values,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

_OPEN, _CLOSE, _RETURN = b"{}\r"
_SPELT: Final = re.compile(rb"\x7f|\\u00(?:2[bdeBDE]|3[0-9]|[4-7])")
"""The sign; or a letter, or what a number is made of, as an escape."""
_ZEROS: Final = b"." + b"0" * 16
_POWER: Final = re.compile(rb"-(?<=[0-9.][eE]-)[0-9]")
_NUMBER: Final = re.compile(rb'(?:^|[:\[,"\s])[+-]?[0-9.]+[eE]-\Z')
_LONGEST: Final = 64  # bytes of a number looked at
_PIECE: Final = 8 << 20  # bytes read at once: so much is read again for a bad line
_STEP: Final = 16  # lines tried at once where the reader does not say which is bad
_PATIENCE: Final = 16  # lines refused before a piece is looked at as a whole
_MEMBERS: Final = 16  # unknown ones that are added to the schema


def is_available() -> bool:
    """Tell whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def read_accepted(
    body: bytes,
    schema: pl.Schema,
    *,
    two_shapes: Sequence[TwoShapes] = (),
    numbers: Collection[str] = (),
) -> tuple[pl.DataFrame, list[int], list[Path]]:
    """Read the lines that are documents of this schema.

    A member that the schema does not have is added to it, as text, where its values
    are texts, numbers, flags or null.

    Parameters
    ----------
    body
        The lines, one document each.
    schema
        What must be found, field by field.
    two_shapes
        Fields that come in two shapes, each of them in the schema.
    numbers
        Fields of text that may be written as bare numbers; they are read as written.

    Returns
    -------
    pl.DataFrame
        One row for each line taken.
    list of int
        Which lines these are: their places in `body`, ascending.
    list of Path
        The members that were added.
    """
    reader = _Reader(schema, two_shapes, numbers)
    reader.read(body)
    return reader.frame(), reader.places, reader.members


class _Reader:
    """Reads lines piece by piece, and a piece again without the lines it refuses."""

    def __init__(
        self,
        schema: pl.Schema,
        two_shapes: Sequence[TwoShapes],
        numbers: Collection[str],
    ) -> None:
        # pyarrow has no types
        self._pa: Any = import_module("pyarrow")
        self._json: Any = import_module("pyarrow.json")
        self._schema = self._published = schema
        self._options: Any = self._require(schema)
        self._tables: list[Any] = []
        self._renamed = [Renamed(field) for field in two_shapes]
        self._bare = match_bare_numbers(numbers)
        self._refused = 0  # lines of this piece
        self._first = 0  # line of this piece
        self._unexpected = False  # the last refusal was one of an unknown member
        self.places: list[int] = []
        self.members: list[Path] = []

    def _require(self, schema: pl.Schema) -> object:
        fields = [(name, self._translate_type(kind)) for name, kind in schema.items()]
        self._wanted: Any = self._pa.schema(fields)
        return self._json.ParseOptions(
            explicit_schema=self._wanted, unexpected_field_behavior="error"
        )

    def read(self, body: bytes) -> None:
        start = 0
        for piece, count, braced in cut_pieces(body, self._renamed, _PIECE):
            places = range(start, start + count)
            start = places.stop
            self._refused, self._first = 0, places.start
            if not braced or self._take_all(piece, places) is not None:
                self._read_without_bad(piece, places, tried=braced)

    def _take_all(self, text: bytes, places: Sequence[int]) -> int | None:
        """Read these lines; members that they bring are added to the schema."""
        bad = self._read_all(text, places)
        while bad is not None and self._unexpected and self._add_member(text):
            bad = self._read_all(text, places)
        return bad

    def _add_member(self, text: bytes) -> bool:
        """Add the first member that the schema lacks, if it can be read as text."""
        for line in text.split(b"\n"):
            for path, plain in find_unknown(line, self._schema, self._published):
                if not plain or len(self.members) == _MEMBERS:
                    return False
                self.members.append(path)
                self._schema = add_text(self._schema, path)
                self._options = self._require(self._schema)
                return True
        return False

    def _read_without_bad(self, piece: bytes, places: range, *, tried: bool) -> None:
        """Read a piece without the lines that surely cannot be read."""
        split = (line.rstrip(b"\r") for line in piece.split(b"\n"))
        # most broken lines are cut ones: without them the rest is read in one go
        whole = [
            (body, place)
            for body, place in zip(split, places, strict=True)
            if may_be_object(body)
        ]
        if (tried and len(whole) == len(places)) or self._refuse_any(whole):
            if self._unexpected:  # members that cannot be read as text
                whole = [each for each in whole if not self._brings_unknown(each[0])]
            if self._refuse_any(whole):
                bodies = [self._bare.sub(rb'\1"\2"', body) for body, _ in whole]
                self._read_between_bad(bodies, [place for _, place in whole])

    def _refuse_any(self, lines: Sequence[tuple[bytes, int]]) -> bool:
        bodies, places = [body for body, _ in lines], [place for _, place in lines]
        return bool(lines) and self._take_all(b"\n".join(bodies), places) is not None

    def _brings_unknown(self, line: bytes) -> bool:
        return next(find_unknown(line, self._schema, self._published), None) is not None

    def _read_between_bad(self, bodies: Sequence[bytes], places: Sequence[int]) -> None:
        """Read lines; where one is refused, what is before it and what follows.

        Where most lines are refused (a new field on each), the rest is left.
        """
        first, end = 0, len(bodies)
        while first < end and not self._hopeless(places[first]):
            bad = self._read_all(b"\n".join(bodies[first:end]), places[first:end])
            if bad is None:
                return
            if bad < 0 and end - first > 1:
                step = _STEP if end - first > _STEP else (end - first + 1) // 2
                for at in range(first, end, step):
                    if not self._hopeless(places[at]):
                        to = min(at + step, end)
                        self._read_between_bad(bodies[at:to], places[at:to])
                return
            self._refused += 1
            if bad > 0:
                to = first + bad
                self._read_between_bad(bodies[first:to], places[first:to])
            first += max(bad, 0) + 1

    def _hopeless(self, seen: int) -> bool:
        return self._refused > max(_PATIENCE, (seen - self._first) // 4)

    def frame(self) -> pl.DataFrame:
        if not self._tables:
            return pl.DataFrame(schema=self._schema)
        if all(table.schema.equals(self._wanted) for table in self._tables):
            return pl.DataFrame(self._pa.concat_tables(self._tables))
        return pl.concat(self._widen(pl.DataFrame(table)) for table in self._tables)

    def _widen(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Add the members that were met later, as null."""
        return frame.select(
            pl.col(name).cast(kind)
            if name in frame.columns
            else pl.lit(None, kind).alias(name)
            for name, kind in self._schema.items()
        )

    def _translate_type(self, kind: object) -> object:
        """Translate a polars type, of the few kinds that wire schemas use."""
        if isinstance(kind, pl.List):
            return self._pa.list_(self._translate_type(kind.inner))
        if isinstance(kind, pl.Struct):
            fields = [
                (field.name, self._translate_type(field.dtype)) for field in kind.fields
            ]
            return self._pa.struct(fields)
        if isinstance(kind, pl.Decimal):
            return self._pa.decimal128(kind.precision, kind.scale)
        return self._pa.bool_() if isinstance(kind, pl.Boolean) else self._pa.string()

    def _read_all(self, text: bytes, places: Sequence[int]) -> int | None:
        """Read these lines if all of them can be.

        Gives None if they were, else the place of a line that cannot, or -1 where the
        reader does not say. The place may be wrong: that costs time, nothing else.
        """
        self._unexpected = False
        text = quote_values(text, self.members)
        try:
            if not text.isascii():
                text.decode()  # invalid UTF-8 passes the reader, and breaks polars
            table = self._json.read_json(
                self._pa.BufferReader(text),
                read_options=self._json.ReadOptions(
                    use_threads=False,  # the blocks of a file are read side by side
                    block_size=len(text) + 1,  # one block, so the row is the line
                ),
                parse_options=self._options,
                memory_pool=self._pa.system_memory_pool(),  # fewest page faults
            )
        except UnicodeDecodeError as error:
            return text.count(b"\n", 0, error.start)
        except self._pa.ArrowInvalid as error:
            self._unexpected = "unexpected field" in str(error)
            row = _ROW.search(str(error))
            return -1 if row is None else min(int(row[1]), len(places) - 1)
        if table.num_rows != len(places):
            return -1
        self._tables.append(table)
        self.places += places
        return None


_ROW: Final = re.compile(r" in row (\d+)$")


class TwoShapes(NamedTuple):
    r"""A field that comes in two shapes; in the other one it gets a name of its own.

    The first name stays beside the second, as null: so a field that is there twice is
    there twice still, however it is spelt, and refused.

    Attributes
    ----------
    name
        Of the field.
    opening
        What the value in the other shape begins with.
    late
        Look for it from the end of a line: that is where it is, as a rule.
    """

    name: str
    opening: str
    late: bool = False

    @property
    def other(self) -> str:
        """The name in the other shape: no text of a dump has this sign."""
        return self.name + SIGN


class Renamed:
    """Finds a field in its other shape."""

    def __init__(self, field: TwoShapes) -> None:
        blank = rb"[ \t\r\n]*"
        name, opening = field.name.encode(), field.opening.encode()
        self._key = b'"%b"' % name
        self._open = re.compile(
            re.escape(self._key) + blank + b":" + blank + re.escape(opening)
        )
        self._late = field.late
        self.text = b'%b:null,"%b":%b' % (self._key, field.other.encode(), opening)

    def find(self, body: bytes, start: int, end: int) -> tuple[int, int, bytes] | None:
        """Give where it begins and ends up to its value, and what to write instead."""
        if self._late:
            at = body.rfind(self._key, start, end)
        else:
            at = body.find(self._key, start, end)
        found = self._open.match(body, at, end) if at >= 0 else None
        return None if found is None else (at, found.end(), self.text)


def cut_pieces(
    body: bytes, renamed: Sequence[Renamed], least: int
) -> Iterator[tuple[bytes, int, bool]]:
    """Cut into pieces of so many bytes of whole lines, fields in other shapes renamed.

    Gives each with its number of lines, and whether all of them may be objects. A line
    that the reader must not see is left out: a blank stands for it.
    """

    def odd(start: int, end: int) -> bool:
        return _is_small(body, start, end) or _has_escape(body, start, end)

    any_odd = odd(0, len(body))
    view = memoryview(body)  # so that it is copied once, when the parts are joined
    parts: list[bytes | memoryview] = []
    start = kept = first = count = 0  # of line, of what is not copied, of piece; lines
    braced = True
    while start <= len(body):
        end = body.find(b"\n", start)
        end = len(body) if end < 0 else end
        stop = end
        while stop > start and body[stop - 1] == _RETURN:
            stop -= 1
        count += 1
        if any_odd and odd(start, end):
            parts.append(view[kept:start])
            kept, braced = end, False
        elif start == stop or body[start] != _OPEN or body[stop - 1] != _CLOSE:
            braced = False
        else:
            found = [cut for field in renamed if (cut := field.find(body, start, stop))]
            for at, to, text in sorted(found):
                parts += (view[kept:at], text)
                kept = to
        start = end + 1
        if end - first >= least or end == len(body):
            parts.append(view[kept:end])
            yield b"".join(parts), count, braced
            parts, kept, first, count, braced = [], start, start, 0, True


def _is_small(body: bytes, start: int, end: int) -> bool:
    """Tell whether a number has a negative power of ten, or very many places.

    The reader looks up a power of ten for all its places, in a table that has 38: from
    there on what it does is undefined, up to the death of the process (pyarrow 26).
    """
    # from the end: half the time of `find`
    return body.rfind(_ZEROS, start, end) >= 0 or any(
        _NUMBER.search(body[max(start, hit.start() - _LONGEST) : hit.start() + 1])
        for hit in _POWER.finditer(body, start, end)
    )


def _has_escape(body: bytes, start: int, end: int) -> bool:
    """Tell whether a name or a number may be spelt with an escape, or has the sign."""
    return (
        body.find(SIGN.encode(), start, end) >= 0 or body.find(b"\\", start, end) >= 0
    ) and _SPELT.search(body, start, end) is not None


def match_bare_numbers(names: Collection[str]) -> re.Pattern[bytes]:
    r"""Find the bare numbers of these fields.

    Between quotes they mean the same to the exact way, which reads every number as the
    text it was written in. No line becomes a document by it that was none: the quote
    behind a name has no backslash before it, so it ends a text (or the line is broken
    up to there already), and what follows the colon is a value.

    >>> match_bare_numbers(["xirr"]).sub(rb'\1"\2"', b'{"xirr": 12.50, "pnl": 3}')
    b'{"xirr": "12.50", "pnl": 3}'
    """
    if not names:
        return re.compile(rb"(?!)()()")
    keys = "|".join(map(re.escape, names)).encode()
    number = rb"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?"
    blank = rb"[ \t\r\n]"
    return re.compile(
        rb'("(?:%b)"%b*:%b*)(%b)(?=%b|[,}])' % (keys, blank, blank, number, blank)
    )


def may_be_object(body: bytes) -> bool:
    """Tell whether a line may be an object; a brace inside a text may mislead."""
    return (
        body[:1] == b"{" and body[-1:] == b"}" and body.count(b"{") == body.count(b"}")
    )
