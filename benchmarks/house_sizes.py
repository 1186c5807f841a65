"""How large the house is: modules, functions, names, arrows; before and after.

``python -m benchmarks.house_sizes 219053e`` compares a commit with the files here and
prints the table of ``docs/house.md``. Code lines are lines with code on them: blank
lines, comments and docstrings are not counted.
"""

from __future__ import annotations

import ast
import io
import statistics
import subprocess
import sys
import tarfile
import tokenize
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = "holdings_kit"
_NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT),
    *(tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER),
}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def list_code_lines(source: str, tree: ast.Module) -> set[int]:
    """Number the lines that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        body: list[ast.stmt] = getattr(node, "body", [])
        documented = isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Module))
        if documented and ast.get_docstring(node, clean=False) is not None:
            first = body[0]
            lines -= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


def measure_house(root: Path) -> dict[str, str]:
    """Measure the package below a folder: what is measured → its figure, as text."""
    package = root / PACKAGE
    modules: dict[str, int] = {}
    functions: list[int] = []
    private: Counter[str] = Counter()
    arrows: set[tuple[str, str]] = set()
    for path in sorted(package.rglob("*.py")):
        source = path.read_text()
        tree = ast.parse(source)
        lines = list_code_lines(source, tree)
        name = path.relative_to(root).with_suffix("").as_posix().replace("/", ".")
        name = name.removesuffix(".__init__")
        if lines:
            modules[name] = len(lines)
        own = {n.name for n in ast.walk(tree) if isinstance(n, _FUNCTIONS)}
        private.update(n for n in own if n.startswith("_") and not n.startswith("__"))
        for node in ast.walk(tree):
            if isinstance(node, _FUNCTIONS):
                span = range(node.lineno, (node.end_lineno or node.lineno) + 1)
                functions.append(len(lines & set(span)))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                f"{PACKAGE}."
            ):
                arrows.add((name, str(node.module)))
    sizes, most = sorted(modules.values()), max(modules, key=modules.__getitem__)
    tops = {p.name for p in package.iterdir()} - {"__pycache__", "py.typed"}
    between = {(a.split(".")[1], b.split(".")[1]) for a, b in arrows if "." in a}
    targets = Counter(target for _, target in arrows)
    tenths = statistics.quantiles(functions, n=10)
    return {
        f"entries of `ls {PACKAGE}`": f"{len(tops)}",
        "modules": f"{len(modules):,}",
        "code lines": f"{sum(sizes):,}",
        "code lines of a module: median": f"{statistics.median(sizes):.0f}",
        "… the largest": f"{modules[most]} (`{most.removeprefix(PACKAGE + '.')}`)",
        "modules under 60 code lines, faces (`__init__`) left out": str(
            sum(
                size < 60
                for name, size in modules.items()
                if not (package.parent / Path(*name.split("."))).is_dir()
            )
        ),
        "functions": f"{len(functions):,}",
        "code lines of a function: median": f"{statistics.median(functions):.0f}",
        "… nine in ten are shorter than": f"{tenths[8]:.0f}",
        "… the longest": f"{max(functions)}",
        "private function names in more than one module": str(
            sum(count > 1 for count in private.values())
        ),
        "arrows: imports of a module by a module": f"{len(arrows):,}",
        "modules with a single importer": str(
            sum(targets[name] == 1 for name in modules)
        ),
        "arrows between entries": str(sum(a != b for a, b in between)),
    }


def measure_commit(commit: str) -> dict[str, str]:
    """Measure the package as it was at a commit."""
    packed = subprocess.run(
        ["git", "archive", commit, PACKAGE], cwd=ROOT, check=True, capture_output=True
    ).stdout
    with TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        return measure_house(Path(folder))


def write_table(columns: dict[str, dict[str, Any]]) -> str:
    """Write a Markdown table, a column per state of the house."""
    rows = next(iter(columns.values()))
    head = ["| |" + "|".join(f" {name} " for name in columns) + "|"]
    head.append("|---|" + "---|" * len(columns))
    return "\n".join(
        head
        + [
            f"| {r} | " + " | ".join(c[r] for c in columns.values()) + " |"
            for r in rows
        ]
    )


if __name__ == "__main__":
    shown = {commit: measure_commit(commit) for commit in sys.argv[1:]}
    print(write_table({**shown, "now": measure_house(ROOT)}))
