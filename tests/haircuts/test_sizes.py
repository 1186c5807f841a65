"""A p-value is printed only by a method whose size holds, and says what it can find."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from scipy import optimize, stats
from scipy.signal import lfilter

from holdings_kit import haircuts as hc
from holdings_kit.errors import ConfigError
from holdings_kit.haircuts import statistics as ht
from holdings_kit.haircuts.statistics import _laws, _overlapping
from holdings_kit.haircuts.statistics._comparison import confidence_set

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def number(value: float | None) -> float:
    assert value is not None
    return value


def mid_p(x: int, n: int, p: float, *, one_sided: bool = False) -> float:
    """Least tail first, counted one by one."""
    law = [float(mass) for mass in stats.binom.pmf(range(n + 1), n, p)]
    up = [sum(law[k + 1 :]) + law[k] / 2 for k in range(n + 1)]
    if one_sided:
        return up[x]
    tail = [min(up[k], sum(law[:k]) + law[k] / 2) for k in range(n + 1)]
    as_far = sum(m for m, t in zip(law, tail, strict=True) if t <= tail[x] + 1e-12)
    return min(as_far - law[x] / 2, 1.0)


@pytest.mark.parametrize(("n", "level"), [(60, 0.95), (250, 0.99), (40, 0.9)])
def test_the_default_of_kupiec_is_the_mid_p_counted_by_hand(
    n: int, level: float
) -> None:
    for x in (0, 1, 2, 5, 9):
        found = ht.kupiec(x, n, level)
        assert found.p_value == pytest.approx(mid_p(x, n, 1 - level), abs=1e-12)


@pytest.mark.parametrize("horizon", [1, 3, 10])
def test_offsets_are_the_formula_counted_by_hand(horizon: int) -> None:
    rng = np.random.default_rng(horizon)
    for side in ("two-sided", "too many"):
        hits = rng.random(217) < 0.04
        tangents = []
        for offset in range(horizon):
            one = hits[offset::horizon]
            p = mid_p(int(one.sum()), one.size, 0.05, one_sided=side == "too many")
            tangents.append(np.tan(np.pi * (0.5 - min(max(p, 1e-15), 0.99))))
        by_hand = 0.5 - np.arctan(np.mean(tangents)) / np.pi
        found = ht.overlapping(hits, 0.95, horizon=horizon, side=side)
        assert found.p_value == pytest.approx(by_hand, abs=1e-12)
        assert f"{217 // horizon} disjoint" in found.note


def test_a_missing_day_moves_no_window_into_another_offset() -> None:
    hits = np.zeros(100, bool)
    hits[[10, 20, 30, 40]] = True  # all in one of ten series
    days = np.delete(np.arange(100), 15)
    kept = np.delete(hits, 15)
    starts = np.array([0, 99])
    found = _overlapping.combine_offsets(kept, days, starts, 0.01, 10)
    moved = _overlapping.combine_offsets(kept, np.arange(99), starts, 0.01, 10)
    assert found[0] < moved[0]


@pytest.mark.parametrize(("n", "level"), [(30, 0.9), (12, 0.8)])
def test_the_law_of_conditional_coverage_is_that_of_every_series(
    n: int, level: float
) -> None:
    """Every one of 2^12 series, or a large draw of longer ones."""
    rng = np.random.default_rng(0)
    p = 1 - level
    if n == 12:
        every = np.array(list(product([False, True], repeat=n)))
        count = every.sum(axis=1)
        weight = p**count * (1 - p) ** (n - count)
    else:
        every = rng.random((20_000, n)) < p
        weight = np.full(20_000, 1 / 20_000)
    found = [ht.conditional_coverage(hits, level) for hits in every]
    values = np.array([one.statistic for one in found])
    for place in range(0, len(found), len(found) // 7):
        more = weight[values > values[place] + 1e-9].sum()
        same = weight[np.abs(values - values[place]) <= 1e-9].sum()
        tolerance = 1e-10 if n == 12 else 0.012
        assert found[place].p_value == pytest.approx(more + same / 2, abs=tolerance)


def test_the_law_of_the_first_failure_is_geometric() -> None:
    waits = np.arange(1, 40_000)
    mass = stats.geom.pmf(waits, 0.05)
    ratio = np.array([ht.tuff(int(v), 0.95).statistic for v in waits[:600]])
    for v in (1, 7, 58, 200):
        larger = mass[:600][ratio > ratio[v - 1] + 1e-9].sum() + mass[600:].sum()
        exact = larger + mass[v - 1] / 2
        assert ht.tuff(v, 0.95).p_value == pytest.approx(exact, abs=1e-9)
    assert ht.tuff(3, 0.95).side == "too many"
    with pytest.raises(ConfigError, match="first 9"):
        ht.tuff(9, 0.95, observations=5)


def test_weibull_is_the_maximum_that_scipy_finds() -> None:
    rng = np.random.default_rng(5)
    for _ in range(5):
        n, x = 400, 9
        at = np.sort(rng.choice(n, x, replace=False))
        gaps = np.diff(at).astype(float)
        first, last = int(at[0]), int(at[-1])
        ends = np.array([first + 1.0, n - 1.0 - last])
        ends = ends[np.array([first > 0, last < n - 1])]

        def minus(
            log_b: float, gaps: np.ndarray = gaps, ends: np.ndarray = ends
        ) -> float:
            b = np.exp(log_b)
            a = (gaps.size / (np.sum(gaps**b) + np.sum(ends**b))) ** (1 / b)
            seen = np.log(a**b * b) + (b - 1) * np.log(gaps) - (a * gaps) ** b
            return -float(seen.sum() - ((a * ends) ** b).sum())

        best: Any = optimize.minimize_scalar(
            minus, bounds=(-3.9, 3.9), method="bounded"
        )
        hits = np.zeros(n, bool)
        hits[at] = True
        found = ht.duration(hits)
        assert found.statistic == pytest.approx(2 * (minus(0.0) - best.fun), abs=1e-5)


def test_dynamic_quantile_draws_are_the_regression_one_by_one() -> None:
    rng = np.random.default_rng(6)
    var, p = rng.uniform(0.1, 0.3, 300), 0.05
    hits = rng.random(300) < p
    found = ht.dynamic_quantile(hits, var, 1 - p, draws=39, seed=3)
    drawn = np.random.default_rng(3).random((39, 300)) < p
    law = [
        ht.dynamic_quantile(one, var, 1 - p, method="asymptotic", draws=1).p_value
        for one in drawn
    ]
    own = ht.dynamic_quantile(hits, var, 1 - p, method="asymptotic", draws=1).p_value
    by_hand = (1 + sum(number(one) <= number(own) + 1e-12 for one in law)) / 40
    assert found.p_value == pytest.approx(by_hand, abs=1e-12)


CELLS = [(250, 0.99), (500, 0.99), (1000, 0.99), (250, 0.95), (1000, 0.95)]


@pytest.mark.parametrize(("n", "level"), CELLS)
def test_defaults_reject_five_in_a_hundred_right_models(n: int, level: float) -> None:
    rng = np.random.default_rng(n)
    paths = 400
    sigma = np.exp(np.cumsum(rng.normal(0, 0.05, (paths, n)), axis=1))
    hits = rng.random((paths, n)) < 1 - level
    found: dict[str, list[float | None]] = {}
    for flags, path in zip(hits, sigma, strict=True):
        tests = {
            "kupiec": ht.kupiec(int(flags.sum()), n, level),
            "haas": ht.haas(flags, level, cache=None),
            "duration": ht.duration(flags, cache=None),
            "dynamic": ht.dynamic_quantile(flags, path, level),
        }
        for name, test in tests.items():
            if test.p_value is not None:
                found.setdefault(name, []).append(test.p_value)
    for name, values in found.items():
        size = np.mean(np.array(values) <= 0.05)
        assert 0.015 <= size <= 0.09, name  # 5 ± 2 and the noise of 400 paths


@pytest.mark.parametrize("horizon", [1, 5, 10])
def test_offsets_hold_their_size_and_find_a_doubled_rate(horizon: int) -> None:
    right = hc.power(1000, 0.99, horizon, 1.0)
    assert 0.03 <= right <= 0.07
    doubled = hc.power(1000, 0.99, horizon, 2.0)
    assert doubled >= {1: 0.75, 5: 0.45, 10: 0.30}[horizon]
    assert hc.power(1000, 0.99, horizon, 3.0) > doubled


def test_power_is_the_binomial_tail_counted_by_hand() -> None:
    reject = [x for x in range(251) if mid_p(x, 250, 0.01) <= 0.05]
    by_hand = stats.binom.pmf(reject, 250, 0.03).sum()
    assert hc.power(250, 0.99, 1, 3.0) == pytest.approx(by_hand, abs=1e-12)
    for bad in ({"ratio": 200.0}, {"horizon": 0}, {"n": 0}):
        with pytest.raises(ConfigError):
            hc.power(**({"n": 250, "level": 0.99} | bad))


def make_panel(returns: np.ndarray) -> pl.DataFrame:
    names, days = returns.shape
    closes = 100 * np.exp(np.cumsum(np.pad(returns, ((0, 0), (1, 0))), axis=1))
    dates = [date(2000, 1, 1) + timedelta(days=day) for day in range(days + 1)]
    labels = np.repeat([f"N{name:03d}" for name in range(names)], days + 1)
    return pl.DataFrame(
        {"instrument_id": labels, "date": dates * names, "close": closes.ravel()}
    )


def draw_garch(seed: int, names: int, days: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((days + 300, names))
    variance, out = np.ones(names), np.empty_like(z)
    for day, shock in enumerate(z):
        out[day] = np.sqrt(variance) * shock
        variance = 0.02 + 0.08 * out[day] ** 2 + 0.9 * variance
    return 0.01 * out[300:].T


def test_a_constant_haircut_is_judged_by_the_count_under_a_garch() -> None:
    """Right on average, its hits cluster: Kupiec would refuse it, ours does not."""
    returns = draw_garch(1, 80, 500)
    prices = make_panel(returns)
    far = draw_garch(2, 400, 2000)
    flat = hc.basel(prices).with_columns(
        haircut=pl.lit(float(-np.expm1(np.quantile(far, 0.05)))), level=0.95
    )
    found = hc.backtest(flat, prices, level=0.95, cache=None)
    assert found["offsets_p"].null_count() == found["kupiec_p"].null_count() == 80
    assert np.mean(found["garch_p"].to_numpy() <= 0.05) <= 0.12
    naive = [
        number(ht.kupiec(x, n, 0.95).p_value)
        for x, n in found.select("breaches", "n").iter_rows()
    ]
    assert np.mean(np.array(naive) <= 0.05) >= 0.2
    assert "too-many side only" in found["note"][0]
    assert "volatility taken as GARCH(1,1)" in found["note"][0]


def test_which_test_applies_depends_on_how_far_the_haircut_follows() -> None:
    prices = make_panel(draw_garch(3, 3, 900))
    for model, horizon, column in (
        (hc.ewma(prices), 1, "offsets_p"),
        (hc.ewma(prices, horizon=10), 10, "offsets_p"),
        (hc.basel(prices), 1, "garch_p"),
        (hc.basel(prices), 10, "garch_p"),
        (hc.historical(prices, window=500), 1, "garch_p"),
    ):
        found = hc.backtest(model, prices, horizon=horizon, cache=None)
        other = {"offsets_p", "garch_p"} - {column}
        assert found[column].null_count() == 0
        assert found[other.pop()].null_count() == 3


def test_without_returns_a_constant_haircut_has_a_rate_and_no_p() -> None:
    hits = [False] * 95 + [True] * 5
    found = ht.overlapping(hits, 0.95, horizon=5, method="garch_count")
    assert (found.p_value, found.statistic) == (None, pytest.approx(1.0))
    assert "without the returns" in found.note
    with pytest.raises(ConfigError, match="too many only"):
        ht.overlapping(hits, 0.95, horizon=5, method="garch_count", side="two-sided")
    flat = ht.overlapping(
        hits, 0.95, horizon=5, method="garch_count", returns=[0.0] * 100
    )
    assert flat.p_value is None


def test_a_garch_fit_finds_its_parameters() -> None:
    alpha, persistence = _overlapping.fit_garch(draw_garch(5, 3, 10_000))
    assert alpha.tolist() == pytest.approx([0.08] * 3, abs=0.025)
    assert persistence.tolist() == pytest.approx([0.98] * 3, abs=0.012)


def deviance_of(series: np.ndarray, alpha: float, persistence: float) -> float:
    """−2 ln likelihood of a GARCH(1,1), day by day."""
    squares, variance, total = np.square(series) / np.mean(series**2), 1.0, 0.0
    for now in squares:
        total += np.log(variance) + now / variance
        rest = (persistence - alpha) * variance
        variance = (1 - persistence) + alpha * now + rest
    return float(total)


def test_a_garch_fit_is_the_best_of_its_neighbours_one_by_one() -> None:
    returns = draw_garch(5, 2, 400)

    for series in returns:
        (alpha,), (whole,) = _overlapping.fit_garch(series[np.newaxis])
        best = deviance_of(series, alpha, whole)
        for factor in (0.7, 1.4):
            assert best <= deviance_of(series, alpha * factor, whole)
            assert best <= deviance_of(series, alpha, 1 - (1 - whole) * factor)


def test_a_share_of_paths_is_sharpened_in_long_series_only() -> None:
    """It was too large there: 2 in 100 right haircuts were rejected at 5 %."""
    sharpen = _overlapping.sharpen
    assert [sharpen(0.06, days) for days in (60, 250, 500)] == [0.06] * 3
    assert sharpen(0.06, 1000) == pytest.approx(0.06**1.05)
    assert 0.035 < sharpen(0.06, 2500) < sharpen(0.06, 1250) < 0.06
    assert sharpen(0.06, 9999) == sharpen(0.06, 2500)
    assert sharpen(1.0, 2500) == 1.0


def test_series_judged_together_are_those_judged_alone() -> None:
    returns = [draw_garch(seed, 1, days)[0] for seed, days in enumerate((70, 300, 70))]
    returns += [np.zeros(100), np.full(5, 0.1)]
    counts = [9, 0, 2, 1, 1]
    together = _overlapping.count_under_garch(counts, returns, 0.05, 5)
    for count, series, found in zip(counts, returns, together, strict=True):
        alone = _overlapping.count_under_garch([count], [series], 0.05, 5)
        assert alone == [found]
    assert [found.p_value is None for found in together] == [False] * 3 + [True] * 2


def test_a_two_sided_p_says_its_side() -> None:
    assert ht.kupiec(9, 250, 0.99).side == "too many"
    assert ht.kupiec(0, 1000, 0.99).side == "too few"
    assert ht.binomial(1, 250, 0.99).side == "too few"
    assert ht.binomial(1, 250, 0.99, alternative="less").side is None
    prices = make_panel(draw_garch(6, 2, 400))
    found = hc.backtest(hc.ewma(prices, level=0.9), prices, level=0.99, cache=None)
    assert found["side"].to_list() == ["too many"] * 2


def test_no_light_is_worse_than_the_data_can_support() -> None:
    """In the whole small-sample corner, against the evidence of Basel's own table."""
    yellow = 1 - stats.binom.cdf(4, 250, 0.01)
    red = 1 - stats.binom.cdf(9, 250, 0.01)
    for level in (0.9, 0.95, 0.99, 0.999):
        p = 1 - level
        for n in {*range(1, 60), *range(60, 400, 13), 1000, 3000}:
            for x in range(min(n, 12) + 1):
                note = ht.traffic_light(x, n, level).note
                tail = 1 - stats.binom.cdf(x - 1, n, p)
                if n * p < 1 - 1e-9:
                    assert "too few observations" in note
                elif n * p < 2.5 - 1e-9:
                    assert note != "red" or tail <= red + 1e-4
                    assert note == "green" or tail <= yellow + 1e-4
                if x == 0:
                    assert note not in {"yellow", "red"}


