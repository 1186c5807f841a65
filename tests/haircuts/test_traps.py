"""What existing packages get wrong, one test each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from scipy import stats

from holdings_kit import haircuts as hc
from holdings_kit.haircuts import statistics as ht

if TYPE_CHECKING:
    from collections.abc import Callable


def number(value: float | None) -> float:
    assert value is not None
    return value


def spread_hits(breaches: int, days: int) -> np.ndarray:
    hits = np.zeros(days, bool)
    hits[np.linspace(0, days - 1, breaches).astype(int)] = True
    return hits


def test_many_hits_do_not_underflow() -> None:
    hits = spread_hits(273, 4780)
    hits[:60] = True  # a cluster: independence must be refused, not NaN or p = 1
    found = ht.christoffersen(hits)
    assert np.isfinite(found.statistic)
    assert number(found.p_value) < 1e-6
    joint = ht.conditional_coverage(hits, 0.95)
    assert np.isfinite(joint.statistic)
    assert number(joint.p_value) < 1e-6
    assert 0 < number(ht.kupiec(273, 4780, 0.95).p_value) < 1


def test_no_hit_has_a_ratio() -> None:
    assert ht.kupiec(0, 300, 0.99).statistic == pytest.approx(6.030201512, abs=1e-9)
    only_hits = ht.kupiec(300, 300, 0.99)
    assert only_hits.statistic == pytest.approx(-2 * 300 * np.log(0.01))


def test_overlapping_windows_do_not_reject_a_right_haircut(
    from_returns: Callable[..., pl.DataFrame],
) -> None:
    """1 % breaches of 10-day windows: Kupiec would reject at once, ours does not."""
    rng = np.random.default_rng(5)
    prices = from_returns(rng.normal(0, 0.01, 3000))
    lost = hc.losses(prices, horizon=10)["loss"]
    fixed = float(lost.quantile(0.981, interpolation="higher") or 0)
    haircuts = hc.basel(prices).with_columns(haircut=pl.lit(fixed))
    row = hc.backtest(haircuts, prices, horizon=10, level=0.99).row(0, named=True)
    naive = ht.kupiec(row["breaches"], row["n"], 0.99).p_value
    assert number(naive) < 1e-4
    assert row["garch_p"] > 0.01  # the haircut is constant
    others = [name for name in row if name.endswith("_p") and name != "garch_p"]
    assert all(row[name] is None for name in others)
    assert row["traffic_light"] is None
    assert "overlap" in row["note"]


def test_a_floored_haircut_costs_degrees_of_freedom() -> None:
    hits = np.random.default_rng(1).random(1000) < 0.02
    rising, flat = np.linspace(0.1, 0.2, 1000), np.full(1000, 0.125)
    free = ht.dynamic_quantile(hits, rising, 0.99, method="asymptotic")
    floored = ht.dynamic_quantile(hits, flat, 0.99, method="asymptotic")
    assert (free.df, floored.df) == (6, 5)
    assert np.isfinite(floored.statistic)
    assert "constant" in floored.note


def test_dynamic_quantile_is_the_regression_it_says() -> None:
    """Against the normal equations written out by hand."""
    rng = np.random.default_rng(2)
    hits, var, p = rng.random(400) < 0.05, rng.uniform(0.05, 0.2, 400), 0.05
    hit = hits - p
    x = np.column_stack(
        [np.ones(396), var[4:], hit[3:-1], hit[2:-2], hit[1:-3], hit[:-4]]
    )
    h = hit[4:]
    by_hand = h @ x @ np.linalg.inv(x.T @ x) @ x.T @ h / (p * (1 - p))
    found = ht.dynamic_quantile(hits, var, 1 - p)
    assert found.statistic == pytest.approx(by_hand, rel=1e-9)
    assert ht.dynamic_quantile(hits, -100 * var, 1 - p).statistic == pytest.approx(
        by_hand, rel=1e-9
    )


def test_zero_breaches_is_a_bound_not_a_pass() -> None:
    assert ht.clopper_pearson(0, 250) == (0.0, 1 - 0.05 ** (1 / 250))
    assert "at most 1.1911%" in ht.kupiec(0, 250, 0.99).note
    assert ht.christoffersen([False] * 250).p_value is None


def test_limits_hold_their_own_binomial_tails() -> None:
    lower, upper = ht.clopper_pearson(7, 224)
    assert number(
        ht.binomial(7, 224, 1 - lower, alternative="greater").p_value
    ) == pytest.approx(0.025)
    assert number(
        ht.binomial(7, 224, 1 - upper, alternative="less").p_value
    ) == pytest.approx(0.025)


def test_a_broker_haircut_is_judged_at_the_level_asked_for(
    from_returns: Callable[..., pl.DataFrame],
) -> None:
    prices = from_returns(np.random.default_rng(3).normal(0, 0.02, 1000))
    broker = hc.basel(prices).with_columns(
        haircut=pl.lit(0.125), model=pl.lit("broker")
    )
    row = hc.backtest(broker, prices, level=0.99).row(0, named=True)
    assert row["excess"] == pytest.approx(0.125 - row["break_even_haircut"])
    at_break_even = broker.with_columns(haircut=pl.lit(row["break_even_haircut"]))
    assert hc.backtest(at_break_even, prices, level=0.99)["breaches"].item() == 10
    below = broker.with_columns(haircut=pl.lit(row["break_even_haircut"] - 1e-9))
    assert hc.backtest(below, prices, level=0.99)["breaches"].item() == 11


@pytest.mark.parametrize(
    ("days", "size"), [(250, 9.48), (500, 7.09), (1000, 5.51), (2500, 4.37)]
)
def test_real_size_of_the_nominal_kupiec_test(days: int, size: float) -> None:
    counts = range(60 if days > 1000 else 40)
    asymptotic = exact = 0.0
    note = ""
    for x in counts:
        mass = stats.binom.pmf(x, days, 0.01)
        found = ht.kupiec(x, days, 0.99, method="asymptotic")
        note = found.note
        asymptotic += mass * (number(found.p_value) < 0.05)
        by_law = ht.kupiec(x, days, 0.99, method="exact").p_value
        exact += mass * (number(by_law) < 0.05)
    assert f"rejects {asymptotic:.1%} of right models" in note
    assert f"{100 * asymptotic:.2f}" == f"{size:.2f}"
    assert exact <= 0.05


def test_real_size_of_the_asymptotic_independence_test_at_250_days() -> None:
    rng = np.random.default_rng(11)
    draws = 4000
    found = [
        ht.christoffersen(rng.random(250) < 0.01, method="asymptotic").p_value
        for _ in range(draws)
    ]
    size = np.mean([p is not None and p < 0.05 for p in found])
    assert size == pytest.approx(0.014, abs=4 * np.sqrt(0.014 / draws))


def test_the_law_of_the_independence_test_is_that_of_permutations() -> None:
    """Wald and Wolfowitz's runs, against shuffled hits."""
    rng = np.random.default_rng(4)
    hits = spread_hits(9, 120)
    seen = np.array(
        [
            ht.christoffersen(rng.permutation(hits), method="asymptotic").statistic
            for _ in range(6000)
        ]
    )
    for value in np.unique(seen.round(9)):
        flags = hits[np.argsort(rng.random(120))]
        while abs(ht.christoffersen(flags).statistic - value) > 1e-8:
            flags = rng.permutation(flags)
        share = np.mean(seen > value + 1e-8) + np.mean(np.abs(seen - value) < 1e-8) / 2
        exact = number(ht.christoffersen(flags).p_value)
        assert exact == pytest.approx(share, abs=4 * np.sqrt(0.25 / 6000))
    together = np.zeros(250, bool)
    together[100:104] = True
    assert number(ht.christoffersen(spread_hits(4, 250)).p_value) > 0.5
    assert number(ht.christoffersen(together).p_value) < 0.01


