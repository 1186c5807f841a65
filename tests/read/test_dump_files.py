"""Nothing in a folder vanishes, hangs, or fills the memory."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

import holdings_kit as hk
from holdings_kit.cli import main
from holdings_kit.clients import Inbox
from holdings_kit.errors import ConfigError, SignatureError
from holdings_kit.read._texts import LONGEST
from holdings_kit.wire import mint_token, verify_token, webhook_checksum

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "a key"
STAMP = "2026-01-05T10:15:30.123Z"


def delivery(account: str, **more: Any) -> bytes:
    """Write a delivery that its checksum fits."""
    body = {
        "smallcaseAuthId": account,
        "timestamp": STAMP,
        "snapshotDate": STAMP,
        "checksum": webhook_checksum(SECRET, timestamp=STAMP, subject=account),
        "securities": [
            {"isin": "INE062A01020", "holdings": {"quantity": 3, "averagePrice": 1.10}}
        ],
    }
    return json.dumps(body | more).encode()


def accounts(loaded: hk.Loaded) -> list[str]:
    assert loaded.snapshots["checksum_ok"].all()
    return sorted(loaded.snapshots["account_id"].unique())


def read(path: str | Path) -> hk.Loaded:
    return hk.read_webhooks(path, api_secret=SECRET)


def test_every_file_of_a_folder_is_read_or_named_with_the_reason(
    tmp_path: Path,
) -> None:
    body = delivery("a")
    contents = {
        "bare": body,
        "day.log": body + b"\n",
        "day.txt": b"\xef\xbb\xbf" + body + b"\r\n",
        "day.json.bz2": bz2.compress(body),
        "day.xz": lzma.compress(body) + lzma.compress(b"\n" + body) + b"\0" * 8,
        "wrong_name.gz": zstandard.compress(body),
        "unpacked.json.gz": body,
    }
    refused = {
        "a.zip": b"PK\x03\x04rest",
        "b.json.gz.part": gzip.compress(body),
        "c.log": b"10:15 received " + body,
        "d.csv": b"isin,quantity\n",
        "e.json": "\ufeff{}".encode("utf-16-le"),
        "f.tar.gz": gzip.compress(b"x" * 257 + b"ustar" + b"\0" * 300),
        "g": b"",
    }
    for name, content in (contents | refused).items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "gone.json").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)
    loaded = read(tmp_path)
    found = {Path(file).name for file in loaded.snapshots["file"]}
    assert found == set(contents)
    why = {Path(f).name: r for f, r in loaded.rejects.select("file", "reason").rows()}
    assert set(why) == {*refused, "gone.json", "loop"}
    assert "zip" in why["a.zip"]
    assert "UTF-16" in why["e.json"]
    assert "finished" in why["b.json.gz.part"]
    store = hk.Store(tmp_path.parent / f"{tmp_path.name}-store")
    for deliveries in (len(contents) + 1, 0):
        done = hk.scan_webhooks(tmp_path, into=store, progress=False)
        assert {Path(file).name for file in done.rejects["file"]} == set(why)
        assert done.deliveries == deliveries


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_bytes(delivery("a"))
    os.mkfifo(tmp_path / "pipe.json")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.json"))
    loaded = read(tmp_path)
    assert accounts(loaded) == ["a"]
    assert loaded.rejects["reason"].str.contains("FIFO|socket").to_list() == [True] * 2
    for path in ("/dev/zero", tmp_path / "pipe.json"):
        for door in (hk.read_webhooks, hk.read_instruments, hk.read_prices):
            with pytest.raises(ConfigError, match=r"is a (FIFO|device)"):
                door(str(path))
        with pytest.raises(ConfigError, match=r"is a (FIFO|device)"):
            hk.read_market(path)
    assert hk.read_market(tmp_path).files.height == 3


def test_a_name_that_is_not_utf_8_costs_that_file(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_bytes(delivery("a"))
    bad = os.fsencode(tmp_path) + b"/b\xffd.json"
    Path(os.fsdecode(bad)).write_bytes(delivery("b"))
    store = hk.Store(tmp_path.parent / f"{tmp_path.name}-store")
    scanned = hk.scan_webhooks(tmp_path, into=store, progress=False)
    for rejects in (read(tmp_path).rejects, scanned.rejects):
        assert rejects["file"].to_list() == [str(tmp_path / "b\\xffd.json")]
    assert scanned.deliveries == 1
    assert read(os.fsdecode(bad)).rejects.height == 1
    assert hk.read_market(tmp_path).files.height == 2


def test_an_empty_find_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file in"):
        read(tmp_path)
    (tmp_path / "inner").mkdir()
    with pytest.raises(ConfigError, match="no file in"):
        read(tmp_path)
    (tmp_path / "inner" / "good.json").write_bytes(delivery("a"))
    assert accounts(read(str(tmp_path / "in*"))) == ["a"]


def text_of(body: bytes) -> str:
    return json.dumps({"messageId": "1", "body": body.decode()})


def array_of(*bodies: bytes) -> bytes:
    return b"[" + b", ".join(bodies) + b"]"


WRAPPED: dict[str, Callable[[], bytes]] = {
    "data": lambda: b'{"data": ' + delivery("a") + b"}",
    "text": lambda: text_of(delivery("a")).encode(),
    "object": lambda: b'{"body": ' + delivery("a") + b', "headers": {}}',
    "base64": lambda: json.dumps(
        {"isBase64Encoded": True, "body": base64.b64encode(delivery("a")).decode()}
    ).encode(),
    "queue": lambda: b'{"Records": [' + text_of(delivery("a")).encode() + b"]}",
    "array": lambda: array_of(delivery("a"), delivery("b")),
    "printed": lambda: json.dumps([json.loads(delivery("a"))] * 2, indent=1).encode(),
    "one line": lambda: delivery("a") + delivery("b") + b" " + delivery("c"),
    "BOM, CRLF": lambda: b"\xef\xbb\xbf" + delivery("a") + b"\r\n" + delivery("b"),
    "line ends of old": lambda: delivery("a") + b"\r" + delivery("b") + b"\r",
    "printed object": lambda: json.dumps(json.loads(delivery("a")), indent=0).encode(),
}


@pytest.mark.parametrize("kind", WRAPPED)
@pytest.mark.parametrize("suffix", ["json", "ndjson"])
def test_what_is_wrapped_is_read_as_it_was_written(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    if kind.startswith("printed") and suffix == "ndjson":
        pytest.skip("not one object a line")
    path = tmp_path / f"day.{suffix}"
    path.write_bytes(WRAPPED[kind]() + b"\n")
    loaded = read(path)
    assert loaded.rejects.is_empty()
    assert accounts(loaded)[0] == "a"
    plain = tmp_path / "plain.json"
    plain.write_bytes(delivery("a"))
    for name in ("snapshot_id", "notices"):
        sent = read(plain).snapshots[name][0]
        assert sent in loaded.snapshots[name], (
            "the bytes inside are those that were sent"
        )
    store = hk.Store(tmp_path / "store")
    done = hk.scan_webhooks(path, into=store, progress=False, api_secret=SECRET)
    assert done.deliveries == loaded.snapshots.unique("snapshot_id").height


def test_one_bad_document_of_an_array_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "day.ndjson"
    path.write_bytes(
        delivery("z") + b"\n" + array_of(delivery("a"), b"7", delivery("b")) + b"\n"
        b'{"secu\n' + delivery("c") + b'{"secu'
    )
    loaded = read(path)
    assert accounts(loaded) == ["a", "b", "c", "z"]
    assert loaded.rejects["line_no"].to_list() == [2, 3, 4]
    assert loaded.rejects["raw"].to_list() == [b"7", b'{"secu', b'{"secu']
    holdings = loaded.holdings.join(loaded.snapshots, on="snapshot_id")
    assert holdings.height == 4, "each has its own rows"


def test_a_line_that_begins_as_bzip2_does_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "dump.ndjson"
    path.write_bytes(b"BZh9 no block\n" + delivery("a1") + b"\nBZh\n")
    loaded = hk.read_webhooks(path, api_secret=SECRET)
    assert loaded.snapshots["account_id"].to_list() == ["a1"]
    assert loaded.rejects["line_no"].to_list() == [1, 3]
    path.write_bytes(bz2.compress(b""))  # it has no block, and is bzip2 all the same
    assert hk.read_webhooks(path, api_secret=SECRET).rejects.is_empty()


def test_another_kind_of_reply_is_named(tmp_path: Path) -> None:
    path = tmp_path / "day.ndjson"
    path.write_bytes(b'{"success": true, "data": ' + delivery("a") + b"}\n")
    assert "read_gateway" in read(path).rejects["reason"][0]
    path.write_bytes(b'{"status": "success", "data": []}\n')
    assert "read_arrow" in read(path).rejects["reason"][0]


def test_an_arrow_reply_may_be_wrapped_too(tmp_path: Path) -> None:
    reply = b'{"status": "success", "data": []}'
    inside = json.dumps(
        {"account_id": "a", "snapshot_at": STAMP, "body": reply.decode()}
    )
    path = tmp_path / "day.ndjson"
    path.write_text(inside + "\n" + f"[{inside}]")
    store = hk.Store(tmp_path / "store")
    done = hk.scan_arrow(path, into=store, progress=False)
    assert (done.deliveries, done.rejects.height) == (2, 0)


def run(*arguments: object) -> object:
    """Run the command line; give its exit code."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["holdings-kit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    return ended.value.code


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda body: gzip.compress(body, 1),
    "zst": zstandard.compress,
    "bz2": bz2.compress,
    "xz": lambda body: lzma.compress(body, preset=0),
}
_READ = """
import resource, sys
import holdings_kit as hk
hk.read_webhooks(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
loaded = hk.read_webhooks(sys.argv[1])
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(loaded.snapshots.height, loaded.rejects.height, (after - before) >> 10)
"""


