from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.schema import HOLDINGS

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = Path(__file__).parents[2] / "sample_data" / "arrow" / "holdings.json"
AT = datetime(2026, 1, 5, 10, 15, tzinfo=UTC)


def make(rows: list[dict[str, Any]], **common: Any) -> pl.DataFrame:
    """HOLDINGS from rows of text and plain values; what is not said is null."""
    filled = [
        {"snapshot_id": "s", "account_id": "AR0001", "holding_no": i, "snapshot_at": AT}
        | common
        | row
        for i, row in enumerate(rows)
    ]
    columns = {
        name: pl.Series(
            name,
            [
                None
                if (value := row.get(name)) is None
                else str(value)
                if isinstance(dtype, pl.Decimal)
                else value
                for row in filled
            ],
            pl.String() if isinstance(dtype, pl.Decimal) else dtype,
        )
        for name, dtype in HOLDINGS.items()
    }
    return pl.DataFrame(columns).select(
        pl.col(name).cast(dtype) for name, dtype in HOLDINGS.items()
    )


@pytest.fixture(scope="session")
def book() -> Callable[..., pl.DataFrame]:
    return make


@pytest.fixture
def seed() -> pl.DataFrame:
    loaded = hk.read_arrow(SEED.read_bytes(), account_id="AR0001", snapshot_at=AT)
    return loaded.holdings
