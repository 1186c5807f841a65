"""A source that means harm: it costs a bounded time and a bounded memory."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from holdings_kit.clients import ArrowClient, Options
from holdings_kit.clients._policy import retry_after_seconds
from holdings_kit.errors import (
    HoldingsError,
    RateLimited,
    SourceError,
    SourceUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Script

    Make = Callable[..., Script]

EMPTY = b'{"status": "success", "data": []}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@pytest.fixture
def listening() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Serve raw bytes: a function of the connection, run for each."""
    stop, opened = threading.Event(), list[socket.socket]()

    def serve(answer: Callable[[socket.socket], None]) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        opened.append(server)

        def run() -> None:
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                opened.append(connection)
                threading.Thread(target=talk, args=[connection], daemon=True).start()

        def talk(connection: socket.socket) -> None:
            try:
                connection.recv(65536)
                answer(connection)
                connection.close()
            except OSError:
                return

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}"

    yield serve
    stop.set()
    for one in opened:
        one.close()


def drip_headers(connection: socket.socket) -> None:
    connection.sendall(HEAD)
    for number in range(600):
        connection.sendall(b"x-%d: y\r\n" % number)
        time.sleep(0.05)


def drip_one_header(connection: socket.socket) -> None:
    for byte in HEAD + b"x: " + b"y" * 600:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def drip_empty_blocks(connection: socket.socket) -> None:
    """Empty gzip blocks decode to nothing, for ever."""
    packer = zlib.compressobj(wbits=31)
    connection.sendall(HEAD + b"content-encoding: gzip\r\n\r\n" + packer.compress(b" "))
    for _ in range(600):
        connection.sendall(packer.flush(zlib.Z_FULL_FLUSH) or b"\0\0\0\xff\xff")
        time.sleep(0.02)


def flood_empty_members(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"content-encoding: gzip\r\n\r\n")
    until, empty = time.monotonic() + 20, gzip.compress(b"") * 500
    while time.monotonic() < until:
        connection.sendall(empty)


def drip_body(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"\r\n")
    for _ in range(600):
        connection.sendall(b" ")
        time.sleep(0.05)


def say_nothing(_: socket.socket) -> None:
    time.sleep(20)


@pytest.mark.parametrize(
    "answer",
    [
        drip_headers,
        drip_one_header,
        drip_empty_blocks,
        flood_empty_members,
        drip_body,
        say_nothing,
    ],
)
def test_timeout_is_that_of_the_whole_call(
    listening: Callable[..., str], answer: Callable[[socket.socket], None]
) -> None:
    options = Options(timeout=1.0, attempts=3)
    url = listening(answer)
    with ArrowClient(
        app_id="a", token="t", account_id="A", base_url=url, options=options
    ) as client:
        begun = time.monotonic()
        with pytest.raises(SourceUnavailable):
            client.holdings()
        assert time.monotonic() - begun < 1.6


def packed(body: bytes, *wbits: int) -> bytes:
    for bits in wbits:
        packer = zlib.compressobj(9, wbits=bits)
        body = packer.compress(body) + packer.flush()
    return body


def raw(body: bytes, encoding: str) -> httpx.Response:
    return httpx.Response(
        200,
        stream=httpx.ByteStream(body),
        headers={"content-encoding": encoding, "content-type": "application/json"},
    )


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (packed(bytes(40_000_000), 31), "gzip"),
        (packed(bytes(1000), 31) * 9000, "gzip"),
        (packed(bytes(40_000_000), 31, 31), "gzip, gzip"),
        (packed(bytes(40_000_000), 15), "deflate"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"\x0b", "br"),
        (packed(EMPTY, 31, 31), "gzip,gzip"),
        (EMPTY, "nonsense"),
    ],
)
def test_max_bytes_is_of_what_is_unpacked_and_other_encodings_are_refused(
    script: Make, body: bytes, encoding: str
) -> None:
    source = script(raw(body, encoding))
    options = source.options(max_bytes=1_000_000)
    tracemalloc.start()
    with pytest.raises(SourceError, match=r"max_bytes|was not asked for"):
        source.arrow(options=options).holdings()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12_000_000
    assert len(source.requests) == 1


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (packed(EMPTY, 31), "gzip"),
        (packed(EMPTY, 31), "X-GZIP"),
        (packed(EMPTY[:9], 31) + packed(EMPTY[9:], 31), "gzip"),
        (EMPTY, "identity"),
        (EMPTY, ""),
    ],
)
def test_what_was_asked_for_is_read(script: Make, body: bytes, encoding: str) -> None:
    assert script(raw(body, encoding)).arrow().holdings().snapshots.height == 1


@pytest.mark.usefixtures("no_waits")
def test_what_is_not_gzip_is_asked_for_again(script: Make) -> None:
    source = script(raw(b"not gzip", "gzip"), raw(EMPTY, ""))
    assert source.arrow().holdings().snapshots.height == 1


NONSENSE = [
    "",
    " ",
    "-1",
    "+5",
    "1e400",
    "nan",
    "inf",
    "9" * 400,
    "9" * 5000,
    "٣",
    "²",
    "120, 60",
    "Mon, 05 Jan 2026 10:00:30",
    "Mon, 05 Jan 99999 10:00:30 GMT",
    "Mon, 05 Jan 0001 00:00:00 +2359",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Mon, 05 Jan 2026 10:00:30 +99999999999999",
    "Mon, 99 Foo 2026 99:99:99 GMT",
    "05",
    ",",
    "Mon,",
    "\x00",
    "a" * 100_000,
]


@pytest.mark.parametrize("value", NONSENSE)
def test_a_wait_of_any_nonsense_is_none_or_finite(value: str) -> None:
    for sent in ("Mon, 05 Jan 2026 10:00:00 GMT", *NONSENSE, None):
        found = retry_after_seconds(value, sent_at=sent)
        assert found is None or 0 <= found < float("inf")


@pytest.mark.parametrize(
    "value", [v for v in NONSENSE if v.isascii() and "\0" not in v]
)
@pytest.mark.usefixtures("no_waits")
def test_a_refusal_with_nonsense_stays_in_the_tree(script: Make, value: str) -> None:
    headers = {"retry-after": value, "date": "Mon, 05 Jan 2026 10:00:00 GMT"}
    source = script(httpx.Response(429, json={"status": "error"}, headers=headers))
    with pytest.raises(RateLimited):
        source.arrow(options=source.options(attempts=2)).holdings()


def test_cookies_are_not_carried(script: Make) -> None:
    cookie = {"set-cookie": "session=secret; Path=/"}
    source = script(httpx.Response(200, content=EMPTY, headers=cookie))
    client = source.arrow()
    client.holdings()
    client.holdings()
    assert [request.headers.get("cookie") for request in source.requests] == [None] * 2


def test_a_number_of_ten_thousand_digits_is_named_for_what_it_is(script: Make) -> None:
    row: dict[str, Any] = {"symbols": [{"exchange": "NSE", "tradingSymbol": "SBIN-EQ"}]}
    text = str(row).replace("'", '"')[:-1] + ', "qty": ' + "9" * 10_000 + "}"
    body = b'{"status": "success", "data": [%s]}' % text.encode()
    source = script(httpx.Response(200, content=body))
    try:
        said = source.arrow().holdings().snapshots["status_reason"].item() or ""
        said += str(source.arrow().holdings().rejects["reason"].to_list())
    except HoldingsError as error:
        said = str(error)
    assert "not JSON" not in said
    assert "qty" in said
    assert len(source.requests) <= 2
