from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from holdings_kit import haircuts as hc
from holdings_kit.errors import FrameError
from holdings_kit.haircuts._frames import read_haircuts

DAY = date(2025, 11, 6)


def margins(file_no: int, haircut: float, *, series: str = "EQ") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "instrument_id": ["INE062A01020"],
            "symbol": ["SBIN"],
            "series": [series],
            "date": [DAY],
            "file_no": [file_no],
            "security_var": ["0.0823"],
            "var_margin": ["0.09"],
            "elm": ["0.035"],
            "haircut": [str(haircut)],
        }
    ).cast(
        dict.fromkeys(
            ["security_var", "var_margin", "elm", "haircut"], pl.Decimal(9, 6)
        )
    )


def test_a_row_says_what_it_was_built_for(universe: pl.DataFrame) -> None:
    row = hc.ewma(universe, level=0.95, horizon=10, name="slow").row(-1, named=True)
    assert (row["model"], row["name"]) == ("ewma", "slow")
    assert (row["level"], row["horizon"], row["note"]) == (0.95, 10, None)
    rule = hc.sebi_2020(universe).row(-1, named=True)  # the rule states neither
    assert (rule["name"], rule["level"], rule["horizon"]) == ("sebi_2020", None, None)


@pytest.mark.parametrize("second", [{}, {"level": 0.95}, {"horizon": 10}])
def test_two_haircuts_of_one_instrument_date_and_name_are_refused(
    second: dict[str, float], universe: pl.DataFrame
) -> None:
    both = pl.concat([hc.ewma(universe), hc.ewma(universe, **second)])  # type: ignore[arg-type]
    for ask in (
        lambda: hc.backtest(both, universe),
        lambda: hc.compare_models(both, universe),
        lambda: hc.buffer(both),
        lambda: hc.procyclicality(both),
        lambda: hc.backtest(both.sample(fraction=1, shuffle=True), universe),
    ):
        with pytest.raises(FrameError, match="called 'ewma'"):
            ask()
    named = pl.concat([hc.ewma(universe), hc.ewma(universe, **second, name="b")])  # type: ignore[arg-type]
    assert read_haircuts(named)["name"].unique().sort().to_list() == ["b", "ewma"]


def test_a_model_renamed_by_hand_is_another_series(universe: pl.DataFrame) -> None:
    slow = hc.ewma(universe, decay=0.99).with_columns(model=pl.lit("slow"))
    rows = read_haircuts(pl.concat([hc.ewma(universe), slow]))
    assert rows["name"].equals(rows["model"].alias("name"))


def test_the_exchanges_margins_are_haircuts_of_the_days_last_file() -> None:
    files = pl.concat(
        [margins(6, 0.125), margins(1, 0.2), margins(7, 0.5, series="T0")]
    )
    row = read_haircuts(files).row(0, named=True)
    assert (row["model"], row["name"], row["haircut"]) == (
        "exchange",
        "exchange",
        0.125,
    )
    assert row["volatility"] == pytest.approx(0.0132, abs=5e-5)  # published: 1.32 %
    assert row["floor_hit"]


def test_a_bare_table_of_haircuts_is_enough(universe: pl.DataFrame) -> None:
    bare = universe.select(
        "instrument_id", "date", model=pl.lit("m"), haircut=pl.lit(1)
    )
    rows = read_haircuts(bare.lazy())
    assert rows.schema == hc.HAIRCUTS
    assert rows["name"].unique().to_list() == ["m"]
    with pytest.raises(FrameError, match="model"):
        read_haircuts(bare.drop("model"))
