"""Which security a symbol meant on a day: looked up in every file that names both."""

from __future__ import annotations

from typing import Final

import polars as pl

from holdings_kit.read.identity import asset_class, isin_ok
from holdings_kit.schema import INSTRUMENTS
from holdings_kit.wire._exchange import FILE_NOTICES

_EQUITY: Final = ["EQ", "BE", "BZ", "SM", "ST", "SZ", "T0", "E1"]
"""Series in which a symbol is one share; bonds have many ISINs under one symbol."""
_HOPS: Final = 8  # renamings of one share that are followed
_RANK: Final = ("udiff", "equity_list", "arrow_instruments", "instruments")


def instruments_of(sightings: pl.DataFrame) -> pl.DataFrame:
    """Make a master of what files say: one row per listing, as seen last."""
    rank = pl.col("source").replace_strict(
        list(_RANK),
        list(range(len(_RANK))),
        default=len(_RANK),
        return_dtype=pl.Int32(),
    )
    listed = sightings.filter(
        (pl.col("isin").is_not_null() | pl.col("token").is_not_null())
        & pl.col("exchange").is_not_null()
        & pl.coalesce("symbol", "token").is_not_null()
    )
    known = (
        listed.with_columns(_rank=rank)
        .sort(
            "last_date",
            "_rank",
            descending=[True, False],
            nulls_last=True,
            maintain_order=True,
        )
        .group_by("exchange", "symbol", "series", "isin", maintain_order=True)
        .agg(
            pl.col("token", "trading_symbol", "name").first(ignore_nulls=True),
            pl.col("source").first(),
            pl.col("last_date").max(),
        )
    )
    own = pl.col("series").is_not_null() & (pl.col("exchange") == "NSE")
    made = known.with_columns(
        instrument_id=pl.coalesce(
            pl.when(isin_ok().fill_null(value=False)).then("isin"),
            pl.format("{}:{}", "exchange", "symbol"),
        ),
        trading_symbol=pl.coalesce(
            "trading_symbol",
            pl.when(own).then(pl.format("{}-{}", "symbol", "series")),
        ),
        asset_class=pl.when(pl.col("exchange") == "MF")
        .then(pl.lit("mutual_fund"))
        .otherwise(asset_class("isin")),
    ).sort("instrument_id", "exchange", "symbol", "series", nulls_last=True)
    return made.select(
        pl.col(name).cast(dtype)
        if name in made.columns
        else pl.lit(None, dtype).alias(name)
        for name, dtype in INSTRUMENTS.items()
    )


def seen_in(master: pl.DataFrame) -> pl.DataFrame:
    """Turn a master into sightings of unknown date."""
    series = pl.col("trading_symbol").str.extract(r"-([A-Z0-9]{1,2})$")
    return master.select(
        "exchange",
        "symbol",
        series.alias("series"),
        "token",
        "trading_symbol",
        "isin",
        "name",
        pl.lit(None, pl.Date()).alias("first_date"),
        pl.lit(None, pl.Date()).alias("last_date"),
        pl.lit("instruments").alias("source"),
    )


