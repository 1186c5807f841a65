"""Words for people: a number with its noun."""

from __future__ import annotations

__all__ = ["number_of"]


def number_of(number: int, one: str, many: str | None = None) -> str:
    """Write a number with its noun; `many` where more than an s is added.

    Examples
    --------
    >>> number_of(1, "day"), number_of(0, "day"), number_of(1200, "breach", "breaches")
    ('1 day', '0 days', '1,200 breaches')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
