"""Deadline, retries, limits: what is asked again, and what never is."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from holdings_kit.clients import ArrowClient, GatewayClient, Options, Pace
from holdings_kit.clients._policy import (
    Reply,
    check_base_url,
    judge,
    retry_after_seconds,
)
from holdings_kit.errors import (
    AuthError,
    ConfigError,
    PermissionDenied,
    RateLimited,
    SourceError,
    SourceUnavailable,
    WireError,
)
from holdings_kit.wire import Secret, arrow_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Script

    Make = Callable[..., Script]

EMPTY = {"status": "success", "data": []}
LOGIN = {"status": "success", "data": {"token": "t", "userID": "A1"}}
CREATED = {"success": True, "data": {"transactionId": "TRX_1"}}
FAILED = {"status": "error", "message": "no", "errorCode": "X"}


def reply(status: int = 200, body: Any = EMPTY, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body, headers=named)


@pytest.mark.parametrize(
    "trouble",
    [
        reply(429, FAILED),
        reply(429, FAILED, retry_after="0"),
        reply(500, FAILED),
        reply(502, FAILED),
        httpx.Response(502, html="<html>bad gateway</html>"),
        httpx.Response(503, text=""),
        reply(200, {"status": "error", "errorCode": "INTERNAL_ERROR"}),
        httpx.Response(200, content=b'{"status": "success", "da'),
        httpx.Response(200, content=b""),
        httpx.Response(200, html="<html>log in to this network</html>"),
        httpx.ConnectError("no route"),
        httpx.ConnectTimeout("slow"),
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("cut"),
    ],
)
@pytest.mark.usefixtures("no_waits")
def test_a_get_outlives_trouble_that_passes(script: Make, trouble: Any) -> None:
    source = script(trouble, trouble, reply())
    assert source.arrow().holdings().snapshots.height == 1
    assert len(source.requests) == 3


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (reply(429, FAILED), RateLimited),
        (reply(500, FAILED), SourceUnavailable),
        (httpx.ReadTimeout("slow"), SourceUnavailable),
        (httpx.Response(200, content=b"{"), WireError),
    ],
)
@pytest.mark.usefixtures("no_waits")
def test_trouble_that_stays_is_raised_after_the_last_attempt(
    script: Make, trouble: Any, kind: type[Exception]
) -> None:
    source = script(trouble)
    with pytest.raises(kind):
        source.arrow(options=source.options(attempts=3)).holdings()
    assert len(source.requests) == 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, SourceError),
        (302, SourceError),
        (307, SourceError),
        (400, SourceError),
        (401, AuthError),
        (403, PermissionDenied),
        (404, SourceError),
        (405, SourceError),
        (409, SourceError),
        (418, SourceError),
    ],
)
@pytest.mark.usefixtures("no_waits")
def test_a_refusal_is_never_asked_again_and_a_redirect_never_followed(
    script: Make, status: int, kind: type[Exception]
) -> None:
    source = script(reply(status, FAILED, location="https://elsewhere.invalid/"))
    with pytest.raises(kind) as caught:
        source.arrow().holdings()
    assert type(caught.value) is kind
    assert len(source.requests) == 1


def _login(source: Script) -> object:
    return ArrowClient.login(
        app_id="app", app_secret="s", request_token="r", options=source.options()
    )


POSTS: list[tuple[Callable[[Script], object], dict[str, Any]]] = [
    (_login, LOGIN),
    (lambda source: source.gateway().create_import(), CREATED),
]


@pytest.mark.parametrize(("post", "good"), POSTS)
@pytest.mark.parametrize(
    "trouble",
    [
        reply(500, FAILED),
        reply(503, FAILED),
        httpx.Response(200, content=b"{"),
        httpx.ReadTimeout("slow"),
        httpx.WriteTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        httpx.RemoteProtocolError("cut"),
    ],
)
@pytest.mark.usefixtures("no_waits")
def test_a_post_that_may_have_been_carried_out_is_never_repeated(
    script: Make, post: Callable[[Any], object], good: Any, trouble: Any
) -> None:
    source = script(trouble, reply(200, good))
    with pytest.raises((SourceUnavailable, WireError)):
        post(source)
    assert len(source.requests) == 1


@pytest.mark.parametrize(("post", "good"), POSTS)
@pytest.mark.parametrize(
    "trouble",
    [
        reply(429, FAILED),
        httpx.ConnectError("no route"),
        httpx.ConnectTimeout("slow"),
        httpx.PoolTimeout("busy"),
    ],
)
@pytest.mark.usefixtures("no_waits")
def test_a_post_that_was_not_carried_out_is_repeated(
    script: Make, post: Callable[[Any], object], good: Any, trouble: Any
) -> None:
    source = script(trouble, reply(200, good))
    post(source)
    assert len(source.requests) == 2


def test_retry_after_is_waited_for(script: Make) -> None:
    source = script(reply(429, FAILED, retry_after="1"), reply())
    began = time.monotonic()
    source.arrow().holdings()
    assert 1.0 <= time.monotonic() - began < 5.0


def test_a_wait_beyond_the_deadline_is_not_begun(script: Make) -> None:
    source = script(reply(429, FAILED, retry_after="3600"))
    began = time.monotonic()
    with pytest.raises(RateLimited) as caught:
        source.arrow().holdings()
    assert time.monotonic() - began < 5.0
    assert caught.value.retry_after == 3600
    assert len(source.requests) == 1


@pytest.mark.parametrize(
    ("value", "sent_at", "seconds"),
    [
        (None, None, None),
        ("7", None, 7),
        (" 7 ", None, 7),
        ("-7", None, None),
        ("soon", None, None),
        ("Mon, 05 Jan 2026 10:01:00 GMT", "Mon, 05 Jan 2026 10:00:00 GMT", 60),
        ("Mon, 05 Jan 2026 09:00:00 GMT", "Mon, 05 Jan 2026 10:00:00 GMT", 0),
        ("Mon, 05 Jan 2026 10:01:00 GMT", None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(
    value: str | None, sent_at: str | None, seconds: float | None
) -> None:
    assert retry_after_seconds(value, sent_at=sent_at) == seconds


class _Drip(httpx.SyncByteStream):
    """A body that never ends."""

    def __init__(self, chunk: bytes, pause: float) -> None:
        self._chunk, self._pause = chunk, pause

    def __iter__(self) -> Iterator[bytes]:
        while True:
            time.sleep(self._pause)
            yield self._chunk


def test_a_body_that_drips_for_ever_ends_at_the_deadline(script: Make) -> None:
    source = script(lambda _: httpx.Response(200, stream=_Drip(b" ", 0.02)))
    began = time.monotonic()
    with pytest.raises(SourceUnavailable, match="not complete in time"):
        source.arrow(options=source.options(timeout=0.3)).holdings()
    assert time.monotonic() - began < 2.0


def test_the_deadline_covers_all_attempts_together(script: Make) -> None:
    source = script(reply(500, FAILED))
    began = time.monotonic()
    with pytest.raises(SourceUnavailable):
        source.arrow(options=source.options(timeout=0.5, attempts=1000)).holdings()
    assert time.monotonic() - began < 2.0
    assert len(source.requests) > 1


def test_a_reply_without_end_is_refused_at_its_bound_and_once(script: Make) -> None:
    source = script(lambda _: httpx.Response(200, stream=_Drip(b"x" * 4096, 0)))
    with pytest.raises(SourceError, match="65536 bytes") as caught:
        source.arrow(options=source.options(max_bytes=1 << 16)).holdings()
    assert caught.value.code == "too_large"
    assert len(source.requests) == 1


def test_a_compressed_bomb_is_bounded_by_what_it_unfolds_to(script: Make) -> None:
    import gzip

    bomb = gzip.compress(b" " * (64 << 20))
    packed = {"content-encoding": "gzip"}
    source = script(lambda _: httpx.Response(200, content=bomb, headers=packed))
    with pytest.raises(SourceError, match="max_bytes"):
        source.arrow().holdings()


def test_json_under_a_wrong_content_type_is_read(script: Make) -> None:
    body = b'{"status": "success", "data": []}'
    wrong = {"content-type": "text/html"}
    source = script(httpx.Response(200, content=body, headers=wrong))
    assert source.arrow().holdings().snapshots.height == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://edge.arrow.trade",
        "http://127.0.0.1.evil.invalid",
        "ftp://edge.arrow.trade",
        "edge.arrow.trade",
        "",
        "https://user:pass@edge.arrow.trade",
        "https://edge.arrow.trade/?x=1",
        "https://edge.arrow.trade/#x",
        "https:///path",
    ],
)
def test_secrets_travel_by_https_or_not_at_all(url: str) -> None:
    with pytest.raises(ConfigError):
        check_base_url(url)
    with pytest.raises(ConfigError):
        ArrowClient(app_id="a", token="t", base_url=url)


@pytest.mark.parametrize(
    "url",
    ["https://edge.arrow.trade", "http://localhost:8000", "http://[::1]:8000/arrow"],
)
def test_https_and_this_machine_are_fine(url: str) -> None:
    assert check_base_url(url) == url


def test_a_base_url_may_have_a_path(script: Make) -> None:
    source = script(reply())
    source.arrow(base_url="https://proxy.invalid/arrow/").holdings()
    assert str(source.requests[0].url) == "https://proxy.invalid/arrow/user/holdings"


@pytest.mark.parametrize("secret", ["", "a b", "token\n", "tök"])
def test_a_secret_no_header_can_carry_is_refused_without_showing_it(
    secret: str,
) -> None:
    for make in (
        lambda: ArrowClient(app_id="a", token=secret),
        lambda: GatewayClient(gateway="g", api_secret=secret, shared_secret="s"),
    ):
        with pytest.raises(ConfigError) as caught:
            make()
        assert not secret or repr(secret)[1:-1] not in str(caught.value)


@pytest.mark.parametrize(
    "options", [{"timeout": 0}, {"attempts": 0}, {"max_bytes": 0}, {"timeout": -1}]
)
def test_options_that_allow_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Options(**options)


def test_a_pace_holds_all_who_share_it() -> None:
    from concurrent.futures import ThreadPoolExecutor

    pace = Pace(per_second=10)

    def turn(_: int) -> float:
        pace.wait()
        return time.monotonic()

    with ThreadPoolExecutor(4) as pool:
        turns = sorted(pool.map(turn, range(25)))
    # ten in any window of a second, whoever asks; clocks tick in milliseconds
    spans = [late - early for early, late in zip(turns, turns[10:], strict=False)]
    assert min(spans) > 0.95
    assert turns[-1] - turns[0] < 8


def test_waiting_for_the_pace_is_not_taken_from_the_deadline(script: Make) -> None:
    source = script(reply())
    client = source.arrow(options=source.options(pace=Pace(per_second=1), timeout=0.5))
    client.holdings()
    assert client.holdings().snapshots.height == 1  # more than a second later


def test_retries_count_against_the_pace(script: Make) -> None:
    source = script(reply(500, FAILED), reply())
    began = time.monotonic()
    source.arrow(options=source.options(pace=Pace(per_second=1))).holdings()
    assert time.monotonic() - began > 0.9


def test_words_that_repeat_a_secret_are_cleared_of_it() -> None:
    body = b'{"status": "error", "message": "bad token sesame", "errorCode": "X"}'
    error = judge(
        Reply(400, body),
        source="arrow",
        refusal=arrow_refusal,
        secrets=[Secret("sesame")],
    )
    assert isinstance(error, SourceError)
    assert error.message == "bad token hidden"


def test_a_retry_is_logged_without_arguments(
    script: Make, caplog: pytest.LogCaptureFixture
) -> None:
    source = script(reply(500, FAILED), reply())
    with caplog.at_level(logging.DEBUG):
        source.arrow().holdings()
    scheduled = [one for one in caplog.records if one.name == "stamina"]
    assert len(scheduled) == 1
    assert scheduled[0].__dict__["stamina.args"] == ()
