"""The doors want an instant, and say what they were given instead."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

import holdings_kit as hk
from holdings_kit.errors import ConfigError

NAIVE = datetime(2026, 1, 5, 10)  # noqa: DTZ001 - that is what is refused


@pytest.mark.parametrize(
    ("instant", "said"),
    [(None, "is None: pass the instant"), ("2026-01-05", "is '2026"), (NAIVE, "zone")],
)
def test_what_is_no_instant_is_refused_in_words(instant: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=f"snapshot_at .*{said}"):
        hk.read_arrow(b"{}", account_id="A1", snapshot_at=instant)
    with pytest.raises(ConfigError, match=f"fetched_at .*{said}"):
        hk.read_gateway(b"{}", fetched_at=instant)
