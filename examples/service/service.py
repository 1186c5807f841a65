"""A service around holdings imports: FastAPI, the inbox, a store and one small table.

    uvicorn --factory examples.service.service:from_environment

What is the vendor's to know is in the store; what is yours is in the table: which user
began which transaction, and whose which account is. `docs/service.md` walks through it.
"""

from __future__ import annotations

import html
import logging
import os
import secrets
import sqlite3
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from fastapi import Body, Cookie, FastAPI, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

import holdings_kit as hk
from holdings_kit.clients import GATEWAY_URL, Inbox, webhook_app
from holdings_kit.errors import ConfigError, ImportFailed, SignatureError, WireError
from holdings_kit.wire import parse_import_result

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

LOG = logging.getLogger("service")
HERE = Path(__file__).parent
SDK = "https://gateway.smallcase.com/scdk/2.0.0/scdk.js"
Session = Annotated[str | None, Cookie()]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the service keeps what it has, and what it is given by the vendor."""

    folder: Path
    gateway: str
    api_secrets: tuple[str, ...] = field(repr=False)  # the newest first
    shared_secret: str = field(repr=False)
    base_url: str = GATEWAY_URL
    sdk_url: str = SDK
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


class Accounts:
    """Who began which transaction, and whose which account is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(self._open()) as db, db:
            db.executescript(
                """
                CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, user TEXT);
                CREATE TABLE IF NOT EXISTS begun (id TEXT PRIMARY KEY, user TEXT);
                CREATE TABLE IF NOT EXISTS links (id TEXT PRIMARY KEY, user TEXT);
                """
            )

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10)

    def add(self, table: str, key: str, user: str) -> bool:
        """Store a user under a key; ``False`` where it is another user's, and stays."""
        with closing(self._open()) as db, db:
            db.execute(f"INSERT OR IGNORE INTO {table} VALUES (?, ?)", (key, user))  # noqa: S608
        return self.user_of(table, key) == user

    def user_of(self, table: str, key: str | None) -> str | None:
        """Tell whose a session, a transaction or an account is."""
        with closing(self._open()) as db:
            query = f"SELECT user FROM {table} WHERE id = ?"  # noqa: S608
            found = db.execute(query, (key,)).fetchone()
        return found[0] if found else None

    def accounts_of(self, user: str) -> list[str]:
        """List a user's accounts: one person may have several."""
        with closing(self._open()) as db:
            query = "SELECT id FROM links WHERE user = ? ORDER BY id"
            return [key for (key,) in db.execute(query, (user,))]

    def forget(self, user: str) -> None:
        """Remove a user, sessions and all."""
        with closing(self._open()) as db, db:
            for table in ("sessions", "begun", "links"):
                db.execute(f"DELETE FROM {table} WHERE user = ?", (user,))  # noqa: S608


