"""Planted secrets are looked for in every place a secret could come to light.

The markers stand for every kind of secret. What is searched: reprs, messages, pickles,
all logs at DEBUG (those of the HTTP libraries too), plain tracebacks, IPython's verbose
tracebacks, which print the variables of every frame, and what a notebook displays.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import traceback
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

import httpx
import polars as pl
import pytest
from IPython.core.formatters import DisplayFormatter
from IPython.core.ultratb import VerboseTB

import holdings_kit as hk
from holdings_kit.clients import ArrowClient, GatewayClient, Inbox, Options
from holdings_kit.clients._inbox import decide
from holdings_kit.errors import HoldingsError
from holdings_kit.read import pseudonymize
from holdings_kit.sandbox import serve
from holdings_kit.schema import BASKETS, HOLDINGS, LISTINGS, REJECTS, SNAPSHOTS, empty
from holdings_kit.wire import (
    Secret,
    arrow_checksum,
    arrow_redirect_checksum,
    matching_secret,
    mint_token,
    parse_import_result,
    parse_transaction,
    split_events,
    verify_token,
    webhook_checksum,
    webhook_checksum_ok,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

MARK = "mArKeR"
HELD = {  # plain texts live here, so that no frame of the test holds them by name
    "arrow": f"arrow-token-{MARK}",
    "app_secret": f"app-secret-{MARK}",
    "request": f"request-token-{MARK}",
    "api": f"api-secret-{MARK}",
    "shared": f"shared-secret-{MARK}",
    "user": f"head.body-{MARK}.tail",
}
AUTH_ID = "64b7f0c2a1d3e4f5a6b7c8d9"


def ours(frames: TracebackType | None) -> TracebackType | None:
    """Leave out the frames before the first one of the package."""
    while frames and "tests/clients" in frames.tb_frame.f_code.co_filename:
        frames = frames.tb_next
    return frames


class Places:
    """Everything that was shown, and where."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str]] = []

    def add(self, place: str, text: str) -> None:
        self.shown.append((place, text))

    def error(self, place: str, error: BaseException) -> None:
        """Note all an error shows; the frames of the tests, which hold HELD, aside."""
        assert error.__cause__ is None, "the cause's frames are of the HTTP library"
        assert error.__context__ is None or error.__suppress_context__
        error.__traceback__ = ours(error.__traceback__)
        self.add(f"{place}: str", f"{error} {error!r} {error.args}")
        self.add(f"{place}: facts", repr(vars(error)))
        kind, frames = type(error), error.__traceback__
        self.add(f"{place}: traceback", "".join(traceback.format_exception(error)))
        while frames is not None:
            self.add(f"{place}: frames", repr(frames.tb_frame.f_locals))
            frames = frames.tb_next
        captured = traceback.TracebackException.from_exception(
            error, capture_locals=True
        )
        self.add(f"{place}: traceback with locals", "".join(captured.format()))
        verbose = VerboseTB(theme_name="nocolor", include_vars=True)
        text = verbose.text(kind, error, error.__traceback__, 9)
        self.add(f"{place}: verbose", text)

    def leaks(self) -> list[str]:
        return [f"{place}: {text[:3000]}" for place, text in self.shown if MARK in text]


@pytest.fixture
def places(caplog: pytest.LogCaptureFixture) -> Iterator[Places]:
    found = Places()
    with caplog.at_level(logging.DEBUG):
        yield found
    for record in caplog.records:
        found.add(f"log {record.name}", f"{record.getMessage()} {vars(record)}")
    assert found.shown
    assert found.leaks() == []


def arrow(options: Options, url: str = "https://edge.arrow.trade") -> ArrowClient:
    return ArrowClient(
        app_id="app",
        token=HELD["arrow"],
        account_id="A1",
        base_url=url,
        options=options,
    )


def gateway(
    options: Options, url: str = "https://gatewayapi.smallcase.com"
) -> GatewayClient:
    return GatewayClient(
        gateway="demo",
        api_secret=HELD["api"],
        shared_secret=HELD["shared"],
        base_url=url,
        options=options,
    )


def login(options: Options, url: str = "https://edge.arrow.trade") -> ArrowClient:
    return ArrowClient.login(
        app_id="app",
        app_secret=HELD["app_secret"],
        request_token=HELD["request"],
        base_url=url,
        options=options,
    )


