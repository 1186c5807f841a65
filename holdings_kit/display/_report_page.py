"""The parts of the report's page: each opens with its finding and says its coverage."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

from holdings_kit.changes import bridge
from holdings_kit.display._numbers import (
    format_value,
    number_of,
    percent,
    quantity,
    rupees,
)
from holdings_kit.display._report_marks import (
    cover,
    delta,
    safe,
    unknown,
    write_amount,
    write_card,
    write_treemap,
)
from holdings_kit.portfolio import concentration, consolidate, summarize

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from holdings_kit.display._report_points import Point
    from holdings_kit.schema import FrameLike, Loaded

__all__ = [
    "Row",
    "totals_by_account",
    "value_inside_smallcases",
    "write_accounts",
    "write_allocation",
    "write_changes",
    "write_collateral",
    "write_concentration",
    "write_headline",
    "write_performance",
    "write_points",
    "write_population",
    "write_positions",
]

Row = dict[str, Any]

_ROWS: Final = 40
_CELLS: Final = 24
_ACCOUNTS: Final = 20
_LETTERS: Final = 24  # of a name in a heading or chip
_ALL: Final = 0.9995  # written as 100.0 %
_MONTH: Final = 30  # days; a yearly rate of less misleads
_HELD: Final = {
    "equity": "Shares",
    "etf": "ETFs",
    "mutual_fund": "Funds",
    "bond": "Bonds",
    None: "Class unknown",
}
_NO_COST: Final = "cost unknown"
_NO_DAY: Final = "no earlier close in the replies"
_EDGES: Final = (-0.5, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.5)


def write_headline(total: Row, positions: pl.DataFrame, points: Sequence[Point]) -> str:
    """Open with value, P&L, return and day change, and what is not known."""
    count, bare = total["positions_count"], total["unpriced_count"]
    priced = "all" if not bare else f"{count - bare:,} of"
    noun = "position has" if count == 1 else "positions have"
    whole = (
        cover((count - bare) / count, f"{priced} {count:,} {noun} a price")
        if (count)
        else "no positions"
    )
    mets = [
        _write_metric(
            "Unrealised P&L",
            None
            if total["unrealized_pnl"] is None
            else delta(
                total["unrealized_pnl"], rupees(total["unrealized_pnl"], sign=True)
            ),
            "no position has both a price and a cost",
            cover(
                total["costed_value_share"] or 0.0,
                f"on {percent(total['costed_value_share'])} of value",
            ),
        ),
        _write_metric(
            "Return on known cost",
            None
            if total["return"] is None
            else delta(total["return"], percent(total["return"], sign=True)),
            "no position has both a price and a cost",
            f'<span class="s quiet">cost {rupees(sum_costed(positions))}</span>',
        ),
    ]
    day, share = total["day_pnl"], _share_with_day(positions)
    mets.append(
        _write_metric(
            "Day change",
            None if day is None else delta(day, rupees(day, sign=True)),
            _NO_DAY,
            cover(share or 0.0, f"on {percent(share)} of value"),
        )
    )
    value = rupees(total["market_value"])
    head, dot, paise = value.partition(".")
    big = head + (f'<span class="p">{dot}{paise}</span>' if dot else "")
    items = "".join(
        f'<li><i class="hatch"></i><div>{safe(point.title)}'
        f"<span>{safe(point.detail)}</span></div></li>"
        for point in points[:3]
    )
    link = (
        f'<a href="#open">All {number_of(len(points), "point")}</a>' if points else ""
    )
    gaps = f"<ul>{items}</ul>" if items else '<p class="quiet">Nothing is open.</p>'
    return (
        '<section class="card c12 hero" aria-label="Headline"><div>'
        f'<div class="lab">Value</div><div class="big" id="value">{big}</div>{whole}'
        f'<div class="mets">{"".join(mets)}</div></div>'
        f'<div class="gaps"><h2>What this report does not know {link}</h2>{gaps}</div>'
        "</section>"
    )


def _write_metric(label: str, figure: str | None, why: str, below: str) -> str:
    shown = unknown(why) if figure is None else figure
    under = f'<span class="s quiet">{safe(why)}</span>' if figure is None else below
    return (
        f'<div><div class="lab">{safe(label)}</div><div class="met">{shown}</div>'
        f"{under}</div>"
    )


def sum_costed(positions: pl.DataFrame) -> Decimal | None:
    """Sum the cost of the units that have a price too: what the return is of."""
    known = positions["known_pnl_cost_value"].drop_nulls()
    return sum(known, Decimal(0)) if known.len() else None


def _share_with_day(positions: pl.DataFrame) -> float | None:
    value = positions["known_market_value"].abs()
    whole = float(value.sum())
    says = positions["day_pnl"].is_not_null()
    return float(value.filter(says).sum()) / whole if whole else None


def write_allocation(positions: pl.DataFrame) -> str:
    """Draw the treemap, area by value, tint by return, and the strip of classes."""
    held = positions.filter(pl.col("known_market_value") > 0).sort(
        "known_market_value", descending=True
    )
    if held.is_empty():
        return ""
    whole = float(held["known_market_value"].sum())
    cells = [
        (
            _name_of(row),
            float(row["known_market_value"]),
            row["_gain"],
            "" if row["_gain"] is not None else "no cost",
        )
        for row in _with_known_return(held).head(_CELLS).iter_rows(named=True)
    ]
    rest = held[_CELLS:]
    if rest.height:
        total = summarize(rest).row(0, named=True)
        size = float(rest["known_market_value"].sum())
        cells.append((f"{rest.height} more", size, total["return"], "no cost"))
        cells.sort(key=lambda cell: -cell[1])
    top = held.head(3)
    share = percent(float(top["known_market_value"].sum()) / whole, places=0)
    names = _join_names([_name_of(row) for row in top.iter_rows(named=True)])
    classes = (
        held.group_by("asset_class")
        .agg(pl.col("known_market_value").sum())
        .sort("known_market_value", descending=True)
    )
    said = [
        (_HELD.get(kind, str(kind)), float(size) / whole)
        for kind, size in classes.iter_rows()
    ]
    strip = "".join(
        f'<div style="flex:{part:.4f} 1 0"><span>{safe(kind)}</span> '
        f"<b>{percent(part)}</b></div>"
        for kind, part in said
    )
    key = " · ".join(f"{safe(kind)} <b>{percent(part)}</b>" for kind, part in said)
    body = (
        f'<div class="strip" aria-hidden="true">{strip}</div>'
        f'<p class="stripkey s quiet">{key}</p>'
        + write_treemap(cells, wide=1000, high=330, kind="tmw")
        + write_treemap(cells, wide=540, high=420, kind="tmn")
        + '<p class="key"><span><i class="tm-l3"></i><i class="tm-l2"></i>'
        '<i class="tm-l1"></i> loss: over 12, 3 to 12, under 3 %</span>'
        '<span><i class="tm-g1"></i><i class="tm-g2"></i><i class="tm-g3"></i> '
        "gain: under 3, 3 to 12, over 12 %</span>"
        '<span><i class="hatch"></i> cost unknown</span></p>'
    )
    verb = "is" if top.height == 1 else "are"
    return write_card(
        f"{names} {verb} {share} of value",
        body,
        sub="Area is value, tint is return on cost; "
        + number_of(positions.height - held.height, "position")
        + " without a known value above 0 not drawn"
        if positions.height > held.height
        else "Area is value, tint is return on cost",
    )


def _with_known_return(positions: pl.DataFrame) -> pl.DataFrame:
    cost = pl.col("known_pnl_cost_value").abs().cast(pl.Float64())
    gain = pl.col("known_pnl").cast(pl.Float64())
    return positions.with_columns(_gain=pl.when(cost > 0).then(gain / cost))


def _name_of(row: Row) -> str:
    return str(row["symbol"] or row["instrument_id"] or "unnamed")


def _join_names(names: Sequence[str]) -> str:
    short = [
        name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…" for name in names
    ]
    return ", ".join(short[:-1]) + " and " + short[-1] if len(short) > 1 else short[0]


def write_positions(positions: pl.DataFrame, total: Row, *, on: date | None) -> str:
    """Set the table of positions, its total row, and why value − cost is not P&L."""
    rows = _with_known_return(positions).with_columns(
        _whole=pl.col("known_market_value").abs().cast(pl.Float64()).sum()
    )
    shown, rest = rows.head(_ROWS), rows[_ROWS:]
    scale = _largest(rows, "known_pnl") or 1.0
    heaviest = _largest(rows, "known_market_value") or 1.0
    body = "".join(
        _write_position(row, on=on, scale=scale, heaviest=heaviest)
        for row in shown.iter_rows(named=True)
    )
    if rest.height:
        body += _write_rest(rest)
    share = total["costed_value_share"]
    part = "" if share is None else cover(share, f"{percent(share)} has a cost")
    pnl, gain = total["unrealized_pnl"], total["return"]
    pnl_text = (
        unknown(_NO_COST)
        if pnl is None
        else f"<b>{delta(pnl, rupees(pnl, sign=True))}</b>"
    )
    foot = (
        f'<tr><th scope="row">{number_of(total["positions_count"], "position")}</th>'
        f'<td class="r wide" colspan="4">{part}</td>'
        f'<td class="r"><b>{rupees(total["market_value"])}</b></td>'
        f'<td class="wth"></td><td class="r">{pnl_text}</td><td class="wide plc"></td>'
        f'<td class="r wide"><b>{percent(gain, sign=True)}</b></td></tr>'
    )
    heads = (
        '<th scope="col">Instrument</th><th scope="col" class="r wide">Quantity</th>'
        '<th scope="col" class="r wide">Average, ₹</th>'
        '<th scope="col" class="r wide">Price, ₹</th>'
        '<th scope="col" class="wide">Basis</th><th scope="col" class="r">Value, ₹</th>'
        '<th scope="col" class="wth">Weight ▾</th><th scope="col" class="r">P&amp;L, ₹'
        '</th><th scope="col" class="wide plc"><span class="axis"><span>loss</span>'
        '<span>gain</span></span></th><th scope="col" class="r wide">Return</th>'
    )
    note = explain_difference(positions, total)
    return write_card(
        "Positions",
        f'<table class="pos"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody><tfoot>{foot}</tfoot></table>"
        + (f'<p class="note">{safe(note)}</p>' if note else ""),
        sub="Netted over accounts by instrument, smallcases looked through",
    )


def _largest(rows: pl.DataFrame, column: str) -> float | None:
    most = rows[column].abs().max()
    return float(most) if isinstance(most, Decimal) and most else None


def explain_difference(positions: pl.DataFrame, total: Row) -> str:
    """Say why value − cost is not the P&L, with the amounts; nothing where it is."""
    value, cost, pnl = (
        total[name] or Decimal(0)
        for name in ("market_value", "cost_value", "unrealized_pnl")
    )
    both = sum_costed(positions) or Decimal(0)
    uncosted, unpriced = value - both - pnl, cost - both
    said: list[str] = []
    if uncosted:
        said.append(f"{rupees(uncosted)} of value has no known cost")
    if unpriced:
        said.append(f"{rupees(unpriced)} of cost has no price")
    if not said:
        return ""
    return (
        f"Value − cost is {rupees(value - cost, sign=True)}, not the P&L: "
        f"{' and '.join(said)}. P&L and return are of the units with both."
    )


def _write_position(row: Row, *, on: date | None, scale: float, heaviest: float) -> str:
    name, price = _name_of(row), row["price"]
    chip = _write_basis(row, on)
    value = row["known_market_value"]
    no_price = row["price_note"] or "no price"
    pnl, partly = (
        row["known_pnl"],
        row["known_pnl"] is not None and (row["unrealized_pnl"] is None),
    )
    why = _NO_COST if value is not None else no_price
    gain = row["_gain"]
    size = 0.0 if pnl is None else abs(float(pnl)) / scale
    way = "up" if pnl is not None and pnl > 0 else "down"
    bar = (
        '<span class="unkbar"></span>'
        if pnl is None
        else f'<span class="pn"><i class="{way}" style="--p:{size:.4f}"></i></span>'
    )
    share = None
    if value is not None and row["_whole"]:
        share = float(value) / row["_whole"]
    weight = (
        unknown(no_price)
        if share is None or value is None
        else f'<span class="wcell"><span class="num">{percent(share)}</span>'
        f'<span class="wbar" style="--p:{abs(float(value)) / heaviest:.4f}"></span>'
        "</span>"
    )
    part = ""
    if partly:
        units = (
            f"{quantity(row['costed_quantity'])} of {quantity(row['owned_quantity'])}"
        )
        part = f'<span class="nm">on {safe(units)} units</span>'
    figure = unknown(why) if pnl is None else _write_gain(pnl)
    average = row["average_price"]
    isin = f' <span class="isin">{safe(row["isin"])}</span>' if row["isin"] else ""
    long_name = f'<span class="nm">{safe(row["name"])}</span>' if row["name"] else ""
    units, cost = quantity(row["owned_quantity"]), write_amount(average)
    priced = unknown(no_price) if price is None else write_amount(price)
    returned = unknown(why) if gain is None else percent(gain, sign=True)
    return (
        f'<tr><th scope="row" class="inst"><span class="sym">{safe(name)}</span>{isin}'
        f'{long_name}<span class="more">{units} × {rupees(price)} {chip}</span></th>'
        f'<td class="r wide">{units}</td><td class="r wide">'
        f"{unknown(_NO_COST) if average is None else cost}</td>"
        f'<td class="r wide">{priced}</td><td class="wide">{chip}</td>'
        '<td class="r val">'
        f"{unknown(no_price) if value is None else write_amount(value)}</td>"
        f'<td class="wt wth">{weight}</td>'
        f'<td class="r">{figure}{part}<span class="more r">'
        f"{'' if gain is None else percent(gain, sign=True)}</span></td>"
        f'<td class="pl plc wide">{bar}</td>'
        f'<td class="r wide">{returned}</td></tr>'
    )


def _write_gain(value: Decimal) -> str:
    return delta(value, write_amount(value, sign=True))


def _write_basis(row: Row, on: date | None) -> str:
    if row["price_basis"] is None:
        return '<span class="chip">no price</span>'
    day = row["price_date"]
    old = day is not None and on is not None and day < on
    text = row["price_basis"] + (f" · {day.day} {day:%b}" if day else "")
    said = "older than the report" if old else "the price's basis and day"
    return (
        f'<span class="chip{" old" if old else ""}" title="{said}">{safe(text)}</span>'
    )


def _write_rest(rest: pl.DataFrame) -> str:
    total = summarize(rest).row(0, named=True)
    pnl = total["unrealized_pnl"]
    figure = unknown(_NO_COST) if pnl is None else _write_gain(pnl)
    return (
        '<tr><th scope="row" class="inst">'
        f'<span class="sym">{rest.height:,} more</span>'
        '<span class="nm">all in positions.parquet</span></th>'
        '<td class="wide" colspan="4"></td>'
        f'<td class="r">{write_amount(total["market_value"])}</td><td class="wth"></td>'
        f'<td class="r">{figure}</td><td class="wide plc pl"></td>'
        f'<td class="r wide">{percent(total["return"], sign=True)}</td></tr>'
    )


_TRADES: Final = {
    "opened": "Opened",
    "bought": "Bought more",
    "sold": "Sold",
    "closed": "Sold out",
}
_EFFECTS: Final = {
    "price_effect": ("Price moves", "price"),
    "swap_effect": ("Swapped lines", "flow"),
    "corporate_action_effect": ("Corporate actions", "price"),
    "transfer_effect": ("Transferred", "flow"),
    "coverage_effect": ("Prices found or lost", "unknown"),
    "unexplained_effect": ("Unexplained", "unknown"),
}


class _Step(NamedTuple):
    label: str
    lines: pl.DataFrame
    amount: Decimal
    kind: str  # price | flow | unknown


def write_changes(changes: pl.DataFrame | None, *, new_accounts: int) -> str:
    """Draw the bridge from the older snapshot's value to today's, from zero.

    `new_accounts` have no older snapshot, and are not in it.
    """
    if changes is None:
        return write_card(
            "What changed is not known",
            '<p class="quiet">There is no older snapshot to compare with. Keep '
            "snapshots in a store and report from it.</p>",
            place="c12 p2",
        )
    total = bridge(changes, by=()).row(0, named=True)
    lines = bridge(changes)
    before, after = (
        total[f"value_{side}"] or Decimal(0) for side in ("before", "after")
    )
    moved = after - before
    steps = _list_steps(lines, changes)
    flows = sum((step.amount for step in steps if step.kind == "flow"), Decimal(0))
    prices = sum((step.amount for step in steps if step.kind == "price"), Decimal(0))
    first, last = (
        changes["snapshot_at_before"].min(),
        changes["snapshot_at_after"].max(),
    )
    way = "Up" if moved > 0 else "Down" if moved < 0 else "Unchanged"
    size = f" {rupees(abs(moved))}" if moved else ""
    sizes = [before, after]
    most = float(max(map(abs, sizes))) or 1.0
    wholes = "".join(
        f'<div><span>{_write_day(at)}</span><span class="wh">'
        f'<i style="width:{max(0.0, float(size)) / most * 100:.2f}%"></i></span>'
        f'<b class="num">{rupees(size)}</b></div>'
        for at, size in ((first, before), (last, after))
    )
    ends = [Decimal(0)]
    for step in steps:
        ends.append(ends[-1] + step.amount)
    low, high = float(min(ends)), float(max(ends))
    span = high - low or 1.0
    bars = "".join(
        _write_step(step, float(start), low, span)
        for step, start in zip(steps, ends, strict=False)
    )
    bars += (
        '<div class="wf sum"><span class="wl">Change</span>'
        f'<span class="r num">{rupees(moved, sign=True)}</span>'
        f"{_write_step_bar('tot', 0.0, float(moved), low, span)}</div>"
    )
    legend = (
        '<span class="lg"><i></i>money in or out <i class="add"></i>gain by price'
        "</span>"
    )
    return write_card(
        f"{way}{size}: {rupees(flows, sign=True)} was put in or taken out, prices gave "
        f"{rupees(prices, sign=True)}",
        f'<div class="wholes">{wholes}</div><div class="wfs"><div class="wf head">'
        f'<span class="wl">Cause {legend}</span><span class="r">Change</span>'
        f"<span></span></div>{bars}</div>",
        sub=f"{format_value(first, 'instant')} to {format_value(last, 'instant')}. "
        "The steps add up to the paisa"
        + (
            f". Without {number_of(new_accounts, 'account')} that was not there before"
            if new_accounts
            else ""
        ),
        place="c12 p2",
    )


def _write_day(at: object) -> str:
    return "before" if at is None else format_value(at, "instant").split(",")[0]


def _add_up(amounts: pl.Series) -> Decimal:
    return sum(amounts.drop_nulls(), Decimal(0))


def _list_steps(lines: pl.DataFrame, changes: pl.DataFrame) -> list[_Step]:
    facts = pl.concat(
        [
            changes.select("cause", symbol=pl.coalesce("symbol", "instrument_id")),
            lines.select("trade_effect", *_EFFECTS),
        ],
        how="horizontal",
    )
    steps: list[_Step] = []
    for effect, (label, kind) in _EFFECTS.items():
        part = facts.filter(pl.col(effect) != 0)
        if part.height:
            steps.append(_Step(label, part, _add_up(part[effect]), kind))
        if effect == "price_effect":
            traded = facts.filter(pl.col("trade_effect") != 0)
            groups = traded.group_by("cause", maintain_order=True)
            steps += [
                _Step(
                    _TRADES.get(cause, str(cause).replace("_", " ").capitalize()),
                    rows,
                    _add_up(rows["trade_effect"]),
                    "flow",
                )
                for (cause,), rows in groups
            ]
    return steps


def _write_step(step: _Step, start: float, low: float, span: float) -> str:
    amount = float(step.amount)
    names = step.lines["symbol"].unique(maintain_order=True)
    said = names[0] if names.len() == 1 else number_of(step.lines.height, "line")
    if len(said) > _LETTERS:
        said = said[: _LETTERS - 1] + "…"
    text = rupees(step.amount, sign=True)
    figure = delta(step.amount, text) if step.kind == "price" else text
    kind = {"flow": "fl", "unknown": "unx hatch"}.get(
        step.kind, "up" if amount >= 0 else "down"
    )
    return (
        f'<div class="wf"><span class="wl">{safe(step.label)} <span class="chip">'
        f'{safe(said)}</span></span><span class="r num">{figure}</span>'
        f"{_write_step_bar(kind, start, amount, low, span)}</div>"
    )


def _write_step_bar(
    kind: str, start: float, amount: float, low: float, span: float
) -> str:
    left = (min(start, start + amount) - low) / span * 100
    width = abs(amount) / span * 100
    zero = -low / span * 100
    return (
        f'<span class="wfb"><u style="left:{zero:.3f}%"></u><i class="{kind}" '
        f'style="left:{left:.3f}%;width:max(2px,{width:.3f}%)"></i></span>'
    )


def write_accounts(totals: pl.DataFrame, snapshots: pl.DataFrame) -> str:
    """List the accounts, each with its coverage."""
    known = snapshots.filter(status="current").unique("account_id")
    rows = totals.join(
        known.select("account_id", "broker", "source"), on="account_id", how="left"
    ).sort("market_value", descending=True, nulls_last=True)
    whole = float(rows["market_value"].drop_nulls().abs().sum() or 0) or 1.0
    first = rows.row(0, named=True)
    body = "".join(_write_account(row, whole) for row in rows.iter_rows(named=True))
    share = percent(float(first["market_value"] or 0) / whole, places=0)
    finding = (
        "One account"
        if rows.height == 1
        else f"{_call_account(first)} holds {share} of value"
        if first["market_value"] is not None
        else number_of(rows.height, "account")
    )
    head = (
        '<th scope="col">Account at</th><th scope="col" class="r">Lines</th>'
        '<th scope="col" class="r">Value, ₹</th><th scope="col">Share</th>'
        '<th scope="col" class="r">P&amp;L, ₹</th>'
    )
    return write_card(
        finding,
        f'<table class="tight"><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        "</table>",
        sub="Each account's latest snapshot",
        place="c7",
    )


def _call_account(row: Row) -> str:
    return str(row["broker"] or row["source"] or row["account_id"])


def _write_account(row: Row, whole: float) -> str:
    value, pnl, share = (
        row[name] for name in ("market_value", "unrealized_pnl", "costed_value_share")
    )
    part = None if value is None else float(value) / whole
    why = "no holdings in the reply" if not row["positions_count"] else "no price"
    bar = (
        f'<span class="faint s">{why}</span>'
        if part is None
        else f'<span class="wcell"><span class="num">{percent(part)}</span>'
        f'<span class="wbar" style="--p:{abs(part):.4f}"></span></span>'
    )
    partly = (
        f'<span class="nm">on {percent(share)}</span>'
        if share is not None and share < _ALL and pnl is not None
        else ""
    )
    figure = unknown(_NO_COST) if pnl is None else _write_gain(pnl)
    return (
        f'<tr><th scope="row">{safe(_call_account(row))}'
        f'<span class="nm acct">{safe(row["account_id"])}</span></th>'
        f'<td class="r">{row["positions_count"]:,}</td>'
        f'<td class="r">{unknown(why) if value is None else write_amount(value)}</td>'
        f'<td class="wt">{bar}</td><td class="r nw">{partly}{figure}</td></tr>'
    )


def write_population(totals: pl.DataFrame, snapshots: pl.DataFrame) -> str:
    """Draw how accounts' returns are spread, and list those that cannot be judged."""
    known = totals.filter(pl.col("return").is_not_null())
    median = known["return"].median()
    below = [int((known["return"] < edge).sum()) for edge in _EDGES]
    counts = [high - low for low, high in pairwise([0, *below, known.height])]
    most = max(counts) or 1
    labels = [
        f"under {percent(_EDGES[0], places=0)}",
        *(
            f"{percent(low, places=0)} to {percent(high, places=0)}"
            for low, high in pairwise(_EDGES)
        ),
        f"{percent(_EDGES[-1], places=0)} and more",
    ]
    bars = "".join(
        f'<tr><th scope="row">{label}</th><td class="r">{count:,}</td>'
        f'<td class="wt"><span class="wbar" style="--p:{count / most:.4f}"></span></td>'
        "</tr>"
        for label, count in zip(labels, counts, strict=True)
    )
    finding = (
        "No account has a return"
        if median is None
        else f"Half of the accounts returned {percent(median, sign=True)} or more"
    )
    spread = write_card(
        finding,
        '<table class="tight"><thead><tr><th scope="col">Return on known cost</th>'
        '<th scope="col" class="r">Accounts</th><th scope="col">Count, from zero</th>'
        f"</tr></thead><tbody>{bars}</tbody></table>",
        sub=f"{known.height:,} of {number_of(totals.height, 'account')} have a return; "
        "each account counts once",
        place="c7",
    )
    return spread + _write_unjudged(totals, snapshots)


