"""What a reply means and when to ask again: decisions without I/O.

A request is asked again after 429 (as `Retry-After` says), 5xx, a broken transfer or a
body cut short; never after 401, 403 or another 4xx. A POST is asked again only where
it was certainly not carried out: no connection was made, or the answer was 429.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Protocol, cast
from urllib.parse import urlsplit

from holdings_kit.errors import (
    ConfigError,
    HoldingsError,
    RateLimited,
    SourceError,
    SourceUnavailable,
    WireError,
    load_optional,
    readable,
)
from holdings_kit.wire import Secret

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pyrate_limiter
else:
    pyrate_limiter = load_optional("pyrate_limiter")

NOT_SENT: Final = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout"})
"""Codes of failures after which the source has certainly seen no request."""
_LONGEST: Final = 1e9  # seconds; who says more says never
_WHOLE: Final = 19  # digits of a whole number worth an int; Python refuses 4,300
_PRINTABLE: Final = re.compile("[!-~]+")
_TOKENS: Final = ("token", "smallcaseAuthToken")
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Refusal(Protocol):
    """`arrow_refusal` or `gateway_refusal`."""

    def __call__(
        self, status: int | None, payload: object, *, retry_after: float | None = None
    ) -> SourceError | None:
        """Give the error a reply stands for, if it stands for one."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """One HTTP reply; its repr shows no byte of the body."""

    status: int
    body: bytes
    content_type: str = ""
    retry_after: str | None = None
    date: str | None = None

    def __repr__(self) -> str:
        return f"Reply({self.status}, {len(self.body)} bytes of {self.content_type})"


def judge(
    reply: Reply,
    *,
    source: str,
    refusal: Refusal,
    secrets: Iterable[Secret] = (),
    json_only: bool = True,
) -> HoldingsError | None:
    """Tell what is wrong with a reply: an error to raise, or ``None``.

    A wrong content type is forgiven where the body is JSON. The source's words are
    cleared of `secrets`, in case it repeats them.

    Examples
    --------
    >>> from holdings_kit.wire import arrow_refusal
    >>> judge(Reply(200, b'{"data": ['), source="arrow", refusal=arrow_refusal)
    WireError('arrow: at the top: HTTP 200, and the body is not JSON; 10 bytes')
    """
    payload: object = None
    garbled = False
    try:
        payload = json.loads(scrub(reply.body, secrets), parse_int=_read_whole_number)
    except (ValueError, RecursionError):
        garbled = True
    wait = retry_after_seconds(reply.retry_after, sent_at=reply.date)
    error = refusal(reply.status, payload, retry_after=wait)
    if error is not None:
        return error
    looks_wrong = reply.body.lstrip()[:1] in (b"", b"<")
    if garbled and (json_only or looks_wrong):
        kind = f" of {reply.content_type}" if reply.content_type else ""
        wanted = "JSON" if json_only else "data"
        reason = f"the body is not {wanted}; {len(reply.body)} bytes{kind}"
        return WireError(source, "", f"HTTP {reply.status}, and {reason}")
    return None


def worth_a_retry(error: Exception, *, safe: bool) -> bool | float:
    """Tell whether to ask again, as seconds to wait where the source said so.

    Parameters
    ----------
    error
        What the attempt ended with.
    safe
        Whether asking twice does no more than asking once (GET).

    Examples
    --------
    >>> worth_a_retry(RateLimited("arrow", 429, None, "slow down", 3.0), safe=False)
    3.0
    >>> worth_a_retry(SourceUnavailable("arrow", 502, None, "bad gateway"), safe=False)
    False
    """
    if isinstance(error, RateLimited):
        return True if error.retry_after is None else float(error.retry_after)
    if isinstance(error, SourceUnavailable):
        return safe or error.code in NOT_SENT
    return safe and isinstance(error, WireError)


def retry_after_seconds(value: str | None, *, sent_at: str | None) -> float | None:
    """Read ``Retry-After``: seconds, or a date held against the reply's own ``Date``.

    ``None`` where it is missing or unreadable; never negative (RFC 9110 §10.2.3).

    Examples
    --------
    >>> retry_after_seconds("120", sent_at=None)
    120.0
    >>> retry_after_seconds(
    ...     "Mon, 05 Jan 2026 10:00:30 GMT", sent_at="Mon, 05 Jan 2026 10:00:00 GMT"
    ... )
    30.0
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:18]), _LONGEST)
    until, sent = _read_http_date(value), _read_http_date(sent_at)
    if until is None or sent is None:
        return None
    try:
        return max(0.0, (until - sent).total_seconds())
    except OverflowError:  # at the ends of the calendar, zones apart
        return _LONGEST


