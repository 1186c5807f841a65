"""Which price values a row of HOLDINGS, and of which trading day that price is."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.market._days import (
    day_of,
    day_of_close,
    day_of_last_price,
    trading_day_number,
)
from holdings_kit.schema import (
    EXCHANGES,
    INSTANT,
    MONEY,
    PRICES,
    VALUE,
    as_frame,
    product,
    take_frame,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdings_kit.schema import FrameLike

BASES: Final = ("ltp", "close", "price")
_PAISE: Final = 100
_SERIES: Final = ("EQ", "BE", "BZ", "SM", "ST")
_READ: Final = pl.Schema(  # of a table that comes from another library or a file
    {
        **{name: PRICES[name] for name in PRICES if name != "source"},
        "price": MONEY,
        "price_at": INSTANT,
    }
)
_HARMLESS: Final = ("dividend", "rename", "isin_change", "buyback")
"""Kinds of action after which a share is still the same share."""


class PriceTable(NamedTuple):
    """Prices brought to one form: `keys` name the instrument, then date and price."""

    keys: tuple[str, ...]
    rows: pl.DataFrame  # the keys, date, price, price_at; one row per key and date


class Pricing(NamedTuple):
    """How rows are to be priced; see `consolidate` for the words."""

    prefer: tuple[str, ...] = BASES
    table: PriceTable | None = None
    on: date | None = None
    max_age: int | None = None
    actions: pl.DataFrame | None = None  # instrument_id, ex_date of what changes a unit


def pricing_of(
    prices: FrameLike | pl.LazyFrame | None,
    *,
    on: date | None = None,
    max_age: int | None = None,
    prefer: Sequence[str] = BASES,
    actions: FrameLike | pl.LazyFrame | None = None,
) -> Pricing:
    """Check the arguments about prices and bring them to one form."""
    if isinstance(prices, (tuple, list)):
        raise ConfigError("prices= is a table of prices; pass the order as prefer=")
    odd = [basis for basis in prefer if basis not in BASES]
    if isinstance(prefer, str) or odd or len(set(prefer)) != len(prefer):
        raise ConfigError(f"prefer={prefer!r}: any of {', '.join(BASES)}, each once")
    if max_age is not None and (isinstance(max_age, bool) or max_age < 0):
        raise ConfigError(f"max_age={max_age!r}: trading days, 0 or more")
    if isinstance(on, datetime):
        raise ConfigError(f"on={on!r}: a date, the trading day in India")
    return Pricing(
        tuple(prefer),
        None if prices is None else price_table(prices),
        on,
        max_age,
        None if actions is None else barriers(actions),
    )


def barriers(actions: FrameLike | pl.LazyFrame) -> pl.DataFrame:
    """List the days that a price of an instrument must not cross."""
    schema = pl.Schema(
        {"instrument_id": pl.String(), "ex_date": pl.Date(), "kind": pl.String()}
    )
    return (
        take_frame(actions, schema, name="actions")
        .filter(~pl.col("kind").is_in(_HARMLESS))
        .select("instrument_id", "ex_date")
        .drop_nulls()
        .unique()
        .sort("ex_date")
        .collect()
    )


# ── the table ───────────────────────────────────────────────────────────────────────


def price_table(prices: FrameLike | pl.LazyFrame) -> PriceTable:
    """Bring a table of prices, dated or not, to instrument keys, date and price.

    Raises
    ------
    FrameError
        It names no instrument or no price, or has two prices of one day.
    """
    if isinstance(prices, PriceTable):
        return prices
    table = as_frame(prices, _READ, name="prices").lazy().collect()
    have = table.schema
    dated = "date" in have
    if "ltp" in have and not have["ltp"].is_integer():
        reason = "quotes by token are in integer paise; or pass last_price in rupees"
        raise FrameError("prices", "ltp", reason)
    order = ("close_price", "last_price") if dated else ("last_price", "close_price")
    price = [pl.col(name).cast(MONEY) for name in (*order, "price") if name in have]
    if "ltp" in have:
        price.append((pl.col("ltp").cast(VALUE) / _PAISE).cast(MONEY))
    names = [name for name in ("instrument_id", "isin") if name in have]
    names = names or [name for name in ("token", "symbol") if name in have][:1]
    if not price or not names:
        reason = (
            "prices need instrument_id, isin or symbol beside close_price or "
            "last_price in rupees, or token beside ltp in integer paise"
        )
        raise FrameError("prices", "close_price" if names else "instrument_id", reason)
    at = (
        pl.col("price_at").cast(INSTANT)
        if "price_at" in have
        else pl.lit(None, INSTANT)
    )
    name = "instrument_id" if names[0] == "isin" else names[0]
    keyed = table.select(
        pl.coalesce(pl.col(names).cast(pl.String())).alias(name),
        *(["exchange"] if "exchange" in have else []),
        date=pl.col("date").cast(pl.Date()) if dated else day_of(at),
        price=pl.coalesce(price),
        price_at=at,
        _place=_rank_listing(have),
    )
    # an exchange's own names are told apart by exchange; an ISIN is one security
    local = name in {"token", "symbol"} and "exchange" in have
    keys = ["exchange", name] if local else [name]
    known = keyed.filter((pl.col("price") > 0) & pl.col(name).is_not_null())
    return PriceTable(tuple(keys), _take_one_price_a_day(known, keys))


def _rank_listing(have: pl.Schema) -> pl.Expr:
    """Rank where a price was made: first exchange in `EXCHANGES`, series EQ first."""
    ranks = [
        pl.col(column).replace_strict(
            {name: number for number, name in enumerate(order)},
            default=len(order),
            return_dtype=pl.Int64(),
        )
        * weight
        for column, order, weight in (
            ("exchange", EXCHANGES, 100),
            ("series", _SERIES, 1),
        )
        if column in have
    ]
    return pl.sum_horizontal(ranks) if ranks else pl.lit(0, pl.Int64())


def _take_one_price_a_day(table: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Take the price of the first listing; refuse two prices of one day and place."""
    on = [*keys, "date"]
    if not table.select(on).is_duplicated().any():
        return table.select(*on, "price", "price_at").sort("date")
    # of one day the latest quote counts, and of one place its latest
    order = pl.col("_place").rank("dense").over(on)
    first = table.filter(order == 1)
    newest = pl.col("price_at").max().over(on)
    first = first.filter(pl.col("price_at").eq_missing(newest))
    torn = (
        first.group_by(on).agg(pl.col("price").n_unique()).filter(pl.col("price") > 1)
    )
    if torn.height:
        row = torn.sort(on).row(0, named=True)
        name = " ".join(str(row[key]) for key in keys)
        day = f" on {row['date']}" if row["date"] else "; keep one, or date them"
        raise FrameError("prices", keys[-1], f"two prices for {name}{day}")
    return first.unique(on).select(*on, "price", "price_at").sort("date")


