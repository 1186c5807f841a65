"""Actions that multiply one line: from the table where borne out, or from numbers.

A line is weighed under several accounts of it: nothing but trades; a factor with the
average restated; a factor with the average left as it was. Each must agree with the
whole units that are held, with the average to the paisa where nothing was traded, and
with the prices of both days where something was. The best account is taken.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import polars as pl

from holdings_kit.changes._actions import ISIN, known_isin, products, with_root
from holdings_kit.changes._frames import with_rare
from holdings_kit.schema import MONEY, VALUE

_USUAL_BONUS: Final = (
    "1:1 1:2 2:1 3:1 4:1 1:3 1:4 1:5 1:10 2:3 2:5 3:2 3:5 1:8 3:4 5:1 1:20 7:1 9:1"
)
_SPLITS: Final = ("2", "5", "10", "5/2", "4", "20", "50", "100", "25")
_COMPOSED: Final = ("15", "30", "40", "15/2", "25/2", "12", "8", "6")
_LARGEST_BONUS: Final = 10
_FAR: Final = 3  # a gap of so many tolerances is no rounding
_BEATS: Final = 0  # points an action must have more than trades alone
_ENOUGH: Final = 3  # points an action needs without a table
_IMPOSSIBLE: Final = -100
_PROOF: Final = 5  # points of an average equal to the paisa, nothing traded
_SIGN: Final = 3  # of an average equal to the paisa, some sold
_STEP: Final = 0.07  # of the price's logarithm; a bonus of 1:10 makes 0.095
_LEAST: Final = 0.045  # of the quantity's logarithm; a bonus of 1:20 makes 0.049
_AVERAGE_STEP: Final = 0.09
_TELLING: Final = 1.2  # bands a factor must exceed for the price to say something
_NEAREST: Final = 0.12  # how far a guess may lie from the factor it means
_SPLIT_ONLY: Final = 9  # bonuses of so many new for one held are not given
_EPS: Final = 5e-5


def _list_factors() -> pl.DataFrame:
    """List the factors looked for: their usual name, and whether they are unusual."""
    rows: dict[Fraction, dict[str, object]] = {}

    def add(factor: Fraction, *, rare: bool, splits: bool) -> None:
        rows.setdefault(
            factor,
            {
                "_num": factor.numerator,
                "_den": factor.denominator,
                "_factor": float(factor),
                "_rare": rare,
                "_may_split": splits,
            },
        )

    for text in _SPLITS:
        add(Fraction(text), rare=False, splits=True)
        if text != "5/2":
            add(1 / Fraction(text), rare=False, splits=False)
    for text in _USUAL_BONUS.split():
        new, old = map(int, text.split(":"))
        add(1 + Fraction(new, old), rare=False, splits=False)
    for text in _COMPOSED:
        add(Fraction(text), rare=True, splits=True)
    for old in range(1, _LARGEST_BONUS + 1):
        for new in range(1, _LARGEST_BONUS + 1):
            add(1 + Fraction(new, old), rare=True, splits=False)
    return pl.DataFrame(list(rows.values())).sort("_factor")


_LIST: Final = _list_factors()

_Q0: Final = pl.col("_q0")
_Q1: Final = pl.col("_q1")
_A0: Final = pl.col("_a0")
_A1: Final = pl.col("_a1")
_C0: Final = pl.col("_c0")
_C1: Final = pl.col("_c1")
_P0: Final = pl.col("_p0")
_P1: Final = pl.col("_p1")


def price_band() -> pl.Expr:
    """How far a price may have gone between the snapshots, as a fraction either way."""
    days = (pl.col("_day1") - pl.col("_day0")).dt.total_days().fill_null(3).clip(0, 400)
    return (0.06 + 0.06 * days.cast(pl.Float64()).sqrt()).clip(0.1, 0.6)


def _weigh_account(factor: pl.Expr, *, restated: bool, tolerance: float) -> pl.Expr:
    """Weigh one account of a line; `_IMPOSSIBLE` where it contradicts the numbers.

    `factor` 1 is the account of trades alone.
    """
    raw = _Q0 * factor
    adjusted = pl.when("_whole").then((raw + _EPS).floor()).otherwise(raw)
    average = _A0 / factor if restated else _A0
    cost = _C0 if restated else adjusted * _A0
    traded = _Q1 - adjusted
    still = traded.abs() < _EPS
    known = _A0.is_not_null() & _A1.is_not_null()
    # the cost of a fraction paid out may stay in the rest or leave with it
    room = tolerance * pl.max_horizontal(pl.lit(1.0), (1 + 1 / factor) / 2)
    low_average = average - room
    high_average = pl.max_horizontal(average, cost / adjusted) + room
    exact = _A1.is_between(low_average, high_average)
    band = pl.col("_band")
    low = pl.min_horizontal(_P0 / factor, _P1) * (1 - band)
    high = pl.max_horizontal(_P0 / factor, _P1) * (1 + band)
    rounding = (adjusted + _Q1) * tolerance / 2 / traded.abs()
    paid = (_C1 - cost) / traded
    fair = paid.is_between(low - rounding, high + rounding).fill_null(value=True)
    fifo = (cost * (1 + 1e-9) >= _C1) & (_A1 / average).is_between(0.34, 3.0)
    far = (_A1 - _A0).abs() > _FAR * tolerance
    trades = (
        pl.when(~known)
        .then(pl.when(still).then(1).otherwise(0))
        .when(still)
        .then(
            pl.when(exact)
            .then(pl.when(far | (not restated)).then(5).otherwise(2))
            .otherwise(_IMPOSSIBLE)
        )
        .when(traded > 0)
        .then(pl.when(fair).then(2).otherwise(_IMPOSSIBLE))
        .otherwise(
            pl.when(exact)
            .then(pl.when(far | (not restated)).then(3).otherwise(2))
            .when(fifo)
            .then(1)
            .otherwise(_IMPOSSIBLE)
        )
    )
    proof = (known & still & exact & far & (factor > 1)).fill_null(value=False)
    fell = _P0 / _P1
    gap = (fell / factor).log().abs()
    match = (gap <= (1 + band).log()).fill_null(value=False)
    # a factor near 1 is within what prices do: then the price says nothing
    telling = (factor.log().abs() > _TELLING * (1 + band).log()).fill_null(value=False)
    return (
        trades
        + pl.when(telling & match).then(2).otherwise(0)
        # equal cost and whole units prove it, though the price fell by more: another
        # action may have begun
        - pl.when(telling & ~match & fell.is_not_null() & ~(proof & restated))
        .then(3)
        .otherwise(0)
    )


def _weigh_candidates(candidates: pl.DataFrame, tolerance: float) -> pl.DataFrame:
    """Weigh every candidate against trades alone; drop those that do not win."""
    factor = pl.col("_num") / pl.col("_den")
    full = _Q0 * factor
    # a factor with the old average shows in the quantity: nearer to it than to before
    rose = ((_Q1 - full).abs() < (_Q1 - _Q0).abs()) & ((full - _Q0) * (_Q1 - _Q0) > 0)
    same_way = (full - _Q0) * (_Q1 - _Q0) > 0
    unmoved = ((_A1 - _A0).abs() < tolerance / 2).fill_null(value=False)
    moved = ((_A1 - _A0 / factor).abs() < (_A1 - _A0).abs()).fill_null(value=True)
    near = (_P0 / _P1 / factor).log().abs() < (1 + pl.col("_band")).log()
    telling = factor.log().abs() > _TELLING * (1 + pl.col("_band")).log()
    matched = (near & telling).fill_null(value=False)
    adjusted = pl.when("_whole").then((full + _EPS).floor()).otherwise(full)
    whole_credit, grows = (adjusted - _Q1).abs() < _EPS, factor > 1
    one = pl.lit(1.0)
    # lazy: what the three accounts share is computed once
    weighed = (
        candidates.lazy()
        .with_columns(
            _restated=_weigh_account(factor, restated=True, tolerance=tolerance),
            _left=_weigh_account(factor, restated=False, tolerance=tolerance),
            _plain=_weigh_account(one, restated=True, tolerance=tolerance)
            # the price fell by the factor: trades alone do not explain that
            - pl.when(matched).then(2).otherwise(0),
        )
        .with_columns(
            _restated=pl.when(moved & (rose | (pl.col("_restated") >= _SIGN)))
            .then("_restated")
            .otherwise(_IMPOSSIBLE),
            # an average equal to the paisa means no purchase: what came is the credit;
            # what went with it was sold, unless the price rose by the factor
            _left=pl.when(
                (rose | (same_way & unmoved)) & (matched | (whole_credit & grows))
            )
            .then("_left")
            .otherwise(_IMPOSSIBLE),
        )
    )
    best = pl.max_horizontal("_restated", "_left")
    prior = pl.when("_listed").then(3).when("_rare").then(-1).otherwise(0)
    return (
        weighed.with_columns(
            _score=best + prior,
            _late=(pl.col("_left") > pl.col("_restated")),
            _exact=(best >= _PROOF) & (adjusted - _Q1).abs().lt(_EPS),
            _gap=(_P0 / _P1 / factor).log().abs().fill_null(9.0),
        )
        .filter(
            (adjusted - _Q0).abs() > _EPS,  # of too few units nothing comes
            pl.col("_score")
            >= pl.when("_listed")
            .then(0)
            .when(pl.col("_plain") < 0)
            .then(_ENOUGH - 1)
            .otherwise(_ENOUGH),
            pl.col("_score") > pl.col("_plain") + _BEATS,
        )
        .collect()
    )


def _value_before() -> pl.Expr:
    value = pl.col("owned_quantity_before").cast(VALUE) * pl.col("price_before")
    held = pl.when(pl.col("owned_quantity_before") == 0).then(pl.lit(0, VALUE))
    return (held.otherwise(value) + pl.col("action_value")).cast(pl.Float64())


def _take_figures(rows: pl.DataFrame) -> pl.DataFrame:
    """Take the figures of lines held on both sides, as floats for weighing."""
    q1 = pl.col("owned_quantity_after")
    base = pl.col("_base_quantity")
    whole = (base.floor() == base) & (q1.floor() == q1)
    return (
        rows.filter((base > 0) & (q1 > 0))
        .select(
            "_place_after",
            "_link_confidence",
            _same_isin=pl.col("_link").is_null()
            & pl.col("instrument_id").str.contains(ISIN),
            _new_isin=pl.col("_link").is_not_null() & ~pl.col("_same_share"),
            _id=known_isin("instrument_id_before", "instrument_id"),
            _day0="_day0",
            _day1="_day1",
            _whole=whole,
            _q0=base.cast(pl.Float64()),
            _q1=q1.cast(pl.Float64()),
            _c0=pl.col("_base_cost").cast(pl.Float64()),
            _c1=pl.col("cost_value_after").cast(pl.Float64()),
            _a0=pl.when(pl.col("_moved_cost"))
            .then(pl.col("_base_cost").cast(pl.Float64()) / base.cast(pl.Float64()))
            .otherwise(pl.col("average_price_before").cast(pl.Float64())),
            _a1=pl.col("average_price_after").cast(pl.Float64()),
            # of a line that gave or got another's value, a unit with or without it
            _p0=pl.when(pl.col("_cross").is_in(["merger", "demerger"]))
            .then(_value_before() / base.cast(pl.Float64()))
            .otherwise(pl.col("price_before").cast(pl.Float64())),
            _p1=pl.col("price_after").cast(pl.Float64()),
        )
        .with_columns(
            _c0=pl.coalesce("_c0", _Q0 * _A0),
            _c1=pl.coalesce("_c1", _Q1 * _A1),
            _band=price_band(),
        )
    )


def _propose_factors(lines: pl.DataFrame, tolerance: float) -> pl.DataFrame:
    """Propose the usual factors nearest to what quantity, average and price say."""
    lines = lines.filter(_Q0 != _Q1)
    growth, average, fall = _Q1 / _Q0, _A0 / _A1, _P0 / _P1
    same_average = (_A1 - _A0).abs() <= tolerance
    same_cost = (_C1 - _C0).abs() <= (_Q0 + _Q1) * tolerance / 2
    dear = ~_A0.is_between(
        pl.min_horizontal(_P0, _P1) * (1 - pl.col("_band") / 2),
        pl.max_horizontal(_P0, _P1) * (1 + pl.col("_band") / 2),
    )
    fell = fall.log().abs() > _STEP
    doubtful = (
        (same_cost & ~same_average)
        | (average.log().abs() > _AVERAGE_STEP)
        | fell
        | (same_average & dear & (growth.log().abs() > _LEAST))
        | pl.col("_new_isin")
    ).fill_null(value=False)
    lines = lines.filter(doubtful)
    if lines.is_empty():
        return pl.DataFrame()
    guesses = pl.concat(
        lines.select("_place_after", _factor=guess) for guess in (growth, average, fall)
    )
    near = (
        guesses.filter(pl.col("_factor").is_between(0.005, 200))
        .sort("_factor")
        .with_columns(_guess="_factor")
        .join_asof(_LIST, on="_factor", strategy="nearest")
        .filter(
            (pl.col("_guess") / (pl.col("_num") / pl.col("_den"))).log().abs()
            < _NEAREST
        )
        .select("_place_after", "_num", "_den", "_rare", "_may_split")
        .unique(["_place_after", "_num", "_den"])
    )
    return lines.join(near, on="_place_after").with_columns(
        _listed=pl.lit(value=False),
    )


def _name_factors(found: pl.DataFrame) -> pl.DataFrame:
    """Name what the numbers show: a new ISIN means a split, the same ISIN a bonus."""
    factor = pl.col("_num") / pl.col("_den")
    grows = factor > 1
    new_isin, same_isin = pl.col("_new_isin"), pl.col("_same_isin")
    # of 4 a bonus of 3:1 is as usual, and of a factor that is not whole a bonus is
    usual = pl.col("_may_split") & (pl.col("_den") == 1) & pl.col("_num").ne(4)
    split = grows & (
        (new_isin & pl.col("_may_split"))
        | (~same_isin & usual & ~pl.col("_late") & _A1.is_not_null())
        | (same_isin & (factor >= _SPLIT_ONLY) & ~pl.col("_late"))
    )
    sure = (
        pl.when(pl.col("_exact") & ~pl.col("_rare"))
        .then(0.97)
        .when(pl.col("_score") >= _PROOF)
        .then(0.85)
        .otherwise(pl.when(split | ~grows).then(0.65).otherwise(0.5))
    )
    name = (
        pl.when(~grows)
        .then(pl.when(new_isin).then(0.97).otherwise(0.9))
        .when(new_isin | ~pl.col("_may_split"))
        .then(0.97)
        .when(same_isin)
        .then(0.75)
        .otherwise(0.6)
    )
    return found.with_columns(
        _split=split,
        _bonus=grows & ~split,
        _consolidation=~grows,
        ratio=pl.when(~grows | split)
        .then(pl.format("{}:{}", "_den", "_num"))
        .otherwise(pl.format("{}:{}", pl.col("_num") - pl.col("_den"), "_den")),
        _factor_confidence=pl.min_horizontal(sure, name),
        _two_names=grows & pl.col("_may_split") & ~new_isin,
    )


_FOUND: Final = {
    "_num": pl.Int64(),
    "_den": pl.Int64(),
    "ratio": pl.String(),
    "ex_date": pl.Date(),
    "_split": pl.Boolean(),
    "_bonus": pl.Boolean(),
    "_consolidation": pl.Boolean(),
    "_late": pl.Boolean(),
    "_two_names": pl.Boolean(),
    "_factor_confidence": pl.Float64(),
    "_factor_words": pl.String(),
    "_pending": pl.Boolean(),
    "_pending_words": pl.String(),
    "_only_average": pl.Boolean(),
}


def _read_table_factors(
    lines: pl.DataFrame, actions: pl.DataFrame, *, tolerance: float, late_days: int
) -> pl.DataFrame:
    """Say of every line in the table which of its actions were credited, if any."""
    rooted = with_root(lines, actions, "_id")
    windows = rooted.select("_root", "_day0", "_day1").unique()
    runs = products(windows, actions, late_days=late_days)
    rows = rooted.join(runs, on=["_root", "_day0", "_day1"], nulls_equal=True)
    if rows.is_empty():
        return pl.DataFrame()
    factor = pl.col("_num") / pl.col("_den")
    # the same factor may be reached by other dates: the run that is due is meant
    moved = rows.filter(_Q0 != _Q1).with_columns(
        _listed=pl.lit(value=True),
        _rare=pl.lit(value=False),
        _may_split=pl.lit(value=False),
    )
    applied = _weigh_candidates(moved, tolerance).filter(
        # long after the ex-date only what cannot be trades alone is the credit
        (pl.col("_due") > 0) | pl.col("_exact") | (pl.col("_plain") < 0)
    )
    # the average went down by the factor, the units are yet to come
    averaged = rows.filter(
        _Q0 == _Q1,
        pl.col("_due") > 0,
        ((_A0 / factor) - _A1).abs() <= tolerance,
        (_A1 - _A0).abs() > _FAR * tolerance,
    ).with_columns(
        _score=pl.lit(9),
        _late=pl.lit(value=False),
        _exact=pl.lit(value=True),
        _gap=pl.lit(0.0),
    )
    both = pl.concat(
        [
            applied.with_columns(_only_average=pl.lit(value=False)),
            averaged.with_columns(_only_average=pl.lit(value=True)),
        ],
        how="diagonal_relaxed",
    )
    best = both.sort(
        ["_place_after", "_score", "_due", "_gap"],
        descending=[False, True, True, False],
    ).unique("_place_after", keep="first", maintain_order=True)
    grown = pl.col("_q0") * factor
    comes = ~pl.col("_whole") | ((grown + _EPS).floor() != _Q0)
    waiting = (
        rows.filter((pl.col("_all_due") > 0) & comes)
        .join(best, on="_place_after", how="anti")
        .unique("_place_after", keep="any")
    )
    one = pl.col("_only_average")
    found = best.with_columns(
        _num=pl.when(one).then(1).otherwise("_num"),
        _den=pl.when(one).then(1).otherwise("_den"),
        _two_names=pl.lit(value=False),
        _factor_confidence=pl.when("_exact")
        .then(0.99)
        .when(pl.col("_score") >= _PROOF)
        .then(0.96)
        .otherwise(0.85),
        _factor_words=pl.lit("the actions table says so"),
        _pending=(pl.col("_all_due") > pl.col("_due")) & (pl.col("_due") > 0),
        _pending_words="_due_words",
    )
    still = waiting.select(
        "_place_after",
        "ratio",
        "ex_date",
        _pending=pl.lit(value=True),
        _pending_words="_due_words",
    )
    return _take_found(pl.concat([found, still], how="diagonal_relaxed"))


def _take_found(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("_place_after", *(pl.col(c).cast(t) for c, t in _FOUND.items()))


def with_factor(
    rows: pl.DataFrame, actions: pl.DataFrame, *, tolerance: float, late_days: int
) -> pl.DataFrame:
    """Add the factor of each row, and what was owned before in units of after."""
    lines = _take_figures(rows)
    found = [
        pl.DataFrame(schema={"_place_after": rows.schema["_place_after"], **_FOUND})
    ]
    if actions.height and lines.height:
        listed = _read_table_factors(
            lines, actions, tolerance=tolerance, late_days=late_days
        )
        if listed.height:
            found.append(listed)
            lines = lines.join(listed, on="_place_after", how="anti")
    proposed = _propose_factors(lines, tolerance)
    if proposed.height:
        weighed = (
            _weigh_candidates(proposed, tolerance)
            .sort(
                ["_place_after", "_score", "_rare", "_gap"],
                descending=[False, True, False, False],
            )
            .unique("_place_after", keep="first", maintain_order=True)
        )
        words = (
            pl.when(pl.col("_late"))
            .then(pl.lit("average not restated"))
            .when(pl.col("_exact"))
            .then(pl.lit("cost equal"))
            .otherwise(pl.lit("average and price moved with it, some traded"))
        )
        named = _name_factors(weighed).with_columns(
            ex_date=pl.lit(None),
            _factor_words=words,
            _pending=pl.lit(value=False),
            _pending_words=pl.lit(None),
            _only_average=pl.lit(value=False),
        )
        found.append(_take_found(named))
    num, den = pl.col("_num").fill_null(1), pl.col("_den").fill_null(1)
    base = pl.col("_base_quantity")
    acted = num != den
    exact = (base.cast(VALUE) * num / den).cast(MONEY, strict=False)
    whole = (
        (base.floor() == base)
        & (pl.col("owned_quantity_after").floor() == pl.col("owned_quantity_after"))
    ).fill_null(value=False)
    floor = (base.cast(VALUE) * num // den).cast(MONEY, strict=False)
    flags = [name for name, dtype in _FOUND.items() if dtype == pl.Boolean()]
    nothing = pl.lit(0, MONEY)
    fraction = pl.when(whole).then((exact - floor).cast(MONEY, strict=False))
    joined = rows.join(
        pl.concat(found), on="_place_after", how="left", maintain_order="left"
    ).with_columns(pl.col(flags).fill_null(value=False), _num=num, _den=den)
    return with_rare(
        joined,
        acted,
        {
            "_fraction": (fraction.otherwise(nothing), nothing),
            "_grown": (exact, base.cast(MONEY)),
        },
    )
