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

_DELTA: Final = pl.col("owned_quantity_after") - pl.col("adjusted_quantity")

_SENT: Final = {
    "transfer_price": MONEY,
    "transfer_average_price": MONEY,
    "_transfer_confidence": pl.Float64(),
    "transfer_account_id": pl.String(),
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


def _pairs(
    rows: pl.LazyFrame,
    keys: Sequence[str],
    moves: pl.LazyFrame,
    *,
    window: timedelta,
    tolerance: float,
) -> pl.LazyFrame:
    """Match each departure with one arrival: person, instrument, quantity, average."""
    owned = rows.filter(_DELTA != 0).join(moves, on="account_id")
    columns = [*keys, "person_id", "instrument_id"]
    out = owned.filter(_DELTA < 0).select(
        *columns,
        _moved=-_DELTA,
        _at=pl.col("snapshot_at_after"),
        _price=pl.col("price_before"),
        _average=pl.col("average_price_before"),
    )
    quantity = pl.col("owned_quantity_before") + pl.col("owned_quantity_after")
    paid = pl.col("cost_value_after") - pl.col("cost_value_before")
    into = owned.filter(_DELTA > 0).select(
        *columns,
        _moved=_DELTA,
        _at=pl.col("snapshot_at_after"),
        _implied=paid.cast(pl.Float64()) / _DELTA.cast(pl.Float64()),
        _slack=quantity.cast(pl.Float64()) * tolerance / _DELTA.cast(pl.Float64()),
    )
    on = ["person_id", "instrument_id", "_moved"]
    apart = (pl.col("_at_in") - pl.col("_at")).abs()
    gap = (pl.col("_implied_in") - pl.col("_average").cast(pl.Float64())).abs()
    same = (gap <= pl.col("_slack_in")).fill_null(value=False)
    unknown = gap.is_null()
    right = into.rename({c: f"{c}_in" for c in into.collect_schema() if c not in on})
    found = (
        out.join(right, on=on)
        .filter(
            (pl.col("account_id") != pl.col("account_id_in"))
            & (apart <= window).fill_null(value=True)
            & (same | unknown)
        )
        .with_columns(_transfer_confidence=pl.when(same).then(0.9).otherwise(0.7))
        .sort(
            "_transfer_confidence",
            apart,
            *keys,
            descending=[True, False, *[False] * len(keys)],
        )
        .unique([*keys, "instrument_id"], keep="first", maintain_order=True)
        .unique(
            [*(f"{k}_in" for k in keys), "instrument_id"],
            keep="first",
            maintain_order=True,
        )
    )
    shared = [
        pl.col("_price").alias("transfer_price"),
        pl.col("_average").alias("transfer_average_price"),
        pl.col("_transfer_confidence"),
    ]
    leaving = found.select(
        *keys,
        "instrument_id",
        *shared,
        transferred_quantity=(-pl.col("_moved")).cast(MONEY),
        transfer_account_id=pl.col("account_id_in"),
    )
    arriving = found.select(
        *(pl.col(f"{k}_in").alias(k) for k in keys),
        "instrument_id",
        *shared,
        transferred_quantity=pl.col("_moved").cast(MONEY),
        transfer_account_id=pl.col("account_id"),
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
    pairs = _pairs(rows.lazy(), keys, moves, window=window, tolerance=tolerance)
    on = [*keys, "instrument_id"]
    joined = rows.lazy().join(pairs, on=on, how="left").collect()
    return joined.with_columns(
        pl.col("transferred_quantity").fill_null(pl.lit(0, MONEY))
    )
