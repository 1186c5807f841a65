"""Webhooks: the documented body, retries in virtual time, every fault."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

import holdings_kit as hk
from holdings_kit import sandbox
from holdings_kit.wire import webhook_checksum_ok

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Inbox:
    """A sender that keeps what it is given and answers as told."""

    def __init__(self, *answers: int) -> None:
        self.answers, self.bodies = list(answers), list[dict[str, Any]]()

    def __call__(self, url: str, body: bytes) -> int:
        assert url == "http://127.0.0.1:9/hook"
        self.bodies.append(json.loads(body))
        return self.answers.pop(0) if self.answers else 200

    @property
    def ids(self) -> list[str]:
        return [body["transactionId"] for body in self.bodies]


@contextmanager
def listening(inbox: Inbox, faults: str = "") -> Iterator[tuple[sandbox.Sandbox, Any]]:
    url = "http://127.0.0.1:9/hook"
    with sandbox.serve(seed=7, faults=faults, webhook_url=url, sender=inbox) as sb:
        yield sb, importer(sb)


def importer(sb: sandbox.Sandbox) -> Any:
    import httpx

    from holdings_kit.wire import mint_token

    def run(persona: str) -> str:
        reply = httpx.post(
            f"{sb.url}/gateway/{sb.gateway}/transaction",
            json={"intent": "HOLDINGS_IMPORT", "version": "v2", "notes": "n"},
            headers={
                "x-gateway-secret": sb.api_secret,
                "x-gateway-authtoken": mint_token(sb.shared_secret),
            },
        )
        made = reply.json()["data"]["transactionId"]
        sb.play(made, persona=persona)
        return made

    return run


def test_the_body_is_flat_signed_and_readable(tmp_path: Path) -> None:
    inbox = Inbox()
    with listening(inbox) as (sb, run):
        made, secret = run("asha"), sb.api_secret
    (body,) = inbox.bodies
    assert body["transactionId"] == made
    assert {"success", "data", "updating"}.isdisjoint(body)
    assert webhook_checksum_ok(body, secret)
    dump = tmp_path / "dump.json"
    dump.write_text(json.dumps(body))
    read = hk.read_webhooks([str(dump)], api_secret=secret)
    assert read.snapshots.select("checksum_ok", "transaction_id", "notes").row(0) == (
        True,
        made,
        "n",
    )
    assert read.holdings.height == 10


def test_a_failed_delivery_comes_again_after_15_minutes_a_day_and_two() -> None:
    inbox = Inbox(500, 500, 503, 500)
    with listening(inbox) as (sb, run):
        run("asha")
        seen = [len(inbox.bodies)]
        for step in (
            {"minutes": 14},
            {"minutes": 1},
            {"hours": 23},
            {"minutes": 45},
            {"hours": 23},
            {"hours": 1},
            {"days": 30},
        ):
            sb.advance(**step)
            seen.append(len(inbox.bodies))
        (delivery,) = sb.deliveries()
    assert seen == [1, 1, 2, 2, 3, 3, 4, 4]
    assert (delivery["status"], delivery["answers"]) == (
        "failed",
        ["500", "500", "503", "500"],
    )
    assert all(body == inbox.bodies[0] for body in inbox.bodies)


def test_a_retry_that_is_taken_is_the_last() -> None:
    inbox = Inbox(500)
    with listening(inbox) as (sb, run):
        run("asha")
        sb.advance(days=5)
        assert sb.deliveries()[0]["status"] == "delivered"
    assert len(inbox.bodies) == 2


def test_an_old_snapshot_can_arrive_after_a_newer_one() -> None:
    inbox = Inbox(500)
    with listening(inbox) as (sb, run):
        first = run("asha")
        sb.advance(minutes=10)
        second = run("asha")
        sb.advance(minutes=10)
    assert inbox.ids == [first, second, first]
    dates = [body["snapshotDate"] for body in inbox.bodies]
    assert dates[2] < dates[1]


def test_planned_faults_fall_on_one_delivery_each() -> None:
    inbox = Inbox()
    plan = "webhook: missing, late 24h, duplicate, bad checksum"
    with listening(inbox, plan) as (sb, run):
        ids = [run(who) for who in ("asha", "bela", "chirag", "divya", "farid")]
        assert inbox.ids == [ids[2], ids[2], ids[3], ids[4]]
        sb.advance(hours=24)
        assert inbox.ids[4:] == [ids[1]]
        good = [webhook_checksum_ok(body, sb.api_secret) for body in inbox.bodies]
        shown = {one["transactionId"]: one["status"] for one in sb.deliveries()}
    assert good == [True, True, False, True, True]
    assert shown[ids[0]] == "missing"


def test_a_reordered_delivery_comes_after_the_next() -> None:
    inbox = Inbox()
    with listening(inbox, "webhook: reorder") as (_sb, run):
        ids = [run("asha"), run("bela"), run("chirag")]
    assert inbox.ids == [ids[1], ids[0], ids[2]]


def test_a_reordered_delivery_with_no_next_comes_within_the_hour() -> None:
    inbox = Inbox()
    with listening(inbox, "webhook: reorder") as (sb, run):
        only = run("asha")
        assert inbox.ids == []
        sb.advance(hours=1)
    assert inbox.ids == [only]


def test_deliveries_are_readable_whether_or_not_somebody_listens(caller: Any) -> None:
    caller.imported("asha")
    (shown,) = caller.http.get("/_sandbox/webhooks").json()
    assert shown["status"] == "unregistered"
    assert webhook_checksum_ok(shown["body"], caller.sb.api_secret)


def test_a_url_is_registered_over_http_and_stays_on_this_machine(caller: Any) -> None:
    post = caller.http.post
    wrong = post("/_sandbox/webhook", json={"url": "https://example.com/hook"})
    assert wrong.status_code == 400
    assert "this machine only" in wrong.json()["error"]
    url = {"url": "http://127.0.0.1:9/hook"}
    assert post("/_sandbox/webhook", json=url).json() == url
    caller.imported("asha")
    assert caller.sb.deliveries()[0]["answers"] == ["ConnectionRefusedError"]
    assert caller.http.delete("/_sandbox/webhook").json() == {"url": None}


def test_the_real_sender_posts_json_over_http() -> None:
    seen: list[tuple[str, str, bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            kind = self.headers["Content-Type"]
            seen.append((self.path, kind, self.rfile.read(size)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/hook?a=1"
        with sandbox.serve(webhook_url=url) as sb:
            importer(sb)("asha")
            assert sb.deliveries()[0]["answers"] == ["204"]
        server.shutdown()
    assert seen[0][:2] == ("/hook?a=1", "application/json")
    assert json.loads(seen[0][2])["broker"] == "kite"


@pytest.mark.parametrize("text", ["http://", "ftp://127.0.0.1/", "http://10.0.0.1/"])
def test_only_plain_http_on_this_machine(text: str) -> None:
    with sandbox.serve() as sb, pytest.raises(hk.HoldingsError, match="this machine"):
        sb.register_webhook(text)
