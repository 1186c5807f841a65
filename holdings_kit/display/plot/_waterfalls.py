"""Pictures of a bridge: the way from before to after, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from holdings_kit.changes import EFFECTS, bridge
from holdings_kit.display._numbers import number_of, rupees as exact_rupees
from holdings_kit.display.plot._style import (
    Axes,
    colour,
    draw_nothing,
    new_figure,
    rupee_axis,
    rupees,
    tell,
    themed,
    write_beside,
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
_MADE: Final = ("price_effect", "haircut_effect")  # gain or loss; all others are moves
_UNKNOWN: Final = "coverage_effect"  # what is priced at one end only


@themed
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
    'Waterfall of collateral from ₹0 to ₹0: no step.'
    """
    total = bridge(changes, by=(), of="collateral")
    return value_waterfall(total, ax=ax, figsize=figsize, title=title)


@themed
def value_waterfall(
    bridge: pl.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the change from the value before to the value after, one step per cause.

    Works for each of the three bridges: steps are the columns ending in ``_effect``,
    in the order of the frame. The change starts at zero, so that no bar is cut; before
    and after stand above it in words. What prices and haircuts made is teal with ▲ or
    vermilion with ▼, what was moved is blue, and every bar carries its rupees. Where no
    value is known the picture says so.

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
    'Waterfall of value from ₹100 to ₹80: price −₹20.'
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
        alt = f"Waterfall: {words}."
        return draw_nothing(alt, words, size=(5.0, 2.5), ax=ax, figsize=figsize)
    row = {name: float(value or 0) for name, value in figures.items()}
    names = {step: step.removesuffix("_effect").replace("_", " ") for step in steps}
    told = ", ".join(f"{names[s]} {rupees(row[s])}" for s in steps if row[s])
    before, after = row["value_before"], row["value_after"]
    kind = next((_KINDS[step] for step in _KINDS if step in steps), "value")
    figure, (axes,) = new_figure(
        f"Waterfall of {kind} from {rupees(before)} to {rupees(after)}: "
        f"{told or 'no step'}.",
        size=(7.4, 1.6 + 0.34 * (len(steps) + 1)),
        ax=ax,
        figsize=figsize,
    )
    level = 0.0
    for place, step in enumerate(steps):
        size = row[step]
        look = _choose_look(step, size)
        axes.barh(place, size, left=level, height=0.58, **look)
        top = (level + size, level + size)
        axes.plot(top, (place - 0.29, place + 1.29), color=colour("line2"), lw=0.9)
        mark = ("▲ " if size > 0 else "▼ ") if step in _MADE and size else ""
        words = mark + exact_rupees(size, sign=True)
        shade = "ink" if size else "ink3"
        _write_amount(axes, words, (max(level, level + size), place), shade)
        level += size
    last = len(steps)
    total = after - before
    axes.barh(last, total, height=0.58, color=colour("bar"))
    words = exact_rupees(total, sign=True)
    _write_amount(axes, words, (max(0.0, total), last), fontweight="bold")
    labels = [names[step].capitalize() for step in steps]
    axes.set_yticks(range(last + 1), [*labels, "Change"])
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelcolor=colour("ink"))
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.axvline(0, color=colour("ink3"), linewidth=0.9)
    axes.spines["bottom"].set_visible(False)
    rupee_axis(axes.xaxis)
    low, high = axes.get_xlim()
    axes.set_xlim(low, high + 0.22 * (high - low))
    if not any(row[step] for step in steps):
        axes.set_xticks([0.0])
    tell(
        figure,
        axes,
        _say_finding(kind, steps, row),
        unit=f"Change of {kind}, ₹, from {exact_rupees(figures['value_before'])} to "
        f"{exact_rupees(figures['value_after'])}; blue is moved, not made",
        foot=_say_coverage(bridge),
        title=title,
        ax=ax,
    )
    return figure


def _choose_look(step: str, size: float) -> dict[str, Any]:
    if step == _UNKNOWN:
        edge = {"edgecolor": colour("hatch"), "linewidth": 0.8}
        return {"facecolor": "none", "hatch": "//////", **edge}
    if step in _MADE:
        return {"color": colour("gainbar" if size >= 0 else "lossbar")}
    return {"color": colour("ink3" if step == "unexplained_effect" else "flow")}


def _write_amount(
    axes: Axes,
    words: str,
    end: tuple[float, int],
    shade: str = "ink",
    **look: str,
) -> None:
    look |= {"va": "center", "color": colour(shade)}
    write_beside(axes, words, end, (5, 0), fontsize=9.5, **look)


def _say_finding(kind: str, steps: list[str], row: dict[str, float]) -> str:
    """Say how much it changed, and which step did most of it."""
    total = row["value_after"] - row["value_before"]
    largest = max(steps, key=lambda step: abs(row[step]))
    name = f"{kind[:1].upper()}{kind[1:]}"
    if not row[largest]:
        return f"{name} did not change"
    way = "rose" if total > 0 else "fell" if total < 0 else "is the same"
    by = f" {exact_rupees(abs(total))}" if total else ""
    most = largest.removesuffix("_effect").replace("_", " ")
    part = exact_rupees(row[largest], sign=True)
    return f"{name} {way}{by}; most of it is {most}, {part}"


def _say_coverage(bridge: pl.DataFrame) -> str:
    """Say how many lines have a value at both ends, where the bridge counts them."""
    row = bridge.row(0, named=True)
    count = row.get("lines_count")
    if not count:
        return "The steps add up to the paisa"
    unknown = [int(row.get(f"unknown_{end}_count") or 0) for end in ("before", "after")]
    lines = number_of(count, "line")
    if not any(unknown):
        return f"{lines}, all priced at both ends; the steps add up to the paisa"
    return (
        f"{lines}, of which {unknown[0]} before and {unknown[1]} after have no price "
        "and are in no bar"
    )
