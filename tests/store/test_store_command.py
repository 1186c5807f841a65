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
