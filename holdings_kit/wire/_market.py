"""Arrow's limits, quotes and candles: bytes in, frames out.

Quotes and candles come in integer paise; rupees are made exactly. A price of 0 is "not
populated" and so unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from holdings_kit.errors import WireError
from holdings_kit.schema import INSTANT, MONEY, VALUE, total
from holdings_kit.wire._parse import Json, as_text, dump, parse
from holdings_kit.wire._refusals import arrow_refusal
from holdings_kit.wire._rows import is_list, is_object, pick_scalars

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

LIMITS: Final = pl.Schema(
    {
        "account_id": pl.String(),
        "limits_at": INSTANT,  # when it was asked
        "segment": pl.String(),  # CM | FO | MCX; null: the whole account
        "cash_value": VALUE,
        "cash_equivalent_value": VALUE,
        "non_cash_value": VALUE,  # collateral, as the broker counts it
        "cash_opening_value": VALUE,
        "cash_equivalent_opening_value": VALUE,
        "non_cash_opening_value": VALUE,
        "margin_allocated_value": VALUE,  # of the whole account alone
        "margin_utilized_value": VALUE,
        "extra": pl.String(),  # JSON object of the fields without a column
    }
)
QUOTES: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "exchange": pl.String(),
        "trading_symbol": pl.String(),
        "token": pl.String(),
        "last_price": MONEY,
        "close_price": MONEY,  # previous close
        "open_price": MONEY,
        "high_price": MONEY,
        "low_price": MONEY,
        "volume_quantity": MONEY,
        "price_at": INSTANT,  # last trade where the quote says, else when it was asked
        "extra": pl.String(),  # JSON object of the fields without a column
    }
)
CANDLES: Final = pl.Schema(
    {
        "exchange": pl.String(),
        "token": pl.String(),
        "interval": pl.String(),
        "candle_at": INSTANT,  # when it begins
        "open_price": MONEY,
        "high_price": MONEY,
        "low_price": MONEY,
        "close_price": MONEY,
        "volume_quantity": MONEY,
        "open_interest_quantity": MONEY,  # null where not asked for
    }
)

_PAISE: Final = 100
_MOST: Final = 10**14  # what MONEY holds
_LATEST: Final = 253_402_300_800  # seconds since 1970: the year 9999 is over
_ALLOCATION: Final = {
    "segment": ("segment",),
    "cash_value": ("cashCurrent",),
    "cash_equivalent_value": ("cashEqCurrent",),
    "non_cash_value": ("nonCashCurrent",),
    "cash_opening_value": ("cashOpening",),
    "cash_equivalent_opening_value": ("cashEqOpening",),
    "non_cash_opening_value": ("nonCashOpening",),
}
_CASH: Final = tuple(name for name in _ALLOCATION if name != "segment")
_MARGIN: Final = {
    "margin_allocated_value": ("allocated",),
    "margin_utilized_value": ("utilized",),
}
_QUOTE: Final = {
    "token": ("token",),
    "last_price": ("ltp",),
    "close_price": ("close",),
    "open_price": ("open",),
    "high_price": ("high",),
    "low_price": ("low",),
    "volume_quantity": ("volume",),
    "ltt": ("ltt",),
}
_CANDLE: Final = ("candle_at", "open_price", "high_price", "low_price", "close_price")
_CANDLE_REST: Final = ("volume_quantity", "open_interest_quantity")


def decode_limits(
    body: bytes,
    *,
    account_id: str,
    limits_at: datetime,
    source: str,
    by: Literal["account", "segment"] = "account",
) -> pl.DataFrame:
    """Decode ``GET /user/limits``: one row for the account, or one for each segment.

    The account's amounts are the sums over its segments, null where one is unknown.

    Raises
    ------
    WireError
        Not JSON of the published shape, or an amount that is no number.
    SourceError
        One of the published error bodies.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> body = b'''{"data": {"allocations": [{"segment": "CM", "cashCurrent": "7.50"},
    ... {"segment": "FO", "cashCurrent": "1", "nonCashCurrent": "2"}]}}'''
    >>> at = datetime(2026, 1, 5, tzinfo=UTC)
    >>> frame = decode_limits(body, account_id="A1", limits_at=at, source="doc")
    >>> frame.select("segment", "cash_value", "non_cash_value").row(0)
    (None, Decimal('8.50000000'), None)
    """
    data = _take_data(body, source=source)
    if not is_object(data) or not is_list(data.get("allocations")):
        raise WireError(source, "/data/allocations", "there is no list of segments")
    rows = [
        _read_row(entry, _ALLOCATION, f"/data/allocations/{number}", source=source)
        for number, entry in _list_entries(data.get("allocations"))
    ]
    given = data.get("margin")
    margin = _read_row(
        {} if given is None else given, _MARGIN, "/data/margin", source=source
    )
    segments = _parse_exact(
        _make_text_frame(rows, (*_ALLOCATION, "extra")), _CASH, source=source
    )
    account = _parse_exact(
        _make_text_frame([margin], (*_MARGIN, "extra")), _MARGIN, source=source
    )
    if by == "segment":
        found = segments.with_columns(pl.lit(None, VALUE).alias(n) for n in _MARGIN)
    else:
        known = pl.lit(value=segments.height > 0)
        sums = segments.select(pl.when(known).then(total(n)).alias(n) for n in _CASH)
        no_segment = pl.lit(None, pl.String()).alias("segment")
        found = pl.concat([sums, account], how="horizontal").with_columns(no_segment)
    return found.select(
        pl.lit(account_id).alias("account_id"),
        pl.lit(limits_at).cast(INSTANT).alias("limits_at"),
        *LIMITS.names()[2:],
    )


def decode_quotes(body: bytes, *, source: str) -> pl.DataFrame:
    """Decode ``POST /info/quotes``: QUOTES columns that a quote itself carries.

    The reply names instruments by token alone; the caller knows which it asked for.

    Raises
    ------
    WireError
        Not JSON of the published shape, or a price that is no number.
    SourceError
        One of the published error bodies.

    Examples
    --------
    >>> body = b'{"data": [{"close": 135880, "ltp": 137020, "token": 2885}]}'
    >>> decode_quotes(body, source="doc").select("token", "last_price").row(0)
    ('2885', Decimal('1370.2000'))
    """
    data = _take_data(body, source=source)
    if not is_list(data):
        raise WireError(source, "/data", "there is no list of quotes")
    rows = [
        _read_row(entry, _QUOTE, f"/data/{number}", source=source)
        for number, entry in _list_entries(data)
    ]
    text = _make_text_frame(rows, (*_QUOTE, "extra"))
    prices = [name for name in _QUOTE if name.endswith("_price")]
    numbers = _parse_exact(text, [*prices, "volume_quantity", "ltt"], source=source)
    return numbers.select(
        "token",
        *map(_as_rupees, prices),
        pl.col("volume_quantity").cast(MONEY),
        pl.from_epoch(pl.col("ltt").cast(pl.Int64()))
        .dt.replace_time_zone("UTC")
        .cast(INSTANT)
        .alias("price_at"),
        "extra",
    )


def decode_candles(
    body: bytes, *, exchange: str, token: str, interval: str, source: str
) -> pl.DataFrame:
    """Decode ``GET /candle/…``: CANDLES, in the order of the reply.

    Raises
    ------
    WireError
        Not JSON of the published shape, or a value that is no number or instant.
    SourceError
        One of the published error bodies.

    Examples
    --------
    >>> body = b'[["2023-05-02T00:00:00+0530", 58000, 58085, 57315, 57530, 13667511]]'
    >>> key = {"exchange": "NSE", "token": "3045", "interval": "day"}
    >>> frame = decode_candles(body, **key, source="doc")
    >>> frame.select("candle_at", "close_price").row(0)[1]
    Decimal('575.3000')
    """
    payload = parse(body, source=source)
    refusal = arrow_refusal(None, payload)
    if refusal is not None:
        raise refusal
    if is_object(payload):
        payload = payload.get("data")
    if not is_list(payload):
        raise WireError(source, "", "there is no list of candles")
    columns = (*_CANDLE, *_CANDLE_REST)
    rows = [
        _read_candle(entry, columns, f"/{number}", source=source)
        for number, entry in _list_entries(payload)
    ]
    text = _make_text_frame(rows, columns)
    numbers = _parse_exact(text, columns[1:], source=source)
    began = pl.col("candle_at").str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%z", time_unit="us", time_zone="UTC", strict=False
    )
    made = numbers.select(
        pl.lit(exchange).alias("exchange"),
        pl.lit(token).alias("token"),
        pl.lit(interval).alias("interval"),
        began.alias("candle_at"),
        *map(_as_rupees, _CANDLE[1:]),
        *(pl.col(name).cast(MONEY) for name in _CANDLE_REST),
    )
    late = made["candle_at"].is_null().arg_true()
    if len(late):
        raise WireError(source, f"/{late[0]}/0", "is no instant with a time zone")
    return made


def _take_data(body: bytes, *, source: str) -> Json:
    payload = parse(body, source=source)
    refusal = arrow_refusal(None, payload)
    if refusal is not None:
        raise refusal
    if not is_object(payload) or "data" not in payload:
        raise WireError(source, "", 'there is no "data"')
    return payload["data"]


def _list_entries(values: Json) -> Iterator[tuple[int, Json]]:
    return enumerate(values) if is_list(values) else enumerate(())


def _read_row(
    entry: Json, fields: Mapping[str, tuple[str, ...]], pointer: str, *, source: str
) -> dict[str, str | None]:
    if not is_object(entry):
        raise WireError(source, pointer, f"{as_text(entry)[:40]} is no object")
    texts, faults = pick_scalars(entry, fields)
    if faults:
        raise WireError(source, pointer, "; ".join(faults))
    known = {path[0] for path in fields.values()}
    rest = {key: value for key, value in entry.items() if key not in known}
    return texts | {"extra": dump(rest).decode() if rest else None}


def _read_candle(
    entry: Json, columns: tuple[str, ...], pointer: str, *, source: str
) -> dict[str, str | None]:
    wide = is_list(entry) and len(_CANDLE) < len(entry) <= len(columns)
    if not is_list(entry) or not wide:
        raise WireError(source, pointer, "is not [instant, o, h, l, c, volume]")
    for place, value in enumerate(entry):
        if value is not None and not isinstance(value, str):
            raise WireError(source, f"{pointer}/{place}", "is neither text nor number")
    return dict(zip(columns, map(_as_plain_text, entry), strict=False))


def _as_plain_text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _make_text_frame(
    rows: Iterable[Mapping[str, str | None]], columns: Iterable[str]
) -> pl.DataFrame:
    schema = dict.fromkeys(columns, pl.String())
    return pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema)


def _parse_exact(
    text: pl.DataFrame, columns: Iterable[str], *, source: str
) -> pl.DataFrame:
    """Read columns as exact numbers; blank is unknown, anything else an error."""
    made = text.with_columns(
        pl.col(name).str.strip_chars().replace("", None).cast(VALUE, strict=False)
        for name in columns
    )
    for name in columns:
        given = text[name].str.strip_chars().replace("", None).is_not_null()
        most = _LATEST if name == "ltt" else _MOST
        fits = (made[name].abs() < most).fill_null(value=False)
        if name != "ltt":  # a fifth decimal may round it up to what MONEY cannot hold
            fits &= made[name].cast(MONEY, strict=False).is_not_null()
        wrong = (given & ~fits).arg_true()
        if len(wrong):
            shown = f"{name}: {text[name][wrong[0]]!r} is no number below {most:,}"
            raise WireError(source, f"/data/{wrong[0]}", shown[:200])
    return made


def _as_rupees(column: str) -> pl.Expr:
    paise = pl.col(column)
    return (pl.when(paise != 0).then(paise) / _PAISE).cast(MONEY).alias(column)
