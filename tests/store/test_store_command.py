"""`holdings-kit store`: look over, copy, bring back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.testing import CliRunner

from holdings_kit.cli import app
from holdings_kit.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.store.conftest import Make

RUN = CliRunner()


def test_a_store_is_copied_spoilt_and_brought_back(tmp_path: Path, make: Make) -> None:
    store = Store(tmp_path / "store")
    store.append(make("A", 0, 3))
    checked = RUN.invoke(app, ["store", "check", str(tmp_path / "store")])
    assert (checked.exit_code, checked.output) == (
        0,
        "clean: 1 snapshot of 1 account\n",
    )
    copied = RUN.invoke(
        app, ["store", "backup", str(tmp_path / "store"), str(tmp_path / "copy")]
    )
    assert copied.exit_code == 0, copied.output
    broken = next((tmp_path / "store" / "holdings").rglob("*.parquet"))
    broken.write_bytes(b"")
    checked = RUN.invoke(app, ["store", "check", str(tmp_path / "store")])
    assert checked.exit_code == 1
    assert f"{broken}: is not whole: 0 of " in checked.output
    back = RUN.invoke(
        app, ["store", "restore", str(tmp_path / "copy"), str(tmp_path / "back")]
    )
    assert back.exit_code == 0, back.output
    assert Store(tmp_path / "back").current().holdings.height == 3


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = RUN.invoke(app, ["store", "check", str(tmp_path / "none")])
    assert done.exit_code == 1
    assert not (tmp_path / "none").exists()


def test_an_account_is_erased_and_old_snapshots_are_deleted(
    tmp_path: Path, make: Make
) -> None:
    path = str(tmp_path / "store")
    store = Store(path)
    for account in ("A", "B"):
        store.append(make(account, -900, 3))
        store.append(make(account, -800, 3))
    done = RUN.invoke(app, ["store", "erase", path, "A", "--reason", "asked for it"])
    assert done.output.startswith("erased: snapshots 2, rows 18, rejects 0, inbox")
    done = RUN.invoke(app, ["store", "retain", path, "365"])
    assert done.output == "deleted: snapshots 1, rows 9\n"
    assert store.history().snapshots["snapshot_id"].to_list() == ["B/-800/3"]
    for words in (["erase", "x", "A", "--reason", "r"], ["retain", "x", "3"]):
        assert RUN.invoke(app, ["store", *words]).exit_code == 1
