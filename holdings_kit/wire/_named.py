"""Who each holding is: its ISIN, else its first listing, else its own place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.schema import EXCHANGES
from holdings_kit.wire._isin import asset_class, isin_ok
from holdings_kit.wire._rows import ROW

if TYPE_CHECKING:
    from holdings_kit.wire._keyed import Facts

__all__ = ["identify_holdings"]

_LISTED: Final = ("exchange", "token", "symbol")
_KEY: Final = ("doc", "holding_no")


def identify_holdings(facts: Facts) -> Facts:
    """Name each holding by its ISIN, else by its first listing; with the remarks.

    Fills the holdings' `isin`, `instrument_id`, `asset_class` and first listing, gives
    the baskets their `instrument_id`, and adds notices.
    """
    first, conflicts = _pick_first_listings(facts.listings)
    holdings = _join_rows(facts.holdings.drop(_LISTED), first).with_columns(
        isin=pl.coalesce("isin", "listed_isin")
    )
    codes = holdings.select(pl.col("isin").unique().drop_nulls())
    known = codes.filter(isin_ok()).select(
        "isin", verified="isin", derived=asset_class()
    )
    holdings = holdings.join(
        known, on="isin", how="left", maintain_order="left"
    ).with_columns(
        instrument_id="verified", asset_class=pl.coalesce("asset_class", "derived")
    )
    if holdings["verified"].null_count():
        # its own place is as good a name as any, and the same whatever else is read
        at = facts.documents.select("doc", "account_id")
        own = pl.format(
            "UNIDENTIFIED:{}:{}", pl.col("account_id").fill_null(""), "holding_no"
        )
        listed = pl.format("{}:{}", "exchange", "symbol")
        holdings = holdings.join(
            at, on="doc", how="left", maintain_order="left"
        ).with_columns(instrument_id=pl.coalesce("instrument_id", listed, own))
    said = _report_identities(holdings, conflicts)
    return facts._replace(
        holdings=holdings,
        baskets=_read_constituents(facts.baskets, facts.listings, known),
        notices=pl.concat([facts.notices, *said]),
    )


def _report_identities(
    holdings: pl.DataFrame, conflicts: pl.DataFrame
) -> list[pl.DataFrame]:
    """Remark on ISINs that do not verify, on two for one holding, and on none."""
    if not holdings["verified"].null_count() and conflicts.is_empty():
        return []
    label = pl.format(" ({})", pl.coalesce("symbol", "name", "isin"))
    pointer = pl.concat_str(pl.format("holding {}", "holding_no"), label.fill_null(""))
    odd = holdings.filter(pl.col("verified").is_null())
    both = conflicts.join(holdings, on=_KEY, how="left", maintain_order="left")
    nameless = pl.col("symbol").is_null() | pl.col("exchange").is_null()
    return [
        frame.select("doc", kind=pl.lit(kind), pointer=pointer, value=value)
        for kind, frame, value in (
            ("isin_check_digit", odd.filter(pl.col("isin").is_not_null()), "isin"),
            ("isin_conflict", both, "isins"),
            ("unidentified", odd.filter(nameless), "name"),
        )
    ]


def _read_constituents(
    baskets: pl.DataFrame, listings: pl.DataFrame, valid: pl.DataFrame
) -> pl.DataFrame:
    """Name a constituent by the ISIN its own payload gives the ticker, else NSE:…."""
    if baskets.is_empty():
        return baskets.with_columns(instrument_id=pl.lit(None, pl.String()))
    key = ["doc", "symbol"]
    known = (
        listings.join(baskets, on=key, how="semi")
        .filter(pl.col("exchange").is_in(["NSE", "BSE"]))
        .join(valid, on="isin", how="semi")
        .group_by(key)
        .agg(known=pl.col("isin").first(), count=pl.col("isin").n_unique())
        .filter(pl.col("count") == 1)
    )
    return baskets.join(known, on=key, how="left", maintain_order="left").with_columns(
        instrument_id=pl.coalesce("known", pl.format("NSE:{}", "symbol"))
    )


def _join_rows(holdings: pl.DataFrame, first: pl.DataFrame) -> pl.DataFrame:
    """Put the first listing of each holding beside it."""
    if all(first[name].equals(holdings[name]) for name in _KEY):
        beside = [column for column in first if column.name not in _KEY]
        return holdings.hstack(beside)
    return holdings.join(first, on=_KEY, how="left", maintain_order="left")


def _pick_first_listings(listings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give each holding its first listing in `EXCHANGES` order, and its ISIN clashes.

    Listings come by document and holding, so those of one holding are neighbours.
    """
    order = pl.col("exchange").replace_strict(
        list(EXCHANGES), list(range(len(EXCHANGES))), default=len(EXCHANGES)
    )
    ordered = listings.with_columns(_row=ROW, _place=ROW * 8 + order)
    if not ordered["_place"].is_sorted():
        ordered = ordered.sort("_place", maintain_order=True)
    new = (pl.col("_row") != pl.col("_row").shift(1)).fill_null(value=True)
    with_isin = ordered.filter(pl.col("isin").is_not_null())
    isins = with_isin.filter(new).select(*_KEY, listed_isin="isin")
    first = ordered.filter(new).select(*_KEY, *_LISTED)
    clash = with_isin.filter(~new & (pl.col("isin") != pl.col("isin").shift(1)))
    if clash.is_empty():
        return _join_rows(first, isins), clash.select(*_KEY, isins="isin")
    conflicts = (
        with_isin.join(clash.select(_KEY), on=_KEY, how="semi", maintain_order="left")
        .group_by(_KEY, maintain_order=True)
        .agg(isins=pl.col("isin").unique(maintain_order=True).str.join(" "))
    )
    return _join_rows(first, isins), conflicts
