"""Any bytes at all: a frame, or a `HoldingsError` that names the place."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings, strategies as st

import holdings_kit as hk
from holdings_kit.errors import HoldingsError
from holdings_kit.read._packed import MAGIC
from holdings_kit.schema import BASKETS, HOLDINGS, LISTINGS, REJECTS, SNAPSHOTS

AT = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
SAMPLES = Path(__file__).parents[2] / "sample_data"
CASES = int(os.environ.get("FUZZ_CASES", "150"))
SEEDS = [
    path.read_bytes()
    for path in (
        SAMPLES / "arrow/holdings.json",
        SAMPLES / "gateway/holdings_v1.json",
        SAMPLES / "gateway/holdings_v2.json",
        SAMPLES / "webhooks/2026-01-05.ndjson",
    )
]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        ["", "0", "1.5", "1e9", "-3", "NSE", "INE062A01020", "2026-01-05"]
    )
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A published payload with places replaced by anything at all."""
    document = json.loads(draw(st.sampled_from(SEEDS[:3])))
    for _ in range(draw(st.integers(1, 4))):
        place = document
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(keys))
            inner = place[key]
            deeper = isinstance(inner, dict | list) and inner and draw(st.booleans())
            if not deeper:
                place[key] = draw(values)
                break
            place = inner
    return json.dumps(document).encode()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """The bytes of a published payload, cut, doubled or overwritten."""
    body = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 40))] = draw(st.binary(max_size=6))
    return bytes(body)


anything = (
    st.binary(max_size=200)
    | mutated()
    | damaged()
    | values.map(lambda value: json.dumps(value).encode())
)


def check(loaded: hk.Loaded) -> None:
    schemas = (SNAPSHOTS, HOLDINGS, LISTINGS, BASKETS, REJECTS)
    assert [frame.schema for frame in loaded] == list(schemas)
    assert loaded.holdings["instrument_id"].null_count() == 0
    assert loaded.rejects["reason"].null_count() == 0
    if not loaded.snapshots["account_id"].is_duplicated().any():  # those are refused
        hk.summarize(hk.consolidate(hk.look_through(loaded)))
    assert loaded.notices.width == 5


@given(anything)
@settings(max_examples=CASES, deadline=None)
def test_read_arrow(body: bytes) -> None:
    try:
        loaded = hk.read_arrow(body, account_id="A", snapshot_at=AT)
    except HoldingsError as error:
        assert "read_arrow" in str(error) or "arrow" in str(error)
        return
    check(loaded)
    rows = json.loads(body.removeprefix(b"\xef\xbb\xbf"))["data"] or []
    assert loaded.holdings.height + loaded.rejects.height >= len(rows)


@given(anything)
@settings(max_examples=CASES, deadline=None)
def test_read_gateway(body: bytes) -> None:
    try:
        check(hk.read_gateway(body, fetched_at=AT))
    except HoldingsError as error:
        assert "gateway" in str(error)


@given(st.lists(anything, max_size=3), st.booleans())
@settings(max_examples=CASES, deadline=None)
def test_read_webhooks(bodies: list[bytes], packed: bool) -> None:
    lines = [body.replace(b"\n", b" ") for body in bodies]
    name = Path(os.environ.get("TMPDIR", "/tmp")) / f"any-{os.getpid()}.ndjson"
    path = name.with_suffix(".ndjson.gz") if packed else name
    path.write_bytes(b"\n".join(lines))
    try:
        loaded = hk.read_webhooks(path, api_secret="sandbox_api_secret")
    finally:
        path.unlink()
    check(loaded)
    # what begins as packed data does and is none is named as a file
    if not packed and not b"".join(lines).startswith(tuple(MAGIC)):
        full = sum(bool(line.strip()) for line in lines)
        counted = loaded.snapshots.height + loaded.rejects.height
        assert counted >= full, "every line is a snapshot or a reject"
