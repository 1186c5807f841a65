"""``/_sandbox/``: play the user, turn the clock, plan faults, read deliveries."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Final, cast

from starlette.routing import Route

from holdings_kit.errors import ConfigError
from holdings_kit.sandbox._arrow import arrow_token, request_token
from holdings_kit.sandbox._clock import duration, iso
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
        *(Route(f"/_sandbox/{step}", _step, methods=["POST"]) for step in STEPS),
        Route("/_sandbox/clock", _clock, methods=["GET", "POST"]),
        Route("/_sandbox/faults", _faults, methods=["GET", "POST"]),
        Route("/_sandbox/calls", _calls),
        Route("/_sandbox/personas", _personas),
        Route("/_sandbox/webhook", _register, methods=["POST", "DELETE"]),
        Route("/_sandbox/webhooks", _deliveries),
        Route("/_sandbox/arrow/access", _arrow_access),
        Route("/_sandbox/arrow/request-token", _request_token),
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


async def _step(request: Request) -> Response:
    world, asked = world_of(request), await _asked(request)
    step = request.url.path.rsplit("/", 1)[-1]
    transaction_id = _text(asked, "transactionId")
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


async def _clock(request: Request) -> Response:
    world, asked = world_of(request), await _asked(request)
    try:
        if "set" in asked:
            world.clock.set(datetime.fromisoformat(_text(asked, "set")))
        if "advance" in asked:
            world.clock.advance(
                seconds=duration(_text(asked, "advance")).total_seconds()
            )
        if "speed" in asked:
            world.clock.speed = float(_text(asked, "speed"))
    except (ConfigError, ValueError) as error:
        raise RefusedError(400, str(error)) from None
    await asyncio.to_thread(world.pump)
    return json_reply({"now": iso(world.clock.now()), "speed": world.clock.speed})


async def _faults(request: Request) -> Response:
    world, asked = world_of(request), await _asked(request)
    if request.method == "POST":
        try:
            world.faults.load(_text(asked, "plan"))
        except ConfigError as error:
            raise RefusedError(400, str(error)) from None
    return json_reply({"left": world.faults.left()})


async def _calls(request: Request) -> Response:
    return json_reply(world_of(request).throttle.calls())


async def _personas(request: Request) -> Response:
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


async def _register(request: Request) -> Response:
    world, asked = world_of(request), await _asked(request)
    try:
        world.webhooks.register(
            _text(asked, "url") if request.method == "POST" else None
        )
    except ConfigError as error:
        raise RefusedError(400, str(error)) from None
    return json_reply({"url": world.webhooks.url})


async def _deliveries(request: Request) -> Response:
    return json_reply(world_of(request).webhooks.shown())


async def _arrow_access(request: Request) -> Response:
    world, persona = world_of(request), _queried(request)
    return json_reply(
        {
            "app_id": world.credentials.app_id,
            "token": arrow_token(world, persona),
            "account_id": persona.account_id,
        }
    )


async def _request_token(request: Request) -> Response:
    world, persona = world_of(request), _queried(request)
    return json_reply({"request_token": request_token(world, persona)})


def _queried(request: Request) -> Persona:
    try:
        return world_of(request).persona(request.query_params.get("persona", "sample"))
    except ConfigError as error:
        raise RefusedError(404, str(error)) from None


async def _asked(request: Request) -> Mapping[str, object]:
    body = await body_of(request) if request.method == "POST" else None
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise RefusedError(400, "The body is not a JSON object")
    return cast("Mapping[str, object]", body)


def _text(asked: Mapping[str, object], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str | int | float):
        raise RefusedError(400, f"{name!r} is missing")
    return str(value)
