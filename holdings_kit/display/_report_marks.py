"""The small marks of the report's page: bars, chips, arrows, dashes, cards.

Each gives HTML; every text that comes from outside is escaped here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from holdings_kit.display._numbers import percent, rupees
from holdings_kit.display._page import safe

if TYPE_CHECKING:
    from decimal import Decimal

_ALL: Final = 0.9995  # written as 100.0 %
ARROWS: Final = {"up": "▲", "down": "▼", "flat": "="}


def span(kind: str, text: str) -> str:
    """Write a text in a class of its own; no text is nothing."""
    return f'<span class="{kind}">{safe(text)}</span>' if text else ""


def write_partly(share: float | None, of: str = "") -> str:
    """Say on what share a figure is, where that is not written as 100.0 %."""
    whole = share is None or share >= _ALL
    return "" if whole else span("nm", f"on {percent(share)}{of}")


def way_of(value: float | Decimal) -> str:
    """Tell a gain from a loss and from neither."""
    return "up" if value > 0 else "down" if value < 0 else "flat"


def delta(value: float | Decimal, text: str) -> str:
    """Write a gain or loss: the sign in the text, an arrow and a colour."""
    way = way_of(value)
    return f'<span class="d {way}"><i aria-hidden="true">{ARROWS[way]}</i>{text}</span>'


def cover(part: float, words: str) -> str:
    """Draw a coverage bar: solid is known, hatched is not; words beside it."""
    return (
        f'<span class="cov"><span class="cov-bar" role="img" '
        f'aria-label="{percent(part)} known" style="--p:{part:.4f}"></span>'
        f"<span>{safe(words)}</span></span>"
    )


def write_card(title: str, body: str, *, sub: str = "", place: str = "c12") -> str:
    """Write one card of the page, its finding as the heading."""
    below = f'<p class="sub">{safe(sub)}</p>' if sub else ""
    return (
        f'<section class="card {place}"><h2>{safe(title)}</h2>{below}'
        f'<div class="body">{body}</div></section>'
    )


def write_amount(value: object, *, sign: bool = False) -> str:
    """Write rupees in a column: bare, its heading has the sign of the rupee."""
    return rupees(value, sign=sign).replace("₹", "")


def write_change(value: Decimal) -> str:
    """Write a gain or loss of rupees with the sign of the rupee."""
    return delta(value, rupees(value, sign=True))


def write_gain(value: Decimal) -> str:
    """Write a gain or loss of rupees in a column."""
    return delta(value, write_amount(value, sign=True))


def write_share(share: float, top: float) -> str:
    """Write a share of a whole and its bar, as long as its part of the largest."""
    return (
        f'<span class="wcell"><span class="num">{percent(share)}</span>'
        f'<span class="wbar" style="--p:{top:.4f}"></span></span>'
    )
