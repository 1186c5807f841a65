"""What is committed: no secrets, no addresses in the lock, no machine paths."""

import re
import subprocess
from pathlib import Path

import widgets

ROOT = Path(__file__).parents[2]
TEXT = {".py", ".md", ".toml", ".json", ".ipynb", ".js", ".css", ".html", ".csv", ""}


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name]


def texts() -> list[tuple[Path, str]]:
    return [
        (path, path.read_text(encoding="utf-8", errors="replace"))
        for path in tracked()
        if path.suffix in TEXT and path.exists()
    ]


def test_widgets_is_ours() -> None:
    assert widgets.__file__ is not None
    assert Path(widgets.__file__).parent == ROOT / "widgets"


def test_counts_are_grouped_as_money_is() -> None:
    """12,00,000 beside ₹12,00,000: Python's own groups are of three digits."""
    groups = re.compile(r"\{[^{}]*:[^{}]*,[.\d]*[a-z]?\}")
    for folder in ("widgets", "holdings_kit/display", "holdings_kit/cli"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            found = groups.findall(path.read_text(encoding="utf-8"))
            assert not found, f"{path}: {found} (display._numbers.quantity groups)"


def test_the_lock_has_no_download_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--index" not in lock
    assert re.search(r"^polars==\d", lock, re.MULTILINE)


def test_every_package_of_the_lock_has_its_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    packages = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
    assert len(packages) > 100
    assert all("--hash=sha256:" in package for package in packages)


def test_nothing_tracked_looks_like_a_secret() -> None:
    token = re.compile(r"eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}")
    key = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b")
    for path, text in texts():
        assert not token.search(text), f"{path}: a JSON web token"
        assert not key.search(text), f"{path}: a key"


def test_no_machine_path_is_tracked() -> None:
    home = re.compile(r"(?<![\w.])/(?:home|root|Users)/\w+")
    for path, text in texts():
        assert not home.search(text), f"{path}: {home.search(text)}"
