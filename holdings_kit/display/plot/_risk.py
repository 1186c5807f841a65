"""Pictures of risk: concentration and pledge plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from holdings_kit.display._numbers import (
    number_of,
    percent,
    rupees as exact_rupees,
)
from holdings_kit.display.plot._style import (
    Axes,
    clip_name,
    colour,
    finish_bars,
    need,
    new_figure,
    nothing,
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

__all__ = ["concentration", "pledge_plan"]


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
    figure, (axes,) = new_figure(
        f"Weights of {number_of(shown.height, 'instrument')} before and after "
        "look-through; "
        f"effective number of instruments {numbers[0]} before, {numbers[1]} after.",
        size=(7.4, 1.5 + 0.36 * max(shown.height, 3)),
        ax=ax,
        figsize=figsize,
    )
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
    figure, (left, right) = new_figure(
        f"Pledge plan, {plan.status}: {number_of(chosen, 'holding')} to pledge, "
        f"cost {cost}; usable {rupees(usable)} of {rupees(need)} needed.",
        size=(9.0, 1.7 + 0.3 * max(rows.height, 5)),
        columns=2,
        ax=ax,
        figsize=figsize,
        width_ratios=[3, 2],
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
