"""What the exchange writes about a corporate action: kind and ratio from the subject.

NSE writes one text per action, such as ``Bonus 1:1`` (new : for shares owned) or
``Face Value Split (Sub-Division) - From Rs 10/- Per Share To Re 1/- Per Share``. The
face value beside it is the one before the action and no ratio.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Action(NamedTuple):
    """One action of a subject.

    Attributes
    ----------
    kind
        One of `ACTION_KINDS`.
    ratio
        ``new:old`` as text: split ``1:10``, bonus ``1:2``, consolidation ``10:1``.
    cash_per_unit
        Rupees: of a dividend received, of a rights share the issue price.
    """

    kind: str
    ratio: str | None = None
    cash_per_unit: Decimal | None = None


_RUPEES: Final = r"(?:rs|re|inr|₹)\.?\s*-?\s*([\d,]+(?:\.\d+)?)"
_RATIO: Final = r"(\d{1,6}(?:\.\d+)?)\s*:\s*(\d{1,6}(?:\.\d+)?)"
_FROM_TO: Final = re.compile(
    rf"(?:from|split|sub-?\s?division|consolidat\w*)[^:]*?{_RUPEES}.*?\bto\s*{_RUPEES}",
    re.IGNORECASE,
)
_ISSUE_PRICE: Final = re.compile(
    rf"(premium|price)\s*(?:of)?\s*-?\s*{_RUPEES}|@\s*{_RUPEES}", re.IGNORECASE
)
_NO_SHARES: Final = re.compile(
    r"\bbonus\b[^:]*\b(?:debentures?|ncds?|ncrps|preference)\b", re.IGNORECASE
)
_WORDS: Final = {  # kinds that are named by their word alone
    "demerger": r"de-?\s?merger|spin[\s-]?off",
    "merger": r"\bamalgamation\b|\bmerger\b",
    "buyback": r"\bbuy[\s-]?back\b",
    "capital_reduction": r"capital reduction|reduction (?:of|in) (?:share )?capital",
    "call": r"\bcall money\b|\b(?:first|second|third|final)[\s\w]* call\b",
    "delisting": r"\bde-?listing\b|\bdelisted\b",
}

_SWAPS: Final = ("demerger", "merger")


def read_subject(subject: str, face_value: Decimal | None = None) -> list[Action]:
    """Read every action of a subject; empty where it names none.

    Parameters
    ----------
    subject
        As published.
    face_value
        Rupees before the action; makes the issue price of rights at a premium.

    Examples
    --------
    >>> read_subject("Bonus 1:1")
    [Action(kind='bonus', ratio='1:1', cash_per_unit=None)]
    >>> split = "Face Value Split (Sub-Division) - From Rs 10/- Per Share To Re 1/- Per"
    >>> read_subject(split)[0].ratio
    '1:10'
    >>> read_subject("Annual General Meeting")
    []
    """
    found = [
        *_read_face_value_change(subject),
        *_read_bonus(subject),
        *_read_rights(subject, face_value),
        *_read_dividends(subject),
    ]
    rest = subject
    for kind, word in _WORDS.items():
        rest, count = re.subn(word, " ", rest, flags=re.IGNORECASE)
        if count:
            ratio = re.search(_RATIO, subject)
            takes = kind in _SWAPS and ratio and not found
            found.append(
                Action(kind, _write_ratio(ratio.groups()) if takes and ratio else None)
            )
    return found


def _write_ratio(parts: tuple[str, ...]) -> str | None:
    new, old = (Fraction(part) for part in parts[:2])
    if not new or not old:
        return None
    exact = new / old
    return f"{exact.numerator}:{exact.denominator}"


def _read_face_value_change(subject: str) -> Iterator[Action]:
    if not re.search(r"split|sub-?\s?division|consolidat", subject, re.IGNORECASE):
        return
    shrinks = re.search("consolidat", subject, re.IGNORECASE) is not None
    values = _FROM_TO.search(subject)
    plain = re.search(_RATIO, subject)
    if values:
        before, after = (Fraction(part.replace(",", "")) for part in values.groups())
        if before and after and before != after:
            exact = after / before
            kind = "split" if exact < 1 else "consolidation"
            yield Action(kind, f"{exact.numerator}:{exact.denominator}")
            return
    if plain and not re.search("bonus", subject, re.IGNORECASE):
        first, second = (Fraction(part) for part in plain.groups())
        low, high = sorted((first, second))
        if low and low != high:
            exact = high / low if shrinks else low / high
            kind = "consolidation" if shrinks else "split"
            yield Action(kind, f"{exact.numerator}:{exact.denominator}")
            return
    yield Action("consolidation" if shrinks else "split")


def _read_bonus(subject: str) -> Iterator[Action]:
    named = re.search(rf"\bbonus\b(?:\D*?{_RATIO})?", subject, re.IGNORECASE)
    if named and not _NO_SHARES.search(subject):
        yield Action("bonus", _write_ratio(named.groups()) if named.group(1) else None)


def _read_rights(subject: str, face_value: Decimal | None) -> Iterator[Action]:
    named = re.search(rf"\brights?\b(?:\D*?{_RATIO})?", subject, re.IGNORECASE)
    if not named:
        return
    price: Decimal | None = None
    paid = _ISSUE_PRICE.search(subject, named.end())
    if paid:
        price = _parse_decimal(paid.group(2) or paid.group(3))
        if price is not None and (paid.group(1) or "").lower() == "premium":
            price = None if face_value is None else price + face_value
    yield Action(
        "rights", _write_ratio(named.groups()) if named.group(1) else None, price
    )


def _read_dividends(subject: str) -> Iterator[Action]:
    if not re.search(r"\bdividend\b", subject, re.IGNORECASE):
        return
    parts = re.split(r"(?=\b\w*\s*dividend\b)", subject, flags=re.IGNORECASE)
    for part in parts:
        if re.search(r"\bdividend\b", part, re.IGNORECASE):
            paid = re.search(rf"dividend\D*?{_RUPEES}", part, re.IGNORECASE)
            yield Action(
                "dividend", None, _parse_decimal(paid.group(1)) if paid else None
            )


def _parse_decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None
