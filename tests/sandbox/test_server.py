"""The server: loopback only, quiet, in a notebook's loop, and gone when closed."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import httpx
import pytest

from holdings_kit import sandbox
from holdings_kit.errors import ConfigError

QUIET = """
import gc, threading, urllib.request
from holdings_kit import sandbox
for _ in range(3):
    with sandbox.serve() as sb:
        urllib.request.urlopen(sb.url + "/_sandbox/personas").close()
gc.collect()
print(threading.active_count(), sb.clock)
"""


def test_threads_and_sockets_are_gone_after_the_block() -> None:
    before = threading.active_count()
    with sandbox.serve() as sb:
        httpx.get(f"{sb.url}/_sandbox/personas")
    gc.collect()
    assert threading.active_count() == before
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(sb.url.rsplit(":", 1)[1]))) != 0


def test_a_sandbox_says_nothing_on_either_stream() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", QUIET],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "1 Clock(2026-01-05T04:45:00.000Z, speed=0)\n"
    # asyncio itself says in dev mode which step took 0.1 s: a busy machine's word
    said = [line for line in done.stderr.splitlines() if " took " not in line]
    assert said == []


def test_it_is_served_beside_a_running_event_loop() -> None:
    async def cell() -> int:
        with sandbox.serve() as sb:
            async with httpx.AsyncClient() as client:
                reply = await client.get(f"{sb.url}/_sandbox/personas")
            return reply.status_code

    assert asyncio.run(cell()) == 200


def test_closing_twice_is_closing_once() -> None:
    sb = sandbox.serve()
    sb.close()
    sb.close()


def test_two_sandboxes_do_not_know_each_other() -> None:
    with sandbox.serve(seed=1) as one, sandbox.serve(seed=2) as two:
        assert one.url != two.url
        assert one.api_secret != two.api_secret
        headers = {"appID": one.app_id, "token": one.arrow_token("asha")}
        replies = [
            httpx.get(f"{sb.url}/user/holdings", headers=headers) for sb in (one, two)
        ]
    assert [reply.status_code for reply in replies] == [200, 401]


def test_the_same_seed_and_clock_answer_the_same_bytes() -> None:
    def answers() -> list[bytes]:
        with sandbox.serve(seed=5) as sb:
            sb.advance(days=12)
            headers = {"appID": sb.app_id, "token": sb.arrow_token("asha")}
            return [
                httpx.get(f"{sb.url}{path}", headers=headers).content
                for path in ("/user/holdings", "/user/limits", "/all")
            ]

    assert answers() == answers()


def test_a_taken_port_is_a_config_error() -> None:
    with sandbox.serve() as sb:
        port = int(sb.url.rsplit(":", 1)[1])
        with pytest.raises(ConfigError, match="cannot listen"):
            sandbox.serve(port=port)


def test_no_secret_shows_in_a_repr(caller: Any) -> None:
    sb = caller.sb
    shown = f"{sb!r} {sb.__dict__['_world'].credentials!r}"
    for secret in (sb.api_secret, sb.shared_secret, sb.app_secret):
        assert secret not in shown


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"host": "evil.example"}, {"origin": "null"}],
)
def test_pages_from_elsewhere_are_turned_away(
    caller: Any, headers: dict[str, str]
) -> None:
    plan = {"plan": "holdings: 500"}
    reply = caller.http.post("/_sandbox/faults", json=plan, headers=headers)
    assert reply.status_code in {400, 403}
    assert caller.http.get("/_sandbox/faults").json() == {"left": {}}


@pytest.mark.parametrize("speed", ["nan", "inf", "-inf", "-1"])
def test_a_clock_runs_at_no_speed_that_is_no_number(caller: Any, speed: str) -> None:
    reply = caller.http.post("/_sandbox/clock", json={"speed": speed})
    assert reply.status_code == 400
    assert caller.http.get("/_sandbox/clock").json()["speed"] == 0


def test_a_page_on_this_machine_may_read_it(caller: Any) -> None:
    origin = "http://localhost:8888"
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    before = caller.http.options("/scdk/trigger", headers=asked)
    assert before.status_code == 200
    assert before.headers["access-control-allow-origin"] == origin
    script = caller.http.get("/scdk/2.0.0/scdk.js", headers={"origin": origin})
    assert script.headers["access-control-allow-origin"] == origin
    assert script.headers["content-type"].startswith("text/javascript")


def test_a_body_of_megabytes_is_refused(caller: Any) -> None:
    reply = caller.http.post("/_sandbox/faults", content=b"x" * (1 << 20) + b"y")
    assert reply.status_code == 413
    assert caller.http.post("/_sandbox/faults", content=b"{").status_code == 400


def test_a_crowd_is_served_without_an_import() -> None:
    with sandbox.serve(crowd=500) as sb, httpx.Client(base_url=sb.url) as http:
        assert len(sb.personas) == 511
        path, seen = f"/v1/{sb.gateway}/engine/user/holdings", set[bytes]()
        for key in ("crowd000000", "crowd000499"):
            headers = {
                "x-gateway-secret": sb.api_secret,
                "x-gateway-authtoken": sb.token_for(key),
            }
            reply = http.get(path, params={"version": "v2"}, headers=headers)
            assert reply.status_code == 200
            seen.add(reply.content)
    assert len(seen) == 2


def test_an_unknown_persona_lists_the_known(caller: Any) -> None:
    with pytest.raises(ConfigError, match="there are asha, asha2"):
        caller.sb.arrow_token("nobody")
    reply = caller.http.get("/_sandbox/arrow/access?persona=nobody")
    assert reply.status_code == 404


def test_an_error_path_keeps_its_apis_manner(caller: Any) -> None:
    said = {
        path: caller.http.get(path).json()
        for path in ("/v1/x", "/gateway/x", "/_sandbox/x", "/scdk/x", "/x")
    }
    assert {path: sorted(body) for path, body in said.items()} == {
        "/v1/x": ["data", "errors", "success"],
        "/gateway/x": ["data", "errors", "success"],
        "/_sandbox/x": ["error"],
        "/scdk/x": ["error"],
        "/x": ["errorCode", "message", "status"],
    }


def test_calls_are_counted_and_held_to_the_published_rate() -> None:
    with sandbox.serve(rate_limit=10) as sb, httpx.Client(base_url=sb.url) as http:
        sb._world.throttle._ticks = lambda: 5.0  # all within one second, however slow
        headers = {"appID": sb.app_id, "token": sb.arrow_token("sample")}
        replies = [http.get("/user/limits", headers=headers) for _ in range(12)]
        other = http.get("/user/holdings", headers=headers)
        counted = http.get("/_sandbox/calls").json()
    assert [reply.status_code for reply in replies] == [200] * 10 + [429] * 2
    assert replies[-1].headers["retry-after"] == "1"
    assert other.status_code == 200
    assert counted == {"arrow.holdings": 1, "limits": 12} == sb.calls()


def test_a_rate_below_one_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="rate_limit is 0"):
        sandbox.serve(rate_limit=0)


def test_threads_that_ask_at_once_live_the_same_life() -> None:
    with sandbox.serve(seed=3) as sb:
        sb.advance(days=60)
        headers = {"appID": sb.app_id, "token": sb.arrow_token("bela")}
        replies: list[bytes] = []

        def ask() -> None:
            reply = httpx.get(f"{sb.url}/user/holdings", headers=headers)
            replies.append(reply.content)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
            sb.play(_opened(sb), persona="asha")
        for thread in threads:
            thread.join()
        assert len(set(replies)) == 1
        assert len(replies) == 8


def _opened(sb: sandbox.Sandbox) -> str:
    made = httpx.post(f"{sb.url}/_sandbox/try").json()
    return made["transactionId"]


def test_an_answer_does_not_wait_for_the_network_to_gather_more() -> None:
    with sandbox.serve() as sb, httpx.Client(base_url=sb.url) as http:
        quick, until = 0, time.monotonic() + 60  # a busy machine has quick moments
        while quick < 40 and time.monotonic() < until:
            start = time.perf_counter()
            http.get("/_sandbox/clock")
            quick += time.perf_counter() - start < 0.035
    assert quick == 40  # a delayed acknowledgement takes 40 ms, but for the first few


def test_only_the_allowed_origins_may_use_it_from_a_page() -> None:
    with sandbox.serve(origins=["http://localhost:3000/"]) as sb:

        def ask(origin: str) -> httpx.Response:
            body = {"gateway": sb.gateway, "smallcaseAuthToken": "x"}
            headers = {"origin": origin} if origin else {}
            return httpx.post(f"{sb.url}/scdk/init", json=body, headers=headers)

        allowed = "access-control-allow-origin"
        known = ask("http://localhost:3000")
        assert known.headers[allowed] == "http://localhost:3000"
        assert [ask(origin).status_code for origin in ("", sb.url)] == [200, 200]
        for origin in ("http://localhost:3001", "http://127.0.0.1:3000", "null"):
            refused = ask(origin)
            assert allowed not in refused.headers
            assert refused.status_code == (200 if origin == "null" else 403)
        page = httpx.get(f"{sb.url}/connect/TRX_0/choose")
        assert "'self' http://localhost:3000" in page.headers["content-security-policy"]
    for wrong in ("localhost:3000", "http://localhost:3000/path", "*"):
        with pytest.raises(ConfigError, match="no origin"):
            sandbox.serve(origins=[wrong])


def test_it_listens_and_answers_where_it_is_told_to() -> None:
    with sandbox.serve(host="0.0.0.0", allow_hosts=["Broker"]) as sb:
        path = f"{sb.url}/_sandbox/personas"
        assert sb.url.startswith("http://127.0.0.1:")
        assert httpx.get(path, headers={"host": "broker:8400"}).status_code == 200
        assert httpx.get(path, headers={"host": "other"}).status_code == 400
        sb.register_webhook("http://broker:8000/hook")
        with pytest.raises(ConfigError, match="allow_hosts"):
            sb.register_webhook("http://other:8000/hook")
