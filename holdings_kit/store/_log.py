"""Commit to a Delta log in a folder, so that a power cut loses no commit.

A log entry gets its number only when its bytes, the files it names and the entry before
it are flushed. deltalake's own commits flush nothing, so on a local disk entries are
written here, in the form of the Delta protocol (github.com/delta-io/delta,
PROTOCOL.md). deltalake reads them, and makes new tables, new columns and checkpoints in
a copy from which they are taken over.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from holdings_kit.errors import StoreError
from holdings_kit.store._disk import add_file, flush_folder, make_folder, publish

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WRITING: Final = ".writing"  # beside the tables: what has no name yet
_ENTRY: Final = re.compile(r"(\d{20})\.json")
_CHECKPOINT: Final = re.compile(r"(\d{20})\.checkpoint.*\.parquet")
_CHECKPOINT_EVERY: Final = 100  # entries; reading a table opens no more of them
_RETRIES: Final = 1000  # of a number that another writer took

Action = dict[str, Any]


def commit(
    table: Path,
    actions: Sequence[Action],
    *,
    operation: str = "WRITE",
    still_true: Callable[[], bool] | None = None,
) -> int:
    """Add one entry to the log of a table; gives its number.

    Parameters
    ----------
    table
        The folder of the table.
    actions
        What the entry says, beside who wrote it and when.
    operation
        For the history of the table.
    still_true
        Asked before each attempt: may the entry still be written?

    Raises
    ------
    StoreError
        The answer of `still_true` was no, or other writers were always quicker.
    OSError
        The disk refused: nothing was committed.
    """
    log, writing = table / "_delta_log", table.parent / WRITING
    make_folder(writing)
    for _ in range(_RETRIES):
        if still_true is not None and not still_true():
            raise StoreError(f"{table}: changed meanwhile; nothing was done, try again")
        info = {
            "timestamp": time.time_ns() // 1_000_000,
            "operation": operation,
            "operationParameters": {"mode": "Append"},
        }
        lines = [{"commitInfo": info}, *actions]
        body = "\n".join(json.dumps(line) for line in lines).encode()
        number = _find_latest(log) + 1
        flush_folder(log)  # or a power cut could keep this entry and lose the last
        if publish(body, log / f"{number:020}.json", writing=writing):
            if number % _CHECKPOINT_EVERY == 0:
                with suppress(DeltaError, OSError):  # the entry counts without it
                    _write_checkpoint(table)
            return number
    raise StoreError(f"{table}: cannot commit: other writers were always quicker")


def make_table(table: Path, create: Callable[[str], object]) -> None:
    """Make a table as `create` makes it elsewhere; harmless when two do it at once."""
    first = f"{0:020}.json"
    if (table / "_delta_log" / first).exists():
        return
    with TemporaryDirectory() as folder:
        create(folder)
        body = (Path(folder) / "_delta_log" / first).read_bytes()
    make_folder(table / "_delta_log")
    make_folder(table.parent / WRITING)
    publish(body, table / "_delta_log" / first, writing=table.parent / WRITING)


def evolve(table: Path, change: Callable[[str], object]) -> None:
    """Change the description of a table as `change` changes that of a copy."""
    before = _find_latest(table / "_delta_log")
    with TemporaryDirectory() as folder:
        copied = _copy_log(table, Path(folder))
        change(folder)
        for number in range(before + 1, _find_latest(copied) + 1):
            body = (copied / f"{number:020}.json").read_bytes()
            target = table / "_delta_log" / f"{number:020}.json"
            make_folder(table.parent / WRITING)
            if not publish(body, target, writing=table.parent / WRITING):
                raise StoreError(f"{table}: changed meanwhile; try again")


def entries(table: Path) -> list[Path]:
    """List the files of a log, checkpoints among them."""
    log = table / "_delta_log"
    return sorted(log.iterdir()) if log.is_dir() else []


def sum_up(table: Path) -> None:
    """Write a checkpoint of the log as it is now, in place of all there are."""
    before = [path for path in entries(table) if _CHECKPOINT.fullmatch(path.name)]
    if not before:
        return
    latest = _find_latest(table / "_delta_log")
    _write_checkpoint(table)
    for path in before:
        if int(path.name[:20]) != latest:
            path.unlink(missing_ok=True)
    flush_folder(table / "_delta_log")


def _find_latest(log: Path) -> int:
    found = (
        _ENTRY.fullmatch(name) or _CHECKPOINT.fullmatch(name)
        for name in map(attrgetter("name"), log.iterdir())
    )
    return max((int(match[1]) for match in found if match), default=-1)


def _copy_log(table: Path, folder: Path) -> Path:
    """Copy what is needed to read a log: the last checkpoint and what follows it."""
    log, copied = table / "_delta_log", folder / "_delta_log"
    copied.mkdir()
    found = {path: _CHECKPOINT.fullmatch(path.name) for path in log.iterdir()}
    numbers = [int(match[1]) for match in found.values() if match]
    start = max(numbers, default=-1)
    for path, checkpoint in found.items():
        entry = _ENTRY.fullmatch(path.name)
        number = checkpoint or entry
        if path.name == "_last_checkpoint" or (number and int(number[1]) >= start):
            (copied / path.name).write_bytes(path.read_bytes())
    return copied


def _write_checkpoint(table: Path) -> None:
    """Let deltalake sum the log up, and take that over once it is flushed."""
    log, writing = table / "_delta_log", table.parent / WRITING
    with TemporaryDirectory() as folder:
        copied = _copy_log(table, Path(folder))
        before = {path.name for path in copied.iterdir()}
        before.discard(f"{_find_latest(log):020}.checkpoint.parquet")
        DeltaTable(folder).create_checkpoint()
        for path in sorted(copied.iterdir()):
            if path.name not in before and path.name != "_last_checkpoint":
                add_file(path.read_bytes(), log / path.name, writing=writing)
        pointer = (copied / "_last_checkpoint").read_bytes()
        add_file(pointer, log / "_last_checkpoint", writing=writing)
