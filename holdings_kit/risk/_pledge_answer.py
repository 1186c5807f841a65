"""What a pledge plan says: the plan, its cost and the proof, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from holdings_kit.risk._pledge_rows import explain, pledgeable
from holdings_kit.risk._pledge_search import (
    Task,
    adds_of,
    cheapest,
    kept,
    pledging,
    settle,
    shadow_price,
    whole,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PledgePlan", "Policy", "planned"]

Policy: TypeAlias = Literal["cheapest", "lowest_haircut", "everything"]
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class PledgePlan:
    """The cheapest way to meet a need, and the proof that it is.

    Attributes
    ----------
    status
        ``optimal``; ``feasible`` when time ran out before the proof; ``infeasible``
        when pledging everything does not meet the need.
    plan
        One row per holding (`PLAN`): how much to pledge, or why not.
    cost, fee_value, interest_value
        Rupees, exact; null when infeasible. Cost = fees + interest.
    collateral_value
        Of the shares to pledge now, rupees.
    pledged_value
        Of the shares pledged already, counted first and free of fees.
    usable_value
        Cash and collateral that the rules let count; when infeasible, with everything
        pledged.
    cash_missing_value
        Cash missing below its share of the need, on which interest runs.
    need_value, cash_value
        As given.
    bound
        Proven lower bound of the cost, rupees.
    gap
        (cost − bound) / cost; 0 is a proof.
    shadow_price
        Cost of one further rupee of need in the linear relaxation; null where that
        rupee is out of reach.
    unmet_value
        What is missing when infeasible, else 0.
    """

    status: str
    plan: pl.DataFrame
    cost: Decimal | None
    fee_value: Decimal | None
    interest_value: Decimal | None
    collateral_value: Decimal
    pledged_value: Decimal
    usable_value: Decimal
    cash_missing_value: Decimal
    need_value: Decimal
    cash_value: Decimal
    bound: Decimal | None
    gap: float | None
    shadow_price: float | None
    unmet_value: Decimal


def _habit(part: pl.DataFrame, task: Task, policy: Policy) -> set[int]:
    """ISINs that a habit would pledge: all, or by rising haircut until enough."""
    rising = part.sort("haircut", maintain_order=True)["_group"]
    chosen: set[int] = set()
    for group in rising.unique(maintain_order=True):
        enough = task.usable(kept(task.worth, chosen)) >= task.need
        if policy == "everything" or not enough:
            chosen.add(group)
    return chosen


def planned(
    table: pl.DataFrame, task: Task, *, cash: Decimal, policy: Policy, seconds: float
) -> PledgePlan:
    """Solve, recompute in exact decimals, and say why for every row."""
    part = pledgeable(table, task)
    best = cheapest(task, seconds)
    if best is None:
        return _hopeless(table, part, task, cash)
    if policy == "cheapest":
        units = settle(part, task, best, seconds) if task.ids else []
    else:
        units = whole(part, _habit(part, task, policy))
    adds = adds_of(part, task, units)
    chosen_rows = pledging(part, units)
    chosen = {g for g, u in zip(part["_group"].to_list(), units, strict=True) if u}
    cost, fee = task.cost(chosen, adds), task.fee * len(chosen)
    bound = min(cost, Decimal(repr(round(best.bound, 6))))
    proven = best.closed and policy == "cheapest"
    return PledgePlan(
        status="optimal" if proven else "feasible",
        plan=explain(table, chosen_rows, spare="not needed: the need is met without"),
        cost=cost,
        fee_value=fee,
        interest_value=cost - fee,
        collateral_value=sum(chosen_rows["_adds"], _ZERO),
        pledged_value=task.non_cash + task.cash - cash,
        usable_value=task.usable(adds),
        cash_missing_value=task.missing(adds),
        need_value=task.need,
        cash_value=cash,
        bound=bound,
        gap=float((cost - bound) / cost) if cost else 0.0,
        shadow_price=shadow_price(task),
        unmet_value=_ZERO,
    )


def _hopeless(
    table: pl.DataFrame, part: pl.DataFrame, task: Task, cash: Decimal
) -> PledgePlan:
    """Say what pledging everything would give, and how much is still missing."""
    usable = task.usable(task.worth)
    nothing = pledging(part, [0] * part.height)
    return PledgePlan(
        status="infeasible",
        plan=explain(table, nothing, spare="all of the book does not meet the need"),
        cost=None,
        fee_value=None,
        interest_value=None,
        collateral_value=_ZERO,
        pledged_value=task.non_cash + task.cash - cash,
        usable_value=usable,
        cash_missing_value=task.missing(task.worth),
        need_value=task.need,
        cash_value=cash,
        bound=None,
        gap=None,
        shadow_price=None,
        unmet_value=task.need - usable,
    )
