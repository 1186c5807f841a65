"""Damaged payloads and files into every reader: ours, set aside, or an error of ours.

A few cases here, always the same; `make fuzz` gives each reader 21,000 new ones.
"""

from __future__ import annotations

import json
import os
import random
import warnings
from datetime import UTC, datetime
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import pytest
from polars.testing import assert_frame_equal

import holdings_kit as hk
from holdings_kit import wire
from holdings_kit.clients import Inbox
from holdings_kit.errors import HoldingsError, WireError
from holdings_kit.read import read_fund_imports, read_instruments_and_rejects
from tests.market.test_any_exchange_bytes import SEEDS as MARKET, check as check_market
from tests.wire.test_both_readers import SAMPLES, change_bytes, change_document

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CASES = int(os.environ.get("FUZZ_READERS", "30"))
TOGETHER: Final = 100  # lines or files read at once, where a reader takes many
AT = datetime(2026, 1, 5, 10, tzinfo=UTC)
SECRET = "sandbox_api_secret"
KEY = {"exchange": "NSE", "token": "3045", "interval": "day", "source": "doc"}
JUNK: Final = [
    *(b"", b",", b'"', b"-", b"NA", b"nan", b"1e400", b"-0", b"9" * 40, b"\t", b";"),
    *(b"\xff", b"\xe9", b"\x00", b"\r\n", b"\n\n", b"\xef\xbb\xbf", b"\x1b[2J"),
    *(b"{", b"}", b"[" * 3000, b'{"a":' * 3000, b"\\ud800", b"null", b"1e", b"PK\x03"),
]
FUNDS = json.dumps(
    {
        "transactionId": "TRX_0",
        "summary": {
            "dtSummary": [{"folio": "1/2", "isin": "INF1", "closingBalance": "10.5"}]
        },
        "transactions": [
            {
                "dtTransaction": [
                    {"folio": "1/2", "trxnDate": "01-JAN-2026", "trxnAmount": "5"}
                ]
            }
        ],
    }
).encode()
REPLIES: Final = {
    "candles": b'[["2023-05-02T00:00:00+0530", 58000, 58085, 57315, 57530, 13667511]]',
    "quotes": b'{"data": [{"close": 135880, "ltp": 137020, "token": 2885}]}',
    "limits": b'{"data": {"allocations": [{"segment": "CM", "cashCurrent": "7.50"}]}}',
    "transaction": b'{"data": {"transactionDetails": {"status": "USED", "x": 1}}}',
    "import": b'{"data": "a.b.c", "transaction": "HOLDING_IMPORT", "success": true}',
    "refusal": b'{"success": false, "errors": ["x"], "errorType": "y", "data": null}',
}
TABLE = b"date,symbol,close,open\n2026-01-05,SBIN,950.1,949\n2026-01-06,SBIN,951,\n"


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def damage_bytes(rng: random.Random, body: bytes) -> bytes:
    """Cut, double, swap and overwrite parts of any file."""
    changed = bytearray(body)
    for _ in range(rng.randint(1, 4)):
        at, size = rng.randrange(len(changed) + 1), rng.choice([0, 0, 1, 3, 30])
        part = bytes(changed[at : at + size])
        other = rng.randrange(len(changed) + 1)
        new = [b"", rng.choice(JUNK), part * 2, bytes(changed[other : other + 20])]
        changed[at : at + size] = rng.choice(new)
    if rng.random() < 0.2:
        lines = bytes(changed).split(b"\n")
        rng.shuffle(lines)
        return b"\n".join(lines)
    return bytes(changed)


def damage_cells(rng: random.Random, body: bytes) -> bytes:
    """Put anything into cells of a table of lines."""
    lines = body.split(b"\n")
    for _ in range(rng.randint(1, 3)):
        number = rng.randrange(len(lines))
        cells = lines[number].split(b",")
        cells[rng.randrange(len(cells))] = rng.choice(JUNK[:20])
        lines[number] = b",".join(cells)
    return b"\n".join(lines)


def damage(rng: random.Random, body: bytes) -> bytes:
    """Damage a document as JSON, as a table, or as bytes."""
    kind = rng.random()
    if body.lstrip()[:1] in (b"{", b"[") and kind < 0.6:
        try:
            return change_document(rng, body.split(b"\n")[0] if kind < 0.1 else body)
        except ValueError:
            pass
    return damage_cells(rng, body) if kind < 0.4 else damage_bytes(rng, body)


def check_loaded(loaded: hk.Loaded) -> None:
    assert loaded.holdings["instrument_id"].null_count() == 0
    assert loaded.rejects.select("file", "reason").null_count().row(0) == (0, 0)