def test_drawn_tables_are_shipped_cached_and_the_same(tmp_path: Path) -> None:
    hits = np.zeros(250, bool)
    hits[[3, 50, 51, 200]] = True
    shipped = ht.haas(hits, 0.99, cache=None)
    assert "shipped" in shipped.note
    fresh = _laws.draw_haas(250, 0.01, mixed=True)
    assert np.sort(fresh)[::-1][999] == pytest.approx(
        _laws.haas_table(250, 0.01, mixed=True, cache=None).values[
            np.searchsorted(_laws.LEVELS, 0.05)
        ],
        rel=0.02,
    )
    other = np.append(hits, False)
    drawn = ht.haas(other, 0.99, cache=tmp_path)
    assert len(list(tmp_path.glob("haas_mixed_251_*.npy"))) == 1
    _laws._read_or_draw.cache_clear()
    again = ht.haas(other, 0.99, cache=tmp_path)
    assert again.p_value == drawn.p_value
    assert ("drawn" in drawn.note, "cached" in again.note) == (True, True)
    place = next(tmp_path.glob("*.npy"))
    place.write_bytes(b"cut short")
    _laws._read_or_draw.cache_clear()
    assert ht.haas(other, 0.99, cache=tmp_path).p_value == drawn.p_value


def test_a_cache_that_cannot_be_written_is_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    hits = [False] * 200 + [True]
    with pytest.raises(ConfigError, match="cannot be stored"):
        ht.haas(hits, 0.99, cache=file)
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    monkeypatch.setattr("sys.platform", "linux")
    assert "cannot be stored" in ht.haas(hits, 0.99).note


