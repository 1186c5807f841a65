"""Models and backtests over a universe that no memory holds, slice by slice.

A slice is a range of instruments, each whole, so models and rows per instrument need no
other slice. A task takes the address of the prices and two names; prices never travel.
Rows that pool instruments are put together from counts and sums of the slices.
"""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

import numpy as np
import polars as pl

from holdings_kit.errors import ConfigError, readable
from holdings_kit.haircuts._backtest import Judged, Span, cover, is_alone, judge
from holdings_kit.haircuts._coverage import (
    POOLED,
    Column,
    Setting,
    built_for,
    filled,
    rates,
)
from holdings_kit.haircuts._frames import PRICES, read_haircuts
from holdings_kit.haircuts.statistics._result import check_level
from holdings_kit.schema import column_names, require_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from holdings_kit.haircuts.statistics._laws import Cache
    from holdings_kit.haircuts.statistics._overlapping import Loss
    from holdings_kit.store import Mapper

    Model: TypeAlias = Callable[[pl.DataFrame], pl.DataFrame]

T = TypeVar("T")
_ROWS: Final = 1_000_000  # closes of a slice: some 0.5 GB while it is judged
_LARGEST: Final = 1_000_000  # bytes of a plan that travels with every task
BUILT: Final = ("level", "horizon")
_SPARE: Final = 4  # times its own share of the largest losses, and so many more
_MORE: Final = 64


class Slice(NamedTuple):
    """Instruments from one name to another; travels as an address and two names."""

    prices: pl.LazyFrame
    first: str
    last: str

    def read(self) -> pl.DataFrame:
        """Read the `PRICES` of the slice."""
        inside = pl.col("instrument_id").is_between(
            pl.lit(self.first), pl.lit(self.last)
        )
        return self.prices.filter(inside).select(PRICES.names()).collect()


@readable
class Universe:
    """Prices of many instruments, asked a slice of instruments at a time.

    Parameters
    ----------
    prices
        A parquet file, a folder or a glob of them, or a lazy scan of files
        (`polars.scan_parquet`, with its storage options), of `PRICES`; further columns
        are not read. Sorted by instrument, a slice reads its own part only; else each
        reads all and keeps its own. Every worker must reach them at the same address.
    slices
        How many at most; None: a million closes each. Memory is that of one slice.

    Raises
    ------
    FrameError
        The prices lack a column.

    Examples
    --------
    >>> from datetime import date
    >>> from tempfile import TemporaryDirectory
    >>> from holdings_kit.haircuts import basel
    >>> days = [date(2026, 1, day) for day in (1, 2, 5)]
    >>> prices = pl.DataFrame(
    ...     {
    ...         "instrument_id": ["X"] * 3 + ["Y"] * 3,
    ...         "date": days * 2,
    ...         "close": [100.0, 98.0, 60.0, 9.0, 9.1, 9.2],
    ...     }
    ... )
    >>> with TemporaryDirectory() as folder:
    ...     prices.write_parquet(f"{folder}/prices.parquet")
    ...     universe = Universe(folder, slices=2)
    ...     universe.map(len)
    ...     found = universe.backtest({"basel": basel})
    [3, 3]
    >>> found.select("instrument_id", "breaches").rows()
    [('X', 1), ('Y', 0)]
    """

    def __init__(
        self, prices: str | Path | pl.LazyFrame, *, slices: int | None = None
    ) -> None:
        if slices is not None and slices < 1:
            raise ConfigError(f"slices={slices}: at least 1 is needed")
        self._prices = _scan_prices(prices)
        have = self._prices.collect_schema().names()
        require_columns(have, PRICES, name="prices", reason="missing; pass PRICES")
        self._slices = _cut_by_closes(self._prices, slices)

    def __repr__(self) -> str:
        return f"Universe({len(self._slices)} slices)"

    @property
    def slices(self) -> list[Slice]:
        """The slices, by name of instrument."""
        return list(self._slices)

    def map(
        self, question: Callable[[pl.DataFrame], T], *, on: Mapper | None = None
    ) -> list[T]:
        """Ask every slice the same question, in order.

        Parameters
        ----------
        question
            A function of `PRICES`, such as a model. It travels to other processes with
            `on`, so it must be importable there; a large answer is better written to a
            file in the question.
        on
            Who asks, such as `hk.cluster.connect`; None: this process, one
            slice after the other.

        Raises
        ------
        ConfigError
            The prices are in memory, and would travel with every task.
        """
        return self._each(partial(_ask, question=question), on)

    def backtest(
        self,
        models: Mapping[str, Model],
        *,
        on: Mapper | None = None,
        horizon: int = 1,
        level: float = 0.99,
        loss: Loss = "terminal",
        by: str | Sequence[str] = ("instrument_id", "model", "name"),
        start: date | None = None,
        end: date | None = None,
        draws: int = 999,
        seed: int = 0,
        cache: Cache = "platform",
    ) -> pl.DataFrame:
        """Judge models as `backtest` does, a slice at a time.

        Parameters
        ----------
        models
            Name → function of `PRICES` that gives `HAIRCUTS`, such as
            ``partial(ewma, decay=0.995)``. The name replaces that of the model.
        on
            As for `map`.
        horizon, level, loss, by, start, end, draws, seed, cache
            As for `backtest`.

        Returns
        -------
        polars.DataFrame
            `COVERAGE`: the rows that `backtest` gives for the whole at once, sorted by
            `by`. Without `instrument_id` in `by` a row pools the instruments of all
            slices; means of pooled rows may differ by rounding.

        Raises
        ------
        ConfigError
            No model, an option out of range, or prices in memory with `on`.
        FrameError
            A price or a haircut is not of its shape, or a column of `by` is not there.
        """
        if not models:
            raise ConfigError("models is empty: name at least one")
        by = column_names(by)
        setting = Setting(
            check_level(level), horizon, is_alone(by), loss, draws, seed, cache
        )
        span = Span(start, end)
        judged = partial(
            _judge_piece,
            models=dict(models),
            horizon=horizon,
            loss=loss,
            span=span,
            by=by,
        )
        if "instrument_id" in by:
            rows = self._each(
                partial(_measure_coverage, judged=judged, setting=setting), on
            )
            return pl.concat(rows).sort(by)
        part = partial(_measure_part, judged=judged, by=by, p=setting.p)
        found, largest = _combine_parts(self._each(part, on), by, setting)
        if largest:  # some slice holds more of the largest losses than its share
            again = self._each(partial(part, largest=largest), on)
            found, _ = _combine_parts(again, by, setting)
        return found

    def _each(self, task: Callable[[Slice], T], on: Mapper | None) -> list[T]:
        if on is None:
            return [task(piece) for piece in self._slices]
        size = len(pickle.dumps(self._prices))
        if size > _LARGEST:
            raise ConfigError(
                f"the prices are {size:,} bytes in memory, which would travel with "
                "every task; write them as parquet and pass the path"
            )
        return on.map(task, self._slices)


