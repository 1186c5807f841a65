"""What a market fall does to value, P&L, collateral, usable margin and headroom."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from holdings_kit.errors import ConfigError
from holdings_kit.risk._collateral import COLLATERAL, Cash, read_account_sums
from holdings_kit.risk._margin import sum_usable
from holdings_kit.risk._scenarios import SHOCKS, check_shocks, make_shocks, scenario
from holdings_kit.schema import (
    RATE,
    VALUE,
    any_known,
    conform,
    fill_columns,
    require_columns,
    total,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdings_kit.risk._collateral import Cash
    from holdings_kit.risk._margin_rules import Practice, Rules

_EXACT: Final = pl.Decimal(38, 14)  # a value and a fraction of six places: 8 + 6

SHOCKED: Final = pl.Schema(
    {
        "scenario": pl.String(),
        "step": pl.String(),
        "market_value_before": VALUE,  # of the positions whose price is known
        "market_value_after": _EXACT,
        "value_effect": _EXACT,  # after − before
        "unrealized_pnl_before": VALUE,  # of the positions with price and cost
        "unrealized_pnl_after": _EXACT,
        "unpriced_count": pl.Int64(),
        "collateral_value_before": VALUE,  # of the holdings whose collateral is known
        "collateral_value_after": VALUE,
        "collateral_effect": VALUE,
        "unknown_collateral_count": pl.Int64(),
        "usable_value_before": VALUE,
        "usable_value_after": VALUE,
        "headroom_value_before": VALUE,  # usable − need
        "headroom_value_after": VALUE,
        "shortfall_value_after": VALUE,  # Σ of what single accounts lack
    }
)


def shock(
    positions: pl.DataFrame,
    shocks: str | Mapping[str, float] | float | pl.DataFrame,
    *,
    haircut_add: Mapping[str, float] | float | None = None,
    collateral: pl.DataFrame | None = None,
    cash: Cash | None = None,
    need: Decimal | float | pl.DataFrame | None = None,
    rules: Rules | Practice | None = None,
) -> pl.DataFrame:
    """Shock prices and haircuts together, and show every effect in one frame.

    Parameters
    ----------
    positions
        POSITIONS.
    shocks
        The name of a scenario (`scenarios.SCENARIOS`); a fraction for every price; a
        mapping from ``"all"``, an asset class or an instrument id to a fraction; or
        SHOCKS. The narrowest scope wins; what no row names does not move.
    haircut_add
        Added to haircuts, one number or a mapping; not beside a scenario or SHOCKS,
        which say it themselves.
    collateral
        COLLATERAL of the same book (`hk.collateral`), for the effects on collateral.
    cash, rules
        As in `hk.collateral`, for the effect on usable margin. Cash does not move.
    need
        Margin needed, rupees, or a frame ``account_id, need_value``; it does not move.

    Returns
    -------
    SHOCKED
        One row per step of the scenario. Null where the argument behind a figure is
        missing. Unknown prices and collateral stay unknown and are counted. Headroom
        of several accounts is their sum; `shortfall_value_after` does not let one
        account's surplus hide another's lack.

    Raises
    ------
    ConfigError
        An unknown scenario; a key that names nothing in the book; an impossible figure.
    FrameError
        A frame lacks a column.

    Notes
    -----
    Value after = value × (1 + price shock). Haircut after = min(1, max(haircut + add,
    floor)); collateral after = quantity × close × (1 + price shock) × (1 − haircut
    after). Shocks are rounded to 6 places; value effects have 14, so they are exact and
    those of the positions add up to that of the total.

    Examples
    --------
    >>> schema = {"instrument_id": pl.String(), "asset_class": pl.String()}
    >>> schema |= {"market_value": VALUE, "unrealized_pnl": VALUE}
    >>> book = pl.DataFrame([("P", "equity", 100, 10)], schema=schema, orient="row")
    >>> shock(book, -0.2).select("value_effect", "unrealized_pnl_after").row(0)
    (Decimal('-20.00000000000000'), Decimal('-10.00000000000000'))
    """
    table = _read_shocks(shocks, haircut_add)
    book = ReadyBook(positions, collateral, cash=cash, need=need, rules=rules)
    return book.shock(table)[0]


class ReadyBook:
    """A book whose every shock is quick: what no shock changes is worked out once.

    Parameters
    ----------
    positions, collateral, cash, need, rules
        As in `shock`.
    """

    def __init__(
        self,
        positions: pl.DataFrame,
        collateral: pl.DataFrame | None = None,
        *,
        cash: Cash | None = None,
        need: Decimal | float | pl.DataFrame | None = None,
        rules: Rules | Practice | None = None,
    ) -> None:
        self._instruments = _list_instruments(positions, collateral)
        places = self._instruments.select("instrument_id").with_row_index("_place")
        self._values = _with_place(_take_values(positions), places)
        self._collateral = self._funds = None
        if collateral is None:
            return
        rows = conform(collateral, COLLATERAL, name="collateral")
        self._collateral = _with_place(rows, places)
        if cash is not None:
            money = read_account_sums(cash, rows.lazy(), "cash")
            needs = read_account_sums(need, rows.lazy(), "need", of="the book")
            funds = _Funds(money.collect(), needs.collect(), rules)
            # Before any shock the margins are the same in every step.
            still = rows.with_columns(pl.lit("").alias(name) for name in _STEP)
            self._before = _sum_margins(still, funds, "before").drop(_STEP)
            if self._before.height:  # else no account, no margin
                self._funds = funds

    def shock(self, shocks: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Give the effect on the whole (SHOCKED) and on each position.

        Parameters
        ----------
        shocks
            SHOCKS, checked.
        """
        moved = _resolve_shocks(self._instruments, shocks)
        count = self._instruments.height
        effects = _shock_each_position(_repeat_each_step(self._values, moved, count))
        out = _sum_positions(effects)
        if self._collateral is not None:
            rows = _shock_collateral(_repeat_each_step(self._collateral, moved, count))
            out = _join_steps(out, _sum_collateral(rows))
            if self._funds is not None:
                after = _sum_margins(rows, self._funds, "after")
                out = _join_steps(out, after).join(
                    self._before, how="cross", maintain_order="left"
                )
        return fill_columns(out, SHOCKED), effects


