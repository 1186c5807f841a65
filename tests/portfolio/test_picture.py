"""The picture of gains and losses counts what it cannot draw."""

import json
from datetime import UTC, datetime
from pathlib import Path

import holdings_kit as hk

SEED = Path(__file__).parents[2] / "sample_data/arrow/holdings.json"


def test_unknown_pnl_is_counted_not_drawn() -> None:
    payload = json.loads(SEED.read_text())
    payload["data"][1]["close"] = ""
    at = datetime(2026, 1, 5, 10, tzinfo=UTC)
    loaded = hk.read_arrow(json.dumps(payload).encode(), account_id="A", snapshot_at=at)
    figure = hk.plot.pnl_bars(hk.consolidate(loaded.holdings))
    (axes,) = figure.axes
    assert len(axes.patches) == 7
    assert "1 unknown" in axes.get_title()
    assert "-1,129 (NSDL)" in hk.plot.alt_text(figure)
