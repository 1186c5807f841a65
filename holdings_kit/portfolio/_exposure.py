"""What a portfolio is exposed to: each share once, weights, concentration, funds.

Weights are shares of the known market value. What has no price has no weight; it is
counted beside the figures, never inside them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, overload

import polars as pl

from holdings_kit.errors import ConfigError, FrameError, suggest
from holdings_kit.schema import (
    BASKETS,
    HOLDINGS,
    POSITIONS,
    SNAPSHOTS,
    VALUE,
    FrameLike,
    Loaded,
    any_known,
    as_frame,
    column_names,
    conform,
    empty,
    ratio,
    require_columns,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_RATIO: Final = pl.Decimal(38, 12)  # weights of a constituents table
_CONSTITUENTS: Final = pl.Schema(
    {"fund_id": pl.String(), "instrument_id": pl.String(), "weight": _RATIO}
)

EXPOSURES: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "symbol": pl.String(),
        "name": pl.String(),
        "asset_class": pl.String(),
        "via": pl.String(),  # the fund it is held through; null: held directly
        "residual": pl.Boolean(),  # the part of a fund that its table does not name
        "market_value": VALUE,
        "weight": pl.Float64(),
    }
)

CONCENTRATION: Final = pl.Schema(
    {
        "positions_count": pl.Int64(),
        "market_value": VALUE,  # of the positions whose price is known
        "weight": pl.Float64(),  # of the group in the whole
        "hhi": pl.Float64(),  # Σ weight² of the units of the group, 1/n … 1
        "effective_number": pl.Float64(),  # 1 / hhi
        "largest_id": pl.String(),
        "largest_share": pl.Float64(),
        "pledged_share": pl.Float64(),  # of the value of the positions that say
        "pledged_unknown_count": pl.Int64(),
        "unsettled_share": pl.Float64(),
        "unsettled_unknown_count": pl.Int64(),
        "unpriced_count": pl.Int64(),
        "unclassified_count": pl.Int64(),  # whose unit is unknown: in no weight
        "classified_share": pl.Float64(),  # of the known value, what the weights are of
        "priced_cost_share": pl.Float64(),  # known cost that is also priced
    }
)
"""After the group's own columns; ``top_<k>_share`` columns follow."""


def look_through(loaded: Loaded) -> pl.DataFrame:
    """Put each share once into HOLDINGS, smallcases included.

    Format ``gateway-v1`` reports shares outside smallcases: the constituents of its
    baskets are appended as rows. ``gateway-v2`` has the smallcases in its holdings
    already. Other formats stay as they are. `owned_quantity` means the same in all of
    them: what is owned at the snapshot, the trades of the day included.

    Parameters
    ----------
    loaded
        What a door returned.

    Returns
    -------
    HOLDINGS
        Appended rows carry on the numbering of their snapshot. Their average price is
        unknown (null): a basket reports none. An unknown basket quantity stays null.

    Raises
    ------
    FrameError
        A frame of `loaded` lacks a column.

    Notes
    -----
    Gateway documentation: v1 leaves out shares held inside a smallcase, v2 includes
    them. So the two formats of one user give the same quantities, except for BSE-only
    stocks, which v1 does not report at all.

    Examples
    --------
    >>> from holdings_kit.schema import LISTINGS, REJECTS, empty
    >>> nothing = (SNAPSHOTS, HOLDINGS, LISTINGS, BASKETS, REJECTS)
    >>> look_through(Loaded(*map(empty, nothing))).height
    0
    """
    holdings = conform(loaded.holdings, HOLDINGS, name="holdings")
    baskets = conform(loaded.baskets, BASKETS, name="baskets")
    snapshots = conform(loaded.snapshots, SNAPSHOTS, name="snapshots")
    keys = ["snapshot_id", "account_id"]
    facts = snapshots.filter(pl.col("format") == "gateway-v1").unique(keys)
    counts = holdings.group_by(keys).agg(pl.col("holding_no").max().alias("_last"))
    parts = (
        # a smallcase reported only in total has no constituents to look at
        baskets.filter(pl.col("symbol").is_not_null())
        .join(
            facts.select(*keys, "source", "broker", "snapshot_at"),
            on=keys,
            maintain_order="left",
            nulls_equal=True,
        )
        .join(counts, on=keys, how="left", maintain_order="left", nulls_equal=True)
        .with_columns(
            (
                pl.col("_last").fill_null(-1)
                + pl.int_range(1, pl.len() + 1, dtype=pl.Int64()).over(keys)
            ).alias("holding_no"),
            pl.col("quantity").alias("owned_quantity"),
            pl.col("quantity").alias("smallcase_quantity"),
            pl.col("quantity").alias("reported_quantity"),
        )
    )
    rows = parts.select(name for name in HOLDINGS if name in parts.columns)
    return pl.concat([holdings, rows], how="diagonal")


