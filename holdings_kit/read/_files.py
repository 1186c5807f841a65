"""Dump files to numbered lines of bytes: plain, gzip or zstd, one bad file at most.

A compressed file that breaks off
gives the lines before the break and then a `Torn` that says where.
"""

from __future__ import annotations

import glob
import gzip
import io
import os
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

import zstandard

from holdings_kit.errors import ConfigError
from holdings_kit.wire import Line, Text, Torn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed import WriteableBuffer

__all__ = [
    "Paths",
    "is_cuttable",
    "lines",
    "map_in_order",
    "open_bytes",
    "paths_of",
    "read_bytes",
    "texts",
]

_SUFFIXES = (".json", ".ndjson", ".jsonl")
_PACKED = (".gz", ".zst")
_BATCH = 1 << 18  # bytes read at a time
_CHUNK = 1 << 14  # packed bytes unpacked at a time
_BREAKS = (OSError, EOFError, zlib.error, zstandard.ZstdError)
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
Paths = str | Path | Sequence[str | Path]


def paths_of(paths: Paths) -> list[Path]:
    """List the dump files named: files as given, folders searched, globs expanded.

    Raises
    ------
    ConfigError
        A path does not exist, nothing matches, or it is no path at all; nothing was
        read.
    """
    found: list[Path] = []
    for given in _listed(paths):
        path = Path(given)
        if path.is_dir():
            found += sorted(inner for inner in path.rglob("*") if _is_dump(inner))
        elif path.exists():
            found.append(path)
        elif glob.has_magic(str(given)):
            anchor = Path(path.anchor)
            inner = str(path.relative_to(anchor))
            matches = sorted(m for m in anchor.glob(inner) if m.is_file())
            found += matches
            if not matches:
                raise ConfigError(f"no file matches {str(given)!r}")
        else:
            raise ConfigError(f"no such file or folder: {str(given)!r}")
    return list(dict.fromkeys(found))


def _listed(paths: object) -> Sequence[str | Path]:
    """Give one path as a list of one, and refuse what holds no paths."""
    kind = type(paths).__name__
    if isinstance(paths, str | Path):
        return [paths]
    if isinstance(paths, Sequence) and not isinstance(paths, bytes | bytearray):
        listed = cast("Sequence[object]", paths)
        if all(isinstance(path, str | Path) for path in listed):
            return cast("Sequence[str | Path]", listed)
    raise ConfigError(
        f"{kind} names no dump: pass a path, a pattern or a list of these (bytes: "
        "write them to a .ndjson file and pass its path)"
    )


def open_bytes(path: Path, raw: BinaryIO | None = None) -> BinaryIO:
    """Open a file for reading, unpacked by its suffix (.gz, .zst)."""
    if _packing(path) == ".gz":
        return cast("BinaryIO", gzip.open(raw or path, "rb"))
    if _packing(path) == ".zst":
        return cast("BinaryIO", io.BufferedReader(_Zstd(raw or path.open("rb"))))
    return raw or path.open("rb")


class _Zstd(io.RawIOBase):
    """Frames of zstd, unpacked; a file that breaks off raises instead of ending."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed, self._ready, self._rest = packed, memoryview(b""), b""
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._inside = False  # a frame has begun and not ended

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        while not self._ready and (packed := self._rest or self._packed.read(_CHUNK)):
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._ready = memoryview(self._frame.decompress(packed))
            self._inside, self._rest = not self._frame.eof, self._frame.unused_data
        if not self._ready and self._inside:
            raise EOFError("Compressed file ended before the end of its frame")
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        self._packed.close()
        super().close()


def read_bytes(source: bytes | str | Path, *, door: str) -> tuple[bytes, str]:
    """Give the bytes of one document and a name for errors.

    Raises
    ------
    ConfigError
        The path cannot be read, or the text is a document instead of a path.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source), door
    if isinstance(source, str) and source.lstrip()[:1] in ("{", "["):
        raise ConfigError(f"{door} takes bytes or a path: pass text.encode()")
    path = Path(source)
    try:
        with open_bytes(path) as stream:
            return stream.read(), str(path)
    except (*_BREAKS, ValueError) as error:
        raise ConfigError(f"{door}: cannot read {str(path)[:200]!r}: {error}") from None


def is_cuttable(path: Path) -> bool:
    """Tell whether a file is lines from its first byte, and not packed."""
    return not _packing(path) and _kind(path) != ".json"


def lines(path: Path) -> Iterator[Line | Torn]:
    """Give the documents of a dump file: a line each, or a whole ``.json`` file.

    A ``.json`` file that is not one document but several lines is read as lines.
    """
    for part in texts(path, _BATCH):
        if isinstance(part, Text):
            yield from part.lines()
        else:
            yield part


def texts(
    path: Path, least: int, *, raw: BinaryIO | None = None
) -> Iterator[Text | Line | Torn]:
    """Give what `lines` gives, many lines at a time: so many bytes at least.

    `raw` is the file, already open: its position tells how far the reading is.
    """
    if _kind(path) == ".json":
        yield from _whole(path, least)
        return
    name = str(path)
    number = offset = 0
    try:
        with open_bytes(path, raw) as stream:
            for body in _runs(stream, least):
                text = Text.of(body, file=name, first_line=number + 1, offset=offset)
                yield text
                number, offset = number + text.height, offset + len(body) + 1
    except _BREAKS as error:
        yield Torn(name, number + 1, f"cannot be read on: {error}")


def _whole(path: Path, least: int) -> Iterator[Text | Line | Torn]:
    name = str(path)
    try:
        with open_bytes(path) as stream:
            body = stream.read()
    except _BREAKS as error:
        yield Torn(name, None, f"cannot be read: {error}")
        return
    parts = body.strip().split(b"\n")
    if len(parts) > 1 and all(part.strip()[:1] in (b"{", b"") for part in parts):
        yield from Text.of(body.removesuffix(b"\n"), file=name).cut(least)
    else:
        yield Line(name, None, body)


def _runs(stream: BinaryIO, least: int) -> Iterator[bytes]:
    """Read runs of whole lines; those before a break are given before it is raised."""
    held: list[bytes] = []
    size = 0
    broken: Exception | None = None
    while True:
        try:
            chunk = cast("io.BufferedReader", stream).read1(_BATCH)
        except _BREAKS as error:
            broken, chunk = error, b""
        if not chunk:
            break
        held.append(chunk)
        size += len(chunk)
        if size >= least and (end := chunk.rfind(b"\n")) >= 0:
            held[-1] = chunk[:end]
            yield b"".join(held)
            held = [chunk[end + 1 :]]
            size = len(held[0])
    rest = b"".join(held)
    if broken is not None:
        rest = rest[: rest.rfind(b"\n") + 1]
    if rest:
        yield rest.removesuffix(b"\n")
    if broken is not None:
        raise broken


def _packing(path: Path) -> str:
    """Give .gz or .zst, whatever the case, or nothing."""
    suffix = path.suffix.lower()
    return suffix if suffix in _PACKED else ""


def _kind(path: Path) -> str:
    name = Path(path.stem) if _packing(path) else path
    return name.suffix.lower()


def _is_dump(path: Path) -> bool:
    return path.is_file() and _kind(path) in _SUFFIXES


def map_in_order(
    work: Callable[[_Item], _Result], items: Iterable[_Item], workers: int | None = None
) -> Iterator[_Result]:
    """Work on a few items at a time, in threads; give the results in their order.

    At most one item waits beside those that are worked on.
    """
    count = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(count) as pool:
        running: deque[Future[_Result]] = deque()
        for item in items:
            running.append(pool.submit(work, item))
            if len(running) > count + 1:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
