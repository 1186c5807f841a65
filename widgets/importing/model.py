"""The import as a view-model: choices in, steps and frames out."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from traitlets import Bool, Dict, Enum, Int, Unicode

import holdings_kit as hk
from holdings_kit.clients import broker_profile
from holdings_kit.display import number_of
from holdings_kit.display._numbers import INDIA, format_value
from holdings_kit.errors import (
    AuthError,
    ConfigError,
    HoldingsError,
    ImportFailed,
    SourceUnavailable,
    WireError,
)
from holdings_kit.market import freshness
from holdings_kit.wire import Secret, parse_import_result
from widgets.importing.page import name_import
from widgets.importing.steps import (
    ARROW_STEPS,
    FAILED_AT,
    FAILURES,
    GATEWAY_STEPS,
    REACHED,
    Failure,
)
from widgets.job import Job, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from holdings_kit.clients import Inbox, NewTransaction
    from holdings_kit.market._freshness import Freshness
    from holdings_kit.schema import Loaded
    from holdings_kit.wire import Transaction
    from widgets.importing.door import Arrow, Gateway

_POLL: Final = 0.5  # seconds between two looks at what we wait for
_WEBHOOK_PATIENCE: Final = 5.0


class ImportModel(Job):
    """Run one import at a time and keep what it brought.

    Attributes
    ----------
    source, user, broker, version, mutual_funds, notes, app_id, account_id
        Choices. `user` is a smallcaseAuthId that is connected, or empty for somebody
        new; `broker` is the one expected, or empty.
    states, remarks, seconds_left, seconds_whole, transaction_id, retryable, freshness
        How the import stands.
    failure
        Why it ended without holdings: `title`, `what`, `now` in plain words, `after`,
        the `code`, and `kept`, which import before is still here.
    loaded
        The holdings as every door returns them (`Loaded`); ``None`` before. An import
        that fails leaves those of the one before.
    superseded
        Whether a later import was started, which has brought nothing (yet).
    auth_id
        Whose they are, once known.
    """

    inputs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "loaded": ("source", "user", "broker", "version", "mutual_funds")
    }

    source = Enum(("gateway", "arrow"), "gateway")
    user = Unicode()
    broker = Unicode()
    version = Enum(("v2", "v1"), "v2")
    mutual_funds = Bool(default_value=False)
    notes = Unicode()
    app_id = Unicode()
    account_id = Unicode()

    states = Dict()
    remarks = Dict()
    seconds_left = Int(None, allow_none=True)
    transaction_id = Unicode()
    retryable = Bool(default_value=False)
    failure = Dict()
    seconds_whole = Int(0)
    freshness = Unicode()
    mismatch = Unicode()
    auth_id = Unicode()
    users = Dict()  # smallcaseAuthId → broker, of who is connected
    loaded = Result()
    superseded = Bool(default_value=False)

    def __init__(
        self,
        gateway: Gateway,
        *,
        arrow: Arrow | None = None,
        store: hk.Store | None = None,
        max_age: timedelta = timedelta(minutes=15),
    ) -> None:
        super().__init__()
        self._max_age = max_age
        self._gateway, self._arrow, self._store = gateway, arrow, store
        self._result: object = None
        self._used: dict[str, Any] = {}
        if arrow is not None:
            self.app_id = arrow.app_id
        if store is not None:
            known = store.current().snapshots
            rows = known.filter(known["source"] == "gateway")
            self.users = dict(rows.select("account_id", "broker").iter_rows())

    @property
    def keeps(self) -> bool:
        """Whether what is imported goes into a store."""
        return self._store is not None

    @property
    def names(self) -> Mapping[str, str]:
        """The steps of the source chosen, in order, with their labels."""
        return GATEWAY_STEPS if self.source == "gateway" else ARROW_STEPS

    def start(self, *, hand: Callable[[dict[str, str]], None] | None = None) -> None:
        """Import through the Gateway, or refresh somebody who is connected.

        Parameters
        ----------
        hand
            Gives the page what the browser SDK needs: gateway, token, transaction.
            Without it the user has to come by another way (`Sandbox.play`).
        """
        if self.source == "arrow":
            raise ConfigError("Arrow has no browser flow; enter a token and fetch")
        self._clear_steps()
        what = "Creating the import"
        self.begin(self._run_import(hand), what=what, makes=["loaded"])

    def fetch(self, token: str) -> None:
        """Fetch from Arrow with a token that is used for this fetch and forgotten."""
        if not token.strip():
            raise ConfigError("the token is empty; log in to Arrow and paste it")
        self._clear_steps()
        secret, token = Secret(token.strip()), ""
        work = self._fetch_from_arrow(secret)
        self.begin(work, what="Fetching from Arrow", makes=["loaded"])

    def heard(self, result: object) -> None:
        """Take what the browser SDK handed back: a result, or why there is none."""
        self._result = result

    def failed(self, error: Exception) -> None:
        """Mark the step that failed, and whether trying again makes sense."""
        message = error.message if isinstance(error, ImportFailed) else ""
        told = FAILURES.get(message) or _explain(error)
        if message in FAILURES:
            self.error = f"{told.what} {told.now}"
        code = f"{message} · {error.code}" if isinstance(error, ImportFailed) else ""
        self._tell_failure(told, code)
        order = list(GATEWAY_STEPS)
        if message in FAILED_AT:
            self._mark_reached(order[order.index(FAILED_AT[message]) - 1])
        waiting = [key for key, state in self.states.items() if state == "now"]
        self._mark_steps("failed", *waiting)
        self.seconds_left = None
        self.retryable = (
            error.retryable
            if isinstance(error, ImportFailed)
            else isinstance(error, SourceUnavailable)
        )

    def cancelled(self) -> None:
        """Say that nobody waits any more; the transaction runs out by itself."""
        waiting = [key for key, state in self.states.items() if state == "now"]
        self._mark_steps("failed", *waiting, note="cancelled")
        self._tell_failure(self._explain_cancel(), "", tone="warn")
        self.seconds_left, self.retryable = None, True

    def _explain_cancel(self) -> Failure:
        """Say what a cancelled import leaves open elsewhere."""
        title, what = "Cancelled", "Nobody waits for this import any more."
        if self.source == "arrow" or self.states.get("triggered") != "done":
            return Failure(title, what, "Start again when you like.")
        ends = ""
        if self.seconds_left:
            at = self._gateway.clock() + timedelta(seconds=self.seconds_left)
            ends = f" The import itself runs out by {format_value(at, 'instant')}."
        now = (
            "The broker's page may still be open in its own window: close it. What is "
            f"allowed there from now on is not fetched.{ends}"
        )
        return Failure(title, what, now)

    def _tell_failure(self, told: Failure, code: str, tone: str = "bad") -> None:
        after = "Nothing was fetched."
        kept = name_import(self.loaded) if self.loaded is not None else ""
        after += " What was imported before is untouched." if kept else ""
        self.failure = {
            **told._asdict(),
            "code": code,
            "after": after,
            "kept": kept,
            "tone": tone,
        }

    def _clear_steps(self) -> None:
        self.cancel()
        self._result, self._used = None, self.capture_inputs("loaded")
        self.superseded = self.loaded is not None
        self.states, self.remarks, self.mismatch = {}, {}, ""
        self.failure, self.seconds_whole = {}, 0
        self.seconds_left, self.retryable = None, False
        self.transaction_id = ""
        first = next(iter(self.names))
        self._mark_steps("now", first)

    def _mark_steps(self, state: str, *keys: str, note: str = "") -> None:
        self.states = {**self.states, **dict.fromkeys(keys, state)}
        if note:
            self.remarks = {**self.remarks, **dict.fromkeys(keys, note)}

    def _mark_reached(self, step: str) -> None:
        """Tick all steps up to this one; the next of the user's waits."""
        order = list(GATEWAY_STEPS)
        at = order.index(step)
        newly = [one for one in order[: at + 1] if self.states.get(one) != "done"]
        self._mark_steps("done", *order[: at + 1])
        stamp = self._gateway.clock().astimezone(INDIA).strftime("%H:%M:%S")
        for one in newly:
            if one in {"created", "completed"}:
                self._mark_steps("done", one, note=stamp)
        if step != "fetched":
            following = "fetched" if step == "completed" else order[at + 1]
            self._mark_steps("now", following)

    async def _run_import(self, hand: Callable[[dict[str, str]], None] | None) -> None:
        door, client = self._gateway, self._gateway.client
        mode: Literal["v1", "v2"] = "v1" if self.version == "v1" else "v2"
        if self.user:
            fresh = await self.run_in_thread(
                client.refresh,
                self.user,
                broker=self.broker or self.users.get(self.user) or None,
                version=mode,
                mutual_funds=self.mutual_funds,
                max_age=self._max_age,
            )
            if fresh.transaction is None and fresh.loaded is not None:
                self._mark_steps("none", *list(GATEWAY_STEPS)[:-1])
                await self._store_loaded(fresh.loaded)
                return
            started = fresh.transaction
            if started is None:
                raise ConfigError("the refresh brought neither holdings nor an import")
        else:
            started = await self.run_in_thread(
                client.create_import,
                version=mode,
                mutual_funds=self.mutual_funds,
                notes=self.notes or None,
            )
        self.transaction_id = started.transaction_id
        self._mark_reached("created")
        if hand is not None:
            token = client.token(self.user or None)
            hand(
                {
                    "gateway": door.name,
                    "smallcaseAuthToken": token.reveal(),
                    "transactionId": started.transaction_id,
                }
            )
        self.busy = "Waiting for the user at the broker's page"
        token, broker = await self._wait_for_end_of_import(started)
        self.auth_id = client.auth_id(token)
        self._mark_reached("completed")
        self.seconds_left = None
        self.busy = "Fetching the holdings"
        loaded = await self.run_in_thread(
            client.holdings, self.auth_id, version=mode, mutual_funds=self.mutual_funds
        )
        await self._store_loaded(loaded)
        self.users = {**self.users, self.auth_id: broker or ""}
        self._compare_broker(broker)
        await self._follow_webhook()

    async def _wait_for_end_of_import(
        self, started: NewTransaction
    ) -> tuple[Secret, str | None]:
        """Ask the gateway until the import ends, here or in the browser."""
        while True:
            self._count_down(started)
            if self._result is not None:
                result, self._result = self._result, None
                try:
                    handed = parse_import_result(result)
                except ImportFailed as failure:
                    if failure.message != "timed_out":  # it may still complete
                        raise
                    self._mark_steps(
                        "now", "completed", note="the page gave up waiting"
                    )
                else:
                    return handed.auth_token, handed.broker
            seen = await self._fetch_transaction(started.transaction_id)
            if seen is not None:
                if seen.failure is not None:
                    raise seen.failure
                if seen.status == "COMPLETED" and seen.auth_token is not None:
                    return seen.auth_token, seen.broker
                self._follow_status(seen.status)
            await asyncio.sleep(_POLL)

    async def _fetch_transaction(self, transaction_id: str) -> Transaction | None:
        """Fetch the transaction; a gateway out of reach is asked again later."""
        look = self._gateway.client.transaction
        try:
            return await self.run_in_thread(
                look, transaction_id, auth_id=self.user or None
            )
        except SourceUnavailable as error:
            self.busy = f"The gateway does not answer, asking again ({error.message})"
            return None

    def _follow_status(self, status: str) -> None:
        step = REACHED.get(status)
        if step is None:
            raise WireError("gateway", "/status", f"unknown status {status}")
        if step != "created":
            self._mark_reached(step)

    def opened(self) -> None:
        """Take note that the page has opened the broker's window."""
        if self.states.get("triggered") == "now":
            self._mark_reached("triggered")

    def _count_down(self, started: NewTransaction) -> None:
        if started.expires_at is None or self.states.get("consented") == "done":
            self.seconds_left = None
            return
        left = (started.expires_at - self._gateway.clock()).total_seconds()
        left = max(0, round(left))
        self.seconds_whole = max(self.seconds_whole, left)
        self.seconds_left = left

    def _compare_broker(self, broker: str | None) -> None:
        said, wanted = broker_profile(broker), broker_profile(self.broker)
        if self.broker and said.key != wanted.key:
            self.mismatch = (
                f"These come from {said.name}, though {wanted.name} was expected."
            )

    async def _follow_webhook(self) -> None:
        inbox = self._gateway.inbox
        if inbox is None:
            self._mark_steps("none", "webhook", note="no inbox is listening")
            return
        self._mark_steps("now", "webhook")
        self.busy = "Holdings are here; waiting for the webhook"
        if await _wait_for_webhook(
            inbox, self.transaction_id, within=_WEBHOOK_PATIENCE
        ):
            self._mark_steps("done", "webhook", note="checksum right")
        else:
            late = "not yet; retries come after 15 min, 24 h, 48 h"
            self._mark_steps("todo", "webhook", note=late)

    async def _fetch_from_arrow(self, token: Secret) -> None:
        if self._arrow is None:
            raise ConfigError("no Arrow door was given; pass arrow=Arrow(…)")
        if not self.account_id.strip():
            raise ConfigError("the user id is empty; Arrow's replies name none")
        self._mark_steps("done", "token", note="used once, not kept")
        self._mark_steps("now", "fetched")
        door = self._arrow

        def ask() -> Loaded:
            with hk.ArrowClient(
                app_id=self.app_id,
                token=token,
                account_id=self.account_id.strip(),
                base_url=door.base_url,
                clock=door.clock,
                options=door.options,
            ) as client:
                return client.holdings()

        await self._store_loaded(await self.run_in_thread(ask))

    async def _store_loaded(self, loaded: Loaded) -> None:
        if self._store is not None:
            await self.run_in_thread(self._store.append, loaded)
        at: Any = loaded.snapshots["snapshot_at"].max()
        door = self._gateway if self.source == "gateway" else self._arrow
        now = (door or self._gateway).clock()
        state = freshness(at, now=now, max_age=self._max_age)
        self.freshness = _describe_freshness(state)
        self._mark_steps(
            "done", "fetched", note=number_of(loaded.holdings.height, "row")
        )
        self.superseded = False
        self.set_result("loaded", loaded, self._used)


