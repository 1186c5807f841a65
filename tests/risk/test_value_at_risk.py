from __future__ import annotations

from datetime import date, timedelta
from math import sqrt
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.risk import CONTRIBUTIONS, RISK, value_at_risk, var_contributions


def _prices(returns: np.ndarray, ids: str = "PQRST") -> pl.DataFrame:
    closes = 100 * np.cumprod(
        np.vstack([np.ones(returns.shape[1]), 1 + returns]), axis=0
    )
    days = [date(2024, 1, 1) + timedelta(i) for i in range(len(closes))]
    return pl.concat(
        pl.DataFrame({"instrument_id": ids[i], "date": days, "close": closes[:, i]})
        for i in range(returns.shape[1])
    )


def _book(**values: float | None) -> pl.DataFrame:
    return pl.DataFrame(
        {"instrument_id": list(values), "market_value": list(values.values())},
        schema={"instrument_id": pl.String(), "market_value": pl.Float64()},
    )


RETURNS = np.random.default_rng(7).standard_t(4, size=(300, 3)) * 0.015


def test_historical_is_numpy_on_the_revalued_book() -> None:
    book = _book(P=1000.0, Q=500.0, R=-200.0)
    pnl = RETURNS[-250:] @ np.array([1000.0, 500.0, -200.0])
    for method in ("linear", "lower", "higher", "inverted_cdf"):
        row = value_at_risk(
            book, _prices(RETURNS), methods=["historical"], interpolation=method
        ).row(0, named=True)
        assert row["var_value"] == pytest.approx(-np.quantile(pnl, 0.01, method=method))
        assert row["quantile_method"] == method
        assert row["observations"] == 250
    worst = np.sort(pnl)[:3]
    # 2.5 outcomes: the two worst and half of the third
    expected = -(worst[0] + worst[1] + worst[2] / 2) / 2.5
    assert row["es_value"] == pytest.approx(expected)
    assert row["sign"] == "a loss is positive"


def test_ewma_covariance_equals_the_recursion() -> None:
    book = _book(P=1000.0, Q=500.0, R=-200.0)
    values = np.array([1000.0, 500.0, -200.0])
    window = RETURNS[-250:]
    state = np.outer(window[0], window[0])
    for r in window[1:]:
        state = 0.94 * state + 0.06 * np.outer(r, r)
    sigma = sqrt(values @ state @ values)
    row = value_at_risk(book, _prices(RETURNS), methods=["ewma"], horizon_days=4).row(
        0, named=True
    )
    assert row["var_value"] == pytest.approx(2.3263478740408408 * sigma * 2, rel=1e-9)
    assert row["es_value"] == pytest.approx(2.6652142203457696 * sigma * 2, rel=1e-9)
    parts = var_contributions(book, _prices(RETURNS), horizon_days=4)
    assert parts.schema == CONTRIBUTIONS
    assert parts["var_value"].sum() == pytest.approx(row["var_value"])
    assert parts["share"].sum() == pytest.approx(1)
    assert parts["standalone_value"].sum() >= row["var_value"]


def test_filtered_historical_rescales_to_the_volatility_of_today() -> None:
    calm = RETURNS[:, :1].copy()
    calm[-30:] *= 5
    book, prices = _book(P=1000.0), _prices(calm)
    out = value_at_risk(book, prices, methods=["historical", "filtered_historical"])
    plain, filtered = out["var_value"]
    assert filtered > 1.5 * plain
    pnl = 1000 * calm[-250:, 0]
    variance = [pnl[0] ** 2]
    for x in pnl[1:]:
        variance.append(0.94 * variance[-1] + 0.06 * x**2)
    z = pnl[20:] / np.sqrt(variance[19:-1])
    assert filtered == pytest.approx(-np.quantile(z * sqrt(variance[-1]), 0.01))


def test_coverage_says_what_is_left_out() -> None:
    prices = _prices(RETURNS)
    hole = prices.filter(
        ~((pl.col("instrument_id") == "Q") & (pl.col("date") == date(2024, 8, 1)))
    )
    book = _book(P=750.0, Q=250.0, R=None, X=10.0)
    out = value_at_risk(book, hole)
    assert out.schema == RISK
    row = out.row(0, named=True)
    assert row["uncovered"] == ["Q", "R", "X"]
    assert row["covered_value"] == 750
    assert row["covered_share"] == pytest.approx(750 / 1010)


