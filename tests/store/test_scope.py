"""What was asked for: a fetch without funds says nothing about them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.display import portfolio_report
from holdings_kit.store import _tables as tables

if TYPE_CHECKING:
    from pathlib import Path

    from holdings_kit.schema import Loaded

MONDAY = datetime(2026, 1, 5, 11, tzinfo=UTC)
SHARE = {"isin": "INE062A01020", "nseTicker": "SBIN", "transactableQuantity": 3}
SHARE |= {"holdings": {"quantity": 3, "averagePrice": 800}}
FUND = {"isin": "INF769K01EY2", "fund": "A fund", "quantity": 10, "averagePrice": 50}
FUND |= {"lastPrice": 55}


def body_of(day: int, **parts: Any) -> bytes:
    at = (MONDAY + timedelta(days=day)).isoformat().replace("+00:00", "Z")
    head = {"smallcaseAuthId": "a1", "broker": "kite", "snapshotDate": at}
    return json.dumps(head | parts).encode()


def gateway(day: int, *, shares: int = 1, funds: int | None = None) -> Loaded:
    """A reply with so many shares and funds; None: funds were not asked for."""
    listed = [SHARE | {"isin": f"INE062A0{number:04}"} for number in range(shares)]
    parts: dict[str, Any] = {"securities": listed}
    if funds is not None:
        parts["mutualFunds"] = {
            "holdings": [FUND | {"folio": str(number)} for number in range(funds)]
        }
    at = MONDAY + timedelta(days=day, hours=1)
    return hk.read_gateway(body_of(day, **parts), fetched_at=at)


@pytest.mark.parametrize(
    ("parts", "scope"),
    [
        ({"securities": []}, "securities"),
        ({"securities": [], "mutualFunds": {"holdings": []}}, "securities+funds"),
        ({"securities": [], "mutualFunds": {"holdings": [FUND]}}, "securities+funds"),
        ({"mutualFunds": {"holdings": [FUND]}}, "funds"),
        ({"securities": {"holdings": []}}, "securities"),
        ({"securities": [], "mutualFunds": None}, "securities"),
        ({"securities": None}, None),
    ],
)
def test_an_absent_list_was_not_asked_for_and_an_empty_one_is_none(
    tmp_path: Path, parts: dict[str, Any], scope: str | None
) -> None:
    exact = hk.read_gateway(body_of(0, **parts), fetched_at=MONDAY)
    assert exact.snapshots["scope"].item() == scope
    line = {"timestamp": "2026-01-05T11:00:00.000Z", "transactionId": "T"}
    dump = tmp_path / "dump.ndjson"
    dump.write_bytes(json.dumps(json.loads(body_of(0, **parts)) | line).encode())
    quick = hk.read_webhooks(dump)
    assert quick.snapshots["scope"].item() == scope
    assert quick.snapshots["snapshot_id"][0] == exact.snapshots["snapshot_id"][0]


def test_a_fetch_without_funds_replaces_the_securities_alone(tmp_path: Path) -> None:
    days = [gateway(0, funds=2), gateway(1, shares=2), gateway(2, shares=3)]
    for number, order in enumerate(list(permutations(days))[::2]):
        store = hk.Store(tmp_path / str(number))
        for loaded in order:
            store.append(loaded)
        assert store.quarantine().is_empty()
        current = store.current()
        fund = pl.col("asset_class").eq_missing("mutual_fund")
        held = current.holdings.group_by(fund.alias("fund"), "snapshot_at").len()
        assert sorted(held.rows()) == [
            (False, MONDAY + timedelta(days=2), 3),
            (True, MONDAY, 2),
        ]
        rows = current.snapshots.select("scope", "snapshot_at", "holdings_count")
        assert rows.rows() == [
            ("funds", MONDAY, 2),
            ("securities", MONDAY + timedelta(days=2), 3),
        ]
        assert current.listings["snapshot_id"].n_unique() == 1
        assert store.scan().holdings.collect().height == 5
        assert hk.consolidate(current.holdings).height == 2
        assert hk.population.account_values(store)["positions_count"].to_list() == [2]
        assert hk.population.coverage(store)["accounts_count"].item() == 1
        at = MONDAY + timedelta(days=1)
        assert store.as_of(at).holdings.height == 4
        assert store.history().holdings.height == 3 + 2 + 3


def test_funds_that_were_asked_for_and_are_gone_are_doubted(tmp_path: Path) -> None:
    store = hk.Store(tmp_path)
    for loaded in (gateway(0, funds=2), gateway(1), gateway(2, funds=0)):
        store.append(loaded)
    doubted = store.quarantine()
    assert doubted["status_reason"].to_list() == ["lost all mutual funds"]
    store.promote(doubted["snapshot_id"].item(), reason="redeemed", at=MONDAY)
    assert store.current().snapshots["scope"].to_list() == ["securities+funds"]
    assert store.current().holdings.height == 1


def test_few_rows_of_one_part_are_doubted_whatever_the_other_has(
    tmp_path: Path,
) -> None:
    store = hk.Store(tmp_path)
    store.append(gateway(0, shares=2, funds=10))
    store.append(gateway(1, shares=10, funds=4))
    assert "far fewer rows: 4" in store.quarantine()["status_reason"].item()


def test_what_is_retained_is_the_last_of_each_part(tmp_path: Path) -> None:
    store = hk.Store(tmp_path)
    for loaded in (gateway(0, funds=2), gateway(1), gateway(2)):
        store.append(loaded)
    assert store.retain(30, now=MONDAY + timedelta(days=300)).snapshots == 1
    assert store.current().holdings.height == 3


def test_an_older_store_is_read_as_if_it_said_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Format 1: no scope, and a row owned what the morning held."""
    newer = ("listings_count", "funds_count", "scope")
    schema = tables.TABLES["snapshots"]
    older = pl.Schema((k, v) for k, v in schema.items() if k not in newer)
    traded = SHARE | {
        "positions": {"nse": {"quantity": 5, "averagePrice": 960}},
        "transactableQuantity": 8,
    }
    body = body_of(1, securities=[traded])
    now = hk.read_gateway(body, fetched_at=MONDAY + timedelta(days=1))
    then = now._replace(
        holdings=now.holdings.with_columns(
            owned_quantity="reported_quantity",
            average_price=pl.lit(Decimal(800), now.holdings.schema["average_price"]),
        )
    )
    with monkeypatch.context() as patch:
        patch.setitem(tables.TABLES, "snapshots", older)
        patch.setattr(tables, "FORMAT", 1)
        store = hk.Store(tmp_path / "store")
        store.append(gateway(0, funds=2))
        store.append(then)
        for path in (tmp_path / "store").rglob("*.json"):  # as format 1 wrote it
            path.write_text(path.read_text().replace(r", \"oldest\": 1", ""))
    reader = hk.Store(tmp_path / "store")
    current = reader.current()
    assert reader.quarantine().is_empty()
    assert current.snapshots["scope"].to_list() == ["funds", "securities"]
    row = current.holdings.filter(symbol="SBIN")
    assert row["owned_quantity"].item() == 8
    assert row["average_price"].item() == 900
    copied = reader.rebucket(tmp_path / "copy", buckets=2)
    assert copied.current().holdings.equals(current.holdings)
    reader.compact()
    assert reader.current().holdings.equals(current.holdings)


