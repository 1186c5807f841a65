"""What an append writes: the deliveries that are new, and the rows of new snapshots."""

from __future__ import annotations

from typing import Final, NamedTuple

import polars as pl

from holdings_kit.errors import StoreError
from holdings_kit.schema import (
    BASKETS,
    HOLDINGS,
    LISTINGS,
    REJECTS,
    SNAPSHOTS,
    Loaded,
    conform,
)
from holdings_kit.store.tables import PARTITION, buckets_of, with_partition

__all__ = ["Staged", "stage", "unseen"]

_DELIVERY: Final = (
    "snapshot_id",
    "transaction_id",
    "notes",
    "fetched_at",
    "checksum_ok",
    "file",
    "line_no",
)
"""What tells one delivery of a snapshot from another."""


class Staged(NamedTuple):
    """The rows of an append, ready for their tables but for the `batch_id`."""

    snapshots: pl.DataFrame  # one row per delivery
    holdings: pl.DataFrame
    listings: pl.DataFrame
    baskets: pl.DataFrame
    rejects: pl.DataFrame


def stage(loaded: Loaded, *, buckets: int) -> Staged:
    """Place the rows in their partition, number them, note what the rules ask for.

    A snapshot that `loaded` holds several times keeps the rows of one.

    Raises
    ------
    FrameError
        A frame of `loaded` has not the columns its name promises.
    StoreError
        Rows name a snapshot that `loaded.snapshots` has not, or differ between two
        copies of one snapshot.
    """
    snapshots = conform(loaded.snapshots, SNAPSHOTS, name="snapshots")
    copies = snapshots.group_by("snapshot_id").agg(
        pl.col("snapshot_at").first(), copies=pl.len()
    )
    holdings = _numbered(conform(loaded.holdings, HOLDINGS, name="holdings"), copies)
    listings = _numbered(conform(loaded.listings, LISTINGS, name="listings"), copies)
    baskets = _numbered(conform(loaded.baskets, BASKETS, name="baskets"), copies)
    rejects = conform(loaded.rejects, REJECTS, name="rejects")
    with_facts = _with_facts(snapshots.unique(_DELIVERY), holdings, baskets)
    frames = (with_facts, holdings, listings, baskets)
    places = buckets_of(frames, buckets)
    placed = [with_partition(frame, buckets, places) for frame in frames]
    return Staged(placed[0], placed[1], placed[2], placed[3], rejects.unique())


def unseen(staged: Staged, known: pl.DataFrame, batch_id: str) -> Staged:
    """Leave out the deliveries and the snapshots that `known` has.

    Parameters
    ----------
    staged
        From `stage`.
    known
        Rows of the snapshots table, of the same dates and buckets at least.
    batch_id
        The name of this append: rows of new snapshots get it. A new delivery of a known
        snapshot points at the rows that are there.
    """
    places = known.group_by("snapshot_id").agg(pl.col("batch_id").min())
    snapshots = (
        staged.snapshots.join(known, on=_DELIVERY, how="anti", nulls_equal=True)
        .join(places, on="snapshot_id", how="left")
        .with_columns(pl.col("batch_id").fill_null(batch_id))
    )

    def rows(frame: pl.DataFrame) -> pl.DataFrame:
        new = frame
        if not places.is_empty():
            new = frame.join(
                places, on="snapshot_id", how="anti", maintain_order="left"
            )
        return _ordered(new).with_columns(batch_id=pl.lit(batch_id))

    return Staged(
        snapshots,
        rows(staged.holdings),
        rows(staged.listings),
        rows(staged.baskets),
        staged.rejects.with_columns(batch_id=pl.lit(batch_id)),
    )


