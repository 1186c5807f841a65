"""Every published refusal becomes the one error a caller acts on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from holdings_kit.errors import (
    AuthError,
    ImportFailed,
    PermissionDenied,
    RateLimited,
    SourceError,
    SourceUnavailable,
    WireError,
)
from holdings_kit.wire import (
    SDK_ERRORS,
    arrow_refusal,
    gateway_refusal,
    import_failed,
    parse_import_result,
    parse_transaction,
)

RELOGIN = "Your session has expired. You must relogin to access the resource"
ARROW = [
    (401, {"status": "error", "message": RELOGIN, "errorCode": "UNAUTHORIZED"}),
    (400, {"message": "Bad", "status": "failure", "errorCode": 400}),
    (400, {"status": "error", "message": "Range", "code": "INVALID_DATE_RANGE"}),
    (400, {"status": "error", "errorMessage": "X", "errorCode": "BadRequestError"}),
]
TOKEN = "aaa.bbb.ccc"


@pytest.mark.parametrize("status_shown", [True, False])
@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (*ARROW[0], AuthError, "UNAUTHORIZED"),
        (*ARROW[1], SourceError, "400"),
        (*ARROW[2], SourceError, "INVALID_DATE_RANGE"),
        (*ARROW[3], SourceError, "BadRequestError"),
    ],
)
def test_the_four_arrow_bodies_are_told_with_and_without_a_status(
    status: int, body: dict[str, Any], kind: type, code: str, status_shown: bool
) -> None:
    for shown in (status, 200) if status_shown else (None,):
        error = arrow_refusal(shown, body)
        assert type(error) is kind
        assert error is not None
        assert (error.source, error.status, error.code) == ("arrow", shown, code)
        assert error.message == body.get("message", body.get("errorMessage"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, SourceError),
        (400, SourceError),
        (401, AuthError),
        (403, PermissionDenied),
        (404, SourceError),
        (405, SourceError),
        (429, RateLimited),
        (500, SourceUnavailable),
        (502, SourceUnavailable),
        (599, SourceUnavailable),
    ],
)
@pytest.mark.parametrize("payload", [None, [], {}, "x", {"status": "success"}])
def test_a_bad_http_status_is_a_refusal_whatever_the_body(
    status: int, kind: type, payload: object
) -> None:
    for refusal in (arrow_refusal, gateway_refusal):
        error = refusal(status, payload, retry_after=7)
        assert type(error) is kind
        assert error is not None
        assert error.status == status
        if isinstance(error, RateLimited):
            assert error.retry_after == 7


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("BAD_REQUEST_ERROR", SourceError),
        ("UNAUTHORIZED", AuthError),
        ("FORBIDDEN", PermissionDenied),
        ("NOT_FOUND_ERROR", SourceError),
        ("METHOD_NOT_ALLOWED", SourceError),
        ("TOO_MANY_REQUESTS", RateLimited),
        ("INTERNAL_ERROR", SourceUnavailable),
        ("OMS_ERROR", SourceUnavailable),
        (401, AuthError),
        ("403", PermissionDenied),
        (429, RateLimited),
        (502, SourceUnavailable),
    ],
)
@pytest.mark.parametrize("word", ["error", "failure", "failed", "ERROR"])
def test_an_arrow_code_decides_where_the_status_is_silent(
    code: object, kind: type, word: str
) -> None:
    for name in ("errorCode", "code"):
        error = arrow_refusal(200, {"status": word, "message": "m", name: code})
        assert type(error) is kind
        assert error is not None
        assert error.code == str(code)


def test_an_expired_arrow_session_is_told_by_its_words() -> None:
    assert (
        type(arrow_refusal(200, {"status": "error", "message": RELOGIN})) is AuthError
    )


@pytest.mark.parametrize("status", [None, 200, 400, 401, 403, 404, 429, 500, 503])
def test_success_false_is_a_refusal_with_any_status(status: int | None) -> None:
    body = {"success": False, "errors": ["One", "Two"], "data": None, "errorType": "T"}
    error = gateway_refusal(status, body)
    kinds = {401: AuthError, 403: PermissionDenied, 429: RateLimited}
    kinds |= {500: SourceUnavailable, 503: SourceUnavailable}
    assert type(error) is kinds.get(status or 0, SourceError)
    assert error is not None
    assert (error.message, error.code) == ("One; Two", "T")


def test_a_gateway_that_dislikes_the_token_says_so_with_200() -> None:
    body = {"success": False, "errors": ["Invalid JWT"]}
    assert type(gateway_refusal(200, body)) is AuthError


def test_a_gateway_without_words_is_still_a_refusal() -> None:
    for errors in (None, [], [None], [""], {}):
        error = gateway_refusal(200, {"success": False, "errors": errors})
        assert error is not None
        assert error.message == "refused without saying why"


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["status", "errors", "success", "data", "code", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.none() | st.integers(100, 599), _json)
def test_no_body_breaks_the_reading_and_bad_statuses_never_pass(
    status: int | None, payload: object
) -> None:
    for refusal in (arrow_refusal, gateway_refusal):
        error = refusal(status, payload)
        if status is not None and status // 100 != 2:
            assert error is not None


# --- how an import ends


@pytest.mark.parametrize(
    "payload",
    [
        {"smallcaseAuthToken": TOKEN, "broker": "kite", "transactionId": "TRX_1"},
        {"data": {"smallcaseAuthToken": TOKEN, "broker": "kite"}},
        {"data": json.dumps({"smallcaseAuthToken": TOKEN, "broker": "kite"})},
        {"success": True, "transaction": "HOLDING_IMPORT", "data": TOKEN},
        {"success": True, "transaction": "HOLDINGS_IMPORT", "data": TOKEN},
        {"data": {"data": json.dumps({"smallcaseAuthToken": TOKEN})}},
        json.dumps({"data": TOKEN}),
        TOKEN,
    ],
)
def test_every_shape_of_a_successful_result_is_read(payload: object) -> None:
    result = parse_import_result(payload)
    assert result.auth_token.reveal() == TOKEN
    assert result.broker in {"kite", None}
    assert TOKEN not in repr(result)


def test_the_facts_beside_the_token_are_kept() -> None:
    result = parse_import_result(
        {
            "smallcaseAuthToken": TOKEN,
            "broker": "kite",
            "transactionId": "TRX_1",
            "signup": False,
        }
    )
    assert result[1:] == ("kite", "TRX_1", False)


@pytest.mark.parametrize("row", SDK_ERRORS)
def test_every_row_of_the_sdk_table_is_found_by_message_and_by_code(row: Any) -> None:
    for code in row.codes:
        for payload in (
            {"success": False, "error": row.message, "code": code},
            {"message": row.message, "code": code},
            {"error": {"message": row.message, "code": code}},
            {"success": False, "data": {"message": row.message}, "errorCode": code},
            {"success": False, "code": str(code)},
        ):
            with pytest.raises(ImportFailed) as caught:
                parse_import_result(payload)
            assert caught.value.message == row.message
            assert caught.value.code == str(code)
            assert caught.value.retryable is row.retryable
            assert row.now in str(caught.value)


def test_the_message_leads_where_a_version_moved_the_code() -> None:
    assert import_failed("user_cancelled", 1001).retryable


def test_an_error_nobody_knows_is_told_and_not_retried() -> None:
    error = import_failed("brand_new", 9999)
    assert (error.message, error.code, error.retryable) == ("brand_new", "9999", False)


@pytest.mark.parametrize("payload", [None, [], {}, "", "hello", 7, {"data": {}}])
def test_what_is_no_result_is_a_wire_error(payload: object) -> None:
    with pytest.raises(WireError):
        parse_import_result(payload)


def test_an_order_result_is_not_an_import() -> None:
    with pytest.raises(WireError, match="SECURITIES_ORDER"):
        parse_import_result({"transaction": "SECURITIES_ORDER", "data": TOKEN})


def _nestings(details: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"data": {"transactionDetails": details}},
        {"data": details},
        {"success": True, "errors": None, "data": {"transactionDetails": details}},
        {"transactionDetails": details},
        details,
    ]


def test_a_completed_transaction_is_read_in_every_nesting() -> None:
    details = {
        "transactionId": "TRX_1",
        "status": "COMPLETED",
        "success": {"smallcaseAuthToken": TOKEN, "broker": "upstox"},
        "error": None,
    }
    for payload in _nestings(details):
        found = parse_transaction(payload)
        assert found[:3] == ("TRX_1", "COMPLETED", "upstox")
        assert found.auth_token is not None
        assert found.auth_token.reveal() == TOKEN
        assert found.failure is None
        assert TOKEN not in repr(found)


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        ("ERRORED", {"value": True, "message": "no_broker", "code": 1006}, "no_broker"),
        ("ERRORED", {"value": True, "message": None, "code": 1012}, "user_cancelled"),
        ("ERRORED", "consent_denied", "consent_denied"),
        ("ERRORED", None, "internal_error"),
        ("CANCELLED", {}, "user_cancelled"),
        ("EXPIRED", {"value": False}, "transaction_expired"),
    ],
)
def test_a_failed_transaction_carries_its_failure(
    status: str, error: object, message: str
) -> None:
    for payload in _nestings({"status": status, "error": error}):
        failure = parse_transaction(payload).failure
        assert failure is not None
        assert failure.message == message


@pytest.mark.parametrize(
    "status", ["INITIALIZED", "USED", "PROCESSING", "ACTION_REQUIRED", "NEW_STATE"]
)
def test_a_transaction_on_its_way_has_no_failure(status: str) -> None:
    for payload in _nestings({"status": status}):
        assert parse_transaction(payload) == (None, status, None, None, None)


def test_details_without_a_status_are_a_wire_error_that_says_where() -> None:
    with pytest.raises(WireError) as caught:
        parse_transaction({"data": {"transactionDetails": {"status": None}}})
    assert caught.value.pointer == "/data/transactionDetails/status"
