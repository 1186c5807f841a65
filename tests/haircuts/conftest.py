from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _prices(
    closes: Sequence[float] | np.ndarray,
    name: str = "X",
    start: date = date(2010, 1, 1),
) -> pl.DataFrame:
    days = [start + timedelta(days=day) for day in range(len(closes))]
    return pl.DataFrame(
        {"instrument_id": [name] * len(closes), "date": days, "close": list(closes)},
        schema_overrides={"close": pl.Float64()},
    )


def _from_returns(returns: np.ndarray, name: str = "X") -> pl.DataFrame:
    return _prices(100 * np.exp(np.append(0.0, np.cumsum(returns))), name)


@pytest.fixture
def make_prices() -> Callable[..., pl.DataFrame]:
    return _prices


@pytest.fixture
def from_returns() -> Callable[..., pl.DataFrame]:
    return _from_returns


@pytest.fixture
def universe() -> pl.DataFrame:
    rng = np.random.default_rng(7)
    return pl.concat(
        _from_returns(rng.standard_t(4, size=700) * 0.01, name) for name in "ABC"
    )
