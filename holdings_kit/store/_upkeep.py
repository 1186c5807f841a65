"""Look a store over, and copy it whole while others append to it."""

from __future__ import annotations

import os
import re
import shutil
import time
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import polars as pl

from holdings_kit.errors import StoreError
from holdings_kit.store._disk import flush, flush_folder, make_folder, new_file
from holdings_kit.store._files import COMMIT_ORDER
from holdings_kit.store._log import WRITING
from holdings_kit.store._tables import Tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROBLEMS: Final = pl.Schema(
    {
        "table": pl.String(),
        "file": pl.String(),
        "snapshot_id": pl.String(),
        "account_id": pl.String(),
        "problem": pl.String(),
    }
)
_NUMBER: Final = re.compile(r"(\d{20})\.")


def broken_files(tables: Tables) -> pl.DataFrame:
    """List tables that cannot be opened and files that are not whole (`PROBLEMS`)."""
    found: list[dict[str, str]] = []
    for table in COMMIT_ORDER:
        try:
            if tables.open(table) is None:
                found.append({"table": table, "problem": "is not there"})
        except StoreError as error:
            found.append({"table": table, "problem": str(error)})
    if not found:
        found += [
            {"table": table, "file": file, "problem": why}
            for table, file, why in tables.find_broken(count=True)
        ]
    rows = [{name: row.get(name) for name in PROBLEMS} for row in found]
    return pl.DataFrame(rows, schema=PROBLEMS)


def drop_broken(tables: Tables, broken: pl.DataFrame) -> None:
    """Take files that are not whole out of their tables; what is left can be read."""
    for (table,), part in broken.drop_nulls("file").group_by("table"):
        files = tables.files(str(table))
        prefix = f"{tables.uri(str(table))}/"
        names = part["file"].str.strip_prefix(prefix)
        gone = files.filter(pl.col("path").is_in(names.implode()))
        tables.replace(str(table), gone, [], operation="REPAIR")


def copy_tables(source: Path, target: Path) -> Path:
    """Copy a store as it is now into a folder beside `target`, flushed.

    The log of the snapshots is copied first: every row that they count was committed
    before. Appends may go on.
    """
    part = name_part(target)
    make_folder(part)
    try:
        for table in reversed(COMMIT_ORDER):
            for path in _list_files(source / table):
                copied = part / path.relative_to(source)
                make_folder(copied.parent)
                try:
                    new_file(copied, path.read_bytes(), flushed=False)
                except FileNotFoundError:  # swept meanwhile, so not in use
                    continue
                found = path.stat()
                os.utime(copied, ns=(found.st_atime_ns, found.st_mtime_ns))
        copy_erased(Tables(str(source), None), part)
        flush((path for path in part.rglob("*") if path.is_file()), root=part)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return part


def copy_erased(tables: Tables, folder: Path) -> None:
    """Copy the list of the erased, so that they stay out of a copy too."""
    listed = None if tables.folder is None else tables.folder / "erased.json"
    if listed is not None and listed.exists():
        new_file(folder / "erased.json", listed.read_bytes())


def sweep(root: Path, *, hours: int) -> int:
    """Delete what killed writers left without a name so many hours ago."""
    oldest = time.time() - hours * 3600
    left = [*(root / WRITING).glob("*.part")]
    left = [path for path in left if path.stat().st_mtime <= oldest]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def name_part(target: Path) -> Path:
    """Name a folder beside another, for a copy until it is whole."""
    return target.with_name(f".{target.name}.{uuid4().hex}.partial")


def give_name(part: Path, target: Path) -> None:
    """Give a copy its name; there is a whole one or none.

    What killed calls left beside it goes: none of them can get the name any more.
    """
    part.rename(target)  # refused where something is there, unless an empty folder
    flush_folder(target.parent)
    for path in target.parent.iterdir():
        if path.name.startswith(f".{target.name}.") and path.suffix == ".partial":
            shutil.rmtree(path, ignore_errors=True)


def _list_files(table: Path) -> Iterator[Path]:
    """List the log as it is now, then the files of the table."""
    log = sorted((table / "_delta_log").iterdir())
    # without `_last_checkpoint`, which may point beyond; a log is read without it
    yield from (path for path in log if _NUMBER.match(path.name))
    files = (
        path for path in table.rglob("*.parquet") if path.parent.name != "_delta_log"
    )
    yield from sorted(files)
