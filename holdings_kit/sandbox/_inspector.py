"""The inspector: a page on what was asked, answered and delivered, with the clock.

Its data come from the controls of the sandbox and are written as text, never as HTML
(``static/inspector.js``).
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from holdings_kit.sandbox._render import render_document
from holdings_kit.sandbox._trigger import EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["render_inspector"]


def render_inspector(index: Mapping[str, str]) -> str:
    """Write the page; `index` lists the controls it stands on."""
    rows = "".join(
        f'<tr><th scope="row"><code>{escape(call)}</code></th>'
        f"<td>{escape(what)}</td></tr>"
        for call, what in index.items()
    )
    lengths = {"1m": "1 min", "15m": "15 min", "1h": "1 h", "1d": "1 day"}
    steps = "".join(
        f'<button type="button" data-advance="{length}">+{words}</button>'
        for length, words in lengths.items()
    )
    shown = {"webhooks": "Webhooks", "requests": "Requests"}
    shown["transactions"] = "Transactions"
    tabs = "".join(
        f'<button type="button" data-show="{name}" '
        f'aria-pressed="{str(name == "webhooks").lower()}">{words}</button>'
        for name, words in shown.items()
    )
    events = "".join(f"<option>{event}</option>" for event in EVENTS)
    flags = "".join(
        f'<label><input type="checkbox" name="{name}"> {name}</label>'
        for name in ("duplicate", "forged", "reorder")
    )
    return render_document(
        "Inspector",
        '<section class="bar" aria-label="Clock">'
        '<p>It is <strong id="now">…</strong></p>'
        f'<div class="row">{steps}'
        '<button type="button" id="reset" class="quiet">Reset everything</button></div>'
        "</section>"
        '<section class="bar" aria-label="Webhooks">'
        '<form id="register" class="row"><label for="url">Webhook URL</label>'
        '<input id="url" name="url" type="url" required '
        'placeholder="http://127.0.0.1:8000/hook" size="30">'
        "<button>Register</button></form>"
        '<form id="fire" class="row"><label for="event">Event</label>'
        f'<select id="event" name="event">{events}</select>'
        '<label for="persona">of</label>'
        '<select id="persona" name="persona"></select>'
        '<label for="late">late by</label>'
        '<input id="late" name="late" placeholder="24h" size="5">'
        f"{flags}<button>Fire</button></form></section>"
        '<p id="said" role="status" aria-live="polite"></p>'
        '<div class="split"><section aria-label="What happened">'
        '<div class="row" role="group" aria-label="Show">'
        f"{tabs}</div>"
        '<ul id="list" class="events"></ul></section>'
        '<section id="details" aria-label="Details" tabindex="-1">'
        '<p class="help">Choose one on the left; the arrow keys move.</p>'
        "</section></div>"
        f"<details><summary>Controls</summary><table>{rows}</table></details>"
        '<script type="module" src="/scdk/inspector.js"></script>',
        wide=True,
    )
