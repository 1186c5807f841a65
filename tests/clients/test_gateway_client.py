"""Imports, holdings, freshness and refresh, as an integrator's server sees them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import holdings_kit as hk
from holdings_kit.clients import GatewayClient
from holdings_kit.errors import (
    AuthError,
    ConfigError,
    PermissionDenied,
    SignatureError,
    SourceError,
    WireError,
)
from holdings_kit.wire import mint_token, parse_import_result, verify_token

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from conftest import Script

    from holdings_kit.sandbox import Sandbox
    from holdings_kit.schema import Loaded

    Make = Callable[..., Script]

NOW = datetime(2026, 1, 5, 4, 45, tzinfo=UTC)  # Monday, an hour after the opening
AUTH_ID = "64b7f0c2a1d3e4f5a6b7c8d9"
DATA = {
    "securities": [],
    "smallcases": {"public": [], "private": []},
    "snapshotDate": "2026-01-05T04:40:00.000Z",
    "smallcaseAuthId": AUTH_ID,
    "broker": "kite",
}


def ok(data: Any) -> httpx.Response:
    return httpx.Response(200, json={"success": True, "errors": None, "data": data})


def test_an_import_is_created_as_documented(script: Make) -> None:
    answer = {"transactionId": "TRX_1", "expireAt": "2026-01-05T04:50:00.123Z"}
    source = script(ok(answer))
    started = source.gateway().create_import(
        auth_id=AUTH_ID, mutual_funds=True, notes="n" * 256
    )
    request = source.requests[0]
    assert request.url.path == "/gateway/demo/transaction"
    assert request.headers["x-gateway-secret"] == "api-secret"
    token = request.headers["x-gateway-authtoken"]
    claims = verify_token(token, "shared-secret", now=NOW)
    assert (claims.auth_id, claims.undocumented) == (AUTH_ID, ())
    assert json.loads(request.content) == {
        "intent": "HOLDINGS_IMPORT",
        "version": "v2",
        "assetConfig": {"mfHoldings": True},
        "notes": "n" * 256,
    }
    assert started.transaction_id == "TRX_1"
    assert started.expires_at == datetime(2026, 1, 5, 4, 50, 0, 123000, tzinfo=UTC)


def test_v1_is_asked_for_by_saying_nothing_and_a_guest_by_a_guest_token(
    script: Make,
) -> None:
    source = script(ok({"transactionId": "TRX_1"}))
    assert source.gateway().create_import(version="v1").expires_at is None
    assert json.loads(source.requests[0].content) == {"intent": "HOLDINGS_IMPORT"}
    token = source.requests[0].headers["x-gateway-authtoken"]
    assert verify_token(token, "shared-secret", now=NOW).auth_id is None


def test_a_call_that_cannot_be_meant_is_refused_before_the_network(
    script: Make,
) -> None:
    source = script(ok({}))
    client = source.gateway()
    wrong: list[Callable[[], object]] = [
        lambda: client.create_import(notes="n" * 257),
        lambda: client.create_import(version="v3"),  # type: ignore[arg-type]
        lambda: client.holdings(AUTH_ID, version=""),  # type: ignore[arg-type]
        lambda: client.holdings(AUTH_ID, max_age=timedelta(0)),
        lambda: client.holdings(AUTH_ID, store=_Kept(None)),
        lambda: client.holdings(""),
        lambda: GatewayClient(gateway="", api_secret="a", shared_secret="b"),
        lambda: GatewayClient(gateway="g", api_secret="a", shared_secret="a"),
        lambda: GatewayClient(gateway="g", api_secret="", shared_secret="a"),
    ]
    for call in wrong:
        with pytest.raises(ConfigError):
            call()
    assert source.requests == []


@pytest.mark.parametrize("data", [None, {}, [], {"transactionId": None}])
def test_a_creation_without_an_id_is_a_wire_error(script: Make, data: Any) -> None:
    with pytest.raises(WireError):
        script(ok(data)).gateway().create_import()


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_version_is_always_explicit(script: Make, version: Any) -> None:
    source = script(ok(DATA))
    source.gateway().holdings(AUTH_ID, version=version)
    source.gateway().holdings(AUTH_ID, version=version, mutual_funds=True)
    plain, funds = (dict(one.url.params) for one in source.requests)
    assert plain == {"version": version}
    assert funds == {"version": version, "mfHoldings": "true"}
    assert source.requests[0].url.path == "/v1/demo/engine/user/holdings"


def test_anothers_holdings_are_refused_and_silence_is_filled_in(script: Make) -> None:
    with pytest.raises(WireError, match="smallcaseAuthId"):
        script(ok(DATA)).gateway().holdings("0" * 24)
    silent = {key: value for key, value in DATA.items() if key != "smallcaseAuthId"}
    loaded = script(ok(silent)).gateway().holdings(AUTH_ID)
    assert loaded.snapshots["account_id"].to_list() == [AUTH_ID]


def test_a_refusal_that_says_200_is_an_error(script: Make) -> None:
    body = {"success": False, "errors": ["Invalid JWT"], "data": None}
    with pytest.raises(AuthError):
        script(httpx.Response(200, json=body)).gateway().holdings(AUTH_ID)


def test_a_token_from_the_browser_is_proven_before_it_is_believed(
    script: Make,
) -> None:
    client = script(ok({})).gateway()
    assert client.auth_id(mint_token("shared-secret", auth_id=AUTH_ID)) == AUTH_ID
    for forged in (
        mint_token("api-secret", auth_id=AUTH_ID),
        mint_token("shared-secret"),
        "x.y.z",
    ):
        with pytest.raises(SignatureError):
            client.auth_id(forged)


def test_a_token_for_the_browser_is_short_lived(script: Make) -> None:
    token = script(ok({})).gateway().token(AUTH_ID)
    claims = verify_token(token, "shared-secret", now=NOW)
    assert claims.expires_at == NOW + timedelta(minutes=10)
    assert "." not in repr(token)


# --- freshness


class _Kept:
    """A store that has one answer, or none."""

    def __init__(self, loaded: Loaded | None) -> None:
        self.loaded = loaded

    def current(self, *, account_ids: Collection[str] | None = None) -> Loaded:
        assert account_ids == [AUTH_ID]
        assert self.loaded is not None
        return self.loaded


def test_a_fresh_store_answers_and_says_so(script: Make) -> None:
    source = script(ok(DATA))
    client = source.gateway()
    kept = _Kept(client.holdings(AUTH_ID))
    answer = client.holdings(AUTH_ID, max_age=timedelta(minutes=5), store=kept)
    assert len(source.requests) == 1  # nothing was fetched
    (notice,) = [
        one
        for one in json.loads(answer.snapshots["notices"][0] or "[]")
        if one["kind"] == "answered_from_store"
    ]
    assert "2026-01-05T04:40:00" in notice["value"]
    assert "weekdays" in notice["value"]
    assert answer.holdings.equals(kept.loaded.holdings)  # type: ignore[union-attr]


def test_a_stale_or_empty_store_is_passed_over(script: Make) -> None:
    source = script(ok(DATA))
    client = source.gateway()
    loaded = client.holdings(AUTH_ID)
    nothing = hk.Loaded(*(frame.clear() for frame in loaded))
    for kept, age in ((loaded, timedelta(minutes=4)), (nothing, timedelta(days=9))):
        client.holdings(AUTH_ID, max_age=age, store=_Kept(kept))
    assert len(source.requests) == 3


def test_a_long_lived_session_is_fetched_and_a_lapsed_one_imported(
    script: Make,
) -> None:
    old = DATA | {"snapshotDate": "2026-01-02T04:40:00.000Z"}
    fresh = script(ok(DATA)).gateway(clock=lambda: NOW - timedelta(minutes=5))
    done = fresh.refresh(AUTH_ID, broker="kite")
    assert done.loaded is not None
    assert (done.transaction, done.reason[:5]) == (None, "fresh")
    source = script(ok(old), ok({"transactionId": "TRX_1"}))
    done = source.gateway().refresh(AUTH_ID, broker="kite-leprechaun")
    assert done.loaded is not None
    assert done.transaction is not None
    assert "log in again" in done.reason


@pytest.mark.parametrize("broker", ["upstox", "groww-leprechaun"])
def test_a_broker_that_needs_a_login_gets_an_import_without_a_fetch(
    script: Make, broker: str
) -> None:
    source = script(ok({"transactionId": "TRX_1"}))
    done = source.gateway().refresh(AUTH_ID, broker=broker)
    assert done.loaded is None
    assert done.transaction is not None
    assert [one.method for one in source.requests] == ["POST"]


@pytest.mark.parametrize("broker", [None, "brand-new"])
def test_an_unknown_broker_is_fetched_to_see(script: Make, broker: str | None) -> None:
    source = script(ok(DATA))
    done = source.gateway().refresh(
        AUTH_ID, broker=broker, max_age=timedelta(minutes=5)
    )
    assert done.transaction is None
    assert [one.method for one in source.requests] == ["GET"]


# --- against the sandbox


def test_a_real_store_answers_until_the_exchange_has_been_open_too_long(
    sb: Sandbox, tmp_path: Path
) -> None:
    store, persona = hk.Store(tmp_path / "store"), _persona(sb, "kite")
    with _connected(sb) as client:
        sb.play(client.create_import().transaction_id, persona=persona.key)

        def ask() -> tuple[bool, Loaded]:
            facts = {"store": store, "max_age": timedelta(hours=1)}
            loaded = client.holdings(persona.auth_id, **facts)
            noted = "answered_from_store" in (loaded.snapshots["notices"][0] or "")
            return noted, loaded

        noted, loaded = ask()
        assert not noted
        store.append(loaded)
        noted, again = ask()
        assert noted
        assert again.holdings.height == loaded.holdings.height
        store.append(again)  # a note makes no new snapshot
        assert store.history().snapshots["snapshot_id"].n_unique() == 1
        sb.advance(minutes=59)
        assert ask()[0]
        sb.advance(minutes=2)
        assert not ask()[0]


@pytest.fixture
def client(sb: Sandbox) -> Iterator[GatewayClient]:
    with _connected(sb) as made:
        yield made


def _connected(sb: Sandbox, **changes: Any) -> GatewayClient:
    names = ("gateway", "api_secret", "shared_secret", "base_url")
    facts: dict[str, Any] = {name: getattr(sb, name) for name in names}
    facts |= {"clock": sb.now, **changes}
    return GatewayClient(**facts)


def _persona(sb: Sandbox, broker: str) -> Any:
    return next(one for one in sb.personas.values() if one.broker.startswith(broker))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_whole_flow_of_the_guide(
    sb: Sandbox, client: GatewayClient, version: Any
) -> None:
    started = client.create_import(version=version, notes="user 42")
    assert client.transaction(started.transaction_id).status == "INITIALIZED"
    persona = _persona(sb, "kite")
    sb.play(started.transaction_id, persona=persona.key)
    done = client.transaction(started.transaction_id)
    assert (done.status, done.failure) == ("COMPLETED", None)
    assert done.auth_token is not None
    result = parse_import_result(
        {"data": json.dumps({"smallcaseAuthToken": done.auth_token.reveal()})}
    )
    auth_id = client.auth_id(result.auth_token)
    assert auth_id == persona.auth_id
    loaded = client.holdings(auth_id, version=version, mutual_funds=True)
    assert loaded.rejects.is_empty()
    snapshot = loaded.snapshots.row(0, named=True)
    assert snapshot["format"] == f"gateway-{version}"
    assert snapshot["account_id"] == auth_id
    assert snapshot["status"] != "quarantined"
    assert loaded.holdings.height > 0


def test_a_transaction_that_failed_says_why(sb: Sandbox, client: GatewayClient) -> None:
    started = client.create_import()
    for step in ("choose", "login"):
        persona = _persona(sb, "kite")
        sb.play(started.transaction_id, step, persona=persona.key, broker="kite")
    sb.play(started.transaction_id, "deny")
    failure = client.transaction(started.transaction_id).failure
    assert failure is not None
    assert (failure.message, failure.retryable) == ("consent_denied", False)


def test_both_nestings_of_the_details_read_alike() -> None:
    from holdings_kit import sandbox

    seen = []
    for nested in (True, False):
        running = sandbox.serve(seed=7, nested_details=nested)
        with running as sb, _connected(sb) as client:
            started = client.create_import()
            sb.play(started.transaction_id, persona=_persona(sb, "kite").key)
            found = client.transaction(started.transaction_id)
            assert found.auth_token is not None
            token = found.auth_token.reveal()
            seen.append((*found._replace(auth_token=None), token))
    assert seen[0] == seen[1]


def test_holdings_without_an_import_are_denied(
    sb: Sandbox, client: GatewayClient
) -> None:
    with pytest.raises(PermissionDenied):
        client.holdings(_persona(sb, "kite").auth_id)


@pytest.mark.parametrize("wrong", ["api_secret", "shared_secret", "gateway"])
def test_a_wrong_secret_or_name_is_refused(sb: Sandbox, wrong: str) -> None:
    kind = SourceError if wrong == "gateway" else AuthError
    client = _connected(sb, **{wrong: "wrong"})
    with client, pytest.raises(kind) as caught:
        client.create_import()
    assert type(caught.value) is kind


def test_swapped_secrets_are_refused_by_the_source(sb: Sandbox) -> None:
    client = _connected(sb, api_secret=sb.shared_secret, shared_secret=sb.api_secret)
    with client, pytest.raises(AuthError):
        client.create_import()


def test_zerodhas_session_refreshes_by_fetch_until_it_lapses(
    sb: Sandbox, client: GatewayClient
) -> None:
    persona = _persona(sb, "kite")
    started = client.create_import()
    sb.play(started.transaction_id, persona=persona.key)
    assert client.refresh(persona.auth_id, broker="kite").transaction is None
    for _ in range(60):
        sb.advance(days=1)
        done = client.refresh(persona.auth_id, broker="kite")
        if done.transaction is not None:
            break
    else:
        pytest.fail("the session never lapsed")
    sb.play(done.transaction.transaction_id, persona=persona.key)
    assert client.refresh(persona.auth_id, broker="kite").transaction is None


def test_a_session_broker_keeps_its_old_snapshot_until_the_next_import(
    sb: Sandbox, client: GatewayClient
) -> None:
    persona = next(one for one in sb.personas.values() if one.broker == "upstox")
    sb.play(client.create_import().transaction_id, persona=persona.key)
    first = client.holdings(persona.auth_id).snapshots["snapshot_at"][0]
    sb.advance(days=1)
    assert client.holdings(persona.auth_id).snapshots["snapshot_at"][0] == first
    done = client.refresh(persona.auth_id)
    assert done.transaction is not None
    sb.play(done.transaction.transaction_id, persona=persona.key)
    assert client.refresh(persona.auth_id).transaction is None
