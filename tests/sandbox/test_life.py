"""The told lives: the same for a seed, readable, and true to their events."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import holdings_kit as hk
from holdings_kit import sandbox
from holdings_kit.changes import CAUSES
from holdings_kit.errors import ConfigError
from holdings_kit.sandbox import Life, arrow_client, gateway_client, life
from holdings_kit.sandbox._market import UNIVERSE

SAMPLE = Path(__file__).parents[2] / "sample_data" / "arrow" / "holdings.json"
SOME = ("asha", "asha2", "chirag", "divya", "sample")  # to stay quick
SHOWN = ("settled_quantity", "t1_quantity", "pledged_quantity", "owned_quantity")


@cache
def told(seed: int) -> Life:
    return life(seed=seed)


def truth_of(source: str) -> pl.DataFrame:
    """The events of the personas whose holdings are read."""
    accounts = told(3).payloads.filter(pl.col("persona").is_in(SOME))["account_id"]
    mine = pl.col("account_id").is_in(accounts.unique().to_list())
    return told(3).events.filter(mine, source=source)


@cache
def holdings(seed: int, source: str) -> pl.DataFrame:
    """All holdings of a source, with the day they were seen."""
    wanted = "arrow" if source == "arrow" else "gateway-v2"
    frames: list[pl.DataFrame] = []
    payloads = told(seed).payloads.filter(pl.col("persona").is_in(SOME), format=wanted)
    for row in payloads.iter_rows(named=True):
        if source == "arrow":
            read = hk.read_arrow(
                row["body"],
                account_id=row["account_id"],
                snapshot_at=row["snapshot_at"],
            )
        else:
            read = hk.read_gateway(row["body"], fetched_at=row["snapshot_at"])
        assert read.rejects.is_empty()
        frames.append(read.holdings.with_columns(day=pl.lit(row["day"], pl.Int64())))
    return pl.concat(frames)


def test_the_same_seed_tells_the_same_bytes_and_another_does_not() -> None:
    again = life(seed=3)
    assert_frame_equal(told(3).payloads, again.payloads)
    assert_frame_equal(told(3).events, again.events)
    assert not told(3).payloads["body"].equals(told(4).payloads["body"])


def test_the_bytes_are_the_same_on_every_machine() -> None:
    bodies = b"".join(life(seed=1, days=5).payloads["body"].to_list())
    digest = hashlib.sha256(bodies).hexdigest()
    assert digest.startswith("acb316242c184eea")


def test_a_longer_life_begins_like_a_shorter_one() -> None:
    short, whole = life(seed=3, days=7), told(3)
    assert_frame_equal(short.payloads, whole.payloads.filter(pl.col("day") < 7))
    assert_frame_equal(short.events, whole.events.filter(pl.col("day") < 7))


@pytest.mark.parametrize("source", ["arrow", "gateway"])
def test_every_row_adds_up_where_the_source_gives_a_way_to_know(source: str) -> None:
    assert holdings(3, source).filter(~pl.col("reconciles")).is_empty()
    assert holdings(3, source)["reconciles"].sum() > 500


def test_the_whole_life_is_lived() -> None:
    assert set(told(3).events["event"]) == {
        "opened",
        "bought",
        "settled",
        "pledged",
        "unpledged",
        "split",
        "bonus",
        "isin_change",
        "symbol_rename",
        "delisting",
        "haircut_changed",
        "transfer_out",
        "transfer_in",
        "sold",
        "sell_all",
    }
    assert set(told(3).events["cause"]) <= set(CAUSES)


def test_one_cause_for_an_account_and_instrument_a_day() -> None:
    keys = ["source", "account_id", "instrument_id", "day"]
    assert told(3).events.select(keys).is_duplicated().sum() == 0


@pytest.mark.parametrize("source", ["arrow", "gateway"])
def test_nothing_moves_without_an_event(source: str) -> None:
    seen = holdings(3, source).select("account_id", "instrument_id", "day", *SHOWN)
    before = seen.with_columns(pl.col("day") + 1)
    keys = ["account_id", "instrument_id", "day"]
    moved = (
        seen.join(before, on=keys, how="full", suffix="_before", coalesce=True)
        .filter(pl.col("day").is_between(1, 44))
        .filter(
            pl.any_horizontal(
                pl.col(c).ne_missing(pl.col(f"{c}_before")) for c in SHOWN
            )
        )
    )
    truth = truth_of(source)
    caused = pl.concat(
        [
            truth.select(keys),
            truth.select(
                "account_id",
                pl.col("instrument_id_before").alias("instrument_id"),
                "day",
            ),
        ]
    ).unique()
    unexplained = moved.join(caused, on=keys, how="anti")
    new_rows = pl.col("owned_quantity") == 0  # Gateway lists today's purchase already
    assert unexplained.filter(~new_rows.fill_null(value=False)).is_empty()


def test_only_invented_instruments_are_split_renamed_or_delisted() -> None:
    invented = {item.isin for item in UNIVERSE.values() if "(invented)" in item.name}
    kinds = ["split", "bonus", "isin_change", "symbol_rename", "delisting"]
    touched = told(3).events.filter(pl.col("event").is_in(kinds))
    assert set(touched["instrument_id_before"]) <= invented


def test_every_isin_has_its_check_digit() -> None:
    isins = holdings(3, "arrow").select("isin").drop_nulls().unique()
    assert isins.height > 12
    assert isins.select(hk.identity.isin_ok("isin").all()).item()


def test_the_sample_persona_holds_the_published_payload() -> None:
    rows = told(3).payloads.filter(persona="sample", format="arrow")
    assert set(rows["body"].to_list()) == {SAMPLE.read_bytes()}
    both = [
        holdings(3, source).filter(day=0).filter(pl.col("account_id") == account)
        for source, account in zip(
            ("arrow", "gateway"),
            told(3)
            .payloads.filter(day=0, persona="sample")["account_id"]
            .unique(maintain_order=True),
            strict=True,
        )
    ]
    quantities = [dict(f.select("symbol", "owned_quantity").iter_rows()) for f in both]
    assert quantities[0] == quantities[1]
    assert quantities[0]["IDEA"] == 775


def test_a_delisted_share_stays_without_a_price_or_haircut() -> None:
    gone = told(3).events.filter(event="delisting", source="arrow").row(0, named=True)
    row = holdings(3, "arrow").filter(
        day=gone["day"],
        account_id=gone["account_id"],
        instrument_id=gone["instrument_id"],
    )
    assert row.select("owned_quantity").item() > 0
    prices = row.select("last_price", "close_price", "haircut").row(0)
    assert prices == (None, None, None)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"days": 0}, "days is 0"), ({"start": date(2026, 1, 3)}, "week-day")],
)
def test_a_wrong_life_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        life(**options)  # pyright: ignore[reportArgumentType]


LIVES = {
    "mira": "merger into a held line",
    "dev": "demerger, averages at once",
    "bina": "buyback",
}
SERVED = json.dumps(
    {
        "personas": [
            {"key": key, "broker": "kite", "linked": True, "life": story}
            for key, story in LIVES.items()
        ]
    }
)


def causes_of(changes: pl.DataFrame) -> set[tuple[str, str]]:
    quiet = pl.col("cause").is_in(["price_only", "unchanged", "settled"])
    return set(changes.filter(~quiet).select("symbol", "cause").rows())


@pytest.mark.parametrize("wire", ["arrow", "v1", "v2"])
def test_a_served_user_lives_through_corporate_actions(
    tmp_path: Path, wire: str
) -> None:
    (tmp_path / "people.json").write_text(SERVED)
    days: list[list[pl.DataFrame]] = []
    with sandbox.serve(seed=7, personas=tmp_path / "people.json") as sb:
        for _day in range(2):
            sb.advance(days=1)  # what happens to them begins on the second of these
            frames: list[pl.DataFrame] = []
            for who in LIVES:
                if wire == "arrow":
                    with arrow_client(sb, who) as client:
                        frames.append(client.holdings().holdings)
                else:
                    version: Any = wire
                    with gateway_client(sb) as partner:
                        auth_id = sb.personas[who].auth_id
                        read = partner.holdings(auth_id, version=version)
                    frames.append(read.holdings)
            days.append(frames)
    actions = life(seed=7, days=12, cast="corporate").actions
    # format v1 has no ISIN, so the table names none of its lines
    tender = "sold" if wire == "v1" else "buyback"
    for table, tendered in ((None, "sold"), (actions, tender)):
        merged, split_off, bought_back = (
            causes_of(hk.compare(before, after, actions=table))
            for before, after in zip(*days, strict=True)
        )
        assert merged == {("ZSOURCE", "merger"), ("ZTARGET", "merger")}
        assert split_off == {("ZPARENT", "demerger"), ("ZCHILD", "demerger")}
        assert bought_back == {("ZTENDER", tendered)}
