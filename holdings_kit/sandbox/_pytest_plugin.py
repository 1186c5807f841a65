"""The fixture ``holdings_sandbox``, known to pytest wherever the package is installed.

It loads nothing before a test asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from holdings_kit import sandbox as sandbox_room

if TYPE_CHECKING:
    from collections.abc import Generator

    from holdings_kit.sandbox import Sandbox


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, so that ``--strict-markers`` accepts it."""
    config.addinivalue_line(
        "markers",
        "holdings_sandbox(seed=…, faults=…, …): what the fixture of that name is "
        "started with, as for holdings_kit.sandbox.serve",
    )


@pytest.fixture
def holdings_sandbox(request: pytest.FixtureRequest) -> Generator[Sandbox]:
    """Run simulated brokers and gateway for one test, each time at the same instant.

    ``@pytest.mark.holdings_sandbox(seed=7, faults="holdings: 500")`` starts it so.
    """
    node = cast("pytest.Item", request.node)
    marker = node.get_closest_marker("holdings_sandbox")
    options = cast("dict[str, Any]", marker.kwargs if marker else {})
    with sandbox_room.serve(**options) as sandbox:
        yield sandbox
