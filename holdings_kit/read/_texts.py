"""Dump files to numbered lines of bytes, many at a time.

A file that breaks off gives the lines before the break and then a `Torn` that says
where. A line longer than `LONGEST` is passed over and named.
"""

from __future__ import annotations

import json
import os
import re
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar, cast

from holdings_kit.read._packed import (
    BATCH,
    BREAKS,
    HEAD,
    LINED,
    find_suffix,
    is_cuttable,
    name_other,
    open_unpacked,
    read_up_to,
    show_path,
)
from holdings_kit.wire import Line, Text, Torn

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


LONGEST: Final = 32 << 20
"""Bytes of one line or document: some 60,000 holdings. A longer one is not read."""
SMALL: Final = 16 << 10
"""Bytes of lines below which it does not pay to read them as a block of their own."""
ENOUGH: Final = 4 << 20
"""Bytes of lines that are worth a block: what it costs at least is some 2 MB's work."""
_TOGETHER: Final = 500  # lines that are read one by one into the same frames
_MOST_TOGETHER: Final = 8 << 20  # and their bytes
_SHORT: Final = 8  # bytes: no line that is shorter is a document
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


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
    for part in texts(path, BATCH):
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
        stream = open_unpacked(path, raw)
    except (*BREAKS, ValueError) as error:
        yield Torn(name, None, f"cannot be read: {error}")
        return
    with stream:
        yield from _read_texts(stream, name, least, lined=find_suffix(path) in LINED)


def _read_texts(
    stream: BinaryIO, name: str, least: int, *, lined: bool
) -> Iterator[Text | Line | Torn]:
    """Give runs of lines; or all of it, where it is one document."""
    head = bytearray()
    broken = read_up_to(HEAD if lined else LONGEST + 1, stream, into=head)
    if not lined and (reason := name_other(head)):
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
        for at in range(0, len(self._head), BATCH):
            yield self._head[at : at + BATCH]
        try:
            while self.broken is None and (
                chunk := cast("io.BufferedReader", self._stream).read1(BATCH)
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
