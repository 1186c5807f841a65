"""Webhooks: signed, planned by the faults, sent when due, retried as published."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Final, NamedTuple, cast
from urllib.parse import urlsplit

from holdings_kit.clients._policy import LOOPBACK
from holdings_kit.errors import ConfigError
from holdings_kit.sandbox._clock import format_iso
from holdings_kit.sandbox._payloads import to_bytes
from holdings_kit.wire import webhook_checksum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdings_kit.sandbox._clock import Clock
    from holdings_kit.sandbox._faults import Fault, Faults

RETRIES: Final = (timedelta(minutes=15), timedelta(hours=24), timedelta(hours=48))
"""Time from the first attempt to each later one."""
Sender = Callable[[str, bytes], int]
"""Posts a body to a URL and gives the HTTP status; raises `OSError` on no answer."""
_PATIENCE: Final = 5.0
_HELD: Final = timedelta(hours=1)
_OK: Final = range(200, 300)
_FORGED: Final = "forged"  # the secret of who does not know the secret


class Notice(NamedTuple):
    """What a webhook tells of: a kind, a transaction, its facts.

    `subject` is what its checksum covers beside the timestamp.
    """

    kind: str
    transaction_id: str
    facts: Mapping[str, object]
    subject: str


@dataclass(slots=True)
class Delivery:
    """One webhook on its way.

    Attributes
    ----------
    id
        By which it can be sent again.
    kind
        What it tells of: ``holdings-import``, …
    subject
        What the checksum covers beside the timestamp.
    forged
        Whether its checksum is of another secret.
    status
        ``pending``, ``delivered``, ``failed`` (after the last retry), ``missing`` (a
        fault lost it) or ``unregistered`` (nobody listens).
    answers
        What each attempt got: an HTTP status, or the name of the failure.
    """

    id: str
    number: float
    kind: str
    transaction_id: str
    subject: str
    body: bytes
    first_at: datetime
    due_at: datetime
    fault: str | None = None
    forged: bool = False
    status: str = "pending"
    url: str | None = None
    answers: list[str] = field(default_factory=list[str])

    @property
    def accepted(self) -> bool:
        """Whether the last attempt was answered with a 2xx."""
        last = self.answers[-1] if self.answers else ""
        return last.isdigit() and int(last) in _OK

    def shown(self) -> dict[str, object]:
        """Give what ``/_sandbox/webhooks`` shows of it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "transactionId": self.transaction_id,
            "status": self.status,
            "fault": self.fault,
            "forged": self.forged,
            "dueAt": format_iso(self.due_at),
            "url": self.url,
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
        self._url = None if url is None else self.check_url(url)

    def check_url(self, url: str | None) -> str:
        """Give back an address the sandbox may send to.

        Raises
        ------
        ConfigError
            None at all, not plain HTTP, or of a host that is not allowed.
        """
        if url is None:
            raise ConfigError("no webhook URL is registered; name one")
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in self._hosts:
            raise ConfigError(
                f"webhook URL {url!r}: the sandbox sends to this machine only; "
                "use http://127.0.0.1:PORT/…, or allow the host (allow_hosts)"
            )
        return url

    def forget(self) -> None:
        """Drop all deliveries, those under way too; the address stays."""
        with self._lock:
            self._all.clear()

    def add(self, notice: Notice) -> None:
        """Queue the webhook of an event, as the fault plan wants it."""
        fault, now = self._faults.take("webhook"), self._clock.now()
        name = fault.name if fault else None
        with self._lock:
            made = self._sign(notice, at=now, forged=name == "bad checksum")
            made.fault, made.due_at = name, now + _read_delay(fault)
            made.first_at = made.due_at
            if name == "missing":
                made.status = "missing"
            elif self._url is None:
                made.status = "unregistered"
            self._release_reordered(made)
            self._all.append(made)
            if name == "duplicate":
                again = self._sign(notice, at=now)
                again.fault, again.status, again.number = name, made.status, made.number
                self._all.append(again)

    def prepare(self, notice: Notice, *, at: datetime, forged: bool) -> Delivery:
        """Make a delivery of an event of `at`, for `send_now`; no fault touches it."""
        with self._lock:
            made = self._sign(notice, at=at, forged=forged)
            made.status = "unregistered"
            self._all.append(made)
            return made

    def send_now(self, one: Delivery, url: str) -> None:
        """Send a delivery to `url`, whatever the clock says; no retry follows."""
        with self._sending:
            self._attempt(one, url)
            with self._lock:
                one.status = "delivered" if one.accepted else "failed"

    def resend(self, delivery_id: str, url: str | None = None) -> Delivery:
        """Send the bytes of a delivery again, to where it went or to `url`.

        Raises
        ------
        ConfigError
            There is no such delivery, or no address for it.
        """
        with self._lock:
            found = next((d for d in self._all if d.id == delivery_id), None)
            known = ", ".join(one.id for one in self._all[-5:]) or "none yet"
        if found is None:
            raise ConfigError(f"no delivery {delivery_id!r}; the last are {known}")
        self.send_now(found, self.check_url(url or self._url or found.url))
        return found

    def pump(self) -> None:
        """Send whatever is due, oldest first; returns when nothing is."""
        with self._sending:
            while (found := self._find_next_due()) is not None:
                self._send_due(found)

    def shown(self) -> list[dict[str, object]]:
        """List all deliveries in the order of their imports."""
        with self._lock:
            return [one.shown() for one in self._all]

    def explain(self, delivery_id: str) -> dict[str, object]:
        """Show how a delivery's checksum is made, step by step.

        Raises
        ------
        ConfigError
            There is no such delivery.
        """
        with self._lock:
            found = next((d for d in self._all if d.id == delivery_id), None)
        if found is None:
            raise ConfigError(f"no delivery {delivery_id!r}")
        body = cast("dict[str, str]", json.loads(found.body))
        expected = webhook_checksum(
            self._api_secret, timestamp=body["timestamp"], subject=found.subject
        )
        covers = "transactionId"
        if found.subject == body.get("smallcaseAuthId"):
            covers = "smallcaseAuthId"
        return {
            "algorithm": "hex HMAC-SHA256",
            "key": self._api_secret,
            "covers": f"timestamp + {covers}",
            "message": body["timestamp"] + found.subject,
            "expected": expected,
            "sent": body["checksum"],
            "fits": expected == body["checksum"],
        }

    def _sign(self, notice: Notice, *, at: datetime, forged: bool = False) -> Delivery:
        stamp = format_iso(at)
        secret = _FORGED if forged else self._api_secret
        checksum = webhook_checksum(secret, timestamp=stamp, subject=notice.subject)
        number = len(self._all)
        return Delivery(
            f"dlv_{number + 1:04d}",
            float(number),
            notice.kind,
            notice.transaction_id,
            notice.subject,
            to_bytes({**notice.facts, "timestamp": stamp, "checksum": checksum}),
            first_at=at,
            due_at=at,
            forged=forged,
        )

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

    def _send_due(self, one: Delivery) -> None:
        if self._url is None:  # nobody listens any more
            one.status = "unregistered"
            return
        self._attempt(one, self._url)
        with self._lock:
            tried = len(one.answers)
            if one.accepted:
                one.status = "delivered"
            elif tried > len(RETRIES):
                one.status = "failed"
            else:
                one.due_at = one.first_at + RETRIES[tried - 1]

    def _attempt(self, one: Delivery, url: str) -> None:
        try:
            answer = str(self._sender(url, one.body))
        except (OSError, HTTPException) as error:
            answer = type(error).__name__
        with self._lock:
            one.url = url
            one.answers.append(answer)


def post_json(url: str, body: bytes) -> int:
    """Post JSON within five seconds; give the HTTP status."""
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
