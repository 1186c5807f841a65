"""The frames of this package, and the one gate each of them passes.

A suffix tells the unit: ``_quantity`` units, ``_price`` rupees per unit, ``_value``
and ``_pnl`` rupees, ``_at`` a UTC instant. Fractions, never percentages. Null means
unknown, never zero. Prices and quantities are `MONEY`; products are formed and kept
at `VALUE`, so a sum of products is exact; ratios and statistics are Float64.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias, TypeVar

import polars as pl

from holdings_kit.errors import (
    ConfigError,
    FrameError,
    load_optional,
    readable,
    suggest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "ACTIONS",
    "ACTION_KINDS",
    "BASKETS",
    "COLLATERAL",
    "CONSTITUENTS",
    "EVENTS",
    "EXCHANGES",
    "GROUPS",
    "HOLDINGS",
    "INDIA_ZONE",
    "INSTANT",
    "INSTRUMENTS",
    "LISTINGS",
    "MARGINS",
    "MONEY",
    "NOTICES",
    "POSITIONS",
    "PRICES",
    "RATE",
    "REJECTS",
    "SNAPSHOTS",
    "TOTALS",
    "VALUE",
    "VOLATILITIES",
    "ArrowStream",
    "Frame",
    "FrameLike",
    "Loaded",
    "as_frame",
    "attach_events",
    "column_names",
    "conform",
    "empty",
]

MONEY: Final = pl.Decimal(18, 4)
"""Quantities and prices, exact to four places."""
VALUE: Final = pl.Decimal(38, 8)
"""Products of quantity and price, exact: 4 + 4 places."""
RATE: Final = pl.Decimal(9, 6)
"""Published fractions such as a haircut: 27.07 % is 0.270700."""
INSTANT: Final = pl.Datetime("us", "UTC")
INDIA_ZONE: Final = "Asia/Kolkata"
"""The time zone of the exchanges' trading days."""
EXCHANGES: Final = ("NSE", "BSE", "NFO", "BFO", "MCX", "MF")
"""Fixed order in which a listing lends its name to an unresolved instrument."""

openpyxl: Any = load_optional("openpyxl")

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


