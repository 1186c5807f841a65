"""The table of corporate actions: read, checked, and followed from name to name."""

from __future__ import annotations

from typing import Final

import polars as pl

from holdings_kit.errors import ConfigError
from holdings_kit.portfolio._lots import parse_ratio, turn_ratio
from holdings_kit.schema import ACTIONS, conform

_CHAIN: Final = 6  # renamings of one share that are followed
ISIN: Final = r"^[A-Z]{2}[A-Z0-9]{9}[0-9]$"
"""How an ISIN looks; nobody verifies its digit here."""
DAY_WORDS: Final = pl.col("ex_date").dt.to_string().fill_null("unknown date")
"""The ex-date of an action in words."""

_SPLIT: Final = "'10' or '1:10' (one becomes ten)"
_NEW_FOR_OLD: Final = "'42:25' (42 new for 25 old)"

KINDS: Final = {
    # kind: how its ratio is written ("" takes none), needs it, needs the new id
    "split": (_SPLIT, True, False),
    "bonus": ("'1:2' (one new for two held)", True, False),
    "consolidation": ("'10:1' (ten become one)", True, False),
    "isin_change": (_NEW_FOR_OLD, False, True),
    "rename": ("", False, False),
    "merger": (_NEW_FOR_OLD, True, True),
    "demerger": ("'1:10' (one of the child for ten held)", True, True),
    "rights": ("'1:15' (one new for fifteen held)", True, False),
    "buyback": ("'1:10' (at most one taken of ten)", False, False),
    "dividend": ("", False, False),
    "call": ("'1:1' (fully paid for partly paid)", False, True),
    "capital_reduction": ("'10:1' (ten become one)", False, False),
    "delisting": ("", False, False),
}
"""What each kind of action must say."""

_SAME: Final = ("instrument_id", "ex_date", "kind", "_num", "_den")
"""What makes two rows of the table one action."""
_BESIDE: Final = tuple(name for name in ACTIONS if name not in _SAME)
_NUMBERS: Final = {"_action_no": pl.UInt32(), "_num": pl.Int64(), "_den": pl.Int64()}
_READ: Final = pl.Schema(
    {name: {**ACTIONS, **_NUMBERS}[name] for name in ("_action_no", *_SAME, *_BESIDE)}
)

FACTOR_KINDS: Final = (
    "split",
    "bonus",
    "consolidation",
    "isin_change",
    "rename",
    "capital_reduction",
    "call",
)
"""Kinds that multiply the units of one line."""
_FLAGS: Final = {
    "_split": ["split"],
    "_bonus": ["bonus"],
    "_consolidation": ["consolidation", "capital_reduction"],
}
"""What some of them are called together, and which do so."""


def normal_id(column: str = "instrument_id") -> pl.Expr:
    """Write an ISIN without blanks and in capitals; other identities stay."""
    clean = strip_blanks(column)
    return (
        pl.when(clean.str.contains(ISIN))
        .then(clean)
        .otherwise(pl.col(column).str.strip_chars())
        .alias(column)
    )


def strip_blanks(column: str) -> pl.Expr:
    """Write a name without blanks, seen or unseen, and in capitals."""
    return pl.col(column).str.replace_all(r"[\s\p{Z}\p{Cf}]+", "").str.to_uppercase()


def known_isin(own: str, other: str) -> pl.Expr:
    """Take the ISIN of a share that is known by its listing on one of the sides."""
    mine = pl.coalesce(own, other)
    listing = pl.col("_same_share") & ~mine.str.contains(ISIN)
    isin = pl.col(other).str.contains(ISIN).fill_null(value=False)
    return pl.when(listing & isin).then(other).otherwise(mine)


