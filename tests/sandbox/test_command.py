"""The sandbox's commands, as a user and as a CI job call them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from typer.testing import CliRunner

from holdings_kit import cli, sandbox
from holdings_kit.errors import ConfigError
from holdings_kit.wire import webhook_checksum_ok

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [
    sys.executable,
    "-W",
    "error",
    "-c",
    "from holdings_kit.cli import main; main()",
]
SECRET = "the receiver's own secret"


class Receiver:
    """A partner's webhook receiver that knows its secret and checks nothing else."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.bodies.append(body)
                good = webhook_checksum_ok(json.loads(body, parse_float=str), SECRET)
                self.send_response(200 if good else 401)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("GATEWAY_API_SECRET", SECRET)
    made = Receiver()
    yield made
    made.close()


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli.app, list(words))
    if isinstance(done.exception, ConfigError):
        raise done.exception
    return done.exit_code, done.output


def fire(receiver: Receiver, *words: str) -> tuple[int, Any]:
    start = ["--start", "2026-01-07T05:00:00Z", "--to", receiver.url, "--json"]
    code, shown = run("trigger", "holdings-import", "--persona", "bela", *start, *words)
    return code, json.loads(shown)


def test_one_command_fires_a_webhook_that_its_receiver_accepts(
    receiver: Receiver,
) -> None:
    code, said = fire(receiver)
    (body,) = map(json.loads, receiver.bodies)
    assert (code, said["ok"], said["deliveries"][0]["answer"]) == (0, True, "200")
    assert said["deliveries"][0]["body"] == body
    assert body["snapshotDate"] == body["timestamp"] == "2026-01-07T05:00:00.000Z"
    fire(receiver)
    assert receiver.bodies[0] == receiver.bodies[1], "the same bytes each time"


def test_late_duplicate_and_reordered_deliveries_come_as_asked(
    receiver: Receiver,
) -> None:
    code, said = fire(receiver, "--late", "24h", "--duplicate", "--reorder")
    dates = [json.loads(body)["snapshotDate"][8:13] for body in receiver.bodies]
    assert dates == ["06T05", "06T05", "06T04", "06T04"]
    assert receiver.bodies[0] == receiver.bodies[1]
    assert [line["answer"] for line in said["deliveries"]] == ["200"] * 4
    assert code == 0


def test_the_exit_status_says_whether_the_receiver_does_right(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = fire(receiver, "--forged")
    assert (code, said["deliveries"][0]["answer"]) == (0, "401")
    monkeypatch.setenv("GATEWAY_API_SECRET", "another one")
    assert fire(receiver)[0] == 1, "genuine and refused"
    receiver.close()
    code, said = fire(receiver)
    assert (code, said["deliveries"][0]["answer"]) == (1, "ConnectionRefusedError")
    assert run("trigger", "holdings-import")[0] == 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["nonsense", "--persona", "bela"], "no event 'nonsense'"),
        (["holdings-import", "--persona", "nobody"], "no persona 'nobody'"),
        (
            ["holdings-import", "--persona", "bela", "--late", "soon"],
            "no.*duration|not a duration",
        ),
        (
            ["holdings-import", "--persona", "bela", "--to", "http://10.0.0.9/"],
            "this machine only",
        ),
    ],
)
def test_what_cannot_be_fired_is_refused_with_a_reason(
    words: list[str], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        run("trigger", "--to", "http://127.0.0.1:9/", *words)


def test_a_running_sandbox_fires_and_sends_again(receiver: Receiver) -> None:
    with sandbox.serve(seed=7) as sb:
        at, to = ["--sandbox", sb.url], ["--to", receiver.url]
        fired = ["trigger", "holdings-import", "--persona", "bela"]
        code, shown = run(*fired, *at, *to)
        assert code == 1, "the sandbox signs with its own secret"
        assert "dlv_0001 holdings-import TRX_" in shown
        code, shown = run("resend", "dlv_0001", *at, "--json")
        (line,) = json.loads(shown)["deliveries"]
        assert (code, line["answers"], line["url"]) == (1, ["401", "401"], receiver.url)
        assert receiver.bodies[0] == receiver.bodies[1]
        assert [t["status"] for t in sb.transactions()] == ["COMPLETED"]
        sb.register_webhook(receiver.url)
        assert run(*fired, *at)[0] == 1
        with pytest.raises(ConfigError, match="no delivery 'dlv_9'"):
            run("resend", "dlv_9", *at)
    with pytest.raises(ConfigError, match="start one"):
        run("resend", "dlv_1", *at)


def start(*words: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    process = subprocess.Popen(
        [*COMMAND, *words, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> str:
    process.send_signal(number)
    said, complaint = process.communicate(timeout=20)
    assert (process.returncode, complaint) == (0, "")
    return said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_the_command_serves_until_it_is_told_to_stop(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    process, access = start("sandbox", "--port", "0", "--allow-host", "broker")
    url = access["url"]
    clock = httpx.get(f"{url}/_sandbox/clock", headers={"host": "broker"}).json()
    assert clock == {"now": "2026-01-05T04:45:00.000Z", "speed": 0.0}
    assert httpx.get(f"{url}/_sandbox/access").json() == access
    known = httpx.get(f"{url}/_sandbox/arrow/access").json()
    headers = {"appID": known["app_id"], "token": known["token"]}
    rows = httpx.get(f"{url}/user/holdings", headers=headers).json()["data"]
    stop(process, number)
    assert len(rows) == 8


def test_listen_shows_each_webhook_and_passes_it_on(receiver: Receiver) -> None:
    with sandbox.serve(seed=7) as sb:
        process, ready = start(
            "listen", "--forward-to", receiver.url, "--sandbox", sb.url
        )
        assert ready["sandbox"] == sb.url
        begun = httpx.get(f"{sb.url}/_sandbox/webhooks").json()
        assert begun == []
        (sent,) = sb.trigger("holdings-import", persona="asha")
        assert sent["answers"] == ["401"], "the receiver's own answer"
        receiver.close()
        (sent,) = sb.trigger("holdings-import", persona="asha")
        assert sent["answers"] == ["502"]
        lines = [json.loads(line) for line in stop(process).splitlines()]
    assert [line["answer"] for line in lines] == ["401", "ConnectionRefusedError"]
    assert lines[0]["account"] == sb.personas["asha"].auth_id
    with pytest.raises(ConfigError, match="--allow-host"):
        run("listen", "--forward-to", "http://10.0.0.9/")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--faults", "holdings: teapot"], "column 11"),
        (["--start", "yesterday"], "is no instant"),
        (["--webhook", "https://example.com/"], "this machine only"),
        (["--personas", "/nowhere.yaml"], "cannot be read"),
    ],
)
def test_a_wrong_option_is_refused_with_a_reason(
    options: list[str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        run("sandbox", "--port", "0", *options)


@pytest.mark.holdings_sandbox(seed=9, faults="holdings: 500")
def test_the_marker_says_how_the_fixture_starts(
    holdings_sandbox: sandbox.Sandbox,
) -> None:
    with sandbox.serve(seed=9) as other:
        assert other.api_secret == holdings_sandbox.api_secret
    left = httpx.get(f"{holdings_sandbox.url}/_sandbox/faults").json()
    assert left == {"left": {"holdings": ["500"]}}
