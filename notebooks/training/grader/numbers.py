"""Lessons 4 and 5: how old is a snapshot, and do its quantities add up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from grader.grade import Graded, Rule, grade, is_not

__all__ = ["Decide", "ReadRow", "lesson4", "lesson5"]

Decide = Callable[["datetime | None", datetime, str], str]
ReadRow = Callable[[Mapping[str, object]], Mapping[str, object]]

_FRIDAY: Final = datetime(2026, 1, 9, 10, 15, tzinfo=UTC)  # 15:45 in Mumbai, closed
_SUNDAY: Final = _FRIDAY + timedelta(days=2)
_MONDAY: Final = datetime(2026, 1, 12, 6, 30, tzinfo=UTC)  # 12:00 in Mumbai, open


def lesson4(decide: Decide) -> Graded:
    """Grade lesson 4: use a snapshot, fetch again, or ask the user to import.

    Parameters
    ----------
    decide
        ``decide(snapshot_at, now, broker)`` gives ``"use"`` while at most one hour of
        trading has passed since the snapshot, else ``"fetch"`` where the broker's
        session lives long, else ``"import"``. `snapshot_at` may be ``None``: unknown.

    Examples
    --------
    >>> graded = lesson4(lambda snapshot_at, now, broker: "use")
    >>> graded.passed, graded.failed[0]
    (False, 'a stale snapshot of a broker with sessions needs an import')
    """

    def says(
        wanted: str, at: datetime | None, now: datetime, broker: str, of: str
    ) -> str | None:
        return is_not(decide(at, now, broker), wanted, of=of)

    recent = _MONDAY - timedelta(minutes=40)
    return grade(
        4,
        [
            Rule(
                "a snapshot of forty minutes ago is used",
                "an hour of trading is allowed",
                lambda: says("use", recent, _MONDAY, "groww", "forty minutes"),
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
                lambda: says("import", _FRIDAY, _MONDAY, "groww", "Friday on Monday"),
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
        ],
    )


def lesson5(read_row: ReadRow) -> Graded:
    """Grade lesson 5: one row of the Arrow holdings reply.

    Parameters
    ----------
    read_row
        ``read_row(row)`` gives ``owned``, ``pledged``, ``reconciles``, ``price``,
        ``pnl`` and ``haircut`` (a fraction); ``None`` is unknown.

    Examples
    --------
    >>> graded = lesson5(lambda row: {"owned": None})
    >>> graded.passed, graded.failed[0]
    (False, 'what is owned is counted once, whatever the exchanges')
    """
    row = {
        "symbols": [
            {"symbol": "IDEA", "exchange": "NSE", "token": "14366"},
            {"symbol": "IDEA", "exchange": "BSE", "token": "1531822"},
        ],
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

    def gives(name: str, wanted: object, of: str, **changes: str) -> str | None:
        got = read_row(row | changes).get(name)
        return is_not(_number(got), _number(wanted), of=f"{name} of {of}")

    return grade(
        5,
        [
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
                "without a last price the close is the price",
                "which fields may be empty outside market hours?",
                lambda: gives("price", "9.93", "an empty ltp"),
            ),
            Rule(
                "without any price there is no P&L: not a loss of everything",
                "a blank is unknown; what is unknown times 775?",
                lambda: gives("pnl", None, "no price at all", close=""),
            ),
            Rule(
                "P&L is exact",
                "0.1 + 0.2 is not 0.3 in floating point",
                lambda: gives("pnl", "2573.00", "the sample row"),
            ),
            Rule(
                "without an average price there is no P&L: not all profit",
                "a transfer or a bonus has no average; 0 is how some write that",
                lambda: gives("pnl", None, "an average of 0", avgPrice="0"),
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
        ],
    )


def _number(value: object) -> object:
    """Bring numbers of any type to one, exactly; leave the rest."""
    if value is None or isinstance(value, bool):
        return value
    try:
        return Decimal(str(value)).normalize()
    except InvalidOperation:
        return value
