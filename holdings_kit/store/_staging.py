"""What an append writes: the deliveries that are new, and the rows of new snapshots.

Rows of one snapshot mostly stand together, so all is decided for runs of rows, and the
rows themselves are moved once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

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
    is_fund,
)
from holdings_kit.store._tables import PARTITION, TABLES, with_bucket, with_partition

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        name: conform(getattr(loaded, name), schema, name=name)
        for name, schema in schemas.items()
    }
    snapshots = frames.pop("snapshots").select(SNAPSHOTS.names())
    return Loaded(with_partition(snapshots, buckets).sort(_ORDER), **frames)


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
    each = _list_snapshots(placed.snapshots, known)
    frames = {name: getattr(placed, name) for name in _ROWS}
    runs = _number_rows((_find_runs(*named) for named in frames.items()), each)
    new = _sort_runs(runs.filter(pl.col("batch_id").is_null()), buckets)
    batch = pl.lit(batch_id).alias("batch_id")
    rows = {name: _take_rows(name, frame, new, batch) for name, frame in frames.items()}
    facts = _gather_rule_facts(each, runs).with_columns(
        pl.col("batch_id").fill_null(batch)
    )
    deliveries = _list_deliveries(placed.snapshots, facts, known)
    rejects = placed.rejects.unique(REJECTS.names()).select(*REJECTS, batch)
    return Staged(deliveries, rejects=rejects, **rows)


def _run_plan(plan: pl.LazyFrame) -> pl.DataFrame:
    """Run a plan over the few rows of one append; streaming would cost more."""
    return plan.collect(engine="in-memory")


def _list_snapshots(snapshots: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Give each snapshot once, with its `number` among them and its batch, if known."""
    batches = known.lazy().group_by("snapshot_id").agg(pl.col("batch_id").min())
    each = (
        snapshots.lazy()
        .group_by("snapshot_id", maintain_order=True)
        .agg(
            pl.col("snapshot_at", *PARTITION).first(),
            owner=pl.col("account_id").first(),
            own=pl.col("broker").first(),
            named=pl.col("broker"),
            copies=pl.len().cast(pl.Int64()),
        )
        .with_row_index("number")
        .join(batches, on="snapshot_id", how="left", maintain_order="left")
    )
    return _run_plan(each)


def _find_runs(table: str, frame: pl.DataFrame) -> pl.LazyFrame:
    """Find where rows of one snapshot, account, broker and kind follow each other."""
    same: list[str | pl.Expr] = ["snapshot_id", "account_id"]
    if table == "holdings":
        # an Arrow reply is one list, whatever a master calls its instruments
        fund = is_fund() & pl.col("source").ne_missing("arrow")
        same += ["broker", fund.alias("fund")]
    length = pl.col("len").cast(pl.Int64())
    return (
        frame.lazy()
        .select(pl.struct(same).rle().struct.unnest())
        .unnest("value")
        .with_columns(
            table=pl.lit(table, pl.Enum(list(_ROWS))),
            start=length.cum_sum() - length,
            length=length,
        )
    )


def _number_rows(found: Iterable[pl.LazyFrame], each: pl.DataFrame) -> pl.DataFrame:
    """Add the `row_no` each run begins with, and keep the rows of one copy of each."""
    table = pl.col("table").to_physical().cast(pl.Int64())
    group, end = pl.col("group"), pl.col("length").cum_sum()
    begin = end - pl.col("length")
    first = pl.when(group.ne_missing(group.shift())).then(begin).forward_fill()
    last = pl.when(group.ne_missing(group.shift(-1))).then(end).backward_fill()
    copy = pl.col("rows") // pl.col("copies")
    facts = each.lazy().drop("named")
    plan = (
        pl.concat(found, how="diagonal")
        .join(facts, on="snapshot_id", how="left", maintain_order="left")
        .with_columns(group=table * each.height + pl.col("number"))
        .sort("group", maintain_order=True)
        .with_columns(row_no=begin - first, rows=last - first)
        .with_columns(
            uneven=pl.col("rows") % pl.col("copies") != 0,
            length=pl.min_horizontal("length", copy - pl.col("row_no")),
        )
    )
    runs = _run_plan(plan)
    if runs["number"].has_nulls():
        orphan = runs.filter(pl.col("number").is_null())["snapshot_id"][0]
        raise StoreError(f"rows of snapshot {orphan!r}, which snapshots does not list")
    if runs["uneven"].any():
        name = runs.filter("uneven")["snapshot_id"][0]
        raise StoreError(f"snapshot {name!r} is there twice, with different rows")
    return runs.filter(pl.col("length") > 0)


