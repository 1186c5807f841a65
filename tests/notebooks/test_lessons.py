"""Each lesson of the course runs under nbval with its solution put in, and passes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LESSONS = sorted((ROOT / "notebooks/training").glob("[0-9]*.ipynb"))


def solved(lesson: Path) -> dict[str, object]:
    """The lesson with its exercise answered, its check asserted, outputs dropped."""
    number = int(lesson.name[:2])
    solution = ROOT / f"notebooks/training/solutions/lesson_{number}.py"
    notebook = json.loads(lesson.read_text())
    exercises = checks = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        cell["outputs"] = []
        source = "".join(cell["source"])
        if "exercise" in cell["metadata"].get("tags", []):
            cell["source"] = solution.read_text()
            exercises += 1
        elif re.match(r"check\.lesson\d", source):
            cell["source"] = f"graded = {source}\nassert graded.passed, graded"
            checks += 1
    assert (exercises, checks) == (1, 1), lesson.name
    return notebook


def test_there_are_eight_lessons_and_more_is_welcome() -> None:
    assert len(LESSONS) >= 8


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_the_solved_lesson_runs(lesson: Path, tmp_path: Path) -> None:
    folder = tmp_path / "notebooks/training"
    folder.mkdir(parents=True)
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    (folder / "grader").symlink_to(ROOT / "notebooks/training/grader")
    copy = folder / lesson.name
    copy.write_text(json.dumps(solved(lesson)))
    options = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=60"]
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            *options,
            copy,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
