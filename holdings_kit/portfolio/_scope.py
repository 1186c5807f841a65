"""What of an account a snapshot speaks for: its securities, its funds, or both."""

from __future__ import annotations

from typing import Final

import polars as pl

from holdings_kit.schema import is_fund

SCOPES: Final = {False: "securities", True: "funds"}
"""The two parts that are asked for apart, by whether a row `is_fund`."""

_KEY: Final = ["account_id", "snapshot_id"]


def has_parts(holdings: pl.DataFrame, snapshots: pl.DataFrame | None) -> bool:
    """Tell whether the parts must be looked at apart: mostly there are no funds."""
    if holdings.select(is_fund().any()).item():
        return True
    return snapshots is not None and bool((snapshots["scope"] == "funds").any())


def list_parts(holdings: pl.DataFrame, snapshots: pl.DataFrame | None) -> pl.DataFrame:
    """List the parts that each snapshot speaks for.

    A part counts where it was asked for or has rows. Where nobody knows what was asked
    for, a part without rows may be missing, unless the snapshot has no row at all.

    Returns
    -------
    pl.DataFrame
        `account_id`, `snapshot_id`, `fund`: one row per snapshot and part.
    """
    there = holdings.select(*_KEY, fund=is_fund()).unique()
    if snapshots is None:
        return there
    asked = [
        snapshots.filter(asks_for(fund=fund)).select(*_KEY, fund=pl.lit(fund))
        for fund in SCOPES
    ]
    bare = snapshots.filter(pl.col("scope").is_null()).join(
        there, on=_KEY, how="anti", nulls_equal=True
    )
    both = [bare.select(*_KEY, fund=pl.lit(fund)) for fund in SCOPES]
    return pl.concat([there, *asked, *both]).unique()


def list_answered(
    holdings: pl.DataFrame, snapshots: pl.DataFrame, *, fund: bool
) -> pl.DataFrame:
    """List the snapshots that surely answered for a part, whatever rows it has.

    It was asked for, and the other part has rows: this is no empty fetch.
    """
    other = holdings.filter(is_fund() != fund).select(_KEY).unique()
    asked = snapshots.filter(asks_for(fund=fund)).select(_KEY).unique()
    return asked.join(other, on=_KEY, how="semi")


def asks_for(*, fund: bool) -> pl.Expr:
    """Tell whether the scope of a snapshot surely names a part."""
    asked = pl.col("scope").is_in([SCOPES[fund], "securities+funds"])
    # an Arrow reply is one list, whatever a master calls its instruments
    whole = pl.col("source").eq_missing("arrow")
    return asked.fill_null(value=False) | whole
