"""What the money did over time: flows inferred from snapshots, and the returns.

Nothing but snapshots is needed. Between two of them a line that grew was bought, at
the rise in its cost; one that shrank was sold, at the price of the day. What changes
the units and not the cost (split, bonus, change of ISIN) is no flow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import polars as pl

from holdings_kit.errors import ConfigError, FrameError, load_optional
from holdings_kit.market._days import day_of
from holdings_kit.portfolio._lots import read_ratios
from holdings_kit.portfolio._positions import make_positions
from holdings_kit.portfolio._prices import price_table, pricing_of
from holdings_kit.portfolio._scope import SCOPES, has_parts, list_parts
from holdings_kit.schema import (
    HOLDINGS,
    MONEY,
    SNAPSHOTS,
    VALUE,
    FrameLike,
    Loaded,
    as_frame,
    column_names,
    conform,
    is_fund,
    product,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PERFORMANCE", "performance"]

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
_TRANSFER_DAYS: Final = 7
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
    table = None if actions is None else _read_actions(actions)
    pairs, days = _read_pairs(history, keys, prices)
    owners = read_owners(moves)
    sent = (
        None if owners is None else match_transfers(_list_moving(pairs, owners, keys))
    )
    return _measure_returns(
        pairs, days, keys, actions=table, sent=sent, benchmark=benchmark
    )


def list_moving(
    history: Loaded | FrameLike | pl.LazyFrame, owners: pl.DataFrame
) -> pl.DataFrame:
    """List what came to or left the accounts of owners, for `match_transfers`."""
    keys = ["account_id"]
    pairs, _ = _read_pairs(history, keys, None)
    return _list_moving(pairs, owners, keys)


def measure_accounts(
    history: Loaded | FrameLike | pl.LazyFrame,
    *,
    prices: FrameLike | pl.LazyFrame | None,
    actions: FrameLike | pl.LazyFrame | None,
    sent: pl.DataFrame | None,
    benchmark: FrameLike | pl.LazyFrame | None,
) -> pl.DataFrame:
    """Give what `performance` gives, with the transfers that were found elsewhere."""
    keys = ["account_id"]
    table = None if actions is None else _read_actions(actions)
    pairs, days = _read_pairs(history, keys, prices)
    return _measure_returns(
        pairs, days, keys, actions=table, sent=sent, benchmark=benchmark
    )


def _read_pairs(
    history: Loaded | FrameLike | pl.LazyFrame,
    keys: Sequence[str],
    prices: FrameLike | pl.LazyFrame | None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give every line at both ends of each interval, and the days of each account."""
    holdings, snapshots, parts = _read_history(history)
    days = _take_last_of_day(snapshots, ["account_id"])
    part_days = _take_last_of_day(parts, ["account_id", "fund"])
    lines = _value_lines(holdings, part_days, keys, prices)
    pairs = _pair_days(lines, part_days, keys, prices)
    silent = _list_silent_lines(lines, days, part_days, keys)
    return pl.concat([pairs, silent], how="diagonal"), days


def _measure_returns(
    pairs: pl.DataFrame,
    days: pl.DataFrame,
    keys: Sequence[str],
    *,
    actions: pl.DataFrame | None,
    sent: pl.DataFrame | None,
    benchmark: FrameLike | pl.LazyFrame | None,
) -> pl.DataFrame:
    changed = _with_flows(pairs, actions, sent, keys)
    rows = _add_up_days(changed, days, keys)
    rows = _with_returns(rows, keys)
    if benchmark is not None:
        rows = _with_benchmark(rows, benchmark, keys)
    rest = [name for name in rows.columns if name.startswith("benchmark_")]
    others = [key for key in keys if key != "account_id"]
    names = ["account_id", *others, *PERFORMANCE.names()[1:], *rest]
    return rows.select(names).cast(PERFORMANCE)


# ── reading ─────────────────────────────────────────────────────────────────────────


