"""Dump lines to frames: one line a document, read whole or set aside whole.

`read` is the exact way, a line at a time; `wire._fast` gives the same, sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

import polars as pl

from holdings_kit.errors import SourceError, WireError
from holdings_kit.schema import REJECTS, Loaded
from holdings_kit.wire import _arrow as arrow, _gateway as gateway
from holdings_kit.wire._batch import Batch
from holdings_kit.wire._envelopes import unwrap
from holdings_kit.wire._events import recognize_event
from holdings_kit.wire._lines import Line, Torn
from holdings_kit.wire._parse import as_text, parse
from holdings_kit.wire._rows import is_object
from holdings_kit.wire._signing import webhook_checksum_ok

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from holdings_kit.wire._keyed import Facts
    from holdings_kit.wire._signing import Secrets

Add = Callable[[Batch, Line], None]
_Item = TypeVar("_Item")
_LINES: Final = 500  # parsed at once: more cost memory, fewer time
_MOST_RAW: Final = 1 << 20  # bytes of what is broken that stay beside its reason
PLACES: Final = 1 << 12
"""Numbers of documents that one line of a text may take: it may wrap several."""
_ALL_PLACES: Final = 1 << 24


def read(lines: Iterable[Line | Torn], add: Add) -> Loaded:
    """Read lines one by one; what cannot be read is a reject with its bytes."""
    batches = (
        collect(enumerate(some), add, places=_ALL_PLACES)
        for some in _batch_items(lines)
    )
    return join_parts(batch.load(whole=True) for batch in batches)


def read_facts(
    lines: Iterable[Line], add: Add, *, first_line: int = 0
) -> tuple[list[Facts], list[pl.DataFrame]]:
    """Read lines of one file one by one: facts by their line numbers, and rejects."""
    numbered = (((line.line_no or first_line) - first_line, line) for line in lines)
    batches = [collect(some, add) for some in _batch_items(numbered)]
    return [each.facts() for each in batches], [each.rejects() for each in batches]


def collect(
    lines: Iterable[tuple[int, Line | Torn]], add: Add, *, places: int = PLACES
) -> Batch:
    """Parse numbered lines into one batch; a line has so many places for documents."""
    batch = Batch()
    for number, line in lines:
        batch.doc = number * places
        if isinstance(line, Torn):
            batch.reject(line.file, line.line_no, line.reason, b"")
        elif (reason := _try_to_add(batch, line, add)) is None:
            continue
        elif _is_event(line.body) or not (inner := unwrap(line.body)):
            _reject(batch, line, reason)
        elif len(inner) > places:
            _reject(batch, line, f"{len(inner):,} documents: write one a line")
        else:
            for place, (pointer, body) in enumerate(inner):
                batch.doc = number * places + place
                part = line._replace(body=body)
                if reason := _try_to_add(batch, part, add):
                    _reject(batch, part, f"inside {pointer}: {reason}")
    return batch


def _is_event(body: bytes) -> bool:
    """Tell whether a body is another kind of event: then nothing is inside it."""
    try:
        return recognize_event(parse(body, source="")) is not None
    except WireError:
        return False


def _try_to_add(batch: Batch, line: Line, add: Add) -> str | None:
    """Add a document; say why it cannot be read."""
    try:
        add(batch, line)
    except WireError as error:
        return f"at {error.pointer or 'the top'}: {error.reason}"
    except SourceError as error:
        return str(error)
    return None


def _reject(batch: Batch, line: Line, reason: str) -> None:
    body = line.body
    if len(body) > _MOST_RAW and not _is_event(body):
        reason += f" (its first MiB is here, of {len(body):,} bytes)"
        body = body[:_MOST_RAW]
    batch.reject(line.file, line.line_no, reason, body)


def _batch_items(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    rest = iter(items)
    while some := list(islice(rest, _LINES)):
        yield some


def webhooks(api_secret: Secrets | None) -> Add:
    """Give the reader of one webhook line."""

    def add(batch: Batch, line: Line) -> None:
        add_webhook(
            batch,
            line.body,
            api_secret=api_secret,
            file=line.file,
            line_no=line.line_no,
        )

    return add


def add_arrow(batch: Batch, line: Line) -> None:
    """Add an Arrow reply with `account_id` and `snapshot_at` beside its data.

    Raises
    ------
    WireError
        Not JSON, not an Arrow reply, or the line does not say whose and when.
    SourceError
        The line is one of Arrow's error bodies.
    """
    where = line.file if line.line_no is None else f"{line.file}:{line.line_no}"
    payload = parse(line.body, source=where)
    if not is_object(payload):
        raise WireError(where, "", f"{as_text(payload)[:40]} is no object")
    said: dict[str, str | None] = {}
    for name in ("account_id", "snapshot_at"):
        value = payload.get(name)
        if value is not None and not isinstance(value, str):
            raise WireError(where, f"/{name}", f"{as_text(value)[:40]} is no text")
        said[name] = value
    arrow.add(
        batch,
        {name: value for name, value in payload.items() if name not in said},
        source=where,
        account_id=said["account_id"],
        snapshot_at=said["snapshot_at"],
        file=line.file,
        line_no=line.line_no,
        raw=line.body,
    )


def join_parts(parts: Iterable[Loaded]) -> Loaded:
    """Put what was read in parts together."""
    found = list(parts) or [Batch().load()]
    if len(found) == 1:
        return found[0]
    frames = zip(*found, strict=True)
    loaded = Loaded(*(pl.concat(same) for same in frames))
    order = REJECTS.names()[:2]
    return loaded._replace(rejects=loaded.rejects.sort(order, maintain_order=True))


_OTHER_REPLIES: Final = {
    frozenset({"success", "data"}): "no webhook but the reply of a holdings fetch: "
    "hk.read_gateway reads it",
    frozenset({"status", "data"}): "no webhook but an Arrow reply: hk.read_arrow, or "
    "hk.scan_arrow with account_id and snapshot_at beside it",
}


def add_webhook(
    batch: Batch,
    body: bytes,
    *,
    api_secret: Secrets | None,
    file: str,
    line_no: int | None,
) -> None:
    """Add one delivery to a batch, its checksum verified where a secret is given.

    `fetched_at` is the delivery's own ``timestamp``.

    Raises
    ------
    WireError
        Not JSON, or not the body of a holdings import.
    """
    where = file if line_no is None else f"{file}:{line_no}"
    payload = parse(body, source=where)
    if not is_object(payload):
        raise WireError(where, "", f"{as_text(payload)[:40]} is no webhook object")
    for names, reason in _OTHER_REPLIES.items():
        if names <= payload.keys():
            raise WireError(where, "", reason)
    timestamp = payload.get("timestamp")
    gateway.add(
        batch,
        payload,
        source=where,
        place={
            "file": file,
            "line_no": line_no,
            "raw": body,
            "timestamp": timestamp if isinstance(timestamp, str) else None,
            "checksum_ok": None
            if api_secret is None
            else webhook_checksum_ok(payload, api_secret),
        },
    )
