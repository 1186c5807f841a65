"""How a holdings import ends: the browser SDK's result and the transaction's details.

Both come in several published nestings, and a parser that knows one of them loses
the others.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, cast

from holdings_kit.errors import ImportFailed, WireError, readable
from holdings_kit.wire._refusals import as_mapping
from holdings_kit.wire._sdk_errors import import_failed
from holdings_kit.wire._signing import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

_INTENTS: Final = frozenset({"HOLDING_IMPORT", "HOLDINGS_IMPORT", "MF_HOLDINGS_IMPORT"})
_ENDED_BADLY: Final = {
    "ERRORED": "internal_error",
    "CANCELLED": "user_cancelled",
    "EXPIRED": "transaction_expired",
}
_Object = dict[str, object]
_DEPTH = 4  # data in data, as object or as text
_TOKEN_DOTS = 2


@readable
class ImportResult(NamedTuple):
    """What the SDK hands over when an import succeeds.

    Attributes
    ----------
    auth_token
        The connected user's token, not verified: `verify_token` proves and reads it.
    broker, transaction_id, signup
        ``None`` where the SDK does not say.
    """

    auth_token: Secret
    broker: str | None
    transaction_id: str | None
    signup: bool | None


@readable
class Transaction(NamedTuple):
    """What the gateway knows of one transaction.

    Attributes
    ----------
    transaction_id, broker
        ``None`` where the reply does not say.
    status
        ``INITIALIZED``, ``USED``, ``PROCESSING``, ``ACTION_REQUIRED``, ``ERRORED``,
        ``COMPLETED``, ``CANCELLED``, ``EXPIRED``, or a later invention, as sent.
    auth_token
        The connected user's token once completed, not verified.
    failure
        Why it ended without holdings; an error to raise, ``None`` while there is none.
    """

    transaction_id: str | None
    status: str
    broker: str | None
    auth_token: Secret | None
    failure: ImportFailed | None


def parse_import_result(payload: object) -> ImportResult:
    """Read what ``triggerTransaction`` resolved to or was rejected with.

    Every published shape is taken: the object itself, or inside ``data`` as an object,
    as a JSON text, or as the bare token.

    Parameters
    ----------
    payload
        Parsed JSON, or JSON text, as the browser handed it to the server.

    Raises
    ------
    ImportFailed
        The import ended without holdings; `retryable` and the message say what now.
    WireError
        Neither a success nor a failure of a holdings import.

    Examples
    --------
    >>> parse_import_result({"data": "a.b.c", "transaction": "HOLDING_IMPORT"})[:2]
    (Secret(hidden), None)
    """
    facts = _flatten_result(payload)
    payload = None  # from here on the token stands in `facts` alone, hidden
    intent = facts.get("transaction")
    if isinstance(intent, str) and intent.upper() not in _INTENTS:
        raise WireError("SDK result", "/transaction", f"is {intent}, not an import")
    token = facts.get("smallcaseAuthToken")
    if facts.get("success") is False or not isinstance(token, Secret):
        _raise_failure(facts)
    signup = facts.get("signup")
    return ImportResult(
        token,
        _take_word(facts, "broker"),
        _take_word(facts, "transactionId"),
        signup if isinstance(signup, bool) else None,
    )


def parse_transaction(payload: object) -> Transaction:
    """Read transaction details, nested in ``transactionDetails`` or not.

    Parameters
    ----------
    payload
        Parsed JSON of a reply that is not a refusal, with or without its envelope.

    Raises
    ------
    WireError
        There is no status.

    Examples
    --------
    >>> parse_transaction({"data": {"transactionDetails": {"status": "USED"}}}).status
    'USED'
    """
    data = _open_value(payload)
    payload, pointer = None, ""
    for name in ("data", "transactionDetails"):
        inner = as_mapping(data).get(name)
        if isinstance(inner, dict):
            data, pointer = cast("object", inner), f"{pointer}/{name}"
    details = as_mapping(data)
    status = _take_word(details, "status")
    if status is None:
        raise WireError("transaction details", f"{pointer}/status", "is missing")
    success = as_mapping(_open_value(details.get("success")))
    token = success.get("smallcaseAuthToken")
    return Transaction(
        _take_word(details, "transactionId") or _take_word(success, "transactionId"),
        status,
        _take_word(success, "broker") or _take_word(details, "broker"),
        token if isinstance(token, Secret) else None,
        _build_failure(status, details.get("error")),
    )


def _build_failure(status: str, error: object) -> ImportFailed | None:
    if isinstance(error, str) and error:
        return import_failed(error)
    said = as_mapping(error)
    message, code = _take_word(said, "message"), said.get("code")
    if message is not None or code not in (None, ""):
        return import_failed(message, code)
    ended = _ENDED_BADLY.get(status.upper())
    return None if ended is None else import_failed(ended)


def _flatten_result(payload: object) -> dict[str, object]:
    """Lay the nested `data` of an SDK result flat; the outer word wins."""
    facts: dict[str, object] = {}
    inner = _open_value(payload)
    for _ in range(_DEPTH):
        if isinstance(inner, Secret):
            facts.setdefault("smallcaseAuthToken", inner)
        layer = as_mapping(inner)
        facts |= {k: v for k, v in layer.items() if k != "data" and k not in facts}
        inner = _open_value(layer.get("data"))
    return facts


def _raise_failure(facts: Mapping[str, object]) -> NoReturn:
    error = as_mapping(facts.get("error")) or facts
    message = next(
        (
            word
            for name in ("message", "error", "errorMessage")
            if (word := _take_word(error, name)) is not None
        ),
        None,
    )
    code = next(
        (error[name] for name in ("code", "errorCode") if error.get(name) is not None),
        None,
    )
    if message is None and code is None and facts.get("success") is not False:
        raise WireError("SDK result", "", "neither a smallcaseAuthToken nor an error")
    raise import_failed(message, code)


def _open_value(value: object) -> object:
    """Parse JSON text, take other text for a token, and hide every token."""
    if isinstance(value, str):
        try:
            value = cast("object", json.loads(value))
        except ValueError:
            return Secret(value) if value.count(".") == _TOKEN_DOTS else None
    return _hide_tokens(value)


def _hide_tokens(value: object) -> object:
    """Copy a parsed value with every token in it hidden."""
    if not isinstance(value, dict):
        return value
    made = {key: _hide_tokens(inner) for key, inner in cast("_Object", value).items()}
    token = made.get("smallcaseAuthToken")
    if isinstance(token, str) and token:
        made["smallcaseAuthToken"] = Secret(token)
    return made


def _take_word(facts: Mapping[str, object], name: str) -> str | None:
    value = facts.get(name)
    return value if isinstance(value, str) and value else None