def _write_unjudged(totals: pl.DataFrame, snapshots: pl.DataFrame) -> str:
    held = snapshots.filter(status="quarantined")["account_id"].unique()
    whys = totals.with_columns(
        why=pl.when(pl.col("account_id").is_in(held.implode()))
        .then(pl.lit("its newest snapshot is quarantined"))
        .when(pl.col("positions_count") == 0)
        .then(pl.lit("no holdings in the reply"))
        .when(pl.col("market_value").is_null())
        .then(pl.lit("no holding has a price"))
        .when(pl.col("return").is_null())
        .then(pl.lit("no holding has a known cost"))
        .when(pl.col("unreconciled_count") > 0)
        .then(pl.lit("quantities do not add up"))
    ).filter(pl.col("why").is_not_null())
    reasons = whys.group_by("why").len().sort("len", descending=True)
    items = "".join(
        f'<div><dt>{safe(why)}</dt><dd>{count:,}</dd><dd class="s quiet">'
        f"{_list_accounts(whys.filter(why=why))}</dd></div>"
        for why, count in reasons.iter_rows()
    )
    return write_card(
        f"{number_of(whys.height, 'account')} cannot be judged",
        f'<dl class="kv">{items}</dl>' if items else "<p>Every account can.</p>",
        place="c5",
    )


