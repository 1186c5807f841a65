"""Pictures of models: which is best, and how much their haircuts move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from holdings_kit.display._numbers import number_of
from holdings_kit.display.plot._style import (
    BLUE,
    GREY,
    VERMILION,
    Axes,
    distinct_colours,
    ink_on,
    legend_outside,
    new_figure,
    nothing,
    percent_axis,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from holdings_kit.haircuts import Comparison, Reproduction

__all__ = ["margin_reproduction", "model_comparison", "procyclicality"]

_RISE: Final = "rise_"
_SIGNIFICANT: Final = 0.05
_SET_SIZE: Final = 0.10
_STRONGEST: Final = 4.0
_NAMED: Final = 5  # securities whose difference carries a name
_POINTS: Final = 100.0
_TURNED: Final = 4  # models beyond which their names are written aslant


def model_comparison(
    comparison: Comparison,
    *,
    ax: Sequence[Axes] | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw mean losses, best model first, and who beats whom.

    Parameters
    ----------
    comparison
        What `haircuts.compare_models` returns. Filled bars lie in the 90 % model
        confidence set; a cell is the Diebold–Mariano statistic of the row against
        the column, bold at 5 %, negative where the row is better.
    ax, figsize, title
        The caller's two axes to draw on, the size of a new figure in inches, and a
        title over the two.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> from holdings_kit.haircuts import compare_models
    >>> from holdings_kit.haircuts import basel
    >>> from holdings_kit.display.plot import alt_text
    >>> compared = compare_models(basel(prices), prices, confidence_set=False)
    >>> alt_text(model_comparison(compared))
    'basel has the lowest mean loss of 1 model.'
    """
    scores = comparison.scores
    names = scores["model"].to_list()
    of = number_of(len(names), "model")
    best = f"{names[0]} has the lowest mean loss of {of}." if names else ""
    figure, (left, right) = new_figure(
        best or "No model to compare.",
        size=(4.5 + max(4.5, 1.5 + 0.6 * len(names)), 1.5 + 0.5 * len(names)),
        columns=2,
        ax=ax,
        figsize=figsize,
    )
    if title:
        figure.suptitle(title)
    if not names:
        nothing(left, "No model to compare.")
        right.set_axis_off()
        return figure
    kept = [p is None or p > _SET_SIZE for p in scores["confidence_set_p"]]
    bars = left.barh(names, scores["mean_loss"], edgecolor=BLUE, facecolor="none")
    for bar, inside in zip(bars, kept, strict=True):
        bar.set_facecolor(BLUE if inside else "none")
    left.invert_yaxis()
    left.locator_params(axis="x", nbins=4)
    left.set_xlabel("Mean pinball loss (fraction of value)")
    left.set_title("Lower is better; filled: in the confidence set")
    _draw_duel_cells(right, comparison.duels, names)
    return figure


