"""The inbox: on disk before the answer, once, whole, and nothing of strangers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

import holdings_kit as hk
from benchmarks.deliveries import SECRET, fetch_body, webhook
from holdings_kit.errors import ConfigError, SourceUnavailable
from holdings_kit.inbox import Inbox

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

    monkeypatch.setattr("holdings_kit.inbox.os.fsync", full)
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


def test_a_fetch_confirms_or_disputes_a_delivery(tmp_path: Path) -> None:
    true, forged = webhook("a1"), webhook("a2", rows=9)
    answers = {"a1": fetch_body(true), "a2": fetch_body(webhook("a2", rows=1))}
    asked: list[str] = []

    def fetch(account_id: str) -> bytes:
        asked.append(account_id)
        if len(asked) == 1:
            raise SourceUnavailable("gateway", 503, None, "later")
        return answers[account_id]

    inbox = Inbox(tmp_path, api_secret=SECRET, fetch=fetch)
    assert inbox.receive(true).status == inbox.receive(forged).status == 200
    assert files(inbox.accepted) == []
    assert sum(inbox.verify()) == 2
    inbox.verify()
    assert inbox.verify() == (0, 0, 0)
    (kept,) = files(inbox.accepted)
    assert kept.read_bytes() == true
    answer, disputed = sorted(files(tmp_path / "disputed"), key=lambda p: p.suffix)
    assert {answer.read_bytes(), disputed.read_bytes()} == {forged, answers["a2"]}
    assert inbox.receive(true).reason == inbox.receive(forged).reason == "known"


def test_verify_needs_a_fetch_and_a_secret_never_shows(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, api_secret=SECRET)
    with pytest.raises(ConfigError, match="fetch"):
        inbox.verify()
    assert SECRET not in repr(inbox) + repr(vars(inbox))
    with pytest.raises(ConfigError, match="empty"):
        Inbox(tmp_path, api_secret="")