def _read_http_date(value: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime((value or "")[:100])
    except (ValueError, OverflowError, TypeError, IndexError):
        return None  # the parser of e-mail dates fails in all these ways
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def check_base_url(url: str, *, plain_http_hosts: Collection[str] = ()) -> str:
    """Refuse a base URL that would send secrets in the clear or to nowhere.

    Parameters
    ----------
    url
        As a client takes it.
    plain_http_hosts
        Hosts beside this machine that may be asked over plain http.

    Raises
    ------
    ConfigError
        Neither https, nor http to this machine or an allowed host; or with user, query
        or fragment.

    Examples
    --------
    >>> check_base_url("http://127.0.0.1:8000/")
    'http://127.0.0.1:8000'
    """
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("a base URL has no user, password, query or fragment")
    allowed = LOOPBACK | {host.lower() for host in plain_http_hosts}
    local = parts.scheme == "http" and parts.hostname in allowed
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise ConfigError(
            f"{url!r}: a base URL is https://…, or http:// to this machine alone; "
            "Options(plain_http_hosts=…) allows another host"
        )
    return url.rstrip("/")


def header_secret(name: str, secret: Secret) -> Secret:
    """Refuse a secret that no header can carry; give it back otherwise.

    Raises
    ------
    ConfigError
        Empty, or with spaces, line ends or characters beyond ASCII: usually a line
        end read along with the secret.
    """
    if not _PRINTABLE.fullmatch(secret.reveal()):
        raise ConfigError(f"{name} holds a space, a line end or a non-ASCII character")
    return secret


def scrub(body: bytes, secrets: Iterable[Secret]) -> bytes:
    """Replace every one of `secrets` that stands in `body` as it is."""
    for secret in secrets:
        body = body.replace(secret.reveal().encode(), b"hidden")
    return body


def hidden_json(body: bytes) -> object:
    """Parse JSON of a reply that hands out a token, with every token hidden.

    Examples
    --------
    >>> hidden_json(b'{"data": {"token": "abc"}}')
    {'data': {'token': Secret(hidden)}}
    """

    def hide(made: dict[str, object]) -> dict[str, object]:
        for name in _TOKENS:
            text = made.get(name)
            if isinstance(text, str) and text:
                made[name] = Secret(text)
        return made

    return cast(
        "object", json.loads(body, object_hook=hide, parse_int=_read_whole_number)
    )


def hidden_data(body: bytes) -> dict[str, object]:
    """Read what stands under ``data``, as `hidden_json` does; empty if nothing does.

    Examples
    --------
    >>> hidden_data(b'{"data": {"token": "abc"}}'), hidden_data(b"[]")
    ({'token': Secret(hidden)}, {})
    """
    return _take_members(_take_members(hidden_json(body)).get("data"))


def _read_whole_number(text: str) -> int | float:
    """Read a whole number; one of thousands of digits is infinite, not an error."""
    return int(text) if len(text) <= _WHOLE else float(text)


def _take_members(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


@readable
class Pace:
    """At most so many requests per second and per minute, retries included.

    Pass one object to every client that shares a limit. Arrow publishes 10 per second
    and, on an older page, 60 per minute; the first is the default.

    Parameters
    ----------
    per_second, per_minute
        ``None`` for no such limit.

    Raises
    ------
    ConfigError
        A limit below one.

    Examples
    --------
    >>> Pace(per_second=10, per_minute=60)
    Pace(per_second=10, per_minute=60)
    >>> Pace(per_second=0)
    Traceback (most recent call last):
        ...
    holdings_kit.errors.ConfigError: a pace of 0 requests lets nothing through
    """

    def __init__(
        self, *, per_second: int | None = 10, per_minute: int | None = None
    ) -> None:
        self._shown = f"Pace(per_second={per_second}, per_minute={per_minute})"
        spans = (
            (per_second, pyrate_limiter.Duration.SECOND),
            (per_minute, pyrate_limiter.Duration.MINUTE),
        )
        limits = [(limit, length) for limit, length in spans if limit is not None]
        for limit, _ in limits:
            if limit < 1:
                raise ConfigError(f"a pace of {limit} requests lets nothing through")
        rates = [pyrate_limiter.Rate(limit, length) for limit, length in limits]
        self._limiter = pyrate_limiter.Limiter(rates) if rates else None

    def __repr__(self) -> str:
        return self._shown

    def wait(self) -> float:
        """Wait for this request's turn; gives the seconds waited."""
        if self._limiter is None:
            return 0.0
        began = time.monotonic()
        self._limiter.try_acquire("requests")
        return time.monotonic() - began
