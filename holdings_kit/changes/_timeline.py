"""Many snapshots of many accounts: what happened from each to the next."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import polars as pl
from polars.io.plugins import register_io_source

from holdings_kit.changes._actions import read_actions
from holdings_kit.changes._explain import explain, table_pricing
from holdings_kit.changes._frames import CHANGES
from holdings_kit.changes._transfers import read_moves
from holdings_kit.portfolio._scope import (
    SCOPES,
    has_parts,
    list_answered,
    list_parts,
)
from holdings_kit.schema import (
    HOLDINGS,
    INSTANT,
    MONEY,
    SNAPSHOTS,
    Frame,
    FrameLike,
    conform,
    empty,
    is_fund,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

TIMELINE: Final = pl.Schema({"step": pl.Int64(), "scope": pl.String(), **CHANGES})
"""`CHANGES` with the number of the pair: step 0 is the first snapshot to the second.

`scope` is securities or funds: each is compared with the last snapshot it was asked in.
"""

SPANS: Final = pl.Schema(
    {
        "account_id": pl.String(),
        "instrument_id": pl.String(),
        "symbol": pl.String(),
        "opened_at": INSTANT,  # null: held before the first snapshot
        "closed_at": INSTANT,  # null: still held in the last one
        "largest_quantity": MONEY,
    }
)


_UNSCOPED: Final = [name for name in TIMELINE if name != "scope"]
_SNAPSHOT: Final = ["account_id", "snapshot_id"]
_STEP: Final = ["account_id", "step"]
_ORDER: Final = ["account_id", "step", "instrument_id"]
_ROWS: Final = 150_000  # of the history, looked at together


def timeline(
    history: Frame,
    *,
    snapshots: pl.DataFrame | None = None,
    actions: pl.DataFrame | None = None,
    moves: pl.DataFrame | None = None,
    prices: FrameLike | pl.LazyFrame | None = None,
    max_age: int | None = None,
    tolerances: Mapping[str, float] | None = None,
    missing_share: float | None = 0.5,
    transfer_window: timedelta = timedelta(days=7),
    late_days: int = 15,
) -> Frame:
    """Explain every account from each of its snapshots to the next.

    A transfer may leave in one step and arrive in another within `transfer_window`.
    A snapshot that lost lines which come back later in the same quantity was
    incomplete: its lines stay `suspect_fetch`, and the snapshots on either side of it
    are compared with each other. If a later snapshot misses the lines as well, they
    were sold.

    Accounts are explained some thousand snapshots' lines at a time. A lazy history
    stays lazy, and `hk.bridge` of it keeps only the sums: memory is that of one slice
    of accounts, whatever the population.

    Parameters
    ----------
    history
        `HOLDINGS` with many snapshots per account, in any order; eager or lazy.
    snapshots
        `SNAPSHOTS`: names snapshots without any row, which `history` cannot show, says
        what was asked for, and leaves out those that are quarantined. Funds that were
        not asked for are compared with the last snapshot in which they were.
    actions, moves, prices, max_age, tolerances, missing_share, transfer_window,
    late_days
        As in `holdings_kit.compare`.

    Returns
    -------
    Frame
        `TIMELINE`, sorted by account, step and instrument (lazy: account by account,
        with `moves` person by person). An account with a single snapshot has no step.

    Raises
    ------
    FrameError
        `history` is not `HOLDINGS`, or `snapshots` not `SNAPSHOTS`.
    ConfigError
        As in `holdings_kit.compare`.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from decimal import Decimal
    >>> line = {"account_id": "A1", "instrument_id": "INE669E01016"}
    >>> days = [(5, 100), (6, 100), (7, 60)]
    >>> history = pl.DataFrame(
    ...     [
    ...         line
    ...         | {
    ...             "snapshot_id": str(day),
    ...             "snapshot_at": datetime(2026, 1, day, 12, tzinfo=UTC),
    ...             "owned_quantity": Decimal(owned),
    ...             "average_price": Decimal(10),
    ...         }
    ...         for day, owned in days
    ...     ],
    ...     schema=HOLDINGS,
    ... )
    >>> timeline(history).select("step", "cause").rows()
    [(0, 'unchanged'), (1, 'sold')]
    """
    rows = conform(history, HOLDINGS, name="history")
    listed = (
        None if snapshots is None else conform(snapshots, SNAPSHOTS, name="snapshots")
    )
    owners = read_moves(moves)
    read_actions(actions)  # say now, not when collected, what is wrong
    explain_steps = partial(
        explain,
        keys=("account_id", "step"),
        actions=actions,
        moves=moves,
        pricing=table_pricing(prices, max_age=max_age, actions=actions),
        tolerances=tolerances,
        transfer_window=transfer_window,
        late_days=late_days,
    )

    def explain_slice(part: pl.DataFrame, names: pl.DataFrame | None) -> pl.DataFrame:
        return _explain_scopes(
            part, names, explain_steps, share=missing_share, owners=owners
        )

    if isinstance(rows, pl.DataFrame):
        slices = _cut_slices(rows.lazy(), listed, owners)
        parts = list(_explain_slices(rows, listed, slices, explain_slice))
        whole = pl.concat([empty(TIMELINE), *parts])
        return whole if owners is None else whole.sort(_ORDER)

    def read_batches(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        left = n_rows
        for names in _cut_slices(rows, listed, owners).partition_by("_slice"):
            some = names["account_id"].implode()
            mine = pl.col("account_id").is_in(some, nulls_equal=True)
            mine &= _lies_among(names["account_id"])  # other files stay shut
            part = rows.filter(mine).collect(engine="streaming")
            made = explain_slice(part, None if listed is None else listed.filter(mine))
            if predicate is not None:
                made = made.filter(predicate)
            if with_columns is not None:
                made = made.select(with_columns)
            if left is not None:
                made = made.head(left)
                left -= made.height
            yield made
            if left is not None and left <= 0:
                return

    return register_io_source(read_batches, schema=TIMELINE, is_pure=True)


def _lies_among(accounts: pl.Series) -> pl.Expr:
    """Tell what lies between the first and the last name, as a file says of itself."""
    if accounts.has_nulls():
        return pl.lit(value=True)
    return pl.col("account_id").is_between(
        pl.lit(accounts.min()), pl.lit(accounts.max())
    )


def _cut_slices(
    rows: pl.LazyFrame, listed: pl.DataFrame | None, owners: pl.LazyFrame | None
) -> pl.DataFrame:
    """Cut the accounts into slices of about `_ROWS` rows, no person in two of them."""
    counts = rows.group_by("account_id").agg(_rows=pl.len())
    if listed is not None:
        more = listed.lazy().select("account_id").unique().with_columns(_rows=pl.lit(1))
        counts = pl.concat([counts, more], how="vertical_relaxed")
        counts = counts.group_by("account_id").agg(pl.col("_rows").sum())
    person = pl.col("account_id")
    if owners is not None:
        counts = counts.join(owners, on="account_id", how="left", nulls_equal=False)
        person = pl.coalesce(
            pl.format("p{}", "person_id"), pl.format("a{}", "account_id")
        )
    return (
        counts.with_columns(_person=person)
        .sort("_person", "account_id")
        .with_columns(_slice=pl.col("_rows").cum_sum() // _ROWS)
        .with_columns(pl.col("_slice").min().over("_person"))
        .select("account_id", "_slice")
        .collect(engine="streaming")
    )


def _explain_slices(
    rows: pl.DataFrame,
    listed: pl.DataFrame | None,
    slices: pl.DataFrame,
    explain_slice: Callable[[pl.DataFrame, pl.DataFrame | None], pl.DataFrame],
) -> Iterator[pl.DataFrame]:
    numbers = slices["_slice"].unique().sort()
    if numbers.len() <= 1:
        yield explain_slice(rows, listed)
        return
    frames = [rows] if listed is None else [rows, listed]
    places = [
        frame.select("account_id")
        .join(
            slices, on="account_id", how="left", nulls_equal=True, maintain_order="left"
        )
        .to_series(1)
        for frame in frames
    ]
    for number in numbers:
        part, *rest = (
            frame.filter(place == number)
            for frame, place in zip(frames, places, strict=True)
        )
        yield explain_slice(part, rest[0] if rest else None)


def _explain_scopes(
    history: pl.DataFrame,
    snapshots: pl.DataFrame | None,
    explain_steps: Callable[..., pl.DataFrame],
    *,
    share: float | None,
    owners: pl.LazyFrame | None,
) -> pl.DataFrame:
    """Explain securities and funds, each over the snapshots that speak for it.

    Mostly there are no funds, and all is one part.
    """
    explain_part = partial(
        _explain_part, explain_steps=explain_steps, share=share, owners=owners
    )
    if not has_parts(history, snapshots):
        made = explain_part(history, snapshots)
        return made.with_columns(scope=pl.lit(SCOPES[False])).select(TIMELINE.names())
    parts = list_parts(history, snapshots)
    found: list[pl.DataFrame] = []
    for fund, scope in SCOPES.items():
        rows = history.filter(is_fund() == fund)
        if rows.is_empty():
            continue
        listed = answered = None
        if snapshots is not None:
            spoken = parts.filter(fund=fund)
            listed = snapshots.join(spoken, on=_SNAPSHOT, how="semi", nulls_equal=True)
            answered = list_answered(history, snapshots, fund=fund)
        made = explain_part(rows, listed, answered=answered)
        found.append(made.with_columns(scope=pl.lit(scope)))
    _, steps = _rank_snapshots(history, snapshots)
    numbers = steps.group_by("account_id", snapshot_at_after="snapshot_at").agg(
        _step=pl.col("rank").min() - 1
    )
    numbered = pl.concat([empty(TIMELINE), *found], how="diagonal").join(
        numbers, on=["account_id", "snapshot_at_after"], how="left"
    )
    step = pl.coalesce("_step", "step")
    return numbered.with_columns(step=step).select(TIMELINE.names()).sort(_ORDER)


def _explain_part(
    history: pl.DataFrame,
    snapshots: pl.DataFrame | None,
    *,
    explain_steps: Callable[..., pl.DataFrame],
    share: float | None,
    owners: pl.LazyFrame | None,
    answered: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Explain whole accounts; those with a doubtful snapshot once more without it."""
    rows, steps = _rank_snapshots(history, snapshots)

    def explain_pairs(
        rows: pl.DataFrame, steps: pl.DataFrame, share: float | None
    ) -> pl.DataFrame:
        before, after = _pair_snapshots(rows)
        known = answered
        if answered is not None:
            known = steps.join(answered, on=_SNAPSHOT, how="semi").select(
                "account_id", step=pl.col("rank") - 1
            )
        made = explain_steps(before, after, missing_share=share, answered=known)
        return _fill_instants(made, steps)

    first = explain_pairs(rows, steps, share)
    doubted = first.filter(pl.col("cause") == "suspect_fetch")
    last = steps.group_by("account_id").agg(last=pl.col("rank").max() - 1)
    final = doubted.join(last, on="account_id").filter(pl.col("step") == pl.col("last"))
    if doubted.height == final.height:
        return first.select(_UNSCOPED)
    bad = _find_incomplete(first)
    accounts = doubted.select("account_id").unique()
    if owners is not None:  # what a person moved needs both accounts
        people = owners.collect()
        theirs = people.join(accounts, on="account_id", how="semi")
        more = people.join(theirs, on="person_id", how="semi").select("account_id")
        accounts = pl.concat([accounts, more]).unique()
    some = steps.join(accounts, on="account_id", how="semi")
    again = _with_ranks(some.join(bad, on=["account_id", "rank"], how="anti"))
    second = explain_pairs(
        rows.drop("rank", "_last").join(again, on=_SNAPSHOT).select(rows.columns),
        again,
        None,
    )
    return _merge_readings(first, second, bad=bad, final=final, steps=steps)


