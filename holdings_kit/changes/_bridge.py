"""From the value before to the value after, step by step, to the last paisa.

Every step is a difference of two figures rounded alike, so the steps add up exactly:
prices move what was held, then quantities move at the new price. A split or bonus
multiplies shares and divides the price: no effect. A merger or demerger moves value
from one line to another: what one gives the other gets, together no effect; only a
fraction paid out in cash leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, cast

import polars as pl

from holdings_kit.changes._crossings import ZERO
from holdings_kit.changes._frames import CHANGES
from holdings_kit.errors import ConfigError
from holdings_kit.market._days import day_of
from holdings_kit.schema import (
    MONEY,
    VALUE,
    Frame,
    column_names,
    conform,
    require_columns,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

EFFECTS: Final = {
    "value": (
        "price_effect",
        "swap_effect",
        "trade_effect",
        "corporate_action_effect",
        "transfer_effect",
        "coverage_effect",
        "unexplained_effect",
    ),
    "collateral": (
        "price_effect",
        "quantity_effect",
        "haircut_effect",
        "coverage_effect",
        "unexplained_effect",
    ),
    "pnl": (
        "price_effect",
        "swap_effect",
        "trade_effect",
        "corporate_action_effect",
        "average_effect",
        "transfer_effect",
        "coverage_effect",
        "unexplained_effect",
    ),
}
"""The steps of each bridge, in their order."""

BRIDGE: Final = pl.Schema(
    {
        "lines_count": pl.Int64(),
        "unknown_before_count": pl.Int64(),  # held, but not priced: not in the value
        "unknown_after_count": pl.Int64(),
        "value_before": VALUE,
        **dict.fromkeys(EFFECTS["value"], VALUE),
        "value_after": VALUE,
        "residual": VALUE,  # always 0
        "income_value": VALUE,  # dividends of the actions table: cash, in no effect
        "note": pl.String(),  # null where the bridge is that of a day, or a sum of days
    }
)
"""Of the value bridge; the others differ in their effects (`EFFECTS`)."""

_Q0: Final = pl.col("owned_quantity_before")
_Q1: Final = pl.col("owned_quantity_after")
_P0: Final = pl.col("price_before")
_P1: Final = pl.col("price_after")
_KEPT: Final = pl.col("adjusted_quantity")
_SENT: Final = pl.col("transferred_quantity")
_TRADE: Final = pl.col("traded_quantity")
_SENT_PRICE: Final = pl.col("transfer_price")
_LOST: Final = (pl.col("cause") == "suspect_fetch") | (
    (pl.col("cause") == "unexplained") & _Q1.is_null()
)
_ODD: Final = pl.col("cause") == "unexplained"


def bridge(
    changes: Frame,
    *,
    by: str | Sequence[str] | None = None,
    of: Literal["value", "collateral", "pnl"] = "value",
) -> Frame:
    """Split a change of value, collateral or P&L into its causes, exactly.

    ``value`` is owned quantity × price (last traded, else close); ``collateral`` is
    pledged quantity × previous close × (1 − haircut); ``pnl`` is value − cost. What
    is held but has no price is not in the value: losing or gaining a price is the
    coverage effect. Trades count at the price after, a sold-out line without one at
    the price before; a transfer counts at the sender's price before in both accounts,
    so transfers inside one person's accounts cancel.

    Parameters
    ----------
    changes
        `CHANGES` of `compare` or of a timeline; eager or lazy, lazy stays lazy.
    by
        Columns of `changes` to add up over, ``()`` for the total; ``None`` for one
        row per line.
    of
        Which quantity to explain.

    Returns
    -------
    Frame
        The columns of `by`, then `BRIDGE` (rupees). A value is null where something
        is held and nothing of it is priced; it counts as nothing in `residual`,
        which is exactly 0 on every row. `income_value` are the dividends of the
        actions table: cash beside the holdings, in no effect; a sum leaves out lines
        whose units at the ex-date are not known, and `note` counts them.

    Raises
    ------
    FrameError
        `changes` is not `CHANGES`, or lacks a column of `by`.
    ConfigError
        `of` is not one of the three.

    Examples
    --------
    >>> from decimal import Decimal
    >>> from holdings_kit.changes import compare
    >>> from holdings_kit.schema import HOLDINGS
    >>> line = {"account_id": "A1", "snapshot_id": "1", "instrument_id": "INE669E01016"}
    >>> line |= {"owned_quantity": Decimal(775), "close_price": Decimal("9.93")}
    >>> before = pl.DataFrame([line], schema=HOLDINGS)
    >>> after = pl.DataFrame(
    ...     [line | {"close_price": Decimal("10.01")}], schema=HOLDINGS
    ... )
    >>> step = bridge(compare(before, after), by=())
    >>> step.select("price_effect", "residual").cast(pl.Float64()).row(0)
    (62.0, 0.0)
    """
    if of not in _STEPS:
        raise ConfigError(f"bridge: of={of!r}; it explains {', '.join(_STEPS)}")
    lines = conform(changes.lazy(), CHANGES, name="changes")
    have = lines.collect_schema().names()
    keys = column_names(_LINE if by is None else by)
    reason = "missing, so it cannot be added up over"
    require_columns(have, keys, name="changes", reason=reason)
    effects = EFFECTS[of]
    ends = [] if by is None or "step" not in have else ["account_id", "step"]
    ends += ["scope"] if ends and "scope" in have else []
    rows = lines.select(
        *keys,
        *(pl.col(name).alias(f"_{name}") for name in ends),
        *_STEPS[of](),
        "income_value",
        _days=_count_week_days(),
    ).with_columns(
        lines_count=pl.lit(1, pl.Int64()),
        unknown_before_count=pl.col("value_before").is_null().cast(pl.Int64()),
        unknown_after_count=pl.col("value_after").is_null().cast(pl.Int64()),
        _dividends=(pl.col("income_value") != 0).fill_null(value=True).cast(pl.Int64()),
        _unknown_income=pl.col("income_value").is_null().cast(pl.Int64()),
    )
    if by is not None:
        rows = _add_up(rows, keys, effects, telescoped=set(keys) <= {"account_id"})
    left = pl.col("value_after").fill_null(ZERO) - pl.col("value_before").fill_null(
        ZERO
    )
    for effect in effects:
        left = left - pl.col(effect).fill_null(ZERO)
    distant = pl.when(pl.col("_days") > 1).then(
        pl.format(
            "{} days between the snapshots: what was traded on the way counts at the "
            "last price, so this is not the sum of the days",
            "_days",
        )
    )
    income = pl.when(pl.col("_dividends") > 0).then(
        pl.format(
            "income is cash beside the holdings, in no effect; of {} lines with a "
            "dividend, {} without known units",
            "_dividends",
            "_unknown_income",
        )
    )
    notes = pl.concat_str(distant, income, separator="; ", ignore_nulls=True)
    made = rows.select(
        *keys,
        "lines_count",
        "unknown_before_count",
        "unknown_after_count",
        *(pl.col(c).cast(VALUE) for c in ("value_before", *effects, "value_after")),
        residual=left.cast(VALUE),
        income_value=pl.when(
            (pl.col("_dividends") == 0)
            | (pl.col("_dividends") > pl.col("_unknown_income"))
        ).then(pl.col("income_value").cast(VALUE)),
        note=pl.when(distant.is_not_null() | income.is_not_null()).then(notes),
    )
    if isinstance(changes, pl.DataFrame):
        return cast("Frame", made.collect())
    if by is None:
        return cast("Frame", made)
    # of a lazy timeline only the sums are kept, batch by batch
    return cast(
        "Frame",
        pl.defer(
            lambda: made.collect(engine="streaming"), schema=made.collect_schema()
        ),
    )


_LINE: Final = ("account_id", "instrument_id", "snapshot_at_after", "cause")


def _count_week_days() -> pl.Expr:
    """Count the week days from one snapshot to the next; the longest counts."""
    day0, day1 = (day_of(pl.col(f"snapshot_at_{end}")) for end in ("before", "after"))
    return pl.business_day_count(day0, day1)


def _add_up(
    rows: pl.LazyFrame, keys: list[str], effects: Sequence[str], *, telescoped: bool
) -> pl.LazyFrame:
    """Add lines up; a sum is unknown only where none of its terms is known.

    Of a timeline, a total counts the value of the first and the last snapshot only:
    what one step ends with the next begins with, so the effects of the days add up.
    """
    values = ["value_before", *effects, "value_after"]
    counts = ["lines_count", "unknown_before_count", "unknown_after_count"]
    known = [f"_known_{column}" for column in values]
    income = ("income_value", "_dividends", "_unknown_income")
    sums = [pl.col(*counts, *values, *known, *income).sum(), pl.col("_days").max()]
    have = rows.collect_schema().names()
    ends = [name for name in ("_account_id", "_step", "_scope") if name in have]
    series = [name for name in ends if name != "_step"]
    groups = [*keys, *(end for end in ends if end not in keys)]
    # how many lines each value is of; at an end of a timeline, those of that end
    lines = dict.fromkeys(values, "lines_count")
    rows = rows.with_columns(
        pl.col(column).is_not_null().cast(pl.Int64()).alias(f"_known_{column}")
        for column in values
    )
    if ends:
        rows = rows.group_by(groups).agg(sums)
    if ends and telescoped:
        step = pl.col("_step")
        for end, at in (("before", step.min()), ("after", step.max())):
            here = step == at.over(series)
            columns = [f"value_{end}", f"_known_value_{end}", f"unknown_{end}_count"]
            lines[f"value_{end}"] = f"_rows_{end}"
            rows = rows.with_columns(
                *(pl.when(here).then(c).otherwise(0).alias(c) for c in columns),
                pl.when(here).then("lines_count").otherwise(0).alias(f"_rows_{end}"),
            )
        sums.append(pl.col("_rows_before", "_rows_after").sum())
    total = rows.group_by(keys).agg(sums).sort(keys) if keys else rows.select(sums)
    return total.with_columns(
        pl.when((pl.col(f"_known_{column}") > 0) | (pl.col(lines[column]) == 0)).then(
            column
        )
        for column in values
    )


def _multiply(quantity: pl.Expr, price: pl.Expr) -> pl.Expr:
    return quantity.cast(VALUE) * price


def _value_held(quantity: pl.Expr, value: pl.Expr) -> pl.Expr:
    """Nothing held is worth nothing, whatever the price."""
    return pl.when(quantity == 0).then(ZERO).otherwise(value)


def _close_gap(
    before: pl.Expr, after: pl.Expr, steps: dict[str, pl.Expr]
) -> list[pl.Expr]:
    """Take the steps where both ends are known, else coverage or unexplained."""
    known = before.is_not_null() & after.is_not_null()
    some = before.is_not_null() | after.is_not_null()
    gap = after.fill_null(ZERO) - before.fill_null(ZERO)
    out = [before.alias("value_before")]
    for name, step in steps.items():
        value = pl.when(known).then(step)
        if name in ("coverage_effect", "unexplained_effect"):
            mine = _LOST if name == "unexplained_effect" else ~_LOST
            value = value.when(some & mine).then(gap)
        out.append(value.when(some).then(ZERO).alias(name))
    return [*out, after.alias("value_after")]


_CAME: Final = pl.col("action_quantity")
_MOVED: Final = pl.col("action_value")
_PAID: Final = pl.col("paid_value")
_RECEIVED: Final = (_SENT != 0) & pl.col("transfer_account_id").is_null()


def _name_value_steps() -> dict[str, pl.Expr]:
    """Name the steps of the value bridge where both ends are known."""
    before = _value_held(_Q0, _multiply(_Q0, _P0))
    at = pl.coalesce(_P1, _P0)  # a line that is gone has no price after
    sent_known = (_SENT == 0) | _SENT_PRICE.is_not_null() | _RECEIVED
    sent = (
        pl.when(_SENT == 0)
        .then(ZERO)
        .when(_RECEIVED)
        .then(_multiply(_SENT, at))
        .otherwise(_multiply(_SENT, _SENT_PRICE))
    )
    known = _MOVED.is_not_null() & _PAID.is_not_null()
    # what came is worth more or less than what was given or paid for it
    gained = (
        pl.when((_CAME == 0) & (_MOVED == 0) & (_PAID == 0))
        .then(ZERO)
        .otherwise(_multiply(_CAME, at) - _MOVED - _PAID)
    )
    swap = (pl.col("cause") == "merger") & (_CAME > 0)
    price = (
        pl.when(at.is_null())
        .then(ZERO)
        .when(sent_known)
        .then(_multiply(_KEPT, at) - before + _multiply(_SENT, at) - sent)
        .otherwise(_multiply(_KEPT, at) - before)
    )
    traded = pl.when(_TRADE == 0).then(ZERO).otherwise(_multiply(_TRADE, at))
    steps = {
        "price_effect": price + pl.when(swap).then(ZERO).otherwise(gained),
        "swap_effect": pl.when(swap).then(gained).otherwise(ZERO),
        "trade_effect": pl.when(_ODD).then(ZERO).otherwise(traded) + _PAID,
        "corporate_action_effect": _MOVED,
        "transfer_effect": pl.when(sent_known).then(sent).otherwise(ZERO),
        "coverage_effect": pl.when(sent_known)
        .then(ZERO)
        .otherwise(_multiply(_SENT, at)),
        "unexplained_effect": pl.when(_ODD).then(traded).otherwise(ZERO),
    }
    gap = _value_held(_Q1, _multiply(_Q1, _P1)) - before
    return {
        # value went to, or came from, a line without a price: nobody knows how much
        name: pl.when(known)
        .then(step)
        .otherwise(gap if name == "coverage_effect" else ZERO)
        for name, step in steps.items()
    }


def _measure_value_effects() -> list[pl.Expr]:
    before = _value_held(_Q0, _multiply(_Q0, _P0))
    after = _value_held(_Q1, _multiply(_Q1, _P1))
    return _close_gap(before, after, _name_value_steps())


def _measure_pnl_effects() -> list[pl.Expr]:
    """Value steps less the cost that moved with each of them."""
    c0, c1 = pl.col("cost_value_before"), pl.col("cost_value_after")
    before = _value_held(_Q0, _multiply(_Q0, _P0) - c0)
    after = _value_held(_Q1, _multiply(_Q1, _P1) - c1)
    steps = _name_value_steps()
    average = pl.col("transfer_average_price")
    cost_moved = pl.col("action_cost_value")
    whole = (
        ((_SENT == 0) | _RECEIVED | (_SENT_PRICE.is_not_null() & average.is_not_null()))
        & cost_moved.is_not_null()
        & _MOVED.is_not_null()
        & _PAID.is_not_null()
    )
    moved = c1 - c0 - cost_moved - pl.max_horizontal(_PAID, ZERO)
    sent_cost = (
        pl.when(_SENT == 0)
        .then(ZERO)
        .when(_RECEIVED)
        .then(moved)
        .otherwise(_multiply(_SENT, average))
    )
    rest = moved - sent_cost
    has_trade = (_TRADE != 0) | (_PAID < 0)
    trade_cost = pl.when(has_trade).then(rest).otherwise(ZERO)
    restated = pl.when(has_trade).then(ZERO).otherwise(rest)
    odd_cost = pl.when(_ODD).then(trade_cost).otherwise(ZERO)
    known = {
        "price_effect": steps["price_effect"],
        "swap_effect": steps["swap_effect"],
        "trade_effect": steps["trade_effect"]
        - (trade_cost - odd_cost)
        - pl.max_horizontal(_PAID, ZERO),
        "corporate_action_effect": steps["corporate_action_effect"] - cost_moved,
        "average_effect": -restated,
        "transfer_effect": steps["transfer_effect"] - sent_cost,
        "coverage_effect": ZERO,
        "unexplained_effect": steps["unexplained_effect"] - odd_cost,
    }
    unknown = dict.fromkeys(known, ZERO) | {"coverage_effect": after - before}
    return _close_gap(
        before,
        after,
        {
            name: pl.when(whole).then(step).otherwise(unknown[name])
            for name, step in known.items()
        },
    )


def _measure_collateral_effects() -> list[pl.Expr]:
    """Price first, then pledged quantity, then haircut."""
    q0, q1 = pl.col("pledged_quantity_before"), pl.col("pledged_quantity_after")
    p0, p1 = pl.col("close_price_before"), pl.col("close_price_after")
    h0, h1 = pl.col("haircut_before"), pl.col("haircut_after")
    grown = (q0.cast(VALUE) * _KEPT / _Q0).cast(MONEY)
    grown_pledge = (
        pl.when(pl.col("ratio").is_null() | (_Q0 == 0)).then(q0).otherwise(grown)
    )

    def compute_collateral(
        quantity: pl.Expr, price: pl.Expr, haircut: pl.Expr
    ) -> pl.Expr:
        factor = pl.lit(1, VALUE) - haircut.cast(VALUE)
        return _value_held(quantity, _multiply(quantity, price) * factor)

    before, after = compute_collateral(q0, p0, h0), compute_collateral(q1, p1, h1)
    price, haircut = pl.coalesce(p1, p0), pl.coalesce(h0, h1)
    priced = compute_collateral(grown_pledge, price, haircut)
    moved = compute_collateral(q1, price, haircut)
    return _close_gap(
        before,
        after,
        {
            "price_effect": priced - before,
            "quantity_effect": moved - priced,
            "haircut_effect": after - moved,
            "coverage_effect": ZERO,
            "unexplained_effect": ZERO,
        },
    )


_STEPS: Final = {
    "value": _measure_value_effects,
    "collateral": _measure_collateral_effects,
    "pnl": _measure_pnl_effects,
}