def _list_accounts(rows: pl.DataFrame) -> str:
    names = rows["account_id"].sort()
    shown = safe(", ".join(names.head(_ACCOUNTS)))
    left = names.len() - _ACCOUNTS
    return shown + (f" and {left:,} more" if left > 0 else "")


def write_collateral(rows: pl.DataFrame) -> str:
    """Say what counts as collateral today and what could be pledged: both floors."""
    items = ""
    sums: dict[str, Decimal | None] = {}
    for kind, label in (
        ("pledged", "Pledged today, after haircut"),
        ("pledgeable", "Could be pledged, after haircut"),
    ):
        part = rows.filter(quantity=kind)
        known, every = part["collateral_value"].count(), part.height
        sums[kind] = _add_up(part["collateral_value"]) if known else None
        share = known / every if every else 0.0
        words = f"known for {known:,} of {number_of(every, 'line')}"
        items += (
            f"<div><dt>{label}</dt><dd>{rupees(sums[kind])}</dd>"
            f"<dd>{cover(share, words)}</dd></div>"
        )
    room = sums["pledgeable"]
    finding = (
        "What could be pledged is not known"
        if not room
        else f"At least {rupees(room)} could be pledged"
    )
    given = rows.filter(quantity="pledgeable", haircut_basis="given").height
    says = rows.filter(quantity="pledgeable")["haircut"].count()
    source = (
        f"Haircuts: {says - given:,} published in replies, {given:,} from the files "
        "given; none is estimated. "
    )
    return write_card(
        finding,
        f'<dl class="kv">{items}</dl><p class="note">Previous close × (1 − haircut); '
        f"settled shares in whole units. {source}A floor: lines without a haircut, "
        "close or quantity count as nothing here. Under the 50:50 rule at least half "
        "of a margin must be cash.</p>",
        place="c12",
    )


