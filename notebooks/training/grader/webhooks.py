"""Lessons 3 and 7: what to believe of a webhook, and in which order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import permutations
from typing import Final

from grader.grade import Graded, Rule, grade, is_not
from holdings_kit import sandbox
from holdings_kit.sandbox import gateway_client
from holdings_kit.wire import webhook_checksum

__all__ = ["Apply", "Handler", "lesson3", "lesson7"]

Handler = Callable[[bytes, str], int]
Kept = Mapping[str, object]
Apply = Callable[["Kept | None", Kept], "Kept | None"]

_NOW: Final = datetime(2026, 1, 5, 4, 30, tzinfo=UTC)
_KEY: Final = "sandbox_api_secret"
_WHO: Final = "64b7f0c2a1d3e4f5a6b7c8d9"
_DONE: Final = range(200, 300)


def lesson3(handler: Handler) -> Graded:
    """Grade lesson 3: a webhook handler.

    Parameters
    ----------
    handler
        ``handler(body, api_secret)`` gives the HTTP status to answer.

    Examples
    --------
    >>> graded = lesson3(lambda body, api_secret: 200)
    >>> graded.passed, graded.failed[0]
    (False, 'a delivery with a wrong checksum is answered with 401')
    """

    def delivered(faults: str = "", *, forge: bool = False) -> str | None:
        bodies: list[bytes] = []

        def take(_: str, body: bytes) -> int:
            bodies.append(body)
            return 200

        with sandbox.serve(clock=_NOW, faults=faults, sender=take) as sb:
            sb.register_webhook("http://127.0.0.1:9/webhook")
            _import(sb)
            got = [handler(body, sb.api_secret) for body in bodies]
        if not got:
            return "the sandbox sent nothing"
        right = all((status == 401) if forge else (status in _DONE) for status in got)
        kind = "a forged" if forge else "a genuine"
        return None if right else f"for {kind} delivery your code gave {got[0]}"

    def answer(**changes: object) -> str | None:
        body: dict[str, object] = {
            "securities": [],
            "smallcases": {},
            "smallcaseAuthId": _WHO,
            "transactionId": "TRX_" + "0" * 32,
            "timestamp": "2026-01-05T10:15:30.123Z",
        }
        body["checksum"] = webhook_checksum(
            _KEY, timestamp=str(body["timestamp"]), subject=_WHO
        )
        wanted = changes.pop("wanted", 401)
        kind = str(changes.pop("kind"))
        body = {k: v for k, v in (body | changes).items() if v is not None}
        got = handler(json.dumps(body).encode(), _KEY)
        if wanted == 200:
            return None if got in _DONE else f"for {kind} your code gave {got}"
        return is_not(got, wanted, of=kind)

    def funds() -> str | None:
        trx, stamp = "TRX_" + "0" * 32, "2026-01-05T10:15:30.123Z"
        checksum = webhook_checksum(_KEY, timestamp=stamp, subject=trx)
        return answer(checksum=checksum, kind="a mutual-fund import", wanted=200)

    def exact() -> str | None:
        """Sign an epoch number as it was received, digit by digit."""
        stamp = "1767608130123"
        checksum = webhook_checksum(_KEY, timestamp=stamp, subject=_WHO)
        return answer(
            timestamp=int(stamp), checksum=checksum, kind="an epoch time", wanted=200
        )

    def garbage() -> str | None:
        for body in (b"", b"{", b"[]", b"\xff", b"null"):
            got = handler(body, _KEY)
            if not 400 <= got < 500:
                return f"for the body {body!r} your code gave {got}"
        return None

    return grade(
        3,
        [
            Rule(
                "a genuine delivery is answered with 2xx",
                "what is the message that is signed, and with which secret?",
                delivered,
            ),
            Rule(
                "a delivery with a wrong checksum is answered with 401",
                "compare what you compute with what came, in constant time",
                lambda: delivered("webhook: bad checksum", forge=True),
            ),
            Rule(
                "a missing checksum is a wrong one",
                "what does your code do where the field is not there?",
                lambda: answer(checksum=None, kind="a missing checksum"),
            ),
            Rule(
                "another user's checksum does not fit",
                "the subject is part of the message",
                lambda: answer(
                    smallcaseAuthId="f" * 24, kind="another user's checksum"
                ),
            ),
            Rule(
                "the timestamp is taken exactly as received",
                "parsing and writing a time again changes its text",
                exact,
            ),
            Rule(
                "an import of mutual funds only signs its transaction",
                "there are two published messages",
                funds,
            ),
            Rule(
                "what is no JSON object is the sender's mistake, not yours",
                "an exception becomes 500, and 500 makes the sender try again",
                garbage,
            ),
        ],
    )


def lesson7(apply: Apply) -> Graded:
    """Grade lesson 7: which of many deliveries is the truth.

    Parameters
    ----------
    apply
        ``apply(kept, delivery)`` gives what to keep: the newer snapshot. `kept` is
        ``None`` at first. Both have ``snapshotDate`` (ISO text) and ``securities``
        (ISIN → quantity).

    Examples
    --------
    >>> graded = lesson7(lambda kept, delivery: delivery)
    >>> graded.passed, graded.failed[0]
    (False, 'a late retry never replaces something newer')
    """
    first = _snapshot("2026-01-05T10:00:00.000Z", A=10, B=5)
    second = _snapshot("2026-01-06T10:00:00.000Z", A=10)
    third = _snapshot("2026-01-07T10:00:00.000Z", A=12, C=1)
    nothing = _snapshot("2026-01-08T10:00:00.000Z")

    def after(*deliveries: Kept) -> Kept | None:
        kept: Kept | None = None
        for delivery in deliveries:
            kept = apply(kept, delivery)
        return kept

    def holds(wanted: Kept, *deliveries: Kept, of: str) -> str | None:
        kept = after(*deliveries)
        return is_not((kept or {}).get("securities"), wanted["securities"], of=of)

    def any_order() -> str | None:
        for order in permutations((first, second, third, first)):
            seen = holds(third, *order, of="deliveries in another order")
            if seen is not None:
                return seen
        return None

    def offset() -> str | None:
        local = _snapshot("2026-01-07T09:00:00.000+05:30", A=1)  # 03:30 UTC
        return holds(
            third, third, local, of="an older instant with a larger clock reading"
        )

    return grade(
        7,
        [
            Rule(
                "the first delivery is kept",
                "nothing was kept before",
                lambda: holds(first, first, of="the first delivery"),
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
                offset,
            ),
            Rule(
                "an empty snapshot after a full one is not believed silently",
                "it may be a failed fetch as well as a sale of everything",
                lambda: holds(third, third, nothing, of="an empty snapshot"),
            ),
        ],
    )


def _import(sb: sandbox.Sandbox) -> None:
    with gateway_client(sb) as client:
        created = client.create_import()
        sb.play(created.transaction_id, persona="asha")
        sb.advance(seconds=10)


def _snapshot(at: str, **securities: int) -> Kept:
    return {"snapshotDate": at, "securities": securities}
