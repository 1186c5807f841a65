"""Tokens are HS256 or refused; checksums match the published vectors."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import pickle
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings, strategies as st

from holdings_kit.errors import ConfigError, SignatureError
from holdings_kit.wire import (
    Secret,
    _signing as signing,
    arrow_checksum,
    mint_token,
    verify_token,
    webhook_checksum_ok,
)

AUTH_ID = "64b7f0c2a1d3e4f5a6b7c8d9"
TRANSACTION = "TRX_0123456789abcdef0123456789abcdef"
STAMP = "2026-01-05T10:15:30.123Z"
NOW = datetime(2026, 1, 5, 10, 15, tzinfo=UTC)
ALGORITHMS = ["none", "None", "HS384", "HS512", "RS256", "hs256", ""]
DIGESTS = ["sha256", "sha256", "sha384", "sha512", "sha256", "sha256", "sha256"]
VECTORS = {
    AUTH_ID: "da951865833253d6fb8a4df35e05ebc6a356e992df2179b47d09795721f386bf",
    TRANSACTION: "4e8df50a6118fc14421d8d720598bdcdaf95c9132352dfc8d0f3ca10ee21b987",
}


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _forge(payload: object, *, algorithm: str, digest: str = "sha256") -> str:
    """A token made by hand, signed well for `digest`, whatever the header claims."""
    body = f"{_part({'alg': algorithm, 'typ': 'JWT'})}.{_part(payload)}"
    mac = hmac.new(b"shared", body.encode(), digest).digest()
    return f"{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def test_a_guest_token_carries_the_guest_claim_and_no_other() -> None:
    header, payload, _ = mint_token("shared").split(".")
    pad = "=="
    assert json.loads(base64.urlsafe_b64decode(header + pad)) == {
        "alg": "HS256",
        "typ": "JWT",
    }
    assert json.loads(base64.urlsafe_b64decode(payload + pad)) == {"guest": True}
    assert verify_token(mint_token("shared"), "shared", now=NOW).auth_id is None


def test_a_token_made_elsewhere_with_hs256_verifies() -> None:
    token = _forge({"smallcaseAuthId": AUTH_ID, "role": "x"}, algorithm="HS256")
    claims = verify_token(token, "shared", now=NOW)
    assert claims.auth_id == AUTH_ID
    assert claims.undocumented == ("role",)


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    list(zip(ALGORITHMS, DIGESTS, strict=True)),
)
def test_every_other_algorithm_is_refused(algorithm: str, digest: str) -> None:
    token = _forge({"guest": True}, algorithm=algorithm, digest=digest)
    with pytest.raises(SignatureError):
        verify_token(token, "shared", now=NOW)


def test_an_unsigned_token_is_refused() -> None:
    token = f"{_part({'alg': 'none'})}.{_part({'guest': True})}."
    with pytest.raises(SignatureError):
        verify_token(token, "shared", now=NOW)


def test_a_token_lives_until_its_last_second_and_not_longer() -> None:
    token = mint_token(
        "shared", auth_id=AUTH_ID, issued_at=NOW, lifetime=timedelta(hours=1)
    )
    end = NOW + timedelta(hours=1)
    claims = verify_token(token, "shared", now=end - timedelta(seconds=1))
    assert (claims.issued_at, claims.expires_at) == (NOW, end)
    with pytest.raises(SignatureError, match="expired at 2026-01-05T11:15"):
        verify_token(token, "shared", now=end)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"guest": False},
        {"guest": True, "smallcaseAuthId": AUTH_ID},
        {"smallcaseAuthId": ""},
        {"smallcaseAuthId": 7},
        {"guest": True, "exp": "tomorrow"},
        {"guest": True, "exp": 1e300},
        [],
        "guest",
    ],
)
def test_a_signed_payload_that_says_nothing_clear_is_refused(payload: object) -> None:
    with pytest.raises(SignatureError):
        verify_token(_forge(payload, algorithm="HS256"), "shared", now=NOW)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1))
def test_no_other_text_is_a_token_and_only_one_error_says_so(text: str) -> None:
    with pytest.raises(SignatureError):
        verify_token(text, "shared", now=NOW)


def test_a_wrong_secret_fails_and_is_not_told() -> None:
    with pytest.raises(SignatureError) as caught:
        verify_token(mint_token("shared-marker"), "api-marker", now=NOW)
    assert "marker" not in str(caught.value)
    assert caught.value.__context__ is None  # its frames would hold the key


def test_a_call_that_cannot_be_meant_is_refused() -> None:
    for wrong in (
        lambda: mint_token(""),
        lambda: mint_token("shared", auth_id=""),
        lambda: mint_token("shared", lifetime=timedelta(hours=1)),
        lambda: mint_token("shared", issued_at=datetime(2026, 1, 5)),  # noqa: DTZ001
    ):
        with pytest.raises(ConfigError):
            wrong()


def test_the_published_checksum_vectors_hold() -> None:
    for subject, expected in VECTORS.items():
        assert (
            signing.webhook_checksum(
                "sandbox_api_secret", timestamp=STAMP, subject=subject
            )
            == expected
        )


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"checksum": VECTORS[AUTH_ID].upper()}, True),
        ({"checksum": VECTORS[TRANSACTION]}, True),
        ({"checksum": VECTORS[AUTH_ID][:-1]}, False),
        ({"checksum": "é" * 64}, False),
        ({"checksum": None}, False),
        ({"timestamp": "2026-01-05T10:15:30.124Z"}, False),
        ({"timestamp": None}, False),
        ({"smallcaseAuthId": "64b7f0c2a1d3e4f5a6b7c8da", "transactionId": 1}, False),
        ({"smallcaseAuthId": None, "transactionId": ""}, False),
    ],
)
def test_a_webhook_fits_its_checksum_or_not(
    change: dict[str, object], good: bool
) -> None:
    body = {
        "timestamp": STAMP,
        "smallcaseAuthId": AUTH_ID,
        "transactionId": TRANSACTION,
        "checksum": VECTORS[AUTH_ID],
    }
    assert webhook_checksum_ok(body | change, "sandbox_api_secret") is good
    assert not webhook_checksum_ok(body | change, "sandbox_shared_secret")


def test_a_numeric_timestamp_counts_as_sent() -> None:
    checksum = signing.webhook_checksum("k", timestamp="1767608130123", subject=AUTH_ID)
    body = {"smallcaseAuthId": AUTH_ID, "checksum": checksum}
    assert webhook_checksum_ok(body | {"timestamp": 1767608130123}, "k")


def test_the_arrow_sum_is_sha256_of_the_three() -> None:
    expected = hashlib.sha256(b"app:secret:request").hexdigest()
    assert arrow_checksum("app", Secret("secret"), Secret("request")) == expected


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret("marker")
    shown = f"{secret} {secret!r} {secret!s} {[secret]}"
    assert "marker" not in shown
    for leak in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            leak(secret)


def test_checksums_need_no_jwt_package() -> None:
    import subprocess

    code = (
        "import sys, holdings_kit.wire._signing; "
        "raise SystemExit('jwt' in sys.modules or 'httpx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
