"""The steps behind `stress`: resolve shocks to instruments, then add effects up."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.risk._collateral import COLLATERAL, Cash, cash_by_account, unique_rows
from holdings_kit.risk._margin import margin
from holdings_kit.schema import RATE, VALUE, conform

if TYPE_CHECKING:
    from holdings_kit.risk._margin_rules import Practice, Rules

__all__ = [
    "STEP",
    "beside",
    "book_effects",
    "collateral_after",
    "collateral_effects",
    "margin_effects",
    "position_effects",
    "resolve",
]

STEP: Final = ["scenario", "step"]
_ONE: Final = pl.lit(Decimal(1)).cast(VALUE)


def position_effects(positions: pl.DataFrame, moved: pl.DataFrame) -> pl.DataFrame:
    """Value and P&L before and after, a row per step and position."""
    symbol = "symbol" if "symbol" in positions.columns else pl.lit(None).alias("symbol")
    rows = positions.select(
        "instrument_id",
        symbol,
        pl.col("market_value").cast(VALUE).alias("market_value_before"),
        pl.col("unrealized_pnl").cast(VALUE).alias("unrealized_pnl_before"),
    ).join(moved, on="instrument_id", maintain_order="right_left", nulls_equal=True)
    change = pl.col("price_shock").cast(VALUE)
    before = pl.col("market_value_before")
    effect = (before * change).cast(VALUE)
    return rows.with_columns(
        (before + effect).cast(VALUE).alias("market_value_after"),
        effect.alias("value_effect"),
        (pl.col("unrealized_pnl_before") + effect)
        .cast(VALUE)
        .alias("unrealized_pnl_after"),
    ).select(
        *STEP,
        "instrument_id",
        "symbol",
        pl.col("price_shock").cast(pl.Float64()),
        "market_value_before",
        "market_value_after",
        "value_effect",
        "unrealized_pnl_before",
        "unrealized_pnl_after",
    )


def resolve(
    positions: pl.DataFrame, shocks: pl.DataFrame, collateral: pl.DataFrame | None
) -> pl.DataFrame:
    """Resolve SHOCKS to one row per step and instrument; the narrowest scope wins."""
    for column in ("instrument_id", "asset_class", "market_value", "unrealized_pnl"):
        if column not in positions.columns:
            raise FrameError("positions", column, "missing")
    book = positions.group_by("instrument_id", maintain_order=True).agg(
        pl.col("asset_class").drop_nulls().first()
    )
    if collateral is not None:
        more = collateral.select("instrument_id").unique(maintain_order=True)
        more = more.join(book, on="instrument_id", how="anti", nulls_equal=True)
        none = pl.lit(None, pl.String()).alias("asset_class")
        book = pl.concat([book, more.with_columns(none)])
    named = shocks.filter(pl.col("scope") == "instrument_id")["key"]
    lost = named.filter(~named.is_in(book["instrument_id"].implode()))
    if len(lost):
        raise ConfigError(
            f"shock for {lost[0]!r}: no such instrument in the book; "
            "asset classes are equity, etf, mutual_fund, bond; 'all' is everything"
        )
    steps = shocks.select(STEP).unique(maintain_order=True)
    rows = steps.join(book, how="cross")
    figures = ["price_shock", "haircut_add", "haircut_floor"]
    for scope, key in (
        ("instrument_id", "instrument_id"),
        ("asset_class", "asset_class"),
        ("all", None),
    ):
        named_key = ["key"] if key else []
        part = shocks.filter(pl.col("scope") == scope).select(
            *STEP,
            *named_key,
            *(pl.col(figure).alias(f"{figure}_{scope}") for figure in figures),
            pl.lit(value=True).alias(f"hit_{scope}"),
        )
        rows = rows.join(
            part,
            left_on=[*STEP, *([key] if key else [])],
            right_on=[*STEP, *named_key],
            how="left",
            maintain_order="left",
        )
    narrow = [
        pl.when(pl.col("hit_instrument_id"))
        .then(f"{f}_instrument_id")
        .when(pl.col("hit_asset_class"))
        .then(f"{f}_asset_class")
        .otherwise(f"{f}_all")
        .fill_null(0.0)
        .round(6)
        .cast(RATE)
        .alias(f)
        for f in figures
    ]
    return rows.with_columns(narrow).select(
        *STEP,
        "instrument_id",
        "price_shock",
        pl.col("haircut_add").alias("haircut_after_add"),
        "haircut_floor",
    )


def book_effects(rows: pl.DataFrame) -> pl.DataFrame:
    """Add positions up per step: values of the priced ones, P&L of the costed ones."""
    value, pnl = pl.col("market_value_before"), pl.col("unrealized_pnl_before")
    return rows.group_by(STEP, maintain_order=True).agg(
        *(
            pl.when(column.count() > 0).then(pl.col(name).sum()).alias(name)
            for column, names in (
                (value, ("market_value_before", "market_value_after", "value_effect")),
                (pnl, ("unrealized_pnl_before", "unrealized_pnl_after")),
            )
            for name in names
        ),
        value.null_count().cast(pl.Int64()).alias("unpriced_count"),
    )


def collateral_after(collateral: pl.DataFrame, moved: pl.DataFrame) -> pl.DataFrame:
    """COLLATERAL per step; `_before` keeps the value before."""
    rows = conform(collateral, COLLATERAL, name="collateral").join(
        moved, on="instrument_id", maintain_order="right_left", nulls_equal=True
    )
    raised = pl.max_horizontal(
        pl.col("haircut") + pl.col("haircut_after_add"), "haircut_floor"
    )
    haircut = pl.when(pl.col("haircut").is_not_null()).then(
        raised.clip(Decimal(0), Decimal(1)).cast(RATE)
    )
    wide = pl.Decimal(38, 12)
    price = pl.col("price").cast(wide) * (_ONE + pl.col("price_shock"))
    after = price * (pl.lit(Decimal(1)).cast(RATE) - haircut)
    value = pl.col("collateral_value")
    nil = (pl.col("collateral_quantity") == 0) | ~pl.col("eligible").fill_null(
        value=True
    )
    return rows.with_columns(
        value.alias("_before"),
        pl.when(nil)
        .then(value)
        .when(value.is_not_null())
        .then((after * pl.col("collateral_quantity")).cast(VALUE))
        .alias("collateral_value"),
    )


def collateral_effects(rows: pl.DataFrame) -> pl.DataFrame:
    """Add collateral up per step, before and after, over what is known."""
    before, after = pl.col("_before"), pl.col("collateral_value")
    known = before.count() > 0
    sums = rows.group_by(STEP, maintain_order=True).agg(
        pl.when(known).then(before.sum()).alias("collateral_value_before"),
        pl.when(known).then(after.sum()).alias("collateral_value_after"),
        before.null_count().cast(pl.Int64()).alias("unknown_collateral_count"),
    )
    effect = pl.col("collateral_value_after") - pl.col("collateral_value_before")
    return sums.with_columns(effect.alias("collateral_effect"))


def margin_effects(
    rows: pl.DataFrame,
    *,
    cash: Cash,
    need: Decimal | float | pl.DataFrame | None,
    rules: Rules | Practice | None,
) -> pl.DataFrame:
    """Usable margin and headroom per step, before and after, over the accounts."""
    table = cash_by_account(cash, rows.lazy()).collect()
    needs = _needs(need, rows)
    sides = [
        _usable(
            rows.with_columns(pl.col(column).alias("collateral_value")), table, rules
        )
        .join(needs, on="account_id", how="left", nulls_equal=True)
        .with_columns(
            (pl.col("usable_value") - pl.col("need_value")).alias("headroom_value")
        )
        .with_columns(
            pl.max_horizontal(
                -pl.col("headroom_value"), pl.lit(Decimal(0)).cast(VALUE)
            ).alias("shortfall_value")
        )
        .group_by(STEP, maintain_order=True)
        .agg(
            pl.when(pl.col(name).null_count() == 0)
            .then(pl.col(name).sum())
            .alias(f"{name}_{side}")
            for name in ("usable_value", "headroom_value", "shortfall_value")
        )
        for side, column in (("before", "_before"), ("after", "collateral_value"))
    ]
    return beside(*sides)


def _usable(
    rows: pl.DataFrame, cash: pl.DataFrame, rules: Rules | Practice | None
) -> pl.DataFrame:
    """Usable margin per step and account: each pair is an account of its own."""
    steps = rows.select(STEP).unique(maintain_order=True).with_row_index("_step")
    mark = pl.format("{} {}", "_step", pl.col("account_id").fill_null("")).alias(
        "_account"
    )
    marked = rows.join(steps, on=STEP, maintain_order="left").with_columns(mark)
    each = steps.join(cash, how="cross").with_columns(mark)
    accounts = marked.select(*STEP, "account_id", "_account").unique(
        maintain_order=True
    )
    found = margin(
        marked.with_columns(pl.col("_account").alias("account_id")).select(
            COLLATERAL.names()
        ),
        cash=each.select(pl.col("_account").alias("account_id"), "cash_value"),
        rules=rules,
    )
    return accounts.join(
        found.select(pl.col("account_id").alias("_account"), "usable_value"),
        on="_account",
        maintain_order="left",
    )


def _needs(
    need: Decimal | float | pl.DataFrame | None, rows: pl.DataFrame
) -> pl.DataFrame:
    accounts = rows.select(pl.col("account_id").unique())
    if isinstance(need, pl.DataFrame):
        for column in ("account_id", "need_value"):
            if column not in need.columns:
                raise FrameError("need", column, "missing")
        table = need.select("account_id", pl.col("need_value").cast(VALUE))
        return unique_rows(table, ["account_id"], name="need")
    if need is not None and accounts.height > 1:
        raise ConfigError(
            f"need is one sum but the book has {accounts.height} accounts; "
            "pass a frame (account_id, need_value)"
        )
    amount = None if need is None else Decimal(str(need))
    return accounts.with_columns(pl.lit(amount, VALUE).alias("need_value"))


def beside(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """Join two frames of one row per step."""
    return left.join(right, on=STEP, how="left", maintain_order="left")
