"""Pictures of a comparison: causes, quantity ladder, timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl
from matplotlib.ticker import MaxNLocator

from holdings_kit.changes import CAUSES, CHANGES, TIMELINE
from holdings_kit.display._numbers import number_of
from holdings_kit.display.plot._style import (
    BLACK,
    BLUE,
    COLOURS,
    GREY,
    ORANGE,
    VERMILION,
    Axes,
    distinct_colours,
    legend_outside,
    new_figure,
    nothing,
)
from holdings_kit.errors import FrameError
from holdings_kit.schema import conform

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["cause_counts", "change_timeline", "quantity_ladder"]

_QUIET: Final = ("price_only", "unchanged")

_LADDER: Final = (
    ("settled_quantity", "free", BLUE),
    ("t1_quantity", "T+1", ORANGE),
    ("pledged_quantity", "pledged", COLOURS[2]),
)

_MARKS: Final = ("o", "s", "^", "v", "D", "P", "X", "*", "<", ">", "h", "p", "d", "8")

_COLOUR_OF: Final[dict[str, str]] = dict(
    zip(CAUSES, distinct_colours(len(CAUSES)), strict=True)
)
"""Each cause has one colour, the same in every picture, and no two share one."""

_MOST: Final = 30  # instruments a timeline can name legibly

"""What a bridge is of, by the first of these steps that it has."""


def cause_counts(
    changes: pl.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw how many lines changed for which cause, in the order of the rules.

    Lines that only moved in price, or not at all, are counted in the title: beside
    them the others would not be seen.

    Parameters
    ----------
    changes
        `CHANGES`.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Raises
    ------
    FrameError
        `changes` is not `CHANGES`.

    Examples
    --------
    >>> from holdings_kit.display.plot import alt_text
    >>> alt_text(cause_counts(pl.DataFrame(schema=CHANGES)))
    'Lines by cause: none changed; 0 moved in price only or not at all.'
    """
    rows = conform(changes, CHANGES, name="changes")
    counts = dict(rows["cause"].value_counts().rows())
    calm = sum(counts.pop(cause, 0) for cause in _QUIET)
    shown = [(cause, counts[cause]) for cause in CAUSES if cause in counts]
    told = ", ".join(f"{cause.replace('_', ' ')} {n}" for cause, n in shown)
    figure, (axes,) = new_figure(
        f"Lines by cause: {told or 'none changed'}; "
        f"{calm} moved in price only or not at all.",
        size=(7.0, max(2.2, 0.32 * len(shown) + 1.2)),
        ax=ax,
        figsize=figsize,
    )
    quiet = f"{number_of(calm, 'line')} moved in price only or not at all"
    axes.set_title(title or quiet, fontsize=9)
    if not shown:
        nothing(axes, "no line changed")
        return figure
    names = [cause.replace("_", " ") for cause, _ in shown]
    doubtful = {"suspect_fetch", "unexplained"}
    bars = axes.barh(
        names,
        [n for _, n in shown],
        color=[VERMILION if cause in doubtful else BLUE for cause, _ in shown],
    )
    axes.bar_label(bars, padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("lines (count)")
    axes.margins(x=0.1)
    return figure


def quantity_ladder(
    changes: pl.DataFrame,
    *,
    account_id: str,
    instrument_id: str,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the buckets of one instrument before and after, stacked.

    Where a source does not tell its buckets, the owned quantity stands in grey.

    Parameters
    ----------
    changes
        `CHANGES`.
    account_id, instrument_id
        Which line; the first one that matches.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Raises
    ------
    FrameError
        `changes` is not `CHANGES`, or has no such line.

    Examples
    --------
    >>> quantity_ladder(pl.DataFrame(schema=CHANGES), account_id="A", instrument_id="X")
    Traceback (most recent call last):
        ...
    holdings_kit.errors.FrameError: changes: column 'instrument_id': no line X in A
    """
    rows = conform(changes, CHANGES, name="changes").filter(
        pl.col("account_id") == account_id, pl.col("instrument_id") == instrument_id
    )
    if rows.is_empty():
        where = f"no line {instrument_id} in {account_id}"
        raise FrameError("changes", "instrument_id", where)
    line = rows.row(0, named=True)
    cause, symbol = line["cause"].replace("_", " "), line["symbol"] or instrument_id
    parts = [
        (end, name, colour, float(line[f"{column}_{end}"]))
        for end in ("before", "after")
        for column, name, colour in _LADDER
        if line[f"{column}_{end}"] is not None
    ]
    told = {end for end, *_ in parts}
    parts += [
        (end, "owned, buckets unknown", GREY, float(line[f"owned_quantity_{end}"]))
        for end in ("before", "after")
        if end not in told and line[f"owned_quantity_{end}"] is not None
    ]
    words = ", ".join(f"{n:g} {name} {end}" for end, name, _, n in parts if n)
    figure, (axes,) = new_figure(
        f"Quantities of {symbol} before and after ({cause}): {words or 'none'}.",
        size=(4.5, 4.0),
        ax=ax,
        figsize=figsize,
    )
    top = {"before": 0.0, "after": 0.0}
    named: set[str] = set()
    for end, name, colour, size in parts:
        place = ("before", "after").index(end)
        label = None if name in named else name
        bar = axes.bar(
            place, size, bottom=top[end], color=colour, width=0.6, label=label
        )
        if size:
            ink = BLACK if colour == ORANGE else "white"
            axes.bar_label(bar, [f"{size:g}"], label_type="center", color=ink)
        named.add(name)
        top[end] += size
    axes.set_xticks((0, 1), ["before", "after"])
    axes.set_ylabel("quantity (units)")
    axes.set_title(title or f"{symbol}: {cause}")
    axes.margins(y=0.1)
    if named:
        legend_outside(axes)
    return figure


def change_timeline(
    changes: pl.DataFrame,
    *,
    account_id: str,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw what happened to each instrument of an account, snapshot by snapshot.

    Each cause has a colour and a mark of its own; a thin line shows when the
    instrument was held. Days on which only the price moved stay blank.

    Parameters
    ----------
    changes
        `TIMELINE`.
    account_id
        Which account.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Raises
    ------
    FrameError
        `changes` is not `TIMELINE`, or has more than thirty changing instruments.

    Examples
    --------
    >>> from holdings_kit.display.plot import alt_text
    >>> alt_text(change_timeline(pl.DataFrame(schema=TIMELINE), account_id="A"))
    'Timeline of account A: nothing happened.'
    """
    rows = conform(changes, TIMELINE, name="changes").filter(
        pl.col("account_id") == account_id
    )
    name = pl.coalesce("symbol", "instrument_id")
    told = rows.filter(~pl.col("cause").is_in(_QUIET)).select(
        name.alias("name"), "cause", at="snapshot_at_after"
    )
    names = told.sort("at")["name"].unique(maintain_order=True).to_list()
    if len(names) > _MOST:
        raise FrameError(
            "changes", "symbol", f"{len(names)} changed; filter to {_MOST} or fewer"
        )
    words = ", ".join(
        f"{cause.replace('_', ' ')} {n}"
        for cause, n in told["cause"].value_counts().rows()
    )
    figure, (axes,) = new_figure(
        f"Timeline of account {account_id}: {words or 'nothing happened'}.",
        size=(9.0, max(2.5, 0.3 * len(names) + 1.5)),
        ax=ax,
        figsize=figsize,
    )
    if not names:
        nothing(axes, "nothing happened")
        return figure
    held = rows.filter(pl.col("owned_quantity_after") != 0).select(
        name.alias("name"), at="snapshot_at_after"
    )
    for place, who in enumerate(names):
        days = held.filter(pl.col("name") == who)["at"].to_list()
        axes.plot(days, [place] * len(days), color="#CCCCCC", lw=1, zorder=1)
    present = [cause for cause in CAUSES if cause in set(told["cause"])]
    for cause in present:
        own = told.filter(pl.col("cause") == cause)
        axes.scatter(
            own["at"].to_list(),
            [names.index(who) for who in own["name"]],
            marker=_MARKS[CAUSES.index(cause) % len(_MARKS)],
            color=_COLOUR_OF[cause],
            edgecolor=BLACK,
            linewidth=0.4,
            s=42,
            zorder=2,
            label=cause.replace("_", " "),
        )
    events = number_of(told.height, "event")
    axes.set_title(title or f"{account_id}: {events}, {words}", wrap=True)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("snapshot (UTC date)")
    axes.tick_params(axis="x", rotation=30)
    legend_outside(axes)
    return figure
