"""The lives of invented accounts: shares bought, settled, pledged, sold."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from holdings_kit.sandbox._generate._market import SPLIT, Market

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Account", "Lot"]


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
                self._settle(market, day)
                self._trade(market, day)
            yield day

    def _settle(self, market: Market, day: int) -> None:
        for lot in self.lots.values():
            lot.settled, lot.t1 = lot.settled + lot.t1, 0
        if day == market.split_day and market.split in self.lots:
            lot = self.lots[market.split]
            lot.settled, lot.pledged = lot.settled * SPLIT, lot.pledged * SPLIT
            lot.average //= SPLIT

    def _trade(self, market: Market, day: int) -> None:
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
