"""Run a sandbox in a thread, on this machine only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, cast
from urllib.parse import urlsplit

from holdings_kit.clients import ArrowClient, Background, GatewayClient
from holdings_kit.errors import ConfigError, readable
from holdings_kit.sandbox._app import make_app
from holdings_kit.sandbox._arrow_login import arrow_token, request_token, user_login
from holdings_kit.sandbox._clock import Clock
from holdings_kit.sandbox._control import play
from holdings_kit.sandbox._corporate import STORIES
from holdings_kit.sandbox._faults import Faults
from holdings_kit.sandbox._gateway import details
from holdings_kit.sandbox._personas import read_personas
from holdings_kit.sandbox._webhooks import Sender, post_json
from holdings_kit.sandbox._world import Settings, World

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from holdings_kit.sandbox import Sandbox
    from holdings_kit.sandbox._imports import Transaction
    from holdings_kit.sandbox._personas import Persona


def serve(
    *,
    port: int = 0,
    seed: int = 0,
    faults: str = "",
    clock: Clock | datetime | None = None,
    webhook_url: str | None = None,
    personas: str | Path | None = None,
    crowd: int = 0,
    rate_limit: int | None = None,
    nested_details: bool = True,
    nested_result: bool = False,
    arrow_tokens: Literal["midnight", "24h"] = "midnight",
    redirect_url: str | None = None,
    origins: Sequence[str] | None = None,
    host: str = "127.0.0.1",
    allow_hosts: Sequence[str] = (),
    sender: Sender = post_json,
) -> Sandbox:
    """Start simulated brokers and gateway on this machine, in a thread of their own.

    Works in a script and inside a notebook's running event loop. Use it as a context
    manager, or call `Sandbox.close`.

    Parameters
    ----------
    port
        0 takes a free one.
    seed
        Decides ids, secrets, holdings, prices and lives: same seed, same bytes.
    faults
        A fault plan, such as ``"holdings: 429*2, 500; webhook: late 24h"``; the
        grammar stands in `holdings_kit.sandbox._faults`.
    clock
        A `Clock`, or the instant at which one stands still; by default Monday
        2026-01-05 10:15 IST. The wall clock counts only for TOTP codes, whose other
        side cannot know the virtual one.
    webhook_url
        Where imports are announced; plain HTTP on this machine.
    personas
        People of your own beside the eleven: a YAML or JSON file
        ``{"personas": [{"key": "maya", "broker": "kite", "holdings": {"SBIN": 10}}]}``;
        instead of holdings, ``"life"`` names a life with corporate actions.
    crowd
        So many more accounts, their consent given, for load.
    rate_limit
        Arrow calls of one kind admitted in a second of real time (published: 10);
        ``None`` admits all.
    nested_details
        Whether transaction details stand under ``data.transactionDetails``.
    nested_result
        Whether the browser SDK's result stands under ``data``; both are seen.
    arrow_tokens
        When an Arrow token ends: at 23:59:59 in India, as the published one does, or
        after 24 hours, as the text says.
    redirect_url
        Where Arrow's login page sends the browser; a page of the sandbox unless given.
    origins
        The only pages, such as ``http://localhost:3000``, that may use the browser
        SDK; ``None`` for every page of this machine.
    host
        Address to listen on; ``0.0.0.0`` inside a container.
    allow_hosts
        Names beside this machine's under which the sandbox is called and to which it
        sends webhooks, such as those of a compose file.
    sender
        Posts a webhook body to a URL and gives the HTTP status.

    Raises
    ------
    ConfigError
        A port that is taken, a plan not of the grammar, a URL of a host that is not
        allowed, an origin that is none, a file of people that cannot be read.

    Examples
    --------
    >>> with serve(seed=7) as sb:
    ...     sb.url.startswith("http://127.0.0.1:")
    True
    """
    turned = clock if isinstance(clock, Clock) else Clock(clock) if clock else Clock()
    world = World(
        seed=seed,
        clock=turned,
        faults=Faults(faults),
        sender=sender,
        crowd_count=crowd,
        rate_limit=rate_limit,
        personas=()
        if personas is None
        else read_personas(Path(personas), seed, lives=STORIES),
        settings=Settings(
            nested_details=nested_details,
            nested_result=nested_result,
            arrow_tokens=arrow_tokens,
            redirect_url=redirect_url,
            origins=None if origins is None else tuple(map(_check_origin, origins)),
            hosts=frozenset(name.lower() for name in allow_hosts),
        ),
    )
    world.webhooks.register(webhook_url)
    return Sandbox(world, port=port, host=host)


def _check_origin(origin: str) -> str:
    """Refuse what no browser sends as an origin; a last slash is forgiven."""
    parts = urlsplit(origin)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path[1:]:
        raise ConfigError(
            f"{origin!r} is no origin; write http://localhost:3000, without a path"
        )
    return f"{parts.scheme}://{parts.netloc}"


@readable
class Sandbox:
    """A running sandbox.

    Attributes
    ----------
    url, base_url, arrow_url
        Where both APIs are served (one address for all).
    gateway, api_secret, shared_secret
        What `GatewayClient` needs.
    app_id, app_secret
        What an Arrow login needs.
    clock
        Turn it by `advance`, which also delivers what becomes due.

    Examples
    --------
    A user imports, a webhook tells of it, and a day passes:

    >>> from holdings_kit.sandbox import gateway_client
    >>> with serve(seed=7, sender=lambda url, body: 200) as sb:
    ...     sb.register_webhook("http://127.0.0.1:9/webhook")
    ...     client = gateway_client(sb)
    ...     started = client.create_import()
    ...     sb.play(started.transaction_id, persona="asha").status
    ...     sb.deliveries()[0]["status"], sb.calls()
    ...     sb.advance(days=1).isoformat()
    ...     client.close()
    'COMPLETED'
    ('delivered', {'create': 1})
    '2026-01-06T04:45:00+00:00'

    What a test needs of a persona, and faults on demand:

    >>> sb = serve(seed=7)
    >>> sb.personas["asha"].broker, sb.user_login("asha")["user_id"]
    ('kite', 'SBX0001')
    >>> tokens = sb.token_for("asha"), sb.arrow_token("asha"), sb.request_token("asha")
    >>> len(set(tokens))
    3
    >>> sb.set_faults("holdings: 429*2, 500")
    >>> sb.set_clock(sb.now())
    >>> sb.close()

    An event on demand, late and sent twice, and what there is to look at:

    >>> with serve(seed=7, sender=lambda url, body: 200) as sb:
    ...     hook = "http://127.0.0.1:9/webhook"
    ...     sent = sb.trigger("holdings-import", persona="bela", url=hook, late="24h")
    ...     sent[0]["body"]["snapshotDate"], sent[0]["answers"]
    ...     sb.resend(sent[0]["id"])["answers"]
    ...     len(sb.transactions()), len(sb.requests()), sb.access()["gateway"]
    ...     sb.reset()
    ...     sb.transactions()
    ('2026-01-04T04:45:00.000Z', ['200'])
    ['200', '200']
    (1, 0, 'sandboxgateway')
    []
    """

    def __init__(self, world: World, *, port: int, host: str = "127.0.0.1") -> None:
        self._world = world
        app = make_app(world)
        closing = cast("asyncio.Event", app.state.closing)
        self._background = Background(
            app, port=port, host=host, before_close=closing.set
        )
        self.url = self.base_url = self.arrow_url = self._background.url
        known = world.credentials
        self.gateway, self.app_id = known.gateway, known.app_id
        self.api_secret, self.shared_secret = known.api_secret, known.shared_secret
        self.app_secret = known.app_secret
        self.clock = world.clock

    @property
    def personas(self) -> Mapping[str, Persona]:
        """Everybody who can log in, by key."""
        return self._world.personas

    def now(self) -> datetime:
        """Give the virtual instant, in UTC."""
        return self._world.clock.now()

    def advance(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> datetime:
        """Move the clock on, finish and send what becomes due, give the new instant."""
        self._world.clock.advance(
            days=days, hours=hours, minutes=minutes, seconds=seconds
        )
        self._world.pump()
        return self.now()

    def set_clock(self, instant: datetime) -> None:
        """Set the clock to an instant, and do what becomes due by it."""
        self._world.clock.set(instant)
        self._world.pump()

    def set_faults(self, plan: str) -> None:
        """Follow another fault plan from here on."""
        self._world.faults.load(plan)

    def register_webhook(self, url: str | None) -> None:
        """Announce later imports at `url`; ``None`` stops it."""
        self._world.webhooks.register(url)

    def deliveries(self) -> list[dict[str, object]]:
        """List all webhooks so far, with what became of each."""
        return self._world.webhooks.shown()

    def requests(self) -> list[dict[str, object]]:
        """List the last 500 requests with their answers, oldest first."""
        return self._world.log.shown()

    def transactions(self) -> list[dict[str, object]]:
        """List all transactions as ``transactiondetails`` writes them."""
        with self._world.lock:
            found = self._world.imports.list_all()
            return [details(self._world, one) for one in found]

    def resend(self, delivery_id: str, url: str | None = None) -> dict[str, object]:
        """Send the bytes of a delivery again; give it with all its answers."""
        return self._world.webhooks.resend(delivery_id, url).shown()

    def trigger(
        self,
        event: str,
        *,
        persona: str,
        url: str | None = None,
        late: str = "",
        duplicate: bool = False,
        forged: bool = False,
        reorder: bool = False,
    ) -> list[dict[str, object]]:
        """Fire an event now and deliver its webhooks at once, without a browser.

        Parameters
        ----------
        event
            ``holdings-import``, ``order``, ``pending-action`` or ``mf-import``.
        persona
            Who imports.
        url
            Where to; the registered address unless given.
        late
            How long ago it happened, such as ``24h``; it is delivered now.
        duplicate, forged, reorder
            The same bytes twice; a checksum of another secret; two imports, the newer
            one first.
        """
        sent = self._world.trigger(
            event,
            persona,
            url=url,
            late=late,
            duplicate=duplicate,
            forged=forged,
            reorder=reorder,
        )
        return [one.shown() for one in sent]

    def reset(self) -> None:
        """Forget all that happened; clock, faults and ids start again."""
        self._world.reset()

    def access(self) -> dict[str, str]:
        """Give addresses, names and secrets as one dict, ready for JSON."""
        return self._world.list_access(self.url)

    def calls(self) -> dict[str, int]:
        """Count the requests so far by target of the fault plan, spoilt ones too."""
        return self._world.throttle.calls()

    def play(
        self,
        transaction_id: str,
        step: str = "import",
        *,
        persona: str = "",
        broker: str = "",
    ) -> Transaction:
        """Be the user: ``import`` does it all, or one of the six steps.

        The steps are ``choose`` (a broker), ``login`` (a persona), ``consent``,
        ``deny``, ``cancel``, ``drop``.
        """
        done = play(self._world, step, transaction_id, persona=persona, broker=broker)
        self._world.pump()
        return done

    def token_for(self, persona: str) -> str:
        """Give a connected Gateway token of a persona, good for an hour."""
        return self._world.token_for(self._world.persona(persona).auth_id)

    def arrow_token(self, persona: str) -> str:
        """Give an Arrow token of a persona, good until midnight in India."""
        return arrow_token(self._world, self._world.persona(persona))

    def request_token(self, persona: str) -> str:
        """Give what Arrow's login page would bring back; good for one login."""
        return request_token(self._world, self._world.persona(persona))

    def user_login(self, persona: str) -> dict[str, str]:
        """Give a persona's invented Arrow user id, password and TOTP secret."""
        found = self._world.persona(persona)
        return user_login(self._world.seed, found.account_id)

    def close(self) -> None:
        """Stop the server and free the port; a second call does nothing."""
        self._background.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Sandbox({self.url}, {self.clock!r})"


def gateway_client(sandbox: Sandbox) -> GatewayClient:
    """Make the client of the sandbox's one partner.

    Examples
    --------
    >>> from holdings_kit import sandbox
    >>> with sandbox.serve() as sb, gateway_client(sb) as client:
    ...     client.create_import().transaction_id[:4]
    'TRX_'
    """
    return GatewayClient(
        gateway=sandbox.gateway,
        api_secret=sandbox.api_secret,
        shared_secret=sandbox.shared_secret,
        base_url=sandbox.url,
        clock=sandbox.now,
    )


def arrow_client(sandbox: Sandbox, persona: str) -> ArrowClient:
    """Log a persona in to Arrow, by checksum, as its login page would.

    Examples
    --------
    >>> from holdings_kit import sandbox
    >>> with sandbox.serve() as sb, arrow_client(sb, "asha") as client:
    ...     client.account_id
    'SBX0001'
    """
    return ArrowClient.login(
        app_id=sandbox.app_id,
        app_secret=sandbox.app_secret,
        request_token=sandbox.request_token(persona),
        base_url=sandbox.url,
        historical_url=sandbox.url,
        clock=sandbox.now,
    )
