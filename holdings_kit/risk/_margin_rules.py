"""Collateral rules in India as dated data, each figure with its source.

`valid_from` is null where the published text at hand gives no date. A rule is
looked up by the day it is asked for; nothing here reads the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal, TypeAlias

import polars as pl

from holdings_kit.errors import ConfigError, readable, require_known

Practice: TypeAlias = Literal["strict", "broker"]

RULES: Final = pl.DataFrame(
    [
        (
            "cash_share",
            "0.5",
            None,
            "exchange rule: half of the margin in cash or equal",
        ),
        (
            "security_cap",
            "0.25",
            None,
            "approved-securities circulars, e.g. 2025-08-21",
        ),
        ("interest_per_day", "0.00035", None, "brokers' texts: about 0.035 % a day"),
    ],
    schema={
        "rule": pl.String(),
        "figure": pl.String(),  # text, read as Decimal
        "valid_from": pl.Date(),  # null: the text at hand gives no date
        "source": pl.String(),
    },
    orient="row",
)
"""Figures of the collateral rules: fractions, except where the name says more."""

LIST_CUT: Final = pl.DataFrame(
    [
        (date(2024, 8, 1), 0.40, "clearing circular, steps as told by tradingqna.com"),
        (date(2024, 9, 1), 0.60, "clearing circular, steps as told by tradingqna.com"),
        (date(2024, 10, 1), 0.80, "clearing circular, steps as told by tradingqna.com"),
        (date(2024, 11, 1), 1.00, "clearing circular, steps as told by tradingqna.com"),
    ],
    schema={
        "valid_from": pl.Date(),
        "haircut": pl.Float64(),  # at least this, or the VaR haircut if higher
        "source": pl.String(),
    },
    orient="row",
)
"""Least haircut of shares that left the eligible list in 2024, by step."""

FEES: Final = pl.DataFrame(
    [
        ("broker-30", "30", "0", "0.18", "a broker's text: Rs 30 + GST, unpledge free"),
        ("broker-20", "20", "20", "0.18", "a broker's text: Rs 20 + GST both ways"),
    ],
    schema={
        "schedule": pl.String(),
        "pledge_fee": pl.String(),  # rupees per ISIN and request, before tax
        "unpledge_fee": pl.String(),
        "gst": pl.String(),  # fraction of the fee
        "source": pl.String(),
    },
    orient="row",
).with_columns(valid_from=pl.lit(None, pl.Date()))
"""Published pledge fees by schedule; a schedule is named by its fee, not by a firm."""


@readable
@dataclass(frozen=True, kw_only=True)
class Rules:
    """How collateral counts toward a margin.

    Attributes
    ----------
    practice
        ``strict``: non-cash beyond its share counts nothing. ``broker``: all of it
        counts, and the cash that is missing below its share pays interest.
    cash_share
        Least part of the margin in cash or cash equivalents, a fraction in (0, 1).
    security_cap
        Most that one non-cash security may contribute, as a fraction of the margin: of
        the need in a plan, of cash and collateral in a sum; null for no cap. The
        published cap of 0.25 binds clearing members.

    Raises
    ------
    ConfigError
        An unknown practice, or a fraction outside its range.

    Examples
    --------
    >>> Rules().non_cash_per_cash
    Decimal('1')
    """

    practice: Practice = "strict"
    cash_share: Decimal = Decimal("0.5")
    security_cap: Decimal | None = None

    def __post_init__(self) -> None:
        if self.practice not in {"strict", "broker"}:
            raise ConfigError(f"practice {self.practice!r}: say 'strict' or 'broker'")
        if not 0 < self.cash_share < 1:
            raise ConfigError(f"cash_share {self.cash_share}: must lie between 0 and 1")
        if self.security_cap is not None and not 0 < self.security_cap <= 1:
            raise ConfigError(f"security_cap {self.security_cap}: must lie in (0, 1]")

    @property
    def non_cash_per_cash(self) -> Decimal:
        """Rupees of non-cash collateral that one rupee of cash carries, strictly."""
        return (1 - self.cash_share) / self.cash_share


@readable
@dataclass(frozen=True, kw_only=True)
class Fees:
    """What a pledge costs.

    Attributes
    ----------
    per_isin
        Rupees per ISIN and pledge request, whatever the quantity, before tax.
    gst
        Tax on the fee, a fraction.
    interest_per_day
        Interest on cash that is missing below its share, a fraction per day.

    Raises
    ------
    ConfigError
        A negative figure.

    Examples
    --------
    >>> Fees().per_request
    Decimal('35.40')
    """

    per_isin: Decimal = Decimal(30)
    gst: Decimal = Decimal("0.18")
    interest_per_day: Decimal = Decimal("0.00035")

    def __post_init__(self) -> None:
        for name in ("per_isin", "gst", "interest_per_day"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} {getattr(self, name)}: must not be negative")

    @property
    def per_request(self) -> Decimal:
        """Fee per ISIN with tax, rupees."""
        return self.per_isin * (1 + self.gst)


def as_rules(rules: Rules | Practice | None) -> Rules:
    """Read the `rules` argument of a call: a `Rules`, a practice by name, or strict."""
    return rules if isinstance(rules, Rules) else Rules(practice=rules or "strict")


def broker_fees(schedule: str, *, both_ways: bool = False) -> Fees:
    """Look up a published fee schedule (`FEES`) by name.

    Parameters
    ----------
    schedule
        A name in ``FEES["schedule"]``.
    both_ways
        Add the fee of the later unpledge to each ISIN.

    Raises
    ------
    ConfigError
        The schedule is not in `FEES`.

    Examples
    --------
    >>> broker_fees("broker-20", both_ways=True).per_request
    Decimal('47.20')
    """
    require_known(schedule, "fee schedule", FEES["schedule"])
    row = FEES.row(by_predicate=pl.col("schedule") == schedule, named=True)
    fee = Decimal(row["pledge_fee"])
    fee += Decimal(row["unpledge_fee"]) if both_ways else 0
    return Fees(per_isin=fee, gst=Decimal(row["gst"]))


def list_cut_haircut(on: date) -> float:
    """Least haircut on the day `on` of a share that the 2024 list cut removed.

    0 before the first step; sources in `LIST_CUT`.

    Examples
    --------
    >>> list_cut_haircut(date(2024, 8, 15)), list_cut_haircut(date(2024, 11, 1))
    (0.4, 1.0)
    """
    steps = LIST_CUT.filter(pl.col("valid_from") <= on)["haircut"]
    return float(steps[-1]) if len(steps) else 0.0
