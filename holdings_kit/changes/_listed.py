"""Actions of the table that move shares or cost between lines.

A row of the table says what is to happen; the lines say whether it has. What has not
come yet is pending.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from holdings_kit.changes._actions import (
    DAY_WORDS,
    is_due,
    is_in_reach,
    known_isin,
)
from holdings_kit.changes._crossings import (
    RIGHTS,
    ZERO,
    is_out_of_range,
    moves_of,
    pick_used_entitlements,
    side_of,
    to_float as _f,
    write_demergers,
    write_mergers,
)
from holdings_kit.changes._facts import came_by_exchange, plain_symbol
from holdings_kit.schema import MONEY, VALUE, product, total

_PAISA: Final = 0.0051  # what an average is rounded by
_RATIO: Final = pl.col("ratio").fill_null("1:1")
_WHERE: Final = {"_cross_ratio": pl.col("ratio"), "_cross_date": pl.col("ex_date")}
_PRICE_WORDS: Final = (
    pl.col("cash_per_unit").cast(pl.String()).fill_null("an unknown price")
)
_RISE: Final = pl.col("t_q1") - pl.col("t_q0")
_SURE: Final = pl.when(pl.col("_n") == _RISE).then(0.98).otherwise(0.9)


def _say(template: str, *figures: str | pl.Expr) -> pl.Expr:
    """Write what happened to a line, and that the table says so."""
    return pl.format(template + ": the actions table says so", *figures)


def _multiply_by_ratio(quantity: str) -> pl.Expr:
    """Give the units that come for so many, a fraction included."""
    return product(quantity, "_num") / pl.col("_den")


def _join_targets(lines: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Put beside each listed line the account's line that its action names."""
    return lines.join(
        side_of(rows, "t"),
        left_on=["_group", "new_instrument_id"],
        right_on=["_group", "t_new_key"],
        how="left",
        coalesce=False,
        suffix="_t",
    )


def _find_mergers(lines: pl.DataFrame, rows: pl.DataFrame) -> list[pl.DataFrame]:
    """Move what the table says was merged; what has not come yet is pending."""
    swaps = pl.col("kind") == "merger"
    # a called or renamed share whose new name was held before is a line that was joined
    joins = pl.col("kind").is_in(["call", "isin_change"]) & (
        (pl.col("s_id") == pl.col("s_new")) & (pl.col("s_q1") == 0)
    )
    both = _join_targets(lines.filter(swaps | joins), rows)
    if both.is_empty():
        return []
    raw = _multiply_by_ratio("s_q0").cast(MONEY, strict=False)
    both = both.with_columns(_n=raw.floor().cast(MONEY, strict=False))
    gone = pl.col("s_q1") == 0
    came = (_RISE > 0).fill_null(value=False)
    # fewer came than the whole line gives: the rest was sold before
    needed = (product(_RISE, "_den") / pl.col("_num")).ceil()
    # unless the average is that of all of it: then the rest was sold after
    all_of_it = (_f("s_c0") + _f("t_c0").fill_null(0)) / (
        pl.col("_n") + pl.col("t_q0").fill_null(0)
    ).cast(pl.Float64())
    before = ~((all_of_it - _f("t_a1")).abs() <= _PAISA).fill_null(value=False)
    fewer = came & (pl.col("_n") > _RISE) & before
    units = pl.when(fewer).then(needed.cast(MONEY, strict=False)).otherwise("s_q0")
    both = both.with_columns(_units=units).with_columns(
        _moved=pl.when(pl.col("_units") == pl.col("s_q0"))
        .then("s_c0")
        .otherwise(product("_units", "s_a0")),
        _n=pl.when(fewer).then(_RISE).otherwise("_n").cast(MONEY, strict=False),
        _raw=_multiply_by_ratio("_units").cast(MONEY, strict=False),
    )
    cash = (
        pl.when(pl.col("_raw") == pl.col("_n"))
        .then(ZERO)
        .otherwise(product(pl.col("_raw") - pl.col("_n"), pl.col("t_p1")))
    )
    done, limbo = both.filter(gone & came), both.filter(gone & ~came & swaps)
    waits = both.filter(
        swaps & (pl.col("s_q1") > 0) & (pl.col("_n") > 0) & pl.col("_is_due")
    )
    fraction = (pl.col("_raw") - pl.col("_n")).cast(pl.Float64())
    paid_out = (
        pl.when(pl.col("_raw") > pl.col("_n"))
        .then(pl.format("; a fraction of {} was paid in cash", fraction))
        .otherwise(pl.lit(""))
    )
    arrived = _say("{} came for {}, {}", pl.col("_n").cast(pl.Int64()), "s_id", _RATIO)
    return [
        *write_mergers(
            done,
            gone=_say("merged into {}, {}", "t_new", _RATIO),
            came=pl.concat_str(arrived, paid_out),
            cash=cash,
            paid=pl.when(pl.col("kind") == "call")
            .then(product("_n", "cash_per_unit"))
            .otherwise(ZERO),
            _cross_confidence=_SURE,
            **_WHERE,
        ),
        moves_of(
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
            _cross=pl.lit("merger"),
            _cross_pending=pl.lit(value=True),
            **_WHERE,
        ),
        _write_pending(waits),
    ]


