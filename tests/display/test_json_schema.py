"""What is exported as JSON is what its JSON Schema says, judged by another program."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest

import holdings_kit as hk
from holdings_kit.errors import ConfigError
from holdings_kit.schema import REJECTS

DUMP = Path(__file__).parents[2] / "sample_data/webhooks/2026-01-05.ndjson"


def check(frame: pl.DataFrame, schema: dict[str, Any]) -> list[dict[str, Any]]:
    rows = json.loads(hk.export(frame, "json"))  # type: ignore[arg-type]
    jsonschema.Draft202012Validator(schema).validate(rows)
    return rows


def test_every_frame_has_a_schema_that_is_one() -> None:
    every = hk.json_schema()
    jsonschema.Draft202012Validator.check_schema(every)
    assert {"HOLDINGS", "PRICES", "risk.RISK", "wire.QUOTES"} <= set(every["$defs"])
    for name, one in every["$defs"].items():
        assert hk.json_schema(name)["items"] == one["items"]


def test_what_was_read_fits_its_schema_and_money_is_never_a_float() -> None:
    loaded = hk.read_webhooks(DUMP)
    for name in ("snapshots", "holdings", "listings", "baskets"):
        rows = check(getattr(loaded, name), hk.json_schema(name))
        assert rows or name == "baskets"
        assert not any(
            isinstance(value, float) for row in rows for value in row.values()
        )


def test_bytes_that_were_set_aside_are_exported_too() -> None:
    one = {"file": ["a"], "line_no": [1], "reason": ["torn"], "raw": [b"\xff{"]}
    (row,) = check(pl.DataFrame(one, schema=REJECTS), hk.json_schema("rejects"))
    assert row["raw"] == "/3s="


@pytest.mark.parametrize(
    ("column", "value"), [("last_price", 812.25), ("last_price", "1e3"), ("isin", 5)]
)
def test_what_is_no_such_row_does_not_fit(column: str, value: object) -> None:
    schema = hk.json_schema("HOLDINGS")
    row = dict.fromkeys(schema["items"]["properties"]) | {column: value}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([row], schema)


def test_a_frame_of_ones_own_is_described_by_its_types() -> None:
    frame = pl.DataFrame(
        {
            "days": [[date(2026, 1, 5)], None],
            "lot": [{"quantity": 3, "value": Decimal("1.50")}, None],
            "kind": pl.Series(["a", None], dtype=pl.Categorical()),
            "at": [datetime(2026, 1, 5, tzinfo=UTC), None],
            "share": [0.25, None],
            "known": [True, None],
        }
    )
    check(frame, hk.json_schema(frame))
    assert hk.json_schema(frame.lazy()) == hk.json_schema(frame)


def test_what_json_cannot_hold_and_unknown_names_are_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="HOLDINGS"):
        hk.json_schema("holding")
    with pytest.raises(ConfigError, match="'it'"):
        hk.json_schema(pl.DataFrame({"it": [object()]}))
