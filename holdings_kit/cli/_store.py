"""Commands that look after a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdings_kit.cli._terminal import say

if TYPE_CHECKING:
    from holdings_kit.store import Store

store_app = typer.Typer(
    no_args_is_help=True,
    help="Look a store over, copy it, bring a copy back.",
)


def _open_store(folder: Path) -> Store:
    """Open a store that is there; a command makes none."""
    from holdings_kit.errors import StoreError
    from holdings_kit.store import Store

    if not folder.exists():
        raise StoreError(f"{folder}: there is no store")
    return Store(folder)


_Folder = Annotated[Path, typer.Argument(help="Folder of the snapshot store.")]


@store_app.command()
def check(
    folder: _Folder,
    *,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Take broken files out, to append them again."),
    ] = False,
) -> None:
    """Open every file and count the rows of every snapshot; exit 1 on a problem."""
    from holdings_kit.display import number_of

    store = _open_store(folder)
    problems = store.check(repair=repair)
    for row in problems.iter_rows(named=True):
        what = row["file"] or row["snapshot_id"] or row["table"]
        say(f"{what}: {row['problem']}".replace("\n", " "))
    if problems.height:
        say(number_of(problems.height, "problem"))
        raise typer.Exit(1)
    held = store.snapshots()
    accounts = number_of(held["account_id"].n_unique(), "account")
    say(f"clean: {number_of(held.height, 'snapshot')} of {accounts}")


@store_app.command()
def backup(
    folder: _Folder,
    into: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
) -> None:
    """Copy a store while others append to it; the copy is whole or not there."""
    import holdings_kit as hk
    from holdings_kit.display import number_of

    held = hk.Store(folder).backup(into).snapshots()
    say(f"{number_of(held.height, 'snapshot')} copied into {into}")


@store_app.command()
def restore(
    copy: Annotated[Path, typer.Argument(help="What `backup` made.")],
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
) -> None:
    """Bring a backup back as a store in a new folder, looked over before."""
    backup(copy, folder)


@store_app.command()
def erase(
    folder: _Folder,
    account: Annotated[str, typer.Argument(help="The account's id.")],
    *,
    reason: Annotated[str, typer.Option(help="Why, in words; it is kept.")],
    inbox: Annotated[
        list[Path] | None, typer.Option(help="An inbox that may name it; repeatable.")
    ] = None,
) -> None:
    """Take an account out for good: tables, past, logs, inboxes; it stays out."""
    done = _open_store(folder).erase(account, reason=reason, inboxes=inbox or ())
    say(
        f"erased: snapshots {done.snapshots}, rows {done.rows}, rejects "
        f"{done.rejects}, inbox bodies {done.inbox_files}; not in backups"
    )


@store_app.command()
def retain(
    folder: _Folder,
    days: Annotated[int, typer.Argument(help="How long snapshots stay.")],
) -> None:
    """Delete older snapshots, but the last that counts of each account."""
    done = _open_store(folder).retain(days)
    say(f"deleted: snapshots {done.snapshots}, rows {done.rows}")
