"""Answers that a store gave instead of the source, and how they say so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import polars as pl

if TYPE_CHECKING:
    from holdings_kit.market._freshness import Freshness
    from holdings_kit.schema import Loaded

__all__ = ["age_of", "answered_from_store"]


def age_of(state: Freshness) -> str:
    """Say of when a snapshot is, and how long the exchange was open since."""
    if state.snapshot_at is None:
        return "the snapshot has no instant"
    opened = f"the exchange was open for {state.open_time} since"
    return f"snapshot of {state.snapshot_at.isoformat()}, {opened} ({state.calendar})"


def answered_from_store(loaded: Loaded, state: Freshness) -> Loaded:
    """Say in the snapshot's notices that the store answered."""
    notice = {"kind": "answered_from_store", "pointer": "", "value": age_of(state)}

    def add(text: str | None) -> str:
        known = cast("list[object]", json.loads(text)) if text else []
        return json.dumps([*known, notice], ensure_ascii=False)

    notices = [add(text) for text in loaded.snapshots["notices"]]
    column = pl.Series("notices", notices, dtype=pl.String())
    return loaded._replace(snapshots=loaded.snapshots.with_columns(column))
