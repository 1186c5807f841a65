"""The rule in force as the exchange computes it."""

from __future__ import annotations

import math
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from holdings_kit import haircuts as hc
from holdings_kit.errors import ConfigError, FrameError
from holdings_kit.schema import GROUPS, MARGINS, VOLATILITIES

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., pl.DataFrame]

# σ and VaR that the exchange published side by side, percent; σ is rounded
PUBLISHED = [(1.32, 8.23), (1.52, 9.54), (2.12, 13.57), (1.90, 12.07), (1.58, 9.97)]
START = date(2010, 1, 1)


def var_of(prices: pl.DataFrame, **options: Any) -> float:
    """VaR of the last close in percent, unfloored down to 6 %."""
    found = hc.sebi_2020(prices, group="ETF", elm=0.0, **options)
    return float(found["haircut"][-1]) * 100


@pytest.mark.parametrize(("sigma", "var"), PUBLISHED)
def test_published_pairs_of_volatility_and_var_come_out(
    sigma: float, var: float, make_prices: Make
) -> None:
    one = make_prices([100.0])
    low, high = (
        var_of(one, seed=((sigma + shift) / 100) ** 2) for shift in (-0.005, 0.005)
    )
    assert low - 0.005 <= var <= high + 0.005
    linear = var_of(one, seed=((sigma + 0.005) / 100) ** 2, conversion="linear")
    assert linear < var - 0.2


def recompute(closes: list[float], opened: float | None = None) -> list[float]:
    """A second implementation, one close after the other: 100 (exp(6σ) − 1)."""
    variance = 0.0 if opened is None else 0.005 * math.log(closes[0] / opened) ** 2
    out = [100 * math.expm1(6 * math.sqrt(variance))]
    for before, close in pairwise(closes):
        variance = 0.995 * variance + 0.005 * math.log(close / before) ** 2
        out.append(100 * math.expm1(6 * math.sqrt(variance)))
    return out


def test_the_default_is_the_exchanges_own_computation(make_prices: Make) -> None:
    closes = [100.0, 112.0, 91.0, 95.5, 70.2, 71.0, 88.8, 80.0, 79.9, 101.0]
    found = hc.sebi_2020(make_prices(closes), group="I")
    expected = [max(value, 9.0) + 3.5 for value in recompute(closes)]
    assert (found["haircut"] * 100).to_list() == pytest.approx(expected, rel=1e-12)
    assert found["volatility"][0] is None  # no return yet: the floor stands alone
    assert found["floor_hit"][0]
    same = hc.sebi_2020(make_prices(closes), group="I", seed=0.0)
    assert same["haircut"].equals(found["haircut"])


def test_the_first_day_counts_not_at_all_or_from_the_open(make_prices: Make) -> None:
    closes = [131.33, 150.0, 120.0, 124.0]
    opens = pl.Series("open_price", [112.0, 1.0, 1.0, 1.0])
    prices = make_prices(closes, "NEW").with_columns(opens)
    both = pl.concat([prices, prices.with_columns(instrument_id=pl.lit("OLD"))])
    found = hc.sebi_2020(both, group="ETF", elm=0.0, first_return={"NEW": "open"})
    for name, opened in (("NEW", 112.0), ("OLD", None)):
        ours = found.filter(instrument_id=name)["haircut"] * 100
        expected = [max(value, 6.0) for value in recompute(closes, opened)]
        assert ours.to_list() == pytest.approx(expected, rel=1e-12)
    with pytest.raises(FrameError, match="open_price"):
        hc.sebi_2020(make_prices(closes), first_return="open")
    with pytest.raises(ConfigError, match="'issue'"):
        hc.sebi_2020(prices, first_return="issue")  # type: ignore[arg-type]
    unknown = prices.with_columns(open_price=pl.lit(None, pl.Float64()))
    none = hc.sebi_2020(unknown, first_return="open")["haircut"]
    assert none.equals(hc.sebi_2020(prices)["haircut"])


