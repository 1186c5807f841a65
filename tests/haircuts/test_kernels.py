from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts import _kernels as kernels

if TYPE_CHECKING:
    from holdings_kit.haircuts._kernels import Interpolation

HOW: list[Interpolation] = ["linear", "lower", "higher", "midpoint"]


def ragged(
    rng: np.random.Generator, lengths: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    starts = np.cumsum([0, *lengths])
    values = np.round(rng.standard_t(4, starts[-1]) * 0.02, 3)  # with ties
    values[starts[:-1]] = np.nan
    return values, starts


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    ("window", "probability"),
    [(250, 0.01), (250, 0.05), (20, 0.5), (2, 0.25), (3, 0.0), (5, 1.0), (60, 0.9)],
)
def test_rolling_quantile_has_the_same_bits_compiled_or_not(
    window: int, probability: float, how: Interpolation
) -> None:
    pytest.importorskip("numba")
    values, starts = ragged(np.random.default_rng(window), [300, 1, 2, 251, 252, 700])
    plain, compiled = (
        kernels.rolling_quantile(
            values,
            starts,
            window=window,
            probability=probability,
            interpolation=how,
            engine=engine,
        )
        for engine in ("plain", "numba")
    )
    assert np.array_equal(plain, compiled, equal_nan=True)


@pytest.mark.parametrize("how", HOW)
def test_rolling_quantile_is_numpys(how: Interpolation) -> None:
    values, starts = ragged(np.random.default_rng(1), [400])
    found = kernels.rolling_quantile(
        values, starts, window=250, probability=0.013, interpolation=how
    )
    for row in (250, 300, 399):
        expected = np.quantile(values[row - 249 : row + 1], 0.013, method=how)
        assert found[row] == pytest.approx(expected, rel=1e-14, abs=1e-16)
    assert np.isnan(found[:250]).all()


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    begin=st.integers(0, 5),
    decay=st.floats(0.01, 0.999),
    seed=st.integers(0, 1000),
)
def test_ewma_has_the_same_bits_compiled_or_not(
    lengths: list[int], begin: int, decay: float, seed: int
) -> None:
    pytest.importorskip("numba")
    rng = np.random.default_rng(seed)
    values, starts = ragged(rng, lengths)
    at = starts[:-1] + begin
    value = np.where(rng.random(len(lengths)) < 0.2, np.nan, 0.0004)
    plain, compiled = (
        kernels.ewma(values, starts, decay=decay, begin=at, value=value, engine=engine)
        for engine in ("plain", "numba")
    )
    assert np.array_equal(plain, compiled, equal_nan=True)


def test_a_missing_extra_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "find_spec", lambda _name: None)
    values, starts = ragged(np.random.default_rng(0), [5])
    with pytest.raises(ConfigError, match=r"holdings-kit\[kernels\]"):
        kernels.rolling_quantile(
            values, starts, window=2, probability=0.1, engine="numba"
        )
    auto = kernels.rolling_quantile(values, starts, window=2, probability=0.1)
    assert auto.size == 5
