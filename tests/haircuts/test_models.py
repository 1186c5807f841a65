from __future__ import annotations

import itertools
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from polars.testing import assert_frame_equal
from scipy import stats

from holdings_kit import haircuts as hc
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.haircuts import _filtered as filtered

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., pl.DataFrame]

MODELS: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "ewma": hc.ewma,
    "ewma mean": lambda p: hc.ewma(p, seed="mean:50"),
    "historical": lambda p: hc.historical(p, window=100),
    "historical 10": lambda p: hc.historical(p, window=100, horizon=10),
    "filtered": lambda p: hc.filtered_historical(p, window=100),
    "student": lambda p: hc.student_t(p, window=100),
    "evt": lambda p: hc.evt(p, window=200, refit=7),
    "es normal": hc.expected_shortfall,
    "es empirical": lambda p: hc.expected_shortfall(p, method="empirical", window=100),
    "sebi_2020": lambda p: hc.sebi_2020(p, group="II"),
    "sebi_2005": lambda p: hc.sebi_2005(p, group="II", index=p),
    "basel": hc.basel,
    "buffer": lambda p: hc.buffer(hc.ewma(p), window=20),
    "ten year floor": lambda p: hc.ten_year_floor(hc.ewma(p), p, window=100),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_model_returns_haircuts(name: str, universe: pl.DataFrame) -> None:
    found = MODELS[name](universe)
    assert found.schema == hc.HAIRCUTS
    assert found.height == universe.height
    assert found["haircut"].is_between(0, 1).all()
    assert found["haircut"].null_count() < found.height
    known = found["haircut"].is_not_null()
    assert (found["floor_hit"].is_not_null() == known).all()


@pytest.mark.parametrize("name", MODELS)
def test_no_model_sees_the_future(name: str, universe: pl.DataFrame) -> None:
    """Perturb one day: nothing before it moves."""
    model = MODELS[name]
    day = universe["date"][500]
    moved = universe.with_columns(
        pl.when(pl.col("date") >= day)
        .then(pl.col("close") * 0.7)
        .otherwise(pl.col("close"))
        .alias("close")
    )
    before = pl.col("date") < day
    assert_frame_equal(
        model(universe).filter(before), model(moved).filter(before), check_exact=True
    )


@pytest.mark.parametrize("name", [name for name in MODELS if name != "basel"])
def test_every_model_reacts_to_a_crash(name: str, universe: pl.DataFrame) -> None:
    day = universe["date"][500]
    jump = pl.when(pl.col("date") >= day).then(0.5).otherwise(1.0)
    moved = universe.with_columns(pl.col("close") * jump)
    later = pl.col("date") >= day
    calm = MODELS[name](universe).filter(later)["haircut"].sum()
    assert MODELS[name](moved).filter(later)["haircut"].sum() > calm


