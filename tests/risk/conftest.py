from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

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
    rows = json.loads(SEED.read_text())["data"]
    return make(
        [
            {
                "instrument_id": f"NSE:{row['symbols'][0]['symbol']}",
                "symbol": row["symbols"][0]["symbol"],
                "settled_quantity": row["depositoryQty"],
                "t1_quantity": row["t1Qty"],
                "pledged_quantity": row["brokerCollateralQty"],
                "owned_quantity": row["qty"],
                "average_price": row["avgPrice"],
                "close_price": row["close"],
                "haircut": f"{float(row['haircut']) / 100:.6f}",
            }
            for row in rows
        ],
        source="arrow",
    )
