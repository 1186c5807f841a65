"""``/_sandbox/``: play the user, turn the clock, plan faults, look at what happened."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final

from starlette.routing import Route

from holdings_kit.errors import ConfigError
from holdings_kit.sandbox._arrow_login import arrow_token, request_token
from holdings_kit.sandbox._clock import format_iso, read_duration
from holdings_kit.sandbox._fund_import import OTP, ask_for_otp, pan_of, verify_otp
from holdings_kit.sandbox._gateway import details
from holdings_kit.sandbox._imports import MF_INTENT, StepRefusedError, Transaction
from holdings_kit.sandbox._render import html_reply, render_inspector
from holdings_kit.sandbox._replies import RefusedError, json_reply, object_of, world_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from holdings_kit.sandbox._personas import Persona
    from holdings_kit.sandbox._replies import Endpoint
    from holdings_kit.sandbox._world import World

STEPS: Final = ("choose", "login", "consent", "deny", "cancel", "drop", "import")
_CONTRACTS: Final = {
    "GET /openapi.json": "both contracts, OpenAPI 3.1",
    "GET /docs": "the same as a page",
}


def routes() -> list[Route]:
    """List the control routes."""
    answers: dict[str, tuple[Endpoint, list[str]]] = {}
    for call, (endpoint, _) in _list_calls().items():
        method, path = call.split()
        answers.setdefault(path, (endpoint, []))[1].append(method)
    return [
        Route("/_sandbox/", _answer_index),
        *(
            Route(f"/_sandbox/{path}", endpoint, methods=methods)
            for path, (endpoint, methods) in answers.items()
        ),
    ]


def _list_calls() -> dict[str, tuple[Endpoint, str]]:
    """List method and path of each control, what answers it, and what it is for."""
    step = "play the user: {transactionId, persona?, broker?}"
    event = "event, persona, url?, late?, duplicate?, forged?, reorder?"
    fire = f"fire an event now: {{{event}}}"
    return {
        **{f"POST {name}": (_take_step, step) for name in STEPS},
        "GET transactions": (_answer_transactions, "all transactions, oldest first"),
        "GET webhooks": (_answer_deliveries, "all deliveries, with body and answers"),
        "GET webhooks/{id}/checksum": (_explain_checksum, "how its checksum is made"),
        "POST trigger": (_trigger_event, fire),
        "POST resend": (_resend_delivery, "send a delivery again: {id, url?}"),
        "POST webhook": (_register_webhook, "announce events at {url}"),
        "DELETE webhook": (_register_webhook, "announce no more"),
        "GET requests": (_answer_requests, "the last 500 requests and their answers"),
        "GET calls": (_answer_calls, "how often each call was made"),
        "GET clock": (_answer_clock, "what the clock shows"),
        "POST clock": (_answer_clock, "turn it: {set?, advance?, speed?}"),
        "GET faults": (_answer_faults, "the faults still to come"),
        "POST faults": (_answer_faults, "follow another plan: {plan}"),
        "GET personas": (_answer_personas, "everybody who can log in"),
        "GET access": (_answer_access, "gateway, secrets and addresses"),
        "GET arrow/access": (_answer_arrow_access, "a token of ?persona="),
        "GET arrow/request-token": (
            _answer_request_token,
            "a request token of ?persona=",
        ),
        "POST reset": (
            _reset_world,
            "forget all that happened, back to the first instant",
        ),
    }


def play(
    world: World, step: str, transaction_id: str, *, persona: str, broker: str
) -> Transaction:
    """Take one step of an import as the user would; ``import`` takes them all.

    Raises
    ------
    StepRefusedError
        The transaction is not where that step can be taken.
    ConfigError
        There is no such persona.
    """
    imports = world.imports
    steps: dict[str, Callable[[], Transaction]] = {
        "choose": lambda: imports.choose(imports.trigger(transaction_id).id, broker),
        "login": lambda: imports.login(transaction_id, world.persona(persona)),
        "consent": lambda: imports.consent(transaction_id),
        "deny": lambda: imports.deny(transaction_id),
        "cancel": lambda: imports.cancel(transaction_id),
        "drop": lambda: imports.get(transaction_id),  # the window is just gone
    }
    with world.lock:
        if step in steps:
            return steps[step]()
        if step != "import":
            raise ConfigError(f"no step {step!r}; there are {', '.join(STEPS)}")
        broker = world.persona(persona).broker
        if imports.get(transaction_id).intent == MF_INTENT:
            return _import_funds(world, transaction_id, persona)
        for each in ("choose", "login", "consent"):
            done = steps[each]()
            if done.error is not None:
                break
        return done


def _import_funds(world: World, transaction_id: str, persona: str) -> Transaction:
    """Give PAN and OTP as the investor would."""
    pan = pan_of(world.persona(persona))
    imports = world.imports
    try:
        if imports.get(transaction_id).status == "INITIALIZED":
            ask_for_otp(world, transaction_id, pan=pan, contact="x@example.invalid")
        return verify_otp(world, transaction_id, OTP)
    except RefusedError as error:
        raise StepRefusedError(error.message, error.status, error.message) from None


async def _answer_index(request: Request) -> Response:
    """Show the inspector to a browser, and the list of controls to all others."""
    index = {
        call.replace(" ", " /_sandbox/"): what
        for call, (_, what) in _list_calls().items()
    } | _CONTRACTS
    if "text/html" in request.headers.get("accept", ""):
        return html_reply(render_inspector(index))
    return json_reply(index)


async def _take_step(request: Request) -> Response:
    world, asked = world_of(request), await _read_body(request)
    step = request.url.path.rsplit("/", 1)[-1]
    transaction_id = _require_text(asked, "transactionId")
    persona, broker = (str(asked.get(name, "")) for name in ("persona", "broker"))
    try:
        with _refuse_wrong_use():
            done = play(world, step, transaction_id, persona=persona, broker=broker)
    except StepRefusedError as error:
        said = {"message": error.message, "code": error.code, "error": error.reason}
        return json_reply(said, 409)
    await asyncio.to_thread(world.pump)
    return json_reply(details(world, done))


async def _answer_clock(request: Request) -> Response:
    world, asked = world_of(request), await _read_body(request)
    with _refuse_wrong_use(400, ValueError):
        if "set" in asked:
            world.clock.set(datetime.fromisoformat(_require_text(asked, "set")))
        if "advance" in asked:
            length = read_duration(_require_text(asked, "advance"))
            world.clock.advance(seconds=length.total_seconds())
        if "speed" in asked:
            world.clock.speed = float(_require_text(asked, "speed"))
    await asyncio.to_thread(world.pump)
    return json_reply(
        {"now": format_iso(world.clock.now()), "speed": world.clock.speed}
    )


async def _answer_faults(request: Request) -> Response:
    world, asked = world_of(request), await _read_body(request)
    if request.method == "POST":
        with _refuse_wrong_use():
            world.faults.load(_require_text(asked, "plan"))
    return json_reply({"left": world.faults.left()})


async def _answer_calls(request: Request) -> Response:
    return json_reply(world_of(request).throttle.calls())


async def _answer_requests(request: Request) -> Response:
    return json_reply(world_of(request).log.shown())


async def _answer_transactions(request: Request) -> Response:
    world = world_of(request)
    with world.lock:
        found = [details(world, one) for one in world.imports.list_all()]
    return json_reply(found)


async def _answer_personas(request: Request) -> Response:
    world = world_of(request)
    return json_reply(
        [
            {
                "key": one.key,
                "person": one.person,
                "name": one.name,
                "broker": one.broker,
                "accountId": one.account_id,
                "pan": pan_of(one),
                "smallcaseAuthId": one.auth_id,
                "story": one.story,
            }
            for one in world.personas.values()
        ]
    )


async def _register_webhook(request: Request) -> Response:
    world, asked = world_of(request), await _read_body(request)
    url = _require_text(asked, "url") if request.method == "POST" else None
    with _refuse_wrong_use():
        world.webhooks.register(url)
    return json_reply({"url": world.webhooks.url})


async def _answer_deliveries(request: Request) -> Response:
    return json_reply(world_of(request).webhooks.shown())


async def _explain_checksum(request: Request) -> Response:
    with _refuse_wrong_use(404):
        found = world_of(request).webhooks.explain(str(request.path_params["id"]))
    return json_reply(found)


async def _trigger_event(request: Request) -> Response:
    world, asked = world_of(request), await _read_body(request)
    event, persona = (_require_text(asked, name) for name in ("event", "persona"))
    url = asked.get("url")
    flags = ("duplicate", "forged", "reorder")
    with _refuse_wrong_use():
        sent = await asyncio.to_thread(
            world.trigger,
            event,
            persona,
            url=str(url) if url else None,
            late=str(asked.get("late") or ""),
            **{name: asked.get(name) is True for name in flags},
        )
    return json_reply([one.shown() for one in sent])


async def _resend_delivery(request: Request) -> Response:
    world, asked = world_of(request), await _read_body(request)
    wanted, url = _require_text(asked, "id"), asked.get("url")
    with _refuse_wrong_use():
        sent = await asyncio.to_thread(
            world.webhooks.resend, wanted, str(url) if url else None
        )
    return json_reply(sent.shown())


async def _reset_world(request: Request) -> Response:
    world = world_of(request)
    world.reset()
    return json_reply({"now": format_iso(world.clock.now())})


async def _answer_access(request: Request) -> Response:
    world = world_of(request)
    return json_reply(world.list_access(str(request.base_url).rstrip("/")))


async def _answer_arrow_access(request: Request) -> Response:
    world, persona = world_of(request), _read_query(request)
    return json_reply(
        {
            "app_id": world.credentials.app_id,
            "token": arrow_token(world, persona),
            "account_id": persona.account_id,
        }
    )


async def _answer_request_token(request: Request) -> Response:
    world, persona = world_of(request), _read_query(request)
    return json_reply({"request_token": request_token(world, persona)})


def _read_query(request: Request) -> Persona:
    with _refuse_wrong_use(404):
        return world_of(request).persona(request.query_params.get("persona", "sample"))


@contextmanager
def _refuse_wrong_use(status: int = 400, *also: type[Exception]) -> Generator[None]:
    """Refuse a request in the words of what it was found to ask wrongly."""
    try:
        yield
    except (ConfigError, *also) as error:
        raise RefusedError(status, str(error)) from None


async def _read_body(request: Request) -> Mapping[str, object]:
    asked = request.method == "POST"
    return await object_of(request, optional=True) if asked else {}


def _require_text(asked: Mapping[str, object], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str | int | float):
        raise RefusedError(400, f"{name!r} is missing")
    return str(value)
