"""What a set of haircuts would do to a book: collateral, usable margin, cash needed."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._frames import read_haircuts
from holdings_kit.risk import (
    Cash,
    Practice,
    Quantity,
    Rules,
    as_rules,
    collateral,
    margin,
)
from holdings_kit.schema import VALUE

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import AnyFrame

BOOK_EFFECTS: Final = pl.Schema(
    {
        "model": pl.String(),  # the name, where a model has several
        "account_id": pl.String(),
        "holdings_count": pl.Int64(),
        "unknown_count": pl.Int64(),  # left out of both sides: one of them is unknown
        "modelled_count": pl.Int64(),  # whose haircut after is the model's
        "collateral_before": VALUE,  # at the published haircuts
        "collateral_after": VALUE,  # at the model's, else at the published
        "collateral_effect": VALUE,  # after − before
        "usable_before": VALUE,  # with the cash, under the 50:50 rule
        "usable_after": VALUE,
        "usable_effect": VALUE,
        "cash_needed_before": VALUE,  # to reach the need; null without one
        "cash_needed_after": VALUE,
    }
)
_ZERO: Final = pl.lit(0, VALUE)


def book_effects(
    holdings: pl.DataFrame,
    haircuts: AnyFrame,
    *,
    cash: Cash,
    need: Decimal | float | None = None,
    quantity: Quantity = "pledged",
    max_haircut_age: int | None = None,
    rules: Rules | Practice | None = None,
) -> pl.DataFrame:
    """Put each model's haircuts in the place of the published ones.

    Parameters
    ----------
    holdings
        `HOLDINGS`, one snapshot per account.
    haircuts
        `HAIRCUTS` of one or many models; of each, the newest row known at the instant
        of the snapshot counts: that of its own day only from 15:30 in India on. Where a
        model is silent the published haircut stays.
    cash, quantity, max_haircut_age, rules
        As in `hk.collateral`.
    need
        Margin each account has to reach, rupees.

    Returns
    -------
    polars.DataFrame
        `BOOK_EFFECTS`, one row per model and account, rupees. A holding whose
        collateral is unknown before or after is left out of both and counted.

    Raises
    ------
    ConfigError
        A negative `need`, or a cap per security together with a need: cash raises the
        cap as well, so no single sum answers.
    FrameError
        A frame is not of its schema.

    Notes
    -----
    Cash needed, strict: the least sum c ≥ 0 with C + c + min(N, k (C + c)) ≥ need, for
    cash C, non-cash N and k rupees of non-cash carried per rupee of cash (1 under
    50:50). Broker practice: need − C − N, if positive.

    Examples
    --------
    >>> from datetime import UTC, date, datetime
    >>> from holdings_kit.schema import HOLDINGS
    >>> line = {"account_id": "A", "snapshot_id": "1", "instrument_id": "X"}
    >>> line |= {"snapshot_at": datetime(2026, 1, 5, tzinfo=UTC)}
    >>> line |= {"pledged_quantity": Decimal(10), "close_price": Decimal(100)}
    >>> line |= {"haircut": Decimal("0.2")}
    >>> row = {"instrument_id": "X", "date": date(2026, 1, 2), "model": "mine"}
    >>> mine = pl.DataFrame([row | {"haircut": 0.4}])
    >>> book = pl.DataFrame([line], schema=HOLDINGS)
    >>> found = book_effects(book, mine, cash=500, need=1200)
    >>> found.select("collateral_effect", "usable_effect").cast(pl.Float64()).row(0)
    (-200.0, 0.0)
    >>> found["cash_needed_after"].cast(pl.Float64()).item()
    100.0
    """
    chosen = as_rules(rules)
    wanted = None if need is None else Decimal(str(need))
    if wanted is not None and not (wanted.is_finite() and wanted >= 0):
        raise ConfigError(f"need {need}: must be a number of rupees, not negative")
    if wanted is not None and chosen.security_cap is not None:
        raise ConfigError("need beside a security_cap: leave out one of the two")
    table = read_haircuts(haircuts)
    published = collateral(holdings, quantity=quantity)
    effects = [pl.DataFrame(schema=BOOK_EFFECTS)]
    several = pl.col("name").n_unique().over("model") > 1
    label = pl.when(several).then("name").otherwise("model")
    table = table.with_columns(label.alias("name"))
    for name in table["name"].unique(maintain_order=True):
        given = collateral(
            holdings,
            quantity=quantity,
            haircuts=table.filter(name=name),
            max_haircut_age=max_haircut_age,
        )
        effects.append(
            _measure_book_effect(
                published, given, name, cash=cash, need=wanted, rules=chosen
            )
        )
    return pl.concat(effects)


def _measure_book_effect(
    published: pl.DataFrame,
    given: pl.DataFrame,
    model: str,
    *,
    cash: Cash,
    need: Decimal | None,
    rules: Rules,
) -> pl.DataFrame:
    known = (
        published["collateral_value"].is_not_null()
        & given["collateral_value"].is_not_null()
    )
    sides = [
        margin(
            side.with_columns(
                pl.when(known).then("collateral_value").alias("collateral_value")
            ),
            cash=cash,
            rules=rules,
        ).with_columns(cash_needed=_measure_cash_needed(need, rules))
        for side in (published, given)
    ]
    modelled = given.group_by("account_id", maintain_order=True).agg(
        (pl.col("haircut_basis") == "given").sum().cast(pl.Int64())
    )
    before, after = sides
    values = {"collateral": "collateral_value", "usable": "usable_value"}
    rows = before.select("account_id", "holdings_count", "unknown_count").with_columns(
        modelled["haircut_basis"].alias("modelled_count"),
        pl.lit(model).alias("model"),
        *(
            side[column].alias(f"{name}_{end}")
            for name, column in (values | {"cash_needed": "cash_needed"}).items()
            for end, side in (("before", before), ("after", after))
        ),
    )
    return rows.with_columns(
        (pl.col(f"{name}_after") - pl.col(f"{name}_before")).alias(f"{name}_effect")
        for name in values
    ).select(pl.col(name).cast(dtype) for name, dtype in BOOK_EFFECTS.items())


def _measure_cash_needed(need: Decimal | None, rules: Rules) -> pl.Expr:
    """Least cash to add so that what is usable reaches the need."""
    if need is None:
        return pl.lit(None, VALUE)
    target = pl.lit(need).cast(VALUE)
    short = target - pl.col("cash_value") - pl.col("non_cash_value")
    if rules.practice == "strict":
        least = pl.lit(need * rules.cash_share).cast(VALUE) - pl.col("cash_value")
        known = short.is_not_null() & least.is_not_null()
        short = pl.when(known).then(pl.max_horizontal(short, least))
    return pl.when(short < 0).then(_ZERO).otherwise(short)
