"""Each notebook that shows a widget runs in a real browser, and is legible to all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

ROOT = Path(__file__).parents[2]
FAILED = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
  return [...Array(cells.length).keys()].flatMap((i) =>
    (cells.get(i).toJSON().outputs ?? []).filter((o) => o.output_type === 'error')
      .map((o) => `cell ${i}: ${o.ename}: ${o.evalue}`));
}"""


def with_widgets() -> list[str]:
    found = []
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        code = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        if "from widgets import" in code and ".ipynb_checkpoints" not in path.parts:
            found.append(str(path.relative_to(ROOT)))
    return found


def test_there_are_notebooks_with_widgets() -> None:
    assert len(with_widgets()) >= 5


@pytest.mark.parametrize("path", with_widgets())
def test_a_notebook_runs_and_its_widgets_are_accessible(
    path: str, lab: Any, shoot: Any, axe: Any
) -> None:
    page = lab.open(path)
    assert page.evaluate(FAILED) == []
    ours = page.locator(".hk-tool, .hk-table")
    expect(ours.first).to_be_visible(timeout=30_000)
    shoot(page, path.replace("/", "-").removesuffix(".ipynb"))
    assert axe(page, ".hk-tool, .hk-table") == []
    assert lab.foreign == []
