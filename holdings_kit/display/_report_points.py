"""What a report does not know: each point with its amount and what to do about it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from holdings_kit.display._numbers import (
    format_value,
    number_of,
    percent,
    quantity,
    rupees,
)
from holdings_kit.display._report import (
    find_partly_old,
    format_line_no,
    list_names,
    report_notices,
)
from holdings_kit.display._report_facts import sum_known
from holdings_kit.read import unresolved

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from holdings_kit.schema import Loaded

_ROWS = 20


class Point(NamedTuple):
    """One thing that is not known."""

    of: str  # price | P&L | margin | reading
    title: str
    detail: str
    todo: str
    serious: bool = False  # touches the figures at the top


def find_points(
    loaded: Loaded,
    positions: pl.DataFrame,
    collateral: pl.DataFrame,
    total: dict[str, Any],
    totals: pl.DataFrame,
    *,
    on: date | None,
) -> list[Point]:
    """List what has to be known before using the numbers, the gravest first."""
    value = total["market_value"]
    found = [
        *_find_unpriced(positions),
        *_find_uncosted(positions, value),
        *_find_old(positions, value, on),
    ]
    if total["day_pnl"] is None and positions.height:
        detail = "No reply has two prices of adjacent trading days"
        todo = "Fetch again after the next close"
        found.append(
            Point("price", "Day change is not known", detail, todo, serious=True)
        )
    found += _find_uncollateralized(collateral)
    found += _find_unread(loaded, totals)
    return sorted(found, key=lambda point: not point.serious)


def _find_unpriced(positions: pl.DataFrame) -> Iterator[Point]:
    rows = positions.filter(pl.col("price").is_null())
    for (note,), part in rows.group_by("price_note", maintain_order=True):
        cost = part["known_cost_value"].drop_nulls()
        worth = (
            f"; bought for {rupees(cost.sum())}, in no value above"
            if cost.len()
            else ""
        )
        yield Point(
            "price",
            f"No price for {list_names(part)}",
            f"{note or 'no price'}{worth}",
            "Give a price file (--prices)",
            serious=True,
        )


def _find_uncosted(positions: pl.DataFrame, value: Decimal | None) -> Iterator[Point]:
    rows = positions.filter(pl.col("cost_value").is_null())
    if rows.is_empty():
        return
    worth = sum_known(rows["known_market_value"])
    unpriced = rows["known_market_value"].null_count()
    said = "how much is outside P&L and return is not known: no price"
    if worth is not None:
        costed = rows.select("known_pnl_cost_value", "known_pnl").fill_null(Decimal(0))
        outside = worth - sum(map(sum, costed.iter_rows()), Decimal(0))
        said = (
            f"{rupees(outside)}, {_say_share(outside, value)} of value, is outside P&L "
            "and return"
        )
        if unpriced:
            said += f", and {number_of(unpriced, 'position')} of unknown value"
    yield Point(
        "P&L",
        f"No known cost, or not of all units: {list_names(rows)}",
        said,
        "Enter an average, or import a ledger",
        serious=True,
    )


def _find_old(
    positions: pl.DataFrame, value: Decimal | None, on: date | None
) -> Iterator[Point]:
    if on is None:
        return
    undated = positions.filter(
        pl.col("price").is_not_null() & pl.col("price_date").is_null()
    )
    if undated.height:
        worth = sum_known(undated["known_market_value"])
        yield Point(
            "price",
            f"{number_of(undated.height, 'price')} of an unknown day",
            f"{rupees(worth)}, {_say_share(worth, value)} of value",
            "Give a price file with dates (--prices)",
        )
    old = positions.filter(pl.col("price_date") < on)
    if old.height:
        worth = sum_known(old["known_market_value"])
        first = old["price_date"].min()
        yield Point(
            "price",
            f"{number_of(old.height, 'price')} older than the report's day",
            f"{rupees(worth)}, {_say_share(worth, value)} of value; the oldest is of "
            f"{format_value(first, 'date')}",
            "Give the day's price file (--prices)",
        )


def _say_share(part: Decimal | None, whole: Decimal | None) -> str:
    if part is None or not whole:
        return "an unknown share"
    return percent(float(part / whole))


def _find_uncollateralized(rows: pl.DataFrame) -> Iterator[Point]:
    could = rows.filter(quantity="pledgeable")
    without = could["haircut"].null_count()
    if without:
        yield Point(
            "margin",
            f"No haircut for {quantity(without)} of {number_of(could.height, 'line')}",
            "Collateral is a floor, not an estimate",
            "Give the exchange's haircut file (--prices)",
        )
    now = rows.filter(quantity="pledged")
    silent = now["collateral_quantity"].null_count()
    if silent:
        yield Point(
            "margin",
            f"Pledge state unknown for {quantity(silent)} of "
            f"{number_of(now.height, 'line')}",
            "What is pledged is a floor",
            "Ask the broker; this format does not say",
        )


def _find_unread(loaded: Loaded, totals: pl.DataFrame) -> Iterator[Point]:
    idle = totals.filter(pl.col("positions_count") == 0)
    if idle.height:
        names = _name_accounts(idle, loaded)
        yield Point(
            "reading",
            f"{number_of(idle.height, 'account')} answered with no holdings",
            f"{names}: empty, or not shown to us; counted as nothing",
            "Ask the user",
        )
    off = loaded.holdings.filter(~pl.col("reconciles"))
    if off.height:
        detail = f"{list_names(off)}: the reply's quantities contradict each other"
        title = f"{number_of(off.height, 'line')} whose quantities do not add up"
        yield Point("reading", title, detail, "Compare with the broker's page")
    bare = unresolved(loaded.holdings)
    if bare.height:
        title = f"No ISIN for {number_of(bare.height, 'line')}"
        detail = f"{list_names(bare)}: known by listing only"
        yield Point("reading", title, detail, "Give an instrument master")
    shots = loaded.snapshots
    held = shots.filter(status="quarantined").group_by("account_id", "status_reason")
    kinds = held.len().sort("account_id", "status_reason", nulls_last=True)
    for account, reason, count in kinds.head(_ROWS).iter_rows():
        title = f"{number_of(count, 'snapshot')} quarantined: {account or 'unknown'}"
        yield Point("reading", title, reason or "", "Check, then promote in the store")
    if kinds.height > _ROWS:
        title = (
            f"Snapshots of {quantity(kinds.height - _ROWS)} more accounts quarantined"
        )
        yield Point("reading", title, "See snapshots.parquet", "Check the senders")
    for row in find_partly_old(shots).head(_ROWS).iter_rows(named=True):
        yield Point(
            "reading",
            f"{row['account_id']}: a part is still that of "
            f"{format_value(row['snapshot_at'].date(), 'date')}",
            f"Newer snapshots were not asked for it ({row['status_reason']})",
            "Fetch both parts",
        )
    for row in loaded.rejects.head(_ROWS).iter_rows(named=True):
        title = f"set aside: {row['file']}{format_line_no(row['line_no'])}"
        yield Point("reading", title, row["reason"] or "", "See rejects.parquet")
    if loaded.rejects.height > _ROWS:
        title = f"{quantity(loaded.rejects.height - _ROWS)} more parts set aside"
        yield Point("reading", title, "Not read", "See rejects.parquet")
    for text in report_notices(loaded.notices):
        title, _, detail = text.partition(": ")
        yield Point("reading", title[:1].upper() + title[1:], detail, "No action")


def _name_accounts(idle: pl.DataFrame, loaded: Loaded) -> str:
    brokers = dict(loaded.snapshots.select("account_id", "broker").rows())
    names = [
        f"{brokers.get(account) or 'account'} {account}"
        for account in idle["account_id"].head(5)
    ]
    left = idle.height - len(names)
    return ", ".join(names) + (f" and {quantity(left)} more" if left else "")
