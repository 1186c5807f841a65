"""Secrets that do not show, and the checksums made with them.

Gateway has two secrets, and swapping them fails silently. The *shared secret* signs
tokens (`holdings_kit.wire._tokens`). The *API secret* is a request header and the key
of the webhook checksum.
"""

from __future__ import annotations

import hashlib
import hmac
import warnings
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from holdings_kit.errors import ConfigError, readable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@readable
class Secret:
    """Text that repr, str, format, logs, tracebacks and pickle never show.

    Parameters
    ----------
    text
        The secret, or another `Secret` of the same text.

    Raises
    ------
    ConfigError
        The text is empty: an unset variable is the usual cause.

    Examples
    --------
    >>> f"{Secret('hunter2')}"
    'Secret(hidden)'
    >>> Secret("hunter2").reveal()
    'hunter2'
    """

    __slots__ = ("_text",)

    def __init__(self, text: str | Secret) -> None:
        text = text.reveal() if isinstance(text, Secret) else text
        if not text:
            raise ConfigError("a secret is empty; is the variable that holds it set?")
        self._text = text

    def reveal(self) -> str:
        """Give the text itself, for the one place that has to send or sign it."""
        return self._text

    def blank_ends(self) -> str:
        r"""Hint at a line end or a blank around the text; nothing where there is none.

        A secret read from a file mostly ends with the line end of the file, and then
        signs nothing that anybody else can verify.

        >>> Secret("hunter2\n").blank_ends()
        'the secret ends with a line end; is it part of it? text.strip() takes it off'
        """
        before, after = self._text[:1].isspace(), self._text[-1:].isspace()
        if not before and not after:
            return ""
        sign = self._text[-1 if after else 0]
        what = "a line end" if sign in "\r\n" else "a blank"
        return (
            f"the secret {'ends' if after else 'begins'} with {what}; "
            "is it part of it? text.strip() takes it off"
        )

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled: pass it to the other process anew")


Secrets: TypeAlias = "str | Secret | Sequence[str | Secret]"
"""One secret, or several that are good at once during a rotation."""


def wrap_secrets(given: Secrets) -> tuple[Secret, ...]:
    """Hide the secrets that a public function was given, before anything can fail.

    Warns
    -----
    UserWarning
        One has a line end or a blank at an end: then no checksum fits.
    """
    given = as_secrets(given)
    for secret in given:
        if hint := secret.blank_ends():
            warnings.warn(f"checksums may not fit: {hint}", stacklevel=3)
    return given


def webhook_checksum(api_secret: str | Secret, *, timestamp: str, subject: str) -> str:
    """Compute the checksum of a webhook: hex HMAC-SHA256 of timestamp + subject.

    The checksum does not cover the holdings: it proves neither that they are whole nor
    that they are new. Who has to be sure fetches them again.

    Parameters
    ----------
    api_secret
        The API secret, not the one that signs tokens.
    timestamp
        Exactly as received.
    subject
        smallcaseAuthId, or the transactionId when only mutual funds were imported.

    Examples
    --------
    >>> webhook_checksum(
    ...     "sandbox_api_secret",
    ...     timestamp="2026-01-05T10:15:30.123Z",
    ...     subject="64b7f0c2a1d3e4f5a6b7c8d9",
    ... )
    'da951865833253d6fb8a4df35e05ebc6a356e992df2179b47d09795721f386bf'
    """
    api_secret = Secret(api_secret)
    message = (timestamp + subject).encode()
    return hmac.new(api_secret.reveal().encode(), message, hashlib.sha256).hexdigest()


def as_secrets(given: Secrets) -> tuple[Secret, ...]:
    """Take one secret, or several during a rotation, the newest first.

    Raises
    ------
    ConfigError
        There is none, or one is empty.

    Examples
    --------
    >>> as_secrets("hunter2"), len(as_secrets(["new", "old"]))
    ((Secret(hidden),), 2)
    """
    if isinstance(given, str | Secret):
        return (Secret(given),)
    secrets = tuple(map(Secret, given))
    del given  # frames show variables
    if not secrets:
        raise ConfigError("there is no secret in the list; give one or more")
    return secrets


