"""Pictures of many securities: whether their haircuts were enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.display._numbers import number_of, quantity
from holdings_kit.display.plot._style import (
    Axes,
    clip_name,
    colour,
    colours_of,
    draw_cells,
    need,
    new_figure,
    nothing,
    percent_axis,
    split_series,
    tell,
    themed,
)
from holdings_kit.haircuts import breaches

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from holdings_kit.haircuts._frames import AnyFrame

__all__ = ["adequacy_heatmap", "haircut_drawdown"]

_LABELLED: Final = 15  # breaches up to which each point carries its name
_MARKS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
_TESTS: Final = ("kupiec_p", "offsets_p", "garch_p")
_SIGNIFICANT: Final = 0.05
_WIDE: Final = 6  # years beyond which two maps fill a row


@themed
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
        one map for each model. The number in a cell is the count of breaches; the
        colour is breaches over expected breaches, none where they agree; ▲ is too many
        and ▽ too few where a test of the cell rejects at 5 %. A cell without a test of
        breaches is hatched.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Raises
    ------
    FrameError
        A key is missing.

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
    need(coverage, "coverage", ("instrument_id", "model", "year"))
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
    wide, high = 1.4 + 0.62 * len(years), 0.8 + 0.3 * len(names)
    figure, panels = new_figure(
        alt,
        size=(max(7.4, columns * wide), max(3.0, 1.2 + rows * high)),
        rows=rows,
        columns=columns,
        ax=ax,
        figsize=figsize,
    )
    if not names:
        nothing(panels[0], "No coverage to show.")
        return figure
    found: list[tuple[float, str]] = []
    for model, axes in zip(models, panels[: len(models)], strict=True):
        one = coverage.filter(pl.col("model") == model)
        _draw_map(axes, one, names, years)
        hits, due = int(one["breaches"].sum()), float(one["expected"].sum())
        words = number_of(hits, "breach", "breaches")
        found.append(
            (hits / due if due else 0.0, f"{model}: {words}, {due:.1f} expected")
        )
        if len(models) > 1 or ax is not None:
            axes.set_title(f"{model}: {hits}, {due:.1f} expected", fontsize=9)
    for spare in panels[len(models) :]:
        spare.set_axis_off()
    worst = max(found)[1]
    pairs = len(names) * len(years) * len(models)
    tell(
        figure,
        panels[0],
        worst if len(models) == 1 else f"Most for what is expected: {worst}",
        unit="Breaches by security and year, count; ▲ too many, ▽ too few at 5 %",
        foot=f"{quantity(coverage.height)} of {quantity(pairs)} cells tested"
        + ("; hatched is not" if coverage.height < pairs else ""),
        title=title,
        ax=ax,
    )
    return figure


def _draw_map(
    axes: Axes, coverage: pl.DataFrame, names: list[str], years: list[int]
) -> None:
    """Draw one model's map; a cell that was not tested stays hatched."""
    cells: list[tuple[int, int, float | None, str]] = []
    tests = [name for name in _TESTS if name in coverage.columns]
    p_value = pl.coalesce(*tests, pl.lit(None, pl.Float64()))
    for name, year, value, count, p in coverage.select(
        "instrument_id", "year", "ratio", "breaches", p_value.alias("_p")
    ).iter_rows():
        place = years.index(year), len(names) - 1 - names.index(name)
        far = None if value is None else max(-1.0, min(1.0, value - 1))
        odd = p is not None and p < _SIGNIFICANT
        mark = ("▲ " if (value or 0) > 1 else "▽ ") if odd else ""
        cells.append((*place, far, f"{mark}{count}"))
    labels = [clip_name(name, 18) for name in reversed(names)]
    draw_cells(axes, cells, ([str(year) for year in years], labels))
    if len(years) > _WIDE:
        axes.tick_params(axis="x", labelrotation=45)


@themed
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
    below = f"{quantity(short.height)} of {quantity(worst.height)}"
    alt = f"Haircut against the worst loss within {number_of(horizon, 'day')}: "
    alt += f"{below} points lie above the line y = x."
    parts = split_series(worst["model"].unique().sort().to_list(), ax=ax)
    figure, panels = new_figure(
        alt,
        size=(max(7.4, 5.5 * len(parts)), 5.8),
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
        axes.plot([0, edge], [0, edge], color=colour("ink3"), linestyle="--", lw=1)
        for place, (model, shade) in enumerate(colours_of(models)):
            one = worst.filter(pl.col("model") == model)
            look = {"s": 24, "color": shade, "marker": _MARKS[place], "label": model}
            axes.scatter(one["haircut"], one["loss"], **look)
        here = named.filter(pl.col("model").is_in(models))
        _name_points(axes, here.head(_LABELLED), edge)
        axes.set_xlim(0, edge)
        axes.set_ylim(0, edge)
        axes.grid(visible=True)
        percent_axis(axes.xaxis, "haircut")
        percent_axis(axes.yaxis, f"worst loss within {number_of(horizon, 'day')}")
        if len(models) > 1:
            place = {"loc": "upper left", "bbox_to_anchor": (0, -0.14)}
            axes.legend(**place, ncols=4, fontsize=8.5)
    found = f"{below} haircuts were smaller than the fall"
    names = worst["instrument_id"].n_unique()
    left = named.height - min(named.height, _LABELLED)
    tell(
        figure,
        panels[0],
        f"{found} within {number_of(horizon, 'day')}",
        unit="Each security on its worst day, % of value; above the line the haircut "
        "was too small",
        foot=f"{number_of(names, 'security', 'securities')}"
        + (f" under {parts[0][0]}" if parts == [parts[0][:1]] else "")
        + (f"; the names of {left} are left out" if left else ""),
        title=title,
        ax=ax,
    )
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
            clip_name(name),
            (across, up),
            xytext=(across + 0.04 * edge, free),
            va="center",
            fontsize=7,
            arrowprops={"arrowstyle": "-", "color": colour("ink3"), "linewidth": 0.5},
        )
