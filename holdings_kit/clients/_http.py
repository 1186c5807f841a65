"""The one place that talks HTTP: deadline, retries, limits, logs, no leaks.

Two doors, one for threads and one for an event loop, over the same decisions. Each
attempt is logged by the logger ``holdings_kit.calls`` with the fields ``source``,
``call`` (method and path), ``status`` (``None`` without an answer), ``duration``
(seconds) and ``error``: INFO where it succeeded, WARNING where not.

Whatever goes wrong is raised without the frames of the HTTP library: their variables
hold the headers, and a verbose traceback prints variables.
"""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeAlias, TypeVar, cast

from holdings_kit.clients._policy import (
    Refusal,
    Reply,
    check_base_url,
    judge,
    scrub,
    worth_a_retry,
)
from holdings_kit.errors import (
    ConfigError,
    HoldingsError,
    SourceError,
    SourceUnavailable,
    load_optional,
    readable,
)
from holdings_kit.wire import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping, Sequence

    import httpx
    import stamina

    from holdings_kit.clients._policy import Pace
else:
    httpx = load_optional("httpx")
    stamina = load_optional("stamina")

# Retries are logged for whoever listens; nobody has to see them on stderr.
logging.getLogger("stamina").addHandler(logging.NullHandler())
_LOG: Final = logging.getLogger("holdings_kit.calls")
_LOG.addHandler(logging.NullHandler())


_IDLE: Final = 10.0  # seconds without a byte before an attempt is given up, at most
_GZIP: Final = 16 + zlib.MAX_WBITS
_MEGABYTE: Final = 1 << 20


@readable
@dataclass(frozen=True, kw_only=True)
class Options:
    """How a client behaves on the wire; every client takes one.

    Parameters
    ----------
    timeout
        Seconds for a whole call, retries and waits included, however slowly the reply
        comes. One attempt gives up after
        a third of it, or ten seconds, without a byte.
    attempts
        Requests per call, at most.
    pace
        A rate limit, shared by all clients that hold it; waiting for it is not
        counted against `timeout`. ``None`` for none.
    max_bytes
        Larger replies, once unpacked, are refused; the instruments list has sixteen
        times as much.
    transport
        Replaces the network, for tests.
    plain_http_hosts
        Hosts beside this machine that may be asked over plain http, such as
        ``{"sandbox"}`` of a compose file. Secrets then travel in the clear: never a
        host beyond your own network.
    """

    timeout: float = 30.0
    attempts: int = 5
    pace: Pace | None = None
    max_bytes: int = 32 * _MEGABYTE
    transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None
    plain_http_hosts: Collection[str] = frozenset()

    def __post_init__(self) -> None:
        if not (self.timeout > 0 and self.attempts > 0 and self.max_bytes > 0):
            raise ConfigError("timeout, attempts and max_bytes are above zero")


DEFAULTS: Final = Options()


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to make; secrets in it do not show."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    content: bytes | None = field(default=None, repr=False)
    secrets: tuple[Secret, ...] = ()
    json_only: bool = True
    size_factor: int = 1
    door: int = 0


T = TypeVar("T")
Plan: TypeAlias = "Generator[Call | Callable[[], object], Any, T]"
"""What a client does, without doing it: yields calls and work, is sent what they give.

The same plan serves both kinds of client: `Session` takes its steps one by one,
`AsyncSession` awaits them.
"""


