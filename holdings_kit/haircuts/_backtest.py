"""Was the haircut enough? Coverage per instrument and model, with every test."""

from __future__ import annotations

from collections.abc import Sized
from operator import index
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast

import numpy as np
import polars as pl

from holdings_kit.errors import ConfigError
from holdings_kit.haircuts._coverage import (
    Column,
    Setting,
    coverage,
    filled,
)
from holdings_kit.haircuts._frames import AnyFrame, read_haircuts
from holdings_kit.haircuts._losses import netted, windows as windows_of
from holdings_kit.haircuts.statistics._result import check_level
from holdings_kit.schema import column_names, require_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from holdings_kit.haircuts.statistics._laws import Cache
    from holdings_kit.haircuts.statistics._overlapping import Loss

_HIDDEN: Final = ("day", "end_date", "move", "sigma")


def breaches(
    haircuts: AnyFrame | Sequence[AnyFrame],
    prices: AnyFrame,
    *,
    horizon: int = 1,
    loss: Loss = "terminal",
) -> pl.DataFrame:
    """Put loss, breach and shortfall beside each haircut.

    Parameters
    ----------
    haircuts
        `HAIRCUTS`, the exchange's `MARGINS`, or a list of such frames; further columns
        stay.
    prices
        `PRICES` of the same instruments.
    horizon, loss
        See `losses`.

    Returns
    -------
    polars.DataFrame
        `HAIRCUTS` with `loss`, `breach` (loss above haircut) and `shortfall`
        (loss − haircut); null where haircut or loss is not known.

    Examples
    --------
    >>> import polars as pl
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 60.0, 61.0]}
    ... )
    >>> from holdings_kit.haircuts import basel
    >>> breaches(basel(prices), prices)["shortfall"].round(4).to_list()
    [0.1, -0.3167, None]
    """
    rows = _join_losses(join_haircuts(haircuts), prices, horizon, loss)
    return rows.drop(_HIDDEN)


def backtest(
    haircuts: AnyFrame | Sequence[AnyFrame],
    prices: AnyFrame,
    *,
    horizon: int | Sequence[int] = 1,
    level: float | Sequence[float] = 0.99,
    loss: Loss = "terminal",
    by: str | Sequence[str] = ("instrument_id", "model", "name"),
    start: date | None = None,
    end: date | None = None,
    split: date | None = None,
    windows: Literal["rolling", "expanding"] | None = None,
    window: int = 250,
    step: int | None = None,
    book: Mapping[str, float] | None = None,
    draws: int = 999,
    seed: int = 0,
    cache: Cache = "platform",
) -> pl.DataFrame:
    """Judge haircuts against the losses that followed.

    A breach is a loss above the haircut. The coverage of one instrument is tested by
    `offsets_p` where the haircut follows volatility and by `garch_p` where it hardly
    does (see `statistics.overlapping`); `note` says what was tested and what it would
    find. Windows of H > 1 days that start on consecutive days overlap: there every
    p-value that counts them as independent is null. Rows that pool instruments have
    no p-value, for names fall together. A test that does not reject 5 ± 2 % of right
    models at this n and level is null and named in `note`.

    Parameters
    ----------
    haircuts
        `HAIRCUTS` of one or many models, published ones (`panel`), the exchange's
        `MARGINS`, or a list of such frames.
    prices
        `PRICES` of the same instruments.
    horizon
        Days to liquidate, H; several give as many rows.
    level
        Coverage aimed at; a broker's haircut states none, so it must be said here.
        Several give as many rows. A haircut built for another level or horizon is
        judged all the same, and `note` says so.
    loss
        ``terminal`` or ``worst`` within the horizon; see `losses`.
    by
        Keys of a row: any of `instrument_id`, `model`, `name`, `year` and further
        columns of `haircuts`, such as a group.
    start, end
        First date judged, and last date of a loss judged; haircuts that are null are
        never judged, so a seed that saw the first returns is not judged on them.
    split
        Two samples: ``train`` are the windows that end by this date, ``test`` those
        that start after it. Windows across it are in neither. Adds the key `sample`.
    windows, window, step
        Judge again on ``rolling`` windows of `window` dates, or on ``expanding`` ones
        that start so long, every `step` dates (by default `window`). Adds the keys
        `window_start` and `window_end`.
    book
        Units held per `instrument_id`: adds the netted book as `(book)`, whose
        adequacy is another question than that of its names.
    draws, seed
        Of the simulations; the seed stands in the answer.
    cache
        Folder of the drawn tables, ``platform`` for the user's own, None for none.

    Returns
    -------
    polars.DataFrame
        `COVERAGE`, its first columns being `by`. A count of zero breaches says that the
        rate is at most `rate_upper`, not that the model passed. An instrument without
        any window to judge stands there with n = 0 and a note.

    Raises
    ------
    ConfigError
        An option is out of range, or a model of several names is asked for without
        `name` in `by`.
    FrameError
        A column of `by` does not exist, a haircut is no fraction, or two haircuts have
        the same instrument, date and name.

    Examples
    --------
    >>> from datetime import date
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {"instrument_id": ["X"] * 3, "date": days, "close": [100.0, 80.0, 79.0]}
    ... )
    >>> flat = pl.DataFrame(
    ...     {
    ...         "instrument_id": ["X"] * 3,
    ...         "date": days,
    ...         "model": ["flat"] * 3,
    ...         "haircut": [0.125] * 3,
    ...     }
    ... )
    >>> backtest(flat, prices, level=[0.5, 0.9]).select("level", "n", "breaches").rows()
    [(0.5, 2, 1), (0.9, 2, 1)]
    """
    rows = join_haircuts(haircuts)
    span = Span(start, end, split, windows, window, step)
    found: list[pl.DataFrame] = []
    for days in _list_horizons(horizon):
        judged = judge(
            rows,
            prices,
            by=column_names(by),
            horizon=days,
            loss=loss,
            span=span,
            book=book,
        )
        for aim in [level] if isinstance(level, int | float) else level:
            setting = Setting(
                check_level(aim), days, is_alone(by), loss, draws, seed, cache
            )
            found.append(cover(judged, setting))
    if not found:
        raise ConfigError("horizon, level: name at least one of each")
    return pl.concat(found)


