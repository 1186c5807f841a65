"""What the browser asks for: the SDK stand-in, its calls, and the pages."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import TYPE_CHECKING, Final, cast

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from holdings_kit.display._tokens import read_stylesheet
from holdings_kit.errors import ConfigError
from holdings_kit.sandbox._control import play
from holdings_kit.sandbox._fund_import import OTP, ask_for_otp, pan_of, verify_otp
from holdings_kit.sandbox._gateway import claims_of, details
from holdings_kit.sandbox._imports import (
    MF_INTENT,
    SDK_CODES,
    StepRefusedError,
    Transaction,
)
from holdings_kit.sandbox._outcome import show_holdings
from holdings_kit.sandbox._personas import BROKERS
from holdings_kit.sandbox._render import (
    PAGE_HEADERS,
    PIN,
    explain_end,
    html_reply,
    render_chooser,
    render_consent,
    render_done,
    render_failed,
    render_fund_otp,
    render_fund_pan,
    render_login,
    render_welcome,
)
from holdings_kit.sandbox._replies import (
    RefusedError,
    body_of,
    json_reply,
    object_of,
    world_of,
)
from holdings_kit.wire import mint_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from holdings_kit.sandbox._world import World

_STEPS: Final = ("choose", "login", "consent", "deny", "cancel")
_FUND_STEPS: Final = ("pan", "otp")
_STATIC: Final = {
    "scdk.js": "text/javascript",
    "pages.css": "text/css",
    "try.js": "text/javascript",
    "inspector.js": "text/javascript",
}


def routes() -> list[Route]:
    """List the browser's routes."""
    return [
        Route("/scdk/2.0.0/scdk.js", _send_static),
        *(
            Route(f"/scdk/{name}", _send_static)
            for name in ("tokens.css", "pages.css", "try.js", "inspector.js")
        ),
        Route("/", _show_welcome),
        Route("/_sandbox/try", _start_import, methods=["POST"]),
        Route("/_sandbox/try/outcome", _show_outcome, methods=["POST"]),
        *(
            Route(f"/scdk/{call}", _answer_sdk, methods=["POST"])
            for call in ("init", "trigger", "status", "closed")
        ),
        Route("/connect/{transaction_id}", _show_step),
        Route("/connect/{transaction_id}/{step}", _show_step),
        Route("/connect/{transaction_id}/{step}", _submit_step, methods=["POST"]),
    ]


async def _send_static(request: Request) -> Response:
    name = request.url.path.rsplit("/", 1)[-1]
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if name == "tokens.css":
        return Response(read_stylesheet(), headers=headers, media_type="text/css")
    body = files("holdings_kit.sandbox").joinpath("static", name).read_bytes()
    return Response(body, headers=headers, media_type=_STATIC[name])


async def _answer_sdk(request: Request) -> Response:
    """Answer the SDK stand-in: always 200, an ``error`` where something is wrong."""
    world, fields = world_of(request), await object_of(request)
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
                found = world.imports.trigger(transaction_id)
                found.brokers = _read_brokers(fields.get("brokers"))
            found = world.imports.get(transaction_id)
            if call == "closed" and found.status == "INITIALIZED":
                found = world.imports.cancel(transaction_id)
    except RefusedError as error:
        known = error.message == "Invalid JWT"
        message = "invalid_jwt" if known else "invalid_gateway"
        return _write_sdk_error(message, SDK_CODES[message])
    except StepRefusedError as error:
        return _write_sdk_error(error.message, error.code)
    await asyncio.to_thread(world.pump)
    return json_reply(
        {
            **details(world, found),
            "page": f"/connect/{found.id}",
            "nested": world.settings.nested_result,
        }
    )


def _read_brokers(asked: object) -> tuple[str, ...] | None:
    """Read the list that limits the chooser; ``None`` or an empty one does not."""
    if not isinstance(asked, list) or not asked:
        return None
    return tuple(str(one) for one in cast("list[object]", asked))


def _write_sdk_error(message: str, code: int) -> Response:
    return json_reply({"error": {"message": message, "code": code}})


async def _show_welcome(request: Request) -> Response:
    world = world_of(request)
    page = render_welcome(world.credentials.gateway, world.named)
    return html_reply(page)


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


