"""The holdings-import webhook: one flat JSON object a delivery, without an envelope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdings_kit.errors import WireError
from holdings_kit.wire import _gateway as gateway
from holdings_kit.wire._parse import as_text, parse
from holdings_kit.wire._rows import is_object
from holdings_kit.wire._signing import webhook_checksum_ok

if TYPE_CHECKING:
    from holdings_kit.wire._batch import Batch
    from holdings_kit.wire._signing import Secret

__all__ = ["add"]


def add(
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
