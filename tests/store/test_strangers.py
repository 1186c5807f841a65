"""Strangers at the inbox: they cost little, stop nothing, and are not believed."""

from __future__ import annotations

import asyncio
import errno
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import httpx
import pytest

import holdings_kit as hk
from benchmarks import bench_strangers
from benchmarks.deliveries import DAY_ONE, SECRET, fetch_body, webhook
from benchmarks.kill import free_port
from holdings_kit.clients import (
    Inbox,
    _inbox as inbox_module,
    _receiver as receiver,
    serve,
    webhook_app,
)
from holdings_kit.clients._inbox import decide
from holdings_kit.clients._receiver import Verifying
from holdings_kit.errors import ConfigError, SourceUnavailable


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.json"))


# One checksum, two contents


def test_two_bodies_with_one_checksum_are_both_disputed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox(tmp_path, api_secret=SECRET)
    true, forged, third = webhook("a1"), webhook("a1", rows=9), webhook("a1", rows=5)
    assert inbox.receive(true).reason == "stored"
    written: list[str] = []
    write = inbox._write_safe

    def note(folder: str, name: str, body: bytes) -> object:
        written.append(folder)
        return write(folder, name, body)

    monkeypatch.setattr(inbox, "_write_safe", note)
    receipt = inbox.receive(forged)
    assert receipt[:2] == (200, "disputed")
    assert "accepted" not in written, "not even for a moment"
    assert names(inbox.accepted) == []
    assert len(names(tmp_path / "disputed")) == 2
    whys = list((tmp_path / "disputed").rglob("*.why"))
    assert {why.read_text() for why in whys} == {inbox_module._TWO_BODIES}
    again = Inbox(tmp_path, api_secret=SECRET)  # it is remembered
    assert again.receive(third).reason == "disputed"
    assert again.receive(true).reason == "known"
    assert names(inbox.accepted) == []
    assert again.receive(webhook("a1", 1)).reason == "stored"


def test_the_same_facts_written_otherwise_are_no_dispute(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, api_secret=SECRET)
    assert inbox.receive(webhook("a1")).reason == "stored"
    assert inbox.receive(webhook("a1", indent=2)).reason == "stored"
    assert len(names(inbox.accepted)) == 2
    assert names(tmp_path / "disputed") == []


def test_with_a_fetch_the_fetch_decides(tmp_path: Path) -> None:
    true = webhook("a1")

    def fetch(_: str, /, **__: Any) -> hk.Loaded:
        return hk.read_gateway(fetch_body(true), fetched_at=DAY_ONE)

    inbox = Inbox(tmp_path, api_secret=SECRET, fetch=fetch)
    inbox.receive(webhook("a1", rows=9))
    inbox.receive(true)
    assert inbox.verify() == (1, 1, 0)
    assert [path.read_bytes() for path in inbox.accepted.rglob("*.json")] == [true]


