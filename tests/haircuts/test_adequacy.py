from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from holdings_kit import haircuts as hc
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.haircuts import statistics as ht

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_row_says_what_the_single_tests_say(universe: pl.DataFrame) -> None:
    haircuts = hc.ewma(universe, decay=0.94, level=0.95, seed="mean:100")
    found = hc.backtest(haircuts, universe, level=0.95).row(1, named=True)
    b = universe.filter(pl.col("instrument_id") == "B")["close"].to_numpy()
    h = haircuts.filter(pl.col("instrument_id") == "B")["haircut"][100:-1].to_numpy()
    loss = 1 - b[101:] / b[100:-1]
    hits = loss > h
    assert (found["n"], found["breaches"]) == (hits.size, hits.sum())
    expected = {
        "kupiec_p": ht.kupiec(int(hits.sum()), hits.size, 0.95),
        "exact_p": ht.binomial(int(hits.sum()), hits.size, 0.95),
        "tuff_p": ht.tuff(int(np.argmax(hits)) + 1, 0.95, observations=hits.size),
        "christoffersen_p": ht.christoffersen(hits),
        "conditional_coverage_p": ht.conditional_coverage(hits, 0.95),
        "haas_p": ht.haas(hits, 0.95),
        "duration_p": ht.duration(hits),
        "dynamic_quantile_p": ht.dynamic_quantile(hits, h, 0.95),
        "offsets_p": ht.overlapping(hits, 0.95, horizon=1),
    }
    for name, test in expected.items():
        assert found[name] == pytest.approx(test.p_value, rel=1e-9), name
    assert found["traffic_light"] == ht.traffic_light(hits.sum(), hits.size, 0.95).note
    limits = ht.clopper_pearson(int(hits.sum()), hits.size)
    assert (found["rate_lower"], found["rate_upper"]) == pytest.approx(limits)
    short = (loss - h)[hits]
    assert found["worst_shortfall"] == pytest.approx(short.max())
    assert found["mean_shortfall"] == pytest.approx(short.mean())
    first = universe["date"][100 + int(np.argmax(hits))]
    assert found["first_breach"] == first


def test_exact_p_is_scipys() -> None:
    for x in (0, 1, 4, 9):
        mine = ht.binomial(x, 250, 0.99).p_value
        assert mine == pytest.approx(stats.binomtest(x, 250, 0.01).pvalue)


def test_years_add_up_to_the_whole(universe: pl.DataFrame) -> None:
    haircuts = hc.historical(universe, window=100, level=0.95)
    whole = hc.backtest(haircuts, universe, level=0.95)
    yearly = hc.backtest(
        haircuts, universe, level=0.95, by=("instrument_id", "model", "year")
    )
    assert yearly.columns[:3] == ["instrument_id", "model", "year"]
    added = yearly.group_by("instrument_id", maintain_order=True).agg(
        pl.col("n", "breaches").sum()
    )
    assert added.equals(whole.select("instrument_id", "n", "breaches"))


def test_pooled_rows_print_no_independent_p(universe: pl.DataFrame) -> None:
    """Ten names that are one and the same share: ten times the breaches, no more."""
    one = universe.filter(pl.col("instrument_id") == "A")
    ten = pl.concat(
        one.with_columns(instrument_id=pl.lit(f"A{name}")) for name in range(10)
    )
    haircuts = hc.historical(ten, window=100, level=0.95).with_columns(
        group=pl.lit("I")
    )
    pooled = hc.backtest(haircuts, ten, level=0.95, by=("model", "group"))
    alone = hc.backtest(hc.historical(one, window=100, level=0.95), one, level=0.95)
    assert pooled["kupiec_p"].item() is None
    assert all(pooled[c].item() is None for c in pooled.columns if c.endswith("_p"))
    assert pooled["rate_upper"].item() == pytest.approx(alone["rate_upper"].item())
    assert "pooled" in pooled["note"].item()


def test_order_of_rows_does_not_matter(universe: pl.DataFrame) -> None:
    haircuts = pl.concat([hc.ewma(universe), hc.historical(universe, window=100)])
    shuffled = haircuts.sample(fraction=1, shuffle=True, seed=3)
    first = hc.backtest(haircuts, universe)
    assert first.equals(hc.backtest(shuffled, universe.reverse()))


def test_a_start_and_a_missing_key(universe: pl.DataFrame) -> None:
    haircuts = hc.ewma(universe)
    late = hc.backtest(haircuts, universe, start=date(2011, 1, 1))
    assert (late["n"] == 700 - 365).all()
    with pytest.raises(FrameError, match="sector"):
        hc.backtest(haircuts, universe, by=("sector",))
    with pytest.raises(ConfigError, match="terminal"):
        hc.backtest(haircuts, universe, loss="average")  # pyright: ignore[reportArgumentType]


