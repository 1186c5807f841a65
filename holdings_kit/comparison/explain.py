"""The question itself: two snapshots in, the reasons out."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, cast

import polars as pl

from holdings_kit.comparison import facts, links, pairs, ratios, rules, transfers
from holdings_kit.comparison.frames import CHANGES
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.schema import HOLDINGS, MONEY, Frame, conform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["compare", "explain"]


def compare(
    before: Frame,
    after: Frame,
    *,
    actions: pl.DataFrame | None = None,
    moves: pl.DataFrame | None = None,
    tolerances: Mapping[str, float] | None = None,
    missing_share: float | None = 0.5,
    transfer_window: timedelta = timedelta(days=7),
    late_days: int = 15,
) -> Frame:
    """Say for every account and instrument what changed between two snapshots, and why.

    Rows of one account and instrument are summed first. The first rule of
    `holdings_kit.comparison.RULES` that holds names the `cause`; `parts` lists
    everything that happened with its quantity, `evidence` says it in words with the
    figures in them.

    Parameters
    ----------
    before, after
        `HOLDINGS`, one snapshot per account in each; eager or lazy, lazy stays lazy.
    actions
        Known corporate actions (`holdings_kit.comparison.ACTIONS`). They confirm what
        the numbers show, and tell a bonus from a split of the same factor.
    moves
        Who owns which account (`holdings_kit.comparison.MOVES`); without it nothing
        is called a transfer.
    tolerances
        Largest gap still called equal, by ``quantity`` (default 0), ``average_price``
        (0.01 rupees), ``price`` (0), ``haircut`` (0).
    missing_share
        A second snapshot that lost at least this share of an account's lines, and at
        least three, is suspect, as is one without any row. ``None``: it is known to
        be complete, for instance fetched twice.
    transfer_window
        How far apart the two accounts' second snapshots may lie for a transfer.
    late_days
        How long after its ex-date a corporate action may still be credited.

    Returns
    -------
    Frame
        `holdings_kit.comparison.CHANGES`, one row per account and instrument held in
        either snapshot, sorted by both. A bucket that one side does not report is
        null, and `owned_quantity` is compared alone. Of a suspect line, the second
        side is unknown.

    Raises
    ------
    FrameError
        A frame is not of its schema, or (eager frames) an account has two snapshots
        in one frame.
    ConfigError
        An unknown tolerance, action kind or ratio, or an account with two owners.

    Examples
    --------
    >>> from decimal import Decimal
    >>> from holdings_kit.schema import HOLDINGS
    >>> line = {"account_id": "A1", "snapshot_id": "1", "instrument_id": "INE669E01016"}
    >>> line |= {"owned_quantity": Decimal(775), "close_price": Decimal("9.93")}
    >>> before = pl.DataFrame([line], schema=HOLDINGS)
    >>> after = pl.DataFrame(
    ...     [line | {"close_price": Decimal("10.01")}], schema=HOLDINGS
    ... )
    >>> compare(before, after).select("cause", "evidence").row(0)
    ('price_only', 'price 9.93 → 10.01, nothing else')
    """
    if isinstance(before, pl.DataFrame):
        _one_snapshot(before, "before")
    if isinstance(after, pl.DataFrame):
        _one_snapshot(after, "after")
    told = partial(
        explain,
        conform(before.lazy(), HOLDINGS, name="before"),
        conform(after.lazy(), HOLDINGS, name="after"),
        keys=("account_id",),
        actions=actions,
        moves=moves,
        tolerances=_tolerances(tolerances),
        missing_share=missing_share,
        transfer_window=transfer_window,
        late_days=late_days,
    )
    if isinstance(before, pl.DataFrame):
        return cast("Frame", told())
    ratios.read_actions(actions)  # say now, not when collected, what is wrong
    transfers.read_moves(moves)
    return cast("Frame", pl.defer(told, schema=CHANGES))


def _computed(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Compute a stage now: many short plans are cheaper than one that repeats."""
    return frame.collect().lazy()


