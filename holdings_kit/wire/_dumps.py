"""Dump lines to frames: one line a document, read whole or set aside whole.

`read` is the exact way, a line at a time; `wire.fast` gives the same, sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl

from holdings_kit.errors import SourceError, WireError
from holdings_kit.schema import REJECTS, Loaded
from holdings_kit.wire import _arrow as arrow
from holdings_kit.wire import _webhook as webhook
from holdings_kit.wire._batch import Batch
from holdings_kit.wire._files import Line, Torn
from holdings_kit.wire._parse import as_text, parse
from holdings_kit.wire._rows import is_object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdings_kit.wire._signing import Secret

__all__ = ["Add", "add_arrow", "joined", "read", "webhooks"]

Add = Callable[[Batch, Line], None]


def read(lines: Iterable[Line | Torn], add: Add) -> Loaded:
    """Read lines one by one; what cannot be read is a reject with its bytes."""
    batch = Batch()
    for line in lines:
        if isinstance(line, Torn):
            batch.reject(line.file, line.line_no, line.reason, b"")
            continue
        try:
            add(batch, line)
        except WireError as error:
            reason = f"at {error.pointer or 'the top'}: {error.reason}"
            batch.reject(line.file, line.line_no, reason, line.body)
        except SourceError as error:
            batch.reject(line.file, line.line_no, str(error), line.body)
    return batch.load(whole=True)


def webhooks(api_secret: str | Secret | None) -> Add:
    """Give the reader of one webhook line."""

    def add(batch: Batch, line: Line) -> None:
        webhook.add(
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
    said = {name: payload.get(name) for name in ("account_id", "snapshot_at")}
    for name, value in said.items():
        if value is not None and not isinstance(value, str):
            raise WireError(where, f"/{name}", f"{as_text(value)[:40]} is no text")
    arrow.add(
        batch,
        {name: value for name, value in payload.items() if name not in said},
        source=where,
        account_id=said["account_id"] or None,
        snapshot_at=said["snapshot_at"],
        fetched_at=said["snapshot_at"],
        file=line.file,
        line_no=line.line_no,
        raw=line.body,
    )


def joined(parts: Iterable[Loaded]) -> Loaded:
    """Put what was read in parts together."""
    found = list(parts)
    if len(found) == 1:
        return found[0]
    frames = zip(*found, strict=True)
    loaded = Loaded(*(pl.concat(same) for same in frames))
    order = REJECTS.names()[:2]
    return loaded._replace(rejects=loaded.rejects.sort(order, maintain_order=True))
