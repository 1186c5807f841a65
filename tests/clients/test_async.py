"""The clients of an event loop do what the others do, and never hold the loop up."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

import holdings_kit as hk
from holdings_kit import sandbox
from holdings_kit.clients import Inbox, Options, Pace
from holdings_kit.errors import AuthError, ConfigError, SourceUnavailable
from holdings_kit.sandbox import arrow_client, gateway_client
from holdings_kit.wire import matching_secret, webhook_checksum, webhook_checksum_ok

NOW = datetime(2026, 1, 5, 4, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def running() -> Iterator[sandbox.Sandbox]:
    with sandbox.serve(clock=NOW) as sb:
        with gateway_client(sb) as client:
            for key in ("asha", "bela"):
                sb.play(client.create_import().transaction_id, persona=key)
            sb.advance(seconds=10)
        yield sb


@pytest.fixture
def sb(running: sandbox.Sandbox) -> sandbox.Sandbox:
    running.set_faults("")
    return running


def gateway(sb: sandbox.Sandbox, **options: Any) -> hk.AsyncGatewayClient:
    return hk.AsyncGatewayClient(
        gateway=sb.gateway,
        api_secret=sb.api_secret,
        shared_secret=sb.shared_secret,
        base_url=sb.url,
        clock=sb.now,
        options=Options(**options),
    )


@asynccontextmanager
async def ticking() -> AsyncIterator[list[float]]:
    """Note the time again and again; a loop that is held up leaves a gap."""
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.02)

    task = asyncio.create_task(tick())
    yield ticks
    task.cancel()


def test_a_source_that_takes_two_seconds_does_not_stop_the_event_loop(
    sb: sandbox.Sandbox,
) -> None:
    who = sb.personas["asha"].auth_id

    async def fetch_beside() -> tuple[float, float, int]:
        async with gateway(sb) as client, ticking() as ticks:
            await client.holdings(sb.personas["bela"].auth_id)  # what loads late
            ticks.clear()
            sb.set_faults("holdings: slow 2s, 500, 429")
            began = time.monotonic()
            slow, quick = await asyncio.gather(
                client.holdings(who), client.holdings(who)
            )
            took = time.monotonic() - began
        gaps = [b - a for a, b in pairwise(ticks)]
        return took, max(gaps), slow.holdings.height + quick.holdings.height

    took, gap, rows = asyncio.run(fetch_beside())
    assert took > 1.9
    assert gap < 1
    assert rows == 20


def test_each_call_gives_what_the_other_client_gives(sb: sandbox.Sandbox) -> None:
    who = sb.personas["asha"].auth_id
    ask = {"exchange": "NSE", "token": "3045", "interval": "day"}
    span: dict[str, Any] = {"start": NOW - timedelta(days=7), "end": NOW}

    async def ask_all() -> list[Any]:
        async with gateway(sb) as client:
            found: list[Any] = [
                await client.holdings(who),
                (await client.refresh(who, broker="kite")).reason,
            ]
        async with await hk.AsyncArrowClient.login(
            app_id=sb.app_id,
            app_secret=sb.app_secret,
            request_token=sb.request_token("asha"),
            base_url=sb.url,
            clock=sb.now,
        ) as client:
            loaded = await client.holdings()
            quotes = await client.quotes(loaded)
            master = await client.instruments("nse")
            candles = await client.candles(**ask, **span)
            limits = await client.limits()
            body = (await client.holdings_reply()).body
            return [*found, loaded, quotes, master, candles, limits, body, repr(client)]

    with gateway_client(sb) as first, arrow_client(sb, "asha") as second:
        loaded = second.holdings()
        expected: list[Any] = [
            first.holdings(who),
            first.refresh(who, broker="kite").reason,
            loaded,
            second.quotes(loaded),
            second.instruments("nse"),
            second.candles(**ask, **span),
            second.limits(),
            second.holdings_reply().body,
            "Async" + repr(second),
        ]
    for ours, theirs in zip(asyncio.run(ask_all()), expected, strict=True):
        frames = list(zip(ours, theirs, strict=True)) if isinstance(ours, tuple) else []
        for one, other in frames or [(ours, theirs)]:
            assert one.equals(other) if hasattr(one, "equals") else one == other


def test_failures_are_retried_and_told_as_by_the_other_client(
    sb: sandbox.Sandbox,
) -> None:
    who = sb.personas["asha"].auth_id

    async def fetch() -> int:
        async with gateway(sb, timeout=6, pace=Pace(per_second=50)) as client:
            sb.set_faults("holdings: 500, truncate, cut, 429 retry-after 0")
            good = await client.holdings(who)
            for fault, kind in {"401": AuthError, "500*9": SourceUnavailable}.items():
                sb.set_faults(f"holdings: {fault}")
                with pytest.raises(kind):
                    await client.holdings(who)
            return good.holdings.height

    assert asyncio.run(fetch()) == 10


def test_a_reply_that_drips_ends_with_the_time_out(sb: sandbox.Sandbox) -> None:
    async def fetch() -> None:
        async with gateway(sb, timeout=0.4, attempts=1) as client:
            sb.set_faults("holdings: slow 3s")
            with pytest.raises(SourceUnavailable):
                await client.holdings(sb.personas["asha"].auth_id)

    began = time.monotonic()
    asyncio.run(fetch())
    assert time.monotonic() - began < 2


def test_a_cancelled_task_ends_and_the_client_goes_on(sb: sandbox.Sandbox) -> None:
    who = sb.personas["asha"].auth_id

    async def fetch() -> int:
        async with gateway(sb) as client:
            sb.set_faults("holdings: slow 3s")
            task = asyncio.create_task(client.holdings(who))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return (await client.holdings(who)).holdings.height

    assert asyncio.run(fetch()) == 10


def test_a_reply_beyond_the_bound_is_refused(sb: sandbox.Sandbox) -> None:
    async def fetch() -> None:
        async with gateway(sb, max_bytes=100) as client:
            with pytest.raises(hk.HoldingsError, match="larger than max_bytes"):
                await client.holdings(sb.personas["asha"].auth_id)

    asyncio.run(fetch())


def test_a_closed_client_says_so(sb: sandbox.Sandbox) -> None:
    async def use() -> None:
        client = gateway(sb)
        await client.close()
        await client.close()
        with pytest.raises(ConfigError, match="closed; make another"):
            await client.create_import()

    asyncio.run(use())
    clients: list[tuple[Any, Callable[[Any], object]]] = [
        (gateway_client(sb), lambda client: client.create_import()),
        (arrow_client(sb, "asha"), lambda client: client.holdings()),
    ]
    for client, call in clients:
        client.close()
        with pytest.raises(ConfigError, match="closed; make another"):
            call(client)


def test_a_refresh_hands_its_notes_to_the_new_import(sb: sandbox.Sandbox) -> None:
    who = sb.personas["bela"].auth_id

    def read_notes(transaction_id: str) -> object:
        sb.play(transaction_id, persona="bela")
        sb.advance(seconds=10)
        return sb.deliveries()[-1]["body"]["notes"]  # type: ignore[index]

    async def refresh() -> Any:
        async with gateway(sb) as client:
            return await client.refresh(who, broker="groww", notes="asked on Monday")

    found = asyncio.run(refresh())
    assert read_notes(found.transaction.transaction_id) == "asked on Monday"
    with gateway_client(sb) as client:
        again = client.refresh(who, broker="groww", notes="asked again")
        assert again.transaction is not None
        assert read_notes(again.transaction.transaction_id) == "asked again"
        with pytest.raises(ConfigError, match="257 characters"):
            client.refresh(who, broker="groww", notes="n" * 257)


def records(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    return [record.__dict__ for record in caplog.records if record.name == name]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_each_attempt_is_logged_without_a_secret(
    sb: sandbox.Sandbox, caplog: pytest.LogCaptureFixture, asynchronous: bool
) -> None:
    who = sb.personas["asha"].auth_id
    sb.set_faults("holdings: 500")

    async def fetch() -> None:
        async with gateway(sb) as client:
            await client.holdings(who)

    with caplog.at_level(logging.DEBUG):
        if asynchronous:
            asyncio.run(fetch())
        else:
            with gateway_client(sb) as client:
                client.holdings(who)
    failed, good = records(caplog, "holdings_kit.calls")
    for record, status, level in ((failed, 500, "WARNING"), (good, 200, "INFO")):
        assert record["source"] == "gateway"
        assert record["call"] == f"GET /v1/{sb.gateway}/engine/user/holdings"
        assert record["status"] == status
        assert 0 < record["duration"] < 5
        assert record["levelname"] == level
    shown = "".join(str(each) for each in (failed, good))
    assert not any(part in shown for part in (sb.api_secret, sb.shared_secret, who))


def test_a_call_without_an_answer_is_logged_with_no_status(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody is there")

    options = Options(transport=httpx.MockTransport(refuse), attempts=1)
    client = hk.ArrowClient(app_id="a", token="t", account_id="A", options=options)
    with client, caplog.at_level("INFO"), pytest.raises(SourceUnavailable):
        client.holdings()
    (record,) = records(caplog, "holdings_kit.calls")
    assert record["status"] is None
    assert record["error"] == "SourceUnavailable"


WHO, STAMP = "64b7f0c2a1d3e4f5a6b7c8d9", "2026-01-05T10:15:30.123Z"
SECRETS = ["this month's secret", "last month's secret"]


@pytest.mark.parametrize(
    ("signed_with", "index"), [(SECRETS[0], 0), (SECRETS[1], 1), ("a stranger's", None)]
)
def test_during_a_rotation_either_secret_fits_and_the_log_says_which(
    tmp_path: Any,
    caplog: pytest.LogCaptureFixture,
    signed_with: str,
    index: int | None,
) -> None:
    checksum = webhook_checksum(signed_with, timestamp=STAMP, subject=WHO)
    payload = {"smallcaseAuthId": WHO, "timestamp": STAMP, "checksum": checksum}
    assert matching_secret(payload, SECRETS) == index
    assert webhook_checksum_ok(payload, SECRETS) is (index is not None)
    body = (
        f'{{"securities": [], "smallcaseAuthId": "{WHO}", "timestamp": "{STAMP}", '
        f'"snapshotDate": "{STAMP}", "checksum": "{checksum}"}}'
    ).encode()
    inbox = Inbox(tmp_path, api_secret=SECRETS)
    with caplog.at_level("INFO"):
        assert inbox.receive(body).status == (401 if index is None else 200)
    (record,) = records(caplog, "holdings_kit.deliveries")
    assert record["secret_index"] == index
    assert signed_with not in str(record)
    dump = tmp_path / "day.ndjson"
    dump.write_bytes(body)
    (status,) = hk.read_webhooks(dump, api_secret=SECRETS).snapshots["checksum_ok"]
    assert status is (index is not None)


def test_a_list_without_secrets_is_refused() -> None:
    with pytest.raises(ConfigError, match="no secret"):
        webhook_checksum_ok({}, [])


def test_a_delivery_is_handed_on_once_after_it_is_confirmed(
    sb: sandbox.Sandbox, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with gateway_client(sb) as client:
        sb.play(
            client.create_import(notes="for the inbox").transaction_id, persona="asha"
        )
        sb.advance(seconds=10)
        body = json.dumps(sb.deliveries()[-1]["body"]).encode()
        handed: list[hk.Loaded] = []
        for name, fetch in (("sure", client.holdings), ("quick", None)):
            inbox = Inbox(
                tmp_path / name,
                api_secret=sb.api_secret,
                fetch=fetch,
                on_accepted=handed.append,
            )
            handed.clear()
            assert [inbox.receive(body).reason for _ in range(2)] == ["stored", "known"]
            if fetch is not None:
                time.sleep(0.05)
                assert not handed  # not confirmed yet
                assert inbox.verify().confirmed == 1
            inbox._announcing.shutdown()  # waits for what is under way
            (delivery,) = handed
            assert delivery.snapshots["notes"].item() == "for the inbox"

    def fail(_: hk.Loaded) -> None:
        raise OSError("the database is down")

    inbox = Inbox(tmp_path / "down", api_secret=sb.api_secret, on_accepted=fail)
    with caplog.at_level("ERROR"):
        assert inbox.receive(body).status == 200
        inbox._announcing.shutdown()
    assert "the delivery stays in" in caplog.text
    assert hk.read_webhooks(inbox.accepted).snapshots.height == 1
