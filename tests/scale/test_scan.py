"""The fast way says what the exact way says, whatever is wrong with a dump."""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings, strategies as st
from polars.testing import assert_frame_equal

import holdings_kit as hk
from benchmarks.deliveries import webhook
from holdings_kit.errors import ConfigError
from holdings_kit.read._files import find_dumps
from holdings_kit.read._texts import lines
from holdings_kit.sandbox import generate
from holdings_kit.schema import REJECTS, Loaded
from holdings_kit.store import Store
from holdings_kit.wire import (
    Line,
    Text,
    _arrow as arrow,
    _dumps as dumps,
    _fast as fast,
    _gateway_facts as gateway_facts,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from holdings_kit.sandbox._generate import Wire
    from holdings_kit.wire._batch import Batch

AT = "2026-01-05T10:15:30.123Z"
ORDER = {
    "snapshots": ["file", "line_no"],
    "holdings": ["snapshot_id", "holding_no"],
    "listings": ["snapshot_id", "holding_no"],
    "baskets": ["snapshot_id"],
    "rejects": ["file", "line_no"],
}


def same(one: Loaded, two: Loaded) -> None:
    for name, left, right in zip(one._fields, one, two, strict=True):
        by = ORDER[name]
        assert_frame_equal(
            left.sort(by, maintain_order=True), right.sort(by, maintain_order=True)
        )


def text(bodies: list[bytes]) -> Text:
    return Text.of(b"\n".join(bodies), file="dump")


def security(number: int, **facts: Any) -> dict[str, Any]:
    return {
        "holdings": {"quantity": 10 + number, "averagePrice": 100.25},
        "positions": {
            "nse": {"quantity": 1, "averagePrice": 99},
            "bse": {"quantity": 0, "averagePrice": 0},
        },
        "transactableQuantity": 11 + number,
        "smallcaseQuantity": 2,
        "nseTicker": f"DEMO{number}",
        "bseTicker": None,
        "isin": f"INEZ0{number % 10}20101{number % 7}",
        "name": f"Company {number}",
    } | facts


def v2(number: int, **facts: Any) -> dict[str, Any]:
    return {
        "securities": [security(number), security(number + 1)],
        "smallcases": {
            "public": [
                {
                    "scid": "SC1",
                    "name": "Basket",
                    "stats": {"currentValue": 10.5, "totalReturns": -1.25},
                    "constituents": [{"ticker": "DEMO1", "shares": 1.5}],
                },
                {"scid": "SC2", "name": "Bare", "stats": None},
            ],
            "private": [] if number % 2 else {"stats": {"currentValue": 3}},
        },
        "mutualFunds": {
            "holdings": [
                {
                    "folio": "12/3",
                    "fund": "Fund",
                    "isin": "INF000X01013",
                    "quantity": 1.234,
                    "averagePrice": 0,
                    "lastPrice": 5,
                    "lastPriceDate": "2026-01-02",
                    "pnl": None,
                    "xirr": "11.50",
                }
            ]
        },
        "lastUpdate": AT,
        "snapshotDate": AT,
        "broker": "kite",
        "smallcaseAuthId": f"account{number}",
        "transactionId": f"TRX_{number}",
        "timestamp": AT,
    } | facts


def v1(number: int) -> dict[str, Any]:
    rows = [
        {"ticker": f"DEMO{n}", "shares": n + 1, "name": "N", "averagePrice": 2.5}
        for n in range(2)
    ]
    return v2(number) | {"securities": {"holdings": rows}}


def reply(number: int, **facts: Any) -> dict[str, Any]:
    return {
        "account_id": f"A{number}",
        "snapshot_at": AT,
        "status": "success",
        "data": [
            {
                "symbols": [
                    {
                        "symbol": "IDEA",
                        "exchange": exchange,
                        "token": "14366",
                        "tradingSymbol": "IDEA-EQ",
                    }
                    for exchange in ("BSE", "NSE")
                ],
                "qty": str(775 + number),
                "depositoryQty": "771",
                "t1Qty": "4",
                "brokerCollateralQty": "0.00",
                "avgPrice": "6.61",
                "ltp": "",
                "close": "0.00",
                "haircut": "27.07",
            }
        ],
    } | facts


BARE = re.compile(rb'("(?:xirr|qty|haircut|token)":)"([0-9.]+)"')
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda body: body,
    "cut": lambda body: body[: len(body) // 2],
    "cut at the end": lambda body: body[:-1],
    "a key twice": lambda body: body[:-1] + b',"broker":"x","broker":"y"}',
    "a key twice inside": lambda body: body.replace(b'"name":', b'"name":"a","name":'),
    "five places": lambda body: body.replace(b"100.25", b"100.25123"),
    "zeros behind": lambda body: body.replace(b"100.25", b"100.2500000"),
    "tiny": lambda body: body.replace(b"100.25", b"1.5e-2"),
    "a power of ten beyond all tables": lambda body: body.replace(
        b"100.25", b"1.5e-999999999"
    ),
    "a power of ten that is too large": lambda body: body.replace(
        b"100.25", b"1.5e+999999999"
    ),
    "a power of ten as text": lambda body: body.replace(b"100.25", b'" -1.5E-88888"'),
    "places beyond all tables": lambda body: body.replace(
        b"100.25", b"0." + b"0" * 70 + b"1"
    ),
    "zeros beyond all tables": lambda body: body.replace(b"100.25", b"1." + b"0" * 70),
    "digits beyond all tables": lambda body: body.replace(
        b"100.25", b"0." + b"1" * 90 + b"e-7"
    ),
    "a power of ten spelt apart": lambda body: body.replace(
        b"100.25", b'"1.5e\\u002d\\u0038888888"'
    ),
    "a name with a power of ten": lambda body: body.replace(
        b"TRX_", b"12e4f0a1-321e-4b"
    ),
    "too tiny": lambda body: body.replace(b"100.25", b"1.5e-7"),
    "huge": lambda body: body.replace(b"100.25", b"123456789012345"),
    "the largest number": lambda body: body.replace(b"100.25", b"99999999999999.9999"),
    "the first that is too large": lambda body: body.replace(
        b"100.25", b"100000000000000"
    ),
    "beyond 64 bits": lambda body: body.replace(b"100.25", b"123456789012345123"),
    "a price of nothing": lambda body: body.replace(b"100.25", b"0.000"),
    "number as text": lambda body: body.replace(b"100.25", b'"100.25"'),
    "number with a blank": lambda body: body.replace(b"100.25", b'" 100.25"'),
    "junk for a number": lambda body: body.replace(b"100.25", b'"much"'),
    "a placeholder for a number": lambda body: (
        body.replace(b"100.25", b'"N/A"')
        .replace(b'"6.61"', b'" - "')
        .replace(b"10.5", b'"nil"')
    ),
    "nothing for a number": lambda body: body.replace(b"100.25", b'""'),
    "not a number": lambda body: body.replace(b"100.25", b"NaN"),
    "text as number": lambda body: body.replace(b'"account', b'1,"x":"account'),
    "bare numbers": lambda body: BARE.sub(rb"\1\2", body),
    "bare numbers, apart": lambda body: BARE.sub(rb"\1 \t\2 ", body),
    "bare numbers behind a tab of another kind": lambda body: BARE.sub(
        lambda found: found[1] + b"\x0b" + found[2], body
    ),
    "bare numbers that are none": lambda body: BARE.sub(rb"\g<1>0\2.", body),
    "a bare number in a text": lambda body: body.replace(
        b"kite", b'\\"xirr\\":5, \\"qty\\": 5,'
    ).replace(b"IDEA-EQ", b'\\"xirr\\":5, \\"qty\\": 5,'),
    "a bare number of a key that ends so": lambda body: body.replace(
        b'"name":', b'"\\"xirr":5,"name":'
    ).replace(b'"qty":', b'"\\"qty":5,"qty":'),
    "no text": lambda body: body.replace(b'"kite"', b"17"),
    "an object for text": lambda body: body.replace(b'"kite"', b"{}"),
    "bytes of no text": lambda body: body.replace(b"kite", b"ki\xffte"),
    "half a pair": lambda body: body.replace(b"kite", b"ki\\ud800te"),
    "a control character": lambda body: body.replace(b"kite", b"ki\x01te"),
    "a letter of another script": lambda body: body.replace(b"kite", "पतंग".encode()),
    "byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "unknown field": lambda body: body[:-1] + b',"new":{"a":[1]}}',
    "unknown null": lambda body: body[:-1] + b',"new":null}',
    "unknown inside": lambda body: body.replace(b'"name":', b'"fresh":null,"name":'),
    "unknown in each security": lambda body: body.replace(
        b'"isin":', b'"fresh":1.50,"isin":'
    ),
    "unknown flag": lambda body: body[:-1] + b',"flag":true,"other": false}',
    "unknown in a lot": lambda body: body.replace(
        b'"quantity":', b'"fees": null,"quantity":'
    ),
    "unknown in a part": lambda body: body.replace(
        b'"shares":', b'"part":"x","shares":'
    ).replace(b'"token":', b'"part":-1e5,"token":'),
    "unknown in a basket": lambda body: body.replace(b'"scid":', b'"kind":7,"scid":'),
    "unknown in the lists": lambda body: body.replace(
        b'"public":', b'"count":7,"public":'
    ).replace(b'"mutualFunds":{', b'"mutualFunds":{"count":"2",'),
    "unknown, of two kinds": lambda body: (
        body[:-1] + (b',"new":[1]}' if b"TRX_1" in body else b',"new":1}')
    ),
    "unknown with a name known elsewhere": lambda body: (
        body[:-1] + b',"isin":null,"quantity":5}'
    ),
    "unknown in a text": lambda body: body.replace(
        b"kite", b'\\"new\\":5, \\"fresh\\":null,'
    ),
    "unknown twice": lambda body: body[:-1] + b',"new":1,"new":2}',
    "unknown with the sign": lambda body: body[:-1] + b',"new":"\x7f"}',
    "unknown with the sign spelt": lambda body: body[:-1] + b',"new":"\\u007f"}',
    "data null": lambda body: body.replace(b'"data":', b'"data":null,"date":'),
    "securities null": lambda body: body.replace(
        b'"securities":', b'"securities":null,"mutual":'
    ),
    "an empty object": lambda _: b"{}",
    "null": lambda _: b"null",
    "a list": lambda _: b"[]",
    "a number": lambda _: b"5",
    "two on a line": lambda body: body + body,
    "two, apart": lambda body: body + b" " + body,
    "text behind": lambda body: body + b"x",
    "blanks around": lambda body: b"  " + body + b"\t",
    "private in full": lambda body: body.replace(
        b'"private":[]', b'"private":{"stats":{"currentValue":1},"investments":[null]}'
    ),
    "private by halves": lambda body: body.replace(
        b'"private":[]', b'"private":{"investments":[{"scid":"x"}],"stats":null}'
    ),
    "private in both shapes": lambda body: body.replace(
        b'"private":[]', b'"private":[],"private":{"investments":[]}'
    ),
    "private in both shapes, spelt apart": lambda body: body.replace(
        b'"private":[]', b'"priv\\u0061te":null,"private" :\t[]'
    ),
    "private, spelt apart": lambda body: body.replace(b'"priv', b'"p\\u0072iv'),
    "private behind a quote": lambda body: body.replace(
        b'"private":[]', b'"private":[],"a\\"private":[]'
    ),
    "private twice, one of them null": lambda body: body.replace(
        b'"private":', b'"private":null,"private":'
    ),
    "securities twice, one of them null": lambda body: body.replace(
        b'"securities":', b'"securities":null,"securities" : '
    ),
    "the name of another shape": lambda body: body.replace(
        b'"private":', b'"private\x7f":'
    ).replace(b'"securities":', b'"securities\x7f":'),
    "blanks before a shape": lambda body: body.replace(
        b'"private":', b'"private"\t: '
    ).replace(b'"securities":', b'"securities" : '),
    "still updating": lambda body: body[:-1] + b',"updating":true}',
    "a null row": lambda body: body.replace(b'"securities":[', b'"securities":[null,'),
    "a row twice": lambda body: body.replace(
        b'"securities":[', b'"securities":[{},{},'
    ),
    "bad instant": lambda body: body.replace(AT.encode(), b"5 Jan", 1),
    "instant as number": lambda body: body.replace(
        b'"' + AT.encode() + b'"', b"1767608130123", 2
    ),
    "no account": lambda body: body.replace(b'"account', b'"","x":"account'),
    "a failure": lambda _: b'{"status":"error","message":"no","errorCode":"X"}',
    "wrong type of list": lambda body: body.replace(b'"public":[', b'"public":5,"p":['),
    "a price date that is none": lambda body: body.replace(b'"2026-01-02"', b'"soon"'),
    "an end that is none": lambda body: body.replace(b'"positions":', b"}"),
    "blank text": lambda body: body.replace(b'"DEMO1"', b'""'),
}


def packed(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


DOCUMENTS = {
    "webhooks": [packed(v2(n)) for n in range(4)] + [packed(v1(9))],
    "arrow": [packed(reply(n)) for n in range(4)],
}
WAYS = {
    "webhooks": (gateway_facts.webhook_shape("key"), dumps.webhooks("key")),
    "arrow": (arrow.ARROW_SHAPE, dumps.add_arrow),
}


@pytest.mark.parametrize("kind", WAYS)
@pytest.mark.parametrize("damage", DAMAGE)
def test_each_damage_reads_the_same_both_ways(kind: str, damage: str) -> None:
    shapes, add = WAYS[kind]
    whole = DOCUMENTS[kind]
    found = text([*whole, *map(DAMAGE[damage], whole), *whole])
    same(fast.load(found, shapes, add), dumps.read(found.lines(), add))


@pytest.mark.parametrize("kind", WAYS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_mixture_reads_the_same_both_ways(kind: str, data: st.DataObject) -> None:
    shapes, add = WAYS[kind]
    line = st.builds(
        lambda body, name: DAMAGE[name](body),
        st.sampled_from(DOCUMENTS[kind]),
        st.one_of(st.just("as it is"), st.sampled_from(sorted(DAMAGE))),
    )
    found = text(data.draw(st.lists(line, min_size=1, max_size=60)))
    same(fast.load(found, shapes, add), dumps.read(found.lines(), add))


@pytest.mark.parametrize("kind", WAYS)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_pieces_of_any_size_read_the_same_both_ways(
    kind: str, data: st.DataObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"_PIECE": (1, 40_000), "_STEP": (2, 8), "_PATIENCE": (0, 20)}
    for name, (low, high) in sizes.items():
        value = data.draw(st.integers(low, high), label=name)
        monkeypatch.setattr(f"holdings_kit.wire._quick_lines.{name}", value)
    shapes, add = WAYS[kind]
    line = st.builds(
        lambda body, name: DAMAGE[name](body),
        st.sampled_from(DOCUMENTS[kind]),
        st.sampled_from(sorted(DAMAGE)),
    )
    found = text(data.draw(st.lists(line, min_size=1, max_size=60)))
    same(fast.load(found, shapes, add), dumps.read(found.lines(), add))


@pytest.mark.parametrize("kind", WAYS)
def test_a_new_member_is_remarked_on_without_the_exact_way(kind: str) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    shapes, add = WAYS[kind]
    names = [
        name
        for name in DAMAGE
        if name.startswith("unknown ")
        and name.endswith(("security", "flag", "lot", "part", "basket", "lists"))
    ]
    for name in names:
        found = text([DAMAGE[name](body) for body in DOCUMENTS[kind]])
        same(fast.load(found, shapes, never), dumps.read(found.lines(), add))


def test_only_the_bad_lines_of_a_piece_take_the_exact_way() -> None:
    """Cut, doubled, badly encoded or too long a number: the others stay fast."""
    shapes, add = WAYS["webhooks"]
    whole = DOCUMENTS["webhooks"]
    bad = ["an end that is none", "a key twice", "bytes of no text", "five places"]
    bodies = [DAMAGE[name](body) for name in bad for body in (whole[0], whole[4])]
    slow: list[bytes] = []

    def noted(batch: Batch, line: Line) -> None:
        slow.append(line.body)
        add(batch, line)

    mixed = [body for bad_one in bodies for body in (*whole, bad_one, *whole)]
    fast.load(text(mixed), shapes, noted)
    assert set(slow) <= set(bodies)


NUMBERS = st.one_of(
    st.from_regex(
        r"-?(0|[1-9]\d{0,17})(\.0{0,40}\d{1,8})?([eE][+-]?\d{1,8})?", fullmatch=True
    ),
    st.from_regex(
        r'"[+-]?\d{0,16}\.?0{0,40}\d{0,6}([eE][+-]?\d{1,8})?"', fullmatch=True
    ),
)


@settings(max_examples=60, deadline=None)
@given(numbers=st.lists(NUMBERS, min_size=1, max_size=8))
def test_any_number_reads_the_same_both_ways(numbers: list[str]) -> None:
    shapes, add = WAYS["webhooks"]
    whole = DOCUMENTS["webhooks"][1]
    found = text([whole.replace(b"100.25", n.encode()) for n in numbers])
    same(fast.load(found, shapes, add), dumps.read(found.lines(), add))


def test_a_clean_dump_never_takes_the_exact_way(tmp_path: Path) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    wires: dict[Wire, fast.QuickShape] = {
        "gateway": gateway_facts.webhook_shape(None),
        "arrow": arrow.ARROW_SHAPE,
    }
    for wire, shapes in wires.items():
        [path] = generate(tmp_path, accounts=50, days=1, wire=wire)
        found = Text.of(path.read_bytes(), file=str(path))
        assert fast.load(found, shapes, never).snapshots.height == 50


@pytest.mark.parametrize("kind", WAYS)
def test_bare_numbers_for_text_never_take_the_exact_way(kind: str) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    shapes, _ = WAYS[kind]
    bodies = [DAMAGE["bare numbers"](body) for body in DOCUMENTS[kind]]
    assert bodies != DOCUMENTS[kind]
    assert fast.load(text(bodies), shapes, never).rejects.is_empty()


@pytest.mark.parametrize(
    ("number", "rejects"),
    [
        (b"99999999999999.9999", 0),
        (b"-99999999999999.9999", 0),
        (b"99999999999999.99995", 1),
        (b"100000000000000", 1),
        (b"-100000000000000", 1),
    ],
)
def test_numbers_are_read_up_to_fourteen_digits_before_the_point(
    number: bytes, rejects: int
) -> None:
    shapes, add = WAYS["webhooks"]
    body = DOCUMENTS["webhooks"][0].replace(b"100.25", number)
    both = (
        fast.load(text([body]), shapes, add),
        dumps.read(text([body]).lines(), add),
    )
    for loaded in both:
        found = (loaded.rejects.height, loaded.snapshots.height)
        assert found == (rejects, 1 - rejects)


def test_all_frames_come_in_the_order_of_the_lines() -> None:
    shapes, add = WAYS["webhooks"]
    damages = ("as it is", "five places", "unknown field", "cut", "number as text")
    bodies = [DAMAGE[name](body) for body in DOCUMENTS["webhooks"] for name in damages]
    loaded = fast.load(text(bodies), shapes, add)
    exact = dumps.read(text(bodies).lines(), add)
    for left, right in zip(loaded, exact, strict=True):
        assert_frame_equal(left, right)


@pytest.mark.parametrize("between", [b"\r\n", b"\n\n", b"\n  \n", b"\r\r\n"])
@pytest.mark.parametrize("kind", WAYS)
def test_line_ends_of_any_kind_never_take_the_exact_way(
    kind: str, between: bytes
) -> None:
    def never(*_: object) -> None:
        raise AssertionError

    shapes, add = WAYS[kind]
    found = Text.of(between.join([*DOCUMENTS[kind], b""]), file="dump")
    loaded = fast.load(found, shapes, never)
    assert loaded.snapshots.height == len(DOCUMENTS[kind])
    same(loaded, dumps.read(found.lines(), add))


@given(
    body=st.lists(st.sampled_from([b"{}", b"", b"{1}\r", b"  "]), min_size=1),
    least=st.integers(1, 20),
)
def test_a_text_is_cut_without_losing_a_line_its_number_or_its_place(
    body: list[bytes], least: int
) -> None:
    whole = Text.of(b"\n".join(body), file="dump", first_line=7, offset=100)
    parts = list(whole.cut(least))
    assert b"\n".join(part.body for part in parts) == whole.body
    assert [line for part in parts for line in part.lines()] == whole.lines()
    assert sum(part.height for part in parts) == whole.height == len(body)
    for part in parts:
        start = part.offset - 100
        assert whole.body[start : start + len(part.body)] == part.body
    assert all(len(part.body) >= least - 1 for part in parts[:-1])


def write(folder: Path, kind: str) -> list[Path]:
    """The same lines, damaged, as a plain file, a .gz, a .zst and a torn .gz."""
    whole = DOCUMENTS[kind]
    bodies = [*whole, b"", *(damage(whole[0]) for damage in DAMAGE.values()), *whole]
    text = b"\r\n".join(bodies[:9]) + b"\n" + b"\n".join(bodies[9:])
    zst = zstandard.ZstdCompressor().compress(text)
    contents = {
        "a.ndjson": text,
        "b.ndjson.gz": gzip.compress(text),
        "c.jsonl.zst": zst,
        "d.ndjson.gz": gzip.compress(text)[:-40],
        "e.json": whole[0],
        "f.json": text,
        "g.ndjson": b"",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


@pytest.mark.parametrize("without_pyarrow", [False, True])
def test_a_scan_fills_the_store_as_read_and_append_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, without_pyarrow: bool
) -> None:
    folder = tmp_path / "dumps"
    folder.mkdir()
    paths = write(folder, "webhooks")
    one, two = Store(tmp_path / "one", buckets=3), Store(tmp_path / "two", buckets=3)
    loaded = hk.read_webhooks(folder, api_secret="key")
    one.append(loaded)
    if without_pyarrow:
        monkeypatch.setattr(
            "holdings_kit.wire._quick_lines.is_available", lambda: False
        )
        with pytest.warns(UserWarning, match="pyarrow"):
            scan = hk.scan_webhooks(paths, into=two, api_secret="key", progress=False)
    else:
        scan = hk.scan_webhooks(paths, into=two, api_secret="key", progress=False)
    assert loaded.snapshots.height > 100
    assert scan.deliveries == loaded.snapshots.height
    by = REJECTS.names()
    assert_frame_equal(scan.rejects, loaded.rejects.unique().sort(by))
    for left, right in zip(one.history(), two.history(), strict=True):
        assert_frame_equal(left, right)


def test_scanning_again_loads_nothing_and_a_grown_file_only_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [path] = generate(tmp_path, accounts=20, days=1)
    store = Store(tmp_path / "store", buckets=2)
    assert hk.scan_webhooks(path, into=store, progress=False).deliveries == 20
    again = hk.scan_webhooks(path, into=store, progress=False)
    assert (again.deliveries, again.skipped) == (0, 20)
    with path.open("ab") as file:
        file.write(DOCUMENTS["webhooks"][0] + b"\nno json\n")
    grown = hk.scan_webhooks(path, into=store, progress=False)
    assert (grown.deliveries, grown.skipped, grown.rejects.height) == (1, 20, 1)
    # the mark lies within a block, and other blocks follow
    monkeypatch.setattr("holdings_kit.store._scan_blocks.BLOCK", path.stat().st_size)
    monkeypatch.setattr("holdings_kit.store._scan_blocks._PER_BUCKET", 0)
    with path.open("ab") as file:
        for delivery in range(60):
            file.write(webhook(f"new {delivery}", rows=20) + b"\n")
    longer = hk.scan_webhooks(path, into=store, progress=False, workers=1)
    assert (longer.deliveries, longer.skipped) == (60, 22)
    files = pl.read_parquet(tmp_path / "store/snapshots/*/*/*.parquet")
    assert files.height == 81


def test_a_file_replaced_by_another_is_read_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "dump.ndjson"
    store = Store(tmp_path / "store")
    path.write_bytes(b"\n".join(DOCUMENTS["webhooks"][:3]))
    hk.scan_webhooks(path, into=store, progress=False)
    path.write_bytes(b"\n".join(DOCUMENTS["webhooks"][2:]))
    scan = hk.scan_webhooks(path, into=store, progress=False)
    assert scan.skipped == 0
    assert store.history().snapshots.height == 5


def test_an_arrow_dump_fills_the_store(tmp_path: Path) -> None:
    folder = tmp_path / "dumps"
    folder.mkdir()
    write(folder, "arrow")
    one, two = Store(tmp_path / "one"), Store(tmp_path / "two")
    found = (line for path in sorted(folder.iterdir()) for line in lines(path))
    loaded = dumps.read(found, dumps.add_arrow)
    one.append(loaded)
    scan = hk.scan_arrow(folder, into=two, progress=False)
    assert scan.deliveries == loaded.snapshots.height > 50
    for left, right in zip(one.history(), two.history(), strict=True):
        assert_frame_equal(left, right)


def test_suffixes_in_capitals_are_dumps_too(tmp_path: Path) -> None:
    body = DOCUMENTS["webhooks"][0]
    contents = {
        "A.NDJSON": body,
        "B.JSON": body,
        "C.Json.GZ": gzip.compress(body),
        "D.JSONL.ZST": zstandard.ZstdCompressor().compress(body),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    assert [path.name for path in find_dumps(tmp_path).files] == list(contents)
    assert hk.read_webhooks(tmp_path).snapshots.height == 4


@pytest.mark.parametrize("given_", [b"{}", bytearray(b"{}"), None, [b"{}"], 5])
def test_what_is_no_path_is_told_so(given_: Any) -> None:
    with pytest.raises(ConfigError, match="path"):
        hk.read_webhooks(given_)


def test_a_fund_whose_price_has_no_date_is_loaded_and_remarked_on() -> None:
    body = DAMAGE["a price date that is none"](DOCUMENTS["webhooks"][0])
    loaded = dumps.read(text([body]).lines(), dumps.webhooks(None))
    fund = loaded.holdings.filter(asset_class="mutual_fund").row(0, named=True)
    assert (fund["price_at"], loaded.rejects.height) == (None, 0)
    said = loaded.notices.filter(kind="unread_instant").row(0, named=True)
    assert said["pointer"] == "/mutualFunds/holdings/0/lastPriceDate"
    assert said["value"] == "soon"
