"""Dump files to numbered lines of bytes: plain or packed, one bad file at most.

What a file holds is told by its first bytes, its name only helps. A compressed file
that breaks off gives the lines before the break and then a `Torn` that says where.
However small a file is that unpacks to very much, memory stays bounded: a line longer
than `LONGEST` is passed over and named.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import re
import stat
import zlib
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, TypeVar, cast

import zstandard

from holdings_kit.errors import ConfigError
from holdings_kit.wire import Line, Text, Torn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed import WriteableBuffer

__all__ = [
    "BREAKS",
    "ENOUGH",
    "LONGEST",
    "MAGIC",
    "SMALL",
    "Found",
    "Paths",
    "choose_block",
    "find_dumps",
    "gather_small",
    "is_cuttable",
    "lines",
    "map_in_order",
    "most_unpacked",
    "open_regular",
    "read_bytes",
    "refuse_no_file",
    "say_why_not",
    "show_path",
    "texts",
    "unpack_bytes",
    "walk_files",
    "without_packing",
]

LONGEST: Final = 32 << 20
"""Bytes of one line or document: some 60,000 holdings. A longer one is not read."""
SMALL: Final = 16 << 10
"""Bytes of lines below which it does not pay to read them as a block of their own."""
ENOUGH: Final = 4 << 20
"""Bytes of lines that are worth a block: what it costs at least is some 2 MB's work."""
_TOGETHER: Final = 500  # lines that are read one by one into the same frames
_MOST_TOGETHER: Final = 8 << 20  # and their bytes
_SUFFIXES: Final = (".json", ".ndjson", ".jsonl")
_PACKED: Final = (".gz", ".zst", ".bz2", ".xz")
_UNFINISHED: Final = (  # what fetches and editors call a file before it is whole
    *(".part", ".partial", ".filepart", ".crdownload", ".download"),
    *(".tmp", ".temp", ".swp", "~"),
)
_BATCH: Final = 1 << 18  # bytes read at a time
_CHUNK: Final = 1 << 12  # packed bytes unpacked at a time: zstd makes 32,000 of one
_WINDOW: Final = 256 << 20  # memory that an xz file may ask for
_HEAD: Final = 1 << 12  # bytes that tell what a file is
_RATIO: Final = 100  # no table or payload is packed to less than a fiftieth
_LEAST_MOST: Final = 64 << 20  # a small file may be packed better
_SHORT: Final = 8  # bytes: no line that is shorter is a document
BREAKS: Final = (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError)
MAGIC: Final = {
    b"\x1f\x8b": ".gz",
    b"\x28\xb5\x2f\xfd": ".zst",
    # "BZh" and a digit could begin a line of text: with the mark of a block, or of none
    **{
        b"BZh%d%b" % (size, mark): ".bz2"
        for size in range(1, 10)
        for mark in (b"1AY&SY", b"\x17rE8P\x90")
    },
    b"\xfd7zXZ\x00": ".xz",
}
_OTHER: Final = {
    b"PK\x03\x04": "a zip archive: unpack it, and read what was in it",
    b"PK\x05\x06": "a zip archive with nothing in it",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it, and read what was in it",
    b"Rar!": "a rar archive: unpack it, and read what was in it",
    b"PAR1": "a parquet file, no dump of payloads",
    b"SQLite format 3": "an SQLite database, no dump of payloads",
    b"%PDF": "a PDF, no dump of payloads",
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
}
_KINDS: Final = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
Paths = str | Path | Sequence[str | Path]


class Found(NamedTuple):
    """The files to read, and what else there is, each with the reason."""

    files: list[Path]
    unread: list[Torn]


def find_dumps(paths: Paths) -> Found:
    """List the dump files named: files as given, folders searched, globs expanded.

    In a folder a file is read by its suffix, or because it begins as JSON does. All
    other files are in `unread` with the reason: none is passed over in silence.

    Raises
    ------
    ConfigError
        A path does not exist or is no file, nothing matches, a folder has no file at
        all, or it is no path; nothing was read.
    """
    found: dict[Path, str] = {}
    for given in _list_paths(paths):
        for path in _expand(given):
            if path.is_dir():
                inside = sorted(walk_files(path))
                found |= {inner: why or _look_inside(inner) for inner, why in inside}
            else:
                found[path] = say_why_not(path)
    unread = [(path, why) for path, why in found.items() if why]
    return Found(
        [path for path, why in found.items() if not why],
        [Torn(show_path(path), None, f"not read: {why}") for path, why in unread],
    )


