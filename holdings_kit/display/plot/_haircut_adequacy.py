"""Pictures of many securities: whether their haircuts were enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from holdings_kit.display._numbers import number_of
from holdings_kit.display.plot._style import (
    COLOURS,
    GREY,
    Axes,
    ink_on,
    new_figure,
    nothing,
    percent_axis,
)
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.haircuts import breaches

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from holdings_kit.haircuts._frames import AnyFrame

__all__ = ["adequacy_heatmap", "haircut_drawdown"]

_LABELLED: Final = 15  # breaches up to which each point carries its name
_MARKS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")


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
    models = coverage["model"].unique().to_list()
    if len(models) > 1:
        raise ConfigError(f"coverage holds {len(models)} models; filter one")
    names = coverage["instrument_id"].unique().sort(descending=True).to_list()
    years = coverage["year"].unique().sort().to_list()
    total, expected = coverage["breaches"].sum(), coverage["expected"].sum()
    securities = number_of(len(names), "security", "securities")
    alt = f"Breaches of {securities} in {number_of(len(years), 'year')}: "
    alt += f"{total} where {expected:.1f} are expected."
    size = (max(5.0, 1.2 + 0.6 * len(years)), max(3.0, 1.0 + 0.3 * len(names)))
    figure, (axes,) = new_figure(alt, size=size, ax=ax, figsize=figsize)
    if not names:
        nothing(axes, "No coverage to show.")
        return figure
    ratio = np.full((len(names), len(years)), np.nan)
    for name, year, value, count in coverage.select(
        "instrument_id", "year", "ratio", "breaches"
    ).iter_rows():
        cell = names.index(name), years.index(year)
        ratio[cell] = value
        ink = ink_on(value - 1, 1.0)
        axes.text(cell[1], cell[0], str(count), ha="center", va="center", color=ink)
    mesh: Any = axes.imshow(
        ratio, cmap="PuOr_r", vmin=0, vmax=2, aspect="auto", origin="lower"
    )
    axes.grid(visible=False)
    axes.set_xticks(range(len(years)), [str(year) for year in years])
    axes.set_yticks(range(len(names)), names)
    axes.set_title(title or f"{models[0]}: breaches per security and year")
    figure.colorbar(mesh, ax=axes, label="Breaches / expected", extend="max")
    return figure


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
    figure, (axes,) = new_figure(alt, size=(5.5, 5.0), ax=ax, figsize=figsize)
    if worst.height == 0:
        nothing(axes, "No haircut with a loss after it.")
        return figure
    highest = worst.select(pl.max_horizontal("haircut", "loss").max()).item()
    edge = 1.05 * float(highest)
    axes.plot([0, edge], [0, edge], color=GREY, linestyle="--", label="y = x")
    for colour, mark, model in zip(
        COLOURS, _MARKS, worst["model"].unique().sort(), strict=False
    ):
        one = worst.filter(pl.col("model") == model)
        axes.scatter(
            one["haircut"], one["loss"], s=22, color=colour, marker=mark, label=model
        )
    named = short.unique("instrument_id", keep="first", maintain_order=True)
    _name_points(axes, named.head(_LABELLED), edge)
    percent_axis(axes.xaxis, "Haircut")
    percent_axis(axes.yaxis, f"Worst loss within {number_of(horizon, 'day')}")
    axes.set_title(title or "Haircut against realised drawdown")
    axes.legend(frameon=False)
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
