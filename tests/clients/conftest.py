"""A source that answers from a script, and a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import stamina

from holdings_kit import sandbox
from holdings_kit.clients import ArrowClient, GatewayClient, Options, Pace

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]
NOW = datetime(2026, 1, 5, 4, 45, tzinfo=UTC)


class Script:
    """Gives its answers in order, the last one for ever; keeps the requests."""

    def __init__(self, *answers: Answer) -> None:
        self.answers, self.requests = list(answers), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer

    def options(self, **changes: Any) -> Options:
        return Options(transport=httpx.MockTransport(self), **changes)

    def arrow(self, **changes: Any) -> ArrowClient:
        facts: dict[str, Any] = {"account_id": "A1", "clock": lambda: NOW}
        options = changes.pop("options", None) or self.options()
        return ArrowClient(
            app_id="app", token="arrow-token", options=options, **facts | changes
        )

    def gateway(self, **changes: Any) -> GatewayClient:
        options = changes.pop("options", None) or self.options()
        facts: dict[str, Any] = {"clock": lambda: NOW}
        return GatewayClient(
            gateway="demo",
            api_secret="api-secret",
            shared_secret="shared-secret",
            options=options,
            **facts | changes,
        )


@pytest.fixture
def script() -> type[Script]:
    return Script


@pytest.fixture
def no_waits() -> Iterator[None]:
    """Retries do not wait; how often they come stays as it is."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
def sb() -> Iterator[sandbox.Sandbox]:
    with sandbox.serve(seed=7) as running:
        yield running


@pytest.fixture
def unpaced() -> Pace:
    return Pace(per_second=None)
