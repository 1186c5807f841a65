"""Lessons 1 and 2: tokens and secrets; create, trigger and follow a transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol, cast
from urllib import error, request

import jwt

from grader.grade import Graded, Rule, grade, is_not
from holdings_kit import sandbox

if TYPE_CHECKING:
    from http.client import HTTPResponse

__all__ = ["Build", "Next", "Read", "Sign", "lesson1", "lesson2"]

Sign = Callable[[str, "str | None", datetime], str]
Read = Callable[[str, str, datetime], str]
Build = Callable[
    [str, str, str, "str | None"], "tuple[str, Mapping[str, str], Mapping[str, object]]"
]
Next = Callable[[Mapping[str, object]], str]

_NOW: Final = datetime(2026, 1, 5, 4, 30, tzinfo=UTC)
_SECRET: Final = "a shared secret of the sandbox, 32+ bytes"
_OTHER: Final = "the API secret, which signs no token at all"
_WHO: Final = "64b7f0c2a1d3e4f5a6b7c8d9"


class _Jwt(Protocol):
    """The two functions used of PyJWT, whose types are open elsewhere."""

    def encode(
        self, payload: Mapping[str, object], key: str, *, algorithm: str
    ) -> str: ...
    def decode(
        self, token: str, key: str, *, algorithms: list[str], options: object
    ) -> dict[str, object]: ...


_JWT: Final = cast("_Jwt", jwt)
_TIMES: Final = {"iat", "exp"}


def lesson1(sign: Sign, read: Read) -> Graded:
    """Grade lesson 1: sign tokens for guests and users, read those of the gateway.

    Parameters
    ----------
    sign
        ``sign(shared_secret, auth_id, now)`` gives a token, a guest's for ``None``.
    read
        ``read(shared_secret, token, now)`` gives the smallcaseAuthId, or raises.

    Examples
    --------
    >>> graded = lesson1(lambda secret, auth_id, now: "", lambda secret, token, now: "")
    >>> graded.passed, graded.failed[0]
    (False, "a guest's token says that it is a guest, signed with HS256")
    """

    def claims(auth_id: str | None) -> dict[str, object]:
        token = sign(_SECRET, auth_id, _NOW)
        return _JWT.decode(
            token,
            _SECRET,
            algorithms=["HS256"],
            options={"verify_exp": False, "verify_iat": False, "verify_aud": False},
        )

    def guest() -> str | None:
        said = {k: v for k, v in claims(None).items() if k not in _TIMES}
        return is_not(said, {"guest": True}, of="a guest, beside the times,")

    def connected() -> str | None:
        said = {k: v for k, v in claims(_WHO).items() if k not in _TIMES}
        return is_not(said, {"smallcaseAuthId": _WHO}, of="a connected user")

    def timed() -> str | None:
        said = claims(_WHO)
        issued, ends = said.get("iat"), said.get("exp")
        now = int(_NOW.timestamp())
        if issued is not None and issued != now:
            return f"iat is {issued}, and the instant passed in was {now}"
        if ends is not None and not now < cast("int", ends) <= now + 86_400:
            return f"exp is {ends}: not within a day after {now}"
        return None

    def minted(secret: str, age: timedelta, algorithm: str = "HS256") -> str:
        times = {"iat": _NOW - age, "exp": _NOW - age + timedelta(hours=1)}
        payload = {"smallcaseAuthId": _WHO, **times}
        return _JWT.encode(
            payload, secret if algorithm != "none" else "", algorithm=algorithm
        )

    def reads() -> str | None:
        token = minted(_SECRET, timedelta(minutes=5))
        return is_not(read(_SECRET, token, _NOW), _WHO, of="a good token")

    def refuses(token: str, kind: str) -> str | None:
        try:
            got = read(_SECRET, token, _NOW)
        except Exception as refused:  # any error is a refusal
            return _leaks(str(refused))
        return f"for a token {kind} your code gave {got!r} instead of an error"

    return grade(
        1,
        [
            Rule(
                "a guest's token says that it is a guest, signed with HS256",
                "the payload has one claim beside the times; see the lesson's table",
                guest,
            ),
            Rule(
                "a connected token names the user, and nothing else",
                "no other claim is acceptable; what identifies a user here?",
                connected,
            ),
            Rule(
                "times come from the instant passed in, and a token ends in a day",
                "iat and exp are optional; if you set them, where is 'now' from?",
                timed,
            ),
            Rule(
                "the user is read from the gateway's token",
                "it is signed with the same secret as yours",
                reads,
            ),
            Rule(
                "a token signed with another secret is refused",
                "two secrets are easily swapped; which one signs tokens?",
                lambda: refuses(minted(_OTHER, timedelta()), "of another secret"),
            ),
            Rule(
                "a token of algorithm none is refused",
                "whoever verifies names the algorithms it accepts",
                lambda: refuses(minted("", timedelta(), "none"), "without signature"),
            ),
            Rule(
                "an expired token is refused, by the instant passed in",
                "libraries compare with the machine's clock unless told otherwise",
                lambda: refuses(minted(_SECRET, timedelta(hours=2)), "that expired"),
            ),
        ],
    )


def lesson2(build: Build, follow: Next) -> Graded:
    """Grade lesson 2: create a transaction, and know what to do after each status.

    Parameters
    ----------
    build
        ``build(gateway, api_secret, token, notes)`` gives path, headers and body of the
        request that creates a v2 holdings import; it raises where `notes` are too long.
    follow
        ``follow(transaction_details)`` gives what to do next: ``"wait"``, ``"fetch"``,
        ``"new transaction"`` or ``"give up"``.

    Examples
    --------
    >>> graded = lesson2(lambda *request: ("", {}, {}), lambda details: "wait")
    >>> graded.passed, graded.failed[0]
    (False, 'the sandbox accepts the request')
    """

    def created() -> str | None:
        with sandbox.serve(clock=_NOW) as sb:
            token = _JWT.encode({"guest": True}, sb.shared_secret, algorithm="HS256")
            path, headers, body = build(sb.gateway, sb.api_secret, token, "lesson 2")
            status, said = _post(sb.url + path, headers, body)
        return None if status == 200 else f"the sandbox answered {status}: {said}"

    def hides() -> str | None:
        path, _, body = build("demo", _OTHER, "a-token", None)
        shown = path + json.dumps(dict(body))
        return "a secret stands in the path or body" if _OTHER in shown else None

    def asks(field: str, wanted: object) -> str | None:
        _, _, body = build("demo", "secret", "token", None)
        return is_not(body.get(field), wanted, of=f"the field {field!r}")

    def bounded() -> str | None:
        build("demo", "secret", "token", "n" * 256)
        try:
            build("demo", "secret", "token", "n" * 257)
        except Exception:  # any error is a refusal
            return None
        return "notes of 257 characters were accepted"

    def next_is(
        wanted: str, status: str, message: str = "", code: int = 0
    ) -> str | None:
        problem = {"value": True, "message": message, "code": code}
        details: dict[str, object] = {"status": status}
        if message:
            details["error"] = problem
        got = follow(details)
        return is_not(got, wanted, of=f"{status} {message}".strip())

    def each(*cases: tuple[str, str, str, int]) -> str | None:
        seen = [next_is(*case) for case in cases]
        return next((one for one in seen if one is not None), None)

    return grade(
        2,
        [
            Rule(
                "the sandbox accepts the request",
                "both headers are needed; read what the sandbox answered",
                created,
            ),
            Rule(
                "secrets travel in headers only",
                "paths and bodies end up in logs",
                hides,
            ),
            Rule(
                "the intent is the holdings import",
                "the mutual-fund-only flow is another intent",
                lambda: asks("intent", "HOLDINGS_IMPORT"),
            ),
            Rule(
                "the version is said explicitly",
                "what do you get when you say nothing?",
                lambda: asks("version", "v2"),
            ),
            Rule("notes have at most 256 characters", "257 is one too many", bounded),
            Rule(
                "a running transaction is waited for, a completed one is fetched",
                "which statuses are still on their way?",
                lambda: each(
                    ("wait", "INITIALIZED", "", 0),
                    ("wait", "USED", "", 0),
                    ("wait", "PROCESSING", "", 0),
                    ("fetch", "COMPLETED", "", 0),
                ),
            ),
            Rule(
                "what a new transaction mends gets one",
                "a transaction is used once and lives five minutes",
                lambda: each(
                    ("new transaction", "EXPIRED", "", 0),
                    ("new transaction", "ERRORED", "transaction_expired", 3001),
                    ("new transaction", "ERRORED", "user_cancelled", 1011),
                ),
            ),
            Rule(
                "what a retry cannot mend is given up",
                "would the same user with the same broker fare better?",
                lambda: each(
                    ("give up", "ERRORED", "user_mismatch", 1001),
                    ("give up", "ERRORED", "intent_not_enabled_for_broker", 3000),
                    ("give up", "ERRORED", "no_broker", 1007),
                ),
            ),
        ],
    )


def _leaks(text: str) -> str | None:
    shown = _SECRET in text
    return "the error's text shows the secret" if shown else None


def _post(
    url: str, headers: Mapping[str, str], body: Mapping[str, object]
) -> tuple[int, str]:
    asked = request.Request(  # a loopback address of the sandbox
        url,
        data=json.dumps(dict(body)).encode(),
        headers={"content-type": "application/json", **headers},
        method="POST",
    )
    try:
        with cast("HTTPResponse", request.urlopen(asked, timeout=10)) as reply:
            return reply.status, reply.read(300).decode()
    except error.HTTPError as refused:
        with refused:
            return refused.code, refused.read(300).decode()
