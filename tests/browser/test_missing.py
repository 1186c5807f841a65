"""Without a browser nothing is passed over in silence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            f"{HERE / 'test_table.py'}::test_nothing_comes_from_elsewhere",
        ],
        capture_output=True,
        text=True,
        check=False,
        env=kept | {"CHROMIUM": "/no/such/browser", **environment},
        cwd=HERE.parents[1],
    )


def test_a_missing_browser_is_said_loudly() -> None:
    ended = run()
    assert ended.returncode == 0
    assert "NOT RUN: the real browser" in ended.stdout
    assert "test_nothing_comes_from_elsewhere" in ended.stdout


def test_a_missing_browser_fails_in_continuous_integration() -> None:
    ended = run(CI="true")
    assert ended.returncode != 0
    assert "cannot run" in ended.stdout