def _scan_prices(prices: str | Path | pl.LazyFrame) -> pl.LazyFrame:
    if isinstance(prices, pl.LazyFrame):
        return prices
    place = str(prices)
    if "://" not in place:
        place = str(Path(place).expanduser().absolute())
    try:
        scan = pl.scan_parquet(place)
        scan.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ConfigError(f"{place}: cannot be read as parquet: {error}") from None
    return scan


def _cut_by_closes(prices: pl.LazyFrame, slices: int | None) -> list[Slice]:
    """Cut the sorted instruments into ranges of about as many closes."""
    counts = (
        prices.select("instrument_id")
        .drop_nulls()
        .group_by("instrument_id")
        .len("rows")
        .sort("instrument_id")
        .collect(engine="streaming")
    )
    total = int(counts["rows"].sum())
    number = slices or -(-total // _ROWS)
    middle = pl.col("rows").cum_sum() - pl.col("rows") / 2
    ranges = (
        counts.group_by((middle * number / max(total, 1)).floor().alias("slice"))
        .agg(
            pl.col("instrument_id").min().alias("first"),
            pl.col("instrument_id").max().alias("last"),
        )
        .sort("first")
        .select("first", "last")
    )
    return [Slice(prices, *names) for names in ranges.rows() or [("", "")]]


# One slice each.


def _ask(piece: Slice, *, question: Callable[[pl.DataFrame], T]) -> T:
    return question(piece.read())


def _judge_piece(
    piece: Slice,
    *,
    models: dict[str, Model],
    by: Sequence[str],
    horizon: int,
    loss: Loss,
    span: Span,
) -> Judged:
    prices = piece.read()
    haircuts = pl.concat(
        [
            model(prices).with_columns(
                pl.lit(name).alias("model"), pl.lit(name).alias("name")
            )
            for name, model in models.items()
        ],
        how="diagonal",
    )
    rows = read_haircuts(haircuts)
    return judge(rows, prices, by=by, horizon=horizon, loss=loss, span=span)


def _measure_coverage(
    piece: Slice, *, judged: partial[Judged], setting: Setting
) -> pl.DataFrame:
    return cover(judged(piece), setting)


def _measure_part(
    piece: Slice,
    *,
    judged: partial[Judged],
    by: Sequence[str],
    p: float,
    largest: int | None = None,
) -> Part:
    return _add_up_breaches(judged(piece).rows, by, p, largest=largest)


# Rows that pool instruments. Counts and sums add up, extremes are extremes of extremes,
# and what falls together on a day is a sum per day. The break-even haircut is an order
# statistic: a slice gives its largest losses, and the least of them proves the answer.


class Part(NamedTuple):
    """What one slice adds to the rows of `by`: numbers, no prices."""

    sums: pl.DataFrame  # by: n, x, haircut, short, worst, first
    days: pl.DataFrame  # by, date: n, x
    tail: pl.DataFrame  # by: loss, descending; all that could matter
    shown: pl.DataFrame  # by: bound, the least loss shown where others are not


def _add_up_breaches(
    rows: pl.DataFrame, by: Sequence[str], p: float, *, largest: int | None = None
) -> Part:
    """Add up one slice of breaches whose haircut and loss are known.

    `largest` is how many losses of each key to give; None: a guess.
    """
    hit, short = pl.col("breach"), pl.col("shortfall").filter("breach")
    built = pl.col(BUILT).cast(pl.Float64())
    count = pl.len().cast(pl.Int64()).alias("n")
    hits = hit.sum().cast(pl.Int64()).alias("x")
    sums = rows.group_by(by).agg(
        count,
        hits,
        pl.col("haircut").sum(),
        short.sum().alias("short"),
        short.max().alias("worst"),
        pl.col("date").filter("breach").min().alias("first"),
        built.min().name.suffix("_low"),
        built.max().name.suffix("_high"),
    )
    guess = (pl.len().over(by) * p * _SPARE).floor() + _MORE
    keep = guess if largest is None else pl.lit(largest)
    placed = rows.select(
        *by,
        "loss",
        pl.col("loss").rank("ordinal", descending=True).over(by).alias("place"),
        keep.alias("keep"),
        pl.len().over(by).alias("n"),
    )
    tail = placed.filter(pl.col("place") <= pl.col("keep"))
    cut = tail.filter(pl.col("keep") < pl.col("n"))
    return Part(
        sums,
        rows.group_by(*by, "date").agg(count, hits),
        tail.select(*by, "loss"),
        cut.group_by(by).agg(pl.col("loss").min().alias("bound")),
    )


def _combine_parts(
    parts: Sequence[Part], by: Sequence[str], setting: Setting
) -> tuple[pl.DataFrame, int]:
    """Put slices together: `COVERAGE`, and how many losses it takes to prove it.

    The number is 0 when the losses given prove the break-even haircuts; else ask each
    slice again for so many.
    """
    sums = (
        pl.concat([part.sums for part in parts])
        .group_by(by)
        .agg(
            pl.col("n", "x", "haircut", "short").sum(),
            pl.col("worst").max(),
            pl.col("first").min(),
            pl.col(*(f"{column}_low" for column in BUILT)).min(),
            pl.col(*(f"{column}_high" for column in BUILT)).max(),
        )
        .sort(by)
    )
    tail = pl.concat([part.tail for part in parts]).sort("loss", descending=True)
    bound = pl.concat([part.shown for part in parts]).group_by(by).agg(pl.max("bound"))
    days = (
        pl.concat([part.days for part in parts])
        .group_by(*by, "date")
        .agg(pl.col("n", "x").sum())
        .sort("date")
    )
    for found in (
        tail.group_by(by, maintain_order=True).agg("loss"),
        bound,
        days.group_by(by, maintain_order=True).agg(rate=pl.col("x") / pl.col("n")),
    ):
        sums = sums.join(
            found, on=by, how="left", maintain_order="left", nulls_equal=True
        )
    place = (pl.col("n") * setting.p + 1e-9).floor().cast(pl.Int64())
    place = pl.min_horizontal(place, pl.col("n") - 1)
    even = pl.col("loss").list.get(pl.col("place"), null_on_oob=True)
    rows = sums.with_columns(place=place).with_columns(even=even)
    hidden = pl.col("even").is_null() | (pl.col("even") < pl.col("bound"))
    need = rows.filter(hidden)["place"].to_list()
    answer = filled(rows.select(by), _pool_columns(rows, setting), setting)
    return answer, max(need, default=-1) + 1


def _pool_columns(rows: pl.DataFrame, setting: Setting) -> dict[str, Column]:
    n = rows["n"].to_numpy().astype(np.float64)
    x = rows["x"].to_numpy().astype(np.float64)
    even = np.maximum(rows["even"].cast(pl.Float64()).to_numpy(), 0.0)
    mean = rows["haircut"].to_numpy() / n
    dates = rows["rate"].list.len().to_numpy().astype(np.float64)
    independent = np.maximum(dates / setting.horizon, 1.0)
    hit = np.where(x > 0, 1.0, np.nan)
    return {
        **rates(n, x, setting.p, independent=independent, mean=mean, even=even),
        "first_breach": rows["first"],
        "worst_shortfall": rows["worst"],
        "mean_shortfall": rows["short"].to_numpy() / np.maximum(x, 1) * hit,
        "note": _write_pool_notes(rows, setting),
    }


def _write_pool_notes(rows: pl.DataFrame, setting: Setting) -> list[str]:
    notes: list[str] = []
    for row in rows.iter_rows(named=True):
        parts = [POOLED]
        for column in BUILT:
            ends = [row[f"{column}_low"], row[f"{column}_high"]]
            if ends[0] is not None:
                parts += built_for(column, ends, setting)
        notes.append("; ".join(parts))
    return notes
