"""Ours beside the exchange's margin, per security, and the reason of a difference."""

from __future__ import annotations

import math
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from holdings_kit import haircuts as hc
from holdings_kit.display import plot
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.schema import ACTIONS, MARGINS

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., pl.DataFrame]

START = date(2010, 1, 1)
LENGTH = 700
LAST = START + timedelta(days=LENGTH - 1)


def exchange(
    name: str, closes: list[float], *, adhoc: float = 0.0, floor: float = 0.09
) -> dict[str, object]:
    """Publish what the exchange would, by a second implementation of its rule."""
    variance = 0.0
    for before, close in pairwise(closes):
        variance = 0.995 * variance + 0.005 * math.log(close / before) ** 2
    security = round(100 * math.expm1(6 * math.sqrt(variance)), 2) / 100
    var = max(security, floor)
    row: dict[str, object] = {"instrument_id": name, "symbol": name, "series": "EQ"}
    row |= {"date": LAST, "file_no": 6, "security_var": security, "var_margin": var}
    row |= {"elm": 0.035, "adhoc": adhoc, "haircut": var + 0.035 + adhoc}
    return row


def frame(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=MARGINS, strict=False)


def history(seed: int, sigma: float = 0.02) -> list[float]:
    moves = np.random.default_rng(seed).normal(0, sigma, LENGTH)
    return np.round(500 * np.exp(np.cumsum(moves)), 2).tolist()


def action(name: str, day: date, kind: str, ratio: str | None, **more: Any) -> Any:
    return {"instrument_id": name, "ex_date": day, "kind": kind, "ratio": ratio} | more


@pytest.fixture
def market(make_prices: Make) -> tuple[pl.DataFrame, pl.DataFrame]:
    names = {"A": 1, "B": 2, "C": 3}
    prices = pl.concat(make_prices(history(no), name) for name, no in names.items())
    return prices, frame(*(exchange(name, history(no)) for name, no in names.items()))


def reasons(found: hc.Reproduction) -> dict[str, str | None]:
    return dict(found.securities.select("instrument_id", "reason").iter_rows())


