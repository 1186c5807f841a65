"""Every frame goes out in every format, and comes back through the gate."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.display._json_schema import _list_frames
from holdings_kit.schema import as_frame, conform

if TYPE_CHECKING:
    from pathlib import Path

    from polars.datatypes import DataType

FRAMES = _list_frames()
FORMATS = ("parquet", "csv", "json", "ndjson", "xlsx")


def make_value(dtype: DataType) -> Any:
    """Make a value that a careless way would spoil: money, a place, an instant."""
    if isinstance(dtype, pl.Decimal):
        digits = min(dtype.precision, 15) - dtype.scale // 2
        return Decimal("1234567890123"[:digits]).scaleb(-dtype.scale)
    if isinstance(dtype, pl.List):
        return [make_value(dtype.inner)] * 2  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        return {f.name: make_value(f.dtype) for f in dtype.fields}  # type: ignore[arg-type]
    if dtype.is_integer():
        return 7
    if dtype.is_float():
        return 0.1
    plain: dict[type[DataType], Any] = {
        pl.String: "007",
        pl.Boolean: True,
        pl.Date: date(2026, 1, 5),
        pl.Datetime: datetime(2026, 1, 5, 4, 45, 0, 123000, tzinfo=UTC),
        pl.Binary: b'\xff{"',
    }
    return plain[type(dtype)]


def make_frame(schema: pl.Schema) -> pl.DataFrame:
    """Make a row that is known, and one of which nothing is."""
    rows = {name: [make_value(dtype), None] for name, dtype in schema.items()}
    frame = pl.DataFrame(rows, schema=schema, strict=False)
    assert None not in frame.row(0)
    return frame


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_frame_comes_back_as_it_went(suffix: str, tmp_path: Path) -> None:
    if suffix == "xlsx":
        pytest.importorskip("xlsxwriter")
        pytest.importorskip("openpyxl")
    for name, schema in FRAMES.items():
        frame = make_frame(schema)
        path = hk.export(frame, tmp_path / f"{name}.{suffix}")
        back = as_frame(path, schema, name=name).lazy().collect()
        assert conform(back, schema, name=name).equals(frame), name


@pytest.mark.parametrize("name", FRAMES)
def test_pandas_takes_every_frame_and_gives_it_back(name: str) -> None:
    pytest.importorskip("pandas")
    frame = make_frame(FRAMES[name])
    table = hk.to_pandas(frame)
    assert list(table.columns) == frame.columns
    assert table.isna().to_numpy()[1].all()
    assert not {"datetime64[ns, UTC]", "datetime64[us, UTC]"} & set(
        map(str, table.dtypes)
    )
