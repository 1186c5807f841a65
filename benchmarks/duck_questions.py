"""What the questions about a store ask, as DuckDB answers it over the same files.

`CONSOLIDATE` and `VALUE` give the columns of POSITIONS and ACCOUNTS with their rules
for what is unknown: the newest price of each instrument, sums that are null as soon as
a part is, totals beside the counts of what they leave out. They take an account's
newest snapshot, without the rules that quarantine a bad one. `SUMS` and
`SUMS_PER_ACCOUNT` are the plain sums of one day's files and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_CURRENT: Final = """
    newest as (
        select snapshot_id, batch_id
        from read_parquet('{store}/snapshots/*/*/*.parquet')
        qualify row_number() over (
            partition by source, account_id order by snapshot_at desc, snapshot_id
        ) = 1
    ),
    rows as (
        select h.* from read_parquet('{store}/holdings/*/*/*.parquet') h
        join newest using (snapshot_id, batch_id)
    )
"""
_OFFER: Final = """
    {name}_at as (
        select instrument_id, max(coalesce(price_at, snapshot_at)) as known_at
        from rows where {column} is not null group by instrument_id
    ),
    {name} as (
        select instrument_id, known_at, min({column}) as price
        from rows join {name}_at using (instrument_id)
        where coalesce(price_at, snapshot_at) = known_at and {column} is not null
        group by instrument_id, known_at
    )
"""
_DAY: Final = "(timezone('Asia/Kolkata', {}.known_at))::date"


def _total(column: str) -> str:
    return (
        f"case when count({column}) = count(*) then sum({column})::decimal(38, 4) end"
        f" as {column}"
    )


_QUANTITIES: Final = ", ".join(
    _total(f"{name}_quantity")
    for name in (
        "settled",
        "t1",
        "pledged",
        "used",
        "position",
        "smallcase",
        "owned",
    )
)
_POSITIONS: Final = f"""
    {_CURRENT},
    {_OFFER.format(name="ltp", column="last_price")},
    {_OFFER.format(name="latest_close", column="close_price")},
    prices as (
        select
            coalesce(l.instrument_id, c.instrument_id) as instrument_id,
            l.price as last_price,
            c.price as close_price,
            coalesce(l.known_at is not null
                and (c.known_at is null or {_DAY.format("l")} >= {_DAY.format("c")}),
                false) as by_ltp,
            case when by_ltp then l.price else c.price end as price,
            case when by_ltp then l.known_at else c.known_at end as price_at,
            case when by_ltp then 'ltp' else 'close' end as price_basis
        from ltp l full join latest_close c using (instrument_id)
    ),
    summed as (
        select
            account_id, instrument_id,
            min(isin) as isin, min(symbol) as symbol, min(name) as name,
            min(asset_class) as asset_class,
            {_QUANTITIES},
            case when count(cost) = count(*) then sum(cost) end as cost_value,
            case when count(reported_pnl) = count(*) then sum(reported_pnl) end
                as reported_pnl,
            case when count(own_pnl) = count(*) then sum(reported_pnl - own_pnl) end
                as pnl_difference
        from (
            select *,
                owned_quantity::decimal(19, 4) * average_price::decimal(19, 4) as cost,
                coalesce(last_price, close_price)::decimal(19, 4) as own_price,
                owned_quantity::decimal(19, 4) * own_price - cost as own_pnl
            from rows
        )
        group by account_id, instrument_id
    ),
    positions as (
        select
            s.*, p.price, p.price_at, p.price_basis,
            (cost_value / nullif(owned_quantity, 0))::decimal(18, 4) as average_price,
            owned_quantity::decimal(19, 4) * p.price::decimal(19, 4) as market_value,
            market_value - cost_value as unrealized_pnl,
            unrealized_pnl::double / nullif(cost_value::double, 0) as "return",
            owned_quantity::decimal(19, 4)
                * (p.last_price - p.close_price)::decimal(19, 4) as day_pnl
        from summed s left join prices p using (instrument_id)
    )
"""
CONSOLIDATE: Final = f"""
    with {_POSITIONS}
    select *, market_value::double / sum(market_value) over () as weight
    from positions
"""
VALUE: Final = f"""
    with {_POSITIONS},
    pledged as (
        select
            account_id,
            sum(worth) as collateral_value,
            count(*) - count(worth) as uncollateral_count
        from (
            select account_id, case
                when pledged_quantity = 0 then 0
                when pledged_quantity > 0 and close_price > 0
                    and haircut between 0 and 1
                then (pledged_quantity::decimal(19, 4) * close_price::decimal(19, 4)
                    )::decimal(29, 8) * (1 - haircut)::decimal(9, 6)
            end as worth
            from rows
        )
        group by account_id
    )
    select
        account_id,
        count(*) as positions_count,
        count(*) - count(price) as unpriced_count,
        count(*) - count(cost_value) as uncosted_count,
        sum(cost_value) as cost_value,
        sum(market_value) as market_value,
        sum(unrealized_pnl) as unrealized_pnl,
        sum(unrealized_pnl)::double
            / sum(cost_value) filter (unrealized_pnl is not null)::double as "return",
        sum(market_value::double ** 2) / sum(market_value::double) ** 2 as hhi,
        max(market_value)::double / sum(market_value)::double as top_1_share,
        any_value(collateral_value) as collateral_value,
        any_value(uncollateral_count) as uncollateral_count
    from positions left join pledged using (account_id)
    group by account_id
"""
LAST: Final = "read_parquet('{store}/holdings/snapshot_date=2026-01-06/*/*.parquet')"
FIRST: Final = LAST.replace("01-06", "01-05")
SUMS: Final = f"""
    with p as (
        select instrument_id, arg_max(coalesce(last_price, close_price), snapshot_at)
            as price
        from {LAST} group by all
    )
    select account_id, instrument_id, any_value(isin), any_value(symbol),
        sum(settled_quantity), sum(t1_quantity), sum(pledged_quantity),
        sum(owned_quantity) as owned,
        sum(owned_quantity::decimal(28, 4) * average_price) as cost,
        any_value(price) as price, owned * any_value(price) as market_value,
        market_value - cost
    from {LAST} join p using (instrument_id) group by account_id, instrument_id
"""
SUMS_PER_ACCOUNT: Final = f"""
    select account_id, sum(owned_quantity::decimal(28, 4) * average_price) as cost,
        sum(owned_quantity::decimal(28, 4) * last_price) as market_value,
        market_value - cost,
        sum(pledged_quantity::decimal(28, 4) * close_price * (1 - haircut))
    from {LAST} group by account_id
"""


def ask(query: str, store: str, summed: str = "market_value") -> str:
    """Answer a query into a parquet file; tell its rows and the sum of a column."""
    import duckdb

    database = duckdb.connect()
    out = Path(f"{store}-out.parquet")
    database.execute(f"set temp_directory = '{store}-spill'")
    database.execute("set memory_limit = '16GB'")
    database.execute("set enable_progress_bar = false")
    database.execute("set preserve_insertion_order = false")
    asked = query.format(store=store)
    database.execute(f"copy ({asked}) to '{out}' (format parquet)")
    rows, total = database.execute(
        f"select count(*), sum({summed}) from '{out}'"
    ).fetchall()[0]
    out.unlink()
    return f"{rows:,} rows, {summed} {total:.0f}"
