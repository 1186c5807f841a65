"""What one call of a backtest may ask: several models, levels, horizons and samples."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from holdings_kit import haircuts as hc
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.schema import HOLDINGS, empty

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYS = ["instrument_id", "model", "name"]


def test_lists_are_the_single_calls_one_under_the_other(universe: pl.DataFrame) -> None:
    models = [hc.ewma(universe), hc.historical(universe, window=100)]
    options: dict[str, Any] = {"level": [0.95, 0.99], "horizon": [1, 5]}
    found = hc.backtest(models, universe, **options, cache=None)
    single = [
        hc.backtest(pl.concat(models), universe, level=p, horizon=h, cache=None)
        for h in (1, 5)
        for p in (0.95, 0.99)
    ]
    assert_frame_equal(found, pl.concat(single))
    assert found.height == 3 * 2 * 4
    with pytest.raises(ConfigError, match="at least one"):
        hc.backtest(models, universe, level=[])
    with pytest.raises(ConfigError, match="at least one"):
        hc.backtest(models, universe, horizon=[])
    with pytest.raises(ConfigError, match="empty list"):
        hc.backtest([], universe)


def test_two_series_of_one_model_stay_apart(universe: pl.DataFrame) -> None:
    slow, fast = hc.ewma(universe, name="slow"), hc.ewma(universe, decay=0.9)
    both = [slow, fast.with_columns(name=pl.lit("fast"))]
    found = hc.backtest(both, universe, cache=None)
    assert found.height == 6
    with pytest.raises(ConfigError, match="add 'name'"):
        hc.backtest(both, universe, by=["instrument_id", "model"])
    with pytest.raises(FrameError, match="name"):
        hc.backtest([slow, slow], universe)


def test_a_note_says_what_a_haircut_was_built_for(universe: pl.DataFrame) -> None:
    built = hc.ewma(universe, level=0.99, horizon=1)
    judged = hc.backtest(built, universe, level=0.95, horizon=10, cache=None)
    for note in judged["note"]:
        assert "built for level 0.99, judged at 0.95" in note
        assert "built for 1 day, judged at 10 days" in note
    right = hc.backtest(built, universe, cache=None)
    assert not any("built for" in note for note in right["note"])


def test_an_instrument_without_prices_is_a_row_and_not_missing(
    universe: pl.DataFrame,
) -> None:
    haircuts = hc.ewma(universe)
    other = haircuts.filter(instrument_id="A").with_columns(instrument_id=pl.lit("Z"))
    found = hc.backtest([haircuts, other], universe, cache=None)
    row = found.filter(instrument_id="Z").row(0, named=True)
    assert (row["n"], row["breaches"], row["ratio"]) == (0, 0, None)
    assert "no price" in row["note"]
    assert found.filter(pl.col("n") > 0).equals(
        hc.backtest(haircuts, universe, cache=None)
    )


def test_a_panel_of_published_haircuts_is_taken_as_it_is(
    universe: pl.DataFrame,
) -> None:
    dates = universe.filter(instrument_id="A")["date"]
    panel = pl.DataFrame(
        {"instrument_id": "A", "date": dates, "source": "arrow", "haircut": 0.2}
    ).with_columns(broker=pl.lit(None, pl.String()))
    found = hc.backtest(panel, universe, cache=None)
    assert found.select("model", "n").row(0) == ("arrow", 700)


@pytest.mark.parametrize("horizon", [1, 7])
def test_a_split_keeps_every_window_on_its_own_side(
    universe: pl.DataFrame, horizon: int
) -> None:
    haircuts, cut = hc.ewma(universe), date(2011, 1, 1)
    options: dict[str, Any] = {"horizon": horizon, "cache": None}
    found = hc.backtest(haircuts, universe, split=cut, **options)
    train = hc.backtest(haircuts, universe, end=cut, **options)
    after = cut + timedelta(days=1)
    test = hc.backtest(haircuts, universe, start=after, **options)
    for sample, alone in (("train", train), ("test", test)):
        part = found.filter(sample=sample).drop("sample")
        assert_frame_equal(part, alone)
    whole = hc.backtest(haircuts, universe, **options)
    assert (
        int(whole["n"].sum()) - int(found["n"].sum()) == 3 * horizon
    )  # a window for each day that straddles the date


def test_windows_roll_and_expand(
    from_returns: Callable[..., pl.DataFrame], universe: pl.DataFrame
) -> None:
    haircuts = hc.ewma(universe, seed="mean:100")
    options: dict[str, Any] = {"window": 200, "step": 150, "cache": None}
    rolling = hc.backtest(haircuts, universe, windows="rolling", **options)
    wide = hc.backtest(haircuts, universe, windows="expanding", **options)
    a = rolling.filter(instrument_id="A")
    assert a["n"].to_list() == [200] * 3
    assert wide.filter(instrument_id="A")["n"].to_list() == [200, 350, 500]
    for row in a.iter_rows(named=True):
        alone = hc.backtest(
            haircuts.filter(
                pl.col("date").is_between(row["window_start"], row["window_end"])
            ),
            universe,
            cache=None,
        ).filter(instrument_id="A")
        assert alone["breaches"].item() == row["breaches"]
    with pytest.raises(ConfigError, match="rolling"):
        hc.backtest(haircuts, universe, windows="sliding")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="at least 1"):
        hc.backtest(haircuts, universe, windows="rolling", window=0)


def test_the_seed_stands_in_the_answer_and_changes_what_is_drawn(
    universe: pl.DataFrame,
) -> None:
    haircuts = hc.basel(universe).with_columns(haircut=pl.lit(0.045))
    first = hc.backtest(haircuts, universe, seed=1, cache=None)
    again = hc.backtest(haircuts, universe, seed=1, cache=None)
    other = hc.backtest(haircuts, universe, seed=2, cache=None)
    assert first.equals(again)
    assert (first["seed"].to_list(), other["seed"].to_list()) == ([1] * 3, [2] * 3)
    assert not first["garch_p"].equals(other["garch_p"])


def test_frames_of_other_libraries_and_files_give_the_same_answer(
    universe: pl.DataFrame, tmp_path: Path
) -> None:
    """In any order of rows and columns."""
    mine = hc.ewma(universe)
    right = hc.backtest(mine, universe, cache=None)
    place = tmp_path / "closes.csv"
    universe.write_csv(place)
    for prices in (universe.to_pandas(), universe.to_arrow(), place):
        assert_frame_equal(hc.ewma(prices), mine)
        for haircuts in (mine.to_pandas(), [mine.to_arrow()]):
            assert_frame_equal(hc.backtest(haircuts, prices, cache=None), right)
    shuffled = [
        frame.select(frame.columns[::-1]).sample(fraction=1, shuffle=True, seed=3)
        for frame in (mine, universe)
    ]
    assert_frame_equal(hc.backtest(*shuffled, cache=None), right)
    assert hc.procyclicality(mine.to_pandas()).equals(hc.procyclicality(mine))
    assert hc.panel(empty(HOLDINGS).to_arrow()).height == 0


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"haircut": pl.col("haircut") * 100}, "12.5 % as 0.125"),
        ({"haircut": -pl.col("haircut")}, "no fraction"),
        ({"level": pl.lit(99.0)}, "99 % as 0.99"),
        ({"date": pl.lit(None, pl.Date())}, "unknown in 2103 rows"),
    ],
)
def test_what_can_only_be_a_mistake_is_refused(
    universe: pl.DataFrame, change: dict[str, pl.Expr], match: str
) -> None:
    with pytest.raises(FrameError, match=match):
        hc.backtest(hc.ewma(universe).with_columns(**change), universe)


def test_a_haircut_that_is_no_number_is_not_judged(universe: pl.DataFrame) -> None:
    mine = hc.ewma(universe)
    holes = mine.with_columns(pl.col("haircut").fill_null(float("nan")))
    assert_frame_equal(
        hc.backtest(holes, universe, cache=None),
        hc.backtest(mine, universe, cache=None),
    )
    nameless = mine.with_columns(
        instrument_id=pl.when(pl.col("instrument_id") != "A").then("instrument_id")
    )
    found = hc.backtest(nameless, universe, cache=None).filter(n=0)
    assert "name no instrument" in found["note"].item()
    for bad in ("1", 1.5, [1, 2.5]):
        with pytest.raises(ConfigError, match="whole days"):
            hc.backtest(mine, universe, horizon=bad)  # pyright: ignore[reportArgumentType]
