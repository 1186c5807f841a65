"""The instruments a sandbox trades: eight of the published sample, the rest invented.

Real instruments never split, rename or vanish here; only invented ones do. An invented
ISIN has a valid check digit and letters where an issuer code has digits (``INEZ…``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["FUNDS", "UNIVERSE", "Fund", "Instrument", "Listing", "isin_with_check"]


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


def isin_with_check(body: str) -> str:
    """Append the ISO 6166 check digit to the first eleven characters of an ISIN.

    Examples
    --------
    >>> isin_with_check("INE062A0102")
    'INE062A01020'
    """
    digits = "".join(str(int(character, 36)) for character in body)
    doubled = (
        int(digit) * (2 if place % 2 == 0 else 1)
        for place, digit in enumerate(reversed(digits))
    )
    total = sum(value // 10 + value % 10 for value in doubled)
    return f"{body}{-total % 10}"


def _real(
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


def _invented(
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
        isin_with_check(f"INEZ{number:02d}A0101"),
        f"{name} (invented)",
        listings[1:] if bse_only else listings,
        paise,
        haircut,
        invented=True,
    )


_REAL: Final = (
    _real(
        "GROWW",
        "INE0HOQ01053",
        "Billionbrains Garage Ventures",
        ("759806", "1543603"),
        paise=15733,
        haircut="16.62",
    ),
    _real(
        "IDEA",
        "INE669E01016",
        "Vodafone Idea",
        ("14366", "1531822"),
        paise=993,
        haircut="27.07",
    ),
    _real("BSE", "INE118H01025", "BSE", ("19585", ""), paise=288660, haircut="24.67"),
    _real(
        "GOLDETF",
        "INF769K01JP9",
        "Mirae Asset Gold ETF",
        ("14286", "1542781"),
        paise=12503,
        haircut="12.50",
    ),
    _real(
        "YESBANK",
        "INE528G01035",
        "Yes Bank",
        ("11915", "1531648"),
        paise=2245,
        haircut="16.90",
    ),
    _real(
        "SBIN",
        "INE062A01020",
        "State Bank of India",
        ("3045", "1499112"),
        paise=97310,
        haircut="12.50",
    ),
    _real(
        "GOLDBEES",
        "INF204KB17I5",
        "Nippon India ETF Gold BeES",
        ("14428", "1589095"),
        paise=10672,
        haircut="12.50",
    ),
    _real(
        "NSDL",
        "INE301O01023",
        "National Securities Depository",
        ("", "1543467"),
        paise=109600,
        haircut="14.46",
    ),
)

_INVENTED: Final = (
    _invented(1, "ZASPLIT", "Asha Splitting Mills", 250_000, "20.00", bse_only=False),
    _invented(2, "ZBONUS", "Bela Bonus Foods", 60_000, "18.50", bse_only=False),
    _invented(3, "ZCHANGE", "Chitra Changing Cables", 32_000, "25.00", bse_only=False),
    _invented(4, "ZDELIST", "Dhara Departing Dyes", 4_150, "60.00", bse_only=False),
    _invented(5, "ZENTER", "Esha Entering Engines", 87_500, "22.75", bse_only=False),
    _invented(6, "ZFERRY", "Farid Ferrying Freight", 14_900, "30.00", bse_only=False),
    _invented(7, "ZGREEN", "Gita Green Grids", 112_000, "17.25", bse_only=False),
    _invented(8, "ZHARBOUR", "Hari Harbour Holdings", 5_480, "35.00", bse_only=True),
)

UNIVERSE: Final = {item.key: item for item in (*_REAL, *_INVENTED)}
"""Key (first symbol) → instrument, as on the first day."""

FUNDS: Final = (
    Fund(
        isin_with_check("INFZ01K0101"), "Invented Liquid Fund", "ZLIQUID", "1012.4471"
    ),
    Fund(isin_with_check("INFZ02K0102"), "Invented Flexi Fund", "ZFLEXI", "48.9310"),
)
