"""Shares that left one account of a person and arrived in another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.changes._frames import MOVES
from holdings_kit.errors import ConfigError
from holdings_kit.schema import MONEY, conform

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

__all__ = ["read_moves", "with_transfers"]

_DELTA: Final = (
    pl.col("owned_quantity_after") - pl.col("_grown") + pl.col("_fraction")
).cast(MONEY)

_SENT: Final = {
    "transfer_price": MONEY,
    "transfer_average_price": MONEY,
    "_transfer_confidence": pl.Float64(),
    "transfer_account_id": pl.String(),
    "_other_accounts": pl.String(),  # of shares that went to several, all of them
}


def read_moves(moves: pl.DataFrame | pl.LazyFrame | None) -> pl.LazyFrame | None:
    """Check the table of who owns which account.

    Raises
    ------
    FrameError
        A column of `MOVES` is missing or of another type.
    ConfigError
        One account is given to two persons.
    """
    if moves is None:
        return None
    table = (
        conform(moves.lazy(), MOVES, name="moves")
        .select(MOVES.names())
        .unique()
        .collect()
    )
    twice = table.filter(pl.col("account_id").is_duplicated())
    if twice.height:
        raise ConfigError(
            f"moves: account {twice['account_id'][0]!r} belongs to two persons; "
            "an account has one owner"
        )
    return table.lazy()


def _pair_transfers(
    rows: pl.LazyFrame,
    keys: Sequence[str],
    moves: pl.LazyFrame,
    *,
    window: timedelta,
    tolerance: float,
) -> pl.LazyFrame:
    """Match departures with arrivals: person, instrument, quantity, average.

    What left one account may have arrived in several, each of which got it whole.
    """
    num, den = pl.col("_num"), pl.col("_den")
    acted = num != den
    average = pl.when(pl.col("_moved_cost"))
    average = average.then(pl.col("_base_cost") / pl.col("_base_quantity"))
    average = average.otherwise("average_price_before").cast(MONEY)
    # an action that multiplied the shares divided what each had cost
    restated = pl.when(acted).then((average * den / num).cast(MONEY)).otherwise(average)
    price = pl.col("price_before")
    owned = rows.filter(_DELTA != 0).join(moves, on="account_id")
    columns = [*keys, "person_id", "instrument_id"]
    out = owned.filter(_DELTA < 0).select(
        *columns,
        _sent=-_DELTA,
        _at=pl.col("snapshot_at_after"),
        _price=pl.when(acted).then((price * den / num).cast(MONEY)).otherwise(price),
        _average=pl.when("_late").then(average).otherwise(restated),
        _other_average=pl.when("_late").then(restated).otherwise(average),
    )
    quantity = pl.col("owned_quantity_before") + pl.col("owned_quantity_after")
    paid = pl.col("cost_value_after") - pl.col("cost_value_before")
    low = pl.min_horizontal("price_before", "price_after").cast(pl.Float64())
    high = pl.max_horizontal("price_before", "price_after").cast(pl.Float64())
    into = owned.filter(_DELTA > 0).select(
        *columns,
        _came=_DELTA,
        _at=pl.col("snapshot_at_after"),
        _paid=paid.cast(pl.Float64()),
        _slack=quantity.cast(pl.Float64()) * tolerance,
        _low=low * 0.8,
        _high=high * 1.25,
    )
    on = ["person_id", "instrument_id"]
    apart = (pl.col("_at_in") - pl.col("_at")).abs()
    moved = pl.min_horizontal("_sent", "_came_in").cast(MONEY)
    right = into.rename({c: f"{c}_in" for c in into.collect_schema() if c not in on})
    both = out.join(right, on=on).with_columns(_moved=moved)
    units = pl.col("_moved").cast(pl.Float64())
    rests = [
        pl.col("_paid_in") - units * pl.col(name).cast(pl.Float64())
        for name in ("_average", "_other_average")
    ]
    # one of two brokers may have restated the average before the other
    rest = pl.when(rests[0].abs() <= rests[1].abs()).then(rests[0]).otherwise(rests[1])
    more = (pl.col("_came_in") - pl.col("_moved")).cast(pl.Float64())
    whole = pl.col("_came_in") == pl.col("_moved")
    # what arrived costs what it cost where it left, the rest what the market asked
    same = (
        pl.when(whole)
        .then(rest.abs() <= pl.col("_slack_in"))
        .otherwise((rest / more).is_between(pl.col("_low_in"), pl.col("_high_in")))
        .fill_null(value=False)
    )
    unknown = pl.col("_paid_in").is_null() | pl.col("_average").is_null()
    equal = pl.col("_sent") == pl.col("_came_in")
    found = (
        both.filter(
            (pl.col("account_id") != pl.col("account_id_in"))
            & (apart <= window).fill_null(value=True)
            & (same | unknown)
        )
        .with_columns(
            _transfer_confidence=pl.when(same & whole)
            .then(pl.when(equal).then(0.95).otherwise(0.9))
            .when(same)
            .then(0.8)
            .when(equal)
            .then(0.85)
            .otherwise(0.75)
        )
        .sort(
            "_transfer_confidence",
            equal,
            apart,
            *keys,
            descending=[True, True, False, *[False] * len(keys)],
        )
        .unique(
            [*(f"{k}_in" for k in keys), "instrument_id"],
            keep="first",
            maintain_order=True,
        )
        .with_columns(
            _sure=same & whole,
            _no=pl.int_range(pl.len()).over(*keys, "instrument_id"),
            _sum=pl.col("_moved").cum_sum().over(*keys, "instrument_id"),
        )
        .filter(
            (pl.col("_no") == 0)
            | (pl.col("_sure") & (pl.col("_sum") <= pl.col("_sent")))
        )
    )
    shared = [
        pl.col("_price").alias("transfer_price"),
        pl.col("_average").alias("transfer_average_price"),
        pl.col("_transfer_confidence"),
    ]
    leaving = found.group_by(*keys, "instrument_id", maintain_order=True).agg(
        *(one.first() for one in shared),
        transferred_quantity=(-pl.col("_moved").sum()).cast(MONEY),
        transfer_account_id=pl.col("account_id_in").first(),
        _other_accounts=pl.col("account_id_in").str.join(", "),
    )
    arriving = found.select(
        *(pl.col(f"{k}_in").alias(k) for k in keys),
        "instrument_id",
        *shared,
        transferred_quantity=pl.col("_moved").cast(MONEY),
        transfer_account_id=pl.col("account_id"),
        _other_accounts=pl.col("account_id"),
    )
    return pl.concat([leaving, arriving])


def with_transfers(
    rows: pl.DataFrame,
    keys: Sequence[str],
    moves: pl.LazyFrame | None,
    *,
    window: timedelta,
    tolerance: float,
) -> pl.DataFrame:
    """Add what each row sent to, or got from, another account of the same person."""
    if moves is None:
        nothing = [pl.lit(None, dtype).alias(c) for c, dtype in _SENT.items()]
        return rows.with_columns(nothing, transferred_quantity=pl.lit(0, MONEY))
    pairs = _pair_transfers(
        rows.lazy(), keys, moves, window=window, tolerance=tolerance
    )
    on = [*keys, "instrument_id"]
    joined = rows.lazy().join(pairs, on=on, how="left").collect()
    return joined.with_columns(
        pl.col("transferred_quantity").fill_null(pl.lit(0, MONEY))
    )