def _expand(given: str | Path) -> list[Path]:
    """Give the path, or what a pattern matches; refuse what is not there."""
    path = Path(given)
    if not os.path.lexists(path) and has_magic(str(given)):
        anchor = Path(path.anchor)
        matches = sorted(anchor.glob(str(path.relative_to(anchor))))
        if not matches:
            raise ConfigError(f"no file matches {show_path(path)!r}")
        return matches
    refuse_no_file(path)
    return [path]


def refuse_no_file(path: Path) -> None:
    """Refuse a path that is not there, an empty folder, and what is no file.

    Raises
    ------
    ConfigError
        With the path and what it is.
    """
    if not path.exists():
        raise ConfigError(f"no such file or folder: {show_path(path)[:200]!r}")
    if path.is_dir() and next(walk_files(path), None) is None:
        raise ConfigError(f"there is no file in {show_path(path)!r}")
    if not path.is_dir() and not path.is_file():
        raise ConfigError(f"{show_path(path)!r} {_refuse_kind(path.stat())}")


def _list_paths(paths: object) -> Sequence[str | Path]:
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


def walk_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Give every file below a folder, with the reason where it cannot be read."""
    broken: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=broken.append):
        for name in names:
            path = Path(place, name)
            yield path, say_why_not(path)
        for path in (Path(place, name) for name in folders):
            if path.is_symlink():
                yield path, "a link to another folder: pass that folder"
    for error in broken:
        yield Path(str(error.filename)), f"cannot be listed: {error.strerror}"


def say_why_not(path: Path) -> str:
    """Say why a path cannot be read at all; nothing where it can."""
    try:
        os.fsencode(path).decode()
        facts = path.stat()
    except UnicodeDecodeError:
        return "its name is not UTF-8: rename it"
    except OSError as error:
        return f"cannot be opened: {error.strerror}"
    return "" if stat.S_ISREG(facts.st_mode) else _refuse_kind(facts)


def _look_inside(path: Path) -> str:
    """Say why a file of a folder is no dump; nothing where it may be one."""
    if _find_suffix(path) in _SUFFIXES:
        return ""
    if path.name.lower().endswith(_UNFINISHED):
        return "its name says that it is not finished"
    try:
        with _open_unpacked(path) as stream:
            head = stream.read(_HEAD)
    except (*BREAKS, ValueError) as error:
        return f"cannot be opened: {error}"
    if not head:
        return "it is empty"
    begins = (
        "" if _find_first_sign(head) in (b"{", b"[") else "it does not begin as JSON"
    )
    return _name_other(head) or begins


def _refuse_kind(facts: os.stat_result) -> str:
    kind = _KINDS.get(stat.S_IFMT(facts.st_mode), "no regular file")
    return f"is {kind}: write what it gives to a file, and pass that"


def _find_first_sign(head: bytes) -> bytes:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]


def _name_other(head: bytes | bytearray) -> str:
    """Say what a file is whose first bytes are not those of text."""
    if head[257:262] == b"ustar":
        return "a tar archive: unpack it, and read what was in it"
    return next((what for sign, what in _OTHER.items() if head.startswith(sign)), "")


def show_path(path: Path) -> str:
    """Write a path as text; bytes of it that are not UTF-8 as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def open_regular(path: Path) -> BinaryIO:
    """Open a file, and only a file: a FIFO would wait for ever.

    Raises
    ------
    OSError
        It cannot be opened, or is no regular file.
    """
    facts = path.stat()
    if stat.S_ISREG(facts.st_mode):  # opening a device may already do something
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
        facts = os.fstat(descriptor)
        if stat.S_ISREG(facts.st_mode):
            return os.fdopen(descriptor, "rb")
        os.close(descriptor)
    raise OSError(_refuse_kind(facts))


def _find_packing(raw: BinaryIO) -> str:
    """Tell by its first bytes how a file is packed; its position stays."""
    at = raw.tell()
    head = raw.read(max(map(len, MAGIC)))
    raw.seek(at)
    return next((kind for sign, kind in MAGIC.items() if head.startswith(sign)), "")


