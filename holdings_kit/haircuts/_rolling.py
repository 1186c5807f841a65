"""Statistics of trailing windows, for many series that stand one after the other.

`starts` holds the first row of each series, and the number of rows at the end.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdings_kit.haircuts._frames import Bools, Floats, Ints

Interpolation: TypeAlias = Literal["linear", "lower", "higher", "midpoint"]


def rolling_quantile(
    values: Floats,
    starts: Ints,
    *,
    window: int,
    probability: float,
    lead: int = 1,
    interpolation: Interpolation = "linear",
) -> Floats:
    """Quantile of the last `window` values, this one included; NaN before they are.

    With h = (window − 1) × probability, ``linear`` is x₍ₗ₎ + (h − l)(x₍ₗ₊₁₎ − x₍ₗ₎) for
    l = ⌊h⌋ (numpy's default, type 7), ``lower`` and ``higher`` are the neighbours,
    ``midpoint`` their mean.

    Parameters
    ----------
    values
        Without NaN, apart from the first `lead` of each series.
    starts
        First row of each series, and the number of rows at the end.
    window
        Number of values, at least 2.
    probability
        In [0, 1]; a 99 % VaR is the 1 % quantile of returns.
    lead
        Values at the start of each series that are not there yet.
    interpolation
        ``linear``, ``lower``, ``higher`` or ``midpoint``.

    Examples
    --------
    >>> rolling_quantile(
    ...     np.array([np.nan, 3.0, 1.0, 2.0]),
    ...     np.array([0, 4]),
    ...     window=2,
    ...     probability=0.25,
    ... ).tolist()
    [nan, nan, 1.5, 1.25]
    """
    out = np.full(values.size, np.nan)
    for first, last in pairwise(starts.tolist()):
        run = pl.Series(values[first + lead : last])
        if run.len() >= window:
            found = run.rolling_quantile(
                probability, interpolation, window_size=window, min_samples=window
            )
            out[first + lead + window - 1 : last] = found[window - 1 :].to_numpy()
    return out


def split_windows(values: Floats, window: int) -> Iterator[tuple[slice, Floats]]:
    """Windows of `window` values as rows, in blocks that fit the cache."""
    if values.size < window:
        return
    windows = np.lib.stride_tricks.sliding_window_view(values, window)
    size = max(1, 4_000_000 // window)
    for start in range(0, windows.shape[0], size):
        block = windows[start : start + size]
        first = start + window - 1
        yield slice(first, first + block.shape[0]), block


def has_full_window(values: Floats, starts: Ints, *, lead: int, window: int) -> Bools:
    """Rows whose last `window` values are all known, after `lead` rows of a series."""
    missing = np.cumsum(np.append(0, np.isnan(values)))
    ages = np.arange(values.size) - np.repeat(starts[:-1], np.diff(starts))
    old = ages >= lead + window - 1
    rows = np.flatnonzero(old)
    out = np.zeros(values.size, bool)
    out[rows] = missing[rows + 1] == missing[rows + 1 - window]
    return out
