"""A missing optional part names the extra that brings it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from holdings_kit import errors

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DISTRIBUTION = {
    "jwt": "pyjwt",
    "multipart": "python-multipart",
    "IPython": "ipykernel",
    "traitlets": "ipywidgets",
    "yaml": "pyyaml",
}

HOLDING = (  # one that can be pledged
    "pl.DataFrame([{'instrument_id': 'P', 'settled_quantity': 9, 'close_price': 10,"
    " 'haircut': 0}], schema=hk.schema.HOLDINGS)"
)
# A statement that needs the package, as a user would write it.
NEEDS = {
    "httpx": "hk.ArrowClient(app_id='a', token='t')",
    "stamina": "hk.ArrowClient(app_id='a', token='t').holdings(account_id='a')",
    "pyrate_limiter": "from holdings_kit.clients import Pace; Pace()",
    "jwt": "from holdings_kit.wire import mint_token",
    "tqdm": "from holdings_kit.clients import fetch_many",
    "exchange_calendars": "hk.market.Published().known()",
    "deltalake": "hk.Store",
    "starlette": "hk.sandbox.serve",
    "uvicorn": "hk.sandbox.serve",
    "dask": "hk.cluster.connect()",
    "distributed": "hk.cluster.connect()",
    "numpy": "hk.pledge_plan(HOLDING, need=100, cash=50)",
    "scipy": "hk.pledge_plan(HOLDING, need=100, cash=50)",
    "matplotlib": "hk.plot.pnl_bars",
    "pandas": "hk.to_pandas(pl.DataFrame())",
    "xlsxwriter": "hk.export(pl.DataFrame({'a': [1]}), 'a.xlsx')",
    "openpyxl": "import tempfile; path = tempfile.mkdtemp() + '/a.xlsx'; "
    "hk.export(pl.DataFrame({'a': [1]}), path); "
    "hk.schema.as_frame(path, hk.schema.PRICES, name='a')",
    "typer": "from holdings_kit.cli import main; main()",
}


def test_there_are_few_extras_and_all_is_their_sum() -> None:
    assert list(EXTRAS) == [
        *("fetch", "store", "sandbox", "risk", "plot", "export", "lab", "all")
    ]
    (everything,) = EXTRAS["all"]
    assert everything == f"holdings-kit[{','.join(e for e in EXTRAS if e != 'all')}]"
    rest = [extra for extra in EXTRAS if extra not in {"lab", "all"}]
    assert (
        EXTRAS["lab"][0] == f"holdings-kit[{','.join(rest)}]"
    )  # its notebooks need it


def test_the_extra_named_brings_the_package() -> None:
    for package, extra in errors._EXTRA_OF.items():
        wanted = DISTRIBUTION.get(package, package.replace("_", "-"))
        listed = {need.split(">=")[0] for need in EXTRAS[extra]}
        assert wanted in listed, f"{package} is not in {extra}"


@pytest.mark.parametrize("package", NEEDS)
def test_a_missing_part_names_its_extra(package: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "import polars as pl, holdings_kit as hk, holdings_kit.schema\n"
        f"try:\n    {NEEDS[package].replace('HOLDING', HOLDING)}\n"
        "except ImportError as error:\n"
        "    assert isinstance(error, hk.HoldingsError)\n"
        "    print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    answer = ran.stdout + ran.stderr
    extra = errors._EXTRA_OF[package]
    assert f"{package} is not installed; run: pip install" in answer, answer
    assert f"'holdings-kit[{extra}]'" in answer
    assert "Traceback" not in answer


def test_an_error_of_another_module_is_not_renamed() -> None:
    """Only what an extra brings is ours to name."""
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        _ = errors.load_optional("no_such_package").anything
