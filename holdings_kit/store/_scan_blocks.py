"""The files of a scan in blocks of lines, those left out that a store has committed.

A commit carries a mark for its file: how many lines it holds so far, blank ones
included, and the CRC-32 of the file up to there.
"""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

from holdings_kit.read._packed import is_cuttable, open_regular, show_path
from holdings_kit.read._texts import ENOUGH, SMALL, choose_block, texts
from holdings_kit.wire import Line, Text, Torn

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from holdings_kit.read._files import Found
    from holdings_kit.store._store import Store

BLOCK: Final = 24 << 20
"""Bytes of lines worked on at once: less costs time, more costs memory."""
_PER_BUCKET: Final = 2 << 20
Kind = Literal["webhooks", "arrow"]


class Block(NamedTuple):
    """Runs of lines that are written together, and the marks their files get by it."""

    parts: list[Text | Line | Torn]
    marks: dict[str, int]


class Piece(NamedTuple):
    """What one task reads: whole lines between two places of a file, or whole files."""

    paths: list[Path]
    offset: int
    size: int | None  # None: packed, or small, or one document; read them whole
    first_line: int
    marks: dict[str, int]
    part: Line | Torn | None = None  # read already


class Source:
    """The files of a scan as blocks, those parts left out that are committed."""

    def __init__(self, found: Found, kind: Kind, into: Store) -> None:
        self._files, self._unread = found
        self._kind, self._into = kind, into
        self._size = _choose_block_size(into.buckets)
        self._bar: _Bar | None = None
        self.skipped = 0
        self.names = [show_path(path) for path in self._files]
        self.names += [torn.file for torn in self._unread]

    @contextmanager
    def bar(self, *, show: bool) -> Generator[None]:
        """Show how many bytes of the files have been read."""
        if not show or find_spec("tqdm") is None:
            yield
            return
        tqdm = import_module("tqdm").tqdm
        total = sum(_measure_size(path) for path in self._files)
        with tqdm(total=total, unit="B", unit_scale=True, disable=None) as bar:
            self._bar = bar
            yield

    def blocks(self) -> Iterator[Block]:
        """Read the files one after the other, behind what is not read.

        What is too small for a block is put together with its neighbours: a block of
        one delivery would cost as many files as one of thousands.
        """
        parts: list[Text | Line | Torn] = []
        marks: dict[str, int] = {}
        size = 0
        for part, name, mark in self._parts():
            own = 0 if isinstance(part, Torn) else len(part.body)
            parts.append(part)
            marks[name] = mark
            size += own
            if size >= min(self._size, ENOUGH):
                yield Block(parts, marks)
                parts, marks, size = [], {}, 0
        if parts:
            yield Block(parts, marks)

    def _parts(self) -> Iterator[_Part]:
        places = [Path(torn.file) for torn in self._unread]
        marks = self._into.marks(map(self._name_mark, [*places, *self._files]))
        for torn, place in zip(self._unread, places, strict=True):
            name = self._name_mark(place)
            yield _Part(torn, name, marks.get(name, 0))
        for path in self._files:
            yield from self._read_parts_of(path, marks.get(self._name_mark(path), 0))

    def pieces(self) -> Iterator[Piece]:
        """Cut the files for others to read; only plain ones can be cut.

        Small ones are put together, for one task.
        """
        for torn in self._unread:
            place = Path(torn.file)
            yield Piece([place], 0, 0, 1, {self._name_mark(place): 0}, torn)
        small: list[Path] = []
        for path in self._files:
            if _measure_size(path) < SMALL:
                small.append(path)
            elif is_cuttable(path):
                yield from self._cut(path)
            else:
                yield Piece([path], 0, None, 1, {})
        step = max(self._size // SMALL, 1)
        for at in range(0, len(small), step):
            yield Piece(small[at : at + step], 0, None, 1, {})

    def _cut(self, path: Path) -> Iterator[Piece]:
        for part, name, mark in self._read_parts_of(
            path, self._into.mark(self._name_mark(path)) or 0
        ):
            marks = {name: mark}
            if isinstance(part, Text):
                size = len(part.body)
                yield Piece([path], part.offset, size, part.first_line, marks)
            else:
                yield Piece([path], 0, 0, 1, marks, part)

    def _name_mark(self, path: Path) -> str:
        return f"holdings_kit scan {self._kind} {show_path(path)}"

    def _read_parts_of(self, path: Path, mark: int) -> Iterator[_Part]:
        name = self._name_mark(path)
        try:
            raw = open_regular(path)
        except OSError as error:
            torn = Torn(show_path(path), None, f"cannot be read: {error}")
            yield _Part(torn, name, mark)
            return
        block = choose_block(path, self._size)
        done, rest, skipped = _skip_lines(texts(path, block, raw=raw), mark)
        if done.mark != mark:  # another file of the same name
            raw.close()
            raw = open_regular(path)
            done, rest, skipped = _Done(), texts(path, block, raw=raw), 0
        self.skipped += skipped
        at = 0
        for part in rest:
            done = done.and_(part)
            yield _Part(part, name, done.mark)
            if not raw.closed:  # it is after its last line
                at = self._tell_bar(at, raw.tell())
        raw.close()
        self._tell_bar(at, _measure_size(path))

    def _tell_bar(self, before: int, now: int) -> int:
        if self._bar is not None:
            self._bar.update(now - before)
        return now


def between(piece: Piece) -> Text:
    """Read the lines of a piece."""
    [path] = piece.paths
    with open_regular(path) as raw:
        raw.seek(piece.offset)
        body = raw.read(piece.size or 0)
    return Text.of(
        body,
        file=show_path(path),
        first_line=piece.first_line,
        offset=piece.offset,
    )


def _measure_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _choose_block_size(buckets: int) -> int:
    """Give bytes per block: many buckets need more, or their files become small."""
    return min(max(BLOCK, buckets * _PER_BUCKET), 8 * BLOCK)


class _Part(NamedTuple):
    """A run of lines, its file's name among the marks, and the mark behind it."""

    part: Text | Line | Torn
    name: str
    mark: int


class _Bar(Protocol):
    """The one call of a progress bar in use."""

    def update(self, n: int) -> object: ...


class _Done(NamedTuple):
    """How much of a file was read: lines, blank ones included, and its CRC-32."""

    lines: int = 0
    crc: int = 0

    @property
    def mark(self) -> int:
        """Lines and CRC-32 in the 63 bits a mark has."""
        return self.lines << 32 | self.crc

    def and_(self, part: Text | Line | Torn) -> _Done:
        if isinstance(part, Torn):
            return self._replace(lines=self.lines + part.skipped)
        before = zlib.crc32(b"\n", self.crc) if self.lines else self.crc
        count = part.height if isinstance(part, Text) else 1
        return _Done(self.lines + count, zlib.crc32(part.body, before))


def _skip_lines(
    found: Iterator[Text | Line | Torn], mark: int
) -> tuple[_Done, Iterator[Text | Line | Torn], int]:
    """Read past the lines a mark stands for.

    Gives how much that was, what follows, and how many of the lines were not blank.
    """
    done, lines = _Done(), 0
    left: list[Text] = []
    while done.lines < mark >> 32:
        part = next(found, None)
        if part is None or (isinstance(part, Torn) and not part.skipped):
            break
        if isinstance(part, Text):
            part, *left = _cut_at(part, (mark >> 32) - done.lines)
            lines += len(part.lines())
        else:
            lines += isinstance(part, Line)
        done = done.and_(part)
    return done, chain(left, found), lines


def _cut_at(text: Text, count: int) -> tuple[Text, ...]:
    """Cut off the first lines; one text where there are no more."""
    end = -1
    for _ in range(count):
        end = text.body.find(b"\n", end + 1)
        if end < 0:
            return (text,)
    return text.parted(end)