@dataclass(kw_only=True, eq=False, repr=False)
class _Door:
    """What the two HTTP doors share: addresses, secrets, what a reply means. No I/O.

    Parameters
    ----------
    source
        Name of the source, for errors and logs.
    base_url
        https, or http to this machine.
    refusal
        Reads the source's refusals.
    headers
        Sent with every request.
    options
        See `Options`.
    """

    source: str
    base_url: str
    refusal: Refusal
    headers: Mapping[str, Secret]
    options: Options

    def __post_init__(self) -> None:
        self.base_url = check_base_url(
            self.base_url, plain_http_hosts=self.options.plain_http_hosts
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source!r}, {self.base_url!r})"

    def _settings(self) -> dict[str, Any]:
        """Give what a client of the HTTP library is made with, of either kind."""
        return {
            "base_url": self.base_url,
            "follow_redirects": False,
            "trust_env": self.base_url.startswith("https"),
            "headers": {"accept-encoding": "gzip"},
            "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # keeps none
        }

    def _request(self, call: Call, deadline: _Deadline) -> dict[str, Any]:
        """Give what one request is made of."""
        headers = {**self.headers, **call.headers}
        return {
            "method": call.method,
            "url": call.path,
            "params": call.params,
            "content": call.content,
            "headers": {name: value.reveal() for name, value in headers.items()}
            | ({"content-type": "application/json"} if call.content else {}),
            "timeout": min(
                _IDLE, self.options.timeout / 3, max(deadline.left(), 0.001)
            ),
        }

    def _waits(self) -> dict[str, Any]:
        """Say how often, and after which waits, a call is tried again."""
        longest = min(2.0, self.options.timeout / 8)
        return {
            "attempts": self.options.attempts,
            "timeout": None,
            "wait_initial": longest / 16,
            "wait_max": longest,
            "wait_jitter": longest / 4,
        }

    def _hook(
        self, call: Call, deadline: _Deadline
    ) -> Callable[[Exception], bool | float]:
        """Tell after a failure whether there is reason, and time, to ask again."""
        longest = self._waits()["wait_max"]

        def ask_again(error: Exception) -> bool | float:
            again = worth_a_retry(error, safe=call.method == "GET")
            wait = longest if isinstance(again, bool) else again
            return again if wait < deadline.left() else False

        return ask_again

    def _explain_failure(self, error: Exception, call: Call) -> SourceError:
        """Make an error of the tree out of one of the HTTP library."""
        if isinstance(error, _UnwantedEncodingError):
            words = f"content-encoding {error} was not asked for"
            return SourceError(self.source, None, "encoding", words)
        said = scrub(str(error).encode(), self._secrets(call)).decode()
        words = said or "no answer"
        return SourceUnavailable(self.source, None, type(error).__name__, words)

    def _bound(self, call: Call) -> int:
        return self.options.max_bytes * call.size_factor

    def _accept(
        self, reply: Reply | None, failure: SourceError | None, call: Call, began: float
    ) -> bytes:
        """Give a reply's body, or raise what it stands for; either is logged."""
        error: HoldingsError | None = failure
        if reply is None and failure is None:
            bound = self._bound(call)
            words = f"the reply is larger than max_bytes allows, {bound} bytes"
            error = SourceError(self.source, None, "too_large", words)
        if reply is not None:
            error = judge(
                reply,
                source=self.source,
                refusal=self.refusal,
                secrets=self._secrets(call),
                json_only=call.json_only,
            )
        self._log_attempt(call, None if reply is None else reply.status, began, error)
        if error is not None:
            raise error
        return b"" if reply is None else reply.body

    def _log_attempt(
        self, call: Call, status: int | None, began: float, error: Exception | None
    ) -> None:
        """Log an attempt; neither a header nor what follows the path is named."""
        seconds = round(time.monotonic() - began, 6)
        facts: dict[str, object] = {
            "source": self.source,
            "call": f"{call.method} {call.path}",
            "status": status,
            "duration": seconds,
            "error": None if error is None else type(error).__name__,
        }
        shown = f"{status or 'no answer'} after {seconds:.3f} s"
        level = logging.INFO if error is None else logging.WARNING
        _LOG.log(level, "%s: %s: %s", self.source, facts["call"], shown, extra=facts)

    def _closed(self) -> ConfigError:
        return _ClosedError(f"this client of {self.source} is closed; make another one")

    def _secrets(self, call: Call) -> tuple[Secret, ...]:
        return (*self.headers.values(), *call.headers.values(), *call.secrets)


