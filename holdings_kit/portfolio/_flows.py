"""What flowed into and out of accounts, inferred from snapshots alone.

Between two snapshots a line that grew was bought, at the rise in its cost; one that
shrank was sold, at the price of the day. What changes the units and not the cost
(split, bonus, change of ISIN) is no flow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.errors import FrameError
from holdings_kit.market._days import day_of
from holdings_kit.portfolio._lots import read_ratios
from holdings_kit.portfolio._positions import make_positions
from holdings_kit.portfolio._prices import price_table, pricing_of
from holdings_kit.portfolio._scope import has_parts, list_parts
from holdings_kit.schema import (
    HOLDINGS,
    MONEY,
    SNAPSHOTS,
    VALUE,
    FrameLike,
    Loaded,
    as_frame,
    conform,
    is_fund,
    product,
    take_frame,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_TRANSFER_DAYS: Final = 7
_NOTHING: Final = pl.lit(0, VALUE)
_BETWEEN: Final = (pl.col("ex_date") > pl.col("date_before")) & (
    pl.col("ex_date") <= pl.col("date")
)


def _name_lines(keys: Sequence[str]) -> list[str]:
    """Name the columns that tell the lines of a day apart."""
    return [*dict.fromkeys([*keys, "instrument_id"]), "fund"]


def read_pairs(
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


def _read_history(
    history: Loaded | FrameLike | pl.LazyFrame,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Give HOLDINGS, the snapshots that count, and what each of them speaks for."""
    told = None
    columns = ["account_id", "snapshot_id", "snapshot_at"]
    if isinstance(history, Loaded):
        shots = conform(history.snapshots, SNAPSHOTS, name="snapshots")
        told = shots.filter(pl.col("status").ne_missing(pl.lit("quarantined")))
        shots = told.select(columns).unique()
        holdings = conform(history.holdings, HOLDINGS, name="holdings")
        holdings = holdings.join(
            shots.select(columns[:2]), on=columns[:2], how="semi", nulls_equal=True
        )
    else:
        holdings = take_frame(history, HOLDINGS, name="history").collect()
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


def read_factors(actions: FrameLike | pl.LazyFrame) -> pl.DataFrame:
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
    groups = [*_name_lines(keys), "date"]
    made = make_positions(rows.lazy(), groups, pricing=pricing_of(prices)).collect()
    # nothing is worth nothing, whatever its price
    none = pl.when(pl.col("owned_quantity") == 0).then(_NOTHING)
    return made.select(
        *groups,
        quantity="owned_quantity",
        price="price",
        cost=none.otherwise("cost_value"),
        value=none.otherwise("market_value"),
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
    on = [*_name_lines(keys), "date"]
    facts = ("quantity", "price", "cost", "value", "average")
    day = ["account_id", "fund", "date"]
    step = days.select(*day, "date_before", "next_date", "snapshot_at")
    before = (
        lines.join(step.select(*day, "next_date"), on=day)
        .drop("date")
        .drop_nulls("next_date")
        .rename({"next_date": "date", **{fact: f"{fact}_0" for fact in facts}})
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
    there = lines.filter(pl.col("quantity") != 0).select(
        *_name_lines(keys), spoken="date", quantity_0="quantity", quantity_1="quantity"
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


def with_flows(
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
    change = q1.cast(pl.Float64()) - pl.coalesce(start, q0.cast(pl.Float64()))
    # a fraction of a share is paid in cash when units are counted anew
    fraction = start.is_not_null() & (change.round(4).abs() < 1)
    change = pl.when(fraction).then(0.0).otherwise(change.round(4))
    rows = rows.with_columns(traded=change.cast(MONEY))
    cost = (pl.col("cost_1") - pl.col("cost_0")).cast(VALUE)
    at_price = product("traded", "price_1")
    slack = ((q0.abs() + q1.abs()).cast(VALUE) * pl.lit("0.01").cast(VALUE)).cast(VALUE)
    same_cost = (cost.abs() <= slack) & (q0 != 0) & (q1 != 0)
    restated = same_cost & pl.col("average_0").ne_missing(pl.col("average_1"))
    first = pl.col("date_before").is_null()
    traded = pl.col("traded")
    cases: list[tuple[pl.Expr, pl.Expr, str]] = [
        (first, pl.col("value_1"), "opening balance at value"),
        (pl.col("renamed"), _NOTHING, "units exchanged, cost carried over"),
        (traded == 0, _NOTHING, ""),
        (pl.col("transferred"), at_price, "transferred at value"),
        ((traded > 0) & restated, _NOTHING, "more units, cost unchanged"),
        ((traded < 0) & restated, _NOTHING, "fewer units, cost unchanged"),
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
    both = pl.concat_str("basis", pl.lit("; dividend paid out")).str.strip_prefix("; ")
    return rows.with_columns(
        flow=(pl.col("flow") - paid.fill_null(_NOTHING)).cast(VALUE),
        basis=pl.when(paid != 0).then(both).otherwise("basis"),
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
        .filter(_BETWEEN)
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
        names = ("instrument_id", "ex_date", "new_instrument_id")
        named = actions.drop_nulls("new_instrument_id").select(names)
        linked = (
            went.select(*on, "instrument_id", "date_before", _went="_row")
            .join(named, on="instrument_id")
            .filter(_BETWEEN)
        )
        target = rows.filter(pl.col("quantity_1") != 0).select(
            *on, new_instrument_id="instrument_id", _came="_row"
        )
        joined = linked.join(target, on=[*on, "new_instrument_id"])
        marked.append(joined.select("_went", "_came"))
    both = pl.concat(marked)
    numbers = both["_went"].append(both["_came"])
    return rows.with_columns(renamed=pl.col("_row").is_in(numbers.implode())).drop(
        "_row"
    )


def list_moving(
    history: Loaded | FrameLike | pl.LazyFrame, owners: pl.DataFrame
) -> pl.DataFrame:
    """List what came to or left the accounts of owners, for `match_transfers`."""
    keys = ["account_id"]
    return pick_moving(read_pairs(history, keys, None)[0], owners, keys)


def pick_moving(
    pairs: pl.DataFrame, owners: pl.DataFrame, keys: Sequence[str]
) -> pl.DataFrame:
    """Pick the lines of owners' accounts whose quantity is another than before."""
    change = (pl.col("quantity_1") - pl.col("quantity_0")).cast(MONEY)
    return (
        pairs.filter((change != 0) & pl.col("date_before").is_not_null())
        .join(owners, on="account_id")
        .select(*_name_lines(keys), "date", "_owner", size=change)
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
