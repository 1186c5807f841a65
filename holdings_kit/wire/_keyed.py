"""Typed facts of many documents to one `Loaded`: identified, keyed, in order.

Both ways of reading end here, the exact one and the fast one, so what they make of
the same facts is the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.schema import (
    BASKETS,
    HOLDINGS,
    LISTINGS,
    REJECTS,
    SNAPSHOTS,
    Loaded,
    conform,
    empty,
)
from holdings_kit.wire._content import hash_contents
from holdings_kit.wire._named import identify_holdings
from holdings_kit.wire._rows import join_documents

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        "line": pl.String(),  # all that the wire row says, as one text: `write_facts`
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


def merge_facts(parts: Sequence[Facts]) -> Facts:
    """Put facts of different documents together, in the order of their numbers."""
    if len(parts) == 1:
        return parts[0]
    return Facts(*map(_merge, zip(*parts, strict=True)))


def _merge(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    filled = [frame for frame in frames if not frame.is_empty()]
    if len(filled) > 1:
        return pl.concat(filled).sort("doc", maintain_order=True)
    return (filled or frames)[0]


def finish(facts: Facts, rejects: pl.DataFrame, *, whole: bool) -> Loaded:
    """Identify every holding, key every frame by content.

    Parameters
    ----------
    facts
        From either way of reading.
    rejects
        What was no document at all (`REJECTS`).
    whole
        A document with a fatal fault is set aside whole, as one reject; otherwise its
        readable rows load and its snapshot is quarantined.
    """
    if not facts.documents.height:
        snapshots, holdings, listings, baskets = map(
            empty, (SNAPSHOTS, HOLDINGS, LISTINGS, BASKETS)
        )
        ordered = rejects.sort("file", "line_no", maintain_order=True)
        return Loaded(snapshots, holdings, listings, baskets, ordered)
    if facts.faults.height:
        at = facts.documents.select("doc", "file", "line_no")
        facts = _drop_broken(facts) if whole else facts
        facts = facts._replace(listings=_keep_listings(facts.holdings, facts.listings))
        faults = facts.faults.join(at, on="doc", how="left", maintain_order="left")
        rejects = pl.concat([faults.select(REJECTS.names()), rejects])
    if rejects.height > 1:
        rejects = rejects.sort("file", "line_no", maintain_order=True)
    return _add_keys(identify_holdings(facts), rejects)


def _drop_broken(facts: Facts) -> Facts:
    broken = facts.faults.filter("fatal").select("doc").unique()
    if broken.is_empty():
        return facts
    documents, holdings, baskets, notices = (
        frame.join(broken, on="doc", how="anti", maintain_order="left")
        for frame in (facts.documents, facts.holdings, facts.baskets, facts.notices)
    )
    faults = _reject_whole(facts.faults, facts.documents)
    return Facts(documents, holdings, facts.listings, baskets, notices, faults)


def _keep_listings(holdings: pl.DataFrame, listings: pl.DataFrame) -> pl.DataFrame:
    """Keep the listings of the holdings that are left."""
    return listings.join(
        holdings.select("doc", "holding_no"),
        on=["doc", "holding_no"],
        how="semi",
        maintain_order="left",
    )


def _reject_whole(faults: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
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


def _add_keys(facts: Facts, rejects: pl.DataFrame) -> Loaded:
    """Key every frame by the content hash and put the columns in their order."""
    documents = facts.documents.with_columns(snapshot_id=hash_contents(facts))
    key = documents[
        ["doc", "snapshot_id", "account_id", "source", "broker", "snapshot_at"]
    ]

    def with_key(frame: pl.DataFrame, schema: pl.Schema, name: str) -> pl.DataFrame:
        both = join_documents(frame, key)
        return conform(both[schema.names()], schema, name=name)

    return Loaded(
        conform(_describe_snapshots(facts, documents), SNAPSHOTS, name="snapshots"),
        with_key(facts.holdings, HOLDINGS, "holdings"),
        with_key(facts.listings, LISTINGS, "listings"),
        with_key(facts.baskets, BASKETS, "baskets"),
        conform(rejects, REJECTS, name="rejects"),
    )


def _describe_snapshots(facts: Facts, documents: pl.DataFrame) -> pl.DataFrame:
    """Count what each document holds, and say what is wrong with it."""
    counts = facts.holdings.group_by("doc").len("holdings_count")
    described = documents.join(counts, on="doc", how="left", maintain_order="left")
    if facts.faults.height:
        fatal = facts.faults.group_by("doc").agg(pl.col("fatal").sum())
        described = described.join(fatal, on="doc", how="left", maintain_order="left")
    else:
        described = described.hstack([_NO_FAULTS.new_from_index(0, documents.height)])
    if facts.notices.height:
        said = facts.notices.group_by("doc", maintain_order=True).agg(_NOTICES)
        described = described.join(said, on="doc", how="left", maintain_order="left")
    else:
        described = described.hstack([_NO_NOTICES.new_from_index(0, documents.height)])
    return described.with_columns(_STATUS_REASON).select(_SNAPSHOT)


_NO_FAULTS: Final = pl.Series("fatal", [None], pl.UInt32())
_NO_NOTICES: Final = pl.Series("notices", [None], pl.String())
_NOTICES: Final = (
    pl.format(
        "[{}]",
        pl.struct("kind", "pointer", "value").struct.json_encode().str.join(","),
    )
    .first()
    .alias("notices")
)
_REASONS: Final = pl.concat_str(
    pl.when(pl.col("fatal") == 1).then(pl.lit("1 part could not be read")),
    pl.when(pl.col("fatal") > 1).then(pl.format("{} parts could not be read", "fatal")),
    pl.when(~pl.col("holdings_known")).then(
        pl.lit("the payload holds no list of holdings")
    ),
    pl.when(~pl.col("checksum_ok")).then(pl.lit("the checksum does not match")),
    pl.when(pl.col("account_id").is_null()).then(pl.lit("no account id")),
    pl.when(pl.col("snapshot_at").is_null()).then(pl.lit("no snapshot date")),
    separator="; ",
    ignore_nulls=True,
)
_STATUS_REASON: Final = pl.when(_REASONS != "").then(_REASONS).alias("status_reason")
_COUNT: Final = pl.when("holdings_known").then(
    pl.col("holdings_count").cast(pl.Int64()).fill_null(0)
)
_STATUS: Final = (
    pl.when(pl.col("status_reason").is_null())
    .then(pl.lit("current"))
    .otherwise(pl.lit("quarantined"))
)
_SNAPSHOT: Final = [
    {"holdings_count": _COUNT, "status": _STATUS}.get(name, pl.col(name)).alias(name)
    for name in SNAPSHOTS
]
