"""Pictures of a whole population: distributions, stress, activity."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from holdings_kit.display._numbers import (
    Kind,
    format_value,
    kind_of_number,
    label_of_column,
    number_of,
    quantity,
)
from holdings_kit.display.plot._style import (
    Axes,
    colour,
    colours_of,
    date_axis,
    draw_nothing,
    draw_unknown,
    end_labels,
    new_figure,
    nothing,
    rupees,
    split_series,
    tell,
    themed,
    write_beside,
)

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

Row: TypeAlias = dict[str, Any]
_TURNED: Final = 6  # classes beyond which their names are written aslant
_UNITS: Final[dict[Kind, str]] = {"rupees": ", ₹", "percent": ", %", "rate": ", %"}


@themed
def distribution_bars(
    distribution: pl.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw how many accounts are in each class of a measure.

    Parameters
    ----------
    distribution
        From `hk.population.distribution`. The accounts whose measure is
        unknown are a hatched bar of their own.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Examples
    --------
    >>> import polars as pl
    >>> from holdings_kit.display.plot import alt_text
    >>> counts = pl.DataFrame(
    ...     {
    ...         "measure": ["return"] * 3,
    ...         "lower": [None, 0.0, None],
    ...         "upper": [0.0, None, None],
    ...         "accounts_count": [2, 5, 1],
    ...         "known": [True, True, False],
    ...     }
    ... )
    >>> alt_text(distribution_bars(counts))
    'Accounts by return: 8 accounts, 1 of them unknown; most (5) at or above 0.'
    """
    rows = distribution.to_dicts()
    measure = rows[0]["measure"] if rows else "nothing"
    known = [row for row in rows if row["known"]]
    count = sum(row["accounts_count"] for row in rows)
    unknown = count - sum(row["accounts_count"] for row in known)
    most = max(known, key=lambda row: row["accounts_count"], default=None)
    where = (
        f"; most ({quantity(most['accounts_count'])}) {_name_class(most)}"
        if most
        else ""
    )
    alt = (
        f"Accounts by {measure.replace('_', ' ')}: {number_of(count, 'account')}, "
        f"{quantity(unknown)} of them unknown{where}."
    )
    figure, (axes,) = new_figure(alt, ax=ax, figsize=figsize)
    if not count:
        nothing(axes, "no accounts")
        return figure
    signed = measure.endswith(("return", "pnl", "twr"))
    for place, row in enumerate(known):
        below = signed and row["upper"] is not None and row["upper"] <= 0
        made = "lossbar" if below else "gainbar"
        shade = colour(made if signed else "bar")
        axes.bar(place, row["accounts_count"], width=0.92, color=shade)
    high = max(row["accounts_count"] for row in rows)
    if unknown:
        draw_unknown(axes, len(known) + 0.04, 0, 0.92, unknown)
    counts = [row["accounts_count"] for row in known] + ([unknown] if unknown else [])
    spots = [*range(len(known)), *([len(known) + 0.5] if unknown else [])]
    for spot, number in zip(spots, counts, strict=True):
        look = {"ha": "center", "fontsize": 9, "color": colour("ink2")}
        write_beside(axes, quantity(number), (spot, number), (0, 3), **look)
    kind = kind_of_number(measure)
    labels = [
        *(_name_range(row, kind) for row in known),
        *(["unknown"] * bool(unknown)),
    ]
    many = len(labels) > _TURNED
    turn = {"rotation": 35, "ha": "right"} if many else {}
    axes.set_xticks(spots, labels, **turn)
    axes.set_ylim(0, 1.12 * high)
    axes.set_yticks([])
    axes.grid(visible=False)
    tell(
        figure,
        axes,
        _say_distribution(known, most, count, kind, signed=signed),
        unit=f"Accounts by {label_of_column(measure).lower()}"
        f"{_UNITS.get(kind, '')}; height is the number of accounts",
        foot=f"{number_of(count - unknown, 'account')} of {quantity(count)} known"
        + ("; hatched is unknown" if unknown else ""),
        title=title,
        ax=ax,
    )
    return figure


def _say_distribution(
    known: list[Row], most: Row | None, count: int, kind: Kind, *, signed: bool
) -> str:
    """Say how many gained where a class ends at zero, else where most are."""
    if most is None:
        return "Every account is unknown"
    edges = [row["lower"] for row in known]
    if signed and 0 in edges:
        up = sum(
            row["accounts_count"]
            for row in known
            if row["lower"] is not None and row["lower"] >= 0
        )
        down = sum(row["accounts_count"] for row in known) - up
        of = number_of(count, "account")
        return f"▲ {quantity(up)} of {of} at or above zero, ▼ {quantity(down)} below"
    largest = f"{quantity(most['accounts_count'])} of {number_of(count, 'account')}"
    return f"The most, {largest}: {_name_range(most, kind)}"


def _name_range(row: Row, kind: Kind) -> str:
    """Name a class in the unit of its measure."""
    low, high = (
        None if edge is None else _write_edge(edge, kind)
        for edge in (row["lower"], row["upper"])
    )
    if low is None:
        return f"below {high}"
    return f"{low} or more" if high is None else f"{low} to {high}"


def _write_edge(edge: float, kind: Kind) -> str:
    if kind == "rupees":
        return rupees(edge)
    return format_value(edge, kind).replace(".0\u202f", "\u202f")


def _name_class(row: Row) -> str:
    low, high = row["lower"], row["upper"]
    if low is None:
        return f"below {high:g}"
    return f"at or above {low:g}" if high is None else f"{low:g} to {high:g}"


