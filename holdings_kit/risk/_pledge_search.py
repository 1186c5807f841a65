"""The search behind `pledge`: which set of ISINs, and then how many units of each.

The solver works in floats and decides nothing but whole numbers. Every answer is
checked in exact decimals; a set that misses the need by a hair is cut off for good.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from holdings_kit.errors import load_optional
from holdings_kit.schema import VALUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from holdings_kit.risk._margin_rules import Rules
else:
    np = load_optional("numpy")

_ZERO: Final = Decimal(0)
_ROWS: Final = 1e4  # the need in the solver's units: its tolerance is absolute
_ON: Final = 0.5  # a switch above it is on


@dataclass(frozen=True, kw_only=True)
class Task:
    """One planning problem in numbers: an entry per ISIN in `ids`."""

    ids: list[str]
    worth: list[Decimal]  # what pledging all of it adds, after the cap
    like_cash: list[bool]
    need: Decimal
    cash: Decimal  # with cash equivalents pledged already
    non_cash: Decimal  # pledged already
    fee: Decimal
    interest: Decimal  # per rupee over the horizon
    rules: Rules

    def pick(self, chosen: Sequence[Decimal], *, like_cash: bool) -> list[Decimal]:
        """Pick the values that count as cash, or the others."""
        pairs = zip(chosen, self.like_cash, strict=True)
        return [value for value, like in pairs if like is like_cash]

    def usable(self, chosen: Sequence[Decimal]) -> Decimal:
        """Usable margin when `chosen` is what each ISIN adds."""
        cash = self.cash + sum(self.pick(chosen, like_cash=True), _ZERO)
        other = self.non_cash + sum(self.pick(chosen, like_cash=False), _ZERO)
        if self.rules.practice == "strict":
            other = min(other, cash * self.rules.non_cash_per_cash)
        return cash + other

    def missing(self, chosen: Sequence[Decimal]) -> Decimal:
        """Cash missing below its share of the need."""
        cash = self.cash + sum(self.pick(chosen, like_cash=True), _ZERO)
        return max(_ZERO, self.rules.cash_share * self.need - cash)

    def program(self, cuts: Sequence[set[int]] = ()) -> Program:
        """Variables: a switch per ISIN, counted non-cash, missing cash."""
        scale = float(self.need) / _ROWS or 1.0
        worth = [float(value) / scale for value in self.worth]
        cash, other = float(self.cash) / scale, float(self.non_cash) / scale
        equal = [v * like for v, like in zip(worth, self.like_cash, strict=True)]
        rest = [v - own for v, own in zip(worth, equal, strict=True)]
        share = float(self.rules.cash_share)
        carried = float(self.rules.non_cash_per_cash)
        rows = [
            [*equal, 1.0, 0.0],  # cash + counted ≥ need
            [*rest, -1.0, 0.0],  # counted ≤ non-cash
            [*equal, 0.0, 1.0],  # missing ≥ share × need − cash
        ]
        need = float(self.need) / scale
        at_least = [need - cash, -other, share * need - cash]
        if self.rules.practice == "strict":
            rows.append([*(carried * value for value in equal), -1.0, 0.0])
            at_least.append(-carried * cash)
        for tried in cuts:  # a set that is too small: take at least one other
            rows.append([float(i not in tried) for i in range(len(worth))] + [0.0, 0.0])
            at_least.append(1.0)
        n = len(worth)
        return Program(
            costs=[float(self.fee)] * n + [0.0, float(self.interest) * scale],
            rows=rows,
            at_least=at_least,
            upper=[1.0] * n + [float("inf")] * 2,
            integral=[True] * n + [False] * 2,
        )

    def cost(self, chosen: set[int], adds: Sequence[Decimal]) -> Decimal:
        """Fees of the ISINs chosen, and interest on the cash missing."""
        return self.fee * len(chosen) + self.interest * self.missing(adds)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """ISINs chosen, with the proof: lower bound, and whether the search was closed."""

    chosen: set[int]
    bound: float
    closed: bool


def find_cheapest_set(task: Task, seconds: float) -> Choice | None:
    """Search the sets of ISINs; each proposal must hold in exact decimals."""
    if task.usable(task.worth) < task.need:
        return None
    cuts: list[set[int]] = []
    while True:
        found = solve(task.program(cuts), seconds=seconds)
        if found is None:  # the solver's tolerance refused what decimals allow
            return Choice(chosen=set(range(len(task.ids))), bound=0.0, closed=False)
        chosen = {i for i in range(len(task.ids)) if found.values[i] > _ON}
        if task.usable(keep_chosen(task.worth, chosen)) >= task.need:
            return Choice(chosen=chosen, bound=found.bound, closed=found.closed)
        cuts.append(chosen)


def keep_chosen(worth: Sequence[Decimal], chosen: set[int]) -> list[Decimal]:
    """Keep the worth of the ISINs chosen, zero for the others."""
    return [value if i in chosen else _ZERO for i, value in enumerate(worth)]


def _find_fewest_units(
    table: pl.DataFrame, task: Task, best: Choice, seconds: float
) -> list[int]:
    """Units to pledge per row: as few rupees as the cost and the need allow.

    Variables: units per row, a switch and the counted value per ISIN, counted
    non-cash, missing cash.
    """
    units = [int(value) for value in table["collateral_quantity"]]
    each = [float(value) for value in table["_each"]]
    group = table["_group"].to_list()
    cost = float(task.cost(best.chosen, keep_chosen(task.worth, best.chosen)))
    base = task.program()
    scale = float(task.need) / _ROWS or 1.0
    n, m = len(units), len(task.ids)
    worth = [float(value) / scale for value in task.worth]
    rows: list[list[float]] = []
    at_least: list[float] = []
    for row, low in zip(base.rows, base.at_least, strict=True):
        share = [part / w for part, w in zip(row[:m], worth, strict=True)]
        rows.append([0.0] * (n + m) + share + list(row[m:]))
        at_least.append(low)
    for i in range(n):  # units only of an ISIN that is switched on
        row = [0.0] * (n + 2 * m + 2)
        row[i], row[n + group[i]] = -1.0, float(units[i])
        rows.append(row)
    for g in range(m):  # counted value of an ISIN ≤ its units × value of one
        row = [each[i] / scale * (group[i] == g) for i in range(n)] + [0.0] * (
            2 * m + 2
        )
        row[n + m + g] = -1.0
        rows.append(row)
    dear = [0.0] * n + [-float(task.fee)] * m + [0.0] * (m + 1)
    rows.append([*dear, -float(task.interest) * scale])
    at_least += [0.0] * (n + m) + [-cost - 1e-7]
    found = solve(
        Program(
            costs=[value / scale for value in each] + [0.0] * (2 * m + 2),
            rows=rows,
            at_least=at_least,
            upper=[*units, *[1.0] * m, *worth, float("inf"), float("inf")],
            integral=[True] * (n + m) + [False] * (m + 2),
        ),
        gap=1e-4,
        seconds=seconds,
    )
    if found is None:
        return take_all_units(table, best.chosen)
    return [round(value) for value in found.values[:n]]


def sum_added_values(
    table: pl.DataFrame, task: Task, units: Sequence[int]
) -> list[Decimal]:
    """Exact value that each ISIN adds when `units` are pledged, after the cap."""
    sums = add_units(table, units).group_by("_group").agg(pl.col("_adds").sum())
    found: dict[int, Decimal] = dict(sums.iter_rows())
    return [min(found.get(g, _ZERO), worth) for g, worth in enumerate(task.worth)]


def add_units(table: pl.DataFrame, units: Sequence[int]) -> pl.DataFrame:
    """Add the units to pledge and their exact collateral value."""
    count = pl.Series("_units", units, pl.Int64()).cast(VALUE)
    return table.with_columns(count).with_columns(
        (pl.col("_units") * pl.col("_each")).cast(VALUE).alias("_adds")
    )


def choose_units(
    table: pl.DataFrame, task: Task, best: Choice, seconds: float
) -> list[int]:
    """Units per row that hold exactly; the whole of each ISIN if nothing less does."""
    every = [int(value) for value in table["collateral_quantity"]]
    group = table["_group"].to_list()
    limit = task.cost(best.chosen, keep_chosen(task.worth, best.chosen))

    def holds(units: Sequence[int]) -> bool:
        adds = sum_added_values(table, task, units)
        used = {g for g, u in zip(group, units, strict=True) if u}
        return task.usable(adds) >= task.need and task.cost(used, adds) <= limit

    units = _find_fewest_units(table, task, best, seconds)
    if holds(units):
        return units
    used = {g for g, u in zip(group, units, strict=True) if u}
    small_first = sorted(range(len(units)), key=lambda i: table["_each"][i])
    for i in small_first:  # the float answer is a hair short: one more unit
        if group[i] in used and units[i] < every[i]:
            units[i] += 1
            if holds(units):
                return units
    return take_all_units(table, best.chosen)


def compute_shadow_price(task: Task) -> float | None:
    """Cost of one more rupee of need in the linear relaxation."""
    more = replace(task, need=task.need + 1)
    here, there = (solve(each.program(), relax=True) for each in (task, more))
    return None if here is None or there is None else there.cost - here.cost


def take_all_units(part: pl.DataFrame, chosen: set[int]) -> list[int]:
    """All units of the ISINs chosen, none of the others."""
    every = [int(value) for value in part["collateral_quantity"]]
    group = part["_group"].to_list()
    return [u * (g in chosen) for u, g in zip(every, group, strict=True)]


_SOLVER: Any = load_optional("scipy.optimize")  # it has no type stubs


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
