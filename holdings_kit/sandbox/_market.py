"""Prices: an invented walk per instrument, the same for the same seed.

All arithmetic is in whole paise, so no machine rounds otherwise than another.
"""

from __future__ import annotations

import string
import threading
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from holdings_kit.errors import ConfigError
from holdings_kit.sandbox._clock import IST, trading_date

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICK: Final = 5
_SESSION_MINUTES: Final = 375
_LONGEST: Final = 5_000
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Action:
    """A corporate action: `new` shares for `old` ones, or a new identity."""

    session: int
    key: str
    kind: (
        str  # split | bonus | isin_change | symbol_rename | delisting | haircut_changed
    )
    new: int = 1
    old: int = 1


def sessions_between(start: date, end: date) -> int:
    """Count the week-days after `start`, up to and with `end`; never negative."""
    days = max((end - start).days, 0)
    weeks, rest = divmod(days, 7)
    spare = (start + timedelta(days=extra) for extra in range(1, rest + 1))
    return weeks * 5 + sum(day.weekday() < _SATURDAY for day in spare)


class Market:
    """Prices and identities of every instrument on every session.

    Parameters
    ----------
    seed
        Same seed, same prices.
    first
        Date of session 0.
    actions
        Corporate actions, at most one for an instrument and session.
    """

    def __init__(self, seed: int, first: date, actions: tuple[Action, ...]) -> None:
        self.seed, self.first, self.actions = seed, first, actions
        self._closes = {key: [item.paise] for key, item in UNIVERSE.items()}
        self._lock = threading.Lock()

    def session(self, instant: datetime) -> int:
        """Give the number of the session begun last; 0 before the first.

        Raises
        ------
        ConfigError
            The instant is more than 5000 sessions after the first.
        """
        number = sessions_between(self.first, trading_date(instant))
        if number > _LONGEST:
            raise ConfigError(f"{instant.isoformat()} is {number} sessions away")
        return number

    def date_of(self, session: int) -> date:
        """Give the date of a session."""
        weeks, rest = divmod(session, 5)
        day = self.first + timedelta(weeks=weeks)
        while rest:
            day += timedelta(days=1)
            rest -= day.weekday() < _SATURDAY
        return day

    def instrument(self, key: str, session: int) -> Instrument:
        """Give the instrument as it is known on a session."""
        found = UNIVERSE[key]
        for number, action in enumerate(self.actions_of(key, session), 1):
            found = _rename_listing(found, action.kind, number)
        return found

    def actions_of(self, key: str, session: int) -> list[Action]:
        """List the actions on `key` up to and with a session, oldest first."""
        return [a for a in self.actions if a.key == key and a.session <= session]

    def previous_close(self, key: str, session: int) -> int:
        """Give the close before a session in paise, on that session's share count."""
        return self._adjusted(key, session, self.close(key, session - 1))

    def last_price(self, key: str, instant: datetime) -> int:
        """Give the last traded price in paise: a straight way from close to close."""
        session = self.session(instant)
        opened, closed = self.previous_close(key, session), self.close(key, session)
        local = instant.astimezone(IST)
        passed = (local.hour - 9) * 60 + local.minute - 15
        if local.date() != self.date_of(session) or passed >= _SESSION_MINUTES:
            return closed
        move = (closed - opened) * max(passed, 0)
        return opened + (move // _SESSION_MINUTES) // _TICK * _TICK

    def close(self, key: str, session: int) -> int:
        """Give the closing price of a session in paise."""
        closes = self._closes[key]  # the first is the one before session 0
        with self._lock:
            while len(closes) < session + 2:
                today = len(closes) - 1
                basis_points = Random(f"{self.seed}:{key}:{today}").randint(-180, 190)
                before = self._adjusted(key, today, closes[-1])
                closes.append(_round_to_tick(before * (10_000 + basis_points), 10_000))
        return closes[session + 1]

    def _adjusted(self, key: str, session: int, paise: int) -> int:
        for action in self.actions:
            if (action.key, action.session) == (key, session):
                paise = _round_to_tick(paise * action.old, action.new)
        return paise


def _rename_listing(before: Instrument, kind: str, number: int) -> Instrument:
    if kind == "isin_change":
        isin = add_check_digit(f"{before.isin[:9]}{number + 1:02d}")
        listings = tuple(
            replace(one, token=str(int(one.token) + 50_000)) for one in before.listings
        )
        return replace(before, isin=isin, listings=listings)
    if kind == "symbol_rename":
        listings = tuple(
            replace(
                one,
                symbol=f"{one.symbol}NEW",
                trading_symbol=one.trading_symbol.replace(
                    one.symbol, f"{one.symbol}NEW"
                ),
            )
            for one in before.listings
        )
        return replace(before, listings=listings)
    if kind == "delisting":
        return replace(before, delisted=True)
    if kind == "haircut_changed":
        return replace(before, haircut=f"{float(before.haircut) + 7.5:.2f}")
    return before


def _round_to_tick(numerator: int, denominator: int) -> int:
    steps = (2 * numerator + denominator * _TICK) // (2 * denominator * _TICK)
    return max(steps, 1) * _TICK


@dataclass(frozen=True, slots=True)
class Listing:
    """One exchange's name and token for an instrument."""

    exchange: str
    symbol: str
    trading_symbol: str
    token: str


@dataclass(frozen=True, slots=True)
class Instrument:
    """What can be held. `paise` is the close before the first day."""

    key: str
    isin: str
    name: str
    listings: tuple[Listing, ...]
    paise: int
    haircut: str  # percent, as Arrow writes it
    delisted: bool = False


@dataclass(frozen=True, slots=True)
class Fund:
    """An invented mutual fund."""

    isin: str
    name: str
    trading_symbol: str
    nav: str


def add_check_digit(body: str) -> str:
    """Append the ISO 6166 check digit to the first eleven characters of an ISIN.

    Examples
    --------
    >>> add_check_digit("INE062A0102")
    'INE062A01020'
    """
    digits = "".join(str(int(character, 36)) for character in body)
    doubled = (
        int(digit) * (2 if place % 2 == 0 else 1)
        for place, digit in enumerate(reversed(digits))
    )
    total = sum(value // 10 + value % 10 for value in doubled)
    return f"{body}{-total % 10}"


def write_base36(number: int, length: int) -> str:
    """Write a number in digits and capitals.

    >>> write_base36(37, 3)
    '011'
    """
    letters = string.digits + string.ascii_uppercase
    places = reversed(range(length))
    return "".join(letters[number // 36**place % 36] for place in places)


def _list_on(symbol: str, nse: str, bse: str) -> tuple[Listing, ...]:
    """List a share by its tokens on both exchanges; an empty one: not there."""
    both = (
        Listing("NSE", symbol, f"{symbol}-EQ", nse),
        Listing("BSE", symbol, symbol, bse),
    )
    return tuple(listing for listing in both if listing.token)


# symbol, ISIN, tokens on NSE and BSE (- for none), close in paise, haircut, name
_REAL: Final = """
GROWW INE0HOQ01053 759806 1543603 15733 16.62 Billionbrains Garage Ventures
IDEA INE669E01016 14366 1531822 993 27.07 Vodafone Idea
BSE INE118H01025 19585 - 288660 24.67 BSE
GOLDETF INF769K01JP9 14286 1542781 12503 12.50 Mirae Asset Gold ETF
YESBANK INE528G01035 11915 1531648 2245 16.90 Yes Bank
SBIN INE062A01020 3045 1499112 97310 12.50 State Bank of India
GOLDBEES INF204KB17I5 14428 1589095 10672 12.50 Nippon India ETF Gold BeES
NSDL INE301O01023 - 1543467 109600 14.46 National Securities Depository
"""
# symbol, close in paise, haircut, name
_INVENTED: Final = """
ZASPLIT 250000 20.00 Asha Splitting Mills
ZBONUS 60000 18.50 Bela Bonus Foods
ZCHANGE 32000 25.00 Chitra Changing Cables
ZDELIST 4150 60.00 Dhara Departing Dyes
ZENTER 87500 22.75 Esha Entering Engines
ZFERRY 14900 30.00 Farid Ferrying Freight
ZGREEN 112000 17.25 Gita Green Grids
ZHARBOUR 5480 35.00 Hari Harbour Holdings
"""
_BSE_ONLY: Final = "ZHARBOUR"


def _read_universe() -> Iterator[Instrument]:
    for line in _REAL.strip().splitlines():
        symbol, isin, nse, bse, paise, haircut, name = line.split(maxsplit=6)
        held = _list_on(symbol, nse.strip("-"), bse.strip("-"))
        yield Instrument(symbol, isin, name, held, int(paise), haircut)
    for number, line in enumerate(_INVENTED.strip().splitlines(), 1):
        symbol, paise, haircut, name = line.split(maxsplit=3)
        nse = "" if symbol == _BSE_ONLY else str(900_000 + number)
        yield Instrument(
            symbol,
            add_check_digit(f"INEZ{number:02d}A0101"),
            f"{name} (invented)",
            _list_on(symbol, nse, str(1_990_000 + number)),
            int(paise),
            haircut,
        )


UNIVERSE: Final = {item.key: item for item in _read_universe()}
"""Key (first symbol) → instrument, as on the first day."""

FUNDS: Final = (
    Fund(
        add_check_digit("INFZ01K0101"), "Invented Liquid Fund", "ZLIQUID", "1012.4471"
    ),
    Fund(add_check_digit("INFZ02K0102"), "Invented Flexi Fund", "ZFLEXI", "48.9310"),
)
