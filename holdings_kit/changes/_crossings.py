"""Actions that move shares or cost between lines: mergers, demergers, rights.

Cost is conserved: what a merged line cost is in the line it became part of; what the
parent of a demerger cost before is in parent and child after. The table names them;
without it they are found where costs agree to the rounding of the averages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.changes._factors import price_band
from holdings_kit.schema import MONEY, VALUE

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["with_crossings"]

_FINE: Final = 0.002  # of a cost that rounding may hide: a smaller gap is telling
_COARSE: Final = 0.01
_PAISA: Final = 0.0051  # what an average is rounded by
_EQUITY: Final = r"^IN[E9][A-Z0-9]{4}01[0-9]{3}$"

_MOVE: Final = {
    "_place_after": pl.UInt32(),
    "related_instrument_id": pl.String(),
    "action_quantity": MONEY,
    "action_value": VALUE,
    "action_cost_value": VALUE,
    "paid_value": VALUE,
    "_cross": pl.String(),
    "_cross_confidence": pl.Float64(),
    "_cross_words": pl.String(),
    "_cross_ratio": pl.String(),
    "_cross_date": pl.Date(),
    "_cross_pending": pl.Boolean(),
    "_uncosted": pl.Boolean(),  # the broker has not moved the cost yet
    "_worthless": pl.Boolean(),  # the table says so
}
_ZERO: Final = pl.lit(0, VALUE)


def _side(rows: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """Take what is asked of one line of a crossing, under a prefix."""
    return rows.select(
        "_group",
        **{
            f"{prefix}_{name}": expr
            for name, expr in {
                "place": pl.col("_place_after").cast(pl.UInt32()),
                "id": pl.coalesce("instrument_id_before", "instrument_id"),
                "new": pl.col("instrument_id"),
                "symbol": pl.coalesce("symbol_after", "symbol_before"),
                "q0": pl.col("owned_quantity_before"),
                "q1": pl.col("owned_quantity_after"),
                "c0": pl.col("cost_value_before"),
                "c1": pl.col("cost_value_after"),
                "a0": pl.col("average_price_before"),
                "a1": pl.col("average_price_after"),
                "p0": pl.col("price_before"),
                "p1": pl.col("price_after"),
                "band": price_band(),
                "day0": pl.col("_day0"),
                "day1": pl.col("_day1"),
            }.items()
        },
    )


def _f(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64())


def _moves(frame: pl.DataFrame, **columns: pl.Expr | None) -> pl.DataFrame:
    """Write contributions in the columns of `_MOVE`; what is not given is nothing."""
    blank: dict[str, pl.Expr] = {
        "action_quantity": pl.lit(0, MONEY),
        "action_value": _ZERO,
        "action_cost_value": _ZERO,
        "paid_value": _ZERO,
        "_cross_pending": pl.lit(value=False),
        "_uncosted": pl.lit(value=False),
        "_worthless": pl.lit(value=False),
        "_cross_ratio": pl.lit(None, pl.String()),
        "_cross_date": pl.lit(None, pl.Date()),
        "related_instrument_id": pl.lit(None, pl.String()),
    }
    given = {k: v for k, v in columns.items() if v is not None}
    every = blank | given
    return frame.select(
        every[name].cast(dtype).alias(name) for name, dtype in _MOVE.items()
    )


def _product(*factors: pl.Expr) -> pl.Expr:
    made = factors[0].cast(VALUE)
    for factor in factors[1:]:
        made = made * factor
    return made.cast(VALUE)


def _merged_by_table(lines: pl.DataFrame, rows: pl.DataFrame) -> list[pl.DataFrame]:
    """Move what the table says was merged; what has not come yet is pending."""
    both = lines.filter(pl.col("kind") == "merger").join(
        _side(rows, "t"),
        left_on=["_group", "new_instrument_id"],
        right_on=["_group", "t_new"],
        how="left",
        coalesce=False,
        suffix="_t",
    )
    if both.is_empty():
        return []
    raw = _product(pl.col("s_q0"), pl.col("_num")) / pl.col("_den")
    both = both.with_columns(_raw=raw.cast(MONEY, strict=False)).with_columns(
        _n=pl.col("_raw").floor().cast(MONEY, strict=False)
    )
    gone = pl.col("s_q1") == 0
    rise = pl.col("t_q1") - pl.col("t_q0")
    came = (rise > 0).fill_null(value=False)
    # fewer came than the whole line gives: the rest was sold before
    needed = (
        (_product(rise, pl.col("_den")) / pl.col("_num"))
        .ceil()
        .cast(MONEY, strict=False)
    )
    # unless the average is that of all of it: then the rest was sold after
    all_of_it = (_f("s_c0") + _f("t_c0").fill_null(0)) / (
        pl.col("_n") + pl.col("t_q0").fill_null(0)
    ).cast(pl.Float64())
    before = ~((all_of_it - _f("t_a1")).abs() <= _PAISA).fill_null(value=False)
    fewer = came & (rise < pl.col("_n")) & before
    both = both.with_columns(_units=pl.when(fewer).then(needed).otherwise("s_q0"))
    both = both.with_columns(
        _cost=pl.when(pl.col("_units") == pl.col("s_q0"))
        .then("s_c0")
        .otherwise(_product(pl.col("_units"), pl.col("s_a0"))),
        _n=pl.when(fewer).then(rise).otherwise("_n").cast(MONEY, strict=False),
        _raw=(_product(pl.col("_units"), pl.col("_num")) / pl.col("_den")).cast(
            MONEY, strict=False
        ),
    )
    value = _product(pl.col("_units"), pl.col("s_p0"))
    cash = (
        pl.when(pl.col("_raw") == pl.col("_n"))
        .then(_ZERO)
        .otherwise(_product(pl.col("_raw") - pl.col("_n"), pl.col("t_p1")))
    )
    known = pl.col("s_p0").is_not_null() & pl.col("t_p1").is_not_null()
    done, limbo = both.filter(gone & came), both.filter(gone & ~came)
    waits = both.filter((pl.col("s_q1") > 0) & (pl.col("_n") > 0) & pl.col("_is_due"))
    sure = pl.when(rise == pl.col("_n")).then(0.98).otherwise(0.9)
    where = {
        "_cross": pl.lit("merger"),
        "_cross_ratio": pl.col("ratio"),
        "_cross_date": pl.col("ex_date"),
    }
    paid_out = (
        pl.when(pl.col("_raw") > pl.col("_n"))
        .then(
            pl.format(
                "; a fraction of {} was paid in cash",
                (pl.col("_raw") - pl.col("_n")).cast(pl.Float64()),
            )
        )
        .otherwise(pl.lit(""))
    )
    return [
        _moves(
            done,
            _place_after=pl.col("s_place"),
            related_instrument_id=pl.col("t_new"),
            action_quantity=-pl.col("_units"),
            action_value=pl.when(known).then(-value),
            action_cost_value=-pl.col("_cost"),
            _cross_confidence=sure,
            _cross_words=pl.format(
                "merged into {}, {}: the actions table says so", "t_new", "ratio"
            ),
            **where,
        ),
        _moves(
            done,
            _place_after=pl.col("t_place"),
            related_instrument_id=pl.col("s_id"),
            action_quantity=pl.col("_n"),
            action_value=pl.when(known).then(value - cash),
            action_cost_value=pl.col("_cost"),
            _cross_confidence=sure,
            _cross_words=pl.concat_str(
                pl.format(
                    "{} came for {} put_back, {}: the actions table says so",
                    pl.col("_n").cast(pl.Int64()),
                    "s_id",
                    "ratio",
                ),
                paid_out,
            ),
            **where,
        ),
        _moves(
            limbo,
            _place_after=pl.col("s_place"),
            related_instrument_id=pl.col("new_instrument_id"),
            action_quantity=-pl.col("s_q0"),
            action_value=pl.lit(None, VALUE),
            action_cost_value=pl.lit(None, VALUE),
            _cross_confidence=pl.lit(0.75),
            _cross_words=pl.format(
                "merged into {}, {}, whose shares have not come yet",
                "new_instrument_id",
                "ratio",
            ),
            _cross_pending=pl.lit(value=True),
            **where,
        ),
        _pending(waits),
    ]


def _pending(frame: pl.DataFrame) -> pl.DataFrame:
    return _moves(
        frame,
        _place_after=pl.col("s_place"),
        related_instrument_id=pl.col("new_instrument_id"),
        _cross=pl.lit(None, pl.String()),
        _cross_confidence=pl.lit(0.95),
        _cross_words=pl.format(
            "{} {} of {}",
            "kind",
            "ratio",
            pl.col("ex_date").dt.to_string().fill_null("unknown date"),
        ),
        _cross_ratio=pl.col("ratio"),
        _cross_date=pl.col("ex_date"),
        _cross_pending=pl.lit(value=True),
    )


def _demerged_by_table(
    lines: pl.DataFrame, rows: pl.DataFrame, tolerance: float
) -> list[pl.DataFrame]:
    """Move to the child what the table says left the parent."""
    both = lines.filter(pl.col("kind") == "demerger").join(
        _side(rows, "t"),
        left_on=["_group", "new_instrument_id"],
        right_on=["_group", "t_new"],
        how="left",
        coalesce=False,
        suffix="_t",
    )
    if both.is_empty():
        return []
    raw = _product(pl.col("s_q0"), pl.col("_num")) / pl.col("_den")
    share = pl.col("cost_share").cast(pl.Decimal(38, 8))
    rise = pl.col("t_q1") - pl.col("t_q0")
    came = (rise > 0).fill_null(value=False)
    # of a parent that was traded, what it was on the day lies between
    raw1 = _product(pl.col("s_q1"), pl.col("_num")) / pl.col("_den")
    between = rise.is_between(
        pl.min_horizontal(raw, raw1).floor(), pl.max_horizontal(raw, raw1).floor()
    )
    both = both.with_columns(
        _n=pl.when(came & between)
        .then(rise)
        .otherwise(raw.floor())
        .cast(MONEY, strict=False)
    )
    fell = (_f("s_a0") - _f("s_a1") > 3 * tolerance).fill_null(value=False)
    grown = pl.col("t_c1") - pl.col("t_c0")
    cost = (
        pl.when((rise == pl.col("_n")) & (grown > 0))
        .then(grown)
        .otherwise((pl.col("s_c0") * share).cast(VALUE))
    )
    same = pl.col("s_q1") == pl.col("s_q0")
    left = (
        pl.when(~fell)
        .then(_ZERO)
        .when(same)
        .then(pl.col("s_c0") - pl.col("s_c1"))
        .when(pl.col("s_q1") < pl.col("s_q0"))
        .then(_product(pl.col("s_q0"), pl.col("s_a0") - pl.col("s_a1")))
        .otherwise(cost)
    )
    value = _product(pl.col("_n"), pl.col("t_p1"))
    sure = pl.when(rise == pl.col("_n")).then(0.98).otherwise(0.9)
    where = {
        "_cross": pl.lit("demerger"),
        "_cross_ratio": pl.col("ratio"),
        "_cross_date": pl.col("ex_date"),
    }
    done = both.filter(came)
    given = both.filter(came)["s_place"]
    averaged = both.filter(
        ~came
        & fell
        & same
        & (pl.col("_n") > 0)
        & ~pl.col("s_place").is_in(given.implode())
    )
    waits = both.filter(
        ~came
        & ~(fell & same)
        & (pl.col("_n") > 0)
        & (pl.col("s_q1") > 0)
        & pl.col("_is_due")
    )
    return [
        _moves(
            done,
            _place_after=pl.col("t_place"),
            related_instrument_id=pl.col("s_new"),
            action_quantity=pl.col("_n"),
            action_value=value,
            action_cost_value=cost,
            _cross_confidence=sure,
            _cross_words=pl.format(
                "{} came from {}, {}: the actions table says so",
                pl.col("_n").cast(pl.Int64()),
                "s_new",
                "ratio",
            ),
            _uncosted=cost.is_null(),
            **where,
        ),
        _moves(
            done,
            _place_after=pl.col("s_place"),
            related_instrument_id=pl.col("t_new"),
            action_value=-value,
            action_cost_value=-left,
            _cross_confidence=sure,
            _cross_words=pl.format(
                "gave {} as a line of its own, {}: the actions table says so",
                "t_new",
                "ratio",
            ),
            _uncosted=~fell,
            **where,
        ),
        _moves(
            averaged,
            _place_after=pl.col("s_place"),
            related_instrument_id=pl.col("new_instrument_id"),
            action_value=pl.lit(None, VALUE),
            action_cost_value=-left,
            _cross_confidence=pl.lit(0.93),
            _cross_words=pl.format(
                "cost left for {}, {}, whose shares have not come yet",
                "new_instrument_id",
                "ratio",
            ),
            _cross_pending=pl.lit(value=True),
            **where,
        ),
        _pending(waits),
    ]


def _paid_by_table(lines: pl.DataFrame, tolerance: float) -> list[pl.DataFrame]:
    """Find rights taken up, shares tendered and calls paid, at the table's price."""
    q0, q1 = pl.col("s_q0"), pl.col("s_q1")
    cash = pl.col("cash_per_unit")
    most = (
        (_product(q0, pl.col("_num")) / pl.col("_den"))
        .floor()
        .cast(MONEY, strict=False)
    )
    rise, added = q1 - q0, pl.col("s_c1") - pl.col("s_c0")
    paid = _f("s_c1") - _f("s_c0")
    implied = paid / rise.cast(pl.Float64())
    slack = (q0 + q1).cast(pl.Float64()) * tolerance / rise.cast(pl.Float64()) + 0.01
    priced = ((implied - cash.cast(pl.Float64())).abs() <= slack).fill_null(value=False)
    full = rise == most
    cheap = (implied < _f("s_p1") * (1 - pl.col("s_band") / 2)).fill_null(value=False)
    rest = (paid - (most * cash).cast(pl.Float64())) / (rise - most).cast(pl.Float64())
    fair = rest.is_between(
        pl.min_horizontal(_f("s_p0"), _f("s_p1")) * (1 - pl.col("s_band")),
        pl.max_horizontal(_f("s_p0"), _f("s_p1")) * (1 + pl.col("s_band")),
    ).fill_null(value=False)
    rights = (
        lines.filter((pl.col("kind") == "rights") & (q0 > 0) & (rise > 0))
        .with_columns(_most=most)
        .with_columns(
            _units=pl.when(priced)
            .then(rise)
            .when(full & (cheap | added.is_null()))
            .then(most)
            .when((rise > most) & (most > 0) & fair)
            .then(most),
            _sure=pl.when(priced).then(0.97).when(full).then(0.93).otherwise(0.88),
        )
        .filter(pl.col("_units") > 0)
    )
    units = pl.col("_units")
    rights_paid = pl.coalesce(_product(units, cash), pl.when(units == rise).then(added))
    fall = q0 - q1
    tender = (
        lines.filter((pl.col("kind") == "buyback") & (fall > 0) & (q1 > 0))
        .with_columns(
            _units=pl.when(pl.col("ratio").is_not_null())
            .then(pl.min_horizontal(fall, most).cast(MONEY, strict=False))
            .otherwise(fall)
        )
        .filter(pl.col("_units") > 0)
    )
    where = {"_cross_ratio": pl.col("ratio"), "_cross_date": pl.col("ex_date")}
    return [
        _moves(
            rights,
            _place_after=pl.col("s_place"),
            action_quantity=units,
            paid_value=rights_paid,
            _cross=pl.lit("rights"),
            _cross_confidence=pl.col("_sure"),
            _cross_words=pl.format(
                "{} taken up at {}: the actions table says so",
                units.cast(pl.Float64()),
                pl.col("cash_per_unit").cast(pl.String()).fill_null("an unknown price"),
            ),
            **where,
        ),
        _moves(
            tender,
            _place_after=pl.col("s_place"),
            action_quantity=-units,
            paid_value=-_product(units, pl.coalesce(cash, "s_p1", "s_p0")),
            _cross=pl.lit("buyback"),
            _cross_confidence=pl.when(pl.col("ratio").is_not_null() & (fall == units))
            .then(0.92)
            .otherwise(0.85),
            _cross_words=pl.format(
                "{} tendered at {}: the actions table says so",
                units.cast(pl.Float64()),
                pl.col("cash_per_unit").cast(pl.String()).fill_null("an unknown price"),
            ),
            **where,
        ),
        _moves(
            lines.filter(
                (pl.col("kind") == "call")
                & (pl.col("s_id") != pl.col("s_new"))
                & (q1 > 0)
            ),
            _place_after=pl.col("s_place"),
            paid_value=_product(
                pl.min_horizontal(
                    q1, (_product(q0, pl.col("_num")) / pl.col("_den")).floor()
                ),
                cash,
            ),
            _cross=pl.lit(None, pl.String()),
            _cross_confidence=pl.lit(None, pl.Float64()),
            _cross_words=pl.format(
                "{} a unit was called",
                pl.col("cash_per_unit").cast(pl.String()).fill_null("an unknown price"),
            ),
            **where,
        ),
    ]


