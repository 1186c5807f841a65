"""Pictures of shocks: what they do, and the price × haircut grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.display._numbers import label_of_column, number_of, percent
from holdings_kit.display.plot._style import (
    Axes,
    colour,
    draw_cells,
    draw_nothing,
    need,
    new_figure,
    rupee_axis,
    rupees,
    tell,
    themed,
    write_beside,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["shock_effects", "shock_grid"]

_LABELLED: Final = 120  # cells up to which each carries its figure
_EFFECTS: Final = {
    "value": ("market_value_before", "market_value_after", "s1"),
    "collateral": ("collateral_value_before", "collateral_value_after", "s2"),
    "usable margin": ("usable_value_before", "usable_value_after", "s3"),
    "headroom": ("headroom_value_before", "headroom_value_after", "s4"),
}


@themed
def shock_grid(
    grid: pl.DataFrame,
    *,
    value: str = "headroom_value_after",
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw price × haircut shocks as a heat map.

    Parameters
    ----------
    grid
        What `stress.grid` returns.
    value
        The column to show, rupees. Blue is above zero, vermilion with ▼ below.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Raises
    ------
    FrameError
        The column is missing. A cell whose figure is unknown is hatched.

    Examples
    --------
    >>> from holdings_kit.display.plot import alt_text
    >>> frame = pl.DataFrame(
    ...     {
    ...         "price_shock": [-0.1, 0.0],
    ...         "haircut_add": [0.0, 0.0],
    ...         "value_effect": [-9.0, 0.0],
    ...     }
    ... )
    >>> alt_text(shock_grid(frame, value="value_effect"))
    'Heat map of value effect, 2 price shocks by 1 haircut rise; from −₹9 to ₹0.'
    """
    need(grid, "grid", ("price_shock", "haircut_add", value))
    name = value.replace("_", " ")
    table = grid.select("price_shock", "haircut_add", pl.col(value).cast(pl.Float64()))
    falls = table["price_shock"].unique().sort().to_list()
    rises = table["haircut_add"].unique().sort().to_list()
    known = table[value].drop_nulls()
    if known.is_empty():
        alt = f"Heat map of {name}: nothing is known."
        words = f"{name}: unknown in every cell"
        return draw_nothing(alt, words, ax=ax, figsize=figsize)
    low, high = (float(edge) for edge in known.sort().gather([0, -1]))
    figure, (axes,) = new_figure(
        f"Heat map of {name}, {number_of(len(falls), 'price shock')} by "
        f"{number_of(len(rises), 'haircut rise')}; "
        f"from {rupees(low)} to {rupees(high)}.",
        size=(max(5.0, 2.0 + 0.85 * len(falls)), 1.9 + 0.42 * len(rises)),
        ax=ax,
        figsize=figsize,
    )
    span = max(abs(low), abs(high)) or 1.0
    figures = len(falls) * len(rises) <= _LABELLED
    cells = [
        (
            falls.index(fall),
            rises.index(rise),
            None if cell is None else -cell / span,
            _write_figure(cell, short=not figures),
        )
        for fall, rise, cell in table.iter_rows()
    ]
    draw_cells(
        axes,
        cells,
        (_name_shocks(falls), _name_shocks(rises)),
        bold=lambda strength: strength > 0,
        size=8.5 if figures else 7,
    )
    axes.set_xlabel("price shock")
    axes.set_ylabel("added to each haircut")
    held = label_of_column(value.removesuffix("_after")).removesuffix(" value")
    below = int((known < 0).sum())
    finding = f"{held} falls below zero in {below} of {known.len()} cases"
    if not below:
        finding = f"{held} stays above zero in all {known.len()} cases"
    unknown = table.height - known.len()
    tell(
        figure,
        axes,
        finding,
        unit=f"{held}{' after the shock' if value.endswith('_after') else ''}, ₹; "
        "▼ is below zero, colour is size",
        foot=f"{known.len()} of {number_of(table.height, 'case')} known"
        + ("; hatched is unknown" if unknown else ""),
        title=title,
        ax=ax,
    )
    return figure


