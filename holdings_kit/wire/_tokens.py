"""Gateway tokens: JWT signed with the shared secret by HS256, and nothing else.

A guest's payload is ``{"guest": true}``, a connected user's
``{"smallcaseAuthId": …}``; ``iat`` and ``exp`` may be there, no other claim.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from jwt import PyJWS, PyJWTError
from jwt.algorithms import HMACAlgorithm

from holdings_kit.errors import ConfigError, SignatureError, readable
from holdings_kit.schema import require_zone
from holdings_kit.wire._signing import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

_KNOWN_CLAIMS = frozenset({"guest", "smallcaseAuthId", "iat", "exp"})


@readable
class Claims(NamedTuple):
    """What a verified gateway token says.

    Attributes
    ----------
    auth_id
        The connected user's smallcaseAuthId; ``None`` for a guest.
    issued_at, expires_at
        UTC instants; ``None`` where the token does not say.
    undocumented
        Names of claims the documentation does not know, sorted.
    """

    auth_id: str | None
    issued_at: datetime | None
    expires_at: datetime | None
    undocumented: tuple[str, ...]


def mint_token(
    shared_secret: str | Secret,
    *,
    auth_id: str | None = None,
    issued_at: datetime | None = None,
    lifetime: timedelta | None = None,
) -> str:
    """Sign a gateway token: a guest's, or with `auth_id` a connected user's.

    Parameters
    ----------
    shared_secret
        The secret that signs tokens, not the API secret.
    auth_id
        smallcaseAuthId of the connected user; ``None`` for a guest.
    issued_at
        Put into ``iat``; needed with `lifetime`. Timezone-aware.
    lifetime
        Makes ``exp`` = `issued_at` + `lifetime`; ``None`` for no expiry.

    Raises
    ------
    ConfigError
        An empty secret or id, a naive instant, a lifetime without an instant.

    Examples
    --------
    >>> token = mint_token("not-a-real-secret", auth_id="64b7f0c2a1d3e4f5a6b7c8d9")
    >>> now = datetime(2026, 1, 5, tzinfo=UTC)
    >>> verify_token(token, "not-a-real-secret", now=now).auth_id
    '64b7f0c2a1d3e4f5a6b7c8d9'
    """
    shared_secret = Secret(shared_secret)
    if auth_id == "":
        raise ConfigError("auth_id is empty; pass None to mint a guest token")
    if lifetime is not None and issued_at is None:
        raise ConfigError("a lifetime needs issued_at, the instant it starts from")
    claims: dict[str, object] = (
        {"guest": True} if auth_id is None else {"smallcaseAuthId": auth_id}
    )
    if issued_at is not None:
        claims["iat"] = _as_seconds(issued_at)
        if lifetime is not None:
            claims["exp"] = _as_seconds(issued_at + lifetime)
    payload = json.dumps(claims, separators=(",", ":")).encode()
    return _load_signer().encode(payload, shared_secret.reveal(), algorithm="HS256")


def verify_token(
    token: str | Secret, shared_secret: str | Secret, *, now: datetime
) -> Claims:
    """Read a gateway token after proving its signature and its time.

    Parameters
    ----------
    token
        Three parts joined by dots, signed with HS256; any other algorithm is refused.
    shared_secret
        The secret that signs tokens, not the API secret.
    now
        The instant to hold ``exp`` against, timezone-aware.

    Raises
    ------
    SignatureError
        Not a token, signed otherwise, expired, or neither a guest nor a user.

    Examples
    --------
    >>> verify_token("x.y.z", "not-a-real-secret", now=datetime(2026, 1, 5, tzinfo=UTC))
    Traceback (most recent call last):
        ...
    holdings_kit.errors.SignatureError: token: not signed with this secret by HS256
    """
    token, shared_secret = Secret(token), Secret(shared_secret)
    claims = _check_proof(token, shared_secret)
    if claims is None:
        hint = shared_secret.blank_ends()
        raise SignatureError(
            "token: not signed with this secret by HS256" + (hint and f" ({hint})")
        )
    issued_at, expires_at = (
        _read_claimed_instant(claims, name) for name in ("iat", "exp")
    )
    if expires_at is not None and require_zone(now, "now") >= expires_at:
        raise SignatureError(f"token: expired at {expires_at.isoformat()}")
    auth_id, guest = claims.get("smallcaseAuthId"), claims.get("guest")
    if guest is True and auth_id is None:
        user = None
    elif isinstance(auth_id, str) and auth_id and not guest:
        user = auth_id
    else:
        raise SignatureError("token: names neither a guest nor one smallcaseAuthId")
    return Claims(user, issued_at, expires_at, tuple(sorted({*claims} - _KNOWN_CLAIMS)))


class _GatewayKey(HMACAlgorithm):
    """HS256 with the key as the vendor hands it out, however short."""

    def check_key_length(self, key: bytes) -> None:
        del key


class _Signer(Protocol):
    """The two calls of `PyJWS` in use, typed for want of its optional parts."""

    def encode(self, payload: bytes, key: str, algorithm: str) -> str: ...
    def decode(self, jwt: str, key: str, algorithms: list[str]) -> bytes: ...


def _load_signer() -> _Signer:
    signer = PyJWS(algorithms=["HS256"])
    signer.unregister_algorithm("HS256")
    signer.register_algorithm("HS256", _GatewayKey(HMACAlgorithm.SHA256))
    return cast("_Signer", signer)


def _check_proof(token: Secret, key: Secret) -> dict[str, object] | None:
    """Claims of a token whose signature holds; the failing frames hold the key."""
    try:
        payload = _load_signer().decode(
            token.reveal(), key.reveal(), algorithms=["HS256"]
        )
        claims = json.loads(payload)
    except (PyJWTError, ValueError):
        return None
    return cast("dict[str, object]", claims) if isinstance(claims, dict) else None


def _read_claimed_instant(claims: Mapping[str, object], name: str) -> datetime | None:
    seconds = claims.get(name)
    if seconds is None:
        return None
    try:
        if isinstance(seconds, int | float) and not isinstance(seconds, bool):
            return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        pass
    raise SignatureError(f"token: {name} is not a number of seconds")


def _as_seconds(instant: datetime) -> int:
    return int(require_zone(instant, "issued_at").timestamp())
