"""Small pieces of HTML, each of which escapes every text it is given."""

from __future__ import annotations

import base64
import io
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from holdings_kit.display._numbers import UNKNOWN
from holdings_kit.display._page import NO_VALUE, unknown
from holdings_kit.display._tokens import read_dash_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matplotlib.figure import Figure

Tone: TypeAlias = Literal["plain", "good", "warn", "bad", "stale"]


def read_style(path: Path) -> str:
    """Read the rules of a widget, after the colours and the dash of all pages."""
    tokens = resources.files("holdings_kit").joinpath("display", "tokens.css")
    shared = tokens.read_text(encoding="utf-8") + read_dash_rules()
    return shared + path.read_text(encoding="utf-8")


def read_script(path: Path) -> str:
    """Read a widget's script, after the dash and what tells that the kernel is gone."""
    here = Path(__file__).parent
    files = (here / "dash.js", here / "watch.js", path)
    return "".join(file.read_text(encoding="utf-8") for file in files)


def notice(text: str, tone: Tone = "plain") -> str:
    """Say one thing in a box; empty text gives nothing.

    >>> notice("a < b", "warn")
    '<p class="hk-notice hk-warn">a &lt; b</p>'
    """
    role = ' role="status"' if tone == "stale" else ""
    return f'<p class="hk-notice hk-{tone}"{role}>{escape(text)}</p>' if text else ""


def bars(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[tuple[str, Sequence[tuple[str, float]]]],
    *,
    whys: Mapping[str, str] | None = None,
    losses: bool = False,
) -> str:
    """Draw a table whose cells carry a bar: a fraction in [0, 1], and its text.

    A dash says why its row is unknown: `whys` by the row's name.
    """
    kind = "hk-bars hk-losses" if losses else "hk-bars"
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(
            f'<td style="--part:{min(max(part, 0.0), 1.0):.4f}">'
            f"<span>{_write_text(text, (whys or {}).get(name))}</span></td>"
            for text, part in cells
        )
        + "</tr>"
        for name, cells in rows
    )
    return (
        f'<table class="{kind}"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    )


def _write_text(text: str, why: str | None) -> str:
    return unknown(why or NO_VALUE) if text == UNKNOWN else escape(text)


def picture(figure: Figure) -> str:
    """Turn a figure into an image whose alternative text is the figure's label.

    A picture of `hk.plot` follows the theme of the page; any other is pixels.

    >>> from matplotlib.figure import Figure
    >>> made = Figure()
    >>> made.set_label('weights & "values"')
    >>> picture(made)[:45]
    '<img class="hk-picture" alt="weights &amp; &q'
    """
    said = escape(str(figure.get_label()) or "Picture without a description")
    drawing: str | None = getattr(figure, "_repr_svg_", lambda: None)()
    kind, file = "svg+xml", io.BytesIO((drawing or "").encode())
    if drawing is None:
        kind = "png"
        figure.savefig(file, format="png", dpi=110)
    data = base64.b64encode(file.getvalue()).decode()
    return (
        f'<img class="hk-picture" alt="{said}" src="data:image/{kind};base64,{data}">'
    )
