"""Signed webhook bodies of invented accounts, for tests and load."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from holdings_kit.wire import webhook_checksum

SECRET = "sandbox_api_secret"
DAY_ONE = datetime(2026, 1, 5, 10, tzinfo=UTC)


def webhook(
    account: str,
    day: float = 0,
    rows: int = 2,
    *,
    indent: int | None = None,
    **facts: object,
) -> bytes:
    """A v2 delivery of `rows` securities, `day` days after the first."""
    at = (DAY_ONE + timedelta(days=day)).isoformat().replace("+00:00", "Z")
    payload: dict[str, object] = {
        "securities": [
            {
                "isin": f"INE{number:03}A01010",
                "nseTicker": f"S{number}",
                "name": "a share",
                "holdings": {"quantity": number + 1, "averagePrice": 10.05},
                "positions": {"nse": {"quantity": 0, "averagePrice": 0}},
                "transactableQuantity": number + 1,
                "smallcaseQuantity": 0,
            }
            for number in range(rows)
        ],
        "smallcases": {"public": [], "private": []},
        "snapshotDate": at,
        "broker": "kite",
        "smallcaseAuthId": account,
        "transactionId": f"TRX_{account}_{day}",
        "timestamp": at,
    } | facts
    checksum = webhook_checksum(
        SECRET, timestamp=str(payload["timestamp"]), subject=account
    )
    payload.setdefault("checksum", checksum)
    return json.dumps(payload, indent=indent).encode()


def fetch_body(delivery: bytes, **facts: object) -> bytes:
    """The fetch that says the same as a delivery."""
    payload = json.loads(delivery)
    named = ("securities", "smallcases", "snapshotDate", "broker", "smallcaseAuthId")
    data = {name: payload[name] for name in named} | facts
    return json.dumps({"success": True, "errors": None, "data": data}).encode()
