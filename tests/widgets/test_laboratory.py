"""The laboratory: models built, judged, compared, drawn, cancelled."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from holdings_kit import haircuts
from holdings_kit.errors import ConfigError
from widgets import HaircutLab


@pytest.fixture(scope="module")
def prices() -> pl.DataFrame:
    """Two invented names over 400 days, one twice as wild as the other."""
    draw = np.random.default_rng(5)
    start = date(2024, 1, 1)
    frames = [
        pl.DataFrame(
            {
                "instrument_id": name,
                "date": [start + timedelta(days=day) for day in range(400)],
                "close": 100 * np.exp(np.cumsum(draw.normal(0, sigma, 400))),
            }
        )
        for name, sigma in (("CALM", 0.01), ("WILD", 0.02))
    ]
    return pl.concat(frames)


def run(lab: HaircutLab, page: Any) -> None:
    async def wait() -> None:
        page(lab.panel, type="press", name="run")
        await lab.model.done()

    asyncio.run(wait())


def test_a_run_gives_coverage_pictures_and_a_comparison(
    prices: pl.DataFrame, page: Any
) -> None:
    lab = HaircutLab(prices)
    page(lab.panel, type="set", name="window", value=100)
    run(lab, page)
    assert lab.model.error == ""
    assert set(lab.coverage["model"]) == {"ewma", "historical"}
    assert set(lab.coverage["instrument_id"]) == {"CALM", "WILD"}
    expected = haircuts.ewma(prices, decay=0.94, level=0.99, horizon=1)
    ours = lab.haircuts.filter(model="ewma").sort("instrument_id", "date")
    assert ours["haircut"].equals(expected.sort("instrument_id", "date")["haircut"])
    for shown in (lab.breaches, lab.heat, lab.duel):
        assert '<img class="hk-picture" alt="' in shown.value
    before = lab.breaches.value
    page(lab.panel, type="set", name="name", value="WILD")
    assert lab.breaches.value != before
    assert lab.daily is not None
    assert lab.daily.total == lab.haircuts.height


def test_a_model_of_your_own_plugs_in(prices: pl.DataFrame, page: Any) -> None:
    def flat(prices: pl.DataFrame) -> pl.DataFrame:
        return prices.select(
            "instrument_id",
            "date",
            model=pl.lit("flat"),
            haircut=pl.lit(0.1),
            volatility=pl.lit(None, pl.Float64()),
            floor_hit=pl.lit(value=True),
        )

    lab = HaircutLab(prices, models={"flat": flat})
    page(lab.panel, type="set", name="models", value=["flat"])
    run(lab, page)
    assert lab.coverage["mean_haircut"].round(12).unique().to_list() == [0.1]
    assert lab.duel.value == ""


def test_a_model_that_cannot_be_built_leaves_the_others(
    prices: pl.DataFrame, page: Any
) -> None:
    def broken(prices: pl.DataFrame) -> pl.DataFrame:
        raise ConfigError("needs volumes")

    lab = HaircutLab(prices, models={"broken": broken})
    run(lab, page)
    assert "needs volumes" in lab.summary.value
    assert set(lab.coverage["model"]) == {"ewma", "historical"}
    lab.model.models = ["broken"]
    run(lab, page)
    assert lab.model.error == "needs volumes"


def test_a_run_can_be_cancelled(prices: pl.DataFrame, page: Any) -> None:
    lab = HaircutLab(prices)

    async def wait() -> None:
        page(lab.panel, type="press", name="run")
        await asyncio.sleep(0)
        page(lab.panel, type="press", name="cancel")
        await lab.model.done()

    asyncio.run(wait())
    assert lab.model.busy == ""
    with pytest.raises(ConfigError, match="nothing is built yet"):
        _ = lab.coverage


def test_no_model_and_a_bad_level_are_said(prices: pl.DataFrame, page: Any) -> None:
    lab = HaircutLab(prices)
    page(lab.panel, type="set", name="models", value=[])
    page(lab.panel, type="press", name="run")
    assert "choose at least one model" in lab.panel.error
    page(lab.panel, type="set", name="level", value=7)
    assert "level" in lab.panel.problems
    assert lab.model.level == 0.99
