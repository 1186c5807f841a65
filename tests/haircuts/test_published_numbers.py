"""Every published number of the literature we rely on, to all printed digits."""

from __future__ import annotations

import numpy as np
import pytest

from holdings_kit import haircuts as hc
from holdings_kit.haircuts import statistics as ht


def shown(value: float | None, like: str) -> str:
    """Round `value` to as many decimals as `like` prints."""
    assert value is not None
    places = len(like.partition(".")[2])
    return f"{value:.{places}f}"


@pytest.mark.parametrize(
    ("breaches", "observations", "level", "ratio", "p_value"),
    [
        (57, 1043, 0.95, "0.46147", "0.49694"),
        (17, 1043, 0.99, "3.5118", "0.060933"),
        (3, 250, 0.95, "10.812", "0.0010083"),
        (3, 250, 0.99, "0.09494", "0.75799"),
        (5, 224, 0.99, "2.544", "0.111"),
        (7, 224, 0.99, "6.535", "0.011"),
    ],
)
def test_proportion_of_failures(
    breaches: int, observations: int, level: float, ratio: str, p_value: str
) -> None:
    found = ht.kupiec(breaches, observations, level, method="asymptotic")
    assert shown(found.statistic, ratio) == ratio
    assert shown(found.p_value, p_value) == p_value
    assert found.df == 1


TABLE = ht.Transitions(n00=932, n01=53, n10=53, n11=4)


def test_independence() -> None:
    found = ht.christoffersen(TABLE, method="asymptotic")
    assert shown(found.statistic, "0.25866") == "0.25866"
    assert shown(found.p_value, "0.61104") == "0.61104"


def test_conditional_coverage() -> None:
    found = ht.conditional_coverage(TABLE, 0.95, method="asymptotic")
    assert shown(found.statistic, "0.72013") == "0.72013"
    assert shown(found.p_value, "0.69763") == "0.69763"
    assert (TABLE.breaches, TABLE.observations, found.df) == (57, 1043, 2)


def test_hits_and_their_counts_give_the_same() -> None:
    rng = np.random.default_rng(3)
    hits = rng.random(500) < 0.06
    table = ht.transitions(hits)
    assert ht.christoffersen(hits) == ht.christoffersen(table)
    assert ht.conditional_coverage(hits, 0.95) == ht.conditional_coverage(table, 0.95)
    assert table.breaches == hits.sum()


def test_time_until_first_failure() -> None:
    found = ht.tuff(58, 0.95, method="asymptotic")
    assert shown(found.statistic, "1.7354") == "1.7354"
    assert shown(found.p_value, "0.18773") == "0.18773"


def test_binomial_tails_of_jorion() -> None:
    type_one = ht.binomial(5, 250, 0.99, alternative="greater").p_value
    type_two = ht.binomial(4, 250, 0.97, alternative="less").p_value
    assert type_one is not None
    assert type_two is not None
    assert f"{100 * type_one:.1f}" == "10.8"
    assert f"{100 * type_two:.1f}" == "12.8"


BASEL = "8.1059 28.5752 54.3169 75.8117 89.2188 95.8817 98.6299 99.5975 99.8943"
ZONES = ["green"] * 5 + ["yellow"] * 5 + ["red"]
PLUS = [0.0] * 5 + [0.40, 0.50, 0.65, 0.75, 0.85, 1.00]


@pytest.mark.parametrize(
    ("breaches", "cdf"), list(enumerate([*BASEL.split(), "99.9750", "99.9946"]))
)
def test_basel_traffic_light(breaches: int, cdf: str) -> None:
    found = ht.traffic_light(breaches, 250, 0.99)
    assert shown(100 * found.statistic, cdf) == cdf
    assert found.note == ZONES[breaches]
    assert ht.plus_factor(breaches) == PLUS[breaches]


@pytest.mark.parametrize(("z2", "size"), [(-0.703, 0.05), (-1.042, 0.01)])
def test_acerbi_szekely_critical_values(z2: float, size: float) -> None:
    days, p = 250, 0.025
    var, es = 1.959963984540054, 2.337802792
    deep = (z2 - 1) * days * p * es / 10  # ten equal breaches whose Z2 is z2
    returns = np.r_[np.full(10, deep), np.zeros(days - 10)]
    found = ht.acerbi_szekely(
        returns, np.full(days, var), np.full(days, es), 1 - p, draws=40_000
    )
    assert found.statistic == pytest.approx(z2, abs=1e-9)
    assert found.p_value == pytest.approx(size, abs=4 * np.sqrt(size / 40_000))


@pytest.mark.parametrize(
    ("base", "days", "percent"),
    [(0.15, 20, "21.213"), (0.08, 20, "11.3137"), (0.08, 5, "5.6569")],
)
def test_basel_scaling(base: float, days: int, percent: str) -> None:
    scaled = hc.basel_scaled(base, holding_days=days)
    assert shown(100 * scaled, percent) == percent


@pytest.mark.parametrize(
    ("haircut", "exposure"), [(0.15, 575_000), (0.25, 625_000), (0.30, 650_000)]
)
def test_basel_exposures(haircut: float, exposure: int) -> None:
    found = hc.basel_exposure(1_000_000, collateral=500_000, haircut=haircut)
    assert found == exposure
