"""`holdings-kit lab` opens copies: an edited one stays, originals never change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdings_kit.cli._lab import _copy_fresh

if TYPE_CHECKING:
    from pathlib import Path


def test_a_copy_follows_its_original_until_somebody_edits_it(tmp_path: Path) -> None:
    room, state = tmp_path / "notebooks" / "explore", tmp_path / "artefacts" / "lab"
    (room / ".ipynb_checkpoints").mkdir(parents=True)
    (tmp_path / "sample_data").mkdir()
    for name in ("edited", "calm", ".ipynb_checkpoints/calm"):
        (room / f"{name}.ipynb").write_text("first")
    (tmp_path / "sample_data" / "prices.csv").write_text("data")
    state.mkdir(parents=True)
    copies = state / "notebooks" / "explore"

    _copy_fresh(tmp_path, state)
    assert (state / "sample_data" / "prices.csv").read_text() == "data"
    assert not (copies / ".ipynb_checkpoints").exists()
    (copies / "edited.ipynb").write_text("mine")
    for name in ("edited", "calm"):
        (room / f"{name}.ipynb").write_text("second")
    _copy_fresh(tmp_path, state)
    assert (copies / "edited.ipynb").read_text() == "mine"
    assert (copies / "calm.ipynb").read_text() == "second"
    assert (room / "edited.ipynb").read_text() == "second"