def resolve_symbols(
    rows: pl.DataFrame, sightings: pl.DataFrame, renames: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give an ISIN to rows without one; list the symbols that stay without.

    Of several ISINs of one symbol the one seen last before the day is taken, else the
    one seen first after it. Rows of before a renaming look under the later symbol.
    """
    has_isin = "isin" in rows.columns
    nameless = pl.col("isin").is_null() if has_isin else pl.lit(value=True)
    asked = rows.filter(nameless)
    no_notices = pl.DataFrame(schema=FILE_NOTICES)
    if asked.is_empty():
        return rows, no_notices
    keyed = asked.with_columns(
        *(
            pl.lit(None if name == "series" else "NSE", pl.String()).alias(name)
            for name in ("exchange", "series")
            if name not in asked.columns
        ),
        _row=pl.int_range(pl.len(), dtype=pl.UInt32()),
    ).select("_row", "exchange", "symbol", "series", "date")
    found = _look_up_isin(keyed, sightings)
    hops = _list_renames_by_symbol(renames)
    left = keyed.join(found, on="_row", how="anti")
    for _ in range(_HOPS):
        left = _rename_rows(left, hops)
        if left.is_empty():
            break
        more = _look_up_isin(left, sightings)
        found = pl.concat([found, more])
        left = left.join(more, on="_row", how="anti")
    named = (
        asked.with_columns(_row=pl.int_range(pl.len(), dtype=pl.UInt32()))
        .join(found, on="_row", how="left", maintain_order="left")
        .with_columns(instrument_id=pl.coalesce("_isin", "instrument_id"))
    )
    if has_isin:
        named = named.with_columns(isin=pl.coalesce("isin", "_isin"))
    unknown = (
        named.filter(pl.col("_isin").is_null())
        .group_by("instrument_id")
        .agg(pl.len(), first=pl.col("date").min(), last=pl.col("date").max())
        .sort("instrument_id")
        .select(
            pl.lit(None, pl.String()).alias("file"),
            pl.lit(None, pl.Int64()).alias("line_no"),
            pl.lit("no_isin").alias("kind"),
            pl.format(
                "{}: {} rows, {} to {}; no file names its ISIN",
                "instrument_id",
                "len",
                pl.col("first").cast(pl.String()),
                pl.col("last").cast(pl.String()),
            ).alias("value"),
        )
    )
    kept = rows.filter(~nameless)
    return pl.concat([kept, named.select(rows.columns)]), unknown


def _look_up_isin(asked: pl.DataFrame, sightings: pl.DataFrame) -> pl.DataFrame:
    """Find the ISIN of each row by symbol and series, else by a share's symbol."""
    known = sightings.filter(isin_ok().fill_null(value=False)).with_columns(
        _first=pl.col("first_date").fill_null(pl.date(1900, 1, 1))
    )
    by_code = known.filter(
        pl.col("token").is_not_null() & pl.col("exchange").is_in(["BSE", "MF"])
    ).with_columns(symbol="token")
    known = pl.concat([known, by_code]).select(
        "exchange", "symbol", "series", "isin", "_first"
    )
    share = pl.col("series").is_in(_EQUITY) | pl.col("series").is_null()
    exact = _as_of(asked, known, ["exchange", "symbol", "series"])
    rest = asked.join(exact, on="_row", how="anti")
    bse = rest.filter(pl.col("exchange") != "NSE")
    shares = pl.concat([rest.filter((pl.col("exchange") == "NSE") & share), bse])
    near = _as_of(
        shares,
        known.filter(share | (pl.col("exchange") != "NSE")),
        ["exchange", "symbol"],
    )
    return pl.concat([exact, near])


def _as_of(asked: pl.DataFrame, known: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    seen = (
        known.drop_nulls(key)
        .group_by(*key, "isin")
        .agg(pl.col("_first").min())
        .sort("_first", "isin")
    )
    count = seen.group_by(key).agg(_count=pl.len())
    single = seen.join(count.filter(pl.col("_count") == 1), on=key, how="semi")
    several = seen.join(count.filter(pl.col("_count") > 1), on=key, how="semi")
    found = asked.join(single.select(*key, _isin="isin"), on=key, how="inner")
    out = [found.select("_row", "_isin")]
    if several.height:
        dated = asked.join(several.select(key).unique(), on=key, how="semi").sort(
            "date"
        )
        right = several.select(*key, date="_first", _isin="isin").sort("date")
        for way in ("backward", "forward"):
            matched = dated.join_asof(
                right,
                on="date",
                by=key,
                strategy="backward" if way == "backward" else "forward",
                check_sortedness=False,
            ).filter(pl.col("_isin").is_not_null())
            out.append(matched.select("_row", "_isin"))
            dated = dated.join(matched, on="_row", how="anti")
    return pl.concat(out)


def _list_renames_by_symbol(renames: pl.DataFrame) -> pl.DataFrame:
    """Give the renamings of NSE as old symbol, new symbol and day."""
    return renames.select(
        symbol=pl.col("instrument_id").str.strip_prefix("NSE:"),
        _new=pl.col("new_instrument_id").str.strip_prefix("NSE:"),
        _day="ex_date",
    ).drop_nulls()


def _rename_rows(rows: pl.DataFrame, hops: pl.DataFrame) -> pl.DataFrame:
    """Put the next symbol in place of each that was renamed after the row's day."""
    return (
        rows.filter(pl.col("exchange") == "NSE")
        .join(hops, on="symbol", how="inner")
        .filter(pl.col("date") < pl.col("_day"))
        .sort("_day")
        .unique("_row", keep="first", maintain_order=True)
        .select("_row", "exchange", "series", "date", symbol="_new")
        .select(rows.columns)
    )