def test_pooled_names_have_a_rate_and_no_p(universe: pl.DataFrame) -> None:
    found = hc.backtest(hc.ewma(universe), universe, by="model", cache=None)
    assert all(found[c].item() is None for c in found.columns if c.endswith("_p"))
    assert found["rate"].item() is not None
    assert "no test of a pooled rate" in found["note"].item()


def test_asymptotic_on_request_says_its_size() -> None:
    rng = np.random.default_rng(8)
    hits = rng.random(250) < 0.02
    r = rng.standard_normal(250)
    var, es = np.full(250, 1.96), np.full(250, 2.34)
    for found in (
        ht.kupiec(5, 250, 0.99, method="asymptotic"),
        ht.tuff(5, 0.99, method="asymptotic"),
        ht.christoffersen(hits, method="asymptotic"),
        ht.conditional_coverage(hits, 0.99, method="asymptotic"),
        ht.haas(hits, 0.99, method="asymptotic"),
        ht.duration(hits, method="asymptotic"),
        ht.dynamic_quantile(hits, r, 0.99, method="asymptotic"),
        ht.nolde_ziegel(r, var, es, 0.975, method="asymptotic"),
        ht.mcneil_frey(r, var, es, method="t"),
    ):
        assert "of right models here" in found.note
    assert "14.4%" in ht.haas(hits, 0.99, method="asymptotic").note


