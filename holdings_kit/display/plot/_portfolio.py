"""Pictures of a portfolio: what gained and what lost, and how it did over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from holdings_kit.display._numbers import format_value, number_of, percent
from holdings_kit.display.plot._style import (
    Axes,
    clip_name,
    colour,
    date_axis,
    draw_nothing,
    end_labels,
    finish_bars,
    need,
    new_figure,
    percent_axis,
    rupee_axis,
    rupees,
    tell,
    themed,
    write_beside,
)
from holdings_kit.errors import FrameError
from holdings_kit.schema import POSITIONS, conform

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@themed
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
        `POSITIONS`; one whose P&L is unknown is counted below, not drawn.
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
        alt = "Unrealised P&L by position: none is known."
        return draw_nothing(alt, "no P&L is known", ax=ax, figsize=figsize)
    low, high = shown.row(0, named=True), shown.row(-1, named=True)
    alt = (
        f"Unrealised P&L by position: from {rupees(low['pnl'])} ({low['name']}) to "
        f"{rupees(high['pnl'])} ({high['name']}); {unknown} unknown."
    )
    size = (7.4, 1.4 + 0.28 * shown.height)
    figure, (axes,) = new_figure(alt, size=size, ax=ax, figsize=figsize)
    axes.barh(
        range(shown.height),
        shown["pnl"].to_list(),
        height=0.62,
        color=[colour("gainbar" if pnl >= 0 else "lossbar") for pnl in shown["pnl"]],
    )
    for place, pnl in enumerate(shown["pnl"]):
        mark = "▲" if pnl > 0 else "▼" if pnl < 0 else "="
        write_beside(
            axes,
            f"{mark} {rupees(pnl, sign=True)}",
            (pnl, place),
            (5 if pnl >= 0 else -5, 0),
            va="center",
            ha="left" if pnl >= 0 else "right",
            fontsize=9,
            color=colour("gain" if pnl >= 0 else "loss"),
        )
    names = [clip_name(name) for name in shown["name"]]
    finish_bars(axes, names, room=0.2, zero="ink3")
    axes.set_ylim(-0.6, shown.height - 0.4)
    left = known.height - shown.height
    gained = int((known["unrealized_pnl"] > 0).sum())
    most = high["name"] if high["pnl"] > 0 else low["name"]
    verb = "gained" if high["pnl"] > 0 else "lost"
    told = [f"{known.height} of {number_of(rows.height, 'position')} have a P&L"]
    told += [f"{unknown} unknown: no price or no cost"] if unknown else []
    told += [f"{left} smaller not drawn"] if left else []
    tell(
        figure,
        axes,
        f"{gained} of {known.height} are in profit; {clip_name(most)} {verb} most",
        unit="Unrealised P&L of each position, ₹",
        foot="; ".join(told),
        title=title,
        ax=ax,
    )
    return figure


@themed
def performance_lines(
    performance: pl.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] = (7.4, 5.0),
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
        alt = "Performance: no day is known."
        return draw_nothing(alt, "no day is known", size=figsize)
    last = rows.row(-1, named=True)
    index = percent(last["twr"], places=2, sign=True)
    value = rupees(last["value_after"])
    start, end = (format_value(day, "date") for day in (rows["date"][0], last["date"]))
    known = last["twr"] is not None
    words = f"{value} on {end}, time-weighted {index if known else 'unknown'}"
    if ax is not None:
        _draw_index(ax, rows)
        ax.set_title(title or f"Time-weighted return: {index if known else 'unknown'}")
        return ax.figure
    figure, (top, low) = new_figure(
        f"Performance: {words} since {start}.", size=figsize, rows=2, share_x=True
    )
    _draw_value(top, rows)
    _draw_index(low, rows)
    days = rows["twr"].count()
    paid = sum(_take_floats(rows.slice(1).drop_nulls("flow"), "flow"))
    moved = f", {rupees(paid, sign=True)} paid in or out on the way" if paid else ""
    tell(
        figure,
        top,
        f"The return is {index}{moved}" if known else "The return is unknown",
        unit=f"Value, ₹, and time-weighted return, %, from {start} to {end}",
        foot=f"{days} of {number_of(rows.height, 'day')} have a return; a gap in a "
        "line is unknown",
        title=title,
    )
    return figure


def _draw_value(axes: Axes, rows: pl.DataFrame) -> None:
    days, worth = rows["date"].to_list(), _take_floats(rows, "value_after")
    mark = "o" if len(days) == 1 else None
    axes.step(days, worth, where="post", color=colour("accent"), marker=mark)
    flows = rows.slice(1).filter(pl.col("flow") != 0)
    heights = _take_floats(flows, "flow")
    axes.vlines(flows["date"].to_list(), 0, heights, color=colour("flow"), linewidth=3)
    axes.axhline(0, color=colour("line2"), linewidth=0.8)
    rupee_axis(axes.yaxis)
    ends = [value for value in worth if value == value]  # noqa: PLR0124, not NaN
    if ends:
        names = [(ends[-1], f"value\n{rupees(ends[-1])}", colour("accent"))]
        names += [(0.0, "paid in, out", colour("ink2"))] if heights else []
        end_labels(axes, names)


def _draw_index(axes: Axes, rows: pl.DataFrame) -> None:
    days, ends = rows["date"].to_list(), list[tuple[float, str, str]]()
    drawn = [("twr", "time-weighted", colour("accent"))]
    if "benchmark_twr" in rows.columns:
        drawn.append(("benchmark_twr", "benchmark", colour("ink3")))
    for column, name, shade in drawn:
        values = _take_floats(rows, column)
        mark = "o" if len(days) == 1 else None
        axes.plot(days, values, color=shade, marker=mark)
        known = [value for value in values if value == value]  # noqa: PLR0124
        if known:
            text = percent(known[-1], sign=True)
            ends.append((known[-1], f"{name}\n{text}", shade))
    axes.axhline(0, color=colour("line2"), linewidth=0.8)
    percent_axis(axes.yaxis)
    date_axis(axes.xaxis)
    if len(days) == 1:
        axes.set_xticks(days, [format_value(days[0], "date")])
    end_labels(axes, ends)


def _take_floats(rows: pl.DataFrame, column: str) -> list[float]:
    return rows[column].cast(pl.Float64()).fill_null(float("nan")).to_list()
