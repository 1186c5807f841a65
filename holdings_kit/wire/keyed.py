"""Typed facts of many documents to one `Loaded`: identified, keyed, in order.

Both ways of reading end here, the exact one and the fast one, so what they make of
the same facts is the same.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

import polars as pl

from holdings_kit.identity import asset_class, isin_ok
from holdings_kit.schema import (
    BASKETS,
    EXCHANGES,
    HOLDINGS,
    LISTINGS,
    REJECTS,
    SNAPSHOTS,
    Loaded,
    conform,
)

__all__ = ["DOC", "FAULT", "HELD", "LISTING", "Facts", "finish"]

DOC: Final = {"doc": pl.Int64()}
HELD: Final = pl.Schema(
    {
        **DOC,
        **{
            column: dtype
            for column, dtype in HOLDINGS.items()
            if column
            not in {"snapshot_id", "account_id", "source", "broker", "snapshot_at"}
        },
    }
)
LISTING: Final = pl.Schema(
    {
        **DOC,
        "holding_no": pl.Int64(),
        **{
            column: pl.String()
            for column in ("exchange", "symbol", "trading_symbol", "token", "isin")
        },
    }
)
FAULT: Final = pl.Schema(
    {
        **DOC,
        "reason": pl.String(),
        "raw": pl.Binary(),
        "fatal": pl.Boolean(),  # without it the document is not whole
    }
)


class Facts(NamedTuple):
    """What many documents said, every value read.

    Attributes
    ----------
    documents
        One row per document, in order: `DOCUMENT` with its instants read.
    holdings
        `HELD`, by document; identity still open.
    listings
        `LISTING`, by document and holding.
    baskets
        One row per constituent; numbers are `MONEY`.
    notices, faults
        `NOTICE` and `FAULT`.
    """

    documents: pl.DataFrame
    holdings: pl.DataFrame
    listings: pl.DataFrame
    baskets: pl.DataFrame
    notices: pl.DataFrame
    faults: pl.DataFrame


def finish(facts: Facts, *, whole: bool) -> Loaded:
    """Identify every holding, key every frame by content.

    Parameters
    ----------
    facts
        From either way of reading.
    whole
        A document with a fatal fault is set aside whole, as one reject; otherwise its
        readable rows load and its snapshot is quarantined.
    """
    at = facts.documents.select("doc", "file", "line_no")
    if whole:
        facts = _without_broken(facts)
    faults = facts.faults.join(at, on="doc", how="left", maintain_order="left")
    facts = facts._replace(faults=faults)
    if not facts.faults.is_empty():
        facts = facts._replace(listings=_of(facts.holdings, facts.listings))
    holdings, notices = _identify(facts)
    return _keyed(
        facts._replace(holdings=holdings, notices=pl.concat([facts.notices, notices]))
    )


def _without_broken(facts: Facts) -> Facts:
    broken = facts.faults.filter("fatal").select("doc").unique()
    if broken.is_empty():
        return facts
    documents, holdings, baskets, notices = (
        frame.join(broken, on="doc", how="anti", maintain_order="left")
        for frame in (facts.documents, facts.holdings, facts.baskets, facts.notices)
    )
    faults = _per_document(facts.faults, facts.documents)
    return Facts(documents, holdings, facts.listings, baskets, notices, faults)


def _of(holdings: pl.DataFrame, listings: pl.DataFrame) -> pl.DataFrame:
    """Keep the listings of the holdings that are left."""
    return listings.join(
        holdings.select("doc", "holding_no"),
        on=["doc", "holding_no"],
        how="semi",
        maintain_order="left",
    )


def _per_document(faults: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """One reject for a document that is set aside whole, with its bytes as received."""
    fatal = (
        faults.filter("fatal")
        .group_by("doc", maintain_order=True)
        .agg(pl.col("reason").str.join("; "))
        .join(documents.select("doc", "raw"), on="doc", maintain_order="left")
        .with_columns(fatal=pl.lit(value=True))
        .select(FAULT.names())
    )
    other = faults.join(fatal.select("doc"), on="doc", how="anti")
    return pl.concat([fatal, other])


def _identify(facts: Facts) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Name each holding by its ISIN, else by its first listing."""
    first, conflicts = _first_listings(facts.listings)
    holder = facts.documents.select("doc", "account_id")
    holdings = (
        facts.holdings.drop(_LISTED)
        .join(first, on=["doc", "holding_no"], how="left", maintain_order="left")
        .with_columns(isin=pl.coalesce("isin", "listed_isin"))
        .with_columns(valid=isin_ok("isin"), derived=asset_class("isin"))
        .with_columns(
            instrument_id=pl.coalesce(
                pl.when("valid").then("isin"), pl.format("{}:{}", "exchange", "symbol")
            ),
            asset_class=pl.coalesce("asset_class", pl.when("valid").then("derived")),
        )
    )
    nameless = holdings["instrument_id"].is_null()
    if nameless.any():
        # as good a name as any, and the same however many documents are read at once
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
    pointer = pl.format("holding {}", "holding_no")
    said = [
        holdings.filter(where).select(
            "doc", kind=pl.lit(kind), pointer=pointer, value=value
        )
        for kind, where, value in marks
    ]
    clash = conflicts.select(
        "doc", kind=pl.lit("isin_conflict"), pointer=pointer, value="isins"
    )
    return holdings.select(HELD.names()), pl.concat([said[0], clash, said[1]])


