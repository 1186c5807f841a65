"""A frame passes its gate, or one error says all that is wrong with it."""

import polars as pl
import pytest

from holdings_kit.errors import FrameError
from holdings_kit.schema import conform

SCHEMA = pl.Schema({"a": pl.Int64(), "b": pl.String(), "c": pl.Date()})


def test_every_bad_column_is_named_at_once() -> None:
    frame = pl.DataFrame({"a": ["x"], "b": ["y"], "d": [1]})
    with pytest.raises(FrameError) as caught:
        conform(frame, SCHEMA, name="things")
    assert str(caught.value) == (
        "things: column 'a': is String, must be Int64; 'c': missing; "
        "things has 'a', 'b', 'd'"
    )
    assert caught.value.column == "a"


def test_a_lazy_frame_stays_lazy_and_other_columns_stand_behind() -> None:
    frame = pl.LazyFrame({"d": [1], "a": [1], "b": ["y"], "c": [None]})
    frame = frame.with_columns(pl.col("c").cast(pl.Date()))
    found = conform(frame, SCHEMA, name="things")
    assert isinstance(found, pl.LazyFrame)
    assert found.collect_schema().names() == ["a", "b", "c", "d"]
