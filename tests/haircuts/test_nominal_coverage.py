"""On paths drawn from a model's own law, breaches come as often as the level says."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from holdings_kit import haircuts as hc
from holdings_kit.haircuts import statistics as ht

if TYPE_CHECKING:
    from collections.abc import Callable

SEED_VARIANCE = 0.0001
DECAY = 0.94


def panel(returns: np.ndarray) -> pl.DataFrame:
    """Rows are instruments, columns days."""
    names, days = returns.shape
    start = np.zeros((names, 1))
    closes = 100 * np.exp(np.cumsum(np.hstack([start, returns]), axis=1))
    dates = [date(2000, 1, 1) + timedelta(days=day) for day in range(days + 1)]
    return pl.DataFrame(
        {
            "instrument_id": np.repeat(
                [f"N{name:05d}" for name in range(names)], days + 1
            ),
            "date": dates * names,
            "close": closes.ravel(),
        }
    )


def ewma_law(innovations: np.ndarray) -> np.ndarray:
    """Returns whose next variance is the EWMA of the past ones."""
    variance = np.full(innovations.shape[0], SEED_VARIANCE)
    returns = np.empty_like(innovations)
    for day in range(innovations.shape[1]):
        returns[:, day] = np.sqrt(variance) * innovations[:, day]
        variance = DECAY * variance + (1 - DECAY) * returns[:, day] ** 2
    return returns


def check(haircuts: pl.DataFrame, prices: pl.DataFrame, level: float) -> None:
    row = hc.backtest(haircuts, prices, level=level, by=("model",)).row(0, named=True)
    assert row["n"] >= 2000
    limits = ht.clopper_pearson(row["breaches"], row["n"], confidence=0.99)
    assert limits.lower <= 1 - level <= limits.upper, (row["rate"], limits)


def unit_t(rng: np.random.Generator, df: float, shape: tuple[int, int]) -> np.ndarray:
    return rng.standard_t(df, shape) * np.sqrt((df - 2) / df)


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_ewma_on_normal_innovations(level: float) -> None:
    prices = panel(ewma_law(np.random.default_rng(1).standard_normal((100, 250))))
    model = hc.ewma(
        prices, decay=DECAY, level=level, seed=SEED_VARIANCE, conversion="exp_long"
    )
    check(model, prices, level)


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_student_t_on_its_innovations(level: float) -> None:
    prices = panel(ewma_law(unit_t(np.random.default_rng(2), 5, (100, 250))))
    model = hc.student_t(
        prices, df=5, level=level, seed=SEED_VARIANCE, conversion="exp_long"
    )
    check(model, prices, level)


def test_student_t_with_fitted_degrees() -> None:
    prices = panel(ewma_law(unit_t(np.random.default_rng(3), 5, (40, 620))))
    model = hc.student_t(
        prices, window=500, level=0.99, seed=SEED_VARIANCE, conversion="exp_long"
    )
    check(model, prices, 0.99)


def test_historical_on_independent_returns() -> None:
    prices = panel(np.random.default_rng(4).standard_t(4, (3000, 501)) * 0.01)
    check(hc.historical(prices, window=500, level=0.95), prices, 0.95)


@pytest.mark.parametrize(("between", "rank"), [("lower", 1), ("higher", 2)])
def test_historical_is_breached_as_often_as_its_window_says(
    between: Any, rank: int
) -> None:
    """The next of w + 1 independent returns is below the k-th worst of w: k/(w + 1)."""
    prices = panel(np.random.default_rng(5).normal(0, 0.01, (300, 150)))
    made = hc.historical(prices, window=50, level=0.97, interpolation=between)
    row = hc.backtest(made, prices, level=0.97, by=("model",)).row(0, named=True)
    limits = ht.clopper_pearson(row["breaches"], row["n"], confidence=0.99)
    assert limits.lower <= (rank + 1) / 51 <= limits.upper
    assert not limits.lower <= 0.03 <= limits.upper


@pytest.mark.parametrize(
    "model", [hc.filtered_historical, hc.evt], ids=["filtered", "evt"]
)
def test_filtered_models_on_fat_innovations(
    model: Callable[..., pl.DataFrame],
) -> None:
    prices = panel(ewma_law(unit_t(np.random.default_rng(5), 5, (2500, 502))))
    found = model(
        prices, window=500, level=0.97, seed=SEED_VARIANCE, conversion="exp_long"
    )
    check(found, prices, 0.97)


def test_garch_on_its_own_paths() -> None:
    pytest.importorskip("arch")
    rng = np.random.default_rng(6)
    variance = np.full(8, 2.5e-4)
    returns = np.empty((8, 1500))
    for day in range(1500):
        returns[:, day] = np.sqrt(variance) * rng.standard_normal(8)
        variance = 5e-6 + 0.08 * returns[:, day] ** 2 + 0.9 * variance
    prices = panel(returns)
    model = hc.garch(prices, window=1000, refit=500, level=0.95, conversion="exp_long")
    check(model, prices, 0.95)


def test_normal_es_is_the_mean_beyond_the_quantile() -> None:
    prices = panel(ewma_law(np.random.default_rng(7).standard_normal((200, 250))))
    options: dict[str, Any] = {"decay": DECAY, "level": 0.975, "seed": SEED_VARIANCE}
    var = hc.ewma(prices, **options)["haircut"].to_numpy()
    es = hc.expected_shortfall(prices, **options)["haircut"].to_numpy()
    close = prices["close"].to_numpy()
    r = np.append(np.log(close[1:] / close[:-1]), np.nan).reshape(200, -1)[:, :-1]
    kept = (slice(None), slice(0, -1))
    hit = r < -var.reshape(200, -1)[kept]
    ratio = (r / -es.reshape(200, -1)[kept])[hit]
    assert ratio.mean() == pytest.approx(1, abs=4 * ratio.std() / np.sqrt(ratio.size))


def test_coverage_far_from_the_level_is_found() -> None:
    prices = panel(ewma_law(unit_t(np.random.default_rng(8), 3, (100, 250))))
    model = hc.ewma(
        prices, decay=DECAY, level=0.99, seed=SEED_VARIANCE, conversion="exp_long"
    )
    with pytest.raises(AssertionError):
        check(model, prices, 0.99)
