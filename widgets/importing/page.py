"""An import as HTML: its steps, why it failed, and what it brought."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

import polars as pl

import holdings_kit as hk
from holdings_kit.clients import broker_profile
from holdings_kit.display import number_of
from holdings_kit.display._numbers import format_value, percent, quantity, rupees
from holdings_kit.display._page import unknown
from widgets.board import cover, money, tile, toned
from widgets.importing.steps import GATEWAY_STEPS, PHASES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from decimal import Decimal

    from holdings_kit.schema import Loaded

_SHOWN: Final = 5
_NAMED: Final = 3
_MARKS: Final = {"done": "✓", "failed": "✕", "none": "–"}
_WORDS: Final = {
    "todo": "not yet",
    "now": "waiting",
    "done": "done",
    "failed": "failed",
    "none": "not needed",
}
_NO_PRICE: Final = "the reply carries no price; value it with prices of your own"


def write_status(
    source: str,
    states: Mapping[str, str],
    remarks: Mapping[str, str],
    failure: Mapping[str, str],
    number: str,
) -> str:
    """Write the steps of an import, and in words why it ended without holdings.

    Parameters
    ----------
    source
        ``gateway`` or ``arrow``.
    states, remarks
        Step → its state, and what is known of it.
    failure
        `title`, `what`, `now` and `code`; `kept` where an import before is still here.
    number
        Of the transaction, empty before there is one.
    """
    phases = PHASES[source]
    items = "".join(
        _write_phase(place, label, keys, states, remarks)
        for place, (label, keys) in enumerate(phases.items(), 1)
    )
    short = f"…{number[-6:]}"
    copy = (
        '<button type="button" data-act="copy" data-key="copy" data-value="{}">'
        "{}</button>"
    )
    head = tail = ""
    if failure:
        head = (
            f'<h3 class="hk-finding">{escape(failure["title"])}</h3>'
            f'<p class="hk-for">{escape(failure.get("after", ""))}</p>'
        )
        details = " · ".join(x for x in (failure["code"], number) if x)
        tail = (
            f'<div class="hk-say hk-say-{failure.get("tone", "bad")}" role="alert">'
            f"<b>{escape(failure['what'])}</b> {escape(failure['now'])}</div>"
        )
        if failure.get("kept"):
            tail += (
                '<p class="hk-for"><span class="hk-chip">still here</span> '
                f"{escape(failure['kept'])}</p>"
            )
        if details:
            button = copy.format(escape(details), "Copy details for support")
            tail += (
                f'<p class="hk-next">{button} <small>{escape(failure["code"])}'
                f'</small> <span class="hk-said" role="status"></span></p>'
            )
    elif number and "now" in states.values():
        tail = (
            f'<p class="hk-next">{copy.format(escape(number), f"Copy number {short}")}'
            ' <span class="hk-said" role="status"></span></p>'
        )
    return f'{head}<ol class="hk-steps3">{items}</ol>{tail}'


def _write_phase(
    place: int,
    label: str,
    keys: tuple[str, ...],
    states: Mapping[str, str],
    remarks: Mapping[str, str],
) -> str:
    own = [states.get(key, "todo") for key in keys]
    state = next(
        (one for one in ("failed", "now") if one in own),
        "done" if "done" in own and own[0] in {"done", "none"} else own[0],
    )
    if label == "Fetched" and own[0] == "done":  # the webhook may still come
        state = "done"
    told = [
        _say_step(key, states.get(key, "todo"), remarks.get(key, "")) for key in keys
    ]
    if state == "failed" and not any(remarks.get(key) for key in keys):
        told.append(_WORDS[state])
    said = " · ".join(text for text in told if text) or _WORDS[state]
    return (
        f'<li class="hk-{state}"><span class="hk-mk" aria-hidden="true">'
        f"{_MARKS.get(state, place)}</span><b>{escape(label)}</b>"
        f"<small>{escape(said)}</small></li>"
    )


def _say_step(key: str, state: str, remark: str) -> str:
    """Say that a step was taken, or what is known of it."""
    if key == "webhook":
        return f"webhook: {remark}" if remark else ""
    within = key in {"triggered", "login", "consented"}
    name = GATEWAY_STEPS[key] if within and state == "done" else ""
    return " ".join(text for text in (name, remark) if text)


def write_clock(left: int | None, whole: int) -> str:
    """Write how long the import still waits, as a bar and in minutes."""
    if left is None:
        return ""
    minutes, seconds = divmod(left, 60)
    part = left / whole if whole else 0.0
    return (
        f'<div class="hk-clock"><span class="hk-wait"><i style="--p:{part:.4f}"></i>'
        f"</span><span>The import expires in <b>{minutes}:{seconds:02d}</b></span>"
        "</div>"
    )


def name_import(loaded: Loaded) -> str:
    """Name an import in one line: how many holdings, from whom, as of when."""
    rows = loaded.snapshots.row(0, named=True)
    at = format_value(loaded.snapshots["snapshot_at"].max(), "instant")
    who = broker_profile(rows["broker"]).name if rows["broker"] else "an unknown broker"
    return f"{number_of(loaded.holdings.height, 'holding')} from {who}, {at}"


def write_result(loaded: Loaded, remarks: Mapping[str, str], *, opened: bool) -> str:
    """Write what an import brought, its largest holdings, and what is not known.

    Parameters
    ----------
    loaded
        As every door returns them.
    remarks
        `old`, `fresh`, `mismatch`, `kept`: what else is known, empty where nothing.
    opened
        Whether the table of all holdings is shown below.
    """
    positions = hk.consolidate(loaded.holdings)
    total = hk.summarize(positions).row(0, named=True)
    head, _, at = name_import(loaded).partition(", ")
    value, cost = total["market_value"], total["cost_value"]
    bought = f"bought for {rupees(cost)}" if cost is not None else "cost not known"
    worth = f"Worth {rupees(value)}, " if value is not None else "Not valued, "
    button = (
        '<button type="button" class="hk-primary" data-act="all" data-key="all" '
        f'aria-expanded="{str(opened).lower()}">'
        f"{'Hide the table' if opened else 'See all holdings'}</button>"
    )
    kept = f" <small>{escape(remarks['kept'])}</small>" if remarks.get("kept") else ""
    return "".join(
        [
            _write_remark(remarks.get("old", ""), "warn"),
            f'<h3 class="hk-finding">{escape(head)}</h3>',
            f'<p class="hk-for">{escape(worth + bought)} · as of {escape(at)}</p>',
            _write_tiles(total, loaded.rejects.height),
            _write_largest(positions),
            "".join(
                f'<p class="hk-small">{escape(text)}</p>'
                for text in _list_unknown(positions, loaded)
            ),
            _write_remark(remarks.get("mismatch", ""), "warn"),
            f'<p class="hk-small">{escape(remarks.get("fresh", ""))}</p>',
            f'<p class="hk-next">{button} <code>trigger.loaded</code>{kept}</p>',
        ]
    )


def _write_remark(text: str, tone: str) -> str:
    return f'<div class="hk-say hk-say-{tone}">{escape(text)}</div>' if text else ""


def _write_tiles(total: dict[str, Any], set_aside: int) -> str:
    count = total["positions_count"]
    priced, costed = count - total["unpriced_count"], count - total["uncosted_count"]
    pnl, part = total["unrealized_pnl"], total["return"]
    gain = toned(pnl) if pnl else money(pnl, _NO_PRICE)
    return (
        '<dl class="hk-figures">'
        + tile(
            "Value",
            money(total["market_value"], _NO_PRICE),
            cover(priced, count, "priced"),
        )
        + tile(
            "Cost",
            money(total["cost_value"], "the reply carries no average price"),
            cover(costed, count, "with a cost"),
        )
        + tile(
            "P&amp;L",
            gain,
            f"<small>{percent(part, sign=True)} on cost</small>" if part else "",
        )
        + tile(
            "Set aside",
            f"{quantity(set_aside)}",
            "<small>lines that could not be read</small>",
        )
        + "</dl>"
    )


def _write_largest(positions: pl.DataFrame) -> str:
    by = ["market_value", "cost_value"]
    ordered = positions.sort(by, descending=True, nulls_last=True, maintain_order=True)
    rows = [_write_holding(row) for row in ordered.head(_SHOWN).to_dicts()]
    rest = ordered.slice(_SHOWN)
    if rest.height:
        names = ("cost_value", "market_value", "unrealized_pnl")
        sums: dict[str, Any] = {
            name: None if rest[name].null_count() else rest[name].sum()
            for name in names
        }
        rows.append(
            f'<tr class="hk-rest"><th scope="row">{quantity(rest.height)} more</th>'
            f"<td></td>{_write_money(sums)}</tr>"
        )
    return (
        '<div class="hk-wide" role="region" aria-label="Largest holdings" tabindex="0">'
        '<table class="hk-mini"><caption class="hk-hidden">Largest holdings</caption>'
        '<thead><tr><th scope="col">Holding</th><th scope="col" class="hk-num">'
        'Quantity</th><th scope="col" class="hk-num">Cost, ₹</th><th scope="col" '
        'class="hk-num">Value, ₹</th><th scope="col" class="hk-num">P&amp;L, ₹</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _write_holding(row: dict[str, Any]) -> str:
    name = escape(row["symbol"] or row["instrument_id"] or "without a name")
    units = row["owned_quantity"]
    owned = quantity(units) if units is not None else unknown("not in the reply")
    return (
        f'<tr><th scope="row">{name} <small>{escape(row["name"] or "")}</small></th>'
        f'<td class="hk-num">{owned}</td>{_write_money(row)}</tr>'
    )


def _write_money(row: Mapping[str, Decimal | None]) -> str:
    value, pnl = row["market_value"], row["unrealized_pnl"]
    cells = (
        money(row["cost_value"], "no average price in the reply"),
        money(value, "no price in the reply"),
        toned(pnl) if pnl else money(pnl, "no price or no average price in the reply"),
    )
    return "".join(f'<td class="hk-num">{c.replace("₹", "")}</td>' for c in cells)


def _list_unknown(positions: pl.DataFrame, loaded: Loaded) -> Iterator[str]:
    """Say what is not known of the holdings, each with its names."""
    for column, said in (
        ("price", "without a price, so not in the value"),
        ("cost_value", "without a cost, so not in the P&L"),
        ("owned_quantity", "of which the reply does not say how many"),
    ):
        names = positions.filter(pl.col(column).is_null()).select(
            pl.coalesce("symbol", "instrument_id", pl.lit("without a name"))
        )
        found = names.to_series().to_list()
        if found:
            more = len(found) - _NAMED
            listed = ", ".join(found[:_NAMED]) + (
                f" and {more} more" if more > 0 else ""
            )
            yield f"{quantity(len(found))} {said}: {listed}."
    if loaded.rejects.height:
        lines = number_of(loaded.rejects.height, "line")
        yield f"{lines} set aside, the first: {loaded.rejects['reason'][0]}."
