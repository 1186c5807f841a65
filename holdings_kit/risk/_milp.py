"""The solver behind `pledge`: mixed-integer linear programmes through HiGHS.

The one place that speaks to scipy's untyped optimiser. Floats in, floats out; the
caller decides nothing by them but integers, and recomputes money exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Program", "Solution", "solve"]

_SOLVER: Any = import_module("scipy.optimize")  # it has no type stubs


@dataclass(frozen=True, kw_only=True)
class Program:
    """Minimise ``costs · x`` subject to ``rows @ x ≥ at_least``, ``0 ≤ x ≤ upper``.

    `integral` says which variables are whole numbers.
    """

    costs: Sequence[float]
    rows: Sequence[Sequence[float]]
    at_least: Sequence[float]
    upper: Sequence[float]
    integral: Sequence[bool]


@dataclass(frozen=True, kw_only=True)
class Solution:
    """Values, cost and the proven lower bound of the cost; `closed`: bound reached."""

    values: list[float]
    cost: float
    bound: float
    closed: bool


def solve(
    program: Program, *, relax: bool = False, gap: float = 0.0, seconds: float = 60.0
) -> Solution | None:
    """Solve a programme; None when no point satisfies it.

    Parameters
    ----------
    program
        What to minimise.
    relax
        Drop the whole-number conditions (the linear relaxation).
    gap
        Relative gap between cost and bound at which to stop.
    seconds
        Time after which the best point so far is returned, not `closed`.

    Examples
    --------
    >>> half = Program(costs=[1], rows=[[2]], at_least=[3], upper=[9], integral=[True])
    >>> solve(half).cost, solve(half, relax=True).cost
    (2.0, 1.5)
    """
    whole = np.zeros(len(program.costs)) if relax else np.array(program.integral, float)
    rows = np.array(program.rows, float).reshape(len(program.rows), len(program.costs))
    result = _SOLVER.milp(
        c=np.array(program.costs, float),
        constraints=_SOLVER.LinearConstraint(
            rows, lb=np.array(program.at_least, float)
        ),
        bounds=_SOLVER.Bounds(0, np.array(program.upper, float)),
        integrality=whole,
        options={"mip_rel_gap": gap, "time_limit": seconds},
    )
    if result.x is None:
        return None
    proven = result.mip_dual_bound  # absent where nothing is whole: then fun is it
    return Solution(
        values=[float(value) for value in result.x],
        cost=float(result.fun),
        bound=float(result.fun if proven is None else proven),
        closed=int(result.status) == 0,
    )