def _first_listings(listings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give each holding its first listing in `EXCHANGES` order, and its ISIN clashes.

    Listings come by document and holding, so those of one holding are neighbours.
    """
    order = pl.col("exchange").replace_strict(
        list(EXCHANGES), list(range(len(EXCHANGES))), default=len(EXCHANGES)
    )
    key = ("doc", "holding_no")
    ordered = listings.with_columns(order=order).sort(
        *key, "order", maintain_order=True
    )
    named = ordered.filter(pl.col("isin").is_not_null())
    new = pl.any_horizontal(
        (pl.col(column) != pl.col(column).shift(1)).fill_null(value=True)
        for column in key
    )
    isins = named.filter(new).select(*key, listed_isin="isin")
    first = (
        ordered.filter(new)
        .select(*key, *_LISTED)
        .join(isins, on=key, how="left", maintain_order="left")
    )
    clash = named.filter(~new & (pl.col("isin") != pl.col("isin").shift(1)))
    conflicts = (
        named.join(clash.select(key), on=key, how="semi", maintain_order="left")
        .group_by(key, maintain_order=True)
        .agg(isins=pl.col("isin").unique(maintain_order=True).str.join(" "))
    )
    return first, conflicts


_LISTED: Final = ("exchange", "token", "symbol")


def _keyed(facts: Facts) -> Loaded:
    """Key every frame by the content hash and put the columns in their order."""
    documents, holdings, listings, baskets, notices, faults = facts
    ids = _content_hashes(facts)
    documents = documents.with_columns(snapshot_id=ids)
    key = documents.select(
        "doc", "snapshot_id", "account_id", "source", "broker", "snapshot_at"
    )
    counts = holdings.group_by("doc").len("holdings_count")
    fatal = faults.filter("fatal").group_by("doc").len("fatal")
    said = notices.group_by("doc", maintain_order=True).agg(
        notices=pl.format(
            "[{}]",
            pl.struct("kind", "pointer", "value").struct.json_encode().str.join(","),
        ).first()
    )
    status_reason = (
        pl.concat_list(
            pl.when(pl.col("fatal") > 0).then(
                pl.format("{} parts could not be read", "fatal")
            ),
            pl.when(~pl.col("holdings_known")).then(
                pl.lit("the payload holds no list of holdings")
            ),
            pl.when(~pl.col("checksum_ok")).then(pl.lit("the checksum does not match")),
            pl.when(pl.col("account_id").is_null()).then(pl.lit("no account id")),
            pl.when(pl.col("snapshot_at").is_null()).then(pl.lit("no snapshot date")),
        )
        .list.drop_nulls()
        .list.join("; ")
    )
    snapshots = (
        documents.join(counts, on="doc", how="left", maintain_order="left")
        .join(fatal, on="doc", how="left", maintain_order="left")
        .join(said, on="doc", how="left", maintain_order="left")
        .with_columns(status_reason=pl.when(status_reason != "").then(status_reason))
        .with_columns(
            holdings_count=pl.when("holdings_known").then(
                pl.col("holdings_count").cast(pl.Int64()).fill_null(0)
            ),
            status=pl.when(pl.col("status_reason").is_null())
            .then(pl.lit("current"))
            .otherwise(pl.lit("quarantined")),
        )
    )

    def with_key(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.join(key, on="doc", maintain_order="left")

    return Loaded(
        conform(snapshots.select(SNAPSHOTS.names()), SNAPSHOTS, name="snapshots"),
        conform(with_key(holdings).select(HOLDINGS.names()), HOLDINGS, name="holdings"),
        conform(with_key(listings).select(LISTINGS.names()), LISTINGS, name="listings"),
        conform(
            _basket_ids(with_key(baskets), listings).select(BASKETS.names()),
            BASKETS,
            name="baskets",
        ),
        conform(
            faults.select(REJECTS.names()),
            REJECTS,
            name="rejects",
        ),
    )


def _basket_ids(baskets: pl.DataFrame, listings: pl.DataFrame) -> pl.DataFrame:
    """Name a constituent by the ISIN its own payload gives the ticker, else NSE:…."""
    asked = baskets.select("doc", "symbol").unique()
    known = (
        listings.join(asked, on=["doc", "symbol"], how="semi")
        .filter(isin_ok("isin") & pl.col("exchange").is_in(["NSE", "BSE"]))
        .group_by("doc", "symbol")
        .agg(pl.col("isin").unique())
        .filter(pl.col("isin").list.len() == 1)
        .select("doc", "symbol", known=pl.col("isin").list.first())
    )
    return baskets.join(
        known, on=["doc", "symbol"], how="left", maintain_order="left"
    ).with_columns(instrument_id=pl.coalesce("known", pl.format("NSE:{}", "symbol")))


def _content_hashes(facts: Facts) -> pl.Series:
    """SHA-256 of each document's facts: who, when, and every row, in any order.

    How and when the facts travelled (transaction, delivery time, checksum, notes) is
    left out, so a webhook, its retries and a fetch of one snapshot have one id.
    """
    lines = pl.concat(
        frame.select("doc", line=_line(kind, frame))
        for kind, frame in (
            ("holding", facts.holdings),
            ("listing", facts.listings.drop("holding_no")),
            ("basket", facts.baskets.drop("pointer")),
        )
    )
    body = (
        lines.group_by("doc")
        .agg("line")
        .with_columns(pl.col("line").list.sort().list.join("\n"))
    )
    head = ("source", "format", "broker", "account_id", "snapshot_at")
    texts = (
        facts.documents.join(body, on="doc", how="left", maintain_order="left")
        .select(
            pl.concat_str(
                *(pl.col(c).cast(pl.String()).fill_null("\x00") for c in head),
                pl.col("line").fill_null(""),
                separator="\n",
            ).cast(pl.Binary())
        )
        .to_series()
    )
    digests = [hashlib.sha256(text).hexdigest()[:32] for text in texts]
    return pl.Series("snapshot_id", digests, dtype=pl.String())


_DERIVED: Final = frozenset(
    {"doc", "instrument_id", "asset_class", "holding_no", "reconciles"}
)


def _line(kind: str, frame: pl.DataFrame) -> pl.Expr:
    """Write the facts of a row as one text, its columns by name, its kind last.

    Texts that differ early sort sooner.
    """
    return pl.concat_str(
        *(
            _written(pl.col(column), dtype).fill_null("\x00")
            for column, dtype in sorted(frame.schema.items())
            if column not in _DERIVED
        ),
        pl.lit(kind),
        separator="\x1f",
    )


def _written(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Write a value as text; a decimal as the whole number of its last places."""
    if isinstance(dtype, pl.Decimal):
        column = column.to_physical().cast(pl.Int64())
    return column.cast(pl.String())
