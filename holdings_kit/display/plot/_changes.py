"""Pictures of a comparison: causes, quantity ladder, timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.changes import CAUSES, CHANGES, TIMELINE
from holdings_kit.display._numbers import format_value, number_of, quantity
from holdings_kit.display.plot._style import (
    SERIES,
    Axes,
    clip_name,
    colour,
    date_axis,
    finish_bars,
    new_figure,
    nothing,
    tell,
    themed,
)
from holdings_kit.errors import FrameError
from holdings_kit.schema import conform

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["cause_counts", "change_timeline", "quantity_ladder"]

_QUIET: Final = ("price_only", "unchanged")

_UNTOLD: Final = "owned, buckets\nunknown"
_ENDS: Final = ("before", "after")
_LADDER: Final = (
    ("settled_quantity", "free", "accent"),
    ("t1_quantity", "T+1", "flow"),
    ("pledged_quantity", "pledged", "bar"),
)

_MARKS: Final = ("o", "s", "^", "v", "D", "P", "X", "*")
_LOOKS: Final[dict[str, tuple[str, str]]] = {
    cause: (SERIES[place % len(SERIES)], _MARKS[(place + place // 8) % len(_MARKS)])
    for place, cause in enumerate(CAUSES)
}
"""Each cause has one colour and mark in every picture; no two have the same pair."""

_MOST: Final = 30  # instruments a timeline can name legibly


@themed
def cause_counts(
    changes: pl.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw how many lines changed for which cause, in the order of the rules.

    Lines that only moved in price, or not at all, are counted below: beside
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
        size=(7.4, 1.5 + 0.32 * max(len(shown), 2)),
        ax=ax,
        figsize=figsize,
    )
    quiet = f"{number_of(calm, 'line')} moved in price only or not at all"
    if not shown:
        nothing(axes, "no line changed")
        axes.set_title(title or quiet)
        return figure
    doubtful = {"suspect_fetch", "unexplained"}
    shades = ["warn" if cause in doubtful else "bar" for cause, _ in shown]
    bars = axes.barh(
        range(len(shown)),
        [n for _, n in shown],
        height=0.62,
        color=[colour(shade) for shade in shades],
    )
    axes.bar_label(bars, [quantity(n) for _, n in shown], padding=4, fontsize=9)
    finish_bars(axes, [cause.replace("_", " ") for cause, _ in shown], room=0.1)
    axes.invert_yaxis()
    changed = sum(n for _, n in shown)
    most, count = max(shown, key=lambda pair: pair[1])
    odd = sum(n for cause, n in shown if cause in doubtful)
    tell(
        figure,
        axes,
        f"{number_of(changed, 'line')} changed, {quantity(count)} of them "
        f"{most.replace('_', ' ')}"
        + (f"; {quantity(odd)} without a reason" if odd else "; each has its reason"),
        unit="Lines (account × instrument) by cause, count; amber is in doubt",
        foot=quiet,
        title=title,
        ax=ax,
    )
    return figure


@themed
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
        (end, name, shade, float(line[f"{column}_{end}"]))
        for end in _ENDS
        for column, name, shade in _LADDER
        if line[f"{column}_{end}"] is not None
    ]
    told = {end for end, *_ in parts}
    parts += [
        (
            end,
            _UNTOLD,
            "barsoft",
            float(line[f"owned_quantity_{end}"]),
        )
        for end in _ENDS
        if end not in told and line[f"owned_quantity_{end}"] is not None
    ]
    words = ", ".join(f"{n:g} {name} {end}" for end, name, _, n in parts if n)
    figure, (axes,) = new_figure(
        f"Quantities of {symbol} before and after ({cause}): {words or 'none'}.",
        size=(5.2, 4.2),
        ax=ax,
        figsize=figsize,
    )
    top = {"before": 0.0, "after": 0.0}
    for end, name, shade, size in parts:
        if not size:
            continue
        place = _ENDS.index(end)
        axes.bar(place, size, bottom=top[end], color=colour(shade), width=0.6)
        axes.annotate(
            f"{name}\n{quantity(size)}",
            (place, top[end] + size / 2),
            ha="center",
            va="center",
            fontsize=9,
            bbox={"facecolor": colour("card"), "edgecolor": "none", "pad": 1.5},
        )
        top[end] += size
    axes.set_xticks((0, 1), ["before", "after"])
    axes.set_xlim(-0.5, 1.5)
    axes.set_ylim(0, 1.06 * max(*top.values(), 1.0))
    axes.grid(visible=False)
    axes.set_yticks([])
    owned = f"{quantity(top['before'])} before, {quantity(top['after'])} after"
    tell(
        figure,
        axes,
        f"{clip_name(symbol)}: {cause}, {owned}",
        unit="Owned quantity by where it stands, units",
        foot=_say_instants(line),
        title=title,
        ax=ax,
    )
    return figure


def _say_instants(line: dict[str, object]) -> str:
    """Say between which snapshots a line changed."""
    ends = [format_value(line.get(f"snapshot_at_{end}"), "instant") for end in _ENDS]
    return " to ".join(ends)


@themed
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
        size=(9.0, 2.0 + 0.3 * max(len(names), 3)),
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
        spots = [place] * len(days)
        axes.plot(days, spots, color=colour("line2"), linewidth=1, zorder=1)
    present = [cause for cause in CAUSES if cause in set(told["cause"])]
    for cause in present:
        own = told.filter(pl.col("cause") == cause)
        shade, mark = _LOOKS[cause]
        axes.scatter(
            own["at"].to_list(),
            [names.index(who) for who in own["name"]],
            marker=mark,
            color=colour(shade),
            s=42,
            zorder=2,
            label=cause.replace("_", " "),
        )
    axes.set_yticks(range(len(names)), [clip_name(who) for who in names])
    axes.tick_params(axis="y", labelcolor=colour("ink"))
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("snapshot (UTC date)")
    date_axis(axes.xaxis)
    if len(set(told["at"])) == 1:
        axes.set_xticks([told["at"][0]], [format_value(told["at"][0].date(), "date")])
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    events = number_of(told.height, "event")
    most = told["cause"].value_counts(sort=True).row(0)
    tell(
        figure,
        axes,
        f"{events} of {number_of(len(names), 'instrument')}; "
        f"{most[0].replace('_', ' ')} most often ({most[1]})",
        unit=f"What happened in account {account_id}, by snapshot",
        foot=f"{number_of(rows['snapshot_at_after'].n_unique(), 'snapshot')} compared "
        "with the one before; days on which only prices moved are blank",
        title=title,
        ax=ax,
    )
    return figure
