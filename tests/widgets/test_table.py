"""The table: order, filter, pages, selection, and what leaves it as text."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

import widgets
from holdings_kit.display._numbers import Kind, rupees
from holdings_kit.errors import ConfigError
from widgets import HoldingsTable
from widgets.table import TableModel

FRAME = pl.DataFrame(
    {
        "symbol": ["INFY", "SBIN", "=1+1", None],
        "name": ["Infosys", "State Bank", "Odd", "Nameless"],
        "owned_quantity": [Decimal("10.0000"), Decimal("2.5000"), None, Decimal(7)],
        "haircut": [0.125, None, 0.3, 1.0],
        "snapshot_at": [datetime(2026, 1, 5, 4, 45, tzinfo=UTC)] * 4,
        "reconciles": [True, False, None, True],
    }
)


def test_unknown_sorts_last_both_ways_and_is_a_dash() -> None:
    table = TableModel(FRAME)
    table.sort_by = "owned_quantity"
    assert [row[2] for row in table.rows] == ["2.5", "7", "10", "–"]
    table.descending = True
    assert [row[2] for row in table.rows] == ["10", "7", "2.5", "–"]


def test_a_dash_says_why_by_the_row_or_by_what_it_needs() -> None:
    frame = pl.DataFrame(
        {
            "symbol": ["A", "B", None],
            "haircut": [0.1, None, 0.2],
            "market_value": [None, None, 5.0],
            "price_note": ["listed <today>", None, None],
        }
    )
    table = HoldingsTable(frame)
    assert table.rows[1] == ["B", "–", "–", ""]  # no note: nothing is to be said
    assert table.whys == [
        ["", "", "listed <today>", ""],
        ["", "no haircut is published or given", "no price is known", ""],
        ["no value in the data", "", "", ""],
    ]
    page = table.static_html()
    assert '<span class="hk-why"> listed &lt;today&gt;</span>' in page
    table.sort_by = "market_value"
    assert table.whys[0][0] == "no value in the data"
    table.shown = ["market_value"]
    assert table.whys[1] == ["listed <today>"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("bank", ["SBIN"]),
        ("STATE bank", ["SBIN"]),
        ('"state bank"', ["SBIN"]),
        ('"state b', ["SBIN"]),
        ("owned_quantity>=7", ["INFY", None]),
        ("haircut<20%", ["INFY"]),
        ("haircut=100%", [None]),
        ("symbol=sbin", ["SBIN"]),
        ("reconciles=yes", ["INFY", None]),
        ("i owned_quantity<5", ["SBIN"]),
        ("", ["INFY", "SBIN", "=1+1", None]),
        ("nothing", []),
    ],
)
def test_words_and_comparisons_filter(query: str, found: list[str | None]) -> None:
    table = TableModel(FRAME)
    table.query = query
    assert table.error == ""
    assert table.found["symbol"].to_list() == found
    assert table.matched == len(found)


def test_csv_has_exact_values_and_no_formula() -> None:
    table = HoldingsTable(FRAME)
    rows = list(csv.DictReader(io.StringIO(table.to_csv().decode())))
    assert [row["symbol"] for row in rows] == ["INFY", "SBIN", "'=1+1", ""]
    assert rows[1]["owned_quantity"] == "2.5000"
    assert rows[2]["owned_quantity"] == ""
    assert rows[0]["snapshot_at"] == "2026-01-05T04:45:00.000000Z"
    table.selected = [1]
    assert len(table.to_csv().splitlines()) == 2
    assert table.to_tsv().splitlines()[1].startswith("SBIN\tState Bank\t2.5000")


def test_the_page_gets_csv_and_text_when_it_asks(
    page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, sent = HoldingsTable(FRAME), []
    monkeypatch.setattr(table, "send", lambda *message: sent.append(message))
    page(table, type="csv")
    page(table, type="copy")
    assert sent[0][0]["type"] == "csv"
    assert sent[0][1] == [table.to_csv()]
    assert sent[1][0]["text"] == table.to_tsv()


def test_the_sums_are_of_the_rows_that_match_and_say_of_how_many() -> None:
    frame = pl.DataFrame(
        {
            "symbol": ["A", "B", "C"],
            "price": [Decimal(1), Decimal(2), Decimal(3)],
            "market_value": [Decimal("100000.50"), Decimal("0.25"), None],
            "unrealized_pnl": [Decimal(-5), None, None],
        }
    )
    table = TableModel(frame)
    assert table.sums == {
        "market_value": ["₹1,00,000.75", "2 of 3 known"],
        "unrealized_pnl": ["−₹5.00", "1 of 3 known"],
    }
    table.query = "price < 3"
    assert table.sums["market_value"] == ["₹1,00,000.75", ""]
    table.query = "symbol = C"
    assert table.sums == {}  # unknown is no zero
    table.query = "nonsense > 3"
    assert table.sums == {}
    assert TableModel(FRAME).sums == {}
    many = pl.DataFrame({"market_value": [1] * 119_999 + [None]})
    assert TableModel(many).sums["market_value"][1] == "1,19,999 of 1,20,000 known"


def test_gains_have_a_sign_and_a_symbol_its_name() -> None:
    frame = pl.DataFrame(
        {
            "symbol": ["A", "B"],
            "name": ["Aster", None],
            "market_value": [10.0, 5.0],
            "unrealized_pnl": [1234.5, -4.0],
            "return": [0.1, 0.0],
        }
    )
    table = TableModel(frame, columns=["symbol", "market_value", "unrealized_pnl"])
    assert [row[1:] for row in table.rows] == [
        ["10.00", "+1,234.50"],
        ["5.00", "−4.00"],
    ]
    assert table.sums["unrealized_pnl"] == ["+₹1,230.50", ""]
    assert table.names == ["Aster", ""]
    table.sort_by = "unrealized_pnl"
    assert table.names == ["", "Aster"]
    table.shown = ["symbol", "return", "name"]
    assert table.names == [], "a column shows them"
    assert [row[1].strip("\u202f%") for row in table.rows] == ["+10.0", "0.0"]
    table.shown = ["return", "symbol"]
    assert table.names == [], "another column names the rows"


def test_an_export_is_named_after_what_it_holds() -> None:
    table = TableModel(FRAME, caption="Holdings imported")
    assert table.file_name == "holdings-imported-2026-01-05.csv"
    table.query = "haircut > 0"
    assert table.file_name == "holdings-imported-2026-01-05-3-of-4.csv"
    table.selected = [1]
    assert table.file_name == "holdings-imported-2026-01-05-1-of-4.csv"
    assert TableModel(FRAME.select("symbol"), caption="?").file_name == "table.csv"


def test_other_columns_are_shown_searched_and_exported() -> None:
    table = TableModel(FRAME, columns=["symbol", "haircut"])
    names = [choice["name"] for choice in table.choices]
    assert names[:2] == ["symbol", "haircut"]
    assert set(names) == set(FRAME.columns)
    table.query, table.sort_by = "infosys", "haircut"
    assert table.matched == 0
    table.shown = ["name", "symbol"]
    assert table.found["symbol"].to_list() == ["INFY"]
    assert [column["name"] for column in table.columns] == ["name", "symbol"]
    assert table.rows == [["Infosys", "INFY"]]
    assert table.sort_by == ""
    assert table.to_csv().decode().splitlines() == ["name,symbol", "Infosys,INFY"]
    table.shown = []
    assert table.shown == ["name", "symbol"]  # a table keeps a column
    table.show(FRAME)
    assert table.shown == FRAME.columns


def test_another_frame_starts_anew() -> None:
    table = TableModel(FRAME, page_size=2)
    table.page, table.selected, table.sort_by = 2, [3], "haircut"
    table.show(pl.DataFrame({"symbol": ["X"]}))
    assert (table.page, table.selected, table.sort_by) == (1, [], "")
    assert table.rows == [["X"]]
    with pytest.raises(ConfigError, match="no column 'y'"):
        table.show(FRAME, columns=["y"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-5, 5), max_size=40), st.integers(1, 7))
def test_the_pages_together_are_the_frame_once(values: list[int], size: int) -> None:
    frame = pl.DataFrame({"value": values}, schema={"value": pl.Int64()})
    table = TableModel(frame, page_size=size)
    table.sort_by = "value"
    seen = []
    for page in range(1, table.page_count + 1):
        table.page = page
        seen += table.row_ids
    assert sorted(seen) == list(range(len(values)))
    assert [values[row] for row in seen] == sorted(values)


@given(st.decimals(-(10**12), 10**12, places=2))
def test_grouping_changes_no_digit(number: Decimal) -> None:
    text = rupees(number).translate(str.maketrans({",": "", "₹": "", "−": "-"}))
    assert Decimal(text) == number


def test_bars_are_parts_of_the_largest_of_the_whole_table() -> None:
    frame = pl.DataFrame(
        {
            "symbol": ["A", "B", "C"],
            "weight": [0.5, 0.25, None],
            "unrealized_pnl": [Decimal(10), Decimal(-40), None],
            "market_value": [Decimal(1), Decimal(2), Decimal(3)],
        }
    )
    table = TableModel(frame, page_size=2)
    assert [column["bar"] for column in table.columns] == ["", "whole", "signed", ""]
    assert table.parts == [[None, 1.0, 0.25, None], [None, 0.5, -1.0, None]]
    table.page = 2
    assert table.parts == [[None, None, None, None]]


def test_a_column_without_a_size_has_no_bar() -> None:
    frame = pl.DataFrame({"weight": [0.0, None], "pnl": [None, None]})
    assert TableModel(frame).parts == [[None, None], [None, None]]


def test_every_class_of_a_style_sheet_is_given_to_something() -> None:
    """A class is written out, or made of a word that stands in quotes."""
    folder = Path(widgets.__file__).parent
    files = [path for path in folder.rglob("*") if path.suffix in {".py", ".js"}]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    words = set(re.findall(r"[\w-]+", code))
    quoted = set(get_args(Kind)) | set(re.findall(r"[\"'`]([a-z]+)[\"'`]", code))
    for sheet in folder.rglob("*.css"):
        named = set(re.findall(r"\.(hk-[a-z0-9-]+)", sheet.read_text(encoding="utf-8")))
        unused = {
            name for name in named - words if name.rpartition("-")[2] not in quoted
        }
        assert unused == set(), sheet.name
