"""Try what would be released, each file in an empty environment, as its user would.

    python release.py UV PYTHON dist/*.whl dist/*.tar.gz

Of each: the demo, the widgets' two names, and the lab from its copies to its end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

_WIDGETS: Final = """
import widgets, holdings_kit.widgets
from holdings_kit.widgets import RiskExplorer
assert holdings_kit.widgets is widgets and RiskExplorer is widgets.RiskExplorer
print(holdings_kit.__version__, widgets.__file__)
"""
_COPIED: Final = (
    "start.html",
    "notebooks/explore/01_what_do_i_hold.ipynb",
    "notebooks/training/grader/__init__.py",
    "sample_data/arrow/holdings.json",
)


def try_out(uv: str, python: str, file: Path, folder: Path) -> None:
    """Install one file with what `lab` brings, and use it; a failure raises."""
    subprocess.run([uv, "venv", "--quiet", "--python", python, "env"], check=True)
    inside = folder / "env" / "bin"
    into = ["pip", "install", "--quiet", "--python", str(inside / "python")]
    subprocess.run([uv, *into, f"holdings-kit[lab] @ {file.as_uri()}"], check=True)
    subprocess.run([inside / "python", "-I", "-c", _WIDGETS], check=True)
    quiet = {"stdout": subprocess.DEVNULL}
    subprocess.run([inside / "holdings-kit", "demo"], check=True, **quiet)
    if not (folder / "artefacts/demo/report.html").is_file():
        raise SystemExit(f"{file.name}: the demo left no report")
    try_lab(inside / "holdings-kit", folder / "my lab")
    print(f"{file.name}: installs, demo, widgets and lab work", flush=True)


def try_lab(command: Path, copies: Path) -> None:
    """Start the lab in a folder, look at its copies, stop it as Ctrl-C does."""
    with subprocess.Popen(
        [command, "lab", copies, "--no-browser"], stdout=subprocess.PIPE, text=True
    ) as lab:
        try:
            said = next((line for line in lab.stdout or () if "open " in line), "")
            missing = [name for name in _COPIED if not (copies / name).is_file()]
        finally:
            lab.send_signal(signal.SIGINT)
        code = lab.wait(60)
    if "/start?token=" not in said:
        raise SystemExit("the lab named no start page to open")
    if code or missing:
        raise SystemExit(f"the lab ended with {code}; missing {missing}")


def main() -> None:
    """Try every file that is named."""
    uv, python, *files = sys.argv[1:]
    uv, named = str(Path(uv).absolute()), [Path(file).absolute() for file in files]
    for file in named:
        size = file.stat().st_size / 1e6
        print(f"{file.name}: {size:.2f} MB", flush=True)
        with TemporaryDirectory() as folder:
            os.chdir(folder)
            try_out(uv, python, file, Path(folder))
            os.chdir("/")


if __name__ == "__main__":
    main()
