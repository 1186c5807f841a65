"""Quarantine: one table of cases, and the law that arrival plays no part."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from polars.testing import assert_frame_equal

from holdings_kit.schema import Loaded
from holdings_kit.store import Store
from tests.store.conftest import make_snapshot

if TYPE_CHECKING:
    from pathlib import Path

AT = datetime(2026, 2, 1, tzinfo=UTC)


def test_one_row_is_one_row(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(make_snapshot("A", 0, 1))
    store.append(make_snapshot("A", 1, 0))
    reason = store.quarantine()["status_reason"].item()
    assert reason == "empty: the snapshot before has 1 row"


@pytest.mark.parametrize("few_rows", [0.29, 0.55, 0.57, 0.58])
def test_a_share_of_rows_just_at_the_limit_is_enough(
    tmp_path: Path, few_rows: float
) -> None:
    """Also where the limit times the rows before is no whole number in floats."""
    store = Store(tmp_path, few_rows=few_rows)
    least = round(100 * few_rows)
    for account, rows in (("at", least), ("below", least - 1)):
        store.append(make_snapshot(account, 0, 100))
        store.append(make_snapshot(account, 1, rows))
    assert store.quarantine()["account_id"].to_list() == ["below"]


@pytest.mark.parametrize(
    ("facts", "status", "reason"),
    [
        ({"rows": 10}, "current", None),
        ({"rows": 5}, "current", None),
        ({"rows": 4}, "quarantined", "far fewer rows: 4, the snapshot before has 10"),
        ({"rows": 0}, "quarantined", "empty: the snapshot before has 10 rows"),
        ({"rows": 10, "brokers": ["kite"]}, "quarantined", "lost a broker: groww"),
        ({"rows": 10, "brokers": [None]}, "current", None),
        ({"rows": 10, "asset_class": "mutual_fund"}, "quarantined", "lost all sec"),
        ({"rows": 10, "checksum_ok": False}, "quarantined", "checksum wrong"),
        ({"rows": 10, "checksum_ok": None}, "current", None),
        (
            {"rows": 10, "fetched_at": datetime(2026, 1, 5, tzinfo=UTC)},
            "quarantined",
            "from the future",
        ),
        ({"rows": 10, "day": -1}, "superseded", "superseded by first"),
    ],
)
def test_the_second_snapshot_is(
    tmp_path: Path, facts: dict[str, Any], status: str, reason: str | None
) -> None:
    store = Store(tmp_path)
    both = {"brokers": ["groww", "kite"]}
    store.append(make_snapshot("A", 0, 10, snapshot_id="first", **both))
    second = {"day": 3, "account": "A", "snapshot_id": "second", **both} | facts
    store.append(make_snapshot(**second))
    found = store.history().snapshots.filter(pl.col("snapshot_id") == "second")
    assert found["status"].item() == status
    assert (found["status_reason"].item() or "").startswith(reason or "")
    held = store.current().snapshots["snapshot_id"].item()
    assert (held == "second") == (status == "current")


def test_a_first_snapshot_may_be_empty(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(make_snapshot("A", 0, 0))
    assert store.current().snapshots.height == 1


def test_few_rows_can_be_turned_off(tmp_path: Path) -> None:
    store = Store(tmp_path, few_rows=0)
    store.append(make_snapshot("A", 0, 10))
    store.append(make_snapshot("A", 1, 1))
    assert store.current().holdings.height == 1


deliveries = st.builds(
    make_snapshot,
    st.sampled_from(["A", "B", None]),
    st.sampled_from([0, 0.25, 0.5, 1, 2, None]),
    st.sampled_from([0, 1, 4, 10]),
    brokers=st.sampled_from([["kite"], ["groww", "kite"], [None]]),
    checksum_ok=st.sampled_from([True, None, False]),
)


def named(loaded: Loaded) -> Loaded:
    """Give equal facts one id, as the decoders do, and other facts another."""
    row = loaded.snapshots.row(0, named=True)
    facts = loaded.holdings.drop("snapshot_id").to_dicts()
    name = f"{row['snapshot_id']}/{facts!r}/{row['broker']}"
    new = pl.lit(f"{hash(name):x}").alias("snapshot_id")
    return loaded._replace(
        snapshots=loaded.snapshots.with_columns(new),
        holdings=loaded.holdings.with_columns(new),
        listings=loaded.listings.with_columns(new),
    )


def retold(loaded: Loaded, rng: random.Random) -> Loaded:
    """The same facts in another delivery: later, with or without a good checksum."""
    good = pl.lit(rng.choice([True, None, False]), dtype=pl.Boolean())
    later = pl.col("fetched_at") + pl.duration(hours=rng.choice([-30, 0, 1]))
    return loaded._replace(
        snapshots=loaded.snapshots.with_columns(
            checksum_ok=good,
            fetched_at=later,
            transaction_id=pl.lit(rng.choice(["again", None]), dtype=pl.String()),
            file=pl.lit(f"{rng.random()}"),
        )
    )


def together(batch: list[Loaded]) -> Loaded:
    return Loaded(*(pl.concat(part) for part in zip(*batch, strict=True)))


def read(store: Store) -> list[pl.DataFrame]:
    whole, held = store.history(), store.current()
    return [*whole, *held, store.quarantine(), *store.as_of(AT)]


@settings(max_examples=12, deadline=None)
@given(
    day=st.lists(deliveries.map(named), min_size=1, max_size=7),
    seed=st.integers(0, 1_000_000),
    buckets=st.sampled_from([1, 3]),
)
def test_any_permutation_duplication_and_delay_gives_the_same_store(
    day: list[Loaded], seed: int, buckets: int
) -> None:
    rng = random.Random(seed)
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        in_order, any_order = Store(one), Store(other, buckets=buckets)
        day += [retold(loaded, rng) for loaded in rng.choices(day, k=4)]
        in_order.append(together(day))
        arrivals = day + rng.choices(day, k=rng.randint(0, 5))
        rng.shuffle(arrivals)
        while arrivals:  # some arrive alone, some in batches
            size = rng.randint(1, 3)
            batch, arrivals = arrivals[:size], arrivals[size:]
            any_order.append(together(batch))
        for ours, theirs in zip(read(in_order), read(any_order), strict=True):
            assert_frame_equal(ours, theirs)