def write_dump(rng: random.Random, folder: Path) -> tuple[Path, list[bytes]]:
    """Write a dump of damaged lines behind a whole one; gives what was damaged."""
    lines = sample("webhooks/2026-01-05.ndjson").splitlines()
    lines += [
        json.dumps(json.loads(sample(f"gateway/holdings_{v}.json"))["data"]).encode()
        for v in ("v1", "v2")
    ]
    lines.append(FUNDS)
    made = [rng.choice(lines) for _ in range(TOGETHER)]
    made = [
        line
        if rng.random() < 0.2
        else rng.choice([change_document, change_bytes, damage])(rng, line)
        for line in made
    ]
    made = [line.replace(b"\n", b" ").replace(b"\r", b" ") for line in made]
    path = folder / "dump.ndjson"
    path.write_bytes(b'{"securities": []}\n' + b"\n".join(made))
    return path, made


def read_webhooks(rng: random.Random, folder: Path) -> int:
    """Every line of a dump is a snapshot, an event, or set aside by its place."""
    path, made = write_dump(rng, folder)
    loaded = hk.read_webhooks(path, api_secret=SECRET)
    check_loaded(loaded)
    assert loaded.rejects["line_no"].null_count() == 0
    places = [loaded.snapshots, loaded.rejects, loaded.events]
    read = {number for frame in places for number in frame["line_no"]}
    full = {n for n, line in enumerate(made, 2) if line.strip()}
    assert full - read == set(), [made[n - 2] for n in full - read]
    read_fund_imports(loaded)
    return TOGETHER


def scan_webhooks(rng: random.Random, folder: Path) -> int:
    """A dump that is scanned into a store is there as if it had been read at once."""
    path, _ = write_dump(rng, folder)
    with TemporaryDirectory(dir=folder) as name:
        one, two = hk.Store(f"{name}/scanned"), hk.Store(f"{name}/appended")
        hk.scan_webhooks(path, into=one, api_secret=SECRET, progress=False)
        two.append(hk.read_webhooks(path, api_secret=SECRET))
        for left, right in zip(
            [*one.history(), one.events()], [*two.history(), two.events()], strict=True
        ):
            by = [c for c, kind in left.schema.items() if not kind.is_nested()]
            assert_frame_equal(left.sort(by), right.sort(by))
    return TOGETHER


def read_gateway(rng: random.Random, _: Path) -> int:
    body = damage(rng, sample(f"gateway/holdings_{rng.choice(['v1', 'v2'])}.json"))
    check_loaded(hk.read_gateway(body, fetched_at=AT))
    return 1


def read_arrow(rng: random.Random, _: Path) -> int:
    body = damage(rng, sample(f"arrow/{rng.choice(['holdings', 'pledged'])}.json"))
    loaded = hk.read_arrow(body, account_id="A", snapshot_at=AT)
    check_loaded(loaded)
    rows = json.loads(body.removeprefix(b"\xef\xbb\xbf"))["data"] or []
    assert loaded.holdings.height + loaded.rejects.height >= len(rows)
    return 1


def market_seeds() -> list[bytes]:
    files = [path.read_bytes() for path in sorted((SAMPLES / "market").iterdir())]
    short = [b"\n".join(body.split(b"\n")[:6]) for body in files]
    return [*(text.encode() for text in MARKET.values()), *short]


def read_market(rng: random.Random, folder: Path) -> int:
    """Every file of a folder is of a kind, or named with the reason."""
    seeds, names = market_seeds(), []
    for number in range(TOGETHER):
        path = folder / f"{number}.csv"
        path.write_bytes(damage(rng, rng.choice(seeds)))
        names.append(str(path))
    market = hk.read_market(names)
    check_market(market)
    named = {*market.files["file"], *market.rejects["file"]}
    assert set(names) - named == set()
    return TOGETHER


def read_instruments(rng: random.Random, _: Path) -> int:
    body = b"\n".join(sample("arrow/instruments.csv").split(b"\n")[:6])
    master, rejects = read_instruments_and_rejects(damage(rng, body))
    assert master["instrument_id"].null_count() == 0
    assert rejects.select("file", "line_no", "reason").null_count().row(0) == (0, 0, 0)
    return 1


def read_prices(rng: random.Random, _: Path) -> int:
    prices = hk.read_prices(damage(rng, TABLE))
    assert (prices["close_price"] > 0).all()
    return 1


