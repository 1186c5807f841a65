"""Mergers, demergers and rights that no table names, found by conservation of cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from holdings_kit.changes._crossings import (
    FIGURES,
    MOVE,
    RIGHTS,
    SIDE_COLUMNS,
    ZERO,
    is_out_of_range,
    moves_of,
    pick_used_entitlements,
    side_of,
    to_float as _f,
    write_demergers,
    write_mergers,
)
from holdings_kit.changes._factors import price_band
from holdings_kit.schema import MONEY, VALUE, product

if TYPE_CHECKING:
    from collections.abc import Iterator

_FINE: Final = 0.002  # of a cost that rounding may hide: a smaller gap is telling
_COARSE: Final = 0.01
_TRIPLE: Final = 3
_FEW: Final = 12  # lines of one account that came; of more, pairs prove nothing
_MANY: Final = 20  # units: of fewer, a fraction is so large that any cost would fit
_UNSURE: Final = 0.15  # of a unit: what rounding may hide where units must be whole
_SOME: Final = 0.4  # of the band of prices: what is beyond was hardly bought
_DAY: Final = 0.03  # how far beyond both closes a price of the days between lies
_USUAL: Final = (
    *((1, old) for old in (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 25, 50, 100)),
    *((2, 1), (3, 1), (4, 1), (5, 1), (10, 1), (2, 5), (3, 5), (2, 3), (3, 2)),
)
"""Shares of the child for shares of the parent, as companies give them."""
_EQUITY: Final = r"^IN[E9][A-Z0-9]{4}01[0-9]{3}$"


def _pair_costs(
    ones: pl.DataFrame, lines: pl.DataFrame, tolerance: float
) -> pl.DataFrame:
    """Find the sets of an account's lines whose costs are together that of one line.

    `ones` has the cost looked for (`_wanted`). Where several sets have it, none is
    taken but the one of fewest lines; where that is not one, none. A row of the result
    is one line of a set; `_sure` says that chance hardly makes such a set.
    """
    ones = ones.filter(pl.col("_wanted") > 0)
    # how far the rounding of their averages may set apart two sums of costs
    rounding = (pl.col("_size") + pl.col("_units")) * tolerance / 2
    hidden = rounding / pl.col("_cost")
    chance = hidden * pl.col("_tried")
    every = pl.concat(
        ones.join(sets, on="_group")
        .filter(
            (pl.col("_wanted") - pl.col("_cost")).abs() <= rounding,
            chance < _COARSE * 2,
            hidden < _COARSE,
        )
        .select("_one", "_set", "_cost", "_size", "_units", "_tried")
        for sets in _list_sets(lines.join(ones, on="_group", how="semi"))
    )
    every = every.with_columns(_sure=chance < _FINE, _lines=pl.col("_set").list.len())
    fewest = pl.col("_lines") == pl.col("_lines").min()
    every = every.filter(fewest.over("_one")).filter(pl.len().over("_one") == 1)
    rows = every.explode("_set").rename({"_set": "_line"})
    rows = rows.filter(pl.len().over("_line") == 1)
    return rows.filter(pl.len().over("_one") == pl.col("_lines"))


def _list_sets(lines: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """List sets of an account's lines: one to three of them, all of them, all but one.

    `_tried` is how many sets of so few lines there are: by chance one of many is near
    any cost.
    """
    one = lines.select(
        "_group",
        "_line",
        "_cost",
        "_size",
        _count=pl.len().over("_group").cast(pl.Float64()),
        _set=pl.concat_list("_line"),
    )
    n = pl.col("_count")
    last = one.with_columns(_tried=n)
    yield last
    few = one.filter(n > 1, n <= _FEW)
    more = few.select("_group", pl.col("_line", "_cost", "_size").name.suffix("_more"))
    for tried in (n * (n + 1) / 2, n * (n * n + 5) / 6):
        if few.is_empty():
            break
        last = (
            last.join(more, on="_group")
            .filter(pl.col("_line_more") > pl.col("_line"))
            .with_columns(
                _line="_line_more",
                _cost=pl.col("_cost") + pl.col("_cost_more"),
                _size=pl.col("_size") + pl.col("_size_more"),
                _set=pl.col("_set").list.concat(pl.concat_list("_line_more")),
                _tried=tried,
            )
        )
        yield last
    many = one.filter(n > _TRIPLE)
    if many.is_empty():
        return
    whole = many.group_by("_group").agg(
        pl.col("_cost", "_size").sum(),
        pl.col("_count").first(),
        _set=pl.col("_line").sort(),
    )
    yield whole.with_columns(_tried=2 * n)
    yield (
        many.filter(n > _TRIPLE + 1)
        .join(whole, on="_group", suffix="_all")
        .select(
            "_group",
            _cost=pl.col("_cost_all") - pl.col("_cost"),
            _size=pl.col("_size_all") - pl.col("_size"),
            _set=pl.col("_set_all").list.set_difference("_set"),
            _tried=2 * n,
        )
    )


def _is_equity(*names: str) -> pl.Expr:
    """Tell shares, or names that are no ISIN: bonds and funds do not merge so."""
    return pl.all_horizontal(
        pl.col(name).str.contains(_EQUITY)
        | ~pl.col(name).str.contains(r"^IN[A-Z0-9]{10}$")
        for name in names
    )


def _write_proven_mergers(pairs: pl.DataFrame) -> list[pl.DataFrame]:
    """Write down lines whose whole cost reappears in another line of the account."""
    rise = pl.col("t_q1") - pl.col("t_q0")
    added = _f("t_c1") - _f("t_c0")
    found = pairs.filter(
        _is_equity("s_id", "t_new"),
        (rise != pl.col("s_q0"))
        | is_out_of_range(added / rise.cast(pl.Float64()), "t"),
    ).with_columns(
        _units=pl.col("s_q0"),
        _n=(_f("s_c0") / pl.col("_cost") * rise.cast(pl.Float64())).round(),
        _last=pl.col("_line") == pl.col("_line").max().over("t_place"),
    )
    # of several sources each gave its part; what came is the sum of the parts
    others = pl.col("_n").sum().over("t_place") - pl.col("_n")
    return _write_mergers(
        found.with_columns(
            _n=pl.when("_last").then(_f("t_q1") - _f("t_q0") - others).otherwise("_n"),
            _moved=pl.when(pl.col("_lines") == 1)
            .then(pl.col("t_c1") - pl.col("t_c0"))
            .otherwise("s_c0"),
            _confidence=pl.when("_sure").then(0.95).otherwise(0.75),
            _words=pl.lit("its whole cost is there"),
        )
    )


def _write_mergers(found: pl.DataFrame) -> list[pl.DataFrame]:
    """Write down mergers: `_units` of the source became `_n` of the target."""
    return write_mergers(
        found.with_columns(pl.col("_units", "_n").cast(MONEY, strict=False)),
        gone=pl.format("merged into {}: {}", "t_new", "_words"),
        came=pl.format("{} came for {}: {}", _f("_n"), "s_id", "_words"),
        _cross_confidence=pl.col("_confidence"),
    )


def _find_traded_mergers(pairs: pl.DataFrame, tolerance: float) -> list[pl.DataFrame]:
    """Find mergers beside which source or target was traded, or a fraction was paid.

    Both values agree, and one account of the costs gives whole units; as a plain
    purchase what came would have had a price that nobody asked.
    """
    rise, added = _f("t_q1") - _f("t_q0"), _f("t_c1") - _f("t_c0")
    low = pl.min_horizontal(_f("t_p0"), _f("t_p1"))
    high = pl.max_horizontal(_f("t_p0"), _f("t_p1"))
    pairs = pairs.filter(_is_equity("s_id", "t_new"), _f("s_c0") > 0)
    if pairs.is_empty():
        return []
    rounding = tolerance / 2
    q0, c0 = _f("s_q0"), _f("s_c0")
    # all of it came, and some was sold: the average is that of all of it
    everything = (c0 + _f("t_c0")) / _f("t_a1")
    hidden = everything * rounding / _f("t_a1") + (q0 + _f("t_q0")) * (
        rounding / _f("t_a1")
    )
    sold_after = (
        ((everything - everything.round()).abs() <= hidden)
        & (hidden < _UNSURE)
        & (everything.round() > _f("t_q1"))
    )
    # some was sold before: what came has the cost of whole units of the source
    units = added / _f("s_a0")
    vague = (_f("t_q0") + _f("t_q1")) * rounding / _f("s_a0")
    sold_before = (
        ((units - units.round()).abs() <= vague)
        & (vague < _UNSURE)
        & (units.round() < q0)
        & (units.round() > 0)
    )
    # more was bought: the rest of the cost is the market's price of whole units
    rest = added - c0
    most, least = rest / (low * (1 - _DAY)), rest / (high * (1 + _DAY))
    bought_more = (rest > 0) & (most.floor() == least.ceil()) & (most.floor() < rise)
    # a fraction was paid out, and its cost with it; of few units any cost would fit
    fraction = c0 / added * rise - rise
    paid_out = (fraction > 0) & (fraction < 1) & (rise >= _MANY)
    accounts = [
        (paid_out, q0, rise, "a fraction of it was paid in cash"),
        (sold_after, q0, everything.round() - _f("t_q0"), "some was sold after it"),
        (sold_before, units.round(), rise, "some was sold before it"),
        (bought_more, q0, rise - most.floor(), "more was bought"),
    ]
    found = pl.concat(
        pairs.filter(test.fill_null(value=False)).with_columns(
            _units=of, _n=came, _words=pl.lit(words), _rank=pl.lit(place)
        )
        for place, (test, of, came, words) in enumerate(accounts)
    )
    parity = pl.col("_units") * _f("s_p0") / (pl.col("_n") * _f("t_p1"))
    near = parity.log().abs() < (1 + pl.col("t_band") / 2).log()
    found = (
        found.filter((pl.col("_n") >= 1) & near)
        .sort("_rank")
        .unique(["s_place", "t_place"], keep="first", maintain_order=True)
    )
    return _write_mergers(
        _keep_single_pairs(found).with_columns(
            _moved=pl.when(pl.col("_rank") == 0)
            .then(pl.col("t_c1") - pl.col("t_c0"))
            .when(pl.col("_units") == q0)
            .then("s_c0")
            .otherwise(product(pl.col("_units").cast(MONEY), "s_a0")),
            _confidence=pl.lit(0.65),
        )
    )


def _find_traded_demergers(pairs: pl.DataFrame, tolerance: float) -> pl.DataFrame:
    """Find children that were sold in part, and parents that were bought besides."""
    lost, rounding = pl.col("_wanted"), tolerance / 2
    # the average of the child is what the parent lost, over whole units
    given = lost / _f("t_a1")
    hidden = (_f("s_q0") + _f("s_q1") + given) * rounding / _f("t_a1")
    sold = (
        (pl.col("s_q1") <= pl.col("s_q0"))
        & ((given - given.round()).abs() <= hidden)
        & (hidden < _UNSURE / 3)
        & (given.round() > _f("t_q1"))
        & pl.any_horizontal(
            given.round() == (_f("s_q0") * few / old).floor() for few, old in _USUAL
        )
    )
    more = _f("s_q1") - _f("s_q0")
    price = (_f("s_c1") - _f("s_c0") + _f("t_c1")) / more
    bought = (
        (more > 0)
        & ~is_out_of_range(price, "s", share=_SOME)
        & is_out_of_range((_f("s_c1") - _f("s_c0")) / more, "s")
    )
    found = pl.concat(
        [
            pairs.filter(sold.fill_null(value=False)).with_columns(
                _n=given.round().cast(MONEY, strict=False),
                _moved=product(given.round().cast(MONEY), pl.col("t_a1")),
            ),
            pairs.filter(bought.fill_null(value=False)).with_columns(
                _n=pl.col("t_q1"), _moved=pl.col("t_c1")
            ),
        ],
        how="vertical_relaxed",
    ).with_columns(_confidence=pl.lit(0.7))
    return _keep_single_pairs(found)


def _keep_single_pairs(pairs: pl.DataFrame) -> pl.DataFrame:
    """Keep the pairs whose source has one target, and then whose target one source."""
    for end in ("s_place", "t_place"):
        pairs = pairs.filter(pl.len().over(end) == 1)
    return pairs


def _find_entitlements(rows: pl.DataFrame) -> list[pl.DataFrame]:
    """Find rights taken up: an entitlement is gone, and its share has grown cheaply."""
    held = rows.filter(pl.col("owned_quantity_before") > 0)
    gone = pick_used_entitlements(held)
    if gone.is_empty():
        return []
    grown = held.filter(
        pl.col("owned_quantity_after") > pl.col("owned_quantity_before")
    )
    pairs = (
        side_of(gone, "s")
        .with_columns(_share=pl.col("s_symbol").str.replace(RIGHTS, ""))
        .join(
            side_of(grown, "t"),
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
    paid = pl.col("t_c1") - pl.col("t_c0") - pl.col("s_c0").fill_null(ZERO)
    found = _keep_single_pairs(pairs.filter(rise == pl.col("_units")))
    value = product("_units", "s_p0")
    left = (pl.col("s_c0") * pl.col("_units") / pl.col("s_q0")).fill_null(0).cast(VALUE)
    common = {"_cross": pl.lit("rights"), "_cross_confidence": pl.lit(0.95)}
    return [
        moves_of(
            found,
            _place_after=pl.col("s_place"),
            related_instrument_id=pl.col("t_new"),
            action_quantity=-pl.col("_units"),
            action_value=-value.fill_null(0),
            action_cost_value=-left,
            _cross_words=pl.format("{} entitlements were taken up", _f("_units")),
            **common,
        ),
        moves_of(
            found,
            _place_after=pl.col("t_place"),
            related_instrument_id=pl.col("s_id"),
            action_quantity=pl.col("_units"),
            action_value=value.fill_null(0),
            action_cost_value=left,
            paid_value=paid,
            _cross_words=pl.format(
                "{} taken up with the entitlements {}", _f("_units"), "s_id"
            ),
            **common,
        ),
    ]


def find_unlisted(
    rows: pl.DataFrame, listed: list[pl.DataFrame], *, tolerance: float
) -> list[pl.DataFrame]:
    """Add to what the table says what costs prove besides.

    A source of which the table says only that it is gone is looked for too.
    """
    claims = pl.concat([pl.DataFrame(schema=MOVE), *listed])
    limbo = claims.filter((pl.col("_cross") == "merger") & pl.col("_cross_pending"))
    claimed = claims.join(limbo, on="_place_after", how="anti")["_place_after"]
    place = pl.col("_place_after").cast(pl.UInt32())
    free = rows.filter(~place.is_in(claimed.implode())) if claimed.len() else rows
    found = [*_find_entitlements(free), *_find_conserved(free, tolerance)]
    if not found or limbo.is_empty():
        return [*listed, *found]
    places = pl.concat(part["_place_after"] for part in found)
    waits = limbo.filter(pl.col("_place_after").is_in(places.implode()))
    return [
        *(part.join(waits, on="_place_after", how="anti") for part in listed),
        *found,
    ]


def _take_known_lines(free: pl.DataFrame, tolerance: float) -> pl.DataFrame:
    """Take the figures of the lines into which a cost may have gone, or left."""
    figures = {f"_{short}": _f(name) for short, name in FIGURES.items()}
    q0, q1, c0, c1, a0, a1, p0, p1 = figures.values()
    symbol = pl.coalesce("symbol_before", "symbol_after").fill_null("")
    paid, band = (c1 - c0) / (q1 - q0), price_band()
    low, high = pl.min_horizontal(p0, p1), pl.max_horizontal(p0, p1)
    beyond = (paid < low * (1 - band * _SOME)) | (paid > high * (1 + band * _SOME))
    drop = a0 - a1 > 3 * tolerance
    near = _find_candidates(free)
    if near.is_empty():
        return near
    rows = free.select(
        pl.col(*_ASKED).gather(near["_line"]), symbol=symbol.gather(near["_line"])
    )
    return (
        pl.concat([near.drop("_group"), rows], how="horizontal")
        .select(
            "_group",
            "_line",
            "_gone",
            "_grown",
            **figures,
            # or, of a parent that was bought too, at a price that is too low
            _fallen=(q0 > 0)
            & (q1 > 0)
            & (drop | ((q1 > q0) & (paid < low * (1 - band)))),
            _odd=(beyond & p1.is_not_null()).fill_null(value=False),
            _plain=~pl.col("symbol").str.contains(RIGHTS),
        )
        .filter("_plain", pl.any_horizontal("_gone", "_grown", "_fallen"))
    )


_ASKED: Final = ("_group", "_day0", "_day1", *FIGURES.values())


def _find_candidates(free: pl.DataFrame) -> pl.DataFrame:
    """Keep, by comparing only, the lines of accounts in which a cost may have moved.

    Something grew in them, and another line is gone or became cheaper; most have not.
    """
    q0, q1, c0, c1, a0, a1, *_ = map(pl.col, FIGURES.values())
    flags = free.lazy().select(
        "_group",
        _line=pl.int_range(pl.len(), dtype=pl.UInt32()),
        _gone=(q0 > 0) & (q1 == 0),
        _grown=(q1 > q0) & (c1 > c0),
        _new=(q0 == 0) & (q1 > 0),
        _more=(q1 > q0) & (q0 > 0),
        _cheaper=(a1 < a0) & (q0 > 0) & (q1 > 0),
        _known=c0.is_not_null() & c1.is_not_null(),
    )
    left = pl.col("_gone") | pl.col("_cheaper")
    tests = (pl.col("_grown"), left, pl.col("_new"), pl.col("_more"))
    bits = pl.sum_horizontal(
        test.fill_null(value=False).cast(pl.UInt8()) * 2**place
        for place, test in enumerate(tests)
    )
    grown, lost, new, more = (
        pl.col("_bits") // 2**place % 2 == 1 for place in range(len(tests))
    )
    return (
        flags.filter("_known", left | pl.col("_grown"))
        # what is so of some line of the account
        .with_columns(_bits=bits.cast(pl.UInt8()).bitwise_or().over("_group"))
        .filter(grown & (lost | (new & more)))
        .collect()
    )


def _find_conserved(free: pl.DataFrame, tolerance: float) -> list[pl.DataFrame]:
    """Look where something left the cost of one line and came into another's."""
    known = _take_known_lines(free, tolerance)
    if known.is_empty():
        return []
    gone, grown, fallen = (known.filter(f) for f in ("_gone", "_grown", "_fallen"))
    units = pl.col("_q0") + pl.col("_q1")
    added = pl.col("_c1") - pl.col("_c0")
    found: list[pl.DataFrame] = []
    pairs = _pair_costs(
        grown.select("_group", _one="_line", _wanted=added, _units=units),
        gone.select("_group", "_line", _cost="_c0", _size="_q0"),
        tolerance,
    )
    if pairs.height:
        found = _write_proven_mergers(_fetch_both(free, pairs, one="t", line="s"))
        gone, grown, fallen = (
            _leave_out(part, found, free) for part in (gone, grown, fallen)
        )
    # of a parent sold in part after it, the average tells what it lost
    lost = (
        pl.when(pl.col("_q1") < pl.col("_q0"))
        .then(pl.col("_q0") * (pl.col("_a0") - pl.col("_a1")))
        .otherwise(-added)
    )
    parents = fallen.select("_group", _one="_line", _wanted=lost, _units=units)
    children = grown.select("_group", "_line", _cost=added, _size=units)
    pairs = _pair_costs(parents, children, tolerance)
    odd = grown.filter("_odd").select("_group", "_line", new=pl.col("_q0") == 0)
    rest = parents.join(pairs, on="_one", how="anti").join(
        odd.filter("new").join(pairs, on="_line", how="anti"), on="_group"
    )
    parts: list[pl.DataFrame] = []
    if pairs.height:
        proven = _fetch_both(free, pairs, one="s", line="t").with_columns(
            _n=pl.col("t_q1") - pl.col("t_q0"),
            _moved=pl.col("t_c1") - pl.col("t_c0"),
            _confidence=pl.when("_sure").then(0.96).otherwise(0.75),
        )
        parts.append(proven.select(_DEMERGED))
    if rest.height:
        pairs = _fetch_both(free, rest, one="s", line="t")
        parts.append(_find_traded_demergers(pairs, tolerance).select(_DEMERGED))
    if parts:
        found += write_demergers(
            pl.concat(parts),
            cost=pl.col("_moved"),
            left=pl.col("_moved"),
            came=pl.format("its cost left {}", "s_new"),
            gave=pl.format("the cost it lost is in {} now", "t_new"),
            stayed=pl.lit(value=False),
            _cross_confidence=pl.col("_confidence"),
        )
        gone, odd = (_leave_out(part, found, free) for part in (gone, odd))
    rest = odd.select("_group", _one="_line").join(
        gone.select("_group", "_line"), on="_group"
    )
    if rest.height:
        pairs = _fetch_both(free, rest, one="t", line="s")
        found += _find_traded_mergers(pairs, tolerance)
    return found


_DEMERGED: Final = (
    *("s_place", "s_new", "t_place", "t_new", "t_p1"),
    *("_n", "_moved", "_confidence"),
)


def _fetch_both(
    free: pl.DataFrame, pairs: pl.DataFrame, *, one: str, line: str
) -> pl.DataFrame:
    """Fetch what is asked of the two lines of each pair."""
    lines = pl.col(SIDE_COLUMNS)
    sides = [
        side_of(free.select(lines.gather(pairs[place])), prefix).drop("_group")
        for place, prefix in (("_one", one), ("_line", line))
    ]
    return pl.concat([pairs, *sides], how="horizontal")


def _leave_out(
    part: pl.DataFrame, found: list[pl.DataFrame], free: pl.DataFrame
) -> pl.DataFrame:
    """Leave out the lines that are explained."""
    if not found:
        return part
    places = pl.concat(moves["_place_after"] for moves in found)
    place = free["_place_after"].cast(pl.UInt32()).gather(part["_line"])
    return part.filter(~place.is_in(places.implode()))
