"""Pictures of a portfolio: what gained and what lost, and how it did over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from holdings_kit.display.plot._style import (
    BLUE,
    FLOW,
    GAIN,
    GREY,
    LOSS,
    PURPLE,
    Axes,
    date_axis,
    ink,
    legend_outside,
    need,
    new_figure,
    nothing,
    percent_axis,
    rupee_axis,
    rupees,
)
from holdings_kit.errors import FrameError
from holdings_kit.schema import POSITIONS, conform

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["performance_lines", "pnl_bars"]


def pnl_bars(
    positions: pl.DataFrame,
    *,
    top: int = 20,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the unrealised P&L of each position, largest gain first.

    Parameters
    ----------
    positions
        `POSITIONS`; one whose P&L is unknown is counted in the title, not drawn.
    top
        How many to draw, by the size of gain or loss.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Raises
    ------
    FrameError
        `positions` is no `POSITIONS` frame.

    Examples
    --------
    >>> from holdings_kit.display.plot._style import alt_text
    >>> from holdings_kit.schema import empty
    >>> alt_text(pnl_bars(empty(POSITIONS)))
    'Unrealised P&L by position: none is known.'
    """
    rows = conform(positions, POSITIONS, name="positions")
    known = rows.drop_nulls("unrealized_pnl")
    shown = (
        known.sort(pl.col("unrealized_pnl").abs(), descending=True)
        .head(top)
        .sort("unrealized_pnl")
        .select(
            name=pl.coalesce("symbol", "instrument_id"),
            pnl=pl.col("unrealized_pnl").cast(pl.Float64()),
        )
    )
    unknown = rows.height - known.height
    if shown.is_empty():
        words = "Unrealised P&L by position: none is known."
        figure, (axes,) = new_figure(words, ax=ax, figsize=figsize)
        nothing(axes, "no P&L is known")
        return figure
    low, high = shown.row(0, named=True), shown.row(-1, named=True)
    figure, (axes,) = new_figure(
        f"Unrealised P&L by position: from {rupees(low['pnl'])} ({low['name']}) to "
        f"{rupees(high['pnl'])} ({high['name']}) rupees; {unknown} unknown.",
        size=(7.0, 1.2 + 0.28 * shown.height),
        ax=ax,
        figsize=figsize,
    )
    colours = [GAIN if pnl >= 0 else LOSS for pnl in shown["pnl"]]
    bars = axes.barh(shown["name"].to_list(), shown["pnl"].to_list(), color=colours)
    axes.bar_label(bars, labels=[rupees(pnl) for pnl in shown["pnl"]], padding=3)
    axes.margins(x=0.14)
    axes.axvline(0, color=ink(), linewidth=0.8)
    left = known.height - shown.height
    gained = int((shown["pnl"] > 0).sum())
    found = f"{gained} of {shown.height} gained, {high['name']} most"
    found += f"; {unknown} unknown" if unknown else ""
    found += f"; {left} smaller ones not drawn" if left else ""
    axes.set_title(title or found)
    rupee_axis(axes.xaxis, "unrealised P&L")
    return figure


def performance_lines(
    performance: pl.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] = (7.0, 5.0),
    title: str | None = None,
) -> Figure:
    """Draw what an account was worth with what was paid in and out, and how it did.

    Parameters
    ----------
    performance
        `PERFORMANCE` of one series; a benchmark in it is drawn beside the index.
    ax
        Axes of your own to draw the time-weighted return into, alone; None: a new
        figure with both panels.
    figsize
        Of a new figure, in inches.
    title
        None: how much, from when to when.

    Returns
    -------
    matplotlib.figure.Figure
        Days whose return is unknown are a gap in the line.

    Raises
    ------
    FrameError
        A column is missing, or there is more than one series.

    Examples
    --------
    >>> from holdings_kit.display.plot import alt_text
    >>> from holdings_kit.portfolio import PERFORMANCE
    >>> from holdings_kit.schema import empty
    >>> alt_text(performance_lines(empty(PERFORMANCE)))
    'Performance: no day is known.'
    """
    need(performance, "performance", ("date", "flow", "value_after", "twr"))
    rows = performance.sort("date")
    if rows["date"].is_duplicated().any():
        raise FrameError("performance", "date", "several series; filter one of them")
    if rows.is_empty():
        figure, axes = new_figure("Performance: no day is known.", size=figsize)
        nothing(axes[0], "no day is known")
        return figure
    last = rows.row(-1, named=True)
    index = "unknown" if last["twr"] is None else f"{last['twr']:+.2%}"
    value = "unknown" if last["value_after"] is None else rupees(last["value_after"])
    words = (
        f"{value} rupees on {last['date']}, time-weighted {index} since "
        f"{rows['date'][0]}"
    )
    if ax is not None:
        _draw_index(ax, rows)
        ax.set_title(title or f"Time-weighted return: {index}")
        return ax.figure
    figure, (top, low) = new_figure(f"Performance: {words}.", size=figsize, rows=2)
    _draw_value(top, rows)
    _draw_index(low, rows)
    top.set_title(title or words)
    return figure


def _draw_value(axes: Axes, rows: pl.DataFrame) -> None:
    days = rows["date"].to_list()
    axes.step(
        days, _take_floats(rows, "value_after"), where="post", color=BLUE, label="value"
    )
    flows = rows.slice(1).filter(pl.col("flow") != 0)
    for label, colour, sign in (("paid in", FLOW, 1), ("taken out", PURPLE, -1)):
        some = flows.filter(pl.col("flow").cast(pl.Float64()) * sign > 0)
        heights = _take_floats(some, "flow")
        axes.vlines(some["date"].to_list(), 0, heights, color=colour, label=label)
    axes.axhline(0, color=ink(), linewidth=0.8)
    rupee_axis(axes.yaxis, "value and flows")
    date_axis(axes.xaxis)
    legend_outside(axes)


def _draw_index(axes: Axes, rows: pl.DataFrame) -> None:
    days = rows["date"].to_list()
    axes.plot(days, _take_floats(rows, "twr"), color=BLUE, label="time-weighted")
    if "benchmark_twr" in rows.columns:
        axes.plot(
            days, _take_floats(rows, "benchmark_twr"), color=GREY, label="benchmark"
        )
        legend_outside(axes)
    axes.axhline(0, color=ink(), linewidth=0.8)
    percent_axis(axes.yaxis, "return since the start")
    date_axis(axes.xaxis)


def _take_floats(rows: pl.DataFrame, column: str) -> list[float]:
    return rows[column].cast(pl.Float64()).fill_null(float("nan")).to_list()