@overload
def concentration(
    positions: pl.LazyFrame,
    *,
    of: str = "instrument_id",
    by: str | Sequence[str] = (),
    top: Sequence[int] = (1, 5, 10),
) -> pl.LazyFrame: ...
@overload
def concentration(
    positions: FrameLike,
    *,
    of: str = "instrument_id",
    by: str | Sequence[str] = (),
    top: Sequence[int] = (1, 5, 10),
) -> pl.DataFrame: ...
def concentration(
    positions: FrameLike | pl.LazyFrame,
    *,
    of: str = "instrument_id",
    by: str | Sequence[str] = (),
    top: Sequence[int] = (1, 5, 10),
) -> pl.DataFrame | pl.LazyFrame:
    """Measure how concentrated a portfolio is, in total or in each group.

    Parameters
    ----------
    positions
        POSITIONS or EXPOSURES: any frame with `of`, `by` and ``market_value``. Bucket,
        price and cost columns that are missing give null shares. Lazy stays lazy.
    of
        The unit whose weights are measured: instrument, asset class, broker, account.
        Rows of one unit are added first. Rows whose unit is unknown (null) make no
        weight: `unclassified_count` counts them, `classified_share` is the rest.
    by
        Columns that make the groups, one row each; none for one row in all.
    top
        How many of the largest units to add up, a column ``top_<k>_share`` for each.

    Returns
    -------
    CONCENTRATION
        Fractions of the known market value. Null where no value is known.
        `pledged_share` and `unsettled_share` are of the positions that say both
        quantity and price; the others are counted.

    Raises
    ------
    FrameError
        A column is missing.
    ConfigError
        A number in `top` is below 1.

    Notes
    -----
    HHI (Herfindahl–Hirschman) = Σ w², effective number = 1 / HHI. A weight is
    ``|value| / Σ |value|``: what was sold short is exposure too, and the weights of a
    book with both add up to 1.

    Examples
    --------
    >>> book = pl.DataFrame({"instrument_id": ["A", "B"], "market_value": [75, 25]})
    >>> out = concentration(book.with_columns(pl.col("market_value").cast(VALUE)))
    >>> out.select("hhi", "effective_number", "top_1_share").row(0)
    (0.625, 1.6, 0.75)
    """
    if any(k < 1 for k in top):
        raise ConfigError(f"top {tuple(top)}: each must be at least 1")
    by = column_names(by)
    given = as_frame(positions, POSITIONS, name="positions")
    have = given.collect_schema()
    for column in (of, *by, "market_value"):
        if column not in have:
            known = ", ".join(repr(name) for name in have)
            why = f"missing{suggest(column, have)}; positions has {known}"
            raise FrameError("positions", column, why)
    rows = given.lazy().with_columns(
        *(
            pl.lit(None, VALUE).alias(name)
            for name in ("cost_value", "price", "pledged_quantity", "t1_quantity")
            if name not in have
        )
    )
    value, cost = pl.col("market_value"), pl.col("cost_value")
    priced = value.is_not_null()
    names = list(by) or ["_all"]
    rows = rows.with_columns(
        *([] if by else [pl.lit(0).alias("_all")]),
        pl.when(priced).then(cost).alias("_priced_cost"),
        *_measure_bucket("pledged_quantity", "pledged"),
        *_measure_bucket("t1_quantity", "unsettled"),
    )
    added = [
        pl.len().cast(pl.Int64()).alias("positions_count"),
        any_known("market_value"),
        *_measure_bucket_share("pledged"),
        *_measure_bucket_share("unsettled"),
        value.null_count().cast(pl.Int64()).alias("unpriced_count"),
        pl.col(of).null_count().cast(pl.Int64()).alias("unclassified_count"),
        ratio(
            value.abs().filter(pl.col(of).is_not_null()).sum(), value.abs().sum()
        ).alias("classified_share"),
        value.abs().sum().cast(pl.Float64()).alias("_gross"),
        ratio(pl.col("_priced_cost").abs().sum(), cost.abs().sum()).alias(
            "priced_cost_share"
        ),
    ]
    sums = (
        rows.group_by(names, maintain_order=True).agg(added)
        if by
        else rows.select(pl.lit(0).alias("_all"), *added)
    )
    classified = rows.filter(priced & pl.col(of).is_not_null())
    shares = _measure_shares(classified, names, of, top)
    gross = pl.col("_gross")
    out = (
        sums.join(shares, on=names, how="left", maintain_order="left", nulls_equal=True)
        .with_columns(
            (1 / pl.col("hhi")).alias("effective_number"),
            pl.when((gross.sum() > 0) & pl.col("market_value").is_not_null())
            .then(gross / gross.sum())
            .alias("weight"),
        )
        .select(*by, *CONCENTRATION.names(), *map(_name_top, top))
    )
    return out if isinstance(given, pl.LazyFrame) else out.collect()


