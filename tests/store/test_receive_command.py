"""`holdings-kit receive` as a process of its own, beside the simulated gateway."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import holdings_kit as hk
from benchmarks.kill import free_port
from holdings_kit.clients import Inbox

if TYPE_CHECKING:
    from collections.abc import Callable


def command(*arguments: object, **secrets: str) -> subprocess.Popen[str]:
    program = Path(sys.executable).with_name("holdings-kit")
    words = [str(program), "receive", *map(str, arguments)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_")}
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment | secrets,
    )


def wait_until(done: Callable[[], bool], seconds: float = 30) -> None:
    due = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < due, "it did not happen in time"
        time.sleep(0.05)


def test_receive_compares_with_a_fetch_and_a_store_reads_it(tmp_path: Path) -> None:
    port = free_port()
    clock = hk.sandbox.Clock(datetime.now(UTC), speed=1)  # that of the process beside
    faults = "webhook: duplicate, bad checksum"
    with hk.sandbox.serve(clock=clock, faults=faults) as simulated:
        process = command(
            "--into",
            tmp_path / "inbox",
            "--port",
            port,
            "--verify-by-fetch",
            "--gateway",
            simulated.gateway,
            "--base-url",
            simulated.url,
            GATEWAY_API_SECRET=simulated.api_secret,
            GATEWAY_SHARED_SECRET=simulated.shared_secret,
        )
        try:
            assert process.stdout is not None
            assert "inbox" in process.stdout.readline()
            client = hk.GatewayClient(
                gateway=simulated.gateway,
                api_secret=simulated.api_secret,
                shared_secret=simulated.shared_secret,
                base_url=simulated.url,
                clock=simulated.now,
            )
            wait_until(lambda: answers(port))
            simulated.register_webhook(f"http://127.0.0.1:{port}/webhook")
            for persona in list(simulated.personas)[:2]:
                created = client.create_import(version="v2", mutual_funds=True)
                simulated.play(created.transaction_id, persona=persona)
                simulated.advance(seconds=10)
            inbox = Inbox(tmp_path / "inbox", api_secret=simulated.api_secret)
            wait_until(lambda: any(inbox.accepted.rglob("*.json")))
            wait_until(lambda: any((inbox.folder / "refused").iterdir()))
            client.close()
        finally:
            process.terminate()
            out, err = process.communicate(timeout=30)
        loaded = hk.read_webhooks(inbox.accepted, api_secret=simulated.api_secret)
        assert simulated.api_secret not in out + err
    assert process.returncode in {0, -15}
    store = hk.Store(tmp_path / "store")
    store.append(loaded)
    assert store.current().snapshots.height == loaded.snapshots.height > 0
    assert loaded.snapshots["checksum_ok"].all()


def answers(port: int) -> bool:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/webhook")
        return connection.getresponse().status == 405
    except OSError:
        return False
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("arguments", "secret", "said"),
    [
        ((), {}, "GATEWAY_API_SECRET is not set"),
        (("--host", "0.0.0.0"), {"GATEWAY_API_SECRET": "x"}, "other machines"),
        (("--verify-by-fetch",), {"GATEWAY_API_SECRET": "x"}, "needs --gateway"),
    ],
)
def test_receive_refuses_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], secret: dict[str, str], said: str
) -> None:
    process = command("--into", tmp_path, *arguments, **secret)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said in err
    assert len(err.splitlines()) == 1