async def _show_outcome(request: Request) -> Response:
    """Show what the SDK's result stands for: holdings, or why there are none."""
    world, body = world_of(request), await body_of(request)
    asked = cast("dict[str, object]", body) if isinstance(body, dict) else {}
    message = str(asked.get("message", ""))
    if message:
        return json_reply({"said": explain_end(message), "page": "", "answer": None})
    try:
        with world.lock:
            found = world.imports.get(str(asked.get("transactionId", "")))
    except StepRefusedError as error:
        raise RefusedError(404, error.message) from None
    if found.status != "COMPLETED" or found.persona is None:
        raise RefusedError(409, f"The import is {found.status}: there are no holdings")
    shown = show_holdings(world, found.persona, funds=found.mutual_funds)
    if shown is None:
        raise RefusedError(409, "The user has not imported holdings here")
    return json_reply(shown._asdict())


async def _show_step(request: Request) -> Response:
    return _answer_step(request, str(request.path_params.get("step", "choose")))


async def _submit_step(request: Request) -> Response:
    world, step = world_of(request), str(request.path_params["step"])
    transaction_id = str(request.path_params["transaction_id"])
    form = await request.form()
    if step in _FUND_STEPS:
        return await _submit_fund_step(request, step, dict(form))
    if step not in _STEPS:
        raise RefusedError(404)
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
        return _answer_failure(world, error, 409)
    await asyncio.to_thread(world.pump)
    return _lead_on(done)


async def _submit_fund_step(
    request: Request, step: str, form: Mapping[str, object]
) -> Response:
    """Take PAN or OTP; what is wrong with it stands on the same page."""
    world = world_of(request)
    transaction_id = str(request.path_params["transaction_id"])
    try:
        with world.lock:
            if step == "pan":
                pan, contact = (str(form.get(name, "")) for name in ("pan", "contact"))
                done = ask_for_otp(world, transaction_id, pan=pan, contact=contact)
            else:
                done = verify_otp(world, transaction_id, str(form.get("otp", "")))
    except RefusedError as error:
        return _answer_step(request, step, f"{error.message}.")
    await asyncio.to_thread(world.pump)
    return _lead_on(done)


def _lead_on(done: Transaction) -> Response:
    """Send the browser to the step that comes next."""
    goal = f"/connect/{done.id}/{_name_next_step(done)}"
    return RedirectResponse(goal, 303, PAGE_HEADERS)


def _answer_failure(world: World, error: StepRefusedError, status: int) -> Response:
    page = render_failed(error.message, error.code, error.reason)
    return html_reply(page, status, origins=world.settings.origins)


def _name_next_step(done: Transaction) -> str:
    if done.error is not None:
        return "error"
    if done.intent == MF_INTENT and done.status in {"INITIALIZED", "USED"}:
        return "pan" if done.status == "INITIALIZED" else "otp"
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
        return _answer_failure(world, error, 404)
    page = _render_step(world, found, step, problem)
    if page is None:
        return _lead_on(found)
    return html_reply(page, 422 if problem else 200, origins=world.settings.origins)


def _render_step(
    world: World, found: Transaction, step: str, problem: str
) -> str | None:
    """Write the page of a step; ``None`` when the import is not at that step."""
    if found.error is not None:
        return render_failed(*found.error, "")
    if found.status in {"PROCESSING", "COMPLETED"}:
        return render_done(processing=found.status == "PROCESSING")
    if found.intent == MF_INTENT:
        return _render_fund_step(world, found, step, problem)
    return _render_broker_step(world, found, step, problem)


def _render_fund_step(
    world: World, found: Transaction, step: str, problem: str
) -> str | None:
    if step == "pan" and found.status == "INITIALIZED":
        known = [(pan_of(one), one.name) for one in world.named if one.mutual_funds]
        return render_fund_pan(found.id, known, problem=problem)
    if step == "otp" and found.status == "USED":
        return render_fund_otp(found.id, OTP, problem=problem)
    return None


def _render_broker_step(
    world: World, found: Transaction, step: str, problem: str
) -> str | None:
    if step == "choose" and found.status == "INITIALIZED":
        allowed = BROKERS if found.brokers is None else found.brokers
        offered = {key: name for key, name in BROKERS.items() if key in allowed}
        return render_chooser(found.id, offered)
    if step == "login" and found.status == "INITIALIZED" and found.broker:
        customers = [one for one in world.named if one.broker == found.broker]
        return render_login(found.id, BROKERS[found.broker], customers, problem=problem)
    if step == "consent" and found.status == "USED" and found.persona:
        return render_consent(
            found.id,
            world.credentials.gateway,
            BROKERS[found.persona.broker],
            found.persona,
            funds=found.mutual_funds,
        )
    return None
