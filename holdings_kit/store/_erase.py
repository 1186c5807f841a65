"""Take rows out of a store for good: out of its files, its past and its logs."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote

import polars as pl

from holdings_kit.errors import StoreError, readable
from holdings_kit.store._disk import add_file, flush_folder, make_folder
from holdings_kit.store._files import COMMIT_ORDER, rewrite
from holdings_kit.store._log import WRITING, entries, sum_up
from holdings_kit.store._tables import PARTITION, TABLES, TORN, Tables

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime
    from pathlib import Path

_PACKED: Final = b"PAR1"  # how a parquet file begins


@readable
class Erased(NamedTuple):
    """What an erasure took away.

    Attributes
    ----------
    snapshots, rows, rejects
        Deliveries; holdings, listings and basket rows; lines that could not be read,
        and events that are no holdings import.
    files
        Files of the store that were written anew or deleted.
    inbox_files
        Bodies deleted from the inboxes.
    """

    snapshots: int
    rows: int
    rejects: int
    files: int
    inbox_files: int = 0


class ErasedList:
    """The accounts that must not come back, as keyed hashes, in the store's folder.

    Without the key, which lies beside them, nobody can tell whose they are; who has the
    store can only ask about an id that he knows already.
    """

    def __init__(self, root: Path) -> None:
        self._path, self._root = root / "erased.json", root
        try:
            found: dict[str, Any] = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            found = {"key": secrets.token_hex(32), "erased": []}
        except (OSError, ValueError) as error:
            raise _refuse_list(self._path, str(error)) from None
        try:
            self._key = bytes.fromhex(found["key"])
            self._log: list[dict[str, Any]] = found["erased"]
            self._hashes = {entry["account"] for entry in self._log}
        except (AttributeError, KeyError, TypeError, ValueError):
            raise _refuse_list(self._path, "it lacks what `erase` writes") from None

    def __len__(self) -> int:
        return len(self._log)

    @property
    def last_ms(self) -> int:
        """When the last one was erased, in milliseconds since 1970."""
        return max((entry["erased_ms"] for entry in self._log), default=0)

    def add(self, account_id: str, *, reason: str, at: datetime) -> None:
        """Note an account, before anything of it is taken away."""
        entry = {
            "account": self._hash(account_id),
            "reason": reason,
            "erased_at": at.isoformat(),
            "erased_ms": int(at.timestamp() * 1000),
        }
        self._log.append(entry)
        body = json.dumps({"key": self._key.hex(), "erased": self._log}).encode()
        make_folder(self._root / WRITING)
        add_file(body, self._path, writing=self._root / WRITING)

    def named_in(self, account_ids: pl.Series) -> list[str]:
        """Tell which of some accounts were erased."""
        if not self._hashes:
            return []
        names = account_ids.drop_nulls().unique().to_list()
        return [name for name in names if self._hash(name) in self._hashes]

    def _hash(self, account_id: str) -> str:
        return hmac.new(self._key, account_id.encode(), hashlib.sha256).hexdigest()


def _refuse_list(path: Path, why: str) -> StoreError:
    return StoreError(
        f"{path}: the list of erased accounts cannot be read: {why}; without it they "
        "could come back: take it from a backup"
    )


def remove_rows(
    tables: Tables,
    gone: Mapping[str, pl.Expr],
    *,
    buckets: Collection[int] | None,
    mention: bytes | None = None,
) -> tuple[dict[str, int], int]:
    """Take rows out of the tables of a folder and delete every file that had them.

    Parameters
    ----------
    gone
        For each table, which of its rows go; null is no.
    buckets
        Look only there; None: everywhere.
    mention
        Also take these bytes out of the logs.

    Returns
    -------
    tuple
        Rows that went, by table; and the number of files.
    """
    folder = tables.folder
    if folder is None:
        raise StoreError(
            f"{tables!r}: rows are erased from a store in a folder; copy it there with "
            "rebucket, erase, and copy it back to a new place"
        )
    counts, touched = dict.fromkeys(TABLES, 0), 0
    # snapshots first: rows of none count, a snapshot without its rows would be odd
    for table in reversed(COMMIT_ORDER):
        expression = gone.get(table)
        if expression is None:
            continue
        goes = expression.fill_null(value=False)
        files = tables.files(table)
        if buckets is not None and "bucket" in files.columns:
            files = files.filter(pl.col("bucket").is_in(list(buckets)))
        keys = [key for key in PARTITION if key in files.columns]
        for part in files.partition_by([*keys, "path"]):
            rows = tables.scan_files(table, part["path"].to_list())
            found = rows.select(goes.sum()).collect().item() or 0
            if found:
                rewrite(tables, table, part, keep=~goes, operation="DELETE")
                counts[table] += found
        touched += _delete_unused(tables, table, goes)
        _remove_from_log(folder / table, mention)
    if mention is not None:
        touched += _delete_torn(folder / WRITING, mention)
    return counts, touched


def erase_bodies(inbox: Path, account_id: str) -> int:
    """Delete every file of an inbox that names an account; gives how many."""
    if not inbox.is_dir():
        raise StoreError(f"{inbox}: there is no inbox; name its folder")
    named = json.dumps(account_id)[1:-1].encode()
    bodies = [path for path in inbox.rglob("*") if path.is_file()]
    digests: set[str] = set()
    naming: set[Path] = set()
    for path in bodies:
        body = path.read_bytes()
        if named in body or account_id.encode() in body:
            digests.add(path.stem)
            naming.add(path)
    beside = {path for path in bodies if path.stem in digests} - naming  # the reason
    notes = [path for path in inbox.rglob("*") if path.is_symlink()]
    beside |= {path for path in notes if path.name in digests}
    # what names it last: cut short, the next call still finds what belongs to it
    for deleted in (beside, naming):
        for path in deleted:
            path.unlink(missing_ok=True)
        for parent in {path.parent for path in deleted}:
            flush_folder(parent)
    return len(digests)


def _delete_unused(tables: Tables, table: str, goes: pl.Expr) -> int:
    """Delete files that are in use no more: removed by the log, or with such rows."""
    folder = tables.root_folder / table
    used = set(tables.files(table)["path"])
    removed = _list_removed(folder)
    deleted: set[Path] = set()
    for path in folder.rglob("*.parquet"):
        name = path.relative_to(folder).as_posix()
        if path.parent.name == "_delta_log" or name in used:
            continue
        try:
            rows = tables.scan_files(table, [name])
            holds = name in removed or rows.select(goes.any()).collect().item()
        except TORN:
            holds = True  # not whole, and in use nowhere
        if holds:
            path.unlink(missing_ok=True)
            deleted.add(path)
    for parent in {path.parent for path in deleted}:
        flush_folder(parent)
    return len(deleted)


def _delete_torn(writing: Path, mention: bytes) -> int:
    """Delete what killed writers left without a name, if it may name an account."""
    deleted: list[Path] = []
    for path in writing.glob("*.part"):
        body = path.read_bytes()
        if mention in body or body.startswith(_PACKED):  # a checkpoint; made again
            path.unlink(missing_ok=True)
            deleted.append(path)
    if deleted:
        flush_folder(writing)
    return len(deleted)


def _list_removed(folder: Path) -> set[str]:
    """List the files that entries of the log took out of the table."""
    found: set[str] = set()
    for path in entries(folder):
        if path.suffix == ".json":
            for line in path.read_bytes().splitlines():
                action = json.loads(line)
                if "remove" in action:
                    found.add(unquote(action["remove"]["path"]))
    return found


def _remove_from_log(folder: Path, mention: bytes | None) -> None:
    """Take statistics that name an account out of the log, and sum it up anew."""
    if mention is None:
        return
    writing = folder.parent / WRITING
    for path in entries(folder):
        if path.suffix != ".json":
            continue
        body = path.read_bytes()
        if mention in body:
            actions = [json.loads(line) for line in body.splitlines()]
            for action in actions:
                if "add" in action:
                    stats = json.loads(action["add"].get("stats") or "{}")
                    rows = {"numRecords": stats.get("numRecords")}
                    action["add"]["stats"] = json.dumps(rows)
            add_file(
                "\n".join(map(json.dumps, actions)).encode(), path, writing=writing
            )
    sum_up(folder)
