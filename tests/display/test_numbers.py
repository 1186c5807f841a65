"""One number format, and frames for other programs that lose nothing on the way."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, strategies as st

import holdings_kit as hk
from holdings_kit.display._numbers import compact_rupees, format_value, percent, rupees
from holdings_kit.errors import ConfigError

THIN = chr(0x202F)
FRAME = pl.DataFrame(
    {
        "symbol": ["SBIN", "=1+1", None],
        "market_value": [Decimal("20607.38000000"), Decimal(-1), None],
        "haircut": [Decimal("0.270700"), None, Decimal(1)],
        "snapshot_at": [datetime(2026, 1, 5, 4, 45, tzinfo=UTC), None, None],
        "notices": [["a", "b"], [], None],
        "current": [True, False, None],
    },
    schema_overrides={
        "market_value": pl.Decimal(38, 8),
        "haircut": pl.Decimal(9, 6),
        "snapshot_at": pl.Datetime("us", "UTC"),
    },
)


@given(st.decimals(-(10**12), 10**12, places=2))
def test_groups_are_indian_and_lose_no_digit(value: Decimal) -> None:
    text = rupees(value)
    assert Decimal(text.replace(",", "").replace("₹", "").replace("−", "-")) == value
    *high, last = text.lstrip("−₹").split(".")[0].split(",")
    assert len(last) <= 3
    assert all(len(group) == 2 for group in high[1:])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (99_999.49, "₹99,999"),
        (99_999.5, f"₹1.00{THIN}L"),
        (9_999_999, f"₹1.00{THIN}Cr"),
        (-0.4, "₹0"),
        (float("nan"), "–"),
    ],
)
def test_a_unit_changes_where_its_text_would(value: float, text: str) -> None:
    assert compact_rupees(value) == text


def test_what_rounds_to_nothing_has_no_minus() -> None:
    assert rupees(Decimal("-0.004")) == "₹0.00"
    assert percent(-0.0001) == f"0.0{THIN}%"


def test_unknown_is_a_dash_and_zero_is_zero() -> None:
    assert format_value(None, "rupees") == "–"
    assert format_value(Decimal(0), "rupees") == "0.00"


def test_a_view_escapes_what_comes_from_a_payload() -> None:
    named = pl.DataFrame({"name": ["<script>alert(1)</script>"]})
    page = hk.show(named, title="<b>")._repr_html_()
    assert "<script>" not in page
    assert "<b>" not in page


def test_a_view_says_what_it_leaves_out() -> None:
    text = repr(hk.show(FRAME, rows=2, columns=["symbol", "haircut"]))
    assert text.endswith(
        "1 more row\n1 cell is unknown (–): no haircut is published or given"
    )


def test_parquet_is_the_frame_again(tmp_path: Path) -> None:
    path = hk.export(FRAME.lazy(), tmp_path / "a.parquet")
    assert pl.read_parquet(path).equals(FRAME)


def test_csv_keeps_every_digit_and_runs_nothing() -> None:
    rows = list(csv.DictReader(io.StringIO(str(hk.export(FRAME, "csv")))))
    assert rows[0]["market_value"] == "20607.38000000"
    assert rows[1]["symbol"] == "'=1+1"
    assert rows[1]["market_value"] == "-1.00000000"  # a number is no formula
    assert rows[0]["notices"] == "a; b"


def test_json_holds_no_float_for_money(tmp_path: Path) -> None:
    path = Path(hk.export(FRAME, tmp_path / "a.json"))
    rows: list[dict[str, Any]] = json.loads(path.read_text())
    assert rows[0]["market_value"] == "20607.38000000"
    assert rows[0]["snapshot_at"] == "2026-01-05T04:45:00Z"
    assert rows[2]["market_value"] is None
    lines = str(hk.export(FRAME, "ndjson")).splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_json_has_null_where_there_is_no_number() -> None:
    odd = pl.DataFrame({"rate": [float("nan"), float("inf"), 0.5]})
    rows = json.loads(str(hk.export(odd, "json")))
    assert [row["rate"] for row in rows] == [None, None, 0.5]


def test_excel_holds_texts_as_texts(tmp_path: Path) -> None:
    pytest.importorskip("xlsxwriter")
    openpyxl = pytest.importorskip("openpyxl")
    path = hk.export(FRAME, tmp_path / "a.xlsx")
    sheet = openpyxl.load_workbook(path).active
    cells = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert cells[1][:2] == ["SBIN", 20607.38]
    assert sheet["A3"].data_type == "s"
    assert cells[1][3] == datetime(2026, 1, 5, 4, 45)  # noqa: DTZ001, UTC by the name


def test_pandas_gets_floats_and_no_zone() -> None:
    pandas = pytest.importorskip("pandas")
    frame = hk.to_pandas(FRAME)
    assert frame["market_value"].isna().tolist() == [False, False, True]
    assert str(frame["symbol"].dtype) == "category"
    assert frame["snapshot_at"].dt.tz is None
    assert pandas.isna(frame["current"][2])


@pytest.mark.parametrize("bad", ["a.txt", "no/such/folder/a.csv"])
def test_a_path_that_cannot_be_written_is_refused_in_words(bad: str) -> None:
    with pytest.raises(ConfigError, match=r"must end in one of|no such folder"):
        hk.export(FRAME, bad)


def test_what_is_no_frame_is_refused_in_words() -> None:
    wrong: Any = [1]
    for ask in (hk.to_pandas, hk.show, lambda it: hk.export(it, "csv")):
        with pytest.raises(ConfigError, match="a polars frame is needed, not list"):
            ask(wrong)


def test_what_was_read_prints_in_one_line() -> None:
    dumps = hk.read_webhooks("sample_data/webhooks", api_secret="sandbox_api_secret")
    assert len(repr(dumps)) < 120
    assert "rejects 1" in repr(dumps)
    assert "(1 quarantined)" in repr(dumps)