def _list_horizons(horizon: int | Sequence[int]) -> list[int]:
    try:
        several = horizon if isinstance(horizon, Sized) else [horizon]
        return [index(days) for days in several]
    except TypeError:
        raise ConfigError(f"horizon {horizon!r}: whole days, one or several") from None


class Span(NamedTuple):
    """Which dates are judged, and in which samples; see `backtest`."""

    start: date | None = None
    end: date | None = None
    split: date | None = None
    windows: Literal["rolling", "expanding"] | None = None
    window: int = 250
    step: int | None = None

    def check(self) -> None:
        """Refuse what makes no sense."""
        if self.windows not in {None, "rolling", "expanding"}:
            raise ConfigError(f"windows {self.windows!r}: 'rolling' or 'expanding'")
        step = 1 if self.step is None else self.step
        if self.window < 1 or step < 1:
            raise ConfigError(f"window {self.window}, step {step}: at least 1 date")

    def apply(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
        """Keep the rows to judge, once per sample; name the keys that this adds."""
        self.check()
        if self.start is not None:
            rows = rows.filter(pl.col("date") >= self.start)
        if self.end is not None:
            rows = rows.filter(pl.col("end_date") <= self.end)
        keys: list[str] = []
        if self.split is not None:
            keys.append("sample")
            rows = rows.with_columns(
                pl.when(pl.col("end_date") <= self.split)
                .then(pl.lit("train"))
                .when(pl.col("date") > self.split)
                .then(pl.lit("test"))
                .alias("sample")
            ).filter(pl.col("sample").is_not_null())
        if self.windows is None:
            return rows, keys
        dates = rows["date"].unique().sort()
        step = self.window if self.step is None else self.step

        def name_window(part: pl.DataFrame, *days: date | None) -> pl.DataFrame:
            first, last = (pl.lit(day, pl.Date()) for day in days)
            return part.with_columns(window_start=first, window_end=last)

        parts = [name_window(rows.clear(), None, None)]
        for stop in range(self.window, dates.len() + 1, step):
            start = stop - self.window if self.windows == "rolling" else 0
            first, last = dates[start], dates[stop - 1]
            inside = rows.filter(pl.col("date").is_between(first, last))
            parts.append(name_window(inside, first, last))
        return pl.concat(parts), [*keys, "window_start", "window_end"]


class Judged(NamedTuple):
    """Windows whose haircut and loss are both known.

    Attributes
    ----------
    rows
        One row per window, with the keys.
    by
        The keys of the answer.
    unmatched
        `instrument_id, model, name, note` of haircuts without any window.
    """

    rows: pl.DataFrame
    by: list[str]
    unmatched: pl.DataFrame


def join_haircuts(haircuts: AnyFrame | Sequence[AnyFrame]) -> pl.DataFrame:
    """Check one frame of haircuts or several, and put them together."""
    if not isinstance(haircuts, (list, tuple)):
        return read_haircuts(cast("AnyFrame", haircuts))
    if not haircuts:
        raise ConfigError("haircuts is an empty list: pass at least one frame")
    each = [read_haircuts(frame) for frame in haircuts]
    return read_haircuts(pl.concat(each, how="diagonal"))


def is_alone(by: str | Sequence[str]) -> bool:
    """Whether a row of the answer is one series of one instrument."""
    return {"instrument_id", "model"} <= set(column_names(by))


def judge(
    haircuts: pl.DataFrame,
    prices: AnyFrame,
    *,
    by: Sequence[str],
    horizon: int,
    loss: Loss,
    span: Span,
    book: Mapping[str, float] | None = None,
) -> Judged:
    """Take the windows whose haircut and loss are both known, in the samples asked."""
    rows = _join_losses(haircuts, prices, horizon, loss)
    if book is not None:
        whole = netted(haircuts, prices, book)
        added = _join_losses(whole.haircuts, whole.prices, horizon, loss)
        rows = pl.concat([rows, added], how="diagonal")
    _check_names(rows, by)
    known = rows.filter(pl.col("breach").is_not_null())
    inside, added_keys = span.apply(known)
    keys = [*by, *(key for key in added_keys if key not in by)]
    names = ["instrument_id", "model", "name"]
    missing = (
        rows.group_by(names, maintain_order=True)
        .agg(
            pl.col("haircut").is_not_null().any().alias("given"),
            pl.col("day").is_not_null().any().alias("priced"),
        )
        .join(
            inside.select(names).unique(), on=names, how="anti", maintain_order="left"
        )
        .with_columns(
            pl.when(pl.col("instrument_id").is_null())
            .then(pl.lit("haircuts that name no instrument"))
            .when(~pl.col("priced"))
            .then(pl.lit("no price of this instrument on these dates"))
            .when(~pl.col("given"))
            .then(pl.lit("no haircut of this instrument is known"))
            .otherwise(pl.lit("no window of this instrument is over in these dates"))
            .alias("note")
        )
    )
    return Judged(keyed(inside, keys), keys, missing.drop("given", "priced"))


def cover(judged: Judged, setting: Setting) -> pl.DataFrame:
    """Judge the windows, and add rows of n = 0 for haircuts that have none."""
    found = coverage(judged.rows, judged.by, setting)
    missing = judged.unmatched
    if "instrument_id" not in judged.by or missing.height == 0:
        return found
    columns = [name for name in judged.by if name in missing.columns]
    missing = missing.group_by(columns, maintain_order=True).agg(pl.col("note").first())
    keys = missing.select(
        pl.col(name)
        if name in columns
        else pl.lit(None, found.schema[name]).alias(name)
        for name in judged.by
    )
    none = np.zeros(missing.height)
    empty: dict[str, Column] = {
        "n": none,
        "breaches": none,
        "expected": none,
        "note": missing["note"],
    }
    every = pl.concat([found, filled(keys, empty, setting)])
    return every.sort(judged.by, maintain_order=True)


def keyed(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Add the year where `by` asks for it, and refuse keys that are not there."""
    if "year" in by:
        rows = rows.with_columns(pl.col("date").dt.year().alias("year"))
    reason = "is asked for in `by` but not there"
    require_columns(rows.columns, by, name="haircuts", reason=reason)
    return rows


def _join_losses(
    rows: pl.DataFrame, prices: AnyFrame, horizon: int, loss: Loss
) -> pl.DataFrame:
    lost = windows_of(prices, horizon=horizon, loss=loss)
    keys = ["instrument_id", "date"]
    rows = rows.drop(_HIDDEN, strict=False)
    if rows.select(keys).equals(lost.select(keys)):
        joined = rows.with_columns(lost[name] for name in ("loss", *_HIDDEN))
    else:
        joined = rows.join(lost, on=keys, how="left", maintain_order="left")
    short = pl.col("loss") - pl.col("haircut")
    return joined.with_columns((short > 0).alias("breach"), short.alias("shortfall"))


def _check_names(rows: pl.DataFrame, by: Sequence[str]) -> None:
    """Refuse to mix two series of one model, which would count every day twice."""
    if "model" not in by or "name" in by:
        return
    names = rows.group_by("model", maintain_order=True).agg(pl.col("name").unique())
    several = names.filter(pl.col("name").list.len() > 1)
    if several.height:
        model, called = several.row(0)
        raise ConfigError(
            f"model {model} stands for {', '.join(sorted(called))}: add 'name' to `by`"
        )
