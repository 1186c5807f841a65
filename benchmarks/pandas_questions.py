"""The questions about a store as pandas answers them, in float64, all rows at once.

Plain sums and differences: what is unknown is NaN, and a sum leaves it out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Table: TypeAlias = Any  # a frame of pandas, whose types say little
_FIRST: Final = "2026-01-05"
_LAST: Final = "2026-01-06"
_KEYS: Final = ["account_id", "instrument_id"]
_QUANTITIES: Final = [
    "settled_quantity",
    "t1_quantity",
    "pledged_quantity",
    "owned_quantity",
]
_PRICES: Final = ["average_price", "last_price", "close_price"]


def consolidate(store: str) -> str:
    """Net the last day into positions: quantities, cost, value, P&L."""
    rows = _read(store, _LAST, [*_KEYS, "isin", "symbol"], [*_QUANTITIES, *_PRICES])
    rows["cost_value"] = rows.owned_quantity * rows.average_price
    grouped = rows.groupby(_KEYS, sort=False)
    sums = grouped[[*_QUANTITIES, "cost_value"]].sum()
    sums[["isin", "symbol"]] = grouped[["isin", "symbol"]].first()
    price = rows.last_price.fillna(rows.close_price).groupby(rows.instrument_id).last()
    positions = sums.reset_index().join(price.rename("price"), on="instrument_id")
    positions["market_value"] = positions.owned_quantity * positions.price
    positions["unrealized_pnl"] = positions.market_value - positions.cost_value
    return _kept(positions, store)


def value(store: str) -> str:
    """Sum each account: cost, value, collateral of what is pledged."""
    facts = [*_PRICES, "owned_quantity", "pledged_quantity", "haircut"]
    rows = _read(store, _LAST, ["account_id"], facts)
    rows["cost_value"] = rows.owned_quantity * rows.average_price
    rows["market_value"] = rows.owned_quantity * rows.last_price
    rows["collateral"] = rows.pledged_quantity * rows.close_price * (1 - rows.haircut)
    columns = ["cost_value", "market_value", "collateral"]
    sums = rows.groupby("account_id", sort=False)[columns].sum()
    return _kept(sums.reset_index(), store)


def compare(store: str) -> str:
    """Join two days outside and subtract."""
    facts = [*_QUANTITIES, "average_price", "close_price", "haircut"]
    before, after = (_read(store, day, _KEYS, facts) for day in (_FIRST, _LAST))
    lines = before.merge(after, on=_KEYS, how="outer", suffixes=("_before", "_after"))
    for fact in facts:
        lines[f"{fact}_change"] = lines[f"{fact}_after"] - lines[f"{fact}_before"]
    lines["market_value"] = lines.owned_quantity_after * lines.close_price_after
    return _kept(lines, store)


def _read(store: str, day: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    import pandas as pd

    files = Path(store).glob(f"holdings/snapshot_date={day}/*/*.parquet")
    columns = [*texts, *numbers]
    parts = [pd.read_parquet(file, columns=columns) for file in files]
    return pd.concat(parts, ignore_index=True).astype(dict.fromkeys(numbers, float))


def _kept(answer: Table, store: str) -> str:
    out = Path(f"{store}-pandas.parquet")
    answer.to_parquet(out)
    out.unlink()
    return f"{len(answer):,} rows, market_value {answer.market_value.sum():.0f}"
