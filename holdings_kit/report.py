"""A loaded portfolio as text: what is held, what it is worth, what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.collateral_value import Quantity, collateral
from holdings_kit.exposure import look_through
from holdings_kit.instruments import unresolved
from holdings_kit.measures import any_known
from holdings_kit.portfolio import consolidate, summarize

if TYPE_CHECKING:
    from holdings_kit.schema import Loaded
    from holdings_kit.store.view import StoreView

__all__ = ["counted", "portfolio_report"]

_ROWS: Final = 40
_NAMES: Final = 12
_QUANTITIES: Final[tuple[tuple[Quantity, str], ...]] = (
    ("pledged", "what counts today"),
    ("pledgeable", "what could be pledged: settled shares"),
)


def counted(store: StoreView) -> Loaded:
    """Read what counts of a store, beside all that was read or set aside.

    Holdings and baskets are those of the current snapshots; `snapshots` lists the
    superseded and quarantined ones too, `rejects` what could not be read.
    """
    everything, current = store.history(), store.current()
    return current._replace(snapshots=everything.snapshots, rejects=everything.rejects)


def portfolio_report(loaded: Loaded, *, quotes: pl.DataFrame | None = None) -> str:
    """Write what a loaded portfolio holds and what is not known of it, as text.

    Shares in smallcases are counted once (`look_through`). Every total is followed by
    its coverage; unknown values are shown as a dash and listed below the table.

    Parameters
    ----------
    loaded
        What a door returned; more than one account is netted.
    quotes
        Prices for what the payloads leave open, see `consolidate`.

    Examples
    --------
    >>> from holdings_kit.schema import BASKETS, HOLDINGS, LISTINGS, REJECTS, SNAPSHOTS
    >>> from holdings_kit.schema import Loaded, empty
    >>> frames = (SNAPSHOTS, HOLDINGS, LISTINGS, BASKETS, REJECTS)
    >>> print(portfolio_report(Loaded(*map(empty, frames))).splitlines()[0])
    READ        0 snapshots of 0 accounts, 0 holdings, 0 set aside
    """
    held = look_through(loaded)
    positions = consolidate(held, quotes=quotes)
    parts = [_read(loaded), _positions(positions), _totals(positions)]
    parts += [_collateral(loaded.holdings), _open_points(loaded, positions)]
    return "\n\n".join(part for part in parts if part)


def _read(loaded: Loaded) -> str:
    shots = loaded.snapshots
    head = (
        f"READ        {shots.height} snapshots of {shots['account_id'].n_unique()} "
        f"accounts, {loaded.holdings.height} holdings, "
        f"{loaded.rejects.height} set aside"
    )
    if not shots.height:
        return head
    kinds = shots.group_by("format", "broker", maintain_order=True).agg(
        pl.len().alias("snapshots"),
        pl.col("holdings_count").sum().alias("holdings"),
        (pl.col("status") == "superseded").sum().alias("superseded"),
        (pl.col("status") == "quarantined").sum().alias("quarantined"),
    )
    return f"{head}\n{_table(kinds)}"


def _positions(positions: pl.DataFrame) -> str:
    if not positions.height:
        return ""
    shown = positions.head(_ROWS).select(
        pl.col("symbol").fill_null(pl.col("instrument_id")).alias("instrument"),
        _plain("owned_quantity").alias("quantity"),
        _money("average_price").alias("average"),
        _money("price"),
        pl.col("price_basis").fill_null("–").alias("basis"),
        _money("cost_value").alias("cost"),
        _money("market_value").alias("value"),
        _money("unrealized_pnl").alias("P&L"),
        _percent("weight"),
    )
    more = positions.height - shown.height
    tail = f"\n… and {more} more" if more > 0 else ""
    return f"POSITIONS\n{_table(shown)}{tail}"


def _totals(positions: pl.DataFrame) -> str:
    total = summarize(positions).row(0, named=True)
    share = total["priced_cost_share"]
    covered = "unknown" if share is None else f"{share:.2%}"
    gain = "–" if total["return"] is None else f"{total['return']:+.3%}"
    return (
        f"TOTAL       cost {_rupees(total['cost_value'])}   "
        f"value {_rupees(total['market_value'])}   "
        f"P&L {_rupees(total['unrealized_pnl'])}   return {gain}\n"
        f"COVERAGE    {covered} of the known cost is priced; "
        f"of {total['positions_count']} positions {total['unpriced_count']} have no "
        f"price and {total['uncosted_count']} no known cost"
    )


def _collateral(holdings: pl.DataFrame) -> str:
    lines: list[str] = []
    for quantity, meaning in _QUANTITIES:
        rows = collateral(holdings, quantity=quantity)
        value = rows.select(any_known("collateral_value")).item()
        known = rows["collateral_value"].count()
        lines.append(
            f"            {quantity:<11}{_rupees(value):>14}   {meaning}; "
            f"known for {known} of {rows.height} holdings"
        )
    return "COLLATERAL  previous close × (1 − haircut)\n" + "\n".join(lines)


def _open_points(loaded: Loaded, positions: pl.DataFrame) -> str:
    """List what a reader has to know before using the numbers above."""
    points: list[str] = []
    unpriced = positions.filter(pl.col("price").is_null())
    if unpriced.height:
        points.append(f"no price: {_names(unpriced)}")
    off = loaded.holdings.filter(~pl.col("reconciles"))
    if off.height:
        points.append(f"quantities that do not add up: {_names(off)}")
    bare = unresolved(loaded.holdings)
    if bare.height:
        points.append(f"no ISIN, known by listing only: {_names(bare)}")
    held = loaded.snapshots.filter(status="quarantined")
    points += [
        f"quarantined {row['account_id']}: {row['status_reason']}"
        for row in held.head(_ROWS).iter_rows(named=True)
    ]
    points += [
        f"set aside {row['file']}{_at(row['line_no'])}: {row['reason']}"
        for row in loaded.rejects.head(_ROWS).iter_rows(named=True)
    ]
    kinds = loaded.notices.group_by("kind", maintain_order=True).len()
    points += [f"notice {kind}: {count} times" for kind, count in kinds.iter_rows()]
    return "OPEN POINTS\n" + "\n".join(f"  · {p}" for p in points) if points else ""


def _names(rows: pl.DataFrame) -> str:
    names = rows["symbol"].fill_null(rows["instrument_id"]).unique(maintain_order=True)
    shown = ", ".join(names.head(_NAMES))
    return shown + (f" and {left} more" if (left := names.len() - _NAMES) > 0 else "")


def _at(line_no: int | None) -> str:
    return "" if line_no is None else f":{line_no}"


def _rupees(value: object) -> str:
    return "–" if value is None else f"{value:,.2f}"


def _money(column: str) -> pl.Expr:
    return (
        pl.col(column)
        .map_elements(_rupees, return_dtype=pl.String(), skip_nulls=False)
        .alias(column)
    )


def _plain(column: str) -> pl.Expr:
    text = pl.col(column).cast(pl.String()).str.strip_chars_end("0")
    return text.str.strip_chars_end(".").fill_null("–")


def _percent(column: str) -> pl.Expr:
    text = pl.format("{}%", (pl.col(column) * 100).round(2))
    return (
        pl.when(pl.col(column).is_not_null())
        .then(text)
        .otherwise(pl.lit("–"))
        .alias(column)
    )


def _table(frame: pl.DataFrame) -> str:
    """Right-aligned columns of text, no borders."""
    texts = frame.select(pl.all().cast(pl.String()).fill_null("–"))
    columns = [[name, *texts[name].to_list()] for name in texts.columns]
    widths = [max(map(len, column)) for column in columns]
    lines = zip(*columns, strict=True)
    return "\n".join(
        "  "
        + "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
