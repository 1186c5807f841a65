"""Redaction: nothing of the person is left, and the questions still have answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal, assert_series_equal

import holdings_kit as hk
from benchmarks.deliveries import webhook
from holdings_kit.errors import FrameError
from holdings_kit.read import pseudonymize, redact

if TYPE_CHECKING:
    from pathlib import Path

ORIGINAL = [
    "64b7f0c2a1d3e4f5a6b7c8d9",
    "TRX_SECRET",
    "remind me",
    "FOLIO77",
    "SCMY_0001",
    "My pension",
]


@pytest.fixture
def loaded(tmp_path: Path) -> hk.Loaded:
    body = webhook(
        ORIGINAL[0],
        rows=4,
        transactionId=ORIGINAL[1],
        notes=ORIGINAL[2],
        surprise=ORIGINAL[0],
        mutualFunds={
            "holdings": [
                {
                    "folio": ORIGINAL[3],
                    "fund": "A fund",
                    "tradingsymbol": "F1",
                    "isin": "INF000A01010",
                    "quantity": 12.345,
                    "averagePrice": 10,
                    "pnl": 7.5,
                }
            ]
        },
        smallcases={
            "public": [],
            "private": [
                {
                    "scid": ORIGINAL[4],
                    "name": ORIGINAL[5],
                    "stats": {"currentValue": 100.25, "totalReturns": 5},
                    "constituents": [{"ticker": "S1", "shares": 2}],
                }
            ],
        },
    )
    path = tmp_path / f"{ORIGINAL[0]}.ndjson"
    path.write_bytes(body + b"\n" + webhook("another", rows=1) + b"\n{" + body[:80])
    return hk.read_webhooks(path)


def text_of(loaded: hk.Loaded) -> str:
    return json.dumps([frame.to_dicts() for frame in loaded], default=str)


def test_no_original_id_is_left(loaded: hk.Loaded) -> None:
    ids = [*ORIGINAL, "another", *loaded.snapshots["snapshot_id"]]
    before, after = text_of(loaded), text_of(redact(loaded, "key"))
    assert [name for name in ids if name not in before] == []
    assert [name for name in ids if name in after] == []
    pseudonyms = text_of(pseudonymize(loaded, "key"))
    assert [n for n in ids if n in pseudonyms] == ["SCMY_0001", "My pension"]


def test_a_row_without_identity_is_not_named_after_its_account(
    tmp_path: Path,
) -> None:
    rows = [
        {"qty": "1", "depositoryQty": "1", "t1Qty": "0", "brokerCollateralQty": "0"}
    ]
    body = json.dumps({"data": rows, "status": "success"}).encode()
    store = hk.Store(tmp_path / "store")
    for day in (5, 6):
        at = datetime(2026, 1, day, tzinfo=UTC)
        store.append(hk.read_arrow(body, account_id="SECRET7", snapshot_at=at))
    loaded = store.history()
    assert loaded.holdings["instrument_id"].str.contains("SECRET7").all()
    ids = ["SECRET7", *loaded.snapshots["snapshot_id"]]
    for hide in (redact, pseudonymize):
        after = text_of(hide(loaded, "key"))
        assert [name for name in ids if name in after] == []


def test_weights_identities_and_sums_stay_exact(loaded: hk.Loaded) -> None:
    redacted = redact(loaded, "key")
    kept = ["instrument_id", "isin", "average_price", "haircut", "reconciles"]
    assert_frame_equal(redacted.holdings.select(kept), loaded.holdings.select(kept))
    factor = redacted.holdings.select(
        factor=(pl.col("owned_quantity") / loaded.holdings["owned_quantity"])
    ).with_columns(redacted.holdings["account_id"])
    assert factor.group_by("account_id").agg(pl.n_unique("factor"))["factor"].max() == 1
    assert (factor["factor"] >= 2).all()
    weight = pl.col("market_value") / pl.col("market_value").sum()
    value = (pl.col("owned_quantity") * pl.col("average_price")).alias("market_value")
    one = pl.col("account_id").is_first_distinct().cum_sum() == 1

    def weights(frame: pl.DataFrame) -> pl.Series:
        mine = frame.filter(one).select(value.cast(pl.Float64()))
        return mine.select(weight).to_series()

    assert_series_equal(weights(redacted.holdings), weights(loaded.holdings))


@pytest.mark.parametrize(
    ("drawn", "factor"), [(0, 2), (1, 3), (998, 1000), (999, 2), (2**256 - 1, None)]
)
def test_the_factor_is_from_2_to_1000_whatever_is_drawn(
    loaded: hk.Loaded, monkeypatch: pytest.MonkeyPatch, drawn: int, factor: int | None
) -> None:
    """1 would leave every amount as it is."""
    monkeypatch.setattr(
        "holdings_kit.read._redact._hash_with_key", lambda *_: drawn.to_bytes(32)
    )
    before, after = loaded.holdings, redact(loaded, "key").holdings
    found = set((after["owned_quantity"] / before["owned_quantity"]).drop_nulls())
    (only,) = found
    assert 2 <= only <= 1000
    assert factor is None or only == factor


def test_frames_and_days_still_join_under_one_key_only(loaded: hk.Loaded) -> None:
    one, again, other = (redact(loaded, key) for key in ("k1", "k1", "k2"))
    for ours, theirs in zip(one, again, strict=True):
        assert_frame_equal(ours, theirs)
    joined = one.holdings.join(one.snapshots, on=["snapshot_id", "account_id"])
    assert joined.height == loaded.holdings.height
    mine = set(one.snapshots["account_id"])
    assert mine.isdisjoint(other.snapshots["account_id"])


def test_a_quantity_that_cannot_be_scaled_is_an_error(loaded: hk.Loaded) -> None:
    huge = pl.lit(Decimal(99_999_999_999_999)).cast(pl.Decimal(18, 4))
    holdings = loaded.holdings.with_columns(owned_quantity=huge)
    with pytest.raises(FrameError, match="too large"):
        redact(loaded._replace(holdings=holdings), "key")
