"""Thousands of accounts: bounded, paced, resumable, nothing lost."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from polars.testing import assert_frame_equal

import holdings_kit as hk
from holdings_kit.clients import (
    GatewayClient,
    Options,
    Pace,
    fetch_many,
    fetch_many_async,
)
from holdings_kit.errors import AuthError, ConfigError, SourceUnavailable
from holdings_kit.sandbox import serve
from holdings_kit.wire._arrow import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from holdings_kit.sandbox import Sandbox
    from holdings_kit.schema import Loaded

NOW = datetime(2026, 1, 5, 4, 45, tzinfo=UTC)
BODY = b'{"status": "success", "data": []}'


def read(account: str) -> Loaded:
    return hk.read_arrow(BODY, account_id=account, snapshot_at=NOW)


class Counted:
    """Counts the calls under way, and who was asked for."""

    def __init__(self, pause: float = 0.0) -> None:
        self.asked: list[str] = []
        self.most = self._now = 0
        self._pause, self._lock = pause, threading.Lock()

    def __call__(self, account: str) -> Loaded:
        with self._lock:
            self.asked.append(account)
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(self._pause)
        with self._lock:
            self._now -= 1
        return read(account)


ACCOUNTS = [f"A{number}" for number in range(30)]


def test_all_accounts_come_in_the_order_asked_each_once() -> None:
    fetch = Counted()
    loaded = fetch_many([*ACCOUNTS, *ACCOUNTS], fetch, progress=False)
    assert loaded.snapshots["account_id"].to_list() == ACCOUNTS
    assert sorted(fetch.asked) == sorted(ACCOUNTS)


@pytest.mark.parametrize("concurrency", [1, 3, 20])
def test_concurrency_is_bounded(concurrency: int) -> None:
    fetch = Counted(pause=0.01)
    fetch_many(ACCOUNTS, fetch, concurrency=concurrency, progress=False)
    assert fetch.most <= concurrency


def test_a_failure_costs_its_account_and_no_other() -> None:
    def fetch(account: str) -> Loaded:
        if account == "A7":
            raise AuthError("arrow", 401, "UNAUTHORIZED", "log in again")
        if account == "A9":
            raise SourceUnavailable("arrow", 502, None, "bad gateway")
        return read(account)

    loaded = fetch_many(ACCOUNTS, fetch, progress=False)
    assert loaded.snapshots.height == 28
    assert loaded.rejects.select("file", "reason").rows() == [
        ("A7", "AuthError: arrow: 401 UNAUTHORIZED: log in again"),
        ("A9", "SourceUnavailable: arrow: 502: bad gateway"),
    ]


def test_a_wrong_call_stops_everything() -> None:
    def fetch(account: str) -> Loaded:
        raise ConfigError("no such option")

    with pytest.raises(ConfigError, match="no such option"):
        fetch_many(ACCOUNTS, fetch, progress=False)


def test_what_is_there_is_not_fetched_again() -> None:
    have = fetch_many(ACCOUNTS[:20], read, progress=False)
    fetch = Counted()
    rest = fetch_many(ACCOUNTS, fetch, have=have, progress=False)
    assert rest.snapshots["account_id"].to_list() == ACCOUNTS[20:]
    assert sorted(fetch.asked) == sorted(ACCOUNTS[20:])
    later = NOW + timedelta(seconds=1)
    for since, again in ((NOW, 10), (later, 30)):
        loaded = fetch_many(ACCOUNTS, read, have=have, since=since, progress=False)
        assert loaded.snapshots.height == again


def test_nothing_to_do_gives_empty_frames() -> None:
    loaded = fetch_many([], read, progress=False)
    assert [frame.height for frame in loaded] == [0] * 5


def test_a_run_that_breaks_off_is_kept_and_resumed(tmp_path: Path) -> None:
    store = hk.Store(tmp_path / "store")
    asked: list[str] = []

    def fetch(account: str) -> Loaded:
        asked.append(account)
        if len(asked) == 25:
            raise KeyboardInterrupt
        return read(account)

    def run() -> Loaded:
        return fetch_many(
            ACCOUNTS, fetch, into=store, save_every=10, concurrency=2, progress=False
        )

    with pytest.raises(KeyboardInterrupt):
        run()
    kept = set(store.current().snapshots["account_id"])
    assert 20 <= len(kept) < 30
    before = len(asked)
    rest = run()
    assert set(rest.snapshots["account_id"]) == set(ACCOUNTS) - kept
    assert set(asked[before:]) == set(ACCOUNTS) - kept
    assert sorted(store.current().snapshots["account_id"]) == sorted(ACCOUNTS)


def test_the_bar_is_drawn_on_stderr_and_can_be_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fetch_many(ACCOUNTS[:3], read, progress=False)
    assert capsys.readouterr() == ("", "")
    fetch_many(ACCOUNTS[:3], read)
    out, err = capsys.readouterr()
    assert out == ""
    assert "3/3" in err


def test_a_running_event_loop_is_no_obstacle() -> None:
    async def cell() -> int:
        return fetch_many(ACCOUNTS, read, progress=False).snapshots.height

    assert asyncio.run(cell()) == 30


class CountedAsync:
    """Fetches, awaited; some accounts fail, and one may stop everything."""

    def __init__(self, wrong: str | None = None) -> None:
        self.asked: list[str] = []
        self.now = self.most = 0
        self.stop_at_20: asyncio.Task[Loaded] | None = None
        self._wrong = wrong

    async def __call__(self, account: str) -> Loaded:
        self.asked.append(account)
        if self.stop_at_20 is not None and len(self.asked) == 20:
            self.stop_at_20.cancel()
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.001 if account != "A0" else 0.02)
        finally:
            self.now -= 1
        if account == self._wrong:
            raise ConfigError("no such option")
        if account == "A7":
            raise AuthError("arrow", 401, "UNAUTHORIZED", "log in again")
        return read(account)


def test_in_an_event_loop_it_does_the_same(tmp_path: Path) -> None:
    fetch, store = CountedAsync(), hk.Store(tmp_path / "store")
    some = fetch_many(ACCOUNTS[:3], read, progress=False)
    again = [*ACCOUNTS, *ACCOUNTS]

    async def run(**more: Any) -> Loaded:
        return await fetch_many_async(again, fetch, progress=False, **more)

    loaded = asyncio.run(run(have=some, into=store, concurrency=4, save_every=10))
    wanted = [one for one in ACCOUNTS[3:] if one != "A7"]
    assert loaded.snapshots["account_id"].to_list() == wanted
    reasons = loaded.rejects.select("file", "reason").rows()
    assert reasons == [("A7", "AuthError: arrow: 401 UNAUTHORIZED: log in again")]
    assert (len(fetch.asked), fetch.most, fetch.now) == (27, 4, 0)
    assert set(store.current().snapshots["account_id"]) == set(wanted)
    rest = asyncio.run(run(into=store, concurrency=50))
    assert rest.snapshots["account_id"].to_list() == ACCOUNTS[:3], "the slowest first"
    assert rest.rejects["file"].to_list() == ["A7"]
    for bounds in ({"concurrency": 0}, {"save_every": 0}):
        with pytest.raises(ConfigError):
            asyncio.run(run(**bounds))


def test_in_an_event_loop_too_what_had_come_is_stored(tmp_path: Path) -> None:
    wrong, cancelled = CountedAsync("A25"), CountedAsync()
    stores = [hk.Store(tmp_path / name) for name in ("wrong", "cancelled")]

    async def run(fetch: CountedAsync, store: hk.Store) -> Loaded:
        return await fetch_many_async(
            ACCOUNTS, fetch, into=store, concurrency=2, progress=False
        )

    async def run_and_cancel() -> None:
        task = asyncio.create_task(run(cancelled, stores[1]))
        cancelled.stop_at_20 = task
        await task

    with pytest.raises(ConfigError, match="no such option"):
        asyncio.run(run(wrong, stores[0]))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run_and_cancel())
    for fetch, store, least in ((wrong, stores[0], 22), (cancelled, stores[1], 16)):
        assert fetch.now == 0
        assert least <= store.current().snapshots.height < len(fetch.asked) < 30


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"save_every": 0}])
def test_bounds_below_one_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        fetch_many([], read, **wrong)


# --- against the sandbox


@pytest.fixture
def crowded() -> Iterator[Sandbox]:
    with serve(seed=3, crowd=120) as running:
        yield running


def test_a_crowd_is_fetched_under_a_pace_through_faults(crowded: Sandbox) -> None:
    crowded.set_faults("gateway.holdings: 429 retry-after 0s*3, 500*3, 403, cut*2")
    client = GatewayClient(
        gateway=crowded.gateway,
        api_secret=crowded.api_secret,
        shared_secret=crowded.shared_secret,
        base_url=crowded.base_url,
        clock=crowded.now,
        options=Options(pace=Pace(per_second=50)),
    )
    everyone = [one.auth_id for key, one in crowded.personas.items() if "crowd" in key]
    assert len(everyone) == 120
    began = time.monotonic()
    with client:
        loaded = fetch_many(everyone, client.holdings, progress=False)
        # 120 accounts and 8 retries at 50 a second
        assert time.monotonic() - began > 1.5
        assert loaded.rejects.height == 1  # the 403
        failed = loaded.rejects["file"].to_list()
        again = fetch_many(everyone, client.holdings, have=loaded, progress=False)
    assert again.snapshots["account_id"].to_list() == failed
    assert loaded.snapshots.height + again.snapshots.height == 120


def test_replies_are_read_together_as_one_by_one() -> None:
    bodies = {
        "A1": b'{"status": "success", "data": [{"qty": "3", "symbols": []}]}',
        "A2": b'{"status": "error", "message": "no", "errorCode": "X"}',
        "A3": b"{",
        "A4": BODY,
    }

    def fetch(account: str) -> Reply:
        if account == "A5":
            raise AuthError("arrow", 401, None, "log in again")
        return Reply(bodies[account], account, NOW, account)

    loaded = fetch_many([*bodies, "A5"], fetch, progress=False)
    assert loaded.snapshots["account_id"].to_list() == ["A1", "A4"]
    assert loaded.rejects["file"].to_list() == ["A2", "A3", "A5"]
    assert loaded.rejects["raw"].to_list() == [bodies["A2"], b"{", None]
    alone = hk.read_arrow(bodies["A1"], account_id="A1", snapshot_at=NOW)
    assert_frame_equal(loaded.holdings, alone.holdings)


def test_replies_reach_the_store_in_portions(tmp_path: Path) -> None:
    store = hk.Store(tmp_path)
    loaded = fetch_many(
        ACCOUNTS,
        lambda account: Reply(BODY, account, NOW, account),
        into=store,
        save_every=7,
        progress=False,
    )
    assert loaded.snapshots["account_id"].to_list() == ACCOUNTS
    assert set(store.history().snapshots["account_id"]) == set(ACCOUNTS)
