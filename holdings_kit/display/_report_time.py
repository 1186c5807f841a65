"""What changed since the older snapshot and why, and how the accounts did over time."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.changes import bridge
from holdings_kit.display._numbers import (
    format_value,
    number_of,
    percent,
    quantity,
    rupees,
)
from holdings_kit.display._page import safe, unknown
from holdings_kit.display._report import list_names
from holdings_kit.display._report_facts import name_of, shorten, sum_known
from holdings_kit.display._report_marks import (
    delta,
    span,
    write_amount,
    write_card,
    write_gain,
    write_partly,
)

if TYPE_CHECKING:
    from holdings_kit.display._report_facts import Row

_MONTH: Final = 30  # days; a yearly rate of less misleads
_ROWS: Final = 20
_SIDES: Final = 8
_ZERO: Final = Decimal(0)
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


class Past(NamedTuple):
    """What a source says of the days before; without them, why it says nothing."""

    changes: pl.DataFrame | None = None  # CHANGES since the last earlier day
    series: pl.DataFrame | None = None  # PERFORMANCE
    new_accounts: int = 0  # without an older snapshot: not in `changes`
    old_accounts: int = 0  # without a newer one: not in `changes`
    why: str = ""


class Moves(NamedTuple):
    """What moved the value since the older snapshot."""

    since: str
    price: Decimal
    flow: Decimal
    unknown: Decimal  # found, lost, or not explained


class _Step(NamedTuple):
    label: str
    lines: pl.DataFrame
    amount: Decimal
    kind: str  # price | flow | unknown


def write_changes(past: Past) -> str:
    """Draw the bridge from the older snapshot's value to today's, from zero."""
    changes = past.changes
    if changes is None:
        return write_card(
            "What changed is not known",
            f'<p class="quiet">{safe(past.why)} So no return over time is known '
            "either.</p>",
            place="c12 p2",
        )
    total = bridge(changes, by=()).row(0, named=True)
    lines = bridge(changes)
    first: object = changes["snapshot_at_before"].min()
    last: object = changes["snapshot_at_after"].max()
    said = ["" if at is None else format_value(at, "instant") for at in (first, last)]
    sub = [" to ".join(part or "an unknown instant" for part in said)]
    without = (
        (past.new_accounts, "was", "were", "not there before"),
        (past.old_accounts, "has", "have", "no newer snapshot"),
    )
    for count, one, many, words in without:
        if count:
            verb = one if count == 1 else many
            sub.append(f"Without {number_of(count, 'account')} that {verb} {words}")
    before, after = total["value_before"], total["value_after"]
    steps = _list_steps(lines, changes)
    waterfall = ""
    if before is not None and after is not None:
        waterfall = _draw_steps(steps, after - before)
        sub.insert(1, "The steps add up to the paisa")
    ends = (
        ("before", said[0], before, total["unknown_before_count"]),
        ("after", said[1], after, total["unknown_after_count"]),
    )
    most = max((abs(float(size)) for size in (before, after) if size), default=1.0)
    wholes = "".join(_write_side_value(*end, most=most) for end in ends)
    note = f'<p class="note">{safe(total["note"])}</p>' if total["note"] else ""
    return write_card(
        _say_what_moved(before, after, steps),
        f'<div class="wholes">{wholes}</div>{waterfall}'
        f"{_write_unknown_sides(changes, lines)}{note}",
        sub=". ".join(sub),
        place="c12 p2",
    )


def _say_what_moved(
    before: Decimal | None, after: Decimal | None, steps: list[_Step]
) -> str:
    """Say what the value did and by what, where both values are known."""
    if before is None or after is None:
        side = "older" if before is None else "newer"
        return (
            f"How the value moved is not known: no line of the {side} snapshot has a "
            "known value"
        )
    moved = after - before
    sums = _sum_kinds(steps)
    way = "Up" if moved > 0 else "Down" if moved < 0 else "Unchanged"
    size = f" {rupees(abs(moved))}" if moved else ""
    lost = (
        f", {rupees(sums['unknown'], sign=True)} nobody can explain"
        if sums["unknown"]
        else ""
    )
    return (
        f"{way}{size}: {rupees(sums['flow'], sign=True)} was put in or taken out, "
        f"prices gave {rupees(sums['price'], sign=True)}{lost}"
    )


def _sum_kinds(steps: list[_Step]) -> dict[str, Decimal]:
    return {
        kind: sum((step.amount for step in steps if step.kind == kind), _ZERO)
        for kind in ("price", "flow", "unknown")
    }


def find_moves(past: Past) -> Moves | None:
    """Sum what moved the value; None where a side of it is not known at all."""
    if past.changes is None:
        return None
    total = bridge(past.changes, by=()).row(0, named=True)
    first: object = past.changes["snapshot_at_before"].min()
    if total["value_before"] is None or total["value_after"] is None or first is None:
        return None
    sums = _sum_kinds(_list_steps(bridge(past.changes), past.changes))
    since = format_value(first, "instant").split(",", maxsplit=1)[0]
    return Moves(since, **sums)


def _write_side_value(
    side: str, at: str, size: Decimal | None, without: int, *, most: float
) -> str:
    day = at.split(",", maxsplit=1)[0] or side
    part = max(0.0, float(size or 0)) / most * 100
    figure = unknown("no line has a known value") if size is None else rupees(size)
    less = f"without {number_of(without, 'line')} of unknown value"
    if not without or size is None:
        less = ""
    return (
        f'<div><span>{day}</span><span class="wh"><i style="width:{part:.2f}%"></i>'
        f'</span><b class="num">{figure}</b>{span("s quiet", less)}</div>'
    )


def _draw_steps(steps: list[_Step], moved: Decimal) -> str:
    """Draw the waterfall of the steps, each where the one before it ended."""
    ends = list(accumulate((step.amount for step in steps), initial=_ZERO))
    low, high = float(min(ends)), float(max(ends))
    span = high - low or 1.0
    bars = "".join(
        _write_step(step, float(start), low, span)
        for step, start in zip(steps, ends, strict=False)
    )
    legend = (
        '<span class="lg"><i></i>money in or out <i class="add"></i>gain by price'
        "</span>"
    )
    return (
        '<div class="wfs"><div class="wf head">'
        f'<span class="wl">Cause {legend}</span><span class="r">Change</span>'
        f'<span></span></div>{bars}<div class="wf sum"><span class="wl">Change</span>'
        f'<span class="r num">{rupees(moved, sign=True)}</span>'
        f"{_write_step_bar('tot', 0.0, float(moved), low, span)}</div></div>"
    )


def _write_unknown_sides(changes: pl.DataFrame, lines: pl.DataFrame) -> str:
    """List the lines whose value is not known on a side: what they did is not known.

    The waterfall takes them as prices found or lost, so that it adds up.
    """
    reasons = [
        pl.when(lines[f"value_{side}"].is_not_null())
        .then(pl.lit(""))
        .when(pl.col("cause") == "suspect_fetch")
        .then(pl.lit("the reply lacks it, which is suspect"))
        .when(pl.col(f"owned_quantity_{side}").is_null())
        .then(pl.lit("units unknown"))
        .otherwise(pl.lit("no price"))
        .alias(f"why_{side}")
        for side in ("before", "after")
    ]
    rows = changes.select(
        "account_id", "instrument_id", "symbol", "cause", *reasons
    ).with_columns(lines["value_before"], lines["value_after"])
    no_before, no_after = (pl.col(f"why_{side}") != "" for side in ("before", "after"))
    one = rows.filter(no_before != no_after).sort(
        pl.max_horizontal(pl.col("value_before", "value_after").abs()),
        descending=True,
        maintain_order=True,
    )
    body = "".join(
        f'<tr><th scope="row">{safe(shorten(name_of(row)))}'
        f'<span class="nm acct">{safe(row["account_id"])}</span></th>'
        + "".join(_write_side(row, side) for side in ("before", "after"))
        + f'<td class="r">{unknown(_say_unknown_change(row))}</td></tr>'
        for row in one.head(_SIDES).iter_rows(named=True)
    )
    table = (
        '<table class="tight sides"><caption>Not known on one side: '
        f"{number_of(one.height, 'line')}</caption>"
        '<thead><tr><th scope="col">Line</th><th scope="col" class="r">Before, ₹</th>'
        '<th scope="col" class="r">After, ₹</th><th scope="col" class="r">Change</th>'
        f"</tr></thead><tbody>{body}</tbody></table>"
    )
    more = one.height - _SIDES
    notes = [f"And {number_of(more, 'line')} more."] if more > 0 else []
    neither = rows.filter(no_before & no_after)
    if neither.height:
        notes.append(
            f"{number_of(neither.height, 'line')} without a known value on either "
            f"side, so what they did is not known: {list_names(neither)}."
        )
    said = f'<p class="note">{safe(" ".join(notes))}</p>' if notes else ""
    return (table if one.height else "") + said


def _write_side(row: Row, side: str) -> str:
    why, value = row[f"why_{side}"], row[f"value_{side}"]
    if not why:
        return f'<td class="r">{write_amount(value)}</td>'
    return f'<td class="r">{unknown(why)} {span("s quiet", why)}</td>'


def _say_unknown_change(row: Row) -> str:
    sides = [side for side in ("before", "after") if row[f"why_{side}"]]
    return f"the value {' and '.join(sides)} is not known"


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
            steps.append(_Step(label, part, sum_known(part[effect]) or _ZERO, kind))
        if effect == "price_effect":
            traded = facts.filter(pl.col("trade_effect") != 0)
            groups = traded.group_by("cause", maintain_order=True)
            steps += [
                _Step(
                    _TRADES.get(cause, str(cause).replace("_", " ").capitalize()),
                    rows,
                    sum_known(rows["trade_effect"]) or _ZERO,
                    "flow",
                )
                for (cause,), rows in groups
            ]
    return steps


def _write_step(step: _Step, start: float, low: float, span: float) -> str:
    amount = float(step.amount)
    names = step.lines["symbol"].unique(maintain_order=True)
    said = names[0] if names.len() == 1 else number_of(step.lines.height, "line")
    text = rupees(step.amount, sign=True)
    figure = delta(step.amount, text) if step.kind == "price" else text
    kind = {"flow": "fl", "unknown": "unx hatch"}.get(
        step.kind, "up" if amount >= 0 else "down"
    )
    return (
        f'<div class="wf"><span class="wl">{safe(step.label)} <span class="chip">'
        f'{safe(shorten(said))}</span></span><span class="r num">{figure}</span>'
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


def write_performance(past: Past) -> str:
    """Say how the accounts did: returns apart from the money put in and taken out."""
    series = past.series
    if past.changes is None:
        return ""  # said there, with what changed
    if series is None:
        return write_card(
            "How the accounts did is not known", f"<p>{safe(past.why)}</p>"
        )
    first = pl.int_range(pl.len()).over("account_id") == 0
    every = (
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
            pl.col("covered_share").min(),
            pl.col("twr", "xirr").last(),
            pl.col("note").drop_nulls().last(),
        )
    )
    spans = every.filter(pl.col("days") > 1)
    shown = spans.head(_ROWS)
    body = "".join(_write_span(row) for row in shown.iter_rows(named=True))
    judged = spans.filter(pl.col("twr").is_not_null())
    up = judged.filter(pl.col("twr") > 0).height
    rest = (
        (spans.height - shown.height, "more"),
        (every.height - spans.height, "with one day only: no return yet"),
    )
    left = "; ".join(
        f"{number_of(count, 'account')} {words}" for count, words in rest if count
    )
    head = (
        '<th scope="col">Account</th><th scope="col">Since</th>'
        '<th scope="col" class="r">Put in or out, ₹</th><th scope="col" class="r">'
        'Gain, ₹</th><th scope="col" class="r">Time-weighted</th>'
        '<th scope="col" class="r">A year (XIRR)</th>'
    )
    table = (
        f'<table class="tight perf"><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        "</table>"
    )
    unjudged = spans.height - judged.height
    doubt = f"; of {number_of(unjudged, 'account')} it is not known" if unjudged else ""
    return write_card(
        f"{quantity(up)} of {number_of(judged.height, 'account')} gained{doubt}"
        if judged.height
        else "No return over time can be known",
        (table if spans.height else "")
        + (f'<p class="note">And {left}.</p>' if left else ""),
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
        unknown(why) if gain is None else write_gain(gain),
        unknown(why) if twr is None else percent(twr, places=2, sign=True),
        unknown(year) if xirr is None else percent(xirr, sign=True),
    )
    covered = write_partly(row["covered_share"], " of lines")
    figures = "".join(f'<td class="r">{cell}</td>' for cell in cells)
    return (
        '<tr><th scope="row">'
        f'<span class="nm acct">{safe(row["account_id"])}</span>{covered}</th>'
        f"<td>{format_value(row['since'], 'date')}</td>{figures}</tr>"
    )
