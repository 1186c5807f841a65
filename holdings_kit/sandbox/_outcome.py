"""What an import ended in, as the front page shows it: holdings, or why there are none.

It does what a partner's server does: takes the Gateway's answer, reads it, and values
what the Gateway sends without a price by prices of its own, here of the simulated
exchange.
"""

from __future__ import annotations

from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

from holdings_kit.display._numbers import (
    UNKNOWN,
    format_value,
    number_of,
    percent,
    quantity,
    rupees,
)
from holdings_kit.display._page import safe, unknown
from holdings_kit.errors import printable
from holdings_kit.portfolio import consolidate, summarize
from holdings_kit.read import read_gateway
from holdings_kit.sandbox._clock import IST
from holdings_kit.sandbox._market import UNIVERSE
from holdings_kit.sandbox._payloads import to_bytes, wrap_gateway
from holdings_kit.sandbox._personas import BROKERS
from holdings_kit.schema import MONEY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from holdings_kit.sandbox._personas import Persona
    from holdings_kit.sandbox._world import World

_HEADS: Final = (
    ("Holding", ""),
    ("Owned", "n beside"),
    ("Average price, ₹", "n beside"),
    ("Price, ₹", "n beside"),
    ("Value, ₹", "n"),
    ("P&amp;L, ₹", "n"),
    ("Return", "n beside"),
)
_NO_PRICE: Final = "the simulated exchange has no price for it"
_NO_COST: Final = "the broker gave no average price"
_PRICES: Final = pl.Schema(
    {"isin": pl.String(), "last_price": MONEY, "date": pl.Date()}
)


class Outcome(NamedTuple):
    """A line on what happened, the section with the holdings, and the bare answer."""

    said: str
    page: str
    answer: Mapping[str, object]


def show_holdings(world: World, persona: Persona, *, funds: bool) -> Outcome | None:
    """Fetch and value what a persona has imported; ``None`` without an import."""
    now = world.clock.now()
    with world.lock:
        data = world.holdings(persona, version="v2", mutual_funds=funds)
        prices = _list_prices(world, now)
    if data is None:
        return None
    answer = wrap_gateway(data)
    loaded = read_gateway(to_bytes(answer), fetched_at=now)
    held = loaded.holdings
    positions = consolidate(held, prices=prices, on=now.astimezone(IST).date())
    owner = f"{persona.name} at {BROKERS[persona.broker]}"
    page = render_holdings(positions, owner=owner, at=now, unread=loaded.rejects.height)
    return Outcome(f"Imported {number_of(held.height, 'holding')}", page, answer)


def _list_prices(world: World, now: datetime) -> pl.DataFrame:
    """List the last price of each share that is still traded, as its quote has it."""
    market = world.timeline.market
    session = market.session(now)
    listed = [market.instrument(key, session) for key in UNIVERSE]
    traded = [item for item in listed if not item.delisted]
    return pl.DataFrame(
        {
            "isin": [item.isin for item in traded],
            "last_price": [
                Decimal(market.last_price(item.key, now)) / 100 for item in traded
            ],
            "date": [market.date_of(session)] * len(traded),
        },
        schema=_PRICES,
    )


def render_holdings(
    positions: pl.DataFrame, *, owner: str, at: datetime, unread: int = 0
) -> str:
    """Write the finding, and the table of positions with totals and their coverage."""
    total = summarize(positions).row(0, named=True)
    if positions.is_empty():
        said = f"{owner}: nothing is held"
        below = "The broker answered, and its list is empty."
        return _write_heading(said, below) + _write_unread(unread)
    value = rupees(total["market_value"])
    said = f"{value}: {number_of(positions.height, 'holding')} of {owner}"
    rows = "".join(_write_holding_row(row) for row in positions.iter_rows(named=True))
    heads = "".join(
        f'<th scope="col"{_write_class(kind)}>{head}</th>' for head, kind in _HEADS
    )
    when = format_value(at, "instant")
    below = (
        "The Gateway sends no prices of shares: they are valued at the last price of "
        f"the simulated exchange, funds at the NAV that came with them. {when}."
    )
    return (
        _write_heading(said, below)
        + '<div class="wide" tabindex="0" role="region" aria-label="Imported holdings">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>"
        f"<tfoot>{_write_total(total)}</tfoot></table></div>"
        f"{_write_unknown_reasons(positions)}{_write_unread(unread)}"
    )


