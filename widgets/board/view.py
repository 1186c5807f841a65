"""A part of a tool whose HTML is written in Python and whose buttons answer there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anywidget
from traitlets import Unicode

from holdings_kit.display._numbers import quantity, rupees
from holdings_kit.display._page import unknown
from widgets.page import read_style

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal

_HERE: Final = Path(__file__).parent


class Board(anywidget.AnyWidget):
    """Shows `markup`; a button of it with ``data-act`` calls one of `acts`.

    Whoever writes the markup escapes every text in it. After a press the focus stays
    at the element with the same ``data-key``.

    Parameters
    ----------
    acts
        Name of an act → what it does with the button's ``data-value``.
    """

    _esm = _HERE / "board.js"
    _css = read_style(_HERE / "board.css")

    markup = Unicode().tag(sync=True)

    def __init__(self, acts: Mapping[str, Callable[[str], object]]) -> None:
        super().__init__()
        self._acts = dict(acts)
        self.on_msg(self._receive_message)

    def save(self, name: str, data: bytes) -> None:
        """Let the browser save a file."""
        self.send({"type": "save", "name": name}, [data])

    def _receive_message(
        self, _widget: object, content: dict[str, Any], _buffers: object
    ) -> None:
        act = self._acts.get(str(content.get("act")))
        if act is not None:
            act(str(content.get("value", "")))


def money(value: Decimal | None, why: str) -> str:
    """Write rupees, or a dash that says why they are unknown."""
    return unknown(why) if value is None else rupees(value)


def toned(value: Decimal) -> str:
    """Write money that prices made or took: sign, arrow and colour.

    >>> from decimal import Decimal
    >>> toned(Decimal("-962.76"))
    '<span class="hk-loss"><i aria-hidden="true">▼</i>−₹962.76</span>'
    """
    text = rupees(value, sign=True)
    way, arrow = ("gain", "▲") if value > 0 else ("loss", "▼")
    mark = f'<i aria-hidden="true">{arrow}</i>'
    return f'<span class="hk-{way}">{mark}{text}</span>' if value else text


def cover(known: int, of: int, words: str) -> str:
    """Write how much a figure rests on: a bar, solid as far as known, and its words."""
    share = known / of if of else 1.0
    return (
        f'<small class="hk-cover"><i aria-hidden="true" style="--p:{share:.4f}"></i>'
        f"{quantity(known)} of {quantity(of)} {words}</small>"
    )


def rest_row(more: int, *, before: int = 0, after: int) -> str:
    """Write the row for what a list leaves to the table below it; none where nothing.

    >>> rest_row(120_000, after=1)[20:]
    '<th scope="row">1,20,000 more, in the table below</th><td></td></tr>'
    """
    if more <= 0:
        return ""
    said = f'<th scope="row">{quantity(more)} more, in the table below</th>'
    cell = "<td></td>"
    return f'<tr class="hk-rest">{cell * before}{said}{cell * after}</tr>'


def tile(label: str, figure: str, below: str) -> str:
    """Write a figure with its label and what stands below it, all of it HTML."""
    return f"<div><dt>{label}</dt><dd>{figure}{below}</dd></div>"
