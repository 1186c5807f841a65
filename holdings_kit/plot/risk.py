"""Pictures of risk: shocks, the price × haircut grid, concentration, pledge plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from holdings_kit.errors import FrameError
from holdings_kit.exposure import concentration as measure
from holdings_kit.plot._style import (
    BLUE,
    GREY,
    ORANGE,
    SKY,
    VERMILION,
    new_figure,
    nothing,
    percent_axis,
    rupee_axis,
    rupees,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from holdings_kit.pledge import PledgePlan

__all__ = ["concentration", "pledge_plan", "shock_effects", "shock_grid"]

_LABELLED: Final = 120  # cells up to which each carries its figure
_ASIDE: Final = 0.28  # of a cell, so that the zero line does not cross the figures
_DARK: Final = 0.6  # share of the colour scale beyond which text turns white
_EFFECTS: Final = {
    "value": ("market_value_before", "market_value_after", BLUE),
    "collateral": ("collateral_value_before", "collateral_value_after", ORANGE),
    "usable margin": ("usable_value_before", "usable_value_after", SKY),
    "headroom": ("headroom_value_before", "headroom_value_after", VERMILION),
}


def shock_grid(grid: pl.DataFrame, *, value: str = "headroom_value_after") -> Figure:
    """Draw price × haircut shocks as a heat map.

    Parameters
    ----------
    grid
        What `stress.grid` returns.
    value
        The column to show, rupees. Blue is above zero, red below; the line is zero.

    Raises
    ------
    FrameError
        The column is missing. A cell whose figure is unknown stays white.

    Examples
    --------
    >>> from holdings_kit.plot import alt_text
    >>> frame = pl.DataFrame(
    ...     {
    ...         "price_shock": [-0.1, 0.0],
    ...         "haircut_add": [0.0, 0.0],
    ...         "value_effect": [-9.0, 0.0],
    ...     }
    ... )
    >>> alt_text(shock_grid(frame, value="value_effect"))
    'Heat map of value effect, 2 price shocks by 1 haircut rises; from -9 to 0 rupees.'
    """
    _need(grid, "grid", ("price_shock", "haircut_add", value))
    name = value.replace("_", " ")
    table = grid.select("price_shock", "haircut_add", pl.col(value).cast(pl.Float64()))
    falls = table["price_shock"].unique().sort().to_list()
    rises = table["haircut_add"].unique().sort().to_list()
    known = table[value].drop_nulls()
    if known.is_empty():
        figure, (axes,) = new_figure(f"Heat map of {name}: nothing is known.")
        nothing(axes, f"{name}: unknown in every cell")
        return figure
    low, high = (float(edge) for edge in known.sort().gather([0, -1]))
    figure, (axes,) = new_figure(
        f"Heat map of {name}, {len(falls)} price shocks by {len(rises)} haircut rises; "
        f"from {rupees(low)} to {rupees(high)} rupees."
    )
    cells: Any = (
        table.pivot(on="price_shock", index="haircut_add", values=value)
        .sort("haircut_add")
        .select(str(fall) for fall in falls)
        .to_numpy()
    )
    span = max(abs(low), abs(high)) or 1.0
    image = axes.imshow(
        cells, cmap="RdBu", vmin=-span, vmax=span, aspect="auto", origin="lower"
    )
    axes.grid(visible=False)
    axes.set_xticks(range(len(falls)), [f"{fall:+.0%}" for fall in falls])
    axes.set_yticks(range(len(rises)), [f"{rise:+.0%}" for rise in rises])
    axes.set_xlabel("price shock (%)")
    axes.set_ylabel("added to each haircut (percentage points)")
    if low < 0 < high and min(len(falls), len(rises)) > 1:
        axes.contour(cells, levels=[0.0], colors="black", linewidths=1.2)
    if len(falls) * len(rises) <= _LABELLED:
        known_cells = table.drop_nulls().iter_rows()
        for fall, rise, cell in known_cells:
            place = (falls.index(fall), rises.index(rise) - _ASIDE)
            ink = "white" if abs(cell) > _DARK * span else "black"
            axes.text(*place, rupees(cell), ha="center", va="center", size=7, color=ink)
    rupee_axis(figure.colorbar(image, ax=axes).ax.yaxis, name)
    held = name.removesuffix(" after").capitalize()
    axes.set_title(f"{held} when prices and haircuts move together")
    return figure


def concentration(
    before: pl.DataFrame, after: pl.DataFrame, *, top: int = 10
) -> Figure:
    """Draw the largest weights before and after a look-through, side by side.

    Parameters
    ----------
    before, after
        POSITIONS or EXPOSURES: ``instrument_id, market_value`` and, where there is one,
        ``symbol``. Weights are of the known value.
    top
        How many instruments to show, by the larger of the two weights.

    Raises
    ------
    FrameError
        A column is missing.

    Examples
    --------
    >>> from holdings_kit.plot import alt_text
    >>> book = pl.DataFrame({"instrument_id": ["P", "Q"], "market_value": [3.0, 1.0]})
    >>> alt_text(concentration(book, book)).split(";")[0]
    'Weights of 2 instruments before and after look-through'
    """
    tables: list[pl.DataFrame] = []
    numbers: list[str] = []
    for name, frame in (("before", before), ("after", after)):
        _need(frame, name, ("instrument_id", "market_value"))
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
        f"Weights of {shown.height} instruments before and after look-through; "
        f"effective number of instruments {numbers[0]} before, {numbers[1]} after.",
        size=(7.0, 1.6 + 0.35 * max(shown.height, 3)),
    )
    if shown.is_empty():
        nothing(axes, "no position has a price")
        return figure
    places = list(range(shown.height))
    for name, offset, colour, number in (
        ("before", 0.2, GREY, numbers[0]),
        ("after", -0.2, BLUE, numbers[1]),
    ):
        axes.barh(
            [place + offset for place in places],
            shown[name].to_list(),
            height=0.38,
            color=colour,
            label=f"{name} (effective number {number})",
        )
    axes.set_yticks(places, shown["label"].to_list())
    percent_axis(axes.xaxis, "weight in the known value")
    axes.legend(loc="lower right", frameon=False)
    axes.set_title("Concentration before and after look-through")
    return figure


def pledge_plan(plan: PledgePlan) -> Figure:
    """Draw a pledge plan: what each holding adds, and how the need is met.

    Parameters
    ----------
    plan
        What `hk.pledge_plan` returns.

    Examples
    --------
    >>> import holdings_kit as hk
    >>> from holdings_kit.plot import alt_text
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
        f"Pledge plan, {plan.status}: {chosen} holdings to pledge, cost {cost} rupees; "
        f"usable {rupees(usable)} of {rupees(need)} needed.",
        size=(9.0, 1.6 + 0.3 * max(rows.height, 5)),
        columns=2,
    )
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
    right.axhline(need, color="black", linestyle="--", label="need")
    right.set_xticks([0, 1], ["put in", "counts"])
    rupee_axis(right.yaxis, "margin")
    right.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, frameon=False
    )
    right.set_title(f"{plan.status}: cost Rs {cost}")
    return figure