class ArrowStream(Protocol):
    """A table of another library: pandas, pyarrow, DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object | None = None, /) -> object:
        """Hand over the table."""
        ...


FrameLike: TypeAlias = pl.DataFrame | ArrowStream | str | Path
"""A polars frame, a table of another library, or the path of a file."""

SNAPSHOTS: Final = pl.Schema(
    {
        "snapshot_id": pl.String(),  # content hash: same facts, same id
        "source": pl.String(),  # arrow | gateway
        "format": pl.String(),  # arrow | gateway-v1 | gateway-v2
        # what was asked for: securities | funds | securities+funds; null: unknown
        "scope": pl.String(),
        "broker": pl.String(),
        "account_id": pl.String(),  # Arrow user id or smallcaseAuthId
        "transaction_id": pl.String(),
        "notes": pl.String(),
        "snapshot_at": INSTANT,  # when the broker's state was captured
        "fetched_at": INSTANT,  # when it was fetched or delivered
        "holdings_count": pl.Int64(),
        "checksum_ok": pl.Boolean(),  # null: no secret, or no checksum in this format
        "status": pl.String(),  # current | superseded | quarantined
        "status_reason": pl.String(),
        "notices": pl.String(),  # JSON list of {kind, pointer, value}; see NOTICES
        "file": pl.String(),  # where the payload came from
        "line_no": pl.Int64(),  # 1-based line in that file
    }
)

HOLDINGS: Final = pl.Schema(
    {
        "snapshot_id": pl.String(),
        "account_id": pl.String(),
        "holding_no": pl.Int64(),  # 0-based place in the payload
        "source": pl.String(),
        "broker": pl.String(),
        "snapshot_at": INSTANT,
        "instrument_id": pl.String(),  # ISIN where known, else EXCHANGE:SYMBOL
        "isin": pl.String(),  # ISO 6166, as reported or resolved
        "symbol": pl.String(),
        "name": pl.String(),
        "asset_class": pl.String(),  # equity | etf | mutual_fund | bond | …
        "exchange": pl.String(),  # first listing in EXCHANGES order
        "token": pl.String(),  # that listing's token
        # disjoint buckets
        "settled_quantity": MONEY,
        "t1_quantity": MONEY,
        "pledged_quantity": MONEY,
        "used_quantity": MONEY,
        "position_quantity": MONEY,  # today's net trades, where reported
        "smallcase_quantity": MONEY,  # an "of which", not a bucket
        "owned_quantity": MONEY,  # settled + t1 + pledged + today's net trades
        # as reported, never recomputed
        "reported_quantity": MONEY,
        "sellable_quantity": MONEY,
        "effective_quantity": MONEY,
        "reconciles": pl.Boolean(),  # the source's identity holds on this row
        "average_price": MONEY,
        "last_price": MONEY,
        "close_price": MONEY,
        "price_at": INSTANT,  # where the payload dates its price
        "reported_pnl": MONEY,
        "haircut": RATE,  # fraction; null when not populated
        "extra": pl.String(),  # JSON object: documented fields without a column
    }
)

LISTINGS: Final = pl.Schema(
    {
        "snapshot_id": pl.String(),
        "account_id": pl.String(),
        "holding_no": pl.Int64(),
        "exchange": pl.String(),
        "symbol": pl.String(),
        "trading_symbol": pl.String(),
        "token": pl.String(),
        "isin": pl.String(),
    }
)

BASKETS: Final = pl.Schema(
    {
        "snapshot_id": pl.String(),
        "account_id": pl.String(),
        "basket_id": pl.String(),
        "basket_name": pl.String(),
        "visibility": pl.String(),  # public | private
        "symbol": pl.String(),
        "instrument_id": pl.String(),
        "quantity": MONEY,
        "current_value": MONEY,  # of the whole basket, as reported
        "total_returns": MONEY,  # rupees, of the whole basket, as reported
    }
)

REJECTS: Final = pl.Schema(
    {
        "file": pl.String(),
        "line_no": pl.Int64(),
        "reason": pl.String(),
        "raw": pl.Binary(),
    }
)

EVENTS: Final = pl.Schema(
    {
        "kind": pl.String(),  # order | pending-action | mf-import
        "transaction_id": pl.String(),
        "account_id": pl.String(),  # smallcaseAuthId; a registrar's import has none
        "event_at": INSTANT,  # the event's own timestamp
        "checksum_ok": pl.Boolean(),  # null where no API secret was given
        "file": pl.String(),
        "line_no": pl.Int64(),
        "raw": pl.Binary(),  # the event as it came
    }
)
"""What came to the webhook URL and is no holdings import."""

INSTRUMENTS: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "isin": pl.String(),
        "exchange": pl.String(),
        "token": pl.String(),
        "symbol": pl.String(),
        "trading_symbol": pl.String(),
        "name": pl.String(),
        "asset_class": pl.String(),
        "cash_equivalent": pl.Boolean(),  # null: the master does not say
        "eligible_from": pl.Date(),  # collateral eligibility, a dated list
        "eligible_to": pl.Date(),
        "source": pl.String(),
    }
)

PRICES: Final = pl.Schema(
    {
        "instrument_id": pl.String(),  # ISIN where known, else EXCHANGE:SYMBOL
        "isin": pl.String(),
        "symbol": pl.String(),
        "exchange": pl.String(),
        "series": pl.String(),  # EQ, BE, …; null for the user's own prices
        "date": pl.Date(),  # the Indian trading day that the close closed
        "close_price": MONEY,
        "previous_close_price": MONEY,  # as published: not adjusted on an ex-date
        "open_price": MONEY,
        "high_price": MONEY,
        "low_price": MONEY,
        "last_price": MONEY,
        "traded_quantity": MONEY,
        "traded_value": MONEY,  # rupees, whatever unit the file has
        "source": pl.String(),  # the kind of file, or what the user's frame was
    }
)

MARGINS: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "isin": pl.String(),
        "symbol": pl.String(),
        "series": pl.String(),
        "date": pl.Date(),
        "file_no": pl.Int64(),  # 1 begin of day, 2 to 5 intraday, 6 end of day
        "security_var": RATE,  # not floored; 0 where the exchange computes none
        "index_var": RATE,
        "var_margin": RATE,
        "elm": RATE,
        "adhoc": RATE,
        "haircut": RATE,  # the applicable rate: var_margin + elm + adhoc
    }
)

ACTION_KINDS: Final = (
    "split",
    "bonus",
    "consolidation",
    "isin_change",
    "rename",
    "merger",
    "demerger",
    "rights",
    "buyback",
    "dividend",
    "call",
    "capital_reduction",
    "delisting",
)

ACTIONS: Final = pl.Schema(
    {
        "instrument_id": pl.String(),  # as it was before the action
        "ex_date": pl.Date(),
        "kind": pl.String(),  # one of ACTION_KINDS
        # exact text: split "1:10" or "10" one becomes ten; bonus "1:2" one new for two
        "ratio": pl.String(),
        "new_instrument_id": pl.String(),  # null: the identity stays
        "cost_share": pl.Float64(),  # of the cost, what goes to the new instrument
        "cash_per_unit": MONEY,  # rupees paid out, or paid in for rights and calls
        "source": pl.String(),
    }
)

GROUPS: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "isin": pl.String(),
        "symbol": pl.String(),
        "series": pl.String(),
        "date": pl.Date(),  # first day of the month the file is for
        "group": pl.Int64(),  # 1, 2 or 3
        "impact_cost": RATE,
        "source": pl.String(),
    }
)
"""Liquidity groups of the monthly file ``C_CATG``."""

VOLATILITIES: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "symbol": pl.String(),
        "date": pl.Date(),
        "close_price": MONEY,
        "previous_close_price": MONEY,
        "log_return": pl.Float64(),
        "previous_volatility": pl.Float64(),  # daily σ before the day: the seed
        "volatility": pl.Float64(),  # daily σ with the day's return
        "source": pl.String(),
    }
)
"""Daily volatilities of the file ``CMVOLT``, fractions."""

COLLATERAL: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "isin": pl.String(),
        "symbol": pl.String(),
        "date": pl.Date(),  # of the list; its price is the close of the day before
        "valuation_price": MONEY,
        "haircut": RATE,
        "source": pl.String(),
    }
)
"""The clearing corporation's list ``APPSEC_COLLVAL``: not listed is not eligible."""

