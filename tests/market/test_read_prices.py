"""Prices of one's own: any table, exact digits, every symbol accounted for."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

import holdings_kit as hk
from holdings_kit.errors import ConfigError, FrameError, HoldingsError
from holdings_kit.read import unresolved
from holdings_kit.schema import PRICES

if TYPE_CHECKING:
    from pathlib import Path

D = Decimal
SBIN, YES = "INE062A01020", "INE528G01035"
DAY, NEXT = date(2025, 11, 3), date(2025, 11, 4)
LONG = {
    "date": [DAY, NEXT, NEXT],
    "symbol": ["SBIN", "SBIN", "YESBANK"],
    "close": [950.1, 951.25, 22.7],
}
EXPECTED = [
    ("NSE:SBIN", DAY, D("950.1000")),
    ("NSE:SBIN", NEXT, D("951.2500")),
    ("NSE:YESBANK", NEXT, D("22.7000")),
]
MASTER = hk.read_instruments(
    (
        "Exchange,Token,FullName,Symbol,TradingSymbol,ISIN\n"
        f"NSE,3045,STATE BANK OF INDIA,SBIN,SBIN-EQ,{SBIN}\n"
        f"BSE,1499112,STATE BANK OF INDIA,SBIN,SBIN,{SBIN}\n"
    ).encode()
)


def short(prices: pl.DataFrame) -> list[tuple[Any, ...]]:
    assert prices.schema == PRICES
    return prices.select("instrument_id", "date", "close_price").rows()


def wide() -> pd.DataFrame:
    index = pd.DatetimeIndex([DAY, NEXT], name="Date")
    table = {"SBIN": [950.1, 951.25], "YESBANK": [float("nan"), 22.7]}
    return pd.DataFrame(table, index=index)


def stacked() -> Any:
    """A series with the index (day, symbol)."""
    series: Any = wide().stack()  # noqa: PD013
    return series.rename("close")


SOURCES: dict[str, Any] = {
    "dict": LONG,
    "polars": pl.DataFrame(LONG),
    "lazy": pl.LazyFrame(LONG),
    "pandas long": pd.DataFrame(LONG),
    "pandas wide": wide(),
    "pandas wide, index as column": wide().reset_index(),
    "pandas stacked": stacked(),
    "pyarrow": pa.table(LONG),
    "polars wide": pl.DataFrame(
        {"Date": [DAY, NEXT], "SBIN": [950.1, 951.25], "YESBANK": [None, 22.7]}
    ),
    "dict of dicts": {"SBIN": {DAY: 950.1, NEXT: 951.25}, "YESBANK": {NEXT: 22.7}},
    "yfinance": pd.concat({"Close": wide(), "Open": wide() + 1}, axis=1),
    "yfinance by ticker": pd.concat(
        {"Close": wide(), "Volume": wide() + 1}, axis=1
    ).swaplevel(axis=1),
    "csv": pl.DataFrame(LONG).write_csv().encode(),
    "csv.gz wide": b"Date,SBIN,YESBANK\n03-Nov-2025,950.1,\n04-Nov-2025,951.25,22.70\n",
    "instants": LONG
    | {"date": [datetime(2025, 11, 3, 15, 30), *[datetime(2025, 11, 4)] * 2]},  # noqa: DTZ001
    "text of instants": LONG
    | {"date": ["2025-11-03 00:00:00", "2025-11-04T00:00:00", "2025-11-04"]},
}


@pytest.mark.parametrize("kind", SOURCES)
def test_any_table_of_the_same_prices_is_the_same_prices(kind: str) -> None:
    assert short(hk.read_prices(SOURCES[kind])) == EXPECTED


def test_files_are_read_like_tables(tmp_path: Path) -> None:
    frame = pl.DataFrame(LONG)
    frame.write_parquet(tmp_path / "p.parquet")
    (tmp_path / "p.csv.gz").write_bytes(gzip.compress(frame.write_csv().encode()))
    for name in ("p.parquet", "p.csv.gz"):
        assert short(hk.read_prices(tmp_path / name)) == EXPECTED
    bhav = b"SYMBOL, SERIES, DATE1, CLOSE_PRICE\nSBIN, EQ, 03-Nov-2025, 950.10\n"
    assert short(hk.read_prices(bhav)) == EXPECTED[:1]


def test_a_series_is_named_by_its_name_or_by_the_caller() -> None:
    series = wide()["SBIN"]
    assert short(hk.read_prices(series)) == EXPECTED[:2]
    series.name = None
    assert short(hk.read_prices(series, symbol="SBIN")) == EXPECTED[:2]
    with pytest.raises(FrameError, match="pass symbol="):
        hk.read_prices(series)


def test_the_one_column_of_days_is_the_day_whatever_its_name(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {"asof": [date(2026, 1, 5)], "symbol": ["SBIN"], "close": [966.25]}
    )
    table.write_parquet(tmp_path / "own.parquet")
    for source in (table, tmp_path / "own.parquet"):
        read = hk.read_prices(source)
        assert read.select("date", "symbol", "close_price").rows() == [
            (date(2026, 1, 5), "SBIN", Decimal("966.25"))
        ]


@pytest.mark.parametrize(
    "name", ["date", "Date", "timestamp", "Timestamp", "Trade Date", "datetime"]
)
@pytest.mark.parametrize("price", ["close", "Close", "adj close", "Adj Close", "ltp"])
@pytest.mark.parametrize("key", ["symbol", "ticker", "Ticker", "instrument_id", "isin"])
def test_columns_are_recognised(name: str, price: str, key: str) -> None:
    table = {name: [DAY], price: [950.1], key: [SBIN]}
    assert short(hk.read_prices(table)) == [(SBIN, DAY, D("950.1000"))]


@pytest.mark.parametrize(
    "written", ["SBIN", "SBIN-EQ", "NSE:SBIN", "SBIN.NS", "sbin", " SBIN ", "BSE:SBIN"]
)
def test_a_symbol_is_resolved_however_it_is_written(written: str) -> None:
    table = {"date": [DAY], "symbol": [written], "close": [950.1]}
    found = hk.read_prices(table, instruments=MASTER)
    assert short(found) == [(SBIN, DAY, D("950.1000"))]
    assert unresolved(found).is_empty()
    for column in ("instrument_id", "isin"):
        table = {"date": [DAY], column: [written], "close": [950.1]}
        assert hk.read_prices(table, instruments=MASTER)["isin"].to_list() == [SBIN]


def test_what_does_not_resolve_stays_and_is_listed() -> None:
    found = hk.read_prices(LONG, instruments=MASTER)
    assert found.height == 3
    assert unresolved(found)["instrument_id"].to_list() == ["NSE:YESBANK"]


def test_an_instrument_id_of_ones_own_stays_as_it_is() -> None:
    table = {"instrument_id": ["my index"], "date": [DAY], "close": [1]}
    assert short(hk.read_prices(table)) == [("my index", DAY, D("1.0000"))]
    again = hk.read_prices(hk.read_prices(LONG))
    assert short(again) == EXPECTED


def test_an_instant_with_a_zone_belongs_to_the_day_in_india() -> None:
    late = datetime(2025, 11, 3, 20, tzinfo=UTC)  # 01:30 on the 4th in Mumbai
    for moment in (late, late.isoformat()):
        table = {"date": [moment], "symbol": ["X"], "close": [1.0]}
        assert hk.read_prices(table)["date"].to_list() == [NEXT]


@given(st.decimals(min_value=0, max_value=10**9, places=4).filter(bool))
@settings(max_examples=200, deadline=None)
def test_a_float_is_the_number_it_is_written_as(price: Decimal) -> None:
    table = {"date": [DAY], "symbol": ["X"], "close": [float(price)]}
    assert hk.read_prices(table)["close_price"].to_list() == [price]


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ({"symbol": ["X"], "close": [1.0]}, "no column is a day"),
        ({"date": [DAY], "symbol": ["X"], "mean": [1.0]}, "name the price column"),
        ({"date": [DAY], "close": [1.0]}, "pass symbol="),
        ({"date": ["3rd of May"], "symbol": ["X"], "close": [1.0]}, "is no day"),
        ({"date": ["2025-02-30"], "symbol": ["X"], "close": [1.0]}, "is no day"),
        ({"date": [DAY], "symbol": ["X"], "close": ["dear"]}, "'dear' is no number"),
        ({"date": [DAY], "symbol": ["X"], "close": [-1.0]}, "not above 0"),
        ({"date": [DAY], "symbol": ["X"], "close": [0]}, "not above 0"),
        ({"date": [DAY], "symbol": ["X"], "close": [float("inf")]}, "is no number"),
        ({"date": [DAY], "symbol": [None], "close": [1.0]}, "names no security"),
        (
            {"date": [DAY, DAY], "symbol": ["X", "X"], "close": [1.0, 2.0]},
            "NSE:X has two prices on 2025-11-03",
        ),
    ],
)
def test_what_cannot_be_read_is_named(table: Any, match: str) -> None:
    with pytest.raises(FrameError, match=match):
        hk.read_prices(table)


def test_what_is_no_table_is_refused() -> None:
    for source in (3, object(), pl.Series([1.0])):
        with pytest.raises(ConfigError):
            hk.read_prices(source)


def test_a_missing_price_is_no_row_and_the_same_price_twice_is_one() -> None:
    table = {
        "date": [DAY, DAY, NEXT, NEXT],
        "symbol": ["X", "X", "X", "Y"],
        "close": [1.5, 1.5, None, float("nan")],
    }
    assert short(hk.read_prices(table)) == [("NSE:X", DAY, D("1.5000"))]


@given(st.binary(max_size=120))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_prices_or_an_error_of_ours(body: bytes) -> None:
    try:
        prices = hk.read_prices(body)
    except HoldingsError:
        return
    assert prices.schema == PRICES