@pytest.mark.parametrize("law", ["normal", "t5"])
def test_shortfall_defaults_hold_their_size(law: str) -> None:
    rng = np.random.default_rng(9)
    n, p = 500, 0.025
    if law == "normal":
        draw: Callable[[], Any] = lambda: rng.standard_normal(n)  # noqa: E731
        q = stats.norm.ppf(p)
        es = stats.norm.pdf(q) / p
    else:
        unit = np.sqrt(3 / 5)
        draw = lambda: rng.standard_t(5, n) * unit  # noqa: E731
        t = stats.t.ppf(p, 5)
        q, es = t * unit, unit * stats.t.pdf(t, 5) / p * (5 + t * t) / 4
    found: dict[str, list[float]] = {"frey": [], "ziegel": [], "szekely": []}
    for seed in range(250):
        r, var, tail = draw(), np.full(n, -q), np.full(n, es)
        options: Any = {"draws": 499, "seed": seed}
        frey = ht.mcneil_frey(r, var, tail, **options)
        ziegel = ht.nolde_ziegel(r, var, tail, 1 - p, **options)
        szekely = ht.acerbi_szekely(r, var, tail, 1 - p, **options)
        for name, test in zip(found, (frey, ziegel, szekely), strict=True):
            found[name].append(number(test.p_value))
    for name, values in found.items():
        assert 0.01 <= np.mean(np.array(values) <= 0.05) <= 0.1, name