CONSTITUENTS: Final = pl.Schema(
    {
        "index": pl.String(),
        "instrument_id": pl.String(),
        "isin": pl.String(),
        "symbol": pl.String(),
        "series": pl.String(),
        "name": pl.String(),
        "industry": pl.String(),
        "source": pl.String(),
    }
)
"""Members of an index, from lists such as ``ind_nifty50list.csv``."""

NOTICES: Final = pl.Schema(
    {
        "snapshot_id": pl.String(),
        "account_id": pl.String(),
        "kind": pl.String(),  # unknown_field | rounded | isin_check_digit | …
        "pointer": pl.String(),  # JSON pointer into the payload, or which holding
        "value": pl.String(),  # what the payload said, as text
    }
)

POSITIONS: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "isin": pl.String(),
        "symbol": pl.String(),
        "name": pl.String(),
        "asset_class": pl.String(),
        "settled_quantity": MONEY,
        "t1_quantity": MONEY,
        "pledged_quantity": MONEY,
        "used_quantity": MONEY,
        "position_quantity": MONEY,
        "smallcase_quantity": MONEY,
        "owned_quantity": MONEY,
        "accounts_count": pl.Int64(),
        "cost_value": VALUE,
        "average_price": MONEY,
        "price": MONEY,
        "price_basis": pl.String(),  # ltp | close | price | mixed: rows differ
        "price_date": pl.Date(),  # the trading day of the price; of several the oldest
        "price_at": INSTANT,  # where the source dates the price to the instant
        "market_value": VALUE,
        "unrealized_pnl": VALUE,
        "return": pl.Float64(),
        "day_pnl": VALUE,
        "reported_pnl": MONEY,
        "pnl_difference": VALUE,  # reported − ours, on the broker's own price basis
        "weight": pl.Float64(),
        "price_note": pl.String(),  # why there is no price
        "reconciles_count": pl.Int64(),  # rows whose quantities add up
        "unreconciled_count": pl.Int64(),  # rows whose quantities do not
        # the known part, where rows of one position are known and others not
        "priced_quantity": MONEY,  # of the owned, the units whose price is known
        "costed_quantity": MONEY,  # and those whose cost is known
        "known_market_value": VALUE,
        "known_cost_value": VALUE,
        "known_pnl": VALUE,  # of the units with both
        "known_pnl_cost_value": VALUE,  # the cost of those units
    }
)