def _write_pending(frame: pl.DataFrame) -> pl.DataFrame:
    return moves_of(
        frame,
        _place_after=pl.col("s_place"),
        related_instrument_id=pl.col("new_instrument_id"),
        _cross_confidence=pl.lit(0.95),
        _cross_words=pl.format("{} {} of {}", "kind", "ratio", DAY_WORDS),
        _cross_pending=pl.lit(value=True),
        **_WHERE,
    )


def _find_demergers(
    lines: pl.DataFrame, rows: pl.DataFrame, tolerance: float
) -> list[pl.DataFrame]:
    """Move to the child what the table says left the parent."""
    both = _join_targets(lines.filter(pl.col("kind") == "demerger"), rows)
    if both.is_empty():
        return []
    raw, raw1 = _multiply_by_ratio("s_q0"), _multiply_by_ratio("s_q1")
    share = pl.col("cost_share").cast(pl.Decimal(38, 8))
    # of a parent that was traded, what it was on the day lies between
    between = _RISE.is_between(
        pl.min_horizontal(raw, raw1).floor(), pl.max_horizontal(raw, raw1).floor()
    )
    added = (_f("t_c1") - _f("t_c0")) / _RISE.cast(pl.Float64())
    # more of a child held before, at the market's price, was bought
    bought = (pl.col("t_q0") > 0) & ~between & ~is_out_of_range(added, "t")
    came = ((_RISE > 0) & ~bought.fill_null(value=False)).fill_null(value=False)
    both = both.with_columns(
        _n=pl.when(came & between)
        .then(_RISE)
        .otherwise(raw.floor())
        .cast(MONEY, strict=False)
    )
    grown = pl.col("t_c1") - pl.col("t_c0")
    exact = (pl.col("_n") == _RISE) & (grown > 0)
    more = pl.col("s_q1") - pl.col("s_q0")
    same, paid = more == 0, _f("s_c1") - _f("s_c0")
    # of a parent that was bought too, the price paid tells whether its cost left
    with_child = (paid + grown.cast(pl.Float64())) / more.cast(pl.Float64())
    beside = (
        (more > 0)
        & ~is_out_of_range(with_child, "s")
        & is_out_of_range(paid / more.cast(pl.Float64()), "s")
    )
    fell = ((_f("s_a0") - _f("s_a1") > 3 * tolerance) | (exact & beside)).fill_null(
        value=False
    )
    own = (
        pl.when(same)
        .then(pl.col("s_c0") - pl.col("s_c1"))
        .when(more < 0)
        .then(product("s_q0", pl.col("s_a0") - pl.col("s_a1")))
    )
    alone = (pl.len().over("s_place") == 1) & fell & (own > 0)
    cost = (
        pl.when(exact)
        .then(grown)
        .when(share.is_not_null())
        .then((pl.col("s_c0") * share).cast(VALUE))
        .when(alone)
        .then(own)
        .cast(VALUE)
    )
    left = pl.when(~fell).then(ZERO).otherwise(pl.coalesce(own, cost))
    done, rest = both.filter(came), both.filter(~came, pl.col("_n") > 0)
    # a child that came before: its cost follows, nothing is to come
    averaged = rest.filter(
        ~(pl.col("t_q0") > 0).fill_null(value=False),
        fell & same,
        ~pl.col("s_place").is_in(done["s_place"].implode()),
    )
    waits = rest.filter(~(fell & same), pl.col("s_q1") > 0, "_is_due")
    return [
        *write_demergers(
            done,
            cost=cost,
            left=left,
            came=_say(
                "{} came from {}, {}", pl.col("_n").cast(pl.Int64()), "s_new", "ratio"
            ),
            gave=_say("gave {} as a line of its own, {}", "t_new", "ratio"),
            stayed=~fell,
            _cross_confidence=_SURE,
            **_WHERE,
        ),
        moves_of(
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
            _cross=pl.lit("demerger"),
            _cross_pending=pl.lit(value=True),
            **_WHERE,
        ),
        _write_pending(waits),
    ]


