"""Pictures of risk: concentration, pledge plans, and what shocks do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.display._numbers import (
    label_of_column,
    number_of,
    percent,
    rupees as exact_rupees,
)
from holdings_kit.display.plot._style import (
    Axes,
    clip_name,
    colour,
    draw_cells,
    draw_nothing,
    finish_bars,
    need,
    new_figure,
    nothing,
    rupee_axis,
    rupees,
    tell,
    themed,
    write_beside,
)
from holdings_kit.portfolio import concentration as measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from holdings_kit.risk import PledgePlan

_LABELLED: Final = 120  # cells up to which each carries its figure
_EFFECTS: Final = {
    "value": ("market_value_before", "market_value_after", "s1"),
    "collateral": ("collateral_value_before", "collateral_value_after", "s2"),
    "usable margin": ("usable_value_before", "usable_value_after", "s3"),
    "headroom": ("headroom_value_before", "headroom_value_after", "s4"),
}


@themed
def concentration(
    before: pl.DataFrame,
    after: pl.DataFrame,
    *,
    top: int = 10,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the largest weights before and after a look-through, side by side.

    Parameters
    ----------
    before, after
        POSITIONS or EXPOSURES: ``instrument_id, market_value`` and, where there is one,
        ``symbol``. Weights are of the known value.
    top
        How many instruments to show, by the larger of the two weights.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Raises
    ------
    FrameError
        A column is missing.

    Examples
    --------
    >>> from holdings_kit.display.plot import alt_text
    >>> book = pl.DataFrame({"instrument_id": ["P", "Q"], "market_value": [3.0, 1.0]})
    >>> alt_text(concentration(book, book)).split(";")[0]
    'Weights of 2 instruments before and after look-through'
    """
    tables: list[pl.DataFrame] = []
    numbers: list[str] = []
    for name, frame in (("before", before), ("after", after)):
        need(frame, name, ("instrument_id", "market_value"))
        symbol = "symbol" if "symbol" in frame.columns else "instrument_id"
        value = pl.col("market_value").cast(pl.Float64())
        share = value.sum() / frame["market_value"].cast(pl.Float64()).sum()
        tables.append(
            frame.filter(value.is_not_null())
            .group_by("instrument_id", maintain_order=True)
            .agg(
                pl.coalesce(symbol, "instrument_id").first().alias("label"),
                share.alias(name),
            )
        )
        found = measure(frame, top=())["effective_number"].item()
        numbers.append("unknown" if found is None else f"{found:.1f}")
    shown = (
        tables[0]
        .join(tables[1], on="instrument_id", how="full", coalesce=True)
        .with_columns(
            pl.coalesce("label", "label_right").alias("label"),
            pl.col("before", "after").fill_null(0.0),
        )
        .sort(pl.max_horizontal("before", "after"), "label", descending=[True, False])
        .head(top)
        .reverse()
    )
    alt = (
        f"Weights of {number_of(shown.height, 'instrument')} before and after "
        "look-through; "
        f"effective number of instruments {numbers[0]} before, {numbers[1]} after."
    )
    size = (7.4, 1.5 + 0.36 * max(shown.height, 3))
    figure, (axes,) = new_figure(alt, size=size, ax=ax, figsize=figsize)
    if shown.is_empty():
        nothing(axes, "no position has a price")
        return figure
    same = shown["before"].equals(shown["after"])
    bars = [("before", 0.19, "barsoft"), ("after", -0.19, "accent")]
    for name, offset, shade in [("after", 0.0, "accent")] if same else bars:
        high = 0.62 if same else 0.36
        at = [place + offset for place in range(shown.height)]
        axes.barh(at, shown[name].to_list(), height=high, color=colour(shade))
        for spot, share in zip(at, shown[name], strict=True):
            write_beside(
                axes,
                percent(share),
                (share, spot),
                (4, 0),
                va="center",
                fontsize=9 if same else 8,
                color=colour("ink2" if name == "before" else "ink"),
            )
    finish_bars(axes, [clip_name(label) for label in shown["label"]], room=0.12)
    axes.set_ylim(-0.6, shown.height - 0.4)
    way = f"{numbers[0]} before look-through, {numbers[1]} after"
    counts = [
        f"{t.height} of {f.height}"
        for t, f in zip(tables, (before, after), strict=True)
    ]
    tell(
        figure,
        axes,
        f"Effective number of instruments: {numbers[1] if same else way}",
        unit="Weight in the known value, %"
        + ("" if same else "; pale before, blue after look-through"),
        foot=f"The {shown.height} largest; {counts[0]} instruments priced before, "
        f"{counts[1]} after",
        title=title,
        ax=ax,
    )
    return figure


