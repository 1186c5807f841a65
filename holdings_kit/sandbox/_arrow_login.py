"""How a client of Arrow gets its token: by request token, or by password and TOTP."""

from __future__ import annotations

import base64
import hmac
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol, cast

import jwt
from starlette.routing import Route

from holdings_kit.sandbox._personas import derived
from holdings_kit.sandbox._replies import (
    RefusedError,
    body_of,
    faulty,
    json_reply,
    world_of,
)
from holdings_kit.wire import arrow_checksum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from holdings_kit.sandbox._personas import Persona
    from holdings_kit.sandbox._world import World

__all__ = ["arrow_token", "login_routes", "persona_of", "request_token", "user_login"]

_TOKEN_LIFE: Final = timedelta(hours=24)
_REQUEST_LIFE: Final = timedelta(minutes=5)
_STEP: Final = 30


def arrow_token(world: World, persona: Persona) -> str:
    """Issue the token of a logged-in user; it lives 24 hours of virtual time."""
    now = world.clock.now()
    claims = {
        "userID": persona.account_id,
        "appID": world.credentials.app_id,
        "iat": int(now.timestamp()),
        "exp": int((now + _TOKEN_LIFE).timestamp()),
    }
    return _jwt().encode(claims, world.credentials.app_secret, algorithm="HS256")


def persona_of(request: Request) -> Persona:
    """Give the user of a request by its ``appID`` and ``token`` headers.

    Raises
    ------
    RefusedError
        401: another app, or a token that is missing, forged or expired.
    """
    world, headers = world_of(request), request.headers
    if headers.get("appid") != world.credentials.app_id:
        raise RefusedError(401, "Unknown appID")
    try:
        claims = _jwt().decode(
            headers.get("token", ""),
            world.credentials.app_secret,
            algorithms=["HS256"],
            options={"verify_exp": False, "verify_iat": False},
        )
    except jwt.PyJWTError:
        raise RefusedError(401) from None
    persona = world.by_account.get(str(claims.get("userID")))
    expires_at = cast("int", claims.get("exp", 0))
    if persona is None or expires_at <= world.clock.now().timestamp():
        raise RefusedError(401)
    return persona


def request_token(world: World, persona: Persona) -> str:
    """Issue what the browser brings back from the login page; good for one use."""
    made = world.next_id("request token")
    expires_at = world.clock.now() + _REQUEST_LIFE
    world.request_tokens[made] = (persona.account_id, expires_at)
    return made


def user_login(seed: int, account_id: str) -> dict[str, str]:
    """Give the invented password and TOTP secret of a user."""
    secret = bytes.fromhex(derived(seed, "totp", account_id, length=40))
    return {
        "user_id": account_id,
        "password": derived(seed, "password", account_id, length=12),
        "totp_secret": base64.b32encode(secret).decode(),
    }


def login_routes() -> list[Route]:
    """List the routes of the login, each open to the fault plan."""
    steps = {
        "/auth/app/authenticate-token": _authenticate,
        "/auth/app/login": _login,
        "/auth/validate-2fa": _second_factor,
    }
    return [
        Route(path, faulty(step, "login"), methods=["POST"])
        for path, step in steps.items()
    ]


async def _authenticate(request: Request) -> Response:
    world, asked = world_of(request), await _fields(request)
    token, app = asked.get("token", ""), world.credentials
    account_id, expires_at = world.request_tokens.pop(
        token, ("", datetime.min.replace(tzinfo=UTC))
    )
    claimed = asked.get("checkSum") or asked.get("checksum", "")
    ours = arrow_checksum(app.app_id, app.app_secret, token or "none")
    fits = hmac.compare_digest(claimed.encode(), ours.encode())
    if asked.get("appID") != app.app_id or not fits:
        raise RefusedError(401, "Invalid checksum")
    if expires_at <= world.clock.now():
        raise RefusedError(401, "Invalid or expired request token")
    persona = world.by_account[account_id]
    data = {
        "name": persona.name,
        "token": arrow_token(world, persona),
        "userID": persona.account_id,
    }
    return json_reply({"data": data, "status": "success"})


async def _login(request: Request) -> Response:
    world, asked = world_of(request), await _fields(request)
    user = asked.get("userID", "")
    if asked.get("appID") != world.credentials.app_id:
        raise RefusedError(401, "Unknown appID")
    known = user_login(world.seed, user)["password"]
    if user not in world.by_account or asked.get("password") != known:
        raise RefusedError(401, "Wrong user or password")
    made = world.next_id("login")
    world.logins[made] = user
    return json_reply({"data": {"requestId": made}, "status": "success"})


async def _second_factor(request: Request) -> Response:
    world, asked = world_of(request), await _fields(request)
    user = world.logins.pop(asked.get("requestId", ""), "")
    if not user or user != asked.get("userID"):
        raise RefusedError(401, "Unknown login request")
    secret = base64.b32decode(user_login(world.seed, user)["totp_secret"])
    moments = (world.clock.now().timestamp(), time.time())  # a client's clock is real
    codes = {
        _totp(secret, int(moment) // _STEP + drift)
        for moment in moments
        for drift in (-1, 0, 1)
    }
    if asked.get("code") not in codes:
        raise RefusedError(401, "Wrong code")
    made = request_token(world, world.by_account[user])
    back = f"http://127.0.0.1/sandbox-app?request-token={made}"
    return json_reply({"data": {"redirectUrl": back}, "status": "success"})


class _Jwt(Protocol):
    """The two calls of `jwt` in use, typed for want of its optional parts."""

    def encode(self, payload: object, key: str, *, algorithm: str) -> str: ...
    def decode(
        self, jwt: str, key: str, *, algorithms: list[str], options: dict[str, bool]
    ) -> dict[str, object]: ...


def _jwt() -> _Jwt:
    return cast("_Jwt", jwt)


def _totp(secret: bytes, step: int) -> str:
    """Compute the six digits of RFC 6238 with SHA-1."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    place = digest[-1] & 15
    number = int.from_bytes(digest[place : place + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


async def _fields(request: Request) -> Mapping[str, str]:
    body = await body_of(request)
    if not isinstance(body, dict):
        raise RefusedError(400, "The body is not a JSON object")
    fields = cast("Mapping[str, object]", body)
    return {key: value for key, value in fields.items() if isinstance(value, str)}
