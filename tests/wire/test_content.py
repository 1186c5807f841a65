"""A snapshot's id: the same for the same facts, another when one of them differs."""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

import holdings_kit as hk
from holdings_kit.wire import (
    Text,
    _arrow as arrow,
    _dumps as dumps,
    _fast as fast,
    _gateway_facts as gateway_facts,
    pack_extra,
    write_facts,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

Payload = dict[str, Any]
Path = tuple[str | int, ...]
AT = "2026-01-05T10:15:30.123Z"

SMALLCASE: Payload = {
    "scid": "SC1",
    "name": "Basket",
    "stats": {"currentValue": 10.5, "totalReturns": -1.25, "currentReturns": 3},
    "constituents": [
        {"ticker": "DEMO1", "shares": 1.5},
        {"ticker": "DEMO2", "shares": 2},
    ],
}
V2: Payload = {
    "securities": [
        {
            "holdings": {"quantity": 10 + number, "averagePrice": 100.25},
            "positions": {
                "nse": {"quantity": 1, "averagePrice": 99},
                "bse": {"quantity": 2, "averagePrice": 98},
            },
            "transactableQuantity": 11,
            "smallcaseQuantity": 2,
            "collateralQuantity": 3,
            "nseTicker": f"DEMO{number}",
            "bseTicker": f"DEMOB{number}",
            "isin": f"INEZ0{number}201018",
            "name": f"Company {number}",
            "isSuspendedOrDelistedOnNSE": False,
            "isSuspendedOrDelistedOnBSE": True,
        }
        for number in range(3)
    ],
    "smallcases": {"public": [SMALLCASE], "private": [SMALLCASE | {"scid": "P"}]},
    "mutualFunds": {
        "holdings": [
            {
                "folio": f"12/{number}",
                "fund": f"Fund {number}",
                "tradingsymbol": f"INF000X0101{number}",
                "isin": f"INF000X0101{number}",
                "quantity": 1.234,
                "averagePrice": 4.5,
                "lastPrice": 5,
                "lastPriceDate": "2026-01-02",
                "pnl": 0.617,
                "xirr": "11.50",
            }
            for number in range(2)
        ]
    },
    "snapshotDate": AT,
    "broker": "kite",
    "smallcaseAuthId": "account1",
}
V1: Payload = V2 | {
    "securities": {
        "holdings": [
            {
                "ticker": f"DEMO{number}",
                "exchange": "BSE",
                "shares": number + 1,
                "name": f"Company {number}",
                "averagePrice": 2.5,
            }
            for number in range(3)
        ]
    }
}
ARROW: Payload = {
    "account_id": "A1",
    "snapshot_at": AT,
    "status": "success",
    "data": [
        {
            "symbols": [
                {
                    "symbol": f"DEMO{number}",
                    "exchange": exchange,
                    "token": f"1436{number}",
                    "tradingSymbol": f"DEMO{number}-EQ",
                    "isin": f"INEZ0{number}201018",
                }
                for exchange in ("BSE", "NSE")
            ],
            "qty": str(775 + number),
            "usedQty": "1",
            "t1Qty": "4",
            "depositoryQty": "771",
            "brokerCollateralQty": "5",
            "effectiveQty": "6",
            "sellableQty": "7",
            "collateralQty": "8",
            "authorizedQty": "9",
            "unPledgedQty": "10",
            "nonPOAQty": "11",
            "pendingCollateralQty": "12",
            "avgPrice": "6.61",
            "ltp": "6.5",
            "close": "6.25",
            "pnl": "-1.5",
            "haircut": "27.07",
        }
        for number in range(3)
    ],
}
ENVELOPE = {"status"}  # says that there is an answer, not what is held
PAYLOADS = {"v1": V1, "v2": V2, "arrow": ARROW}


def ids(payloads: list[Payload]) -> list[str]:
    """Read dump lines both ways, which must agree; ids in the order of the lines."""
    shapes, add = gateway_facts.webhook_shape(None), dumps.webhooks(None)
    if "data" in payloads[0]:
        shapes, add = arrow.ARROW_SHAPE, dumps.add_arrow
    bodies = (json.dumps(payload).encode() for payload in payloads)
    text = Text.of(b"\n".join(bodies), file="dump")
    one, two = (
        loaded.snapshots.sort("line_no")["snapshot_id"].to_list()
        for loaded in (fast.load(text, shapes, add), dumps.read(text.lines(), add))
    )
    assert one == two
    assert len(one) == len(payloads), "none is set aside"
    return one


def facts(value: Any, path: Path = ()) -> Iterator[Path]:
    """Give the path of everything in a payload that is no object and no list."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from facts(inner, (*path, key))
    elif path[-1] not in ENVELOPE:
        yield path


def changed(payload: Payload, path: Path, *, to: Any) -> Payload:
    made: Payload = json.loads(json.dumps(payload))  # shares nothing
    inner: Any = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return made


def another(value: Any) -> Any:
    """Give another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if value.startswith("2026-"):
        return value.replace("2026", "2025")
    return f"{value}1"  # the numbers of Arrow are texts


def at(payload: Payload, path: Path) -> Any:
    value: Any = payload
    for key in path:
        value = value[key]
    return value


IDS = {name: ids([payload])[0] for name, payload in PAYLOADS.items()}


@pytest.mark.parametrize("name", PAYLOADS)
def test_each_fact_that_differs_makes_another_id(name: str) -> None:
    """Each in turn, with another value and with none; no two make the same id."""
    payload = PAYLOADS[name]
    made = {
        (path, to): changed(payload, path, to=to)
        for path in facts(payload)
        for to in (another(at(payload, path)), None)
    }
    found = ids([payload, *made.values()])
    assert found[0] == IDS[name]
    changes: defaultdict[str, list[object]] = defaultdict(list)
    for key, change in zip(found, ["none", *made], strict=True):
        changes[key].append(change)
    assert [same for same in changes.values() if len(same) > 1] == []


@pytest.mark.parametrize("name", PAYLOADS)
def test_what_else_is_read_makes_no_other_id(name: str) -> None:
    """Alone, a column may be empty or of one value; beside others it is not."""
    payload = PAYLOADS[name]
    alone = [changed(payload, path, to=None) for path in facts(payload)][::7]
    alone += [payload | {key: []} for key in ("securities", "data") if key in payload]
    assert [ids([one])[0] for one in alone] == ids([*alone, payload])[:-1]


def shuffled(value: Any, rng: random.Random) -> Any:
    """The same facts in another order: rows, listings, constituents, keys."""
    if isinstance(value, dict):
        keys = rng.sample(list(value), len(value))
        return {key: shuffled(value[key], rng) for key in keys}
    if isinstance(value, list):
        items = [shuffled(item, rng) for item in value]
        return rng.sample(items, len(items))
    return value


@pytest.mark.parametrize("name", PAYLOADS)
@settings(max_examples=15, deadline=None)
@given(rng=st.randoms(use_true_random=False))
def test_the_order_of_rows_makes_no_other_id(name: str, rng: random.Random) -> None:
    others = [changed(PAYLOADS[name], path, to=None) for path in facts(PAYLOADS[name])]
    beside = rng.sample(others, 3)
    assert ids([shuffled(PAYLOADS[name], rng), *beside])[0] == IDS[name]


def test_listings_belong_to_their_holding() -> None:
    """Two holdings that swap their listings are other holdings."""
    data = copy.deepcopy(ARROW["data"])
    data[0]["symbols"], data[1]["symbols"] = data[1]["symbols"], data[0]["symbols"]
    one_place = copy.deepcopy(ARROW["data"])
    one_place[0]["symbols"].append(one_place[1]["symbols"].pop())
    found = ids([ARROW, ARROW | {"data": data}, ARROW | {"data": one_place}])
    assert len(set(found)) == 3


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_how_the_facts_travelled_makes_no_other_id(name: str) -> None:
    payload = PAYLOADS[name]
    way = {
        "transactionId": "TRX_1",
        "notes": "again",
        "timestamp": "2026-01-06T00:00:00Z",
        "lastUpdate": AT,
        "checksum": "none",
        "updating": False,
    }
    spelled = json.loads(json.dumps(payload), parse_float=lambda text: f" {text}00")
    assert set(ids([payload, payload | way, spelled])) == {IDS[name]}
    reply = json.dumps({"success": True, "errors": None, "data": payload | way})
    fetched = hk.read_gateway(
        reply.encode(), fetched_at=datetime(2026, 1, 7, tzinfo=UTC)
    )
    assert fetched.snapshots["snapshot_id"].item() == IDS[name]


def test_a_fetched_reply_and_a_dumped_one_have_one_id() -> None:
    reply = {"data": ARROW["data"], "status": "success"}
    fetched = hk.read_arrow(
        json.dumps(reply).encode(),
        account_id="A1",
        snapshot_at=datetime.fromisoformat(AT),
    )
    assert fetched.snapshots["snapshot_id"].item() == IDS["arrow"]


def test_no_list_of_holdings_is_not_an_empty_one() -> None:
    nothing = {"securities": None, "mutualFunds": None, "smallcases": None}
    none, empty = V2 | nothing, V2 | nothing | {"securities": []}
    assert len(set(ids([none, empty]))) == 2


CELLS: dict[str, Any] = {
    "a": st.none() | st.integers(0, 2).map(Decimal),
    "b": st.none() | st.integers(0, 2).map(Decimal),
    "c": st.none() | st.sampled_from(["true", '}"{,', ""]),
    "d": st.none() | st.integers(0, 2).map(Decimal),
}


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.fixed_dictionaries(CELLS), max_size=3))
def test_a_row_is_written_the_same_alone_and_among_others(rows: list[Payload]) -> None:
    kinds = {name: pl.Decimal(18, 4) for name in "abd"} | {"c": pl.String()}
    frame = pl.DataFrame(rows, schema={name: kinds[name] for name in CELLS})

    def said(part: pl.DataFrame) -> list[tuple[Any, ...]]:
        line, extra = write_facts(part, CELLS, "row"), pack_extra(part, list(CELLS))
        return part.select(line=line, extra=extra).rows()

    assert said(frame) == [row for one in frame.iter_slices(1) for row in said(one)]
    for row, (_, extra) in zip(rows, said(frame), strict=True):
        packed = {} if extra is None else json.loads(extra)
        shown = {
            name: f"{value:.4f}" if isinstance(value, Decimal) else value
            for name, value in row.items()
        }
        assert packed == ({} if set(shown.values()) == {None} else shown)
