"""The pages as HTML; every value in them is escaped, nothing comes from elsewhere."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Final, cast

from starlette.responses import HTMLResponse, Response

from holdings_kit.display._tokens import write_icon
from holdings_kit.sandbox._personas import BROKERS
from holdings_kit.sandbox._world import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from holdings_kit.sandbox._personas import Persona

PIN: Final = "1234"
_LOCAL: Final = "http://localhost:* http://127.0.0.1:*"
PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; "
        "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
        f"frame-ancestors 'self' {_LOCAL}"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def html_reply(
    page: str, status: int = 200, *, origins: tuple[str, ...] | None = None
) -> Response:
    """Answer a page that loads nothing from elsewhere.

    Only `origins` may show it in a frame; ``None`` lets every page of this machine.
    """
    reply = HTMLResponse(page, status, PAGE_HEADERS)
    if origins is not None:
        policy = reply.headers["Content-Security-Policy"]
        allowed = " ".join(origins)
        reply.headers["Content-Security-Policy"] = policy.replace(_LOCAL, allowed)
    return reply


_EXPLAINED: Final = {
    "user_mismatch": "You logged in with another account than the one linked before.",
    "consent_denied": "You did not allow the import. Nothing was shared.",
    "transaction_expired": "This import is used up or older than five minutes.",
    "no_broker": "That broker is not on the list yet.",
    "user_cancelled": "You left before the import was done. Nothing was shared.",
    "internal_error": "Something failed on our side.",
    "no_compatible_browser": "This browser cannot show the import: it blocks windows "
    "and knows no dialogs. Allow windows for this page, or use another browser.",
    "timed_out": "The broker has not answered in time. The import may still end.",
    "transaction_in_process": "An import is open already: finish it in its window.",
    "intent_not_enabled_for_broker": "That broker does not offer holdings imports.",
    "invalid_transactionId": "There is no such import.",
}


def render_welcome(gateway: str, personas: Iterable[Persona]) -> str:
    """Greet who opens the sandbox in a browser, and let them try an import."""
    rows = "".join(
        f'<tr><th scope="row">{escape(one.name)}'
        f'<span class="name"><code>{escape(one.key)}</code></span></th>'
        f"<td>{escape(BROKERS.get(one.broker, one.broker))}</td>"
        f'<td class="beside">{escape(one.account_id)}</td>'
        f"<td>{escape(one.story)}</td></tr>"
        for one in personas
    )
    return render_document(
        "Import holdings",
        f"<p>The Gateway <strong>{escape(gateway)}</strong> and Arrow, simulated. "
        "Import, log in as one of the people below, allow it: what they hold appears "
        f"here. Every PIN is {PIN}.</p>"
        '<div class="row"><button id="import">Import holdings</button>'
        '<span id="said" class="said" role="status"></span></div>'
        '<section id="outcome" aria-label="Imported"></section>'
        '<section id="wire" aria-label="What went over the wire" hidden>'
        "<h2>What went over the wire</h2>"
        "<details><summary>What the page got from the browser SDK</summary>"
        '<pre id="result" tabindex="0" aria-label="Result of the SDK"></pre></details>'
        "<details hidden><summary>What the Gateway answered the partner's server"
        "</summary><p><code>GET /v1/"
        f"{escape(gateway)}/engine/user/holdings?version=v2&amp;mfHoldings=true</code>"
        '</p><pre id="answer" tabindex="0" aria-label="Answer of the Gateway"></pre>'
        '</details><p>Its webhook, and every request: the <a href="/_sandbox/">'
        "inspector</a>.</p></section>"
        "<h2>Who can log in</h2>"
        '<div class="wide" tabindex="0" role="region" aria-label="People"><table>'
        '<thead><tr><th scope="col">Person</th><th scope="col">Broker</th>'
        '<th scope="col" class="beside">Arrow id</th><th scope="col">Story</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
        '<script src="/scdk/2.0.0/scdk.js"></script>'
        '<script type="module" src="/scdk/try.js"></script>',
        wide=True,
    )


def explain_end(message: str, reason: str = "") -> str:
    """Say in plain words why an import ended without holdings."""
    return _EXPLAINED.get(message, reason or "The import has ended.")


def render_chooser(transaction_id: str, brokers: Mapping[str, str]) -> str:
    """Ask for the broker."""
    buttons = "".join(
        f'<li><button class="broker" name="broker" value="{escape(key)}">'
        f'<span class="mark" aria-hidden="true">{escape(name[0])}</span>'
        f"{escape(name)}</button></li>"
        for key, name in brokers.items()
    )
    return _render_page(
        "Choose your broker",
        1,
        "<p>Your holdings are with one of these. You log in there next.</p>"
        f'<form method="post" action="/connect/{escape(transaction_id)}/choose">'
        f'<ul class="brokers">{buttons}</ul>'
        '<button class="quiet" name="broker" value="other">'
        "My broker is not here</button></form>" + _render_cancel_form(transaction_id),
    )


def render_login(
    transaction_id: str,
    broker: str,
    customers: Iterable[Persona],
    *,
    problem: str,
) -> str:
    """Ask who logs in, and for the PIN."""
    options = "".join(
        f'<option value="{escape(one.key)}">{escape(one.account_id)}: '
        f"{escape(one.name)}. {escape(one.story)}</option>"
        for one in customers
    )
    said = f'<p class="problem" id="problem" role="alert">{escape(problem)}</p>'
    described = "pin-help problem" if problem else "pin-help"
    invalid = ' aria-invalid="true" autofocus' if problem else ""
    return _render_page(
        f"Log in to {broker}",
        2,
        (said if problem else "")
        + f'<form method="post" action="/connect/{escape(transaction_id)}/login">'
        '<label for="persona">Customer</label>'
        f'<select id="persona" name="persona" required>{options}</select>'
        '<label for="pin">PIN</label>'
        '<input id="pin" name="pin" type="password" inputmode="numeric" required '
        f'autocomplete="off" aria-describedby="{described}"{invalid}>'
        f'<p class="help" id="pin-help">Every PIN here is {PIN}.</p>'
        "<button>Log in</button></form>" + _render_cancel_form(transaction_id),
    )


def render_consent(
    transaction_id: str, gateway: str, broker: str, persona: Persona, *, funds: bool
) -> str:
    """Ask for leave to import."""
    shared = ["stocks and ETFs", "smallcases", *(["mutual funds"] if funds else [])]
    items = "".join(f"<li>{escape(item)}</li>" for item in shared)
    address = f"/connect/{escape(transaction_id)}"
    return _render_page(
        "Allow the import?",
        3,
        f"<p><strong>{escape(gateway)}</strong> asks for a copy of what "
        f"{escape(persona.name)} ({escape(persona.account_id)}) holds at "
        f"{escape(broker)}, as of now:</p><ul>{items}</ul>"
        "<p>Nobody can trade with it.</p>"
        f'<form method="post" action="{address}/consent">'
        "<button>Allow</button></form>"
        f'<form method="post" action="{address}/deny">'
        '<button class="quiet">Do not allow</button></form>'
        + _render_cancel_form(transaction_id),
    )


def render_fund_pan(
    transaction_id: str, known: Iterable[tuple[str, str]], *, problem: str
) -> str:
    """Ask an investor in mutual funds for PAN and phone or e-mail."""
    people = "".join(
        f"<li><code>{escape(pan)}</code> {escape(name)}</li>" for pan, name in known
    )
    return _render_page(
        "Import mutual funds",
        2,
        _render_problem(problem)
        + "<p>Your funds stand with the registrars; no broker is asked. With units "
        f"here:</p><ul>{people}</ul>"
        f'<form method="post" action="/connect/{escape(transaction_id)}/pan">'
        '<label for="pan">PAN</label>'
        '<input id="pan" name="pan" required autocomplete="off" '
        'pattern="[A-Z]{5}[0-9]{4}[A-Z]">'
        '<label for="contact">Phone or e-mail</label>'
        '<input id="contact" name="contact" required autocomplete="off">'
        "<button>Send the OTP</button></form>" + _render_cancel_form(transaction_id),
        _FUND_STEPS,
    )


def render_fund_otp(transaction_id: str, otp: str, *, problem: str) -> str:
    """Ask for the one-time password."""
    return _render_page(
        "Enter the OTP",
        3,
        _render_problem(problem)
        + f'<form method="post" action="/connect/{escape(transaction_id)}/otp">'
        '<label for="otp">OTP</label>'
        '<input id="otp" name="otp" inputmode="numeric" required autocomplete="off" '
        'aria-describedby="otp-help">'
        f'<p class="help" id="otp-help">Every OTP here is {escape(otp)}.</p>'
        "<button>Import</button></form>" + _render_cancel_form(transaction_id),
        _FUND_STEPS,
    )


def _render_problem(problem: str) -> str:
    said = f'<p class="problem" role="alert">{escape(problem)}</p>'
    return said if problem else ""


def render_done(*, processing: bool) -> str:
    """Say that the import is on its way, or done."""
    if processing:
        said = "The broker is still answering. The import ends by itself."
        return _render_page("Almost done", 4, f"<p>{said}</p>")
    said = "Your holdings are imported. You can close this window."
    return _render_page("Done", 4, f'<p class="good">{said}</p>')


def render_failed(message: str, code: int, reason: str) -> str:
    """Say why the import ended."""
    said = explain_end(message, reason)
    return _render_page(
        "The import has ended",
        4,
        f'<p class="problem" role="alert">{escape(said)}</p>'
        f"<p>You can close this window and start again.</p>"
        f'<p class="help">{escape(message)} ({code})</p>',
    )


def _render_cancel_form(transaction_id: str) -> str:
    return (
        f'<form method="post" action="/connect/{escape(transaction_id)}/cancel">'
        '<button class="quiet">Cancel</button></form>'
    )


_STEPS: Final = ("Broker", "Log in", "Consent", "Done")
_FUND_STEPS: Final = ("Start", "PAN", "OTP", "Done")


def _render_page(
    title: str, step: int, body: str, names: tuple[str, ...] = _STEPS
) -> str:
    current = ' aria-current="step"'
    steps = "".join(
        f"<li{current if number == step else ''}>{name}</li>"
        for number, name in enumerate(names, 1)
    )
    nav = f'<nav aria-label="Steps"><ol>{steps}</ol></nav>'
    return render_document(title, body, nav)


def render_document(title: str, body: str, nav: str = "", *, wide: bool = False) -> str:
    """Put a body into a page; a wide one takes the window and names the others."""
    focus = "" if " autofocus" in body else " autofocus"  # else on the field at fault
    return (
        '<!doctype html><html lang="en-IN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · sandbox</title>{write_icon()}"
        '<link rel="stylesheet" href="/scdk/tokens.css">'
        '<link rel="stylesheet" href="/scdk/pages.css"></head>'
        f"<body{' class=wide-page' if wide else ''}>"
        '<header><p class="banner"><b>Sandbox</b>: invented people, no real broker</p>'
        f"{_write_site(title) if wide else nav}</header>"
        f'<main><h1 tabindex="-1"{focus}>{escape(title)}</h1>{body}</main>'
        "</body></html>"
    )


_SITE: Final = {
    "Import holdings": "/",
    "Inspector": "/_sandbox/",
    "Contracts": "/docs",
}


def _write_site(title: str) -> str:
    links = "".join(
        f'<a href="{path}"{" aria-current=page" if name == title else ""}>{name}</a>'
        for name, path in _SITE.items()
    )
    return f'<nav aria-label="Pages">{links}</nav>'


def render_inspector(index: Mapping[str, str]) -> str:
    """Write the page on what was asked, answered and delivered, with the clock.

    Its data come from the controls of the sandbox, listed in `index`, and are written
    as text, never as HTML (``static/inspector.js``).
    """
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


def render_contracts(document: Mapping[str, object]) -> str:
    """Write the contracts (OpenAPI) as a page: an anchor for each call and schema."""
    paths = cast("dict[str, dict[str, Mapping[str, object]]]", document["paths"])
    components = cast(
        "dict[str, dict[str, Mapping[str, object]]]", document["components"]
    )
    hooks = cast("dict[str, dict[str, Mapping[str, object]]]", document["webhooks"])
    calls = [
        (method.upper(), path, call)
        for path, methods in paths.items()
        for method, call in methods.items()
    ]
    calls += [("WEBHOOK", name, methods["post"]) for name, methods in hooks.items()]
    links = "".join(
        f'<li><a href="#{_name_anchor(method, path)}">'
        f"<code>{method} {escape(path)}</code></a></li>"
        for method, path, _call in calls
    )
    sections = "".join(_render_call(*each) for each in calls)
    schemas = "".join(
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        f"<pre>{_link_schemas(schema)}</pre></details>"
        for name, schema in components["schemas"].items()
    )
    return render_document(
        "Contracts",
        '<p>Both APIs as the sandbox answers them: <a href="/openapi.json">openapi.json'
        f'</a>, OpenAPI 3.1.</p><ul class="calls">{links}</ul>{sections}'
        f"<h2>Schemas</h2>{schemas}",
        wide=True,
    )


def _render_call(method: str, path: str, call: Mapping[str, object]) -> str:
    inputs = "".join(
        f"<li><code>{escape(str(one['name']))}</code> in {escape(str(one['in']))}: "
        f"<code>{escape(json.dumps(one['schema']))}</code></li>"
        for one in cast("list[Mapping[str, object]]", call.get("parameters", []))
    )
    body = call.get("requestBody")
    answers = "".join(
        f"<h4>{escape(status)}</h4><pre>{_link_schemas(answer)}</pre>"
        for status, answer in cast(
            "dict[str, Mapping[str, object]]", call["responses"]
        ).items()
    )
    return (
        f'<section class="call"><h2 id="{_name_anchor(method, path)}">'
        f"<code>{method} {escape(path)}</code></h2>"
        f"<p>{escape(str(call['summary']))}</p>"
        + (f"<ul>{inputs}</ul>" if inputs else "")
        + (f"<h3>Body</h3><pre>{_link_schemas(body)}</pre>" if body else "")
        + f"<details><summary>Answers</summary>{answers}</details></section>"
    )


def _name_anchor(method: str, path: str) -> str:
    return escape(f"{method}{path}".replace("{", "").replace("}", "").replace("/", "-"))


def _link_schemas(value: object) -> str:
    """Write a schema with a link to each one it names."""
    start = "&quot;#/components/schemas/"
    head, *rest = escape(json.dumps(value, indent=2)).split(start)
    linked = [head]
    for part in rest:
        name, tail = part.split("&quot;", 1)
        linked.append(f'<a href="#{name}">&quot;{name}&quot;</a>{tail}')
    return "".join(linked)
