"""Dumps of any size into a store: in blocks, side by side, in bounded memory.

A block is a run of whole lines. Blocks are read side by side (`wire._fast`, or line by
line where pyarrow is missing), written as files, and committed in the order of the
dump. A commit carries a mark for its file, how many lines it holds so far and their
CRC-32, so a scan that died goes on behind the last commit, and a file that only grew
is read from where it ended.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from holdings_kit.errors import ConfigError, readable
from holdings_kit.read import resolve
from holdings_kit.read._files import Found, Paths, find_dumps
from holdings_kit.read._texts import gather_small, map_in_order
from holdings_kit.schema import Loaded, attach_events
from holdings_kit.store._scan_blocks import (
    BLOCK,
    Block,
    Kind,
    Piece,
    Source,
    between,
)
from holdings_kit.wire import (
    Line,
    Text,
    Torn,
    _arrow as arrow,
    _dumps as dumps,
    _fast as fast,
    _gateway_facts as gateway_facts,
    _quick_lines as quick_lines,
)
from holdings_kit.wire._events import split_events
from holdings_kit.wire._signing import wrap_secrets

if TYPE_CHECKING:
    import polars as pl

    from holdings_kit.store._mapper import Mapper
    from holdings_kit.store._store import Part, Store
    from holdings_kit.wire import Secrets

_COMMIT: Final = 8  # blocks; so much is done again after a kill at worst


@readable
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
    events
        The other kinds of event in these files, by this and by earlier calls
        (`EVENTS`): orders, pending actions, imports of mutual funds.
    """

    deliveries: int
    skipped: int
    rejects: pl.DataFrame
    events: pl.DataFrame


def scan_webhooks(
    paths: Paths,
    *,
    into: Store,
    api_secret: Secrets | None = None,
    instruments: pl.DataFrame | None = None,
    progress: bool = True,
    workers: int | None = None,
    on: Mapper | None = None,
) -> Scan:
    r"""Load dumps of Gateway webhooks of any size into a store.

    The store then holds what `read_webhooks` makes of the same files, rejects and
    events included: the other kinds of event of the same URL are no rejects, they stand
    in ``events`` and in `Store.events`. A scan that was killed goes on where its last
    commit ended; the same dumps again load nothing. Memory is a few hundred MB per
    worker.

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
        Blocks worked on side by side in this process; None: the number of cores.
    on
        Other processes to do the work, such as `hk.cluster.connect`. They
        read the files themselves; one commit at the end makes everything count. An
        `api_secret` does not travel, so it is refused.

    Returns
    -------
    Scan
        Counts, what could not be read, and the events that are no holdings import.

    Raises
    ------
    ConfigError
        A path does not exist, a pattern matches nothing, or `api_secret` with `on`.
    StoreError
        The storage refused; what was committed before stays.

    Warns
    -----
    UserWarning
        pyarrow is missing, so every line is read the slow way, to the same end.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from holdings_kit.sandbox import generate
    >>> from holdings_kit.store import Store
    >>> with TemporaryDirectory() as folder:
    ...     dumps = generate(folder, accounts=3, days=2)
    ...     store = Store(f"{folder}/store")
    ...     scan_webhooks(dumps, into=store, progress=False).deliveries
    ...     scan_webhooks(dumps, into=store, progress=False).skipped
    6
    6
    """
    api_secret = None if api_secret is None else wrap_secrets(api_secret)
    if on is not None:
        if api_secret is not None:
            raise ConfigError(
                "api_secret stays in this process; to verify checksums, scan without on"
            )
        return _scan_elsewhere(paths, "webhooks", instruments, into, on)
    reader = _choose_reader("webhooks", instruments, api_secret)
    return _scan(paths, "webhooks", reader, into, progress=progress, workers=workers)


def scan_arrow(
    paths: Paths,
    *,
    into: Store,
    instruments: pl.DataFrame | None = None,
    progress: bool = True,
    workers: int | None = None,
    on: Mapper | None = None,
) -> Scan:
    """Load dumps of Arrow replies of any size into a store, as `scan_webhooks` does.

    The Arrow API has no dumps: a line is a reply with its owner and instant beside it,
    ``{"account_id": …, "snapshot_at": …, "data": [...], "status": "success"}``.

    Parameters
    ----------
    paths, into, instruments, progress, workers, on
        As for `scan_webhooks`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from holdings_kit.sandbox import generate
    >>> from holdings_kit.store import Store
    >>> with TemporaryDirectory() as folder:
    ...     dumps = generate(folder, accounts=3, days=2, wire="arrow")
    ...     store = Store(f"{folder}/store")
    ...     scan_arrow(dumps, into=store, progress=False).deliveries
    6
    """
    if on is not None:
        return _scan_elsewhere(paths, "arrow", instruments, into, on)
    reader = _choose_reader("arrow", instruments)
    return _scan(paths, "arrow", reader, into, progress=progress, workers=workers)


