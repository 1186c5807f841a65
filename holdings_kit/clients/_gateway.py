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

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from holdings_kit.clients._gateway_plans import (
    GatewayPlans,
    NewTransaction,
    Refresh,
    Snapshots,
)
from holdings_kit.clients._http import Http, Session

if TYPE_CHECKING:
    import polars as pl

    from holdings_kit.schema import Loaded
    from holdings_kit.wire import Transaction


class GatewayClient(GatewayPlans[Http], Session):
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
    >>> from holdings_kit.clients import Options
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

    def create_import(
        self,
        *,
        auth_id: str | None = None,
        version: Literal["v1", "v2"] = "v2",
        mutual_funds: bool = False,
        notes: str | None = None,
    ) -> NewTransaction:
        """Create a holdings-import transaction for the browser SDK.

        Asked again only where it was certainly not carried out.

        Parameters
        ----------
        auth_id
            The connected user's smallcaseAuthId; ``None`` for a new user.
        version
            Of the holdings the webhook will carry.
        mutual_funds
            Also import mutual funds held at the broker.
        notes
            Up to 256 characters, returned with the holdings and in the webhook.

        Raises
        ------
        ConfigError
            Longer notes, or an unknown version.
        SourceError
            The gateway refused or failed.
        WireError
            The reply has no transaction id.

        Examples
        --------
        The user's part is played by the sandbox here:

        >>> from holdings_kit import sandbox
        >>> from holdings_kit.sandbox import gateway_client
        >>> with sandbox.serve() as sb, gateway_client(sb) as client:
        ...     started = client.create_import(notes="first")
        ...     _ = sb.play(started.transaction_id, persona="asha")
        ...     _ = sb.advance(seconds=10)
        ...     done = client.transaction(started.transaction_id)
        >>> started.transaction_id == done.transaction_id, done.status, done.broker
        (True, 'COMPLETED', 'kite')
        """
        plan = self._plan_import(
            auth_id=auth_id, version=version, mutual_funds=mutual_funds, notes=notes
        )
        return self._run(plan)

    def transaction(
        self, transaction_id: str, *, auth_id: str | None = None
    ) -> Transaction:
        """Fetch what became of a transaction, in either published nesting.

        Parameters
        ----------
        transaction_id
            Of `create_import`.
        auth_id
            The connected user it belongs to; ``None`` for a guest's.

        Raises
        ------
        SourceError
            The gateway refused or failed.
        WireError
            The reply has no status.

        Examples
        --------
        >>> from holdings_kit import sandbox
        >>> from holdings_kit.sandbox import gateway_client
        >>> with sandbox.serve() as sb, gateway_client(sb) as client:
        ...     started = client.create_import()
        ...     client.transaction(started.transaction_id).status
        'INITIALIZED'
        """
        return self._run(self._plan_transaction(transaction_id, auth_id=auth_id))

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
        plan = self._plan_holdings(
            auth_id,
            version=version,
            mutual_funds=mutual_funds,
            instruments=instruments,
            max_age=max_age,
            store=store,
        )
        return self._run(plan)

    def refresh(
        self,
        auth_id: str,
        *,
        broker: str | None = None,
        version: Literal["v1", "v2"] = "v2",
        mutual_funds: bool = False,
        max_age: timedelta = timedelta(0),
        instruments: pl.DataFrame | None = None,
        notes: str | None = None,
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
        notes
            For the transaction, if one is created; as `create_import`.

        Raises
        ------
        ConfigError, SourceError, WireError
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
        plan = self._plan_refresh(
            auth_id,
            broker=broker,
            version=version,
            mutual_funds=mutual_funds,
            max_age=max_age,
            instruments=instruments,
            notes=notes,
        )
        return self._run(plan)