def test_what_was_not_asked_for_is_neither_sold_nor_bought() -> None:
    both, shares, none = gateway(0, funds=2), gateway(1), gateway(2, funds=0)

    def causes(before: Loaded, after: Loaded) -> list[str]:
        told = pl.concat([before.snapshots, after.snapshots])
        found = hk.compare(before.holdings, after.holdings, snapshots=told)
        return sorted(found["cause"])

    assert causes(both, shares) == causes(shares, both) == ["unchanged"]
    assert causes(both, none) == ["closed", "unchanged"]
    # of frames alone nobody knows whether the funds were asked for
    alone = hk.compare(both.holdings, shares.holdings)
    assert sorted(alone["cause"]) == ["suspect_fetch", "unchanged"]


def test_funds_are_followed_from_one_answer_about_them_to_the_next(
    tmp_path: Path,
) -> None:
    store = hk.Store(tmp_path)
    for day, funds in enumerate((2, None, None, 2)):
        store.append(gateway(day, funds=funds))
    history = store.history()
    days = [(MONDAY + timedelta(days=day)).date() for day in range(4)]
    prices = pl.DataFrame(
        {"instrument_id": "NSE:SBIN", "date": days, "close_price": [90, 91, 92, 93]}
    )
    steps = hk.timeline(history.holdings, snapshots=history.snapshots, prices=prices)
    assert set(steps["cause"]) <= {"unchanged", "price_only"}
    seen = steps.group_by("scope").agg(pl.col("step").sort()).sort("scope")
    assert seen.rows() == [("funds", [2]), ("securities", [0, 1, 2])]
    whole = hk.bridge(steps, by=()).row(0, named=True)
    ends = (2 * 550 + 3 * 90, 9, 2 * 550 + 3 * 93, 0)
    names = ("value_before", "price_effect", "value_after", "residual")
    assert tuple(whole[name] for name in names) == ends
    did = hk.performance(history, prices=prices)
    assert did["flow"].to_list() == [2 * 550 + 3 * 90, 0, 0, 0]
    assert did["covered_share"].to_list() == [1, 0.5, 0.5, 1]
    assert did["note"].to_list()[1:3] == ["no answer on the day about: funds"] * 2
    assert did["value_after"].to_list()[1:] == [273, 276, 2 * 550 + 279]


def test_activity_of_a_population_closes_nothing_that_was_not_asked_for(
    tmp_path: Path,
) -> None:
    store = hk.Store(tmp_path)
    for day, funds in enumerate((2, None)):
        store.append(gateway(day, funds=funds))
    at = [MONDAY, MONDAY + timedelta(days=1)]
    assert hk.population.activity(store, at)["cause"].to_list() == ["unchanged"]


def test_a_report_says_which_part_is_older(tmp_path: Path) -> None:
    store = hk.Store(tmp_path)
    for day, funds in enumerate((2, None)):
        store.append(gateway(day, funds=funds))
    text = portfolio_report(store.current())
    assert "a1: a part is still that of 2026-01-05" in text
