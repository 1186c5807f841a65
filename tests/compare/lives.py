"""A second market, written from the facts alone: random lives and what befell them.

It shares no code with the package or its sandbox. Shares are whole numbers, costs are
fractions of a paisa, brokers report averages rounded to the paisa. Each life is one
account and two snapshots, a day, a week or a month apart; what happened on the days
between is written down as the truth. Brokers differ: averages first in, first out or
weighted; actions are booked at once, days late, or the average never.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from random import Random

FIRST = date(2026, 1, 5)
FOREVER = 10_000
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BONUSES = [(1, 1)] * 6 + [
    (1, 2),
    (2, 1),
    (3, 1),
    (1, 3),
    (1, 4),
    (1, 5),
    (1, 10),
    (2, 5),
    (3, 5),
    (1, 8),
    (4, 1),
    (2, 3),
]
SPLITS = [2, 2, 5, 5, 10, 10, 10]
SWAPS = [(42, 25), (1, 2), (3, 2), (2, 5), (7, 10), (25, 4), (13, 8)]
CHILDREN = [(1, 10), (1, 1), (1, 5), (1, 2), (2, 1)]


def code(number: int) -> str:
    letters = ""
    for _ in range(4):
        number, rest = divmod(number, 36)
        letters = LETTERS[rest] + letters
    return letters


@dataclass
class Share:
    """One listed share: who it is, and what it costs day by day."""

    number: int
    price: float
    serial: int = 1
    name: str = ""

    @property
    def isin(self) -> str:
        check = (self.number + self.serial) % 10  # nobody verifies it here
        return f"INE{code(self.number)}01{self.serial:02}{check}"


@dataclass
class Holding:
    """Lots of one share, oldest first: units and cost of each."""

    share: Share
    lots: list[list[Fraction]] = field(default_factory=list)
    today: int = 0
    pledged: int = 0
    unknown: bool = False

    @property
    def units(self) -> Fraction:
        return sum((lot[0] for lot in self.lots), Fraction(0))

    @property
    def cost(self) -> Fraction:
        return sum((lot[0] * lot[1] for lot in self.lots), Fraction(0))

    def average(self) -> Decimal | None:
        if self.unknown or not self.units:
            return None
        exact = self.cost / self.units
        rounded = Decimal(exact.numerator) / Decimal(exact.denominator)
        return rounded.quantize(Decimal("0.01"), ROUND_HALF_EVEN)

    def blend(self) -> None:
        if self.lots:
            self.lots = [[self.units, self.cost / self.units]]

    def add(self, units: int, price: Fraction) -> None:
        self.lots.append([Fraction(units), price])

    def take(self, units: int) -> None:
        left = Fraction(units)
        while left > 0:
            lot = self.lots[0]
            used = min(lot[0], left)
            lot[0] -= used
            left -= used
            if lot[0] == 0:
                self.lots.pop(0)

    def times(self, factor: Fraction, *, keep_average: bool) -> None:
        """Multiply the units; a fraction is paid out in cash."""
        total = math.floor(self.units * factor)
        cost = self.cost * (factor if keep_average else 1)
        if keep_average:
            cost = self.cost / self.units * total
        for lot in self.lots:
            lot[0] *= factor
            lot[1] = lot[1] if keep_average else lot[1] / factor
        if self.units != total:
            self.lots = [[Fraction(total), cost / total]] if total else []


@dataclass
class Life:
    """One account, its two snapshots, and what happened between them."""

    account: str
    rows: list[list[dict[str, object]]] = field(default_factory=lambda: [[], []])
    actions: list[dict[str, object]] = field(default_factory=list)
    truth: dict[str, set[str]] = field(default_factory=dict)
    traded: set[str] = field(default_factory=set)
    gap: int = 1


class Teller:
    """Live one life."""

    def __init__(self, number: int, seed: int) -> None:
        self.random = random = Random(f"{seed}/{number}")
        self.life = Life(f"L{number:05}")
        self.life.gap = self.gap = random.choice((1, 1, 7, 7, 30))
        self.fifo = random.random() < 0.4
        self.base = number * 12
        self.next = 0
        self.holdings: dict[int, Holding] = {}
        self.plan: dict[int, list[tuple[str, tuple[object, ...]]]] = {}
        self.happened: dict[int, set[str]] = {}
        self.traded: set[int] = set()
        self.busy: set[int] = set()

    def share(self, price: float | None = None) -> Share:
        number = self.base + self.next
        self.next += 1
        level = price or math.exp(self.random.uniform(math.log(20), math.log(4000)))
        return Share(number, level, name=f"S{number}")

    def paisa(self, price: float) -> Fraction:
        return Fraction(round(price * 20), 20)

    def hold(self, share: Share) -> Holding:
        """Own a share from before: one to three lots at older prices."""
        random = self.random
        holding = Holding(share)
        for _ in range(random.choice((1, 1, 2, 3))):
            old = share.price * math.exp(random.gauss(-0.15, 0.35))
            holding.add(
                random.choice((1, 3, 7, 10, 25, 40, 100, 150, 333, 1000)),
                self.paisa(old),
            )
        if not self.fifo:
            holding.blend()
        self.holdings[share.number] = holding
        return holding

    def day(self, number: int) -> date:
        return FIRST + timedelta(days=20 + number)

    def list_action(self, share: Share, day: int, kind: str, **more: object) -> None:
        self.life.actions.append(
            {
                "instrument_id": share.isin,
                "ex_date": self.day(day),
                "kind": kind,
                **more,
            }
        )

    def note(self, number: int, *causes: str) -> None:
        if self.now > 0:
            self.happened.setdefault(number, set()).update(causes)

    def at(self, day: int, what: str, *more: object) -> None:
        self.plan.setdefault(day, []).append((what, more))

    # the stories

    def tell(self) -> Life:
        random = self.random
        self.now = -FOREVER
        for _ in range(random.choice((3, 4, 5))):
            self.hold(self.share())
        stories = [
            self.split_story,
            self.bonus_story,
            self.bonus_story,
            self.bonus_story,
            self.twice_story,
            self.merger_story,
            self.demerger_story,
            self.demerger_story,
            self.rights_story,
            self.buyback_story,
            self.change_story,
            self.consolidation_story,
            self.allotment_story,
            self.delisting_story,
            self.spin_story,
        ]
        for holding in list(self.holdings.values())[: random.choice((1, 1, 2))]:
            if random.random() < 0.75:
                self.busy.add(holding.share.number)
                random.choice(stories)(holding)
        for day in range(-14, self.gap + 1):
            self.now = day
            self.live_day()
            if self.now == 0:
                self.snapshot(0)
                self.unsettled = {n for n, h in self.holdings.items() if h.today}
                self.names0 = {
                    n: h.share.isin for n, h in self.holdings.items() if h.units
                }
        self.snapshot(1)
        self.tell_truth()
        return self.life

    def dates(self) -> tuple[int, int, int]:
        """Ex-date, the day the shares come, and the day the average follows."""
        random = self.random
        ex = (
            random.randint(-8, self.gap)
            if random.random() < 0.3
            else random.randint(1, self.gap)
        )
        come = ex + random.choice((0, 0, 0, 2, 5))
        follow = come + random.choice((0, 0, 0, 0, 3, FOREVER))
        return ex, come, follow

    def split_story(self, holding: Holding) -> None:
        factor = self.random.choice(SPLITS)
        ex, come, _ = self.dates()
        changes = self.random.random() < 0.85
        share = holding.share
        new = Share(share.number, 0, share.serial + 1) if changes else share
        self.list_action(
            share,
            ex,
            "split",
            ratio=f"1:{factor}",
            new_instrument_id=new.isin if changes else None,
        )
        self.at(ex, "price", holding, 1 / factor, Fraction(factor))
        self.at(come, "grow", holding, Fraction(factor), "split", False, changes)

    def bonus_story(self, holding: Holding) -> None:
        new, old = self.random.choice(BONUSES)
        ex, come, follow = self.dates()
        factor = 1 + Fraction(new, old)
        self.list_action(holding.share, ex, "bonus", ratio=f"{new}:{old}")
        self.at(ex, "price", holding, float(1 / factor), factor)
        late = follow > come
        self.at(come, "grow", holding, factor, "bonus", late, False)
        if late and follow < FOREVER:
            self.at(follow, "restate", holding, factor)

    def twice_story(self, holding: Holding) -> None:
        """A bonus and a split of one day."""
        (new, old), factor = (
            self.random.choice(((1, 1), (4, 1), (1, 2))),
            self.random.choice((2, 5)),
        )
        ex, come, _ = self.dates()
        share = holding.share
        renamed = Share(share.number, 0, share.serial + 1)
        self.list_action(share, ex, "bonus", ratio=f"{new}:{old}")
        self.list_action(
            share, ex, "split", ratio=f"1:{factor}", new_instrument_id=renamed.isin
        )
        whole = factor * (1 + Fraction(new, old))
        self.at(ex, "price", holding, float(1 / whole), whole)
        self.at(come, "grow", holding, whole, "split bonus", False, True)

    def consolidation_story(self, holding: Holding) -> None:
        old = self.random.choice((2, 5, 10))
        if holding.units < 5 * old:
            return
        ex, come, _ = self.dates()
        share = holding.share
        renamed = Share(share.number, 0, share.serial + 1)
        self.list_action(
            share, ex, "consolidation", ratio=f"{old}:1", new_instrument_id=renamed.isin
        )
        self.at(ex, "price", holding, float(old), Fraction(1, old))
        self.at(come, "grow", holding, Fraction(1, old), "consolidation", False, True)

    def change_story(self, holding: Holding) -> None:
        ex, _, _ = self.dates()
        kind = self.random.choice(("isin_change", "rename"))
        share = holding.share
        if kind == "isin_change":
            renamed = Share(share.number, 0, share.serial + 1)
            self.list_action(share, ex, kind, new_instrument_id=renamed.isin)
        self.at(ex, kind, holding)

    def merger_story(self, holding: Holding) -> None:
        new, old = self.random.choice(SWAPS)
        ex = self.random.randint(1, self.gap)
        source = holding.share
        wanted = source.price * old / new * math.exp(self.random.gauss(0, 0.02))
        target = self.share(wanted)
        if self.random.random() < 0.6:
            self.hold(target)
        self.busy.add(target.number)
        self.list_action(
            source, ex, "merger", ratio=f"{new}:{old}", new_instrument_id=target.isin
        )
        self.at(ex, "merge", holding, target, Fraction(new, old))

    def demerger_story(self, holding: Holding) -> None:
        self.spin(holding, 1)

    def spin_story(self, holding: Holding) -> None:
        self.spin(holding, 2)

    def spin(self, holding: Holding, children: int) -> None:
        ex, come, follow = self.dates()
        shares = []
        left = 1.0
        for _ in range(children):
            new, old = self.random.choice(CHILDREN)
            part = self.random.uniform(0.04, 0.3)
            left -= part
            child = self.share(holding.share.price * part * old / new)
            self.busy.add(child.number)
            shares.append(
                (
                    child,
                    Fraction(new, old),
                    Fraction(
                        round(part * self.random.uniform(0.8, 1.2), 4)
                    ).limit_denominator(10_000),
                )
            )
            self.list_action(
                holding.share,
                ex,
                "demerger",
                ratio=f"{new}:{old}",
                new_instrument_id=child.isin,
                cost_share=float(shares[-1][2]),
            )
        self.at(ex, "leave", holding, left, tuple(ratio for _, ratio, _ in shares))
        self.at(come, "spin", holding, tuple(shares), follow > come)
        if come < follow < FOREVER:
            self.at(follow, "cost", holding, tuple(shares))

    def rights_story(self, holding: Holding) -> None:
        new, old = self.random.choice(((1, 15), (1, 4), (2, 9), (1, 2)))
        units = math.floor(holding.units * new / old)
        if units < 1:
            return
        come = self.random.randint(1, self.gap)
        issue = self.paisa(holding.share.price * self.random.uniform(0.4, 0.8))
        self.list_action(
            holding.share,
            min(come, max(come - 8, -6)),
            "rights",
            ratio=f"{new}:{old}",
            cash_per_unit=Decimal(issue.numerator) / Decimal(issue.denominator),
        )
        self.at(come, "rights", holding, units, issue)

    def buyback_story(self, holding: Holding) -> None:
        units = math.floor(holding.units / 5)
        if units < 1:
            return
        come = self.random.randint(1, self.gap)
        price = self.paisa(holding.share.price * 1.2)
        self.list_action(
            holding.share,
            come,
            "buyback",
            ratio="1:5",
            cash_per_unit=Decimal(price.numerator) / Decimal(price.denominator),
        )
        self.at(come, "tender", holding, units)

    def allotment_story(self, holding: Holding) -> None:
        """Shares of an issue, or a gift: at a known price, or none for days."""
        new = self.random.random() < 0.5
        target = Holding(self.share()) if new else holding
        self.holdings.setdefault(target.share.number, target)
        self.busy.add(target.share.number)
        self.at(
            self.random.randint(1, self.gap),
            "receive",
            target,
            self.random.choice((8, 15, 40, 110)),
        )

    def delisting_story(self, holding: Holding) -> None:
        ex = self.random.randint(1, self.gap)
        self.list_action(holding.share, ex, "delisting")
        self.at(ex, "delist", holding)

    # the days

    def live_day(self) -> None:
        for holding in self.holdings.values():
            holding.today = 0
        for holding in self.holdings.values():
            holding.share.price *= math.exp(self.random.gauss(0, 0.015))
        for what, more in self.plan.get(self.now, []):
            getattr(self, f"do_{what}")(*more)
        for number, holding in list(self.holdings.items()):
            chance = 0.9 / (self.gap + 3) * (0.35 if number in self.busy else 1)
            if self.random.random() < chance and not holding.unknown:
                self.trade(number, holding)
        if self.random.random() < 0.35 / (self.gap + 3):
            fresh = Holding(self.share())
            self.holdings[fresh.share.number] = fresh
            self.trade(fresh.share.number, fresh)

    def trade(self, number: int, holding: Holding) -> None:
        if holding.share.price > 0 and self.trades(number, holding) and self.now > 0:
            self.traded.add(number)

    def trades(self, number: int, holding: Holding) -> bool:
        """Buy, sell or pledge; tell whether anything was traded."""
        random = self.random
        price = self.paisa(holding.share.price * math.exp(random.gauss(0, 0.006)))
        units = int(holding.units)
        kind = random.choice(("buy", "sell", "sell out", "pledge"))
        if not units:
            if number in self.busy or kind == "pledge":
                return False
            kind = "buy"
        if kind == "buy":
            more = random.choice((1, 5, 10, 30, 100))
            holding.add(more, price)
            if not self.fifo:
                holding.blend()
            holding.today += more
            self.note(number, "bought")
            return True
        free = units - holding.pledged - holding.today
        if kind == "pledge":
            if free > 1:
                holding.pledged += free // 2
                self.note(number, "pledged")
            return False
        whole = kind == "sell out"
        if free < 1 or (free < units if whole else free < 2):
            return False
        holding.take(free if whole else random.randint(1, max(1, free // 2)))
        self.note(number, "sold")
        return True

    def do_price(
        self, holding: Holding, factor: float, *more: Fraction, spun: bool = False
    ) -> None:
        """The price falls; the shares are to come, if a whole one comes at all."""
        holding.share.price *= factor
        units = holding.units
        given = [math.floor(units * one) for one in more]
        if any(one not in (0, units) for one in given) or (spun and any(given)):
            self.note(holding.share.number, "ex")

    def do_leave(self, holding: Holding, left: float, ratios: tuple) -> None:
        self.do_price(holding, left, *ratios, spun=True)

    def do_grow(
        self, holding: Holding, factor: Fraction, names: str, late: bool, renamed: bool
    ) -> None:
        if not holding.units:
            return
        before = holding.units
        holding.pledged = math.floor(holding.pledged * factor)
        holding.today = 0
        holding.times(factor, keep_average=late)
        if renamed:
            holding.share.serial += 1
        seen = names.split() if holding.units != before or renamed else ()
        if not seen:
            self.plan = {
                d: [e for e in p if e[0] != "restate" or e[1][0] is not holding]
                for d, p in self.plan.items()
            }
        self.note(holding.share.number, *seen, "credited")

    def do_restate(self, holding: Holding, factor: Fraction) -> None:
        for lot in holding.lots:
            lot[1] /= factor
        if holding.units:
            self.note(holding.share.number, "average_restated")

    def do_isin_change(self, holding: Holding) -> None:
        holding.share.serial += 1
        self.note(holding.share.number, "isin_change")

    def do_rename(self, holding: Holding) -> None:
        holding.share.name += "X"
        self.note(holding.share.number, "symbol_rename")

    def do_merge(self, holding: Holding, target: Share, swap: Fraction) -> None:
        if not holding.units:
            return
        heir = self.holdings.setdefault(target.number, Holding(target))
        units = math.floor(holding.units * swap)
        self.note(holding.share.number, "merger")
        if units:
            heir.add(units, holding.cost / units)
            if not self.fifo:
                heir.blend()
            self.note(target.number, "merger")
        holding.lots, holding.pledged, holding.today = [], 0, 0

    def do_spin(self, holding: Holding, children: tuple, late: bool) -> None:
        if not holding.units:
            return
        cost, came = holding.cost, False
        for child, ratio, part in children:
            units = math.floor(holding.units * ratio)
            if not units:
                continue
            heir = self.holdings.setdefault(child.number, Holding(child))
            heir.add(units, cost * part / units)
            heir.unknown = late
            self.note(child.number, "demerger")
            came = True
        if not late:
            kept = 1 - sum(
                (part for c, _, part in children if self.holdings.get(c.number)),
                Fraction(0),
            )
            for lot in holding.lots:
                lot[1] *= kept
        if came:
            self.note(holding.share.number, "demerger")

    def do_cost(self, holding: Holding, children: tuple) -> None:
        known = [c for c, _, _ in children if self.holdings.get(c.number)]
        if not known or not holding.units:
            for child in known:
                self.holdings[child.number].unknown = False
                self.note(child.number, "average_restated", "demerger")
            return
        kept = 1 - sum((part for c, _, part in children if c in known), Fraction(0))
        for lot in holding.lots:
            lot[1] *= kept
        for child in known:
            self.holdings[child.number].unknown = False
            self.note(child.number, "average_restated", "demerger")
        self.note(holding.share.number, "average_restated", "demerger")

    def do_rights(self, holding: Holding, units: int, issue: Fraction) -> None:
        holding.add(units, issue)
        if not self.fifo:
            holding.blend()
        self.note(holding.share.number, "rights")

    def do_tender(self, holding: Holding, units: int) -> None:
        if holding.units - holding.pledged - holding.today < units:
            return
        holding.take(units)
        self.note(holding.share.number, "buyback")

    def do_receive(self, holding: Holding, units: int) -> None:
        holding.add(units, self.paisa(holding.share.price))
        holding.blend()
        holding.unknown = True
        self.note(holding.share.number, "received")

    def do_delist(self, holding: Holding) -> None:
        holding.share.price = 0
        self.note(holding.share.number, "delisted")

    # what the broker reports

    def snapshot(self, side: int) -> None:
        day = self.day(self.now)
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        for place, holding in enumerate(self.holdings.values()):
            units = int(holding.units)
            if not units:
                continue
            pledged, today = min(holding.pledged, units), min(holding.today, units)
            today = min(today, units - pledged)
            price = holding.share.price
            self.life.rows[side].append(
                {
                    "snapshot_id": f"{self.life.account}-{side}",
                    "account_id": self.life.account,
                    "holding_no": place,
                    "source": "arrow",
                    "snapshot_at": at,
                    "instrument_id": holding.share.isin,
                    "isin": holding.share.isin,
                    "symbol": holding.share.name,
                    "exchange": "NSE",
                    "settled_quantity": Decimal(units - pledged - today),
                    "t1_quantity": Decimal(today),
                    "pledged_quantity": Decimal(pledged),
                    "owned_quantity": Decimal(units),
                    "average_price": holding.average(),
                    "close_price": Decimal(f"{max(price, 0.05):.2f}")
                    if price
                    else None,
                }
            )

    def tell_truth(self) -> None:
        for number, holding in self.holdings.items():
            before, after = self.names0.get(number), holding.share.isin
            if before or holding.units:
                causes = self.causes_of(number, holding, before)
                name = str(after if holding.units else before)
                self.life.truth[name] = causes
                if number in self.traded or causes & {"rights", "buyback"}:
                    self.life.traded.add(name)

    def causes_of(self, number: int, holding: Holding, before: str | None) -> set[str]:
        """Write what happened to a line in the words of a comparison."""
        seen = self.happened.get(number, set())
        causes = set(seen) - {"ex", "credited"}
        more = {
            "pending_action": "ex" in seen and not seen & {"credited", "demerger"},
            "opened": not before and "bought" in causes,
            "closed": not holding.units and "sold" in causes,
            "isin_change": before not in (None, holding.share.isin),
            # net of what was bought and sold, only the average may have moved
            "average_restated": "bought" in causes
            and bool(causes & {"sold", "received"}),
            "settled": number in self.unsettled and bool(holding.units),
        }
        return causes | {cause for cause, holds in more.items() if holds}


def lives(count: int, seed: int) -> list[Life]:
    """Tell so many lives; the same for the same seed."""
    return [Teller(number, seed).tell() for number in range(count)]
