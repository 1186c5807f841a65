"""The laboratory: models built, judged, compared, drawn, cancelled."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest

from holdings_kit import haircuts
from holdings_kit.errors import ConfigError
from widgets import HaircutLab
from widgets.laboratory.page import say_finding
from widgets.laboratory.verdicts import judge_models, name_instruments


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
    assert "EWMA" in lab.breaches.value
    before = lab.breaches.value
    page(lab.picker, type="set", name="name", value="WILD")
    assert lab.breaches.value != before
    assert lab.daily is not None
    assert lab.daily.total == lab.haircuts.height
    for raw in ("ewma", "historical"):  # no id of ours where people read
        assert f">{raw}" not in lab.board.markup
        assert all(raw not in row for row in lab.daily.rows)


def test_the_answer_opens_with_what_holds_and_names_below_a_model(
    prices: pl.DataFrame, page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flat(prices: pl.DataFrame, haircut: float) -> pl.DataFrame:
        return prices.select(
            "instrument_id",
            "date",
            model=pl.lit("flat" if haircut else "none"),
            haircut=haircut,
        )

    lab = HaircutLab(
        prices.with_columns(
            pl.format("NSE:{}", "instrument_id").alias("instrument_id")
        ),
        models={"flat": partial(flat, haircut=0.2), "none": partial(flat, haircut=0.0)},
    )
    assert "2 names over 400 days. Press Run" in lab.static_html()
    page(lab.panel, type="set", name="models", value=["none", "flat"])
    run(lab, page)
    assert lab.model.error == ""
    shown = lab.board.markup
    assert lab.table is not None
    assert lab.daily is not None
    heads = [column["label"] for column in lab.table.columns]
    assert heads[:3] == ["Instrument", "Model", "Windows"]
    assert "Note" not in heads, "the table offers it"
    assert "note" in [choice["name"] for choice in lab.table.choices]
    assert [column["label"] for column in lab.daily.columns][-1] == "Haircut"
    finding = (
        "At 99 % over 1 day, flat holds; none (2 of 2 names, count under GARCH) fails"
    )
    assert finding in shown.replace(chr(0x202F), " ")
    assert "no p speaks of all" in shown
    assert shown.index('<th scope="row">flat') < shown.index('<th scope="row">none')
    assert "Name by name" not in shown
    page(lab.board, act="open", value="none")
    assert "WILD</th>" in lab.board.markup
    assert "NSE:WILD" not in lab.board.markup
    assert "too many, count under GARCH" in lab.board.markup
    saved: dict[str, bytes] = {}
    monkeypatch.setattr(lab.board, "save", saved.__setitem__)
    page(lab.board, act="coverage")
    page(lab.board, act="haircuts")
    first, second = saved
    assert first == "coverage-99-percent-1-day-2024-01-01-to-2025-02-03.csv"
    assert second.startswith("haircuts-99-percent-1-day-")
    assert pl.read_csv(saved[first])["instrument_id"][0] == "NSE:CALM"


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
    assert "needs volumes" in lab.board.markup
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


def covered(model: str, name: str, **more: Any) -> dict[str, Any]:
    """One row of COVERAGE, as far as a verdict looks at it."""
    return {
        "instrument_id": name,
        "model": model,
        "n": 500,
        "breaches": 5,
        "expected": 5.0,
        "mean_haircut": 0.05,
        "side": "too many",
        "offsets_p": None,
        "garch_p": None,
        "detectable_ratio": 2.0,
        "note": "said",
    } | more


ROWS: Any = pl.Schema({name: haircuts.COVERAGE[name] for name in covered("", "")})


def judged(*rows: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = judge_models(pl.DataFrame(rows, schema=ROWS))
    return {row["model"]: row for row in found.to_dicts()}


def test_a_verdict_counts_rejected_names_and_pools_no_p() -> None:
    found = judged(
        *(covered("few", f"N{n}", offsets_p=0.01 if n < 1 else 0.4) for n in range(6)),
        *(covered("half", f"N{n}", garch_p=0.01 if n < 3 else 0.4) for n in range(6)),
        *(
            covered("many", f"N{n}", offsets_p=0.01 if n < 1 else 0.4)
            for n in range(20)
        ),
        covered("dear", "N1", offsets_p=0.001, side="too few", breaches=0),
        covered("silent", "N1"),
        covered("slow", "N1", garch_p=0.99, side="too few", breaches=0),
        covered("good", "N1", offsets_p=0.3, mean_haircut=0.01, detectable_ratio=None),
    )
    assert {name: row["verdict"] for name, row in found.items()} == {
        "good": "holds",  # the lowest haircut first
        "many": "holds",  # one name of 20 is what chance rejects
        "slow": "holds",  # the count under a GARCH does not test too few
        "dear": "high",
        "few": "doubtful",
        "half": "fails",
        "silent": "untested",
    }
    assert next(iter(found)) == "good"
    assert list(found)[-1] == "silent"
    assert (found["half"]["p"], found["half"]["test"]) == (0.01, "count")
    assert found["few"]["instrument_id"] == "N0"
    assert found["good"]["weakest"] is None
    assert found["half"]["weakest"] == 2.0
    assert found["silent"]["p"] is None


def test_the_finding_names_those_that_hold_then_the_others() -> None:
    labels = {"few": "Student t", "half": "EWMA"}
    used = {"level": 0.975, "horizon": 10}

    def say(*rows: dict[str, Any]) -> str:
        table = judge_models(pl.DataFrame(rows, schema=ROWS))
        return say_finding(table, labels, used).replace(chr(0x202F), " ")

    half = covered("half", "N1", offsets_p=0.002)
    assert say(half) == (
        "At 97.5 % over 10 days, no model holds; EWMA (p 0.002, offsets) fails"
    )
    three = [covered(name, "N1", garch_p=0.5) for name in ("a", "b", "few")]
    assert say(*three, half) == (
        "At 97.5 % over 10 days, a, b and Student t hold; EWMA (p 0.002, offsets) fails"
    )
    five = [covered(name, "N1", garch_p=0.5) for name in "abcde"]
    assert "a, b, c and 2 more hold" in say(*five)
    assert say(covered("few", "N1")) == (
        "At 97.5 % over 10 days, Student t could not be tested"
    )


def test_two_instruments_of_one_symbol_keep_their_ids() -> None:
    prices = pl.DataFrame({"instrument_id": ["NSE:A", "BSE:A", "NSE:B"]})
    assert name_instruments(prices) == {
        "BSE:A": "BSE:A",
        "NSE:A": "NSE:A",
        "NSE:B": "B",
    }