@pytest.mark.parametrize("suffix", PACK)
def test_a_bomb_costs_its_line_and_little_memory(tmp_path: Path, suffix: str) -> None:
    zeros = b"\0" * (1 << 20)
    pack = PACK[suffix]
    times = 3 if suffix in {"gz", "zst"} else 1
    parts = [delivery("a") + b"\n", *[zeros * 64] * times]
    parts += [b"\n" + delivery("b") + b"\n", b"0\n" * (1 << 20), delivery("c")]
    bomb, plain = tmp_path / f"day.json.{suffix}", tmp_path / "plain.json"
    bomb.write_bytes(b"".join(map(cache(pack), parts)))
    plain.write_bytes(delivery("a"))
    done = subprocess.run(
        [sys.executable, "-c", _READ, bomb, plain],
        capture_output=True,
        text=True,
        check=True,
    )
    snapshots, rejects, more = map(int, done.stdout.split())
    assert (snapshots, rejects) == (3, 2)
    assert more < 4 * (LONGEST >> 20), f"{more} MiB"


def test_a_secret_that_ends_with_a_line_end_gets_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "day.ndjson"
    path.write_bytes(delivery("a"))
    for call in (
        lambda secret: hk.read_webhooks(path, api_secret=secret),
        lambda secret: hk.scan_webhooks(
            path, into=hk.Store(tmp_path / "s"), api_secret=secret, progress=False
        ),
        lambda secret: Inbox(tmp_path / "inbox", api_secret=secret),
    ):
        with pytest.warns(UserWarning, match="ends with a line end"):
            call(SECRET + "\n")
    token = mint_token(SECRET)
    with pytest.raises(SignatureError, match="ends with a line end"):
        verify_token(token, SECRET + "\n", now=datetime(2026, 1, 5, tzinfo=UTC))
    monkeypatch.setenv("GATEWAY_API_SECRET", f"{SECRET}\r\n")
    with pytest.warns(UserWarning, match="line end"):
        run("load", path, "--into", tmp_path / "t")
    said = capsys.readouterr()
    assert "GATEWAY_API_SECRET: the secret ends with a line end" in said.err
    assert SECRET not in said.err


def test_a_load_that_finds_nothing_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04")
    for command in (
        ["load", tmp_path, "--into", tmp_path.with_name("store")],
        ["report", tmp_path],
    ):
        assert run(*command) == 1
        assert "a.zip: not read: a zip archive" in capsys.readouterr().out