def _ended_by_table(lines: pl.DataFrame) -> list[pl.DataFrame]:
    """Say of delisted lines without a price that they are."""
    gone = lines.filter(
        (pl.col("kind") == "delisting")
        & (
            (
                pl.col("s_p1").is_null()
                & (pl.col("_is_due") | pl.col("s_p0").is_not_null())
            )
            | ((pl.col("s_q1") == 0) & pl.col("_is_due"))
        )
    )
    left = pl.col("s_q1") == 0
    cash = pl.col("cash_per_unit")
    return [
        _moves(
            gone,
            _place_after=pl.col("s_place"),
            action_quantity=pl.when(left)
            .then(-pl.col("s_q0"))
            .otherwise(pl.lit(0, MONEY)),
            action_value=pl.when(left & cash.is_null()).then(None).otherwise(_ZERO),
            paid_value=pl.when(left & cash.is_not_null())
            .then(-_product(pl.col("s_q0"), cash))
            .otherwise(_ZERO),
            _cross=pl.lit("delisted"),
            _worthless=(cash == 0).fill_null(value=False) & ~left,
            _cross_confidence=pl.lit(0.97),
            _cross_words=pl.format(
                "delisted on {}: the actions table says so",
                pl.col("ex_date").dt.to_string().fill_null("unknown date"),
            ),
            _cross_date=pl.col("ex_date"),
        )
    ]