class Http(_Door):
    """A source's HTTP door: `Call` in, body out, or one error of the tree.

    Parameters
    ----------
    source, base_url, refusal, headers, options
        Name, address, reader of refusals, headers, `Options`.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._connections = [self._connect()]
        self.close = weakref.finalize(self, _close_all, self._connections)

    def _connect(self) -> httpx.Client:
        transport = cast("httpx.BaseTransport | None", self.options.transport)
        return httpx.Client(transport=transport, **self._settings())

    def send(self, call: Call) -> bytes:
        """Make a call, with retries, until it succeeds or the time is up.

        Raises
        ------
        SourceError
            The source refused or failed, or cannot be reached.
        WireError
            It answered 200 with something else than promised.
        ConfigError
            The client is closed.
        """
        deadline = _Deadline(self.options.timeout)
        retrying = stamina.RetryingCaller(**self._waits())
        return retrying(
            self._hook(call, deadline), partial(self._try_once, call, deadline)
        )

    def _try_once(self, call: Call, deadline: _Deadline) -> bytes:
        if self.options.pace is not None:
            deadline.extend(self.options.pace.wait())
        if not self.close.alive:
            raise self._closed()
        began = time.monotonic()
        reply = failure = None
        try:
            reply = self._in_time(call, deadline, self._bound(call))
        except (httpx.HTTPError, httpx.InvalidURL, _UnwantedEncodingError) as error:
            failure = self._explain_failure(error, call)
        except BaseException as error:  # an interrupt keeps its kind, not their frames
            error.__traceback__, error.__suppress_context__ = None, True
            raise
        return self._accept(reply, failure, call, began)

    def _in_time(self, call: Call, deadline: _Deadline, bound: int) -> Reply | None:
        """Do one request in a thread, and leave it when the time is up.

        The HTTP library counts time from byte to byte, so a source that sends one now
        and then would never end: nor does the look-up of a name. What is left behind
        ends with its connection, which is closed.
        """
        client = self._connections[-1]
        ended = SimpleQueue[Reply | BaseException | None]()

        def run() -> None:
            try:
                ended.put(self._exchange(client, call, deadline, bound))
            except BaseException as error:  # noqa: BLE001
                ended.put(error)

        Thread(target=run, name=f"{self.source}-call", daemon=True).start()
        try:
            outcome = ended.get(timeout=max(0.0, deadline.left()))
        except BaseException as error:  # Empty, or an interrupt
            self._connections.append(self._connect())
            self._connections.remove(client)
            _close_all([client])
            if isinstance(error, Empty):
                raise httpx.ReadTimeout("the reply was not complete in time") from None
            raise
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _exchange(
        self, client: httpx.Client, call: Call, deadline: _Deadline, bound: int
    ) -> Reply | None:
        """Do one request; ``None`` for a reply larger than `bound`."""
        with client.stream(**self._request(call, deadline)) as response:
            body = _Body(response, bound)
            for chunk in cast("httpx.SyncByteStream", response.stream):
                if not body.add(chunk):
                    return None
                if deadline.left() <= 0:
                    raise httpx.ReadTimeout("the reply was not complete in time")
            return body.reply()


class AsyncHttp(_Door):
    """The same door for an event loop, which it never holds up.

    Parameters
    ----------
    source, base_url, refusal, headers, options
        As for `Http`.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        transport = cast("httpx.AsyncBaseTransport | None", self.options.transport)
        self._client = httpx.AsyncClient(transport=transport, **self._settings())

    async def close(self) -> None:
        """Close the connections; a second call does nothing."""
        await self._client.aclose()

    async def send(self, call: Call) -> bytes:
        """Make a call, with retries, until it succeeds or the time is up.

        Raises
        ------
        SourceError, WireError, ConfigError
            As `Http.send`.
        """
        deadline = _Deadline(self.options.timeout)
        retrying = stamina.AsyncRetryingCaller(**self._waits())
        return await retrying(
            self._hook(call, deadline), partial(self._try_once, call, deadline)
        )

    async def _try_once(self, call: Call, deadline: _Deadline) -> bytes:
        if self.options.pace is not None:  # it waits in a thread
            deadline.extend(await asyncio.to_thread(self.options.pace.wait))
        if self._client.is_closed:
            raise self._closed()
        began = time.monotonic()
        reply = failure = None
        try:
            async with asyncio.timeout(max(0.0, deadline.left())):
                reply = await self._exchange(call, deadline, self._bound(call))
        except TimeoutError:
            late = httpx.ReadTimeout("the reply was not complete in time")
            failure = self._explain_failure(late, call)
        except (httpx.HTTPError, httpx.InvalidURL, _UnwantedEncodingError) as error:
            failure = self._explain_failure(error, call)
        except BaseException as error:  # a cancelled task too, without their frames
            error.__traceback__, error.__suppress_context__ = None, True
            raise
        return self._accept(reply, failure, call, began)

    async def _exchange(
        self, call: Call, deadline: _Deadline, bound: int
    ) -> Reply | None:
        """Do one request; ``None`` for a reply larger than `bound`."""
        async with self._client.stream(**self._request(call, deadline)) as response:
            body = _Body(response, bound)
            async for chunk in cast("httpx.AsyncByteStream", response.stream):
                if not body.add(chunk):
                    return None
            return body.reply()


