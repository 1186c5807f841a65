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

_DELTA: Final = (
    pl.col("owned_quantity_after") - pl.col("_grown") + pl.col("_fraction")
).cast(MONEY)

_ON: Final = ["person_id", "instrument_id"]
_WHOLE: Final = pl.col("_came_in") == pl.col("_moved")
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


def _list_departures(owned: pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
    """List what left an account, at which price and average."""
    num, den = pl.col("_num"), pl.col("_den")
    acted = pl.when(num != den)
    average = pl.when(pl.col("_moved_cost"))
    average = average.then(pl.col("_base_cost") / pl.col("_base_quantity"))
    average = average.otherwise("average_price_before").cast(MONEY)
    # an action that multiplied the shares divided what each had cost
    restated = acted.then((average * den / num).cast(MONEY)).otherwise(average)
    price = pl.col("price_before")
    late = pl.when("_late")
    return owned.filter(_DELTA < 0).select(
        *columns,
        _sent=-_DELTA,
        _at="snapshot_at_after",
        transfer_price=acted.then((price * den / num).cast(MONEY)).otherwise(price),
        transfer_average_price=late.then(average).otherwise(restated),
        _other_average=late.then(restated).otherwise(average),
    )


def _list_arrivals(
    owned: pl.LazyFrame, columns: Sequence[str], tolerance: float
) -> pl.LazyFrame:
    """List what came into an account, what it cost, and what the market asked."""
    quantity = pl.col("owned_quantity_before") + pl.col("owned_quantity_after")
    paid = pl.col("cost_value_after") - pl.col("cost_value_before")
    low = pl.min_horizontal("price_before", "price_after").cast(pl.Float64())
    high = pl.max_horizontal("price_before", "price_after").cast(pl.Float64())
    came = owned.filter(_DELTA > 0).select(
        *columns,
        _came=_DELTA,
        _at="snapshot_at_after",
        _paid=paid.cast(pl.Float64()),
        _slack=quantity.cast(pl.Float64()) * tolerance,
        _low=low * 0.8,
        _high=high * 1.25,
    )
    own = [name for name in came.collect_schema() if name not in _ON]
    return came.rename({name: f"{name}_in" for name in own})


def _costs_the_same() -> pl.Expr:
    """Tell an arrival that costs what it cost where it left.

    If more came, the rest is to cost what the market asked.
    """
    units = pl.col("_moved").cast(pl.Float64())
    rests = [
        pl.col("_paid_in") - units * pl.col(name).cast(pl.Float64())
        for name in ("transfer_average_price", "_other_average")
    ]
    # one of two brokers may have restated the average before the other
    rest = pl.when(rests[0].abs() <= rests[1].abs()).then(rests[0]).otherwise(rests[1])
    more = (pl.col("_came_in") - pl.col("_moved")).cast(pl.Float64())
    return (
        pl.when(_WHOLE)
        .then(rest.abs() <= pl.col("_slack_in"))
        .otherwise((rest / more).is_between(pl.col("_low_in"), pl.col("_high_in")))
        .fill_null(value=False)
    )


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
    owned = rows.filter(_DELTA != 0).join(moves, on="account_id")
    columns = [*keys, *_ON]
    into = _list_arrivals(owned, columns, tolerance)
    line = [*keys, "instrument_id"]
    apart = (pl.col("_at_in") - pl.col("_at")).abs()
    average, paid = pl.col("transfer_average_price"), pl.col("_paid_in")
    equal = pl.col("_sent") == pl.col("_came_in")
    same, known = pl.col("_same"), average.is_not_null() & paid.is_not_null()
    found = (
        _list_departures(owned, columns)
        .join(into, on=_ON)
        .with_columns(_moved=pl.min_horizontal("_sent", "_came_in").cast(MONEY))
        .with_columns(_same=_costs_the_same())
        .filter(
            pl.col("account_id") != pl.col("account_id_in"),
            (apart <= window).fill_null(value=True),
            same | ~known,
        )
        .with_columns(
            _transfer_confidence=pl.when(same & _WHOLE)
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
            _no=pl.int_range(pl.len()).over(line),
            _sum=pl.col("_moved").cum_sum().over(line),
        )
        .filter(
            (pl.col("_no") == 0) | (same & _WHOLE & (pl.col("_sum") <= pl.col("_sent")))
        )
    )
    shared = ["transfer_price", "transfer_average_price", "_transfer_confidence"]
    leaving = found.group_by(line, maintain_order=True).agg(
        pl.col(shared).first(),
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
