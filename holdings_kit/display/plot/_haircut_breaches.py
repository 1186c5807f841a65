"""Pictures of one instrument: its losses against its haircuts, day by day."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from matplotlib.ticker import MaxNLocator

from holdings_kit.display._numbers import number_of, percent
from holdings_kit.display.plot._style import (
    Axes,
    clip_name,
    colour,
    colours_of,
    date_axis,
    end_labels,
    new_figure,
    nothing,
    percent_axis,
    split_series,
    tell,
    themed,
    write_beside,
)
from holdings_kit.haircuts import breaches, statistics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from holdings_kit.haircuts._frames import AnyFrame
    from holdings_kit.haircuts.statistics._overlapping import Loss

_ZONES: Final = {"green": "gainsoft", "yellow": "warnsoft", "red": "badsoft"}
_MARKS: Final = ("x", "o", "s", "^", "v", "D", "P", "+")
_DENSE: Final = 400  # days beyond which the lines are thin
_ROOMY: Final = 4  # models up to which a label takes two lines
_HOLLOW: Final = "os^vD"


@themed
def breach_plot(
    haircuts: AnyFrame,
    prices: AnyFrame,
    *,
    instrument_id: str,
    horizon: int = 1,
    loss: Loss = "terminal",
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
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
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Examples
    --------
    >>> from datetime import date
    >>> from holdings_kit.haircuts import basel
    >>> from holdings_kit.display.plot import alt_text
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
        f"{model} {number_of(hits, 'breach', 'breaches')} in {number_of(n, 'day')}"
        for model, n, hits in counts.iter_rows()
    )
    days = number_of(horizon, "day")
    alt = f"Losses of {instrument_id} over {days} against its haircut: "
    parts = split_series(counts["model"].to_list(), ax=ax)
    alt = alt + (said or "nothing to judge") + "."
    size = (9.0, 1.3 + 2.9 * len(parts))
    figure, panels = new_figure(alt, size=size, rows=len(parts), ax=ax, figsize=figsize)
    if judged.height == 0:
        nothing(panels[0], f"No haircut of {instrument_id} with a loss after it.")
        return figure
    shown = judged.unique("date", keep="first").sort("date")
    hits_of = dict(counts.select("model", "breach").iter_rows())
    thin = 1.8 if shown.height <= _DENSE else 1.1
    for axes, models in zip(panels, parts, strict=True):
        _draw_losses(axes, shown)
        ends: list[tuple[float, str, str]] = []
        for place, (model, shade) in enumerate(colours_of(models)):
            one = judged.filter(pl.col("model") == model)
            count = number_of(hits_of[model], "breach", "breaches")
            name = f"{model}, × {count}"
            dense = one.height > _DENSE  # a step is then less than a point wide
            line = {"color": shade, "label": name, "linewidth": thin}
            line |= {} if dense else {"drawstyle": "steps-post"}
            axes.plot(one["date"], one["haircut"], **line)
            hit, mark = one.filter("breach"), _MARKS[place]
            hollow: dict[str, Any] = {"facecolors": "none", "edgecolors": shade}
            look = hollow if mark in _HOLLOW else {"color": shade}
            axes.scatter(
                hit["date"],
                hit["loss"],
                s=28,
                marker=mark,
                linewidths=1.3,
                zorder=3,
                **look,
            )
            between = "\n" if len(models) <= _ROOMY else ", "
            words = f"{clip_name(model)}{between}{count}"
            ends.append((float(one["haircut"][-1]), words, shade))
        date_axis(axes.xaxis)
        percent_axis(axes.yaxis)
        _fit_height(axes, judged)
        end_labels(axes, ends)
    windows = number_of(judged.select("date").unique().height, "day")
    overlap = (
        f"; windows overlap, so one fall counts up to {horizon} times"
        if horizon > 1
        else ""
    )
    tell(
        figure,
        panels[0],
        _name_extremes(clip_name(instrument_id), days, counts),
        unit=f"Loss over {days} (grey) and haircut (lines), % of value; "
        "each mark is a breach",
        foot=f"{windows} judged{overlap}",
        title=title,
        ax=ax,
    )
    return figure


def _draw_losses(axes: Axes, shown: pl.DataFrame) -> None:
    """Draw a needle for each day that lost, all of them in one path."""
    lost = shown.filter(pl.col("loss") > 0).select(
        pl.concat_list("date", "date", "date").alias("date"),
        pl.concat_list(pl.lit(0.0), pl.col("loss").cast(pl.Float64()), pl.lit(nan)),
    )
    needles = lost.explode("date", "literal")
    axes.plot(
        needles["date"], needles["literal"], color=colour("barsoft"), linewidth=0.9
    )


def _fit_height(axes: Axes, judged: pl.DataFrame) -> None:
    """Show every breach and each line whole; what gained lies below the picture."""
    highest = judged.select(pl.max_horizontal("haircut", "loss").max()).item()
    axes.set_ylim(0, 1.08 * max(float(highest), 0.001))


def _name_extremes(instrument_id: str, days: str, counts: pl.DataFrame) -> str:
    """Say which model was broken most and which least."""
    order = counts.sort("breach", "model")
    (low, few), (high, most) = (
        order.select("model", "breach").row(place) for place in (0, -1)
    )
    head = f"{instrument_id} over {days}: "
    times = number_of(most, "breach", "breaches")
    if order.height == 1:
        return f"{head}{times} of {high} in {number_of(order['n'][0], 'day')}"
    if few == most:
        return f"{head}{times} of each model"
    return f"{head}{high} broken most ({most}), {low} least ({few})"


@themed
def rolling_zones(
    haircuts: AnyFrame,
    prices: AnyFrame,
    *,
    instrument_id: str,
    level: float = 0.99,
    window: int = 250,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
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
        Days counted; nothing is drawn before there are as many. There are no zones
        where fewer than one breach is expected.
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
    >>> figure = rolling_zones(basel(prices), prices, instrument_id="X", window=2)
    >>> alt_text(figure)
    'Breaches of X in the last 2 days: basel ends at 1, no light.'
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
        f"{model} ends at {count}, {_find_zone(count, window, level) or 'no light'}"
        for model, count in last.select("model", "count").iter_rows()
    )
    alt = f"Breaches of {instrument_id} in the last {window} days: "
    alt += (said or "too few days") + "."
    parts = split_series(last["model"].to_list(), ax=ax)
    size = (9.0, 1.3 + 2.9 * len(parts))
    figure, panels = new_figure(alt, size=size, rows=len(parts), ax=ax, figsize=figsize)
    if counts.height == 0:
        nothing(panels[0], f"Fewer than {window} days of {instrument_id} to count.")
        return figure
    top = max(max(counts["count"].to_list()) + 2, _find_first_red(window, level) + 2)
    bands = _list_bands(window, level, top)
    for axes, models in zip(panels, parts, strict=True):
        for zone, low, high in bands:
            axes.axhspan(low, high, color=colour(_ZONES[zone]), linewidth=0)
        inside = _list_bands(window, level, top - 1)
        for zone, ceiling in {zone: high for zone, _, high in inside}.items():
            write_beside(
                axes,
                zone,
                (0, ceiling),
                (4, -2),
                xycoords=("axes fraction", "data"),
                fontsize=8,
                va="top",
                color=colour("ink2"),
            )
        ends: list[tuple[float, str, str]] = []
        for model, shade in colours_of(models):
            one = counts.filter(pl.col("model") == model)
            axes.step(one["date"], one["count"], where="post", color=shade, label=model)
            ends.append((float(one["count"][-1]), f"{model} {one['count'][-1]}", shade))
        axes.set_ylim(-0.5, top)
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        date_axis(axes.xaxis)
        end_labels(axes, ends)
    tell(
        figure,
        panels[0],
        _say_zones(clip_name(instrument_id), last, window, level),
        unit=f"Breaches in the last {window} days, count; zones at {percent(level)}",
        foot=f"{number_of(counts.select('date').unique().height, 'day')} with a full "
        "window; no line before there are as many",
        title=title,
        ax=ax,
    )
    return figure


def _say_zones(name: str, last: pl.DataFrame, window: int, level: float) -> str:
    """Say in which zone each model ends."""
    zones: dict[str, list[str]] = {}
    for model, count in last.select("model", "count").iter_rows():
        zone = _find_zone(count, window, level) or "no light"
        zones.setdefault(zone, []).append(model)
    order = [zone for zone in ("red", "yellow", "green", "no light") if zone in zones]
    told = [
        f"{zones[zone][0] if len(zones[zone]) == 1 else f'{len(zones[zone])} models'} "
        f"{'ends' if len(zones[zone]) == 1 else 'end'} {zone}"
        for zone in order
    ]
    return f"{name}: {', '.join(told)}"


def _find_zone(count: int, window: int, level: float) -> str | None:
    """Light of a count, None where the window is too short for one."""
    note = statistics.traffic_light(count, window, level).note
    return note if note in _ZONES else None


def _list_bands(window: int, level: float, top: int) -> list[tuple[str, float, float]]:
    """Zones as stripes between counts."""
    zones = [_find_zone(x, window, level) for x in range(min(top, window) + 1)]
    return [(name, x - 0.5, x + 0.5) for x, name in enumerate(zones) if name]


def _find_first_red(window: int, level: float) -> int:
    reds = (x for x in range(window + 1) if _find_zone(x, window, level) == "red")
    return next(reds, min(window, 10))
