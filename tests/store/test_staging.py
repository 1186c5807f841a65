"""What `write_part` writes: the same rows, however they stood in what was read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, strategies as st
from polars.testing import assert_frame_equal

from holdings_kit.errors import StoreError
from holdings_kit.schema import Loaded
from holdings_kit.store import Store
from holdings_kit.store._staging import place, stage
from holdings_kit.store._tables import PARTITION, STORED, TABLES, bucket_of
from tests.store.conftest import make_snapshot

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = pl.DataFrame(schema=STORED)
BUCKETS = 3


def joined(parts: list[Loaded]) -> Loaded:
    return Loaded(*(pl.concat(same) for same in zip(*parts, strict=True)))


def rows_of(loaded: Loaded) -> list[dict[str, Any]]:
    """The rows to be written, worked out one by one."""
    copies = Counter(loaded.snapshots["snapshot_id"])
    instants = dict(loaded.snapshots.select("snapshot_id", "snapshot_at").iter_rows())
    found: dict[str, list[dict[str, Any]]] = {}
    for row in loaded.holdings.iter_rows(named=True):
        found.setdefault(row["snapshot_id"], []).append(row)
    return [
        row
        | {
            "row_no": number,
            "snapshot_at": instants[name],
            "snapshot_date": instants[name] and instants[name].date(),
            "bucket": bucket_of(row["account_id"] or "", BUCKETS),
            "batch_id": "this",
        }
        for name, rows in found.items()
        for number, row in enumerate(rows[: len(rows) // copies[name]])
    ]


@st.composite
def mixtures(draw: st.DrawFn) -> Loaded:
    """Snapshots, some twice, their rows shuffled, some rows of other accounts."""
    accounts = st.sampled_from(["U1", "U2", "U3", None])
    brokers = st.lists(
        st.sampled_from(["kite", "groww", None]), min_size=1, max_size=2, unique=True
    )
    made = [
        make_snapshot(
            draw(accounts),
            draw(st.sampled_from([0, 1, None])),
            draw(st.integers(0, 3)),
            snapshot_id=f"s{number}",
            brokers=draw(brokers),
            asset_class=draw(st.sampled_from(["equity", "mutual_fund", None])),
        )
        for number in draw(st.permutations(range(4)))
    ]
    loaded = joined(made + made[: draw(st.integers(0, 2))])
    order = draw(st.permutations(range(loaded.holdings.height)))
    holdings = loaded.holdings[list(order)]
    if draw(st.booleans()) and holdings.height:
        others = st.sampled_from(["U1", "U9", None])
        names = [draw(others) for _ in range(holdings.height)]
        column = pl.Series("account_id", names, dtype=pl.String())
        holdings = holdings.with_columns(column)
    return loaded._replace(holdings=holdings)


@given(loaded=mixtures())
def test_rows_are_numbered_placed_and_ordered(loaded: Loaded) -> None:
    placed = place(loaded, buckets=BUCKETS)
    staged = stage(placed, NOTHING, "this", buckets=BUCKETS)
    expected = pl.DataFrame(rows_of(loaded), schema=TABLES["holdings"])
    order = [*PARTITION, "account_id", "snapshot_id", "row_no"]
    assert_frame_equal(staged.holdings, expected.sort(order))
    assert sorted(staged.snapshots["snapshot_id"]) == ["s0", "s1", "s2", "s3"]
    for row in staged.snapshots.iter_rows(named=True):
        own = expected.filter(snapshot_id=row["snapshot_id"])
        deliveries = loaded.snapshots.filter(snapshot_id=row["snapshot_id"])
        brokers = {*own["broker"], *deliveries["broker"]} - {None}
        funds = set((own["asset_class"] == "mutual_fund").fill_null(value=False))
        kinds = [("mutual funds", True), ("securities", False)]
        assert row["rows_count"] == own.height
        assert row["brokers"] == sorted(brokers)
        assert row["kinds"] == [kind for kind, fund in kinds if fund in funds]


@given(loaded=mixtures(), number=st.integers(0, 3))
def test_what_is_known_is_left_out(loaded: Loaded, number: int) -> None:
    placed = place(loaded, buckets=BUCKETS)
    whole = stage(placed, NOTHING, "this", buckets=BUCKETS)
    name = f"s{number}"
    known = whole.snapshots.filter(snapshot_id=name).with_columns(
        batch_id=pl.lit("before")
    )
    again = stage(placed, known, "this", buckets=BUCKETS)
    for before, after in zip(whole[:4], again[:4], strict=True):
        assert_frame_equal(after, before.filter(pl.col("snapshot_id") != name))
    other = known.with_columns(transaction_id=pl.lit("another"))
    anew = stage(placed, other, "this", buckets=BUCKETS)
    assert_frame_equal(anew.holdings, again.holdings)
    batches = dict(anew.snapshots.select("snapshot_id", "batch_id").iter_rows())
    assert batches == {f"s{n}": "before" if n == number else "this" for n in range(4)}


def test_brokers_of_all_deliveries_are_known() -> None:
    loaded = make_snapshot("U1", 0, 2, brokers=["kite"])
    other = pl.col("broker").replace("kite", "groww")
    again = loaded.snapshots.with_columns(other, transaction_id=pl.lit("another"))
    both = joined([loaded, loaded])._replace(
        snapshots=pl.concat([loaded.snapshots, again])
    )
    staged = stage(place(both, buckets=1), NOTHING, "this", buckets=1)
    assert staged.snapshots["brokers"].to_list() == [["groww", "kite"]] * 2
    assert staged.holdings.height == 2


def test_copies_with_different_rows_are_refused(tmp_path: Path) -> None:
    loaded = make_snapshot("U1", 0, 3)
    uneven = joined([loaded, loaded._replace(holdings=loaded.holdings.head(2))])
    with pytest.raises(StoreError, match="twice, with different rows"):
        Store(tmp_path).append(uneven)
    with pytest.raises(StoreError, match="twice, with different rows"):
        Store(tmp_path).write_part(uneven, look_up=False)


@pytest.mark.parametrize("name", [None, "unlisted"])
def test_rows_of_no_snapshot_are_refused(tmp_path: Path, name: str | None) -> None:
    loaded = make_snapshot("U1", 0, 3)
    first = pl.int_range(pl.len()) == 0
    told = pl.when(first).then(pl.lit(name, pl.String())).otherwise("snapshot_id")
    holdings = loaded.holdings.with_columns(snapshot_id=told)
    with pytest.raises(StoreError, match="does not list"):
        Store(tmp_path).write_part(loaded._replace(holdings=holdings), look_up=False)


def test_other_columns_are_not_stored_and_disturb_nothing(tmp_path: Path) -> None:
    loaded = make_snapshot("U1", 0, 3)
    more = {"number": 7, "length": 0, "batch_id": "x", "row_no": 5, "copies": 2}
    extra = Loaded(*(part.with_columns(**lit(more)) for part in loaded))
    store = Store(tmp_path)
    store.commit([store.write_part(extra, look_up=False)])
    assert_frame_equal(store.current().holdings, loaded.holdings)


def lit(values: dict[str, Any]) -> dict[str, pl.Expr]:
    return {name: pl.lit(value) for name, value in values.items()}


def test_each_file_holds_the_accounts_of_its_bucket_in_order(tmp_path: Path) -> None:
    days = [0, 1, None]
    made = [make_snapshot(f"U{n}", days[n % 3], 2) for n in reversed(range(30))]
    part = Store(tmp_path, buckets=BUCKETS).write_part(joined(made), look_up=False)
    held = [file for file in part.files if file.table == "holdings"]
    assert len(held) == len({(file.snapshot_date, file.bucket) for file in held}) == 9
    for file in held:
        path = tmp_path / "holdings" / file.path
        rows = pl.read_parquet(path, hive_partitioning=False)
        assert rows.height == file.rows
        assert path.stat().st_size == file.size
        assert {bucket_of(a, BUCKETS) for a in rows["account_id"]} == {file.bucket}
        assert set(rows["snapshot_at"].dt.date()) == {file.snapshot_date}
        assert_frame_equal(rows, rows.sort("account_id", "snapshot_id", "row_no"))