def shock_effects(shocked: pl.DataFrame) -> Figure:
    """Draw what each step of a scenario does, in rupees of change.

    Parameters
    ----------
    shocked
        SHOCKED, as `hk.shock` returns it. Figures that are unknown are left out and
        named in the alt text.

    Raises
    ------
    FrameError
        A column is missing.

    Examples
    --------
    >>> from holdings_kit.stress import SHOCKED
    >>> from holdings_kit.plot import alt_text
    >>> alt_text(shock_effects(pl.DataFrame(schema=SHOCKED)))
    'Effects of a shock: nothing to show.'
    """
    columns = [
        name for before, after, _ in _EFFECTS.values() for name in (before, after)
    ]
    _need(shocked, "shocked", ("step", *columns))
    changes = shocked.select(
        "step",
        *(
            (pl.col(after) - pl.col(before)).cast(pl.Float64()).alias(name)
            for name, (before, after, _) in _EFFECTS.items()
        ),
    )
    known = [name for name in _EFFECTS if changes[name].count()]
    if not known:
        figure, (axes,) = new_figure("Effects of a shock: nothing to show.")
        nothing(axes, "no effect is known")
        return figure
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
    figure, (axes,) = new_figure(
        f"Effects of a shock in rupees. {'; '.join(parts)}.{unknown}",
        size=(max(6.0, 2.0 + 1.4 * len(steps)), 4.0),
    )
    width = 0.8 / len(known)
    for place, name in enumerate(known):
        axes.bar(
            [
                step + (place - (len(known) - 1) / 2) * width
                for step in range(len(steps))
            ],
            changes[name].fill_null(float("nan")).to_list(),
            width=width,
            color=_EFFECTS[name][2],
            label=name,
        )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(steps)), steps)
    rupee_axis(axes.yaxis, "change")
    axes.legend(frameon=False)
    axes.set_title("What the shock takes")
    return figure


def _need(frame: pl.DataFrame, name: str, columns: tuple[str, ...]) -> None:
    for column in columns:
        if column not in frame.columns:
            known = ", ".join(repr(other) for other in frame.columns)
            raise FrameError(name, column, f"missing; {name} has {known}")
