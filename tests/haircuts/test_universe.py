"""A universe asked slice by slice says what one frame says, whoever asks."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from holdings_kit import haircuts as hc
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.store.cluster import Cluster, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

MODELS = {
    "fast": partial(hc.ewma, decay=0.9, level=0.95, seed="mean:30"),
    "slow": partial(hc.ewma, decay=0.99, level=0.95, seed="mean:30"),
    "past": partial(hc.historical, window=60, level=0.95),
}
BY = [
    ("instrument_id", "model"),
    ("model", "instrument_id", "year"),
    ("instrument_id",),
    ("model",),
    ("model", "year"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with connect(workers=2) as made:
        yield made


@pytest.fixture
def prices(from_returns: Callable[..., pl.DataFrame]) -> pl.DataFrame:
    """Names of unlike length and risk: the largest losses are all in one slice."""
    rng = np.random.default_rng(3)
    return pl.concat(
        from_returns(
            rng.standard_t(4, size=200 + 30 * n) * (0.2 if n == 8 else 0.01), f"N{n}"
        )
        for n in range(9)
    )


@pytest.fixture
def folder(tmp_path: Path, prices: pl.DataFrame) -> Path:
    """Three files, the rows in no order."""
    shuffled = prices.with_columns(volume=1).sample(fraction=1, shuffle=True, seed=1)
    for number, part in enumerate(shuffled.iter_slices(1200)):
        part.write_parquet(tmp_path / f"{number}.parquet")
    return tmp_path


def at_once(prices: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(
        model(prices).with_columns(model=pl.lit(name)) for name, model in MODELS.items()
    )


@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize(("slices", "cut"), [(1, 1), (4, 4), (50, 9)])
def test_slices_say_what_one_frame_says(
    prices: pl.DataFrame, folder: Path, by: tuple[str, ...], slices: int, cut: int
) -> None:
    options = {"level": 0.95, "by": by, "horizon": 2, "draws": 19}
    whole = hc.backtest(at_once(prices), prices, **options)
    universe = hc.Universe(folder, slices=slices)
    assert len(universe.slices) == cut
    found = universe.backtest(MODELS, **options)
    alone = {"instrument_id", "model"} <= set(by)
    assert_frame_equal(found, whole, check_exact=alone, rel_tol=1e-12, abs_tol=0)


def test_losses_that_all_fall_in_one_slice_are_asked_for_again(
    tmp_path: Path, from_returns: Callable[..., pl.DataFrame]
) -> None:
    rng = np.random.default_rng(5)
    prices = pl.concat(
        from_returns(rng.normal(size=1200) * (0.2 if n == 5 else 1e-5), f"N{n}")
        for n in range(12)
    )
    prices.write_parquet(tmp_path / "prices.parquet")
    asked: list[int] = []

    class Counting:
        def map(self, task: Callable, items: Iterable) -> list:
            answers = [task(item) for item in items]
            asked.append(len(answers))
            return answers

    model = {"basel": hc.basel}
    options = {"by": ("model",), "level": 0.95}
    universe = hc.Universe(tmp_path, slices=12)
    found = universe.backtest(model, on=Counting(), **options)
    named = hc.basel(prices).with_columns(model=pl.lit("basel"))
    assert asked == [12, 12]
    assert_frame_equal(found, hc.backtest(named, prices, **options), rel_tol=1e-12)


def test_workers_say_the_same_also_when_one_is_killed(
    prices: pl.DataFrame, folder: Path, cluster: Cluster
) -> None:
    universe = hc.Universe(str(folder / "*.parquet"), slices=5)
    plain = universe.backtest(MODELS, level=0.95)
    assert_frame_equal(universe.backtest(MODELS, level=0.95, on=cluster), plain)
    pooled = universe.backtest(MODELS, level=0.95, by="model", on=cluster)
    assert_frame_equal(pooled, universe.backtest(MODELS, level=0.95, by="model"))

    def slow(closes: pl.DataFrame) -> pl.DataFrame:
        time.sleep(0.4)
        return hc.basel(closes)

    victim = next(iter(cluster.workers.values()))
    threading.Timer(0.5, os.kill, (victim, signal.SIGKILL)).start()
    found = universe.backtest({"basel": slow}, on=cluster)
    assert victim not in cluster.workers.values()
    assert_frame_equal(found, universe.backtest({"basel": hc.basel}))
    assert found["instrument_id"].to_list() == sorted(prices["instrument_id"].unique())


def test_a_model_is_asked_slice_by_slice(prices: pl.DataFrame, folder: Path) -> None:
    parts = hc.Universe(folder, slices=4).map(hc.ewma)
    assert [part["instrument_id"].n_unique() for part in parts] == [3, 2, 2, 2]
    assert_frame_equal(pl.concat(parts), hc.ewma(prices))


def test_the_rows_decide_how_many_slices(folder: Path) -> None:
    assert len(hc.Universe(folder).slices) == 1
    assert repr(hc.Universe(folder, slices=100)) == "Universe(9 slices)"


def test_prices_in_memory_do_not_travel(cluster: Cluster) -> None:
    names = pl.DataFrame({"instrument_id": [f"N{n:06}" for n in range(100_000)]})
    big = names.with_columns(date=pl.date(2026, 1, 1), close=pl.int_range(pl.len()) + 1)
    universe = hc.Universe(big.lazy(), slices=2)
    assert universe.map(len) == [50_000, 50_000]
    with pytest.raises(ConfigError, match="write them as parquet"):
        universe.map(len, on=cluster)


def test_an_empty_universe_has_no_rows(tmp_path: Path) -> None:
    pl.DataFrame(schema=hc.PRICES).write_parquet(tmp_path / "none.parquet")
    universe = hc.Universe(tmp_path)
    assert universe.backtest(MODELS).schema == hc.COVERAGE
    assert universe.backtest(MODELS, by="model").height == 0


def test_bad_universes_are_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        hc.Universe(folder, slices=0)
    with pytest.raises(ConfigError, match="cannot be read as parquet"):
        hc.Universe(tmp_path / "nowhere")
    with pytest.raises(FrameError, match="close"):
        hc.Universe(pl.LazyFrame({"instrument_id": ["X"], "date": [None]}))
    universe = hc.Universe(folder)
    with pytest.raises(ConfigError, match="models is empty"):
        universe.backtest({})
    with pytest.raises(ConfigError, match="level"):
        universe.backtest(MODELS, level=2)
    with pytest.raises(FrameError, match="sector"):
        universe.backtest(MODELS, by=("model", "sector"))
    pl.DataFrame(
        {"instrument_id": ["Z"], "date": [None], "close": [-1.0]}
    ).with_columns(pl.date(2026, 1, 1).alias("date")).write_parquet(
        tmp_path / "bad.parquet"
    )
    bad = hc.Universe(tmp_path / "bad.parquet")
    with pytest.raises(FrameError, match="Z on 2026-01-01"):
        bad.backtest(MODELS)
