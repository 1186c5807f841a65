"""The kernels compiled by numba: one run per core, each value read once.

No reassociation and no fused multiply-add is allowed, so the bits are those of the
plain engine. Loaded by `kernels` only, when the extra ``kernels`` is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import numba
import numpy as np

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import Floats, Ints

__all__ = ["ewma", "rolling_quantile"]

HIGHER: Final = 1.0
MIDPOINT: Final = -1.0
"""Weights that stand for a rule, so that no rounding enters."""
ABREAST: Final = 4
"""Recursions that one core carries on side by side."""

_NUMBA: Final[Any] = numba
_CALLED: Final[Any] = _NUMBA.njit
_INLINED: Final[Any] = _NUMBA.njit(inline="always")  # calls in a hot loop cost counts
_OUTER: Final[Any] = _NUMBA.njit(parallel=True, cache=True, nogil=True)
prange: Final = cast("type[range]", _NUMBA.prange)


def _carry(
    returns: Floats, out: Floats, rows: tuple[int, int], state: float, decay: float
) -> None:
    """Continue one recursion from row to row."""
    for row in range(rows[0], rows[1]):
        state = decay * state + (1 - decay) * (returns[row] * returns[row])
        out[row] = state


def _four(
    returns: Floats, out: Floats, rows: tuple[int, ...], states: Floats, decay: float
) -> None:
    """Run four recursions side by side: each waits for itself, not for the others."""
    a, b, c, d, count = rows
    s, t, u, v = states[0], states[1], states[2], states[3]
    rest = 1 - decay
    for step in range(count):
        s = decay * s + rest * (returns[a + step] * returns[a + step])
        t = decay * t + rest * (returns[b + step] * returns[b + step])
        u = decay * u + rest * (returns[c + step] * returns[c + step])
        v = decay * v + rest * (returns[d + step] * returns[d + step])
        out[a + step] = s
        out[b + step] = t
        out[c + step] = u
        out[d + step] = v
    states[0], states[1], states[2], states[3] = s, t, u, v


_carry_on: Final = _CALLED(_carry)
_four_abreast: Final = _CALLED(_four)


def _ewma(
    returns: Floats, starts: Ints, decay: float, seeds: tuple[Ints, Floats], out: Floats
) -> None:
    begin, value = seeds
    runs = starts.size - 1
    for block in prange((runs + ABREAST - 1) // ABREAST):
        low = ABREAST * block
        high = min(low + ABREAST, runs)
        rows = np.zeros(ABREAST, np.int64)
        states = np.zeros(ABREAST)
        count = returns.size if high - low == ABREAST else 0
        for run in range(low, high):
            end = starts[run + 1]
            first = end if np.isnan(value[run]) else min(begin[run], end)
            out[starts[run] : first] = np.nan
            if first < end:
                out[first] = value[run]
            rows[run - low] = first + 1
            states[run - low] = value[run]
            count = max(0, min(count, end - first - 1))
        if count > 0:
            places = (rows[0], rows[1], rows[2], rows[3], count)
            _four_abreast(returns, out, places, states, decay)
        for run in range(low, high):
            span = (rows[run - low] + count, starts[run + 1])
            _carry_on(returns, out, span, states[run - low], decay)


def _strike(kept: Floats, rows: Ints, size: int, gone: int) -> int:
    """Remove the value that stood at row `gone`, if it is kept."""
    for place in range(size):
        if rows[place] == gone:
            kept[place : size - 1] = kept[place + 1 : size]
            rows[place : size - 1] = rows[place + 1 : size]
            return size - 1
    return size


def _insert(kept: Floats, rows: Ints, size: int, value: float, row: int) -> int:
    """Put a value in its place; with no room left, the largest drops out."""
    if size == kept.size:
        if value >= kept[size - 1]:
            return size
        size -= 1
    place = size
    while place > 0 and kept[place - 1] > value:
        kept[place] = kept[place - 1]
        rows[place] = rows[place - 1]
        place -= 1
    kept[place] = value
    rows[place] = row
    return size + 1


_strike_value: Final = _INLINED(_strike)
_insert_value: Final = _INLINED(_insert)


def _quantile(
    values: Floats, starts: Ints, shape: tuple[int, int, int], weight: float
) -> Floats:
    """Keep the `size` smallest values of the window, sorted, with their rows.

    A value that leaves the window is struck off; a new one enters if it is below the
    largest kept; only when fewer than depth + 2 are left is the window read again.
    `shape` is lead, window and depth, `weight` that of the upper neighbour or
    `MIDPOINT`.
    """
    lead, window, depth = shape
    out = np.empty(values.size)
    need = min(depth + 2, window)
    for run in prange(starts.size - 1):
        kept = np.empty(min(2 * need + 4, window))
        rows = np.empty(kept.size, np.int64)
        size = 0
        first = min(starts[run] + lead + window - 1, starts[run + 1])
        out[starts[run] : first] = np.nan
        for row in range(first, starts[run + 1]):
            size = _strike_value(kept, rows, size, row - window)
            if size < need:
                size = 0
                for again in range(row - window + 1, row + 1):
                    size = _insert_value(kept, rows, size, values[again], again)
            elif values[row] < kept[size - 1]:
                size = _insert_value(kept, rows, size, values[row], row)
            low = kept[depth]
            high = kept[min(depth + 1, window - 1)]
            if weight == MIDPOINT:
                out[row] = (low + high) / 2
            elif weight == HIGHER:
                out[row] = high
            else:
                out[row] = weight * (high - low) + low
    return out


ewma: Final = _OUTER(_ewma)
rolling_quantile: Final = _OUTER(_quantile)