def _open_unpacked(path: Path, raw: BinaryIO | None = None) -> BinaryIO:
    """Open a file for reading, unpacked by what it begins with."""
    raw = raw or open_regular(path)
    match _find_packing(raw):
        case ".gz":
            unpacked: object = _Gzip(raw)
        case ".bz2":
            unpacked = _Bzip(raw)
        case ".xz":
            unpacked = io.BufferedReader(_Xz(raw), _BATCH)
        case ".zst":
            unpacked = io.BufferedReader(_Zstd(raw), _BATCH)
        case _:
            unpacked = raw
    return cast("BinaryIO", unpacked)


class _Gzip(gzip.GzipFile):
    """A gzip file that closes the file below it too."""

    def __init__(self, packed: BinaryIO) -> None:
        super().__init__(fileobj=packed)
        self._packed = packed

    def close(self) -> None:
        super().close()
        self._packed.close()


class _Bzip(bz2.BZ2File):
    """A bz2 file that closes the file below it too."""

    def __init__(self, packed: BinaryIO) -> None:
        super().__init__(packed)
        self._packed = packed

    def close(self) -> None:
        super().close()
        self._packed.close()


class _Frames(io.RawIOBase):
    """Packed frames one after the other; a file that breaks off raises."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed, self._ready = packed, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        if not self._ready:
            self._ready = memoryview(self._unpack(len(view)))
        count = min(len(view), len(self._ready))
        view[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    @abstractmethod
    def _unpack(self, most: int) -> bytes:
        """Unpack some more bytes, none at the end."""

    def close(self) -> None:
        self._packed.close()
        super().close()


_BROKEN_OFF: Final = "Compressed file ended before the end of its frame"


class _Zstd(_Frames):
    """Frames of zstd, unpacked."""

    def __init__(self, packed: BinaryIO) -> None:
        super().__init__(packed)
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._rest, self._inside = b"", False  # inside: a frame has begun, not ended

    def _unpack(self, most: int) -> bytes:
        del most  # a chunk is so small that all of it may come at once
        while packed := self._rest or self._packed.read(_CHUNK):
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            found = self._frame.decompress(packed)
            self._inside, self._rest = not self._frame.eof, self._frame.unused_data
            if found:
                return found
        if self._inside:
            raise EOFError(_BROKEN_OFF)
        return b""


class _Xz(_Frames):
    """Streams of xz, unpacked in bounded memory."""

    def __init__(self, packed: BinaryIO) -> None:
        super().__init__(packed)
        self._stream: lzma.LZMADecompressor | None = None
        self._rest = b""

    def _unpack(self, most: int) -> bytes:
        while True:
            if self._stream is None:
                self._rest = self._rest.lstrip(b"\x00") or self._packed.read(_BATCH)
                if not self._rest.lstrip(b"\x00"):  # streams may be padded
                    return b""
                self._stream = lzma.LZMADecompressor(memlimit=_WINDOW)
            packed = self._rest
            if not packed and self._stream.needs_input:
                packed = self._packed.read(_BATCH)
                if not packed:
                    raise EOFError(_BROKEN_OFF)
            found = self._stream.decompress(packed, most)
            self._rest = b""
            if self._stream.eof:
                self._rest, self._stream = self._stream.unused_data, None
            if found:
                return found


def most_unpacked(size: int) -> int:
    """Tell how many bytes a packed file of this size may hold at most."""
    return max(_LEAST_MOST, _RATIO * size)


def unpack_bytes(raw: BinaryIO, most: int) -> bytes:
    """Read a whole file, unpacked by what it begins with, to so many bytes at most.

    Raises
    ------
    OSError
        It unpacks to more.
    """
    packed = _find_packing(raw)
    with _open_unpacked(Path(), raw) as stream:
        if not packed:
            return stream.read()
        found = bytearray()
        broken = _read_up_to(most + 1, stream, into=found)
    if broken is not None:
        raise broken
    if len(found) > most:
        raise OSError(f"it unpacks to more than {most >> 20} MiB")
    return bytes(found)


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
        most = most_unpacked(path.stat().st_size)
        return unpack_bytes(open_regular(path), most), show_path(path)
    except (*BREAKS, ValueError) as error:
        name = show_path(path)[:200] if "\0" not in str(path) else str(path)[:200]
        raise ConfigError(f"{door}: cannot read {name!r}: {error}") from None


def is_cuttable(path: Path) -> bool:
    """Tell whether a file is lines from its first byte, and not packed."""
    if _find_suffix(path) not in (".ndjson", ".jsonl"):
        return False
    try:
        with open_regular(path) as raw:
            head = raw.read(_HEAD)
    except OSError:
        return False
    return not head.startswith((*MAGIC, *_OTHER))


def choose_block(path: Path, most: int) -> int:
    """Give bytes per block, so that all cores end together: `most`, or somewhat less.

    What is packed, or too little to share, is read in blocks of `most`.
    """
    least, cores = min(most, ENOUGH), os.cpu_count() or 1
    size = path.stat().st_size if path.exists() else 0
    if size < 2 * least or not is_cuttable(path):
        return most
    rounds = -(-size // (most * cores))
    return max(least, -(-size // (rounds * cores)))


def lines(path: Path) -> Iterator[Line | Torn]:
    """Give the documents of a dump file: a line each, or all of it where it is one.

    A line that is longer than `LONGEST` is a `Torn` with `skipped=1`.
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
    name = show_path(path)
    try:
        stream = _open_unpacked(path, raw)
    except (*BREAKS, ValueError) as error:
        yield Torn(name, None, f"cannot be read: {error}")
        return
    with stream:
        yield from _read_texts(stream, name, least, lined=_find_suffix(path) in _LINED)


