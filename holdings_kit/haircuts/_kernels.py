"""EWMA and rolling quantile over a universe: compiled when it pays, same bits always.

The values of many series stand one run after the other, `starts` holding the first
row of each run and the length at the end. With the extra ``kernels`` (numba) large
inputs run compiled and in parallel; without it numpy and polars give the same bits.
"""

from __future__ import annotations

import math
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
import polars as pl

from holdings_kit.errors import ConfigError

if TYPE_CHECKING:
    from types import ModuleType

    from holdings_kit.haircuts._frames import Floats, Ints

__all__ = ["Engine", "Interpolation", "ewma", "rolling_quantile"]

Engine: TypeAlias = Literal["auto", "numba", "plain"]
Interpolation: TypeAlias = Literal["linear", "lower", "higher", "midpoint"]

PAYS: Final = 1_000_000
"""Rows from which ``auto`` compiles: below, loading numba costs more than it saves."""
TAIL: Final = 64
"""Order statistics the compiled kernel keeps; a deeper quantile goes to polars."""


def ewma(
    returns: Floats,
    starts: Ints,
    *,
    decay: float,
    begin: Ints,
    value: Floats,
    out: Floats | None = None,
    engine: Engine = "auto",
) -> Floats:
    """Variance by s²ₜ = λ s²ₜ₋₁ + (1 − λ) r²ₜ, each run from its own seed.

    Parameters
    ----------
    returns
        Log returns, squared here.
    starts
        First row of each run, and the length at the end.
    decay
        λ, in (0, 1).
    begin
        Row of each run at which its seed stands; NaN before it. A run whose
        `begin` lies past its end, or whose seed is NaN, is NaN throughout.
    value
        The seed of each run, a daily variance.
    out
        Where the answer goes, of the size of `returns`; ``None`` for new memory.
    engine
        ``numba``, ``plain`` (numpy, step by step in time), or ``auto``.

    Examples
    --------
    >>> import numpy as np
    >>> ewma(
    ...     np.array([np.nan, 0.02, 0.0]),
    ...     np.array([0, 3]),
    ...     decay=0.5,
    ...     begin=np.array([1]),
    ...     value=np.array([0.0004]),
    ... ).round(6).tolist()
    [nan, 0.0004, 0.0002]
    """
    into = np.empty(returns.size) if out is None else out
    if _compiles(engine, returns.size):
        compiled = _module("holdings_kit.haircuts._compiled")
        compiled.ewma(returns, starts, decay, (begin, value), into)
    else:
        _ewma_plain(returns, starts, decay, (begin, value), into)
    return into


def rolling_quantile(
    values: Floats,
    starts: Ints,
    *,
    window: int,
    probability: float,
    lead: int = 1,
    interpolation: Interpolation = "linear",
    engine: Engine = "auto",
) -> Floats:
    """Quantile of the last `window` values, this one included; NaN before they are.

    With h = (window − 1) × probability, ``linear`` is x₍ₗ₎ + (h − l)(x₍ₗ₊₁₎ − x₍ₗ₎) for
    l = ⌊h⌋ (numpy's default, type 7), ``lower`` and ``higher`` are the neighbours,
    ``midpoint`` their mean.

    Parameters
    ----------
    values
        Without NaN, apart from the first `lead` of each run.
    starts
        First row of each run, and the length at the end.
    window
        Number of values, at least 2.
    probability
        In [0, 1]; a 99 % VaR is the 1 % quantile of returns.
    lead
        Values at the start of each run that are not there yet.
    interpolation
        ``linear``, ``lower``, ``higher`` or ``midpoint``.
    engine
        ``numba``, ``plain`` (polars), or ``auto``.

    Examples
    --------
    >>> import numpy as np
    >>> rolling_quantile(
    ...     np.array([np.nan, 3.0, 1.0, 2.0]),
    ...     np.array([0, 4]),
    ...     window=2,
    ...     probability=0.25,
    ... ).tolist()
    [nan, nan, 1.5, 1.25]
    """
    depth = math.floor((window - 1) * probability)
    if _compiles(engine, values.size) and depth + 2 <= TAIL:
        weight = _weight((window - 1) * probability - depth, interpolation)
        return _module("holdings_kit.haircuts._compiled").rolling_quantile(
            values, starts, (lead, window, depth), weight
        )
    out = np.full(values.size, np.nan)
    for first, last in pairwise(starts.tolist()):
        run = pl.Series(values[first + lead : last])
        if run.len() >= window:
            found = run.rolling_quantile(
                probability, interpolation, window_size=window, min_samples=window
            )
            out[first + lead + window - 1 : last] = found[window - 1 :].to_numpy()
    return out


def _weight(part: float, interpolation: Interpolation) -> float:
    """Weight of the upper neighbour; −1 stands for the mean of the two."""
    if part == 0 or interpolation == "lower":
        return 0.0
    return {"linear": part, "higher": 1.0, "midpoint": -1.0}[interpolation]


def _ewma_plain(
    returns: Floats, starts: Ints, decay: float, seeds: tuple[Ints, Floats], out: Floats
) -> None:
    """Step through time, all runs that are still going at once."""
    begin, value = seeds
    out.fill(np.nan)
    left = np.where(np.isnan(value), 0, np.maximum(starts[1:] - begin, 0))
    longest = np.argsort(-left, kind="stable")
    row, state, left = begin[longest], value[longest], left[longest]
    squares = np.square(returns)
    for step in range(int(left[0]) if left.size else 0):
        going = int(np.searchsorted(-left, -step, side="left"))
        row, state = row[:going], state[:going]
        if step:
            row = row + 1
            state = decay * state + (1 - decay) * squares[row]
        out[row] = state


def _compiles(engine: Engine, rows: int) -> bool:
    there = find_spec("numba") is not None
    if engine == "numba" and not there:
        raise ConfigError("engine 'numba' needs: pip install 'holdings-kit[risk]'")
    return engine == "numba" or (engine == "auto" and there and rows >= PAYS)


def _module(name: str) -> ModuleType:
    """Load on use: numba is slow to import and may never be asked."""
    return import_module(name)
