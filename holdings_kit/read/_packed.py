"""A file's bytes, unpacked by what it begins with; its name only helps.

However small a file is that unpacks to very much, memory stays bounded.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import zlib
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import zstandard

from holdings_kit.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LINED: Final = (".ndjson", ".jsonl")
"""Suffixes of files that are a document a line."""
_PACKED: Final = (".gz", ".zst", ".bz2", ".xz")
BATCH: Final = 1 << 18  # bytes read at a time
_CHUNK: Final = 1 << 12  # packed bytes unpacked at a time: zstd makes 32,000 of one
_WINDOW: Final = 256 << 20  # memory that an xz file may ask for
HEAD: Final = 1 << 12  # bytes that tell what a file is
_RATIO: Final = 100  # no table or payload is packed to less than a fiftieth
_LEAST_MOST: Final = 64 << 20  # a small file may be packed better
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


def refuse_kind(facts: os.stat_result) -> str:
    kind = _KINDS.get(stat.S_IFMT(facts.st_mode), "no regular file")
    return f"is {kind}: write what it gives to a file, and pass that"


def name_other(head: bytes | bytearray) -> str:
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
    raise OSError(refuse_kind(facts))


def _find_packing(raw: BinaryIO) -> str:
    """Tell by its first bytes how a file is packed; its position stays."""
    at = raw.tell()
    head = raw.read(max(map(len, MAGIC)))
    raw.seek(at)
    return next((kind for sign, kind in MAGIC.items() if head.startswith(sign)), "")


def open_unpacked(path: Path, raw: BinaryIO | None = None) -> BinaryIO:
    """Open a file for reading, unpacked by what it begins with."""
    raw = raw or open_regular(path)
    match _find_packing(raw):
        case ".gz":
            unpacked: object = _Gzip(raw)
        case ".bz2":
            unpacked = _Bzip(raw)
        case ".xz":
            unpacked = io.BufferedReader(_Xz(raw), BATCH)
        case ".zst":
            unpacked = io.BufferedReader(_Zstd(raw), BATCH)
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
                self._rest = self._rest.lstrip(b"\x00") or self._packed.read(BATCH)
                if not self._rest.lstrip(b"\x00"):  # streams may be padded
                    return b""
                self._stream = lzma.LZMADecompressor(memlimit=_WINDOW)
            packed = self._rest
            if not packed and self._stream.needs_input:
                packed = self._packed.read(BATCH)
                if not packed:
                    raise EOFError(_BROKEN_OFF)
            found = self._stream.decompress(packed, most)
            self._rest = b""
            if self._stream.eof:
                self._rest, self._stream = self._stream.unused_data, None
            if found:
                return found


def is_cuttable(path: Path) -> bool:
    """Tell whether a file is lines from its first byte, and not packed."""
    if find_suffix(path) not in LINED:
        return False
    try:
        with open_regular(path) as raw:
            head = raw.read(HEAD)
    except OSError:
        return False
    return not head.startswith((*MAGIC, *_OTHER))


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
    with open_unpacked(Path(), raw) as stream:
        if not packed:
            return stream.read()
        found = bytearray()
        broken = read_up_to(most + 1, stream, into=found)
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


def read_up_to(most: int, stream: BinaryIO, *, into: bytearray) -> Exception | None:
    """Read so many bytes; give what broke the file off, if something did.

    Unpacking readers give fewer bytes than asked for.
    """
    try:
        while len(into) < most:
            chunk = stream.read(min(BATCH, most - len(into)))
            if not chunk:
                break
            into += chunk
    except BREAKS as error:
        return error
    return None


def find_suffix(path: Path) -> str:
    """Give the last suffix before that of the packing, in small letters."""
    return Path(without_packing(path.name)).suffix.lower()


def without_packing(name: str) -> str:
    """Take the suffix of the packing off a name."""
    return name[: name.rindex(".")] if name.lower().endswith(_PACKED) else name