def _find_rights(lines: pl.DataFrame, tolerance: float) -> pl.DataFrame:
    """Find rights taken up, at the table's price: `_units` of them."""
    q0, q1 = pl.col("s_q0"), pl.col("s_q1")
    cash, held = pl.col("cash_per_unit"), (q0 + q1).cast(pl.Float64())
    most = _multiply_by_ratio("s_q0").floor().cast(MONEY, strict=False)
    added, paid = pl.col("s_c1") - pl.col("s_c0"), _f("s_c1") - _f("s_c0")
    beyond = paid - (most * cash).cast(pl.Float64())
    # what a split or bonus of these days multiplied was fewer when the rights came
    fewer = (q1.cast(pl.Decimal(38, 8)) * pl.col("_all_den") / pl.col("_all_num")).cast(
        MONEY, strict=False
    )
    same_cost = beyond.abs() <= held * tolerance
    multiplied = ((fewer - q0 == most) & same_cost).fill_null(value=False)
    rise = pl.when(multiplied).then(fewer).otherwise(q1) - q0
    implied = paid / rise.cast(pl.Float64())
    slack = held * tolerance / rise.cast(pl.Float64()) + 0.01
    priced = ((implied - cash.cast(pl.Float64())).abs() <= slack).fill_null(value=False)
    full = rise == most
    cheap = (implied < _f("s_p1") * (1 - pl.col("s_band") / 2)).fill_null(value=False)
    rest = beyond / (rise - most).cast(pl.Float64())
    fair = rest.is_between(
        pl.min_horizontal(_f("s_p0"), _f("s_p1")) * (1 - pl.col("s_band")),
        pl.max_horizontal(_f("s_p0"), _f("s_p1")) * (1 + pl.col("s_band")),
    ).fill_null(value=False)
    units = (
        pl.when(priced)
        .then(rise)
        .when(full & (cheap | added.is_null()))
        .then(most)
        .when((rise > most) & (most > 0) & fair)
        .then(most)
    )
    return (
        lines.filter((pl.col("kind") == "rights") & (rise > 0) & ((q0 > 0) | priced))
        .with_columns(
            _units=units,
            _sure=pl.when(priced).then(0.97).when(full).then(0.93).otherwise(0.88),
        )
        .with_columns(
            # without a price, all that came is what all that was added paid for
            _paid=pl.coalesce(
                product("_units", cash), pl.when(pl.col("_units") == rise).then(added)
            )
        )
        .filter(pl.col("_units") > 0)
    )