def _read_history(
    history: Loaded | FrameLike | pl.LazyFrame,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Give HOLDINGS, the snapshots that count, and what each of them speaks for."""
    told = None
    columns = ["account_id", "snapshot_id", "snapshot_at"]
    if isinstance(history, Loaded):
        shots = conform(history.snapshots, SNAPSHOTS, name="snapshots")
        counts = pl.col("status").ne_missing(pl.lit("quarantined"))
        told = shots.filter(counts)
        shots = told.select(columns).unique()
        holdings = conform(history.holdings, HOLDINGS, name="holdings")
        holdings = holdings.join(
            shots.select(columns[:2]), on=columns[:2], how="semi", nulls_equal=True
        )
    else:
        given = as_frame(history, HOLDINGS, name="history").lazy()
        holdings = conform(given, HOLDINGS, name="history").collect()
        shots = holdings.select(columns).unique()
    shots = shots.drop_nulls(["account_id", "snapshot_at"])
    if has_parts(holdings, told):
        parts = shots.join(list_parts(holdings, told), on=columns[:2])
    else:
        parts = shots.with_columns(fund=pl.lit(value=False))
    return holdings.with_columns(fund=is_fund()), shots, parts


def _take_last_of_day(snapshots: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Give the days of each series, the last snapshot of each, and the day before."""
    return (
        snapshots.with_columns(date=day_of(pl.col("snapshot_at")))
        .sort(*keys, "snapshot_at", "snapshot_id")
        .unique([*keys, "date"], keep="last", maintain_order=True)
        .with_columns(
            date_before=pl.col("date").shift(1).over(keys),
            next_date=pl.col("date").shift(-1).over(keys),
        )
    )


def _read_actions(actions: FrameLike | pl.LazyFrame) -> pl.DataFrame:
    """Give each action with its factor: new units for one old."""
    new = pl.col("_num") / pl.col("_den")
    changes_units = pl.col("kind").is_in(["split", "bonus", "consolidation", "merger"])
    more = pl.when(pl.col("kind") == "bonus").then(1 + new).otherwise(new)
    return read_ratios(actions).with_columns(factor=pl.when(changes_units).then(more))


def read_owners(moves: FrameLike | pl.LazyFrame | None) -> pl.DataFrame | None:
    """Read whose account is whose: `account_id` and `_owner`."""
    if moves is None:
        return None
    frame = as_frame(moves, pl.Schema({"account_id": pl.String()}), name="moves")
    table = frame.lazy().collect()
    rest = [name for name in table.columns if name != "account_id"]
    if "account_id" not in table.columns or not rest:
        raise FrameError("moves", "account_id", "missing; pass account_id and owner")
    return table.select("account_id", _owner=pl.col(rest[0]).cast(pl.String())).unique()


# ── lines at both ends of each interval ─────────────────────────────────────────────


def _value_lines(
    holdings: pl.DataFrame,
    days: pl.DataFrame,
    keys: Sequence[str],
    prices: FrameLike | pl.LazyFrame | None,
) -> pl.DataFrame:
    """Net and value the lines of every account and day."""
    last = days.select("account_id", "snapshot_id", "fund", "date")
    rows = holdings.join(
        last, on=["account_id", "snapshot_id", "fund"], how="inner", nulls_equal=True
    )
    groups = [*dict.fromkeys([*keys, "instrument_id"]), "fund", "date"]
    made = make_positions(rows.lazy(), groups, pricing=pricing_of(prices)).collect()
    # nothing is worth nothing, whatever its price
    none = pl.col("owned_quantity") == 0
    return made.select(
        *groups,
        quantity="owned_quantity",
        price="price",
        cost=pl.when(none).then(pl.lit(0, VALUE)).otherwise("cost_value"),
        value=pl.when(none).then(pl.lit(0, VALUE)).otherwise("market_value"),
        average="average_price",
    )


def _pair_days(
    lines: pl.DataFrame,
    days: pl.DataFrame,
    keys: Sequence[str],
    prices: FrameLike | pl.LazyFrame | None,
) -> pl.DataFrame:
    """Put each line beside itself on the day before it; absent is nothing.

    The day before is that of the last snapshot that spoke for the line's part.
    """
    on = [*dict.fromkeys([*keys, "instrument_id"]), "fund", "date"]
    facts = ("quantity", "price", "cost", "value", "average")
    day = ["account_id", "fund", "date"]
    step = days.select(*day, "date_before", "next_date", "snapshot_at")
    before = (
        lines.join(step.select(*day, "next_date"), on=day)
        .drop("date")
        .drop_nulls("next_date")
        .rename({"next_date": "date"})
        .rename({fact: f"{fact}_0" for fact in facts})
    )
    after = lines.rename({fact: f"{fact}_1" for fact in facts})
    pairs = after.with_columns(_1=pl.lit(value=True)).join(
        before.with_columns(_0=pl.lit(value=True)),
        on=on,
        how="full",
        coalesce=True,
        nulls_equal=True,
    )
    absent = [
        pl.when(pl.col(f"_{end}").is_null())
        .then(pl.lit(0, kind))
        .otherwise(f"{fact}_{end}")
        .alias(f"{fact}_{end}")
        for end in (0, 1)
        for fact, kind in (("quantity", MONEY), ("cost", VALUE), ("value", VALUE))
    ]
    pairs = (
        pairs.with_columns(absent).join(step.drop("next_date"), on=day).drop("_0", "_1")
    )
    return _with_sale_price(pairs, prices)


def _list_silent_lines(
    lines: pl.DataFrame,
    days: pl.DataFrame,
    part_days: pl.DataFrame,
    keys: Sequence[str],
) -> pl.DataFrame:
    """Give the lines of days whose snapshots say nothing about their part.

    They have neither value nor flow: nobody knows what became of them.
    """
    spoken = part_days.select("account_id", "fund", spoken="date")
    silent = (
        days.select("account_id", "date", "date_before", "snapshot_at")
        .join(spoken.select("account_id", "fund").unique(), on="account_id")
        .join(
            spoken,
            left_on=["account_id", "fund", "date"],
            right_on=["account_id", "fund", "spoken"],
            how="anti",
        )
        .sort("date")
        .join_asof(
            spoken.sort("spoken"),
            left_on="date",
            right_on="spoken",
            by=["account_id", "fund"],
            check_sortedness=False,
        )
    )
    names = [*dict.fromkeys([*keys, "instrument_id"]), "fund"]
    there = lines.filter(pl.col("quantity") != 0).select(
        *names, spoken="date", quantity_0="quantity", quantity_1="quantity"
    )
    return (
        there.join(silent, on=["account_id", "fund", "spoken"])
        .drop("spoken")
        .with_columns(silent=pl.lit(value=True))
    )


def _with_sale_price(
    pairs: pl.DataFrame, prices: FrameLike | pl.LazyFrame | None
) -> pl.DataFrame:
    """Price on the day what is no longer there, from the table alone."""
    gone = (pl.col("quantity_1") == 0) & pl.col("price_1").is_null()
    if prices is None or not pairs.select(gone.any()).item():
        return pairs
    table = price_table(prices)
    if table.keys != ("instrument_id",):
        return pairs  # of a share that is gone only the identity is known
    dated = table.rows.drop_nulls("date").select(
        "instrument_id", "date", _price="price"
    )
    return (
        pairs.sort("date")
        .join_asof(
            dated,
            on="date",
            by="instrument_id",
            strategy="backward",
            check_sortedness=False,
        )
        .with_columns(price_1=pl.coalesce("price_1", pl.when(gone).then("_price")))
        .drop("_price")
    )


# ── flows ───────────────────────────────────────────────────────────────────────────


def _with_flows(
    pairs: pl.DataFrame,
    actions: pl.DataFrame | None,
    sent: pl.DataFrame | None,
    keys: Sequence[str],
) -> pl.DataFrame:
    """Say of every line what was paid in or out, on which basis."""
    rows = _with_factor(pairs, actions)
    rows = _with_new_identity(rows, actions, keys)
    rows = _with_transfers(rows, sent)
    q0, q1 = pl.col("quantity_0"), pl.col("quantity_1")
    credited = (q1 - q0 * pl.col("factor")).abs() < (q1 - q0).abs()
    start = pl.when(credited.fill_null(value=False)).then(q0 * pl.col("factor"))
    traded = (q1.cast(pl.Float64()) - pl.coalesce(start, q0.cast(pl.Float64()))).round(
        4
    )
    # a fraction of a share is paid in cash when units are counted anew
    traded = (
        pl.when((start.is_not_null()) & (traded.abs() < 1)).then(0.0).otherwise(traded)
    )
    rows = rows.with_columns(traded=traded.cast(MONEY))
    cost = (pl.col("cost_1") - pl.col("cost_0")).cast(VALUE)
    at_price = product("traded", "price_1")
    slack = ((q0.abs() + q1.abs()).cast(VALUE) * pl.lit("0.01").cast(VALUE)).cast(VALUE)
    same_cost = (cost.abs() <= slack) & (q0 != 0) & (q1 != 0)
    moved = pl.col("average_0").ne_missing(pl.col("average_1"))
    first = pl.col("date_before").is_null()
    traded = pl.col("traded")
    cases: list[tuple[pl.Expr, pl.Expr, str]] = [
        (first, pl.col("value_1"), "opening balance at value"),
        (pl.col("renamed"), pl.lit(0, VALUE), "units exchanged, cost carried over"),
        (traded == 0, pl.lit(0, VALUE), ""),
        (pl.col("transferred"), at_price, "transferred at value"),
        (
            (traded > 0) & same_cost & moved,
            pl.lit(0, VALUE),
            "more units, cost unchanged",
        ),
        (
            (traded < 0) & same_cost & moved,
            pl.lit(0, VALUE),
            "fewer units, cost unchanged",
        ),
        ((traded > 0) & (cost > 0), cost, "bought: the rise in cost"),
        (traded > 0, at_price, "received at value, cost unknown"),
        (traded < 0, at_price, "sold at the day's price"),
    ]
    flow, basis = pl.lit(None, VALUE), pl.lit(None, pl.String())
    for holds, amount, words in reversed(cases):
        flow = pl.when(holds).then(amount).otherwise(flow)
        basis = pl.when(holds).then(pl.lit(words)).otherwise(basis)
    rows = rows.with_columns(flow=flow.cast(VALUE), basis=basis)
    paid = product("quantity_0", "dividend")
    return rows.with_columns(
        flow=(pl.col("flow") - paid.fill_null(pl.lit(0, VALUE))).cast(VALUE),
        basis=pl.when((paid != 0).fill_null(value=False))
        .then(
            pl.concat_str("basis", pl.lit("; dividend paid out")).str.strip_prefix("; ")
        )
        .otherwise("basis"),
    )


def _with_factor(pairs: pl.DataFrame, actions: pl.DataFrame | None) -> pl.DataFrame:
    """Add what the actions between the two days did to a unit, and what they paid."""
    if actions is None:
        return pairs.with_columns(factor=pl.lit(1.0), dividend=pl.lit(None, MONEY))
    paid = pl.col("cash_per_unit").cast(MONEY).filter(pl.col("kind") == "dividend")
    stays = pl.col("new_instrument_id").is_null()
    key = ["instrument_id", "date_before", "date"]
    windows = pairs.select(key).drop_nulls().unique()
    found = (
        windows.join(actions, on="instrument_id")
        .filter(
            (pl.col("ex_date") > pl.col("date_before"))
            & (pl.col("ex_date") <= pl.col("date"))
        )
        .group_by(key)
        .agg(
            factor=pl.col("factor").filter(stays).drop_nulls().product(),
            dividend=paid.sum().cast(MONEY),
        )
    )
    return pairs.join(found, on=key, how="left").with_columns(
        pl.col("factor").fill_null(1.0)
    )


def _with_new_identity(
    rows: pl.DataFrame, actions: pl.DataFrame | None, keys: Sequence[str]
) -> pl.DataFrame:
    """Mark the lines that only changed their name, or were exchanged.

    By the table: the units of the old line became units of the new one. Without it: a
    line that went and one that came with the same quantity and the same cost, which is
    not nothing.
    """
    on = [*(key for key in keys if key != "instrument_id"), "date"]
    rows = rows.with_row_index("_row")
    went = rows.filter((pl.col("quantity_0") != 0) & (pl.col("quantity_1") == 0))
    came = rows.filter((pl.col("quantity_0") == 0) & (pl.col("quantity_1") != 0))
    came = came.filter(pl.col("date_before").is_not_null())
    same = went.select(*on, _went="_row", quantity="quantity_0", cost="cost_0").join(
        came.select(*on, _came="_row", quantity="quantity_1", cost="cost_1"),
        on=[*on, "quantity", "cost"],
    )
    alone = (pl.len().over("_went") == 1) & (pl.len().over("_came") == 1)
    marked = [same.filter(alone & (pl.col("cost") > 0)).select("_went", "_came")]
    if actions is not None:
        named = actions.drop_nulls("new_instrument_id").select(
            "instrument_id", "ex_date", "new_instrument_id"
        )
        linked = (
            went.select(*on, "instrument_id", "date_before", _went="_row")
            .join(named, on="instrument_id")
            .filter(
                (pl.col("ex_date") > pl.col("date_before"))
                & (pl.col("ex_date") <= pl.col("date"))
            )
        )
        target = rows.filter(pl.col("quantity_1") != 0).select(
            *on, new_instrument_id="instrument_id", _came="_row"
        )
        joined = linked.join(target, on=[*on, "new_instrument_id"])
        marked.append(joined.select("_went", "_came"))
    both = pl.concat(marked).unique()
    numbers = pl.concat([both["_went"].alias("n"), both["_came"].alias("n")])
    return rows.with_columns(
        renamed=pl.col("_row").is_in(numbers.unique().implode())
    ).drop("_row")


def _list_moving(
    pairs: pl.DataFrame, owners: pl.DataFrame, keys: Sequence[str]
) -> pl.DataFrame:
    """List the lines of owners' accounts whose quantity is another than before."""
    change = (pl.col("quantity_1") - pl.col("quantity_0")).cast(MONEY)
    names = [*dict.fromkeys([*keys, "instrument_id"]), "fund", "date"]
    return (
        pairs.filter((change != 0) & pl.col("date_before").is_not_null())
        .join(owners, on="account_id")
        .select(*names, "_owner", size=change)
    )


def match_transfers(moving: pl.DataFrame) -> pl.DataFrame:
    """Find what left one account of an owner and came to another within a week."""
    names = [name for name in moving.columns if name not in ("_owner", "size")]
    gone = moving.filter(pl.col("size") < 0).with_columns(size=-pl.col("size"))
    found = moving.filter(pl.col("size") > 0).join(
        gone, on=["_owner", "instrument_id", "size"], suffix="_gone"
    )
    near = (pl.col("date") - pl.col("date_gone")).abs() <= pl.duration(
        days=_TRANSFER_DAYS
    )
    pairs = found.filter(near & (pl.col("account_id") != pl.col("account_id_gone")))
    left = pairs.select(
        pl.col(name if name == "instrument_id" else f"{name}_gone").alias(name)
        for name in names
    )
    return pl.concat([pairs.select(names), left]).unique()


def _with_transfers(rows: pl.DataFrame, sent: pl.DataFrame | None) -> pl.DataFrame:
    """Mark the lines that were transferred."""
    if sent is None:
        return rows.with_columns(transferred=pl.lit(value=False))
    marked = sent.with_columns(transferred=pl.lit(value=True))
    return rows.join(
        marked, on=sent.columns, how="left", nulls_equal=True, maintain_order="left"
    ).with_columns(pl.col("transferred").fill_null(value=False))


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
        pl.col("value_start", "value_after", "flow").is_null().name.prefix("_no_"),
        lines_count=lines_count.fill_null(0),
        covered_count=count.fill_null(0),
    )
    nothing = lines_count == 0
    zero = pl.lit(0, VALUE)
    some = nothing | (count > 0)
    note = pl.concat_str(
        pl.when(pl.col("_silent") != "").then(
            pl.format("no answer on the day about: {}", "_silent")
        ),
        pl.when(pl.col("_unpriced") != "").then(
            pl.format("no price at one end: {}", "_unpriced")
        ),
        pl.when(pl.col("_unknown") != "").then(
            pl.format("flow unknown, no price on the day: {}", "_unknown")
        ),
        separator="; ",
        ignore_nulls=True,
    )
    return full.with_columns(
        value_start=pl.when(nothing).then(zero).when(some).then("value_start"),
        value_after=pl.when(nothing).then(zero).when(some).then("value_after"),
        flow=pl.when(nothing).then(zero).when(some).then("flow"),
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
    for column in schema:
        if column not in table.columns:
            raise FrameError("benchmark", column, "missing; pass date and close_price")
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
