"""``holdings-kit sandbox`` as a process."""

from __future__ import annotations

import signal
import subprocess
import sys

import httpx
import pytest

COMMAND = [
    sys.executable,
    "-W",
    "error",
    "-c",
    "from holdings_kit.cli import main; main()",
]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_command_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [*COMMAND, "sandbox", "--port", "0", "--start", "2026-01-05T04:45:00Z"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    access = httpx.get(f"{url}_sandbox/arrow/access").json()
    headers = {"appID": access["app_id"], "token": access["token"]}
    rows = httpx.get(f"{url}user/holdings", headers=headers).json()["data"]
    process.send_signal(number)
    _out, complaint = process.communicate(timeout=20)
    assert (len(rows), process.returncode, complaint) == (8, 0, "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--faults", "holdings: teapot"], "column 11"),
        (["--start", "yesterday"], "is no instant"),
        (["--webhook", "https://example.com/"], "this machine only"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_1(
    options: list[str], words: str
) -> None:
    done = subprocess.run(
        [*COMMAND, "sandbox", "--port", "0", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("holdings-kit: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