def _find_paid_actions(
    lines: pl.DataFrame, rows: pl.DataFrame, tolerance: float
) -> list[pl.DataFrame]:
    """Find rights taken up, shares tendered and calls paid, at the table's price."""
    rights = _find_rights(lines, tolerance)
    cash, units = pl.col("cash_per_unit"), pl.col("_units")
    most, has_ratio = _multiply_by_ratio("s_q0").floor(), pl.col("ratio").is_not_null()
    fall = pl.col("s_q0") - pl.col("s_q1")
    at_most = pl.min_horizontal(fall, most).cast(MONEY, strict=False)
    tender = (
        lines.filter(
            (pl.col("kind") == "buyback")
            & (fall > 0)
            & ((pl.col("s_q1") > 0) | (has_ratio & (fall <= most)))
        )
        .with_columns(_units=pl.when(has_ratio).then(at_most).otherwise(fall))
        .filter(pl.col("_units") > 0)
    )
    called = lines.filter(
        pl.col("kind") == "call",
        pl.col("s_id") != pl.col("s_new"),
        pl.col("s_q1") > 0,
    )
    return [
        moves_of(
            rights,
            _place_after=pl.col("s_place"),
            action_quantity=units,
            paid_value=pl.col("_paid"),
            _cross=pl.lit("rights"),
            _cross_confidence=pl.col("_sure"),
            _cross_words=_say("{} taken up at {}", _f("_units"), _PRICE_WORDS),
            **_WHERE,
        ),
        moves_of(
            tender,
            _place_after=pl.col("s_place"),
            action_quantity=-units,
            paid_value=-product(units, pl.coalesce(cash, "s_p1", "s_p0")),
            _cross=pl.lit("buyback"),
            _cross_confidence=pl.when(has_ratio & (fall == units))
            .then(0.92)
            .otherwise(0.85),
            _cross_words=_say("{} tendered at {}", _f("_units"), _PRICE_WORDS),
            **_WHERE,
        ),
        moves_of(
            called,
            _place_after=pl.col("s_place"),
            paid_value=product(pl.min_horizontal("s_q1", most), cash),
            _cross_words=pl.format("{} a unit was called", _PRICE_WORDS),
            **_WHERE,
        ),
        *_find_used_entitlements(rights, rows),
    ]


def _find_used_entitlements(
    rights: pl.DataFrame, rows: pl.DataFrame
) -> list[pl.DataFrame]:
    """Let the entitlements become the shares they were for: they were not sold."""
    lines = pick_used_entitlements(rows)
    if rights.is_empty() or lines.is_empty():
        return []
    used = (
        side_of(lines, "r")
        .with_columns(_listing=plain_symbol("r_symbol").str.replace(RIGHTS, ""))
        .join(
            rights.with_columns(_listing=plain_symbol("s_symbol")),
            on=["_group", "_listing"],
        )
        .with_columns(
            _used=pl.min_horizontal("_units", pl.col("r_q0") - pl.col("r_q1")).cast(
                MONEY, strict=False
            )
        )
    )
    value = product("_used", "r_p0").fill_null(ZERO)
    cost = (
        pl.when(pl.col("r_q0") == pl.col("_used"))
        .then("r_c0")
        .otherwise(product("_used", "r_a0"))
        .fill_null(ZERO)
    )
    common = {
        "_cross": pl.lit("rights"),
        "_cross_date": pl.col("ex_date"),
        "_cross_confidence": pl.lit(0.97),
        "_cross_words": pl.format("{} entitlements were taken up", _f("_used")),
    }
    return [
        moves_of(
            used,
            _place_after=pl.col("r_place"),
            related_instrument_id=pl.col("s_new"),
            action_quantity=-pl.col("_used"),
            action_value=-value,
            action_cost_value=-cost,
            **common,
        ),
        moves_of(
            used,
            _place_after=pl.col("s_place"),
            related_instrument_id=pl.col("r_id"),
            action_value=value,
            action_cost_value=cost,
            **common,
        ),
    ]


