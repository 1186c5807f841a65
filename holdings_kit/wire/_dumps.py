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
from holdings_kit.wire._lines import Line, Torn
from holdings_kit.wire._parse import as_text, parse
from holdings_kit.wire._rows import is_object
from holdings_kit.wire._signing import webhook_checksum_ok

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from holdings_kit.wire._keyed import Facts
    from holdings_kit.wire._signing import Secret

__all__ = [
    "Add",
    "add_arrow",
    "add_webhook",
    "collect",
    "join_parts",
    "read",
    "read_facts",
    "webhooks",
]

Add = Callable[[Batch, Line], None]
_Item = TypeVar("_Item")
_LINES: Final = 500  # parsed at once: more cost memory, fewer time


def read(lines: Iterable[Line | Torn], add: Add) -> Loaded:
    """Read lines one by one; what cannot be read is a reject with its bytes."""
    batches = (collect(some, add) for some in _batched(enumerate(lines)))
    return join_parts(batch.load(whole=True) for batch in batches)


def read_facts(
    lines: Iterable[Line], add: Add
) -> tuple[list[Facts], list[pl.DataFrame]]:
    """Read lines of one file one by one: facts by their line numbers, and rejects."""
    numbered = ((line.line_no or 0, line) for line in lines)
    batches = [collect(some, add) for some in _batched(numbered)]
    return [each.facts() for each in batches], [each.rejects() for each in batches]


def collect(lines: Iterable[tuple[int, Line | Torn]], add: Add) -> Batch:
    """Parse numbered lines into one batch."""
    batch = Batch()
    for number, line in lines:
        if isinstance(line, Torn):
            batch.reject(line.file, line.line_no, line.reason, b"")
            continue
        batch.doc = number
        try:
            add(batch, line)
        except WireError as error:
            reason = f"at {error.pointer or 'the top'}: {error.reason}"
            batch.reject(line.file, line.line_no, reason, line.body)
        except SourceError as error:
            batch.reject(line.file, line.line_no, str(error), line.body)
    return batch


def _batched(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    rest = iter(items)
    while some := list(islice(rest, _LINES)):
        yield some


def webhooks(api_secret: str | Secret | None) -> Add:
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


def add_webhook(
    batch: Batch,
    body: bytes,
    *,
    api_secret: str | Secret | None,
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
    ok = None if api_secret is None else webhook_checksum_ok(payload, api_secret)
    timestamp = payload.get("timestamp")
    gateway.add(
        batch,
        payload,
        source=where,
        fetched_at=timestamp if isinstance(timestamp, str) else None,
        checksum_ok=ok,
        file=file,
        line_no=line_no,
        raw=body,
    )
