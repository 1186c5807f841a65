"""What Arrow tells of the market: quotes, instruments, candles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote

import polars as pl

from holdings_kit.clients._http import Call, Http, Session
from holdings_kit.errors import ConfigError, FrameError, WireError
from holdings_kit.market import MUMBAI
from holdings_kit.read import read_instruments_and_rejects
from holdings_kit.schema import EXCHANGES, INSTANT, Loaded
from holdings_kit.wire import QUOTES, decode_candles, decode_quotes

if TYPE_CHECKING:
    from datetime import datetime

    from holdings_kit.market._freshness import Clock

__all__ = ["ArrowMarket"]

_BATCH: Final = 100  # instruments in one request for quotes
_ASKED: Final = ("exchange", "trading_symbol", "token")


class ArrowMarket(Session):
    """The half of `ArrowClient` that is the same for every user.

    Parameters
    ----------
    http, historical
        The two hosts: candles come from one of their own.
    clock
        Gives the instant that stamps what is fetched.
    """

    def __init__(self, http: Http, historical: Http, *, clock: Clock) -> None:
        super().__init__(http, historical, clock=clock)
        self._http, self._historical = http, historical

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
        asked = _list_what_to_quote(instruments)
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
        call = Call(
            method="GET",
            path=f"/{quote(exchange, safe='')}",
            json_only=False,
            size_factor=16,
        )
        body = self._http.send(call)
        master, rejects = read_instruments_and_rejects(body)
        last = len(body.splitlines())
        for line, reason in rejects.select("line_no", "reason").iter_rows():
            if line == last:  # a list that ends early would hide what comes after
                raise WireError(
                    "instruments", f"/{line - 1}", f"the reply is cut short: {reason}"
                )
        return master

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

    def _quotes(self, batch: pl.DataFrame, mode: str) -> pl.DataFrame:
        wanted = batch.select(symbol="trading_symbol", exchange="exchange").to_dicts()
        call = Call(
            method="POST",
            path=f"/info/quotes/{quote(mode, safe='')}",
            content=json.dumps(wanted).encode(),
        )
        return decode_quotes(self._http.send(call), source="arrow quotes")


def _list_what_to_quote(instruments: Loaded | pl.DataFrame) -> pl.DataFrame:
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


def _local(instant: datetime) -> str:
    return instant.astimezone(MUMBAI).strftime("%Y-%m-%dT%H:%M:%S")
