"""The smallcase Gateway: imports, holdings, refresh.

One import, as an integrator's server sees it::

    gateway = hk.GatewayClient(gateway=…, api_secret=…, shared_secret=…)
    started = gateway.create_import()          # hand started.transaction_id and
    gateway.token().reveal()                   # this guest token to the browser SDK
    result = parse_import_result(from_browser)  # what the SDK handed back
    auth_id = gateway.auth_id(result.auth_token)  # store it with the user
    loaded = gateway.holdings(auth_id)         # now, or on a webhook
    gateway.refresh(auth_id, broker=result.broker)  # later
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, cast

import polars as pl

from holdings_kit.clients._brokers import broker_profile
from holdings_kit.clients._gateway_imports import (
    GatewayImports,
    NewTransaction,
    known_version,
)
from holdings_kit.clients._http import Call, Http, Options
from holdings_kit.clients._policy import header_secret
from holdings_kit.errors import ConfigError
from holdings_kit.market import freshness
from holdings_kit.market._freshness import Clock, Freshness, utc_now
from holdings_kit.read import resolve
from holdings_kit.wire import Secret, _gateway as wire, gateway_refusal

if TYPE_CHECKING:
    from collections.abc import Collection

    from holdings_kit.market._calendar import Calendar
    from holdings_kit.market._freshness import Freshness
    from holdings_kit.schema import Loaded

__all__ = [
    "GATEWAY_URL",
    "GatewayClient",
    "NewTransaction",
    "Refresh",
    "Snapshots",
]


GATEWAY_URL: Final = "https://gatewayapi.smallcase.com"
_DEFAULTS: Final = Options()


class Snapshots(Protocol):
    """The part of `Store` that `GatewayClient.holdings` answers from."""

    def current(self, *, account_ids: Collection[str] | None = None) -> Loaded:
        """Read the current snapshot of every account, or of those named."""
        ...


class Refresh(NamedTuple):
    """What a refresh came to: newer holdings, or an import for the user to do.

    Attributes
    ----------
    loaded
        What was fetched; ``None`` where a fetch could not have helped.
    transaction
        Hand it to the browser SDK; ``None`` where the holdings are fresh.
    reason
        Why it is so.
    """

    loaded: Loaded | None
    transaction: NewTransaction | None
    reason: str


class GatewayClient(GatewayImports):
    """A partner's Gateway; the same code for production and the sandbox.

    Parameters
    ----------
    gateway
        The gateway's name.
    api_secret
        Header ``x-gateway-secret``, and the key of webhook checksums.
    shared_secret
        Signs tokens. Swapping the two secrets is the classic silent mistake: the same
        text for both is refused.
    base_url
        https, or http to this machine.
    clock
        Gives the instant that stamps fetches and tokens.
    calendar
        For freshness; by default `market_calendar`.
    options
        Time-out, retries, rate limit, size limit, transport.

    Raises
    ------
    ConfigError
        A secret that no header can carry or given twice, or a URL in the clear.

    Examples
    --------
    The transport stands for the network here:

    >>> import httpx
    >>> body = {"success": True, "data": {"transactionId": "TRX_" + "0" * 32}}
    >>> transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    >>> client = GatewayClient(
    ...     gateway="demo",
    ...     api_secret="not-a-real-secret",
    ...     shared_secret="nor-is-this",
    ...     options=Options(transport=transport),
    ... )
    >>> client.create_import().transaction_id[:8]
    'TRX_0000'
    >>> client
    GatewayClient(gateway='demo', base_url='https://gatewayapi.smallcase.com')
    """

    def __init__(
        self,
        *,
        gateway: str,
        api_secret: str | Secret,
        shared_secret: str | Secret,
        base_url: str = GATEWAY_URL,
        clock: Clock = utc_now,
        calendar: Calendar | None = None,
        options: Options = _DEFAULTS,
    ) -> None:
        # before anything can fail: frames show variables, and this client among them
        api_secret, shared_secret = Secret(api_secret), Secret(shared_secret)
        self._gateway, self._base_url = gateway, base_url
        self._calendar = calendar
        if not gateway:
            raise ConfigError("gateway is empty; it is the name of your gateway")
        if api_secret.reveal() == shared_secret.reveal():
            raise ConfigError("api_secret and shared_secret are two different secrets")
        http = Http(
            source="gateway",
            base_url=base_url,
            refusal=gateway_refusal,
            headers={"x-gateway-secret": header_secret("api_secret", api_secret)},
            options=options,
        )
        super().__init__(
            http, gateway=gateway, shared_secret=shared_secret, clock=clock
        )

    def __repr__(self) -> str:
        facts = f"gateway={self._gateway!r}, base_url={self._base_url!r}"
        return f"GatewayClient({facts})"

    def holdings(
        self,
        auth_id: str,
        *,
        version: Literal["v1", "v2"] = "v2",
        mutual_funds: bool = False,
        instruments: pl.DataFrame | None = None,
        max_age: timedelta | None = None,
        store: Snapshots | None = None,
    ) -> Loaded:
        """Fetch a user's holdings, or answer from a store while that is fresh.

        Parameters
        ----------
        auth_id
            The connected user's smallcaseAuthId.
        version
            Sent explicitly: the documentation disagrees with itself on the default.
        mutual_funds
            Also the mutual funds held at the broker.
        instruments
            The master of `read_instruments`: gives ISINs to tickers.
        max_age, store
            Answer from `store` where its snapshot of this user has seen at most
            `max_age` of open exchange time since. The answer says so: a notice of kind
            ``answered_from_store`` in `snapshots`.

        Returns
        -------
        Loaded
            One snapshot, as `read_gateway` reads it.

        Raises
        ------
        ConfigError
            `max_age` without a store, or a store without `max_age`; an unknown version.
        AuthError, PermissionDenied, RateLimited, SourceUnavailable, SourceError
            The gateway refused or failed.
        WireError
            The reply is not of the published shape, or another user's.

        Examples
        --------
        >>> from holdings_kit import sandbox
        >>> from holdings_kit.sandbox import gateway_client
        >>> with sandbox.serve() as sb, gateway_client(sb) as client:
        ...     started = client.create_import()
        ...     _ = sb.play(started.transaction_id, persona="asha")
        ...     _ = sb.advance(seconds=10)
        ...     done = client.transaction(started.transaction_id)
        ...     loaded = client.holdings(client.auth_id(done.auth_token))
        >>> loaded.snapshots["format"].item(), loaded.holdings["symbol"][0]
        ('gateway-v2', 'SBIN')
        """
        if (max_age is None) != (store is None):
            raise ConfigError("max_age and store belong together")
        if max_age is not None and store is not None:
            kept = store.current(account_ids=[auth_id])
            state = self._state(kept, max_age)
            if state.fresh:
                return _note_answered_from_store(kept, state)
        at = self._clock()
        call = Call(
            method="GET",
            path=f"{self._engine}/user/holdings",
            params={
                "version": known_version(version),
                **({"mfHoldings": "true"} if mutual_funds else {}),
            },
            headers=self._signed(auth_id),
        )
        loaded = wire.decode(
            self._http.send(call),
            fetched_at=at,
            source=f"gateway:{auth_id}",
            account_id=auth_id,
        )
        return resolve(loaded, instruments)

    def refresh(
        self,
        auth_id: str,
        *,
        broker: str | None = None,
        version: Literal["v1", "v2"] = "v2",
        mutual_funds: bool = False,
        max_age: timedelta = timedelta(0),
        instruments: pl.DataFrame | None = None,
    ) -> Refresh:
        """Get newer holdings the way the user's broker allows.

        A broker with long-lived sessions (Zerodha) is fetched; if what comes is still
        not current, its session has lapsed. The others need the user: a transaction is
        created for a new import. A broker nobody names is fetched first, to see.

        Parameters
        ----------
        auth_id
            The connected user's smallcaseAuthId.
        broker
            Key as in payloads; ``None`` where it is not known.
        version, mutual_funds, instruments
            As `holdings`.
        max_age
            Open exchange time that may have passed since the snapshot.

        Raises
        ------
        SourceError, WireError
            As `holdings` and `create_import`.

        Examples
        --------
        A broker that needs a login gets a new import to hand to the user:

        >>> from holdings_kit import sandbox
        >>> from holdings_kit.sandbox import gateway_client
        >>> with sandbox.serve() as sb, gateway_client(sb) as client:
        ...     auth_id = client.auth_id(sb.token_for("bela"))
        ...     refresh = client.refresh(auth_id, broker="groww")
        >>> refresh.reason, refresh.loaded, refresh.transaction.transaction_id[:4]
        ('Groww needs a login to refresh', None, 'TRX_')
        """
        profile = broker_profile(broker)
        if broker is not None and profile.long_lived is False:
            reason = f"{profile.name} needs a login to refresh"
            loaded = None
        else:
            loaded = self.holdings(
                auth_id,
                version=version,
                mutual_funds=mutual_funds,
                instruments=instruments,
            )
            state = self._state(loaded, max_age)
            if state.fresh:
                return Refresh(loaded, None, f"fresh: {_describe_age(state)}")
            reason = (
                f"not current: {_describe_age(state)}; the user has to log in again"
            )
        started = self.create_import(
            auth_id=auth_id, version=version, mutual_funds=mutual_funds
        )
        return Refresh(loaded, started, reason)

    def _state(self, loaded: Loaded, max_age: timedelta) -> Freshness:
        return freshness(
            cast("datetime | None", loaded.snapshots["snapshot_at"].min()),
            now=self._clock(),
            max_age=max_age,
            calendar=self._calendar,
        )


def _describe_age(state: Freshness) -> str:
    """Say of when a snapshot is, and how long the exchange was open since."""
    if state.snapshot_at is None:
        return "the snapshot has no instant"
    opened = f"the exchange was open for {state.open_time} since"
    return f"snapshot of {state.snapshot_at.isoformat()}, {opened} ({state.calendar})"


def _note_answered_from_store(loaded: Loaded, state: Freshness) -> Loaded:
    """Say in the snapshot's notices that the store answered."""
    notice = {
        "kind": "answered_from_store",
        "pointer": "",
        "value": _describe_age(state),
    }

    def add(text: str | None) -> str:
        known = cast("list[object]", json.loads(text)) if text else []
        return json.dumps([*known, notice], ensure_ascii=False)

    notices = [add(text) for text in loaded.snapshots["notices"]]
    column = pl.Series("notices", notices, dtype=pl.String())
    return loaded._replace(snapshots=loaded.snapshots.with_columns(column))
