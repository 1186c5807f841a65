"""Lessons 8 to 10: whose account it is, what a fetch confirms, what may be stored."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, Final, cast

from grader.grade import (
    Graded,
    Rule,
    Seen,
    grade,
    is_not,
    read_field,
    read_number,
    read_status,
    read_word,
)
from grader.learner import Learner

__all__ = [
    "Connect",
    "Erase",
    "MayUse",
    "Merge",
    "Receive",
    "Reconcile",
    "lesson8",
    "lesson9",
    "lesson10",
]

Row = Mapping[str, object]
Records = dict[str, Any]
Connect = Callable[[dict[str, str], str, str], int]
Merge = Callable[[list[Mapping[str, object]]], Mapping[str, Mapping[str, object]]]
Reconcile = Callable[[Mapping[str, object], "Mapping[str, object] | None"], str]
MayUse = Callable[["Mapping[str, object] | None", str, datetime], bool]
Erase = Callable[[Records, str], object]
Receive = Callable[[Records, Mapping[str, object]], object]

_A: Final = "64b7f0c2a1d3e4f5a6b7c8d9"
_B: Final = "0a1b2c3d4e5f60718293a4b5"
_C: Final = "ffeeddccbbaa998877665544"
_DONE: Final = range(200, 300)
_NEAR: Final = Fraction(1, 10**9)


def _row(
    isin: str,
    quantity: float,
    average: float | None,
    *,
    nse: str | None = None,
    bse: str | None = None,
    in_smallcase: int = 0,
) -> dict[str, object]:
    """Make one row of a v2 holdings reply."""
    return {
        "isin": isin,
        "name": f"{nse or bse or isin} LTD",
        "nseTicker": nse,
        "bseTicker": bse,
        "holdings": {"quantity": quantity, "averagePrice": average},
        "positions": {"nse": {"quantity": 0, "averagePrice": 0}},
        "transactableQuantity": quantity,
        "smallcaseQuantity": in_smallcase,
    }


def lesson8(connect: Connect, merge: Merge, *, limit: float = 10.0) -> Graded:
    """Grade lesson 8: users and their accounts.

    Parameters
    ----------
    connect
        ``connect(links, user, auth_id)`` stores in `links` (smallcaseAuthId → user)
        whose account it is, and gives the HTTP status for the browser: 2xx, or 409
        where the account is another user's.
    merge
        ``merge(snapshots)`` gives one person's shares over all accounts: ISIN →
        ``quantity`` and ``average``. A snapshot has ``securities``, as v2 gives them.
    limit
        Seconds that the code may run, in all.

    Examples
    --------
    >>> graded = lesson8(lambda links, user, auth_id: 200, lambda snapshots: {})
    >>> graded.passed, graded.failed[0]
    (False, 'a new account is stored for its user')
    """
    with Learner(limit) as learner:
        connect, merge = learner.adopt(connect), learner.adopt(merge)
        return grade(8, [*_rules_of_links(connect), *_rules_of_merging(merge)])


def _rules_of_links(connect: Connect) -> list[Rule]:
    def stores(before: dict[str, str], user: str, auth_id: str, of: str) -> Seen | None:
        links = dict(before)
        status = read_status(connect(links, user, auth_id))
        if status not in _DONE:
            return is_not(status, 200, of=of, returned=True)
        return is_not(links, before | {auth_id: user}, of=f"the links after {of}")

    def conflict() -> Seen | None:
        links = {_A: "meera"}
        try:
            status, text = read_status(connect(links, "ravi", _A)), ""
        except Exception as refused:  # an error is an answer too, if it is one
            given = read_status(refused)
            status, text = (given if isinstance(given, int) else 409), str(refused)
        if links != {_A: "meera"}:
            return Seen(
                f"the links are now {links!r}", "whose holdings would Meera see now?"
            )
        if "meera" in text:
            return Seen(
                f"the error says {text!r:.80}", "what does a stranger learn from that?"
            )
        return is_not(status, 409, of="another user's account", returned=True)

    return [
        Rule(
            "a new account is stored for its user",
            "what is the key: the user, or the account?",
            lambda: stores({}, "meera", _A, "a new account"),
        ),
        Rule(
            "one user may have several accounts",
            "one person with two brokers has two ids",
            lambda: stores({_A: "meera"}, "meera", _B, "a second account"),
        ),
        Rule(
            "the same account again changes nothing, and is no conflict",
            "every refresh ends with the same id",
            lambda: stores(
                {_A: "meera", _C: "ravi"}, "meera", _A, "the same account again"
            ),
        ),
        Rule(
            "an account of another user is answered with 409, and stays theirs",
            "the same id is never stored for two users: which one is right?",
            conflict,
        ),
    ]


def _rules_of_merging(merge: Merge) -> list[Rule]:
    def gives(
        name: str, wanted: str | None, *accounts: list[Row], of: str, hint: str = ""
    ) -> Seen | None:
        ids = (_A, _B, _C)
        got = merge(
            [
                {
                    "smallcaseAuthId": ids[number],
                    "snapshotDate": "2026-01-05T10:00:00.000Z",
                    "securities": copy.deepcopy(rows),
                }
                for number, rows in enumerate(accounts)
            ]
        )
        found = read_field(read_field(got, "INE062A01020"), name)
        ours, right = read_number(found), read_number(wanted)
        if isinstance(ours, Fraction) and isinstance(right, Fraction):
            close = abs(ours - right) <= _NEAR * max(abs(right), 1)
            near = not close and abs(ours - right) * 500 < max(abs(right), 1)
            hint = "nearly: what was rounded, and why?" if near and not hint else hint
        else:
            close = ours == right
        if close:
            return None
        return is_not(found, wanted, of=f"{name} of {of}", hint=hint)

    one = [_row("INE062A01020", 10, 100.05, nse="SBIN")]
    two = [_row("INE062A01020", 30, 101.1, nse="SBIN")]
    free = [_row("INE062A01020", 30, None, nse="SBIN")]

    def by_isin() -> Seen | None:
        renamed = [_row("INE062A01020", 30, 101.1, bse="SBIN")]
        seen = gives("quantity", "40", one, renamed, of="one share, two tickers")
        if seen is not None:
            return seen
        other = _row("INE669E01016", 7, 6.6, bse="500112")
        other |= {"nseTicker": "SBIN"}  # a name that passed on to another share
        return gives("quantity", "10", one, [other], of="two shares, one ticker")

    return [
        Rule(
            "a person's share is the sum over the accounts",
            "an account is a part of what the person owns",
            lambda: gives("quantity", "40", one, two, of="10 and 30 shares"),
        ),
        Rule(
            "shares are told apart by ISIN, not by ticker",
            "tickers change, and a share at one exchange only has one of two",
            by_isin,
        ),
        Rule(
            "shares inside a smallcase are not counted again",
            "in v2 the demat quantity includes them",
            lambda: gives(
                "quantity",
                "12",
                [_row("INE062A01020", 12, 100, nse="SBIN", in_smallcase=4)],
                of="12 shares, 4 of them in a smallcase",
            ),
        ),
        Rule(
            "the average weighs each account by its quantity",
            "what was paid in all, for how many?",
            lambda: (
                gives("average", "100.8375", one, two, of="10 and 30 shares")
                or gives("average", "100.05", one, of="one account")
            ),
        ),
        Rule(
            "an unknown average leaves the average unknown, and the shares counted",
            "a share given as a gift has a price nobody knows: is that 0?",
            lambda: (
                gives("average", None, one, free, of="10 bought, 30 received")
                or gives("quantity", "40", one, free, of="10 bought, 30 received")
            ),
        ),
    ]


def lesson9(reconcile: Reconcile, *, limit: float = 10.0) -> Graded:
    """Grade lesson 9: does a fetch confirm what a webhook said?

    Parameters
    ----------
    reconcile
        ``reconcile(delivery, fetched)`` gives ``"accept"``, ``"dispute"``, or
        ``"wait"`` where the fetch failed (`fetched` is ``None``). `fetched` is what
        stands under ``data`` in the reply, and of the same instant.
    limit
        Seconds that the code may run, in all.

    Examples
    --------
    >>> graded = lesson9(lambda delivery, fetched: "accept")
    >>> graded.passed, graded.failed[0]
    (False, 'a fetch that failed confirms nothing, and denies nothing')
    """
    with Learner(limit) as learner:
        return grade(9, _rules_of_comparison(learner.adopt(reconcile)))


def _rules_of_comparison(reconcile: Reconcile) -> list[Rule]:
    basket = {
        "scid": "PRIV_1",
        "name": "Mine",
        "stats": {"currentValue": 1000.5, "totalReturns": 12.25},
        "constituents": [{"ticker": "SBIN", "shares": 4}],
    }
    facts: dict[str, Any] = {
        "smallcaseAuthId": _A,
        "broker": "groww",
        "snapshotDate": "2026-01-05T10:00:00.000Z",
        "securities": [
            _row("INE062A01020", 12, 812.25, nse="SBIN", bse="500112", in_smallcase=4),
            _row("INE118H01025", 3, None, nse="BSE"),
            _row("INE736A01011", 5, 990.5, bse="CDSL1"),
            _row("INE301O01023", 7, 780.0, bse="NSDL1"),
        ],
        "smallcases": {"public": [], "private": [basket]},
    }
    signed = {
        "transactionId": "TRX_" + "0" * 32,
        "timestamp": "2026-01-05T10:00:05.000Z",
        "checksum": "0" * 64,
        "notes": "lesson 9",
    }

    def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        made = copy.deepcopy(facts)
        change(made)
        return made

    def says(
        wanted: str,
        fetched: Mapping[str, object] | None,
        of: str,
        *,
        delivery: Mapping[str, object] = facts,
        hint: str = "",
    ) -> Seen | None:
        given = copy.deepcopy(dict(delivery)) | signed
        got = read_word(reconcile(given, copy.deepcopy(fetched)))
        return is_not(got, wanted, of=of, hint=hint, returned=True)

    def same() -> Seen | None:
        fetched: dict[str, object] = {**facts, "updating": False, "lastUpdate": None}
        return says("accept", fetched, "equal facts")

    def spelt_otherwise() -> Seen | None:
        other = changed(lambda made: made["securities"].reverse())
        seen = says("accept", other, "rows in another order")
        numbers = changed(lambda made: _holding(made, 0).update(quantity=12.0))
        return seen or says("accept", numbers, "12.0 shares for 12")

    def sold() -> Seen | None:
        fewer = changed(lambda made: made["securities"].pop())
        return says("dispute", fewer, "a share that the fetch has not") or says(
            "dispute", facts, "a share that only the fetch has", delivery=fewer
        )

    def baskets() -> Seen | None:
        other = copy.deepcopy(basket) | {
            "constituents": [{"ticker": "SBIN", "shares": 2}]
        }
        for form in ([other], {"investments": [other], "stats": {}}):
            made = changed(lambda m, f=form: m["smallcases"].update(private=f))
            seen = says("dispute", made, "other shares inside a private smallcase")
            if seen is not None:
                return seen
        wrapped = changed(
            lambda m: m["smallcases"].update(private={"investments": [basket]})
        )
        gone = changed(lambda m: m["smallcases"].update(private={"investments": []}))
        return (
            says("accept", wrapped, "the same smallcases under 'investments'")
            or says("dispute", gone, "a private smallcase that is gone")
            or says(
                *("dispute", gone, "a private smallcase under 'investments', gone"),
                delivery=wrapped,
            )
        )

    def averages() -> Seen | None:
        other = changed(lambda made: _holding(made, 0).update(averagePrice=99.5))
        zero = changed(lambda made: _holding(made, 1).update(averagePrice=0))
        return says("dispute", other, "another average") or says(
            *("dispute", zero, "an average of 0 for one that is unknown"),
            hint="unknown is not 0: what does your code make of null?",
        )

    def by_isin() -> Seen | None:
        made = changed(lambda m: _holding(m, 2).update(quantity=500))
        seen = says("dispute", made, "500 for 5 of a share without NSE ticker")
        named = changed(lambda m: m["securities"][0].update(nseTicker="SBINNEW"))
        return seen or says("accept", named, "a share with a new ticker")

    return [
        Rule(
            "equal facts are accepted",
            "time of sending, checksum and notes are no holdings",
            same,
        ),
        Rule(
            "a fetch that failed confirms nothing, and denies nothing",
            "not known yet is a third answer",
            lambda: says("wait", None, "a fetch that failed"),
        ),
        Rule(
            "neither the order of rows nor 12.0 for 12 is a difference",
            "compare facts, not text",
            spelt_otherwise,
        ),
        Rule(
            "another quantity is disputed",
            "the checksum does not cover the holdings: anybody who saw one can send it",
            lambda: says(
                "dispute",
                changed(lambda made: _holding(made, 0).update(quantity=1200)),
                "1200 shares for 12",
            ),
        ),
        Rule(
            "a share on one side only is disputed, whichever side",
            "who walks through one list never meets what only the other has",
            sold,
        ),
        Rule(
            "another average is disputed, and unknown is not 0",
            "an average is a fact as well",
            averages,
        ),
        Rule(
            "shares are matched by ISIN, not by ticker",
            "how many shares have no NSE ticker at all?",
            by_isin,
        ),
        Rule(
            "private smallcases count, in each of their published shapes",
            "a list, {stats}, or {investments}: which of them does your code read?",
            baskets,
        ),
        Rule(
            "another account's holdings are disputed",
            "equal shares do not make it the same person",
            lambda: says("dispute", facts | {"smallcaseAuthId": _B}, "another account"),
        ),
    ]


def _holding(made: dict[str, Any], number: int) -> dict[str, Any]:
    return cast("dict[str, Any]", made["securities"][number]["holdings"])


def lesson10(
    may_use: MayUse, erase: Erase, receive: Receive, *, limit: float = 10.0
) -> Graded:
    """Grade lesson 10: consent, unlinking, erasure.

    Parameters
    ----------
    may_use
        ``may_use(consent, purpose, now)`` tells whether data may be used. `consent` has
        ``purposes``, ``given_at``, ``ends_at`` and ``withdrawn_at`` (instants, or
        ``None``); it is ``None`` where there never was one.
    erase
        ``erase(records, user)`` removes a user from `records`: ``links``
        (smallcaseAuthId → user), ``snapshots`` and ``deliveries`` (lists), ``consents``
        (user → consent).
    receive
        ``receive(records, delivery)`` adds a delivery to ``deliveries``, unless its
        account is linked to nobody.
    limit
        Seconds that the code may run, in all.

    Examples
    --------
    >>> graded = lesson10(lambda *_: True, lambda *_: None, lambda *_: None)
    >>> graded.passed, graded.failed[0]
    (False, 'without consent nothing is used')
    """
    with Learner(limit) as learner:
        rules = _rules_of_consent(learner.adopt(may_use))
        return grade(
            10,
            [*rules, *_rules_of_erasure(learner.adopt(erase), learner.adopt(receive))],
        )


def _rules_of_consent(may_use: MayUse) -> list[Rule]:
    given = datetime(2026, 1, 5, 4, 30, tzinfo=UTC)
    day = timedelta(days=1)
    consent: dict[str, object] = {
        "purposes": ["portfolio"],
        "given_at": given,
        "ends_at": given + 90 * day,
        "withdrawn_at": None,
    }

    def says(
        wanted: bool,  # noqa: FBT001
        of: str,
        *,
        purpose: str = "portfolio",
        now: datetime = given + day,
        **changes: object,
    ) -> Seen | None:
        got = may_use(consent | changes, purpose, now)
        return is_not(bool(got), wanted, of=of)

    def withdrawn() -> Seen | None:
        later = {"withdrawn_at": given + 10 * day}
        return says(
            False, "a consent withdrawn yesterday", now=given + 11 * day, **later
        ) or says(
            False,
            "a consent withdrawn at this instant",
            now=given + 10 * day,
            **later,
        )

    return [
        Rule(
            "what was consented to may be done",
            "its purpose, within its time",
            lambda: (
                says(True, "a consent of yesterday")
                or says(True, "a consent without an end", ends_at=None)
            ),
        ),
        Rule(
            "without consent nothing is used",
            "None is no consent",
            lambda: is_not(
                bool(may_use(None, "portfolio", given)), False, of="no consent"
            ),
        ),
        Rule(
            "consent is for a purpose, and for no other",
            "who let you show a portfolio has not let you lend against it",
            lambda: says(False, "another purpose", purpose="lending"),
        ),
        Rule(
            "consent that is withdrawn is gone from that instant",
            "withdrawing is as easy as giving, and counts at once",
            withdrawn,
        ),
        Rule(
            "consent ends when it says, and begins when it was given",
            "an instant before it, and one after",
            lambda: (
                says(False, "a consent that ended", now=given + 91 * day)
                or says(False, "the day before it was given", now=given - day)
            ),
        ),
    ]


def _rules_of_erasure(erase: Erase, receive: Receive) -> list[Rule]:
    def records() -> Records:
        return {
            "links": {_A: "meera", _B: "meera", _C: "ravi"},
            "snapshots": [
                {"smallcaseAuthId": who, "at": 1} for who in (_A, _C, _B, _A)
            ],
            "deliveries": [{"smallcaseAuthId": who, "at": 2} for who in (_B, _A, _C)],
            "consents": {"meera": {"purposes": ["portfolio"]}, "ravi": {}},
        }

    def erased() -> Records:
        made = records()
        got = erase(made, "meera")
        return cast("Records", got) if isinstance(got, dict) else made

    def leaves() -> Seen | None:
        shown = repr(erased())
        left = [who for who in (_A, _B, "meera") if who in shown]
        if not left:
            return None
        hint = "one person, two brokers: how many ids?" if left == [_B] else ""
        return Seen(f"{left[0]!r} still stands in the records", hint)

    def spares() -> Seen | None:
        left = erased()
        true = {
            "links": {_C: "ravi"},
            "snapshots": [{"smallcaseAuthId": _C, "at": 1}],
            "deliveries": [{"smallcaseAuthId": _C, "at": 2}],
        }
        for name, wanted in true.items():
            seen = is_not(left.get(name), wanted, of=f"{name} of everybody else")
            if seen is not None:
                return seen
        return None

    def unknown_user() -> Seen | None:
        made = records()
        got = erase(made, "nobody")
        left = got if isinstance(got, dict) else made
        return is_not(left, records(), of="the records after erasing a stranger")

    def late() -> Seen | None:
        left = erased()
        delivery = {"smallcaseAuthId": _A, "at": 3}
        try:
            got = receive(left, delivery)
        except Exception:  # a refusal
            got = None
        after = got if isinstance(got, dict) and "deliveries" in got else left
        shown = _A in repr(after)
        return Seen("the erased account is back in the records") if shown else None

    def receives() -> Seen | None:
        made, delivery = records(), {"smallcaseAuthId": _C, "at": 3}
        got = receive(made, delivery)
        after = got if isinstance(got, dict) and "deliveries" in got else made
        return is_not(
            after["deliveries"][-1], delivery, of="the last delivery of a user"
        )

    return [
        Rule(
            "erasing a user leaves nothing of any of their accounts",
            "links, snapshots, deliveries, consents: where else does an id stand?",
            leaves,
        ),
        Rule(
            "erasing a user leaves everybody else's records",
            "what else has your code removed?",
            spares,
        ),
        Rule(
            "erasing somebody unknown changes nothing",
            "a request may come twice",
            unknown_user,
        ),
        Rule(
            "a delivery of a user is stored",
            "whose account is it? look into the links",
            receives,
        ),
        Rule(
            "a late retry does not bring an erased user back",
            "retries come for three days: what does your code know of the account?",
            late,
        ),
    ]