TOTALS: Final = pl.Schema(
    {
        "positions_count": pl.Int64(),
        "cost_value": VALUE,  # of the units whose cost is known
        "market_value": VALUE,  # of the units whose price is known
        "unrealized_pnl": VALUE,  # of the units that have both
        "return": pl.Float64(),  # of the same units, above and below the line
        "day_pnl": VALUE,
        "unpriced_count": pl.Int64(),  # positions with a unit whose price is unknown
        "uncosted_count": pl.Int64(),
        "priced_cost_share": pl.Float64(),  # known cost that is also priced
        "costed_value_share": pl.Float64(),  # known value whose cost is also known
        "unreconciled_count": pl.Int64(),  # rows whose quantities do not add up
        "accounts_count": pl.Int64(),  # null: the positions do not say
        "empty_accounts_count": pl.Int64(),  # null: who there is, is not known
    }
)


class _Frames(NamedTuple):
    """The five frames of `Loaded`."""

    snapshots: pl.DataFrame
    holdings: pl.DataFrame
    listings: pl.DataFrame
    baskets: pl.DataFrame
    rejects: pl.DataFrame


@readable
class Loaded(_Frames):
    """What every door returns: five frames, one per question.

    Attributes
    ----------
    snapshots
        One row per import that was read (`SNAPSHOTS`).
    holdings
        One row per account and instrument, as reported (`HOLDINGS`).
    listings
        One row per holding and exchange listing (`LISTINGS`).
    baskets
        One row per smallcase constituent, public and private (`BASKETS`).
    rejects
        What could not be read: file, line, reason, raw bytes (`REJECTS`).
    events
        What `read_webhooks` met beside holdings, one row each (`EVENTS`): orders,
        pending actions, imports of mutual funds; also those of a store's `history`. It
        is no sixth frame of the tuple.

    Examples
    --------
    >>> import holdings_kit as hk
    >>> from datetime import UTC, datetime
    >>> body = b'''{"status": "success", "data": [{"symbols": [{"exchange": "NSE",
    ... "tradingSymbol": "SBIN-EQ", "isin": "INE062A01020"}], "qty": "3", "new": 1}]}'''
    >>> at = datetime(2026, 1, 5, 11, tzinfo=UTC)
    >>> loaded = hk.read_arrow(body, account_id="A1", snapshot_at=at)
    >>> loaded.holdings.select("instrument_id", "owned_quantity").row(0)
    ('INE062A01020', Decimal('3.0000'))
    >>> loaded.notices.select("kind", "pointer", "value").row(0)
    ('unknown_field', '/data/0/new', '1')
    >>> loaded
    Loaded: snapshots 1, holdings 1, listings 1, baskets 0, rejects 0
    >>> loaded.events.columns[:3]
    ['kind', 'transaction_id', 'account_id']
    """

    @property
    def events(self) -> pl.DataFrame:
        """What came to the webhook URL and is no holdings import (`EVENTS`)."""
        found: pl.DataFrame | None = self.__dict__.get("_events")
        return empty(EVENTS) if found is None else found

    @property
    def notices(self) -> pl.DataFrame:
        """What was read and is worth a remark, one row each (`NOTICES`).

        Fields no published format has (`unknown_field`, with their value), digits
        beyond the fourth place (`rounded`), prices of 0 taken as unknown
        (`zero_price`), words for no value in a price, P&L or haircut (`placeholder`),
        price dates that are none (`unread_instant`), ISINs that do not verify, and the
        like.
        """
        item = pl.Struct({name: pl.String() for name in NOTICES.names()[2:]})
        return (
            self.snapshots.select("snapshot_id", "account_id", "notices")
            .drop_nulls("notices")
            .with_columns(pl.col("notices").str.json_decode(pl.List(item)))
            .explode("notices")
            .unnest("notices")
        )

    if not TYPE_CHECKING:  # to the type checker a wrong name is wrong already

        def __getattr__(self, name: str) -> object:
            raise AttributeError(
                f"Loaded has no {name!r}: it is five frames, pass the one you mean, "
                "such as loaded.holdings"
            )