def _write_heading(said: str, below: str) -> str:
    return f'<h2>{safe(said)}</h2><p class="help">{escape(below)}</p>'


def _write_unread(count: int) -> str:
    rows = f"{number_of(count, 'row')} of the answer could not be read and"
    said = f"{rows} {'is' if count == 1 else 'are'} not in the table."
    return f'<p class="problem">{said}</p>' if count else ""


def _write_holding_row(row: Mapping[str, Any]) -> str:
    name = safe(row["name"] or row["symbol"] or row["instrument_id"])
    symbol = safe(row["symbol"] or "")
    owned = quantity(row["owned_quantity"])
    price, paid = _format_price(row["price"]), _format_price(row["average_price"])
    beside = f"{owned} at {rupees(row['price'])}, paid {rupees(row['average_price'])}"
    cells = (
        (owned, "n beside", "the broker gave no quantity"),
        (paid, "n beside", _NO_COST),
        (price, "n beside", _NO_PRICE),
        (_format_price(row["market_value"]), "n", _NO_PRICE),
        (_format_change(row["unrealized_pnl"]), "n", _NO_COST),
        (percent(row["return"], sign=True), "n beside", _NO_COST),
    )
    tones = {4: row["unrealized_pnl"], 5: row["return"]}
    written = "".join(
        f"<td{_write_class(kind)}>{_write_toned(text, why, tones.get(place))}</td>"
        for place, (text, kind, why) in enumerate(cells)
    )
    return (
        f'<tr><th scope="row">{symbol or name}<span class="name">{name}</span>'
        f'<span class="name narrow">{beside}</span></th>{written}</tr>'
    )


def _write_total(total: Mapping[str, Any]) -> str:
    count, unpriced = total["positions_count"], total["unpriced_count"]
    priced = count - unpriced
    share = total["costed_value_share"]
    value = rupees(total["market_value"]) + _write_cover(
        priced / count, f"{priced} of {count} priced"
    )
    pnl = total["unrealized_pnl"]
    change = _write_toned(rupees(pnl, sign=True), _NO_COST, pnl)
    if share is not None:
        change += _write_cover(share, f"on {percent(share)} of value")
    back = _write_toned(percent(total["return"], sign=True), _NO_COST, total["return"])
    return (
        '<tr><th scope="row">Total</th><td class="beside"></td>'
        '<td class="beside"></td><td class="beside"></td>'
        f'<td class="n">{value}</td><td class="n">{change}</td>'
        f'<td class="n beside">{back}</td></tr>'
    )


def _write_unknown_reasons(positions: pl.DataFrame) -> str:
    """Say below the table what its dashes mean, for paper and for touch."""
    whys = {
        _NO_PRICE: positions.filter(pl.col("market_value").is_null()),
        _NO_COST: positions.filter(pl.col("average_price").is_null()),
    }
    told = "".join(
        f"<li>{escape(', '.join(_name_rows(rows)))}: {why}</li>"
        for why, rows in whys.items()
        if rows.height
    )
    return f'<p class="help">Unknown ({UNKNOWN}):</p><ul>{told}</ul>' if told else ""


def _name_rows(rows: pl.DataFrame) -> list[str]:
    named = rows.select(pl.coalesce("symbol", "name", "instrument_id"))
    return [printable(name) for name in named.to_series()]


def _write_cover(share: float, words: str) -> str:
    """Write the coverage mark: solid is known, hatched is not."""
    return (
        f'<span class="cover"><svg viewBox="0 0 56 6" aria-hidden="true">'
        f'<rect width="{56 * share:.1f}" height="6"/></svg>{words}</span>'
    )


def _format_price(value: object) -> str:
    return format_value(value, "rupees")


def _format_change(value: object) -> str:
    return rupees(value, sign=True).replace("₹", "")


def _write_toned(text: str, why: str, change: float | Decimal | None = None) -> str:
    """Write a number, its gain or loss, or the dash that says why."""
    if text == UNKNOWN:
        return unknown(why)
    tone = {True: "gain", False: "loss"}[change > 0] if change else ""
    return f'<span class="{tone}">{text}</span>' if tone else text


def _write_class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
