"""DuckDB's comparison of two days: the bare join, and the same lines with causes.

The second has the columns of `holdings_kit.changes.CHANGES` that SQL reaches without
looking at more than one line: the plain causes, both sides of every figure, exact
decimals. It leaves out corporate actions, new ISINs, transfers, what a half-empty
snapshot makes doubtful, all causes but the first, the evidence, the order, and the
zeros of a side that is absent.
"""

from __future__ import annotations

from typing import Final

LEFT_OUT: Final = "plain causes; no splits, links, transfers, doubts, parts or evidence"

_SIDE: Final = """
    select account_id, instrument_id, symbol, snapshot_at, settled_quantity,
        t1_quantity, pledged_quantity, used_quantity, position_quantity,
        (owned_quantity + coalesce(position_quantity, 0))::decimal(18, 4)
            owned_quantity,
        coalesce(last_price, close_price) price,
        case when last_price is not null then 'ltp'
            when close_price is not null then 'close' end price_basis,
        close_price, average_price, haircut,
        (case when owned_quantity + coalesce(position_quantity, 0) = 0 then 0
            when position_quantity > 0 then null
            else (owned_quantity + coalesce(position_quantity, 0))::decimal(18, 4)
                * average_price end)::decimal(38, 8) cost_value
    from {table}
"""
_BOTH: Final = (
    "settled_quantity",
    "t1_quantity",
    "pledged_quantity",
    "used_quantity",
    "position_quantity",
    "owned_quantity",
    "price",
    "price_basis",
    "close_price",
    "average_price",
    "cost_value",
    "haircut",
    "snapshot_at",
)
_CHANGES: Final = """
    with b as ({before}), a as ({after}),
    j as (
        select account_id, instrument_id, b.account_id is not null was,
            coalesce(a.symbol, b.symbol) symbol,
            b.symbol symbol_before, {both},
            case when b.account_id is null then 0 else b.owned_quantity end q0,
            case when a.account_id is null then 0 else a.owned_quantity end q1
        from b full outer join a using (account_id, instrument_id)
    ),
    k as (
        select *, q1 - q0 traded, q0 <> 0 and q1 <> 0 held_both,
            (cost_value_after - cost_value_before)::double paid,
            (q0 + q1)::double * 0.005 slack,
            abs((average_price_after - average_price_before)::double) > 0.01 averaged,
            case when q1 <> q0 then (cost_value_after - cost_value_before)::double
                / (q1 - q0)::double end implied,
            least(price_before, price_after)::double low,
            greatest(price_before, price_after)::double high
        from j
    ),
    t as (
        select *,
            case when (q0 is null) <> (q1 is null) then 'unexplained'
                when held_both and traded::double * paid < 0 and abs(paid) > slack
                    then 'unexplained'
                when held_both and traded <> 0 and averaged and abs(paid) <= slack
                    then 'unexplained'
                when q0 = 0 and q1 <> 0 then 'opened'
                when q0 <> 0 and q1 = 0 then 'closed'
                when traded > 0 then 'bought'
                when traded < 0 then 'sold'
                when pledged_quantity_after > pledged_quantity_before then 'pledged'
                when pledged_quantity_after < pledged_quantity_before then 'unpledged'
                when t1_quantity_before > t1_quantity_after then 'settled'
                when averaged and held_both then 'average_restated'
                when symbol <> symbol_before then 'symbol_rename'
                when haircut_after <> haircut_before then 'haircut_changed'
                when price_after is distinct from price_before
                    or close_price_after is distinct from close_price_before
                    then 'price_only'
                else 'unchanged' end cause,
            case when implied is null or low is null then 0.8
                when implied between 0.8 * low and 1.25 * high then 0.95
                else 0.6 end priced
        from k
    )
    select account_id, instrument_id,
        case when was then instrument_id end instrument_id_before,
        symbol, symbol_before, cause,
        case cause when 'unexplained' then 0.5 when 'opened' then 0.95
            when 'closed' then 0.95 when 'bought' then priced
            when 'sold' then
                case when averaged then least(priced, 0.8) else 0.95 end
            when 'pledged' then 0.98 when 'unpledged' then 0.98
            when 'settled' then 0.97 when 'average_restated' then 0.9
            when 'symbol_rename' then 0.98
            when 'price_only' then case when price_before::double
                / price_after::double not between 0.72 and 1.4 then 0.5 else 1 end
            else 1 end::double confidence,
        {names}, q0 adjusted_quantity, traded::decimal(18, 4) traded_quantity,
        0::decimal(18, 4) transferred_quantity,
        case when q1 is not null and price_after is not null
            and average_price_after is not null then true end pnl_reliable
    from t
"""


def bare(first: str, last: str) -> str:
    """Write the join alone: both sides of a few columns, no word on what they mean."""
    columns = "account_id, instrument_id, owned_quantity, settled_quantity, t1_quantity"
    columns += ", pledged_quantity, average_price, close_price, haircut"
    return (
        f"select * from (select {columns} from {first}) a full outer join"
        f" (select {columns} from {last}) b using (account_id, instrument_id)"
    )


def causes(first: str, last: str) -> str:
    """Write the join with the causes that one line tells."""
    names = [f"{column}_{end}" for column in _BOTH for end in ("before", "after")]
    return _CHANGES.format(
        before=_SIDE.format(table=first),
        after=_SIDE.format(table=last),
        both=", ".join(
            f"{side}.{column} {column}_{end}"
            for column in _BOTH
            for side, end in (("b", "before"), ("a", "after"))
        ),
        names=", ".join(names),
    )
