"""Dumps of any size into a store: in blocks, side by side, in bounded memory.

A block is a run of whole lines. Blocks are read side by side (`wire.fast`, or line by
line where pyarrow is missing), written as files, and committed in the order of the
dump. A commit carries a mark for its file, how many lines it holds so far and their
CRC-32, so a scan that died goes on behind the last commit, and a file that only grew
is read from where it ended.
"""

from __future__ import annotations

import warnings
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from os import cpu_count
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from holdings_kit.errors import ConfigError
from holdings_kit.instruments import resolve
from holdings_kit.schema import Loaded
from holdings_kit.wire import arrow_json, dumps, fast, fast_arrow, fast_gateway
from holdings_kit.wire.files import Line, Paths, Torn, lines, paths_of

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from holdings_kit.store import Part, Store
    from holdings_kit.wire.signing import Secret

__all__ = ["Scan", "scan_arrow", "scan_webhooks"]

_BLOCK: Final = 32 << 20  # bytes
_COMMIT: Final = 8  # blocks; so much is done again after a kill at worst


class Scan(NamedTuple):
    """What a scan did.

    Attributes
    ----------
    deliveries
        Lines that became a snapshot, in this call.
    skipped
        Lines an earlier call had committed.
    rejects
        What could not be read in these files, by this and by earlier calls (`REJECTS`).
    """

    deliveries: int
    skipped: int
    rejects: pl.DataFrame


def scan_webhooks(
    paths: Paths,
    *,
    into: Store,
    api_secret: str | Secret | None = None,
    instruments: pl.DataFrame | None = None,
    progress: bool = True,
    workers: int | None = None,
) -> Scan:
    r"""Load dumps of Gateway webhooks of any size into a store.

    The store then holds what `read_webhooks` makes of the same files, rejects
    included. A scan that was killed goes on where its last commit ended; the same
    dumps again load nothing. Memory is a few hundred MB per worker.

    Parameters
    ----------
    paths
        Files (.json, .ndjson, .jsonl, each also .gz and .zst), folders, globs, or a
        list of these. A file is known by its path as given here.
    into
        The store. Some 4 buckets per GB of dumps read well.
    api_secret, instruments
        As for `read_webhooks`.
    progress
        Show a bar in bytes where standard error is a terminal (needs tqdm).
    workers
        Blocks worked on side by side; None: the number of cores.

    Returns
    -------
    Scan
        Counts, and all that could not be read.

    Raises
    ------
    ConfigError
        A path does not exist, or a pattern matches nothing.
    StoreError
        The storage refused; what was committed before stays.

    Warns
    -----
    UserWarning
        pyarrow is missing, so every line is read the slow way, to the same end.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from holdings_kit.generate import generate
    >>> from holdings_kit.store import Store
    >>> with TemporaryDirectory() as folder:
    ...     dumps = generate(folder, accounts=3, days=2)
    ...     store = Store(f"{folder}/store")
    ...     scan_webhooks(dumps, into=store, progress=False).deliveries
    ...     scan_webhooks(dumps, into=store, progress=False).skipped
    6
    6
    """
    shapes = fast_gateway.webhook_shapes(api_secret)
    reader = _reader(shapes, dumps.webhooks(api_secret), instruments)
    return _scan(paths, "webhooks", reader, into, progress=progress, workers=workers)


def scan_arrow(
    paths: Paths,
    *,
    into: Store,
    instruments: pl.DataFrame | None = None,
    progress: bool = True,
    workers: int | None = None,
) -> Scan:
    """Load dumps of Arrow replies of any size into a store, as `scan_webhooks` does.

    The Arrow API has no dumps: a line is a reply with its owner and instant beside it,
    ``{"account_id": …, "snapshot_at": …, "data": [...], "status": "success"}``.

    Parameters
    ----------
    paths, into, instruments, progress, workers
        As for `scan_webhooks`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from holdings_kit.generate import generate
    >>> from holdings_kit.store import Store
    >>> with TemporaryDirectory() as folder:
    ...     dumps = generate(folder, accounts=3, days=2, wire="arrow")
    ...     store = Store(f"{folder}/store")
    ...     scan_arrow(dumps, into=store, progress=False).deliveries
    6
    """
    reader = _reader(fast_arrow.ARROW_SHAPES, dumps.add_arrow, instruments)
    return _scan(paths, "arrow", reader, into, progress=progress, workers=workers)


_Reader = Callable[[list[Line | Torn]], Loaded]


