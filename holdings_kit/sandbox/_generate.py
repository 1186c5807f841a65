"""A seeded population: dumps of as many invented accounts and days as asked for.

Accounts, instruments, prices and haircuts are invented; the same seed gives the same
bytes. An account's life does not depend on how many others there are. In it shares are
bought, sold, settled, pledged and released, and one instrument splits, so that two days
differ for every reason a comparison knows.
"""

from __future__ import annotations

import csv
import json
from contextlib import ExitStack
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TextIO

from holdings_kit.errors import ConfigError
from holdings_kit.market import MUMBAI
from holdings_kit.sandbox._market import add_check_digit, write_base36
from holdings_kit.sandbox._payloads import (
    write_account_body,
    write_arrow_row,
    write_basket,
    write_v2_row,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Wire = Literal["gateway", "arrow"]
_LEAST_INSTRUMENTS: Final = 2


def generate(
    folder: str | Path,
    *,
    accounts: int,
    days: int,
    seed: int = 0,
    wire: Wire = "gateway",
    instruments: int = 300,
    first_day: date = date(2026, 1, 5),
) -> list[Path]:
    """Write one dump a day, one line an account, and the market beside them.

    ``gateway`` writes webhooks of format v2, which name no prices; ``arrow`` writes the
    Arrow reply with `account_id` and `snapshot_at` beside it (`scan_arrow`). Prices are
    in ``prices.csv`` as quotes for `consolidate`: day, instrument_id, last_price.

    Parameters
    ----------
    folder
        Made where it does not exist; files of the same names are replaced.
    accounts, days
        How many accounts, over how many weekdays from `first_day`.
    seed
        Another seed, another population.
    wire
        Format of the lines.
    instruments
        Size of the invented universe.

    Returns
    -------
    list of Path
        The dumps, one a day.

    Raises
    ------
    ConfigError
        A count is below 1 (for `instruments`, below 2).

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     dumps = generate(folder, accounts=3, days=2)
    ...     [dump.name for dump in dumps], len(dumps[0].read_bytes().splitlines())
    (['gateway-2026-01-05.ndjson', 'gateway-2026-01-06.ndjson'], 3)
    """
    if accounts < 1 or days < 1 or instruments < _LEAST_INSTRUMENTS:
        raise ConfigError("generate: at least 1 account, 1 day and 2 instruments")
    market = invent_market(instruments, days, seed=seed, first_day=first_day)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_prices(folder / "prices.csv", market)
    paths = [folder / f"{wire}-{day}.ndjson" for day in market.days]
    line: Callable[[Account, Market, int], object] = (
        _write_webhook if wire == "gateway" else _write_arrow_reply
    )
    with ExitStack() as stack:
        dumps: list[TextIO] = [
            stack.enter_context(path.open("w", encoding="utf-8")) for path in paths
        ]
        for number in range(accounts):
            account = Account(number, market, seed)
            for day in account.live(market):
                text = json.dumps(line(account, market, day), separators=(",", ":"))
                dumps[day].write(text + "\n")
    return paths


class _Chances(NamedTuple):
    """How likely things are, of an account or of a holding a day."""

    smallcase: float = 0.3
    unknown_average: float = 0.04
    buys: float = 0.15
    closed: float = 0.01
    sold: float = 0.03  # these four are read off one draw
    pledged: float = 0.06
    released: float = 0.08


_CHANCES: Final = _Chances()
_BROKERS: Final = ("kite", "upstox", "groww", "dhan", "angelbroking")


class Lot:
    """One account's holding of one instrument."""

    __slots__ = ("average", "known", "number", "pledged", "settled", "t1")

    def __init__(self, number: int, settled: int, average: int, *, known: bool) -> None:
        self.number, self.settled, self.average = number, settled, average
        self.known, self.t1, self.pledged = known, 0, 0

    @property
    def owned(self) -> int:
        """Units held, settled or not, pledged or not."""
        return self.settled + self.t1 + self.pledged


class Account:
    """One account and its lots; `live` takes it from day to day."""

    def __init__(self, number: int, market: Market, seed: int) -> None:
        self.draw = Random(f"account/{seed}/{number}")
        self.number = number
        self.auth_id = f"{seed & 0xFFFF:04x}{number:020x}"
        self.broker = _BROKERS[number % len(_BROKERS)]
        self.smallcase = self.draw.random() < _CHANCES.smallcase
        count = min(60, 1 + int(self.draw.lognormvariate(2.1, 0.9)))
        self.lots: dict[int, Lot] = {}
        for _ in range(count):
            self._buy(market, 0, known=self.draw.random() > _CHANCES.unknown_average)
        for lot in self.lots.values():
            lot.settled, lot.t1 = lot.settled + lot.t1, 0

    def live(self, market: Market) -> Iterator[int]:
        """Yield every day's number, the account as it stood that evening."""
        for day in range(len(market.days)):
            if day:
                self._settle_lots(market, day)
                self._trade_today(market, day)
            yield day

    def _settle_lots(self, market: Market, day: int) -> None:
        for lot in self.lots.values():
            lot.settled, lot.t1 = lot.settled + lot.t1, 0
        if day == market.split_day and market.split in self.lots:
            lot = self.lots[market.split]
            lot.settled, lot.pledged = lot.settled * SPLIT, lot.pledged * SPLIT
            lot.average //= SPLIT

    def _trade_today(self, market: Market, day: int) -> None:
        chance = self.draw.random
        if chance() < _CHANCES.buys:
            self._buy(market, day, known=True)
        for lot in list(self.lots.values()):
            luck = chance()
            if luck < _CHANCES.closed:
                del self.lots[lot.number]
            elif luck < _CHANCES.sold and lot.settled > 1:
                lot.settled -= self.draw.randrange(1, lot.settled)
            elif luck < _CHANCES.pledged and lot.settled > 0:
                moved = self.draw.randint(1, lot.settled)
                lot.settled, lot.pledged = lot.settled - moved, lot.pledged + moved
            elif luck < _CHANCES.released and lot.pledged > 0:
                lot.settled, lot.pledged = lot.settled + lot.pledged, 0

    def _buy(self, market: Market, day: int, *, known: bool) -> None:
        size = len(market.isins)
        number = min(int(size * self.draw.random() ** 3), size - 1)
        price = round(market.closes[day][number] * self.draw.uniform(0.7, 1.1)) + 1
        units = max(1, round(self.draw.lognormvariate(11.5, 1.2) / price))
        lot = self.lots.get(number)
        if lot is None:
            lot = self.lots[number] = Lot(number, 0, price, known=known)
        cost = lot.average * lot.owned + price * units
        lot.t1 += units
        lot.average = cost // lot.owned


def _write_webhook(account: Account, market: Market, day: int) -> dict[str, object]:
    """Announce an account as the Gateway does, format v2."""
    at = _format_evening(market, day, account.number)
    lots = list(account.lots.values())
    inside = lots[:4] if account.smallcase else []
    smallcases = {
        "public": [_write_lots_basket(inside, market, day)] if inside else [],
        "private": {"stats": {"currentValue": 0, "totalReturns": 0}}
        if account.number % 3 == 0
        else [],
    }
    body = write_account_body(
        [_write_lot_security(lot, market, day, inside=lot in inside) for lot in lots],
        smallcases,
        at=at,
        auth_id=account.auth_id,
        broker=account.broker,
    )
    transaction = f"TRX_{day:04x}{account.number:028x}"
    return body | {"transactionId": transaction, "timestamp": at}


def _write_lot_security(
    lot: Lot, market: Market, day: int, *, inside: bool
) -> dict[str, object]:
    symbol = market.symbols[lot.number]
    average = lot.average / 100
    return write_v2_row(
        {
            "nse": symbol,
            "bse": symbol if lot.number % 4 else None,
            "isin": market.isin(lot.number, day),
            "name": f"Invented Company {lot.number:04} Ltd",
        },
        held=(lot.settled + lot.pledged, average if lot.known else None),
        nse=(lot.t1, average),
        transactable=lot.owned,
        in_smallcase=lot.settled // 2 if inside else 0,
        pledged=lot.pledged,
    )


def _write_lots_basket(lots: list[Lot], market: Market, day: int) -> dict[str, object]:
    shares = [(lot.number, lot.settled // 2) for lot in lots]
    value = sum(market.closes[day][number] * count for number, count in shares)
    return write_basket(
        f"SCNM_{lots[0].number % 20:04}",
        f"Invented Basket {lots[0].number % 20:02}",
        value=value / 100,
        returns=value // 2000,
        constituents=[(market.symbols[number], count) for number, count in shares],
    )


def _write_arrow_reply(account: Account, market: Market, day: int) -> dict[str, object]:
    """Answer as Arrow does, with whose it is and when beside it."""
    return {
        "account_id": f"GEN{account.number:07}",
        "snapshot_at": _format_evening(market, day, account.number),
        "status": "success",
        "data": [
            _write_lot_arrow_row(lot, market, day) for lot in account.lots.values()
        ],
    }


def _write_lot_arrow_row(lot: Lot, market: Market, day: int) -> dict[str, object]:
    symbol, number = market.symbols[lot.number], lot.number
    close = market.closes[day][number]
    listed = {"symbol": symbol, "isin": market.isin(number, day)}
    nse = {"exchange": "NSE", "tradingSymbol": f"{symbol}-EQ"}
    bse = {"exchange": "BSE", "tradingSymbol": symbol}
    return write_arrow_row(
        [
            {**nse, "token": str(10_000 + number), **listed},
            {**bse, "token": str(1_500_000 + number), **listed},
        ],
        settled=lot.settled,
        t1=lot.t1,
        pledged=lot.pledged,
        sellable=lot.settled,
        average=format_paise(lot.average) if lot.known else "",
        haircut=format_paise(market.haircuts[day][number]),
        last=format_paise(close),
        pnl=format_paise((close - lot.average) * lot.owned) if lot.known else "",
        close=format_paise(close),
    )


def _format_evening(market: Market, day: int, number: int) -> str:
    evening = datetime.combine(market.days[day], time(16), MUMBAI)
    instant = evening + timedelta(milliseconds=number % 7_200_000)
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


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
        On this day (an index) this instrument (an index) split and got a new ISIN;
        -1 for none.
    """

    days: list[date]
    isins: list[str]
    symbols: list[str]
    closes: list[list[int]]
    haircuts: list[list[int]]
    split_day: int
    split: int

    def isin(self, number: int, day: int) -> str:
        """Give the ISIN of an instrument on a day; a split brings a new one."""
        if number == self.split and day >= self.split_day >= 0:
            return _invent_isin(number, serial=2)
        return self.isins[number]


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
        [_invent_isin(n) for n in range(instruments)],
        [f"DEMO{n:04}" for n in range(instruments)],
        closes,
        haircuts,
        split_day,
        split if split_day >= 0 else -1,
    )


def _invent_isin(number: int, *, serial: int = 1) -> str:
    """Invent an ISIN; issuer codes in use begin with a digit, so nobody has this."""
    return add_check_digit(f"INEZ{write_base36(number, 3)}01{serial:02}")


def write_prices(path: Path, market: Market) -> None:
    """Write a row per day and instrument: close in rupees, haircut as a fraction."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["day", "instrument_id", "last_price", "haircut"])
        days = zip(market.days, market.closes, market.haircuts, strict=True)
        for number, (day, closes, haircuts) in enumerate(days):
            figures = enumerate(zip(closes, haircuts, strict=True))
            for place, (close, haircut) in figures:
                isin = market.isin(place, number)
                share = f"{haircut / 10_000:.4f}"
                rows.writerow([day, isin, format_paise(close), share])


def format_paise(paise: int) -> str:
    """Write paise as rupees.

    Examples
    --------
    >>> format_paise(-1205)
    '-12.05'
    """
    sign = "-" if paise < 0 else ""
    return f"{sign}{abs(paise) // 100}.{abs(paise) % 100:02}"
