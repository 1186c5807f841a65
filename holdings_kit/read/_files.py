"""Which dump files are meant: files as given, folders searched, patterns expanded.

What is not read is named with the reason.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from glob import has_magic
from pathlib import Path
from typing import Final, NamedTuple, cast

from holdings_kit.errors import ConfigError
from holdings_kit.read._packed import (
    BREAKS,
    HEAD,
    find_suffix,
    name_other,
    open_unpacked,
    refuse_kind,
    show_path,
)
from holdings_kit.wire import Torn

_SUFFIXES: Final = (".json", ".ndjson", ".jsonl")
_UNFINISHED: Final = (  # what fetches and editors call a file before it is whole
    *(".part", ".partial", ".filepart", ".crdownload", ".download"),
    *(".tmp", ".temp", ".swp", "~"),
)
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
        raise ConfigError(f"{show_path(path)!r} {refuse_kind(path.stat())}")


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
    return "" if stat.S_ISREG(facts.st_mode) else refuse_kind(facts)


def _look_inside(path: Path) -> str:
    """Say why a file of a folder is no dump; nothing where it may be one."""
    if find_suffix(path) in _SUFFIXES:
        return ""
    if path.name.lower().endswith(_UNFINISHED):
        return "its name says that it is not finished"
    try:
        with open_unpacked(path) as stream:
            head = stream.read(HEAD)
    except (*BREAKS, ValueError) as error:
        return f"cannot be opened: {error}"
    if not head:
        return "it is empty"
    begins = (
        "" if _find_first_sign(head) in (b"{", b"[") else "it does not begin as JSON"
    )
    return name_other(head) or begins


def _find_first_sign(head: bytes) -> bytes:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
