"""All kinds of event on one URL: from the sandbox through the inbox into frames."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import httpx
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

import holdings_kit as hk
from holdings_kit import cli, sandbox
from holdings_kit.clients import Inbox
from holdings_kit.read import read_fund_imports
from holdings_kit.sandbox._imports import StepRefusedError
from holdings_kit.schema import EVENTS
from holdings_kit.wire import (
    FUND_SUMMARY,
    FUND_TRANSACTIONS,
    decode_fund_imports,
    recognize_event,
)

if TYPE_CHECKING:
    from pathlib import Path

HOOK = "http://127.0.0.1:9/hook"
KINDS = ("holdings-import", "order", "pending-action", "mf-import")


@pytest.fixture(scope="module")
def bodies() -> dict[str, bytes]:
    """One signed webhook of each kind."""
    sent: list[bytes] = []
    with sandbox.serve(seed=7, sender=lambda url, body: sent.append(body) or 200) as sb:
        for kind in KINDS:
            sb.trigger(kind, persona="bela", url=HOOK)
        sent.append(sb.api_secret.encode())
    return dict(zip((*KINDS, "secret"), sent, strict=True))


def test_the_inbox_keeps_each_kind_apart_and_only_once(
    bodies: dict[str, bytes], tmp_path: Path
) -> None:
    secret = bodies["secret"].decode()
    inbox = Inbox(tmp_path / "inbox", api_secret=secret)
    receipts = {kind: inbox.receive(bodies[kind]) for kind in KINDS}
    assert [receipt.status for receipt in receipts.values()] == [200] * 4
    assert {
        kind: inbox.receive(bodies[kind]).reason for kind in KINDS
    } == dict.fromkeys(KINDS, "known")
    assert [path.name for path in sorted(inbox.events.iterdir())] == sorted(KINDS[1:])
    assert hk.read_webhooks(inbox.accepted).snapshots.height == 1
    events = hk.read_webhooks(inbox.events, api_secret=secret).events
    assert sorted(events["kind"]) == sorted(KINDS[1:])
    forged = bodies["order"].replace(b'"checksum":"', b'"checksum":"0')
    assert inbox.receive(forged).status == 401
    with_fetch = Inbox(
        tmp_path / "other", api_secret=secret, fetch=cast("Any", pytest.fail)
    )
    assert with_fetch.receive(bodies["order"]).reason == "stored"
    assert with_fetch.verify() == (0, 0, 0), "no fetch of holdings confirms an order"


def test_rejects_are_only_what_is_broken_and_the_others_are_counted(
    bodies: dict[str, bytes], tmp_path: Path
) -> None:
    broken = [b"{", bodies["order"][:-9], b'{"smallcaseAuthId": "a"}', b"[1]"]
    lines = [*(bodies[kind] for kind in KINDS), *broken, bodies["order"]]
    (tmp_path / "dump.ndjson").write_bytes(b"\n".join(lines))
    loaded = hk.read_webhooks(tmp_path, api_secret=bodies["secret"].decode())
    assert loaded.snapshots.height == 1
    assert loaded.rejects["line_no"].to_list() == [5, 6, 7, 8]
    assert loaded.events.schema == EVENTS
    counts = loaded.events.group_by("kind").len().sort("kind").rows()
    assert counts == [("mf-import", 1), ("order", 2), ("pending-action", 1)]
    assert loaded.events["checksum_ok"].all()
    assert loaded.events["line_no"].to_list() == [2, 3, 4, 9]
    assert str(loaded).endswith("rejects 4, events 4")
    assert loaded.events["raw"].to_list() == [lines[n - 1] for n in (2, 3, 4, 9)]


def test_every_way_into_a_store_counts_the_other_events_as_no_rejects(
    bodies: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, dump = bodies["secret"].decode(), tmp_path / "dump.ndjson"
    long = json.loads(bodies["mf-import"]) | {"remarks": "x" * (1 << 20)}
    forged = bodies["order"].replace(b'"checksum":"', b'"checksum":"0')
    lines = [
        *(bodies[kind] for kind in KINDS),
        b"{",
        json.dumps(long).encode(),
        b'{"orders": [], "securities": 1}',
        b"[" + forged + b"," + bodies["order"] + b"]",
    ]
    dump.write_bytes(b"\n".join(lines[:3]))
    scanned, appended = hk.Store(tmp_path / "scanned"), hk.Store(tmp_path / "appended")
    first = hk.scan_webhooks(dump, into=scanned, api_secret=secret, progress=False)
    assert (first.deliveries, first.rejects.height) == (1, 0)
    assert first.events["kind"].to_list() == ["order", "pending-action"]
    dump.write_bytes(b"\n".join(lines))
    loaded = hk.read_webhooks(dump, api_secret=secret)
    assert loaded.rejects["line_no"].to_list() == [5, 7]
    assert loaded.events["line_no"].to_list() == [2, 3, 4, 6, 8, 8]
    assert loaded.events["checksum_ok"].to_list() == [True] * 4 + [False, True]
    scan = hk.scan_webhooks(dump, into=scanned, api_secret=secret, progress=False)
    assert appended.append(loaded) == (1, 0, 2)
    assert appended.append(loaded) == (0, 1, 0)
    appended.append(hk.read_webhooks(dump))  # unverified, and the same events
    by = ["line_no", "raw"]
    for store in (scanned, appended):
        again = store.history()
        for events in (scan.events, store.events(), again.events):
            assert_frame_equal(events.sort(by), loaded.events.sort(by))
        for rejects in (scan.rejects, store.rejects(), again.rejects):
            assert_frame_equal(rejects, loaded.rejects)
        assert store.events(files=["other"]).is_empty()
        assert read_fund_imports(again).summary.height == 4
    monkeypatch.setenv("GATEWAY_API_SECRET", secret)
    dump.write_bytes(bodies["order"])
    words = ["load", str(dump), "--into", str(tmp_path / "loaded")]
    shown = CliRunner().invoke(cli.app, words, catch_exceptions=False)
    assert (shown.exit_code, shown.output.splitlines()) == (
        0,
        ["0 deliveries loaded, 0 loaded before, 0 set aside", "other events: order 1"],
    )
    owner = loaded.events.filter(kind="order")["account_id"][0]
    scanned.erase(owner, reason="asked for it")
    assert owner not in scanned.events()["account_id"]
    assert appended.rebucket(tmp_path / "two", buckets=2).events().height == 6


def test_a_fund_imports_summary_and_transactions_become_frames(
    bodies: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "dump.ndjson").write_bytes(bodies["mf-import"])
    found = read_fund_imports(hk.read_webhooks(tmp_path))
    assert (found.summary.schema, found.transactions.schema) == (
        FUND_SUMMARY,
        FUND_TRANSACTIONS,
    )
    first = found.summary.row(0, named=True)
    assert first["quantity"] * first["last_price"] == pytest.approx(
        first["market_value"], abs=Decimal("0.005")
    )
    assert first["price_date"] == date(2026, 1, 4)
    bought = found.transactions.group_by("isin").agg(pl.col("quantity").sum())
    held = found.summary.select("isin", "quantity")
    assert bought.sort("isin").equals(held.sort("isin"))
    assert found.transactions["extra"].null_count() == 2
    raw = json.loads(bodies["mf-import"], parse_float=Decimal)
    cost = sum(row["costValue"] for row in raw["summary"]["dtSummary"])
    assert found.summary["cost_value"].sum() == cost


def test_a_fund_import_of_another_shape_loses_nothing() -> None:
    partner = {
        "gateway": "g",
        "data": {
            "transactionId": "TRX_7",
            "payload": {"dtSummary": [{"isin": "INF1", "nav": "n/a", "asset": "EQ"}]},
        },
    }
    lines = [json.dumps(partner).encode(), b'{"summary": [1]}', b"{"]
    found = decode_fund_imports(lines)
    (row,) = found.summary.rows(named=True)
    assert (row["transaction_id"], row["isin"], row["last_price"]) == (
        "TRX_7",
        "INF1",
        None,
    )
    assert json.loads(row["extra"]) == {"asset": "EQ", "last_price": "n/a"}
    assert found.rejects["line_no"].to_list() == [2, 3]
    assert recognize_event(partner) == "mf-import"


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ({"batchId": "B", "securities": []}, None),
        ({"unplaced": []}, "order"),
        ({"event": "action_required"}, "pending-action"),
        ({"pendingActions": []}, "pending-action"),
        ({"summary": "text"}, None),
        ({"transactions": [], "summary": {}}, "mf-import"),
        ({"smallcaseAuthId": "a"}, None),
        ([], None),
    ],
)
def test_a_kind_is_told_by_the_members(payload: Any, kind: str | None) -> None:
    assert recognize_event(payload) == kind


def test_an_import_of_funds_has_no_broker_but_pan_and_otp(caller: Any) -> None:
    sb = caller.sb
    sb.register_webhook(HOOK)
    begun = caller.open(
        intent="MF_HOLDINGS_IMPORT", responseConfig={"casDetail": False}
    )
    with pytest.raises(StepRefusedError, match="PAN and OTP"):
        sb.play(begun, "choose", broker="groww")
    page = caller.http.get(f"/connect/{begun}", follow_redirects=True)
    assert 'name="pan"' in page.text
    assert "Zerodha" not in page.text
    wrong = caller.http.post(f"/connect/{begun}/pan", data={"pan": "x", "contact": "y"})
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (422, True)
    people = httpx.get(f"{sb.url}/_sandbox/personas").json()
    pan = next(one["pan"] for one in people if one["key"] == "bela")
    form = {"pan": pan, "contact": "bela@example.invalid"}
    page = caller.http.post(f"/connect/{begun}/pan", data=form, follow_redirects=True)
    assert 'name="otp"' in page.text
    page = caller.http.post(f"/connect/{begun}/otp", data={"otp": "9"})
    assert "wrong OTP" in page.text
    page = caller.http.post(
        f"/connect/{begun}/otp", data={"otp": "123456"}, follow_redirects=True
    )
    assert "imported" in page.text
    done = caller.details(begun)
    assert (done["status"], done["success"]) == ("COMPLETED", {"transactionId": begun})
    (sent,) = sb.deliveries()
    assert (sent["kind"], set(sent["body"])) == (
        "mf-import",
        {"summary", "transactionId", "timestamp", "checksum"},
    )
    explained = caller.http.get(f"/_sandbox/webhooks/{sent['id']}/checksum").json()
    assert (explained["covers"], explained["fits"]) == (
        "timestamp + transactionId",
        True,
    )
    assert caller.holdings(sb.token_for("bela")).status_code == 403, "no holdings came"
