"""The web application: every answer, and where it listens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import holdings_kit as hk
from benchmarks.deliveries import DAY_ONE, SECRET, fetch_body, webhook
from holdings_kit.clients import Inbox, check_host, serve, webhook_app
from holdings_kit.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def ask(app: Starlette, *, path: str = "/webhook", **call: Any) -> httpx.Response:
    async def _ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as ours:
            return await ours.request(url=path, **{"method": "POST", **call})

    return asyncio.run(_ask())


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path, api_secret=SECRET)


def test_every_answer(inbox: Inbox) -> None:
    app = webhook_app(inbox, max_bytes=20_000)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 1_000

    answers = {
        "new": ask(app, content=webhook("a1")),
        "again": ask(app, content=webhook("a1")),
        "forged": ask(app, content=webhook("a1", checksum="00")),
        "junk": ask(app, content=b"junk"),
        "long": ask(app, content=b" " * 20_001),
        "long, unannounced": ask(app, content=chunks()),
        "get": ask(app, method="GET"),
    }
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "new": 200,
        "again": 200,
        "forged": 401,
        "junk": 400,
        "long": 413,
        "long, unannounced": 413,
        "get": 405,
    }
    assert answers["again"].json() == {"status": "known"}
    assert len(list(inbox.accepted.rglob("*.json"))) == 1


def test_a_disk_that_refuses_is_503(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_body: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(inbox, "receive", full)
    assert ask(webhook_app(inbox), content=webhook("a1")).status_code == 503


def test_a_mounted_inbox_compares_after_the_answer(tmp_path: Path) -> None:
    body = webhook("a1")

    def fetch(_account: str, /, **_shape: Any) -> hk.Loaded:
        return hk.read_gateway(fetch_body(body), fetched_at=DAY_ONE)

    inbox = Inbox(tmp_path, api_secret=SECRET, fetch=fetch)
    outer = Starlette(routes=[Mount("/hooks", app=webhook_app(inbox, path="/in"))])
    assert ask(outer, path="/hooks/in", content=body).status_code == 200
    assert len(list(inbox.accepted.rglob("*.json"))) == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.com", ""])
def test_it_does_not_listen_to_others_unless_told(inbox: Inbox, host: str) -> None:
    with pytest.raises(ConfigError, match="other machines"):
        serve(webhook_app(inbox), host=host, port=0)
    check_host(host, allow_remote=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_is_fine(host: str) -> None:
    check_host(host, allow_remote=False)