def write_concentration(through: pl.DataFrame) -> str:
    """Compare concentration as listed with looked through, at the same prices.

    `through` is HOLDINGS looked through, valued by account: a smallcase's shares are
    one line of their account before, and lines of their own after.
    """
    after_rows = through.select("instrument_id", "market_value")
    inside = pl.col("_inside").fill_null(Decimal(0))
    before_rows = pl.concat(
        [
            through.select(
                "instrument_id", market_value=pl.col("market_value") - inside
            ),
            through.filter(inside != 0).select(
                instrument_id=pl.format("smallcases of {}", "account_id"),
                market_value="_inside",
            ),
        ],
        how="vertical_relaxed",
    ).filter(pl.col("market_value").is_null() | (pl.col("market_value") != 0))
    before, after = (
        concentration(rows).row(0, named=True) for rows in (before_rows, after_rows)
    )
    if after["largest_share"] is None:
        return ""
    rows = "".join(
        _write_shift(label, before[name], after[name])
        for label, name in (
            ("Largest holding", "top_1_share"),
            ("Five largest", "top_5_share"),
            ("Ten largest", "top_10_share"),
        )
    )
    hidden = through["_inside"].drop_nulls().sum()
    names = dict(through.select("instrument_id", "symbol").rows())
    largest = names.get(after["largest_id"]) or after["largest_id"]
    finding = f"{largest} is {percent(after['largest_share'])} of value"
    if hidden:
        finding = (
            f"Looked through, {largest} is {percent(after['largest_share'])}; "
            f"the largest line as listed is {percent(before['largest_share'])}"
        )
    note = (
        f"Smallcases hold {rupees(hidden)} of value; as listed, those of one account "
        "are one line."
        if hidden
        else "No shares in smallcases are reported, so both sides are the same."
    )
    counts = [f"{row['effective_number']:.1f}" for row in (before, after)]
    return write_card(
        finding,
        '<div class="dumbs"><div class="dumb head"><span></span><span>as listed</span>'
        '<span class="axis"><span>0</span><span>share of value</span><span>100 %</span>'
        f"</span><span>looked through</span></div>{rows}"
        f'<div class="dumb eff"><span>Effective number</span><span class="num">'
        f'{counts[0]}</span><span class="s quiet">1 ÷ Σ weight²</span>'
        f'<b class="num">{counts[1]}</b></div></div><p class="note">{note} '
        "Same prices, same total on both sides.</p>",
        place="c12",
    )


