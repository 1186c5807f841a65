"""Who can log in: invented people, their brokers, and what they hold at first."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib.resources import files
from random import Random
from typing import TYPE_CHECKING, Final, cast

from holdings_kit.errors import ConfigError, load_optional
from holdings_kit.sandbox._lots import Lot
from holdings_kit.sandbox._market import UNIVERSE

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import yaml
else:
    yaml = load_optional("yaml")

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
    lots
        What is held, by instrument key, where a file says so; it never changes.
    life
        Which of the lives with corporate actions the account lives, if one.
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
    lots: tuple[tuple[str, Lot], ...] | None = None
    life: str | None = None


_PRIVATE_FORMS: Final = ("list", "stats", "investments")
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


def read_personas(
    path: Path, seed: int, *, lives: Collection[str] = ()
) -> tuple[Persona, ...]:
    """Read people of one's own from a YAML or JSON file.

    ``{"personas": [{"key", "broker", "holdings"?, …}]}``: a holding is its instrument's
    symbol and a quantity, or ``{quantity, average?, t1?, pledged?}``, where `quantity`
    is all that is owned. Instead of holdings a `life` may be named, one of `lives`.

    Raises
    ------
    ConfigError
        The file cannot be read, or a value in it is not what it should be; the message
        says where.
    """
    found = _read_document(path)
    people = _Part(path.name, found).members.get("personas")
    if not isinstance(people, list) or not people:
        raise ConfigError(f"{path.name}: /personas: is not a list of people")
    taken = {persona.key for persona in list_personas(seed)}
    read: list[Persona] = []
    for number, one in enumerate(cast("list[object]", people)):
        part = _Part(f"{path.name}: /personas/{number}", one)
        read.append(_read_persona(part, seed, number, taken, lives))
        taken.add(read[-1].key)
    return tuple(read)


_MEMBERS: Final = (
    "key person name broker story holdings smallcases private_form mutual_funds linked "
    "life"
)
_LOT: Final = "quantity average t1 pledged"
_BASKET: Final = "name visibility shares"


class _Part:
    """One object of a file, and where it stands."""

    def __init__(self, place: str, value: object) -> None:
        self.place = place
        if not isinstance(value, dict):
            raise self.refuse("", f"is not an object: {value!r}")
        pairs = cast("dict[object, object]", value).items()
        self.members = {str(name): member for name, member in pairs}

    def refuse(self, name: str, reason: str) -> ConfigError:
        """Make the error for a member."""
        return ConfigError(f"{self.place}{f'/{name}' if name else ''}: {reason}")

    def allow(self, names: str) -> None:
        """Refuse a member of another name: usually a misspelt one."""
        for name in self.members:
            if name not in names.split():
                raise self.refuse(name, f"is not known; there are {names}")

    def text(self, name: str, default: str | None = None) -> str:
        """Read a text that must be there unless there is a default."""
        value = self.members.get(name, default)
        if not isinstance(value, str) or not value:
            raise self.refuse(name, "is missing or no text")
        return value

    def count(self, name: str, default: int | None = None) -> int:
        """Read a whole number from 0 up."""
        value = self.members.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.refuse(name, f"{value!r} is not a whole number from 0 up")
        return value

    def flag(self, name: str) -> bool:
        """Read true or false; false where it is missing."""
        value = self.members.get(name, False)
        if not isinstance(value, bool):
            raise self.refuse(name, f"{value!r} is not true or false")
        return value


def _read_document(path: Path) -> object:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"personas: {path} cannot be read ({error})") from None
    try:
        if path.suffix.lower() == ".json":
            return json.loads(text)
        return yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise ConfigError(f"{path.name}: is neither YAML nor JSON ({said})") from None


def _read_persona(
    part: _Part, seed: int, number: int, taken: set[str], lives: Collection[str]
) -> Persona:
    part.allow(_MEMBERS)
    key, broker = part.text("key"), part.text("broker")
    if key in taken:
        raise part.refuse("key", f"{key!r} is taken")
    if broker not in BROKERS:
        raise part.refuse("broker", f"{broker!r} is none of {', '.join(BROKERS)}")
    form = part.text("private_form", "list")
    if form not in _PRIVATE_FORMS:
        raise part.refuse("private_form", f"is none of {', '.join(_PRIVATE_FORMS)}")
    life = part.text("life") if "life" in part.members else None
    if life is not None and life not in lives:
        raise part.refuse("life", f"{life!r} is none of {'; '.join(lives)}")
    for name in ("holdings", "smallcases", "mutual_funds"):
        if life is not None and name in part.members:
            raise part.refuse(name, "is what the life decides; name one of both")
    lots = _read_lots(part)
    baskets = _read_smallcases(part, lots)
    return Persona(
        key,
        part.text("person", key),
        part.text("name", key.title()),
        broker,
        f"OWN{number + 1:04d}",
        derive_secret(seed, "auth", "own", key),
        part.text("story", "Of a file of your own."),
        form,
        baskets,
        part.flag("mutual_funds"),
        part.flag("linked"),
        tuple(lots.items()),
        life,
    )


def _read_lots(part: _Part) -> dict[str, Lot]:
    lots: dict[str, Lot] = {}
    listed = _Part(f"{part.place}/holdings", part.members.get("holdings", {}))
    for symbol, value in listed.members.items():
        if symbol not in UNIVERSE:
            raise listed.refuse(symbol, f"is none of {', '.join(UNIVERSE)}")
        whole = {"quantity": value} if isinstance(value, int) else value
        lot = _Part(f"{listed.place}/{symbol}", whole)
        lot.allow(_LOT)
        quantity = lot.count("quantity")
        t1, pledged = lot.count("t1", 0), lot.count("pledged", 0)
        if t1 + pledged > quantity:
            raise lot.refuse("quantity", "is less than t1 and pledged together")
        average = lot.members.get("average")
        try:
            price = None if average is None else Decimal(str(average))
        except ArithmeticError:
            raise lot.refuse("average", f"{average!r} is no price") from None
        lots[symbol] = Lot(
            settled=quantity - t1 - pledged, t1=t1, pledged=pledged, average=price
        )
    return lots


def _read_smallcases(part: _Part, lots: dict[str, Lot]) -> tuple[Basket, ...]:
    """Read smallcases; their shares are part of the holdings."""
    value = part.members.get("smallcases", [])
    if not isinstance(value, list):
        raise part.refuse("smallcases", "is not a list")
    read: list[Basket] = []
    for number, one in enumerate(cast("list[object]", value)):
        basket = _Part(f"{part.place}/smallcases/{number}", one)
        basket.allow(_BASKET)
        visibility = basket.text("visibility", "public")
        if visibility not in {"public", "private"}:
            raise basket.refuse("visibility", "is neither public nor private")
        shares = _Part(f"{basket.place}/shares", basket.members.get("shares"))
        held = tuple((name, shares.count(name)) for name in shares.members)
        for name, count in held:
            lot = lots.get(name)
            if lot is None or lot.settled < lot.in_smallcase + count:
                raise shares.refuse(name, "is more than what is held and free")
            lots[name] = replace(lot, in_smallcase=lot.in_smallcase + count)
        scid = f"SCOWN_{number + 1:04d}"
        read.append(Basket(scid, basket.text("name"), visibility, held))
    return tuple(read)


def starting_lots(seed: int, persona: Persona) -> dict[str, Lot]:
    """Give what a persona holds on session 0, by instrument key."""
    if persona.lots is not None:
        return dict(persona.lots)
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
            lot = lots[key]
            lots[key] = replace(
                lot,
                settled=lot.settled + shares,
                in_smallcase=lot.in_smallcase + shares,
            )
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
