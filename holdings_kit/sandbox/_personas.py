"""Who can log in: invented people, their brokers, and what they hold at first."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from random import Random
from typing import Final, cast

from holdings_kit.sandbox._lots import Lot
from holdings_kit.sandbox._market import UNIVERSE

__all__ = [
    "BROKERS",
    "SHOWS_PLEDGES",
    "Basket",
    "Persona",
    "derive_secret",
    "invent_crowd",
    "list_personas",
    "published_sample",
    "starting_lots",
]

BROKERS: Final = {
    "fivepaisa": "5Paisa",
    "angelbroking": "Angel Broking",
    "dhan": "Dhan",
    "fisdom": "Fisdom",
    "groww": "Groww",
    "iifl": "IIFL",
    "motilal": "Motilal Oswal",
    "trustline": "Trustline",
    "upstox": "Upstox",
    "kite": "Zerodha",
}
"""Gateway's broker key → the name a user knows, for the brokers of the guide."""
SHOWS_PLEDGES: Final = frozenset(
    {"angelbroking", "iifl", "kite", "motilal", "trustline"}
)
"""Brokers whose Gateway rows carry ``collateralQuantity``."""
_AVERAGE_SHARE: Final = {"SBIN": "882.53", "IDEA": "6.61", "YESBANK": "19.42"}


@dataclass(frozen=True, slots=True)
class Basket:
    """A smallcase and its shares: instrument key and quantity."""

    scid: str
    name: str
    visibility: str
    constituents: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Persona:
    """One invented customer of one broker, known to both APIs.

    Attributes
    ----------
    key
        How the control routes call it.
    person
        Personas of the same person share it: one person, two brokers.
    account_id, auth_id
        Arrow's user id; Gateway's smallcaseAuthId.
    private_form
        How Gateway writes private smallcases: ``list``, ``stats``, ``investments``.
    story
        One sentence for the login page.
    linked
        Whether the holdings consent is given without an import.
    """

    key: str
    person: str
    name: str
    broker: str
    account_id: str
    auth_id: str
    story: str
    private_form: str = "list"
    baskets: tuple[Basket, ...] = ()
    mutual_funds: bool = False
    linked: bool = False


_PUBLIC: Final = Basket(
    "SCSB_0001", "Invented All Weather", "public", (("SBIN", 5), ("GOLDBEES", 10))
)
_PRIVATE: Final = Basket(
    "SCSB_0002", "Invented Own Basket", "private", (("YESBANK", 20), ("IDEA", 50))
)
_STORIES: Final = (
    ("asha", "asha", "Asha Example", "kite", "Lives the whole life, day by day."),
    ("asha2", "asha", "Asha Example", "dhan", "Asha's second broker."),
    ("bela", "bela", "Bela Example", "groww", "Smallcases and mutual funds."),
    ("chirag", "chirag", "Chirag Example", "upstox", "An unknown average price."),
    ("divya", "divya", "Divya Example", "angelbroking", "Private smallcases only."),
    ("esha", "esha", "Esha Example", "fivepaisa", "Has sold everything."),
    ("farid", "farid", "Farid Example", "iifl", "Pledges now and then."),
    ("gita", "gita", "Gita Example", "motilal", "Trades now and then."),
    ("hari", "hari", "Hari Example", "trustline", "Trades now and then."),
    ("ira", "ira", "Ira Example", "fisdom", "Trades now and then."),
    ("sample", "sample", "Sana Sample", "dhan", "Holds the published Arrow sample."),
)
_FORMS: Final = {
    "bela": ("list", (_PUBLIC, _PRIVATE), True),
    "chirag": ("stats", (_PUBLIC,), False),
    "divya": ("investments", (_PRIVATE,), True),
}
_HELD: Final = {
    "asha": ("SBIN IDEA YESBANK GOLDBEES ZASPLIT ZBONUS ZCHANGE ZDELIST ZFERRY ZGREEN"),
    "asha2": "BSE GOLDETF ZGREEN",
    "bela": "SBIN IDEA YESBANK GOLDBEES ZBONUS",
    "chirag": "SBIN GOLDBEES NSDL ZHARBOUR ZCHANGE GROWW",
    "divya": "YESBANK IDEA BSE ZASPLIT",
    "esha": "",
    "farid": "SBIN GOLDETF ZGREEN YESBANK",
    "gita": "GROWW NSDL ZDELIST SBIN",
    "hari": "IDEA BSE ZASPLIT ZENTER",
    "ira": "GOLDBEES SBIN ZCHANGE ZFERRY",
}


