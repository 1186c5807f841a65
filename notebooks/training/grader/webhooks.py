"""Lessons 3 and 7: what to believe of a webhook, and in which order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import permutations
from typing import Final

from grader.grade import Graded, Rule, Seen, grade, is_not, read_field, read_status
from grader.learner import Learner
from grader.source import share_source
from holdings_kit.wire import webhook_checksum

__all__ = ["Apply", "Handler", "lesson3", "lesson7", "sign_body"]

Handler = Callable[[bytes, str], int]
Snapshot = Mapping[str, object]
Apply = Callable[["Snapshot | None", Snapshot], "Snapshot | None"]

_KEY: Final = "sandbox_api_secret"
_WHO: Final = "64b7f0c2a1d3e4f5a6b7c8d9"
_TRX: Final = "TRX_" + "0" * 32
_STAMP: Final = "2026-01-05T10:15:30.123Z"
_DONE: Final = range(200, 300)
_REFUSED: Final = range(400, 500)


def sign_body(secret: str, *, subject: str = _WHO, **changes: object) -> bytes:
    """Make a delivery, signed, and change it after that; ``None`` removes a field."""
    body: dict[str, object] = {
        "securities": [],
        "smallcases": {},
        "smallcaseAuthId": _WHO,
        "transactionId": _TRX,
        "timestamp": _STAMP,
    }
    stamp = str(changes.get("timestamp", _STAMP))
    body["checksum"] = webhook_checksum(secret, timestamp=stamp, subject=subject)
    return json.dumps(
        {k: v for k, v in (body | changes).items() if v is not None}
    ).encode()


def lesson3(handler: Handler, *, limit: float = 10.0) -> Graded:
    """Grade lesson 3: a webhook handler.

    Parameters
    ----------
    handler
        ``handler(body, api_secret)`` gives the HTTP status to answer.
    limit
        Seconds that the code may run, in all.

    Examples
    --------
    >>> graded = lesson3(lambda body, api_secret: 200)
    >>> graded.passed, graded.failed[0]
    (False, 'a delivery with a wrong checksum is answered with 401')
    """
    with Learner(limit, watch=True) as learner:
        return grade(3, _rules_of_checksum(learner, learner.adopt(handler)))


def _rules_of_checksum(learner: Learner, handler: Handler) -> list[Rule]:
    def answer(body: bytes, secret: str = _KEY) -> object:
        try:
            return read_status(handler(body, secret))
        except Exception as error:
            if isinstance(read_status(error), int):  # as web frameworks raise it
                return read_status(error)
            raise

    def delivered(faults: str = "") -> Seen | None:
        source = share_source().clear()
        source.sandbox.set_faults(faults)
        for body in source.import_holdings("asha"):
            got = answer(body, source.sandbox.api_secret)
            if not faults and got not in _DONE:
                return Seen(f"for a genuine delivery your code gave {got!r}")
            if faults and got != 401:
                return Seen(f"for a forged delivery your code gave {got!r}")
        return None

    def accepted(body: bytes, of: str) -> Seen | None:
        got = answer(body)
        return None if got in _DONE else is_not(got, 200, of=of, returned=True)

    def refused(body: bytes, of: str) -> Seen | None:
        got = answer(body)
        return None if got in _REFUSED else is_not(got, 401, of=of, returned=True)

    def funds() -> Seen | None:
        body = sign_body(_KEY, subject=_TRX, securities=None)
        return accepted(body, "a delivery of funds only")

    def constant() -> Seen | None:
        if answer(sign_body(_KEY)) in _DONE and learner.compares_safely:
            return None
        return Seen("the checksums were compared as any two texts are")

    def garbage() -> Seen | None:
        for body in (b"", b"{", b"[]", b"\xff", b"null"):
            got = answer(body)
            if got not in _REFUSED:
                return Seen(f"for the body {body!r} your code gave {got!r}")
        return None

    epoch = sign_body(_KEY, timestamp=1767608130123)
    return [
        Rule(
            "a genuine delivery is answered with 2xx",
            "what is the message that is signed, and with which secret?",
            delivered,
        ),
        Rule(
            "a delivery with a wrong checksum is answered with 401",
            "compare what you compute with what came",
            lambda: delivered("webhook: bad checksum"),
        ),
        Rule(
            "checksums are compared in constant time",
            "== stops at the first difference, and a clock sees where",
            constant,
        ),
        Rule(
            "a missing checksum is a wrong one",
            "what does your code do where the field is not there?",
            lambda: refused(sign_body(_KEY, checksum=None), "a missing checksum"),
        ),
        Rule(
            "another user's checksum does not fit",
            "the subject is part of the message",
            lambda: refused(
                sign_body(_KEY, smallcaseAuthId="f" * 24), "another user's checksum"
            ),
        ),
        Rule(
            "the timestamp is taken exactly as received",
            "parsing and writing a time again changes its text; a number is text too",
            lambda: accepted(epoch, "an epoch time"),
        ),
        Rule(
            "a delivery of funds only signs its transaction",
            "there are two published messages: does one of them fit?",
            funds,
        ),
        Rule(
            "what is no JSON object is the sender's mistake, not yours",
            "an exception becomes 500, and 500 makes the sender try again",
            garbage,
        ),
    ]


def lesson7(apply: Apply, *, limit: float = 10.0) -> Graded:
    """Grade lesson 7: which of many deliveries is the truth.

    Parameters
    ----------
    apply
        ``apply(kept, delivery)`` gives what to keep: the newer snapshot. `kept` is
        ``None`` at first. Both have ``snapshotDate`` (ISO text) and ``securities``
        (ISIN → quantity).
    limit
        Seconds that the code may run, in all.

    Examples
    --------
    >>> graded = lesson7(lambda kept, delivery: delivery)
    >>> graded.passed, graded.failed[0]
    (False, 'a late retry never replaces something newer')
    """
    with Learner(limit) as learner:
        return grade(7, _rules_of_order(learner.adopt(apply)))


def _rules_of_order(apply: Apply) -> list[Rule]:
    first = ("2026-01-05T10:00:00.000Z", {"A": 10, "B": 5})
    second = ("2026-01-06T10:00:00.000Z", {"A": 10})
    third = ("2026-01-07T10:00:00.000Z", {"A": 12, "C": 1})
    nothing = ("2026-01-08T10:00:00.000Z", {})
    Dated = tuple[str, dict[str, int]]  # noqa: N806

    def holds(
        wanted: Dated, *deliveries: Dated, of: str, hint: str = ""
    ) -> Seen | None:
        kept: Snapshot | None = None
        for at, securities in deliveries:  # each a fresh one: code may change it
            kept = apply(kept, {"snapshotDate": at, "securities": dict(securities)})
        return is_not(read_field(kept, "securities"), wanted[1], of=of, hint=hint)

    def any_order() -> Seen | None:
        for order in permutations((first, second, third, first)):
            seen = holds(third, *order, of="deliveries in another order")
            if seen is not None:
                return seen
        return None

    def doubted() -> Seen | None:
        try:
            seen = holds(third, third, nothing, of="an empty snapshot")
        except Exception:  # a loud refusal is none the worse
            return None
        return seen or holds(
            *(third, second, nothing, third),
            of="a full snapshot of before the empty one, arriving after it",
            hint="the empty one was not believed: what is the newest that was?",
        )

    return [
        Rule(
            "the first delivery is kept",
            "nothing was kept before",
            lambda: holds(first, first, of="the first delivery"),
        ),
        Rule(
            "a first delivery that is empty is kept: there was nothing to lose",
            "an account may own nothing; is an empty dictionary nothing?",
            lambda: (
                holds(nothing, nothing, of="an empty first delivery")
                or holds(third, ("2026-01-01T10:00:00Z", {}), third, of="what follows")
            ),
        ),
        Rule(
            "a newer snapshot replaces the older one whole",
            "updating what is in it leaves what was sold",
            lambda: holds(second, first, second, of="a share that was sold"),
        ),
        Rule(
            "a late retry never replaces something newer",
            "arrival is not age",
            lambda: holds(third, third, first, of="a late retry"),
        ),
        Rule(
            "the same delivery twice changes nothing",
            "retries are sent even when you answered",
            lambda: holds(second, second, second, of="a duplicate"),
        ),
        Rule(
            "no order and no repetition changes the outcome",
            "think of the set of deliveries, not of their sequence",
            any_order,
        ),
        Rule(
            "instants are compared, not their spelling",
            "two texts with different offsets do not sort like their instants",
            lambda: holds(
                third,
                third,
                ("2026-01-07T09:00:00.000+05:30", {"A": 1}),  # 03:30 UTC
                ("2026-01-07T12:00:00.000+05:30", {"A": 1}),  # 06:30 UTC
                of="an older instant with a larger clock reading",
            ),
        ),
        Rule(
            "an empty snapshot after a full one is not believed silently",
            "it may be a failed fetch as well as a sale of everything",
            doubted,
        ),
    ]