@themed
def pledge_plan(
    plan: PledgePlan,
    *,
    ax: Sequence[Axes] | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw a pledge plan: what each holding adds, and how the need is met.

    Parameters
    ----------
    plan
        What `hk.pledge_plan` returns.
    ax, figsize, title
        The caller's two axes to draw on, the size of a new figure in inches, and a
        title over the two.

    Examples
    --------
    >>> import holdings_kit as hk
    >>> from holdings_kit.display.plot import alt_text
    >>> from holdings_kit.schema import HOLDINGS
    >>> empty = pl.DataFrame(schema=HOLDINGS)
    >>> alt_text(pledge_plan(hk.pledge_plan(empty, need=10, cash=10))).split(";")[0]
    'Pledge plan, optimal: 0 holdings to pledge, cost ₹0.00'
    """
    kept = 1 - pl.col("haircut").cast(pl.Float64())
    price = pl.col("price").cast(pl.Float64())
    spare = pl.col("available_quantity") - pl.col("pledge_quantity")
    rows = plan.plan.select(
        pl.coalesce("symbol", "instrument_id").alias("label"),
        pl.col("collateral_value").cast(pl.Float64()).alias("now"),
        (spare.cast(pl.Float64()) * price * kept).alias("left"),
    ).fill_null(0.0)
    rows = rows.sort("now", "left", maintain_order=True)
    chosen = rows.filter(pl.col("now") > 0).height
    cost = "none" if plan.cost is None else exact_rupees(plan.cost)
    usable, need = float(plan.usable_value), float(plan.need_value)
    alt = (
        f"Pledge plan, {plan.status}: {number_of(chosen, 'holding')} to pledge, "
        f"cost {cost}; usable {rupees(usable)} of {rupees(need)} needed."
    )
    size = (9.0, 1.7 + 0.3 * max(rows.height, 5))
    figure, (left, right) = new_figure(
        alt, size=size, columns=2, ax=ax, figsize=figsize, width_ratios=[3, 2]
    )
    if rows.is_empty():
        nothing(left, "no holdings")
    else:
        _draw_holdings(left, rows)
    _draw_need(right, plan, usable, need)
    met = f"{rupees(usable)} usable meets the need of {rupees(need)}"
    finding = f"Pledge {number_of(chosen, 'holding')} for {cost}: {met}"
    if plan.status == "infeasible":
        finding = f"The need is not met: {exact_rupees(plan.unmet_value)} is missing"
    elif not chosen:
        finding = f"Nothing to pledge: {met}"
    proof = {"optimal": "proven cheapest", "feasible": "time ran out before the proof"}
    tell(
        figure,
        left,
        finding,
        unit="Left: collateral of each holding, ₹; blue to pledge, pale left free. "
        "Right: what is put in, and what of it counts, ₹",
        foot=f"{number_of(rows.height, 'holding')}; "
        + proof.get(plan.status, "with every holding pledged"),
        title=title,
        ax=ax,
    )
    return figure


def _draw_holdings(axes: Axes, rows: pl.DataFrame) -> None:
    """Draw what each holding gives: pledged now, and left free."""
    places = range(rows.height)
    now, free = rows["now"].to_list(), rows["left"].to_list()
    axes.barh(places, now, height=0.62, color=colour("accent"))
    axes.barh(places, free, left=now, height=0.62, color=colour("barsoft"))
    for place, (taken, rest) in enumerate(zip(now, free, strict=True)):
        write_beside(
            axes,
            rupees(taken) if taken else f"{rupees(rest)} free",
            (taken + rest, place),
            (4, 0),
            va="center",
            fontsize=8.5,
            color=colour("ink" if taken else "ink3"),
        )
    finish_bars(axes, [clip_name(label, 20) for label in rows["label"]], room=0.24)


def _draw_need(axes: Axes, plan: PledgePlan, usable: float, need: float) -> None:
    """Draw what is put in, what of it counts, and the need as a line."""
    start = 0.0
    for name, amount, shade in (
        ("cash", plan.cash_value, "flow"),
        ("pledged already", plan.pledged_value, "bar"),
        ("to pledge", plan.collateral_value, "accent"),
    ):
        size = float(amount)
        if size:
            axes.bar([0], [size], bottom=start, color=colour(shade), width=0.6)
            _write_inside(axes, 0, start, size, f"{name}\n{rupees(size)}")
        start += size
    axes.bar([1], [usable], color=colour("bar"), width=0.6)
    _write_inside(axes, 1, 0.0, usable, f"counts\n{rupees(usable)}")
    axes.axhline(need, color=colour("ink"), linestyle=(0, (3, 2)), linewidth=1.2)
    write_beside(
        axes,
        f"need {rupees(need)}",
        (0.5, need),
        (0, 3),
        xycoords=("axes fraction", "data"),
        ha="center",
        fontsize=9,
    )
    axes.set_ylim(0, 1.12 * max(start, usable, need, 1.0))
    axes.set_xlim(-0.5, 1.5)
    axes.set_xticks([0, 1], ["put in", "counts"])
    axes.set_yticks([])
    axes.grid(visible=False)


def _write_inside(
    axes: Axes, place: float, start: float, size: float, words: str
) -> None:
    """Write beside the middle of a part of a bar."""
    axes.annotate(
        words,
        (place, start + size / 2),
        ha="center",
        va="center",
        fontsize=8.5,
        bbox={
            "facecolor": colour("card"),
            "edgecolor": "none",
            "pad": 1.5,
            "alpha": 0.85,
        },
    )


@themed
def shock_grid(
    grid: pl.DataFrame,
    *,
    value: str = "headroom_value_after",
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw price × haircut shocks as a heat map.

    Parameters
    ----------
    grid
        What `stress.grid` returns.
    value
        The column to show, rupees. Blue is above zero, vermilion with ▼ below.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Raises
    ------
    FrameError
        The column is missing. A cell whose figure is unknown is hatched.

    Examples
    --------
    >>> from holdings_kit.display.plot import alt_text
    >>> frame = pl.DataFrame(
    ...     {
    ...         "price_shock": [-0.1, 0.0],
    ...         "haircut_add": [0.0, 0.0],
    ...         "value_effect": [-9.0, 0.0],
    ...     }
    ... )
    >>> alt_text(shock_grid(frame, value="value_effect"))
    'Heat map of value effect, 2 price shocks by 1 haircut rise; from −₹9 to ₹0.'
    """
    need(grid, "grid", ("price_shock", "haircut_add", value))
    name = value.replace("_", " ")
    table = grid.select("price_shock", "haircut_add", pl.col(value).cast(pl.Float64()))
    falls = table["price_shock"].unique().sort().to_list()
    rises = table["haircut_add"].unique().sort().to_list()
    known = table[value].drop_nulls()
    if known.is_empty():
        alt = f"Heat map of {name}: nothing is known."
        words = f"{name}: unknown in every cell"
        return draw_nothing(alt, words, ax=ax, figsize=figsize)
    low, high = (float(edge) for edge in known.sort().gather([0, -1]))
    alt = (
        f"Heat map of {name}, {number_of(len(falls), 'price shock')} by "
        f"{number_of(len(rises), 'haircut rise')}; "
        f"from {rupees(low)} to {rupees(high)}."
    )
    size = (max(5.0, 2.0 + 0.85 * len(falls)), 1.9 + 0.42 * len(rises))
    figure, (axes,) = new_figure(alt, size=size, ax=ax, figsize=figsize)
    span = max(abs(low), abs(high)) or 1.0
    figures = len(falls) * len(rises) <= _LABELLED
    cells = [
        (
            falls.index(fall),
            rises.index(rise),
            None if cell is None else -cell / span,
            _write_figure(cell, short=not figures),
        )
        for fall, rise, cell in table.iter_rows()
    ]
    draw_cells(
        axes,
        cells,
        (_name_shocks(falls), _name_shocks(rises)),
        bold=lambda strength: strength > 0,
        size=8.5 if figures else 7,
    )
    axes.set_xlabel("price shock")
    axes.set_ylabel("added to each haircut")
    held = label_of_column(value.removesuffix("_after")).removesuffix(" value")
    below = int((known < 0).sum())
    finding = f"{held} falls below zero in {below} of {known.len()} cases"
    if not below:
        finding = f"{held} stays above zero in all {known.len()} cases"
    unknown = table.height - known.len()
    tell(
        figure,
        axes,
        finding,
        unit=f"{held}{' after the shock' if value.endswith('_after') else ''}, ₹; "
        "▼ is below zero, colour is size",
        foot=f"{known.len()} of {number_of(table.height, 'case')} known"
        + ("; hatched is unknown" if unknown else ""),
        title=title,
        ax=ax,
    )
    return figure


def _name_shocks(shocks: list[float]) -> list[str]:
    return [percent(shock, sign=True) for shock in shocks]


def _write_figure(cell: float | None, *, short: bool) -> str:
    if cell is None:
        return ""
    mark = "▼" if cell < 0 else ""
    return mark or " " if short else f"{mark}{' ' if mark else ''}{rupees(cell)}"


@themed
def shock_effects(
    shocked: pl.DataFrame,
    *,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw what each step of a scenario does, in rupees of change.

    Parameters
    ----------
    shocked
        SHOCKED, as `hk.shock` returns it. Figures that are unknown are left out and
        named in the alt text.
    ax, figsize, title
        The caller's axes to draw on, the size of a new figure in inches, and a title
        in the place of the usual one.

    Raises
    ------
    FrameError
        A column is missing.

    Examples
    --------
    >>> from holdings_kit.risk import SHOCKED
    >>> from holdings_kit.display.plot import alt_text
    >>> alt_text(shock_effects(pl.DataFrame(schema=SHOCKED)))
    'Effects of a shock: nothing to show.'
    """
    columns = [
        name for before, after, _ in _EFFECTS.values() for name in (before, after)
    ]
    need(shocked, "shocked", ("step", *columns))
    changes = shocked.select(
        "step",
        *(
            (pl.col(after) - pl.col(before)).cast(pl.Float64()).alias(name)
            for name, (before, after, _) in _EFFECTS.items()
        ),
    )
    known = [name for name in _EFFECTS if changes[name].count()]
    if not known:
        alt = "Effects of a shock: nothing to show."
        return draw_nothing(alt, "no effect is known", ax=ax, figsize=figsize)
    steps = changes["step"].to_list()
    parts = [
        f"{step}: "
        + ", ".join(
            f"{name} {rupees(change)}"
            for name in known
            if (change := changes[name][place]) is not None
        )
        for place, step in enumerate(steps)
    ]
    absent = [name for name in _EFFECTS if name not in known]
    unknown = f" Unknown: {', '.join(absent)}." if absent else ""
    alt = f"Effects of a shock in rupees. {'; '.join(parts)}.{unknown}"
    size = (7.4, 1.5 + (0.3 * len(known) + 0.16) * len(steps))
    figure, (axes,) = new_figure(alt, size=size, ax=ax, figsize=figsize)
    thick = 0.8 / len(known)
    for place, name in enumerate(known):
        shade = colour(_EFFECTS[name][2])
        for step, change in enumerate(changes[name]):
            at = step + (place - (len(known) - 1) / 2) * thick
            if change is None:
                continue
            axes.barh(at, change, height=0.86 * thick, color=shade)
            write_beside(
                axes,
                f"{name} {rupees(change, sign=True)}",
                (change, at),
                (-5 if change < 0 else 5, 0),
                va="center",
                ha="right" if change < 0 else "left",
                fontsize=8.5,
            )
    axes.axvline(0, color=colour("ink3"), linewidth=0.9)
    axes.set_yticks(range(len(steps)), steps)
    axes.tick_params(axis="y", labelcolor=colour("ink"))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")
    axes.spines["bottom"].set_visible(False)
    low, high = axes.get_xlim()
    room = 0.36 * (high - low)
    axes.set_xlim(low - room * (low < 0), high + room * (high > 0))
    rupee_axis(axes.xaxis)
    gone = int(shocked["unpriced_count"].sum()) if "unpriced_count" in shocked else 0
    tell(
        figure,
        axes,
        _name_worst(changes, known),
        unit="Change by the shock, ₹",
        foot="; ".join(
            [
                *([f"unknown: {', '.join(absent)}"] if absent else []),
                *([f"{number_of(gone, 'position')} without a price"] if gone else []),
            ]
        )
        or "every position is priced",
        title=title,
        ax=ax,
    )
    return figure


def _name_worst(changes: pl.DataFrame, known: list[str]) -> str:
    """Say what the step takes most of, or that nothing is lost."""
    name = min(known, key=lambda one: _find_least(changes[one]))
    least = _find_least(changes[name])
    if least >= 0:
        return "The shock takes nothing"
    return f"The shock takes up to {rupees(-least)} of {name}"


def _find_least(changes: pl.Series) -> float:
    return min(changes.drop_nulls().to_list(), default=0.0)
