"""The picture of gains and losses counts what it cannot draw."""

import json
import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from matplotlib.figure import Figure

import holdings_kit as hk
from holdings_kit.errors import FrameError

SEED = Path(__file__).parents[2] / "sample_data/arrow/holdings.json"


def test_unknown_pnl_is_counted_not_drawn() -> None:
    payload = json.loads(SEED.read_text())
    payload["data"][1]["close"] = ""
    at = datetime(2026, 1, 5, 10, tzinfo=UTC)
    loaded = hk.read_arrow(json.dumps(payload).encode(), account_id="A", snapshot_at=at)
    figure = hk.plot.pnl_bars(hk.consolidate(loaded.holdings))
    (axes,) = figure.axes
    assert len(axes.patches) == 7
    words = [text.get_text() for text in figure.texts]
    assert "7 of 8 positions have a P&L; 1 unknown: no price or no cost" in words
    assert "−₹1,129 (NSDL)" in hk.plot.alt_text(figure)


def test_the_picture_of_performance_leaves_unknown_days_out() -> None:
    rows = pl.DataFrame(
        {
            "date": [date(2026, 1, day) for day in (5, 6, 7)],
            "flow": [1000, 0, -100],
            "value_after": [1000, 1100, 990],
            "twr": [0.0, 0.1, None],
            "benchmark_twr": [0.0, 0.05, 0.06],
        }
    )
    figure = hk.plot.performance_lines(rows)
    value, index = figure.axes
    assert "₹990 on 7 Jan 2026, time-weighted unknown" in hk.plot.alt_text(figure)
    assert [len(axes.lines) for axes in (value, index)] == [2, 3]
    drawn: Any = index.lines[0].get_ydata()
    assert math.isnan(drawn[2])
    own = Figure().subplots()
    shown = hk.plot.performance_lines(rows.head(2), ax=own, title="Mine")
    assert (shown, own.get_title()) == (own.figure, "Mine")
    with pytest.raises(FrameError, match="several series"):
        hk.plot.performance_lines(pl.concat([rows, rows]))
