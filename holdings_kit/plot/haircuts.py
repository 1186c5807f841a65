"""Pictures of haircuts: adequacy, comparison of models, procyclicality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.haircuts import breaches, tests
from holdings_kit.plot._style import (
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    VERMILION,
    YELLOW,
    Axes,
    date_axis,
    new_figure,
    nothing,
    percent_axis,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from holdings_kit.haircuts import Comparison
    from holdings_kit.haircuts.frames import AnyFrame
    from holdings_kit.haircuts.losses import Loss

__all__ = [
    "adequacy_heatmap",
    "breach_plot",
    "haircut_drawdown",
    "model_comparison",
    "procyclicality",
    "rolling_zones",
]

_LABELLED: Final = 15  # breaches up to which each point carries its name
_MARKS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
_ZONES: Final = {"green": GREEN, "yellow": YELLOW, "red": VERMILION}
_RISE: Final = "rise_"
_SIGNIFICANT: Final = 0.05
_SET_SIZE: Final = 0.10
_DARK: Final = 0.6  # share of the colour scale beyond which text turns white
_STRONGEST: Final = 4.0


def breach_plot(
    haircuts: AnyFrame,
    prices: AnyFrame,
    *,
    instrument_id: str,
    horizon: int = 1,
    loss: Loss = "terminal",
) -> Figure:
    """Draw losses of one instrument against its haircuts; breaches stand out.

    Parameters
    ----------
    haircuts
        `HAIRCUTS`; one line per model.
    prices
        `PRICES`.
    instrument_id
        The instrument shown.
    horizon, loss
        See `haircuts.losses`.

    Examples
    --------
    >>> from datetime import date
    >>> from holdings_kit.haircuts import basel
    >>> from holdings_kit.plot import alt_text
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> figure = breach_plot(basel(prices), prices, instrument_id="X")
    >>> alt_text(figure)
    'Losses of X over 1 day against its haircut: basel 1 breach in 2 days.'
    """
    rows = breaches(haircuts, prices, horizon=horizon, loss=loss)
    rows = rows.filter(pl.col("instrument_id") == instrument_id).sort("model", "date")
    judged = rows.filter(pl.col("breach").is_not_null())
    counts = judged.group_by("model", maintain_order=True).agg(
        pl.len().alias("n"), pl.col("breach").sum()
    )
    said = "; ".join(
        f"{model} {_count(hits, 'breach', 'breaches')} in {_count(n, 'day', 'days')}"
        for model, n, hits in counts.iter_rows()
    )
    days = _count(horizon, "day", "days")
    alt = f"Losses of {instrument_id} over {days} against its haircut: "
    figure, (axes,) = new_figure(
        alt + (said or "nothing to judge") + ".", size=(9.0, 4.0)
    )
    if judged.height == 0:
        nothing(axes, f"No haircut of {instrument_id} with a loss after it.")
        return figure
    shown = judged.unique("date", keep="first").sort("date")
    axes.vlines(
        shown["date"], 0, shown["loss"], color=GREY, linewidth=0.8, label="loss"
    )
    for colour, (model, _, hits) in zip(COLOURS, counts.iter_rows(), strict=False):
        one = judged.filter(pl.col("model") == model)
        name = f"{model}, × {_count(hits, 'breach', 'breaches')}"
        axes.step(one["date"], one["haircut"], where="post", color=colour, label=name)
        hit = one.filter("breach")
        axes.scatter(hit["date"], hit["loss"], s=45, color=colour, marker="x", zorder=3)
    axes.set_title(f"{instrument_id}: loss over {days} and haircut")
    date_axis(axes.xaxis)
    percent_axis(axes.yaxis, "Fraction of value")
    axes.set_xlabel("Date")
    _legend_outside(axes)
    return figure


def adequacy_heatmap(coverage: pl.DataFrame) -> Figure:
    """Draw breaches against expectation, security by year, for one model.

    Parameters
    ----------
    coverage
        What `haircuts.backtest` returns for ``by=("instrument_id", "model", "year")``,
        of one model. The number in a cell is the count of breaches; the colour is
        breaches over expected breaches, white where they agree.

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
    >>> from holdings_kit.haircuts import backtest, basel
    >>> from holdings_kit.plot import alt_text
    >>> by = ("instrument_id", "model", "year")
    >>> alt_text(adequacy_heatmap(backtest(basel(prices), prices, by=by)))
    'Breaches of 1 security in 1 year: 1 where 0.0 are expected.'
    """
    for column in ("instrument_id", "model", "year"):
        if column not in coverage.columns:
            raise FrameError("coverage", column, "is missing; backtest with it in `by`")
    models = coverage["model"].unique().to_list()
    if len(models) > 1:
        raise ConfigError(f"coverage holds {len(models)} models; filter one")
    names = coverage["instrument_id"].unique().sort(descending=True).to_list()
    years = coverage["year"].unique().sort().to_list()
    total, expected = coverage["breaches"].sum(), coverage["expected"].sum()
    securities = _count(len(names), "security", "securities")
    alt = f"Breaches of {securities} in {_count(len(years), 'year', 'years')}: "
    alt += f"{total} where {expected:.1f} are expected."
    size = (max(5.0, 1.2 + 0.6 * len(years)), max(3.0, 1.0 + 0.3 * len(names)))
    figure, (axes,) = new_figure(alt, size=size)
    if not names:
        nothing(axes, "No coverage to show.")
        return figure
    ratio = np.full((len(names), len(years)), np.nan)
    for name, year, value, count in coverage.select(
        "instrument_id", "year", "ratio", "breaches"
    ).iter_rows():
        cell = names.index(name), years.index(year)
        ratio[cell] = value
        ink = "white" if abs(value - 1) > _DARK else "black"
        axes.text(cell[1], cell[0], str(count), ha="center", va="center", color=ink)
    mesh: Any = axes.imshow(
        ratio, cmap="PuOr_r", vmin=0, vmax=2, aspect="auto", origin="lower"
    )
    axes.grid(visible=False)
    axes.set_xticks(range(len(years)), [str(year) for year in years])
    axes.set_yticks(range(len(names)), names)
    axes.set_title(f"{models[0]}: breaches per security and year")
    figure.colorbar(mesh, ax=axes, label="Breaches / expected", extend="max")
    return figure


def haircut_drawdown(
    haircuts: AnyFrame, prices: AnyFrame, *, horizon: int = 10
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

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> from holdings_kit.haircuts import basel
    >>> from holdings_kit.plot import alt_text
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
    alt = f"Haircut against the worst loss within {_count(horizon, 'day', 'days')}: "
    alt += f"{short.height} of {worst.height} points lie above the line y = x."
    figure, (axes,) = new_figure(alt, size=(5.5, 5.0))
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
    percent_axis(axes.yaxis, f"Worst loss within {_count(horizon, 'day', 'days')}")
    axes.set_title("Haircut against realised drawdown")
    axes.legend(frameon=False)
    return figure


def rolling_zones(
    haircuts: AnyFrame,
    prices: AnyFrame,
    *,
    instrument_id: str,
    level: float = 0.99,
    window: int = 250,
) -> Figure:
    """Draw the breaches of the last `window` days, with the Basel zones behind.

    Parameters
    ----------
    haircuts
        `HAIRCUTS`; one line per model, horizon one day, so windows do not overlap.
    prices
        `PRICES`.
    instrument_id
        The instrument shown.
    level
        Coverage aimed at; it sets the zones with `window`.
    window
        Days counted; nothing is drawn before there are as many.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> from holdings_kit.haircuts import basel
    >>> from holdings_kit.plot import alt_text
    >>> figure = rolling_zones(basel(prices), prices, instrument_id="X", window=2)
    >>> alt_text(figure)
    'Breaches of X in the last 2 days: basel ends at 1, yellow.'
    """
    rows = breaches(haircuts, prices).filter(
        (pl.col("instrument_id") == instrument_id) & pl.col("breach").is_not_null()
    )
    counts = (
        rows.sort("model", "date")
        .with_columns(
            pl.col("breach")
            .cast(pl.Int64())
            .rolling_sum(window, min_samples=window)
            .over("model")
            .alias("count")
        )
        .filter(pl.col("count").is_not_null())
    )
    last = counts.group_by("model", maintain_order=True).last()
    said = "; ".join(
        f"{model} ends at {count}, {tests.traffic_light(count, window, level).note}"
        for model, count in last.select("model", "count").iter_rows()
    )
    alt = f"Breaches of {instrument_id} in the last {window} days: "
    figure, (axes,) = new_figure(alt + (said or "too few days") + ".", size=(9.0, 4.0))
    if counts.height == 0:
        nothing(axes, f"Fewer than {window} days of {instrument_id} to count.")
        return figure
    top = max(max(counts["count"].to_list()) + 2, _first_red(window, level) + 2)
    for zone, low, high in _bands(window, level, top):
        axes.axhspan(low, high, color=_ZONES[zone], alpha=0.25, linewidth=0)
    for zone, ceiling in _ceilings(_bands(window, level, top - 1)).items():
        words = {"fontsize": 8, "va": "top", "ha": "right"}
        axes.text(0.99, ceiling, zone, transform=axes.get_yaxis_transform(), **words)
    for colour, model in zip(COLOURS, last["model"], strict=False):
        one = counts.filter(pl.col("model") == model)
        axes.step(one["date"], one["count"], where="post", color=colour, label=model)
    axes.set_ylim(-0.5, top)
    date_axis(axes.xaxis)
    axes.set_ylabel(f"Breaches in {window} days")
    axes.set_xlabel("Date")
    axes.set_title(f"{instrument_id}: rolling breaches and zones at {level:.1%}")
    _legend_outside(axes)
    return figure


def model_comparison(comparison: Comparison) -> Figure:
    """Draw mean losses, best model first, and who beats whom.

    Parameters
    ----------
    comparison
        What `haircuts.compare_models` returns. Filled bars lie in the 90 % model
        confidence set; a cell is the Diebold–Mariano statistic of the row against
        the column, bold at 5 %, negative where the row is better.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> from holdings_kit.haircuts import basel, compare_models
    >>> from holdings_kit.plot import alt_text
    >>> compared = compare_models(basel(prices), prices, confidence_set=False)
    >>> alt_text(model_comparison(compared))
    'basel has the lowest mean loss of 1 models.'
    """
    scores = comparison.scores
    names = scores["model"].to_list()
    best = (
        f"{names[0]} has the lowest mean loss of {len(names)} models." if names else ""
    )
    figure, (left, right) = new_figure(
        best or "No model to compare.", size=(9.0, 1.5 + 0.5 * len(names)), columns=2
    )
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
    _duel_cells(right, comparison.duels, names)
    return figure


def procyclicality(measures: pl.DataFrame) -> Figure:
    """Draw how much haircuts move: peak to trough, and the greatest rise in n days.

    Parameters
    ----------
    measures
        What `haircuts.procyclicality` returns. A dot is a security; the bar is the
        median of its model.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> from holdings_kit.haircuts import basel
    >>> from holdings_kit.haircuts import procyclicality as measured
    >>> from holdings_kit.plot import alt_text
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
    figure, (left, right) = new_figure(alt, size=(9.0, 3.6), columns=2)
    if not models:
        nothing(left, "No haircut to measure.")
        right.set_axis_off()
        return figure
    for place, model in enumerate(models):
        one = measures.filter(pl.col("model") == model)
        colour = COLOURS[place % len(COLOURS)]
        _dots(left, [place], [one["peak_to_trough"]], colour, model)
        spots = [at + 0.15 * place for at in range(len(rises))]
        _dots(right, spots, [one[name] for name in rises], colour, model)
    left.set_xticks(range(len(models)), models)
    left.set_ylabel("Highest / lowest haircut")
    left.set_title("Peak to trough")
    right.set_xticks(range(len(rises)), [name.removeprefix(_RISE) for name in rises])
    right.set_xlabel("Days")
    percent_axis(right.yaxis, "Rise of the haircut, points")
    right.set_title("Greatest rise in n days")
    _legend_outside(right)
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


