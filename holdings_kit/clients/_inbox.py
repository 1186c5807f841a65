"""The webhook inbox: a delivery is on disk before it is answered, and only once.

Every body is one file, named by the SHA-256 of its bytes, under the date of its own
``timestamp``: no clock and no index, and the same delivery twice is the same file. It
is written beside, flushed, renamed and its folder flushed; only then comes the 200. A
kill at any instant leaves a whole file or none.

::

    inbox/
      incoming/   being written; what a kill left behind was never answered
      accepted/   2026-01-05/<sha256>.json: what `hk.read_webhooks` reads
      pending/    checksum right, not yet compared with a fetch
      disputed/   a fetch said something else: its holdings lie beside (.fetched)
      refused/    checksum wrong or no JSON, the newest left out when full

The checksum does not cover the holdings: whoever knows one valid checksum can send any
holdings with it. An inbox with `fetch` therefore asks the Gateway again (`verify`).
POSIX only: a folder has to be flushed like a file.
"""

from __future__ import annotations

import hashlib
import os
import re
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import uuid4

from holdings_kit.clients._verification import check
from holdings_kit.errors import ConfigError, HoldingsError, WireError
from holdings_kit.wire import Secret, webhook_checksum_ok
from holdings_kit.wire._parse import parse
from holdings_kit.wire._rows import is_object

if TYPE_CHECKING:
    from holdings_kit.clients._verification import Fetch

__all__ = ["Inbox", "Receipt", "Verdict", "Verified", "decide"]

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_KEPT: Final = ("accepted", "pending", "disputed")


class Verdict(NamedTuple):
    """What a body is, from its bytes alone.

    Attributes
    ----------
    status
        HTTP status of the answer: 200, 400 (no webhook) or 401 (checksum).
    reason
        In words, for the answer.
    day
        Date of the body's ``timestamp``, ``undated`` where it has none.
    """

    status: int
    reason: str
    day: str = "undated"


class Receipt(NamedTuple):
    """How a delivery ended: the status to answer, why, and the file if it was kept."""

    status: int
    reason: str
    path: Path | None


class Verified(NamedTuple):
    """What `Inbox.verify` did: deliveries confirmed, disputed, and left to wait."""

    confirmed: int
    disputed: int
    waiting: int


def decide(body: bytes, api_secret: str | Secret) -> Verdict:
    """Judge a body: is it a webhook, and does its checksum fit, in constant time.

    Pure: no file, no clock, no network.

    Examples
    --------
    >>> decide(b"{", "sandbox_api_secret").status
    400
    >>> decide(b'{"timestamp": "2026-01-05T10:15:30Z"}', "sandbox_api_secret")
    Verdict(status=401, reason='the checksum does not fit', day='2026-01-05')
    """
    try:
        payload = parse(body, source="webhook")
    except WireError as error:
        return Verdict(400, error.reason)
    if not is_object(payload):
        return Verdict(400, "not a JSON object")
    timestamp = payload.get("timestamp")
    found = _DAY.match(timestamp) if isinstance(timestamp, str) else None
    day = found.group() if found else "undated"
    if not webhook_checksum_ok(payload, api_secret):
        return Verdict(401, "the checksum does not fit", day)
    return Verdict(200, "stored", day)