def _find_delistings(lines: pl.DataFrame) -> list[pl.DataFrame]:
    """Say of delisted lines without a price that they are."""
    cash, left = pl.col("cash_per_unit"), pl.col("s_q1") == 0
    cancelled = (pl.col("kind") == "capital_reduction") & (
        pl.col("ratio").is_null() & cash.is_not_null()
    )
    gone = lines.filter(
        ((pl.col("kind") == "delisting") | cancelled)
        & (
            (
                pl.col("s_p1").is_null()
                & (pl.col("_is_due") | pl.col("s_p0").is_not_null())
            )
            | (left & pl.col("_is_due"))
        )
    )
    return [
        moves_of(
            gone,
            _place_after=pl.col("s_place"),
            action_quantity=pl.when(left)
            .then(-pl.col("s_q0"))
            .otherwise(pl.lit(0, MONEY)),
            action_value=pl.when(left & cash.is_null()).then(None).otherwise(ZERO),
            paid_value=pl.when(left & cash.is_not_null())
            .then(-product("s_q0", cash))
            .otherwise(ZERO),
            _cross=pl.lit("delisted"),
            _worthless=(cash == 0).fill_null(value=False) & ~left,
            _cross_confidence=pl.lit(0.97),
            _cross_words=_say("{} of {}", "kind", DAY_WORDS),
            _cross_date=pl.col("ex_date"),
        )
    ]


def find_listed(
    rows: pl.DataFrame, actions: pl.DataFrame, *, tolerance: float, late_days: int
) -> list[pl.DataFrame]:
    """Find what the table moves between lines; the other kinds stay in one line."""
    other = ("split", "bonus", "consolidation", "rename", "dividend")
    table = actions.filter(~pl.col("kind").is_in(other)).drop("_action_no")
    if table.is_empty():
        return []
    inside = is_in_reach("s_day0", "s_day1", late_days)
    sides = side_of(rows, "s")
    lines = (
        sides.join(table, left_on="s_id_key", right_on="instrument_id")
        .filter(inside.fill_null(value=True))
        # of a line sold before, the rights may still come
        .filter((pl.col("s_q0") > 0) | (pl.col("kind") == "rights"))
        .with_columns(_is_due=is_due("s_day0"))
    )
    lines = lines.join(
        _multiply_factors(lines, actions),
        on="s_place",
        how="left",
        maintain_order="left",
    ).with_columns(pl.col("_all_num", "_all_den").fill_null(1))
    late = _find_late_mergers(rows, table, lines, late_days=late_days)
    if lines.is_empty():
        return late
    return [
        *late,
        *_find_mergers(lines, rows),
        *_find_demergers(lines, rows, tolerance),
        *_find_paid_actions(lines, rows, tolerance),
        *_find_delistings(lines),
    ]


