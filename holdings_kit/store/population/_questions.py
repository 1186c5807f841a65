"""Questions about all accounts of a store: one answer a bucket, then put together.

An account lives in one bucket, so an answer per account needs no other bucket, and a
total is the sum of the buckets' totals. Memory is that of one bucket, and `on` spreads
the buckets over other processes (`holdings_kit.store.cluster`); the answer is the same.

An account is valued by the prices of its own payload and by `prices`, never by another
account's payload. Pass `prices` where payloads bring none (the Gateway).
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl

from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.portfolio._flows import match_transfers, read_owners
from holdings_kit.portfolio._prices import pricing_of
from holdings_kit.schema import VALUE, FrameLike, any_known, as_frame, conform
from holdings_kit.store.population._buckets import (
    ACCOUNTS,
    ACTIVITY,
    COVERAGE,
    EXPOSURE,
    MARGIN_STRESS,
    activity_of,
    classes_of,
    coverage_of,
    held_of,
    moving_of,
    performance_of,
    short_of,
    values_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from holdings_kit.store._mapper import Mapper
    from holdings_kit.store._store import StoreView


def account_values(
    store: StoreView,
    *,
    as_of: datetime | None = None,
    prices: FrameLike | pl.LazyFrame | None = None,
    on_day: date | None = None,
    max_age: int | None = None,
    on: Mapper | None = None,
) -> pl.DataFrame:
    """Value every account: one row each, sorted by account.

    Parameters
    ----------
    store
        A store, one bucket of it, or its past.
    as_of
        The snapshots current at that instant; None: now.
    prices, max_age
        As for `consolidate`.
    on_day
        The valuation day of all accounts, as `on` of `consolidate`.
    on
        Who asks the buckets; None: this process, one after the other.

    Returns
    -------
    ACCOUNTS
        Rupees and fractions; null where unknown, as in `summarize`, `concentration`
        and `collateral`. The size of the answer is that of the population: for a
        large one, ask for a `distribution`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import holdings_kit as hk
    >>> from holdings_kit.sandbox import generate
    >>> with TemporaryDirectory() as folder:
    ...     dumps = generate(folder, accounts=5, days=1, wire="arrow", instruments=3)
    ...     store = hk.Store(f"{folder}/store", buckets=2)
    ...     scan = hk.scan_arrow(dumps, into=store, progress=False)
    ...     found = hk.population.account_values(store)
    >>> found.height, found["market_value"].null_count()
    (5, 0)
    """
    pricing = pricing_of(prices, on=on_day, max_age=max_age)
    ask = partial(values_of, as_of=as_of, pricing=pricing)
    return pl.concat(store.map(ask, on=on)).sort("account_id")


def distribution(
    store: StoreView,
    measure: str,
    *,
    edges: Sequence[float],
    as_of: datetime | None = None,
    prices: FrameLike | pl.LazyFrame | None = None,
    on_day: date | None = None,
    max_age: int | None = None,
    on: Mapper | None = None,
) -> pl.DataFrame:
    """Count accounts by a measure: P&L, return, value, concentration.

    Parameters
    ----------
    store, as_of, prices, on_day, max_age, on
        As for `account_values`.
    measure
        A number of `ACCOUNTS`.
    edges
        Ascending; the first and the last class are open.

    Returns
    -------
    DISTRIBUTION
        One row per class, lower edge inclusive, and one for the accounts whose measure
        is unknown. The counts add up to the accounts.

    Raises
    ------
    ConfigError
        `measure` is none, or `edges` do not ascend.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import holdings_kit as hk
    >>> from holdings_kit.sandbox import generate
    >>> with TemporaryDirectory() as folder:
    ...     dumps = generate(folder, accounts=5, days=1, wire="arrow", instruments=3)
    ...     store = hk.Store(f"{folder}/store", buckets=2)
    ...     scan = hk.scan_arrow(dumps, into=store, progress=False)
    ...     found = hk.population.distribution(store, "return", edges=[0])
    >>> found["accounts_count"].sum(), found.height
    (5, 3)
    """
    if measure not in ACCOUNTS.names()[1:]:
        have = ", ".join(ACCOUNTS.names()[1:])
        raise ConfigError(f"measure {measure!r} is not known; have {have}")
    if not edges or any(low >= high for low, high in pairwise(edges)):
        raise ConfigError(f"edges {list(edges)}: at least one, ascending")
    pricing = pricing_of(prices, on=on_day, max_age=max_age)
    ask = partial(
        classes_of, measure=measure, edges=list(edges), as_of=as_of, pricing=pricing
    )
    counts = pl.concat(store.map(ask, on=on)).group_by("class").agg(pl.col("n").sum())
    bounds = [None, *edges, None]
    classes = pl.DataFrame(
        {
            "class": range(len(edges) + 1),
            "lower": bounds[:-1],
            "upper": bounds[1:],
            "known": True,
        },
        schema_overrides={"class": pl.Int64(), "lower": pl.Float64()},
    )
    unknown = classes.head(1).with_columns(
        pl.lit(-1, pl.Int64()).alias("class"),
        pl.lit(None, pl.Float64()).alias("lower"),
        pl.lit(None, pl.Float64()).alias("upper"),
        pl.lit(value=False).alias("known"),
    )
    return (
        pl.concat([classes.cast({"upper": pl.Float64()}), unknown])
        .join(counts, on="class", how="left", maintain_order="left")
        .select(
            pl.lit(measure).alias("measure"),
            "lower",
            "upper",
            pl.col("n").fill_null(0).alias("accounts_count"),
            "known",
        )
    )


def margin_stress(
    store: StoreView,
    *,
    used: FrameLike | pl.LazyFrame,
    haircut_adds: Sequence[float],
    as_of: datetime | None = None,
    on: Mapper | None = None,
) -> pl.DataFrame:
    """Tell how many accounts fall short of margin if haircuts go up.

    Parameters
    ----------
    store, as_of, on
        As for `account_values`.
    used
        ``account_id, used_value``: rupees of margin each account has to cover with what
        it has pledged. Accounts that are not named use none.
    haircut_adds
        Fractions added to every haircut, at most up to a haircut of 1.

    Returns
    -------
    MARGIN_STRESS
        One row per addition. An account is short when the known collateral of its
        pledged shares is below its used margin; what is unknown counts as none, and
        the account is in `unknown_count`.

    Raises
    ------
    FrameError
        `used` lacks a column.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import holdings_kit as hk
    >>> from holdings_kit.sandbox import generate
    >>> with TemporaryDirectory() as folder:
    ...     dumps = generate(folder, accounts=5, days=1, wire="arrow", instruments=3)
    ...     store = hk.Store(f"{folder}/store", buckets=2)
    ...     scan = hk.scan_arrow(dumps, into=store, progress=False)
    ...     found = hk.population.margin_stress(
    ...         store,
    ...         used=pl.DataFrame({"account_id": ["nobody"], "used_value": [1]}),
    ...         haircut_adds=[0, 0.1],
    ...     )
    >>> found["short_count"].to_list()
    [0, 0]
    """
    schema = pl.Schema({"account_id": pl.String(), "used_value": VALUE})
    table = as_frame(used, schema, name="used").lazy().collect()
    for column in schema:
        if column not in table.columns:
            raise FrameError("used", column, "missing; pass account_id and used_value")
    needs = table.select("account_id", pl.col("used_value").cast(VALUE))
    ask = partial(short_of, used=needs, adds=list(haircut_adds), as_of=as_of)
    parts = pl.concat(store.map(ask, on=on))
    rest = [name for name in MARGIN_STRESS if name != "haircut_add"]
    summed = parts.group_by("haircut_add", maintain_order=True).agg(pl.col(rest).sum())
    return conform(summed, MARGIN_STRESS, name="margin stress")


def exposure_to(
    store: StoreView,
    instrument_id: str,
    *,
    as_of: datetime | None = None,
    prices: FrameLike | pl.LazyFrame | None = None,
    on_day: date | None = None,
    max_age: int | None = None,
    on: Mapper | None = None,
) -> pl.DataFrame:
    """Add up what all accounts hold of one instrument.

    Returns
    -------
    EXPOSURE
        One row; values of the positions whose price or cost is known, with the counts
        of the others. Zero accounts give null values.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import holdings_kit as hk
    >>> from holdings_kit.sandbox import generate
    >>> with TemporaryDirectory() as folder:
    ...     dumps = generate(folder, accounts=5, days=1, wire="arrow", instruments=3)
    ...     store = hk.Store(f"{folder}/store", buckets=2)
    ...     scan = hk.scan_arrow(dumps, into=store, progress=False)
    ...     found = hk.population.exposure_to(store, "INE000000000")
    >>> found.select("accounts_count", "market_value").row(0)
    (0, None)
    """
    pricing = pricing_of(prices, on=on_day, max_age=max_age)
    ask = partial(held_of, instrument_id=instrument_id, as_of=as_of, pricing=pricing)
    parts = pl.concat(store.map(ask, on=on))
    counts = [name for name in EXPOSURE if name.endswith("_count")]
    summed = parts.select(
        pl.col(counts).sum(),
        *(any_known(name) for name in EXPOSURE if name not in counts),
    )
    return summed.select(EXPOSURE.names()).cast(EXPOSURE)


def activity(
    store: StoreView, instants: Sequence[datetime], *, on: Mapper | None = None
) -> pl.DataFrame:
    """Count what happened between instants, by cause, over all accounts.

    Accounts without a snapshot before the first of two instants begin with the second
    and are left out of that pair.

    Parameters
    ----------
    store, on
        As for `account_values`.
    instants
        At least two, ascending; each pair of neighbours is compared (`compare`).

    Returns
    -------
    ACTIVITY
        One row per pair and cause that occurred.

    Raises
    ------
    ConfigError
        Fewer than two instants, or not ascending.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import holdings_kit as hk
    >>> from holdings_kit.sandbox import generate
    >>> with TemporaryDirectory() as folder:
    ...     dumps = generate(folder, accounts=5, days=2, wire="arrow", instruments=3)
    ...     store = hk.Store(f"{folder}/store", buckets=2)
    ...     scan = hk.scan_arrow(dumps, into=store, progress=False)
    ...     found = hk.population.activity(
    ...         store, store.history().snapshots["snapshot_at"].unique().sort()
    ...     )
    >>> found["lines_count"].sum() > 0
    True
    """
    if not list(pairwise(instants)) or any(a >= b for a, b in pairwise(instants)):
        raise ConfigError("activity needs at least two instants, ascending")
    parts = pl.concat(store.map(partial(activity_of, instants=list(instants)), on=on))
    keys = ["before_at", "after_at", "cause"]
    counts = ["lines_count", "accounts_count"]
    summed = parts.group_by(keys).agg(pl.col(counts).sum())
    return conform(summed.sort(keys), ACTIVITY, name="activity")


def performance(
    store: StoreView,
    *,
    prices: FrameLike | pl.LazyFrame | None = None,
    actions: FrameLike | pl.LazyFrame | None = None,
    moves: FrameLike | pl.LazyFrame | None = None,
    benchmark: FrameLike | pl.LazyFrame | None = None,
    on: Mapper | None = None,
) -> pl.DataFrame:
    """Say how every account did over its plausible snapshots, bucket by bucket.

    Parameters
    ----------
    store, on
        As for `account_values`.
    prices, actions, benchmark
        As for `holdings_kit.performance`; they go to every worker.
    moves
        ``account_id, owner``, as for `holdings_kit.performance`. What came to and left
        these accounts is listed bucket by bucket first, and matched over all buckets;
        None: nothing is called a transfer.

    Returns
    -------
    PERFORMANCE
        One row per account and day with a snapshot, sorted: as large as the
        population's history. Null where unknown.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import holdings_kit as hk
    >>> from holdings_kit.sandbox import generate
    >>> with TemporaryDirectory() as folder:
    ...     dumps = generate(folder, accounts=5, days=3, wire="arrow", instruments=3)
    ...     store = hk.Store(f"{folder}/store", buckets=2)
    ...     scan = hk.scan_arrow(dumps, into=store, progress=False)
    ...     found = hk.population.performance(store)
    >>> found["account_id"].n_unique(), found["date"].n_unique()
    (5, 3)
    """
    tables = [
        None if table is None else as_frame(table, pl.Schema(), name=name)
        for name, table in (
            ("prices", prices),
            ("actions", actions),
            ("benchmark", benchmark),
        )
    ]
    owners = read_owners(moves)
    sent = None
    if owners is not None:
        moving = store.map(partial(moving_of, owners=owners), on=on)
        sent = match_transfers(pl.concat(moving))
    ask = partial(
        performance_of,
        prices=tables[0],
        actions=tables[1],
        benchmark=tables[2],
        sent=sent,
    )
    return pl.concat(store.map(ask, on=on)).sort("account_id", "date")


def coverage(
    store: StoreView, *, as_of: datetime | None = None, on: Mapper | None = None
) -> pl.DataFrame:
    """Count what is known of the population: identified, priced, costed, reconciled.

    Returns
    -------
    COVERAGE
        One row.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import holdings_kit as hk
    >>> from holdings_kit.sandbox import generate
    >>> with TemporaryDirectory() as folder:
    ...     dumps = generate(folder, accounts=5, days=1, wire="arrow", instruments=3)
    ...     store = hk.Store(f"{folder}/store", buckets=2)
    ...     scan = hk.scan_arrow(dumps, into=store, progress=False)
    ...     found = hk.population.coverage(store)
    >>> found.select("accounts_count", "unreconciled_count").row(0)
    (5, 0)
    """
    parts = pl.concat(store.map(partial(coverage_of, as_of=as_of), on=on))
    return parts.select(COVERAGE.names()).sum().cast(COVERAGE)
