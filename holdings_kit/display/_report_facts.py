"""What the parts of a report say alike: sums of what is known, coverage, gaps."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from holdings_kit.display._numbers import number_of, percent, quantity, rupees

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, Any]

NO_COST: Final = "cost unknown"
_LETTERS: Final = 24  # of a name in a heading or chip
_ZERO: Final = Decimal(0)


def sum_known(amounts: pl.Series) -> Decimal | None:
    """Sum the amounts that are known; none known is no sum, not 0.

    Examples
    --------
    >>> sum_known(pl.Series([None, Decimal(3)])), sum_known(pl.Series([None]))
    (Decimal('3'), None)
    """
    known = amounts.drop_nulls()
    return sum(known, _ZERO) if known.len() else None


def sum_costed(positions: pl.DataFrame) -> Decimal | None:
    """Sum the cost of the units that have a price too: what the return is of."""
    return sum_known(positions["known_pnl_cost_value"])


def name_of(row: Row) -> str:
    """Name the instrument of a row."""
    return str(row["symbol"] or row["instrument_id"] or "unnamed")


def shorten(name: str) -> str:
    """Cut a name to what a heading or a chip holds."""
    return name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"


def with_known_return(positions: pl.DataFrame) -> pl.DataFrame:
    """Add the return of the units that have both a price and a cost."""
    cost = pl.col("known_pnl_cost_value").abs().cast(pl.Float64())
    gain = pl.col("known_pnl").cast(pl.Float64())
    return positions.with_columns(_gain=pl.when(cost > 0).then(gain / cost))


def with_smallcase_value(positions: pl.DataFrame) -> pl.DataFrame:
    """Add the value of what is held inside smallcases; null where it is not known."""
    inside = pl.col("smallcase_quantity") * pl.col("price")
    return positions.with_columns(
        _inside=pl.when(pl.col("market_value").is_not_null()).then(
            inside.cast(positions.schema["market_value"])
        )
    )


def say_no_value(total: Row) -> str:
    """Say why the value of several positions is not known."""
    if not total["positions_count"]:
        return "nothing is held in what was read"
    if total["unpriced_count"] == total["positions_count"]:
        return "no position has a price"
    return "no position has both a price and known units"


def describe_priced(positions: pl.DataFrame, total: Row) -> str:
    """Say how many positions have a price, and what share of the known cost that is."""
    unpriced = total["unpriced_count"]
    partly = positions.filter(
        pl.col("price").is_null() & pl.col("known_market_value").is_not_null()
    ).height
    said = _count_positions(total["positions_count"], unpriced) + " a price"
    if partly:
        said += f", {quantity(partly)} more for some of the units"
    countless = positions["owned_quantity"].null_count()
    if countless:
        said += f"; of {number_of(countless, 'position')} the units are not known"
    if not unpriced:
        return said
    share = total["priced_cost_share"]
    part = (
        "no cost is known" if share is None else f"{percent(share)} of the known cost"
    )
    return f"{said}; {part}"


def describe_costed(total: Row) -> str:
    """Say how many positions have a known cost, and what share of the value that is."""
    said = _count_positions(total["positions_count"], total["uncosted_count"])
    share = total["costed_value_share"]
    part = "no value is known" if share is None else f"{percent(share)} of known value"
    return f"{said} a known cost; {part}"


def _count_positions(count: int, without: int) -> str:
    some = "all" if count > 1 and not without else f"{quantity(count - without)} of"
    noun = "position has" if count == 1 else "positions have"
    return f"{some} {quantity(count)} {noun}"


def describe_smallcases(by_account: pl.DataFrame) -> str:
    """Say how much of the value is shares inside smallcases, or that nobody says."""
    held = with_smallcase_value(by_account).filter(pl.col("owned_quantity") != 0)
    silent = held["smallcase_quantity"].null_count()
    inside = held.filter(pl.col("smallcase_quantity") != 0)
    said: list[str] = []
    if inside.height:
        worth, unvalued = sum_known(inside["_inside"]), inside["_inside"].null_count()
        lines = number_of(inside.height, "line")
        if worth is None:
            said.append(f"what smallcases hold, in {lines}, has no known value")
        else:
            said.append(f"{rupees(worth)} of value is held in smallcases, in {lines}")
        if unvalued and worth is not None:
            said.append(f"{quantity(unvalued)} of them of unknown value")
    elif held.height > silent:
        said.append("no shares are known to be held in smallcases")
    if silent:
        lines = number_of(silent, "line")
        said.append(f"whether smallcases hold any of {lines}, the replies do not say")
    return "; ".join(said)


def explain_difference(positions: pl.DataFrame, total: Row) -> str:
    """Say why value − cost is not the P&L, with the amounts; nothing where it is."""
    value, cost, pnl = (
        total[name] for name in ("market_value", "cost_value", "unrealized_pnl")
    )
    said = list(_list_gaps(positions, value, cost, pnl))
    if not said:
        return ""
    gaps = "; ".join(said)
    if value is None or cost is None:
        lacking = "value" if value is None else "cost"
        return f"Value − cost and P&L are not known, as no {lacking} is: {gaps}."
    apart = f"Value − cost is {rupees(value - cost, sign=True)}"
    if pnl is None:
        return f"{apart}, but no P&L: {gaps}. No unit has both."
    return (
        f"{apart}, not the P&L: {gaps}. P&L and return are of the units with both."
        if value - cost != pnl
        else f"{apart}, as the P&L, by chance: {gaps}."
    )


def _list_gaps(
    positions: pl.DataFrame,
    value: Decimal | None,
    cost: Decimal | None,
    pnl: Decimal | None,
) -> Iterator[str]:
    """List what has a value and no cost, a cost and no value, and neither."""
    both = sum_costed(positions) or _ZERO
    uncosted = (value or _ZERO) - both - (pnl or _ZERO)
    unpriced = (cost or _ZERO) - both
    if uncosted:
        yield f"{rupees(uncosted)} of value has no known cost"
    if unpriced:
        yield f"{rupees(unpriced)} of cost has no price"
    neither = positions.filter(
        pl.all_horizontal(pl.col("known_market_value", "known_cost_value").is_null())
    ).height
    if neither:
        verb = "has" if neither == 1 else "have"
        yield f"{number_of(neither, 'position')} {verb} neither"