_Reader = Callable[[Sequence[Text | Line | Torn]], Loaded]


def _choose_reader(
    kind: Kind,
    instruments: pl.DataFrame | None,
    api_secret: Secrets | None = None,
) -> _Reader:
    """Give the function from runs of lines to frames."""
    if kind == "arrow":
        shapes, add = arrow.ARROW_SHAPE, dumps.add_arrow
    else:
        shapes = gateway_facts.webhook_shape(api_secret)
        add = dumps.webhooks(api_secret)
    quick = quick_lines.is_available()
    if not quick:
        warnings.warn(
            "pyarrow is not installed: reading line by line, several times slower; "
            "pip install 'holdings-kit[store]'",
            stacklevel=3,
        )

    def read_each(parts: Sequence[Text | Line | Torn]) -> Iterator[Loaded]:
        for part in gather_small(parts):
            if not isinstance(part, Text):
                yield dumps.read(part, add)
            elif not quick:
                yield dumps.read(part.lines(), add)
            else:
                size = len(part.body)
                runs = part.cut(-(-size // max(size // BLOCK, 1)))  # of even size
                yield from (fast.load(run, shapes, add) for run in runs)

    def read(parts: Sequence[Text | Line | Torn]) -> Loaded:
        loaded = dumps.join_parts(read_each(parts))
        if kind == "arrow":
            return resolve(loaded, instruments)
        rejects, events = split_events(loaded.rejects, api_secret=api_secret)
        loaded = resolve(loaded._replace(rejects=rejects), instruments)
        return attach_events(loaded, events)

    return read


class _Done(NamedTuple):
    part: Part
    marks: dict[str, int]


def _scan(
    paths: Paths,
    kind: Kind,
    reader: _Reader,
    into: Store,
    *,
    progress: bool,
    workers: int | None,
) -> Scan:
    if workers is not None and workers < 1:
        raise ConfigError(f"workers={workers}: at least 1 is needed")
    found = find_dumps(paths)
    into.commit([])  # makes the store
    scanned = Source(found, kind, into)
    deliveries = 0

    def work(block: Block) -> _Done:
        loaded = reader(block.parts)
        return _Done(into.write_part(loaded, look_up=False), block.marks)

    with scanned.bar(show=progress):
        for done in _group_blocks(map_in_order(work, scanned.blocks(), workers)):
            marks = _merge_marks(done)
            added = into.commit((each.part for each in done), marks=marks)
            deliveries += added.deliveries
    return _sum_up(deliveries, scanned.skipped, scanned.names, into)


class _Task:
    """Reads a piece and writes it; travels to other processes."""

    def __init__(
        self, kind: Kind, instruments: pl.DataFrame | None, into: Store
    ) -> None:
        self._kind: Kind = kind
        self._instruments, self._into = instruments, into

    def __call__(self, piece: Piece) -> tuple[list[_Done], int]:
        reader = _choose_reader(self._kind, self._instruments)
        source = Source(Found(piece.paths, []), self._kind, self._into)
        if piece.part is not None:
            blocks = iter([Block([piece.part], piece.marks)])
        elif piece.size is None:
            blocks = source.blocks()
        else:
            blocks = iter([Block([between(piece)], piece.marks)])
        done = [
            _Done(self._into.write_part(reader(b.parts), look_up=False), b.marks)
            for b in blocks
        ]
        return done, source.skipped


def _scan_elsewhere(
    paths: Paths, kind: Kind, instruments: pl.DataFrame | None, into: Store, on: Mapper
) -> Scan:
    """Let others read the pieces of the files, and commit what they wrote, once."""
    found = find_dumps(paths)
    into.commit([])  # makes the store
    scanned = Source(found, kind, into)
    results = on.map(_Task(kind, instruments, into), list(scanned.pieces()))
    done = [each for part, _ in results for each in part]
    added = into.commit((each.part for each in done), marks=_merge_marks(done))
    skipped = scanned.skipped + sum(count for _, count in results)
    return _sum_up(added.deliveries, skipped, scanned.names, into)


def _sum_up(deliveries: int, skipped: int, files: list[str], into: Store) -> Scan:
    """Tell what was done, beside what the store set aside of these files."""
    rejects, events = into.rejects(files=files), into.events(files=files)
    return Scan(deliveries, skipped, rejects, events)


def _merge_marks(done: Sequence[_Done]) -> dict[str, int]:
    """Give each file its last mark."""
    return {name: mark for each in done for name, mark in each.marks.items()}


def _group_blocks(done: Iterator[_Done]) -> Iterator[list[_Done]]:
    """Put a few blocks into one commit."""
    while group := list(islice(done, _COMMIT)):
        yield group
