"""What the money did over time: flows inferred from snapshots, and the returns.

Nothing but snapshots is needed; `_flows` says what was bought and sold between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import polars as pl

from holdings_kit.errors import ConfigError, FrameError, load_optional
from holdings_kit.portfolio._flows import (
    match_transfers,
    pick_moving,
    read_factors,
    read_owners,
    read_pairs,
    with_flows,
)
from holdings_kit.portfolio._scope import SCOPES
from holdings_kit.schema import (
    MONEY,
    VALUE,
    FrameLike,
    Loaded,
    as_frame,
    column_names,
    require_columns,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

np: Any = load_optional("numpy")
Floats: TypeAlias = Any  # numpy is asked for late

PERFORMANCE: Final = pl.Schema(
    {
        "account_id": pl.String(),
        "date": pl.Date(),  # of the snapshot, in India
        "value_before": VALUE,  # before the flow of the day
        "flow": VALUE,  # rupees put in; taken out is negative
        "flow_basis": pl.String(),  # what was assumed of the flow, in words
        "value_after": VALUE,
        "return": pl.Float64(),  # since the snapshot before
        "twr": pl.Float64(),  # time-weighted, since the first snapshot
        "covered_share": pl.Float64(),  # of the lines: priced at both ends
        "note": pl.String(),  # what is not known, in words
        "pnl": VALUE,  # since the snapshot before, without new money
        "drawdown": pl.Float64(),  # below the highest twr so far; 0 or negative
        "xirr": pl.Float64(),  # money-weighted, a year, since the first snapshot
    }
)
_YEAR: Final = 365
_ROUNDS: Final = 90  # of bisection: beyond the last digit of a float
_KEYS: Final = ("account_id", "source", "broker", "asset_class", "instrument_id")


def performance(
    history: Loaded | FrameLike | pl.LazyFrame,
    *,
    prices: FrameLike | pl.LazyFrame | None = None,
    actions: FrameLike | pl.LazyFrame | None = None,
    moves: FrameLike | pl.LazyFrame | None = None,
    by: str | Sequence[str] = "account_id",
    benchmark: FrameLike | pl.LazyFrame | None = None,
) -> pl.DataFrame:
    """Say what accounts were worth over time, and how they did, from snapshots alone.

    Parameters
    ----------
    history
        `Loaded`, such as ``store.history()`` gives: quarantined snapshots are left
        out, and one without rows is an account that owns nothing. Or `HOLDINGS` of
        several snapshots. Of one account and day the last snapshot counts. Securities
        and funds go from one snapshot that speaks for them to the next: on a day on
        which funds were not asked for they are not covered, and nothing was sold.
    prices
        As for `consolidate`; a share that was sold altogether is priced by it.
    actions
        `ACTIONS`. A split or bonus whose units are there before the average is
        restated is told from a purchase by it; dividends are paid out by it.
    moves
        ``account_id, owner``: accounts of one person. Shares that leave one of them
        and come to another within a week are transferred, at value.
    by
        Columns of `HOLDINGS` that make a series; ``account_id`` among them.
    benchmark
        ``date, close_price`` of an index or fund: adds `benchmark_return` and
        `benchmark_twr`, over the same days.

    Returns
    -------
    PERFORMANCE
        One row per series and day with a snapshot, sorted; other columns of `by` after
        ``account_id``. Flows are taken to come at the end of their day. The first row
        is the opening balance, a flow at value. Null where it cannot be known: a flow
        whose price is missing makes the return of its day unknown, and the time- and
        money-weighted returns from there on; `note` says why. A line without a price
        at one end is left out of both ends, and of `covered_share`; when the lines that
        are left out change, the money-weighted return is unknown from there on.

    Raises
    ------
    FrameError
        A frame lacks a column.
    ConfigError
        `by` lacks ``account_id``, or a ratio of `actions` is none.

    Notes
    -----
    Return of a day = value before its flow / value after the flow before, − 1 (covered
    lines); the time-weighted return chains them: Π (1 + r) − 1. XIRR solves
    Σ flow · (1 + x) ^ (days / 365) = value after.

    Bought: the rise of quantity × average. Sold: quantity × price of the day. Received
    without a known cost, and transfers: quantity × price. What was bought and sold
    between two snapshots is not seen.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from holdings_kit.schema import HOLDINGS
    >>> line = dict.fromkeys(HOLDINGS) | {"account_id": "A", "instrument_id": "X"}
    >>> days = [(5, 10, 100, 100), (6, 10, 100, 110), (7, 20, 110, 120)]
    >>> rows = [
    ...     line
    ...     | {"snapshot_id": str(day), "owned_quantity": owned, "last_price": price}
    ...     | {"snapshot_at": datetime(2026, 1, day, 11, tzinfo=UTC)}
    ...     | {"average_price": average}
    ...     for day, owned, average, price in days
    ... ]
    >>> seen = performance(pl.DataFrame(rows, schema=HOLDINGS))
    >>> seen["flow"].cast(pl.Int64()).to_list(), seen["twr"].round(9).to_list()
    ([1000, 0, 1200], [0.0, 0.1, 0.2])
    """
    keys = column_names(by)
    odd = [key for key in keys if key not in _KEYS]
    if odd or "account_id" not in keys:
        known = ", ".join(_KEYS[1:])
        raise ConfigError(f"by={keys}: must contain 'account_id' and may have {known}")
    owners = read_owners(moves)

    def find_sent(pairs: pl.DataFrame) -> pl.DataFrame | None:
        if owners is None:
            return None
        return match_transfers(pick_moving(pairs, owners, keys))

    return _measure(
        history,
        keys,
        prices=prices,
        actions=actions,
        find_sent=find_sent,
        benchmark=benchmark,
    )


def measure_accounts(
    history: Loaded | FrameLike | pl.LazyFrame,
    *,
    prices: FrameLike | pl.LazyFrame | None,
    actions: FrameLike | pl.LazyFrame | None,
    sent: pl.DataFrame | None,
    benchmark: FrameLike | pl.LazyFrame | None,
) -> pl.DataFrame:
    """Give what `performance` gives, with the transfers that were found elsewhere."""
    return _measure(
        history,
        ["account_id"],
        prices=prices,
        actions=actions,
        find_sent=lambda _: sent,
        benchmark=benchmark,
    )


def _measure(
    history: Loaded | FrameLike | pl.LazyFrame,
    keys: Sequence[str],
    *,
    prices: FrameLike | pl.LazyFrame | None,
    actions: FrameLike | pl.LazyFrame | None,
    find_sent: Callable[[pl.DataFrame], pl.DataFrame | None],
    benchmark: FrameLike | pl.LazyFrame | None,
) -> pl.DataFrame:
    table = None if actions is None else read_factors(actions)
    pairs, days = read_pairs(history, keys, prices)
    lines = with_flows(pairs, table, find_sent(pairs), keys)
    rows = _with_returns(_add_up_days(lines, days, keys), keys)
    if benchmark is not None:
        rows = _with_benchmark(rows, benchmark, keys)
    rest = [name for name in rows.columns if name.startswith("benchmark_")]
    others = [key for key in keys if key != "account_id"]
    names = ["account_id", *others, *PERFORMANCE.names()[1:], *rest]
    return rows.select(names).cast(PERFORMANCE)


# ── series ──────────────────────────────────────────────────────────────────────────


def _add_up_days(
    lines: pl.DataFrame, days: pl.DataFrame, keys: Sequence[str]
) -> pl.DataFrame:
    """Add the covered lines of each series and day; every day has its row."""
    on = [*keys, "date"]
    covered = pl.col("value_0").is_not_null() & pl.col("value_1").is_not_null()
    covered |= pl.col("date_before").is_null() & pl.col("value_1").is_not_null()
    unknown = pl.col("covered") & pl.col("flow").is_null()
    unpriced = ~pl.col("covered") & pl.col("silent").is_null()
    scope = pl.col("fund").replace_strict(SCOPES, return_dtype=pl.String())
    names = pl.col("instrument_id").fill_null("?")
    sums = (
        lines.with_columns(covered=covered)
        .group_by(on)
        .agg(
            value_start=pl.col("value_0").filter("covered").sum(),
            value_after=pl.col("value_1").filter("covered").sum(),
            flow=pl.when(~unknown.any()).then(pl.col("flow").filter("covered").sum()),
            flow_basis=pl.col("basis")
            .filter(pl.col("covered") & (pl.col("basis") != ""))
            .unique()
            .sort()
            .str.join("; "),
            covered_count=pl.col("covered").sum().cast(pl.Int64()),
            lines_count=pl.len().cast(pl.Int64()),
            _unpriced=names.filter(unpriced).sort().head(3).str.join(", "),
            _silent=scope.filter(pl.col("silent")).unique().sort().str.join(", "),
            _unknown=names.filter(unknown).sort().head(3).str.join(", "),
        )
    )
    grid = _list_days(lines, days, keys)
    lines_count, count = pl.col("lines_count"), pl.col("covered_count")
    full = grid.join(sums, on=on, how="left", nulls_equal=True).with_columns(
        lines_count=lines_count.fill_null(0),
        covered_count=count.fill_null(0),
    )
    no_lines = pl.when(lines_count == 0).then(pl.lit(0, VALUE)).when(count > 0)
    words = {
        "_silent": "no answer on the day about: {}",
        "_unpriced": "no price at one end: {}",
        "_unknown": "flow unknown, no price on the day: {}",
    }
    note = pl.concat_str(
        (
            pl.when(pl.col(name) != "").then(pl.format(said, name))
            for name, said in words.items()
        ),
        separator="; ",
        ignore_nulls=True,
    )
    return full.with_columns(
        value_start=no_lines.then("value_start"),
        value_after=no_lines.then("value_after"),
        flow=no_lines.then("flow"),
        covered_share=pl.when(lines_count > 0).then(count / lines_count),
        note=pl.when(note != "").then(note),
        flow_basis=pl.when(pl.col("flow_basis") != "").then("flow_basis"),
    )


def _list_days(
    lines: pl.DataFrame, days: pl.DataFrame, keys: Sequence[str]
) -> pl.DataFrame:
    """Give every series its account's days, from its own first one on."""
    steps = days.select("account_id", "date", "date_before")
    if list(keys) == ["account_id"]:
        return steps
    starts = lines.group_by(keys).agg(_first=pl.col("date").min())
    return (
        starts.join(steps, on="account_id")
        .filter(pl.col("date") >= pl.col("_first"))
        .drop("_first")
    )