_LINED: Final = (".ndjson", ".jsonl")


def _read_texts(
    stream: BinaryIO, name: str, least: int, *, lined: bool
) -> Iterator[Text | Line | Torn]:
    """Give runs of lines; or all of it, where it is one document."""
    head = bytearray()
    broken = _read_up_to(_HEAD if lined else LONGEST + 1, stream, into=head)
    if not lined and (reason := _name_other(head)):
        yield Torn(name, None, f"not read: {reason}")
    elif lined or not _is_one_document(head):
        yield from _read_lines(_Chunks(bytes(head), stream, broken), name, least)
    elif broken is not None:
        yield Torn(name, None, f"cannot be read: {broken}")
    elif len(head) > LONGEST:
        yield Torn(name, None, f"one document of {_TOO_LONG}")
    else:
        yield Line(name, None, bytes(head))


def _read_lines(chunks: _Chunks, name: str, least: int) -> Iterator[Text | Line | Torn]:
    number = offset = 0
    try:
        for body in _read_runs(chunks, least):
            if isinstance(body, int):
                number, offset = number + 1, offset + body + 1
                yield Torn(name, number, f"a line of {_TOO_LONG}", skipped=1)
                continue
            text = Text.of(body, file=name, first_line=number + 1, offset=offset)
            number, offset = number + text.height, offset + len(body) + 1
            yield from _pass_over_short(text)
    except BREAKS as error:
        yield Torn(name, number + 1, f"cannot be read on: {error}")


def _read_up_to(most: int, stream: BinaryIO, *, into: bytearray) -> Exception | None:
    """Read so many bytes; give what broke the file off, if something did.

    Unpacking readers give fewer bytes than asked for.
    """
    try:
        while len(into) < most:
            chunk = stream.read(min(_BATCH, most - len(into)))
            if not chunk:
                break
            into += chunk
    except BREAKS as error:
        return error
    return None


_WHOLE_LINE: Final = re.compile(rb"^\{[^\n]*\}[ \t\r]*$", re.MULTILINE)
_OTHER_LINE: Final = re.compile(rb"^(?!\{)[^\n]*?[^\s]", re.MULTILINE)
_TOO_LONG: Final = f"more than {LONGEST >> 20} MiB is not read; write one object a line"


def _is_one_document(head: bytes | bytearray) -> bool:
    """Tell one document, on any number of lines, from one document a line."""
    body = bytes(head.removeprefix(b"\xef\xbb\xbf").strip())
    first, line_end, _ = body.partition(b"\n")
    if len(head) > LONGEST:  # of one document the first line is not whole
        return first[:1] in (b"{", b"[") and not _WHOLE_LINE.match(first)
    if not line_end or not _WHOLE_LINE.search(body):
        return True
    if not _OTHER_LINE.search(body):
        return False
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