def _multiply_factors(lines: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Multiply the splits and bonuses of each line between its two days."""
    ex_date = pl.col("ex_date")
    return (
        lines.filter(pl.col("kind") == "rights")
        .select("s_place", "s_id_key", "s_day0", "s_day1")
        .unique("s_place")
        .join(
            actions.filter(pl.col("kind").is_in(["split", "bonus", "consolidation"])),
            left_on="s_id_key",
            right_on="instrument_id",
        )
        .filter((ex_date > pl.col("s_day0")) & (ex_date <= pl.col("s_day1")))
        .group_by("s_place")
        .agg(_all_num=pl.col("_num").product(), _all_den=pl.col("_den").product())
    )


def _find_late_mergers(
    rows: pl.DataFrame, table: pl.DataFrame, lines: pl.DataFrame, *, late_days: int
) -> list[pl.DataFrame]:
    """Find merged shares that came after their source was gone from the account."""
    mergers = table.filter(pl.col("kind") == "merger").unique(
        "new_instrument_id", keep="last", maintain_order=True
    )
    here = lines.filter(pl.col("kind") == "merger").select(
        "_group", t_new_key="new_instrument_id"
    )
    window = is_in_reach("t_day0", "t_day0", late_days)
    added = pl.col("t_c1") - pl.col("t_c0")
    implied = added.cast(pl.Float64()) / _RISE.cast(pl.Float64())
    # bought on the market they would have a price of the market, and come by T+1
    odd = added.is_null() | is_out_of_range(implied, "t") | (pl.col("t_q0") == 0)
    came = (
        side_of(rows.filter(~came_by_exchange()), "t")
        .join(mergers, left_on="t_new_key", right_on="new_instrument_id")
        .filter((_RISE > 0) & window & odd)
        .join(here, on=["_group", "t_new_key"], how="anti")
    )
    if came.is_empty():
        return []
    return [
        moves_of(
            came,
            _place_after=pl.col("t_place"),
            related_instrument_id=pl.col("instrument_id"),
            action_quantity=_RISE,
            action_value=pl.lit(None, VALUE),
            action_cost_value=added,
            _cross=pl.lit("merger"),
            _cross_confidence=pl.lit(0.85),
            _cross_words=_say(
                "{} came for {} merged on {}",
                _RISE.cast(pl.Float64()),
                "instrument_id",
                pl.col("ex_date").dt.to_string(),
            ),
            **_WHERE,
        )
    ]


def with_income(rows: pl.DataFrame, actions: pl.DataFrame) -> pl.DataFrame:
    """Add the dividends of the table: cash a unit × units held before the ex-date.

    Units are known where nothing was traded, or where the ex-date is the first day
    after the snapshot. Money is not in a payload of holdings: the income stands beside
    value and P&L, in neither.
    """
    paid = actions.filter(pl.col("kind") == "dividend")
    if paid.is_empty():
        return rows.with_columns(income_value=ZERO)
    q0, day0 = pl.col("owned_quantity_before"), pl.col("_day0")
    due, acted = pl.col("_due"), pl.col("_num") != pl.col("_den")
    still = (pl.col("traded_quantity") == 0) & (pl.col("transferred_quantity") == 0)
    alone = still & pl.col("_cross").is_null()
    first = pl.business_day_count(day0, due) == 1
    units = (
        pl.when(first | (alone & (~acted | (due <= pl.col("ex_date")))))
        .then(q0)
        .when(alone & (due > pl.col("ex_date")))
        .then("owned_quantity_after")
    )
    due_rows = (
        rows.with_columns(_key=known_isin("instrument_id_before", "instrument_id"))
        .filter(q0 > 0)
        .join(
            paid.select(_key="instrument_id", _due="ex_date", _cash="cash_per_unit"),
            on="_key",
        )
        .filter((due > day0) & (due <= pl.col("_day1")))
        .select("_place_after", _income=product(units, "_cash"))
        .group_by("_place_after")
        .agg(
            _has_dividend=pl.lit(value=True),
            _income=total("_income").cast(VALUE),
        )
    )
    income = pl.when("_has_dividend").then("_income").otherwise(ZERO)
    words = pl.when("_has_dividend").then(
        pl.when(pl.col("_income").is_not_null())
        .then(
            pl.format(
                "a dividend of {} in all, which is no part of the holdings",
                pl.col("_income").cast(pl.Float64()),
            )
        )
        .otherwise(pl.lit("a dividend on units that are not known"))
    )
    return (
        rows.join(due_rows, on="_place_after", how="left", maintain_order="left")
        .with_columns(
            income_value=income,
            evidence=pl.concat_str(
                "evidence", words, separator="; ", ignore_nulls=True
            ),
        )
        .drop("_has_dividend", "_income")
    )
