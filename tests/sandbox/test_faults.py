"""Faults: the grammar, and what each does to an answer."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, strategies as st

from holdings_kit.errors import ConfigError
from holdings_kit.sandbox import parse_faults
from holdings_kit.sandbox._faults import TARGETS, Fault, Faults

PLAN = "holdings: 429*2, 500, truncate; webhook: late 24h, duplicate, bad checksum"


def test_the_plan_of_the_manual_reads_as_it_says() -> None:
    assert parse_faults(PLAN) == {
        "holdings": (Fault("429"), Fault("429"), Fault("500"), Fault("truncate")),
        "webhook": (
            Fault("late", timedelta(hours=24)),
            Fault("duplicate"),
            Fault("bad checksum"),
        ),
    }


@pytest.mark.parametrize(
    ("plan", "column", "words"),
    [
        ("holdings 429", 1, "no colon"),
        ("; holding: 429", 3, "unknown target 'holding'"),
        ("holdings: 429, 418", 16, "no fault '418'"),
        ("holdings: ", 11, "is not a fault"),
        ("holdings: 429,, 500", 15, "is not a fault"),
        ("holdings: 500*x", 11, "is not a fault"),
        ("holdings: 500 3s", 11, "no argument"),
        ("webhook: late soon", 10, "is not a duration"),
        ("webhook: late 1h 2h", 10, "one duration"),
        ("webhook: 500", 10, "knows no fault"),
        ("holdings: 429 after 3", 11, "retry-after 3s"),
        ("holdings: 429 retry-after", 11, "one duration"),
    ],
)
def test_a_wrong_plan_says_where(plan: str, column: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_faults(plan)
    assert str(caught.value).startswith(f"fault plan, column {column}: ")
    assert words in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_a_plan_or_a_config_error(text: str) -> None:
    try:
        parsed = parse_faults(text)
    except ConfigError:
        return
    assert set(parsed) <= set(TARGETS)


@given(
    st.lists(
        st.sampled_from([(t, n) for t, names in TARGETS.items() for n in names]),
        max_size=8,
    )
)
def test_faults_come_out_in_the_order_of_the_plan(pairs: list[tuple[str, str]]) -> None:
    faults = Faults("; ".join(f"{target}: {name}" for target, name in pairs))
    for target, name in pairs:
        taken = faults.take(target)
        assert (taken.name if taken else "ok") == name
    assert faults.left() == {}


def read(caller: Any) -> httpx.Response:
    return caller.http.get("/user/holdings", headers=caller.arrow())


def fetch(caller: Any) -> httpx.Response:
    return caller.holdings(caller.sb.token_for("asha"))


@pytest.fixture
def linked(caller: Any) -> Any:
    caller.imported("asha")
    return caller


@pytest.mark.parametrize("call", [read, fetch])
@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_refusal_comes_once_in_the_apis_manner(
    linked: Any, call: Any, status: int
) -> None:
    linked.sb.set_faults(f"holdings: {status}")
    reply = call(linked)
    said = reply.json()
    assert reply.status_code == status
    assert said.get("status") == "error" or said.get("success") is False
    assert "retry-after" not in reply.headers
    assert call(linked).status_code == 200


@pytest.mark.parametrize("call", [read, fetch])
def test_the_other_faults_do_what_they_say(linked: Any, call: Any) -> None:
    good = call(linked)
    linked.sb.set_faults(
        "holdings: 429 retry-after 3, 502, truncate, wrong type, empty, success false"
    )
    limited, gateway, short, html, empty, failed = (call(linked) for _ in range(6))
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "3")
    assert (gateway.status_code, gateway.headers["content-type"][:9]) == (
        502,
        "text/html",
    )
    assert short.status_code == 200
    assert good.content.startswith(short.content)
    with pytest.raises(json.JSONDecodeError):
        short.json()
    assert html.headers["content-type"].startswith("text/html")
    assert html.content == good.content
    assert not empty.json()["data"]
    assert failed.status_code == 200
    assert failed.json().get("success", failed.json().get("status")) in {False, "error"}
    assert call(linked).json() == good.json()


def test_a_cut_connection_is_a_transport_error(linked: Any) -> None:
    linked.sb.set_faults("holdings: cut")
    with pytest.raises(httpx.RemoteProtocolError):
        read(linked)
    assert read(linked).status_code == 200


def test_a_slow_body_arrives_whole_and_slowly(linked: Any) -> None:
    good = read(linked).content
    linked.sb.set_faults("holdings: slow 0.4s")
    start = time.monotonic()
    assert read(linked).content == good
    assert time.monotonic() - start >= 0.4


def test_a_timeout_keeps_the_client_waiting(linked: Any) -> None:
    linked.sb.set_faults("holdings: timeout")
    with pytest.raises(httpx.ReadTimeout):
        linked.http.get("/user/holdings", headers=linked.arrow(), timeout=0.3)
    linked.sb.set_faults("holdings: timeout 0.1s")
    assert read(linked).status_code == 504


def test_closing_does_not_wait_for_those_who_wait(caller: Any) -> None:
    caller.sb.set_faults("holdings: timeout 1h")
    with pytest.raises(httpx.ReadTimeout):
        caller.http.get("/user/holdings", headers=caller.arrow(), timeout=0.2)
    start = time.monotonic()
    caller.sb.close()
    assert time.monotonic() - start < 2


def test_a_target_of_one_source_leaves_the_other_alone(linked: Any) -> None:
    linked.sb.set_faults("gateway.holdings: 500")
    assert read(linked).status_code == 200
    assert fetch(linked).status_code == 500


@pytest.mark.parametrize(
    ("target", "call"),
    [
        ("create", lambda c: c.create()),
        ("transaction", lambda c: c.read(c.open())),
        ("limits", lambda c: c.http.get("/user/limits", headers=c.arrow())),
        ("quotes", lambda c: c.http.post("/info/quotes/ltp", headers=c.arrow())),
        ("candles", lambda c: c.http.get("/candle/NSE/1/day", headers=c.arrow())),
        ("instruments", lambda c: c.http.get("/all", headers=c.arrow())),
        ("login", lambda c: c.http.post("/auth/app/login")),
    ],
)
def test_every_call_is_a_target(caller: Any, target: str, call: Any) -> None:
    caller.sb.set_faults(f"{target}: 429")
    assert call(caller).status_code == 429
    assert call(caller).status_code != 429


def test_the_control_route_takes_and_shows_a_plan(caller: Any) -> None:
    post = caller.http.post
    reply = post("/_sandbox/faults", json={"plan": "holdings: 429*2, ok"})
    assert reply.json() == {"left": {"holdings": ["429", "429", "ok"]}}
    wrong = post("/_sandbox/faults", json={"plan": "holdings: tea"})
    assert wrong.status_code == 400
    assert "column 11" in wrong.json()["error"]
    left = caller.http.get("/_sandbox/faults").json()
    assert left == {"left": {"holdings": ["429", "429", "ok"]}}