def attach_events(loaded: Loaded, events: pl.DataFrame) -> Loaded:
    """Give the same five frames beside these events (`EVENTS`)."""
    made = Loaded(*loaded)
    made.__dict__["_events"] = events
    return made


def empty(schema: pl.Schema) -> pl.DataFrame:
    """Make a frame of `schema` without rows."""
    return _make_empty(tuple(schema.items())).clear()


@lru_cache
def _make_empty(columns: tuple[tuple[str, pl.DataType], ...]) -> pl.DataFrame:
    return pl.DataFrame(schema=dict(columns))


def require_zone(instant: object, name: str) -> datetime:
    """Refuse what is no instant, or has no time zone, by the argument's name."""
    example = "datetime(2026, 1, 5, 10, tzinfo=UTC)"
    if not isinstance(instant, datetime):
        raise ConfigError(f"{name} is {instant!r}: pass the instant, e.g. {example}")
    if instant.tzinfo is None:
        raise ConfigError(f"{name} has no time zone: pass e.g. {example}")
    return instant


def column_names(by: str | Sequence[str]) -> list[str]:
    """Read a `by` argument: one name is not the list of its letters.

    Examples
    --------
    >>> column_names("broker"), column_names(("broker", "account_id"))
    (['broker'], ['broker', 'account_id'])
    """
    return [by] if isinstance(by, str) else list(by)


def require_columns(
    have: Iterable[str], wanted: Iterable[str], *, name: str, reason: str = "missing"
) -> None:
    """Refuse a frame without one of the columns wanted, by the first it lacks."""
    known = set(have)
    for column in wanted:
        if column not in known:
            raise FrameError(name, column, reason)


def fill_columns(frame: Frame, schema: pl.Schema) -> Frame:
    """Take the columns of a schema and no others; what is not there is null."""
    return frame.match_to_schema(
        schema, missing_columns="insert", extra_columns="ignore"
    )


def take_frame(
    source: FrameLike | pl.LazyFrame, schema: pl.Schema, *, name: str
) -> pl.LazyFrame:
    """Take a frame of any library, or a file, that passes the gate of its schema."""
    return conform(as_frame(source, schema, name=name).lazy(), schema, name=name)