def test_depth_alone_has_no_p_without_a_law() -> None:
    """Z1 rejects 8 in 100 right models under one tail or 2 under another."""
    r, var, es = [-0.05, 0.01, -0.04], [0.03] * 3, [0.04] * 3
    bare = ht.acerbi_szekely(r, var, es, 0.9, statistic="z1")
    assert (bare.p_value, round(bare.statistic, 3)) == (None, -0.125)
    assert "normal" in bare.note
    asked = ht.acerbi_szekely(r, var, es, 0.9, statistic="z1", law="normal", draws=99)
    assert number(asked.p_value) > 0.05
    with pytest.raises(ConfigError, match="exponential or normal"):
        ht.acerbi_szekely(r, var, es, 0.9, law="gamma")  # pyright: ignore[reportArgumentType]


def test_the_confidence_set_of_two_models_is_diebold_mariano() -> None:
    rng = np.random.default_rng(12)
    for horizon, shift in ((1, 0.0), (1, 0.08), (5, 0.15)):
        losses = rng.standard_normal((800, 2)) + np.array([0.0, shift])
        p = number(ht.diebold_mariano(*losses.T, horizon=horizon).p_value)
        found = confidence_set(losses, horizon=horizon)
        assert found.max() == 1.0
        assert found.min() == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 5000))


