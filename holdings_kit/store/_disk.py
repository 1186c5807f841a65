"""Files that are there after a power cut: what a name stands for was flushed before.

A file is written under another name in ``.writing``, flushed, then given its name, and
the folder that holds the name is flushed. Whoever sees a name sees a whole file. Files
are readable by their owner only. Every write of a store or an inbox to a local disk
goes through here, so that a test can replay it with the unflushed part lost.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_OWNER_FILE: Final = 0o600
_OWNER_FOLDER: Final = 0o700
_FOLDER_FLAG: Final = getattr(os, "O_DIRECTORY", 0)
_BINARY: Final = getattr(os, "O_BINARY", 0)


def new_file(path: Path, body: bytes | memoryview, *, flushed: bool = True) -> None:
    """Write a file that must not be there yet; a failure leaves nothing behind."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY
    descriptor = os.open(path, flags, _OWNER_FILE)
    try:
        try:
            rest = memoryview(body)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            if flushed:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        path.unlink()
        raise


def publish(body: bytes, target: Path, *, writing: Path) -> bool:
    """Give a whole, flushed file its name, unless the name is taken.

    Returns
    -------
    bool
        False where another writer was first: nothing was changed.
    """
    part = writing / f"{uuid4().hex}.part"
    new_file(part, body)
    try:
        target.hardlink_to(part)
    except FileExistsError:
        return False
    finally:
        part.unlink()
    flush_folder(target.parent)
    return True


def add_file(body: bytes, target: Path, *, writing: Path) -> None:
    """Put a whole, flushed file in its place; a file of that name is replaced."""
    part = writing / f"{uuid4().hex}.part"
    new_file(part, body)
    try:
        part.replace(target)
    except BaseException:
        part.unlink()
        raise
    flush_folder(target.parent)


def flush(paths: Iterable[Path], *, root: Path) -> None:
    """Flush files that were written without, and all folders on the way to `root`."""
    folders: set[Path] = set()
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY | _BINARY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        up = path.parent
        while up not in folders and up.is_relative_to(root):
            folders.add(up)
            up = up.parent
    for folder in sorted(folders, reverse=True):
        flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder outlast a power cut (POSIX; elsewhere no need)."""
    if not _FOLDER_FLAG:
        return
    descriptor = os.open(folder, os.O_RDONLY | _FOLDER_FLAG)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, so that it outlasts a power cut."""
    if folder.is_dir():
        return
    if folder != folder.parent:
        make_folder(folder.parent)
    try:
        folder.mkdir(_OWNER_FOLDER)
    except FileExistsError:  # another writer was first
        if not folder.is_dir():
            raise
    flush_folder(folder.parent)
