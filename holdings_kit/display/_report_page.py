"""The page's figures at the top, its table of positions, and what it does not know."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.display._numbers import number_of, percent, quantity, rupees
from holdings_kit.display._page import safe, unknown
from holdings_kit.display._report_facts import (
    NO_COST,
    describe_priced,
    describe_smallcases,
    explain_difference,
    name_of,
    say_no_value,
    sum_costed,
    with_known_return,
)
from holdings_kit.display._report_marks import (
    cover,
    delta,
    span,
    write_amount,
    write_card,
    write_change,
    write_gain,
    write_share,
)
from holdings_kit.portfolio import summarize

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from holdings_kit.display._report_facts import Row
    from holdings_kit.display._report_points import Point
    from holdings_kit.display._report_time import Moves

_ROWS: Final = 40
_NO_BOTH: Final = "no position has both a price and a cost"
_NO_DAY: Final = "no earlier close in the replies"


def write_headline(
    total: Row,
    positions: pl.DataFrame,
    points: Sequence[Point],
    moves: Moves | None,
    *,
    listed: bool = True,
) -> str:
    """Open with value, P&L, return and what the day, or the days, changed.

    `listed` says that all points stand further down the page.
    """
    count = total["positions_count"]
    whole = (
        cover(
            (count - total["unpriced_count"]) / count,
            describe_priced(positions, total),
        )
        if count
        else span("s quiet", "no positions")
    )
    items = "".join(
        f'<li><i class="hatch"></i><div>{safe(point.title)}'
        f"<span>{safe(point.detail)}</span></div></li>"
        for point in points[:3]
    )
    link = (
        f'<a href="#open">All {number_of(len(points), "point")}</a>'
        if points and listed
        else ""
    )
    mets = "".join(_list_metrics(total, positions, moves))
    title = f"What this {'report' if listed else 'page'} does not know"
    gaps = f"<ul>{items}</ul>" if items else '<p class="quiet">Nothing is open.</p>'
    return (
        '<section class="card c12 hero" aria-label="Headline"><div>'
        f'<div class="lab">Value</div><div class="big" id="value">'
        f"{_write_headline_value(total)}</div>{whole}"
        f'<div class="mets">{mets}</div></div>'
        f'<div class="gaps"><h2>{title} {link}</h2>{gaps}</div>'
        "</section>"
    )


def _write_headline_value(total: Row) -> str:
    if total["market_value"] is None:
        return unknown(say_no_value(total))
    head, _, paise = rupees(total["market_value"]).partition(".")
    return f'{head}<span class="p">.{paise}</span>'


def _list_metrics(
    total: Row, positions: pl.DataFrame, moves: Moves | None
) -> list[str]:
    """Write P&L, return and day change, each on what part of the value it is."""
    held = bool(total["positions_count"])
    lacks = _NO_BOTH if held else say_no_value(total)
    pnl, gain, day = (total[name] for name in ("unrealized_pnl", "return", "day_pnl"))
    costed = sum_costed(positions)
    return [
        _write_metric(
            "Unrealised P&L",
            None if pnl is None else write_change(pnl),
            lacks,
            _write_share_known(total["costed_value_share"]),
        ),
        _write_metric(
            "Return on known cost",
            None if gain is None else delta(gain, percent(gain, sign=True)),
            lacks if pnl is None else "the known cost is 0: no return on it",
            span("s quiet", f"cost {rupees(costed)}"),
        ),
        _write_moves(moves)
        if day is None and moves is not None
        else _write_metric(
            "Day change",
            None if day is None else write_change(day),
            _NO_DAY if held else lacks,
            _write_share_known(_share_with_day(positions)),
        ),
    ]


def _write_moves(moves: Moves) -> str:
    """Write what prices gave since the older snapshot, where the day's is not known."""
    rest = f"and {rupees(moves.flow, sign=True)} put in or out"
    if moves.unknown:
        rest += f", {rupees(moves.unknown, sign=True)} unexplained"
    return _write_metric(
        f"By price since {moves.since}",
        write_change(moves.price),
        "",
        span("s quiet", rest),
    )


