"""The Arrow trading API: holdings, limits, quotes, instruments, candles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from holdings_kit.clients._arrow_plans import (
    ARROW_URL,
    ArrowPlans,
    open_login,
    plan_login,
)
from holdings_kit.clients._http import DEFAULTS, Http, Options, Session, take_steps
from holdings_kit.market._freshness import Clock, utc_now
from holdings_kit.wire import Secret, _arrow as arrow

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from holdings_kit.schema import Loaded


class ArrowClient(ArrowPlans[Http], Session):
    """One user's Arrow account; the same code for production and the sandbox.

    Every call is one request (quotes: one per 100 instruments), asked again after 429,
    5xx and network failures as `Options` allow. Close it, or use it in a ``with``.

    Parameters
    ----------
    app_id
        The application identifier, header ``appID``.
    token
        The user's session token, header ``token``; it ends at midnight in India.
        `login` gets one from a request token.
    account_id
        The user id, for Arrow's replies name none; `login` learns it.
    base_url, historical_url
        Where to ask; candles come from a host of their own. https, or http to this
        machine. With another `base_url` and no `historical_url`, both are the same.
    clock
        Gives the instant that stamps what is fetched.
    options
        Time-out, retries, rate limit, size limit, transport.

    Raises
    ------
    ConfigError
        A secret that no header can carry, or a URL that would send it in the clear.

    Examples
    --------
    The transport stands for the network here:

    >>> import httpx
    >>> body = {"status": "success", "data": []}
    >>> transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    >>> client = ArrowClient(
    ...     app_id="demo",
    ...     token="not-a-real-token",
    ...     account_id="A1",
    ...     options=Options(transport=transport),
    ... )
    >>> client.holdings().snapshots.select("account_id", "holdings_count").row(0)
    ('A1', 0)
    >>> client
    ArrowClient(app_id='demo', account_id='A1', base_url='https://edge.arrow.trade')
    """

    @classmethod
    def login(
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
        """Trade the request token of a browser login for a session.

        The proof is the checksum SHA-256 of ``app_id:app_secret:request_token``; the
        secret itself is not sent. The request is asked again only where it was
        certainly not carried out, for a request token works once.

        Parameters
        ----------
        app_id, app_secret
            The application's pair.
        request_token
            From the redirect after the login, parameter ``request-token``; or the whole
            address the browser came back to, whose ``checksum`` is then verified.
        base_url, historical_url, clock, options
            As for the client.

        Raises
        ------
        SourceError
            Arrow refused or failed; a wrong checksum is an `AuthError`.
        WireError
            The reply has no token.
        SignatureError
            The address has no checksum, or one that is not of its request token.

        Examples
        --------
        >>> from holdings_kit import sandbox
        >>> with sandbox.serve() as sb:
        ...     client = ArrowClient.login(
        ...         app_id=sb.app_id,
        ...         app_secret=sb.app_secret,
        ...         request_token=sb.request_token("asha"),
        ...         base_url=sb.url,
        ...     )
        ...     client.account_id
        ...     client.close()
        'SBX0001'
        """
        app_secret, request_token = Secret(app_secret), Secret(request_token)
        plan = plan_login(
            app_id=app_id, app_secret=app_secret, request_token=request_token
        )
        door = open_login(Http, app_id, base_url, options)
        try:
            found = take_steps(plan, [door])
        finally:
            door.close()
        return cls(
            app_id=app_id,
            token=found.token,
            account_id=found.account_id,
            base_url=base_url,
            historical_url=historical_url,
            clock=clock,
            options=options,
        )

    def holdings(
        self,
        *,
        account_id: str | None = None,
        instruments: pl.DataFrame | None = None,
    ) -> Loaded:
        """Fetch the user's holdings (``GET /user/holdings``).

        Arrow's reply has no instant: `snapshot_at` is the instant of the call.

        Parameters
        ----------
        account_id
            Whose account this is, where the client does not know.
        instruments
            The master of `instruments`: gives ISINs to rows that have none.

        Returns
        -------
        Loaded
            One snapshot, as `read_arrow` reads it.

        Raises
        ------
        ConfigError
            Nobody says whose account this is.
        AuthError, PermissionDenied, RateLimited, SourceUnavailable, SourceError
            Arrow refused or failed.
        WireError
            The reply is not of the published shape.

        Examples
        --------
        >>> from holdings_kit import sandbox
        >>> from holdings_kit.sandbox import arrow_client
        >>> with sandbox.serve() as sb, arrow_client(sb, "asha") as client:
        ...     loaded = client.holdings()
        >>> loaded.holdings["symbol"].head(3).to_list()
        ['SBIN', 'IDEA', 'YESBANK']
        """
        plan = self._plan_holdings(account_id=account_id, instruments=instruments)
        return self._run(plan)

    def holdings_reply(self, *, account_id: str | None = None) -> arrow.Reply:
        """Fetch the user's holdings without reading them, for `fetch_many`.

        Many replies read together take a fraction of the time of one by one.

        Parameters
        ----------
        account_id
            Whose account this is, where the client does not know.

        Returns
        -------
        Reply
            ``body``, ``account_id``, ``snapshot_at`` (the instant of the call) and
            ``source``: what `fetch_many` reads together.

        Raises
        ------
        ConfigError
            Nobody says whose account this is.
        AuthError, PermissionDenied, RateLimited, SourceUnavailable, SourceError
            Arrow refused or failed.

        Examples
        --------
        >>> from holdings_kit import sandbox
        >>> from holdings_kit.clients import fetch_many
        >>> from holdings_kit.sandbox import arrow_client
        >>> with sandbox.serve() as sb, arrow_client(sb, "asha") as client:
        ...     loaded = fetch_many(
        ...         ["asha"], lambda _: client.holdings_reply(), progress=False
        ...     )
        >>> loaded.holdings["symbol"].head(3).to_list()
        ['SBIN', 'IDEA', 'YESBANK']
        """
        return self._run(self._plan_holdings_reply(account_id=account_id))

    def limits(
        self,
        *,
        account_id: str | None = None,
        by: Literal["account", "segment"] = "account",
    ) -> pl.DataFrame:
        """Fetch cash, cash equivalents and collateral (``GET /user/limits``).

        Parameters
        ----------
        account_id
            As for `holdings`.
        by
            ``account``: one row, summed over the segments, as `margin.reconcile` takes
            it; ``segment``: a row for each of CM, FO, MCX, without the margin.

        Returns
        -------
        polars.DataFrame
            `LIMITS`, rupees; a sum is null where one of its terms is unknown.

        Raises
        ------
        ConfigError, SourceError, WireError
            As `holdings`.

        Examples
        --------
        >>> from holdings_kit import sandbox
        >>> from holdings_kit.sandbox import arrow_client
        >>> with sandbox.serve() as sb, arrow_client(sb, "asha") as client:
        ...     limits = client.limits()
        >>> limits.select("account_id", "cash_value").row(0)
        ('SBX0001', Decimal('25000.00000000'))
        """
        return self._run(self._plan_limits(account_id=account_id, by=by))

    def quotes(
        self,
        instruments: Loaded | pl.DataFrame,
        *,
        mode: Literal["ltp", "ohlcv", "full"] = "ltp",
    ) -> pl.DataFrame:
        """Fetch prices (``POST /info/quotes``), 100 instruments a request.

        Quotes come back in any order with the token alone, so they are matched by
        exchange and token. An instrument without a quote has null prices.

        Parameters
        ----------
        instruments
            What `holdings` gave (the first listing of each instrument is asked for), or
            a frame with ``exchange``, ``trading_symbol``, ``token`` and, if it has it,
            ``instrument_id``: rows of `INSTRUMENTS` or `LISTINGS`.
        mode
            ``ltp`` has last and close; the others open, high, low and volume as well.

        Returns
        -------
        polars.DataFrame
            `QUOTES`, rupees, a row for each one asked for, ready for
            ``consolidate(prices=…)``.

        Raises
        ------
        FrameError
            A column is missing.
        SourceError, WireError
            As `holdings`.

        Examples
        --------
        >>> from holdings_kit import sandbox
        >>> from holdings_kit.sandbox import arrow_client
        >>> with sandbox.serve() as sb, arrow_client(sb, "asha") as client:
        ...     quotes = client.quotes(client.holdings())
        >>> quotes.select("trading_symbol", "last_price").row(0)
        ('SBIN-EQ', Decimal('971.5000'))
        """
        return self._run(self._plan_quotes(instruments, mode=mode))

    def instruments(
        self, exchange: Literal["all", "nse", "bse"] = "all"
    ) -> pl.DataFrame:
        """Fetch the instrument list (``GET /all``, ``/nse``, ``/bse``): the master.

        It gives (exchange, token) an ISIN, for `holdings` and the readers.

        Returns
        -------
        polars.DataFrame
            `INSTRUMENTS`, as `read_instruments` reads it.

        Raises
        ------
        SourceError, WireError
            As `holdings`.

        Examples
        --------
        >>> from holdings_kit import sandbox
        >>> from holdings_kit.sandbox import arrow_client
        >>> with sandbox.serve() as sb, arrow_client(sb, "asha") as client:
        ...     master = client.instruments("nse")
        >>> master.filter(token="3045").select("trading_symbol", "isin").row(0)
        ('SBIN-EQ', 'INE062A01020')
        """
        return self._run(self._plan_instruments(exchange))

    def candles(
        self,
        *,
        exchange: str,
        token: str,
        interval: str,
        start: datetime,
        end: datetime,
    ) -> pl.DataFrame:
        """Fetch price history (``GET /candle/…`` of the historical host).

        Parameters
        ----------
        exchange, token
            One listing: ``"NSE"``, ``"3045"``.
        interval
            ``min, 3min, 5min, 10min, 15min, 30min, hour, 2hours, 3hours, 4hours, day,
            week, month``.
        start, end
            Timezone-aware; sent as the exchange's local time.

        Returns
        -------
        polars.DataFrame
            `CANDLES`, rupees, in the order of the reply.

        Raises
        ------
        ConfigError
            An instant without a time zone, or an end before the start.
        SourceError, WireError
            As `holdings`.

        Examples
        --------
        >>> from holdings_kit import sandbox
        >>> from holdings_kit.sandbox import arrow_client
        >>> with sandbox.serve() as sb:
        ...     monday, week_later = sb.now(), sb.advance(days=7)
        ...     with arrow_client(sb, "asha") as client:
        ...         candles = client.candles(
        ...             exchange="NSE",
        ...             token="3045",
        ...             interval="day",
        ...             start=monday,
        ...             end=week_later,
        ...         )
        >>> candles.select("exchange", "token", "close_price").row(-1)
        ('NSE', '3045', Decimal('966.4000'))
        """
        plan = self._plan_candles(
            exchange=exchange, token=token, interval=interval, start=start, end=end
        )
        return self._run(plan)
