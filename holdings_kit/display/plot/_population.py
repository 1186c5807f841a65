"""Pictures of a whole population: distributions, stress, activity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdings_kit.display._numbers import number_of
from holdings_kit.display.plot._style import (
    COLOURS,
    GREY,
    Axes,
    date_axis,
    distinct_colours,
    new_figure,
    nothing,
    rupees,
)

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["activity_lines", "distribution_bars", "stress_curve"]


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
        unknown are a grey bar of their own.
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
    count = sum(row["accounts_count"] for row in rows)
    unknown = sum(row["accounts_count"] for row in rows if not row["known"])
    most = max(
        (row for row in rows if row["known"]),
        key=lambda row: row["accounts_count"],
        default=None,
    )
    where = f"; most ({most['accounts_count']}) {_name_class(most)}" if most else ""
    figure, (axes,) = new_figure(
        f"Accounts by {measure.replace('_', ' ')}: {number_of(count, 'account')}, "
        f"{unknown} of them unknown{where}.",
        ax=ax,
        figsize=figsize,
    )
    if not count:
        nothing(axes, "no accounts")
        return figure
    labels = [_name_class(row) if row["known"] else "unknown" for row in rows]
    colours = [COLOURS[0] if row["known"] else GREY for row in rows]
    axes.bar(labels, [row["accounts_count"] for row in rows], color=colours)
    usual = (
        f"Most accounts ({most['accounts_count']}) {_name_class(most)}" if most else ""
    )
    axes.set_title(title or usual or "Every account is unknown")
    axes.set_ylabel("accounts")
    axes.set_xlabel(measure.replace("_", " "))
    axes.tick_params("x", rotation=45)
    return figure


def _name_class(row: dict[str, float | None]) -> str:
    low, high = row["lower"], row["upper"]
    if low is None:
        return f"below {high:g}"
    return f"at or above {low:g}" if high is None else f"{low:g} to {high:g}"


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
    'Accounts short of margin: 0 of 10 at +0%, 4 of 10 at +10%, 1,500 missing there.'
    """
    rows = stress.sort("haircut_add").to_dicts()
    if not rows:
        figure, (axes,) = new_figure(
            "Accounts short of margin: nothing asked.", ax=ax, figsize=figsize
        )
        nothing(axes, "no additions asked for")
        return figure
    first, last = rows[0], rows[-1]
    figure, (axes,) = new_figure(
        "Accounts short of margin: "
        f"{first['short_count']} of {first['accounts_count']} "
        f"at +{first['haircut_add']:.0%}, "
        f"{last['short_count']} of {last['accounts_count']} "
        f"at +{last['haircut_add']:.0%}, "
        f"{rupees(float(last['shortfall_value']))} missing there.",
        ax=ax,
        figsize=figsize,
    )
    axes.plot(
        [100 * row["haircut_add"] for row in rows],
        [row["short_count"] for row in rows],
        marker="o",
        color=COLOURS[0],
    )
    found = f"{last['short_count']} of {last['accounts_count']} accounts short"
    axes.set_title(title or f"{found} at +{last['haircut_add']:.0%}")
    axes.set_xlabel("added to every haircut, percentage points")
    axes.set_ylabel("accounts short of margin")
    return figure


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
    figure, (axes,) = new_figure(
        f"Changed lines by cause over {instants} instants: {said}.",
        ax=ax,
        figsize=figsize,
    )
    if not causes:
        nothing(axes, "nothing changed")
        return figure
    most = f"{causes[0].replace('_', ' ')} most often ({totals[causes[0]]})"
    axes.set_title(title or f"Changed lines: {most}")
    colours = distinct_colours(len(causes))
    for number, cause in enumerate(causes):
        rows = shown.filter(shown["cause"] == cause).sort("after_at")
        axes.plot(
            rows["after_at"].to_list(),
            rows["lines_count"].to_list(),
            marker="o",
            color=colours[number],
            label=cause,
        )
    axes.set_ylabel("changed lines (account × instrument)")
    axes.set_yscale("log")
    date_axis(axes.xaxis)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure
