"""Functions are verb phrases that a stranger can guess."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RIDDLES = {  # what they say is not what they do
    *("apart", "asked", "calm", "counted", "held", "kept", "made", "said", "spelt"),
    *("told", "twin"),
}
HOUSES = [
    *sorted(path for path in (ROOT / "holdings_kit").iterdir() if path.is_dir()),
    ROOT / "widgets",
    ROOT / "notebooks" / "training" / "grader",
]


def functions(folder: Path) -> list[tuple[Path, str]]:
    return [
        (path, node.name)
        for path in sorted(folder.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


@pytest.mark.parametrize("folder", HOUSES, ids=lambda folder: folder.name)
def test_no_function_is_a_riddle(folder: Path) -> None:
    found = [(p.name, n) for p, n in functions(folder) if n.strip("_") in RIDDLES]
    assert found == []
