"""What one account holds of one instrument, and how an event changes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

_PAISA: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Lot:
    """Disjoint quantities of one instrument in one account.

    Attributes
    ----------
    settled, t1, pledged
        Free, bought in this session, pledged; together what is owned.
    average
        Rupees per unit; ``None`` when the broker does not know.
    today
        Net bought minus sold in this session (already in `settled` and `t1`).
    today_average
        Price of today's trades.
    average_before
        `average` as it was before today's trades.
    in_smallcase
        The part of `settled` held through smallcases.
    """

    settled: int = 0
    t1: int = 0
    pledged: int = 0
    average: Decimal | None = None
    today: int = 0
    today_average: Decimal | None = None
    average_before: Decimal | None = None
    in_smallcase: int = 0

    @property
    def owned(self) -> int:
        """Settled, unsettled and pledged together."""
        return self.settled + self.t1 + self.pledged


def overnight(lot: Lot) -> Lot:
    """Start the next session: what was bought is settled now."""
    return replace(
        lot,
        settled=lot.settled + lot.t1,
        t1=0,
        today=0,
        today_average=None,
        average_before=None,
    )


def bought(lot: Lot, quantity: int, price: Decimal) -> Lot:
    """Buy at a price; the average moves unless it was unknown."""
    if lot.owned == 0:
        average: Decimal | None = price
    elif lot.average is None:
        average = None
    else:
        cost = lot.average * lot.owned + price * quantity
        average = round_to_paisa(cost / (lot.owned + quantity))
    return replace(
        lot,
        t1=lot.t1 + quantity,
        average=average,
        today=lot.today + quantity,
        today_average=price,
        average_before=lot.average,
    )


def sold(lot: Lot, quantity: int, price: Decimal) -> Lot:
    """Sell settled shares; the average stays."""
    return replace(
        lot,
        settled=lot.settled - quantity,
        today=lot.today - quantity,
        today_average=price,
        average_before=lot.average,
    )


def pledged(lot: Lot, quantity: int) -> Lot:
    """Pledge settled shares; a negative quantity releases them."""
    return replace(lot, settled=lot.settled - quantity, pledged=lot.pledged + quantity)


def split(lot: Lot, new: int, old: int) -> Lot:
    """Turn `old` shares into `new` ones; the cost stays, fractions are dropped."""
    average = None if lot.average is None else round_to_paisa(lot.average * old / new)
    return replace(
        lot,
        settled=lot.settled * new // old,
        pledged=lot.pledged * new // old,
        average=average,
        in_smallcase=lot.in_smallcase * new // old,
    )


def bonus(lot: Lot, new: int, old: int) -> Lot:
    """Add bonus shares at no cost: `old` shares become `new` ones, all of them free."""
    added = lot.owned * new // old - lot.owned
    grown = split(replace(lot, settled=lot.owned, pledged=0), new, old)
    return replace(grown, settled=lot.settled + added, pledged=lot.pledged)


def round_to_paisa(value: Decimal) -> Decimal:
    """Round rupees to the paisa, a half up."""
    return value.quantize(_PAISA, ROUND_HALF_UP)
