"""The one place that talks HTTP: deadline, retries, limits, no leaks.

Whatever goes wrong is raised without the frames of the HTTP library: their variables
hold the headers, and a verbose traceback prints variables.
"""

from __future__ import annotations

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
from typing import TYPE_CHECKING, Final, Self, cast

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
    SourceError,
    SourceUnavailable,
    load_optional,
)
from holdings_kit.wire import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    import httpx
    import stamina

    from holdings_kit.clients._policy import Pace
    from holdings_kit.market._freshness import Clock
else:
    httpx = load_optional("httpx")
    stamina = load_optional("stamina")

__all__ = ["Call", "Http", "Options", "Session"]


# Retries are logged for whoever listens; nobody has to see them on stderr.
logging.getLogger("stamina").addHandler(logging.NullHandler())


_IDLE: Final = 10.0  # seconds without a byte before an attempt is given up, at most
_GZIP: Final = 16 + zlib.MAX_WBITS
_MEGABYTE: Final = 1 << 20


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
    transport: httpx.BaseTransport | None = None
    plain_http_hosts: Collection[str] = frozenset()

    def __post_init__(self) -> None:
        if not (self.timeout > 0 and self.attempts > 0 and self.max_bytes > 0):
            raise ConfigError("timeout, attempts and max_bytes are above zero")


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


class Http:
    """A source's HTTP door: `Call` in, body out, or one error of the tree.

    Parameters
    ----------
    source
        Name of the source, for errors.
    base_url
        https, or http to this machine.
    refusal
        Reads the source's refusals.
    headers
        Sent with every request.
    options
        See `Options`.
    """

    def __init__(
        self,
        *,
        source: str,
        base_url: str,
        refusal: Refusal,
        headers: Mapping[str, Secret],
        options: Options,
    ) -> None:
        self._source, self._base_url, self._options = source, base_url, options
        self._refusal, self._headers = refusal, dict(headers)
        self._base_url = check_base_url(
            base_url, plain_http_hosts=options.plain_http_hosts
        )
        self._connections = [self._connect()]
        self.close = weakref.finalize(self, _close_all, self._connections)

    def _connect(self) -> httpx.Client:
        return httpx.Client(
            base_url=self._base_url,
            follow_redirects=False,
            transport=self._options.transport,
            trust_env=self._base_url.startswith("https"),
            headers={"accept-encoding": "gzip"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # keeps none
        )

    def __repr__(self) -> str:
        return f"Http({self._source!r}, {self._base_url!r})"

    def send(self, call: Call) -> bytes:
        """Make a call, with retries, until it succeeds or the time is up.

        Raises
        ------
        SourceError
            The source refused or failed, or cannot be reached.
        WireError
            It answered 200 with something else than promised.
        """
        deadline = _Deadline(self._options.timeout)
        longest_wait = min(2.0, self._options.timeout / 8)

        def hook(error: Exception) -> bool | float:
            again = worth_a_retry(error, safe=call.method == "GET")
            wait = longest_wait if isinstance(again, bool) else again
            return again if wait < deadline.left() else False

        retrying = stamina.RetryingCaller(
            attempts=self._options.attempts,
            timeout=None,
            wait_initial=longest_wait / 16,
            wait_max=longest_wait,
            wait_jitter=longest_wait / 4,
        )
        return retrying(hook, partial(self._attempt, call, deadline))

    def _attempt(self, call: Call, deadline: _Deadline) -> bytes:
        if self._options.pace is not None:
            deadline.extend(self._options.pace.wait())
        reply = self._reply(call, deadline)
        error = judge(
            reply,
            source=self._source,
            refusal=self._refusal,
            secrets=self._secrets(call),
            json_only=call.json_only,
        )
        if error is not None:
            raise error
        return reply.body

    def _reply(self, call: Call, deadline: _Deadline) -> Reply:
        bound = self._options.max_bytes * call.size_factor
        try:
            reply = self._in_time(call, deadline, bound)
        except _UnwantedEncodingError as error:
            failure, words = None, f"content-encoding {error} was not asked for"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure, words = type(error).__name__, self._cleared(str(error), call)
        except BaseException as error:  # an interrupt keeps its kind, not their frames
            error.__traceback__, error.__suppress_context__ = None, True
            raise
        else:
            if reply is None:
                words = f"the reply is larger than max_bytes allows, {bound} bytes"
                raise SourceError(self._source, None, "too_large", words)
            return reply
        if failure is None:
            raise SourceError(self._source, None, "encoding", words)
        raise SourceUnavailable(self._source, None, failure, words or "no answer")

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

        Thread(target=run, name=f"{self._source}-call", daemon=True).start()
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
        headers = {**self._headers, **call.headers}
        body = bytearray()
        with client.stream(
            call.method,
            call.path,
            params=call.params,
            content=call.content,
            headers={name: value.reveal() for name, value in headers.items()}
            | ({"content-type": "application/json"} if call.content else {}),
            timeout=min(_IDLE, self._options.timeout / 3, max(deadline.left(), 0.001)),
        ) as response:
            decode = _decoder(response.headers.get("content-encoding", ""))
            for chunk in cast("httpx.SyncByteStream", response.stream):
                body += decode(chunk, bound + 1 - len(body))
                if len(body) > bound:
                    return None
                if deadline.left() <= 0:
                    raise httpx.ReadTimeout("the reply was not complete in time")
            found = response.headers
            return Reply(
                response.status_code,
                bytes(body),
                content_type=found.get("content-type", ""),
                retry_after=found.get("retry-after"),
                date=found.get("date"),
            )

    def _cleared(self, words: str, call: Call) -> str:
        return scrub(words.encode(), self._secrets(call)).decode()

    def _secrets(self, call: Call) -> tuple[Secret, ...]:
        return (*self._headers.values(), *call.headers.values(), *call.secrets)


class _UnwantedEncodingError(Exception):
    """The reply is packed in a way that was not asked for."""


def _decoder(encoding: str) -> Callable[[bytes, int], bytes]:
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


class Session:
    """Connections and a clock; close it, or use it in a ``with``.

    Parameters
    ----------
    connections
        Closed together.
    clock
        Gives the instant that stamps what is fetched.
    """

    def __init__(self, *connections: Http, clock: Clock) -> None:
        self._connections, self._clock = connections, clock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()
