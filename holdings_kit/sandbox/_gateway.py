"""The Gateway side: create a transaction, read it, fetch holdings."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final, cast

from starlette.routing import Route

from holdings_kit.errors import SignatureError
from holdings_kit.sandbox._clock import format_iso
from holdings_kit.sandbox._imports import MF_INTENT, StepRefusedError, Transaction
from holdings_kit.sandbox._replies import (
    RefusedError,
    gateway_reply,
    object_of,
    with_faults,
    world_of,
)
from holdings_kit.wire import Claims, verify_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from holdings_kit.sandbox._world import World

_INTENTS: Final = ("HOLDINGS_IMPORT", MF_INTENT)
_LONGEST_NOTES: Final = 256


def claims_of(world: World, gateway: str, token: str) -> Claims:
    """Check the gateway's name and the token.

    Raises
    ------
    RefusedError
        ``invalid gateway`` or ``Invalid JWT``, as the SDK knows them.
    """
    if gateway != world.credentials.gateway:
        raise RefusedError(400, "invalid gateway")
    try:
        claims = verify_token(
            token or "none", world.credentials.shared_secret, now=world.clock.now()
        )
    except SignatureError:
        raise RefusedError(401, "Invalid JWT") from None
    if claims.undocumented:
        raise RefusedError(401, "Invalid JWT")
    return claims


def details(world: World, found: Transaction) -> dict[str, object]:
    """Write a transaction as ``transactiondetails`` does."""
    shown: dict[str, object] = {
        "transactionId": found.id,
        "intent": found.intent,
        "status": found.status,
        "expireAt": format_iso(found.expires_at),
        "notes": found.notes,
        "success": None,
        "error": None,
    }
    if found.status == "COMPLETED" and found.intent == MF_INTENT:
        shown["success"] = {"transactionId": found.id}
    elif found.status == "COMPLETED" and found.persona is not None:
        shown["success"] = {
            "smallcaseAuthToken": world.token_for(found.persona.auth_id),
            "broker": found.persona.broker,
            "transactionId": found.id,
        }
    if found.error is not None:
        message, code = found.error
        shown["error"] = {"value": True, "message": message, "code": code}
    return shown


def routes() -> list[Route]:
    """List the Gateway's routes, each open to the fault plan."""
    fetch = with_faults(_answer_gateway_holdings, "gateway.holdings", "holdings")
    read = with_faults(_answer_transaction, "transaction")
    return [
        Route(
            "/gateway/{gateway}/transaction",
            with_faults(_create_transaction, "create"),
            methods=["POST"],
        ),
        Route("/v1/{gateway}/engine/transactiondetails", read),
        Route("/v1/{gateway}/engine/user/holdings", fetch),
        Route("/gateway/{gateway}/user/holdings", fetch),
    ]


def check_headers(request: Request, name: str | None = None) -> Claims:
    """Check the API secret and the token; `name` is the gateway's, else the path's.

    Raises
    ------
    RefusedError
        400 for another gateway, 401 for a wrong secret or token.
    """
    world = world_of(request)
    name = name or str(request.path_params["gateway"])
    headers = request.headers
    if name != world.credentials.gateway:
        raise RefusedError(400, "invalid gateway")
    ours = world.credentials.api_secret.encode()
    if not hmac.compare_digest(headers.get("x-gateway-secret", "").encode(), ours):
        raise RefusedError(401, "Invalid gateway secret")
    return claims_of(world, name, headers.get("x-gateway-authtoken", ""))


async def _create_transaction(request: Request) -> Response:
    world, claims = world_of(request), check_headers(request)
    asked = await object_of(request)
    intent, notes = asked.get("intent"), asked.get("notes")
    version = asked.get("version", "v1")
    if intent not in _INTENTS:
        raise RefusedError(400, f"intent must be one of {', '.join(_INTENTS)}")
    if version not in {"v1", "v2"}:
        raise RefusedError(400, "version must be v1 or v2")
    if notes is not None and not isinstance(notes, str):
        raise RefusedError(400, "notes must be text")
    if notes is not None and len(notes) > _LONGEST_NOTES:
        raise RefusedError(400, f"notes must not exceed {_LONGEST_NOTES} characters")
    if claims.auth_id is not None and claims.auth_id not in world.by_auth:
        raise RefusedError(401, "Invalid JWT")
    with world.lock:
        made = world.imports.create(
            intent=str(intent),
            version=str(version),
            mutual_funds=_is_asking_for_funds(asked) or intent == MF_INTENT,
            notes=notes,
            auth_id=claims.auth_id,
        )
        made.response_config = _read_config(asked, "responseConfig")
    return gateway_reply(
        {"transactionId": made.id, "expireAt": format_iso(made.expires_at)}
    )


async def _answer_transaction(request: Request) -> Response:
    world, claims = world_of(request), check_headers(request)
    asked = request.query_params.get("transactionId", "")
    try:
        with world.lock:
            found = world.imports.get(asked)
    except StepRefusedError as error:
        raise RefusedError(400, error.message) from None
    owner = found.persona.auth_id if found.persona else found.auth_id
    if claims.auth_id is not None and claims.auth_id != owner:
        raise RefusedError(403, "The transaction belongs to another user")
    shown = details(world, found)
    nested = world.settings.nested_details
    return gateway_reply({"transactionDetails": shown} if nested else shown)


async def _answer_gateway_holdings(request: Request) -> Response:
    world, claims = world_of(request), check_headers(request)
    if claims.auth_id is None:
        raise RefusedError(403, "A guest has no holdings; use a connected token")
    persona = world.by_auth.get(claims.auth_id)
    if persona is None:
        raise RefusedError(401, "Invalid JWT")
    query = request.query_params
    version = query.get("version", "v1")
    if version not in {"v1", "v2"}:
        raise RefusedError(400, "version must be v1 or v2")
    with world.lock:
        data = world.holdings(
            persona,
            version=version,
            mutual_funds=query.get("mfHoldings", "") == "true",
        )
    if data is None:
        raise RefusedError(403, "The user has not imported holdings here")
    return gateway_reply(data)


def _is_asking_for_funds(asked: Mapping[str, object]) -> bool:
    return _read_config(asked, "assetConfig").get("mfHoldings") in {True, "true"}


def _read_config(asked: Mapping[str, object], name: str) -> Mapping[str, object]:
    config = asked.get(name)
    return cast("Mapping[str, object]", config) if isinstance(config, dict) else {}
