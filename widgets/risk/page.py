"""The explorer's answers as HTML: finding, tiles, what each holding loses, the plan."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from holdings_kit.display import number_of
from holdings_kit.display._numbers import format_value, percent, quantity, rupees
from holdings_kit.risk import SCENARIOS
from widgets.board import money, tile, toned, unknown
from widgets.risk.shocks import CUSTOM, floor_of, scenarios

if TYPE_CHECKING:
    from decimal import Decimal

    from holdings_kit.risk import PledgePlan

__all__ = ["write_effects", "write_figures", "write_plan"]

Row = dict[str, Any]

_FIGURES: Final = (
    ("Value", "market_value"),
    ("P&L", "unrealized_pnl"),
    ("Collateral", "collateral_value"),
    ("Usable margin", "usable_value"),
    ("Headroom", "headroom_value"),
)
_SIGNED: Final = ("unrealized_pnl", "headroom_value")
"""Figures of which a percentage says nothing."""
_WORST: Final = 8
_LISTED: Final = 20


def write_figures(row: Row, *, scenario: str, origin: str, single: bool) -> str:
    """Write the finding, where the scenario is from, and each figure before and after.

    Parameters
    ----------
    row
        The one row of SHOCKED.
    scenario, origin
        As `RiskModel` has them.
    single
        Whether this is one account: margin is of one.
    """
    finding = _say_finding(row, _name_scenario(scenario, origin))
    remarks = [] if single else ["Margin is of one account, choose one."]
    notes = "".join(f'<p class="hk-small">{escape(text)}</p>' for text in remarks)
    tiles = "".join(
        _write_tile(row, label, column)
        for label, column in _FIGURES
        if single or column not in {"usable_value", "headroom_value"}
    )
    shown = tiles.count("<dt>")
    return (
        f'<div role="status"><h3 class="hk-finding">{escape(finding)}</h3></div>'
        f"{_write_source(scenario)}"
        f'<dl class="hk-figures" style="--tiles:{shown}">{tiles}</dl>{notes}'
    )


def write_effects(effects: pl.DataFrame) -> str:
    """Write what each value becomes: the largest effects, then the rest as one.

    Bars start at zero, in parts of the largest effect. Empty where nothing moves.
    """
    moved = effects.filter(pl.col("value_effect") != 0).sort(
        pl.col("value_effect").abs(), descending=True, maintain_order=True
    )
    if moved.is_empty():
        return ""
    shown, rest = moved.head(_WORST), moved.slice(_WORST)
    rows = [
        (
            one["symbol"] or one["instrument_id"],
            percent(one["price_shock"], places=2),
            one["market_value_after"],
            one["value_effect"],
        )
        for one in shown.iter_rows(named=True)
    ]
    if rest.height:
        after, effect = rest["market_value_after"].sum(), rest["value_effect"].sum()
        rows.append((f"{rest.height:,} smaller", "", after, effect))
    top = max(abs(row[3]) for row in rows)
    body = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th>'
        f'<td class="hk-num">{shock}</td>'
        f'<td class="hk-num">{format_value(after, "rupees")}</td>'
        f'<td class="hk-num">{toned(effect)}</td>{_draw_bar(effect, top)}</tr>'
        for name, shock, after, effect in rows
    )
    heads = "".join(
        f'<th scope="col" class="hk-num">{head}</th>'
        for head in ("Price", "Value then, ₹", "Effect")
    )
    return (
        '<div class="hk-wide"><table class="hk-mini"><caption>What the shock does'
        '</caption><thead><tr><th scope="col">Holding</th>'
        f'{heads}<td aria-hidden="true"></td></tr></thead><tbody>{body}</tbody></table>'
        "</div>"
    )


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
        f'<div class="hk-halves">{_write_order(chosen)}{_write_costs(plan)}</div>'
    )


def _name_scenario(scenario: str, origin: str) -> str:
    labels = dict(scenarios())
    if origin:
        return f"Changed by you, from {labels[origin]}"
    return "" if scenario == CUSTOM else labels[scenario]


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
        assumed = f"a name off the list has a haircut of at least {floor:.0%}"
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


def _write_tile(row: Row, label: str, column: str) -> str:
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
    counts = {
        "market_value": (row["unpriced_count"], "position", "without a price"),
        "collateral_value": (
            row["unknown_collateral_count"],
            "holding",
            "without a known haircut",
        ),
    }
    missing, noun, words = counts.get(column, (0, "", ""))
    if missing:
        said = f"{number_of(missing, noun)} {words}"
        below += f'<small class="hk-warned">{escape(said)}</small>'
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


def _draw_bar(effect: Decimal, top: Decimal) -> str:
    part = float(abs(effect) / top) if top else 0.0
    way = "down" if effect < 0 else "up"
    return (
        '<td class="hk-way" aria-hidden="true" style="--zero:0">'
        f'<i class="hk-{way}" style="--from:0;--part:{part:.4f}"></i></td>'
    )


def _write_order(chosen: pl.DataFrame) -> str:
    """Write the plan in its order, each with what it adds until the need is reached."""
    total, so_far = chosen["collateral_value"].sum(), 0
    items = ""
    for number, row in enumerate(chosen.head(_LISTED).iter_rows(named=True), 1):
        worth = row["collateral_value"]
        start, part = float(so_far / total), float(worth / total)
        so_far += worth
        name = escape(str(row["symbol"] or row["instrument_id"]))
        shares = f"{quantity(row['pledge_quantity'])} of "
        shares += number_of(int(row["available_quantity"]), "share")
        items += (
            f'<tr><td class="hk-rank"><span>{number}</span></td>'
            f'<th scope="row">{name} <small>{shares}</small>'
            f'<small class="hk-reason">{escape(_say_why(row))}</small></th>'
            '<td class="hk-way" aria-hidden="true" style="--zero:0">'
            f'<i class="hk-flow" style="--from:{start:.4f};--part:{part:.4f}"></i></td>'
            f'<td class="hk-num">{rupees(worth)}</td></tr>'
        )
    more = chosen.height - _LISTED
    if more > 0:
        items += (
            f'<tr class="hk-rest"><td></td><th scope="row">{more:,} more, in the table '
            "below</th><td></td><td></td></tr>"
        )
    return (
        '<table class="hk-mini hk-order"><caption>Pledge, in this order</caption>'
        f"<tbody>{items}</tbody><tfoot><tr><td></td>"
        '<th scope="row">Collateral of the plan</th><td></td>'
        f'<td class="hk-num">{rupees(total)}</td></tr></tfoot></table>'
    )


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
