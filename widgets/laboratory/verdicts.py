"""Which model holds, and by which test: a row per model from COVERAGE.

A name is rejected where the p-value that is printed for its coverage is at most 5 %.
Names fall together, so no p-value of all of them is made. What is known without it: of
right models at most 5 m / r in 100 are rejected on r of m names or more, however the
names fall. So a model fails where half of its names are rejected (at most 10 in 100),
and is in doubt where more are than the 5 in 100 that chance rejects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

NOMINAL: Final = 0.05
VERDICTS: Final = ("holds", "high", "doubtful", "fails", "untested")


def test_names(coverage: pl.DataFrame) -> pl.DataFrame:
    """Add the one p-value that speaks of coverage, its test, and what it rejects.

    `p` and `test` (``offsets`` or ``count``) are null where none is printed; `rejects`
    is ``too many``, ``too few`` or null.
    """
    tested = coverage.with_columns(
        p=pl.coalesce("offsets_p", "garch_p"),
        test=pl.when(pl.col("offsets_p").is_not_null())
        .then(pl.lit("offsets"))
        .when(pl.col("garch_p").is_not_null())
        .then(pl.lit("count")),
    )
    # The count under a fitted GARCH looks for too many breaches only.
    said = pl.when(pl.col("test") == "count").then(pl.lit("too many")).otherwise("side")
    return tested.with_columns(rejects=pl.when(pl.col("p") <= NOMINAL).then(said))


def judge_models(coverage: pl.DataFrame) -> pl.DataFrame:
    """Judge each model over its names, the best first.

    Those that hold come first, then those that ask for more than they promise, those in
    doubt, those that fail, and those that no test speaks of. Of those that hold or ask
    too much the lowest mean haircut is first, of the others the fewest breaches for
    what is expected.

    Returns
    -------
    polars.DataFrame
        `model`; `names` with a window, and how many of them were `tested`, rejected
        for too many (`above`) or too few breaches (`below`), and tested by `offsets`;
        `n`, `breaches`, `expected`, `ratio` and `mean_haircut` over all names; `p`,
        `test` and `instrument_id` of the name that speaks most against it; `weakest`,
        the breach rate over the promised one from which on each of its tests finds it
        (null where one does not); `verdict`; and the first `note`.
    """
    rows = test_names(coverage)
    p, found = pl.col("p"), pl.col("detectable_ratio")
    worst = p.arg_min()
    judged = rows.group_by("model", maintain_order=True).agg(
        names=(pl.col("n") > 0).sum(),
        tested=p.count(),
        above=(pl.col("rejects") == "too many").sum(),
        below=(pl.col("rejects") == "too few").sum(),
        offsets=(pl.col("test") == "offsets").sum(),
        n=pl.col("n").sum(),
        breaches=pl.col("breaches").sum(),
        expected=pl.col("expected").sum(),
        mean_haircut=pl.col("mean_haircut").mean(),
        p=p.min(),
        test=pl.col("test").get(worst, null_on_oob=True),
        instrument_id=pl.col("instrument_id").get(worst, null_on_oob=True),
        weakest=pl.when(found.count() == p.count()).then(found.max()),
        note=pl.col("note").drop_nulls().first(),
    )
    tested, half = pl.col("tested"), pl.col("tested") / 2
    judged = judged.with_columns(
        ratio=pl.when(pl.col("expected") > 0).then(
            pl.col("breaches") / pl.col("expected")
        ),
        verdict=pl.when(tested == 0)
        .then(pl.lit("untested"))
        .when(pl.col("above") >= half)
        .then(pl.lit("fails"))
        .when(pl.col("below") >= half)
        .then(pl.lit("high"))
        .when(pl.col("above") + pl.col("below") > NOMINAL * tested)
        .then(pl.lit("doubtful"))
        .otherwise(pl.lit("holds"))
        .cast(pl.Enum(VERDICTS)),
    )
    broken = pl.col("verdict").is_in(["doubtful", "fails"])
    return judged.sort(
        "verdict",
        pl.when(broken).then("ratio").otherwise("mean_haircut"),
        nulls_last=True,
        maintain_order=True,
    )


def name_instruments(prices: pl.DataFrame) -> dict[str, str]:
    """Name each instrument for people: its symbol, else its id without the exchange.

    >>> name_instruments(pl.DataFrame({"instrument_id": ["NSE:SBIN", "ISIN1"]}))
    {'ISIN1': 'ISIN1', 'NSE:SBIN': 'SBIN'}
    """
    key = pl.col("instrument_id")
    short = key.str.split(":").list.last()
    said = pl.coalesce("symbol", short) if "symbol" in prices.columns else short
    names = prices.select(key, said.alias("said")).unique("instrument_id", keep="last")
    # Two instruments of one name keep their ids.
    names = names.with_columns(
        pl.when(pl.col("said").is_unique()).then("said").otherwise(key)
    ).sort(key)
    return dict(names.select("instrument_id", "said").iter_rows())


def rename_rows(
    frame: pl.DataFrame, models: Mapping[str, str], names: Mapping[str, str]
) -> pl.DataFrame:
    """Put the words for people in the place of models and instruments."""
    return frame.with_columns(
        pl.col(column).replace(words)
        for column, words in (
            *((column, models) for column in ("model", "name", "other")),
            ("instrument_id", names),
        )
        if column in frame.columns
    )