def lint(rng: random.Random, _: Path) -> int:
    name = rng.choice(["gateway/holdings_v2.json", "arrow/holdings.json"])
    hk.lint(damage(rng, sample(name)))
    return 1


def decode_replies(rng: random.Random, _: Path) -> int:
    """The smaller replies of both APIs; what is no JSON ends before."""
    kind = rng.choice(list(REPLIES))
    body = damage(rng, REPLIES[kind])
    if kind == "candles":
        wire.decode_candles(body, **KEY)
    elif kind == "quotes":
        wire.decode_quotes(body, source="doc")
    elif kind == "limits":
        wire.decode_limits(body, account_id="A", limits_at=AT, source="doc")
    else:
        try:
            payload = json.loads(body)
        except (ValueError, RecursionError):
            return 1
        if kind == "transaction":
            wire.parse_transaction(payload)
        elif kind == "import":
            wire.parse_import_result(payload)
        else:
            for refusal in (wire.gateway_refusal, wire.arrow_refusal):
                str(refusal(rng.choice([200, 400, None]), payload))
    return 1


def judge_deliveries(rng: random.Random, folder: Path) -> int:
    """An inbox answers 200, 400 or 401, and keeps what it answered 200."""
    inbox = Inbox(folder / "inbox", api_secret=SECRET)
    lines = [*sample("webhooks/2026-01-05.ndjson").splitlines(), FUNDS]
    for _ in range(TOGETHER):
        verdict = inbox.judge(damage(rng, rng.choice(lines)))
        assert verdict.status in {200, 400, 401}
    return TOGETHER


READERS: Final[dict[str, Callable[[random.Random, Path], int]]] = {
    one.__name__: one
    for one in (
        read_webhooks,
        scan_webhooks,
        read_gateway,
        read_arrow,
        read_market,
        read_instruments,
        read_prices,
        lint,
        decode_replies,
        judge_deliveries,
    )
}


@pytest.mark.parametrize("reader", READERS)
def test_damage_is_read_set_aside_or_an_error_of_ours(
    reader: str, tmp_path: Path
) -> None:
    start = random.SystemRandom().getrandbits(32) if "FUZZ_READERS" in os.environ else 7
    done = turn = refused = 0
    while done < CASES:
        rng = random.Random(start + turn)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                done += READERS[reader](rng, tmp_path)
        except HoldingsError as error:
            assert str(error)
            done, refused = done + 1, refused + 1
        except BaseException as error:
            raise AssertionError(f"seed {start + turn}: {error!r}") from error
        turn += 1
    assert refused < done, "not one could be read"


def test_closes_that_differ_in_a_later_file_are_told(tmp_path: Path) -> None:
    head, line = MARKET["udiff"].split("\n")[:2]
    bodies = [line, *(line.replace("951.5", close) for close in ("952", "953"))]
    for number, body in enumerate([line.replace("INE062", "INE061"), *bodies]):
        (tmp_path / f"{number}.csv").write_text(f"{head}\n{body}\n")
    told = hk.read_market(tmp_path).notices.filter(kind="two_closes")
    assert told.height == 2


@pytest.mark.parametrize(
    ("inner", "words"), [('"\\ud800"', "surrogate"), ("[" * 200_000, "nested")]
)
def test_lint_refuses_in_words(inner: str, words: str) -> None:
    body = f'{{"data": [{{"qty": {inner}}}]}}'.encode()
    with pytest.raises(WireError, match=words):
        hk.lint(body)


def test_a_line_of_a_master_that_names_nothing_is_set_aside() -> None:
    head = b"Exchange,Token,FullName,Symbol,TradingSymbol,ISIN\n"
    body = head + b",7,,,,WRONG\n,,,,,\n,,,,,INE062A01020\n"
    master, rejects = read_instruments_and_rejects(body)
    assert master["instrument_id"].to_list() == ["INE062A01020"]
    assert rejects.select("line_no", "raw").rows() == [(2, b",7,,,,WRONG")]


@pytest.mark.parametrize(
    "number", ["100000000000000", "99999999999999.99995", "1e38", "x"]
)
def test_a_reply_with_a_number_too_large_is_named(number: str) -> None:
    value = json.dumps(number)
    with pytest.raises(WireError, match="no number below"):
        wire.decode_candles(
            b'[["2023-05-02T00:00:00+0530", 1, 1, 1, 1, %s]]' % value.encode(), **KEY
        )
    for name in ("ltp", "ltt", "volume"):
        body = f'{{"data": [{{"token": 1, "{name}": {value}}}]}}'.encode()
        with pytest.raises(WireError, match="no number below"):
            wire.decode_quotes(body, source="doc")
