"""The Arrow trading API: holdings, limits, quotes, instruments, candles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Literal, Self, cast
from urllib.parse import quote

import polars as pl

from holdings_kit.clients.http import Call, Http, Options
from holdings_kit.clients.policy import header_secret, hidden_json
from holdings_kit.errors import ConfigError, FrameError, WireError
from holdings_kit.freshness import Clock, utc_now
from holdings_kit.instruments import read_instruments, resolve
from holdings_kit.market_hours import MUMBAI
from holdings_kit.schema import EXCHANGES, INSTANT, Loaded
from holdings_kit.wire import arrow
from holdings_kit.wire.market import (
    QUOTES,
    decode_candles,
    decode_limits,
    decode_quotes,
)
from holdings_kit.wire.refusals import arrow_refusal
from holdings_kit.wire.signing import Secret, arrow_checksum

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["ARROW_HISTORICAL_URL", "ARROW_URL", "ArrowClient"]

ARROW_URL: Final = "https://edge.arrow.trade"
ARROW_HISTORICAL_URL: Final = "https://historical-api.arrow.trade"
_BATCH: Final = 100  # instruments in one request for quotes
_ASKED: Final = ("exchange", "trading_symbol", "token")
_DEFAULTS: Final = Options()


class ArrowClient:
    """One user's Arrow account; the same code for production and the sandbox.

    Every call is one request (quotes: one per 100 instruments), asked again after 429,
    5xx and network failures as `Options` allow. Close it, or use it in a ``with``.

    Parameters
    ----------
    app_id
        The application identifier, header ``appID``.
    token
        The user's session token, which lives 24 hours, header ``token``. `login` gets
        one from a request token.
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

    def __init__(
        self,
        *,
        app_id: str,
        token: str | Secret,
        account_id: str | None = None,
        base_url: str = ARROW_URL,
        historical_url: str | None = None,
        clock: Clock = utc_now,
        options: Options = _DEFAULTS,
    ) -> None:
        token = Secret(token)  # before anything can fail: frames show variables
        self._app_id, self._base_url, self._clock = app_id, base_url, clock
        self.account_id = account_id
        if historical_url is None:
            own = base_url != ARROW_URL
            historical_url = base_url if own else ARROW_HISTORICAL_URL
        headers = {
            "appID": header_secret("app_id", Secret(app_id)),
            "token": header_secret("token", token),
        }
        self._http, self._historical = (
            Http(
                source="arrow",
                base_url=url,
                refusal=arrow_refusal,
                headers=headers,
                options=options,
            )
            for url in (base_url, historical_url)
        )

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
        options: Options = _DEFAULTS,
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
            From the redirect after the login, parameter ``request-token``.
        base_url, historical_url, clock, options
            As for the client.

        Raises
        ------
        SourceError
            Arrow refused or failed; a wrong checksum is an `AuthError`.
        WireError
            The reply has no token.
        """
        app_secret, request_token = Secret(app_secret), Secret(request_token)
        http = Http(
            source="arrow",
            base_url=base_url,
            refusal=arrow_refusal,
            headers={"appID": header_secret("app_id", Secret(app_id))},
            options=options,
        )
        call = Call(
            method="POST",
            path="/auth/app/authenticate-token",
            content=_login_body(app_id, app_secret, request_token),
            secrets=(app_secret, request_token),
        )
        try:
            answer = hidden_json(http.send(call))
        finally:
            http.close()
        data = _mapping(_mapping(answer).get("data"))
        token, user = data.get("token"), data.get("userID")
        if not isinstance(token, Secret):
            raise WireError("arrow login", "/data/token", "is missing")
        return cls(
            app_id=app_id,
            token=token,
            account_id=user if isinstance(user, str) and user else None,
            base_url=base_url,
            historical_url=historical_url,
            clock=clock,
            options=options,
        )

    def __repr__(self) -> str:
        facts = f"account_id={self.account_id!r}, base_url={self._base_url!r}"
        return f"ArrowClient(app_id={self._app_id!r}, {facts})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        self._historical.close()

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
        """
        account = self._account(account_id)
        at = self._clock()
        body = self._http.send(Call(method="GET", path="/user/holdings"))
        loaded = arrow.decode(
            body, account_id=account, snapshot_at=at, source=f"arrow:{account}"
        )
        return resolve(loaded, instruments)

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
        """
        account = self._account(account_id)
        at = self._clock()
        body = self._http.send(Call(method="GET", path="/user/limits"))
        return decode_limits(
            body, account_id=account, limits_at=at, source=f"arrow:{account}", by=by
        )

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
            ``consolidate(quotes=…)``.

        Raises
        ------
        FrameError
            A column is missing.
        SourceError, WireError
            As `holdings`.
        """
        asked = _asked(instruments)
        at = self._clock()
        answers = [
            self._quotes(batch, mode).with_columns(exchange=pl.lit(exchange))
            for (exchange,), rows in asked.group_by("exchange", maintain_order=True)
            for batch in rows.iter_slices(_BATCH)
        ]
        if not answers:
            return pl.DataFrame(schema=QUOTES)
        found = pl.concat(answers).unique(["exchange", "token"], keep="last")
        return (
            asked.join(
                found, on=["exchange", "token"], how="left", maintain_order="left"
            )
            .with_columns(
                price_at=pl.when(pl.col("last_price").is_not_null()).then(
                    pl.coalesce("price_at", pl.lit(at).cast(INSTANT))
                )
            )
            .select(QUOTES.names())
        )

    def _quotes(self, batch: pl.DataFrame, mode: str) -> pl.DataFrame:
        wanted = batch.select(symbol="trading_symbol", exchange="exchange").to_dicts()
        call = Call(
            method="POST",
            path=f"/info/quotes/{quote(mode, safe='')}",
            content=json.dumps(wanted).encode(),
        )
        return decode_quotes(self._http.send(call), source="arrow quotes")

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
        """
        call = Call(
            method="GET",
            path=f"/{quote(exchange, safe='')}",
            json_only=False,
            size_factor=16,
        )
        return read_instruments(self._http.send(call))

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
        """
        if start.tzinfo is None or end.tzinfo is None or end < start:
            raise ConfigError("start and end need a time zone, and start comes first")
        parts = ("candle", exchange.lower(), token, interval)
        call = Call(
            method="GET",
            path="".join(f"/{quote(part, safe='')}" for part in parts),
            params={"from": _local(start), "to": _local(end)},
        )
        body = self._historical.send(call)
        return decode_candles(
            body,
            exchange=exchange.upper(),
            token=token,
            interval=interval,
            source="arrow candles",
        )

    def _account(self, account_id: str | None) -> str:
        account = account_id or self.account_id
        if account is None:
            raise ConfigError(
                "whose account is this? pass account_id: Arrow's replies name nobody"
            )
        return account