def _one_snapshot(holdings: pl.DataFrame, name: str) -> None:
    """Refuse a frame in which an account stands twice."""
    if not {"account_id", "snapshot_id"} <= set(holdings.columns):
        return  # the gate names the missing column
    pairs_of = holdings.select("account_id", "snapshot_id").unique()
    counts = pairs_of.group_by("account_id").agg(pl.col("snapshot_id").len())
    twice = counts.filter(pl.col("snapshot_id") > 1)
    if twice.height:
        raise FrameError(
            name,
            "snapshot_id",
            f"account {twice['account_id'][0]!r} has {twice['snapshot_id'][0]} "
            "snapshots; pass one per account, or ask for a timeline",
        )


def explain(
    before: pl.LazyFrame,
    after: pl.LazyFrame,
    *,
    keys: Sequence[str],
    actions: pl.DataFrame | None,
    moves: pl.DataFrame | None,
    tolerances: Mapping[str, float] | None,
    missing_share: float | None,
    transfer_window: timedelta,
    late_days: int,
) -> pl.DataFrame:
    """Compare per `keys`, which are the account and, in a timeline, the step."""
    allowed = _tolerances(tolerances)
    average = allowed["average_price"]
    table, owners = ratios.read_actions(actions), transfers.read_moves(moves)
    joined = _computed(
        pairs.paired(
            pairs.summed(before, keys, name="before"),
            pairs.summed(after, keys, name="after"),
            keys,
        )
    )
    still = facts.quiet(allowed)
    if actions is not None:
        listed = pl.concat(
            [table.select("instrument_id"), table.select(instrument_id="new_isin")]
        )
        named = listed.collect().to_series().drop_nulls().unique().to_list()
        still &= ~pl.col("instrument_id").is_in(named)
    rows = _computed(
        pairs.with_absent(
            joined.filter(~still), pairs.account_facts(joined, keys), keys
        )
    )
    rows = _computed(links.linked(rows, keys, table, average))
    rows = ratios.with_ratio(rows, keys, table, tolerance=average, late_days=late_days)
    rows = transfers.with_transfers(
        _computed(rows), keys, owners, window=transfer_window, tolerance=average
    )
    rows = facts.with_missing(rows, keys, missing_share)
    rows = facts.with_facts(rows, allowed)
    moved = rules.decide(_named(facts.with_price_facts(rows, allowed)))
    calm = joined.filter(still).with_columns(
        _jump=pl.lit(value=False),
        adjusted_quantity=pl.col("owned_quantity_before"),
        traded_quantity=pl.col("owned_quantity_after")
        - pl.col("owned_quantity_before"),
        transferred_quantity=pl.lit(0, MONEY),
    )
    quiet = rules.decide_calm(_named(facts.with_price_facts(calm, allowed)))
    return (
        pl.concat([_shaped(moved, keys), _shaped(quiet, keys)])
        .sort(*keys, "instrument_id")
        .collect()
    )


def _tolerances(tolerances: Mapping[str, float] | None) -> dict[str, float]:
    given = dict(tolerances or {})
    unknown = sorted(set(given) - set(facts.TOLERANCES))
    if unknown:
        raise ConfigError(
            f"tolerances: {unknown[0]!r} is not one of {', '.join(facts.TOLERANCES)}"
        )
    return {**facts.TOLERANCES, **given}


def _named(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(symbol=pl.coalesce("symbol_after", "symbol_before"))


def _shaped(rows: pl.LazyFrame, keys: Sequence[str]) -> pl.LazyFrame:
    """Keep the promised columns; what a suspect snapshot would say is unknown."""
    have = set(rows.collect_schema().names())
    doubted = "_suspect" in have  # lines of which nothing moved are not
    odd = [pl.col(c) for c in ("_pending", "_unrestated", "_jump") if c in have]
    pnl_known = pl.all_horizontal(
        pl.col(f"{column}_after").is_not_null()
        for column in ("owned_quantity", "price", "average_price")
    )
    columns: list[pl.Expr] = []
    for column, dtype in CHANGES.items():
        if column == "pnl_reliable":
            value = pl.when(pnl_known).then(~pl.any_horizontal(*odd))
        elif column not in have:
            value = pl.lit(None, dtype)
        else:
            value = pl.col(column)
        if doubted and column.endswith("_after") and column != "snapshot_at_after":
            value = pl.when(~pl.col("_suspect")).then(value)
        columns.append(value.cast(dtype).alias(column))
    extra = [key for key in keys if key not in CHANGES]
    return rows.select(*extra, *columns)