def test_nothing_to_measure_is_null() -> None:
    out = value_at_risk(_book(X=1.0), _prices(RETURNS))
    assert out["var_value"].to_list() == [None] * 3
    assert out["observations"].to_list() == [0] * 3
    assert var_contributions(_book(X=1.0), _prices(RETURNS)).height == 0
    assert value_at_risk(_book(), _prices(RETURNS))["es_value"].null_count() == 3
    short = value_at_risk(_book(P=1.0), _prices(RETURNS[:10]), window=5)
    assert short["var"].to_list() == [None] * 3
    assert short["window"].to_list() == [5] * 3


@pytest.mark.parametrize(
    ("days", "answered"),
    [
        (3, []),
        (19, []),
        (20, ["ewma"]),
        (99, ["ewma"]),
        (100, ["historical", "ewma"]),
        (119, ["historical", "ewma"]),
        (120, ["historical", "ewma", "filtered_historical"]),
    ],
)
def test_too_few_returns_have_no_figure_and_a_reason(
    days: int, answered: list[str]
) -> None:
    out = value_at_risk(_book(P=1000.0), _prices(RETURNS[:days]))
    said = out.filter(pl.col("var").is_not_null())
    assert said["method"].to_list() == answered
    for note in out.filter(pl.col("var").is_null())["note"]:
        assert f"{days} returns are too few" in note
    for note in said["note"]:
        assert f"250 returns were asked for, there are {days}" in note
    parts = var_contributions(_book(P=1000.0), _prices(RETURNS[:days]))
    assert parts.height == (days >= 20)


def test_a_loss_above_a_long_only_book_is_flagged() -> None:
    wild = np.where(np.arange(300)[:, None] % 2, 1.2, -0.5)
    out = value_at_risk(_book(P=1000.0), _prices(wild), methods=["ewma"])
    assert out["var"].item() > 1
    assert "can lose" in out["note"].item()


@pytest.mark.parametrize(
    "change",
    [
        {"level": 1.0},
        {"level": 0.1},
        {"decay": 1.0},
        {"window": 1},
        {"horizon_days": 0},
        {"methods": ["garch"]},
        {"interpolation": "cubic"},
    ],
)
def test_bad_calls(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        value_at_risk(_book(P=1.0), _prices(RETURNS), **change)


def test_bad_frames() -> None:
    with pytest.raises(FrameError, match="two closes"):
        value_at_risk(_book(P=1.0), pl.concat([_prices(RETURNS)] * 2))
    with pytest.raises(FrameError, match="close"):
        value_at_risk(_book(P=1.0), _prices(RETURNS).drop("close"))


@settings(max_examples=25, deadline=None)
@given(st.floats(0.5, 20), st.permutations("PQR"))
def test_scaling_and_order_laws(factor: float, order: list[str]) -> None:
    values = {"P": 1000.0, "Q": 500.0, "R": 300.0}
    base = value_at_risk(_book(**values), _prices(RETURNS))["var_value"].to_list()
    scaled = _book(**{name: values[name] * factor for name in order})
    out = value_at_risk(scaled, _prices(RETURNS))
    assert out["var_value"].to_list() == pytest.approx([v * factor for v in base])
    assert (out["es_value"] >= out["var_value"] - 1e-9).all()


def test_frames_of_other_libraries_give_the_same_figures() -> None:
    """Also the wide `PRICES`, whose closes are called `close_price`, in any order."""
    book, prices = _book(P=1000.0, Q=500.0, R=-200.0), _prices(RETURNS)
    right = value_at_risk(book, prices)
    wide = prices.rename({"close": "close_price"}).sample(fraction=1, shuffle=True)
    holes = pl.concat([prices, prices.head(2).with_columns(date=None)], how="vertical")
    for history in (prices.to_pandas(), prices.to_arrow(), wide.lazy(), holes):
        assert value_at_risk(book.to_pandas(), history).equals(right)
    with pytest.raises(FrameError, match="close"):
        value_at_risk(book, prices.drop("close"))
