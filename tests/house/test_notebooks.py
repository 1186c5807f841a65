"""Notebooks are short, clean and ask one question each."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("[0-9]*.ipynb"))
SHORT, FEW = 18, 20
KIB_500 = 500 * 1024  # a picture is stored twice: as drawing and as pixels


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


@pytest.mark.parametrize(
    "path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}"
)
class TestNotebook:
    def test_the_title_asks_and_the_first_paragraph_answers(self, path: Path) -> None:
        first = load(path)["cells"][0]
        assert first["cell_type"] == "markdown"
        title, _, answer = source(first).partition("\n")
        assert title.startswith("# ")
        assert "?" in title
        assert len(answer.strip()) > 60

    def test_it_is_short(self, path: Path) -> None:
        code = [c for c in load(path)["cells"] if c["cell_type"] == "code"]
        assert len(code) <= FEW
        assert path.stat().st_size <= KIB_500
        for cell in code:
            assert len(source(cell).splitlines()) <= SHORT, source(cell)

    def test_its_metadata_is_clean(self, path: Path) -> None:
        notebook = load(path)
        assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}
        assert notebook["metadata"]["kernelspec"]["name"] == "python3"
        for cell in notebook["cells"]:
            assert set(cell["metadata"]) <= {"tags"}, cell["metadata"]
            assert not cell.get("execution_count")

    def test_it_installs_nothing_and_paths_nothing(self, path: Path) -> None:
        code = [source(c) for c in load(path)["cells"] if c["cell_type"] == "code"]
        text = "\n".join(code)
        assert not re.search(r"sys\.path|[!%]pip|https?://(?!127\.0\.0\.1)", text)
        exercises = path.parent.name == "training"
        assert exercises or not re.search(r"^\s*(def|class) ", text, re.MULTILINE)

    def test_stored_outputs_are_compared(self, path: Path) -> None:
        # nbval refuses outputs of a cell without a count; 0 says run, and stays 0
        for cell in load(path)["cells"]:
            assert not cell.get("outputs") or cell["execution_count"] == 0

    def test_no_cell_failed(self, path: Path) -> None:
        for cell in load(path)["cells"]:
            kinds = {output["output_type"] for output in cell.get("outputs", [])}
            assert "error" not in kinds, source(cell)