def _from_table(
    rows: pl.DataFrame, actions: pl.DataFrame, *, tolerance: float, late_days: int
) -> list[pl.DataFrame]:
    kinds = ["merger", "demerger", "rights", "buyback", "call", "delisting"]
    table = actions.filter(pl.col("kind").is_in(kinds)).drop("_action_no")
    if table.is_empty():
        return []
    ex_date = pl.col("ex_date")
    inside = (ex_date <= pl.col("s_day1")) & (
        ex_date > pl.col("s_day0") - pl.duration(days=late_days)
    )
    sides = _side(rows.filter(pl.col("owned_quantity_before") > 0), "s")
    lines = (
        sides.join(table, left_on="s_id", right_on="instrument_id")
        .filter(inside.fill_null(value=True))
        .with_columns(_is_due=(ex_date > pl.col("s_day0")).fill_null(value=True))
    )
    late = _came_late(rows, table, lines, late_days=late_days)
    if lines.is_empty():
        return late
    return [
        *late,
        *_merged_by_table(lines, rows),
        *_demerged_by_table(lines, rows, tolerance),
        *_paid_by_table(lines, tolerance),
        *_ended_by_table(lines),
    ]


def _came_late(
    rows: pl.DataFrame, table: pl.DataFrame, lines: pl.DataFrame, *, late_days: int
) -> list[pl.DataFrame]:
    """Find merged shares that came after their source was gone from the account."""
    mergers = table.filter(pl.col("kind") == "merger").unique(
        "new_instrument_id", keep="last", maintain_order=True
    )
    here = lines.filter(pl.col("kind") == "merger").select(
        "_group", t_new="new_instrument_id"
    )
    rise = pl.col("t_q1") - pl.col("t_q0")
    ex_date = pl.col("ex_date")
    window = (ex_date <= pl.col("t_day0")) & (
        ex_date > pl.col("t_day0") - pl.duration(days=late_days)
    )
    added = pl.col("t_c1") - pl.col("t_c0")
    implied = added.cast(pl.Float64()) / rise.cast(pl.Float64())
    # bought on the market they would have a price of the market, and come by T+1
    odd = added.is_null() | _out_of_range(implied, "t") | (pl.col("t_q0") == 0)
    came = (
        _side(rows.filter(~_traded_today()), "t")
        .join(mergers, left_on="t_new", right_on="new_instrument_id")
        .filter((rise > 0) & window & odd)
        .join(here, on=["_group", "t_new"], how="anti")
    )
    if came.is_empty():
        return []
    return [
        _moves(
            came,
            _place_after=pl.col("t_place"),
            related_instrument_id=pl.col("instrument_id"),
            action_quantity=rise,
            action_value=pl.lit(None, VALUE),
            action_cost_value=added,
            _cross=pl.lit("merger"),
            _cross_confidence=pl.lit(0.85),
            _cross_words=pl.format(
                "{} came for {} merged on {}: the actions table says so",
                rise.cast(pl.Float64()),
                "instrument_id",
                ex_date.dt.to_string(),
            ),
            _cross_ratio=pl.col("ratio"),
            _cross_date=ex_date,
        )
    ]