def test_the_confidence_set_leaves_out_what_the_bootstrap_leaves_out() -> None:
    """Beside `arch`, on independent days, where both hold."""
    bootstrap = pytest.importorskip("arch.bootstrap")
    rng = np.random.default_rng(13)
    losses = rng.standard_normal((500, 5)) + np.array([0.0, 0.0, 0.03, 0.3, 0.6])
    theirs = bootstrap.MCS(losses, size=0.05, reps=199, block_size=2, seed=1)
    theirs.compute()
    ours = confidence_set(losses)
    assert sorted(np.flatnonzero(ours > 0.05)) == sorted(theirs.included)
    same = losses[:, [0, 0, 4]]  # two alike: neither is left out for the other
    assert (confidence_set(same)[:2] == 1.0).any()


def test_equal_models_are_rarely_told_apart() -> None:
    rng = np.random.default_rng(10)
    rejected = {"cosine": 0, "newey_west": 0, "set": 0}
    for _ in range(300):
        noise = lfilter([0.15], [1, -0.95], rng.standard_normal((3, 600)), axis=1)
        r = rng.standard_normal(600)
        q = -1.645 * np.exp(noise)
        lost = (0.05 - (r < q)) * (r - q)
        for method in ("cosine", "newey_west"):
            found = ht.diebold_mariano(lost[0], lost[1], method=method)
            rejected[method] += number(found.p_value) <= 0.05
        rejected["set"] += confidence_set(lost.T, draws=199).min() <= 0.05
    assert max(rejected["cosine"], rejected["set"]) <= 27
    assert rejected["newey_west"] >= 24