def test_comparison_prefers_the_true_model(
    from_returns: Callable[..., pl.DataFrame],
) -> None:
    rng = np.random.default_rng(1)
    sigma = np.where(np.arange(2000) // 250 % 2 == 0, 0.008, 0.025)
    prices = from_returns(rng.standard_normal(2000) * sigma)
    models = pl.concat(
        [
            hc.ewma(prices, decay=0.94, level=0.95),
            hc.historical(prices, window=500, level=0.95),
            hc.basel(prices),
        ]
    )
    found = hc.compare_models(models, prices, level=0.95, draws=199)
    assert found.scores["model"].to_list()[0] == "ewma"
    assert found.scores["days"].n_unique() == 1
    kept = dict(found.scores.select("model", "confidence_set_p").iter_rows())
    assert kept["ewma"] == 1.0
    assert kept["basel"] < 0.05
    duel = found.duels.filter(
        (pl.col("model") == "ewma") & (pl.col("other") == "basel")
    )
    assert duel["statistic"].item() < -5
    back = found.duels.filter(
        (pl.col("model") == "basel") & (pl.col("other") == "ewma")
    )
    assert back["statistic"].item() == pytest.approx(-duel["statistic"].item())


def test_losses_of_models_are_the_plain_functions() -> None:
    r, var = [-0.05, 0.01, -0.02], [0.03, 0.03, 0.03]
    assert ht.pinball(r, var, 0.99).statistic == pytest.approx(
        np.mean([0.99 * 0.02, 0.01 * 0.04, 0.01 * 0.01])
    )
    es = [0.04] * 3
    by_hand = [
        (0.02 / (0.01 * 0.04)) + 0.75 + np.log(0.04) - 1,
        0.75 + np.log(0.04) - 1,
        0.75 + np.log(0.04) - 1,
    ]
    assert ht.fz0(r, var, es, 0.99).statistic == pytest.approx(np.mean(by_hand))


def test_shortfall_tests_know_a_right_model_from_a_wrong_one() -> None:
    rng = np.random.default_rng(2)
    r = rng.standard_normal(4000) * 0.01
    z = stats.norm.ppf(0.975)
    var, es = np.full(4000, z * 0.01), np.full(4000, stats.norm.pdf(z) / 0.025 * 0.01)
    thin_var, thin_es = 0.8 * var, 0.8 * es

    def p_values(v: np.ndarray, e: np.ndarray) -> list[float | None]:
        return [
            ht.mcneil_frey(r, v, e).p_value,
            ht.mcneil_frey(r, v, e, method="bootstrap", draws=999).p_value,
            ht.acerbi_szekely(r, v, e, 0.975, draws=999).p_value,
            ht.nolde_ziegel(r, v, e, 0.975).p_value,
            ht.nolde_ziegel(r, v, e, 0.975, alternative="two-sided").p_value,
        ]

    assert all(p is not None and p > 0.01 for p in p_values(var, es))
    assert all(p is not None and p < 0.05 for p in p_values(var, 0.8 * es)[:2])
    assert all(p is not None and p < 0.01 for p in p_values(thin_var, thin_es)[2:])
    z1 = ht.acerbi_szekely(r, thin_var, thin_es, 0.975, statistic="z1", draws=999)
    assert (z1.p_value or 0) < 0.01


def test_haas_of_evenly_spaced_breaches_and_of_a_burst() -> None:
    even = ([False] * 19 + [True]) * 10
    burst = [False] * 190 + [True] * 10
    options: dict[str, Any] = {"part": "independence", "method": "asymptotic"}
    calm = ht.haas(even, 0.95, **options)
    wild = ht.haas(burst, 0.95, **options)
    assert (calm.df, wild.df) == (10, 10)
    assert (calm.p_value or 0) > 0.5
    assert (wild.p_value or 1) < 0.001
    by_law = ht.haas(burst, 0.95)
    assert (by_law.p_value or 1) < 0.02
    mixed = ht.haas(even, 0.95)
    kupiec = ht.kupiec(10, 200, 0.95).statistic
    assert mixed.statistic == pytest.approx(calm.statistic + kupiec)


def test_hits_must_be_known() -> None:
    with pytest.raises(ConfigError, match="nulls"):
        ht.christoffersen(pl.Series([True, None, False]))
    with pytest.raises(ConfigError, match="Booleans"):
        ht.duration(pl.Series([1.0, 2.0]))  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError):
        ht.kupiec(5, 4, 0.99)
    with pytest.raises(ConfigError):
        ht.kupiec(1, 4, 99)


def test_procyclicality(universe: pl.DataFrame) -> None:
    found = hc.procyclicality(hc.ewma(universe))
    assert found.columns[-4:] == ["rise_1", "rise_5", "rise_20", "rise_30"]
    a = hc.ewma(universe)["haircut"][1:701].to_numpy()
    assert found["rise_5"][0] == pytest.approx((a[5:] - a[:-5]).max())
    assert found["peak_to_trough"][0] == pytest.approx(a.max() / a.min())
    slow = hc.procyclicality(hc.ewma(universe, decay=0.995))
    assert (slow["rise_1"] < found["rise_1"]).all()
