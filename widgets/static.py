"""What stands for a tool where no kernel draws it: saved HTML, a closed notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from IPython.display import display
from ipywidgets import HTML, Widget

from widgets.panel import Panel
from widgets.panel.controls import name_control, write_value

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["StaticFallback"]

_STYLE: Final = """
.hks{font:13px/1.45 system-ui,sans-serif;border:1px solid #8886;border-radius:8px;
padding:10px 14px;max-width:1180px}
.hks dl{display:flex;flex-wrap:wrap;gap:4px 24px;margin:8px 0}
.hks dl>div{display:block}.hks :is(dt,dd){float:none;display:block;width:auto;margin:0}
.hks dt{font-size:12px;font-weight:400}.hks dd{font-weight:600}
.hks small{display:block;font-weight:400}
.hks button{display:none}
.hks :is(th,td){text-align:left;padding:3px 12px 3px 0;font-weight:400}
.hks caption{text-align:left;font-weight:600}
.jp-OutputArea:has(.hk-panel,.hk-table) .hks{display:none}
"""


class StaticFallback:
    """Shows a plain copy of a tool before the tool; a live one hides the copy.

    The copy holds what the tool showed first. It needs no script, so that a notebook
    saved or turned into HTML is not blank where the tool was.
    """

    static_title = ""

    def _ipython_display_(self, **_kwargs: object) -> None:
        name = type(self).__name__
        display({"text/html": self.static_html(), "text/plain": name}, raw=True)
        bundle: Any = self._repr_mimebundle_()  # pyright: ignore[reportAttributeAccessIssue]
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        display(data, metadata=metadata, raw=True)

    def static_html(self) -> str:
        """Write the figures and tables of the tool as they stand."""
        body = f"<b>{escape(self.static_title)}</b>" + "".join(_write_parts(self))
        return (
            f'<div class="hks"><style>{_STYLE}</style>{body}'
            "<p><small>A copy of what the tool showed first; run the cell to use it."
            "</small></p></div>"
        )


def _write_parts(widget: Any) -> Iterator[str]:
    rows = getattr(widget, "rows", None)
    if isinstance(widget, Panel):
        yield f"<p>{escape(' · '.join(_write_inputs(widget)))}</p>"
    markup = getattr(widget, "markup", "")
    if markup:
        yield markup.replace('class="hk-', 'class="hks-')
    if isinstance(widget, HTML):
        yield widget.value.replace('class="hk-', 'class="hks-')
    elif isinstance(rows, list) and isinstance(widget, Widget):
        yield _write_table(widget)
    for child in getattr(widget, "children", ()):
        yield from _write_parts(child)


def _write_inputs(panel: Panel) -> Iterator[str]:
    for control in panel.controls:
        hidden = control.get("hidden", False)
        if control["kind"] in {"select", "cards", "number"} and not hidden:
            label = name_control(control)
            yield f"{label}: {write_value(control, panel.values.get(control['name']))}"


def _write_table(table: Any) -> str:
    heads = "".join(
        f'<th scope="col">{escape(column["label"])}</th>' for column in table.columns
    )
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in table.rows
    )
    more = table.matched - len(table.rows)
    note = f"<p><small>{more:,} more rows</small></p>" if more > 0 else ""
    return (
        f"<table><caption>{escape(table.caption)}</caption><thead><tr>{heads}</tr>"
        f"</thead><tbody>{rows}</tbody></table>{note}"
    )
