"""What comes after an import: its webhook, and how current its snapshot is."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import holdings_kit as hk

if TYPE_CHECKING:
    from holdings_kit.clients import Inbox
    from holdings_kit.market._freshness import Freshness

__all__ = ["arrived", "fresh_words"]

_POLL: Final = 0.5


async def arrived(inbox: Inbox, transaction_id: str, *, within: float) -> bool:
    """Wait some seconds for the webhook of a transaction to be in the inbox."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        read = await asyncio.to_thread(hk.read_webhooks, inbox.accepted)
        if transaction_id in read.snapshots["transaction_id"].to_list():
            return True
        await asyncio.sleep(_POLL)
    return False


def fresh_words(state: Freshness) -> str:
    """Say how current a snapshot is."""
    if state.open_time is None:
        return "Not current: the snapshot does not say when it was taken."
    minutes = round(state.open_time.total_seconds() / 60)
    said = "Current" if state.fresh else "Not current"
    since = "less than a minute" if minutes == 0 else f"{minutes} min"
    if state.open_time == timedelta(0):
        return f"{said}: the exchange has not been open since the snapshot."
    return f"{said}: the exchange was open for {since} since the snapshot."
