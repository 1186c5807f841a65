"""Notebooks are short, clean and ask one question each."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("[0-9]*.ipynb"))
OPENED = [path for path in NOTEBOOKS if path.parent.name != "training"]
LESSONS = [path for path in NOTEBOOKS if path.parent.name == "training"]
SHORT, FEW = 18, 20
KIB_500 = 500 * 1024  # a picture is stored twice: as drawing and as pixels
TAGS = {"exercise", "nbval-ignore-output"}


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
            assert set(cell["metadata"].get("tags", [])) <= TAGS
            assert "NBVAL" not in source(cell)  # a tag says it where nobody reads it
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

    def test_tables_are_shown_as_a_person_reads_them(self, path: Path) -> None:
        for cell in load(path)["cells"]:
            for output in cell.get("outputs", []):
                shown = {"text/plain": output.get("text", [])} | output.get("data", {})
                assert 'class="dataframe"' not in "".join(shown.get("text/html", []))
                assert "shape: (" not in "".join(shown["text/plain"]), source(cell)

    def test_no_cell_failed(self, path: Path) -> None:
        for cell in load(path)["cells"]:
            kinds = {output["output_type"] for output in cell.get("outputs", [])}
            assert "error" not in kinds, source(cell)


@pytest.mark.parametrize(
    "path", OPENED, ids=lambda path: f"{path.parent.name}/{path.stem}"
)
class TestOpening:
    def test_the_answer_stands_out_and_a_picture_follows(self, path: Path) -> None:
        cells = load(path)["cells"]
        answer = source(cells[0]).partition("\n")[2].strip()
        assert re.match(r"\*\*[^*]*\d[^*]*\*\*", answer), answer
        outputs = [cell["outputs"] for cell in cells[1:3] if cell.get("outputs")]
        first = outputs[0][0]["data"]
        assert {"image/svg+xml", "image/png"} <= set(first)
        assert cells[1]["cell_type"] == "code"


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_opens_with_what_one_can_do_after_it(path: Path) -> None:
    cells = load(path)["cells"]
    answer = source(cells[0]).partition("\n")[2].strip()
    assert re.match(r"\*\*After this lesson you can [^*]*\d[^*]*\*\*\n", answer), answer
    outputs = [cell["outputs"] for cell in cells[1:3] if cell.get("outputs")]
    first = outputs[0][0]["data"]
    table = 'class="hkr"' in "".join(first.get("text/html", []))
    assert table or {"image/svg+xml", "image/png"} <= set(first)
    assert cells[1]["cell_type"] == "code"


def test_the_lessons_are_found() -> None:
    assert len(LESSONS) >= 13
