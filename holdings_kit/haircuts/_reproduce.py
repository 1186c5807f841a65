"""Do we get the exchange's margin out of public closes? Per security, and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

from holdings_kit.errors import ConfigError, readable
from holdings_kit.haircuts._audit import SETTLED, find_serious
from holdings_kit.haircuts._frames import (
    PRICES,
    AnyFrame,
    Closes,
    last_margins,
    read_closes,
    take_closes,
)
from holdings_kit.haircuts._rules import (
    ELM_ETF,
    ELM_SHARE,
    FirstReturns,
    Groups,
    RuleMargin,
    apply_rule_2020,
    groups_of_margins,
)
from holdings_kit.haircuts._volatility import convert_move
from holdings_kit.market import adjust
from holdings_kit.schema import ACTIONS, MONEY, as_frame, conform, require_columns

if TYPE_CHECKING:
    from holdings_kit.haircuts._volatility import Seed

REPRODUCED: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "symbol": pl.String(),
        "date": pl.Date(),  # of the margin
        "group": pl.String(),
        "closes_count": pl.Int64(),  # up to the margin
        "security_var": pl.Float64(),  # ours, before floors
        "exchange_security_var": pl.Float64(),  # null where it computes none
        "haircut": pl.Float64(),  # ours: VaR margin and extreme loss margin
        "exchange_haircut": pl.Float64(),  # its total, surveillance included
        "difference": pl.Float64(),  # ours − the exchange's
        "within": pl.Boolean(),  # the difference is inside the tolerance
        "reason": pl.String(),  # the likely reason of a difference beyond it
    }
)
SUMMARY: Final = pl.Schema(
    {
        "group": pl.String(),  # and `all`
        "securities_count": pl.Int64(),
        "compared_count": pl.Int64(),
        "mean_difference": pl.Float64(),
        "mean_absolute_difference": pl.Float64(),
        "within_share": pl.Float64(),  # of those compared
    }
)
BEGIN_OF_DAY: Final = 1
NEVER: Final = 10  # days without a close before a margin


@readable
class Reproduction(NamedTuple):
    """The answer of `reproduce`.

    Attributes
    ----------
    securities
        One row per security of the margins: ours, the exchange's, the difference and
        its likely reason (`REPRODUCED`), the greatest difference first.
    summary
        One row per group and one for all: how many, the mean difference, its mean
        size, and the share within the tolerance.

    Examples
    --------
    >>> from datetime import date
    >>> prices = pl.DataFrame(
    ...     {
    ...         "instrument_id": ["X"] * 2,
    ...         "close": [100.0, 97.0],
    ...         "date": [date(2026, 1, 1), date(2026, 1, 2)],
    ...     }
    ... )
    >>> row = {"instrument_id": "X", "date": date(2026, 1, 2), "elm": 0.035}
    >>> row |= {"security_var": 0.0130, "var_margin": 0.09, "haircut": 0.125}
    >>> found = reproduce(prices, pl.DataFrame([row]))
    >>> found.summary.select("group", "compared_count", "within_share").rows()
    [('I', 1, 1.0), ('all', 1, 1.0)]
    """

    securities: pl.DataFrame
    summary: pl.DataFrame


def reproduce(
    prices: AnyFrame,
    margins: AnyFrame,
    *,
    actions: AnyFrame | None = None,
    group: Groups | None = None,
    seed: Seed = "zero",
    first_return: FirstReturns = "none",
    tolerance: float = 0.0005,
) -> Reproduction:
    """Compute each security's margin from its closes and set it beside the exchange's.

    The rule is that of `sebi_2020`; of each security the newest margin counts, with
    the closes up to its day (for a begin-of-day file, up to the day before).

    Parameters
    ----------
    prices
        `PRICES`, the whole history, not adjusted if `actions` are given.
    margins
        The exchange's `MARGINS`.
    actions
        `ACTIONS`, adjusted for as `holdings_kit.adjust` does: the history of a renamed
        or re-ISINed security is joined to that of its new identity.
    group
        See `sebi_2020`; ``None`` reads the groups off the margins.
    seed, first_return
        See `sebi_2020`.
    tolerance
        Largest difference that counts as the same, a fraction: 0.0005 is 0.05 points.

    Returns
    -------
    Reproduction
        `securities` and `summary`. Reasons, the first that fits: no prices, no group
        (a bond, or trade for trade), surveillance (an adhoc margin tops the total up),
        an unadjusted action, another group, the first day counted from the open,
        prices that end early, a gap, a short history (new, or renamed), a large move.

    Raises
    ------
    ConfigError
        `tolerance` is negative.
    FrameError
        A frame is not of its shape, or an action has no readable ratio.

    Examples
    --------
    >>> from datetime import date
    >>> prices = pl.DataFrame(
    ...     {
    ...         "instrument_id": ["X"] * 2,
    ...         "close": [100.0, 20.0],
    ...         "date": [date(2026, 1, 1), date(2026, 1, 2)],
    ...     }
    ... )
    >>> row = {"instrument_id": "X", "date": date(2026, 1, 2), "elm": 0.035}
    >>> row |= {"security_var": 0.0130, "var_margin": 0.09, "haircut": 0.125}
    >>> margins = pl.DataFrame([row])
    >>> reproduce(prices, margins).securities["reason"].item()
    'unadjusted action on 2026-01-02'
    >>> split = {"instrument_id": "X", "ex_date": date(2026, 1, 2), "kind": "split"}
    >>> actions = pl.DataFrame([split | {"ratio": "5", "new_instrument_id": None}])
    >>> reproduce(prices, margins, actions=actions).securities["difference"].item()
    0.0
    """
    if not tolerance >= 0:
        raise ConfigError(f"tolerance {tolerance}: must not be negative")
    table = _take_newest_margins(last_margins(margins, "haircut"))
    closes = read_closes(prices if actions is None else _adjust(prices, actions))
    groups = groups_of_margins(table) if group is None else group
    rule = apply_rule_2020(closes, groups, "exp_short", seed, first_return)
    ours = _take_last_rows(closes, rule, table)
    if closes.open is not None and first_return == "none":
        other = apply_rule_2020(closes, groups, "exp_short", seed, "open")
        with_open = _take_last_rows(closes, other, table)
        ours = ours.with_columns(with_open["haircut"].alias("from_open"))
    else:
        ours = ours.with_columns(pl.lit(None, pl.Float64()).alias("from_open"))
    rows = ours.join(_find_flags(closes, table), on="instrument_id", how="left")
    rows = _explain_difference(rows, tolerance)
    securities = rows.sort(
        pl.col("difference").abs(),
        "instrument_id",
        descending=[True, False],
        nulls_last=True,
    )
    shown = conform(securities, REPRODUCED, name="reproduced")
    shown = shown.select(REPRODUCED.names())
    return Reproduction(shown, _summarize_securities(shown))


def _take_newest_margins(margins: pl.DataFrame) -> pl.DataFrame:
    """Take the newest margin of each security, with the last close it may use."""
    table = margins.sort("date").unique(
        "instrument_id", keep="last", maintain_order=True
    )
    early = (
        pl.col("file_no") == BEGIN_OF_DAY
        if "file_no" in table.columns
        else pl.lit(value=False)
    )
    number = pl.Float64()
    has_symbol = "symbol" in table.columns
    adhoc = pl.col("adhoc").cast(number) if "adhoc" in table.columns else pl.lit(0.0)
    return table.select(
        "instrument_id",
        "date",
        pl.col("security_var", "var_margin", "elm").cast(number),
        symbol="symbol" if has_symbol else pl.lit(None, pl.String()),
        exchange_haircut=pl.col("haircut").cast(number),
        adhoc=adhoc,
        until=pl.when(early).then(pl.col("date").dt.offset_by("-1d")).otherwise("date"),
    )


def _take_last_rows(
    closes: Closes, rule: RuleMargin, table: pl.DataFrame
) -> pl.DataFrame:
    """One row per margin: our figures at the last close up to it, null without one."""
    elm = np.where(rule.labels == "ETF", ELM_ETF, ELM_SHARE)
    computed = closes.keys.with_columns(
        pl.Series("haircut", np.minimum(rule.var + elm, 1.0), nan_to_null=True),
        pl.Series(
            "security_var",
            convert_move(6.0 * np.nan_to_num(rule.sigma), "exp_short"),
        ),
        pl.Series("group", rule.labels),
        pl.int_range(1, pl.len() + 1).over("instrument_id").alias("closes_count"),
        pl.col("date").alias("last_date"),
        pl.col("date").min().over("instrument_id").alias("first_date"),
    )
    said = pl.when(pl.col("security_var") > 0).then("security_var")
    facts = table.with_columns(exchange_security_var=said).drop("security_var")
    last = (
        computed.join(table.select("instrument_id", "until"), on="instrument_id")
        .filter(pl.col("date") <= pl.col("until"))
        .unique("instrument_id", keep="last", maintain_order=True)
        .drop("date", "until")
    )
    return facts.join(last, on="instrument_id", how="left", maintain_order="left")


def _find_flags(closes: Closes, table: pl.DataFrame) -> pl.DataFrame:
    """Per security, the last date of each kind of finding up to its margin."""
    found = (
        find_serious(closes)
        .join(table.select("instrument_id", "until"), on="instrument_id")
        .filter(pl.col("date") <= pl.col("until"))
    )
    kinds = {"action": "unadjusted action", "gap": "gap", "move": "large move"}
    return found.group_by("instrument_id").agg(
        pl.col("date").filter(pl.col("kind") == kind).max().alias(f"{name}_date")
        for name, kind in kinds.items()
    )


def _explain_difference(rows: pl.DataFrame, tolerance: float) -> pl.DataFrame:
    """Add the difference, whether it is small, and the likely reason if it is not."""
    difference = (pl.col("haircut") - pl.col("exchange_haircut")).round(9)
    same = difference.abs() <= tolerance
    without = pl.col("exchange_haircut") - pl.col("adhoc")
    security = (pl.col("security_var") - pl.col("exchange_security_var")).abs()
    apart = (pl.col("until") - pl.col("last_date")).dt.total_days()
    points = (pl.col("adhoc") * 100).round(2)
    topped = pl.format("surveillance: {} points on top", points)
    named = pl.col("group").fill_null("") != ""
    reason = (
        pl.when(pl.col("closes_count").is_null())
        .then(pl.lit("no prices of this instrument up to the margin"))
        .when(~named)
        .then(pl.lit("no group: not margined by this rule"))
        .when(pl.col("haircut").is_null())
        .then(pl.lit("group I or II: not known below 21.5 %"))
        .when(same)
        .then(pl.lit(None, pl.String()))
        .when(pl.col("adhoc") > 0)
        .then(
            pl.when((pl.col("haircut") - without).abs() <= tolerance)
            .then(topped)
            .otherwise(topped + pl.lit(", and more"))
        )
        .when(pl.col("action_date").is_not_null())
        .then(pl.format("unadjusted action on {}", "action_date"))
        .when(security <= tolerance)
        .then(pl.lit("other group: the volatility is the same, the floor is not"))
        .when((pl.col("from_open") - pl.col("exchange_haircut")).abs() <= tolerance)
        .then(pl.lit("the first day counts from the open"))
        .when(apart > NEVER)
        .then(pl.format("prices end on {}", "last_date"))
        .when(pl.col("closes_count") < SETTLED)
        .then(pl.format("short history: from {}, new or renamed", "first_date"))
        .when(pl.col("gap_date").is_not_null())
        .then(pl.format("gap before {}", "gap_date"))
        .when(pl.col("move_date").is_not_null())
        .then(
            pl.format("large move on {}: rights or demerger adjusted for?", "move_date")
        )
        .when(difference < 0)
        .then(pl.lit("ours is lower: a move that is not in these closes?"))
        .otherwise(pl.lit("ours is higher: a special dividend or rights adjusted for?"))
    )
    return rows.with_columns(
        difference.alias("difference"),
        same.alias("within"),
        reason.alias("reason"),
        pl.when(named).then("group").alias("group"),
    )


def _summarize_securities(securities: pl.DataFrame) -> pl.DataFrame:
    known = pl.col("difference").is_not_null()
    columns = [
        pl.len().cast(pl.Int64()).alias("securities_count"),
        known.sum().cast(pl.Int64()).alias("compared_count"),
        pl.col("difference").mean().alias("mean_difference"),
        pl.col("difference").abs().mean().alias("mean_absolute_difference"),
        pl.col("within").mean().alias("within_share"),
    ]
    each = securities.group_by("group").agg(columns).sort("group", nulls_last=True)
    whole = securities.select(pl.lit("all").alias("group"), *columns)
    return conform(pl.concat([each, whole]), SUMMARY, name="summary")


def _adjust(prices: AnyFrame, actions: AnyFrame) -> pl.DataFrame:
    """Adjust prices of any origin, and take the adjusted closes that are not rounded.

    `adjust` reads the house's own columns, in its types; what the actions lack is null.
    """
    table = as_frame(actions, ACTIONS, name="actions").lazy().collect()
    reason = f"missing; actions has {table.columns}"
    needed = ("instrument_id", "ex_date", "kind")
    require_columns(table.columns, needed, name="actions", reason=reason)
    table = table.with_columns(
        pl.lit(None, dtype).alias(column)
        for column, dtype in ACTIONS.items()
        if column not in table.columns or table.schema[column] == pl.Null()
    )
    closes = take_closes(prices)
    names = {name: f"{name}_price" for name in ("close", "open", "previous_close")}
    rows = as_frame(prices, PRICES, name="prices").lazy().collect()
    rows = closes.select(
        "instrument_id",
        "date",
        *(
            pl.col(name).cast(pl.String()).cast(MONEY).alias(ours)
            for name, ours in names.items()
            if name in closes.columns
        ),
    ).with_columns(
        rows[name] for name in ("symbol", "exchange") if name in rows.columns
    )
    known = rows.drop_nulls(["instrument_id", "date"])
    adjusted = adjust(known, table).drop("close_price")
    return adjusted.drop_nulls("close")
