"""What is wrong with a price history before a model is built on it.

Each check is a set of whole-column expressions over the closes, sorted by instrument
and date. A finding at a date uses nothing later than that date, so that the notes of a
model never know the future.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, TypeAlias

import numpy as np
import polars as pl

from holdings_kit.errors import FrameError
from holdings_kit.haircuts._frames import (
    AnyFrame,
    Closes,
    Floats,
    Ints,
    read_closes,
    take_closes,
)
from holdings_kit.schema import require_columns

Declared: TypeAlias = (
    pl.DataFrame
    | pl.LazyFrame
    | Mapping[str, date | Sequence[date]]
    | Sequence[tuple[str, date]]
)
"""Findings that are known and right, each by instrument and date."""

AUDIT: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "date": pl.Date(),  # the day on which it shows
        "kind": pl.String(),
        "severity": pl.String(),  # error | warning | info | declared
        "evidence": pl.String(),
        "what_to_do": pl.String(),
    }
)
ADVICE: Final = {
    "two closes": "keep one series of an instrument, such as EQ and not T0",
    "bad close": "leave the row out, or correct it: a price is above 0",
    "unadjusted action": "adjust the closes (hk.adjust with an actions table), or "
    "declare the day if the move was real",
    "large move": "check the day; declare it if the move was real, else adjust",
    "gap": "the return spans the gap; join a renamed history, or declare the day",
    "missing day": "add the missing file, if there is one",
    "stale run": "check that the share traded; its volatility is understated",
    "first days": "start the history earlier or give a seed; a zero start "
    "understates the volatility of a share that is not new",
}
SIMPLE: Final = (
    (6 / 5, "bonus 1:5"),
    (5 / 4, "bonus 1:4"),
    (4 / 3, "bonus 1:3"),
    (7 / 5, "bonus 2:5"),
    (3 / 2, "bonus 1:2"),
    (8 / 5, "bonus 3:5"),
    (5 / 3, "bonus 2:3"),
    (2.0, "split 1:2 or bonus 1:1"),
    (5 / 2, "split 2:5 or bonus 3:2"),
    (3.0, "split 1:3 or bonus 2:1"),
    (4.0, "split 1:4 or bonus 3:1"),
    (5.0, "split 1:5 or bonus 4:1"),
    (6.0, "bonus 5:1"),
    (8.0, "split 1:8"),
    (10.0, "split 1:10"),
    (20.0, "split 1:20"),
    (50.0, "split 1:50"),
    (100.0, "split 1:100"),
    (1 / 2, "consolidation 2:1"),
    (1 / 4, "consolidation 4:1"),
    (1 / 5, "consolidation 5:1"),
    (1 / 10, "consolidation 10:1"),
    (1 / 100, "consolidation 100:1"),
)
"""Shares after an action per share before it."""
_KEYS: Final = ("instrument_id", "date")
LARGE: Final = 0.22  # from −20 % on
"""Moves beyond the 20 % price band of shares without derivatives."""
OVERNIGHT: Final = 0.15
HALVED: Final = 0.6  # without an open, a fall to about half or less, or a doubling
NEAR: Final = 0.05  # log distance from a simple factor: an ordinary day's move
SAME_PRICE: Final = 0.002  # rounding of adjusted closes
LONG_GAP: Final = 10  # calendar days; the longest run of holidays has 5
STALE: Final = 5  # closes in a row without a change
LONG_STALE: Final = 20
SETTLED: Final = 500  # closes after which a zero start holds 92 % of the variance


def audit(prices: AnyFrame, *, declared: Declared | None = None) -> pl.DataFrame:
    """Find what would make a model of these prices wrong, one row per finding.

    Kinds: ``two closes`` of an instrument on a day, ``bad close`` (not above 0),
    ``unadjusted action`` (a jump overnight, near a simple factor, or shown by a
    previous close that is not the close before), ``large move`` (more than 25 % in a
    day, without such evidence), ``gap`` (more than 10 days without a close: a
    suspension, or a renamed share), ``missing day`` (the previous close belongs to a
    day that is not there), ``stale run`` (5 closes or more without a change) and
    ``first days`` (fewer than 500 closes: a zero start still shows).

    Parameters
    ----------
    prices
        `PRICES`; `open_price` and `previous_close_price` are used where they are
        there. On the exchanges' files the previous close is the raw one.
    declared
        Findings known to be right, such as a real fall of 55 %: a frame
        ``instrument_id, date``, pairs, or a mapping from instrument to its dates.

    Returns
    -------
    polars.DataFrame
        `AUDIT`, sorted by instrument and date. `severity` is ``error`` (a model would
        be wrong), ``warning`` (likely), ``info``, or ``declared``. Models write errors
        and warnings into `note`, from their date on, and refuse them with
        ``strict=True``.

    Raises
    ------
    FrameError
        A column is missing or of another type.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2025, 5, day) for day in (21, 22, 23)]
    >>> prices = pl.DataFrame(
    ...     {
    ...         "instrument_id": ["X"] * 3,
    ...         "date": days,
    ...         "close": [7000.0, 7015.0, 1400.0],
    ...     }
    ... )
    >>> found = audit(prices).filter(pl.col("severity") == "error")
    >>> found.select("kind", "evidence").row(0)
    ('unadjusted action', 'close × 0.1996, near split 1:5 or bonus 4:1')
    >>> audit(prices, declared=[("X", date(2025, 5, 23))])["severity"].to_list()
    ['info', 'declared']
    """
    rows = take_closes(prices)
    sound = pl.col("close").is_finite() & (pl.col("close") > 0)
    unsound = rows.filter(~sound.fill_null(value=True))
    bad = _write_findings(
        unsound, "bad close", "error", pl.format("close is {}", "close")
    )
    good = rows.filter(sound).drop_nulls(_KEYS)
    twice = (
        good.group_by(_KEYS)
        .agg(pl.len(), pl.col("close").min().alias("low"), pl.col("close").max())
        .filter(pl.col("len") > 1)
    )
    many = pl.format("{} closes, from {} to {}", "len", "low", "close")
    several = _write_findings(twice, "two closes", "error", many)
    single = good.join(twice, on=_KEYS, how="anti")  # neither is trusted
    found = pl.concat([bad, several, find_all(read_closes(single))])
    return _finish_findings(found, declared).select(AUDIT.names())


def read_audited(
    prices: AnyFrame, *, strict: bool = False, declared: Declared | None = None
) -> Closes:
    """Read closes for a model, with the audit's findings as notes.

    Raises
    ------
    FrameError
        As `read_closes`; with `strict` also for the first error or warning.
    """
    closes = read_closes(prices)
    found = _finish_findings(find_serious(closes), declared)
    serious = found.filter(pl.col("severity").is_in(["error", "warning"]))
    if serious.is_empty():
        return closes
    if strict:
        row = serious.row(0, named=True)
        more = (
            f" (and {serious.height - 1} more findings)" if serious.height > 1 else ""
        )
        raise FrameError(
            "prices",
            "close",
            f"{row['instrument_id']} on {row['date']}, {row['kind']}: "
            f"{row['evidence']}{more}; {row['what_to_do']}. "
            "hk.haircuts.audit(prices) lists all of them",
        )
    return closes._replace(notes=_write_notes(closes, serious))


def _finish_findings(found: pl.DataFrame, declared: Declared | None) -> pl.DataFrame:
    """Sort, add what to do, and mark what was declared."""
    rows = found.with_columns(
        pl.col("kind")
        .replace_strict(ADVICE, return_dtype=pl.String())
        .alias("what_to_do")
    )
    if declared is not None:
        known = _read_declared(declared).with_columns(_declared=pl.lit(value=True))
        rows = rows.join(known, on=["instrument_id", "date"], how="left").with_columns(
            pl.when("_declared")
            .then(pl.lit("declared"))
            .otherwise("severity")
            .alias("severity")
        )
    return rows.sort("instrument_id", "date", "kind", "evidence")


def _read_declared(declared: Declared) -> pl.DataFrame:
    """Read declared findings as unique rows of instrument and date."""
    schema = {"instrument_id": pl.String(), "date": pl.Date()}
    if isinstance(declared, pl.DataFrame | pl.LazyFrame):
        table = declared.lazy().collect()
        reason = f"missing; has {table.columns}"
        require_columns(table.columns, schema, name="declared", reason=reason)
        return table.select(list(schema)).unique()
    pairs: list[tuple[str, date]] = []
    if isinstance(declared, Mapping):
        for name, days in declared.items():
            each = [days] if isinstance(days, date) else list(days)
            pairs += [(name, day) for day in each]
    else:
        pairs = list(declared)
    return pl.DataFrame(pairs, schema=schema, orient="row").unique()


def _write_findings(
    rows: pl.DataFrame, kind: str | pl.Expr, severity: str | pl.Expr, evidence: pl.Expr
) -> pl.DataFrame:
    """Write what was found in rows; a text is the same of all of them."""
    return rows.select(
        *(key for key in (*_KEYS, "row") if key in rows.columns),
        kind=pl.lit(kind) if isinstance(kind, str) else kind,
        severity=pl.lit(severity) if isinstance(severity, str) else severity,
        evidence=evidence,
    )


# Each check takes what `_gather_evidence` gives: a row per close, with what was before.


def find_all(closes: Closes) -> pl.DataFrame:
    """Every finding in a sound table of closes."""
    return pl.concat([find_serious(closes).drop("row"), _find_minor(closes)])


def find_serious(closes: Closes) -> pl.DataFrame:
    """Jumps, gaps and long stale runs: what a model must say, each with its `row`."""
    suspect = (closes.moves > OVERNIGHT) | (closes.moves < -OVERNIGHT)
    if closes.previous_close is not None:
        suspect |= (
            np.abs(np.log(closes.previous_close / _shift_closes(closes))) > OVERNIGHT
        )
    days = closes.keys["date"].to_physical().to_numpy()
    since = np.diff(days, prepend=days[:1])
    since[closes.starts[:-1]] = 0
    suspect |= since > LONG_GAP
    first, length = _find_unchanged(closes.moves)
    stale = first[length >= LONG_STALE] + LONG_STALE - 1
    at = _gather_evidence(closes, np.flatnonzero(suspect), since)
    return pl.concat(
        [_find_jumps(at), _find_gaps(at), _find_stale_closes(closes, stale)]
    )


def _shift_closes(closes: Closes) -> Floats:
    """Give the close before each; NaN on the first of an instrument."""
    before = np.append(np.nan, closes.close[:-1])
    before[closes.starts[:-1]] = np.nan
    return before


def _gather_evidence(closes: Closes, rows: Ints, since: Ints) -> pl.DataFrame:
    """Gather the rows to look at, with their move, open and previous close."""
    nothing = np.full(rows.size, np.nan)
    before = closes.close[np.maximum(rows - 1, 0)]

    def relative(values: Floats | None) -> Floats:
        return nothing if values is None else np.log(values[rows] / before)

    return _pick_rows(closes, rows).with_columns(
        pl.Series("move", closes.moves[rows], nan_to_null=True),
        pl.Series("overnight", relative(closes.open), nan_to_null=True),
        pl.Series("previous", relative(closes.previous_close), nan_to_null=True),
        pl.Series("since", since[rows]),
    )


def _pick_rows(closes: Closes, rows: Ints) -> pl.DataFrame:
    """Take the keys of some rows, each with its `row`."""
    return closes.keys[rows.astype(np.uint32)].with_columns(pl.Series("row", rows))


def _find_jumps(at: pl.DataFrame) -> pl.DataFrame:
    """Unadjusted actions and large moves.

    A share without derivatives cannot open beyond its 20 % band but on an ex-date, and
    one with derivatives falls during the day: so the open tells an action from a fall.
    """
    move, overnight, previous = map(pl.col, ("move", "overnight", "previous"))
    apart = pl.col("since") > LONG_GAP  # the move is that of the gap
    shown = (previous.abs() > OVERNIGHT) & ((move - previous).abs() < LARGE) & ~apart
    distances = [
        pl.min_horizontal(
            (step + math.log(factor)).abs() for step in (move, overnight, previous)
        )
        for factor, _ in SIMPLE
    ]
    rows = at.with_columns(
        pl.min_horizontal(distances).alias("distance"),
        pl.concat_list(distances)
        .list.arg_min()
        .replace_strict(
            dict(enumerate(name for _, name in SIMPLE)), return_dtype=pl.String()
        )
        .alias("factor"),
    )
    near = pl.col("distance") < NEAR
    # an adjusted close beside a raw previous close: the action is known already
    adjusted = (previous.abs() > OVERNIGHT) & (move.abs() < OVERNIGHT)
    action = (
        pl.when(adjusted)
        .then(pl.lit(value=False))
        .when(shown)
        .then(pl.lit(value=True))
        .when(overnight.is_not_null() & ~apart)
        .then(overnight.abs() > LARGE)
        .otherwise((move.abs() > HALVED) & near)
        .fill_null(value=False)
    )
    large = (move.abs() > LARGE) | ((overnight.abs() > OVERNIGHT) & near)
    large = (large & ~apart & ~adjusted.fill_null(value=False)).fill_null(value=False)
    hint = pl.when(near).then(pl.format(", near {}", "factor")).otherwise(pl.lit(""))
    close = pl.format("close × {}", move.exp().round(4))
    opened = pl.format("opened × {}", overnight.exp().round(4))
    before = pl.format("the previous close × {}", previous.exp().round(4))
    evidence = (
        pl.when(shown)
        .then(pl.format("{}, {}{}", close, before, hint))
        .when(overnight.abs() > OVERNIGHT)
        .then(pl.format("{}, {}{}", close, opened, hint))
        .when(overnight.is_not_null())
        .then(pl.format("{}, {}: it moved during the day", close, opened))
        .otherwise(pl.format("{}{}", close, hint))
    )
    known = pl.when("action")
    unadjusted, moved = pl.lit("unadjusted action"), pl.lit("large move")
    return _write_findings(
        rows.with_columns(action.alias("action")).filter(pl.col("action") | large),
        known.then(unadjusted).otherwise(moved),
        known.then(pl.lit("error")).otherwise(pl.lit("warning")),
        evidence,
    )


def _find_gaps(at: pl.DataFrame) -> pl.DataFrame:
    moved = pl.col("move").exp().round(4)
    evidence = pl.format("no close for {} days; close × {}", "since", moved)
    gaps = at.filter(pl.col("since") > LONG_GAP)
    return _write_findings(gaps, "gap", "warning", evidence)


def _find_stale_closes(closes: Closes, rows: Ints) -> pl.DataFrame:
    at = _pick_rows(closes, rows).with_columns(pl.Series("close", closes.close[rows]))
    evidence = pl.format(f"{LONG_STALE} closes without a change from {{}}", "close")
    return _write_findings(at, "stale run", "warning", evidence)


def _find_minor(closes: Closes) -> pl.DataFrame:
    """Missing days, short stale runs and first days: what is worth knowing."""
    first, length = _find_unchanged(closes.moves)
    short = (length >= STALE) & (length < LONG_STALE)
    first, length = first[short], length[short]
    ends = _pick_rows(closes, first + length - 1).drop("row")
    stale = ends.with_columns(pl.Series("still", length))
    unmoved = pl.format("{} closes without a change", "still")
    parts = [
        _write_findings(stale, "stale run", "info", unmoved),
        _find_first_days(closes),
    ]
    if closes.previous_close is not None:
        before = pl.Series("before", _shift_closes(closes), nan_to_null=True)
        previous = pl.Series("previous", closes.previous_close, nan_to_null=True)
        distance = (pl.col("previous") / pl.col("before")).log().abs()
        rows = closes.keys.with_columns(before, previous)
        apart = rows.filter(distance.is_between(SAME_PRICE, OVERNIGHT))
        evidence = pl.format(
            "previous close {}, the close before is {}", "previous", "before"
        )
        parts.append(_write_findings(apart, "missing day", "info", evidence))
    return pl.concat(parts)


def _find_first_days(closes: Closes) -> pl.DataFrame:
    rows = closes.keys[closes.starts[:-1].astype(np.uint32)].with_columns(
        pl.Series("closes", np.diff(closes.starts))
    )
    evidence = pl.format("the history starts here and has {} closes", "closes")
    short = rows.filter(pl.col("closes") < SETTLED)
    return _write_findings(short, "first days", "info", evidence)


def _find_unchanged(move: Floats) -> tuple[Ints, Ints]:
    """Find runs of closes that equal the one before: the first row, and how many."""
    rows = np.flatnonzero(move == 0)
    starts = np.flatnonzero(np.diff(rows, prepend=-2) > 1)
    return rows[starts], np.diff(starts, append=rows.size)


def _write_notes(closes: Closes, found: pl.DataFrame) -> pl.Series:
    """Write on each row the findings of its instrument up to its date."""
    text = pl.format("{} {}: {}", "kind", "date", "evidence")
    daily = found.group_by("instrument_id", "row").agg(note=text.str.join("; "))
    notes = daily.sort("row").select(
        "row",
        pl.col("note")
        .cumulative_eval(pl.element().str.join("; "))
        .over("instrument_id"),
    )
    # a note holds up to the next one, or to the next instrument, which has none
    first = closes.starts[:-1]
    rows = np.append(notes["row"].to_numpy(), np.setdiff1d(first, notes["row"]))
    order = np.argsort(rows)
    lasts = np.diff(rows[order], append=closes.close.size)
    which = np.minimum(order, notes.height).astype(np.uint32).repeat(lasts)
    return notes["note"].extend_constant(None, 1).gather(which)
