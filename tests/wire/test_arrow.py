"""The published Arrow payload, and everything that can be wrong with one."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import holdings_kit as hk
from holdings_kit.errors import (
    AuthError,
    ConfigError,
    RateLimited,
    SourceError,
    WireError,
)

AT = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
Payload = dict[str, Any]


def read(payload: object) -> hk.Loaded:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return hk.read_arrow(body, account_id="AB1234", snapshot_at=AT)


@pytest.fixture
def payload(samples: Path) -> Payload:
    return json.loads((samples / "arrow/holdings.json").read_text())


def test_every_row_of_the_published_payload_reconciles(samples: Path) -> None:
    loaded = hk.read_arrow(
        samples / "arrow/holdings.json", account_id="AB1234", snapshot_at=AT
    )
    assert loaded.holdings["reconciles"].to_list() == [True] * 8
    assert loaded.listings.height == 14
    assert loaded.rejects.is_empty()
    assert loaded.notices.is_empty()
    idea = loaded.holdings.row(1, named=True)
    assert (idea["t1_quantity"], idea["settled_quantity"]) == (4, 771)
    assert idea["haircut"] == Decimal("0.2707")
    assert idea["last_price"] is None


def test_listings_never_double_a_quantity(payload: Payload) -> None:
    owned = read(payload).holdings["owned_quantity"].sum()
    assert owned == sum(int(row["qty"]) for row in payload["data"])


def test_published_variations_are_read(payload: Payload) -> None:
    row = payload["data"][0]
    row["symbols"][0]["isin"] = "INE0HOQ01053"
    row |= {"pendingCollateralQty": "5", "brokerCollateralQty": 778.00, "qty": 779}
    del row["nonPOAQty"]
    del row["symbols"][1]["tradingSymbol"]
    loaded = read(b"\xef\xbb\xbf" + json.dumps(payload).encode())
    first = loaded.holdings.row(0, named=True)
    assert first["instrument_id"] == "INE0HOQ01053"
    assert first["asset_class"] == "equity"
    assert first["pledged_quantity"] == 778
    assert first["reconciles"] is True
    assert json.loads(first["extra"])["pendingCollateralQty"] == "5"
    assert loaded.notices.is_empty()


def test_an_unknown_field_is_reported_with_its_value(payload: Payload) -> None:
    payload["data"][2]["mtfQty"] = "17"
    payload["data"][2]["symbols"][0]["lot"] = "1"
    notices = read(payload).notices
    assert set(notices["kind"]) == {"unknown_field"}
    assert set(zip(notices["pointer"], notices["value"], strict=True)) == {
        ("/data/2/mtfQty", "17"),
        ("/data/2/symbols/0/lot", "1"),
    }


def test_blank_is_unknown_and_a_zero_price_is_no_price(payload: Payload) -> None:
    payload["data"][0] |= {"close": "0", "avgPrice": "0.00", "ltp": "0", "t1Qty": ""}
    loaded = read(payload)
    row = loaded.holdings.row(0, named=True)
    for column in ("close_price", "average_price", "last_price", "t1_quantity"):
        assert row[column] is None, column
    assert row["owned_quantity"] == 1, "the reported total: one bucket is unknown"
    assert row["reconciles"] is None
    assert loaded.notices["kind"].to_list() == ["zero_price"] * 3


def test_a_price_below_zero_is_no_price_and_is_reported(payload: Payload) -> None:
    payload["data"][0] |= {"close": "-5", "avgPrice": "-1.5", "ltp": "-0.05"}
    loaded = read(payload)
    prices = loaded.holdings.select("close_price", "average_price", "last_price").row(0)
    assert prices == (None, None, None)
    assert set(loaded.notices["kind"]) == {"negative_price"}
    assert set(loaded.notices["value"]) == {"-5.0000", "-1.5000", "-0.0500"}


def test_nobodys_holdings_are_refused() -> None:
    with pytest.raises(ConfigError, match="account_id is empty"):
        hk.read_arrow(b'{"data": []}', account_id="", snapshot_at=AT)


def test_a_zero_haircut_without_a_close_is_not_populated(payload: Payload) -> None:
    payload["data"][0] |= {"haircut": "0.00", "close": ""}
    payload["data"][1] |= {"haircut": "0.00"}
    assert read(payload).holdings["haircut"].to_list()[:2] == [None, 0]


def test_a_haircut_beyond_a_whole_is_none_and_is_reported(payload: Payload) -> None:
    for row, said in zip(
        payload["data"], ("100", "100.01", "-1", "2237"), strict=False
    ):
        row["haircut"] = said
    loaded = read(payload)
    assert loaded.holdings["haircut"].to_list()[:4] == [1, None, None, None]
    assert loaded.notices.select("kind", "pointer", "value").rows() == [
        ("no_percentage", f"/data/{no}/haircut", said)
        for no, said in enumerate(("100.0100", "-1.0000", "2237.0000"), 1)
    ]


def test_a_row_that_does_not_add_up_is_flagged(payload: Payload) -> None:
    payload["data"][1]["qty"] = "999"
    row = read(payload).holdings.row(1, named=True)
    assert row["reconciles"] is False
    assert (row["owned_quantity"], row["reported_quantity"]) == (775, 999)


@pytest.mark.parametrize(
    "value", ["x", "1,000", "NaN", "1_0", True, {"a": 1}, [1], "9" * 30, "1e99", "-"]
)
def test_one_bad_row_costs_one_reject(payload: Payload, value: object) -> None:
    payload["data"][3]["qty"] = value
    loaded = read(payload)
    assert loaded.holdings.height == 7
    [raw] = loaded.rejects["raw"]
    row = json.loads(json.dumps(payload["data"][3]), parse_int=str, parse_float=str)
    assert json.loads(raw) == row
    assert "/data/3" in loaded.rejects["reason"][0]
    assert "qty" in loaded.rejects["reason"][0]
    assert loaded.snapshots["status"].to_list() == ["quarantined"]
    assert loaded.listings.filter(holding_no=3).is_empty()


def test_a_placeholder_costs_a_figure_and_a_wrong_number_the_row(
    payload: Payload,
) -> None:
    words = {"ltp": "-", "pnl": "N/A", "haircut": " null ", "close": "NA"}
    payload["data"][1] |= words
    payload["data"][2]["avgPrice"] = "6,61"
    loaded = read(payload)
    row = loaded.holdings.filter(holding_no=1).row(0, named=True)
    columns = ("last_price", "reported_pnl", "haircut", "close_price")
    assert [row[column] for column in columns] == [None] * 4
    assert (row["owned_quantity"], row["average_price"]) == (775, Decimal("6.61"))
    said = loaded.notices.filter(kind="placeholder").select("pointer", "value")
    assert dict(said.iter_rows()) == {f"/data/1/{k}": v for k, v in words.items()}
    [reason] = loaded.rejects["reason"]
    assert "/data/2" in reason
    assert "avgPrice" in reason


def test_rounding_beyond_the_fourth_place_is_reported(payload: Payload) -> None:
    payload["data"][0]["avgPrice"] = "159.03335"
    loaded = read(payload)
    assert loaded.holdings["average_price"][0] == Decimal("159.0334")
    assert loaded.notices.select("kind", "value").rows() == [("rounded", "159.03335")]


def test_a_row_that_stands_twice_counts_once(payload: Payload) -> None:
    payload["data"].append(deepcopy(payload["data"][1]))
    loaded = read(payload)
    assert loaded.holdings["owned_quantity"].sum() == 791
    assert loaded.rejects["reason"].to_list() == [
        "/data/8: the same row stands before it; counted once"
    ]


def test_an_empty_account_is_one_snapshot() -> None:
    loaded = read({"data": [], "status": "success"})
    assert loaded.snapshots.select("holdings_count", "status").row(0) == (0, "current")


def test_data_null_is_not_an_empty_account() -> None:
    shot = read({"data": None, "status": "success"}).snapshots.row(0, named=True)
    assert shot["holdings_count"] is None
    assert shot["status"] == "quarantined"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"status": "error", "message": "m", "errorCode": "UNAUTHORIZED"}, AuthError),
        ({"message": "m", "status": "failure", "errorCode": 400}, SourceError),
        ({"status": "error", "message": "m", "code": "INVALID_DATE"}, SourceError),
        ({"status": "failed", "errorMessage": "m", "errorCode": 429}, RateLimited),
        ({"status": "success"}, WireError),
        ([], WireError),
        ({"data": {}, "status": "success"}, WireError),
        (b"", WireError),
        (b"<html>", WireError),
        (b'{"data": [', WireError),
        (b'{"data": [], "data": []}', WireError),
        (b'{"data": NaN}', WireError),
        (b'{"data": "\\ud800"}', WireError),
        (b"\xff\xfe", WireError),
        (b"[" * 100_000, WireError),
    ],
)
def test_what_is_no_reply_is_a_named_error(
    body: object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        read(body)


def test_the_content_hash_ignores_order_and_spelling(payload: Payload) -> None:
    one = read(payload).snapshots["snapshot_id"][0]
    payload["data"].reverse()
    payload["data"][0]["avgPrice"] = "1284.1800"
    assert read(payload).snapshots["snapshot_id"][0] == one
    payload["data"][0]["qty"] = "7"
    assert read(payload).snapshots["snapshot_id"][0] != one


def test_the_master_names_what_the_payload_does_not(samples: Path) -> None:
    path, master = samples / "arrow/holdings.json", samples / "arrow/instruments.csv"
    known = hk.read_instruments(master)
    named = hk.read_arrow(path, account_id="A", snapshot_at=AT, instruments=known)
    assert named.holdings["isin"].null_count() == 0
    assert (named.holdings["instrument_id"] == named.holdings["isin"]).all()
    other = known.filter(symbol="SBIN").with_columns(isin=pl.lit("INE736A01011"))
    two = pl.concat([known, other])
    again = hk.read_arrow(path, account_id="A", snapshot_at=AT, instruments=two)
    assert again.holdings["instrument_id"][5] == "NSE:SBIN", "a contradiction is none"


def test_the_call_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="time zone"):
        hk.read_arrow(b"{}", account_id="A", snapshot_at=AT.replace(tzinfo=None))
    with pytest.raises(ConfigError, match="cannot read"):
        hk.read_arrow(tmp_path / "none.json", account_id="A", snapshot_at=AT)
    with pytest.raises(ConfigError, match=r"text\.encode"):
        hk.read_arrow('{"data": []}', account_id="A", snapshot_at=AT)


def test_many_bodies_are_read_as_each_of_them_alone() -> None:
    bodies = [
        json.dumps(
            {
                "status": "success",
                "data": [
                    {"qty": str(n), "close": "2.123456", "symbols": [], "new": n}
                    for n in range(count)
                ],
            }
        ).encode()
        for count in (3, 0, 1, 600)
    ]
    accounts = [f"A{number}" for number in range(4)]
    instants = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 5)]
    many = hk.read_arrow(bodies, account_id=accounts, snapshot_at=instants)
    alone = [
        hk.read_arrow(body, account_id=account, snapshot_at=at)
        for body, account, at in zip(bodies, accounts, instants, strict=True)
    ]
    assert many.snapshots["file"].to_list()[2] == "read_arrow[2]"
    for name in ("snapshots", "holdings", "listings"):
        whole = pl.concat(getattr(loaded, name) for loaded in alone)
        left = getattr(many, name)
        if name == "snapshots":
            left, whole = left.drop("file"), whole.drop("file")
        assert_frame_equal(left, whole)


@pytest.mark.parametrize(
    ("accounts", "instants"),
    [("A1", AT), (["A1"], AT), (["A1", "A2"], [AT]), (["A1", ""], AT)],
)
def test_lists_that_do_not_fit_together_are_refused(
    accounts: Any, instants: Any
) -> None:
    with pytest.raises(ConfigError, match="account"):
        hk.read_arrow([b"{}", b"{}"], account_id=accounts, snapshot_at=instants)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_any_kind_are_one_body(kind: Any) -> None:
    body = kind(b'{"status": "success", "data": []}')
    loaded = hk.read_arrow(body, account_id="A1", snapshot_at=AT)
    assert loaded.snapshots.height == 1