def create_app(settings: Settings) -> FastAPI:
    """Make the application."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    accounts = Accounts(settings.folder / "accounts.sqlite")
    store = hk.Store(settings.folder / "store")

    def on_accepted(delivery: hk.Loaded) -> None:
        """Store a delivery, and whose account it is: the webhook may come first."""
        (row,) = delivery.snapshots.iter_rows(named=True)
        auth_id = row["account_id"]
        begun_by = accounts.user_of("begun", row["transaction_id"])
        if begun_by and not accounts.add("links", auth_id, begun_by):
            LOG.warning("an account was imported by a second user")
        if accounts.user_of("links", auth_id):
            store.append(delivery)
        else:  # nobody's: a late retry does not bring an erased user back
            forget_bodies(inbox.folder, auth_id)

    inbox = Inbox(
        settings.folder / "inbox",
        api_secret=settings.api_secrets,
        on_accepted=on_accepted,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with hk.AsyncGatewayClient(
            gateway=settings.gateway,
            api_secret=settings.api_secrets[0],
            shared_secret=settings.shared_secret,
            base_url=settings.base_url,
            clock=settings.clock,
        ) as client:
            app.state.client = client
            yield

    # the built-in pages of documentation load from a CDN
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.settings, app.state.accounts, app.state.store = settings, accounts, store
    app.state.inbox = inbox
    app.mount("/gateway", webhook_app(inbox))  # POST /gateway/webhook
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.middleware("http")(_guard(settings))
    _add_pages(app)
    _add_calls(app)
    return app


def forget_bodies(folder: Path, auth_id: str) -> None:
    """Delete what the inbox has of an account that is linked to nobody."""
    for path in folder.rglob("*.json"):
        if path.is_file() and auth_id.encode() in path.read_bytes():
            path.unlink()


def from_environment() -> FastAPI:
    """Make the application from the environment, as in production."""
    given = os.environ
    return create_app(
        Settings(
            folder=Path(given["SERVICE_FOLDER"]),
            gateway=given["GATEWAY_NAME"],
            api_secrets=tuple(given["GATEWAY_API_SECRETS"].split(",")),
            shared_secret=given["GATEWAY_SHARED_SECRET"],
            base_url=given.get("GATEWAY_URL", GATEWAY_URL),
            sdk_url=given.get("GATEWAY_SDK_URL", SDK),
        )
    )


def _guard(
    settings: Settings,
) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    parts = urlsplit(settings.sdk_url)
    sdk = f"{parts.scheme}://{parts.netloc}"
    policy = (
        f"default-src 'none'; script-src 'self' {sdk}; connect-src 'self' {sdk}; "
        f"frame-src {sdk}; style-src 'self'; img-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )

    async def guard(
        request: Request, answer: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await answer(request)
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return guard


def _user(request: Request, session: str | None) -> str:
    user = request.app.state.accounts.user_of("sessions", session)
    if user is None:
        raise HTTPException(401, "log in first")
    return user


def _add_pages(app: FastAPI) -> None:
    @app.get("/", response_class=HTMLResponse)
    def show_page(request: Request, session: Session = None) -> str:
        user = request.app.state.accounts.user_of("sessions", session)
        page = "login.html" if user is None else "page.html"
        text = (HERE / "static" / page).read_text(encoding="utf-8")
        facts = {"USER": user or "", "SDK": app.state.settings.sdk_url}
        for name, value in facts.items():
            text = text.replace(f"{{{name}}}", html.escape(value))
        return text

    @app.post("/login")
    def log_in(name: Annotated[str, Form(max_length=60)]) -> Response:
        """Believe a name: your own login goes here."""
        key = secrets.token_urlsafe(32)
        app.state.accounts.add("sessions", key, name)
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie("session", key, httponly=True, samesite="strict")
        return answer


def _add_calls(app: FastAPI) -> None:
    state = app.state

    @app.post("/api/import")
    async def begin_import(request: Request, session: Session = None) -> dict[str, str]:
        user = _user(request, session)
        started = await state.client.create_import()
        state.accounts.add("begun", started.transaction_id, user)
        return {
            "gateway": state.settings.gateway,
            "transactionId": started.transaction_id,
            "token": state.client.token().reveal(),
        }

    @app.post("/api/connected")
    def connect(
        request: Request, result: Annotated[object, Body()], session: Session = None
    ) -> JSONResponse:
        """Take what the SDK handed to the page: its token names the account."""
        user = _user(request, session)
        try:
            found = parse_import_result(result)
            auth_id = state.client.auth_id(found.auth_token)
        except ImportFailed as failed:
            return JSONResponse({"message": str(failed)}, 422)
        except (WireError, SignatureError, ConfigError):
            return JSONResponse({"message": "this is no result of an import"}, 400)
        if not state.accounts.add("links", auth_id, user):
            words = "this broker account is connected to another user"
            return JSONResponse({"message": words}, 409)
        return JSONResponse({"message": "connected"})

    @app.get("/api/holdings")
    def list_holdings(request: Request, session: Session = None) -> Response:
        """Give the user's shares over all accounts; money is text, never a float."""
        mine = state.accounts.accounts_of(_user(request, session))
        holdings = state.store.current(account_ids=mine).holdings
        positions = hk.consolidate(holdings, by="instrument_id")
        shown = positions.select("isin", "symbol", "owned_quantity", "average_price")
        return Response(str(hk.export(shown, "json")), media_type="application/json")

    @app.delete("/api/me")
    def erase(request: Request, session: Session = None) -> dict[str, int]:
        """Erase a user everywhere: store, inbox, links, sessions."""
        user = _user(request, session)
        mine = state.accounts.accounts_of(user)
        state.accounts.forget(user)
        for auth_id in mine:
            state.store.erase(
                auth_id, reason="asked for it", inboxes=[state.inbox.folder]
            )
        return {"accounts": len(mine)}
