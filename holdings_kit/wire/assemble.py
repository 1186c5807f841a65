"""Text frames of many documents to one `Loaded`: whole columns, no loop over rows."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.identity import asset_class, isin_ok
from holdings_kit.schema import (
    BASKETS,
    EXCHANGES,
    HOLDINGS,
    LISTINGS,
    MONEY,
    REJECTS,
    SNAPSHOTS,
    Loaded,
    conform,
    empty,
)
from holdings_kit.wire.rows import Table, instant, number, remarks, typed, unread

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BASKET", "DOCUMENT", "FAULT", "LISTING", "NOTICE", "Parts", "assemble"]

_DOC = {"doc": pl.Int64()}
DOCUMENT: Final = pl.Schema(
    {
        **_DOC,
        "source": pl.String(),
        "format": pl.String(),
        "broker": pl.String(),
        "account_id": pl.String(),
        "transaction_id": pl.String(),
        "notes": pl.String(),
        "snapshot_at": pl.String(),
        "fetched_at": pl.String(),
        "checksum_ok": pl.Boolean(),
        "holdings_known": pl.Boolean(),  # false: the payload says null, not []
        "file": pl.String(),
        "line_no": pl.Int64(),
        "raw": pl.Binary(),  # the line, where a fault sets it aside whole
    }
)
LISTING: Final = pl.Schema(
    {
        **_DOC,
        "holding_no": pl.Int64(),
        **{
            column: pl.String()
            for column in ("exchange", "symbol", "trading_symbol", "token", "isin")
        },
    }
)
BASKET: Final = pl.Schema(
    {
        **_DOC,
        **{
            column: pl.String()
            for column in (
                "pointer",
                "basket_id",
                "basket_name",
                "visibility",
                "symbol",
                "quantity",
                "current_value",
                "total_returns",
                "current_returns",
            )
        },
    }
)
NOTICE: Final = pl.Schema(
    {**_DOC, "kind": pl.String(), "pointer": pl.String(), "value": pl.String()}
)
FAULT: Final = pl.Schema(
    {
        **_DOC,
        "reason": pl.String(),
        "raw": pl.Binary(),
        "fatal": pl.Boolean(),  # without it the document is not whole
    }
)
_BASKET_NUMBERS = ("quantity", "current_value", "total_returns", "current_returns")


class Parts(NamedTuple):
    """What a batch of documents said, as text."""

    documents: pl.DataFrame
    tables: Mapping[str, Table]
    rows: Mapping[str, pl.DataFrame]
    listings: pl.DataFrame
    baskets: pl.DataFrame
    notices: pl.DataFrame
    faults: pl.DataFrame


def assemble(parts: Parts, *, whole: bool) -> Loaded:
    """Read, check and key everything; see `Batch.load` for `whole`."""
    documents, faults = _documents(parts)
    read = [
        _table(parts.rows[name], table, documents)
        for name, table in parts.tables.items()
    ]
    holdings = pl.concat([empty(_HELD), *(part.holdings for part in read)])
    faults = pl.concat([faults, *(part.faults for part in read)])
    baskets, basket_faults = _baskets(parts.baskets)
    faults = pl.concat([faults, basket_faults])
    notices = pl.concat([parts.notices, *(part.notices for part in read)])
    if whole:
        broken = faults.filter("fatal").select("doc").unique()
        documents, holdings, baskets, notices = (
            frame.join(broken, on="doc", how="anti", maintain_order="left")
            for frame in (documents, holdings, baskets, notices)
        )
        faults = _per_document(faults, parts.documents)
    at = parts.documents.select("doc", "file", "line_no")
    faults = faults.join(at, on="doc", how="left", maintain_order="left")
    listings = parts.listings.join(
        holdings.select("doc", "holding_no"),
        on=["doc", "holding_no"],
        how="semi",
        maintain_order="left",
    )
    holdings, bad_isins = _identify(holdings, listings)
    notices = pl.concat([notices, bad_isins])
    read = _Whole(documents, holdings, listings, baskets, notices, faults)
    return _keyed(read)


class _Read(NamedTuple):
    holdings: pl.DataFrame
    faults: pl.DataFrame
    notices: pl.DataFrame


class _Whole(NamedTuple):
    documents: pl.DataFrame
    holdings: pl.DataFrame
    listings: pl.DataFrame
    baskets: pl.DataFrame
    notices: pl.DataFrame
    faults: pl.DataFrame


_HELD: Final = pl.Schema(
    {
        **_DOC,
        **{
            column: dtype
            for column, dtype in HOLDINGS.items()
            if column
            not in {"snapshot_id", "account_id", "source", "broker", "snapshot_at"}
        },
    }
)
_LISTED = ("exchange", "token", "symbol")


def _documents(parts: Parts) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the instants of each document; an unreadable one is a fatal fault."""
    instants = ("snapshot_at", "fetched_at")
    read = parts.documents.with_columns(instant(column) for column in instants)
    lost = [
        parts.documents.filter(number(column).is_not_null() & read[column].is_null())
        .select(
            "doc",
            reason=pl.format(f"{column}: '{{}}' is no ISO or epoch instant", column),
            raw=pl.col(column).cast(pl.Binary()),
            fatal=pl.lit(value=True),
        )
        .cast(FAULT)
        for column in instants
    ]
    return read, pl.concat([parts.faults, *lost])


