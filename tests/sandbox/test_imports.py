"""A transaction's life, the user's steps, and the clock that ends both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdings_kit import sandbox
from holdings_kit.errors import ConfigError
from holdings_kit.sandbox import Clock
from holdings_kit.sandbox._clock import IST, market_open, read_duration, trading_date

MONDAY = datetime(2026, 1, 5, 10, 15, tzinfo=IST)


def step(caller: Any, name: str, transaction_id: str, **more: str) -> Any:
    body = {"transactionId": transaction_id, **more}
    return caller.http.post(f"/_sandbox/{name}", json=body).json()


def test_the_states_follow_the_user(caller: Any) -> None:
    opened = caller.open()
    states = [caller.details(opened)["status"]]
    for name, more in (
        ("choose", {"broker": "kite"}),
        ("login", {"persona": "asha"}),
        ("consent", {}),
    ):
        step(caller, name, opened, **more)
        states.append(caller.details(opened)["status"])
    assert states == ["INITIALIZED", "INITIALIZED", "USED", "COMPLETED"]


def test_one_call_plays_the_whole_import(caller: Any) -> None:
    done = step(caller, "import", caller.open(), persona="bela")
    assert (done["status"], done["success"]["broker"]) == ("COMPLETED", "groww")


@pytest.mark.parametrize(
    ("steps", "status", "error"),
    [
        (["deny"], "ERRORED", ("consent_denied", 1003)),
        (["cancel"], "CANCELLED", ("user_cancelled", 1012)),
        (["drop"], "USED", None),
    ],
)
def test_the_user_may_refuse_leave_or_vanish(
    caller: Any, steps: list[str], status: str, error: tuple[str, int] | None
) -> None:
    opened = caller.open()
    step(caller, "choose", opened, broker="kite")
    step(caller, "login", opened, persona="asha")
    for name in steps:
        step(caller, name, opened)
    said = caller.details(opened)
    assert said["status"] == status
    assert (
        said["error"] and (said["error"]["message"], said["error"]["code"])
    ) == error
    assert caller.sb.deliveries() == []


def test_leaving_has_a_code_for_each_place(caller: Any) -> None:
    at_chooser, before_login = caller.open(), caller.open()
    step(caller, "cancel", at_chooser)
    step(caller, "choose", before_login, broker="kite")
    step(caller, "cancel", before_login)
    codes = [caller.details(one)["error"]["code"] for one in (at_chooser, before_login)]
    assert codes == [1010, 1011]


def test_a_broker_that_is_not_listed_ends_the_import(caller: Any) -> None:
    opened = caller.open()
    step(caller, "choose", opened, broker="robinhood")
    assert caller.details(opened)["error"]["message"] == "no_broker"


def test_a_connected_user_must_log_in_with_the_same_account(caller: Any) -> None:
    token = caller.sb.token_for("asha")
    opened = caller.open(token)
    done = step(caller, "import", opened, persona="bela")
    assert (done["status"], done["error"]["code"]) == ("ERRORED", 1001)
    again = step(caller, "import", caller.open(token), persona="asha")
    assert again["status"] == "COMPLETED"


def test_a_transaction_is_used_once(caller: Any) -> None:
    done = caller.imported("asha")
    reply = caller.http.post(
        "/_sandbox/choose", json={"transactionId": done, "broker": "kite"}
    )
    said = reply.json()
    assert (reply.status_code, said["message"], said["code"]) == (
        409,
        "transaction_expired",
        3001,
    )


@pytest.mark.parametrize("used", [False, True])
def test_a_transaction_expires_after_five_minutes(caller: Any, used: bool) -> None:
    opened = caller.open()
    if used:
        step(caller, "choose", opened, broker="kite")
        step(caller, "login", opened, persona="asha")
    caller.sb.advance(minutes=4, seconds=59.9)
    assert caller.details(opened)["status"] == ("USED" if used else "INITIALIZED")
    caller.sb.advance(seconds=0.1)
    said = caller.details(opened)
    assert (said["status"], said["error"]["code"]) == ("EXPIRED", 1005)


def test_a_processing_import_completes_when_its_time_has_come(caller: Any) -> None:
    caller.sb.set_faults("import: processing 10m")
    opened = caller.imported("asha")
    assert caller.details(opened)["status"] == "PROCESSING"
    assert caller.sb.deliveries() == []
    caller.sb.advance(minutes=10)  # longer than the five minutes a user has
    assert caller.details(opened)["status"] == "COMPLETED"
    assert len(caller.sb.deliveries()) == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("internal_error", ("internal_error", 2000)),
        ("no_broker", ("no_broker", 1006)),
        (
            "intent_not_enabled_for_broker",
            ("intent_not_enabled_for_broker", 3000),
        ),
    ],
)
def test_planned_failures_of_an_import(
    caller: Any, fault: str, error: tuple[str, int]
) -> None:
    caller.sb.set_faults(f"import: {fault}")
    failed = caller.details(caller.imported("asha"))
    assert (failed["status"], failed["success"]) == ("ERRORED", None)
    assert (failed["error"]["message"], failed["error"]["code"]) == error
    assert caller.details(caller.imported("asha"))["status"] == "COMPLETED"


def test_an_empty_import_is_not_told_from_a_sale_of_everything(caller: Any) -> None:
    caller.sb.set_faults("import: empty")
    caller.imported("bela")
    data = caller.holdings(caller.sb.token_for("bela")).json()["data"]
    assert data["securities"] == []
    caller.imported("esha")
    sold = caller.holdings(caller.sb.token_for("esha")).json()["data"]
    assert sold["securities"] == []
    caller.imported("bela")
    full = caller.holdings(caller.sb.token_for("bela")).json()["data"]
    assert len(full["securities"]) == 5


def snapshot(caller: Any, persona: str) -> str:
    reply = caller.holdings(caller.sb.token_for(persona))
    return reply.json()["data"]["snapshotDate"]


def test_only_a_long_lived_session_refreshes_by_a_fetch(caller: Any) -> None:
    caller.imported("asha")  # kite
    caller.imported("bela")  # groww
    caller.sb.advance(days=29)
    assert snapshot(caller, "asha") == "2026-02-03T04:45:00.000Z"
    assert snapshot(caller, "bela") == "2026-01-05T04:45:00.000Z"
    caller.sb.advance(days=2)  # the session has lapsed
    assert snapshot(caller, "asha") == "2026-02-03T04:45:00.000Z"
    caller.imported("asha")
    assert snapshot(caller, "asha") == "2026-02-05T04:45:00.000Z"


@pytest.mark.parametrize("wanted", [True, "true"])
def test_mutual_funds_come_when_asked_for_either_way(
    caller: Any, wanted: object
) -> None:
    caller.imported("bela", assetConfig={"mfHoldings": wanted})
    caller.imported("bela")
    bodies = [one["body"] for one in caller.sb.deliveries()]
    assert ["mutualFunds" in body for body in bodies] == [True, False]


def test_flat_details_are_the_other_documented_nesting() -> None:
    with sandbox.serve(nested_details=False) as sb:
        import httpx

        from holdings_kit.wire import mint_token

        headers = {
            "x-gateway-secret": sb.api_secret,
            "x-gateway-authtoken": mint_token(sb.shared_secret),
        }
        made = httpx.post(
            f"{sb.url}/gateway/{sb.gateway}/transaction",
            json={"intent": "HOLDINGS_IMPORT"},
            headers=headers,
        ).json()["data"]["transactionId"]
        said = httpx.get(
            f"{sb.url}/v1/{sb.gateway}/engine/transactiondetails?transactionId={made}",
            headers=headers,
        ).json()["data"]
    assert said["status"] == "INITIALIZED"


def test_the_clock_stands_moves_and_runs() -> None:
    real = [0.0]
    clock = Clock(MONDAY, ticks=lambda: real[0])
    real[0] = 60.0
    assert clock.now() == MONDAY
    clock.speed = 10
    real[0] = 61.0
    assert clock.now() == MONDAY + timedelta(seconds=10)
    clock.advance(days=1)
    clock.speed = 0
    real[0] = 90.0
    assert clock.now() == MONDAY + timedelta(days=1, seconds=10)
    clock.set(MONDAY)
    assert clock.now() == MONDAY


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Clock(datetime(2026, 1, 5)),  # noqa: DTZ001
        lambda: Clock(MONDAY, speed=-1),
        lambda: Clock(MONDAY).advance(seconds=-1),
        lambda: read_duration("soon"),
        lambda: sandbox.serve(port=0, seed=0, webhook_url="http://example.com/"),
    ],
)
def test_a_wrong_setting_is_a_config_error(wrong: Any) -> None:
    with pytest.raises(ConfigError):
        wrong()


@pytest.mark.parametrize(
    ("local", "trading", "session"),
    [
        (datetime(2026, 1, 5, 9, 14, tzinfo=IST), False, "2026-01-02"),
        (datetime(2026, 1, 5, 9, 15, tzinfo=IST), True, "2026-01-05"),
        (datetime(2026, 1, 5, 15, 30, tzinfo=IST), False, "2026-01-05"),
        (datetime(2026, 1, 10, 12, 0, tzinfo=IST), False, "2026-01-09"),
        (datetime(2026, 1, 11, 23, 0, tzinfo=IST), False, "2026-01-09"),
    ],
)
def test_market_hours(local: datetime, trading: bool, session: str) -> None:
    assert market_open(local) is trading
    assert trading_date(local).isoformat() == session
    assert trading_date(local.astimezone(UTC)).isoformat() == session


def test_the_clock_is_turned_over_http(caller: Any) -> None:
    post = caller.http.post
    said = post("/_sandbox/clock", json={"advance": "2d"}).json()
    assert said == {"now": "2026-01-07T04:45:00.000Z", "speed": 0.0}
    said = post("/_sandbox/clock", json={"set": "2026-01-05T10:15:00+05:30"}).json()
    assert said["now"] == "2026-01-05T04:45:00.000Z"
    assert post("/_sandbox/clock", json={"advance": "later"}).status_code == 400
    assert post("/_sandbox/clock", json={"speed": "fast"}).status_code == 400
    assert caller.http.get("/_sandbox/clock").json() == said


def test_a_clock_at_speed_runs_by_itself(caller: Any) -> None:
    import time

    caller.sb.set_faults("import: processing 20s")
    opened = caller.imported("asha")
    caller.http.post("/_sandbox/clock", json={"speed": 100})
    until = time.monotonic() + 5
    while not caller.sb.deliveries() and time.monotonic() < until:
        time.sleep(0.02)
    assert caller.details(opened)["status"] == "COMPLETED"
    assert len(caller.sb.deliveries()) == 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("login", {"transactionId": "TRX_0", "persona": "asha"}, 409),
        ("import", {"transactionId": "TRX_0", "persona": "nobody"}, 400),
        ("consent", {}, 400),
        ("consent", [], 400),
    ],
)
def test_a_wrong_step_is_refused(
    caller: Any, path: str, body: object, status: int
) -> None:
    reply = caller.http.post(f"/_sandbox/{path}", json=body)
    assert reply.status_code == status
    assert reply.json()["error"]


def test_a_login_at_the_wrong_broker_changes_nothing(caller: Any) -> None:
    opened = caller.open()
    step(caller, "choose", opened, broker="groww")
    said = step(caller, "login", opened, persona="asha")
    assert "customer of kite, not of groww" in said["error"]
    assert caller.details(opened)["status"] == "INITIALIZED"


def test_one_person_may_have_two_brokers(caller: Any) -> None:
    known = caller.http.get("/_sandbox/personas").json()
    asha = [one for one in known if one["person"] == "asha"]
    assert {one["broker"] for one in asha} == {"kite", "dhan"}
    assert len({one["smallcaseAuthId"] for one in known}) == len(known)


@pytest.mark.parametrize(("persona", "updating"), [("bela", True), ("asha", False)])
def test_a_fetch_says_updating_while_a_newer_snapshot_is_on_its_way(
    caller: Any, persona: str, updating: bool
) -> None:
    caller.imported(persona)
    caller.sb.advance(minutes=10)
    caller.sb.set_faults("import: processing 10m")
    caller.imported(persona)

    def fetched() -> Any:
        data = caller.holdings(caller.sb.token_for(persona)).json()["data"]
        return data["updating"], data["snapshotDate"]

    before = fetched()
    assert before[0] == updating
    caller.sb.advance(minutes=10)
    after = fetched()
    assert after[0] is False
    assert after[1] > before[1]
