"""The invented books and prices that the tools are timed on."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from holdings_kit.schema import HOLDINGS

__all__ = ["book", "closes"]


def book(rows: int) -> pl.DataFrame:
    """One account of invented holdings: prices, haircuts, two asset classes."""
    no = pl.int_range(rows, eager=True)
    given = pl.select(
        snapshot_id=pl.lit("s"),
        account_id=pl.lit("A"),
        holding_no=no,
        instrument_id=pl.format("NSE:S{}", no),
        symbol=pl.format("S{}", no),
        asset_class=pl.when(no % 5 == 0)
        .then(pl.lit("etf"))
        .otherwise(pl.lit("equity")),
        settled_quantity=10 + no % 90,
        t1_quantity=pl.lit(0),
        pledged_quantity=pl.lit(0),
        owned_quantity=10 + no % 90,
        average_price=80 + no % 30,
        close_price=70 + no % 60,
        haircut=0.1 + (no % 20) / 100,
    )
    return given.select(
        (pl.col(name) if name in given.columns else pl.lit(None))
        .cast(dtype)
        .alias(name)
        for name, dtype in HOLDINGS.items()
    )


def closes(names: int, days: int) -> pl.DataFrame:
    """Closes of so many invented names, each wilder than the one before."""
    draw, start = np.random.default_rng(5), date(2023, 1, 2)
    return pl.concat(
        pl.DataFrame(
            {
                "instrument_id": f"N{name}",
                "date": [start + timedelta(days=day) for day in range(days)],
                "close": 100
                * np.exp(np.cumsum(0.006 * (name + 1) * draw.standard_t(4, days))),
            }
        )
        for name in range(names)
    )
