"""What the browser asks for: the SDK stand-in, its calls, and the pages.

Every value in a page is escaped; nothing comes from elsewhere.
"""

from __future__ import annotations

import asyncio
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Final, cast

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from holdings_kit.errors import ConfigError
from holdings_kit.sandbox._control import play
from holdings_kit.sandbox._gateway import claims_of, details
from holdings_kit.sandbox._imports import SDK_CODES, StepRefusedError, Transaction
from holdings_kit.sandbox._personas import BROKERS
from holdings_kit.sandbox._replies import RefusedError, body_of, json_reply, world_of
from holdings_kit.wire import mint_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request

    from holdings_kit.sandbox._personas import Persona
    from holdings_kit.sandbox._world import World

__all__ = [
    "PIN",
    "render_chooser",
    "render_consent",
    "render_done",
    "render_failed",
    "render_login",
    "render_welcome",
    "routes",
]


PIN: Final = "1234"
_STEPS: Final = ("choose", "login", "consent", "deny", "cancel")
_STATIC: Final = {
    "scdk.js": "text/javascript",
    "pages.css": "text/css",
    "try.js": "text/javascript",
}
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'self' http://localhost:* http://127.0.0.1:*"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def routes() -> list[Route]:
    """List the browser's routes."""
    return [
        Route("/scdk/2.0.0/scdk.js", _send_static),
        Route("/scdk/pages.css", _send_static),
        Route("/scdk/try.js", _send_static),
        Route("/", _show_welcome),
        Route("/_sandbox/try", _start_import, methods=["POST"]),
        *(
            Route(f"/scdk/{call}", _answer_sdk, methods=["POST"])
            for call in ("init", "trigger", "status", "closed")
        ),
        Route("/connect/{transaction_id}", _show_chooser),
        Route("/connect/{transaction_id}/{step}", _show_step),
        Route("/connect/{transaction_id}/{step}", _submit_step, methods=["POST"]),
    ]


async def _send_static(request: Request) -> Response:
    name = request.url.path.rsplit("/", 1)[-1]
    body = files("holdings_kit.sandbox").joinpath("static", name).read_bytes()
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(body, headers=headers, media_type=_STATIC[name])


async def _answer_sdk(request: Request) -> Response:
    """Answer the SDK stand-in: always 200, an ``error`` where something is wrong."""
    world, body = world_of(request), await body_of(request)
    if not isinstance(body, dict):
        raise RefusedError(400, "The body is not a JSON object")
    fields = cast("dict[str, object]", body)
    asked = {name: str(value) for name, value in fields.items()}
    call = request.url.path.rsplit("/", 1)[-1]
    try:
        claims = claims_of(
            world, asked.get("gateway", ""), asked.get("smallcaseAuthToken", "")
        )
        if call == "init":
            return json_reply({"connected": claims.auth_id is not None})
        transaction_id = asked.get("transactionId", "")
        with world.lock:
            if call == "trigger":
                world.imports.trigger(transaction_id)
            found = world.imports.get(transaction_id)
            if call == "closed" and found.status == "INITIALIZED":
                found = world.imports.cancel(transaction_id)
    except RefusedError as error:
        known = error.message == "Invalid JWT"
        message = "invalid_jwt" if known else "invalid_gateway"
        return _sdk_error(message, SDK_CODES[message])
    except StepRefusedError as error:
        return _sdk_error(error.message, error.code)
    await asyncio.to_thread(world.pump)
    return json_reply({**details(world, found), "page": f"/connect/{found.id}"})


def _sdk_error(message: str, code: int) -> Response:
    return json_reply({"error": {"message": message, "code": code}})


async def _show_welcome(request: Request) -> Response:
    world = world_of(request)
    page = render_welcome(world.credentials.gateway, world.timeline.personas.values())
    return _html_reply(page)


async def _start_import(request: Request) -> Response:
    """Do what a partner's server does before its page calls the SDK."""
    world = world_of(request)
    with world.lock:
        made = world.imports.create(
            intent="HOLDINGS_IMPORT",
            version="v2",
            mutual_funds=True,
            notes=None,
            auth_id=None,
        )
    return json_reply(
        {
            "gateway": world.credentials.gateway,
            "smallcaseAuthToken": mint_token(world.credentials.shared_secret),
            "transactionId": made.id,
        }
    )


async def _show_chooser(request: Request) -> Response:
    return _answer_step(request, "choose")


async def _show_step(request: Request) -> Response:
    return _answer_step(request, str(request.path_params["step"]))


async def _submit_step(request: Request) -> Response:
    world, step = world_of(request), str(request.path_params["step"])
    transaction_id = str(request.path_params["transaction_id"])
    if step not in _STEPS:
        raise RefusedError(404)
    form = await request.form()
    persona, broker, pin = (
        str(form.get(name, "")) for name in ("persona", "broker", "pin")
    )
    if step == "login" and pin != PIN:
        return _answer_step(
            request, "login", "That PIN is wrong. The sandbox's PIN is 1234."
        )
    try:
        done = play(world, step, transaction_id, persona=persona, broker=broker)
    except ConfigError:
        return _answer_step(request, "login", "Choose one of the customers.")
    except StepRefusedError as error:
        if error.message == "login_refused":
            return _answer_step(
                request, "login", "That is a customer of another broker."
            )
        return _html_reply(render_failed(error.message, error.code, error.reason), 409)
    await asyncio.to_thread(world.pump)
    goal = _next_step(done)
    return RedirectResponse(f"/connect/{done.id}/{goal}", 303, _HEADERS)