def _traded_today() -> pl.Expr:
    """Tell lines of which something came by an exchange on the last day."""
    more = pl.col("t1_quantity_after") > pl.col("t1_quantity_before").fill_null(0)
    return (more | (pl.col("position_quantity_after") > 0)).fill_null(value=False)


def _out_of_range(implied: pl.Expr, prefix: str) -> pl.Expr:
    """Tell a price that the market did not ask between the two days."""
    low = pl.min_horizontal(_f(f"{prefix}_p0"), _f(f"{prefix}_p1"))
    high = pl.max_horizontal(_f(f"{prefix}_p0"), _f(f"{prefix}_p1"))
    band = pl.col(f"{prefix}_band")
    return ((implied < low * (1 - band)) | (implied > high * (1 + band))).fill_null(
        value=False
    )


def _mergers(
    gone: pl.DataFrame, grown: pl.DataFrame, tolerance: float
) -> list[pl.DataFrame]:
    """Find lines whose whole cost reappears in another line of the account."""
    pairs = _side(gone, "s").join(_side(grown, "t"), on="_group")
    units = pl.col("t_q1") - pl.col("t_q0")
    added = _f("t_c1") - _f("t_c0")
    slack = (_f("s_q0") + _f("t_q0") + _f("t_q1")) * tolerance / 2
    gap = (added - _f("s_c0")).abs()
    share = slack / _f("s_c0")
    equity = pl.all_horizontal(
        pl.col(name).str.contains(_EQUITY)
        | ~pl.col(name).str.contains(r"^IN[A-Z0-9]{10}$")
        for name in ("s_id", "t_new")
    )
    odd = (units != pl.col("s_q0")) | _out_of_range(
        added / units.cast(pl.Float64()), "t"
    )
    found = pairs.filter(
        (gap <= slack) & (share < _COARSE) & (_f("s_c0") > 0) & equity & odd
    )
    for end in ("s_place", "t_place"):
        found = found.filter(pl.len().over(end) == 1)
    if found.is_empty():
        return []
    value = _product(pl.col("s_q0"), pl.col("s_p0"))
    known = pl.col("s_p0").is_not_null() & pl.col("t_p1").is_not_null()
    sure = pl.when(share < _FINE).then(0.95).otherwise(0.75)
    common: dict[str, pl.Expr] = {"_cross": pl.lit("merger"), "_cross_confidence": sure}
    return [
        _moves(
            found,
            _place_after=pl.col("s_place"),
            related_instrument_id=pl.col("t_new"),
            action_quantity=-pl.col("s_q0"),
            action_value=pl.when(known).then(-value),
            action_cost_value=-pl.col("s_c0"),
            _cross_words=pl.format("its whole cost is in {} now", "t_new"),
            **common,
        ),
        _moves(
            found,
            _place_after=pl.col("t_place"),
            related_instrument_id=pl.col("s_id"),
            action_quantity=units,
            action_value=pl.when(known).then(value),
            action_cost_value=pl.col("t_c1") - pl.col("t_c0"),
            _cross_words=pl.format(
                "{} came with the whole cost of {}", units.cast(pl.Float64()), "s_id"
            ),
            **common,
        ),
    ]


