"""The documentation beside the lab: there while it runs, and nothing of it after."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from holdings_kit.cli._lab import serve_site


def test_a_folder_of_pages_is_served_until_the_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<h1>here</h1>")
    (tmp_path / "secret.txt").write_text("not here")
    with serve_site(tmp_path / "site") as address:
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=10) as reply:
            assert reply.read() == b"<h1>here</h1>"
        for path in ("../secret.txt", "%2e%2e/secret.txt", "none.html"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(address + path, timeout=10)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=10)
    assert capfd.readouterr() == ("", "")


def test_without_pages_nothing_is_served(tmp_path: Path) -> None:
    with serve_site(tmp_path) as address:
        assert address == ""