def grid(
    positions: pl.DataFrame,
    *,
    price_shocks: Sequence[float],
    haircut_adds: Sequence[float],
    collateral: pl.DataFrame | None = None,
    cash: Cash | None = None,
    need: Decimal | float | pl.DataFrame | None = None,
    rules: Rules | Practice | None = None,
) -> pl.DataFrame:
    """Shock every price by each fall and every haircut by each rise, all pairs.

    Parameters
    ----------
    positions, collateral, cash, need, rules
        As in `shock`.
    price_shocks
        Fractions of the price.
    haircut_adds
        Fractions added to the haircut.

    Returns
    -------
    SHOCKED
        With ``price_shock`` and ``haircut_add`` in front; one row per pair.

    Raises
    ------
    ConfigError
        An impossible figure.

    Examples
    --------
    >>> schema = {"instrument_id": pl.String(), "asset_class": pl.String()}
    >>> schema |= {"market_value": VALUE, "unrealized_pnl": VALUE}
    >>> book = pl.DataFrame([("P", "equity", 100, 10)], schema=schema, orient="row")
    >>> out = grid(book, price_shocks=[-0.1, 0.0], haircut_adds=[0.0, 0.1, 0.2])
    >>> out.height, out["value_effect"][0]
    (6, Decimal('-10.00000000000000'))
    """
    falls = pl.DataFrame({"price_shock": list(price_shocks)}, schema_overrides=_FLOATS)
    rises = pl.DataFrame({"haircut_add": list(haircut_adds)}, schema_overrides=_FLOATS)
    pairs = falls.unique(maintain_order=True).join(
        rises.unique(maintain_order=True), how="cross"
    )
    pairs = pairs.with_columns(
        pl.lit("grid").alias("scenario"),
        pl.int_range(pl.len()).cast(pl.String()).alias("step"),
        pl.lit("all").alias("scope"),
    ).pipe(fill_columns, SHOCKS)
    out = shock(
        positions, pairs, collateral=collateral, cash=cash, need=need, rules=rules
    )
    return _join_steps(pairs.select(*_STEP, "price_shock", "haircut_add"), out).select(
        "price_shock", "haircut_add", *SHOCKED.names()
    )


