"""Files of the exchanges: told apart by shape, one close a day, nothing lost."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import holdings_kit as hk
from holdings_kit.errors import ConfigError
from holdings_kit.schema import ACTIONS, INSTRUMENTS, MARGINS, PRICES, REJECTS

if TYPE_CHECKING:
    import polars as pl

D = Decimal

# Small invented files in the formats of the exchanges.
UDIFF_HEAD = (
    "TradDt,BizDt,Sgmt,Src,FinInstrmTp,FinInstrmId,ISIN,TckrSymb,SctySrs,XpryDt,"
    "FininstrmActlXpryDt,StrkPric,OptnTp,FinInstrmNm,OpnPric,HghPric,LwPric,ClsPric,"
    "LastPric,PrvsClsgPric,UndrlygPric,SttlmPric,OpnIntrst,ChngInOpnIntrst,"
    "TtlTradgVol,TtlTrfVal,TtlNbOfTxsExctd,SsnId,NewBrdLotQty,Rmks,Rsvd1,Rsvd2,Rsvd3,"
    "Rsvd4"
)
SEC_HEAD = (
    "SYMBOL, SERIES, DATE1, PREV_CLOSE, OPEN_PRICE, HIGH_PRICE, LOW_PRICE, LAST_PRICE,"
    " CLOSE_PRICE, AVG_PRICE, TTL_TRD_QNTY, TURNOVER_LACS, NO_OF_TRADES, DELIV_QTY,"
    " DELIV_PER"
)
CM_HEAD = (
    "SYMBOL,SERIES,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,TOTTRDQTY,TOTTRDVAL,TIMESTAMP,"
    "TOTALTRADES,ISIN,"
)
BSE_HEAD = (
    "SC_CODE,SC_NAME,SC_GROUP,SC_TYPE,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,NO_TRADES,"
    "NO_OF_SHRS,NET_TURNOV,TDCLOINDI"
)
# real ISINs of public companies; prices and days are invented
SBIN, IDEA, BSE, YES = "INE062A01020", "INE669E01016", "INE118H01025", "INE528G01035"


def udiff_row(
    day: str,
    symbol: str,
    isin: str,
    close: str,
    *,
    series: str = "EQ",
    token: str = "3045",
    exchange: str = "NSE",
    segment: str = "CM",
    name: str = "A NAME",
) -> str:
    return (
        f"{day},{day},{segment},{exchange},STK,{token},{isin},{symbol},{series},,,,,"
        f"{name},10.00,12.00,9.00,{close},10.50,9.75,,10.40,,,1000,10500.50,7,F1,1,,,,,"
    )


def sec_row(day: str, symbol: str, close: str, *, series: str = "EQ") -> str:
    return (
        f"{symbol}, {series}, {day}, 9.75, 10.00, 12.00, 9.00, 10.50, {close}, 10.45,"
        " 1000, 0.11, 7, -, -"
    )


def cm_row(day: str, symbol: str, close: str, isin: str, *, series: str = "EQ") -> str:
    return f"{symbol},{series},10,12,9,{close},10.5,9.75,1000,10500.5,{day},7,{isin},"


def bse_row(code: str, name: str, close: str) -> str:
    return f"{code},{name},A ,Q,10,12,9,{close},10.5,9.75,7,1000,10500,"


def var_row(symbol: str, series: str, isin: str, *rates: str) -> str:
    return f"20,{symbol},{series},{isin},{','.join(rates)}"


def text(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def rows(frame: pl.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    return frame.select(names).rows()


UDIFF = text(
    UDIFF_HEAD,
    udiff_row("2025-11-04", "SBIN", SBIN, "950.50"),
    udiff_row("2025-11-04", "YESBANK", YES, "22.60", token="11915"),
    udiff_row("2025-11-04", "YESBANK", YES, "22.75", token="756323", series="T0"),
)


def test_a_udiff_bhavcopy_is_prices_and_master_in_one() -> None:
    market = hk.read_market(UDIFF)
    assert rows(market.prices, "instrument_id", "date", "close_price") == [
        (SBIN, date(2025, 11, 4), D("950.5000")),
        (YES, date(2025, 11, 4), D("22.6000")),
    ]
    first = market.prices.row(0, named=True)
    assert first["previous_close_price"] == D("9.75")
    assert first["traded_value"] == D("10500.50")
    assert (first["exchange"], first["series"], first["source"]) == (
        "NSE",
        "EQ",
        "udiff",
    )
    assert set(rows(market.instruments, "token", "trading_symbol")) == {
        ("3045", "SBIN-EQ"),
        ("11915", "YESBANK-EQ"),
        ("756323", "YESBANK-T0"),
    }
    assert market.rejects.is_empty()


def test_t0_never_doubles_a_price_in_whatever_order_it_comes() -> None:
    lines = UDIFF.decode().splitlines()
    turned = text(lines[0], *reversed(lines[1:]))
    assert hk.read_market(turned).prices.equals(hk.read_market(UDIFF).prices)
    only = text(lines[0], lines[3])
    assert rows(hk.read_market(only).prices, "series") == [("T0",)]


def test_the_same_file_under_any_name_and_packing_says_the_same(
    tmp_path: Path,
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inside/one.csv", UDIFF)
        archive.writestr("__MACOSX/inside/._one.csv", b"junk")
    plain = hk.read_market(UDIFF).prices
    for name, body in {
        "C_VAR1_06112025_6.DAT": UDIFF,
        "bhav.csv.gz": gzip.compress(UDIFF),
        "a.zip": packed.getvalue(),
        "no_suffix": packed.getvalue(),
        "crlf.csv": UDIFF.replace(b"\n", b"\r\n"),
        "bom.csv": b"\xef\xbb\xbf" + UDIFF,
    }.items():
        path = tmp_path / name
        path.write_bytes(body)
        market = hk.read_market(path)
        assert market.prices.equals(plain), name
        assert market.rejects.is_empty(), name


def test_sec_bhavdata_takes_its_isin_from_the_other_files() -> None:
    sec = text(
        SEC_HEAD,
        sec_row("03-Nov-2025", "SBIN", "945.05"),
        sec_row("03-Nov-2025", "NOBODY", "1.05"),
    )
    market = _market({"sec.csv": sec, "udiff.csv": UDIFF})
    found = market.prices.filter(date=date(2025, 11, 3))
    assert rows(found, "instrument_id", "close_price", "traded_value") == [
        (SBIN, D("945.0500"), D("11000.0000")),
        ("NSE:NOBODY", D("1.0500"), D("11000.0000")),
    ]
    (said,) = market.notices.filter(kind="no_isin")["value"]
    assert said.startswith("NSE:NOBODY: 1 rows")


def _market(files: dict[str, bytes], **options: Any) -> Any:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return hk.read_market(packed.getvalue(), **options)


def test_two_files_of_one_day_give_one_close_and_a_notice_where_they_differ() -> None:
    same = text(SEC_HEAD, sec_row("04-Nov-2025", "SBIN", "950.50"))
    other = text(SEC_HEAD, sec_row("04-Nov-2025", "SBIN", "950.55"))
    agreed = _market({"udiff.csv": UDIFF, "sec.csv": same})
    assert agreed.prices.height == 2
    assert agreed.notices.filter(kind="two_closes").is_empty()
    differing = _market({"udiff.csv": UDIFF, "sec.csv": other})
    assert rows(differing.prices, "close_price")[0] == (D("950.5000"),)
    assert differing.notices.filter(kind="two_closes").height == 1


def test_the_exchange_asked_for_first_gives_the_close() -> None:
    bse = text(
        UDIFF_HEAD,
        udiff_row(
            "2025-11-04",
            "SBIN",
            SBIN,
            "951.10",
            exchange="BSE",
            series="A",
            token="500112",
        ),
    )
    files = {"nse.csv": UDIFF, "bse.csv": bse}
    close = {"NSE": D("950.5000"), "BSE": D("951.1000")}
    for order in (["NSE", "BSE"], ["BSE", "NSE"]):
        prices = _market(files, prefer=order).prices
        assert prices.filter(isin=SBIN)["close_price"].to_list() == [close[order[0]]]
    listed = _market(files).instruments.filter(isin=SBIN)
    assert set(listed["exchange"]) == {"NSE", "BSE"}


def test_the_old_bhavcopies_of_nse_have_a_comma_at_the_end_or_no_isin() -> None:
    full = text(CM_HEAD, cm_row("01-JAN-2019", "SBIN", "299.30", SBIN))
    bare = text(
        CM_HEAD.removesuffix(","),
        cm_row("1-JAN-2009", "SBIN", "1293", SBIN).removesuffix(","),
    )
    oldest = text(
        "SYMBOL,SERIES,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,TOTTRDQTY,TOTTRDVAL,TIMESTAMP",
        "SBIN,EQ,10,12,9,1300.5,10.5,9.75,1000,10500.5,2-JAN-2009",
    )
    headless_end = text(CM_HEAD, cm_row("02-JAN-2019", "SBIN", "300", SBIN)[:-1])
    market = _market({"a": full, "b": bare, "c": oldest, "d": headless_end})
    assert rows(market.prices, "instrument_id", "date", "close_price") == [
        (SBIN, date(2009, 1, 1), D("1293.0000")),
        (SBIN, date(2009, 1, 2), D("1300.5000")),
        (SBIN, date(2019, 1, 1), D("299.3000")),
        (SBIN, date(2019, 1, 2), D("300.0000")),
    ]
    assert market.rejects.is_empty()


def test_the_old_file_of_bse_has_its_day_in_its_name_alone() -> None:
    body = text(BSE_HEAD, bse_row("500112", "STATE BANK OF I", "299.30"))
    named = _market({"EQ010119.CSV": body})
    assert rows(named.prices, "instrument_id", "date", "exchange") == [
        ("BSE:500112", date(2019, 1, 1), "BSE")
    ]
    unnamed = _market({"prices.csv": body})
    assert unnamed.prices.is_empty()
    assert rows(unnamed.rejects, "line_no", "reason") == [(2, "names no day")]
    master = text(
        UDIFF_HEAD,
        udiff_row("2025-11-04", "SBIN", SBIN, "950", exchange="BSE", token="500112"),
    )
    known = _market({"EQ010119.CSV": body, "bse.csv": master})
    assert known.prices["instrument_id"].unique().to_list() == [SBIN]


VAR = text(
    "10,06112025,0.00,06,0000003",
    var_row("SBIN", "EQ", SBIN, "8.77", "0.00", "9.00", "3.50", "0.00", "12.50"),
    var_row(
        "544467",
        "EQ",
        "INE301O01023",
        "10.86",
        "0.00",
        "10.86",
        "3.50",
        "0.00",
        "14.36",
    ),
    var_row(
        "938826", "N1", "INEl48I07QA5", "0.00", "0.00", "10.00", "0.00", "0.00", "10.00"
    ),
)


def test_var_margins_are_fractions_with_day_and_file() -> None:
    market = hk.read_market(VAR)
    assert market.margins.filter(isin=SBIN).row(0, named=True) == {
        "instrument_id": SBIN,
        "isin": SBIN,
        "symbol": "SBIN",
        "series": "EQ",
        "date": date(2025, 11, 6),
        "file_no": 6,
        "security_var": D("0.087700"),
        "index_var": D("0.000000"),
        "var_margin": D("0.090000"),
        "elm": D("0.035000"),
        "adhoc": D("0.000000"),
        "haircut": D("0.125000"),
    }
    assert market.margins.height == 2
    ((line, reason),) = rows(market.rejects, "line_no", "reason")
    assert line == 4
    assert "INEl48I07QA5" in reason


def test_a_control_record_of_four_fields_is_the_first_file_of_the_day() -> None:
    body = VAR.replace(b"10,06112025,0.00,06,0000003", b"10,06112025,0.00,0000003")
    assert set(hk.read_market(body).margins["file_no"]) == {1}


def test_the_count_of_the_control_record_is_checked() -> None:
    cut = b"\n".join(VAR.split(b"\n")[:3]) + b"\n"
    market = hk.read_market(cut)
    assert market.margins.height == 2
    ((line, reason),) = rows(market.rejects, "line_no", "reason")
    assert line == 1
    assert "counts 3 records, the file has 2" in reason


def test_margins_without_a_control_record_have_no_day_and_are_set_aside() -> None:
    market = hk.read_market(VAR.split(b"\n", 1)[1])
    assert market.margins.is_empty()
    assert "no control record" in market.rejects["reason"][0]


def test_the_lists_of_the_clearing_corporation_are_read() -> None:
    market = _market(
        {
            "APPSEC_COLLVAL_21112025.csv": text(
                f"1,SBIN,{SBIN},972.15,9", f"2,IDEA,{IDEA},10.01,24.5"
            ),
            "C_CATG_NOV2025.T01": text(
                "10,NOV,2025,2",
                f"20,SBIN,EQ,{SBIN},1,0.02",
                f"20,IDEA,EQ,{IDEA},2,1.25",
            ),
            "CMVOLT_21112025.CSV": text(
                "Date, Symbol, Underlying Close Price (A), Underlying Previous Day "
                "Close Price (B), Underlying Log Returns (C) = LN(A/B), Previous Day "
                "Underlying Volatility (D), Current Day Underlying Daily Volatility "
                "(E) = Sqrt(0.995*D*D + 0.005*C*C), Underlying Annualised Volatility "
                "(F) = E*Sqrt(365)",
                "21-Nov-2025,SBIN,972.15,970.00,0.0022,0.0132,0.0131,0.2503",
            ),
            "ind_nifty50list.csv": text(
                "Company Name,Industry,Symbol,Series,ISIN Code",
                f"State Bank of India,Financial Services,SBIN,EQ,{SBIN}",
            ),
        }
    )
    assert rows(market.collateral, "instrument_id", "date", "haircut") == [
        (SBIN, date(2025, 11, 21), D("0.090000")),
        (IDEA, date(2025, 11, 21), D("0.245000")),
    ]
    assert rows(market.groups, "isin", "date", "group", "impact_cost") == [
        (SBIN, date(2025, 11, 1), 1, D("0.000200")),
        (IDEA, date(2025, 11, 1), 2, D("0.012500")),
    ]
    assert rows(market.volatilities, "instrument_id", "previous_volatility") == [
        (SBIN, 0.0132)
    ]
    assert rows(market.constituents, "index", "isin") == [("nifty50", SBIN)]
    assert market.rejects.is_empty()


def test_corporate_actions_are_read_from_the_subject_under_the_isin_before() -> None:
    entry = {
        "symbol": "SBIN",
        "series": "EQ",
        "faceVal": "10",
        "comp": "X",
        "isin": SBIN,
    }
    split = (
        "Face Value Split (Sub-Division) - From Rs 10/- Per Share To Re 1/- Per Share"
    )
    body = json.dumps(
        [
            entry | {"subject": "Bonus 1:2", "exDate": "28-Oct-2024"},
            entry | {"subject": split, "exDate": "28-Jul-2022"},
            entry | {"subject": "Interim Dividend - Rs 5.50 Per Share", "exDate": "-"},
            entry | {"subject": "Annual General Meeting", "exDate": "01-Jul-2022"},
            entry
            | {"subject": "Rights 1:15 @ Premium Rs 1247/-", "exDate": "14-May-2020"},
            entry | {"subject": "Bonus", "exDate": "14-May-2020"},
        ]
    ).encode()
    market = hk.read_market(body)
    assert rows(market.actions, "ex_date", "kind", "ratio", "cash_per_unit") == [
        (date(2020, 5, 14), "rights", "1:15", D("1257.0000")),
        (date(2022, 7, 28), "split", "1:10", None),
        (date(2024, 10, 28), "bonus", "1:2", None),
    ]
    assert set(market.actions["instrument_id"]) == {SBIN}
    assert rows(market.rejects, "reason") == [
        ("entry 3: names no ex-date",),
        ("entry 6: the subject Bonus names no ratio",),
    ]
    assert market.notices.filter(kind="other_subject").height == 1
    csv = text(
        '"SYMBOL","COMPANY NAME","SERIES","PURPOSE","FACE VALUE","EX-DATE"',
        '"SBIN","STATE BANK","EQ","Bonus 1:1","1","04-Nov-2025"',
    )
    assert rows(hk.read_market(csv).actions, "instrument_id", "ratio") == [
        ("NSE:SBIN", "1:1")
    ]


def test_an_action_without_an_isin_takes_that_of_the_day_before() -> None:
    csv = text("SYMBOL,SERIES,PURPOSE,EX-DATE", "X,EQ,Bonus 1:1,04-Jan-2023")
    files = {
        "a": text(CM_HEAD, cm_row("03-JAN-2023", "X", "100", SBIN)),
        "b": text(CM_HEAD, cm_row("04-JAN-2023", "X", "50", IDEA)),
        "actions.csv": csv,
    }
    assert rows(_market(files).actions, "instrument_id") == [(SBIN,)]


@pytest.mark.parametrize(
    ("subject", "kind", "ratio"),
    [  # as NSE published them
        ("Bonus 1:1", "bonus", "1:1"),
        ("Bonus - 3:2", "bonus", "3:2"),
        ("Consolidation Of Shares - From Re 1/- To Rs 10/-", "consolidation", "10:1"),
        ("Face Value Split From Rs.10/- To Rs.2/-", "split", "1:5"),
        ("Fv Split Rs.10 To Rs.5", "split", "1:2"),
        ("Rights 6:179 @ Premium Rs 1799/-", "rights", "6:179"),
        ("Demerger", "demerger", None),
        ("Buy Back", "buyback", None),
        ("Capital Reduction", "capital_reduction", None),
        ("Dividend - Rs 2 Per Share", "dividend", None),
    ],
)
def test_a_subject_names_kind_and_ratio(
    subject: str, kind: str, ratio: str | None
) -> None:
    entry = {
        "symbol": "X",
        "subject": subject,
        "exDate": "04-Nov-2025",
        "faceVal": "10",
    }
    market = hk.read_market(json.dumps({"data": [entry]}).encode())
    assert rows(market.actions, "kind", "ratio") == [(kind, ratio)]


def test_one_subject_may_name_two_actions() -> None:
    subject = "Bonus 4:1 / Face Value Split - From Rs 2/- Per Share To Re 1/- Per Share"
    entry = {"symbol": "X", "subject": subject, "exDate": "16-Jun-2025"}
    market = hk.read_market(json.dumps([entry]).encode())
    assert set(rows(market.actions, "kind", "ratio")) == {
        ("bonus", "4:1"),
        ("split", "1:2"),
    }


def test_bonus_debentures_are_no_bonus_shares() -> None:
    entry = {"symbol": "X", "subject": "Bonus Debentures 1:1", "exDate": "16-Jun-2025"}
    assert hk.read_market(json.dumps([entry]).encode()).actions.is_empty()


def test_old_symbols_find_their_isin_through_chains_of_renamings() -> None:
    changes = text(
        " A Company,PDUMJEAGRO,PDUMJEIND,05-MAY-2012",
        " A Company,PDUMJEIND,3PLAND,01-APR-2022",
    )
    sec = text(
        SEC_HEAD,
        sec_row("03-Jan-2011", "PDUMJEAGRO", "8.05"),
        sec_row("03-Jan-2020", "PDUMJEIND", "9.05"),
        sec_row("04-May-2023", "PDUMJEAGRO", "1.05"),  # the symbol of someone else now
    )
    listed = text(
        "SYMBOL,NAME OF COMPANY, SERIES, DATE OF LISTING, ISIN NUMBER, FACE VALUE",
        f"3PLAND,A Company, EQ,06-OCT-2008,{BSE},2",
    )
    market = _market({"changes.csv": changes, "sec.csv": sec, "EQUITY_L.csv": listed})
    assert rows(market.prices, "instrument_id", "date") == [
        (BSE, date(2011, 1, 3)),
        (BSE, date(2020, 1, 3)),
        ("NSE:PDUMJEAGRO", date(2023, 5, 4)),
    ]
    assert set(rows(market.actions, "instrument_id", "kind", "new_instrument_id")) == {
        ("NSE:PDUMJEAGRO", "rename", "NSE:PDUMJEIND"),
        ("NSE:PDUMJEIND", "rename", "NSE:3PLAND"),
    }


def test_a_symbol_with_two_isins_means_the_one_seen_last_before_the_day() -> None:
    files = {
        "a": text(CM_HEAD, cm_row("03-JAN-2022", "X", "100", SBIN)),
        "b": text(CM_HEAD, cm_row("03-JAN-2023", "X", "10", IDEA)),
        "c": text(
            SEC_HEAD,
            sec_row("03-Jan-2021", "X", "90"),
            sec_row("03-Jun-2022", "X", "101"),
            sec_row("03-Jun-2023", "X", "11"),
        ),
    }
    found = _market(files).prices.filter(source="sec_bhavdata").sort("date")
    assert found["instrument_id"].to_list() == [SBIN, SBIN, IDEA]


@pytest.mark.parametrize("wide", [False, True])
def test_navs_of_six_and_eight_columns_are_read(wide: bool) -> None:
    six = (
        "Scheme Code;ISIN Div Payout/ ISIN Growth;ISIN Div Reinvestment;Scheme Name;"
        "Net Asset Value;Date"
    )
    eight = six.replace("Net Asset", "Plan;Option;Net Asset")
    more = "Direct;Growth;" if wide else ""
    body = text(
        eight if wide else six,
        "",
        "Open Ended Schemes(Debt Scheme - Banking and PSU Fund)",
        "",
        "An Invented Fund House",
        f"119551;INF209KA12Z1;INF209KA13Z9;A Fund;{more}103.9812;04-Nov-2025",
        f"119552;-;;B Fund;{more}12.5;04-Nov-2025",
        f"119553;-;-;C Fund;{more}N.A.;04-Nov-2025",
    )
    market = hk.read_market(body)
    assert rows(market.prices, "instrument_id", "close_price", "exchange") == [
        ("INF209KA12Z1", D("103.9812"), "MF"),
        ("INF209KA13Z9", D("103.9812"), "MF"),
        ("MF:119552", D("12.5000"), "MF"),
    ]
    assert market.rejects.is_empty()
    assert market.notices.filter(kind="no_close").height == 1
    assert set(market.instruments["asset_class"]) == {"mutual_fund"}


def test_what_a_file_says_wrongly_is_set_aside_and_the_rest_loads() -> None:
    lines = UDIFF.split(b"\n")
    wrong = {
        2: lines[1].replace(b"950.50", b"95O.50"),
        3: lines[1][:60],
        4: lines[1].replace(SBIN.encode(), b"INE062A01021"),
        5: lines[1].replace(b"2025-11-04", b"2025-13-04"),
        6: lines[1].replace(b"950.50", b"-950.50"),
    }
    cafe = lines[2].replace(b"A NAME", b"CAF\xe9 LIMITED")
    market = hk.read_market(b"\n".join([lines[0], *wrong.values(), cafe]))
    assert rows(market.prices, "isin") == [(YES,)]
    assert market.instruments["name"].to_list() == ["CAFé LIMITED"]
    assert dict(rows(market.rejects, "line_no", "raw")) == wrong
    assert rows(market.notices, "line_no", "kind") == [(7, "not_utf8")]
    for line, word in {2: "95O.50", 3: "cells", 4: "INE062A01021"}.items():
        assert word in market.rejects.filter(line_no=line)["reason"][0]


def test_a_short_line_and_a_long_one_do_not_hide_each_other() -> None:
    lines = UDIFF.split(b"\n")
    odd = b"\n".join([lines[0], lines[1] + b",9", lines[2][:-1], lines[2]])
    market = hk.read_market(odd)
    assert rows(market.rejects, "line_no") == [(2,), (3,)]
    assert rows(market.prices, "isin") == [(YES,)]


def test_derivatives_are_set_aside_in_one_row_per_file() -> None:
    body = text(
        UDIFF_HEAD,
        *(udiff_row("2025-11-04", f"X{n}", SBIN, "1", segment="FO") for n in range(9)),
    )
    market = hk.read_market(body)
    assert market.prices.is_empty()
    assert rows(market.rejects, "reason") == [
        ("9 rows of segment FO: only the cash market (CM) is read",)
    ]


@pytest.mark.parametrize("segment", ["", "2025-11-04", "cm"])
def test_a_row_of_no_segment_is_set_aside_with_its_place(segment: str) -> None:
    odd = udiff_row("2025-11-04", "X", SBIN, "1", segment=segment)
    market = hk.read_market(text(UDIFF_HEAD, odd))
    assert market.prices.is_empty()
    shown = segment or "(blank)"
    assert rows(market.rejects, "line_no", "reason", "raw") == [
        (2, f"{shown} is no segment such as CM", odd.encode())
    ]


def test_files_of_no_known_kind_are_named_and_torn_archives_too(
    tmp_path: Path,
) -> None:
    for name, body in {
        "notes.txt": b"hello",
        "empty.csv": b"",
        "torn.csv.gz": gzip.compress(UDIFF)[:-20],
        "torn.zip": b"PK\x03\x04 nothing",
        "sub/good.csv": UDIFF,
        ".DS_Store": b"x",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(body)
    path = tmp_path
    market = hk.read_market(path)
    assert market.prices.height == 2
    reasons = {Path(f).name: r for f, r in rows(market.rejects, "file", "reason")}
    assert set(reasons) == {"notes.txt", "empty.csv", "torn.csv.gz", "torn.zip"}
    assert "no known kind" in reasons["notes.txt"]
    assert "cannot be unpacked" in reasons["torn.csv.gz"]
    kinds = dict(rows(market.files, "file", "kind"))
    assert sum(kind is None for kind in kinds.values()) == 4
    assert hk.read_market(str(path / "**" / "*.csv")).prices.height == 2
    assert hk.read_market([path / "sub/good.csv", path / "sub"]).files.height == 1


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file or folder"):
        hk.read_market(tmp_path / "none")
    with pytest.raises(ConfigError, match="there is no file"):
        hk.read_market(tmp_path)


def test_frames_have_their_schemas_and_the_market_says_what_it_holds() -> None:
    market = _market({"a": UDIFF, "b": VAR})
    schemas = (PRICES, INSTRUMENTS, MARGINS, ACTIONS, REJECTS)
    assert [frame.schema for frame in market] == list(schemas)
    shown = repr(market)
    assert "Market of 2 files" in shown
    assert "2 prices (2025-11-04 to 2025-11-04)" in shown
    assert "1 reject" in shown


def test_an_index_master_of_the_caller_knows_more_symbols() -> None:
    csv = b"Exchange,Token,FullName,Symbol,TradingSymbol,ISIN\n"
    csv += f"NSE,3045,STATE BANK OF INDIA,SBIN,SBIN-EQ,{SBIN}\n".encode()
    sec = text(SEC_HEAD, sec_row("03-Nov-2025", "SBIN", "945.05"))
    found = hk.read_market(sec, instruments=hk.read_instruments(csv))
    assert found.prices["instrument_id"].to_list() == [SBIN]
    assert hk.read_market(csv).instruments["isin"].to_list() == [SBIN]
