"""Prices: an invented walk per instrument, the same for the same seed.

All arithmetic is in whole paise, so no machine rounds otherwise than another.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Final

from holdings_kit.errors import ConfigError
from holdings_kit.sandbox._clock import IST, trading_date

__all__ = [
    "FUNDS",
    "UNIVERSE",
    "Action",
    "Fund",
    "Instrument",
    "Listing",
    "Market",
    "add_check_digit",
    "sessions_between",
]


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
    asset_class: str = "equity"
    invented: bool = False
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


def _make_real_instrument(
    symbol: str,
    isin: str,
    name: str,
    tokens: tuple[str, str],
    *,
    paise: int,
    haircut: str,
) -> Instrument:
    listings = (
        Listing("NSE", symbol, f"{symbol}-EQ", tokens[0]),
        Listing("BSE", symbol, symbol, tokens[1]),
    )
    kind = "etf" if symbol.startswith("GOLD") else "equity"
    held = tuple(listing for listing in listings if listing.token)
    return Instrument(symbol, isin, name, held, paise, haircut, kind)


def _invent_instrument(
    number: int,
    symbol: str,
    name: str,
    paise: int,
    haircut: str,
    *,
    bse_only: bool,
) -> Instrument:
    listings = (
        Listing("NSE", symbol, f"{symbol}-EQ", str(900_000 + number)),
        Listing("BSE", symbol, symbol, str(1_990_000 + number)),
    )
    return Instrument(
        symbol,
        add_check_digit(f"INEZ{number:02d}A0101"),
        f"{name} (invented)",
        listings[1:] if bse_only else listings,
        paise,
        haircut,
        invented=True,
    )


_REAL: Final = (
    _make_real_instrument(
        "GROWW",
        "INE0HOQ01053",
        "Billionbrains Garage Ventures",
        ("759806", "1543603"),
        paise=15733,
        haircut="16.62",
    ),
    _make_real_instrument(
        "IDEA",
        "INE669E01016",
        "Vodafone Idea",
        ("14366", "1531822"),
        paise=993,
        haircut="27.07",
    ),
    _make_real_instrument(
        "BSE", "INE118H01025", "BSE", ("19585", ""), paise=288660, haircut="24.67"
    ),
    _make_real_instrument(
        "GOLDETF",
        "INF769K01JP9",
        "Mirae Asset Gold ETF",
        ("14286", "1542781"),
        paise=12503,
        haircut="12.50",
    ),
    _make_real_instrument(
        "YESBANK",
        "INE528G01035",
        "Yes Bank",
        ("11915", "1531648"),
        paise=2245,
        haircut="16.90",
    ),
    _make_real_instrument(
        "SBIN",
        "INE062A01020",
        "State Bank of India",
        ("3045", "1499112"),
        paise=97310,
        haircut="12.50",
    ),
    _make_real_instrument(
        "GOLDBEES",
        "INF204KB17I5",
        "Nippon India ETF Gold BeES",
        ("14428", "1589095"),
        paise=10672,
        haircut="12.50",
    ),
    _make_real_instrument(
        "NSDL",
        "INE301O01023",
        "National Securities Depository",
        ("", "1543467"),
        paise=109600,
        haircut="14.46",
    ),
)

_INVENTED: Final = (
    _invent_instrument(
        1, "ZASPLIT", "Asha Splitting Mills", 250_000, "20.00", bse_only=False
    ),
    _invent_instrument(
        2, "ZBONUS", "Bela Bonus Foods", 60_000, "18.50", bse_only=False
    ),
    _invent_instrument(
        3, "ZCHANGE", "Chitra Changing Cables", 32_000, "25.00", bse_only=False
    ),
    _invent_instrument(
        4, "ZDELIST", "Dhara Departing Dyes", 4_150, "60.00", bse_only=False
    ),
    _invent_instrument(
        5, "ZENTER", "Esha Entering Engines", 87_500, "22.75", bse_only=False
    ),
    _invent_instrument(
        6, "ZFERRY", "Farid Ferrying Freight", 14_900, "30.00", bse_only=False
    ),
    _invent_instrument(
        7, "ZGREEN", "Gita Green Grids", 112_000, "17.25", bse_only=False
    ),
    _invent_instrument(
        8, "ZHARBOUR", "Hari Harbour Holdings", 5_480, "35.00", bse_only=True
    ),
)

UNIVERSE: Final = {item.key: item for item in (*_REAL, *_INVENTED)}
"""Key (first symbol) → instrument, as on the first day."""

FUNDS: Final = (
    Fund(
        add_check_digit("INFZ01K0101"), "Invented Liquid Fund", "ZLIQUID", "1012.4471"
    ),
    Fund(add_check_digit("INFZ02K0102"), "Invented Flexi Fund", "ZFLEXI", "48.9310"),
)