def as_frame(
    source: FrameLike | pl.LazyFrame, schema: pl.Schema, *, name: str
) -> pl.DataFrame | pl.LazyFrame:
    """Take a frame of any library, or a file, as a polars frame.

    A polars frame stays as it is, lazy or eager. The columns that `schema` names are
    brought to its types where they come from elsewhere: a file of text, or pandas,
    whose numbers are floats.

    Parameters
    ----------
    source
        polars, pandas, pyarrow, anything that hands over Arrow data, or the path of a
        parquet, Arrow, CSV, JSON, NDJSON or Excel file: whatever `export` wrote too.
    schema
        Columns and types; columns beside it keep theirs.
    name
        What the caller calls the frame, for the error.

    Raises
    ------
    FrameError
        It is no frame, or a column does not fit its type.
    ConfigError
        There is no such file, or it is of another kind.
    MissingExtra
        openpyxl is not installed, for an Excel file.

    Examples
    --------
    >>> schema = pl.Schema({"isin": pl.String(), "last_price": MONEY})
    >>> table = pl.DataFrame({"isin": ["INE062A01020"], "last_price": [973.1]})
    >>> as_frame(table.to_arrow(), schema, name="prices")["last_price"].item()
    Decimal('973.1000')
    """
    if isinstance(source, (pl.DataFrame, pl.LazyFrame)):
        return source
    frame = _take_table(source, name)
    found = {c: t for c, t in schema.items() if frame.schema.get(c, t) != t}
    for column, dtype in found.items():
        try:
            frame = frame.with_columns(_as_type(frame[column], dtype))
        except pl.exceptions.PolarsError as error:
            reason = f"is {frame.schema[column]}, must be {dtype}: {error}"
            raise FrameError(name, column, reason.splitlines()[0]) from None
    return frame


