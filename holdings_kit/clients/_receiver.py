"""The inbox as a web application, to mount or to serve (`holdings-kit receive`)."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import resource
import socket
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from holdings_kit.clients._server_thread import open_socket
from holdings_kit.errors import ConfigError, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from holdings_kit.clients._inbox import Inbox, Verdict

_LOG = logging.getLogger(__name__)
_SMALL: Final = 64 << 10  # bytes that are judged without a thread
_BODY_SECONDS: Final = 30
_HEADER_SECONDS: Final = 10
_FILES: Final = 8192  # open files that it asks the system for, if its limit lets it
_WAITING: Final = 3000  # connections whose request is not whole; more have to go
_WAITING_PER_PEER: Final = 20  # of other machines; a proxy on this one is all peers
_QUEUE: Final = 4096  # connections that the system lets wait
_STORING: Final = 16  # bodies written to disk at the same time
_FREE_REFUSALS: Final = 20  # a second; who is refused beyond them gets to wait
_REFUSED_WAIT: Final = 2.0  # seconds
_QUIET_SECONDS: Final = 60  # a disk that refuses is logged so often at most


class _TooLargeError(Exception):
    """The body is longer than it may be."""


def webhook_app(
    inbox: Inbox, *, path: str = "/webhook", max_bytes: int = 8_000_000
) -> Starlette:
    """Make the ASGI application that receives webhooks into an inbox.

    Answers 200 once the delivery is on disk (also when it was there before), 400 to
    what is no webhook, 401 to a wrong checksum, 408 to a body that does not come, 413
    to one that is too long, 503 when the disk refuses: the sender then tries again. An
    inbox that has a `fetch` compares after the answer, in one background thread.
    Refusals go around the queue of those that are stored, and where many are refused
    they are answered two seconds later: a stream of junk slows itself down.

    Parameters
    ----------
    inbox
        Where deliveries go.
    path
        Route below the place where the application is mounted.
    max_bytes
        Longest body that is read.
    """
    verify = Verifying(inbox) if inbox.verifies else None
    storing = asyncio.Semaphore(min(_STORING, max(1, _count_spare_descriptors() // 8)))
    complain, refusals, keeping = _Quietly(), _Refusals(), asyncio.Lock()

    async def refuse(status: int, reason: str) -> JSONResponse:
        await refusals.slow_down()
        return _answer(status, reason)

    async def receive(request: Request) -> JSONResponse:
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await _read_bounded_body(request, max_bytes)
        except TimeoutError:
            return _answer(408, "the body did not come in time")
        except _TooLargeError:
            return await refuse(413, f"more than {max_bytes} bytes")
        verdict = await _judge_by_size(inbox, body)
        if verdict.status != HTTPStatus.OK:
            if not keeping.locked():  # a copy for a look, never a queue of them
                async with keeping:
                    with suppress(OSError):  # the answer is the same without a copy
                        await run_in_threadpool(inbox.receive, body)
            return await refuse(verdict.status, verdict.reason)
        try:
            async with storing:
                receipt = await run_in_threadpool(inbox.receive, body)
        except OSError as error:
            complain(f"a delivery could not be stored: {error}")
            return _answer(503, "could not be stored")
        answer = _answer(receipt.status, receipt.reason)
        if verify and receipt.reason == "stored":
            answer.background = BackgroundTask(verify)
        return answer

    return Starlette(routes=[Route(path, receive, methods=["POST"])])


async def _judge_by_size(inbox: Inbox, body: bytes) -> Verdict:
    """Judge a small body at once, a long one in a thread."""
    if len(body) > _SMALL:
        return await run_in_threadpool(inbox.judge, body)
    return inbox.judge(body)


class _Refusals:
    """Makes refusals wait where there are many; an answer at once is worth more."""

    def __init__(self) -> None:
        self._second, self._seen, self._held = 0, 0, 0
        self._most = max(1, min(_WAITING, _count_spare_descriptors()) // 3)

    async def slow_down(self) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._seen = second, 0
        self._seen += 1
        if self._seen <= _FREE_REFUSALS or self._held >= self._most:
            return
        self._held += 1
        try:
            await asyncio.sleep(_REFUSED_WAIT)
        finally:
            self._held -= 1


def check_host(host: str, *, allow_remote: bool) -> None:
    """Refuse to listen where other machines can reach, unless allowed.

    Raises
    ------
    ConfigError
        `host` is not loopback and `allow_remote` is false.

    Examples
    --------
    >>> check_host("127.0.0.1", allow_remote=False)
    >>> check_host("0.0.0.0", allow_remote=False)
    Traceback (most recent call last):
        ...
    holdings_kit.errors.ConfigError: 0.0.0.0 can be reached from other machines; ...
    """
    if not (host and _is_loopback(host)) and not allow_remote:
        raise ConfigError(
            f"{host} can be reached from other machines; holdings are personal data. "
            "Put a TLS proxy in front of 127.0.0.1, or allow it (--allow-remote)"
        )


def serve(
    app: ASGIApp, *, host: str = "127.0.0.1", port: int, allow_remote: bool = False
) -> None:
    """Serve the application until SIGINT or SIGTERM, on loopback unless allowed.

    Asks the system for up to 8192 open files, as far as the hard limit (``ulimit -Hn``)
    goes. Half of them may be connections whose request is not whole; where more wait,
    those of the peer that has most are cut, the oldest first.

    Raises
    ------
    ConfigError
        `host` is not loopback and `allow_remote` is false.
    """
    check_host(host, allow_remote=allow_remote)
    _raise_file_limit()
    _GuardedProtocol.most = max(2, min(_WAITING, _count_spare_descriptors() // 2))
    listening = open_socket(
        host,
        port,
        family=socket.AF_INET6 if ":" in host else socket.AF_INET,
        queue=_QUEUE,
        way_out="is another receiver running? name another port",
    )
    settings = uvicorn.Config(
        app,
        http=_GuardedProtocol,
        ws="none",
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
        backlog=max(1, min(100, _count_spare_descriptors() // 4)),
    )
    try:
        _Server(settings).run(sockets=[listening])
    finally:
        listening.close()


class _Server(uvicorn.Server):
    """Takes few connections at a time, and lets many queue.

    asyncio takes as many at once as the queue is long, more than a process with few
    descriptors can hold, and then takes none for a second.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(_QUEUE)


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _count_spare_descriptors() -> int:
    """Tell how many files and sockets may be open beside those of the process."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(4, min(soft, _FILES) - 20)


class _GuardedProtocol(H11Protocol):
    """Lets nobody hold a place without sending a request.

    A connection whose request is not whole waits. It has ten seconds for its headers
    and thirty for all; and where too many wait, the one that has waited longest of the
    peer that has most is cut. So silent strangers, however many, leave a place for who
    sends.
    """

    most: ClassVar[int] = 2
    _waiting: ClassVar[dict[str, dict[_GuardedProtocol, None]]] = {}  # the oldest first
    _count: ClassVar[int] = 0
    _peer: str | None = None  # where it waits under this name
    _header_seconds: ClassVar[float] = _HEADER_SECONDS
    _timers: tuple[asyncio.TimerHandle, ...] = ()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def _look(self) -> None:
        """Tell by the state of the request whether the connection waits."""
        cycle = cast("Any", self.cycle)
        if self.transport.is_closing():
            self._stop_waiting()
        elif cycle is None or cycle.response_complete:
            self._begin_to_wait()
        elif cycle.more_body:
            self._begin_to_wait()
            self._timers[0].cancel()  # the headers are there
        else:
            self._stop_waiting()

    def _begin_to_wait(self) -> None:
        if self._peer is not None:
            return
        self._peer = peer = self.client[0] if self.client else ""
        mine = self._waiting.setdefault(peer, {})
        mine[self] = None
        _GuardedProtocol._count += 1
        later = self.loop.call_later
        self._timers = (
            later(self._header_seconds, self.cut),
            later(_BODY_SECONDS + 2, self.cut),  # the application answers 408 before
        )
        if len(mine) > _WAITING_PER_PEER and not _is_loopback(peer):
            next(iter(mine)).cut()
        elif self._count > self.most:
            next(iter(max(self._waiting.values(), key=len))).cut()

    def cut(self) -> None:
        """Close the connection without a word."""
        self._stop_waiting()
        self.transport.abort()

    def _stop_waiting(self) -> None:
        if self._peer is None:
            return
        mine = self._waiting[self._peer]
        del mine[self]
        if not mine:
            del self._waiting[self._peer]
        _GuardedProtocol._count -= 1
        self._peer = None
        for timer in self._timers:
            timer.cancel()
        self._timers = ()


def _is_loopback(host: str) -> bool:
    try:
        return host in {"", "localhost"} or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Quietly:
    """Logs a failure that comes again and again once in a while."""

    def __init__(self) -> None:
        self._next, self._unsaid = 0.0, 0

    def __call__(self, words: str) -> None:
        now = time.monotonic()
        if now < self._next:
            self._unsaid += 1
            return
        more = f" (and {self._unsaid} more since)" if self._unsaid else ""
        _LOG.error("%s%s", printable(words), more)
        self._next, self._unsaid = now + _QUIET_SECONDS, 0


class Verifying:
    """Compares pending deliveries with a fetch, now and when the next is due.

    Parameters
    ----------
    inbox
        One with a `fetch`.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox, self._run = inbox, _run_one_at_a_time(self._verify_due)
        self._timer: threading.Timer | None = None

    def __call__(self) -> None:
        self._run()

    def _verify_due(self) -> None:
        self._inbox.verify(due_only=True)
        if self._timer is not None:
            self._timer.cancel()
        wait = self._inbox.seconds_to_next()
        if wait is not None:
            self._timer = threading.Timer(wait + 0.1, self)
            self._timer.daemon = True
            self._timer.start()


async def _read_bounded_body(request: Request, max_bytes: int) -> bytes:
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise _TooLargeError
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise _TooLargeError
    return bytes(body)


def _run_one_at_a_time(task: Callable[[], object]) -> Callable[[], None]:
    """Run a task once for all calls that come while it runs, never two at a time."""
    wanted, running = threading.Event(), threading.Lock()

    def run() -> None:
        wanted.set()
        while wanted.is_set() and running.acquire(blocking=False):
            try:
                wanted.clear()
                task()
            finally:
                running.release()

    return run


def _answer(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"status": reason}, status_code=status)