class _Chunks:
    """The bytes read already, then those that follow, up to where they break off."""

    def __init__(self, head: bytes, stream: BinaryIO, broken: Exception | None) -> None:
        self._head, self._stream, self.broken = head, stream, broken

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(self._head), _BATCH):
            yield self._head[at : at + _BATCH]
        try:
            while self.broken is None and (
                chunk := cast("io.BufferedReader", self._stream).read1(_BATCH)
            ):
                yield chunk
        except BREAKS as error:
            self.broken = error

    def with_long_lines(self) -> Iterator[bytes | int]:
        """Give the chunks, but of a line's end that is too long only its length."""
        tail = 0  # bytes behind the last line end
        for chunk in self:
            rest = chunk
            if tail > LONGEST:
                start = chunk.find(b"\n")
                tail += len(chunk) if start < 0 else start
                if start < 0:
                    continue
                yield tail
                rest, tail = chunk[start + 1 :], 0
            end = rest.rfind(b"\n")
            tail = len(rest) - end - 1 if end >= 0 else tail + len(rest)
            yield rest
        if tail > LONGEST:
            yield tail


def _read_runs(chunks: _Chunks, least: int) -> Iterator[bytes | int]:
    """Read runs of whole lines; those before a break are given before it is raised.

    Of a line that is too long only the number of its bytes is given.
    """
    held: list[bytes] = []
    size = 0
    for chunk in chunks.with_long_lines():
        if isinstance(chunk, int):
            before, line_end, _ = b"".join(held).rpartition(b"\n")
            if line_end:
                yield before
            yield chunk
            held, size = [], 0
            continue
        held.append(chunk)
        size += len(chunk)
        if size >= least and (end := chunk.rfind(b"\n")) >= 0:
            held[-1] = chunk[:end]
            yield b"".join(held)
            held = [chunk[end + 1 :]]
            size = len(held[0])
    rest = b"".join(held)
    if chunks.broken is not None:
        rest = rest[: rest.rfind(b"\n") + 1]
    if rest:
        yield rest.removesuffix(b"\n")
    if chunks.broken is not None:
        raise chunks.broken


_DENSE: Final = 1 << 20  # bytes of short lines that are looked at one by one
_NOT_SHORT: Final = re.compile(rb"[^\n]{%d,}" % _SHORT)


def _pass_over_short(text: Text) -> Iterator[Text | Line | Torn]:
    """Give a text as it is, but of millions of tiny lines only those not tiny."""
    size = len(text.body)
    if size < _DENSE or text.height * _SHORT < size or text.body.isspace():
        yield text
        return
    number, at, found = text.first_line, 0, 0
    for match in _NOT_SHORT.finditer(text.body):
        number, at = number + text.body.count(b"\n", at, match.start()), match.start()
        found += 1
        yield Line(text.file, number, match[0].rstrip(b"\r"))
    rest = text.height - found
    reason = f"{rest} lines, to {text.first_line + text.height - 1}, are no documents"
    yield Torn(text.file, text.first_line, reason, skipped=rest)


def gather_small(
    parts: Iterable[Text | Line | Torn],
) -> Iterator[Text | list[Line | Torn]]:
    """Gather what is too small for a block: an inbox has a file for each delivery."""
    some: list[Line | Torn] = []
    size = 0
    for part in parts:
        body = b"" if isinstance(part, Torn) else part.body
        if isinstance(part, Text) and len(body) >= SMALL:
            if some:
                yield some
            yield part
            some, size = [], 0
            continue
        some += part.lines() if isinstance(part, Text) else [part]
        size += len(body)
        if len(some) >= _TOGETHER or size >= _MOST_TOGETHER:
            yield some
            some, size = [], 0
    if some:
        yield some


def _find_suffix(path: Path) -> str:
    """Give the last suffix before that of the packing, in small letters."""
    return Path(without_packing(path.name)).suffix.lower()


def without_packing(name: str) -> str:
    """Take the suffix of the packing off a name."""
    return name[: name.rindex(".")] if name.lower().endswith(_PACKED) else name


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
