from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from holdings_kit.haircuts._rolling import rolling_quantile

if TYPE_CHECKING:
    from holdings_kit.haircuts._rolling import Interpolation

HOW: list[Interpolation] = ["linear", "lower", "higher", "midpoint"]
CASES = [(250, 0.01), (250, 0.05), (20, 0.5), (2, 0.25), (3, 0.0), (5, 1.0), (60, 0.9)]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(("window", "probability"), CASES)
def test_rolling_quantile_is_numpys_within_each_series(
    window: int, probability: float, how: Interpolation
) -> None:
    rng = np.random.default_rng(window)
    starts = np.cumsum([0, 300, 1, 2, 251, 252])
    values = np.round(rng.standard_t(4, starts[-1]) * 0.02, 3)  # with ties
    values[starts[:-1]] = np.nan
    found = rolling_quantile(
        values, starts, window=window, probability=probability, interpolation=how
    )
    for first, last in pairwise(starts):
        for row in range(first, last):
            if row < first + window:
                assert np.isnan(found[row])
            else:
                part = values[row - window + 1 : row + 1]
                expected = np.quantile(part, probability, method=how)
                assert found[row] == pytest.approx(expected, rel=1e-13, abs=1e-16)