CALLS: dict[str, Callable[[Options, str], object]] = {
    "arrow": lambda options, url: arrow(options, url).holdings(),
    "limits": lambda options, url: arrow(options, url).limits(),
    "instruments": lambda options, url: arrow(options, url).instruments(),
    "login": login,
    "create": lambda options, url: gateway(options, url).create_import(),
    "transaction": lambda options, url: gateway(options, url).transaction("TRX_1"),
    "gateway": lambda options, url: gateway(options, url).holdings(AUTH_ID),
    "refresh": lambda options, url: gateway(options, url).refresh(AUTH_ID),
}


GIVE_TOKENS = ("login", "transaction")  # the calls whose replies hold a secret


def echo(request: httpx.Request) -> httpx.Response:
    """A refusal that repeats all it was sent."""
    said = " ".join([*request.headers.values(), request.content.decode()])
    body = {"status": "error", "message": said, "success": False, "errors": [said]}
    return httpx.Response(400, json=body)


def token_inside(request: httpx.Request) -> httpx.Response:
    """A success of the wrong shape, with a user's token in it."""
    inner = {"smallcaseAuthToken": HELD["user"], "token": HELD["user"]}
    data = {"transactionDetails": {"success": inner, "status": 7}, **inner}
    return httpx.Response(200, json={"success": True, "data": {"data": data}})


def cut(request: httpx.Request) -> httpx.Response:
    body = f'{{"success": true, "data": {{"smallcaseAuthToken": "{HELD["user"]}'
    return httpx.Response(200, content=body.encode())


def interrupted(request: httpx.Request) -> httpx.Response:
    raise KeyboardInterrupt


def cancelled(request: httpx.Request) -> httpx.Response:
    raise asyncio.CancelledError


def broken(request: httpx.Request) -> httpx.Response:
    said = " ".join(request.headers.values())
    raise httpx.RemoteProtocolError(f"illegal header in {said}")


FAILURES = [
    *((call, answer) for call in CALLS for answer in (echo, interrupted, broken)),
    *((call, cancelled) for call in CALLS),
    *((call, answer) for call in GIVE_TOKENS for answer in (token_inside, cut)),
]


@pytest.mark.parametrize(("call", "answer"), FAILURES)
def test_no_failure_shows_a_secret(
    call: str, answer: Callable[[httpx.Request], httpx.Response], places: Places
) -> None:
    options = Options(transport=httpx.MockTransport(answer), attempts=2, timeout=1)
    url = "https://source.invalid"
    try:
        CALLS[call](options, url)
    except (HoldingsError, KeyboardInterrupt, asyncio.CancelledError) as error:
        places.error(f"{call} {answer.__name__}", error)
    else:
        pytest.fail("the call did not fail")