def _write_shift(label: str, before: float, after: float) -> str:
    left, width = min(before, after) * 100, abs(after - before) * 100
    return (
        f'<div class="dumb"><span>{label}</span><span class="num">{percent(before)}'
        f'</span><span class="track"><i class="seg" style="left:{left:.2f}%;'
        f'width:{width:.2f}%"></i><i class="was" style="left:{before * 100:.2f}%"></i>'
        f'<i class="is" style="left:{after * 100:.2f}%"></i></span>'
        f'<b class="num">{percent(after)}</b></div>'
    )


def write_performance(series: pl.DataFrame | None) -> str:
    """Say how the accounts did: returns apart from the money put in and taken out."""
    if series is None or series.is_empty():
        return ""
    first = pl.int_range(pl.len()).over("account_id") == 0
    spans = (
        series.with_columns(_later=~first)
        .group_by("account_id", maintain_order=True)
        .agg(
            pl.col("date").first().alias("since"),
            pl.col("date").last().alias("until"),
            pl.col("date").n_unique().alias("days"),
            pl.col("flow").filter("_later").sum().alias("flows"),
            pl.col("flow").filter("_later").null_count().alias("_no_flow"),
            pl.col("pnl").filter("_later").sum().alias("gain"),
            pl.col("pnl").filter("_later").null_count().alias("_no_gain"),
            pl.col("twr", "xirr", "covered_share").last(),
            pl.col("note").drop_nulls().last(),
        )
        .filter(pl.col("days") > 1)
    )
    if spans.is_empty():
        return ""
    shown = spans.head(_ACCOUNTS)
    body = "".join(_write_span(row) for row in shown.iter_rows(named=True))
    judged = spans.filter(pl.col("twr").is_not_null())
    up = judged.filter(pl.col("twr") > 0).height
    more = spans.height - shown.height
    head = (
        '<th scope="col">Account</th><th scope="col">Since</th>'
        '<th scope="col" class="r">Put in or out, ₹</th><th scope="col" class="r">'
        'Gain, ₹</th><th scope="col" class="r">Time-weighted</th>'
        '<th scope="col" class="r">A year (XIRR)</th>'
    )
    return write_card(
        f"{up:,} of {number_of(judged.height, 'account')} gained"
        if judged.height
        else "No return over time can be known",
        f'<table class="tight perf"><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        "</table>"
        + (
            f'<p class="note">and {number_of(more, "account")} more</p>' if more else ""
        ),
        sub="Since each account's first snapshot; flows are inferred from snapshots "
        "and are no gains",
    )


