"""Lessons 4, 5, 12: how old a snapshot is, what quantities mean, mutual funds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

from grader.fund_import import ImportFunds, rules_of_fund_import
from grader.grade import (
    Graded,
    Rule,
    Seen,
    grade,
    is_not,
    read_field,
    read_number,
    read_word,
)
from grader.learner import Learner

__all__ = ["Decide", "ReadFunds", "ReadRow", "lesson4", "lesson5", "lesson12"]

Decide = Callable[["datetime | None", datetime, str], str]
ReadRow = Callable[[Mapping[str, object]], Mapping[str, object]]
ReadFunds = Callable[
    [Mapping[str, object]],
    "Mapping[tuple[str | None, str], Mapping[str, object]] | None",
]

_FRIDAY: Final = datetime(2026, 1, 9, 10, 15, tzinfo=UTC)  # 15:45 in Mumbai, closed
_SUNDAY: Final = _FRIDAY + timedelta(days=2)
_MONDAY: Final = datetime(2026, 1, 12, 6, 30, tzinfo=UTC)  # 12:00 in Mumbai, open


def lesson4(decide: Decide, *, limit: float = 30.0) -> Graded:
    """Grade lesson 4: use a snapshot, fetch again, or ask the user to import.

    Parameters
    ----------
    decide
        ``decide(snapshot_at, now, broker)`` gives ``"use"`` while at most one hour of
        trading has passed since the snapshot, else ``"fetch"`` where the broker's
        session lives long, else ``"import"``. `snapshot_at` may be ``None``: unknown.
    limit
        Seconds that the code may run, in all; a trading calendar takes a while to load.

    Examples
    --------
    >>> graded = lesson4(lambda snapshot_at, now, broker: "use")
    >>> graded.passed, graded.failed[0]
    (False, 'after an hour of trading a snapshot is stale')
    """
    with Learner(limit) as learner:
        return grade(4, _rules_of_freshness(learner.adopt(decide)))


def _rules_of_freshness(decide: Decide) -> list[Rule]:
    def says(
        wanted: str, at: datetime | None, now: datetime, broker: str, of: str
    ) -> Seen | None:
        got = read_word(decide(at, now, broker))
        return is_not(got, wanted, of=of, returned=True)

    def used_before(minutes: int) -> Seen | None:
        at = _MONDAY - timedelta(minutes=minutes)
        return says("use", at, _MONDAY, "groww", f"{minutes} minutes")

    def stale_after(minutes: int) -> Seen | None:
        at = _MONDAY - timedelta(minutes=minutes)
        return says("import", at, _MONDAY, "groww", f"{minutes} minutes")

    def unknown_broker() -> Seen | None:
        for broker in ("a-new-broker", "anotherone-leprechaun"):
            got = read_word(decide(_FRIDAY, _MONDAY, broker))
            if got not in {"import", "fetch"}:
                return Seen(
                    f"for a stale snapshot of {broker!r} your code gave {got!r}"
                )
        return says(
            *("use", _MONDAY - timedelta(minutes=5), _MONDAY, "a-new-broker"),
            "five minutes at a new broker",
        )

    return [
        Rule(
            "a snapshot of within the hour is used",
            "an hour of trading is allowed: count it in minutes, and see",
            lambda: used_before(5) or used_before(40) or used_before(55),
        ),
        Rule(
            "after an hour of trading a snapshot is stale",
            "an hour of trading is allowed, no more: what is your limit, in what unit?",
            lambda: stale_after(65) or stale_after(100),
        ),
        Rule(
            "a snapshot of Friday evening is current on Sunday",
            "count the time in which anything could have traded",
            lambda: says("use", _FRIDAY, _SUNDAY, "groww", "Friday on Sunday"),
        ),
        Rule(
            "the night counts for nothing, the morning does",
            "the exchange opens at 09:15 and closes at 15:30 in Mumbai",
            lambda: says(
                "use",
                datetime(2026, 1, 12, 11, 0, tzinfo=UTC),
                datetime(2026, 1, 13, 4, 15, tzinfo=UTC),
                "groww",
                "yesterday evening at 09:45",
            ),
        ),
        Rule(
            "a stale snapshot of a broker with sessions needs an import",
            "most brokers want a login for every refresh; one does not",
            lambda: (
                says("import", _FRIDAY, _MONDAY, "groww", "Friday on Monday")
                or says(
                    "import",
                    _MONDAY,
                    _MONDAY + timedelta(days=1, minutes=10),
                    "upstox",
                    "yesterday at the same hour",
                )
            ),
        ),
        Rule(
            "a stale snapshot of a long-lived session is fetched",
            "which broker is the exception of the guide?",
            lambda: says("fetch", _FRIDAY, _MONDAY, "kite", "Friday on Monday"),
        ),
        Rule(
            "a snapshot without an instant is never current",
            "unknown is not now",
            lambda: says("import", None, _MONDAY, "groww", "an unknown instant"),
        ),
        Rule(
            "a test account is judged like its broker",
            "a suffix marks test accounts",
            lambda: says(
                "fetch", _FRIDAY, _MONDAY, "kite-leprechaun", "a test account"
            ),
        ),
        Rule(
            "a broker that nobody knows is no crash",
            "which brokers there are changes: is yours a list that must be complete?",
            unknown_broker,
        ),
    ]


def lesson5(read_row: ReadRow, *, limit: float = 10.0) -> Graded:
    """Grade lesson 5: one row of the Arrow holdings reply.

    Parameters
    ----------
    read_row
        ``read_row(row)`` gives ``owned``, ``pledged``, ``reconciles``, ``price``,
        ``pnl`` and ``haircut`` (a fraction); ``None`` is unknown.
    limit
        Seconds that the code may run, in all.

    Examples
    --------
    >>> graded = lesson5(lambda row: {"owned": None})
    >>> graded.passed, graded.failed[0]
    (False, 'what is owned is counted once, whatever the exchanges')
    """
    with Learner(limit) as learner:
        return grade(5, _rules_of_quantities(learner.adopt(read_row)))


def _rules_of_quantities(read_row: ReadRow) -> list[Rule]:
    row = {
        "avgPrice": "6.61",
        "qty": "775",
        "t1Qty": "4",
        "depositoryQty": "271",
        "brokerCollateralQty": "500.00",
        "collateralQty": "",
        "haircut": "27.07",
        "ltp": "",
        "pnl": "",
        "close": "9.93",
    }

    def gives(
        name: str, wanted: object, of: str, *, hint: str = "", **changes: str
    ) -> Seen | None:
        symbols = [
            {"symbol": "IDEA", "exchange": "NSE", "token": "14366"},
            {"symbol": "IDEA", "exchange": "BSE", "token": "1531822"},
        ]
        got = read_field(read_row({"symbols": symbols} | row | changes), name)
        if read_number(got) == read_number(wanted):
            return None
        return is_not(
            got, wanted, of=f"{name} of {of}", hint=hint or _near(got, wanted)
        )

    def never_added() -> Seen | None:
        for name, wanted in (("owned", 775), ("pledged", 500), ("reconciles", True)):
            seen = gives(name, wanted, "collateralQty 500", collateralQty="500")
            if seen is not None:
                return seen
        return None

    return [
        Rule(
            "what is owned is counted once, whatever the exchanges",
            "two listings are two names of one holding",
            lambda: gives("owned", 775, "a share listed twice"),
        ),
        Rule(
            "what is pledged is found, and is no extra share",
            "two fields sound alike; which one is ever filled?",
            lambda: gives("pledged", 500, "a row with 500 pledged"),
        ),
        Rule(
            "collateralQty is never added, whatever stands in it",
            "pledged shares are counted by another field already",
            never_added,
        ),
        Rule(
            "a row that adds up says so",
            "three disjoint parts make the total",
            lambda: gives("reconciles", True, "a row that adds up"),
        ),
        Rule(
            "a row that does not add up says so",
            "compare the parts with the reported total",
            lambda: gives("reconciles", False, "999 shares", qty="999"),
        ),
        Rule(
            "an unknown part leaves the sum unproven, neither true nor false",
            "an empty text is not 0",
            lambda: gives("reconciles", None, "an empty t1Qty", t1Qty=""),
        ),
        Rule(
            "the last price is the price, and without one the close",
            "which fields may be empty outside market hours?",
            lambda: (
                gives("price", "9.93", "an empty ltp")
                or gives("price", "10.05", "an ltp of 10.05", ltp="10.05")
            ),
        ),
        Rule(
            "without any price there is no P&L: not a loss of everything",
            "a blank is unknown; what is unknown times 775?",
            lambda: gives("pnl", None, "no price at all", close=""),
        ),
        Rule(
            "P&L is exact, to its last digit",
            "0.1 + 0.2 is not 0.3 in floating point, and rounding hides it",
            lambda: (
                gives("pnl", "2573.00", "the sample row")
                or gives(
                    *("pnl", "2570.4163825", "an average of 6.6133337"),
                    avgPrice="6.6133337",
                )
            ),
        ),
        Rule(
            "without an average price there is no P&L: not all profit",
            "a transfer or a bonus has no average; 0 is how some write that",
            lambda: (
                gives("pnl", None, "an average of 0", avgPrice="0")
                or gives("pnl", None, "an empty average", avgPrice="")
            ),
        ),
        Rule(
            "the haircut is a fraction",
            "27.07 what?",
            lambda: gives("haircut", "0.2707", "the sample row"),
        ),
        Rule(
            "a haircut of 0 beside an empty close is not populated",
            "a lender that takes everything at full value?",
            lambda: gives(
                "haircut", None, "0.00 and no close", haircut="0.00", close=""
            ),
        ),
    ]


def _near(got: object, wanted: object) -> str:
    """Hint at a number that is nearly right."""
    ours, right = read_number(got), read_number(wanted)
    if not isinstance(ours, Fraction) or not isinstance(right, Fraction):
        return ""
    near = abs(ours - right) * 1000 < max(abs(right), 1)
    return "nearly: the texts are exact; where did digits go?" if near else ""


def lesson12(
    read_funds: ReadFunds, import_funds: ImportFunds, *, limit: float = 20.0
) -> Graded:
    """Grade lesson 12: mutual funds held at the broker, and at the registrars.

    Parameters
    ----------
    read_funds
        ``read_funds(data)`` gives (folio, ISIN) → ``quantity`` and ``value`` (quantity
        times last price), exact, ``None`` where unknown. It gives ``None`` where funds
        were not asked for.
    import_funds
        ``import_funds(transaction_id, post, ask)`` takes an import of funds to its end
        and gives ``"imported"``, ``"new transaction"`` or ``"give up"``.
        ``post(path, body)`` makes one request, both headers in it, and gives
        ``status, headers, body``; ``ask("pan")``, ``"email"`` or ``"otp"`` gives the
        user's answer, ``None`` where the user leaves.
    limit
        Seconds that the code may run, in all.

    Examples
    --------
    >>> graded = lesson12(lambda data: {}, lambda transaction_id, post, ask: "")
    >>> graded.passed, graded.failed[0]
    (False, 'units are exact, with all their decimals')
    """
    with Learner(limit) as learner:
        rules = _rules_of_funds(learner.adopt(read_funds))
        return grade(12, [*rules, *rules_of_fund_import(learner.adopt(import_funds))])


def _rules_of_funds(read_funds: ReadFunds) -> list[Rule]:
    fund: dict[str, object] = {
        "folio": "1234/56",
        "fund": "Example Liquid Fund",
        "isin": "INF204KB17I5",
        "quantity": "1234.567",
        "averagePrice": "10.1234",
        "lastPrice": "12.3456",
        "lastPriceDate": "2026-01-02",
        "pnl": "0",
        "xirr": None,
    }
    key = ("1234/56", "INF204KB17I5")

    def gives(
        name: str,
        wanted: object,
        of: str,
        *rows: Mapping[str, object],
        at: tuple[str | None, str] = key,
    ) -> Seen | None:
        got = read_funds({"securities": [], "mutualFunds": {"holdings": list(rows)}})
        if not isinstance(got, Mapping):
            return Seen(f"for {of} your code gave {got!r:.80}")
        if at not in got:
            return Seen(f"for {of} your code gave the keys {list(got)!r:.120}")
        found = read_field(got[at], name)
        if read_number(found) == read_number(wanted):
            return None
        return is_not(found, wanted, of=f"{name} of {of}", hint=_near(found, wanted))

    def folios() -> Seen | None:
        other = fund | {"folio": "9999/01", "quantity": "5.5"}
        return gives(
            "quantity", "1234.567", "two folios of one fund", fund, other
        ) or gives(
            *("quantity", "5.5", "the second folio", fund, other),
            at=("9999/01", "INF204KB17I5"),
        )

    def not_asked() -> Seen | None:
        got = read_funds({"securities": []})
        return is_not(got, None, of="a reply without the key mutualFunds")

    def none() -> Seen | None:
        got = read_funds({"securities": [], "mutualFunds": {"holdings": []}})
        if isinstance(got, Mapping) and not got:
            return None
        return Seen(f"for an empty list your code gave {got!r:.80}")

    return [
        Rule(
            "units are exact, with all their decimals",
            "a fund is not traded in whole units, and 0.1 is no binary fraction",
            lambda: gives("quantity", "1234.567", "a fund", fund),
        ),
        Rule(
            "the value is exact",
            "units times last price, no digit lost",
            lambda: gives("value", "15241.4703552", "a fund", fund),
        ),
        Rule(
            "an unknown price leaves the value unknown",
            "a fund that nobody has priced is not worth nothing",
            lambda: (
                gives("value", None, "a price of null", fund | {"lastPrice": None})
                or gives(
                    *("value", None, "no price at all"),
                    {k: v for k, v in fund.items() if k != "lastPrice"},
                )
            ),
        ),
        Rule(
            "unknown units are unknown, and the folio is still there",
            "each field may be null",
            lambda: (
                gives("quantity", None, "null units", fund | {"quantity": None})
                or gives("value", None, "null units", fund | {"quantity": None})
            ),
        ),
        Rule(
            "no units are 0, and worth 0: that is known",
            "is 0 false, or is it a number?",
            lambda: (
                gives("quantity", 0, "0 units", fund | {"quantity": "0"})
                or gives("value", 0, "0 units", fund | {"quantity": "0"})
            ),
        ),
        Rule(
            "two folios of one fund are two holdings",
            "what does the second do to the first in your dictionary?",
            folios,
        ),
        Rule(
            "funds that were not asked for are unknown, not none",
            "a fetch without mfHoldings says nothing about funds",
            not_asked,
        ),
        Rule(
            "an empty list says that there are no funds",
            "asked for, and none there",
            none,
        ),
    ]
