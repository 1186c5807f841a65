"""Widgets without a browser: a callback that raises fails the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ipywidgets.widgets.widget import CallbackDispatcher

from holdings_kit import sandbox
from holdings_kit.sandbox import Clock, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let errors of callbacks through; ipywidgets only logs them."""

    def call(self: CallbackDispatcher, *args: Any, **kwargs: Any) -> Any:
        answer = None
        for callback in list(self.callbacks):
            answer = callback(*args, **kwargs)
        return answer

    monkeypatch.setattr(CallbackDispatcher, "__call__", call)


def tell(widget: Any, **content: Any) -> None:
    """Send a message as the page does."""
    widget._handle_custom_msg(content, [])  # _handle_msg would swallow an error


@pytest.fixture
def page() -> Any:
    return tell


@pytest.fixture
def sb() -> Iterator[Sandbox]:
    with sandbox.serve(seed=3, clock=Clock(speed=1)) as running:
        yield running