def test_clean_closes_give_the_exchanges_margin(
    market: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    found = hc.reproduce(*market)
    assert found.securities["within"].all()
    assert found.securities["difference"].abs().max() <= 0.00005 + 1e-9  # type: ignore[operator]
    assert reasons(found) == {"A": None, "B": None, "C": None}
    assert found.securities.schema == hc.REPRODUCED
    whole = found.summary.row(-1, named=True)
    assert (whole["group"], whole["compared_count"], whole["within_share"]) == (
        "all",
        3,
        1.0,
    )


def test_a_split_is_the_reason_until_the_actions_say_it(make_prices: Make) -> None:
    closes = history(4)
    later = [c / 5 if day >= 650 else c for day, c in enumerate(closes)]
    ex = START + timedelta(days=650)
    margins, prices = frame(exchange("A", closes)), make_prices(later, "A")
    found = hc.reproduce(prices, margins)
    assert reasons(found) == {"A": f"unadjusted action on {ex}"}
    for kind, ratio in (
        ("split", "1:5"),
        ("split", "5"),
        ("bonus", "4:1"),
    ):
        table = pl.DataFrame([action("A", ex, kind, ratio)], schema=ACTIONS)
        assert hc.reproduce(prices, margins, actions=table).securities["within"].all()
    grown = [c * 10 if day >= 650 else c for day, c in enumerate(closes)]
    one = pl.DataFrame([action("A", ex, "consolidation", "10:1")], schema=ACTIONS)
    again = hc.reproduce(make_prices(grown, "A"), margins, actions=one)
    assert again.securities["within"].all()
    bad = pl.DataFrame([action("A", ex, "split", "soon")], schema=ACTIONS)
    with pytest.raises(FrameError, match="'soon'"):
        hc.reproduce(prices, margins, actions=bad)


def test_two_actions_multiply(make_prices: Make) -> None:
    closes = history(5)
    raw = [c / (1 if d < 300 else 2 if d < 600 else 6) for d, c in enumerate(closes)]
    days = [START + timedelta(days=day) for day in (300, 600)]
    rows = [action("A", days[0], "bonus", "1:1"), action("A", days[1], "split", "1:3")]
    table = pl.DataFrame(rows, schema=ACTIONS)
    margins = frame(exchange("A", closes))
    found = hc.reproduce(make_prices(raw, "A"), margins, actions=table)
    assert found.securities["within"].all()


def test_renamed_histories_are_joined_through_chains(make_prices: Make) -> None:
    closes = history(6, 0.03)
    parts = [("OLD", 0, 300), ("MID", 300, 500), ("NEW", 500, LENGTH)]
    prices = pl.concat(
        make_prices(closes[a:b], name, START + timedelta(days=a))
        for name, a, b in parts
    )
    margins = frame(exchange("NEW", closes))
    alone = hc.reproduce(prices, margins)
    assert reasons(alone)["NEW"] == (
        f"short history: from {START + timedelta(days=500)}, new or renamed"
    )
    moves = [("OLD", "MID", 300), ("MID", "NEW", 500)]
    table = pl.DataFrame(
        [
            action(
                old, START + timedelta(days=d), "rename", None, new_instrument_id=new
            )
            for old, new, d in moves
        ],
        schema=ACTIONS,
    )
    assert hc.reproduce(prices, margins, actions=table).securities["within"].all()


def test_surveillance_other_groups_and_bonds_are_named(
    market: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    prices, _ = market
    bond = exchange("C", history(3)) | {"var_margin": 0.1, "elm": 0.0, "haircut": 0.1}
    topped = exchange("A", history(1), adhoc=0.2)
    other = exchange("B", history(2), floor=0.215)
    gone = exchange("Z", history(9))
    margins = frame(topped, other, bond | {"security_var": 0.0}, gone)
    by_file = reasons(hc.reproduce(prices, margins))
    assert by_file == {
        "A": "surveillance: 20.0 points on top",
        "B": None,
        "C": "no group: not margined by this rule",
        "Z": "no prices of this instrument up to the margin",
    }
    fixed = hc.reproduce(prices, margins, group="I")
    assert reasons(fixed)["B"] == (
        "other group: the volatility is the same, the floor is not"
    )


def test_the_first_day_from_the_open_is_recognised(make_prices: Make) -> None:
    closes = history(7, 0.06)[:30]
    start = LAST - timedelta(days=29)
    prices = make_prices(closes, "A", start).with_columns(
        pl.Series("open_price", [closes[0] / 1.2, *closes[1:]])
    )
    margins = frame(exchange("A", [closes[0] / 1.2, *closes]))
    # the exchange's variance starts with the square of the first day
    assert reasons(hc.reproduce(prices, margins)) == {
        "A": "the first day counts from the open"
    }
    opened = hc.reproduce(prices, margins, first_return={"A": "open"})
    assert opened.securities["within"].all()


def test_a_begin_of_day_file_uses_the_closes_of_the_day_before(
    make_prices: Make,
) -> None:
    closes = history(8)
    shocked = [*closes[:-1], closes[-2] * 0.8]
    early = exchange("A", closes[:-1]) | {"file_no": 1}
    found = hc.reproduce(make_prices(shocked, "A"), frame(early))
    assert found.securities["within"].all()
    assert found.securities["closes_count"].item() == LENGTH - 1


def test_margins_are_judged_like_a_model(
    market: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    prices, margins = market
    days = [LAST - timedelta(days=day) for day in range(60)]
    history_ = pl.concat(
        margins.with_columns(pl.lit(day).alias("date")) for day in days
    )
    covered = hc.backtest(history_, prices, level=0.99)
    assert covered["model"].unique().to_list() == ["exchange"]
    assert covered["n"].to_list() == [59] * 3
    rule = hc.sebi_2020(prices, group=margins)
    both = pl.concat([rule, hc.ewma(prices)])
    assert hc.backtest(both, prices)["model"].n_unique() == 2


def test_the_picture_marks_what_differs(
    market: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    prices, margins = market
    topped = margins.with_columns(
        pl.when(pl.col("instrument_id") == "B")
        .then(pl.col("haircut") + 0.2)
        .otherwise("haircut")
        .cast(MARGINS["haircut"])
        .alias("haircut")
    )
    figure = plot.margin_reproduction(hc.reproduce(prices, topped))
    figure.canvas.draw()
    left = figure.axes[0]
    assert [text.get_text() for text in left.texts] == ["B"]
    assert [len(points.get_offsets()) for points in left.collections] == [2, 1]  # type: ignore[arg-type]
    assert plot.alt_text(figure).startswith("2 of 3 margins are the exchange's")
    none = hc.reproduce(prices, topped.clear())
    assert plot.alt_text(plot.margin_reproduction(none)).startswith("0 of 0")


def test_options_and_frames_are_checked(
    market: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    prices, margins = market
    with pytest.raises(ConfigError, match="tolerance"):
        hc.reproduce(prices, margins, tolerance=-1)
    for column in ("var_margin", "haircut", "security_var"):
        with pytest.raises(FrameError, match=column):
            hc.reproduce(prices, margins.drop(column))
    with pytest.raises(FrameError, match="ex_date"):
        hc.reproduce(prices, margins, actions=pl.DataFrame({"instrument_id": ["A"]}))


def test_the_exchanges_margins_stand_beside_models_in_every_question() -> None:
    days = pl.date_range(date(2026, 1, 1), date(2026, 1, 30), eager=True)
    closes = [100.0 + day % 5 for day in range(len(days))]
    prices = pl.DataFrame({"instrument_id": ["X"] * 30, "date": days, "close": closes})
    own = hc.basel(prices)
    margins = pl.DataFrame(
        {"instrument_id": ["X"] * 30, "date": days},
        schema_overrides={"instrument_id": pl.String},
    ).with_columns(
        **{c: pl.lit("0.09") for c in ("security_var", "var_margin")},
        elm=pl.lit("0.035"),
        adhoc=pl.lit("0"),
        haircut=pl.lit("0.125"),
        file_no=pl.lit(6),
    )
    fractions = ["security_var", "var_margin", "elm", "adhoc", "haircut"]
    margins = margins.with_columns(pl.col(fractions).cast(pl.Decimal(9, 6)))
    both = [own, margins]
    models = {"basel", "exchange"}
    assert set(hc.breaches(both, prices)["model"]) == models
    assert set(hc.backtest(both, prices)["model"]) == models
    compared = hc.compare_models(both, prices, confidence_set=False)
    assert set(compared.scores["model"]) == models
    assert set(hc.procyclicality(both)["model"]) == models
