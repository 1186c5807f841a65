"""What is wrong with prices is found before a model is built on them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from polars.testing import assert_frame_equal

from holdings_kit import haircuts as hc
from holdings_kit.errors import FrameError
from holdings_kit.schema import PRICES

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., pl.DataFrame]

START = date(2010, 1, 1)
DAY = START + timedelta(days=600)
MODELS: dict[str, Callable[..., pl.DataFrame]] = {
    "ewma": hc.ewma,
    "historical": hc.historical,
    "filtered": hc.filtered_historical,
    "student": hc.student_t,
    "evt": hc.evt,
    "shortfall": hc.expected_shortfall,
    "sebi_2020": hc.sebi_2020,
    "sebi_2005": hc.sebi_2005,
    "basel": hc.basel,
}


@pytest.fixture
def clean(make_prices: Make) -> pl.DataFrame:
    moves = np.random.default_rng(4).normal(0, 0.012, 700)
    return make_prices(np.round(500 * np.exp(np.cumsum(moves)), 2))


def jump(prices: pl.DataFrame, factor: float, *, opened: float | None) -> pl.DataFrame:
    """Multiply closes from `DAY` on; open at `opened` times the close before."""
    later = pl.col("date") >= DAY
    rows = prices.with_columns(
        pl.when(later).then(pl.col("close") * factor).otherwise("close").alias("close")
    )
    if opened is None:
        return rows
    before = pl.col("close").shift()
    share = pl.when(pl.col("date") == DAY).then(opened).otherwise(1.001)
    return rows.with_columns((before * share).alias("open_price"))


def found(prices: pl.DataFrame, **options: Any) -> list[tuple[date, str, str]]:
    rows = hc.audit(prices, **options).filter(pl.col("severity") != "info")
    return rows.select("date", "kind", "severity").rows()


def test_clean_prices_have_no_finding_and_no_note(clean: pl.DataFrame) -> None:
    assert hc.audit(clean).is_empty()
    for model in MODELS.values():
        notes = model(clean)["note"]
        assert notes.null_count() == clean.height


@pytest.mark.parametrize("factor", [2, 5 / 2, 3, 4, 5, 10, 20, 100, 1 / 2, 1 / 10])
def test_a_split_that_was_not_adjusted_is_an_error(
    factor: float, clean: pl.DataFrame
) -> None:
    for opened in (None, 1.02 / factor):
        prices = jump(clean, 1 / factor, opened=opened)
        assert found(prices) == [(DAY, "unadjusted action", "error")]


@pytest.mark.parametrize("factor", [4 / 3, 3 / 2, 7 / 5, 5 / 3, 8 / 5])
def test_a_bonus_shows_by_its_open(factor: float, clean: pl.DataFrame) -> None:
    prices = jump(clean, 1 / factor, opened=1.01 / factor)
    assert found(prices) == [(DAY, "unadjusted action", "error")]
    alone = jump(clean, 1 / factor, opened=None)  # a fall may be as large
    assert found(alone) == [(DAY, "large move", "warning")]


def test_a_real_fall_opens_near_the_close_before(clean: pl.DataFrame) -> None:
    """Yes Bank fell 56 % on 6 March 2020 and had opened at −10 %."""
    prices = jump(clean, 0.4389, opened=0.9008)
    assert found(prices) == [(DAY, "large move", "warning")]
    evidence = hc.audit(prices)["evidence"].item()
    assert "it moved during the day" in evidence
    for declared in (
        [("X", DAY)],
        {"X": DAY},
        {"X": [DAY]},
        pl.DataFrame({"instrument_id": ["X"], "date": [DAY]}),
    ):
        assert found(prices, declared=declared) == [(DAY, "large move", "declared")]
        model = hc.sebi_2020(prices, strict=True, declared=declared)
        assert model["note"].null_count() == prices.height
    other_day = [("X", START)]
    assert found(prices, declared=other_day) == [(DAY, "large move", "warning")]


def test_the_previous_close_gives_an_action_away(clean: pl.DataFrame) -> None:
    prices = jump(clean, 3 / 4, opened=None)
    before = pl.col("close").shift()
    raw = prices.with_columns(previous_close_price=before)
    assert found(raw) == [(DAY, "large move", "warning")]
    on_ex_date = pl.when(pl.col("date") == DAY).then(before * 0.75).otherwise(before)
    adjusted = prices.with_columns(previous_close_price=on_ex_date)
    assert found(adjusted) == [(DAY, "unadjusted action", "error")]
    assert "the previous close × 0.75" in hc.audit(adjusted)["evidence"].item()


def test_adjusted_closes_beside_raw_previous_closes_are_right(
    clean: pl.DataFrame,
) -> None:
    before = pl.col("close").shift()
    scale = pl.when(pl.col("date") <= DAY).then(2.0).otherwise(1.0)
    prices = clean.with_columns(previous_close_price=(before * scale).round(2))
    raw_before_the_day = prices.with_columns(
        previous_close_price=pl.when(pl.col("date") == DAY)
        .then("previous_close_price")
        .otherwise(before)
    )
    assert found(raw_before_the_day) == []


def test_a_gap_is_a_warning_and_its_move_no_action(clean: pl.DataFrame) -> None:
    away = (pl.col("date") > DAY) & (pl.col("date") <= DAY + timedelta(days=40))
    prices = clean.filter(~away)
    back = DAY + timedelta(days=41)
    assert found(prices) == [(back, "gap", "warning")]
    assert "no close for 41 days" in hc.audit(prices)["evidence"][0]


def test_a_missing_file_shows_by_the_previous_close(clean: pl.DataFrame) -> None:
    prices = clean.with_columns(previous_close_price=pl.col("close").shift())
    less = prices.filter(pl.col("date") != DAY)
    rows = hc.audit(less)
    assert rows.select("date", "kind", "severity").rows() == [
        (DAY + timedelta(days=1), "missing day", "info")
    ]


def test_stale_runs_are_found(clean: pl.DataFrame) -> None:
    for days, severity in ((6, "info"), (30, "warning")):
        still = pl.col("date").is_between(DAY, DAY + timedelta(days=days))
        value = clean.filter(date=DAY)["close"].item()
        prices = clean.with_columns(
            pl.when(still).then(value).otherwise("close").alias("close")
        )
        row = hc.audit(prices).row(0, named=True)
        assert (row["kind"], row["severity"]) == ("stale run", severity)


def test_first_days_of_a_listing_are_told(make_prices: Make) -> None:
    row = hc.audit(make_prices([100.0, 101.0, 102.0])).row(0, named=True)
    assert (row["date"], row["kind"], row["severity"]) == (START, "first days", "info")
    assert "3 closes" in row["evidence"]


def test_two_closes_of_a_day_and_bad_closes_are_listed_not_raised(
    clean: pl.DataFrame,
) -> None:
    second = clean.filter(date=DAY).with_columns(close=pl.lit(1.0))
    zero = clean.filter(date=START).with_columns(pl.lit("Z").alias("instrument_id"))
    prices = pl.concat([clean, second, zero.with_columns(close=pl.lit(0.0))])
    assert found(prices) == [
        (DAY, "two closes", "error"),
        (START, "bad close", "error"),
    ]
    with pytest.raises(FrameError, match="two closes"):
        hc.ewma(pl.concat([clean, second]))


@pytest.mark.parametrize("name", MODELS)
def test_every_model_notes_a_finding_from_its_date_on(
    name: str, clean: pl.DataFrame
) -> None:
    other = clean.with_columns(instrument_id=pl.lit("Y"))
    prices = pl.concat([jump(clean, 1 / 5, opened=None), other])
    rows = MODELS[name](prices)
    noted = rows.filter(pl.col("note").is_not_null())
    assert noted["instrument_id"].unique().to_list() == ["X"]
    assert noted["date"].min() == DAY
    assert noted.height == clean.filter(pl.col("date") >= DAY).height
    assert "unadjusted action" in noted["note"][0]
    with pytest.raises(FrameError, match=r"unadjusted action.*hk\.adjust"):
        MODELS[name](prices, strict=True)
    MODELS[name](other, strict=True)


def test_notes_add_up(clean: pl.DataFrame) -> None:
    later = DAY + timedelta(days=20)
    twice = jump(clean, 1 / 5, opened=None).with_columns(
        pl.when(pl.col("date") >= later)
        .then(pl.col("close") / 2)
        .otherwise("close")
        .alias("close")
    )
    notes = hc.ewma(twice)["note"]
    assert notes[-1].count("unadjusted action") == 2
    assert notes.filter(twice["date"] == DAY)[0].count("unadjusted action") == 1


def test_exact_prices_of_the_market_are_read(clean: pl.DataFrame) -> None:
    market = clean.select(
        "instrument_id",
        "date",
        pl.col("close").alias("close_price"),
        pl.col("close").shift().alias("previous_close_price"),
        pl.col("close").alias("open_price"),
    )
    rows = pl.DataFrame(market.to_dicts(), schema=PRICES, strict=False)
    assert hc.audit(rows).is_empty()
    assert_frame_equal(hc.ewma(rows.lazy()), hc.ewma(clean))


@settings(max_examples=60, deadline=None)
@given(
    closes=st.lists(st.floats(0, 1e6), max_size=40),
    steps=st.lists(st.integers(0, 20), min_size=40, max_size=40),
    names=st.lists(st.sampled_from("AB"), min_size=40, max_size=40),
)
def test_any_closes_are_audited_without_an_error(
    closes: list[float], steps: list[int], names: list[str]
) -> None:
    days = np.cumsum(steps)[: len(closes)].tolist()
    prices = pl.DataFrame(
        {
            "instrument_id": names[: len(closes)],
            "date": [START + timedelta(days=day) for day in days],
            "close": closes,
        },
        schema=hc.PRICES,
    )
    rows = hc.audit(prices)
    assert rows.schema == hc.AUDIT
    assert rows.null_count().sum_horizontal().item() == 0
    assert rows.equals(hc.audit(prices.reverse()))
