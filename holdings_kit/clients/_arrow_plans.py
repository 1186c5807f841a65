"""What an Arrow client does, without doing it: requests, and what replies mean.

`ArrowClient` takes these steps one after the other, `AsyncArrowClient` awaits them.
"""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast
from urllib.parse import parse_qs, quote

import polars as pl

from holdings_kit.clients._http import DEFAULTS, Call, D, Doors, Options, Plan
from holdings_kit.clients._policy import header_secret, hidden_data
from holdings_kit.errors import (
    ConfigError,
    FrameError,
    SignatureError,
    WireError,
    readable,
)
from holdings_kit.market import MUMBAI
from holdings_kit.market._freshness import Clock, utc_now
from holdings_kit.read import read_instruments_and_rejects, resolve
from holdings_kit.schema import EXCHANGES, INSTANT, Loaded
from holdings_kit.wire import (
    QUOTES,
    Secret,
    _arrow as arrow,
    arrow_checksum,
    arrow_redirect_checksum,
    arrow_refusal,
    decode_candles,
    decode_limits,
    decode_quotes,
)

if TYPE_CHECKING:
    from datetime import datetime

ARROW_URL: Final = "https://edge.arrow.trade"
ARROW_HISTORICAL_URL: Final = "https://historical-api.arrow.trade"
_HISTORICAL: Final = 1  # the number of its door
_BATCH: Final = 100  # instruments in one request for quotes
_ASKED: Final = ("exchange", "trading_symbol", "token")


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


def open_login(door: type[D], app_id: str, base_url: str, options: Options) -> D:
    """Open the door for a login: it names the app, and no user yet."""
    return door(
        source="arrow",
        base_url=base_url,
        refusal=arrow_refusal,
        headers={"appID": header_secret("app_id", Secret(app_id))},
        options=options,
    )


@readable
class LoggedIn(NamedTuple):
    """What a login gives: a token, and whose it is."""

    token: Secret
    account_id: str | None


def plan_login(
    *, app_id: str, app_secret: Secret, request_token: Secret
) -> Plan[LoggedIn]:
    """Plan to trade a request token for a session; the secret itself is not sent.

    Raises
    ------
    SignatureError
        The token is an address that has no checksum, or one that is not of it.
    """
    request_token = _read_request_token(app_id, request_token)
    call = Call(
        method="POST",
        path="/auth/app/authenticate-token",
        content=json.dumps(  # in one expression: frames show variables
            {
                "checkSum": arrow_checksum(app_id, app_secret, request_token),
                "token": request_token.reveal(),
                "appID": app_id,
            }
        ).encode(),
        secrets=(app_secret, request_token),
    )
    data = hidden_data((yield call))
    token, user = data.get("token"), data.get("userID")
    if not isinstance(token, Secret):
        raise WireError("arrow login", "/data/token", "is missing")
    return LoggedIn(token, user if isinstance(user, str) and user else None)


@readable
class ArrowPlans(Doors[D]):
    """Whose account it is, and the plans of its calls.

    Parameters
    ----------
    app_id, token, account_id, base_url, historical_url, clock, options
        As for `ArrowClient`.
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
        options: Options = DEFAULTS,
    ) -> None:
        token = Secret(token)  # before anything can fail: frames show variables
        self._app_id, self._base_url, self._clock = app_id, base_url, clock
        self.account_id = account_id
        if historical_url is None:
            own = base_url != ARROW_URL
            historical_url = base_url if own else ARROW_HISTORICAL_URL
        self._open_doors(
            base_url,
            historical_url,
            source="arrow",
            refusal=arrow_refusal,
            headers={
                "appID": header_secret("app_id", Secret(app_id)),
                "token": header_secret("token", token),
            },
            options=options,
        )

    def __repr__(self) -> str:
        facts = f"account_id={self.account_id!r}, base_url={self._base_url!r}"
        return f"{type(self).__name__}(app_id={self._app_id!r}, {facts})"

    def _plan_holdings(
        self, *, account_id: str | None, instruments: pl.DataFrame | None
    ) -> Plan[Loaded]:
        reply = yield from self._plan_holdings_reply(account_id=account_id)

        def read() -> Loaded:
            loaded = arrow.decode(
                reply.body,
                account_id=reply.account_id,
                snapshot_at=reply.snapshot_at,
                source=f"arrow:{reply.account_id}",
            )
            return resolve(loaded, instruments)

        return cast("Loaded", (yield read))

    def _plan_holdings_reply(self, *, account_id: str | None) -> Plan[arrow.Reply]:
        account = self._account(account_id)
        at = self._clock()
        body = yield Call(method="GET", path="/user/holdings")
        return arrow.Reply(body, account, at, account)

    def _plan_limits(
        self, *, account_id: str | None, by: Literal["account", "segment"]
    ) -> Plan[pl.DataFrame]:
        account = self._account(account_id)
        at = self._clock()
        body = yield Call(method="GET", path="/user/limits")
        return decode_limits(
            body, account_id=account, limits_at=at, source=f"arrow:{account}", by=by
        )

    def _plan_quotes(
        self, instruments: Loaded | pl.DataFrame, *, mode: str
    ) -> Plan[pl.DataFrame]:
        asked = _list_what_to_quote(instruments)
        at = self._clock()
        answers: list[pl.DataFrame] = []
        for (exchange,), rows in asked.group_by("exchange", maintain_order=True):
            for batch in rows.iter_slices(_BATCH):
                wanted = batch.select(symbol="trading_symbol", exchange="exchange")
                body = yield Call(
                    method="POST",
                    path=f"/info/quotes/{quote(mode, safe='')}",
                    content=json.dumps(wanted.to_dicts()).encode(),
                )
                found = decode_quotes(body, source="arrow quotes")
                answers.append(found.with_columns(exchange=pl.lit(exchange)))
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

    def _plan_instruments(self, exchange: str) -> Plan[pl.DataFrame]:
        body = yield Call(
            method="GET",
            path=f"/{quote(exchange, safe='')}",
            json_only=False,
            size_factor=16,
        )

        def read() -> pl.DataFrame:
            master, rejects = read_instruments_and_rejects(body)
            last = len(body.splitlines())
            for line, reason in rejects.select("line_no", "reason").iter_rows():
                if line == last:  # a list that ends early would hide what comes after
                    raise WireError(
                        "instruments",
                        f"/{line - 1}",
                        f"the reply is cut short: {reason}",
                    )
            return master

        return cast("pl.DataFrame", (yield read))

    def _plan_candles(
        self,
        *,
        exchange: str,
        token: str,
        interval: str,
        start: datetime,
        end: datetime,
    ) -> Plan[pl.DataFrame]:
        if start.tzinfo is None or end.tzinfo is None or end < start:
            raise ConfigError("start and end need a time zone, and start comes first")
        parts = ("candle", exchange.lower(), token, interval)
        body = yield Call(
            method="GET",
            path="".join(f"/{quote(part, safe='')}" for part in parts),
            params={"from": _format_local(start), "to": _format_local(end)},
            door=_HISTORICAL,
        )
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


def _list_what_to_quote(instruments: Loaded | pl.DataFrame) -> pl.DataFrame:
    """List what to ask quotes for: exchange, trading_symbol, token, instrument_id."""
    if isinstance(instruments, Loaded):
        return _take_first_listings(instruments)
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


def _take_first_listings(loaded: Loaded) -> pl.DataFrame:
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


def _format_local(instant: datetime) -> str:
    return instant.astimezone(MUMBAI).strftime("%Y-%m-%dT%H:%M:%S")