def _demergers(
    fallen: pl.DataFrame, came: pl.DataFrame, tolerance: float
) -> list[pl.DataFrame]:
    """Find lines whose cost is what another line of the account lost."""
    parents = _side(fallen, "s").with_columns(
        # of a parent sold in part after it, the average tells what it lost
        _lost=pl.when(pl.col("s_q1") == pl.col("s_q0"))
        .then(_f("s_c0") - _f("s_c1"))
        .otherwise(_f("s_q0") * (_f("s_a0") - _f("s_a1"))),
    )
    children = _side(came, "t")
    single = children.with_columns(
        _cost=_f("t_c1"), _size=_f("t_q1"), _set=pl.concat_list("t_place")
    )
    other = children.select("_group", u_place="t_place", u_c1="t_c1", u_q1="t_q1")
    double = (
        children.join(other, on="_group")
        .filter(pl.col("t_place") < pl.col("u_place"))
        .select(
            "_group",
            _cost=_f("t_c1") + _f("u_c1"),
            _size=_f("t_q1") + _f("u_q1"),
            _set=pl.concat_list("t_place", "u_place"),
        )
    )
    sets = pl.concat([single.select("_group", "_cost", "_size", "_set"), double])
    slack = (_f("s_q0") * 2 + pl.col("_size")) * tolerance / 2
    share = slack / pl.col("_cost")
    found = (
        parents.join(sets, on="_group")
        .filter(
            ((pl.col("_lost") - pl.col("_cost")).abs() <= slack) & (share < _COARSE)
        )
        .with_columns(_share=share, _children=pl.col("_set").list.len())
    )
    fewest = pl.col("_children") == pl.col("_children").min()
    found = found.filter(fewest.over("s_place")).filter(pl.len().over("s_place") == 1)
    exploded = found.explode("_set").rename({"_set": "t_place"})
    exploded = exploded.filter(pl.len().over("t_place") == 1)
    whole = pl.len().over("s_place") == pl.col("_children")
    exploded = exploded.filter(whole).join(children, on=["_group", "t_place"])
    if exploded.is_empty():
        return []
    sure = pl.when(pl.col("_share") < _FINE).then(0.96).otherwise(0.75)
    value = _product(pl.col("t_q1"), pl.col("t_p1"))
    common: dict[str, pl.Expr] = {
        "_cross": pl.lit("demerger"),
        "_cross_confidence": sure,
    }
    return [
        _moves(
            exploded,
            _place_after=pl.col("t_place"),
            related_instrument_id=pl.col("s_new"),
            action_quantity=pl.col("t_q1"),
            action_value=value,
            action_cost_value=pl.col("t_c1"),
            _cross_words=pl.format("its cost left {}", "s_new"),
            **common,
        ),
        _moves(
            exploded,
            _place_after=pl.col("s_place"),
            related_instrument_id=pl.col("t_new"),
            action_value=-value,
            action_cost_value=-pl.col("t_c1"),
            _cross_words=pl.format("the cost it lost is in {} now", "t_new"),
            **common,
        ),
    ]