def _write_share_known(share: float | None) -> str:
    """Say on what part of the value a figure is; of a value of 0 there is no part."""
    if share is None:
        return span("s quiet", "on a value of 0")
    return cover(share, f"on {percent(share)} of value")


def _write_metric(label: str, figure: str | None, why: str, below: str) -> str:
    shown, under = figure, below
    if figure is None:
        shown, under = unknown(why), span("s quiet", why)
    return (
        f'<div><div class="lab">{safe(label)}</div><div class="met">{shown}</div>'
        f"{under}</div>"
    )


def _share_with_day(positions: pl.DataFrame) -> float | None:
    value = positions["known_market_value"].abs()
    whole = float(value.sum())
    says = positions["day_pnl"].is_not_null()
    return float(value.filter(says).sum()) / whole if whole else None


def write_positions(
    positions: pl.DataFrame,
    by_account: pl.DataFrame,
    total: Row,
    *,
    on: date | None,
) -> str:
    """Set the table of positions, its total row, and why value − cost is not P&L."""
    rows = with_known_return(positions).with_columns(
        _whole=pl.col("known_market_value").abs().cast(pl.Float64()).sum()
    )
    shown, rest = rows.head(_ROWS), rows[_ROWS:]
    scale = _largest(rows, "known_pnl") or 1.0
    heaviest = _largest(rows, "known_market_value") or 1.0
    body = "".join(
        _write_position_row(row, on=on, scale=scale, heaviest=heaviest)
        for row in shown.iter_rows(named=True)
    )
    if rest.height:
        body += _write_rest(rest)
    share = total["costed_value_share"]
    part = "" if share is None else cover(share, f"{percent(share)} has a cost")
    value, pnl, gain = _write_totals(total, whole=True)
    foot = (
        f'<tr><th scope="row">{number_of(total["positions_count"], "position")}</th>'
        f'<td class="r wide" colspan="4">{part}</td><td class="r"><b>{value}</b></td>'
        f'<td class="wth"></td><td class="r"><b>{pnl}</b></td>'
        f'<td class="wide plc"></td><td class="r wide"><b>{gain}</b></td></tr>'
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
    inside = describe_smallcases(by_account)
    notes = [explain_difference(positions, total)]
    notes += [f"{inside[:1].upper()}{inside[1:]}."] if inside else []
    return write_card(
        "Positions",
        f'<table class="pos"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody><tfoot>{foot}</tfoot></table>"
        + "".join(f'<p class="note">{safe(note)}</p>' for note in notes if note),
        sub="Netted over accounts by instrument, smallcases looked through",
    )


def _write_totals(total: Row, *, whole: bool = False) -> tuple[str, str, str]:
    """Write value, P&L and return of several positions; a dash says why."""
    value, pnl, gain = (
        total[name] for name in ("market_value", "unrealized_pnl", "return")
    )
    why = say_no_value(total) if value is None else _NO_BOTH
    full = rupees if whole else write_amount
    return (
        unknown(why) if value is None else full(value),
        unknown(why) if pnl is None else delta(pnl, full(pnl, sign=True)),
        unknown(why if pnl is None else "cost is 0")
        if gain is None
        else percent(gain, sign=True),
    )


def _largest(rows: pl.DataFrame, column: str) -> float | None:
    most = rows[column].abs().max()
    return float(most) if isinstance(most, Decimal) and most else None


def _write_position_row(
    row: Row, *, on: date | None, scale: float, heaviest: float
) -> str:
    price, value, pnl = (
        row[name] for name in ("price", "known_market_value", "known_pnl")
    )
    chip, gain, average = _write_basis(row, on), row["_gain"], row["average_price"]
    owned = row["owned_quantity"]
    unvalued = "units unknown" if owned is None else row["price_note"] or "no price"
    why = NO_COST if value is not None else unvalued
    size = 0.0 if pnl is None else abs(float(pnl)) / scale
    way = "up" if pnl is not None and pnl > 0 else "down"
    bar = (
        '<span class="unkbar"></span>'
        if pnl is None
        else f'<span class="pn"><i class="{way}" style="--p:{size:.4f}"></i></span>'
    )
    weight = unknown(unvalued if value is None else "the whole value is 0")
    if value is not None and row["_whole"]:
        long = abs(float(value)) / heaviest
        weight = write_share(float(value) / row["_whole"], long)
    isin = f' <span class="isin">{safe(row["isin"])}</span>' if row["isin"] else ""
    long_name = span("nm", row["name"] or "")
    units = unknown("units unknown") if owned is None else quantity(owned)
    no_price = unknown(row["price_note"] or "no price")
    priced = no_price if price is None else write_amount(price)
    at = "no price" if price is None else rupees(price)
    figure = unknown(why) if pnl is None else write_gain(pnl)
    returned = "" if gain is None else percent(gain, sign=True)
    no_return = unknown(why if pnl is None else "cost is 0")
    in_part = _say_part(row, pnl, "unrealized_pnl", "costed_quantity")
    valued = _say_part(row, value, "market_value", "priced_quantity")
    return (
        f'<tr><th scope="row" class="inst"><span class="sym">{safe(name_of(row))}'
        f'</span>{isin}{long_name}<span class="more">{units} × {at} {chip}</span></th>'
        f'<td class="r wide">{units}</td><td class="r wide">'
        f"{unknown(_say_no_average(row)) if average is None else write_amount(average)}"
        f'</td><td class="r wide">{priced}</td><td class="wide">{chip}</td>'
        '<td class="r val">'
        f"{unknown(unvalued) if value is None else write_amount(value)}{valued}</td>"
        f'<td class="wt wth">{weight}</td>'
        f'<td class="r">{figure}{in_part}<span class="more r">'
        f'{returned}</span></td><td class="pl plc wide">{bar}</td>'
        f'<td class="r wide">{returned or no_return}</td></tr>'
    )


def _say_part(row: Row, known: object, whole: str, units: str) -> str:
    """Say of how many units a figure is that is known, but not of all of them."""
    if known is None or row[whole] is not None:
        return ""
    owned = row["owned_quantity"]
    of = "an unknown number of" if owned is None else quantity(owned)
    part = row[units]
    on = "some" if part is None else quantity(part)
    return span("nm", f"on {on} of {of} units")


def _say_no_average(row: Row) -> str:
    if row["owned_quantity"] is not None and not row["owned_quantity"]:
        return "no units are held"
    return NO_COST if row["known_cost_value"] is None else "cost of some units unknown"


def _write_basis(row: Row, on: date | None) -> str:
    if row["price_basis"] is None:
        return '<span class="chip">no price</span>'
    day = row["price_date"]
    text = row["price_basis"] + (f" · {day.day} {day:%b}" if day else "")
    if day is not None and on is not None and day < on:
        return (
            f'<span class="chip old hk-unk" tabindex="0">{safe(text)} '
            '<span class="hk-why">older than the report</span></span>'
        )
    return f'<span class="chip">{safe(text)}</span>'


def _write_rest(rest: pl.DataFrame) -> str:
    value, pnl, gain = _write_totals(summarize(rest).row(0, named=True))
    return (
        '<tr><th scope="row" class="inst">'
        f'<span class="sym">{quantity(rest.height)} more</span>'
        '<span class="nm">all in positions.parquet</span></th>'
        '<td class="wide" colspan="4"></td>'
        f'<td class="r">{value}</td><td class="wth"></td>'
        f'<td class="r">{pnl}</td><td class="wide plc pl"></td>'
        f'<td class="r wide">{gain}</td></tr>'
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
