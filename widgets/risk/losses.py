"""What the book may lose: value at risk by each method, with what it was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from holdings_kit.display import number_of
from holdings_kit.display._numbers import UNKNOWN, format_value, percent
from widgets.page import bars, notice

if TYPE_CHECKING:
    import polars as pl

__all__ = ["draw_losses"]

_HEADS: Final = ("Method", "Value at risk, ₹", "of value", "Expected shortfall, ₹")


def draw_losses(losses: pl.DataFrame) -> str:
    """Draw a row per method, and say which returns it looks at and what is left out.

    A method with too few returns has no figure; its note says how many it needs.
    """
    if losses.is_empty():
        return notice("Nothing to measure.")
    rows = losses.to_dicts()
    table = bars(
        _describe_window(rows[0]),
        _HEADS,
        [(_name_method(row["method"]), _list_cells(row)) for row in rows],
        whys={_name_method(row["method"]): row["note"] for row in rows},
    )
    notes = dict.fromkeys(
        f"{_name_method(row['method'])}: {row['note']}." for row in rows if row["note"]
    )
    return table + "".join(notice(note, "warn") for note in notes)


def _name_method(method: str) -> str:
    return {"ewma": "EWMA, normal"}.get(method, method.replace("_", " ").capitalize())


def _list_cells(row: dict[str, Any]) -> list[tuple[str, float]]:
    if row["var_value"] is None:
        return [(UNKNOWN, 0.0)] * 3
    return [
        (format_value(row["var_value"], "rupees"), 0.0),
        (percent(row["var"], places=2), row["var"] or 0.0),
        (format_value(row["es_value"], "rupees"), 0.0),
    ]


def _describe_window(row: dict[str, Any]) -> str:
    """Say the level, the days, the returns used, and how much value they cover."""
    said = (
        f"A loss above this on {percent(1 - row['level'], places=2)} of "
        f"{number_of(row['horizon_days'], 'day')}-windows; a loss is positive; "
        f"{number_of(row['observations'], 'return')}"
    )
    if row["observations"]:
        said += f" from {row['first_date']} to {row['last_date']}"
    if row["covered_share"] is not None:
        said += f"; covers {percent(row['covered_share'], places=2)} of the value"
    if row["uncovered"]:
        said += f", without {number_of(len(row['uncovered']), 'instrument')}"
    return said + "."
