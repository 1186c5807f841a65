"""The frames that questions about all accounts answer with."""

from __future__ import annotations

from typing import Final

import polars as pl

from holdings_kit.schema import INSTANT, VALUE

__all__ = [
    "ACCOUNTS",
    "ACTIVITY",
    "COVERAGE",
    "DISTRIBUTION",
    "EXPOSURE",
    "MARGIN_STRESS",
]

ACCOUNTS: Final = pl.Schema(
    {
        "account_id": pl.String(),
        "positions_count": pl.Int64(),
        "unpriced_count": pl.Int64(),
        "uncosted_count": pl.Int64(),
        "cost_value": VALUE,
        "market_value": VALUE,
        "unrealized_pnl": VALUE,  # of the positions with both price and cost
        "return": pl.Float64(),
        "hhi": pl.Float64(),
        "top_1_share": pl.Float64(),
        "collateral_value": VALUE,  # of what is pledged; null when none is known
        "uncollateral_count": pl.Int64(),  # holdings whose collateral is unknown
    }
)
DISTRIBUTION: Final = pl.Schema(
    {
        "measure": pl.String(),
        "lower": pl.Float64(),  # inclusive; null at the open end and for unknown
        "upper": pl.Float64(),  # exclusive
        "accounts_count": pl.Int64(),
        "known": pl.Boolean(),  # false: the accounts whose measure is unknown
    }
)
MARGIN_STRESS: Final = pl.Schema(
    {
        "haircut_add": pl.Float64(),  # a fraction, added to every haircut
        "accounts_count": pl.Int64(),  # that use margin
        "short_count": pl.Int64(),
        "shortfall_value": VALUE,  # summed over the accounts that are short
        "unknown_count": pl.Int64(),  # accounts with a holding of unknown collateral
    }
)
EXPOSURE: Final = pl.Schema(
    {
        "accounts_count": pl.Int64(),
        "owned_quantity": pl.Decimal(38, 4),
        "pledged_quantity": pl.Decimal(38, 4),  # where it is known
        "pledged_unknown_count": pl.Int64(),
        "cost_value": VALUE,
        "market_value": VALUE,
        "unpriced_count": pl.Int64(),
    }
)
ACTIVITY: Final = pl.Schema(
    {
        "before_at": INSTANT,
        "after_at": INSTANT,
        "cause": pl.String(),
        "lines_count": pl.Int64(),  # accounts × instruments
        "accounts_count": pl.Int64(),
    }
)
COVERAGE: Final = pl.Schema(
    {
        "accounts_count": pl.Int64(),
        "quarantined_count": pl.Int64(),  # snapshots
        "holdings_count": pl.Int64(),
        "identified_count": pl.Int64(),  # with an ISIN that verifies
        "priced_count": pl.Int64(),  # last price or close in the payload
        "costed_count": pl.Int64(),
        "haircut_count": pl.Int64(),
        "unreconciled_count": pl.Int64(),  # the source's own identity fails
    }
)
