"""Lines of JSON made ready for Arrow's reader: bytes to bytes, nothing is parsed.

What the reader would take wrongly, or die of, is kept from it here; what comes in two
shapes is renamed, so that one schema has both.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

__all__ = ["SIGN", "Renamed", "Twofold", "bare", "is_braced", "pieces"]

_OPEN, _CLOSE, _RETURN = b"{}\r"
SIGN: Final = "\x7f"
_SPELT: Final = re.compile(rb"\x7f|\\u00(?:2[bdeBDE]|3[0-9]|[4-7])")
"""The sign; or a letter, or what a number is made of, as an escape."""
_ZEROS: Final = b"." + b"0" * 16
_POWER: Final = re.compile(rb"-(?<=[0-9.][eE]-)[0-9]")
_NUMBER: Final = re.compile(rb'(?:^|[:\[,"\s])[+-]?[0-9.]+[eE]-\Z')
_LONGEST: Final = 64  # bytes of a number looked at


class Twofold(NamedTuple):
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

    def __init__(self, field: Twofold) -> None:
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


def pieces(
    body: bytes, renamed: Sequence[Renamed], least: int
) -> Iterator[tuple[bytes, int, bool]]:
    """Cut into pieces of so many bytes of whole lines, fields in other shapes renamed.

    Gives each with its number of lines, and whether all of them may be objects. A line
    that the reader must not see is left out: a blank stands for it.
    """

    def odd(start: int, end: int) -> bool:
        return _is_small(body, start, end) or _is_spelt(body, start, end)

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
    return body.find(_ZEROS, start, end) >= 0 or any(
        _NUMBER.search(body[max(start, hit.start() - _LONGEST) : hit.start() + 1])
        for hit in _POWER.finditer(body, start, end)
    )


def _is_spelt(body: bytes, start: int, end: int) -> bool:
    """Tell whether a name or a number may be spelt with an escape, or has the sign."""
    return (
        body.find(SIGN.encode(), start, end) >= 0 or body.find(b"\\", start, end) >= 0
    ) and _SPELT.search(body, start, end) is not None


def bare(names: Collection[str]) -> re.Pattern[bytes]:
    r"""Find the bare numbers of these fields.

    Between quotes they mean the same to the exact way, which reads every number as the
    text it was written in. No line becomes a document by it that was none: the quote
    behind a name has no backslash before it, so it ends a text (or the line is broken
    up to there already), and what follows the colon is a value.

    >>> bare(["xirr"]).sub(rb'\1"\2"', b'{"xirr": 12.50, "pnl": 3}')
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


def is_braced(body: bytes) -> bool:
    """Tell whether a line may be an object; a brace inside a text may mislead."""
    return (
        body[:1] == b"{" and body[-1:] == b"}" and body.count(b"{") == body.count(b"}")
    )
