"""Pictures of a comparison: causes, quantity ladder, timeline, and its bridges."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from holdings_kit.changes import CAUSES, CHANGES, EFFECTS, TIMELINE, bridge
from holdings_kit.display._numbers import (
    format_value,
    number_of,
    quantity,
    rupees as exact_rupees,
)
from holdings_kit.display.plot._style import (
    SERIES,
    Axes,
    clip_name,
    colour,
    date_axis,
    draw_nothing,
    finish_bars,
    new_figure,
    nothing,
    rupee_axis,
    rupees,
    tell,
    themed,
    write_beside,
)
from holdings_kit.errors import FrameError
from holdings_kit.schema import conform

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
_KINDS: Final = {
    "haircut_effect": "collateral",
    "average_effect": "unrealized P&L",
    "price_effect": "value",
}
"""What a bridge is of, by the first of these steps that it has."""
_MADE: Final = ("price_effect", "haircut_effect")  # gain or loss; all others are moves
_UNKNOWN: Final = "coverage_effect"  # what is priced at one end only


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
    counts = _count_causes(rows["cause"])
    calm = sum(counts.pop(cause, 0) for cause in _QUIET)
    shown = list(counts.items())
    alt = (
        f"Lines by cause: {_list_counts(counts) or 'none changed'}; "
        f"{calm} moved in price only or not at all."
    )
    size = (7.4, 1.5 + 0.32 * max(len(shown), 2))
    figure, (axes,) = new_figure(alt, size=size, ax=ax, figsize=figsize)
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
    most, count = max(shown, key=itemgetter(1))
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


def _count_causes(causes: pl.Series) -> dict[str, int]:
    """Count the lines of each cause there is, in the order of `CAUSES`."""
    found = Counter(causes)
    return {cause: found[cause] for cause in CAUSES if cause in found}


def _list_counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{cause.replace('_', ' ')} {n}" for cause, n in counts.items())


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
    alt = f"Quantities of {symbol} before and after ({cause}): {words or 'none'}."
    figure, (axes,) = new_figure(alt, size=(5.2, 4.2), ax=ax, figsize=figsize)
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
    counts = _count_causes(told["cause"])
    words = _list_counts(counts) or "nothing happened"
    alt = f"Timeline of account {account_id}: {words}."
    size = (9.0, 2.0 + 0.3 * max(len(names), 3))
    figure, (axes,) = new_figure(alt, size=size, ax=ax, figsize=figsize)
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
    for cause in counts:
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
    most, count = max(counts.items(), key=itemgetter(1))
    tell(
        figure,
        axes,
        f"{events} of {number_of(len(names), 'instrument')}; "
        f"{most.replace('_', ' ')} most often ({count})",
        unit=f"What happened in account {account_id}, by snapshot",
        foot=f"{number_of(rows['snapshot_at_after'].n_unique(), 'snapshot')} compared "
        "with the one before; days on which only prices moved are blank",
        title=title,
        ax=ax,
    )
    return figure


@themed
def collateral_bridge(
    changes: pl.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw why collateral changed: price, quantity pledged, haircut.

    Parameters
    ----------
    changes
        `CHANGES` of one account or many; the picture shows their total.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Raises
    ------
    FrameError
        `changes` is not `CHANGES`.

    Examples
    --------
    >>> import polars as pl
    >>> from holdings_kit.changes import CHANGES
    >>> from holdings_kit.display.plot import alt_text
    >>> alt_text(collateral_bridge(pl.DataFrame(schema=CHANGES)))
    'Waterfall of collateral from ₹0 to ₹0: no step.'
    """
    total = bridge(changes, by=(), of="collateral")
    return value_waterfall(total, ax=ax, figsize=figsize, title=title)


