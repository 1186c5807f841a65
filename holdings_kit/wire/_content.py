"""What a snapshot is called: a hash of its facts, the same wherever they came from."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.wire._rows import ROW, run_plan

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from holdings_kit.wire._keyed import Facts


def hash_contents(facts: Facts) -> pl.Series:
    """SHA-256 of each document's facts: who, when, and every row, in any order.

    The rows count as the wire says them, not as the frames show them.

    How and when the facts travelled (transaction, delivery time, checksum, notes) is
    left out, so a webhook, its retries and a fetch of one snapshot have one id.
    """
    documents, baskets = facts.documents, facts.baskets
    constituent = tuple(name for name in baskets.columns if name not in _OURS)
    parts = [
        documents.select("doc", line=write_facts(documents, _HEAD, "document")),
        _write_holdings(facts),
    ]
    if baskets.height:
        line = write_facts(baskets, constituent, "basket")
        parts.append(baskets.select("doc", line=line))
    lines = pl.concat(parts)
    if documents.height == 1:  # one reply: less to set up
        return _name_texts(["\n".join(sorted(lines["line"])).encode()])
    texts = (
        lines.sort("doc")
        .group_by("doc", maintain_order=True)
        .agg(pl.col("line").sort())
        .select(pl.col("line").list.join("\n").cast(pl.Binary()))
        .to_series()
    )
    return _name_texts(texts.to_list())


def _name_texts(texts: Iterable[bytes]) -> pl.Series:
    digests = [hashlib.sha256(text).hexdigest()[:32] for text in texts]
    return pl.Series("snapshot_id", digests, dtype=pl.String())


_HEAD = ("source", "format", "broker", "account_id", "snapshot_at", "holdings_known")
_OURS = ("doc", "pointer", "instrument_id")


def write_facts(frame: pl.DataFrame, columns: Collection[str], kind: str) -> pl.Expr:
    """Write the facts of a row as one text, its columns by name, its kind last.

    A number is the whole number of its last places, an instant that of its
    microseconds; unknown is a character of its own. What a row's text is does not
    depend on the other rows: neighbouring columns of one value each are only written
    once for all.
    """
    if frame.height <= _FEW:
        schema = frame.schema
        numeric = tuple(schema[name].is_numeric() for name in columns)
        return _write_few(tuple(columns), numeric, kind)
    physical = frame.select(pl.col(*columns).to_physical())
    parts: list[pl.Expr] = []
    same: list[str] = []  # texts of the columns of one value before this one
    for name in sorted(columns):
        column, text = physical[name], pl.col(name)
        if _has_one_value(column):
            same.append(_UNKNOWN if column[0] is None else str(column[0]))
        else:
            if column.dtype.is_integer():
                # a number too large for MONEY is null here, and its document in doubt
                text = text.to_physical().cast(pl.Int64(), strict=False)
            text = text.cast(pl.String())
            text = text.fill_null(_UNKNOWN) if column.has_nulls() else text
            parts += [pl.lit(_END.join(same)), text] if same else [text]
            same = []
    return pl.concat_str(*parts, pl.lit(_END.join([*same, kind])), separator=_END)


_UNKNOWN, _END = "\x00", "\x1f"
_FEW: Final = 64  # rows for which it does not pay to look for columns of one value


@lru_cache
def _write_few(
    columns: tuple[str, ...], numeric: tuple[bool, ...], kind: str
) -> pl.Expr:
    """Write every column, whatever it says."""
    kinds = dict(zip(columns, numeric, strict=True))
    texts = [
        (
            pl.col(name).to_physical().cast(pl.Int64(), strict=False)
            if kinds[name]
            else pl.col(name).to_physical()
        )
        .cast(pl.String())
        .fill_null(_UNKNOWN)
        for name in sorted(columns)
    ]
    return pl.concat_str(*texts, pl.lit(kind), separator=_END)


def _has_one_value(column: pl.Series) -> bool:
    """Tell whether a column surely says one thing in all rows: a number, or nothing."""
    if column.dtype.is_integer() and not column.has_nulls():
        return not column.is_empty() and column.min() == column.max()
    return not column.is_empty() and column.null_count() == len(column)


def pack_extra(rows: pl.DataFrame, columns: Sequence[str]) -> pl.Expr:
    """Pack documented fields without a column of their own as one JSON object.

    Null where the payload had none of them. What all rows say is only packed once.
    """
    if rows.height <= _FEW:
        return _pack_few(tuple(columns))
    physical = rows.select(pl.col(columns).to_physical())
    parts: list[pl.Expr] = []
    for same, run in groupby(columns, lambda name: _has_one_value(physical[name])):
        text = pl.struct(*run).struct.json_encode()
        parts.append(pl.lit(rows.head(1).select(text).item()) if same else text)
    opened = [text.str.strip_suffix("}") for text in parts[:-1]] + parts[-1:]
    joined = opened[:1] + [text.str.strip_prefix("{") for text in opened[1:]]
    some = pl.any_horizontal(pl.col(columns).is_not_null())
    return pl.when(some).then(pl.concat_str(joined, separator=","))


@lru_cache
def _pack_few(columns: tuple[str, ...]) -> pl.Expr:
    some = pl.any_horizontal(pl.col(columns).is_not_null())
    return pl.when(some).then(pl.struct(*columns).struct.json_encode())


def _write_holdings(facts: Facts) -> pl.DataFrame:
    """Put the listings of a holding behind its line, where its row does not name them.

    Only Arrow lists them apart, in ``symbols``.
    """
    holdings, listings = facts.holdings, facts.listings
    apart = facts.documents["source"] == "arrow"
    if not apart.any():
        return holdings[["doc", "line"]]
    if not apart.all():
        replies = facts.documents["doc"].filter(apart).to_frame()
        listings = listings.join(replies, on="doc", how="semi", maintain_order="left")
    said = tuple(name for name in listings.columns if name not in {"doc", "holding_no"})
    listed = (
        listings.lazy()
        .select(row=ROW, listing=write_facts(listings, said, "listing"))
        .sort("row", "listing")
        .group_by("row", maintain_order=True)
        .agg(pl.col("listing").str.join(_END))
    )
    return run_plan(
        holdings.lazy()
        .select("doc", "line", row=ROW)
        .join(listed, on="row", how="left", maintain_order="left")
        .select(
            "doc", pl.concat_str("line", "listing", separator=_END, ignore_nulls=True)
        )
    )
