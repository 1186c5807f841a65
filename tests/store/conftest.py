"""Snapshots made by hand, in a few words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl
import pytest

from holdings_kit.schema import (
    BASKETS,
    HOLDINGS,
    LISTINGS,
    REJECTS,
    SNAPSHOTS,
    Loaded,
    empty,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY_ONE = datetime(2026, 1, 5, 10, tzinfo=UTC)


class Make(Protocol):
    def __call__(
        self, account: str | None, day: float | None, rows: int, **facts: Any
    ) -> Loaded: ...


def frame(schema: pl.Schema, rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Fill the columns that are not named with null."""
    return pl.DataFrame(
        [{name: row.get(name) for name in schema} for row in rows], schema=schema
    )


def make_snapshot(
    account: str | None, day: float | None, rows: int, **facts: Any
) -> Loaded:
    """One snapshot of `rows` holdings, taken `day` days after the first."""
    at = None if day is None else DAY_ONE + timedelta(days=day)
    name = facts.pop("snapshot_id", f"{account}/{day}/{rows}")
    asset_class = facts.pop("asset_class", "equity")
    brokers = facts.pop("brokers", [facts.get("broker", "kite")])
    snapshot = {
        "snapshot_id": name,
        "source": "gateway",
        "format": "gateway-v2",
        "broker": brokers[0],
        "account_id": account,
        "transaction_id": f"TRX_{name}",
        "snapshot_at": at,
        "fetched_at": at,
        "holdings_count": rows,
        "checksum_ok": True,
        "file": f"{name}.json",
        "line_no": 1,
    } | facts
    holdings = [
        {
            "snapshot_id": name,
            "account_id": account,
            "holding_no": number,
            "source": "gateway",
            "broker": brokers[number % len(brokers)],
            "snapshot_at": at,
            "instrument_id": f"INE{number:03}",
            "asset_class": asset_class,
            "owned_quantity": Decimal(number + 1),
            "average_price": Decimal("10.0001"),
        }
        for number in range(rows)
    ]
    listings = [
        {
            "snapshot_id": name,
            "account_id": account,
            "holding_no": number,
            "exchange": exchange,
        }
        for number in range(rows)
        for exchange in ("NSE", "BSE")
    ]
    return Loaded(
        frame(SNAPSHOTS, [snapshot]),
        frame(HOLDINGS, holdings),
        frame(LISTINGS, listings),
        empty(BASKETS),
        empty(REJECTS),
    )


@pytest.fixture
def make() -> Make:
    return make_snapshot


@pytest.fixture
def together() -> Any:
    def _together(*loaded: Loaded) -> Loaded:
        return Loaded(*(pl.concat(frames) for frames in zip(*loaded, strict=True)))

    return _together
