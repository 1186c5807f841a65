"""The files of a scan in blocks of lines, those left out that a store has committed.

A commit carries a mark for its file: how many lines it holds so far, and their CRC-32.
"""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, TypeVar

from holdings_kit.wire.files import Line, Torn, is_cuttable, lines

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path

    from holdings_kit.store import Store

__all__ = ["BLOCK", "Block", "Kind", "Piece", "Source", "between", "blocks_of"]

BLOCK: Final = 24 << 20
"""Bytes of lines worked on at once: less costs time, more costs memory."""
Kind = Literal["webhooks", "arrow"]


class Block(NamedTuple):
    """A run of lines of one file, and the mark the file gets with it."""

    lines: list[Line | Torn]
    mark: tuple[str, int]


class Piece(NamedTuple):
    """A part of a file for one task: whole lines between two places, or all of it."""

    path: Path
    start: int
    stop: int | None  # None: the file is packed, or one document; read it whole
    first_line: int
    mark: tuple[str, int]


class Source:
    """The files of a scan as blocks, those parts left out that are committed."""

    def __init__(self, files: list[Path], kind: Kind, into: Store) -> None:
        self._files, self._kind, self._into = files, kind, into
        self._size = _block_size(into.buckets)
        self._bar: _Bar | None = None
        self.skipped = 0

    @contextmanager
    def bar(self, *, show: bool) -> Generator[None]:
        """Show how many bytes of the files have been read."""
        if not show or find_spec("tqdm") is None:
            yield
            return
        tqdm = import_module("tqdm").tqdm
        total = sum(path.stat().st_size for path in self._files)
        with tqdm(total=total, unit="B", unit_scale=True, disable=None) as bar:
            self._bar = bar
            yield

    def blocks(self) -> Iterator[Block]:
        """Read the files one after the other."""
        for path in self._files:
            name = self._name(path)
            yield from self._of(path, name, self._into.mark(name) or 0)

    def pieces(self) -> Iterator[Piece]:
        """Cut the files for others to read; only plain ones can be cut."""
        for path in self._files:
            if is_cuttable(path):
                yield from self._cut(path)
            else:
                yield Piece(path, 0, None, 1, ("", 0))

    def _cut(self, path: Path) -> Iterator[Piece]:
        name = self._name(path)
        start, first = 0, 1
        with path.open("rb") as raw:
            for block in self._of(path, name, self._into.mark(name) or 0):
                numbers = [line.line_no or 0 for line in block.lines]
                raw.seek(start)
                for _ in range(first, numbers[0]):  # committed, or blank
                    raw.readline()
                begin = raw.tell()
                for _ in range(numbers[0], numbers[-1] + 1):
                    raw.readline()
                start, first = raw.tell(), numbers[-1] + 1
                yield Piece(path, begin, start, numbers[0], block.mark)

    def _name(self, path: Path) -> str:
        return f"holdings_kit scan {self._kind} {path}"

    def _of(self, path: Path, name: str, mark: int) -> Iterator[Block]:
        raw = path.open("rb")
        found = lines(path, raw=raw)
        count, crc = _skip(found, mark)
        if mark and _mark(count, crc) != mark:  # another file of the same name
            raw.close()
            raw = path.open("rb")
            found, count, crc = lines(path, raw=raw), 0, 0
        self.skipped += count
        at = 0
        for block in blocks_of(found, self._size):
            bodies = [line.body for line in block if isinstance(line, Line)]
            count, crc = count + len(bodies), zlib.crc32(b"".join(bodies), crc)
            yield Block(block, (name, _mark(count, crc)))
            if not raw.closed:  # it is after its last line
                at = self._tell(at, raw.tell())
        raw.close()
        self._tell(at, path.stat().st_size)

    def _tell(self, before: int, now: int) -> int:
        if self._bar is not None:
            self._bar.update(now - before)
        return now


def between(piece: Piece) -> list[Line | Torn]:
    """Read the lines of a piece."""
    with piece.path.open("rb") as raw:
        raw.seek(piece.start)
        body = raw.read((piece.stop or 0) - piece.start)
    return [
        Line(str(piece.path), number, line.rstrip(b"\r\n"))
        for number, line in enumerate(body.split(b"\n"), piece.first_line)
        if line.strip()
    ]


def _block_size(buckets: int) -> int:
    """Give bytes per block: many buckets need more, or their files become small."""
    return min(max(BLOCK, buckets * (2 << 20)), 8 * BLOCK)


class _Bar(Protocol):
    """The one call of a progress bar in use."""

    def update(self, n: int) -> object: ...


_Read = TypeVar("_Read", Line, Line | Torn)


def blocks_of(found: Iterable[_Read], least: int) -> Iterator[list[_Read]]:
    """Cut lines into blocks of at least so many bytes; the last may have fewer."""
    block: list[_Read] = []
    size = 0
    for line in found:
        block.append(line)
        if isinstance(line, Line):
            size += len(line.body)
            if size >= least:
                yield block
                block, size = [], 0
    if block:
        yield block


def _mark(count: int, crc: int) -> int:
    """Pack lines read and their CRC-32 into the 63 bits a mark has."""
    return count << 32 | crc


def _skip(found: Iterator[Line | Torn], mark: int) -> tuple[int, int]:
    """Read past the lines a mark stands for; tell how many, and their CRC-32."""
    count = crc = 0
    while count < mark >> 32:
        line = next(found, None)
        if not isinstance(line, Line):
            break
        count, crc = count + 1, zlib.crc32(line.body, crc)
    return count, crc
