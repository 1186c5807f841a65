"""Pictures of a bridge: the way from before to after, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdings_kit.changes import EFFECTS, bridge
from holdings_kit.display.plot._style import (
    GAIN,
    GREY,
    LOSS,
    Axes,
    ink,
    new_figure,
    nothing,
    rupee_axis,
    rupees,
)
from holdings_kit.errors import FrameError

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["collateral_bridge", "value_waterfall"]

_KINDS: Final = {
    "haircut_effect": "collateral",
    "average_effect": "unrealized P&L",
    "price_effect": "value",
}
"""What a bridge is of, by the first of these steps that it has."""


def collateral_bridge(
    changes: pl.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw why collateral changed: price, quantity pledged, haircut.

    Parameters
    ----------
    changes
        `CHANGES` of one account or many; the picture shows their total.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Raises
    ------
    FrameError
        `changes` is not `CHANGES`.

    Examples
    --------
    >>> import polars as pl
    >>> from holdings_kit.changes import CHANGES
    >>> from holdings_kit.display.plot import alt_text
    >>> alt_text(collateral_bridge(pl.DataFrame(schema=CHANGES)))
    'Waterfall of collateral from Rs 0 to Rs 0: no step.'
    """
    total = bridge(changes, by=(), of="collateral")
    return value_waterfall(total, ax=ax, figsize=figsize, title=title)


def value_waterfall(
    bridge: pl.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the way from the value before to the value after, one step per cause.

    Works for each of the three bridges: steps are the columns ending in ``_effect``,
    in the order of the frame. Steps up are teal, down vermilion and hatched, and
    every bar carries its rupees. Where no value is known the picture says so.

    Parameters
    ----------
    bridge
        A total: one row of `holdings_kit.bridge(changes, by=())`.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Raises
    ------
    FrameError
        Not one row, or no step in it.

    Examples
    --------
    >>> import polars as pl
    >>> from holdings_kit.display.plot import alt_text
    >>> total = pl.DataFrame(
    ...     {"value_before": [100.0], "price_effect": [-20.0], "value_after": [80.0]}
    ... )
    >>> alt_text(value_waterfall(total))
    'Waterfall of value from Rs 100 to Rs 80: price -20.'
    """
    if bridge.height != 1:
        raise FrameError("bridge", "value_before", f"{bridge.height} rows, not a total")
    known = {step for steps in EFFECTS.values() for step in steps}
    steps = [column for column in bridge.columns if column in known]
    if not steps:
        raise FrameError("bridge", "price_effect", "missing, and every other effect")
    figures = bridge.select("value_before", *steps, "value_after").row(0, named=True)
    if figures["value_before"] is None and figures["value_after"] is None:
        words = "nothing in it has a known value"
        figure, (axes,) = new_figure(
            f"Waterfall: {words}.", size=(5.0, 2.5), ax=ax, figsize=figsize
        )
        nothing(axes, words)
        return figure
    row = {name: float(value or 0) for name, value in figures.items()}
    names = {step: step.removesuffix("_effect").replace("_", " ") for step in steps}
    told = ", ".join(f"{names[s]} {rupees(row[s])}" for s in steps if row[s])
    before, after = row["value_before"], row["value_after"]
    kind = next((_KINDS[step] for step in _KINDS if step in steps), "value")
    figure, (axes,) = new_figure(
        f"Waterfall of {kind} from Rs {rupees(before)} to Rs {rupees(after)}: "
        f"{told or 'no step'}.",
        size=(1.1 * (len(steps) + 2), 4.0),
        ax=ax,
        figsize=figsize,
    )
    level = before
    axes.bar(0, before, color=GREY, width=0.7)
    for place, step in enumerate(steps, 1):
        size = row[step]
        axes.bar(
            place,
            size,
            bottom=level,
            color=GAIN if size >= 0 else LOSS,
            hatch=None if size >= 0 else "//",
            edgecolor="white",
            width=0.7,
        )
        axes.plot((place - 0.65, place + 0.35), (level, level), color=ink(), lw=0.6)
        axes.annotate(
            rupees(size),
            (place, max(level, level + size)),
            textcoords="offset points",
            xytext=(0, 3),
            ha="center",
            fontsize=8,
        )
        level += size
    last = len(steps) + 1
    axes.bar(last, after, color=GREY, width=0.7)
    for place, value in ((0, before), (last, after)):
        axes.annotate(
            rupees(value),
            (place, value),
            textcoords="offset points",
            xytext=(0, 3),
            ha="center",
            fontsize=8,
        )
    labels = ["before", *(names[step].replace(" ", "\n") for step in steps), "after"]
    axes.set_xticks(range(last + 1), labels)
    rupee_axis(axes.yaxis, kind)
    total = after - before
    way = "rose" if total > 0 else "fell"
    largest = max(steps, key=lambda step: abs(row[step]))
    finding = f"{kind[:1].upper()}{kind[1:]} {way} by Rs {rupees(abs(total))}"
    if row[largest]:
        finding += f", most of it {names[largest]} ({rupees(row[largest])})"
    axes.set_title(title or (finding if total else f"{kind} did not change"))
    _leave_head_room(axes)
    return figure


def _leave_head_room(axes: Axes) -> None:
    """Leave room above the highest bar, where its figure stands."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.08 * (high - low))
