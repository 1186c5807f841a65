"""Session by session, what happens to every persona, with its ground truth."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Final

from holdings_kit.sandbox._lots import (
    Lot,
    bonus,
    bought,
    overnight,
    pledged,
    sold,
    split,
)
from holdings_kit.sandbox._market import Action, Market
from holdings_kit.sandbox._personas import (
    SHOWS_PLEDGES,
    Persona,
    list_personas,
    starting_lots,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

_GROWTH: Final = {"split": split, "bonus": bonus}
_STILL: Final = frozenset({"sample", "esha"})
_PIECE: Final = 4
_SCRIPT: Final = (
    ("opened", "ZENTER", 8),
    ("bought", "SBIN", 6),
    ("pledged", "SBIN", 8),
    ("unpledged", "SBIN", 8),
    ("split", "ZASPLIT", 0),
    ("bonus", "ZBONUS", 0),
    ("isin_change", "ZCHANGE", 0),
    ("symbol_rename", "ZGREEN", 0),
    ("delisting", "ZDELIST", 0),
    ("haircut_changed", "ZBONUS", 0),
    ("transfer", "ZFERRY", 0),
    ("sold", "YESBANK", 20),
    ("sell_all", "", 0),
)


@dataclass(frozen=True, slots=True)
class Event:
    """One cause for one account, one instrument and one session.

    Attributes
    ----------
    name
        What happened in the life: ``delisting``, ``sell_all``, ``bought``, …
    cause
        What a comparison of two snapshots should call it, by source: Arrow, Gateway;
        ``None`` where that source shows nothing.
    quantity
        Units: traded, moved between buckets, or added by the action; signed.
    other
        Key of the persona on the other side of a transfer.
    """

    session: int
    persona: str
    key: str
    name: str
    arrow: str | None
    gateway: str | None
    quantity: int
    other: str | None = None


@dataclass(slots=True)
class _Day:
    lots: dict[str, dict[str, Lot]]
    events: list[Event] = field(default_factory=list[Event])

    def put(self, event: Event, lot: Lot) -> None:
        self.lots[event.persona][event.key] = lot
        self.events.append(event)

    def touched(self, persona: str) -> set[str]:
        return {event.key for event in self.events if event.persona == persona}


class Timeline:
    """The lots and events of every persona; a session is computed once.

    Parameters
    ----------
    seed
        Same seed, same life.
    first
        Date of session 0.
    """

    def __init__(self, seed: int, first: date) -> None:
        self.seed, self._lock = seed, threading.Lock()
        self.personas = {persona.key: persona for persona in list_personas(seed)}
        self._steps = dict(_schedule(seed))
        actions = tuple(
            Action(session, key, kind, *_read_ratio(kind))
            for session, (kind, key, _quantity) in self._steps.items()
            if kind in _ACTIONS
        )
        self.market = Market(seed, first, actions)
        start = {
            key: starting_lots(seed, persona) for key, persona in self.personas.items()
        }
        self._days = [_Day(start)]

    def lots(self, persona: Persona, session: int) -> Mapping[str, Lot]:
        """Give the lots of a persona on a session; a stranger's never change."""
        if persona.key not in self.personas:
            return starting_lots(self.seed, persona)
        return self._day(session).lots[persona.key]

    def events(self, session: int) -> list[Event]:
        """List what happened on a session, to everybody."""
        return self._day(session).events

    def _day(self, session: int) -> _Day:
        with self._lock:
            while len(self._days) <= session:
                self._days.append(self._next(self._days[-1], len(self._days)))
        return self._days[session]

    def _next(self, before: _Day, session: int) -> _Day:
        day = _Day({key: dict(lots) for key, lots in before.lots.items()})
        for persona in day.lots:
            if persona not in _STILL:
                self._settle_trades(day, persona, session)
        if step := self._steps.get(session):
            self._follow_script(day, session, *step)
        for persona in day.lots:
            scripted = persona in {"asha", "asha2"} and session <= max(self._steps) + 2
            if persona not in _STILL and not scripted:
                self._trade_at_random(day, persona, session)
        return day

    def _settle_trades(self, day: _Day, persona: str, session: int) -> None:
        for key, lot in list(day.lots[persona].items()):
            if lot.today == 0:
                continue
            after = overnight(lot)
            arrow = "settled" if lot.today > 0 else None
            event = Event(session, persona, key, "settled", arrow, "settled", lot.today)
            day.put(event, after)
            if after.owned == 0:
                del day.lots[persona][key]

    def _follow_script(
        self, day: _Day, session: int, kind: str, key: str, quantity: int
    ) -> None:
        lots = day.lots["asha"]
        if kind == "sell_all":
            for held in sorted(lots):
                self._apply(
                    day,
                    session,
                    "asha",
                    key=held,
                    kind="closed",
                    name="sell_all",
                    quantity=lots[held].owned,
                )
        elif kind == "transfer":
            self._transfer(day, session, key)
        elif kind in _ACTIONS:
            self._corporate(day, session, kind, key)
        else:
            self._apply(day, session, "asha", key=key, kind=kind, quantity=quantity)

    def _apply(
        self,
        day: _Day,
        session: int,
        who: str,
        *,
        key: str,
        kind: str,
        quantity: int,
        name: str = "",
    ) -> None:
        lot = day.lots[who].get(key, Lot())
        price = Decimal(self.market.previous_close(key, session)) / 100
        change = {
            "opened": lambda: bought(lot, quantity, price),
            "bought": lambda: bought(lot, quantity, price),
            "sold": lambda: sold(lot, quantity, price),
            "closed": lambda: sold(lot, quantity, price),
            "pledged": lambda: pledged(lot, quantity),
            "unpledged": lambda: pledged(lot, -quantity),
        }[kind]
        signed = -quantity if kind in {"sold", "closed", "unpledged"} else quantity
        gateway = kind if self._shows_pledge(who) or "pledged" not in kind else None
        day.put(Event(session, who, key, name or kind, kind, gateway, signed), change())

    def _shows_pledge(self, who: str) -> bool:
        return self.personas[who].broker in SHOWS_PLEDGES

    def _transfer(self, day: _Day, session: int, key: str) -> None:
        lot = day.lots["asha"].pop(key)
        moved = ("transfer_out", "transfer_in")
        for who, other, cause, sign in (
            ("asha", "asha2", moved[0], -1),
            ("asha2", "asha", moved[1], 1),
        ):
            quantity = sign * lot.owned
            day.events.append(
                Event(session, who, key, cause, cause, cause, quantity, other)
            )
        day.lots["asha2"][key] = replace(lot, average=None)

    def _corporate(self, day: _Day, session: int, kind: str, key: str) -> None:
        for persona, lots in day.lots.items():
            lot = lots.get(key)
            if lot is None or lot.owned == 0:
                continue
            grow = _GROWTH.get(kind)
            after = grow(lot, *_read_ratio(kind)) if grow else lot
            arrow, gateway = _CAUSES[kind]
            added = after.owned - lot.owned
            day.put(Event(session, persona, key, kind, arrow, gateway, added), after)

    def _trade_at_random(self, day: _Day, persona: str, session: int) -> None:
        random = Random(f"{self.seed}:{persona}:{session}")
        if random.random() > 1 / 3:
            return
        busy = day.touched(persona) | {
            a.key for a in self.market.actions if a.session in {session, session + 1}
        }
        lots = day.lots[persona]
        gone = {a.key for a in self.market.actions if a.kind == "delisting"}
        free = sorted(set(lots) - busy - gone)
        kind = random.choice(("opened", "bought", "sold", "pledged", "unpledged"))
        if kind == "opened":
            new = [k for k in ("GROWW", "BSE", "GOLDETF", "ZENTER") if k not in lots]
            keys = [key for key in new if key not in busy]
            quantity = _PIECE * random.randint(1, 5)
        elif kind == "unpledged":
            keys = [key for key in free if lots[key].pledged]
            quantity = 0
        else:
            keys = [key for key in free if _count_spare(lots[key]) > _PIECE]
            quantity = _PIECE
        if keys:
            key = random.choice(keys)
            self._apply(
                day,
                session,
                persona,
                key=key,
                kind=kind,
                quantity=quantity or lots[key].pledged,
            )


_CAUSES: Final = {
    "split": ("split", "split"),
    "bonus": ("bonus", "bonus"),
    "isin_change": ("isin_change", "isin_change"),
    "symbol_rename": ("symbol_rename", "symbol_rename"),
    "delisting": ("delisted", "delisted"),
    "haircut_changed": ("haircut_changed", None),
}
_ACTIONS: Final = frozenset(_CAUSES)


def _read_ratio(kind: str) -> tuple[int, int]:
    return {"split": (5, 1), "bonus": (3, 2)}.get(kind, (1, 1))


def _count_spare(lot: Lot) -> int:
    return lot.settled - lot.in_smallcase


def _schedule(seed: int) -> list[tuple[int, tuple[str, str, int]]]:
    """Space the script: two or three sessions from step to step."""
    random, session = Random(f"{seed}:script"), -1
    steps: list[tuple[int, tuple[str, str, int]]] = []
    for kind, key, quantity in _SCRIPT:
        session += random.choice((2, 2, 3))
        steps.append((session, (kind, key, quantity)))
    return steps