def _name_shocks(shocks: list[float]) -> list[str]:
    return [percent(shock, sign=True) for shock in shocks]


def _write_figure(cell: float | None, *, short: bool) -> str:
    if cell is None:
        return ""
    mark = "▼" if cell < 0 else ""
    return mark or " " if short else f"{mark}{' ' if mark else ''}{rupees(cell)}"


@themed
def shock_effects(
    shocked: pl.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw what each step of a scenario does, in rupees of change.

    Parameters
    ----------
    shocked
        SHOCKED, as `hk.shock` returns it. Figures that are unknown are left out and
        named in the alt text.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Raises
    ------
    FrameError
        A column is missing.

    Examples
    --------
    >>> from holdings_kit.risk import SHOCKED
    >>> from holdings_kit.display.plot import alt_text
    >>> alt_text(shock_effects(pl.DataFrame(schema=SHOCKED)))
    'Effects of a shock: nothing to show.'
    """
    columns = [
        name for before, after, _ in _EFFECTS.values() for name in (before, after)
    ]
    need(shocked, "shocked", ("step", *columns))
    changes = shocked.select(
        "step",
        *(
            (pl.col(after) - pl.col(before)).cast(pl.Float64()).alias(name)
            for name, (before, after, _) in _EFFECTS.items()
        ),
    )
    known = [name for name in _EFFECTS if changes[name].count()]
    if not known:
        alt = "Effects of a shock: nothing to show."
        return draw_nothing(alt, "no effect is known", ax=ax, figsize=figsize)
    steps = changes["step"].to_list()
    parts = [
        f"{step}: "
        + ", ".join(
            f"{name} {rupees(change)}"
            for name in known
            if (change := changes[name][place]) is not None
        )
        for place, step in enumerate(steps)
    ]
    absent = [name for name in _EFFECTS if name not in known]
    unknown = f" Unknown: {', '.join(absent)}." if absent else ""
    figure, (axes,) = new_figure(
        f"Effects of a shock in rupees. {'; '.join(parts)}.{unknown}",
        size=(7.4, 1.5 + (0.3 * len(known) + 0.16) * len(steps)),
        ax=ax,
        figsize=figsize,
    )
    thick = 0.8 / len(known)
    for place, name in enumerate(known):
        shade = colour(_EFFECTS[name][2])
        for step, change in enumerate(changes[name]):
            at = step + (place - (len(known) - 1) / 2) * thick
            if change is None:
                continue
            axes.barh(at, change, height=0.86 * thick, color=shade)
            write_beside(
                axes,
                f"{name} {rupees(change, sign=True)}",
                (change, at),
                (-5 if change < 0 else 5, 0),
                va="center",
                ha="right" if change < 0 else "left",
                fontsize=8.5,
            )
    axes.axvline(0, color=colour("ink3"), linewidth=0.9)
    axes.set_yticks(range(len(steps)), steps)
    axes.tick_params(axis="y", labelcolor=colour("ink"))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.spines["bottom"].set_visible(False)
    low, high = axes.get_xlim()
    room = 0.36 * (high - low)
    axes.set_xlim(low - room * (low < 0), high + room * (high > 0))
    rupee_axis(axes.xaxis)
    gone = int(shocked["unpriced_count"].sum()) if "unpriced_count" in shocked else 0
    tell(
        figure,
        axes,
        _name_worst(changes, known),
        unit="Change by the shock, ₹",
        foot="; ".join(
            [
                *([f"unknown: {', '.join(absent)}"] if absent else []),
                *([f"{number_of(gone, 'position')} without a price"] if gone else []),
            ]
        )
        or "every position is priced",
        title=title,
        ax=ax,
    )
    return figure


def _name_worst(changes: pl.DataFrame, known: list[str]) -> str:
    """Say what the step takes most of, or that nothing is lost."""
    name = min(known, key=lambda one: _find_least(changes[one]))
    least = _find_least(changes[name])
    if least >= 0:
        return "The shock takes nothing"
    return f"The shock takes up to {rupees(-least)} of {name}"


def _find_least(changes: pl.Series) -> float:
    return min(changes.drop_nulls().to_list(), default=0.0)