def _asked(instruments: Loaded | pl.DataFrame) -> pl.DataFrame:
    """List what to ask quotes for: exchange, trading_symbol, token, instrument_id."""
    if isinstance(instruments, Loaded):
        return _first_listings(instruments)
    missing = [name for name in _ASKED if name not in instruments.columns]
    if missing:
        raise FrameError("instruments", missing[0], "missing; quotes are asked by it")
    identity = (
        pl.col("instrument_id")
        if "instrument_id" in instruments.columns
        else pl.lit(None, pl.String()).alias("instrument_id")
    )
    return (
        instruments.select(*_ASKED, identity)
        .drop_nulls(_ASKED)
        .unique(["exchange", "token"], maintain_order=True)
    )


def _first_listings(loaded: Loaded) -> pl.DataFrame:
    key = ["snapshot_id", "account_id", "holding_no"]
    order = pl.col("exchange").replace_strict(
        list(EXCHANGES), list(range(len(EXCHANGES))), default=len(EXCHANGES)
    )
    return (
        loaded.listings.join(
            loaded.holdings.select(*key, "instrument_id"),
            on=key,
            nulls_equal=True,
            maintain_order="left",
        )
        .drop_nulls([*_ASKED, "instrument_id"])
        .sort(order, maintain_order=True)
        .unique("instrument_id", keep="first", maintain_order=True)
        .select(*_ASKED, "instrument_id")
    )


def _login_body(app_id: str, app_secret: Secret, request_token: Secret) -> bytes:
    return json.dumps(
        {
            "checkSum": arrow_checksum(app_id, app_secret, request_token),
            "token": request_token.reveal(),
            "appID": app_id,
        }
    ).encode()


def _mapping(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _local(instant: datetime) -> str:
    return instant.astimezone(MUMBAI).strftime("%Y-%m-%dT%H:%M:%S")
