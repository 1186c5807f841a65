"""Webhook deliveries: queued, faulted, retried in virtual time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from holdings_kit.errors import ConfigError
from holdings_kit.sandbox._clock import format_iso
from holdings_kit.sandbox._payloads import to_bytes
from holdings_kit.wire import webhook_checksum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdings_kit.sandbox._clock import Clock
    from holdings_kit.sandbox._faults import Fault, Faults

__all__ = ["LOOPBACK", "RETRIES", "Delivery", "Sender", "Webhooks", "post_json"]

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
RETRIES: Final = (timedelta(minutes=15), timedelta(hours=24), timedelta(hours=48))
"""Time from the first attempt to each later one."""
Sender = Callable[[str, bytes], int]
"""Posts a body to a URL and gives the HTTP status; raises `OSError` on no answer."""
_PATIENCE: Final = 5.0
_HELD: Final = timedelta(hours=1)
_OK: Final = range(200, 300)


@dataclass(slots=True)
class Delivery:
    """One webhook on its way.

    Attributes
    ----------
    status
        ``pending``, ``delivered``, ``failed`` (after the last retry), ``missing`` (a
        fault lost it) or ``unregistered`` (nobody listens).
    answers
        What each attempt got: an HTTP status, or the name of the failure.
    """

    number: float
    transaction_id: str
    body: bytes
    first_at: datetime
    due_at: datetime
    fault: str | None = None
    status: str = "pending"
    answers: list[str] = field(default_factory=list[str])

    def shown(self) -> dict[str, object]:
        """Give what ``/_sandbox/webhooks`` shows of it."""
        return {
            "transactionId": self.transaction_id,
            "status": self.status,
            "fault": self.fault,
            "dueAt": format_iso(self.due_at),
            "answers": self.answers,
            "body": json.loads(self.body),
        }


class Webhooks:
    """The deliveries of a sandbox, sent by `pump` when the clock reaches them."""

    def __init__(
        self,
        clock: Clock,
        faults: Faults,
        api_secret: str,
        sender: Sender,
        *,
        hosts: frozenset[str] = frozenset(),
    ) -> None:
        self._clock, self._faults, self._sender = clock, faults, sender
        self._api_secret, self._hosts = api_secret, hosts | LOOPBACK
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._all: list[Delivery] = []
        self._url: str | None = None

    @property
    def url(self) -> str | None:
        """Where deliveries go; ``None`` when nobody listens."""
        return self._url

    def register(self, url: str | None) -> None:
        """Send later deliveries to `url`.

        Raises
        ------
        ConfigError
            Not plain HTTP, or neither on this machine nor at an allowed host.
        """
        parts = urlsplit(url or "http://127.0.0.1/")
        if parts.scheme != "http" or parts.hostname not in self._hosts:
            raise ConfigError(
                f"webhook URL {url!r}: the sandbox sends to this machine only; "
                "use http://127.0.0.1:PORT/…, or allow the host (allow_hosts)"
            )
        self._url = url

    def add(
        self, transaction_id: str, facts: Mapping[str, object], subject: str
    ) -> None:
        """Queue the webhook of a completed import, as the fault plan wants it."""
        fault, now = self._faults.take("webhook"), self._clock.now()
        name = fault.name if fault else None
        stamp = format_iso(now)
        secret = "forged" if name == "bad checksum" else self._api_secret
        checksum = webhook_checksum(secret, timestamp=stamp, subject=subject)
        body = to_bytes({**facts, "timestamp": stamp, "checksum": checksum})
        due = now + _read_delay(fault)
        with self._lock:
            number = float(len(self._all))
            made = Delivery(number, transaction_id, body, due, due, name)
            if name == "missing":
                made.status = "missing"
            elif self._url is None:
                made.status = "unregistered"
            self._release_reordered(made)
            self._all.append(made)
            if name == "duplicate":
                again = Delivery(number, transaction_id, body, due, due, name)
                again.status = made.status
                self._all.append(again)

    def pump(self) -> None:
        """Send whatever is due, oldest first; returns when nothing is."""
        with self._sending:
            while (found := self._find_next_due()) is not None:
                self._send_once(found)

    def due(self) -> bool:
        """Tell whether `pump` has something to do."""
        return self._find_next_due() is not None

    def shown(self) -> list[dict[str, object]]:
        """List all deliveries in the order of their imports."""
        with self._lock:
            return [one.shown() for one in self._all]

    def _release_reordered(self, newer: Delivery) -> None:
        """Let a held delivery go right after the newer one."""
        for older in self._all:
            if older.fault == "reorder" and older.status == "pending":
                older.due_at = older.first_at = newer.due_at
                older.number = newer.number + 0.5

    def _find_next_due(self) -> Delivery | None:
        now = self._clock.now()
        with self._lock:
            ready = [d for d in self._all if d.status == "pending" and d.due_at <= now]
        return min(ready, key=lambda one: (one.due_at, one.number), default=None)

    def _send_once(self, one: Delivery) -> None:
        try:
            status = self._sender(cast("str", self._url), one.body)
        except (OSError, HTTPException) as error:
            answer, arrived = type(error).__name__, False
        else:
            answer, arrived = str(status), status in _OK
        with self._lock:
            one.answers.append(answer)
            tried = len(one.answers)
            if arrived:
                one.status = "delivered"
            elif tried > len(RETRIES):
                one.status = "failed"
            else:
                one.due_at = one.first_at + RETRIES[tried - 1]


def post_json(url: str, body: bytes) -> int:
    """Post JSON on this machine, within five seconds; give the HTTP status."""
    parts = urlsplit(url)
    link = HTTPConnection(
        parts.hostname or "127.0.0.1", parts.port or 80, timeout=_PATIENCE
    )
    try:
        path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        link.request("POST", path, body, {"Content-Type": "application/json"})
        return link.getresponse().status
    finally:
        link.close()


def _read_delay(fault: Fault | None) -> timedelta:
    if fault is None:
        return timedelta()
    if fault.name == "reorder":
        return _HELD
    return fault.length if fault.name == "late" and fault.length else timedelta()
