"""The invented market: instruments, prices, haircuts."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SPLIT", "Market", "invent_market", "rupees", "write_prices"]

SPLIT: Final = 5  # one old share becomes so many
_FRIDAY: Final = 4


class Market(NamedTuple):
    """What all accounts share; prices in paise, haircuts in hundredths of a percent.

    Attributes
    ----------
    days
        Weekdays, the first one given.
    isins, symbols
        Per instrument.
    closes
        Per day and instrument.
    haircuts
        Per day and instrument.
    split_day, split
        On this day (an index) this instrument (an index) split; -1 for none.
    """

    days: list[date]
    isins: list[str]
    symbols: list[str]
    closes: list[list[int]]
    haircuts: list[list[int]]
    split_day: int
    split: int


def invent_market(
    instruments: int, days: int, *, seed: int = 0, first_day: date = date(2026, 1, 5)
) -> Market:
    """Invent instruments and walk their prices; haircuts move with volatility."""
    draw = Random(f"market/{seed}")
    dates = [first_day + timedelta(days=n) for n in range(days * 2 + 7)]
    dates = [day for day in dates if day.weekday() <= _FRIDAY][:days]
    sigma = [draw.uniform(0.008, 0.04) for _ in range(instruments)]
    price = [int(draw.lognormvariate(10.5, 1.0)) + 500 for _ in range(instruments)]
    split_day = days // 2 if days > 1 else -1
    split = max(range(instruments), key=price.__getitem__)
    closes: list[list[int]] = []
    for day in range(days):
        price = [
            max(5, round(p * (1 + draw.gauss(0, s))))
            for p, s in zip(price, sigma, strict=True)
        ]
        if day == split_day:
            price[split] //= SPLIT
        closes.append(price)
    base = [round(900 + 80_000 * s) for s in sigma]
    haircuts = [
        [h + 50 * (day // 5 % 3) * (n % 7 == 0) for n, h in enumerate(base)]
        for day in range(days)
    ]
    return Market(
        dates,
        [_isin(n) for n in range(instruments)],
        [f"DEMO{n:04}" for n in range(instruments)],
        closes,
        haircuts,
        split_day,
        split if split_day >= 0 else -1,
    )


def _isin(number: int) -> str:
    """Invent an ISIN; issuer codes in use begin with a digit, so nobody has this."""
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    issuer = "".join(letters[number // 36**place % 36] for place in (2, 1, 0))
    body = f"INEZ{issuer}0101"
    digits = "".join(str(int(letter, 36)) for letter in body)
    total = 0
    for place, digit in enumerate(reversed(digits)):
        twice = int(digit) * (2 - place % 2)
        total += twice // 10 + twice % 10
    return f"{body}{-total % 10}"


def write_prices(path: Path, market: Market) -> None:
    """Write a row per day and instrument: close in rupees, haircut as a fraction."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["day", "instrument_id", "last_price", "haircut"])
        for day, closes, haircuts in zip(
            market.days, market.closes, market.haircuts, strict=True
        ):
            for isin, close, haircut in zip(
                market.isins, closes, haircuts, strict=True
            ):
                rows.writerow([day, isin, rupees(close), f"{haircut / 10_000:.4f}"])


def rupees(paise: int) -> str:
    """Write paise as rupees.

    Examples
    --------
    >>> rupees(-1205)
    '-12.05'
    """
    sign = "-" if paise < 0 else ""
    return f"{sign}{abs(paise) // 100}.{abs(paise) % 100:02}"