def read_actions(actions: pl.DataFrame | pl.LazyFrame | None) -> pl.DataFrame:
    """Check an actions table and read its ratios: units of after per unit of before.

    Rows that say the same, however spelled, are one row. What an exchange's file
    announces without terms (`hk.read_market` leaves them null) is left out.

    Raises
    ------
    FrameError
        A column of `ACTIONS` is missing or of another type.
    ConfigError
        A row does not say what its kind must say; the message names the row.
    """
    if actions is None:
        return pl.DataFrame(schema=_READ)
    table = conform(actions.lazy(), ACTIONS, name="actions").collect()
    ratio = pl.col("ratio").str.strip_chars()
    first, second = parse_ratio(ratio)
    read = table.select(
        *ACTIONS.names(), *[c for c in table.columns if c not in ACTIONS]
    ).with_columns(
        normal_id("instrument_id"),
        normal_id("new_instrument_id"),
        kind=pl.col("kind").str.strip_chars().str.to_lowercase(),
        ratio=pl.when(~ratio.is_in(["", "-"])).then(ratio),
        _first=first,
        _second=second,
    )
    read = read.filter(~_is_only_announced())
    _refuse_wrong_rows(read)
    kind = pl.col("kind")
    num, den = turn_ratio(pl.col("_first"), pl.col("_second"))
    new_and_old = pl.when(kind == "bonus").then(num + den).otherwise(num)
    rated = read.with_columns(_num=new_and_old.fill_null(1), _den=den.fill_null(1))
    crossing = kind.is_in(["merger", "demerger"])
    return (
        rated.with_columns(_child=pl.when(crossing).then("new_instrument_id"))
        .group_by(*_SAME, "_child", maintain_order=True)
        .agg(pl.col(_BESIDE).first(ignore_nulls=True))
        .drop("_child")
        .with_row_index("_action_no")
    )


def _is_only_announced() -> pl.Expr:
    """Tell a row of an exchange's file that announces an action without its terms.

    A row that somebody wrote has no `source`, and is asked for them.
    """
    needs_ratio = [kind for kind, (_, needed, _) in KINDS.items() if needed]
    needs_name = [kind for kind, (_, _, renames) in KINDS.items() if renames]
    ratio, new = pl.col("ratio"), pl.col("new_instrument_id")
    missing = (ratio.is_null() & pl.col("kind").is_in(needs_ratio)) | (
        new.is_null() & pl.col("kind").is_in(needs_name)
    )
    return pl.col("source").is_not_null() & missing.fill_null(value=False)


def _refuse_wrong_rows(read: pl.DataFrame) -> None:
    """Refuse the rows that do not say what their kind must say, the first by name."""
    kind, ratio = pl.col("kind"), pl.col("ratio")
    first, second = pl.col("_first"), pl.col("_second")
    given, has_kind = ratio.is_not_null(), kind.is_in(list(KINDS))
    unnamed = pl.col("new_instrument_id").fill_null("") == ""
    is_read = ((first > 0) & (second > 0)).fill_null(value=False)
    # a test that cannot tell, because something is unknown, refuses nothing
    tests = {
        f"kinds are {', '.join(KINDS)}": ~has_kind.fill_null(value=False),
        "the row names no instrument_id": pl.col("instrument_id").fill_null("") == "",
    }
    for name, (form, needed, renames) in KINDS.items():
        mine = kind == name
        if form:
            words = f"the ratio of a {name} is whole numbers like {form}"
            tests[words] = mine & given & ~is_read
        else:
            is_other = given & ~ratio.is_in(["1", "1:1"])
            tests[f"a {name} takes no ratio"] = mine & is_other
        if needed:
            tests[f"a {name} needs a ratio like {form}"] = mine & ratio.is_null()
        if renames:
            tests[f"a {name} needs new_instrument_id"] = mine & unnamed
    unit = kind.is_in(["split", "consolidation"]) & (first == second)
    tests |= {
        "a ratio of one to one changes nothing": unit,
        "cost_share is a fraction between 0 and 1": ~pl.col("cost_share").is_between(
            0, 1
        ),
        "cash_per_unit is below 0": pl.col("cash_per_unit") < 0,
    }
    wrong = pl.coalesce(
        pl.when(test).then(pl.lit(words)) for words, test in tests.items()
    )
    bad_rows = read.with_columns(_wrong=wrong).filter(pl.col("_wrong").is_not_null())
    if bad_rows.height:
        row = bad_rows.row(0, named=True)
        more = f" ({bad_rows.height} such rows)" if bad_rows.height > 1 else ""
        raise ConfigError(
            f"actions: {row['instrument_id']}: kind {row['kind']!r} with ratio "
            f"{row['ratio']!r}: {row['_wrong']}{more}"
        )


