"""Arrow's login: the page, the three calls, and the tokens they end in."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime, time, timedelta
from html import escape
from time import time as real_seconds
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlencode, urlsplit

import jwt
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from holdings_kit.sandbox._clock import IST
from holdings_kit.sandbox._personas import derive_secret
from holdings_kit.sandbox._render import PIN, html_reply, render_document
from holdings_kit.sandbox._replies import (
    RefusedError,
    arrow_reply,
    object_of,
    with_faults,
    world_of,
)
from holdings_kit.wire import arrow_checksum, arrow_redirect_checksum

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from holdings_kit.sandbox._personas import Persona
    from holdings_kit.sandbox._world import World

_DAY: Final = timedelta(hours=24)
_LAST_SECOND: Final = time(23, 59, 59)
_REQUEST_LIFE: Final = timedelta(minutes=5)
_STEP: Final = 30
_UNTYPED: Any = jwt  # for want of its optional parts


def arrow_token(world: World, persona: Persona) -> str:
    """Issue the token of a logged-in user; it ends at midnight in India, or in 24 h."""
    now = world.clock.now()
    ends = datetime.combine(now.astimezone(IST).date(), _LAST_SECOND, IST)
    if world.settings.arrow_tokens == "24h":
        ends = now + _DAY
    claims = {
        "userID": persona.account_id,
        "appID": world.credentials.app_id,
        "iat": int(now.timestamp()),
        "exp": int(ends.timestamp()),
    }
    return _UNTYPED.encode(claims, world.credentials.app_secret, algorithm="HS256")


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
        claims: dict[str, object] = _UNTYPED.decode(
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


def redirect_url(world: World, home: str, made: str) -> str:
    """Give the address the browser is sent back to after a login.

    It carries the request token, and the checksum that shows whom it was made for.
    """
    back = world.settings.redirect_url or f"{home}app/done"
    app_id = world.credentials.app_id
    proof = arrow_redirect_checksum(app_id, made)
    query = urlencode({"request-token": made, "checksum": proof})
    return f"{back}{'&' if urlsplit(back).query else '?'}{query}"


def user_login(seed: int, account_id: str) -> dict[str, str]:
    """Give the invented password and TOTP secret of a user."""
    secret = bytes.fromhex(derive_secret(seed, "totp", account_id, length=40))
    return {
        "user_id": account_id,
        "password": derive_secret(seed, "password", account_id, length=12),
        "totp_secret": base64.b32encode(secret).decode(),
    }


def routes() -> list[Route]:
    """List the routes of the login, its calls open to the fault plan."""
    steps = {
        "/auth/app/authenticate-token": _start_login,
        "/auth/app/login": _answer_login,
        "/auth/validate-2fa": _answer_second_factor,
    }
    return [
        Route("/app/login", _show_login),
        Route("/app/login", _submit_login, methods=["POST"]),
        Route("/app/done", _show_done),
        *(
            Route(path, with_faults(step, "login"), methods=["POST"])
            for path, step in steps.items()
        ),
    ]


async def _show_login(request: Request) -> Response:
    return _answer_login_page(request, request.query_params.get("appID", ""))


async def _submit_login(request: Request) -> Response:
    world, form = world_of(request), await request.form()
    app_id, pin = str(form.get("appID", "")), str(form.get("pin", ""))
    persona = world.by_account.get(str(form.get("userID", "")))
    if persona is None or pin != PIN:
        said = f"That is no user, or the PIN is wrong. The sandbox's PIN is {PIN}."
        return _answer_login_page(request, app_id, said)
    if app_id != world.credentials.app_id:
        return _answer_login_page(request, app_id)
    back = redirect_url(world, str(request.base_url), request_token(world, persona))
    return RedirectResponse(back, 303, {"Cache-Control": "no-store"})


def _answer_login_page(request: Request, app_id: str, problem: str = "") -> Response:
    world = world_of(request)
    if app_id != world.credentials.app_id:
        body = (
            f'<p class="problem" role="alert">No app has the id {escape(app_id)!r}.</p>'
        )
        return html_reply(render_document("Log in to Arrow", body), 400)
    options = "".join(
        f'<option value="{escape(one.account_id)}">{escape(one.account_id)}: '
        f"{escape(one.name)}. {escape(one.story)}</option>"
        for one in world.named
    )
    alert = f'<p class="problem" id="problem" role="alert">{escape(problem)}</p>'
    invalid = ' aria-invalid="true" aria-describedby="problem" autofocus'
    page = render_document(
        "Log in to Arrow",
        (alert if problem else "")
        + f"<p>To use <strong>{escape(app_id)}</strong> with your account.</p>"
        '<form method="post" action="/app/login">'
        f'<input type="hidden" name="appID" value="{escape(app_id)}">'
        '<label for="user">User</label>'
        f'<select id="user" name="userID" required>{options}</select>'
        '<label for="pin">PIN</label>'
        '<input id="pin" name="pin" type="password" inputmode="numeric" required '
        f'autocomplete="off"{invalid if problem else ""}>'
        f'<p class="help">Every PIN here is {PIN}.</p>'
        "<button>Log in</button></form>",
    )
    reply = html_reply(page, 422 if problem else 200)
    registered = world.settings.redirect_url
    if registered:  # a form may lead to the partner's page, and only there
        parts = urlsplit(registered)
        there = f"form-action 'self' {parts.scheme}://{parts.netloc}"
        policy = reply.headers["Content-Security-Policy"]
        reply.headers["Content-Security-Policy"] = policy.replace(
            "form-action 'self'", there
        )
    return reply


async def _show_done(request: Request) -> Response:
    query = request.query_params
    token, proof = query.get("request-token", ""), query.get("checksum", "")
    ours = arrow_redirect_checksum(world_of(request).credentials.app_id, token or "-")
    fits = hmac.compare_digest(proof.encode(), ours.encode())
    said = (
        '<p class="good">The checksum is SHA-256 of request-token:appID. It fits.</p>'
        if fits
        else '<p class="problem" role="alert">The checksum does not fit: this address '
        "was not made by the login page.</p>"
    )
    body = (
        f"{said}<p>Arrow sends the browser to your own registered address with these "
        "two; register one with <code>redirect_url</code>.</p>"
        f"<pre>request-token  {escape(token)}\nchecksum       {escape(proof)}</pre>"
    )
    return html_reply(render_document("Logged in to Arrow", body))


async def _start_login(request: Request) -> Response:
    world, asked = world_of(request), await _read_form(request)
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
    token = arrow_token(world, persona)
    return arrow_reply(
        {"name": persona.name, "token": token, "userID": persona.account_id}
    )


async def _answer_login(request: Request) -> Response:
    world, asked = world_of(request), await _read_form(request)
    user = asked.get("userID", "")
    if asked.get("appID") != world.credentials.app_id:
        raise RefusedError(401, "Unknown appID")
    known = user_login(world.seed, user)["password"]
    if user not in world.by_account or asked.get("password") != known:
        raise RefusedError(401, "Wrong user or password")
    made = world.next_id("login")
    world.logins[made] = user
    return arrow_reply({"requestId": made})


async def _answer_second_factor(request: Request) -> Response:
    world, asked = world_of(request), await _read_form(request)
    user = world.logins.pop(asked.get("requestId", ""), "")
    if not user or user != asked.get("userID"):
        raise RefusedError(401, "Unknown login request")
    secret = base64.b32decode(user_login(world.seed, user)["totp_secret"])
    # a client's clock is real
    moments = (world.clock.now().timestamp(), real_seconds())
    codes = {
        _compute_totp(secret, int(moment) // _STEP + drift)
        for moment in moments
        for drift in (-1, 0, 1)
    }
    if asked.get("code") not in codes:
        raise RefusedError(401, "Wrong code")
    made = request_token(world, world.by_account[user])
    back = redirect_url(world, str(request.base_url), made)
    return arrow_reply({"redirectUrl": back})


def _compute_totp(secret: bytes, step: int) -> str:
    """Compute the six digits of RFC 6238 with SHA-1."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    place = digest[-1] & 15
    number = int.from_bytes(digest[place : place + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


async def _read_form(request: Request) -> Mapping[str, str]:
    fields = await object_of(request)
    return {key: value for key, value in fields.items() if isinstance(value, str)}
