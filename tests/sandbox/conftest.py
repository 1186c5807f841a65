"""A running sandbox, and the calls every test makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from holdings_kit import sandbox
from holdings_kit.wire import mint_token

if TYPE_CHECKING:
    from collections.abc import Iterator


class Caller:
    """Plain HTTP against one sandbox, as a partner's server would."""

    def __init__(self, sb: sandbox.Sandbox) -> None:
        self.sb = sb
        self.http = httpx.Client(base_url=sb.url, timeout=10)

    def headers(self, token: str | None = None) -> dict[str, str]:
        guest = mint_token(self.sb.shared_secret)
        return {
            "x-gateway-secret": self.sb.api_secret,
            "x-gateway-authtoken": token or guest,
        }

    def create(self, token: str | None = None, **body: object) -> httpx.Response:
        asked = {"intent": "HOLDINGS_IMPORT", "version": "v2", **body}
        path = f"/gateway/{self.sb.gateway}/transaction"
        return self.http.post(path, json=asked, headers=self.headers(token))

    def open(self, token: str | None = None, **body: object) -> str:
        return self.create(token, **body).json()["data"]["transactionId"]

    def read(self, transaction_id: str, token: str | None = None) -> httpx.Response:
        return self.http.get(
            f"/v1/{self.sb.gateway}/engine/transactiondetails",
            params={"transactionId": transaction_id},
            headers=self.headers(token),
        )

    def details(self, transaction_id: str) -> dict[str, Any]:
        return self.read(transaction_id).json()["data"]["transactionDetails"]

    def holdings(self, token: str, version: str | None = "v2") -> httpx.Response:
        return self.http.get(
            f"/v1/{self.sb.gateway}/engine/user/holdings",
            params={"version": version, "mfHoldings": "true"} if version else {},
            headers=self.headers(token),
        )

    def arrow(self, persona: str = "sample") -> dict[str, str]:
        return {"appID": self.sb.app_id, "token": self.sb.arrow_token(persona)}

    def imported(self, persona: str, **body: Any) -> str:
        """Import for a persona; give the transaction's id."""
        transaction_id = self.open(**body)
        self.sb.play(transaction_id, persona=persona)
        return transaction_id


@pytest.fixture
def caller() -> Iterator[Caller]:
    with sandbox.serve(seed=7) as sb:
        made = Caller(sb)
        yield made
        made.http.close()