def test_zero_in_255_days_states_its_convention() -> None:
    found = ht.kupiec(0, 255, 0.99, method="asymptotic")
    assert f"{found.statistic:.3f}" == "5.126"
    assert number(found.p_value) < 0.05
    assert "formula" in found.note
    assert "printed tables accept 0" in found.note


def test_a_seed_that_saw_returns_is_not_judged_on_them(
    from_returns: Callable[..., pl.DataFrame],
) -> None:
    prices = from_returns(np.random.default_rng(4).normal(0, 0.01, 200))
    seeded = hc.ewma(prices, decay=0.94, level=0.99, seed="mean:75")
    assert seeded["haircut"].null_count() == 75
    assert hc.backtest(seeded, prices)["n"].item() == 200 - 75


def test_a_duration_on_the_bound_is_flagged() -> None:
    two = [False] * 5 + [True] + [False] * 200 + [True] + [False] * 5
    found = ht.duration(two)
    assert "bound" in found.note
    assert "two breaches" in found.note


def test_duration_finds_clusters() -> None:
    hits = np.zeros(1000, bool)
    hits[[100, 101, 103, 104, 500, 501, 502, 900, 901, 905]] = True
    found = ht.duration(hits)
    assert number(found.p_value) < 0.01
    assert float(found.note.removeprefix("b = ").split(";")[0]) < 1
    rng = np.random.default_rng(6)
    p_values = [
        number(ht.duration(rng.random(1000) < 0.02, cache=None).p_value)
        for _ in range(300)
    ]
    assert 0.01 < np.mean(np.array(p_values) < 0.05) < 0.09


def test_names_and_their_book_are_different_questions(universe: pl.DataFrame) -> None:
    haircuts = hc.historical(universe, window=250, level=0.99)
    found = hc.backtest(
        haircuts, universe, level=0.99, book={"A": 10, "B": 10, "C": 10}
    )
    names = found.filter(pl.col("instrument_id") != hc.BOOK)
    book = found.filter(pl.col("instrument_id") == hc.BOOK)
    assert names.height == 3
    assert book["n"].item() == names["n"][0]
    assert book["break_even_haircut"].item() < names["break_even_haircut"].min()


def test_worst_loss_within_the_horizon_is_never_smaller(universe: pl.DataFrame) -> None:
    terminal = hc.losses(universe, horizon=5)["loss"]
    worst = hc.losses(universe, horizon=5, loss="worst")["loss"]
    assert (worst >= terminal).all()
    assert (worst > terminal).any()
    assert terminal.null_count() == worst.null_count() == 15
    a = universe.filter(pl.col("instrument_id") == "A")["close"]
    assert worst[3] == pytest.approx(1 - min(a[4:9]) / a[3])
    assert terminal[3] == pytest.approx(1 - a[8] / a[3])


def test_quantile_method_and_sign_matter(universe: pl.DataFrame) -> None:
    found = {
        how: hc.historical(universe, window=250, interpolation=how)["haircut"][-1]
        for how in ("linear", "lower", "higher")
    }
    assert found["lower"] > found["linear"] > found["higher"] > 0


def test_no_observations_have_no_zone() -> None:
    found = ht.traffic_light(0, 0, 0.99)
    assert found.note == "no observations"
    assert found.p_value is None
