"""What a market fall does to value, P&L, collateral, usable margin and headroom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.errors import ConfigError
from holdings_kit.risk._scenarios import checked, make_shocks, scenario
from holdings_kit.risk._shock_steps import (
    STEP,
    beside,
    book_effects,
    collateral_after,
    collateral_effects,
    margin_effects,
    position_effects,
    resolve,
)
from holdings_kit.schema import VALUE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from holdings_kit.risk._collateral import Cash
    from holdings_kit.risk._margin_rules import Practice, Rules

__all__ = ["SHOCKED", "grid", "shock", "shock_positions"]

SHOCKED: Final = pl.Schema(
    {
        "scenario": pl.String(),
        "step": pl.String(),
        "market_value_before": VALUE,  # of the positions whose price is known
        "market_value_after": VALUE,
        "value_effect": VALUE,  # after − before
        "unrealized_pnl_before": VALUE,  # of the positions with price and cost
        "unrealized_pnl_after": VALUE,
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
    after). Shocks are rounded to 6 places, so that the effects are exact.

    Examples
    --------
    >>> schema = {"instrument_id": pl.String(), "asset_class": pl.String()}
    >>> schema |= {"market_value": VALUE, "unrealized_pnl": VALUE}
    >>> book = pl.DataFrame([("P", "equity", 100, 10)], schema=schema, orient="row")
    >>> shock(book, -0.2).select("value_effect", "unrealized_pnl_after").row(0)
    (Decimal('-20.00000000'), Decimal('-10.00000000'))
    """
    table = _shocks(shocks, haircut_add)
    moved = resolve(positions, table, collateral)
    out = book_effects(position_effects(positions, moved))
    if collateral is not None:
        rows = collateral_after(collateral, moved)
        out = beside(out, collateral_effects(rows))
        if cash is not None:
            out = beside(out, margin_effects(rows, cash=cash, need=need, rules=rules))
    missing = [
        pl.lit(None, dtype).alias(name)
        for name, dtype in SHOCKED.items()
        if name not in out.columns
    ]
    return out.with_columns(missing).select(SHOCKED.names())


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
    (6, Decimal('-10.00000000'))
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
        pl.lit(None, pl.String()).alias("key"),
        pl.lit(None, pl.Float64()).alias("haircut_floor"),
    )
    out = shock(
        positions, pairs, collateral=collateral, cash=cash, need=need, rules=rules
    )
    return beside(pairs.select(*STEP, "price_shock", "haircut_add"), out).select(
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
    Decimal('50.00000000')
    """
    return position_effects(positions, resolve(positions, _shocks(shocks, None), None))


def _shocks(
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
        return scenario(shocks) if isinstance(shocks, str) else checked(shocks)
    return make_shocks(shocks, haircut_add=haircut_add)