def _with_returns(rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Chain the returns of each series; the money-weighted one beside."""
    rows = rows.sort(*keys, "date", nulls_last=True)
    first = pl.int_range(pl.len()).over(keys) == 0
    before = (pl.col("value_after") - pl.col("flow")).cast(VALUE)
    start = pl.col("value_start").cast(pl.Float64())
    ratio = pl.col("value_before").cast(pl.Float64()) / start
    idle = (pl.col("value_start") == 0) & (pl.col("value_before") == 0)
    factor = pl.when(pl.col("_first") | idle).then(1.0).when(start > 0).then(ratio)
    known = pl.col("_factor").is_null().cum_sum().over(keys) == 0
    rows = (
        rows.with_columns(value_before=before, _first=first)
        .with_columns(_factor=factor)
        .with_columns(
            pl.when(~pl.col("_first") & ~idle)
            .then(pl.col("_factor") - 1)
            .alias("return"),
            _wealth=pl.when(known).then(pl.col("_factor").cum_prod().over(keys)),
            pnl=pl.when(~pl.col("_first")).then(
                (pl.col("value_before") - pl.col("value_start")).cast(VALUE)
            ),
        )
        .with_columns(
            twr=pl.col("_wealth") - 1,
            drawdown=pl.col("_wealth") / pl.col("_wealth").cum_max().over(keys) - 1,
        )
    )
    # what leaves the covered lines leaves without a flow: no rate solves that
    last = pl.col("value_after").shift(1).over(keys)
    whole = pl.col("_first") | (pl.col("value_start") == last)
    same = (~whole.fill_null(value=False)).cum_sum().over(keys) == 0
    rows = rows.with_columns(_same=same)
    broken = pl.col("twr").is_null() & pl.col("return").is_not_null()
    words = pl.lit("twr unknown since a day before")
    return rows.with_columns(
        xirr=pl.when("_same").then(_compute_xirr(rows, keys)),
        note=pl.when(broken)
        .then(pl.concat_str("note", words, separator="; ", ignore_nulls=True))
        .otherwise("note"),
    )


def _compute_xirr(rows: pl.DataFrame, keys: Sequence[str]) -> pl.Series:
    """Solve XIRR for every row: all flows up to it, and its value."""
    if rows.is_empty():
        return pl.Series("xirr", [], dtype=pl.Float64())
    series = rows.select(pl.struct(keys).rank("dense")).to_series().to_numpy()
    dates = rows["date"].cast(pl.Int64()).to_numpy().astype(float)
    flows = rows["flow"].cast(pl.Float64()).fill_null(float("nan")).to_numpy()
    values = rows["value_after"].cast(pl.Float64()).fill_null(float("nan")).to_numpy()
    starts = np.searchsorted(series, series, side="left")
    width = int((np.arange(len(series)) - starts).max()) + 1
    answer = np.full(len(series), np.nan)
    # each block of rows beside all flows before them, padded with none
    block = max(1, 4_000_000 // width)
    for low in range(0, len(series), block):
        place = np.arange(low, min(low + block, len(series)))
        at = place[:, None] - np.arange(width)[None, :]
        inside = at >= starts[place][:, None]
        at = np.where(inside, at, 0)
        paid = np.where(inside, flows[at], 0.0)
        years = np.where(inside, dates[place][:, None] - dates[at], 0.0) / _YEAR
        answer[low : low + len(place)] = _solve_xirr(paid, years, values[place])
    return pl.Series("xirr", answer, dtype=pl.Float64()).fill_nan(None)


def _solve_xirr(paid: Floats, years: Floats, value: Floats) -> Floats:
    """Bisect log(1 + x): what was paid in, grown, is what is there."""

    def gap(rate: Floats) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):
            return (paid * np.exp(years * rate[:, None])).sum(axis=1) - value

    reach = np.minimum(100.0, 600.0 / np.maximum(years.max(axis=1), 1.0))
    low, high = -reach, reach
    at_low, at_high = gap(low), gap(high)
    fine = (at_low * at_high < 0) & (years.max(axis=1) > 0)
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        same = gap(middle) * at_low > 0
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.where(fine, np.expm1((low + high) / 2), np.nan)


def _with_benchmark(
    rows: pl.DataFrame, benchmark: FrameLike | pl.LazyFrame, keys: Sequence[str]
) -> pl.DataFrame:
    """Add the return of a price series over the same days."""
    schema = pl.Schema({"date": pl.Date(), "close_price": MONEY})
    table = as_frame(benchmark, schema, name="benchmark").lazy().collect()
    reason = "missing; pass date and close_price"
    require_columns(table.columns, schema, name="benchmark", reason=reason)
    table = table.select(schema.names()).cast(schema)
    known = table.drop_nulls(["date", "close_price"]).sort("date")
    if known["date"].is_duplicated().any():
        raise FrameError("benchmark", "date", "two prices of one day; pass one series")
    price = pl.col("_price")
    return (
        rows.with_row_index("_row")
        .sort("date")
        .join_asof(
            known.select("date", _price=pl.col("close_price").cast(pl.Float64())),
            on="date",
        )
        .sort("_row")
        .with_columns(
            benchmark_return=price / price.shift(1).over(keys) - 1,
            benchmark_twr=price / price.first().over(keys) - 1,
        )
        .drop("_row", "_price")
    )