def _write_span(row: Row) -> str:
    why = row["note"] or "not known on every day"
    flows = None if row["_no_flow"] else row["flows"]
    gain = None if row["_no_gain"] else row["gain"]
    short = (row["until"] - row["since"]) < timedelta(_MONTH)
    year = "under 30 days: a yearly rate would mislead" if short else why
    twr, xirr = row["twr"], None if short else row["xirr"]
    cells = (
        unknown(why) if flows is None else write_amount(flows, sign=True),
        unknown(why) if gain is None else _write_gain(gain),
        unknown(why) if twr is None else percent(twr, places=2, sign=True),
        unknown(year) if xirr is None else percent(xirr, sign=True),
    )
    figures = "".join(f'<td class="r">{cell}</td>' for cell in cells)
    return (
        '<tr><th scope="row">'
        f'<span class="nm acct">{safe(row["account_id"])}</span></th>'
        f"<td>{format_value(row['since'], 'date')}</td>{figures}</tr>"
    )


def write_points(points: Sequence[Point]) -> str:
    """List what could not be read or known, with amounts and what to do."""
    if not points:
        return ""
    items = "".join(
        f'<li><span class="chip{" old" if point.serious else ""}">{safe(point.of)}'
        f"</span><div><b>{safe(point.title)}</b>"
        f'<span class="quiet">{safe(point.detail)}</span></div>'
        f'<span class="todo">{safe(point.todo)}</span></li>'
        for point in points
    )
    touching = sum(point.serious for point in points)
    return (
        '<section class="card c12" id="open"><h2>What we could not read or know</h2>'
        f'<p class="sub">{number_of(len(points), "point")}; {touching} of them touch '
        "the figures at the top</p>"
        f'<div class="body"><ol class="open">{items}</ol></div></section>'
    )


def value_inside_smallcases(positions: pl.DataFrame) -> pl.DataFrame:
    """Value, per account and instrument, what is held inside smallcases."""
    return positions.with_columns(
        _inside=(pl.col("smallcase_quantity") * pl.col("price")).cast(
            positions.schema["market_value"]
        )
    )


def totals_by_account(
    through: pl.DataFrame,
    loaded: Loaded,
    *,
    prices: FrameLike | pl.LazyFrame | None,
    prefer: Sequence[str],
    actions: pl.DataFrame | None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give positions by account, and the totals of every account there is."""
    keys = ("account_id", "instrument_id")
    rows = consolidate(through, by=keys, prices=prices, prefer=prefer, actions=actions)
    there = loaded.snapshots.filter(status="current").select("account_id")
    return rows, summarize(rows, by="account_id", accounts=there)
