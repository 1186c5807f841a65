"""``/_sandbox/``: play the user, turn the clock, plan faults, read deliveries."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Final, cast

from starlette.routing import Route

from holdings_kit.errors import ConfigError
from holdings_kit.sandbox._arrow_login import arrow_token, request_token
from holdings_kit.sandbox._clock import format_iso, read_duration
from holdings_kit.sandbox._gateway import details
from holdings_kit.sandbox._imports import StepRefusedError, Transaction
from holdings_kit.sandbox._replies import RefusedError, body_of, json_reply, world_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from holdings_kit.sandbox._personas import Persona
    from holdings_kit.sandbox._world import World

__all__ = ["play", "routes"]

STEPS: Final = ("choose", "login", "consent", "deny", "cancel", "drop", "import")


def routes() -> list[Route]:
    """List the control routes."""
    return [
        *(Route(f"/_sandbox/{step}", _take_step, methods=["POST"]) for step in STEPS),
        Route("/_sandbox/clock", _answer_clock, methods=["GET", "POST"]),
        Route("/_sandbox/faults", _answer_faults, methods=["GET", "POST"]),
        Route("/_sandbox/calls", _answer_calls),
        Route("/_sandbox/personas", _answer_personas),
        Route("/_sandbox/webhook", _register_webhook, methods=["POST", "DELETE"]),
        Route("/_sandbox/webhooks", _answer_deliveries),
        Route("/_sandbox/arrow/access", _answer_arrow_access),
        Route("/_sandbox/arrow/request-token", _answer_request_token),
    ]


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
        for each in ("choose", "login", "consent"):
            done = steps[each]()
            if done.error is not None:
                break
        return done


async def _take_step(request: Request) -> Response:
    world, asked = world_of(request), await _read_body(request)
    step = request.url.path.rsplit("/", 1)[-1]
    transaction_id = _require_text(asked, "transactionId")
    persona, broker = (str(asked.get(name, "")) for name in ("persona", "broker"))
    try:
        done = play(world, step, transaction_id, persona=persona, broker=broker)
    except StepRefusedError as error:
        said = {"message": error.message, "code": error.code, "error": error.reason}
        return json_reply(said, 409)
    except ConfigError as error:
        raise RefusedError(400, str(error)) from None
    await asyncio.to_thread(world.pump)
    return json_reply(details(world, done))


async def _answer_clock(request: Request) -> Response:
    world, asked = world_of(request), await _read_body(request)
    try:
        if "set" in asked:
            world.clock.set(datetime.fromisoformat(_require_text(asked, "set")))
        if "advance" in asked:
            world.clock.advance(
                seconds=read_duration(_require_text(asked, "advance")).total_seconds()
            )
        if "speed" in asked:
            world.clock.speed = float(_require_text(asked, "speed"))
    except (ConfigError, ValueError) as error:
        raise RefusedError(400, str(error)) from None
    await asyncio.to_thread(world.pump)
    return json_reply(
        {"now": format_iso(world.clock.now()), "speed": world.clock.speed}
    )


async def _answer_faults(request: Request) -> Response:
    world, asked = world_of(request), await _read_body(request)
    if request.method == "POST":
        try:
            world.faults.load(_require_text(asked, "plan"))
        except ConfigError as error:
            raise RefusedError(400, str(error)) from None
    return json_reply({"left": world.faults.left()})


async def _answer_calls(request: Request) -> Response:
    return json_reply(world_of(request).throttle.calls())


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
                "smallcaseAuthId": one.auth_id,
                "story": one.story,
            }
            for one in world.personas.values()
        ]
    )


async def _register_webhook(request: Request) -> Response:
    world, asked = world_of(request), await _read_body(request)
    try:
        world.webhooks.register(
            _require_text(asked, "url") if request.method == "POST" else None
        )
    except ConfigError as error:
        raise RefusedError(400, str(error)) from None
    return json_reply({"url": world.webhooks.url})


async def _answer_deliveries(request: Request) -> Response:
    return json_reply(world_of(request).webhooks.shown())


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
    try:
        return world_of(request).persona(request.query_params.get("persona", "sample"))
    except ConfigError as error:
        raise RefusedError(404, str(error)) from None


async def _read_body(request: Request) -> Mapping[str, object]:
    body = await body_of(request) if request.method == "POST" else None
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise RefusedError(400, "The body is not a JSON object")
    return cast("Mapping[str, object]", body)


def _require_text(asked: Mapping[str, object], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str | int | float):
        raise RefusedError(400, f"{name!r} is missing")
    return str(value)