_FLOATS: Final = {"price_shock": pl.Float64(), "haircut_add": pl.Float64()}


def shock_positions(
    positions: pl.DataFrame, shocks: str | Mapping[str, float] | float | pl.DataFrame
) -> pl.DataFrame:
    """Shock each position: value and P&L before and after, a row per step and position.

    Parameters
    ----------
    positions, shocks
        As in `shock`.

    Returns
    -------
    pl.DataFrame
        ``scenario, step, instrument_id, symbol, price_shock, market_value_before,
        market_value_after, value_effect, unrealized_pnl_before,
        unrealized_pnl_after``; null where the price or the cost is unknown.

    Examples
    --------
    >>> schema = {"instrument_id": pl.String(), "asset_class": pl.String()}
    >>> schema |= {"market_value": VALUE, "unrealized_pnl": VALUE}
    >>> book = pl.DataFrame([("P", "equity", 100, 10)], schema=schema, orient="row")
    >>> shock_positions(book, {"equity": -0.5})["market_value_after"].item()
    Decimal('50.00000000000000')
    """
    return ReadyBook(positions).shock(_read_shocks(shocks, None))[1]


def _read_shocks(
    shocks: str | Mapping[str, float] | float | pl.DataFrame,
    haircut_add: Mapping[str, float] | float | None,
) -> pl.DataFrame:
    """Read the `shocks` argument as SHOCKS."""
    if isinstance(shocks, str | pl.DataFrame):
        if haircut_add is not None:
            raise ConfigError(
                "haircut_add: a scenario and SHOCKS say it themselves; "
                "change their haircut_add column"
            )
        return scenario(shocks) if isinstance(shocks, str) else check_shocks(shocks)
    return make_shocks(shocks, haircut_add=haircut_add)


_STEP: Final = ["scenario", "step"]
_FIGURES: Final = ("price_shock", "haircut_add", "haircut_floor")
_ONE: Final = pl.lit(1, VALUE)


def _take_values(positions: pl.DataFrame) -> pl.DataFrame:
    """Value and P&L of each position as they are."""
    symbol = "symbol" if "symbol" in positions.columns else pl.lit(None).alias("symbol")
    return positions.select(
        "instrument_id",
        symbol,
        pl.col("market_value").cast(VALUE).alias("market_value_before"),
        pl.col("unrealized_pnl").cast(VALUE).alias("unrealized_pnl_before"),
    )


