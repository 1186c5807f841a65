"""A power cut loses what was not flushed; nothing acknowledged is among that.

All that a writer does to the disk is recorded, then replayed up to a random step. What
was flushed is there. Of the rest, any part may be: a name without its file's bytes, a
file cut short, bytes without a name, a later name without an earlier one.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any, NamedTuple

from holdings_kit.errors import HoldingsError
from holdings_kit.store import Store
from tests.store.conftest import make_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

ROWS = 4


class Step(NamedTuple):
    """One thing done to the disk: `write`, `flush`, `name`, `forget`, `acknowledge`."""

    kind: str
    path: str
    node: int = 0  # which file or folder, whatever its names
    body: bytes = b""


class Recorder:
    """Notes what is done below a folder, by way of the functions of `os`."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.steps = str(root), list[Step]()
        self._names: dict[str, int] = {self.root: 0}
        self._descriptors: dict[int, int] = {}
        for name in (
            "open",
            "write",
            "fsync",
            "link",
            "replace",
            "rename",
            "unlink",
            "mkdir",
            "rmdir",
        ):
            monkeypatch.setattr(os, name, self._wrap(name, getattr(os, name)))

    def acknowledge(self, name: str) -> None:
        self.steps.append(Step("acknowledge", name))

    def _wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            result = real(*arguments, **options)
            paths = [
                os.fspath(a) for a in arguments[:2] if isinstance(a, str | os.PathLike)
            ]
            if name in {"write", "fsync"} or any(
                p.startswith(self.root) for p in paths
            ):
                getattr(self, f"_{name}")(result, *arguments)
            return result

        return call

    def _name(self, path: str, node: int) -> None:
        self._names[path] = node
        self.steps.append(Step("name", path, node))

    def _new(self) -> int:
        return len(self.steps) + 1

    def _open(self, result: int, path: Any, flags: int, *_: Any) -> None:
        path = os.fspath(path)
        if flags & os.O_CREAT:
            self._name(path, self._new())
            self.steps.append(Step("write", "", self._names[path]))
        self._descriptors[result] = self._names[path]

    def _write(self, result: int, descriptor: int, body: Any) -> None:
        if descriptor in self._descriptors:
            done = bytes(body)[:result]
            self.steps.append(Step("write", "", self._descriptors[descriptor], done))

    def _fsync(self, _: None, descriptor: int) -> None:
        if descriptor in self._descriptors:
            self.steps.append(Step("flush", "", self._descriptors[descriptor]))

    def _link(self, _: None, source: Any, target: Any, **__: Any) -> None:
        self._name(os.fspath(target), self._names[os.fspath(source)])

    def _replace(self, _: None, source: Any, target: Any) -> None:
        self._name(os.fspath(target), self._names[os.fspath(source)])
        self._unlink(None, source)

    _rename = _replace

    def _unlink(self, _: None, path: Any, **__: Any) -> None:
        self._names.pop(os.fspath(path), None)
        self.steps.append(Step("forget", os.fspath(path)))

    _rmdir = _unlink

    def _mkdir(self, _: None, path: Any, *__: Any) -> None:
        node = self._new()
        self.steps.append(Step("folder", os.fspath(path), node))
        self._name(os.fspath(path), node)