def is_in_reach(day0: str, day1: str, late_days: int) -> pl.Expr:
    """Tell an action between two days, or so late that its credit may be."""
    earliest = pl.col(day0) - pl.duration(days=late_days)
    return (pl.col("ex_date") <= pl.col(day1)) & (pl.col("ex_date") > earliest)


def is_due(day0: str) -> pl.Expr:
    """Tell an action of after a day; one without a date may be."""
    return (pl.col("ex_date") > pl.col(day0)).fill_null(value=True)


def with_root(frame: pl.DataFrame, actions: pl.DataFrame, column: str) -> pl.DataFrame:
    """Add `_root`: the oldest name of the same share that the table knows."""
    names = (
        actions.filter(
            pl.col("kind").is_in(FACTOR_KINDS)
            & (pl.col("new_instrument_id") != pl.col("instrument_id"))
        )
        .select(_new="new_instrument_id", _old="instrument_id")
        .unique("_new", keep="first", maintain_order=True)
    )
    rooted = frame.with_columns(_root=pl.col(column))
    if names.is_empty():
        return rooted
    for _ in range(_CHAIN):
        rooted = (
            rooted.join(
                names,
                left_on="_root",
                right_on="_new",
                how="left",
                maintain_order="left",
            )
            .with_columns(_root=pl.coalesce("_old", "_root"))
            .drop("_old")
        )
    return rooted


def products(
    windows: pl.DataFrame, actions: pl.DataFrame, *, late_days: int
) -> pl.DataFrame:
    """Multiply the actions of a share that fall between two days, every run of them.

    Parameters
    ----------
    windows
        `_root`, `_day0` and `_day1`, each once.
    actions
        As `read_actions` gives them.

    Returns
    -------
    pl.DataFrame
        Per window and run of consecutive actions: `_num`, `_den`, `ratio`, `ex_date`
        (of the last), `_split`, `_bonus`, `_consolidation`, `_renames`, `_due` (how
        many of the run fall into the window itself) and `_all_due` (of the window).
    """
    table = with_root(
        actions.filter(pl.col("kind").is_in(FACTOR_KINDS)), actions, "instrument_id"
    )
    key = ["_root", "_day0", "_day1"]
    inside = is_in_reach("_day0", "_day1", late_days).fill_null(value=True)
    moves = pl.col("_num") != pl.col("_den")
    within = (
        windows.join(table, on="_root")
        .filter(inside & moves)
        .with_columns(_is_due=is_due("_day0"))
        .sort(*key, "ex_date", "_action_no")
        .with_columns(_no=pl.int_range(pl.len()).over(key))
    )
    start = within.select(*key, _from="_no")
    ratio = pl.col("ratio").fill_null("1:1")
    run = (
        start.join(within, on=key)
        .filter(pl.col("_no") >= pl.col("_from"))
        .sort(*key, "_from", "_no")
        .with_columns(
            pl.col("_num").cum_prod().over(*key, "_from"),
            pl.col("_den").cum_prod().over(*key, "_from"),
            _due=pl.col("_is_due").cum_sum().over(*key, "_from"),
            ratio=ratio.cumulative_eval(pl.element().str.join(" and ")).over(
                *key, "_from"
            ),
            **{
                flag: pl.col("kind").is_in(kinds).cum_max().over(*key, "_from")
                for flag, kinds in _FLAGS.items()
            },
        )
    )
    words = pl.format("{} {} of {}", "kind", ratio, DAY_WORDS)
    all_due = within.group_by(key).agg(
        _all_due=pl.col("_is_due").sum(),
        _due_words=words.filter(pl.col("_is_due")).str.join(", "),
    )
    facts = ("_num", "_den", "ratio", "ex_date", *_FLAGS)
    shown = run.join(all_due, on=key)
    return shown.select(*key, *facts, "_due", "_all_due", "_due_words")