def test_of_many_at_once_no_forged_one_stays_accepted(tmp_path: Path) -> None:
    bodies = [webhook("a1", rows=rows) for rows in range(1, 9)]
    inbox = Inbox(tmp_path, api_secret=SECRET)
    threads = [threading.Thread(target=inbox.receive, args=[body]) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(inbox.accepted) == []
    assert len(names(tmp_path / "disputed")) == 8


def test_of_two_at_once_the_later_to_be_written_sees_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other comes whole between the look for others and the write."""
    inbox = Inbox(tmp_path, api_secret=SECRET)
    reasons, write = list[str](), inbox._write_safe

    def write_after_the_other(folder: str, name: str, body: bytes) -> Path:
        monkeypatch.setattr(inbox, "_write_safe", write)
        reasons.append(inbox.receive(webhook("a1", rows=2)).reason)
        return write(folder, name, body)

    monkeypatch.setattr(inbox, "_write_safe", write_after_the_other)
    reasons.append(inbox.receive(webhook("a1", rows=1)).reason)
    assert reasons == ["stored", "disputed"]
    assert names(inbox.accepted) == []
    assert len(names(tmp_path / "disputed")) == 2


def test_a_body_older_than_the_replay_window_is_not_trusted(tmp_path: Path) -> None:
    now = DAY_ONE + timedelta(hours=73)
    inbox = Inbox(
        tmp_path,
        api_secret=SECRET,
        replay_window=timedelta(hours=72),
        clock=lambda: now,
    )
    assert inbox.receive(webhook("a1")).reason == "disputed"
    assert inbox.receive(webhook("a1", 0.1)).reason == "stored"
    assert inbox.receive(webhook("a2", timestamp="soon")).reason == "disputed"


# What junk costs


def test_a_long_body_without_a_fitting_checksum_is_never_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = webhook("a1", rows=2000)
    forged = webhook("a1", rows=2000, checksum="0" * 64)

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("parsed")

    with monkeypatch.context() as patch:
        patch.setattr(inbox_module, "parse", never)
        assert decide(forged, SECRET).status == 401
        assert decide(b"[" * 500_000, SECRET).status == 400
        many = b'{"checksum": "%s", "timestamp": "1"}' % (b"0" * 64)
        assert decide(many * 20_000, SECRET).status == 401
        with pytest.raises(AssertionError, match="parsed"):
            decide(long, SECRET)
    assert decide(long, SECRET) == (200, "stored", "2026-01-05")
    spread = webhook("a1", rows=2000, indent=4)
    assert decide(spread, SECRET).status == 200


def test_refused_bodies_are_bounded_in_bytes(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, api_secret=SECRET, keep_refused_bytes=1_000_000)
    for number in range(42):
        assert inbox.receive(b"%04d" % number + b"x" * 100_000).status == 400
    kept = sum(path.stat().st_size for path in (tmp_path / "refused").iterdir())
    assert 900_000 < kept <= 1_000_000
    again = Inbox(tmp_path, api_secret=SECRET, keep_refused_bytes=1_000_000)
    again.receive(b"more" + b"x" * 100_000)
    assert sum(p.stat().st_size for p in (tmp_path / "refused").iterdir()) == kept


def test_on_a_full_disk_junk_makes_room_for_a_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox(tmp_path, api_secret=SECRET)
    for number in range(3):
        inbox.receive(b"junk %d" % number)
    real = inbox_module.add_file

    def full(body: bytes, target: Path, **options: Any) -> None:
        if any((tmp_path / "refused").iterdir()):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(body, target, **options)

    monkeypatch.setattr(inbox_module, "add_file", full)
    assert inbox.receive(b"more junk").status == 400
    assert inbox.receive(webhook("a1")).reason == "stored"
    assert list((tmp_path / "refused").iterdir()) == []


def test_junk_is_not_kept_where_the_disk_is_nearly_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox(tmp_path, api_secret=SECRET)
    monkeypatch.setattr(inbox_module, "_measure_free_bytes", lambda _: 100)
    assert inbox.receive(b"x" * 1000) == (400, inbox.receive(b"x" * 1000).reason, None)


def test_a_folder_that_is_moved_away_is_made_again(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "in", api_secret=SECRET)
    inbox.receive(webhook("a1"))
    (inbox.accepted / "2026-01-05").rename(tmp_path / "archive")
    assert inbox.receive(webhook("a2")).reason == "stored"
    for name in ("seen", "incoming", "accepted"):
        shutil.rmtree(inbox.folder / name)
        assert inbox.receive(webhook(f"after {name}")).reason == "stored"
    true = fetch_body(webhook("a1"))
    inbox = Inbox(
        tmp_path / "fetching",
        api_secret=SECRET,
        fetch=lambda _, **__: hk.read_gateway(true, fetched_at=DAY_ONE),
    )
    for indent in (None, 1, 2):
        inbox.receive(webhook("a1", indent=indent))
        assert inbox.verify() == (1, 0, 0)
        shutil.rmtree(inbox.accepted)


# Fetches


def test_a_delivery_is_fetched_once_per_attempt_however_many_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetch(auth_id: str, /, **_: Any) -> hk.Loaded:
        asked.append(auth_id)
        raise SourceUnavailable("gateway", 503, None, "later")

    inbox = Inbox(tmp_path, api_secret=SECRET, fetch=fetch)
    verify = Verifying(inbox)
    for number in range(20):
        inbox.receive(webhook(f"a{number}"))
        verify()
        inbox.receive(webhook(f"a{number}"))  # the same again
        verify()
    assert len(asked) == 20
    wait = inbox.seconds_to_next()
    assert wait is not None
    assert 0 < wait <= 30
    soon = time.monotonic() + 31
    monkeypatch.setattr(inbox_module.time, "monotonic", lambda: soon)
    inbox.verify(due_only=True)
    inbox.verify(due_only=True)
    assert len(asked) == 40
    assert verify._timer is not None
    verify._timer.cancel()


def test_what_failed_is_tried_again_by_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_module, "_FIRST_WAIT", 0.05)
    body, asked = webhook("a1"), list[str]()

    def fetch(auth_id: str, /, **_: Any) -> hk.Loaded:
        asked.append(auth_id)
        if len(asked) < 3:
            raise SourceUnavailable("gateway", 503, None, "later")
        return hk.read_gateway(fetch_body(body), fetched_at=DAY_ONE)

    inbox = Inbox(tmp_path, api_secret=SECRET, fetch=fetch)
    inbox.receive(body)
    Verifying(inbox)()
    until = time.monotonic() + 10
    while not names(inbox.accepted) and time.monotonic() < until:
        time.sleep(0.05)
    assert len(names(inbox.accepted)) == 1
    assert len(asked) == 3


# The server


RECEIVER = """
import sys, resource
if sys.argv[3] != "0":
    limit = int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
from holdings_kit.clients import Inbox, serve, webhook_app
serve(webhook_app(Inbox(sys.argv[1], api_secret="sandbox_api_secret")),
      port=int(sys.argv[2]))
"""


def post(port: int, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/webhook", body)
        return connection.getresponse().status
    finally:
        connection.close()


def start(folder: Path, limit: int = 0) -> tuple[subprocess.Popen[str], int]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", RECEIVER, str(folder), str(port), str(limit)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    until = time.monotonic() + 150  # nothing is timed here: it only has to come up
    while True:
        try:
            post(port, b"up?")
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        else:
            return process, port


def hostile(port: int, number: int) -> socket.socket:
    """Silent, or with half a header, or with half a body."""
    made = socket.create_connection(("127.0.0.1", port), timeout=10)
    head = b"POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n"
    made.sendall((b"", head, head + b"\r\n{")[number % 3])
    return made


@pytest.mark.parametrize("addresses", [20, 1])
def test_two_thousand_strangers_do_not_stop_a_delivery(
    tmp_path: Path, addresses: int
) -> None:
    """The 99th percentile is for benchmarks/bench_strangers.py and a quiet machine."""
    process, port = start(tmp_path)
    words = ["--attack", port, "--connections", 2000, "--addresses", addresses]
    strangers = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bench_strangers", *map(str, words)],
        cwd=Path(bench_strangers.__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert strangers.stdout is not None
        assert strangers.stdout.readline() == "gathered\n"
        took, failed = bench_strangers.measure(port, "a", 2)
        did, _ = strangers.communicate("")
    finally:
        strangers.kill()
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert int(did.split()[2]) > 1000, "open at once"
    assert failed == 0
    assert sorted(took)[len(took) // 2] < 15, took  # on a machine that does other work
    assert said == ""


def test_the_oldest_of_the_peer_that_has_most_is_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Protocol(receiver._GuardedProtocol):
        _waiting: ClassVar[dict[str, dict[Any, None]]] = {}

        def __init__(self, peer: str) -> None:
            self.client, self.loop = (peer, 1), mock.Mock()
            self.transport: Any = mock.Mock()
            self._begin_to_wait()

    monkeypatch.setattr(receiver._GuardedProtocol, "most", 5)
    monkeypatch.setattr(receiver._GuardedProtocol, "_count", 0)
    quiet = Protocol("127.0.0.1")
    greedy = [Protocol("127.0.0.2") for _ in range(4)]
    assert not any(one.transport.abort.called for one in [quiet, *greedy])
    late = Protocol("127.0.0.3")
    cut = [one.transport.abort.called for one in [quiet, *greedy, late]]
    assert cut == [False, True, False, False, False, False]
    for one in [quiet, *greedy[1:], late]:
        one._stop_waiting()
    assert Protocol._waiting == {}
    assert receiver._GuardedProtocol._count == 0
    many = [Protocol("10.0.0.1") for _ in range(3)]
    monkeypatch.setattr(receiver, "_WAITING_PER_PEER", 3)
    last = Protocol("10.0.0.1")
    cut = [one.transport.abort.called for one in [*many, last]]
    assert cut == [True, False, False, False]


def test_many_refusals_wait_and_a_delivery_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = webhook_app(Inbox(tmp_path, api_secret=SECRET))
    ended: list[tuple[int, str]] = []

    async def ask_all() -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as ours:

            async def ask(name: str, body: bytes) -> None:
                answer = await ours.post("/webhook", content=body)
                ended.append((answer.status_code, name))

            await ask("free", b"junk")
            monkeypatch.setattr(receiver, "_FREE_REFUSALS", 0)
            async with asyncio.TaskGroup() as group:
                group.create_task(ask("held", b"more junk"))
                group.create_task(ask("held", webhook("f", checksum="0" * 64)))
                await asyncio.sleep(0.2)
                await ask("valid", webhook("a1"))

    monkeypatch.setattr(receiver, "_REFUSED_WAIT", 1.0)
    asyncio.run(ask_all())
    assert ended[:2] == [(400, "free"), (200, "valid")]
    assert sorted(ended[2:]) == [(400, "held"), (401, "held")]


def test_judging_keeps_nothing(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, api_secret=SECRET)
    assert inbox.judge(webhook("a1")).status == 200
    assert inbox.judge(b"junk").status == 400
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_it_works_with_few_descriptors(tmp_path: Path) -> None:
    process, port = start(tmp_path, limit=32)
    held: list[socket.socket] = []
    try:
        held.extend(hostile(port, number) for number in range(60))
        sent = [webhook(f"a{number}") for number in range(10)]
        answers = [post(port, body) for body in sent]
    finally:
        process.terminate()
        _, said = process.communicate(timeout=30)
        for one in held:
            one.close()
    assert answers == [200] * 10
    assert len(said.splitlines()) < 5


def test_who_sends_no_headers_is_cut_after_ten_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver._GuardedProtocol, "_header_seconds", 0.2)
    port = free_port()
    server = threading.Thread(target=_serve_quietly, args=[tmp_path, port], daemon=True)
    server.start()
    until = time.monotonic() + 20
    while True:
        try:
            silent = socket.create_connection(("127.0.0.1", port), timeout=5)
            break
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.02)
    with silent:
        begun = time.monotonic()
        with suppress(ConnectionError):
            assert silent.recv(1) == b""
        assert time.monotonic() - begun < 2
    assert receiver._HEADER_SECONDS == 10


def _serve_quietly(folder: Path, port: int) -> None:
    serve(webhook_app(Inbox(folder, api_secret=SECRET)), port=port)


def test_a_taken_port_is_said_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port} .*another receiver"):
            serve(webhook_app(Inbox(tmp_path, api_secret=SECRET)), port=port)


def test_a_disk_that_refuses_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from tests.store.test_receiver import ask

    inbox = Inbox(tmp_path, api_secret=SECRET)

    def full(_body: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(inbox, "receive", full)
    app = webhook_app(inbox)
    answers = {ask(app, content=webhook(f"a{n}")).status_code for n in range(20)}
    assert answers == {503}
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info is None
    assert json.loads(ask(app, content=b"x").content)["status"]


def test_a_window_needs_a_zone_nowhere(tmp_path: Path) -> None:
    """A timestamp without a zone is read as UTC."""
    inbox = Inbox(
        tmp_path,
        api_secret=SECRET,
        replay_window=timedelta(hours=1),
        clock=lambda: datetime(2026, 1, 5, 10, 30, tzinfo=UTC),
    )
    assert inbox.receive(webhook("a", timestamp="2026-01-05T10:00:00")).status == 200
