"""The frames of the haircut laboratory; the gates that these and the options pass.

Prices are closes per instrument and date, adjusted for splits and bonuses by whoever
supplies them. Fractions, never percentages; losses are positive. Statistics are
Float64, as prices are here: nothing in this package is money.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.risk._collateral import take_last_files
from holdings_kit.schema import (
    MARGINS,
    FrameLike,
    as_frame,
    conform,
    require_columns,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AnyFrame: TypeAlias = FrameLike | pl.LazyFrame
"""A frame of any library, lazy or not, or a file; see `schema.as_frame`."""
Bools: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

PRICES: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "date": pl.Date(),
        "close": pl.Float64(),  # any numeric type is taken; rupees per unit
    }
)
"""The least that a model needs; the wide `PRICES` of `hk.read_prices` will do too."""
ALIASES: Final = {
    "close": ("close", "close_price"),
    "open": ("open_price", "open"),
    "previous_close": ("previous_close_price", "previous_close"),
}

HAIRCUTS: Final = pl.Schema(
    {
        "instrument_id": pl.String(),
        "date": pl.Date(),  # the last close used; the haircut covers what follows
        "model": pl.String(),
        "haircut": pl.Float64(),  # fraction in [0, 1]; null while there is no estimate
        "volatility": pl.Float64(),  # daily σ of log returns; null where there is none
        "floor_hit": pl.Boolean(),  # the rule's floor or a fixed rate set the haircut
        "level": pl.Float64(),  # probability it was built for; null: the rule says none
        "horizon": pl.Int64(),  # days it was built for; null: the rule says none
        "name": pl.String(),  # what the caller calls the series; else the model
        "note": pl.String(),  # what to mind: the audit's findings up to the date
    }
)
KEY: Final = ("instrument_id", "date", "model", "name")


class Aim(NamedTuple):
    """What a series of haircuts is called, and what it was built for."""

    name: str | None = None
    level: float | None = None
    horizon: int | None = None


class Closes(NamedTuple):
    """Known closes of many instruments, one run after the other.

    Attributes
    ----------
    keys
        `instrument_id` and `date`, sorted.
    close
        One close per row of `keys`.
    starts
        First row of each instrument, and the number of rows at the end.
    moves
        Log return since the close before; NaN on the first of an instrument.
    open, previous_close
        Of the same day, as reported, where the prices have them; NaN where unknown.
    notes
        What the audit found up to each row; None: nothing.
    """

    keys: pl.DataFrame
    close: Floats
    starts: Ints
    moves: Floats
    open: Floats | None = None
    previous_close: Floats | None = None
    notes: pl.Series | None = None

    def returns(self, days: int) -> Floats:
        """Log return over `days` closes; NaN on the first `days` of an instrument."""
        return _measure_log_returns(self.close, self.starts, days)

    @property
    def names(self) -> list[str]:
        """The instruments, in the order of their runs."""
        return self.keys["instrument_id"].gather(self.starts[:-1]).to_list()

    @property
    def note(self) -> pl.Expr | pl.Series:
        """The column `note` of an answer."""
        none = pl.lit(None, pl.String()).alias("note")
        return none if self.notes is None else self.notes.alias("note")

    def frame(
        self,
        model: str,
        haircut: Floats,
        volatility: Floats | None = None,
        floor_hit: Bools | None = None,
        *,
        aim: Aim,
    ) -> pl.DataFrame:
        """Put the answer of a model beside the keys: a `HAIRCUTS` frame."""
        known = pl.Series("haircut", haircut, nan_to_null=True)
        hit = pl.lit(value=False) if floor_hit is None else pl.Series(floor_hit)
        return self.keys.select(
            "instrument_id",
            "date",
            pl.lit(model).alias("model"),
            known.clip(0.0, 1.0),
            pl.lit(None, pl.Float64()).alias("volatility")
            if volatility is None
            else pl.Series("volatility", volatility, nan_to_null=True),
            pl.when(known.is_not_null()).then(hit).alias("floor_hit"),
            pl.lit(aim.level, pl.Float64()).alias("level"),
            pl.lit(aim.horizon, pl.Int64()).alias("horizon"),
            pl.lit(model if aim.name is None else aim.name).alias("name"),
            self.note,
        )


def check_fraction(value: float, name: str) -> None:
    """Refuse a level or decay outside (0, 1)."""
    if not (0 < value < 1 and math.isfinite(value)):
        raise ConfigError(f"{name} {value}: must lie between 0 and 1, as 0.99 does")


def check_days(value: int, name: str) -> None:
    """Refuse a horizon or window below one day."""
    if value < 1:
        raise ConfigError(f"{name} {value}: must be at least 1 trading day")


def aim_at(name: str | None, level: float, horizon: int) -> Aim:
    """Take what a model is to aim at; refuse a level or horizon that is none."""
    check_fraction(level, "level")
    check_days(horizon, "horizon")
    return Aim(name, level, horizon)


def choose_each(
    names: Sequence[str], given: str | Mapping[str, str], default: str
) -> list[str]:
    """Give each instrument the one choice there is for all, or its own."""
    if isinstance(given, str):
        return [given] * len(names)
    return [given.get(name, default) for name in names]


def check_choice(
    value: str, name: str, known: Sequence[str], *, quoted: bool = False
) -> None:
    """Refuse an option that is none of those there are."""
    if value not in known:
        *most, last = map(repr, known) if quoted else known
        listed = f"{', '.join(most)} or {last}"
        raise ConfigError(f"{name} {value!r}: {'give ' if quoted else ''}{listed}")


def take_closes(prices: AnyFrame, *, name: str = "prices") -> pl.DataFrame:
    """Take `instrument_id`, `date`, `close` and, if there, `open`, `previous_close`.

    Raises
    ------
    FrameError
        A column is missing or of another type.
    """
    frame = as_frame(prices, PRICES, name=name).lazy()
    have = frame.collect_schema()
    found: dict[str, pl.Expr] = {}
    for column, names in ALIASES.items():
        there = [other for other in names if other in have and have[other].is_numeric()]
        if there:
            found[column] = pl.col(there[0]).cast(pl.Float64())
    rows = conform(frame.with_columns(**found), PRICES, name=name)
    return rows.select(*PRICES, *(c for c in found if c not in PRICES)).collect()


def read_closes(prices: AnyFrame, *, name: str = "prices") -> Closes:
    """Sort prices, drop unknown closes and find where each instrument starts.

    Raises
    ------
    FrameError
        A column is missing or of another type; a close is not above zero; an
        instrument has two closes on one date.
    """
    known = take_closes(prices, name=name)
    if any(known[column].null_count() for column in PRICES):
        known = known.drop_nulls(PRICES.names())
    starts = find_starts(known, ["instrument_id"])
    if not _is_sorted(known, starts):
        known = known.sort("instrument_id", "date")
        starts = find_starts(known, ["instrument_id"])
        _check_dates(known, name)
    close = known["close"].to_numpy()
    _check_closes(known, close, name)
    more: dict[str, Floats] = {
        column: known[column].fill_null(float("nan")).to_numpy()
        for column in ("open", "previous_close")
        if column in known.columns
    }
    keys = known.select("instrument_id", "date")
    moves = _measure_log_returns(close, starts, 1)
    return Closes(
        keys, close, starts, moves, more.get("open"), more.get("previous_close")
    )


def _measure_log_returns(close: Floats, starts: Ints, days: int) -> Floats:
    out = np.empty(close.size)
    out[:days] = np.nan
    np.divide(close[days:], close[:-days], out=out[days:])
    np.log(out, out=out)
    for day in range(days):
        out[np.minimum(starts[:-1] + day, starts[1:] - 1)] = np.nan
    return out


def read_haircuts(haircuts: AnyFrame) -> pl.DataFrame:
    """Check haircuts of any origin and give them as `HAIRCUTS`; further columns stay.

    Taken are `HAIRCUTS`, any frame with `instrument_id`, `date`, `model` and `haircut`
    (what it lacks is null; without a `name` the model is the name), the exchange's
    `MARGINS` (model ``exchange``, of each day the last file) and a `PANEL` of published
    haircuts (the model is the broker, else the source).

    Raises
    ------
    FrameError
        A column is missing or of another type, a haircut or level is no fraction, a
        date is unknown, or two rows have the same instrument, date and name.
    """
    rows = as_frame(haircuts, HAIRCUTS, name="haircuts").lazy()
    have = rows.collect_schema()
    if "model" not in have and {"var_margin", "elm"} <= set(have):
        rows = last_margins(rows).select(
            "instrument_id",
            "date",
            "haircut",
            model=pl.lit("exchange"),
            volatility="sigma",
            floor_hit="floored",
        )
        rows = rows.lazy()
    elif "model" not in have and {"broker", "source"} <= set(have):
        rows = rows.with_columns(pl.coalesce("broker", "source").alias("model"))
    have = rows.collect_schema()
    if "haircut" in have and have["haircut"].is_numeric():
        rows = rows.with_columns(pl.col("haircut").cast(pl.Float64()))
    rows = rows.with_columns(
        pl.lit(None, dtype).alias(column)
        for column, dtype in HAIRCUTS.items()
        if column not in ("name", *_GIVEN) and have.get(column, pl.Null()) == pl.Null()
    )
    label = pl.coalesce("name", "model") if "name" in have else pl.col("model")
    if "model" in have:
        rows = rows.with_columns(label.cast(pl.String()).alias("name"))
    known = conform(rows, HAIRCUTS, name="haircuts").collect()
    known = known.with_columns(pl.col("haircut").fill_nan(None))
    _check_fractions(known)
    return _require_one_row_each(known)


_GIVEN: Final = ("instrument_id", "date", "model", "haircut")


def last_margins(margins: AnyFrame, *also: str) -> pl.DataFrame:
    """Take of each instrument and day the last file, of its main series.

    Adds `sigma`, the daily volatility behind the published figure, null where none was
    computed, and `floored`, whether a floor or a fixed rate set the margin.

    Raises
    ------
    FrameError
        A column that the exchange's margins have, or one of `also`, is missing.
    """
    rows = as_frame(margins, MARGINS, name="margins").lazy()
    have = rows.collect_schema()
    wanted = ("instrument_id", "date", "security_var", "var_margin", "elm")
    reason = f"missing; margins has {have.names()}"
    require_columns(have, [*wanted, *also], name="margins", reason=reason)
    keys = ["instrument_id", "date"]
    security = pl.col("security_var").cast(pl.Float64())
    facts = take_last_files(rows, keys).with_columns(
        # the published figure is exp(6σ) − 1; 0 is "none computed"
        sigma=pl.when(security > 0).then(security.log1p() / 6),
        floored=pl.col("var_margin") > pl.col("security_var"),
    )
    return facts.sort(keys).collect()


def _check_fractions(rows: pl.DataFrame) -> None:
    """Refuse percentages, which nothing would ever exceed, and rows without a date."""
    if count := rows["date"].null_count():
        reason = f"unknown in {count} rows; leave them out"
        raise FrameError("haircuts", "date", reason)
    haircut, level = pl.col("haircut"), pl.col("level")
    for column, is_fraction, instead in (
        ("haircut", haircut.is_between(0, 1), "12.5 % as 0.125"),
        ("level", (level > 0) & (level < 1), "99 % as 0.99"),
    ):
        wrong = rows.filter(~is_fraction)
        if wrong.height:
            row = wrong.row(0, named=True)
            raise FrameError(
                "haircuts",
                column,
                f"{row[column]:g} for {row['instrument_id']} on {row['date']} is no "
                f"fraction; write {instead}",
            )


def _require_one_row_each(rows: pl.DataFrame) -> pl.DataFrame:
    """Refuse two rows of one instrument, date and name."""
    starts = rows.select(
        pl.any_horizontal(
            pl.col(c).ne_missing(pl.col(c).shift()) for c in KEY if c != "date"
        )
        .fill_null(value=True)
        .alias("new"),
        (pl.col("date") > pl.col("date").shift()).fill_null(value=True).alias("later"),
    )
    runs = rows.filter(starts["new"]).select("instrument_id", "model", "name")
    in_order = bool((starts["new"] | starts["later"]).all())
    twice = rows.clear()
    if not in_order or runs.is_duplicated().any():
        twice = rows.filter(rows.select(KEY).is_duplicated())
    if twice.height:
        row = twice.row(0, named=True)
        raise FrameError(
            "haircuts",
            "name",
            f"two haircuts of {row['instrument_id']} on {row['date']} are called "
            f"{row['name']!r}; give each model a name of its own, such as "
            "ewma(prices, name='slow')",
        )
    models = runs.group_by("name").agg(pl.col("model").n_unique())
    shared = models.filter(pl.col("model") > 1)["name"]
    if shared.len():  # one name for several models: the model tells them apart
        rows = rows.with_columns(
            pl.when(pl.col("name").is_in(shared.to_list()))
            .then("model")
            .otherwise("name")
            .alias("name")
        )
    return rows


def find_starts(rows: pl.DataFrame, by: Sequence[str]) -> Ints:
    """First row of each run of one key, and the number of rows at the end."""
    changed = pl.any_horizontal(
        pl.int_range(pl.len()) == 0,
        *(pl.col(key).ne_missing(pl.col(key).shift()) for key in by),
    )
    first = rows.select(changed.arg_true()).to_series()
    return np.append(first.to_numpy(), rows.height).astype(np.int64)


def _is_sorted(frame: pl.DataFrame, starts: Ints) -> bool:
    """Whether instruments ascend and dates ascend within each."""
    names = frame["instrument_id"].gather(starts[:-1])
    dates = frame["date"].to_physical().to_numpy()
    later = np.diff(dates) > 0
    later[starts[1:-1] - 1] = True
    return bool((names > names.shift()).all()) and bool(later.all())


def _check_dates(frame: pl.DataFrame, name: str) -> None:
    twice = frame.filter(
        (pl.col("instrument_id") == pl.col("instrument_id").shift())
        & (pl.col("date") == pl.col("date").shift())
    )
    if twice.height:
        row = twice.row(0)
        raise FrameError(name, "date", f"{row[0]} has two closes on {row[1]}")


def _check_closes(frame: pl.DataFrame, close: Floats, name: str) -> None:
    good = np.isfinite(close) & (close > 0)
    if not bool(good.all()):
        row = frame.row(int(np.argmin(good)))
        raise FrameError(
            name, "close", f"{row[0]} on {row[1]} is {row[2]}, not above 0"
        )