def _resolve_rows(rows: pl.LazyFrame, table: PriceTable) -> pl.LazyFrame:
    """Give the prices under the `instrument_id` of the holdings they belong to."""
    prices, keys = table.rows.lazy(), list(table.keys)
    if keys == ["instrument_id"]:
        own = rows.select("instrument_id", key="instrument_id").unique()
        isin = rows.select("instrument_id", key="isin").filter(
            pl.col("key") != pl.col("instrument_id")
        )
        both = pl.concat([own, isin.unique()]).drop_nulls()
        found = both.join(prices, left_on="key", right_on="instrument_id")
    else:
        named = rows.select("instrument_id", *keys).unique()
        found = named.join(prices, on=keys)
    return (
        found.group_by("instrument_id", "date")
        .agg(pl.col("price", "price_at").sort_by("price_at", "price").last())
        .sort("date")
    )


# ── pricing rows ────────────────────────────────────────────────────────────────────


def with_price(rows: pl.LazyFrame, pricing: Pricing) -> pl.LazyFrame:
    """Add `price`, its basis, day and instant, `price_note`, and `day_pnl`.

    `price_at` of the payload is replaced by that of the price chosen. What this was
    found with stays beside it, in columns that begin with ``_``: select from them.
    """
    own_day = day_of(pl.col("snapshot_at"))
    dated = rows.with_columns(
        _own_day=own_day,
        _ltp_day=day_of_last_price(),
        _close_day=day_of_close(),
        _day=own_day if pricing.on is None else pl.lit(pricing.on, pl.Date()),
    )
    if pricing.table is None or "price" not in pricing.prefer:
        dated = dated.with_columns(
            _price=pl.lit(None, MONEY),
            _price_day=pl.lit(None, pl.Date()),
            _price_at=pl.lit(None, INSTANT),
        )
        note = pl.lit("no price in the payload")
    else:
        dated = _with_table(dated, pricing.table, pricing)
        note = (
            pl.when("_listed")
            .then(pl.lit("no price in the payload; prices has none in reach"))
            .otherwise(pl.lit("no price in the payload; none in prices"))
        )
    return _choose_price(dated, pricing, note)


