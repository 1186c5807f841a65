"""How much of a change in collateral came from the rate and how much from the price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from holdings_kit.haircuts._frames import check_choice
from holdings_kit.schema import (
    HOLDINGS,
    INSTANT,
    RATE,
    VALUE,
    conform,
    take_frame,
    total,
)

if TYPE_CHECKING:
    from holdings_kit.haircuts._frames import AnyFrame

COLLATERAL_CHANGES: Final = pl.Schema(
    {
        "account_id": pl.String(),
        "source": pl.String(),
        "broker": pl.String(),
        "instrument_id": pl.String(),
        "before_at": INSTANT,
        "after_at": INSTANT,
        "collateral_before": VALUE,
        "price_effect": VALUE,
        "rate_effect": VALUE,
        "quantity_effect": VALUE,
        "collateral_after": VALUE,
    }
)
ACCOUNT: Final = ("account_id", "source", "broker")


def collateral_changes(
    holdings: AnyFrame, *, quantity: Literal["pledged", "owned"] = "pledged"
) -> pl.DataFrame:
    """Split each change in collateral into price, rate and quantity, exactly.

    Collateral is quantity × previous close × (1 − haircut), rounded to 8 places.
    Between an account's consecutive snapshots the price moves first, then the haircut,
    then the quantity; the effects add up to the change to the last digit.

    Parameters
    ----------
    holdings
        `HOLDINGS`, a history of snapshots.
    quantity
        ``pledged``, or ``owned`` for what pledging everything would give.

    Returns
    -------
    polars.DataFrame
        One row per account, instrument and pair of consecutive snapshots in which it
        stands. What appears or goes is a quantity effect. Null where a quantity, close
        or haircut is unknown, or contradicts itself within a snapshot.

    Examples
    --------
    >>> from holdings_kit.schema import HOLDINGS, empty
    >>> collateral_changes(empty(HOLDINGS)).columns == COLLATERAL_CHANGES.names()
    True
    """
    check_choice(quantity, "quantity", ("pledged", "owned"), quoted=True)
    rows = _list_snapshot_rows(holdings, f"{quantity}_quantity")
    instants = rows.select(*ACCOUNT, "at").unique().sort(*ACCOUNT, "at")
    pairs = instants.with_columns(
        pl.col("at").shift().over(ACCOUNT).alias("before_at"),
        pl.col("at").alias("after_at"),
    ).filter(pl.col("before_at").is_not_null())
    pairs = pairs.drop("at")
    keys = [*ACCOUNT, "before_at", "after_at", "instrument_id"]
    before, after = (
        pairs.join(
            rows,
            left_on=[*ACCOUNT, end],
            right_on=[*ACCOUNT, "at"],
            nulls_equal=True,
        )
        for end in ("before_at", "after_at")
    )
    both = before.join(
        after, on=keys, how="full", coalesce=True, suffix="_1", nulls_equal=True
    )
    effects = _split_change(both).sort(*ACCOUNT, "after_at", "instrument_id")
    return conform(effects, COLLATERAL_CHANGES, name="collateral changes").select(
        COLLATERAL_CHANGES.names()
    )


def _list_snapshot_rows(holdings: AnyFrame, column: str) -> pl.DataFrame:
    """One row per account, snapshot and instrument: q, p, h and a mark of presence."""
    one = pl.col("close_price", "haircut")
    return (
        take_frame(holdings, HOLDINGS, name="holdings")
        .group_by(*ACCOUNT, pl.col("snapshot_at").alias("at"), "instrument_id")
        .agg(
            total(column).cast(VALUE).alias("q"),
            pl.when(one.n_unique() == 1).then(one.first()),
            there=pl.lit(value=True).first(),
        )
        .rename({"close_price": "p", "haircut": "h"})
        .collect()
    )


def _split_change(both: pl.DataFrame) -> pl.DataFrame:
    zero = pl.lit(0).cast(VALUE)

    def known(name: str, *, after: bool) -> pl.Expr:
        """Value of one side, or of the other where the instrument is absent."""
        own, other = (f"{name}_1", name) if after else (name, f"{name}_1")
        mark = "there_1" if after else "there"
        absent = pl.col(mark).is_null()
        if name == "q":
            return pl.when(absent).then(zero).otherwise(pl.col(own))
        return pl.when(absent).then(pl.col(other)).otherwise(pl.col(own))

    q0, q1 = known("q", after=False), known("q", after=True)
    p0, p1 = known("p", after=False), known("p", after=True)
    h0, h1 = known("h", after=False), known("h", after=True)

    def worth(q: pl.Expr, p: pl.Expr, h: pl.Expr) -> pl.Expr:
        lent = (pl.lit(1).cast(RATE) - h).cast(VALUE)
        value = ((q * p).cast(VALUE) * lent).cast(VALUE)
        return pl.when(q == 0).then(zero).otherwise(value)

    old, dearer = worth(q0, p0, h0), worth(q0, p1, h0)
    rated, new = worth(q0, p1, h1), worth(q1, p1, h1)
    return both.with_columns(
        old.alias("collateral_before"),
        (dearer - old).cast(VALUE).alias("price_effect"),
        (rated - dearer).cast(VALUE).alias("rate_effect"),
        (new - rated).cast(VALUE).alias("quantity_effect"),
        new.alias("collateral_after"),
    )
