"""What an append writes: the deliveries that are new, and the rows of new snapshots.

Rows of one snapshot mostly stand together, so all is decided for runs of rows, and the
rows themselves are moved once.
"""

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
from holdings_kit.store.tables import (
    PARTITION,
    TABLES,
    buckets_of,
    with_bucket,
    with_partition,
)

__all__ = ["Staged", "place", "stage"]

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

_ROWS: Final = {"holdings": HOLDINGS, "listings": LISTINGS, "baskets": BASKETS}
_ORDER: Final = (*PARTITION, "account_id", "snapshot_id")
_KINDS: Final = pl.Series(
    [[], ["mutual funds"], ["securities"], ["mutual funds", "securities"]],
    dtype=pl.List(pl.String()),
)
"""The place of each: 1 for mutual funds, plus 2 for securities."""


class Staged(NamedTuple):
    """The rows of an append, ready for their tables."""

    snapshots: pl.DataFrame  # one row per delivery
    holdings: pl.DataFrame
    listings: pl.DataFrame
    baskets: pl.DataFrame
    rejects: pl.DataFrame


def place(loaded: Loaded, *, buckets: int) -> Loaded:
    """Check the frames, and give the snapshots their partition and their order.

    Raises
    ------
    FrameError
        A frame of `loaded` has not the columns its name promises.
    """
    schemas = {"snapshots": SNAPSHOTS, **_ROWS, "rejects": REJECTS}
    frames = {
        name: conform(getattr(loaded, name), schema, name=name).select(schema.names())
        for name, schema in schemas.items()
    }
    snapshots = with_partition(frames.pop("snapshots"), buckets)
    return Loaded(snapshots.sort(_ORDER), **frames)


def stage(
    placed: Loaded, known: pl.DataFrame, batch_id: str, *, buckets: int
) -> Staged:
    """Order and number the rows, note what the rules ask for, leave out what is known.

    A snapshot that `placed` holds several times keeps the rows of one.

    Parameters
    ----------
    placed
        From `place`.
    known
        Rows of the snapshots table, of the same dates and buckets at least.
    batch_id
        The name of this append: rows of new snapshots get it. A new delivery of a known
        snapshot points at the rows that are there.
    buckets
        What the store has.

    Raises
    ------
    StoreError
        Rows name a snapshot that `placed.snapshots` has not, or differ between two
        copies of one snapshot.
    """
    each = _each(placed.snapshots, known)
    frames = {name: getattr(placed, name) for name in _ROWS}
    found = pl.concat((_runs(*named) for named in frames.items()), how="diagonal")
    runs = _numbered(found, each)
    facts = _facts(each, runs)
    new = _ordered(runs.filter(pl.col("batch_id").is_null()), buckets)
    batch = pl.lit(batch_id)
    rows = {
        name: _rows(frame, new.filter(table=name))
        .with_columns(batch_id=batch)
        .select(TABLES[name].names())
        for name, frame in frames.items()
    }
    deliveries = _deliveries(placed.snapshots, facts, known)
    rejects = placed.rejects.unique().with_columns(batch_id=batch)
    filled = pl.col("batch_id").fill_null(batch)
    return Staged(deliveries.with_columns(filled), rejects=rejects, **rows)