def _as_type(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    if column.dtype == pl.String():
        return _parse_texts(column, dtype)
    if isinstance(column.dtype, pl.Datetime) and isinstance(dtype, pl.Datetime):
        column = column.dt.replace_time_zone("UTC")  # Excel and pandas have none
    return column.cast(dtype)


def _parse_texts(column: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Read a column of texts, as `export` writes them, in its type."""
    if isinstance(dtype, pl.Datetime):
        column = column.str.to_datetime(time_zone="UTC", time_unit="us")
    elif isinstance(dtype, pl.Date):
        column = column.str.to_date("%Y-%m-%d")
    elif isinstance(dtype, pl.Boolean):
        column = column.str.to_lowercase().replace_strict(
            ["true", "false"], [True, False], return_dtype=pl.Boolean()
        )
    elif isinstance(dtype, pl.Binary):
        column = column.str.decode("base64")
    elif isinstance(dtype, pl.List):
        nested = dtype.inner.is_nested()
        column = column.str.json_decode(dtype) if nested else column.str.split("; ")
    return column.cast(dtype)


def _take_table(source: object, name: str) -> pl.DataFrame:
    if isinstance(source, (str, Path)):
        return _read_file(Path(source))
    if isinstance(source, Loaded):
        untyped: Any = source
        return untyped.lazy()  # says that it is five frames
    try:
        made: Any = pl.DataFrame(source)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, pl.exceptions.PolarsError):
        kind = type(source).__name__
        raise FrameError(name, name, f"is {kind}, no frame and no path") from None
    return made


def _read_file(path: Path) -> pl.DataFrame:
    kinds = {
        ".parquet": pl.read_parquet,
        ".arrow": pl.read_ipc,
        ".feather": pl.read_ipc,
        ".ndjson": pl.read_ndjson,
        ".jsonl": pl.read_ndjson,
        ".json": partial(pl.read_json, infer_schema_length=None),
        ".xlsx": _read_excel,
    }
    if not path.is_file():
        raise ConfigError(f"no such file: {str(path)!r}")
    read = kinds.get(path.suffix.lower())
    if read is None and path.suffix.lower() != ".csv":
        known = ", ".join([*kinds, ".csv"])
        raise ConfigError(f"{str(path)!r}: not a frame; have {known}")
    try:
        return read(path) if read else pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{str(path)!r} cannot be read: {reason}") from None


def _read_excel(path: Path) -> pl.DataFrame:
    _ = openpyxl.__version__  # says what is missing before polars does in its words
    return pl.read_excel(
        path,
        engine="openpyxl",
        infer_schema_length=None,
        drop_empty_rows=False,
        drop_empty_cols=False,
    )


def conform(frame: Frame, schema: pl.Schema, *, name: str) -> Frame:
    """Check a frame against its schema and put the columns in their order.

    Extra columns stay, after the promised ones. Nothing is cast.

    Parameters
    ----------
    frame
        Eager or lazy; lazy stays lazy.
    schema
        The columns and types promised.
    name
        What the caller calls the frame, for the error.

    Raises
    ------
    FrameError
        Columns are missing or of another type; the error names all of them.

    Examples
    --------
    >>> conform(pl.DataFrame({"a": [1]}), pl.Schema({"a": pl.Int64()}), name="x").shape
    (1, 1)
    >>> conform(pl.DataFrame({"b": [1]}), pl.Schema({"a": pl.Int64()}), name="x")
    Traceback (most recent call last):
        ...
    holdings_kit.errors.FrameError: x: column 'a': missing; x has 'b'
    """
    have = frame.collect_schema()
    spare = have.keys() - schema.keys()
    wrong = {
        column: f"is {have[column]}, must be {dtype}"
        if column in have
        else f"missing{suggest(column, spare)}"
        for column, dtype in schema.items()
        if have.get(column) != dtype
    }
    if wrong:
        first, *others = wrong.items()
        reason = "".join(
            [first[1], *(f"; {column!r}: {why}" for column, why in others)]
        )
        if wrong.keys() - have.keys():
            known = ", ".join(map(repr, have)) or "no columns"
            reason = f"{reason}; {name} has {known}"
        raise FrameError(name, first[0], reason)
    if have.names() == schema.names():
        return frame
    rest = [column for column in have if column not in schema]
    return frame.select(*schema.names(), *rest)


def product(quantity: str | pl.Expr, price: str | pl.Expr) -> pl.Expr:
    """Multiply units by rupees per unit, exactly: 4 + 4 decimal places.

    Null where either is null.

    >>> from decimal import Decimal
    >>> lot = pl.DataFrame({"q": [Decimal("0.0001")], "p": [Decimal("0.0001")]})
    >>> lot.select(product("q", "p")).item()
    Decimal('1E-8')
    """
    left = pl.col(quantity) if isinstance(quantity, str) else quantity
    right = pl.col(price) if isinstance(price, str) else price
    return (left.cast(VALUE) * right.cast(VALUE)).cast(VALUE)


def is_fund() -> pl.Expr:
    """Tell a row of the funds, which are asked for apart, from a security."""
    return (pl.col("asset_class") == "mutual_fund").fill_null(value=False)


def cost_value() -> pl.Expr:
    """Owned units times average price, in rupees; null where either is unknown."""
    return product("owned_quantity", "average_price").alias("cost_value")


def total(column: str) -> pl.Expr:
    """Sum, or null as soon as one term is unknown.

    >>> frame = pl.DataFrame({"a": [1, 2], "b": [1, None]})
    >>> frame.select(total("a"), total("b")).row(0)
    (3, None)
    """
    known = pl.col(column).null_count() == 0
    return pl.when(known).then(pl.col(column).sum()).alias(column)


def any_known(column: str | pl.Expr) -> pl.Expr:
    """Sum of the known terms, or null when no term is known.

    For totals that carry their coverage beside them.

    >>> pl.DataFrame({"a": [None, 2]}).select(any_known("a")).item()
    2
    """
    terms = pl.col(column) if isinstance(column, str) else column
    return pl.when(terms.count() > 0).then(terms.sum())


def ratio(numerator: str | pl.Expr, denominator: str | pl.Expr) -> pl.Expr:
    """Divide as Float64; null where either is unknown or the denominator is 0.

    >>> pl.DataFrame({"a": [1, 1], "b": [4, 0]}).select(ratio("a", "b"))["a"].to_list()
    [0.25, None]
    """
    above = pl.col(numerator) if isinstance(numerator, str) else numerator
    below = pl.col(denominator) if isinstance(denominator, str) else denominator
    low = below.cast(pl.Float64())
    return pl.when(low != 0).then(above.cast(pl.Float64()) / low)