def matching_secret(payload: Mapping[str, object], secrets: Secrets) -> int | None:
    """Tell which of several secrets a webhook is signed with; ``None``: none of them.

    For a rotation: deliveries that are retried were signed days ago. All secrets and
    both documented subjects are tried, whatever fits, in constant time. A missing or
    malformed checksum, timestamp or subject fits none.

    Parameters
    ----------
    payload
        The parsed body; numbers as text or integers, so that `timestamp` is as sent.
    secrets
        API secrets, not those that sign tokens; the newest first.

    Returns
    -------
    int or None
        The index in `secrets`, to log: it names the secret and does not show it.

    Examples
    --------
    >>> stamp, who = "2026-01-05T10:15:30.123Z", "64b7f0c2a1d3e4f5a6b7c8d9"
    >>> payload = {
    ...     "timestamp": stamp,
    ...     "smallcaseAuthId": who,
    ...     "checksum": webhook_checksum("last month's", timestamp=stamp, subject=who),
    ... }
    >>> matching_secret(payload, ["this month's", "last month's"])
    1
    """
    secrets = as_secrets(secrets)
    timestamp, claimed = payload.get("timestamp"), payload.get("checksum")
    if not isinstance(timestamp, str | int) or not isinstance(claimed, str):
        return None
    found: int | None = None
    for index, secret in enumerate(secrets):
        fits = False
        for name in ("smallcaseAuthId", "transactionId"):
            subject = payload.get(name)
            if isinstance(subject, str) and subject:
                ours = webhook_checksum(
                    secret, timestamp=str(timestamp), subject=subject
                )
                fits |= hmac.compare_digest(ours.encode(), claimed.lower().encode())
        found = index if fits and found is None else found
    return found


def webhook_checksum_ok(payload: Mapping[str, object], api_secret: Secrets) -> bool:
    """Tell whether a webhook's checksum fits its timestamp and subject.

    Compared in constant time. Both documented subjects are tried, smallcaseAuthId and
    transactionId. A missing or malformed checksum, timestamp or subject is ``False``.

    Parameters
    ----------
    payload
        The parsed body; numbers as text or integers, so that `timestamp` is as sent.
    api_secret
        The API secret, not the one that signs tokens; or several, during a rotation.

    Examples
    --------
    >>> webhook_checksum_ok({"checksum": "0" * 64}, "sandbox_api_secret")
    False
    """
    api_secret = as_secrets(api_secret)
    return matching_secret(payload, api_secret) is not None


def arrow_checksum(
    app_id: str, app_secret: str | Secret, request_token: str | Secret
) -> str:
    """Compute the checkSum of an Arrow login: hex SHA-256 of the three, colon-joined.

    Examples
    --------
    >>> arrow_checksum("demo-app", "demo-secret", "demo-request")[:16]
    '50846f6244bd1e93'
    """
    app_secret, request_token = Secret(app_secret), Secret(request_token)
    # in one expression: frames show variables
    return hashlib.sha256(
        f"{app_id}:{app_secret.reveal()}:{request_token.reveal()}".encode()
    ).hexdigest()


def arrow_redirect_checksum(app_id: str, request_token: str | Secret) -> str:
    """Compute the checksum that Arrow's login page adds to the redirect.

    It is hex SHA-256 of ``request-token:appID``. The address after a login is the one
    thing a stranger can make up, so compare it before the request token is used.

    Examples
    --------
    >>> arrow_redirect_checksum("demo-app", "demo-request")[:16]
    '00b14e2a3e0d894c'
    """
    request_token = Secret(request_token)
    return hashlib.sha256(f"{request_token.reveal()}:{app_id}".encode()).hexdigest()
