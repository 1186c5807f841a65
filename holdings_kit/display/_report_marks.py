"""The small marks of the report's page: bars, chips, arrows, and the treemap.

Each gives HTML; every text that comes from outside is escaped here.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from holdings_kit.display._numbers import UNKNOWN, percent, rupees
from holdings_kit.errors import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

__all__ = [
    "Box",
    "cover",
    "delta",
    "pack_boxes",
    "safe",
    "unknown",
    "write_amount",
    "write_card",
    "write_treemap",
]

_ARROWS: Final = {"up": "▲", "down": "▼", "flat": "="}
_ROOMY: Final = (110, 66)  # pixels: a cell holds three lines
_TIGHT: Final = (44, 26)  # pixels: a smaller cell stays without text
_TINTS: Final = ((0.03, "1"), (0.12, "2"))  # above the last: 3


def safe(text: object) -> str:
    """Escape a text from outside, its control characters shown."""
    return escape(printable(text))


def _way(value: float | Decimal) -> str:
    return "up" if value > 0 else "down" if value < 0 else "flat"


def delta(value: float | Decimal, text: str) -> str:
    """Write a gain or loss: the sign in the text, an arrow and a colour."""
    way = _way(value)
    return (
        f'<span class="d {way}"><i aria-hidden="true">{_ARROWS[way]}</i>{text}</span>'
    )


def cover(part: float, words: str) -> str:
    """Draw a coverage bar: solid is known, hatched is not; words beside it."""
    return (
        f'<span class="cov"><span class="cov-bar" role="img" '
        f'aria-label="{percent(part)} known" style="--p:{part:.4f}"></span>'
        f"<span>{safe(words)}</span></span>"
    )


def unknown(why: str) -> str:
    """Write a dash that says why on hover and to a screen reader."""
    return f'<span class="unk" title="{safe(why)}">{UNKNOWN}</span>'


def write_card(title: str, body: str, *, sub: str = "", place: str = "c12") -> str:
    """Write one card of the page, its finding as the heading."""
    below = f'<p class="sub">{safe(sub)}</p>' if sub else ""
    return (
        f'<section class="card {place}"><h2>{safe(title)}</h2>{below}'
        f'<div class="body">{body}</div></section>'
    )


class Box(NamedTuple):
    """A rectangle of the treemap, in percent of its width and height."""

    left: float
    top: float
    width: float
    height: float


def pack_boxes(sizes: Sequence[float], wide: float, high: float) -> list[Box]:
    """Pack sizes, largest first, into boxes as square as can be (Bruls et al. 2000).

    Examples
    --------
    >>> [tuple(box) for box in pack_boxes([3, 1], 2, 1)]
    [(0.0, 0.0, 75.0, 100.0), (75.0, 0.0, 25.0, 100.0)]
    """
    whole = sum(sizes)
    areas = [size / whole * wide * high for size in sizes]
    boxes: list[Box] = []
    left, top, width, height = 0.0, 0.0, float(wide), float(high)
    while areas:
        side = min(width, height)
        count = 1
        while count < len(areas) and _worst_shape(
            areas[: count + 1], side
        ) <= _worst_shape(areas[:count], side):
            count += 1
        row, areas = areas[:count], areas[count:]
        depth = sum(row) / side
        at = 0.0
        for area in row:
            long = area / depth
            box = (
                (left, top + at, depth, long)
                if width >= height
                else (left + at, top, long, depth)
            )
            boxes.append(
                Box(*(v * 100 / s for v, s in zip(box, (wide, high) * 2, strict=True)))
            )
            at += long
        if width >= height:
            left, width = left + depth, width - depth
        else:
            top, height = top + depth, height - depth
    return boxes


def _worst_shape(row: Sequence[float], side: float) -> float:
    total = sum(row)
    return max(side * side * max(row) / total**2, total**2 / (side * side * min(row)))


def write_treemap(
    cells: Sequence[tuple[str, float, float | None, str]],
    *,
    wide: float,
    high: float,
    kind: str,
) -> str:
    """Draw names, sizes and returns; a return that is unknown is hatched."""
    whole = sum(size for _, size, _, _ in cells)
    made: list[str] = []
    boxes = pack_boxes([size for _, size, _, _ in cells], wide, high)
    for (name, size, gain, why), box in zip(cells, boxes, strict=True):
        across, down = box.width * wide / 100, box.height * high / 100
        tint = "u hatch" if gain is None else _tint(gain)
        style = "".join(
            f"{key}:{value:.3f}%;"
            for key, value in zip(("left", "top", "width", "height"), box, strict=True)
        )
        share = percent(size / whole)
        move = safe(why) if gain is None else _write_move(gain)
        small = across < _ROOMY[0] or down < _ROOMY[1]
        letters = (9 if not small else 6.6) * len(name) + 14
        if across < _TIGHT[0] or down < _TIGHT[1] or letters > max(across, 60) * 1.6:
            inside = ""
        elif small:
            inside = f"<b>{safe(name)}</b>" + (
                f"<em>{move}</em>" if down >= _TIGHT[0] and across >= _ROOMY[1] else ""
            )
        else:
            inside = f"<b>{safe(name)}</b><span>{share}</span><em>{move}</em>"
        said = f"{safe(name)}, {share} of value, " + (
            safe(why) if gain is None else f"return {percent(gain, sign=True)}"
        )
        size_class = "sml" if small else "mid"
        made.append(
            f'<div class="tm tm-{tint} {size_class}" style="{style}" title="{said}">'
            f"{inside}</div>"
        )
    return (
        f'<div class="treemap {kind}" style="--h:{high:g}px" role="img" '
        f'aria-label="Treemap of {len(cells)} parts; the table of positions has the '
        f'same figures">{"".join(made)}</div>'
    )


def _tint(gain: float) -> str:
    side = "g" if gain >= 0 else "l"
    return side + next((t for most, t in _TINTS if abs(gain) < most), "3")


def _write_move(gain: float) -> str:
    arrow = _ARROWS[_way(gain)]
    return f'<i aria-hidden="true">{arrow}</i> {percent(gain, sign=True)}'


def write_amount(value: object, *, sign: bool = False) -> str:
    """Write rupees in a column: bare, its heading has the sign of the rupee."""
    return rupees(value, sign=sign).replace("₹", "")
