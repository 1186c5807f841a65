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
      disputed/   a fetch said something else: its holdings lie beside (.fetched); or
                  another body came with the same checksum; why lies beside (.why)
      events/     order/2026-01-05/<sha256>.json: the other kinds of event, each its own
      refused/    checksum wrong or no JSON, the newest left out when full
      seen/       2026-01-05/<checksum>: the first body that came with a checksum

The checksum does not cover the holdings: whoever knows one valid checksum can send any
holdings with it. An inbox with `fetch` therefore asks the Gateway again (`verify`). One
without takes two bodies with one checksum and different facts for what they are: proof
that one is false. It trusts neither and puts both into ``disputed``.
POSIX only: a folder has to be flushed like a file.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from holdings_kit.clients._verification import check
from holdings_kit.errors import (
    ConfigError,
    HoldingsError,
    WireError,
    printable,
    readable,
)
from holdings_kit.market._freshness import utc_now
from holdings_kit.read import read_webhooks
from holdings_kit.store._disk import add_file, flush_folder, make_folder
from holdings_kit.wire import (
    Secret,
    Secrets,
    _dumps as dumps,
    as_secrets,
    matching_secret,
)
from holdings_kit.wire._batch import Batch
from holdings_kit.wire._events import recognize_event
from holdings_kit.wire._parse import parse
from holdings_kit.wire._rows import is_object
from holdings_kit.wire._signing import wrap_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta

    from holdings_kit.clients._verification import Fetch
    from holdings_kit.schema import Loaded

_LOG: Final = logging.getLogger("holdings_kit.deliveries")
_LOG.addHandler(logging.NullHandler())
_FAILED: Final = "on_accepted failed; the delivery stays in %s"
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_KEPT: Final = ("accepted", "pending", "disputed")
_SMALL: Final = 64 << 10  # bytes; longer bodies are parsed only if a checksum may fit
_FEW: Final = 4  # of each field are looked at
_FIELDS: Final = {
    "timestamp": re.compile(rb'"timestamp"\s*:\s*"?([^"\\,}\s]{1,64})'),
    "checksum": re.compile(rb'"checksum"\s*:\s*"([0-9a-fA-F]{64})"'),
    "subject": re.compile(
        rb'"(?:smallcaseAuthId|transactionId)"\s*:\s*"([!-~]{1,256}?)"'
    ),
}
_TWO_BODIES: Final = "two bodies with one checksum and different facts: one is false"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_SPARE: Final = 4  # times a refused body has to be free on the disk to keep it
_FIRST_WAIT: Final = 30.0  # seconds until a failed fetch is tried again
_LONGEST_WAIT: Final = 3600.0


@readable
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


@readable
class Receipt(NamedTuple):
    """How a delivery ended: the status to answer, why, and the file if it was kept."""

    status: int
    reason: str
    path: Path | None


@readable
class Verified(NamedTuple):
    """What `Inbox.verify` did: deliveries confirmed, disputed, and left to wait."""

    confirmed: int
    disputed: int
    waiting: int


def decide(body: bytes, api_secret: Secrets) -> Verdict:
    """Judge a body: is it a webhook, and does its checksum fit, in constant time.

    Pure: no file, no clock, no network. Of a long body the few fields of the checksum
    are looked for first; it is parsed only where some of them fit.

    Examples
    --------
    >>> decide(b"{", "sandbox_api_secret").status
    400
    >>> decide(b'{"timestamp": "2026-01-05T10:15:30Z"}', "sandbox_api_secret")
    Verdict(status=401, reason='the checksum does not fit', day='2026-01-05')
    """
    api_secret = as_secrets(api_secret)
    return _judge_body(body, api_secret)[0]


