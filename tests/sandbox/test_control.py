"""What controls the sandbox and shows what happened in it."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import holdings_kit as hk
from holdings_kit import sandbox
from holdings_kit.errors import ConfigError
from holdings_kit.sandbox import arrow_client

if TYPE_CHECKING:
    from pathlib import Path

HOOK = "http://127.0.0.1:9/hook"


def test_the_index_lists_every_control_and_a_browser_gets_the_inspector(
    caller: Any,
) -> None:
    index = caller.http.get("/_sandbox/").json()
    assert len(index) > 20
    for call in index:
        method, path = call.split()
        if method == "GET":
            path = path.replace("{id}", "dlv_0001")
            status = caller.http.get(path).status_code
            assert status == (404 if "dlv" in path else 200), call
    page = caller.http.get("/_sandbox/", headers={"accept": "text/html"})
    assert "<h1" in page.text
    assert caller.http.get("/docs").text.count('<section class="call">') == 22


def test_a_reset_makes_everything_happen_again_byte_for_byte() -> None:
    def happen(sb: sandbox.Sandbox) -> list[Any]:
        begun = httpx.post(f"{sb.url}/_sandbox/try").json()
        sb.play(begun["transactionId"], persona="bela")
        sb.advance(days=1)
        sb.trigger("holdings-import", persona="asha", url=HOOK)
        calls = httpx.get(f"{sb.url}/user/holdings").status_code
        seen = [sb.transactions(), sb.deliveries(), sb.calls(), sb.request_token("ira")]
        return [*seen, calls, sb.now(), [one["path"] for one in sb.requests()]]

    with sandbox.serve(faults="webhook: late 1h", sender=lambda url, body: 200) as sb:
        sb.register_webhook(HOOK)
        first = happen(sb)
        reset = httpx.post(f"{sb.url}/_sandbox/reset", json={})
        assert reset.json() == {"now": "2026-01-05T04:45:00.000Z"}
        assert (sb.transactions(), sb.deliveries(), sb.requests()) == ([], [], [])
        assert happen(sb) == first


def test_a_request_is_logged_with_both_sides_and_a_checksum_is_explained(
    caller: Any,
) -> None:
    caller.create(notes="said <b>so</b>")
    (entry,) = caller.http.get("/_sandbox/requests").json()
    assert (entry["method"], entry["status"]) == ("POST", 200)
    assert entry["requestHeaders"]["x-gateway-secret"] == caller.sb.api_secret
    assert json.loads(entry["requestBody"])["notes"] == "said <b>so</b>"
    assert json.loads(entry["responseBody"])["success"] is True
    caller.sb.trigger("holdings-import", persona="bela", url=HOOK, forged=True)
    caller.sb.trigger("holdings-import", persona="bela", url=HOOK)
    forged, good = (
        caller.http.get(f"/_sandbox/webhooks/dlv_000{n}/checksum").json()
        for n in (1, 2)
    )
    assert (forged["fits"], good["fits"]) == (False, True)
    assert good["covers"] == "timestamp + smallcaseAuthId"
    body = caller.sb.deliveries()[1]["body"]
    assert good["message"] == body["timestamp"] + body["smallcaseAuthId"]


def test_what_was_triggered_can_be_fetched_again(caller: Any) -> None:
    (sent,) = caller.sb.trigger("holdings-import", persona="bela", url=HOOK)
    data = caller.holdings(caller.sb.token_for("bela")).json()["data"]
    same = ("securities", "snapshotDate", "mutualFunds", "smallcases")
    assert {name: data[name] for name in same} == {n: sent["body"][n] for n in same}
    done = caller.details(sent["transactionId"])
    assert (done["status"], done["success"]["broker"]) == ("COMPLETED", "groww")


PEOPLE = """
personas:
  - key: maya
    name: Maya Example
    broker: kite
    holdings:
      SBIN: 10
      IDEA: {quantity: 100, average: 7.55, t1: 4, pledged: 20}
    smallcases:
      - {name: Mine, visibility: private, shares: {SBIN: 3}}
"""


def test_people_of_a_file_log_in_and_hold_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "people.yaml"
    path.write_text(PEOPLE)
    with sandbox.serve(personas=path) as sb:
        sb.advance(days=40)
        with arrow_client(sb, "maya") as client:
            holdings = client.holdings().holdings
        (sent,) = sb.trigger("holdings-import", persona="maya", url=HOOK)
        (tmp_path / "dump.ndjson").write_text(json.dumps(sent["body"]))
        read = hk.read_webhooks(tmp_path / "dump.ndjson")
        page = httpx.get(f"{sb.url}/app/login", params={"appID": sb.app_id}).text
    rows = holdings.select(
        "symbol", "owned_quantity", "t1_quantity", "pledged_quantity", "average_price"
    ).rows()
    assert rows == [
        ("SBIN", 10, 0, 0, None),
        ("IDEA", 100, 4, 20, Decimal("7.55")),
    ]
    assert read.holdings["owned_quantity"].to_list() == [10, 100]
    assert read.baskets.filter(symbol="SBIN").height == 1
    assert "Maya Example" in page


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("personas: [", "neither YAML nor JSON"),
        ("[]", "not an object"),
        ("personas: []", "not a list of people"),
        ("personas: [{key: a}]", "/personas/0/broker: is missing"),
        ("personas: [{key: a, broker: zerodha}]", "'zerodha' is none of fivepaisa"),
        ("personas: [{key: asha, broker: kite}]", "'asha' is taken"),
        ("personas: [{key: a, broker: kite, holding: {}}]", "/holding: is not known"),
        (
            "personas: [{key: a, broker: kite, holdings: {TCS: 1}}]",
            "/holdings/TCS: is none of GROWW",
        ),
        (
            "personas: [{key: a, broker: kite, holdings: {SBIN: -1}}]",
            "-1 is not a whole number",
        ),
        (
            "personas: [{key: a, broker: iifl, holdings: {BSE: {quantity: 1, t1: 2}}}]",
            "/holdings/BSE/quantity: is less than t1",
        ),
        (
            "personas: [{key: a, broker: kite, life: boring}]",
            "/life: 'boring' is none of merger into a held line; merger",
        ),
        (
            "personas: [{key: a, broker: kite, life: buyback, holdings: {SBIN: 1}}]",
            "/holdings: is what the life decides",
        ),
    ],
)
def test_a_wrong_file_of_people_is_refused_by_place(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "people.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"people\.yaml") as caught:
        sandbox.serve(personas=path)
    assert reason in str(caught.value)


def test_the_first_answer_comes_within_a_second_of_the_start() -> None:
    waits: list[float] = []
    for _try in range(3):  # another process may have the machine just then
        begun = time.perf_counter()
        with sandbox.serve() as sb:
            httpx.get(f"{sb.url}/_sandbox/clock")
            waits.append(time.perf_counter() - begun)
    assert min(waits) < 1
