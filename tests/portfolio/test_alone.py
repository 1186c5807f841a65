"""An account is answered the same alone, in any order, in any pieces and buckets."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from polars.testing import assert_frame_equal

import holdings_kit as hk
from holdings_kit.schema import (
    BASKETS,
    HOLDINGS,
    LISTINGS,
    REJECTS,
    SNAPSHOTS,
    Loaded,
    empty,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BY = ("account_id", "instrument_id")
DAYS = [datetime(2026, 1, day, 10, tzinfo=UTC) for day in (5, 6, 8)]
PRICES = pl.DataFrame(
    {
        "instrument_id": ["X", "Y", "F", "T"] * 3,
        "date": [date(2026, 1, day) for day in (5, 6, 8) for _ in range(4)],
        "close_price": [90, 40, 55, 30, 91, 41, 56, 31, 95, 43, 58, 33],
    }
)
OWNERS = pl.DataFrame({"account_id": list("ABCDE"), "owner": list("pppqq")})


def lives(random: Random) -> Loaded:
    """Five accounts on three days; what is asked for, owned and known is drawn."""
    snapshots: list[dict[str, Any]] = []
    holdings: list[dict[str, Any]] = []
    for account in "ABCDE":
        held = {"X": 5, "T": 7 if account == "A" else 0}
        for day, at in enumerate(DAYS):
            if day == len(DAYS) - 1:  # A sends what B receives
                held["T"] = 7 if account == "B" else 0
            scope = random.choice(["securities", "securities+funds"])
            name = f"{account}{day}"
            facts = {"snapshot_id": name, "account_id": account, "snapshot_at": at}
            facts["source"] = "gateway"
            snapshots.append(
                dict.fromkeys(SNAPSHOTS)
                | facts
                | {"format": "gateway-v2", "scope": scope, "fetched_at": at}
                | {"status": "current", "file": name}
            )
            for place, instrument in enumerate("XYZFT"):
                if random.random() < 0.5 and instrument in "YZF":
                    held[instrument] = random.choice([0, 5, 10, 20])
                fund = instrument == "F"
                if not held.get(instrument) or (fund and "funds" not in scope):
                    continue
                price = random.choice([None, 50 + day])
                holdings.append(
                    dict.fromkeys(HOLDINGS)
                    | facts
                    | {
                        "holding_no": place,
                        "instrument_id": instrument,
                        "asset_class": "mutual_fund" if fund else "equity",
                        "owned_quantity": held[instrument],
                        "settled_quantity": held[instrument],
                        "pledged_quantity": random.choice([None, 0, 5]),
                        "average_price": random.choice([None, 40, 45]),
                        "close_price": price,
                        "haircut": random.choice([None, "0.2"]),
                        "reconciles": random.choice([None, True, False]),
                    }
                )
    rest = map(empty, (LISTINGS, BASKETS, REJECTS))
    shots = pl.DataFrame(snapshots, schema=SNAPSHOTS)
    counts = {"holdings_count": pl.col("account_id").is_not_null().cast(pl.Int64())}
    rows = pl.DataFrame(
        [row | {"haircut": None} for row in holdings], schema=HOLDINGS
    ).with_columns(
        haircut=pl.Series([row["haircut"] for row in holdings], dtype=pl.String()).cast(
            HOLDINGS["haircut"]
        )
    )
    return Loaded(shots.with_columns(**counts), rows, *rest)


def pick(loaded: Loaded, where: pl.Expr) -> Loaded:
    frames = (loaded.snapshots.filter(where), loaded.holdings.filter(where))
    return loaded._replace(snapshots=frames[0], holdings=frames[1])


def compare(loaded: Loaded) -> pl.DataFrame:
    first, second = (
        loaded.holdings.filter(snapshot_at=at) for at in (DAYS[0], DAYS[1])
    )
    return hk.compare(first, second, snapshots=loaded.snapshots, prices=PRICES)


def follow(loaded: Loaded) -> pl.DataFrame:
    return hk.timeline(
        loaded.holdings, snapshots=loaded.snapshots, prices=PRICES, missing_share=None
    )


def positions(loaded: Loaded) -> pl.DataFrame:
    last = pl.col("snapshot_at") == DAYS[2]
    through = hk.look_through(pick(loaded, last))
    return hk.consolidate(through, by=BY, prices=PRICES)


QUESTIONS: dict[str, Callable[[Loaded], pl.DataFrame]] = {
    "consolidate, look_through": lambda it: positions(it).drop("weight"),
    "summarize": lambda it: hk.summarize(positions(it), by="account_id"),
    "concentration": lambda it: hk.concentration(positions(it), by="account_id").drop(
        "weight"
    ),
    "collateral": lambda it: hk.collateral(
        it.holdings.filter(snapshot_at=DAYS[2])
    ).sort(*BY),
    "compare": compare,
    "bridge": lambda it: hk.bridge(compare(it), by="account_id"),
    "timeline": follow,
    "bridge of days": lambda it: hk.bridge(follow(it), by="account_id"),
    "performance": lambda it: hk.performance(it, prices=PRICES),
}


@pytest.mark.parametrize("question", QUESTIONS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=3, deadline=None)
def test_an_account_is_answered_the_same_alone_in_any_order_and_pieces(
    question: str, seed: int
) -> None:
    ask, random = QUESTIONS[question], Random(seed)
    loaded = lives(random)
    order = list(range(loaded.holdings.height))
    random.shuffle(order)
    cut = len(order) // 3
    mixed = pl.concat(
        [loaded.holdings[order[:cut]], loaded.holdings[order[cut:]]], rechunk=False
    )
    everyone = ask(loaded._replace(holdings=mixed))
    for account in "ABCDE":
        alone = pick(loaded, pl.col("account_id") == account)
        mine = everyone.filter(account_id=account)
        assert_frame_equal(mine, ask(alone), check_row_order="bridge" in question)


def test_buckets_and_other_accounts_change_no_answer(tmp_path: Path) -> None:
    loaded = lives(Random(2))
    answers: list[dict[str, pl.DataFrame]] = []
    for buckets in (1, 3):
        store = hk.Store(tmp_path / f"{buckets}", buckets=buckets, few_rows=0)
        store.append(loaded)
        for odd in store.quarantine()["snapshot_id"]:
            store.promote(odd, reason="drawn", at=DAYS[2] + timedelta(days=1))
        answers.append(
            {
                "values": hk.population.account_values(store, prices=PRICES),
                "activity": hk.population.activity(store, DAYS),
                "performance": hk.population.performance(
                    store, prices=PRICES, moves=OWNERS
                ),
            }
        )
    whole = hk.performance(store.history(), prices=PRICES, moves=OWNERS)
    assert "transferred at value" in whole["flow_basis"].str.join("; ").item()
    for one, other in zip(*(answer.values() for answer in answers), strict=True):
        assert_frame_equal(one, other)
    assert_frame_equal(answers[1]["performance"], whole)
    totals = hk.summarize(
        hk.consolidate(store.current().holdings, by=BY, prices=PRICES), by="account_id"
    )
    values = answers[1]["values"].join(totals, on="account_id", how="semi")
    for name in ("market_value", "cost_value", "return", "costed_value_share"):
        assert values[name].to_list() == totals.sort("account_id")[name].to_list()