class Inbox:
    """A folder that receives webhooks, durably and idempotently.

    Threads and processes may receive into one folder at the same time.

    Parameters
    ----------
    folder
        Made when it is not there, readable by its owner only.
    api_secret
        The key of the webhook checksum; it never shows.
    fetch
        Fetches the holdings again, as ``GatewayClient.holdings`` does. With it,
        deliveries wait in ``pending`` until `verify` has compared them.
    keep_refused
        So many refused bodies are kept for a look; more are answered and forgotten, or
        strangers could fill the disk.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     inbox = Inbox(folder, api_secret="sandbox_api_secret")
    ...     inbox.receive(b'{"securities": []}').status
    401
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        api_secret: str | Secret,
        fetch: Fetch | None = None,
        keep_refused: int = 10_000,
    ) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self._secret, self._fetch = Secret(api_secret), fetch
        self._keep_refused = keep_refused
        self._made: set[Path] = set()
        for name in ("incoming", "refused", *_KEPT):
            self._make(self.folder / name)
        self._refused = len(list((self.folder / "refused").iterdir()))

    def __repr__(self) -> str:
        return f"Inbox({str(self.folder)!r})"

    @property
    def accepted(self) -> Path:
        """The folder for `hk.read_webhooks`."""
        return self.folder / "accepted"

    @property
    def verifies(self) -> bool:
        """Whether it has a `fetch` to compare deliveries with."""
        return self._fetch is not None

    def receive(self, body: bytes) -> Receipt:
        """Judge a body and keep it; when this returns 200, it is on disk for good.

        Raises
        ------
        OSError
            The disk refused: nothing is promised, answer 503.
        """
        verdict = decide(body, self._secret)
        digest = hashlib.sha256(body).hexdigest()
        if verdict.status != HTTPStatus.OK:
            return self._refuse(digest, body, verdict)
        name = f"{verdict.day}/{digest}.json"
        for folder in _KEPT:
            known = self.folder / folder / name
            if known.exists():
                _flush_folder(known.parent)  # its writer may not have come to this
                return Receipt(200, "known", known)
        folder = "accepted" if self._fetch is None else "pending"
        path = self._write(self.folder / folder / name, body)
        return Receipt(200, "stored", path)

    def sweep(self) -> int:
        """Remove what killed writers left in ``incoming``; none of it was answered.

        For the start, before anything is received. A live writer whose file goes
        answers 503, and the delivery comes again.
        """
        left = list((self.folder / "incoming").iterdir())
        for part in left:
            part.unlink(missing_ok=True)
        return len(left)

    def verify(self) -> Verified:
        """Fetch the holdings of every pending delivery and compare.

        Equal facts move it to ``accepted``, others to ``disputed``; where the fetch
        fails it waits for the next call.

        Raises
        ------
        ConfigError
            This inbox has no `fetch`.
        """
        if self._fetch is None:
            raise ConfigError("verify needs an Inbox made with fetch=…")
        outcomes = [
            self._verify(path, self._fetch)
            for path in sorted((self.folder / "pending").rglob("*.json"))
        ]
        return Verified(*(outcomes.count(end) for end in Verified._fields))

    def _verify(self, path: Path, fetch: Fetch) -> str:
        try:
            same, fetched = check(path, fetch)
            if same:
                return self._move(path, "accepted")
            if fetched is not None:
                folder = self.folder / "disputed" / path.parent.name
                said = fetched.holdings.write_json().encode()
                self._write(folder / f"{path.stem}.fetched", said)
            return self._move(path, "disputed")
        except (HoldingsError, FileNotFoundError):  # or another process moved it
            return "waiting"

    def _move(self, path: Path, folder: str) -> str:
        target = self.folder / folder / path.parent.name / path.name
        self._make(target.parent)
        path.rename(target)
        _flush_folder(target.parent)
        _flush_folder(path.parent)
        return "confirmed" if folder == "accepted" else folder

    def _refuse(self, digest: str, body: bytes, verdict: Verdict) -> Receipt:
        path = self.folder / "refused" / f"{digest}.body"
        if not path.exists():
            if self._refused >= self._keep_refused:
                return Receipt(verdict.status, verdict.reason, None)
            self._refused += 1
            self._write(path, body)
        return Receipt(verdict.status, verdict.reason, path)

    def _write(self, target: Path, body: bytes) -> Path:
        """Write beside, flush, rename, flush the folder."""
        self._make(target.parent)
        part = self.folder / "incoming" / f"{uuid4().hex}.part"
        try:
            made = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(made, "wb") as stream:
                stream.write(body)
                stream.flush()
                os.fsync(stream.fileno())
            part.rename(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _flush_folder(target.parent)
        return target

    def _make(self, folder: Path) -> None:
        """Make a folder so that it is there after a power cut too."""
        if folder in self._made:
            return
        if folder != folder.parent and not folder.parent.exists():
            self._make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _flush_folder(folder.parent)
        self._made.add(folder)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
