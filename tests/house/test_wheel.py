"""The bare wheel, in an empty environment: it installs, imports and reads."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

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
    import widgets
except ImportError:
    print("no widgets")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    subprocess.run(
        [*command, "--outdir", str(out), str(ROOT)], check=True, capture_output=True
    )
    (made,) = out.glob("*.whl")
    return made


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"holdings_kit"}
    assert "holdings_kit/py.typed" in names


def test_the_bare_wheel_reads_a_payload(wheel: Path, tmp_path: Path) -> None:
    """Only what it needs beside it, taken from the environment of the tests."""
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare/bin/python"
    site = next((tmp_path / "bare/lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    here = Path(next(p for p in sys.path if p.endswith("site-packages")))
    for needed in (
        "polars",
        "_polars_runtime_32",
        "zstandard",
        "lazy_loader",
        "packaging",
    ):
        (site / needed).symlink_to(here / needed)
    ran = subprocess.run(
        [python, "-I", "-c", SCRIPT, ROOT / "sample_data/arrow/holdings.json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["23398.23000000", "no", "widgets"]
