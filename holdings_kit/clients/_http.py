"""The one place that talks HTTP: deadline, retries, limits, no leaks.

Whatever goes wrong is raised without the frames of the HTTP library: their variables
hold the headers, and a verbose traceback prints variables.
"""

from __future__ import annotations

import logging
import time
import weakref
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Self

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
    from collections.abc import Mapping

    import httpx
    import stamina

    from holdings_kit.clients._policy import Pace
    from holdings_kit.market._freshness import Clock
else:
    httpx = load_optional("httpx")
    stamina = load_optional("stamina")

__all__ = ["Call", "Http", "Options", "Session"]


# Retries are told to whoever listens; nobody has to hear them on stderr.
logging.getLogger("stamina").addHandler(logging.NullHandler())


_IDLE: Final = 10.0  # seconds without a byte before an attempt is given up, at most
_MEGABYTE: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a client behaves on the wire; every client takes one.

    Parameters
    ----------
    timeout
        Seconds for a whole call, retries and waits included. One attempt gives up after
        a third of it, or ten seconds, without a byte.
    attempts
        Requests per call, at most.
    pace
        A rate limit, shared by all clients that hold it; waiting for it is not
        counted against `timeout`. ``None`` for none.
    max_bytes
        Larger replies are refused; the instruments list has sixteen times as much.
    transport
        Replaces the network, for tests.
    """

    timeout: float = 30.0
    attempts: int = 5
    pace: Pace | None = None
    max_bytes: int = 32 * _MEGABYTE
    transport: httpx.BaseTransport | None = None

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
        self._base_url = check_base_url(base_url)
        self._client = httpx.Client(
            base_url=self._base_url,
            follow_redirects=False,
            transport=options.transport,
            trust_env=self._base_url.startswith("https"),
            headers={"accept-encoding": "gzip"},
        )
        self.close = weakref.finalize(self, self._client.close)

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
            reply = self._exchange(call, deadline, bound)
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
        raise SourceUnavailable(self._source, None, failure, words or "no answer")

    def _exchange(self, call: Call, deadline: _Deadline, bound: int) -> Reply | None:
        """Do one request; ``None`` for a reply larger than `bound`."""
        headers = {**self._headers, **call.headers}
        body = bytearray()
        with self._client.stream(
            call.method,
            call.path,
            params=call.params,
            content=call.content,
            headers={name: value.reveal() for name, value in headers.items()}
            | ({"content-type": "application/json"} if call.content else {}),
            timeout=min(_IDLE, self._options.timeout / 3, deadline.left()),
        ) as response:
            for chunk in response.iter_bytes():
                body += chunk
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
