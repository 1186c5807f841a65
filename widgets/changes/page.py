"""The comparison as HTML: finding, tiles, steps, causes, rows, evidence."""

from __future__ import annotations

import json
from decimal import Decimal
from html import escape
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

import holdings_kit as hk
from holdings_kit.changes import EFFECTS
from holdings_kit.display import number_of
from holdings_kit.display._numbers import (
    INDIA,
    compact_rupees,
    format_value,
    kind_of_column,
    label_of_column,
    percent,
    quantity,
    rupees,
)
from holdings_kit.display._page import unknown
from widgets.board import cover, money, tile, toned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from widgets.changes.evidence import Source

Row = dict[str, Any]

QUIET: Final = ("price_only", "unchanged")
"""Causes of lines of which nothing moved but the price."""
_DOUBTFUL: Final = ("unexplained", "suspect_fetch")
_TRADES: Final = ("opened", "bought", "sold", "closed")
_ZERO: Final = Decimal(0)
_NAMED: Final = 3
_SAID: Final = {
    "price_effect": ("prices gave {}", "prices took {}"),
    "trade_effect": ("{} was traded", "{} was sold, net"),
    "swap_effect": ("exchanged shares added {}", "exchanged shares took {}"),
    "corporate_action_effect": (
        "corporate actions added {}",
        "corporate actions took {}",
    ),
    "transfer_effect": ("{} came by transfer", "{} left by transfer"),
    "coverage_effect": (
        "lines that got a price added {}",
        "lines that lost their price took {}",
    ),
    "unexplained_effect": ("{} more is unexplained", "{} less is unexplained"),
}
"""Step of the bridge → how it is said when it is above zero, and below."""


class Step(NamedTuple):
    """One step of the bridge: what it is called, how much, of which kind."""

    label: str
    remark: str
    value: Decimal
    price: bool


def list_effects(changes: pl.DataFrame) -> pl.DataFrame:
    """Add to each change what its cause moved, in rupees, the largest first.

    `effect` is the change of value without the part of the price; for a line of which
    only the price moved it is that part. Null where the line has no price.
    """
    lines = hk.bridge(changes)
    moved = pl.sum_horizontal(set(EFFECTS["value"]) - {"price_effect"})
    quiet = pl.col("cause").is_in(QUIET)
    effect = pl.when(quiet).then("price_effect").otherwise(moved)
    known = pl.all_horizontal(pl.col("value_before", "value_after").is_not_null())
    effects = lines.select(effect=pl.when(known).then(effect))["effect"]
    return changes.with_columns(effects).sort(
        pl.col("effect").abs(), descending=True, nulls_last=True, maintain_order=True
    )


def list_steps(changes: pl.DataFrame, total: Row) -> list[Step]:
    """Split the bridge into its steps, trades by their cause; the sum is the change."""
    by_cause = hk.bridge(changes, by="cause").to_dicts()
    traded = [row for row in by_cause if row["trade_effect"]]
    places = {cause: place for place, cause in enumerate(_TRADES)}
    traded.sort(key=lambda row: places.get(row["cause"], len(places)))
    steps: list[Step] = []
    for name in EFFECTS["value"]:
        if name == "trade_effect" and traded:
            steps += [
                Step(
                    label_of_column(row["cause"]),
                    number_of(row["lines_count"], "line"),
                    row[name],
                    price=False,
                )
                for row in traded
            ]
        else:
            label = label_of_column(name.removesuffix("_effect"))
            remark = "all lines" if name == "price_effect" else ""
            steps.append(Step(label, remark, total[name], name == "price_effect"))
    return steps


