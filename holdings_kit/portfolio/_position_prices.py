"""Which price values an instrument: the payloads' own, or a quote from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.errors import FrameError
from holdings_kit.schema import INSTANT, MONEY, VALUE

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["priced"]

_REPORTED: Final = {"ltp": "last_price", "close": "close_price"}
_PRICE: Final = {"price": MONEY, "price_at": INSTANT, "price_basis": pl.String()}
_PAISE: Final = 100


def priced(
    rows: pl.LazyFrame, quotes: pl.DataFrame | None, prices: Sequence[str]
) -> pl.LazyFrame:
    """One price per instrument that has any: the latest day's, in order of `prices`."""
    order = {basis: number for number, basis in enumerate(prices)}
    own = _reported(rows, order)
    if quotes is None or "quote" not in order:
        return own
    rank = pl.col("price_basis").replace_strict(order, default=len(order))
    joined = own.join(
        _quoted(rows, quotes), on="instrument_id", how="full", coalesce=True
    )
    better = pl.col("quote").is_not_null() & (
        pl.col("price").is_null() | (rank > order["quote"])
    )
    return joined.with_columns(
        price=pl.when(better).then("quote").otherwise("price"),
        price_at=pl.when(better).then("quote_at").otherwise("price_at"),
        price_basis=pl.when(better).then(pl.lit("quote")).otherwise("price_basis"),
        last_price=pl.when(better).then("quote").otherwise("last_price"),
    ).drop("quote", "quote_at")


def _reported(rows: pl.LazyFrame, order: dict[str, int]) -> pl.LazyFrame:
    """Choose among the prices in the payloads, for each instrument that has one."""
    newest = {
        basis: _newest(rows, column).with_columns(price_basis=pl.lit(basis))
        for basis, column in _REPORTED.items()
    }
    usable = [newest[basis] for basis in order if basis in newest]
    none = pl.LazyFrame(schema={"instrument_id": pl.String(), **_PRICE})
    day = pl.col("price_at").dt.convert_time_zone("Asia/Kolkata").dt.date()
    rank = pl.col("price_basis").replace_strict(order, return_dtype=pl.Int64())
    # the latest day, then the preferred basis
    best = (
        pl.concat([none, *usable])
        .sort(day, rank, descending=[True, False], nulls_last=True)
        .unique("instrument_id", keep="first", maintain_order=True)
    )
    for basis, column in _REPORTED.items():
        shown = newest[basis].select("instrument_id", pl.col("price").alias(column))
        best = best.join(shown, on="instrument_id", how="full", coalesce=True)
    return best


def _newest(rows: pl.LazyFrame, column: str) -> pl.LazyFrame:
    """Take each instrument's newest known price; of one instant's, the lowest."""
    at = pl.coalesce("price_at", "snapshot_at")
    newest = pl.col("price_at").eq_missing(pl.col("price_at").max())
    return (
        rows.select("instrument_id", price=column, price_at=at)
        .filter(pl.col("price").is_not_null())
        .group_by("instrument_id")
        .agg(pl.col("price").filter(newest).min(), pl.col("price_at").max())
    )


def _agreeing(quotes: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Refuse two prices of one instant for one instrument: neither is the price."""
    known = quotes.filter(pl.col("quote") > 0)
    prices = known.group_by(*keys, "quote_at").agg(pl.col("quote").n_unique())
    torn = prices.filter(pl.col("quote") > 1)
    if torn.height:
        name = " ".join(str(part) for part in torn.sort(keys).select(keys).row(0))
        reason = f"two prices for {name}; keep one, or date them with price_at"
        raise FrameError("quotes", keys[-1], reason)
    return quotes


def _quoted(rows: pl.LazyFrame, quotes: pl.DataFrame) -> pl.LazyFrame:
    """Bring quotes of either form to instrument_id, quote, quote_at."""
    have = quotes.collect_schema()
    at = pl.col("price_at") if "price_at" in have else pl.lit(None)
    at = at.cast(INSTANT).alias("quote_at")
    if {"instrument_id", "last_price"} <= set(have):
        keyed = quotes.select(
            "instrument_id", at, quote=pl.col("last_price").cast(MONEY)
        )
        found = _agreeing(keyed, ["instrument_id"]).lazy()
    elif {"token", "ltp"} <= set(have) and have["ltp"].is_integer():
        rupees = (pl.col("ltp").cast(VALUE) / _PAISE).cast(MONEY)
        # tokens are an exchange's own; quotes that do not say it are matched by token
        keys = ["exchange", "token"] if "exchange" in have else ["token"]
        tokens = quotes.with_columns(pl.col("token").cast(pl.String()))
        keyed = _agreeing(tokens.select(*keys, at, quote=rupees), keys)
        places = rows.select("instrument_id", *keys).unique()
        found = keyed.lazy().join(places, on=keys)
    else:
        raise FrameError(
            "quotes",
            "last_price",
            "quotes need instrument_id and last_price in rupees, "
            "or token and ltp in integer paise",
        )
    return (
        found.drop_nulls("quote")
        .filter(pl.col("quote") > 0)
        .sort("quote_at", "quote", descending=[True, False], nulls_last=True)
        .group_by("instrument_id")
        .agg(pl.col("quote", "quote_at").first())
    )
