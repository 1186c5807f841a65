"""Which holdings to pledge so that a margin need is met at least cost, with proof.

A fee falls due per ISIN whatever the quantity, and more collateral never hurts. So
the cost of a plan depends on the set of ISINs alone, and a set is worth what all its
pledgeable shares are worth. The solver searches the sets; every set it proposes is
checked in exact decimals, and one that misses the need by a hair is cut off for good.
A second search then gives back shares that the need does not take.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, get_args

import polars as pl

from holdings_kit.errors import ConfigError
from holdings_kit.risk._margin_rules import Fees, Practice, Rules, as_rules
from holdings_kit.risk._pledge_answer import PledgePlan, Policy, planned
from holdings_kit.risk._pledge_rows import PLAN, candidates
from holdings_kit.risk._pledge_search import Task
from holdings_kit.schema import HOLDINGS, VALUE, conform

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PLAN", "PledgePlan", "Policy", "pledge_plan"]


def pledge_plan(
    holdings: pl.DataFrame,
    *,
    need: Decimal | float,
    cash: Decimal | float,
    fees: Fees | None = None,
    rules: Rules | Practice | None = None,
    horizon_days: int = 30,
    haircuts: pl.DataFrame | None = None,
    instruments: pl.DataFrame | None = None,
    locked: Sequence[str] = (),
    policy: Policy = "cheapest",
    seconds: float = 60.0,
) -> PledgePlan:
    """Choose what to pledge so that cash and collateral meet a need at least cost.

    Parameters
    ----------
    holdings
        HOLDINGS of one account.
    need
        Margin to reach, rupees.
    cash
        Cash in the account, rupees; collateral must not be inside it.
    fees
        What a pledge and missing cash cost; ``Fees()`` when left out: Rs 30 + 18 % GST
        per ISIN and request, 0.035 % a day. `margin_rules.broker_fees` knows others.
    rules
        ``"strict"`` (the default): usable = cash + min(non-cash, cash) must reach the
        need. ``"broker"``: cash + collateral must reach it, and cash missing below
        half of the need pays interest. A `Rules` sets the share and a cap.
    horizon_days
        Days for which the missing cash pays interest.
    haircuts, instruments
        As in `hk.collateral`: haircuts that replace the published ones; the master,
        for eligibility and cash equivalents.
    locked
        Ids of instruments that must not be pledged, locked-in shares for one.
    policy
        ``cheapest``, or a habit to compare it with: ``lowest_haircut`` first, or
        ``everything``. `bound` and `gap` then tell how far the habit is from the best.
    seconds
        Time for each search; without a proof by then the status is ``feasible``.

    Returns
    -------
    PledgePlan
        Among the cheapest plans, one that pledges little more than the need takes.
        Money is recomputed in exact decimals; the solver decides the integers only.
        Shares pledged already count first. Holdings whose collateral is unknown are
        left out, and the plan says why.

    Raises
    ------
    ConfigError
        Holdings of several accounts; a negative or undefined need, cash or horizon.
    FrameError
        `holdings` is not HOLDINGS.

    Notes
    -----
    Excluded: unsettled shares, fractions of a unit, securities off the list, haircuts
    of 100 %, locked ones [exchange and broker texts]. Fees fall due per ISIN whatever
    the quantity. With ``security_cap``, a non-cash security counts for at most that
    part of the need.

    Examples
    --------
    >>> row = {
    ...     "instrument_id": "P",
    ...     "settled_quantity": 9,
    ...     "close_price": 10,
    ...     "haircut": 0,
    ... }
    >>> holdings = pl.DataFrame([row], schema=HOLDINGS)
    >>> plan = pledge_plan(holdings, need=100, cash=50, rules="broker")
    >>> str(plan.cost.normalize()), plan.plan["pledge_quantity"].item(), plan.gap
    ('35.4', Decimal('5.0000'), 0.0)
    """
    wanted, held = _rupees(need, "need"), _rupees(cash, "cash")
    if policy not in get_args(Policy):
        known = ", ".join(get_args(Policy))
        raise ConfigError(f"policy {policy!r} is not known; have {known}")
    if horizon_days < 0:
        raise ConfigError(f"horizon_days {horizon_days}: must not be negative")
    rows = conform(holdings, HOLDINGS, name="holdings").select(HOLDINGS.names())
    accounts = rows["account_id"].n_unique()
    if accounts > 1:
        raise ConfigError(
            f"holdings of {accounts} accounts; plan one at a time, "
            "collateral of one does not serve another"
        )
    table = candidates(rows, haircuts, instruments, locked)
    task = _task(
        table,
        need=wanted,
        cash=held,
        fees=fees or Fees(),
        rules=as_rules(rules),
        horizon_days=horizon_days,
    )
    return planned(table, task, cash=held, policy=policy, seconds=seconds)


def _rupees(value: Decimal | float, name: str) -> Decimal:
    amount = Decimal(str(value))
    if not amount.is_finite() or amount < 0:
        raise ConfigError(f"{name} {value}: must be a number of rupees, not negative")
    return amount


def _task(
    table: pl.DataFrame,
    *,
    need: Decimal,
    cash: Decimal,
    fees: Fees,
    rules: Rules,
    horizon_days: int,
) -> Task:
    """Sum the candidates per ISIN, and what is pledged already per kind."""
    value, like = pl.col("collateral_value"), pl.col("_like_cash")
    groups = table.group_by("instrument_id", "_like_cash", maintain_order=True).agg(
        value.filter(pl.col("why").is_null()).sum(), pl.col("_pledged").sum()
    )
    if rules.security_cap is not None:
        cap = pl.lit(rules.security_cap * need).cast(VALUE)
        counted = (
            pl.when(like).then("_pledged").otherwise(pl.min_horizontal("_pledged", cap))
        )
        room = (
            pl.when(like).then(value).otherwise(pl.min_horizontal(value, cap - counted))
        )
        groups = groups.with_columns(room, counted.alias("_pledged"))
    pledged = groups.select(
        pl.col("_pledged").filter(like).sum().alias("equal"),
        pl.col("_pledged").filter(~like).sum().alias("other"),
    ).row(0, named=True)
    groups = groups.filter(value > 0)
    return Task(
        ids=groups["instrument_id"].to_list(),
        worth=groups["collateral_value"].to_list(),
        like_cash=groups["_like_cash"].to_list(),
        need=need,
        cash=cash + pledged["equal"],
        non_cash=pledged["other"],
        fee=fees.per_request,
        interest=fees.interest_per_day * horizon_days,
        rules=rules,
    )