def write_comparison(
    changes: pl.DataFrame,
    total: Row,
    collateral: Row,
    spans: Mapping[str, str],
    rows: Sequence[str],
) -> str:
    """Write the finding, the tiles, the bridge; then the rows as they were written.

    Parameters
    ----------
    changes
        With `effect`, as `list_effects` gives them.
    total, collateral
        The one row of each bridge.
    spans
        ``before`` and ``after`` as written, their days, and what was compared.
    rows
        Chips, table and footer, already HTML.
    """
    steps = list_steps(changes, total)
    made_of = f"{spans['before']} → {spans['after']}, {spans['of']}"
    return "".join(
        [
            f'<h3 class="hk-finding">{escape(say_finding(total))}</h3>',
            f'<p class="hk-for">Figures below: <b>{escape(made_of)}</b></p>',
            _write_tiles(changes, total),
            _write_wholes(total, spans),
            _write_steps(steps),
            _write_collateral(collateral),
            *rows,
            f'<p class="hk-small">{escape(total["note"])}</p>' if total["note"] else "",
        ]
    )


def say_finding(total: Row) -> str:
    """Say by how much the value changed, and what moved it."""
    before, after = total["value_before"], total["value_after"]
    if before is None or after is None:
        side = "before" if before is None else "after"
        return f"The change is not known: nothing that was held {side} has a price"
    moved = {name: total[name] for name in _SAID if _paise(total[name])}
    order = sorted(moved, key=lambda name: -abs(moved[name]))
    said = ", ".join(
        _SAID[name][moved[name] < 0].format(_short(abs(moved[name]))) for name in order
    )
    change = _paise(after - before)
    if not change:
        head = "The value did not change"
    else:
        head = f"{'Up' if change > 0 else 'Down'} {_short(abs(change))}"
    return f"{head}: {said}" if said else head


