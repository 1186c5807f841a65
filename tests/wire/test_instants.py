"""The doors want an instant, and say what they were given instead."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.errors import ConfigError
from holdings_kit.wire import _rows as rows

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


def test_each_form_of_an_instant_is_read_whatever_stands_beside_it() -> None:
    forms = {
        "2026-01-05T10:15:30.123Z": datetime(2026, 1, 5, 10, 15, 30, 123000, UTC),
        " 2026-01-05T10:15:30.5Z ": datetime(2026, 1, 5, 10, 15, 30, 500000, UTC),
        "2026-01-05 15:45:30+05:30": datetime(2026, 1, 5, 10, 15, 30, 0, UTC),
        "2026-01-05": datetime(2026, 1, 5, tzinfo=UTC),
        "1767608130": datetime(2026, 1, 5, 10, 15, 30, 0, UTC),
        "1767608130123": datetime(2026, 1, 5, 10, 15, 30, 123000, UTC),
        "999999999": datetime(2001, 9, 9, 1, 46, 39, tzinfo=UTC),
        "999999999999": datetime(2001, 9, 9, 1, 46, 39, 999000, UTC),
        "99999999": None,
        "99999999999": None,
        "10000000000000": None,
        "2026-02-30T10:15:30.123Z": None,
        "5 Jan": None,
        "": None,
    }
    together = pl.DataFrame({"at": list(forms)})
    alone = [frame.select(rows.instant("at")) for frame in together.iter_slices(1)]
    assert together.select(rows.instant("at"))["at"].to_list() == list(forms.values())
    assert [frame.item() for frame in alone] == list(forms.values())
