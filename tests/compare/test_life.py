"""A simulated life, day by day, is explained: no wrong cause, under 1 % unexplained."""

from __future__ import annotations

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.changes import spans, timeline
from holdings_kit.sandbox import Life, life

QUIET = ["price_only", "unchanged"]
LIVES = [("arrow", 0), ("gateway-v2", 1)]


def told(world: Life, wire: str) -> pl.DataFrame:
    payloads = world.payloads.filter(pl.col("format") == wire)
    loaded = [
        hk.read_arrow(body, account_id=account, snapshot_at=at)
        if wire == "arrow"
        else hk.read_gateway(body, fetched_at=at)
        for body, account, at in payloads.select(
            "body", "account_id", "snapshot_at"
        ).rows()
    ]
    return timeline(
        pl.concat(one.holdings for one in loaded),
        snapshots=pl.concat(one.snapshots for one in loaded),
        actions=world.actions,
        moves=world.moves,
    )


@pytest.fixture(scope="module", params=LIVES, ids=lambda case: case[0])
def lived(request: pytest.FixtureRequest) -> tuple[str, Life, pl.DataFrame]:
    wire, seed = request.param
    world = life(seed=seed)
    return wire, world, told(world, wire)


def truth(world: Life, wire: str) -> pl.DataFrame:
    """What happened, one row per account, instrument and day."""
    events = world.events.filter(
        pl.col("source") == wire.partition("-")[0],
        ~pl.col("cause").is_in(QUIET),
    )
    return events.select("account_id", "instrument_id", "date", "cause")


def test_every_day_has_its_cause(lived: tuple[str, Life, pl.DataFrame]) -> None:
    wire, world, changes = lived
    day = pl.col("snapshot_at_after").dt.convert_time_zone("Asia/Kolkata").dt.date()
    found = changes.filter(~pl.col("cause").is_in(QUIET)).select(
        "account_id", "instrument_id", date=day, found="cause"
    )
    compared = changes.select(day.min()).item()
    both = (
        truth(world, wire)
        .filter(pl.col("date") >= compared)
        .join(
            found, on=["account_id", "instrument_id", "date"], how="full", coalesce=True
        )
    )
    unexplained = changes.filter(pl.col("cause") == "unexplained").height
    assert both.filter(pl.col("cause").ne_missing(pl.col("found"))).rows() == []
    assert both.height > 100
    assert unexplained < 0.01 * changes.height


@pytest.mark.parametrize("wire", ["arrow", "gateway-v2"])
def test_every_corporate_action_has_its_cause(wire: str) -> None:
    world = life(seed=4, days=12, cast="corporate")
    changes = told(world, wire)
    day = pl.col("snapshot_at_after").dt.convert_time_zone("Asia/Kolkata").dt.date()
    found = changes.filter(~pl.col("cause").is_in(QUIET)).select(
        "account_id", "instrument_id", "confidence", date=day, found="cause"
    )
    both = truth(world, wire).join(
        found, on=["account_id", "instrument_id", "date"], how="full", coalesce=True
    )
    assert both.filter(pl.col("cause").ne_missing(pl.col("found"))).rows() == []
    events = set(both["cause"])
    assert {"merger", "demerger", "rights", "buyback", "delisted", "sold"} <= events
    assert {"pending_action", "average_restated", "received", "bonus"} <= events
    for of in ("value", "pnl"):
        assert set(hk.bridge(changes, of=of)["residual"]) == {0}


def test_the_life_adds_up(lived: tuple[str, Life, pl.DataFrame]) -> None:
    _, _, changes = lived
    for of in ("value", "collateral", "pnl"):
        assert set(hk.bridge(changes, of=of)["residual"]) == {0}
    assert hk.bridge(changes, by=())["unexplained_effect"].to_list() == [0]


def test_what_came_and_went_is_found(lived: tuple[str, Life, pl.DataFrame]) -> None:
    _, _, changes = lived
    stays = spans(changes)
    both = pl.col("opened_at").is_not_null() & pl.col("closed_at").is_not_null()
    assert (stays.filter(both)["opened_at"] < stays.filter(both)["closed_at"]).all()
    ended = changes.filter(pl.col("cause").is_in(["closed", "transfer_out"])).height
    assert stays["closed_at"].is_not_null().sum() == ended
