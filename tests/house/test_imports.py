"""Imports point one way, and only where they are allowed to."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "holdings_kit"

# Lowest first: a room imports from itself or from one above it in this list.
ROOMS = [
    "errors",
    "schema",
    "wire",
    "read",
    "market",
    "portfolio",
    "changes",
    "risk",
    "haircuts",
    "store",
    "clients",
    "display",
    "sandbox",
    "cli",
    "widgets",
]
ONLY = {  # optional package → the rooms that may import it
    "httpx": {"clients"},
    "stamina": {"clients"},
    "matplotlib": {"display"},
    "deltalake": {"store"},
    "typer": {"cli"},
    "starlette": {"sandbox", "clients"},
    "uvicorn": {"clients"},
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


def test_imports_point_one_way() -> None:
    rank = {name: number for number, name in enumerate(ROOMS)}
    for path in modules():
        if room(path) == "__init__":
            continue
        assert room(path) in rank, f"{path.name} has no place in ROOMS"
        for name in imported(path):
            if not name.startswith("holdings_kit."):
                continue
            there = name.split(".")[1]
            assert rank[there] <= rank[room(path)], f"{path} imports {name}"


def entries() -> list[Path]:
    """What the package shows; a folder left with compiled files only is no room."""
    return [
        path
        for path in PACKAGE.iterdir()
        if path.name != "__pycache__" and (path.is_file() or any(path.rglob("*.py")))
    ]


CHECKERS_READ = {"py.typed", "__init__.pyi"}  # says the package is typed; the stub


def test_a_newcomer_sees_few_entries() -> None:
    shown = {path.name for path in entries()}
    assert {n.removesuffix(".py") for n in shown if n.endswith(".py")} <= {
        "__init__",
        "errors",
        "schema",
        "widgets",
    }
    # ls shows 18: 12 rooms and 4 modules to read, and 2 files that type checkers read
    assert len(shown & CHECKERS_READ) == 2
    assert len(shown - CHECKERS_READ) <= 16


def test_every_entry_is_explained_in_one_line() -> None:
    lines = (ROOT / "docs" / "architecture.md").read_text().splitlines()
    first_cells = [line.split("|")[1] for line in lines if line.startswith("| `")]
    explained = {name for cell in first_cells for name in cell.split("`")[1::2]}
    there = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in entries()
        if path.name != "py.typed"
    }
    assert explained == there


def test_the_rooms_are_explained_in_the_order_of_their_imports() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [name for name in ROOMS if (PACKAGE / name).is_dir()]
    places = [text.index(f"| `{name}/` |") for name in rooms]
    assert places == sorted(places)


def test_a_room_hides_its_files_but_for_the_public_modules() -> None:
    """`hk.plot`, `hk.cluster` and the like are modules that a user names."""
    public = {"identity", "statistics", "cluster", "population", "plot"}
    for path in modules():
        for part in path.relative_to(PACKAGE).parts[1:]:
            name = part.removesuffix(".py")
            assert name.startswith("_") or name in public, path


@pytest.mark.parametrize("package", ONLY)
def test_optional_packages_have_one_home(package: str) -> None:
    homes = {
        room(path)
        for path in modules()
        if any(name.split(".")[0] == package for name in imported(path))
    }
    assert homes <= ONLY[package]


def test_the_package_never_imports_widgets_but_for_their_second_name() -> None:
    for path in modules():
        if path == PACKAGE / "widgets.py":
            continue
        assert not {n for n in imported(path) if n.split(".")[0] == "widgets"}, path


def test_import_is_light_and_pulls_in_no_optional_part() -> None:
    """Modules are counted, not seconds: a busy machine loads no more of them."""
    code = (
        "import sys; before = len(sys.modules); import holdings_kit as hk;"
        "loaded = len(sys.modules) - before; hk.read_arrow; hk.consolidate;"
        "optional = {'httpx', 'matplotlib', 'ipywidgets', 'pandas', 'numpy', 'scipy',"
        " 'deltalake', 'starlette', 'jwt', 'pyarrow', 'dask', 'typer'};"
        "print(loaded, *sorted(optional & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded, *optional = ran.stdout.split()
    assert optional == []
    assert int(loaded) < 180  # polars alone would be 250 more


HEAVY = [
    *("IPython", "arch", "dask", "deltalake", "distributed", "exchange_calendars"),
    *("httpx", "ipywidgets", "jwt", "matplotlib", "numba", "numpy", "pandas"),
    *("polars", "pyarrow", "scipy", "starlette", "typer", "uvicorn"),
]
FELT = {  # what people type first → the only heavy packages it may load
    "import holdings_kit": set[str](),
    "import holdings_kit as hk; hk.plot": set[str](),
    "import holdings_kit as hk; hk.haircuts": set[str](),
    "import widgets": set[str](),
    "import holdings_kit.widgets": set[str](),
    "from widgets import HoldingsTable": {"IPython", "ipywidgets", "polars"},
    "import holdings_kit as hk; hk.plot.pnl_bars": {"matplotlib", "numpy", "polars"},
    "import holdings_kit as hk; hk.value_at_risk": {"polars"},
    "import holdings_kit as hk; hk.ArrowClient": {"polars"},
    "import holdings_kit as hk; hk.cluster": set[str](),
    "import holdings_kit.cli; holdings_kit.cli.app": {"typer"},
    "from holdings_kit import *": {"deltalake", "jwt", "numpy", "polars"},
}


@pytest.mark.parametrize("statement", FELT)
def test_what_people_type_first_loads_only_what_it_needs(statement: str) -> None:
    code = f"import sys; {statement}; print(*{{m.split('.')[0] for m in sys.modules}})"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert set(ran.stdout.split()) & set(HEAVY) <= FELT[statement]
