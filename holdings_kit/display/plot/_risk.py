"""Pictures of risk: concentration and pledge plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from holdings_kit.display._numbers import number_of
from holdings_kit.display.plot._style import (
    BLUE,
    GREY,
    ORANGE,
    SKY,
    Axes,
    ink,
    need,
    new_figure,
    nothing,
    percent_axis,
    rupee_axis,
    rupees,
)
from holdings_kit.portfolio import concentration as measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from holdings_kit.risk import PledgePlan

__all__ = ["concentration", "pledge_plan"]


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
        size=(7.0, 1.6 + 0.35 * max(shown.height, 3)),
        ax=ax,
        figsize=figsize,
    )
    if shown.is_empty():
        nothing(axes, "no position has a price")
        return figure
    places = list(range(shown.height))
    bars = [("before", 0.2, GREY, numbers[0]), ("after", -0.2, BLUE, numbers[1])]
    same = shown["before"].equals(shown["after"])
    if same:
        bars = [("before and after", 0.0, BLUE, numbers[0])]
    for name, offset, colour, number in bars:
        axes.barh(
            [place + offset for place in places],
            shown["after" if same else name].to_list(),
            height=0.76 if same else 0.38,
            color=colour,
            label=f"{name} (effective number {number})",
        )
    axes.set_yticks(places, shown["label"].to_list())
    percent_axis(axes.xaxis, "weight in the known value")
    axes.legend(loc="lower right", frameon=False)
    way = f"{numbers[0]} before look-through, {numbers[1]} after"
    axes.set_title(title or f"Effective number of instruments: {way}")
    return figure


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
    'Pledge plan, optimal: 0 holdings to pledge, cost 0.00 rupees'
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
    cost = "none" if plan.cost is None else f"{plan.cost:.2f}"
    usable, need = float(plan.usable_value), float(plan.need_value)
    figure, (left, right) = new_figure(
        f"Pledge plan, {plan.status}: {number_of(chosen, 'holding')} to pledge, "
        f"cost {cost} rupees; usable {rupees(usable)} of {rupees(need)} needed.",
        size=(9.0, 1.6 + 0.3 * max(rows.height, 5)),
        columns=2,
        ax=ax,
        figsize=figsize,
    )
    if title:
        figure.suptitle(title)
    if rows.is_empty():
        nothing(left, "no holdings")
    else:
        names, now = rows["label"].to_list(), rows["now"].to_list()
        left.barh(names, now, color=BLUE, label="to pledge")
        left.barh(
            names, rows["left"].to_list(), left=now, color=GREY, label="left free"
        )
        rupee_axis(left.xaxis, "collateral value")
        left.legend(loc="lower right", frameon=False)
        left.set_title("What each holding gives")
    start = 0.0
    for name, amount, colour in (
        ("cash", plan.cash_value, SKY),
        ("pledged already", plan.pledged_value, GREY),
        ("to pledge", plan.collateral_value, BLUE),
    ):
        if amount:
            right.bar([0], [float(amount)], bottom=start, color=colour, label=name)
        start += float(amount)
    right.bar([1], [usable], color=ORANGE, label="usable under the rules")
    right.axhline(need, color=ink(), linestyle="--", label="need")
    right.set_xticks([0, 1], ["put in", "counts"])
    rupee_axis(right.yaxis, "margin")
    right.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, frameon=False
    )
    right.set_title(f"{plan.status}: cost Rs {cost}")
    return figure