def _sort_runs(runs: pl.DataFrame, buckets: int) -> pl.DataFrame:
    """Put runs by partition and account; they come as their snapshots are."""
    if not runs["account_id"].ne_missing(runs["owner"]).any():
        return runs
    return with_bucket(runs.drop("bucket"), buckets).sort(*_ORDER, "row_no")


def _take_rows(
    table: str, frame: pl.DataFrame, runs: pl.DataFrame, batch: pl.Expr
) -> pl.DataFrame:
    """Take the rows of the runs, numbered, each with what its run knows."""
    length, index = pl.col("length"), pl.get_index_type()
    plan = (
        runs.lazy()
        .filter(table=table)
        .select(
            "snapshot_at",
            *PARTITION,
            row=pl.int_ranges("start", pl.col("start") + length, dtype=index),
            row_no=pl.int_ranges("row_no", pl.col("row_no") + length),
        )
        .explode("row", "row_no", empty_as_null=False)
        .with_columns(batch)
    )
    known = _run_plan(plan)
    filled = [column.name for column in frame if column.null_count() < column.len()]
    whole = {
        **frame.head(known.height).to_dict(),  # where all is null, any rows will do
        **frame[filled][known["row"]].to_dict(),
        **known.to_dict(),
    }
    return pl.DataFrame({name: whole[name] for name in TABLES[table]})


def _gather_rule_facts(each: pl.DataFrame, runs: pl.DataFrame) -> pl.LazyFrame:
    """Tell what the rules ask for: rows, kinds, brokers, with the batch if known."""
    length, fund = pl.col("length"), pl.col("fund").fill_null(value=False)
    listing = (pl.col("table") == "listings").cast(pl.Int64())
    counted = (
        runs.lazy()
        .group_by("number")
        .agg(
            rows_count=(length * (1 - listing)).sum(),
            listings_count=(length * listing).sum(),
            funds_count=(length * fund).sum(),
        )
    )
    funds, rows = pl.col("funds_count"), pl.col("rows_count")
    kind = (funds > 0).cast(pl.Int64()) + (rows > funds).cast(pl.Int64()) * 2
    return (
        each.lazy()
        .with_columns(brokers=_list_brokers(each, runs))
        .join(counted, on="number", how="left", maintain_order="left")
        .with_columns(
            pl.col("rows_count", "listings_count", "funds_count").fill_null(0)
        )
        .with_columns(kinds=pl.lit(_KINDS).gather(kind))
        .select(
            "snapshot_id",
            "batch_id",
            "rows_count",
            "listings_count",
            "funds_count",
            "kinds",
            "brokers",
        )
    )


def _list_brokers(each: pl.DataFrame, runs: pl.DataFrame) -> pl.Series:
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


def _list_deliveries(
    snapshots: pl.DataFrame, facts: pl.LazyFrame, known: pl.DataFrame
) -> pl.DataFrame:
    """Give each delivery that is not known once, with its facts and its doubt."""
    new = snapshots.lazy()
    if snapshots["snapshot_id"].is_duplicated().any():
        new = new.unique(_DELIVERY, maintain_order=True)
    if not known.is_empty():
        seen = known.lazy()
        new = new.join(
            seen, on=_DELIVERY, how="anti", nulls_equal=True, maintain_order="left"
        )
    doubt = pl.when(pl.col("status") == "quarantined").then("status_reason")
    whole = new.join(
        facts, on="snapshot_id", how="left", nulls_equal=True, maintain_order="left"
    )
    return _run_plan(
        whole.with_columns(doubt=doubt).select(TABLES["snapshots"].names())
    )
