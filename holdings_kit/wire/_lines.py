"""Numbered lines of bytes, as the readers of dumps take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from holdings_kit.errors import readable

if TYPE_CHECKING:
    from collections.abc import Container, Iterator


@readable
class Line(NamedTuple):
    """One document's bytes and where they stand; `line_no` counts from 1."""

    file: str
    line_no: int | None
    body: bytes


@readable
class Text(NamedTuple):
    """Many whole lines of one file, not cut; the last has lost its line end."""

    file: str
    first_line: int
    offset: int  # where it begins in the file, unpacked
    body: bytes
    height: int  # lines, blank ones included

    @classmethod
    def of(
        cls, body: bytes, *, file: str, first_line: int = 1, offset: int = 0
    ) -> Text:
        """Count the lines of a text."""
        return cls(file, first_line, offset, body, _count_lines(body))

    def lines(self, *, but: Container[int] = ()) -> list[Line]:
        """Cut into lines; blank ones, and the numbers named, are left out."""
        found: list[Line] = []
        if self.body.isspace():
            return found
        start = 0
        for number in range(self.first_line, self.first_line + self.height):
            end = self.body.find(b"\n", start)
            end = len(self.body) if end < 0 else end
            if number not in but:
                line = self.body[start:end].rstrip(b"\r")
                if line and not line.isspace():
                    found.append(Line(self.file, number, line))
            start = end + 1
        return found

    def cut(self, least: int) -> Iterator[Text]:
        """Cut into runs of at least so many bytes of whole lines, but for the last."""
        start, line = 0, self.first_line
        while (end := self.body.find(b"\n", start + least - 1)) >= 0:
            body, at = self.body[start:end], self.offset + start
            part = Text.of(body, file=self.file, first_line=line, offset=at)
            yield part
            start, line = end + 1, line + part.height
        yield (
            self
            if start == 0
            else self._replace(
                first_line=line,
                offset=self.offset + start,
                body=self.body[start:],
                height=self.height - (line - self.first_line),
            )
        )

    def parted(self, end: int) -> tuple[Text, Text]:
        """Part the text at a line end."""
        first = Text.of(
            self.body[:end],
            file=self.file,
            first_line=self.first_line,
            offset=self.offset,
        )
        return first, Text(
            self.file,
            self.first_line + first.height,
            self.offset + end + 1,
            self.body[end + 1 :],
            self.height - first.height,
        )


_SAMPLE, _SHORT_LINES = 4096, 64


def _count_lines(body: bytes) -> int:
    """Count lines; for long ones `find` is twice as quick as `count`."""
    if body.count(b"\n", 0, _SAMPLE) > _SHORT_LINES:
        return body.count(b"\n") + 1
    lines, at = 1, body.find(b"\n")
    while at >= 0:
        lines, at = lines + 1, body.find(b"\n", at + 1)
    return lines


@readable
class Torn(NamedTuple):
    """What of a file was not read: its rest, or some lines where it goes on."""

    file: str
    line_no: int | None
    reason: str
    skipped: int = 0  # lines; 0: nothing follows
