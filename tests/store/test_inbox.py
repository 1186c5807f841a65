"""The inbox: on disk before the answer, once, whole, and nothing of strangers."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import holdings_kit as hk
from benchmarks.deliveries import SECRET, fetch_body, webhook
from holdings_kit.clients import Inbox
from holdings_kit.errors import ConfigError, SourceUnavailable

if TYPE_CHECKING:
    from pathlib import Path


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_delivery_is_kept_byte_for_byte_and_once(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "in", api_secret=SECRET)
    body = webhook("a1", indent=2)
    first, second = inbox.receive(body), Inbox(inbox.folder, api_secret=SECRET)
    assert (first.status, first.reason) == (200, "stored")
    assert (*second.receive(body)[:2],) == (200, "known")
    (kept,) = files(inbox.folder)
    assert kept == first.path
    assert kept.read_bytes() == body
    assert kept.parent.name == "2026-01-05"
    assert kept.stem == hashlib.sha256(body).hexdigest()


def test_its_files_are_what_read_webhooks_reads(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, api_secret=SECRET)
    for body in (webhook("a1"), webhook("a2", 1, 3, indent=4), webhook("a3", rows=0)):
        inbox.receive(body)
    loaded = hk.read_webhooks(inbox.accepted, api_secret=SECRET)
    assert sorted(loaded.snapshots["account_id"]) == ["a1", "a2", "a3"]
    assert loaded.snapshots["checksum_ok"].all()
    assert loaded.holdings.height == 5
    assert loaded.rejects.is_empty()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (webhook("a1", checksum="0" * 64), 401),
        (webhook("a1", checksum=None), 401),
        (webhook("a1").replace(b"2026-01-05", b"2026-01-09"), 401),
        (b"{", 400),
        (b"[1]", 400),
        (b"", 400),
        (b"\xff\xfe{\x00}\x00", 400),
        (b'{"a":' * 100_000, 400),
    ],
)
def test_what_does_not_verify_is_kept_apart(
    tmp_path: Path, body: bytes, status: int
) -> None:
    inbox = Inbox(tmp_path, api_secret=SECRET)
    assert inbox.receive(body).status == status
    assert files(inbox.accepted) == []
    (kept,) = files(tmp_path / "refused")
    assert kept.read_bytes() == body


def test_strangers_cannot_fill_the_disk(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, api_secret=SECRET, keep_refused=3)
    answers = [inbox.receive(b"%d" % number).status for number in range(10)]
    assert answers == [400] * 10
    assert len(files(tmp_path)) == 3
    again = Inbox(tmp_path, api_secret=SECRET, keep_refused=3)
    assert again.receive(b"new").path is None


def test_a_timestamp_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "in", api_secret=SECRET)
    for said in ("../../../etc", "2026-01-05/../../..", ""):
        body = webhook("a1", timestamp=said, checksum=None)
        inbox.receive(body)
    assert all((tmp_path / "in") in path.parents for path in files(tmp_path))


def test_a_failed_write_promises_nothing_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = Inbox(tmp_path, api_secret=SECRET)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("holdings_kit.clients._inbox.os.fsync", full)
    with pytest.raises(OSError, match="space"):
        inbox.receive(webhook("a1"))
    monkeypatch.undo()
    assert files(tmp_path) == []
    assert inbox.receive(webhook("a1")).status == 200


def test_sweep_removes_what_a_kill_left(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, api_secret=SECRET)
    (tmp_path / "incoming" / "x.part").write_bytes(b'{"half')
    assert inbox.sweep() == 1
    assert files(tmp_path) == []


def fetching(answer: bytes) -> Any:
    """A fetch that reads one body, as the client does."""

    def fetch(_auth_id: str, /, *, version: str, mutual_funds: bool) -> hk.Loaded:
        loaded = hk.read_gateway(answer, fetched_at=datetime(2026, 1, 6, tzinfo=UTC))
        assert loaded.snapshots["format"].to_list() == [f"gateway-{version}"]
        return loaded

    return fetch


def test_a_fetch_confirms_or_disputes_a_delivery(tmp_path: Path) -> None:
    true, forged = webhook("a1"), webhook("a2", rows=9)
    answers = {"a1": fetch_body(true), "a2": fetch_body(webhook("a2", rows=1))}
    asked: list[str] = []

    def fetch(auth_id: str, /, **shape: Any) -> hk.Loaded:
        asked.append(auth_id)
        if len(asked) == 1:
            raise SourceUnavailable("gateway", 503, None, "later")
        return fetching(answers[auth_id])(auth_id, **shape)

    inbox = Inbox(tmp_path, api_secret=SECRET, fetch=fetch)
    assert inbox.receive(true).status == inbox.receive(forged).status == 200
    assert files(inbox.accepted) == []
    assert sum(inbox.verify()) == 2
    inbox.verify()
    assert inbox.verify() == (0, 0, 0)
    (kept,) = files(inbox.accepted)
    assert kept.read_bytes() == true
    answer, disputed = sorted(files(tmp_path / "disputed"), key=lambda p: p.suffix)
    assert disputed.read_bytes() == forged
    assert len(json.loads(answer.read_bytes())) == 1
    assert inbox.receive(true).reason == inbox.receive(forged).reason == "known"


FUND = {
    "folio": "7",
    "fund": "A fund",
    "tradingsymbol": "F1",
    "isin": "INF000A01010",
    "quantity": 12.345,
}


@pytest.mark.parametrize(
    ("delivery", "answer", "same"),
    [
        (webhook("a1", broker=None), fetch_body(webhook("a1")), True),
        (webhook("a1", transactionId="other"), fetch_body(webhook("a1")), True),
        (webhook("a1"), fetch_body(webhook("a1", broker="groww")), False),
        (webhook("a1"), fetch_body(webhook("a1", 1)), True),  # refreshed since
        (webhook("a1"), fetch_body(webhook("a1", 1, 3)), False),
        (webhook("a1", 1), fetch_body(webhook("a1")), False),
        (webhook("a1"), fetch_body(webhook("a2")), False),
        (webhook("a1"), fetch_body(webhook("a1", rows=3)), False),
        (
            webhook("a1", securities=None, mutualFunds={"holdings": [FUND]}),
            fetch_body(webhook("a1"), mutualFunds={"holdings": [FUND]}),
            True,
        ),
    ],
)
def test_what_counts_as_the_same_facts(
    tmp_path: Path, delivery: bytes, answer: bytes, same: bool
) -> None:
    inbox = Inbox(tmp_path, api_secret=SECRET, fetch=fetching(answer))
    assert inbox.receive(delivery).status == 200
    assert inbox.verify() == ((1, 0, 0) if same else (0, 1, 0))


def test_verify_needs_a_fetch_and_a_secret_never_shows(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, api_secret=SECRET)
    with pytest.raises(ConfigError, match="fetch"):
        inbox.verify()
    assert SECRET not in repr(inbox) + repr(vars(inbox))
    with pytest.raises(ConfigError, match="empty"):
        Inbox(tmp_path, api_secret="")
