"""Ask for known vulnerabilities of every locked package; what was not asked is said.

    python audit.py requirements.lock -- pip-audit

Ends with 0 when every package was looked up and none has an advisory, 1 when one has,
2 when the advisories could not be reached. With AUDIT_OFFLINE=1 that last one is 0 too.
Two packages are asked about first: where neither is found, nothing else is asked.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

_FIRST: Final = 2
_OPTIONS: Final = ("--disable-pip", "--require-hashes", "--format", "json")
_PATIENCE: Final = 600.0  # seconds


def split_lock(text: str) -> list[str]:
    """Give the lock's packages, each with its marker and hashes."""
    return re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]


def ask(packages: list[str], command: list[str]) -> list[dict[str, Any]] | str:
    """Ask about the packages; a text where there is no answer."""
    with TemporaryDirectory() as folder:
        lock = Path(folder, "requirements.lock")
        lock.write_text("".join(packages))
        try:
            ran = subprocess.run(
                [*command, "-r", str(lock), *_OPTIONS, "--progress-spinner", "off"],
                capture_output=True,
                text=True,
                check=False,
                timeout=_PATIENCE,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    try:
        return json.loads(ran.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        lines = ran.stderr.strip().splitlines()
        return lines[-1] if lines else "pip-audit said nothing"


def main() -> int:
    """Ask, print what was found and what was not asked, give the exit code."""
    lock, dashes, *command = sys.argv[1:]
    if dashes != "--" or not command:
        sys.exit(__doc__)
    packages = split_lock(Path(lock).read_text())
    answer = ask(packages[:_FIRST], command)
    if not isinstance(answer, str) and any("vulns" in each for each in answer):
        answer = ask(packages, command)
    if isinstance(answer, str):
        answer, why = [], answer
    else:
        why = next((d["skip_reason"] for d in answer if "skip_reason" in d), "")
    asked = [each for each in answer if "vulns" in each]
    found = [(each, flaw) for each in asked for flaw in each["vulns"]]
    for each, flaw in found:
        mended = ", ".join(flaw["fix_versions"]) or "no version"
        print(f"{each['name']} {each['version']}: {flaw['id']}, mended in {mended}")
    skipped = [each["name"] for each in answer if "skip_reason" in each]
    print(f"asked about {len(asked)} of {len(packages)} packages: {len(found)} found")
    if asked and not skipped:
        return 1 if found else 0
    missed = len(skipped) if asked else len(packages)
    print(f"NOT AUDITED: {missed} packages, for the advisories were not reached: {why}")
    if found:
        return 1
    if os.environ.get("AUDIT_OFFLINE") == "1":
        print("AUDIT_OFFLINE=1: that is accepted")
        return 0
    print("run it where they are reached, or accept it with AUDIT_OFFLINE=1")
    return 2


if __name__ == "__main__":
    sys.exit(main())
