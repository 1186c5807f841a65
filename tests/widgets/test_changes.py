"""The comparison: causes, bridges, evidence down to the payload, promotion."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

import holdings_kit as hk
from holdings_kit import sandbox
from holdings_kit.errors import ConfigError
from widgets import SnapshotComparison

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> hk.Store:
    """One Arrow account over five days of its invented life, and an empty fetch."""
    folder = tmp_path_factory.mktemp("lives")
    kept = hk.Store(folder / "store")
    lives = sandbox.life(seed=2, days=5).payloads.filter(source="arrow")
    account = lives["account_id"][0]
    rows = lives.filter(account_id=account).sort("day")
    for row in rows.iter_rows(named=True):
        file = folder / f"{row['day']}.json"
        file.write_bytes(row["body"])
        kept.append(
            hk.read_arrow(file, account_id=account, snapshot_at=row["snapshot_at"])
        )
    empty = json.dumps({"status": "success", "data": []}).encode()
    late = rows["snapshot_at"][-1].replace(hour=12)
    kept.append(hk.read_arrow(empty, account_id=account, snapshot_at=late))
    return kept


def compared(store: hk.Store, page: Any, **choices: str) -> SnapshotComparison:
    compare = SnapshotComparison(store)
    for name, value in choices.items():
        page(compare.panel, type="set", name=name, value=value)

    async def run() -> None:
        page(compare.panel, type="press", name="compare")
        await compare.model.done()

    asyncio.run(run())
    return compare


def test_two_instants_give_causes_and_exact_bridges(store: hk.Store, page: Any) -> None:
    compare = compared(store, page)
    assert compare.model.error == ""
    assert compare.changes.height > 0
    assert compare.bridge["residual"][0] == 0
    assert compare.table is not None
    assert compare.table.total == compare.changes.height
    assert "Value, ₹" in compare.bridges.value


def test_a_chip_shows_its_rows_and_a_row_its_payload(
    store: hk.Store, page: Any
) -> None:
    compare = compared(store, page)
    cause = compare.changes["cause"][0]
    page(compare.panel, type="set", name="causes", value=[cause])
    assert compare.table is not None
    assert set(compare.table.frame["cause"]) == {cause}
    compare.table.selected = [0]
    symbol = compare.table.selection["symbol"][0]
    assert "before:" in compare.evidence.value
    assert f"&quot;{symbol}&quot;" in compare.evidence.value
    compare.table.selected = []
    assert compare.evidence.value == ""


def test_a_quarantined_snapshot_is_promoted_with_a_reason(
    store: hk.Store, page: Any, tmp_path: Path
) -> None:
    own = hk.Store(tmp_path / "own")
    own.append(store.history())
    compare = SnapshotComparison(own)
    assert compare.doubts is not None
    key = compare.model.quarantine["snapshot_id"][0]
    page(compare.promotion, type="press", name="promote")
    assert "choose a quarantined snapshot" in compare.promotion.error
    page(compare.promotion, type="set", name="quarantined", value=key)
    page(compare.promotion, type="press", name="promote")
    assert "reason" in compare.promotion.error
    page(compare.promotion, type="set", name="reason", value="all was sold")
    page(compare.promotion, type="press", name="promote")
    assert own.decisions()["reason"].to_list() == ["all was sold"]
    assert compare.doubts is None
    assert compare.promotion.error == ""


def test_the_wrong_order_and_an_empty_store_are_said(
    store: hk.Store, page: Any, tmp_path: Path
) -> None:
    compare = SnapshotComparison(store)
    first, last = compare.model.instants[0][0], compare.model.instants[-1][0]
    compare.model.before, compare.model.after = last, first
    page(compare.panel, type="press", name="compare")
    assert "swap them" in compare.panel.error
    nothing = SnapshotComparison(hk.Store(tmp_path / "none"))
    page(nothing.panel, type="press", name="compare")
    assert "no snapshot yet" in nothing.panel.error
    with pytest.raises(ConfigError, match="nothing is compared yet"):
        _ = nothing.changes