class Disk:
    """What is flushed, and what is not yet."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.folders: dict[int, dict[str, int]] = {0: {}}  # names that are flushed
        self.flushed: dict[int, bytes] = {}
        self.written: dict[int, bytes] = {}
        self.waiting: list[tuple[int, str, int | None]] = []  # names not yet flushed
        self.where: dict[str, int] = {root: 0}

    def do(self, step: Step) -> None:
        folder, _, name = step.path.rpartition("/")
        if step.kind == "folder":
            self.folders[step.node] = {}
        elif step.kind == "name":
            self.where[step.path] = step.node
            self.waiting.append((self.where[folder], name, step.node))
        elif step.kind == "forget":
            self.where.pop(step.path, None)
            self.waiting.append((self.where[folder], name, None))
        elif step.kind == "write":
            self.written[step.node] = self.written.get(step.node, b"") + step.body
        elif step.kind == "flush" and step.node in self.folders:
            for entry in [e for e in self.waiting if e[0] == step.node]:
                self._apply(entry)
            self.waiting = [e for e in self.waiting if e[0] != step.node]
        elif step.kind == "flush":
            self.flushed[step.node] = self.written.get(step.node, b"")

    def _apply(self, entry: tuple[int, str, int | None]) -> None:
        folder, name, node = entry
        if node is None:
            self.folders[folder].pop(name, None)
        else:
            self.folders[folder][name] = node

    def cut(self, rng: random.Random) -> None:
        """Keep any part of what waits; of bytes that wait, any part."""
        share = rng.choice([0.0, 0.5, 1.0])
        for entry in self.waiting:
            if rng.random() < share:
                self._apply(entry)
        for node, body in self.written.items():
            safe = self.flushed.get(node, b"")
            if body != safe:
                end = rng.randint(len(safe), len(body))
                lost = bytes(len(body) - end) if rng.random() < 0.3 else b""
                self.flushed[node] = body[:end] + lost

    def finish(self) -> None:
        for entry in self.waiting:
            self._apply(entry)
        self.flushed = self.written

    def tree(self, node: int = 0, path: str = "") -> Iterator[tuple[str, bytes]]:
        for name, child in self.folders[node].items():
            if child in self.folders:
                yield from self.tree(child, f"{path}{name}/")
            else:
                yield f"{path}{name}", self.flushed.get(child, b"")

    def write_to(self, target: Path) -> None:
        for name, body in self.tree():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(body)


def record(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """Append, commit parts, promote, compact; note when each came back."""
    with monkeypatch.context() as patch:
        recorder = Recorder(root, patch)
        store = Store(root / "store", buckets=2)
        for number in range(4):
            store.append(make_snapshot(f"A{number}", number % 2, ROWS))
            recorder.acknowledge(f"A{number}/{number % 2}/{ROWS}")
        parts = [store.write_part(make_snapshot(f"P{n}", 0, ROWS)) for n in range(2)]
        store.commit(parts, marks={"dump": 7})
        for number in range(2):
            recorder.acknowledge(f"P{number}/0/{ROWS}")
        store.compact()
        store.append(make_snapshot("A0", 5, ROWS))
        recorder.acknowledge(f"A0/5/{ROWS}")
        store.append(make_snapshot("A1", 5, 1))
        recorder.acknowledge("A1/5/1")
        store.promote("A1/5/1", reason="sold")
    return recorder.steps


def test_the_recording_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replayed to its end it makes the very files: nothing writes around it."""
    root = tmp_path / "real"
    root.mkdir()
    disk = Disk(str(root))
    for step in record(root, monkeypatch):
        disk.do(step)
    disk.finish()
    there = {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }
    assert dict(disk.tree()) == there
    assert len(there) > 20


def test_no_power_cut_loses_an_acknowledged_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "real"
    root.mkdir()
    steps = record(root, monkeypatch)
    rng = random.Random(18)
    cuts = int(os.environ.get("POWER_CUTS", "40"))
    for turn in range(cuts):
        disk, acknowledged = Disk(str(root)), set[str]()
        for step in steps[: rng.randint(0, len(steps))]:
            disk.do(step)
            if step.kind == "acknowledge":
                acknowledged.add(step.path)
        disk.cut(rng)
        after = tmp_path / f"cut{turn}"
        after.mkdir()
        disk.write_to(after)
        store = Store(after / "store", buckets=2)
        loaded = store.history()
        assert acknowledged <= set(loaded.snapshots["snapshot_id"])
        rows = dict(loaded.holdings.group_by("snapshot_id").len().iter_rows())
        assert all(rows[name] == int(name[-1]) for name in acknowledged)
        assert store.append(make_snapshot("later", 0, ROWS)).deliveries == 1
        assert "later" in store.current().snapshots["account_id"]
        assert store.check().is_empty()


def test_without_flushing_the_same_cuts_lose_deliveries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replay bites: take the flushes out of the recording and things are lost."""
    root = tmp_path / "real"
    root.mkdir()
    steps = [step for step in record(root, monkeypatch) if step.kind != "flush"]
    disk = Disk(str(root))
    for step in steps:
        disk.do(step)
    disk.cut(random.Random(0))
    after = tmp_path / "after"
    after.mkdir()
    disk.write_to(after)
    try:
        found = Store(after / "store", buckets=2).history().snapshots.height
    except HoldingsError:
        found = 0
    assert found < 8