def _runs(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Find where the rows of one snapshot begin and how many follow each other.

    Gives `snapshot_id`, the columns asked for, ``start`` and ``length``, a row a run.
    """
    change = (pl.col("snapshot_id") != pl.col("snapshot_id").shift(1)).fill_null(
        value=True
    )
    heads = frame.with_row_index("start").filter(change)
    end = pl.col("start").shift(-1, fill_value=frame.height)
    return heads.select("snapshot_id", *columns, "start", length=end - pl.col("start"))


def _numbered(frame: pl.DataFrame, copies: pl.DataFrame) -> pl.DataFrame:
    """Add `row_no` within the snapshot, and keep the rows of one copy of each."""
    instant = copies.select("snapshot_id", "copies", _at="snapshot_at")
    runs = _runs(frame).join(
        instant, on="snapshot_id", how="left", maintain_order="left"
    )
    if runs["copies"].has_nulls():
        orphan = runs.filter(pl.col("copies").is_null())["snapshot_id"][0]
        raise StoreError(f"rows of snapshot {orphan!r}, which snapshots does not list")
    if copies["copies"].max() == 1 and runs["snapshot_id"].is_unique().all():
        # as the doors give them: what belongs together stands together, once
        places = runs.select(
            pl.col("_at").repeat_by("length"), row_no=pl.int_ranges("length")
        ).explode("_at", "row_no", empty_as_null=False)
        return frame.with_columns(snapshot_at=places["_at"], row_no=places["row_no"])
    joined = frame.join(instant, on="snapshot_id", how="left", maintain_order="left")
    row_no = pl.int_range(pl.len()).over("snapshot_id")
    length = pl.len().over("snapshot_id").cast(pl.Int64())
    numbered = joined.with_columns(row_no=row_no, _rows=length)
    uneven = numbered.filter(pl.col("_rows") % pl.col("copies") != 0)
    if not uneven.is_empty():
        name = uneven["snapshot_id"][0]
        raise StoreError(f"snapshot {name!r} is there twice, with different rows")
    return (
        numbered.filter(pl.col("row_no") < pl.col("_rows") // pl.col("copies"))
        .with_columns(snapshot_at=pl.col("_at"))
        .drop("copies", "_rows", "_at")
    )


def _ordered(frame: pl.DataFrame) -> pl.DataFrame:
    """Put rows that count up within their snapshot by partition and account."""
    runs = _runs(frame, *PARTITION, "account_id")
    order = (*PARTITION, "account_id", "snapshot_id")
    if not runs["snapshot_id"].is_unique().all():
        return frame.sort(*order, "row_no")
    places = runs.sort(order).select(
        pl.int_ranges("start", pl.col("start") + pl.col("length"))
    )
    return frame.select(pl.all().gather(places.to_series().explode()))


def _with_facts(
    snapshots: pl.DataFrame, holdings: pl.DataFrame, baskets: pl.DataFrame
) -> pl.DataFrame:
    """Add what the rules ask for: rows, brokers, kinds, and the door's own doubt."""
    fund = (pl.col("asset_class") == "mutual_fund").fill_null(value=False)
    kinds = pl.concat(
        [
            holdings.select("snapshot_id", fund=fund),
            baskets.select("snapshot_id", fund=pl.lit(value=False)),
        ]
    )
    rows = (
        kinds.group_by("snapshot_id")
        .agg(
            rows_count=pl.len().cast(pl.Int64()),
            funds=pl.col("fund").any(),
            securities=pl.col("fund").not_().any(),
        )
        .select(
            "snapshot_id",
            "rows_count",
            kinds=pl.concat_list(
                pl.when("funds").then(pl.lit("mutual funds")),
                pl.when("securities").then(pl.lit("securities")),
            ).list.drop_nulls(),
        )
    )
    named = [part.select("snapshot_id", "broker") for part in (snapshots, holdings)]
    again = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(name).shift()) for name in named[0].columns
    )
    brokers = (
        pl.concat(part.filter(~again | (pl.int_range(pl.len()) == 0)) for part in named)
        .drop_nulls()
        .group_by("snapshot_id")
        .agg(brokers=pl.col("broker").unique())
    )
    none = pl.lit([], dtype=pl.List(pl.String()))
    return (
        snapshots.join(rows, on="snapshot_id", how="left")
        .join(brokers, on="snapshot_id", how="left")
        .with_columns(
            pl.col("rows_count").fill_null(0),
            pl.col("brokers", "kinds").fill_null(none).list.sort(),
            doubt=pl.when(pl.col("status") == "quarantined").then("status_reason"),
        )
    )
