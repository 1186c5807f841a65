"""The HTML that cards and tables are made of: static, escaped, light and dark."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from holdings_kit.display._numbers import UNKNOWN, percent
from holdings_kit.display._tokens import read_dash_rules, write_variables
from holdings_kit.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_VALUE: Final = "no value in the data"

_LINE: Final = 28  # characters of a text that stays on one line
_VARIABLES: Final = write_variables(
    *("card", "sunk", "ink", "ink2", "ink3", "line", "line2", "gain", "loss"),
    *("bar", "hatch", "warn", "warnsoft", "bad", "badsoft"),
)
# Three times the class, so that the rules of a notebook's own tables do not win.
_STYLE: Final = (
    """
.hkr{color-scheme:light dark;container-type:inline-size;margin:4px 0;"""
    + _VARIABLES
    + """}
[data-jp-theme-light=true] .hkr,[data-theme=light] .hkr,.vscode-light .hkr{
color-scheme:light}
[data-jp-theme-light=false] .hkr,[data-theme=dark] .hkr,.vscode-dark .hkr{
color-scheme:dark}
@media print{.hkr.hkr.hkr{color-scheme:light;print-color-adjust:exact}}
.hkr>div{box-sizing:border-box;width:max-content;max-width:100%;padding:12px 16px;
background:var(--card);color:var(--ink);border:1px solid var(--line);
border-radius:10px;font:13px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans","Helvetica Neue",Arial,sans-serif;
font-variant-numeric:tabular-nums lining-nums}
.hkr p{margin:6px 0 0;font-size:12px;color:var(--ink2);max-width:46em}
.hkr p:first-child{margin:0}
.hkr p.h{font-size:15px;font-weight:600;color:var(--ink)}
.hkr p.a{margin-top:2px}
.hkr p.e,.hkr p.o{border-radius:6px;padding:4px 8px}
.hkr p.e{color:var(--bad);background:var(--badsoft)}
.hkr p.o{color:var(--warn);background:var(--warnsoft)}
.hkr dl{display:flex;flex-wrap:wrap;margin:10px 0 0;gap:8px 24px}
.hkr dl div{min-width:0;max-width:26em}
.hkr.hkr dt,.hkr.hkr dd{float:none;display:block;width:auto;margin:0}
.hkr dt{font-size:12px;font-weight:400;color:var(--ink2)}
.hkr dd{font-size:15px;overflow-wrap:anywhere}
.hkr .w{overflow-x:auto;margin-top:8px}
.hkr.hkr.hkr table{border-collapse:collapse;margin:0;border:0;font-size:13px;
table-layout:auto;color:inherit}
.hkr.hkr.hkr tr{background:none;border:0}
.hkr.hkr.hkr td,.hkr.hkr.hkr th{padding:4px 12px 4px 0;border:0;
border-bottom:1px solid var(--line);text-align:left;vertical-align:baseline;
white-space:nowrap;font-weight:400;max-width:none;background:var(--card)}
.hkr.hkr.hkr tr>:last-child{padding-right:0}
.hkr.hkr.hkr thead th{font-size:12px;color:var(--ink2);border-color:var(--line2)}
.hkr.hkr.hkr .n{text-align:right}
.hkr.hkr.hkr tbody th,.hkr.hkr.hkr tfoot th{position:sticky;left:0;font-weight:600}
.hkr.hkr.hkr tfoot td,.hkr.hkr.hkr tfoot th{border-top:2px solid var(--line2);
border-bottom:0;font-weight:600}
.hkr .gain{color:var(--gain)}.hkr .loss{color:var(--loss)}
.hkr .gain::before{content:"▲";font-size:.68em;margin-right:.35em}
.hkr .loss::before{content:"▼";font-size:.68em;margin-right:.35em}
.hkr .l{display:block;min-width:14em;max-width:38em;white-space:normal}
.hkr .c{display:flex;justify-content:flex-end;align-items:center;gap:6px;
font-size:11.5px;font-weight:400;color:var(--ink2)}
.hkr dd .c{justify-content:flex-start}
.hkr .c i{flex:none;width:56px;height:6px;border-radius:3px;overflow:hidden;
box-shadow:inset 0 0 0 1px var(--line2);
background:linear-gradient(90deg,var(--bar) var(--p),transparent var(--p)),
repeating-linear-gradient(-45deg,var(--hatch) 0 1.5px,transparent 1.5px 4.5px)}
@container(max-width:699px){.hkr>div{padding:10px 12px;width:auto}
.hkr.hkr.hkr td,.hkr.hkr.hkr th{padding-right:8px;white-space:normal}
.hkr.hkr.hkr .n{white-space:nowrap}
.hkr dl{gap:6px 16px}}
@media print{
.hkr>div{border:0;padding:0;width:auto}.hkr .w{overflow:visible}
.hkr.hkr.hkr td,.hkr.hkr.hkr th{white-space:normal;position:static}}
"""
    + re.sub(r"\s*([{}:;>])\s+", r"\1", read_dash_rules())
    .replace("--hk-", "--")
    .replace(".hk-unk", ".hkr .hk-unk")
)


def safe(text: object) -> str:
    """Escape a text from outside, its control characters shown."""
    return escape(printable(text))


class Cell(NamedTuple):
    """One value as text: why it is unknown, all of it, its tone, its coverage."""

    text: str
    why: str = ""
    more: str = ""
    tone: str = ""  # gain | loss
    cover: tuple[float, str] | None = None


def wrap_page(*parts: str) -> str:
    """Put parts that are HTML into one frame that brings its style."""
    style = _STYLE.replace("\n", "")
    return f'<div class="hkr"><style>{style}</style><div>{"".join(parts)}</div></div>'


def _write_coverage_mark(share: float, words: str) -> str:
    """Write the coverage mark: solid is known, hatched is not."""
    label = escape(f"{percent(share)} known")
    bar = f'<i role="img" aria-label="{label}" style="--p:{100 * share:.2f}%"></i>'
    return f'<span class="c">{bar}{escape(words)}</span>'


def unknown(why: str) -> str:
    """Write the dash for what is not known, with its reason.

    The reason is text of the page, so that it is read out; it is seen on hover, on
    focus and on touch (`unknown.css`).

    >>> unknown("no price")
    '<span class="hk-unk" tabindex="0">–<span class="hk-why"> no price</span></span>'
    """
    said = f'<span class="hk-why"> {safe(why)}</span>'
    return f'<span class="hk-unk" tabindex="0">{UNKNOWN}{said}</span>'


def _write_content(cell: Cell) -> str:
    """Write what stands in a cell, with its marks."""
    if cell.text == UNKNOWN:
        return unknown(cell.why or NO_VALUE)
    text = safe(cell.text)
    if len(cell.text) > _LINE and " " in cell.text:
        text = f'<span class="l">{safe(cell.more) or text}</span>'
    elif cell.more:
        text = f'<span title="{safe(cell.more)}">{text}</span>'
    if cell.tone:
        text = f'<span class="{cell.tone}">{text}</span>'
    return text + (_write_coverage_mark(*cell.cover) if cell.cover else "")


def write_facts(facts: Iterable[tuple[str, Cell]]) -> str:
    """Write facts with their labels, side by side as far as there is room."""
    told = "".join(
        f"<div><dt>{safe(label)}</dt><dd>{_write_content(cell)}</dd></div>"
        for label, cell in facts
    )
    return f"<dl>{told}</dl>" if told else ""


def write_cell(cell: Cell, *, number: bool, head: bool) -> str:
    """Write a cell of a table; the first of a row names it."""
    place = ' class="n"' if number else ""
    tag, scope = ("th", ' scope="row"') if head else ("td", "")
    return f"<{tag}{scope}{place}>{_write_content(cell)}</{tag}>"