@themed
def value_waterfall(
    bridge: pl.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the change from the value before to the value after, one step per cause.

    Works for each of the three bridges: steps are the columns ending in ``_effect``,
    in the order of the frame. The change starts at zero, so that no bar is cut; before
    and after stand above it in words. What prices and haircuts made is teal with ▲ or
    vermilion with ▼, what was moved is blue, and every bar carries its rupees. Where no
    value is known the picture says so.

    Parameters
    ----------
    bridge
        A total: one row of `holdings_kit.bridge(changes, by=())`.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Raises
    ------
    FrameError
        Not one row, or no step in it.

    Examples
    --------
    >>> import polars as pl
    >>> from holdings_kit.display.plot import alt_text
    >>> total = pl.DataFrame(
    ...     {"value_before": [100.0], "price_effect": [-20.0], "value_after": [80.0]}
    ... )
    >>> alt_text(value_waterfall(total))
    'Waterfall of value from ₹100 to ₹80: price −₹20.'
    """
    if bridge.height != 1:
        raise FrameError("bridge", "value_before", f"{bridge.height} rows, not a total")
    known = {step for steps in EFFECTS.values() for step in steps}
    steps = [column for column in bridge.columns if column in known]
    if not steps:
        raise FrameError("bridge", "price_effect", "missing, and every other effect")
    figures = bridge.select("value_before", *steps, "value_after").row(0, named=True)
    if figures["value_before"] is None and figures["value_after"] is None:
        words = "nothing in it has a known value"
        alt = f"Waterfall: {words}."
        return draw_nothing(alt, words, size=(5.0, 2.5), ax=ax, figsize=figsize)
    row = {name: float(value or 0) for name, value in figures.items()}
    names = {step: step.removesuffix("_effect").replace("_", " ") for step in steps}
    told = ", ".join(f"{names[s]} {rupees(row[s])}" for s in steps if row[s])
    before, after = row["value_before"], row["value_after"]
    kind = next((_KINDS[step] for step in _KINDS if step in steps), "value")
    alt = (
        f"Waterfall of {kind} from {rupees(before)} to {rupees(after)}: "
        f"{told or 'no step'}."
    )
    inches = (7.4, 1.6 + 0.34 * (len(steps) + 1))
    figure, (axes,) = new_figure(alt, size=inches, ax=ax, figsize=figsize)
    level = 0.0
    for place, step in enumerate(steps):
        size = row[step]
        look = _choose_look(step, size)
        axes.barh(place, size, left=level, height=0.58, **look)
        top = (level + size, level + size)
        axes.plot(top, (place - 0.29, place + 1.29), color=colour("line2"), lw=0.9)
        mark = ("▲ " if size > 0 else "▼ ") if step in _MADE and size else ""
        words = mark + exact_rupees(size, sign=True)
        shade = "ink" if size else "ink3"
        _write_amount(axes, words, (max(level, level + size), place), shade)
        level += size
    last = len(steps)
    total = after - before
    axes.barh(last, total, height=0.58, color=colour("bar"))
    words = exact_rupees(total, sign=True)
    _write_amount(axes, words, (max(0.0, total), last), fontweight="bold")
    labels = [names[step].capitalize() for step in steps]
    axes.set_yticks(range(last + 1), [*labels, "Change"])
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelcolor=colour("ink"))
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.axvline(0, color=colour("ink3"), linewidth=0.9)
    axes.spines["bottom"].set_visible(False)
    rupee_axis(axes.xaxis)
    low, high = axes.get_xlim()
    axes.set_xlim(low, high + 0.22 * (high - low))
    if not any(row[step] for step in steps):
        axes.set_xticks([0.0])
    tell(
        figure,
        axes,
        _say_finding(kind, steps, row),
        unit=f"Change of {kind}, ₹, from {exact_rupees(figures['value_before'])} to "
        f"{exact_rupees(figures['value_after'])}; blue is moved, not made",
        foot=_say_coverage(bridge),
        title=title,
        ax=ax,
    )
    return figure


def _choose_look(step: str, size: float) -> dict[str, Any]:
    if step == _UNKNOWN:
        edge = {"edgecolor": colour("hatch"), "linewidth": 0.8}
        return {"facecolor": "none", "hatch": "//////", **edge}
    if step in _MADE:
        return {"color": colour("gainbar" if size >= 0 else "lossbar")}
    return {"color": colour("ink3" if step == "unexplained_effect" else "flow")}


def _write_amount(
    axes: Axes,
    words: str,
    end: tuple[float, int],
    shade: str = "ink",
    **look: str,
) -> None:
    look |= {"va": "center", "color": colour(shade)}
    write_beside(axes, words, end, (5, 0), fontsize=9.5, **look)


def _say_finding(kind: str, steps: list[str], row: dict[str, float]) -> str:
    """Say how much it changed, and which step did most of it."""
    total = row["value_after"] - row["value_before"]
    largest = max(steps, key=lambda step: abs(row[step]))
    name = f"{kind[:1].upper()}{kind[1:]}"
    if not row[largest]:
        return f"{name} did not change"
    way = "rose" if total > 0 else "fell" if total < 0 else "is the same"
    by = f" {exact_rupees(abs(total))}" if total else ""
    most = largest.removesuffix("_effect").replace("_", " ")
    part = exact_rupees(row[largest], sign=True)
    return f"{name} {way}{by}; most of it is {most}, {part}"


def _say_coverage(bridge: pl.DataFrame) -> str:
    """Say how many lines have a value at both ends, where the bridge counts them."""
    row = bridge.row(0, named=True)
    count = row.get("lines_count")
    if not count:
        return "The steps add up to the paisa"
    unknown = [int(row.get(f"unknown_{end}_count") or 0) for end in ("before", "after")]
    lines = number_of(count, "line")
    if not any(unknown):
        return f"{lines}, all priced at both ends; the steps add up to the paisa"
    return (
        f"{lines}, of which {unknown[0]} before and {unknown[1]} after have no price "
        "and are in no bar"
    )