def _each(snapshots: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Give each snapshot once, with its `number` among them and its batch, if known."""
    each = (
        snapshots.group_by("snapshot_id", maintain_order=True)
        .agg(
            pl.col("snapshot_at", *PARTITION).first(),
            owner=pl.col("account_id").first(),
            own=pl.col("broker").first(),
            named=pl.col("broker"),
            copies=pl.len().cast(pl.Int64()),
        )
        .with_row_index("number")
    )
    batches = known.group_by("snapshot_id").agg(pl.col("batch_id").min())
    return each.join(batches, on="snapshot_id", how="left", maintain_order="left")


def _runs(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Find where rows of one snapshot, account, broker and kind follow each other."""
    same: list[str | pl.Expr] = ["snapshot_id", "account_id"]
    if table == "holdings":
        fund = (pl.col("asset_class") == "mutual_fund").fill_null(value=False)
        same += ["broker", fund.alias("fund")]
    length = pl.col("len").cast(pl.Int64())
    return (
        frame.select(pl.struct(same).rle().struct.unnest())
        .unnest("value")
        .with_columns(
            table=pl.lit(table, pl.Enum(list(_ROWS))),
            start=length.cum_sum() - length,
            length=length,
        )
    )


def _numbered(found: pl.DataFrame, each: pl.DataFrame) -> pl.DataFrame:
    """Add the `row_no` each run begins with, and keep the rows of one copy of each."""
    runs = found.join(
        each.drop("named"), on="snapshot_id", how="left", maintain_order="left"
    )
    if runs["number"].has_nulls():
        orphan = runs.filter(pl.col("number").is_null())["snapshot_id"][0]
        raise StoreError(f"rows of snapshot {orphan!r}, which snapshots does not list")
    table = pl.col("table").to_physical().cast(pl.Int64())
    runs = runs.with_columns(group=table * each.height + pl.col("number"))
    runs = runs.sort("group", maintain_order=True)
    group, end = pl.col("group"), pl.col("length").cum_sum()
    begin = end - pl.col("length")
    first = pl.when(group.ne_missing(group.shift())).then(begin).forward_fill()
    last = pl.when(group.ne_missing(group.shift(-1))).then(end).backward_fill()
    runs = runs.with_columns(row_no=begin - first, rows=last - first)
    uneven = runs.filter(pl.col("rows") % pl.col("copies") != 0)
    if not uneven.is_empty():
        name = uneven["snapshot_id"][0]
        raise StoreError(f"snapshot {name!r} is there twice, with different rows")
    left = pl.col("rows") // pl.col("copies") - pl.col("row_no")
    kept = runs.with_columns(length=pl.min_horizontal("length", left))
    return kept.filter(pl.col("length") > 0)


def _ordered(runs: pl.DataFrame, buckets: int) -> pl.DataFrame:
    """Put runs by partition and account; they come as their snapshots are."""
    if not runs["account_id"].ne_missing(runs["owner"]).any():
        return runs
    places = buckets_of(runs["account_id"], buckets)
    return with_bucket(runs.drop("bucket"), places).sort(*_ORDER, "row_no")


def _rows(frame: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Take the rows of the runs, numbered, each with what its run knows."""
    length, index = pl.col("length"), pl.get_index_type()
    rows = runs.select(
        run=pl.int_range(pl.len(), dtype=index).repeat_by("length"),
        row=pl.int_ranges("start", pl.col("start") + length, dtype=index),
        row_no=pl.int_ranges("row_no", pl.col("row_no") + length),
    ).explode("run", "row", "row_no", empty_as_null=False)
    row = rows["row"]
    taken = [  # where all is null, any rows will do
        column.head(row.len())
        if column.null_count() == column.len()
        else column.gather(row)
        for column in frame
    ]
    facts = runs.select("snapshot_at", *PARTITION)[rows["run"]]
    return pl.DataFrame(taken).with_columns(rows["row_no"], *facts)


def _facts(each: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Tell what the rules ask for: rows, kinds, brokers, with the batch if known."""
    length, fund = pl.col("length"), pl.col("fund").fill_null(value=False)
    counted = (
        runs.filter(pl.col("table") != "listings")
        .group_by("number")
        .agg(rows_count=length.sum(), funds=(length * fund).sum())
    )
    facts = each.join(counted, on="number", how="left", maintain_order="left")
    facts = facts.with_columns(pl.col("rows_count", "funds").fill_null(0))
    funds, rows = facts["funds"], facts["rows_count"]
    kind = (funds > 0).cast(pl.Int64()) + (rows > funds).cast(pl.Int64()) * 2
    return facts.select(
        "snapshot_id",
        "batch_id",
        "rows_count",
        kinds=_KINDS.gather(kind),
        brokers=_brokers(each, runs),
    )


def _brokers(each: pl.DataFrame, runs: pl.DataFrame) -> pl.Series:
    """List the brokers that deliveries and rows of each snapshot name, sorted."""
    other = pl.col("broker").is_not_null() & pl.col("broker").ne_missing(pl.col("own"))
    alone = each.select(pl.col("own").is_not_null() & (pl.col("copies") == 1))
    if alone.to_series().all() and not runs.select(other.any()).item():
        return each["named"]
    told = each.select("number", broker="named").explode("broker")
    lists = (
        pl.concat([told, runs.select("number", "broker")])
        .drop_nulls()
        .unique()
        .sort("broker")
        .group_by("number")
        .agg(brokers="broker")
    )
    none = pl.lit([], dtype=pl.List(pl.String()))
    listed = each.join(lists, on="number", how="left", maintain_order="left")
    return listed.select(pl.col("brokers").fill_null(none)).to_series()


def _deliveries(
    snapshots: pl.DataFrame, facts: pl.DataFrame, known: pl.DataFrame
) -> pl.DataFrame:
    """Give each delivery that is not known once, with its facts and its doubt."""
    new = snapshots
    if facts.height < new.height:
        new = new.unique(_DELIVERY, maintain_order=True)
    if not known.is_empty():
        new = new.join(
            known, on=_DELIVERY, how="anti", nulls_equal=True, maintain_order="left"
        )
    return (
        new.join(
            facts,
            on="snapshot_id",
            how="left",
            nulls_equal=True,
            maintain_order="left",
        )
        .with_columns(
            doubt=pl.when(pl.col("status") == "quarantined").then("status_reason")
        )
        .select(TABLES["snapshots"].names())
    )
