"""What a file says never commands the terminal that shows it."""

from __future__ import annotations

import inspect
import json
import logging
import subprocess
import sys
import traceback
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from typer.testing import CliRunner

import holdings_kit as hk
from benchmarks.deliveries import SECRET, webhook
from holdings_kit.cli import app
from holdings_kit.clients import Inbox
from holdings_kit.display._report import Section, write_text
from holdings_kit.errors import ConfigError, HoldingsError, WireError, printable
from tests.market.test_any_exchange_bytes import SEEDS as MARKET

if TYPE_CHECKING:
    from pathlib import Path

EVIL = "SBIN\x1b]0;owned\x07\x1b[2J\r\x9b1m\u202e"


def obeyed(text: str) -> set[str]:
    """Characters that a terminal would act on."""
    return {
        c
        for c in text
        if (ord(c) < 32 and c not in "\t\n")
        or 127 <= ord(c) < 160
        or c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    }


@pytest.mark.parametrize("code", [*range(32), *range(127, 160), 0x202E, 0x2066])
def test_no_control_is_printed(code: int) -> None:
    assert obeyed(printable(f"a{chr(code)}b")) == set()


def test_no_error_view_or_report_holds_a_control() -> None:
    frame = pl.DataFrame({EVIL: [EVIL]})
    assert obeyed(str(ConfigError(EVIL)) + str(WireError(EVIL, EVIL, EVIL))) == set()
    view = hk.show(frame, title=EVIL)
    assert obeyed(repr(view) + view._repr_html_()) == set()
    assert obeyed(write_text([Section(EVIL, EVIL, frame, [EVIL])])) == set()


def test_plain_text_stays_as_it_is() -> None:
    text = "₹ 1,00,000.00 – Müller\tरुपया\n"
    assert printable(text) == text


def test_names_and_reasons_of_dumps_do_not_reach_the_terminal(tmp_path: Path) -> None:
    payload = json.loads(webhook("a1"))
    for row in payload["securities"]:
        row["name"] = row["nseTicker"] = EVIL
    dump = tmp_path / "d.ndjson"
    broken = {**payload, "securities": EVIL, "smallcaseAuthId": EVIL}
    dump.write_text(f"{json.dumps(payload)}\n{json.dumps(broken)}\n")
    shown = CliRunner().invoke(app, ["report", str(dump)])
    assert shown.exit_code == 0, shown.output
    assert obeyed(shown.output) == set()
    loaded = CliRunner().invoke(app, ["load", str(dump), "--into", str(tmp_path / "s")])
    assert loaded.exit_code == 0, loaded.output
    assert obeyed(loaded.output) == set()


def test_names_of_files_and_folders_do_not_either(tmp_path: Path) -> None:
    market = tmp_path / "market"
    market.mkdir()
    (market / f"{EVIL}.csv").write_text(MARKET["udiff"].replace("SBIN", EVIL))
    dump = tmp_path / f"{EVIL}.ndjson"
    dump.write_bytes(webhook("a1", broker=EVIL) + b"\nbroken\n")
    out = str(tmp_path / EVIL)
    for command in (
        ["market", str(market)],
        ["report", str(dump), "--out", out],
        ["load", str(dump), "--into", str(tmp_path / "store")],
        ["store", "check", str(tmp_path / "store")],
        ["generate", out, "--accounts", "1"],
    ):
        said = CliRunner().invoke(app, command)
        assert said.exit_code == 0, said.output
        assert obeyed(said.output) == set(), command


@pytest.mark.parametrize("kind", HoldingsError.__subclasses__())
def test_no_error_of_ours_obeys(kind: Any) -> None:
    facts = {"code": EVIL, "message": EVIL, "retryable": True}
    needed = {
        name: facts.get(
            name, None if name in {"snapshot_at", "age", "status"} else EVIL
        )
        for name, one in inspect.signature(kind.__init__).parameters.items()
        if name != "self" and one.kind in {one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY}
    }
    error = kind(**needed) if needed else kind(EVIL)
    assert obeyed(str(error) + repr(error)) == set()
    assert obeyed("".join(traceback.format_exception(error))) == set()


def test_no_log_record_or_repr_obeys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="holdings_kit")

    def fail(_: hk.Loaded) -> None:
        raise ConfigError(EVIL)

    inbox = Inbox(tmp_path / EVIL, api_secret=SECRET, on_accepted=fail)
    bodies = [webhook("a1", broker=EVIL), webhook(EVIL, timestamp=EVIL), EVIL.encode()]
    receipts = [inbox.receive(body) for body in bodies]
    inbox._announcing.shutdown()
    assert [receipt.status for receipt in receipts][::2] == [200, 400]
    said = "".join(map(logging.Formatter().format, caplog.records))
    assert "on_accepted failed" in said
    assert obeyed(said + repr(receipts) + repr(inbox)) == set()
    loaded = hk.read_webhooks(inbox.accepted)
    shown: Any = loaded
    assert obeyed(repr(shown) + str(shown) + shown._repr_html_()) == set()


def test_an_error_that_repeats_a_name_does_not_either(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from holdings_kit.cli import main; main()",
            "report",
            str(tmp_path / EVIL),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert obeyed(done.stderr) == set()


@pytest.mark.parametrize("name", ["report", "market", "lab", "load", "trigger"])
def test_the_help_breaks_where_the_terminal_ends(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"]).stdout
    text, _, _ = shown.partition("╭")
    lines = [line.strip() for line in text.splitlines()]
    broken = [
        f"{line} | {after}"
        for line, after in pairwise(lines)
        if line and after and len(line) + len(after.split()[0]) + 1 < 60
    ]
    assert broken == []
