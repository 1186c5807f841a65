"""Pictures of many securities: whether their haircuts were enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from holdings_kit.display._numbers import number_of
from holdings_kit.display.plot._style import (
    GREY,
    Axes,
    colours_of,
    ink_on,
    new_figure,
    nothing,
    percent_axis,
    split_series,
)
from holdings_kit.errors import FrameError
from holdings_kit.haircuts import breaches

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from holdings_kit.haircuts._frames import AnyFrame

__all__ = ["adequacy_heatmap", "haircut_drawdown"]

_LABELLED: Final = 15  # breaches up to which each point carries its name
_MARKS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
_WIDE: Final = 6  # years beyond which two maps fill a row


def adequacy_heatmap(
    coverage: pl.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw breaches against expectation, security by year, for one model.

    Parameters
    ----------
    coverage
        What `haircuts.backtest` returns for ``by=("instrument_id", "model", "year")``,
        of one model. The number in a cell is the count of breaches; the colour is
        breaches over expected breaches, white where they agree.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Raises
    ------
    FrameError
        A key is missing.
    ConfigError
        There is more than one model.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> from holdings_kit.haircuts import backtest
    >>> from holdings_kit.haircuts import basel
    >>> from holdings_kit.display.plot import alt_text
    >>> by = ("instrument_id", "model", "year")
    >>> alt_text(adequacy_heatmap(backtest(basel(prices), prices, by=by)))
    'Breaches of 1 security in 1 year: 1 where 0.0 are expected.'
    """
    for column in ("instrument_id", "model", "year"):
        if column not in coverage.columns:
            raise FrameError("coverage", column, "is missing; backtest with it in `by`")
    if "n" in coverage.columns:
        coverage = coverage.filter(pl.col("n") > 0)  # others have no year
    models = coverage["model"].unique().sort().to_list()
    names = coverage["instrument_id"].unique().sort(descending=True).to_list()
    years = coverage["year"].unique().sort().to_list()
    total, expected = coverage["breaches"].sum(), coverage["expected"].sum()
    securities = number_of(len(names), "security", "securities")
    alt = f"Breaches of {securities} in {number_of(len(years), 'year')}"
    alt += f" by {len(models)} models" if len(models) > 1 else ""
    alt += f": {total} where {expected:.1f} are expected."
    columns = min(len(models), 2 if len(years) > _WIDE else 3) or 1
    rows = -(-len(models) // columns) or 1
    wide, high = 1.2 + 0.6 * len(years), 1.0 + 0.3 * len(names)
    figure, panels = new_figure(
        alt,
        size=(max(5.0, columns * wide), max(3.0, rows * high)),
        rows=rows,
        columns=columns,
        ax=ax,
        figsize=figsize,
    )
    if not names:
        nothing(panels[0], "No coverage to show.")
        return figure
    for model, axes in zip(models, panels[: len(models)], strict=True):
        one = coverage.filter(pl.col("model") == model)
        mesh = _draw_map(axes, one, names, years)
        hits, due = int(one["breaches"].sum()), one["expected"].sum()
        between, small = ("\n", 8) if len(models) > 1 else (" ", None)
        found = f"{model}:{between}{number_of(hits, 'breach', 'breaches')}"
        words = title if title and len(models) == 1 else f"{found}, {due:.1f} expected"
        axes.set_title(words, fontsize=small)
        figure.colorbar(mesh, ax=axes, label="Breaches / expected", extend="max")
    if title and len(models) > 1:
        figure.suptitle(title)
    for spare in panels[len(models) :]:
        spare.set_axis_off()
    return figure


def _draw_map(
    axes: Axes, coverage: pl.DataFrame, names: list[str], years: list[int]
) -> Axes:
    """Draw one model's map; a cell that was not tested stays hatched."""
    ratio = np.full((len(names), len(years)), np.nan)
    axes.set_facecolor("none")
    for name, year, value, count in coverage.select(
        "instrument_id", "year", "ratio", "breaches"
    ).iter_rows():
        cell = names.index(name), years.index(year)
        ratio[cell] = value
        shade = ink_on(value - 1, 1.0)
        axes.text(cell[1], cell[0], str(count), ha="center", va="center", color=shade)
    mesh: Axes = axes.imshow(
        ratio, cmap="PuOr_r", vmin=0, vmax=2, aspect="auto", origin="lower"
    )
    axes.grid(visible=False)
    axes.set_xticks(range(len(years)), [str(year) for year in years])
    axes.set_yticks(range(len(names)), names)
    return mesh


def haircut_drawdown(
    haircuts: AnyFrame,
    prices: AnyFrame,
    *,
    horizon: int = 10,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw each security's haircut against the worst fall that followed.

    One point per security and model, on the day its haircut fell shortest (or was
    closest to it): haircut across, worst loss within the horizon up. Above the line
    y = x the haircut was too small.

    Parameters
    ----------
    haircuts
        `HAIRCUTS`.
    prices
        `PRICES`.
    horizon
        Days to liquidate.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> from holdings_kit.haircuts import basel
    >>> from holdings_kit.display.plot import alt_text
    >>> alt_text(haircut_drawdown(basel(prices), prices, horizon=1)).split(": ")[1]
    '1 of 1 points lie above the line y = x.'
    """
    rows = breaches(haircuts, prices, horizon=horizon, loss="worst")
    rows = rows.filter(pl.col("shortfall").is_not_null())
    worst = (
        rows.sort("shortfall", descending=True)
        .group_by("instrument_id", "model", maintain_order=True)
        .first()
    )
    short = worst.filter("breach")
    alt = f"Haircut against the worst loss within {number_of(horizon, 'day')}: "
    alt += f"{short.height} of {worst.height} points lie above the line y = x."
    parts = split_series(worst["model"].unique().sort().to_list(), ax=ax)
    figure, panels = new_figure(
        alt,
        size=(5.5 * len(parts), 5.0),
        columns=len(parts),
        ax=ax,
        figsize=figsize,
    )
    if worst.height == 0:
        nothing(panels[0], "No haircut with a loss after it.")
        return figure
    highest = worst.select(pl.max_horizontal("haircut", "loss").max()).item()
    edge = 1.05 * float(highest)
    named = short.unique("instrument_id", keep="first", maintain_order=True)
    for axes, models in zip(panels, parts, strict=True):
        axes.plot([0, edge], [0, edge], color=GREY, linestyle="--", label="y = x")
        for place, (model, colour) in enumerate(colours_of(models)):
            one = worst.filter(pl.col("model") == model)
            look = {"s": 22, "color": colour, "marker": _MARKS[place], "label": model}
            axes.scatter(one["haircut"], one["loss"], **look)
        here = named.filter(pl.col("model").is_in(models))
        _name_points(axes, here.head(_LABELLED), edge)
        percent_axis(axes.xaxis, "Haircut")
        percent_axis(axes.yaxis, f"Worst loss within {number_of(horizon, 'day')}")
        axes.legend(frameon=False)
    found = f"{short.height} of {worst.height} haircuts were smaller than the fall"
    panels[0].set_title(title or f"{found} within {number_of(horizon, 'day')}")
    return figure


def _name_points(axes: Axes, rows: pl.DataFrame, edge: float) -> None:
    """Write the names beside their points, from the top down, none over another."""
    step, free = 0.032 * edge, 2 * edge
    named = rows.sort("loss", descending=True)
    for name, across, up in named.select(
        "instrument_id", "haircut", "loss"
    ).iter_rows():
        free = min(up, free - step)
        axes.annotate(
            name,
            (across, up),
            xytext=(across + 0.04 * edge, free),
            va="center",
            fontsize=7,
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.5},
        )