def _table(text: pl.DataFrame, table: Table, documents: pl.DataFrame) -> _Read:
    """Turn one kind of row into HOLDINGS columns, faults and notices."""
    text = text.with_columns(
        reason=unread(text, table),
        copy=pl.int_range(pl.len()).over("doc", "twin") > 0,
    )
    twin = "the same row stands before it; counted once"
    faults = text.filter(pl.col("reason").is_not_null() | pl.col("copy")).select(
        "doc",
        reason=pl.format("{}: {}", "pointer", pl.coalesce("reason", pl.lit(twin))),
        raw=pl.col("twin").cast(pl.Binary()),
        fatal=pl.col("reason").is_not_null(),
    )
    good = text.filter(pl.col("reason").is_null() & ~pl.col("copy"))
    rows = typed(good, table).join(
        documents.select("doc", "snapshot_at"), on="doc", maintain_order="left"
    )
    held = {column: pl.lit(None, dtype) for column, dtype in _HELD.items()}
    held |= {"doc": pl.col("doc"), "holding_no": pl.col("holding_no")}
    held |= table.holdings
    holdings = rows.select(
        expression.cast(_HELD[column]).alias(column)
        for column, expression in held.items()
    )
    return _Read(holdings, faults, remarks(good, rows, table).cast(NOTICE))


