"""The question itself: two snapshots in, the reasons out."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, cast

import polars as pl

from holdings_kit.changes import (
    _facts as facts,
    _links as links,
    _order as lines_of,
    _transfers as transfers,
)
from holdings_kit.changes._actions import normal_id, read_actions
from holdings_kit.changes._crossings import add_up
from holdings_kit.changes._factors import with_factor
from holdings_kit.changes._frames import CHANGES
from holdings_kit.changes._listed import find_listed, with_income
from holdings_kit.changes._order import mark_starts, ordered
from holdings_kit.changes._rules import decide
from holdings_kit.changes._still import Splitter, put_back, select_changes
from holdings_kit.changes._unlisted import find_unlisted
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.market._days import day_of
from holdings_kit.portfolio._prices import Pricing, pricing_of, with_price
from holdings_kit.portfolio._scope import SCOPES, asks_for
from holdings_kit.schema import (
    HOLDINGS,
    MONEY,
    SNAPSHOTS,
    Frame,
    FrameLike,
    conform,
    empty,
    is_fund,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from holdings_kit.changes._order import Order
    from holdings_kit.changes._still import Split

_SLICE: Final = 131_072  # lines looked at together, of whole accounts
_BATCH: Final = 65_536  # lines that moved, worth explaining together


def compare(
    before: Frame,
    after: Frame,
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
    """Say for every account and instrument what changed between two snapshots, and why.

    Rows of one account and instrument are summed first. The first rule of
    `holdings_kit.changes.RULES` that holds names the `cause`; `parts` lists
    everything that happened with its quantity, `evidence` says it in words with the
    figures in them.

    Parameters
    ----------
    before, after
        `HOLDINGS`, one snapshot per account in each (securities and funds may come from
        two); eager or lazy, lazy stays lazy. Securities are compared with securities
        and funds with funds.
    snapshots
        `SNAPSHOTS` of both sides, and of others: they say what was asked for. A part
        that was not asked for on one side is left out of the other. ``None``: nobody
        knows, so that a part that is gone as a whole is suspect.
    actions
        Known corporate actions (`holdings_kit.changes.ACTIONS`). They confirm what
        the numbers show, and tell a bonus from a split of the same factor.
    moves
        Who owns which account (`holdings_kit.changes.MOVES`); without it nothing
        is called a transfer.
    prices
        A table of prices as `holdings_kit.consolidate` takes it, such as `PRICES`: it
        prices the lines whose payload has no price, by the newest one not after the
        day of the snapshot. A price never crosses an action of its instrument.
    max_age
        How many trading days old such a price may be; ``None``: any.
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
        `holdings_kit.changes.CHANGES`, one row per account and instrument held in
        either snapshot, sorted by both. A bucket that one side does not report is
        null, and `owned_quantity` is compared alone. Of a suspect line, the second
        side is unknown.

    Raises
    ------
    FrameError
        A frame is not of its schema, `prices` has two prices of one day, or (eager
        frames) an account has two snapshots in one frame.
    ConfigError
        An unknown tolerance, a row of `actions` that does not say what its kind must,
        an account with two owners, or a negative `max_age`.

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
        _require_one_snapshot(before, "before")
    if isinstance(after, pl.DataFrame):
        _require_one_snapshot(after, "after")
    explained = partial(
        _compare_parts,
        conform(before.lazy(), HOLDINGS, name="before"),
        conform(after.lazy(), HOLDINGS, name="after"),
        snapshots=snapshots
        if snapshots is None
        else conform(snapshots, SNAPSHOTS, name="snapshots"),
        explain_part=partial(
            explain,
            keys=("account_id",),
            actions=actions,
            moves=moves,
            pricing=table_pricing(prices, max_age=max_age, actions=actions),
            tolerances=_check_tolerances(tolerances),
            missing_share=missing_share,
            transfer_window=transfer_window,
            late_days=late_days,
        ),
    )
    if isinstance(before, pl.DataFrame):
        return cast("Frame", explained())
    read_actions(actions)  # say now, not when collected, what is wrong
    transfers.read_moves(moves)
    return cast("Frame", pl.defer(explained, schema=CHANGES))