def _dots(
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


def _duel_cells(axes: Axes, duels: pl.DataFrame, names: list[str]) -> None:
    cells = np.full((len(names), len(names)), np.nan)
    for model, other, statistic, p_value in duels.iter_rows():
        row, column = names.index(model), names.index(other)
        if statistic is not None:
            cells[row, column] = statistic
            weight = "bold" if p_value < _SIGNIFICANT else "normal"
            ink = "white" if abs(statistic) > _STRONGEST * _DARK else "black"
            words = {"ha": "center", "va": "center", "weight": weight, "color": ink}
            axes.text(column, row, f"{statistic:.1f}", **words)
    axes.imshow(cells, cmap="PuOr_r", vmin=-_STRONGEST, vmax=_STRONGEST, aspect="auto")
    axes.grid(visible=False)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_title("Row against column: Diebold–Mariano")


def _bands(window: int, level: float, top: int) -> list[tuple[str, float, float]]:
    """Zones as stripes between counts."""
    zone = [
        tests.traffic_light(x, window, level).note for x in range(min(top, window) + 1)
    ]
    return [(name, x - 0.5, x + 0.5) for x, name in enumerate(zone)]


def _ceilings(bands: list[tuple[str, float, float]]) -> dict[str, float]:
    """Where each zone ends."""
    return {zone: high for zone, _, high in bands}


def _legend_outside(axes: Axes) -> None:
    """Put the legend where it hides no figure."""
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)


def _first_red(window: int, level: float) -> int:
    for count in range(window + 1):
        if tests.traffic_light(count, window, level).note == "red":
            return count
    return window


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
