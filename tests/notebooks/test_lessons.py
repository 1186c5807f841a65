"""Each lesson of the course runs with its solution put in, and passes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COURSE = ROOT / "notebooks/training"
LESSONS = sorted(COURSE.glob("[0-9]*.ipynb"))


def solve(lesson: Path) -> list[str]:
    """Give the code of the lesson, its exercise answered and its check asserted."""
    solution = COURSE / f"solutions/lesson_{int(lesson.name[:2])}.py"
    cells: list[str] = []
    exercises = checks = 0
    for cell in json.loads(lesson.read_text())["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"]).removeprefix("%matplotlib inline\n")
        if "exercise" in cell["metadata"].get("tags", []):
            source = solution.read_text()
            exercises += 1
        elif re.match(r"check\.lesson\d", source):
            source = f"graded = {source}\nassert graded.passed, graded"
            checks += 1
        cells.append(source)
    assert (exercises, checks) == (1, 1), lesson.name
    return cells


def test_every_lesson_has_a_solution_and_going_live_is_the_last() -> None:
    numbers = [int(path.name[:2]) for path in LESSONS]
    assert numbers == list(range(1, len(LESSONS) + 1))
    assert LESSONS[-1].stem.endswith("going_live")
    assert len(list(COURSE.glob("solutions/lesson_*.py"))) == len(LESSONS)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_the_solved_lesson_runs(lesson: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(COURSE)
    names: dict[str, Any] = {}
    for number, source in enumerate(solve(lesson)):
        exec(compile(source, f"{lesson.name}, cell {number}", "exec"), names)