def _with_table(
    rows: pl.LazyFrame, table: PriceTable, pricing: Pricing
) -> pl.LazyFrame:
    """Add the newest price of the table that a row may use."""
    found = _resolve_rows(rows, table)
    bounded = _with_bounds(rows, pricing.actions)
    dated = found.filter(pl.col("date").is_not_null()).rename(
        {"price": "_price", "price_at": "_price_at", "date": "_price_day"}
    )
    joined = (
        bounded.sort("_until")
        .join_asof(
            dated.sort("_price_day"),
            left_on="_until",
            right_on="_price_day",
            by="instrument_id",
            strategy="backward",
            check_sortedness=False,
            coalesce=False,
        )
        .join(
            found.select("instrument_id", _listed=pl.lit(value=True)).unique(),
            on="instrument_id",
            how="left",
        )
    )
    reach = (pl.col("_price_day") >= pl.col("_from")).fill_null(value=True)
    none = pl.col("_price_day").is_not_null() & reach
    joined = joined.with_columns(
        pl.when(none).then(name).alias(name)
        for name in ("_price", "_price_at", "_price_day")
    )
    if pricing.on is not None or pricing.max_age is not None:
        return joined  # what is not dated cannot be shown to be in time
    undated = found.filter(pl.col("date").is_null()).select(
        "instrument_id", _undated="price"
    )
    return (
        joined.join(undated, on="instrument_id", how="left")
        .with_columns(_price=pl.coalesce("_price", "_undated"))
        .drop("_undated")
    )


def _with_bounds(rows: pl.LazyFrame, actions: pl.DataFrame | None) -> pl.LazyFrame:
    """Add `_from` and `_until`: the days whose prices are of the row's own units."""
    if actions is None or actions.is_empty():
        return rows.with_columns(_from=pl.lit(None, pl.Date()), _until=pl.col("_day"))
    ex = actions.lazy().with_columns(_ex="ex_date")
    before = ex.rename({"ex_date": "_from"}).drop("_ex")
    after = ex.with_columns(_next="ex_date").select("instrument_id", "_next", "_ex")
    return (
        rows.sort("_own_day")
        .join_asof(
            before,
            left_on="_own_day",
            right_on="_from",
            by="instrument_id",
            coalesce=False,
            check_sortedness=False,
        )
        .join_asof(
            after,
            left_on="_own_day",
            right_on="_next",
            strategy="forward",
            allow_exact_matches=False,
            by="instrument_id",
            coalesce=False,
            check_sortedness=False,
        )
        .with_columns(
            _until=pl.min_horizontal("_day", pl.col("_next").dt.offset_by("-1d"))
        )
        .drop("_next", "_ex")
    )


def _choose_price(rows: pl.LazyFrame, pricing: Pricing, note: pl.Expr) -> pl.LazyFrame:
    candidates = {
        "ltp": ("last_price", "_ltp_day"),
        "close": ("close_price", "_close_day"),
        "price": ("_price", "_price_day"),
    }
    ok = {
        basis: _is_usable(pl.col(column), pl.col(day), pricing, table=basis == "price")
        for basis, (column, day) in candidates.items()
    }
    days = {
        basis: pl.when(ok[basis]).then(candidates[basis][1]) for basis in pricing.prefer
    }
    newest = pl.max_horizontal(*days.values()) if days else pl.lit(None, pl.Date())
    basis = pl.lit(None, pl.String())
    for name in reversed(pricing.prefer):  # the order, on the snapshot's own day
        basis = pl.when(ok[name]).then(pl.lit(name)).otherwise(basis)
    if pricing.on is not None:
        latest = basis
        for name in reversed(pricing.prefer):  # later, the newest
            first = ok[name] & days[name].eq_missing(newest)
            latest = pl.when(first).then(pl.lit(name)).otherwise(latest)
        basis = (
            pl.when(pl.col("_own_day") == pl.col("_day")).then(basis).otherwise(latest)
        )
    rows = rows.with_columns(price_basis=basis)
    chosen = pl.col("price_basis")
    gap = trading_day_number(pl.col("_ltp_day")) - trading_day_number(
        pl.col("_close_day")
    )
    change = (pl.col("last_price") - pl.col("close_price")).cast(MONEY)
    price, price_day = (
        pl.coalesce(
            pl.when(chosen == name).then(pair[place])
            for name, pair in candidates.items()
        )
        for place in (0, 1)
    )
    return rows.with_columns(
        price=price,
        price_date=price_day,
        price_at=pl.when(chosen == "ltp")
        .then(pl.coalesce("price_at", "snapshot_at"))
        .when(chosen == "price")
        .then("_price_at"),
        price_note=pl.when(chosen.is_null()).then(note),
        # both prices of one payload, and of neighbouring trading days
        day_pnl=pl.when((chosen == "ltp") & (gap == 1)).then(
            product("owned_quantity", change)
        ),
    )


def _is_usable(
    price: pl.Expr, day: pl.Expr, pricing: Pricing, *, table: bool
) -> pl.Expr:
    """Tell whether a price is there and not too late or too old for the row's day."""
    usable = price.is_not_null()
    if pricing.on is not None and not table:
        usable &= (day <= pl.col("_day")).fill_null(value=False)
    if pricing.max_age is not None:
        age = trading_day_number(pl.col("_day")) - trading_day_number(day)
        usable &= (age <= pricing.max_age).fill_null(value=False)
    return usable