def _name_top(k: int) -> str:
    return f"top_{k}_share"


def _measure_shares(
    rows: pl.LazyFrame, names: list[str], of: str, top: Sequence[int]
) -> pl.LazyFrame:
    """Measure the units of each group, from rows whose value is known."""
    value = pl.col("market_value")
    unit = pl.col("_value")
    return (
        rows.group_by([*names, pl.col(of).alias("_unit")])
        .agg(value.sum().abs().cast(pl.Float64()).alias("_value"))
        .with_columns(_square=unit * unit)
        .group_by(names)
        .agg(
            pl.col("_square").sum(),
            pl.when(unit.sum() > 0).then(unit.sum()).alias("_whole"),
            unit.max().alias("_largest"),
            pl.col("_unit").filter(unit == unit.max()).min().alias("largest_id"),
            *(
                (unit.max() if k == 1 else unit.top_k(k).sum()).alias(f"_top_{k}")
                for k in top
            ),
        )
        .select(
            *names,
            (pl.col("_square") / (pl.col("_whole") * pl.col("_whole"))).alias("hhi"),
            pl.col("largest_id").cast(pl.String()),
            (pl.col("_largest") / pl.col("_whole")).alias("largest_share"),
            *(
                (pl.col(f"_top_{k}") / pl.col("_whole")).alias(_name_top(k))
                for k in top
            ),
        )
    )


def _measure_bucket(quantity: str, name: str) -> list[pl.Expr]:
    """Value that stands in one bucket, beside the value of the rows that say so."""
    part = pl.col(quantity).cast(VALUE) * pl.col("price")
    whole = pl.col("market_value")
    says = part.is_not_null() & whole.is_not_null()
    return [
        pl.when(says).then(part).alias(f"_{name}"),
        pl.when(says).then(whole).alias(f"_{name}_whole"),
    ]


def _measure_bucket_share(name: str) -> list[pl.Expr]:
    """Share of the value that stands in one bucket, and how many rows do not say."""
    part, whole = pl.col(f"_{name}"), pl.col(f"_{name}_whole")
    unknown = part.null_count().cast(pl.Int64())
    return [
        ratio(part.abs().sum(), whole.abs().sum()).alias(f"{name}_share"),
        unknown.alias(f"{name}_unknown_count"),
    ]