def _paise(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"))


def _short(value: object) -> str:
    return rupees(value).removesuffix(".00")


def _write_tiles(changes: pl.DataFrame, total: Row) -> str:
    before, after = total["value_before"], total["value_after"]
    lines = total["lines_count"]
    priced = lines - total["unknown_after_count"]
    traded = changes.filter(pl.col("cause").is_in(_TRADES)).height
    left = total["unexplained_effect"] + total["residual"]
    odd = changes.filter(pl.col("cause").is_in(_DOUBTFUL))
    closes = not left and odd.is_empty()
    names = [name or key for name, key in odd.select("symbol", "instrument_id").rows()]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    first = escape(", ".join(names[:_NAMED]) + more)
    said = (
        '<small class="hk-good">✓ the bridge closes to the paisa</small>'
        if closes
        else f'<small class="hk-warned">look first at {first}: no explanation</small>'
    )
    grown = ""
    if before is not None and after is not None:
        more = after - before
        part = f" ({percent(more / before, sign=True)})" if before else ""
        grown = f"<small><b>{rupees(more, sign=True)}</b>{part}</small>"
    price = percent(total["price_effect"] / before, sign=True) if before else ""
    return (
        '<dl class="hk-figures">'
        + tile(
            "Value after",
            money(after, "nothing held after is priced"),
            f"{grown}<small>was {money(before, 'nothing held before is priced')}"
            "</small>",
        )
        + tile(
            "Traded",
            rupees(total["trade_effect"], sign=True),
            f"<small>{number_of(traded, 'line')} opened, bought or sold</small>",
        )
        + tile(
            "Prices",
            toned(total["price_effect"]),
            f"<small>{price} of value before</small>" if price else "",
        )
        + tile("Left over", rupees(left), said + cover(priced, lines, "lines priced"))
        + "</dl>"
    )


def _write_wholes(total: Row, spans: Mapping[str, str]) -> str:
    """Draw both values from zero; of the second, what flows and prices added."""
    before, after = total["value_before"], total["value_after"]
    whole = max(before or _ZERO, after or _ZERO)
    if before is None or after is None or whole <= 0:
        return ""
    price = max(total["price_effect"], _ZERO)
    grown = max(after - before, _ZERO)
    price = min(price, grown)
    parts = [("hk-bar", after - grown), ("hk-up", price), ("hk-flow", grown - price)]

    def draw(widths: Iterable[tuple[str, Decimal]]) -> str:
        return "".join(
            f'<i class="{kind}" style="width:{100 * value / whole:.2f}%"></i>'
            for kind, value in widths
            if value > 0
        )

    return (
        '<div class="hk-wholes">'
        f"<span>{escape(spans['day_before'])}</span>"
        f'<span aria-hidden="true">{draw([("hk-bar", before)])}</span>'
        f"<b>{rupees(before)}</b><span>{escape(spans['day_after'])}</span>"
        f'<span aria-hidden="true">{draw(parts)}</span><b>{rupees(after)}</b></div>'
    )


def _write_steps(steps: Sequence[Step]) -> str:
    """Draw the change from zero, step by step; what is zero stands small and grey."""
    stops = list(accumulate((step.value for step in steps), initial=_ZERO))
    low, high, change = min(stops), max(stops), stops[-1]
    width = (high - low) or Decimal(1)
    zero = -low / width

    def draw(way: tuple[Decimal, Decimal], kind: str) -> str:
        left, right = ((end - low) / width for end in sorted(way))
        bar = _draw_bar(kind, float(left), float(right - left))
        return f'<td class="hk-way" style="--zero:{zero:.4f}">{bar}</td>'

    body = "".join(
        _write_step(step, draw(way, _colour_step(step)))
        for step, way in zip(steps, pairwise(stops), strict=True)
    )
    top = f"+{compact_rupees(high)}" if high > 0 else "₹0"
    foot = compact_rupees(low) if low < 0 else "₹0"
    return (
        '<table class="hk-stairs"><caption class="hk-hidden">'
        "The change of value, step by step</caption><thead><tr>"
        '<th scope="col">Step <span class="hk-key"><i class="hk-flow"></i>'
        'money in or out<i class="hk-up"></i><i class="hk-down"></i>price</span></th>'
        '<th scope="col" class="hk-num">Change</th><th scope="col">'
        f'<span class="hk-axis"><span>{foot} of change</span><span>{top}</span></span>'
        f"</th></tr></thead><tbody>{body}</tbody>"
        '<tfoot><tr><th scope="row">Change</th>'
        f'<td class="hk-num">{rupees(change, sign=True)}</td>'
        f"{draw((_ZERO, change), 'bar')}"
        "</tr></tfoot></table>"
    )


def _colour_step(step: Step) -> str:
    if not step.price:
        return "flow"
    return "up" if step.value > 0 else "down"


def _write_step(step: Step, bar: str) -> str:
    kind = "" if step.value else ' class="hk-zero"'
    chip = f' <span class="hk-chip">{escape(step.remark)}</span>' if step.remark else ""
    amount = toned(step.value) if step.price else rupees(step.value, sign=True)
    return (
        f'<tr{kind}><th scope="row">{escape(step.label)}{chip}</th>'
        f'<td class="hk-num">{amount}</td>{bar}</tr>'
    )


def _draw_bar(kind: str, start: float, part: float) -> str:
    style = f"--from:{start:.4f};--part:{part:.4f}"
    return f'<i class="hk-{kind}" style="{style}"></i>' if part else ""


def _write_collateral(row: Row) -> str:
    before, after = row["value_before"], row["value_after"]
    if before is None or after is None:
        return ""
    moved = [
        f"{name.removesuffix('_effect').replace('_', ' ')} {rupees(value, sign=True)}"
        for name in EFFECTS["collateral"]
        if (value := row[name])
    ]
    said = f": {', '.join(moved)}" if moved else ", unchanged"
    return (
        f'<p class="hk-small">Collateral of what is pledged: {rupees(before)} → '
        f"<b>{rupees(after)}</b>{said}</p>"
    )


def write_chips(changes: pl.DataFrame, chosen: Sequence[str]) -> str:
    """Write each cause as a filter, with how many lines and how many rupees."""
    found = changes.group_by("cause").agg(
        count=pl.len(),
        effect=pl.col("effect").sum(),
        size=pl.col("effect").abs().sum(),
        quiet=pl.col("cause").is_in(QUIET).first(),
    )
    found = found.sort(
        ["quiet", "size", "cause"], descending=[False, True, False], nulls_last=True
    )
    chips = [
        _chip(cause, count, None if quiet and cause == "unchanged" else effect, chosen)
        for cause, count, effect, _, quiet in found.iter_rows()
    ]
    if "unexplained" not in found["cause"]:
        chips.append(_chip("unexplained", 0, None, chosen))
    return (
        '<div class="hk-causes" role="group" aria-label="Causes">'
        f"{''.join(chips)}</div>"
    )


def _chip(cause: str, count: int, effect: Decimal | None, chosen: Sequence[str]) -> str:
    amount = f"<span>{_signed(compact_rupees(effect), effect)}</span>" if effect else ""
    pressed = "true" if cause in chosen else "false"
    word = cause.replace("_", " ")
    return (
        f'<button type="button" data-act="cause" data-value="{escape(cause)}" '
        f'data-key="cause/{escape(cause)}" aria-pressed="{pressed}"'
        f'{"" if count else " disabled"}><i class="hk-dot hk-dot-{_tone(cause)}" '
        f'aria-hidden="true"></i>{escape(word)} <b>{quantity(count)}</b>{amount}'
        "</button>"
    )


def _signed(text: str, value: Decimal | None) -> str:
    return f"+{text}" if value is not None and value > 0 else text


def _tone(cause: str) -> str:
    if cause in {*_TRADES, "transfer_in", "transfer_out", "received"}:
        return "flow"
    if cause in _DOUBTFUL:
        return "odd"
    return "flat" if cause in QUIET else "other"


def write_rows(rows: Sequence[Row], widest: Decimal, opened: Mapping[int, str]) -> str:
    """Write changes as a table; below an opened row stands its evidence.

    Parameters
    ----------
    rows
        Of `list_effects`, each with its place `row`.
    widest
        The largest effect of all rows that match: one scale for all bars.
    opened
        Place → the evidence, as HTML.
    """
    body = "".join(_write_row(row, widest, opened.get(row["row"])) for row in rows)
    if not rows:
        body = '<tr><td colspan="7" class="hk-none">No line has this cause.</td></tr>'
    return (
        '<div class="hk-wide" role="region" aria-label="Changes" tabindex="0">'
        '<table class="hk-changes"><caption class="hk-hidden">Changes, each with its '
        'cause</caption><thead><tr><td></td><th scope="col">Holding</th>'
        '<th scope="col">Cause</th><th scope="col" class="hk-num">Owned</th>'
        '<th scope="col" class="hk-num">Effect, ₹</th><td class="hk-bars2">'
        '<span class="hk-axis"><span>−</span><span>+</span></span></td>'
        f'<th scope="col">How sure</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def _write_row(row: Row, widest: Decimal, evidence: str | None) -> str:
    place, effect = row["row"], row["effect"]
    name = row["symbol"] or row["instrument_id"] or "without a name"
    account = row["account_id"] or "no account"
    expanded = evidence is not None
    amount = (
        unknown(_why_no_effect(row))
        if effect is None
        else toned(effect).replace("₹", "")
        if row["cause"] in QUIET and effect
        else rupees(effect, sign=True).replace("₹", "")
    )
    part = float(effect / widest) / 2 if effect and widest else 0.0
    kind = "flow" if row["cause"] not in QUIET else "up" if part > 0 else "down"
    bar = _draw_bar(kind, 0.5 + min(part, 0), abs(part))
    chips = "".join(
        _write_part(part)
        for part in row["parts"] or [{"cause": row["cause"], "quantity": None}]
    )
    sure = row["confidence"]
    sure = (
        unknown("nobody has measured how sure this is")
        if sure is None
        else f'<span class="hk-sure"><i aria-hidden="true" style="--p:{sure:.4f}"></i>'
        f"{sure:.2f}</span>"
    )
    button = (
        f'<button type="button" class="hk-twist" data-act="open" data-value="{place}" '
        f'data-key="open/{place}" aria-expanded="{str(expanded).lower()}" '
        f'aria-label="Evidence of {escape(name)}, {escape(account)}">'
        f"{'▾' if expanded else '▸'}</button>"
    )
    line = (
        f'<tr class="{"hk-open" if expanded else ""}"><td class="hk-tw">{button}</td>'
        f'<th scope="row">{escape(name)}<small>{escape(account)}</small></th>'
        f"<td>{chips}</td>"
        f'<td class="hk-num">{_owned(row, "before")} <span>→</span> '
        f"<b>{_owned(row, 'after')}</b></td>"
        f'<td class="hk-num">{amount}</td>'
        f'<td class="hk-bars2 hk-way" style="--zero:.5">{bar}</td><td>{sure}</td></tr>'
    )
    if evidence is None:
        return line
    return f'{line}<tr class="hk-ev"><td></td><td colspan="6">{evidence}</td></tr>'


def _write_part(part: Row) -> str:
    said = escape(_word_part(part))
    return f'<span class="hk-chip hk-chip-{_tone(part["cause"])}">{said}</span>'


def _word_part(part: Row) -> str:
    units, word = part.get("quantity"), part["cause"].replace("_", " ")
    return f"{word} {quantity(units)}" if units else word


def _owned(row: Row, side: str) -> str:
    units = row[f"owned_quantity_{side}"]
    why = f"the payload {side} does not say how many are owned"
    return unknown(why) if units is None else quantity(units)


def _why_no_effect(row: Row) -> str:
    sides = [s for s in ("before", "after") if row[f"price_{s}"] is None]
    return f"no price {' and '.join(sides)}" if sides else "the quantity is not known"


def write_footer(shown: int, matched: int, total: int, step: int) -> str:
    """Say how many of the rows are shown, and offer more and the export."""
    left = matched - shown
    rows = number_of(matched, "row")
    more = (
        ' · <button type="button" class="hk-link" data-act="more" data-key="more">'
        f"show {quantity(min(left, step))} more</button>"
        if left
        else ""
    )
    of = f" ({quantity(total)} lines in all)" if matched < total else ""
    return (
        f'<div class="hk-foot"><span>{quantity(shown)} of {rows} shown{of}, '
        f"largest effect first{more}</span>"
        f'<span><button type="button" data-act="export" data-key="export"'
        f"{'' if matched else ' disabled'}>Export {rows}</button> "
        '<span class="hk-said" role="status"></span></span></div>'
    )


def write_evidence(row: Row, found: Sequence[Source]) -> str:
    """Write why a change is called so, what was reported, and how sure that is."""
    before, after = (
        [one for one in found if one.side == side] for side in ("before", "after")
    )
    sides = _write_side("before", before, after) + _write_side("after", after, before)
    return (
        f'<div class="hk-why-row"><p>{_say_change(row)}</p><div class="hk-diff">'
        f'{sides}</div><p class="hk-small">{escape(_say_sure(row))}</p></div>'
    )


def _say_change(row: Row) -> str:
    """Say what happened, and what moved with it: units, cost, price."""
    parts = [_word_part(part) for part in row["parts"] or [{"cause": row["cause"]}]]
    moved = [
        f"{words} from {write(old)} to {write(new)}"
        for words, column, write in (
            ("owned went", "owned_quantity", quantity),
            ("cost", "cost_value", rupees),
            ("the price", "price", rupees),
        )
        if (old := row[f"{column}_before"]) is not None
        and (new := row[f"{column}_after"]) is not None
        and old != new
    ]
    said = ", ".join(moved)
    said = f" {said[:1].upper()}{said[1:]}." if said else ""
    head = " and ".join(parts)
    noted = escape(row["evidence"] or "nothing")
    return (
        f"<b>{escape(head[:1].upper() + head[1:])}.</b>{escape(said)}"
        f' <small class="hk-noted">Noted: {noted}.</small>'
    )


def _write_side(side: str, found: Sequence[Source], other: Sequence[Source]) -> str:
    if not found:
        return (
            f'<div><small>{side}</small><p class="hk-small">No line: it was not held '
            f"{side}, or not reported.</p></div>"
        )
    parts = []
    for number, source in enumerate(found):
        pair = other[number] if number < len(other) else None
        at = source.row.get("snapshot_at")
        when = format_value(at, "instant") if at else side
        head = f"{when} · {source.origin}"
        body = "".join(_mark_lines(source, pair, "del" if side == "before" else "ins"))
        parts.append(
            f'<small title="{escape(source.origin)}">{escape(head)}</small>'
            f'<pre tabindex="0" role="region" aria-label="Payload {side}">{body}</pre>'
        )
    return f"<div>{''.join(parts)}</div>"


def _mark_lines(source: Source, other: Source | None, tag: str) -> Iterator[str]:
    """Write fields one a line; those that differ on the other side are marked."""
    mine = _fields(source)
    theirs = _fields(other) if other else None
    if source.payload is None:
        yield "(payload not kept; its stored fields)\n"
    for name, text in mine.items():
        changed = theirs is not None and theirs.get(name) != text
        value = f"<{tag}>{escape(text)}</{tag}>" if changed else escape(text)
        yield f"{escape(json.dumps(name, ensure_ascii=False))}: {value}\n"


def _fields(source: Source) -> dict[str, str]:
    if source.payload is not None:
        found: Any = json.loads(source.payload)
        if isinstance(found, dict):
            return {k: json.dumps(v, ensure_ascii=False) for k, v in found.items()}
        return {"payload": source.payload}
    wanted = ("_quantity", "_price", "haircut", "symbol")
    return {
        label_of_column(name): format_value(value, kind_of_column(name, pl.Float64()))
        for name, value in source.row.items()
        if name.endswith(wanted)
    }


def _say_sure(row: Row) -> str:
    sure = row["confidence"]
    if sure is None:
        return "How sure this is is not known."
    if sure >= 1:
        return "1.00: the two payloads say so themselves."
    text = (
        f"{sure:.2f}, not 1: concluded from two snapshots, not read from a list of "
        f"trades. Tried on invented lives, about {round(100 * sure)} of 100 such rows "
        "are right."
    )
    units = abs(row["traded_quantity"] or 0)
    if row["cause"] in {"bought", "sold"} and units:
        ways = ("purchase", "sale")
        one, other = ways if row["cause"] == "bought" else ways[::-1]
        text += (
            f" They cannot tell one {one} of {quantity(units)} from a larger one and a "
            f"{other} after it."
        )
    return text


def name_file(spans: Mapping[str, str], account: str) -> str:
    """Name an export after what it holds: the two days and the account."""
    who = account or "all-accounts"
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in who)
    return f"changes-{spans['iso_before']}-to-{spans['iso_after']}-{safe}.csv"


def describe_span(
    before: datetime, after: datetime, changes: pl.DataFrame, account: str
) -> dict[str, str]:
    """Write the two instants and what was compared between them."""
    accounts = changes["account_id"].n_unique()
    who = account or number_of(accounts, "account")
    old, new = (
        format_value(at, "instant").removesuffix(" IST") for at in (before, after)
    )
    days = [text.partition(",")[0] for text in (old, new)]
    short = [day.rsplit(" ", 1)[0] for day in days]
    same = days[0] == days[1]
    iso = [at.astimezone(INDIA).date().isoformat() for at in (before, after)]
    return {
        "before": old,
        "after": f"{new} IST",
        "day_before": old.partition(", ")[2] if same else short[0],
        "day_after": new.partition(", ")[2] if same else short[1],
        "iso_before": iso[0],
        "iso_after": iso[1],
        "of": f"{who}, {number_of(changes.height, 'line')}",
    }
