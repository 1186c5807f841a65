"""Lessons 1 and 2: tokens and secrets; create, trigger and follow a transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Final, Protocol, cast

import jwt

from grader.grade import (
    Graded,
    Rule,
    Seen,
    grade,
    is_not,
    read_field,
    read_word,
)
from grader.learner import Learner
from grader.source import NOW, send, share_source

__all__ = ["Build", "Next", "Read", "Sign", "lesson1", "lesson2"]

Sign = Callable[[str, "str | None", datetime], str]
Read = Callable[[str, str, datetime], str]
Build = Callable[
    [str, str, str, "str | None"], "tuple[str, Mapping[str, str], Mapping[str, object]]"
]
Next = Callable[[Mapping[str, object]], str]

_SECRET: Final = "a shared secret of the sandbox, 32+ bytes"
_OTHER: Final = "the API secret, which signs no token at all"
_WHO: Final = "64b7f0c2a1d3e4f5a6b7c8d9"
_MUMBAI: Final = timezone(timedelta(hours=5, minutes=30))


class _Jwt(Protocol):
    """The two functions used of PyJWT, whose types are open elsewhere."""

    def encode(
        self, payload: Mapping[str, object], key: str, *, algorithm: str
    ) -> str: ...
    def decode(
        self, token: object, key: str, *, algorithms: list[str], options: object
    ) -> dict[str, object]: ...


_JWT: Final = cast("_Jwt", jwt)
_TIMES: Final = {"iat", "exp"}
_BUILT: Final = ("path", "headers", "body")


def lesson1(sign: Sign, read: Read, *, limit: float = 10.0) -> Graded:
    """Grade lesson 1: sign tokens for guests and users, read those of the gateway.

    Parameters
    ----------
    sign
        ``sign(shared_secret, auth_id, now)`` gives a token, a guest's for ``None``.
    read
        ``read(shared_secret, token, now)`` gives the smallcaseAuthId, or raises.
    limit
        Seconds that the code may run, in all.

    Examples
    --------
    >>> graded = lesson1(lambda secret, auth_id, now: "", lambda secret, token, now: "")
    >>> graded.passed, graded.failed[0]
    (False, "a guest's token says that it is a guest, signed with HS256")
    """
    with Learner(limit) as learner:
        return grade(1, _rules_of_tokens(learner.adopt(sign), learner.adopt(read)))


def _rules_of_tokens(sign: Sign, read: Read) -> list[Rule]:
    def claims(auth_id: str | None, now: datetime = NOW) -> dict[str, object]:
        token: object = sign(_SECRET, auth_id, now)
        reveal = getattr(token, "reveal", None)  # a token in a wrapper
        return _JWT.decode(
            reveal() if callable(reveal) else token,
            _SECRET,
            algorithms=["HS256"],
            options={"verify_exp": False, "verify_iat": False, "verify_aud": False},
        )

    def beside_times(auth_id: str | None) -> dict[str, object]:
        return {k: v for k, v in claims(auth_id).items() if k not in _TIMES}

    def timed() -> Seen | None:
        for now in (NOW, (NOW + timedelta(days=9)).astimezone(_MUMBAI)):
            found, at = claims(_WHO, now), int(now.timestamp())
            issued, ends = found.get("iat"), found.get("exp")
            if issued is not None and issued != at:
                return Seen(f"iat is {issued}, and the instant passed in was {at}")
            if ends is not None and not at < cast("int", ends) <= at + 86_400:
                return Seen(
                    f"exp is {ends}: not within a day after {at}",
                    "how long does the gateway's own token live?",
                )
        return None

    def minted(
        secret: str, age: timedelta, algorithm: str = "HS256", **payload: object
    ) -> str:
        times = {"iat": NOW - age, "exp": NOW - age + timedelta(hours=1)}
        return _JWT.encode(
            (payload or {"smallcaseAuthId": _WHO}) | times,
            secret if algorithm != "none" else "",
            algorithm=algorithm,
        )

    def reads() -> Seen | None:
        token = minted(_SECRET, timedelta(minutes=5))
        return is_not(read(_SECRET, token, NOW), _WHO, of="a good token", returned=True)

    def refuses(token: str, kind: str, hint: str = "") -> Seen | None:
        try:
            got = read(_SECRET, token, NOW)
        except Exception as refused:  # any error is a refusal
            shown = _SECRET in str(refused)
            return (
                Seen("the error's text shows the secret", "errors end up in logs")
                if shown
                else None
            )
        return Seen(f"for a token {kind} your code gave {got!r}, and no error", hint)

    return [
        Rule(
            "a guest's token says that it is a guest, signed with HS256",
            "the payload has one claim beside the times; see the lesson's table",
            lambda: is_not(
                beside_times(None), {"guest": True}, of="a guest, beside the times,"
            ),
        ),
        Rule(
            "a connected token names the user, and nothing else",
            "no other claim is acceptable; what identifies a user here?",
            lambda: is_not(
                beside_times(_WHO), {"smallcaseAuthId": _WHO}, of="a connected user"
            ),
        ),
        Rule(
            "times come from the instant passed in, and a token ends in a day",
            "iat and exp are optional; if you set them, where is 'now' from?",
            timed,
        ),
        Rule(
            "the user is read from the gateway's token",
            "it is signed with the same secret; what clock does your library use?",
            reads,
        ),
        Rule(
            "a guest's token names nobody: it is refused",
            "a user called None would be the account of every guest",
            lambda: refuses(minted(_SECRET, timedelta(), guest=True), "of a guest"),
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
    ]


def lesson2(build: Build, follow: Next, *, limit: float = 10.0) -> Graded:
    """Grade lesson 2: create a transaction, and know what to do after each status.

    Parameters
    ----------
    build
        ``build(gateway, api_secret, token, notes)`` gives path, headers and body of the
        request that creates a v2 holdings import; it raises where `notes` are too long.
    follow
        ``follow(transaction_details)`` gives what to do next: ``"wait"``, ``"fetch"``,
        ``"new transaction"`` or ``"give up"``.
    limit
        Seconds that the code may run, in all.

    Examples
    --------
    >>> graded = lesson2(lambda *request: ("", {}, {}), lambda details: "wait")
    >>> graded.passed, graded.failed[0]
    (False, 'the sandbox accepts the request')
    """
    with Learner(limit) as learner:
        build, follow = learner.adopt(build), learner.adopt(follow)
        return grade(2, [*_rules_of_request(build), *_rules_of_status(follow)])


def _rules_of_request(build: Build) -> list[Rule]:
    def built(
        gateway: str, secret: str, token: str, notes: str | None
    ) -> tuple[str, dict[str, str], dict[str, object]]:
        made: object = build(gateway, secret, token, notes)
        parts = (
            cast("tuple[object, ...]", made)
            if isinstance(made, tuple | list)
            else tuple(read_field(made, name) for name in _BUILT)
        )
        path, headers, body = parts
        if isinstance(body, str | bytes):
            body = json.loads(body)
        fields = dict(cast("Mapping[str, object]", body or {}))
        return str(path), dict(cast("Mapping[str, str]", headers or {})), fields

    def created() -> Seen | None:
        sb = share_source().clear().sandbox
        token = _JWT.encode({"guest": True}, sb.shared_secret, algorithm="HS256")
        path, headers, body = built(sb.gateway, sb.api_secret, token, "lesson 2")
        reply = send(
            sb.url + path,
            {"content-type": "application/json", **headers},
            body=json.dumps(body).encode(),
        )
        if reply.status == 200:
            return None
        shown = reply.body[:300].decode(errors="replace")
        hint = "path and method: are they the published ones?"
        return Seen(
            f"the sandbox answered {reply.status}: {shown}",
            hint if reply.status in {404, 405} else "",
        )

    def hides() -> Seen | None:
        path, _, body = built("demo", _OTHER, "a-token", None)
        shown = path + json.dumps(body)
        secret = _OTHER in shown or "%20".join(_OTHER.split()) in shown
        return Seen("a secret stands in the path or body") if secret else None

    def asks(field: str, wanted: object, notes: str | None = None) -> Seen | None:
        _, _, body = built("demo", "secret", "token", notes)
        return is_not(body.get(field), wanted, of=f"the field {field!r}")

    def bounded() -> Seen | None:
        for mark in ("n", "न"):
            built("demo", "secret", "token", mark * 256)
        try:
            _, _, body = built("demo", "secret", "token", "n" * 257)
        except Exception:  # any error is a refusal
            return None
        sent = body.get("notes")
        cut = isinstance(sent, str) and len(sent) <= 256
        return Seen(
            "notes of 257 characters were accepted",
            "who cuts a text silently sends what nobody wrote" if cut else "",
        )

    return [
        Rule(
            "the sandbox accepts the request",
            "both headers are needed, each with its own value",
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
        Rule(
            "notes travel in the body as they are",
            "they come back with the holdings: what did you send?",
            lambda: asks("notes", "lesson 2", "lesson 2"),
        ),
        Rule("notes have at most 256 characters", "257 is one too many", bounded),
    ]


def _rules_of_status(follow: Next) -> list[Rule]:
    def answer(status: str, message: str, code: int) -> tuple[object, str]:
        details: dict[str, object] = {"status": status}
        if message:
            details["error"] = {"value": True, "message": message, "code": code}
        got = read_word(follow(details))
        return got, f"{status} {message}".strip()

    def each(*cases: tuple[str, str, str, int, str]) -> Seen | None:
        for wanted, status, message, code, hint in cases:
            got, of = answer(status, message, code)
            seen = is_not(got, wanted, of=of, hint=hint, returned=True)
            if seen is not None:
                return seen
        return None

    def never(word: str, *cases: tuple[str, str, int]) -> Seen | None:
        for case in cases:
            got, of = answer(*case)
            if got == word or got is None:
                return Seen(f"for {of} your code gave {got!r}")
        return None

    def unknown() -> Seen | None:
        got, of = answer("ERRORED", "an_error_of_next_year", 9999)
        known = {"wait", "give up", "new transaction"}
        return None if got in known else Seen(f"for {of} your code gave {got!r}")

    return [
        Rule(
            "a running transaction is waited for, a completed one is fetched",
            "which statuses are still on their way?",
            lambda: each(
                ("wait", "INITIALIZED", "", 0, ""),
                ("wait", "USED", "", 0, "used is not ended: the user is logging in"),
                ("wait", "PROCESSING", "", 0, ""),
                ("fetch", "COMPLETED", "", 0, "the holdings are there now"),
            ),
        ),
        Rule(
            "what a new transaction mends gets one",
            "a transaction is used once and lives five minutes",
            lambda: each(
                ("new transaction", "EXPIRED", "", 0, ""),
                ("new transaction", "ERRORED", "transaction_expired", 3001, ""),
                (
                    *("new transaction", "ERRORED", "user_cancelled", 1011),
                    "the user closed a window; may they open it again?",
                ),
                (
                    *("new transaction", "ERRORED", "internal_error", 2000),
                    "whose failure was it, and will it last?",
                ),
            ),
        ),
        Rule(
            "what a retry cannot mend is given up",
            "would the same user with the same broker fare better?",
            lambda: each(
                ("give up", "ERRORED", "user_mismatch", 1001, ""),
                ("give up", "ERRORED", "intent_not_enabled_for_broker", 3000, ""),
                ("give up", "ERRORED", "no_broker", 1007, ""),
            ),
        ),
        Rule(
            "a user who refuses consent is not asked again by a machine",
            "who said no, and whose turn is it now?",
            lambda: each(("give up", "ERRORED", "consent_denied", 1003, "")),
        ),
        Rule(
            "timed_out is answered by a look at the transaction, not by a new one",
            "who stopped looking: the gateway, or the script in the browser?",
            lambda: (
                each(("wait", "PROCESSING", "timed_out", 4003, ""))
                or never("new transaction", ("ERRORED", "timed_out", 4003))
            ),
        ),
        Rule(
            "an error that nobody has published gets an answer, and is no success",
            "codes have changed between versions of the SDK: what about the next?",
            unknown,
        ),
    ]
