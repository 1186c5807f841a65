"""Lesson 11: two secrets at once, and what a log may say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from grader.grade import Graded, Rule, Seen, grade, is_not, read_field
from grader.learner import Learner
from grader.webhooks import sign_body

__all__ = ["Find", "Record", "lesson11"]

Find = Callable[[bytes, Sequence[str]], "int | None"]
Record = Callable[[Mapping[str, object]], Mapping[str, object]]

_NEW: Final = "the secret of this month"
_OLD: Final = "the secret of last month"
_OLDEST: Final = "the secret of last year"
_TOKEN: Final = "eyJhbGciOiJIUzI1NiJ9.a-token.of-a-user"
_WHO: Final = "64b7f0c2a1d3e4f5a6b7c8d9"


def lesson11(find: Find, record: Record, *, limit: float = 10.0) -> Graded:
    """Grade lesson 11: rotate secrets, and watch without showing them.

    Parameters
    ----------
    find
        ``find(body, secrets)`` gives the index of the API secret that a delivery is
        signed with, ``None`` where none fits.
    record
        ``record(call)`` gives what to log of a call: ``source``, ``call`` (method and
        path), ``status`` and ``seconds``. `call` has ``source``, ``method``, ``url``,
        ``headers``, ``status`` (``None`` where no answer came) and ``seconds``.
    limit
        Seconds that the code may run, in all.

    Examples
    --------
    >>> graded = lesson11(lambda body, secrets: 0, lambda call: call)
    >>> graded.passed, graded.failed[0]
    (False, 'during a rotation the old secret still fits, and the log says which')
    """
    with Learner(limit, watch=True) as learner:
        rules = _rules_of_rotation(learner, learner.adopt(find))
        return grade(11, [*rules, *_rules_of_records(learner.adopt(record))])


def _rules_of_rotation(learner: Learner, find: Find) -> list[Rule]:
    def finds(wanted: int | None, signed: str, *secrets: str, of: str) -> Seen | None:
        got = find(sign_body(signed), list(secrets))
        if isinstance(got, bool):  # True is 1
            return Seen(f"for {of} your code gave {got!r}", "which of them fits?")
        return is_not(got, wanted, of=of)

    def none_fits() -> Seen | None:
        return (
            finds(None, "forged", _NEW, _OLD, of="a forged delivery")
            or finds(None, _OLD, _NEW, of="a secret that was taken out")
            or finds(None, _NEW, of="no secrets at all")
        )

    def broken() -> Seen | None:
        for body in (b"{", b"[]", sign_body(_NEW, checksum=None)):
            got = find(body, [_NEW, _OLD])
            if got is not None:
                return is_not(got, None, of=f"the body {body[:12]!r}")
        return None

    def constant() -> Seen | None:
        if find(sign_body(_NEW), [_NEW]) == 0 and learner.compares_safely:
            return None
        return Seen("the checksums were compared as any two texts are")

    return [
        Rule(
            "the secret in use fits",
            "lesson 3, for each secret",
            lambda: finds(0, _NEW, _NEW, _OLD, of="the secret in use"),
        ),
        Rule(
            "during a rotation the old secret still fits, and the log says which",
            "deliveries that are retried were signed days ago",
            lambda: (
                finds(1, _OLD, _NEW, _OLD, of="the old secret")
                or finds(2, _OLDEST, _NEW, _OLD, _OLDEST, of="the third of three")
            ),
        ),
        Rule(
            "where no secret fits the answer is None",
            "0 is the first secret, and None is none",
            none_fits,
        ),
        Rule(
            "what is no delivery fits no secret, and is no crash",
            "lesson 3: an exception becomes 500",
            broken,
        ),
        Rule(
            "checksums are compared in constant time",
            "== stops at the first difference, and a clock sees where",
            constant,
        ),
    ]


def _rules_of_records(record: Record) -> list[Rule]:
    def call(**changes: object) -> dict[str, object]:
        return {
            "source": "gateway",
            "method": "GET",
            "url": f"https://gatewayapi.example/v1/demo/engine/user/holdings?id={_WHO}",
            "headers": {"x-gateway-secret": _NEW, "x-gateway-authtoken": _TOKEN},
            "status": 200,
            "seconds": 0.25,
            **changes,
        }

    def says(name: str, wanted: object, of: str, **changes: object) -> Seen | None:
        return is_not(read_field(record(call(**changes)), name), wanted, of=of)

    def shown(**changes: object) -> str:
        made = record(call(**changes))
        text = json.dumps(made, default=repr) if isinstance(made, dict) else ""
        return f"{text} {made!r} {getattr(made, '__dict__', '')}"

    def hides() -> Seen | None:
        for status in (200, 401, None):
            text = shown(status=status)
            for what, secret in {"API secret": _NEW, "token": _TOKEN}.items():
                if secret in text:
                    return Seen(f"the {what} stands in the record")
            if _WHO in text:
                return Seen(
                    "the user's id stands in the record",
                    "an address has a path, and what follows the question mark",
                )
        return None

    def names_call() -> Seen | None:
        got = str(read_field(record(call()), "call"))
        fits = "GET" in got and "/v1/demo/engine/user/holdings" in got
        return None if fits else Seen(f"the field 'call' is {got!r:.80}")

    return [
        Rule(
            "a record names source, status and duration",
            "what would you want to know at three in the morning?",
            lambda: (
                says("source", "gateway", "the source")
                or says("status", 200, "the status")
                or says("seconds", 0.25, "the duration")
            ),
        ),
        Rule(
            "a record names method and path of the call",
            "which call was slow?",
            names_call,
        ),
        Rule(
            "no secret, no token and no user's id stands in a record",
            "take what you need, and leave the rest: a list of what to hide has gaps",
            hides,
        ),
        Rule(
            "a call without an answer is recorded too, its status unknown",
            "a number that nobody sent is no status",
            lambda: says("status", None, "a call without an answer", status=None),
        ),
    ]
