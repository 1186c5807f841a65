"""What a snapshot is called: a hash of its facts, the same wherever they came from."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from holdings_kit.wire.keyed import Facts

__all__ = ["content_hashes"]


def content_hashes(facts: Facts) -> pl.Series:
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
    body = lines.group_by("doc").agg(pl.col("line").sort())
    head = ("source", "format", "broker", "account_id", "snapshot_at")
    texts = (
        facts.documents.join(body, on="doc", how="left", maintain_order="left")
        .select(
            pl.concat_str(
                *(pl.col(c).cast(pl.String()).fill_null("\x00") for c in head),
                pl.col("line").list.join("\n").fill_null(""),
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

    Texts that differ early sort sooner. Columns without any value are one constant.
    """
    parts: list[pl.Expr] = []
    constant = ""
    for column, dtype in sorted(frame.schema.items()):
        if column in _DERIVED:
            continue
        unknown = frame[column].null_count()
        if unknown == frame.height:
            constant += "\x00\x1f"
            continue
        text = _written(pl.col(column), dtype)
        parts += [
            pl.lit(constant),
            text.fill_null("\x00") if unknown else text,
        ]
        constant = "\x1f"
    return pl.concat_str(*parts, pl.lit(constant + kind))


def _written(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Write a value as text; a decimal as the whole number of its last places."""
    if isinstance(dtype, pl.Decimal):
        column = column.to_physical().cast(pl.Int64())
    return column.cast(pl.String())
