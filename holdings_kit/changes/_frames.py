"""The frames of a comparison: what goes in beside holdings, and what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.schema import INSTANT, MONEY, RATE, VALUE

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKETS: Final = ("settled_quantity", "t1_quantity", "pledged_quantity")
"""Disjoint: they add up to what is owned."""
QUANTITIES: Final = (*BUCKETS, "used_quantity", "position_quantity", "owned_quantity")

MOVES: Final = pl.Schema({"person_id": pl.String(), "account_id": pl.String()})
"""Who owns which account."""

_PAIRED: Final = {
    **dict.fromkeys(QUANTITIES, MONEY),  # owned: with today's trades
    "price": MONEY,  # last traded, else previous close, else from `prices`
    "price_basis": pl.String(),  # ltp | close | price
    "close_price": MONEY,
    "average_price": MONEY,
    "cost_value": VALUE,  # sum of owned x average, null if one average is unknown
    "haircut": RATE,
}

CHANGES: Final = pl.Schema(
    {
        "account_id": pl.String(),
        "instrument_id": pl.String(),  # after, where held after; else before
        "instrument_id_before": pl.String(),
        "symbol": pl.String(),
        "symbol_before": pl.String(),
        "cause": pl.String(),
        "confidence": pl.Float64(),  # in [0, 1]: how often such a row is right
        "evidence": pl.String(),
        # everything that happened, main cause first; quantity null where none moved
        "parts": pl.List(pl.Struct({"cause": pl.String(), "quantity": MONEY})),
        "snapshot_at_before": INSTANT,
        "snapshot_at_after": INSTANT,
        **{
            f"{column}_{side}": dtype
            for column, dtype in _PAIRED.items()
            for side in ("before", "after")
        },
        "ratio": pl.String(),  # of the corporate action, as in ACTIONS
        "adjusted_quantity": MONEY,  # owned before, in shares of after
        "action_quantity": MONEY,  # came (+) or went (-) by an action, see below
        "traded_quantity": MONEY,  # net: bought - sold
        "transferred_quantity": MONEY,  # in - out, received without payment
        # owned after = adjusted + action + traded + transferred
        "related_instrument_id": pl.String(),  # the other line of the action
        "action_value": VALUE,  # value that came from or went to other lines, or cash
        "action_cost_value": VALUE,  # cost that came from or went to other lines
        "paid_value": VALUE,  # cash paid (+) or received (-) in the action
        # dividends of the actions table, null where the units at the ex-date are not
        # known: cash beside the holdings, in no effect of a bridge
        "income_value": VALUE,
        "transfer_account_id": pl.String(),  # the person's other account
        "transfer_price": MONEY,  # the sending account's price before
        "transfer_average_price": MONEY,  # the sending account's average before
        "pnl_reliable": pl.Boolean(),  # false while quantity and average disagree
    }
)


def with_rare(
    rows: pl.DataFrame,
    where: pl.Expr,
    columns: Mapping[str, tuple[pl.Expr, pl.Expr]],
) -> pl.DataFrame:
    """Add columns by one expression in the few rows of `where`, by another elsewhere.

    `when` asks both of every row; the first, which costs more, is asked of few here.
    Both are of one type.
    """
    usual = rows.with_columns(**{name: expr for name, (_, expr) in columns.items()})
    holds = rows.select(where.fill_null(value=False)).to_series()
    if not holds.any():
        return usual
    some = rows.filter(holds)
    rare = some.with_columns(**{name: expr for name, (expr, _) in columns.items()})
    place = holds.arg_true()
    return usual.with_columns(
        usual[name].scatter(place, rare[name]) for name in columns
    )