def _compare_parts(
    before: pl.LazyFrame,
    after: pl.LazyFrame,
    *,
    snapshots: pl.DataFrame | None,
    explain_part: Callable[..., pl.DataFrame],
) -> pl.DataFrame:
    """Compare securities with securities and funds with funds, where both were asked.

    Mostly there are no funds, and all is one part.
    """
    sides = (before, after)
    looks = [side.select(is_fund().any()) for side in sides]
    any_fund = pl.concat(pl.collect_all(looks)).to_series().any()
    if not any_fund and (
        snapshots is None or not (snapshots["scope"] == "funds").any()
    ):
        return explain_part(before, after)
    told = [_list_snapshots_of_side(side, snapshots) for side in sides]
    found: list[pl.DataFrame] = []
    for fund in SCOPES:
        out = pl.concat([_list_accounts_not_asked(side, fund=fund) for side in told])
        asked = ~pl.col("account_id").is_in(out.implode()).fill_null(value=False)
        rest = [side.filter((is_fund() == fund) & asked) for side in sides]
        other = after.filter(is_fund() != fund).select("account_id").unique()
        answered = _list_accounts_asked(told[1], fund=fund).join(
            other.collect(), on="account_id", how="semi"
        )
        found.append(explain_part(*rest, answered=answered))
    return pl.concat(found).sort("account_id", "instrument_id")


def _list_snapshots_of_side(
    side: pl.LazyFrame, snapshots: pl.DataFrame | None
) -> pl.DataFrame:
    """Pick the snapshots whose rows stand in one side."""
    if snapshots is None:
        return empty(SNAPSHOTS)
    names = side.select("snapshot_id").unique().collect()
    return snapshots.join(names, on="snapshot_id", how="semi")


def _list_accounts_asked(told: pl.DataFrame, *, fund: bool) -> pl.DataFrame:
    """List the accounts of which a part was surely asked for."""
    return told.filter(asks_for(fund=fund)).select("account_id").unique()


def _list_accounts_not_asked(told: pl.DataFrame, *, fund: bool) -> pl.Series:
    """List the accounts of which a part was surely not asked for."""
    known = told.group_by("account_id").agg(pl.col("scope").null_count() == 0)
    named = known.filter("scope").select("account_id")
    asked = _list_accounts_asked(told, fund=fund)
    return named.join(asked, on="account_id", how="anti")["account_id"]