@settings(max_examples=40, deadline=None)
@given(
    closes=st.lists(st.floats(1, 1e5), min_size=1, max_size=60),
    decay=st.floats(0.5, 0.999),
    seed=st.sampled_from(["first", "mean:5", 0.0004]),
)
def test_ewma_is_the_recursion(
    closes: list[float], decay: float, seed: str | float
) -> None:
    days = pl.date_range(
        date(2020, 1, 1),
        pl.lit(date(2020, 1, 1)).dt.offset_by(f"{len(closes) - 1}d"),
        eager=True,
    )
    prices = pl.DataFrame({"instrument_id": "X", "date": days, "close": closes})
    found = hc.ewma(prices, decay=decay, level=0.99, seed=seed)["volatility"].to_list()
    expected: list[float | None] = [None] * len(closes)
    squares = [np.log(b / a) ** 2 for a, b in itertools.pairwise(closes)]
    start = {"first": 1, "mean:5": 5}.get(str(seed), 0)
    if start < len(closes):
        state = float(seed) if start == 0 else float(np.mean(squares[:start]))
        expected[start] = state**0.5
        for day in range(start + 1, len(closes)):
            state = decay * state + (1 - decay) * squares[day - 1]
            expected[day] = state**0.5
    for mine, theirs in zip(found, expected, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert mine == pytest.approx(theirs, rel=1e-12, abs=1e-12)


def test_ewma_equals_polars(universe: pl.DataFrame) -> None:
    r = (pl.col("close") / pl.col("close").shift()).log().over("instrument_id")
    squared = universe.with_columns(s=r**2).with_columns(
        s=pl.col("s")
        .ewm_mean(alpha=0.06, adjust=False, ignore_nulls=False)
        .over("instrument_id")
        .sqrt()
    )
    found = hc.ewma(universe, decay=0.94)["volatility"]
    gap = (found - squared["s"]).abs()
    assert gap.max() is not None
    assert float(gap.max() or 0) < 1e-15  # type: ignore[arg-type]


def test_historical_equals_numpy(universe: pl.DataFrame) -> None:
    a = universe.filter(pl.col("instrument_id") == "B")["close"].to_numpy()
    for days in (1, 5):
        found = hc.historical(universe, window=250, level=0.99, horizon=days)
        mine = found.filter(pl.col("instrument_id") == "B")["haircut"][-1]
        returns = a[days:] / a[:-days] - 1
        assert mine == pytest.approx(-np.quantile(returns[-250:], 0.01), rel=1e-12)


def test_empirical_es_counts_the_last_loss_by_its_fraction(make_prices: Make) -> None:
    losses = np.array([0.10, 0.20, 0.30, 0.02, 0.01])
    prices = make_prices(np.cumprod(np.append(100.0, 1 - losses)))
    found = hc.expected_shortfall(prices, method="empirical", level=0.7, window=5)
    assert found["haircut"][-1] == pytest.approx((0.30 + 0.5 * 0.20) / 1.5)


def test_conversions_of_the_committee_example(make_prices: Make) -> None:
    """σ = 4 %, k = 6: 24.0 %, 21.3 %, 27.1 %."""
    prices = make_prices([100.0])
    found = [
        hc.sebi_2020(prices, elm=0.0, seed=0.0016, conversion=how)["haircut"][0]
        for how in ("linear", "exp_long", "exp_short")
    ]
    assert [f"{100 * haircut:.1f}" for haircut in found] == ["24.0", "21.3", "27.1"]


@pytest.mark.parametrize(
    ("group", "haircut"),
    [
        ("I", 0.125),
        ("II", 0.25),
        ("III", 0.535),
        ("III-untraded", 0.785),
        ("ETF", 0.08),
    ],
)
def test_floors_of_the_rule_of_2020(
    group: str, haircut: float, make_prices: Make
) -> None:
    calm = hc.sebi_2020(make_prices([100.0, 100.1]), group=group, seed=1e-6)
    assert calm["haircut"].to_list() == pytest.approx([haircut] * 2)
    assert calm["floor_hit"].all()


def test_a_share_without_a_group_has_no_haircut(universe: pl.DataFrame) -> None:
    found = hc.sebi_2020(universe, group={"A": "I", "B": "II"})
    unknown = found.filter(pl.col("instrument_id") == "C")
    assert unknown["haircut"].null_count() == unknown.height
    with pytest.raises(ConfigError, match="IV"):
        hc.sebi_2020(universe, group="IV")


def test_worked_line_of_january_2010(make_prices: Make) -> None:
    """A calm group I share: VaR 7.50, ELM 5.00, total 12.50."""
    rng = np.random.default_rng(0)
    calm = make_prices(60 * np.exp(np.cumsum(rng.normal(0, 0.005, 300))), "GMRINFRA")
    found = hc.sebi_2005(calm, group="I")
    assert found["haircut"][-1] == pytest.approx(0.1250)
    assert found["floor_hit"][-1]
    assert found["haircut"][100] is None  # no half-year of closes yet: ELM unknown


def test_rule_before_2020_scales_and_takes_the_index(make_prices: Make) -> None:
    share = make_prices([100.0], "X")
    options: dict[str, Any] = {"elm": 0.0, "seed": 0.0004}
    floor = {
        g: hc.sebi_2005(share, group=g, **options)["haircut"][0]
        for g in ("I", "II", "III")
    }
    assert floor["I"] == pytest.approx(0.075)
    assert floor["II"] == pytest.approx(0.15 * 3**0.5)
    assert floor["III"] == pytest.approx(0.25 * 3**0.5)
    index = make_prices([100.0], "INDEX")
    wild = hc.sebi_2005(share, group="III", index=index, elm=0.0, seed=0.0009)
    assert wild["haircut"][0] == pytest.approx(5 * 0.09 * 3**0.5)
    other_day = make_prices([100.0], "INDEX", date(2011, 1, 1))
    gone = hc.sebi_2005(share, group="III", index=other_day, **options)
    assert gone["haircut"][0] is None


def test_elm_before_2020_is_set_at_the_months_end(make_prices: Make) -> None:
    rng = np.random.default_rng(0)
    r = rng.normal(0, 0.06, 300)
    prices = make_prices(100 * np.exp(np.cumsum(np.append(0.0, r))))
    found = hc.sebi_2005(prices, group="III").with_columns(
        elm=pl.col("haircut") - 0.25 * 3**0.5
    )
    june = found.filter(pl.col("date").dt.month() == 6)["elm"]
    assert june.n_unique() == 1 or june.max() - june.min() < 1e-12  # type: ignore[operator]
    last_of_may = prices.with_row_index().filter(pl.col("date") == date(2010, 5, 31))
    place = int(last_of_may["index"].item())
    expected = 1.5 * np.std(r[place - 125 : place], ddof=1)
    assert june[0] == pytest.approx(expected)


def test_basel_takes_the_higher_haircut_when_it_does_not_know(
    universe: pl.DataFrame,
) -> None:
    found = hc.basel(universe, listing={"A": "main_index", "C": "unlisted"})
    by_name = found.group_by("instrument_id").agg(pl.col("haircut").first())
    assert dict(by_name.iter_rows()) == pytest.approx({"A": 0.20, "B": 0.30, "C": 1.0})
    mixed = hc.basel(universe, framework="2", fx_mismatch=True, horizon=20)
    assert mixed["haircut"][0] == pytest.approx(0.33 * 2**0.5)


def test_overlays(universe: pl.DataFrame) -> None:
    plain = hc.ewma(universe)
    buffered = hc.buffer(plain)["haircut"]
    assert (buffered >= plain["haircut"]).all()
    assert (buffered <= 1.25 * plain["haircut"] + 1e-12).all()
    mixed = hc.stressed(plain, stress={"A": 0.5})
    a = (pl.col("instrument_id") == "A") & pl.col("haircut").is_not_null()
    expected = 0.75 * plain.filter(a)["haircut"] + 0.125
    assert (mixed.filter(a)["haircut"] - expected).abs().max() < 1e-12  # type: ignore[operator]
    assert mixed.filter(pl.col("instrument_id") == "B")["haircut"].null_count() == 701
    floored = hc.ten_year_floor(plain, universe, window=300)["haircut"]
    assert (floored >= plain["haircut"]).all()
    assert floored.null_count() == 3 * 300


def test_a_fit_recovers_its_own_law(from_returns: Make) -> None:
    rng = np.random.default_rng(12)
    prices = from_returns(rng.standard_t(4, 3000) * 0.01)
    t = hc.student_t(prices, window=2500, decay=0.999, seed="mean:250", level=0.99)
    true = stats.t.ppf(0.99, 4) * 0.01
    assert t["haircut"][-1] == pytest.approx(true, rel=0.1)
    tail = hc.evt(prices, window=2500, decay=0.999, seed="mean:250", level=0.995)
    assert tail["haircut"][-1] == pytest.approx(stats.t.ppf(0.995, 4) * 0.01, rel=0.15)


def test_evt_quantile_is_the_formula_on_the_fitted_tail(from_returns: Make) -> None:
    rng = np.random.default_rng(13)
    tail = stats.genpareto.rvs(0.2, scale=0.5, size=200, random_state=rng)
    losses = np.append(np.full(1800, 0.5), 1.0 + tail)[np.newaxis]
    found = filtered._fit_tail_quantiles(losses, 200, 0.01)[0]
    u = 0.5
    over = losses[0, -200:] - u
    assert u < found < over.max() + u
    exact = np.quantile(losses, 0.99)
    assert found == pytest.approx(exact, rel=0.1)


def test_garch_sums_its_forecast_over_the_horizon(from_returns: Make) -> None:
    pytest.importorskip("arch")
    rng = np.random.default_rng(3)
    omega, alpha, beta, variance = 0.05, 0.08, 0.9, 2.5
    r = np.empty(1400)
    for day in range(r.size):
        r[day] = np.sqrt(variance) * rng.standard_normal()
        variance = omega + alpha * r[day] ** 2 + beta * variance
    prices = from_returns(r / 100)
    found = hc.garch(prices, window=1000, refit=200, level=0.99)
    assert found["haircut"].null_count() == 1000
    assert found["volatility"][-1] == pytest.approx(variance**0.5 / 100, rel=0.25)
    longer = hc.garch(prices, window=1000, refit=200, level=0.99, horizon=10)
    ratio = (longer["haircut"] / found["haircut"]).drop_nulls()
    assert ratio.is_between(2.0, 5.0).all()
    moved = prices.with_columns(
        pl.when(pl.col("date") > prices["date"][1250])
        .then(pl.col("close") * 2)
        .otherwise(pl.col("close"))
        .alias("close")
    )
    again = hc.garch(moved, window=1000, refit=200, level=0.99)
    assert_frame_equal(found[:1251], again[:1251], check_exact=True)


def test_any_callable_is_a_model(universe: pl.DataFrame) -> None:
    def flat(prices: pl.DataFrame) -> pl.DataFrame:
        return prices.select(
            "instrument_id",
            "date",
            pl.lit("mine").alias("model"),
            pl.lit(0.04).alias("haircut"),
            pl.lit(None, pl.Float64()).alias("volatility"),
            pl.lit(value=False).alias("floor_hit"),
        )

    both = pl.concat([flat(universe), hc.ewma(universe)], how="diagonal")
    found = hc.backtest(both, universe)
    assert found.height == 6
    assert set(found["model"]) == {"mine", "ewma"}


def test_prices_may_be_exact_lazy_and_in_any_order(universe: pl.DataFrame) -> None:
    cents = universe.with_columns(pl.col("close").round(4))
    exact = cents.with_columns(pl.col("close").cast(pl.Decimal(18, 4)))
    shuffled = exact.sample(fraction=1, shuffle=True, seed=1).lazy()
    assert_frame_equal(hc.ewma(shuffled), hc.ewma(cents), check_exact=True)


def test_an_unknown_close_is_no_close(universe: pl.DataFrame) -> None:
    gap = universe.with_columns(
        pl.when(pl.col("date") != universe["date"][50]).then(pl.col("close"))
    )
    without = universe.filter(pl.col("date") != universe["date"][50])
    assert_frame_equal(hc.ewma(gap), hc.ewma(without))


def test_bad_prices_are_refused(make_prices: Make) -> None:
    with pytest.raises(FrameError, match="not above 0"):
        hc.ewma(make_prices([100.0, 0.0]))
    twice = pl.concat([make_prices([1.0]), make_prices([2.0])])
    with pytest.raises(FrameError, match="two closes"):
        hc.ewma(twice)
    with pytest.raises(FrameError, match="close"):
        hc.ewma(make_prices([1.0]).drop("close"))


@pytest.mark.parametrize(
    "options",
    [
        {"decay": 1.0},
        {"level": 99},
        {"horizon": 0},
        {"seed": "second"},
        {"seed": "mean:0"},
        {"seed": 2.0},
        {"conversion": "log"},
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], make_prices: Make) -> None:
    with pytest.raises(ConfigError):
        hc.ewma(make_prices([1.0, 2.0, 3.0]), **options)


def test_no_rows_give_no_rows() -> None:
    none = pl.DataFrame(schema=hc.PRICES)
    for name, model in MODELS.items():
        assert model(none).height == 0, name
    assert hc.backtest(hc.ewma(none), none).schema == hc.COVERAGE
