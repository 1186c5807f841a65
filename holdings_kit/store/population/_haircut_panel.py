"""Haircuts of a population: what was published, and what a model's would do to it.

Asked bucket by bucket as in `hk.population`: memory is that of one bucket,
parts are put together, and `on` spreads the buckets over other processes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from holdings_kit.errors import FrameError
from holdings_kit.haircuts._frames import read_haircuts
from holdings_kit.haircuts._published import panel_of, panel_part
from holdings_kit.risk import collateral
from holdings_kit.schema import HOLDINGS, VALUE, any_known, column_names, empty

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, datetime

    from holdings_kit.risk import Quantity
    from holdings_kit.store._mapper import Mapper
    from holdings_kit.store._store import StoreView

COLLATERAL_EFFECTS: Final = pl.Schema(
    {
        "model": pl.String(),  # replaced by the keys asked for
        "accounts_count": pl.Int64(),
        "holdings_count": pl.Int64(),
        "unknown_count": pl.Int64(),  # left out of both sides: one of them is unknown
        "modelled_count": pl.Int64(),  # whose haircut after is the model's
        "collateral_before": VALUE,  # at the published haircuts
        "collateral_after": VALUE,  # at the model's, else at the published
        "collateral_effect": VALUE,  # after − before
    }
)
_KEYS: Final = ("model", "account_id", "instrument_id", "symbol")
_COUNTS: Final = ("accounts_count", "holdings_count", "unknown_count", "modelled_count")
_VALUES: Final = ("collateral_before", "collateral_after", "collateral_effect")


def published_panel(
    store: StoreView,
    *,
    first: date | None = None,
    last: date | None = None,
    on: Mapper | None = None,
) -> pl.DataFrame:
    """Collect the haircut published for each instrument on each day, over a store.

    Parameters
    ----------
    store
        A store, one bucket of it, or its past.
    first, last
        Days in India, inclusive; None: all there are. A bucket answers with a row per
        instrument and day, so ask for a month or so at a time where both are many.
    on
        Who asks the buckets; None: this process, one after the other.

    Returns
    -------
    polars.DataFrame
        `holdings_kit.haircuts.PANEL`, as `holdings_kit.haircuts.panel` makes it of all
        snapshots that are not quarantined.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import holdings_kit as hk
    >>> from holdings_kit.sandbox import generate
    >>> with TemporaryDirectory() as folder:
    ...     dumps = generate(folder, accounts=5, days=2, wire="arrow", instruments=3)
    ...     store = hk.Store(f"{folder}/store", buckets=2)
    ...     scan = hk.scan_arrow(dumps, into=store, progress=False)
    ...     found = published_panel(store)
    >>> found["date"].n_unique(), found["agrees"].all()
    (2, True)
    """
    parts = store.map(partial(_measure_panel, first=first, last=last), on=on)
    return panel_of(pl.concat(parts))


def collateral_effects(
    store: StoreView,
    haircuts: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] = ("model",),
    quantity: Quantity = "pledged",
    max_haircut_age: int | None = None,
    as_of: datetime | None = None,
    on: Mapper | None = None,
) -> pl.DataFrame:
    """Value everybody's collateral at a model's haircuts and at the published ones.

    For one account with its cash, usable margin and need, see
    `holdings_kit.haircuts.book_effects`.

    Parameters
    ----------
    store, on
        As for `published_panel`.
    haircuts
        `HAIRCUTS` of one or many models; of each, the newest row known at the instant
        of the snapshot counts (see `holdings_kit.risk.collateral`), and where a model
        is silent the published haircut stays. It goes to every worker: pass the newest
        rows, or a lazy scan of files that all of them reach.
    by
        Keys of a row: any of `model`, `account_id`, `instrument_id`, `symbol`.
    quantity, max_haircut_age
        As for `collateral`.
    as_of
        The snapshots current at that instant; None: now.

    Returns
    -------
    COLLATERAL_EFFECTS
        Its first columns being `by`, sorted; rupees. A holding whose collateral is
        unknown before or after is left out of both sums and counted; null where no
        holding is known.

    Raises
    ------
    FrameError
        `haircuts` is not of its shape, or a key of `by` is none.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import holdings_kit as hk
    >>> from holdings_kit.sandbox import generate
    >>> with TemporaryDirectory() as folder:
    ...     dumps = generate(folder, accounts=5, days=1, wire="arrow", instruments=3)
    ...     store = hk.Store(f"{folder}/store", buckets=2)
    ...     scan = hk.scan_arrow(dumps, into=store, progress=False)
    ...     told = hk.haircuts.published(store.current().holdings)
    ...     harder = told.with_columns(pl.col("haircut") + 0.1, model=pl.lit("harder"))
    ...     found = collateral_effects(store, harder, quantity="owned")
    >>> found["model"].item(), found["collateral_effect"].item() < 0
    ('harder', True)
    """
    by = column_names(by)
    for key in by:
        if key not in _KEYS:
            raise FrameError("collateral", key, f"is no key; have {', '.join(_KEYS)}")
    value = partial(collateral, quantity=quantity, max_haircut_age=max_haircut_age)
    ask = partial(_measure_effects, haircuts=haircuts, by=by, value=value, as_of=as_of)
    return (
        pl.concat(store.map(ask, on=on))
        .group_by(by)
        .agg(pl.col(_COUNTS).sum(), *map(any_known, _VALUES))
        .cast(dict.fromkeys(_VALUES, VALUE))
        .sort(by)
    )


# One bucket each.


def _measure_panel(
    view: StoreView, *, first: date | None, last: date | None
) -> pl.DataFrame:
    none = panel_part(empty(HOLDINGS)).collect()
    days = view.scan_days(first=first, last=last)
    return pl.concat(
        [none, *(panel_part(scanned.holdings).collect() for _, scanned in days)]
    )


def _measure_effects(
    view: StoreView,
    *,
    haircuts: pl.DataFrame | pl.LazyFrame,
    by: Sequence[str],
    value: Callable[..., Any],
    as_of: datetime | None,
) -> pl.DataFrame:
    table = read_haircuts(haircuts)
    holdings = view.scan(as_of=as_of).holdings.collect()
    before = value(holdings)["collateral_value"]
    names = table["model"].unique(maintain_order=True).to_list()
    sides = [(before, _take_given(holdings, table, name, value)) for name in names]
    none = _take_given(holdings.clear(), table, "", value)
    parts = [_measure_effect(*side, by) for side in [(before.clear(), none), *sides]]
    return pl.concat(parts)


def _take_given(
    holdings: pl.DataFrame,
    table: pl.DataFrame,
    model: str,
    value: Callable[..., Any],
) -> pl.DataFrame:
    rows = value(holdings, haircuts=table.filter(pl.col("model") == model))
    return rows.with_columns(pl.lit(model).alias("model"))


def _measure_effect(
    before: pl.Series, after: pl.DataFrame, by: Sequence[str]
) -> pl.DataFrame:
    value = pl.col("collateral_value")
    known = pl.col("before").is_not_null() & value.is_not_null()
    given = (pl.col("haircut_basis") == "given").fill_null(value=False)
    return (
        after.with_columns(before.alias("before"), account="account_id")
        .with_columns(
            collateral_before=pl.when(known).then("before"),
            collateral_after=pl.when(known).then(value),
            collateral_effect=value - pl.col("before"),
        )
        .group_by(by)
        .agg(
            accounts_count=pl.col("account").n_unique().cast(pl.Int64()),
            holdings_count=pl.len().cast(pl.Int64()),
            unknown_count=(~known).sum().cast(pl.Int64()),
            modelled_count=given.sum().cast(pl.Int64()),
            **{name: any_known(name).cast(VALUE) for name in _VALUES},
        )
    )
