"""The Arrow trading API: holdings, limits, quotes, instruments, candles."""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Final, Literal, Self
from urllib.parse import parse_qs

from holdings_kit.clients._arrow_market import ArrowMarket
from holdings_kit.clients._http import Call, Http, Options
from holdings_kit.clients._policy import header_secret, hidden_data
from holdings_kit.errors import ConfigError, SignatureError, WireError
from holdings_kit.market._freshness import Clock, utc_now
from holdings_kit.read import resolve
from holdings_kit.wire import (
    Secret,
    _arrow as arrow,
    arrow_checksum,
    arrow_redirect_checksum,
    arrow_refusal,
    decode_limits,
)

if TYPE_CHECKING:
    import polars as pl

    from holdings_kit.schema import Loaded

__all__ = ["ARROW_HISTORICAL_URL", "ARROW_URL", "ArrowClient"]

ARROW_URL: Final = "https://edge.arrow.trade"
ARROW_HISTORICAL_URL: Final = "https://historical-api.arrow.trade"
_DEFAULTS: Final = Options()


class ArrowClient(ArrowMarket):
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
        self._app_id, self._base_url = app_id, base_url
        self.account_id = account_id
        if historical_url is None:
            own = base_url != ARROW_URL
            historical_url = base_url if own else ARROW_HISTORICAL_URL
        headers = {
            "appID": header_secret("app_id", Secret(app_id)),
            "token": header_secret("token", token),
        }
        http, historical = (
            Http(
                source="arrow",
                base_url=url,
                refusal=arrow_refusal,
                headers=headers,
                options=options,
            )
            for url in (base_url, historical_url)
        )
        super().__init__(http, historical, clock=clock)

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
        request_token = _read_request_token(app_id, request_token)
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
            data = hidden_data(http.send(call))
        finally:
            http.close()
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
        reply = self.holdings_reply(account_id=account_id)
        loaded = arrow.decode(
            reply.body,
            account_id=reply.account_id,
            snapshot_at=reply.snapshot_at,
            source=f"arrow:{reply.account_id}",
        )
        return resolve(loaded, instruments)

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
        account = self._account(account_id)
        at = self._clock()
        body = self._http.send(Call(method="GET", path="/user/holdings"))
        return arrow.Reply(body, account, at, account)

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
        account = self._account(account_id)
        at = self._clock()
        body = self._http.send(Call(method="GET", path="/user/limits"))
        return decode_limits(
            body, account_id=account, limits_at=at, source=f"arrow:{account}", by=by
        )

    def _account(self, account_id: str | None) -> str:
        account = account_id or self.account_id
        if account is None:
            raise ConfigError(
                "whose account is this? pass account_id: Arrow's replies name nobody"
            )
        return account


def _read_request_token(app_id: str, given: Secret) -> Secret:
    """Take the request token out of a redirect's address, its checksum verified."""
    if "request-token=" not in given.reveal():
        return given
    token, claimed = _split_redirect(given)
    ours = arrow_redirect_checksum(app_id, token)
    if not hmac.compare_digest(claimed.encode(), ours.encode()):
        raise SignatureError(
            "arrow login: the address the browser came back to has no checksum of its "
            "request token; start the login again, and do not use this address"
        )
    return token


def _split_redirect(given: Secret) -> tuple[Secret, str]:
    """Give the request token and the checksum; raises nothing, for frames show both."""
    query = parse_qs(given.reveal().partition("?")[2].partition("#")[0])
    token = Secret(query.get("request-token", ["-"])[0])
    return token, query.get("checksum", [""])[0].lower()


def _login_body(app_id: str, app_secret: Secret, request_token: Secret) -> bytes:
    return json.dumps(
        {
            "checkSum": arrow_checksum(app_id, app_secret, request_token),
            "token": request_token.reveal(),
            "appID": app_id,
        }
    ).encode()
