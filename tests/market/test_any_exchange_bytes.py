"""Any bytes at all: frames with every row whole, and what is not set aside by place."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

import holdings_kit as hk
from holdings_kit.schema import (
    ACTIONS,
    COLLATERAL,
    CONSTITUENTS,
    GROUPS,
    INSTRUMENTS,
    MARGINS,
    PRICES,
    REJECTS,
    VOLATILITIES,
)

if TYPE_CHECKING:
    from holdings_kit.read import Market

CASES = int(os.environ.get("FUZZ_CASES", "150"))
SCHEMAS: Final = {
    "prices": PRICES,
    "instruments": INSTRUMENTS,
    "margins": MARGINS,
    "actions": ACTIONS,
    "rejects": REJECTS,
    "groups": GROUPS,
    "volatilities": VOLATILITIES,
    "collateral": COLLATERAL,
    "constituents": CONSTITUENTS,
}
ISIN = "INE062A01020"
SEEDS: Final = {
    "udiff": (
        "TradDt,Sgmt,Src,FinInstrmTp,FinInstrmId,ISIN,TckrSymb,SctySrs,FinInstrmNm,"
        "OpnPric,ClsPric,PrvsClsgPric,TtlTradgVol,TtlTrfVal,Rsvd1\n"
        f"2025-11-04,CM,NSE,STK,3045,{ISIN},SBIN,EQ,STATE BANK,950,951.5,949,10,9510,\n"
        "2025-11-04,CM,BSE,STK,11915,INE528G01035,YESBANK,T0,YES,22,22.5,22,10,225,\n"
    ),
    "sec_bhavdata": (
        "SYMBOL, SERIES, DATE1, PREV_CLOSE, CLOSE_PRICE, TURNOVER_LACS, DELIV_QTY\n"
        "SBIN, EQ, 04-Nov-2025, 949.00, 951.50, 0.10, -\n"
    ),
    "cm_bhav": (
        "SYMBOL,SERIES,OPEN,CLOSE,PREVCLOSE,TOTTRDQTY,TIMESTAMP,ISIN,\n"
        f"SBIN,EQ,1,2,3,4,01-JAN-2019,{ISIN},\n"
    ),
    "bse_eq": (
        "SC_CODE,SC_NAME,SC_GROUP,CLOSE,PREVCLOSE,TRADING_DATE\n"
        "500112,SBI,A ,951.5,950,01-Jan-19\n"
    ),
    "var_margins": (
        "10,06112025,0.00,06,0000001\n"
        f"20,SBIN,EQ,{ISIN},8.77,0.00,9.00,3.50,0.00,12.50\n"
    ),
    "groups": f"10,NOV,2025,1\n20,SBIN,EQ,{ISIN},1,0.02\n",
    "collateral_list": f"1,SBIN,{ISIN},972.15,9\n2,IDEA,INE669E01016,10.01,24.5\n",
    "symbol_changes": "A Company,OLD,NEW,05-MAY-2012\n",
    "cmvolt": (
        "Date,Symbol,Underlying Close Price (A),Previous Day Underlying Volatility (D),"
        "Current Day Underlying Daily Volatility (E)\n"
        "04-Nov-2025,SBIN,951.5,0.01,0.02\n"
    ),
    "equity_list": f"SYMBOL,NAME OF COMPANY, SERIES, ISIN NUMBER\nSBIN,SBI,EQ,{ISIN}\n",
    "constituents": (
        f"Company Name,Industry,Symbol,Series,ISIN Code\nSBI,Banks,SBIN,EQ,{ISIN}\n"
    ),
    "nav": (
        "Scheme Code;ISIN Div Payout/ ISIN Growth;ISIN Div Reinvestment;Scheme Name;"
        "Net Asset Value;Date\n\nA House\n"
        "119551;INF209KA12Z1;-;A Fund;10.5;04-Nov-2025\n"
    ),
    "corporate_actions": (
        '[{"symbol":"SBIN","series":"EQ","faceVal":"10","subject":"Bonus 1:1",'
        f'"exDate":"04-Nov-2025","isin":"{ISIN}"}}]'
    ),
    "arrow_instruments": (
        "Exchange,Token,FullName,Symbol,TradingSymbol,ISIN\n"
        f"NSE,3045,STATE BANK,SBIN,SBIN-EQ,{ISIN}\n"
    ),
}
junk = st.binary(max_size=6) | st.sampled_from(
    [
        b"",
        b",",
        b"\n",
        b'"',
        b"-",
        b"nan",
        b"1e400",
        b"\xe9",
        b"\x00",
        b" ",
        b";",
        b"9" * 40,
    ]
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A file of a known kind, cut, doubled or overwritten in places."""
    body = bytearray(draw(st.sampled_from(sorted(SEEDS.values()))).encode())
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 30))] = draw(junk)
    return bytes(body)


