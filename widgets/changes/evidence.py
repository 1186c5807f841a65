"""From a change back to what was reported: stored fields and the payload's own line."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from holdings_kit.errors import HoldingsError
from holdings_kit.read._texts import lines
from holdings_kit.wire import Line

if TYPE_CHECKING:
    from holdings_kit.schema import Loaded

_PLACES = {
    "arrow": ("data",),
    "gateway-v1": ("securities", "holdings"),
    "gateway-v2": ("securities",),
}


class Source(NamedTuple):
    """One reported holding behind a change.

    Attributes
    ----------
    side
        ``before`` or ``after``.
    row
        The stored HOLDINGS row, what is known of it.
    origin
        Which file, line and holding its payload is, counted from 1.
    payload
        The payload's own words for this holding; ``None`` where they are not kept.
    """

    side: str
    row: dict[str, Any]
    origin: str
    payload: str | None


def sources(change: dict[str, Any], before: Loaded, after: Loaded) -> list[Source]:
    """Find the reported holdings that a row of CHANGES was made from."""
    sides = (
        ("before", change["instrument_id_before"] or change["instrument_id"], before),
        ("after", change["instrument_id"], after),
    )
    return [
        _source(side, row, loaded)
        for side, instrument, loaded in sides
        for row in loaded.holdings.filter(
            pl.col("account_id").eq_missing(change["account_id"]),
            pl.col("instrument_id") == instrument,
        ).iter_rows(named=True)
    ]


def _source(side: str, row: dict[str, Any], loaded: Loaded) -> Source:
    found = loaded.snapshots.filter(snapshot_id=row["snapshot_id"])
    snapshot = found.row(0, named=True)
    file, number = snapshot["file"], snapshot["line_no"]
    at = "" if number is None else f", line {number}"
    name = Path(file).name if file else "fetched, not kept as a file"
    origin = f"{name}{at}, holding {row['holding_no'] + 1}"
    known = {name: value for name, value in row.items() if value is not None}
    payload = payload_line(file, number, snapshot["format"], row["holding_no"])
    return Source(side, known, origin, payload)


def payload_line(
    file: str | None, line_no: int | None, form: str | None, holding_no: int
) -> str | None:
    """Read the words of one holding from the dump it came in, if that is still there.

    A holding that was fetched by HTTP has no file: its stored fields are all there is.
    """
    if file is None or not Path(file).is_file():
        return None
    try:
        wanted = next(islice(lines(Path(file)), (line_no or 1) - 1, None), None)
        if not isinstance(wanted, Line):
            return None
        found: Any = json.loads(wanted.body)
        if form != "arrow" and isinstance(found.get("data"), dict):
            found = found["data"]
        for name in _PLACES.get(form or "", ()):
            found = found[name]
        return json.dumps(found[holding_no], indent=1, ensure_ascii=False)
    except (HoldingsError, OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
