"""Imports point one way, and only where they are allowed to."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "holdings_kit"

# Lowest first: a module imports from its own layer or from one above it in this list.
# Every module has its place here: who adds one, decides on its layer.
LAYERS = [
    {"errors", "words"},
    {"schema"},
    {"identity", "measures"},
    {"wire"},
    {"instruments"},
    {"read"},
    {"brokers", "market_hours", "freshness", "price_book", "milp", "background"},
    {"position_prices"},
    {"portfolio", "exposure", "funds", "linting", "redaction"},
    {"margin_rules", "collateral_value", "margin", "scenarios", "haircuts"},
    {"pledge", "pledge_answer", "pledge_rows", "pledge_search"},
    {"stress", "stress_steps"},
    {"value_at_risk", "comparison", "bridges", "timeline"},
    {"store"},
    {"scan", "scan_blocks", "population", "haircut_panel", "cluster", "generate"},
    {"report_cells", "report_text", "report"},
    {"clients", "inbox", "verification", "receiver", "replayer", "plot", "sandbox"},
    {"html_report"},
    {"check", "demo", "lab"},
    {"cli"},
]
ONLY = {  # optional package → the rooms that may import it
    "httpx": {"clients"},
    "stamina": {"clients"},
    "matplotlib": {"plot"},
    "deltalake": {"store"},
    "typer": {"cli"},
    "starlette": {"sandbox", "receiver"},
    "uvicorn": {"receiver", "background"},
    "pandas": set[str](),
    "ipywidgets": set[str](),
    "anywidget": set[str](),
    "IPython": set[str](),
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Dotted names a module imports, those for the type checker left out."""
    tree = ast.parse(path.read_text())
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_low_layers_never_import_high_ones() -> None:
    rank = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    for path in modules():
        if room(path) == "__init__":
            continue
        assert room(path) in rank, f"{path.name} has no place in LAYERS"
        here = rank[room(path)]
        for name in imported(path):
            if not name.startswith("holdings_kit."):
                continue
            there = name.split(".")[1]
            assert rank[there] <= here, f"{path.name} imports {name}"


@pytest.mark.parametrize("package", ONLY)
def test_optional_packages_have_one_home(package: str) -> None:
    homes = {
        room(path)
        for path in modules()
        if any(name.split(".")[0] == package for name in imported(path))
    }
    assert homes <= ONLY[package]


def test_the_package_never_imports_widgets() -> None:
    for path in modules():
        assert not {n for n in imported(path) if n.split(".")[0] == "widgets"}, path


def test_import_is_quick_and_pulls_in_no_optional_part() -> None:
    code = (
        "import sys, time; start = time.perf_counter(); import holdings_kit as hk;"
        "took = time.perf_counter() - start; hk.read_arrow; hk.consolidate;"
        "optional = {'httpx', 'matplotlib', 'ipywidgets', 'pandas', 'numpy', 'scipy',"
        " 'deltalake', 'starlette', 'jwt', 'pyarrow', 'dask', 'typer'};"
        "print(took, *sorted(optional & set(sys.modules)))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(3)
    ]
    assert runs[0][1:] == []
    assert min(float(run[0]) for run in runs) < 0.4
