"""20,000 damaged lines: both readers say the same of them (`make fuzz`)."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from holdings_kit.sandbox import generate
from holdings_kit.wire import (
    Text,
    _arrow as arrow,
    _dumps as dumps,
    _fast as fast,
    _gateway_facts as gateway_facts,
)

SAMPLES = Path(__file__).parents[2] / "sample_data"
LINES, TOGETHER = int(os.environ.get("FUZZ_LINES", "0")), 200
WAYS = {
    "gateway": (gateway_facts.webhook_shape("key"), dumps.webhooks("key")),
    "arrow": (arrow.ARROW_SHAPE, dumps.add_arrow),
}
SCALARS: list[Any] = [
    *("", "0", "1.5", "1e9", "-3", " 7 ", "-", "N/A", "x", "INE062A01020"),
    *("2026-01-05", "null", "\x7f", "\u0000\u00e9", '"}', "99999999999999.99995"),
    *(None, True, False, 0, 1, -2.5, 1.123456, 10**14, 10**20, 1e-9, 5e-324),
]
NAMES = ["new", "isin", "qty", "holdings", "private", "a/b", "x y", "\u00e9", "data"]


def invent(rng: random.Random, depth: int = 0) -> Any:
    """Any value at all, of the kinds that break readers."""
    kind = rng.random()
    if kind < 0.7 or depth > 2:
        return rng.choice(SCALARS)
    if kind < 0.85:
        return [invent(rng, depth + 1) for _ in range(rng.randint(0, 3))]
    return {rng.choice(NAMES): invent(rng, depth + 1) for _ in range(rng.randint(0, 3))}


def change_document(rng: random.Random, line: bytes) -> bytes:
    """Replace, add, double or drop members anywhere in a document."""
    document = json.loads(line)
    for _ in range(rng.randint(1, 3)):
        place = document
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key, what = rng.choice(keys), rng.random()
            inner = place[key]
            if isinstance(inner, dict | list) and inner and rng.random() < 0.8:
                place = inner
                continue
            if what < 0.5:
                place[key] = invent(rng)
            elif isinstance(place, list):
                place.append(json.loads(json.dumps(inner)))
            elif what < 0.8:
                place[rng.choice(NAMES)] = invent(rng)
            else:
                del place[key]
            break
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def change_bytes(rng: random.Random, line: bytes) -> bytes:
    """Cut, overwrite or double a few bytes; a line stays a line."""
    body = bytearray(line)
    for _ in range(rng.randint(1, 3)):
        at, size = rng.randrange(len(body) + 1), rng.choice([0, 1, 1, 5, 40])
        new = rng.choice([b"", rng.randbytes(2), bytes(body[at : at + size]) * 2])
        body[at : at + size] = new
    return bytes(body).replace(b"\n", b" ")


def damage(rng: random.Random, lines: list[bytes]) -> bytes:
    line, what = rng.choice(lines), rng.random()
    if what < 0.3:
        return line
    return change_document(rng, line) if what < 0.75 else change_bytes(rng, line)


@pytest.mark.skipif(not LINES, reason="make fuzz")
@pytest.mark.parametrize("kind", WAYS)
def test_both_readers_say_the_same_of_damaged_lines(kind: Any, tmp_path: Path) -> None:
    shape, add = WAYS[kind]
    [made] = generate(tmp_path, accounts=30, days=1, wire=kind)
    lines = made.read_bytes().splitlines()
    if kind == "gateway":
        for version in ("v1", "v2"):
            body = json.loads(
                (SAMPLES / f"gateway/holdings_{version}.json").read_text()
            )
            lines += [json.dumps(body["data"]).encode()] * 6
    seed = random.SystemRandom().getrandbits(32)
    for start in range(0, LINES // len(WAYS), TOGETHER):
        rng = random.Random(seed + start)
        text = Text.of(
            b"\n".join(damage(rng, lines) for _ in range(TOGETHER)), file="dump"
        )
        quick, strict = fast.load(text, shape, add), dumps.read(text.lines(), add)
        for name, left, right in zip(quick._fields, quick, strict, strict=True):
            try:
                assert_frame_equal(left, right)
            except AssertionError as error:
                raise AssertionError(f"seed {seed + start}, {name}: {error}") from error