def _next_step(done: Transaction) -> str:
    if done.error is not None:
        return "error"
    if done.status == "INITIALIZED":
        return "login"
    return "consent" if done.status == "USED" else "done"


def _answer_step(request: Request, step: str, problem: str = "") -> Response:
    world = world_of(request)
    transaction_id = str(request.path_params["transaction_id"])
    try:
        with world.lock:
            found = world.imports.get(transaction_id)
    except StepRefusedError as error:
        return _html_reply(render_failed(error.message, error.code, error.reason), 404)
    page = _render_step(world, found, step, problem)
    if page is None:
        return RedirectResponse(
            f"/connect/{found.id}/{_next_step(found)}", 303, _HEADERS
        )
    return _html_reply(page, 422 if problem else 200)


def _render_step(
    world: World, found: Transaction, step: str, problem: str
) -> str | None:
    """Write the page of a step; ``None`` when the import is not at that step."""
    if found.error is not None:
        return render_failed(*found.error, "")
    if found.status in {"PROCESSING", "COMPLETED"}:
        return render_done(processing=found.status == "PROCESSING")
    if step == "choose" and found.status == "INITIALIZED":
        return render_chooser(found.id, BROKERS)
    if step == "login" and found.status == "INITIALIZED" and found.broker:
        customers = [
            one
            for one in world.timeline.personas.values()
            if one.broker == found.broker
        ]
        return render_login(
            found.id, BROKERS[found.broker], customers, pin=PIN, problem=problem
        )
    if step == "consent" and found.status == "USED" and found.persona:
        return render_consent(
            found.id,
            world.credentials.gateway,
            BROKERS[found.persona.broker],
            found.persona,
            funds=found.mutual_funds,
        )
    return None


def _html_reply(page: str, status: int = 200) -> Response:
    return HTMLResponse(page, status, _HEADERS)


_EXPLAINED: Final = {
    "user_mismatch": "You logged in with another account than the one linked before.",
    "consent_denied": "You did not allow the import. Nothing was shared.",
    "transaction_expired": "This import is used up or older than five minutes.",
    "no_broker": "That broker is not on the list yet.",
    "user_cancelled": "You left before the import was done. Nothing was shared.",
    "internal_error": "Something failed on our side.",
    "intent_not_enabled_for_broker": "That broker does not offer holdings imports.",
    "invalid_transactionId": "There is no such import.",
}


def render_welcome(gateway: str, personas: Iterable[Persona]) -> str:
    """Greet who opens the sandbox in a browser, and let them try an import."""
    rows = "".join(
        f'<tr><th scope="row">{escape(one.key)}</th><td>{escape(one.broker)}</td>'
        f"<td>{escape(one.account_id)}</td><td>{escape(one.story)}</td></tr>"
        for one in personas
    )
    return _render_document(
        "Sandbox",
        f"<p>Gateway <strong>{escape(gateway)}</strong> and Arrow, simulated.</p>"
        '<button id="import">Import holdings</button>'
        '<pre id="said" role="status"></pre>'
        "<h2>Who can log in</h2>"
        '<div class="wide" tabindex="0" role="region" aria-label="Personas"><table>'
        '<thead><tr><th scope="col">Persona</th><th scope="col">Broker</th>'
        '<th scope="col">Arrow id</th><th scope="col">Story</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        '<script src="/scdk/2.0.0/scdk.js"></script>'
        '<script type="module" src="/scdk/try.js"></script>',
    )


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
    pin: str,
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
        f'<p class="help" id="pin-help">Every PIN here is {escape(pin)}.</p>'
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


def render_done(*, processing: bool) -> str:
    """Say that the import is on its way, or done."""
    if processing:
        said = "The broker is still answering. The import ends by itself."
        return _render_page("Almost done", 4, f"<p>{said}</p>")
    said = "Your holdings are imported. You can close this window."
    return _render_page("Done", 4, f'<p class="good">{said}</p>')


def render_failed(message: str, code: int, reason: str) -> str:
    """Say why the import ended."""
    said = _EXPLAINED.get(message, reason or "The import has ended.")
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


def _render_page(title: str, step: int, body: str) -> str:
    names = ("Broker", "Log in", "Consent", "Done")
    current = ' aria-current="step"'
    steps = "".join(
        f"<li{current if number == step else ''}>{name}</li>"
        for number, name in enumerate(names, 1)
    )
    nav = f'<nav aria-label="Steps"><ol>{steps}</ol></nav>'
    return _render_document(title, body, nav)


def _render_document(title: str, body: str, nav: str = "") -> str:
    focus = "" if " autofocus" in body else " autofocus"  # else on the field at fault
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · sandbox</title>"
        '<link rel="stylesheet" href="/scdk/pages.css"></head><body>'
        '<header><p class="banner">Sandbox: invented people, no real broker</p>'
        f"{nav}</header>"
        f'<main><h1 tabindex="-1"{focus}>{escape(title)}</h1>{body}</main>'
        "</body></html>"
    )