def _with_ranks(steps: pl.DataFrame) -> pl.DataFrame:
    """Give each snapshot of an account its number, and that of the last one."""
    order = pl.struct("snapshot_at", "snapshot_id")
    rank = order.rank("ordinal").over("account_id").cast(pl.Int64()) - 1
    last = pl.col("rank").max().over("account_id")
    return steps.with_columns(rank=rank).with_columns(_last=last)


def _rank_snapshots(
    history: pl.DataFrame, snapshots: pl.DataFrame | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give numbers to the snapshots of each account by their instant."""
    names = ["account_id", "snapshot_id", "snapshot_at"]
    steps = history.select(names).unique()
    if snapshots is not None:
        set_aside = snapshots.filter(pl.col("status") == "quarantined")
        steps = (
            pl.concat([steps, snapshots.select(names)])
            .unique()
            .join(set_aside, on=_SNAPSHOT, how="anti")
        )
    steps = _with_ranks(steps)
    rows = history.join(steps.drop("snapshot_at"), on=_SNAPSHOT)
    return rows, steps


def _pair_snapshots(rows: pl.DataFrame) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """Every snapshot but the last is a before, every one but the first an after."""
    rank = pl.col("rank")
    return (
        rows.lazy().filter(rank < pl.col("_last")).with_columns(step=rank),
        rows.lazy().filter(rank > 0).with_columns(step=rank - 1),
    )


def _fill_instants(changes: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Give both instants to lines whose snapshot has no row, and put them in order."""
    ends = changes.select("snapshot_at_before", "snapshot_at_after")
    if sum(ends.null_count().row(0)) == 0:  # as mostly, all is there and in order
        return changes if _is_ordered(changes) else changes.sort(_ORDER)
    first = steps.select("account_id", step="rank", _0="snapshot_at")
    second = steps.select("account_id", step=pl.col("rank") - 1, _1="snapshot_at")
    return (
        changes.join(first, on=_STEP, how="left")
        .join(second, on=_STEP, how="left")
        .with_columns(
            snapshot_at_before=pl.coalesce("snapshot_at_before", "_0"),
            snapshot_at_after=pl.coalesce("snapshot_at_after", "_1"),
        )
        .drop("_0", "_1")
        .sort(_ORDER)
    )


def _is_ordered(changes: pl.DataFrame) -> bool:
    later = pl.lit(value=False)
    for name in reversed(_ORDER):
        this, last = pl.col(name), pl.col(name).shift()
        later = (this > last) | ((this == last) & later)
    in_order = changes.select(later.slice(1).all(ignore_nulls=False)).item()
    return in_order is True


def _find_incomplete(changes: pl.DataFrame) -> pl.DataFrame:
    """Ranks of the snapshots that lost lines which a later one shows again."""
    lost = changes.filter(pl.col("cause") == "suspect_fetch").select(
        "account_id", "instrument_id", "step", quantity="owned_quantity_before"
    )
    back = changes.filter(pl.col("cause") == "opened").select(
        "account_id", "instrument_id", back="step", quantity="owned_quantity_after"
    )
    returned = (
        lost.join(back, on=["account_id", "instrument_id", "quantity"], how="left")
        .filter(pl.col("back").is_null() | (pl.col("back") > pl.col("step")))
        .group_by("account_id", "step")
        .agg(pl.col("back").min(), share=pl.col("back").count() / pl.len())
        .filter(pl.col("share") * 2 >= 1)
    )
    return (
        returned.select(
            "account_id", rank=pl.int_ranges(pl.col("step") + 1, pl.col("back") + 1)
        )
        .explode("rank")
        .unique()
    )


def _merge_readings(
    first: pl.DataFrame,
    second: pl.DataFrame,
    *,
    bad: pl.DataFrame,
    final: pl.DataFrame,
    steps: pl.DataFrame,
) -> pl.DataFrame:
    """Put the second reading of doubted accounts beside the first of the others."""
    at = steps.select("account_id", "rank", snapshot_at_after="snapshot_at")
    suspect = first.filter(pl.col("cause") == "suspect_fetch")
    affected = suspect.select("account_id").unique()
    doubtful = pl.concat(
        [bad.select("account_id", step=pl.col("rank") - 1), final.select(_STEP)]
    )
    doubted = suspect.join(doubtful, on=_STEP, how="semi")
    sold_last = ["account_id", "snapshot_at_after", "instrument_id"]
    renumbered = (
        second.join(affected, on="account_id")
        .join(final, on=sold_last, how="anti")
        .drop("step")
        .join(at, on=["account_id", "snapshot_at_after"])
        .with_columns(step=pl.col("rank") - 1)
    )
    others = first.join(affected, on="account_id", how="anti")
    return pl.concat(
        [frame.select(_UNSCOPED) for frame in (others, doubted, renumbered)]
    ).sort(_ORDER)


def spans(changes: pl.DataFrame) -> pl.DataFrame:
    """Say for every account and instrument of a timeline from when to when it was held.

    An instrument that left and came back has one row per stay. A line that a suspect
    snapshot lost does not end.

    Parameters
    ----------
    changes
        `TIMELINE`.

    Returns
    -------
    pl.DataFrame
        `SPANS`, sorted by account, instrument and opening.

    Raises
    ------
    FrameError
        `changes` is not `TIMELINE`.

    Examples
    --------
    >>> from holdings_kit.schema import empty
    >>> spans(empty(TIMELINE)).height
    0
    """
    held0, held1 = (pl.col(f"owned_quantity_{end}") != 0 for end in ("before", "after"))
    line = ["account_id", "instrument_id"]
    rows = conform(changes, TIMELINE, name="changes").filter(
        pl.col("cause") != "suspect_fetch"
    )
    return (
        rows.sort(*line, "step")
        .with_columns(_stay=(~held0 & held1).cast(pl.Int64()).cum_sum().over(line))
        .filter(held0 | held1)
        .group_by(*line, "_stay")
        .agg(
            pl.col("symbol").last(),
            opened_at=pl.col("snapshot_at_after").filter(~held0 & held1).first(),
            closed_at=pl.col("snapshot_at_after").filter(held0 & ~held1).last(),
            largest_quantity=pl.max_horizontal(
                pl.col("owned_quantity_before").max(),
                pl.col("owned_quantity_after").max(),
            ),
        )
        .select(SPANS.names())
        .sort(*line, "opened_at", nulls_last=False)
    )
