"""Pictures of models: whether their haircuts were enough, and which is best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from matplotlib.ticker import MaxNLocator

from holdings_kit.display._numbers import number_of, quantity
from holdings_kit.display.plot._style import (
    SERIES,
    Axes,
    clip_name,
    colour,
    colours_of,
    draw_cells,
    finish_bars,
    need,
    new_figure,
    nothing,
    percent_axis,
    split_series,
    tell,
    themed,
    write_beside,
)
from holdings_kit.haircuts import breaches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from holdings_kit.haircuts import Comparison, Reproduction
    from holdings_kit.haircuts._frames import AnyFrame

_SECURITY: Final = ("security", "securities")
_SIGNIFICANT: Final = 0.05
_RISE: Final = "rise_"
_SET_SIZE: Final = 0.10
_STRONGEST: Final = 4.0
_NAMED: Final = 5  # securities whose difference carries a name
_POINTS: Final = 100.0
_TURNED: Final = 4  # models beyond which their names are written aslant
_LABELLED: Final = 15  # breaches up to which each point carries its name
_MARKS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
_TESTS: Final = ("kupiec_p", "offsets_p", "garch_p")
_WIDE: Final = 6  # years beyond which two maps fill a row


@themed
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
    alt = best or "No model to compare."
    size = (4.5 + max(4.5, 1.5 + 0.62 * len(names)), 2.6 + 0.36 * len(names))
    figure, (left, right) = new_figure(
        alt, size=size, columns=2, ax=ax, figsize=figsize, width_ratios=[2, 3]
    )
    if not names:
        nothing(left, "No model to compare.")
        right.set_axis_off()
        return figure
    kept = [p is None or p > _SET_SIZE for p in scores["confidence_set_p"]]
    for place, (loss, inside) in enumerate(zip(scores["mean_loss"], kept, strict=True)):
        full = colour("accent" if inside else "barsoft")
        left.barh(place, loss, height=0.62, color=full)
        words = f"{loss:.3g}"
        write_beside(left, words, (loss, place), (4, 0), va="center", fontsize=8.5)
    finish_bars(left, [clip_name(name, 24) for name in names], room=0.22)
    left.set_ylim(len(names) - 0.5, -0.5)
    _draw_duel_cells(right, comparison.duels, names)
    losers = len(names) - sum(kept)
    finding = f"{names[0]} has the lowest mean loss of {of}"
    if losers and len(names) > 1:
        finding += f"; {losers} {'is' if losers == 1 else 'are'} clearly worse"
    tell(
        figure,
        left,
        finding,
        unit="Left: mean pinball loss, fraction of value, lower is better; blue is in "
        "the 90 % confidence set. Right: Diebold–Mariano of row against column, below "
        "zero the row is better, bold at 5 %",
        foot=f"{number_of(comparison.losses.height, 'day')} of losses",
        title=title,
        ax=ax,
    )
    return figure


@themed
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
    of = f"{quantity(same.height)} of {quantity(rows.height)}"
    alt = f"{of} {verb} the exchange's within the tolerance; "
    alt += f"the mean error is {size:.3f} points."
    figure, (left, right) = new_figure(
        alt, size=(9.0, 4.6), columns=2, ax=ax, figsize=figsize
    )
    if rows.height == 0:
        nothing(left, "No margin to compare.")
        right.set_axis_off()
        return figure
    highest = rows.select(pl.max_horizontal("haircut", "exchange_haircut").max()).item()
    edge = 1.05 * float(highest)
    left.plot([0, edge], [0, edge], color=colour("ink3"), linestyle="--", linewidth=1)
    for part, shade, mark in ((same, "accent", "o"), (apart, "lossbar", "x")):
        across, up = part["exchange_haircut"], part["haircut"]
        left.scatter(across, up, s=18, color=colour(shade), marker=mark)
    for place, (symbol, across, up) in enumerate(
        apart.head(_NAMED)
        .select(pl.coalesce("symbol", "instrument_id"), "exchange_haircut", "haircut")
        .iter_rows()
    ):
        away = (5, (5, -10)[place % 2])
        write_beside(left, clip_name(symbol, 16), (across, up), away, fontsize=8)
    left.grid(visible=True)
    percent_axis(left.xaxis, "the exchange's margin")
    percent_axis(left.yaxis, "ours, from closes")
    largest = max(float(np.max(np.abs(same["difference"].to_numpy()), initial=0)), 1e-4)
    span = (-1.05 * largest * _POINTS, 1.05 * largest * _POINTS)
    right.hist(same["difference"] * _POINTS, bins=31, range=span, color=colour("bar"))
    right.set_xlabel("ours − the exchange's, points")
    right.set_ylabel("securities, count")
    right.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    missing = reproduction.securities.height - rows.height
    tell(
        figure,
        left,
        f"{alt.partition(';')[0]}; mean error {size:.3f} points",
        unit="Left: each security, % of value; × is beyond the tolerance. Right: the "
        "differences within it",
        foot=f"{rows.height} of {number_of(rows.height + missing, *_SECURITY)} compared"
        + (f"; {missing} have too few closes" if missing else ""),
        title=title,
        ax=ax,
    )
    return figure


@themed
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
    size = (9.0, 1.9 + 0.34 * max(len(models), 4))
    figure, (left, right) = new_figure(
        alt, size=size, columns=2, ax=ax, figsize=figsize
    )
    if not models:
        nothing(left, "No haircut to measure.")
        right.set_axis_off()
        return figure
    longest = rises[-1] if rises else None
    for axes, column in ((left, "peak_to_trough"), (right, longest)):
        if column is None:
            axes.set_axis_off()
            continue
        for place, model in enumerate(models):
            one = measures.filter(pl.col("model") == model)
            _draw_dots(axes, place, one[column], model)
        axes.set_yticks(range(len(models)), [clip_name(model, 22) for model in models])
        axes.tick_params(axis="y", labelcolor=colour("ink"))
        axes.set_ylim(len(models) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x")
    left.set_xlabel("highest / lowest haircut")
    if longest is not None:
        days = longest.removeprefix(_RISE)
        right.set_yticks([])
        percent_axis(right.xaxis, f"greatest rise in {days} days, points")
    order = medians.drop_nulls().sort("peak_to_trough", "model")
    finding = "No haircut moved enough to measure"
    if order.height:
        (calm, low), (wild, high) = order.row(0), order.row(-1)
        finding = (
            f"{wild} moves most ({high:.1f} times), {calm} least ({low:.1f} times)"
        )
        finding = finding if order.height > 1 else f"{wild} moves {high:.1f} times"
    tell(
        figure,
        left,
        finding,
        unit="Each dot is a security, the bar the median of its model",
        foot=f"{number_of(measures.height, 'pair')} of security and model",
        title=title,
        ax=ax,
    )
    return figure


def _draw_dots(axes: Axes, place: int, column: pl.Series, label: str) -> None:
    values = column.drop_nulls()
    shade = colour(SERIES[0])
    at = [place] * values.len()
    axes.scatter(values, at, s=14, color=shade, alpha=0.45, linewidths=0, label=label)
    if values.len():
        axes.vlines([values.median()], place - 0.32, place + 0.32, color=colour("ink"))


def _draw_duel_cells(axes: Axes, duels: pl.DataFrame, names: list[str]) -> None:
    cells: list[tuple[int, int, float | None, str]] = []
    sure: set[float] = set()
    for model, other, statistic, p_value in duels.iter_rows():
        if statistic is None:
            continue
        strength = max(-1.0, min(1.0, statistic / _STRONGEST))
        if p_value is not None and p_value < _SIGNIFICANT:
            sure.add(strength)
        place = names.index(other), names.index(model)
        text = f"{statistic:.1f}".replace("-", "\N{MINUS SIGN}")
        cells.append((*place, strength, text))
    cells += [(place, place, 0.0, " ") for place in range(len(names))]
    labels = [clip_name(name, 16) for name in names]
    size = 9 if len(names) <= _TURNED else 7.5
    draw_cells(axes, cells, (labels, labels), bold=sure.__contains__, size=size)
    axes.tick_params(axis="x", labelrotation=35)
    for label in axes.get_xticklabels():
        label.set_ha("right")
    axes.set_yticks([])


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
    size = (max(7.4, columns * wide), max(3.0, 1.2 + rows * high))
    figure, panels = new_figure(
        alt, size=size, rows=rows, columns=columns, ax=ax, figsize=figsize
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
    size = (max(7.4, 5.5 * len(parts)), 5.8)
    figure, panels = new_figure(
        alt, size=size, columns=len(parts), ax=ax, figsize=figsize
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