@themed
def stress_curve(
    stress: pl.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw how many accounts are short of margin as haircuts go up.

    Parameters
    ----------
    stress
        From `hk.population.margin_stress`.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Examples
    --------
    >>> import polars as pl
    >>> from holdings_kit.display.plot import alt_text
    >>> stress = pl.DataFrame(
    ...     {
    ...         "haircut_add": [0.0, 0.1],
    ...         "accounts_count": [10, 10],
    ...         "short_count": [0, 4],
    ...         "shortfall_value": [0, 1500],
    ...     }
    ... )
    >>> alt_text(stress_curve(stress))
    'Accounts short of margin: 0 of 10 at +0%, 4 of 10 at +10%, ₹1,500 missing there.'
    """
    rows = stress.sort("haircut_add").to_dicts()
    if not rows:
        alt, words = (
            "Accounts short of margin: nothing asked.",
            "no additions asked for",
        )
        return draw_nothing(alt, words, ax=ax, figsize=figsize)
    first, last = rows[0], rows[-1]
    alt = (
        "Accounts short of margin: "
        f"{quantity(first['short_count'])} of {quantity(first['accounts_count'])} "
        f"at +{first['haircut_add']:.0%}, "
        f"{quantity(last['short_count'])} of {quantity(last['accounts_count'])} "
        f"at +{last['haircut_add']:.0%}, "
        f"{rupees(float(last['shortfall_value']))} missing there."
    )
    figure, (axes,) = new_figure(alt, ax=ax, figsize=figsize)
    steps = [row["haircut_add"] for row in rows]
    short = [row["short_count"] for row in rows]
    axes.fill_between(steps, short, color=colour("barsoft"), linewidth=0)
    axes.plot(steps, short, marker="o", markersize=4, color=colour("accent"))
    for row in (first, last) if len(rows) > 1 else (first,):
        place, words = (row["haircut_add"], row["short_count"]), row["short_count"]
        write_beside(axes, quantity(words), place, (0, 6), ha="center", fontsize=9)
    axes.set_ylim(0, 1.15 * max(*short, 1))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xticks(steps, [f"{100 * step:+g}" for step in steps])
    axes.set_xlabel("added to every haircut, points")
    missing = rupees(float(last["shortfall_value"]))
    tell(
        figure,
        axes,
        f"{quantity(last['short_count'])} of "
        f"{quantity(last['accounts_count'])} accounts are short at "
        f"+{100 * last['haircut_add']:g} points; {missing} is missing",
        unit="Accounts short of margin, count",
        foot=f"{number_of(last['accounts_count'], 'account')}; today "
        f"{quantity(first['short_count'])} at +{100 * first['haircut_add']:g} points",
        title=title,
        ax=ax,
    )
    return figure


@themed
def activity_lines(
    activity: pl.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw how many lines each cause changed, over time.

    Parameters
    ----------
    activity
        From `hk.population.activity`. ``unchanged`` and ``price_only`` are
        left out: they would hide the rest.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Examples
    --------
    >>> import polars as pl
    >>> from datetime import UTC, datetime
    >>> from holdings_kit.display.plot import alt_text
    >>> at = datetime(2026, 1, 6, tzinfo=UTC)
    >>> rows = {"after_at": [at], "cause": ["bought"], "lines_count": [3]}
    >>> alt_text(activity_lines(pl.DataFrame(rows)))
    'Changed lines by cause over 1 instants: bought 3.'
    """
    shown = activity.filter(~activity["cause"].is_in(["unchanged", "price_only"]))
    totals: dict[str, int] = {}
    for row in shown.to_dicts():
        totals[row["cause"]] = totals.get(row["cause"], 0) + row["lines_count"]
    causes = sorted(totals, key=lambda cause: -totals[cause])
    instants = shown["after_at"].n_unique()
    said = ", ".join(f"{cause} {totals[cause]}" for cause in causes) or "none"
    parts = split_series(causes, ax=ax)
    alt = f"Changed lines by cause over {instants} instants: {said}."
    size = (7.4, 1.2 + 3.0 * len(parts))
    figure, panels = new_figure(
        alt, size=size, rows=len(parts), share_x=True, ax=ax, figsize=figsize
    )
    if not causes:
        nothing(panels[0], "nothing changed")
        return figure
    highest = max(shown["lines_count"].to_list())
    for axes, part in zip(panels, parts, strict=True):
        ends: list[tuple[float, str, str]] = []
        for cause, shade in colours_of(part):
            rows = shown.filter(shown["cause"] == cause).sort("after_at")
            counts = rows["lines_count"].to_list()
            at = rows["after_at"].to_list()
            axes.plot(at, counts, marker="o", markersize=4, color=shade)
            words = f"{cause.replace('_', ' ')} {quantity(totals[cause])}"
            ends.append((log10(max(counts[-1], 1)), words, shade))
        axes.set_yscale("log")
        axes.set_ylim(0.8, 1.6 * highest)
        axes.yaxis.set_major_formatter(FuncFormatter(_format_count))
        axes.yaxis.set_minor_formatter(NullFormatter())
        date_axis(axes.xaxis)
        end_labels(axes, ends, scale=log10)
    total = sum(totals.values())
    most = f"{causes[0].replace('_', ' ')} most often ({quantity(totals[causes[0]])})"
    tell(
        figure,
        panels[0],
        f"{number_of(total, 'line')} changed, {most}",
        unit="Changed lines (account × instrument) by cause, count, logarithmic",
        foot=f"{number_of(instants, 'instant')}; the number beside a name is its sum; "
        "unchanged lines and those that moved in price only are left out",
        title=title,
        ax=ax,
    )
    return figure


def _format_count(value: float, _place: float | None) -> str:
    return quantity(value)