def test_seeds_come_from_the_exchanges_volatilities(make_prices: Make) -> None:
    closes = [100.0, 103.0, 99.0, 104.0]
    day = START + timedelta(days=2)
    row = {"instrument_id": "X", "date": day, "previous_volatility": 0.02}
    row |= {"volatility": math.sqrt(0.995 * 0.0004 + 0.005 * math.log(99 / 103) ** 2)}
    seeds = pl.DataFrame([row], schema=VOLATILITIES)
    found = hc.sebi_2020(make_prices(closes), seed=seeds)["volatility"].to_list()
    assert found[0] is None
    assert found[1:3] == pytest.approx([0.02, row["volatility"]])
    expected = 0.995 * float(row["volatility"]) ** 2 + 0.005 * math.log(104 / 99) ** 2
    assert found[3] == pytest.approx(math.sqrt(expected))
    late = make_prices(closes[2:], start=day)  # the day before is not there
    assert hc.sebi_2020(late, seed=seeds)["volatility"].to_list() == pytest.approx(
        found[2:]
    )
    bare = pl.DataFrame({"instrument_id": ["X"], "volatility": [0.02]})
    first = hc.ewma(make_prices(closes), decay=0.995, seed=bare)["volatility"]
    assert first[0] == pytest.approx(0.02)
    other = hc.sebi_2020(make_prices(closes, "Y"), seed=seeds)
    assert other["haircut"].null_count() == 4  # no seed, no number
    with pytest.raises(FrameError, match="fraction"):
        hc.ewma(late, seed=bare.with_columns(volatility=pl.lit(1.32)))
    with pytest.raises(FrameError, match="volatility"):
        hc.ewma(late, seed=bare.drop("volatility"))


def test_groups_come_from_the_monthly_list_as_of_the_day(make_prices: Make) -> None:
    prices = make_prices([100.0] * 70)
    months = [(date(2010, 2, 1), 1), (date(2010, 3, 1), 3)]
    rows = [{"instrument_id": "X", "date": day, "group": no} for day, no in months]
    groups = pl.DataFrame(rows, schema=GROUPS)
    found = hc.sebi_2020(prices, group=groups).with_columns(pl.col("haircut").round(6))
    by_month = found.group_by(pl.col("date").dt.month()).agg(pl.col("haircut").unique())
    assert dict(by_month.rows()) == {1: [0.125], 2: [0.125], 3: [0.535]}
    two = pl.DataFrame({"instrument_id": ["X"], "group": ["II"]})
    assert hc.sebi_2020(prices, group=two.lazy())["haircut"][-1] == pytest.approx(0.25)
    assert hc.sebi_2020(make_prices([1.0], "Y"), group=two)["haircut"][0] is None
    both = pl.concat([two, two.with_columns(group=pl.lit("I"))])
    with pytest.raises(FrameError, match="X has I"):
        hc.sebi_2020(prices, group=both)


def margin(security: float, var: float, elm: float) -> dict[str, object]:
    return {"security_var": security, "var_margin": var, "elm": elm}


@pytest.mark.parametrize(
    ("row", "group"),
    [
        (margin(0.0657, 0.09, 0.035), "I"),
        (margin(0.1421, 0.1421, 0.035), "I"),
        (margin(0.1421, 0.215, 0.035), "II"),
        (margin(0.2707, 0.2707, 0.035), "I or II"),
        (margin(0.0, 0.50, 0.035), "III"),
        (margin(0.0, 0.75, 0.035), "III-untraded"),
        (margin(0.0657, 0.0657, 0.02), "ETF"),
        (margin(0.0421, 0.06, 0.02), "ETF"),
        (margin(0.0, 0.10, 0.0), None),  # a bond
        (margin(0.0, 1.0, 0.0), None),  # trade for trade
    ],
)
def test_groups_are_read_off_the_margins(
    row: dict[str, object], group: str | None, make_prices: Make
) -> None:
    facts = {"instrument_id": "X", "series": "EQ", "date": START, "file_no": 6} | row
    margins = pl.DataFrame([facts], schema=MARGINS, strict=False)
    from_file = hc.sebi_2020(make_prices([100.0]), group=margins, seed=0.035**2)
    if group is None:
        assert from_file["haircut"][0] is None
    else:
        named = hc.sebi_2020(make_prices([100.0]), group=group, seed=0.035**2)
        assert from_file["haircut"].equals(named["haircut"])


def test_a_share_of_either_group_has_a_margin_above_the_higher_floor_only(
    make_prices: Make,
) -> None:
    calm, wild = (
        hc.sebi_2020(make_prices([100.0]), group="I or II", seed=sigma**2)["haircut"][0]
        for sigma in (0.02, 0.04)
    )
    assert calm is None
    assert wild == pytest.approx(math.expm1(0.24) + 0.035)