def margin_reproduction(
    reproduction: Reproduction,
    *,
    ax: Sequence[Axes] | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw our margin against the exchange's, and how the differences are spread.

    Parameters
    ----------
    reproduction
        What `haircuts.reproduce` returns. On the line y = x both are the same; a
        security beyond the tolerance is marked, the largest differences by name.
    ax, figsize, title
        The caller's two axes to draw on, the size of a new figure in inches, and a
        title over the two.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2026, 1, 1), date(2026, 1, 2)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 2, "date": days, "close": [100.0, 97.0]}
    ... )
    >>> row = {"instrument_id": "X", "date": date(2026, 1, 2), "elm": 0.035}
    >>> row |= {"security_var": 0.0130, "var_margin": 0.09, "haircut": 0.125}
    >>> from holdings_kit.haircuts import reproduce
    >>> from holdings_kit.display.plot import alt_text
    >>> found = reproduce(prices, pl.DataFrame([row]))
    >>> alt_text(margin_reproduction(found)).split(";")[0]
    "1 of 1 margin is the exchange's within the tolerance"
    """
    rows = reproduction.securities.filter(pl.col("difference").is_not_null())
    same = rows.filter("within")
    apart = rows.filter(~pl.col("within"))
    error = rows["difference"].abs().mean()
    size = error * _POINTS if isinstance(error, float) else 0.0
    verb = "margin is" if rows.height == 1 else "margins are"
    alt = f"{same.height} of {rows.height} {verb} the exchange's within the tolerance; "
    alt += f"the mean error is {size:.3f} points."
    figure, (left, right) = new_figure(
        alt, size=(9.0, 4.2), columns=2, ax=ax, figsize=figsize
    )
    figure.suptitle(title or alt.partition(";")[0])
    if rows.height == 0:
        nothing(left, "No margin to compare.")
        right.set_axis_off()
        return figure
    highest = rows.select(pl.max_horizontal("haircut", "exchange_haircut").max()).item()
    edge = 1.05 * float(highest)
    left.plot([0, edge], [0, edge], color=GREY, linestyle="--", label="y = x")
    for part, colour, mark, words in (
        (same, BLUE, "o", "the same"),
        (apart, VERMILION, "x", "another"),
    ):
        across, up = part["exchange_haircut"], part["haircut"]
        left.scatter(across, up, s=18, color=colour, marker=mark, label=words)
    for symbol, across, up in (
        apart.head(_NAMED)
        .select(pl.coalesce("symbol", "instrument_id"), "exchange_haircut", "haircut")
        .iter_rows()
    ):
        left.annotate(symbol, (across, up), xytext=(4, 2), textcoords="offset points")
    percent_axis(left.xaxis, "The exchange's margin")
    percent_axis(left.yaxis, "Ours, from closes")
    left.legend(frameon=False)
    largest = max(float(np.max(np.abs(same["difference"].to_numpy()), initial=0)), 1e-6)
    right.hist(same["difference"] * _POINTS, bins=31, color=BLUE)
    right.set_xlim(-1.2 * largest * _POINTS, 1.2 * largest * _POINTS)
    right.set_xlabel("Ours − the exchange's, points")
    right.set_ylabel("Securities")
    right.set_title("Differences within the tolerance")
    return figure


def procyclicality(
    measures: pl.DataFrame,
    *,
    ax: Sequence[Axes] | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw how much haircuts move: peak to trough, and the greatest rise in n days.

    Parameters
    ----------
    measures
        What `haircuts.procyclicality` returns. A dot is a security; the bar is the
        median of its model.
    ax, figsize, title
        The caller's two axes to draw on, the size of a new figure in inches, and a
        title over the two.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> from holdings_kit.haircuts import basel
    >>> from holdings_kit.haircuts import procyclicality as measured
    >>> from holdings_kit.display.plot import alt_text
    >>> alt_text(procyclicality(measured(basel(prices))))
    'Median ratio of the highest to the lowest haircut: basel 1.00.'
    """
    models = measures["model"].unique().sort().to_list()
    rises = [name for name in measures.columns if name.startswith(_RISE)]
    medians = measures.group_by("model").agg(pl.col("peak_to_trough").median())
    said = "; ".join(
        f"{model} {'unknown' if ratio is None else f'{ratio:.2f}'}"
        for model, ratio in medians.sort("model").iter_rows()
    )
    alt = f"Median ratio of the highest to the lowest haircut: {said or 'none'}."
    figure, (left, right) = new_figure(
        alt, size=(9.0, 3.6), columns=2, ax=ax, figsize=figsize
    )
    if title:
        figure.suptitle(title)
    if not models:
        nothing(left, "No haircut to measure.")
        right.set_axis_off()
        return figure
    colours = distinct_colours(len(models))
    for place, model in enumerate(models):
        one = measures.filter(pl.col("model") == model)
        colour = colours[place]
        _draw_dots(left, [place], [one["peak_to_trough"]], colour, model)
        spots = [at + 0.8 * place / len(models) for at in range(len(rises))]
        _draw_dots(right, spots, [one[name] for name in rises], colour, model)
    turn = {"rotation": 30, "ha": "right"} if len(models) > _TURNED else {}
    left.set_xticks(range(len(models)), models, **turn)
    left.set_xlim(-0.5, len(models) - 0.5)
    left.set_ylabel("Highest / lowest haircut")
    left.set_title("Peak to trough")
    right.set_xticks(range(len(rises)), [name.removeprefix(_RISE) for name in rises])
    right.set_xlabel("Days")
    percent_axis(right.yaxis, "Rise of the haircut, points")
    right.set_title("Greatest rise in n days")
    legend_outside(right)
    return figure


def _draw_dots(
    axes: Axes, places: list[float], columns: list[pl.Series], colour: str, label: str
) -> None:
    for place, column in zip(places, columns, strict=True):
        values = column.drop_nulls()
        axes.scatter([place] * values.len(), values, s=12, color=colour, alpha=0.5)
        axes.scatter(
            [place],
            [values.median()],
            s=220,
            marker="_",
            color=colour,
            label=label if place == places[0] else None,
        )


def _draw_duel_cells(axes: Axes, duels: pl.DataFrame, names: list[str]) -> None:
    cells = np.full((len(names), len(names)), np.nan)
    for model, other, statistic, p_value in duels.iter_rows():
        row, column = names.index(model), names.index(other)
        if statistic is not None:
            cells[row, column] = statistic
            weight = "bold" if (p_value or 1) < _SIGNIFICANT else "normal"
            ink = ink_on(statistic, _STRONGEST)
            words: dict[str, Any] = {
                "ha": "center",
                "va": "center",
                "weight": weight,
                "color": ink,
            }
            words["fontsize"] = 10 if len(names) <= _TURNED else 8
            axes.text(column, row, f"{statistic:.1f}", **words)
    axes.imshow(cells, cmap="PuOr_r", vmin=-_STRONGEST, vmax=_STRONGEST, aspect="auto")
    axes.grid(visible=False)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_title("Row against column: Diebold–Mariano")
