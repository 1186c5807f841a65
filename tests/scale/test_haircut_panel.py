"""Haircuts of a population: whatever the buckets, what one frame says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import holdings_kit as hk
from holdings_kit.errors import FrameError
from holdings_kit.sandbox import generate
from holdings_kit.schema import RATE
from holdings_kit.store.population._haircut_panel import (
    COLLATERAL_EFFECTS,
    collateral_effects,
    published_panel,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Stores(NamedTuple):
    one: hk.Store
    many: hk.Store


class Backwards:
    def map(self, task: Callable, items: Iterable) -> list:
        return [task(item) for item in reversed(list(items))][::-1]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    """Three days; on the second some accounts are told another haircut."""
    folder = tmp_path_factory.mktemp("panel")
    dumps = generate(folder, accounts=60, days=3, wire="arrow", instruments=12)
    plain = hk.Store(folder / "plain")
    hk.scan_arrow(dumps, into=plain, progress=False)
    loaded = plain.history()
    no = pl.col("account_id").str.slice(-1)
    other = (pl.col("snapshot_at").dt.day() == 6) & no.is_in(["3", "7"])
    told = pl.when(other).then(pl.col("haircut") + pl.lit("0.01").cast(RATE))
    blank = pl.when(no != "5").then("close_price")
    loaded = loaded._replace(
        holdings=loaded.holdings.with_columns(
            told.otherwise("haircut").cast(RATE).alias("haircut"),
            blank.alias("close_price"),
        )
    )
    stores = Stores(hk.Store(folder / "one"), hk.Store(folder / "many", buckets=5))
    for store in stores:
        store.append(loaded)
    return stores


def test_the_panel_is_that_of_one_frame(stores: Stores) -> None:
    history = stores.one.history()
    good = history.snapshots.filter(pl.col("status") != "quarantined")
    rows = history.holdings.join(good, on="snapshot_id", how="semi")
    whole = hk.haircuts.panel(rows)
    assert set(whole["agrees"]) == {True, False}
    assert whole["date"].n_unique() == 3
    for on in (None, Backwards()):
        assert_frame_equal(published_panel(stores.many, on=on), whole)
    day = date(2026, 1, 6)
    some = published_panel(stores.many, first=day, last=day)
    assert_frame_equal(some, whole.filter(date=day))
    assert published_panel(stores.many, first=date(2027, 1, 1)).is_empty()


def test_a_quarantined_snapshot_publishes_nothing(stores: Stores) -> None:
    loaded = stores.one.current()
    mine = pl.col("account_id") == loaded.snapshots["account_id"][0]
    later = pl.col("snapshot_at", "fetched_at") + timedelta(days=1)
    forged = {"snapshot_id": pl.lit("forged"), "haircut": pl.lit(0.9).cast(RATE)}
    wrong = loaded._replace(
        snapshots=loaded.snapshots.filter(mine).with_columns(
            later, snapshot_id=pl.lit("forged"), checksum_ok=pl.lit(value=False)
        ),
        holdings=loaded.holdings.filter(mine).with_columns(
            pl.col("snapshot_at") + timedelta(days=1), **forged
        ),
        listings=loaded.listings.clear(),
        baskets=loaded.baskets.clear(),
    )
    before = published_panel(stores.many)
    stores.many.append(wrong)
    assert stores.many.quarantine().height == 1
    assert_frame_equal(published_panel(stores.many), before)


@pytest.mark.parametrize(
    "by", [("model",), ("model", "account_id"), ("instrument_id", "model"), "symbol"]
)
def test_effects_add_up_whatever_the_buckets(
    stores: Stores, by: str | tuple[str, ...]
) -> None:
    told = hk.haircuts.published(stores.one.current().holdings)
    half = told.filter(pl.col("instrument_id").hash() % 2 == 0)
    models = pl.concat(
        [
            told.with_columns(pl.col("haircut") + 0.1, model=pl.lit("harder")),
            half.with_columns(pl.lit(0.0).alias("haircut"), model=pl.lit("free")),
        ]
    )
    whole = collateral_effects(stores.one, models, by=by)
    assert_frame_equal(collateral_effects(stores.many, models, by=by), whole)
    spread = collateral_effects(stores.many, models.lazy(), by=by, on=Backwards())
    assert_frame_equal(spread, whole)
    assert (whole["collateral_effect"] != 0).any()


def test_effects_are_those_of_each_account(stores: Stores) -> None:
    holdings = stores.one.current().holdings
    told = hk.haircuts.published(holdings)
    model = told.with_columns(pl.col("haircut") + 0.1, model=pl.lit("harder"))
    cash = holdings.select(pl.col("account_id").unique(), cash_value=0)
    alone = hk.haircuts.book_effects(holdings, model, cash=cash)
    found = collateral_effects(stores.many, model, by=("model", "account_id"))
    names = [name for name in found.columns if name != "accounts_count"]
    assert_frame_equal(
        found.select(names), alone.select(names).sort("model", "account_id")
    )
    total = collateral_effects(stores.many, model).row(0, named=True)
    assert total["accounts_count"] == 60
    assert total["holdings_count"] == holdings.height
    assert 0 < total["unknown_count"] < holdings.height
    assert total["collateral_effect"] == found["collateral_effect"].sum()
    before = hk.collateral(holdings)["collateral_value"].sum()
    assert total["collateral_before"] == before


def test_no_model_gives_no_rows(stores: Stores) -> None:
    none = pl.DataFrame(schema=hk.haircuts.HAIRCUTS)
    assert collateral_effects(stores.many, none).schema == COLLATERAL_EFFECTS
    past = datetime(2020, 1, 1, tzinfo=UTC)
    told = hk.haircuts.published(stores.one.current().holdings)
    assert collateral_effects(stores.many, told, as_of=past).is_empty()


def test_a_key_that_is_none_is_refused(stores: Stores) -> None:
    none = pl.DataFrame(schema=hk.haircuts.HAIRCUTS)
    with pytest.raises(FrameError, match="is no key; have model"):
        collateral_effects(stores.many, none, by=("model", "broker"))
    with pytest.raises(FrameError, match="haircuts"):
        collateral_effects(stores.many, none.drop("date"))
