"""The table of SDK errors, as data.

Codes have changed between versions, so the message leads and the code helps where the
message is unknown.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from holdings_kit.errors import ImportFailed, readable


@readable
class SdkError(NamedTuple):
    """One row of the table of SDK errors."""

    message: str
    codes: tuple[int, ...]
    retryable: bool
    now: str


SDK_ERRORS: Final = (
    SdkError(
        "user_mismatch",
        (1001,),
        retryable=False,
        now="the user has to log in with the broker account that is connected",
    ),
    SdkError(
        "consent_denied",
        (1003,),
        retryable=False,
        now="ask the user; only their consent helps",
    ),
    SdkError(
        "transaction_expired",
        (1005, 3001),
        retryable=True,
        now="start a new transaction",
    ),
    SdkError(
        "no_broker",
        (1006, 1007, 1008),
        retryable=False,
        now="the user's broker is not supported",
    ),
    SdkError(
        "user_cancelled",
        (1010, 1011, 1012),
        retryable=True,
        now="start a new transaction when the user wants to",
    ),
    SdkError(
        "internal_error",
        (2000,),
        retryable=True,
        now="start a new transaction after a while",
    ),
    SdkError(
        "intent_not_enabled_for_broker",
        (3000,),
        retryable=False,
        now="this broker does not support the import",
    ),
    SdkError(
        "invalid_transactionId",
        (3002,),
        retryable=False,
        now="check which transaction id is handed to the SDK",
    ),
    SdkError(
        "init_sdk",
        (3004,),
        retryable=False,
        now="initialise the SDK before triggering the transaction",
    ),
    SdkError(
        "timed_out",
        (4003,),
        retryable=False,
        now="look at the transaction first: it may still complete",
    ),
    SdkError(
        "transaction_in_process",
        (),  # no code is published
        retryable=False,
        now="wait for the transaction that is open in this page",
    ),
    SdkError(
        "no_compatible_browser",
        (),
        retryable=False,
        now="the user needs another browser",
    ),
    SdkError(
        "invalid_jwt",
        (90,),
        retryable=False,
        now="sign the token again, with the shared secret and not the API secret",
    ),
    SdkError(
        "invalid_gateway",
        (100,),
        retryable=False,
        now="check the gateway name and the base URL",
    ),
)
_BY_MESSAGE: Final = {row.message.lower(): row for row in SDK_ERRORS}
_BY_CODE: Final = {str(code): row for row in SDK_ERRORS for code in row.codes}


def import_failed(message: str | None, code: object = None) -> ImportFailed:
    """Make the error for what the SDK said; the message leads, then the code.

    An error the table does not know is not retryable: nothing says it would help.

    Examples
    --------
    >>> import_failed("user_cancelled", 1011).retryable
    True
    >>> import_failed(None, "3001").message
    'transaction_expired'
    """
    said = (message or "").strip()
    shown = "" if code is None else str(code)
    row = _BY_MESSAGE.get(said.lower()) or _BY_CODE.get(shown)
    if row is None:
        return ImportFailed(
            shown or "no code",
            said or "no reason given",
            retryable=False,
            now="look at the transaction's details",
        )
    return ImportFailed(
        shown or (str(row.codes[0]) if row.codes else "no code"),
        said or row.message,
        retryable=row.retryable,
        now=row.now,
    )
