"""The Gateway contract, over real HTTP."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import jwt
import pytest

from holdings_kit.wire import mint_token, verify_token


def test_a_transaction_has_the_documented_id_and_five_minutes(caller: Any) -> None:
    reply = caller.create(notes="order 1")
    said = reply.json()
    assert (reply.status_code, said["success"], said["errors"]) == (200, True, None)
    assert re.fullmatch(r"TRX_[0-9a-f]{32}", said["data"]["transactionId"])
    assert said["data"]["expireAt"] == "2026-01-05T04:50:00.000Z"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"intent": "BUY"}, "intent"),
        ({"version": "v3"}, "version"),
        ({"notes": "n" * 257}, "256"),
        ({"notes": 7}, "text"),
    ],
)
def test_a_wrong_body_is_a_400_that_says_why(
    caller: Any, body: dict[str, object], words: str
) -> None:
    reply = caller.create(**body)
    assert (reply.status_code, reply.json()["success"]) == (400, False)
    assert words in reply.json()["errors"][0]


def test_notes_of_256_characters_come_back_in_details_and_webhook(caller: Any) -> None:
    done = caller.imported("asha", notes="n" * 256)
    assert caller.details(done)["notes"] == "n" * 256
    assert caller.sb.deliveries()[0]["body"]["notes"] == "n" * 256


def test_a_wrong_api_secret_gateway_or_token_is_refused(caller: Any) -> None:
    path, body = "/gateway/{}/transaction", {"intent": "HOLDINGS_IMPORT"}
    good, sb = caller.headers(), caller.sb
    claim = jwt.encode({"guest": True, "x": 1}, sb.shared_secret, algorithm="HS256")
    old = mint_token(
        sb.shared_secret,
        issued_at=sb.now() - timedelta(hours=2),
        lifetime=timedelta(hours=1),
    )
    tokens = {
        "forged": mint_token(sb.api_secret),
        "claim": claim,
        "none": jwt.encode({"guest": True}, "", algorithm="none"),
        "old": old,
    }
    tries = {
        "secret": (sb.gateway, {**good, "x-gateway-secret": sb.shared_secret}),
        "gateway": ("nobody", good),
        "missing": (sb.gateway, {"x-gateway-secret": sb.api_secret}),
    } | {
        name: (sb.gateway, {**good, "x-gateway-authtoken": token})
        for name, token in tokens.items()
    }
    answers = {
        name: caller.http.post(path.format(gateway), json=body, headers=headers)
        for name, (gateway, headers) in tries.items()
    }
    said = {name: (a.status_code, *a.json()["errors"]) for name, a in answers.items()}
    assert said == {
        "secret": (401, "Invalid gateway secret"),
        "gateway": (400, "invalid gateway"),
        "missing": (401, "Invalid JWT"),
        "forged": (401, "Invalid JWT"),
        "claim": (401, "Invalid JWT"),
        "none": (401, "Invalid JWT"),
        "old": (401, "Invalid JWT"),
    }


def test_an_import_gives_a_token_that_reads_the_holdings(caller: Any) -> None:
    done = caller.details(caller.imported("asha"))
    token = done["success"]["smallcaseAuthToken"]
    claims = verify_token(token, caller.sb.shared_secret, now=caller.sb.now())
    data = caller.holdings(token).json()["data"]
    assert (done["status"], done["success"]["broker"]) == ("COMPLETED", "kite")
    assert claims.auth_id == caller.sb.personas["asha"].auth_id
    assert claims.auth_id == data["smallcaseAuthId"]
    assert data["snapshotDate"] == "2026-01-05T04:45:00.000Z"
    assert {row["nseTicker"] for row in data["securities"]} >= {"SBIN", "ZASPLIT"}
    caller.sb.advance(hours=1)
    assert caller.holdings(token).status_code == 401


def test_guests_strangers_and_the_unconsented_read_nothing(caller: Any) -> None:
    secret = caller.sb.shared_secret
    guest = caller.holdings(mint_token(secret))
    before = caller.holdings(caller.sb.token_for("asha"))
    stranger = caller.holdings(mint_token(secret, auth_id="0" * 24))
    assert [r.status_code for r in (guest, before, stranger)] == [403, 403, 401]
    done = caller.imported("asha")
    assert caller.read(done, caller.sb.token_for("asha")).status_code == 200
    assert caller.read(done, caller.sb.token_for("bela")).status_code == 403


def test_the_older_holdings_path_answers_the_same(caller: Any) -> None:
    caller.imported("bela")
    token = caller.sb.token_for("bela")
    old = caller.http.get(
        f"/gateway/{caller.sb.gateway}/user/holdings",
        params={"version": "v2", "mfHoldings": "true"},
        headers=caller.headers(token),
    )
    assert old.content == caller.holdings(token).content


@pytest.mark.parametrize(
    ("persona", "keys"),
    [("bela", None), ("chirag", {"stats"}), ("divya", {"investments", "stats"})],
)
def test_private_smallcases_come_in_all_three_forms(
    caller: Any, persona: str, keys: set[str] | None
) -> None:
    caller.imported(persona)
    data = caller.holdings(caller.sb.token_for(persona)).json()["data"]
    private = data["smallcases"]["private"]
    assert isinstance(private, list) if keys is None else set(private) == keys


def test_v1_leaves_out_what_smallcases_hold_and_v2_does_not(caller: Any) -> None:
    caller.imported("bela")
    token = caller.sb.token_for("bela")
    v1 = caller.holdings(token, "v1").json()["data"]["securities"]["holdings"]
    v2 = caller.holdings(token, "v2").json()["data"]["securities"]
    plain = {row["ticker"]: row["shares"] for row in v1}
    whole = {
        row["nseTicker"]: row["holdings"]["quantity"] - row["smallcaseQuantity"]
        for row in v2
    }
    assert plain == whole
    assert all("isin" not in row for row in v1)
    assert caller.holdings(token, None).json()["data"]["securities"]["holdings"] == v1
