"""The user's own prices, in whatever shape they have them, as `PRICES`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import polars as pl

from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.read._market import read_market
from holdings_kit.read._market_symbols import resolve_symbols, seen_in
from holdings_kit.read._packed import read_bytes
from holdings_kit.read.identity import isin_ok
from holdings_kit.schema import ACTIONS, INDIA_ZONE, INSTRUMENTS, MONEY, PRICES, conform
from holdings_kit.wire._exchange import recognize

if TYPE_CHECKING:
    from collections.abc import Iterable

_PRICE_FILES: Final = ("udiff", "sec_bhavdata", "cm_bhav", "bse_eq", "nav")

# Names are compared in small letters without blanks and signs; the first one wins.
_NAMES: Final = {
    "date": (
        "date",
        "timestamp",
        "datetime",
        "day",
        "tradedate",
        "tradingdate",
        "time",
    ),
    "instrument_id": ("instrumentid",),
    "isin": ("isin", "isincode", "isinnumber"),
    "symbol": ("symbol", "ticker", "tradingsymbol", "scrip", "stock", "security"),
    "exchange": ("exchange",),
    "series": ("series",),
    "close_price": (
        "closeprice",
        "close",
        "adjclose",
        "adjustedclose",
        "ltp",
        "lastprice",
        "price",
        "nav",
    ),
    "previous_close_price": ("previouscloseprice", "previousclose", "prevclose"),
    "open_price": ("openprice", "open"),
    "high_price": ("highprice", "high"),
    "low_price": ("lowprice", "low"),
    "last_price": ("lastprice", "last", "ltp"),
    "traded_quantity": ("tradedquantity", "volume"),
    "traded_value": ("tradedvalue", "turnover"),
    "source": ("source",),
}
_KEYS: Final = ("instrument_id", "isin", "symbol")
_TEXT: Final = ("instrument_id", "isin", "symbol", "exchange", "series", "source")
_SUFFIXES: Final = {".NS": "NSE", ".BO": "BSE", ".NSE": "NSE", ".BSE": "BSE"}
_DAYS: Final = (
    ("%Y-%m-%d", r"^\d{4}-\d{2}-\d{2}"),
    ("%Y/%m/%d", r"^\d{4}/\d{2}/\d{2}"),
    ("%Y%m%d", r"^\d{8}$"),
    ("%d-%b-%Y", r"^\d{1,2}-[A-Za-z]{3}-\d{4}"),
    ("%d %b %Y", r"^\d{1,2} [A-Za-z]{3} \d{4}"),
    ("%d-%m-%Y", r"^\d{1,2}-\d{1,2}-\d{4}"),
    ("%d/%m/%Y", r"^\d{1,2}/\d{1,2}/\d{4}"),
)


def read_prices(
    source: object,
    *,
    instruments: pl.DataFrame | None = None,
    symbol: str | None = None,
    exchange: str = "NSE",
) -> pl.DataFrame:
    """Read prices of your own, however they come, as `PRICES`.

    Columns are recognised by name: the day (``date``, ``timestamp``, …), what it is a
    price of (``instrument_id``, ``isin``, ``symbol``, ``ticker``) and the price
    (``close``, ``adj close``, ``ltp``, …; where there are several the first of these),
    and open, high, low, volume where they are there. A table with a day and one column
    per security is taken as wide. Symbols may be written ``SBIN``, ``SBIN-EQ``,
    ``NSE:SBIN`` or ``SBIN.NS``.

    Numbers keep the digits they are shown with, at most four after the point. A
    missing price (null, NaN, blank) is no row. A symbol that `instruments` does not
    know keeps ``EXCHANGE:SYMBOL`` as its identity and no ISIN;
    ``holdings_kit.read.unresolved(prices)`` lists these rows.

    Parameters
    ----------
    source
        A CSV or parquet file (its path or bytes; .gz and .zst too), a file of the
        exchange, a polars, pandas or pyarrow table, a pandas series with a date
        index, or a dict of columns.
    instruments
        An `INSTRUMENTS` master that gives ISINs to symbols.
    symbol
        What the prices are of, where the table names one security nowhere.
    exchange
        Of symbols that name none.

    Returns
    -------
    polars.DataFrame
        `PRICES`, sorted by instrument and day.

    Raises
    ------
    FrameError
        No column is recognised as day, security or price; a day or a number cannot be
        read; a price is not above 0; one security has two prices on one day.
    ConfigError
        The path cannot be read, or the kind of `source` is not known.

    Examples
    --------
    >>> prices = read_prices({"Date": ["2025-11-04"], "SBIN.NS": [950.1]})
    >>> prices.select("instrument_id", "date", "close_price").row(0)
    ('NSE:SBIN', datetime.date(2025, 11, 4), Decimal('950.1000'))
    """
    table = _as_table(source)
    whole = table.schema == PRICES
    found = table if whole else _identify_rows(_as_long(table, symbol), exchange)
    if instruments is not None:
        master = conform(instruments, INSTRUMENTS, name="instruments")
        nothing = pl.DataFrame(schema=ACTIONS)
        found, _ = resolve_symbols(found, seen_in(master), nothing)
    # an identity of one's own is of no exchange, unless it says so
    listed = pl.col("instrument_id").str.starts_with(pl.format("{}:", "exchange"))
    known = pl.col("isin").is_not_null() | listed
    found = found.with_columns(exchange=pl.when(known).then("exchange"))
    return _require_one_price(found)


def _as_table(source: object) -> pl.DataFrame:
    """Make a polars frame of whatever was given; text stays text."""
    if isinstance(source, pl.LazyFrame):
        return source.collect()
    if isinstance(source, pl.DataFrame):
        return source
    if isinstance(source, pl.Series):
        raise ConfigError(
            "a polars series has no days: pass a frame with a date column"
        )
    if isinstance(source, bytes | bytearray | memoryview | str | Path):
        return _read_price_file(cast("bytes | str | Path", source))
    if isinstance(source, Mapping):
        return _read_mapping(cast("Mapping[Any, Any]", source))
    module = type(source).__module__.split(".")[0]
    if module == "pandas":
        return _read_pandas(source)
    if module == "pyarrow" or hasattr(source, "__arrow_c_stream__"):
        return pl.DataFrame(cast("Any", source))
    raise ConfigError(
        f"{type(source).__name__} is no table of prices: pass a path, bytes, a dict, "
        "or a polars, pandas or pyarrow table"
    )


def _read_price_file(source: bytes | str | Path) -> pl.DataFrame:
    body, name = read_bytes(source, door="read_prices")
    try:
        if body.startswith(b"PAR1"):
            return pl.read_parquet(body)
        shape = recognize(body)
        if shape is not None and shape.kind in _PRICE_FILES:
            return read_market(source).prices
        text = body.removeprefix(b"\xef\xbb\xbf")
        return pl.read_csv(text, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).split("\n", 1)[0]
        raise FrameError(name, "", f"neither CSV nor parquet: {reason}") from None


def _read_mapping(source: Mapping[Any, Any]) -> pl.DataFrame:
    """Read a dict of columns, or of one dict (or series) of days per security."""
    try:
        if source and all(isinstance(v, Mapping) for v in source.values()):
            parts = [
                (str(day), str(name), price)
                for name, days in source.items()
                for day, price in cast("Mapping[Any, Any]", days).items()
            ]
            return _read_columns(
                zip(("date", "symbol", "close"), zip(*parts, strict=True), strict=True)
            )
        return _read_columns((str(name), list(v)) for name, v in source.items())
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise FrameError("prices", "", f"no dict of columns: {error}") from None


def _read_columns(columns: Iterable[tuple[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(
        [pl.Series(name, list(values), strict=False) for name, values in columns]
    )


def _read_pandas(table: object) -> pl.DataFrame:
    """Take a pandas table or series apart: its index is columns like the others."""
    source = cast("Any", table)
    if not hasattr(source, "columns"):  # a series: its index is the day, or more
        source = source.rename(
            source.name if source.name is not None else "close"
        ).to_frame()
    if getattr(source.columns, "nlevels", 1) > 1:
        source = cast("Any", _choose_closes(source))
    index = source.index
    named = [name for name in index.names if name is not None]
    if named or type(index).__name__ != "RangeIndex":
        levels = range(index.nlevels)
        names = [index.names[n] or ("date" if n == 0 else "symbol") for n in levels]
        front = [(str(names[n]), index.get_level_values(n).tolist()) for n in levels]
    else:
        front = []
    places = range(len(source.columns))
    back = [(str(source.columns[n]), source.iloc[:, n].tolist()) for n in places]
    return _read_columns([*front, *back])


def _choose_closes(table: object) -> object:
    """Choose the closes where columns are (price, ticker) or (ticker, price)."""
    source = cast("Any", table)
    for level in range(source.columns.nlevels):
        labels = source.columns.get_level_values(level)
        for name in _NAMES["close_price"]:
            for label in dict.fromkeys(labels):
                if _simplify_name(str(label)) == name:
                    return source.xs(label, axis=1, level=level)
    raise FrameError("prices", "", "no level of the columns is close or price")


def _simplify_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _as_long(table: pl.DataFrame, symbol: str | None) -> pl.DataFrame:
    """Bring a table to one row per security and day, our names, typed."""
    places: dict[str, str] = {}
    for ours, names in _NAMES.items():
        for name in names:
            for column in table.columns:
                free = column not in places.values()
                if _simplify_name(column) == name and ours not in places and free:
                    places[ours] = column
    day = places.get("date") or _find_day_column(table)
    if day is None:
        shown = ", ".join(table.columns[:8])
        raise FrameError("prices", "date", f"no column is a day; there are {shown}")
    places.setdefault("date", day)
    rest = [c for c in table.columns if c != day]
    keys = [name for name in _KEYS if name in places]
    if keys and "close_price" in places:
        rows = table.select(
            pl.col(theirs).alias(ours) for ours, theirs in places.items()
        )
    elif "close_price" in places and symbol is not None:
        rows = table.select(
            *(pl.col(theirs).alias(ours) for ours, theirs in places.items()),
            pl.lit(symbol).alias("symbol"),
        )
    elif keys or "open_price" in places or (len(rest) == 1 and "close_price" in places):
        missing = "close_price" if keys else "symbol"
        now = "name the price column close" if keys else "pass symbol="
        raise FrameError("prices", missing, f"no column names it; {now}")
    else:
        rows = (
            table.select(pl.col(day).alias("date"), pl.col(rest).cast(pl.String()))
            .unpivot(index="date", variable_name="symbol", value_name="close_price")
            .select("date", "symbol", "close_price")
        )
    return _read_cells(rows)


def _find_day_column(table: pl.DataFrame) -> str | None:
    """Find the one column of days where none is called so."""
    days = [c for c, dtype in table.schema.items() if dtype.is_temporal()]
    return days[0] if len(days) == 1 else None


def _read_cells(rows: pl.DataFrame) -> pl.DataFrame:
    """Read days and exact numbers; a row without a price is none."""
    texts = [name for name in _TEXT if name in rows.columns]
    numbers = [c for c in rows.columns if c not in texts and c != "date"]
    cells = rows.with_columns(
        *(pl.col(c).cast(pl.String()).str.strip_chars() for c in texts),
        *(_write_digits(rows, c) for c in numbers),
        _read_days(rows["date"]),
    ).with_columns(pl.when(pl.col(c) != "").then(pl.col(c)) for c in (*texts, *numbers))
    cells = cells.filter(pl.col("close_price").is_not_null())
    made = cells.with_columns(pl.col(c).cast(MONEY, strict=False) for c in numbers)
    for column in numbers:
        wrong = made.select(
            pl.col(column).is_null() & cells[column].is_not_null()
        ).to_series()
        if wrong.any():
            text = cells.filter(wrong)[column][0]
            raise FrameError("prices", column, f"{str(text)[:40]!r} is no number")
    low = made.filter(pl.col("close_price") <= 0)
    if low.height:
        row = low.row(0, named=True)
        who = next((row[k] for k in _KEYS if row.get(k)), "a row")
        reason = f"{who} on {row['date']} is {row['close_price']}, not above 0"
        raise FrameError("prices", "close_price", reason)
    nobody = [c for c in _KEYS if c in made.columns]
    if (
        made.select(pl.all_horizontal(pl.col(c).is_null() for c in nobody))
        .to_series()
        .any()
    ):
        raise FrameError("prices", nobody[0], "a row with a price names no security")
    return made


def _write_digits(rows: pl.DataFrame, column: str) -> pl.Expr:
    """Write numbers as the shortest text that means them; NaN is a blank."""
    dtype = rows.schema[column]
    cell = pl.col(column)
    if dtype.is_float():
        cell = cell.fill_nan(None)
    text = cell.cast(pl.String()).str.strip_chars()
    blank = text.str.to_lowercase().is_in(["nan", "null", "none", "na", "n/a", "-", ""])
    return (
        pl.when(~blank).then(text.str.replace_all(",", "", literal=True)).alias(column)
    )


def _read_days(days: pl.Series) -> pl.Series:
    """Read days in India; text is day first, unless it begins with the year."""
    dtype = days.dtype
    if dtype == pl.Date():
        read = days
    elif isinstance(dtype, pl.Datetime):
        local = days.dt.convert_time_zone(INDIA_ZONE) if dtype.time_zone else days
        read = local.dt.date()
    else:
        text = days.cast(pl.String()).str.strip_chars()
        frame = pl.DataFrame({"day": text})
        cell = pl.col("day")
        parsed = [
            pl.when(cell.str.contains(shape)).then(
                cell.str.extract(f"({shape})").str.to_date(form, strict=False)
            )
            for form, shape in _DAYS
        ]
        # text with a zone is an instant: the day is that of India
        zoned = cell.str.contains(
            r"T.*(Z|[+-]\d{2}:?\d{2})$|\d [\d:.]+[+-]\d{2}:?\d{2}$"
        )
        instant = (
            cell.str.replace("Z$", "+0000")
            .str.replace(" ", "T", literal=True)
            .str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_zone="UTC", strict=False)
        )
        read = frame.select(
            day=pl.when(zoned)
            .then(instant.dt.convert_time_zone(INDIA_ZONE).dt.date())
            .otherwise(pl.coalesce(parsed))
        ).to_series()
    wrong = read.is_null()
    if wrong.any():
        shown = str(days.filter(wrong)[0])[:40]
        raise FrameError("prices", "date", f"{shown!r} is no day")
    return read.alias("date")


def _identify_rows(rows: pl.DataFrame, exchange: str) -> pl.DataFrame:
    """Give each row its identity: ISIN, else what it was called, else its symbol."""
    for name in (*_TEXT, "close_price"):
        if name not in rows.columns:
            rows = rows.with_columns(pl.lit(None, PRICES[name]).alias(name))
    word = pl.coalesce("symbol", "instrument_id", "isin")
    found = rows.with_columns(_word=word.str.to_uppercase()).with_columns(
        isin=pl.coalesce(
            *(
                pl.when(isin_ok(c).fill_null(value=False)).then(c)
                for c in ("isin", "instrument_id", "symbol")
            )
        )
    )
    word = pl.col("_word")
    prefix = word.str.extract(r"^(NSE|BSE|NFO|BFO|MCX|MF):")
    suffix = word.str.extract(r"(\.[A-Z]{2,3})$").replace_strict(
        list(_SUFFIXES),
        list(_SUFFIXES.values()),
        default=None,
        return_dtype=pl.String(),
    )
    series = word.str.extract(r"-(EQ|BE|BZ|SM|ST|T0)$")
    bare = word.str.replace(r"^(NSE|BSE|NFO|BFO|MCX|MF):", "").str.replace(
        r"(\.NS|\.BO|\.NSE|\.BSE|-(EQ|BE|BZ|SM|ST|T0))$", ""
    )
    found = found.with_columns(
        exchange=pl.coalesce("exchange", prefix, suffix),
        series=pl.coalesce("series", series),
        symbol=pl.when(isin_ok("_word").fill_null(value=False))
        .then(None)
        .otherwise(bare),
    )
    listed = pl.format(
        "{}:{}", pl.coalesce("exchange", pl.lit(exchange)), pl.col("symbol")
    )
    return found.with_columns(
        instrument_id=pl.when(pl.col("isin").is_not_null())
        .then("isin")
        .otherwise(pl.coalesce("instrument_id", listed)),
        exchange=pl.coalesce("exchange", pl.lit(exchange)),
        source=pl.coalesce("source", pl.lit("own")),
    ).select(
        pl.col(name).cast(dtype)
        if name in found.columns
        else pl.lit(None, dtype).alias(name)
        for name, dtype in PRICES.items()
    )


def _require_one_price(prices: pl.DataFrame) -> pl.DataFrame:
    """Refuse two prices of one security on one day; the same one twice is one."""
    key = ["instrument_id", "date"]
    rows = prices.sort(key, maintain_order=True)
    differing = (
        rows.group_by(key, maintain_order=True)
        .agg(pl.col("close_price").n_unique())
        .filter(pl.col("close_price") > 1)
    )
    if differing.height:
        who, day, _ = differing.row(0)
        raise FrameError("prices", "close_price", f"{who} has two prices on {day}")
    return rows.unique(key, keep="first", maintain_order=True)