def _judge_body(body: bytes, secrets: tuple[Secret, ...]) -> tuple[Verdict, int | None]:
    """Judge a body, and tell by its index which secret its checksum fits."""
    if len(body) > _SMALL and not _may_fit(body, secrets):
        if b'"checksum"' not in body:
            return Verdict(400, "no webhook: it has no checksum"), None
        return Verdict(401, "the checksum does not fit"), None
    try:
        payload = parse(body, source="webhook")
    except WireError as error:
        return Verdict(400, error.reason), None
    if not is_object(payload):
        return Verdict(400, "not a JSON object"), None
    timestamp = payload.get("timestamp")
    found = _DAY.match(timestamp) if isinstance(timestamp, str) else None
    day = found.group() if found else "undated"
    index = matching_secret(payload, secrets)
    if index is None:
        return Verdict(401, "the checksum does not fit", day), None
    return Verdict(200, "stored", day), index


@readable
class Inbox:
    """A folder that receives webhooks, durably and idempotently.

    Threads and processes may receive into one folder at the same time.

    Parameters
    ----------
    folder
        Made when it is not there, readable by its owner only.
    api_secret
        The key of the webhook checksum; it never shows. During a rotation a list, the
        newest first: the logger ``holdings_kit.deliveries`` says which fitted, by its
        index (field ``secret_index``).
    fetch
        Fetches the holdings again, as ``GatewayClient.holdings`` does. With it,
        deliveries wait in ``pending`` until `verify` has compared them.
    on_accepted
        Called with every delivery that is accepted for the first time, as
        `hk.read_webhooks` reads it: once it is on disk and, with `fetch`, confirmed;
        one after the other, in a thread of its own, so that the answer is quick. If it
        fails, the failure is logged and the delivery stays in ``accepted``: at the
        start of a service, read that folder whole; a store takes nothing twice.
    keep_refused, keep_refused_bytes
        So many refused bodies, of so many bytes in all, are kept for a look; more are
        answered and forgotten, or strangers could fill the disk. None is kept where
        the disk is nearly full, and they make room for what is accepted.
    replay_window
        A new body whose ``timestamp`` is older than this is not trusted: it goes to
        ``disputed``; with `fetch` the comparison decides. The documented retries end
        after 72 hours and 15 minutes. None: any age.
    clock
        Gives the instant for `replay_window`.

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
        api_secret: Secrets,
        fetch: Fetch | None = None,
        on_accepted: Callable[[Loaded], object] | None = None,
        keep_refused: int = 10_000,
        keep_refused_bytes: int = 16 << 20,
        replay_window: timedelta | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._secrets = api_secret = wrap_secrets(api_secret)
        self.folder, self._fetch = Path(folder).expanduser().absolute(), fetch
        self._keep_refused = keep_refused
        self._keep_refused_bytes = keep_refused_bytes
        self._replay_window, self._clock = replay_window, clock
        self._on_accepted = on_accepted
        self._announcing = ThreadPoolExecutor(1, thread_name_prefix="deliveries")
        self._attempts: dict[str, tuple[int, float]] = {}  # of fetches, and when again
        self._verifying = threading.Lock()
        self._made: set[Path] = set()
        for name in ("incoming", "refused", "seen", "events", *_KEPT):
            self._make_folder(self.folder / name)
        sizes = [path.stat().st_size for path in (self.folder / "refused").iterdir()]
        self._refused, self._refused_bytes = len(sizes), sum(sizes)

    def __repr__(self) -> str:
        return f"Inbox({str(self.folder)!r})"

    @property
    def accepted(self) -> Path:
        """The folder for `hk.read_webhooks`."""
        return self.folder / "accepted"

    @property
    def events(self) -> Path:
        """The folder of the other kinds of event, a folder for each kind."""
        return self.folder / "events"

    @property
    def verifies(self) -> bool:
        """Whether it has a `fetch` to compare deliveries with."""
        return self._fetch is not None

    def judge(self, body: bytes) -> Verdict:
        """Tell what `receive` will answer by the bytes alone; nothing is kept.

        Examples
        --------
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Inbox(folder, api_secret="sandbox_api_secret").judge(b"{").status
        400
        """
        return _judge_body(body, self._secrets)[0]

    def receive(self, body: bytes) -> Receipt:
        """Judge a body and keep it; when this returns 200, it is on disk for good.

        Raises
        ------
        OSError
            The disk refused: nothing is promised, answer 503.
        """
        verdict, index = _judge_body(body, self._secrets)
        self._log_verdict(verdict, index)
        digest = hashlib.sha256(body).hexdigest()
        if verdict.status != HTTPStatus.OK:
            return self._refuse(digest, body, verdict)
        name = f"{verdict.day}/{digest}.json"
        kind = _recognize_kind(body)
        known = self._find(name, _KEPT if kind is None else (f"events/{kind}",))
        if known is not None:
            flush_folder(known.parent)  # its writer may not have come to this
            return Receipt(200, "known", known)
        if kind is not None:  # nothing a fetch of holdings could confirm
            path = self._write_safe(f"events/{kind}", name, body)
            return Receipt(200, "stored", path)
        if self._fetch is not None:
            return Receipt(200, "stored", self._write_safe("pending", name, body))
        if self._is_late(body):
            return self._dispute(name, body, "older than the replay window")
        return self._receive_unverified(name, body)

    def _announce(self, path: Path) -> None:
        """Hand an accepted delivery on, in a thread of its own: the answer is quick."""
        if self._on_accepted is not None:
            self._announcing.submit(self._hand_on, path, self._on_accepted)

    def _hand_on(self, path: Path, on_accepted: Callable[[Loaded], object]) -> None:
        try:
            on_accepted(read_webhooks(path, api_secret=self._secrets))
        except Exception:  # noqa: BLE001, the caller's own; the delivery is safe
            _LOG.exception(_FAILED, printable(path))

    def _log_verdict(self, verdict: Verdict, index: int | None) -> None:
        facts: dict[str, object] = {
            "source": "webhook",
            "status": verdict.status,
            "secret_index": index,
        }
        shown = (verdict.status, index, len(self._secrets))
        _LOG.info("delivery: %s, secret %s of %s", *shown, extra=facts)

    def _receive_unverified(self, name: str, body: bytes) -> Receipt:
        """Keep a body; where another came with its checksum, trust neither.

        Every body is noted before it is written, and looks for others after. So of two
        that come at once the later one sees the other.
        """
        noted = self._note_checksum(name, _read_checksum(body))
        if self._contradicting(name, body, noted):
            return self._distrust_all(name, body, noted)
        path = self._write_safe("accepted", name, body)
        if self._contradicting(name, body, noted):
            return self._distrust_all(name, body, noted)
        self._announce(path)
        return Receipt(200, "stored", path)

    def _note_checksum(self, name: str, checksum: str) -> Path:
        """Note that a body came with a checksum; gives the folder of such notes.

        A note is a link, made at once or not at all; that it leads nowhere is fine.
        """
        noted = self.folder / "seen" / Path(name).parent / checksum

        def link() -> None:
            self._make_folder(noted)
            with suppress(FileExistsError):
                (noted / Path(name).stem).symlink_to(name)
                flush_folder(noted)

        self._do_even_if_moved(link)
        self._made.discard(noted)  # or they would fill the memory
        return noted

    def _contradicting(self, name: str, body: bytes, noted: Path) -> bool:
        """Tell whether a body that came with the same checksum says something else."""
        others = (self._find(str(note.readlink())) for note in noted.iterdir())
        return any(
            other is not None
            and other.stem != Path(name).stem
            and not _say_the_same(other.read_bytes(), body)
            for other in others
        )

    def _distrust_all(self, name: str, body: bytes, noted: Path) -> Receipt:
        for note in noted.iterdir():
            self._distrust(str(note.readlink()))
        if (self.folder / "disputed" / name).exists():
            return Receipt(200, "disputed", self.folder / "disputed" / name)
        return self._dispute(name, body, _TWO_BODIES)

    def _find(self, name: str, folders: Iterable[str] = _KEPT) -> Path | None:
        paths = (self.folder / folder / name for folder in folders)
        return next((path for path in paths if path.exists()), None)

    def _distrust(self, name: str) -> None:
        """Take a body that was accepted back, for another came with its checksum."""
        accepted = self.folder / "accepted" / name
        if not accepted.exists():
            return
        why = (self.folder / "disputed" / name).with_suffix(".why")
        self._write(why, _TWO_BODIES.encode())
        with suppress(FileNotFoundError):  # another writer moved it
            self._move(accepted, "disputed")

    def _dispute(self, name: str, body: bytes, why: str) -> Receipt:
        target = self.folder / "disputed" / name
        self._write(target.with_suffix(".why"), why.encode())
        return Receipt(200, "disputed", self._write_safe("disputed", name, body))

    def _is_late(self, body: bytes) -> bool:
        if self._replay_window is None:
            return False
        payload = parse(body, source="webhook")
        said = payload.get("timestamp") if is_object(payload) else None
        try:
            sent = datetime.fromisoformat(str(said))
        except ValueError:
            return True  # nobody can tell its age
        sent = sent if sent.tzinfo else sent.replace(tzinfo=UTC)
        return self._clock() - sent > self._replay_window

    def _write_safe(self, folder: str, name: str, body: bytes) -> Path:
        """Write; on a full disk, refused bodies make room first."""
        target = self.folder / folder / name
        try:
            return self._write(target, body)
        except OSError as error:
            if error.errno not in _FULL or not self._forget_refused():
                raise
        return self._write(target, body)

    def _forget_refused(self) -> bool:
        """Delete all refused bodies; tell whether there were any."""
        bodies = list((self.folder / "refused").iterdir())
        for path in bodies:
            path.unlink(missing_ok=True)
        self._refused = self._refused_bytes = 0
        return bool(bodies)

    def sweep(self) -> int:
        """Remove what killed writers left in ``incoming``; none of it was answered.

        For the start, before anything is received. A live writer whose file goes
        answers 503, and the delivery comes again.
        """
        left = list((self.folder / "incoming").iterdir())
        for part in left:
            part.unlink(missing_ok=True)
        return len(left)

    def verify(self, *, due_only: bool = False) -> Verified:
        """Fetch the holdings of every pending delivery, once each, and compare.

        Equal facts move it to ``accepted``, others to ``disputed``; where the fetch
        fails it waits for the next call.

        Parameters
        ----------
        due_only
            Leave out deliveries whose fetch failed lately: after each failure one waits
            twice as long, from 30 seconds to an hour.

        Raises
        ------
        ConfigError
            This inbox has no `fetch`.
        """
        if self._fetch is None:
            raise ConfigError("verify needs an Inbox made with fetch=…")
        with self._verifying:
            outcomes: list[str] = []
            for path in sorted((self.folder / "pending").rglob("*.json")):
                tried, due = self._attempts.get(path.stem, (0, 0.0))
                if due_only and time.monotonic() < due:
                    outcomes.append("waiting")
                    continue
                outcome = self._verify_delivery(path, self._fetch)
                if outcome == "waiting":
                    wait = min(_FIRST_WAIT * 2**tried, _LONGEST_WAIT)
                    self._attempts[path.stem] = (tried + 1, time.monotonic() + wait)
                else:
                    self._attempts.pop(path.stem, None)
                outcomes.append(outcome)
        return Verified(*(outcomes.count(end) for end in Verified._fields))

    def seconds_to_next(self) -> float | None:
        """Tell when the next pending delivery is due for a fetch; None: none waits."""
        waits = [due - time.monotonic() for _, due in list(self._attempts.values())]
        return max(0.0, min(waits)) if waits else None

    def _verify_delivery(self, path: Path, fetch: Fetch) -> str:
        try:
            same, fetched = check(path, fetch)
            if same:
                outcome = self._move(path, "accepted")
                self._announce(self.accepted / path.parent.name / path.name)
                return outcome
            if fetched is not None:
                folder = self.folder / "disputed" / path.parent.name
                said = fetched.holdings.write_json().encode()
                self._write(folder / f"{path.stem}.fetched", said)
            return self._move(path, "disputed")
        except (HoldingsError, FileNotFoundError):  # or another process moved it
            return "waiting"

    def _move(self, path: Path, folder: str) -> str:
        target = self.folder / folder / path.parent.name / path.name
        self._make_folder(target.parent)
        path.rename(target)
        flush_folder(target.parent)
        flush_folder(path.parent)
        return "confirmed" if folder == "accepted" else folder

    def _refuse(self, digest: str, body: bytes, verdict: Verdict) -> Receipt:
        path = self.folder / "refused" / f"{digest}.body"
        if not path.exists():
            with suppress(OSError):  # the answer is the same without a copy
                self._copy_refused(path, body)
        kept = path if path.exists() else None
        return Receipt(verdict.status, verdict.reason, kept)

    def _copy_refused(self, path: Path, body: bytes) -> None:
        """Keep a refused body for a look, where there is room for it."""
        total = self._refused_bytes + len(body)
        if self._refused >= self._keep_refused or total > self._keep_refused_bytes:
            return
        if _measure_free_bytes(self.folder) < _SPARE * len(body) + total:
            return
        self._write(path, body)
        self._refused, self._refused_bytes = self._refused + 1, total

    def _write(self, target: Path, body: bytes) -> Path:
        """Write beside, flush, rename, flush the folder."""

        def add() -> None:
            self._make_folder(target.parent)
            self._make_folder(self.folder / "incoming")
            add_file(body, target, writing=self.folder / "incoming")

        self._do_even_if_moved(add)
        return target

    def _do_even_if_moved(self, work: Callable[[], None]) -> None:
        """Do it; where somebody has moved a folder away, once more with new ones."""
        try:
            work()
        except FileNotFoundError:
            self._made.clear()
            work()

    def _make_folder(self, folder: Path) -> None:
        """Make a folder so that it is there after a power cut too."""
        if folder in self._made and folder.is_dir():
            return
        make_folder(folder)
        flush_folder(folder.parent)  # who made it may not have come to this
        self._made.add(folder)


def _recognize_kind(body: bytes) -> str | None:
    """Tell the kind of an event; None for holdings, whose body is not parsed again."""
    if b'"securities"' in body:
        return None
    return recognize_event(parse(body, source="webhook"))


def _measure_free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _may_fit(body: bytes, secrets: tuple[Secret, ...]) -> bool:
    """Look for the fields of the checksum, few of each, without parsing the body."""
    found = {
        name: [value.decode() for value in pattern.findall(body)[:_FEW]]
        for name, pattern in _FIELDS.items()
    }
    return any(
        matching_secret(
            {"timestamp": timestamp, "checksum": checksum, "smallcaseAuthId": subject},
            secrets,
        )
        is not None
        for timestamp in found["timestamp"]
        for checksum in found["checksum"]
        for subject in found["subject"]
    )


def _read_checksum(body: bytes) -> str:
    """Give the checksum of a body that was found to fit."""
    payload = parse(body, source="webhook")
    return str(payload.get("checksum")).lower() if is_object(payload) else ""


def _say_the_same(one: bytes, other: bytes) -> bool:
    """Tell whether two bodies hold the same facts, however they are written."""
    contents = [_list_contents(body) for body in (one, other)]
    return contents[0] is not None and contents[0] == contents[1]


def _list_contents(body: bytes) -> list[str] | None:
    batch = Batch()
    try:
        dumps.add_webhook(batch, body, api_secret=None, file="inbox", line_no=1)
        loaded = batch.load(whole=True)
    except HoldingsError:
        return None
    return (
        loaded.snapshots["snapshot_id"].to_list() if not loaded.rejects.height else None
    )
