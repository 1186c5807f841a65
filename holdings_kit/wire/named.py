"""Who each holding is: its ISIN, else its first listing, else its own place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.identity import asset_class, isin_ok
from holdings_kit.schema import EXCHANGES
from holdings_kit.wire.rows import NOTICE

if TYPE_CHECKING:
    from holdings_kit.wire.keyed import Facts

__all__ = ["basket_ids", "named"]

_LISTED: Final = ("exchange", "token", "symbol")
_KEY: Final = ("doc", "holding_no")
_ROW: Final = pl.col("doc") * 2**28 + pl.col("holding_no")
"""One number for a holding: a line has no room for 2²⁸ of them."""


def named(facts: Facts) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Name each holding by its ISIN, else by its first listing; with the remarks.

    Gives the holdings with `isin`, `instrument_id`, `asset_class` and the first
    listing, and notices (`NOTICE`).
    """
    first, conflicts = _first_listings(facts.listings)
    holdings = _side_by_side(facts.holdings.drop(_LISTED), first).with_columns(
        isin=pl.coalesce("isin", "listed_isin")
    )
    codes = holdings.select(pl.col("isin").unique()).drop_nulls()
    known = codes.with_columns(valid=isin_ok("isin"), derived=asset_class("isin"))
    holdings = holdings.join(
        known, on="isin", how="left", maintain_order="left"
    ).with_columns(
        instrument_id=pl.when("valid")
        .then("isin")
        .otherwise(pl.format("{}:{}", "exchange", "symbol")),
        asset_class=pl.coalesce("asset_class", pl.when("valid").then("derived")),
    )
    nameless = holdings["instrument_id"].is_null()
    if nameless.any():
        # as good a name as any, and the same however many documents are read at once
        holder = facts.documents.select("doc", "account_id")
        own = pl.format(
            "UNIDENTIFIED:{}:{}", pl.col("account_id").fill_null(""), "holding_no"
        )
        holdings = holdings.join(
            holder, on="doc", how="left", maintain_order="left"
        ).with_columns(instrument_id=pl.coalesce("instrument_id", own))
    marks = (
        ("isin_check_digit", ~holdings["valid"], pl.col("isin")),
        ("unidentified", nameless, pl.col("name")),
    )
    label = pl.format(" ({})", pl.coalesce("symbol", "name", "isin"))
    pointer = pl.concat_str(pl.format("holding {}", "holding_no"), label.fill_null(""))
    said = [
        holdings.filter(where).select(
            "doc", kind=pl.lit(kind), pointer=pointer, value=value
        )
        if where.any()
        else pl.DataFrame(schema=NOTICE)
        for kind, where, value in marks
    ]
    clash = pl.DataFrame(schema=NOTICE)
    if conflicts.height:
        both = conflicts.join(holdings, on=_KEY, how="left", maintain_order="left")
        clash = both.select(
            "doc", kind=pl.lit("isin_conflict"), pointer=pointer, value="isins"
        )
    return holdings, pl.concat([said[0], clash, said[1]])


def basket_ids(baskets: pl.DataFrame, listings: pl.DataFrame) -> pl.DataFrame:
    """Name a constituent by the ISIN its own payload gives the ticker, else NSE:…."""
    if baskets.is_empty():
        return baskets.with_columns(instrument_id=pl.lit(None, pl.String()))
    known = _tickers(baskets, listings)
    return baskets.join(
        known, on=["doc", "symbol"], how="left", maintain_order="left"
    ).with_columns(instrument_id=pl.coalesce("known", pl.format("NSE:{}", "symbol")))


def _tickers(baskets: pl.DataFrame, listings: pl.DataFrame) -> pl.DataFrame:
    asked = baskets.select("doc", "symbol").unique()
    return (
        listings.filter(
            pl.col("doc").is_in(asked["doc"].unique().implode()),
            pl.col("exchange").is_in(["NSE", "BSE"]),
        )
        .join(asked, on=["doc", "symbol"], how="semi")
        .filter(isin_ok("isin"))
        .group_by("doc", "symbol")
        .agg(pl.col("isin").unique())
        .filter(pl.col("isin").list.len() == 1)
        .select("doc", "symbol", known=pl.col("isin").list.first())
    )


def _side_by_side(holdings: pl.DataFrame, first: pl.DataFrame) -> pl.DataFrame:
    """Put the first listing of each holding beside it."""
    if first.select(_KEY).equals(holdings.select(_KEY)):
        return pl.concat([holdings, first.drop(_KEY)], how="horizontal")
    return holdings.join(first, on=_KEY, how="left", maintain_order="left")


def _first_listings(listings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give each holding its first listing in `EXCHANGES` order, and its ISIN clashes.

    Listings come by document and holding, so those of one holding are neighbours.
    """
    order = pl.col("exchange").replace_strict(
        list(EXCHANGES), list(range(len(EXCHANGES))), default=len(EXCHANGES)
    )
    ordered = listings.with_columns(_row=_ROW, _place=_ROW * 8 + order)
    if not ordered["_place"].is_sorted():
        ordered = ordered.sort("_place", maintain_order=True)
    new = (pl.col("_row") != pl.col("_row").shift(1)).fill_null(value=True)
    with_isin = ordered.filter(pl.col("isin").is_not_null())
    isins = with_isin.filter(new).select(*_KEY, listed_isin="isin")
    first = ordered.filter(new).select(*_KEY, *_LISTED)
    clash = with_isin.filter(~new & (pl.col("isin") != pl.col("isin").shift(1)))
    conflicts = (
        with_isin.join(clash.select(_KEY), on=_KEY, how="semi", maintain_order="left")
        .group_by(_KEY, maintain_order=True)
        .agg(isins=pl.col("isin").unique(maintain_order=True).str.join(" "))
    )
    return _side_by_side(first, isins), conflicts