class _Body:
    """A reply as it comes in, unpacked, up to a bound."""

    def __init__(self, response: httpx.Response, bound: int) -> None:
        self._response, self._bound = response, bound
        self._decode = _choose_decoder(response.headers.get("content-encoding", ""))
        self._bytes = bytearray()

    def add(self, chunk: bytes) -> bool:
        """Take a piece; ``False`` where the body is larger than the bound."""
        self._bytes += self._decode(chunk, self._bound + 1 - len(self._bytes))
        return len(self._bytes) <= self._bound

    def reply(self) -> Reply:
        """Give the whole reply."""
        found = self._response.headers
        return Reply(
            self._response.status_code,
            bytes(self._bytes),
            content_type=found.get("content-type", ""),
            retry_after=found.get("retry-after"),
            date=found.get("date"),
        )


class _ClosedError(ConfigError, RuntimeError):
    """A closed client was used; a `RuntimeError` too, as the HTTP library's is."""


class _UnwantedEncodingError(Exception):
    """The reply is packed in a way that was not asked for."""


def _choose_decoder(encoding: str) -> Callable[[bytes, int], bytes]:
    """Give the function that unpacks a piece of a reply, to so many bytes at most.

    What unpacks to more than is allowed is cut there, so a few bytes cannot fill the
    memory.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return lambda chunk, _: chunk
    if name not in {"gzip", "x-gzip"}:
        raise _UnwantedEncodingError(repr(encoding[:40]))
    member = zlib.decompressobj(_GZIP)

    def unpack(chunk: bytes, most: int) -> bytes:
        nonlocal member
        found = bytearray()
        try:
            while chunk and len(found) < most:
                if member.eof:  # another member follows
                    member = zlib.decompressobj(_GZIP)
                found += member.decompress(chunk, most - len(found))
                chunk = member.unconsumed_tail or member.unused_data
        except zlib.error as error:
            raise httpx.DecodingError(f"not gzip: {error}") from None
        return bytes(found)

    return unpack


def _close_all(connections: list[httpx.Client]) -> None:
    for client in connections:
        with suppress(RuntimeError, OSError, httpx.HTTPError):
            client.close()


class _Deadline:
    """The instant, on a clock of durations, when a call has to be over."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        return self._end - time.monotonic()

    def extend(self, seconds: float) -> None:
        self._end += seconds


D = TypeVar("D", bound=_Door)


class Doors(Generic[D]):
    """The doors of a client of either kind; a `Call` names one by its number."""

    _door: type[D]
    _doors: Sequence[D]

    def _open_doors(
        self,
        *urls: str,
        source: str,
        refusal: Refusal,
        headers: Mapping[str, Secret],
        options: Options,
    ) -> None:
        self._doors = [
            self._door(
                source=source,
                base_url=url,
                refusal=refusal,
                headers=headers,
                options=options,
            )
            for url in urls
        ]


class Session(Doors[Http]):
    """Connections and a clock; close it, or use it in a ``with``."""

    _door = Http

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        for door in self._doors:
            door.close()

    def _run(self, plan: Plan[T]) -> T:
        return take_steps(plan, self._doors)


class AsyncSession(Doors[AsyncHttp]):
    """The same for an event loop; close it, or use it in an ``async with``."""

    _door = AsyncHttp

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        for door in self._doors:
            await door.close()

    async def _run(self, plan: Plan[T]) -> T:
        return await await_steps(plan, self._doors)


def take_steps(plan: Plan[T], doors: Sequence[Http]) -> T:
    """Take the steps of a plan one after the other; gives what it comes to."""
    try:
        step = next(plan)
        while True:
            if isinstance(step, Call):
                step = plan.send(doors[step.door].send(step))
            else:
                step = plan.send(step())
    except StopIteration as done:
        return cast("T", done.value)


async def await_steps(plan: Plan[T], doors: Sequence[AsyncHttp]) -> T:
    """Await the steps of a plan; what is no call is work, and done in a thread."""
    try:
        step = next(plan)
        while True:
            if isinstance(step, Call):
                step = plan.send(await doors[step.door].send(step))
            else:
                step = plan.send(await asyncio.to_thread(step))
    except StopIteration as done:
        return cast("T", done.value)
