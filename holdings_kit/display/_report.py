"""A loaded portfolio as text: what is held, what it is worth, what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.display._frame_view import align_rows
from holdings_kit.display._numbers import (
    UNKNOWN,
    format_value,
    number_of,
    percent,
    quantity,
    rupees,
)
from holdings_kit.display._report_facts import (
    describe_costed,
    describe_priced,
    describe_smallcases,
    explain_difference,
)
from holdings_kit.errors import printable
from holdings_kit.portfolio import consolidate, look_through, summarize
from holdings_kit.portfolio._prices import BASES
from holdings_kit.read import unresolved
from holdings_kit.risk import Quantity, collateral
from holdings_kit.schema import any_known

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdings_kit.display._numbers import Kind
    from holdings_kit.display._report_facts import Row
    from holdings_kit.schema import FrameLike, Loaded
    from holdings_kit.store import StoreView

_ROWS: Final = 40
_NOTICES: Final = {
    "answered_from_store": "not fetched, the store's was fresh",
    "basket_total": "a total of private smallcases, not counted a second time",
    "isin_check_digit": "an ISIN that does not verify",
    "isin_conflict": "a holding listed under several ISINs",
    "negative_price": "a price below 0, taken as unknown",
    "no_percentage": "a haircut outside 0 to 100 %, taken as unknown",
    "no_text": "a symbol that is true or false, taken as unknown",
    "placeholder": "a price, P&L or haircut that says no value, taken as unknown",
    "rounded": "more than four decimal places, rounded",
    "unidentified": "a holding without ISIN and listing",
    "unknown_field": "a field that no published format has",
    "updating": "the broker was still at work on this snapshot",
    "zero_price": "a price of 0, taken as unknown",
    "unread_instant": "a price date that cannot be read, taken as unknown",
}
_NAMES: Final = 12
_QUANTITIES: Final[tuple[tuple[Quantity, str], ...]] = (
    ("pledged", "what counts today"),
    ("pledgeable", "what could be pledged: settled shares"),
)
_FIGURE: Final = r"^([+−]?₹?\d[\d,]*(\.\d+)?(\u202f%)?|–)$"


def read_for_report(store: StoreView) -> Loaded:
    """Read what counts of a store, beside all that was read or set aside.

    Holdings and baskets are those of the current snapshots; `snapshots` lists the
    superseded and quarantined ones too, `rejects` what could not be read.
    """
    everything, current = store.history(), store.current()
    return current._replace(snapshots=everything.snapshots, rejects=everything.rejects)


class Figures(NamedTuple):
    """The frames a report is made of."""

    positions: pl.DataFrame  # POSITIONS, each share once
    by_account: pl.DataFrame  # the same by account
    collateral: pl.DataFrame  # COLLATERAL of both quantities, by `quantity`


def figures(
    loaded: Loaded,
    *,
    prices: FrameLike | pl.LazyFrame | None = None,
    prefer: Sequence[str] = BASES,
    haircuts: pl.DataFrame | None = None,
    actions: pl.DataFrame | None = None,
) -> Figures:
    """Value what was loaded; the arguments as in `consolidate` and `collateral`."""
    rows = look_through(loaded)
    keys = ("account_id", "instrument_id")
    return Figures(
        consolidate(rows, prices=prices, prefer=prefer, actions=actions),
        consolidate(rows, by=keys, prices=prices, prefer=prefer, actions=actions),
        pl.concat(
            collateral(
                loaded.holdings, quantity=quantity, haircuts=haircuts
            ).with_columns(quantity=pl.lit(quantity))
            for quantity, _ in _QUANTITIES
        ),
    )


def sections(loaded: Loaded, made: Figures) -> list[Section]:
    """Say what was read, what it is worth, and what is not known, part by part."""
    parts = [
        _report_reading(loaded),
        _report_positions(made.positions),
        *_report_totals(made),
        _report_collateral(made.collateral),
        _open_points(loaded, made.positions),
    ]
    return [part for part in parts if part is not None]


def portfolio_report(
    loaded: Loaded,
    *,
    prices: FrameLike | pl.LazyFrame | None = None,
    prefer: Sequence[str] = BASES,
    actions: pl.DataFrame | None = None,
) -> str:
    """Write what a loaded portfolio holds and what is not known of it, as text.

    Shares in smallcases are counted once (`look_through`). Every total is followed by
    its coverage; unknown values are shown as a dash and listed below the table.

    Parameters
    ----------
    loaded
        What a door returned; more than one account is netted.
    prices, prefer
        Prices for what the payloads leave open, and the order of the bases, as for
        `consolidate`.
    actions
        `ACTIONS`: a price does not cross them.

    Examples
    --------
    >>> from holdings_kit.schema import BASKETS, HOLDINGS, LISTINGS, REJECTS, SNAPSHOTS
    >>> from holdings_kit.schema import Loaded, empty
    >>> frames = (SNAPSHOTS, HOLDINGS, LISTINGS, BASKETS, REJECTS)
    >>> print(portfolio_report(Loaded(*map(empty, frames))).splitlines()[0])
    READ        0 snapshots of 0 accounts, 0 current holdings, 0 parts set aside
    """
    made = figures(loaded, prices=prices, prefer=prefer, actions=actions)
    return write_text(sections(loaded, made))


def _report_reading(loaded: Loaded) -> Section:
    shots = loaded.snapshots.sort("format", "broker", nulls_last=True)
    kinds = shots.group_by("format", "broker", maintain_order=True).agg(
        pl.len().alias("snapshots"),
        pl.col("holdings_count").sum().alias("holdings"),
        (pl.col("status") == "superseded").sum().alias("superseded"),
        (pl.col("status") == "quarantined").sum().alias("quarantined"),
    )
    return Section(
        "Read",
        f"{number_of(shots.height, 'snapshot')} of "
        f"{number_of(shots['account_id'].n_unique(), 'account')}, "
        f"{number_of(loaded.holdings.height, 'current holding')}, "
        f"{number_of(loaded.rejects.height, 'part')} set aside"
        f"{_describe_instants(shots)}",
        kinds if shots.height else None,
    )


def _describe_instants(shots: pl.DataFrame) -> str:
    """Say of which instants the current snapshots are."""
    at = shots.filter(status="current")["snapshot_at"].drop_nulls().sort()
    if at.is_empty():
        return ""
    first, last = (f"{instant:%Y-%m-%d %H:%M}" for instant in (at[0], at[-1]))
    return f"; taken {first} UTC" if first == last else f"; taken {first} to {last} UTC"


def _report_positions(positions: pl.DataFrame) -> Section | None:
    if not positions.height:
        return None
    shown = positions.head(_ROWS).select(
        pl.col("symbol").fill_null(pl.col("instrument_id")).alias("instrument"),
        _write_column("owned_quantity", "quantity").alias("quantity"),
        _write_column("average_price", "rupees").alias("average, ₹"),
        _write_column("price", "rupees").alias("price, ₹"),
        pl.col("price_basis").fill_null(UNKNOWN).alias("basis"),
        pl.col("price_date").dt.strftime("%Y-%m-%d").fill_null(UNKNOWN).alias("of"),
        _write_column("cost_value", "rupees").alias("cost, ₹"),
        _write_column("market_value", "rupees").alias("value, ₹"),
        _write_column("unrealized_pnl", "rupees").alias("P&L, ₹"),
        _write_column("weight", "percent"),
    )
    more = positions.height - shown.height
    points = (f"and {more} more",) if more > 0 else ()
    return Section("Positions", table=shown, points=points)


def _report_totals(made: Figures) -> tuple[Section, Section]:
    positions = made.positions
    total = summarize(positions).row(0, named=True)
    off = total["unreconciled_count"]
    known = {
        "cost": rupees(total["cost_value"]),
        "value": rupees(total["market_value"]),
        "P&L": rupees(total["unrealized_pnl"], sign=True),
        "return": percent(total["return"], sign=True),
    }
    return (
        Section(
            "Total",
            explain_difference(positions, total)
            or "P&L and return are of the units with both a price and a cost",
            pl.DataFrame([known]),
        ),
        Section(
            "Coverage",
            _describe_coverage(made, total)
            + (f"; {number_of(off, 'row')} that does not add up" if off else ""),
        ),
    )


def _describe_coverage(made: Figures, total: Row) -> str:
    """Say how many positions the totals are of, and how much of cost and value."""
    if not total["positions_count"]:
        return "nothing is held in what was read"
    parts = [describe_priced(made.positions, total), describe_costed(total)]
    smallcases = describe_smallcases(made.by_account)
    return "; ".join([*parts, smallcases] if smallcases else parts)


def _report_collateral(rows: pl.DataFrame) -> Section:
    shown = [
        {
            "quantity": counted,
            "value": rupees(of.select(any_known("collateral_value")).item()),
            "meaning": meaning,
            "known": f"for {quantity(of['collateral_value'].count())} of "
            f"{number_of(of.height, 'holding')}",
        }
        for counted, meaning in _QUANTITIES
        for of in [rows.filter(quantity=counted)]
    ]
    return Section(
        "Collateral", "previous close × (1 − haircut)", table=pl.DataFrame(shown)
    )


def _open_points(loaded: Loaded, positions: pl.DataFrame) -> Section | None:
    """List what a reader has to know before using the numbers above."""
    points: list[str] = []
    unpriced = positions.filter(pl.col("price").is_null())
    points += [
        f"{note}: {list_names(rows)}"
        for (note,), rows in unpriced.group_by("price_note", maintain_order=True)
    ]
    uncosted = positions.filter(pl.col("cost_value").is_null())
    if uncosted.height:
        points.append(f"no known cost, or not of all units: {list_names(uncosted)}")
    off = loaded.holdings.filter(~pl.col("reconciles"))
    if off.height:
        points.append(f"quantities that do not add up: {list_names(off)}")
    bare = unresolved(loaded.holdings)
    if bare.height:
        points.append(f"no ISIN, known by listing only: {list_names(bare)}")
    held = loaded.snapshots.filter(status="quarantined")
    points += [
        f"quarantined {row['account_id']}: {row['status_reason']}"
        for row in held.head(_ROWS).iter_rows(named=True)
    ]
    older = find_partly_old(loaded.snapshots)
    points += [
        f"{row['account_id']}: a part is still that of {row['snapshot_at']:%Y-%m-%d}, "
        f"newer ones were not asked for it ({row['status_reason']})"
        for row in older.head(_ROWS).iter_rows(named=True)
    ]
    points += [
        f"set aside {row['file']}{format_line_no(row['line_no'])}: {row['reason']}"
        for row in loaded.rejects.head(_ROWS).iter_rows(named=True)
    ]
    points += report_notices(loaded.notices)
    return Section("Open points", points=points) if points else None


def report_notices(notices: pl.DataFrame) -> Iterator[str]:
    """Say each kind of notice once, in words, and where it came first."""
    kinds = notices.group_by("kind", maintain_order=True).agg(
        pl.len(), pl.col("pointer", "account_id").first()
    )
    for kind, count, pointer, account in kinds.iter_rows():
        words = _NOTICES.get(kind, kind)
        where = f"{pointer} of " if pointer else ""
        times = "" if count == 1 else f", the first of {quantity(count)}"
        yield f"{words}: {where}account {account or 'unknown'}{times}"


def list_names(rows: pl.DataFrame) -> str:
    """Name the instruments of rows, the first dozen."""
    names = rows["symbol"].fill_null(rows["instrument_id"]).unique(maintain_order=True)
    shown = ", ".join(names.head(_NAMES))
    return shown + (f" and {left} more" if (left := names.len() - _NAMES) > 0 else "")


def find_partly_old(snapshots: pl.DataFrame) -> pl.DataFrame:
    """Find the current snapshots of which newer ones were asked for one part only."""
    replaced = pl.col("status_reason").str.contains("superseded by", literal=True)
    return snapshots.filter(replaced, status="current")


def format_line_no(line_no: int | None) -> str:
    """Write the number of a line after the name of its file."""
    return "" if line_no is None else f":{line_no}"


class Section(NamedTuple):
    """One part of a report: a title, a sentence, a table, points."""

    title: str
    text: str = ""
    table: pl.DataFrame | None = None  # text, ready to be shown
    points: Sequence[str] = ()


def write_text(parts: Sequence[Section]) -> str:
    """Set a report for a terminal."""
    written = ("\n".join(_write_section(part)) for part in parts)
    return printable("\n\n".join(written))  # names are a stranger's


def _write_section(part: Section) -> Iterator[str]:
    yield f"{part.title.upper():<11} {part.text}".rstrip()
    if part.table is not None:
        yield _write_table(part.table)
    yield from (f"  · {point}" for point in part.points)


def _write_table(frame: pl.DataFrame) -> str:
    """Columns of text without borders, figures to the right."""
    texts = _write_cells(frame)
    right = _find_figure_columns(texts)
    rows = align_rows(
        [texts.columns, *texts.rows()], [name in right for name in texts.columns]
    )
    return "\n".join(f"  {row}".rstrip() for row in rows)


def _write_column(column: str, kind: Kind) -> pl.Expr:
    """Write a column as everywhere: Indian groups, a true minus, a dash for unknown.

    Examples
    --------
    >>> from decimal import Decimal
    >>> held = pl.DataFrame({"n": [Decimal("152300.0000"), Decimal("-24.6900"), None]})
    >>> held.select(_write_column("n", "quantity"))["n"].to_list()
    ['1,52,300', '−24.69', '–']
    """

    def write(value: object) -> str:
        return format_value(value, kind)

    return (
        pl.col(column)
        .map_elements(write, return_dtype=pl.String(), skip_nulls=False)
        .alias(column)
    )


def _write_cells(frame: pl.DataFrame) -> pl.DataFrame:
    """Write every cell as text, a dash for null."""
    return frame.select(pl.all().cast(pl.String()).fill_null(UNKNOWN))


def _find_figure_columns(texts: pl.DataFrame) -> frozenset[str]:
    """Name the columns that hold figures only: they are set to the right.

    Examples
    --------
    >>> _find_figure_columns(
    ...     pl.DataFrame({"P&L": ["−1,200.50", "–"], "basis": ["close", "ltp"]})
    ... )
    frozenset({'P&L'})
    """
    return frozenset(
        name
        for name in texts.columns
        if texts[name].str.contains(_FIGURE).all() and texts.height
    )
