"""Answers about a population: whatever the buckets, the same; and added up by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import holdings_kit as hk
from holdings_kit.display.plot import (
    activity_lines,
    alt_text,
    distribution_bars,
    stress_curve,
)
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.sandbox import generate
from holdings_kit.schema import (
    BASKETS,
    HOLDINGS,
    LISTINGS,
    REJECTS,
    SNAPSHOTS,
    Loaded,
)
from holdings_kit.store import Store, population

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

DAYS = [datetime(2026, 1, day, 20, tzinfo=UTC) for day in (5, 6, 7)]


class Stores(NamedTuple):
    one: Store
    many: Store


class Backwards:
    """Another way to map: the last first; the answers in order all the same."""

    def map(self, task: Callable, items: Iterable) -> list:
        return [task(item) for item in reversed(list(items))][::-1]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Stores:
    folder: Path = tmp_path_factory.mktemp("population")
    dumps = generate(folder, accounts=80, days=3, wire="arrow", instruments=12)
    one, many = Store(folder / "one"), Store(folder / "many", buckets=5)
    for store in (one, many):
        hk.scan_arrow(dumps, into=store, progress=False)
    return Stores(one, many)


def used(store: Store, share: str) -> pl.DataFrame:
    values = population.account_values(store)
    some = values.filter(pl.col("collateral_value") > 0)
    return some.select(
        "account_id", used_value=pl.col("collateral_value") * pl.lit(Decimal(share))
    )


def test_the_number_of_buckets_changes_no_answer(stores: Stores) -> None:
    needs = used(stores.one, "0.9")
    questions = [
        population.account_values,
        population.coverage,
        lambda s, on=None: population.distribution(
            s, "unrealized_pnl", edges=[-1000, 0, 1000], on=on
        ),
        lambda s, on=None: population.exposure_to(s, "INEZ0000101" + "5", on=on),
        lambda s, on=None: population.activity(s, DAYS, on=on),
        population.performance,
        lambda s, on=None: population.margin_stress(
            s, used=needs, haircut_adds=[0, 0.2], on=on
        ),
    ]
    for question in questions:
        whole = question(stores.one)
        assert_frame_equal(question(stores.many), whole)
        assert_frame_equal(question(stores.many, on=Backwards()), whole)


def test_account_values_add_up_to_one_portfolio(stores: Stores) -> None:
    values = population.account_values(stores.many)
    holdings = stores.one.current().holdings
    by = ("account_id", "instrument_id")
    totals = hk.summarize(hk.consolidate(holdings, by=by))
    assert values.height == 80
    for column in ("market_value", "cost_value", "unrealized_pnl"):
        assert values[column].sum() == totals[column].item()
    pledged = hk.collateral(holdings)["collateral_value"].sum()
    assert values["collateral_value"].sum() == pledged > 0


def test_a_question_to_one_bucket_stays_in_it(stores: Stores) -> None:
    parts = [population.account_values(stores.many.bucket(n)) for n in range(5)]
    assert [part.height for part in parts if part.height == 80] == []
    whole = population.account_values(stores.many)
    assert_frame_equal(pl.concat(parts).sort("account_id"), whole)


def test_a_distribution_counts_every_account_once(stores: Stores) -> None:
    values = population.account_values(stores.many)["return"]
    counts = population.distribution(stores.many, "return", edges=[-0.1, 0, 0.1])
    assert counts["accounts_count"].sum() == 80
    below = counts.filter(upper=0)["accounts_count"].item()
    assert below == values.is_between(-0.1, 0, closed="left").sum()
    unknown = counts.filter(~pl.col("known"))["accounts_count"].item()
    assert unknown == values.null_count()


def test_higher_haircuts_leave_more_accounts_short(stores: Stores) -> None:
    needs = used(stores.one, "0.9")
    stress = population.margin_stress(
        stores.many, used=needs, haircut_adds=[0, 0.05, 0.2, 1]
    )
    short = stress["short_count"].to_list()
    assert short == sorted(short)
    assert short[0] == 0
    assert short[-1] == needs.height
    assert stress["shortfall_value"][-1] == needs["used_value"].sum()


def test_exposure_is_that_of_the_holders(stores: Stores) -> None:
    holdings = stores.one.current().holdings
    instrument = holdings["instrument_id"].mode()[0]
    rows = holdings.filter(instrument_id=instrument)
    answer = population.exposure_to(stores.many, instrument).row(0, named=True)
    assert answer["accounts_count"] == rows["account_id"].n_unique()
    assert answer["owned_quantity"] == rows["owned_quantity"].sum()
    assert (
        answer["market_value"] == rows["owned_quantity"].sum() * rows["last_price"][0]
    )
    nobody = population.exposure_to(stores.many, "INE000000000").row(0, named=True)
    assert (nobody["accounts_count"], nobody["market_value"]) == (0, None)


def test_activity_counts_what_compare_says(stores: Stores) -> None:
    seen = population.activity(stores.many, DAYS)
    before, after = (stores.one.as_of(day).holdings for day in DAYS[:2])
    causes = hk.compare(before, after)["cause"].value_counts()
    ours = seen.filter(before_at=DAYS[0]).select("cause", "lines_count")
    assert dict(ours.iter_rows()) == dict(causes.iter_rows())
    assert {"split", "bought"} <= set(seen["cause"])


def test_coverage_says_what_is_not_known(stores: Stores) -> None:
    holdings = stores.one.current().holdings
    row = population.coverage(stores.many).row(0, named=True)
    assert row["accounts_count"] == 80
    assert row["holdings_count"] == row["identified_count"] == holdings.height
    assert row["costed_count"] == holdings["average_price"].count() < holdings.height
    assert row["unreconciled_count"] == 0


def _row(account: str, day: int, close: int, quantity: int = 100) -> Loaded:
    at = datetime(2026, 1, day, 10, tzinfo=UTC)
    facts = {"snapshot_id": account, "account_id": account, "source": "arrow"}
    facts |= {"snapshot_at": at, "fetched_at": at}
    line = {"holding_no": 0, "instrument_id": "X", "owned_quantity": quantity}
    line |= {"average_price": 3000, "close_price": close}
    lines = [facts | line] if quantity else []
    return Loaded(
        _frame(SNAPSHOTS, [facts | {"holdings_count": len(lines)}]),
        _frame(HOLDINGS, lines),
        *(pl.DataFrame(schema=schema) for schema in (LISTINGS, BASKETS, REJECTS)),
    )


def _frame(schema: pl.Schema, rows: list[dict]) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(schema) | row for row in rows], schema=schema)


@pytest.mark.parametrize("buckets", [1, 2, 16])
def test_no_bucket_prices_another_account(tmp_path: Path, buckets: int) -> None:
    """Each is valued at its own close, whoever shares its bucket."""
    store = Store(tmp_path / "store", buckets=buckets)
    parts = [_row(f"A{i}", 1 + 3 * i, 4000 - 100 * i) for i in range(8)]
    store.append(Loaded(*map(pl.concat, zip(*parts, strict=True))))
    values = population.account_values(store)
    assert values["unrealized_pnl"].to_list() == [
        100 * (1000 - 100 * i) for i in range(8)
    ]
    assert values["unrealized_pnl"].sum() == 520_000
    exposed = population.exposure_to(store, "X").row(0, named=True)
    assert exposed["market_value"] == values["market_value"].sum()


def test_an_account_that_owns_nothing_has_its_row(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", buckets=3)
    parts = [_row("A", 5, 3300), _row("B", 5, 0, quantity=0)]
    store.append(Loaded(*map(pl.concat, zip(*parts, strict=True))))
    values = population.account_values(store)
    assert values["account_id"].to_list() == ["A", "B"]
    counts = values.select("positions_count", "unpriced_count", "uncollateral_count")
    assert counts.rows() == [(1, 0, 1), (0, 0, 0)]
    assert values["market_value"].to_list() == [330_000, None]
    classes = population.distribution(store, "positions_count", edges=[1])
    assert classes["accounts_count"].to_list() == [1, 1, 0]


def test_prices_value_what_the_gateway_leaves_open(tmp_path: Path) -> None:
    dumps = generate(tmp_path, accounts=20, days=1, instruments=10)
    store = Store(tmp_path / "store", buckets=2)
    hk.scan_webhooks(dumps, into=store, progress=False)
    assert population.account_values(store)["market_value"].null_count() == 20
    prices = pl.read_csv(tmp_path / "prices.csv").select(
        "instrument_id",
        pl.col("last_price").cast(pl.String()).cast(pl.Decimal(18, 4)),
    )
    valued = population.account_values(store, prices=prices)
    assert (valued["market_value"] > 0).all()


def test_bad_questions_are_refused(stores: Stores) -> None:
    with pytest.raises(ConfigError, match="measure 'luck'"):
        population.distribution(stores.one, "luck", edges=[0])
    with pytest.raises(ConfigError, match="ascending"):
        population.distribution(stores.one, "hhi", edges=[1, 0])
    with pytest.raises(ConfigError, match="two instants"):
        population.activity(stores.one, DAYS[:1])
    with pytest.raises(FrameError, match="used_value"):
        population.margin_stress(
            stores.one, used=pl.DataFrame({"account_id": ["A"]}), haircut_adds=[0]
        )


def test_pictures_say_what_they_show(stores: Stores) -> None:
    counts = population.distribution(stores.many, "hhi", edges=[0.25, 0.5])
    assert "80 accounts" in alt_text(distribution_bars(counts))
    assert "0 accounts" in alt_text(distribution_bars(counts.head(0)))
    stress = population.margin_stress(
        stores.many, used=used(stores.one, "0.9"), haircut_adds=[0, 0.1]
    )
    assert "at +10%" in alt_text(stress_curve(stress))
    assert "nothing asked" in alt_text(stress_curve(stress.head(0)))
    seen = population.activity(stores.many, DAYS)
    assert "2 instants" in alt_text(activity_lines(seen))
    assert "none" in alt_text(activity_lines(seen.head(0)))
