"""Which holdings to pledge so that a margin need is met at least cost, with proof.

A fee falls due per ISIN whatever the quantity, and more collateral never hurts. So
the cost of a plan depends on the set of ISINs alone, and a set is worth what all its
pledgeable shares are worth. The solver searches the sets; every set it proposes is
checked in exact decimals, and one that misses the need by a hair is cut off for good.
A second search then gives back shares that the need does not take.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import polars as pl

from holdings_kit.errors import ConfigError, readable, require_known
from holdings_kit.risk._collateral import LIKE_CASH, collateral
from holdings_kit.risk._margin_rules import Fees, Practice, Rules, as_rules
from holdings_kit.risk._pledge_search import (
    Task,
    add_units,
    choose_units,
    compute_shadow_price,
    find_cheapest_set,
    keep_chosen,
    sum_added_values,
    take_all_units,
)
from holdings_kit.schema import HOLDINGS, MONEY, RATE, VALUE, conform

if TYPE_CHECKING:
    from collections.abc import Sequence


_ZERO: Final = Decimal(0)


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
    wanted, held = _read_rupees(need, "need"), _read_rupees(cash, "cash")
    require_known(policy, "policy", get_args(Policy))
    if horizon_days < 0:
        raise ConfigError(f"horizon_days {horizon_days}: must not be negative")
    rows = conform(holdings, HOLDINGS, name="holdings").select(HOLDINGS.names())
    accounts = rows["account_id"].n_unique()
    if accounts > 1:
        raise ConfigError(
            f"holdings of {accounts} accounts; plan one at a time, "
            "collateral of one does not serve another"
        )
    table = _find_what_could_be_pledged(rows, haircuts, instruments, locked)
    task = _build_task(
        table,
        need=wanted,
        cash=held,
        fees=fees or Fees(),
        rules=as_rules(rules),
        horizon_days=horizon_days,
    )
    return _make_plan(table, task, cash=held, policy=policy, seconds=seconds)


def _read_rupees(value: Decimal | float, name: str) -> Decimal:
    amount = Decimal(str(value))
    if not amount.is_finite() or amount < 0:
        raise ConfigError(f"{name} {value}: must be a number of rupees, not negative")
    return amount


def _build_task(
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


PLAN: Final = pl.Schema(
    {
        "snapshot_id": pl.String(),
        "account_id": pl.String(),
        "holding_no": pl.Int64(),
        "instrument_id": pl.String(),
        "symbol": pl.String(),
        "price": MONEY,  # previous close
        "haircut": RATE,
        "cash_equivalent": pl.Boolean(),
        "pledged_quantity": MONEY,  # pledged already
        "available_quantity": MONEY,  # whole settled units that may be pledged
        "pledge_quantity": MONEY,  # to pledge now
        "collateral_value": VALUE,  # of what to pledge now
        "why": pl.String(),
    }
)


def _find_what_could_be_pledged(
    rows: pl.DataFrame,
    haircuts: pl.DataFrame | None,
    instruments: pl.DataFrame | None,
    locked: Sequence[str],
) -> pl.DataFrame:
    """Add to each holding what it could add, what it adds already, or why nothing."""
    free = collateral(
        rows, quantity="pledgeable", haircuts=haircuts, instruments=instruments
    )
    now = collateral(
        rows, quantity="pledged", haircuts=haircuts, instruments=instruments
    )
    settled, t1 = pl.col("settled_quantity"), pl.col("t1_quantity")
    why = (
        pl.when(pl.col("instrument_id").is_in(list(locked)))
        .then(pl.lit("locked"))
        .when(pl.col("haircut") >= 1)
        .then(pl.lit("VaR 100 %: nothing left after the haircut"))
        .when(pl.col("reason").is_not_null())
        .then("reason")
        .when((settled > 0) & (settled < 1))
        .then(pl.lit("only a fraction of a unit"))
        .when((settled == 0) & (t1 > 0))
        .then(pl.format("unsettled: {} bought, not delivered yet", t1.round(0)))
        .when((settled == 0) & (pl.col("pledged_quantity") > 0))
        .then(pl.lit("all of it is pledged already"))
        .when(settled <= 0)
        .then(pl.lit("nothing free to pledge"))
    )
    buckets = ("settled_quantity", "t1_quantity", "pledged_quantity")
    return free.hstack(rows.select(buckets)).with_columns(
        now["collateral_value"].alias("_pledged"),
        why.alias("why"),
        LIKE_CASH.alias("_like_cash"),
    )


def _select_pledgeable(table: pl.DataFrame, task: Task) -> pl.DataFrame:
    """Take the rows that can be pledged; add place of the ISIN, value of a unit."""
    place = {name: g for g, name in enumerate(task.ids)}
    group = pl.col("instrument_id").replace_strict(
        place, default=None, return_dtype=pl.Int64()
    )
    share = pl.lit(1, RATE) - pl.col("haircut")
    rows = table.with_row_index("_row").filter(
        pl.col("why").is_null() & (pl.col("collateral_value") > 0)
    )
    return rows.with_columns(
        group.alias("_group"),
        (pl.col("price").cast(pl.Decimal(38, 10)) * share).alias("_each"),
    ).filter(pl.col("_group").is_not_null())


def _explain_rows(
    table: pl.DataFrame, part: pl.DataFrame, *, spare: str
) -> pl.DataFrame:
    """Bring the answer back to one row per holding, with the reason."""
    found = part.select(
        pl.col("_row"), pl.col("_units").cast(MONEY).alias("pledge_quantity"), "_adds"
    )
    nil = pl.lit(_ZERO)
    units, free = pl.col("pledge_quantity"), pl.col("available_quantity")
    left = pl.col("settled_quantity") - free + pl.col("t1_quantity").fill_null(_ZERO)
    both = [column.cast(pl.Int64()) for column in (units, free)]
    said = left.cast(pl.String()).str.replace(r"\.?0+$", "")  # all have four places
    chosen = pl.format("pledge {} of {}", *both) + pl.when(left > 0).then(
        pl.format("; {} unsettled or fractional", said)
    ).otherwise(pl.lit(""))
    return (
        table.with_row_index("_row")
        .join(found, on="_row", how="left", maintain_order="left")
        .with_columns(
            units.fill_null(nil),
            pl.col("collateral_quantity").alias("available_quantity"),
            pl.col("_adds").fill_null(nil).alias("collateral_value"),
        )
        .with_columns(
            pl.when(pl.col("why").is_not_null())
            .then("why")
            .when(units > 0)
            .then(chosen)
            .otherwise(pl.lit(spare))
            .alias("why")
        )
        .select(pl.col(name).cast(dtype) for name, dtype in PLAN.items())
    )


Policy: TypeAlias = Literal["cheapest", "lowest_haircut", "everything"]


@readable
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
    cost: Decimal | None = None
    fee_value: Decimal | None = None
    interest_value: Decimal | None = None
    collateral_value: Decimal = _ZERO
    pledged_value: Decimal
    usable_value: Decimal
    cash_missing_value: Decimal
    need_value: Decimal
    cash_value: Decimal
    bound: Decimal | None = None
    gap: float | None = None
    shadow_price: float | None = None
    unmet_value: Decimal = _ZERO

    @property
    def order(self) -> pl.DataFrame:
        """The rows of `plan` to pledge, in order: a holding that is cut stands last.

        Whole holdings come first, the largest first: what is cut is cut where the need
        is met, and that is known only when the others are counted.
        """
        whole = pl.col("pledge_quantity") == pl.col("available_quantity")
        return self.plan.filter(pl.col("pledge_quantity") > 0).sort(
            whole, "collateral_value", descending=True, maintain_order=True
        )


def _choose_by_habit(part: pl.DataFrame, task: Task, policy: Policy) -> set[int]:
    """ISINs that a habit would pledge: all, or by rising haircut until enough."""
    rising = part.sort("haircut", maintain_order=True)["_group"]
    chosen: set[int] = set()
    for group in rising.unique(maintain_order=True):
        enough = task.usable(keep_chosen(task.worth, chosen)) >= task.need
        if policy == "everything" or not enough:
            chosen.add(group)
    return chosen


def _make_plan(
    table: pl.DataFrame, task: Task, *, cash: Decimal, policy: Policy, seconds: float
) -> PledgePlan:
    """Solve, recompute in exact decimals, and say why for every row."""
    part = _select_pledgeable(table, task)
    best = find_cheapest_set(task, seconds)
    if best is None:
        return _make_infeasible_plan(table, part, task, cash)
    if policy == "cheapest":
        units = choose_units(part, task, best, seconds) if task.ids else []
    else:
        units = take_all_units(part, _choose_by_habit(part, task, policy))
    adds = sum_added_values(part, task, units)
    chosen_rows = add_units(part, units)
    chosen = {g for g, u in zip(part["_group"].to_list(), units, strict=True) if u}
    cost, fee = task.cost(chosen, adds), task.fee * len(chosen)
    bound = min(cost, Decimal(repr(round(best.bound, 6))))
    proven = best.closed and policy == "cheapest"
    return PledgePlan(
        status="optimal" if proven else "feasible",
        plan=_explain_rows(
            table, chosen_rows, spare="not needed: the need is met without"
        ),
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
        shadow_price=compute_shadow_price(task),
    )


def _make_infeasible_plan(
    table: pl.DataFrame, part: pl.DataFrame, task: Task, cash: Decimal
) -> PledgePlan:
    """Say what pledging everything would give, and how much is still missing."""
    usable = task.usable(task.worth)
    nothing = add_units(part, [0] * part.height)
    return PledgePlan(
        status="infeasible",
        plan=_explain_rows(
            table, nothing, spare="all of the book does not meet the need"
        ),
        pledged_value=task.non_cash + task.cash - cash,
        usable_value=usable,
        cash_missing_value=task.missing(task.worth),
        need_value=task.need,
        cash_value=cash,
        unmet_value=task.need - usable,
    )
