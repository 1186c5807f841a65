"""The audit of the lock: an advisory fails, and so does one that was not asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

AUDIT = Path(__file__).parents[2] / ".ci/audit.py"
LOCK = "".join(f"{name}==1 \\\n    --hash=sha256:{'0' * 64}\n" for name in "abc")
FLAW = {"id": "PYSEC-1", "fix_versions": ["2"], "aliases": [], "description": ""}
GOOD = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "1", "vulns": [FLAW]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("answer", "code", "offline_code", "word"),
    [
        ([GOOD], 0, 0, "asked about 1 of 3 packages: 0 found"),
        ([GOOD, BAD], 1, 1, "b 1: PYSEC-1, mended in 2"),
        ([GOOD, BAD, UNKNOWN], 1, 1, "NOT AUDITED: 1 packages"),
        ([GOOD, UNKNOWN], 2, 0, "NOT AUDITED: 1 packages"),
        ([UNKNOWN], 2, 0, "NOT AUDITED: 3 packages"),
        (
            None,
            2,
            0,
            "NOT AUDITED: 3 packages, for the advisories were not reached: no",
        ),
    ],
)
def test_what_was_not_audited_is_no_pass_unless_accepted(
    tmp_path: Path, answer: object, code: int, offline_code: int, word: str
) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK)
    text = json.dumps({"dependencies": answer}) if answer else ""
    tool = f"import sys; print({text!r}); print('no route', file=sys.stderr)"
    command = [sys.executable, AUDIT, lock, "--", sys.executable, "-Sc", tool]
    for environment, expected in (({}, code), ({"AUDIT_OFFLINE": "1"}, offline_code)):
        ran = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == expected, ran.stderr
        assert word in ran.stdout