def _explain(error: Exception) -> Failure:
    """Say in plain words what broke off an import that the user did not end."""
    text = str(error)
    if isinstance(error, SourceUnavailable):
        title = "The source does not answer"
    elif isinstance(error, AuthError):
        title = "The source did not accept the login"
    elif isinstance(error, HoldingsError):
        title = "The import failed"
    else:
        return Failure(
            "Something broke that should not",
            f"This should not have happened: {type(error).__name__}.",
            "Report it with the code below; nothing was changed.",
        )
    what, _, now = text.partition("; ")
    what, now = (part[:1].upper() + part[1:].rstrip(".") for part in (what, now))
    return Failure(title, f"{what}.", f"{now}." if now else "")


async def _wait_for_webhook(
    inbox: Inbox, transaction_id: str, *, within: float
) -> bool:
    """Wait some seconds for the webhook of a transaction to be in the inbox."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        read = await asyncio.to_thread(hk.read_webhooks, inbox.accepted)
        if transaction_id in read.snapshots["transaction_id"].to_list():
            return True
        await asyncio.sleep(_POLL)
    return False


def _describe_freshness(state: Freshness) -> str:
    """Say how current a snapshot is."""
    if state.open_time is None:
        return "Not current: the snapshot does not say when it was taken."
    minutes = round(state.open_time.total_seconds() / 60)
    word = "Current" if state.fresh else "Not current"
    since = "less than a minute" if minutes == 0 else f"{minutes} min"
    if state.open_time == timedelta(0):
        return f"{word}: the exchange has not been open since the snapshot."
    return f"{word}: the exchange was open for {since} since the snapshot."
