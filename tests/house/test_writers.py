"""Whoever writes what a spreadsheet opens lets no text of it run as a formula.

The writers are found in the source: a new one without the guard fails here, and so does
one that nobody tries.
"""

from __future__ import annotations

import ast
import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.widgets import HoldingsTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
WRITES = {"write_csv", "sink_csv", "write_excel", "write_clipboard", "writer"}
GUARDS = ("guard_formulas(", '"strings_to_formulas": False')
INVENTED = {"sandbox/_generate.py", "sandbox/_arrow.py"}  # no text from elsewhere
SIGNS = ["=", "+", "-", "@", "\t=", "\r=", "\n=", " =", '"=', "\uff1d"]


def writers() -> Iterator[tuple[str, str]]:
    """Find every function that writes cells: its place, and its source."""
    for folder in ("holdings_kit", "widgets"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef) and any(
                    isinstance(one, ast.Call)
                    and isinstance(one.func, ast.Attribute)
                    and one.func.attr in WRITES
                    for one in ast.walk(node)
                ):
                    source = ast.get_source_segment(text, node) or ""
                    place = path.relative_to(ROOT).as_posix()
                    yield f"{place}:{node.name}", source


def frame(sign: str) -> pl.DataFrame:
    evil = f"{sign}HYPERLINK(1)"
    kind = pl.Series([evil, "a"], dtype=pl.Categorical())
    return pl.DataFrame({evil: [evil, None], "kind": kind, "cost": [-1, 1]})


def export_files(rows: pl.DataFrame, folder: Path) -> str:
    path = folder / "a.csv"
    hk.export(rows.with_columns(cost=pl.concat_list(pl.first())), path)
    return path.read_text() + str(hk.export(rows, "csv"))


TRIED: dict[str, tuple[str, Callable[[pl.DataFrame, Path], str]]] = {
    "holdings_kit/display/_export.py:_write_csv": (",", export_files),
    "widgets/table/model.py:to_csv": (
        ",",
        lambda rows, _: HoldingsTable(rows).to_csv().decode(),
    ),
    "widgets/table/model.py:to_tsv": (
        "\t",
        lambda rows, _: HoldingsTable(rows).to_tsv(),
    ),
}
ELSEWHERE = {
    "holdings_kit/display/_export.py:_write_excel",  # below
    "widgets/changes/view.py:_export",  # the same two calls as `_write_csv`
    "widgets/laboratory/view.py:_export",
}


def test_every_writer_of_cells_has_the_guard_and_is_tried() -> None:
    found = {
        place: source
        for place, source in writers()
        if place.split(":")[0].removeprefix("holdings_kit/") not in INVENTED
    }
    assert found.keys() == TRIED.keys() | ELSEWHERE
    for place, source in found.items():
        assert any(guard in source for guard in GUARDS), place


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("writer", TRIED)
def test_no_cell_begins_as_a_formula(writer: str, sign: str, tmp_path: Path) -> None:
    separator, write = TRIED[writer]
    text = write(frame(sign), tmp_path)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    assert {len(row) for row in rows} == {3}
    assert any("HYPERLINK" in row[0] for row in rows[1:])
    for cell in (cell for row in rows for cell in row):
        begins = cell.lstrip(' \t\r\n"').startswith(tuple("=+-@\uff1d"))
        assert not begins or cell == "-1"


@pytest.mark.parametrize("sign", SIGNS)
def test_no_cell_of_excel_is_a_formula(sign: str, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    pytest.importorskip("xlsxwriter")
    path = hk.export(frame(sign), tmp_path / "a.xlsx")
    [sheet] = openpyxl.load_workbook(path).worksheets
    kinds = [cell.data_type for row in sheet.iter_rows() for cell in row]
    assert "f" not in kinds
    assert kinds.count("s") >= 5