@contextlib.contextmanager
def deaf_server(reply: bytes) -> Iterator[str]:
    """A real socket: says `reply` to whoever connects, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with peer:
                        peer.recv(65536)
                        peer.sendall(reply)

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx",
        b"HTTP/1.1 307 Go\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 502 Bad\r\ncontent-type: text/html\r\ncontent-length: 1\r\n\r\n<",
    ],
)
def test_no_failure_of_the_wire_shows_a_secret(
    call: str, reply: bytes, places: Places
) -> None:
    with deaf_server(reply) as url:
        try:
            CALLS[call](Options(attempts=2, timeout=3), url)
        except HoldingsError as error:
            places.error(f"{call} over a socket", error)
        else:
            pytest.fail("the call did not fail")


@pytest.mark.parametrize("call", CALLS)
def test_no_connection_shows_no_secret(call: str, places: Places) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(HoldingsError) as caught:
        CALLS[call](Options(attempts=2, timeout=1), url)
    places.error(call, caught.value)


def test_no_client_shows_a_secret(places: Places) -> None:
    answer = httpx.Response(200, json={"data": {"token": HELD["user"]}})
    options = Options(transport=httpx.MockTransport(lambda _: answer))
    clients = [arrow(options), gateway(options), login(options)]
    for client in clients:
        formats, _ = DisplayFormatter().format(client)
        places.add("display", f"{client} {client!r} {formats}")
        inner = {name: repr(value) for name, value in vars(client).items()}
        places.add("insides", f"{inner} {vars(client)}")
        places.add("http", repr(vars(client._doors[0])["headers"]))
    places.add("token", f"{clients[1].token()!r}")  # type: ignore[union-attr]


def _raise(*_: object, **__: object) -> None:
    raise KeyboardInterrupt  # it may come at any line


def _replaced(place: str) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """Let what a function calls first, behind its own frame, be interrupted."""

    @contextlib.contextmanager
    def patch() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(place, _raise)
            yield

    return patch


FRAMES = (SNAPSHOTS, HOLDINGS, LISTINGS, BASKETS, REJECTS)
EMPTY = hk.Loaded(*(empty(schema) for schema in FRAMES))
DAY = datetime(2026, 1, 5, tzinfo=UTC)
TAKE_SECRETS: dict[str, tuple[str, Callable[[], object]]] = {
    "read_webhooks": (
        "holdings_kit.read._payloads.find_dumps",
        lambda: hk.read_webhooks("x", api_secret=HELD["api"]),
    ),
    "scan_webhooks": (
        "holdings_kit.store._scan.find_dumps",
        lambda: hk.scan_webhooks("x", into=hk.Store("x"), api_secret=HELD["api"]),
    ),
    "redact": (
        "holdings_kit.read._redact._hash_names",
        lambda: hk.redact(EMPTY, HELD["api"]),
    ),
    "pseudonymize": (
        "holdings_kit.read._redact._hash_names",
        lambda: pseudonymize(EMPTY, HELD["api"]),
    ),
    "Inbox": (
        "holdings_kit.clients._inbox.make_folder",
        lambda: Inbox("/nowhere", api_secret=HELD["api"]),
    ),
    "decide": (
        "holdings_kit.clients._inbox.parse",
        lambda: decide(b"{}", HELD["api"]),
    ),
    "webhook_checksum_ok": (
        "holdings_kit.wire._signing.webhook_checksum",
        lambda: webhook_checksum_ok(
            {"timestamp": "1", "checksum": "", "smallcaseAuthId": "a"}, HELD["api"]
        ),
    ),
    "matching_secret": (
        "holdings_kit.wire._signing.webhook_checksum",
        lambda: matching_secret(
            {"timestamp": "1", "checksum": "", "smallcaseAuthId": "a"}, [HELD["api"]]
        ),
    ),
    "webhook_checksum": (
        "hmac.new",
        lambda: webhook_checksum(HELD["api"], timestamp="", subject=""),
    ),
    "arrow_checksum": (
        "hashlib.sha256",
        lambda: arrow_checksum("a", HELD["app_secret"], HELD["request"]),
    ),
    "arrow_redirect_checksum": (
        "hashlib.sha256",
        lambda: arrow_redirect_checksum("a", HELD["request"]),
    ),
    "split_events": (
        "holdings_kit.wire._events._read_event",
        lambda: split_events(
            pl.DataFrame([("f", 1, "", b"{}")], REJECTS, orient="row"),
            api_secret=HELD["api"],
        ),
    ),
    "mint_token": (
        "holdings_kit.wire._tokens._load_signer",
        lambda: mint_token(HELD["shared"]),
    ),
    "verify_token": (
        "holdings_kit.wire._tokens._check_proof",
        lambda: verify_token(HELD["user"], HELD["shared"], now=DAY),
    ),
    "ArrowClient": (
        "holdings_kit.clients._http.check_base_url",
        lambda: ArrowClient(app_id="a", token=HELD["arrow"]),
    ),
    "GatewayClient": (
        "holdings_kit.clients._http.check_base_url",
        lambda: gateway(Options()),
    ),
    "AsyncArrowClient": (
        "holdings_kit.clients._http.check_base_url",
        lambda: hk.AsyncArrowClient(app_id="a", token=HELD["arrow"]),
    ),
    "AsyncGatewayClient": (
        "holdings_kit.clients._http.check_base_url",
        lambda: hk.AsyncGatewayClient(
            gateway="g", api_secret=HELD["api"], shared_secret=HELD["shared"]
        ),
    ),
    "AsyncArrowClient.login": (
        "holdings_kit.clients._async.AsyncHttp",
        lambda: hk.AsyncArrowClient.login(
            app_id="a", app_secret=HELD["app_secret"], request_token=HELD["request"]
        ).send(None),
    ),
    "ArrowClient.login": (
        "holdings_kit.clients._arrow_plans.arrow_checksum",
        lambda: login(Options()),
    ),
    "GatewayClient.auth_id": (
        "holdings_kit.clients._gateway_plans.verify_token",
        lambda: gateway(Options()).auth_id(HELD["user"]),
    ),
}


def _take_secrets() -> Iterator[str]:
    """Name every public function, class and method with an argument for a secret."""
    for room in ("read", "store", "clients", "wire", "sandbox", "market", "display"):
        module = import_module(f"holdings_kit.{room}")
        for name in module.__all__:
            if inspect.isclass(found := getattr(module, name)):
                inner = {
                    f"{name}.{method}": getattr(found, method)
                    for method in vars(found)
                    if not method.startswith("_")
                }
            else:
                inner = {}
            for place, function in ({name: found} | inner).items():
                if not callable(function):
                    continue
                with contextlib.suppress(ValueError, TypeError):
                    asked = inspect.signature(function).parameters.values()
                    kinds = [str(each.annotation) for each in asked]
                    if any("str | Secret" in it or "Secrets" in it for it in kinds):
                        yield place


def test_every_function_that_takes_a_secret_hides_it_at_once(
    places: Places,
) -> None:
    hidden_already = {"Secret", "as_secrets", "split_events"}
    assert set(_take_secrets()) - hidden_already <= set(TAKE_SECRETS)
    for name, (behind, call) in TAKE_SECRETS.items():
        with _replaced(behind)(), pytest.raises(KeyboardInterrupt) as caught:
            call()
        frames = ours(caught.value.__traceback__)
        assert frames is not None, name
        inner = frames
        while inner.tb_next and inner.tb_next.tb_next:
            inner = inner.tb_next
        inner.tb_next = None  # the stand-in, which may be given what a library needs
        places.error(name, caught.value)


@pytest.mark.parametrize("make", [arrow, gateway])
@pytest.mark.parametrize("copied", [pickle.dumps, copy.deepcopy])
def test_no_client_is_copied_with_its_secrets(
    make: Callable[[Options], object], copied: Callable[[object], object]
) -> None:
    with pytest.raises(TypeError):
        copied(make(Options()))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ArrowClient(app_id="a", token=HELD["arrow"] + "\n"),
        lambda: ArrowClient(app_id="a b", token=HELD["arrow"]),
        lambda: ArrowClient(app_id="a", token=HELD["arrow"], base_url="http://x.y"),
        lambda: GatewayClient(
            gateway="g", api_secret=HELD["api"] + "\t", shared_secret=HELD["shared"]
        ),
        lambda: GatewayClient(
            gateway="g", api_secret=HELD["api"], shared_secret=HELD["api"]
        ),
        lambda: GatewayClient(
            gateway="", api_secret=HELD["api"], shared_secret=HELD["shared"]
        ),
        lambda: mint_token(HELD["shared"], auth_id=""),
        lambda: ArrowClient.login(
            app_id="a",
            app_secret=HELD["app_secret"],
            request_token=f"https://x.y/?request-token={HELD['request']}&checksum=0",
        ),
        lambda: verify_token(
            mint_token(HELD["shared"]), HELD["api"], now=arrow(Options())._clock()
        ),
        lambda: parse_import_result({"transaction": "ORDER", "data": HELD["user"]}),
        lambda: parse_import_result(
            {"success": False, "data": json.dumps({"smallcaseAuthToken": HELD["user"]})}
        ),
        lambda: parse_transaction({"data": {"smallcaseAuthToken": HELD["user"]}}),
        lambda: webhook_checksum_ok({}, Secret("")),
    ],
)
def test_no_wrong_call_shows_a_secret(
    make: Callable[[], object], places: Places
) -> None:
    options = Options(transport=httpx.MockTransport(echo))
    try:
        make()
        arrow(options).holdings()
    except HoldingsError as error:
        places.error("a wrong call", error)


def test_no_url_and_no_log_of_a_good_flow_shows_a_secret(places: Places) -> None:
    asked: list[str] = []

    class Noted(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(str(request.url))
            return super().handle_request(request)

    options = Options(transport=Noted())
    with serve(seed=7) as sb:
        facts: dict[str, Any] = {"base_url": sb.base_url, "clock": sb.now}
        with ArrowClient.login(
            app_id=sb.app_id,
            app_secret=sb.app_secret,
            request_token=sb.request_token("sample"),
            options=options,
            **facts,
        ) as client:
            client.holdings()
        secrets = [sb.app_secret, sb.api_secret, sb.shared_secret]
        partner = GatewayClient(
            gateway=sb.gateway,
            api_secret=sb.api_secret,
            shared_secret=sb.shared_secret,
            options=Options(transport=Noted()),
            **facts,
        )
        with partner:
            started = partner.create_import()
            kite = next(one for one in sb.personas.values() if one.broker == "kite")
            sb.play(started.transaction_id, persona=kite.key)
            token = partner.transaction(started.transaction_id).auth_token
            assert token is not None
            loaded = partner.holdings(kite.auth_id)
        secrets.append(token.reveal())
        sb.set_faults("arrow.holdings: 401")
    assert len(asked) == 5
    shown = " ".join(asked) + " ".join(str(frame.rows()) for frame in loaded)
    for secret in secrets:
        assert secret not in shown
    places.add("urls", shown)


NOTEBOOK = """
import logging, os
import holdings_kit as hk
from holdings_kit.wire import Secret
logging.basicConfig(level=logging.DEBUG)
get_ipython().run_line_magic("xmode", "Verbose")
token = Secret(os.environ["TOKEN"])
shared, api = Secret(os.environ["SHARED"]), Secret(os.environ["API"])
url = os.environ["URL"]
---
arrow = hk.ArrowClient(app_id="app", token=token, account_id="A1", base_url=url)
arrow
---
arrow.holdings()
---
gateway = hk.GatewayClient(
    gateway="g", api_secret=api, shared_secret=shared, base_url=url
)
gateway
---
gateway.create_import()
---
hk.ArrowClient.login(app_id="a", app_secret=api, request_token=token, base_url=url)
---
gateway.auth_id(token)
"""


def test_a_notebook_with_verbose_tracebacks_keeps_no_secret(tmp_path: Path) -> None:
    from nbformat import v4

    cells = [v4.new_code_cell(cell.strip()) for cell in NOTEBOOK.split("---")]
    path = tmp_path / "leak.ipynb"
    path.write_text(json.dumps(v4.new_notebook(cells=cells)))
    command = [sys.executable, "-m", "jupyter", "execute", "--allow-errors"]
    refused = b"HTTP/1.1 401 No\r\ncontent-length: 2\r\n\r\n{}"
    with deaf_server(refused) as url:
        places = {"HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path), "URL": url}
        secrets = {"TOKEN": HELD["user"], "SHARED": HELD["shared"], "API": HELD["api"]}
        done = subprocess.run(
            [*command, "--inplace", str(path)],
            env={**os.environ, **places, **secrets},
            capture_output=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr.decode()
    outputs = json.loads(path.read_text())["cells"]
    kinds = [
        out["ename"] for cell in outputs for out in cell["outputs"] if "ename" in out
    ]
    assert kinds == ["AuthError", "AuthError", "AuthError", "SignatureError"]
    assert b"Secret(hidden)" in path.read_bytes()  # variables were shown indeed
    searched = [one for one in tmp_path.rglob("*") if one.is_file()]
    assert path in searched
    for one in searched:
        assert MARK.encode() not in one.read_bytes(), one
    assert MARK.encode() not in done.stdout + done.stderr


def test_the_search_would_find_a_leak() -> None:
    found = Places()
    error = ValueError("no secret in here")
    namespace: dict[str, Any] = {"error": error}
    source = "def leaky(secret):\n    if secret:\n        raise error"
    exec(compile(source, "leaky.py", "exec"), namespace)
    with pytest.raises(ValueError, match="no secret"):
        namespace["leaky"](HELD["api"])
    found.error("leaky", error)
    places = {leak.split(":")[1].strip() for leak in found.leaks()}
    assert {"traceback with locals", "verbose", "frames"} <= places
