"""Pictures of a portfolio: what gained and what lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from holdings_kit.display.plot._style import (
    BLUE,
    VERMILION,
    new_figure,
    nothing,
    rupee_axis,
    rupees,
)
from holdings_kit.schema import POSITIONS, conform

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["pnl_bars"]


def pnl_bars(positions: pl.DataFrame, *, top: int = 20) -> Figure:
    """Draw the unrealised P&L of each position, largest gain first.

    Parameters
    ----------
    positions
        `POSITIONS`; one whose P&L is unknown is counted in the title, not drawn.
    top
        How many to draw, by the size of gain or loss.

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
        figure, (axes,) = new_figure("Unrealised P&L by position: none is known.")
        nothing(axes, "no P&L is known")
        return figure
    low, high = shown.row(0, named=True), shown.row(-1, named=True)
    figure, (axes,) = new_figure(
        f"Unrealised P&L by position: from {rupees(low['pnl'])} ({low['name']}) to "
        f"{rupees(high['pnl'])} ({high['name']}) rupees; {unknown} unknown.",
        size=(7.0, 1.2 + 0.28 * shown.height),
    )
    colours = [BLUE if pnl >= 0 else VERMILION for pnl in shown["pnl"]]
    bars = axes.barh(shown["name"].to_list(), shown["pnl"].to_list(), color=colours)
    axes.bar_label(bars, labels=[rupees(pnl) for pnl in shown["pnl"]], padding=3)
    axes.margins(x=0.14)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_title(f"Unrealised P&L by position ({unknown} unknown)")
    rupee_axis(axes.xaxis, "unrealised P&L")
    return figure
