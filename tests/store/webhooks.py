"""Signed webhook bodies, made in a few words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from holdings_kit.wire.signing import webhook_checksum

SECRET = "sandbox_api_secret"
DAY_ONE = datetime(2026, 1, 5, 10, tzinfo=UTC)


def webhook(account: str, day: float = 0, rows: int = 2, **facts: Any) -> bytes:
    """A v2 delivery of `rows` securities, `day` days after the first."""
    indent = facts.pop("indent", None)
    at = (DAY_ONE + timedelta(days=day)).isoformat().replace("+00:00", "Z")
    payload = {
        "securities": [
            {
                "isin": f"INE{number:03}A01010",
                "nseTicker": f"S{number}",
                "name": "a share",
                "holdings": {"quantity": number + 1, "averagePrice": 10.05},
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
    payload.setdefault(
        "checksum", webhook_checksum(SECRET, timestamp=at, subject=account)
    )
    return json.dumps(payload, indent=indent).encode()


def fetch_body(delivery: bytes, **facts: Any) -> bytes:
    """The fetch that says the same as a delivery."""
    payload = json.loads(delivery)
    named = ("securities", "smallcases", "snapshotDate", "broker", "smallcaseAuthId")
    data = {name: payload[name] for name in named} | facts
    return json.dumps({"success": True, "errors": None, "data": data}).encode()
