"""The clients of an event loop: the same plans as the others, awaited."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Self

from holdings_kit.clients._arrow_plans import (
    ARROW_URL,
    ArrowPlans,
    open_login,
    plan_login,
)
from holdings_kit.clients._gateway_plans import (
    GatewayPlans,
    NewTransaction,
    Refresh,
    Snapshots,
)
from holdings_kit.clients._http import (
    DEFAULTS,
    AsyncHttp,
    AsyncSession,
    Options,
    await_steps,
)
from holdings_kit.market._freshness import Clock, utc_now
from holdings_kit.wire import Secret, Transaction, _arrow as arrow

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from holdings_kit.schema import Loaded


class AsyncGatewayClient(GatewayPlans[AsyncHttp], AsyncSession):
    """A partner's Gateway, for an event loop: `GatewayClient`, awaited.

    No call holds the loop up: the network is awaited, and what takes time besides
    (reading a reply, asking a store) is done in a thread. A cancelled task ends its
    request. One client serves one event loop, and any number of tasks.

    Parameters
    ----------
    gateway, api_secret, shared_secret, base_url, clock, calendar, options
        As for `GatewayClient`; `transport` is an asynchronous one.

    Raises
    ------
    ConfigError
        As `GatewayClient`.

    Examples
    --------
    >>> import asyncio
    >>> from holdings_kit import sandbox
    >>> async def import_holdings(sb):
    ...     async with AsyncGatewayClient(
    ...         gateway=sb.gateway,
    ...         api_secret=sb.api_secret,
    ...         shared_secret=sb.shared_secret,
    ...         base_url=sb.url,
    ...         clock=sb.now,
    ...     ) as client:
    ...         started = await client.create_import(notes="first")
    ...         _ = sb.play(started.transaction_id, persona="asha")
    ...         _ = sb.advance(seconds=10)
    ...         done = await client.transaction(started.transaction_id)
    ...         auth_id = client.auth_id(done.auth_token)
    ...         loaded = await client.holdings(auth_id)
    ...         again = await client.refresh(auth_id, broker=done.broker)
    ...     return done.status, loaded.holdings["symbol"][0], again.reason[:5]
    >>> with sandbox.serve() as sb:
    ...     asyncio.run(import_holdings(sb))
    ('COMPLETED', 'SBIN', 'fresh')

    Leaving the ``async with`` closes it; so does ``await client.close()``.
    """

    async def create_import(
        self,
        *,
        auth_id: str | None = None,
        version: Literal["v1", "v2"] = "v2",
        mutual_funds: bool = False,
        notes: str | None = None,
    ) -> NewTransaction:
        """Create a holdings-import transaction, as `GatewayClient.create_import`."""
        plan = self._plan_import(
            auth_id=auth_id, version=version, mutual_funds=mutual_funds, notes=notes
        )
        return await self._run(plan)

    async def transaction(
        self, transaction_id: str, *, auth_id: str | None = None
    ) -> Transaction:
        """Fetch what became of a transaction, as `GatewayClient.transaction`."""
        return await self._run(self._plan_transaction(transaction_id, auth_id=auth_id))

    async def holdings(
        self,
        auth_id: str,
        *,
        version: Literal["v1", "v2"] = "v2",
        mutual_funds: bool = False,
        instruments: pl.DataFrame | None = None,
        max_age: timedelta | None = None,
        store: Snapshots | None = None,
    ) -> Loaded:
        """Fetch a user's holdings, as `GatewayClient.holdings`."""
        plan = self._plan_holdings(
            auth_id,
            version=version,
            mutual_funds=mutual_funds,
            instruments=instruments,
            max_age=max_age,
            store=store,
        )
        return await self._run(plan)

    async def refresh(
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
        """Get newer holdings the way the broker allows, as `GatewayClient.refresh`."""
        plan = self._plan_refresh(
            auth_id,
            broker=broker,
            version=version,
            mutual_funds=mutual_funds,
            max_age=max_age,
            instruments=instruments,
            notes=notes,
        )
        return await self._run(plan)


class AsyncArrowClient(ArrowPlans[AsyncHttp], AsyncSession):
    """One user's Arrow account, for an event loop: `ArrowClient`, awaited.

    Parameters
    ----------
    app_id, token, account_id, base_url, historical_url, clock, options
        As for `ArrowClient`; `transport` is an asynchronous one.

    Raises
    ------
    ConfigError
        As `ArrowClient`.

    Examples
    --------
    >>> import asyncio
    >>> from datetime import timedelta
    >>> from holdings_kit import sandbox
    >>> async def ask(sb):
    ...     async with await AsyncArrowClient.login(
    ...         app_id=sb.app_id,
    ...         app_secret=sb.app_secret,
    ...         request_token=sb.request_token("asha"),
    ...         base_url=sb.url,
    ...         clock=sb.now,
    ...     ) as client:
    ...         loaded = await client.holdings()
    ...         reply = await client.holdings_reply()
    ...         limits = await client.limits()
    ...         quotes = await client.quotes(loaded)
    ...         master = await client.instruments("nse")
    ...         candles = await client.candles(
    ...             exchange="NSE",
    ...             token="3045",
    ...             interval="day",
    ...             start=sb.now() - timedelta(days=7),
    ...             end=sb.now(),
    ...         )
    ...     await client.close()  # a second time does nothing
    ...     return loaded.holdings["symbol"][0], reply.account_id, limits.height
    >>> with sandbox.serve() as sb:
    ...     asyncio.run(ask(sb))
    ('SBIN', 'SBX0001', 1)
    """

    @classmethod
    async def login(
        cls,
        *,
        app_id: str,
        app_secret: str | Secret,
        request_token: str | Secret,
        base_url: str = ARROW_URL,
        historical_url: str | None = None,
        clock: Clock = utc_now,
        options: Options = DEFAULTS,
    ) -> Self:
        """Trade the request token of a login for a session: `ArrowClient.login`."""
        app_secret, request_token = Secret(app_secret), Secret(request_token)
        plan = plan_login(
            app_id=app_id, app_secret=app_secret, request_token=request_token
        )
        door = open_login(AsyncHttp, app_id, base_url, options)
        try:
            found = await await_steps(plan, [door])
        finally:
            await door.close()
        return cls(
            app_id=app_id,
            token=found.token,
            account_id=found.account_id,
            base_url=base_url,
            historical_url=historical_url,
            clock=clock,
            options=options,
        )

    async def holdings(
        self,
        *,
        account_id: str | None = None,
        instruments: pl.DataFrame | None = None,
    ) -> Loaded:
        """Fetch the user's holdings, as `ArrowClient.holdings`."""
        plan = self._plan_holdings(account_id=account_id, instruments=instruments)
        return await self._run(plan)

    async def holdings_reply(self, *, account_id: str | None = None) -> arrow.Reply:
        """Fetch the holdings without reading them: `ArrowClient.holdings_reply`."""
        return await self._run(self._plan_holdings_reply(account_id=account_id))

    async def limits(
        self,
        *,
        account_id: str | None = None,
        by: Literal["account", "segment"] = "account",
    ) -> pl.DataFrame:
        """Fetch cash and collateral, as `ArrowClient.limits`."""
        return await self._run(self._plan_limits(account_id=account_id, by=by))

    async def quotes(
        self,
        instruments: Loaded | pl.DataFrame,
        *,
        mode: Literal["ltp", "ohlcv", "full"] = "ltp",
    ) -> pl.DataFrame:
        """Fetch prices, 100 instruments a request, as `ArrowClient.quotes`."""
        return await self._run(self._plan_quotes(instruments, mode=mode))

    async def instruments(
        self, exchange: Literal["all", "nse", "bse"] = "all"
    ) -> pl.DataFrame:
        """Fetch the instrument list, as `ArrowClient.instruments`."""
        return await self._run(self._plan_instruments(exchange))

    async def candles(
        self,
        *,
        exchange: str,
        token: str,
        interval: str,
        start: datetime,
        end: datetime,
    ) -> pl.DataFrame:
        """Fetch price history, as `ArrowClient.candles`."""
        plan = self._plan_candles(
            exchange=exchange, token=token, interval=interval, start=start, end=end
        )
        return await self._run(plan)
