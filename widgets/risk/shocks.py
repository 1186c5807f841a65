"""Sliders to SHOCKS: what a person set, and what each instrument follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import polars as pl

from holdings_kit.display._numbers import percent
from holdings_kit.risk import LIST_CUT, SCENARIOS, SHOCKS

if TYPE_CHECKING:
    from collections.abc import Mapping

Sliders: TypeAlias = "Mapping[str, Mapping[str, float]]"
"""Row → ``price`` and ``haircut``; the row ``all``, then classes and instruments."""

CUSTOM: Final = "custom"
NO_SHOCK: Final = "none"
LIST_CUT_NAME: Final = "list_cut_2024"


def scenarios() -> list[tuple[str, str]]:
    """List the scenarios, a step each, as options with their labels."""
    named = [
        (f"{name}|{step}", f"{name.replace('_', ' ').capitalize()}: {step}")
        for name, step in SCENARIOS.select("scenario", "step").iter_rows()
    ]
    cuts = [
        (
            f"{LIST_CUT_NAME}|{cut}",
            f"List cut 2024: haircut at least {percent(cut, places=0)}",
        )
        for cut in LIST_CUT["haircut"].cast(pl.Float64()).to_list()
    ]
    none = (NO_SHOCK, "No shock: prices as they are")
    return [none, *named, *cuts, (CUSTOM, "My own: move a slider")]


def preset(choice: str) -> dict[str, float] | None:
    """Give the sliders of a scenario's step; null for the others."""
    name, _, step = choice.partition("|")
    row = SCENARIOS.filter(scenario=name, step=step)
    if row.is_empty():
        return None
    return {"price": row["price_shock"][0], "haircut": row["haircut_add"][0]}


def floor_of(choice: str) -> float | None:
    """Give the least haircut that a step of the list cut imposes, else null."""
    name, _, step = choice.partition("|")
    return float(step) if name == LIST_CUT_NAME else None


def shocks_of(
    sliders: Sliders,
    *,
    classes: Mapping[str, str],
    floor: float | None,
    off_list: list[str],
) -> pl.DataFrame:
    """Write the sliders as SHOCKS; a slider at 0 follows the row above it.

    Parameters
    ----------
    sliders
        What was set.
    classes
        Instrument → asset class, for what an instrument follows.
    floor
        The least haircut of the names in `off_list`; null where no list is cut.
    """
    named = [key for key in sliders if key in classes]
    extra = off_list if floor is not None else []
    own_classes = [key for key in sliders if key not in classes and key != "all"]

    def value(column: str, *path: str) -> float:
        """Take the narrowest slider that is not at 0."""
        found = (sliders.get(key, {}).get(column) for key in path)
        return next((number for number in found if number), 0.0)

    def row(
        scope: str, key: str | None, *path: str, least: float | None = None
    ) -> tuple[object, ...]:
        moved = (value("price", *path), value("haircut", *path))
        return ("explorer", "now", scope, key, *moved, least)

    rows = [row("all", None, "all")]
    rows += [row("asset_class", key, key, "all") for key in own_classes]
    for key in dict.fromkeys([*named, *extra]):
        least = floor if key in off_list else None
        rows.append(row("instrument_id", key, key, classes[key], "all", least=least))
    return pl.DataFrame(rows, schema=SHOCKS, orient="row")
