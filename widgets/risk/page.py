"""The explorer's answers as HTML: finding, tiles, what each holding loses, the plan."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import polars as pl

from holdings_kit.display import number_of
from holdings_kit.display._numbers import (
    UNKNOWN,
    format_value,
    percent,
    quantity,
    rupees,
)
from holdings_kit.display._page import unknown
from holdings_kit.risk import SCENARIOS
from widgets.board import cover, money, rest_row, tile, toned
from widgets.page import bars, notice
from widgets.risk.shocks import CUSTOM, NO_SHOCK, floor_of, scenarios

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from holdings_kit.risk import PledgePlan

Row = dict[str, Any]
Known: TypeAlias = "dict[str, tuple[int, int, str]]"
"""Column → how many are known, of how many, and in what sense."""

_FIGURES: Final = (
    ("Value", "market_value"),
    ("P&L", "unrealized_pnl"),
    ("Collateral", "collateral_value"),
    ("Usable margin", "usable_value"),
    ("Headroom", "headroom_value"),
)
_SIGNED: Final = ("unrealized_pnl", "headroom_value")
"""Figures of which a percentage says nothing."""
REST: Final = "rest"
"""The row of the holdings that have no row of their own."""
_LISTED: Final = 20
_HEADS: Final = ("Method", "Value at risk, ₹", "of value", "Expected shortfall, ₹")


def write_figures(
    row: Row, known: Known, *, scenario: str, origin: str, single: bool
) -> str:
    """Write the finding, where the scenario is from, and each figure before and after.

    Parameters
    ----------
    row
        The one row of SHOCKED.
    known
        Of `count_known`.
    scenario, origin
        As `RiskModel` has them.
    single
        Whether this is one account: margin is of one.
    """
    finding = _say_finding(row, _name_scenario(scenario, origin))
    remarks = [] if single else ["Margin is of one account, choose one."]
    notes = "".join(f'<p class="hk-small">{escape(text)}</p>' for text in remarks)
    tiles = "".join(
        _write_tile(row, known, label, column)
        for label, column in _FIGURES
        if single or column not in {"usable_value", "headroom_value"}
    )
    shown = tiles.count("<dt>")
    return (
        f'<div role="status"><h3 class="hk-finding">{escape(finding)}</h3></div>'
        f"{_write_source(scenario)}"
        f'<dl class="hk-figures" style="--tiles:{shown}">{tiles}</dl>{notes}'
    )


def count_known(effects: pl.DataFrame, row: Row, holdings: int) -> Known:
    """Count on how many positions or holdings each total rests, and of how many.

    Parameters
    ----------
    effects
        A row per position (`holdings_kit.risk.shock_positions`).
    row
        The one row of SHOCKED.
    holdings
        How many holdings could be collateral.
    """
    of = effects.height
    unknown_count = row["unknown_collateral_count"] or 0
    return {
        "market_value": (of - row["unpriced_count"], of, "priced"),
        "unrealized_pnl": (
            effects["unrealized_pnl_before"].count(),
            of,
            "with price and cost",
        ),
        "collateral_value": (holdings - unknown_count, holdings, "with a haircut"),
    }


def list_beside(
    effects: pl.DataFrame, kinds: pl.DataFrame, names: Sequence[str]
) -> dict[str, Row]:
    """List what stands beside each row of sliders: value then, effect, a bar.

    Parameters
    ----------
    effects
        A row per position (`holdings_kit.risk.shock_positions`).
    kinds
        ``instrument_id, asset_class``.
    names
        The instruments with a row of their own; the others are summed as `REST`.

    Returns
    -------
    dict
        Row → its texts, ``way`` (``gain`` or ``loss``) and ``part`` of the largest
        effect; `REST` also its ``label`` and ``small`` line.
    """
    value, effect = pl.col("market_value_after"), pl.col("value_effect")
    sums = [
        pl.len().alias("count"),
        value.count().alias("priced"),
        pl.when(value.count() > 0).then(value.sum()).alias("value"),
        pl.when(value.count() > 0).then(effect.sum()).alias("effect"),
    ]
    rows = effects.select("instrument_id", "market_value_after", "value_effect").join(
        kinds, on="instrument_id", how="left", maintain_order="left"
    )
    own = pl.col("instrument_id").is_in(names)
    key = pl.when(own).then("instrument_id").otherwise(pl.lit(REST)).alias("key")
    each = rows.group_by(key).agg(sums).to_dicts()
    widest = max((abs(row["effect"] or 0) for row in each), default=0)
    found = {
        row["key"]: _write_beside(row) | {"part": _part(row["effect"], widest)}
        for row in each
    }
    whole = rows.select(sums).to_dicts()[0]
    by_kind = rows.group_by(pl.col("asset_class").alias("key")).agg(sums)
    found |= {
        row["key"]: _write_beside(row) for row in by_kind.drop_nulls("key").to_dicts()
    }
    found["all"] = _write_beside(whole)
    for row in each:
        if row["key"] == REST:
            found[REST] |= _name_rest(row, whole)
    return found


def _write_beside(row: Row) -> Row:
    effect = row["effect"]
    mark = "" if not effect else "▲ " if effect > 0 else "▼ "
    return {
        "value": format_value(row["value"], "rupees"),
        "effect": mark + rupees(effect, sign=True).replace("₹", ""),
        "way": "" if not effect else "gain" if effect > 0 else "loss",
    } | ({"why": _WHY["market_value"]} if effect is None else {})


def _part(effect: Decimal | None, widest: Decimal | int) -> float:
    return round(float(abs(effect) / widest), 4) if effect and widest else 0.0


def _name_rest(row: Row, whole: Row) -> Row:
    """Name the holdings without a row, and say how much of the value they are."""
    said = []
    if whole["value"]:
        said.append(f"{percent((row['value'] or 0) / whole['value'])} of value")
    missing = row["count"] - row["priced"]
    if missing:
        said.append(f"{quantity(missing)} without a price")
    return {"label": f"{quantity(row['count'])} smaller", "small": ", ".join(said)}


def write_plan(plan: PledgePlan) -> str:
    """Write what to pledge in which order and why it stops there, and what it costs."""
    if plan.status == "infeasible":
        unmet = rupees(plan.unmet_value)
        return (
            '<h3 class="hk-finding">Pledging everything still leaves '
            f"{unmet} of the need unmet</h3>"
        )
    chosen = plan.order
    if plan.gap == 0:
        proof = '<span class="hk-chip">✓ proven cheapest</span>'
    else:
        proof = '<span class="hk-chip hk-chip-odd">not proven: time ran out</span>'
    if chosen.is_empty():
        finding = "Nothing to pledge: the need is met already"
    else:
        what = number_of(chosen.height, "holding")
        finding = f"Pledge {what} for {rupees(plan.cost)}"
    need, cash = rupees(plan.need_value), rupees(plan.cash_value)
    return (
        f'<h3 class="hk-finding">{escape(finding)} {proof}</h3>'
        f'<p class="hk-for">At today\'s prices and haircuts, need {need}, cash {cash}. '
        "The shock above is not in it.</p>"
        f'<div class="hk-halves">{_write_order(plan, chosen)}{_write_costs(plan)}</div>'
        f"{_write_left_out(plan.plan)}"
    )


def _name_scenario(scenario: str, origin: str) -> str:
    labels = {key: label.replace(": ", ", ") for key, label in scenarios()}
    if origin:
        return f"Changed by you, from {labels[origin]}"
    return "" if scenario in {CUSTOM, NO_SHOCK} else labels[scenario]


def _say_finding(row: Row, name: str) -> str:
    """Say what moved, in parts of what it was; unknown figures are left out."""
    said = []
    for label, column in (
        ("value", "market_value"),
        ("collateral", "collateral_value"),
    ):
        before, after = row[f"{column}_before"], row[f"{column}_after"]
        if before and after is not None:
            said.append(f"{label} {percent((after - before) / before, sign=True)}")
    moved = ", ".join(said) or "nothing is valued"
    if not any(row[f"{c}_after"] != row[f"{c}_before"] for _, c in _FIGURES):
        moved = "prices and haircuts as they are"
    headroom = row["headroom_value_after"]
    if headroom is not None:
        moved += f", the margin need is {'met' if headroom >= 0 else 'not met'}"
    text = f"{name}: {moved}" if name else moved
    return text[:1].upper() + text[1:]


def _write_source(scenario: str) -> str:
    """Say what of a scenario is published, by whom, and what is assumed."""
    name, _, step = scenario.partition("|")
    known = SCENARIOS.filter(scenario=name, step=step)
    floor = floor_of(scenario)
    if floor is not None:
        published = "the clearing circular's steps of 2024; the names are yours"
        least = percent(floor, places=0)
        assumed = f"a name off the list has a haircut of at least {least}"
    elif known.height:
        one = known.row(0, named=True)
        fall = percent(abs(one["price_shock"]), places=2)
        day = format_value(one["on"], "date")
        span = f"on {day}" if "day" in step else f"in {step}, to {day}"
        published = f"the index fell {fall} {span} ({one['source']})"
        points = quantity(100 * one["haircut_add"])
        assumed = f"every holding moves with the index; haircuts rise {points} points"
    else:
        return ""
    return (
        f'<p class="hk-small"><b>Published:</b> {escape(published)}. '
        f'<b class="hk-warned">Assumed:</b> {escape(assumed)}.</p>'
    )


def _write_tile(row: Row, known: Known, label: str, column: str) -> str:
    before, after = row[f"{column}_before"], row[f"{column}_after"]
    why = _WHY.get(column, "no holding has both a price and a cost")
    if before is None or after is None:
        return tile(escape(label), unknown(why), "")
    change = after - before
    part = (
        f" ({percent(change / before, sign=True)})"
        if before and column not in _SIGNED
        else ""
    )
    below = f"<small>{toned(change)}{part}</small>" if change else ""
    below += f"<small>was {money(before, why)}</small>" if change else ""
    below += _draw_pair(before, after)
    if column == "headroom_value":
        tone, said = ("good", "✓ need is met") if after >= 0 else ("wrong", "not met")
        below += f'<small class="hk-{tone}">{said}</small>'
    if column in known:
        below += cover(*known[column])
    return tile(escape(label), rupees(after), below)


_WHY: Final = {
    "market_value": "no holding has a price",
    "collateral_value": "no holding has a known haircut",
    "usable_value": "cash or the collateral is unknown",
    "headroom_value": "no margin need is given",
}


def _draw_pair(before: Decimal, after: Decimal) -> str:
    """Draw two thin bars from zero: as it was, as it would be."""
    top = max(abs(before), abs(after))
    if not top or before < 0 or after < 0:
        return ""
    pair = "".join(
        f'<i class="hk-{name}" style="width:{float(value / top):.2%}"></i>'
        for name, value in (("was", before), ("bar", after))
    )
    return f'<div class="hk-beside" aria-hidden="true">{pair}</div>'


def _find_line(plan: PledgePlan) -> Decimal | None:
    """Find how much collateral of the plan reaches the need.

    None where a rule does not let all of it count, so that no one line is true.
    """
    all_counts = plan.cash_value + plan.pledged_value + plan.collateral_value
    reached = plan.collateral_value - (plan.usable_value - plan.need_value)
    return reached if plan.usable_value == all_counts and reached > 0 else None


def _write_order(plan: PledgePlan, chosen: pl.DataFrame) -> str:
    """Write the plan in its order, each with what it adds until the need is reached."""
    total, so_far = plan.collateral_value, 0
    line = _find_line(plan)
    until = "" if line is None else f" until {rupees(line)} is reached (the line)"
    need = "" if line is None else f'<u style="left:{float(line / total):.4%}"></u>'
    items = ""
    for number, row in enumerate(chosen.head(_LISTED).iter_rows(named=True), 1):
        worth = row["collateral_value"]
        start, part = float(so_far / total), float(worth / total)
        so_far += worth
        name = escape(str(row["symbol"] or row["instrument_id"]))
        shares = f"{quantity(row['pledge_quantity'])} of "
        shares += number_of(row["available_quantity"], "share")
        items += (
            f'<tr><td class="hk-rank"><span>{number}</span></td>'
            f'<th scope="row">{name} <small>{shares}</small>'
            f'<small class="hk-reason">{escape(_say_why(row))}</small></th>'
            '<td class="hk-way" aria-hidden="true" style="--zero:0">'
            f'<i class="hk-flow" style="--from:{start:.4f};--part:{part:.4f}"></i>'
            f'{need}</td><td class="hk-num">{rupees(worth)}</td></tr>'
        )
    items += rest_row(chosen.height - _LISTED, before=1, after=2)
    return (
        '<table class="hk-mini hk-order"><caption>Pledge, in this order'
        f"<small>collateral{until}</small></caption>"
        f"<tbody>{items}</tbody><tfoot><tr><td></td>"
        '<th scope="row">Collateral of the plan</th><td></td>'
        f'<td class="hk-num">{rupees(total)}</td></tr></tfoot></table>'
    )


def _write_left_out(plan: pl.DataFrame) -> str:
    """Write which holdings the plan leaves, why, and what stays free for later."""
    free = pl.col("available_quantity") * pl.col("price") * (1 - pl.col("haircut"))
    left = (
        plan.filter(pl.col("pledge_quantity") == 0)
        .with_columns(_free=pl.when(pl.col("available_quantity") > 0).then(free))
        .sort("_free", descending=True, nulls_last=True, maintain_order=True)
    )
    if left.is_empty():
        return ""
    body = "".join(
        f'<tr><th scope="row">{escape(str(row["symbol"] or row["instrument_id"]))} '
        f"<small>{_say_shares(row['available_quantity'])}</small></th>"
        f'<td class="hk-reason">{escape(row["why"] or "not needed")}</td>'
        f'<td class="hk-num">{_write_free(row)}</td></tr>'
        for row in left.head(_LISTED).iter_rows(named=True)
    )
    body += rest_row(left.height - _LISTED, after=2)
    return (
        f"<details><summary>Left out: {number_of(left.height, 'holding')}, and why"
        '</summary><table class="hk-mini"><caption class="hk-hidden">Left out</caption>'
        '<thead><tr><th scope="col">Holding</th><th scope="col">Why</th>'
        '<th scope="col" class="hk-num">Stays free</th></tr></thead>'
        f"<tbody>{body}</tbody></table></details>"
    )


def _say_shares(units: Decimal | None) -> str:
    return "" if units is None else number_of(units, "share")


def _write_free(row: Row) -> str:
    if row["_free"] is None:
        return unknown("nothing of it could be pledged, or its worth is not known")
    return rupees(row["_free"])


def _say_why(row: Row) -> str:
    whole = row["pledge_quantity"] == row["available_quantity"]
    said = "whole holding" if whole else "stops where the need is met"
    _, _, rest = row["why"].partition("; ")
    return f"{said}; {rest}" if rest else said


def _write_costs(plan: PledgePlan) -> str:
    rows = (
        ("Fees per ISIN, with GST", rupees(plan.fee_value)),
        ("Interest on missing cash", rupees(plan.interest_value)),
        ("Together", rupees(plan.cost)),
        ("One rupee more of need would cost", rupees(plan.shadow_price, places=4)),
    )
    body = "".join(
        f'<tr><th scope="row">{name}</th><td class="hk-num">{value}</td></tr>'
        for name, value in rows
    )
    return (
        '<table class="hk-mini hk-costs"><caption>What it costs</caption>'
        f"<tbody>{body}</tbody></table>"
    )


def draw_losses(losses: pl.DataFrame) -> str:
    """Draw a row per method, and say which returns it looks at and what is left out.

    A method with too few returns has no figure; its note says how many it needs.
    """
    if losses.is_empty():
        return notice("Nothing to measure.")
    rows = losses.to_dicts()
    table = bars(
        _describe_window(rows[0]),
        _HEADS,
        [(_name_method(row["method"]), _list_cells(row)) for row in rows],
        whys={_name_method(row["method"]): row["note"] for row in rows},
    )
    notes = dict.fromkeys(
        f"{_name_method(row['method'])}: {row['note']}." for row in rows if row["note"]
    )
    return table + "".join(notice(note, "warn") for note in notes)


def _name_method(method: str) -> str:
    return {"ewma": "EWMA, normal"}.get(method, method.replace("_", " ").capitalize())


def _list_cells(row: dict[str, Any]) -> list[tuple[str, float]]:
    if row["var_value"] is None:
        return [(UNKNOWN, 0.0)] * 3
    return [
        (format_value(row["var_value"], "rupees"), 0.0),
        (percent(row["var"], places=2), row["var"] or 0.0),
        (format_value(row["es_value"], "rupees"), 0.0),
    ]


def _describe_window(row: dict[str, Any]) -> str:
    """Say the level, the days, the returns used, and how much value they cover."""
    said = (
        f"A loss above this on {percent(1 - row['level'], places=2)} of "
        f"{number_of(row['horizon_days'], 'day')}-windows; a loss is positive; "
        f"{number_of(row['observations'], 'return')}"
    )
    if row["observations"]:
        said += f" from {row['first_date']} to {row['last_date']}"
    if row["covered_share"] is not None:
        said += f"; covers {percent(row['covered_share'], places=2)} of the value"
    if row["uncovered"]:
        said += f", without {number_of(len(row['uncovered']), 'instrument')}"
    return said + "."
