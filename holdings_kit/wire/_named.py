"""Who each holding is: its ISIN, else its first listing, else its own place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.schema import EXCHANGES, empty
from holdings_kit.wire._isin import has_right_check_digit, name_asset_class
from holdings_kit.wire._rows import ROW, join_documents, run_plan

if TYPE_CHECKING:
    from holdings_kit.wire._keyed import Facts

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
    known = _classify_codes(holdings["isin"])
    if known.height:
        holdings = holdings.join(known, on="isin", how="left", maintain_order="left")
    else:
        nothing = _NO_TEXT.new_from_index(0, holdings.height)
        holdings = holdings.hstack(
            [nothing.alias("verified"), nothing.alias("derived")]
        )
    if holdings["verified"].null_count():
        # its own place is as good a name as any, and the same whatever else is read
        at = facts.documents.select("doc", "account_id")
        holdings = join_documents(holdings, at)
        name = _OTHER_NAMES
    else:
        name = _VERIFIED
    holdings = holdings.with_columns(name, _CLASS)
    said = _report_identities(holdings, conflicts)
    notices = [frame for frame in said if frame.height]
    return facts._replace(
        holdings=holdings,
        baskets=_read_constituents(facts.baskets, facts.listings, known),
        notices=pl.concat([facts.notices, *notices]) if notices else facts.notices,
    )


_NO_TEXT: Final = pl.Series("nothing", [None], pl.String())
_CLASS: Final = pl.coalesce("asset_class", "derived").alias("asset_class")
_VERIFIED: Final = pl.col("verified").alias("instrument_id")
_OTHER_NAMES: Final = pl.coalesce(
    "verified",
    pl.format("{}:{}", "exchange", "symbol"),
    pl.format("UNIDENTIFIED:{}:{}", pl.col("account_id").fill_null(""), "holding_no"),
).alias("instrument_id")


def _classify_codes(codes: pl.Series) -> pl.DataFrame:
    """Give the ISINs that verify, each once, with what their letters say."""
    if codes.null_count() == len(codes):
        return empty(_KNOWN)
    valid = [
        code for code in codes.unique().drop_nulls() if has_right_check_digit(code)
    ]
    said = {"isin": valid, "verified": valid, "derived": map(name_asset_class, valid)}
    return pl.DataFrame(said, _KNOWN)


_KNOWN: Final = pl.Schema(dict.fromkeys(("isin", "verified", "derived"), pl.String()))


def _report_identities(
    holdings: pl.DataFrame, conflicts: pl.DataFrame
) -> list[pl.DataFrame]:
    """Remark on ISINs that do not verify, on two for one holding, and on none."""
    odd = holdings.filter(pl.col("verified").is_null())
    nameless = pl.col("symbol").is_null() | pl.col("exchange").is_null()
    if not conflicts.height and not odd.height - odd["isin"].null_count():
        some = odd["symbol"].null_count() or odd["exchange"].null_count()
        if not some:
            return []
    label = pl.format(" ({})", pl.coalesce("symbol", "name", "isin"))
    pointer = pl.concat_str(pl.format("holding {}", "holding_no"), label.fill_null(""))
    both = conflicts.join(holdings, on=_KEY, how="left", maintain_order="left")
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
    if not baskets.height:
        return baskets.hstack([_NO_TEXT.clear().alias("instrument_id")])
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


_FIRST: Final = (ROW.shift(1) != ROW).fill_null(value=True)
_NEW: Final = _FIRST.alias("_new")
_LISTING_PLACE: Final = [
    _NEW,
    (
        ROW * 8
        + pl.col("exchange").replace_strict(
            list(EXCHANGES), list(range(len(EXCHANGES))), default=len(EXCHANGES)
        )
    ).alias("_place"),
]


def _pick_first_listings(listings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give each holding its first listing in `EXCHANGES` order, and its ISIN clashes.

    Listings come by document and holding, so those of one holding are neighbours.
    """
    ordered = listings.with_columns(_LISTING_PLACE)
    if not ordered["_place"].is_sorted():
        ordered = ordered.sort("_place", maintain_order=True).with_columns(_NEW)
    first = ordered.filter("_new")[[*_KEY, *_LISTED]]
    if ordered["isin"].null_count() == ordered.height:
        nothing = _NO_TEXT.new_from_index(0, first.height)
        conflicts = ordered.clear().select(*_KEY, isins="isin")
        return first.hstack([nothing.alias("listed_isin")]), conflicts
    with_isin = ordered.filter(pl.col("isin").is_not_null())
    plan = with_isin.lazy()
    isins = run_plan(plan.filter(_FIRST).select(*_KEY, listed_isin="isin"))
    other = ~_FIRST & (pl.col("isin") != pl.col("isin").shift(1))
    clash = run_plan(plan.filter(other).select(*_KEY, isins="isin"))
    if clash.is_empty():
        return _join_rows(first, isins), clash
    conflicts = (
        with_isin.join(clash.select(_KEY), on=_KEY, how="semi", maintain_order="left")
        .group_by(_KEY, maintain_order=True)
        .agg(isins=pl.col("isin").unique(maintain_order=True).str.join(" "))
    )
    return _join_rows(first, isins), conflicts
