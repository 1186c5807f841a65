"""What stands for a tool where no kernel draws it: saved HTML, a closed notebook."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Any, Final

import ipywidgets
from IPython.display import HTML, display

from holdings_kit.display._frame_view import NUMBERS, write_table_row
from holdings_kit.display._numbers import number_of
from holdings_kit.display._page import Cell, wrap_page, write_cell
from widgets.panel import Panel
from widgets.panel.controls import name_control, write_value

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOSTS: Final = (".jp-OutputArea", ".cell_container")
"""What holds the outputs of one cell: JupyterLab, Notebook and Voilà; VS Code."""
_RIGHT: Final = ' class="n"'
# Four times the class, so that the rules of a host's own tables do not win.
_STYLE: Final = (
    """
.hks h3{margin:8px 0 4px;font-size:15px;font-weight:600;line-height:1.3}
.hks b{font-weight:600}.hks .hks-empty span{display:block}
.hks :is(dt,dd){float:none;display:block;width:auto}
.hks dd{font-weight:600}.hks small{display:block;font-size:11.5px;font-weight:400}
.hks :is(button,.hks-hidden){display:none}
.hks caption{text-align:left;font-weight:600;color:inherit;padding:4px 0}
.hks.hks.hks.hks .hks-bars :is(th,td):not(:first-child),
.hks.hks.hks.hks .hks-num{text-align:right}
"""
    + ",".join(f"{host}:has(.hk-panel,.hk-table) .hks" for host in _HOSTS)
    + "{display:none}"
)


class StaticFallback:
    """Shows a plain copy of a tool before the tool; a live one hides the copy.

    The copy holds what the tool showed first. It needs no script, so that a notebook
    saved or turned into HTML is not blank where the tool was. It is all that marimo
    shows of a tool of several widgets, which it cannot run.
    """

    static_title = ""

    def _ipython_display_(self, **_kwargs: object) -> None:
        name = type(self).__name__
        display({"text/html": self.static_html(), "text/plain": name}, raw=True)
        bundle: Any = self._repr_mimebundle_()  # pyright: ignore[reportAttributeAccessIssue]
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        display(data, metadata=metadata, raw=True)

    def _display_(self) -> HTML:
        """Give marimo, which calls this before all else, the copy."""
        return HTML(self.static_html())

    def static_html(self) -> str:
        """Write the figures and tables of the tool as they stand."""
        title = f'<p class="h">{escape(self.static_title)}</p>'
        page = wrap_page(
            title if self.static_title else "",
            *_write_parts(self),
            "<p>A copy of what the tool showed first; run the cell to use it.</p>",
        )
        style = _STYLE.replace("\n", "")
        return f'<div class="hks"><style>{style}</style>{page}</div>'


def _write_parts(widget: Any) -> Iterator[str]:
    rows = getattr(widget, "rows", None)
    if isinstance(widget, Panel):
        if inputs := [*_write_inputs(widget)]:
            yield f"<p>{escape(' · '.join(inputs))}</p>"
        yield _write_beside(widget)
    markup = getattr(widget, "markup", "")
    if markup:
        yield _rename(markup)
    if isinstance(widget, ipywidgets.HTML):
        yield _rename(widget.value)
    elif isinstance(rows, list) and isinstance(widget, ipywidgets.Widget):
        yield _write_table(widget)
    for child in getattr(widget, "children", ()):
        yield from _write_parts(child)


def _rename(markup: str) -> str:
    """Take the classes that a live tool's rules are for; a dash keeps its own."""
    return re.sub(r'class="hk-(?!unk"|why")', 'class="hks-', markup)


def _write_inputs(panel: Panel) -> Iterator[str]:
    for control in panel.controls:
        hidden = control.get("hidden", False)
        if control["kind"] in {"select", "cards", "number"} and not hidden:
            label = name_control(control)
            yield f"{label}: {write_value(control, panel.values.get(control['name']))}"


def _write_beside(panel: Panel) -> str:
    """Write what stands beside the sliders of a panel; empty where nothing does."""
    grids = [c for c in panel.controls if c["kind"] == "grid" and c.get("beside")]
    if not panel.beside or not grids:
        return ""
    grid = grids[0]
    labels = {row: label for row, label, *_ in grid["rows"]}
    smalls = {row: small for row, *_, small in grid["rows"]}
    cells = "".join(
        f'<tr><th scope="row">{escape(labels.get(row, said.get("label", row)))}'
        f"<small>{escape(smalls.get(row, said.get('small', '')))}</small></th>"
        + "".join(
            write_cell(
                Cell(said[name], why=said.get("why", "")), number=True, head=False
            )
            for name in ("value", "effect")
        )
        + "</tr>"
        for row in [*labels, grid.get("rest")]
        if (said := panel.beside.get(row))
    )
    heads = "".join(
        f'<th scope="col" class="n">{escape(head)}</th>' for head in grid["beside"]
    )
    heads = f'<th scope="col">{escape(grid["first"])}</th>{heads}'
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{cells}</tbody></table>"


def _write_table(table: Any) -> str:
    right = [column["kind"] in NUMBERS for column in table.columns]
    heads = "".join(
        f'<th scope="col"{_RIGHT * number}>{escape(column["label"])}</th>'
        for column, number in zip(table.columns, right, strict=True)
    )
    rows = "".join(
        write_table_row([Cell(*cell) for cell in zip(row, whys, strict=False)], right)
        for row, whys in zip(table.rows, table.whys, strict=True)
    )
    left = table.matched - len(table.rows)
    label = escape(table.caption)
    return (
        f'<div class="w" role="region" tabindex="0" aria-label="{label}"><table>'
        f"<caption>{label}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
        + (f"<p>{number_of(left, 'more row')}</p>" if left > 0 else "")
    )
