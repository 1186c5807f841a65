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


LISTED = {"schema.py", "errors.py", "identity.py", "cluster.py"}  # public modules


def test_a_module_names_what_it_offers_once() -> None:
    """A name without an underscore is offered; the faces say what is public."""
    lists = {
        path.name
        for folder in (ROOT / "holdings_kit", ROOT / "widgets")
        for path in folder.rglob("*.py")
        if path.name != "__init__.py" and "__all__ =" in path.read_text()
    }
    assert lists == LISTED


def test_a_private_name_has_one_meaning() -> None:
    """The two APIs' own `_read_listings` and `_plan_holdings` do the same job."""
    modules: dict[str, set[Path]] = {}
    for path, name in functions(ROOT / "holdings_kit"):
        if name.startswith("_") and not name.startswith("__"):
            modules.setdefault(name, set()).add(path)
    shared = {name for name, paths in modules.items() if len(paths) > 1}
    assert shared == {"_plan_holdings", "_read_listings"}