def derive_secret(seed: int, *parts: object, length: int = 24) -> str:
    """Make an id or a secret out of the seed: lower-case hex, the same every time."""
    text = ":".join(str(part) for part in (seed, *parts))
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def list_personas(seed: int) -> tuple[Persona, ...]:
    """Give the named personas of a seed; the seed decides their ids.

    Examples
    --------
    >>> [who.broker for who in list_personas(0) if who.person == "asha"]
    ['kite', 'dhan']
    """
    found: list[Persona] = []
    for number, (key, person, name, broker, story) in enumerate(_STORIES, 1):
        form, baskets, funds = _FORMS.get(key, ("list", (), False))
        found.append(
            Persona(
                key,
                person,
                name,
                broker,
                f"SBX{number:04d}",
                derive_secret(seed, "auth", key),
                story,
                form,
                baskets,
                funds,
            )
        )
    return tuple(found)


def invent_crowd(seed: int, count: int) -> tuple[Persona, ...]:
    """Give `count` more accounts that hold still, their holdings consent given."""
    brokers = tuple(BROKERS)
    return tuple(
        Persona(
            f"crowd{number:06d}",
            f"crowd{number:06d}",
            f"Crowd Example {number}",
            brokers[number % len(brokers)],
            f"CRW{number:06d}",
            derive_secret(seed, "crowd", number),
            "One of many.",
            linked=True,
        )
        for number in range(count)
    )


def starting_lots(seed: int, persona: Persona) -> dict[str, Lot]:
    """Give what a persona holds on session 0, by instrument key."""
    if persona.key == "sample":
        return _read_sample_lots()
    random = Random(f"{seed}:start:{persona.key}")
    held = _HELD.get(persona.key)
    if held is None:
        keys = random.sample(tuple(UNIVERSE), random.randint(3, 10))
    else:
        keys = held.split()
    lots = {key: _open_lot(key, random) for key in keys}
    for basket in persona.baskets:
        for key, shares in basket.constituents:
            lots[key] = _add_basket(lots[key], shares)
    if persona.key == "chirag":
        lots["ZCHANGE"] = Lot(settled=lots["ZCHANGE"].settled)
    return lots


def published_sample() -> bytes:
    """Give the published Arrow holdings reply, byte for byte."""
    return (
        files("holdings_kit.sandbox").joinpath("data/arrow_holdings.json").read_bytes()
    )


def _open_lot(key: str, random: Random) -> Lot:
    paise = UNIVERSE[key].paise
    quantity = max(4, 20 * random.randint(1, 6) * 10_000 // max(paise, 4_000))
    percent = random.randint(70, 120)
    average = _AVERAGE_SHARE.get(key)
    price = Decimal(paise * percent // 100) / 100
    return Lot(settled=quantity // 4 * 4, average=Decimal(average or price))


def _add_basket(lot: Lot, shares: int) -> Lot:
    return Lot(
        settled=lot.settled + shares,
        average=lot.average,
        in_smallcase=lot.in_smallcase + shares,
    )


def _read_sample_lots() -> dict[str, Lot]:
    reply = cast("dict[str, list[dict[str, object]]]", json.loads(published_sample()))
    lots: dict[str, Lot] = {}
    for row in reply["data"]:
        symbols = cast("list[dict[str, str]]", row["symbols"])
        lots[symbols[0]["symbol"]] = Lot(
            settled=int(str(row["depositoryQty"])),
            t1=int(str(row["t1Qty"])),
            average=Decimal(str(row["avgPrice"])),
        )
    return lots
