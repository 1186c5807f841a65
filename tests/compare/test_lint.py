"""A payload against its documentation, and against an earlier payload."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.errors import ConfigError, WireError

HERE = Path(__file__).parent
SAMPLE = HERE.parents[1] / "sample_data" / "arrow" / "holdings.json"


def sample() -> dict[str, Any]:
    return json.loads(SAMPLE.read_bytes())


def linted(payload: object, **options: Any) -> dict[tuple[str, str], str]:
    """(kind, field) → severity."""
    found = hk.lint(json.dumps(payload).encode(), **options)
    rows = found.select("kind", "field", "severity").reverse().rows()
    return {(kind, field): level for kind, field, level in rows}


def changed(**fields: object) -> dict[str, Any]:
    payload = sample()
    payload["data"][1] |= fields
    return payload


def test_the_published_payload_is_only_empty_where_it_may_be() -> None:
    found = hk.lint(SAMPLE)
    assert found.select("severity", "kind", "field", "count", "of").rows() == [
        ("info", "empty_number", "data[].collateralQty", 8, 8),
        ("info", "empty_number", "data[].ltp", 8, 8),
        ("info", "empty_number", "data[].pnl", 8, 8),
    ]


def test_the_page_contradicts_its_own_sample(tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    text = (HERE / "page.txt").read_text()
    page.write_text(text.replace("{\nSAMPLE", SAMPLE.read_text()))
    found = hk.lint(page)
    said = found.filter(pl.col("kind") == "contradiction")["message"].to_list()
    assert said == [
        "the page says 2 holdings, the sample has 8",
        "IDEA-EQ: the page says qty 752, the sample 775",
        "IDEA-EQ: the page says avgPrice 6.53, the sample 6.61",
        "IDEA-EQ: the page says haircut 26.97, the sample 27.07",
        "YESBANK-EQ: the page says haircut 17.88, the sample 16.90",
        "the page says market data is pending, close is filled in 8 of 8",
    ]
    undeclared = found.filter(pl.col("kind") == "undeclared_field")["field"]
    assert undeclared.to_list() == ["data[].symbols[].tradingSymbol"]


@pytest.mark.parametrize(
    ("fields", "kind", "field", "severity"),
    [
        ({"surprise": "1"}, "undeclared_field", "data[].surprise", "warning"),
        ({"qty": ""}, "empty_number", "data[].qty", "error"),
        ({"qty": "many"}, "not_a_number", "data[].qty", "error"),
        ({"qty": 775}, "other_type", "data[].qty", "warning"),
        ({"qty": "700"}, "contradiction", "", "error"),
        ({"haircut": "127"}, "contradiction", "", "error"),
        ({"sellableQty": "776"}, "contradiction", "", "error"),
        ({"ltp": "10", "pnl": "9999"}, "contradiction", "", "warning"),
        (
            {"symbols": [{"symbol": "IDEA", "exchange": "NASDAQ", "token": "1"}]},
            "enum_drift",
            "data[].symbols[].exchange",
            "warning",
        ),
        (
            {"symbols": [{"symbol": "SBIN", "exchange": "NSE", "token": "3045"}]},
            "told_twice",
            "",
            "error",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_each_fault_is_found(
    fields: dict[str, object], kind: str, field: str, severity: str
) -> None:
    found = linted(changed(**fields))
    assert found[kind, field] == severity
    assert (kind, field) not in linted(sample())


def test_a_field_left_out_of_one_row_is_told() -> None:
    payload = sample()
    del payload["data"][3]["close"]
    assert linted(payload)["missing_field", "data[].close"] == "warning"


def test_an_empty_list_is_no_fault() -> None:
    assert linted({"data": [], "status": "success"}) == {}


def test_drift_since_an_earlier_payload() -> None:
    now = sample()
    for row in now["data"]:
        row["ltp"] = row["close"]
        row["haircut"] = str(float(row["haircut"]) / 100)
        row["qty"] = int(row["qty"])
        row["isNew"] = "1"
        del row["nonPOAQty"]
    found = linted(now, earlier=SAMPLE)
    assert found["filled", "data[].ltp"] == "info"
    assert found["unit_drift", "data[].haircut"] == "warning"
    assert found["type_drift", "data[].qty"] == "warning"
    assert found["field_new", "data[].isNew"] == "warning"
    assert found["field_gone", "data[].nonPOAQty"] == "warning"


def test_gateway_payloads_are_checked_by_their_own_table() -> None:
    row = {
        "holdings": {"quantity": 10, "averagePrice": None},
        "positions": {"nse": {"quantity": 0, "averagePrice": 0}},
        "transactableQuantity": 10,
        "smallcaseQuantity": 12,
        "isin": "INE062A01020",
        "nseTicker": "SBIN",
        "name": "SBI",
    }
    data = {
        "securities": [row],
        "snapshotDate": "2026-01-05T10:15:30.123Z",
        "smallcaseAuthId": "64b7f0c2a1d3e4f5a6b7c8d9",
        "smallcases": {"public": [], "private": {"stats": {"currentValue": 1}}},
    }
    found = hk.lint(
        json.dumps({"success": True, "errors": None, "data": data}).encode()
    )
    assert found["format"].unique().to_list() == ["gateway-v2"]
    assert found.select("severity", "kind").rows() == [
        ("error", "contradiction"),
        ("info", "empty_number"),
    ]


def test_what_is_no_payload_is_refused() -> None:
    for body in (b"no payload", b"{}", b"[1]", b"\xff", b'{"data": {"x": 1}}'):
        with pytest.raises(WireError):
            hk.lint(body)
    with pytest.raises(WireError, match="earlier payload"):
        hk.lint(SAMPLE, earlier=b'{"securities": []}')


def test_a_path_that_is_not_there_is_said_so() -> None:
    with pytest.raises(ConfigError, match="lint: cannot read"):
        hk.lint("no/such/payload.json")
