"""A master with bad lines is a master: they are set aside with their place."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

import holdings_kit as hk
from holdings_kit.errors import HoldingsError, WireError
from holdings_kit.read import read_instruments_and_rejects
from holdings_kit.schema import INSTRUMENTS, REJECTS

HEAD = b"Exchange,Token,FullName,Symbol,TradingSymbol,ISIN\n"
GOOD = b"NSE,3045,STATE BANK OF INDIA,SBIN,SBIN-EQ,INE062A01020\n"


def test_one_bad_line_does_not_refuse_the_whole_master(tmp_path: Path) -> None:
    body = HEAD + GOOD + b"NSE,1,CUT\n" + b"\n" + GOOD.replace(b"3045", b"3046")
    path = tmp_path / "all.csv.gz"
    path.write_bytes(gzip.compress(body))
    for source in (body, path):
        master, rejects = read_instruments_and_rejects(source)
        assert master["token"].to_list() == ["3045", "3046"]
        assert hk.read_instruments(source).equals(master)
        assert rejects.select("line_no", "reason", "raw").rows() == [
            (3, "3 cells under 6 columns", b"NSE,1,CUT")
        ]
    assert rejects["file"].to_list() == [str(path)]


def test_names_with_commas_and_of_the_old_encoding_are_read() -> None:
    body = HEAD + GOOD.replace(b"STATE BANK OF INDIA", b'"CAF\xe9, LIMITED"')
    assert hk.read_instruments(body)["name"].to_list() == ["CAFé, LIMITED"]


def test_columns_are_found_by_name_in_any_order() -> None:
    turned = b"ISIN,TradingSymbol,Symbol,FullName,Token,Exchange,Lot\n"
    turned += b"INE062A01020,SBIN-EQ,SBIN,STATE BANK OF INDIA,3045,NSE,1\n"
    assert hk.read_instruments(turned).equals(hk.read_instruments(HEAD + GOOD))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(WireError, match="no column ISIN"):
        hk.read_instruments(HEAD.replace(b",ISIN", b""))


@given(st.binary(max_size=80))
def test_any_bytes_are_a_master_or_an_error_of_ours(body: bytes) -> None:
    for source in (body, HEAD + body, HEAD + GOOD + body):
        try:
            master, rejects = read_instruments_and_rejects(source)
        except HoldingsError:
            continue
        assert master.schema == INSTRUMENTS
        assert rejects.schema == REJECTS
        assert master["instrument_id"].null_count() == 0
