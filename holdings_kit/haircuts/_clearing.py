"""The clearing corporation's haircut on collateral, which is not the margin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.haircuts._audit import Declared, read_audited
from holdings_kit.haircuts._frames import HAIRCUTS, AnyFrame, last_margins
from holdings_kit.haircuts._rules import FirstReturns, Groups, apply_rule_2020
from holdings_kit.schema import MARGINS, as_frame, fill_columns, require_columns

if TYPE_CHECKING:
    from holdings_kit.haircuts._volatility import Conversion, Seed

FIXED: Final = {"liquid_etf": 0.05, "sgb": 0.10, "gilt": 0.10}
LEAST: Final = {"nifty50": 0.0, "share": 0.20, "broad_etf": 0.0}
"""Least haircut beside the VaR margin, which has its own floors."""
NOT_LISTED: Final = "not on the list: not eligible"


def clearing_collateral(
    prices: AnyFrame,
    *,
    kinds: str | Mapping[str, str] | pl.DataFrame | pl.LazyFrame,
    group: Groups = "I",
    conversion: Conversion = "exp_short",
    seed: Seed = "zero",
    first_return: FirstReturns = "none",
    name: str | None = None,
    strict: bool = False,
    declared: Declared | None = None,
) -> pl.DataFrame:
    """Haircut of NSE Clearing on securities given as collateral.

    The VaR margin without the extreme loss margin: of members of the Nifty 50 as it
    is, of every other share, and of sector, gold and silver ETFs, at least 20 %; of
    broad-index ETFs at least 6 %. Liquid ETFs have 5 %, sovereign gold bonds and gilt
    ETFs 10 %. What is not on the list is not eligible, a haircut of 1.

    Parameters
    ----------
    prices
        `PRICES`, as for `sebi_2020`; or the exchange's `MARGINS`, whose VaR margin is
        taken then.
    kinds
        The list: ``nifty50``, ``share`` (and sector, gold or silver ETF),
        ``broad_etf``, ``liquid_etf``, ``sgb`` or ``gilt``, for all, per
        `instrument_id`, or as a frame ``instrument_id, kind``.
    group
        Liquidity group of shares, see `sebi_2020`; not used for ``broad_etf``.
    conversion, seed, first_return
        See `sebi_2020`.
    name, strict, declared
        See `ewma`.

    Returns
    -------
    polars.DataFrame
        `HAIRCUTS`, model ``clearing_collateral``. `floor_hit` says that a floor or a
        fixed rate set the haircut.

    Raises
    ------
    ConfigError
        A kind that is not of the list above, or an option out of range.
    FrameError
        A frame is not of its shape.

    Notes
    -----
    Read off the list of 21 Nov 2025: SBIN 9, NTPC 9.09, IDEA 24.00, GOLDBEES 20.

    Examples
    --------
    >>> from datetime import date
    >>> prices = pl.DataFrame(
    ...     {
    ...         "instrument_id": ["SBIN", "GOLDBEES", "OTHER"],
    ...         "close": [980.0, 104.0, 10.0],
    ...         "date": [date(2025, 11, 21)] * 3,
    ...     }
    ... )
    >>> kinds = {"SBIN": "nifty50", "GOLDBEES": "share"}
    >>> found = clearing_collateral(prices, kinds=kinds)
    >>> dict(found.select("instrument_id", "haircut").iter_rows())
    {'GOLDBEES': 0.2, 'OTHER': 1.0, 'SBIN': 0.09}
    """
    prices = as_frame(prices, MARGINS, name="prices")
    if {"var_margin", "elm"} <= set(prices.collect_schema()):
        table = last_margins(prices).select(
            "instrument_id",
            "date",
            pl.col("var_margin").cast(pl.Float64()).alias("var"),
            "floored",
            pl.lit(None, pl.String()).alias("note"),
        )
        kind = _look_up_kind(table["instrument_id"], kinds)
    else:
        closes = read_audited(prices, strict=strict, declared=declared)
        kind = _look_up_kind(closes.keys["instrument_id"], kinds)
        broad = kind.eq("broad_etf").fill_null(value=False).to_numpy()
        rule = apply_rule_2020(
            closes, group, conversion, seed, first_return, etfs=broad
        )
        table = closes.keys.with_columns(
            pl.Series("var", rule.var, nan_to_null=True),
            pl.Series("floored", rule.floor_hit),
            pl.Series("volatility", rule.sigma, nan_to_null=True),
            closes.note,
        )
    return _set_haircut(table.with_columns(kind.alias("kind")), name)


def _set_haircut(table: pl.DataFrame, name: str | None) -> pl.DataFrame:
    kind, var = pl.col("kind"), pl.col("var")
    fixed = kind.replace_strict(FIXED, default=None, return_dtype=pl.Float64())
    least = kind.replace_strict(LEAST, default=None, return_dtype=pl.Float64())
    by_var = pl.when(var.is_not_null()).then(pl.max_horizontal(var, least))
    haircut = pl.when(kind.is_null()).then(1.0).otherwise(pl.coalesce(fixed, by_var))
    hit = fixed.is_not_null() | kind.is_null() | pl.col("floored") | (var <= least)
    model = pl.lit("clearing_collateral")
    notes = pl.concat_str(
        pl.when(kind.is_null()).then(pl.lit(NOT_LISTED)),
        "note",
        separator="; ",
        ignore_nulls=True,
    )
    return table.with_columns(
        haircut.clip(0.0, 1.0).alias("haircut"),
        model.alias("model"),
        (model if name is None else pl.lit(name)).alias("name"),
        pl.when(haircut.is_not_null()).then(hit).alias("floor_hit"),
        pl.when(notes != "").then(notes).alias("note"),
    ).pipe(fill_columns, HAIRCUTS)


def _look_up_kind(
    names: pl.Series, kinds: str | Mapping[str, str] | pl.DataFrame | pl.LazyFrame
) -> pl.Series:
    """Kind of each row; null for what is not on the list."""
    if isinstance(kinds, str):
        found = pl.Series("kind", [kinds], dtype=pl.String()).new_from_index(
            0, names.len()
        )
    else:
        if isinstance(kinds, Mapping):
            table = pl.DataFrame(
                {"instrument_id": list(kinds), "kind": list(kinds.values())},
                schema={"instrument_id": pl.String(), "kind": pl.String()},
            )
        else:
            table = kinds.lazy().collect()
        reason = f"missing; kinds has {table.columns}"
        needed = ("instrument_id", "kind")
        require_columns(table.columns, needed, name="kinds", reason=reason)
        table = table.select("instrument_id", "kind").unique()
        twice = table.filter(table["instrument_id"].is_duplicated())
        if twice.height:
            raise FrameError("kinds", "kind", f"{twice[0, 0]} has two; keep one")
        found = (
            names.to_frame("instrument_id")
            .join(table, on="instrument_id", how="left", maintain_order="left")
            .to_series(1)
        )
    for kind in found.drop_nulls().unique().sort():
        if kind not in FIXED and kind not in LEAST:
            known = ", ".join([*LEAST, *FIXED])
            raise ConfigError(f"kind {kind!r} is not of the list; it has {known}")
    return found