def _reader(
    shapes: fast.Shapes, add: dumps.Add, instruments: pl.DataFrame | None
) -> _Reader:
    """Give the function from a run of lines to frames."""
    quick = arrow_json.available()
    if not quick:
        warnings.warn(
            "pyarrow is not installed: reading line by line, several times slower; "
            "pip install 'holdings-kit[fast]'",
            stacklevel=3,
        )

    def read(found: list[Line | Torn]) -> Loaded:
        if not quick:
            return resolve(dumps.read(found, add), instruments)
        torn = [line for line in found if isinstance(line, Torn)]
        whole = [line for line in found if isinstance(line, Line)]
        parts = [fast.load(run, shapes, add) for run in _runs(whole)]
        return resolve(dumps.joined([*parts, dumps.read(torn, add)]), instruments)

    return read


def _runs(found: list[Line]) -> Iterator[list[Line]]:
    """Cut lines into runs of about a block."""
    run: list[Line] = []
    size = 0
    for line in found:
        run.append(line)
        size += len(line.body)
        if size >= _BLOCK:
            yield run
            run, size = [], 0
    if run:
        yield run


class _Block(NamedTuple):
    """A run of lines of one file, and the mark the file gets with it."""

    lines: list[Line | Torn]
    mark: tuple[str, int]


class _Done(NamedTuple):
    part: Part
    mark: tuple[str, int]


def _scan(
    paths: Paths,
    kind: str,
    reader: _Reader,
    into: Store,
    *,
    progress: bool,
    workers: int | None,
) -> Scan:
    if workers is not None and workers < 1:
        raise ConfigError(f"workers={workers}: at least 1 is needed")
    files = paths_of(paths)
    into.commit([])  # makes the store
    scanned = _Source(files, kind, into)
    deliveries = 0

    def work(block: _Block) -> _Done:
        loaded = reader(block.lines)
        return _Done(into.write_part(loaded, look_up=False), block.mark)

    with scanned.bar(show=progress):
        for done in _grouped(_side_by_side(work, scanned.blocks(), workers)):
            marks = dict(each.mark for each in done)
            added = into.commit((each.part for each in done), marks=marks)
            deliveries += added.deliveries
    names = [str(path) for path in files]
    return Scan(deliveries, scanned.skipped, into.rejects(files=names))


def _block_size(buckets: int) -> int:
    """Give bytes per block: many buckets need more, or their files become small."""
    return min(max(_BLOCK, buckets * (2 << 20)), 8 * _BLOCK)


class _Source:
    """The files of a scan as blocks, those parts left out that are committed."""

    def __init__(self, files: list[Path], kind: str, into: Store) -> None:
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

    def blocks(self) -> Iterator[_Block]:
        for path in self._files:
            name = f"holdings_kit scan {self._kind} {path}"
            yield from self._of(path, name, self._into.mark(name) or 0)

    def _of(self, path: Path, name: str, mark: int) -> Iterator[_Block]:
        raw = path.open("rb")
        found = lines(path, raw=raw)
        count, crc = _skip(found, mark)
        if mark and _mark(count, crc) != mark:  # another file of the same name
            raw.close()
            raw = path.open("rb")
            found, count, crc = lines(path, raw=raw), 0, 0
        self.skipped += count
        block: list[Line | Torn] = []
        size = at = 0
        for line in found:
            block.append(line)
            if isinstance(line, Torn):
                continue
            count, crc = count + 1, zlib.crc32(line.body, crc)
            size += len(line.body)
            if size >= self._size:
                yield _Block(block, (name, _mark(count, crc)))
                block, size = [], 0
                at = self._tell(at, raw.tell())
        if block:
            yield _Block(block, (name, _mark(count, crc)))
        raw.close()
        self._tell(at, path.stat().st_size)

    def _tell(self, before: int, now: int) -> int:
        if self._bar is not None:
            self._bar.update(now - before)
        return now


class _Bar(Protocol):
    """The one call of a progress bar in use."""

    def update(self, n: int) -> object: ...


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


def _side_by_side(
    work: Callable[[_Block], _Done], blocks: Iterator[_Block], workers: int | None
) -> Iterator[_Done]:
    """Work on a few blocks at a time; give the results in the order of the blocks."""
    count = workers or cpu_count() or 1
    with ThreadPoolExecutor(count) as pool:
        running: deque[Future[_Done]] = deque()
        for block in blocks:
            running.append(pool.submit(work, block))
            if len(running) > count:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _grouped(done: Iterator[_Done]) -> Iterator[list[_Done]]:
    """Put a few blocks into one commit."""
    while group := list(islice(done, _COMMIT)):
        yield group