def _baskets(text: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read the numbers of the constituents; an unreadable one is a fatal fault."""
    read = text.with_columns(
        number(column).cast(MONEY, strict=False) for column in _BASKET_NUMBERS
    )
    wrong = pl.concat_list(
        pl.when(number(column).is_not_null() & read[column].is_null()).then(
            pl.format(f"{column}: '{{}}' is no number", column)
        )
        for column in _BASKET_NUMBERS
    )
    reason = wrong.list.drop_nulls().list.join("; ")
    faults = text.with_columns(reason=reason).filter(pl.col("reason") != "")
    return (
        read.join(faults.select("doc", "pointer"), on=["doc", "pointer"], how="anti"),
        faults.select(
            "doc",
            reason=pl.format("{}: {}", "pointer", "reason"),
            raw=pl.struct(pl.exclude("doc", "reason"))
            .struct.json_encode()
            .cast(pl.Binary()),
            fatal=pl.lit(value=True),
        ).cast(FAULT),
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


def _identify(
    holdings: pl.DataFrame, listings: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Name each holding by its ISIN, else by its first listing."""
    order = pl.col("exchange").replace_strict(
        list(EXCHANGES), list(range(len(EXCHANGES))), default=len(EXCHANGES)
    )
    first = (
        listings.sort(order, maintain_order=True)
        .group_by("doc", "holding_no", maintain_order=True)
        .agg(
            pl.col(_LISTED).first(),
            listed_isin=pl.col("isin").drop_nulls().first(),
            isins=pl.col("isin").drop_nulls().unique(maintain_order=True),
        )
    )
    holdings = (
        holdings.drop(_LISTED)
        .join(first, on=["doc", "holding_no"], how="left", maintain_order="left")
        .with_columns(isin=pl.coalesce("isin", "listed_isin"))
        .with_columns(valid=isin_ok("isin"), derived=asset_class("isin"))
        .with_columns(
            instrument_id=pl.coalesce(
                pl.when("valid").then("isin"),
                pl.format("{}:{}", "exchange", "symbol"),
                pl.format("UNIDENTIFIED:{}:{}", "doc", "holding_no"),
            ),
            asset_class=pl.coalesce("asset_class", pl.when("valid").then("derived")),
        )
    )
    pointer = pl.format("holding {}", "holding_no")
    notices = pl.concat(
        holdings.filter(where).select(
            "doc", kind=pl.lit(kind), pointer=pointer, value=value
        )
        for kind, where, value in (
            ("isin_check_digit", ~pl.col("valid"), pl.col("isin")),
            (
                "isin_conflict",
                pl.col("isins").list.len() > 1,
                pl.col("isins").list.join(" "),
            ),
            (
                "unidentified",
                pl.col("instrument_id").str.starts_with("UNIDENTIFIED"),
                pl.col("name"),
            ),
        )
    )
    return holdings.select(_HELD.names()), notices


def _keyed(read: _Whole) -> Loaded:
    """Key every frame by the content hash and put the columns in their order."""
    documents, holdings, listings, baskets, notices, faults = read
    ids = _content_hashes(documents, holdings, listings, baskets)
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
    known = (
        listings.filter(isin_ok("isin") & pl.col("exchange").is_in(["NSE", "BSE"]))
        .group_by("doc", "symbol")
        .agg(pl.col("isin").unique())
        .filter(pl.col("isin").list.len() == 1)
        .select("doc", "symbol", known=pl.col("isin").list.first())
    )
    return baskets.join(
        known, on=["doc", "symbol"], how="left", maintain_order="left"
    ).with_columns(instrument_id=pl.coalesce("known", pl.format("NSE:{}", "symbol")))


def _content_hashes(
    documents: pl.DataFrame,
    holdings: pl.DataFrame,
    listings: pl.DataFrame,
    baskets: pl.DataFrame,
) -> pl.Series:
    """SHA-256 of each document's facts: who, when, and every row, in any order.

    How and when the facts travelled (transaction, delivery time, checksum, notes) is
    left out, so a webhook, its retries and a fetch of one snapshot have one id.
    """
    derived = {"instrument_id", "asset_class", "holding_no", "reconciles"}
    lines = pl.concat(
        frame.select(
            "doc",
            line=pl.concat_str(
                pl.lit(kind),
                *(
                    pl.col(column).cast(pl.String()).fill_null("\x00")
                    for column in sorted(set(frame.columns) - derived - {"doc"})
                ),
                separator="\x1f",
            ),
        )
        for kind, frame in (
            ("holding", holdings),
            ("listing", listings.drop("holding_no")),
            ("basket", baskets.drop("pointer")),
        )
    )
    body = lines.sort("doc", "line").group_by("doc").agg(pl.col("line").str.join("\n"))
    head = ("source", "format", "broker", "account_id", "snapshot_at")
    texts = (
        documents.join(body, on="doc", how="left", maintain_order="left")
        .select(
            pl.concat_str(
                *(pl.col(c).cast(pl.String()).fill_null("\x00") for c in head),
                pl.col("line").fill_null(""),
                separator="\n",
            )
        )
        .to_series()
    )
    digests = [hashlib.sha256(text.encode()).hexdigest()[:32] for text in texts]
    return pl.Series("snapshot_id", digests, dtype=pl.String())
