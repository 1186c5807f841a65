"""Pictures of shocks: what they do, and the price × haircut grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from holdings_kit.display._numbers import number_of
from holdings_kit.display.plot._style import (
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    Axes,
    ink,
    ink_on,
    need,
    new_figure,
    nothing,
    rupee_axis,
    rupees,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["shock_effects", "shock_grid"]

_LABELLED: Final = 120  # cells up to which each carries its figure
_ASIDE: Final = 0.28  # of a cell, so that the zero line does not cross the figures
_EFFECTS: Final = {
    "value": ("market_value_before", "market_value_after", GREY),
    "collateral": ("collateral_value_before", "collateral_value_after", ORANGE),
    "usable margin": ("usable_value_before", "usable_value_after", SKY),
    "headroom": ("headroom_value_before", "headroom_value_after", PURPLE),
}


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
        The column to show, rupees. Blue is above zero, red below; the line is zero.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Raises
    ------
    FrameError
        The column is missing. A cell whose figure is unknown stays white.

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
    'Heat map of value effect, 2 price shocks by 1 haircut rise; from -9 to 0 rupees.'
    """
    need(grid, "grid", ("price_shock", "haircut_add", value))
    name = value.replace("_", " ")
    table = grid.select("price_shock", "haircut_add", pl.col(value).cast(pl.Float64()))
    falls = table["price_shock"].unique().sort().to_list()
    rises = table["haircut_add"].unique().sort().to_list()
    known = table[value].drop_nulls()
    if known.is_empty():
        figure, (axes,) = new_figure(
            f"Heat map of {name}: nothing is known.", ax=ax, figsize=figsize
        )
        nothing(axes, f"{name}: unknown in every cell")
        return figure
    low, high = (float(edge) for edge in known.sort().gather([0, -1]))
    figure, (axes,) = new_figure(
        f"Heat map of {name}, {number_of(len(falls), 'price shock')} by "
        f"{number_of(len(rises), 'haircut rise')}; "
        f"from {rupees(low)} to {rupees(high)} rupees.",
        ax=ax,
        figsize=figsize,
    )
    cells: Any = (
        table.pivot(on="price_shock", index="haircut_add", values=value)
        .sort("haircut_add")
        .select(str(fall) for fall in falls)
        .to_numpy()
    )
    span = max(abs(low), abs(high)) or 1.0
    image = axes.imshow(
        cells, cmap="RdBu", vmin=-span, vmax=span, aspect="auto", origin="lower"
    )
    axes.grid(visible=False)
    axes.set_xticks(range(len(falls)), [f"{fall:+.0%}" for fall in falls])
    axes.set_yticks(range(len(rises)), [f"{rise:+.0%}" for rise in rises])
    axes.set_xlabel("price shock (%)")
    axes.set_ylabel("added to each haircut (percentage points)")
    if low < 0 < high and min(len(falls), len(rises)) > 1:
        axes.contour(cells, levels=[0.0], colors="black", linewidths=1.2)
    if len(falls) * len(rises) <= _LABELLED:
        known_cells = table.drop_nulls().iter_rows()
        for fall, rise, cell in known_cells:
            place = (falls.index(fall), rises.index(rise) - _ASIDE)
            ink = ink_on(cell, span)
            axes.text(*place, rupees(cell), ha="center", va="center", size=7, color=ink)
    rupee_axis(figure.colorbar(image, ax=axes).ax.yaxis, name)
    held = name.removesuffix(" after").capitalize()
    below = int((known < 0).sum())
    found = f"{held} falls below zero in {below} of {known.len()} cases"
    axes.set_title(title or found)
    return figure


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
        figure, (axes,) = new_figure(
            "Effects of a shock: nothing to show.", ax=ax, figsize=figsize
        )
        nothing(axes, "no effect is known")
        return figure
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
        size=(max(6.0, 2.0 + 1.4 * len(steps)), 4.0),
        ax=ax,
        figsize=figsize,
    )
    width = 0.8 / len(known)
    for place, name in enumerate(known):
        axes.bar(
            [
                step + (place - (len(known) - 1) / 2) * width
                for step in range(len(steps))
            ],
            changes[name].fill_null(float("nan")).to_list(),
            width=width,
            color=_EFFECTS[name][2],
            label=name,
        )
    axes.axhline(0, color=ink(), linewidth=0.8)
    axes.set_xticks(range(len(steps)), steps)
    rupee_axis(axes.yaxis, "change")
    axes.legend(frameon=False)
    axes.set_title(title or _name_worst(changes, known))
    return figure


def _name_worst(changes: pl.DataFrame, known: list[str]) -> str:
    """Say what the step takes most of, or that nothing is lost."""
    name = min(known, key=lambda one: _find_least(changes[one]))
    least = _find_least(changes[name])
    if least >= 0:
        return "The shock takes nothing"
    return f"The shock takes up to Rs {rupees(-least)} of {name}"


def _find_least(changes: pl.Series) -> float:
    return min(changes.drop_nulls().to_list(), default=0.0)