def _entitlements(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """Find rights taken up: an entitlement is gone, and its share has grown cheaply."""
    symbol = pl.coalesce("symbol_before", "symbol_after")
    entitled = symbol.str.contains(r"-RE\d*$")
    gone = rows.filter(
        entitled.fill_null(value=False)
        & (pl.col("owned_quantity_before") > 0)
        & (pl.col("owned_quantity_after") < pl.col("owned_quantity_before"))
    )
    if gone.is_empty():
        return []
    grown = rows.filter(
        (pl.col("owned_quantity_before") > 0)
        & (pl.col("owned_quantity_after") > pl.col("owned_quantity_before"))
    )
    pairs = (
        _side(gone, "s")
        .with_columns(_share=pl.col("s_symbol").str.replace(r"-RE\d*$", ""))
        .join(
            _side(grown, "t"),
            left_on=["_group", "_share"],
            right_on=["_group", "t_symbol"],
        )
        .with_columns(
            _units=pl.min_horizontal(
                pl.col("s_q0") - pl.col("s_q1"), pl.col("t_q1") - pl.col("t_q0")
            ).cast(MONEY, strict=False)
        )
    )
    rise = pl.col("t_q1") - pl.col("t_q0")
    paid = pl.col("t_c1") - pl.col("t_c0") - pl.col("s_c0").fill_null(_ZERO)
    found = pairs.filter(rise == pl.col("_units"))
    for end in ("s_place", "t_place"):
        found = found.filter(pl.len().over(end) == 1)
    value = _product(pl.col("_units"), pl.col("s_p0"))
    left = (pl.col("s_c0") * pl.col("_units") / pl.col("s_q0")).fill_null(0).cast(VALUE)
    common: dict[str, pl.Expr] = {
        "_cross": pl.lit("rights"),
        "_cross_confidence": pl.lit(0.95),
    }
    return [
        _moves(
            found,
            _place_after=pl.col("s_place"),
            related_instrument_id=pl.col("t_new"),
            action_quantity=-pl.col("_units"),
            action_value=-value.fill_null(0),
            action_cost_value=-left,
            _cross_words=pl.format(
                "{} entitlements were taken up", pl.col("_units").cast(pl.Float64())
            ),
            **common,
        ),
        _moves(
            found,
            _place_after=pl.col("t_place"),
            related_instrument_id=pl.col("s_id"),
            action_quantity=pl.col("_units"),
            action_value=value.fill_null(0),
            action_cost_value=left,
            paid_value=paid,
            _cross_words=pl.format(
                "{} taken up with the entitlements {}",
                pl.col("_units").cast(pl.Float64()),
                "s_id",
            ),
            **common,
        ),
    ]


def _from_numbers(
    rows: pl.DataFrame, claimed: pl.Series, tolerance: float
) -> list[pl.DataFrame]:
    free = rows.filter(
        ~pl.col("_place_after").cast(pl.UInt32()).is_in(claimed.implode())
    )
    q0, q1 = pl.col("owned_quantity_before"), pl.col("owned_quantity_after")
    rights = _entitlements(free)
    costed = (
        pl.col("cost_value_before").is_not_null()
        & pl.col("cost_value_after").is_not_null()
    )
    known = free.filter(costed)
    symbol = pl.coalesce("symbol_before", "symbol_after").fill_null("")
    known = known.filter(~symbol.str.contains(r"-RE\d*$"))
    gone = known.filter((q0 > 0) & (q1 == 0))
    grown = known.filter((q1 > q0) & (q1 > 0) & ((q0 == 0) | (q0 > 0)))
    came = known.filter((q0 == 0) & (q1 > 0))
    drop = pl.col("average_price_before") - pl.col("average_price_after")
    fallen = known.filter(
        (q0 > 0) & (q1 > 0) & (q1 <= q0) & (drop.cast(pl.Float64()) > 3 * tolerance)
    )
    found = rights
    if gone.height and grown.height:
        found = [*found, *_mergers(gone, grown, tolerance)]
    if fallen.height and came.height:
        found = [*found, *_demergers(fallen, came, tolerance)]
    return found


def with_crossings(
    rows: pl.DataFrame, actions: pl.DataFrame, *, tolerance: float, late_days: int
) -> pl.DataFrame:
    """Add what each line got from, or gave to, another one.

    `_base_quantity` and `_base_cost` are the figures before with it.
    """
    listed = _from_table(rows, actions, tolerance=tolerance, late_days=late_days)
    claimed = (
        pl.concat([part["_place_after"] for part in listed])
        if listed
        else pl.Series([], dtype=pl.UInt32())
    )
    parts = [*listed, *_from_numbers(rows, claimed, tolerance)]
    every = pl.concat([pl.DataFrame(schema=_MOVE), *parts])
    sums: Sequence[str] = (
        "action_quantity",
        "action_value",
        "action_cost_value",
        "paid_value",
    )
    firsts = [c for c in _MOVE if c not in sums and c != "_place_after"]
    grouped = every.group_by("_place_after", maintain_order=True).agg(
        *(
            pl.when(pl.col(c).null_count() == 0)
            .then(pl.col(c).sum())
            .cast(_MOVE[c])
            .alias(c)
            for c in sums
        ),
        *(
            pl.col(c).any().alias(c)
            if _MOVE[c] == pl.Boolean()
            else pl.col(c).drop_nulls().first().alias(c)
            for c in firsts
        ),
    )
    joined = rows.join(
        grouped.with_columns(pl.col("_place_after").cast(rows.schema["_place_after"])),
        on="_place_after",
        how="left",
        maintain_order="left",
    )
    none = pl.col("_cross_confidence").is_null() & pl.col("_cross_words").is_null()
    joined = joined.with_columns(
        pl.when(none).then(pl.lit(0, _MOVE[c])).otherwise(pl.col(c)).alias(c)
        for c in sums
    ).with_columns(
        pl.col("_cross_pending").fill_null(value=False),
        pl.col("_uncosted").fill_null(value=False),
        price_after=pl.when("_worthless")
        .then(pl.coalesce("price_after", pl.lit(0, MONEY)))
        .otherwise("price_after"),
    )
    moved_cost = pl.col("action_cost_value") + pl.max_horizontal(
        pl.col("paid_value"), _ZERO
    )
    tendered = (pl.col("_cross") == "buyback").fill_null(value=False)
    base = (pl.col("owned_quantity_before") + pl.col("action_quantity")).cast(
        MONEY, strict=False
    )
    return joined.with_columns(
        _base_quantity=base,
        _base_cost=pl.when(tendered)
        .then(_product(base, pl.col("average_price_before")))
        .otherwise(pl.col("cost_value_before") + moved_cost)
        .cast(VALUE),
        _moved_cost=(moved_cost != 0).fill_null(value=True) & ~tendered,
    )