def _with_place(rows: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """Say which instrument of the book each row is of."""
    return rows.join(
        places, on="instrument_id", how="left", nulls_equal=True, maintain_order="left"
    )


def _repeat_each_step(
    rows: pl.DataFrame, moved: pl.DataFrame, count: int
) -> pl.DataFrame:
    """Give the rows once a step, each with the figures of its instrument.

    `moved` has one row per step and instrument, so many of them a step.
    """
    if moved.is_empty():  # no step, or no instrument
        rows = rows.clear()
    steps = max(1, moved.height // max(1, count))
    place = pl.concat(rows["_place"] + count * step for step in range(steps))
    figures = moved.select(pl.exclude("instrument_id").gather(place))
    again = rows if steps == 1 else pl.concat([rows] * steps)
    return pl.concat([again.drop("_place"), figures], how="horizontal")


def _shock_each_position(rows: pl.DataFrame) -> pl.DataFrame:
    """Value and P&L before and after, a row per step and position."""
    before, pnl = pl.col("market_value_before"), pl.col("unrealized_pnl_before")
    effect = before.cast(_EXACT) * pl.col("price_shock").cast(_EXACT)
    return rows.with_columns(
        (before.cast(_EXACT) + effect).alias("market_value_after"),
        effect.alias("value_effect"),
        (pnl.cast(_EXACT) + effect).alias("unrealized_pnl_after"),
    ).select(
        *_STEP,
        "instrument_id",
        "symbol",
        pl.col("price_shock").cast(pl.Float64()),
        "market_value_before",
        "market_value_after",
        "value_effect",
        "unrealized_pnl_before",
        "unrealized_pnl_after",
    )


def _resolve_shocks(book: pl.DataFrame, shocks: pl.DataFrame) -> pl.DataFrame:
    """Resolve SHOCKS to one row per step and instrument; the narrowest scope wins."""
    named = shocks.filter(pl.col("scope") == "instrument_id")["key"]
    unknown = named.filter(~named.is_in(book["instrument_id"].implode()))
    if len(unknown):
        raise ConfigError(
            f"shock for {unknown[0]!r}: no such instrument in the book; "
            "asset classes are equity, etf, mutual_fund, bond; 'all' is everything"
        )
    rows = shocks.select(_STEP).unique(maintain_order=True).join(book, how="cross")
    scopes = [
        scope
        for scope in ("all", "asset_class", "instrument_id")
        if (shocks["scope"] == scope).any()
    ]
    for scope in scopes:
        keyed = scope != "all"
        part = shocks.filter(pl.col("scope") == scope).select(
            *_STEP,
            *(["key"] if keyed else []),
            *(pl.col(figure).alias(f"{figure}_{scope}") for figure in _FIGURES),
            pl.lit(value=True).alias(f"hit_{scope}"),
        )
        rows = rows.join(
            part,
            left_on=[*_STEP, *([scope] if keyed else [])],
            right_on=[*_STEP, *(["key"] if keyed else [])],
            how="left",
            maintain_order="left",
        )
    return rows.select(
        *_STEP,
        "instrument_id",
        _take_narrowest("price_shock", scopes),
        _take_narrowest("haircut_add", scopes).alias("haircut_after_add"),
        _take_narrowest("haircut_floor", scopes),
    )


def _list_instruments(
    positions: pl.DataFrame, collateral: pl.DataFrame | None
) -> pl.DataFrame:
    """List the book's instruments with their asset class, unknown in collateral."""
    needed = ("instrument_id", "asset_class", "market_value", "unrealized_pnl")
    require_columns(positions.columns, needed, name="positions")
    book = positions.group_by("instrument_id", maintain_order=True).agg(
        pl.col("asset_class").drop_nulls().first()
    )
    if collateral is None:
        return book
    more = collateral.select("instrument_id").unique(maintain_order=True)
    more = more.join(book, on="instrument_id", how="anti", nulls_equal=True)
    return pl.concat(
        [book, more.with_columns(pl.lit(None, pl.String()).alias("asset_class"))]
    )


def _take_narrowest(figure: str, scopes: Sequence[str]) -> pl.Expr:
    """Take a figure from the narrowest, and last, scope that names it, else 0."""
    taken = pl.lit(0.0)
    for scope in scopes:
        hit = pl.col(f"hit_{scope}")
        taken = pl.when(hit).then(f"{figure}_{scope}").otherwise(taken)
    return taken.fill_null(0.0).round(6).cast(RATE).alias(figure)


def _sum_positions(rows: pl.DataFrame) -> pl.DataFrame:
    """Add positions up per step: values of the priced ones, P&L of the costed ones."""
    names = ("market_value_before", "market_value_after", "value_effect")
    names += ("unrealized_pnl_before", "unrealized_pnl_after")
    unpriced = pl.col("market_value_before").null_count().cast(pl.Int64())
    return rows.group_by(_STEP, maintain_order=True).agg(
        *(any_known(name) for name in names), unpriced.alias("unpriced_count")
    )


def _shock_collateral(rows: pl.DataFrame) -> pl.DataFrame:
    """COLLATERAL per step; `_before` keeps the value before."""
    raised = pl.max_horizontal(
        pl.col("haircut") + pl.col("haircut_after_add"), "haircut_floor"
    )
    haircut = pl.when(pl.col("haircut").is_not_null()).then(
        raised.clip(Decimal(0), Decimal(1)).cast(RATE)
    )
    wide = pl.Decimal(38, 16)  # price × shock × haircut: 4 + 6 + 6 places
    price = pl.col("price").cast(wide) * (_ONE + pl.col("price_shock"))
    after = price * (pl.lit(1, RATE) - haircut).cast(wide)
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


def _sum_collateral(rows: pl.DataFrame) -> pl.DataFrame:
    """Add collateral up per step, before and after, over what is known."""
    unknown = pl.col("_before").null_count().cast(pl.Int64())
    sums = rows.group_by(_STEP, maintain_order=True).agg(
        any_known("_before").alias("collateral_value_before"),
        any_known("collateral_value").alias("collateral_value_after"),
        unknown.alias("unknown_collateral_count"),
    )
    effect = pl.col("collateral_value_after") - pl.col("collateral_value_before")
    return sums.with_columns(effect.alias("collateral_effect"))


class _Funds(NamedTuple):
    """Cash and need of each account, and the rules of usable margin."""

    cash: pl.DataFrame
    needs: pl.DataFrame
    rules: Rules | Practice | None


def _sum_margins(rows: pl.DataFrame, funds: _Funds, side: str) -> pl.DataFrame:
    """Usable margin and headroom per step over the accounts, named after the side."""
    return (
        _sum_usable(rows, funds.cash, funds.rules)
        .join(funds.needs, on="account_id", how="left", nulls_equal=True)
        .with_columns(
            (pl.col("usable_value") - pl.col("need_value")).alias("headroom_value")
        )
        .with_columns(
            pl.max_horizontal(-pl.col("headroom_value"), pl.lit(0, VALUE)).alias(
                "shortfall_value"
            )
        )
        .group_by(_STEP, maintain_order=True)
        .agg(
            total(name).alias(f"{name}_{side}")
            for name in ("usable_value", "headroom_value", "shortfall_value")
        )
    )


def _sum_usable(
    rows: pl.DataFrame, cash: pl.DataFrame, rules: Rules | Practice | None
) -> pl.DataFrame:
    """Usable margin per step and account: each pair is an account of its own."""
    steps = rows.select(_STEP).unique(maintain_order=True).with_row_index("_step")
    accounts = rows.select(*_STEP, "account_id").unique(maintain_order=True)
    if steps.height <= 1:
        return accounts.join(
            sum_usable(rows, cash, rules),
            on="account_id",
            nulls_equal=True,
            maintain_order="left",
        )
    mark = pl.format("{} {}", "_step", pl.col("account_id").fill_null("")).alias(
        "_account"
    )
    marked = rows.join(steps, on=_STEP, maintain_order="left").with_columns(mark)
    each = steps.join(cash, how="cross").with_columns(mark)
    accounts = marked.select(*_STEP, "account_id", "_account").unique(
        maintain_order=True
    )
    found = sum_usable(
        marked.with_columns(pl.col("_account").alias("account_id")),
        each.select(pl.col("_account").alias("account_id"), "cash_value"),
        rules,
    )
    return accounts.join(
        found.rename({"account_id": "_account"}),
        on="_account",
        maintain_order="left",
    )


def _join_steps(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """Join two frames of one row per step."""
    return left.join(right, on=_STEP, how="left", maintain_order="left")
