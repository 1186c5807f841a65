"""The bare wheel, in an empty environment: it installs, imports and reads."""

import re
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.house.test_extras import EXTRAS, PROJECT

ROOT = Path(__file__).parents[2]
NEEDED = ("polars", "_polars_runtime_32", "zstandard", "lazy_loader", "packaging")
SCRIPT = """
import sys
from datetime import UTC, datetime
import holdings_kit as hk
loaded = hk.read_arrow(sys.argv[1], account_id="A", snapshot_at=datetime.now(UTC))
print(hk.summarize(hk.consolidate(loaded.holdings))["market_value"].item())
optional = {"ipywidgets", "matplotlib", "pandas", "httpx", "numpy", "pyarrow", "jwt"}
assert not optional & set(sys.modules), optional & set(sys.modules)
try:
    from holdings_kit.widgets import RiskExplorer
except hk.HoldingsError as error:
    print(error.extra)
"""


# Ask for every public name of every room, with the packages of one extra only.
ALONE = """
import sys
sys.path[:0] = sys.argv[2:]
import importlib, pkgutil
import holdings_kit as hk
from holdings_kit.errors import MissingExtra
missing = set()
rooms = [m.name for m in pkgutil.iter_modules(hk.__path__) if m.ispkg]
for room in (hk, *(importlib.import_module(f"holdings_kit.{name}") for name in rooms)):
    for name in dir(room):
        try:
            getattr(room, name)
        except MissingExtra as error:
            assert error.extra != sys.argv[1], (room.__name__, name, str(error))
            assert f"'holdings-kit[{error.extra}]'" in str(error)
            missing.add(error.extra)
print(*sorted(missing))
"""


def with_what_they_need(needs: list[str]) -> set[str]:
    """Names of the distributions that the requirements bring, as installed here."""
    found, todo = set[str](), [Requirement(need) for need in needs]
    while todo:
        need = todo.pop()
        name = re.sub(r"[-_.]+", "-", need.name).lower()
        named = [{"extra": extra} for extra in need.extras] or [{"extra": ""}]
        if need.marker and not need.marker.evaluate({"extra": ""}):
            continue
        if name in found:
            continue
        found.add(name)
        for text in distribution(name).requires or []:
            inner = Requirement(text)
            if not inner.marker or any(inner.marker.evaluate(e) for e in named):
                inner.marker = None
                todo.append(inner)
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    subprocess.run(
        [*command, "--outdir", str(out), str(ROOT)], check=True, capture_output=True
    )
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(wheel.parent / "unpacked")
    return wheel.parent / "unpacked"


def test_the_wheel_holds_the_package_the_widgets_and_what_the_lab_copies(
    wheel: Path,
) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "holdings_kit",
        "widgets",
    }
    assert {"holdings_kit/py.typed", "widgets/py.typed"} <= names
    for room in ("notebooks", "sample_data"):
        for path in (ROOT / room).rglob("*"):
            if path.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & set(
                path.parts
            ):
                name = path.relative_to(ROOT).as_posix()
                assert f"holdings_kit/cli/_copied/{name}" in names
    assert wheel.stat().st_size < 3_000_000


def test_the_bare_wheel_reads_a_payload(wheel: Path, tmp_path: Path) -> None:
    """Only what it needs beside it, taken from the environment of the tests."""
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare/bin/python"
    site = next((tmp_path / "bare/lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    here = Path(next(p for p in sys.path if p.endswith("site-packages")))
    for needed in NEEDED:
        (site / needed).symlink_to(here / needed)
    ran = subprocess.run(
        [python, "-I", "-c", SCRIPT, ROOT / "sample_data/arrow/holdings.json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["23398.23000000", "lab"]


@pytest.mark.parametrize("extra", [e for e in EXTRAS if e not in {"lab", "all"}])
def test_the_wheel_with_one_extra_alone_names_the_others(
    unpacked: Path, tmp_path: Path, extra: str
) -> None:
    """Only the packages that the extra brings can be found."""
    for name in with_what_they_need(PROJECT["dependencies"] + EXTRAS[extra]):
        brought = distribution(name)
        tops = {file.parts[0] for file in brought.files or []}
        for top in tops - {"..", "__pycache__"}:
            (tmp_path / top).symlink_to(Path(str(brought.locate_file(top))))
    ran = subprocess.run(
        [sys.executable, "-IS", "-c", ALONE, extra, str(unpacked), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    named = set(ran.stdout.split())
    assert {"fetch", "store", "sandbox"} - {extra} <= named <= set(EXTRAS) - {extra}