def _require_one_snapshot(holdings: pl.DataFrame, name: str) -> None:
    """Refuse a frame in which an account stands twice."""
    both = ["account_id", "snapshot_id"]
    if not {*both, "asset_class"} <= set(holdings.columns):
        return  # the gate names the missing column
    rows = holdings.select(*both, _fund=is_fund())
    keys = [*both, "_fund"]
    pairs_of = rows.filter(mark_starts(rows, keys)).unique()
    counts = pairs_of.group_by("account_id", "_fund").agg(pl.col("snapshot_id").len())
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
    pricing: Pricing | None,
    tolerances: Mapping[str, float] | None,
    missing_share: float | None,
    transfer_window: timedelta,
    late_days: int,
    answered: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Compare per `keys`, which are the account and, in a timeline, the step.

    `answered` has the keys whose second snapshot is no empty fetch (`list_answered`).
    """
    allowed = _check_tolerances(tolerances)
    average = allowed["average_price"]
    table, owners = read_actions(actions), transfers.read_moves(moves)
    first, second = pl.collect_all(
        [
            lines_of.read_side(_add_table_prices(before, pricing), keys, name="before"),
            lines_of.read_side(_add_table_prices(after, pricing), keys, name="after"),
        ]
    )
    sides, names = _with_normal_ids((first, second))
    order = ordered(*sides, keys, names)
    if order is None:
        sides = (
            lines_of.sum_duplicates(sides[0], keys),
            lines_of.sum_duplicates(sides[1], keys),
        )
        order = cast("Order", ordered(*sides, keys, names))
    accounts = lines_of.account_facts(order, *sides)

    def moved(rows: pl.DataFrame) -> pl.DataFrame:
        changed = lines_of.with_absent(rows, accounts)
        changed = links.with_links(changed, keys, table, average).with_columns(
            _day0=day_of(pl.col("snapshot_at_before")),
            _day1=day_of(pl.col("snapshot_at_after")),
        )
        listed = find_listed(changed, table, tolerance=average, late_days=late_days)
        changed = add_up(changed, find_unlisted(changed, listed, tolerance=average))
        changed = with_factor(changed, table, tolerance=average, late_days=late_days)
        changed = transfers.with_transfers(
            changed, keys, owners, window=transfer_window, tolerance=average
        )
        changed = facts.with_missing(
            changed.lazy(), keys, missing_share, answered=answered
        ).collect()
        found = facts.with_facts(changed, allowed)
        named = with_income(decide(found.collect()), table)
        return select_changes(named, ["_place_after", *keys])

    listed = pl.concat([table["instrument_id"], table["new_instrument_id"]])
    still = Splitter(
        order,
        sides,
        keys=keys,
        tolerances=allowed,
        listed=listed.drop_nulls().unique().to_list(),
    )
    found: list[pl.DataFrame] = []
    waiting: list[Split] = []
    for lines in order.slices(_SLICE):
        waiting.append(still.split(lines))
        # a transfer joins two accounts, whatever lies between them
        if moves is None and sum(part.moved.height for part in waiting) >= _BATCH:
            found += _explain_moved_lines(waiting, moved)
            waiting = []
    if waiting:
        found += _explain_moved_lines(waiting, moved)
    return pl.concat(found)


def table_pricing(
    prices: FrameLike | pl.LazyFrame | None,
    *,
    max_age: int | None,
    actions: pl.DataFrame | None,
) -> Pricing | None:
    """Check the arguments about prices; ``None`` where there is no table."""
    if prices is None:
        return None
    return pricing_of(prices, max_age=max_age, actions=actions)


def _add_table_prices(holdings: pl.LazyFrame, pricing: Pricing | None) -> pl.LazyFrame:
    """Add `_table_price` to the rows that have no price of their own."""
    if pricing is None:
        return holdings
    names = holdings.collect_schema().names()
    own = pl.any_horizontal(pl.col("last_price", "close_price").is_not_null())
    rest = with_price(holdings.filter(~own), pricing)
    return pl.concat(
        [
            holdings.filter(own).with_columns(_table_price=pl.lit(None, MONEY)),
            rest.with_columns(_table_price="price").select(*names, "_table_price"),
        ]
    )


def _with_normal_ids(
    sides: tuple[pl.DataFrame, pl.DataFrame],
) -> tuple[tuple[pl.DataFrame, pl.DataFrame], pl.Series]:
    """Write ISINs without blanks and in capitals; most are, so few names are asked.

    Also gives the names of both sides, each once.
    """
    every = pl.concat(side["instrument_id"].unique() for side in sides).unique()
    names = every.to_frame().with_columns(_meant=normal_id())
    odd = names.filter(pl.col("_meant") != pl.col("instrument_id"))
    if odd.is_empty():
        return sides, every
    column = pl.col("instrument_id").replace(odd["instrument_id"], odd["_meant"])
    first, second = (side.with_columns(column) for side in sides)
    return (first, second), names["_meant"].unique()


def _explain_moved_lines(
    waiting: list[Split], moved: Callable[[pl.DataFrame], pl.DataFrame]
) -> Iterator[pl.DataFrame]:
    """Explain the lines that moved, together, and put them among those that stayed."""
    rows = pl.concat([part.moved for part in waiting])
    if rows.is_empty():
        yield from (put_back(part, None) for part in waiting)
        return
    found = moved(rows)
    place = pl.col("_place_after")
    for part in waiting:
        stop = part.first + part.rule.len()
        yield put_back(part, found.filter(place >= part.first, place < stop))


def _check_tolerances(tolerances: Mapping[str, float] | None) -> dict[str, float]:
    given = dict(tolerances or {})
    unknown = sorted(set(given) - set(facts.TOLERANCES))
    if unknown:
        raise ConfigError(
            f"tolerances: {unknown[0]!r} is not one of {', '.join(facts.TOLERANCES)}"
        )
    return {**facts.TOLERANCES, **given}
