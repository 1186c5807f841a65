"""Two contents for one account and instant: neither is believed until one is chosen."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from holdings_kit.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.store.conftest import Make


def statuses(store: Store) -> dict[str, str]:
    frame = store.history().snapshots
    return dict(zip(frame["snapshot_id"], frame["status"], strict=True))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_both_are_quarantined_in_any_order_and_one_can_be_promoted(
    tmp_path: Path, make: Make, order: tuple[int, ...]
) -> None:
    store = Store(tmp_path)
    made = [make("A", 0, 4), make("A", 1, 4), make("A", 1, 5)]
    for number in order:
        store.append(made[number])
    rivals = {"A/1/4": "quarantined", "A/1/5": "quarantined"}
    assert statuses(store) == {"A/0/4": "current"} | rivals
    assert set(store.quarantine()["status_reason"].str.head(12)) == {"two contents"}
    store.promote("A/1/5", reason="asked the user")
    assert statuses(store) == {
        "A/0/4": "superseded",
        "A/1/4": "quarantined",
        "A/1/5": "current",
    }


def test_an_empty_one_is_a_rival_and_funds_alone_are_not(
    tmp_path: Path, make: Make
) -> None:
    store = Store(tmp_path)
    store.append(make("A", 0, 4))
    store.append(make("A", 0, 0))
    assert store.current().snapshots.is_empty()
    store.append(make("B", 0, 4))
    store.append(make("B", 0, 2, asset_class="mutual_fund", snapshot_id="funds"))
    reasons = store.quarantine()["status_reason"].to_list()
    assert not any("two" in reason for reason in reasons if "funds" in reason)


def test_a_stranger_without_the_checksum_is_no_rival(
    tmp_path: Path, make: Make
) -> None:
    store = Store(tmp_path)
    store.append(make("A", 0, 4))
    store.append(make("A", 0, 5, checksum_ok=False))
    assert statuses(store) == {"A/0/4": "current", "A/0/5": "quarantined"}
