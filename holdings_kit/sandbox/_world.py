"""Everything a sandbox knows, and the few verbs that change it."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from holdings_kit.errors import ConfigError
from holdings_kit.sandbox._candles import Candles
from holdings_kit.sandbox._clock import read_duration, trading_date
from holdings_kit.sandbox._corporate import write_seen_gateway
from holdings_kit.sandbox._fund_import import write_fund_import
from holdings_kit.sandbox._imports import MF_INTENT, Imports, Transaction
from holdings_kit.sandbox._payloads import View, write_order, write_pending_action
from holdings_kit.sandbox._personas import Persona, derive_secret, invent_crowd
from holdings_kit.sandbox._request_log import RequestLog
from holdings_kit.sandbox._timeline import Timeline
from holdings_kit.sandbox._webhooks import Notice, Webhooks
from holdings_kit.wire import mint_token

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from holdings_kit.sandbox._clock import Clock
    from holdings_kit.sandbox._faults import Faults
    from holdings_kit.sandbox._webhooks import Delivery, Sender

TOKEN_LIFE: Final = timedelta(hours=1)
EVENTS: Final = ("holdings-import", "order", "pending-action", "mf-import")
"""What can be made to happen at once (`World.trigger`)."""
_EARLIER: Final = timedelta(hours=1)
LONG_LIVED: Final = {"kite": timedelta(days=30)}
"""Broker → how long a fetch may refresh the holdings after an import."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a partner is given; no secret shows in a repr."""

    gateway: str
    app_id: str
    api_secret: str = field(repr=False)
    shared_secret: str = field(repr=False)
    app_secret: str = field(repr=False)

    @classmethod
    def of(cls, seed: int) -> Credentials:
        """Make the credentials of a seed."""
        return cls(
            "sandboxgateway",
            "sandboxapp",
            derive_secret(seed, "api secret", length=32),
            derive_secret(seed, "shared secret", length=64),
            derive_secret(seed, "app secret", length=64),
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """What the documentation leaves open, and who may talk to the sandbox.

    Attributes
    ----------
    nested_details
        Whether transaction details stand under ``data.transactionDetails``.
    nested_result
        Whether the browser SDK's result stands under ``data``.
    arrow_tokens
        When an Arrow token ends.
    redirect_url
        The app's registered address; ``None`` for a page of the sandbox.
    origins
        Pages that may use the browser SDK; ``None`` for any of this machine.
    hosts
        Names other than this machine's that the sandbox answers to and posts to.
    """

    nested_details: bool = True
    nested_result: bool = False
    arrow_tokens: Literal["midnight", "24h"] = "midnight"
    redirect_url: str | None = None
    origins: tuple[str, ...] | None = None
    hosts: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Link:
    """One account's import: since when, and the snapshot it left."""

    imported_at: datetime
    snapshot_at: datetime
    empty: bool = False


class World:
    """The state behind both APIs and all pages of one sandbox."""

    def __init__(
        self,
        *,
        seed: int,
        clock: Clock,
        faults: Faults,
        sender: Sender,
        crowd_count: int = 0,
        rate_limit: int | None = None,
        settings: Settings | None = None,
        api_secret: str | None = None,
        personas: tuple[Persona, ...] = (),
    ) -> None:
        self.throttle, self.log = Throttle(rate_limit), RequestLog()
        self.settings = settings or Settings()
        self.seed, self.clock, self.faults = seed, clock, faults
        self.credentials = Credentials.of(seed)
        if api_secret is not None:
            self.credentials = replace(self.credentials, api_secret=api_secret)
        self.timeline = Timeline(seed, trading_date(clock.now()))
        self.candles = Candles(self.timeline.market)
        self.named = (*self.timeline.personas.values(), *personas)
        everyone = (*self.named, *invent_crowd(seed, crowd_count))
        self.personas = {one.key: one for one in everyone}
        self.by_auth = {one.auth_id: one for one in everyone}
        self.by_account = {one.account_id: one for one in everyone}
        self.webhooks = Webhooks(
            clock,
            faults,
            self.credentials.api_secret,
            sender,
            hosts=self.settings.hosts,
        )
        self.imports = Imports(seed, clock, faults, self._announce_import)
        self.lock = threading.RLock()
        self.request_tokens: dict[str, tuple[str, datetime]] = {}
        self.logins: dict[str, str] = {}
        self._issued, self._started_at = 0, clock.now()
        self._first_plan = faults.left_plan()
        self._links: dict[str, _Link] = {}
        self._link_the_crowd()

    def reset(self) -> None:
        """Forget all that happened: the clock, the faults and the ids start again.

        Who is told of events, and the secrets, stay.
        """
        with self.lock:
            self.clock.set(self._started_at)
            self.faults.restore(self._first_plan)
            self.imports.forget()
            self.webhooks.forget()
            self.request_tokens.clear()
            self.logins.clear()
            self.log.forget()
            self.throttle.forget()
            self._issued = 0
            self._link_the_crowd()

    def _link_the_crowd(self) -> None:
        at = self._started_at
        self._links = {
            one.auth_id: _Link(at, at) for one in self.by_auth.values() if one.linked
        }

    def list_access(self, url: str) -> dict[str, str]:
        """Give what a partner needs to talk to the sandbox at `url`."""
        known = self.credentials
        return {
            "url": url,
            "gateway": known.gateway,
            "api_secret": known.api_secret,
            "shared_secret": known.shared_secret,
            "app_id": known.app_id,
            "app_secret": known.app_secret,
            "sdk": f"{url}/scdk/2.0.0/scdk.js",
            "inspector": f"{url}/_sandbox/",
            "openapi": f"{url}/openapi.json",
        }

    def persona(self, key: str) -> Persona:
        """Find a persona by key, Arrow user id or smallcaseAuthId.

        Raises
        ------
        ConfigError
            There is none; the message lists the named ones.
        """
        for index in (self.personas, self.by_account, self.by_auth):
            if key in index:
                return index[key]
        known = ", ".join(one.key for one in self.named)
        raise ConfigError(f"no persona {key!r}; there are {known}")

    def view(self, persona: Persona, instant: datetime | None = None) -> View:
        """See an account at an instant, by default now."""
        return View(self.timeline, persona, instant or self.clock.now())

    def token_for(self, auth_id: str) -> str:
        """Issue a connected token for an hour, as the gateway does after a login."""
        return mint_token(
            self.credentials.shared_secret,
            auth_id=auth_id,
            issued_at=self.clock.now(),
            lifetime=TOKEN_LIFE,
        )

    def holdings(
        self, persona: Persona, *, version: str, mutual_funds: bool
    ) -> dict[str, object] | None:
        """Give the newest snapshot gateway may have; ``None`` without a consent.

        A broker with a long-lived session hands over a new snapshot; any other leaves
        the one of the last import.
        """
        link, now = self._links.get(persona.auth_id), self.clock.now()
        if link is None:
            return None
        if now - link.imported_at < LONG_LIVED.get(persona.broker, timedelta()):
            link.snapshot_at = max(now, link.snapshot_at)
        return write_seen_gateway(
            self.view(persona, link.snapshot_at),
            version=version,
            mutual_funds=mutual_funds,
            empty=link.empty,
            updating=self._is_updating(persona),
        )

    def _is_updating(self, persona: Persona) -> bool:
        """Tell whether a newer snapshot is on its way.

        A broker with a long-lived session gives it with the fetch itself.
        """
        if persona.broker in LONG_LIVED:
            return False
        return self.imports.is_processing(persona)

    def next_id(self, kind: str, length: int = 32) -> str:
        """Make the next id of a kind."""
        self._issued += 1
        return derive_secret(self.seed, kind, self._issued, length=length)

    def pump(self) -> None:
        """Do what the clock has made due: finish imports, send webhooks."""
        with self.lock:
            self.imports.ripen()
        self.webhooks.pump()

    def trigger(
        self,
        event: str,
        persona: str,
        *,
        url: str | None,
        late: str = "",
        duplicate: bool = False,
        forged: bool = False,
        reorder: bool = False,
    ) -> list[Delivery]:
        """Let a persona do something, and deliver its webhooks at once.

        No broker's page, no waiting, no fault plan; a fetch then gives the same
        holdings.

        Parameters
        ----------
        event
            One of `EVENTS`.
        persona
            Its key, Arrow user id or smallcaseAuthId.
        url
            Where to; ``None`` is the registered address.
        late
            The event is of so long ago, and is delivered only now.
        duplicate, forged, reorder
            The same bytes twice; a checksum of another secret; two events an hour
            apart, the newer one delivered first.

        Returns
        -------
        list of Delivery
            In the order of delivery, each with its answer.

        Raises
        ------
        ConfigError
            No such event or persona, no duration, or an address the sandbox does not
            send to.
        """
        happened = self.clock.now() - (read_duration(late) if late else timedelta())
        if event not in EVENTS:
            raise ConfigError(f"no event {event!r}; there are {', '.join(EVENTS)}")
        found = self.persona(persona)
        target = self.webhooks.check_url(url or self.webhooks.url)
        moments = [happened - _EARLIER, happened] if reorder else [happened]
        with self.lock:
            made = [
                self.webhooks.prepare(
                    self._let_happen(event, found, at), at=at, forged=forged
                )
                for at in moments
            ]
        sent = [one for one in reversed(made) for _ in range(2 if duplicate else 1)]
        for one in sent:
            self.webhooks.send_now(one, target)
        return sent

    def _let_happen(self, event: str, persona: Persona, at: datetime) -> Notice:
        """Let an event have happened at `at`, and give what its webhook says."""
        intents = {"mf-import": MF_INTENT, "holdings-import": "HOLDINGS_IMPORT"}
        imports = event == "holdings-import"
        done = self.imports.create(
            intent=intents.get(event, "TRANSACTION"),
            version="v2",
            mutual_funds=persona.mutual_funds if imports else event == "mf-import",
            notes=None,
            auth_id=None if imports else persona.auth_id,
        )
        self.imports.complete(done, persona, at)
        if event in intents:
            return self._write_import(done, persona, at)
        if event == "order":
            facts = write_order(self.view(persona, at), done.id)
        else:
            facts = write_pending_action(persona, done.id)
        return Notice(event, done.id, facts, persona.auth_id)

    def _announce_import(self, done: Transaction) -> None:
        if done.persona is not None and done.completed_at is not None:
            notice = self._write_import(done, done.persona, done.completed_at)
            self.webhooks.add(notice)

    def _write_import(
        self, done: Transaction, persona: Persona, at: datetime
    ) -> Notice:
        """Note that an import is done; give what its webhook says."""
        more = {} if done.notes is None else {"notes": done.notes}
        more["transactionId"] = done.id
        if done.intent == MF_INTENT:
            facts = write_fund_import(done, at)
            return Notice("mf-import", done.id, facts | more, done.id)
        self._links[persona.auth_id] = _Link(at, at, done.fault == "empty")
        facts = write_seen_gateway(
            self.view(persona, at),
            version=done.version,
            mutual_funds=done.mutual_funds,
            empty=done.fault == "empty",
        )
        del facts["updating"]
        return Notice("holdings-import", done.id, facts | more, persona.auth_id)


class Throttle:
    """Counts calls by target; refuses what exceeds so many in a second.

    Parameters
    ----------
    per_second
        Calls of one target and app within any second of real time; ``None`` counts
        only.
    ticks
        Source of real seconds.

    Raises
    ------
    ConfigError
        A limit below one.

    Examples
    --------
    >>> throttle = Throttle(1, ticks=lambda: 5.0)
    >>> throttle.wait("limits", "app"), throttle.wait("limits", "app")
    (0.0, 1.0)
    """

    def __init__(
        self,
        per_second: int | None = None,
        *,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        if per_second is not None and per_second < 1:
            raise ConfigError(f"rate_limit is {per_second}; it must be 1 or more")
        self._limit, self._ticks = per_second, ticks
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._recent: dict[tuple[str, str], deque[float]] = defaultdict(deque)

    def count(self, target: str) -> None:
        """Note a call of `target`."""
        with self._lock:
            self._calls[target] += 1

    def forget(self) -> None:
        """Count from nothing again."""
        with self._lock:
            self._calls.clear()
            self._recent.clear()

    def calls(self) -> dict[str, int]:
        """Give the number of calls by target."""
        with self._lock:
            return dict(sorted(self._calls.items()))

    def wait(self, target: str, app: str) -> float:
        """Give the seconds until `app` may call again; 0 admits this call."""
        if self._limit is None:
            return 0.0
        with self._lock:
            now, recent = self._ticks(), self._recent[target, app]
            while recent and recent[0] <= now - 1.0:
                recent.popleft()
            if len(recent) >= self._limit:
                return recent[0] + 1.0 - now
            recent.append(now)
            return 0.0
