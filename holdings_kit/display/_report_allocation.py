"""What the value is made of: the treemap, and the strip of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.display._numbers import name_class, number_of, percent, quantity
from holdings_kit.display._page import safe
from holdings_kit.display._report_facts import name_of, shorten, with_known_return
from holdings_kit.display._report_marks import ARROWS, way_of, write_card
from holdings_kit.portfolio import summarize

if TYPE_CHECKING:
    from collections.abc import Sequence

_CELLS: Final = 24
_ROOMY: Final = (110, 66)  # pixels: a cell holds three lines
_TIGHT: Final = (44, 26)  # pixels: a smaller cell stays without text
_TINTS: Final = ((0.03, "1"), (0.12, "2"))  # above the last: 3


def write_allocation(positions: pl.DataFrame, *, high: int = 330) -> str:
    """Draw the treemap, area by value, tint by return, and the strip of classes.

    `high` is in pixels, on a wide screen. Where a class is too small for its name, all
    stand below the strip.
    """
    held = positions.filter(pl.col("known_market_value") > 0).sort(
        "known_market_value", descending=True
    )
    if held.is_empty():
        why = "no position has a known value above 0"
        return write_card("What the value is made of is not known", f"<p>{why}</p>")
    whole = float(held["known_market_value"].sum())
    cells = [
        (
            name_of(row),
            float(row["known_market_value"]),
            row["_gain"],
            _say_no_return(row["known_pnl"], row["_gain"]),
        )
        for row in with_known_return(held).head(_CELLS).iter_rows(named=True)
    ]
    rest = held[_CELLS:]
    if rest.height:
        total = summarize(rest).row(0, named=True)
        size = float(rest["known_market_value"].sum())
        gain, why = total["return"], _say_no_return(total["unrealized_pnl"], None)
        cells.append(
            (f"{quantity(rest.height)} more", size, gain, why if gain is None else "")
        )
        cells.sort(key=lambda cell: -cell[1])
    top = held.head(3)
    share = percent(float(top["known_market_value"].sum()) / whole, places=0)
    names = _join_names([name_of(row) for row in top.iter_rows(named=True)])
    classes = (
        held.group_by("asset_class")
        .agg(pl.col("known_market_value").sum())
        .sort("known_market_value", descending=True)
    )
    said = [
        (name_class(kind), float(size) / whole) for kind, size in classes.iter_rows()
    ]
    roomy = all(
        part * 1000 > 7 * len(f"{kind} {percent(part)}") + 20 for kind, part in said
    )
    strip = "".join(
        f'<div style="flex:{part:.4f} 1 0">'
        + (f"<span>{safe(kind)}</span> <b>{percent(part)}</b>" if roomy else "")
        + "</div>"
        for kind, part in said
    )
    thin = "" if roomy else " thin"
    key = " · ".join(f"{safe(kind)} <b>{percent(part)}</b>" for kind, part in said)
    body = (
        f'<div class="strip{thin}" aria-hidden="true">{strip}</div>'
        f'<p class="stripkey{thin} s quiet">{key}</p>'
        + _write_treemap(cells, wide=1000, high=high, kind="tmw")
        + _write_treemap(cells, wide=540, high=high * 420 // 330, kind="tmn")
        + '<p class="key"><span><i class="tm-l3"></i><i class="tm-l2"></i>'
        '<i class="tm-l1"></i> loss: over 12, 3 to 12, under 3 %</span>'
        '<span><i class="tm-g1"></i><i class="tm-g2"></i><i class="tm-g3"></i> '
        "gain: under 3, 3 to 12, over 12 %</span>"
        '<span><i class="hatch"></i> return unknown</span></p>'
    )
    verb = "is" if top.height == 1 else "are"
    undrawn = positions.height - held.height
    known = "known value" if positions["market_value"].null_count() else "value"
    sub = "Area is value, tint is return on cost"
    if undrawn:
        one = number_of(undrawn, "position")
        sub += f"; not drawn: {one} without a known value above 0"
    return write_card(f"{names} {verb} {share} of {known}", body, sub=sub)


def _say_no_return(pnl: object, gain: float | None) -> str:
    if gain is not None:
        return ""
    return "no cost" if pnl is None else "cost is 0"


def _join_names(names: Sequence[str]) -> str:
    short = [shorten(name) for name in names]
    return ", ".join(short[:-1]) + " and " + short[-1] if len(short) > 1 else short[0]


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


def _write_treemap(
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
    arrow = ARROWS[way_of(gain)]
    return f'<i aria-hidden="true">{arrow}</i> {percent(gain, sign=True)}'