def check(market: Market) -> None:
    for name, schema in SCHEMAS.items():
        assert getattr(market, name).schema == schema, name
    for name, key in {
        "prices": ["instrument_id", "date"],
        "margins": ["instrument_id", "date", "file_no"],
        "volatilities": ["instrument_id", "date"],
    }.items():
        frame: pl.DataFrame = getattr(market, name)
        assert frame.select(key).null_count().sum_horizontal().item() == 0
        assert frame.select(key).is_unique().all()
    assert market.prices["close_price"].null_count() == 0
    assert (market.prices["close_price"] > 0).all()
    assert market.margins["haircut"].null_count() == 0
    assert market.actions.select("instrument_id", "ex_date", "kind").null_count().row(
        0
    ) == (0, 0, 0)
    assert market.instruments["instrument_id"].null_count() == 0
    assert market.rejects.select("file", "reason").null_count().row(0) == (0, 0)


def test_each_seed_is_its_kind_without_a_reject() -> None:
    for kind, body in SEEDS.items():
        market = hk.read_market(body.encode())
        assert market.files["kind"].to_list() == [kind]
        assert market.rejects.is_empty(), (kind, market.rejects)
        check(market)


NUMBER: Final = re.compile(r"(?<![\w.-])\d+(?:\.\d+)?(?![\w.-])")


@pytest.mark.parametrize("kind", SEEDS)
def test_a_number_that_rounding_makes_too_large_is_set_aside_or_fits(kind: str) -> None:
    seed = SEEDS[kind]
    for found in NUMBER.finditer(seed):
        for large in ("99999999999999.99995", "-99999999999999.99995", "1e38"):
            body = seed[: found.start()] + large + seed[found.end() :]
            check(hk.read_market(body.encode()))


@given(st.binary(max_size=200) | damaged())
@settings(max_examples=CASES, deadline=None)
def test_read_market(body: bytes) -> None:
    market = hk.read_market(body)
    check(market)
    assert market.files.height >= 1 or market.rejects.height >= 1


@given(st.sampled_from(["udiff", "sec_bhavdata", "cm_bhav"]), st.data())
@settings(max_examples=CASES, deadline=None)
def test_every_line_of_a_price_file_is_a_price_or_set_aside(
    kind: str, data: st.DataObject
) -> None:
    head, line = SEEDS[kind].split("\n")[:2]
    lines: list[bytes] = []
    for number in range(data.draw(st.integers(1, 5))):
        body = bytearray(line.replace("SBIN", f"X{number}").encode())
        if data.draw(st.booleans()):
            at = data.draw(st.integers(0, len(body)))
            cut = data.draw(st.integers(0, 9))
            body[at : at + cut] = data.draw(st.binary(max_size=4)).translate(
                None, b'\r\n"'
            )
        lines.append(bytes(body))
    market = hk.read_market(b"\n".join([head.encode(), *lines]))
    (count,) = market.files["rows_count"]
    assert count + market.rejects.filter(pl.col("line_no") > 1).height >= sum(
        bool(line.strip()) for line in lines
    )