def open_funds(
    positions: FrameLike, constituents: FrameLike | None = None
) -> pl.DataFrame:
    """Split funds into what they hold, with a residual row for the rest.

    Parameters
    ----------
    positions
        POSITIONS: ``instrument_id, symbol, name, asset_class, market_value``.
    constituents
        ``fund_id, instrument_id, weight`` and, where known, ``symbol, name,
        asset_class``; `weight` a fraction of the fund. None leaves every fund closed,
        which is the picture before the look-through.

    Returns
    -------
    EXPOSURES
        One row per instrument and way of holding it. The rows of one fund add up to
        its value exactly: the residual takes what the table does not name. The parts
        of a fund without a price are null.

    Raises
    ------
    FrameError
        A column is missing, a weight is null, negative, or adds to more than 1.

    Examples
    --------
    >>> schema = {name: EXPOSURES[name] for name in EXPOSURES if name != "via"}
    >>> fund = pl.DataFrame(
    ...     [{"instrument_id": "FUND", "market_value": 100}], schema=schema
    ... )
    >>> table = pl.DataFrame(
    ...     {"fund_id": ["FUND"], "instrument_id": ["SBIN"], "weight": [0.6]}
    ... )
    >>> open_funds(fund, table).select("instrument_id", "weight").rows()
    [('SBIN', 0.6), ('FUND', 0.4)]
    """
    facts = ("instrument_id", "symbol", "name", "asset_class")
    rows = as_frame(positions, POSITIONS, name="positions").lazy().collect()
    require_columns(rows.columns, (*facts, "market_value"), name="positions")
    given = empty(_CONSTITUENTS) if constituents is None else constituents
    table = _check_weights(
        as_frame(given, _CONSTITUENTS, name="constituents").lazy().collect()
    )
    held = rows.select(*facts, pl.col("market_value").cast(VALUE))
    funds = held.filter(
        pl.col("instrument_id").is_in(table["fund_id"].unique().implode())
    )
    parts = (
        funds.rename({"instrument_id": "via"})
        .select("via", "market_value")
        .join(table, left_on="via", right_on="fund_id", maintain_order="left_right")
        .with_columns((pl.col("market_value") * pl.col("weight")).cast(VALUE))
    )
    named = parts.group_by("via").agg(pl.col("market_value").sum().alias("_named"))
    rest = (
        funds.with_columns(pl.col("instrument_id").alias("via"))
        .join(named, on="via", how="left", maintain_order="left")
        .with_columns(pl.col("market_value") - pl.col("_named"))
        .filter((pl.col("market_value") != 0).fill_null(value=True))
    )
    direct = held.join(funds.select("instrument_id"), on="instrument_id", how="anti")
    flags = pl.lit(value=False).alias("residual")
    split = pl.concat(
        [
            direct.with_columns(flags, via=pl.lit(None, pl.String())),
            parts.drop("weight").with_columns(flags),
            rest.drop("_named").with_columns(pl.lit(value=True).alias("residual")),
        ],
        how="diagonal",
    )
    weight = ratio("market_value", pl.col("market_value").abs().sum())
    return split.with_columns(weight.alias("weight")).select(EXPOSURES.names())


def _check_weights(constituents: pl.DataFrame) -> pl.DataFrame:
    """Check a constituents table and bring it to one form."""
    require_columns(constituents.columns, _CONSTITUENTS, name="constituents")
    said = ("symbol", "name", "asset_class")
    table = constituents.select(
        "fund_id",
        "instrument_id",
        *(
            pl.col(name) if name in constituents.columns else pl.lit(None).alias(name)
            for name in said
        ),
        pl.col("weight").cast(_RATIO),
    ).with_columns(pl.col(name).cast(pl.String()) for name in said)
    if table["weight"].null_count() or (table["weight"] < 0).any():
        raise FrameError("constituents", "weight", "holds nulls or negative weights")
    over = (
        table.group_by("fund_id")
        .agg(pl.col("weight").sum())
        .filter(pl.col("weight") > Decimal("1.000001"))
    )
    if over.height:
        fund, weight = over.row(0)
        raise FrameError("constituents", "weight", f"adds to {weight} for {fund}")
    return table
